//! `status`: the state of the appliance on one page.
//!
//! How values are written is in `values`.
//!
//! The page is sections of rows: a section's first line is its name, a row is two spaces, a name
//! without spaces and a value, so that people find their way and scripts can split at white space.
//! Rows about one thing that must add up or be in order (the counters, the residence times) are
//! copied when their section begins, because frames keep arriving while the page is printed.

mod values;

pub(crate) use values::{
    LinkState, Moment, NoResidence, Program, ProgramJson, Residence, Span, TakenOut, Uptime,
    VlanList,
};

use super::{Choice, Completion, Specification, choices};
use crate::command::Command;
use crate::json::{Array, Quoted};
use crate::listing::Row;
use crate::reply::Progress;
use crate::text::{clipped, text};
use crate::view::{ClockView, PortView, StatusView};
use core::fmt::{self, Write};
use pollux_net::counters::{Counters, Reason};
use pollux_net::interface::Traffic;
use pollux_net::time::{TickRate, Ticks};
use values::{Kibibytes, LinkJson, Passed, TakenOutJson};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "status",
    synopsis: "status [system|memory|port|device|counters|statistics|residence|loop|console]",
    summary: "show the state, the counters and the residence times",
    words: Part::WORDS,
    examples: &["status", "status residence", "status -j"],
    complete: |before| match before {
        [] => Completion::words(Part::NAMES),
        _ => Completion::NOTHING,
    },
    test_only: false,
    parse: |_, words| Part::parse(SPECIFICATION.name, words).map(Command::Status),
};

choices! {
    /// A part of the page.
    pub enum Part {
        System, "system", "the version, the clock, how it was started";
        Memory, "memory", "what there is, and what is in use";
        Port, "port", "the network cards";
        Device, "device", "the VLAN devices";
        Counters, "counters", "what became of the received frames";
        Statistics, "statistics", "what the cards and their drivers counted";
        Residence, "residence", "how long answered frames stayed";
        Loop, "loop", "the turns of the poll loop";
        Console, "console", "what the console lost";
    }
}

/// The width of the column of names.
const COLUMN: usize = 24;
/// The most octets of a name, such as a port's.
const NAME: usize = 15;
/// The most octets of a text that somebody else chose.
const TEXT: usize = 40;
/// The most octets of a text that has a row of its own.
const LONG_TEXT: usize = 90;

/// Where in the page the next line is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    /// The one part that is shown, if not all.
    only: Option<Part>,
    section: Section,
    row: usize,
    /// How many lines the current section has so far, its heading included.
    lines: usize,
    sections: usize,
    is_over: bool,
    /// What the current section took when it began.
    counters: Counters,
    residence: Option<Residence>,
}

/// The sections, in their order; those of a port carry its index.
#[derive(Clone, Copy, Debug, Default)]
enum Section {
    #[default]
    System,
    Memory,
    Port(usize),
    Device(usize, usize),
    Counters(usize),
    Statistics(usize),
    Residence(usize),
    Loop,
    Console,
    End,
}

