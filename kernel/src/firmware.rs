//! The tables of ACPI, for whoever looks something up in them: how the machine is switched off, which devices
//! stand on no bus.
//!
//! Firmware wrote them; nothing in them is trusted to be where it should be.

use crate::memory;
use acpi::{AcpiError, AcpiHandler, AcpiTables, PhysicalMapping};
use core::fmt;
use core::ptr::NonNull;
use pollux_drivers::pci::access::Region;

/// The tables whose root pointer is at physical address `rsdp`.
///
/// # Errors
///
/// [`AcpiError`] when there is no sound root pointer.
pub fn tables(rsdp: u64) -> Result<AcpiTables<Mapper>, AcpiError> {
    // SAFETY: the loader says that the root pointer is there; `Mapper` maps what is asked for.
    unsafe { AcpiTables::from_rsdp(Mapper, rsdp as usize) }
}

/// Shows `look` the code that describes the machine (the DSDT). `None` when it cannot be mapped.
///
/// # Errors
///
/// [`AcpiError`] when there is none.
pub fn look_at_code<T>(
    tables: &AcpiTables<Mapper>,
    look: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, AcpiError> {
    let dsdt = tables.dsdt()?;
    let start = memory::map_read_only(dsdt.address as u64, u64::from(dsdt.length));
    Ok(start.ok().map(|start| {
        // SAFETY: the table of this length is mapped there now, for longer than this takes.
        look(unsafe { core::slice::from_raw_parts(start, dsdt.length as usize) })
    }))
}

/// The signature and length of each table that the root table names, and who made it for which machine. What cannot be
/// mapped is left out.
pub fn tables_by_signature(rsdp: u64) -> impl Iterator<Item = ([u8; 4], u32, Maker)> {
    tables_in_memory(rsdp).filter_map(|(address, signature, length)| {
        let maker = Maker::of(read(address, HEADER)?)?;
        Some((signature, length, maker))
    })
}

/// What a table's header says of the machine: its maker, and that one's name for it (ACPI 6.5 §5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    maker: [u8; 6],
    machine: [u8; 8],
}

impl Maker {
    fn of(header: &[u8]) -> Option<Self> {
        Some(Self {
            maker: *header.get(10..)?.first_chunk()?,
            machine: *header.get(16..)?.first_chunk()?,
        })
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn name(octets: &[u8]) -> impl fmt::Display {
            let end = octets.iter().rposition(|octet| !matches!(octet, 0 | b' '));
            octets
                .get(..end.map_or(0, |last| last + 1))
                .unwrap_or_default()
                .escape_ascii()
        }
        write!(f, "{} {}", name(&self.maker), name(&self.machine))
    }
}

/// The address, signature and length of each.
///
/// The `acpi` crate has an iterator for it, which looks at whole tables through a mapping of their beginning; and what
/// it makes of a table whose length is wrong can end in a panic.
fn tables_in_memory(rsdp: u64) -> impl Iterator<Item = (u64, [u8; 4], u32)> {
    let root = read(rsdp, ROOT_POINTER).and_then(root_table);
    let table = root.and_then(|(address, width)| {
        let (_, length) = header(address)?;
        let octets = read(address, length.min(LARGEST_TABLE) as usize)?;
        Some(octets.get(HEADER..)?.chunks_exact(width))
    });
    table.into_iter().flatten().filter_map(|entry| {
        let mut address = [0; 8];
        address.get_mut(..entry.len())?.copy_from_slice(entry);
        let address = u64::from_le_bytes(address);
        let (signature, length) = header(address)?;
        Some((address, signature, length))
    })
}

/// Octets of the root pointer, with what version 2.0 added, and of every table's header (ACPI 6.5 §5.2.5.3, §5.2.6).
const ROOT_POINTER: usize = 36;
const HEADER: usize = 36;
/// What is looked at of a table, in octets: of a root table some 500 tables.
const LARGEST_TABLE: u32 = 4096;

