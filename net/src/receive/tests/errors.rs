//! ICMP errors on the path of a frame (RFC 1122 §3.2.2): who is told that nothing serves them, and who must
//! never be. Each message is checked by [`oracle::assert_reports`] besides.

use super::pieces::{counting, fragments_of, retagged, udp_request};
use super::planes::{IN_BAND, REALTIME, card_everywhere, station};
use super::*;
use crate::icmp_error::Suppressed;
use crate::rate::Limit;
use crate::test_device::Station;
use crate::time::Ticks;
use crate::wire::partial_checksum::{Place, complete};

const SECOND: Ticks = Ticks(1_000_000_000);
/// Nothing serves it.
const CLOSED: u16 = 9852;

/// 10.10.10.10:40000 says "data" to our port 9852, in VLAN 42 with priority 5.
const TO_CLOSED_PORT: [u8; 50] = [
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0x00, 0x00, 0x00, 0x00, 0x09, // to us
    0x81, 0x00, 0xa0, 0x2a, 0x08, 0x00, // PCP 5, VID 42, IPv4
    0x45, 0xb8, 0x00, 0x20, 0x12, 0x34, 0x40, 0x00, 0x07, 0x11, 0x38,
    0xb9, // TOS 0xb8, TTL 7, UDP
    10, 10, 10, 10, 10, 10, 10, 11, // from the peer to us
    0x9c, 0x40, 0x26, 0x7c, 0x00, 0x0c, 0x3c, 0x2e, // ports, 12 octets
    b'd', b'a', b't', b'a',
];

/// What is said about [`TO_CLOSED_PORT`].
const PORT_UNREACHABLE: [u8; 78] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // back
    0x81, 0x00, 0xa0, 0x2a, 0x08, 0x00, // the same tag
    0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x12,
    0x99, // TOS 0, TTL 64, ICMP
    10, 10, 10, 11, 10, 10, 10, 10, // from us to the peer
    0x03, 0x03, 0x25, 0x43, 0x00, 0x00, 0x00, 0x00, // destination unreachable: port
    0x45, 0xb8, 0x00, 0x20, 0x12, 0x34, 0x40, 0x00, 0x07, 0x11, 0x38, 0xb9, // what came
    10, 10, 10, 10, 10, 10, 10, 11, // as it came
    0x9c, 0x40, 0x26, 0x7c, 0x00, 0x0c, 0x3c, 0x2e, //
    b'd', b'a', b't', b'a',
];

/// A datagram of protocol 6 in VLAN 42.
fn to_no_protocol() -> Vec<u8> {
    let mut frame = ECHO_REQUEST;
    put(&mut frame, at::PROTOCOL, &[6]);
    seal(&mut frame);
    frame.to_vec()
}

/// `frame` with another field, and its header's checksum right.
fn with(frame: &[u8], place: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    put(&mut frame, place, octets);
    seal(&mut frame);
    frame
}

#[test]
fn a_datagram_to_a_closed_port_is_told_so_octet_by_octet_rfc_1122_section_4_1_3_1() {
    let mut station = station(REALTIME);
    assert_eq!(station.receive(&TO_CLOSED_PORT), [PORT_UNREACHABLE]);
    let counters = station.card.counters();
    assert_eq!(counters.reason(Reason::UdpClosedPort), 1);
    assert_eq!(counters.answered(), 0, "an error is no answer");
    assert_eq!(station.card.icmp_errors().sent(), 1);
}

#[test]
fn what_never_was_on_a_wire_is_quoted_as_it_would_have_been_there() {
    let mut frame = TO_CLOSED_PORT;
    // The sum of 10.10.10.10, 10.10.10.11, 17 and 12, where the checksum is left to somebody else.
    put(&mut frame, at::ICMP + 6, &[0x28, 0x46]);
    let place = Place {
        start: at::ICMP,
        offset: 6,
    };
    assert!(complete(&mut frame, place));
    assert_eq!(station(REALTIME).receive(&frame), [PORT_UNREACHABLE]);
}

