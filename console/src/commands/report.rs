//! `report`: the machine in words, to be copied into a report of a fault.

use super::{Completion, Specification};
use crate::command::Command;
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::StatusView;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "report",
    synopsis: "report",
    summary: "processor, memory map and PCI devices, to report a mistake",
    words: &[],
    examples: &["report"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Report),
};

/// Writes the next line of what was put down about the machine.
pub(crate) fn line(
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    cursor.next_line(json, out, |due, out| {
        let Some(line) = view.machine.get(due.item) else {
            return Ok(Row::End);
        };
        if due.row > 0 {
            return Ok(Row::Beyond);
        }
        let line = clipped::<200>(line);
        match json {
            true => write!(out, "{}{}", due.lead, Quoted(line))?,
            false => write!(out, "{line}")?,
        }
        Ok(Row::Written)
    })
}
