//! Claims to addresses, from the link that comes up to the defence (RFC 5227).

use super::*;
use crate::address_conflict::Start;
use crate::counters::Reason;
use std::string::ToString;
use std::vec;

/// A card that probes for its addresses before it uses them.
fn probing() -> Station {
    let mut card = bare_card();
    card.set_address_start(Start::ProbeFirst);
    add_addresses(&mut card);
    Station::new(card, START)
}

fn announcement(vid: u16, address: Ipv4Addr) -> Vec<u8> {
    question(vid, address, address)
}

/// Another station asks who has one of our addresses: whether it gets an answer.
fn is_answered_for(station: &mut Station, vid: u16, address: Ipv4Addr) -> bool {
    let asker = Ipv4Addr::from_bits(address.to_bits() - 1);
    let nobody = MacAddress([0; 6]);
    let all = (MacAddress::BROADCAST, PEER_MAC);
    let sent = station.exchange(&arp(vid, all, 1, asker, (nobody, address)));
    !sent.is_empty()
}

/// Another station says that it has `address`.
fn claim(vid: u16, address: Ipv4Addr) -> Vec<u8> {
    let nobody = MacAddress([0; 6]);
    let all = (MacAddress::BROADCAST, PEER_MAC);
    arp(vid, all, 1, address, (nobody, address))
}

#[test]
fn each_address_is_announced_twice_when_the_link_comes_up_with_a_tag_or_without_rfc_5227_section_2_3()
 {
    let mut card = bare_card();
    add_addresses(&mut card);
    let mut station = Station::new(card, START);
    for _ in 0..2 {
        let up = station.now.ticks() - START.ticks();
        let sent = run(&mut station, 20 * SECOND);
        for (vid, address) in [(0, UNTAGGED_IP), (42, OWN_IP), (45, IN_BAND_IP)] {
            let of_address = |sent: &&(u64, Vec<u8>)| sent.1 == announcement(vid, address);
            let times = sent.iter().filter(of_address).map(|(time, _)| time - up);
            assert_eq!(times.collect::<Vec<_>>(), [0, 2 * SECOND], "VLAN {vid}");
        }
        assert_eq!(sent.len(), 6);
        station.set_link(false);
        assert_eq!(run(&mut station, 5 * SECOND), []);
        station.set_link(true);
    }
}

#[test]
fn an_address_that_is_given_while_the_link_is_up_is_announced_then() {
    let mut station = station();
    let cidr = Ipv4Cidr::new(Ipv4Addr::new(10, 10, 10, 77), 24).expect("in range");
    station.card.add_address(42, cidr).expect("a host address");
    let expected = announcement(42, cidr.address());
    assert_eq!(frames(run(&mut station, 5 * SECOND)), vec![expected; 2]);
}

#[test]
fn nothing_is_announced_by_a_device_that_is_down_before_it_is_up() {
    let mut card = bare_card();
    add_addresses(&mut card);
    card.set_up(42, false).expect("is there");
    let mut station = Station::new(card, START);
    let sent = frames(run(&mut station, 5 * SECOND));
    assert!(!sent.contains(&announcement(42, OWN_IP)));
    station.card.set_up(42, true).expect("is there");
    let sent = frames(run(&mut station, 5 * SECOND));
    assert_eq!(sent, vec![announcement(42, OWN_IP); 2]);
}

#[test]
fn an_address_that_is_probed_for_is_not_used_before_nobody_objected_rfc_5227_section_2_1() {
    let mut station = probing();
    for (vid, address) in [(0, UNTAGGED_IP), (42, OWN_IP), (45, IN_BAND_IP)] {
        assert!(!is_answered_for(&mut station, vid, address));
    }
    let reasons = |station: &Station| {
        let counters = station.card.counters();
        [Reason::Untagged, Reason::ArpNotForUs].map(|reason| counters.reason(reason))
    };
    assert_eq!(reasons(&station), [1, 2]);
    let sent = run(&mut station, 20 * SECOND);
    for (vid, address) in [(0, UNTAGGED_IP), (42, OWN_IP), (45, IN_BAND_IP)] {
        let probe = question(vid, Ipv4Addr::UNSPECIFIED, address);
        let times = |frame: &Vec<u8>| {
            let same = sent.iter().filter(|(_, sent)| sent == frame);
            same.map(|(time, _)| *time).collect::<Vec<_>>()
        };
        let (probes, announcements) = (times(&probe), times(&announcement(vid, address)));
        assert_eq!((probes.len(), announcements.len()), (3, 2), "VLAN {vid}");
        // PROBE_WAIT, PROBE_MIN to PROBE_MAX, ANNOUNCE_WAIT, ANNOUNCE_INTERVAL; in steps of 10 ms.
        let slack = 10 * MILLISECOND;
        assert!(probes[0] <= SECOND + slack);
        for pair in probes.windows(2) {
            assert!((SECOND..=2 * SECOND + slack).contains(&(pair[1] - pair[0])));
        }
        assert!((2 * SECOND..=2 * SECOND + slack).contains(&(announcements[0] - probes[2])));
        assert!((2 * SECOND..=2 * SECOND + slack).contains(&(announcements[1] - announcements[0])));
        assert!(is_answered_for(&mut station, vid, address));
    }
    assert_eq!(sent.len(), 15);
}

