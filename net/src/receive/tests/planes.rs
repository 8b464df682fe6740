//! The two planes: what is answered at once, what waits for a quiet moment, and that nothing is lost,
//! counted twice, or answered differently on the way.

use super::arp::ARP_REQUEST;
use super::pieces::{counting, fragments_of, put_together, retagged, udp_request};
use super::properties::{damages, requests};
use super::*;
use crate::services::echo::{self, Echo};
use crate::test_device::Station;
use crate::time::Ticks;
use proptest::prelude::*;
use std::boxed::Box;
use std::vec;

/// The ways in which a frame can come that are not served in real time: its tag, and what is configured.
pub(super) const IN_BAND: [(&str, Option<u16>); 6] = [
    ("without a tag", None),
    ("with a priority and no VLAN", Some(0xa000)),
    ("eligible to be dropped, and no VLAN", Some(0x1000)),
    ("in a VLAN of the filter list without a port", Some(0xb02d)),
    ("in a VLAN with a port that no filter has", Some(0x002f)),
    ("in a VLAN with neither", Some(0xefff - 1)),
];
/// VLAN 42, as the fixtures have it.
pub(super) const REALTIME: Option<u16> = Some(0xb02a);

/// A card that has [`OWN_IP`] where frames with this tag come in, and echoes UDP.
pub(super) fn card_for(tag_control: Option<u16>) -> Interface {
    let rate = crate::time::TickRate::from_hertz(1_000_000_000);
    let mut card = Interface::new("eth0", OWN_MAC, 2, rate);
    let vid = tag_control.unwrap_or(0) & 0x0fff;
    if vid != 0 {
        card.add_vlan_device("vlan", vid).expect("is free");
        card.set_oob_port(vid, [42, 47].contains(&vid))
            .expect("is there");
    }
    let cidr = Ipv4Cidr::new(OWN_IP, 24).expect("in range");
    card.add_address(vid, cidr).expect("a host address");
    let mut filter = VlanSet::new();
    filter.insert(42);
    filter.insert(45);
    card.set_vlan_filter(filter);
    let service = Box::new(Echo::new());
    let services = card.services_mut();
    services
        .register(None, echo::PORT, service)
        .expect("is free");
    card
}

pub(super) fn station(tag_control: Option<u16>) -> Station {
    Station::new(card_for(tag_control), NOW)
}

/// One request of every kind that is answered, in VLAN 42.
fn one_of_each() -> [Vec<u8>; 4] {
    [
        ARP_REQUEST.to_vec(),
        ECHO_REQUEST.to_vec(),
        echo_request(&[7, 7, 4, 0, 0, 0, 0, 1], &counting(700)),
        udp_request(echo::PORT, b"back, please"),
    ]
}

#[test]
fn in_band_frames_wait_for_their_turn_and_are_answered_like_others_with_the_tag_that_they_had() {
    for request in one_of_each() {
        let expected = station(REALTIME).receive(&request);
        assert_eq!(expected.len(), 1, "answered at once");
        for (way, tag_control) in IN_BAND {
            let mut station = station(tag_control);
            assert_eq!(station.receive(&retagged(&request, tag_control)), [[]; 0]);
            assert_eq!(station.card.counters().waiting(), 1, "{way}");
            let answers = station.serve_in_band(1);
            assert_eq!(answers, [retagged(&expected[0], tag_control)], "{way}");
            assert_eq!(station.card.counters().waiting(), 0, "{way}");
        }
    }
}

#[test]
fn fragments_are_put_off_one_by_one_and_their_datagram_is_answered_with_its_tag() {
    for data in [counting(100), counting(5_000)] {
        let request = echo_request(&[], &data);
        for (way, tag_control) in IN_BAND {
            let mut station = station(tag_control);
            let request = retagged(&request, tag_control);
            let fragments = fragments_of(&request, 1500.min(request.len() - 40), 7);
            assert!(fragments.len() > 1);
            for fragment in &fragments {
                assert_eq!(station.receive(fragment), [[]; 0]);
            }
            assert_eq!(station.card.counters().waiting(), fragments.len() as u64);
            let mut answers = station.serve_in_band(usize::MAX);
            answers.extend(station.send_large(usize::MAX));
            let whole = if answers.len() == 1 {
                answers.remove(0)
            } else {
                put_together(&answers)
            };
            assert_eq!(whole[..at::TAG_PROTOCOL], [PEER_MAC.0, OWN_MAC.0].concat());
            let front = request.len() - data.len() - 28;
            assert_eq!(
                whole[at::TAG_PROTOCOL..front],
                request[at::TAG_PROTOCOL..front],
                "{way}"
            );
            assert_eq!(whole[front + 28..], data, "{way}");
        }
    }
}

