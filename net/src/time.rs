//! Points in time and spans between them, as the poll loop hands them in.
//!
//! The stack owns no clock. The kernel reads the processor's time stamp counter, and this module
//! knows only how to subtract two readings and how to turn ticks into nanoseconds.

use core::ops::Sub;

/// A reading of the time stamp counter, in ticks since the processor was reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

/// A span of time, in ticks of the time stamp counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Instant {
    /// The instant at which the counter read `ticks`.
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// What the counter read.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// This instant, moved `span` into the future; stays at the end of time instead of wrapping.
    pub const fn after(self, span: Ticks) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// The span from the right-hand instant to the left-hand one; zero if the counter ran backwards, as
/// it may after a guest was paused or migrated.
impl Sub for Instant {
    type Output = Ticks;

    fn sub(self, earlier: Self) -> Ticks {
        Ticks(self.0.saturating_sub(earlier.0))
    }
}

/// How fast the time stamp counter runs: the only way from ticks to nanoseconds and back.
///
/// Conversions are one multiplication and one shift, with the factors worked out once, because a
/// division by a frequency costs more than the frame that it would measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRate {
    hertz: u64,
    /// Nanoseconds per tick, as a fixed-point number with 32 fractional bits.
    nanoseconds_per_tick: u64,
    /// Ticks per nanosecond, as a fixed-point number with 32 fractional bits.
    ticks_per_nanosecond: u64,
}

impl TickRate {
    /// The lowest frequency that is believed, in hertz; anything slower is a miscalibration.
    pub const MINIMUM_HERTZ: u64 = 1_000_000;
    /// The highest frequency that is believed, in hertz.
    pub const MAXIMUM_HERTZ: u64 = 100_000_000_000;

    /// A counter that advances `hertz` times a second, brought into the range that is believed.
    #[allow(clippy::arithmetic_side_effects, reason = "never a division by zero")]
    pub const fn from_hertz(hertz: u64) -> Self {
        let hertz = if hertz < Self::MINIMUM_HERTZ {
            Self::MINIMUM_HERTZ
        } else if hertz > Self::MAXIMUM_HERTZ {
            Self::MAXIMUM_HERTZ
        } else {
            hertz
        };
        Self {
            hertz,
            nanoseconds_per_tick: (1_000_000_000 << 32) / hertz,
            ticks_per_nanosecond: (((hertz as u128) << 32) / 1_000_000_000) as u64,
        }
    }

    /// Ticks per second.
    pub const fn hertz(self) -> u64 {
        self.hertz
    }

    /// The span in nanoseconds, rounded down, at most `u64::MAX`.
    pub const fn nanoseconds(self, span: Ticks) -> u64 {
        scale(span.0, self.nanoseconds_per_tick)
    }

    /// The span of `nanoseconds` in ticks, rounded down, at most `u64::MAX`.
    pub const fn ticks(self, nanoseconds: u64) -> Ticks {
        Ticks(scale(nanoseconds, self.ticks_per_nanosecond))
    }
}

const fn scale(value: u64, factor_q32: u64) -> u64 {
    let wide = (value as u128).saturating_mul(factor_q32 as u128) >> 32;
    if wide > u64::MAX as u128 {
        u64::MAX
    } else {
        wide as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_ticks_is_a_second() {
        for hertz in [1_000_000, 999_999_937, 1_000_000_000, 3_400_000_000] {
            let rate = TickRate::from_hertz(hertz);
            let nanoseconds = rate.nanoseconds(Ticks(hertz));
            assert!(
                nanoseconds.abs_diff(1_000_000_000) <= 1,
                "{hertz}: {nanoseconds}"
            );
            assert!(rate.ticks(1_000_000_000).0.abs_diff(hertz) <= 1);
        }
    }

    #[test]
    fn a_counter_that_ran_backwards_gives_a_span_of_zero() {
        assert_eq!(
            Instant::from_ticks(5) - Instant::from_ticks(9),
            Ticks::default()
        );
    }

    #[test]
    fn extreme_spans_saturate_instead_of_wrapping() {
        let slow = TickRate::from_hertz(0);
        assert_eq!(slow.hertz(), TickRate::MINIMUM_HERTZ);
        assert_eq!(slow.nanoseconds(Ticks(u64::MAX)), u64::MAX);
        let end = Instant::from_ticks(u64::MAX);
        assert_eq!(end.after(Ticks(1)), end);
    }
}
