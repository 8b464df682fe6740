//! Asks as fast as the answers come: a fixed number of requests on their way, and the round trip of
//! each.
//!
//! Every answer is compared with its request where it must be alike. Whoever is measured is asked by
//! the same code over the same kind of socket.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pollux_issuer::arp::Station;
use pollux_issuer::frame::{Received, Tag};
use pollux_issuer::wire::{self, Dgram, Wire};

use crate::frames::{
    APPLIANCE_MAC, ETHERNET, PEER, PEER_MAC, VLAN, numbered_icmp_echo, numbered_udp_echo,
};

/// After so long without any answer, those that are due are lost.
const LOST_AFTER: Duration = Duration::from_millis(300);
/// The longest round trip that the histogram tells apart, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// What carries the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// ICMP echo.
    Icmp,
    /// UDP echo.
    Udp,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Icmp, Self::Udp];

    /// Its name, for tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Udp => "udp",
        }
    }

    /// Where the number of the request stands: the ICMP sequence number, or the first of the data.
    const fn number_at(self) -> usize {
        match self {
            Self::Icmp => ETHERNET + 20 + 6,
            Self::Udp => ETHERNET + 20 + 8,
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What carries the data.
    pub protocol: Protocol,
    /// Octets of the frame, with its tag and without its check sequence.
    pub length: usize,
    /// Requests that are on their way at once.
    pub outstanding: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Requests answered rightly.
    pub answered: u64,
    /// Requests that nothing came back for.
    pub lost: u64,
    /// Frames that the sockets of either side had no room for, as the kernel of this machine counts.
    pub dropped: u64,
    /// For how long it was asked.
    pub span: Duration,
    /// Round trips, in nanoseconds.
    pub round_trips: Histogram<u64>,
}

impl Outcome {
    /// The round trip that `percent` of the answers did not exceed, in microseconds.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        self.round_trips.value_at_quantile(percent / 100.0) as f64 / 1e3
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.span.as_secs_f64()
    }
}

/// An empty histogram of round trips.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are right")
}

/// Who asks.
pub fn station() -> Station {
    Station {
        mac_address: PEER_MAC,
        address: PEER,
        tag: Some(Tag::new(VLAN)),
    }
}

/// Asks for as long as `span`.
///
/// # Errors
///
/// The wire failed.
pub fn ask(wire: &mut Dgram, workload: Workload, span: Duration) -> Result<Outcome, wire::Error> {
    let before = wire.dropped();
    let mut session = Session::new(workload);
    let start = Instant::now();
    let end = start + span;
    for number in 0..workload.outstanding {
        session.send(wire, number)?;
    }
    let mut buffer = vec![0; wire::BUFFER_LEN];
    let mut last_answer = Instant::now();
    let mut outcome = Outcome {
        answered: 0,
        lost: 0,
        dropped: 0,
        span,
        round_trips: histogram(),
    };
    while session.waiting > 0 {
        let received = wire.try_receive(&mut buffer)?;
        let now = Instant::now();
        if let Some(length) = received {
            let frame = &buffer[..length];
            if let Some(number) = session.answered(frame) {
                last_answer = now;
                if now < end {
                    let round_trip = now - session.sent[number];
                    outcome.answered += 1;
                    outcome
                        .round_trips
                        .saturating_record(round_trip.as_nanos() as u64);
                    session.send(wire, number)?;
                }
            } else if let Some(answer) =
                Received::parse(frame).and_then(|frame| station().answer(&frame))
            {
                // One whose table of neighbors runs out falls silent otherwise.
                wire.send(&answer)?;
            }
        } else if now - last_answer > LOST_AFTER {
            outcome.lost += session.waiting as u64;
            break;
        } else {
            // QEMU needs more threads than one, and there may be few processors.
            std::thread::yield_now();
        }
    }
    outcome.dropped = wire.dropped().saturating_sub(before);
    Ok(outcome)
}

struct Session {
    number_at: usize,
    requests: Vec<Vec<u8>>,
    sent: Vec<Instant>,
    is_waiting: Vec<bool>,
    waiting: usize,
}

impl Session {
    fn new(workload: Workload) -> Self {
        let request = |number| match workload.protocol {
            Protocol::Icmp => numbered_icmp_echo(workload.length, number),
            Protocol::Udp => numbered_udp_echo(workload.length, number),
        };
        Self {
            number_at: workload.protocol.number_at(),
            requests: (0..workload.outstanding as u16).map(request).collect(),
            sent: vec![Instant::now(); workload.outstanding],
            is_waiting: vec![false; workload.outstanding],
            waiting: 0,
        }
    }

    fn send(&mut self, wire: &mut Dgram, number: usize) -> Result<(), wire::Error> {
        self.sent[number] = Instant::now();
        self.is_waiting[number] = true;
        self.waiting += 1;
        wire.send(&self.requests[number])
    }

    /// The number of the request that `frame` answers, if it answers one rightly.
    fn answered(&mut self, frame: &[u8]) -> Option<usize> {
        let number = frame.get(self.number_at..self.number_at + 2)?;
        let number = usize::from(u16::from_be_bytes([number[0], number[1]]));
        let request = self.requests.get(number)?;
        let right = frame.len() >= request.len()
            && frame[..6] == PEER_MAC
            && frame[6..12] == APPLIANCE_MAC
            && frame[12..ETHERNET] == request[12..ETHERNET]
            && frame[self.number_at..request.len()] == request[self.number_at..]
            && frame[ETHERNET + 12..ETHERNET + 16] == request[ETHERNET + 16..ETHERNET + 20];
        if !right || !std::mem::take(&mut self.is_waiting[number]) {
            return None;
        }
        self.waiting -= 1;
        Some(number)
    }
}
