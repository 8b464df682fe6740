//! The wait after a large batch: the next look is put off for as long as the batch took, so that the frames which follow
//! come together and share a doorbell.
//!
//! The poll loop asks at the end of a turn. Nobody is made to wait who has no company: not who asks one at a time, nor a
//! few, nor a frame that stands in a ring already, nor one that comes in on another card.

use pollux_net::time::{Instant, TickRate, Ticks};

/// So many answers of one card make a large batch. Fewer lose more by waiting than they gain by sharing.
pub const LARGE: u64 = 8;
/// No wait is longer, in nanoseconds.
pub const LONGEST: u64 = 200_000;

/// A batch that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Just before the look that found it.
    pub seen: Instant,
    /// When its doorbells had rung.
    pub rung: Instant,
}

/// The longest wait, in ticks of this machine's clock.
pub struct Gathering(Ticks);

impl Gathering {
    pub fn new(rate: TickRate) -> Self {
        Self(rate.ticks(LONGEST))
    }

    /// Waits after a large batch, and returns when that was over; nothing, when there was nothing to wait for.
    ///
    /// `is_anything_there` tells whether any card has frames, which ends it before it begins; `is_another_waiting` the
    /// same of the other cards, which ends it. Of the card itself only the clock is looked at, and there is no `pause`:
    /// that would end a block of translated code in an emulator and take its lock, for which the one waits that carries the
    /// next frames.
    #[inline(never)]
    pub fn wait(
        &self,
        batch: Batch,
        mut now: impl FnMut() -> Instant,
        is_anything_there: impl FnOnce() -> bool,
        mut is_another_waiting: impl FnMut() -> bool,
    ) -> Option<Instant> {
        let span = (batch.rung - batch.seen).min(self.0);
        // Something else may have been done since then: that counts. A counter that ran backwards, as after a migration,
        // ends the wait.
        let is_over = |at: Instant| at < batch.rung || at - batch.rung >= span;
        if is_over(now()) || is_anything_there() {
            return None;
        }
        loop {
            let at = now();
            if is_over(at) || is_another_waiting() {
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A batch that took `ticks`, of nanoseconds, from 1,000 on.
    fn batch_of(ticks: u64) -> Batch {
        Batch {
            seen: Instant::from_ticks(1_000),
            rung: Instant::from_ticks(1_000 + ticks),
        }
    }

    /// When the wait is over after `batch`, with a clock that begins at `from` and goes on by `step` at each reading.
    fn over(
        batch: Batch,
        from: u64,
        step: i64,
        is_anything_there: bool,
        mut is_another_waiting: impl FnMut(Instant) -> bool,
    ) -> Option<u64> {
        let gathering = Gathering::new(TickRate::from_hertz(1_000_000_000));
        let clock = Cell::new(Instant::from_ticks(from));
        let now = || {
            let at = clock.get();
            clock.set(Instant::from_ticks(at.ticks().wrapping_add_signed(step)));
            at
        };
        let is_another_waiting = || is_another_waiting(clock.get());
        gathering
            .wait(batch, now, || is_anything_there, is_another_waiting)
            .map(Instant::ticks)
    }

    #[test]
    fn the_wait_is_as_long_as_the_batch_and_never_longer_than_the_longest() {
        assert_eq!(
            over(batch_of(500), 1_500, 10, false, |_| false),
            Some(2_000)
        );
        let long = batch_of(1_000_000);
        let end = 1_001_000 + LONGEST;
        assert_eq!(over(long, 1_001_000, 10, false, |_| false), Some(end));
    }

    #[test]
    fn what_was_done_since_the_batch_counts() {
        assert_eq!(
            over(batch_of(500), 1_900, 10, false, |_| false),
            Some(2_000)
        );
        assert_eq!(over(batch_of(500), 2_000, 10, false, |_| false), None);
        assert_eq!(over(batch_of(500), 9_000, 10, false, |_| false), None);
    }

    #[test]
    fn frames_that_are_there_are_not_made_to_wait() {
        assert_eq!(over(batch_of(500), 1_500, 10, true, |_| false), None);
        let from = |at| move |now: Instant| now.ticks() >= at;
        assert_eq!(
            over(batch_of(500), 1_500, 10, false, from(1_700)),
            Some(1_690)
        );
    }

    #[test]
    fn a_clock_that_ran_backwards_ends_the_wait() {
        assert_eq!(over(batch_of(500), 1_400, 10, false, |_| false), None);
        assert_eq!(
            over(batch_of(500), 1_505, -3, false, |_| false),
            Some(1_499)
        );
    }
}
