//! A ping session: echo requests out, every byte of every answer judged.
//!
//! [`run`] keeps a bounded number of requests on their way and tells an observer what happens.
//! What an answer must look like is [`expect`]'s, the final account is [`report`]'s.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::arp::Station;
use crate::frame::{Echo, Link, MacAddress, Received};
use crate::wire::{self, Wire};

pub mod expect;
pub mod report;

use expect::{Expectation, Verdict};
pub use report::Report;

/// How long a session polls for an answer before it sleeps for one.
const SPIN: Duration = Duration::from_millis(2);
/// How long an interrupted session still listens for answers under way.
const LAST_CALL: Duration = Duration::from_millis(200);
/// The most requests that can be on their way: fewer than half the sequence numbers, so that a
/// number that comes back is never mistaken for its successor.
pub const LARGEST_WINDOW: usize = 32_768;
const SEQUENCE_NUMBERS: usize = 65_536;

/// What to ask, of whom, and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who asks.
    pub station: Station,
    /// The address to ping.
    pub target: Ipv4Addr,
    /// The Ethernet address that the target has.
    pub target_mac: MacAddress,
    /// Requests to send; `None` goes on until stopped.
    pub count: Option<u64>,
    /// Time from one request to the next; zero sends whenever the window permits.
    pub interval: Duration,
    /// Octets of payload, 0..=[`frame::LARGEST_PAYLOAD`](crate::frame::LARGEST_PAYLOAD).
    pub size: usize,
    /// Requests that may be on their way at once, 1..=[`LARGEST_WINDOW`].
    pub window: usize,
    /// How long an answer may take before its place in the window is given away. An answer that
    /// comes later still counts.
    pub timeout: Duration,
    /// The type of service of the requests, which the answers must keep.
    pub tos: u8,
    /// The TTL that answers must have; `None` accepts any but 0.
    pub ttl: Option<u8>,
    /// The ICMP identifier of the session.
    pub id: u16,
}

impl Settings {
    /// One request a second of 56 octets, without end, as ping does.
    pub fn new(station: Station, target: Ipv4Addr, target_mac: MacAddress) -> Self {
        Self {
            station,
            target,
            target_mac,
            count: None,
            interval: Duration::from_secs(1),
            size: 56,
            window: LARGEST_WINDOW,
            timeout: Duration::from_secs(1),
            tos: 0,
            ttl: None,
            id: 0x706c,
        }
    }
}

/// Something that happened in a session. Requests are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request was answered, byte for byte as it should be.
    Answered {
        /// The request.
        number: u64,
        /// The TTL of the answer.
        ttl: u8,
        /// From just before the request was sent until its answer was received.
        round_trip: Duration,
    },
    /// A request was answered once more.
    Duplicate {
        /// The request.
        number: u64,
        /// The TTL of the answer.
        ttl: u8,
        /// From just before the request was sent until this answer was received.
        round_trip: Duration,
    },
    /// A frame came back that is not the answer it should be.
    Corrupted {
        /// The request that it seems to answer, if that can be told.
        number: Option<u64>,
        /// What is wrong with it.
        wrong: String,
    },
    /// A request has had no answer within the timeout.
    Overdue {
        /// The request.
        number: u64,
    },
}

/// Runs a session to its end: until all requests are sent and answered or overdue, or until
/// `stop` is set.
///
/// # Errors
///
/// The wire failed.
pub fn run(
    wire: &mut dyn Wire,
    settings: &Settings,
    stop: &AtomicBool,
    observer: &mut dyn FnMut(&Event),
) -> Result<Report, wire::Error> {
    Session::new(settings, observer).run(wire, stop)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Waiting,
    Overdue,
    Answered,
    Wrong,
}

/// What is known about the latest request with one sequence number.
#[derive(Clone, Copy)]
struct Slot {
    state: State,
    number: u64,
    sent: Instant,
}

struct Session<'a> {
    settings: &'a Settings,
    observer: &'a mut dyn FnMut(&Event),
    expectation: Expectation,
    slots: Vec<Slot>,
    /// The oldest request whose answer may still be waited for.
    oldest: u64,
    /// Requests sent, which is also the number of the latest.
    sent: u64,
    outstanding: usize,
    next_send: Instant,
    highest_answered: u64,
    request: Vec<u8>,
    payload: Vec<u8>,
    report: Report,
}

impl<'a> Session<'a> {
    fn new(settings: &'a Settings, observer: &'a mut dyn FnMut(&Event)) -> Self {
        let now = Instant::now();
        let free = Slot {
            state: State::Free,
            number: 0,
            sent: now,
        };
        Self {
            settings,
            observer,
            expectation: Expectation::new(settings),
            slots: vec![free; SEQUENCE_NUMBERS],
            oldest: 1,
            sent: 0,
            outstanding: 0,
            next_send: now,
            highest_answered: 0,
            request: Vec::new(),
            payload: vec![0; settings.size],
            report: Report::new(),
        }
    }

