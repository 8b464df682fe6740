//! `stty`: how many columns the terminal has, for one that does not tell.

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::line::{FEWEST_COLUMNS, MOST_COLUMNS, USUAL_COLUMNS};
use crate::reply::{Progress, single_line};
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "stty",
    synopsis: "stty [columns N]",
    summary: "how wide the terminal is, for one that does not tell by itself",
    words: &[("columns N", "it has N columns, from 10 to 999")],
    examples: &["stty", "stty columns 132"],
    complete: |before| match before {
        [] => Completion::words(&["columns"]),
        _ => Completion::NOTHING,
    },
    test_only: false,
    parse,
};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stty {
    /// Tell how many columns there are.
    Show,
    /// There are so many.
    Columns(u16),
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "stty" };
    const EXPECTED: &str = "a number of columns from 10 to 999";
    const _: () = assert!(FEWEST_COLUMNS == 10 && MOST_COLUMNS == 999);
    Ok(Command::Stty(match words.next() {
        None => Stty::Show,
        Some("columns" | "cols") => {
            let word = READER.value(words, "columns", EXPECTED)?;
            let range = u32::from(FEWEST_COLUMNS)..=u32::from(MOST_COLUMNS);
            Stty::Columns(READER.number(word, range, EXPECTED)? as u16)
        }
        Some("rows") => {
            return Err(READER.not_supported("rows", "a line goes on for as many as it needs"));
        }
        Some(other) => return Err(READER.none_of(other, &["columns"])),
    }))
}

/// Writes line `row` of the reply.
pub(crate) fn line(
    stty: Stty,
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    if stty != Stty::Show {
        return Ok(Progress::Done);
    }
    let told = view.console.columns;
    let columns = told.unwrap_or(USUAL_COLUMNS);
    let is_told = told.is_some();
    if json {
        let object = format_args!("{{\"columns\":{columns},\"told\":{is_told}}}");
        return single_line(row, object, out);
    }
    let how = match is_told {
        true => "",
        false => ", unless it is otherwise: the terminal has not told",
    };
    single_line(row, format_args!("columns {columns}{how}"), out)
}
