//! The PCI bus: which functions there are, where their registers lie, and whether they may reach
//! memory.
//!
//! Called by the kernel at start-up only. It reads and writes configuration space and nothing else; it
//! assigns no addresses and no bus numbers, since firmware has done that.

use core::fmt;

use pci_types::{CommandRegister, HeaderType, PciHeader};
pub use pci_types::{ConfigRegionAccess, PciAddress};
use x86_64::instructions::port::Port;

/// The vendor that an empty slot reports (PCI 3.0 §6.1).
const NO_VENDOR: u16 = 0xffff;
/// Configuration registers by offset (PCI 3.0 §6.1, PCI-to-PCI Bridge 1.2 §3.2).
const FIRST_BAR: u16 = 0x10;
const BUS_NUMBERS: u16 = 0x18;

/// How many base address registers an ordinary function has.
pub const BAR_COUNT: u8 = 6;

/// Configuration space through the ports 0xcf8 and 0xcfc, which every PC has (PCI 3.0 §3.2.2.3.2).
/// Reaches the first 256 octets of each function of segment 0.
#[derive(Debug)]
pub struct ConfigPorts(());

impl ConfigPorts {
    const ADDRESS: u16 = 0xcf8;
    const DATA: u16 = 0xcfc;
    const ENABLE: u32 = 1 << 31;

    /// Takes charge of the two ports.
    ///
    /// # Safety
    ///
    /// The processor must be allowed to use I/O ports, and nothing else may use these two while the
    /// value lives: an access is made of two steps.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Selects the register, if this mechanism can name it.
    fn select(&self, address: PciAddress, offset: u16) -> Option<()> {
        if address.segment() != 0 || offset > 0xfc {
            return None;
        }
        let selection = Self::ENABLE
            | u32::from(address.bus()) << 16
            | u32::from(address.device()) << 11
            | u32::from(address.function()) << 8
            | u32::from(offset & 0xfc);
        // SAFETY: the ports are this value's alone (promised to `new`), and selecting a register has
        // no other effect.
        unsafe { Port::new(Self::ADDRESS).write(selection) };
        Some(())
    }
}

impl ConfigRegionAccess for ConfigPorts {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        match self.select(address, offset) {
            // SAFETY: the register was selected just now; the caller vouches that reading it is in
            // order.
            Some(()) => unsafe { Port::new(Self::DATA).read() },
            None => u32::MAX,
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        if self.select(address, offset).is_some() {
            // SAFETY: the register was selected just now; the caller vouches that writing `value`
            // there is in order.
            unsafe { Port::new(Self::DATA).write(value) };
        }
    }
}

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
}

/// All functions that can be reached: on bus 0, on the further buses of a host bridge that has
/// several, and behind bridges, bus by bus. Every bus is visited at most once, so that bridges which
/// lie about their bus numbers cannot make it endless.
pub fn functions<A: ConfigRegionAccess>(access: &A) -> impl Iterator<Item = Function> + '_ {
    functions_below(access, Roots::First)
}

/// Where the search for functions begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// On bus 0, as is enough for a machine with one host bridge.
    First,
    /// On every bus: no bridge leads to those of further host bridges. It takes some 16,000 accesses to ports.
    Every,
}

/// All functions that can be reached from `roots`, as by [`functions`].
pub fn functions_below<A: ConfigRegionAccess>(
    access: &A,
    roots: Roots,
) -> impl Iterator<Item = Function> + '_ {
    let mut buses = Buses::default();
    match roots {
        Roots::First => buses.add(0),
        Roots::Every => (0..=u8::MAX).for_each(|bus| buses.add(bus)),
    }
    Functions {
        access,
        buses,
        current: None,
    }
}

/// Buses to visit, and buses known already.
#[derive(Default)]
struct Buses {
    pending: [u64; 4],
    known: [u64; 4],
}

impl Buses {
    fn add(&mut self, bus: u8) {
        let (word, bit) = (usize::from(bus / 64), 1 << (bus % 64));
        if let (Some(known), Some(pending)) = (self.known.get_mut(word), self.pending.get_mut(word))
        {
            *pending |= bit & !*known;
            *known |= bit;
        }
    }

    /// The lowest bus that has not been visited.
    fn next(&mut self) -> Option<u8> {
        let (word, bits) = (0_u8..)
            .zip(&mut self.pending)
            .find(|(_, bits)| **bits != 0)?;
        let bit = bits.trailing_zeros() as u8;
        *bits &= *bits - 1;
        Some(word * 64 + bit)
    }
}

