//! What the turns of the poll loop did, how often, and how long the longest of each kind took.
//!
//! Whatever can make a frame wait for the loop is one of these activities: the list is complete, because the loop has to
//! name one for each turn. The kernel records, the console shows.

use crate::time::{Instant, Ticks};

/// Declares [`Activity`] together with the name and the description of each.
macro_rules! activities {
    ($($variant:ident, $name:literal, $description:literal;)+) => {
        /// What a turn of the loop did: of several things the one that stands last here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Activity {
            $(#[doc = $description] $variant,)+
        }

        impl Activity {
            /// Every activity, in the order in which a turn comes to them.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// Its name: lower case, stable, for people and scripts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is, in a few words.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }
            }
        }
    };
}

activities! {
    Looking, "looking", "no frame on any card";
    Answering, "answering", "a batch of frames of each card that has any, at most 64";
    Fragments, "fragments", "besides, fragments of long answers, at most 4 of each card";
    InBand, "in_band", "besides, one in-band frame";
    Input, "input", "besides, octets that were typed";
    Print, "print", "besides, one line of a reply or of the trace; a command, when its line was typed";
    Output, "output", "besides, a few octets to the UART";
    Device, "device", "besides, the state of one card's link and one counter of one card";
    Screen, "screen", "besides, a line of the page on the screen, or a piece of it drawn";
    Send, "send", "besides, what one card's stack has to say on its own";
}

/// The turns of one activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// How many turns.
    pub count: u64,
    /// How long the longest took.
    pub longest: Ticks,
}

/// All turns of the loop.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    busy: u64,
    kinds: [Kind; Activity::ALL.len()],
}

impl Turns {
    /// Takes note of a turn that lasted from `start` to `end`.
    #[inline]
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "a difference of two instants saturates"
    )]
    pub fn record(&mut self, activity: Activity, is_busy: bool, start: Instant, end: Instant) {
        self.busy = self.busy.wrapping_add(u64::from(is_busy));
        if let Some(kind) = self.kinds.get_mut(activity as usize) {
            kind.count = kind.count.wrapping_add(1);
            kind.longest = kind.longest.max(end - start);
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// How many found at least one frame.
    pub const fn busy(&self) -> u64 {
        self.busy
    }

    /// What the longest of all did, and how long it took; `None` before the first.
    pub fn longest(&self) -> Option<(Activity, Kind)> {
        self.iter().max_by_key(|(_, kind)| kind.longest)
    }

    /// Each activity that there was, with its turns.
    pub fn iter(&self) -> impl Iterator<Item = (Activity, Kind)> + '_ {
        let all = Activity::ALL.into_iter().zip(self.kinds);
        all.filter(|(_, kind)| kind.count > 0)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn at(ticks: u64) -> Instant {
        Instant::from_ticks(ticks)
    }

    #[test]
    fn the_longest_turn_is_kept_for_each_activity() {
        let mut turns = Turns::default();
        assert_eq!(turns.longest(), None);
        turns.record(Activity::Looking, false, at(10), at(12));
        turns.record(Activity::Answering, true, at(12), at(20));
        turns.record(Activity::Looking, false, at(20), at(25));
        turns.record(Activity::Looking, false, at(25), at(28));
        turns.record(Activity::Send, true, at(28), at(30));
        assert_eq!((turns.count(), turns.busy()), (5, 2));
        let kind = |count, longest| Kind {
            count,
            longest: Ticks(longest),
        };
        let all: Vec<_> = turns.iter().collect();
        assert_eq!(
            all,
            [
                (Activity::Looking, kind(3, 5)),
                (Activity::Answering, kind(1, 8)),
                (Activity::Send, kind(1, 2)),
            ]
        );
        assert_eq!(turns.longest(), Some((Activity::Answering, kind(1, 8))));
    }

    #[test]
    fn a_clock_that_ran_backwards_makes_no_turn_longer() {
        let mut turns = Turns::default();
        turns.record(Activity::Input, false, at(1_000), at(10));
        assert_eq!(
            turns.longest().map(|(_, kind)| kind.longest),
            Some(Ticks(0))
        );
    }
}
