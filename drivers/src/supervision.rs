//! What every driver needs to notice that its card does not work any more, and to count and say it.
//!
//! Time is counted in looks: housekeeping looks at a card some twenty times a second. So a machine that
//! was stopped for an hour does not take its card for one that has hung for an hour.

use pollux_net::device::Statistic;

/// How many looks in a row must find work and no progress until a card is taken to hang: two seconds. (A
/// host may keep a card of its making from sending for some time, as when its own queue is full.)
pub const HANG_LOOKS: u32 = 40;

/// Of this many faults each is said on the console, and then of as many one.
const FAULTS_SAID: u64 = 10;

/// How far something was at the last look, and how long it has been there.
#[derive(Debug, Default)]
pub struct Progress {
    position: u32,
    looks: u32,
}

impl Progress {
    /// Nothing was looked at yet.
    pub const fn new() -> Self {
        Self {
            position: 0,
            looks: 0,
        }
    }

    /// Looks: whether there is work, and how far it has come. Returns whether it hangs.
    pub const fn hangs(&mut self, has_work: bool, position: u32) -> bool {
        if !has_work || position != self.position {
            self.position = position;
            self.looks = 0;
            return false;
        }
        self.looks += 1;
        self.looks >= HANG_LOOKS
    }
}

/// Whether the event of this number is to be said: the first ones are, and then one of many.
pub const fn is_to_be_said(number: u64) -> bool {
    number <= FAULTS_SAID || number.is_multiple_of(FAULTS_SAID)
}

/// What went wrong with a card, and how often.
#[derive(Debug, Default)]
pub struct Faults {
    /// How often it had to be reset.
    resets: u64,
    /// Of these, those because it hung.
    hangs: u64,
    /// How often nothing answered at its registers any more.
    losses: u64,
    /// Whether it was still in use when it was taken over.
    was_in_use: bool,
}

impl Faults {
    /// None so far, but that a card which was taken over may have been left in use.
    pub const fn since_take_over(was_in_use: bool) -> Self {
        Self {
            resets: 0,
            hangs: 0,
            losses: 0,
            was_in_use,
        }
    }

    /// Counts one. Returns whether it is to be said.
    pub const fn count(&mut self, is_hang: bool) -> bool {
        self.resets = self.resets.saturating_add(1);
        if is_hang {
            self.hangs = self.hangs.saturating_add(1);
        }
        is_to_be_said(self.resets)
    }

    /// Counts that nothing answers any more.
    pub const fn count_loss(&mut self) {
        self.losses = self.losses.saturating_add(1);
    }

    /// The counts, by the names that `ethtool -S` would give them.
    pub fn statistics(&self) -> impl Iterator<Item = Statistic> + use<> {
        [
            ("resets", self.resets),
            ("tx_timeout_count", self.hangs),
            ("vanished", self.losses),
            ("found_in_use", self.was_in_use.into()),
        ]
        .map(|(name, value)| Statistic { name, value })
        .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_progress_is_a_hang_after_two_seconds() {
        let mut progress = Progress::new();
        assert!((0..1000).all(|_| !progress.hangs(false, 0)));
        assert!((1..1000).all(|position| !progress.hangs(true, position)));
        let looks = (0..).take_while(|_| !progress.hangs(true, 999)).count();
        assert_eq!(looks, HANG_LOOKS as usize - 1);
        assert!(!progress.hangs(true, 998));
    }

    #[test]
    fn of_many_faults_a_few_are_said() {
        let mut faults = Faults::default();
        let said = (0..100).filter(|_| faults.count(false)).count();
        assert_eq!(said, 10 + 9);
    }
}