    fn run(mut self, wire: &mut dyn Wire, stop: &AtomicBool) -> Result<Report, wire::Error> {
        let dropped_before = wire.dropped();
        let start = Instant::now();
        let mut buffer = vec![0; wire::BUFFER_LEN];
        let mut last_activity = start;
        let mut last_call = None;
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) {
                last_call.get_or_insert(now + LAST_CALL.min(self.settings.timeout));
            }
            self.expire(now);
            if last_call.is_none() && self.may_send(now) {
                self.send(wire)?;
                last_activity = now;
            }
            // One frame in for one frame out, so that a flood does not fill the wire's buffers.
            if let Some(length) = wire.try_receive(&mut buffer)? {
                self.receive(wire, &buffer[..length])?;
                last_activity = now;
                continue;
            }
            let all_sent = last_call.is_some() || self.settings.count == Some(self.sent);
            if all_sent && self.outstanding == 0 || last_call.is_some_and(|end| now >= end) {
                break;
            }
            if self.may_send(now) && last_call.is_none() {
                continue;
            }
            if self.outstanding > 0 && now.duration_since(last_activity) < SPIN {
                std::thread::yield_now();
            } else {
                wire.wait(self.idle_time(now, last_call))?;
            }
        }
        for number in self.sent.saturating_sub(SEQUENCE_NUMBERS as u64 - 1).max(1)..=self.sent {
            self.settle(number);
        }
        self.report.elapsed = start.elapsed();
        self.report.dropped = wire.dropped().saturating_sub(dropped_before);
        Ok(self.report)
    }

    fn may_send(&self, now: Instant) -> bool {
        self.settings.count.is_none_or(|count| self.sent < count)
            && self.outstanding < self.settings.window.clamp(1, LARGEST_WINDOW)
            && now >= self.next_send
    }

    /// How long nothing needs doing unless a frame arrives.
    fn idle_time(&self, now: Instant, last_call: Option<Instant>) -> Duration {
        let more = self.settings.count.is_none_or(|count| self.sent < count);
        let send = (more && last_call.is_none() && self.next_send > now).then_some(self.next_send);
        let overdue =
            (self.outstanding > 0).then(|| self.slot(self.oldest).sent + self.settings.timeout);
        [send, overdue, last_call]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_duration_since(now))
            .min()
            .unwrap_or(Duration::ZERO)
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[usize::from(number as u16)]
    }

    fn slot_mut(&mut self, number: u64) -> &mut Slot {
        &mut self.slots[usize::from(number as u16)]
    }

    fn send(&mut self, wire: &mut dyn Wire) -> Result<(), wire::Error> {
        let settings = self.settings;
        let number = self.sent + 1;
        if let Some(earlier) = number.checked_sub(SEQUENCE_NUMBERS as u64) {
            self.settle(earlier);
        }
        expect::fill_payload(number, &mut self.payload);
        let echo = Echo {
            tos: settings.tos,
            id: settings.id,
            sequence: number as u16,
            ..Echo::new(settings.station.address, settings.target, &self.payload)
        };
        let link = settings.station.link_to(settings.target_mac);
        echo.write_request(&link, &mut self.request);
        let now = Instant::now();
        wire.send(&self.request)?;
        *self.slot_mut(number) = Slot {
            state: State::Waiting,
            number,
            sent: now,
        };
        self.sent = number;
        self.outstanding += 1;
        self.report.transmitted += 1;
        // Kept to the clock rather than to the previous request, unless it was held up for long.
        self.next_send = (self.next_send + settings.interval).max(now);
        Ok(())
    }

    fn receive(&mut self, wire: &mut dyn Wire, frame: &[u8]) -> Result<(), wire::Error> {
        let now = Instant::now();
        if let Some(answer) =
            Received::parse(frame).and_then(|received| self.settings.station.answer(&received))
        {
            return wire.send(&answer);
        }
        let slots = &self.slots;
        let verdict = self.expectation.judge(frame, |sequence| {
            let slot = &slots[usize::from(sequence)];
            (slot.state != State::Free).then_some(slot.number)
        });
        match verdict {
            Verdict::Foreign => {}
            Verdict::Answer { number, ttl } => self.answered(number, ttl, now),
            Verdict::Wrong { number, wrong } => {
                self.report.corrupted += 1;
                if let Some(number) = number
                    && matches!(self.slot(number).state, State::Waiting | State::Overdue)
                {
                    self.leave_window(number, State::Wrong);
                }
                (self.observer)(&Event::Corrupted { number, wrong });
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: u64, ttl: u8, now: Instant) {
        let slot = *self.slot(number);
        let round_trip = now.saturating_duration_since(slot.sent);
        if slot.state == State::Answered {
            self.report.duplicates += 1;
            (self.observer)(&Event::Duplicate {
                number,
                ttl,
                round_trip,
            });
            return;
        }
        self.leave_window(number, State::Answered);
        if number < self.highest_answered {
            self.report.reordered += 1;
        }
        self.highest_answered = self.highest_answered.max(number);
        self.report.answered(round_trip, ttl);
        (self.observer)(&Event::Answered {
            number,
            ttl,
            round_trip,
        });
    }

    fn leave_window(&mut self, number: u64, state: State) {
        let slot = self.slot_mut(number);
        let was_waiting = slot.state == State::Waiting;
        slot.state = state;
        self.outstanding -= usize::from(was_waiting);
    }

    /// Gives away the window's places whose answers have taken too long.
    fn expire(&mut self, now: Instant) {
        while self.oldest <= self.sent {
            let oldest = self.oldest;
            let timeout = self.settings.timeout;
            let slot = self.slot(oldest);
            if slot.state == State::Waiting {
                if now.saturating_duration_since(slot.sent) < timeout {
                    return;
                }
                self.leave_window(oldest, State::Overdue);
                (self.observer)(&Event::Overdue { number: oldest });
            }
            self.oldest += 1;
        }
    }

    /// Enters the final state of a request into the report.
    fn settle(&mut self, number: u64) {
        match self.slot(number).state {
            State::Waiting | State::Overdue => {
                self.report.lost += 1;
                self.report.failures.push(number);
            }
            State::Wrong => self.report.failures.push(number),
            State::Free | State::Answered => {}
        }
        self.leave_window(number, State::Free);
    }
}

/// The link on which answers come.
fn answering_link(settings: &Settings) -> Link {
    settings.station.link_to(settings.target_mac).reversed()
}

#[cfg(test)]
mod tests;
