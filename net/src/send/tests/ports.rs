//! Ports that are of no use, because the filter list does not have their VLAN: told when a first frame comes.

use super::*;

/// A frame of the peer in VLAN 45, which has a device with an address and is not in the filter list.
fn question_in_band() -> Vec<u8> {
    let all = (MacAddress::BROADCAST, PEER_MAC);
    let nobody = MacAddress([0; 6]);
    arp(
        45,
        all,
        1,
        Ipv4Addr::new(10, 10, 45, 10),
        (nobody, IN_BAND_IP),
    )
}

/// What is told when so many frames come, each with a while behind it.
fn told(station: &mut Station, frames: usize) -> Vec<Event> {
    for _ in 0..frames {
        station.exchange(&question_in_band());
        run(station, 10 * MILLISECOND);
    }
    events(station)
}

/// A station of which a hundred devices have a port and are not listed, and each has just had a frame.
fn with_many_ports_in_vain() -> Station {
    let mut station = station();
    for vid in 100..200 {
        let name = std::format!("v{vid}");
        station.card.add_vlan_device(&name, vid).expect("is free");
        station.card.set_oob_port(vid, true).expect("is there");
    }
    run(&mut station, SECOND);
    for vid in 100..200 {
        station.exchange(&retagged(&question_in_band(), Some(vid)));
    }
    station
}

fn enable(station: &mut Station, enabled: bool) {
    let done = station.card.set_oob_port(45, enabled);
    done.expect("has a device");
    run(station, 10 * MILLISECOND);
}

fn list(station: &mut Station, vids: &[u16]) {
    let mut set = VlanSet::new();
    vids.iter().for_each(|&vid| set.insert(vid));
    station.card.set_vlan_filter(set);
    run(station, 10 * MILLISECOND);
}

#[test]
fn a_port_whose_vlan_is_not_listed_is_told_of_once_when_a_frame_comes() {
    let mut station = station();
    let in_vain = Event::PortInVain { vid: 45 };
    assert_eq!(told(&mut station, 2), [], "it has no port");
    // As the documents do it: the port first, and then the list.
    enable(&mut station, true);
    assert_eq!(events(&mut station), []);
    list(&mut station, &[42, 45]);
    assert_eq!(told(&mut station, 2), []);
    list(&mut station, &[42]);
    assert_eq!(told(&mut station, 0), [], "no frame came since");
    assert_eq!(told(&mut station, 3), [in_vain]);
    enable(&mut station, false);
    assert_eq!(told(&mut station, 2), []);
    enable(&mut station, true);
    assert_eq!(told(&mut station, 2), [in_vain]);
    assert_eq!(in_vain.device(), Some(45));
    let text = std::format!("{in_vain}");
    assert!(text.ends_with("'evl net -N+45' puts it there"), "{text}");
}

#[test]
fn each_of_many_devices_is_looked_at() {
    let mut station = with_many_ports_in_vain();
    let mut told = Vec::new();
    for _ in 0..20 {
        run(&mut station, 10 * MILLISECOND);
        told.extend(events(&mut station));
    }
    let expected: Vec<Event> = (100..200).map(|vid| Event::PortInVain { vid }).collect();
    told.sort_by_key(|event| event.device());
    assert_eq!(told, expected);
}

#[test]
fn what_was_answered_in_real_time_or_came_before_the_port_is_not_told_of() {
    let mut station = station();
    let in_vain = Event::PortInVain { vid: 45 };
    enable(&mut station, true);
    list(&mut station, &[42, 45]);
    // Nothing looks at the device from the frames on to the change.
    station.exchange(&question_in_band());
    station.card.set_vlan_filter(VlanSet::new());
    run(&mut station, 10 * MILLISECOND);
    assert_eq!(events(&mut station), [], "it was listed");
    assert_eq!(told(&mut station, 1), [in_vain]);
    enable(&mut station, false);
    station.exchange(&question_in_band());
    enable(&mut station, true);
    assert_eq!(events(&mut station), [], "it had no port");
    assert_eq!(told(&mut station, 1), [in_vain]);
    // Another change of the list is no reason to tell it again.
    list(&mut station, &[42]);
    assert_eq!(told(&mut station, 1), []);
}

#[test]
fn what_finds_no_place_among_the_events_is_told_later() {
    let mut station = with_many_ports_in_vain();
    let mut vids = Vec::new();
    for _ in 0..10 {
        // Nobody takes any of them for so long.
        run(&mut station, SECOND);
        vids.extend(events(&mut station).iter().filter_map(Event::device));
    }
    vids.sort_unstable();
    assert_eq!(vids, (100..200).collect::<Vec<_>>());
    assert_eq!(station.card.lost_events(), 0);
}
