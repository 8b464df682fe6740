//! The tables of ACPI, for whoever looks something up in them: how the machine is switched off, which devices
//! stand on no bus.
//!
//! Firmware wrote them; nothing in them is trusted to be where it should be.

use crate::memory;
use acpi::{AcpiError, AcpiHandler, AcpiTables, PhysicalMapping};
use core::ptr::NonNull;

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
