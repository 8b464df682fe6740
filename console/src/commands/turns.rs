//! `show turns`: what the poll loop did, how often, and how long the longest turn of each kind took; `show turns reset`
//! forgets it.

use super::status::Span;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::view::StatusView;
use core::fmt::{self, Write};

/// What is to be done with what is known of the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnsAction {
    /// Show it.
    Show,
    /// Forget it. The kernel has it, and does it.
    Reset,
}

/// Writes the next line of the list.
pub(crate) fn next_line(
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let rate = view.clock.rate;
    cursor.next_line(json, out, |due, out| {
        let Some((activity, kind)) = view.poll.iter().nth(due.item) else {
            return Ok(Row::End);
        };
        match (due.row, json) {
            (0, true) => write!(
                out,
                "{}{{\"activity\":\"{}\",\"turns\":{},\"longest_ns\":{},\"longest_ticks\":{}}}",
                due.lead,
                activity.name(),
                kind.count,
                rate.nanoseconds(kind.longest),
                kind.longest.0
            )?,
            (0, false) => write!(
                out,
                "{:<10} {:>14} turns, longest {}  {}",
                activity.name(),
                kind.count,
                Span(kind.longest, rate),
                activity.description()
            )?,
            _ => return Ok(Row::Beyond),
        }
        Ok(Row::Written)
    })
}
