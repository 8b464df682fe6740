//! How long the answers of a card wait for others to share their doorbell with.
//!
//! A doorbell of an emulated card is dear: whoever rings it leaves the machine, or takes a lock from the thread that
//! brings the frames, and then sends the answers one by one. Where several went out by one, more frames are on
//! their way; the next answers wait for these until none has come for as long as it took to ring. To ring at once would
//! have taken no less, so that waiting in vain never costs more than twice what would have been best (as with hiring skis,
//! until they have cost what it takes to buy them). A doorbell of a real card takes a tenth of a microsecond, and no
//! more is waited for then; and whoever asks one at a time is not made to wait.

use crate::clock;
use pollux_net::device::Batch;
use pollux_net::time::{Instant, TickRate, Ticks};

/// For no longer than this after a frame, in nanoseconds: a doorbell may have taken long for another reason.
const MOST: u64 = 16_000;
/// For no longer than this after the first frame, in nanoseconds, however many follow it.
const MOST_IN_ALL: u64 = 64_000;
/// So many waits in a row in which nobody came are the last: a crowd that was served one by one comes one by one for a while,
/// since its next frames are held up by each doorbell.
const VAIN: u32 = 8;

/// For how long the next answers of a card wait.
#[derive(Debug)]
pub struct Company {
    wait: Ticks,
    most: Ticks,
    most_in_all: Ticks,
    waits: u64,
    /// How many of the last waits were in vain, one after the other.
    vain: u32,
}

impl Company {
    /// Nobody waits.
    pub fn new(rate: TickRate) -> Self {
        Self {
            wait: Ticks(0),
            most: rate.ticks(MOST),
            most_in_all: rate.ticks(MOST_IN_ALL),
            waits: 0,
            vain: 0,
        }
    }

    /// Whether answers wait at all.
    #[inline]
    pub fn is_expected(&self) -> bool {
        self.wait > Ticks(0)
    }

    /// Has `take` go on with `batch`, the first frame of which was seen at `first`, for as long as more frames are waited for
    /// and it may wait. Returns when that ended; nothing, when it was not waited.
    #[cold]
    #[inline(never)]
    pub fn gather(
        &self,
        first: Instant,
        mut batch: Batch,
        mut take: impl FnMut(Instant, Batch) -> Option<Batch>,
    ) -> Option<Instant> {
        if !batch.may_wait() {
            return None;
        }
        let mut since = clock::now();
        let mut now = since;
        while batch.may_wait() && self.is_awaited(first, since, now) {
            let more = take(now, batch);
            now = clock::now();
            if let Some(more) = more {
                batch = more;
                since = now;
            }
        }
        Some(now)
    }

    /// Whether it is still waited at `now` for frames that have not come since `since`, nor for too long since `first`. It
    /// is not for a counter that ran backwards, as after a migration.
    fn is_awaited(&self, first: Instant, since: Instant, now: Instant) -> bool {
        let is_within = |start, span| now >= start && now - start < span;
        is_within(since, self.wait) && is_within(first, self.most_in_all)
    }

    /// Takes note of so many answers that went out together, and of how long it took to ring for them: that is measured
    /// where they waited. Need not be told of one answer that did not.
    #[cold]
    #[inline(never)]
    pub fn expect(&mut self, answers: u64, ringing: Option<Ticks>) {
        self.waits = self.waits.wrapping_add(u64::from(ringing.is_some()));
        if answers > 1 {
            self.vain = 0;
            // At least as long as to measure it the next time.
            self.wait = ringing.unwrap_or(self.wait).clamp(Ticks(1), self.most);
            return;
        }
        self.vain += 1;
        if self.vain >= VAIN {
            self.wait = Ticks(0);
        }
    }

