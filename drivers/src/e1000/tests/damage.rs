//! What is told about frames that cannot be trusted.

use super::*;

/// What the receiver is told about each of `descriptors`, delivered one after the other.
fn reported(descriptors: &[u64]) -> Vec<(usize, Option<Damage>)> {
    reported_by(bench(), descriptors)
}

/// The same of advanced descriptors.
fn reported_advanced(descriptors: &[u64]) -> Vec<(usize, Option<Damage>)> {
    let bench: Bench<Advanced> = bring_up_as(advanced_card(), |_| ()).unwrap();
    reported_by(bench, descriptors)
}

fn reported_by<F: Format>(
    mut bench: Bench<F>,
    descriptors: &[u64],
) -> Vec<(usize, Option<Damage>)> {
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
fn of_an_advanced_descriptor_one_bit_says_that_the_frame_is_damaged() {
    let statuses: Vec<_> = (2..32)
        .map(|bit| ADVANCED_RECEIVED_WHOLE | 1 << bit | 98 << 32)
        .collect();
    let mut expected = std::vec![(98, None); 30];
    expected[29] = (98, Some(Damage::Reported));
    assert_eq!(reported_advanced(&statuses), expected);
    // What else is told about it does not matter.
    let whole = ADVANCED_RECEIVED_WHOLE | 98 << 32 | 0xffff << 48;
    assert_eq!(reported_advanced(&[whole]), [(98, None)]);
}

#[test]
fn lengths_that_cannot_be_are_damage() {
    let lengths = [0, 1, 2048, 2049, 65535];
    let impossible = |length| (length, Some(Damage::ImpossibleLength));
    let expected = [
        impossible(0),
        (1, None),
        (2048, None),
        impossible(2048),
        impossible(2048),
    ];
    let descriptors = lengths.map(|length| RECEIVED_WHOLE | length);
    assert_eq!(reported(&descriptors), expected);
    let descriptors = lengths.map(|length| ADVANCED_RECEIVED_WHOLE | length << 32);
    assert_eq!(reported_advanced(&descriptors), expected);
}

#[test]
fn every_piece_of_an_oversized_frame_is_damage_and_the_next_frame_is_whole() {
    let oversized = |length| (length, Some(Damage::Oversized));
    let expected = [
        (100, None),
        oversized(2048),
        oversized(2048),
        oversized(100),
        (100, None),
        oversized(2048),
        oversized(100),
        (100, None),
    ];
    let (part, last) = (RECEIVED_PART | 2048, RECEIVED_WHOLE | 100);
    let pieces = [last, part, part, last, last, part, last | 1 << 40, last];
    assert_eq!(reported(&pieces), expected);
    let part = ADVANCED_RECEIVED_PART | 2048 << 32;
    let last = ADVANCED_RECEIVED_WHOLE | 100 << 32;
    let pieces = [last, part, part, last, last, part, last | 1 << 31, last];
    assert_eq!(reported_advanced(&pieces), expected);
}

#[test]
fn descriptors_that_are_all_ones_are_damage_and_end_with_the_budget() {
    let mut bench = bench();
    for index in 0..256 {
        bench.model().scribble(true, index, u64::MAX, u64::MAX);
    }
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
