//! The appliance's own arping, from its first question to its last answer.

use super::*;
use crate::own_arping::{ArpingError, ArpingReply, ArpingSettings, ArpingSummary};

/// In no network of ours.
const FAR_IP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const OTHER_MAC: MacAddress = MacAddress([0x02, 0x00, 0x00, 0x00, 0x00, 0x66]);

fn settings(count: u32) -> ArpingSettings {
    ArpingSettings {
        address: PEER_IP,
        count,
        until_reply: false,
        seconds: 0,
    }
}

fn asking(settings: ArpingSettings) -> Station {
    let mut station = station();
    let now = station.now;
    let begun = station.card.start_arping(settings, None, now);
    assert_eq!(begun, Ok(()));
    station
}

fn summary(station: &Station) -> ArpingSummary {
    station
        .card
        .arping_progress()
        .expect("somebody is asked for")
}

#[test]
fn who_does_not_answer_is_asked_so_often_a_second_apart_and_then_it_is_over() {
    for count in [1, 3] {
        let mut station = asking(settings(count));
        let begin = station.now.ticks() - START.ticks();
        let sent = run(&mut station, u64::from(count) * SECOND);
        let expected: Vec<_> = (0..u64::from(count))
            .map(|number| (begin + number * SECOND, question(42, OWN_IP, PEER_IP)))
            .collect();
        assert_eq!(sent, expected);
        assert!(!summary(&station).is_over, "the last one is waited for");
        assert_eq!(run(&mut station, 5 * SECOND), []);
        let expected = ArpingSummary {
            vid: 42,
            source: OWN_IP,
            sent: u64::from(count),
            received: 0,
            last: None,
            is_over: true,
        };
        assert_eq!(summary(&station), expected);
        assert_eq!(events(&mut station), [], "the one who asked is told");
    }
}