    /// How often answers waited.
    pub const fn waits(&self) -> u64 {
        self.waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_net::device::Verdict;

    const SEEN: Instant = Instant::from_ticks(1_000_000);
    const ANSWER: Verdict = Verdict::Answer { length: 60 };

    fn company() -> Company {
        // A tick is a nanosecond.
        Company::new(TickRate::from_hertz(1_000_000_000))
    }

    /// For how long is waited when nobody follows the first frame, and when others follow all the time.
    fn spans(company: &Company) -> [u64; 2] {
        let end = |last: fn(Instant) -> Instant| {
            let is_over = |&span: &u64| {
                let now = SEEN.after(Ticks(span));
                !company.is_awaited(SEEN, last(now), now)
            };
            (0..100_000).find(is_over).expect("an end")
        };
        [end(|_| SEEN), end(|now| now)]
    }

    #[test]
    fn who_comes_alone_does_not_wait() {
        let company = company();
        assert!(!company.is_expected());
        assert_eq!(spans(&company), [0, 0]);
    }

    #[test]
    fn several_wait_for_as_long_as_it_took_to_ring_and_no_longer_in_all_than_there_is_sense_in() {
        let mut company = company();
        company.expect(2, None);
        assert!(company.is_expected());
        assert_eq!(spans(&company), [1, 64_000], "to measure it");
        for ringing in [100, 15_999, 16_000] {
            company.expect(2, Some(Ticks(ringing)));
            assert_eq!(spans(&company), [ringing, 64_000]);
        }
        company.expect(2, None);
        assert_eq!(
            spans(&company)[0],
            16_000,
            "behind a frame without an answer"
        );
    }

    #[test]
    fn who_has_waited_in_vain_often_enough_waits_no_more() {
        let mut company = company();
        for _ in 0..2 {
            company.expect(2, Some(Ticks(5_000)));
            for answers in [0, 1, 1, 1, 1, 0, 1] {
                company.expect(answers, Some(Ticks(100)));
                assert_eq!(spans(&company)[0], 5_000);
            }
        }
        company.expect(1, Some(Ticks(100)));
        assert!(!company.is_expected());
        assert_eq!(spans(&company), [0, 0]);
    }

    #[test]
    fn nobody_waits_because_the_machine_stood_still() {
        let mut company = company();
        company.expect(2, Some(Ticks(4_000_000)));
        assert_eq!(spans(&company), [16_000, 64_000]);
    }

    #[test]
    fn nobody_waits_for_a_counter_that_ran_backwards() {
        let mut company = company();
        company.expect(2, Some(Ticks(5_000)));
        let now = Instant::from_ticks(999);
        assert!(!company.is_awaited(SEEN, SEEN, now));
        assert!(!company.is_awaited(SEEN, now, now));
    }

    /// `batch` with these frames, if there are any.
    fn with(batch: Batch, verdicts: &[Verdict]) -> Option<Batch> {
        let mut more = batch;
        for verdict in verdicts {
            more.take();
            more.note(*verdict);
        }
        more.if_more_than(batch)
    }

    #[test]
    fn it_is_waited_on_from_frame_to_frame_until_none_comes_or_the_batch_must_not_wait() {
        let mut company = Company {
            // Whatever else this machine does meanwhile.
            most_in_all: Ticks(u64::MAX),
            ..company()
        };
        // How often is looked when so many frames may be in a batch that begins with one, and each look finds these.
        let looks = |company: &Company, frames: usize, found: &[&[Verdict]]| {
            let (mut looks, seen) = (0, clock::now());
            let begun = with(Batch::of(frames), &[ANSWER]).expect("a frame");
            let end = company.gather(seen, begun, |now, batch| {
                assert!(now >= seen);
                let verdicts = found.get(looks).copied().unwrap_or_default();
                looks += 1;
                with(batch, verdicts)
            });
            assert!(end.is_some_and(|end| end >= seen));
            looks
        };
        assert_eq!(looks(&company, 64, &[]), 0, "nobody is expected");
        company.expect(2, Some(Ticks(16_000)));
        assert!(looks(&company, 64, &[]) > 0);
        let one: &[_] = &[ANSWER];
        assert!(looks(&company, 64, &[one; 3]) > 3);
        assert_eq!(looks(&company, 5, &[one; 9]), 3, "there is hardly room");
        for unanswered in [Verdict::Release, Verdict::Defer] {
            assert_eq!(looks(&company, 64, &[&[unanswered]]), 1);
            assert_eq!(looks(&company, 64, &[one, &[ANSWER, unanswered]]), 2);
            let begun = with(Batch::of(64), &[unanswered]).expect("a frame");
            let unasked = |_, _| panic!("looked for");
            assert_eq!(company.gather(clock::now(), begun, unasked), None);
        }
        assert_eq!(company.waits(), 1, "that were told of");
    }
}
