//! UDP through the whole path of a frame. What UDP itself does is tested beside it (`crate::udp`); here
//! it is what the layers around it do for it.

use super::properties::{Circumstances, damages};
use super::*;
use crate::counters::Counters;
use crate::device::TransportChecksum;
use crate::services::echo::{self, Echo};
use crate::services::sink::{self, Sink};
use crate::services::stamp::{self, Stamp};
use crate::time::TickRate;
use crate::udp::Unanswered;
use etherparse::{Ethernet2Header, Ipv4Header, PacketBuilder, SingleVlanHeader, UdpHeader, VlanId};
use proptest::prelude::*;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

const ASKER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const ASKER_IP: [u8; 4] = [10, 10, 10, 10];
const ASKER_PORT: u16 = 40_000;

/// The appliance with the services that answer, and one that does not.
pub(super) fn serving() -> Interface {
    let mut card = appliance();
    let rate = TickRate::from_hertz(1_000_000_000);
    let services = card.services_mut();
    for (port, service) in [
        (
            echo::PORT,
            Box::new(Echo::new()) as Box<dyn crate::udp::UdpService>,
        ),
        (stamp::PORT, Box::new(Stamp::new(|| NOW, rate, false))),
        (sink::PORT, Box::new(Sink::new())),
    ] {
        services.register(None, port, service).expect("is free");
    }
    card
}

/// A datagram to `port`, as another's library makes it: VLAN 42, priority 5.
pub(super) fn request(port: u16, data: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(ASKER_MAC, OWN_MAC.0)
        .vlan(etherparse::VlanHeader::Single(SingleVlanHeader {
            pcp: 5.try_into().expect("a priority"),
            drop_eligible_indicator: false,
            vlan_id: VlanId::try_new(42).expect("a VLAN"),
            ether_type: etherparse::EtherType::IPV4,
        }))
        .ipv4(ASKER_IP, OWN_IP.octets(), 63)
        .udp(ASKER_PORT, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, data).expect("fits");
    frame
}

/// What becomes of `frame`: the answer, if there is one.
fn outcome(card: &mut Interface, frame: &[u8], can_answer: bool) -> Option<Vec<u8>> {
    let mut buffer = [0xee; BUFFER_SIZE];
    buffer[..frame.len()].copy_from_slice(frame);
    let verdict = card.reception(NOW, MILLISECONDS).receive(Received {
        buffer: &mut buffer,
        length: frame.len(),
        damage: None,
        checksum: TransportChecksum::Unverified,
        can_answer,
        can_defer: true,
    });
    let counters: &Counters = card.counters();
    assert_eq!(
        counters.received(),
        counters.answered() + counters.unanswered()
    );
    match verdict {
        Verdict::Answer { length } => Some(buffer[..length].to_vec()),
        Verdict::Release | Verdict::Defer => None,
    }
}

/// The data of an answer, after everything around them was found right by another's library.
pub(super) fn data_of(answer: &[u8], port: u16) -> Vec<u8> {
    let (ethernet, rest) = Ethernet2Header::from_slice(answer).expect("Ethernet");
    assert_eq!(
        (ethernet.source, ethernet.destination),
        (OWN_MAC.0, ASKER_MAC)
    );
    let (tag, rest) = SingleVlanHeader::from_slice(rest).expect("a tag");
    assert_eq!((tag.vlan_id.value(), tag.pcp.value()), (42, 5));
    let (ipv4, rest) = Ipv4Header::from_slice(rest).expect("IPv4");
    assert_eq!((ipv4.source, ipv4.destination), (OWN_IP.octets(), ASKER_IP));
    assert_eq!(ipv4.header_checksum, ipv4.calc_header_checksum());
    assert_eq!(usize::from(ipv4.total_len), ipv4.header_len() + rest.len());
    assert!((1..=64).contains(&ipv4.time_to_live));
    let (udp, data) = UdpHeader::from_slice(rest).expect("UDP");
    assert_eq!((udp.source_port, udp.destination_port), (port, ASKER_PORT));
    assert_eq!(usize::from(udp.length), rest.len());
    let checksum = udp.calc_checksum_ipv4(&ipv4, data).expect("fits");
    assert_eq!(udp.checksum, checksum);
    data.to_vec()
}

#[test]
fn an_echo_of_any_size_comes_back_in_its_vlan_with_its_priority() {
    let mut card = serving();
    for length in [0, 1, 18, 64, 511, 1472] {
        let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
        let answer = outcome(&mut card, &request(echo::PORT, &data), true).expect("an answer");
        assert_eq!(data_of(&answer, echo::PORT), data);
    }
    assert_eq!(card.counters().answered(), 6);
}

