//! What a service may not do, and what keeps a request from it.

use super::*;
use crate::services::discard::Discard;
use crate::services::sink::Sink;

/// Answers twice what it was asked with.
fn twice(mut datagram: Datagram<'_>) -> Response {
    let length = datagram.length();
    let (data, room) = datagram.room().split_at_mut(length);
    room[..length].copy_from_slice(data);
    Response::Answer { length: 2 * length }
}

#[test]
fn source_port_zero_is_taken_by_who_only_listens_and_never_answered_rfc_768() {
    let mut host = Host::serving(7, Echo::new()).and(9, Discard);
    let answer = host.ask(&Delivery::with(0, 7, b"hello"));
    assert_eq!(answer, Err(Unanswered::SourcePortZero));
    let answer = host.ask(&Delivery::with(0, 9, b"hello"));
    assert_eq!(answer, Err(Unanswered::Consumed));
}

#[test]
fn requests_from_the_ports_of_services_are_not_answered_but_taken_by_who_only_listens() {
    let mut host = Host::serving(7, Echo::new()).and(9, Discard);
    for port in [7, 9, 13, 17, 19, 37, 53, 69, 123, 862, 1023] {
        let answer = host.ask(&Delivery::with(port, 7, b"hello"));
        assert_eq!(answer, Err(Unanswered::LowSourcePort), "port {port}");
        let answer = host.ask(&Delivery::with(port, 9, b"hello"));
        assert_eq!(answer, Err(Unanswered::Consumed), "port {port}");
    }
    assert!(host.ask(&Delivery::with(1024, 7, b"hello")).is_ok());
}

#[test]
fn requests_from_a_port_on_which_we_answer_are_not_answered() {
    // Of three ports that the quick look cannot tell apart, one answers and one only listens.
    let mut host = Host::serving(7, Echo::new())
        .and(2048, Echo::new())
        .and(2176, Discard);
    for (port, expected) in [
        (2048, Err(Unanswered::ResponderPort)),
        (2112, Ok(b"hello".to_vec())),
        (2176, Ok(b"hello".to_vec())),
    ] {
        let answer = host.ask(&Delivery::with(port, 7, b"hello"));
        assert_eq!(answer, expected, "port {port}");
    }
    assert_eq!(
        host.services.set_policy(None, 2176, Policy::RESPONDER),
        Ok(())
    );
    let answer = host.ask(&Delivery::with(2176, 7, b"hello"));
    assert_eq!(answer, Err(Unanswered::ResponderPort));
    assert!(host.services.unregister(None, 2048).is_ok());
    assert!(host.ask(&Delivery::with(2048, 7, b"hello")).is_ok());
}

#[test]
fn what_is_for_a_group_goes_to_who_asked_for_it_and_is_never_answered() {
    let anyone = Scripted {
        policy: Policy {
            accepts_groups: true,
            ..Policy::RESPONDER
        },
        script: |_| Response::Echo,
    };
    let mut host = Host::serving(7, Echo::new())
        .and(9, Discard)
        .and(42_042, Sink::new())
        .and(5000, anyone);
    let multicast = Ipv4Addr::new(224, 0, 0, 1);
    let mut on_the_link = ARRIVAL;
    on_the_link.link_broadcast = true;
    for (destination, arrival) in [
        (BROADCAST, ARRIVAL),
        (multicast, ARRIVAL),
        (OWN, on_the_link),
    ] {
        for (port, expected) in [
            (7, Unanswered::Group),
            (9, Unanswered::Group),
            (42_042, Unanswered::Consumed),
            (5000, Unanswered::AnswerToGroup),
            (5001, Unanswered::ClosedPort),
        ] {
            let mut delivery = Delivery::between((PEER, ASKER), (destination, port), b"hello");
            delivery.arrival = arrival;
            assert_eq!(host.ask(&delivery), Err(expected), "{destination} {port}");
        }
    }
    assert_eq!(host.counters(7).unanswered(Unanswered::Group), 3);
    let sink = host.services.get_mut::<Sink>(None, 42_042);
    let sink = sink.expect("is registered");
    assert_eq!(core::iter::from_fn(|| sink.take()).count(), 3);
}

#[test]
fn an_answer_longer_than_its_request_is_withheld() {
    let mut host = Host::serving(7, responder(twice));
    let answer = host.ask(&Delivery::with(ASKER, 7, b"hello"));
    assert_eq!(answer, Err(Unanswered::Amplification));
    let answer = host.ask(&Delivery::with(ASKER, 7, b""));
    assert_eq!(answer, Ok(Vec::new()), "twice nothing is no more");
}

#[test]
fn a_service_that_may_amplify_is_limited_and_the_limit_can_be_changed() {
    let policy = |per_second| Policy {
        amplification: Some(Limit::new(per_second, 2)),
        ..Policy::RESPONDER
    };
    let mut host = Host::serving(
        7,
        Scripted {
            policy: policy(1000),
            script: twice,
        },
    );
    let mut delivery = Delivery::with(ASKER, 7, b"hello");
    let mut ask = |host: &mut Host, milliseconds: u64| {
        delivery.arrival.seen = Instant::from_ticks(milliseconds * 1_000_000);
        host.ask(&delivery).map(|data| data.len())
    };
    for (milliseconds, expected) in [
        (5, Ok(10)),
        (5, Ok(10)),
        (5, Err(Unanswered::RateLimited)),
        (6, Ok(10)),
        (6, Err(Unanswered::RateLimited)),
    ] {
        assert_eq!(ask(&mut host, milliseconds), expected);
    }
    assert_eq!(host.counters(7).unanswered(Unanswered::RateLimited), 2);
    assert_eq!(host.services.set_policy(None, 7, policy(0)), Ok(()));
    assert_eq!(ask(&mut host, 100), Err(Unanswered::RateLimited));
    let never = host.services.set_policy(None, 7, Policy::RESPONDER);
    assert_eq!(never, Ok(()));
    assert_eq!(ask(&mut host, 100), Err(Unanswered::Amplification));
}

