//! The commands, one file each.
//!
//! A file holds all there is to say about its command: the [`Specification`] from which the parser,
//! `help` and the suggestions in error messages are made, and the lines of its reply. To add a
//! command, write its file and name it in `COMMANDS`.

pub mod fault;
pub mod help;
pub(crate) mod poweroff;
pub(crate) mod reboot;
pub(crate) mod status;
pub mod trace;

use crate::command::{Command, Grammar, Words};
use crate::error::ParseError;
use crate::suggest::nearest;
use crate::text::clipped;

/// Every command, in the order of `help`.
pub(crate) static COMMANDS: [&Specification; 6] = [
    &help::SPECIFICATION,
    &status::SPECIFICATION,
    &trace::SPECIFICATION,
    &reboot::SPECIFICATION,
    &poweroff::SPECIFICATION,
    &fault::SPECIFICATION,
];

/// How a command is written and what it is for.
#[derive(Debug)]
pub struct Specification {
    /// Its name: the first word of the line.
    pub name: &'static str,
    /// The whole line, with `[optional]` and `either|or` words.
    pub synopsis: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// What each word means that can follow, as `help NAME` shows it.
    pub words: &'static [(&'static str, &'static str)],
    /// Whether it exists in test mode only.
    pub(crate) test_only: bool,
    /// Reads the words after the name, as many as it needs.
    pub(crate) parse: fn(Grammar, &mut Words<'_>) -> Result<Command, ParseError>,
}

/// There is one specification for each command, so its name is its identity.
impl PartialEq for Specification {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Specification {}

/// A word out of a few. Made by [`choices!`].
pub(crate) trait Choice: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];
    /// How each value of `ALL` is written.
    const NAMES: &'static [&'static str];

    /// Reads the next word, if there is one.
    fn parse(command: &'static str, words: &mut Words<'_>) -> Result<Option<Self>, ParseError> {
        let Some(word) = words.next() else {
            return Ok(None);
        };
        let mut named = Self::ALL.iter().zip(Self::NAMES);
        match named.find(|&(_, &name)| name == word) {
            Some((&choice, _)) => Ok(Some(choice)),
            None => Err(ParseError::WrongWord {
                command,
                word: clipped(word),
                expected: Self::NAMES,
                near: nearest(word, Self::NAMES.iter().copied()),
            }),
        }
    }
}

/// Declares an enum together with the word and the description of each variant, so that none can
/// lack one.
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident { $($variant:ident, $word:literal, $description:literal;)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $description] $variant,)+
        }

        impl $name {
            /// How it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            const WORDS: &'static [(&'static str, &'static str)] = &[$(($word, $description)),+];
        }

        impl $crate::commands::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($word),+];
        }
    };
}
pub(crate) use choices;
