//! One frame in, one verdict out: what every test of the receive path shares, and the answers whose
//! every octet is written down.
//!
//! [`deliver`] is the way in. Whatever a test is about, it checks after each frame that exactly
//! one counter moved, that the sums add up, and that an answer stands up to another's parser.

extern crate std;

mod arp;
mod capture;
mod checksums;
mod datagrams;
mod errors;
mod ethernet;
mod filtered;
mod fragments;
mod oracle;
pub(crate) mod pieces;
mod planes;
mod properties;
mod reasons;
mod udp;

use super::{Exit, Reception, reason_for};
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, Damage, Received, Receiver, TransportChecksum, Verdict};
use crate::interface::{Interface, Ipv4Cidr};
use crate::time::Instant;
use crate::trace::{TraceRecord, Tracing};
use crate::vlan::VlanSet;
use crate::wire::checksum;
use crate::wire::ethernet::{EtherType, MacAddress};
use core::net::Ipv4Addr;
use std::vec::Vec;

const OWN_MAC: MacAddress = MacAddress([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
const OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);
const PEER_MAC: MacAddress = MacAddress([0x02, 0x00, 0x00, 0x00, 0x00, 0x09]);
const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
/// Our address in VLAN 44.
const OTHER_OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 44, 11);
/// When every frame is seen.
const NOW: Instant = Instant::from_ticks(1_000);
const MILLISECONDS: u32 = 0x0001_0203;

/// Where the fields of a tagged frame stand, ICMP behind an IPv4 header without options.
mod at {
    pub const DESTINATION_MAC: usize = 0;
    pub const SOURCE_MAC: usize = 6;
    pub const TAG_PROTOCOL: usize = 12;
    pub const TAG_CONTROL: usize = 14;
    pub const ETHER_TYPE: usize = 16;
    pub const IPV4: usize = 18;
    pub const SERVICE: usize = 19;
    pub const TOTAL_LENGTH: usize = 20;
    pub const IDENTIFICATION: usize = 22;
    pub const FRAGMENT: usize = 24;
    pub const TIME_TO_LIVE: usize = 26;
    pub const PROTOCOL: usize = 27;
    pub const IPV4_CHECKSUM: usize = 28;
    pub const SOURCE_IP: usize = 30;
    pub const DESTINATION_IP: usize = 34;
    pub const ICMP: usize = 38;
    pub const ICMP_CODE: usize = 39;
    pub const IDENTIFIER: usize = 42;
    pub const DATA: usize = 46;

    pub const ARP: usize = 18;
    pub const ARP_OPERATION: usize = 24;
    pub const ARP_SENDER_MAC: usize = 26;
    pub const ARP_SENDER_IP: usize = 32;
    pub const ARP_TARGET_IP: usize = 42;
}

/// An echo request from 10.10.10.10 with eight octets of data, padded to the shortest frame.
const ECHO_REQUEST: [u8; 60] = [
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // to us
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, // from the peer
    0x81, 0x00, 0xb0, 0x2a, // PCP 5, DEI 1, VID 42
    0x08, 0x00, // IPv4
    0x45, 0x10, 0x00, 0x24, // 20 octets of header, TOS 0x10, 36 octets in all
    0x12, 0x34, 0x00, 0x00, // identification, whole
    0x07, 0x01, 0x79, 0x6d, // TTL 7, ICMP
    10, 10, 10, 10, 10, 10, 10, 11, // from the peer to us
    0x08, 0x00, 0x7b, 0xb1, // echo request
    0xbe, 0xef, 0x00, 0x01, // identifier, sequence number
    b'p', b'a', b'y', b'l', b'o', b'a', b'd', b'.', //
    0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, // padding that says something
];

/// The answer to [`ECHO_REQUEST`], without its padding.
const ECHO_REPLY: [u8; 54] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, // to the peer
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // from us
    0x81, 0x00, 0xb0, 0x2a, // the same tag
    0x08, 0x00, // IPv4
    0x45, 0x10, 0x00, 0x24, // the same length, the same TOS
    0x12, 0x34, 0x40, 0x00, // the same identification, don't fragment
    0x40, 0x01, 0x00, 0x6d, // TTL 64, ICMP
    10, 10, 10, 11, 10, 10, 10, 10, // from us to the peer
    0x00, 0x00, 0x83, 0xb1, // echo reply
    0xbe, 0xef, 0x00, 0x01, // the same identifier and sequence number
    b'p', b'a', b'y', b'l', b'o', b'a', b'd', b'.',
];

/// A frame as a device delivers it.
struct Delivery {
    octets: Vec<u8>,
    /// What the device says that its length is.
    length: usize,
    damage: Option<Damage>,
    can_answer: bool,
    /// Nothing can wait, unless a test is about that.
    can_defer: bool,
}

