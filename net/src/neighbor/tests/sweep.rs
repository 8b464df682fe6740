//! Going through all neighbors there can be, a piece at a time.

use super::*;

const PIECES: usize = LARGEST_CAPACITY / 4 / SWEPT;

/// A large table, each second neighbor in VLAN 43, and one permanent in each VLAN.
fn full() -> NeighborTable {
    let mut table = NeighborTable::with_capacity(LARGEST_CAPACITY);
    table.set_up(RATE, DEFAULT_QUESTIONS);
    for number in 0..3 * LARGEST_CAPACITY as u32 {
        let vid = VID + number as u16 % 2;
        table.learn(Neighbor {
            vid,
            ..host(number, 0)
        });
    }
    for vid in [VID, 43] {
        let added = table.add_permanent(vid, Ipv4Addr::new(10, 99, 0, 1), PEER_MAC, at(0));
        assert_eq!(added, Ok(()));
    }
    assert_eq!(table.iter().count(), LARGEST_CAPACITY);
    table
}

/// How many are known in VLAN 42 and 43.
fn known(table: &NeighborTable) -> [usize; 2] {
    [VID, 43].map(|vid| table.iter().filter(|known| known.vid == vid).count())
}

#[test]
fn what_is_forgotten_is_forgotten_in_bounded_pieces() {
    type Forget = fn(&mut NeighborTable);
    let cases: [(Forget, [bool; 2], usize); 3] = [
        (|table| table.forget_vlan(VID), [false, true], 1),
        (|table| table.flush_vlan(43), [true, false], 2),
        (NeighborTable::flush, [false, false], 2),
    ];
    let full = full();
    for (forget, stays, permanent) in cases {
        let mut table = full.clone();
        forget(&mut table);
        let mut left = table.iter().count();
        let mut pieces = 1;
        while table.sweep() {
            pieces += 1;
            let now = table.iter().count();
            assert!(left - now <= 4 * SWEPT, "{left} to {now}");
            left = now;
        }
        assert_eq!(pieces, PIECES);
        assert_eq!(table.permanent_count, permanent);
        let after = known(&table);
        for (index, stays) in stays.into_iter().enumerate() {
            match stays {
                true => assert_eq!(after[index], known(&full)[index]),
                false => assert!(after[index] <= 1, "but the permanent one, none"),
            }
        }
        assert_eq!(
            table
                .list(at(0))
                .filter(|known| known.state == State::Permanent)
                .count(),
            permanent
        );
    }
}

#[test]
fn who_does_not_wait_has_it_done_all_the_same() {
    // By being polled, and by the next who forgets something.
    let mut table = full();
    table.flush();
    for _ in 0..PIECES {
        assert_eq!(table.poll(at(0)), None);
    }
    assert_eq!(known(&table), [1, 1]);
    table.learn(peer(0));
    table.flush();
    table.forget_vlan(43);
    while table.sweep() {}
    assert_eq!(known(&table), [1, 0]);
    assert_eq!(table.permanent_count, 1);
    assert!(!table.sweep());
}

#[test]
fn every_place_of_the_listing_can_be_looked_at_by_itself() {
    let mut table = table();
    for number in 0..300 {
        table.learn(host(number, 0));
    }
    // One who is asked for is listed once, known or not.
    table.resolve(VID, host(5, 0).address, at(60_000));
    table.resolve(VID, host(500, 0).address, at(60_000));
    let one_by_one = (0..table.places()).filter_map(|place| table.at(place, at(60_000)));
    let listed: Vec<_> = one_by_one.collect();
    assert_eq!(listed.len(), 301);
    assert_eq!(listed, table.list(at(60_000)).collect::<Vec<_>>());
    let incomplete = listed
        .iter()
        .filter(|known| known.state == State::Incomplete);
    assert_eq!(incomplete.count(), 1);
    for place in [table.places(), table.places() + 1, usize::MAX] {
        assert_eq!(table.at(place, at(0)), None);
    }
}
