//! The ways to configuration space: two I/O ports that every PC has, and memory, where ACPI's table MCFG says.
//!
//! Ports reach the first 256 octets of each function of segment 0, and never fail where they are. Memory reaches all
//! of every function, and is the one way to further segments and on machines without these ports; but firmware
//! has been seen to describe it wrongly. So it is used where ports do not reach, unless it is asked for.

use core::arch::asm;
use core::ptr::NonNull;

use super::{ConfigRegionAccess, PciAddress};
use x86_64::instructions::port::Port;

/// Configuration space through the ports 0xcf8 and 0xcfc (PCI 3.0 §3.2.2.3.2). Reaches the first 256 octets of each
/// function of segment 0.
#[derive(Debug)]
pub struct ConfigPorts(());

impl ConfigPorts {
    const ADDRESS: u16 = 0xcf8;
    const DATA: u16 = 0xcfc;
    const ENABLE: u32 = 1 << 31;

    /// The way by the two ports.
    ///
    /// # Safety
    ///
    /// The processor must be allowed to use I/O ports, and nothing may use these two between the two steps of an access:
    /// one processor, and no interrupt whose handler does. Several values may live side by side, since each access selects
    /// its register anew.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Whether this machine has them: what is written to the first can be read back.
    pub fn are_there(&self) -> bool {
        let mut port = Port::<u32>::new(Self::ADDRESS);
        // SAFETY: nothing comes between the two steps (promised to `new`), and selecting a register has no other effect.
        unsafe {
            port.write(Self::ENABLE);
            port.read() == Self::ENABLE
        }
    }

    /// Whether this mechanism can name the register.
    fn reaches(address: PciAddress, offset: u16) -> bool {
        address.segment() == 0 && offset <= 0xfc
    }

    /// Selects the register, if this mechanism can name it.
    fn select(&self, address: PciAddress, offset: u16) -> Option<()> {
        if !Self::reaches(address, offset) {
            return None;
        }
        let selection = Self::ENABLE
            | u32::from(address.bus()) << 16
            | u32::from(address.device()) << 11
            | u32::from(address.function()) << 8
            | u32::from(offset & 0xfc);
        // SAFETY: nothing comes between this and the access (promised to `new`), and selecting a register has no other
        // effect.
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

/// Where configuration space lies in memory: 4 KiB for each function, 1 MiB for each bus (PCI Firmware 3.3 §4.1.2,
/// PCI Express 5.0 §7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The segment group whose buses these are.
    pub segment: u16,
    /// Its first bus here.
    pub first_bus: u8,
    /// Its last.
    pub last_bus: u8,
    /// The physical address of bus 0, whether or not it is among them.
    pub base: u64,
}

impl Region {
    /// Octets of memory for each bus.
    pub const BUS: u64 = 1 << 20;

    /// The physical address of a register of a function whose bus is here.
    fn place(&self, address: PciAddress, offset: u16) -> Option<u64> {
        let is_here = address.segment() == self.segment
            && (self.first_bus..=self.last_bus).contains(&address.bus())
            && offset < 4096;
        let function = u64::from(address.bus()) << 20
            | u64::from(address.device()) << 15
            | u64::from(address.function()) << 12;
        let within = function | u64::from(offset & !3);
        is_here.then(|| self.base.checked_add(within)).flatten()
    }

    /// Its memory: the first octet, and the first behind.
    pub fn range(&self) -> (u64, u64) {
        let bus = |number: u64| self.base.saturating_add(number * Self::BUS);
        (
            bus(self.first_bus.into()),
            bus(u64::from(self.last_bus) + 1),
        )
    }
}

/// Which way is tried first where both lead there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// Ports, and memory for what they do not reach.
    #[default]
    Ports,
    /// Memory, and ports for what it does not reach.
    Memory,
}

/// Configuration space, by whichever way there is. `show` maps the register at a physical address.
#[derive(Debug)]
pub struct ConfigSpace<'regions, Show> {
    ports: Option<ConfigPorts>,
    regions: &'regions [Region],
    prefer: Prefer,
    show: Show,
}

/// How a register is reached.
enum Way<'space> {
    Ports(&'space ConfigPorts),
    Memory(NonNull<u32>),
    Nowhere,
}

impl<'regions, Show: Fn(u64) -> Option<NonNull<u32>>> ConfigSpace<'regions, Show> {
    /// By `ports`, if there are any, and by the memory of `regions`.
    ///
    /// # Safety
    ///
    /// `show` must return where the four octets at the physical address are mapped, uncached, until it is called
    /// again; and that must be configuration space wherever `regions` say so.
    pub const unsafe fn new(
        ports: Option<ConfigPorts>,
        regions: &'regions [Region],
        prefer: Prefer,
        show: Show,
    ) -> Self {
        Self {
            ports,
            regions,
            prefer,
            show,
        }
    }

    fn way(&self, address: PciAddress, offset: u16) -> Way<'_> {
        let ports = self.ports.as_ref();
        let ports = ports.filter(|_| ConfigPorts::reaches(address, offset));
        let memory = || {
            let mut places = self
                .regions
                .iter()
                .map(|region| region.place(address, offset));
            places
                .find_map(|place| (self.show)(place?))
                .map(Way::Memory)
        };
        let way = match (self.prefer, ports) {
            (Prefer::Ports, Some(ports)) => Some(Way::Ports(ports)),
            _ => memory().or(ports.map(Way::Ports)),
        };
        way.unwrap_or(Way::Nowhere)
    }
}

