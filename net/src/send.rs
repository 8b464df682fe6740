//! What the appliance says without having been asked: claims to its addresses, questions for neighbors and
//! what waited for their answers, errors about datagrams that never became whole, what services have to say,
//! its own ping and arping.
//!
//! The poll loop calls [`Interface::send_due`] again and again; each call does one bounded piece. Datagrams
//! that go out in fragments have a call of their own, [`Interface::send_large`], because they are answers
//! that somebody waits for. What an
//! operator should hear of comes out of [`Interface::take_event`].

use crate::address_conflict;
use crate::arrival::Arrival;
use crate::capture::{Outlet, Watched};
use crate::device::{BUFFER_SIZE, Device};
use crate::frame_header::FrameHeader;
use crate::icmp_error;
use crate::interface::{Interface, Vlans};
use crate::large::LargeDatagrams;
use crate::neighbor::{self, Action, NeighborTable, Resolution};
use crate::ping;
use crate::route::{NoRoute, RouteTable};
use crate::time::Instant;
use crate::udp::{DatagramSender, Departure, SendError};
use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::{EtherType, MacAddress};
use crate::wire::icmpv4;
use crate::wire::icmpv4_error::Problem;
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::udp;
use core::fmt;
use core::net::Ipv4Addr;
use pollux_ebpf::Fault;
use zerocopy::{FromBytes, IntoBytes};

/// How many events are kept until somebody takes them.
pub const EVENTS: usize = 16;

/// What an operator should hear of. Prints as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Another station uses one of our addresses (RFC 5227 §2.4). We keep it, and said so.
    AddressConflict {
        /// The VLAN; 0 for frames that name none.
        vid: u16,
        /// The address.
        address: Ipv4Addr,
        /// The other station.
        by: MacAddress,
    },
    /// Another station has an address that we were to have (RFC 5227 §2.1.1). We do not use it, and try
    /// again.
    AddressTaken {
        /// The VLAN; 0 for frames that name none.
        vid: u16,
        /// The address.
        address: Ipv4Addr,
        /// The other station.
        by: MacAddress,
    },
    /// A neighbor that the operator asked for answered.
    NeighborFound {
        /// The VLAN; 0 for frames that name none.
        vid: u16,
        /// Its address.
        address: Ipv4Addr,
        /// Its station address.
        mac: MacAddress,
        /// Whether it is a permanent entry now.
        permanent: bool,
    },
    /// A neighbor that the operator asked for did not answer.
    NeighborSilent {
        /// The VLAN; 0 for frames that name none.
        vid: u16,
        /// Its address.
        address: Ipv4Addr,
    },
    /// A station claims to be a neighbor of which the operator says otherwise.
    NeighborContradicted {
        /// The VLAN; 0 for frames that name none.
        vid: u16,
        /// The neighbor's address.
        address: Ipv4Addr,
        /// Where the operator says it is.
        mac: MacAddress,
        /// The station that claims to be it.
        by: MacAddress,
    },
    /// A device has an out-of-band port, but its VLAN is not in the filter list, and a frame came.
    PortInVain {
        /// The VLAN.
        vid: u16,
    },
    /// The eBPF program faulted too often, and was taken out.
    FilterWornOut {
        /// How often.
        faults: u64,
        /// What happened last.
        last: Fault,
    },
}

impl Event {
    /// The VLAN of the device that it is about; nothing when it is about the card.
    pub const fn device(&self) -> Option<u16> {
        match self {
            Self::NeighborFound { vid, .. }
            | Self::NeighborSilent { vid, .. }
            | Self::PortInVain { vid } => Some(*vid),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressConflict { vid, address, by } => write!(
                f,
                "address conflict: {by} uses our address {address} in {}",
                Vlan(*vid)
            ),
            Self::AddressTaken { vid, address, by } => write!(
                f,
                "address conflict: {by} has {address} in {}; it is not used here",
                Vlan(*vid)
            ),
            Self::NeighborFound {
                address,
                mac,
                permanent,
                ..
            } => {
                let kind = if *permanent { ", permanent" } else { "" };
                write!(f, "{address} is at {mac}{kind}")
            }
            Self::NeighborSilent { address, .. } => write!(f, "{address} did not respond"),
            Self::NeighborContradicted {
                vid,
                address,
                mac,
                by,
            } => write!(
                f,
                "{by} claims to be {address} in {}, which is permanently {mac}",
                Vlan(*vid)
            ),
            Self::PortInVain { vid } => write!(
                f,
                "its frames are in-band, for VLAN {vid} is not in the filter list; 'evl net -N+{vid}' puts it there"
            ),
            Self::FilterWornOut { faults, last } => write!(
                f,
                "eBPF program taken out after {faults} faults, the last at {last}; the VLAN rule applies"
            ),
        }
    }
}

