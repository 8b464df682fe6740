//! A line editor without input or output: bytes in, echo and lines out.
//!
//! The kernel feeds it what the serial port received, when its output ring has room for
//! [`MAXIMUM_ECHO`] octets and no reply is under way. It knows nothing of commands: what Tab means it is
//! told. Whatever arrives, it neither panics nor holds more than one line and the history: a terminal, a
//! script, a flood of noise.
//!
//! A line goes on in the next row where a row of the terminal is full, as in a shell. How many columns there are the
//! terminal is asked, with the first key of a line that a program would not type, and never waited for: until
//! it has answered, it has as many as it said last, or 80. What only adds to the end of a line is echoed as it
//! is, and right at any width.
//!
//! It is our own because the editors that exist for machines without an operating system read from a
//! port until a line is complete, or echo as much as they like in one go; here a byte is one bounded step.

mod history;
mod keys;
mod layout;
#[cfg(test)]
mod tests;

pub use history::HISTORY;
pub use layout::{FEWEST_COLUMNS, MOST_COLUMNS, USUAL_COLUMNS};

use crate::complete::Completions;
use crate::reply::PROMPT;
use core::fmt::{self, Write};
use core::ops::Range;
use heapless::String;
use history::History;
use keys::{
    BACK, BACKSPACE, CARRIAGE_RETURN, DELETE, END, END_OF_TEXT, FORM_FEED, FORWARD, Input,
    KILL_BEFORE, KILL_REST, KILL_WORD, Keys, LINE_FEED, NEXT, PREVIOUS, REMOVE, START, TAB,
};
use layout::{LONGEST_WAY, Layout, Place, width};

/// The octets of the longest line.
pub const CAPACITY: usize = 256;
/// The most octets that the echo of one input byte can have: a question, a cleared screen, the prompt, a line, and the
/// cursor put back into it.
pub const MAXIMUM_ECHO: usize = ASK_COLUMNS.len()
    + CLEAR_SCREEN.len()
    + 2 * LONGEST_WAY
    + ERASE_BELOW.len()
    + PROMPT.len()
    + CAPACITY
    + CAPACITY;
/// Goes to the start of the terminal's row and erases it: before something else is printed there.
pub const ERASE_LINE: &str = "\r\x1b[K";

const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";
const ERASE_REST: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";
const RUB_OUT: &str = "\x08 \x08";
const BELL: char = '\x07';
/// Has the terminal say where its last column is: it keeps the cursor's place, goes as far to the right as it can, reports
/// where that is, and goes back.
const ASK_COLUMNS: &str = "\x1b7\x1b[999C\x1b[6n\x1b8";
/// Where the line begins.
const BEGIN: Place = Place {
    row: 0,
    column: PROMPT.len(),
};

/// The line had more than [`CAPACITY`] octets. It is refused as a whole: half a command is another
/// command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line ignored: it is longer than {CAPACITY} octets")
    }
}

type Line = String<CAPACITY>;

/// What erases a line on the screen.
pub type Eraser = String<{ LONGEST_WAY + ERASE_BELOW.len() }>;

/// The line being typed, and those before it.
#[derive(Debug)]
pub struct LineEditor {
    line: Line,
    /// Where in the line the cursor is, in octets; never within a character.
    cursor: usize,
    /// Where on the screen the line ends: kept, so that a letter behind a long line costs no more than the first.
    end: Place,
    keys: Keys,
    history: History,
    /// How many columns the terminal has, once it was told.
    columns: Option<u16>,
    /// The terminal was asked, in this line.
    has_asked: bool,
    /// It has not answered yet.
    awaits_answer: bool,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
    /// Something that was typed is missing in the line.
    overflowed: bool,
    /// The line was handed out: the next byte begins a new one.
    finished: bool,
    /// Tab was pressed, and nobody asked yet.
    tab: bool,
}

impl Default for LineEditor {
    fn default() -> Self {
        Self::new()
    }
}

