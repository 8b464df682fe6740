//! Attaches to the console of a running appliance: `./run.sh console`.
//!
//! ```text
//! pollux-attach LINE                   this terminal becomes the appliance's, until Ctrl-]
//! pollux-attach LINE --command TEXT    carry out one command, print its reply
//! pollux-attach LINE <FILE             carry out the lines of a file, print their replies; files for `base64` among them
//! ```
//!
//! The exit status is 1 when the appliance refused something or nobody answered its `ping` or `arping`, 2 when it could not be asked.
//!
//! LINE is a Unix socket that QEMU listens on, or a serial device such as /dev/ttyUSB0.

#![forbid(unsafe_code)]

mod ask;
mod line;
mod terminal;

use crate::ask::Outcome;
use crate::line::{Line, LineError};
use lexopt::prelude::*;
use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// Why it did not go on. Prints as one line.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Usage(#[from] lexopt::Error),
    #[error("unknown option '{0}'; there is --command TEXT")]
    Option(String),
    #[error("one socket or serial device only, not '{0}' too; a command stands behind --command")]
    SecondLine(String),
    #[error("{0}")]
    Line(#[from] LineError),
    #[error("{0}")]
    Ask(ask::AskError),
    #[error("line {0}: {1}")]
    AskLine(usize, ask::AskError),
    #[error("the terminal: {0}")]
    Terminal(io::Error),
    #[error("line {0} of the input: {1}")]
    Input(usize, io::Error),
}

fn main() -> ExitCode {
    match run() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("console: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Outcome, Error> {
    let mut path: Option<PathBuf> = None;
    let mut commands = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('c') | Long("command") => commands.push(arguments.value()?.string()?),
            Value(value) if path.is_none() => path = Some(value.into()),
            Value(value) => return Err(Error::SecondLine(value.to_string_lossy().into())),
            Short(option) => return Err(Error::Option(format!("-{option}"))),
            Long(option) => return Err(Error::Option(format!("--{option}"))),
        }
    }
    let path = path.ok_or(lexopt::Error::from("which socket or serial device?"))?;
    let line = Line::open(&path)?;
    let is_script = commands.is_empty();
    let lines: Box<dyn Iterator<Item = io::Result<String>>> = if !is_script {
        Box::new(commands.into_iter().map(Ok))
    } else if io::stdin().is_terminal() {
        terminal::lend(&line, &path).map_err(Error::Terminal)?;
        return Ok(Outcome::Done);
    } else {
        Box::new(io::stdin().lines())
    };
    let number = Cell::new(0);
    let mut lines = lines.inspect(|_| number.update(|number| number + 1));
    let mut outcome = Outcome::Done;
    while let Some(command) = lines.next() {
        // A file may follow, whose lines count, too.
        let begun = number.get();
        let command = command.map_err(|error| Error::Input(begun, error))?;
        let asked = ask::ask(&line, &command, &mut lines).map_err(|error| match is_script {
            true => Error::AskLine(number.get(), error),
            false => Error::Ask(error),
        });
        if asked? == Outcome::Refused {
            if is_script {
                eprintln!("console: line {begun} failed: {command}");
            }
            outcome = Outcome::Refused;
        }
    }
    Ok(outcome)
}
