//! `show drops`: why frames got no answer, by reason, for each card; `show turns`: see [`super::turns`].

use super::arguments::Reader;
use super::ethtool::filters_vlans;
use super::turns::TurnsAction;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};
use pollux_net::counters::{Counters, Reason};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "show",
    synopsis: "show drops|turns [reset]",
    summary: "why frames got no answer, by reason; what turns of the loop did",
    words: &[
        ("drops", "each reason that occurred, for each card"),
        (
            "turns",
            "what turns of the loop did, how many, and the longest of each kind",
        ),
        ("reset", "forget the turns there were"),
    ],
    examples: &[
        "show drops",
        "show drops -j",
        "show turns",
        "show turns reset",
    ],
    complete: |before| match before {
        ["turns"] => Completion::words(&["reset"]),
        _ => Completion::words(&["drops", "turns"]),
    },
    test_only: false,
    parse,
};

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "show" };
    match words.next() {
        Some("drops") => Ok(Command::Drops),
        Some("turns") if words.take_if("reset") => Ok(Command::Turns(TurnsAction::Reset)),
        Some("turns") => Ok(Command::Turns(TurnsAction::Show)),
        Some(other) => Err(READER.none_of(other, &["drops", "turns"])),
        None => Err(Mistake::MissingWord {
            command: SPECIFICATION.name,
            synopsis: SPECIFICATION.synopsis,
        }),
    }
}

/// Where the list is, and the counters of the card whose turn it is, all of one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    cursor: Cursor,
    counters: Counters,
}

impl Page {
    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let Self { cursor, counters } = self;
        cursor.next_line(json, out, |due, out| {
            let Some(port) = view.ports.get(due.item) else {
                return Ok(Row::End);
            };
            if due.row == 0 {
                counters.clone_from(port.interface.counters());
                let name = clipped::<15>(port.name);
                let (received, answered) = (counters.received(), counters.answered());
                let dropped = counters.unanswered();
                match json {
                    true => write!(
                        out,
                        "{}{{\"ifname\":{},\"received\":{received},\"answered\":{answered},\"dropped\":{dropped},\"reasons\":{{",
                        due.lead,
                        Quoted(name)
                    )?,
                    false => write!(
                        out,
                        "{name}: received {received}, answered {answered}, not answered {dropped}"
                    )?,
                }
                return Ok(Row::Written);
            }
            let index = due.row - 1;
            let Some(&reason) = Reason::ALL.get(index) else {
                return match (json, index == Reason::ALL.len()) {
                    (true, true) => {
                        out.write_str("}")?;
                        if let Some(remark) = filters_vlans(port) {
                            let remark = remark.trim_matches(['(', ')']);
                            write!(out, ",\"hint\":{}", Quoted(remark))?;
                        }
                        out.write_str("}")?;
                        Ok(Row::Written)
                    }
                    (false, true) => match filters_vlans(port) {
                        Some(remark) => {
                            out.write_str(&remark)?;
                            Ok(Row::Written)
                        }
                        None => Ok(Row::Beyond),
                    },
                    _ => Ok(Row::Beyond),
                };
            };
            let count = counters.reason(reason);
            if count == 0 {
                return Ok(Row::Empty);
            }
            if json {
                let before = Reason::ALL.iter().take(index);
                let is_first = before.map(|&other| counters.reason(other)).all(|count| count == 0);
                let comma = if is_first { "" } else { "," };
                write!(out, "{comma}\"{}\":{count}", reason.name())?;
            } else {
                let description = clipped::<150>(reason.description());
                write!(out, "{count:>12}  {:<22} {description}", reason.name())?;
            }
            Ok(Row::Written)
        })
    }
}
