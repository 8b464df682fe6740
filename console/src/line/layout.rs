//! Where characters stand on a terminal that goes on in the next row when one is full.
//!
//! A cursor behind the last column has not gone to the next row yet: terminals wait for the next character
//! with that (VT100), and while they wait only printing and a carriage return mean the same on all of them.

use core::fmt::{self, Write};
use unicode_width::UnicodeWidthChar;

/// The columns of a terminal that does not tell how many it has.
pub const USUAL_COLUMNS: u16 = 80;
/// The fewest that a terminal may have: the prompt and a character of any width.
pub const FEWEST_COLUMNS: u16 = 10;
/// The most.
pub const MOST_COLUMNS: u16 = 999;
/// The octets of the longest way from one place to another.
pub(super) const LONGEST_WAY: usize = "\r\x1b[999A\x1b[999C".len();

/// A place on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Below that of the prompt.
    pub row: usize,
    /// From 0; as many as there are is behind the last.
    pub column: usize,
}

/// How many cells of a terminal a character takes.
pub(super) fn width(character: char) -> usize {
    // Nearly all are, and each keystroke asks for each character of the line.
    if character.is_ascii() {
        return usize::from(!character.is_ascii_control());
    }
    character.width().unwrap_or(0)
}

/// A terminal of so many columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub columns: usize,
}

impl Layout {
    /// Where the cursor is after `text` was printed at `place`.
    pub(super) fn after(self, place: Place, text: &str) -> Place {
        text.chars().fold(place, |place, character| {
            let Place { row, column } = self.before(place, character);
            Place {
                row,
                column: column + width(character),
            }
        })
    }

    /// Where `character` stands when it is printed at `place`.
    pub(super) fn before(self, place: Place, character: char) -> Place {
        match width(character) {
            0 => place,
            width if place.column + width > self.columns => place.next_row(),
            _ => place,
        }
    }

    /// Whether the cursor waits behind the last column.
    pub(super) const fn is_margin(self, place: Place) -> bool {
        place.column >= self.columns
    }

    /// Moves the cursor. It cannot go behind the last column like this: only printing brings it there.
    pub(super) fn go(self, from: Place, to: Place, out: &mut dyn Write) -> fmt::Result {
        let mut column = from.column;
        if from.row != to.row || self.is_margin(from) {
            out.write_char('\r')?;
            column = 0;
        }
        match from.row.cmp(&to.row) {
            core::cmp::Ordering::Greater => write!(out, "\x1b[{}A", from.row - to.row)?,
            core::cmp::Ordering::Less => write!(out, "\x1b[{}B", to.row - from.row)?,
            core::cmp::Ordering::Equal => {}
        }
        match column.cmp(&to.column) {
            core::cmp::Ordering::Less => write!(out, "\x1b[{}C", to.column - column),
            core::cmp::Ordering::Equal => Ok(()),
            core::cmp::Ordering::Greater if column - to.column == 1 => out.write_char('\x08'),
            core::cmp::Ordering::Greater => write!(out, "\x1b[{}D", column - to.column),
        }
    }
}

impl Place {
    /// The first place of the row below.
    pub(super) const fn next_row(self) -> Self {
        Self {
            row: self.row + 1,
            column: 0,
        }
    }
}
