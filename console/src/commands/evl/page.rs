//! What `evl net` says in return: the filter list, what is told about a port, and how a port came out otherwise than it
//! was asked for.

use super::super::status::{Program, ProgramJson};
use super::{Change, Evl, FilterChange, HEADERS, or_default};
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::text;
use crate::view::{DeviceView, StatusView};
use alloc::string::String;
use core::fmt::{self, Write};
use pollux_net::counters::Reason;
use pollux_net::filter::Filter;
use pollux_net::interface::OobPool;
use pollux_net::vlan::VlanSet;

/// A reply under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    evl: Evl,
    stage: Stage,
    /// Whether the JSON object was begun.
    has_begun: bool,
}

/// Which line is next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// How the port came out.
    Port,
    Cleared,
    /// The list begins.
    List,
    /// The list goes on from a VLAN.
    Vlans(u16),
    /// A line of what is told about a port.
    Query(usize),
    /// The JSON object ends, if it began.
    Last,
    End,
}

impl Page {
    /// The reply to a command.
    pub(crate) const fn new(evl: Evl) -> Self {
        Self {
            evl,
            stage: Stage::Port,
            has_begun: false,
        }
    }

    /// The reply that shows the filter list.
    pub(crate) fn of_vlans() -> Self {
        Self::new(Evl {
            show_vlans: true,
            ..Evl::default()
        })
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        loop {
            let (written, next) = self.line(json, view, out)?;
            self.stage = next;
            if written {
                self.has_begun = true;
                return Ok(Progress::Line);
            }
            if matches!(self.stage, Stage::End) {
                return Ok(Progress::Done);
            }
        }
    }

    /// Writes the line of this stage, if there is one. Returns whether there was, and what is next.
    fn line(
        &self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<(bool, Stage), fmt::Error> {
        let evl = &self.evl;
        let lead = if self.has_begun { "," } else { "{" };
        match self.stage {
            Stage::Port => {
                let found = self.device(view);
                let warning = found.and_then(|found| evl.warning(&found).or(evl.reach(&found)));
                match &warning {
                    Some(warning) if json => write!(out, "{lead}\"warning\":{}", Quoted(warning))?,
                    Some(warning) => out.write_str(warning)?,
                    None => {}
                }
                Ok((warning.is_some(), Stage::Cleared))
            }
            Stage::Cleared => {
                let is_said = evl.vlans == Some(Change::Clear) && !json;
                if is_said {
                    out.write_str("VLAN filter cleared")?;
                }
                Ok((is_said, Stage::List))
            }
            Stage::List if !evl.show_vlans => Ok((false, Stage::Query(0))),
            Stage::List if json => {
                write!(out, "{lead}\"vlans\":[")?;
                Ok((true, Stage::Vlans(0)))
            }
            Stage::List => Ok((false, Stage::Vlans(0))),
            Stage::Vlans(from) => {
                let separator = if json { "\",\"" } else { "," };
                match filter(view).and_then(|set| vlans_line(set, from, separator)) {
                    Some((line, next)) if json => {
                        let lead = if from == 0 { "\"" } else { ",\"" };
                        write!(out, "{lead}{}\"", line.trim_end_matches(separator))?;
                        Ok((true, Stage::Vlans(next)))
                    }
                    Some((line, next)) => {
                        out.write_str(&line)?;
                        Ok((true, Stage::Vlans(next)))
                    }
                    None if json => {
                        out.write_str("]")?;
                        Ok((true, Stage::Query(0)))
                    }
                    None => Ok((false, Stage::Query(0))),
                }
            }
            Stage::Query(row) => self.query(row, json, view, out),
            Stage::Last => {
                let is_open = json && self.has_begun;
                if is_open {
                    out.write_str("}")?;
                }
                Ok((is_open, Stage::End))
            }
            Stage::End => Ok((false, Stage::End)),
        }
    }

    /// The device that it is about.
    fn device<'a>(&self, view: &StatusView<'a>) -> Option<DeviceView<'a>> {
        view.device_named(self.evl.interface.as_deref()?)
    }

    fn query(
        &self,
        row: usize,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<(bool, Stage), fmt::Error> {
        let (Some(found), Some(letters)) = (self.device(view), self.evl.query.as_deref()) else {
            return Ok((false, Stage::Last));
        };
        let query = Query::of(&found);
        let is_written = match (json, letters) {
            (true, _) => {
                let lead = if self.has_begun { "," } else { "{" };
                query.json(row, lead, found.device.name(), out)?
            }
            (false, "") => query.verbose(row, out)?,
            (false, _) if row > 0 => false,
            (false, letters) => {
                query.terse(letters, out)?;
                true
            }
        };
        let next = if is_written {
            Stage::Query(row + 1)
        } else {
            Stage::Last
        };
        Ok((is_written, next))
    }
}

