//! Frames come in and answers go out.

use super::*;

#[test]
fn a_frame_is_answered_where_it_lies_and_buffers_change_places() {
    let mut bench = bench();
    let received_into = bench.device.receive.buffers().next().unwrap();
    let sent_before = bench.device.transmit.buffers().next().unwrap();
    bench.model().receive(&frame(1));
    let mut shown = core::ptr::null();
    bench.turn(64, |received| {
        assert_eq!(received.buffer[..received.length], frame(1));
        assert_eq!(received.damage, None);
        assert!(received.can_answer);
        received.buffer[18] = 0xee;
        shown = received.buffer.as_ptr();
        Verdict::Answer { length: 98 }
    });
    let mut answer = frame(1);
    answer[18] = 0xee;
    assert_eq!(bench.take_sent(), [answer]);
    assert_eq!(shown, bench.model().locate(received_into));
    let owners = (
        bench.device.transmit.buffers().next().unwrap(),
        bench.device.receive.buffers().next().unwrap(),
    );
    assert_eq!(owners, (received_into, sent_before));
}

#[test]
fn a_frame_without_an_answer_leaves_its_buffer_where_it_is() {
    let mut bench = bench();
    let before: Vec<_> = bench.device.buffers().collect();
    bench.model().receive(&frame(1));
    assert_eq!(bench.turn(64, |_| Verdict::Release), 1);
    assert!(bench.take_sent().is_empty());
    assert_eq!(bench.device.buffers().collect::<Vec<_>>(), before);
    assert_eq!(bench.turn(64, |_| Verdict::Release), 0);
}

#[test]
fn frames_come_in_order_and_no_more_than_the_budget_at_a_time() {
    let mut bench = bench();
    for filler in 0..10 {
        bench.model().receive(&frame(filler));
    }
    let mut fillers = Vec::new();
    for expected in [4, 4, 2, 0] {
        let count = bench.turn(4, |received| {
            fillers.push(received.buffer[40]);
            Verdict::Release
        });
        assert_eq!(count, expected);
    }
    assert_eq!(fillers, (0..10).collect::<Vec<_>>());
}

#[test]
fn processing_more_than_is_ready_stops_at_what_is_there() {
    let mut bench = bench();
    bench.model().receive(&frame(1));
    let mut frames = 0;
    let mut count = Script(|_: Received<'_>| {
        frames += 1;
        Verdict::Release
    });
    bench.device.process(Batch::of(usize::MAX), &mut count);
    assert_eq!(frames, 1);
}

#[test]
fn a_thousand_frames_go_round_both_rings() {
    let mut bench = bench();
    for round in 0..1000_u32 {
        // 1 to 7 frames a turn, so that the rings wrap in the middle of turns, too.
        let frames: Vec<_> = (0..=round % 7).map(|n| frame((round + n) as u8)).collect();
        for frame in &frames {
            assert_eq!(bench.model().receive(frame), Outcome::Delivered);
        }
        assert_eq!(bench.echo(), frames.len());
        assert_eq!(bench.take_sent(), frames);
    }
    let answered = (0..1000).map(|round| round % 7 + 1).sum();
    assert_eq!(bench.statistic("rx_packets"), answered);
    assert_eq!(bench.statistic("tx_packets"), answered);
    assert_eq!(bench.statistic("rx_bytes"), answered * 102);
    assert_eq!(bench.statistic("tx_bytes"), answered * 102);
    assert_eq!(bench.statistic("rx_missed_errors"), 0);
}

#[test]
fn short_answers_are_padded_with_zeros_and_stale_octets_stay_inside() {
    let mut bench = bench();
    for length in 0..=MINIMUM_FRAME {
        bench.model().receive(&frame(0xaa));
        bench.turn(64, |received| {
            received.buffer[..length].fill(0x55);
            Verdict::Answer { length }
        });
        let mut expected = std::vec![0x55; length];
        expected.resize(MINIMUM_FRAME, 0);
        assert_eq!(bench.take_sent(), [expected]);
    }
}

#[test]
fn answers_go_out_at_every_length_up_to_the_longest_and_no_further_than_the_buffer() {
    let mut bench = bench();
    for (length, sent) in [
        (60, 60),
        (61, 61),
        (1518, 1518),
        (2048, 2048),
        (2049, 2048),
        (70_000, 2048),
        (usize::MAX, 2048),
    ] {
        bench.model().receive(&frame(3));
        bench.turn(64, |_| Verdict::Answer { length });
        assert_eq!(bench.take_sent()[0].len(), sent);
    }
}

#[test]
fn frames_of_our_own_go_out_between_answers_and_in_order() {
    let mut bench = bench();
    bench.model().receive(&frame(1));
    let compose = |filler| {
        move |buffer: &mut [u8; BUFFER_SIZE]| {
            buffer[..42].fill(filler);
            42
        }
    };
    bench.device.transmit(compose(9)).unwrap();
    bench.device.process(
        Batch::of(64),
        &mut Script(|_: Received<'_>| Verdict::Answer { length: 98 }),
    );
    bench.device.transmit(compose(8)).unwrap();
    assert!(bench.take_sent().is_empty(), "sent before the doorbell");
    bench.device.ring_doorbells();
    let ours = |filler| {
        let mut frame = std::vec![filler; 42];
        frame.resize(MINIMUM_FRAME, 0);
        frame
    };
    assert_eq!(bench.take_sent(), [ours(9), frame(1), ours(8)]);
    bench.check();
}

#[test]
fn what_is_answered_at_once_is_whole_and_can_be_sent() {
    let mut bench = bench();
    for filler in [1, 2] {
        bench.model().receive(&frame(filler));
    }
    assert_eq!(bench.usual_batch(), (std::vec![98, 98], 0));
    assert_eq!(bench.take_sent(), [frame(1), frame(2)]);
    // One with an error, and one whose link is gone, are for the other way.
    bench.model().deliver(&frame(3), 98 | 0x0103 << 32);
    assert_eq!(bench.usual_batch(), (std::vec![], 1));
    bench.model().link_up = false;
    bench.device.refresh_link();
    bench.model().deliver(&frame(4), 98 | 0x0003 << 32);
    assert_eq!(bench.usual_batch(), (std::vec![], 1));
    assert!(bench.take_sent().is_empty());
}

#[test]
fn a_batch_ends_with_what_is_answered_at_once_behind_a_frame_that_is_not() {
    let mut bench = bench();
    bench.model().deliver(&frame(1), 98 | 0x0103 << 32);
    for filler in [2, 3] {
        bench.model().receive(&frame(filler));
    }
    assert_eq!(bench.usual_batch(), (std::vec![98], 1));
    assert_eq!(bench.usual_batch(), (std::vec![98], 0));
}
