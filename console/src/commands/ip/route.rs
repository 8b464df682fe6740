//! `ip route`: where datagrams of our own go first.

use crate::cards::{Cards, Place};
use crate::commands::arguments::Reader;
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::listing::{Due, Row};
use crate::text::clipped;
use crate::view::{PortView, StatusView};
use crate::words::Words;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;
use pollux_net::interface::{Interface, Ipv4Cidr};
use pollux_net::route::{Route, RouteError, Via};

const READER: Reader = Reader {
    command: "ip route",
};
const VERBS: &[&str] = &[
    "list", "lst", "show", "add", "delete", "replace", "change", "get",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Which),
    /// Where datagrams to one destination go.
    Get(Ipv4Addr),
    Add {
        route: Target,
        gateway: Ipv4Addr,
        /// Whether one that exists gives way.
        replace: bool,
    },
    Delete {
        route: Target,
        gateway: Option<Ipv4Addr>,
    },
}

/// Which routes are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    device: Option<Word>,
    network: Option<Ipv4Cidr>,
}

/// A network, and the device through which it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    network: Ipv4Cidr,
    /// As it was typed.
    word: Word,
    device: Option<Word>,
}

pub(super) fn parse(words: &mut Words<'_>) -> Result<Action, Mistake> {
    let Some(verb) = words.next() else {
        return Ok(Action::Show(Which::default()));
    };
    match READER.abbreviated(verb, VERBS)? {
        "add" => add(words, "add", false),
        "replace" | "change" => add(words, "replace", true),
        "delete" => {
            let (route, gateway) = target(words, "del")?;
            Ok(Action::Delete { route, gateway })
        }
        "get" => {
            let word = READER.value(words, "get", "an IPv4 address")?;
            READER.address(word).map(Action::Get)
        }
        _ => which(words).map(Action::Show),
    }
}

/// Reads `[NETWORK] [dev NAME]`. There is one table.
fn which(words: &mut Words<'_>) -> Result<Which, Mistake> {
    let mut which = Which::default();
    while let Some(word) = words.next() {
        match word {
            "dev" => which.device = Some(READER.device(words, "dev")?),
            "table" => match READER.value(words, "table", "'main'")? {
                "main" | "all" => {}
                other => return Err(READER.not_supported(other, "there is one table, 'main'")),
            },
            "default" => which.network = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0),
            word if word.starts_with(|first: char| first.is_ascii_digit()) => {
                which.network = Some(READER.cidr(word)?);
            }
            other => return Err(READER.none_of(other, &["dev", "table"])),
        }
    }
    Ok(which)
}

fn add(words: &mut Words<'_>, verb: &'static str, replace: bool) -> Result<Action, Mistake> {
    let (route, gateway) = target(words, verb)?;
    let gateway = gateway.ok_or(Mistake::MissingValue {
        command: READER.command,
        after: verb,
        expected: "'NETWORK via GATEWAY'; networks on link come with 'ip addr add'",
    })?;
    Ok(Action::Add {
        route,
        gateway,
        replace,
    })
}

/// Reads `NETWORK [via GATEWAY] [dev NAME]`.
fn target(
    words: &mut Words<'_>,
    verb: &'static str,
) -> Result<(Target, Option<Ipv4Addr>), Mistake> {
    const EXPECTED: &[&str] = &["via", "dev"];
    let (mut given, mut gateway, mut device) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            "via" => {
                let word = READER.value(words, "via", "the address of a gateway")?;
                gateway = Some(READER.address(word)?);
            }
            "dev" => device = Some(READER.device(words, "dev")?),
            "default" if given.is_none() => {
                given = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0).map(|all| (all, word));
            }
            "metric" | "src" | "table" | "scope" | "proto" | "protocol" | "onlink" | "mtu"
            | "nexthop" | "advmss" => {
                return Err(READER.not_supported(word, "a route has 'via' and 'dev'"));
            }
            word if given.is_none() => given = Some((READER.cidr(word)?, word)),
            other => return Err(READER.none_of(other, EXPECTED)),
        }
    }
    let (network, word) = given.ok_or(Mistake::MissingValue {
        command: READER.command,
        after: verb,
        expected: "'default' or a network, such as 10.0.0.0/8",
    })?;
    let route = Target {
        network,
        word: clipped(word),
        device,
    };
    Ok((route, gateway))
}

