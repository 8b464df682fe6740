//! Who is known on the VLANs: the ARP cache (RFC 826, RFC 1122 §2.3.2).
//!
//! A table of fixed size in sets of four, so that looking up, learning and evicting all cost the
//! same, however full it is. Within a full set the entry that was confirmed longest ago gives way.

use crate::time::Instant;
use crate::wire::ethernet::MacAddress;
use core::net::Ipv4Addr;

const SETS: usize = 256;
const WAYS: usize = 4;

/// A station that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The VLAN in which it was heard.
    pub vid: u16,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its station address.
    pub mac: MacAddress,
    /// When it last said so.
    pub confirmed: Instant,
}

/// The stations that were heard of, at most 1,024.
#[derive(Clone)]
pub struct NeighborTable {
    sets: [[Option<Neighbor>; WAYS]; SETS],
}

impl Default for NeighborTable {
    fn default() -> Self {
        Self::new()
    }
}

impl NeighborTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            sets: [[None; WAYS]; SETS],
        }
    }

    /// What is known of `address` in VLAN `vid`.
    pub fn find(&self, vid: u16, address: Ipv4Addr) -> Option<&Neighbor> {
        self.sets
            .get(set_of(vid, address))?
            .iter()
            .flatten()
            .find(|neighbor| neighbor.vid == vid && neighbor.address == address)
    }

    /// Everything that is known, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Neighbor> {
        self.sets.iter().flatten().flatten()
    }

    /// Notes where a known neighbor is now; `false` when it is not known (RFC 826, `Merge_flag`).
    pub(crate) fn merge(&mut self, heard: Neighbor) -> bool {
        let known = self
            .sets
            .get_mut(set_of(heard.vid, heard.address))
            .and_then(|set| {
                set.iter_mut()
                    .flatten()
                    .find(|entry| entry.vid == heard.vid && entry.address == heard.address)
            });
        match known {
            Some(entry) => {
                *entry = heard;
                true
            }
            None => false,
        }
    }

    /// Notes where a neighbor is, known or not.
    pub(crate) fn learn(&mut self, heard: Neighbor) {
        if self.merge(heard) {
            return;
        }
        let Some(set) = self.sets.get_mut(set_of(heard.vid, heard.address)) else {
            return;
        };
        let oldest = set
            .iter_mut()
            .min_by_key(|entry| entry.map(|neighbor| neighbor.confirmed));
        if let Some(entry) = oldest {
            *entry = Some(heard);
        }
    }
}

/// Spreads neighbors of one network, whose addresses differ in their last bits, over all sets.
fn set_of(vid: u16, address: Ipv4Addr) -> usize {
    let key = address.to_bits() ^ u32::from(vid).rotate_left(16);
    let mixed = key.wrapping_mul(0x9e37_79b1);
    (mixed >> 24) as usize % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbor(host: u32, time: u64) -> Neighbor {
        Neighbor {
            vid: 42,
            address: Ipv4Addr::from_bits(0x0a0a_0000 + host),
            mac: MacAddress([2, 0, 0, 0, (host >> 8) as u8, host as u8]),
            confirmed: Instant::from_ticks(time),
        }
    }

    #[test]
    fn learns_and_corrects_but_merges_only_what_it_knows() {
        let mut table = NeighborTable::new();
        assert!(!table.merge(neighbor(10, 1)));
        assert_eq!(table.iter().count(), 0);
        table.learn(neighbor(10, 1));
        let moved = Neighbor {
            mac: MacAddress([2, 9, 9, 9, 9, 9]),
            ..neighbor(10, 2)
        };
        assert!(table.merge(moved));
        assert_eq!(table.find(42, moved.address), Some(&moved));
        assert_eq!(table.find(43, moved.address), None);
        assert_eq!(table.iter().count(), 1);
    }

    #[test]
    fn keeps_a_network_of_254_hosts() {
        let mut table = NeighborTable::new();
        for host in 1..255 {
            table.learn(neighbor(host, u64::from(host)));
        }
        assert_eq!(table.iter().count(), 254);
    }

    #[test]
    fn an_address_is_another_neighbor_in_every_other_vlan() {
        let here = neighbor(10, 1);
        // VLANs of which some share a set with this one.
        for vid in (1..=4094).filter(|&vid| vid != here.vid) {
            let there = Neighbor {
                vid,
                mac: MacAddress([2, 9, 9, 9, 9, 9]),
                ..here
            };
            let mut table = NeighborTable::new();
            table.learn(here);
            assert_eq!(table.find(vid, there.address), None, "VLAN {vid}");
            assert!(!table.merge(there), "VLAN {vid}");
            table.learn(there);
            assert_eq!(table.find(here.vid, here.address), Some(&here));
            assert_eq!(table.find(vid, there.address), Some(&there));
        }
    }

    #[test]
    fn in_a_full_set_who_was_confirmed_longest_ago_gives_way() {
        let set = set_of(42, neighbor(1, 0).address);
        let mut hosts = (1..).filter(|&host| set_of(42, neighbor(host, 0).address) == set);
        let mut host = || hosts.next().expect("as many as wanted");
        let [first, second, third, fourth, fifth]: [u32; 5] = core::array::from_fn(|_| host());
        let mut table = NeighborTable::new();
        for (time, host) in [first, second, third, fourth].into_iter().enumerate() {
            table.learn(neighbor(host, time as u64));
        }
        table.learn(neighbor(first, 4));
        table.learn(neighbor(fifth, 5));
        for (host, known) in [
            (first, true),
            (second, false),
            (third, true),
            (fourth, true),
            (fifth, true),
        ] {
            let found = table.find(42, neighbor(host, 0).address);
            assert_eq!(found.is_some(), known, "host {host}");
        }
    }

    #[test]
    fn a_flood_evicts_the_oldest_and_never_grows() {
        let mut table = NeighborTable::new();
        for host in 0..100_000 {
            table.learn(neighbor(host, u64::from(host)));
        }
        assert_eq!(table.iter().count(), SETS * WAYS);
        assert!(table.find(42, neighbor(99_999, 0).address).is_some());
        assert!(table.find(42, neighbor(0, 0).address).is_none());
    }
}
