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
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace};
    use super::super::functions;
    use super::*;

    const HOLE: AddressRange = AddressRange {
        start: 0xc000_0000,
        end: 0xc800_0000,
    };

    fn room() -> Room {
        Room {
            apertures: [HOLE].into(),
            taken: [AddressRange {
                start: 0xc000_0000,
                end: 0xc001_0000,
            }]
            .into(),
        }
    }

    /// A card with one register of 128 KiB, one of 64 bits and 16 KiB, and one for ports.
    fn card(space: &FakeSpace, bus: u8, device: u8, first: u32) -> PciAddress {
        let words = [(0, E1000), (0x04, 0), (0x10, first), (0x14, 1), (0x18, 0xc)];
        let card = space.put(bus, device, 0, &words);
        for (offset, bits) in [
            (0x10, 0xfffe_0000),
            (0x14, 0x0000_ffe0),
            (0x18, 0xffff_c000),
            (0x20, 0),
            (0x24, 0),
        ] {
            space.make_writable(card, offset, bits);
        }
        card
    }

    fn bridge(space: &FakeSpace, bus: u8, secondary: u8, window: u32) -> PciAddress {
        let numbers = u32::from(secondary) << 8 | u32::from(bus);
        let words = [
            (0, 0x0001_1b36),
            (0x04, 0),
            (0x0c, BRIDGE_HEADER),
            (0x18, numbers),
            (0x20, window),
        ];
        let bridge = space.put(bus, 30, 0, &words);
        for (offset, bits) in [(0x10, 0), (0x14, 0), (0x20, 0xfff0_fff0)] {
            space.make_writable(bridge, offset, bits);
        }
        bridge
    }

    fn assigned(space: &FakeSpace, card: PciAddress) -> Result<Vec<(u8, u64)>, AssignError> {
        let found: Vec<_> = functions(space).collect();
        let mut given = Vec::new();
        assign(space, &found, card, &room(), |index, at| {
            given.push((index, at))
        })?;
        open_way(space, &found, card);
        Ok(given)
    }

    #[test]
    fn each_register_for_memory_gets_a_place_of_its_own_beside_what_is_taken() {
        let space = FakeSpace::default();
        card(&space, 0, 2, 0xc002_0000);
        let bare = card(&space, 0, 3, 0);
        let given = assigned(&space, bare);
        // The first 128 KiB are not all free, and the next have an owner.
        assert_eq!(given, Ok([(0, 0xc004_0000), (2, 0xc001_0000)].into()));
        assert_eq!(space.word(bare, 0x10), 0xc004_0000);
        assert_eq!(space.word(bare, 0x18), 0xc001_000c);
        assert_eq!(space.word(bare, 0x1c), 0);
        // Ports are not given out, and what has an address keeps it.
        assert_eq!(space.word(bare, 0x14), 1);
        assert_eq!(assigned(&space, bare), Ok([].into()));
    }

    #[test]
    fn a_card_behind_a_bridge_gets_a_place_in_its_window() {
        let space = FakeSpace::default();
        let before = bridge(&space, 0, 7, 0xc510_c500);
        card(&space, 7, 1, 0xc500_0000);
        let bare = card(&space, 7, 2, 0);
        // The neighbor of its bus has no place for its second register either, and is none of our affair.
        let given = assigned(&space, bare);
        assert_eq!(given, Ok([(0, 0xc502_0000), (2, 0xc504_0000)].into()));
        assert_eq!(space.word(before, 0x20), 0xc510_c500);
        assert_eq!(space.word(before, 0x04) & 0b111, 0b110);
    }

    #[test]
    fn closed_windows_of_bridges_are_opened_one_in_the_other() {
        for closed in [0, 0x0000_fff0] {
            let space = FakeSpace::default();
            let (outer, inner) = (bridge(&space, 0, 1, closed), bridge(&space, 1, 2, closed));
            let bare = card(&space, 2, 0, 0);
            let given = assigned(&space, bare);
            assert_eq!(given, Ok([(0, 0xc010_0000), (2, 0xc012_0000)].into()));
            for bridge in [outer, inner] {
                assert_eq!(space.word(bridge, 0x20), 0xc010_c010);
                assert_eq!(space.word(bridge, 0x04) & 0b111, 0b110);
            }
        }
    }

    /// A card with registers of these lengths in memory.
    fn card_of(space: &FakeSpace, bus: u8, device: u8, lengths: &[u32]) -> PciAddress {
        let card = space.put(bus, device, 0, &[(0, E1000), (0x04, 0)]);
        for (index, offset) in (0x10..0x28).step_by(4).enumerate() {
            let length = lengths.get(index).copied().unwrap_or(0);
            space.make_writable(card, offset, length.wrapping_neg());
        }
        card
    }

    const KIB: u32 = 1 << 10;
    const MIB: u32 = 1 << 20;

    #[test]
    fn a_closed_window_is_opened_for_all_registers_behind_it() {
        for lengths in [[MIB, 16 * KIB], [16 * KIB, MIB]] {
            let space = FakeSpace::default();
            let before = bridge(&space, 0, 7, 0);
            let bare = card_of(&space, 7, 0, &lengths);
            let given = assigned(&space, bare);
            assert_eq!(given, Ok([(0, 0xc020_0000), (1, 0xc030_0000)].into()));
            assert_eq!(space.word(before, 0x20), 0xc030_c020);
        }
    }

    #[test]
    fn a_closed_window_is_opened_for_the_cards_that_follow_as_well() {
        let space = FakeSpace::default();
        let (outer, inner) = (bridge(&space, 0, 1, 0), bridge(&space, 1, 2, 0));
        let first = card_of(&space, 1, 0, &[128 * KIB]);
        let second = card_of(&space, 2, 0, &[4 * MIB, 128 * KIB]);
        let third = card_of(&space, 2, 1, &[128 * KIB]);
        assert_eq!(assigned(&space, first), Ok([(0, 0xc100_0000)].into()));
        assert_eq!(space.word(outer, 0x20), 0xc1f0_c100);
        let given = assigned(&space, second);
        assert_eq!(given, Ok([(0, 0xc180_0000), (1, 0xc1c0_0000)].into()));
        assert_eq!(space.word(inner, 0x20), 0xc1f0_c180);
        assert_eq!(assigned(&space, third), Ok([(0, 0xc1c2_0000)].into()));
    }

    #[test]
    fn where_there_is_no_room_for_all_it_is_opened_for_the_card() {
        let space = FakeSpace::default();
        let before = bridge(&space, 0, 7, 0);
        let bare = card_of(&space, 7, 0, &[128 * KIB]);
        card_of(&space, 7, 1, &[256 * MIB]);
        assert_eq!(assigned(&space, bare), Ok([(0, 0xc010_0000)].into()));
        assert_eq!(space.word(before, 0x20), 0xc010_c010);
    }

    #[test]
    fn windows_that_nobody_has_set_up_are_closed_before_a_bridge_passes_memory_on() {
        for (command, prefetchable, upper, after) in [
            (0, 0, 0, 0x0000_fff0),
            (0b10, 0x0001_0001, 0, 0x0001_fff1),
            (0, 0x0001_0001, 1, 0x0001_0001),
            (0b10, 0xd010_d000, 0, 0xd010_d000),
        ] {
            let space = FakeSpace::default();
            let before = bridge(&space, 0, 7, 0);
            let bare = card_of(&space, 7, 0, &[]);
            let words = [(0x24, prefetchable), (0x28, upper), (0x2c, upper)];
            for (offset, word) in words {
                space.set(before, offset, word);
            }
            space.make_writable(before, 0x24, 0xfff0_fff0);
            space.set(before, 0x04, command);
            assert_eq!(assigned(&space, bare), Ok([].into()));
            assert_eq!(space.word(before, 0x20), 0x0000_fff0);
            assert_eq!(space.word(before, 0x24), after);
            assert_eq!(space.word(before, 0x04) & 0b111, 0b110);
        }
    }

    #[test]
    fn a_host_bridge_is_not_asked_for_the_size_of_its_registers() {
        let space = FakeSpace::default();
        let words = [
            (0, E1000),
            (0x04, 0b110),
            (0x08, 0x0600_0000),
            (0x10, 0xc008_0000),
        ];
        let host = space.put(0, 0, 0, &words);
        space.forbid(host);
        let bare = card_of(&space, 0, 3, &[128 * KIB]);
        assert_eq!(assigned(&space, bare), Ok([(0, 0xc002_0000)].into()));
    }

    #[test]
    fn the_windows_of_bridges_are_taken_for_others() {
        let space = FakeSpace::default();
        let before = bridge(&space, 0, 7, 0xc000_c000);
        space.make_writable(before, 0x24, 0);
        let bare = card(&space, 0, 3, 0);
        assert_eq!(
            assigned(&space, bare),
            Ok([(0, 0xc010_0000), (2, 0xc012_0000)].into())
        );
    }

    #[test]
    fn where_there_is_no_room_it_says_where() {
        let space = FakeSpace::default();
        card(&space, 0, 2, 0);
        let large = space.put(0, 3, 0, &[(0, E1000), (0x04, 0)]);
        space.make_writable(large, 0x10, 0xf000_0000);
        let length = 0x1000_0000;
        assert_eq!(assigned(&space, large), Err(AssignError::Full { length }));
        let full = bridge(&space, 0, 7, 0xc500_c500);
        let large = space.put(7, 3, 0, &[(0, E1000), (0x04, 0)]);
        space.make_writable(large, 0x10, 0xffe0_0000);
        let error = AssignError::FullBehind {
            bridge: full,
            length: 0x20_0000,
        };
        assert_eq!(assigned(&space, large), Err(error));
    }

    #[test]
    fn bridges_that_lead_to_each_other_end() {
        let space = FakeSpace::default();
        bridge(&space, 0, 1, 0);
        bridge(&space, 1, 2, 0);
        space.put(
            2,
            30,
            0,
            &[(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, 0x0102)],
        );
        let bare = card(&space, 2, 0, 0);
        let _ = assigned(&space, bare);
    }

    #[test]
    fn a_wide_window_of_memory_that_can_be_read_ahead_is_understood() {
        let range = |start, end| Some(AddressRange { start, end });
        assert_eq!(
            window_between(0xfe01_fe01, 0x38, 0x38),
            range(0x38_fe00_0000, 0x38_fe10_0000)
        );
        assert_eq!(window_between(0x0001_fff1, 0, 0), None);
        assert_eq!(
            window_between(0xfff0_fff0, 0, 0),
            range(0xfff0_0000, 1 << 32)
        );
    }
}