impl Target {
    fn refused(&self, error: RouteError) -> Refusal {
        Refusal::Route {
            subject: self.word.clone(),
            error,
        }
    }

    /// The place of its device, if it names one.
    fn place(&self, cards: &Cards<'_>) -> Result<Option<Place>, Refusal> {
        self.device
            .as_deref()
            .map(|name| cards.find(name))
            .transpose()
    }

    /// Has `work` done by the card of its device, or by the first card that does not say that it is
    /// `another`'s matter.
    fn on_a_card<T>(
        &self,
        cards: &mut Cards<'_>,
        another: impl Fn(&RouteError) -> bool,
        mut work: impl FnMut(&mut Interface, Option<u16>) -> Result<T, RouteError>,
    ) -> Result<T, Refusal> {
        if let Some(place) = self.place(cards)? {
            let interface = cards.interface(place.card)?;
            return work(interface, Some(place.vid)).map_err(|error| self.refused(error));
        }
        let mut last = Err(Refusal::NoCard);
        for interface in cards.iter_mut() {
            match work(interface, None) {
                Ok(done) => return Ok(done),
                Err(error) if another(&error) => last = Err(self.refused(error)),
                Err(error) => return Err(self.refused(error)),
            }
        }
        last
    }
}

pub(super) fn carry_out(action: &Action, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match action {
        Action::Get(address) => {
            let leads = cards
                .iter_mut()
                .any(|interface| interface.routes().next_hop(*address).is_ok());
            leads.then_some(()).ok_or(Refusal::Unreachable {
                address: *address,
                over_gateway: false,
            })
        }
        Action::Show(which) => match &which.device {
            Some(name) => cards.find(name).map(|_| ()),
            None => Ok(()),
        },
        Action::Add {
            route,
            gateway,
            replace,
        } => {
            // Of any card; where a device is named, its own card looks after that.
            let is_ours = |interface: &mut Interface| interface.has_address(None, *gateway);
            if route.device.is_none() && cards.iter_mut().any(is_ours) {
                return Err(route.refused(RouteError::GatewayIsOurs(*gateway)));
            }
            route.on_a_card(
                cards,
                |error| matches!(error, RouteError::GatewayNotOnLink(_)),
                |interface, vid| add_or_replace(interface, route.network, *gateway, vid, *replace),
            )
        }
        Action::Delete { route, gateway } => {
            let missing = RouteError::NoSuchRoute(route.network);
            let removed = route.on_a_card(
                cards,
                |error| matches!(error, RouteError::NoSuchRoute(_)),
                |interface, vid| {
                    let is_meant = |known: &&Route| {
                        known.network == route.network
                            && vid.is_none_or(|vid| known.vid == vid)
                            && match (known.via, gateway) {
                                (Via::Gateway(known), Some(gateway)) => known == *gateway,
                                (Via::Gateway(_), None) => true,
                                (Via::OnLink { .. }, _) => false,
                            }
                    };
                    let known = interface.routes().iter().find(is_meant).copied();
                    let known = known.ok_or(missing)?;
                    interface.remove_route(known.network, Some(known.vid))
                },
            );
            match removed {
                Err(Refusal::Route { .. }) if is_on_link(route, cards) => {
                    Err(Refusal::RouteOfAddress(route.network))
                }
                other => other.map(|_| ()),
            }
        }
    }
}

/// Whether a network is that of an address.
fn is_on_link(route: &Target, cards: &mut Cards<'_>) -> bool {
    cards.iter_mut().any(|interface| {
        let mut routes = interface.routes().iter();
        routes
            .any(|known| known.network == route.network && matches!(known.via, Via::OnLink { .. }))
    })
}