impl Delivery {
    fn of(octets: &[u8]) -> Self {
        Self {
            octets: octets.to_vec(),
            length: octets.len(),
            damage: None,
            can_answer: true,
            can_defer: false,
        }
    }

    /// The frame, as it is handed up in a buffer.
    fn received<'buffer>(&self, buffer: &'buffer mut [u8; BUFFER_SIZE]) -> Received<'buffer> {
        Received {
            buffer,
            length: self.length,
            damage: self.damage,
            checksum: TransportChecksum::Unverified,
            can_answer: self.can_answer,
            can_defer: self.can_defer,
        }
    }

    fn put(&mut self, place: usize, octets: &[u8]) {
        put(&mut self.octets, place, octets);
    }

    fn resize(&mut self, length: usize) {
        self.octets.resize(length, 0);
        self.length = length;
    }
}

fn put(frame: &mut [u8], place: usize, octets: &[u8]) {
    frame[place..place + octets.len()].copy_from_slice(octets);
}

/// A card with `eth0.42` (10.10.10.11/24), `eth0.44` (10.10.44.11/24), `eth0.45` and `eth0.46`, which is down,
/// whose filter list has VLANs 42, 43 (which has no device), 44 and 46.
fn appliance() -> Interface {
    let mut card = Interface::new(
        "eth0",
        OWN_MAC,
        2,
        crate::time::TickRate::from_hertz(1_000_000_000),
    );
    for (vid, name) in [
        (42, "eth0.42"),
        (44, "eth0.44"),
        (45, "eth0.45"),
        (46, "eth0.46"),
    ] {
        card.add_vlan_device(name, vid).expect("is free");
        card.set_oob_port(vid, true).expect("is there");
    }
    card.set_up(46, false).expect("is there");
    for (vid, address) in [(42, OWN_IP), (44, OTHER_OWN_IP)] {
        let cidr = Ipv4Cidr::new(address, 24).expect("in range");
        card.add_address(vid, cidr).expect("a host address");
    }
    let mut filter = VlanSet::new();
    for vid in [42, 43, 44, 46] {
        filter.insert(vid);
    }
    card.set_vlan_filter(filter);
    card
}

/// Everything that was counted: received, answered, and each reason.
fn tally(card: &Interface) -> (u64, u64, Vec<u64>) {
    let counters = card.counters();
    let reasons = Reason::ALL.map(|reason| counters.reason(reason)).to_vec();
    (counters.received(), counters.answered(), reasons)
}

/// Hands a frame up as drivers do: first to who answers at once what nearly every frame is.
fn hand_up(reception: &mut Reception<'_>, frame: Received<'_>) -> Verdict {
    if frame.damage.is_none()
        && frame.can_answer
        && let Some(verdict) = reception.receive_usual(frame.buffer, frame.length)
    {
        return verdict;
    }
    reception.receive(frame)
}

/// What [`hand_up`] comes to, but each frame is asked for everything, one thing after the other.
fn hand_up_step_by_step(reception: &mut Reception<'_>, mut frame: Received<'_>) -> Verdict {
    let (length, can_defer) = (frame.length, frame.can_defer);
    reception.interface.counters.count_received();
    let answered = match frame.damage {
        Some(damage) => Err(reason_for(damage).into()),
        None => is_accepted(reception, frame.buffer, length, can_defer)
            .and_then(|is_accepted| reception.answer(&mut frame, is_accepted)),
    };
    reception.conclude(answered, frame.buffer, length)
}

/// Whether the program, if there is one, accepts a frame.
fn is_accepted(
    reception: &mut Reception<'_>,
    buffer: &[u8; BUFFER_SIZE],
    length: usize,
    can_defer: bool,
) -> Result<bool, Exit> {
    match reception.interface.filter.is_active() {
        true => reception.ask_filter(buffer, length, can_defer),
        false => Ok(false),
    }
}

