//! A line editor without input or output: bytes in, echo and lines out.
//!
//! The kernel feeds it what the serial port received, when its output ring has room for
//! [`MAXIMUM_ECHO`] octets and no reply is under way. It knows nothing of commands: what Tab means it is
//! told. Whatever arrives, it neither panics nor holds more than one line and the history: a terminal, a
//! script, a flood of noise.
//!
//! It is our own because the editors that exist for machines without an operating system read from a
//! port until a line is complete, or echo as much as they like in one go; here a byte is one bounded step.

use crate::complete::Completions;
use crate::reply::PROMPT;
use core::fmt::{self, Write};
use heapless::{Deque, String, Vec};

/// The octets of the longest line.
pub const CAPACITY: usize = 256;
/// The most octets that the echo of one input byte can have: a cleared screen, the prompt, a line, and the
/// cursor put back into it.
pub const MAXIMUM_ECHO: usize =
    CLEAR_SCREEN.len() + ERASE_LINE.len() + PROMPT.len() + CAPACITY + CURSOR_BACK;
/// Goes to the start of the terminal's line and erases it: before something else is printed there.
pub const ERASE_LINE: &str = "\r\x1b[K";
/// How many lines can be called back.
pub const HISTORY: usize = 16;

/// The octets of the longest sequence that moves the cursor back.
const CURSOR_BACK: usize = 8;
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";
const ERASE_REST: &str = "\x1b[K";
const RUB_OUT: &str = "\x08 \x08";
const BELL: char = '\x07';

const START: u8 = 0x01; // Ctrl-A
const BACK: u8 = 0x02; // Ctrl-B
const END_OF_TEXT: u8 = 0x03; // Ctrl-C
const REMOVE: u8 = 0x04; // Ctrl-D
const END: u8 = 0x05; // Ctrl-E
const FORWARD: u8 = 0x06; // Ctrl-F
const BACKSPACE: u8 = 0x08;
const TAB: u8 = b'\t';
const LINE_FEED: u8 = b'\n';
const KILL_REST: u8 = 0x0b; // Ctrl-K
const FORM_FEED: u8 = 0x0c; // Ctrl-L
const CARRIAGE_RETURN: u8 = b'\r';
const NEXT: u8 = 0x0e; // Ctrl-N
const PREVIOUS: u8 = 0x10; // Ctrl-P
const KILL_BEFORE: u8 = 0x15; // Ctrl-U
const KILL_WORD: u8 = 0x17; // Ctrl-W
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

/// Where in an escape sequence the input stands (ECMA-48 §5). Sequences other than those of keys that
/// move the cursor are recognized only to be ignored as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In none.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After CSI: up to a final byte. With the first number so far.
    ControlSequence(u8),
    /// The same, behind the first number.
    Parameters(u8),
    /// After SS3: one more byte belongs to it.
    Shifted,
    /// One more byte belongs to it.
    LastByte,
    /// In an operating system command or the like: up to BEL or ESC.
    ControlString,
}

type Line = String<CAPACITY>;

/// The line being typed, and those before it.
#[derive(Debug, Default)]
pub struct LineEditor {
    line: Line,
    /// Where in the line the cursor is, in octets; never within a character.
    cursor: usize,
    /// The lines before, the oldest first.
    history: Deque<Line, HISTORY>,
    /// How many lines back the one shown is; 0 for the one being typed.
    back: usize,
    /// The line being typed, while one of the history is shown.
    draft: Line,
    /// The first octets of a character that is not complete yet.
    partial: Vec<u8, 4>,
    state: State,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
    /// Something that was typed is missing in the line.
    overflowed: bool,
    /// The line was handed out: the next byte begins a new one.
    finished: bool,
    /// Tab was pressed, and nobody asked yet.
    tab: bool,
}

impl LineEditor {
    /// An editor with an empty line.
    pub const fn new() -> Self {
        Self {
            line: String::new(),
            cursor: 0,
            history: Deque::new(),
            back: 0,
            draft: String::new(),
            partial: Vec::new(),
            state: State::Text,
            after_return: false,
            overflowed: false,
            finished: false,
            tab: false,
        }
    }

