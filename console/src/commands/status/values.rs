//! How what a status page shows is written: times, sizes, links, filters.

use super::{LONG_TEXT, NAME, TEXT};
use crate::json::Quoted;
use crate::text::{ELLIPSIS, clipped};
use crate::view::{PortView, StatusView};
use core::fmt;
use pollux_net::device::Link;
use pollux_net::filter::Filter as EbpfFilter;
use pollux_net::interface::{Interface, Traffic, VlanDevice};
use pollux_net::time::{TickRate, Ticks};
use pollux_net::vlan::VlanSet;

/// Shows an eBPF filter and what it said.
pub(crate) struct Program<'a>(pub &'a EbpfFilter);

impl fmt::Display for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(program) = self;
        let statistics = program.statistics();
        let [drop, accept, skip, vlan] = statistics.verdicts;
        write!(
            f,
            "{} {:016x} of {} instructions: drop {drop} accept {accept} skip {skip} vlan {vlan} faults {}, cost average {} max {}",
            clipped::<NAME>(program.name()),
            program.tag(),
            program.instructions(),
            statistics.faults,
            statistics.average_cost(),
            statistics.highest_cost
        )?;
        match statistics.average_nanoseconds() {
            Some(average) => {
                let longest = statistics.longest_nanoseconds;
                write!(f, ", time average {average} ns max {longest} ns")
            }
            None => Ok(()),
        }
    }
}

/// The same as a JSON object, its members called as `bpftool` calls them.
pub(crate) struct ProgramJson<'a>(pub &'a EbpfFilter);

impl fmt::Display for ProgramJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(program) = self;
        let statistics = program.statistics();
        let [drop, accept, skip, vlan] = statistics.verdicts;
        let name = Quoted(clipped::<NAME>(program.name()));
        write!(
            f,
            "{{\"name\":{name},\"tag\":\"{:016x}\",\"drop\":{drop},\"accept\":{accept},\"skip\":{skip},\"vlan\":{vlan},\"faults\":{}",
            program.tag(),
            statistics.faults,
        )?;
        let (cost, most) = (statistics.average_cost(), statistics.highest_cost);
        write!(f, ",\"cost_average\":{cost},\"cost_max\":{most}")?;
        if let Some(average) = statistics.average_nanoseconds() {
            let longest = statistics.longest_nanoseconds;
            write!(
                f,
                ",\"time_average_ns\":{average},\"time_max_ns\":{longest}"
            )?;
        }
        f.write_str("}")
    }
}

/// Shows an eBPF filter that was taken out because of its faults.
pub(crate) struct TakenOut<'a> {
    filter: &'a EbpfFilter,
    uptime_ns: u64,
}

impl<'a> TakenOut<'a> {
    /// The one of a card, if there is one.
    pub(crate) fn of(port: &PortView<'a>, view: &StatusView<'_>) -> Option<Self> {
        let (filter, at) = port.interface.worn_out_filter()?;
        let ago_ns = view.clock.rate.nanoseconds(view.now - at);
        Some(Self {
            filter,
            uptime_ns: view.uptime_ns.saturating_sub(ago_ns),
        })
    }

    /// Which it is.
    pub(crate) const fn filter(&self) -> &'a EbpfFilter {
        self.filter
    }

    /// When it was, in nanoseconds since the start.
    pub(crate) const fn uptime_ns(&self) -> u64 {
        self.uptime_ns
    }
}

impl fmt::Display for TakenOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filter, statistics) = (self.filter, self.filter.statistics());
        write!(
            f,
            "taken out at {}: {}, because it had {} faults",
            Moment(self.uptime_ns),
            clipped::<NAME>(filter.name()),
            statistics.faults
        )?;
        match statistics.last_fault {
            Some(fault) => write!(f, ", the last at {}", clipped::<80>(fault)),
            None => Ok(()),
        }
    }
}

/// The same as a JSON object.
pub(super) struct TakenOutJson<'a, 'b>(pub &'b TakenOut<'a>);

impl fmt::Display for TakenOutJson<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TakenOut { filter, uptime_ns } = *self.0;
        let statistics = filter.statistics();
        let name = Quoted(clipped::<NAME>(filter.name()));
        let faults = statistics.faults;
        write!(
            f,
            "{{\"name\":{name},\"taken_out_ns\":{uptime_ns},\"faults\":{faults}"
        )?;
        if let Some(fault) = statistics.last_fault {
            write!(f, ",\"last_fault\":{}", Quoted(clipped::<LONG_TEXT>(fault)))?;
        }
        f.write_str("}")
    }
}

