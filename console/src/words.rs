//! The words of a line: what every command reads its arguments from.
//!
//! White space separates words, quotes hold blanks together, a word that begins with `#` begins a
//! comment. `-j` and `-h`, wherever they stand, are taken out here, because they mean the same to all
//! commands.

use alloc::vec::Vec;
use core::ops::Range;

/// The words of a line, without those that all commands have in common.
#[derive(Clone, Debug)]
pub(crate) struct Words<'line> {
    line: &'line str,
    /// Where each word stands in the line, without its quotes.
    words: Vec<Range<usize>>,
    /// How many were taken.
    taken: usize,
    /// Whether the answer is to be JSON.
    pub json: bool,
    /// Whether the command is only to be explained.
    pub help: bool,
}

impl<'line> Words<'line> {
    pub(crate) fn new(line: &'line str) -> Self {
        let mut words = Self {
            line,
            words: Vec::new(),
            taken: 0,
            json: false,
            help: false,
        };
        let mut rest = 0;
        while let Some((word, end)) = next_word(line, rest) {
            rest = end;
            match line.get(word.clone()) {
                Some("-j" | "-json" | "--json") => words.json = true,
                Some("-h" | "-help" | "--help") => words.help = true,
                _ => words.words.push(word),
            }
        }
        words
    }

    fn at(&self, index: usize) -> Option<&'line str> {
        self.line.get(self.words.get(index)?.clone())
    }

    /// The next word, which stays where it is.
    pub(crate) fn peek(&self) -> Option<&'line str> {
        self.at(self.taken)
    }

    /// Takes the next word if it is `expected`.
    pub(crate) fn take_if(&mut self, expected: &str) -> bool {
        let is_expected = self.peek() == Some(expected);
        self.taken += usize::from(is_expected);
        is_expected
    }

    /// Gives the last word back.
    pub(crate) const fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Whether no more than two words are left, the last of which is `expected`.
    pub(crate) fn are_few_and_end_in(&self, expected: &str) -> bool {
        let left = self.words.len().saturating_sub(self.taken);
        (1..=2).contains(&left) && self.at(self.words.len() - 1) == Some(expected)
    }

    /// Takes the first of the words that are left of which `refusal` says why it cannot be there.
    pub(crate) fn refuse<E>(&mut self, refusal: impl Fn(&str) -> Option<E>) -> Result<(), E> {
        for index in self.taken..self.words.len() {
            if let Some(refused) = self.at(index).and_then(&refusal) {
                self.taken = index + 1;
                return Err(refused);
            }
        }
        Ok(())
    }

    /// The column of the word that was taken last, or behind the line when none was left; from 1.
    pub(crate) fn column(&self) -> usize {
        let last = self.taken.checked_sub(1);
        let offset = match last.and_then(|last| self.words.get(last)) {
            Some(word) => word.start,
            None => self.line.trim_end().len() + 1,
        };
        let before = self.line.char_indices();
        before.take_while(|&(at, _)| at < offset).count() + 1
    }
}

impl<'line> Iterator for Words<'line> {
    type Item = &'line str;

    fn next(&mut self) -> Option<&'line str> {
        let word = self.at(self.taken);
        // Beyond the last one it counts once, so that the column is behind the line.
        self.taken = self.words.len().min(self.taken) + 1;
        word
    }
}

/// The word at or behind `from`, and where it ends with its quotes.
fn next_word(line: &str, from: usize) -> Option<(Range<usize>, usize)> {
    let rest = line.get(from..)?;
    let start = from + rest.find(|character: char| !character.is_whitespace())?;
    let word = line.get(start..)?;
    if word.starts_with('#') {
        return None;
    }
    if let Some(quote) = word
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
        && let Some(length) = word.get(1..)?.find(quote)
    {
        return Some((start + 1..start + 1 + length, start + length + 2));
    }
    let length = word.find(char::is_whitespace).unwrap_or(word.len());
    Some((start..start + length, start + length))
}

/// The commands of a line, with where in it each begins, in octets: `;` stands between them, unless in quotes or in a
/// comment.
#[derive(Clone, Debug)]
pub struct Commands<'line>(Parts<'line>);

impl<'line> Commands<'line> {
    /// Those of `line`: at least one, which may be empty.
    pub const fn of(line: &'line str) -> Self {
        Self(Parts::of(line, ';'))
    }
}