/// Delivers a frame, and again if it was to wait. Returns the answer, or the reason that was counted.
fn deliver(card: &mut Interface, delivery: &Delivery) -> Result<Vec<u8>, Reason> {
    const BEHIND: u8 = 0xee;
    let request = &delivery.octets;
    let mut buffer = [BEHIND; BUFFER_SIZE];
    buffer[..request.len()].copy_from_slice(request);
    let delivered = buffer;
    let (received, answered, reasons) = tally(card);

    let mut reception = card.reception(NOW, MILLISECONDS);
    let mut verdict = hand_up(&mut reception, delivery.received(&mut buffer));
    if verdict == Verdict::Defer {
        assert!(delivery.can_defer && delivery.damage.is_none());
        assert_eq!(buffer, delivered, "a frame that waits was altered");
        assert_eq!(card.counters().waiting(), 1);
        let mut reception = card.deferred_reception(NOW, MILLISECONDS);
        verdict = reception.receive(Received {
            buffer: &mut buffer,
            length: delivery.length,
            damage: None,
            checksum: TransportChecksum::Unverified,
            can_answer: delivery.can_answer,
            can_defer: false,
        });
    }

    let (received_now, answered_now, reasons_now) = tally(card);
    assert_eq!(received_now, received + 1);
    assert_eq!(
        received_now,
        answered_now + reasons_now.iter().sum::<u64>(),
        "received = answered + the sum of the reasons"
    );
    assert_eq!(card.counters().unanswered(), reasons_now.iter().sum());
    if answered_now == answered {
        let reason = moved_reason(&reasons, &reasons_now);
        capture::assert_kept(
            card,
            &delivered[..delivery.length.min(BUFFER_SIZE)],
            reason,
            verdict,
        );
    }
    match verdict {
        Verdict::Answer { length } if answered_now == answered => {
            assert!(delivery.can_answer, "an error that nobody can send");
            oracle::assert_reports(request, &buffer[..length]);
            Err(moved_reason(&reasons, &reasons_now))
        }
        Verdict::Answer { length } => {
            assert!(delivery.can_answer, "an answer that nobody can send");
            assert_eq!(answered_now, answered + 1);
            assert_eq!(reasons_now, reasons);
            assert!(length <= request.len(), "an answer longer than its request");
            assert_eq!(
                buffer[length..],
                delivered[length..],
                "octets behind the answer"
            );
            let reply = buffer[..length].to_vec();
            oracle::assert_answers(card, request, &reply);
            Ok(reply)
        }
        Verdict::Release => {
            assert_eq!(answered_now, answered);
            assert_eq!(buffer, delivered, "a frame without answer was altered");
            Err(moved_reason(&reasons, &reasons_now))
        }
        Verdict::Defer => panic!("a frame that waited was deferred again"),
    }
}

/// The one reason that was counted between two tallies.
fn moved_reason(before: &[u64], now: &[u64]) -> Reason {
    let mut moved = (0..before.len()).filter(|&index| before[index] != now[index]);
    let index = moved.next().expect("a reason was counted");
    assert_eq!(moved.next(), None, "a second reason was counted");
    assert_eq!(now[index], before[index] + 1);
    Reason::ALL[index]
}

/// Delivers a sound frame.
fn send(card: &mut Interface, frame: &[u8]) -> Result<Vec<u8>, Reason> {
    deliver(card, &Delivery::of(frame))
}

/// [`ECHO_REQUEST`] with other options and data, without padding.
fn echo_request(options: &[u8], data: &[u8]) -> Vec<u8> {
    let mut frame = ECHO_REQUEST[..at::ICMP].to_vec();
    frame.extend_from_slice(options);
    frame.extend_from_slice(&ECHO_REQUEST[at::ICMP..at::DATA]);
    frame.extend_from_slice(data);
    frame[at::IPV4] = 0x40 | (5 + options.len() / 4) as u8;
    let total_length = (frame.len() - at::IPV4) as u16;
    put(&mut frame, at::TOTAL_LENGTH, &total_length.to_be_bytes());
    seal(&mut frame);
    frame
}

/// Makes the checksums of a frame right, as far as it has them, whatever its lengths say.
fn seal(frame: &mut [u8]) {
    let datagram = frame.get_mut(at::IPV4..).unwrap_or_default();
    let Some(&[first, _, high, low, .., protocol]) = datagram.first_chunk::<10>() else {
        return;
    };
    let header_length = (usize::from(first & 0x0f) * 4).max(20);
    let total_length = usize::from(u16::from_be_bytes([high, low]));
    let end = total_length.min(datagram.len());
    if let Some(header) = datagram.get_mut(..header_length) {
        checksum::tests::seal(header, 10);
    }
    if protocol == 1
        && let Some(message) = datagram.get_mut(header_length..end)
        && message.len() >= 4
    {
        checksum::tests::seal(message, 2);
    }
}

/// The answer to an echo request without options, put together field by field.
fn echo_reply_by_definition(request: &[u8]) -> Vec<u8> {
    let total_length =
        u16::from_be_bytes([request[at::TOTAL_LENGTH], request[at::TOTAL_LENGTH + 1]]);
    let mut reply = request[..at::IPV4 + usize::from(total_length)].to_vec();
    put(
        &mut reply,
        at::DESTINATION_MAC,
        &request[at::SOURCE_MAC..at::TAG_PROTOCOL],
    );
    put(&mut reply, at::SOURCE_MAC, &OWN_MAC.0);
    put(&mut reply, at::FRAGMENT, &[0x40, 0]);
    put(&mut reply, at::TIME_TO_LIVE, &[64]);
    put(
        &mut reply,
        at::SOURCE_IP,
        &request[at::DESTINATION_IP..at::ICMP],
    );
    put(
        &mut reply,
        at::DESTINATION_IP,
        &request[at::SOURCE_IP..at::DESTINATION_IP],
    );
    put(&mut reply, at::ICMP, &[0]);
    seal(&mut reply);
    reply
}

