//! One datagram in, one answer or reason out: what all tests of UDP and of its services share, and the
//! answers whose every octet is written down.
//!
//! [`Host::deliver`] is the only way in. Whatever a test is about, it checks after each datagram that the
//! counters add up, and that an answer stands up to another's parser.

extern crate std;

mod loops;
mod properties;
mod registration;
mod rules;

use super::*;
use crate::rate::Limit;
use crate::services::echo::Echo;
use crate::time::{Instant, TickRate};
use crate::wire::ethernet::MacAddress;
use alloc::boxed::Box;
use etherparse::{UdpHeader as OracleHeader, UdpSlice};
use std::vec::Vec;

pub(crate) const RATE: TickRate = TickRate::from_hertz(1_000_000_000);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 255);
/// A port of somebody who asks.
pub(crate) const ASKER: u16 = 40_000;

pub(crate) const ARRIVAL: Arrival = Arrival {
    vid: Some(42),
    priority: 5,
    drop_eligible: true,
    is_tagged: true,
    source_mac: MacAddress([2, 0, 0, 0, 0, 9]),
    link_broadcast: false,
    seen: Instant::from_ticks(3_500_000_000),
};

/// From 10.10.10.10:40000 to 10.10.10.11:7.
const ECHO_REQUEST: [u8; 13] = [
    0x9c, 0x40, 0x00, 0x07, // ports
    0x00, 0x0d, 0xf7, 0x91, // length, checksum
    b'h', b'e', b'l', b'l', b'o',
];

/// The answer to [`ECHO_REQUEST`].
const ECHO_REPLY: [u8; 13] = [
    0x00, 0x07, 0x9c, 0x40, // ports
    0x00, 0x0d, 0xf7, 0x91, // length, checksum
    b'h', b'e', b'l', b'l', b'o',
];

/// A datagram on its way to a host.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    /// From the UDP header to the end of the IPv4 payload.
    pub octets: Vec<u8>,
    /// Octets of the buffer behind that.
    pub spare: usize,
    pub time_to_live: u8,
    pub arrival: Arrival,
    pub checksum: TransportChecksum,
    pub can_answer: bool,
}

impl Delivery {
    pub fn of(octets: &[u8]) -> Self {
        Self {
            source: PEER,
            destination: OWN,
            octets: octets.to_vec(),
            spare: 100,
            time_to_live: 64,
            arrival: ARRIVAL,
            checksum: TransportChecksum::Unverified,
            can_answer: true,
        }
    }

    /// From the peer's `source_port` to our `destination_port`, built by another's library.
    pub fn with(source_port: u16, destination_port: u16, data: &[u8]) -> Self {
        Self::between((PEER, source_port), (OWN, destination_port), data)
    }

    pub fn between(
        (source, source_port): (Ipv4Addr, u16),
        (destination, destination_port): (Ipv4Addr, u16),
        data: &[u8],
    ) -> Self {
        let header = OracleHeader::with_ipv4_checksum(
            source_port,
            destination_port,
            &etherparse::Ipv4Header {
                source: source.octets(),
                destination: destination.octets(),
                ..Default::default()
            },
            data,
        );
        let mut octets = header.expect("is short enough").to_bytes().to_vec();
        octets.extend(data);
        Self {
            source,
            destination,
            ..Self::of(&octets)
        }
    }
}

/// Somebody who has services.
pub(crate) struct Host {
    pub services: Services,
}

impl Host {
    pub fn new() -> Self {
        Self {
            services: Services::new(RATE),
        }
    }

    /// With one service, on all addresses.
    pub fn serving(port: u16, service: impl UdpService) -> Self {
        Self::new().and(port, service)
    }

    pub fn and(mut self, port: u16, service: impl UdpService) -> Self {
        let registered = self.services.register(None, port, Box::new(service));
        registered.expect("is free");
        self
    }

    pub fn counters(&self, port: u16) -> &ServiceCounters {
        let mut entries = self.services.iter();
        let entry = entries.find(|entry| entry.port() == port);
        entry.expect("is registered").counters()
    }

