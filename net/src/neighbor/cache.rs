//! Where neighbors are kept: sets of four entries, and who gives way in a full one.
//!
//! Every neighbor has two sets in which it may stand, so that eight entries at most are looked at,
//! however many neighbors there are: two cache lines, since a set's keys lie together.
//! [`super::NeighborTable`] decides what becomes of an entry; this module only finds, places and
//! removes them.

use super::Neighbor;
use crate::time::{Instant, Ticks};
use crate::wire::ethernet::MacAddress;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

const WAYS: usize = 4;

/// What a neighbor has done to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was heard of, for the first time at `since`.
    Heard { since: Instant },
    /// It was heard of again, later.
    Proven,
    /// We sent to it, at `last` for the last time, or asked for it.
    Used { last: Instant },
    /// The operator entered it.
    Permanent,
}

/// A VLAN and an address, to be compared in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// What no neighbor has.
    const VACANT: Self = Self(u64::MAX);

    #[inline]
    pub(super) const fn of(vid: u16, address: Ipv4Addr) -> Self {
        Self((vid as u64) << 32 | address.to_bits() as u64)
    }

    pub(super) const fn vid(self) -> u16 {
        (self.0 >> 32) as u16
    }

    const fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0 as u32)
    }
}

/// Where a neighbor is, and what it has done to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub mac: MacAddress,
    pub confirmed: Instant,
    pub standing: Standing,
}

/// The claims of entries to their places, the weakest first. An entry gives way to a newcomer whose
/// claim is as strong as its own or stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// Nothing is there.
    Vacant,
    /// Nothing was heard from it for longer than an entry lasts.
    Expired,
    /// It was heard of once, or several times in one moment.
    Heard,
    /// It was heard of over time.
    Proven,
    /// We sent to it or asked for it.
    Used,
    /// It never gives way.
    Permanent,
}

impl Entry {
    /// What stands where no neighbor is.
    const NONE: Self = Self {
        mac: MacAddress::BROADCAST,
        confirmed: Instant::from_ticks(0),
        standing: Standing::Proven,
    };

    /// Whether nothing confirmed it within `lifetime`. A permanent entry does not expire.
    pub(super) fn is_expired(&self, now: Instant, lifetime: Ticks) -> bool {
        let end = self.confirmed.after(lifetime);
        self.standing != Standing::Permanent && now >= end
    }

    /// The neighbor that it is about.
    pub(super) const fn neighbor(&self, key: Key) -> Neighbor {
        Neighbor {
            vid: key.vid(),
            address: key.address(),
            mac: self.mac,
            confirmed: self.confirmed,
        }
    }

    /// How strong its claim to its place is, and since when: of equal ones the oldest gives way.
    fn claim(&self, now: Instant, lifetime: Ticks) -> (Claim, Instant) {
        if self.is_expired(now, lifetime) {
            return (Claim::Expired, self.confirmed);
        }
        match self.standing {
            Standing::Heard { .. } => (Claim::Heard, self.confirmed),
            Standing::Proven => (Claim::Proven, self.confirmed),
            Standing::Used { last } => (Claim::Used, last),
            Standing::Permanent => (Claim::Permanent, self.confirmed),
        }
    }
}

/// Four places. The keys of all of them are in one cache line.
#[derive(Clone)]
#[repr(C, align(32))]
struct Set {
    /// Whose the entries are; [`Key::VACANT`] for those that are nobody's.
    keys: [Key; WAYS],
    entries: [Entry; WAYS],
}

const _: () = assert!(size_of::<Set>() == 160);
/// Octets of one place.
pub(super) const OCTETS_EACH: usize = size_of::<Set>() / WAYS;

impl Set {
    const EMPTY: Self = Self {
        keys: [Key::VACANT; WAYS],
        entries: [Entry::NONE; WAYS],
    };

    fn places(&self) -> impl Iterator<Item = (Key, &Entry)> {
        let places = self.keys.iter().copied().zip(&self.entries);
        places.filter(|&(key, _)| key != Key::VACANT)
    }

    fn places_mut(&mut self) -> impl Iterator<Item = (&mut Key, &mut Entry)> {
        self.keys.iter_mut().zip(&mut self.entries)
    }

    /// How full it is: its permanent entries first, then all.
    fn crowd(&self) -> (usize, usize) {
        let permanent = |(_, entry): &(Key, &Entry)| entry.standing == Standing::Permanent;
        (
            self.places().filter(permanent).count(),
            self.places().count(),
        )
    }
}

/// As many entries as it was made for.
#[derive(Clone)]
pub(super) struct Cache {
    /// A power of two of them.
    sets: Vec<Set>,
    /// By how many bits a mixed key is shifted for the index of a set to remain.
    shift: u32,
}

