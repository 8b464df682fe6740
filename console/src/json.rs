//! JSON for programs that ask: strings that are escaped, and objects that are written a line at a time.

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

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
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
    fn arrays_have_commas_between() {
        assert_eq!(Array([1, 2, 3].iter()).to_string(), "[1,2,3]");
        assert_eq!(Array([0; 0].iter()).to_string(), "[]");
    }
}
