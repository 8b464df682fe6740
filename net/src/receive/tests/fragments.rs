//! Datagrams that come in fragments, answers that go out in fragments, and those that never become whole
//! (RFC 791 §3.2, RFC 1122 §3.3.2). What goes out is put together by another's library.

use super::pieces::{counting, fragments_of, identified_like, put_together, retagged, udp_request};
use super::planes::{REALTIME, card_everywhere, station};
use super::*;
use crate::large::DEFAULT_PLACES;
use crate::rate::Limit;
use crate::reassembly::{Reassembly, TIMEOUT_SECONDS};
use crate::services::echo;
use crate::test_device::Station;
use crate::time::Ticks;
use etherparse::{Icmpv4Type, PacketHeaders, TransportHeader};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// What comes back for a UDP datagram to the echo port: everything that was turned around, turned around.
fn udp_echo_by_definition(request: &[u8]) -> Vec<u8> {
    let mut answer = request.to_vec();
    put(&mut answer, 0, &[PEER_MAC.0, OWN_MAC.0].concat());
    put(&mut answer, at::FRAGMENT, &[0x40, 0]);
    put(&mut answer, at::TIME_TO_LIVE, &[64]);
    put(
        &mut answer,
        at::SOURCE_IP,
        &request[at::DESTINATION_IP..at::ICMP],
    );
    put(
        &mut answer,
        at::DESTINATION_IP,
        &request[at::SOURCE_IP..at::DESTINATION_IP],
    );
    put(&mut answer, at::ICMP, &request[at::ICMP + 2..at::ICMP + 4]);
    put(&mut answer, at::ICMP + 2, &request[at::ICMP..at::ICMP + 2]);
    checksum::tests::seal(&mut answer[at::IPV4..at::ICMP], 10);
    answer
}

/// Delivers fragments, and returns the answer to their datagram as though it had gone out in one frame.
/// Checks that it comes with the last fragment, and in how many pieces.
fn answer_to(station: &mut Station, fragments: &[Vec<u8>], mtu: usize) -> Vec<u8> {
    let (last, others) = fragments.split_last().expect("fragments");
    for fragment in others {
        assert_eq!(station.receive(fragment), [[]; 0]);
    }
    let mut at_once = station.receive(last);
    if let Some(answer) = at_once.pop() {
        assert!(!station.card.has_large());
        return answer;
    }
    let mut sent = Vec::new();
    while station.card.has_large() {
        // A few at a time, as the loop has it.
        sent.extend(station.send_large(4));
    }
    let answer = put_together(&sent);
    let data = answer.len() - at::ICMP;
    assert!(data + 20 > mtu, "it would have fitted");
    // All but the last carry a multiple of eight octets.
    let room = mtu - 20;
    let needed = 1 + (data - room).div_ceil(room & !7);
    assert_eq!(sent.len(), needed, "no more fragments than needed");
    answer
}

/// Orders in which fragments come.
fn orders(count: usize) -> [Vec<usize>; 4] {
    let forward: Vec<usize> = (0..count).collect();
    let mut backward = forward.clone();
    backward.reverse();
    let mut last_first = forward.clone();
    last_first.rotate_right(1);
    let (even, odd): (Vec<_>, Vec<_>) = forward.iter().partition(|&&place| place % 2 == 0);
    [forward, backward, last_first, [odd, even].concat()]
}

#[test]
fn pings_and_echoes_in_2_to_45_fragments_in_any_order_are_answered_to_the_last_octet() {
    let mut station = station(REALTIME);
    for count in 2..=45_usize {
        let length = (count * 1480 - 8 - 13).min(65_507);
        let ping = echo_request(&[], &counting(length));
        let datagram = udp_request(echo::PORT, &counting(length));
        for (request, expected) in [
            (&ping, echo_reply_by_definition(&ping)),
            (&datagram, udp_echo_by_definition(&datagram)),
        ] {
            for (number, order) in orders(count).iter().enumerate() {
                let fragments = fragments_of(request, 1500, (count * 4 + number) as u16);
                assert_eq!(fragments.len(), count);
                let fragments: Vec<_> = order.iter().map(|&at| fragments[at].clone()).collect();
                let answer = answer_to(&mut station, &fragments, 1500);
                assert!(
                    answer == identified_like(&expected, &answer),
                    "{count} {order:?}"
                );
            }
        }
    }
    assert_eq!(station.card.counters().answered(), 44 * 2 * 4);
    assert_eq!(station.card.reassembly().waiting(), 0);
}

