//! What the table promises: who is known, who is asked and how often, what waits, and who gives way.

extern crate std;

mod flood;
mod model;
mod questions;
mod sweep;

use super::*;
use std::string::ToString;
use std::vec::Vec;

/// A clock on which times are nanoseconds.
const RATE: TickRate = TickRate::from_hertz(SECOND_NS);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const OTHER_MAC: MacAddress = MacAddress([2, 9, 9, 9, 9, 9]);
const VID: u16 = 42;

/// The instant `milliseconds` after the start.
fn at(milliseconds: u64) -> Instant {
    Instant::from_ticks(milliseconds * 1_000_000)
}

fn table() -> NeighborTable {
    let mut table = NeighborTable::new();
    table.set_up(RATE, DEFAULT_QUESTIONS);
    table
}

/// The peer, heard at `milliseconds`.
fn peer(milliseconds: u64) -> Neighbor {
    Neighbor {
        vid: VID,
        address: PEER,
        mac: PEER_MAC,
        confirmed: at(milliseconds),
    }
}

/// One of many hosts, heard at `milliseconds`.
fn host(number: u32, milliseconds: u64) -> Neighbor {
    let [a, b, c, d] = number.to_be_bytes();
    Neighbor {
        vid: VID,
        address: Ipv4Addr::from_bits(0x0a0a_0000 + number),
        mac: MacAddress([2, 0, a, b, c, d]),
        confirmed: at(milliseconds),
    }
}

fn state(table: &NeighborTable, address: Ipv4Addr, milliseconds: u64) -> Option<State> {
    let mut lines = table.list(at(milliseconds));
    let line = lines.find(|line| line.address == address);
    line.map(|line| line.state)
}

#[test]
fn learns_and_corrects_but_merges_only_what_it_knows() {
    // RFC 826, "Packet Reception".
    let mut table = table();
    assert_eq!(table.merge(peer(1)), Heard::Unknown);
    assert_eq!(table.iter().count(), 0);
    assert_eq!(table.learn(peer(1)), Heard::Added);
    assert_eq!(table.merge(peer(2)), Heard::Confirmed);
    let moved = Neighbor {
        mac: OTHER_MAC,
        ..peer(3)
    };
    assert_eq!(table.merge(moved), Heard::Moved { from: PEER_MAC });
    assert_eq!(table.find(VID, PEER), Some(moved));
    assert_eq!(table.find(43, PEER), None);
    assert_eq!(table.iter().count(), 1);
    assert_eq!(table.counters().moves, 1);
}

#[test]
fn a_table_without_a_clock_remembers() {
    let mut table = NeighborTable::new();
    table.learn(peer(1));
    assert_eq!(table.find(VID, PEER), Some(peer(1)));
    assert_eq!(
        table.resolve(VID, PEER, at(1_000_000)),
        Resolution::Known(PEER_MAC)
    );
    let other = Ipv4Addr::new(10, 10, 10, 9);
    assert_eq!(
        table.resolve(VID, other, at(1)),
        Resolution::TooManyQuestions
    );
    assert_eq!(table.poll(at(2)), None);
}

#[test]
fn keeps_a_network_that_nearly_fills_it() {
    for (capacity, hosts) in [
        (64, 48),
        (DEFAULT_CAPACITY, 254),
        (DEFAULT_CAPACITY, 820),
        (LARGEST_CAPACITY, 49_152),
    ] {
        let mut table = NeighborTable::with_capacity(capacity);
        for number in 1..=hosts {
            table.learn(host(number, 1));
        }
        assert_eq!(table.iter().count(), hosts as usize, "{capacity}");
        assert_eq!(table.counters().evictions, 0, "{capacity}");
        for number in 1..=hosts {
            let neighbor = host(number, 1);
            assert_eq!(table.find(VID, neighbor.address), Some(neighbor));
        }
    }
}

