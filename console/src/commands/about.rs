//! Small commands about the appliance itself: `version`, `date`, `ls`.

use super::{Completion, Specification};
use crate::command::Command;
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::{Progress, single_line};
use crate::text::clipped;
use crate::view::StatusView;
use core::fmt::{self, Write};

pub(crate) const VERSION: Specification = Specification {
    name: "version",
    synopsis: "version",
    summary: "the version of the appliance, and how it was started",
    words: &[],
    examples: &["version"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Version),
};

pub(crate) const DATE: Specification = Specification {
    name: "date",
    synopsis: "date",
    summary: "the time since the start; there is no clock of the day",
    words: &[],
    examples: &["date"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Date),
};

pub(crate) const LIST: Specification = Specification {
    name: "ls",
    synopsis: "ls",
    summary: "list the files that came with the kernel or were pasted",
    words: &[],
    examples: &["ls"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, words| {
        // All that they would add is there, or is not.
        while ["-l", "-a", "-la", "-al", "-lh"]
            .iter()
            .any(|option| words.take_if(option))
        {}
        Ok(Command::List)
    },
};

/// Writes line `row` of what `version` says.
pub(crate) fn version(
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let version = clipped::<40>(view.version);
    let method = clipped::<40>(view.boot.method);
    match json {
        true => {
            let (version, method) = (Quoted(version), Quoted(method));
            let object = format_args!("{{\"version\":{version},\"boot\":{method}}}");
            single_line(row, object, out)
        }
        false => single_line(
            row,
            format_args!("Pollux {version}, started by {method}"),
            out,
        ),
    }
}

/// Writes line `row` of what `date` says.
pub(crate) fn date(
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let uptime = view.uptime_ns;
    match json {
        true => single_line(row, format_args!("{{\"uptime_ns\":{uptime}}}"), out),
        false => {
            let uptime = super::status::Uptime(uptime);
            single_line(row, format_args!("{uptime} since the start"), out)
        }
    }
}

/// Writes the next line of what `ls` says.
pub(crate) fn list(
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    cursor.next_line(json, out, |due, out| {
        let Some(file) = view.files.get(due.item) else {
            return Ok(Row::End);
        };
        if due.row > 0 {
            return Ok(Row::Beyond);
        }
        let (name, length) = (clipped::<100>(file.name), file.octets.len());
        match json {
            true => write!(
                out,
                "{}{{\"name\":{},\"size\":{length}}}",
                due.lead,
                Quoted(name)
            )?,
            false => write!(out, "{length:>10} {name}")?,
        }
        Ok(Row::Written)
    })
}