/// The figures of a histogram of residence times, in ticks, all of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Residence {
    pub count: u64,
    /// Frames that were answered in-band meanwhile, of which no time is taken.
    pub in_band: u64,
    /// Name and value, in rising order.
    pub figures: [(&'static str, u64); 5],
}

impl Residence {
    /// The figures, if there are any.
    pub(crate) fn of(interface: &Interface) -> Option<Self> {
        let histogram = interface.residence();
        let [p50, p99, p999] = histogram.percentiles([50_000, 99_000, 99_900])?;
        Some(Self {
            count: histogram.count(),
            in_band: interface
                .answered_since_reset()
                .saturating_sub(histogram.count()),
            figures: [
                ("min", histogram.minimum()?),
                ("p50", p50),
                ("p99", p99),
                ("p99.9", p999),
                ("max", histogram.maximum()?),
            ],
        })
    }
}

/// Says why there are no residence times: nothing was answered, or nothing in real time.
pub(crate) struct NoResidence<'a>(pub &'a Interface);

impl fmt::Display for NoResidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.answered_since_reset() {
            0 => write!(f, "no frame answered yet"),
            count => {
                write!(f, "none answered in real time; {count} in-band")?;
                match self.0.devices().iter().any(VlanDevice::has_oob_port) {
                    true => Ok(()),
                    false => write!(f, " ('evl net -e -i IFNAME' enables an out-of-band port)"),
                }
            }
        }
    }
}

/// A time since the start, in nanoseconds: `3723.456 s`, and from a minute on in words of a clock.
pub(crate) struct Uptime(pub u64);

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Moment(self.0))?;
        let seconds = self.0 / 1_000_000_000;
        if seconds < 60 {
            return Ok(());
        }
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        write!(
            f,
            " ({days} d {:02}:{:02}:{:02})",
            hours % 24,
            minutes % 60,
            seconds % 60
        )
    }
}

/// When something was, in nanoseconds since the start: `3723.456 s`.
pub(crate) struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0 / 1_000_000;
        write!(f, "{}.{:03} s", milliseconds / 1_000, milliseconds % 1_000)
    }
}

/// Octets in KiB, rounded up, so that what is in use is never shown as nothing.
pub(super) struct Kibibytes(pub u64);

impl fmt::Display for Kibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0.div_ceil(1024))
    }
}

/// A span of time in nanoseconds and, for who counts instructions, in ticks.
pub(crate) struct Span(pub Ticks, pub TickRate);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ticks, rate) = self;
        write!(
            f,
            "{:>9} ns {:>11} ticks",
            rate.nanoseconds(*ticks),
            ticks.0
        )
    }
}

/// A link: `down`, or `up` with what is known about it.
pub(crate) struct LinkState(pub Link);

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.0;
        if !link.up {
            return write!(f, "down");
        }
        write!(f, "up")?;
        if link.speed_mbps > 0 {
            write!(f, " {} Mbit/s", link.speed_mbps)?;
        }
        let duplex = if link.full_duplex { "full" } else { "half" };
        write!(f, " {duplex} duplex")
    }
}

/// The value of a link in JSON, and the members behind it: what is known about it.
pub(super) struct LinkJson(pub Link);

impl fmt::Display for LinkJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.0;
        if !link.up {
            return f.write_str("\"down\"");
        }
        f.write_str("\"up\"")?;
        if link.speed_mbps > 0 {
            write!(f, ",\"speed_mbps\":{}", link.speed_mbps)?;
        }
        let duplex = if link.full_duplex { "full" } else { "half" };
        write!(f, ",\"duplex\":\"{duplex}\"")
    }
}

/// A VLAN filter list: as much of it as fits on a line, then how many VLANs it has.
pub(crate) struct VlanList<'a>(pub &'a VlanSet);

impl fmt::Display for VlanList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "none");
        }
        let list = clipped::<TEXT>(self.0);
        let Some(start) = list.strip_suffix(ELLIPSIS) else {
            return write!(f, "{list}");
        };
        // The last number may have been cut in two.
        let whole = start.rsplit_once(',').map_or("", |(whole, _)| whole);
        write!(f, "{whole},{ELLIPSIS} ({} VLANs)", self.0.len())
    }
}

/// What passed through a VLAN device.
pub(super) struct Passed(pub Traffic);

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets {} bytes", self.0.packets, self.0.octets)
    }
}