/// Prints where something happened.
struct Vlan(u16);

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("frames without a VLAN"),
            vid => write!(f, "VLAN {vid}"),
        }
    }
}

/// What happened and was not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: heapless::Deque<Event, EVENTS>,
    lost: u64,
}

impl Events {
    pub const fn new() -> Self {
        Self {
            queue: heapless::Deque::new(),
            lost: 0,
        }
    }

    /// Keeps an event, or counts it as lost.
    pub fn push(&mut self, event: Event) {
        if self.queue.push_back(event).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

/// What a call of [`Interface::send_due`] looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Turn {
    #[default]
    Claims,
    Neighbors,
    Expiry,
    Services,
    Ping,
    Arping,
    Ports,
}

impl Interface {
    /// Notes whether the link is up. When it comes up, our addresses are claimed anew: those that are to be
    /// probed for are not used before that is done. What was on its way out when it went down is given up.
    pub fn set_link(&mut self, up: bool) {
        let lost_addresses = self.claims.set_link(up);
        if !up {
            self.large.clear();
        }
        if lost_addresses {
            let mut vid = self.claims.next_vlan(None);
            while let Some(one) = vid {
                self.use_usable_addresses(one);
                vid = self.claims.next_vlan(vid);
            }
        }
    }

    /// The oldest event that nobody took yet.
    pub fn take_event(&mut self) -> Option<Event> {
        self.events.queue.pop_front()
    }

    /// Events that nobody took in time.
    pub const fn lost_events(&self) -> u64 {
        self.events.lost
    }

    /// Does one piece of what is due at `now`: queues a frame or two, or none. Returns whether any was
    /// queued, so that doorbells are to be rung.
    pub fn send_due(&mut self, device: &mut impl Device, now: Instant) -> bool {
        if !self.capture.is_on() {
            return self.send_one(device, now);
        }
        self.watched(device, now, |interface, outlet| {
            interface.send_one(outlet, now)
        })
    }