impl LineEditor {
    /// An editor with an empty line.
    pub const fn new() -> Self {
        Self {
            line: Line::new(),
            cursor: 0,
            end: BEGIN,
            keys: Keys::new(),
            history: History::new(),
            columns: None,
            has_asked: false,
            awaits_answer: false,
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
        let input = self.keys.decode(byte)?;
        // An echo that finds no room is not worth a byte of input.
        let _ = match input {
            Input::Character(character) => self.insert(character, echo),
            Input::Control(LINE_FEED) if after_return => Ok(()),
            Input::Control(end @ (CARRIAGE_RETURN | LINE_FEED)) => {
                self.after_return = end == CARRIAGE_RETURN;
                self.finished = true;
                let _ = self.leave(echo);
                if self.overflowed {
                    return Some(Err(LineTooLong));
                }
                self.history.remember(&self.line);
                return Some(Ok(&self.line));
            }
            Input::Control(END_OF_TEXT) => self.abandon(echo),
            Input::Control(control) => self.edit(control, echo),
            Input::Column(column) => self.answered(column, echo),
        };
        None
    }

    /// Forgets the line that was completed last: it is no command to be called back.
    pub fn forget_last(&mut self) {
        self.history.forget_last();
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
        let added = completions.addition.as_str();
        if added.is_empty() {
            let _ = echo.write_char(BELL);
        } else if added.len() <= CAPACITY - self.line.len() {
            let _ = self.change(echo, |editor| {
                // There is room.
                let _ = editor.line.insert_str(editor.cursor, added);
                editor.cursor += added.len();
            });
        }
    }

    /// How many columns the terminal has, if it was told.
    pub const fn columns(&self) -> Option<u16> {
        self.columns
    }

    /// Tells how many columns the terminal has: for one that does not answer.
    pub fn set_columns(&mut self, columns: u16) {
        self.columns = Some(columns);
        self.measure();
    }

    /// Asks the terminal how many columns it has.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refuses it.
    pub fn ask_columns(&mut self, out: &mut dyn Write) -> fmt::Result {
        self.has_asked = true;
        self.awaits_answer = true;
        out.write_str(ASK_COLUMNS)
    }

    /// What erases the prompt and the line, wherever in it the cursor is: before something else is printed in their place.
    pub fn eraser(&self) -> Eraser {
        let (row, last_row) = match self.finished {
            true => (0, 0),
            false => {
                let (cursor, end) = self.places();
                (cursor.row, end.row)
            }
        };
        let mut eraser = Eraser::new();
        // It has room for the longest.
        let _ = erase(row, last_row, &mut eraser);
        eraser
    }

    /// Writes the prompt and the line so far in place of the terminal's current row: after
    /// something else was printed while somebody was typing.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refuses it.
    pub fn redraw(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str(ERASE_LINE)?;
        match self.finished {
            true => out.write_str(PROMPT),
            false => self.paint(out),
        }
    }

    /// Goes behind the line, where something else can be printed.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refuses it.
    pub fn leave(&self, out: &mut dyn Write) -> fmt::Result {
        let (cursor, end) = self.places();
        let rows = end.row.saturating_sub(cursor.row);
        if rows > 0 {
            write!(out, "\x1b[{rows}B")?;
        }
        out.write_str("\r\n")
    }

    /// Whether nothing was typed since the last line was completed.
    pub fn is_empty(&self) -> bool {
        self.finished || self.line.is_empty()
    }

    fn clear(&mut self) {
        self.line.clear();
        self.cursor = 0;
        self.end = BEGIN;
        self.history.leave();
        self.has_asked = false;
        self.overflowed = false;
        self.finished = false;
    }

    fn abandon(&mut self, echo: &mut dyn Write) -> fmt::Result {
        echo.write_str("^C")?;
        self.leave(echo)?;
        self.clear();
        echo.write_str(PROMPT)
    }

    /// The line behind the cursor.
    fn rest(&self) -> &str {
        self.line.get(self.cursor..).unwrap_or("")
    }

    fn insert(&mut self, character: char, echo: &mut dyn Write) -> fmt::Result {
        if CAPACITY - self.line.len() < character.len_utf8() {
            self.overflowed = true;
            return echo.write_char(BELL);
        }
        self.change(echo, |editor| {
            // There is room.
            let _ = editor.line.insert(editor.cursor, character);
            editor.cursor += character.len_utf8();
        })
    }

    /// What a key does that no program types.
    fn edit(&mut self, control: u8, echo: &mut dyn Write) -> fmt::Result {
        let left = self.cursor - last_with_marks(self.before_cursor()).len();
        let right = self.cursor + first_with_marks(self.rest()).len();
        match control {
            BACKSPACE | DELETE | REMOVE | KILL_BEFORE | KILL_REST | KILL_WORD | START | END
            | BACK | FORWARD | PREVIOUS | NEXT | TAB | FORM_FEED => {}
            _ => return Ok(()),
        }
        if !self.has_asked {
            // What was not asked is not answered.
            let _ = self.ask_columns(echo);
        }
        match control {
            BACKSPACE | DELETE if self.cursor == 0 => echo.write_char(BELL),
            BACKSPACE | DELETE => self.remove(left..self.cursor, echo),
            REMOVE => self.remove(self.cursor..right, echo),
            KILL_REST => self.remove(self.cursor..self.line.len(), echo),
            KILL_BEFORE => self.repaint(echo, |editor| editor.cut(0..editor.cursor)),
            KILL_WORD => {
                let start = last_word(self.before_cursor());
                self.repaint(echo, |editor| editor.cut(start..editor.cursor))
            }
            START => self.go_to(0, echo),
            END => self.go_to(self.line.len(), echo),
            BACK => self.go_to(left, echo),
            FORWARD => self.go_to(right, echo),
            PREVIOUS => self.recall(History::previous, echo),
            NEXT => self.recall(History::next, echo),
            TAB => {
                self.tab = true;
                Ok(())
            }
            _ => {
                echo.write_str(CLEAR_SCREEN)?;
                self.redraw(echo)
            }
        }
    }

    /// Takes a part out of the line, and puts the cursor there.
    fn cut(&mut self, range: Range<usize>) {
        let mut shorter = Line::new();
        // It fits: it is no longer than the line was.
        let _ = shorter.push_str(self.line.get(..range.start).unwrap_or(""));
        let _ = shorter.push_str(self.line.get(range.end..).unwrap_or(""));
        self.line = shorter;
        self.cursor = range.start.min(self.line.len());
        self.overflowed = false;
    }

    fn remove(&mut self, range: Range<usize>, echo: &mut dyn Write) -> fmt::Result {
        self.change(echo, |editor| editor.cut(range))
    }

    /// Shows a line of the history.
    fn recall(
        &mut self,
        step: fn(&mut History, &mut Line) -> bool,
        echo: &mut dyn Write,
    ) -> fmt::Result {
        let mut line = self.line.clone();
        if !step(&mut self.history, &mut line) {
            return Ok(());
        }
        self.repaint(echo, |editor| {
            editor.cursor = line.len();
            editor.line = line;
            editor.overflowed = false;
        })
    }

    /// The terminal said how many columns it has. A line that is not where it was thought to be is shown once more.
    fn answered(&mut self, columns: u16, echo: &mut dyn Write) -> fmt::Result {
        let is_credible = (FEWEST_COLUMNS..=MOST_COLUMNS).contains(&columns);
        if !is_credible || !core::mem::replace(&mut self.awaits_answer, false) {
            return Ok(());
        }
        let before = self.end;
        let had = self.layout().columns;
        self.set_columns(columns);
        if had == self.layout().columns || (before.row == 0 && self.end.row == 0) {
            return Ok(());
        }
        echo.write_str("\r\n")?;
        self.paint(echo)
    }
}

/// Where the line is on the screen.
impl LineEditor {
    const fn layout(&self) -> Layout {
        let columns = match self.columns {
            Some(columns) => columns,
            None => USUAL_COLUMNS,
        };
        Layout {
            columns: columns as usize,
        }
    }

