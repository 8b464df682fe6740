//! Fragments that cannot all be right (RFC 5722), and fragments that are merely repeated.

use super::*;

/// Octets 8 to 23 of a datagram of 28 octets, its end, and its beginning.
fn parts() -> [Sent; 3] {
    let data = counting(28);
    [
        Sent::new(8, true, &data[8..24]),
        Sent::new(24, false, &data[24..]),
        Sent::new(0, true, &data[..8]),
    ]
}

/// Checks that `wrong`, after the middle of a datagram and its end if `with_end`, discards it.
#[track_caller]
fn assert_discards(wrong: &Sent, with_end: bool, refusal: Refusal) {
    let [middle, end, start] = parts();
    let mut reassembly = reassembly(8);
    assert_eq!(middle.arrives(&mut reassembly), Ok(None));
    if with_end {
        assert_eq!(end.arrives(&mut reassembly), Ok(None));
    }
    assert_eq!(wrong.arrives(&mut reassembly), Err(refusal), "{wrong:?}");
    assert_eq!(reassembly.waiting(), 0, "{wrong:?}");
    for other in [&start, &middle, &end, wrong] {
        let late = other.clone().at(60 * SECOND - 1);
        assert_eq!(late.arrives(&mut reassembly), Err(Refusal::Discarded));
    }
    // Nothing is said about a discarded datagram, and then it is forgotten.
    assert_eq!(reassembly.expire(at(60 * SECOND)), None);
    for other in [&middle, &end] {
        let again = other.clone().at(60 * SECOND);
        assert_eq!(again.arrives(&mut reassembly), Ok(None));
    }
    let whole = start.at(60 * SECOND).arrives(&mut reassembly);
    assert_eq!(whole.expect("taken").expect("whole")[20..], counting(28));
}

#[test]
fn an_overlap_discards_the_datagram_and_what_else_comes_of_it_rfc_5722_section_4() {
    let data = counting(28);
    for wrong in [
        // Its end, its beginning, all of it and more on either side.
        Sent::new(0, true, &data[..16]),
        Sent::new(16, true, &[data[16..24].to_vec(), vec![0; 8]].concat()),
        Sent::new(0, true, &[data[..24].to_vec(), vec![0; 8]].concat()),
        Sent::new(16, false, &data[16..]),
        // The same octets with other contents, and some of them.
        Sent::new(8, true, &[0xee; 16]),
        Sent::new(16, true, &[0xee; 8]),
    ] {
        assert_discards(&wrong, false, Refusal::Overlap);
    }
    // The end, with other contents, and from farther in front.
    assert_discards(&Sent::new(24, false, &[0xee; 4]), true, Refusal::Overlap);
    assert_discards(&Sent::new(16, false, &[0xee; 12]), true, Refusal::Overlap);
    assert_discards(&Sent::new(0, false, &data), true, Refusal::Overlap);
}

#[test]
fn an_end_other_than_the_one_that_came_discards_the_datagram() {
    for wrong in [
        Sent::new(32, false, b"x"),
        Sent::new(24, false, &[0; 3]),
        Sent::new(24, false, &[0; 5]),
        Sent::new(0, false, b"abcd"),
    ] {
        assert_discards(&wrong, true, Refusal::ContradictoryEnd);
    }
}

#[test]
fn an_end_before_what_came_discards_the_datagram() {
    let data = counting(28);
    for wrong in [
        Sent::new(0, false, &data[..8]),
        Sent::new(8, false, &data[8..20]),
        // It ends where another did that said that more would follow.
        Sent::new(16, false, &data[16..24]),
    ] {
        assert_discards(&wrong, false, Refusal::ContradictoryEnd);
    }
}

#[test]
fn more_behind_the_end_discards_the_datagram() {
    for wrong in [
        Sent::new(32, true, &[0; 8]),
        Sent::new(24, true, &[0; 8]),
        Sent::new(8, true, &[0; 24]),
    ] {
        assert_discards(&wrong, true, Refusal::ContradictoryEnd);
    }
}

#[test]
fn a_header_that_makes_the_datagram_too_long_discards_it() {
    let mut reassembly = reassembly(8);
    let last = Sent::new(65_472, false, &[0; 8]);
    assert_eq!(last.arrives(&mut reassembly), Ok(None));
    let mut first = Sent::new(0, true, &[0; 8]);
    first.options = vec![1; 40];
    assert_eq!(first.arrives(&mut reassembly), Err(Refusal::TooLong));
    assert_eq!(last.arrives(&mut reassembly), Err(Refusal::Discarded));
    // And in the other order.
    assert_eq!(first.clone().of(2).arrives(&mut reassembly), Ok(None));
    let last = last.of(2);
    assert_eq!(last.arrives(&mut reassembly), Err(Refusal::TooLong));
    assert_eq!(last.arrives(&mut reassembly), Err(Refusal::Discarded));
}

#[test]
fn a_repeated_fragment_is_counted_and_harms_nothing() {
    let data = counting(28);
    let [middle, end, start] = parts();
    let mut reassembly = reassembly(8);
    for part in [&middle, &end] {
        assert_eq!(part.arrives(&mut reassembly), Ok(None));
        assert_eq!(part.arrives(&mut reassembly), Err(Refusal::Duplicate));
    }
    // Cut elsewhere on its second way, but with the same octets.
    let half = Sent::new(16, true, &data[16..24]);
    assert_eq!(half.arrives(&mut reassembly), Err(Refusal::Duplicate));
    let whole = start.arrives(&mut reassembly).expect("taken");
    assert_eq!(whole.expect("whole")[20..], data);
}

#[test]
fn a_repeated_end_that_says_that_more_follows_is_no_repetition() {
    let mut reassembly = reassembly(8);
    let end = Sent::new(8, false, &counting(8));
    assert_eq!(end.arrives(&mut reassembly), Ok(None));
    let more = Sent { more: true, ..end };
    let refusal = Err(Refusal::ContradictoryEnd);
    assert_eq!(more.arrives(&mut reassembly), refusal);
}
