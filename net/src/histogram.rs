//! A log-linear histogram: constant cost to record, bounded memory, exact count, minimum and maximum.
//!
//! Values below [`LINEAR`] have a bucket each; above, every power of two is split into [`LINEAR`]
//! equal buckets, so a percentile is never more than 1/32 (3.1 %) above the value that it stands
//! for. The poll loop records residence times with it and the console prints its percentiles.

/// Buckets per power of two, and the number of exact buckets at the bottom.
pub const LINEAR: usize = 1 << LINEAR_BITS;
const LINEAR_BITS: u32 = 5;
/// Values of more than this many bits share the last bucket; the maximum stays exact.
const VALUE_BITS: u32 = 40;
/// How many buckets there are.
pub const BUCKETS: usize = (VALUE_BITS - LINEAR_BITS + 1) as usize * LINEAR;

/// Counts of `u64` values, by size. The unit is the caller's.
#[derive(Clone)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    count: u64,
    minimum: u64,
    maximum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self {
            buckets: [0; BUCKETS],
            count: 0,
            minimum: u64::MAX,
            maximum: 0,
        }
    }

    /// Counts `value` as often as it was seen: a batch of frames that share one value is one call.
    #[inline]
    pub fn record(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        if let Some(bucket) = self.buckets.get_mut(index_of(value)) {
            *bucket = bucket.wrapping_add(times);
        }
        self.count = self.count.wrapping_add(times);
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// How many values were recorded.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value, exactly.
    pub fn minimum(&self) -> Option<u64> {
        (self.count > 0).then_some(self.minimum)
    }

    /// The largest value, exactly.
    pub fn maximum(&self) -> Option<u64> {
        (self.count > 0).then_some(self.maximum)
    }

    /// The smallest value that at least `per_100_000` of 100,000 recorded values do not exceed
    /// (50,000 is the median, 99,900 the 99.9th percentile), rounded up to the end of its bucket and
    /// never beyond the exact maximum.
    pub fn percentile(&self, per_100_000: u32) -> Option<u64> {
        let [value] = self.percentiles([per_100_000])?;
        Some(value)
    }

    /// Several percentiles, from the lowest to the highest, in one pass over the buckets.
    pub fn percentiles<const N: usize>(&self, per_100_000: [u32; N]) -> Option<[u64; N]> {
        let maximum = self.maximum()?;
        let mut wanted = per_100_000.into_iter().map(|per_100_000| {
            let wanted = u128::from(self.count).saturating_mul(per_100_000.into());
            u64::try_from(wanted.div_ceil(100_000).max(1)).unwrap_or(u64::MAX)
        });
        let mut next = wanted.next();
        let mut seen = 0_u64;
        let mut values = [maximum; N];
        let mut places = values.iter_mut();
        for (index, &bucket) in self.buckets.iter().enumerate() {
            seen = seen.saturating_add(bucket);
            while let Some(wanted_here) = next
                && seen >= wanted_here
                && let Some(place) = places.next()
            {
                *place = upper_bound(index).unwrap_or(maximum).min(maximum);
                next = wanted.next();
            }
            if next.is_none() {
                break;
            }
        }
        Some(values)
    }

    /// The buckets that hold anything, lowest first: the largest value that each can hold, and its
    /// count. The last bucket, which takes all that is too large, ends at the maximum.
    pub fn occupied(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .filter(|&(_, &bucket)| bucket > 0)
            .map(|(index, &bucket)| (upper_bound(index).unwrap_or(self.maximum), bucket))
    }
}

/// The bucket of a value.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a value of so many bits has a bucket below the last"
)]
const fn index_of(value: u64) -> usize {
    if value < LINEAR as u64 {
        return value as usize;
    }
    if value >> VALUE_BITS != 0 {
        return BUCKETS - 1;
    }
    let shift = value.ilog2() - LINEAR_BITS;
    let within = (value >> shift) as usize - LINEAR;
    (shift as usize + 1) * LINEAR + within
}