impl Page {
    /// The reply to a command.
    pub(crate) fn new(only: Option<Part>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Goes on to the next section that is shown.
    fn next_section(&mut self, view: &StatusView<'_>) {
        self.sections += usize::from(self.lines > 0);
        self.row = 0;
        self.lines = 0;
        self.section = self.section.next(self.only, view);
    }

    /// Writes the next line of the page.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        loop {
            let part = self.section.part();
            if part.is_none() {
                if !json || core::mem::replace(&mut self.is_over, true) {
                    return Ok(Progress::Done);
                }
                out.write_str(if self.sections == 0 { "{}" } else { "}}" })?;
                return Ok(Progress::Line);
            }
            if self.only.is_some() && self.only != part {
                self.next_section(view);
                continue;
            }
            let mut form = Form {
                out: &mut *out,
                json,
                lead: match (self.lines, self.sections) {
                    (0, 0) => "{",
                    (0, _) => "},",
                    (1, _) => "",
                    _ => ",",
                },
            };
            match self.write_row(view, &mut form)? {
                Row::Written => {
                    self.row += 1;
                    self.lines += 1;
                    return Ok(Progress::Line);
                }
                Row::Empty => self.row += 1,
                Row::Beyond | Row::Ahead(_) | Row::End => self.next_section(view),
            }
        }
    }

    fn write_row(&mut self, view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
        let row = self.row;
        let rate = view.clock.rate;
        let Some(port) = self.section.port_index() else {
            return match self.section {
                Section::System => system(row, view, out),
                Section::Memory => memory(row, view, out),
                Section::Loop => poll_loop(row, view, out),
                Section::Console => console(row, view, out),
                _ => Ok(Row::Beyond),
            };
        };
        // A port can only be missing if the kernel took it away while the page was being printed.
        let Some(port) = view.ports.get(port) else {
            return Ok(Row::Beyond);
        };
        match self.section {
            Section::Port(_) => port_itself(row, port, view, out),
            Section::Device(_, index) => device(row, port, index, out),
            Section::Counters(_) => {
                if row == 0 {
                    self.counters = port.interface.counters().clone();
                }
                counters(row, port, &self.counters, out)
            }
            Section::Statistics(_) => statistics(row, port, out),
            Section::Residence(_) => {
                if row == 0 {
                    self.residence = Residence::of(port.interface);
                }
                residence(row, port, self.residence.as_ref(), rate, out)
            }
            _ => Ok(Row::Beyond),
        }
    }
}

impl Section {
    /// The port that the section is about.
    const fn port_index(self) -> Option<usize> {
        match self {
            Self::Port(port)
            | Self::Device(port, _)
            | Self::Counters(port)
            | Self::Statistics(port)
            | Self::Residence(port) => Some(port),
            _ => None,
        }
    }

    /// What it is of the page.
    const fn part(self) -> Option<Part> {
        Some(match self {
            Self::System => Part::System,
            Self::Memory => Part::Memory,
            Self::Port(_) => Part::Port,
            Self::Device(..) => Part::Device,
            Self::Counters(_) => Part::Counters,
            Self::Statistics(_) => Part::Statistics,
            Self::Residence(_) => Part::Residence,
            Self::Loop => Part::Loop,
            Self::Console => Part::Console,
            Self::End => return None,
        })
    }

    /// The section behind it. Devices, of which there may be thousands, are left out at once where they are not shown.
    fn next(self, only: Option<Part>, view: &StatusView<'_>) -> Self {
        let shows_devices = only.is_none_or(|only| only == Part::Device);
        match self {
            Self::System => Self::Memory,
            Self::Memory => Self::port_or_loop(0, view),
            Self::Port(port) if !shows_devices => Self::Counters(port),
            Self::Port(port) => Self::device_or_counters(port, 0, view),
            Self::Device(port, device) => Self::device_or_counters(port, device + 1, view),
            Self::Counters(port) => Self::Statistics(port),
            Self::Statistics(port) => Self::Residence(port),
            Self::Residence(port) => Self::port_or_loop(port + 1, view),
            Self::Loop => Self::Console,
            Self::Console | Self::End => Self::End,
        }
    }

    fn port_or_loop(port: usize, view: &StatusView<'_>) -> Self {
        if port < view.ports.len() {
            Self::Port(port)
        } else {
            Self::Loop
        }
    }

    fn device_or_counters(port: usize, device: usize, view: &StatusView<'_>) -> Self {
        let devices = view.ports.get(port).map(|port| port.interface.devices());
        if devices.is_some_and(|devices| device < devices.len()) {
            Self::Device(port, device)
        } else {
            Self::Counters(port)
        }
    }
}

/// Where lines are written to, and in which form.
struct Form<'a> {
    out: &'a mut dyn Write,
    json: bool,
    /// What stands in front of the line in JSON.
    lead: &'static str,
}

