//! The commands, one file each.
//!
//! A file holds all there is to say about its command: the [`Specification`] from which the parser,
//! `help` and the suggestions in error messages are made, and the lines of its reply. To add a
//! command, write its file and name it in `COMMANDS`.

pub(crate) mod about;
mod arguments;
pub mod arping;
pub mod base64;
pub mod bpftool;
pub mod config;
pub mod dump;
pub mod ethtool;
pub mod evl;
pub mod fault;
pub mod file;
pub mod help;
pub mod icmp;
pub mod ip;
pub mod latency;
pub(crate) mod options;
pub mod ping;
pub(crate) mod poweroff;
pub(crate) mod reboot;
pub(crate) mod report;
pub mod rm;
pub(crate) mod show;
pub mod status;
pub mod stty;
pub mod sysctl;
pub(crate) mod top;
pub mod trace;
pub mod turns;

use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::suggest::nearest;
use crate::text::clipped;
use crate::words::Words;

/// Every command, in the order of `help`.
pub(crate) static COMMANDS: [&Specification; 28] = [
    &help::SPECIFICATION,
    &status::SPECIFICATION,
    &ip::SPECIFICATION,
    &evl::SPECIFICATION,
    &bpftool::SPECIFICATION,
    &show::SPECIFICATION,
    &dump::SPECIFICATION,
    &latency::SPECIFICATION,
    &top::SPECIFICATION,
    &trace::SPECIFICATION,
    &icmp::SPECIFICATION,
    &ping::SPECIFICATION,
    &arping::SPECIFICATION,
    &ethtool::SPECIFICATION,
    &config::SPECIFICATION,
    &sysctl::SPECIFICATION,
    &file::ECHO,
    &file::CAT,
    &base64::SPECIFICATION,
    &rm::SPECIFICATION,
    &about::LIST,
    &stty::SPECIFICATION,
    &about::DATE,
    &about::VERSION,
    &report::SPECIFICATION,
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
    /// Lines that can be typed as they are.
    pub examples: &'static [&'static str],
    /// What can follow the words after the name that were typed already.
    pub(crate) complete: fn(&[&str]) -> Completion,
    /// Whether it exists in test mode only.
    pub(crate) test_only: bool,
    /// Reads the words after the name, as many as it needs.
    pub(crate) parse: fn(Grammar, &mut Words<'_>) -> Result<Command, Mistake>,
}

/// What can stand at a place of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    /// These words.
    pub words: &'static [&'static str],
    /// The names of all interfaces.
    pub interfaces: bool,
    /// The names of all files.
    pub files: bool,
    /// The option right behind which the name of a file stands.
    pub before_file: Option<&'static str>,
    /// The names of all commands.
    pub commands: bool,
}

impl Completion {
    /// Nothing that is known.
    pub(crate) const NOTHING: Self = Self::words(&[]);

    /// A command.
    pub(crate) const COMMANDS: Self = Self {
        commands: true,
        ..Self::words(&[])
    };

    /// One of these words.
    pub(crate) const fn words(words: &'static [&'static str]) -> Self {
        Self {
            words,
            interfaces: false,
            files: false,
            before_file: None,
            commands: false,
        }
    }

    /// One of these words, or an interface.
    pub(crate) const fn with_interfaces(words: &'static [&'static str]) -> Self {
        Self {
            interfaces: true,
            ..Self::words(words)
        }
    }

    /// One of these words, or a file.
    pub(crate) const fn files(words: &'static [&'static str]) -> Self {
        Self {
            files: true,
            ..Self::words(words)
        }
    }
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
    fn parse(command: &'static str, words: &mut Words<'_>) -> Result<Option<Self>, Mistake> {
        let Some(word) = words.next() else {
            return Ok(None);
        };
        let mut named = Self::ALL.iter().zip(Self::NAMES);
        match named.find(|&(_, &name)| name == word) {
            Some((&choice, _)) => Ok(Some(choice)),
            None => Err(Mistake::WrongWord {
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
