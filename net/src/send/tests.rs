//! What the appliance says without having been asked, on a device of the tests' own.

extern crate std;

mod claims;
mod neighbors;
mod own_arping;
mod own_ping;
mod ports;
mod services;

use super::*;
use crate::interface::Ipv4Cidr;
use crate::receive::tests::pieces::{front_length, retagged};
use crate::test_device::Station;
use crate::time::{TickRate, Ticks};
use crate::vlan::VlanSet;
use std::vec::Vec;

const OWN_MAC: MacAddress = MacAddress([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
const PEER_MAC: MacAddress = MacAddress([0x02, 0x00, 0x00, 0x00, 0x00, 0x09]);
const OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);
const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
const UNTAGGED_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
const IN_BAND_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 45, 11);
/// When every test begins.
const START: Instant = Instant::from_ticks(5_000_000_000);
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// A card with no address yet, a device for VLAN 42 that is served in real time, and one for VLAN 45 that is
/// not.
fn bare_card() -> Interface {
    let rate = TickRate::from_hertz(SECOND);
    let mut card = Interface::new("eth0", OWN_MAC, 2, rate);
    card.add_vlan_device("eth0.42", 42).expect("is free");
    card.add_vlan_device("eth0.45", 45).expect("is free");
    card.set_oob_port(42, true).expect("is there");
    let mut filter = VlanSet::new();
    filter.insert(42);
    card.set_vlan_filter(filter);
    card
}

fn add_addresses(card: &mut Interface) {
    for (vid, address) in [(0, UNTAGGED_IP), (42, OWN_IP), (45, IN_BAND_IP)] {
        let cidr = Ipv4Cidr::new(address, 24).expect("in range");
        card.add_address(vid, cidr).expect("a host address");
    }
}

/// A card with an address without a tag, in VLAN 42 and in VLAN 45, whose claims are settled.
fn station() -> Station {
    let mut card = bare_card();
    add_addresses(&mut card);
    let mut station = Station::new(card, START);
    run(&mut station, 3 * SECOND);
    station
}

/// Does what is due for so many nanoseconds. Returns what was sent, and when.
fn run(station: &mut Station, nanoseconds: u64) -> Vec<(u64, Vec<u8>)> {
    let mut sent = Vec::new();
    for _ in 0..nanoseconds / (10 * MILLISECOND) {
        // So often that each address, and each place for a question, has a turn.
        let frames = station.send_all_due(9);
        let time = station.now.ticks() - START.ticks();
        sent.extend(frames.into_iter().map(|frame| (time, frame)));
        station.pass(Ticks(10 * MILLISECOND));
    }
    sent
}

/// What was sent, without the times.
fn frames(sent: Vec<(u64, Vec<u8>)>) -> Vec<Vec<u8>> {
    sent.into_iter().map(|(_, frame)| frame).collect()
}

/// An ARP packet in a frame, octet by octet: for VLAN `vid`, or without a tag for 0.
fn arp(
    vid: u16,
    (to, from): (MacAddress, MacAddress),
    operation: u8,
    sender: Ipv4Addr,
    target: (MacAddress, Ipv4Addr),
) -> Vec<u8> {
    let frame = [
        &to.0[..],
        &from.0,
        &[0x08, 0x06],
        &[0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, operation],
        &from.0,
        &sender.octets(),
        &target.0.0,
        &target.1.octets(),
    ]
    .concat();
    retagged(&frame, (vid != 0).then_some(vid))
}

/// What we ask all stations.
fn question(vid: u16, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let nobody = MacAddress([0; 6]);
    arp(
        vid,
        (MacAddress::BROADCAST, OWN_MAC),
        1,
        sender,
        (nobody, target),
    )
}

/// What `mac` answers to us.
fn reply(vid: u16, (mac, address): (MacAddress, Ipv4Addr), to: Ipv4Addr) -> Vec<u8> {
    arp(vid, (OWN_MAC, mac), 2, address, (OWN_MAC, to))
}

/// All events that were not taken yet.
fn events(station: &mut Station) -> Vec<Event> {
    core::iter::from_fn(|| station.card.take_event()).collect()
}
