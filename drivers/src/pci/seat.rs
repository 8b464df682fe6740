//! What is kept of a card's configuration, so that it can be taken out and put back in.
//!
//! Firmware gives out addresses once, at the start. A card that loses its own, because power went or somebody reset it,
//! gets them back; only one of the same kind in the same place does.

use pci_types::{CommandRegister, ConfigRegionAccess, PciAddress, PciHeader};

use super::capabilities::capabilities;
use super::hot_plug::EXPRESS;

/// Configuration registers by offset (PCI 3.0 §6.1).
const IDENTITY: u16 = 0x00;
const COMMAND: u16 = 0x04;
const CACHE_LINE: u16 = 0x0c;
const FIRST_BAR: u16 = 0x10;
const BARS: usize = 6;
/// Of PCI Express, by its distance from the capability's beginning: among others, how long its packets may be, which
/// must be what the bridge before it has (PCI Express 5.0 §7.5.3.4).
const DEVICE_CONTROL: u16 = 0x08;

/// What nothing has for an identity (PCI 3.0 §6.1).
const NOTHING: u32 = u32::MAX;

/// A card's place, and what it had there.
#[derive(Clone, Debug)]
pub struct Seat {
    address: PciAddress,
    identity: u32,
    command: u32,
    cache_line: u32,
    bars: [u32; BARS],
    express: Option<(u16, u32)>,
    /// The identity of the other card that is there, if that was said.
    named: Option<u32>,
    /// A card was put in, which may have kept its addresses and yet not be as it was.
    is_new: bool,
}

/// What happened to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The card is back, or one like it, and has its addresses again.
    Restored,
    /// Another card is there.
    Foreign {
        /// Who made it.
        vendor: u16,
        /// What its maker calls it.
        device: u16,
    },
}

impl Seat {
    /// Notes what the card at `address`, which is at work, has.
    pub fn new(access: &impl ConfigRegionAccess, address: PciAddress) -> Self {
        // SAFETY: an ordinary function has these registers, and reading them changes nothing.
        let read = |offset| unsafe { access.read(address, offset) };
        let express = capabilities(access, address, EXPRESS).next();
        Self {
            address,
            identity: read(IDENTITY),
            command: read(COMMAND) & 0xffff,
            cache_line: read(CACHE_LINE) & 0xffff,
            bars: bars().map(read),
            express: express
                .map(|(at, _)| (at + DEVICE_CONTROL, read(at + DEVICE_CONTROL) & 0xffff)),
            named: None,
            is_new: false,
        }
    }

    /// Where it is.
    pub const fn address(&self) -> PciAddress {
        self.address
    }

    /// A card was put in: the next look gives it what it had, whatever it has, or names it.
    pub const fn expect(&mut self) {
        self.named = None;
        self.is_new = true;
    }

    /// Looks whether a card is there that has lost what it had, and gives it that. To be called while the card that was
    /// there is not at work. Reads two registers while there is nothing to do: a card that loses its addresses no
    /// longer answers at them either (PCI 3.0 §6.2.2).
    pub fn look(&mut self, access: &impl ConfigRegionAccess) -> Option<Change> {
        let address = self.address;
        // SAFETY: as in `new`.
        let read = |offset| unsafe { access.read(address, offset) };
        let identity = read(IDENTITY);
        if identity == NOTHING {
            self.named = None;
            return None;
        }
        if self.named == Some(identity) {
            return None;
        }
        let is_as_it_was =
            || read(COMMAND) & 0xffff == self.command || bars().map(read) == self.bars;
        if identity == self.identity && !self.is_new && is_as_it_was() {
            return None;
        }
        self.is_new = false;
        if identity == self.identity {
            self.restore(access);
            if bars().map(read) == self.bars {
                self.named = None;
                return Some(Change::Restored);
            }
            // Of the same name, and yet of another kind: its addresses do not fit.
            self.close(access);
        }
        self.named = Some(identity);
        Some(Change::Foreign {
            vendor: identity as u16,
            device: (identity >> 16) as u16,
        })
    }

    fn close(&self, access: &impl ConfigRegionAccess) {
        PciHeader::new(self.address).update_command(access, |command| {
            command
                & !(CommandRegister::IO_ENABLE
                    | CommandRegister::MEMORY_ENABLE
                    | CommandRegister::BUS_MASTER_ENABLE)
        });
    }

    fn restore(&self, access: &impl ConfigRegionAccess) {
        self.close(access);
        let express = self.express.into_iter();
        let words = bars().into_iter().zip(self.bars).chain(express);
        let last = [(CACHE_LINE, self.cache_line), (COMMAND, self.command)];
        for (offset, word) in words.chain(last) {
            // SAFETY: an ordinary function has these registers. It answers at no address until the command is written,
            // at the end, and it does what a card does that was just switched on: nothing.
            unsafe { access.write(self.address, offset, word) };
        }
    }
}

