//! Slots of PCI Express from which a card can be taken while the machine runs (PCI Express 5.0 §6.7, §7.5.3).
//!
//! Each is a port of a bridge. Somebody presses the button of the slot, or has a machine's monitor press it; the card is
//! let go of, power goes, and the card may be taken out. One that is put in gets power when its presence or the button
//! says so. Nothing interrupts: housekeeping looks at the slot, and each step is one look. What the five seconds are
//! for in which the button may be pressed again, to take it back, is not kept: the card goes at once.

use bitflags::bitflags;
use pci_types::{ConfigRegionAccess, HeaderType, PciAddress, PciHeader};

use super::Function;
use super::capabilities::capabilities;
use super::search::BUS_NUMBERS;

/// The capability of PCI Express, and its registers by their distances from its beginning (PCI Express 5.0 §7.5.3).
pub(super) const EXPRESS: u8 = 0x10;
const SLOT_CAPABILITIES: u16 = 0x14;
const SLOT_CONTROL: u16 = 0x18;
/// In the capability's first four octets: the port has a slot.
const HAS_SLOT: u32 = 1 << 24;
/// In the slot's capabilities: cards can be put in and taken out while it has power.
const CAN_HOT_PLUG: u32 = 1 << 6;

/// In the slot's control: what its lamp for power does (on, off), and that power is off (PCI Express 5.0 §7.5.3.10).
const LAMP: u32 = 3 << 8;
const LAMP_ON: u32 = 1 << 8;
const LAMP_OFF: u32 = 3 << 8;
const POWER_OFF: u32 = 1 << 10;

/// How many looks power is on until the card is reached for: 100 ms are asked for (PCI Express 5.0 §6.6.1).
const START_LOOKS: u32 = 4;

bitflags! {
    /// The slot's status (PCI Express 5.0 §7.5.3.11). Events are cleared by writing them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Status: u16 {
        const PRESSED = 1 << 0;
        const CHANGED = 1 << 3;
        const COMPLETED = 1 << 4;
        const CARD = 1 << 6;
        const LINK_CHANGED = 1 << 8;
    }
}

const EVENTS: Status = Status::PRESSED
    .union(Status::CHANGED)
    .union(Status::COMPLETED)
    .union(Status::LINK_CHANGED);

/// What is to be done about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The card is wanted back: let go of it, and call [`HotPlugSlot::power_off`].
    Wanted,
    /// The card was taken out without a word. [`HotPlugSlot::power_off`] comes next as well.
    Pulled,
    /// A card was put in and has power; it may be another.
    Ready,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// With a card at work.
    On,
    /// Without power.
    Off,
    /// With power, for so many looks.
    Starts(u32),
}

/// A slot.
#[derive(Clone, Copy, Debug)]
pub struct HotPlugSlot {
    bridge: PciAddress,
    /// Where the bridge has its registers for it.
    registers: u16,
    phase: Phase,
}

impl HotPlugSlot {
    /// The slot in which the card at `address` is, if cards can be taken out of it and put in. What happened to it before
    /// is forgotten. `functions` are all that there are.
    pub fn find<A: ConfigRegionAccess>(
        access: &A,
        mut functions: impl Iterator<Item = Function>,
        address: PciAddress,
    ) -> Option<Self> {
        let leads_there = |function: &Function| {
            let bridge = function.address;
            let HeaderType::PciPciBridge = PciHeader::new(bridge).header_type(access) else {
                return false;
            };
            // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
            let buses = unsafe { access.read(bridge, BUS_NUMBERS) };
            bridge.segment() == address.segment() && (buses >> 8) as u8 == address.bus()
        };
        let bridge = functions.find(leads_there)?.address;
        let (at, first) = capabilities(access, bridge, EXPRESS).next()?;
        // SAFETY: a port with a slot has these registers, and reading them changes nothing.
        let can = unsafe { access.read(bridge, at + SLOT_CAPABILITIES) };
        if first & HAS_SLOT == 0 || can & CAN_HOT_PLUG == 0 {
            return None;
        }
        let slot = Self {
            bridge,
            registers: at + SLOT_CONTROL,
            phase: Phase::On,
        };
        slot.take_events(access, slot.read(access));
        Some(slot)
    }

