//! `ping`: the appliance asks, and tells percentiles, the maximum and what was lost.
//!
//! The session is the stack's; a line is printed for each reply as it is taken from there, and the summary
//! when it is over or Ctrl-C ends it.

use super::arguments::{INTERFACE, REQUESTS, Reader};
use super::options::{Argument, Options};
use super::{Completion, Specification};
use crate::cards::{Cards, down};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;
use pollux_net::own_ping::PingError;
use pollux_net::ping::{MAXIMUM_SIZE, PingReply, PingSettings, PingSummary, Verdict};
use pollux_net::time::Instant;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "ping",
    synopsis: "ping [-q] [-c COUNT] [-w SECONDS] [-i SECONDS] [-s SIZE] [-W SECONDS] [-I IFNAME] ADDRESS",
    summary: "ask a host for echoes, until Ctrl-C or -c of them",
    words: &[
        (
            "-c",
            "how many requests to send; with -w, how many replies to wait for",
        ),
        ("-w", "seconds after which it ends, or with the first error"),
        ("-q", "only the summary"),
        ("-i", "seconds from one request to the next, 0.001 at least"),
        ("-s", "octets of data in each request, 56 unless told"),
        (
            "-W",
            "seconds after which a request without a reply is lost",
        ),
        ("-I", "the interface through which to ask"),
    ],
    examples: &["ping -c 4 10.10.10.10", "ping -q -i 0.01 -w 5 10.10.10.10"],
    complete: |_| Completion::with_interfaces(OPTIONS),
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "ping" };
const OPTIONS: &[&str] = &["-c", "-w", "-q", "-i", "-s", "-W", "-I"];
const NANOSECONDS: u64 = 1_000_000_000;

/// Whom to ask, how, and through which interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    settings: PingSettings,
    device: Option<Word>,
    /// How many requests are sent, or with a deadline, how many replies end it before; 0 for as many as come.
    count: u64,
    /// After which it ends, in nanoseconds.
    deadline_ns: Option<u64>,
    /// Whether no replies are shown.
    is_quiet: bool,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const SECONDS: &str = "a number of seconds from 0.001 to 3600";
    let seconds = |word| nanoseconds(word).ok_or_else(|| READER.wrong(word, SECONDS));
    let mut destination = None;
    let mut ping = Ping {
        settings: PingSettings {
            destination: Ipv4Addr::UNSPECIFIED,
            identifier: 0,
            count: 0,
            interval_ns: NANOSECONDS,
            timeout_ns: NANOSECONDS,
            size: 56,
        },
        device: None,
        count: 0,
        deadline_ns: None,
        is_quiet: false,
    };
    let settings = &mut ping.settings;
    let mut options = Options::new(words);
    while let Some(argument) = options.next() {
        let mut value = |option, expected| options.value(READER, option, expected);
        match argument {
            Argument::Option('c') => {
                let word = value("-c", REQUESTS)?;
                ping.count = u64::from(READER.number(word, 1..=u32::MAX, REQUESTS)?);
            }
            Argument::Option('s') => {
                const SIZE: &str = "a size from 0 to 65507 octets";
                let word = value("-s", SIZE)?;
                let size = READER.number(word, 0..=u32::from(MAXIMUM_SIZE), SIZE)?;
                settings.size = size as u16;
            }
            Argument::Option('i') => settings.interval_ns = seconds(value("-i", SECONDS)?)?,
            Argument::Option('W') => settings.timeout_ns = seconds(value("-W", SECONDS)?)?,
            Argument::Option('w') => ping.deadline_ns = Some(seconds(value("-w", SECONDS)?)?),
            Argument::Option('q') => ping.is_quiet = true,
            // There is nothing but numbers.
            Argument::Option('n') => {}
            Argument::Option('f') => {
                let reason = "'-q -i 0.001' asks a thousand times a second";
                return Err(READER.not_supported("-f", reason));
            }
            Argument::Option('I') => ping.device = Some(clipped(value("-I", INTERFACE)?)),
            Argument::Option(_) => return Err(READER.none_of(options.word(), OPTIONS)),
            Argument::Word(word) if destination.is_none() => {
                destination = Some(READER.address(word)?);
            }
            Argument::Word(_) => {
                options.give_back();
                break;
            }
        }
    }
    // As from iputils: until the deadline, more may be sent than are to be answered.
    if ping.deadline_ns.is_none() {
        ping.settings.count = ping.count;
    }
    ping.settings.destination = destination.ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })?;
    Ok(Command::Ping(ping))
}

/// Nanoseconds of `1`, `0.2` or `.01` seconds.
fn nanoseconds(word: &str) -> Option<u64> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 || word == "." {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanoseconds = whole.checked_mul(NANOSECONDS)?;
    let mut unit = NANOSECONDS;
    for digit in fraction.bytes() {
        unit /= 10;
        nanoseconds += u64::from(digit - b'0') * unit;
    }
    (1_000_000..=3_600 * NANOSECONDS)
        .contains(&nanoseconds)
        .then_some(nanoseconds)
}

