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
}

/// A reply to a request of this session.
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
                if now < sent.at.after(self.timeout) {
                    return;
                }
                sent.fate = Fate::Lost;
                self.tally.outstanding = self.tally.outstanding.saturating_sub(1);
                self.tally.lost = self.tally.lost.saturating_add(1);
            }
            self.oldest = self.oldest.saturating_add(1);
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
            let is_late = fate == Fate::Lost || round_trip >= self.timeout;
            if let Some(offset) = first_difference(data, usize::from(self.settings.size)) {
                tally.corrupted = tally.corrupted.saturating_add(1);
                Verdict::Corrupted { offset }
            } else if is_late {
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
        Some(RoundTrip {
            minimum_ns: self.round_trips.minimum()?,
            p50_ns: self.round_trips.percentile(50_000)?,
            p99_ns: self.round_trips.percentile(99_000)?,
            p999_ns: self.round_trips.percentile(99_900)?,
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
