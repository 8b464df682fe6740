//! Raw Ethernet services on the path of a frame, in both planes.

use super::pieces::{counting, retagged};
use super::planes::{IN_BAND, REALTIME, station};
use super::*;
use crate::ethernet::{EthernetFrame, EthernetResponse, EthernetService};
use crate::test_device::Station;
use std::boxed::Box;

/// IEEE 802 local experimental EtherType 1.
const TYPE: EtherType = EtherType(0x88b5);
/// What [`Parrot`] makes of a frame whose payload begins so.
const ANSWER: u8 = 1;
const CONSUME: u8 = 2;
const DECLINE: u8 = 3;
const OVERRUN: u8 = 4;

/// Answers with the octets of the payload, each complemented, or does what it is told not to.
#[derive(Default)]
struct Parrot {
    heard: Vec<(Option<u16>, u8, MacAddress, usize)>,
}

impl EthernetService for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    fn receive(&mut self, frame: EthernetFrame<'_>) -> EthernetResponse {
        assert_eq!(frame.ether_type, TYPE);
        let (arrival, length) = (frame.arrival, frame.payload.len());
        let heard = (arrival.vid, arrival.priority, arrival.source_mac, length);
        self.heard.push(heard);
        match frame.payload[0] {
            ANSWER => {
                let length = usize::from(frame.payload[1]);
                for octet in &mut frame.payload[..length] {
                    *octet = !*octet;
                }
                EthernetResponse::Answer { length }
            }
            CONSUME => EthernetResponse::Consumed,
            OVERRUN => EthernetResponse::Answer { length: length + 1 },
            _ => EthernetResponse::Decline,
        }
    }
}

/// A frame of [`TYPE`] in VLAN 42 with priority 5, from the peer.
fn frame(what: u8) -> Vec<u8> {
    let mut frame = ECHO_REQUEST[..at::IPV4].to_vec();
    put(&mut frame, at::ETHER_TYPE, &TYPE.0.to_be_bytes());
    frame.extend(counting(42));
    frame[at::IPV4] = what;
    frame[at::IPV4 + 1] = 10;
    frame
}

fn serving(tag_control: Option<u16>) -> Station {
    let mut station = station(tag_control);
    let services = station.card.ethernet_services_mut();
    let registered = services.register(TYPE, Box::new(Parrot::default()));
    registered.expect("is free");
    station
}

fn parrot(station: &mut Station) -> &mut Parrot {
    let services = station.card.ethernet_services_mut();
    services.get_mut(TYPE).expect("is registered")
}

#[test]
fn a_service_answers_in_place_to_the_asker_with_its_tag_in_both_planes() {
    let mut expected = frame(ANSWER)[..at::IPV4 + 10].to_vec();
    put(&mut expected, 0, &[PEER_MAC.0, OWN_MAC.0].concat());
    expected[at::IPV4..]
        .iter_mut()
        .for_each(|octet| *octet = !*octet);
    assert_eq!(
        serving(REALTIME).receive(&frame(ANSWER)),
        [expected.clone()]
    );
    for (way, tag_control) in IN_BAND {
        let mut station = serving(tag_control);
        let request = retagged(&frame(ANSWER), tag_control);
        assert_eq!(station.receive(&request), [[]; 0]);
        assert_eq!(
            station.serve_in_band(1),
            [retagged(&expected, tag_control)],
            "{way}"
        );
        let vid = tag_control.unwrap_or(0) & 0x0fff;
        let priority = (tag_control.unwrap_or(0) >> 13) as u8;
        let heard = ((vid != 0).then_some(vid), priority, PEER_MAC, 42);
        assert_eq!(parrot(&mut station).heard, [heard], "{way}");
    }
}

#[test]
fn what_a_service_does_not_answer_is_counted_under_its_reason_in_both_planes() {
    for tag_control in [REALTIME, None, Some(0x2000), Some(45)] {
        for (what, to_all, reason) in [
            (CONSUME, false, Reason::EthernetConsumed),
            (DECLINE, false, Reason::EthernetDeclined),
            (OVERRUN, false, Reason::EthernetServiceFault),
            (ANSWER, true, Reason::EthernetToGroup),
            (CONSUME, true, Reason::EthernetConsumed),
            (DECLINE, true, Reason::EthernetDeclined),
        ] {
            let mut station = serving(tag_control);
            let mut frame = retagged(&frame(what), tag_control);
            if to_all {
                put(&mut frame, 0, &[0xff; 6]);
            }
            assert_eq!(station.exchange(&frame), [[]; 0]);
            assert_eq!(station.card.counters().reason(reason), 1, "{reason:?}");
        }
    }
}

#[test]
fn an_answer_of_a_service_needs_a_slot() {
    for tag_control in [REALTIME, None] {
        let mut station = serving(tag_control);
        station.device.slots = 0;
        let request = retagged(&frame(ANSWER), tag_control);
        assert_eq!(station.exchange(&request), [[]; 0]);
        assert_eq!(station.card.counters().reason(Reason::NoTransmitSlot), 1);
    }
}

#[test]
fn frames_of_other_types_and_from_nobody_do_not_reach_the_service() {
    let mut station = serving(REALTIME);
    let mut other = frame(ANSWER);
    put(&mut other, at::ETHER_TYPE, &[0x88, 0xb6]);
    let mut from_group = frame(ANSWER);
    put(&mut from_group, at::SOURCE_MAC, &[0x03]);
    let mut elsewhere = frame(ANSWER);
    put(&mut elsewhere, at::TAG_CONTROL, &[0, 41]);
    for (frame, reason) in [
        (other, Reason::UnknownEtherType),
        (from_group, Reason::InvalidSource),
        (elsewhere, Reason::VlanNotInFilter),
    ] {
        assert_eq!(station.exchange(&frame), [[]; 0]);
        assert_eq!(station.card.counters().reason(reason), 1);
    }
    assert_eq!(parrot(&mut station).heard, []);
}
