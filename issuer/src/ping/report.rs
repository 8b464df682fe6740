//! The account of a session, and how it is printed.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest round trip that the histogram tells apart, in nanoseconds.
const LONGEST_NS: u64 = 600_000_000_000;

/// What came of a session.
#[derive(Debug)]
pub struct Report {
    /// Requests sent.
    pub transmitted: u64,
    /// Requests answered right in every byte.
    pub received: u64,
    /// Requests that nothing came back for.
    pub lost: u64,
    /// Frames that there was no room for on this host, requests and answers.
    pub dropped: u64,
    /// Right answers to requests that had been answered already.
    pub duplicates: u64,
    /// Right answers that came after the answer to a later request.
    pub reordered: u64,
    /// Frames that were meant as answers and were wrong.
    pub corrupted: u64,
    /// The requests that were not answered rightly, lost ones included.
    pub failures: Numbers,
    /// The lowest and the highest TTL of the right answers.
    pub ttl: Option<(u8, u8)>,
    /// How long the session took.
    pub elapsed: Duration,
    round_trips_ns: Histogram<u64>,
    shortest_ns: u64,
    longest_ns: u64,
    sum_ns: f64,
    sum_of_squares_ns2: f64,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            transmitted: 0,
            received: 0,
            lost: 0,
            dropped: 0,
            duplicates: 0,
            reordered: 0,
            corrupted: 0,
            failures: Numbers::default(),
            ttl: None,
            elapsed: Duration::ZERO,
            round_trips_ns: Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("the bounds are constants that hdrhistogram accepts"),
            shortest_ns: u64::MAX,
            longest_ns: 0,
            sum_ns: 0.0,
            sum_of_squares_ns2: 0.0,
        }
    }

    pub(super) fn answered(&mut self, round_trip: Duration, ttl: u8) {
        self.received += 1;
        let (low, high) = self.ttl.unwrap_or((ttl, ttl));
        self.ttl = Some((low.min(ttl), high.max(ttl)));
        let ns = u64::try_from(round_trip.as_nanos()).unwrap_or(u64::MAX);
        self.round_trips_ns.saturating_record(ns);
        self.shortest_ns = self.shortest_ns.min(ns);
        self.longest_ns = self.longest_ns.max(ns);
        self.sum_ns += ns as f64;
        self.sum_of_squares_ns2 += ns as f64 * ns as f64;
    }

    /// Whether something was asked and every request was answered right in every byte.
    pub fn all_answered(&self) -> bool {
        self.transmitted > 0 && self.received == self.transmitted && self.corrupted == 0
    }

    /// The round trip that `percent` of the answers did not exceed.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        (self.received > 0)
            .then(|| self.round_trips_ns.value_at_quantile(percent / 100.0))
            // The histogram rounds up to the end of a bucket, the maximum is exact.
            .map(|ns| Duration::from_nanos(ns.min(self.longest_ns)))
    }

    /// The longest round trip.
    pub fn longest(&self) -> Option<Duration> {
        (self.received > 0).then(|| Duration::from_nanos(self.longest_ns))
    }
}

