//! Sets of VLAN identifiers: what the filter list is made of.
//!
//! One bit per identifier, so that the question asked of every frame is one load and one test, and
//! does not depend on how many VLANs there are.

use core::fmt;
use core::iter::successors;

/// The number of VLAN identifiers that twelve bits can name (IEEE 802.1Q §9.6).
pub const VID_COUNT: usize = 4096;

/// A set of VLAN identifiers. Prints as decimals and ranges, such as `41-42,55-57`.
#[derive(Clone, PartialEq, Eq)]
pub struct VlanSet {
    words: [u64; VID_COUNT / 64],
}

impl Default for VlanSet {
    fn default() -> Self {
        Self::new()
    }
}

impl VlanSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self {
            words: [0; VID_COUNT / 64],
        }
    }

    /// The set of all identifiers.
    pub const fn full() -> Self {
        Self {
            words: [u64::MAX; VID_COUNT / 64],
        }
    }

    /// Whether `vid` is in the set. Only the lower twelve bits count, so that a tag's priority bits
    /// cannot change the answer.
    #[inline]
    pub fn contains(&self, vid: u16) -> bool {
        let vid = usize::from(vid) % VID_COUNT;
        self.words
            .get(vid / 64)
            .is_some_and(|word| word >> (vid % 64) & 1 == 1)
    }

    /// Adds `vid`, of which only the lower twelve bits count.
    pub fn insert(&mut self, vid: u16) {
        let vid = usize::from(vid) % VID_COUNT;
        if let Some(word) = self.words.get_mut(vid / 64) {
            *word |= 1 << (vid % 64);
        }
    }

    /// Adds all identifiers from `first` to `last`, of which only the lower twelve bits count. Costs a step for each
    /// word between.
    pub fn insert_range(&mut self, first: u16, last: u16) {
        let (first, last) = (
            usize::from(first) % VID_COUNT,
            usize::from(last) % VID_COUNT,
        );
        let (from, to) = (first / 64, last / 64);
        let words = self.words.get_mut(from..=to).unwrap_or_default();
        for (word, index) in words.iter_mut().zip(from..) {
            let low = if index == from { first % 64 } else { 0 };
            let high = if index == to { last % 64 } else { 63 };
            // None, where the last is below the first.
            *word |= u64::MAX << low & u64::MAX >> 63_usize.saturating_sub(high);
        }
    }

    /// Takes `vid` out, of which only the lower twelve bits count.
    pub fn remove(&mut self, vid: u16) {
        let vid = usize::from(vid) % VID_COUNT;
        if let Some(word) = self.words.get_mut(vid / 64) {
            *word &= !(1 << (vid % 64));
        }
    }

    /// Puts `vid` in or takes it out.
    pub fn set(&mut self, vid: u16, is_in: bool) {
        match is_in {
            true => self.insert(vid),
            false => self.remove(vid),
        }
    }

    /// Adds all of another set.
    pub fn add(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Leaves only what is also in another set.
    pub fn keep(&mut self, other: &Self) {
        for (word, others) in self.words.iter_mut().zip(&other.words) {
            *word &= others;
        }
    }

    /// The set as words of 64 bits, bit `n` of word `w` standing for identifier `64 w + n`.
    pub(crate) const fn words(&self) -> &[u64; VID_COUNT / 64] {
        &self.words
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// How many identifiers are in the set.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The identifiers in the set, in rising order. Costs a step for each of them and for each word.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let unless_empty = |word: u64| (word != 0).then_some(word);
        self.words
            .iter()
            .zip(0_u16..)
            .flat_map(move |(&word, index)| {
                // Each time without the lowest bit of the time before.
                let rests = successors(unless_empty(word), move |rest| {
                    unless_empty(rest & rest.wrapping_sub(1))
                });
                rests.map(move |rest| index << 6 | rest.trailing_zeros() as u16)
            })
    }

    /// The first identifier from `from` on that is in the set, or is not. Costs a step for each word.
    fn next(&self, from: u16, is_in: bool) -> Option<u16> {
        let from = usize::from(from);
        let words = self.words.iter().zip(0_usize..).skip(from / 64);
        let mut skipped = from % 64;
        for (word, index) in words {
            let sought = if is_in { *word } else { !word };
            let sought = sought & u64::MAX << core::mem::take(&mut skipped);
            if sought != 0 {
                return Some((index as u16) << 6 | sought.trailing_zeros() as u16);
            }
        }
        None
    }

    /// The ranges of the set from `from` on, as their first and last identifiers, in rising order. Costs a step for
    /// each of them and for each word.
    pub fn ranges(&self, from: u16) -> impl Iterator<Item = (u16, u16)> + '_ {
        let range = |from| {
            let first = self.next(from, true)?;
            let end = self.next(first, false).unwrap_or(VID_COUNT as u16);
            Some((first, end.saturating_sub(1)))
        };
        successors(range(from), move |&(_, last)| range(last.saturating_add(1)))
    }

    /// The set as 128 words of 32 bits, bit `n` of word `w` standing for identifier `32 w + n`: the
    /// form of a card's VLAN filter table array (82540EM SDM §13.5.4).
    pub fn words_u32(&self) -> impl Iterator<Item = u32> + '_ {
        self.words
            .iter()
            .flat_map(|&word| [word as u32, (word >> 32) as u32])
    }
}

