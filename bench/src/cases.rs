//! What the stacks are compared by: each case is a batch of frames, restored before it is taken
//! through a stack once more.

use std::hint::black_box;
use std::net::Ipv4Addr;

use crate::frames::{
    ETHERNET, LENGTHS, PEER, PEER_MAC, VLAN, arp_request, icmp_echo, udp, udp_echo, untagged, with,
};
use crate::smoltcp;
use crate::stack::{Buffer, EMPTY, Stack, mac_of};

/// Frames in a batch: what the appliance takes at once.
pub const BATCH: usize = 64;

/// Does the same again and again.
trait Subject {
    /// Makes everything as it was before [`Subject::work`].
    fn restore(&mut self);
    /// What is measured, once for each of [`BATCH`] frames; returns how many got an answer.
    fn work(&mut self) -> usize;
}

/// One thing to measure.
pub struct Case {
    name: String,
    subject: Box<dyn Subject>,
    answers: usize,
}

impl Case {
    fn new(name: impl Into<String>, answered: bool, subject: impl Subject + 'static) -> Self {
        Self {
            name: name.into(),
            subject: Box::new(subject),
            answers: if answered { BATCH } else { 0 },
        }
    }

    /// Its name: what, by whom.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes everything as it was before [`Case::measured`].
    pub fn restore(&mut self) {
        self.subject.restore();
    }

    /// What is measured: one batch. A function of its own, by whose name callgrind finds it.
    #[inline(never)]
    pub fn measured(&mut self) -> usize {
        black_box(self.subject.work())
    }

    /// Goes through it a few times, so that what happens once only has happened, and what is limited
    /// is at its limit.
    ///
    /// # Panics
    ///
    /// Not every frame was answered, or not every one went unanswered: it would be something else
    /// that is measured.
    pub fn warm_up(&mut self) {
        for _ in 0..3 {
            self.subject.restore();
            self.subject.work();
        }
        self.subject.restore();
        assert_eq!(self.subject.work(), self.answers, "{}", self.name);
    }
}

/// Frames in buffers of their own, as a card delivers them.
struct Ours {
    stack: Stack,
    requests: Vec<Vec<u8>>,
    ring: Vec<Buffer>,
}

impl Ours {
    fn new(stack: Stack, request: impl Fn(usize) -> Vec<u8>) -> Self {
        Self {
            stack,
            requests: (0..BATCH).map(request).collect(),
            ring: vec![EMPTY; BATCH],
        }
    }
}

impl Subject for Ours {
    fn restore(&mut self) {
        for (buffer, request) in self.ring.iter_mut().zip(&self.requests) {
            buffer.octets[..request.len()].copy_from_slice(request);
        }
    }

    fn work(&mut self) -> usize {
        let lengths = self.requests.iter().map(Vec::len);
        self.stack.receive_batch(self.ring.iter_mut().zip(lengths))
    }
}

struct Theirs {
    peer: smoltcp::Peer,
    request: Vec<u8>,
}

impl Subject for Theirs {
    fn restore(&mut self) {
        for _ in 0..BATCH {
            self.peer.put(&self.request);
        }
    }

    fn work(&mut self) -> usize {
        self.peer.work()
    }
}

/// Looks neighbors up, without a frame.
struct LookUp {
    stack: Stack,
    addresses: Vec<Ipv4Addr>,
}

impl Subject for LookUp {
    fn restore(&mut self) {}

    fn work(&mut self) -> usize {
        let known = |address: &&Ipv4Addr| self.stack.knows(**address);
        self.addresses.iter().filter(known).count()
    }
}

/// The case called `name`.
pub fn find(name: &str) -> Option<Case> {
    all().find(|case| case.name == name)
}

/// All cases, each made when it is asked for.
pub fn all() -> impl Iterator<Item = Case> {
    answers().chain(drops()).chain(vlans()).chain(neighbors())
}

fn ours(name: &str, answered: bool, request: Vec<u8>) -> Case {
    let subject = Ours::new(Stack::usual(), |_| request.clone());
    Case::new(format!("{name} pollux"), answered, subject)
}

fn theirs(name: &str, request: &[u8]) -> Case {
    let subject = Theirs {
        peer: smoltcp::Peer::new(),
        request: untagged(request),
    };
    Case::new(format!("{name} smoltcp"), true, subject)
}

fn answers() -> impl Iterator<Item = Case> {
    let echoes = LENGTHS.into_iter().flat_map(|length| {
        [
            (format!("icmp-echo-{length}"), icmp_echo(length, VLAN)),
            (format!("udp-echo-{length}"), udp_echo(length)),
        ]
    });
    let arp = ("arp".to_owned(), arp_request(PEER, PEER_MAC));
    echoes
        .chain([arp])
        .flat_map(|(name, frame)| [theirs(&name, &frame), ours(&name, true, frame)])
}

fn drops() -> impl Iterator<Item = Case> {
    let echo = icmp_echo(102, VLAN);
    let wrong = |offset: usize| {
        let octet = echo[offset] ^ 0x55;
        with(&echo, offset, &[octet])
    };
    [
        ("drop-untagged", untagged(&echo)),
        ("drop-vlan-not-in-filter", icmp_echo(102, VLAN + 1)),
        ("drop-foreign-destination", wrong(5)),
        ("drop-ipv4-checksum", wrong(ETHERNET + 10)),
        ("drop-icmp-checksum", wrong(ETHERNET + 22)),
        ("drop-udp-closed-port-at-the-limit", udp(102, 4711)),
    ]
    .into_iter()
    .map(|(name, frame)| ours(name, false, frame))
}

fn vlans() -> impl Iterator<Item = Case> {
    [1_u16, 4094].into_iter().map(|count| {
        let stack = Stack::new((1..=4094).rev().take(usize::from(count)));
        // Spread over all there are.
        let vid = |index: usize| 4094 - (index as u16 * 61) % count;
        let subject = Ours::new(stack, |index| icmp_echo(102, vid(index)));
        Case::new(
            format!("icmp-echo-102-of-{count}-vlans pollux"),
            true,
            subject,
        )
    })
}

fn neighbors() -> impl Iterator<Item = Case> {
    [1_usize, 1_024, 65_536].into_iter().flat_map(|count| {
        let asked = Stack::with_full_table(count);
        let known = asked.neighbors();
        // Spread over all that are known.
        let who = |index: usize| known[index * known.len() / BATCH];
        let look_up = LookUp {
            stack: Stack::with_full_table(count),
            addresses: (0..BATCH).map(who).collect(),
        };
        let arp = Ours::new(asked, |index| {
            let address = who(index);
            arp_request(address, mac_of(address))
        });
        [
            Case::new(format!("arp-with-{count}-neighbors pollux"), true, arp),
            Case::new(format!("neighbor-look-up-in-{count} pollux"), true, look_up),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_what_its_name_says() {
        let mut names = Vec::new();
        for mut case in all() {
            case.warm_up();
            assert!(!names.contains(&case.name), "{}", case.name);
            names.push(case.name);
        }
        assert!(find(&names[0]).is_some());
    }
}