/// The largest value of a bucket; `None` for the last one, which has no end.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a bucket between the linear ones and the last ends within 64 bits"
)]
const fn upper_bound(index: usize) -> Option<u64> {
    if index < LINEAR {
        return Some(index as u64);
    }
    if index >= BUCKETS - 1 {
        return None;
    }
    let shift = (index / LINEAR - 1) as u32;
    let within = (index % LINEAR + LINEAR) as u64;
    Some(((within + 1) << shift) - 1)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn an_empty_histogram_has_no_figures() {
        let histogram = Histogram::new();
        assert_eq!(histogram.count(), 0);
        assert_eq!(histogram.minimum(), None);
        assert_eq!(histogram.maximum(), None);
        assert_eq!(histogram.percentile(50_000), None);
    }

    #[test]
    fn every_bucket_begins_where_the_one_before_it_ends() {
        let mut next = 0;
        for index in 0..BUCKETS - 1 {
            assert_eq!(index_of(next), index);
            let end = upper_bound(index).expect("has an end");
            assert_eq!(index_of(end), index);
            next = end + 1;
        }
        assert_eq!(index_of(next), BUCKETS - 1);
        assert_eq!(index_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_maximum_is_exact_even_beyond_the_last_bucket() {
        let mut histogram = Histogram::new();
        histogram.record(7, 99);
        histogram.record(1 << 50, 1);
        assert_eq!(histogram.maximum(), Some(1 << 50));
        assert_eq!(histogram.percentile(99_000), Some(7));
        assert_eq!(histogram.percentile(100_000), Some(1 << 50));
        let occupied: Vec<_> = histogram.occupied().collect();
        assert_eq!(occupied, [(7, 99), (1 << 50, 1)]);
    }

    #[test]
    fn values_at_the_edges_of_the_range_are_kept_exactly() {
        for value in [0, 31, 32, 63, 64, (1 << 40) - 1, 1 << 40, u64::MAX] {
            let mut histogram = Histogram::new();
            histogram.record(value, 1);
            assert_eq!(histogram.minimum(), Some(value));
            assert_eq!(histogram.maximum(), Some(value));
            for per_100_000 in [0, 1, 50_000, 100_000, u32::MAX] {
                assert_eq!(histogram.percentile(per_100_000), Some(value));
            }
            assert_eq!(histogram.occupied().map(|(_, count)| count).sum::<u64>(), 1);
        }
    }

    #[test]
    fn nothing_that_was_seen_no_times_is_counted() {
        let mut histogram = Histogram::new();
        histogram.record(7, 0);
        assert_eq!(histogram.count(), 0);
        assert_eq!(histogram.maximum(), None);
        histogram.record(7, 1);
        histogram.clear();
        assert_eq!(histogram.minimum(), None);
        assert_eq!(histogram.occupied().count(), 0);
    }

    proptest! {
        #[test]
        fn a_percentile_is_at_most_one_part_in_32_above_the_sorted_truth(
            mut values in prop::collection::vec(0_u64..1 << 39, 1..300),
            per_100_000 in 0_u32..=100_000,
        ) {
            let mut histogram = Histogram::new();
            for &value in &values {
                histogram.record(value, 1);
            }
            values.sort_unstable();
            let rank = (values.len() * per_100_000 as usize).div_ceil(100_000).max(1);
            let truth = values[rank - 1];
            let shown = histogram.percentile(per_100_000).expect("not empty");
            prop_assert!(shown >= truth);
            prop_assert!(shown <= truth + truth / 32 + 1);
            let several = histogram.percentiles([0, per_100_000, per_100_000, 100_000]);
            let maximum = histogram.percentile(100_000).expect("not empty");
            let lowest = histogram.percentile(0).expect("not empty");
            prop_assert_eq!(several, Some([lowest, shown, shown, maximum]));
            prop_assert_eq!(histogram.minimum(), values.first().copied());
            prop_assert_eq!(histogram.maximum(), values.last().copied());
        }
    }
}
