//! The ports: each a network card by its name, and the stack's side of it.

use crate::boot::Boot;
use crate::clock::{self, Clock};
use crate::company::Company;
use crate::nics::{Found, Nic};
use crate::seats::Seat;
use alloc::vec::Vec;
use core::fmt::Write;
use heapless::String;
use pollux_drivers::dma::DmaRegion;
use pollux_net::device::{Device, FlowControl, Link, Statistic};
use pollux_net::interface::{DEFAULT_MTU, Interface, NAME_LENGTH, OCTETS_OF_VLAN_DEVICES};
use pollux_net::neighbor::{DEFAULT_CAPACITY, OCTETS_EACH};
use pollux_net::time::Instant;

/// The number of the first card, as Linux counts: 1 is the loopback device.
const FIRST_IFINDEX: u32 = 2;
/// Octets of the heap for each card: some 800 KiB in which datagrams are put together and taken apart, room to
/// configure, and as much again for all the VLAN devices that there can be, which a card takes from the ninth on.
const HEAP_PER_CARD: u64 = (1 << 20) + OCTETS_OF_VLAN_DEVICES as u64;

/// A network card with its driver and the stack's side of it. It belongs to one poll loop.
pub struct Port {
    pub(crate) device: Nic,
    pub(crate) interface: Interface,
    pub(crate) company: Company,
    pub(crate) link: Link,
    /// Its card's place.
    pub(crate) seat: Seat,
    /// How often its link went down.
    link_downs: u64,
}

impl Port {
    /// Its name, such as `eth0`.
    pub fn name(&self) -> &str {
        self.interface.name()
    }

    /// The stack's side of it.
    pub const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Its link, as last read.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// What the card and its driver have counted, and what is counted of any card.
    pub(crate) fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        let link_downs = Statistic {
            name: "link_down_events",
            value: self.link_downs,
        };
        let waits_for_company = Statistic {
            name: "waits_for_company",
            value: self.company.waits(),
        };
        let of_any = [link_downs, waits_for_company];
        self.device.statistics().chain(of_any)
    }

    /// Reads the link's state. A link that comes up has all our addresses claimed on it.
    pub(crate) fn refresh_link(&mut self) {
        let link = match self.seat.is_away() {
            true => Link::default(),
            false => self.device.refresh_link(),
        };
        if link.up && !self.link.up {
            match link.speed_mbps {
                0 => log::info!("{}: link up", self.name()),
                speed => log::info!("{}: link up, {speed} Mbit/s", self.name()),
            }
        } else if !link.up && self.link.up {
            self.link_downs = self.link_downs.saturating_add(1);
            log::info!("{}: link down", self.name());
        }
        self.link = link;
        self.interface.set_link(link.up);
        self.note_abilities();
    }

    /// Takes note of what the card can do on its own. Another one may be in its place after a reset.
    fn note_abilities(&mut self) {
        let (device, interface) = (&self.device, &mut self.interface);
        interface.set_card_can_verify_checksums(device.can_verify_checksums());
        interface.set_card_can_filter_vlans(device.filters_vlans());
    }

    /// Sends up to `budget` fragments of long answers.
    // Out of the poll loop, where it would take registers from what each frame needs.
    #[inline(never)]
    pub(crate) fn send_large(&mut self, budget: usize, now: Instant) {
        if self.interface.send_large(&mut self.device, budget, now) {
            self.device.ring_doorbells();
        }
    }

    /// Sends one piece of what the stack has to say on its own, and reports what it has heard.
    pub(crate) fn send_due(&mut self, now: Instant) {
        if self.interface.send_due(&mut self.device, now) {
            self.device.ring_doorbells();
        }
        if let Some(event) = self.interface.take_event() {
            let device = event.device().and_then(|vid| self.interface.device(vid));
            let name = device.map_or(self.name(), |device| device.name());
            log::warn!("{name}: {event}");
        }
    }

    /// Opens the card's filter, until `ethtool -K` closes it: frames of all VLANs reach the stack, which decides alone.
    pub(crate) fn pass_all_vlans(&mut self) {
        self.configure(|interface| interface.set_card_to_filter_vlans(false));
    }

    /// Configures the stack's side of it, and then the card from it.
    pub fn configure<T>(&mut self, configure: impl FnOnce(&mut Interface) -> T) -> T {
        let result = configure(&mut self.interface);
        if let Some(flow_control) = self.interface.flow_control() {
            self.device.set_flow_control(flow_control);
        }
        let verify = self.interface.is_card_to_verify_checksums();
        self.device.set_checksum_verification(verify);
        self.device
            .set_vlan_filter(&self.interface.accepted_vlans());
        result
    }

    /// Does a bounded piece of what a command left to be done. Returns whether there is more.
    pub(crate) fn carry_on(&mut self) -> bool {
        self.interface.carry_on() || self.device.advance_vlan_filter()
    }
}

impl Found {
    /// Octets of the heap that all of them need, with room for `neighbors` neighbors each.
    pub fn heap_octets(&self, neighbors: Option<usize>) -> u64 {
        let neighbors = capacity(neighbors).next_power_of_two() * OCTETS_EACH;
        self.count() as u64 * (HEAP_PER_CARD + neighbors as u64)
    }
}

/// How many neighbors a card is to have room for.
fn capacity(neighbors: Option<usize>) -> usize {
    neighbors.unwrap_or(DEFAULT_CAPACITY)
}

/// Brings the cards up and names them, in the order of [`Found::bring_up`]. Each has room for `neighbors` neighbors.
pub fn bring_up(
    found: Found,
    boot: &Boot,
    dma: &mut DmaRegion,
    clock: &Clock,
    neighbors: Option<usize>,
) -> Vec<Port> {
    // Ports are large: a vector that grew would hold all of them twice for a moment.
    let mut ports = Vec::with_capacity(found.count());
    found.bring_up(boot, dma, clock, |place, device| {
        let mut name = String::<NAME_LENGTH>::new();
        // Fits for any number that 32 bits can hold.
        let _ = write!(name, "eth{}", ports.len());
        let ifindex = FIRST_IFINDEX + ports.len() as u32;
        let mac = device.mac_address();
        log::info!("{name}: {} at {place}, {mac}", device.model());
        let mut interface =
            Interface::with_neighbors(&name, mac, ifindex, clock.rate(), capacity(neighbors));
        if neighbors.is_some() {
            let room = interface.neighbors().capacity();
            log::info!("{name}: room for {room} neighbors");
        }
        let mtu = device.maximum_mtu();
        if mtu < DEFAULT_MTU {
            log::info!("{name}: it takes datagrams of up to {mtu} octets");
        }
        interface.limit_mtu(mtu);
        interface.set_stopwatch(clock::now);
        if device.has_flow_control() {
            interface.set_flow_control(FlowControl::default());
        }
        let seat = Seat::new(place, &ports);
        let mut port = Port {
            device,
            interface,
            company: Company::new(clock.rate()),
            link: Link::default(),
            seat,
            link_downs: 0,
        };
        // Before the start-up file, which may ask for what only some cards can do.
        port.note_abilities();
        port.configure(|_| ());
        ports.push(port);
    });
    ports
}
