//! `ip link`: the devices.

use super::Options;
use crate::cards::{Cards, about};
use crate::commands::arguments::{INTERFACE, Reader};
use crate::error::{Mistake, Refusal, Word};
use crate::json::{Array, Quoted};
use crate::listing::{Due, Row};
use crate::text::clipped;
use crate::view::{DeviceView, StatusView};
use crate::words::Words;
use core::fmt::{self, Write};
use pollux_net::counters::Reason;
use pollux_net::interface::{ConfigurationError, DEFAULT_MTU, MINIMUM_MTU, NAME_LENGTH, Traffic};
use pollux_net::wire::ethernet::MacAddress;

const READER: Reader = Reader { command: "ip link" };
/// In the order in which iproute2 looks for what an abbreviation means.
const VERBS: &[&str] = &["set", "add", "delete", "show", "list", "lst"];
const MTU: &str = "an MTU from 68 to 1500 octets";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Which),
    Add {
        card: Word,
        name: Option<Word>,
        vid: u16,
        mtu: Option<u16>,
    },
    Delete(Word),
    Set {
        device: Word,
        /// The name that it is to get.
        name: Option<Word>,
        up: Option<bool>,
        mtu: Option<u16>,
    },
}

/// Which devices are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    pub device: Option<Word>,
    /// Only those that are up.
    pub up: bool,
    /// Only VLAN devices.
    pub vlan: bool,
}

impl Which {
    /// Reads `[dev] NAME`, `up` and `type vlan`.
    pub(crate) fn parse(reader: Reader, words: &mut Words<'_>) -> Result<Self, Mistake> {
        let mut which = Self::default();
        while let Some(word) = words.next() {
            match word {
                "up" => which.up = true,
                "dev" => which.device = Some(reader.device(words, "dev")?),
                "type" => match reader.value(words, "type", "'vlan'")? {
                    "vlan" => which.vlan = true,
                    other => return Err(reader.none_of(other, &["vlan"])),
                },
                name if which.device.is_none() => which.device = Some(clipped(name)),
                other => return Err(reader.none_of(other, &["dev", "up", "type"])),
            }
        }
        Ok(which)
    }

    /// Whether a device is to be shown.
    pub(crate) fn contains(&self, found: &DeviceView<'_>) -> bool {
        let is_named = self
            .device
            .as_deref()
            .is_none_or(|name| name == found.device.name());
        let is_up = found.is_up() || !self.up;
        let is_vlan = found.device.vid() != 0 || !self.vlan;
        is_named && is_up && is_vlan
    }
}

pub(super) fn parse(words: &mut Words<'_>) -> Result<Action, Mistake> {
    let Some(verb) = words.next() else {
        return Ok(Action::Show(Which::default()));
    };
    match READER.abbreviated(verb, VERBS)? {
        "set" => set(words),
        "add" => add(words),
        "delete" => {
            words.take_if("dev");
            let device = READER.device(words, "del")?;
            if words.take_if("type") {
                vlan_type(words)?;
            }
            Ok(Action::Delete(device))
        }
        _ => Which::parse(READER, words).map(Action::Show),
    }
}

fn vlan_type(words: &mut Words<'_>) -> Result<(), Mistake> {
    match READER.value(words, "type", "'vlan'")? {
        "vlan" => Ok(()),
        other => Err(READER.not_supported(other, "a device is of type vlan")),
    }
}

fn mtu(words: &mut Words<'_>) -> Result<u16, Mistake> {
    let word = READER.value(words, "mtu", MTU)?;
    let range = u32::from(MINIMUM_MTU)..=u32::from(DEFAULT_MTU);
    READER.number(word, range, MTU).map(|mtu| mtu as u16)
}

/// The name that a device is to get: one that can stand in a line of the configuration as it is.
fn new_name(words: &mut Words<'_>) -> Result<Word, Mistake> {
    let word = READER.value(words, "name", "a name, such as eth0.42")?;
    let is_plain = word
        .bytes()
        .all(|octet| octet.is_ascii_graphic() && !b"/'\"#".contains(&octet));
    if is_plain && !word.is_empty() && !word.starts_with('-') {
        return Ok(clipped(word));
    }
    let expected =
        "a name: printable, without blanks, '/', '#' and quotes, and no '-' at its start";
    Err(READER.wrong(word, expected))
}

