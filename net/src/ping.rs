//! Asking another host whether it is there, and how long its answers take (RFC 792, echo).
//!
//! A [`PingSession`] says when which request is due and judges the replies; the poll loop sends and
//! receives. Its memory is bounded: the times of the last [`WINDOW`] requests and one histogram, made
//! when the session begins.
//!
//! Every request is in exactly one state: still outstanding, answered in time, answered late, answered
//! with other data than it carried, or lost. So what was sent is the sum of the five, at any moment.
//!
//! The data is the pattern of Linux's `ping`: octet `n` is `n`, modulo 256. It holds no time of
//! sending, so that every octet of it can be checked.

use crate::histogram::Histogram;
use crate::time::{Instant, TickRate, Ticks};
use crate::wire::icmpv4_error::Undelivered;
use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;

/// How many requests back a reply is still understood, and how many can be outstanding.
pub const WINDOW: u64 = 1024;
/// The most data that a request can carry: 65,535 octets less two headers.
pub const MAXIMUM_SIZE: u16 = 65_507;
/// How many requests one call of [`PingSession::poll`] can find to be lost.
const LOOKS: usize = 16;

/// What to ask, whom and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// Who is asked.
    pub destination: Ipv4Addr,
    /// What tells this session's replies from another's.
    pub identifier: u16,
    /// How many requests to send; 0 for no end.
    pub count: u64,
    /// From one request to the next, in nanoseconds.
    pub interval_ns: u64,
    /// After which a request without a reply is lost, in nanoseconds.
    pub timeout_ns: u64,
    /// Octets of data in each request, at most [`MAXIMUM_SIZE`].
    pub size: u16,
}

/// A request to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingRequest {
    /// To whom.
    pub destination: Ipv4Addr,
    /// The session's identifier.
    pub identifier: u16,
    /// The sequence number: 1 for the first.
    pub sequence: u16,
    /// How many octets of data follow: [`pattern`] of each.
    pub size: u16,
}

/// What a reply turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first reply to its request, in time and with its data.
    InTime,
    /// The same, but after its request was counted as lost.
    Late,
    /// Another reply to a request that has one.
    Duplicate,
    /// Not the data that was sent.
    Corrupted {
        /// The first octet that differs or is missing, or where more follow than were sent.
        offset: usize,
    },
    /// No reply: nobody answered for the address to which the request should have gone.
    Unreachable {
        /// Our own address, from which it would have come.
        from: Ipv4Addr,
    },
    /// No reply: an ICMP error says that the request did not arrive, or was not taken.
    Undelivered {
        /// Who says so.
        from: Ipv4Addr,
        /// Why.
        why: Undelivered,
    },
}

/// A reply to a request of this session, or what takes the place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingReply {
    /// The sequence number.
    pub sequence: u16,
    /// Octets of data.
    pub octets: usize,
    /// The time to live with which it arrived.
    pub time_to_live: u8,
    /// Since its request was handed out, in nanoseconds.
    pub round_trip_ns: u64,
    /// Whether a later request was answered before.
    pub reordered: bool,
    /// What it turned out to be.
    pub verdict: Verdict,
}

/// What became of a session's requests, and how long the replies took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingSummary {
    /// Requests that were sent: the sum of the next five.
    pub sent: u64,
    /// Without a reply, but not for long enough to be lost.
    pub outstanding: u64,
    /// Answered in time.
    pub in_time: u64,
    /// Answered after the timeout.
    pub late: u64,
    /// Answered with other data than was sent.
    pub corrupted: u64,
    /// Not answered.
    pub lost: u64,
    /// Those of the lost of which it was told: nobody answered for the address, or an ICMP error came back.
    pub unreachable: u64,
    /// Replies to requests that had one.
    pub duplicates: u64,
    /// Replies that arrived behind one to a later request.
    pub reordered: u64,
    /// Replies to requests that were never sent, or too long ago to tell.
    pub strays: u64,
    /// Round trips of the replies in time and late; `None` when there was none.
    pub round_trip: Option<RoundTrip>,
}