/// Where the root table is that a root pointer names, and how many octets an address has in it.
fn root_table(pointer: &[u8]) -> Option<(u64, usize)> {
    let revision = *pointer.get(15)?;
    let narrow = u32::from_le_bytes(*pointer.get(16..)?.first_chunk()?);
    let wide = u64::from_le_bytes(*pointer.get(24..)?.first_chunk()?);
    if revision >= 2 && wide != 0 {
        Some((wide, 8))
    } else {
        Some((narrow.into(), 4))
    }
}

/// The signature and length of the table at physical address `address`.
fn header(address: u64) -> Option<([u8; 4], u32)> {
    let header = read(address, HEADER)?;
    let signature = *header.first_chunk()?;
    let length = u32::from_le_bytes(*header.get(4..)?.first_chunk()?);
    Some((signature, length))
}

fn read(physical: u64, length: usize) -> Option<&'static [u8]> {
    let start = memory::map_read_only(physical, length as u64).ok()?;
    // SAFETY: the range is mapped, and stays so; firmware's tables are written to by nobody.
    (!start.is_null()).then(|| unsafe { core::slice::from_raw_parts(start, length) })
}

/// The table of this signature, if it is there and sound.
fn table(rsdp: u64, wanted: &[u8; 4]) -> Option<&'static [u8]> {
    let mut tables = tables_in_memory(rsdp);
    let (address, _, length) = tables.find(|(_, signature, _)| signature == wanted)?;
    let octets = read(address, length.min(LARGEST_TABLE) as usize)?;
    let sum = octets
        .iter()
        .fold(0_u8, |sum, octet| sum.wrapping_add(*octet));
    if sum != 0 {
        let signature = wanted.escape_ascii();
        log::warn!("acpi: {signature} at {address:#x} has a wrong checksum and is ignored");
    }
    (sum == 0).then_some(octets)
}

/// Where the high precision event timer has its registers.
pub fn hpet(rsdp: u64) -> Option<u64> {
    hpet_base(table(rsdp, b"HPET")?)
}

/// What a table HPET says of that (IA-PC HPET 1.0a §3.2.4): behind four octets, an address with its kind.
fn hpet_base(hpet: &[u8]) -> Option<u64> {
    const MEMORY: u8 = 0;
    let [MEMORY, _, _, _, address @ ..] = hpet.get(HEADER + 4..)? else {
        return None;
    };
    let base = u64::from_le_bytes(*address.first_chunk()?);
    (base != 0).then_some(base)
}

/// Where configuration space lies in memory: `take` gets each region that the table MCFG names.
pub fn configuration_regions(rsdp: u64, take: impl FnMut(Region)) {
    if let Some(mcfg) = table(rsdp, b"MCFG") {
        regions_of(mcfg).for_each(take);
    }
}

/// The regions that an MCFG names (PCI Firmware 3.3 §4.1.2): behind eight octets that mean nothing, 16 for each.
fn regions_of(mcfg: &[u8]) -> impl Iterator<Item = Region> + '_ {
    let entries = mcfg.get(HEADER + 8..).unwrap_or_default();
    entries.chunks_exact(16).filter_map(|entry| {
        let (base, rest) = entry.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let [first_bus, last_bus, ..] = *rest else {
            return None;
        };
        let region = Region {
            segment: u16::from_le_bytes(*segment),
            first_bus,
            last_bus,
            base: u64::from_le_bytes(*base),
        };
        let is_sound =
            region.base != 0 && region.base.is_multiple_of(Region::BUS) && first_bus <= last_bus;
        if !is_sound {
            log::warn!("acpi: MCFG names {region:x?}, which cannot be, and is ignored");
        }
        is_sound.then_some(region)
    })
}

/// Maps tables for the `acpi` crate, for reading.
#[derive(Clone)]
pub struct Mapper;

/// What the crate is shown where firmware gives an address or a length that cannot be. It has no
/// signature, at which the crate looks first.
#[repr(C, align(16))]
struct NoTable([u8; 512]);

static NO_TABLE: NoTable = NoTable([0; 512]);

