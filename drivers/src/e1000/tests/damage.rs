//! What is told about frames that cannot be trusted.

use super::*;

/// What the receiver is told about each of `descriptors`, delivered one after the other.
fn reported(descriptors: &[u64]) -> Vec<(usize, Option<Damage>)> {
    let mut bench = bench();
    for &fields in descriptors {
        bench.model().deliver(&[0xdd; 2048], fields);
    }
    let mut reported = Vec::new();
    bench.turn(64, |received| {
        reported.push((received.length, received.damage));
        Verdict::Release
    });
    reported
}

#[test]
fn each_error_bit_of_a_frame_is_damage_and_bad_checksums_inside_are_not() {
    let errors: Vec<_> = (0..8)
        .map(|bit| RECEIVED_WHOLE | 1 << (40 + bit) | 98)
        .collect();
    let bad = (98, Some(Damage::Reported));
    let good = (98, None);
    assert_eq!(
        reported(&errors),
        [bad, bad, bad, good, bad, good, good, bad]
    );
}

#[test]
fn lengths_that_cannot_be_are_damage() {
    let lengths = [0, 1, 2048, 2049, 65535];
    let impossible = |length| (length, Some(Damage::ImpossibleLength));
    let descriptors = lengths.map(|length| RECEIVED_WHOLE | length);
    assert_eq!(
        reported(&descriptors),
        [
            impossible(0),
            (1, None),
            (2048, None),
            impossible(2048),
            impossible(2048),
        ]
    );
}

#[test]
fn every_piece_of_an_oversized_frame_is_damage_and_the_next_frame_is_whole() {
    let part = RECEIVED_PART | 2048;
    let last = RECEIVED_WHOLE | 100;
    let oversized = |length| (length, Some(Damage::Oversized));
    assert_eq!(
        reported(&[last, part, part, last, last, part, last | 1 << 40, last]),
        [
            (100, None),
            oversized(2048),
            oversized(2048),
            oversized(100),
            (100, None),
            oversized(2048),
            oversized(100),
            (100, None),
        ]
    );
}

#[test]
fn descriptors_that_are_all_ones_are_damage_and_end_with_the_budget() {
    let mut bench = bench();
    for index in 0..256 {
        bench.model().scribble(true, index, u64::MAX, u64::MAX);
    }
    assert_eq!(bench.device.ready(1000), 255);
    for _ in 0..20 {
        let mut shown = 0;
        let count = bench.turn(64, |received| {
            shown += 1;
            assert!(received.damage.is_some());
            assert_eq!(received.length, 2048);
            Verdict::Release
        });
        assert_eq!(count, shown);
        assert!(count <= 64);
    }
}