impl Ping {
    /// Whether it goes on until it is interrupted.
    pub(crate) const fn is_endless(&self) -> bool {
        self.count == 0 && self.deadline_ns.is_none()
    }

    /// Whether it ends before its deadline.
    const fn has_enough(&self, summary: &PingSummary) -> bool {
        let has_all = self.count > 0 && answered(summary) >= self.count;
        has_all || summary.unreachable > 0
    }

    /// Whether no reply came, or fewer than were to come by the deadline.
    const fn has_failed(&self, summary: &PingSummary) -> bool {
        let answered = answered(summary);
        answered == 0 || (self.deadline_ns.is_some() && answered < self.count)
    }
}

/// Begins the session; one before it ends.
pub(crate) fn carry_out(ping: &Ping, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let place = ping
        .device
        .as_deref()
        .map(|name| cards.find(name))
        .transpose()?;
    let now = cards.now();
    let settings = PingSettings {
        identifier: now.ticks() as u16,
        ..ping.settings
    };
    let address = settings.destination;
    let mut refusal = Refusal::Unreachable {
        address,
        over_gateway: false,
    };
    let mut begun = None;
    for (card, interface) in cards.iter_mut().enumerate() {
        let vid = match place {
            Some(place) if place.card != card => continue,
            place => place.map(|place| place.vid),
        };
        match interface.start_ping(settings, vid, now) {
            Ok(_) => {
                begun = Some(card);
                break;
            }
            Err(PingError::NoRoute(_)) => {}
            Err(PingError::Down(vid)) => refusal = down(interface, vid),
            Err(error @ PingError::OwnAddress) => {
                refusal = Refusal::Ping { address, error };
                break;
            }
        }
    }
    let begun = begun.ok_or(refusal)?;
    for (card, interface) in cards.iter_mut().enumerate() {
        if card != begun {
            interface.stop_ping();
        }
    }
    Ok(())
}

/// A reply, displayed as its line.
#[derive(Clone, Copy, Debug)]
pub struct PingLine {
    /// Who was asked.
    pub destination: Ipv4Addr,
    /// What came back.
    pub reply: PingReply,
}

impl fmt::Display for PingLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reply = &self.reply;
        if let Verdict::Unreachable { from } = reply.verdict {
            return write!(
                f,
                "From {from} icmp_seq={} Destination Host Unreachable",
                reply.sequence
            );
        }
        if let Verdict::Undelivered { from, why } = reply.verdict {
            return write!(f, "From {from} icmp_seq={} {why}", reply.sequence);
        }
        write!(
            f,
            "{} bytes from {}: icmp_seq={} ttl={} time={} ms",
            reply.octets + 8,
            self.destination,
            reply.sequence,
            reply.time_to_live,
            Milliseconds(reply.round_trip_ns)
        )?;
        match reply.verdict {
            Verdict::InTime | Verdict::Unreachable { .. } | Verdict::Undelivered { .. } => {}
            Verdict::Late => f.write_str(" (late)")?,
            Verdict::Duplicate => f.write_str(" (DUP!)")?,
            Verdict::Corrupted { offset } => write!(f, " (wrong data at octet {offset})")?,
        }
        if reply.reordered {
            f.write_str(" (reordered)")?;
        }
        Ok(())
    }
}

/// Nanoseconds as milliseconds with a microsecond's digits.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0 / 1_000;
        write!(f, "{}.{:03}", microseconds / 1_000, microseconds % 1_000)
    }
}

/// A reply to the command under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    ping: Ping,
    row: usize,
    /// When it was begun, as soon as it is.
    begun: Option<Instant>,
    /// What became of it, as soon as it is over.
    summary: Option<PingSummary>,
    is_interrupted: bool,
}

impl Page {
    /// The reply to a command.
    pub(crate) const fn new(ping: Ping) -> Self {
        Self {
            ping,
            row: 0,
            begun: None,
            summary: None,
            is_interrupted: false,
        }
    }

    /// Whom it asks.
    pub(crate) const fn destination(&self) -> Ipv4Addr {
        self.ping.settings.destination
    }

    /// Whether it goes on until it is interrupted.
    pub(crate) const fn is_endless(&self) -> bool {
        self.ping.is_endless() && !self.is_interrupted
    }