#[test]
fn an_answer_that_is_longer_than_its_request_has_the_right_lengths_everywhere() {
    let mut card = serving();
    let answer = outcome(&mut card, &request(stamp::PORT, &[0; 14]), true).expect("an answer");
    // RFC 8762 §4.6: a short packet is answered with the whole base format.
    assert_eq!(data_of(&answer, stamp::PORT).len(), 44);
}

#[test]
fn options_of_the_request_do_not_come_back() {
    let mut card = serving();
    let mut frame = request(echo::PORT, b"with an option");
    // Router alert (RFC 2113) behind the header, which is then 24 octets long.
    frame.splice(at::IPV4 + 20..at::IPV4 + 20, [0x94, 4, 0, 0]);
    put(&mut frame, at::IPV4, &[0x46]);
    let total_length = (frame.len() - at::IPV4) as u16;
    put(&mut frame, at::TOTAL_LENGTH, &total_length.to_be_bytes());
    seal(&mut frame);
    let answer = outcome(&mut card, &frame, true).expect("an answer");
    assert_eq!(answer[at::IPV4 + 20..at::IPV4 + 24], [1, 1, 1, 1]);
    assert_eq!(data_of(&answer, echo::PORT), b"with an option");
}

#[test]
fn what_udp_does_not_answer_is_counted_under_its_own_reason() {
    let mut card = serving();
    let mut damaged = request(echo::PORT, b"data");
    *damaged.last_mut().expect("data") ^= 1;
    let cases = [
        (Reason::UdpChecksum, damaged, true),
        (Reason::UdpClosedPort, request(4711, b"data"), true),
        (
            Reason::UdpConsumed,
            request(sink::PORT, b"Mellow sword!"),
            true,
        ),
        (Reason::NoTransmitSlot, request(echo::PORT, b"data"), false),
    ];
    for (reason, frame, can_answer) in cases {
        // Of a closed port there is an ICMP error.
        let expects_error = reason == Reason::UdpClosedPort;
        let answer = outcome(&mut card, &frame, can_answer);
        assert_eq!(answer.is_some(), expects_error, "{reason:?}");
        assert_eq!(card.counters().reason(reason), 1, "{reason:?}");
    }
    let sink: &mut Sink = card
        .services_mut()
        .get_mut(None, sink::PORT)
        .expect("is registered");
    assert_eq!(sink.take().expect("a message").text, b"Mellow sword!");
}

#[test]
fn a_datagram_in_a_broadcast_frame_for_one_host_is_refused() {
    let mut card = serving();
    let mut frame = request(echo::PORT, b"data");
    put(&mut frame, 0, &[0xff; 6]);
    assert_eq!(outcome(&mut card, &frame, true), None);
    assert_eq!(card.counters().reason(Reason::LinkBroadcast), 1);
}

#[test]
fn answers_of_udp_are_not_traced() {
    let mut card = serving();
    card.set_tracing(crate::trace::Tracing::Lines);
    outcome(&mut card, &request(echo::PORT, b"data"), true).expect("an answer");
    assert_eq!(card.trace_mut().take(), None);
    outcome(&mut card, &ECHO_REQUEST, true).expect("an answer");
    assert!(card.trace_mut().take().is_some());
}

#[test]
fn every_reason_of_udp_has_a_counter_of_its_name() {
    let mut names = vec![];
    for unanswered in Unanswered::ALL {
        let reason = Reason::from(unanswered);
        if unanswered == Unanswered::NoTransmitSlot {
            assert_eq!(reason, Reason::NoTransmitSlot);
        } else {
            assert_eq!(reason.name(), unanswered.name());
            names.push(reason.name());
        }
    }
    let counters = Reason::ALL.iter().map(|reason| reason.name());
    let counters: Vec<_> = counters.filter(|name| name.starts_with("udp_")).collect();
    assert_eq!(names, counters);
}

/// Datagrams to services and to a port that none has.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let ports = vec![echo::PORT, stamp::PORT, sink::PORT, 4711];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..1473),
    ];
    (prop::sample::select(ports), data).prop_map(|(port, data)| request(port, &data))
}

proptest! {
    #[test]
    fn the_usual_way_of_a_datagram_and_the_one_step_by_step_agree(
        frame in requests(),
        damages in damages(),
        circumstances in Circumstances::any(),
    ) {
        circumstances.assert_both_ways_agree(serving, frame, &damages)?;
    }
}
