//! From octets to keys: characters, control bytes, and what a terminal says of itself.
//!
//! The line editor asks it about each octet. It holds no more than one character or one escape sequence, and
//! no noise makes it swallow a control byte.

use heapless::Vec;

pub(super) const START: u8 = 0x01; // Ctrl-A
pub(super) const BACK: u8 = 0x02; // Ctrl-B
pub(super) const END_OF_TEXT: u8 = 0x03; // Ctrl-C
pub(super) const REMOVE: u8 = 0x04; // Ctrl-D
pub(super) const END: u8 = 0x05; // Ctrl-E
pub(super) const FORWARD: u8 = 0x06; // Ctrl-F
pub(super) const BACKSPACE: u8 = 0x08;
pub(super) const TAB: u8 = b'\t';
pub(super) const LINE_FEED: u8 = b'\n';
pub(super) const KILL_REST: u8 = 0x0b; // Ctrl-K
pub(super) const FORM_FEED: u8 = 0x0c; // Ctrl-L
pub(super) const CARRIAGE_RETURN: u8 = b'\r';
pub(super) const NEXT: u8 = 0x0e; // Ctrl-N
pub(super) const PREVIOUS: u8 = 0x10; // Ctrl-P
pub(super) const KILL_BEFORE: u8 = 0x15; // Ctrl-U
pub(super) const KILL_WORD: u8 = 0x17; // Ctrl-W
pub(super) const ESCAPE: u8 = 0x1b;
pub(super) const DELETE: u8 = 0x7f;

/// One thing that was typed.
pub(super) enum Input {
    /// A printable character.
    Character(char),
    /// An ASCII control byte, or the key that does what it does.
    Control(u8),
    /// The terminal says in which column its cursor is, from 1 (CPR, ECMA-48 §8.3.14).
    Column(u16),
}

/// Where in an escape sequence the input stands (ECMA-48 §5). Sequences other than those of keys that
/// move the cursor are recognized only to be ignored as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// In none.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After CSI: up to a final byte.
    ControlSequence(Parameters),
    /// After SS3: one more byte belongs to it.
    Shifted,
    /// One more byte belongs to it.
    LastByte,
    /// In an operating system command or the like: up to BEL or ESC.
    ControlString,
}

/// What stands between CSI and the final byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    first: u16,
    /// The one behind the first semicolon.
    second: Option<u16>,
    /// Something else stands there: no key has that.
    other: bool,
}

impl Parameters {
    const fn and(self, byte: u8) -> Self {
        const fn with(number: u16, digit: u8) -> u16 {
            number
                .saturating_mul(10)
                .saturating_add((digit - b'0') as u16)
        }
        match (byte, self.second) {
            (b'0'..=b'9', None) => Self {
                first: with(self.first, byte),
                ..self
            },
            (b'0'..=b'9', Some(number)) => Self {
                second: Some(with(number, byte)),
                ..self
            },
            (b';', None) => Self {
                second: Some(0),
                ..self
            },
            _ => Self {
                other: true,
                ..self
            },
        }
    }
}

/// Puts keys together from octets.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The first octets of a character that is not complete yet.
    partial: Vec<u8, 4>,
    state: State,
}

impl Keys {
    pub(super) const fn new() -> Self {
        Self {
            partial: Vec::new(),
            state: State::Text,
        }
    }

    /// What `byte` completes, if it completes something.
    pub(super) fn decode(&mut self, byte: u8) -> Option<Input> {
        if byte.is_ascii_control() {
            // A control byte ends whatever it interrupts, so that no noise can swallow Enter.
            self.partial.clear();
            self.state = if byte == ESCAPE {
                State::Escape
            } else {
                State::Text
            };
            return Some(Input::Control(byte));
        }
        if self.state != State::Text {
            let key = self.state.key(byte);
            self.state = self.state.after(byte);
            return key;
        }
        self.assemble(byte).map(Input::Character)
    }

    /// The character that `byte` completes, if it does. Control characters beyond ASCII and octets
    /// that cannot be part of a character are dropped.
    fn assemble(&mut self, byte: u8) -> Option<char> {
        if byte.is_ascii() || byte & 0b1100_0000 == 0b1100_0000 {
            // A first octet: what was incomplete before it will never be complete.
            self.partial.clear();
        }
        // What has no room any more belongs to no character.
        let _ = self.partial.push(byte);
        let text = core::str::from_utf8(&self.partial).ok()?;
        let character = text.chars().next();
        self.partial.clear();
        character.filter(|character| !character.is_control())
    }
}

impl State {
    /// The state after a byte that is not an ASCII control, in a state that is not `Text`.
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Escape, b'[') => Self::ControlSequence(Parameters {
                first: 0,
                second: None,
                other: false,
            }),
            (Self::Escape, b'O') => Self::Shifted,
            // An intermediate byte before the final one.
            (Self::Escape, b' '..=b'/') => Self::LastByte,
            (Self::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Self::ControlString,
            (Self::ControlSequence(parameters), b' '..=b'?') => {
                Self::ControlSequence(parameters.and(byte))
            }
            (Self::ControlString, _) => Self::ControlString,
            _ => Self::Text,
        }
    }

    /// What the sequence means that `byte` ends, if it means something.
    const fn key(self, byte: u8) -> Option<Input> {
        let parameters = match self {
            Self::ControlSequence(parameters) => parameters,
            Self::Shifted => Parameters {
                first: 0,
                second: None,
                other: false,
            },
            _ => return None,
        };
        // A key with Ctrl or Shift has a second number; it is taken for the key alone.
        let is_number = parameters.second.is_none() && !parameters.other;
        Some(Input::Control(match (byte, parameters.first) {
            (b'A', _) => PREVIOUS,
            (b'B', _) => NEXT,
            (b'C', _) => FORWARD,
            (b'D', _) => BACK,
            (b'H', _) => START,
            (b'F', _) => END,
            (b'~', 1 | 7) if is_number => START,
            (b'~', 4 | 8) if is_number => END,
            (b'~', 3) if is_number => REMOVE,
            (b'R', _) => match parameters.second {
                Some(column) if !parameters.other => return Some(Input::Column(column)),
                _ => return None,
            },
            _ => return None,
        }))
    }
}