#[test]
fn what_finds_no_place_to_wait_is_counted_and_there_is_place_again_after_a_turn() {
    let mut station = station(None);
    station.device.deferral_room = 2;
    let request = retagged(&ECHO_REQUEST, None);
    for _ in 0..5 {
        assert_eq!(station.receive(&request), [[]; 0]);
    }
    let full = |station: &Station| station.card.counters().reason(Reason::InBandQueueFull);
    assert_eq!((full(&station), station.card.counters().waiting()), (3, 2));
    assert_eq!(station.serve_in_band(1).len(), 1);
    station.receive(&request);
    assert_eq!((full(&station), station.card.counters().waiting()), (3, 2));
    assert_eq!(station.serve_in_band(9).len(), 2);
    assert_eq!(station.serve_in_band(9), [[]; 0]);
}

#[test]
fn the_oldest_that_waits_is_served_first() {
    let mut station = station(None);
    for sequence in 0..3_u8 {
        let mut request = echo_request(&[], &[sequence; 8]);
        put(&mut request, at::IDENTIFIER + 3, &[sequence]);
        seal(&mut request);
        station.receive(&retagged(&request, None));
    }
    for sequence in 0..3 {
        let answers = station.serve_in_band(1);
        assert_eq!(answers[0][at::DATA - 4..], [sequence; 8]);
    }
}

#[test]
fn no_device_is_served_in_the_wrong_plane() {
    for case in 0..32_u8 {
        let [in_filter, has_port, is_up, card_is_up, is_realtime_first] =
            [0, 1, 2, 3, 4].map(|bit| case >> bit & 1 == 1);
        let mut card = card_for(Some(45));
        let mut filter = VlanSet::new();
        if in_filter {
            filter.insert(45);
        }
        // In whatever order things are configured.
        if is_realtime_first {
            card.set_up(0, card_is_up).expect("is there");
            card.set_oob_port(45, has_port).expect("is there");
            card.set_up(45, is_up).expect("is there");
            card.set_vlan_filter(filter);
        } else {
            card.set_vlan_filter(filter);
            card.set_up(45, is_up).expect("is there");
            card.set_oob_port(45, has_port).expect("is there");
            card.set_up(0, card_is_up).expect("is there");
        }
        let mut station = Station::new(card, NOW);
        let at_once = station.receive(&retagged(&ECHO_REQUEST, Some(45))).len();
        let counters = station.card.counters();
        let outcome = (
            at_once,
            counters.waiting(),
            counters.reason(Reason::DeviceDown),
        );
        let expected = match (is_up && card_is_up, in_filter && has_port) {
            (false, _) => (0, 0, 1),
            (true, true) => (1, 0, 0),
            (true, false) => (0, 1, 0),
        };
        assert_eq!(outcome, expected, "case {case:#07b}");
    }
}

#[test]
fn a_frame_that_waits_is_answered_in_its_turn_when_its_vlan_has_become_real_time_meanwhile() {
    let mut station = station(Some(45));
    let request = retagged(&ECHO_REQUEST, Some(45));
    station.receive(&request);
    station.card.set_oob_port(45, true).expect("is there");
    assert_eq!(station.receive(&request).len(), 1);
    assert_eq!(station.serve_in_band(1).len(), 1);
    assert_eq!(station.card.counters().answered(), 2);
}

/// Something that is taken away while frames wait for it.
type Removal = fn(&mut Interface);

