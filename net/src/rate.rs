//! How often something may happen: a token bucket that knows no division.
//!
//! Whoever sends what an attacker could multiply asks here first: answers that are longer than their
//! requests, answers at all, ICMP errors. The bucket is kept as the one number that matters, the time at
//! which it would be full again, so that asking costs two subtractions and an addition, and nothing
//! runs while nobody asks. Time is handed in.

use crate::time::{Instant, TickRate};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Times a second in the long run; 0 allows nothing.
    pub per_second: u32,
    /// Times at once after a pause; 0 allows nothing.
    pub burst: u32,
}

impl Limit {
    /// `per_second` times a second in the long run, `burst` times at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// A bucket that holds `burst` tokens at most and gets `per_second` new ones a second.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    limit: Limit,
    /// In how many ticks one token comes in.
    ticks_per_token: u64,
    /// The ticks that all tokens but one take to come in.
    ticks_per_burst_but_one: u64,
    /// When the bucket would be full again, in ticks.
    full_at: u64,
}

impl TokenBucket {
    /// A full bucket. Tokens come in at whole ticks, never faster than `limit` says.
    pub fn new(limit: Limit, rate: TickRate) -> Self {
        let ticks_per_token = rate.hertz().div_ceil(u64::from(limit.per_second.max(1)));
        let others = u64::from(limit.burst.saturating_sub(1));
        Self {
            limit,
            ticks_per_token,
            ticks_per_burst_but_one: ticks_per_token.saturating_mul(others),
            full_at: 0,
        }
    }

    /// What it was made for.
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// Takes a token, if there is one at `now`.
    #[inline]
    pub const fn take(&mut self, now: Instant) -> bool {
        if self.limit.per_second == 0 || self.limit.burst == 0 {
            return false;
        }
        let now = now.ticks();
        let mut missing = self.full_at.saturating_sub(now);
        let empty = self
            .ticks_per_burst_but_one
            .saturating_add(self.ticks_per_token);
        if missing > empty {
            // More than all are missing: the counter ran backwards, as it may after a guest was
            // migrated. Start afresh rather than refuse until it has caught up.
            missing = 0;
        }
        if missing > self.ticks_per_burst_but_one {
            return false;
        }
        self.full_at = now
            .saturating_add(missing)
            .saturating_add(self.ticks_per_token);
        true
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    const GIGAHERTZ: TickRate = TickRate::from_hertz(1_000_000_000);
    const MILLISECOND: u64 = 1_000_000;

    fn bucket(per_second: u32, burst: u32) -> TokenBucket {
        TokenBucket::new(Limit::new(per_second, burst), GIGAHERTZ)
    }

    fn taken_at(bucket: &mut TokenBucket, ticks: u64, attempts: usize) -> usize {
        (0..attempts)
            .filter(|_| bucket.take(Instant::from_ticks(ticks)))
            .count()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_token_each_interval() {
        let mut bucket = bucket(1_000, 3);
        assert_eq!(taken_at(&mut bucket, 5, 10), 3);
        assert_eq!(taken_at(&mut bucket, 4 + MILLISECOND, 10), 0);
        assert_eq!(taken_at(&mut bucket, 5 + MILLISECOND, 10), 1);
        assert_eq!(taken_at(&mut bucket, 5 + 3 * MILLISECOND, 10), 2);
        assert_eq!(taken_at(&mut bucket, 5 + 1_000 * MILLISECOND, 10), 3);
    }

    #[test]
    fn zero_allows_nothing() {
        for (per_second, burst) in [(0, 5), (5, 0), (0, 0)] {
            let mut bucket = bucket(per_second, burst);
            assert_eq!(taken_at(&mut bucket, 0, 5), 0);
            assert_eq!(taken_at(&mut bucket, u64::MAX, 5), 0);
            assert_eq!(bucket.limit(), Limit::new(per_second, burst));
        }
    }

    #[test]
    fn a_counter_that_ran_backwards_does_not_close_the_bucket() {
        let mut bucket = bucket(1, 1);
        assert_eq!(taken_at(&mut bucket, 1 << 60, 2), 1);
        assert_eq!(taken_at(&mut bucket, 1_000, 2), 1);
    }

    #[test]
    fn the_end_of_time_and_the_largest_limits_do_no_harm() {
        let mut slow = TokenBucket::new(Limit::new(1, u32::MAX), TickRate::from_hertz(u64::MAX));
        assert!(taken_at(&mut slow, u64::MAX, 3) <= 3);
        let mut fast = TokenBucket::new(Limit::new(u32::MAX, 1), TickRate::from_hertz(0));
        assert_eq!(taken_at(&mut fast, 7, 3), 1, "one a tick at most");
        assert_eq!(taken_at(&mut fast, 8, 3), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate_allow(
            per_second in 1_u32..100_000,
            burst in 1_u32..50,
            gaps in prop::collection::vec(0_u64..3 * MILLISECOND, 1..200),
        ) {
            let mut bucket = bucket(per_second, burst);
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                taken += u64::from(bucket.take(Instant::from_ticks(now)));
                let earned = u128::from(now) * u128::from(per_second) / 1_000_000_000;
                prop_assert!(u128::from(taken) <= u128::from(burst) + earned);
            }
        }

        #[test]
        fn who_asks_no_more_often_than_allowed_is_never_refused(
            per_second in 1_u32..100_000,
            spare in prop::collection::vec(0_u64..1_000, 1..200),
        ) {
            let mut bucket = bucket(per_second, 1);
            let mut now = 0;
            for spare in spare {
                prop_assert!(bucket.take(Instant::from_ticks(now)));
                now += 1_000_000_000_u64.div_ceil(u64::from(per_second)) + spare;
            }
        }
    }
}