#[test]
fn an_answer_that_fits_goes_back_in_the_frame_of_the_last_fragment() {
    let mut station = station(REALTIME);
    for length in [41, 100, 999, 1472] {
        let ping = echo_request(&[], &counting(length));
        let datagram = udp_request(echo::PORT, &counting(length));
        for (request, expected) in [
            (&ping, echo_reply_by_definition(&ping)),
            (&datagram, udp_echo_by_definition(&datagram)),
        ] {
            let fragments = fragments_of(request, 68, 0x1234);
            for order in orders(fragments.len()) {
                let fragments: Vec<_> = order.iter().map(|&at| fragments[at].clone()).collect();
                let (last, others) = fragments.split_last().expect("fragments");
                others.iter().for_each(|frame| drop(station.receive(frame)));
                let sent = station.receive(last);
                assert_eq!(sent, [identified_like(&expected, last)], "{length}");
            }
        }
    }
}

#[test]
fn an_answer_longer_than_the_mtu_goes_out_in_fragments_however_its_request_came() {
    for mtu in [68, 100, 576, 1499] {
        let mut station = station(REALTIME);
        station.card.set_mtu(42, mtu).expect("in range");
        for length in [0, 20, 40, 41, 600, 1471, 1472] {
            let ping = echo_request(&[], &counting(length));
            let datagram = udp_request(echo::PORT, &counting(length));
            for (request, expected) in [
                (&ping, echo_reply_by_definition(&ping)),
                (&datagram, udp_echo_by_definition(&datagram)),
            ] {
                // RFC 1122 §3.3.3: never more than the link carries.
                let answer = answer_to(
                    &mut station,
                    core::slice::from_ref(request),
                    usize::from(mtu),
                );
                assert_eq!(
                    answer,
                    identified_like(&expected, &answer),
                    "{mtu} {length}"
                );
                let fragments = fragments_of(request, 548, 9);
                let answer = answer_to(&mut station, &fragments, usize::from(mtu));
                assert_eq!(
                    answer,
                    identified_like(&expected, &answer),
                    "{mtu} {length}"
                );
            }
        }
    }
}

#[test]
fn a_second_long_answer_waits_while_the_first_goes_out_and_short_ones_go_between() {
    let mut station = station(REALTIME);
    let requests = [20_000, 30_000].map(|length| echo_request(&[], &counting(length)));
    let mut sent = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        for fragment in fragments_of(request, 1500, number as u16) {
            station.receive(&fragment);
        }
        sent.extend(station.send_large(3));
        assert_eq!(station.receive(&ECHO_REQUEST), [ECHO_REPLY]);
    }
    sent.extend(station.send_large(usize::MAX));
    let first = sent.len() - 30_008_usize.div_ceil(1480);
    let answers = [put_together(&sent[..first]), put_together(&sent[first..])];
    for (answer, request) in answers.iter().zip(&requests) {
        let expected = echo_reply_by_definition(request);
        assert!(*answer == identified_like(&expected, answer));
    }
    let identifications = answers.map(|answer| [answer[22], answer[23]]);
    // RFC 6864 §4.2: two that are on their way at a time are told apart.
    assert_ne!(identifications[0], identifications[1]);
}

#[test]
fn a_long_answer_without_a_place_is_counted_and_a_short_one_needs_none() {
    let mut station = station(REALTIME);
    let send = |station: &mut Station, length, number: usize| {
        let request = echo_request(&[], &counting(length));
        let fragments = fragments_of(&request, 1480.min(length), number as u16);
        fragments
            .iter()
            .flat_map(|frame| station.receive(frame))
            .count()
    };
    for number in 0..DEFAULT_PLACES + 2 {
        send(&mut station, 3_000, number);
    }
    let counters = station.card.counters();
    assert_eq!(counters.answered(), DEFAULT_PLACES as u64);
    assert_eq!(counters.reason(Reason::NoTransmitSlot), 2);
    assert_eq!(send(&mut station, 1_000, 100), 1, "no place is needed");
    let sent = station.send_large(usize::MAX);
    assert_eq!(sent.len(), DEFAULT_PLACES * 3);
    send(&mut station, 3_000, 101);
    assert_eq!(station.send_large(9).len(), 3, "there is a place again");
}

#[test]
fn fragments_wait_for_room_in_the_transmit_ring() {
    let mut station = station(REALTIME);
    for fragment in fragments_of(&echo_request(&[], &counting(10_000)), 1500, 1) {
        station.receive(&fragment);
    }
    let mut sent = Vec::new();
    for slots in [0, 1, 0, 2, 0, 9] {
        station.device.slots = slots;
        let some = station.send_large(9);
        assert!(some.len() <= slots);
        sent.extend(some);
    }
    assert_eq!(put_together(&sent).len(), at::DATA + 10_000);
}

