//! `trace`: a line for each answered echo request, on or off. The line itself is [`crate::trace`]'s.

use super::{Choice, Completion, Specification, choices};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::reply::{Progress, single_line};
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};
use pollux_net::trace::Tracing;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "trace",
    synopsis: "trace [on|off]",
    summary: "print answered echo requests, or tell whether that is done",
    words: Switch::WORDS,
    examples: &["trace on"],
    complete: |_| Completion::words(Switch::NAMES),
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

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    Switch::parse(SPECIFICATION.name, words).map(Command::Trace)
}

/// Turns the trace of every card on or off.
pub(crate) fn carry_out(switch: Switch, cards: &mut Cards<'_>) {
    let tracing = match switch {
        Switch::On => Tracing::Lines,
        Switch::Off => Tracing::Off,
    };
    for interface in cards.iter_mut() {
        interface.set_tracing(tracing);
    }
}

/// Writes line `row` of the reply: what the trace is, after the command was carried out.
pub(crate) fn line(
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let state = if view.trace_is_on() {
        Switch::On
    } else {
        Switch::Off
    };
    let dropped = view.trace_dropped();
    if json {
        let object = format_args!("{{\"trace\":\"{}\",\"dropped\":{dropped}}}", state.name());
        return single_line(row, object, out);
    }
    let line = format_args!("trace is {}, {dropped} lines dropped", state.name());
    single_line(row, line, out)
}
