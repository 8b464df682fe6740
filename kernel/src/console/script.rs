//! What is executed at the start: the start-up file and the commands on the boot command line, and where in them a
//! command stands that was refused. The session takes one command after the other from here.

use crate::Kernel;
use crate::serial;
use core::fmt;
use pollux_console::command::Commands;
use pollux_console::error::Refusal;
use pollux_console::refused::Refused;

/// What is executed at the start.
pub(super) fn scripts(kernel: &Kernel) -> [Option<Script>; 2] {
    let file = kernel.options.config_file;
    let file = file.and_then(|name| Some(Script::new(name, start_up_file(kernel, name)?, false)));
    let words = kernel.options.config;
    let words = words.map(|text| Script::new("pollux.config", text, true));
    [file, words]
}

/// The text of the start-up file.
fn start_up_file(kernel: &Kernel, name: &str) -> Option<&'static str> {
    let Some(file) = kernel.files.find(name) else {
        log::error!("start-up file '{name}' was not given with the kernel");
        return None;
    };
    match core::str::from_utf8(file.octets) {
        // Some editors begin a text with a byte order mark.
        Ok(text) => Some(text.trim_start_matches('\u{feff}')),
        Err(error) => {
            log::error!(
                "start-up file '{name}': not text from octet {} on",
                error.valid_up_to()
            );
            None
        }
    }
}

/// Commands that are executed at the start.
pub(super) struct Script {
    name: &'static str,
    /// The lines that were not begun.
    lines: core::str::Split<'static, char>,
    /// The line that was begun, and its commands that were not.
    line: (&'static str, Option<Commands<'static>>),
    number: usize,
    /// Whether it has one line only, whose commands are counted instead.
    is_word: bool,
}

impl Script {
    fn new(name: &'static str, text: &'static str, is_word: bool) -> Self {
        Self {
            name,
            lines: text.split('\n'),
            line: ("", None),
            number: 0,
            is_word,
        }
    }

    /// The next command, or the next line `as_it_is`.
    pub(super) fn next(&mut self, as_it_is: bool) -> Option<(Place, &'static str)> {
        loop {
            let (line, commands) = &mut self.line;
            if let Some((at, command)) = commands.as_mut().and_then(Iterator::next) {
                self.number += usize::from(self.is_word);
                let blanks = command.len() - command.trim_start().len();
                let before = line.get(..at + blanks).unwrap_or("").chars().count();
                let place = Place {
                    name: self.name,
                    number: self.number,
                    before: if self.is_word { 0 } else { before },
                };
                return Some((place, command.trim()));
            }
            let line = self.lines.next()?;
            self.number += usize::from(!self.is_word);
            if as_it_is {
                let (name, number) = (self.name, self.number);
                return Some((
                    Place {
                        name,
                        number,
                        before: 0,
                    },
                    line.trim(),
                ));
            }
            self.line = (line, Some(Commands::of(line)));
        }
    }
}

/// Where in a script a command is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    name: &'static str,
    number: usize,
    /// Characters of its line in front of it.
    before: usize,
}

impl Place {
    /// Tells what is wrong with it, and keeps that.
    pub(super) fn report(self, refused: &mut Refused, column: usize, error: &dyn fmt::Display) {
        let Self {
            name,
            number,
            before,
        } = self;
        let column = before + column;
        refused.add(name, number, column, error);
        serial::line(format_args!(
            "{name}, line {number}, column {column}: {error}"
        ));
    }
}

/// Where in a line the word is that a refusal is about.
pub(super) fn column(refusal: &Refusal, line: &str) -> usize {
    let at = refusal
        .word()
        .and_then(|word| line.rfind(word))
        .unwrap_or(0);
    line.get(..at).unwrap_or("").chars().count() + 1
}