fn add_or_replace(
    interface: &mut Interface,
    network: Ipv4Cidr,
    gateway: Ipv4Addr,
    vid: Option<u16>,
    replace: bool,
) -> Result<(), RouteError> {
    let added = interface.add_route(network, gateway, vid);
    let Err(RouteError::Duplicate(_, taken)) = added else {
        return added;
    };
    if !replace {
        return added;
    }
    let before = interface.remove_route(network, Some(taken))?;
    let replaced = interface.add_route(network, gateway, Some(taken));
    if let (Err(_), Via::Gateway(old)) = (replaced, before.via) {
        // It was there a moment ago.
        let _ = interface.add_route(network, old, Some(taken));
    }
    replaced
}

/// A route's destination as iproute2 prints it.
struct Destination(Ipv4Cidr);

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_length() {
            0 => f.write_str("default"),
            32 => write!(f, "{}", self.0.address()),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// Writes a line of `ip route show`.
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
    let Some((port, route)) = route_at(view, due.item) else {
        return Ok(Row::End);
    };
    let name = name_of(port, route.vid);
    let is_device = which.device.as_deref().is_none_or(|device| device == name);
    let is_network = which.network.is_none_or(|network| network == route.network);
    if !is_device || !is_network {
        return Ok(Row::Beyond);
    }
    let destination = Destination(route.network);
    match (route.via, json) {
        (Via::Gateway(gateway), false) => {
            write!(out, "{destination} via {gateway} dev {name} ")?;
        }
        (Via::OnLink { source }, false) => write!(
            out,
            "{destination} dev {name} proto kernel scope link src {source} "
        )?,
        (Via::Gateway(gateway), true) => write!(
            out,
            "{}{{\"dst\":\"{destination}\",\"gateway\":\"{gateway}\",\"dev\":{},\"flags\":[]}}",
            due.lead,
            Quoted(name)
        )?,
        (Via::OnLink { source }, true) => write!(
            out,
            "{}{{\"dst\":\"{destination}\",\"dev\":{},\"protocol\":\"kernel\",\"scope\":\"link\",\"prefsrc\":\"{source}\",\"flags\":[]}}",
            due.lead,
            Quoted(name)
        )?,
    }
    Ok(Row::Written)
}

/// Route `index` in the order of `ip route`: card by card, the widest networks first.
fn route_at<'a>(view: &StatusView<'a>, mut index: usize) -> Option<(&'a PortView<'a>, &'a Route)> {
    for port in view.ports {
        let routes = port.interface.routes();
        let count = routes.iter().count();
        if index < count {
            let route = routes.iter().nth(count - 1 - index)?;
            return Some((port, route));
        }
        index -= count;
    }
    None
}

/// The name of a card's device.
pub(super) fn name_of<'a>(port: &PortView<'a>, vid: u16) -> &'a str {
    port.interface
        .device(vid)
        .map_or("?", |device| device.name())
}

/// Writes the line of `ip route get`.
pub(super) fn row_to(
    due: Due,
    destination: Ipv4Addr,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    if due.item > 0 {
        return Ok(Row::End);
    }
    if due.row == 1 && !json {
        // Linux has it from its cache, or puts it there.
        out.write_str("    cache ")?;
        return Ok(Row::Written);
    }
    if due.row > 0 {
        return Ok(Row::Beyond);
    }
    let hops = view
        .ports
        .iter()
        .map(|port| (port, port.interface.routes()));
    let mut hops =
        hops.filter_map(|(port, routes)| Some((port, routes.next_hop(destination).ok()?)));
    let Some((port, hop)) = hops.next() else {
        return Ok(Row::End);
    };
    let (name, source) = (name_of(port, hop.vid), hop.source);
    let gateway = (hop.address != destination).then_some(hop.address);
    match (gateway, json) {
        (Some(gateway), false) => {
            write!(
                out,
                "{destination} via {gateway} dev {name} src {source} uid 0 "
            )?;
        }
        (None, false) => write!(out, "{destination} dev {name} src {source} uid 0 ")?,
        (gateway, true) => {
            write!(out, "{}{{\"dst\":\"{destination}\",", due.lead)?;
            if let Some(gateway) = gateway {
                write!(out, "\"gateway\":\"{gateway}\",")?;
            }
            let name = Quoted(name);
            write!(
                out,
                "\"dev\":{name},\"prefsrc\":\"{source}\",\"flags\":[],\"uid\":0,\"cache\":[]}}"
            )?;
        }
    }
    Ok(Row::Written)
}