/// Writes the first line of a section about the whole appliance.
fn heading(out: &mut Form<'_>, name: &str) -> Result<Row, fmt::Error> {
    match out.json {
        true => write!(out.out, "{}{}:{{", out.lead, Quoted(name))?,
        false => out.out.write_str(name)?,
    }
    Ok(Row::Written)
}

/// Writes the first line of a section about something that has a name.
fn heading_of(out: &mut Form<'_>, kind: &str, name: &str) -> Result<Row, fmt::Error> {
    let heading = text!("{kind} {}", clipped::<NAME>(name));
    self::heading(out, &heading)
}

/// Writes a row that is a text.
fn row_of(out: &mut Form<'_>, name: &str, value: impl fmt::Display) -> Result<Row, fmt::Error> {
    if out.json {
        return member(out, name, Quoted(clipped::<LONG_TEXT>(value)));
    }
    write!(out.out, "  {name:COLUMN$}{value}")?;
    Ok(Row::Written)
}

/// Writes a row that is a number.
fn number_of(out: &mut Form<'_>, name: &str, value: impl Into<u64>) -> Result<Row, fmt::Error> {
    let value = value.into();
    match out.json {
        true => member(out, name, value),
        false => row_of(out, name, value),
    }
}

/// Writes a row about so many octets.
fn size_of(out: &mut Form<'_>, name: &str, octets: u64) -> Result<Row, fmt::Error> {
    match out.json {
        true => member(out, &text!("{name}_bytes"), octets),
        false => row_of(out, name, Kibibytes(octets)),
    }
}

/// Writes a member of a section's JSON object.
fn member(out: &mut Form<'_>, name: &str, value: impl fmt::Display) -> Result<Row, fmt::Error> {
    write!(out.out, "{}{}:{value}", out.lead, Quoted(name))?;
    Ok(Row::Written)
}

/// Writes a row about a span of time.
fn span_of(out: &mut Form<'_>, name: &str, span: Ticks, rate: TickRate) -> Result<Row, fmt::Error> {
    if !out.json {
        return row_of(out, name, Span(span, rate));
    }
    let name = text!("{}_ns", name.replace('.', "_"));
    member(out, &name, rate.nanoseconds(span))
}

/// Writes a row about what passed through a device.
fn traffic_of(out: &mut Form<'_>, name: &str, traffic: Traffic) -> Result<Row, fmt::Error> {
    if !out.json {
        return row_of(out, name, Passed(traffic));
    }
    let Traffic { packets, octets } = traffic;
    let fields = format_args!("{packets},\"{name}_bytes\":{octets}");
    member(out, &text!("{name}_packets"), fields)
}

fn system(row: usize, view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    match row {
        0 => heading(out, "system"),
        1 => row_of(out, "version", clipped::<TEXT>(view.version)),
        2 if out.json => member(out, "uptime_ns", view.uptime_ns),
        2 => row_of(out, "uptime", Uptime(view.uptime_ns)),
        3 => clock(view, out),
        4 => row_of(out, "boot", clipped::<TEXT>(view.boot.method)),
        5 => {
            let command_line = view.boot.command_line;
            if command_line.is_empty() {
                return Ok(Row::Empty);
            }
            row_of(out, "command_line", clipped::<LONG_TEXT>(command_line))
        }
        6 => match view.boot.last_end {
            Some(end) => row_of(out, "last_run_ended", clipped::<LONG_TEXT>(end)),
            None => Ok(Row::Empty),
        },
        7 => match view.boot.watchdog {
            Some((name, seconds)) if out.json => {
                let name = Quoted(clipped::<NAME>(name));
                let fields = format_args!("{name},\"watchdog_s\":{seconds}");
                member(out, "watchdog", fields)
            }
            Some((name, seconds)) => {
                let name = clipped::<NAME>(name);
                row_of(out, "watchdog", format_args!("{name} {seconds} s"))
            }
            None => Ok(Row::Empty),
        },
        8 => match view.smi_count {
            Some(count) => number_of(out, "smi_count", count),
            None => Ok(Row::Empty),
        },
        9 => match view.console.refused.count() {
            count if out.json => member(out, "start_errors", count),
            0 => Ok(Row::Empty),
            count => row_of(
                out,
                "start_errors",
                format_args!("{count}: 'config errors' lists them"),
            ),
        },
        _ => Ok(Row::Beyond),
    }
}

