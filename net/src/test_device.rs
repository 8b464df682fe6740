//! A network card that is none: what tests and fuzz targets put frames into and find answers in.
//!
//! [`TestDevice`] keeps the contract of [`Device`]. [`Station`] is one of them together with the stack's side
//! of it; after every step it checks what must be true of any step, whatever a test is about, and panics
//! when it is not.

// What is wrong here is a test that fails.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use crate::device::{BUFFER_SIZE, Batch, Device, Link, Received, Receiver, SoundFrame, Statistic};
use crate::device::{TransmitError, TransportChecksum, Verdict};
use crate::interface::{Interface, Traffic};
use crate::time::{Instant, Ticks};
use crate::vlan::VlanSet;
use crate::wire::checksum;
use crate::wire::ethernet::MacAddress;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// What stands in a buffer behind its frame.
const LEFT_OVER: u8 = 0xee;

/// A card without a wire.
pub struct TestDevice {
    /// Whether frames can be sent.
    pub link_up: bool,
    /// How many more frames can be sent before the transmit ring is full.
    pub slots: usize,
    /// How many frames can be deferred at a time.
    pub deferral_room: usize,
    /// What it says of the checksum in each frame.
    pub checksum: TransportChecksum,
    mac: MacAddress,
    received: VecDeque<Vec<u8>>,
    deferred: VecDeque<(Box<[u8; BUFFER_SIZE]>, usize)>,
    sent: Vec<Vec<u8>>,
}

impl TestDevice {
    /// A card whose link is up, and that has room for everything.
    pub fn new(mac: MacAddress) -> Self {
        Self {
            link_up: true,
            slots: usize::MAX,
            deferral_room: usize::MAX,
            checksum: TransportChecksum::Unverified,
            mac,
            received: VecDeque::new(),
            deferred: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    const fn can_send(&self) -> bool {
        self.link_up && self.slots > 0
    }

    fn push(&mut self, frame: &[u8]) {
        assert!(self.can_send(), "a frame that cannot be sent");
        self.slots -= 1;
        self.sent.push(frame.to_vec());
    }

    /// Hands a frame up; returns whether it was deferred.
    fn hand_up(
        &mut self,
        buffer: &mut [u8; BUFFER_SIZE],
        length: usize,
        can_defer: bool,
        receiver: &mut impl Receiver,
    ) -> Verdict {
        let usual = match self.can_send() {
            true => receiver.receive_usual(&mut Delivered(buffer, self.checksum), length),
            false => None,
        };
        let verdict = usual.unwrap_or_else(|| {
            receiver.receive(Received {
                buffer,
                length,
                damage: None,
                checksum: self.checksum,
                can_answer: self.can_send(),
                can_defer,
            })
        });
        match verdict {
            Verdict::Answer { length } => self.push(&buffer[..length]),
            Verdict::Release => {}
            Verdict::Defer => assert!(can_defer, "a frame that cannot wait was deferred"),
        }
        verdict
    }
}

/// A frame, and what is said of its checksum.
pub(crate) struct Delivered<'a>(
    pub(crate) &'a mut [u8; BUFFER_SIZE],
    pub(crate) TransportChecksum,
);

impl SoundFrame for Delivered<'_> {
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        self.0
    }

    fn transport_checksum(&mut self) -> TransportChecksum {
        self.1
    }
}

impl Device for TestDevice {
    fn model(&self) -> &'static str {
        "test device"
    }

    fn mac_address(&self) -> MacAddress {
        self.mac
    }

    fn process(&mut self, mut batch: Batch, receiver: &mut impl Receiver) -> Option<Batch> {
        let before = batch;
        while batch.has_room() {
            let Some(frame) = self.received.pop_front() else {
                break;
            };
            batch.take();
            let mut buffer = Box::new([LEFT_OVER; BUFFER_SIZE]);
            buffer[..frame.len()].copy_from_slice(&frame);
            let can_defer = self.deferred.len() < self.deferral_room;
            let verdict = self.hand_up(&mut buffer, frame.len(), can_defer, receiver);
            batch.note(verdict);
            if verdict == Verdict::Defer {
                assert_eq!(buffer[..frame.len()], frame, "a deferred frame was altered");
                self.deferred.push_back((buffer, frame.len()));
            }
        }
        batch.if_more_than(before)
    }

    fn process_deferred(&mut self, budget: usize, receiver: &mut impl Receiver) {
        for _ in 0..budget {
            let Some((mut buffer, length)) = self.deferred.pop_front() else {
                break;
            };
            self.hand_up(&mut buffer, length, false, receiver);
        }
    }

    fn deferred(&self) -> usize {
        self.deferred.len()
    }

    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError> {
        if !self.link_up {
            return Err(TransmitError::LinkDown);
        }
        if self.slots == 0 {
            return Err(TransmitError::RingFull);
        }
        let mut buffer = Box::new([LEFT_OVER; BUFFER_SIZE]);
        let length = compose(&mut buffer);
        self.push(&buffer[..length]);
        Ok(())
    }

    fn ring_doorbells(&mut self) {}

    fn refresh_link(&mut self) -> Link {
        Link {
            up: self.link_up,
            ..Link::default()
        }
    }

    fn refresh_statistics(&mut self) {}

    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        core::iter::empty()
    }

    fn set_vlan_filter(&mut self, _set: &VlanSet) {}
}

