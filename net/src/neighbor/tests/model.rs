//! The table against a naive model, whatever happens to it.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Learn(u32, u8),
    Merge(u32, u8),
    Resolve(u32),
    Solicit(u32, bool),
    Queue(u32, usize),
    AddPermanent(u32, u8),
    Forget(u32),
    Flush,
    Poll,
}

fn step(hosts: u32) -> impl Strategy<Value = Step> {
    let station = 1_u8..4;
    prop_oneof![
        4 => (0..hosts, station.clone()).prop_map(|(host, mac)| Step::Learn(host, mac)),
        2 => (0..hosts, station.clone()).prop_map(|(host, mac)| Step::Merge(host, mac)),
        4 => (0..hosts).prop_map(Step::Resolve),
        1 => (0..hosts, any::<bool>()).prop_map(|(host, permanent)| Step::Solicit(host, permanent)),
        2 => (0..hosts, 0_usize..100).prop_map(|(host, length)| Step::Queue(host, length)),
        1 => (0..hosts, station).prop_map(|(host, mac)| Step::AddPermanent(host, mac)),
        1 => (0..hosts).prop_map(Step::Forget),
        1 => Just(Step::Flush),
        6 => Just(Step::Poll),
    ]
}

const fn station(number: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, number])
}

fn heard(number: u32, mac: u8, now: u64) -> Neighbor {
    Neighbor {
        mac: station(mac),
        ..host(number, now)
    }
}

fn address(number: u32) -> Ipv4Addr {
    host(number, 0).address
}