fn add(words: &mut Words<'_>) -> Result<Action, Mistake> {
    const EXPECTED: &[&str] = &["link", "name", "type", "mtu"];
    let (mut card, mut name, mut size) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            "link" => card = Some(READER.device(words, "link")?),
            "name" | "dev" => name = Some(new_name(words)?),
            "mtu" => size = Some(mtu(words)?),
            "type" => {
                vlan_type(words)?;
                let vid = vlan(words)?;
                return Ok(Action::Add {
                    card: card.ok_or(READER_NEEDS_LINK)?,
                    name,
                    vid,
                    mtu: size,
                });
            }
            // As in iproute2, a word that is none of these is the name, if there is none yet.
            other if name.is_none() && !other.starts_with('-') => name = Some(clipped(other)),
            other => return Err(READER.none_of(other, EXPECTED)),
        }
    }
    Err(Mistake::MissingValue {
        command: READER.command,
        after: "add",
        expected: "'link CARD name NAME type vlan id VID'",
    })
}

const READER_NEEDS_LINK: Mistake = Mistake::MissingValue {
    command: READER.command,
    after: "add",
    expected: "'link CARD': the card that the VLAN device stands on",
};

/// What follows `type vlan`.
fn vlan(words: &mut Words<'_>) -> Result<u16, Mistake> {
    const ID: &str = "a VLAN identifier from 1 to 4094";
    let mut vid = None;
    while let Some(word) = words.next() {
        match word {
            "id" => {
                let word = READER.value(words, "id", ID)?;
                vid = Some(READER.number(word, 1..=4094, ID)? as u16);
            }
            "protocol" => {
                let word = READER.value(words, "protocol", "'802.1Q'")?;
                if !word.eq_ignore_ascii_case("802.1q") {
                    return Err(READER.not_supported(word, "tags are those of 802.1Q"));
                }
            }
            other => return Err(READER.none_of(other, &["id", "protocol"])),
        }
    }
    vid.ok_or(Mistake::MissingValue {
        command: READER.command,
        after: "type vlan",
        expected: "'id VID'",
    })
}

fn set(words: &mut Words<'_>) -> Result<Action, Mistake> {
    const EXPECTED: &[&str] = &["up", "down", "mtu", "name"];
    let (mut device, mut up, mut size, mut name) = (None, None, None, None);
    while let Some(word) = words.next() {
        match word {
            "up" => up = Some(true),
            "down" => up = Some(false),
            "mtu" => size = Some(mtu(words)?),
            "dev" => device = Some(READER.device(words, "dev")?),
            "name" => name = Some(new_name(words)?),
            "address" | "promisc" | "arp" | "multicast" | "allmulticast" | "txqueuelen"
            | "master" | "vf" | "netns" | "alias" => {
                return Err(READER.not_supported(word, "up, down, mtu and name can be set"));
            }
            first if device.is_none() => device = Some(clipped(first)),
            other => return Err(READER.none_of(other, EXPECTED)),
        }
    }
    let device = device.ok_or(Mistake::MissingValue {
        command: READER.command,
        after: "set",
        expected: INTERFACE,
    })?;
    if up.is_none() && size.is_none() && name.is_none() {
        return Err(Mistake::MissingValue {
            command: READER.command,
            after: "set",
            expected: "what is to be set: up, down, mtu or name",
        });
    }
    Ok(Action::Set {
        device,
        name,
        up,
        mtu: size,
    })
}

