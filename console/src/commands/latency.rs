//! `latency`: how long answered frames stayed, as percentiles and as a chart; or forget it.

use super::arguments::Reader;
use super::status::{Moment, NoResidence, Residence};
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal};
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::{PortView, StatusView};
use crate::words::Words;
use core::fmt::{self, Write};
use pollux_net::time::{TickRate, Ticks};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "latency",
    synopsis: "latency [reset]",
    summary: "how long answered frames stayed: percentiles, maximum, chart",
    words: &[("reset", "forget all residence times")],
    examples: &["latency", "latency reset"],
    complete: |_| Completion::words(&["reset"]),
    test_only: false,
    parse,
};

/// What is to be done with the residence times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Show them.
    Show,
    /// Forget them.
    Reset,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "latency" };
    match words.next() {
        None => Ok(Command::Latency(Latency::Show)),
        Some("reset") => Ok(Command::Latency(Latency::Reset)),
        Some(other) => Err(READER.none_of(other, &["reset"])),
    }
}

/// Does it.
pub(crate) fn carry_out(latency: Latency, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    if latency == Latency::Reset {
        for interface in cards.iter_mut() {
            interface.reset_residence();
        }
    }
    Ok(())
}

/// Powers of two of nanoseconds, up to what 64 bits hold.
const BARS: usize = 64;
/// The length of the longest bar.
const LONGEST: u64 = 50;

/// Where the list is, and the figures of the card whose turn it is, all of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    cursor: Cursor,
    residence: Option<Residence>,
    /// When the longest ended, in nanoseconds since the start.
    peak_ns: u64,
    /// How many answers stayed for at most `2^n - 1` nanoseconds, and longer than those before.
    bars: [u64; BARS],
}

impl Default for Page {
    fn default() -> Self {
        Self {
            cursor: Cursor::default(),
            residence: None,
            peak_ns: 0,
            bars: [0; BARS],
        }
    }
}

/// When it was, in nanoseconds since the start, so many milliseconds after the start, which wrap; it is `now_ns`.
fn moment(milliseconds: u32, now_ns: u64) -> u64 {
    let now = now_ns / 1_000_000;
    let ago = (now as u32).wrapping_sub(milliseconds);
    now.saturating_sub(ago.into()) * 1_000_000
}

/// The bar of a residence time.
fn bar_of(nanoseconds: u64) -> usize {
    (u64::BITS - nanoseconds.leading_zeros()) as usize
}

impl Page {
    fn take(&mut self, port: &PortView<'_>, rate: TickRate) {
        let histogram = port.interface.residence();
        self.residence = Residence::of(port.interface);
        self.bars = [0; BARS];
        for (ticks, count) in histogram.occupied() {
            let bar = bar_of(rate.nanoseconds(Ticks(ticks))).min(BARS - 1);
            if let Some(bar) = self.bars.get_mut(bar) {
                *bar = bar.saturating_add(count);
            }
        }
    }

    /// The bars from the first that is not empty to the last.
    fn bar(&self, index: usize) -> Option<(usize, u64)> {
        let first = self.bars.iter().position(|&count| count > 0)?;
        let last = self.bars.iter().rposition(|&count| count > 0)?;
        let bar = first + index;
        (bar <= last).then_some((bar, *self.bars.get(bar)?))
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let mut cursor = core::mem::take(&mut self.cursor);
        let rate = view.clock.rate;
        let progress = cursor.next_line(json, out, |due, out| {
            let Some(port) = view.ports.get(due.item) else {
                return Ok(Row::End);
            };
            if due.row == 0 {
                self.take(port, rate);
                self.peak_ns = moment(port.interface.residence_peak(), view.uptime_ns);
            }
            if json {
                return self.json_row(due.row, due.lead, port, rate, out);
            }
            self.row(due.row, port, rate, out)
        });
        self.cursor = cursor;
        progress
    }

    fn row(
        &self,
        row: usize,
        port: &PortView<'_>,
        rate: TickRate,
        out: &mut dyn Write,
    ) -> Result<Row, fmt::Error> {
        let name = clipped::<15>(port.name);
        let Some(residence) = &self.residence else {
            if row > 0 {
                return Ok(Row::Beyond);
            }
            write!(out, "{name}: {}", NoResidence(port.interface))?;
            return Ok(Row::Written);
        };
        if row == 0 {
            write!(out, "{name}: {} answers", residence.count)?;
            if residence.in_band > 0 {
                write!(out, " in real time, {} in-band", residence.in_band)?;
            }
        } else if let Some(&(name, ticks)) = residence.figures.get(row - 1) {
            write!(out, "  {name:<6}{:>12} ns", rate.nanoseconds(Ticks(ticks)))?;
            if row == residence.figures.len() {
                write!(out, ", at {}", Moment(self.peak_ns))?;
            }
        } else {
            let Some((bar, count)) = self.bar(row - 1 - residence.figures.len()) else {
                return Ok(Row::Beyond);
            };
            let most = self.bars.iter().copied().max().unwrap_or(1).max(1);
            // Whatever occurred is seen.
            let length = (u128::from(count) * u128::from(LONGEST)).div_ceil(u128::from(most));
            let end = (1_u128 << bar) - 1;
            write!(out, "  <={end:>12} ns {count:>10} ")?;
            for _ in 0..length {
                out.write_char('#')?;
            }
        }
        Ok(Row::Written)
    }

    fn json_row(
        &self,
        row: usize,
        lead: &str,
        port: &PortView<'_>,
        rate: TickRate,
        out: &mut dyn Write,
    ) -> Result<Row, fmt::Error> {
        let name = Quoted(clipped::<15>(port.name));
        let count = self
            .residence
            .as_ref()
            .map_or(0, |residence| residence.count);
        if row == 0 {
            write!(out, "{lead}{{\"ifname\":{name},\"count\":{count}")?;
            for (name, ticks) in self
                .residence
                .iter()
                .flat_map(|residence| residence.figures)
            {
                let name = name.replace('.', "_");
                write!(out, ",\"{name}_ns\":{}", rate.nanoseconds(Ticks(ticks)))?;
            }
            if count > 0 {
                write!(out, ",\"max_at_ns\":{}", self.peak_ns)?;
            }
            let answered = port.interface.answered_since_reset();
            let in_band = self
                .residence
                .as_ref()
                .map_or(answered, |times| times.in_band);
            write!(out, ",\"in_band\":{in_band}")?;
            out.write_str(",\"histogram\":[")?;
            return Ok(Row::Written);
        }
        if let Some((bar, count)) = self.bar(row - 1) {
            let comma = if row == 1 { "" } else { "," };
            let end = (1_u128 << bar) - 1;
            write!(out, "{comma}{{\"le_ns\":{end},\"count\":{count}}}")?;
            return Ok(Row::Written);
        }
        if row > 1 && self.bar(row - 2).is_none() {
            return Ok(Row::Beyond);
        }
        if row == 1 || self.bar(row - 2).is_some() {
            out.write_str("]}")?;
            return Ok(Row::Written);
        }
        Ok(Row::Beyond)
    }
}
