//! Asking for neighbors, and what waits for the answer (RFC 1122 §2.3.2).

use super::*;
use crate::device::MAXIMUM_FRAME;

fn request(to: MacAddress) -> Said {
    Said::Request(VID, PEER, to)
}

#[test]
fn an_unknown_neighbor_is_asked_for_three_times_a_second_apart_and_then_given_up() {
    // RFC 1122 §2.3.2.1: at most one request a second for one destination.
    let mut table = table();
    assert_eq!(table.resolve(VID, PEER, at(0)), Resolution::Wait);
    assert_eq!(state(&table, PEER, 0), Some(State::Incomplete));
    let mut said = Vec::new();
    for now in (0..10_000).step_by(10) {
        if now < 3_000 {
            assert_eq!(table.resolve(VID, PEER, at(now)), Resolution::Wait);
        }
        said.extend(
            poll_all(&mut table, now)
                .into_iter()
                .map(|said| (now, said)),
        );
    }
    let broadcast = request(MacAddress::BROADCAST);
    let failed = Said::Failed(VID, PEER, None);
    assert_eq!(
        said,
        [
            (0, broadcast.clone()),
            (1_000, broadcast.clone()),
            (2_000, broadcast),
            (3_000, failed)
        ]
    );
    assert_eq!(state(&table, PEER, 10_000), None);
    let counters = table.counters();
    assert_eq!((counters.requests, counters.failures), (3, 1));
}

#[test]
fn a_sender_that_does_not_give_up_asks_no_more_than_once_a_second() {
    // RFC 1122 §2.3.2.1. Also across giving up, and across forgetting the answer.
    let mut table = table();
    let mut requests = Vec::new();
    for now in (0..30_000).step_by(10) {
        table.resolve(VID, PEER, at(now));
        for said in poll_all(&mut table, now) {
            if said == request(MacAddress::BROADCAST) {
                requests.push(now);
                if now > 15_000 {
                    table.learn(peer(now));
                }
            }
        }
        if now > 15_000 && now % 50 == 0 {
            table.forget(VID, PEER);
        }
    }
    assert!(requests.len() >= 20, "{requests:?}");
    for pair in requests.windows(2) {
        assert!(pair[1] - pair[0] >= 1_000, "{pair:?}");
    }
}

#[test]
fn the_frame_that_waits_is_sent_to_who_answers() {
    // RFC 1122 §2.3.2.2.
    let mut table = table();
    assert_eq!(table.resolve(VID, PEER, at(0)), Resolution::Wait);
    let mut frame: Vec<u8> = (0..=255).cycle().take(MAXIMUM_FRAME).collect();
    assert_eq!(table.queue(VID, PEER, &frame), Ok(()));
    assert_eq!(poll_all(&mut table, 0), [request(MacAddress::BROADCAST)]);
    assert_eq!(table.learn(peer(500)), Heard::Added);
    frame[..6].copy_from_slice(&PEER_MAC.0);
    let answered = Said::Answered(VID, PEER, PEER_MAC, Some(frame));
    assert_eq!(poll_all(&mut table, 500), [answered]);
    assert_eq!(
        table.resolve(VID, PEER, at(501)),
        Resolution::Known(PEER_MAC)
    );
    assert_eq!(table.queue(VID, PEER, &[0; 60]), Err(QueueError::NotAsked));
    assert_eq!(poll_all(&mut table, 9_000), []);
}

#[test]
fn whatever_a_neighbor_says_answers_the_question_for_it() {
    // RFC 826: an entry is updated whoever the packet is for.
    let mut table = table();
    table.resolve(VID, PEER, at(0));
    assert_eq!(table.merge(peer(1)), Heard::Added);
    assert_eq!(table.resolve(VID, PEER, at(2)), Resolution::Known(PEER_MAC));
}

#[test]
fn of_two_frames_the_later_waits() {
    // RFC 1122 §2.3.2.2: "at least one (the latest)".
    let mut table = table();
    table.resolve(VID, PEER, at(0));
    assert_eq!(table.queue(VID, PEER, &[1; 1000]), Ok(()));
    assert_eq!(table.queue(VID, PEER, &[2; 60]), Ok(()));
    let counters = table.counters();
    assert_eq!((counters.queued, counters.replaced), (2, 1));
    poll_all(&mut table, 0);
    table.learn(peer(1));
    let mut frame = [2; 60].to_vec();
    frame[..6].copy_from_slice(&PEER_MAC.0);
    let answered = Said::Answered(VID, PEER, PEER_MAC, Some(frame));
    assert_eq!(poll_all(&mut table, 1), [answered]);
}

#[test]
fn a_frame_that_waits_in_vain_is_handed_back() {
    let mut table = table();
    table.resolve(VID, PEER, at(0));
    assert_eq!(table.queue(VID, PEER, &[7; 60]), Ok(()));
    for now in [0, 1_000, 2_000] {
        assert_eq!(poll_all(&mut table, now).len(), 1);
    }
    let failed = Said::Failed(VID, PEER, Some([7; 60].to_vec()));
    assert_eq!(poll_all(&mut table, 3_000), [failed]);
    // Who is asked for in its place inherits no frame.
    table.resolve(VID, host(1, 0).address, at(4_000));
    poll_all(&mut table, 4_000);
    table.learn(host(1, 4_001));
    let Neighbor { address, mac, .. } = host(1, 0);
    let answered = Said::Answered(VID, address, mac, None);
    assert_eq!(poll_all(&mut table, 4_001), [answered]);
}