/// Round trips, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// The shortest.
    pub minimum_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// 99 % took no longer.
    pub p99_ns: u64,
    /// 99.9 % took no longer.
    pub p999_ns: u64,
    /// The longest.
    pub maximum_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Outstanding,
    Lost,
    Answered,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    fate: Fate,
}

/// A row of echo requests to one host.
pub struct PingSession {
    settings: PingSettings,
    rate: TickRate,
    interval: Ticks,
    timeout: Ticks,
    /// When the next request is due.
    due: Instant,
    /// The number of the next request. Numbers go on where sequence numbers wrap; the first is 1.
    next: u64,
    /// All requests before this one are answered or lost.
    oldest: u64,
    /// The highest number that was answered.
    highest: u64,
    stopped: bool,
    /// Whether requests still wait for the address of the next hop: none is lost meanwhile.
    held: bool,
    /// Requests before this one did not leave, and from which address they would have.
    failed: Option<(u64, Ipv4Addr)>,
    /// By number modulo [`WINDOW`].
    window: Box<[Sent]>,
    tally: PingSummary,
    round_trips: Box<Histogram>,
}

impl PingSession {
    /// A session whose first request is due at `now`. Allocates.
    pub fn new(settings: PingSettings, rate: TickRate, now: Instant) -> Self {
        let size = settings.size.min(MAXIMUM_SIZE);
        let nothing = Sent {
            at: now,
            fate: Fate::Lost,
        };
        Self {
            settings: PingSettings { size, ..settings },
            rate,
            interval: rate.ticks(settings.interval_ns),
            timeout: rate.ticks(settings.timeout_ns),
            due: now,
            next: 1,
            oldest: 1,
            highest: 0,
            stopped: false,
            held: false,
            failed: None,
            window: vec![nothing; WINDOW as usize].into_boxed_slice(),
            tally: PingSummary::default(),
            round_trips: Box::new(Histogram::new()),
        }
    }

    /// What was asked for.
    pub const fn settings(&self) -> &PingSettings {
        &self.settings
    }

    /// The request that is to be sent now, if any. To be called only when it can be sent, for it counts
    /// as sent. Requests that were missed because nobody called are not made up for, and none is
    /// due while [`WINDOW`] are outstanding.
    pub fn poll(&mut self, now: Instant) -> Option<PingRequest> {
        self.give_up(now);
        let all_sent = self.settings.count != 0 && self.tally.sent >= self.settings.count;
        if self.stopped || all_sent || now < self.due {
            return None;
        }
        if self.next.saturating_sub(self.oldest) >= WINDOW {
            return None;
        }
        let number = self.next;
        *self.window.get_mut(place(number))? = Sent {
            at: now,
            fate: Fate::Outstanding,
        };
        self.next = number.saturating_add(1);
        self.tally.sent = self.tally.sent.saturating_add(1);
        self.tally.outstanding = self.tally.outstanding.saturating_add(1);
        // On schedule, unless it slipped by a whole interval.
        let scheduled = self.due.after(self.interval);
        self.due = if scheduled < now {
            now.after(self.interval)
        } else {
            scheduled
        };
        Some(PingRequest {
            destination: self.settings.destination,
            identifier: self.settings.identifier,
            sequence: number as u16,
            size: self.settings.size,
        })
    }

    /// Counts requests as lost that waited for too long. They were sent in the order of their numbers,
    /// so the oldest times out first.
    fn give_up(&mut self, now: Instant) {
        for _ in 0..LOOKS {
            if self.oldest >= self.next {
                return;
            }
            let Some(sent) = self.window.get_mut(place(self.oldest)) else {
                return;
            };
            if sent.fate == Fate::Outstanding {
                if self.held || self.failed.is_some() || now < sent.at.after(self.timeout) {
                    return;
                }
                sent.fate = Fate::Lost;
                self.tally.outstanding = self.tally.outstanding.saturating_sub(1);
                self.tally.lost = self.tally.lost.saturating_add(1);
            }
            self.oldest = self.oldest.saturating_add(1);
        }
    }