#[test]
fn what_is_taken_away_while_frames_wait_is_not_answered_for() {
    let down: Removal = |card| card.set_up(45, false).expect("is there");
    let card_down: Removal = |card| card.set_up(0, false).expect("is there");
    let address: Removal = |card| card.remove_address(45, OWN_IP).expect("is there");
    let device: Removal = |card| card.remove_vlan_device(45).expect("is there");
    let device_and_filter: Removal = |card| {
        card.remove_vlan_device(45).expect("is there");
        card.set_vlan_filter(VlanSet::new());
    };
    for (taken, echoes, arps) in [
        (down, Reason::DeviceDown, Reason::DeviceDown),
        (card_down, Reason::DeviceDown, Reason::DeviceDown),
        (address, Reason::Ipv4Destination, Reason::ArpNotForUs),
        (device, Reason::VlanWithoutDevice, Reason::VlanWithoutDevice),
        (
            device_and_filter,
            Reason::VlanNotInFilter,
            Reason::VlanNotInFilter,
        ),
    ] {
        for (request, reason) in [(&ECHO_REQUEST, echoes), (&ARP_REQUEST, arps)] {
            let mut station = station(Some(45));
            station.receive(&retagged(request, Some(45)));
            taken(&mut station.card);
            assert_eq!(station.serve_in_band(1), [[]; 0]);
            assert_eq!(station.card.counters().reason(reason), 1, "{reason:?}");
        }
    }
}

#[test]
fn the_cards_own_address_may_go_while_frames_without_a_tag_wait() {
    let mut station = station(None);
    station.receive(&retagged(&ECHO_REQUEST, None));
    station.card.remove_address(0, OWN_IP).expect("is there");
    assert_eq!(station.serve_in_band(1), [[]; 0]);
    assert_eq!(station.card.counters().reason(Reason::Ipv4Destination), 1);
    // From now on they are not even put off.
    station.receive(&retagged(&ECHO_REQUEST, None));
    station.receive(&retagged(&ECHO_REQUEST, Some(0x2000)));
    let counters = station.card.counters();
    assert_eq!(counters.reason(Reason::Untagged), 1);
    assert_eq!(counters.reason(Reason::PriorityTagged), 1);
}

#[test]
fn a_device_counts_a_frame_that_waits_once_and_when_it_is_served() {
    for (way, tag_control) in IN_BAND {
        let mut station = station(tag_control);
        let vid = tag_control.unwrap_or(0) & 0x0fff;
        let request = retagged(&ECHO_REQUEST, tag_control);
        station.receive(&request);
        let counts = |station: &Station| {
            let device = station.card.device(vid).expect("is there");
            (device.received(), device.transmitted())
        };
        assert_eq!(counts(&station), Default::default(), "{way}");
        let answers = station.serve_in_band(1);
        let (received, transmitted) = counts(&station);
        assert_eq!(
            (received.packets, received.octets),
            (1, request.len() as u64)
        );
        assert_eq!(transmitted.packets, 1);
        assert_eq!(transmitted.octets, answers[0].len() as u64);
        let mut others = station
            .card
            .devices()
            .iter()
            .chain([station.card.card_device()]);
        assert!(others.all(|device| device.vid() == vid || device.received().packets == 0));
    }
}

#[test]
fn a_neighbor_that_was_heard_in_band_is_known_in_its_vlan_alone() {
    for (way, tag_control) in IN_BAND {
        let mut station = station(tag_control);
        station.exchange(&retagged(&ARP_REQUEST, tag_control));
        let known = station.card.neighbors().iter().map(|known| known.vid);
        let known: Vec<u16> = known.collect();
        assert_eq!(known, [tag_control.unwrap_or(0) & 0x0fff], "{way}");
    }
}

#[test]
fn a_full_transmit_ring_is_counted_in_band_too() {
    for request in one_of_each() {
        let mut station = station(None);
        station.device.slots = 0;
        station.exchange(&retagged(&request, None));
        assert_eq!(station.card.counters().reason(Reason::NoTransmitSlot), 1);
    }
}

/// One thing that happens to a card.
#[derive(Clone, Debug)]
enum Step {
    /// A frame arrives, by this way.
    Frame(Vec<u8>, Option<u16>),
    /// An echo request with so many octets of data arrives in fragments of this MTU, all but one.
    Fragments(usize, Option<u16>, usize, usize),
    InBand(usize),
    Large(usize),
    Due,
    Pass(u64),
    Link(bool),
    Up(u16, bool),
    Port(u16, bool),
    Slots(usize),
    Room(usize),
}

