//! Addresses for registers to which firmware gave none: of a card that it does not know, or where it leaves that to the
//! operating system.
//!
//! What there is to give is where the host bridge passes accesses on, less memory and whatever else has an address;
//! for a card behind a bridge it is that bridge's window, which is opened if it is closed. Giving addresses allocates;
//! for the start.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use super::search::BUS_NUMBERS;
use super::{Bar, Class, Function, Slot, bars};
use pci_types::{CommandRegister, ConfigRegionAccess, HeaderType, PciAddress, PciHeader};

/// Configuration registers of a bridge by offset (PCI-to-PCI Bridge 1.2 §3.2).
const MEMORY_WINDOW: u16 = 0x20;
const PREFETCHABLE_WINDOW: u16 = 0x24;
const PREFETCHABLE_UPPER_BASE: u16 = 0x28;
const PREFETCHABLE_UPPER_LIMIT: u16 = 0x2c;
/// A window whose base is above its limit, 0.
const CLOSED_WINDOW: u32 = 0x0000_fff0;
/// A bridge's window begins and ends on multiples of this.
const WINDOW_STEP: u64 = 1 << 20;
/// Bridges behind bridges behind bridges: more than this many are a sign of garbage.
const DEEPEST: usize = 16;

/// Physical addresses from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The first.
    pub start: u64,
    /// The first behind.
    pub end: u64,
}

impl AddressRange {
    const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Which addresses there are to give.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Where the host bridge passes accesses on to the bus; better ones first.
    pub apertures: Vec<AddressRange>,
    /// Memory, and what is there beside PCI.
    pub taken: Vec<AddressRange>,
}

/// Why a register got no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignError {
    /// No room is left on the bus of the host bridge.
    Full {
        /// Octets that were wanted.
        length: u64,
    },
    /// No room is left in the window of the bridge before it.
    FullBehind {
        /// The bridge.
        bridge: PciAddress,
        /// Octets that were wanted.
        length: u64,
    },
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { length } => write!(
                f,
                "firmware gave its registers no address, and there is no room for their {length} octets"
            ),
            Self::FullBehind { bridge, length } => write!(
                f,
                "firmware gave its registers no address, and there is no room for their {length} octets behind the bridge {bridge}"
            ),
        }
    }
}

/// Gives an address to each of the function's base address registers for memory that has none, and tells `report` its
/// index and the address. `functions` are all that there are, none of them in use.
///
/// # Errors
///
/// [`AssignError`] when there is no room; registers before that one have their addresses.
pub fn assign(
    access: &impl ConfigRegionAccess,
    functions: &[Function],
    address: PciAddress,
    room: &Room,
    mut report: impl FnMut(u8, u64),
) -> Result<(), AssignError> {
    let tree = |opens_for_all| Tree {
        access,
        functions,
        room,
        opens_for_all,
    };
    let find = |length| {
        let start = tree(true).find(address, length, DEEPEST);
        start.or_else(|_| tree(false).find(address, length, DEEPEST))
    };
    let slots: Vec<_> = bars::slots(access, address).collect();
    for slot in slots.iter().filter(|slot| !slot.has_address()) {
        let Bar::Memory { length, .. } = slot.bar else {
            continue;
        };
        let start = find(length)?;
        let mut header = PciHeader::new(address);
        let mut command = CommandRegister::empty();
        header.update_command(access, |before| {
            command = before;
            before & !CommandRegister::MEMORY_ENABLE
        });
        slot.set(access, address, start);
        header.update_command(access, |_| command);
        report(slot.index, start);
    }
    Ok(())
}

/// Has every bridge between the host bridge and the function pass on accesses of memory both ways, as firmware need not
/// have left them. To be called when what is behind them has its addresses.
pub fn open_way(access: &impl ConfigRegionAccess, functions: &[Function], address: PciAddress) {
    let mut below = address;
    for _ in 0..DEEPEST {
        let Some(bridge) = bridge_above(access, functions, below) else {
            return;
        };
        close_unset_windows(access, bridge);
        PciHeader::new(bridge).update_command(access, |command| {
            command | CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE
        });
        below = bridge;
    }
}

/// Closes a bridge's windows that nobody has set up: with base and limit 0 they would have it pass on accesses to the
/// first MiB.
fn close_unset_windows(access: &impl ConfigRegionAccess, bridge: PciAddress) {
    // SAFETY: a bridge has its windows there, and reading them changes nothing.
    let read = |offset| unsafe { access.read(bridge, offset) };
    let upper = [PREFETCHABLE_UPPER_BASE, PREFETCHABLE_UPPER_LIMIT].map(read);
    for offset in [MEMORY_WINDOW, PREFETCHABLE_WINDOW] {
        let register = read(offset);
        let is_wide = offset == PREFETCHABLE_WINDOW && register & 0xf == 1;
        if register & 0xfff0_fff0 != 0 || is_wide && upper != [0, 0] {
            continue;
        }
        let mut header = PciHeader::new(bridge);
        let command = header.command(access);
        header.update_command(access, |command| command & !CommandRegister::MEMORY_ENABLE);
        // SAFETY: nothing has an address in a window at 0, where memory is.
        unsafe { access.write(bridge, offset, CLOSED_WINDOW) };
        header.update_command(access, |_| command);
    }
}