#[test]
fn frames_that_cannot_wait_are_refused() {
    let mut table = table();
    assert_eq!(table.queue(VID, PEER, &[0; 60]), Err(QueueError::NotAsked));
    table.resolve(VID, PEER, at(0));
    assert_eq!(table.queue(43, PEER, &[0; 60]), Err(QueueError::NotAsked));
    let too_long = [0; MAXIMUM_FRAME + 1];
    assert_eq!(table.queue(VID, PEER, &too_long), Err(QueueError::TooLong));
    assert_eq!(table.counters().queued, 0);
    // One that is too short for an address is passed on as it is.
    assert_eq!(table.queue(VID, PEER, &[1, 2, 3]), Ok(()));
    table.learn(peer(1));
    let answered = Said::Answered(VID, PEER, PEER_MAC, Some([1, 2, 3].to_vec()));
    assert_eq!(poll_all(&mut table, 1), [answered]);
}

#[test]
fn when_all_questions_are_open_no_more_is_asked_and_that_is_said() {
    let mut table = NeighborTable::new();
    table.set_up(RATE, 2);
    let address = |number| host(number, 0).address;
    assert_eq!(table.resolve(VID, address(1), at(0)), Resolution::Wait);
    assert_eq!(table.resolve(VID, address(2), at(0)), Resolution::Wait);
    let refused = Resolution::TooManyQuestions;
    assert_eq!(table.resolve(VID, address(3), at(0)), refused);
    assert_eq!(table.solicit(VID, address(3), true, at(0)), refused);
    assert_eq!(table.counters().too_many_questions, 2);
    assert_eq!(table.resolve(VID, address(1), at(0)), Resolution::Wait);
    table.learn(host(2, 1));
    poll_all(&mut table, 1);
    assert_eq!(table.resolve(VID, address(3), at(2)), Resolution::Wait);
}

#[test]
fn one_poll_looks_at_few_questions_and_comes_to_all() {
    let mut table = table();
    for number in 0..DEFAULT_QUESTIONS as u32 {
        table.resolve(VID, host(number, 0).address, at(0));
    }
    for _ in 0..DEFAULT_QUESTIONS {
        assert!(matches!(table.poll(at(0)), Some(Action::Request { .. })));
    }
    assert_eq!(table.poll(at(0)), None);
    // The one that is answered is found within a round of looks.
    table.learn(host(17, 1));
    let polls = DEFAULT_QUESTIONS.div_ceil(LOOKS);
    let said = (0..polls).filter_map(|_| table.poll(at(1)).map(Said::from));
    assert_eq!(said.collect::<Vec<_>>().len(), 1);
}

#[test]
fn a_solicited_neighbor_is_asked_whatever_is_known_and_the_operator_is_told() {
    let mut table = table();
    table.learn(peer(0));
    assert_eq!(table.solicit(VID, PEER, false, at(10)), Resolution::Wait);
    assert_eq!(poll_all(&mut table, 10), [request(PEER_MAC)]);
    table.learn(peer(11));
    let told = Action::Answered {
        vid: VID,
        address: PEER,
        mac: PEER_MAC,
        solicited: true,
        permanent: false,
        frame: None,
    };
    let mut actions =
        (0..DEFAULT_QUESTIONS).filter_map(|_| table.poll(at(11)).map(|action| action == told));
    assert_eq!(actions.next(), Some(true));
    // Reachable or not, silence is a failure.
    table.solicit(VID, PEER, false, at(2_000));
    let mut said = Vec::new();
    for now in (2_000..9_000).step_by(500) {
        said.extend(poll_all(&mut table, now));
    }
    let failed = Said::Failed(VID, PEER, None);
    assert_eq!(said.last(), Some(&failed));
    assert_eq!(said.len(), 4);
}

#[test]
fn a_neighbor_solicited_for_good_becomes_permanent_and_stays_so() {
    let mut table = table();
    for known in [false, true] {
        let address = host(u32::from(known), 0).address;
        if known {
            table.learn(host(1, 0));
        }
        table.solicit(VID, address, true, at(1));
        // Another who asks for it less strongly takes nothing back.
        table.solicit(VID, address, false, at(1));
        table.resolve(VID, address, at(1));
        table.learn(host(u32::from(known), 2));
        assert_eq!(state(&table, address, 100_000), Some(State::Permanent));
        let is_permanent = (0..DEFAULT_QUESTIONS).any(|_| {
            let answer = table.poll(at(2));
            matches!(
                answer,
                Some(Action::Answered {
                    permanent: true,
                    ..
                })
            )
        });
        assert!(is_permanent);
    }
    assert_eq!(table.permanent_count, 2);
}

#[test]
fn beyond_the_limit_a_neighbor_solicited_for_good_is_known_as_others_are() {
    let mut table = table();
    for number in 1..=PERMANENT_LIMIT as u32 {
        let Neighbor { address, mac, .. } = host(number, 0);
        table
            .add_permanent(VID, address, mac, at(0))
            .expect("has room");
    }
    let late = host(50_000, 1);
    table.solicit(VID, late.address, true, at(0));
    table.learn(late);
    assert_eq!(state(&table, late.address, 1), Some(State::Reachable));
}

#[test]
fn what_the_operator_enters_answers_an_open_question() {
    let mut table = table();
    table.resolve(VID, PEER, at(0));
    table.queue(VID, PEER, &[0; 60]).expect("is asked for");
    table
        .add_permanent(VID, PEER, PEER_MAC, at(1))
        .expect("has room");
    let said = poll_all(&mut table, 1);
    assert!(matches!(
        said[..],
        [Said::Answered(VID, PEER, PEER_MAC, Some(_))]
    ));
    assert_eq!(poll_all(&mut table, 9_000), []);
}