    /// Delivers a datagram. Returns the answer's octets and longest time to live, or why there is none.
    pub fn deliver(&mut self, delivery: &Delivery) -> Result<(Vec<u8>, u8), Unanswered> {
        let request = &delivery.octets;
        let mut buffer = request.clone();
        buffer.resize(request.len() + delivery.spare, 0xee);
        let delivered = buffer.clone();
        let envelope = Envelope {
            source: delivery.source,
            destination: delivery.destination,
            is_group: delivery.destination.is_multicast() || delivery.destination == BROADCAST,
            time_to_live: delivery.time_to_live,
            arrival: &delivery.arrival,
            checksum: delivery.checksum,
            can_answer: delivery.can_answer,
        };
        let received = self.total(|counters| counters.received);
        let outcome = self.services.answer(&envelope, &mut buffer, request.len());

        let before_any_service = [
            Unanswered::Truncated,
            Unanswered::Length,
            Unanswered::Checksum,
            Unanswered::ClosedPort,
        ];
        let reached = outcome.map_or_else(|reason| !before_any_service.contains(&reason), |_| true);
        let received_now = self.total(|counters| counters.received);
        assert_eq!(received_now, received + u64::from(reached));
        if !reached {
            assert_eq!(buffer, delivered, "altered before any service saw it");
        }
        for entry in self.services.iter() {
            let counters = entry.counters();
            let unanswered = Unanswered::ALL.map(|reason| counters.unanswered(reason));
            assert_eq!(
                counters.received,
                counters.answered + unanswered.iter().sum::<u64>(),
                "received = answered + the sum of the reasons"
            );
        }
        let answer = outcome?;
        assert!(delivery.can_answer && !envelope.is_group && !delivery.arrival.link_broadcast);
        assert!(answer.maximum_time_to_live > 0);
        assert_answers(delivery, &buffer[..answer.length]);
        let touched = answer.length.max(request.len());
        assert_eq!(buffer[touched..], delivered[touched..]);
        Ok((
            buffer[..answer.length].to_vec(),
            answer.maximum_time_to_live,
        ))
    }

    /// Delivers a datagram and returns the answer's data.
    pub fn ask(&mut self, delivery: &Delivery) -> Result<Vec<u8>, Unanswered> {
        self.deliver(delivery)
            .map(|(octets, _)| octets[8..].to_vec())
    }

    fn total(&self, count: impl Fn(&ServiceCounters) -> u64) -> u64 {
        self.services
            .iter()
            .map(|entry| count(entry.counters()))
            .sum()
    }
}

/// Checks by `etherparse` that `reply` is a sound answer to who asked.
fn assert_answers(delivery: &Delivery, reply: &[u8]) {
    let (asked, _) = OracleHeader::from_slice(&delivery.octets).expect("a header");
    let slice = UdpSlice::from_slice(reply).expect("a sound length");
    let header = slice.to_header();
    assert_eq!(header.source_port, asked.destination_port);
    assert_eq!(header.destination_port, asked.source_port);
    assert_ne!(header.destination_port, 0);
    assert_eq!(usize::from(header.length), reply.len());
    let checksum = header.calc_checksum_ipv4_raw(
        delivery.destination.octets(),
        delivery.source.octets(),
        slice.payload(),
    );
    assert_eq!(checksum, Ok(header.checksum));
    assert_ne!(header.checksum, 0, "an answer without a checksum");
}

/// A service that does what a test says.
pub(crate) struct Scripted {
    pub policy: Policy,
    pub script: fn(Datagram<'_>) -> Response,
}

impl UdpService for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn receive(&mut self, datagram: Datagram<'_>) -> Response {
        (self.script)(datagram)
    }
}

pub(crate) fn responder(script: fn(Datagram<'_>) -> Response) -> Scripted {
    Scripted {
        policy: Policy::RESPONDER,
        script,
    }
}

#[test]
fn an_echo_request_comes_back_octet_for_octet_with_its_ports_exchanged() {
    let mut host = Host::serving(7, Echo::new());
    let answer = host.deliver(&Delivery::of(&ECHO_REQUEST));
    assert_eq!(answer, Ok((ECHO_REPLY.to_vec(), 255)));
    assert_eq!(
        Delivery::with(ASKER, 7, b"hello").octets,
        ECHO_REQUEST,
        "as another's library writes it"
    );
}

#[test]
fn an_answer_of_another_length_has_its_own_header() {
    let mut host = Host::serving(7, responder(|datagram| datagram.answer(b"hi!")));
    let expected = [
        0x00, 0x07, 0x9c, 0x40, 0x00, 0x0b, 0xb1, 0xfe, b'h', b'i', b'!',
    ];
    let answer = host.deliver(&Delivery::of(&ECHO_REQUEST));
    assert_eq!(answer, Ok((expected.to_vec(), 255)));
    assert_eq!(host.counters(7).answered_octets, 3);
    assert_eq!(host.counters(7).received_octets, 5);
}

#[test]
fn a_service_is_told_all_that_is_known_of_a_datagram() {
    let script = |datagram: Datagram<'_>| {
        assert_eq!(datagram.source, SocketAddrV4::new(PEER, ASKER));
        assert_eq!(datagram.destination, SocketAddrV4::new(OWN, 7));
        assert_eq!(*datagram.arrival, ARRIVAL);
        assert_eq!(datagram.time_to_live, 17);
        assert_eq!(datagram.data(), b"hello");
        let expected = Departure {
            vid: Some(42),
            priority: 5,
            source: Some(OWN),
            source_port: 7,
            destination: SocketAddrV4::new(PEER, ASKER),
        };
        assert_eq!(datagram.return_path(), expected);
        Response::Echo
    };
    let mut delivery = Delivery::of(&ECHO_REQUEST);
    delivery.time_to_live = 17;
    let answer = Host::serving(7, responder(script)).ask(&delivery);
    assert_eq!(answer, Ok(b"hello".to_vec()));
}