/// The bridge to the bus of `address`, or `None` where that is a host bridge's.
fn bridge_above(
    access: &impl ConfigRegionAccess,
    functions: &[Function],
    address: PciAddress,
) -> Option<PciAddress> {
    let bridges = functions.iter().map(|function| function.address);
    let mut bridges = bridges.filter(|bridge| bridge.segment() == address.segment());
    bridges.find(|&bridge| {
        if PciHeader::new(bridge).header_type(access) != HeaderType::PciPciBridge {
            return false;
        }
        // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
        let [primary, secondary, ..] = unsafe { access.read(bridge, BUS_NUMBERS) }.to_le_bytes();
        secondary == address.bus() && secondary != primary && bridge.bus() != address.bus()
    })
}

/// All functions, and what they have of the address space.
struct Tree<'tree, A> {
    access: &'tree A,
    functions: &'tree [Function],
    room: &'tree Room,
    /// Whether a closed window is opened for all that is behind it, or for what is to be placed only: for the former
    /// there may be no room.
    opens_for_all: bool,
}

impl<A: ConfigRegionAccess> Tree<'_, A> {
    /// A free range of `length` octets (a power of two) at a multiple of that on the bus of `address`.
    fn find(&self, address: PciAddress, length: u64, depth: usize) -> Result<u64, AssignError> {
        let Some(bridge) = bridge_above(self.access, self.functions, address) else {
            // What is behind a bridge lies in its window, unless firmware was wrong.
            let mut taken = self.claims(self.functions.iter());
            taken.extend(&self.room.taken);
            let start = first_free(&self.room.apertures, &taken, length);
            return start.ok_or(AssignError::Full { length });
        };
        let full = AssignError::FullBehind { bridge, length };
        let window = match self.window(bridge) {
            Some(window) => window,
            None if depth == 0 => return Err(full),
            None => self.open(bridge, length, depth - 1)?,
        };
        let neighbors = self.functions.iter().filter(|other| {
            let other = other.address;
            other.segment() == address.segment() && other.bus() == address.bus()
        });
        let taken = self.claims(neighbors);
        first_free(&[window], &taken, length).ok_or(full)
    }

    /// What these functions answer to: their registers, and the windows of bridges.
    fn claims<'function>(
        &self,
        functions: impl Iterator<Item = &'function Function>,
    ) -> Vec<AddressRange> {
        let mut claims = Vec::new();
        for function in functions {
            for (slot, length) in self.memory_slots(function) {
                if let Bar::Memory { address, .. } = slot.bar
                    && slot.has_address()
                {
                    let end = address.saturating_add(length);
                    claims.push(AddressRange {
                        start: address,
                        end,
                    });
                }
            }
            if self.is_bridge(function.address) {
                claims.extend(self.window(function.address));
                claims.extend(self.prefetchable_window(function.address));
            }
        }
        claims
    }

    /// Its registers in memory and their lengths. A host bridge is not asked: while it is, it answers at no address, and
    /// some pass no access of the processor on to memory then.
    fn memory_slots(&self, function: &Function) -> impl Iterator<Item = (Slot, u64)> {
        let is_asked = function.class != Class::HOST_BRIDGE;
        let slots = is_asked.then(|| bars::slots(self.access, function.address));
        slots.into_iter().flatten().filter_map(|slot| {
            let Bar::Memory { length, .. } = slot.bar else {
                return None;
            };
            Some((slot, length))
        })
    }

    fn is_bridge(&self, address: PciAddress) -> bool {
        PciHeader::new(address).header_type(self.access) == HeaderType::PciPciBridge
    }

    /// How large the window of a bridge has to be for all behind it that has no address yet: registers, and bridges whose
    /// windows are closed. Where each has a length of a power of two and lies at a multiple of it, all fit into the next
    /// power of two, whichever is placed first.
    fn wanted_behind(&self, bridge: PciAddress) -> Option<u64> {
        let mut wanted = [0_u64; 256];
        let functions = self.functions.iter();
        let mut functions: Vec<_> = functions
            .filter(|function| function.address.segment() == bridge.segment())
            .collect();
        // A bridge leads to a bus of a higher number; so what is behind it has been added up when its turn comes.
        functions.sort_unstable_by_key(|function| Reverse(function.address.bus()));
        for function in functions {
            let address = function.address;
            let mut lengths: u64 = self
                .memory_slots(function)
                .filter(|(slot, _)| !slot.has_address())
                .fold(0, |sum, (_, length)| sum.saturating_add(length));
            if self.is_bridge(address) && self.window(address).is_none() {
                let [_, secondary, ..] = self.bus_numbers(address);
                let behind = wanted.get(usize::from(secondary)).copied();
                let behind = behind.filter(|_| secondary > address.bus()).unwrap_or(0);
                if address == bridge {
                    return window_length(behind);
                }
                lengths = lengths.saturating_add(window_length(behind).unwrap_or(u64::MAX));
            }
            if let Some(wanted) = wanted.get_mut(usize::from(address.bus())) {
                *wanted = wanted.saturating_add(lengths);
            }
        }
        None
    }

    fn bus_numbers(&self, bridge: PciAddress) -> [u8; 4] {
        // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
        unsafe { self.access.read(bridge, BUS_NUMBERS) }.to_le_bytes()
    }

    /// What a bridge passes on, if it is open (PCI-to-PCI Bridge 1.2 §3.2.5.8).
    fn window(&self, bridge: PciAddress) -> Option<AddressRange> {
        // SAFETY: a bridge has its window there, and reading it changes nothing.
        let register = unsafe { self.access.read(bridge, MEMORY_WINDOW) };
        window_between(register, 0, 0)
    }

    /// What it passes on of what can be read ahead (§3.2.5.9).
    fn prefetchable_window(&self, bridge: PciAddress) -> Option<AddressRange> {
        // SAFETY: as in `window`.
        let [register, base, limit] = unsafe {
            [
                PREFETCHABLE_WINDOW,
                PREFETCHABLE_UPPER_BASE,
                PREFETCHABLE_UPPER_LIMIT,
            ]
            .map(|offset| self.access.read(bridge, offset))
        };
        let is_wide = register & 0xf == 1;
        let [base, limit] = [base, limit].map(|upper| if is_wide { upper } else { 0 });
        window_between(register, base, limit)
    }

    /// Gives a bridge whose window is closed one of `length` octets or more.
    fn open(
        &self,
        bridge: PciAddress,
        length: u64,
        depth: usize,
    ) -> Result<AddressRange, AssignError> {
        let wanted = match self.opens_for_all {
            true => self.wanted_behind(bridge),
            false => Some(WINDOW_STEP),
        };
        let full = AssignError::FullBehind { bridge, length };
        let length = length.max(wanted.ok_or(full)?);
        let start = self.find(bridge, length, depth)?;
        let end = start + length;
        // An end beyond 4 GiB is in no aperture that such a window can have.
        let (Ok(first), Ok(last)) = (u32::try_from(start), u32::try_from(end - WINDOW_STEP)) else {
            return Err(full);
        };
        // SAFETY: a bridge has its window there, and nothing is in the one that was closed.
        unsafe {
            self.access
                .write(bridge, MEMORY_WINDOW, last & 0xfff0_0000 | first >> 16)
        };
        Ok(AddressRange { start, end })
    }
}

