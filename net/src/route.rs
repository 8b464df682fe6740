//! Where a datagram goes first: to its destination, or to a gateway (RFC 1122 §3.3.1).
//!
//! Who sends on its own asks [`RouteTable::next_hop`] and then the neighbor table; answers go back to
//! where the question came from and ask nobody. Networks of the VLAN devices follow from their
//! addresses; gateways are configured. Only configuration allocates.
//!
//! Routes are ordered by the length of their prefix, so that a look-up is one binary search for each
//! length that occurs, the longest first.

use crate::interface::Ipv4Cidr;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// How many routes over gateways there can be.
pub const GATEWAY_ROUTES: usize = 64;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destinations that it serves: a network without host bits.
    pub network: Ipv4Cidr,
    /// The VLAN through which they are reached; 0 for untagged frames.
    pub vid: u16,
    /// How they are reached.
    pub via: Via,
}

/// How destinations are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Themselves, from this address of ours.
    OnLink {
        /// Our address in their network.
        source: Ipv4Addr,
    },
    /// Through this router, which is on link.
    Gateway(Ipv4Addr),
}

/// Where a datagram goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The VLAN; 0 for untagged frames.
    pub vid: u16,
    /// The neighbor: the destination itself, or a gateway.
    pub address: Ipv4Addr,
    /// Our address in the neighbor's network: the source, unless the sender has another
    /// (RFC 1122 §3.3.4.3).
    pub source: Ipv4Addr,
}

/// Why a datagram cannot be sent to a destination as to one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No route serves it.
    Unreachable(Ipv4Addr),
    /// It is a group of hosts: broadcast or multicast.
    Group(Ipv4Addr),
}

impl fmt::Display for NoRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(destination) => write!(f, "no route to {destination}"),
            Self::Group(destination) => write!(f, "{destination} is not one host"),
        }
    }
}

/// Why a routing step was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The network has host bits.
    HostBits {
        /// As it was given.
        given: Ipv4Cidr,
        /// Without its host bits.
        network: Ipv4Addr,
    },
    /// A route for this network through this VLAN exists.
    Duplicate(Ipv4Cidr, u16),
    /// The gateway is in no network of ours (RFC 1122 §3.3.1.1).
    GatewayNotOnLink(Ipv4Addr),
    /// The gateway is our own address in its network.
    GatewayIsOurs(Ipv4Addr),
    /// The gateway is a broadcast address.
    GatewayIsBroadcast(Ipv4Addr),
    /// There are as many routes over gateways as there can be.
    TooMany,
    /// There is no route over a gateway for this network.
    NoSuchRoute(Ipv4Cidr),
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostBits { given, network } => {
                let length = given.prefix_length();
                write!(
                    f,
                    "{given} has host bits: its network is {network}/{length}"
                )
            }
            Self::Duplicate(network, vid) => {
                write!(f, "a route for {network} in VLAN {vid} exists already")
            }
            Self::GatewayNotOnLink(gateway) => {
                write!(f, "gateway {gateway} is in no network of ours")
            }
            Self::GatewayIsOurs(gateway) => write!(f, "gateway {gateway} is our own address"),
            Self::GatewayIsBroadcast(gateway) => {
                write!(f, "gateway {gateway} is a broadcast address")
            }
            Self::TooMany => write!(f, "there are {GATEWAY_ROUTES} routes over gateways already"),
            Self::NoSuchRoute(network) => write!(f, "there is no route for {network}"),
        }
    }
}

/// The routes.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// Ordered by [`Key`], no two alike.
    routes: Vec<Route>,
    /// Bit `n` is set when a prefix of `n` bits occurs.
    lengths: u64,
}

/// The order of routes: the longest prefix first, then by network and VLAN.
type Key = (core::cmp::Reverse<u8>, u32, u16);

impl Route {
    fn key(&self) -> Key {
        key(
            self.network.prefix_length(),
            self.network.address(),
            self.vid,
        )
    }
}

const fn key(length: u8, network: Ipv4Addr, vid: u16) -> Key {
    (core::cmp::Reverse(length), network.to_bits(), vid)
}

