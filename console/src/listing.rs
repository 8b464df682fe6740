//! Replies that are lists of things with a few lines each, as text or as a JSON array.

use crate::reply::Progress;
use core::fmt::{self, Write};

/// Where a list is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    item: usize,
    row: usize,
    /// How many items had at least one line.
    written: usize,
    is_over: bool,
}

/// What became of the attempt to write a line.
pub(crate) enum Row {
    /// It was written.
    Written,
    /// There is nothing to say in this line.
    Empty,
    /// The item has no such line: the next one's turn.
    Beyond,
    /// Neither this item nor the next ones, so many in all, have any line. What follows is looked at another
    /// time, lest one look takes long.
    Ahead(usize),
    /// There is no such item: the list is over.
    End,
}

/// Which line is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// Which item, from 0.
    pub item: usize,
    /// Which line of it, from 0.
    pub row: usize,
    /// What stands in front of an item in JSON.
    pub lead: &'static str,
}

impl Cursor {
    /// Has `write` write the one line that there may be.
    pub(crate) fn once(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> Result<Progress, fmt::Error>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        if core::mem::replace(&mut self.is_over, true) {
            return Ok(Progress::Done);
        }
        write(out)
    }

    /// Has `write` write the next line, of whichever item has one.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        out: &mut dyn Write,
        mut write: impl FnMut(Due, &mut dyn Write) -> Result<Row, fmt::Error>,
    ) -> Result<Progress, fmt::Error> {
        loop {
            if self.is_over {
                return Ok(Progress::Done);
            }
            let due = Due {
                item: self.item,
                row: self.row,
                lead: if self.written == 0 { "[" } else { "," },
            };
            match write(due, out)? {
                Row::Written => {
                    self.written += usize::from(self.row == 0);
                    self.row += 1;
                    return Ok(Progress::Line);
                }
                Row::Empty => self.row += 1,
                Row::Beyond => {
                    self.item += 1;
                    self.row = 0;
                }
                Row::Ahead(items) => {
                    self.item += items;
                    self.row = 0;
                    return Ok(Progress::Waiting);
                }
                Row::End if json => {
                    out.write_str(if self.written == 0 { "[]" } else { "]" })?;
                    self.is_over = true;
                    return Ok(Progress::Line);
                }
                Row::End => self.is_over = true,
            }
        }
    }
}