/// How fast the clock runs, who said so, and whether it always does.
fn clock(view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    let ClockView {
        rate,
        source,
        invariant,
    } = view.clock;
    let source = clipped::<TEXT>(source);
    if out.json {
        let source = Quoted(source);
        let fields = format_args!(
            "{},\"clock_source\":{source},\"clock_invariant\":{invariant}",
            rate.hertz()
        );
        return member(out, "clock_hz", fields);
    }
    let kilohertz = rate.hertz() / 1_000;
    let (megahertz, rest) = (kilohertz / 1_000, kilohertz % 1_000);
    let steady = match invariant {
        true => "invariant",
        false => "not invariant: times may be wrong",
    };
    let clock = format_args!("{megahertz}.{rest:03} MHz by {source}, {steady}");
    row_of(out, "clock", clock)
}

fn memory(row: usize, view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    let memory = &view.memory;
    match row {
        0 => heading(out, "memory"),
        1 => size_of(out, "total", memory.total_bytes),
        2 => size_of(out, "heap", memory.heap_size_bytes),
        3 => size_of(out, "heap_used", memory.heap_used_bytes),
        4 => size_of(out, "dma", memory.dma_bytes),
        5 => number_of(out, "frame_path_allocations", memory.frame_path_allocations),
        _ => Ok(Row::Beyond),
    }
}

fn port_itself(
    row: usize,
    port: &PortView<'_>,
    view: &StatusView<'_>,
    out: &mut Form<'_>,
) -> Result<Row, fmt::Error> {
    match row {
        0 => heading_of(out, "port", port.name),
        1 => row_of(out, "model", clipped::<TEXT>(port.model)),
        2 => row_of(out, "driver", clipped::<TEXT>(port.driver)),
        3 => number_of(out, "ifindex", port.interface.ifindex()),
        4 => row_of(out, "mac", port.interface.mac_address()),
        5 if out.json => member(out, "link", LinkJson(port.link)),
        5 => row_of(out, "link", LinkState(port.link)),
        6 if out.json => {
            let vlans = port.interface.vlan_filter();
            let list = Quoted(clipped::<TEXT>(vlans));
            let fields = format_args!("{list},\"vlan_filter_count\":{}", vlans.len());
            member(out, "vlan_filter", fields)
        }
        6 => row_of(out, "vlan_filter", VlanList(port.interface.vlan_filter())),
        7 => match port.interface.filter() {
            Some(program) if out.json => member(out, "filter", ProgramJson(program)),
            Some(program) => row_of(out, "filter", Program(program)),
            None => match TakenOut::of(port, view) {
                Some(taken_out) if out.json => {
                    member(out, "filter_taken_out", TakenOutJson(&taken_out))
                }
                Some(taken_out) => row_of(out, "filter", taken_out),
                None => Ok(Row::Empty),
            },
        },
        _ => Ok(Row::Beyond),
    }
}

fn device(
    row: usize,
    port: &PortView<'_>,
    index: usize,
    out: &mut Form<'_>,
) -> Result<Row, fmt::Error> {
    /// Rows before the first address.
    const BEFORE: usize = 2;
    let Some(device) = port.interface.devices().get(index) else {
        return Ok(Row::Beyond);
    };
    match row {
        0 => heading_of(out, "device", device.name()),
        1 => number_of(out, "vlan", device.vid()),
        row => {
            let addresses = device.addresses();
            let row = row - BEFORE;
            if let Some(address) = addresses.get(row) {
                if !out.json {
                    return row_of(out, "address", address);
                }
                if row > 0 {
                    return Ok(Row::Empty);
                }
                let all = Array(addresses.iter().map(Quoted));
                return member(out, "addresses", all);
            }
            match row - addresses.len() {
                0 => traffic_of(out, "rx", device.received()),
                1 => traffic_of(out, "tx", device.transmitted()),
                _ => Ok(Row::Beyond),
            }
        }
    }
}

