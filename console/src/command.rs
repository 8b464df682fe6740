//! The grammar: from a line of text to a command.
//!
//! The same grammar serves the serial console and, later, the start-up file and the boot command
//! line. What each command looks like is in its own file under [`crate::commands`]; here is only what
//! all have in common: words, comments, a leading `sudo`, and nothing left over at the end.

use crate::commands::fault::Fault;
use crate::commands::help::Topic;
use crate::commands::trace::Switch;
use crate::commands::{COMMANDS, Specification};
use crate::error::ParseError;
use crate::suggest::nearest;
use crate::text::clipped;

/// What the appliance is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// List the commands, or explain one.
    Help(Topic),
    /// Show the status page.
    Status,
    /// Turn the trace on or off, or only tell (`None`).
    Trace(Option<Switch>),
    /// Restart the machine, after the reply is printed.
    Reboot,
    /// Switch the machine off, after the reply is printed.
    Poweroff,
    /// Provoke a fault, after the reply is printed. Parsed in test mode only.
    Fault(Fault),
}

/// Which commands there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grammar {
    /// Whether commands exist that only tests may want, such as provoking a fault.
    pub test_mode: bool,
}

impl Grammar {
    /// The commands of this grammar, in the order of `help`.
    pub fn commands(self) -> impl Iterator<Item = &'static Specification> {
        COMMANDS
            .into_iter()
            .filter(move |command| self.test_mode || !command.test_only)
    }

    /// The command that `line` spells, or `None` if it is empty or a comment.
    ///
    /// Words are separated by white space; a word that begins with `#` begins a comment; `sudo`
    /// before the command is ignored, because fingers type it.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says which word is wrong and what would have been right.
    pub fn parse(self, line: &str) -> Result<Option<Command>, ParseError> {
        let mut words = Words::new(line);
        let mut first = words.next();
        if first == Some("sudo") {
            first = words.next();
        }
        let Some(name) = first else {
            return Ok(None);
        };
        let specification = self.find(name)?;
        let command = (specification.parse)(self, &mut words)?;
        match words.next() {
            None => Ok(Some(command)),
            Some(word) => Err(ParseError::ExtraWord {
                word: clipped(word),
                synopsis: specification.synopsis,
            }),
        }
    }

    /// The command called `name`.
    pub(crate) fn find(self, name: &str) -> Result<&'static Specification, ParseError> {
        self.commands()
            .find(|command| command.name == name)
            .ok_or_else(|| ParseError::UnknownCommand {
                word: clipped(name),
                near: nearest(name, self.commands().map(|command| command.name)),
            })
    }
}

/// The words of a line, up to a comment.
pub(crate) struct Words<'line> {
    rest: core::str::SplitWhitespace<'line>,
}

impl<'line> Words<'line> {
    fn new(line: &'line str) -> Self {
        Self {
            rest: line.split_whitespace(),
        }
    }
}

impl<'line> Iterator for Words<'line> {
    type Item = &'line str;

    fn next(&mut self) -> Option<&'line str> {
        let word = self.rest.next()?;
        if word.starts_with('#') {
            self.rest = "".split_whitespace();
            return None;
        }
        Some(word)
    }
}