    /// Takes one input byte, writes what the terminal should show of it to `echo`, and returns the
    /// line if that byte completed it.
    ///
    /// Enter is CR, LF or CRLF. Ctrl-C abandons the line, Ctrl-L clears the screen; the cursor keys, Home,
    /// End, Delete, Ctrl-A, E, B, F, D, K, U, W, P and N do what they do in a shell. Other control bytes,
    /// escape sequences and what is not UTF-8 are ignored. A line that was too long comes out as an error
    /// instead, unless something was deleted from it since. What `echo` refuses is lost, the byte is taken
    /// all the same.
    pub fn feed(&mut self, byte: u8, echo: &mut dyn Write) -> Option<Result<&str, LineTooLong>> {
        if self.finished {
            self.clear();
        }
        let after_return = core::mem::take(&mut self.after_return);
        let input = self.decode(byte)?;
        // An echo that finds no room is not worth a byte of input.
        let _ = match input {
            Input::Character(character) => self.insert(character, echo),
            Input::Control(LINE_FEED) if after_return => Ok(()),
            Input::Control(end @ (CARRIAGE_RETURN | LINE_FEED)) => {
                self.after_return = end == CARRIAGE_RETURN;
                self.finished = true;
                let _ = echo.write_str("\r\n");
                if self.overflowed {
                    return Some(Err(LineTooLong));
                }
                self.remember();
                return Some(Ok(&self.line));
            }
            Input::Control(control) => self.edit(control, echo),
        };
        None
    }

    /// Forgets the line that was completed last: it is no command to be called back.
    pub fn forget_last(&mut self) {
        self.history.pop_back();
    }

    /// Whether Tab was pressed since this was last asked.
    pub const fn take_tab(&mut self) -> bool {
        core::mem::replace(&mut self.tab, false)
    }

    /// The line up to the cursor: what is to be completed.
    pub fn before_cursor(&self) -> &str {
        self.line.get(..self.cursor).unwrap_or("")
    }

    /// Types what Tab adds, or rings the bell when that is nothing.
    pub fn complete(&mut self, completions: &Completions, echo: &mut dyn Write) {
        if completions.addition.is_empty() {
            let _ = echo.write_char(BELL);
        }
        let room = CAPACITY - self.line.len();
        if completions.addition.len() <= room {
            let added = completions.addition.as_str();
            // There is room.
            let _ = self.line.insert_str(self.cursor, added);
            self.cursor += added.len();
            let _ = echo.write_str(added);
            let _ = self.show_rest(echo);
        }
    }

    /// Writes the prompt and the line so far in place of the terminal's current line: after
    /// something else was printed while somebody was typing.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refuses it.
    pub fn redraw(&self, out: &mut dyn Write) -> fmt::Result {
        if self.finished {
            return write!(out, "{ERASE_LINE}{PROMPT}");
        }
        write!(out, "{ERASE_LINE}{PROMPT}{}", self.line)?;
        move_back(self.rest().chars().count(), out)
    }

    /// Whether nothing was typed since the last line was completed.
    pub fn is_empty(&self) -> bool {
        self.finished || self.line.is_empty()
    }

    fn clear(&mut self) {
        self.line.clear();
        self.cursor = 0;
        self.back = 0;
        self.overflowed = false;
        self.finished = false;
    }

    /// The line behind the cursor.
    fn rest(&self) -> &str {
        self.line.get(self.cursor..).unwrap_or("")
    }

    /// Keeps the line, unless it is empty or the same as the last one.
    fn remember(&mut self) {
        let is_same = self.history.back().is_some_and(|last| *last == self.line);
        if is_same || self.line.trim().is_empty() {
            return;
        }
        if self.history.is_full() {
            self.history.pop_front();
        }
        // There is room: it was just made.
        let _ = self.history.push_back(self.line.clone());
    }

    fn insert(&mut self, character: char, echo: &mut dyn Write) -> fmt::Result {
        if self.line.insert(self.cursor, character).is_err() {
            self.overflowed = true;
            return echo.write_char(BELL);
        }
        self.cursor += character.len_utf8();
        echo.write_char(character)?;
        self.show_rest(echo)
    }

    /// Writes the line behind the cursor, and puts the cursor back.
    fn show_rest(&self, echo: &mut dyn Write) -> fmt::Result {
        echo.write_str(self.rest())?;
        move_back(self.rest().chars().count(), echo)
    }

