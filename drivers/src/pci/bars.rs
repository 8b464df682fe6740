//! Base address registers: where a function's registers lie, or would lie.

use pci_types::{CommandRegister, ConfigRegionAccess, HeaderType, PciAddress, PciHeader};

/// Configuration register by offset (PCI 3.0 §6.1).
const FIRST_BAR: u16 = 0x10;
/// How many base address registers an ordinary function has.
pub const BAR_COUNT: u8 = 6;

/// A range of memory or of I/O ports at which a function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Registers in memory.
    Memory {
        /// Physical address of the first octet.
        address: u64,
        /// Octets, a power of two.
        length: u64,
        /// Whether reads have no effect, so that they may be done ahead.
        prefetchable: bool,
    },
    /// Registers behind I/O ports.
    Io {
        /// First port.
        port: u16,
        /// How many ports, a power of two.
        length: u32,
    },
}

/// What base address register `index` of the function at `address` says; `None` if the function has
/// none there, if it has no address, or if its kind is unknown. A 64-bit register takes two
/// indices, of which only the first is to be asked for.
///
/// The length is found by writing ones. While that lasts the function answers at no address, lest it
/// answers at a wrong one; it must therefore not be in use.
pub fn bar(access: &impl ConfigRegionAccess, address: PciAddress, index: u8) -> Option<Bar> {
    let HeaderType::Endpoint = PciHeader::new(address).header_type(access) else {
        return None;
    };
    let slot = slot(access, address, index, BAR_COUNT)?;
    slot.has_address().then_some(slot.bar)
}

/// A base address register, whether or not it has an address: without, it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which one.
    pub index: u8,
    /// Whether it has 64 bits, and so takes the next index too.
    pub is_wide: bool,
    /// What it says.
    pub bar: Bar,
}

impl Slot {
    /// Whether anybody gave it an address.
    pub const fn has_address(&self) -> bool {
        match self.bar {
            Bar::Memory { address, .. } => address != 0,
            Bar::Io { port, .. } => port != 0,
        }
    }

    /// Gives it the memory address `start`. The function must not decode its memory meanwhile.
    pub fn set(&self, access: &impl ConfigRegionAccess, address: PciAddress, start: u64) {
        let offset = FIRST_BAR + u16::from(self.index) * 4;
        // SAFETY: a base address register is there, and the function decodes no memory.
        unsafe {
            access.write(address, offset, start as u32);
            if self.is_wide {
                access.write(address, offset + 4, (start >> 32) as u32);
            }
        }
    }
}

/// All base address registers of a function: six of an ordinary one, two of a bridge.
pub fn slots<A: ConfigRegionAccess>(
    access: &A,
    address: PciAddress,
) -> impl Iterator<Item = Slot> + '_ {
    let count = match PciHeader::new(address).header_type(access) {
        HeaderType::Endpoint => BAR_COUNT,
        HeaderType::PciPciBridge => 2,
        _ => 0,
    };
    let mut index = 0;
    core::iter::from_fn(move || {
        while index < count {
            let found = slot(access, address, index, count);
            index += if found.is_some_and(|slot| slot.is_wide) {
                2
            } else {
                1
            };
            if found.is_some() {
                return found;
            }
        }
        None
    })
}

