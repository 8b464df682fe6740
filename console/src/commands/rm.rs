//! `rm`: forgets files that were typed or pasted, so that others can be kept in their place.
//!
//! The kernel has the files, and lends them: what came with it stays.

use super::arguments::Reader;
use super::base64::Uploaded;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal};
use crate::text::clipped;
use crate::words::Words;
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "rm",
    synopsis: "rm [-f] FILE...",
    summary: "forget files that were pasted; those that came with the kernel stay",
    words: &[
        ("FILE", "one that 'base64' took; 'ls' lists all"),
        ("-f", "say nothing of one that is not there"),
    ],
    examples: &["rm netrx.o"],
    complete: |_| Completion::files(&[]),
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "rm" };

/// Which files are forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove {
    names: Vec<String>,
    /// Whether one that is not there is no mistake.
    is_forced: bool,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let mut remove = Remove {
        names: Vec::new(),
        is_forced: false,
    };
    for word in words.by_ref() {
        match word {
            "-f" => remove.is_forced = true,
            word if word.starts_with('-') => return Err(READER.none_of(word, &["-f"])),
            // There are no folders, as for `cat`.
            path => remove
                .names
                .push(path.rsplit('/').next().unwrap_or(path).into()),
        }
    }
    match remove.names.is_empty() {
        true => Err(Mistake::MissingWord {
            command: SPECIFICATION.name,
            synopsis: SPECIFICATION.synopsis,
        }),
        false => Ok(Command::Remove(remove)),
    }
}

impl Remove {
    /// Takes the files from those that are `kept`, all of them or none. `is_given` says whether a name is that of a file
    /// that came with the kernel.
    ///
    /// # Errors
    ///
    /// One of them is not there, or came with the kernel.
    pub fn carry_out(
        &self,
        kept: &mut Vec<Uploaded>,
        is_given: impl Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        for name in &self.names {
            if kept.iter().any(|file| file.name == *name) {
                continue;
            }
            if is_given(name) {
                return Err(Refusal::GivenFile(clipped(name)));
            }
            if !self.is_forced {
                return Err(Refusal::NoSuchFile(clipped(name)));
            }
        }
        kept.retain(|file| !self.names.contains(&file.name));
        Ok(())
    }
}
