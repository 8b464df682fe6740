//! Options as POSIX has them: letters that need no value can stand together, and a value stands behind its letter or is
//! the next word (Utility Syntax Guidelines 5 and 6).

use super::arguments::Reader;
use crate::error::Mistake;
use crate::words::Words;

/// What stands next on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument<'line> {
    /// An option, as in `-c`.
    Option(char),
    /// What is none.
    Word(&'line str),
}

/// Reads options and other words, in any order.
pub(crate) struct Options<'words, 'line> {
    words: &'words mut Words<'line>,
    /// The word whose options are being read.
    word: &'line str,
    /// What is left of it.
    rest: &'line str,
}

impl<'words, 'line> Options<'words, 'line> {
    pub(crate) const fn new(words: &'words mut Words<'line>) -> Self {
        Self {
            words,
            word: "",
            rest: "",
        }
    }

    /// The next option or word.
    pub(crate) fn next(&mut self) -> Option<Argument<'line>> {
        let mut letters = self.rest.chars();
        if let Some(letter) = letters.next() {
            self.rest = letters.as_str();
            return Some(Argument::Option(letter));
        }
        self.word = self.words.next()?;
        let mut letters = self.word.strip_prefix('-').unwrap_or("").chars();
        Some(match letters.next() {
            Some(letter) => {
                self.rest = letters.as_str();
                Argument::Option(letter)
            }
            None => Argument::Word(self.word),
        })
    }

    /// The value of the last option, which is called `option`.
    pub(crate) fn value(
        &mut self,
        reader: Reader,
        option: &'static str,
        expected: &'static str,
    ) -> Result<&'line str, Mistake> {
        match core::mem::take(&mut self.rest) {
            "" => reader.value(self.words, option, expected),
            attached => Ok(attached),
        }
    }

    /// The word in which the last argument stood.
    pub(crate) const fn word(&self) -> &'line str {
        self.word
    }

    /// Gives the last word back to those who read the rest of the line.
    pub(crate) const fn give_back(self) {
        self.words.give_back();
    }
}
