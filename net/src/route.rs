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
    /// A route uses a gateway that would no longer be another host on link.
    GatewayInUse(Ipv4Addr),
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
            Self::GatewayInUse(gateway) => {
                write!(
                    f,
                    "a route uses gateway {gateway}, which would be out of reach"
                )
            }
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
    /// Allocates.
    ///
    /// # Errors
    ///
    /// [`RouteError::GatewayInUse`] when a route uses a gateway that only a removed network reaches, or
    /// that would be ourselves; [`RouteError::Duplicate`] when a gateway serves all of a new network.
    pub fn set_connected(&mut self, vid: u16, addresses: &[Ipv4Cidr]) -> Result<(), RouteError> {
        let mut changed = self.clone();
        changed
            .routes
            .retain(|route| route.vid != vid || matches!(route.via, Via::Gateway(_)));
        for cidr in addresses {
            let connected = Route {
                network: network_of(*cidr),
                vid,
                via: Via::OnLink {
                    source: cidr.address(),
                },
            };
            match changed.place_of(&connected) {
                Err(place) => changed.routes.insert(place, connected),
                Ok(place) => {
                    // A second address in the network, or a gateway's route for all of it.
                    let taken = changed.routes.get(place).map(|route| route.via);
                    if let Some(Via::Gateway(_)) = taken {
                        return Err(RouteError::Duplicate(connected.network, vid));
                    }
                }
            }
        }
        changed.note_lengths();
        for route in &changed.routes {
            if let Via::Gateway(gateway) = route.via {
                changed
                    .check_gateway(gateway, Some(route.vid))
                    .map_err(|_| RouteError::GatewayInUse(gateway))?;
            }
        }
        *self = changed;
        Ok(())
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