impl Evl {
    /// About whose frames a filter decides, if that is more than what was named.
    fn reach(&self, found: &DeviceView<'_>) -> Option<String> {
        let (card, name) = (found.port.name, found.device.name());
        let is_wider = matches!(self.filter, Some(FilterChange::Load(_))) && name != card;
        is_wider.then(|| {
            text!("{card}: the filter decides about all frames of {card}, not only about those of {name}")
        })
    }

    /// How the pool came out otherwise than it was asked for.
    fn warning(&self, found: &DeviceView<'_>) -> Option<String> {
        let (name, mtu) = (found.device.name(), found.device.mtu());
        let OobPool {
            buffers,
            buffer_octets,
        } = found.device.oob_pool();
        let default = OobPool::default();
        let asked = self
            .pool
            .map_or(buffers, |pool| or_default(Some(pool), default.buffers));
        let asked_octets = self.buffer_octets.map_or(buffer_octets, |octets| {
            or_default(Some(octets), default.buffer_octets)
        });
        if !self.enable {
            return None;
        }
        if (asked, asked_octets) == (buffers, buffer_octets) {
            let has_zero = self.pool == Some(0) || self.buffer_octets == Some(0);
            return has_zero.then(|| {
                text!("{name}: 0 means the default: {buffers} buffers of {buffer_octets} octets")
            });
        }
        let is_raised = asked_octets < buffer_octets && buffer_octets == mtu + HEADERS;
        Some(match is_raised && asked == buffers {
            true => text!(
                "{name}: buffer size raised from {asked_octets} to {buffer_octets} octets, to hold the MTU of {mtu}"
            ),
            false => text!(
                "{name}: -p and -b ignored: its port is enabled with {buffers} buffers of {buffer_octets} octets; disable it first"
            ),
        })
    }
}

/// What `-Q` tells.
struct Query<'a> {
    /// The filter at work on its card.
    filter: Option<&'a Filter>,
    rx: pollux_net::interface::Traffic,
    tx: pollux_net::interface::Traffic,
    buffer_octets: u16,
    buffers: u16,
    checksum_errors: u64,
    rx_no_memory: u64,
    tx_no_memory: u64,
}

impl<'a> Query<'a> {
    fn of(found: &DeviceView<'a>) -> Self {
        let (rx, tx) = found.traffic();
        let counters = found.port.interface.counters();
        let has_port = found.device.has_oob_port();
        let pool = found.device.oob_pool();
        let statistics = (0..).map_while(found.port.statistics);
        let no_buffer = statistics.filter(|statistic| statistic.name.contains("no_buffer"));
        Self {
            filter: found.port.interface.filter(),
            rx,
            tx,
            buffer_octets: if has_port { pool.buffer_octets } else { 0 },
            buffers: if has_port { pool.buffers } else { 0 },
            checksum_errors: counters.reason(Reason::UdpChecksum),
            rx_no_memory: no_buffer.map(|statistic| statistic.value).sum(),
            tx_no_memory: counters.reason(Reason::NoTransmitSlot),
        }
    }
}