impl RouteTable {
    /// No routes.
    pub const fn new() -> Self {
        Self {
            routes: Vec::new(),
            lengths: 0,
        }
    }

    /// Says which addresses the device of VLAN `vid` has; its networks are on link from then on, and
    /// those that it had before no longer. Of several addresses in one network the first is the source.
    /// Routes that stand in the way are removed, as Linux does when an address goes: those over a gateway that is not
    /// another host on link any more, and those for all of a network that is on link now. Allocates.
    pub(crate) fn connect(&mut self, vid: u16, addresses: &[Ipv4Cidr]) {
        let stays = |route: &Route, gateway: Ipv4Addr| {
            // As `check_gateway` sees it: the longest prefix decides, whatever the others would say.
            let around = addresses.iter().filter(|cidr| cidr.contains(gateway));
            let longest = around.max_by_key(|cidr| cidr.prefix_length());
            let is_host = longest.is_some_and(|cidr| !cidr.is_directed_broadcast(gateway));
            let is_ours = addresses.iter().any(|cidr| cidr.address() == gateway);
            let is_duplicate = addresses
                .iter()
                .any(|&cidr| network_of(cidr) == route.network);
            is_host && !is_ours && !is_duplicate
        };
        // In place: a copy of thousands of routes would take long.
        self.routes.retain(|route| match route.via {
            Via::Gateway(gateway) => route.vid != vid || stays(route, gateway),
            Via::OnLink { .. } => route.vid != vid,
        });
        for cidr in addresses {
            let connected = Route {
                network: network_of(*cidr),
                vid,
                via: Via::OnLink {
                    source: cidr.address(),
                },
            };
            // Where one is, the network has an address already.
            if let Err(place) = self.place_of(&connected) {
                self.routes.insert(place, connected);
            }
        }
        self.note_lengths();
    }

    /// Removes all routes through VLAN `vid`.
    pub(crate) fn disconnect(&mut self, vid: u16) {
        self.routes.retain(|route| route.vid != vid);
        self.note_lengths();
    }

    /// Adds a route over a gateway; `0.0.0.0/0` is the default route. Without a VLAN it is the one in
    /// which the gateway is. Allocates.
    ///
    /// # Errors
    ///
    /// [`RouteError`] when the network or the gateway cannot be used.
    pub fn add_gateway(
        &mut self,
        network: Ipv4Cidr,
        gateway: Ipv4Addr,
        vid: Option<u16>,
    ) -> Result<(), RouteError> {
        if network_of(network) != network {
            return Err(RouteError::HostBits {
                given: network,
                network: network_of(network).address(),
            });
        }
        let connected = self.check_gateway(gateway, vid)?;
        let route = Route {
            network,
            vid: connected.vid,
            via: Via::Gateway(gateway),
        };
        let Err(place) = self.place_of(&route) else {
            return Err(RouteError::Duplicate(network, route.vid));
        };
        let is_gateway = |route: &&Route| matches!(route.via, Via::Gateway(_));
        if self.routes.iter().filter(is_gateway).count() >= GATEWAY_ROUTES {
            return Err(RouteError::TooMany);
        }
        self.routes.insert(place, route);
        self.note_lengths();
        Ok(())
    }

    /// The network of ours in which a gateway is one other host.
    fn check_gateway(&self, gateway: Ipv4Addr, vid: Option<u16>) -> Result<&Route, RouteError> {
        let connected = self
            .connected(gateway, vid)
            .ok_or(RouteError::GatewayNotOnLink(gateway))?;
        if connected.via == (Via::OnLink { source: gateway }) {
            return Err(RouteError::GatewayIsOurs(gateway));
        }
        if connected.network.is_directed_broadcast(gateway) {
            return Err(RouteError::GatewayIsBroadcast(gateway));
        }
        Ok(connected)
    }