pub(super) fn carry_out(action: &Action, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match action {
        Action::Show(which) => match &which.device {
            Some(name) => cards.find(name).map(|_| ()),
            None => Ok(()),
        },
        Action::Add {
            card,
            name,
            vid,
            mtu,
        } => {
            let index = cards.card_called(card)?;
            let name: Word = match name {
                Some(name) => name.clone(),
                None => clipped(format_args!("{card}.{vid}")),
            };
            if cards.has(&name) {
                return Err(Refusal::NameTaken(name));
            }
            let last = cards.iter_mut().map(|card| card.last_ifindex()).max();
            let interface = cards.interface(index)?;
            if let Some(mtu) = mtu {
                interface.check_mtu(*mtu).map_err(about(&name))?;
            }
            interface
                .add_vlan_device(&name, *vid)
                .map_err(about(&name))?;
            if let Some(last) = last {
                let numbered = interface.set_ifindex(*vid, last + 1);
                numbered.map_err(about(&name))?;
            }
            // As on Linux, it passes nothing before it is set up. Nothing of this can fail: it is there.
            interface.set_up(*vid, false).map_err(about(&name))?;
            match mtu {
                Some(mtu) => interface.set_mtu(*vid, *mtu).map_err(about(&name)),
                None => Ok(()),
            }
        }
        Action::Delete(name) => {
            let reason = "a card's own device stays";
            let place = cards.vlan_device(name, reason)?;
            let interface = cards.interface(place.card)?;
            interface.remove_vlan_device(place.vid).map_err(about(name))
        }
        Action::Set {
            device,
            name,
            up,
            mtu,
        } => {
            let place = cards.find(device)?;
            if let Some(name) = name {
                cards.vlan_device(device, "a card keeps its name")?;
                if cards.has(name) {
                    return Err(Refusal::NameTaken(name.clone()));
                }
                if !(1..=NAME_LENGTH).contains(&name.len()) {
                    let error = ConfigurationError::NameLength(name.len());
                    return Err(about(name)(error));
                }
            }
            let interface = cards.interface(place.card)?;
            if let Some(mtu) = mtu {
                interface.set_mtu(place.vid, *mtu).map_err(about(device))?;
            }
            if let Some(name) = name {
                // Nothing of this can fail: that it can be had was looked up.
                let renamed = interface.rename_vlan_device(place.vid, name);
                renamed.map_err(about(device))?;
            }
            if let Some(up) = up {
                interface.set_up(place.vid, *up).map_err(about(device))?;
                // EVL: bringing a device down dismantles its port.
                if !up && place.vid != 0 {
                    let done = interface.set_oob_port(place.vid, false);
                    done.map_err(about(device))?;
                }
            }
            Ok(())
        }
    }
}

impl DeviceView<'_> {
    /// Whether it and the card under it were set up.
    pub(crate) fn is_up(&self) -> bool {
        self.device.is_up() && self.port.interface.card_device().is_up()
    }

    /// The card under a VLAN device.
    pub(crate) fn parent(&self) -> Option<&str> {
        (self.device.vid() != 0).then_some(self.port.name)
    }

    /// `operstate` as in Linux (RFC 2863).
    pub(crate) fn state(&self) -> &'static str {
        match (self.is_up(), self.port.link.up) {
            (true, true) => "UP",
            (true, false) if self.device.vid() != 0 => "LOWERLAYERDOWN",
            _ => "DOWN",
        }
    }

    /// The flags as Linux prints them, in its order.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> + Clone {
        let (up, carrier) = (self.is_up(), self.port.link.up);
        let flags = [
            (up && !carrier, "NO-CARRIER"),
            (true, "BROADCAST"),
            (true, "MULTICAST"),
            (self.device.is_up(), "UP"),
            (up && carrier, "LOWER_UP"),
            (
                !self.port.interface.card_device().is_up() && self.device.vid() != 0,
                "M-DOWN",
            ),
        ];
        flags
            .into_iter()
            .filter(|&(set, _)| set)
            .map(|(_, flag)| flag)
    }

    /// What passed through it; through a card with all of its VLAN devices.
    pub(crate) fn traffic(&self) -> (Traffic, Traffic) {
        let own = (self.device.received(), self.device.transmitted());
        if self.device.vid() != 0 {
            return own;
        }
        let add = |sum: Traffic, more: Traffic| Traffic {
            packets: sum.packets.wrapping_add(more.packets),
            octets: sum.octets.wrapping_add(more.octets),
        };
        self.port
            .interface
            .devices()
            .iter()
            .fold(own, |(rx, tx), device| {
                (add(rx, device.received()), add(tx, device.transmitted()))
            })
    }

    /// A sum over the driver's statistics whose names have `part` in them; none for a VLAN device.
    fn statistic(&self, part: &str) -> u64 {
        if self.device.vid() != 0 {
            return 0;
        }
        let all = (0..).map_while(self.port.statistics);
        all.filter(|statistic| statistic.name.contains(part))
            .fold(0, |sum, statistic| sum.saturating_add(statistic.value))
    }

    /// Frames that had no place to go, and those that were damaged.
    fn lost(&self) -> Lost {
        let counters = self.port.interface.counters();
        let is_card = self.device.vid() == 0;
        let reason = |reason| if is_card { counters.reason(reason) } else { 0 };
        Lost {
            errors: reason(Reason::DeviceError) + reason(Reason::Oversized),
            missed: self.statistic("missed"),
            not_sent: reason(Reason::NoTransmitSlot),
        }
    }
}

struct Lost {
    errors: u64,
    missed: u64,
    not_sent: u64,
}

