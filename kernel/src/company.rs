//! How long the answers of a card wait for others to share their doorbell with.
//!
//! A doorbell of an emulated card is dear: whoever rings it leaves the machine, or takes a lock from the thread that
//! brings the frames, and then sends the answers one by one. Where several went out by one, more frames are on
//! their way; the next answers wait for these as long as it took to ring. To ring twice would have taken no less, so
//! that waiting never costs more than twice what would have been best (as with hiring skis, until they have
//! cost what it takes to buy them). A doorbell of a real card takes a tenth of a microsecond, and no more is waited for
//! then; and whoever asks one at a time is never made to wait.

use crate::clock;
use pollux_net::time::{Instant, TickRate, Ticks};

/// No longer than this, in nanoseconds: a doorbell may have taken long for another reason.
const MOST: u64 = 16_000;

/// For how long the next answers of a card wait.
#[derive(Debug)]
pub struct Company {
    wait: Ticks,
    most: Ticks,
    waits: u64,
}

impl Company {
    /// Nobody waits.
    pub fn new(rate: TickRate) -> Self {
        Self {
            wait: Ticks(0),
            most: rate.ticks(MOST),
            waits: 0,
        }
    }

    /// Whether answers wait at all.
    #[inline]
    pub fn is_expected(&self) -> bool {
        self.wait > Ticks(0)
    }

    /// Whether answers to frames that were seen at `seen` still wait. They do not for a counter that ran backwards, as
    /// after a migration.
    fn is_awaited(&self, seen: Instant, now: Instant) -> bool {
        now >= seen && now - seen < self.wait
    }

    /// Waits for those that follow frames seen at `seen`. Returns when it ended.
    #[cold]
    #[inline(never)]
    pub fn wait(&mut self, seen: Instant) -> Instant {
        self.waits = self.waits.wrapping_add(1);
        loop {
            let now = clock::now();
            if !self.is_awaited(seen, now) {
                return now;
            }
        }
    }

    /// Takes note of so many answers that went out together, and of how long it took to ring for them: that is measured
    /// where company was expected. Need not be told of one answer for which none was.
    #[cold]
    #[inline(never)]
    pub fn expect(&mut self, answers: u64, ringing: Option<Ticks>) {
        self.wait = match answers {
            0 | 1 => Ticks(0),
            // At least as long as to measure it the next time.
            _ => ringing.unwrap_or_default().clamp(Ticks(1), self.most),
        };
    }

    /// How often answers waited.
    pub const fn waits(&self) -> u64 {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company() -> Company {
        // A tick is a nanosecond.
        Company::new(TickRate::from_hertz(1_000_000_000))
    }

    /// Up to when frames wait that were seen at a million.
    fn end(company: &Company) -> u64 {
        let [seen, now] = [1_000_000, 1_020_000].map(Instant::from_ticks);
        assert_eq!(company.is_expected(), company.is_awaited(seen, seen));
        assert!(!company.is_awaited(seen, now), "for no longer than MOST");
        let mut spans = 0..20_000;
        let is_over = |&span: &u64| !company.is_awaited(seen, seen.after(Ticks(span)));
        spans.find(is_over).expect("an end")
    }

    #[test]
    fn who_comes_alone_does_not_wait() {
        let mut company = company();
        assert_eq!(end(&company), 0);
        for answers in [0, 1] {
            company.expect(2, Some(Ticks(5_000)));
            company.expect(answers, Some(Ticks(5_000)));
            assert_eq!(end(&company), 0);
        }
    }

    #[test]
    fn several_wait_for_as_long_as_it_took_to_ring() {
        let mut company = company();
        company.expect(2, None);
        assert_eq!(end(&company), 1, "to measure it");
        for ringing in [100, 15_999, 16_000] {
            company.expect(2, Some(Ticks(ringing)));
            assert_eq!(end(&company), ringing);
        }
    }

    #[test]
    fn nobody_waits_because_the_machine_stood_still() {
        let mut company = company();
        company.expect(2, Some(Ticks(4_000_000)));
        assert_eq!(end(&company), 16_000);
    }

    #[test]
    fn nobody_waits_for_a_counter_that_ran_backwards() {
        let mut company = company();
        company.expect(2, Some(Ticks(5_000)));
        let [seen, now] = [1_000_000, 999].map(Instant::from_ticks);
        assert!(!company.is_awaited(seen, now));
    }
}
