//! The page that a screen shows all the time: the state of the appliance in a few lines, each of which is as of
//! the moment at which it was written. `status` says more.

use crate::commands::status::{LinkState, NoResidence, Residence, Uptime};
use crate::text::clipped;
use crate::view::{PortView, StatusView};
use core::fmt::{self, Write};
use pollux_net::counters::Reason;
use pollux_net::time::{TickRate, Ticks};

/// Lines in front of those of the cards.
const HEAD: usize = 2;
/// Lines of a card besides those of its devices.
const CARD: usize = 3;
/// The most devices of a card that have a line of their own.
const DEVICES: usize = 4;
/// The most octets of a text that somebody else chose.
const TEXT: usize = 40;

/// Writes line `row` of the page. Returns whether there is such a line.
///
/// # Errors
///
/// [`fmt::Error`] when `out` refused it.
pub fn line(view: &StatusView<'_>, row: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
    match row {
        0 => write!(
            out,
            "Pollux {}   up {}   booted by {}",
            clipped::<TEXT>(view.version),
            Uptime(view.uptime_ns),
            clipped::<TEXT>(view.boot.method)
        )?,
        1 => write!(
            out,
            "memory {} MiB  heap {}/{} KiB  clock {} MHz by {}  longest turn {}",
            view.memory.total_bytes >> 20,
            view.memory.heap_used_bytes.div_ceil(1024),
            view.memory.heap_size_bytes.div_ceil(1024),
            view.clock.rate.hertz() / 1_000_000,
            clipped::<TEXT>(view.clock.source),
            Span(
                view.poll
                    .longest()
                    .map_or(Ticks(0), |(_, kind)| kind.longest),
                view.clock.rate
            )
        )?,
        HEAD if view.ports.is_empty() => write!(out, "no network card that can be used")?,
        row => {
            let mut row = row - HEAD;
            for port in view.ports {
                let lines = CARD + devices(port);
                if row < lines {
                    card(port, row, view.clock.rate, out)?;
                    return Ok(true);
                }
                row -= lines;
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many lines the devices of a card have.
fn devices(port: &PortView<'_>) -> usize {
    port.interface.devices().len().min(DEVICES)
}

fn card(
    port: &PortView<'_>,
    row: usize,
    rate: TickRate,
    out: &mut dyn Write,
) -> Result<(), fmt::Error> {
    let interface = port.interface;
    let Some(row) = row.checked_sub(1) else {
        return write!(
            out,
            "{}  {} ({})  {}  link {}",
            clipped::<TEXT>(port.name),
            clipped::<TEXT>(port.model),
            clipped::<TEXT>(port.driver),
            interface.mac_address(),
            LinkState(port.link)
        );
    };
    if row < devices(port) {
        let Some(device) = interface.devices().get(row) else {
            return Ok(());
        };
        write!(out, "  {} ", clipped::<TEXT>(device.name()))?;
        for address in device.addresses() {
            write!(out, " {address}")?;
        }
        let more = interface.devices().len() - DEVICES.min(interface.devices().len());
        if row + 1 == DEVICES && more > 0 {
            write!(out, "  and {more} more devices")?;
        }
        return Ok(());
    }
    if row == devices(port) {
        let counters = interface.counters();
        let (received, answered) = (counters.received(), counters.answered());
        write!(out, "  received {received}  answered {answered}")?;
        let reasons = Reason::ALL.into_iter();
        for (reason, count) in reasons.map(|reason| (reason, counters.reason(reason))) {
            if count > 0 {
                write!(out, "  {} {count}", reason.name())?;
            }
        }
        return Ok(());
    }
    write!(out, "  residence")?;
    match Residence::of(interface) {
        None => write!(out, "  {}", NoResidence(interface)),
        Some(residence) => residence
            .figures
            .into_iter()
            .try_for_each(|(name, ticks)| write!(out, "  {name} {}", Span(Ticks(ticks), rate))),
    }
}

/// A span of time in nanoseconds, a long one in microseconds.
struct Span(Ticks, TickRate);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ticks, rate) = self;
        match rate.nanoseconds(*ticks) {
            nanoseconds @ 0..10_000 => write!(f, "{nanoseconds} ns"),
            nanoseconds => write!(f, "{} us", nanoseconds / 1_000),
        }
    }
}
