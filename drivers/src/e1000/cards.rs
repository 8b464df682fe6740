//! The cards that this driver drives, by the numbers they have on the PCI bus, and what sets each
//! apart from its relatives.
//!
//! All that differs stands here; what is done about it is in `bring_up.rs`, in one place each.

use bitflags::bitflags;

/// A model of network card, and what sets it apart from its relatives.
#[derive(Debug, PartialEq, Eq)]
pub struct Card {
    /// PCI vendor.
    pub vendor: u16,
    /// PCI device.
    pub device: u16,
    /// Name for people.
    pub name: &'static str,
    /// What its descriptors look like.
    pub descriptors: Descriptors,
    /// How its words are read from its EEPROM.
    pub eeprom: Eeprom,
    /// How many addresses it can be told to receive.
    pub receive_addresses: usize,
    /// How many words its table of groups has.
    pub multicast_words: usize,
    /// What must be done differently.
    pub quirks: Quirks,
}

/// The form of a card's descriptors, and with it how its queues are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// [`Legacy`](super::Legacy).
    Legacy,
    /// [`Advanced`](super::Advanced): each queue is enabled by itself, and what can be done with several
    /// queues is switched off.
    Advanced,
}

/// How a card's EEPROM is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eeprom {
    /// The word's number from bit 8 on, done in bit 4 (82540EM SDM §13.4.4).
    Early,
    /// The word's number from bit 2 on, done in bit 1 (82574 datasheet §10.2.2.4, EERD).
    Late,
    /// There is none behind this register: what it holds is flash, and the address is loaded from it.
    None,
}

bitflags! {
    /// What must be done differently for a card.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quirks: u16 {
        /// A write to a word of the VLAN table with an odd number changes the one before, too: that one
        /// is written again (82544 erratum; as Intel's own driver does).
        const VLAN_WORDS_IN_PAIRS = 1 << 0;
        /// On PCI Express: it is told to stop reaching memory before it is reset, or the reset may hang
        /// the bus (82574 datasheet §10.2.2.1, CTRL.GIO Master Disable); and its filters for IPv6 and
        /// acknowledgments are off (82574 datasheet §10.2.5.3, RFCTL).
        const EXPRESS = 1 << 1;
        /// Bits that Intel's own driver for the 82571 to 82583 sets against what they come up with: the
        /// descriptor count in the transmit ring's control, and those that keep completions from timing
        /// out on an idle bus (82574 specification update; PCIe ASPM).
        const COMPLETIONS = 1 << 2;
        /// Software and firmware share the PHY by a semaphore, which is held across a reset (82574
        /// datasheet §10.2.2.5, EXTCNF_CTRL).
        const PHY_SEMAPHORE = 1 << 3;
        /// A write to a word of the VLAN table may get lost: it is written ten times (I350 specification
        /// update; as Intel's own driver does).
        const VLAN_WORDS_GET_LOST = 1 << 4;
        /// The PHY may have been told to leave the link down until it is told otherwise (I210 and I350
        /// datasheets, PHPM.GO_LINKD; as Intel's own driver does).
        const LINK_DISCONNECT = 1 << 5;
        /// How the packet buffers are divided outlives every reset but that of power-on, and so may be what
        /// another system wanted (I210 datasheet, RXPBS and TXPBS; as Intel's own driver does).
        const PACKET_BUFFERS = 1 << 6;
        /// When it is reset while its rings hold frames, it is silent until power goes: they are flushed before (as
        /// Intel's own driver does for the I219, `e1000_flush_desc_rings` in Linux's e1000e).
        const RINGS_TO_FLUSH = 1 << 7;
        /// Software and firmware share the PHY by two semaphores, one before the other (82576 datasheet §4.7.1, SWSM and
        /// SW_FW_SYNC).
        const SHARED_PHY = 1 << 8;
        /// What it says of checksums is not used: QEMU's model marks every frame with "ignore checksum", and its descriptors have
        /// no bit that tells UDP from TCP (82540EM SDM §3.2.3.1).
        const CHECKSUMS_UNKNOWN = 1 << 9;
    }
}

