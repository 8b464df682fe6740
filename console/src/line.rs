//! A line editor without input or output: bytes in, echo and lines out.
//!
//! The kernel feeds it what the serial port received, when its output ring has room for
//! [`MAXIMUM_ECHO`] octets and no reply is under way. It knows nothing of commands. Whatever arrives,
//! it neither panics nor holds more than one line: a terminal, a script, a flood of noise.

use crate::reply::PROMPT;
use core::fmt::{self, Write};
use heapless::{String, Vec};

/// The octets of the longest line.
pub const CAPACITY: usize = 256;
/// The most octets that the echo of one input byte can have: a cleared screen, prompt and line.
pub const MAXIMUM_ECHO: usize = CLEAR_SCREEN.len() + ERASE_LINE.len() + PROMPT.len() + CAPACITY;
/// Goes to the start of the terminal's line and erases it: before something else is printed there.
pub const ERASE_LINE: &str = "\r\x1b[K";

const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";
const RUB_OUT: &str = "\x08 \x08";
const BELL: char = '\x07';

const END_OF_TEXT: u8 = 0x03; // Ctrl-C
const BACKSPACE: u8 = 0x08;
const LINE_FEED: u8 = b'\n';
const FORM_FEED: u8 = 0x0c; // Ctrl-L
const CARRIAGE_RETURN: u8 = b'\r';
const NEGATIVE_ACKNOWLEDGE: u8 = 0x15; // Ctrl-U
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// The line had more than [`CAPACITY`] octets. It is refused as a whole: half a command is another
/// command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line ignored: it is longer than {CAPACITY} octets")
    }
}

/// Where in an escape sequence the input stands (ECMA-48 §5). Sequences are recognized only to be
/// ignored as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In none.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After CSI: up to a final byte.
    ControlSequence,
    /// One more byte belongs to it.
    LastByte,
    /// In an operating system command or the like: up to BEL or ESC.
    ControlString,
}

/// The line being typed.
#[derive(Debug, Default)]
pub struct LineEditor {
    line: String<CAPACITY>,
    /// The first octets of a character that is not complete yet.
    partial: Vec<u8, 4>,
    state: State,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
    /// Something that was typed is missing in the line.
    overflowed: bool,
    /// The line was handed out: the next byte begins a new one.
    finished: bool,
}

impl LineEditor {
    /// An editor with an empty line.
    pub const fn new() -> Self {
        Self {
            line: String::new(),
            partial: Vec::new(),
            state: State::Text,
            after_return: false,
            overflowed: false,
            finished: false,
        }
    }

    /// Takes one input byte, writes what the terminal should show of it to `echo`, and returns the
    /// line if that byte completed it.
    ///
    /// Enter is CR, LF or CRLF. Ctrl-C abandons the line, Ctrl-U empties it, Ctrl-L clears the
    /// screen. Other control bytes, escape sequences and what is not UTF-8 are ignored. A line that
    /// was too long comes out as an error instead, unless something was deleted from it since. What
    /// `echo` refuses is lost, the byte is taken all the same.
    pub fn feed(&mut self, byte: u8, echo: &mut dyn Write) -> Option<Result<&str, LineTooLong>> {
        if self.finished {
            self.clear();
        }
        let after_return = core::mem::take(&mut self.after_return);
        let character = self.decode(byte)?;
        // An echo that finds no room is not worth a byte of input.
        let _ = match character {
            Input::Character(character) => self.insert(character, echo),
            Input::Control(LINE_FEED) if after_return => Ok(()),
            Input::Control(end @ (CARRIAGE_RETURN | LINE_FEED)) => {
                self.after_return = end == CARRIAGE_RETURN;
                self.finished = true;
                let _ = echo.write_str("\r\n");
                return Some(if self.overflowed {
                    Err(LineTooLong)
                } else {
                    Ok(&self.line)
                });
            }
            Input::Control(control) => self.edit(control, echo),
        };
        None
    }

    /// Writes the prompt and the line so far in place of the terminal's current line: after
    /// something else was printed while somebody was typing.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refuses it.
    pub fn redraw(&self, out: &mut dyn Write) -> fmt::Result {
        let line = if self.finished { "" } else { &self.line };
        write!(out, "{ERASE_LINE}{PROMPT}{line}")
    }

    /// Whether nothing was typed since the last line was completed.
    pub fn is_empty(&self) -> bool {
        self.finished || self.line.is_empty()
    }

    fn clear(&mut self) {
        self.line.clear();
        self.overflowed = false;
        self.finished = false;
    }

    fn insert(&mut self, character: char, echo: &mut dyn Write) -> fmt::Result {
        if self.line.push(character).is_err() {
            self.overflowed = true;
            return echo.write_char(BELL);
        }
        echo.write_char(character)
    }

