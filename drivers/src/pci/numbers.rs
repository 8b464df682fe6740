//! Numbers for the buses behind bridges to which firmware gave none.
//!
//! Nothing is allocated: there is no heap yet when the buses are numbered.

use super::search::BUS_NUMBERS;
use pci_types::{ConfigRegionAccess, HeaderType, PciAddress, PciHeader};

/// Gives a number to each bus behind a bridge of segment 0 that has none, above all others, and tells `report` bridge
/// and number. A bridge that does not take it, or stands behind one that does not lead there, is left as it was. For a
/// machine with one host bridge: the numbers of others are not known here.
pub fn number_buses(access: &impl ConfigRegionAccess, mut report: impl FnMut(PciAddress, u8)) {
    let bridges = || {
        let functions = super::functions(access).map(|function| function.address);
        functions.filter(|&function| is_bridge(access, function))
    };
    // The last comes soon: each turn takes a number.
    while let Some(number) = highest(access).checked_add(1) {
        // Those that lead to its bus must lead to the new one as well, and so to all between.
        let is_above = |above: PciAddress, bridge: PciAddress| {
            let [_, secondary, subordinate, _] = numbers(access, above);
            secondary != 0 && (secondary..=subordinate).contains(&bridge.bus())
        };
        let widened = |above: PciAddress| {
            let [primary, secondary, _, timer] = numbers(access, above);
            [primary, secondary, number, timer]
        };
        let numbered = |bridge: PciAddress| {
            let [.., timer] = numbers(access, bridge);
            [bridge.bus(), number, number, timer]
        };
        let can_be_numbered = |&bridge: &PciAddress| {
            numbers(access, bridge)[1] == 0
                && bridges()
                    .filter(|&above| is_above(above, bridge))
                    .all(|above| {
                        numbers(access, above)[2] == number - 1
                            && takes(access, above, widened(above))
                    })
                && takes(access, bridge, numbered(bridge))
        };
        // Of the highest bus first: what is behind a bridge comes before the next beside it.
        let Some(bridge) = bridges().filter(can_be_numbered).last() else {
            return;
        };
        for above in bridges().filter(|&above| is_above(above, bridge)) {
            set(access, above, widened(above));
        }
        set(access, bridge, numbered(bridge));
        report(bridge, number);
    }
}

fn is_bridge(access: &impl ConfigRegionAccess, address: PciAddress) -> bool {
    PciHeader::new(address).header_type(access) == HeaderType::PciPciBridge
}

/// The highest number of a bus on which something is, or to which a bridge leads.
fn highest(access: &impl ConfigRegionAccess) -> u8 {
    let functions = super::functions(access).map(|function| function.address);
    let buses = functions.map(|function| match is_bridge(access, function) {
        true => {
            let [_, secondary, subordinate, _] = numbers(access, function);
            function.bus().max(secondary).max(subordinate)
        }
        false => function.bus(),
    });
    buses.max().unwrap_or(0)
}

/// A bridge's bus numbers: primary, secondary, subordinate; and a timer.
fn numbers(access: &impl ConfigRegionAccess, bridge: PciAddress) -> [u8; 4] {
    // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
    unsafe { access.read(bridge, BUS_NUMBERS) }.to_le_bytes()
}

fn set(access: &impl ConfigRegionAccess, bridge: PciAddress, numbers: [u8; 4]) {
    // SAFETY: a bridge has its bus numbers there, and nothing uses what is behind it while there is none or another.
    unsafe { access.write(bridge, BUS_NUMBERS, u32::from_le_bytes(numbers)) };
}

/// Whether the bridge leads to the buses that these numbers say, if it has them. It is left with its own.
fn takes(access: &impl ConfigRegionAccess, bridge: PciAddress, wanted: [u8; 4]) -> bool {
    let before = numbers(access, bridge);
    set(access, bridge, wanted);
    let after = numbers(access, bridge);
    set(access, bridge, before);
    after[1..3] == wanted[1..3]
}

#[cfg(test)]
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace, MULTIPLE};
    use super::*;
    use std::vec::Vec;

    /// A bridge with these bus numbers.
    fn bridge(space: &FakeSpace, bus: u8, device: u8, numbers: u32) -> PciAddress {
        let words = [(0, 1), (0x0c, BRIDGE_HEADER), (0x18, numbers)];
        space.put(bus, device, 0, &words)
    }

    fn numbered(space: &FakeSpace) -> Vec<(PciAddress, u8)> {
        let mut given = Vec::new();
        number_buses(space, |bridge, number| given.push((bridge, number)));
        given
    }

    #[test]
    fn buses_without_a_number_get_one_and_the_bridges_before_them_lead_there() {
        let space = FakeSpace::default();
        // Beside one that firmware has numbered, two in a row that it has not, and another.
        let kept = bridge(&space, 0, 1, 0x0005_0500);
        let other = bridge(&space, 0, 2, 0xaa00_0000);
        let outer = bridge(&space, 0, 3, 0);
        // What is behind it is seen only when its bus has a number.
        let inner = bridge(&space, 6, 0, 0);
        let card = space.put(7, 0, 0, &[(0, E1000)]);
        assert_eq!(numbered(&space), [(outer, 6), (inner, 7), (other, 8)]);
        assert_eq!(space.word(outer, 0x18), 0x0007_0600);
        assert_eq!(space.word(inner, 0x18), 0x0007_0706);
        assert_eq!(space.word(other, 0x18), 0xaa08_0800);
        assert_eq!(space.word(kept, 0x18), 0x0005_0500);
        assert!(space.found().contains(&card));
        // Behind the first there is none left: the next number is another's.
        bridge(&space, 5, 0, 0);
        assert_eq!(numbered(&space), []);
    }

    #[test]
    fn a_bridge_that_takes_no_number_leaves_the_others_as_they_were() {
        let space = FakeSpace::default();
        let outer = bridge(&space, 0, 1, 0x0001_0100);
        let stiff = bridge(&space, 1, 0, 0);
        space.make_writable(stiff, 0x18, 0);
        assert_eq!(numbered(&space), []);
        assert_eq!(space.word(outer, 0x18), 0x0001_0100);
        // Another is numbered nonetheless.
        let other = bridge(&space, 0, 2, 0);
        assert_eq!(numbered(&space), [(other, 2)]);
        assert_eq!(space.word(outer, 0x18), 0x0001_0100);
        assert_eq!(space.word(stiff, 0x18), 0);
    }

    #[test]
    fn behind_a_bridge_that_does_not_lead_further_none_is_numbered() {
        let space = FakeSpace::default();
        let outer = bridge(&space, 0, 1, 0x0001_0100);
        space.make_writable(outer, 0x18, 0x0000_ffff);
        let inner = bridge(&space, 1, 0, 0);
        assert_eq!(numbered(&space), []);
        assert_eq!(space.word(outer, 0x18), 0x0001_0100);
        assert_eq!(space.word(inner, 0x18), 0);
    }

    #[test]
    fn a_number_is_above_those_of_buses_to_which_no_bridge_leads() {
        let space = FakeSpace::default();
        space.put(0, 0, 0, &[(0, E1000), (0x0c, MULTIPLE)]);
        space.put(0, 0, 3, &[(0, E1000)]);
        space.put(3, 0, 0, &[(0, E1000)]);
        let bare = bridge(&space, 0, 1, 0);
        assert_eq!(numbered(&space), [(bare, 4)]);
    }
}