impl<Show: Fn(u64) -> Option<NonNull<u32>>> ConfigRegionAccess for ConfigSpace<'_, Show> {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        match self.way(address, offset) {
            // SAFETY: the caller vouches that reading the register is in order.
            Way::Ports(ports) => unsafe { ports.read(address, offset) },
            Way::Memory(register) => {
                let value: u32;
                // SAFETY: it is mapped (promised to `new`). Processors of AMD's family 10h reach their own functions
                // by eax only.
                unsafe {
                    asm!("mov eax, [{}]", in(reg) register.as_ptr(), out("eax") value, options(nostack, preserves_flags));
                }
                value
            }
            Way::Nowhere => u32::MAX,
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        match self.way(address, offset) {
            // SAFETY: the caller vouches that writing `value` there is in order.
            Way::Ports(ports) => unsafe { ports.write(address, offset, value) },
            // SAFETY: as in `read`.
            Way::Memory(register) => unsafe {
                asm!("mov [{}], eax", in(reg) register.as_ptr(), in("eax") value, options(nostack, preserves_flags));
            },
            Way::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    const BEYOND: u64 = 0x38_0000_0000;
    const REGIONS: [Region; 3] = [
        Region {
            segment: 0,
            first_bus: 0,
            last_bus: 63,
            base: 0xb000_0000,
        },
        Region {
            segment: 1,
            first_bus: 0,
            last_bus: 255,
            base: BEYOND,
        },
        Region {
            segment: 2,
            first_bus: 0x80,
            last_bus: 0xff,
            base: BEYOND + (1 << 28),
        },
    ];

    /// Memory that notes which physical addresses were asked for.
    #[derive(Default)]
    struct Memory {
        words: RefCell<BTreeMap<u64, std::boxed::Box<u32>>>,
        shown: RefCell<Vec<u64>>,
    }

    impl Memory {
        fn show(&self, physical: u64) -> Option<NonNull<u32>> {
            self.shown.borrow_mut().push(physical);
            let mut words = self.words.borrow_mut();
            let word = words.entry(physical).or_default();
            Some(NonNull::from(&mut **word))
        }
    }

    #[test]
    fn memory_is_used_where_firmware_says_in_every_segment_and_above_four_gibibytes() {
        let memory = Memory::default();
        // SAFETY: what is shown is mapped.
        let space =
            unsafe { ConfigSpace::new(None, &REGIONS, Prefer::Ports, |at| memory.show(at)) };
        for (address, offset, place) in [
            (PciAddress::new(0, 0, 0, 0), 0, 0xb000_0000),
            (
                PciAddress::new(0, 63, 31, 7),
                0xffc,
                0xb000_0000 + (64 << 20) - 4,
            ),
            (PciAddress::new(1, 2, 3, 4), 0x10, BEYOND + 0x21_c010),
            (
                PciAddress::new(2, 0x80, 0, 1),
                4,
                BEYOND + (1 << 28) + (0x80 << 20) + 0x1004,
            ),
        ] {
            // SAFETY: it is memory.
            unsafe {
                space.write(address, offset, 0x1234_5678);
                assert_eq!(space.read(address, offset), 0x1234_5678);
            }
            assert_eq!(**memory.words.borrow().get(&place).unwrap(), 0x1234_5678);
        }
        let before = memory.shown.borrow().len();
        for (address, offset) in [
            (PciAddress::new(0, 64, 0, 0), 0),
            (PciAddress::new(2, 0x7f, 0, 0), 0),
            (PciAddress::new(3, 0, 0, 0), 0),
            (PciAddress::new(1, 0, 0, 0), 4096),
        ] {
            // SAFETY: nothing is there.
            unsafe {
                space.write(address, offset, 5);
                assert_eq!(space.read(address, offset), u32::MAX);
            }
        }
        assert_eq!(memory.shown.borrow().len(), before);
    }

    #[test]
    fn ports_are_used_where_they_reach_unless_memory_is_asked_for() {
        let way = |prefer, address, offset| {
            let memory = Memory::default();
            // SAFETY: no register is accessed.
            let space = unsafe {
                let ports = Some(ConfigPorts::new());
                ConfigSpace::new(ports, &REGIONS, prefer, |at| memory.show(at))
            };
            match space.way(address, offset) {
                Way::Ports(_) => "ports",
                Way::Memory(_) => "memory",
                Way::Nowhere => "nowhere",
            }
        };
        let (near, far) = (PciAddress::new(0, 1, 0, 0), PciAddress::new(0, 64, 0, 0));
        assert_eq!(way(Prefer::Ports, near, 0xfc), "ports");
        assert_eq!(way(Prefer::Ports, near, 0x100), "memory");
        assert_eq!(way(Prefer::Ports, PciAddress::new(1, 1, 0, 0), 0), "memory");
        assert_eq!(way(Prefer::Memory, near, 0xfc), "memory");
        assert_eq!(way(Prefer::Memory, far, 0xfc), "ports");
        assert_eq!(way(Prefer::Memory, far, 0x100), "nowhere");
    }

    #[test]
    fn a_region_at_the_end_of_the_address_space_has_no_address_beyond() {
        let region = Region {
            segment: 0,
            first_bus: 0,
            last_bus: 255,
            base: u64::MAX - 0xfff,
        };
        assert_eq!(region.place(PciAddress::new(0, 0, 0, 1), 0), None);
        assert_eq!(region.range().1, u64::MAX);
    }
}