fn counters(
    row: usize,
    port: &PortView<'_>,
    counters: &Counters,
    out: &mut Form<'_>,
) -> Result<Row, fmt::Error> {
    /// Rows before the first reason.
    const BEFORE: usize = 3;
    match row {
        0 => heading_of(out, "counters", port.name),
        1 => number_of(out, "received", counters.received()),
        2 => number_of(out, "answered", counters.answered()),
        row => match Reason::ALL.get(row - BEFORE) {
            Some(&reason) => match counters.reason(reason) {
                0 => Ok(Row::Empty),
                count => number_of(out, reason.name(), count),
            },
            None if row - BEFORE == Reason::ALL.len() => {
                number_of(out, "sum_of_reasons", counters.unanswered())
            }
            None => Ok(Row::Beyond),
        },
    }
}

/// The driver's statistics that are not zero; without any there is no section.
fn statistics(row: usize, port: &PortView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    let Some(index) = row.checked_sub(1) else {
        let mut all = (0..).map_while(port.statistics);
        return if all.any(|statistic| statistic.value > 0) {
            heading_of(out, "statistics", port.name)
        } else {
            Ok(Row::Beyond)
        };
    };
    match (port.statistics)(index) {
        None => Ok(Row::Beyond),
        Some(statistic) if statistic.value == 0 => Ok(Row::Empty),
        Some(statistic) => number_of(
            out,
            clipped::<TEXT>(statistic.name).as_str(),
            statistic.value,
        ),
    }
}

fn residence(
    row: usize,
    port: &PortView<'_>,
    residence: Option<&Residence>,
    rate: TickRate,
    out: &mut Form<'_>,
) -> Result<Row, fmt::Error> {
    /// Rows before the first figure.
    const BEFORE: usize = 3;
    match (row, residence) {
        (0, _) => heading_of(out, "residence", port.name),
        (1, None) if out.json => member(out, "count", 0),
        (1, None) => {
            let reason = NoResidence(port.interface);
            row_of(out, "count", format_args!("0 ({reason})"))
        }
        (1, Some(residence)) => number_of(out, "count", residence.count),
        (2, None) if out.json => member(out, "in_band", port.interface.answered_since_reset()),
        (2, Some(residence)) if out.json => member(out, "in_band", residence.in_band),
        (2, Some(Residence { in_band: 0, .. })) => Ok(Row::Empty),
        (2, Some(residence)) => row_of(
            out,
            "in_band",
            format_args!(
                "{} answered besides, of which no time is taken",
                residence.in_band
            ),
        ),
        (row, Some(residence)) => match residence.figures.get(row - BEFORE) {
            Some(&(name, ticks)) => span_of(out, name, Ticks(ticks), rate),
            None => Ok(Row::Beyond),
        },
        (_, None) => Ok(Row::Beyond),
    }
}

fn poll_loop(row: usize, view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    let poll = &view.poll;
    match row {
        0 => heading(out, "loop"),
        1 => number_of(out, "turns", poll.count()),
        2 => number_of(out, "busy_turns", poll.busy()),
        _ => match (row, poll.longest()) {
            (3, Some((_, kind))) => span_of(out, "longest_turn", kind.longest, view.clock.rate),
            (4, Some((activity, _))) => row_of(out, "longest_turn_was", activity.name()),
            _ => Ok(Row::Beyond),
        },
    }
}

fn console(row: usize, view: &StatusView<'_>, out: &mut Form<'_>) -> Result<Row, fmt::Error> {
    match row {
        0 => heading(out, "console"),
        1 => number_of(out, "dropped_lines", view.console.dropped_lines),
        2 => row_of(out, "trace", if view.trace_is_on() { "on" } else { "off" }),
        3 => number_of(out, "trace_dropped", view.trace_dropped()),
        _ => Ok(Row::Beyond),
    }
}
