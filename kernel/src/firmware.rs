//! The tables of ACPI, for whoever looks something up in them: how the machine is switched off, which devices
//! stand on no bus.
//!
//! Firmware wrote them; nothing in them is trusted to be where it should be.

use crate::memory;
use acpi::{AcpiError, AcpiHandler, AcpiTables, PhysicalMapping};
use core::ptr::NonNull;
use pollux_drivers::pci::Roots;

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

/// The signature and length of each table that the root table names. What cannot be mapped is left out.
///
/// The `acpi` crate has an iterator for it, which looks at whole tables through a mapping of their beginning.
pub fn tables_by_signature(rsdp: u64) -> impl Iterator<Item = ([u8; 4], u32)> {
    let root = read(rsdp, ROOT_POINTER).and_then(root_table);
    let table = root.and_then(|(address, width)| {
        let (_, length) = header(address)?;
        let octets = read(address, length.min(LARGEST_ROOT_TABLE) as usize)?;
        Some(octets.get(HEADER..)?.chunks_exact(width))
    });
    table.into_iter().flatten().filter_map(|entry| {
        let mut address = [0; 8];
        address.get_mut(..entry.len())?.copy_from_slice(entry);
        header(u64::from_le_bytes(address))
    })
}

/// Octets of the root pointer, with what version 2.0 added, and of every table's header (ACPI 6.5 §5.2.5.3, §5.2.6).
const ROOT_POINTER: usize = 36;
const HEADER: usize = 36;
/// What is looked at of a root table, in octets: some 500 tables.
const LARGEST_ROOT_TABLE: u32 = 4096;

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

/// Where to look for PCI functions on the machine whose root pointer is `rsdp`.
pub fn pci_roots(rsdp: Option<u64>) -> Roots {
    let tables = rsdp.and_then(|rsdp| tables(rsdp).ok());
    let roots = tables.and_then(|tables| look_at_code(&tables, roots_of).ok().flatten());
    roots.unwrap_or(Roots::First)
}

/// Each host bridge beyond the first has the number of its bus under the name `_BBN` (ACPI 6.5 §6.5.5), often as a
/// method, which nothing here can carry out. Any such name but a constant zero is a reason to look at the buses one
/// by one: some 10 ms on a real machine.
fn roots_of(code: &[u8]) -> Roots {
    const NAME: &[u8; 4] = b"_BBN";
    /// The name as a constant zero (§20.2.5.1, §20.2.3).
    const ZERO: &[u8; 6] = b"\x08_BBN\x00";
    let names = code.windows(NAME.len()).filter(|name| name == NAME).count();
    let zeros = code.windows(ZERO.len()).filter(|name| name == ZERO).count();
    if names > zeros {
        Roots::Every
    } else {
        Roots::First
    }
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
    fn every_bus_is_looked_at_where_a_host_bridge_has_another_than_the_first() {
        assert_eq!(roots_of(b""), Roots::First);
        assert_eq!(roots_of(b"\x08_BBN\x00 and _BB"), Roots::First);
        assert_eq!(roots_of(b"\x08_BBN\x0a\x80"), Roots::Every);
        assert_eq!(roots_of(b"\x08_BBN\x00\x14\x09_BBN\x00"), Roots::Every);
    }
}