#[test]
fn datagrams_shorter_than_a_header_are_truncated() {
    let mut host = Host::serving(7, Echo::new());
    for length in 0..8 {
        let answer = host.ask(&Delivery::of(&ECHO_REQUEST[..length]));
        assert_eq!(answer, Err(Unanswered::Truncated), "{length} octets");
    }
}

#[test]
fn a_length_the_caller_does_not_have_is_truncated() {
    let envelope = Envelope {
        source: PEER,
        destination: OWN,
        is_group: false,
        time_to_live: 64,
        arrival: &ARRIVAL,
        checksum: TransportChecksum::Unverified,
        can_answer: true,
    };
    let mut octets = ECHO_REQUEST;
    let mut host = Host::serving(7, Echo::new());
    for length in [14, usize::MAX] {
        let answer = host.services.answer(&envelope, &mut octets, length);
        assert_eq!(answer, Err(Unanswered::Truncated));
    }
}

#[test]
fn a_length_is_at_least_the_headers_and_at_most_the_payloads_rfc_768() {
    let mut host = Host::serving(7, Echo::new());
    for (length, expected) in [
        (0_u16, Err(Unanswered::Length)),
        (7, Err(Unanswered::Length)),
        (8, Ok(0)),
        (12, Ok(4)),
        (13, Ok(5)),
        (14, Err(Unanswered::Length)),
        (65_535, Err(Unanswered::Length)),
    ] {
        let mut delivery = Delivery::of(&ECHO_REQUEST);
        delivery.octets[4..6].copy_from_slice(&length.to_be_bytes());
        delivery.octets[6..8].fill(0);
        let answered = host.ask(&delivery).map(|data| data.len());
        assert_eq!(answered, expected, "length {length}");
    }
}

#[test]
fn what_stands_behind_a_shorter_udp_length_is_no_part_of_the_datagram_rfc_768() {
    let mut host = Host::serving(7, Echo::new());
    let mut delivery = Delivery::of(&ECHO_REQUEST);
    delivery.octets.extend([0xa5; 9]);
    let answer = host.deliver(&delivery);
    assert_eq!(answer, Ok((ECHO_REPLY.to_vec(), 255)));
    assert_eq!(host.counters(7).received_octets, 5);
}

#[test]
fn a_wrong_checksum_is_silently_discarded_rfc_1122_section_4_1_3_4() {
    let mut host = Host::serving(7, Echo::new());
    for place in 0..13 {
        let mut delivery = Delivery::of(&ECHO_REQUEST);
        delivery.octets[place] ^= 0x10;
        let reason = host.ask(&delivery).expect_err("a damaged datagram");
        let expected = match place {
            // A length that does not fit is found first.
            4 | 5 => Unanswered::Length,
            _ => Unanswered::Checksum,
        };
        assert_eq!(reason, expected, "octet {place}");
    }
    let mut elsewhere = Delivery::of(&ECHO_REQUEST);
    elsewhere.source = Ipv4Addr::new(10, 10, 10, 12);
    assert_eq!(host.ask(&elsewhere), Err(Unanswered::Checksum));
    // A closed port makes no difference: the port may be what was damaged.
    let mut closed = Delivery::with(ASKER, 8, b"hello");
    closed.octets[8] ^= 1;
    assert_eq!(host.ask(&closed), Err(Unanswered::Checksum));
}

#[test]
fn a_request_without_checksum_is_accepted_and_its_answer_has_one_rfc_768() {
    let mut host = Host::serving(7, Echo::new());
    let mut delivery = Delivery::of(&ECHO_REQUEST);
    delivery.octets[6..8].fill(0);
    let answer = host.deliver(&delivery);
    assert_eq!(answer, Ok((ECHO_REPLY.to_vec(), 255)));
}

#[test]
fn a_computed_checksum_of_zero_is_sent_as_all_ones_rfc_768() {
    // The checksum over data that starts with two zeros, put in their place.
    let zeros = Delivery::with(ASKER, 7, &[0, 0, 1, 2, 3]);
    let data = [zeros.octets[6], zeros.octets[7], 1, 2, 3];
    let mut delivery = Delivery::with(ASKER, 7, &data);
    assert_eq!(delivery.octets[6..8], [0xff, 0xff]);
    let services = [
        Host::serving(7, Echo::new()),
        Host::serving(
            7,
            responder(|datagram| Response::Answer {
                length: datagram.length(),
            }),
        ),
    ];
    for mut host in services {
        for checksum in [0xff, 0] {
            delivery.octets[6..8].fill(checksum);
            let (answer, _) = host.deliver(&delivery).expect("an answer");
            assert_eq!(answer[6..8], [0xff, 0xff]);
        }
    }
}

#[test]
fn an_empty_datagram_is_answered_with_an_empty_one() {
    let answer = Host::serving(7, Echo::new()).ask(&Delivery::with(ASKER, 7, b""));
    assert_eq!(answer, Ok(Vec::new()));
}

#[test]
fn reasons_have_names_of_their_own() {
    let mut names = Unanswered::ALL.map(Unanswered::name);
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    for (index, reason) in Unanswered::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index);
        assert!(reason.name().starts_with("udp_"));
        assert!(!reason.description().is_empty());
    }
}