#[test]
fn an_address_that_another_has_is_reported_and_not_used_rfc_5227_section_2_1_1() {
    let mut station = probing();
    // It uses the address, or wants it too.
    let probe = |address| {
        let (all, nobody) = ((MacAddress::BROADCAST, PEER_MAC), MacAddress([0; 6]));
        arp(45, all, 1, Ipv4Addr::UNSPECIFIED, (nobody, address))
    };
    for _ in 0..30 {
        run(&mut station, SECOND);
        station.exchange(&claim(42, OWN_IP));
        station.exchange(&probe(IN_BAND_IP));
    }
    assert!(
        is_answered_for(&mut station, 0, UNTAGGED_IP),
        "it has nothing to do with the others"
    );
    assert!(!is_answered_for(&mut station, 42, OWN_IP));
    assert!(!is_answered_for(&mut station, 45, IN_BAND_IP));
    let events = events(&mut station);
    let taken = |vid, address| Event::AddressTaken {
        vid,
        address,
        by: PEER_MAC,
    };
    assert!(events.contains(&taken(42, OWN_IP)) && events.contains(&taken(45, IN_BAND_IP)));
    assert_eq!(
        events[0].to_string(),
        "address conflict: 02:00:00:00:00:09 has 10.10.10.11 in VLAN 42; it is not used here"
    );
    // MAX_CONFLICTS of each, then RATE_LIMIT_INTERVAL.
    assert_eq!(events.len() as u64 + station.card.lost_events(), 20);
    let sent = frames(run(&mut station, 30 * SECOND));
    assert_eq!(sent, [[]; 0]);
}

#[test]
fn a_conflict_is_reported_and_answered_with_one_announcement_in_ten_seconds_rfc_5227_section_2_4() {
    for (vid, address, other_vid) in [(42, OWN_IP, 45), (45, IN_BAND_IP, 0), (0, UNTAGGED_IP, 42)] {
        let mut station = station();
        // In another VLAN it is nobody's concern.
        station.exchange(&claim(other_vid, address));
        assert_eq!(frames(run(&mut station, SECOND)), [[]; 0]);
        let mut sent = Vec::new();
        for _ in 0..20 {
            station.exchange(&claim(vid, address));
            sent.extend(run(&mut station, SECOND));
        }
        let [(first, frame), (second, _)] = &sent[..] else {
            panic!("{} announcements", sent.len());
        };
        assert_eq!(*frame, announcement(vid, address));
        assert!(second - first >= 10 * SECOND && second - first < 11 * SECOND);
        let event = Event::AddressConflict {
            vid,
            address,
            by: PEER_MAC,
        };
        assert_eq!(events(&mut station), [event; 2]);
        assert_eq!(station.card.counters().reason(Reason::ArpConflict), 20);
        assert!(is_answered_for(&mut station, vid, address), "we keep it");
    }
}

#[test]
fn an_address_is_probed_for_anew_when_the_link_comes_back_and_not_used_meanwhile() {
    let mut station = probing();
    run(&mut station, 20 * SECOND);
    let network = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0).expect("in range");
    let gateway = Ipv4Addr::new(10, 10, 10, 1);
    station
        .card
        .add_route(network, gateway, None)
        .expect("a gateway");
    station.set_link(false);
    run(&mut station, SECOND);
    station.set_link(true);
    for _ in 0..3 {
        assert!(!is_answered_for(&mut station, 42, OWN_IP));
        let claimed = frames(run(&mut station, SECOND));
        assert!(!claimed.contains(&announcement(42, OWN_IP)));
    }
    // Another took it while we were away.
    station.exchange(&claim(42, OWN_IP));
    assert!(!is_answered_for(&mut station, 42, OWN_IP));
    assert_eq!(events(&mut station).len(), 1);
    run(&mut station, 20 * SECOND);
    assert!(
        is_answered_for(&mut station, 42, OWN_IP),
        "it is gone again"
    );
    let hop = station.card.routes().next_hop(Ipv4Addr::new(8, 8, 8, 8));
    assert_eq!(
        hop.map(|hop| hop.address),
        Ok(gateway),
        "the operator's route is still there"
    );
}

#[test]
fn a_claim_of_our_own_that_comes_back_to_us_is_none() {
    let mut station = station();
    station.exchange(&announcement(42, OWN_IP));
    assert_eq!(station.card.counters().reason(Reason::InvalidSource), 1);
    assert_eq!(events(&mut station), []);
}

#[test]
fn events_that_nobody_takes_are_counted() {
    let mut station = station();
    for _ in 0..EVENTS + 3 {
        station.exchange(&claim(42, OWN_IP));
        run(&mut station, 10 * SECOND);
    }
    assert_eq!(station.card.lost_events(), 3);
    assert_eq!(events(&mut station).len(), EVENTS);
}

#[test]
fn however_many_addresses_there_are_a_link_that_goes_down_and_one_that_is_usable_cost_little() {
    // Neither may touch what is made of all addresses, or all else would stand still for seconds.
    let mut card = bare_card();
    card.set_address_start(Start::ProbeFirst);
    let of_vlan = |vid: u16| Ipv4Addr::from_bits(0x0a00_0001 + u32::from(vid) * 256);
    for vid in 1..=4094 {
        if card.device(vid).is_none() {
            let name = std::format!("eth0.{vid}");
            card.add_vlan_device(&name, vid).expect("is free");
        }
        let cidr = Ipv4Cidr::new(of_vlan(vid), 24).expect("in range");
        card.claims.add(vid, cidr, OWN_MAC, card.rate);
    }
    let mut station = Station::new(card, START);
    let usable = |card: &Interface| {
        let devices = card.devices().iter();
        devices.filter(|one| !one.addresses().is_empty()).count()
    };
    let rounds = 5 * 4094;
    let mut all = 0;
    for _ in 0..40 {
        for _ in 0..rounds {
            station.card.send_due(&mut station.device, station.now);
        }
        station.pass(Ticks(SECOND));
        all = usable(&station.card);
    }
    assert_eq!(all, 4094);
    station.card.set_link(false);
    assert_eq!(usable(&station.card), 0);
    // The claims were made behind its back: whoever touched the routes would have found their networks.
    assert_eq!(station.card.routes().iter().count(), 0);
}
