//! What is wrong with a line that is not a command.
//!
//! Every message names the word that was wrong, says what would have been right, and offers the
//! nearest words that exist. An error owns its text, so that it can be printed when there is room.

use crate::line::LineTooLong;
use crate::suggest::Near;
use core::fmt;
use heapless::String;

/// A word as it was typed; longer ones are cut, so that every message fits on a line.
pub type Word = String<20>;

/// Why a line was refused. Nothing of it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// There is no such command.
    UnknownCommand {
        /// What stands where a command should.
        word: Word,
        /// The commands that may have been meant.
        near: Near,
    },
    /// The command needs one more word.
    MissingWord {
        /// The command's name.
        command: &'static str,
        /// How the command is written.
        synopsis: &'static str,
    },
    /// The command was complete before this word.
    ExtraWord {
        /// The first word too many.
        word: Word,
        /// How the command is written.
        synopsis: &'static str,
    },
    /// The command does not know this word.
    WrongWord {
        /// The command's name.
        command: &'static str,
        /// What stands where one of the expected words should.
        word: Word,
        /// The words that could stand there.
        expected: &'static [&'static str],
        /// The words that may have been meant.
        near: Near,
    },
    /// The line has too many characters.
    LineTooLong(LineTooLong),
}

impl From<LineTooLong> for ParseError {
    fn from(error: LineTooLong) -> Self {
        Self::LineTooLong(error)
    }
}

impl core::error::Error for ParseError {}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand { word, near } => {
                write!(f, "unknown command '{word}'; ")?;
                if near.is_empty() {
                    return write!(f, "type 'help' for the list");
                }
                write!(f, "{}", DidYouMean(near))
            }
            Self::MissingWord { command, synopsis } => {
                write!(f, "missing word after '{command}'; usage: {synopsis}")
            }
            Self::ExtraWord { word, synopsis } => {
                write!(f, "unexpected word '{word}'; usage: {synopsis}")
            }
            Self::WrongWord {
                command,
                word,
                expected,
                near,
            } => {
                write!(f, "{command}: '{word}' is not one of ")?;
                for (index, choice) in expected.iter().enumerate() {
                    write!(f, "{}{choice}", if index == 0 { "" } else { ", " })?;
                }
                if near.is_empty() {
                    return Ok(());
                }
                write!(f, "; {}", DidYouMean(near))
            }
            Self::LineTooLong(error) => write!(f, "{error}"),
        }
    }
}

/// `did you mean 'a', 'b' or 'c'?`
struct DidYouMean<'a>(&'a Near);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did you mean ")?;
        let last = self.0.len().saturating_sub(1);
        for (index, word) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                index if index == last => " or ",
                _ => ", ",
            };
            write!(f, "{separator}'{word}'")?;
        }
        write!(f, "?")
    }
}