impl Query<'_> {
    fn verbose(&self, row: usize, out: &mut dyn Write) -> Result<bool, fmt::Error> {
        match row {
            0 => write!(out, "oob capability: yes")?,
            1 => write!(out, "    rx packets: {}", self.rx.packets)?,
            2 => write!(out, "      rx bytes: {}", self.rx.octets)?,
            3 => write!(out, "    tx packets: {}", self.tx.packets)?,
            4 => write!(out, "      tx bytes: {}", self.tx.octets)?,
            5 => write!(out, "      skb size: {}", self.buffer_octets)?,
            6 => write!(out, "      skb free: {} / {}", self.buffers, self.buffers)?,
            7 => write!(out, "      csum errors: {}", self.checksum_errors)?,
            8 => write!(out, "      rx nomem: {}", self.rx_no_memory)?,
            9 => write!(out, "      tx nomem: {}", self.tx_no_memory)?,
            10 => match self.filter {
                Some(filter) => write!(out, "        filter: {}", Program(filter))?,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn terse(&self, letters: &str, out: &mut dyn Write) -> fmt::Result {
        for (index, letter) in letters.chars().enumerate() {
            if index > 0 {
                out.write_char(' ')?;
            }
            match letter {
                'R' => write!(out, "{}", self.rx.packets),
                'r' => write!(out, "{}", self.rx.octets),
                'T' => write!(out, "{}", self.tx.packets),
                't' => write!(out, "{}", self.tx.octets),
                // EVL's page shows 1; its program prints a word there.
                'o' => write!(out, "1"),
                's' => write!(out, "{}", self.buffer_octets),
                'f' | 'a' => write!(out, "{}", self.buffers),
                'c' => write!(out, "{}", self.checksum_errors),
                _ => write!(out, "{} {}", self.rx_no_memory, self.tx_no_memory),
            }?;
        }
        Ok(())
    }

    fn json(
        &self,
        row: usize,
        lead: &str,
        name: &str,
        out: &mut dyn Write,
    ) -> Result<bool, fmt::Error> {
        match row {
            0 => write!(
                out,
                "{lead}\"ifname\":{},\"oob_capability\":true,\"rx_packets\":{},\"rx_bytes\":{},\"tx_packets\":{},\"tx_bytes\":{},",
                Quoted(name),
                self.rx.packets,
                self.rx.octets,
                self.tx.packets,
                self.tx.octets
            )?,
            1 => write!(
                out,
                "\"skb_size\":{},\"skb_free\":{},\"skb_total\":{},\"csum_errors\":{},\"rx_nomem\":{},\"tx_nomem\":{}",
                self.buffer_octets,
                self.buffers,
                self.buffers,
                self.checksum_errors,
                self.rx_no_memory,
                self.tx_no_memory
            )?,
            2 => match self.filter {
                Some(filter) => write!(out, ",\"filter\":{}", ProgramJson(filter))?,
                None => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// As much of a filter list as a line holds, from the first identifier at or above `from`, and where the
/// next line begins.
pub(in super::super) fn vlans_line(
    set: &VlanSet,
    from: u16,
    separator: &str,
) -> Option<(String, u16)> {
    /// Characters of a line.
    const WIDTH: usize = 100;
    let mut rest = set.ranges(from).peekable();
    let mut line = String::new();
    let mut next = from;
    while let Some((first, last)) = rest.next() {
        // A string takes everything.
        let _ = match last > first {
            true => write!(line, "{first}-{last}"),
            false => write!(line, "{first}"),
        };
        next = last + 1;
        if rest.peek().is_some() {
            line.push_str(separator);
        }
        if line.len() > WIDTH {
            break;
        }
    }
    (next > from).then_some((line, next))
}

/// The filter list, which is every card's.
pub(in super::super) fn filter<'a>(view: &StatusView<'a>) -> Option<&'a VlanSet> {
    view.ports.first().map(|port| port.interface.vlan_filter())
}
