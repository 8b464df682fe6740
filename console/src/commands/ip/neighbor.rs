//! `ip neigh`: who is known on the VLANs.

use super::route::name_of;
use crate::cards::{Cards, Place};
use crate::commands::arguments::Reader;
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::listing::{Due, Row};
use crate::text::clipped;
use crate::view::{Look, PortView, StatusView};
use crate::words::Words;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;
use pollux_net::neighbor::{Listed, State};
use pollux_net::wire::ethernet::MacAddress;

const READER: Reader = Reader {
    command: "ip neigh",
};
const VERBS: &[&str] = &[
    "add", "delete", "replace", "change", "show", "list", "lst", "flush",
];
const DEVICE: &str = "'dev NAME': the interface";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Which),
    Enter {
        over: Over,
        address: Ipv4Addr,
        mac: MacAddress,
        device: Word,
    },
    Delete {
        address: Ipv4Addr,
        device: Word,
    },
    /// All that were learned, or those of one device.
    Flush(Option<Word>),
}

/// In place of what an entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// `add`: of nothing that the operator entered. What was learned gives way, or a start-up file would depend on who
    /// talks first.
    Learned,
    /// `change`: of something.
    Known,
    /// `replace`: of anything, or nothing.
    Anything,
}

/// Which neighbors are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    device: Option<Word>,
    address: Option<Ipv4Addr>,
    state: Option<State>,
}

pub(super) fn parse(words: &mut Words<'_>) -> Result<Action, Mistake> {
    let Some(verb) = words.next() else {
        return Ok(Action::Show(Which::default()));
    };
    match READER.abbreviated(verb, VERBS)? {
        verb @ ("add" | "replace" | "change") => {
            let (which, mac) = arguments(words, false)?;
            let address = which.address.ok_or(missing(verb, "an IPv4 address"))?;
            let mac = mac.ok_or(missing(verb, "'lladdr MAC'"))?;
            let device = which.device.ok_or(missing(verb, DEVICE))?;
            let over = match verb {
                "add" => Over::Learned,
                "change" => Over::Known,
                _ => Over::Anything,
            };
            Ok(Action::Enter {
                over,
                address,
                mac,
                device,
            })
        }
        "delete" => {
            let (which, _) = arguments(words, false)?;
            let address = which.address.ok_or(missing("del", "an IPv4 address"))?;
            let device = which.device.ok_or(missing("del", DEVICE))?;
            Ok(Action::Delete { address, device })
        }
        "flush" => {
            words.take_if("all");
            let is_named = words.take_if("dev");
            match words.next() {
                Some(name) => Ok(Action::Flush(Some(clipped(name)))),
                None if is_named => Err(missing("dev", "the name of an interface")),
                None => Ok(Action::Flush(None)),
            }
        }
        _ => Ok(Action::Show(arguments(words, true)?.0)),
    }
}

const fn missing(after: &'static str, expected: &'static str) -> Mistake {
    Mistake::MissingValue {
        command: READER.command,
        after,
        expected,
    }
}

/// Reads `[to] ADDRESS`, `lladdr MAC`, `dev NAME` and `nud permanent`, in any order; where neighbors are shown, those of
/// any state can be asked for.
fn arguments(
    words: &mut Words<'_>,
    is_shown: bool,
) -> Result<(Which, Option<MacAddress>), Mistake> {
    const EXPECTED: &[&str] = &["lladdr", "dev", "nud"];
    let mut which = Which::default();
    let mut mac = None;
    while let Some(word) = words.next() {
        match word {
            "to" => {}
            "dev" => which.device = Some(READER.device(words, "dev")?),
            "lladdr" => {
                let word = READER.value(words, "lladdr", "a station address")?;
                mac = Some(READER.mac(word)?);
            }
            "nud" => match READER.value(words, "nud", "'permanent'")? {
                "all" => which.state = None,
                known if is_shown => which.state = Some(state_named(known)?),
                "permanent" => {}
                other => {
                    return Err(READER.not_supported(other, "an entry that is made is permanent"));
                }
            },
            "proxy" | "router" | "extern_learn" => {
                return Err(READER.not_supported(word, "an entry has 'lladdr' and 'dev'"));
            }
            word if which.address.is_none() => {
                if word.starts_with(|first: char| first.is_ascii_digit()) {
                    which.address = Some(READER.address(word)?);
                } else {
                    return Err(READER.none_of(word, EXPECTED));
                }
            }
            other => return Err(READER.none_of(other, EXPECTED)),
        }
    }
    Ok((which, mac))
}