    /// Has `send` send through a device that is watched.
    #[cold]
    #[inline(never)]
    fn watched<D: Device, T>(
        &mut self,
        device: &mut D,
        now: Instant,
        send: impl FnOnce(&mut Self, &mut Watched<'_, D>) -> T,
    ) -> T {
        let mut capture = core::mem::take(&mut self.capture);
        let mut outlet = Watched {
            device,
            capture: &mut capture,
            now,
        };
        let sent = send(self, &mut outlet);
        self.capture = capture;
        sent
    }

    fn send_one(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let turn = self.turn;
        self.turn = match turn {
            Turn::Claims => Turn::Neighbors,
            Turn::Neighbors => Turn::Expiry,
            Turn::Expiry => Turn::Services,
            Turn::Services => Turn::Ping,
            Turn::Ping => Turn::Arping,
            Turn::Arping => Turn::Ports,
            Turn::Ports => Turn::Claims,
        };
        match turn {
            Turn::Claims => self.send_claim(device, now),
            Turn::Neighbors => self.send_for_neighbors(device, now),
            Turn::Expiry => self.send_time_exceeded(device, now),
            Turn::Services => self.poll_services(device, now),
            Turn::Ping => self.send_ping(device, now),
            Turn::Arping => self.send_arping(device, now),
            Turn::Ports => {
                // It is told once: it waits for a place.
                if !self.events.queue.is_full()
                    && let Some(vid) = self.next_port_in_vain()
                {
                    self.events.push(Event::PortInVain { vid });
                }
                false
            }
        }
    }

    /// Whether datagrams wait that go out in fragments.
    #[inline]
    pub const fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Queues up to `budget` fragments. Returns whether any was queued, so that doorbells are to be rung. A
    /// datagram whose device or address was taken down or away meanwhile is given up.
    pub fn send_large(&mut self, device: &mut impl Device, budget: usize, now: Instant) -> bool {
        if !self.capture.is_on() {
            return self.send_fragments(device, budget);
        }
        self.watched(device, now, |interface, outlet| {
            interface.send_fragments(outlet, budget)
        })
    }

    fn send_fragments(&mut self, device: &mut impl Outlet, budget: usize) -> bool {
        let mut queued = false;
        for _ in 0..budget {
            if let Some((vid, source)) = self.large.next_origin()
                && !self.vlans.sends_from(vid, source)
            {
                self.large.drop_next();
                continue;
            }
            let Some((vid, length)) = self.large.send_next(device) else {
                break;
            };
            self.count_transmitted(vid, length);
            queued = true;
        }
        queued
    }

    /// Gives up on one datagram of which fragments are missing for too long, and says so to who sent it
    /// (RFC 1122 §3.3.2).
    fn send_time_exceeded(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let Some(expired) = self.reassembly.expire(now) else {
            return false;
        };
        let Some(zero) = expired.fragment_zero else {
            return false;
        };
        // It may have been up to a minute ago; what is limited is what is sent now.
        let arrival = Arrival {
            seen: now,
            ..zero.arrival
        };
        let vid = arrival.vid.unwrap_or(0);
        if !self.vlans.is_up(vid) {
            return false;
        }
        let Some(vlan_device) = self.vlans.device_mut(vid) else {
            return false;
        };
        let mtu = usize::from(vlan_device.mtu());
        let is_ours = Ipv4Header::ref_from_prefix(zero.octets).is_ok_and(|(header, _)| {
            let destination = header.destination();
            vlan_device.owns(destination) || vlan_device.is_group(destination)
        });
        if !is_ours
            || !icmp_error::fits(zero.octets, mtu)
            || !self.icmp_errors.permit(zero.octets, &arrival, vlan_device)
        {
            return false;
        }
        let header = FrameHeader::answering(&arrival, self.station.address(), EtherType::IPV4);
        let problem = Problem::ReassemblyTimeExceeded;
        let mut length = 0;
        let queued = device.transmit(|buffer| {
            let octets = icmp_error::compose(header.write(buffer), zero.octets, mtu, problem);
            length = header.length().saturating_add(octets.unwrap_or(0));
            length
        });
        if queued.is_ok() {
            self.count_transmitted(vid, length);
        }
        queued.is_ok()
    }

    /// Lets the next service send.
    fn poll_services(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let mut sender = Sender {
            mac: self.station.address(),
            vlans: &mut self.vlans,
            routes: &self.routes,
            neighbors: &mut self.neighbors,
            large: &mut self.large,
            device,
            now,
            queued: false,
        };
        self.services.poll(now, &mut sender);
        sender.queued
    }

    /// Sends the request of the own ping that is due.
    fn send_ping(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let Some(ping) = &mut self.ping else {
            return false;
        };
        if ping.session.is_overdue(now) {
            let hop = ping.next_hop(&self.routes);
            let waits = hop.is_ok_and(|hop| self.neighbors.is_asking(hop.vid, hop.address));
            ping.session.hold(waits);
        }
        ping.tell_unreachable();
        let Some(request) = ping.session.poll(now) else {
            return false;
        };
        let mut sender = Sender {
            mac: self.station.address(),
            vlans: &mut self.vlans,
            routes: &self.routes,
            neighbors: &mut self.neighbors,
            large: &mut self.large,
            device,
            now,
            queued: false,
        };
        let to = Destination {
            vid: ping.vid,
            priority: 0,
            source: None,
            address: request.destination,
        };
        let octets = icmpv4::HEADER_LENGTH.saturating_add(usize::from(request.size));
        // What cannot be sent gets no reply, and is counted as lost.
        let _ = sender.send_datagram(&to, Protocol::ICMP, octets, |message, _| {
            let (identifier, sequence) = (request.identifier, request.sequence);
            icmpv4::write_request(message, identifier, sequence, ping::pattern)
        });
        sender.queued
    }

    /// Sends the request of the own arping that is due, to all stations: whoever has the address is to say so.
    fn send_arping(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let due = self.arping.as_mut().and_then(|arping| arping.poll(now));
        let Some((vid, source, address)) = due else {
            return false;
        };
        // What cannot be sent is not answered.
        if !self.vlans.sends_from(vid, source) {
            return false;
        }
        let packet = ArpPacket::request(self.station.address(), source, address);
        let sent = self.send_arp(device, vid, MacAddress::BROADCAST, &packet);
        if sent && let Some(arping) = &mut self.arping {
            arping.count_sent();
        }
        sent
    }

    fn send_claim(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let vlans = &self.vlans;
        let Some(due) = self
            .claims
            .poll(now, self.station.address(), |vid| vlans.is_up(vid))
        else {
            return false;
        };
        if due.changed {
            self.use_usable_addresses(due.vid);
        }
        self.send_arp(device, due.vid, MacAddress::BROADCAST, &due.packet)
    }

    fn send_for_neighbors(&mut self, device: &mut impl Outlet, now: Instant) -> bool {
        let (vid, address, to) = match self.neighbors.poll(now) {
            None => return false,
            Some(Action::Request { vid, address, to }) => (vid, address, to),
            Some(Action::Answered {
                vid,
                address,
                mac,
                solicited,
                permanent,
                frame,
            }) => {
                if solicited {
                    self.events.push(Event::NeighborFound {
                        vid,
                        address,
                        mac,
                        permanent,
                    });
                }
                let frame = frame.filter(|frame| {
                    let source = source_of(vid, frame);
                    source.is_some_and(|source| self.vlans.sends_from(vid, source))
                });
                let Some(frame) = frame else { return false };
                let queued = device.transmit(|buffer| copy(buffer, frame)).is_ok();
                let length = frame.len();
                if queued {
                    self.count_transmitted(vid, length);
                }
                return queued;
            }
            Some(Action::Failed {
                vid,
                address,
                solicited,
                frame: _,
            }) => {
                if solicited {
                    self.events.push(Event::NeighborSilent { vid, address });
                }
                if let Some(ping) = &mut self.ping
                    && let Ok(hop) = ping.next_hop(&self.routes)
                    && (hop.vid, hop.address) == (vid, address)
                {
                    ping.session.fail(hop.source);
                }
                return false;
            }
            Some(Action::Contradicted { permanent, by }) => {
                let neighbor::Neighbor {
                    vid, address, mac, ..
                } = permanent;
                self.events.push(Event::NeighborContradicted {
                    vid,
                    address,
                    mac,
                    by,
                });
                return false;
            }
        };
        // Without an address of ours in its network there is nobody to answer to.
        let Ok(hop) = self.routes.next_hop_in(vid, address) else {
            return false;
        };
        if !self.vlans.sends_from(vid, hop.source) {
            return false;
        }
        let packet = ArpPacket::request(self.station.address(), hop.source, address);
        self.send_arp(device, vid, to, &packet)
    }

    /// Queues an ARP packet. Returns whether there was room.
    fn send_arp(
        &mut self,
        device: &mut impl Outlet,
        vid: u16,
        destination: MacAddress,
        packet: &ArpPacket,
    ) -> bool {
        let header = FrameHeader {
            destination,
            source: self.station.address(),
            tag_control: FrameHeader::tag(vid, 0),
            ether_type: EtherType::ARP,
        };
        let length = header.length().saturating_add(size_of::<ArpPacket>());
        let queued = device.transmit(|buffer| {
            let payload = header.write(buffer);
            for (to, from) in payload.iter_mut().zip(packet.as_bytes()) {
                *to = *from;
            }
            length
        });
        if queued.is_ok() {
            self.count_transmitted(vid, length);
        }
        queued.is_ok()
    }

    /// Tells what an ARP packet in VLAN `vid` means for our addresses, and for whom we ask for.
    #[cold]
    pub(crate) fn hear_claim(&mut self, vid: u16, packet: &ArpPacket, now: Instant) {
        let by = packet.sender_mac;
        if let Some(arping) = &mut self.arping {
            arping.hear(vid, packet, now);
        }
        let Some((address, event)) = self.claims.on_arp(vid, packet, now) else {
            return;
        };
        match event {
            address_conflict::Event::Refused { .. } => {
                self.events.push(Event::AddressTaken { vid, address, by });
            }
            address_conflict::Event::Defended { .. } => {
                self.events
                    .push(Event::AddressConflict { vid, address, by });
            }
            address_conflict::Event::None | address_conflict::Event::Contested { .. } => {}
        }
    }
}

/// Where a datagram of our own goes.
struct Destination {
    /// Through which VLAN, 0 for frames that name none; `None` for the one that the routes say.
    vid: Option<u16>,
    /// In the tag.
    priority: u8,
    /// From which of our addresses; `None` for the one in the next station's network.
    source: Option<Ipv4Addr>,
    /// To whom.
    address: Ipv4Addr,
}

/// Sends datagrams of our own.
struct Sender<'interface, D> {
    mac: MacAddress,
    vlans: &'interface mut Vlans,
    routes: &'interface RouteTable,
    neighbors: &'interface mut NeighborTable,
    large: &'interface mut LargeDatagrams,
    device: &'interface mut D,
    now: Instant,
    /// Whether anything was queued.
    queued: bool,
}

impl<D: Outlet> Sender<'_, D> {
    /// Sends a datagram with `length` octets of data, which `write` writes; it gets the address from which
    /// they are sent, and returns `None` when it cannot.
    fn send_datagram(
        &mut self,
        to: &Destination,
        protocol: Protocol,
        length: usize,
        write: impl FnOnce(&mut [u8], Ipv4Addr) -> Option<()>,
    ) -> Result<(), SendError> {
        let hop = match to.vid {
            Some(vid) => self.routes.next_hop_in(vid, to.address),
            None => self.routes.next_hop(to.address),
        };
        let hop = hop.map_err(|error| match error {
            NoRoute::Unreachable(_) => SendError::NoRoute,
            NoRoute::Group(_) => SendError::Destination,
        })?;
        let source = to.source.unwrap_or(hop.source);
        let vlan_device = self.vlans.device(hop.vid).ok_or(SendError::NoSource)?;
        if !vlan_device.owns(source) {
            return Err(SendError::NoSource);
        }
        if !self.vlans.is_up(hop.vid) {
            return Err(SendError::NoTransmitSlot);
        }
        let octets = ipv4::HEADER_LENGTH.saturating_add(length);
        let octets = u16::try_from(octets).map_err(|_| SendError::TooLong)?;
        let mtu = vlan_device.mtu();
        let destination = match self.neighbors.resolve(hop.vid, hop.address, self.now) {
            Resolution::Known(mac) => Some(mac),
            Resolution::Wait => None,
            Resolution::TooManyQuestions => return Err(SendError::Unresolved),
        };
        let header = FrameHeader {
            destination: destination.unwrap_or_default(),
            source: self.mac,
            tag_control: FrameHeader::tag(hop.vid, to.priority),
            ether_type: EtherType::IPV4,
        };
        let compose = |place: &mut [u8]| {
            let datagram = place.get_mut(..usize::from(octets))?;
            let data = ipv4::write_header(datagram, protocol, source, to.address)?;
            write(data, source)?;
            Some(usize::from(octets))
        };
        if octets > mtu {
            if destination.is_none() {
                return Err(SendError::Unresolved);
            }
            let taken = self.large.compose(header, mtu, compose);
            return taken.map_err(|_| SendError::NoTransmitSlot);
        }
        let frame_length = header.length().saturating_add(usize::from(octets));
        if destination.is_none() {
            let mut frame = [0; BUFFER_SIZE];
            compose(header.write(&mut frame)).ok_or(SendError::TooLong)?;
            let frame = frame.get(..frame_length).ok_or(SendError::TooLong)?;
            let queued = self.neighbors.queue(hop.vid, hop.address, frame);
            return queued.map_err(|_| SendError::Unresolved);
        }
        let mut composed = None;
        let queued = self.device.transmit(|buffer| {
            composed = compose(header.write(buffer));
            frame_length
        });
        queued.map_err(|_| SendError::NoTransmitSlot)?;
        self.queued = true;
        if let Some(vlan_device) = self.vlans.device_mut(hop.vid) {
            vlan_device.count_transmitted(frame_length);
        }
        debug_assert!(
            composed.is_some(),
            "no longer than the MTU, so that it fits"
        );
        Ok(())
    }
}

