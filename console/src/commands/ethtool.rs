//! `ethtool`: a card, its driver's statistics and what it does on its own.

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Word};
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::{PortView, StatusView};
use crate::words::Words;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "ethtool",
    synopsis: "ethtool [-S|-i|-k|-a|-A] CARD",
    summary: "a card's link, statistics and features",
    words: &[
        ("-S", "the card's own statistics"),
        ("-i", "the driver"),
        ("-k", "what the card does on its own"),
        ("-a", "flow control"),
        ("-A CARD rx off tx off", "turn flow control off, as it is"),
    ],
    examples: &["ethtool eth0", "ethtool -S eth0"],
    complete: |_| Completion::with_interfaces(&["-S", "-i", "-k", "-a", "-A"]),
    test_only: false,
    parse,
};

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
    Pause,
    SetPause,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "ethtool" };
    const EXPECTED: &[&str] = &["-S", "-i", "-k", "-a", "-A"];
    let topic = match words.peek() {
        Some("-S" | "--statistics") => Topic::Statistics,
        Some("-i" | "--driver") => Topic::Driver,
        Some("-k" | "--show-features") => Topic::Features,
        Some("-a" | "--show-pause") => Topic::Pause,
        Some("-A" | "--pause") => Topic::SetPause,
        Some(option) if option.starts_with('-') => {
            words.next();
            return Err(READER.none_of(option, EXPECTED));
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
    if topic == Topic::SetPause {
        while let Some(word) = words.next() {
            if !matches!(word, "rx" | "tx" | "autoneg") {
                return Err(READER.none_of(word, &["rx", "tx", "autoneg"]));
            }
            match READER.value(words, "-A", "'off'")? {
                "off" => {}
                other => {
                    let reason = "flow control is always off: a pause would delay answers";
                    return Err(READER.not_supported(other, reason));
                }
            }
        }
    }
    Ok(Command::Ethtool(Ethtool { card, topic }))
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
    if ethtool.topic == Topic::SetPause {
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
        (Topic::Pause, 1) => write!(out, "RX:\t\toff")?,
        (Topic::Pause, 2) => write!(out, "TX:\t\toff")?,
        (Topic::Features, row) => match FEATURES.get(row) {
            Some((name, on)) => write!(out, "{name}: {} [fixed]", if *on { "on" } else { "off" })?,
            None => return Ok(Progress::Done),
        },
        _ => return Ok(Progress::Done),
    }
    Ok(Progress::Line)
}

/// What a card is made to do on its own: next to nothing, because the stack checks everything itself.
const FEATURES: &[(&str, bool)] = &[
    ("rx-checksumming", false),
    ("tx-checksumming", false),
    ("scatter-gather", false),
    ("tcp-segmentation-offload", false),
    ("generic-receive-offload", false),
    ("rx-vlan-offload", false),
    ("tx-vlan-offload", false),
    ("rx-vlan-filter", true),
];

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
            for (name, on) in FEATURES {
                write!(out, ",\"{name}\":{on}")?;
            }
            out.write_str("}]")?;
        }
        _ => write!(
            out,
            "[{{\"ifname\":{name},\"autonegotiate\":false,\"rx\":false,\"tx\":false}}]"
        )?,
    }
    Ok(Progress::Line)
}