const INTEL: u16 = 0x8086;

/// A card of the PCI and PCI-X family (82540EM SDM).
const fn pci(device: u16, name: &'static str, quirks: Quirks) -> Card {
    Card {
        vendor: INTEL,
        device,
        name,
        descriptors: Descriptors::Legacy,
        eeprom: Eeprom::Early,
        receive_addresses: 16,
        multicast_words: 128,
        quirks: Quirks::CHECKSUMS_UNKNOWN.union(quirks),
    }
}

/// A card on PCI Express with an EEPROM of its own (82574 datasheet).
const fn express(device: u16, name: &'static str) -> Card {
    Card {
        vendor: INTEL,
        device,
        name,
        descriptors: Descriptors::Legacy,
        eeprom: Eeprom::Late,
        receive_addresses: 16,
        multicast_words: 128,
        quirks: Quirks::EXPRESS
            .union(Quirks::COMPLETIONS)
            .union(Quirks::PHY_SEMAPHORE),
    }
}

/// The part of a chip set that is a network card (I217 and I218 datasheets): the further receive
/// addresses belong to its firmware, and the table of groups is smaller.
const fn chip_set(device: u16, name: &'static str, quirks: Quirks) -> Card {
    Card {
        vendor: INTEL,
        device,
        name,
        descriptors: Descriptors::Legacy,
        eeprom: Eeprom::None,
        receive_addresses: 1,
        multicast_words: 32,
        quirks: Quirks::EXPRESS.union(Quirks::PHY_SEMAPHORE).union(quirks),
    }
}

/// An I217 or I218.
const fn i217(device: u16, name: &'static str) -> Card {
    chip_set(device, name, Quirks::empty())
}

/// An I219, of any generation of chip sets: to software they differ by their numbers.
const fn i219(device: u16, name: &'static str) -> Card {
    chip_set(device, name, Quirks::RINGS_TO_FLUSH)
}

/// A card with advanced descriptors (82576, I210 and I350 datasheets). Where there are several on a board,
/// words of the EEPROM belong to one or another; each loads its own address from it when it is reset.
const fn advanced(
    device: u16,
    name: &'static str,
    receive_addresses: usize,
    quirks: Quirks,
) -> Card {
    Card {
        vendor: INTEL,
        device,
        name,
        descriptors: Descriptors::Advanced,
        eeprom: Eeprom::None,
        receive_addresses,
        multicast_words: 128,
        quirks: Quirks::EXPRESS.union(Quirks::SHARED_PHY).union(quirks),
    }
}

/// What the I210 and the I211 have in common.
const SMALL: Quirks = Quirks::LINK_DISCONNECT.union(Quirks::PACKET_BUFFERS);

/// What sets the I350 apart.
const LARGE: Quirks = Quirks::LINK_DISCONNECT.union(Quirks::VLAN_WORDS_GET_LOST);