    fn edit(&mut self, control: u8, echo: &mut dyn Write) -> fmt::Result {
        match control {
            BACKSPACE | DELETE => {
                self.overflowed = false;
                match self.line.pop() {
                    Some(_) => echo.write_str(RUB_OUT),
                    None => echo.write_char(BELL),
                }
            }
            NEGATIVE_ACKNOWLEDGE => {
                self.clear();
                self.redraw(echo)
            }
            END_OF_TEXT => {
                self.clear();
                write!(echo, "^C\r\n{PROMPT}")
            }
            FORM_FEED => {
                echo.write_str(CLEAR_SCREEN)?;
                self.redraw(echo)
            }
            _ => Ok(()),
        }
    }

    /// Removes escape sequences and puts characters together from their octets.
    fn decode(&mut self, byte: u8) -> Option<Input> {
        if byte.is_ascii_control() {
            // A control byte ends whatever it interrupts, so that no noise can swallow Enter.
            self.partial.clear();
            self.state = if byte == ESCAPE {
                State::Escape
            } else {
                State::Text
            };
            return Some(Input::Control(byte));
        }
        if self.state != State::Text {
            self.state = self.state.after(byte);
            return None;
        }
        self.assemble(byte).map(Input::Character)
    }

    /// The character that `byte` completes, if it does. Control characters beyond ASCII and octets
    /// that cannot be part of a character are dropped.
    fn assemble(&mut self, byte: u8) -> Option<char> {
        if byte.is_ascii() || byte & 0b1100_0000 == 0b1100_0000 {
            // A first octet: what was incomplete before it will never be complete.
            self.partial.clear();
        }
        // What has no room any more belongs to no character.
        let _ = self.partial.push(byte);
        let text = core::str::from_utf8(&self.partial).ok()?;
        let character = text.chars().next();
        self.partial.clear();
        character.filter(|character| !character.is_control())
    }
}

/// One thing that was typed.
enum Input {
    /// A printable character.
    Character(char),
    /// An ASCII control byte.
    Control(u8),
}