#[test]
fn what_goes_out_when_the_link_goes_down_is_given_up() {
    let mut station = station(REALTIME);
    for fragment in fragments_of(&echo_request(&[], &counting(10_000)), 1500, 1) {
        station.receive(&fragment);
    }
    assert_eq!(station.send_large(2).len(), 2);
    station.set_link(false);
    assert!(!station.card.has_large());
    station.set_link(true);
    assert_eq!(station.send_large(9), [[]; 0]);
}

#[test]
fn what_goes_out_from_an_address_that_is_taken_away_is_given_up() {
    let mut station = station(REALTIME);
    for fragment in fragments_of(&echo_request(&[], &counting(10_000)), 1500, 1) {
        station.receive(&fragment);
    }
    assert_eq!(station.send_large(2).len(), 2);
    let removed = station.card.remove_address(42, OWN_IP);
    removed.expect("is there");
    assert_eq!(station.send_large(9), [[]; 0]);
    assert!(!station.card.has_large());
}

/// Sends all fragments but those for which `is_lost`; then says what is said when their time is over.
fn said_after(
    station: &mut Station,
    fragments: &[Vec<u8>],
    is_lost: fn(usize) -> bool,
) -> Vec<Vec<u8>> {
    for (place, fragment) in fragments.iter().enumerate() {
        if !is_lost(place) {
            station.exchange(fragment);
        }
    }
    station.pass(Ticks(TIMEOUT_SECONDS * SECOND - 1));
    assert_eq!(time_exceeded(station), [[]; 0], "too early");
    station.pass(Ticks(1));
    let said = time_exceeded(station);
    assert_eq!(station.card.reassembly().waiting(), 0);
    assert_eq!(time_exceeded(station), [[]; 0], "once");
    said
}

/// What is sent of itself but claims.
fn time_exceeded(station: &mut Station) -> Vec<Vec<u8>> {
    let mut sent = station.send_all_due(4);
    sent.retain(|frame| frame[pieces::front_length(frame) - 1] != 6);
    sent
}

#[test]
fn a_datagram_that_never_becomes_whole_is_told_so_when_fragment_zero_was_here_rfc_1122_section_3_3_2()
 {
    for tag_control in [REALTIME, None, Some(0xe000)] {
        let mut station = station(tag_control);
        let request = retagged(&echo_request(&[], &counting(4_000)), tag_control);
        let fragments = fragments_of(&request, 1500, 0x0bad);
        let said = said_after(&mut station, &fragments, |place| place == 1);
        assert_eq!(said.len(), 1);
        let front = pieces::front_length(&request);
        assert_eq!(said[0][..12], [PEER_MAC.0, OWN_MAC.0].concat());
        assert_eq!(said[0][12..front], request[12..front], "the tag");
        let message = PacketHeaders::from_ethernet_slice(&said[0]).expect("ICMP");
        let Some(TransportHeader::Icmpv4(icmp)) = &message.transport else {
            panic!("no ICMP: {message:?}");
        };
        let code = etherparse::icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded;
        assert_eq!(icmp.icmp_type, Icmpv4Type::TimeExceeded(code));
        assert_eq!(message.payload.slice(), &fragments[0][front..front + 548]);
        assert_eq!(
            icmp.checksum,
            icmp.icmp_type.calc_checksum(message.payload.slice())
        );
        assert_eq!(station.card.icmp_errors().sent(), 1);
    }
}

#[test]
fn nothing_is_said_when_fragment_zero_is_what_is_missing_rfc_1122_section_3_3_2() {
    let mut station = station(REALTIME);
    let request = echo_request(&[], &counting(4_000));
    let fragments = fragments_of(&request, 1500, 1);
    assert_eq!(
        said_after(&mut station, &fragments, |place| place == 0),
        [[]; 0]
    );
}

#[test]
fn nothing_is_said_of_groups_nor_by_a_device_that_is_down_or_has_another_address_now() {
    let request = echo_request(&[], &counting(4_000));
    let mut to_group = request.clone();
    put(&mut to_group, at::DESTINATION_IP, &[10, 10, 10, 255]);
    checksum::tests::seal(&mut to_group[at::IPV4..at::ICMP], 10);
    type Change = fn(&mut Interface);
    let changes: [(&[u8], Change); 4] = [
        (&to_group, |_| ()),
        (&request, |card| card.set_up(42, false).expect("is there")),
        (&request, |card| {
            card.remove_address(42, OWN_IP).expect("is there")
        }),
        (&request, |card| {
            card.remove_vlan_device(42).expect("is there")
        }),
    ];
    for (request, change) in changes {
        let mut station = station(REALTIME);
        station.receive(&fragments_of(request, 1500, 1)[0]);
        change(&mut station.card);
        station.pass(Ticks(TIMEOUT_SECONDS * SECOND));
        assert_eq!(time_exceeded(&mut station), [[]; 0]);
        assert_eq!(station.card.icmp_errors().sent(), 0);
    }
}

