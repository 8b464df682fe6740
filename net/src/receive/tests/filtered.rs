//! What an eBPF program decides, and that it decides about every frame.

use super::arp::ARP_REQUEST;
use super::pieces::{retagged, udp_request};
use super::planes::{IN_BAND, REALTIME, card_for, station};
use super::*;
use crate::services::echo;
use crate::test_device::Station;
use pollux_ebpf::{Filter, Verdict as Said};
use proptest::prelude::*;
use std::boxed::Box;
use std::string::ToString;

const MOV: u8 = 0xb7;
const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// A program that returns `value`.
fn returns(value: u8) -> Box<Filter> {
    program(&[[MOV, 0, 0, 0, value, 0, 0, 0], EXIT])
}

/// A program that never ends.
fn loops() -> Box<Filter> {
    program(&[[0x05, 0, 0xff, 0xff, 0, 0, 0, 0]])
}

/// A program that accepts frames which are longer than some.
fn looks_far() -> Box<Filter> {
    let is_there = [0x28, 0, 0, 0, 60, 0, 0, 0];
    program(&[
        [0xbf, 0x16, 0, 0, 0, 0, 0, 0],
        is_there,
        [MOV, 0, 0, 0, 1, 0, 0, 0],
        EXIT,
    ])
}

/// A program of any kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    Returns(u8),
    /// It is broken off, which this comes of.
    Faults(Said),
    LooksFar,
}

impl Program {
    /// None, or one of any kind.
    pub(super) fn any() -> impl Strategy<Value = Option<Self>> {
        prop::option::of(prop_oneof![
            prop::sample::select(&[0, 1, 2, 3, 7][..]).prop_map(Self::Returns),
            prop::sample::select(&Said::ALL[..]).prop_map(Self::Faults),
            Just(Self::LooksFar),
        ])
    }

    pub(super) fn loaded(self) -> Box<Filter> {
        match self {
            Self::Returns(value) => returns(value),
            Self::Faults(said) => {
                let mut filter = loops();
                filter.set_fuel(10);
                filter.set_verdict_on_fault(said);
                filter
            }
            Self::LooksFar => looks_far(),
        }
    }
}

fn program(slots: &[[u8; 8]]) -> Box<Filter> {
    let filter = Filter::from_instructions(&slots.concat(), Vec::new(), 1);
    Box::new(filter.expect("a good program"))
}

fn station_with(tag_control: Option<u16>, filter: Box<Filter>) -> Station {
    let mut station = station(tag_control);
    station.card.install_filter(filter);
    station
}

fn requests() -> [Vec<u8>; 3] {
    let udp = udp_request(echo::PORT, b"back, please");
    [ARP_REQUEST.to_vec(), ECHO_REQUEST.to_vec(), udp]
}

#[test]
fn dropped_frames_are_counted_whatever_they_are() {
    for (_, tag_control) in IN_BAND.into_iter().chain([("", REALTIME)]) {
        for request in requests() {
            let mut station = station_with(tag_control, returns(0));
            assert_eq!(station.receive(&retagged(&request, tag_control)), [[]; 0]);
            assert_eq!(station.card.counters().reason(Reason::Filtered), 1);
        }
    }
}

#[test]
fn accepted_frames_are_answered_at_once_with_a_tag_or_without() {
    for request in requests() {
        let expected = station(REALTIME).receive(&request);
        for (way, tag_control) in IN_BAND.into_iter().chain([("in real time", REALTIME)]) {
            let mut station = station_with(tag_control, returns(1));
            let answers = station.receive(&retagged(&request, tag_control));
            assert_eq!(answers, [retagged(&expected[0], tag_control)], "{way}");
            let vid = tag_control.unwrap_or(0) & 0x0fff;
            let device = station.card.device(vid).expect("the device");
            assert_eq!(device.received().packets, 1, "{way}");
            assert_eq!(device.transmitted().packets, 1, "{way}");
        }
    }
}

#[test]
fn skipped_frames_wait_although_their_vlan_is_real_time() {
    for verdict in [2, 7] {
        for request in requests() {
            let expected = station(REALTIME).receive(&request);
            for (way, tag_control) in IN_BAND.into_iter().chain([("in real time", REALTIME)]) {
                let mut station = station_with(tag_control, returns(verdict));
                assert_eq!(station.receive(&retagged(&request, tag_control)), [[]; 0]);
                assert_eq!(station.card.counters().waiting(), 1, "{way}");
                let answers = station.serve_in_band(1);
                assert_eq!(answers, [retagged(&expected[0], tag_control)], "{way}");
                // It is not asked again.
                let statistics = station.card.filter().expect("the program").statistics();
                assert_eq!(statistics.runs, 1);
                assert_eq!(statistics.unknown, u64::from(verdict == 7));
            }
        }
    }
}

