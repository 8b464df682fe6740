//! A station on the appliance's network: what the tests send with, and what they expect back.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pollux_issuer::arp::{self, Station};
use pollux_issuer::frame::{BROADCAST, Echo, Link, MacAddress, Received, Tag};
use pollux_issuer::ping::{self, Report, Settings};
use pollux_issuer::wire::{self, Dgram, Wire};

use crate::PATIENCE;
use crate::appliance::Appliance;
use crate::forge;

/// The VLAN that the appliance serves unless configured otherwise.
pub const VLAN: u16 = 42;
/// The address that the appliance has unless configured otherwise.
pub const APPLIANCE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);
/// The Ethernet address that QEMU gives its first card.
pub const APPLIANCE_MAC: MacAddress = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// The peer's own address.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
/// The peer's own Ethernet address.
pub const PEER_MAC: MacAddress = [0x02, 0x00, 0x0a, 0x0a, 0x0a, 0x0a];

/// The longest that an answer may take, on a machine that has much else to do.
pub const ANSWER_LIMIT: Duration = PATIENCE;
/// How often a booting appliance is asked for its address.
const ARP_INTERVAL: Duration = Duration::from_millis(5);
/// The identifier of the pings that [`Peer::settle`] sends.
const SETTLING: u16 = 0x5e77;
/// How long [`Peer::find`] waits for a ping's answer before it sends another.
const SETTLING_INTERVAL: Duration = Duration::from_millis(200);
/// Frames that may wait in QEMU at once: its socket buffer holds a few hundred small ones.
const BURST: usize = 32;

/// A station.
pub struct Peer {
    wire: Dgram,
    settled: u16,
    announcements: Vec<Vec<u8>>,
}

impl Peer {
    pub(crate) fn new(wire: Dgram) -> Self {
        Self {
            wire,
            settled: 0,
            announcements: Vec::new(),
        }
    }

    /// Who the peer is.
    pub fn station() -> Station {
        Station {
            mac_address: PEER_MAC,
            address: PEER,
            tag: Some(Tag::new(VLAN)),
        }
    }

    /// The link from the peer to the appliance.
    pub fn link() -> Link {
        Self::station().link_to(APPLIANCE_MAC)
    }

    /// An echo request to the appliance.
    pub fn request(payload: &[u8]) -> Vec<u8> {
        Echo::new(PEER, APPLIANCE, payload).request(&Self::link())
    }

    /// Asks for the appliance's address until it answers, and returns when it did; `None` when `deadline` passed or `stop` was
    /// set first.
    pub(crate) fn find(&mut self, deadline: Instant, stop: &AtomicBool) -> Option<Instant> {
        let station = Self::station();
        let found = arp::resolve(
            &mut self.wire,
            &station,
            APPLIANCE,
            ARP_INTERVAL,
            deadline,
            stop,
        );
        let mac_address = found.expect("the wire carries frames")?;
        let at = Instant::now();
        assert_eq!(mac_address, APPLIANCE_MAC);
        // Requests that waited while the card was deaf may leave no room on the wire for this one.
        while self.settled_within(SETTLING_INTERVAL).is_none() {
            assert!(Instant::now() < deadline, "ARP is answered, and no ping is");
        }
        Some(at)
    }

    /// The wire, for who sends and receives by themselves.
    pub const fn wire(&mut self) -> &mut Dgram {
        &mut self.wire
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &[u8]) {
        self.wire.send(frame).expect("the wire carries frames");
    }

    /// Receives the next frame, if it comes within `limit`. What the appliance says by itself, about
    /// its own address, is put aside.
    pub fn receive(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        loop {
            let frame = wire::receive_until(&mut self.wire, deadline);
            let frame = frame.expect("the wire carries frames")?;
            if !is_announcement(&frame) {
                return Some(frame);
            }
            self.announcements.push(frame);
        }
    }

    /// What the appliance said by itself about its own address, as far as it was received.
    pub fn announcements(&self) -> &[Vec<u8>] {
        &self.announcements
    }

    /// Sends a frame and returns what comes back first.
    ///
    /// # Panics
    ///
    /// Nothing came back.
    pub fn exchange(&mut self, frame: &[u8]) -> Vec<u8> {
        self.send(frame);
        self.receive(ANSWER_LIMIT)
            .unwrap_or_else(|| panic!("no answer within {ANSWER_LIMIT:?} to {}", hex(frame)))
    }

    /// Waits until everything that was sent so far has been dealt with, and returns what came back
    /// for it: frames are handled in their order, so the answer to one more ping is the last.
    ///
    /// # Panics
    ///
    /// That ping was not answered.
    pub fn settle(&mut self) -> Vec<Vec<u8>> {
        let others = self.settled_within(ANSWER_LIMIT);
        others.unwrap_or_else(|| panic!("no ping answered in {ANSWER_LIMIT:?}"))
    }

