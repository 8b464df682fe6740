//! Which units of eight octets of a datagram have arrived: one bit for each of the 8,192 that a
//! fragment offset can name (RFC 791 §3.2).
//!
//! A list of holes, as in RFC 815, grows with every gap that a sender chooses to leave, and with it
//! the time that each further fragment takes. Here the time depends on the fragment's own length
//! only: a frame's worth is at most five words.

/// Units that a fragment offset can name.
const UNITS: usize = 8192;

/// A set of units.
pub(super) struct Units {
    words: [u64; UNITS / 64],
}

/// How much of a range is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Nothing,
    Something,
    Everything,
}

impl Units {
    /// No unit.
    pub(super) const fn new() -> Self {
        Self {
            words: [0; UNITS / 64],
        }
    }

    /// Removes all units.
    pub(super) const fn clear(&mut self) {
        *self = Self::new();
    }

    /// How much of the `count` units from `first` on is in the set.
    pub(super) fn presence(&self, first: usize, count: usize) -> Presence {
        let mut any = false;
        let mut all = true;
        for (word, mask) in masks(first, count) {
            let present = self.words.get(word).map_or(0, |bits| bits & mask);
            any |= present != 0;
            all &= present == mask;
        }
        match (any, all) {
            (false, _) => Presence::Nothing,
            (true, false) => Presence::Something,
            (true, true) => Presence::Everything,
        }
    }

    /// Adds the `count` units from `first` on.
    pub(super) fn add(&mut self, first: usize, count: usize) {
        for (word, mask) in masks(first, count) {
            if let Some(bits) = self.words.get_mut(word) {
                *bits |= mask;
            }
        }
    }
}

/// The words that hold the `count` units from `first` on, with the bits that stand for them.
fn masks(first: usize, count: usize) -> impl Iterator<Item = (usize, u64)> {
    let end = first.saturating_add(count);
    (first >> 6..end.div_ceil(64)).map(move |word| {
        let start = word << 6;
        let skipped = first.saturating_sub(start).min(64) as u32;
        let missing = 64_usize.saturating_sub(end.saturating_sub(start)) as u32;
        let mask = u64::MAX.unbounded_shl(skipped) & u64::MAX.unbounded_shr(missing);
        (word, mask)
    })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    #[test]
    fn the_first_and_the_last_unit_stand_in_the_first_and_the_last_word() {
        let mut units = Units::new();
        units.add(0, 1);
        units.add(UNITS - 1, 1);
        assert_eq!(units.words[0], 1);
        assert_eq!(units.words[127], 1 << 63);
        assert_eq!(units.presence(1, UNITS - 2), Presence::Nothing);
        units.clear();
        assert_eq!(units.presence(0, UNITS), Presence::Nothing);
        units.add(0, UNITS);
        assert_eq!(units.presence(0, UNITS), Presence::Everything);
    }

    #[test]
    fn units_beyond_the_last_are_never_there() {
        let mut units = Units::new();
        units.add(UNITS - 1, 2);
        assert_eq!(units.presence(UNITS - 1, 2), Presence::Something);
        assert_eq!(units.presence(UNITS, 70), Presence::Nothing);
    }

    proptest! {
        #[test]
        fn agrees_with_a_flag_for_each_unit(
            ranges in prop::collection::vec((0..300_usize, 1..200_usize), 0..6),
            first in 0..300_usize,
            count in 1..200_usize,
        ) {
            let mut units = Units::new();
            let mut flags = vec![false; 500];
            for (first, count) in ranges {
                units.add(first, count);
                flags[first..first + count].fill(true);
            }
            let range = &flags[first..first + count];
            let expected = match (range.contains(&true), range.contains(&false)) {
                (false, _) => Presence::Nothing,
                (true, true) => Presence::Something,
                (true, false) => Presence::Everything,
            };
            prop_assert_eq!(units.presence(first, count), expected);
        }
    }
}