impl AcpiHandler for Mapper {
    unsafe fn map_physical_region<T>(
        &self,
        physical: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        const { assert!(size_of::<T>() <= size_of::<NoTable>() && align_of::<T>() <= 16) };
        let (start, size) = match memory::map_read_only(physical as u64, size as u64) {
            Ok(start) => (start, size),
            Err(error) => {
                log::warn!("acpi: no table of {size} octets can be at {physical:#x}: {error}");
                (NO_TABLE.0.as_ptr(), size_of::<T>())
            }
        };
        // SAFETY: the range is mapped, and stays so; no address in the window, nor of a static, is 0.
        unsafe {
            let start = NonNull::new_unchecked(start.cast_mut().cast());
            PhysicalMapping::new(physical, start, size, size, Self)
        }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_table_is_the_wide_one_where_there_is_one() {
        let mut pointer = [0; ROOT_POINTER];
        pointer[16..20].copy_from_slice(&0x7fe_1234_u32.to_le_bytes());
        pointer[24..32].copy_from_slice(&0x1_2345_6789_u64.to_le_bytes());
        assert_eq!(root_table(&pointer), Some((0x7fe_1234, 4)));
        pointer[15] = 2;
        assert_eq!(root_table(&pointer), Some((0x1_2345_6789, 8)));
        pointer[24..32].fill(0);
        assert_eq!(root_table(&pointer), Some((0x7fe_1234, 4)));
        assert_eq!(root_table(&pointer[..31]), None);
    }

    #[test]
    fn who_made_a_table_is_told_without_what_fills_it_up() {
        let mut header = [0; HEADER];
        header[10..24].copy_from_slice(b"ALASKAA M I \0\x1b");
        let maker = Maker::of(&header).expect("a header");
        assert_eq!(maker.to_string(), "ALASKA A M I \\x00\\x1b");
        header[10..24].copy_from_slice(b"DELL  CBX3   \0");
        assert_eq!(
            Maker::of(&header).expect("a header").to_string(),
            "DELL CBX3"
        );
        header[10..24].fill(0);
        assert_eq!(Maker::of(&header).expect("a header").to_string(), " ");
        assert_eq!(Maker::of(&header[..23]), None);
    }

    #[test]
    fn an_hpet_is_where_its_table_says_if_that_is_memory() {
        let mut hpet = vec![0; 56];
        hpet[44..52].copy_from_slice(&0xfed0_0000_u64.to_le_bytes());
        assert_eq!(hpet_base(&hpet), Some(0xfed0_0000));
        assert_eq!(hpet_base(&hpet[..51]), None);
        hpet[40] = 1;
        assert_eq!(hpet_base(&hpet), None);
    }

    #[test]
    fn the_regions_of_an_mcfg_are_read_and_what_cannot_be_is_left_out() {
        let entry = |base: u64, segment: u16, first: u8, last: u8| {
            let base = base.to_le_bytes();
            let segment = segment.to_le_bytes();
            [&base[..], &segment, &[first, last, 0, 0, 0, 0]].concat()
        };
        let mcfg = [
            vec![0; HEADER + 8],
            entry(0xb000_0000, 0, 0, 255),
            entry(0, 0, 0, 255),
            entry(0xb000_1000, 0, 0, 255),
            entry(0x38_0000_0000, 0x1234, 0x40, 0x7f),
            entry(0xb000_0000, 0, 2, 1),
            vec![0xff; 15],
        ]
        .concat();
        let region = |segment, first_bus, last_bus, base| Region {
            segment,
            first_bus,
            last_bus,
            base,
        };
        let found: Vec<_> = regions_of(&mcfg).collect();
        assert_eq!(
            found,
            [
                region(0, 0, 255, 0xb000_0000),
                region(0x1234, 0x40, 0x7f, 0x38_0000_0000)
            ]
        );
        for length in 0..HEADER + 8 + 16 {
            assert_eq!(regions_of(&mcfg[..length]).count(), 0);
        }
    }
}
