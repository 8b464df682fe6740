//! The appliance's own ping, from its first question to its last reply.

use super::*;
use crate::counters::Reason;
use crate::own_ping::PingError;
use crate::ping::{MAXIMUM_SIZE, PingSettings, Verdict};
use crate::receive::tests::pieces::{fragments_of, put_together};
use std::vec;

fn settings(size: u16) -> PingSettings {
    PingSettings {
        destination: PEER_IP,
        identifier: 0xbeef,
        count: 3,
        interval_ns: SECOND,
        timeout_ns: SECOND,
        size,
    }
}

/// A station that pings a peer that it knows, or not.
fn pinging(size: u16, vid: Option<u16>, knows_peer: bool) -> Station {
    let mut station = station();
    if knows_peer {
        let now = station.now;
        let added = station.card.add_neighbor(42, PEER_IP, PEER_MAC, now);
        added.expect("there is room");
    }
    let now = station.now;
    let hop = station.card.start_ping(settings(size), vid, now);
    assert_eq!(hop.map(|hop| (hop.vid, hop.source)), Ok((42, OWN_IP)));
    station
}

/// What is sent in 10 ms.
fn next(station: &mut Station) -> Vec<Vec<u8>> {
    let mut sent = frames(run(station, 10 * MILLISECOND));
    sent.extend(station.send_large(usize::MAX));
    sent
}

/// What the peer answers.
fn echo_reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[..12].copy_from_slice(&[OWN_MAC.0, PEER_MAC.0].concat());
    reply[30..34].copy_from_slice(&request[34..38]);
    reply[34..38].copy_from_slice(&request[30..34]);
    reply[38] = 0;
    crate::wire::checksum::tests::seal(&mut reply[18..38], 10);
    crate::wire::checksum::tests::seal(&mut reply[38..], 2);
    reply
}

#[test]
fn an_echo_request_goes_out_octet_by_octet_and_its_reply_is_judged() {
    for vid in [None, Some(42)] {
        let mut station = pinging(4, vid, true);
        #[rustfmt::skip]
        let request = [
            0x02, 0x00, 0x00, 0x00, 0x00, 0x09, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // to the peer
            0x81, 0x00, 0x00, 0x2a, 0x08, 0x00, // VID 42, IPv4
            0x45, 0x00, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x12, 0xb5, // TTL 64, ICMP
            10, 10, 10, 11, 10, 10, 10, 10, // from us
            0x08, 0x00, 0x37, 0x0b, 0xbe, 0xef, 0x00, 0x01, // echo request
            0, 1, 2, 3,
        ];
        assert_eq!(next(&mut station), [request]);
        assert_eq!(station.receive(&echo_reply(&request)), [[]; 0]);
        assert_eq!(station.card.counters().reason(Reason::IcmpReplyTaken), 1);
        let reply = station.card.take_ping_reply().expect("a reply");
        assert_eq!(
            (reply.sequence, reply.octets, reply.verdict),
            (1, 4, Verdict::InTime)
        );
        assert_eq!(reply.round_trip_ns, 10 * MILLISECOND);
    }
}

/// What the router 10.10.10.1 says of a frame.
fn icmp_error(about: &[u8], kind: [u8; 2]) -> Vec<u8> {
    let quoted = &about[18..];
    let mut error = [&OWN_MAC.0[..], &PEER_MAC.0, &about[12..18]].concat();
    error.extend([
        0x45,
        0,
        0,
        (28 + quoted.len()) as u8,
        0,
        0,
        0,
        0,
        64,
        1,
        0,
        0,
    ]);
    error.extend([10, 10, 10, 1, 10, 10, 10, 11]);
    error.extend([kind[0], kind[1], 0, 0, 0, 0, 0, 0]);
    error.extend(quoted);
    crate::wire::checksum::tests::seal(&mut error[18..38], 10);
    crate::wire::checksum::tests::seal(&mut error[38..], 2);
    error
}

