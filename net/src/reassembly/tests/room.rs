//! Who gives way when there is no room for all.

use super::*;

/// Begins datagram `identification` of `host`.
fn begin(reassembly: &mut Reassembly, host: u16, identification: u16) {
    let first = Sent::new(0, true, b"abcdefgh");
    let begun = first.from(host).of(identification).arrives(reassembly);
    assert_eq!(begun, Ok(None));
}

/// Whether datagram `identification` of `host` was still waiting: its last fragment makes it whole.
fn is_there(reassembly: &mut Reassembly, host: u16, identification: u16) -> bool {
    let last = Sent::new(8, false, b"ijk");
    let ended = last.from(host).of(identification).arrives(reassembly);
    ended.expect("taken").is_some()
}

fn discard(reassembly: &mut Reassembly, host: u16, identification: u16) {
    begin(reassembly, host, identification);
    let other = Sent::new(0, true, b"ABCDEFGH");
    let other = other.from(host).of(identification).arrives(reassembly);
    assert_eq!(other, Err(Refusal::Overlap));
}

#[test]
fn one_source_has_half_of_the_contexts_and_its_own_oldest_gives_way() {
    let mut reassembly = reassembly(8);
    for identification in 0..5 {
        begin(&mut reassembly, 1, identification);
    }
    assert_eq!(reassembly.waiting(), 4);
    assert_eq!(reassembly.evicted(), 1);
    for (identification, there) in [(1, true), (2, true), (3, true), (4, true), (0, false)] {
        let found = is_there(&mut reassembly, 1, identification);
        assert_eq!(found, there, "datagram {identification}");
    }
}

#[test]
fn a_source_is_another_host_in_another_vlan() {
    let mut reassembly = reassembly(4);
    for vid in [None, Some(41), Some(42)] {
        for identification in [1, 2] {
            let mut first = Sent::new(0, true, b"abcdefgh").of(identification);
            first.vid = vid;
            assert_eq!(first.arrives(&mut reassembly), Ok(None));
        }
    }
    assert_eq!(reassembly.waiting(), 4);
}

#[test]
fn a_flood_from_one_source_does_not_touch_a_live_peer() {
    let mut reassembly = reassembly(8);
    begin(&mut reassembly, 1, 0);
    for identification in 0..1000 {
        begin(&mut reassembly, 2, identification);
        discard(&mut reassembly, 3, identification);
    }
    assert!(is_there(&mut reassembly, 1, 0));
}

#[test]
fn a_discarded_datagram_gives_way_before_one_that_waits() {
    let mut reassembly = reassembly(4);
    begin(&mut reassembly, 1, 0);
    discard(&mut reassembly, 2, 0);
    discard(&mut reassembly, 3, 0);
    begin(&mut reassembly, 4, 0);
    begin(&mut reassembly, 5, 0);
    assert_eq!(reassembly.evicted(), 0);
    // The one that was discarded later is still there.
    let late = Sent::new(8, false, b"ijk").from(3).of(0);
    assert_eq!(late.arrives(&mut reassembly), Err(Refusal::Discarded));
    for host in [1, 4, 5] {
        assert!(is_there(&mut reassembly, host, 0), "host {host}");
    }
}

#[test]
fn a_discarded_datagram_is_remembered_while_another_context_is_free() {
    let mut reassembly = reassembly(2);
    discard(&mut reassembly, 2, 0);
    begin(&mut reassembly, 3, 0);
    assert!(is_there(&mut reassembly, 3, 0));
    begin(&mut reassembly, 4, 0);
    let late = Sent::new(8, false, b"ijk").from(2).of(0);
    assert_eq!(late.arrives(&mut reassembly), Err(Refusal::Discarded));
}

#[test]
fn when_all_wait_the_oldest_of_the_greediest_source_gives_way() {
    let mut reassembly = reassembly(8);
    begin(&mut reassembly, 1, 0);
    for (host, identification) in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0)] {
        begin(&mut reassembly, host, identification);
    }
    begin(&mut reassembly, 2, 2);
    assert_eq!(reassembly.evicted(), 0);
    // Hosts 2 and 3 have three each, and host 2's oldest is the older one.
    begin(&mut reassembly, 5, 0);
    assert_eq!((reassembly.waiting(), reassembly.evicted()), (8, 1));
    // Now host 3 has the most.
    begin(&mut reassembly, 6, 0);
    assert_eq!((reassembly.waiting(), reassembly.evicted()), (8, 2));
    for (host, identification) in [
        (1, 0),
        (2, 1),
        (2, 2),
        (3, 1),
        (3, 2),
        (4, 0),
        (5, 0),
        (6, 0),
    ] {
        let there = is_there(&mut reassembly, host, identification);
        assert!(there, "datagram {identification} of host {host}");
    }
}

#[test]
fn every_context_can_be_used() {
    let mut reassembly = reassembly(8);
    for host in 0..8 {
        begin(&mut reassembly, host, 0);
    }
    assert_eq!((reassembly.waiting(), reassembly.evicted()), (8, 0));
    for host in 0..8 {
        assert!(is_there(&mut reassembly, host, 0));
    }
}

#[test]
fn without_contexts_every_fragment_is_refused_and_with_one_each_takes_the_place_of_the_last() {
    let first = Sent::new(0, true, b"abcdefgh");
    let mut none = reassembly(0);
    assert_eq!(first.arrives(&mut none), Err(Refusal::NoContext));
    assert_eq!(none.expire(at(u64::MAX)), None);

    let mut one = reassembly(1);
    begin(&mut one, 1, 0);
    begin(&mut one, 2, 0);
    assert_eq!((one.waiting(), one.evicted()), (1, 1));
    assert!(is_there(&mut one, 2, 0));
}

#[test]
fn there_are_never_more_contexts_than_there_may_be() {
    let mut many = reassembly(10_000);
    for host in 0..100 {
        begin(&mut many, host, 0);
    }
    assert_eq!(many.waiting(), MAXIMUM_CONTEXTS);
}
