//! What a terminal shows of the line editor: at any width, the line as it is, and the cursor where it belongs.

use crate::support::Appliance;
use pollux_console::command::Grammar;
use pollux_console::line::{CAPACITY, LineEditor};
use pollux_console::reply::{PROMPT, Reply};
use proptest::prelude::*;
use std::num::NonZero;

const ASKED: &str = "\x1b[6n";
const LEFT: &str = "\x1b[D";

fn blank(rows: u16, columns: u16) -> vt100::Parser {
    let size = |size| NonZero::new(size).expect("has a size");
    vt100::Parser::new(size(rows), size(columns), 0)
}

/// The rows of a screen up to the last that is not blank, without the blanks at their ends.
fn rows(screen: &vt100::Screen, columns: u16) -> Vec<String> {
    let rows = screen.rows(0, columns).map(|row| row.trim_end().to_owned());
    let mut rows: Vec<String> = rows.collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

/// A terminal with somebody at it, and the editor.
struct Terminal {
    screen: vt100::Parser,
    size: (u16, u16),
    editor: LineEditor,
    answers: bool,
}

impl Terminal {
    /// One that shows the prompt in its last row.
    fn new(rows: u16, columns: u16) -> Self {
        let mut terminal = Self {
            screen: blank(rows, columns),
            size: (rows, columns),
            editor: LineEditor::new(),
            answers: true,
        };
        terminal
            .screen
            .process("\n".repeat(usize::from(rows)).as_bytes());
        terminal.show(PROMPT);
        terminal
    }

    /// Shows what the editor has to show, and answers what it asks.
    fn show(&mut self, text: &str) {
        let mut parts = text.split(ASKED);
        self.screen.process(parts.next().unwrap_or("").as_bytes());
        for part in parts {
            let (row, column) = self.screen.screen().cursor_position();
            let (_, columns) = self.size;
            self.screen.process(part.as_bytes());
            if self.answers {
                let column = (column + 1).min(columns);
                self.press(&format!("\x1b[{};{column}R", row + 1));
            }
        }
    }

    /// Presses keys. Returns the last line that they completed.
    fn press(&mut self, keys: &str) -> Option<String> {
        let mut line = None;
        for octet in keys.bytes() {
            let mut echo = String::new();
            let entered = self.editor.feed(octet, &mut echo);
            let entered = entered.map(|line| line.expect("fits").to_owned());
            self.show(&echo);
            if entered.is_some() {
                self.show(PROMPT);
            }
            line = entered.or(line);
        }
        line
    }

    /// The rows from the last prompt on, and where in them the cursor is.
    fn shown(&self) -> (Vec<String>, (usize, usize)) {
        let screen = self.screen.screen();
        let (_, columns) = self.size;
        let rows: Vec<String> = rows(screen, columns);
        let prompt = rows
            .iter()
            .rposition(|row| row.starts_with(PROMPT.trim_end()));
        let prompt = prompt.expect("there is a prompt");
        let (row, column) = screen.cursor_position();
        (
            rows[prompt..].to_vec(),
            (usize::from(row) - prompt, usize::from(column)),
        )
    }

    /// What a terminal of this width must show of `line`, with the cursor at this character of it.
    fn expected(&self, line: &[char], cursor: usize) -> (Vec<String>, (usize, usize)) {
        let (height, columns) = self.size;
        let printed = |line: &[char]| {
            let mut screen = blank(height, columns);
            let line: String = line.iter().collect();
            screen.process(format!("{PROMPT}{line}").as_bytes());
            (
                rows(screen.screen(), columns),
                screen.screen().cursor_position(),
            )
        };
        let (_, (row, column)) = printed(&line[..cursor]);
        // It is on what follows, which goes to the next row where it has no room in this.
        let (row, column) = match line.get(cursor) {
            Some(next) if column + if *next == WIDE { 2 } else { 1 } > columns => (row + 1, 0),
            _ => (row, column),
        };
        (printed(line).0, (usize::from(row), usize::from(column)))
    }
}

/// What is printed by an appliance that knows how wide the terminal is.
fn printed_at(columns: u16, line: &str) -> String {
    let mut appliance = Appliance::new();
    appliance.view.console.columns = Some(columns);
    appliance.typed(line)
}

#[test]
fn a_line_that_is_only_typed_is_echoed_as_it_is_at_any_width() {
    // A program compares what it typed with what comes back.
    for columns in [10, 80, 200] {
        let mut editor = LineEditor::new();
        editor.set_columns(columns);
        let line = "ip link add link eth0 name eth0.42 type vlan id 42 # ".repeat(4);
        let mut echo = String::new();
        for octet in line.bytes().chain(*b"\r") {
            editor.feed(octet, &mut echo);
        }
        assert_eq!(echo, format!("{line}\r\n"), "{columns}");
    }
}

#[test]
fn a_terminal_that_does_not_answer_is_never_waited_for() {
    let mut terminal = Terminal::new(24, 80);
    terminal.answers = false;
    terminal.press("statsu\x7f\x7f\x1b[D\x1b[D");
    let line: Vec<char> = "stat".chars().collect();
    assert_eq!(terminal.shown(), terminal.expected(&line, 2));
    assert_eq!(terminal.editor.columns(), None);
    // Nor does a word that nobody asked for change anything, or one that cannot be.
    let mut editor = LineEditor::new();
    for octet in *b"\x1b[24;40R\x01\x1b[1;2R\x1b[1;R\x1b[;;40R" {
        editor.feed(octet, &mut String::new());
    }
    assert_eq!(editor.columns(), None);
}

#[test]
fn a_terminal_is_asked_once_a_line_and_not_by_what_a_program_types() {
    let mut editor = LineEditor::new();
    let mut asked = |keys: &str| {
        let mut echo = String::new();
        for octet in keys.bytes() {
            editor.feed(octet, &mut echo);
        }
        echo.matches(ASKED).count()
    };
    assert_eq!(asked("\x03ip -j link show\r\n\nip addr\r"), 0);
    assert_eq!(asked("ip\x1b[D\x1b[C\x7f\x01\x05\t"), 1);
    assert_eq!(asked("\r"), 0);
    assert_eq!(asked("\x1b[A"), 1);
}

#[test]
fn a_mark_on_a_character_moves_with_it() {
    let mut terminal = Terminal::new(5, 20);
    // Decomposed: the letter and its mark are one on the screen.
    terminal.press("xe\u{301}y\x1b[D\x1b[D");
    assert_eq!(terminal.editor.before_cursor(), "x");
    terminal.press("\x1b[C\x7f");
    assert_eq!(terminal.press("\r").as_deref(), Some("xy"));
}

#[test]
fn words_that_can_follow_are_listed_in_as_many_columns_as_there_are() {
    let appliance = |columns| {
        let mut appliance = Appliance::new();
        appliance.view.console.columns = columns;
        appliance
    };
    for (columns, rows) in [
        (Some(20), 27),
        (Some(40), 14),
        (None, 7),
        (Some(80), 7),
        (Some(200), 3),
        (Some(999), 3),
    ] {
        let appliance = appliance(columns);
        let found = appliance.with_view(|view| Grammar::default().complete("", view));
        let shown = appliance.printed(Reply::choices(found));
        assert_eq!(shown.lines().count(), rows, "{columns:?}:\n{shown}");
        let widest = shown.lines().map(str::len).max();
        assert!(
            widest <= Some(usize::from(columns.unwrap_or(80))),
            "{shown}"
        );
    }
}

#[test]
fn long_replies_lose_nothing_at_any_width() {
    for columns in [20, 40, 80, 200] {
        for line in [
            "status",
            "ip -d -s link",
            "show drops",
            "help",
            "ip -j -d addr",
            "evl -h",
        ] {
            let said = printed_at(columns, line);
            let mut screen = blank(1_000, columns);
            screen.process(said.replace('\n', "\r\n").as_bytes());
            let shown: String = rows(screen.screen(), columns).concat();
            let without_blanks = |text: &str| text.replace([' ', '\n', '\t'], "");
            assert_eq!(
                without_blanks(&shown),
                without_blanks(&said),
                "{line} at {columns}"
            );
        }
    }
}

#[test]
fn the_width_is_told_and_set() {
    assert_eq!(printed_at(132, "stty"), "columns 132\n");
    assert_eq!(
        printed_at(132, "stty -j"),
        "{\"columns\":132,\"told\":true}\n"
    );
    let mut appliance = Appliance::new();
    assert_eq!(
        appliance.typed("stty"),
        "columns 80, unless it is otherwise: the terminal has not told\n"
    );
    // The session sets it.
    appliance.configure(&["stty columns 132", "stty cols 20"]);
    for (line, complaint) in [
        (
            "stty columns 9",
            "stty: '9' is not a number of columns from 10 to 999\n",
        ),
        (
            "stty columns",
            "stty: 'columns' must be followed by a number of columns from 10 to 999\n",
        ),
        (
            "stty rows 25",
            "stty: 'rows' is not supported: a line goes on for as many as it needs\n",
        ),
        (
            "stty colums 80",
            "stty: 'colums' is not one of columns; did you mean 'columns'?\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), complaint);
    }
}

/// A character that takes two cells.
const WIDE: char = '世';

/// A key.
#[derive(Clone, Debug)]
enum Key {
    Type(String),
    Octets(&'static str),
    /// Somebody else prints a line meanwhile.
    Interrupted,
}

/// What a line should be, from keys one by one.
#[derive(Default)]
struct Model {
    line: Vec<char>,
    cursor: usize,
    before: Vec<Vec<char>>,
    back: usize,
    draft: Vec<char>,
}

impl Model {
    fn press(&mut self, keys: &str) {
        match keys {
            "\x01" => self.cursor = 0,
            "\x05" => self.cursor = self.line.len(),
            "\x0b" => self.line.truncate(self.cursor),
            "\x15" => drop(self.line.drain(..std::mem::take(&mut self.cursor))),
            "\x17" => {
                let end = self.cursor;
                while self.cursor > 0 && self.line[self.cursor - 1] == ' ' {
                    self.cursor -= 1;
                }
                while self.cursor > 0 && self.line[self.cursor - 1] != ' ' {
                    self.cursor -= 1;
                }
                self.line.drain(self.cursor..end);
            }
            "\x1b[D" => self.cursor = self.cursor.saturating_sub(1),
            "\x1b[C" => self.cursor = (self.cursor + 1).min(self.line.len()),
            "\x7f" if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            "\x1b[3~" if self.cursor < self.line.len() => drop(self.line.remove(self.cursor)),
            "\x1b[A" if self.back < self.before.len() => self.recall(self.back + 1),
            "\x1b[B" if self.back > 0 => self.recall(self.back - 1),
            "\r" => {
                let line = std::mem::take(&mut self.line);
                (self.cursor, self.back) = (0, 0);
                if self.before.last() != Some(&line) && line.iter().any(|&typed| typed != ' ') {
                    self.before.push(line);
                }
                // What is no more remembered.
                if self.before.len() > pollux_console::line::HISTORY {
                    self.before.remove(0);
                }
            }
            _ => {}
        }
    }

    fn recall(&mut self, back: usize) {
        if self.back == 0 {
            self.draft = self.line.clone();
        }
        self.line = match back {
            0 => self.draft.clone(),
            _ => self.before[self.before.len() - back].clone(),
        };
        self.back = back;
        self.cursor = self.line.len();
    }

    fn insert(&mut self, text: &str) {
        for character in text.chars() {
            let octets: usize = self.line.iter().map(|typed| typed.len_utf8()).sum();
            if octets + character.len_utf8() <= CAPACITY {
                self.line.insert(self.cursor, character);
                self.cursor += 1;
            }
        }
    }
}

fn keys() -> impl Strategy<Value = Vec<Key>> {
    let key = prop_oneof![
        4 => "[a-eéß世 ]{1,30}".prop_map(Key::Type),
        8 => prop::sample::select(&[
            "\x01", "\x05", "\x0b", "\x15", "\x17", "\x1b[D", "\x1b[D", "\x1b[C", "\x7f", "\x7f", "\x1b[3~", "\x1b[A",
            "\x1b[B", "\r", "\x0c",
        ][..])
        .prop_map(Key::Octets),
        1 => Just(Key::Interrupted),
    ];
    prop::collection::vec(key, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_screen_shows_the_line_and_the_cursor_is_where_it_belongs(
        columns in prop_oneof![10..60u16, 60..300u16],
        keys in keys(),
    ) {
        let mut terminal = Terminal::new(70, columns);
        terminal.editor.set_columns(columns);
        let mut model = Model::default();
        for key in keys {
            match key {
                Key::Type(text) => {
                    // A line that is too long is refused as a whole; that is another test's.
                    let octets: usize = model.line.iter().map(|typed| typed.len_utf8()).sum();
                    if octets + text.len() <= CAPACITY {
                        model.insert(&text);
                        terminal.press(&text);
                    }
                }
                Key::Octets(octets) => {
                    model.press(octets);
                    terminal.press(octets);
                }
                Key::Interrupted => {
                    let mut text = terminal.editor.eraser().to_string();
                    text += "[7] count=84\r\n";
                    terminal.editor.redraw(&mut text).expect("has room");
                    terminal.show(&text);
                }
            }
            let expected = terminal.expected(&model.line, model.cursor);
            prop_assert_eq!(terminal.shown(), expected, "{} columns", columns);
        }
        let line = terminal.press("\r");
        prop_assert_eq!(line, Some(model.line.iter().collect::<String>()));
    }

    #[test]
    fn the_line_is_right_again_once_the_terminal_told_its_width(
        columns in 10..200u16,
        text in "[a-e ]{1,200}",
        steps in 0..200usize,
    ) {
        // Nobody knows yet how wide it is.
        let mut terminal = Terminal::new(70, columns);
        terminal.press(&text);
        terminal.press(LEFT);
        prop_assert_eq!(terminal.editor.columns(), Some(columns));
        terminal.press(&LEFT.repeat(steps));
        let line: Vec<char> = text.chars().collect();
        let cursor = line.len().saturating_sub(1 + steps);
        prop_assert_eq!(terminal.shown(), terminal.expected(&line, cursor));
    }
}