/// How large a window has to be for `length` octets; `None` where nothing is as large.
fn window_length(length: u64) -> Option<u64> {
    match length {
        0 => Some(0),
        length => Some(length.max(WINDOW_STEP).checked_next_power_of_two()?),
    }
}

/// What a window's register says, with the upper halves of base and limit. A base above the limit closes it; and so does
/// the base 0, at which there is memory: a bridge that nobody has set up has it.
fn window_between(register: u32, upper_base: u32, upper_limit: u32) -> Option<AddressRange> {
    let start = u64::from(upper_base) << 32 | u64::from(register & 0xfff0) << 16;
    let last = u64::from(upper_limit) << 32 | u64::from(register & 0xfff0_0000);
    (start != 0 && start <= last).then(|| AddressRange {
        start,
        end: last.saturating_add(WINDOW_STEP),
    })
}

/// The first free place for `length` octets, a power of two, in the first of `apertures` that has one.
fn first_free(apertures: &[AddressRange], taken: &[AddressRange], length: u64) -> Option<u64> {
    apertures.iter().find_map(|aperture| {
        let mut start = aperture.start;
        loop {
            start = start.checked_next_multiple_of(length)?;
            let end = start.checked_add(length)?;
            if end > aperture.end {
                return None;
            }
            let range = AddressRange { start, end };
            match taken.iter().find(|taken| taken.overlaps(range)) {
                None => return Some(start),
                Some(taken) => start = taken.end,
            }
        }
    })
}

#[cfg(test)]
mod tests;
