//! `config`: the configuration as the commands that would make it again; kept, and compared with what
//! was kept.

use super::arguments::Reader;
use super::bpftool::program_line;
use super::ethtool::on;
use super::evl::{filter, vlans_line};
use super::sysctl::config_line;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::Mistake;
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::text::text;
use crate::view::{self, DeviceView, StatusView};
use crate::words::Words;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use pollux_net::device::FlowControl;
use pollux_net::interface::{OobPool, VlanDevice};
use pollux_net::neighbor::State;
use pollux_net::route::Via;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "config",
    synopsis: "config show|save|diff|errors",
    summary: "the configuration as commands: show it, keep it, compare it",
    words: &[
        ("show", "print it, to be put into a start-up file"),
        ("save", "print it and keep it until the machine restarts"),
        (
            "diff",
            "what changed since it was kept, or since the start-up commands",
        ),
        ("errors", "what of the start was refused, and why"),
    ],
    examples: &["config show", "config diff"],
    complete: |_| Completion::words(&WORDS),
    test_only: false,
    parse,
};

const WORDS: [&str; 4] = ["show", "save", "diff", "errors"];

/// What is to be done with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// Print it.
    Show,
    /// Print it and keep it.
    Save,
    /// Print what differs from what was kept.
    Diff,
    /// Print what of the start was refused.
    Errors,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "config" };
    match words.next() {
        None => Err(Mistake::MissingWord {
            command: SPECIFICATION.name,
            synopsis: SPECIFICATION.synopsis,
        }),
        Some("show") => Ok(Command::Config(Config::Show)),
        Some("save") => Ok(Command::Config(Config::Save)),
        Some("diff") => Ok(Command::Config(Config::Diff)),
        Some("errors") => Ok(Command::Config(Config::Errors)),
        Some(other) => Err(READER.none_of(other, &WORDS)),
    }
}

/// Where in the configuration a line is.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    section: Section,
    item: usize,
    row: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Devices,
    Filter,
    Programs,
    Routes,
    Neighbors,
    Limits,
    End,
}

impl Position {
    /// The next line of the configuration, as far as one look finds it.
    fn next(&mut self, view: &StatusView<'_>) -> Look {
        loop {
            if self.section == Section::Neighbors {
                match neighbor_line(view, &mut self.item) {
                    Look::Over => self.section = Section::Limits,
                    look => return look,
                }
                self.item = 0;
            }
            let line = match self.section {
                Section::Devices => match view.device(self.item) {
                    Some(found) => device_line(&found, self.row),
                    None => None,
                },
                Section::Filter => {
                    let line = filter_line(view, self.row as u16);
                    line.map(|(line, next)| {
                        self.row = usize::from(next);
                        line
                    })
                }
                Section::Programs => program_line(view, self.item),
                Section::Routes => route_line(view, self.item),
                Section::Limits => config_line(view, self.item),
                Section::Neighbors | Section::End => return Look::Over,
            };
            match (self.section, line) {
                (Section::Devices, Some(line)) => {
                    self.row += 1;
                    if !line.is_empty() {
                        return Look::Line(line);
                    }
                }
                (_, Some(line)) => {
                    self.item += 1;
                    return Look::Line(line);
                }
                (Section::Devices, None) if view.device(self.item).is_some() => {
                    self.item += 1;
                    self.row = 0;
                }
                (section, None) => {
                    *self = Self {
                        section: match section {
                            Section::Devices => Section::Filter,
                            Section::Filter => Section::Programs,
                            Section::Programs => Section::Routes,
                            Section::Routes => Section::Neighbors,
                            Section::Neighbors => Section::Limits,
                            _ => Section::End,
                        },
                        ..Self::default()
                    };
                }
            }
        }
    }
}