#[test]
fn a_datagram_of_an_unknown_protocol_is_told_so_rfc_1122_section_3_2_2_1() {
    let mut station = station(REALTIME);
    let frame = to_no_protocol();
    let sent = station.receive(&frame);
    assert_eq!(sent.len(), 1);
    oracle::assert_reports(&frame, &sent[0]);
    assert_eq!(sent[0][at::ICMP..at::ICMP + 2], [3, 2]);
    assert_eq!(station.card.counters().reason(Reason::Ipv4Protocol), 1);
}

#[test]
fn errors_are_the_same_in_band_with_the_tag_of_what_they_are_about() {
    for frame in [TO_CLOSED_PORT.to_vec(), to_no_protocol()] {
        let at_once = station(REALTIME).receive(&frame);
        for (way, tag_control) in IN_BAND {
            let mut station = station(tag_control);
            let sent = station.exchange(&retagged(&frame, tag_control));
            assert_eq!(sent, [retagged(&at_once[0], tag_control)], "{way}");
        }
    }
}

/// Delivers a frame about which nothing may be said, at once and in-band. Returns why an error was suppressed,
/// if one was considered.
fn silence(frame: &[u8], reason: Reason) -> Option<Suppressed> {
    let considered = [true, false].map(|port| {
        let mut station = station(REALTIME);
        station.card.set_oob_port(42, port).expect("is there");
        assert_eq!(station.exchange(frame), [[]; 0], "{reason:?}");
        assert_eq!(station.card.counters().reason(reason), 1, "{reason:?}");
        let errors = station.card.icmp_errors();
        assert_eq!(errors.sent(), 0);
        let mut all = Suppressed::ALL.into_iter();
        all.find(|&why| errors.suppressed(why) == 1)
    });
    assert_eq!(considered[0], considered[1], "the planes agree");
    considered[0]
}

#[test]
fn nothing_is_said_about_what_was_for_more_than_one_host_rfc_1122_section_3_2_2() {
    for group in [
        [10, 10, 10, 255],
        [10, 10, 10, 0],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        for frame in [TO_CLOSED_PORT.to_vec(), to_no_protocol()] {
            let mut frame = with(&frame, at::DESTINATION_IP, &group);
            let is_udp = frame[at::PROTOCOL] == 17;
            if is_udp {
                // No checksum: the addresses are part of it.
                put(&mut frame, at::ICMP + 6, &[0, 0]);
            }
            let reason = [Reason::Ipv4Protocol, Reason::UdpClosedPort][usize::from(is_udp)];
            let why = silence(&frame, reason);
            assert_eq!(why, Some(Suppressed::DestinationNotOneHost), "{group:?}");
            put(&mut frame, 0, &[0xff; 6]);
            assert_eq!(
                silence(&frame, reason),
                Some(Suppressed::LinkGroup),
                "{group:?}"
            );
        }
    }
}

#[test]
fn nothing_is_said_about_what_all_stations_got_rfc_1122_section_3_2_2() {
    let frame = with(&TO_CLOSED_PORT, 0, &[0xff; 6]);
    assert_eq!(silence(&frame, Reason::LinkBroadcast), None);
}

#[test]
fn nothing_is_said_to_what_is_not_one_host_rfc_1122_section_3_2_2() {
    for source in [
        [0, 0, 0, 0],
        [10, 10, 10, 0],
        [10, 10, 10, 255],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        OWN_IP.octets(),
    ] {
        let frame = with(&TO_CLOSED_PORT, at::SOURCE_IP, &source);
        assert_eq!(silence(&frame, Reason::Ipv4Source), None, "{source:?}");
    }
}

