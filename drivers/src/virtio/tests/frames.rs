//! Frames and their answers.

use super::*;

in_each_format!(
    a_frame_is_answered_in_the_buffer_in_which_it_came,
    short_answers_are_padded_with_zeros_and_long_ones_end_with_the_buffer,
    lengths_that_cannot_be_are_damage,
    when_nothing_goes_out_frames_are_still_taken_in,
    frames_may_be_finished_in_any_order,
    an_overrun_ends_when_buffers_come_back,
    deferred_frames_come_up_later_in_order,
    nothing_is_answered_for_a_dead_link_or_by_a_device_that_is_away,
    frames_of_our_own_go_out,
);
use crate::backlog::CAPACITY;

fn a_frame_is_answered_in_the_buffer_in_which_it_came<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for round in 0..1000_u32 {
        let filler = round as u8;
        bench.model().receive(&frame(filler));
        bench.turn(64, |received| {
            assert_eq!(received.buffer[..received.length], frame(filler));
            assert_eq!(received.damage, None);
            assert!(received.can_answer && received.can_defer);
            received.buffer[97] = 0x55;
            Verdict::Answer { length: 98 }
        });
        let mut expected = frame(filler);
        expected[97] = 0x55;
        assert_eq!(bench.take_sent(), [expected]);
    }
}

fn short_answers_are_padded_with_zeros_and_long_ones_end_with_the_buffer<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for (length, sent) in [
        (0, 60),
        (14, 60),
        (59, 60),
        (60, 60),
        (2048, 2048),
        (usize::MAX, 2048),
    ] {
        bench.model().receive(&[0x99; 2048]);
        bench.turn(64, |_| Verdict::Answer { length });
        let frames = bench.take_sent();
        let mut expected = std::vec![0x99; sent];
        if length < MINIMUM_FRAME {
            expected[length..].fill(0);
        }
        assert_eq!(frames, [expected]);
    }
}

fn lengths_that_cannot_be_are_damage<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for (length, expected) in [
        (0, Some(Damage::ImpossibleLength)),
        (11, Some(Damage::ImpossibleLength)),
        (12, Some(Damage::ImpossibleLength)),
        (13, None),
        (12 + 2048, None),
        (12 + 2049, Some(Damage::ImpossibleLength)),
        (u32::MAX, Some(Damage::ImpossibleLength)),
    ] {
        bench.model().deliver(&[1; 64], length);
        let mut damage = None;
        bench.turn(64, |received| {
            damage = received.damage;
            assert!(received.length <= BUFFER_SIZE);
            Verdict::Release
        });
        assert_eq!(damage, expected, "{length}");
    }
}

fn when_nothing_goes_out_frames_are_still_taken_in<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.model().transmit_credit = 0;
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..1000 {
        assert_eq!(bench.model().receive(&frame(1)), Outcome::Delivered);
        bench.turn(64, |received| match received.can_answer {
            true => {
                answered += 1;
                Verdict::Answer { length: 98 }
            }
            false => {
                refused += 1;
                Verdict::Release
            }
        });
    }
    assert_eq!((answered, refused), (256, 744));
    bench.model().transmit_credit = usize::MAX;
    bench.model().pump();
    assert_eq!(bench.take_sent().len(), 256);
    bench.assert_serves();
}

fn frames_may_be_finished_in_any_order<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.backwards = true).unwrap();
    for round in 0..100_u8 {
        for filler in 0..50 {
            bench.model().receive(&frame(round ^ filler));
        }
        bench.echo();
        bench.model().pump();
        let expected: Vec<_> = (0..50).map(|filler| frame(round ^ filler)).collect();
        assert_eq!(bench.take_sent(), expected);
    }
}

fn an_overrun_ends_when_buffers_come_back<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    let outcomes: Vec<_> = (0..300).map(|_| bench.model().receive(&frame(1))).collect();
    let delivered = outcomes
        .iter()
        .filter(|&&outcome| outcome == Outcome::Delivered);
    assert_eq!(delivered.count(), 256);
    while bench.echo() > 0 {}
    bench.assert_serves();
}

fn deferred_frames_come_up_later_in_order<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for filler in 0..CAPACITY as u8 + 4 {
        bench.model().receive(&frame(filler));
    }
    bench.turn(256, |_| Verdict::Defer);
    assert_eq!(bench.device.deferred(), CAPACITY);
    let mut script = Script(|received: Received<'_>| Verdict::Answer {
        length: received.length,
    });
    bench.device.process_deferred(usize::MAX, &mut script);
    bench.device.ring_doorbells();
    bench.check();
    let expected: Vec<_> = (0..CAPACITY as u8).map(frame).collect();
    assert_eq!(bench.take_sent(), expected);
    assert_eq!(bench.statistic("rx_dropped"), 4);
}

fn nothing_is_answered_for_a_dead_link_or_by_a_device_that_is_away<Q: Virtqueue>() {
    let mut refusing = Script(|received: Received<'_>| {
        assert!(!received.can_answer);
        Verdict::Release
    });
    for is_away in [false, true] {
        let mut bench = bench::<Q>();
        bench.model().receive(&frame(1));
        bench.turn(64, |_| Verdict::Defer);
        bench.model().receive(&frame(2));
        bench.model().link_up = is_away;
        bench.model().gone = is_away;
        bench.look(100);
        let count = bench.turn(64, |received| (refusing.0)(received));
        assert_eq!(count, usize::from(!is_away));
        bench.device.process_deferred(64, &mut refusing);
        assert_eq!(bench.device.deferred(), 0);
        assert_eq!(bench.statistic("tx_dropped"), 0);
    }
}

fn frames_of_our_own_go_out<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for filler in 0..=255 {
        let queued = bench.device.transmit(|buffer| {
            buffer[..98].copy_from_slice(&frame(filler));
            98
        });
        assert_eq!(queued, Ok(()));
        bench.device.ring_doorbells();
        assert_eq!(bench.take_sent(), [frame(filler)]);
    }
    bench.model().link_up = false;
    bench.device.refresh_link();
    let queued = bench
        .device
        .transmit(|_| panic!("composed for a dead link"));
    assert_eq!(queued, Err(TransmitError::LinkDown));
}