#[test]
fn time_exceeded_is_limited_by_what_was_sent_lately_and_not_a_minute_ago() {
    let mut station = station(REALTIME);
    let limit = Limit::new(1, 1);
    station.card.set_icmp_error_limits(limit, limit);
    let request = echo_request(&[], &counting(4_000));
    station.receive(&fragments_of(&request, 1500, 1)[0]);
    station.pass(Ticks(TIMEOUT_SECONDS * SECOND));
    assert_eq!(station.receive(&udp_request(4711, b"data")).len(), 1);
    assert_eq!(time_exceeded(&mut station), [[]; 0]);
    assert_eq!(station.receive(&udp_request(4711, b"data")), [[]; 0]);
}

#[test]
fn a_fragment_that_comes_after_the_time_begins_anew() {
    let mut station = station(REALTIME);
    let request = echo_request(&[], &counting(2_000));
    let fragments = fragments_of(&request, 1500, 1);
    station.receive(&fragments[0]);
    station.pass(Ticks(TIMEOUT_SECONDS * SECOND));
    station.receive(&fragments[1]);
    assert!(!station.card.has_large());
    station.receive(&fragments[0]);
    assert_eq!(station.send_large(9).len(), 2);
}

#[test]
fn a_repeated_fragment_does_no_harm_and_a_contradiction_ends_the_datagram_rfc_5722() {
    let request = echo_request(&[], &counting(4_000));
    let fragments = fragments_of(&request, 1500, 1);
    let mut station = station(REALTIME);
    for fragment in [0, 0, 1, 0, 1] {
        station.receive(&fragments[fragment]);
    }
    assert_eq!(station.card.counters().reason(Reason::FragmentDuplicate), 3);
    station.receive(&fragments[2]);
    assert_eq!(station.send_large(9).len(), 3, "answered once");

    let fragments = fragments_of(&request, 1500, 2);
    let mut other = fragments[1].clone();
    other[at::DATA] ^= 1;
    station.receive(&fragments[1]);
    station.receive(&other);
    for fragment in &fragments {
        station.receive(fragment);
    }
    assert_eq!(station.card.counters().reason(Reason::FragmentOverlap), 4);
    assert_eq!(station.send_large(9), [[]; 0]);
}

#[test]
fn the_same_datagram_in_two_vlans_is_two() {
    let mut station = Station::new(card_everywhere(), NOW);
    let request = echo_request(&[], &counting(100));
    let ways = [Some(42), Some(45), None];
    let fragments = ways.map(|way| fragments_of(&retagged(&request, way), 100, 7));
    for (place, way) in [(0, 0), (1, 1), (1, 2)] {
        assert_eq!(station.exchange(&fragments[way][place]), [[]; 0]);
    }
    assert_eq!(station.card.reassembly().waiting(), 3);
    for (place, way) in [(1, 0), (0, 1), (0, 2)] {
        let sent = station.exchange(&fragments[way][place]);
        assert_eq!(sent.len(), 1);
        let expected = retagged(&echo_reply_by_definition(&request), ways[way]);
        assert_eq!(sent[0], identified_like(&expected, &fragments[way][place]));
    }
}

#[test]
fn without_room_to_put_datagrams_together_fragments_are_counted() {
    let mut station = station(REALTIME);
    station.card.reassembly = Reassembly::new(0, station.card.rate);
    for fragment in fragments_of(&echo_request(&[], &counting(100)), 100, 7) {
        assert_eq!(station.receive(&fragment), [[]; 0]);
    }
    assert_eq!(station.card.counters().reason(Reason::FragmentNoRoom), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_ping_of_any_size_in_fragments_of_any_size_in_any_order_is_answered(
        (length, mtu, order) in (0..30_000_usize, 68..=1500_usize).prop_flat_map(|(length, mtu)| {
            let mtu = mtu.max(length / 40);
            let count = fragments_of(&echo_request(&[], &counting(length)), mtu.min(1500), 3).len();
            let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            (Just(length), Just(mtu.min(1500)), order)
        }),
        own_mtu in 68..=1500_u16,
    ) {
        let mut station = station(REALTIME);
        station.card.set_mtu(42, own_mtu).expect("in range");
        let request = echo_request(&[], &counting(length));
        let fragments = fragments_of(&request, mtu, 3);
        let fragments: Vec<_> = order.iter().map(|&at| fragments[at].clone()).collect();
        let answer = answer_to(&mut station, &fragments, usize::from(own_mtu));
        let expected = identified_like(&echo_reply_by_definition(&request), &answer);
        prop_assert!(answer == expected);
    }
}
