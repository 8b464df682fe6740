//! `fault`: breaks the appliance on purpose, so that tests can see how it breaks. Test mode only.

use super::{Choice, Completion, Specification, choices};
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::reply::{Progress, single_line};
use crate::words::Words;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "fault",
    synopsis: "fault panic|page|stack|heap|divide|undefined|hang",
    summary: "provoke a fault, to see how the appliance ends",
    words: Fault::WORDS,
    examples: &["fault page"],
    complete: |_| Completion::words(Fault::NAMES),
    test_only: true,
    parse,
};

choices! {
    /// A way to break.
    pub enum Fault {
        Panic, "panic", "a Rust panic";
        Page, "page", "a write to an address that is not mapped";
        Stack, "stack", "a stack that grows into its guard page";
        Heap, "heap", "an allocation inside the poll loop";
        Divide, "divide", "a division by zero";
        Undefined, "undefined", "an undefined instruction";
        Hang, "hang", "a loop that never ends, which a watchdog ends";
    }
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let fault = Fault::parse(SPECIFICATION.name, words)?;
    fault.map(Command::Fault).ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })
}

/// Writes line `row` of the reply.
pub(crate) fn line(
    fault: Fault,
    row: usize,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let name = fault.name();
    match json {
        true => single_line(row, format_args!("{{\"fault\":\"{name}\"}}"), out),
        false => single_line(row, format_args!("provoking fault '{name}'"), out),
    }
}