/// Every card that is supported. `docs/nics.md` says which of them were tried, and on what.
pub const CARDS: &[Card] = &[
    pci(0x1008, "82544EI", Quirks::VLAN_WORDS_IN_PAIRS),
    pci(0x100c, "82544GC", Quirks::VLAN_WORDS_IN_PAIRS),
    pci(0x100d, "82544GC", Quirks::VLAN_WORDS_IN_PAIRS),
    pci(0x100e, "82540EM", Quirks::empty()),
    pci(0x100f, "82545EM", Quirks::empty()),
    pci(0x1010, "82546EB", Quirks::empty()),
    pci(0x1015, "82540EM", Quirks::empty()),
    pci(0x1026, "82545GM", Quirks::empty()),
    pci(0x1079, "82546GB", Quirks::empty()),
    express(0x10d3, "82574L"),
    express(0x10f6, "82574LA"),
    express(0x150c, "82583V"),
    i217(0x153a, "I217-LM"),
    i217(0x153b, "I217-V"),
    i217(0x155a, "I218-LM"),
    i217(0x1559, "I218-V"),
    i217(0x15a0, "I218-LM"),
    i217(0x15a1, "I218-V"),
    i217(0x15a2, "I218-LM"),
    i217(0x15a3, "I218-V"),
    i219(0x156f, "I219-LM"),
    i219(0x15b7, "I219-LM"),
    i219(0x15b9, "I219-LM"),
    i219(0x15d7, "I219-LM"),
    i219(0x15e3, "I219-LM"),
    i219(0x15bd, "I219-LM"),
    i219(0x15bb, "I219-LM"),
    i219(0x15df, "I219-LM"),
    i219(0x15e1, "I219-LM"),
    i219(0x0d4e, "I219-LM"),
    i219(0x0d4c, "I219-LM"),
    i219(0x0d53, "I219-LM"),
    i219(0x15fb, "I219-LM"),
    i219(0x15f9, "I219-LM"),
    i219(0x15f4, "I219-LM"),
    i219(0x0dc5, "I219-LM"),
    i219(0x1a1e, "I219-LM"),
    i219(0x1a1c, "I219-LM"),
    i219(0x0dc7, "I219-LM"),
    i219(0x550a, "I219-LM"),
    i219(0x550c, "I219-LM"),
    i219(0x550e, "I219-LM"),
    i219(0x5510, "I219-LM"),
    i219(0x57a0, "I219-LM"),
    i219(0x57b3, "I219-LM"),
    i219(0x1570, "I219-V"),
    i219(0x15b8, "I219-V"),
    i219(0x15d8, "I219-V"),
    i219(0x15d6, "I219-V"),
    i219(0x15be, "I219-V"),
    i219(0x15bc, "I219-V"),
    i219(0x15e0, "I219-V"),
    i219(0x15e2, "I219-V"),
    i219(0x0d4f, "I219-V"),
    i219(0x0d4d, "I219-V"),
    i219(0x0d55, "I219-V"),
    i219(0x15fc, "I219-V"),
    i219(0x15fa, "I219-V"),
    i219(0x15f5, "I219-V"),
    i219(0x0dc6, "I219-V"),
    i219(0x1a1f, "I219-V"),
    i219(0x1a1d, "I219-V"),
    i219(0x0dc8, "I219-V"),
    i219(0x550b, "I219-V"),
    i219(0x550d, "I219-V"),
    i219(0x550f, "I219-V"),
    i219(0x5511, "I219-V"),
    i219(0x57a1, "I219-V"),
    i219(0x57b4, "I219-V"),
    advanced(0x10c9, "82576", 24, Quirks::empty()),
    advanced(0x10e8, "82576", 24, Quirks::empty()),
    advanced(0x150a, "82576", 24, Quirks::empty()),
    advanced(0x1526, "82576", 24, Quirks::empty()),
    advanced(0x1521, "I350", 32, LARGE),
    advanced(0x1533, "I210", 16, SMALL),
    advanced(0x157b, "I210", 16, SMALL),
    advanced(0x1539, "I211", 16, SMALL),
];

impl Card {
    /// The card with these PCI numbers, if it is supported.
    pub fn find(vendor: u16, device: u16) -> Option<&'static Self> {
        CARDS
            .iter()
            .find(|card| (card.vendor, card.device) == (vendor, device))
    }

    /// Whether its descriptors are advanced.
    pub const fn is_advanced(&self) -> bool {
        matches!(self.descriptors, Descriptors::Advanced)
    }

    /// Whether it has a quirk.
    pub const fn has(&self, quirk: Quirks) -> bool {
        self.quirks.contains(quirk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_both_their_numbers() {
        assert_eq!(Card::find(0x8086, 0x100e).unwrap().name, "82540EM");
        assert_eq!(Card::find(0x8086, 0x1004), None);
        assert_eq!(Card::find(0x1af4, 0x100e), None);
    }

    #[test]
    fn every_card_is_listed_once() {
        for (index, card) in CARDS.iter().enumerate() {
            let same = |other: &Card| (other.vendor, other.device) == (card.vendor, card.device);
            assert!(!CARDS[index + 1..].iter().any(same), "{:#06x}", card.device);
            assert!(card.receive_addresses > 0);
        }
    }
}