/// The iterator behind [`functions`].
struct Functions<'access, A> {
    access: &'access A,
    buses: Buses,
    /// Where to look next; `None` between two buses.
    current: Option<Position>,
}

#[derive(Clone, Copy)]
struct Position {
    bus: u8,
    device: u8,
    function: u8,
}

impl Position {
    fn address(self) -> PciAddress {
        PciAddress::new(0, self.bus, self.device, self.function)
    }

    /// The position after this one; `None` at the end of the bus.
    fn advanced(self, skip_functions: bool) -> Option<Self> {
        if self.function < 7 && !skip_functions {
            return Some(Self {
                function: self.function + 1,
                ..self
            });
        }
        (self.device < 31).then_some(Self {
            device: self.device + 1,
            function: 0,
            ..self
        })
    }
}

impl<A: ConfigRegionAccess> Functions<'_, A> {
    /// Looks at one position: the function there, if any, and whether the device has no others.
    fn look(&mut self, position: Position) -> (Option<Function>, bool) {
        let header = PciHeader::new(position.address());
        let (vendor, device) = header.id(self.access);
        if vendor == NO_VENDOR {
            return (None, position.function == 0);
        }
        let single = position.function == 0 && !header.has_multiple_functions(self.access);
        if let HeaderType::PciPciBridge = header.header_type(self.access) {
            // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
            let buses = unsafe { self.access.read(position.address(), BUS_NUMBERS) };
            self.buses.add((buses >> 8) as u8);
        }
        // A host bridge with several functions has one root bus for each (function n, bus n).
        if position.bus == 0 && position.device == 0 {
            self.buses.add(position.function);
        }
        let (_, base, sub, _) = header.revision_and_class(self.access);
        let function = Function {
            address: position.address(),
            vendor,
            device,
            class: Class { base, sub },
        };
        (Some(function), single)
    }
}

