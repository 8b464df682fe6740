//! What the line editor does with each key, octet by octet.

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
    (lines, echo.replace(ASK_COLUMNS, ""))
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
    assert_eq!(typed(b"abc\x01x").1, "abc\x1b[3D\x1b[Kxabc\x1b[3D");
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
    let mut input: std::string::String = (0..HISTORY + 5).map(|line| format!("{line}\r")).collect();
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
    assert_eq!(echo, "\x1b[Kink eth0\x1b[5D");
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