impl Cache {
    /// Room for `capacity` neighbors, for 8 at least, and for as many as the next power of two says.
    /// Allocates.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).next_power_of_two().max(2);
        Self {
            sets: alloc::vec![Set::EMPTY; sets],
            shift: u64::BITS.saturating_sub(sets.ilog2()),
        }
    }

    /// How many neighbors there is room for.
    pub(super) const fn capacity(&self) -> usize {
        self.sets.len().saturating_mul(WAYS)
    }

    /// The two sets, never the same, in which a neighbor may stand. Spreads neighbors of one network,
    /// whose addresses differ in their last bits, over all sets.
    #[inline]
    pub(super) fn sets_of(&self, key: Key) -> [usize; 2] {
        let mixed = key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = mixed.wrapping_shr(self.shift);
        // An odd distance, and as many sets as a power of two, never lead back to the first.
        let second = first.wrapping_add(mixed >> 36 | 1);
        let last = self.sets.len().wrapping_sub(1);
        [first as usize, second as usize & last]
    }

    /// The set and the place in it where a neighbor stands.
    #[inline]
    fn place_of(&self, key: Key) -> Option<(usize, usize)> {
        self.sets_of(key).into_iter().find_map(|index| {
            let set = self.sets.get(index)?;
            let way = set.keys.iter().position(|&own| own == key)?;
            Some((index, way))
        })
    }

    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<&Entry> {
        let (set, way) = self.place_of(key)?;
        self.sets.get(set)?.entries.get(way)
    }

    #[inline]
    pub(super) fn find_mut(&mut self, key: Key) -> Option<&mut Entry> {
        let (set, way) = self.place_of(key)?;
        self.sets.get_mut(set)?.entries.get_mut(way)
    }

    /// What stands at a place, of [`Self::capacity`].
    pub(super) fn at(&self, place: usize) -> Option<(Key, &Entry)> {
        let set = self.sets.get(place / WAYS)?;
        let key = *set.keys.get(place % WAYS)?;
        let entry = set.entries.get(place % WAYS)?;
        (key != Key::VACANT).then_some((key, entry))
    }

    /// Places an entry that is not there yet. What gives way has the weakest claim of the eight
    /// entries that could, and never a stronger one than the newcomer's. Returns whether there was a
    /// place, and what gave way.
    pub(super) fn insert(
        &mut self,
        key: Key,
        newcomer: Entry,
        now: Instant,
        lifetime: Ticks,
    ) -> Result<Option<Entry>, NoPlace> {
        let (own, _) = newcomer.claim(now, lifetime);
        let places = self.sets_of(key);
        let Ok(sets) = self.sets.get_disjoint_mut(places) else {
            return Err(NoPlace);
        };
        // Of equals, what stands in the emptier set gives way: so the sets fill evenly, and with them
        // the permanent entries, which never leave again.
        let weakest = sets
            .into_iter()
            .flat_map(|set| {
                let taken = set.crowd();
                set.places_mut().map(move |place| (taken, place))
            })
            .map(|(taken, (key, entry))| {
                let (claim, since) = match *key {
                    Key::VACANT => (Claim::Vacant, Instant::default()),
                    _ => entry.claim(now, lifetime),
                };
                ((claim, taken, since), key, entry)
            })
            .filter(|((claim, ..), ..)| *claim <= own && *claim != Claim::Permanent)
            .min_by_key(|(strength, ..)| *strength);
        let Some((_, place, entry)) = weakest else {
            return Err(NoPlace);
        };
        let before = core::mem::replace(place, key);
        let evicted = core::mem::replace(entry, newcomer);
        Ok((before != Key::VACANT).then_some(evicted))
    }

    /// Removes every entry of which `keep` is false from `count` sets, the one at `from` first.
    /// Returns where to go on, if there are more.
    pub(super) fn retain(
        &mut self,
        from: usize,
        count: usize,
        mut keep: impl FnMut(Key, &Entry) -> bool,
    ) -> Option<usize> {
        let places = self.sets.iter_mut().skip(from).take(count);
        for (key, entry) in places.flat_map(Set::places_mut) {
            if *key != Key::VACANT && !keep(*key, entry) {
                *key = Key::VACANT;
            }
        }
        let next = from.saturating_add(count);
        (next < self.sets.len()).then_some(next)
    }

    /// Removes one entry, and returns what stood there.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let (set, way) = self.place_of(key)?;
        let set = self.sets.get_mut(set)?;
        *set.keys.get_mut(way)? = Key::VACANT;
        set.entries.get(way).copied()
    }
}

/// All entries that could give way have a stronger claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;