fn steps() -> impl Strategy<Value = Step> {
    let ways = prop::sample::select(vec![None, Some(0xa000), REALTIME, Some(0x002d), Some(46)]);
    let frames = prop_oneof![
        requests(),
        prop::collection::vec(any::<u8>(), 0..1400).prop_map(|data| udp_request(7, &data)),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|data| udp_request(4711, &data)),
    ];
    let damaged = (frames.clone(), damages()).prop_map(|(mut frame, damages)| {
        damages.apply(&mut frame);
        frame
    });
    let vids = prop::sample::select(vec![0, 42, 45]);
    prop_oneof![
        4 => (frames.clone(), ways.clone()).prop_map(|(frame, way)| Step::Frame(frame, way)),
        2 => (damaged, ways.clone()).prop_map(|(frame, way)| Step::Frame(frame, way)),
        2 => (1..8_000_usize, ways, 68..400_usize, any::<usize>()).prop_map(
            |(length, way, mtu, left_out)| Step::Fragments(length, way, mtu, left_out)
        ),
        2 => (0..4_usize).prop_map(Step::InBand),
        2 => (0..40_usize).prop_map(Step::Large),
        2 => Just(Step::Due),
        1 => (0..90_000_000_000_u64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Link),
        1 => (vids, any::<bool>()).prop_map(|(vid, up)| Step::Up(vid, up)),
        1 => (prop::sample::select(vec![42, 45]), any::<bool>())
            .prop_map(|(vid, port)| Step::Port(vid, port)),
        1 => (0..60_usize).prop_map(Step::Slots),
        1 => (0..4_usize).prop_map(Step::Room),
    ]
}

/// A card with addresses in VLANs 42 and 45 and without a tag.
pub(super) fn card_everywhere() -> Interface {
    let mut card = card_for(None);
    for (vid, name) in [(42, "eth0.42"), (45, "eth0.45")] {
        card.add_vlan_device(name, vid).expect("is free");
        let cidr = Ipv4Cidr::new(OWN_IP, 24).expect("in range");
        card.add_address(vid, cidr).expect("a host address");
    }
    card.set_oob_port(42, true).expect("is there");
    card
}

fn take(station: &mut Station, step: Step) {
    match step {
        Step::Frame(frame, _) if frame.len() < at::IPV4 => drop(station.receive(&frame)),
        Step::Frame(frame, way) => drop(station.receive(&retagged(&frame, way))),
        Step::Fragments(length, way, mtu, left_out) => {
            let frame = echo_request(&[], &counting(length));
            let mut fragments = fragments_of(&retagged(&frame, way), mtu, 9);
            // One time in four, none is left out.
            if left_out % 4 != 0 && fragments.len() > 1 {
                fragments.remove(left_out % fragments.len());
            }
            fragments
                .iter()
                .for_each(|frame| drop(station.receive(frame)));
        }
        Step::InBand(budget) => drop(station.serve_in_band(budget)),
        Step::Large(budget) => drop(station.send_large(budget)),
        Step::Due => drop(station.send_due()),
        Step::Pass(nanoseconds) => station.pass(Ticks(nanoseconds)),
        Step::Link(up) => station.set_link(up),
        Step::Up(vid, up) => station.card.set_up(vid, up).expect("is there"),
        Step::Port(vid, port) => station.card.set_oob_port(vid, port).expect("is there"),
        Step::Slots(slots) => station.device.slots = slots,
        Step::Room(room) => station.device.deferral_room = room,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_in_whatever_order_every_frame_is_answered_counted_or_waits(
        steps in prop::collection::vec(steps(), 1..60),
        mtu in prop_oneof![68..=1500_u16, Just(1500)],
    ) {
        // The station checks it after each step.
        let mut station = Station::new(card_everywhere(), NOW);
        for vid in [0, 42, 45] {
            station.card.set_mtu(vid, mtu).expect("is there");
        }
        for step in steps {
            take(&mut station, step);
        }
        station.device.slots = usize::MAX;
        station.serve_in_band(usize::MAX);
        prop_assert_eq!(station.card.counters().waiting(), 0);
    }

    #[test]
    fn a_frame_is_answered_or_counted_alike_in_both_planes(
        mut frame in requests(),
        damages in damages(),
    ) {
        damages.apply(&mut frame);
        prop_assume!((at::IPV4..=1518).contains(&frame.len()));
        put(&mut frame, at::TAG_PROTOCOL, &[0x81, 0, 0xb0, 42]);
        let mut outcomes = [true, false].map(|port| {
            let mut station = station(REALTIME);
            station.card.set_oob_port(42, port).expect("is there");
            let sent = station.exchange(&frame);
            let (received, answered, reasons) = tally(&station.card);
            let device = station.card.device(42).expect("is there");
            (sent, received, answered, reasons, device.received(), device.transmitted())
        });
        let [at_once, later] = &mut outcomes;
        prop_assert_eq!(at_once, later);
    }
}
