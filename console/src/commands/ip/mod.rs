//! `ip`: devices, addresses, routes and neighbors, in the words and the layout of iproute2.
//!
//! Options come first, then an object, then what is to be done with it; objects and verbs can be
//! abbreviated. What iproute2 has and the appliance does not is refused by name.

mod address;
mod link;
mod neighbor;
mod route;

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal};
use crate::listing::Cursor;
use crate::reply::Progress;
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "ip",
    synopsis: "ip [-br] [-d] [-s] [-o] [-4] link|addr|route|neigh [add|replace|del|flush|get|set|show] ...",
    summary: "show or change devices, addresses, routes and neighbors",
    words: &[
        ("link [show]", "[[dev] NAME] [up] [type vlan]"),
        (
            "link add",
            "link eth0 [name eth0.42] [mtu 1400] type vlan id 42",
        ),
        ("link set", "[dev] eth0.42 [up|down] [mtu 1400] [name lab]"),
        ("link del", "[dev] eth0.42"),
        ("addr [show]", "[[dev] NAME] [up] [type vlan]"),
        ("addr add|replace", "10.10.10.11/24 dev eth0.42"),
        ("addr del", "10.10.10.11/24 dev eth0.42"),
        ("addr flush", "[dev] eth0.42"),
        ("route [show]", "[default|10.0.0.0/8] [dev NAME]"),
        ("route get", "10.1.2.3"),
        (
            "route add|replace",
            "default|10.0.0.0/8 via 10.10.10.1 [dev eth0.42]",
        ),
        (
            "route del",
            "default|10.0.0.0/8 [via 10.10.10.1] [dev eth0.42]",
        ),
        (
            "neigh [show]",
            "[10.10.10.10] [dev NAME] [nud reachable|stale|incomplete|permanent|all]",
        ),
        (
            "neigh add|replace",
            "10.10.10.10 lladdr 02:00:00:00:00:01 dev eth0.42",
        ),
        ("neigh del", "10.10.10.10 dev eth0.42"),
        ("neigh flush", "[all] [dev NAME]"),
        ("-br", "one line for each"),
        (
            "-d",
            "with details: the VLAN and the out-of-band port of a device",
        ),
        ("-s", "with what passed through"),
        ("-o", "each thing on one line, for scripts"),
        ("-4", "only devices with an IPv4 address"),
    ],
    examples: &[
        "ip link add link eth0 name eth0.42 type vlan id 42",
        "ip addr add 10.10.10.11/24 dev eth0.42",
        "ip -br addr show dev eth0.42",
    ],
    complete,
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "ip" };
const OBJECTS: &[&str] = &["link", "address", "route", "neighbour"];
/// As people type them.
const SHORT_OBJECTS: &[&str] = &["link", "addr", "route", "neigh"];

/// What `ip` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    pub(crate) options: Options,
    pub(crate) action: Action,
}

/// How much is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub brief: bool,
    pub details: bool,
    pub statistics: bool,
    /// Only devices with an IPv4 address, in `ip addr`.
    pub ipv4_only: bool,
    /// Each thing on one line, with `\\` where another would begin.
    pub one_line: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Link(link::Action),
    Address(address::Action),
    Route(route::Action),
    Neighbor(neighbor::Action),
}