impl State {
    /// The state after a byte that is not an ASCII control, in a state that is not `Text`.
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Escape, b'[') => Self::ControlSequence,
            // A shifted character (SS3), or an intermediate byte before the final one.
            (Self::Escape, b'O' | b' '..=b'/') => Self::LastByte,
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Self::ControlString,
            (Self::ControlSequence, b' '..=b'?') => Self::ControlSequence,
            (Self::ControlString, _) => Self::ControlString,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::String as Text;
    use std::vec::Vec as List;

    /// What comes out of a fresh editor: the lines, and the echo.
    fn typed(bytes: &[u8]) -> (List<Result<Text, LineTooLong>>, Text) {
        let mut editor = LineEditor::new();
        let mut echo = Text::new();
        let mut lines = List::new();
        for &byte in bytes {
            if let Some(line) = editor.feed(byte, &mut echo) {
                lines.push(line.map(Text::from));
            }
        }
        (lines, echo)
    }

    fn lines(bytes: &[u8]) -> List<Text> {
        let (lines, _) = typed(bytes);
        lines
            .into_iter()
            .map(|line| line.expect("short enough"))
            .collect()
    }

    #[test]
    fn a_line_ends_with_cr_lf_or_both() {
        assert_eq!(
            lines(b"a\rb\nc\r\nd\r\re\n\nf"),
            ["a", "b", "c", "d", "", "e", ""]
        );
    }

    #[test]
    fn what_is_typed_is_echoed() {
        let (_, echo) = typed(b"status\r\nhe");
        assert_eq!(echo, "status\r\nhe");
    }

    #[test]
    fn backspace_and_delete_rub_out_the_last_character_however_many_octets_it_has() {
        let (found, echo) = typed("aé\x08b\x7f\r".as_bytes());
        assert_eq!(found, [Ok("a".into())]);
        assert_eq!(echo, "aé\x08 \x08b\x08 \x08\r\n");
    }

    #[test]
    fn backspace_on_an_empty_line_rings_the_bell() {
        assert_eq!(typed(b"\x7f").1, "\x07");
    }

    #[test]
    fn ctrl_u_empties_the_line() {
        let (found, echo) = typed(b"rebot\x15status\r");
        assert_eq!(found, [Ok("status".into())]);
        assert_eq!(echo, "rebot\r\x1b[Kpollux> status\r\n");
    }

    #[test]
    fn ctrl_c_abandons_the_line() {
        let (found, echo) = typed(b"reboot\x03status\r");
        assert_eq!(found, [Ok("status".into())]);
        assert_eq!(echo, "reboot^C\r\npollux> status\r\n");
    }

    #[test]
    fn ctrl_l_clears_the_screen_and_keeps_the_line() {
        let (found, echo) = typed(b"stat\x0cus\r");
        assert_eq!(found, [Ok("status".into())]);
        assert_eq!(echo, "stat\x1b[H\x1b[2J\r\x1b[Kpollux> status\r\n");
    }

    #[test]
    fn cursor_keys_function_keys_and_other_sequences_leave_no_trace() {
        let sequences: [&[u8]; 9] = [
            b"\x1b[A",
            b"\x1b[1;5D",
            b"\x1b[200~",
            b"\x1bOP",
            b"\x1bx",
            b"\x1b(B",
            b"\x1b]0;title\x07",
            b"\x1bPq#0\x1b\\",
            b"\x1b[24;80R",
        ];
        for sequence in sequences {
            let input = [b"ab", sequence, b"cd\r"].concat();
            let (found, echo) = typed(&input);
            assert_eq!(found, [Ok("abcd".into())], "{}", input.escape_ascii());
            assert_eq!(echo, "abcd\r\n");
        }
    }

    #[test]
    fn an_unfinished_sequence_does_not_swallow_enter() {
        for start in ["\x1b", "\x1b[", "\x1b[12;", "\x1bO", "\x1b]0;"] {
            assert_eq!(
                lines(format!("ab{start}\r").as_bytes()),
                ["ab"],
                "{start:?}"
            );
        }
    }

    #[test]
    fn other_control_bytes_are_ignored() {
        assert_eq!(
            typed(b"a\x00b\x01\tc\x1fd\r"),
            (List::from([Ok("abcd".into())]), "abcd\r\n".into())
        );
    }

    #[test]
    fn octets_that_are_not_utf_8_are_ignored() {
        let inputs: [&[u8]; 8] = [
            b"a\xffb\r",
            b"a\x80b\r",
            b"a\xc3b\r",
            b"a\xe2\x82b\r",
            b"a\xc0\x80b\r",
            b"a\xed\xa0\x80b\r",
            b"a\xf4\x90\x80\x80b\r",
            b"a\xc2\x9bb\r",
        ];
        for input in inputs {
            assert_eq!(lines(input), ["ab"], "{}", input.escape_ascii());
        }
        assert_eq!(lines(b"\xe2\x82\xc3\xa9\r"), ["é"]);
    }

    #[test]
    fn a_full_line_rings_the_bell_and_is_refused_as_a_whole() {
        let mut input = List::from([b'x'; CAPACITY]);
        input.extend(b"yz\rok\r");
        let (found, echo) = typed(&input);
        assert_eq!(found, [Err(LineTooLong), Ok("ok".into())]);
        assert!(echo.ends_with("xx\x07\x07\r\nok\r\n"));
        assert_eq!(
            format!("{LineTooLong}"),
            "line ignored: it is longer than 256 octets"
        );
    }

    #[test]
    fn a_full_line_that_was_shortened_again_is_what_the_screen_shows() {
        let mut input = List::from([b'x'; CAPACITY + 1]);
        input.extend(b"\x7f\r");
        assert_eq!(lines(&input), ["x".repeat(CAPACITY - 1)]);
    }

    #[test]
    fn a_character_that_does_not_fit_is_not_cut_in_two() {
        let mut input = List::from([b'x'; CAPACITY - 1]);
        input.extend("é\r".as_bytes());
        assert_eq!(typed(&input).0, [Err(LineTooLong)]);
    }

    #[test]
    fn redraw_shows_the_prompt_and_the_line_so_far() {
        let mut editor = LineEditor::new();
        let mut nowhere = Text::new();
        for byte in *b"stat" {
            editor.feed(byte, &mut nowhere);
        }
        let mut screen = Text::new();
        editor.redraw(&mut screen).expect("has room");
        assert_eq!(screen, "\r\x1b[Kpollux> stat");
        assert!(!editor.is_empty());
        editor.feed(b'\r', &mut nowhere);
        assert!(editor.is_empty());
        screen.clear();
        editor.redraw(&mut screen).expect("has room");
        assert_eq!(screen, "\r\x1b[Kpollux> ");
    }

    #[test]
    fn a_terminal_that_takes_no_echo_loses_no_input() {
        struct Full;
        impl Write for Full {
            fn write_str(&mut self, _: &str) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let mut editor = LineEditor::new();
        for byte in *b"statsu\x7f\x7fus\x0c" {
            assert_eq!(editor.feed(byte, &mut Full), None);
        }
        assert_eq!(editor.feed(b'\r', &mut Full), Some(Ok("status")));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_exceed_the_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut editor = LineEditor::new();
            for byte in bytes {
                let mut echo = Text::new();
                if let Some(Ok(line)) = editor.feed(byte, &mut echo) {
                    prop_assert!(line.len() <= CAPACITY);
                    prop_assert!(!line.chars().any(char::is_control));
                }
                prop_assert!(echo.len() <= MAXIMUM_ECHO);
            }
        }

        #[test]
        fn after_any_noise_a_line_can_be_typed(noise in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut editor = LineEditor::new();
            let mut echo = Text::new();
            for byte in noise.into_iter().chain(*b"\x03statu") {
                editor.feed(byte, &mut echo);
            }
            editor.feed(b's', &mut echo);
            prop_assert_eq!(editor.feed(b'\r', &mut echo), Some(Ok("status")));
        }

        #[test]
        fn printable_text_comes_out_as_it_was_typed(text in "[^\\p{Cc}]{0,60}") {
            let found = lines(format!("{text}\r").as_bytes());
            prop_assert_eq!(found, [text]);
        }
    }
}
