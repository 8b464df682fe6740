//! More frames than descriptors, in either direction.

use super::*;

#[test]
fn frames_that_find_no_descriptor_are_counted_and_reception_goes_on() {
    let mut bench = bench();
    for n in 0..300 {
        let expected = if n < 255 {
            Outcome::Delivered
        } else {
            Outcome::Missed
        };
        assert_eq!(bench.model().receive(&frame(n as u8)), expected);
    }
    let mut echoed = 0;
    for _ in 0..5 {
        echoed += bench.echo();
    }
    assert_eq!(echoed, 255);
    let expected: Vec<_> = (0..255).map(|n| frame(n as u8)).collect();
    assert_eq!(bench.take_sent(), expected);
    assert_eq!(bench.statistic("rx_missed_errors"), 45);
    assert_eq!(bench.statistic("rx_no_buffer_count"), 45);
    for _ in 0..1000 {
        assert_eq!(bench.model().receive(&frame(5)), Outcome::Delivered);
        assert_eq!(bench.echo(), 1);
    }
}

#[test]
fn a_full_transmit_ring_says_so_loses_nothing_and_recovers() {
    let mut bench = bench();
    bench.model().transmit_credit = 0;
    let mut answered = 0;
    let mut refused = 0;
    for n in 0..400 {
        assert_eq!(bench.model().receive(&frame(n as u8)), Outcome::Delivered);
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
    // One slot is held back, so that the tail does not meet the head.
    assert_eq!((answered, refused), (255, 145));
    assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::RingFull));

    // The tail moves on with every single frame that goes out.
    bench.model().transmit_credit = 1;
    bench.model().pump();
    bench.model().receive(&frame(77));
    assert_eq!(bench.echo(), 1);
    assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::RingFull));

    bench.model().transmit_credit = usize::MAX;
    bench.model().pump();
    let mut expected: Vec<_> = (0..255).map(|n| frame(n as u8)).collect();
    expected.push(frame(77));
    assert_eq!(bench.take_sent(), expected);
    assert_eq!(bench.device.transmit(|_| 60), Ok(()));
    bench.device.ring_doorbells();
    assert_eq!(bench.take_sent().len(), 1);
}

#[test]
fn an_answer_given_against_the_rules_is_dropped_and_counted() {
    let mut bench = bench();
    bench.model().link_up = false;
    bench.device.refresh_link();
    bench.model().link_up = true;
    bench.model().receive(&frame(1));
    bench.turn(64, |_| Verdict::Answer { length: 98 });
    assert!(bench.take_sent().is_empty());
    assert_eq!(bench.statistic("tx_dropped"), 1);
}