    /// Whether the oldest request that has no reply waited for too long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        let oldest = self.window.get(place(self.oldest));
        self.oldest < self.next && oldest.is_some_and(|sent| now >= sent.at.after(self.timeout))
    }

    /// Tells whether requests wait for the address of the next hop.
    pub const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Nobody answered for the address of the next hop: what waited for it will not be sent. `from` is our address.
    pub const fn fail(&mut self, from: Ipv4Addr) {
        self.held = false;
        self.failed = Some((self.next, from));
    }

    /// Counts the next request as lost that was not sent because of that, after a bounded number of looks.
    pub fn next_unreachable(&mut self) -> Option<PingReply> {
        let (end, from) = self.failed?;
        for _ in 0..LOOKS {
            let number = self.oldest;
            if number >= end {
                self.failed = None;
                return None;
            }
            self.oldest = number.saturating_add(1);
            let sent = self.window.get_mut(place(number))?;
            if sent.fate != Fate::Outstanding {
                continue;
            }
            sent.fate = Fate::Lost;
            let verdict = Verdict::Unreachable { from };
            return Some(self.count_unreachable(number as u16, verdict));
        }
        None
    }

    /// Judges what `from` says of the request with this identifier and sequence number. `None` when that is not of this
    /// session, or has met its fate.
    pub fn on_error(
        &mut self,
        (from, why): (Ipv4Addr, Undelivered),
        identifier: u16,
        sequence: u16,
    ) -> Option<PingReply> {
        if identifier != self.settings.identifier {
            return None;
        }
        let number = self.number_of(sequence)?;
        let sent = self.window.get_mut(place(number))?;
        if sent.fate != Fate::Outstanding {
            return None;
        }
        sent.fate = Fate::Lost;
        Some(self.count_unreachable(sequence, Verdict::Undelivered { from, why }))
    }

    /// Counts an outstanding request as lost and as unreachable. Returns what is told about it.
    const fn count_unreachable(&mut self, sequence: u16, verdict: Verdict) -> PingReply {
        let tally = &mut self.tally;
        tally.outstanding = tally.outstanding.saturating_sub(1);
        tally.lost = tally.lost.saturating_add(1);
        tally.unreachable = tally.unreachable.saturating_add(1);
        PingReply {
            sequence,
            octets: 0,
            time_to_live: 0,
            round_trip_ns: 0,
            reordered: false,
            verdict,
        }
    }

    /// Judges an echo reply: the fields behind its ICMP checksum, which must be right. `None` when it
    /// is not for this session, or for no request that it remembers.
    pub fn on_reply(
        &mut self,
        source: Ipv4Addr,
        identifier: u16,
        sequence: u16,
        data: &[u8],
        time_to_live: u8,
        now: Instant,
    ) -> Option<PingReply> {
        if source != self.settings.destination || identifier != self.settings.identifier {
            return None;
        }
        let Some(number) = self.number_of(sequence) else {
            self.tally.strays = self.tally.strays.saturating_add(1);
            return None;
        };
        let sent = self.window.get_mut(place(number))?;
        let fate = core::mem::replace(&mut sent.fate, Fate::Answered);
        #[allow(clippy::arithmetic_side_effects, reason = "ends at zero")]
        let round_trip = now - sent.at;
        let round_trip_ns = self.rate.nanoseconds(round_trip);
        let reordered = fate != Fate::Answered && number < self.highest;
        self.highest = self.highest.max(number);
        let tally = &mut self.tally;
        let verdict = if fate == Fate::Answered {
            tally.duplicates = tally.duplicates.saturating_add(1);
            Verdict::Duplicate
        } else {
            if fate == Fate::Lost {
                tally.lost = tally.lost.saturating_sub(1);
            } else {
                tally.outstanding = tally.outstanding.saturating_sub(1);
            }
            if reordered {
                tally.reordered = tally.reordered.saturating_add(1);
            }
            if let Some(offset) = first_difference(data, usize::from(self.settings.size)) {
                tally.corrupted = tally.corrupted.saturating_add(1);
                Verdict::Corrupted { offset }
            } else if round_trip >= self.timeout {
                tally.late = tally.late.saturating_add(1);
                self.round_trips.record(round_trip_ns, 1);
                Verdict::Late
            } else {
                tally.in_time = tally.in_time.saturating_add(1);
                self.round_trips.record(round_trip_ns, 1);
                Verdict::InTime
            }
        };
        Some(PingReply {
            sequence,
            octets: data.len(),
            time_to_live,
            round_trip_ns,
            reordered,
            verdict,
        })
    }

    /// The number of the last request with this sequence number, if it is remembered.
    fn number_of(&self, sequence: u16) -> Option<u64> {
        let last = self.next.saturating_sub(1);
        let back = u64::from((last as u16).wrapping_sub(sequence));
        let number = last.checked_sub(back).filter(|&number| number > 0)?;
        (back < WINDOW).then_some(number)
    }

    /// Sends no more requests; replies to those that were sent are still judged.
    pub const fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether all requests were sent, or the session was stopped, and none is outstanding.
    pub const fn is_finished(&self) -> bool {
        let count = self.settings.count;
        let all_sent = self.stopped || (count != 0 && self.tally.sent >= count);
        all_sent && self.tally.outstanding == 0
    }

    /// What became of the requests so far.
    pub fn summary(&self) -> PingSummary {
        PingSummary {
            round_trip: self.round_trip(),
            ..self.tally
        }
    }

    fn round_trip(&self) -> Option<RoundTrip> {
        let [p50_ns, p99_ns, p999_ns] = self.round_trips.percentiles([50_000, 99_000, 99_900])?;
        Some(RoundTrip {
            minimum_ns: self.round_trips.minimum()?,
            p50_ns,
            p99_ns,
            p999_ns,
            maximum_ns: self.round_trips.maximum()?,
        })
    }

    /// All round trips, in nanoseconds.
    pub const fn round_trips(&self) -> &Histogram {
        &self.round_trips
    }
}

