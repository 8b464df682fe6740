//! A sink for text: the far end of EVL's `oob-net-udp`.
//!
//! That program's receiver prints each datagram as it comes. Here printing takes longer than frames may
//! wait, so the last messages are kept, and whoever prints them takes them when the wire is quiet.

use crate::time::Instant;
use crate::udp::{Datagram, Policy, Response, UdpService};
use core::fmt::{self, Write};
use core::net::SocketAddrV4;
use heapless::Deque;

/// The port that `oob-net-udp` uses.
pub const PORT: u16 = 42_042;
/// How many messages are kept; the oldest gives way.
pub const CAPACITY: usize = 64;
/// How many octets of a message are kept.
pub const TEXT_LENGTH: usize = 64;

/// A message that came in. Prints as `oob-net-udp` does: `= 15 bytes received: Mellow sword!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Counts the messages from 0, dropped ones included.
    pub sequence: u64,
    /// When it was seen.
    pub seen: Instant,
    /// In which VLAN, if any.
    pub vid: Option<u16>,
    /// Who sent it.
    pub source: SocketAddrV4,
    /// Octets that it had.
    pub octets: usize,
    /// The first of them.
    pub text: heapless::Vec<u8, TEXT_LENGTH>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "= {} bytes received", self.octets)?;
        if self.octets > self.text.len() {
            f.write_str(" (TRUNCATED)")?;
        }
        f.write_str(": ")?;
        // Whoever sends must not be able to steer the terminal of whoever reads. The end of a line,
        // and the end of a string in C, are no part of the text.
        let text = self.text.strip_suffix(b"\0").unwrap_or(&self.text);
        for &octet in text.trim_ascii_end() {
            match octet {
                b' '..=b'~' => f.write_char(octet.into())?,
                _ => write!(f, "\\x{octet:02x}")?,
            }
        }
        Ok(())
    }
}

/// Keeps the last messages until somebody takes them.
#[derive(Debug, Default)]
pub struct Sink {
    messages: Deque<Message, CAPACITY>,
    next: u64,
    dropped: u64,
}

impl Sink {
    /// Nothing received yet.
    pub const fn new() -> Self {
        Self {
            messages: Deque::new(),
            next: 0,
            dropped: 0,
        }
    }

    /// Takes the oldest message that is kept.
    pub fn take(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Messages that gave way before somebody took them.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl UdpService for Sink {
    fn name(&self) -> &'static str {
        "sink"
    }

    fn policy(&self) -> Policy {
        Policy {
            accepts_groups: true,
            ..Policy::LISTENER
        }
    }

    fn receive(&mut self, datagram: Datagram<'_>) -> Response {
        if self.messages.is_full() {
            self.messages.pop_front();
            self.dropped = self.dropped.wrapping_add(1);
        }
        let kept = datagram.data().iter().copied().take(TEXT_LENGTH);
        let message = Message {
            sequence: self.next,
            seen: datagram.arrival.seen,
            vid: datagram.arrival.vid,
            source: datagram.source,
            octets: datagram.length(),
            text: kept.collect(),
        };
        self.next = self.next.wrapping_add(1);
        // There is room: one has just given way.
        let _ = self.messages.push_back(message);
        Response::Consumed
    }
}
