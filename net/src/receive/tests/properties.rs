//! What holds for frames that nobody thought of.
//!
//! [`deliver`] checks each of them: no panic, the sums add up, an answer is no longer than its request,
//! sound, and goes to who asked.

use super::arp::ARP_REQUEST;
use super::filtered::Program;
use super::*;
use crate::wire::ipv4_options;
use proptest::prelude::*;
use proptest::sample::Index;

/// Octets as long as frames can be, and a little longer.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1600)
}

fn options() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        any::<u8>(),
        prop::sample::select(&[0, 1, 2, 3, 4, 5, 7, 8, 12, 39, 40, 68, 131, 137, 148][..]),
    ];
    (0_usize..=10).prop_flat_map(move |words| prop::collection::vec(octet.clone(), words * 4))
}

/// Requests that would be answered.
pub(super) fn requests() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..1433),
    ];
    prop_oneof![
        Just(ARP_REQUEST.to_vec()),
        data.clone().prop_map(|data| echo_request(&[], &data)),
        (options(), data).prop_map(|(options, data)| echo_request(&options, &data)),
    ]
}

/// What happens to a request on its way.
#[derive(Clone, Debug)]
pub(super) struct Damages {
    /// New octets, most of them among the headers.
    octets: Vec<(Index, bool, u8)>,
    length: Option<usize>,
    /// Whether the checksums are made right afterwards, so that what lies behind them is reached.
    sealed: bool,
}

pub(super) fn damages() -> impl Strategy<Value = Damages> {
    (
        prop::collection::vec(any::<(Index, bool, u8)>(), 0..6),
        prop::option::weighted(0.3, 0..1530_usize),
        any::<bool>(),
    )
        .prop_map(|(octets, length, sealed)| Damages {
            octets,
            length,
            sealed,
        })
}

impl Damages {
    pub(super) fn apply(&self, frame: &mut Vec<u8>) {
        if let Some(length) = self.length {
            frame.resize(length, 0);
        }
        for &(place, anywhere, value) in &self.octets {
            let reach = if anywhere {
                frame.len()
            } else {
                frame.len().min(64)
            };
            if reach > 0 {
                frame[place.index(reach)] = value;
            }
        }
        if self.sealed {
            seal(frame);
        }
    }
}

/// The host that sent `request`, as another appliance.
fn asker(request: &[u8]) -> Interface {
    let mut mac = [0; 6];
    mac.copy_from_slice(&request[at::SOURCE_MAC..at::TAG_PROTOCOL]);
    let is_arp = request[at::ETHER_TYPE..at::IPV4] == [0x08, 0x06];
    let place = if is_arp {
        at::ARP_SENDER_IP
    } else {
        at::SOURCE_IP
    };
    let mut address = [0; 4];
    address.copy_from_slice(&request[place..place + 4]);

    let mut card = Interface::new(
        "eth0",
        MacAddress(mac),
        2,
        crate::time::TickRate::from_hertz(1_000_000_000),
    );
    let vid = u16::from_be_bytes([request[at::TAG_CONTROL], request[at::TAG_CONTROL + 1]]) & 0x0fff;
    card.add_vlan_device("asker", vid).expect("is free");
    card.set_oob_port(vid, true).expect("is there");
    let mut filter = VlanSet::new();
    filter.insert(vid);
    card.set_vlan_filter(filter);
    // Who probes has no address yet.
    if address != [0; 4] {
        let cidr = Ipv4Cidr::new(address.into(), 32).expect("in range");
        card.add_address(vid, cidr).expect("a host address");
    }
    card
}

/// Delivers a request, and its answer to every station that could mistake it for another request.
fn exchange(card: &mut Interface, request: &[u8]) -> Result<Vec<u8>, Reason> {
    let reply = send(card, request)?;
    assert_eq!(send(card, &reply), Err(Reason::ForeignDestination));
    let mut reflected = reply.clone();
    put(&mut reflected, at::DESTINATION_MAC, &OWN_MAC.0);
    assert_eq!(send(card, &reflected), Err(Reason::InvalidSource));
    let reason = send(&mut asker(request), &reply).expect_err("an answer to an answer");
    let expected = [Reason::IcmpType, Reason::ArpReplyTaken, Reason::ArpNotForUs];
    assert!(expected.contains(&reason), "{reason:?}");
    Ok(reply)
}

/// What may differ while a frame comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    program: Option<Program>,
    /// Whether all frames are kept, which leaves them no short way.
    keeps_frames: bool,
    can_answer: bool,
    can_defer: bool,
}

