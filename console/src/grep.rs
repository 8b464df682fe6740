//! `| grep TEXT` behind a command: only the lines of its reply that have the text, or only the others.

use crate::command::Command;
use crate::error::Mistake;
use crate::suggest::nearest;
use crate::text::clipped;
use crate::words::Words;
use alloc::boxed::Box;

pub(crate) const OPTIONS: &[&str] = &["-i", "-v"];

/// Which lines are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grep {
    text: Box<str>,
    /// Whether ASCII letters of either case are the same.
    ignores_case: bool,
    /// Whether it is the lines without the text.
    inverts: bool,
}

impl Grep {
    /// Reads what stands behind a `|`.
    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, Mistake> {
        match words.next() {
            Some("grep" | "fgrep") => {}
            other => {
                return Err(Mistake::Needless {
                    word: clipped(other.unwrap_or("|")),
                    reason: "behind '|' only 'grep [-i] [-v] TEXT' can stand",
                });
            }
        }
        let (mut ignores_case, mut inverts) = (false, false);
        while let Some(option) = words.peek().filter(|word| word.starts_with('-')) {
            words.next();
            match option {
                // The text is taken as it is.
                "-F" => {}
                "-i" => ignores_case = true,
                "-v" => inverts = true,
                "-iv" | "-vi" => (ignores_case, inverts) = (true, true),
                "-e" => break,
                other => {
                    return Err(Mistake::WrongWord {
                        command: "grep",
                        word: clipped(other),
                        expected: OPTIONS,
                        near: nearest(other, OPTIONS.iter().copied()),
                    });
                }
            }
        }
        let text = words.next().ok_or(Mistake::MissingValue {
            command: "grep",
            after: "grep",
            expected: "the text that lines are to have",
        })?;
        match words.next() {
            None => Ok(Self {
                text: text.into(),
                ignores_case,
                inverts,
            }),
            Some(word) => Err(Mistake::ExtraWord {
                word: clipped(word),
                synopsis: "COMMAND | grep [-i] [-v] TEXT",
            }),
        }
    }

    /// Why the reply to a command, as JSON or not, has no lines to choose from.
    pub(crate) fn refusal(command: &Command, json: bool) -> Option<Mistake> {
        let reason = match command {
            Command::Top | Command::Responder(_) | Command::Ping(_) => {
                "what goes on until Ctrl-C is shown whole"
            }
            Command::Upload(_) => "this has no reply",
            _ if json => "half a JSON value is of no use: leave out '-j', or '| grep'",
            _ => return None,
        };
        Some(Mistake::Needless {
            word: clipped("grep"),
            reason,
        })
    }

    /// Whether `line` is shown.
    pub(crate) fn shows(&self, line: &str) -> bool {
        let text = self.text.as_bytes();
        let mut places = line.as_bytes().windows(text.len().max(1));
        let has = text.is_empty()
            || places.any(|place| match self.ignores_case {
                true => place.eq_ignore_ascii_case(text),
                false => place == text,
            });
        has != self.inverts
    }
}