/// Line `row` about a device; empty when there is nothing to say in it.
fn device_line(found: &DeviceView<'_>, row: usize) -> Option<String> {
    let device = found.device;
    let (name, vid) = (device.name(), device.vid());
    let is_card = vid == 0;
    let line = match row {
        0 if is_card => match found.port.interface.flow_control() {
            Some(pauses) if pauses != FlowControl::default() => text!(
                "ethtool -A {name} rx {} tx {}",
                on(pauses.receive),
                on(pauses.transmit)
            ),
            _ => String::new(),
        },
        0 => text!(
            "ip link add link {} name {name} type vlan id {vid}",
            found.port.name
        ),
        1 if device.mtu() != found.port.interface.maximum_mtu() => {
            text!("ip link set dev {name} mtu {}", device.mtu())
        }
        1 => String::new(),
        // A card is up from the start, a VLAN device is not.
        2 if device.is_up() == is_card => String::new(),
        2 => {
            let state = if device.is_up() { "up" } else { "down" };
            text!("ip link set dev {name} {state}")
        }
        3 if is_card => {
            let interface = found.port.interface;
            let when_off = |is_on, text| if is_on { "" } else { text };
            let checksums = when_off(interface.is_card_to_verify_checksums(), " rx off");
            let vlans = when_off(interface.is_card_to_filter_vlans(), " rx-vlan-filter off");
            match (checksums, vlans) {
                ("", "") => String::new(),
                _ => text!("ethtool -K {name}{checksums}{vlans}"),
            }
        }
        3 if device.has_oob_port() => {
            let (pool, default) = (device.oob_pool(), OobPool::default());
            let mut line = text!("evl net -e -i {name}");
            if pool.buffers != default.buffers {
                line += &text!(" -p {}", pool.buffers);
            }
            if pool.buffer_octets != default.buffer_octets {
                line += &text!(" -b {}", pool.buffer_octets);
            }
            line
        }
        3 => String::new(),
        row => {
            let mut addresses = found.port.interface.addresses();
            let address = addresses
                .by_ref()
                .filter(|address| address.vid == vid)
                .nth(row - 4)?;
            text!("ip addr add {} dev {name}", address.cidr)
        }
    };
    Some(line)
}

/// The command for as much of the filter list as a line holds, and where the next one begins.
fn filter_line(view: &StatusView<'_>, from: u16) -> Option<(String, u16)> {
    let (line, next) = vlans_line(filter(view)?, from, ",")?;
    // A list that is too long for a line is put together from several.
    let more = if from == 0 { "" } else { "+" };
    let line = text!("evl net -N{more}{}", line.trim_end_matches(','));
    Some((line, next))
}

fn route_line(view: &StatusView<'_>, index: usize) -> Option<String> {
    let routes = view.ports.iter().flat_map(|port| {
        let routes = port.interface.routes().iter();
        routes.map(move |route| (port, route))
    });
    let mut routes = routes.filter_map(|(port, route)| match route.via {
        Via::Gateway(gateway) => Some((port, route, gateway)),
        Via::OnLink { .. } => None,
    });
    let (port, route, gateway) = routes.nth(index)?;
    let device = port.interface.device(route.vid)?.name();
    Some(match route.network.prefix_length() {
        0 => text!("ip route add default via {gateway} dev {device}"),
        _ => text!("ip route add {} via {gateway} dev {device}", route.network),
    })
}

/// The command for the permanent neighbor at a place, or what stands in front of the next one; the place is moved on.
fn neighbor_line(view: &StatusView<'_>, place: &mut usize) -> Look {
    let (port, known) = match view.neighbor(*place, |_, known| known.state == State::Permanent) {
        view::Look::Found(found) => found,
        view::Look::Ahead(places) => {
            *place += places;
            return Look::Nothing;
        }
        view::Look::Over => return Look::Over,
    };
    *place += 1;
    let device = port.interface.device(known.vid);
    let (Some(device), Some(mac)) = (device.map(VlanDevice::name), known.mac) else {
        return Look::Nothing;
    };
    let address = known.address;
    Look::Line(text!(
        "ip neigh add {address} lladdr {mac} dev {device} nud permanent"
    ))
}

/// Writes the next line of what of the start was refused.
pub(crate) fn errors(
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let refused = view.console.refused;
    let (lines, count) = (refused.lines(), refused.count());
    cursor.next_line(json, out, |due, out| {
        match (due.row, lines.get(due.item)) {
            (0, Some(line)) if json => write!(
                out,
                "{}{{\"place\":{},\"line\":{},\"column\":{},\"error\":{}}}",
                due.lead,
                Quoted(&line.place),
                line.line,
                line.column,
                Quoted(&line.reason)
            )?,
            (0, Some(line)) => write!(out, "{line}")?,
            (_, Some(_)) => return Ok(Row::Beyond),
            (0, None) if !json && due.item == lines.len() => match count {
                0 => write!(out, "nothing was refused at the start")?,
                count if count > lines.len() => write!(out, "... {count} in all")?,
                _ => return Ok(Row::End),
            },
            (_, None) => return Ok(Row::End),
        }
        Ok(Row::Written)
    })
}