#[test]
fn nothing_is_said_about_an_icmp_error_or_any_other_icmp_message_rfc_1122_section_3_2_2() {
    for message_type in [0, 1, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 17, 40, 255] {
        let frame = with(&ECHO_REQUEST, at::ICMP, &[message_type]);
        assert_eq!(
            silence(&frame, Reason::IcmpType),
            None,
            "type {message_type}"
        );
    }
    // Not even about an error about a datagram of a protocol that nothing serves.
    let inner = &to_no_protocol()[at::IPV4..at::IPV4 + 28];
    let mut frame = echo_request(&[], inner);
    put(&mut frame, at::ICMP, &[3, 2]);
    seal(&mut frame);
    assert_eq!(silence(&frame, Reason::IcmpType), None);
}

#[test]
fn nothing_is_said_about_what_is_not_sound_rfc_1122_section_3_2_2() {
    let mut checksum = TO_CLOSED_PORT.to_vec();
    checksum[at::IPV4_CHECKSUM] ^= 1;
    let mut data = TO_CLOSED_PORT.to_vec();
    data[49] ^= 1;
    for (frame, reason) in [
        (checksum, Reason::Ipv4Checksum),
        // RFC 1122 §4.1.3.4.
        (data, Reason::UdpChecksum),
        (
            with(&TO_CLOSED_PORT, at::IPV4, &[0x65]),
            Reason::Ipv4Version,
        ),
        (
            with(&TO_CLOSED_PORT, at::IPV4, &[0x44]),
            Reason::Ipv4HeaderLength,
        ),
        (
            with(&TO_CLOSED_PORT, at::TOTAL_LENGTH, &[0, 33]),
            Reason::Ipv4TotalLength,
        ),
        (
            with(&TO_CLOSED_PORT, at::TOTAL_LENGTH, &[0, 27]),
            Reason::UdpTruncated,
        ),
        (
            with(&TO_CLOSED_PORT, at::DESTINATION_IP, &[10, 10, 10, 12]),
            Reason::Ipv4Destination,
        ),
        (echo_request(&[131, 3, 4, 0], &[]), Reason::Ipv4SourceRoute),
    ] {
        assert_eq!(silence(&frame, reason), None, "{reason:?}");
    }
}

#[test]
fn nothing_is_said_about_fragments_but_about_the_whole_rfc_1122_section_3_2_2() {
    for (length, tag_control) in [(60, REALTIME), (5_000, REALTIME), (5_000, None)] {
        let request = retagged(&udp_request(CLOSED, &counting(length)), tag_control);
        let mut fragments = fragments_of(&request, 68.max(length / 4), 0x4711);
        // In whatever order they come, and about later fragments alone.
        fragments.reverse();
        let zero = fragments.pop().expect("fragment zero");
        let mut station = station(tag_control);
        for fragment in &fragments {
            assert_eq!(station.exchange(fragment), [[]; 0]);
        }
        let sent = station.exchange(&zero);
        assert_eq!(sent.len(), 1);
        let front = pieces::front_length(&sent[0]);
        let (said, original) = (&sent[0][front..], &request[front..]);
        assert_eq!(said[20..22], [3, 3]);
        assert_eq!(said.len(), 576.min(28 + original.len()));
        // Total length, flags and data of the whole datagram, as though it had come in one frame.
        assert_eq!(said[28..32], original[..4]);
        assert_eq!(said[32..36], [0x47, 0x11, 0, 0]);
        assert_eq!(said[48..], original[20..said.len() - 28]);
        assert_eq!(station.card.counters().reason(Reason::UdpClosedPort), 1);
    }
}

#[test]
fn an_error_quotes_as_much_as_fits_into_576_octets_rfc_1812_section_4_3_2_3() {
    for length in [0, 7, 8, 519, 520, 521, 1000, 1472] {
        let frame = udp_request(CLOSED, &counting(length));
        let sent = station(REALTIME).receive(&frame);
        oracle::assert_reports(&frame, &sent[0]);
        assert_eq!(sent[0].len(), at::IPV4 + (28 + 28 + length).min(576));
    }
}

