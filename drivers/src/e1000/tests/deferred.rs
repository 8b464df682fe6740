//! Frames that are kept for later, and when a batch ends.

use super::*;
use crate::backlog::CAPACITY;

#[test]
fn deferred_frames_come_up_later_in_order_and_are_answered_where_they_lie() {
    let mut bench = bench();
    for filler in 0..6 {
        bench.model().receive(&frame(filler));
    }
    let mut places = Vec::new();
    bench.turn(64, |received| {
        assert!(received.can_defer);
        places.push(received.buffer.as_ptr());
        Verdict::Defer
    });
    assert_eq!(bench.device.deferred(), 6);
    // Later frames overtake them.
    bench.model().receive(&frame(100));
    bench.echo();
    assert_eq!(bench.take_sent(), [frame(100)]);
    let mut shown = Vec::new();
    for expected in [4, 2, 0] {
        let count = bench.deferred_turn(4, |received| {
            assert_eq!(received.buffer[..received.length], frame(shown.len() as u8));
            shown.push(received.buffer.as_ptr());
            match received.buffer[40] {
                3 => Verdict::Release,
                _ => Verdict::Answer {
                    length: received.length,
                },
            }
        });
        assert_eq!(count, expected);
    }
    assert_eq!(shown, places);
    let expected: Vec<_> = [0, 1, 2, 4, 5].map(frame).into();
    assert_eq!(bench.take_sent(), expected);
}

#[test]
fn no_more_are_kept_than_there_is_room_for() {
    let mut bench = bench();
    let (mut kept, mut refused) = (0, 0);
    for _ in 0..CAPACITY + 10 {
        bench.model().receive(&frame(1));
        bench.turn(64, |received| match received.can_defer {
            true => {
                kept += 1;
                Verdict::Defer
            }
            false => {
                refused += 1;
                Verdict::Release
            }
        });
    }
    assert_eq!((kept, refused), (CAPACITY, 10));
    assert_eq!(bench.device.deferred(), CAPACITY);
    // One that is deferred all the same is lost, and counted.
    bench.model().receive(&frame(1));
    bench.turn(64, |_| Verdict::Defer);
    assert_eq!(bench.device.deferred(), CAPACITY);
    assert_eq!(bench.statistic("rx_dropped"), 1);
    assert_eq!(
        bench.deferred_turn(usize::MAX, |_| Verdict::Defer),
        CAPACITY
    );
    assert_eq!(bench.statistic("rx_dropped"), 1 + CAPACITY as u64);
}

#[test]
fn deferred_frames_are_not_answered_while_the_link_is_down_or_the_card_is_away() {
    for is_away in [false, true] {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        bench.turn(64, |_| Verdict::Defer);
        bench.model().link_up = is_away;
        bench.model().gone = is_away;
        bench.look(100);
        let count = bench.deferred_turn(1, |received| {
            assert!(!received.can_answer);
            Verdict::Release
        });
        assert_eq!((count, bench.device.deferred()), (1, 0));
    }
}

const ANSWER: Verdict = Verdict::Answer { length: 98 };

/// Goes on with `batch`, with `verdicts` for one frame after the other. Returns how many frames it took, and the batch with
/// them; the others are gone.
fn go_on(bench: &mut Bench, batch: Batch, verdicts: &[Verdict]) -> (usize, Batch) {
    for _ in verdicts {
        bench.model().receive(&frame(1));
    }
    let mut processed = 0;
    let mut script = Script(|_: Received<'_>| {
        processed += 1;
        verdicts[processed - 1]
    });
    let batch = bench.device.process(batch, &mut script).expect("frames");
    bench.device.ring_doorbells();
    bench.turn(64, |_| Verdict::Release);
    (processed, batch)
}

#[test]
fn an_answer_does_not_wait_for_its_doorbell_behind_frames_without_one() {
    let (answer, release, defer) = (ANSWER, Verdict::Release, Verdict::Defer);
    let mut bench = bench();
    for (verdicts, expected) in [
        (&[answer; 62][..], 62),
        (&[answer; 64], 64),
        (&[release; 64], 2),
        (&[defer; 64], 2),
        (&[release, defer, release, defer, answer], 2),
        (&[defer, answer, answer], 2),
        (&[release, answer, answer], 2),
        (&[answer, defer, answer], 2),
        (&[answer, answer, release, answer, answer], 3),
        (&[answer, answer, answer, defer, release, release], 4),
    ] {
        let (processed, batch) = go_on(&mut bench, Batch::of(64), verdicts);
        assert_eq!(processed, expected, "{verdicts:?}");
        assert_eq!(batch.may_wait(), expected == 62, "{verdicts:?}");
    }
}

#[test]
fn a_batch_that_goes_on_knows_what_it_had() {
    let mut bench = bench();
    let (processed, begun) = go_on(&mut bench, Batch::of(4), &[ANSWER]);
    assert_eq!((processed, begun.may_wait()), (1, true));
    for (verdicts, expected) in [
        (&[ANSWER; 5][..], 3),
        (&[Verdict::Release, ANSWER], 1),
        (&[ANSWER, Verdict::Defer, Verdict::Release], 2),
    ] {
        let (processed, batch) = go_on(&mut bench, begun, verdicts);
        assert_eq!(processed, expected, "{verdicts:?}");
        assert!(!batch.may_wait(), "{verdicts:?}");
    }
    let mut nobody = Script(|_: Received<'_>| panic!("a frame"));
    assert!(bench.device.process(begun, &mut nobody).is_none());
}
