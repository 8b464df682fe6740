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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::udp::tests::{ARRIVAL, ASKER, BROADCAST, Delivery, Host, PEER};
    use crate::udp::{ServiceCounters, Unanswered};
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn receive(host: &mut Host, data: &[u8]) {
        let answer = host.ask(&Delivery::with(ASKER, PORT, data));
        assert_eq!(answer, Err(Unanswered::Consumed));
    }

    fn take(host: &mut Host) -> Option<Message> {
        let sink = host.services.get_mut::<Sink>(None, PORT);
        sink.expect("is registered").take()
    }

    fn printed(data: &[u8]) -> String {
        let mut host = Host::serving(PORT, Sink::new());
        receive(&mut host, data);
        take(&mut host).expect("a message").to_string()
    }

    #[test]
    fn a_message_of_oob_net_udp_prints_as_that_program_prints_it() {
        // It sends the end of its line and of its string too.
        assert_eq!(
            printed(b"Mellow sword!\n\0"),
            "= 15 bytes received: Mellow sword!"
        );
        assert_eq!(printed(b""), "= 0 bytes received: ");
    }

    #[test]
    fn a_message_says_who_sent_it_when_and_where() {
        let mut host = Host::serving(PORT, Sink::new());
        receive(&mut host, b"first");
        receive(&mut host, b"second");
        assert_eq!(take(&mut host).map(|message| message.sequence), Some(0));
        let expected = Message {
            sequence: 1,
            seen: ARRIVAL.seen,
            vid: Some(42),
            source: SocketAddrV4::new(PEER, ASKER),
            octets: 6,
            text: b"second".iter().copied().collect(),
        };
        assert_eq!(take(&mut host), Some(expected));
        assert_eq!(take(&mut host), None);
    }

    #[test]
    fn a_terminal_cannot_be_steered_by_a_message() {
        assert_eq!(
            printed(b"\x1b[2J\r\nno\xc3\x9b\x7f~\n"),
            r"= 13 bytes received: \x1b[2J\x0d\x0ano\xc3\x9b\x7f~"
        );
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let longest = [b'a'; TEXT_LENGTH];
        assert!(printed(&longest).starts_with("= 64 bytes received: aaa"));
        let text = printed(&[b'a'; TEXT_LENGTH + 1]);
        let expected = "= 65 bytes received (TRUNCATED): ".len() + TEXT_LENGTH;
        assert_eq!(text.len(), expected, "{text}");
        assert!(text.contains("(TRUNCATED)"));
    }

    #[test]
    fn the_last_messages_are_kept_and_those_that_gave_way_counted() {
        let mut host = Host::serving(PORT, Sink::new());
        let total = CAPACITY + 3;
        for number in 0..total {
            receive(&mut host, number.to_string().as_bytes());
        }
        let kept: Vec<_> = core::iter::from_fn(|| take(&mut host)).collect();
        assert_eq!(kept.len(), CAPACITY);
        for (message, number) in kept.iter().zip(3..) {
            assert_eq!(message.sequence, number);
            assert_eq!(message.text, number.to_string().as_bytes());
        }
        let sink = host.services.get_mut::<Sink>(None, PORT);
        assert_eq!(sink.expect("is registered").dropped(), 3);
        let counters: &ServiceCounters = host.counters(PORT);
        assert_eq!(counters.received, total as u64);
    }

    #[test]
    fn broadcasts_are_taken_too() {
        let mut host = Host::serving(PORT, Sink::new());
        let delivery = Delivery::between((PEER, ASKER), (BROADCAST, PORT), b"to all");
        assert_eq!(host.ask(&delivery), Err(Unanswered::Consumed));
        assert_eq!(take(&mut host).map(|message| message.octets), Some(6));
    }
}
