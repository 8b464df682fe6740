//! PVH: how QEMU's `-kernel`, Firecracker and Cloud Hypervisor start a kernel.
//!
//! The structures are those of Xen's `include/public/arch-x86/hvm/start_info.h`, version 1.

use super::{Boot, Builder, MAPPED};
use core::ffi::CStr;
use zerocopy::{FromBytes, Immutable, KnownLayout};

const MAGIC: u32 = 0x336e_c578;
const MEMORY_RAM: u32 = 1;
/// More entries than any loader has are a sign of garbage.
const MAXIMUM_ENTRIES: u32 = 1024;
/// A command line, the kernel's or a module's, has fewer octets.
const MAXIMUM_COMMAND_LINE: usize = 4096;

/// `struct hvm_start_info`.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<StartInfo>() == 56);

/// `struct hvm_modlist_entry`.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

const _: () = assert!(size_of::<Module>() == 32);

/// `struct hvm_memmap_table_entry`.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MemoryEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<MemoryEntry>() == 24);

/// Reads what the loader left at `information`.
///
/// # Safety
///
/// `information` is what a PVH loader passed in EBX, physical memory is mapped one to one, and
/// nothing was given away yet.
pub(super) unsafe fn boot(information: u64) -> Boot {
    let mut builder = Builder::new();
    // SAFETY: a PVH loader puts the address of its start info in EBX.
    let info = unsafe { &*(information as *const StartInfo) };
    if info.magic != MAGIC {
        return builder.finish("pvh without start info");
    }
    builder.in_use(information, size_of::<StartInfo>() as u64);
    if info.rsdp != 0 {
        builder.rsdp = Some(info.rsdp);
    }
    if info.command_line != 0 {
        // SAFETY: the loader put its command line there, and it is never given away.
        builder.command_line = unsafe { text_at(info.command_line) };
        builder.in_use(info.command_line, MAXIMUM_COMMAND_LINE as u64);
    }
    if info.version >= 1 && info.memory_map != 0 {
        // SAFETY: the loader put this many entries there.
        for entry in unsafe { table_at::<MemoryEntry>(info.memory_map, info.memory_map_entries) } {
            builder.region(entry.address, entry.size, entry.kind == MEMORY_RAM);
        }
    }
    if info.modules != 0 {
        // SAFETY: the loader put this many entries there.
        for module in unsafe { table_at::<Module>(info.modules, info.module_count) } {
            builder.in_use(module.address, module.size);
            if !is_mapped(module.address, module.size) {
                log::warn!("pvh: a module at {:#x} is out of reach", module.address);
                continue;
            }
            let name = match module.command_line {
                0 => "module",
                // SAFETY: the loader put the module's command line there.
                address => unsafe { text_at(address) },
            };
            // SAFETY: the loader put a module of this size there, where memory is mapped, and nobody
            // gives it away.
            let octets = unsafe {
                core::slice::from_raw_parts(module.address as *const u8, module.size as usize)
            };
            builder.files.add_archive_or_file(name, octets);
        }
    }
    builder.finish("pvh")
}

/// Whether `size` octets at `address` can be looked at.
const fn is_mapped(address: u64, size: u64) -> bool {
    match address.checked_add(size) {
        Some(end) => address != 0 && end <= MAPPED,
        None => false,
    }
}

/// The entries of a table, none if it is out of reach.
///
/// # Safety
///
/// `count` entries of a table are at `address`, as long as they are looked at.
unsafe fn table_at<'table, T: FromBytes>(address: u64, count: u32) -> &'table [T] {
    let count = count.min(MAXIMUM_ENTRIES);
    if !is_mapped(address, u64::from(count) * size_of::<T>() as u64) {
        log::warn!("pvh: a table at {address:#x} is out of reach");
        return &[];
    }
    // SAFETY: as above, and memory is mapped there; any octets are a valid `T`.
    unsafe { core::slice::from_raw_parts(address as *const T, count as usize) }
}

/// The text at `address`, empty if it is out of reach, too long, or not UTF-8.
///
/// # Safety
///
/// A text is at `address`, as long as it is looked at.
unsafe fn text_at<'text>(address: u64) -> &'text str {
    let mut text = None;
    if is_mapped(address, MAXIMUM_COMMAND_LINE as u64) {
        // SAFETY: as above, and memory is mapped there; behind the text is more, whatever it holds.
        let octets =
            unsafe { core::slice::from_raw_parts(address as *const u8, MAXIMUM_COMMAND_LINE) };
        text = CStr::from_bytes_until_nul(octets).ok();
    }
    text.and_then(|text| text.to_str().ok()).unwrap_or_else(|| {
        log::warn!("pvh: the command line at {address:#x} cannot be read and is ignored");
        ""
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_entry_stub_mapped_is_looked_at() {
        assert!(is_mapped(0x1000, 56));
        assert!(is_mapped(MAPPED - 56, 56));
        assert!(!is_mapped(MAPPED - 55, 56));
        assert!(!is_mapped(0, 56));
        assert!(!is_mapped(u64::MAX, 2));
    }

    #[test]
    fn texts_and_tables_out_of_reach_are_empty() {
        // SAFETY: none of them is looked at.
        unsafe {
            assert_eq!(text_at(MAPPED), "");
            assert!(table_at::<MemoryEntry>(MAPPED, 1).is_empty());
            assert!(table_at::<Module>(u64::MAX, u32::MAX).is_empty());
        }
    }
}