#[test]
fn a_table_is_made_for_a_power_of_two_of_neighbors() {
    for (asked, capacity) in [
        (0, 8),
        (8, 8),
        (9, 16),
        (1_000, 1_024),
        (40_000, 65_536),
        (65_536, 65_536),
        (usize::MAX, 65_536),
    ] {
        assert_eq!(NeighborTable::with_capacity(asked).capacity(), capacity);
    }
}

#[test]
fn an_address_is_another_neighbor_in_every_other_vlan() {
    for vid in (0..=4094).filter(|&vid| vid != VID) {
        let there = Neighbor {
            vid,
            mac: OTHER_MAC,
            ..peer(1)
        };
        let mut table = table();
        table.learn(peer(1));
        assert_eq!(table.find(vid, PEER), None, "VLAN {vid}");
        assert_eq!(table.merge(there), Heard::Unknown, "VLAN {vid}");
        table.learn(there);
        assert_eq!(table.find(VID, PEER), Some(peer(1)));
        assert_eq!(table.find(vid, PEER), Some(there));
        assert!(table.forget(vid, PEER));
        assert_eq!(table.find(VID, PEER), Some(peer(1)));
    }
}

#[test]
fn a_neighbor_expires_a_minute_after_it_was_last_heard() {
    // RFC 1122 §2.3.2.1 (1): also when it is in use.
    let mut table = table();
    table.learn(peer(0));
    assert_eq!(state(&table, PEER, 59_999), Some(State::Reachable));
    assert_eq!(state(&table, PEER, 60_000), Some(State::Stale));
    let mut now = 0;
    while now < 59_999 {
        assert_eq!(
            table.resolve(VID, PEER, at(now)),
            Resolution::Known(PEER_MAC)
        );
        now += 7_777;
    }
    assert_eq!(table.resolve(VID, PEER, at(60_000)), Resolution::Wait);
    // "restarted when the cache entry is refreshed", by whatever it says to whomever.
    assert_eq!(table.merge(peer(70_000)), Heard::Confirmed);
    assert_eq!(state(&table, PEER, 129_999), Some(State::Reachable));
    assert_eq!(state(&table, PEER, 130_000), Some(State::Stale));
}

#[test]
fn a_claim_to_be_kept_grows_with_what_a_neighbor_does_and_is_lost_with_its_silence() {
    let standing = |table: &NeighborTable| {
        let entry = table.cache.find(Key::of(VID, PEER)).expect("is known");
        entry.standing
    };
    let heard_since = |now| Standing::Heard { since: at(now) };
    let used_at = |now| Standing::Used { last: at(now) };
    let elsewhere = |now| Neighbor {
        mac: OTHER_MAC,
        ..peer(now)
    };
    let mut table = table();
    table.learn(peer(0));
    table.learn(peer(999));
    assert_eq!(standing(&table), heard_since(0), "still one moment");
    table.learn(peer(1_000));
    assert_eq!(standing(&table), Standing::Proven);
    table.learn(peer(2_000));
    assert_eq!(standing(&table), Standing::Proven);
    table.learn(elsewhere(3_000));
    assert_eq!(standing(&table), heard_since(3_000), "at another station");
    table.learn(elsewhere(4_000));
    table.learn(elsewhere(64_000));
    assert_eq!(standing(&table), heard_since(64_000), "after it expired");

    table.resolve(VID, PEER, at(65_000));
    table.learn(elsewhere(66_000));
    assert_eq!(standing(&table), used_at(65_000));
    table.learn(peer(67_000));
    assert_eq!(
        standing(&table),
        used_at(65_000),
        "we use it wherever it is"
    );
    table.learn(peer(127_000));
    assert_eq!(standing(&table), heard_since(127_000), "after it expired");
    table.solicit(VID, PEER, false, at(128_000));
    table.learn(peer(128_001));
    assert_eq!(standing(&table), used_at(128_001), "it was asked for");
}

#[test]
fn the_time_to_expiry_can_be_set() {
    // RFC 1122 §2.3.2.1: SHOULD be configurable.
    let mut table = table();
    table.learn(peer(0));
    for (expiry_ms, set_ms) in [(5_000, 5_000), (1_000, 1_000), (1, 1_000), (90_000, 90_000)] {
        table.set_expiry(RATE, expiry_ms * 1_000_000);
        assert_eq!(state(&table, PEER, set_ms - 1), Some(State::Reachable));
        assert_eq!(state(&table, PEER, set_ms), Some(State::Stale));
    }
}

