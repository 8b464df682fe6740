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

/// In the slot's capabilities: it does not say when it has carried out a command.
const NEVER_COMPLETES: u32 = 1 << 18;

/// In the slot's control: what its lamp for power does (on, off), and that power is off (PCI Express 5.0 §7.5.3.10).
const LAMP: u32 = 3 << 8;
const LAMP_ON: u32 = 1 << 8;
const LAMP_OFF: u32 = 3 << 8;
const POWER_OFF: u32 = 1 << 10;

/// How many looks power is on until the card is reached for: 100 ms are asked for (PCI Express 5.0 §6.6.1).
const START_LOOKS: u32 = 4;
/// How many looks a command may take: one second (PCI Express 5.0 §6.7.3.2).
const COMMAND_LOOKS: u32 = 20;

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

/// What is cleared as soon as it is seen. That a command was carried out is cleared with the next one: each write is one.
const EVENTS: Status = Status::PRESSED
    .union(Status::CHANGED)
    .union(Status::LINK_CHANGED);

/// What is to be done about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The card is wanted back: let go of it, for power goes next.
    Wanted,
    /// The card was taken out without a word. Power goes next as well.
    Pulled,
    /// A card was put in and has power; it may be another.
    Ready,
}

impl Event {
    /// Whether power is to be switched off.
    pub const fn takes_power(self) -> bool {
        match self {
            Self::Wanted | Self::Pulled => true,
            Self::Ready => false,
        }
    }
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
    /// It says when it has carried out a command.
    completes: bool,
    /// For how many looks a command was waited for that may not have been carried out yet.
    waits: Option<u32>,
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
        let mut slot = Self {
            bridge,
            registers: at + SLOT_CONTROL,
            phase: Phase::On,
            completes: can & NEVER_COMPLETES == 0,
            waits: None,
        };
        slot.forget_events(access, slot.read(access));
        Some(slot)
    }

    /// The bridge whose port it is: several functions of one card have the same.
    pub const fn bridge(&self) -> PciAddress {
        self.bridge
    }

    /// Looks at the slot, and takes a step. What there is to do about the card, `follow` is told for each of its `functions`;
    /// power goes when all of them were let go of.
    pub fn look_after<F>(
        &mut self,
        access: &impl ConfigRegionAccess,
        functions: impl IntoIterator<Item = F>,
        mut follow: impl FnMut(F, Event),
    ) {
        let Some(event) = self.look(access) else {
            return;
        };
        for function in functions {
            follow(function, event);
        }
        if event.takes_power() {
            self.power_off(access);
        }
    }

    /// Looks at the slot, and takes a step. What it says of a card at work it says until [`HotPlugSlot::power_off`].
    fn look(&mut self, access: &impl ConfigRegionAccess) -> Option<Event> {
        let word = self.read(access);
        if word == u32::MAX {
            return None;
        }
        let status = Status::from_bits_truncate((word >> 16) as u16);
        if let Some(looks) = self.waits {
            if !status.contains(Status::COMPLETED) && looks < COMMAND_LOOKS {
                self.waits = Some(looks + 1);
                return None;
            }
            self.waits = None;
        }
        let has_card = status.contains(Status::CARD);
        let is_pressed = status.contains(Status::PRESSED);
        let has_changed = status.contains(Status::CHANGED);
        match self.phase {
            Phase::On if is_pressed => return Some(Event::Wanted),
            Phase::On if has_changed && !has_card => return Some(Event::Pulled),
            Phase::Off if has_card && (is_pressed || has_changed) => {
                self.control(access, word, LAMP_ON);
                self.phase = Phase::Starts(0);
                return None;
            }
            Phase::Starts(_) if is_pressed || !has_card => {
                self.power_off(access);
                return None;
            }
            Phase::Starts(looks) if looks < START_LOOKS => self.phase = Phase::Starts(looks + 1),
            Phase::Starts(_) => {
                self.phase = Phase::On;
                self.forget_events(access, word);
                return Some(Event::Ready);
            }
            Phase::On | Phase::Off => {}
        }
        self.forget_events(access, word);
        None
    }

    /// Takes power from the slot. Nobody may be using the card.
    fn power_off(&mut self, access: &impl ConfigRegionAccess) {
        let word = self.read(access);
        if word != u32::MAX {
            self.control(access, word, LAMP_OFF | POWER_OFF);
        }
        self.phase = Phase::Off;
    }

    /// Control in the lower half, status in the upper.
    fn read(&self, access: &impl ConfigRegionAccess) -> u32 {
        // SAFETY: the slot's control and status are there (found in `find`), and reading them changes nothing.
        unsafe { access.read(self.bridge, self.registers) }
    }

    /// Clears the events that there are in `word`, and leaves the control as it is.
    fn forget_events(&mut self, access: &impl ConfigRegionAccess, word: u32) {
        let status = Status::from_bits_truncate((word >> 16) as u16);
        if status.intersects(EVENTS) && word != u32::MAX {
            self.control(access, word, word & (LAMP | POWER_OFF));
        }
    }

    /// Sets power and lamp, leaves all else of the control as it is in `word`, and clears the events that are in it. All
    /// of it is one command: a second may not follow before this one was carried out.
    fn control(&mut self, access: &impl ConfigRegionAccess, word: u32, power: u32) {
        let control = word & 0xffff & !(LAMP | POWER_OFF);
        let cleared = (word >> 16) & u32::from((EVENTS | Status::COMPLETED).bits());
        // SAFETY: as in `read`; zeros leave the status as it is.
        unsafe { access.write(self.bridge, self.registers, cleared << 16 | control | power) };
        self.waits = self.completes.then_some(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace};
    use super::super::functions;
    use super::*;
    use std::vec::Vec;

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
        space.make_writable(bridge, CONTROL, 0xffff);
        let events = (EVENTS | Status::COMPLETED).bits();
        space.make_clearable(bridge, CONTROL, u32::from(events) << 16);
        let card = space.put(5, 0, 0, &[(0, E1000)]);
        (space, bridge, card)
    }

    fn usual() -> (FakeSpace, PciAddress, HotPlugSlot) {
        let (space, bridge, card) = machine(HAS_SLOT | 0x10, CAN_HOT_PLUG);
        let slot = HotPlugSlot::find(&space, functions(&space), card).unwrap();
        assert_eq!(slot.bridge(), bridge);
        (space, bridge, slot)
    }

    /// What the slot's status is, with the control as it is, and all commands carried out.
    fn set_status(space: &FakeSpace, bridge: PciAddress, status: Status) {
        set_exactly(space, bridge, status | Status::COMPLETED);
    }

    fn set_exactly(space: &FakeSpace, bridge: PciAddress, status: Status) {
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
        assert_eq!(space.word(bridge, CONTROL), 0x0040_0123);
    }

    #[test]
    fn the_button_has_the_card_let_go_of_and_power_taken() {
        let (space, bridge, mut slot) = usual();
        set_status(&space, bridge, Status::CARD);
        assert_eq!(slot.look(&space), None);
        set_status(&space, bridge, Status::CARD | Status::PRESSED);
        assert_eq!(slot.look(&space), Some(Event::Wanted));
        slot.power_off(&space);
        let card = u32::from(Status::CARD.bits()) << 16;
        assert_eq!(space.word(bridge, CONTROL), card | LAMP_OFF | POWER_OFF);
    }

    #[test]
    fn power_goes_when_all_functions_of_a_card_were_let_go_of() {
        for event in [Status::CARD | Status::PRESSED, Status::CHANGED] {
            let (space, bridge, mut slot) = usual();
            let has_power = || space.word(bridge, CONTROL) & POWER_OFF == 0;
            set_status(&space, bridge, event);
            let mut let_go_of = Vec::new();
            slot.look_after(&space, 0..8, |function, event| {
                assert!(event.takes_power());
                assert!(has_power(), "it was taken before function {function}");
                let_go_of.push(function);
            });
            assert!(let_go_of.into_iter().eq(0..8));
            assert!(!has_power());
        }
    }

    #[test]
    fn each_function_of_a_card_that_is_put_in_is_told_and_power_stays() {
        let (space, bridge, mut slot) = usual();
        slot.power_off(&space);
        set_status(&space, bridge, Status::CARD | Status::CHANGED);
        let mut ready = Vec::new();
        for _ in 0..20 {
            slot.look_after(&space, 0..8, |function, event| {
                assert_eq!(event, Event::Ready);
                ready.push(function);
            });
            set_status(&space, bridge, Status::CARD);
        }
        assert!(ready.into_iter().eq(0..8));
        assert_eq!(space.word(bridge, CONTROL) & 0xffff, LAMP_ON);
    }

    #[test]
    fn a_command_waits_until_the_one_before_was_carried_out() {
        let pressed = Status::CARD | Status::PRESSED;
        let (space, bridge, mut slot) = usual();
        // How many looks pass until the lamp is lit after power was taken.
        let looks_until_lit = |slot: &mut HotPlugSlot, completed_after: usize| {
            slot.power_off(&space);
            set_exactly(&space, bridge, pressed);
            (0..100)
                .take_while(|&look| {
                    if look == completed_after {
                        set_status(&space, bridge, pressed);
                    }
                    assert_eq!(slot.look(&space), None);
                    space.word(bridge, CONTROL) & LAMP != LAMP_ON
                })
                .count()
        };
        for after in [0, 1, 7] {
            assert_eq!(looks_until_lit(&mut slot, after), after);
        }
        // The slot that never says so is waited for no longer than it may take.
        let never = usize::MAX;
        assert_eq!(looks_until_lit(&mut slot, never), COMMAND_LOOKS as usize);
        slot.completes = false;
        assert_eq!(looks_until_lit(&mut slot, never), 0);
    }

    #[test]
    fn a_slot_that_says_nothing_of_commands_is_known_by_its_capabilities() {
        for (more, completes) in [(0, true), (NEVER_COMPLETES, false)] {
            let (space, _, card) = machine(HAS_SLOT | 0x10, CAN_HOT_PLUG | more);
            let slot = HotPlugSlot::find(&space, functions(&space), card).unwrap();
            assert_eq!(slot.completes, completes);
        }
    }

    #[test]
    fn a_command_that_was_carried_out_is_no_cause_for_another() {
        let (space, bridge, mut slot) = usual();
        set_status(&space, bridge, Status::CARD);
        space.forbid(bridge);
        assert!((0..10).all(|_| slot.look(&space).is_none()));
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
