//! What of the start was refused: kept, so that who comes later can see it.
//!
//! The kernel adds to it while it starts; `config errors` and `status` show it.

use crate::text::{clipped, text};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How many are kept: the first, for what is behind them may follow from them.
pub const MOST_REFUSED: usize = 32;

/// A line that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// The name of the file, or of the word on the boot command line.
    pub place: String,
    /// The line, from 1.
    pub line: usize,
    /// The first character of the word that was wrong, from 1.
    pub column: usize,
    /// Why it was refused.
    pub reason: String,
}

impl fmt::Display for RefusedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            line,
            column,
            reason,
        } = self;
        write!(f, "{place}, line {line}, column {column}: {reason}")
    }
}

/// The lines that were refused.
#[derive(Debug, Default)]
pub struct Refused {
    lines: Vec<RefusedLine>,
    count: usize,
}

impl Refused {
    /// None.
    pub const fn new() -> Self {
        Self {
            lines: Vec::new(),
            count: 0,
        }
    }

    /// Keeps one, if there is room, and counts it. Allocates.
    pub fn add(&mut self, place: &str, line: usize, column: usize, reason: impl fmt::Display) {
        self.count += 1;
        if self.lines.len() < MOST_REFUSED {
            self.lines.push(RefusedLine {
                place: text!("{}", clipped::<40>(place)),
                line,
                column,
                reason: text!("{}", clipped::<180>(reason)),
            });
        }
    }

    /// The first of them.
    pub fn lines(&self) -> &[RefusedLine] {
        &self.lines
    }

    /// How many there were.
    pub const fn count(&self) -> usize {
        self.count
    }
}