    /// Finds out where the line ends.
    fn measure(&mut self) {
        self.end = self.layout().after(BEGIN, &self.line);
    }

    /// Where the cursor is: on what follows it.
    fn cursor_place(&self) -> Place {
        let place = self.layout().after(BEGIN, self.before_cursor());
        match self.rest().chars().next() {
            Some(next) => self.layout().before(place, next),
            None => place,
        }
    }

    /// Where the cursor is, and where the line ends.
    fn places(&self) -> (Place, Place) {
        match self.rest().is_empty() {
            true => (self.end, self.end),
            false => (self.cursor_place(), self.end),
        }
    }

    /// Changes the line, and shows again what is different. The cursor was at the earliest difference or is there now.
    fn change(&mut self, echo: &mut dyn Write, change: impl FnOnce(&mut Self)) -> fmt::Result {
        let (cursor, (old_place, old_end)) = (self.cursor, self.places());
        let was_at_end = self.rest().is_empty();
        change(self);
        let from = cursor.min(self.cursor);
        let layout = self.layout();
        let changed = self.line.get(from..).unwrap_or("");
        if was_at_end && from == cursor {
            self.end = layout.after(old_end, changed);
            return echo.write_str(changed);
        }
        self.measure();
        let changed = self.line.get(from..).unwrap_or("");
        let mut start = layout.after(BEGIN, self.line.get(..from).unwrap_or(""));
        let is_one_cell = old_end.row == start.row && old_end.column == start.column + 1;
        if was_at_end && is_one_cell && !layout.is_margin(old_end) && changed.is_empty() {
            return echo.write_str(RUB_OUT);
        }
        if layout.is_margin(start) {
            start = start.next_row();
        }
        layout.go(old_place, start, echo)?;
        echo.write_str(match old_end.row == start.row {
            true => ERASE_REST,
            false => ERASE_BELOW,
        })?;
        echo.write_str(changed)?;
        self.settle(layout.after(start, changed), echo)
    }

