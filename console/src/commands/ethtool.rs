//! `ethtool`: a card, its driver's statistics and what it does on its own.

use super::arguments::Reader;
use super::status::VlanList;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::{clipped, text};
use crate::view::{PortView, StatusView};
use crate::words::Words;
use alloc::string::String;
use core::fmt::{self, Write};
use pollux_net::device::FlowControl;
use pollux_net::interface::Interface;
use pollux_net::vlan::VlanSet;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "ethtool",
    synopsis: "ethtool [-S|-i|-k|-K|-a|-A] CARD",
    summary: "a card's link, statistics and features",
    words: &[
        ("-S", "the card's own statistics"),
        ("-i", "the driver"),
        ("-k", "what the card does on its own"),
        (
            "-K CARD rx-vlan-filter off",
            "have frames of all VLANs come in and be counted; or on",
        ),
        (
            "-K CARD rx off",
            "do not believe the card that a checksum is right; or on",
        ),
        ("-a", "flow control"),
        ("-A CARD rx off tx off", "turn flow control off, or on"),
    ],
    examples: &["ethtool eth0", "ethtool -S eth0"],
    complete: |_| Completion::with_interfaces(OPTIONS),
    test_only: false,
    parse,
};

const OPTIONS: &[&str] = &["-S", "-i", "-k", "-K", "-a", "-A"];
/// What a card does on its own and can be told not to.
const VLAN_FILTER: &str = "rx-vlan-filter";
const CHECKSUMS: &str = "rx-checksumming";
/// What [`CHECKSUMS`] is called where it is switched, as `ethtool` has it.
const CHECKSUMS_SHORT: &str = "rx";

/// Which card, and what about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethtool {
    pub(crate) card: Word,
    topic: Topic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Settings,
    Statistics,
    Driver,
    Features,
    SetFeatures(Features),
    Pause,
    SetPause(Pauses),
}

/// What a card is to do on its own from now on, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Features {
    vlan_filter: Option<bool>,
    checksums: Option<bool>,
}

/// What of flow control is to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pauses {
    receive: Option<bool>,
    transmit: Option<bool>,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "ethtool" };
    let topic = match words.peek() {
        Some("-S" | "--statistics") => Topic::Statistics,
        Some("-i" | "--driver") => Topic::Driver,
        Some("-k" | "--show-features") => Topic::Features,
        Some("-K" | "--features" | "--offload") => Topic::SetFeatures(Features::default()),
        Some("-a" | "--show-pause") => Topic::Pause,
        Some("-A" | "--pause") => Topic::SetPause(Pauses::default()),
        Some(option) if option.starts_with('-') => {
            words.next();
            return Err(READER.none_of(option, OPTIONS));
        }
        _ => Topic::Settings,
    };
    if topic != Topic::Settings {
        words.next();
    }
    let card = words.next().ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })?;
    let card = clipped(card);
    let topic = match topic {
        Topic::SetPause(_) => Topic::SetPause(parse_pauses(READER, words)?),
        Topic::SetFeatures(_) => Topic::SetFeatures(parse_features(READER, words)?),
        topic => topic,
    };
    Ok(Command::Ethtool(Ethtool { card, topic }))
}

fn parse_features(reader: Reader, words: &mut Words<'_>) -> Result<Features, Mistake> {
    let mut features = Features::default();
    let mut feature = reader.value(words, "-K", "rx or rx-vlan-filter and 'on' or 'off'")?;
    loop {
        match feature {
            VLAN_FILTER => features.vlan_filter = Some(on_or_off(reader, words, VLAN_FILTER)?),
            CHECKSUMS | CHECKSUMS_SHORT => {
                let typed = if feature == CHECKSUMS {
                    CHECKSUMS
                } else {
                    CHECKSUMS_SHORT
                };
                features.checksums = Some(on_or_off(reader, words, typed)?);
            }
            _ if NOT_DONE.contains(&feature) => {
                let reason = "the stack does it; rx and rx-vlan-filter can be changed";
                return Err(reader.not_supported(feature, reason));
            }
            _ => return Err(reader.none_of(feature, &[CHECKSUMS_SHORT, VLAN_FILTER])),
        }
        match words.next() {
            Some(next) => feature = next,
            None => return Ok(features),
        }
    }
}

fn on_or_off(reader: Reader, words: &mut Words<'_>, after: &'static str) -> Result<bool, Mistake> {
    match reader.value(words, after, "'on' or 'off'")? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(reader.none_of(other, &["on", "off"])),
    }
}