#[test]
fn an_icmp_error_about_a_request_ends_the_wait_for_it() {
    for (kind, text) in [
        ([3, 0], "Destination Net Unreachable"),
        ([3, 1], "Destination Host Unreachable"),
        ([3, 13], "Packet filtered"),
        ([3, 99], "Dest Unreachable, Bad Code: 99"),
        ([11, 0], "Time to live exceeded"),
        ([12, 0], "Parameter problem"),
    ] {
        let mut station = pinging(4, None, true);
        let request = next(&mut station).remove(0);
        let error = icmp_error(&request, kind);
        assert_eq!(station.receive(&error), [[]; 0]);
        let reply = station.card.take_ping_reply().expect("it is told");
        let Verdict::Undelivered { from, why } = reply.verdict else {
            panic!("{reply:?}");
        };
        assert_eq!((from.octets(), reply.sequence), ([10, 10, 10, 1], 1));
        assert_eq!(std::format!("{why}"), text);
        let (summary, _) = station.card.ping_progress().expect("a session");
        let counted = (summary.lost, summary.unreachable, summary.outstanding);
        assert_eq!(counted, (1, 1, 0));
        // A second one says nothing new.
        station.receive(&error);
        assert_eq!(station.card.take_ping_reply(), None);
        let counters = station.card.counters();
        assert_eq!(counters.reason(Reason::IcmpReplyTaken), 1);
        assert_eq!(counters.reason(Reason::IcmpType), 1);
    }
}

#[test]
fn an_icmp_error_about_anything_else_says_nothing_of_our_requests() {
    let mut station = pinging(4, None, true);
    let request = next(&mut station).remove(0);
    let changed = |at: usize, to: u8| {
        let mut about = request.clone();
        about[at] = to;
        icmp_error(&about, [3, 1])
    };
    // Sent to one address, about a request from another.
    let to = |destination: [u8; 4], source: [u8; 4]| {
        let mut about = request.clone();
        about[30..34].copy_from_slice(&source);
        let mut error = icmp_error(&about, [3, 1]);
        error[34..38].copy_from_slice(&destination);
        crate::wire::checksum::tests::seal(&mut error[18..38], 10);
        error
    };
    let errors = [
        icmp_error(&request, [5, 1]),
        icmp_error(&request[..18 + 20], [3, 1]),
        icmp_error(&request[..18], [3, 1]),
        changed(18, 0x4f),
        // Of IP version 6, with a header of 16 octets, of a later fragment, not from us.
        changed(18, 0x65),
        changed(18, 0x44),
        changed(25, 1),
        changed(24, 0x10),
        changed(33, 99),
        to([10, 10, 10, 255], OWN_IP.octets()),
        to([10, 10, 10, 255], [10, 10, 10, 255]),
        to([255; 4], [255; 4]),
        changed(27, 17),
        changed(37, 99),
        changed(38, 0),
        changed(42, 0xff),
        changed(45, 99),
    ];
    for error in &errors {
        assert_eq!(station.receive(error), [[]; 0]);
        assert_eq!(station.card.take_ping_reply(), None, "{error:02x?}");
    }
    let counters = station.card.counters();
    assert_eq!(counters.reason(Reason::IcmpType), errors.len() as u64);
    let (summary, _) = station.card.ping_progress().expect("a session");
    assert_eq!((summary.lost, summary.outstanding), (0, 1));
}

#[test]
fn an_icmp_error_about_the_first_fragment_of_a_request_is_about_the_request() {
    let mut station = pinging(2000, None, true);
    let first = next(&mut station).remove(0);
    assert_eq!(first[24] & 0x20, 0x20);
    station.receive(&icmp_error(&first[..18 + 28], [3, 1]));
    let told = station.card.take_ping_reply().expect("it is told");
    assert!(matches!(told.verdict, Verdict::Undelivered { .. }));
}