    /// Changes the line, and shows all of it again.
    fn repaint(&mut self, echo: &mut dyn Write, change: impl FnOnce(&mut Self)) -> fmt::Result {
        let (cursor, end) = self.places();
        change(self);
        self.measure();
        erase(cursor.row, end.row, echo)?;
        self.paint(echo)
    }

    /// Writes the prompt and the line from the start of a row on.
    fn paint(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{PROMPT}{}", self.line)?;
        self.settle(self.end, out)
    }

    fn go_to(&mut self, cursor: usize, echo: &mut dyn Write) -> fmt::Result {
        let place = self.cursor_place();
        self.cursor = cursor;
        self.settle(place, echo)
    }

    /// Moves the terminal's cursor to where it belongs.
    fn settle(&self, from: Place, out: &mut dyn Write) -> fmt::Result {
        let (layout, to) = (self.layout(), self.cursor_place());
        if from == to {
            return Ok(());
        }
        if !layout.is_margin(to) {
            return layout.go(from, to, out);
        }
        // Only who prints the last character waits behind it.
        let last = last_with_marks(self.before_cursor());
        let before = self.line.len() - last.len();
        let place = layout.after(BEGIN, self.line.get(..before).unwrap_or(""));
        let place = last
            .chars()
            .next()
            .map_or(place, |next| layout.before(place, next));
        layout.go(from, place, out)?;
        out.write_str(last)
    }
}

/// Goes from row `row` of a line that ends in row `last_row` to its start, and erases it.
fn erase(row: usize, last_row: usize, out: &mut dyn Write) -> fmt::Result {
    if last_row == 0 {
        return out.write_str(ERASE_LINE);
    }
    out.write_char('\r')?;
    if row > 0 {
        write!(out, "\x1b[{row}A")?;
    }
    out.write_str(ERASE_BELOW)
}

/// Where the last word begins.
fn last_word(text: &str) -> usize {
    let mut characters = text.trim_end().char_indices();
    let blank = characters.rfind(|&(_, character)| character.is_whitespace());
    blank.map_or(0, |(at, blank)| at + blank.len_utf8())
}

/// The first character, and what the terminal shows in the same cell.
fn first_with_marks(text: &str) -> &str {
    let mut characters = text.char_indices().skip(1);
    let end = characters.find(|&(_, character)| width(character) > 0);
    text.get(..end.map_or(text.len(), |(at, _)| at))
        .unwrap_or("")
}

/// The last character that has a cell, and what the terminal shows in the same.
fn last_with_marks(text: &str) -> &str {
    let mut characters = text.char_indices();
    let start = characters.rfind(|&(_, character)| width(character) > 0);
    text.get(start.map_or(0, |(at, _)| at)..).unwrap_or("")
}