/// Register `index` of `count`.
fn slot(
    access: &impl ConfigRegionAccess,
    address: PciAddress,
    index: u8,
    count: u8,
) -> Option<Slot> {
    // `pci_types` could do this, but leaves decoding on meanwhile, and panics at the reserved kind.
    if index >= count {
        return None;
    }
    let offset = FIRST_BAR + u16::from(index) * 4;
    let mut header = PciHeader::new(address);
    let command = header.command(access);
    header.update_command(access, |command| {
        command & !(CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE)
    });
    let (low, low_mask) = probe(access, address, offset);
    let is_wide = low & 0b111 == 0b100;
    let bar = match low & 0b111 {
        kind if kind & 1 == 1 => io_bar(low, low_mask),
        // The 20-bit kind of PCI 2.1 is like the 32-bit one.
        0b000 | 0b010 if low_mask & !0xf != 0 => {
            memory_bar(low, u64::from(low), u64::from(low_mask) | !0 << 32)
        }
        0b100 if index + 1 < count => {
            let (high, high_mask) = probe(access, address, offset + 4);
            memory_bar(
                low,
                u64::from(low) | u64::from(high) << 32,
                u64::from(low_mask) | u64::from(high_mask) << 32,
            )
        }
        _ => None,
    };
    header.update_command(access, |_| command);
    bar.map(|bar| Slot {
        index,
        is_wide,
        bar,
    })
}

/// The value of a base address register, and which of its bits are not fixed.
fn probe(access: &impl ConfigRegionAccess, address: PciAddress, offset: u16) -> (u32, u32) {
    // SAFETY: `slot` made sure that a base address register is there and that the function decodes no
    // address while it holds ones; its value is put back at once.
    unsafe {
        let value = access.read(address, offset);
        access.write(address, offset, u32::MAX);
        let mask = access.read(address, offset);
        access.write(address, offset, value);
        (value, mask)
    }
}

fn memory_bar(low: u32, value: u64, mask: u64) -> Option<Bar> {
    let address = value & !0xf;
    let mask = mask & !0xf;
    // The lowest bit that can be written.
    let length = mask & mask.wrapping_neg();
    (length != 0).then_some(Bar::Memory {
        address,
        length,
        prefetchable: low & 0b1000 != 0,
    })
}

fn io_bar(low: u32, mask: u32) -> Option<Bar> {
    // The upper half may be fixed at zero, since a PC has only 65,536 ports.
    let port = (low & 0xfffc) as u16;
    let mask = mask & 0xfffc;
    let length = mask & mask.wrapping_neg();
    (length != 0).then_some(Bar::Io { port, length })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace};
    use super::*;

    #[test]
    fn reads_base_address_registers_and_leaves_them_as_they_were() {
        let space = FakeSpace::default();
        let words = [
            (0, E1000),
            (0x04, 0x0010_0007),
            (0x10, 0xfeb8_0000),
            (0x14, 0x0000_c001),
            (0x18, 0x0000_000c),
            (0x1c, 0x0000_0080),
            (0x20, 0x0000_0006),
            (0x24, 0x0000_0000),
        ];
        let card = space.put(0, 3, 0, &words);
        for (offset, bits) in [
            (0x10, 0xfffe_0000),
            (0x14, 0x0000_ffc0),
            (0x18, 0xffff_c000),
            (0x24, 0),
        ] {
            space.make_writable(card, offset, bits);
        }
        let bars = [0, 1, 2, 4, 5, 6, 255].map(|index| bar(&space, card, index));
        let memory = |address, length, prefetchable| {
            Some(Bar::Memory {
                address,
                length,
                prefetchable,
            })
        };
        let ports = Some(Bar::Io {
            port: 0xc000,
            length: 64,
        });
        assert_eq!(
            bars,
            [
                memory(0xfeb8_0000, 0x2_0000, false),
                ports,
                memory(0x80_0000_0000, 0x4000, true),
                None,
                None,
                None,
                None,
            ]
        );
        for (offset, value) in words {
            assert_eq!(space.word(card, offset), value, "register {offset:#x}");
        }
    }

    #[test]
    fn a_bridge_has_no_base_address_registers_to_ask_for() {
        let space = FakeSpace::default();
        let words = [
            (0, E1000),
            (0x0c, BRIDGE_HEADER),
            (0x10, 0xfeb8_0000),
            (0x18, 0x0100),
        ];
        let bridge = space.put(0, 3, 0, &words);
        assert_eq!(bar(&space, bridge, 0), None);
        assert_eq!(bar(&space, PciAddress::new(0, 0, 4, 0), 0), None);
    }
}