#[test]
fn an_answer_is_told_with_its_time_and_the_last_one_ends_it_at_once() {
    let mut station = asking(settings(2));
    for number in 1..=2 {
        let sent = run(&mut station, 10 * MILLISECOND);
        assert_eq!(frames(sent), [question(42, OWN_IP, PEER_IP)]);
        station.exchange(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
        let told = ArpingReply {
            mac: PEER_MAC,
            round_trip_ns: 10 * MILLISECOND,
        };
        assert_eq!(station.card.take_arping_reply(), Some(told));
        assert_eq!(station.card.take_arping_reply(), None);
        assert_eq!(summary(&station).received, number);
        run(&mut station, 20 * MILLISECOND);
        assert_eq!(summary(&station).is_over, number == 2);
        run(&mut station, SECOND - 30 * MILLISECOND);
    }
    // It is over, whoever says something now.
    station.exchange(&reply(42, (OTHER_MAC, PEER_IP), OWN_IP));
    assert_eq!(station.card.take_arping_reply(), None);
    assert_eq!(summary(&station).received, 2);
}

#[test]
fn whoever_says_to_have_the_address_is_told_also_where_the_operator_knows_better() {
    let mut station = station();
    let now = station.now;
    let added = station.card.add_neighbor(42, PEER_IP, PEER_MAC, now);
    added.expect("there is room");
    let begun = station.card.start_arping(settings(0), Some(42), now);
    assert_eq!(begun, Ok(()));
    // To all, although it is known where it is.
    let sent = run(&mut station, 10 * MILLISECOND);
    assert_eq!(frames(sent), [question(42, OWN_IP, PEER_IP)]);
    for mac in [PEER_MAC, OTHER_MAC] {
        station.receive(&reply(42, (mac, PEER_IP), OWN_IP));
        let told = station.card.take_arping_reply();
        assert_eq!(told.map(|told| told.mac), Some(mac));
    }
    assert_eq!(summary(&station).received, 2);
}

#[test]
fn nothing_else_is_an_answer() {
    let mut station = asking(settings(0));
    run(&mut station, 10 * MILLISECOND);
    let other = Ipv4Addr::new(10, 10, 10, 99);
    for frame in [
        reply(42, (PEER_MAC, other), OWN_IP),
        reply(45, (PEER_MAC, PEER_IP), IN_BAND_IP),
        // It asks for us.
        arp(
            42,
            (MacAddress::BROADCAST, PEER_MAC),
            1,
            PEER_IP,
            (MacAddress([0; 6]), OWN_IP),
        ),
    ] {
        station.exchange(&frame);
        assert_eq!(station.card.take_arping_reply(), None);
    }
    assert_eq!(summary(&station).received, 0);
}

#[test]
fn it_goes_on_until_it_is_stopped_or_until_the_first_answer() {
    let mut station = asking(settings(0));
    assert_eq!(run(&mut station, 20 * SECOND).len(), 20);
    station.card.stop_arping();
    assert_eq!(run(&mut station, 5 * SECOND), []);
    assert_eq!(station.card.arping_progress(), None);

    let mut station = asking(ArpingSettings {
        until_reply: true,
        ..settings(0)
    });
    assert_eq!(run(&mut station, 3 * SECOND).len(), 3);
    station.exchange(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    assert_eq!(run(&mut station, 5 * SECOND), []);
    assert!(summary(&station).is_over);

    let mut station = asking(ArpingSettings {
        seconds: 3,
        ..settings(0)
    });
    assert_eq!(run(&mut station, 3 * SECOND).len(), 3);
    assert!(!summary(&station).is_over);
    assert_eq!(run(&mut station, 5 * SECOND), []);
    assert!(summary(&station).is_over);
}

#[test]
fn who_cannot_be_asked_is_refused() {
    let mut station = station();
    let now = station.now;
    let mut ask = |address, vid| {
        let settings = ArpingSettings {
            address,
            ..settings(1)
        };
        station.card.start_arping(settings, vid, now)
    };
    assert_eq!(ask(OWN_IP, None), Err(ArpingError::OwnAddress));
    for (address, vid) in [
        (FAR_IP, None),
        (Ipv4Addr::new(10, 10, 10, 255), None),
        (Ipv4Addr::new(10, 10, 10, 255), Some(42)),
        (Ipv4Addr::new(224, 0, 0, 1), Some(45)),
        (Ipv4Addr::BROADCAST, Some(45)),
    ] {
        let refused = ask(address, vid);
        assert!(
            matches!(refused, Err(ArpingError::NoRoute(_))),
            "{address} {vid:?}: {refused:?}"
        );
    }
    let gateway = Ipv4Addr::new(10, 10, 10, 1);
    let card = &mut station.card;
    let all = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0).expect("in range");
    let added = card.add_route(all, gateway, None);
    added.expect("is free");
    card.set_up(42, false).expect("is there");
    assert_eq!(
        card.start_arping(settings(1), Some(42), now),
        Err(ArpingError::Down(42))
    );
    card.set_up(42, true).expect("is there");
    let far = ArpingSettings {
        address: FAR_IP,
        ..settings(1)
    };
    assert_eq!(
        card.start_arping(far, None, now),
        Err(ArpingError::Gateway(gateway))
    );
    card.add_vlan_device("eth0.77", 77).expect("is free");
    assert_eq!(
        card.start_arping(far, Some(77), now),
        Err(ArpingError::NoAddress)
    );
    assert_eq!(card.arping_progress(), None);
}

#[test]
fn through_a_device_that_is_named_anybody_is_asked_for_with_an_address_of_its_own() {
    let everywhere = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0).expect("in range");
    let gateway = Ipv4Addr::new(10, 10, 10, 1);
    for (vid, source, has_gateway) in [
        (42, OWN_IP, false),
        (42, OWN_IP, true),
        (45, IN_BAND_IP, false),
    ] {
        let mut station = station();
        if has_gateway {
            let added = station.card.add_route(everywhere, gateway, None);
            added.expect("is free");
        }
        let (now, far) = (
            station.now,
            ArpingSettings {
                address: FAR_IP,
                ..settings(1)
            },
        );
        let begun = station.card.start_arping(far, Some(vid), now);
        assert_eq!(begun, Ok(()));
        let sent = run(&mut station, 10 * MILLISECOND);
        assert_eq!(frames(sent), [question(vid, source, FAR_IP)]);
        station.exchange(&reply(vid, (PEER_MAC, FAR_IP), source));
        let told = station.card.take_arping_reply();
        assert_eq!(told.map(|told| told.mac), Some(PEER_MAC), "{vid}");
        assert_eq!((summary(&station).sent, summary(&station).received), (1, 1));
    }
}

#[test]
fn what_could_not_be_sent_is_not_counted_and_it_ends_all_the_same() {
    let mut station = asking(settings(3));
    run(&mut station, 10 * MILLISECOND);
    station.card.set_up(42, false).expect("is there");
    assert_eq!(run(&mut station, 10 * SECOND), []);
    let ArpingSummary { sent, is_over, .. } = summary(&station);
    assert_eq!((sent, is_over), (1, true));
}