#[test]
fn an_echo_request_becomes_its_reply_octet_by_octet_and_its_padding_does_not_come_back() {
    let mut card = appliance();
    assert_eq!(send(&mut card, &ECHO_REQUEST), Ok(ECHO_REPLY.to_vec()));
}

#[test]
fn the_fixtures_are_what_their_builders_make() {
    let (request, _padding) = ECHO_REQUEST.split_at(ECHO_REPLY.len());
    assert_eq!(echo_request(&[], b"payload."), request);
    assert_eq!(echo_reply_by_definition(&ECHO_REQUEST), ECHO_REPLY);
}

#[test]
fn every_priority_comes_back_and_does_not_change_the_filters_mind() {
    let mut card = appliance();
    for priority in 0..16_u8 {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::TAG_CONTROL, &[priority << 4, 42]);
        let reply = send(&mut card, &request).expect("an answer");
        assert_eq!(reply[at::TAG_CONTROL..at::ETHER_TYPE], [priority << 4, 42]);
        put(&mut request, at::TAG_CONTROL, &[priority << 4, 41]);
        assert_eq!(send(&mut card, &request), Err(Reason::VlanNotInFilter));
    }
}

#[test]
fn identifiers_that_name_no_vlan_are_not_served_even_when_the_filter_has_them() {
    let mut card = appliance();
    let mut filter = VlanSet::new();
    filter.insert(0);
    filter.insert(4095);
    card.set_vlan_filter(filter);
    for (vid, reason) in [
        ([0x00, 0x00], Reason::PriorityTagged),
        ([0x0f, 0xff], Reason::ReservedVlan),
    ] {
        let mut request = ECHO_REQUEST;
        put(&mut request, at::TAG_CONTROL, &vid);
        assert_eq!(send(&mut card, &request), Err(reason));
    }
}

#[test]
fn every_vlan_answers_for_its_own_address() {
    let mut card = appliance();
    let mut request = ECHO_REQUEST;
    put(&mut request, at::TAG_CONTROL, &[0, 44]);
    put(&mut request, at::DESTINATION_IP, &OTHER_OWN_IP.octets());
    seal(&mut request);
    assert_eq!(
        send(&mut card, &request),
        Ok(echo_reply_by_definition(&request))
    );
}

#[test]
fn a_vlan_device_counts_what_arrived_and_what_was_answered() {
    let mut card = appliance();
    send(&mut card, &ECHO_REQUEST).expect("an answer");
    let mut wrong = ECHO_REQUEST;
    wrong[at::ICMP_CODE] = 1;
    assert_eq!(send(&mut card, &wrong), Err(Reason::IcmpChecksum));
    let device = card.device(42).expect("is there");
    assert_eq!(
        (device.received().packets, device.received().octets),
        (2, 120)
    );
    assert_eq!(
        (device.transmitted().packets, device.transmitted().octets),
        (1, 54)
    );
    let other = card.device(44).expect("is there");
    assert_eq!(other.received().packets, 0);
}

#[test]
fn an_answered_ping_leaves_a_trace_record_only_while_tracing_is_on() {
    let mut card = appliance();
    let request = echo_request(&[], &[0x5a; 56]);
    send(&mut card, &request).expect("an answer");
    assert_eq!(card.trace_mut().take(), None);

    card.set_tracing(Tracing::Lines);
    send(&mut card, &request).expect("an answer");
    let mut refused = Delivery::of(&request);
    refused.can_answer = false;
    assert_eq!(deliver(&mut card, &refused), Err(Reason::NoTransmitSlot));
    let record = TraceRecord {
        sequence: 0,
        octets: 84,
        ether_type: EtherType::IPV4,
        ifindex: 2,
        packet_type: 0,
        source: PEER_MAC,
    };
    assert_eq!(card.trace_mut().take(), Some((record, None)));
    assert_eq!(card.trace_mut().take(), None);

    // The frame as it arrived, not its answer; and of the request, not of what came in between.
    card.set_tracing(Tracing::Frames);
    send(&mut card, &request).expect("an answer");
    deliver(&mut card, &refused).expect_err("no slot");
    let (traced, frame) = card.trace_mut().take().expect("was recorded");
    assert_eq!(
        traced,
        TraceRecord {
            sequence: 1,
            ..record
        }
    );
    let frame = frame.expect("was kept");
    assert_eq!(
        (frame.length(), frame.octets()),
        (request.len(), &request[..])
    );
    assert_eq!(card.trace_mut().take(), None);

    assert!(card.is_watched);
    card.set_tracing(Tracing::Off);
    assert!(!card.is_watched, "frames take the usual way again");
}
