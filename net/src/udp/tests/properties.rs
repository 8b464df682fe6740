//! What holds for datagrams that nobody thought of.
//!
//! [`Host::deliver`] checks each of them: no panic, the sums add up, an answer is sound.

use super::*;
use crate::services::discard::{self, Discard};
use crate::services::echo::{self, LATMUS_PORT};
use crate::services::sink::{self, Sink};
use crate::services::stamp::{self, Stamp};
use crate::wire::stamp::BASE_LENGTH;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const PORTS: [u16; 5] = [
    echo::PORT,
    LATMUS_PORT,
    discard::PORT,
    stamp::PORT,
    sink::PORT,
];

const DESTINATIONS: [Ipv4Addr; 3] = [OWN, BROADCAST, Ipv4Addr::new(224, 0, 0, 251)];

fn appliance() -> Host {
    let clock = || Instant::from_ticks(3_500_000_700);
    Host::serving(echo::PORT, Echo::new())
        .and(LATMUS_PORT, Echo::for_latmus())
        .and(discard::PORT, Discard)
        .and(stamp::PORT, Stamp::new(clock, RATE, false))
        .and(sink::PORT, Sink::new())
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..1473),
    ]
}

fn ports() -> impl Strategy<Value = u16> {
    prop_oneof![select(&PORTS[..]), any::<u16>()]
}

/// Data with which the datagram's checksum comes out as zero.
fn summing_to_zero(mut data: Vec<u8>, source_port: u16, port: u16) -> Vec<u8> {
    if data.len() >= 2 {
        data[..2].fill(0);
        let zeros = Delivery::with(source_port, port, &data);
        data[..2].copy_from_slice(&zeros.octets[6..8]);
    }
    data
}

fn deliveries() -> impl Strategy<Value = Delivery> {
    (
        (ports(), ports(), data()),
        any::<(bool, bool, bool)>(),
        any::<(u8, bool, bool)>(),
        (0..30_usize, prop_oneof![Just(0), 0..200_usize]),
        select(&DESTINATIONS[..]),
    )
        .prop_map(
            |(
                (source_port, port, data),
                (no_checksum, zero, _),
                (time_to_live, can_answer, link_broadcast),
                (padding, spare),
                destination,
            )| {
                let data = if zero {
                    summing_to_zero(data, source_port, port)
                } else {
                    data
                };
                let mut delivery =
                    Delivery::between((PEER, source_port), (destination, port), &data);
                if no_checksum {
                    delivery.octets[6..8].fill(0);
                }
                let length = delivery.octets.len();
                delivery.octets.resize(length + padding, 0xa5);
                delivery.spare = spare;
                delivery.time_to_live = time_to_live;
                delivery.can_answer = can_answer;
                delivery.arrival.link_broadcast = link_broadcast;
                delivery
            },
        )
}

/// That an answer is no longer than its request, but for what RFC 8762 §4.6 asks for.
fn assert_not_amplified(delivery: &Delivery, answer: &[u8]) {
    let (header, _) = UdpHeader::ref_from_prefix(&delivery.octets).expect("a header");
    let limit = if header.destination_port() == stamp::PORT {
        header.length().max(BASE_LENGTH + 8)
    } else {
        header.length()
    };
    assert!(answer.len() <= limit, "{} of {limit} octets", answer.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_octets_are_received_without_harm(
        octets in prop::collection::vec(any::<u8>(), 0..1500),
        port in ports(),
        no_checksum in any::<bool>(),
        fitting in any::<bool>(),
    ) {
        let mut delivery = Delivery::of(&octets);
        if octets.len() >= 8 {
            delivery.octets[2..4].copy_from_slice(&port.to_be_bytes());
            if fitting {
                delivery.octets[4..6].copy_from_slice(&(octets.len() as u16).to_be_bytes());
            }
            if no_checksum {
                delivery.octets[6..8].fill(0);
            }
        }
        if let Ok((answer, _)) = appliance().deliver(&delivery) {
            assert_not_amplified(&delivery, &answer);
        }
    }

    #[test]
    fn damaged_datagrams_are_received_without_harm(
        deliveries in prop::collection::vec((deliveries(), any::<(Index, u8, bool)>()), 1..8),
    ) {
        let mut host = appliance();
        for (mut delivery, (place, value, damaged)) in deliveries {
            if damaged {
                let place = place.index(delivery.octets.len());
                delivery.octets[place] = value;
            }
            if let Ok((answer, _)) = host.deliver(&delivery) {
                assert_not_amplified(&delivery, &answer);
            }
        }
    }

    #[test]
    fn every_sound_echo_request_is_answered_with_its_data(
        data in data(),
        source_port in 1024_u16..,
        (no_checksum, zero) in any::<(bool, bool)>(),
        padding in 0..30_usize,
    ) {
        let data = if zero { summing_to_zero(data, source_port, 7) } else { data };
        let mut delivery = Delivery::with(source_port, 7, &data);
        if no_checksum {
            delivery.octets[6..8].fill(0);
        }
        let length = delivery.octets.len();
        delivery.octets.resize(length + padding, 0xa5);
        delivery.spare = 0;
        let answer = appliance().ask(&delivery);
        if source_port == LATMUS_PORT {
            prop_assert_eq!(answer, Err(Unanswered::ResponderPort));
        } else {
            prop_assert_eq!(answer, Ok(data));
        }
    }

    #[test]
    fn a_service_may_answer_with_anything_and_the_checksum_is_right(
        data in data(),
        zero in any::<bool>(),
    ) {
        let data = if zero { summing_to_zero(data, ASKER, 7) } else { data };
        let mut host = Host::serving(7, responder(|mut datagram| {
            let length = datagram.length();
            datagram.room()[..length].reverse();
            datagram.room()[..length].reverse();
            Response::Answer { length }
        }));
        let answer = host.ask(&Delivery::with(ASKER, 7, &data));
        prop_assert_eq!(answer, Ok(data));
    }
}