pub(super) fn carry_out(action: &Action, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let now = cards.now();
    match action {
        Action::Show(which) => match &which.device {
            Some(name) => cards.find(name).map(|_| ()),
            None => Ok(()),
        },
        Action::Enter {
            over,
            address,
            mac,
            device,
        } => {
            let Place { card, vid } = cards.find(device)?;
            let interface = cards.interface(card)?;
            let known = interface.neighbors();
            match over {
                Over::Learned if known.is_permanent(vid, *address) => {
                    return Err(Refusal::NeighborExists(*address));
                }
                Over::Known if known.find(vid, *address).is_none() => {
                    return Err(Refusal::NoSuchNeighbor(*address));
                }
                Over::Learned | Over::Known | Over::Anything => {}
            }
            let added = interface.add_neighbor(vid, *address, *mac, now);
            added.map_err(|error| Refusal::Neighbor {
                subject: clipped(address),
                error,
            })
        }
        Action::Delete { address, device } => {
            let Place { card, vid } = cards.find(device)?;
            match cards.interface(card)?.remove_neighbor(vid, *address) {
                true => Ok(()),
                false => Err(Refusal::NoSuchNeighbor(*address)),
            }
        }
        Action::Flush(None) => {
            for interface in cards.iter_mut() {
                interface.flush_neighbors(None);
            }
            Ok(())
        }
        Action::Flush(Some(device)) => {
            let Place { card, vid } = cards.find(device)?;
            cards.interface(card)?.flush_neighbors(Some(vid));
            Ok(())
        }
    }
}

/// What can stand behind `nud` where neighbors are shown.
const STATES: &[&str] = &["permanent", "reachable", "stale", "incomplete", "all"];

fn state_named(word: &str) -> Result<State, Mistake> {
    Ok(match word {
        "permanent" => State::Permanent,
        "reachable" => State::Reachable,
        "stale" => State::Stale,
        "incomplete" => State::Incomplete,
        other => return Err(READER.none_of(other, STATES)),
    })
}

/// The state as iproute2 names it.
const fn name(state: State) -> &'static str {
    match state {
        State::Incomplete => "INCOMPLETE",
        State::Reachable => "REACHABLE",
        State::Stale => "STALE",
        State::Permanent => "PERMANENT",
    }
}

/// Writes a line of `ip neigh show`.
pub(super) fn row(
    due: Due,
    which: &Which,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    if due.row > 0 {
        return Ok(Row::Beyond);
    }
    let is_meant = |port: &PortView<'_>, known: &Listed| {
        let is_device = |device: &str| device == name_of(port, known.vid);
        which.device.as_deref().is_none_or(is_device)
            && which.address.is_none_or(|address| address == known.address)
            && which.state.is_none_or(|state| state == known.state)
    };
    let (port, known) = match view.neighbor(due.item, is_meant) {
        Look::Found(found) => found,
        Look::Ahead(places) => return Ok(Row::Ahead(places)),
        Look::Over => return Ok(Row::End),
    };
    let (address, device) = (known.address, name_of(port, known.vid));
    let state = name(known.state);
    match (known.mac, json) {
        (Some(mac), false) => write!(out, "{address} dev {device} lladdr {mac} {state} ")?,
        (None, false) => write!(out, "{address} dev {device} {state} ")?,
        (mac, true) => {
            let device = Quoted(device);
            write!(out, "{}{{\"dst\":\"{address}\",\"dev\":{device},", due.lead)?;
            if let Some(mac) = mac {
                write!(out, "\"lladdr\":\"{mac}\",")?;
            }
            write!(out, "\"state\":[\"{state}\"]}}")?;
        }
    }
    Ok(Row::Written)
}