impl<'line> Iterator for Commands<'line> {
    type Item = (usize, &'line str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// The parts of a line between separators that are neither in quotes nor in a comment, with where each begins.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'line> {
    line: &'line str,
    separator: char,
    /// Where the next one begins, if there is one.
    next: Option<usize>,
}

impl<'line> Parts<'line> {
    /// Those of `line`: at least one, which may be empty.
    pub(crate) const fn of(line: &'line str, separator: char) -> Self {
        Self {
            line,
            separator,
            next: Some(0),
        }
    }
}

impl<'line> Iterator for Parts<'line> {
    type Item = (usize, &'line str);

    fn next(&mut self) -> Option<Self::Item> {
        let (begin, separator) = (self.next.take()?, self.separator);
        let mut end = begin;
        loop {
            let rest = self.line.get(end..)?;
            let blanks = rest.len() - rest.trim_start().len();
            end += blanks;
            let word = rest.get(blanks..)?;
            let mut characters = word.chars();
            end += match characters.next() {
                None | Some('#') => break end = self.line.len(),
                Some(first) if first == separator => break self.next = Some(end + 1),
                Some(quote @ ('"' | '\'')) if characters.as_str().contains(quote) => characters
                    .as_str()
                    .find(quote)
                    .map_or(0, |length| length + 2),
                Some(_) => {
                    let is_end =
                        |character: char| character == separator || character.is_whitespace();
                    word.find(is_end).unwrap_or(word.len())
                }
            };
        }
        Some((begin, self.line.get(begin..end)?))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn words(line: &str) -> Vec<&str> {
        Words::new(line).collect()
    }

    #[test]
    fn blanks_separate_and_quotes_hold_together() {
        assert_eq!(words("  a\tb  c "), ["a", "b", "c"]);
        assert_eq!(
            words("-c \"echo 42 > x\" 'y z'"),
            ["-c", "echo 42 > x", "y z"]
        );
        assert_eq!(words("' \"a b"), ["'", "\"a", "b"]);
        assert_eq!(words("\"\""), [""]);
    }

    #[test]
    fn a_comment_ends_the_line() {
        assert_eq!(words("a # b"), ["a"]);
        assert_eq!(words("a#b"), ["a#b"]);
        assert!(words("# a").is_empty());
    }

    #[test]
    fn the_words_that_all_commands_share_are_taken_out() {
        let words = Words::new("ip -j addr --help");
        assert!(words.json && words.help);
        assert_eq!(words.collect::<Vec<_>>(), ["ip", "addr"]);
    }

    #[test]
    fn the_column_is_that_of_the_last_word_in_characters() {
        let mut words = Words::new(" ä  bc ");
        words.next();
        assert_eq!(words.column(), 2);
        words.next();
        assert_eq!(words.column(), 5);
        words.next();
        words.next();
        assert_eq!(words.column(), 8);
    }

    fn commands(line: &str) -> Vec<&str> {
        Commands::of(line)
            .map(|(_, command)| command.trim())
            .collect()
    }

    #[test]
    fn semicolons_separate_commands_but_not_in_quotes_or_comments() {
        assert_eq!(commands("ip a"), ["ip a"]);
        assert_eq!(commands("ip a;ip r ; date"), ["ip a", "ip r", "date"]);
        assert_eq!(commands("echo 'a;b';\"c;\" d"), ["echo 'a;b'", "\"c;\" d"]);
        assert_eq!(commands("ip a # b; c"), ["ip a # b; c"]);
        assert_eq!(commands("echo it's; date"), ["echo it's", "date"]);
        assert_eq!(commands("echo \"; date"), ["echo \"", "date"]);
        assert_eq!(commands(";;"), ["", "", ""]);
        assert_eq!(commands(""), [""]);
        let places: Vec<_> = Commands::of("ä; b").map(|(at, _)| at).collect();
        assert_eq!(places, [0, 3]);
    }

    proptest! {
        #[test]
        fn commands_are_all_of_a_line_but_the_semicolons(line in "[ab;#'\" \u{e4}]{0,30}") {
            let mut whole = String::new();
            for (at, command) in Commands::of(&line) {
                if at > 0 {
                    whole.push(';');
                }
                prop_assert_eq!(at, whole.len());
                whole.push_str(command);
            }
            prop_assert_eq!(whole, line);
        }

        #[test]
        fn any_line_has_words_and_an_end(line in any::<String>()) {
            let mut words = Words::new(&line);
            for _ in 0..line.len() + 1 {
                words.next();
                prop_assert!(words.column() <= line.chars().count() + 2);
            }
            prop_assert_eq!(words.next(), None);
        }
    }
}
