//! Who gets a datagram, and who gets a turn.

use super::*;
use crate::services::discard::Discard;

const OTHER_OWN: Ipv4Addr = Ipv4Addr::new(10, 10, 44, 11);

/// Answers with one letter.
fn letter<const LETTER: u8>() -> Box<dyn UdpService> {
    Box::new(responder(|datagram| datagram.answer(&[LETTER])))
}

fn ask(host: &mut Host, destination: Ipv4Addr, port: u16) -> Result<Vec<u8>, Unanswered> {
    host.ask(&Delivery::between(
        (PEER, ASKER),
        (destination, port),
        b"question",
    ))
}

#[test]
fn an_exact_address_comes_before_all_addresses_whichever_was_registered_first() {
    for exact_first in [false, true] {
        let mut host = Host::new();
        let register = |host: &mut Host, exact: bool| {
            let registered = if exact {
                host.services.register(Some(OWN), 7, letter::<b'e'>())
            } else {
                host.services.register(None, 7, letter::<b'w'>())
            };
            assert_eq!(registered, Ok(()));
        };
        register(&mut host, exact_first);
        register(&mut host, !exact_first);
        assert_eq!(ask(&mut host, OWN, 7), Ok(b"e".to_vec()));
        assert_eq!(ask(&mut host, OTHER_OWN, 7), Ok(b"w".to_vec()));
        assert!(host.services.unregister(Some(OWN), 7).is_ok());
        assert_eq!(ask(&mut host, OWN, 7), Ok(b"w".to_vec()));
        assert!(host.services.unregister(None, 7).is_ok());
        assert_eq!(ask(&mut host, OWN, 7), Err(Unanswered::ClosedPort));
    }
}

#[test]
fn a_service_on_one_address_leaves_the_port_closed_on_others() {
    let mut host = Host::new();
    let registered = host.services.register(Some(OWN), 7, letter::<b'e'>());
    assert_eq!(registered, Ok(()));
    assert_eq!(ask(&mut host, OTHER_OWN, 7), Err(Unanswered::ClosedPort));
    assert_eq!(ask(&mut host, OWN, 8), Err(Unanswered::ClosedPort));
    assert_eq!(ask(&mut host, OWN, 0), Err(Unanswered::ClosedPort));
}

#[test]
fn port_zero_a_taken_port_and_one_service_too_many_are_refused_and_change_nothing() {
    let mut host = Host::serving(7, Echo::new());
    let services = &mut host.services;
    let register = |services: &mut Services, address, port| {
        services.register(address, port, Box::new(Discard))
    };
    assert_eq!(register(services, None, 0), Err(RegisterError::PortZero));
    let taken = Err(RegisterError::Taken { name: "echo" });
    assert_eq!(register(services, None, 7), taken);
    assert_eq!(register(services, Some(OWN), 7), Ok(()));
    assert_eq!(services.iter().count(), 2);
    for port in 100..130 {
        assert_eq!(register(services, None, port), Ok(()));
    }
    assert_eq!(services.iter().count(), CAPACITY);
    assert_eq!(register(services, None, 130), Err(RegisterError::Full));
    assert_eq!(register(services, Some(OWN), 130), Err(RegisterError::Full));
    assert_eq!(services.iter().count(), CAPACITY);
    assert_eq!(ask(&mut host, OTHER_OWN, 7), Ok(b"question".to_vec()));
    assert_eq!(ask(&mut host, OWN, 7), Err(Unanswered::Consumed));
    assert_eq!(ask(&mut host, OWN, 129), Err(Unanswered::Consumed));
    assert_eq!(ask(&mut host, OWN, 130), Err(Unanswered::ClosedPort));
}

#[test]
fn what_is_not_registered_cannot_be_unregistered_changed_or_found() {
    let mut host = Host::serving(7, Echo::new());
    let services = &mut host.services;
    assert_eq!(services.unregister(Some(OWN), 7).err(), Some(NotRegistered));
    assert_eq!(services.unregister(None, 8).err(), Some(NotRegistered));
    let changed = services.set_policy(None, 8, Policy::LISTENER);
    assert_eq!(changed, Err(NotRegistered));
    assert!(services.get_mut::<Echo>(None, 8).is_none());
    assert!(services.get_mut::<Discard>(None, 7).is_none());
    assert!(services.get_mut::<Echo>(None, 7).is_some());
}

