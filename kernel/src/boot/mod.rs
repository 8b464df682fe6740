//! What a loader hands over, in one form whichever loader it was.
//!
//! The `bootloader` crate fills a [`BootInfo`] itself; for PVH and Multiboot2 it is filled here from
//! their own tables. Beside it come the command line and the files that were given with the kernel.
//! After [`crate::start`] there is one path.

mod entry;
mod files;
mod multiboot2;
pub mod options;
mod pvh;

pub use files::{File, Files};

use bootloader_api::BootInfo;
use bootloader_api::config::{BootloaderConfig, Mapping};
use bootloader_api::info::{MemoryRegion, MemoryRegionKind, MemoryRegions, Optional, PixelFormat};
use core::ptr::addr_of_mut;
use heapless::Vec;

use crate::screen::display::{Display, Pixels};

/// How many memory regions of a loader's map are taken over.
const MEMORY_REGIONS: usize = 256;
/// The stub of the PVH and Multiboot2 entries mapped the first octets of physical memory one to one, up to here.
pub const MAPPED: u64 = 1 << 32;
/// The file that is the command line where a loader passes none.
const COMMAND_LINE: &str = "pollux.command-line";
/// How many ranges in use are kept apart.
pub const RANGES_IN_USE: usize = 32;

/// What the loader handed over.
pub struct Boot {
    /// Memory map, ACPI root pointer, and where all physical memory is mapped for now.
    pub info: &'static mut BootInfo,
    /// The words behind the kernel's name on the loader's command line.
    pub command_line: &'static str,
    /// The files that were given with the kernel.
    pub files: Files,
    /// Physical memory that the loader filled for us, beyond the kernel's image.
    pub in_use: Vec<PhysicalRange, RANGES_IN_USE>,
    /// What the loader says of the screen.
    pub display: Option<Display>,
    /// The loader's kind, for people.
    pub method: &'static str,
}

/// Octets of physical memory, from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysicalRange {
    /// The first octet.
    pub start: u64,
    /// The first octet behind.
    pub end: u64,
}

/// Asks the `bootloader` crate to map all physical memory somewhere: [`crate::memory`] needs to see
/// it while it makes its own tables.
static BOOTLOADER_CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::Dynamic);
    config
};

/// The configuration in the form and the section in which the `bootloader` crate looks for it.
#[used]
#[unsafe(link_section = ".bootloader-config")]
static BOOTLOADER_CONFIG_OCTETS: [u8; BootloaderConfig::SERIALIZED_LEN] =
    BOOTLOADER_CONFIG.serialize();

static mut REGIONS: [MemoryRegion; MEMORY_REGIONS] = [MemoryRegion::empty(); MEMORY_REGIONS];
static mut INFO: Option<BootInfo> = None;

/// Collects what a PVH or Multiboot2 loader says, and becomes a [`Boot`].
struct Builder {
    regions: Vec<MemoryRegion, MEMORY_REGIONS>,
    command_line: &'static str,
    files: Files,
    in_use: Vec<PhysicalRange, RANGES_IN_USE>,
    rsdp: Option<u64>,
    display: Option<Display>,
}

impl Builder {
    fn new() -> Self {
        Self {
            regions: Vec::new(),
            command_line: "",
            files: Files::new(),
            in_use: Vec::new(),
            rsdp: None,
            display: None,
        }
    }

    fn region(&mut self, start: u64, length: u64, usable: bool) {
        let mut region = MemoryRegion::empty();
        region.start = start;
        region.end = start.saturating_add(length);
        region.kind = if usable {
            MemoryRegionKind::Usable
        } else {
            MemoryRegionKind::UnknownBios(2)
        };
        // Beyond the last place in the map, usable memory is forgotten; other memory must not be, since
        // it can lie inside a region that is called usable.
        if self.regions.push(region).is_err() && !usable {
            self.in_use(start, length);
        }
    }

    /// Notes that `length` octets at `start` must not be given away. When there are more such
    /// ranges than can be noted, the last one grows to cover the new one too.
    fn in_use(&mut self, start: u64, length: u64) {
        let range = PhysicalRange {
            start,
            end: start.saturating_add(length),
        };
        if self.in_use.push(range).is_err()
            && let Some(last) = self.in_use.last_mut()
        {
            last.start = last.start.min(range.start);
            last.end = last.end.max(range.end);
        }
    }

