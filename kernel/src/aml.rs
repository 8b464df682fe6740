//! What the code that describes the machine (ACPI's DSDT) says in constants, found without an interpreter of the
//! language it is written in.
//!
//! Code can compute what is looked for here; then it is not found, and the callers do with less.

use core::ops::RangeInclusive;
use pollux_drivers::pci::assign::AddressRange;

/// What begins a constant, by its octets (ACPI 6.5 §20.2.3).
const OCTET: u8 = 0x0a;
const TWO: u8 = 0x0b;
const FOUR: u8 = 0x0c;
const EIGHT: u8 = 0x0e;

/// Where to look for PCI functions. Each host bridge beyond the first has the number of its bus under the name `_BBN`
/// (§6.5.5), often as a method. Any such name but a constant zero is a reason to look at the buses one by one: some
/// 10 ms on a real machine.
pub fn root_buses(code: &[u8]) -> RangeInclusive<u8> {
    const NAME: &[u8; 4] = b"_BBN";
    /// The name as a constant zero (§20.2.5.1, §20.2.3).
    const ZERO: &[u8; 6] = b"\x08_BBN\x00";
    let names = code.windows(NAME.len()).filter(|name| name == NAME).count();
    let zeros = code.windows(ZERO.len()).filter(|name| name == ZERO).count();
    if names > zeros { 0..=u8::MAX } else { 0..=0 }
}

/// Where a host bridge has its configuration space in memory, by the name `_CBA` (PCI Firmware 3.3 §4.1.3): as a
/// constant, or as a method that returns one.
pub fn configuration_base(code: &[u8]) -> Option<u64> {
    const NAME: &[u8; 4] = b"_CBA";
    const RETURN: u8 = 0xa4;
    let mut places = code.windows(NAME.len()).zip(0_usize..);
    let (_, at) = places.find(|(name, _)| name == NAME)?;
    let behind = code.get(at + NAME.len()..)?;
    let number = match behind {
        // Behind the name of a method are its flags.
        [_flags, RETURN, number @ ..] => number,
        number => number,
    };
    integer(number).filter(|&base| base != 0)
}

/// An integer.
fn integer(code: &[u8]) -> Option<u64> {
    let (&kind, rest) = code.split_first()?;
    let octets = match kind {
        OCTET => 1,
        TWO => 2,
        FOUR => 4,
        EIGHT => 8,
        _ => return None,
    };
    number(rest.get(..octets)?)
}

/// Up to eight octets, the lowest first.
fn number(octets: &[u8]) -> Option<u64> {
    let mut number = [0; 8];
    number.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(u64::from_le_bytes(number))
}

/// The memory that is passed on to a bus: resources of that kind (§6.4.3.5) with a fixed beginning and end that fit each
/// other, of which it is said that they are produced. Where code puts them together, they do not fit, and are left out.
///
/// Whose they are is not looked at: of several host bridges, all are found without a difference, and so is whatever
/// another device passes on. Some firmware says of what a host bridge passes on that it is consumed; then the callers do
/// with less.
pub fn memory_windows(code: &[u8]) -> impl Iterator<Item = AddressRange> + '_ {
    (0..code.len()).filter_map(|at| {
        let code = code.get(at..)?;
        match code {
            // The resource's length in 16 bits; beyond what is looked at there can be more.
            [0x87, length, 0, resource @ ..] if *length >= 23 => window(resource, 4),
            [0x8a, length, 0, resource @ ..] if *length >= 43 => window(resource, 8),
            _ => None,
        }
    })
}

/// What a resource says whose numbers have `width` octets: granularity, lowest, highest, translation, length.
fn window(resource: &[u8], width: usize) -> Option<AddressRange> {
    const MEMORY: u8 = 0;
    /// Both ends are fixed.
    const FIXED: u8 = 0b1100;
    /// The device uses it, and passes nothing on.
    const CONSUMED: u8 = 0b0001;
    let [MEMORY, flags, _, numbers @ ..] = resource else {
        return None;
    };
    let mut numbers = numbers.chunks_exact(width).map_while(number);
    let (granularity, start, last) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let (translation, length) = (numbers.next()?, numbers.next()?);
    let is_sound = flags & (FIXED | CONSUMED) == FIXED
        && granularity
            .checked_add(1)
            .is_some_and(|one| one.is_power_of_two())
        && translation == 0
        && length != 0
        && last.checked_sub(start)?.checked_add(1)? == length;
    is_sound.then_some(AddressRange {
        start,
        end: last.checked_add(1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bus_is_looked_at_where_a_host_bridge_has_another_than_the_first() {
        assert_eq!(root_buses(b""), 0..=0);
        assert_eq!(root_buses(b"\x08_BBN\x00 and _BB"), 0..=0);
        assert_eq!(root_buses(b"\x08_BBN\x0a\x80"), 0..=255);
        assert_eq!(root_buses(b"\x08_BBN\x00\x14\x09_BBN\x00"), 0..=255);
    }

    #[test]
    fn configuration_space_is_where_a_constant_or_a_method_says() {
        // QEMU's microvm: Method (_CBA) { Return (0xE0000000) }.
        let method = b"\x14\x0c_CBA\x00\xa4\x0c\x00\x00\x00\xe0";
        assert_eq!(configuration_base(method), Some(0xe000_0000));
        let wide = b"noise\x08_CBA\x0e\x00\x00\x00\x00\x38\x00\x00\x00";
        assert_eq!(configuration_base(wide), Some(0x38_0000_0000));
        for nothing in [
            &b""[..],
            b"_CBA",
            b"\x14\x0c_CBA\x00\xa4\x60",
            b"\x08_CBA\x00",
        ] {
            assert_eq!(configuration_base(nothing), None);
        }
        for length in 0..method.len() {
            assert_eq!(configuration_base(&method[..length]), None);
        }
    }

    /// A resource of 32 bits.
    fn narrow(flags: u8, numbers: [u32; 5]) -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        [0x87, 23, 0, 0, flags, 3]
            .into_iter()
            .chain(numbers)
            .collect()
    }

    #[test]
    fn windows_are_found_that_have_two_ends_which_fit() {
        let found = |code: &[u8]| memory_windows(code).collect::<Vec<_>>();
        let numbers = [0, 0xc000_0000, 0xdfff_ffff, 0, 0x2000_0000];
        let sound = narrow(0x0c, numbers);
        let range = AddressRange {
            start: 0xc000_0000,
            end: 0xe000_0000,
        };
        assert_eq!(
            found(&[&[1, 0x87, 2][..], &sound, &[0x79]].concat()),
            [range]
        );
        let mut wide = vec![0x8a, 43, 0, 0, 0x0c, 3];
        for number in [0_u64, 1 << 38, (2 << 38) - 1, 0, 1 << 38] {
            wide.extend(number.to_le_bytes());
        }
        let range = AddressRange {
            start: 1 << 38,
            end: 2 << 38,
        };
        assert_eq!(found(&wide), [range]);
        let [granularity, start, last, translation, length] = numbers;
        for unsound in [
            narrow(0x04, numbers),
            narrow(0x0d, numbers),
            narrow(0x0c, [granularity, start, last, translation, length - 1]),
            narrow(0x0c, [granularity, last, start, translation, length]),
            narrow(0x0c, [granularity, start, last, 5, length]),
            narrow(0x0c, [granularity, 0, 0, translation, 0]),
            sound[..sound.len() - 1].to_vec(),
        ] {
            assert_eq!(found(&unsound), []);
        }
    }
}
