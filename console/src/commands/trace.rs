//! `trace`: a line for each answered echo request, on or off. The line itself is [`crate::trace`]'s.

use super::{Choice, Specification, choices};
use crate::command::{Command, Grammar, Words};
use crate::error::ParseError;
use crate::reply::{Progress, single_line};
use crate::view::StatusView;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "trace",
    synopsis: "trace [on|off]",
    summary: "print answered echo requests, or tell whether that is done",
    words: Switch::WORDS,
    test_only: false,
    parse,
};

choices! {
    /// What the trace is to be.
    pub enum Switch {
        On, "on", "print a line for each, counted from 0";
        Off, "off", "print none";
    }
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, ParseError> {
    Switch::parse(SPECIFICATION.name, words).map(Command::Trace)
}

/// Writes line `row` of the reply: what the trace is, after the command was carried out.
pub(crate) fn line(
    row: usize,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let state = if view.trace_is_on() {
        Switch::On
    } else {
        Switch::Off
    };
    let dropped = view.trace_dropped();
    let line = format_args!("trace is {}, {dropped} lines dropped", state.name());
    single_line(row, line, out)
}