/// A card with the stack's side of it, and the time.
pub struct Station {
    /// The stack's side.
    pub card: Interface,
    /// The card.
    pub device: TestDevice,
    /// What time it is.
    pub now: Instant,
    /// Frames that were delivered.
    delivered: u64,
    /// What was sent, by VLAN; 0 for frames that name none.
    sent: BTreeMap<u16, Traffic>,
}

impl Station {
    /// `card` at the time `now`, its link up.
    pub fn new(card: Interface, now: Instant) -> Self {
        let mut station = Self {
            device: TestDevice::new(card.mac_address()),
            card,
            now,
            delivered: 0,
            sent: BTreeMap::new(),
        };
        station.set_link(true);
        station
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: Ticks) {
        self.now = self.now.after(span);
    }

    /// Brings the link up or down.
    pub fn set_link(&mut self, up: bool) {
        self.device.link_up = up;
        self.card.set_link(up);
        self.check(false);
    }

    /// Delivers a frame. Returns what was sent.
    pub fn receive(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.delivered += 1;
        self.device.received.push_back(frame.to_vec());
        let mut reception = self.card.reception(self.now, 0);
        self.device.process(Batch::of(usize::MAX), &mut reception);
        self.check(false)
    }

    /// Gives `budget` deferred frames their turn. Returns what was sent.
    pub fn serve_in_band(&mut self, budget: usize) -> Vec<Vec<u8>> {
        let mut reception = self.card.deferred_reception(self.now, 0);
        self.device.process_deferred(budget, &mut reception);
        self.check(false)
    }

    /// Delivers a frame and serves all in-band ones. Returns what was sent.
    pub fn exchange(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut sent = self.receive(frame);
        sent.extend(self.serve_in_band(usize::MAX));
        sent
    }

    /// Sends `budget` fragments at most. Returns what was sent.
    pub fn send_large(&mut self, budget: usize) -> Vec<Vec<u8>> {
        let queued = self.card.send_large(&mut self.device, budget, self.now);
        let sent = self.check(false);
        assert_eq!(queued, !sent.is_empty(), "the doorbell and what was queued");
        assert!(sent.len() <= budget);
        sent
    }

    /// Does one piece of what is due. Returns what was sent.
    pub fn send_due(&mut self) -> Vec<Vec<u8>> {
        let queued = self.card.send_due(&mut self.device, self.now);
        let sent = self.check(true);
        assert_eq!(queued, !sent.is_empty(), "the doorbell and what was queued");
        sent
    }

    /// Gives everything that can be due `rounds` turns. Returns what was sent.
    pub fn send_all_due(&mut self, rounds: usize) -> Vec<Vec<u8>> {
        (0..7 * rounds).flat_map(|_| self.send_due()).collect()
    }

    /// Checks what is true after every step. Returns what the step sent.
    fn check(&mut self, may_ask_all: bool) -> Vec<Vec<u8>> {
        let counters = self.card.counters();
        assert_eq!(counters.received(), self.delivered);
        assert_eq!(
            counters.received(),
            counters.answered() + counters.unanswered() + counters.waiting(),
            "received = answered + the sum of the reasons + those that wait"
        );
        assert_eq!(counters.waiting(), self.device.deferred() as u64);
        let sent = core::mem::take(&mut self.device.sent);
        for frame in &sent {
            self.check_sent(frame, may_ask_all);
        }
        for device in self.card.devices().iter().chain([self.card.card_device()]) {
            let sent = self.sent.get(&device.vid()).copied().unwrap_or_default();
            assert_eq!(device.transmitted(), sent, "counted on {}", device.name());
        }
        sent
    }

    /// Checks what is true of every frame that is sent.
    fn check_sent(&mut self, frame: &[u8], may_ask_all: bool) {
        assert_eq!(frame[6..12], self.card.mac_address().0, "from us");
        let (vid, front) = match frame[12..14] {
            [0x81, 0] => (u16::from_be_bytes([frame[14], frame[15]]) & 0x0fff, 18),
            _ => (0, 14),
        };
        let device = self.card.device(vid).expect("a VLAN that has a device");
        assert!(
            device.is_up() && self.card.card_device().is_up(),
            "through a device that is down"
        );
        assert!(frame.len() - front <= usize::from(device.mtu()), "the MTU");
        let ether_type = [frame[front - 2], frame[front - 1]];
        if frame[0] & 1 == 1 {
            assert!(may_ask_all, "an answer to a group");
            assert_eq!(ether_type, [8, 6], "only ARP asks all stations");
            assert_eq!(frame[..6], [0xff; 6]);
        }
        if ether_type == [8, 0] {
            let datagram = &frame[front..];
            let header_length = usize::from(datagram[0] & 15) * 4;
            assert!(checksum::is_valid(&datagram[..header_length]));
            let total_length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
            assert_eq!(total_length, datagram.len(), "no padding, nothing missing");
            assert!(datagram[8] > 0, "a time to live of 0 (RFC 1122 §3.2.1.7)");
            let source = Ipv4Addr::new(datagram[12], datagram[13], datagram[14], datagram[15]);
            assert!(device.owns(source), "from {source}, which is not ours");
            let to = Ipv4Addr::new(datagram[16], datagram[17], datagram[18], datagram[19]);
            assert!(!device.is_group(to), "to {to}, which is a group");
        }
        let sent = self.sent.entry(vid).or_default();
        sent.packets += 1;
        sent.octets += frame.len() as u64;
    }
}