#[test]
fn the_vlan_rule_decides_where_the_program_says_so() {
    for request in requests() {
        for (way, tag_control) in IN_BAND.into_iter().chain([("in real time", REALTIME)]) {
            let request = retagged(&request, tag_control);
            let mut without = station(tag_control);
            let mut with = station_with(tag_control, returns(3));
            assert_eq!(with.receive(&request), without.receive(&request), "{way}");
            assert_eq!(with.serve_in_band(1), without.serve_in_band(1), "{way}");
        }
    }
}

#[test]
fn what_is_accepted_is_still_checked() {
    type Case = (Reason, fn(&mut Delivery));
    let cases: [Case; 10] = [
        (Reason::DeviceError, |frame| {
            frame.damage = Some(Damage::Reported)
        }),
        (Reason::Oversized, |frame| frame.resize(1519)),
        (Reason::Oversized, |frame| frame.length = usize::MAX),
        (Reason::Runt, |frame| frame.resize(0)),
        (Reason::Runt, |frame| frame.resize(13)),
        (Reason::ForeignDestination, |frame| frame.octets[5] ^= 1),
        (Reason::InvalidSource, |frame| {
            frame.put(at::SOURCE_MAC, &[3])
        }),
        (Reason::ServiceTag, |frame| {
            frame.put(at::TAG_PROTOCOL, &[0x88, 0xa8])
        }),
        (Reason::ReservedVlan, |frame| {
            frame.put(at::TAG_CONTROL, &[0xff, 0xff])
        }),
        (Reason::VlanNotInFilter, |frame| {
            frame.put(at::TAG_CONTROL, &[0, 41])
        }),
    ];
    for (reason, spoil) in cases {
        let mut card = appliance();
        card.install_filter(returns(1));
        let mut frame = Delivery::of(&ECHO_REQUEST);
        spoil(&mut frame);
        assert_eq!(deliver(&mut card, &frame), Err(reason));
    }
}

#[test]
fn a_program_that_faults_too_often_is_taken_out_and_told_of() {
    let mut station = station(REALTIME);
    let mut filter = loops();
    filter.set_fault_limit(3);
    filter.set_verdict_on_fault(pollux_ebpf::Verdict::Drop);
    station.card.install_filter(filter);
    for count in 1..=3 {
        assert!(station.card.filter().is_some());
        assert_eq!(station.receive(&ECHO_REQUEST), [[]; 0]);
        assert_eq!(station.card.counters().reason(Reason::Filtered), count);
    }
    assert!(station.card.filter().is_none());
    assert_eq!(
        station.receive(&ECHO_REQUEST).len(),
        1,
        "the VLAN rule applies"
    );
    let event = station.card.take_event().expect("an event").to_string();
    assert_eq!(
        event,
        "eBPF program taken out after 3 faults, the last at instruction 0: out of fuel; the VLAN rule applies"
    );
    let (worn_out, at) = station.card.worn_out_filter().expect("it is kept");
    assert_eq!(at, station.now, "as of the last fault");
    assert_eq!(worn_out.statistics().out_of_fuel, 3);
    station.card.install_filter(returns(0));
    assert!(station.card.worn_out_filter().is_none());
}

#[test]
fn a_program_can_be_replaced_and_removed() {
    let mut card = card_for(REALTIME);
    assert!(!card.remove_filter());
    assert_eq!(card.accepted_vlans().to_string(), "42,45");
    card.install_filter(returns(0));
    assert_eq!(
        card.accepted_vlans().len(),
        4096,
        "the program is to see all"
    );
    card.install_filter(returns(3));
    let mut station = Station::new(card, NOW);
    assert_eq!(station.receive(&ECHO_REQUEST).len(), 1);
    assert_eq!(
        station
            .card
            .filter()
            .expect("the program")
            .statistics()
            .runs,
        1
    );
    assert!(station.card.remove_filter());
    assert_eq!(station.receive(&ECHO_REQUEST).len(), 1);
    assert!(station.card.filter().is_none());
}