#[test]
fn all_answers_together_can_be_limited() {
    let mut host = Host::serving(7, Echo::new()).and(2048, Echo::new());
    assert_eq!(host.services.answer_limit(), None);
    let limit = Limit::new(1, 2);
    host.services.set_answer_limit(Some(limit));
    assert_eq!(host.services.answer_limit(), Some(limit));
    assert!(host.ask(&Delivery::with(ASKER, 7, b"hello")).is_ok());
    // What is not answered anyway costs nothing of it.
    assert!(host.ask(&Delivery::with(7, 7, b"hello")).is_err());
    assert!(host.ask(&Delivery::with(ASKER, 2048, b"hello")).is_ok());
    for port in [7, 2048] {
        let answer = host.ask(&Delivery::with(ASKER, port, b"hello"));
        assert_eq!(answer, Err(Unanswered::RateLimited));
    }
    host.services.set_answer_limit(None);
    assert!(host.ask(&Delivery::with(ASKER, 7, b"hello")).is_ok());
}

#[test]
fn without_a_transmit_slot_services_take_what_they_need_not_answer() {
    let mut host = Host::serving(7, Echo::new()).and(9, Discard);
    host.services.set_answer_limit(Some(Limit::new(1, 1)));
    let mut delivery = Delivery::with(ASKER, 7, b"hello");
    delivery.can_answer = false;
    assert_eq!(host.ask(&delivery), Err(Unanswered::NoTransmitSlot));
    let mut delivery = Delivery::with(ASKER, 9, b"hello");
    delivery.can_answer = false;
    assert_eq!(host.ask(&delivery), Err(Unanswered::Consumed));
    // Nor does it use up the limit.
    assert!(host.ask(&Delivery::with(ASKER, 7, b"hello")).is_ok());
}

#[test]
fn a_service_that_answers_against_its_policy_or_beyond_the_room_is_at_fault() {
    let mut host = Host::serving(
        9,
        Scripted {
            policy: Policy::LISTENER,
            script: |_| Response::Echo,
        },
    )
    .and(
        8,
        responder(|mut datagram| Response::Answer {
            length: datagram.room().len() + 1,
        }),
    )
    .and(6, responder(|_| Response::Answer { length: usize::MAX }));
    for port in [9, 8, 6] {
        let answer = host.ask(&Delivery::with(ASKER, port, b"hello"));
        assert_eq!(answer, Err(Unanswered::ServiceFault), "port {port}");
    }
}

#[test]
fn an_answer_beyond_65535_octets_is_no_datagram() {
    let mut host = Host::serving(
        7,
        Scripted {
            policy: Policy {
                amplification: Some(Limit::new(10, 10)),
                ..Policy::RESPONDER
            },
            script: |mut datagram| Response::Answer {
                length: datagram.room().len(),
            },
        },
    );
    let mut delivery = Delivery::with(ASKER, 7, b"hello");
    delivery.spare = 65_535 - delivery.octets.len();
    assert_eq!(host.ask(&delivery).map(|data| data.len()), Ok(65_527));
    delivery.spare += 1;
    assert_eq!(host.ask(&delivery), Err(Unanswered::ServiceFault));
}

#[test]
fn an_answer_fills_the_room_and_no_more() {
    let mut host = Host::serving(7, responder(|datagram| datagram.answer(b"1234")));
    let mut delivery = Delivery::with(ASKER, 7, b"123");
    delivery.spare = 0;
    assert_eq!(host.ask(&delivery), Err(Unanswered::NoRoom));
    let mut delivery = Delivery::with(ASKER, 7, b"4321");
    delivery.spare = 0;
    assert_eq!(host.ask(&delivery), Ok(b"1234".to_vec()));
}

#[test]
fn what_a_service_declines_is_counted_by_its_reason() {
    let script = |datagram: Datagram<'_>| match datagram.data() {
        b"short" => Response::Decline(Decline::TooShort),
        b"malformed" => Response::Decline(Decline::Malformed),
        b"reply" => Response::Decline(Decline::Reply),
        b"room" => Response::Decline(Decline::NoRoom),
        b"busy" => Response::Decline(Decline::Busy),
        _ => Response::Consumed,
    };
    let mut host = Host::serving(7, responder(script));
    for (data, reason) in [
        (&b"short"[..], Unanswered::TooShort),
        (b"malformed", Unanswered::Malformed),
        (b"reply", Unanswered::Reply),
        (b"room", Unanswered::NoRoom),
        (b"busy", Unanswered::Busy),
        (b"", Unanswered::Consumed),
    ] {
        let answer = host.ask(&Delivery::with(ASKER, 7, data));
        assert_eq!(answer, Err(reason));
        assert_eq!(host.counters(7).unanswered(reason), 1, "{reason:?}");
    }
    assert_eq!(host.counters(7).received, 6);
}
