//! The list of capabilities in a function's configuration space (PCI 3.0 §6.7).

use pci_types::{ConfigRegionAccess, PciAddress};

/// Configuration registers by offset (PCI 3.0 §6.1, §6.7).
const STATUS: u16 = 0x04;
const FIRST: u16 = 0x34;
/// In the upper half of the status register: there are capabilities.
const HAS_CAPABILITIES: u32 = 1 << 20;
/// There cannot be more in 256 octets: a list that is longer goes in circles.
const MOST: usize = 48;

/// The capabilities of the function at `address` that have the number `id`: where each begins, and its first four octets.
/// A list that goes in circles has an end here, too.
pub fn capabilities<A: ConfigRegionAccess>(
    access: &A,
    address: PciAddress,
    id: u8,
) -> impl Iterator<Item = (u16, u32)> + '_ {
    // SAFETY: reading the header and the list of capabilities changes nothing.
    let read = move |offset: u16| unsafe { access.read(address, offset) };
    let status = read(STATUS);
    let mut at = if status != u32::MAX && status & HAS_CAPABILITIES != 0 {
        read(FIRST) as u16 & 0xfc
    } else {
        0
    };
    let all = core::iter::from_fn(move || {
        let place = at;
        (place != 0).then(|| {
            let first = read(place);
            let [_, next, ..] = first.to_le_bytes();
            at = u16::from(next) & 0xfc;
            (place, first)
        })
    });
    all.take(MOST).filter(move |&(_, first)| first as u8 == id)
}

#[cfg(test)]
mod tests {
    use super::super::fake::{E1000, FakeSpace};
    use super::*;
    use std::vec::Vec;

    #[test]
    fn those_with_the_number_are_found_in_their_order() {
        let space = FakeSpace::default();
        let card = space.put(
            0,
            3,
            0,
            &[
                (0, E1000),
                (STATUS, HAS_CAPABILITIES),
                (FIRST, 0xdc),
                (0xdc, 0x0022_e401),
                (0xe4, 0x0001_4009),
                (0x40, 0x0002_0009),
            ],
        );
        let found: Vec<_> = capabilities(&space, card, 9).collect();
        assert_eq!(found, [(0xe4, 0x0001_4009), (0x40, 0x0002_0009)]);
        assert_eq!(capabilities(&space, card, 0x10).count(), 0);
    }

    #[test]
    fn a_list_in_circles_has_an_end_and_who_has_none_or_is_gone_has_none() {
        let space = FakeSpace::default();
        let words = [
            (0, E1000),
            (STATUS, HAS_CAPABILITIES),
            (FIRST, 0x40),
            (0x40, 0x4009),
        ];
        let circle = space.put(0, 3, 0, &words);
        assert_eq!(capabilities(&space, circle, 9).count(), MOST);
        let without = space.put(0, 4, 0, &[(0, E1000), (FIRST, 0x40), (0x40, 9)]);
        assert_eq!(capabilities(&space, without, 9).count(), 0);
        let nothing = PciAddress::new(0, 0, 5, 0);
        assert_eq!(capabilities(&space, nothing, 0xff).count(), 0);
    }
}
