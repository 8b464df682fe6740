//! `| grep TEXT` behind a command: only the lines of its reply that have the text, or only the others.
//!
//! The text is taken as it is. What looks like a pattern is refused, lest it silently finds nothing, unless `-F` says that it
//! is none.

use crate::command::{Command, Request};
use crate::error::Mistake;
use crate::suggest::nearest;
use crate::text::clipped;
use crate::words::Words;
use alloc::boxed::Box;

pub(crate) const OPTIONS: &[&str] = &["-F", "-i", "-v"];

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
        let command = words.next().unwrap_or("|");
        if !matches!(command, "grep" | "fgrep") {
            return Err(Mistake::Needless {
                word: clipped(command),
                reason: "behind '|' only 'grep [-Fiv] TEXT' can stand",
            });
        }
        let (mut ignores_case, mut inverts, mut is_literal) = (false, false, command == "fgrep");
        while let Some(option) = words.peek().filter(|word| word.starts_with('-')) {
            words.next();
            match option {
                "-e" => break,
                letters if is_made_of_options(letters) => {
                    is_literal |= letters.contains('F');
                    ignores_case |= letters.contains('i');
                    inverts |= letters.contains('v');
                }
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
        if !is_literal && is_pattern(text) {
            return Err(Mistake::NotSupported {
                command: "grep",
                word: clipped(text),
                reason: "patterns are not known here; type the text that lines have, or 'grep -F' where it has such signs",
            });
        }
        match words.next() {
            None => Ok(Self {
                text: text.into(),
                ignores_case,
                inverts,
            }),
            Some(word) => Err(Mistake::ExtraWord {
                word: clipped(word),
                synopsis: "COMMAND | grep [-Fiv] TEXT",
            }),
        }
    }

    /// Why the reply to what is asked, where `json` may come later, has no lines to choose from.
    pub(crate) fn refusal(request: &Request, json: bool) -> Option<Mistake> {
        let reason = match &request.command {
            Command::Top | Command::Responder(_) => "what goes on until Ctrl-C is shown whole",
            Command::Ping(_) | Command::Arping(_) if request.is_endless() => {
                "what goes on until Ctrl-C is shown whole; with '-c COUNT' it ends"
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

fn is_made_of_options(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or("");
    !letters.is_empty()
        && letters
            .chars()
            .all(|letter| matches!(letter, 'F' | 'i' | 'v'))
}

/// Whether a shell's `grep` would take `text` for more than itself. A `.` would be any character there, itself among them:
/// that is no reason to refuse an address.
fn is_pattern(text: &str) -> bool {
    text.starts_with('^') || text.ends_with('$') || text.contains(['*', '[', '\\'])
}