    /// The bridge whose port it is: several functions of one card have the same.
    pub const fn bridge(&self) -> PciAddress {
        self.bridge
    }

    /// Looks at the slot, and takes a step.
    pub fn look(&mut self, access: &impl ConfigRegionAccess) -> Option<Event> {
        let word = self.read(access);
        if word == u32::MAX {
            return None;
        }
        let status = self.take_events(access, word);
        let has_card = status.contains(Status::CARD);
        let is_pressed = status.contains(Status::PRESSED);
        let has_changed = status.contains(Status::CHANGED);
        match self.phase {
            Phase::On if is_pressed => return Some(Event::Wanted),
            Phase::On if has_changed && !has_card => return Some(Event::Pulled),
            Phase::Off if has_card && (is_pressed || has_changed) => {
                self.control(access, LAMP_ON);
                self.phase = Phase::Starts(0);
            }
            Phase::Starts(_) if is_pressed || !has_card => self.power_off(access),
            Phase::Starts(looks) if looks < START_LOOKS => self.phase = Phase::Starts(looks + 1),
            Phase::Starts(_) => {
                self.phase = Phase::On;
                return Some(Event::Ready);
            }
            Phase::On | Phase::Off => {}
        }
        None
    }

    /// Takes power from the slot. Nobody may be using the card.
    pub fn power_off(&mut self, access: &impl ConfigRegionAccess) {
        self.control(access, LAMP_OFF | POWER_OFF);
        self.phase = Phase::Off;
    }

    /// Control in the lower half, status in the upper.
    fn read(&self, access: &impl ConfigRegionAccess) -> u32 {
        // SAFETY: the slot's control and status are there (found in `find`), and reading them changes nothing.
        unsafe { access.read(self.bridge, self.registers) }
    }

    /// What the status says in `word`; its events are cleared, and the control is left as it is.
    fn take_events(&self, access: &impl ConfigRegionAccess, word: u32) -> Status {
        let status = Status::from_bits_truncate((word >> 16) as u16);
        let events = status & EVENTS;
        if !events.is_empty() && word != u32::MAX {
            let cleared = word & 0xffff | u32::from(events.bits()) << 16;
            // SAFETY: as in `read`; the control is written as it was read.
            unsafe { access.write(self.bridge, self.registers, cleared) };
        }
        status
    }