#[test]
fn a_neighbor_in_use_is_asked_alone_before_it_expires() {
    // RFC 1122 §2.3.2.1 (2): "Unicast Poll".
    let mut table = table();
    table.learn(peer(0));
    assert_eq!(
        table.resolve(VID, PEER, at(44_999)),
        Resolution::Known(PEER_MAC)
    );
    assert_eq!(table.poll(at(44_999)), None);
    for (second, now) in [(0, 45_000), (1, 46_000), (2, 47_000)] {
        let known = Resolution::Known(PEER_MAC);
        assert_eq!(table.resolve(VID, PEER, at(now)), known);
        let request = Action::Request {
            vid: VID,
            address: PEER,
            to: PEER_MAC,
        };
        assert_eq!(poll_all(&mut table, now), [Said::from(request)], "{second}");
        assert_eq!(table.resolve(VID, PEER, at(now + 1)), known);
        assert_eq!(poll_all(&mut table, now + 1), []);
    }
    table.learn(peer(47_001));
    // It answered, and nobody waited; the answer is said once.
    assert_eq!(poll_all(&mut table, 47_002).len(), 1);
    assert_eq!(
        table.resolve(VID, PEER, at(90_000)),
        Resolution::Known(PEER_MAC)
    );
    assert_eq!(poll_all(&mut table, 90_000), []);
}

#[test]
fn a_mute_neighbor_in_use_expires_and_is_asked_of_all() {
    let mut table = table();
    table.learn(peer(0));
    let mut requests = Vec::new();
    for now in (0..64_000).step_by(100) {
        let expected = if now < 60_000 {
            Resolution::Known(PEER_MAC)
        } else {
            Resolution::Wait
        };
        assert_eq!(table.resolve(VID, PEER, at(now)), expected, "{now}");
        for said in poll_all(&mut table, now) {
            match said {
                Said::Request(_, _, to) => requests.push((now, to)),
                // Only once it had expired.
                other => assert!(now >= 60_000, "{now} {other:?}"),
            }
        }
    }
    for pair in requests.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= 1_000, "{pair:?}");
    }
    for (now, to) in requests {
        let all = MacAddress::BROADCAST;
        assert_eq!(to, if now < 60_000 { PEER_MAC } else { all }, "{now}");
    }
}

#[test]
fn a_permanent_neighbor_never_expires_and_is_never_asked() {
    let mut table = table();
    table
        .add_permanent(VID, PEER, PEER_MAC, at(0))
        .expect("has room");
    let days = 86_400_000 * 365;
    assert_eq!(state(&table, PEER, days), Some(State::Permanent));
    let known = Resolution::Known(PEER_MAC);
    assert_eq!(table.resolve(VID, PEER, at(days)), known);
    for permanent in [false, true] {
        assert_eq!(table.solicit(VID, PEER, permanent, at(days)), known);
    }
    assert_eq!(poll_all(&mut table, days), []);
    assert_eq!(table.learn(peer(days)), Heard::Confirmed);
    assert_eq!(state(&table, PEER, days), Some(State::Permanent));
}

#[test]
fn a_claim_against_a_permanent_neighbor_changes_nothing_and_is_reported() {
    let mut table = table();
    table
        .add_permanent(VID, PEER, PEER_MAC, at(0))
        .expect("has room");
    let claim = |now| Neighbor {
        mac: OTHER_MAC,
        ..peer(now)
    };
    let contradicted = Heard::Contradicted {
        permanent: PEER_MAC,
    };
    let mut reports = Vec::new();
    for now in (10_000..13_000).step_by(10) {
        assert_eq!(table.learn(claim(now)), contradicted);
        assert_eq!(table.merge(claim(now)), contradicted);
        for said in poll_all(&mut table, now) {
            assert_eq!(said, Said::Contradicted(peer(0), OTHER_MAC));
            reports.push(now);
        }
    }
    assert_eq!(reports, [10_000, 11_000, 12_000], "once a second");
    assert_eq!(table.counters().contradictions, 600);
    // What was claimed since is reported when it may be, and then no more.
    assert_eq!(poll_all(&mut table, 14_000).len(), 1);
    assert_eq!(poll_all(&mut table, 16_000), []);
    assert_eq!(table.find(VID, PEER), Some(peer(0)));
}