#[test]
fn errors_say_what_was_wrong() {
    use std::string::ToString;
    for (error, text) in [
        (RegisterError::PortZero, "port 0 cannot be served"),
        (
            RegisterError::Taken { name: "echo" },
            "the port is taken by the service echo",
        ),
        (RegisterError::Full, "there are 32 services already"),
    ] {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(
        NotRegistered.to_string(),
        "no service has this address and port"
    );
}

#[test]
fn the_list_shows_addresses_ports_names_and_policies() {
    let mut host = Host::serving(7, Echo::new()).and(9, Discard);
    let registered = host.services.register(Some(OWN), 9, Box::new(Discard));
    assert_eq!(registered, Ok(()));
    let list: Vec<_> = host
        .services
        .iter()
        .map(|entry| {
            (
                entry.address(),
                entry.port(),
                entry.name(),
                entry.policy().answers,
            )
        })
        .collect();
    let expected = [
        (Some(OWN), 9, "discard", false),
        (None, 7, "echo", true),
        (None, 9, "discard", false),
    ];
    assert_eq!(list, expected);
}

/// Sends the time in each of its turns.
struct Speaker {
    departure: Departure,
}

impl UdpService for Speaker {
    fn name(&self) -> &'static str {
        "speaker"
    }

    fn receive(&mut self, _: Datagram<'_>) -> Response {
        Response::Consumed
    }

    fn poll(&mut self, now: Instant, sender: &mut dyn DatagramSender) {
        let _ = sender.send(&self.departure, &now.ticks().to_be_bytes());
    }
}

/// Notes what it is asked to send, and sends every second datagram.
#[derive(Default)]
struct Notebook {
    lines: Vec<(Departure, Vec<u8>)>,
}

impl DatagramSender for Notebook {
    fn send(&mut self, departure: &Departure, data: &[u8]) -> Result<(), SendError> {
        self.lines.push((*departure, data.to_vec()));
        if self.lines.len().is_multiple_of(2) {
            Err(SendError::NoTransmitSlot)
        } else {
            Ok(())
        }
    }
}

#[test]
fn each_service_gets_its_turn_to_send_and_what_it_sends_is_counted() {
    let speaker = |source_port| Speaker {
        departure: Departure {
            vid: Some(42),
            priority: 3,
            source: None,
            source_port,
            destination: SocketAddrV4::new(PEER, 514),
        },
    };
    let mut host = Host::serving(1000, speaker(1000))
        .and(7, Echo::new())
        .and(1001, speaker(1001));
    let mut notebook = Notebook::default();
    for turn in 0..6 {
        let now = Instant::from_ticks(turn);
        host.services.poll(now, &mut notebook);
    }
    let expected = [(1000, 0_u64), (1001, 2), (1000, 3), (1001, 5)]
        .map(|(port, now)| (speaker(port).departure, now.to_be_bytes().to_vec()));
    assert_eq!(notebook.lines, expected);
    let counters = host.counters(1000);
    assert_eq!(
        (counters.sent, counters.sent_octets, counters.unsent),
        (2, 16, 0)
    );
    let counters = host.counters(1001);
    assert_eq!(
        (counters.sent, counters.sent_octets, counters.unsent),
        (0, 0, 2)
    );
}

#[test]
fn turns_go_on_when_services_come_and_go_or_there_are_none() {
    let mut host = Host::new();
    let mut notebook = Notebook::default();
    host.services.poll(ARRIVAL.seen, &mut notebook);
    let departure = Departure {
        vid: None,
        priority: 0,
        source: None,
        source_port: 9,
        destination: SocketAddrV4::new(PEER, 514),
    };
    let mut host = Host::serving(9, Speaker { departure }).and(7, Echo::new());
    host.services.poll(ARRIVAL.seen, &mut notebook);
    assert!(host.services.unregister(None, 7).is_ok());
    host.services.poll(ARRIVAL.seen, &mut notebook);
    assert_eq!(notebook.lines.len(), 2);
}