    fn edit(&mut self, control: u8, echo: &mut dyn Write) -> fmt::Result {
        match control {
            BACKSPACE | DELETE => match self.before_cursor().chars().next_back() {
                Some(character) => {
                    let is_last = self.rest().is_empty();
                    self.remove(self.cursor - character.len_utf8()..self.cursor);
                    if is_last {
                        return echo.write_str(RUB_OUT);
                    }
                    echo.write_char('\x08')?;
                    echo.write_str(ERASE_REST)?;
                    self.show_rest(echo)
                }
                None => echo.write_char(BELL),
            },
            REMOVE => match self.rest().chars().next() {
                Some(character) => {
                    self.remove(self.cursor..self.cursor + character.len_utf8());
                    echo.write_str(ERASE_REST)?;
                    self.show_rest(echo)
                }
                None => Ok(()),
            },
            KILL_BEFORE => {
                self.remove(0..self.cursor);
                self.redraw(echo)
            }
            KILL_REST => {
                self.remove(self.cursor..self.line.len());
                echo.write_str(ERASE_REST)
            }
            KILL_WORD => {
                let before = self.before_cursor().trim_end();
                let start = before.rfind(char::is_whitespace).map_or(0, |blank| {
                    blank
                        + before
                            .get(blank..)
                            .and_then(|rest| rest.chars().next())
                            .map_or(0, char::len_utf8)
                });
                self.remove(start..self.cursor);
                self.redraw(echo)
            }
            START => {
                let steps = self.before_cursor().chars().count();
                self.cursor = 0;
                move_back(steps, echo)
            }
            END => {
                let steps = self.rest().chars().count();
                self.cursor = self.line.len();
                match steps {
                    0 => Ok(()),
                    steps => write!(echo, "\x1b[{steps}C"),
                }
            }
            BACK => match self.before_cursor().chars().next_back() {
                Some(character) => {
                    self.cursor -= character.len_utf8();
                    move_back(1, echo)
                }
                None => Ok(()),
            },
            FORWARD => match self.rest().chars().next() {
                Some(character) => {
                    self.cursor += character.len_utf8();
                    echo.write_char(character)
                }
                None => Ok(()),
            },
            PREVIOUS if self.back < self.history.len() => self.show_history(self.back + 1, echo),
            NEXT if self.back > 0 => self.show_history(self.back - 1, echo),
            TAB => {
                self.tab = true;
                Ok(())
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

    /// Removes a part of the line, and puts the cursor where it was.
    fn remove(&mut self, range: core::ops::Range<usize>) {
        let mut shorter = Line::new();
        // It fits: it is no longer than the line was.
        let _ = shorter.push_str(self.line.get(..range.start).unwrap_or(""));
        let _ = shorter.push_str(self.line.get(range.end..).unwrap_or(""));
        self.line = shorter;
        self.cursor = range.start.min(self.line.len());
        self.overflowed = false;
    }

    /// Shows the line that was typed `back` lines before; 0 is the one being typed.
    fn show_history(&mut self, back: usize, echo: &mut dyn Write) -> fmt::Result {
        if self.back == 0 {
            self.draft.clone_from(&self.line);
        }
        let place = self.history.len().checked_sub(back);
        let line = match back {
            0 => Some(&self.draft),
            _ => place.and_then(|place| self.history.iter().nth(place)),
        };
        if let Some(line) = line {
            self.line.clone_from(line);
        }
        self.back = back;
        self.cursor = self.line.len();
        self.overflowed = false;
        self.redraw(echo)
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
            let key = self.state.key(byte);
            self.state = self.state.after(byte);
            return key.map(Input::Control);
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

/// Moves the cursor to the left.
fn move_back(steps: usize, out: &mut dyn Write) -> fmt::Result {
    match steps {
        0 => Ok(()),
        1 => out.write_char('\x08'),
        steps => write!(out, "\x1b[{steps}D"),
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
            (Self::Escape, b'[') => Self::ControlSequence(0),
            (Self::Escape, b'O') => Self::Shifted,
            // An intermediate byte before the final one.
            (Self::Escape, b' '..=b'/') => Self::LastByte,
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Self::ControlString,
            (Self::ControlSequence(number), digit @ b'0'..=b'9') => {
                Self::ControlSequence(number.saturating_mul(10).saturating_add(digit - b'0'))
            }
            (Self::ControlSequence(number) | Self::Parameters(number), b' '..=b'?') => {
                Self::Parameters(number)
            }
            (Self::ControlString, _) => Self::ControlString,
            _ => Self::Text,
        }
    }

    /// The control byte that does what the key does whose sequence `byte` ends, if there is one.
    const fn key(self, byte: u8) -> Option<u8> {
        match (self, byte) {
            // A key with Ctrl or Shift has a second number; it is taken for the key alone.
            (Self::ControlSequence(_) | Self::Parameters(_) | Self::Shifted, final_byte) => {
                match (final_byte, self) {
                    (b'A', _) => Some(PREVIOUS),
                    (b'B', _) => Some(NEXT),
                    (b'C', _) => Some(FORWARD),
                    (b'D', _) => Some(BACK),
                    (b'H', _) | (b'~', Self::ControlSequence(1 | 7)) => Some(START),
                    (b'F', _) | (b'~', Self::ControlSequence(4 | 8)) => Some(END),
                    (b'~', Self::ControlSequence(3)) => Some(REMOVE),
                    _ => None,
                }
            }
            _ => None,
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
    fn function_keys_and_other_sequences_leave_no_trace() {
        let sequences: [&[u8]; 9] = [
            b"\x1b[A",
            b"\x1b[B",
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
            typed(b"a\x00b\x0f\tc\x1fd\r"),
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

    #[test]
    fn the_line_can_be_edited_anywhere() {
        for (typed, line) in [
            ("bc\x01a", "abc"),
            ("ab\x1b[D\x1b[Dx\x05c", "xabc"),
            ("ac\x1b[Db", "abc"),
            ("aé\x02\x02b\x06\x06c", "baéc"),
            ("abc\x1b[H\x1b[3~", "bc"),
            ("abc\x1bOH\x04\x1bOFd", "bcd"),
            ("abc\x1b[1~x\x1b[4~y", "xabcy"),
            ("abc\x02\x7f", "ac"),
            ("abc\x02\x02\x0b", "a"),
            ("abc\x02\x15", "c"),
            ("ip link set\x17show", "ip link show"),
            ("ip link  \x17addr", "ip addr"),
            ("word\x17\x17", ""),
            ("a\x1b[C\x06b\x01\x02\x1b[Dc", "cab"),
        ] {
            assert_eq!(lines(format!("{typed}\r").as_bytes()), [line], "{typed:?}");
        }
    }

    #[test]
    fn what_is_behind_the_cursor_is_shown_again_and_the_cursor_put_back() {
        assert_eq!(typed(b"abc\x01x").1, "abc\x1b[3Dxabc\x1b[3D");
        assert_eq!(typed(b"abc\x02\x7f").1, "abc\x08\x08\x1b[Kc\x08");
        assert_eq!(typed(b"ab\x02\x04").1, "ab\x08\x1b[K");
        assert_eq!(typed(b"ab\x01\x0b").1, "ab\x1b[2D\x1b[K");
        assert_eq!(typed(b"ab\x01\x05").1, "ab\x1b[2D\x1b[2C");
    }

    #[test]
    fn lines_before_come_back_and_what_was_being_typed_too() {
        let (found, echo) = typed(b"one\rtwo\rtwo\r  \rthr\x1b[A\x1b[A\x1b[A\x1b[B\x1b[Bee\r");
        let all: List<_> = found.into_iter().map(|line| line.expect("fits")).collect();
        assert_eq!(all, ["one", "two", "two", "  ", "three"]);
        let shown =
            "\r\x1b[Kpollux> two\r\x1b[Kpollux> one\r\x1b[Kpollux> two\r\x1b[Kpollux> three\r\n";
        assert!(echo.ends_with(shown), "{echo:?}");
        assert_eq!(
            lines(b"one\rtwo\r\x10\x10x\r\x10\r"),
            ["one", "two", "onex", "onex"]
        );
    }

    #[test]
    fn the_oldest_lines_are_forgotten() {
        let mut input: std::string::String =
            (0..HISTORY + 5).map(|line| format!("{line}\r")).collect();
        input.push_str(&"\x10".repeat(HISTORY + 5));
        input.push('\r');
        assert_eq!(lines(input.as_bytes()).last().map(Text::as_str), Some("5"));
    }

    #[test]
    fn tab_asks_for_what_can_follow_and_types_it() {
        let mut editor = LineEditor::new();
        let mut echo = Text::new();
        for byte in *b"ip l eth0\x02\x02\x02\x02\x02\t" {
            assert_eq!(editor.feed(byte, &mut echo), None);
        }
        assert!(editor.take_tab() && !editor.take_tab());
        assert_eq!(editor.before_cursor(), "ip l");
        echo.clear();
        let completions = Completions {
            addition: "ink".into(),
            ..Completions::default()
        };
        editor.complete(&completions, &mut echo);
        assert_eq!(echo, "ink eth0\x1b[5D");
        echo.clear();
        editor.complete(&Completions::default(), &mut echo);
        assert!(echo.starts_with(BELL));
        assert_eq!(editor.feed(b'\r', &mut echo), Some(Ok("ip link eth0")));
    }

    proptest! {
        #[test]
        fn editing_never_panics_nor_leaves_the_bounds(
            keys in prop::collection::vec("[a-zé ]{1,20}|\x1b\\[[ABCDHF]|\x1b\\[[1-8]~|[\x01-\x1f]|\x7f", 0..200),
        ) {
            let mut editor = LineEditor::new();
            for byte in keys.concat().bytes() {
                let mut echo = Text::new();
                if let Some(Ok(line)) = editor.feed(byte, &mut echo) {
                    prop_assert!(line.len() <= CAPACITY);
                }
                prop_assert!(echo.len() <= MAXIMUM_ECHO, "{echo:?}");
                prop_assert!(editor.line.is_char_boundary(editor.cursor));
            }
        }

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
