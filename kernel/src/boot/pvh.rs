//! PVH: how QEMU's `-kernel`, Firecracker and Cloud Hypervisor start a kernel.
//!
//! The structures are those of Xen's `include/public/arch-x86/hvm/start_info.h`, version 1.

use super::{Boot, Builder};
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
            let name = match module.command_line {
                0 => "module",
                // SAFETY: the loader put the module's command line there.
                address => unsafe { text_at(address) },
            };
            // SAFETY: the loader put a module of this size there, and nobody gives it away.
            let octets = unsafe {
                core::slice::from_raw_parts(module.address as *const u8, module.size as usize)
            };
            builder.files.add_archive_or_file(name, octets);
        }
    }
    builder.finish("pvh")
}

/// # Safety
///
/// `count` entries of a table are at `address`, as long as they are looked at.
unsafe fn table_at<'table, T: FromBytes>(address: u64, count: u32) -> &'table [T] {
    let count = count.min(MAXIMUM_ENTRIES) as usize;
    // SAFETY: as above; any octets are a valid `T`.
    unsafe { core::slice::from_raw_parts(address as *const T, count) }
}

/// # Safety
///
/// A text is at `address`, as long as it is looked at, and the first 4 GiB are mapped one to one.
unsafe fn text_at<'text>(address: u64) -> &'text str {
    // SAFETY: as above; behind the text there is more memory, whatever it holds.
    let octets = unsafe { core::slice::from_raw_parts(address as *const u8, MAXIMUM_COMMAND_LINE) };
    let text = CStr::from_bytes_until_nul(octets).ok();
    text.and_then(|text| text.to_str().ok()).unwrap_or("")
}
