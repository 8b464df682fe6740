//! The cards that this driver drives, by the numbers they have on the PCI bus.

/// A model of network card, and what sets it apart from its relatives.
#[derive(Debug, PartialEq, Eq)]
pub struct Card {
    /// PCI vendor.
    pub vendor: u16,
    /// PCI device.
    pub device: u16,
    /// Name for people.
    pub name: &'static str,
}

const INTEL: u16 = 0x8086;

/// Every card that is supported.
pub const CARDS: &[Card] = &[Card {
    vendor: INTEL,
    device: 0x100e,
    name: "82540EM",
}];

impl Card {
    /// The card with these PCI numbers, if it is supported.
    pub fn find(vendor: u16, device: u16) -> Option<&'static Self> {
        CARDS
            .iter()
            .find(|card| (card.vendor, card.device) == (vendor, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found_by_both_their_numbers() {
        assert_eq!(Card::find(0x8086, 0x100e).unwrap().name, "82540EM");
        assert_eq!(Card::find(0x8086, 0x100f), None);
        assert_eq!(Card::find(0x1af4, 0x100e), None);
    }
}
