//! Text of a bounded length, for words that somebody else chose: what was typed, a boot command
//! line, a name that a driver gives.

use core::fmt::{self, Write};
use heapless::String;

/// What stands at the end of a text that was cut.
pub(crate) const ELLIPSIS: &str = "...";

/// `value` as text of at most `N` octets, ending in `...` when it had more; control characters
/// become `?`, so that nothing foreign steers the terminal. `N` is at least 3.
pub(crate) fn clipped<const N: usize>(value: impl fmt::Display) -> String<N> {
    let mut clip = Clip(String::new());
    if write!(clip, "{value}").is_err() {
        while clip.0.len() + ELLIPSIS.len() > N {
            clip.0.pop();
        }
        // There is room: it was just made.
        let _ = clip.0.push_str(ELLIPSIS);
    }
    clip.0
}

/// `format!` for a kernel: that macro's function comes ready-made from the standard library's build, which
/// unwinds, and what unwinds cannot be linked into a kernel that aborts.
macro_rules! text {
    ($($argument:tt)*) => {
        $crate::text::text_of(format_args!($($argument)*))
    };
}
pub(crate) use text;

/// What `arguments` say.
pub(crate) fn text_of(arguments: fmt::Arguments<'_>) -> alloc::string::String {
    let mut text = alloc::string::String::new();
    // A string takes everything.
    let _ = text.write_fmt(arguments);
    text
}

/// Takes text until it is full, then fails, which ends the formatting early.
struct Clip<const N: usize>(String<N>);

impl<const N: usize> Write for Clip<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let shown = if character.is_control() {
                '?'
            } else {
                character
            };
            self.0.push(shown).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_fits_stays_as_it_is() {
        assert_eq!(clipped::<5>("abcde"), "abcde");
        assert_eq!(clipped::<5>(""), "");
    }

    #[test]
    fn a_longer_text_is_cut_and_shows_it() {
        assert_eq!(clipped::<5>("abcdef"), "ab...");
        assert_eq!(clipped::<6>("äöüß"), "ä...");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(clipped::<20>("a\x1b[2Jb\u{9b}c\r\n"), "a?[2Jb?c??");
    }

    proptest! {
        #[test]
        fn any_text_fits(text in any::<std::string::String>()) {
            let shown = clipped::<8>(&text);
            prop_assert!(shown.len() <= 8);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
