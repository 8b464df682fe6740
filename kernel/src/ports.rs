//! The network cards of this machine: found, quieted, brought up and named.

use crate::clock::Clock;
use crate::memory;
use alloc::vec::Vec;
use core::fmt::Write;
use core::ptr::NonNull;
use heapless::String;
use pci_types::PciAddress;
use pollux_drivers::dma::DmaRegion;
use pollux_drivers::e1000::{Card, E1000, E1000Error, Quiet};
use pollux_drivers::mmio::Mmio;
use pollux_drivers::pci::{self, Bar, Class, ConfigPorts};
use pollux_net::device::{Device, Link};
use pollux_net::interface::{Interface, NAME_LENGTH};
use pollux_net::time::Instant;
use pollux_net::vlan::VlanSet;

/// The number of the first card, as Linux counts: 1 is the loopback device.
const FIRST_IFINDEX: u32 = 2;
/// How many cards are driven at once. There is no heap yet when they are counted.
const MAXIMUM_CARDS: usize = 32;

/// A network card with its driver and the stack's side of it. It belongs to one poll loop.
pub struct Port {
    pub(crate) device: E1000<Mmio>,
    pub(crate) interface: Interface,
    pub(crate) link: Link,
    /// Whether the card's own filter is open, so that only the stack's decides and counts.
    passes_all_vlans: bool,
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

    /// Reads the link's state. A link that comes up has all our addresses claimed on it.
    pub(crate) fn refresh_link(&mut self) {
        let link = self.device.refresh_link();
        if link.up && !self.link.up {
            log::info!("{}: link up, {} Mbit/s", self.name(), link.speed_mbps);
        } else if !link.up && self.link.up {
            log::info!("{}: link down", self.name());
        }
        self.link = link;
        self.interface.set_link(link.up);
    }

    /// Sends one piece of what the stack has to say on its own, and reports what it has heard.
    pub(crate) fn send_due(&mut self, now: Instant) {
        if self.interface.send_due(&mut self.device, now) {
            self.device.ring_doorbells();
        }
        if let Some(event) = self.interface.take_event() {
            log::warn!("{}: {event}", self.name());
        }
    }

    /// Opens the card's filter for good: frames of all VLANs reach the stack, which decides alone.
    pub(crate) fn pass_all_vlans(&mut self) {
        self.passes_all_vlans = true;
        self.device.set_vlan_filter(&VlanSet::full());
    }

    /// Configures the stack's side of it, and then the card's filter from it.
    pub fn configure<T>(&mut self, configure: impl FnOnce(&mut Interface) -> T) -> T {
        let result = configure(&mut self.interface);
        if !self.passes_all_vlans {
            self.device
                .set_vlan_filter(&self.interface.accepted_vlans());
        }
        result
    }
}

/// The cards that were found on the PCI bus.
pub struct Found {
    access: ConfigPorts,
    cards: heapless::Vec<(PciAddress, &'static Card), MAXIMUM_CARDS>,
}

impl Found {
    /// Looks for cards, and keeps every network card from writing to memory: firmware may have left
    /// it receiving.
    pub fn search() -> Self {
        // SAFETY: this is a PC, and nothing else here touches the two ports.
        let access = unsafe { ConfigPorts::new() };
        let mut cards = heapless::Vec::new();
        for function in pci::functions(&access) {
            if function.class.base != Class::ETHERNET.base {
                continue;
            }
            pci::disable_bus_master(&access, function.address);
            match Card::find(function.vendor, function.device) {
                Some(card) => {
                    if cards.push((function.address, card)).is_err() {
                        log::warn!("pci {}: one card too many", function.address);
                    }
                }
                None => log::warn!(
                    "pci {}: network card {:04x}:{:04x} is not one that is known",
                    function.address,
                    function.vendor,
                    function.device
                ),
            }
        }
        Self { access, cards }
    }

    /// Octets of DMA memory that all of them need.
    pub fn dma_octets(&self) -> u64 {
        (self.cards.len() * E1000::<Mmio>::MEMORY) as u64
    }

    /// Brings the cards up, in the order of their places on the bus, and names them. One that does
    /// not come up is reported and left out.
    pub fn bring_up(self, dma: &mut DmaRegion, clock: &Clock) -> Vec<Port> {
        // Ports are large: a vector that grew would hold all of them twice for a moment.
        let mut ports = Vec::with_capacity(self.cards.len());
        for &(address, card) in &self.cards {
            match bring_up(&self.access, address, card, dma, clock) {
                Ok(device) => {
                    let mut name = String::<NAME_LENGTH>::new();
                    // Fits for any number that 32 bits can hold.
                    let _ = write!(name, "eth{}", ports.len());
                    let ifindex = FIRST_IFINDEX + ports.len() as u32;
                    let mac = device.mac_address();
                    log::info!("{name}: {} at pci {address}, {mac}", device.model());
                    ports.push(Port {
                        device,
                        interface: Interface::new(&name, mac, ifindex, clock.rate()),
                        link: Link::default(),
                        passes_all_vlans: false,
                    });
                }
                Err(error) => log::error!("pci {address}: {}: {error}", card.name),
            }
        }
        ports
    }
}

/// Why a card did not come up.
enum Failure {
    NoRegisters,
    CannotMap(memory::MapError),
    Driver(E1000Error),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoRegisters => write!(f, "firmware gave its registers no address"),
            Self::CannotMap(error) => write!(f, "its registers cannot be mapped: {error}"),
            Self::Driver(error) => write!(f, "{error}"),
        }
    }
}

fn bring_up(
    access: &ConfigPorts,
    address: PciAddress,
    card: &'static Card,
    dma: &mut DmaRegion,
    clock: &Clock,
) -> Result<E1000<Mmio>, Failure> {
    let Some(Bar::Memory {
        address: registers,
        length,
        ..
    }) = pci::bar(access, address, 0)
    else {
        return Err(Failure::NoRegisters);
    };
    let mapped = memory::map_registers(registers, length).map_err(Failure::CannotMap)?;
    let base = NonNull::new(mapped.cast::<u32>()).ok_or(Failure::NoRegisters)?;
    pci::enable_registers(access, address);
    // SAFETY: the region's registers are mapped there, uncached, for good, and are this card's alone.
    let registers = unsafe { Mmio::new(base, length as usize) };
    let quiet = Quiet::reset(card, registers, |microseconds| clock.wait(microseconds))
        .map_err(Failure::Driver)?;
    // Only now: whatever the card was told to do before is forgotten.
    pci::enable_bus_master(access, address);
    quiet
        .start(dma, &VlanSet::new())
        .inspect_err(|_| pci::disable_bus_master(access, address))
        .map_err(Failure::Driver)
}