/// Where the request of a number is remembered.
const fn place(number: u64) -> usize {
    (number % WINDOW) as usize
}

/// The octet at `offset` in the data of a request.
pub const fn pattern(offset: usize) -> u8 {
    offset as u8
}

/// Where `data` is not what a request of `size` octets carried.
fn first_difference(data: &[u8], size: usize) -> Option<usize> {
    let mut octets = data.iter().take(size).enumerate();
    let differs = octets.position(|(offset, &octet)| octet != pattern(offset));
    let end = data.len().min(size);
    differs.or((data.len() != size).then_some(end))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
    const HERTZ: u64 = 1_000_000_000;
    const SETTINGS: PingSettings = PingSettings {
        destination: PEER,
        identifier: 0xbeef,
        count: 3,
        interval_ns: 1_000_000_000,
        timeout_ns: 2_000_000_000,
        size: 56,
    };

    fn at(microseconds: u64) -> Instant {
        Instant::from_ticks(microseconds * 1000)
    }

    fn session(settings: PingSettings) -> PingSession {
        PingSession::new(settings, TickRate::from_hertz(HERTZ), at(0))
    }

    fn data(size: usize) -> Vec<u8> {
        (0..size).map(pattern).collect()
    }

    /// The right reply to a request.
    fn answer(session: &mut PingSession, sequence: u16, time: u64) -> Option<PingReply> {
        let size = usize::from(session.settings.size);
        session.on_reply(PEER, 0xbeef, sequence, &data(size), 64, at(time))
    }

    fn verdict(session: &mut PingSession, sequence: u16, time: u64) -> Option<Verdict> {
        answer(session, sequence, time).map(|reply| reply.verdict)
    }

    fn is_balanced(summary: &PingSummary) -> bool {
        let PingSummary {
            outstanding,
            in_time,
            late,
            corrupted,
            lost,
            ..
        } = *summary;
        summary.sent == outstanding + in_time + late + corrupted + lost
    }

    #[test]
    fn three_requests_a_second_apart_and_their_replies() {
        let mut session = session(SETTINGS);
        for (sequence, time) in [(1, 0), (2, 1_000_000), (3, 2_000_000)] {
            if time > 0 {
                assert_eq!(session.poll(at(time - 1)), None);
            }
            assert!(!session.is_finished());
            let request = PingRequest {
                destination: PEER,
                identifier: 0xbeef,
                sequence,
                size: 56,
            };
            assert_eq!(session.poll(at(time)), Some(request));
            assert!(!session.is_finished(), "the reply is outstanding");
            assert_eq!(session.poll(at(time)), None);
            let reply = PingReply {
                sequence,
                octets: 56,
                time_to_live: 64,
                round_trip_ns: u64::from(sequence) * 100_000,
                reordered: false,
                verdict: Verdict::InTime,
            };
            let now = time + u64::from(sequence) * 100;
            assert_eq!(answer(&mut session, sequence, now), Some(reply));
        }
        assert!(session.is_finished());
        assert_eq!(session.poll(at(9_000_000)), None);
        let round_trip = RoundTrip {
            minimum_ns: 100_000,
            p50_ns: 200_703, // the end of its bucket
            p99_ns: 300_000,
            p999_ns: 300_000,
            maximum_ns: 300_000,
        };
        let summary = PingSummary {
            sent: 3,
            in_time: 3,
            round_trip: Some(round_trip),
            ..PingSummary::default()
        };
        assert_eq!(session.summary(), summary);
    }

    #[test]
    fn a_request_without_a_reply_is_lost_after_the_timeout_and_not_before() {
        let mut session = session(PingSettings {
            count: 1,
            ..SETTINGS
        });
        session.poll(at(0)).expect("the first is due");
        session.poll(at(1_999_999));
        assert_eq!(session.summary().outstanding, 1);
        session.poll(at(2_000_000));
        assert_eq!(
            (session.summary().outstanding, session.summary().lost),
            (0, 1)
        );
        assert!(session.is_finished());
        assert_eq!(session.summary().round_trip, None);
    }

    #[test]
    fn a_reply_after_the_timeout_is_late_and_its_request_no_longer_lost() {
        // Whether or not the loss was noticed before.
        for polled in [true, false] {
            let mut session = session(PingSettings {
                count: 1,
                ..SETTINGS
            });
            session.poll(at(0)).expect("the first is due");
            if polled {
                session.poll(at(2_000_000));
            }
            assert_eq!(verdict(&mut session, 1, 2_000_000), Some(Verdict::Late));
            let summary = session.summary();
            assert_eq!((summary.late, summary.lost, summary.in_time), (1, 0, 0));
            let round_trip = summary.round_trip.expect("a reply");
            assert_eq!(round_trip.maximum_ns, 2_000_000_000);
        }
    }

    #[test]
    fn a_second_reply_is_a_duplicate_and_changes_no_round_trip() {
        let mut session = session(SETTINGS);
        session.poll(at(0)).expect("the first is due");
        assert_eq!(verdict(&mut session, 1, 100), Some(Verdict::InTime));
        assert_eq!(verdict(&mut session, 1, 900), Some(Verdict::Duplicate));
        assert_eq!(
            verdict(&mut session, 1, 9_000_000),
            Some(Verdict::Duplicate)
        );
        let summary = session.summary();
        assert_eq!((summary.in_time, summary.duplicates), (1, 2));
        assert_eq!(
            summary.round_trip.map(|trip| trip.maximum_ns),
            Some(100_000)
        );
    }

    #[test]
    fn a_reply_behind_one_to_a_later_request_is_reordered() {
        let mut session = session(SETTINGS);
        for time in [0, 1_000_000, 2_000_000] {
            session.poll(at(time)).expect("one is due");
        }
        let mut reordered =
            |sequence| answer(&mut session, sequence, 2_000_100).map(|reply| reply.reordered);
        assert_eq!(reordered(2), Some(false));
        assert_eq!(reordered(1), Some(true));
        assert_eq!(reordered(3), Some(false));
        assert_eq!(
            reordered(1),
            Some(false),
            "a duplicate is no more than that"
        );
        assert_eq!(session.summary().reordered, 1);
    }

    #[test]
    fn every_octet_of_the_data_is_checked() {
        for size in [0, 1, 56, 300, 1472] {
            let settings = PingSettings { size, ..SETTINGS };
            let verdict_of = |data: &[u8]| {
                let mut session = session(settings);
                session.poll(at(0)).expect("the first is due");
                let reply = session.on_reply(PEER, 0xbeef, 1, data, 64, at(1));
                assert!(is_balanced(&session.summary()));
                let verdict = reply.expect("a reply to the first").verdict;
                let is_corrupted = matches!(verdict, Verdict::Corrupted { .. });
                assert_eq!(session.summary().corrupted, u64::from(is_corrupted));
                assert_eq!(session.summary().round_trip.is_none(), is_corrupted);
                verdict
            };
            let size = usize::from(size);
            let right = data(size);
            assert_eq!(verdict_of(&right), Verdict::InTime);
            for offset in 0..size {
                let mut wrong = right.clone();
                wrong[offset] ^= 0x10;
                assert_eq!(verdict_of(&wrong), Verdict::Corrupted { offset });
            }
            let longer = data(size + 1);
            assert_eq!(verdict_of(&longer), Verdict::Corrupted { offset: size });
            if let Some(shorter) = size.checked_sub(1) {
                let corrupted = Verdict::Corrupted { offset: shorter };
                assert_eq!(verdict_of(&right[..shorter]), corrupted);
            }
        }
    }

    #[test]
    fn the_data_counts_octets_as_linux_does() {
        assert_eq!(data(3), [0, 1, 2]);
        assert_eq!(pattern(255), 255);
        assert_eq!(pattern(256), 0);
    }

    #[test]
    fn the_replies_of_others_are_not_ours() {
        let mut session = session(SETTINGS);
        session.poll(at(0)).expect("the first is due");
        let other = Ipv4Addr::new(10, 10, 10, 9);
        let right = data(56);
        assert_eq!(session.on_reply(other, 0xbeef, 1, &right, 64, at(1)), None);
        assert_eq!(session.on_reply(PEER, 0xbeee, 1, &right, 64, at(1)), None);
        assert_eq!(session.summary().strays, 0);
        // Ours, but to nothing that was asked: 0 comes before the first.
        for sequence in [0, 2, 3, 0xffff] {
            assert_eq!(answer(&mut session, sequence, 1), None);
        }
        assert_eq!(session.summary().strays, 4);
        assert_eq!(session.summary().outstanding, 1);
    }

    #[test]
    fn sequence_numbers_wrap_and_a_session_goes_on() {
        let mut session = session(PingSettings {
            count: 0,
            interval_ns: 1000,
            ..SETTINGS
        });
        for number in 1..=200_000_u64 {
            let request = session
                .poll(at(number))
                .expect("one is due each microsecond");
            assert_eq!(request.sequence, number as u16);
            let replied = verdict(&mut session, number as u16, number);
            assert_eq!(replied, Some(Verdict::InTime), "{number}");
        }
        assert!(!session.is_finished());
        session.stop();
        assert!(session.is_finished());
        assert_eq!(session.poll(at(300_000)), None);
        assert_eq!(session.summary().in_time, 200_000);
    }

    #[test]
    fn no_request_is_due_while_a_window_of_them_is_outstanding() {
        let settings = PingSettings {
            count: 0,
            interval_ns: 1000,
            ..SETTINGS
        };
        let mut session = session(settings);
        let sent = (0..5_000).filter_map(|time| session.poll(at(time))).count();
        assert_eq!(sent as u64, WINDOW);
        assert_eq!(verdict(&mut session, 2, 5_000), Some(Verdict::InTime));
        assert_eq!(
            session.poll(at(5_000)),
            None,
            "the oldest is still outstanding"
        );
        assert_eq!(verdict(&mut session, 1, 5_000), Some(Verdict::InTime));
        assert!(session.poll(at(5_001)).is_some());
        assert!(session.poll(at(5_002)).is_some());
        assert_eq!(session.poll(at(5_003)), None);
        // A reply to what the window has left is a stray.
        assert_eq!(answer(&mut session, 1, 5_004), None);
        assert_eq!(answer(&mut session, 2, 5_004), None);
        assert_eq!(session.summary().strays, 2);
        assert_eq!(verdict(&mut session, 3, 5_004), Some(Verdict::InTime));
    }

    #[test]
    fn missed_requests_are_not_made_up_for_but_a_late_poll_keeps_the_schedule() {
        let mut session = session(PingSettings {
            count: 0,
            ..SETTINGS
        });
        assert!(session.poll(at(0)).is_some());
        assert!(session.poll(at(1_300_000)).is_some());
        assert_eq!(session.poll(at(1_999_999)), None);
        assert!(session.poll(at(2_000_000)).is_some());
        assert!(session.poll(at(7_500_000)).is_some());
        assert_eq!(session.poll(at(8_499_999)), None);
        assert!(session.poll(at(8_500_000)).is_some());
    }

    #[test]
    fn a_size_beyond_the_largest_datagram_is_cut() {
        let session = session(PingSettings {
            size: u16::MAX,
            ..SETTINGS
        });
        assert_eq!(session.settings().size, 65_507);
    }

    proptest! {
        #[test]
        fn every_request_is_in_exactly_one_state_and_none_is_forgotten(
            events in prop::collection::vec((0_u64..5_000, 0_u16..40, 0_u8..8), 1..400),
        ) {
            let settings = PingSettings {
                count: 0,
                interval_ns: 1_000_000,
                timeout_ns: 20_000_000,
                size: 4,
                ..SETTINGS
            };
            let mut session = session(settings);
            let mut now = 0;
            // A naive model: when each was sent, and its first reply.
            let mut sent: BTreeMap<u16, u64> = BTreeMap::new();
            let mut replied: BTreeMap<u16, (u64, bool)> = BTreeMap::new();
            let (mut duplicates, mut reordered, mut strays) = (0, 0, 0);
            for (pause, back, kind) in events {
                now += pause;
                if let Some(request) = session.poll(at(now)) {
                    sent.insert(request.sequence, now);
                }
                let last = sent.len() as u16;
                let sequence = last.wrapping_sub(back);
                let right = kind != 0;
                if kind < 6 {
                    let octets: &[u8] = if right { &[0, 1, 2, 3] } else { &[0, 1, 2, 4] };
                    session.on_reply(PEER, 0xbeef, sequence, octets, 1, at(now));
                    if !sent.contains_key(&sequence) {
                        strays += 1;
                    } else if replied.contains_key(&sequence) {
                        duplicates += 1;
                    } else {
                        let highest = replied.keys().max().copied().unwrap_or(0);
                        reordered += u64::from(sequence < highest);
                        replied.insert(sequence, (now, right));
                    }
                }
                prop_assert!(is_balanced(&session.summary()));
            }
            session.stop();
            for _ in 0..100 {
                session.poll(at(now + 20_000));
            }
            prop_assert!(session.is_finished());
            let summary = session.summary();
            let good = replied.iter().filter(|(_, (_, right))| *right);
            let times: Vec<u64> = good.map(|(sequence, (time, _))| time - sent[sequence]).collect();
            prop_assert_eq!(summary.sent, sent.len() as u64);
            prop_assert_eq!(summary.in_time, times.iter().filter(|&&time| time < 20_000).count() as u64);
            prop_assert_eq!(summary.late, times.iter().filter(|&&time| time >= 20_000).count() as u64);
            prop_assert_eq!(summary.corrupted, (replied.len() - times.len()) as u64);
            prop_assert_eq!(summary.lost, (sent.len() - replied.len()) as u64);
            prop_assert_eq!(summary.duplicates, duplicates);
            prop_assert_eq!(summary.reordered, reordered);
            prop_assert_eq!(summary.strays, strays);
            let longest = times.iter().max().map(|time| time * 1000);
            prop_assert_eq!(summary.round_trip.map(|trip| trip.maximum_ns), longest);
            prop_assert_eq!(session.round_trips().count(), times.len() as u64);
        }
    }
}