#[test]
fn an_error_is_never_longer_than_the_mtu() {
    for mtu in [68, 100, 575, 576, 577, 1500] {
        for length in [0, 8, 600, 1472] {
            let frame = udp_request(CLOSED, &counting(length));
            let mut station = station(REALTIME);
            station.card.set_mtu(42, mtu).expect("in range");
            // The station checks the length of what is sent.
            let sent = station.receive(&frame);
            assert_eq!(sent.len(), 1);
            let expected = (56 + length).min(576).min(usize::from(mtu));
            assert_eq!(sent[0].len() - at::IPV4, expected);
        }
    }
    // Where a header and eight octets do not fit, nothing is said.
    let mut frame = echo_request(&[1; 40], &[0; 8]);
    put(&mut frame, at::PROTOCOL, &[6]);
    seal(&mut frame);
    let mut station = station(REALTIME);
    station.card.set_mtu(42, 95).expect("in range");
    assert_eq!(station.receive(&frame), [[]; 0]);
    assert_eq!(station.card.icmp_errors().sent(), 0);
    station.card.set_mtu(42, 96).expect("in range");
    assert_eq!(station.receive(&frame).len(), 1);
}

#[test]
fn nothing_is_said_while_nothing_can_be_sent_and_that_uses_nothing_up() {
    let mut station = station(REALTIME);
    let limit = Limit::new(1, 1);
    station.card.set_icmp_error_limits(limit, limit);
    station.device.slots = 0;
    for _ in 0..3 {
        assert_eq!(station.receive(&TO_CLOSED_PORT), [[]; 0]);
    }
    assert_eq!(station.card.icmp_errors().sent(), 0);
    station.device.slots = 9;
    assert_eq!(station.receive(&TO_CLOSED_PORT).len(), 1);
    assert_eq!(station.card.counters().reason(Reason::UdpClosedPort), 4);
}

#[test]
fn errors_are_limited_in_each_vlan_and_in_all_rfc_1812_section_4_3_2_8() {
    let mut station = Station::new(card_everywhere(), NOW);
    let (all, vlan) = (Limit::new(1, 5), Limit::new(1, 3));
    station.card.set_icmp_error_limits(all, vlan);
    let said = |station: &mut Station, tag_control| {
        let frame = retagged(&TO_CLOSED_PORT, tag_control);
        let sent = (0..10).flat_map(|_| station.exchange(&frame));
        sent.count()
    };
    assert_eq!(said(&mut station, Some(42)), 3);
    assert_eq!(said(&mut station, Some(45)), 2, "what the first left");
    assert_eq!(said(&mut station, None), 0);
    let errors = station.card.icmp_errors();
    assert_eq!(
        (errors.sent(), errors.suppressed(Suppressed::VlanRate)),
        (5, 7 + 7 + 7)
    );
    assert_eq!(errors.suppressed(Suppressed::Rate), 1 + 3);
    assert_eq!(station.card.counters().reason(Reason::UdpClosedPort), 30);
    // A second later there is one more for all, and for each.
    station.pass(SECOND);
    assert_eq!(said(&mut station, None), 1);
    assert_eq!(said(&mut station, Some(42)), 0);
}

#[test]
fn an_old_fragment_does_not_make_the_limit_forget() {
    let mut station = station(REALTIME);
    let limit = Limit::new(1, 1);
    station.card.set_icmp_error_limits(limit, limit);
    let fragments = fragments_of(&udp_request(CLOSED, &counting(100)), 68, 1);
    let (last, others) = fragments.split_last().expect("fragments");
    others.iter().for_each(|frame| drop(station.receive(frame)));
    station.pass(Ticks(SECOND.0 * 30));
    assert_eq!(station.receive(&TO_CLOSED_PORT).len(), 1);
    assert_eq!(station.receive(last), [[]; 0], "the datagram is whole now");
    assert_eq!(station.card.counters().reason(Reason::UdpClosedPort), 2);
    assert_eq!(station.receive(&TO_CLOSED_PORT), [[]; 0]);
}