    /// Whether its replies are not shown, but only what became of them.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.ping.is_quiet
    }

    /// Whether it is over, and no reply came, or by the deadline fewer than were to come.
    pub(crate) fn has_failed(&self) -> bool {
        let summary = self.summary.as_ref();
        summary.is_some_and(|summary| self.ping.has_failed(summary))
    }

    /// Whether its deadline has passed, or it has all that it was to end with before.
    fn is_at_its_end(&self, summary: &PingSummary, view: &StatusView<'_>) -> bool {
        let (Some(deadline), Some(begun)) = (self.ping.deadline_ns, self.begun) else {
            return false;
        };
        let end = begun.after(view.clock.rate.ticks(deadline));
        view.now >= end || self.ping.has_enough(summary)
    }

    /// Has the summary printed next.
    pub(crate) const fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let destination = self.destination();
        self.begun.get_or_insert(view.now);
        if self.row == 0 && !json {
            let size = usize::from(self.ping.settings.size);
            write!(
                out,
                "PING {destination} ({destination}) {size}({}) bytes of data.",
                size + 28
            )?;
            self.row = 1;
            return Ok(Progress::Line);
        }
        let summary = match &self.summary {
            Some(summary) => summary,
            None => {
                let mut ports = view.ports.iter();
                let progress = ports.find_map(|port| port.interface.ping_progress());
                match progress {
                    Some((summary, is_over))
                        if is_over || self.is_interrupted || self.is_at_its_end(&summary, view) =>
                    {
                        self.summary.insert(summary)
                    }
                    Some(_) => return Ok(Progress::Waiting),
                    // Another one took its place.
                    None => return Ok(Progress::Done),
                }
            }
        };
        let row = self.row.max(1);
        let is_written = match json {
            true => json_line(row, destination, summary, out)?,
            false => text_line(row, destination, summary, out)?,
        };
        self.row = row + 1;
        Ok(if is_written {
            Progress::Line
        } else {
            Progress::Done
        })
    }
}

/// Requests to which a reply came, in whatever state.
const fn answered(summary: &PingSummary) -> u64 {
    summary.in_time + summary.late + summary.corrupted
}

fn text_line(
    row: usize,
    destination: Ipv4Addr,
    summary: &PingSummary,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    match (row, summary.round_trip) {
        (1, _) => write!(out, "--- {destination} ping statistics ---")?,
        (2, _) => {
            let answered = answered(summary);
            let lost = summary.lost + summary.outstanding;
            let sent = summary.sent;
            write!(out, "{sent} packets transmitted, {answered} received")?;
            if summary.unreachable > 0 {
                write!(out, ", +{} errors", summary.unreachable)?;
            }
            write!(out, ", {}% packet loss", lost * 100 / sent.max(1))?;
            for (count, name) in [
                (summary.late, "late"),
                (summary.corrupted, "corrupted"),
                (summary.duplicates, "duplicates"),
                (summary.reordered, "reordered"),
            ] {
                if count > 0 {
                    write!(out, ", {count} {name}")?;
                }
            }
        }
        (3, Some(times)) => write!(
            out,
            "rtt min/p50/p99/p99.9/max = {}/{}/{}/{}/{} ms",
            Milliseconds(times.minimum_ns),
            Milliseconds(times.p50_ns),
            Milliseconds(times.p99_ns),
            Milliseconds(times.p999_ns),
            Milliseconds(times.maximum_ns)
        )?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn json_line(
    row: usize,
    destination: Ipv4Addr,
    summary: &PingSummary,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    match (row, summary.round_trip) {
        (1, _) => write!(
            out,
            "{{\"destination\":\"{destination}\",\"sent\":{},\"in_time\":{},\"late\":{},\"lost\":{},\"unreachable\":{},\"outstanding\":{},\"corrupted\":{},\"duplicates\":{},\"reordered\":{}",
            summary.sent,
            summary.in_time,
            summary.late,
            summary.lost,
            summary.unreachable,
            summary.outstanding,
            summary.corrupted,
            summary.duplicates,
            summary.reordered
        )?,
        (2, Some(times)) => write!(
            out,
            ",\"min_ns\":{},\"p50_ns\":{},\"p99_ns\":{},\"p99_9_ns\":{},\"max_ns\":{}}}",
            times.minimum_ns, times.p50_ns, times.p99_ns, times.p999_ns, times.maximum_ns
        )?,
        (2, None) => out.write_str("}")?,
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(line: &str) -> Ping {
        match Grammar::default().parse(line) {
            Ok(Some(request)) => match request.command {
                Command::Ping(ping) => ping,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn by_the_deadline_the_count_is_that_of_replies_and_an_error_ends_it() {
        let with = |in_time, unreachable| PingSummary {
            sent: 9,
            in_time,
            unreachable,
            ..PingSummary::default()
        };
        for (line, sends, summary, has_enough, has_failed) in [
            ("ping -w 5 10.10.10.10", 0, with(0, 0), false, true),
            ("ping -w 5 10.10.10.10", 0, with(9, 0), false, false),
            ("ping -w 5 10.10.10.10", 0, with(0, 1), true, true),
            ("ping -w 5 10.10.10.10", 0, with(1, 1), true, false),
            ("ping -c 3 -w 5 10.10.10.10", 0, with(2, 0), false, true),
            ("ping -c 3 -w 5 10.10.10.10", 0, with(3, 0), true, false),
            ("ping -w 5 -c 3 10.10.10.10", 0, with(2, 1), true, true),
            // Without one it ends when all requests have met their fate.
            ("ping -c 3 10.10.10.10", 3, with(2, 0), false, false),
            ("ping -c 3 10.10.10.10", 3, with(0, 0), false, true),
        ] {
            let ping = ping(line);
            assert_eq!(ping.settings.count, sends, "{line}");
            if ping.deadline_ns.is_some() {
                assert_eq!(ping.has_enough(&summary), has_enough, "{line} {summary:?}");
            }
            assert_eq!(ping.has_failed(&summary), has_failed, "{line} {summary:?}");
        }
    }
}
