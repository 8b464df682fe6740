//! Which functions there are, bus by bus.

use core::ops::RangeInclusive;

use super::{Class, Function};
use pci_types::{ConfigRegionAccess, HeaderType, PciAddress, PciHeader};

/// The vendor that an empty slot reports (PCI 3.0 §6.1).
const NO_VENDOR: u16 = 0xffff;
/// Configuration register by offset (PCI-to-PCI Bridge 1.2 §3.2).
pub(super) const BUS_NUMBERS: u16 = 0x18;

/// All functions of segment 0 that can be reached from bus 0: there, on the further buses of a host bridge that has
/// several, and behind bridges.
pub fn functions<A: ConfigRegionAccess>(access: &A) -> impl Iterator<Item = Function> + '_ {
    functions_below(access, 0, 0..=0)
}

/// All functions of a segment that can be reached from the buses `roots`: one for each host bridge, or where it is not
/// known which these are, every bus; no bridge leads from one to another. Every bus is visited at most once, so that
/// bridges which lie about their bus numbers cannot make it endless.
pub fn functions_below<A: ConfigRegionAccess>(
    access: &A,
    segment: u16,
    roots: RangeInclusive<u8>,
) -> impl Iterator<Item = Function> + '_ {
    let mut buses = Buses::default();
    roots.for_each(|bus| buses.add(bus));
    Functions {
        access,
        segment,
        buses,
        current: None,
    }
}

/// Buses to visit, and buses known already.
#[derive(Default)]
struct Buses {
    pending: [u64; 4],
    known: [u64; 4],
}

impl Buses {
    fn add(&mut self, bus: u8) {
        let (word, bit) = (usize::from(bus / 64), 1 << (bus % 64));
        if let (Some(known), Some(pending)) = (self.known.get_mut(word), self.pending.get_mut(word))
        {
            *pending |= bit & !*known;
            *known |= bit;
        }
    }

    /// The lowest bus that has not been visited.
    fn next(&mut self) -> Option<u8> {
        let (word, bits) = (0_u8..)
            .zip(&mut self.pending)
            .find(|(_, bits)| **bits != 0)?;
        let bit = bits.trailing_zeros() as u8;
        *bits &= *bits - 1;
        Some(word * 64 + bit)
    }
}

/// The iterator behind [`functions`].
struct Functions<'access, A> {
    access: &'access A,
    segment: u16,
    buses: Buses,
    /// Where to look next; `None` between two buses.
    current: Option<Position>,
}

#[derive(Clone, Copy)]
struct Position {
    bus: u8,
    device: u8,
    function: u8,
}

impl Position {
    fn address(self, segment: u16) -> PciAddress {
        PciAddress::new(segment, self.bus, self.device, self.function)
    }

    /// The position after this one; `None` at the end of the bus.
    fn advanced(self, skip_functions: bool) -> Option<Self> {
        if self.function < 7 && !skip_functions {
            return Some(Self {
                function: self.function + 1,
                ..self
            });
        }
        (self.device < 31).then_some(Self {
            device: self.device + 1,
            function: 0,
            ..self
        })
    }
}

impl<A: ConfigRegionAccess> Functions<'_, A> {
    /// Looks at one position: the function there, if any, and whether the device has no others.
    fn look(&mut self, position: Position) -> (Option<Function>, bool) {
        let address = position.address(self.segment);
        let header = PciHeader::new(address);
        let (vendor, device) = header.id(self.access);
        if vendor == NO_VENDOR {
            return (None, position.function == 0);
        }
        let single = position.function == 0 && !header.has_multiple_functions(self.access);
        if let HeaderType::PciPciBridge = header.header_type(self.access) {
            // SAFETY: a bridge has its bus numbers there, and reading them changes nothing.
            let buses = unsafe { self.access.read(address, BUS_NUMBERS) };
            self.buses.add((buses >> 8) as u8);
        }
        // A host bridge with several functions has one root bus for each (function n, bus n).
        if position.bus == 0 && position.device == 0 {
            self.buses.add(position.function);
        }
        let (_, base, sub, _) = header.revision_and_class(self.access);
        let function = Function {
            address,
            vendor,
            device,
            class: Class { base, sub },
        };
        (Some(function), single)
    }
}