fn parse_pauses(reader: Reader, words: &mut Words<'_>) -> Result<Pauses, Mistake> {
    let mut pauses = Pauses::default();
    while let Some(word) = words.next() {
        if !matches!(word, "rx" | "tx" | "autoneg") {
            return Err(reader.none_of(word, &["rx", "tx", "autoneg"]));
        }
        let given = reader.value(words, "-A", "'on' or 'off'")?;
        let on = match given {
            "on" => true,
            "off" => false,
            other => return Err(reader.none_of(other, &["on", "off"])),
        };
        match word {
            "rx" => pauses.receive = Some(on),
            "tx" => pauses.transmit = Some(on),
            _ if on => {
                let reason = "what is set here is done, whatever the link's other end can do";
                return Err(reader.not_supported(given, reason));
            }
            _ => {}
        }
    }
    Ok(pauses)
}

/// Finds the card, and changes its flow control or its features where that is asked for.
pub(crate) fn carry_out(ethtool: &Ethtool, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let card = cards.card_called(&ethtool.card)?;
    let interface = cards.interface(card)?;
    let pauses = match ethtool.topic {
        Topic::SetPause(pauses) => pauses,
        Topic::SetFeatures(features) => return set_features(features, &ethtool.card, interface),
        _ => return Ok(()),
    };
    let Some(mut flow_control) = interface.flow_control() else {
        // What is off already may be switched off.
        return match (pauses.receive, pauses.transmit) {
            (Some(true), _) | (_, Some(true)) => Err(Refusal::NoFlowControl(ethtool.card.clone())),
            _ => Ok(()),
        };
    };
    flow_control.receive = pauses.receive.unwrap_or(flow_control.receive);
    flow_control.transmit = pauses.transmit.unwrap_or(flow_control.transmit);
    interface.set_flow_control(flow_control);
    Ok(())
}

/// Has a card do something on its own, or not. What it cannot do is off already.
fn set_features(features: Features, card: &Word, interface: &mut Interface) -> Result<(), Refusal> {
    if features.vlan_filter == Some(true) && !interface.card_can_filter_vlans() {
        return Err(Refusal::NoVlanFilter(card.clone()));
    }
    if features.checksums == Some(true) && !interface.card_can_verify_checksums() {
        return Err(Refusal::NoChecksums(card.clone()));
    }
    if let Some(filter) = features.vlan_filter
        && interface.card_can_filter_vlans()
    {
        interface.set_card_to_filter_vlans(filter);
    }
    if let Some(verify) = features.checksums
        && interface.card_can_verify_checksums()
    {
        interface.set_card_to_verify_checksums(verify);
    }
    Ok(())
}

/// Writes line `row` of the reply.
pub(crate) fn line(
    ethtool: &Ethtool,
    row: usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let mut ports = view.ports.iter();
    let Some(port) = ports.find(|port| port.name == ethtool.card.as_str()) else {
        return Ok(Progress::Done);
    };
    if matches!(ethtool.topic, Topic::SetPause(_) | Topic::SetFeatures(_)) {
        return Ok(Progress::Done);
    }
    if json {
        return json_line(ethtool.topic, row, port, view, out);
    }
    let name = clipped::<15>(port.name);
    if row == 0 {
        match ethtool.topic {
            Topic::Settings => write!(out, "Settings for {name}:")?,
            Topic::Statistics => write!(out, "NIC statistics:")?,
            Topic::Driver => write!(out, "driver: {}", clipped::<40>(port.driver))?,
            Topic::Features => write!(out, "Features for {name}:")?,
            _ => write!(out, "Pause parameters for {name}:")?,
        }
        return Ok(Progress::Line);
    }
    let row = row - 1;
    if ethtool.topic == Topic::Statistics {
        let Some(statistic) = (port.statistics)(row) else {
            return Ok(Progress::Done);
        };
        write!(
            out,
            "     {}: {}",
            clipped::<40>(statistic.name),
            statistic.value
        )?;
        return Ok(Progress::Line);
    }
    let link = port.link;
    let pauses = port.interface.flow_control().unwrap_or_default();
    match (ethtool.topic, row) {
        (Topic::Settings, 0) if link.up && link.speed_mbps > 0 => {
            write!(out, "\tSpeed: {}Mb/s", link.speed_mbps)?;
        }
        (Topic::Settings, 0) => write!(out, "\tSpeed: Unknown!")?,
        (Topic::Settings, 1) => write!(out, "\tDuplex: {}", duplex(port))?,
        (Topic::Settings, 2) => write!(out, "\tLink detected: {}", yes(link.up))?,
        (Topic::Driver, 0) => write!(out, "version: {}", clipped::<40>(view.version))?,
        (Topic::Driver, 1) => write!(out, "model: {}", clipped::<40>(port.model))?,
        (Topic::Pause, 0) => write!(out, "Autonegotiate:\toff")?,
        (Topic::Pause, 1) => write!(out, "RX:\t\t{}", on(pauses.receive))?,
        (Topic::Pause, 2) => write!(out, "TX:\t\t{}", on(pauses.transmit))?,
        (Topic::Features, row) => match features(port).nth(row) {
            Some((name, is)) => write!(out, "{name}: {}{}", on(is), remark(name, is, port))?,
            None => return Ok(Progress::Done),
        },
        _ => return Ok(Progress::Done),
    }
    Ok(Progress::Line)
}

