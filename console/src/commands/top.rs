//! `top`: what passes through each card, once a second, in place, until Ctrl-C.

use super::status::Uptime;
use super::{Completion, Specification};
use crate::command::Command;
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::{PortView, StatusView};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use pollux_net::time::{Instant, Ticks};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "top",
    synopsis: "top",
    summary: "frames per second of each card, once a second, until Ctrl-C",
    words: &[],
    examples: &["top"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Top),
};

/// Goes to the upper left corner and erases the screen.
const HOME: &str = "\x1b[H\x1b[J";
/// The columns of the table.
const WIDTH: u16 = 76;
const SECOND_NS: u64 = 1_000_000_000;

/// What was counted at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    received: u64,
    answered: u64,
    dropped: u64,
}

impl Count {
    fn of(port: &PortView<'_>) -> Self {
        let counters = port.interface.counters();
        Self {
            received: counters.received(),
            answered: counters.answered(),
            dropped: counters.unanswered(),
        }
    }
}

/// A reply under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// When was counted last, and what, for each card.
    last: Option<(Instant, Vec<Count>)>,
    /// What was counted in the span before that, and how long that was, in nanoseconds.
    span: (u64, Vec<Count>),
    /// The next line to be written, once a span is over.
    row: Option<usize>,
    is_over: bool,
}

impl Page {
    /// Counts, when a second is over.
    fn count(&mut self, view: &StatusView<'_>) {
        let counts: Vec<_> = view.ports.iter().map(Count::of).collect();
        let Some((since, before)) = &self.last else {
            self.last = Some((view.now, counts));
            return;
        };
        let span = view.clock.rate.nanoseconds(view.now - *since);
        if span < SECOND_NS {
            return;
        }
        let differences = counts.iter().zip(before).map(|(now, before)| Count {
            received: now.received.wrapping_sub(before.received),
            answered: now.answered.wrapping_sub(before.answered),
            dropped: now.dropped.wrapping_sub(before.dropped),
        });
        self.span = (span, differences.collect());
        self.last = Some((view.now, counts));
        self.row = Some(0);
    }

    /// Writes the next line, or waits until there is one.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        if self.is_over {
            return Ok(Progress::Done);
        }
        if self.row.is_none() {
            self.count(view);
        }
        let Some(row) = self.row else {
            return Ok(Progress::Waiting);
        };
        let is_written = match json {
            true => self.json_line(row, view, out)?,
            false => self.line(row, view, out)?,
        };
        self.row = is_written.then_some(row + 1);
        // A program gets one value.
        self.is_over = json && !is_written;
        Ok(if is_written {
            Progress::Line
        } else {
            Progress::Waiting
        })
    }

    /// What was counted on a card, for each second.
    fn rates(&self, index: usize) -> Option<Count> {
        let (span, counts) = &self.span;
        let count = counts.get(index)?;
        let rate = |count: u64| {
            let rate = u128::from(count) * u128::from(SECOND_NS) / u128::from((*span).max(1));
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        Some(Count {
            received: rate(count.received),
            answered: rate(count.answered),
            dropped: rate(count.dropped),
        })
    }

    fn line(
        &self,
        row: usize,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        match row {
            0 => {
                let version = clipped::<40>(view.version);
                write!(out, "{HOME}Pollux {version}, {}", Uptime(view.uptime_ns))?;
            }
            row if view.console.columns.is_some_and(|columns| columns < WIDTH) => {
                return self.narrow_line(row - 1, view, out);
            }
            1 => write!(
                out,
                "card         received/s   answered/s    dropped/s       p50 ns       max ns"
            )?,
            row => {
                let (Some(port), Some(rates)) = (view.ports.get(row - 2), self.rates(row - 2))
                else {
                    return Ok(false);
                };
                let name = clipped::<10>(port.name);
                let (p50, max) = figures(port, view);
                write!(
                    out,
                    "{name:<10} {:>12} {:>12} {:>12} {p50:>12} {max:>12}",
                    rates.received, rates.answered, rates.dropped
                )?;
            }
        }
        Ok(true)
    }

    /// A line for a terminal that is narrower than the table: one for each figure of a card.
    fn narrow_line(
        &self,
        row: usize,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        const LINES: usize = 6;
        let index = row / LINES;
        let (Some(port), Some(rates)) = (view.ports.get(index), self.rates(index)) else {
            return Ok(false);
        };
        let (p50, max) = figures(port, view);
        match row % LINES {
            0 => write!(out, "{}", clipped::<10>(port.name))?,
            1 => write!(out, " rx/s {:>11}", rates.received)?,
            2 => write!(out, " tx/s {:>11}", rates.answered)?,
            3 => write!(out, " drop/s {:>9}", rates.dropped)?,
            4 => write!(out, " p50 ns {p50:>9}")?,
            _ => write!(out, " max ns {max:>9}")?,
        }
        Ok(true)
    }

    fn json_line(
        &self,
        row: usize,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        let (Some(port), Some(rates)) = (view.ports.get(row), self.rates(row)) else {
            let is_end = row == self.span.1.len().max(1);
            match (is_end, self.span.1.is_empty()) {
                (_, true) if row == 0 => out.write_str("[]")?,
                (true, false) => out.write_str("]")?,
                _ => return Ok(false),
            }
            return Ok(true);
        };
        let lead = if row == 0 { "[" } else { "," };
        let (p50, max) = figures(port, view);
        write!(
            out,
            "{lead}{{\"ifname\":{},\"received_per_s\":{},\"answered_per_s\":{},\"dropped_per_s\":{},\"p50_ns\":{p50},\"max_ns\":{max}}}",
            Quoted(clipped::<15>(port.name)),
            rates.received,
            rates.answered,
            rates.dropped
        )?;
        Ok(true)
    }
}

/// The median and the maximum of the residence times of a card, in nanoseconds; 0 when there are none.
fn figures(port: &PortView<'_>, view: &StatusView<'_>) -> (u64, u64) {
    let residence = port.interface.residence();
    let figure =
        |ticks: Option<u64>| ticks.map_or(0, |ticks| view.clock.rate.nanoseconds(Ticks(ticks)));
    (
        figure(residence.percentile(50_000)),
        figure(residence.maximum()),
    )
}
