//! Questions for neighbors, their answers, and what waits for them (RFC 826, RFC 1122 §2.3.2).

use super::services::{teller, to_peer};
use super::*;
use crate::neighbor::Resolution;
use std::vec;

const PLACES: [(u16, Ipv4Addr); 3] = [(0, UNTAGGED_IP), (42, OWN_IP), (45, IN_BAND_IP)];

fn neighbor_of(own: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(own.to_bits() - 1)
}

#[test]
fn a_neighbor_is_asked_for_three_times_a_second_apart_and_then_given_up_rfc_1122_section_2_3_2_1() {
    for (vid, own) in PLACES {
        let mut station = station();
        let begin = station.now.ticks() - START.ticks();
        let address = neighbor_of(own);
        let asked = station.card.solicit(vid, address, false, station.now);
        assert_eq!(asked, Resolution::Wait);
        let sent = run(&mut station, 10 * SECOND);
        let times: Vec<u64> = sent.iter().map(|(time, _)| time - begin).collect();
        assert_eq!(times, [0, SECOND, 2 * SECOND]);
        assert_eq!(frames(sent), vec![question(vid, own, address); 3]);
        assert_eq!(
            events(&mut station),
            [Event::NeighborSilent { vid, address }]
        );
    }
}

#[test]
fn an_answer_ends_the_question_and_is_told() {
    for permanent in [false, true] {
        for (vid, own) in PLACES {
            let mut station = station();
            let address = neighbor_of(own);
            station.card.solicit(vid, address, permanent, station.now);
            assert_eq!(run(&mut station, SECOND / 2).len(), 1);
            station.exchange(&reply(vid, (PEER_MAC, address), own));
            assert_eq!(run(&mut station, 5 * SECOND), []);
            let found = Event::NeighborFound {
                vid,
                address,
                mac: PEER_MAC,
                permanent,
            };
            assert_eq!(events(&mut station), [found]);
        }
    }
}

#[test]
fn an_answer_in_another_vlan_is_none() {
    let mut station = station();
    station.card.solicit(42, PEER_IP, false, station.now);
    station.exchange(&reply(45, (PEER_MAC, PEER_IP), OWN_IP));
    run(&mut station, 5 * SECOND);
    assert_eq!(
        events(&mut station),
        [Event::NeighborSilent {
            vid: 42,
            address: PEER_IP
        }]
    );
}

#[test]
fn a_neighbor_where_we_have_no_address_that_is_in_use_is_not_asked_for() {
    let mut station = station();
    station.card.remove_address(42, OWN_IP).expect("is there");
    station.card.solicit(42, PEER_IP, false, station.now);
    assert_eq!(run(&mut station, 5 * SECOND), []);

    // RFC 5227 §2.1.1: an address that is being probed for is not told to anybody.
    let mut card = bare_card();
    card.set_address_start(crate::address_conflict::Start::ProbeFirst);
    add_addresses(&mut card);
    let mut probing = Station::new(card, START);
    probing.card.solicit(42, PEER_IP, false, START);
    let sent = frames(run(&mut probing, 2 * SECOND));
    assert!(!sent.contains(&question(42, OWN_IP, PEER_IP)));
}

#[test]
fn what_waits_for_a_neighbor_goes_out_when_it_answers_the_latest_alone_rfc_1122_section_2_3_2_2() {
    let mut station = station();
    for data in [b"old", b"new"] {
        teller(&mut station).say(to_peer(), data);
        run(&mut station, SECOND / 10);
    }
    assert_eq!(teller(&mut station).said, [Ok(()), Ok(())]);
    assert_eq!(station.card.neighbors().counters().requests, 1);
    station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    let sent = frames(run(&mut station, SECOND));
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0][..18],
        [&PEER_MAC.0[..], &OWN_MAC.0, &[0x81, 0, 0xa0, 42, 8, 0]].concat()
    );
    assert!(sent[0].ends_with(b"new"));
}

#[test]
fn what_waits_for_a_neighbor_that_does_not_answer_is_dropped_after_three_questions() {
    let mut station = station();
    teller(&mut station).say(to_peer(), b"lost");
    let sent = frames(run(&mut station, 10 * SECOND));
    assert_eq!(sent, vec![question(42, OWN_IP, PEER_IP); 3]);
    assert_eq!(station.card.neighbors().counters().failures, 1);
    assert_eq!(events(&mut station), [], "no operator asked");
    station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    assert_eq!(run(&mut station, SECOND), []);
}

#[test]
fn what_waits_does_not_go_out_through_a_device_or_from_an_address_that_was_taken_down_or_away() {
    let down = |card: &mut Interface| card.set_up(42, false).expect("is there");
    let away = |card: &mut Interface| card.remove_vlan_device(42).expect("is there");
    let address_away = |card: &mut Interface| card.remove_address(42, OWN_IP).expect("is there");
    for taken in [down as fn(&mut Interface), away, address_away] {
        let mut station = station();
        teller(&mut station).say(to_peer(), b"data");
        run(&mut station, SECOND / 2);
        station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
        taken(&mut station.card);
        assert_eq!(run(&mut station, 10 * SECOND), []);
    }
}

#[test]
fn a_neighbor_that_says_it_is_elsewhere_than_the_operator_says_is_told_of() {
    let mut station = station();
    let now = station.now;
    let added = station.card.add_neighbor(42, PEER_IP, PEER_MAC, now);
    added.expect("there is room");
    let other = MacAddress([2, 0, 0, 0, 0, 0x66]);
    station.receive(&reply(42, (other, PEER_IP), OWN_IP));
    run(&mut station, SECOND);
    let told = Event::NeighborContradicted {
        vid: 42,
        address: PEER_IP,
        mac: PEER_MAC,
        by: other,
    };
    assert_eq!(events(&mut station), [told]);
    // It is the operator's word that counts.
    teller(&mut station).say(to_peer(), b"data");
    let sent = frames(run(&mut station, SECOND));
    assert_eq!(sent[0][..6], PEER_MAC.0);
}

#[test]
fn a_neighbor_that_we_talk_to_is_asked_alone_whether_it_is_still_there_rfc_1122_section_2_3_2_1() {
    let mut station = station();
    station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    station.receive(&question_of_peer());
    run(&mut station, 50 * SECOND);
    teller(&mut station).say(to_peer(), b"data");
    let sent = frames(run(&mut station, SECOND / 2));
    assert_eq!(sent.len(), 2);
    let nobody = MacAddress([0; 6]);
    let alone = arp(42, (PEER_MAC, OWN_MAC), 1, OWN_IP, (nobody, PEER_IP));
    assert!(sent.contains(&alone));
}

/// The peer asks for us.
fn question_of_peer() -> Vec<u8> {
    let all = (MacAddress::BROADCAST, PEER_MAC);
    arp(42, all, 1, PEER_IP, (MacAddress([0; 6]), OWN_IP))
}
