//! The PCI bus: which functions there are, where their registers lie, and whether they may reach
//! memory.
//!
//! Called by the kernel at start-up, and for cards that are taken out and put back in ([`hot_plug`], [`seat`]). It
//! reads and writes configuration space ([`access`]) and nothing else. Firmware has numbered the buses and given out addresses; where it did not, [`numbers`] and [`assign`] do.

pub mod access;
pub mod assign;
mod bars;
mod capabilities;
#[cfg(test)]
mod fake;
pub mod hot_plug;
pub mod numbers;
mod search;
pub mod seat;

pub use bars::{BAR_COUNT, Bar, Slot, bar, slots};
pub use capabilities::capabilities;
pub use search::{functions, functions_below};

use core::fmt;

use pci_types::{CommandRegister, PciHeader};
pub use pci_types::{ConfigRegionAccess, PciAddress};

/// A function that answered: one device, or one of several on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: PciAddress,
    /// Who made it.
    pub vendor: u16,
    /// What its maker calls it.
    pub device: u16,
    /// What kind of thing it is.
    pub class: Class,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:04x}:{:04x} class {:02x}{:02x}",
            self.address, self.vendor, self.device, self.class.base, self.class.sub
        )
    }
}

/// What kind of thing a function is (PCI Code and ID Assignment 1.11 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Base class: 2 for network controllers.
    pub base: u8,
    /// Sub-class: 0 for Ethernet, among network controllers.
    pub sub: u8,
}

impl Class {
    /// An Ethernet controller.
    pub const ETHERNET: Self = Self { base: 2, sub: 0 };
    /// A host bridge: between processor, memory and bus.
    pub const HOST_BRIDGE: Self = Self { base: 6, sub: 0 };
}

/// Lets the function at `address` answer at its memory addresses, and turns its interrupt pin off:
/// nothing here is driven by interrupts. Does not let it reach memory. Its I/O ports are left as they
/// are: firmware may have given it none, and it would answer at port 0.
pub fn enable_registers(access: &impl ConfigRegionAccess, address: PciAddress) {
    PciHeader::new(address).update_command(access, |command| {
        command | CommandRegister::MEMORY_ENABLE | CommandRegister::INTERRUPT_DISABLE
    });
}

/// Lets the function at `address` answer at its I/O ports as well. Firmware must have given it some.
pub fn enable_ports(access: &impl ConfigRegionAccess, address: PciAddress) {
    PciHeader::new(address).update_command(access, |command| {
        command | CommandRegister::IO_ENABLE | CommandRegister::INTERRUPT_DISABLE
    });
}

/// Lets the function at `address` reach memory. Its driver must have stopped it first: what firmware
/// left running would go on writing to where firmware's buffers were.
pub fn enable_bus_master(access: &impl ConfigRegionAccess, address: PciAddress) {
    PciHeader::new(address).update_command(access, |command| {
        command | CommandRegister::BUS_MASTER_ENABLE
    });
}

/// Keeps the function at `address` from reaching memory, whatever it was doing.
pub fn disable_bus_master(access: &impl ConfigRegionAccess, address: PciAddress) {
    PciHeader::new(address).update_command(access, |command| {
        command & !CommandRegister::BUS_MASTER_ENABLE
    });
}

#[cfg(test)]
mod tests {
    use super::fake::{E1000, FakeSpace};
    use super::*;

    #[test]
    fn registers_and_memory_are_opened_and_closed_separately() {
        let space = FakeSpace::default();
        let card = space.put(0, 3, 0, &[(0, E1000), (0x04, 0x0000_0140)]);
        enable_registers(&space, card);
        assert_eq!(space.word(card, 0x04), 0x0000_0542);
        enable_bus_master(&space, card);
        assert_eq!(space.word(card, 0x04), 0x0000_0546);
        disable_bus_master(&space, card);
        assert_eq!(space.word(card, 0x04), 0x0000_0542);
    }
}
