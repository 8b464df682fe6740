//! Who stays when a hundred thousand invented neighbors ask for us.

use super::*;

/// How many neighbors a table has room for, and how many are invented.
const SIZES: [(usize, u32); 3] = [
    (64, 10_000),
    (DEFAULT_CAPACITY, INVENTED),
    (LARGEST_CAPACITY, 2 * INVENTED),
];
const INVENTED: u32 = 100_000;

/// Sixteen peers, each of a network of its own and far from the invented ones.
fn live(number: u8, milliseconds: u64) -> Neighbor {
    Neighbor {
        vid: u16::from(number) + 1,
        address: Ipv4Addr::new(192, 168, number, 10 + number),
        mac: MacAddress([2, 0x11, 0, 0, 0, number]),
        confirmed: at(milliseconds),
    }
}

/// The invented ones, each heard `times` times, all within a second that begins at `milliseconds`.
fn flood(table: &mut NeighborTable, milliseconds: u64, times: u32) {
    flood_with(table, INVENTED, milliseconds, times);
}

fn flood_with(table: &mut NeighborTable, invented: u32, milliseconds: u64, times: u32) {
    for number in 0..invented {
        let now = milliseconds + u64::from(number) * 1_000 / u64::from(invented);
        for _ in 0..times {
            table.learn(host(number, now));
        }
    }
}

fn all_stay(table: &NeighborTable) -> bool {
    (0..16).all(|number| {
        let peer = live(number, 0);
        let found = table.find(peer.vid, peer.address);
        found.is_some_and(|found| found.mac == peer.mac)
    })
}

/// Sixteen live peers, known in four ways.
fn table_with_live_peers() -> NeighborTable {
    with_live_peers(DEFAULT_CAPACITY)
}

fn with_live_peers(capacity: usize) -> NeighborTable {
    let mut table = NeighborTable::with_capacity(capacity);
    table.set_up(RATE, DEFAULT_QUESTIONS);
    for number in 0..16 {
        let peer = live(number, 0);
        match number % 4 {
            // Heard of twice, over a second apart.
            0 => {
                table.learn(peer);
                table.learn(live(number, 1_000));
            }
            // Heard of and sent to.
            1 => {
                table.learn(peer);
                let sent = table.resolve(peer.vid, peer.address, at(1_000));
                assert_eq!(sent, Resolution::Known(peer.mac));
            }
            // Asked for.
            2 => {
                let asked = table.resolve(peer.vid, peer.address, at(0));
                assert_eq!(asked, Resolution::Wait);
                table.learn(peer);
            }
            // Entered by the operator.
            _ => table
                .add_permanent(peer.vid, peer.address, peer.mac, at(0))
                .expect("has room"),
        }
    }
    table
}

#[test]
fn a_hundred_thousand_invented_neighbors_drive_out_no_live_one() {
    for (capacity, invented) in SIZES {
        for times in [1, 2] {
            let mut table = with_live_peers(capacity);
            flood_with(&mut table, invented, 2_000, times);
            assert!(all_stay(&table), "{capacity}");
            assert_eq!(table.iter().count(), capacity);
        }
    }
}

#[test]
fn a_flood_that_lasts_drives_out_no_one_who_is_used() {
    // Peers that we talk to every ten seconds, for two minutes; each answers when it is asked.
    let mut table = table_with_live_peers();
    for round in 1..=12 {
        let now = round * 10_000;
        flood(&mut table, now, 1);
        for number in 0..16 {
            let peer = live(number, now);
            let resolution = table.resolve(peer.vid, peer.address, at(now));
            assert_eq!(
                resolution,
                Resolution::Known(peer.mac),
                "{number} in {round}"
            );
        }
        for said in poll_all(&mut table, now) {
            if let Said::Request(vid, _, to) = said {
                let peer = live(vid as u8 - 1, now);
                assert_eq!(to, peer.mac, "asked alone");
                table.learn(peer);
            }
        }
    }
}

#[test]
fn invented_neighbors_that_repeat_themselves_drive_out_no_one_who_was_there_before() {
    let mut table = table_with_live_peers();
    // Few enough to stay long enough to be heard twice: they fill the table with proven ones.
    for numbers in [0..900, 900..1_800, 1_800..2_700] {
        for now in [2_000, 3_500, 5_000] {
            for number in numbers.clone() {
                table.learn(host(number, now));
            }
        }
    }
    assert!(all_stay(&table));
    // Who is asked for finds its place all the same.
    let peer = live(200, 6_000);
    assert_eq!(
        table.resolve(peer.vid, peer.address, at(6_000)),
        Resolution::Wait
    );
    assert_eq!(table.learn(peer), Heard::Added);
    flood(&mut table, 7_000, 1);
    let known = Resolution::Known(peer.mac);
    assert_eq!(table.resolve(peer.vid, peer.address, at(8_000)), known);
    assert!(all_stay(&table));
    assert_eq!(table.iter().count(), DEFAULT_CAPACITY);
    assert!(table.counters().no_room > 10_000);
}

#[test]
fn a_neighbor_we_no_longer_use_and_no_longer_hear_gives_way() {
    let mut table = table_with_live_peers();
    flood(&mut table, 70_000, 1);
    let staying = (0..16).filter(|&number| {
        let peer = live(number, 0);
        table.find(peer.vid, peer.address).is_some()
    });
    // Only the permanent ones.
    assert!(staying.eq([3, 7, 11, 15]));
    // That the twelve expired ones are gone is not counted as if they had been driven out.
    let places = DEFAULT_CAPACITY as u64 - 4;
    assert_eq!(table.counters().evictions, u64::from(INVENTED) - places);
}

#[test]
fn a_flood_drives_out_its_own_kind_the_oldest_first_and_the_table_never_grows() {
    for (capacity, invented) in SIZES {
        let mut table = NeighborTable::with_capacity(capacity);
        table.set_up(RATE, DEFAULT_QUESTIONS);
        flood_with(&mut table, invented, 0, 1);
        assert_eq!(table.iter().count(), capacity);
        let known = |number| table.find(VID, host(number, 0).address).is_some();
        assert!(known(invented - 1));
        assert!(!known(0));
        let counters = table.counters();
        assert_eq!(counters.evictions, u64::from(invented) - capacity as u64);
        assert_eq!(counters.no_room, 0);
    }
}

#[test]
fn among_those_we_use_who_was_used_longest_ago_gives_way() {
    let mut table = table();
    for number in 0..2 * DEFAULT_CAPACITY as u32 {
        let now = u64::from(number);
        table.resolve(VID, host(number, now).address, at(now));
        table.learn(host(number, now));
        poll_all(&mut table, now);
    }
    let known = |number: u32| table.find(VID, host(number, 0).address).is_some();
    let recent = (DEFAULT_CAPACITY as u32 * 2 - 300)..(DEFAULT_CAPACITY as u32 * 2);
    assert!(recent.clone().all(known));
    let first = (0..300).filter(|&number| known(number)).count();
    assert!(first < 10, "{first}");
}