#[test]
fn the_first_request_waits_until_the_peer_is_known() {
    let mut station = pinging(56, None, false);
    assert_eq!(next(&mut station), [question(42, OWN_IP, PEER_IP)]);
    station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    let sent = next(&mut station);
    assert_eq!(sent.len(), 1);
    station.receive(&echo_reply(&sent[0]));
    let (summary, _) = station.card.ping_progress().expect("a session");
    assert_eq!((summary.sent, summary.in_time, summary.lost), (1, 1, 0));
}

#[test]
fn requests_without_a_reply_are_lost_and_the_session_ends() {
    let mut station = pinging(56, None, true);
    let sent = run(&mut station, 5 * SECOND);
    let times: Vec<u64> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(times, [SECOND, SECOND]);
    let (summary, is_over) = station.card.ping_progress().expect("a session");
    assert_eq!((summary.sent, summary.lost, is_over), (3, 3, true));
    assert_eq!(station.card.stop_ping().expect("a session"), summary);
    assert_eq!(station.card.ping_progress(), None);
}

#[test]
fn the_longest_ping_goes_out_and_its_reply_comes_back_in_45_fragments() {
    for size in [1473, MAXIMUM_SIZE] {
        let mut station = pinging(size, None, true);
        let sent = next(&mut station);
        assert_eq!(sent.len(), (usize::from(size) + 8).div_ceil(1480));
        let request = put_together(&sent);
        assert_eq!(request.len(), 18 + 28 + usize::from(size));
        let mut fragments = fragments_of(&echo_reply(&request), 1500, 99);
        fragments.reverse();
        for fragment in fragments {
            assert_eq!(station.receive(&fragment), [[]; 0]);
        }
        assert!(!station.card.has_large());
        let reply = station.card.take_ping_reply().expect("a reply");
        assert_eq!(
            (reply.octets, reply.verdict),
            (size.into(), Verdict::InTime)
        );
        assert_eq!(station.card.counters().reason(Reason::IcmpReplyTaken), 1);
    }
}

#[test]
fn a_reply_in_fragments_is_here_when_its_last_fragment_is() {
    let mut station = pinging(2000, None, true);
    let request = put_together(&next(&mut station));
    for fragment in fragments_of(&echo_reply(&request), 1500, 99) {
        station.receive(&fragment);
        station.pass(Ticks(100 * MILLISECOND));
    }
    let reply = station.card.take_ping_reply().expect("a reply");
    assert_eq!(reply.round_trip_ns, 110 * MILLISECOND);
}

#[test]
fn a_reply_that_is_not_for_the_session_is_a_message_like_any_other() {
    let mut station = pinging(4, None, true);
    let request = next(&mut station).remove(0);
    let mut other = echo_reply(&request);
    other[42] ^= 1;
    crate::wire::checksum::tests::seal(&mut other[38..], 2);
    station.receive(&other);
    let mut damaged = echo_reply(&request);
    damaged[46] ^= 1;
    station.receive(&damaged);
    let counters = station.card.counters();
    assert_eq!(counters.reason(Reason::IcmpType), 1);
    assert_eq!(counters.reason(Reason::IcmpChecksum), 1);
    assert_eq!(station.card.take_ping_reply(), None);
    // Twice, and with other data, it is one, and told apart.
    let reply = echo_reply(&request);
    station.receive(&reply);
    station.receive(&reply);
    let verdicts = core::iter::from_fn(|| station.card.take_ping_reply());
    let verdicts: Vec<_> = verdicts.map(|reply| reply.verdict).collect();
    assert_eq!(verdicts, vec![Verdict::InTime, Verdict::Duplicate]);
}