    /// Removes a route over a gateway. Without a VLAN it is the first of this network.
    ///
    /// # Errors
    ///
    /// [`RouteError::NoSuchRoute`] when there is none.
    pub fn remove_gateway(
        &mut self,
        network: Ipv4Cidr,
        vid: Option<u16>,
    ) -> Result<Route, RouteError> {
        let place = self.routes.iter().position(|route| {
            route.network == network
                && vid.is_none_or(|vid| route.vid == vid)
                && matches!(route.via, Via::Gateway(_))
        });
        let place = place.ok_or(RouteError::NoSuchRoute(network))?;
        let removed = self.routes.remove(place);
        self.note_lengths();
        Ok(removed)
    }

    /// All routes, the longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Where a datagram to `destination` goes first. Where networks overlap, the longest prefix counts,
    /// and of equal ones the lowest VLAN.
    ///
    /// # Errors
    ///
    /// [`NoRoute`] when it cannot be sent.
    pub fn next_hop(&self, destination: Ipv4Addr) -> Result<NextHop, NoRoute> {
        self.next_hop_through(None, destination)
    }

    /// Where a datagram to `destination` goes first when it is to leave through VLAN `vid`.
    ///
    /// # Errors
    ///
    /// [`NoRoute`] when it cannot be sent there.
    pub fn next_hop_in(&self, vid: u16, destination: Ipv4Addr) -> Result<NextHop, NoRoute> {
        self.next_hop_through(Some(vid), destination)
    }

    fn next_hop_through(
        &self,
        vid: Option<u16>,
        destination: Ipv4Addr,
    ) -> Result<NextHop, NoRoute> {
        if destination.is_broadcast() || destination.is_multicast() {
            return Err(NoRoute::Group(destination));
        }
        let unreachable = NoRoute::Unreachable(destination);
        let route = self
            .longest(destination, vid, |_| true)
            .ok_or(unreachable)?;
        let vid = route.vid;
        match route.via {
            Via::OnLink { .. } if route.network.is_directed_broadcast(destination) => {
                Err(NoRoute::Group(destination))
            }
            Via::OnLink { source } => Ok(NextHop {
                vid,
                address: destination,
                source,
            }),
            Via::Gateway(address) => {
                let connected = self.connected(address, Some(vid));
                match connected.map(|route| route.via) {
                    Some(Via::OnLink { source }) => Ok(NextHop {
                        vid,
                        address,
                        source,
                    }),
                    _ => Err(unreachable),
                }
            }
        }
    }

    /// The network of ours in which `address` is.
    fn connected(&self, address: Ipv4Addr, vid: Option<u16>) -> Option<&Route> {
        self.longest(address, vid, |route| {
            matches!(route.via, Via::OnLink { .. })
        })
    }

    /// The first acceptable route of the longest prefix that `destination` has.
    fn longest(
        &self,
        destination: Ipv4Addr,
        vid: Option<u16>,
        accept: impl Fn(&Route) -> bool,
    ) -> Option<&Route> {
        let lengths = (0..=32_u8)
            .rev()
            .filter(|length| self.lengths >> length & 1 == 1);
        lengths
            .filter_map(|length| {
                let network = masked(destination, length);
                let first = key(length, network, vid.unwrap_or(0));
                let start = self.routes.partition_point(|route| route.key() < first);
                self.routes
                    .get(start..)?
                    .iter()
                    .take_while(|route| {
                        route.network.prefix_length() == length
                            && route.network.address() == network
                            && vid.is_none_or(|vid| route.vid == vid)
                    })
                    .find(|route| accept(route))
            })
            .next()
    }

    /// Where a route is, or where it belongs.
    fn place_of(&self, route: &Route) -> Result<usize, usize> {
        self.routes.binary_search_by_key(&route.key(), Route::key)
    }

    fn note_lengths(&mut self) {
        self.lengths = self.routes.iter().fold(0, |lengths, route| {
            lengths | 1 << (route.network.prefix_length() % 64)
        });
    }
}

/// The network of an address, without host bits.
fn network_of(cidr: Ipv4Cidr) -> Ipv4Cidr {
    let length = cidr.prefix_length();
    Ipv4Cidr::new(masked(cidr.address(), length), length).unwrap_or(cidr)
}

