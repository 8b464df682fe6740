//! Where neighbors are kept: sets of four entries, and who gives way in a full one.
//!
//! Every neighbor has two sets in which it may stand, so that eight entries at most are looked at,
//! however many neighbors there are. [`super::NeighborTable`] decides what becomes of an entry; this
//! module only finds, places and removes them.

use super::Neighbor;
use crate::time::{Instant, Ticks};
use core::net::Ipv4Addr;

const SETS: usize = 256;
const WAYS: usize = 4;
/// How many neighbors can be known at a time.
pub(super) const CAPACITY: usize = SETS * WAYS;

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

/// A neighbor and what it has done to be kept.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub neighbor: Neighbor,
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
    /// Whether nothing confirmed it within `lifetime`. A permanent entry does not expire.
    pub(super) fn is_expired(&self, now: Instant, lifetime: Ticks) -> bool {
        let end = self.neighbor.confirmed.after(lifetime);
        self.standing != Standing::Permanent && now >= end
    }

    fn is_for(&self, vid: u16, address: Ipv4Addr) -> bool {
        self.neighbor.address == address && self.neighbor.vid == vid
    }

    /// How strong its claim to its place is, and since when: of equal ones the oldest gives way.
    fn claim(&self, now: Instant, lifetime: Ticks) -> (Claim, Instant) {
        let confirmed = self.neighbor.confirmed;
        if self.is_expired(now, lifetime) {
            return (Claim::Expired, confirmed);
        }
        match self.standing {
            Standing::Heard { .. } => (Claim::Heard, confirmed),
            Standing::Proven => (Claim::Proven, confirmed),
            Standing::Used { last } => (Claim::Used, last),
            Standing::Permanent => (Claim::Permanent, confirmed),
        }
    }
}

type Set = [Option<Entry>; WAYS];

/// Up to [`CAPACITY`] entries.
#[derive(Clone)]
pub(super) struct Cache {
    sets: [Set; SETS],
}

impl Cache {
    pub(super) const fn new() -> Self {
        Self {
            sets: [[None; WAYS]; SETS],
        }
    }

    pub(super) fn find(&self, vid: u16, address: Ipv4Addr) -> Option<&Entry> {
        let [first, second] = sets_of(vid, address);
        let first = self.sets.get(first)?;
        let second = self.sets.get(second)?;
        let mut entries = first.iter().chain(second).flatten();
        entries.find(|entry| entry.is_for(vid, address))
    }

    pub(super) fn find_mut(&mut self, vid: u16, address: Ipv4Addr) -> Option<&mut Entry> {
        let places = sets_of(vid, address);
        let [first, second] = self.sets.get_disjoint_mut(places).ok()?;
        let mut entries = first.iter_mut().chain(second).flatten();
        entries.find(|entry| entry.is_for(vid, address))
    }

    /// All entries, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sets.iter().flatten().flatten()
    }

    /// Places an entry that is not there yet. What gives way has the weakest claim of the eight
    /// entries that could, and never a stronger one than the newcomer's. Returns whether there was a
    /// place, and what gave way.
    pub(super) fn insert(
        &mut self,
        newcomer: Entry,
        now: Instant,
        lifetime: Ticks,
    ) -> Result<Option<Entry>, NoPlace> {
        let (own, _) = newcomer.claim(now, lifetime);
        let places = sets_of(newcomer.neighbor.vid, newcomer.neighbor.address);
        let Ok(sets) = self.sets.get_disjoint_mut(places) else {
            return Err(NoPlace);
        };
        let claim_of = |place: &Option<Entry>| match place {
            None => (Claim::Vacant, Instant::default()),
            Some(entry) => entry.claim(now, lifetime),
        };
        // Of equals, what stands in the emptier set gives way: so the sets fill evenly, and with them
        // the permanent entries, which never leave again.
        let weakest = sets
            .into_iter()
            .flat_map(|set| {
                let taken = crowd(set);
                set.iter_mut().map(move |place| (taken, place))
            })
            .map(|(taken, place)| {
                let (claim, since) = claim_of(place);
                ((claim, taken, since), place)
            })
            .filter(|((claim, ..), _)| *claim <= own && *claim != Claim::Permanent)
            .min_by_key(|(strength, _)| *strength);
        match weakest {
            Some((_, place)) => Ok(place.replace(newcomer)),
            None => Err(NoPlace),
        }
    }

    /// Removes every entry of which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        for place in self.sets.iter_mut().flatten() {
            if place.as_ref().is_some_and(|entry| !keep(entry)) {
                *place = None;
            }
        }
    }

    /// Removes one entry; `false` when it is not there.
    pub(super) fn remove(&mut self, vid: u16, address: Ipv4Addr) -> bool {
        let places = sets_of(vid, address);
        let Ok(sets) = self.sets.get_disjoint_mut(places) else {
            return false;
        };
        let mut places = sets.into_iter().flatten();
        let place = places.find(|place| place.is_some_and(|entry| entry.is_for(vid, address)));
        place.and_then(Option::take).is_some()
    }
}

/// All entries that could give way have a stronger claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

/// How full a set is: its permanent entries first, then all.
fn crowd(set: &Set) -> (usize, usize) {
    let entries = || set.iter().flatten();
    let permanent = entries().filter(|entry| entry.standing == Standing::Permanent);
    (permanent.count(), entries().count())
}

/// The two sets, never the same, in which a neighbor may stand. Spreads neighbors of one network,
/// whose addresses differ in their last bits, over all sets.
pub(super) fn sets_of(vid: u16, address: Ipv4Addr) -> [usize; 2] {
    let key = u64::from(vid) << 32 | u64::from(address.to_bits());
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let first = (mixed >> 56) as usize % SETS;
    let distance = (mixed >> 40) as usize % (SETS - 1);
    let second = first.wrapping_add(1).wrapping_add(distance) % SETS;
    [first, second]
}
