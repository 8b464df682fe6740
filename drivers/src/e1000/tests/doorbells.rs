//! Which registers are touched while frames flow, and how often.

use super::*;

#[test]
fn looking_and_processing_touch_no_register() {
    let mut bench = bench();
    bench.take_accesses();
    let mut processed = 0;
    let mut echo = Script(|_: Received<'_>| {
        processed += 1;
        Verdict::Answer { length: 98 }
    });
    assert!(bench.device.process(Batch::of(64), &mut echo).is_none());
    for _ in 0..100 {
        bench.model().receive(&frame(1));
    }
    assert!(bench.device.process(Batch::of(64), &mut echo).is_some());
    assert_eq!(processed, 64);
    let _ = bench.device.transmit(|_| 60);
    assert_eq!(bench.take_accesses(), []);
}

#[test]
fn an_empty_turn_rings_no_bell() {
    let mut bench = bench();
    bench.take_accesses();
    assert_eq!(bench.echo(), 0);
    assert_eq!(bench.take_accesses(), []);
}

#[test]
fn a_turn_writes_each_tail_once_at_most_and_reads_nothing() {
    let mut bench = bench();
    bench.take_accesses();
    for turn in 1..=40 {
        for _ in 0..8 {
            bench.model().receive(&frame(1));
        }
        bench.echo();
        let sent = Access::Write(TDT.offset(), turn * 8 % 256);
        let handed_back = Access::Write(RDT.offset(), (turn * 8 + 255) % 256);
        let expected = match turn % 4 {
            0 => std::vec![sent, handed_back],
            _ => std::vec![sent],
        };
        assert_eq!(bench.take_accesses(), expected, "turn {turn}");
    }
}

#[test]
fn received_frames_that_get_no_answer_ring_one_bell_in_a_batch() {
    let mut bench = bench();
    bench.take_accesses();
    for _ in 0..10 * RECEIVE_BATCH {
        bench.model().receive(&frame(1));
        bench.turn(64, |_| Verdict::Release);
    }
    assert_eq!(bench.take_accesses().len(), 10);
}

#[test]
fn however_frames_arrive_the_card_never_runs_dry_behind_an_attentive_loop() {
    for burst in (1..=255 - RECEIVE_BATCH + 1).rev().step_by(5) {
        let mut bench = bench();
        for _ in 0..6 {
            for _ in 0..burst {
                assert_eq!(bench.model().receive(&frame(1)), Outcome::Delivered);
            }
            while bench.echo() > 0 {}
        }
    }
}