fn complete(before: &[&str]) -> Completion {
    let mut words = before.iter().filter(|word| !word.starts_with('-'));
    let Some(object) = words.next() else {
        return Completion::words(&[
            "link", "addr", "route", "neigh", "-br", "-d", "-s", "-o", "-4", "-j",
        ]);
    };
    let is_first = words.next().is_none();
    let object = OBJECTS.iter().find(|whole| whole.starts_with(object));
    match (object, is_first) {
        (Some(&"link"), true) => Completion::words(&["add", "del", "set", "show"]),
        (Some(&"link"), false) => Completion::with_interfaces(&[
            "link", "name", "type", "vlan", "id", "dev", "up", "down", "mtu",
        ]),
        (Some(&"address"), true) => Completion::words(&["add", "del", "flush", "show"]),
        (Some(&"address"), false) => Completion::with_interfaces(&["dev"]),
        (Some(&"route"), true) => Completion::words(&["add", "del", "get", "replace", "show"]),
        (Some(&"route"), false) => Completion::with_interfaces(&["default", "via", "dev"]),
        (Some(&"neighbour"), true) => {
            Completion::words(&["add", "del", "flush", "replace", "show"])
        }
        _ => Completion::with_interfaces(&["lladdr", "dev", "nud", "permanent", "all"]),
    }
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let options = options(words)?;
    let object = words.next().ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })?;
    // iproute2's own spellings beside its first ones.
    let object = match object {
        "neighbor" => "neighbour",
        other => match READER.abbreviated(other, OBJECTS) {
            Ok(object) => object,
            Err(_) => return Err(READER.none_of(other, SHORT_OBJECTS)),
        },
    };
    let action = match object {
        "link" => Action::Link(link::parse(words)?),
        "address" => Action::Address(address::parse(words)?),
        "route" => Action::Route(route::parse(words)?),
        _ => Action::Neighbor(neighbor::parse(words)?),
    };
    Ok(Command::Ip(Ip { options, action }))
}

fn options(words: &mut Words<'_>) -> Result<Options, Mistake> {
    const KNOWN: &[&str] = &["-brief", "-details", "-statistics", "-stats"];
    const IPV4_ONLY: &str = "the appliance speaks IPv4 only";
    let mut options = Options::default();
    while let Some(word) = words.peek().filter(|word| word.starts_with('-')) {
        words.next();
        match word {
            "-c" | "-color" | "-p" | "-pretty" => {}
            "-4" => options.ipv4_only = true,
            "-o" | "-oneline" => options.one_line = true,
            "-6" => return Err(READER.not_supported(word, IPV4_ONLY)),
            "-f" | "-family" => match READER.value(words, "-family", "'inet'")? {
                "inet" => options.ipv4_only = true,
                other => return Err(READER.not_supported(other, IPV4_ONLY)),
            },
            "-human" | "-human-readable" | "-iec" => {
                return Err(READER.not_supported(word, "figures are whole numbers; -h is help"));
            }
            "-s" => options.statistics = true,
            word => match READER.abbreviated(word, KNOWN)? {
                "-brief" => options.brief = true,
                "-details" => options.details = true,
                _ => options.statistics = true,
            },
        }
    }
    if options.one_line && (options.details || options.statistics) {
        const REASON: &str = "with -d or -s a line would be too long; -br and -j go with them";
        return Err(READER.not_supported("-o", REASON));
    }
    Ok(options)
}

/// Does it.
pub(crate) fn carry_out(ip: &Ip, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match &ip.action {
        Action::Link(action) => link::carry_out(action, cards),
        Action::Address(action) => address::carry_out(action, cards),
        Action::Route(action) => route::carry_out(action, cards),
        Action::Neighbor(action) => neighbor::carry_out(action, cards),
    }
}

/// Writes the next line of the reply.
pub(crate) fn line(
    ip: &Ip,
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let options = ip.options;
    match &ip.action {
        Action::Link(link::Action::Show(which)) => cursor.next_line(json, out, |due, out| {
            link::row(due, which, options, json, view, out)
        }),
        Action::Address(address::Action::Show(which)) => cursor.next_line(json, out, |due, out| {
            address::row(due, which, options, json, view, out)
        }),
        Action::Address(address::Action::Add { cidr, device, .. }) => cursor.once(
            |out| address::added(0, (*cidr, device.as_str()), json, view, out),
            out,
        ),
        Action::Route(action) => match action {
            route::Action::Show(which) => cursor.next_line(json, out, |due, out| {
                route::row(due, which, json, view, out)
            }),
            route::Action::Get(destination) => cursor.next_line(json, out, |due, out| {
                route::row_to(due, *destination, json, view, out)
            }),
            _ => Ok(Progress::Done),
        },
        Action::Neighbor(neighbor::Action::Show(which)) => {
            cursor.next_line(json, out, |due, out| {
                neighbor::row(due, which, json, view, out)
            })
        }
        _ => Ok(Progress::Done),
    }
}