/// Where the base address registers are.
const fn bars() -> [u16; BARS] {
    let first = FIRST_BAR;
    [
        first,
        first + 4,
        first + 8,
        first + 12,
        first + 16,
        first + 20,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::fake::{E1000, FakeSpace};
    use super::*;

    const WORDS: [(u16, u32); 8] = [
        (IDENTITY, E1000),
        (COMMAND, 0x0010_0407),
        (0x34, 0xe0),
        (CACHE_LINE, 0x0000_4010),
        (FIRST_BAR, 0xfebc_0000),
        (FIRST_BAR + 4, 0x0000_c001),
        (0xe0, EXPRESS as u32),
        (0xe0 + DEVICE_CONTROL, 0x0000_2830),
    ];

    fn at_work() -> (FakeSpace, Seat) {
        let space = FakeSpace::default();
        let card = space.put(0, 3, 0, &WORDS);
        let seat = Seat::new(&space, card);
        (space, seat)
    }

    #[test]
    fn a_card_that_has_what_it_had_is_left_alone() {
        let (space, mut seat) = at_work();
        space.forbid(seat.address());
        assert_eq!(seat.look(&space), None);
    }

    #[test]
    fn a_card_that_comes_back_gets_what_it_had() {
        let (space, mut seat) = at_work();
        let address = seat.address();
        space.put(0, 3, 0, &[(IDENTITY, u32::MAX)]);
        assert_eq!(seat.look(&space), None);
        space.put(0, 3, 0, &[(IDENTITY, E1000)]);
        assert_eq!(seat.look(&space), Some(Change::Restored));
        for (offset, word) in WORDS {
            let expected = match offset {
                0x34 | 0xe0 => continue,
                COMMAND => 0x0407,
                _ => word,
            };
            assert_eq!(space.word(address, offset), expected, "{offset:#x}");
        }
        assert_eq!(seat.look(&space), None);
    }

    #[test]
    fn another_card_is_named_once_and_gets_nothing() {
        let (space, mut seat) = at_work();
        let foreign = Change::Foreign {
            vendor: 0x8086,
            device: 0x10d3,
        };
        for _ in 0..2 {
            let other = space.put(0, 3, 0, &[(IDENTITY, 0x10d3_8086)]);
            space.forbid(other);
            assert_eq!(seat.look(&space), Some(foreign));
            assert_eq!(seat.look(&space), None);
            space.put(0, 3, 0, &[(IDENTITY, u32::MAX)]);
            assert_eq!(seat.look(&space), None);
        }
    }

    #[test]
    fn the_card_that_comes_back_after_another_gets_what_it_had() {
        let (space, mut seat) = at_work();
        // Nobody looks while the place is empty, as in a slot without power.
        for id in [0x10d3_8086, 0x1041_1af4] {
            space.put(0, 3, 0, &[(IDENTITY, id)]);
            let change = seat.look(&space);
            assert!(matches!(change, Some(Change::Foreign { .. })), "{change:?}");
        }
        space.put(0, 3, 0, &[(IDENTITY, E1000)]);
        assert_eq!(seat.look(&space), Some(Change::Restored));
        assert_eq!(seat.look(&space), None);
    }

    #[test]
    fn a_card_that_is_put_in_gets_its_command_even_if_it_kept_its_addresses() {
        let (space, mut seat) = at_work();
        let address = seat.address();
        space.set(address, COMMAND, 0x0010_0003);
        // Somebody else's doing: no card was put in.
        assert_eq!(seat.look(&space), None);
        seat.expect();
        assert_eq!(seat.look(&space), Some(Change::Restored));
        assert_eq!(space.word(address, COMMAND), 0x0407);
        assert_eq!(seat.look(&space), None);
    }

    #[test]
    fn another_card_that_is_put_in_once_more_is_named_once_more() {
        let (space, mut seat) = at_work();
        space.put(0, 3, 0, &[(IDENTITY, 0x10d3_8086)]);
        for _ in 0..2 {
            seat.expect();
            let change = seat.look(&space);
            assert!(matches!(change, Some(Change::Foreign { .. })), "{change:?}");
            assert_eq!(seat.look(&space), None);
        }
    }

    #[test]
    fn a_card_that_cannot_have_those_addresses_is_another() {
        let (space, mut seat) = at_work();
        let card = space.put(0, 3, 0, &[(IDENTITY, E1000)]);
        space.make_writable(card, FIRST_BAR + 4, 0);
        let change = seat.look(&space);
        assert!(matches!(change, Some(Change::Foreign { .. })), "{change:?}");
        assert_eq!(space.word(card, COMMAND) & 7, 0);
        assert_eq!(seat.look(&space), None);
    }
}