#[test]
fn a_ping_that_leads_nowhere_is_not_begun() {
    let mut station = station();
    let now = station.now;
    let mut start = |destination, vid| {
        let settings = PingSettings {
            destination,
            ..settings(56)
        };
        station.card.start_ping(settings, vid, now).err()
    };
    assert_eq!(start(OWN_IP, None), Some(PingError::OwnAddress));
    assert_eq!(start(UNTAGGED_IP, Some(42)), Some(PingError::OwnAddress));
    for (destination, vid) in [
        (Ipv4Addr::new(8, 8, 8, 8), None),
        (PEER_IP, Some(45)),
        (Ipv4Addr::new(10, 10, 10, 255), None),
        (Ipv4Addr::new(224, 0, 0, 1), None),
    ] {
        assert!(matches!(
            start(destination, vid),
            Some(PingError::NoRoute(_))
        ));
    }
    assert_eq!(station.card.ping_progress(), None);
}

#[test]
fn no_ping_is_begun_through_a_device_that_is_down_or_whose_card_is() {
    let mut station = station();
    let now = station.now;
    for (down, vid) in [(42, None), (42, Some(42)), (0, None), (0, Some(42))] {
        station.card.set_up(down, false).expect("is there");
        let begun = station.card.start_ping(settings(56), vid, now);
        assert_eq!(begun, Err(PingError::Down(42)), "{down} {vid:?}");
        station.card.set_up(down, true).expect("is there");
        assert!(station.card.start_ping(settings(56), vid, now).is_ok());
        station.card.stop_ping();
    }
}

#[test]
fn nothing_is_asked_while_the_link_is_down_and_what_was_due_counts_as_lost() {
    let mut station = pinging(56, None, true);
    station.set_link(false);
    assert_eq!(run(&mut station, 10 * SECOND), []);
    let (summary, _) = station.card.ping_progress().expect("a session");
    assert_eq!((summary.sent, summary.lost), (3, 3));
}

#[test]
fn requests_for_a_silent_address_are_unreachable_and_not_lost_before() {
    // Longer than the question is asked, and shorter.
    for (timeout_ns, count) in [
        (SECOND, 0),
        (SECOND, 1),
        (SECOND / 10, 1),
        (100 * SECOND, 2),
    ] {
        let mut station = station();
        let now = station.now;
        let settings = PingSettings {
            count,
            timeout_ns,
            ..settings(4)
        };
        station
            .card
            .start_ping(settings, None, now)
            .expect("a route leads there");
        run(&mut station, 2 * SECOND);
        let (summary, is_over) = station.card.ping_progress().expect("a session");
        assert!(!is_over && summary.lost == 0, "{summary:?}");
        run(&mut station, 2 * SECOND);
        let verdicts = core::iter::from_fn(|| station.card.take_ping_reply());
        let told: Vec<_> = verdicts
            .map(|reply| (reply.sequence, reply.verdict))
            .collect();
        let sent = if count == 0 { 3 } else { count as u16 };
        let from = OWN_IP;
        let expected: Vec<_> = (1..=sent)
            .map(|sequence| (sequence, Verdict::Unreachable { from }))
            .collect();
        assert!(
            told.starts_with(&expected) && told.len() <= expected.len() + 1,
            "{told:?}"
        );
        let (summary, is_over) = station.card.ping_progress().expect("a session");
        assert_eq!(is_over, count > 0);
        assert_eq!(summary.unreachable, told.len() as u64);
        assert_eq!(summary.lost, summary.unreachable);
    }
}

#[test]
fn a_peer_that_comes_up_ends_the_wait() {
    let mut station = pinging(4, None, false);
    run(&mut station, SECOND + SECOND / 2);
    let now = station.now;
    station
        .card
        .add_neighbor(42, PEER_IP, PEER_MAC, now)
        .expect("there is room");
    run(&mut station, 4 * SECOND);
    let (summary, is_over) = station.card.ping_progress().expect("a session");
    assert!(is_over);
    // What was sent and not answered is lost, and nobody says that it is unreachable.
    assert_eq!((summary.lost, summary.unreachable), (3, 0), "{summary:?}");
    assert_eq!(station.card.take_ping_reply(), None);
}