impl<A: ConfigRegionAccess> Iterator for Functions<'_, A> {
    type Item = Function;

    fn next(&mut self) -> Option<Function> {
        loop {
            let position = match self.current {
                Some(position) => position,
                None => Position {
                    bus: self.buses.next()?,
                    device: 0,
                    function: 0,
                },
            };
            let (function, skip_functions) = self.look(position);
            self.current = position.advanced(skip_functions);
            if function.is_some() {
                return function;
            }
        }
    }
}

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
/// none there, if firmware gave it no address, or if its kind is unknown. A 64-bit register takes two
/// indices, of which only the first is to be asked for.
///
/// The length is found by writing ones. While that lasts the function answers at no address, lest it
/// answers at a wrong one; it must therefore not be in use.
pub fn bar(access: &impl ConfigRegionAccess, address: PciAddress, index: u8) -> Option<Bar> {
    // `pci_types` could do this, but leaves decoding on meanwhile, and panics at the reserved kind.
    if index >= BAR_COUNT {
        return None;
    }
    let offset = FIRST_BAR + u16::from(index) * 4;
    let mut header = PciHeader::new(address);
    let HeaderType::Endpoint = header.header_type(access) else {
        return None;
    };
    let command = header.command(access);
    header.update_command(access, |command| {
        command & !(CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE)
    });
    let (low, low_mask) = probe(access, address, offset);
    let bar = match low & 0b111 {
        kind if kind & 1 == 1 => io_bar(low, low_mask),
        // The 20-bit kind of PCI 2.1 is like the 32-bit one.
        0b000 | 0b010 => memory_bar(low, u64::from(low), u64::from(low_mask) | !0 << 32),
        0b100 if index + 1 < BAR_COUNT => {
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
    bar
}

/// The value of a base address register, and which of its bits are not fixed.
fn probe(access: &impl ConfigRegionAccess, address: PciAddress, offset: u16) -> (u32, u32) {
    // SAFETY: `bar` made sure that a base address register is there and that the function decodes no
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
    (address != 0 && length != 0).then_some(Bar::Memory {
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
    (port != 0 && length != 0).then_some(Bar::Io { port, length })
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
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// Configuration space with the functions that a test puts there.
    #[derive(Default)]
    struct FakeSpace {
        functions: RefCell<BTreeMap<PciAddress, FakeFunction>>,
    }

    #[derive(Clone, Default)]
    struct FakeFunction {
        words: BTreeMap<u16, u32>,
        /// Which bits of a register can be written; all, where nothing is said.
        writable: BTreeMap<u16, u32>,
    }

    impl ConfigRegionAccess for FakeSpace {
        unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
            match self.functions.borrow().get(&address) {
                Some(function) => function.words.get(&offset).copied().unwrap_or(0),
                None => u32::MAX,
            }
        }

        unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
            if let Some(function) = self.functions.borrow_mut().get_mut(&address) {
                let decoding = function.words.get(&0x04).copied().unwrap_or(0) & 0b11 != 0;
                assert!(
                    !(decoding && (0x10..0x28).contains(&offset)),
                    "a base address register was changed while the function decodes"
                );
                let writable = function.writable.get(&offset).copied().unwrap_or(u32::MAX);
                let word = function.words.entry(offset).or_default();
                *word = *word & !writable | value & writable;
            }
        }
    }

    impl FakeSpace {
        fn put(&self, bus: u8, device: u8, function: u8, words: &[(u16, u32)]) -> PciAddress {
            let address = PciAddress::new(0, bus, device, function);
            let fake = FakeFunction {
                words: words.iter().copied().collect(),
                writable: BTreeMap::new(),
            };
            self.functions.borrow_mut().insert(address, fake);
            address
        }

        fn make_writable(&self, address: PciAddress, offset: u16, bits: u32) {
            let mut functions = self.functions.borrow_mut();
            let function = functions.get_mut(&address).unwrap();
            function.writable.insert(offset, bits);
        }

        fn word(&self, address: PciAddress, offset: u16) -> u32 {
            self.functions.borrow()[&address].words[&offset]
        }

        fn found(&self) -> Vec<PciAddress> {
            functions(self).map(|function| function.address).collect()
        }
    }

    const E1000: u32 = 0x100e_8086;
    const BRIDGE_HEADER: u32 = 0x0001_0000;
    const MULTIPLE: u32 = 0x0080_0000;

    #[test]
    fn finds_the_functions_of_every_bus_behind_bridges() {
        let space = FakeSpace::default();
        let host = space.put(0, 0, 0, &[(0, 0x1237_8086)]);
        let bridge = space.put(
            0,
            4,
            0,
            &[(0, 0x0001_1b36), (0x0c, BRIDGE_HEADER), (0x18, 0x0007_0500)],
        );
        let inner = space.put(
            5,
            1,
            0,
            &[(0, 0x0001_1b36), (0x0c, BRIDGE_HEADER), (0x18, 0x0007_0605)],
        );
        let card = space.put(6, 31, 0, &[(0, E1000), (0x08, 0x0200_0003)]);
        space.put(7, 0, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [host, bridge, inner, card]);
        let last = functions(&space).last().unwrap();
        assert_eq!((last.vendor, last.device), (0x8086, 0x100e));
        assert_eq!(last.class, Class::ETHERNET);
    }

    #[test]
    fn looks_at_further_functions_only_where_the_first_says_so() {
        let space = FakeSpace::default();
        let single = space.put(0, 1, 0, &[(0, E1000)]);
        space.put(0, 1, 1, &[(0, E1000)]);
        let first = space.put(0, 2, 0, &[(0, E1000), (0x0c, MULTIPLE)]);
        let last = space.put(0, 2, 7, &[(0, E1000)]);
        space.put(0, 3, 1, &[(0, E1000)]);
        assert_eq!(space.found(), [single, first, last]);
    }

    #[test]
    fn a_host_bridge_with_several_functions_has_several_root_buses() {
        let space = FakeSpace::default();
        let first = space.put(0, 0, 0, &[(0, E1000), (0x0c, MULTIPLE)]);
        let second = space.put(0, 0, 1, &[(0, E1000)]);
        let card = space.put(1, 3, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [first, second, card]);
    }

    #[test]
    fn the_buses_of_further_host_bridges_are_found_where_every_bus_is_a_root() {
        let space = FakeSpace::default();
        let host = space.put(0, 0, 0, &[(0, E1000)]);
        let words = [(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, 0x8100)];
        let port = space.put(128, 2, 0, &words);
        let card = space.put(129, 0, 0, &[(0, E1000)]);
        let far = space.put(255, 31, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [host]);
        let found: Vec<_> = functions_below(&space, Roots::Every)
            .map(|function| function.address)
            .collect();
        assert_eq!(found, [host, port, card, far]);
    }

    #[test]
    fn bridges_that_point_back_do_not_make_the_search_endless() {
        let space = FakeSpace::default();
        for (bus, secondary) in [(0, 9_u32), (9, 255), (255, 9)] {
            let words = [(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, secondary << 8)];
            space.put(bus, 31, 0, &words);
        }
        assert_eq!(space.found().len(), 3);
    }

    #[test]
    fn an_empty_machine_has_no_functions() {
        assert_eq!(FakeSpace::default().found(), []);
    }

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