/// `eth0.42@eth0`, or the name alone.
pub(crate) struct FullName<'a, 'v>(pub &'a DeviceView<'v>);

impl fmt::Display for FullName<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = clipped::<15>(self.0.device.name());
        match self.0.parent() {
            Some(parent) => f.pad(&clipped::<32>(format_args!("{name}@{parent}"))),
            None => f.pad(&name),
        }
    }
}

/// Flags between angle brackets.
struct Flags<I>(I);

impl<I: Iterator<Item = &'static str> + Clone> fmt::Display for Flags<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, flag) in self.0.clone().enumerate() {
            write!(f, "{}{flag}", if index == 0 { "<" } else { "," })?;
        }
        write!(f, ">")
    }
}

/// Writes the line with which every device begins, in `ip link` and in `ip addr`; `mode` is what only
/// the former has.
pub(crate) fn heading(
    found: &DeviceView<'_>,
    mode: &str,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    write!(
        out,
        "{}: {}: {} mtu {} qdisc noqueue state {} {mode}group default qlen 1000",
        found.ifindex,
        FullName(found),
        Flags(found.flags()),
        found.device.mtu(),
        found.state(),
    )?;
    Ok(Row::Written)
}

/// Writes line `row` behind the first of a device in `ip link` and `ip addr`; the station address, the
/// details.
pub(crate) fn details(
    row: usize,
    found: &DeviceView<'_>,
    options: Options,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let device = found.device;
    match row {
        0 => {
            let mac = found.port.interface.mac_address();
            write!(out, "    link/ether {mac} brd {}", MacAddress::BROADCAST)?;
            if options.details {
                write!(
                    out,
                    " promiscuity 0 allmulti 0 minmtu {MINIMUM_MTU} maxmtu {} ",
                    found.port.interface.maximum_mtu()
                )?;
            }
        }
        1 if options.details && device.vid() != 0 => write!(
            out,
            "    vlan protocol 802.1Q id {} <REORDER_HDR> addrgenmode none numtxqueues 1 numrxqueues 1 ",
            device.vid()
        )?,
        2 if options.details && device.vid() != 0 => {
            let pool = device.oob_pool();
            let in_filter = found.port.interface.vlan_filter().contains(device.vid());
            write!(
                out,
                "    oob_port {} pool {} bufsize {} filter {} ",
                if device.has_oob_port() { "on" } else { "off" },
                pool.buffers,
                pool.buffer_octets,
                if in_filter { "yes" } else { "no" },
            )?;
        }
        1 | 2 => return Ok(Row::Empty),
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

/// How many lines [`details`] has.
pub(crate) const DETAILS: usize = 3;

/// Writes line `row` of what passed through a device.
pub(crate) fn statistics(
    row: usize,
    found: &DeviceView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let (rx, tx) = found.traffic();
    let lost = found.lost();
    match row {
        0 => write!(
            out,
            "    RX:  bytes packets errors dropped  missed   mcast           "
        )?,
        1 => write!(
            out,
            "    {:>10} {:>7} {:>6} {:>7} {:>7} {:>7} ",
            rx.octets, rx.packets, lost.errors, 0, lost.missed, 0
        )?,
        2 => write!(
            out,
            "    TX:  bytes packets errors dropped carrier collsns           "
        )?,
        3 => write!(
            out,
            "    {:>10} {:>7} {:>6} {:>7} {:>7} {:>7} ",
            tx.octets, tx.packets, 0, lost.not_sent, 0, 0
        )?,
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

/// Writes what `ip -j link` and `ip -j addr` have in common, without the brace at the end.
pub(crate) fn json_heading(
    lead: &str,
    found: &DeviceView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    write!(out, "{lead}{{\"ifindex\":{},", found.ifindex)?;
    if let Some(parent) = found.parent() {
        write!(out, "\"link\":{},", Quoted(parent))?;
    }
    write!(
        out,
        "\"ifname\":{},\"flags\":{},\"mtu\":{},\"qdisc\":\"noqueue\",\"operstate\":\"{}\",",
        Quoted(found.device.name()),
        Array(found.flags().map(Quoted)),
        found.device.mtu(),
        found.state(),
    )?;
    Ok(Row::Written)
}

/// Writes line `row` of what follows that, up to what is an object's own.
pub(crate) fn json_details(
    row: usize,
    found: &DeviceView<'_>,
    options: Options,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let device = found.device;
    match row {
        0 => write!(
            out,
            "\"group\":\"default\",\"txqlen\":1000,\"link_type\":\"ether\",\"address\":\"{}\",\"broadcast\":\"{}\"",
            found.port.interface.mac_address(),
            MacAddress::BROADCAST,
        )?,
        1 if options.details => write!(
            out,
            ",\"promiscuity\":0,\"allmulti\":0,\"min_mtu\":{MINIMUM_MTU},\"max_mtu\":{},\"num_tx_queues\":1,\"num_rx_queues\":1",
            found.port.interface.maximum_mtu()
        )?,
        2 if options.details && device.vid() != 0 => {
            let pool = device.oob_pool();
            write!(
                out,
                ",\"linkinfo\":{{\"info_kind\":\"vlan\",\"info_data\":{{\"protocol\":\"802.1Q\",\"id\":{},\"flags\":[\"REORDER_HDR\"]}}}},\"oob_port\":{},\"oob_pool\":{},\"oob_bufsize\":{},\"oob_filter\":{}",
                device.vid(),
                device.has_oob_port(),
                pool.buffers,
                pool.buffer_octets,
                found.port.interface.vlan_filter().contains(device.vid()),
            )?;
        }
        3 if options.statistics => {
            let (rx, _) = found.traffic();
            let lost = found.lost();
            write!(
                out,
                ",\"stats64\":{{\"rx\":{{\"bytes\":{},\"packets\":{},\"errors\":{},\"dropped\":0,\"over_errors\":{},\"multicast\":0}},",
                rx.octets, rx.packets, lost.errors, lost.missed
            )?;
        }
        4 if options.statistics => {
            let (_, tx) = found.traffic();
            let lost = found.lost();
            write!(
                out,
                "\"tx\":{{\"bytes\":{},\"packets\":{},\"errors\":0,\"dropped\":{},\"carrier_errors\":0,\"collisions\":0}}}}",
                tx.octets, tx.packets, lost.not_sent
            )?;
        }
        1..=4 => return Ok(Row::Empty),
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

/// How many lines [`json_details`] has.
pub(crate) const JSON_DETAILS: usize = 5;

/// Writes a line of `ip link show`.
pub(super) fn row(
    due: Due,
    which: &Which,
    options: Options,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let Some(found) = view.device(due.item) else {
        return Ok(Row::End);
    };
    if !which.contains(&found) {
        return Ok(Row::Beyond);
    }
    let mac = found.port.interface.mac_address();
    match (due.row, options.brief, json) {
        (0, true, true) => {
            write!(out, "{}{{", due.lead)?;
            if let Some(parent) = found.parent() {
                write!(out, "\"link\":{},", Quoted(parent))?;
            }
            let (name, flags) = (
                Quoted(found.device.name()),
                Array(found.flags().map(Quoted)),
            );
            let state = found.state();
            write!(
                out,
                "\"ifname\":{name},\"operstate\":\"{state}\",\"address\":\"{mac}\",\"flags\":{flags}}}"
            )?;
            Ok(Row::Written)
        }
        (0, true, false) => {
            let (name, flags) = (FullName(&found), Flags(found.flags()));
            write!(out, "{name:<16} {:<14} {mac} {flags} ", found.state())?;
            Ok(Row::Written)
        }
        (_, true, _) => Ok(Row::Beyond),
        (0, false, true) => json_heading(due.lead, &found, out),
        (1, false, true) => {
            out.write_str("\"linkmode\":\"DEFAULT\",")?;
            json_details(0, &found, options, out)
        }
        (row, false, true) if row <= JSON_DETAILS => json_details(row - 1, &found, options, out),
        (row, false, true) => close(row - 1 - JSON_DETAILS, out),
        (0, false, false) if options.one_line => {
            heading(&found, "mode DEFAULT ", out)?;
            out.write_char('\\')?;
            details(0, &found, options, out)
        }
        (_, false, false) if options.one_line => Ok(Row::Beyond),
        (0, false, false) => heading(&found, "mode DEFAULT ", out),
        (row, false, false) if row <= DETAILS => details(row - 1, &found, options, out),
        (row, false, false) if options.statistics => statistics(row - 1 - DETAILS, &found, out),
        _ => Ok(Row::Beyond),
    }
}

/// Writes the brace at the end of an object.
pub(crate) fn close(row: usize, out: &mut dyn Write) -> Result<Row, fmt::Error> {
    if row > 0 {
        return Ok(Row::Beyond);
    }
    out.write_str("}")?;
    Ok(Row::Written)
}