    fn finish(self, method: &'static str) -> Boot {
        let count = self.regions.len();
        // SAFETY: this runs once, on the only processor, before anything else looks at these two
        // statics; the references made here are the only ones ever made.
        let (regions, slot) = unsafe { (&mut *addr_of_mut!(REGIONS), &mut *addr_of_mut!(INFO)) };
        for (to, from) in regions.iter_mut().zip(&self.regions) {
            *to = *from;
        }
        let regions: &'static mut [MemoryRegion] = regions.get_mut(..count).unwrap_or_default();
        let info = slot.insert(BootInfo::new(MemoryRegions::from(regions)));
        info.physical_memory_offset = Optional::Some(0);
        info.rsdp_addr = self.rsdp.into();
        Boot {
            info,
            command_line: self.command_line,
            files: self.files,
            in_use: self.in_use,
            display: self.display,
            method,
        }
    }
}

/// Rust begins here when PVH or Multiboot2 led to `entry_64`: the first 4 GiB are mapped one to one.
///
/// # Safety
///
/// Only the entry stub may call it, once, with the loader's own information structure.
unsafe extern "C" fn start_direct(protocol: u32, information: u64) -> ! {
    crate::start(|| match protocol {
        // SAFETY: the stub passes on what the loader put in EBX.
        entry::PROTOCOL_PVH => unsafe { pvh::boot(information) },
        // SAFETY: the stub passes on what the loader put in EBX.
        _ => unsafe { multiboot2::boot(information) },
    })
}

/// Rust begins here when the `bootloader` crate led to `entry_bootloader`.
///
/// # Safety
///
/// Only the entry stub may call it, once, with the `bootloader` crate's own structure.
unsafe extern "C" fn start_bootloader(info: &'static mut BootInfo) -> ! {
    crate::start(|| {
        let mut files = Files::new();
        if let Some(start) = info.ramdisk_addr.into_option() {
            let length = info.ramdisk_len as usize;
            // SAFETY: the loader mapped the ramdisk at this virtual address, for good.
            let octets = unsafe { core::slice::from_raw_parts(start as *const u8, length) };
            files.add_archive_or_file("ramdisk", octets);
        }
        let command_line = files.find(COMMAND_LINE).map_or("", |file| {
            core::str::from_utf8(file.octets).unwrap_or_else(|_| {
                log::warn!("{COMMAND_LINE}: not text, and ignored");
                ""
            })
        });
        let display = picture(info);
        Boot {
            info,
            display,
            command_line,
            files,
            // Its memory map says what it uses itself.
            in_use: Vec::new(),
            method: "bootloader",
        }
    })
}

/// The picture that the `bootloader` crate set up.
fn picture(info: &mut BootInfo) -> Option<Display> {
    let offset = info.physical_memory_offset.into_option()?;
    let buffer = info.framebuffer.as_mut()?;
    let start = buffer.buffer_mut().as_ptr() as u64;
    let info = buffer.info();
    let colors = match info.pixel_format {
        PixelFormat::Rgb => [(0, 8), (8, 8), (16, 8)],
        PixelFormat::Bgr => [(16, 8), (8, 8), (0, 8)],
        _ => return None,
    };
    let pixels = Pixels {
        // SAFETY: the loader mapped physical memory there, and its tables are still in use.
        start: unsafe { crate::memory::physical_address(offset, start) }?,
        pitch: info.stride * info.bytes_per_pixel,
        width: info.width,
        height: info.height,
        octets: info.bytes_per_pixel,
        colors,
    };
    pixels.checked().map(Display::Pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    #[test]
    fn reserved_memory_beyond_the_end_of_the_map_is_still_not_given_away() {
        let mut builder = Builder::new();
        for index in 0..MEMORY_REGIONS as u64 {
            builder.region(index * PAGE, PAGE, true);
        }
        builder.region(3 * PAGE, PAGE, true);
        assert_eq!(builder.in_use, []);
        builder.region(5 * PAGE, PAGE, false);
        let reserved = PhysicalRange {
            start: 5 * PAGE,
            end: 6 * PAGE,
        };
        assert_eq!(builder.in_use, [reserved]);
    }

    #[test]
    fn more_ranges_in_use_than_can_be_kept_apart_are_all_covered() {
        let mut builder = Builder::new();
        let starts = (0..RANGES_IN_USE as u64 + 5).map(|index| 2 * index * PAGE);
        for start in starts.clone() {
            builder.in_use(start, PAGE);
        }
        for start in starts {
            let covers = |range: &PhysicalRange| range.start <= start && start + PAGE <= range.end;
            assert!(builder.in_use.iter().any(covers), "{start:#x}");
        }
    }
}