impl<D: Outlet> DatagramSender for Sender<'_, D> {
    fn send(&mut self, departure: &Departure, data: &[u8]) -> Result<(), SendError> {
        let destination = departure.destination;
        if destination.port() == 0 {
            return Err(SendError::Destination);
        }
        let to = Destination {
            vid: Some(departure.vid.unwrap_or(0)),
            priority: departure.priority,
            source: departure.source,
            address: *destination.ip(),
        };
        let length = data.len().saturating_add(udp::HEADER_LENGTH);
        self.send_datagram(&to, Protocol::UDP, length, |datagram, source| {
            let place = datagram.get_mut(udp::HEADER_LENGTH..)?;
            place.copy_from_slice(data);
            let source = (source, departure.source_port);
            udp::write_header(datagram, source, (to.address, destination.port()))
        })
    }
}

/// The address from which a datagram goes that waited for a neighbor, in a frame of VLAN `vid`.
fn source_of(vid: u16, frame: &[u8]) -> Option<Ipv4Addr> {
    let front = FrameHeader::length_with(FrameHeader::tag(vid, 0));
    let datagram = frame.get(front..)?;
    let (header, _) = Ipv4Header::ref_from_prefix(datagram).ok()?;
    Some(header.source())
}

/// Copies a frame into a transmit buffer. Returns its octets.
fn copy(buffer: &mut [u8; BUFFER_SIZE], frame: &[u8]) -> usize {
    for (to, from) in buffer.iter_mut().zip(frame) {
        *to = *from;
    }
    frame.len().min(BUFFER_SIZE)
}

#[cfg(test)]
mod tests;