#[test]
fn only_configuration_changes_a_permanent_neighbor() {
    let mut table = table();
    table
        .add_permanent(VID, PEER, PEER_MAC, at(0))
        .expect("has room");
    table
        .add_permanent(VID, PEER, OTHER_MAC, at(1))
        .expect("replaces");
    assert_eq!(
        table.resolve(VID, PEER, at(2)),
        Resolution::Known(OTHER_MAC)
    );
    assert_eq!(table.iter().count(), 1);
    table.flush();
    while table.sweep() {}
    assert_eq!(table.iter().count(), 1);
    assert!(table.forget(VID, PEER));
    assert!(!table.forget(VID, PEER));
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn what_cannot_be_permanent_is_refused() {
    let mut table = table();
    let group = MacAddress([1, 0, 0x5e, 0, 0, 1]);
    let refused = table.add_permanent(VID, PEER, group, at(0));
    let error = refused.expect_err("is a group").to_string();
    assert_eq!(error, "01:00:5e:00:00:01 is not the address of one station");
    for number in 0..PERMANENT_LIMIT as u32 {
        let Neighbor { address, mac, .. } = host(number, 0);
        table
            .add_permanent(VID, address, mac, at(0))
            .expect("has room");
    }
    let refused = table.add_permanent(VID, Ipv4Addr::new(10, 99, 0, 1), PEER_MAC, at(0));
    let error = refused.expect_err("is one too many").to_string();
    assert_eq!(error, "there are 256 permanent neighbors already");
    // One that is permanent already can still be changed, and one that goes makes room.
    let known = host(0, 0);
    table
        .add_permanent(VID, known.address, OTHER_MAC, at(0))
        .expect("replaces");
    assert!(table.forget(VID, known.address));
    table
        .add_permanent(VID, PEER, PEER_MAC, at(0))
        .expect("has room");
}

#[test]
fn as_many_permanent_neighbors_as_there_can_be_find_room_in_a_full_table() {
    let mut full = table();
    for number in 0..20_000 {
        full.learn(host(number, 0));
    }
    let fill = |neighbor: &dyn Fn(u64) -> (u16, u32)| {
        let mut table = full.clone();
        for number in 0..PERMANENT_LIMIT as u64 {
            let (vid, address) = neighbor(number);
            let address = Ipv4Addr::from_bits(address);
            let added = table.add_permanent(vid, address, PEER_MAC, at(1));
            assert_eq!(added, Ok(()), "{number}");
        }
    };
    // In one network, in one address of many VLANs, and scattered.
    fill(&|number| (VID, 0x0a0a_0000 + number as u32));
    fill(&|number| (number as u16 + 1, 0x0a0a_0a0b));
    for round in 0..200 {
        fill(&|number| (VID, scatter(round << 32 | number) as u32));
    }
}

/// A number that looks random (SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[test]
fn a_ninth_permanent_neighbor_with_the_same_two_sets_is_refused_and_evicts_none() {
    let mut table = table();
    let place = table.cache.sets_of(Key::of(VID, PEER));
    let addresses = (0..).map(Ipv4Addr::from_bits);
    let cache = table.cache.clone();
    let mut rivals = addresses.filter(|&address| cache.sets_of(Key::of(VID, address)) == place);
    let eight: Vec<Ipv4Addr> = rivals.by_ref().take(8).collect();
    for &address in &eight {
        table
            .add_permanent(VID, address, PEER_MAC, at(0))
            .expect("has room");
    }
    let ninth = rivals.next().expect("as many as wanted");
    let refused = table.add_permanent(VID, ninth, PEER_MAC, at(0));
    let error = refused.expect_err("has no place").to_string();
    assert_eq!(
        error,
        "other permanent neighbors take its place in the table"
    );
    assert_eq!(
        table.learn(Neighbor {
            address: ninth,
            ..peer(1)
        }),
        Heard::NoRoom
    );
    assert!(
        eight
            .iter()
            .all(|&address| table.find(VID, address).is_some())
    );
    assert_eq!(table.iter().count(), 8);
}

#[test]
fn a_vlan_that_is_gone_takes_its_neighbors_and_questions_along() {
    let mut table = table();
    let there = Neighbor { vid: 43, ..peer(0) };
    table.learn(peer(0));
    table.learn(there);
    table
        .add_permanent(VID, host(1, 0).address, OTHER_MAC, at(0))
        .expect("has room");
    for vid in [VID, 43] {
        assert_eq!(
            table.resolve(vid, host(2, 0).address, at(0)),
            Resolution::Wait
        );
    }
    table.forget_vlan(VID);
    while table.sweep() {}
    assert!(table.list(at(0)).all(|line| line.vid == 43));
    assert_eq!(table.list(at(0)).count(), 2);
    assert_eq!(table.permanent_count, 0);
    assert!(poll_all(&mut table, 0).iter().all(|said| said.vid() == 43));
}

#[test]
fn the_listing_names_every_state() {
    let mut table = table();
    table.learn(host(1, 0));
    table.learn(host(2, 30_000));
    table
        .add_permanent(VID, host(3, 0).address, PEER_MAC, at(0))
        .expect("has room");
    table.resolve(0, host(4, 0).address, at(60_000));
    // Asked for, and known from before: one line.
    table.resolve(VID, host(1, 0).address, at(60_000));
    let mut lines: Vec<Listed> = table.list(at(60_000)).collect();
    lines.sort_by_key(|line| line.address);
    let facts: Vec<_> = lines
        .iter()
        .map(|line| (line.state.letter(), line.vid, line.mac, line.state))
        .collect();
    assert_eq!(
        facts,
        [
            ('N', VID, Some(host(1, 0).mac), State::Stale),
            ('R', VID, Some(host(2, 0).mac), State::Reachable),
            ('P', VID, Some(PEER_MAC), State::Permanent),
            ('N', 0, None, State::Incomplete),
        ]
    );
    assert_eq!(lines[1].confirmed, Some(at(30_000)));
}

/// An [`Action`] that outlives the table's borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Request(u16, Ipv4Addr, MacAddress),
    Answered(u16, Ipv4Addr, MacAddress, Option<Vec<u8>>),
    Failed(u16, Ipv4Addr, Option<Vec<u8>>),
    Contradicted(Neighbor, MacAddress),
}

impl From<Action<'_>> for Said {
    fn from(action: Action<'_>) -> Self {
        match action {
            Action::Request { vid, address, to } => Self::Request(vid, address, to),
            Action::Answered {
                vid,
                address,
                mac,
                frame,
                ..
            } => Self::Answered(vid, address, mac, frame.map(<[u8]>::to_vec)),
            Action::Failed {
                vid,
                address,
                frame,
                ..
            } => Self::Failed(vid, address, frame.map(<[u8]>::to_vec)),
            Action::Contradicted { permanent, by } => Self::Contradicted(permanent, by),
        }
    }
}

impl Said {
    fn vid(&self) -> u16 {
        match self {
            Self::Request(vid, ..) | Self::Answered(vid, ..) | Self::Failed(vid, ..) => *vid,
            Self::Contradicted(neighbor, _) => neighbor.vid,
        }
    }
}

/// All that the table says at one time: every open question is looked at more than once.
fn poll_all(table: &mut NeighborTable, milliseconds: u64) -> Vec<Said> {
    let mut said = Vec::new();
    for _ in 0..=2 * table.questions.capacity() {
        said.extend(table.poll(at(milliseconds)).map(Said::from));
    }
    said
}