impl Circumstances {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let flags = (
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.8),
            any::<bool>(),
        );
        (Program::any(), flags).prop_map(|(program, (keeps_frames, can_answer, can_defer))| Self {
            program,
            keeps_frames,
            can_answer,
            can_defer,
        })
    }

    /// Has a damaged frame come to a card as drivers hand it up, and to another that goes through everything step by step,
    /// and compares all that can be seen of them.
    pub(super) fn assert_both_ways_agree(
        self,
        card: fn() -> Interface,
        mut frame: Vec<u8>,
        damages: &Damages,
    ) -> Result<(), TestCaseError> {
        damages.apply(&mut frame);
        prop_assume!(frame.len() <= BUFFER_SIZE);
        let delivery = Delivery {
            can_answer: self.can_answer,
            can_defer: self.can_defer,
            ..Delivery::of(&frame)
        };
        let [usual, step_by_step] = [hand_up, hand_up_step_by_step].map(|hand_up| {
            let mut card = card();
            if let Some(program) = self.program {
                card.install_filter(program.loaded());
            }
            if self.keeps_frames {
                card.set_tracing(Tracing::Frames);
            }
            let mut buffer = [0; BUFFER_SIZE];
            buffer[..frame.len()].copy_from_slice(&frame);
            let mut reception = card.reception(NOW, MILLISECONDS);
            let verdict = hand_up(&mut reception, delivery.received(&mut buffer));
            let device = card.device(42).expect("is there");
            let traffic = (device.received(), device.transmitted());
            let filter = card.filter().map(|filter| *filter.statistics());
            let services = card.services().iter().map(|entry| entry.counters().clone());
            let services = std::format!("{:?}", services.collect::<Vec<_>>());
            (verdict, buffer, tally(&card), traffic, filter, services)
        });
        prop_assert_eq!(usual, step_by_step);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_octets_are_received_without_harm(frame in octets()) {
        let _ = exchange(&mut appliance(), &frame);
    }

    #[test]
    fn any_octets_behind_a_sound_tag_are_received_without_harm(
        mut frame in octets(),
        ether_type in prop::sample::select(&[[0x08, 0x00], [0x08, 0x06]][..]),
        sealed in any::<bool>(),
    ) {
        let header = frame.len().min(at::ETHER_TYPE);
        put(&mut frame, 0, &ECHO_REQUEST[..header]);
        if frame.len() > at::IPV4 {
            put(&mut frame, at::ETHER_TYPE, &ether_type);
            frame[at::IPV4] = 0x45;
        }
        if sealed {
            seal(&mut frame);
        }
        let _ = exchange(&mut appliance(), &frame);
    }

    #[test]
    fn damaged_requests_are_received_without_harm(
        frames in prop::collection::vec((requests(), damages()), 1..8),
    ) {
        let mut card = appliance();
        for (mut frame, damages) in frames {
            damages.apply(&mut frame);
            let _ = exchange(&mut card, &frame);
        }
    }

    #[test]
    fn the_usual_way_and_the_one_step_by_step_agree_to_the_last_octet(
        frame in requests(),
        damages in damages(),
        circumstances in Circumstances::any(),
    ) {
        circumstances.assert_both_ways_agree(appliance, frame, &damages)?;
    }

    #[test]
    fn whatever_a_device_says_of_a_frame_does_no_harm(
        frame in requests(),
        length in prop_oneof![0..2100_usize, any::<usize>()],
        damage in prop::sample::select(&[
            None,
            Some(Damage::Reported),
            Some(Damage::Oversized),
            Some(Damage::ImpossibleLength),
        ][..]),
        can_answer in any::<bool>(),
    ) {
        // Only the octets that the length covers are there to be answered.
        let mut delivery = Delivery::of(&frame);
        delivery.resize(length.min(BUFFER_SIZE));
        delivery.length = length;
        delivery.damage = damage;
        delivery.can_answer = can_answer;
        let _ = deliver(&mut appliance(), &delivery);
    }

    #[test]
    fn every_sound_echo_request_is_answered_by_definition(
        data in prop::collection::vec(any::<u8>(), 0..=1472),
        priority in 0..16_u8,
        station in any::<[u8; 5]>(),
        (service, time_to_live) in any::<(u8, u8)>(),
        identification in any::<[u8; 2]>(),
        identifier_and_sequence in any::<[u8; 4]>(),
        source in any::<[u8; 4]>(),
        padding in 0..20_usize,
    ) {
        let mut request = echo_request(&[], &data);
        put(&mut request, at::SOURCE_MAC + 1, &station);
        put(&mut request, at::TAG_CONTROL, &[priority << 4, 42]);
        put(&mut request, at::SERVICE, &[service]);
        put(&mut request, at::IDENTIFICATION, &identification);
        put(&mut request, at::TIME_TO_LIVE, &[time_to_live]);
        // Any network but ours, of those that hosts can be in.
        put(&mut request, at::SOURCE_IP, &[11 + source[0] % 100, source[1], source[2], source[3]]);
        put(&mut request, at::IDENTIFIER, &identifier_and_sequence);
        seal(&mut request);
        let expected = echo_reply_by_definition(&request);
        request.resize((request.len() + padding).min(1518), 0xa5);
        prop_assert_eq!(exchange(&mut appliance(), &request), Ok(expected));
    }

    #[test]
    fn options_are_refused_or_come_back_in_a_sound_header(options in options()) {
        let request = echo_request(&options, b"payload.");
        let answered = exchange(&mut appliance(), &request).map(|reply| reply.len());
        let expected = match ipv4_options::check(&options) {
            Ok(()) => Ok(request.len()),
            Err(ipv4_options::OptionsError::Malformed) => Err(Reason::Ipv4Options),
            Err(ipv4_options::OptionsError::SourceRoute) => Err(Reason::Ipv4SourceRoute),
        };
        prop_assert_eq!(answered, expected);
    }
}
