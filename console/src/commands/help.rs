//! `help`: the commands, one a line, or one of them explained.

use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::words::Words;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "help",
    synopsis: "help [COMMAND]",
    summary: "list the commands, or explain one",
    words: &[],
    examples: &["help ip"],
    complete: |_| Completion::COMMANDS,
    test_only: false,
    parse,
};

/// The width of the column of names and synopses.
const COLUMN: usize = 20;
/// Its width where they are long.
const WIDE_COLUMN: usize = 44;

/// What help is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The commands that there are.
    Commands(Grammar),
    /// One command.
    Command(&'static Specification),
}

fn parse(grammar: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let topic = match words.next() {
        None => Topic::Commands(grammar),
        Some(name) => Topic::Command(grammar.find(name)?),
    };
    Ok(Command::Help(topic))
}

/// Writes the next line of the reply.
pub(crate) fn line(
    topic: Topic,
    cursor: &mut Cursor,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    match topic {
        Topic::Commands(grammar) => cursor.next_line(json, out, |due, out| {
            let Some(command) = grammar.commands().nth(due.item) else {
                return Ok(Row::End);
            };
            match (due.row, json) {
                (0, false) => write!(out, "  {:COLUMN$}{}", command.name, command.summary)?,
                (0, true) => write_json(command, due.lead, out)?,
                _ => return Ok(Row::Beyond),
            }
            Ok(Row::Written)
        }),
        Topic::Command(command) => cursor.next_line(json, out, |due, out| {
            if due.item > 0 {
                return Ok(Row::End);
            }
            if json {
                if due.row > 0 {
                    return Ok(Row::Beyond);
                }
                write_json(command, due.lead, out)?;
                return Ok(Row::Written);
            }
            explain(command, due.row, out)
        }),
    }
}

fn write_json(command: &Specification, lead: &str, out: &mut dyn Write) -> fmt::Result {
    write!(
        out,
        "{lead}{{\"name\":{},\"usage\":{},\"summary\":{}}}",
        Quoted(command.name),
        Quoted(command.synopsis),
        Quoted(command.summary)
    )
}

/// Writes line `row` of what there is to say about one command.
fn explain(command: &Specification, row: usize, out: &mut dyn Write) -> Result<Row, fmt::Error> {
    let words = command.words.len();
    match row {
        0 => write!(out, "usage: {}", command.synopsis)?,
        1 => write!(out, "{}", command.summary)?,
        row if row < 2 + words => {
            let Some((word, meaning)) = command.words.get(row - 2) else {
                return Ok(Row::Beyond);
            };
            let column = if command.words.iter().any(|(word, _)| word.len() >= COLUMN) {
                WIDE_COLUMN
            } else {
                COLUMN
            };
            write!(out, "  {word:column$}{meaning}")?;
        }
        row => {
            let Some(example) = command.examples.get(row - 2 - words) else {
                return Ok(Row::Beyond);
            };
            write!(out, "example: {example}")?;
        }
    }
    Ok(Row::Written)
}