/// What no card is made to do on its own, because the stack does it.
const NOT_DONE: [&str; 6] = [
    "tx-checksumming",
    "scatter-gather",
    "tcp-segmentation-offload",
    "generic-receive-offload",
    "rx-vlan-offload",
    "tx-vlan-offload",
];

/// What a card does on its own, as far as it can and is to: it says of datagrams that their checksum is right, and keeps frames of
/// other VLANs away. The stack checks everything else itself.
fn features(port: &PortView<'_>) -> impl Iterator<Item = (&'static str, bool)> {
    let interface = port.interface;
    let verifies = interface.card_can_verify_checksums() && interface.is_card_to_verify_checksums();
    let not_done = NOT_DONE.iter().map(|&name| (name, false));
    [(CHECKSUMS, verifies)]
        .into_iter()
        .chain(not_done)
        .chain([(VLAN_FILTER, interface.card_filters_vlans())])
}

/// What stands behind a feature, in the words of `ethtool`.
fn remark(name: &str, is: bool, port: &PortView<'_>) -> &'static str {
    let interface = port.interface;
    match name {
        VLAN_FILTER if interface.card_can_filter_vlans() => {
            // While a program is loaded, which sees frames of all VLANs.
            let is_requested = !is && interface.is_card_to_filter_vlans();
            if is_requested { " [requested on]" } else { "" }
        }
        CHECKSUMS if interface.card_can_verify_checksums() => "",
        _ => " [fixed]",
    }
}

/// Says of a card that filters VLANs what it keeps away, for who looks for a frame and finds no trace of it.
pub(super) fn filters_vlans(port: &PortView<'_>) -> Option<String> {
    let interface = port.interface;
    if !interface.card_filters_vlans() {
        return None;
    }
    let mut others = VlanSet::new();
    let accepted = interface.accepted_vlans();
    // 0 stands for frames without a VLAN, which a card does not filter.
    accepted
        .iter()
        .filter(|&vid| vid > 0)
        .for_each(|vid| others.insert(vid));
    let frames = match others.is_empty() {
        true => text!("frames of all VLANs"),
        false => text!("frames of VLANs other than {}", VlanList(&others)),
    };
    let name = clipped::<15>(port.name);
    Some(text!(
        "({name} itself discards {frames}: 'ethtool -K {name} rx-vlan-filter off' has them counted)"
    ))
}

/// As `ethtool` has it.
pub(crate) const fn on(is: bool) -> &'static str {
    if is { "on" } else { "off" }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

const fn duplex(port: &PortView<'_>) -> &'static str {
    match (port.link.up, port.link.full_duplex) {
        (false, _) => "Unknown!",
        (true, true) => "Full",
        (true, false) => "Half",
    }
}

fn json_line(
    topic: Topic,
    row: usize,
    port: &PortView<'_>,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let name = Quoted(clipped::<15>(port.name));
    if topic == Topic::Statistics {
        let before = row.checked_sub(1).map(|before| (port.statistics)(before));
        match ((port.statistics)(row), before) {
            (Some(statistic), None) => {
                let first = Quoted(clipped::<40>(statistic.name));
                write!(out, "[{{\"ifname\":{name},{first}:{}", statistic.value)?;
            }
            (Some(statistic), _) => {
                let next = Quoted(clipped::<40>(statistic.name));
                write!(out, ",{next}:{}", statistic.value)?;
            }
            (None, None) => write!(out, "[{{\"ifname\":{name}}}]")?,
            (None, Some(Some(_))) => out.write_str("}]")?,
            (None, Some(None)) => return Ok(Progress::Done),
        }
        return Ok(Progress::Line);
    }
    if row > 0 {
        return Ok(Progress::Done);
    }
    match topic {
        Topic::Settings => write!(
            out,
            "[{{\"ifname\":{name},\"speed\":{},\"duplex\":\"{}\",\"link-detected\":{}}}]",
            port.link.speed_mbps,
            duplex(port),
            port.link.up
        )?,
        Topic::Driver => write!(
            out,
            "[{{\"ifname\":{name},\"driver\":{},\"version\":{},\"model\":{}}}]",
            Quoted(clipped::<40>(port.driver)),
            Quoted(clipped::<40>(view.version)),
            Quoted(clipped::<40>(port.model))
        )?,
        Topic::Features => {
            write!(out, "[{{\"ifname\":{name}")?;
            for (name, on) in features(port) {
                write!(out, ",\"{name}\":{on}")?;
            }
            out.write_str("}]")?;
        }
        _ => {
            let FlowControl { receive, transmit } =
                port.interface.flow_control().unwrap_or_default();
            write!(
                out,
                "[{{\"ifname\":{name},\"autonegotiate\":false,\"rx\":{receive},\"tx\":{transmit}}}]"
            )?;
        }
    }
    Ok(Progress::Line)
}
