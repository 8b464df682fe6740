//! JSON for programs that ask: strings that are escaped, and objects that are written a line at a time.

use crate::text::{ELLIPSIS, text};
use alloc::string::String;
use core::fmt::{self, Write};

/// A value as a JSON string (RFC 8259 §7).
pub(crate) struct Quoted<T>(pub T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(Escaping(f), "{}", self.0)?;
        f.write_char('"')
    }
}

/// A value as a JSON string of at most this many characters; one that has more ends in `...`.
pub(crate) struct Fitted<T>(pub T, pub usize);

impl<T: fmt::Display> fmt::Display for Fitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, room) = self;
        let text = text!("{}", Quoted(value));
        if text.chars().count() <= *room {
            return f.write_str(&text);
        }
        let mut room = room.saturating_sub(ELLIPSIS.len() + 2);
        f.write_char('"')?;
        for character in text!("{value}").chars() {
            let mut escaped = String::new();
            Escaping(&mut escaped).write_char(character)?;
            let Some(rest) = room.checked_sub(escaped.chars().count()) else {
                break;
            };
            f.write_str(&escaped)?;
            room = rest;
        }
        write!(f, "{ELLIPSIS}\"")
    }
}

struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(self.0, "\\{character}")?,
                control if control < ' ' => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Values, separated by commas, between brackets.
pub(crate) struct Array<I>(pub I);

impl<I: Iterator<Item = T> + Clone, T: fmt::Display> fmt::Display for Array<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (index, value) in self.0.clone().enumerate() {
            write!(f, "{}{value}", if index == 0 { "" } else { "," })?;
        }
        f.write_char(']')
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn strings_are_escaped() {
        let quoted = Quoted("a\"b\\c\n\u{1}ä").to_string();
        assert_eq!(quoted, "\"a\\\"b\\\\c\\u000a\\u0001ä\"");
    }

    #[test]
    fn a_string_that_is_too_long_is_cut_between_escapes() {
        assert_eq!(Fitted("a\\b", 6).to_string(), "\"a\\\\b\"");
        assert_eq!(Fitted("\\\\\\\\", 10).to_string(), "\"\\\\\\\\\\\\\\\\\"");
        assert_eq!(Fitted("\\\\\\\\", 9).to_string(), "\"\\\\\\\\...\"");
        assert_eq!(Fitted("\\\\\\\\", 8).to_string(), "\"\\\\...\"");
        assert_eq!(Fitted("\u{1}ä\u{1}", 13).to_string(), "\"\\u0001ä...\"");
    }

    #[test]
    fn arrays_have_commas_between() {
        assert_eq!(Array([1, 2, 3].iter()).to_string(), "[1,2,3]");
        assert_eq!(Array([0; 0].iter()).to_string(), "[]");
    }
}
