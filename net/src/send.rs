//! What the appliance says without having been asked: claims to its addresses, questions for neighbors,
//! and what waited for their answers.
//!
//! The poll loop calls [`Interface::send_due`] again and again; each call does one bounded piece. What an
//! operator should hear of comes out of [`Interface::take_event`].

use crate::address_conflict;
use crate::device::{BUFFER_SIZE, Device};
use crate::interface::Interface;
use crate::neighbor::{self, Action};
use crate::time::Instant;
use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::vlan::TaggedHeader;
use core::fmt;
use core::net::Ipv4Addr;
use zerocopy::IntoBytes;

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
                vid,
                address,
                mac,
                permanent,
            } => {
                let kind = if *permanent { ", permanent" } else { "" };
                write!(f, "{address} is at {mac} in {}{kind}", Vlan(*vid))
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
}

/// The Ethernet header of a frame of our own: in a VLAN, or without a tag for VLAN identifier 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub destination: MacAddress,
    pub source: MacAddress,
    pub vid: u16,
    /// In the tag, 0 to 7.
    pub priority: u8,
    pub ether_type: EtherType,
}

impl Envelope {
    /// Octets of the header.
    pub const fn length(&self) -> usize {
        match self.vid {
            0 => size_of::<EthernetHeader>(),
            _ => size_of::<TaggedHeader>(),
        }
    }

    /// Writes the header to the beginning of `buffer`. Returns what is behind it.
    pub fn write<'buffer>(&self, buffer: &'buffer mut [u8; BUFFER_SIZE]) -> &'buffer mut [u8] {
        let (header, payload) = buffer.split_at_mut(self.length());
        let written = match self.vid {
            0 => EthernetHeader {
                destination: self.destination,
                source: self.source,
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
            vid => TaggedHeader {
                destination: self.destination,
                source: self.source,
                tag_protocol: EtherType::VLAN.0.into(),
                tag_control: (u16::from(self.priority & 7) << 13 | vid).into(),
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
        };
        debug_assert!(written, "the header was cut to its length");
        payload
    }
}

impl Interface {
    /// Notes whether the link is up. When it comes up, our addresses are claimed anew.
    pub fn set_link(&mut self, up: bool) {
        self.claims.set_link(up);
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
        let turn = self.turn;
        self.turn = match turn {
            Turn::Claims => Turn::Neighbors,
            Turn::Neighbors => Turn::Claims,
        };
        match turn {
            Turn::Claims => self.send_claim(device, now),
            Turn::Neighbors => self.send_for_neighbors(device, now),
        }
    }

    fn send_claim(&mut self, device: &mut impl Device, now: Instant) -> bool {
        let vlans = &self.vlans;
        let Some(due) = self.claims.poll(now, self.mac, |vid| vlans.is_up(vid)) else {
            return false;
        };
        if due.changed {
            self.update_addresses(due.vid);
        }
        self.send_arp(device, due.vid, MacAddress::BROADCAST, &due.packet)
    }

    fn send_for_neighbors(&mut self, device: &mut impl Device, now: Instant) -> bool {
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
        let packet = ArpPacket::request(self.mac, hop.source, address);
        self.send_arp(device, vid, to, &packet)
    }

    /// Queues an ARP packet. Returns whether there was room.
    fn send_arp(
        &mut self,
        device: &mut impl Device,
        vid: u16,
        destination: MacAddress,
        packet: &ArpPacket,
    ) -> bool {
        let envelope = Envelope {
            destination,
            source: self.mac,
            vid,
            priority: 0,
            ether_type: EtherType::ARP,
        };
        let length = envelope.length().saturating_add(size_of::<ArpPacket>());
        let queued = device.transmit(|buffer| {
            let payload = envelope.write(buffer);
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

    /// Tells what an ARP packet in VLAN `vid` means for our addresses.
    #[cold]
    pub(crate) fn hear_claim(&mut self, vid: u16, packet: &ArpPacket, now: Instant) {
        let by = packet.sender_mac;
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

/// Copies a frame into a transmit buffer. Returns its octets.
fn copy(buffer: &mut [u8; BUFFER_SIZE], frame: &[u8]) -> usize {
    for (to, from) in buffer.iter_mut().zip(frame) {
        *to = *from;
    }
    frame.len().min(BUFFER_SIZE)
}
