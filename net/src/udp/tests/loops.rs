//! Two appliances never answer each other for ever, whatever somebody sends to one in the other's name.

use super::*;
use crate::services::echo::{self, LATMUS_PORT};
use crate::services::stamp::{self, Stamp};

/// The other appliance's address.
const OTHER: Ipv4Addr = PEER;

/// Every service that answers, STAMP taking requests from its own port.
fn appliance() -> Host {
    let clock = || Instant::from_ticks(4_000_000_000);
    Host::serving(echo::PORT, Echo::new())
        .and(LATMUS_PORT, Echo::for_latmus())
        .and(stamp::PORT, Stamp::new(clock, RATE, true))
}

/// Delivers a datagram that claims to come from `other`, and every answer to whom it is for. Returns
/// how many answers there were.
fn answers(own: &mut Host, other: &mut Host, first: Delivery) -> usize {
    let mut delivery = first;
    let (mut here, mut there) = (own, other);
    for answers in 0..1000 {
        let Ok((octets, maximum)) = here.deliver(&delivery) else {
            return answers;
        };
        delivery = Delivery {
            source: delivery.destination,
            destination: delivery.source,
            octets,
            time_to_live: maximum.min(64),
            ..delivery
        };
        (here, there) = (there, here);
    }
    panic!("no end to it");
}

#[test]
fn a_datagram_in_the_name_of_another_appliance_s_echo_is_not_answered() {
    let first = Delivery::between((OTHER, 7), (OWN, 7), b"round and round");
    assert_eq!(answers(&mut appliance(), &mut appliance(), first), 0);
}

#[test]
fn whatever_port_of_an_appliance_asks_another_the_answers_end() {
    let ports = [echo::PORT, LATMUS_PORT, stamp::PORT];
    for source_port in ports {
        for port in ports {
            let first = Delivery::between((OTHER, source_port), (OWN, port), &[0; 64]);
            let answers = answers(&mut appliance(), &mut appliance(), first);
            let expected = match (source_port, port) {
                // Its packets look alike both ways, so that only the time to live ends it.
                (LATMUS_PORT, LATMUS_PORT) => 6,
                // What was reflected is not reflected again.
                (stamp::PORT, stamp::PORT) => 1,
                _ => 0,
            };
            assert_eq!(answers, expected, "{source_port} asks {port}");
        }
    }
}

#[test]
fn echoes_on_other_ports_of_two_appliances_end_as_well() {
    for time_to_live in 0..=255 {
        let mut own = Host::serving(50_000, Echo::new());
        let mut other = Host::serving(50_001, Echo::new());
        let mut first = Delivery::between((OTHER, 50_001), (OWN, 50_000), b"round");
        first.time_to_live = time_to_live;
        let answers = answers(&mut own, &mut other, first);
        let expected = (time_to_live as u32).checked_ilog2().unwrap_or(0);
        assert!(answers <= expected as usize, "time to live {time_to_live}");
        assert!(answers <= 7);
    }
}

#[test]
fn an_ordinary_asker_has_its_answer_whatever_the_port() {
    for (port, time_to_live) in [
        (echo::PORT, 255),
        (stamp::PORT, 255),
        (LATMUS_PORT, 32),
        (50_000, 32),
    ] {
        let mut host = appliance().and(50_000, Echo::new());
        let answer = host.deliver(&Delivery::with(ASKER, port, &[0; 64]));
        assert_eq!(answer.map(|(_, maximum)| maximum), Ok(time_to_live));
    }
    let mut host = appliance();
    let latmus = Delivery::with(LATMUS_PORT, LATMUS_PORT, &[b'^'; 64]);
    assert_eq!(host.ask(&latmus), Ok([b'^'; 64].to_vec()));
}

#[test]
fn a_time_to_live_of_one_is_no_obstacle_below_port_1024_rfc_1122_section_3_2_1_7() {
    let mut host = appliance();
    for time_to_live in [0, 1] {
        for (port, answered) in [
            (echo::PORT, true),
            (stamp::PORT, true),
            (LATMUS_PORT, false),
        ] {
            let mut delivery = Delivery::with(ASKER, port, &[0; 64]);
            delivery.time_to_live = time_to_live;
            let answer = host.ask(&delivery);
            assert_eq!(answer.is_ok(), answered, "{port}");
            if !answered {
                assert_eq!(answer, Err(Unanswered::TimeToLive));
            }
        }
    }
}