/// A reply under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    config: Config,
    position: Position,
    /// What there is, as far as it was looked at: to be kept, or to be compared.
    here: Vec<String>,
    /// The line of what was kept before that is compared next, once all that is here was.
    compared: Option<usize>,
    /// The line that is being looked for among the others.
    sought: Option<Sought>,
    /// Where the next one probably is: behind the last that was found.
    probably_at: usize,
    written: usize,
    is_over: bool,
}

/// A line that is looked for among others, a few at a time: there may be thousands.
#[derive(Clone, Debug)]
struct Sought {
    line: String,
    /// How many it was compared with.
    compared: usize,
}

impl Sought {
    const fn new(line: String) -> Self {
        Self { line, compared: 0 }
    }

    /// Compares it with some more of `lines`, that at `first` the first of all; `None` when it was not found yet. Else
    /// where it is, if anywhere.
    fn find(&mut self, lines: &[String], first: usize) -> Option<Option<usize>> {
        /// So many are compared with it at once.
        const COMPARED: usize = 128;
        let end = lines.len().min(self.compared + COMPARED);
        for place in self.compared..end {
            let place = (first + place) % lines.len();
            if lines.get(place) == Some(&self.line) {
                return Some(Some(place));
            }
        }
        self.compared = end;
        (end == lines.len()).then_some(None)
    }
}

/// What one look finds.
enum Look {
    Line(String),
    /// Nothing to say, and not over.
    Nothing,
    Over,
}

impl Page {
    /// The reply to a command.
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            position: Position::default(),
            here: Vec::new(),
            compared: None,
            sought: None,
            probably_at: 0,
            written: 0,
            is_over: false,
        }
    }

    /// What is to be kept, when all of it was printed.
    pub(crate) fn take_kept(&mut self) -> Option<Vec<String>> {
        (self.config == Config::Save && self.is_over).then(|| core::mem::take(&mut self.here))
    }

    /// What was looked at, to be freed in pieces: it may be thousands of lines.
    pub(crate) fn take_looked_at(&mut self) -> Vec<String> {
        core::mem::take(&mut self.here)
    }

    /// Looks at one line of what is here, or of what was kept: no more, lest the look takes long.
    fn look(&mut self, view: &StatusView<'_>) -> Look {
        if let Some(mut sought) = self.sought.take() {
            let (lines, sign) = match self.compared {
                None => (view.saved, '+'),
                Some(_) => (&*self.here, '-'),
            };
            return match sought.find(lines, self.probably_at) {
                None => {
                    self.sought = Some(sought);
                    Look::Nothing
                }
                Some(found) => {
                    let line = sought.line;
                    let shown = found.is_none().then(|| text!("{sign}{line}"));
                    self.probably_at = found.map_or(self.probably_at, |place| place + 1);
                    if self.compared.is_none() {
                        self.here.push(line);
                    }
                    shown.map_or(Look::Nothing, Look::Line)
                }
            };
        }
        if let Some(index) = self.compared {
            self.compared = Some(index + 1);
            let line = view.saved.get(index);
            self.sought = line.cloned().map(Sought::new);
            return match line {
                None => Look::Over,
                Some(_) => Look::Nothing,
            };
        }
        let line = match self.position.next(view) {
            Look::Line(line) => line,
            Look::Nothing => return Look::Nothing,
            Look::Over => {
                self.compared = Some(0);
                self.probably_at = 0;
                return match self.config {
                    Config::Diff => Look::Nothing,
                    Config::Show | Config::Save | Config::Errors => Look::Over,
                };
            }
        };
        match self.config {
            Config::Show | Config::Errors => Look::Line(line),
            Config::Save => {
                self.here.push(line.clone());
                Look::Line(line)
            }
            Config::Diff => {
                self.sought = Some(Sought::new(line));
                Look::Nothing
            }
        }
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        if self.is_over {
            return Ok(Progress::Done);
        }
        let lead = if self.written == 0 { "[" } else { "," };
        match self.look(view) {
            Look::Nothing => return Ok(Progress::Waiting),
            Look::Line(line) if json => write!(out, "{lead}{}", Quoted(line))?,
            Look::Line(line) => out.write_str(&line)?,
            Look::Over => {
                self.is_over = true;
                if !json {
                    return Ok(Progress::Done);
                }
                out.write_str(if self.written == 0 { "[]" } else { "]" })?;
            }
        }
        self.written += 1;
        Ok(Progress::Line)
    }
}