proptest! {
    /// Few hosts, so that none gives way: then a map says it all.
    #[test]
    fn what_is_known_equals_a_naive_map(
        steps in prop::collection::vec((0_u64..3_000, step(8)), 1..200),
    ) {
        let mut table = table();
        let mut known: BTreeMap<Ipv4Addr, (MacAddress, u64)> = BTreeMap::new();
        let mut permanent: BTreeSet<Ipv4Addr> = BTreeSet::new();
        // Who is asked for, and whether for good.
        let mut open: BTreeMap<Ipv4Addr, bool> = BTreeMap::new();
        let mut last_request: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
        let mut now = 0;
        for (pause, step) in steps {
            now += pause;
            let is_live = |known: &BTreeMap<_, (_, u64)>, address| {
                known.get(&address).is_some_and(|&(_, heard)| now < heard + 60_000)
            };
            match step {
                Step::Learn(number, mac) | Step::Merge(number, mac) => {
                    let address = address(number);
                    let may_add = matches!(step, Step::Learn(..));
                    let neighbor = heard(number, mac, now);
                    if may_add {
                        table.learn(neighbor);
                    } else {
                        table.merge(neighbor);
                    }
                    let is_known = known.contains_key(&address) || open.contains_key(&address);
                    if permanent.contains(&address) {
                        let entry = known.get_mut(&address).expect("is known");
                        if entry.0 == neighbor.mac {
                            entry.1 = now;
                        }
                    } else if may_add || is_known {
                        known.insert(address, (neighbor.mac, now));
                        if open.get(&address) == Some(&true) {
                            permanent.insert(address);
                        }
                    }
                }
                Step::Resolve(number) => {
                    let address = address(number);
                    let resolution = table.resolve(VID, address, at(now));
                    if permanent.contains(&address) || is_live(&known, address) {
                        prop_assert_eq!(resolution, Resolution::Known(known[&address].0));
                    } else {
                        prop_assert_eq!(resolution, Resolution::Wait);
                    }
                }
                Step::Solicit(number, permanent) => {
                    table.solicit(VID, address(number), permanent, at(now));
                }
                Step::Queue(number, length) => {
                    let frame = std::vec![0xa5; length];
                    let queued = table.queue(VID, address(number), &frame);
                    prop_assert_eq!(queued.is_ok(), open.contains_key(&address(number)));
                }
                Step::AddPermanent(number, mac) => {
                    let added = table.add_permanent(VID, address(number), station(mac), at(now));
                    prop_assert_eq!(added, Ok(()));
                    known.insert(address(number), (station(mac), now));
                    permanent.insert(address(number));
                }
                Step::Forget(number) => {
                    let was_known = known.remove(&address(number)).is_some();
                    permanent.remove(&address(number));
                    prop_assert_eq!(table.forget(VID, address(number)), was_known);
                }
                Step::Flush => {
                    table.flush();
                    while table.sweep() {}
                    known.retain(|address, _| permanent.contains(address));
                }
                Step::Poll => {
                    if let Some(Action::Request { address, .. }) = table.poll(at(now)) {
                        let last = last_request.insert(address, now);
                        prop_assert!(last.is_none_or(|last| now - last >= 1_000));
                    }
                }
            }
            open = table.questions.iter().map(|open| (open.address, open.permanent)).collect();
            let found: BTreeMap<_, _> = table
                .iter()
                .map(|neighbor| (neighbor.address, (neighbor.mac, neighbor.confirmed)))
                .collect();
            let expected: BTreeMap<_, _> = known
                .iter()
                .map(|(&address, &(mac, heard))| (address, (mac, at(heard))))
                .collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(table.permanent_count, permanent.len());
            for line in table.list(at(now)) {
                let expected = if permanent.contains(&line.address) {
                    State::Permanent
                } else if is_live(&known, line.address) {
                    State::Reachable
                } else if known.contains_key(&line.address) {
                    State::Stale
                } else {
                    State::Incomplete
                };
                prop_assert_eq!(line.state, expected);
            }
        }
    }

    /// Many hosts, so that most give way.
    #[test]
    fn no_bound_is_passed_and_no_permanent_neighbor_lost(
        seed: u32,
        capacity in prop::sample::select(std::vec![64_usize, 256, DEFAULT_CAPACITY]),
        steps in prop::collection::vec((0_u64..100, step(5_000)), 1..150),
    ) {
        let mut table = NeighborTable::with_capacity(capacity);
        table.set_up(RATE, 4);
        let mut permanent: BTreeMap<Ipv4Addr, MacAddress> = BTreeMap::new();
        let mut now = 0;
        let last = steps.len() - 1;
        for (index, (pause, step)) in steps.into_iter().enumerate() {
            now += pause;
            for number in 0..200 {
                let number = seed.wrapping_add(number).wrapping_mul(0x9e37_79b9) % 5_000;
                table.learn(host(number, now));
            }
            match step {
                Step::Learn(number, mac) => {
                    table.learn(heard(number, mac, now));
                }
                Step::Merge(number, mac) => {
                    table.merge(heard(number, mac, now));
                }
                Step::Resolve(number) => {
                    let resolution = table.resolve(VID, address(number), at(now));
                    if let Some(&mac) = permanent.get(&address(number)) {
                        prop_assert_eq!(resolution, Resolution::Known(mac));
                    }
                }
                Step::AddPermanent(number, mac) => {
                    let added = table.add_permanent(VID, address(number), station(mac), at(now));
                    prop_assert_eq!(added, Ok(()));
                    permanent.insert(address(number), station(mac));
                }
                Step::Forget(number) => {
                    table.forget(VID, address(number));
                    permanent.remove(&address(number));
                }
                // What it leaves is swept as others go on.
                Step::Flush => table.flush(),
                Step::Solicit(..) | Step::Queue(..) | Step::Poll => {
                    let _ = table.poll(at(now));
                }
            }
            for (&address, &mac) in &permanent {
                let found = table.find(VID, address).map(|neighbor| neighbor.mac);
                prop_assert_eq!(found, Some(mac));
            }
            if index % 16 > 0 && index < last {
                continue;
            }
            prop_assert!(table.iter().count() <= capacity);
            prop_assert!(table.questions.open() <= 4);
            prop_assert_eq!(table.questions.open(), table.questions.iter().count());
            let keys: BTreeSet<_> = table.iter().map(|known| (known.vid, known.address)).collect();
            prop_assert_eq!(keys.len(), table.iter().count(), "nobody stands twice");
            let entries = table.list(at(now));
            let entered = entries.filter(|known| known.state == State::Permanent).count();
            prop_assert_eq!((entered, table.permanent_count), (permanent.len(), permanent.len()));
        }
    }
}
