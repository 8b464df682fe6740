//! `base64 -d > FILE <<END`: a file typed or pasted at the console, as a shell takes it.
//!
//! The lines behind the command are not commands but the file, up to the word that ends it. A line that is
//! wrong spoils the file, and the rest is taken all the same, lest it be carried out; nothing is kept then.

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal};
use crate::text::{clipped, text};
use crate::view::FileView;
use crate::words::Words;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "base64",
    synopsis: "base64 -d > FILE <<END",
    summary: "take a file that is typed or pasted, such as an eBPF filter",
    words: &[
        ("-d", "what follows is base64: the lines that base64 prints"),
        ("> FILE", "the name under which 'ls' shows it"),
        ("<<END", "the line that ends it; Ctrl-C takes nothing"),
    ],
    examples: &["base64 -d > netrx.o <<END"],
    complete: |before| match before {
        [] => Completion::words(&["-d"]),
        ["-d"] => Completion::words(&[">"]),
        _ => Completion::NOTHING,
    },
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "base64" };
/// Octets of the largest file.
pub const MAXIMUM_FILE: usize = 128 << 10;
/// How many files are kept.
pub const MAXIMUM_FILES: usize = 8;
/// The longest name, in octets.
const MAXIMUM_NAME: usize = 64;

/// A file that is to be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    name: String,
    end: String,
}

/// A file that was typed.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub octets: Vec<u8>,
}

impl Uploaded {
    /// How it is shown.
    pub fn view(&self) -> FileView<'_> {
        FileView {
            name: &self.name,
            octets: &self.octets,
        }
    }

    /// Keeps it among `files`, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// There are too many already.
    pub fn keep(self, files: &mut Vec<Self>) -> Result<(), Refusal> {
        if let Some(other) = files.iter_mut().find(|other| other.name == self.name) {
            *other = self;
            return Ok(());
        }
        if files.len() >= MAXIMUM_FILES {
            return Err(refused(
                &self.name,
                format_args!(
                    "{MAXIMUM_FILES} files are kept already; take the name of one of them, or 'rm' it"
                ),
            ));
        }
        files.push(self);
        Ok(())
    }
}

fn refused(name: &str, problem: impl fmt::Display) -> Refusal {
    Refusal::Filter {
        subject: clipped(name),
        problem: text!("{problem}").into(),
    }
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let (mut decodes, mut name, mut end) = (false, None, None);
    while let Some(word) = words.next() {
        if matches!(word, "-d" | "-D" | "--decode") {
            decodes = true;
        } else if let Some(rest) = word.strip_prefix("<<") {
            let expected = "the line that ends the file, such as END";
            end = Some(match rest.trim_matches(['\'', '"']) {
                "" => READER.value(words, "<<", expected)?,
                rest => rest,
            });
        } else if let Some(rest) = word.strip_prefix('>') {
            name = Some(match rest {
                "" => READER.value(words, ">", "the name of the file")?,
                rest => rest,
            });
        } else {
            return Err(READER.none_of(word, &["-d", ">", "<<"]));
        }
    }
    let missing = |after, expected| Mistake::MissingValue {
        command: READER.command,
        after,
        expected,
    };
    if !decodes {
        return Err(missing("base64", "'-d': it only decodes"));
    }
    let name: &str = name.ok_or_else(|| missing("-d", "'> FILE', the name of the file"))?;
    let end: &str = end.ok_or_else(|| missing("> FILE", "'<<END', the line that ends the file"))?;
    if name.contains('/') || name.len() > MAXIMUM_NAME {
        return Err(READER.wrong(name, "a name of at most 64 octets, without folders"));
    }
    Ok(Command::Upload(Heading {
        name: name.into(),
        end: end.into(),
    }))
}

/// A file under way.
#[derive(Clone, Debug)]
pub struct Upload {
    heading: Heading,
    octets: Vec<u8>,
    lines: usize,
    /// Whether the last line was filled up, so that it was the last.
    is_padded: bool,
    problem: Option<Box<str>>,
}

impl Upload {
    /// A file of which no line was typed yet.
    pub const fn new(heading: Heading) -> Self {
        Self {
            heading,
            octets: Vec::new(),
            lines: 0,
            is_padded: false,
            problem: None,
        }
    }

    /// Takes the next line. Returns whether it was the one that ends the file.
    pub fn take(&mut self, line: &str) -> bool {
        let line = line.trim();
        if line == self.heading.end {
            return true;
        }
        self.lines += 1;
        if line.is_empty() || self.problem.is_some() {
            return false;
        }
        if self.is_padded {
            self.spoil(format_args!("it stands behind the end, which '=' marks"));
        } else if let Err(error) = STANDARD.decode_vec(line, &mut self.octets) {
            let error = text!("{error}");
            self.spoil(format_args!("no base64: {}", error.trim_end_matches('.')));
        } else if self.octets.len() > MAXIMUM_FILE {
            self.spoil(format_args!("more than {MAXIMUM_FILE} octets"));
        }
        self.is_padded = line.ends_with('=');
        false
    }

    /// Takes note of a line that cannot be taken.
    pub fn take_wrong(&mut self, error: impl fmt::Display) {
        self.lines += 1;
        if self.problem.is_none() {
            self.spoil(error);
        }
    }

    fn spoil(&mut self, problem: impl fmt::Display) {
        self.problem = Some(text!("line {}: {problem}; nothing is kept", self.lines).into());
        self.octets = Vec::new();
    }

    /// The file, when all of it was typed.
    ///
    /// # Errors
    ///
    /// A line was wrong, or there was none.
    pub fn finish(self) -> Result<Uploaded, Refusal> {
        let name = self.heading.name;
        match self.problem {
            Some(problem) => Err(refused(&name, problem)),
            None if self.octets.is_empty() => {
                Err(refused(&name, "no line of base64 came; nothing is kept"))
            }
            None => Ok(Uploaded {
                name,
                octets: self.octets,
            }),
        }
    }
}