impl<A: ConfigRegionAccess> Iterator for Functions<'_, A> {
    type Item = Function;

    fn next(&mut self) -> Option<Function> {
        loop {
            let position = match self.current {
                Some(position) => position,
                None => Position {
                    bus: self.buses.next()?,
                    device: 0,
                    function: 0,
                },
            };
            let (function, skip_functions) = self.look(position);
            self.current = position.advanced(skip_functions);
            if function.is_some() {
                return function;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace, MULTIPLE};
    use super::*;
    use std::vec::Vec;

    #[test]
    fn finds_the_functions_of_every_bus_behind_bridges() {
        let space = FakeSpace::default();
        let host = space.put(0, 0, 0, &[(0, 0x1237_8086)]);
        let bridge = space.put(
            0,
            4,
            0,
            &[(0, 0x0001_1b36), (0x0c, BRIDGE_HEADER), (0x18, 0x0007_0500)],
        );
        let inner = space.put(
            5,
            1,
            0,
            &[(0, 0x0001_1b36), (0x0c, BRIDGE_HEADER), (0x18, 0x0007_0605)],
        );
        let card = space.put(6, 31, 0, &[(0, E1000), (0x08, 0x0200_0003)]);
        space.put(7, 0, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [host, bridge, inner, card]);
        let last = functions(&space).last().unwrap();
        assert_eq!((last.vendor, last.device), (0x8086, 0x100e));
        assert_eq!(last.class, Class::ETHERNET);
    }

    #[test]
    fn looks_at_further_functions_only_where_the_first_says_so() {
        let space = FakeSpace::default();
        let single = space.put(0, 1, 0, &[(0, E1000)]);
        space.put(0, 1, 1, &[(0, E1000)]);
        let first = space.put(0, 2, 0, &[(0, E1000), (0x0c, MULTIPLE)]);
        let last = space.put(0, 2, 7, &[(0, E1000)]);
        space.put(0, 3, 1, &[(0, E1000)]);
        assert_eq!(space.found(), [single, first, last]);
    }

    #[test]
    fn a_host_bridge_with_several_functions_has_several_root_buses() {
        let space = FakeSpace::default();
        let first = space.put(0, 0, 0, &[(0, E1000), (0x0c, MULTIPLE)]);
        let second = space.put(0, 0, 1, &[(0, E1000)]);
        let card = space.put(1, 3, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [first, second, card]);
    }

    #[test]
    fn the_buses_of_further_host_bridges_are_found_where_every_bus_is_a_root() {
        let space = FakeSpace::default();
        let host = space.put(0, 0, 0, &[(0, E1000)]);
        let words = [(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, 0x8100)];
        let port = space.put(128, 2, 0, &words);
        let card = space.put(129, 0, 0, &[(0, E1000)]);
        let far = space.put(255, 31, 0, &[(0, E1000)]);
        assert_eq!(space.found(), [host]);
        let found: Vec<_> = functions_below(&space, 0, 0..=u8::MAX)
            .map(|function| function.address)
            .collect();
        assert_eq!(found, [host, port, card, far]);
    }

    #[test]
    fn bridges_that_point_back_do_not_make_the_search_endless() {
        let space = FakeSpace::default();
        for (bus, secondary) in [(0, 9_u32), (9, 255), (255, 9)] {
            let words = [(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, secondary << 8)];
            space.put(bus, 31, 0, &words);
        }
        assert_eq!(space.found().len(), 3);
    }

    #[test]
    fn an_empty_machine_has_no_functions() {
        assert_eq!(FakeSpace::default().found(), []);
    }
}