    /// Sets power and lamp, and leaves all else, the events too, as it is.
    fn control(&self, access: &impl ConfigRegionAccess, power: u32) {
        let control = self.read(access) & 0xffff & !(LAMP | POWER_OFF);
        // SAFETY: as in `read`; zeros leave the status as it is.
        unsafe { access.write(self.bridge, self.registers, control | power) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace};
    use super::super::functions;
    use super::*;

    const AT: u16 = 0x40;
    const CONTROL: u16 = AT + SLOT_CONTROL;

    /// A port with a slot with a card in it.
    fn machine(first: u32, can: u32) -> (FakeSpace, PciAddress, PciAddress) {
        let space = FakeSpace::default();
        let bridge = space.put(
            0,
            2,
            0,
            &[
                (0, 0x000c_1b36),
                (0x04, 0x0010_0000),
                (0x0c, BRIDGE_HEADER),
                (BUS_NUMBERS, 0x0005_0500),
                (0x34, u32::from(AT)),
                (AT, first),
                (AT + SLOT_CAPABILITIES, can),
                (CONTROL, 0),
            ],
        );
        let card = space.put(5, 0, 0, &[(0, E1000)]);
        (space, bridge, card)
    }

    fn usual() -> (FakeSpace, PciAddress, HotPlugSlot) {
        let (space, bridge, card) = machine(HAS_SLOT | 0x10, CAN_HOT_PLUG);
        let slot = HotPlugSlot::find(&space, functions(&space), card).unwrap();
        assert_eq!(slot.bridge(), bridge);
        (space, bridge, slot)
    }

    /// What the slot's status is, with the control as it is.
    fn set_status(space: &FakeSpace, bridge: PciAddress, status: Status) {
        let control = space.word(bridge, CONTROL) & 0xffff;
        space.set(bridge, CONTROL, control | u32::from(status.bits()) << 16);
    }

    #[test]
    fn only_ports_with_slots_for_that_are_found() {
        for (first, can) in [
            (0x10, CAN_HOT_PLUG),
            (HAS_SLOT | 0x10, 0),
            (HAS_SLOT | 0x09, CAN_HOT_PLUG),
        ] {
            let (space, _, card) = machine(first, can);
            assert!(HotPlugSlot::find(&space, functions(&space), card).is_none());
        }
        let (space, bridge, _) = usual();
        assert!(HotPlugSlot::find(&space, functions(&space), bridge).is_none());
    }

    #[test]
    fn what_was_pressed_before_is_forgotten() {
        let (space, bridge, card) = machine(HAS_SLOT | 0x10, CAN_HOT_PLUG);
        space.set(bridge, CONTROL, 0x0149_0123);
        HotPlugSlot::find(&space, functions(&space), card).unwrap();
        // Written to clear it: the fake keeps what is written.
        assert_eq!(space.word(bridge, CONTROL), 0x0109_0123);
    }

    #[test]
    fn the_button_has_the_card_let_go_of_and_power_taken() {
        let (space, bridge, mut slot) = usual();
        set_status(&space, bridge, Status::CARD);
        assert_eq!(slot.look(&space), None);
        set_status(&space, bridge, Status::CARD | Status::PRESSED);
        assert_eq!(slot.look(&space), Some(Event::Wanted));
        slot.power_off(&space);
        assert_eq!(space.word(bridge, CONTROL), LAMP_OFF | POWER_OFF);
    }

    #[test]
    fn a_card_that_is_pulled_is_noticed_and_one_that_is_put_in_gets_power_and_time() {
        let (space, bridge, mut slot) = usual();
        set_status(&space, bridge, Status::CHANGED);
        assert_eq!(slot.look(&space), Some(Event::Pulled));
        slot.power_off(&space);
        set_status(&space, bridge, Status::empty());
        assert!((0..10).all(|_| slot.look(&space).is_none()));
        set_status(&space, bridge, Status::CARD | Status::CHANGED);
        assert_eq!(slot.look(&space), None);
        assert_eq!(space.word(bridge, CONTROL) & 0xffff, LAMP_ON);
        set_status(&space, bridge, Status::CARD);
        let looks = (0..).take_while(|_| slot.look(&space).is_none()).count();
        assert_eq!(looks, START_LOOKS as usize);
    }

    #[test]
    fn who_presses_again_while_it_starts_has_power_taken() {
        let (space, bridge, mut slot) = usual();
        slot.power_off(&space);
        set_status(&space, bridge, Status::CARD | Status::PRESSED);
        assert_eq!(slot.look(&space), None);
        set_status(&space, bridge, Status::CARD | Status::PRESSED);
        assert_eq!(slot.look(&space), None);
        assert_ne!(space.word(bridge, CONTROL) & POWER_OFF, 0);
        set_status(&space, bridge, Status::CARD);
        assert!((0..10).all(|_| slot.look(&space).is_none()));
    }

    #[test]
    fn a_bridge_that_is_gone_says_nothing() {
        let (space, bridge, mut slot) = usual();
        space.set(bridge, CONTROL, u32::MAX);
        assert!((0..10).all(|_| slot.look(&space).is_none()));
        assert_eq!(space.word(bridge, CONTROL), u32::MAX);
    }
}
