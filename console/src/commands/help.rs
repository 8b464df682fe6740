//! `help`: the commands, one a line, or one of them explained.

use super::Specification;
use crate::command::{Command, Grammar, Words};
use crate::error::ParseError;
use crate::reply::Progress;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "help",
    synopsis: "help [COMMAND]",
    summary: "list the commands, or explain one",
    words: &[],
    test_only: false,
    parse,
};

/// The width of the column of names and synopses.
const COLUMN: usize = 20;

/// What help is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The commands that there are.
    Commands(Grammar),
    /// One command.
    Command(&'static Specification),
}

fn parse(grammar: Grammar, words: &mut Words<'_>) -> Result<Command, ParseError> {
    let topic = match words.next() {
        None => Topic::Commands(grammar),
        Some(name) => Topic::Command(grammar.find(name)?),
    };
    Ok(Command::Help(topic))
}

/// Writes line `row` of the reply.
pub(crate) fn line(topic: Topic, row: usize, out: &mut dyn Write) -> Result<Progress, fmt::Error> {
    match topic {
        Topic::Commands(grammar) => {
            let Some(command) = grammar.commands().nth(row) else {
                return Ok(Progress::Done);
            };
            write!(out, "  {:COLUMN$}{}", command.name, command.summary)?;
        }
        Topic::Command(command) => match row {
            0 => write!(out, "usage: {}", command.synopsis)?,
            1 => write!(out, "{}", command.summary)?,
            _ => {
                let Some((word, meaning)) = command.words.get(row - 2) else {
                    return Ok(Progress::Done);
                };
                write!(out, "  {word:COLUMN$}{meaning}")?;
            }
        },
    }
    Ok(Progress::Line)
}