/// The lines that close a session, from `10 packets transmitted` on.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets transmitted, {} received",
            self.transmitted, self.received
        )?;
        for (count, name) in [
            (self.duplicates, "duplicates"),
            (self.corrupted, "corrupted"),
        ] {
            if count > 0 {
                write!(f, ", +{count} {name}")?;
            }
        }
        let unanswered = self.transmitted - self.received;
        let loss_percent = Percent(unanswered, self.transmitted);
        writeln!(
            f,
            ", {loss_percent}% packet loss, time {}ms",
            self.elapsed.as_millis()
        )?;
        if self.received > 0 {
            let mean = self.sum_ns / self.received as f64;
            let variance = self.sum_of_squares_ns2 / self.received as f64 - mean * mean;
            writeln!(
                f,
                "rtt min/avg/max/mdev = {:.3}/{:.3}/{:.3}/{:.3} ms",
                self.shortest_ns as f64 / 1e6,
                mean / 1e6,
                self.longest_ns as f64 / 1e6,
                variance.max(0.0).sqrt() / 1e6,
            )?;
            let ms = |percent| self.percentile(percent).unwrap_or_default().as_secs_f64() * 1e3;
            writeln!(
                f,
                "rtt p50/p99/p99.9/max = {:.3}/{:.3}/{:.3}/{:.3} ms over {} replies",
                ms(50.0),
                ms(99.0),
                ms(99.9),
                self.longest_ns as f64 / 1e6,
                self.received,
            )?;
        }
        write!(
            f,
            "{} lost, {} duplicates, {} reordered, {} corrupted",
            self.lost, self.duplicates, self.reordered, self.corrupted
        )?;
        if self.dropped > 0 {
            write!(
                f,
                "\n{} frames had no room in a socket of this machine: too many on their way (--window), or too small (net.core.rmem_default)",
                self.dropped
            )?;
        }
        if !self.failures.is_empty() {
            write!(f, "\nnot answered correctly: request {}", self.failures)?;
        }
        Ok(())
    }
}

/// A share in percent: whole where it is whole, and never 0 or 100 when it is not.
struct Percent(u64, u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(part, whole) = *self;
        if part == 0 {
            return write!(f, "0");
        }
        let percent = part as f64 * 100.0 / whole as f64;
        if percent.fract() == 0.0 {
            write!(f, "{percent}")
        } else {
            write!(f, "{:.4}", percent.clamp(0.0001, 99.9999))
        }
    }
}

/// Ascending numbers, kept and printed as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<(u64, u64)>);

impl Numbers {
    /// More ranges than this are not printed.
    const MOST_PRINTED: usize = 20;

    /// Adds a number above all that are in.
    pub(super) fn push(&mut self, number: u64) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => self.0.push((number, number)),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().take(Self::MOST_PRINTED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        match self.0.len().saturating_sub(Self::MOST_PRINTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more ranges"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_reads_as_ping_prints_it() {
        let mut report = Report::new();
        report.transmitted = 4;
        report.lost = 1;
        report.duplicates = 2;
        report.failures.push(3);
        report.elapsed = Duration::from_millis(3012);
        for us in [100, 200, 300] {
            report.answered(Duration::from_micros(us), 64);
        }
        assert_eq!(
            report.to_string(),
            "4 packets transmitted, 3 received, +2 duplicates, 25% packet loss, time 3012ms\n\
             rtt min/avg/max/mdev = 0.100/0.200/0.300/0.082 ms\n\
             rtt p50/p99/p99.9/max = 0.200/0.300/0.300/0.300 ms over 3 replies\n\
             1 lost, 2 duplicates, 0 reordered, 0 corrupted\n\
             not answered correctly: request 3"
        );
    }

    #[test]
    fn one_lost_in_a_hundred_thousand_is_not_called_none() {
        assert_eq!(Percent(1, 100_000).to_string(), "0.0010");
        assert_eq!(Percent(99_999, 100_000).to_string(), "99.9990");
        assert_eq!(Percent(0, 0).to_string(), "0");
        assert_eq!(Percent(3, 3).to_string(), "100");
    }

    #[test]
    fn numbers_are_printed_as_ranges() {
        let mut numbers = Numbers::default();
        for number in [3, 5, 6, 7, 9] {
            numbers.push(number);
        }
        assert_eq!(numbers.to_string(), "3, 5-7, 9");
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [3, 5, 6, 7, 9]);
    }

    #[test]
    fn the_maximum_is_exact() {
        let mut report = Report::new();
        report.answered(Duration::from_nanos(1_234_567_891), 64);
        assert_eq!(report.longest(), Some(Duration::from_nanos(1_234_567_891)));
        assert!(report.percentile(99.9).unwrap() <= report.longest().unwrap());
    }
}