impl fmt::Display for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (first, last) in self.ranges(0) {
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VlanSet({self})")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::string::ToString;

    fn set_of(vids: impl IntoIterator<Item = u16>) -> VlanSet {
        let mut set = VlanSet::new();
        for vid in vids {
            set.insert(vid);
        }
        set
    }

    #[test]
    fn prints_as_the_filter_list_of_the_evl_command_does() {
        assert_eq!(set_of([57, 55, 41, 56, 42]).to_string(), "41-42,55-57");
        assert_eq!(set_of([42]).to_string(), "42");
        assert_eq!(set_of([]).to_string(), "");
        assert_eq!(set_of([2, 4094]).to_string(), "2,4094");
    }

    #[test]
    fn priority_bits_do_not_change_the_answer() {
        let set = set_of([42]);
        for priority in 0..16 {
            assert!(set.contains(priority << 12 | 42));
            assert!(!set.contains(priority << 12 | 43));
        }
    }

    #[test]
    fn the_filter_table_has_bit_n_of_word_w_for_32w_plus_n() {
        let words: std::vec::Vec<u32> = set_of([0, 31, 32, 42, 4095]).words_u32().collect();
        assert_eq!(words.len(), 128);
        assert_eq!(words[0], 0x8000_0001);
        assert_eq!(words[1], 1 | 1 << 10);
        assert_eq!(words[127], 0x8000_0000);
    }

    proptest! {
        #[test]
        fn holds_what_was_inserted_and_nothing_else(vids in prop::collection::btree_set(0_u16..4096, 0..80)) {
            let set = set_of(vids.iter().copied());
            let held: BTreeSet<u16> = set.iter().collect();
            prop_assert_eq!(&held, &vids);
            prop_assert_eq!(set.len(), vids.len());
            prop_assert_eq!(set.is_empty(), vids.is_empty());
        }

        #[test]
        fn what_is_done_by_words_is_what_is_done_one_by_one(
            ranges in prop::collection::vec((0_u16..4096, 0_u16..200), 0..20),
            others in prop::collection::btree_set(0_u16..4096, 0..80),
            from in 0_u16..4200,
        ) {
            let mut set = VlanSet::new();
            let mut model = BTreeSet::new();
            for (first, length) in ranges {
                let last = first.saturating_add(length).min(4095);
                set.insert_range(first, last);
                model.extend(first..=last);
            }
            let other = set_of(others.iter().copied());
            let held = |set: &VlanSet| set.iter().collect::<BTreeSet<u16>>();
            prop_assert_eq!(held(&set), model.clone());
            let (mut more, mut fewer) = (set.clone(), set.clone());
            more.add(&other);
            fewer.keep(&other);
            prop_assert_eq!(held(&more), &model | &others);
            prop_assert_eq!(held(&fewer), &model & &others);
            for &vid in &others {
                set.set(vid, false);
                more.set(vid, true);
            }
            prop_assert_eq!(held(&set), &model - &others);
            prop_assert_eq!(held(&more), &model | &others);
            let mut listed = BTreeSet::new();
            let mut end = None;
            for (first, last) in set.ranges(from) {
                prop_assert!(first <= last && end.is_none_or(|end| first > end + 1));
                end = Some(last);
                listed.extend(first..=last);
            }
            prop_assert_eq!(listed, held(&set).split_off(&from));
        }
    }
}
