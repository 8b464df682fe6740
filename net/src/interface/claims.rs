//! The addresses that a network card was given, and whether they may be used (RFC 5227).

use super::Ipv4Cidr;
use crate::address_conflict::{AddressClaim, Event, Send, Start};
use crate::time::{Instant, TickRate};
use crate::wire::arp::{ArpPacket, Operation};
use crate::wire::ethernet::MacAddress;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::ops::Range;

/// An address that the device of a VLAN was given.
struct Given {
    vid: u16,
    cidr: Ipv4Cidr,
    claim: AddressClaim,
    /// Whether the claim was told that the link is up.
    knows_link: bool,
}

/// An address of a device, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The VLAN of its device; 0 for the card's own.
    pub vid: u16,
    /// The address and its network.
    pub cidr: Ipv4Cidr,
    /// Whether it is in use; else it is being probed for, or another station has it.
    pub is_usable: bool,
}

/// What is to be sent about an address.
pub(crate) struct Due {
    pub vid: u16,
    pub packet: ArpPacket,
    /// Whether the address became usable, or is no longer.
    pub changed: bool,
}

/// All addresses of a network card: by VLAN, and in each in the order in which they were given.
pub(crate) struct Claims {
    given: Vec<Given>,
    start: Start,
    link_is_up: bool,
    /// Whose turn it is to send.
    turn: usize,
    /// Whether any address was ever to be probed for before it is used.
    probes: bool,
    /// The same, or somebody asks by ARP: then every packet is heard.
    listens: bool,
}

impl Claims {
    /// No addresses, on a link that is down.
    pub const fn new() -> Self {
        Self {
            given: Vec::new(),
            start: Start::UseAtOnce,
            link_is_up: false,
            turn: 0,
            probes: false,
            listens: false,
        }
    }

    pub const fn set_start(&mut self, start: Start) {
        self.start = start;
    }

    /// Notes an address. Allocates.
    pub fn add(&mut self, vid: u16, cidr: Ipv4Cidr, own: MacAddress, rate: TickRate) {
        let given = Given {
            vid,
            cidr,
            claim: AddressClaim::new(cidr.address(), own, self.start, rate),
            knows_link: false,
        };
        let place = self.given.partition_point(|other| other.vid <= vid);
        self.given.insert(place, given);
        self.probes |= self.start == Start::ProbeFirst;
        self.listens |= self.probes;
    }

    /// Whether every ARP packet is to be heard, and not only those of who uses an address of ours: there may be addresses
    /// that are not in use yet, or somebody is asked for.
    pub const fn is_listening(&self) -> bool {
        self.listens
    }

    /// Notes whether somebody is asked for.
    pub const fn set_asking(&mut self, asking: bool) {
        self.listens = asking || self.probes;
    }

    /// Where the addresses of a VLAN are.
    fn places(&self, vid: u16) -> Range<usize> {
        let start = self.given.partition_point(|given| given.vid < vid);
        start..self.given.partition_point(|given| given.vid <= vid)
    }

    fn given_to(&self, vid: u16) -> &[Given] {
        self.given.get(self.places(vid)).unwrap_or_default()
    }

    /// Forgets an address, and returns what it was; `None` when it is not there.
    pub fn remove(&mut self, vid: u16, address: Ipv4Addr) -> Option<Ipv4Cidr> {
        let places = self.places(vid);
        let is_it = |given: &Given| given.cidr.address() == address;
        let place = self.given_to(vid).iter().position(is_it)?;
        Some(self.given.remove(places.start.saturating_add(place)).cidr)
    }

    /// Forgets all addresses of a VLAN.
    pub fn remove_vlan(&mut self, vid: u16) {
        self.given.drain(self.places(vid));
    }

    pub fn all(&self) -> impl Iterator<Item = Ipv4Cidr> + '_ {
        self.given.iter().map(|given| given.cidr)
    }

    pub fn list(&self) -> impl Iterator<Item = Address> + '_ {
        self.given.iter().map(|given| Address {
            vid: given.vid,
            cidr: given.cidr,
            is_usable: given.claim.is_usable(),
        })
    }

    pub fn of_vlan(&self, vid: u16) -> impl Iterator<Item = Ipv4Cidr> + '_ {
        self.given_to(vid).iter().map(|given| given.cidr)
    }

    pub fn usable_of_vlan(&self, vid: u16) -> impl Iterator<Item = Ipv4Cidr> + '_ {
        let given = self.given_to(vid).iter();
        given
            .filter(|given| given.claim.is_usable())
            .map(|given| given.cidr)
    }

    /// Notes whether the link is up. When it comes up, each address is claimed anew. Returns whether any is no
    /// longer usable until that is done.
    pub fn set_link(&mut self, up: bool) -> bool {
        let mut any_lost = false;
        if up && !self.link_is_up {
            for given in &mut self.given {
                given.knows_link = false;
            }
        } else if !up && self.link_is_up {
            for given in &mut self.given {
                let was_usable = given.claim.is_usable();
                given.claim.link_down();
                any_lost |= was_usable != given.claim.is_usable();
            }
        }
        self.link_is_up = up;
        any_lost
    }

    /// The first VLAN behind `vid` that was given an address, or the first of all.
    pub fn next_vlan(&self, vid: Option<u16>) -> Option<u16> {
        let behind = |given: &Given| vid.is_some_and(|vid| given.vid <= vid);
        let place = self.given.partition_point(behind);
        Some(self.given.get(place)?.vid)
    }

    /// What one address has to say at `now`, another one each time. `random` is any number that differs
    /// from station to station. Nothing is said of addresses for which `is_served` is not true.
    pub fn poll(
        &mut self,
        now: Instant,
        own: MacAddress,
        is_served: impl Fn(u16) -> bool,
    ) -> Option<Due> {
        if !self.link_is_up {
            return None;
        }
        self.turn = self.turn.saturating_add(1);
        if self.turn >= self.given.len() {
            self.turn = 0;
        }
        let given = self.given.get_mut(self.turn)?;
        if !is_served(given.vid) {
            return None;
        }
        if !given.knows_link {
            given.knows_link = true;
            given.claim.link_up(now, own.to_bits() ^ now.ticks());
        }
        let was_usable = given.claim.is_usable();
        let send = given.claim.poll(now)?;
        let address = given.cidr.address();
        Some(Due {
            vid: given.vid,
            packet: match send {
                Send::Probe => ArpPacket::probe(own, address),
                Send::Announcement => ArpPacket::announcement(own, address),
            },
            changed: given.claim.is_usable() != was_usable,
        })
    }

    /// Takes note of an ARP packet in VLAN `vid`. Returns what it means for which of our addresses, if it
    /// means anything.
    pub fn on_arp(
        &mut self,
        vid: u16,
        packet: &ArpPacket,
        now: Instant,
    ) -> Option<(Ipv4Addr, Event)> {
        let is_request = packet.operation() == Some(Operation::Request);
        let (sender, target) = (packet.sender_ip(), packet.target_ip());
        let places = self.places(vid);
        let mut of_vlan = self.given.get_mut(places).unwrap_or_default().iter_mut();
        of_vlan.find_map(|given| {
            let claim = &mut given.claim;
            let event = claim.on_arp(sender, packet.sender_mac, target, is_request, now);
            (event != Event::None).then_some((given.cidr.address(), event))
        })
    }
}