/// The first `length` bits of an address.
fn masked(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let host_bits = 32_u32.saturating_sub(u32::from(length));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    fn cidr(text: &str) -> Ipv4Cidr {
        let (address, length) = text.split_once('/').expect("a slash");
        Ipv4Cidr::new(ip(address), length.parse().expect("a length")).expect("in range")
    }

    fn hop(vid: u16, address: &str, source: &str) -> Result<NextHop, NoRoute> {
        Ok(NextHop {
            vid,
            address: ip(address),
            source: ip(source),
        })
    }

    /// Two VLANs, and a default gateway in the first.
    fn table() -> RouteTable {
        let mut table = RouteTable::new();
        let connected = [(42, "10.10.10.11/24"), (44, "10.10.44.11/16")];
        for (vid, address) in connected {
            table.connect(vid, &[cidr(address)]);
        }
        table
            .add_gateway(cidr("0.0.0.0/0"), ip("10.10.10.1"), None)
            .expect("is on link");
        table
    }

    #[test]
    fn a_destination_on_link_is_its_own_next_hop_and_others_go_to_a_gateway() {
        // RFC 1122 §3.3.1.1.
        let mut table = table();
        assert_eq!(
            table.next_hop(ip("10.10.10.10")),
            hop(42, "10.10.10.10", "10.10.10.11")
        );
        assert_eq!(
            table.next_hop(ip("10.10.44.1")),
            hop(44, "10.10.44.1", "10.10.44.11")
        );
        assert_eq!(
            table.next_hop(ip("192.0.2.1")),
            hop(42, "10.10.10.1", "10.10.10.11")
        );
        table
            .add_gateway(cidr("192.0.2.0/25"), ip("10.10.44.2"), None)
            .expect("is on link");
        assert_eq!(
            table.next_hop(ip("192.0.2.127")),
            hop(44, "10.10.44.2", "10.10.44.11")
        );
        assert_eq!(
            table.next_hop(ip("192.0.2.128")),
            hop(42, "10.10.10.1", "10.10.10.11")
        );
        // A host route inside a network on link.
        table
            .add_gateway(cidr("10.10.44.9/32"), ip("10.10.10.9"), None)
            .expect("is on link");
        assert_eq!(
            table.next_hop(ip("10.10.44.9")),
            hop(42, "10.10.10.9", "10.10.10.11")
        );
    }

    #[test]
    fn what_no_route_serves_is_unreachable() {
        let mut table = table();
        let removed = table
            .remove_gateway(cidr("0.0.0.0/0"), None)
            .expect("is there");
        assert_eq!(removed.via, Via::Gateway(ip("10.10.10.1")));
        let outside = ip("192.0.2.1");
        assert_eq!(table.next_hop(outside), Err(NoRoute::Unreachable(outside)));
        assert_eq!(
            NoRoute::Unreachable(outside).to_string(),
            "no route to 192.0.2.1"
        );
        assert_eq!(
            RouteTable::new().next_hop(outside),
            Err(NoRoute::Unreachable(outside))
        );
    }

    #[test]
    fn groups_have_no_next_hop() {
        // RFC 1122 §3.3.6: they are sent to a link-layer group, and never to a gateway.
        let table = table();
        for group in ["255.255.255.255", "224.0.0.1", "10.10.10.255", "10.10.10.0"] {
            assert_eq!(table.next_hop(ip(group)), Err(NoRoute::Group(ip(group))));
        }
        // To a host elsewhere, that may end in 255, we know no network.
        assert!(table.next_hop(ip("192.0.2.255")).is_ok());
    }

    #[test]
    fn a_vlan_that_is_asked_for_is_the_only_one_that_serves() {
        let mut table = table();
        let outside = ip("192.0.2.1");
        assert_eq!(
            table.next_hop_in(44, outside),
            Err(NoRoute::Unreachable(outside))
        );
        // 10.10.10.10 is on link in VLAN 44, too: its network is wider.
        assert_eq!(
            table.next_hop_in(44, ip("10.10.10.10")),
            hop(44, "10.10.10.10", "10.10.44.11")
        );
        table
            .add_gateway(cidr("0.0.0.0/0"), ip("10.10.44.2"), Some(44))
            .expect("another VLAN");
        assert_eq!(
            table.next_hop_in(44, outside),
            hop(44, "10.10.44.2", "10.10.44.11")
        );
        assert_eq!(
            table.next_hop(outside),
            hop(42, "10.10.10.1", "10.10.10.11")
        );
    }

    #[test]
    fn the_same_network_in_many_vlans_is_served_by_the_lowest_unless_one_is_asked_for() {
        let mut table = RouteTable::new();
        for vid in (1..=4094).rev() {
            table.connect(vid, &[cidr("10.0.0.1/8")]);
        }
        let peer = "10.1.2.3";
        assert_eq!(table.next_hop(ip(peer)), hop(1, peer, "10.0.0.1"));
        for vid in [1, 2, 2000, 4094] {
            assert_eq!(table.next_hop_in(vid, ip(peer)), hop(vid, peer, "10.0.0.1"));
        }
    }

    #[test]
    fn of_two_addresses_in_one_network_the_first_is_the_source() {
        let mut table = RouteTable::new();
        let both = [cidr("10.0.0.1/24"), cidr("10.0.0.2/24")];
        table.connect(42, &both);
        assert_eq!(
            table.next_hop(ip("10.0.0.9")),
            hop(42, "10.0.0.9", "10.0.0.1")
        );
        table.connect(42, &both[1..]);
        assert_eq!(
            table.next_hop(ip("10.0.0.9")),
            hop(42, "10.0.0.9", "10.0.0.2")
        );
        table.connect(42, &[]);
        assert_eq!(table.iter().count(), 0);
    }

    #[test]
    fn a_refused_step_changes_nothing_and_names_what_was_wrong() {
        let mut table = table();
        let before: std::vec::Vec<Route> = table.iter().copied().collect();
        let mut add = |network: &str, gateway: &str, vid| {
            let added = table.add_gateway(cidr(network), ip(gateway), vid);
            added.expect_err("is refused").to_string()
        };
        let refusals = [
            (
                add("192.0.2.1/24", "10.10.10.1", None),
                "192.0.2.1/24 has host bits: its network is 192.0.2.0/24",
            ),
            (
                add("0.0.0.1/0", "10.10.10.1", None),
                "0.0.0.1/0 has host bits: its network is 0.0.0.0/0",
            ),
            (
                add("192.0.2.0/24", "192.0.2.1", None),
                "gateway 192.0.2.1 is in no network of ours",
            ),
            (
                add("192.0.2.0/24", "10.10.45.1", Some(42)),
                "gateway 10.10.45.1 is in no network of ours",
            ),
            (
                add("192.0.2.0/24", "10.10.10.11", None),
                "gateway 10.10.10.11 is our own address",
            ),
            (
                add("192.0.2.0/24", "10.10.10.255", None),
                "gateway 10.10.10.255 is a broadcast address",
            ),
            (
                add("0.0.0.0/0", "10.10.10.2", None),
                "a route for 0.0.0.0/0 in VLAN 42 exists already",
            ),
            (
                add("10.10.10.0/24", "10.10.10.2", None),
                "a route for 10.10.10.0/24 in VLAN 42 exists already",
            ),
        ];
        for (message, expected) in refusals {
            assert_eq!(message, expected);
        }
        let absent = table.remove_gateway(cidr("10.10.10.0/24"), None);
        assert_eq!(
            absent.expect_err("is refused").to_string(),
            "there is no route for 10.10.10.0/24"
        );
        assert!(table.remove_gateway(cidr("0.0.0.0/0"), Some(44)).is_err());
        assert_eq!(table.iter().copied().collect::<std::vec::Vec<_>>(), before);
    }

    #[test]
    fn a_sixty_fifth_gateway_route_is_refused() {
        let mut table = table();
        let network = |number: u32| {
            let address = Ipv4Addr::from_bits(ip("198.18.0.0").to_bits() + (number << 8));
            Ipv4Cidr::new(address, 24).expect("in range")
        };
        for number in 1..64 {
            table
                .add_gateway(network(number), ip("10.10.10.1"), None)
                .expect("has room");
        }
        let refused = table.add_gateway(network(64), ip("10.10.10.1"), None);
        assert_eq!(refused, Err(RouteError::TooMany));
        assert_eq!(
            RouteError::TooMany.to_string(),
            "there are 64 routes over gateways already"
        );
        // Connected ones are not counted.
        table.connect(45, &[cidr("10.45.0.1/16")]);
        assert_eq!(
            table.next_hop(ip("10.45.0.2")),
            hop(45, "10.45.0.2", "10.45.0.1")
        );
    }

    #[test]
    fn a_route_goes_when_its_gateway_is_no_other_host_in_the_longest_of_the_networks() {
        // VLAN 42's addresses when the route is added, its network and gateway, and the addresses afterwards.
        let table = |before: &[&str], network, gateway, after: &[&str]| {
            let cidrs = |all: &[&str]| all.iter().map(|one| cidr(one)).collect::<Vec<_>>();
            let mut table = RouteTable::new();
            table.connect(42, &cidrs(before));
            table
                .add_gateway(cidr(network), ip(gateway), None)
                .expect("is on link");
            table.connect(42, &cidrs(after));
            table
                .iter()
                .any(|route| matches!(route.via, Via::Gateway(_)))
        };
        let wide = ["10.0.0.1/8"];
        let both = ["10.0.0.1/8", "10.1.2.11/24"];
        let (default, gateway) = ("0.0.0.0/0", "10.1.2.254");
        assert!(table(&wide, default, gateway, &wide));
        assert!(table(&wide, default, gateway, &both));
        assert!(table(&both, default, gateway, &wide));
        // The broadcast address of the longer network, old kind and new.
        assert!(!table(&wide, default, "10.1.2.255", &both));
        assert!(!table(&wide, default, "10.1.2.0", &both));
        // Ours; out of reach; its network on link itself.
        assert!(!table(&wide, default, "10.1.2.11", &both));
        assert!(!table(&both[1..], default, gateway, &["10.1.2.11/25"]));
        assert!(!table(&wide, default, gateway, &[]));
        assert!(!table(&wide, "10.1.2.0/24", gateway, &both));
        // What was the end of the longer network is that of the shorter one, too.
        let odd = ["10.0.0.1/8", "10.255.255.250/31"];
        assert!(table(&odd, default, "10.255.255.251", &wide));
        assert!(!table(
            &["10.255.255.254/31"],
            default,
            "10.255.255.255",
            &wide
        ));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Connect(u16, std::vec::Vec<(u32, u8)>),
        Add(u32, u8, u32, Option<u16>),
        Remove(u32, u8, Option<u16>),
    }

    /// Few addresses, close together, so that prefixes meet.
    fn address() -> impl Strategy<Value = u32> {
        (0_u32..4, 0_u32..16).prop_map(|(high, low)| 0x0a00_0000 | high << 8 | low)
    }

    fn length() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0), Just(8), 22_u8..=32]
    }

    fn step() -> impl Strategy<Value = Step> {
        let vid = || prop::option::of(1_u16..4);
        let cidrs = prop::collection::vec((address(), length()), 0..4);
        prop_oneof![
            (1_u16..4, cidrs).prop_map(|(vid, cidrs)| Step::Connect(vid, cidrs)),
            (address(), length(), address(), vid()).prop_map(|(n, l, g, v)| Step::Add(n, l, g, v)),
            (address(), length(), vid()).prop_map(|(n, l, v)| Step::Remove(n, l, v)),
        ]
    }

    fn cut(bits: u32, length: u8) -> Ipv4Cidr {
        let address = masked(Ipv4Addr::from_bits(bits), length);
        Ipv4Cidr::new(address, length).expect("in range")
    }

    /// Looks at every route and takes the best.
    fn naive(
        table: &RouteTable,
        vid: Option<u16>,
        destination: Ipv4Addr,
        on_link: bool,
    ) -> Option<Route> {
        let serves = |route: &&Route| {
            route.network.contains(destination)
                && vid.is_none_or(|vid| route.vid == vid)
                && (!on_link || matches!(route.via, Via::OnLink { .. }))
        };
        let routes = table.iter().filter(serves);
        let best = routes.min_by_key(|route| (32 - route.network.prefix_length(), route.vid));
        best.copied()
    }

    proptest! {
        #[test]
        fn look_ups_equal_a_naive_search_and_every_gateway_stays_another_host_on_link(
            steps in prop::collection::vec(step(), 1..60),
            destinations in prop::collection::vec(address(), 20),
        ) {
            let mut table = RouteTable::new();
            for step in steps {
                let before: std::vec::Vec<Route> = table.iter().copied().collect();
                let done = match step {
                    Step::Connect(vid, cidrs) => {
                        let cidrs: std::vec::Vec<Ipv4Cidr> = cidrs
                            .into_iter()
                            .map(|(bits, length)| (Ipv4Addr::from_bits(bits), length))
                            .map(|(address, length)| Ipv4Cidr::new(address, length).expect("fits"))
                            .collect();
                        table.connect(vid, &cidrs);
                        let is_ours = |route: &Route| {
                            let is = |cidr: &Ipv4Cidr| route.via == Via::Gateway(cidr.address());
                            route.vid == vid && cidrs.iter().any(is)
                        };
                        prop_assert!(!table.iter().any(is_ours));
                        Ok(())
                    }
                    Step::Add(network, length, gateway, vid) => {
                        table.add_gateway(cut(network, length), Ipv4Addr::from_bits(gateway), vid)
                    }
                    Step::Remove(network, length, vid) => {
                        table.remove_gateway(cut(network, length), vid).map(|_| ())
                    }
                };
                let after: std::vec::Vec<Route> = table.iter().copied().collect();
                if done.is_err() {
                    prop_assert_eq!(&after, &before);
                }
                let mut sorted = after.clone();
                sorted.sort_by_key(Route::key);
                sorted.dedup_by_key(|route| route.key());
                prop_assert_eq!(&sorted, &after);
                for route in &after {
                    prop_assert_eq!(network_of(route.network), route.network);
                    if let Via::Gateway(gateway) = route.via {
                        let connected = naive(&table, Some(route.vid), gateway, true);
                        let connected = connected.expect("is on link");
                        prop_assert_ne!(connected.via, Via::OnLink { source: gateway });
                        prop_assert!(!connected.network.is_directed_broadcast(gateway));
                    }
                }
            }
            for bits in destinations {
                let destination = Ipv4Addr::from_bits(bits);
                for vid in [None, Some(1), Some(2), Some(3)] {
                    let found = table.longest(destination, vid, |_| true).copied();
                    prop_assert_eq!(found, naive(&table, vid, destination, false));
                    let hop = table.next_hop_through(vid, destination);
                    let Some(route) = found else {
                        prop_assert_eq!(hop, Err(NoRoute::Unreachable(destination)));
                        continue;
                    };
                    match (hop, route.via) {
                        (Ok(hop), Via::OnLink { source }) => {
                            let expected = NextHop { vid: route.vid, address: destination, source };
                            prop_assert_eq!(hop, expected);
                        }
                        (Ok(hop), Via::Gateway(address)) => {
                            let connected = naive(&table, Some(route.vid), address, true);
                            let via = connected.map(|connected| connected.via);
                            prop_assert_eq!(via, Some(Via::OnLink { source: hop.source }));
                            prop_assert_eq!((hop.vid, hop.address), (route.vid, address));
                        }
                        (Err(error), _) => {
                            prop_assert!(route.network.is_directed_broadcast(destination));
                            prop_assert_eq!(error, NoRoute::Group(destination));
                        }
                    }
                }
            }
        }
    }
}