    /// The same, if that ping is answered within `limit`.
    fn settled_within(&mut self, limit: Duration) -> Option<Vec<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        self.settled = self.settled.wrapping_add(1);
        let echo = Echo {
            id: SETTLING,
            sequence: self.settled,
            ..Echo::new(PEER, APPLIANCE, b"settle")
        };
        let answer = Echo {
            source: APPLIANCE,
            destination: PEER,
            ..echo.clone()
        };
        let answer = answer.reply(&Self::link().reversed());
        self.send(&echo.request(&Self::link()));
        let mut others = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.receive(left)?;
            if frame == answer {
                return Some(others);
            }
            others.push(frame);
        }
    }

    /// Runs a ping session that `change` was made to.
    pub fn ping(&mut self, change: impl FnOnce(&mut Settings)) -> Report {
        let mut settings = Settings {
            interval: Duration::ZERO,
            window: 1,
            timeout: ANSWER_LIMIT,
            ttl: Some(64),
            ..Settings::new(Self::station(), APPLIANCE, APPLIANCE_MAC)
        };
        change(&mut settings);
        let never = AtomicBool::new(false);
        ping::run(&mut self.wire, &settings, &never, &mut |_| {}).expect("the wire carries frames")
    }

    /// Pings `count` times.
    ///
    /// # Panics
    ///
    /// Not every ping was answered as it should be.
    pub fn assert_pings(&mut self, count: u64) {
        let report = self.ping(|settings| settings.count = Some(count));
        assert!(report.all_answered(), "{report}");
    }
}

/// Whether this is an ARP announcement or probe of the appliance (RFC 5227 §1.1), in whatever VLAN.
fn is_announcement(frame: &[u8]) -> bool {
    let received = Received::parse(frame);
    let packet = received.as_ref().and_then(Received::arp);
    frame.starts_with(&BROADCAST)
        && packet.is_some_and(|packet| {
            packet.sender_mac == APPLIANCE_MAC
                && [packet.target_ipv4, [0; 4]].contains(&packet.sender_ipv4)
        })
}

/// Where a frame that gets no answer may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The appliance counts it.
    Counted,
    /// The appliance counts it, unless the card keeps it from the appliance in the first place: each
    /// card some.
    CountedOrFiltered,
}

/// Sends `frames` and checks that none is answered, that `counter` counts each of them, and that
/// no other counter moves.
///
/// # Panics
///
/// It is otherwise.
pub fn assert_unanswered(appliance: &mut Appliance, counter: &str, fate: Fate, frames: &[Vec<u8>]) {
    let before = appliance.counters();
    let mut pings = 0;
    for burst in frames.chunks(BURST) {
        for frame in burst {
            appliance.peer.send(frame);
        }
        let answers = appliance.peer.settle();
        assert!(
            answers.is_empty(),
            "{counter}: {} answered, first with {}\nfor one of\n{}",
            answers.len(),
            hex(&answers[0]),
            burst
                .iter()
                .map(|frame| hex(frame))
                .collect::<Vec<_>>()
                .join("\n")
        );
        pings += 1;
    }
    let after = appliance.counters();
    after.assert_complete();
    let moved = after.since(&before);
    let count = match fate {
        Fate::Counted => frames.len() as u64,
        Fate::CountedOrFiltered => moved.get("received").saturating_sub(pings),
    };
    assert!(count <= frames.len() as u64, "{counter}: {moved}");
    let mut expected = vec![("received", pings), ("answered", pings)];
    if count > 0 {
        expected[0].1 += count;
        expected.extend([(counter, count), ("sum_of_reasons", count)]);
    }
    let sent = frames.len();
    assert_eq!(moved, expected.into(), "after {sent} frames for {counter}");
}

/// Whether this is the appliance's message that a destination cannot be reached (RFC 792), tagged.
/// Its own messages have no options; where a request had some, an octet of them is where the type
/// would be.
pub fn is_unreachable(frame: &[u8]) -> bool {
    frame.get(6..12) == Some(&APPLIANCE_MAC)
        && frame.get(16..18) == Some(&[8, 0])
        && frame.get(forge::IPV4) == Some(&0x45)
        && frame.get(forge::IPV4 + 9) == Some(&1)
        && frame.get(forge::ICMP) == Some(&3)
}

/// The octets of a frame, for messages.
pub fn hex(frame: &[u8]) -> String {
    let octets = frame.iter().map(|octet| format!("{octet:02x}"));
    octets.collect::<Vec<_>>().join(" ")
}
