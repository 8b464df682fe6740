//! Memory: what is mapped where, and with which rights.
//!
//! The kernel's image stays where it was linked, and what the loader left (files, command line) where it
//! put it. Everything else that is used (page tables, heap, DMA region, device registers, firmware
//! tables) appears in the [`WINDOW`], at its physical address plus the window's. Each has the
//! rights that it needs and no others. What is not used is not mapped: a stray pointer faults.
//!
//! | what | rights |
//! |---|---|
//! | text | read, execute |
//! | constants, what the loader left, firmware tables | read |
//! | data, heap, page tables, DMA region | read, write |
//! | device registers | read, write, uncached |
//! | the picture on a screen | read, write, uncached, neighboring writes together |
//! | page 0, the page under each stack, all else | none |

pub mod heap;
mod map;
mod paging;
mod peephole;
mod test;

use crate::boot::{Boot, PhysicalRange, RANGES_IN_USE};
use crate::last_words;
use core::fmt;
use core::ptr::NonNull;
use heapless::Vec;
use pollux_drivers::dma::DmaRegion;
use spin::Mutex;
use x86_64::VirtAddr;
use x86_64::structures::paging::Translate;

pub use paging::{MapError, WINDOW};

const MIB: u64 = 1 << 20;
/// Octets of the heap, beside what the network cards need of it, their VLAN devices included: enough that 4,094 of
/// these, each with an address and an out-of-band port, can be kept as commands twice, the configuration before until the
/// new one is whole (1.1 MiB each), and another time while they are compared; and eight files that were pasted, of 128 KiB.
const HEAP: u64 = 9 * MIB;
/// Octets from which page tables are made: 256 of them.
const TABLES: u64 = MIB;
/// The DMA region and the heap are mapped by pages of this size, and begin and end on one: what comes behind
/// them is mapped otherwise.
const LARGE_PAGE: u64 = 2 * MIB;

/// Why there is no memory to run in.
#[derive(Clone, Copy, Debug)]
pub enum SetUpError {
    /// There is no free piece of memory that is large enough.
    NotEnough {
        /// Octets that were wanted in one piece.
        wanted: u64,
        /// Octets of usable memory in all.
        usable: u64,
    },
    /// It could not be mapped.
    Map(MapError),
}

impl fmt::Display for SetUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnough { wanted, usable } => write!(
                f,
                "not enough memory: {wanted} octets are needed in one piece, {usable} are usable in all"
            ),
            Self::Map(error) => write!(f, "memory cannot be mapped: {error}"),
        }
    }
}

/// What was set up.
pub struct Memory {
    /// Usable octets, by the loader's map.
    pub usable: u64,
    /// Octets of the DMA region.
    pub dma_octets: u64,
    /// The region that holds rings and frame buffers and no Rust object.
    pub dma: DmaRegion,
    /// Pages for what is to outlive a restart, mapped to be read and written.
    pub kept: Vec<NonNull<u8>, { last_words::PLACES.len() }>,
    dma_start: u64,
}

impl Memory {
    /// Writes patterns to all of the DMA region and reads them back from memory, and says what came of it.
    pub fn test_dma(&mut self) {
        let words = (
            window(self.dma_start) as *mut u64,
            self.dma_octets as usize / size_of::<u64>(),
        );
        // SAFETY: the region is mapped for data, at a page, and as long as `self` has it no device was told
        // of it, and nobody else looks at it.
        let words = unsafe { core::slice::from_raw_parts_mut(words.0, words.1) };
        test::report(
            &test::run(words, test::write_back),
            self.dma_start,
            self.dma_octets,
        );
    }
}

/// The tables in use, to map what is found later. `None` until [`initialize`].
static TABLES_IN_USE: Mutex<Option<paging::Tables>> = Mutex::new(None);

/// Where the loader maps physical memory, until [`initialize`]; `None` before [`look_through_loader`].
static LOADERS_OFFSET: Mutex<Option<u64>> = Mutex::new(None);
/// How much of it every loader maps, the kernel's own first instructions included.
const LOADERS_REACH: u64 = 1 << 32;

/// From now until [`initialize`], [`map_read_only`] and [`map_registers`] show memory as the loader
/// mapped it. What they show then is gone afterwards.
///
/// # Safety
///
/// The loader must have mapped the first 4 GiB of physical memory where `boot` says.
pub unsafe fn look_through_loader(boot: &Boot) {
    *LOADERS_OFFSET.lock() = boot.info.physical_memory_offset.into_option();
}

/// Where the loader shows `length` octets at `physical`.
fn through_loader(physical: u64, length: u64) -> Result<u64, MapError> {
    let offset = LOADERS_OFFSET.lock().ok_or(MapError::NoTables)?;
    let end = physical.checked_add(length);
    end.filter(|&end| physical != 0 && end <= LOADERS_REACH)
        .map(|_| offset + physical)
        .ok_or(MapError::BeyondLoader(physical))
}

/// Makes page tables, a heap with at least `heap_octets` for network cards and a DMA region of at least
/// `dma_octets`, and moves over to them.
///
/// # Errors
///
/// [`SetUpError`] when there is no free piece of memory for all of it, or too little for page tables;
/// nothing was changed.
///
/// # Safety
///
/// Call it once, with what the loader handed over, before anything is allocated.
pub unsafe fn initialize(
    boot: &Boot,
    dma_octets: u64,
    heap_octets: u64,
) -> Result<Memory, SetUpError> {
    let heap_octets = (HEAP + heap_octets).next_multiple_of(LARGE_PAGE);
    let dma_octets = dma_octets.max(1).next_multiple_of(LARGE_PAGE);
    let wanted = dma_octets + heap_octets + TABLES;
    let usable = map::usable_octets(&boot.info.memory_regions);
    let old_offset = boot.info.physical_memory_offset.into_option().unwrap_or(0);
    // SAFETY: the loader mapped physical memory at this offset.
    let old = unsafe { paging::current(VirtAddr::new(old_offset)) };
    let image = paging::image_range(&old);
    let in_use: Vec<PhysicalRange, { RANGES_IN_USE + 1 }> =
        boot.in_use.iter().copied().chain([image]).collect();
    let arena = map::find_free(&boot.info.memory_regions, &in_use, wanted, LARGE_PAGE)
        .ok_or(SetUpError::NotEnough { wanted, usable })?;

    let dma = PhysicalRange {
        start: arena.start,
        end: arena.start + dma_octets,
    };
    let heap = PhysicalRange {
        start: dma.end,
        end: dma.end + heap_octets,
    };
    let tables = PhysicalRange {
        start: heap.end,
        end: arena.end,
    };
    // SAFETY: the three ranges are free memory, apart from each other, and the old tables map them.
    let tables = unsafe { paging::move_over(&old, old_offset, tables, heap, dma, boot) }
        .map_err(SetUpError::Map)?;
    *TABLES_IN_USE.lock() = Some(tables);

    let heap_start = window(heap.start) as *mut u8;
    // SAFETY: the range is mapped read-write now and used for nothing else.
    unsafe { heap::initialize(heap_start, (heap.end - heap.start) as usize) };
    let dma_start = dma.start;
    // SAFETY: the range is mapped read-write, cached, for good, and holds no Rust object.
    let dma = unsafe {
        let start = NonNull::new_unchecked(window(dma.start) as *mut u8);
        DmaRegion::new(start, dma.start, dma_octets as usize)
    };
    let pages = last_words::PLACES.map(|start| PhysicalRange {
        start,
        end: start + last_words::PAGE,
    });
    let is_free = |page: &PhysicalRange| {
        let is_apart = page.end <= arena.start || arena.end <= page.start;
        is_apart && map::is_free(&boot.info.memory_regions, &in_use, *page)
    };
    let kept = pages.into_iter().filter(is_free).filter_map(|page| {
        let mapped = show(page.start, last_words::PAGE, paging::Rights::Data).ok()?;
        NonNull::new(mapped as *mut u8)
    });
    Ok(Memory {
        usable,
        dma_octets,
        dma,
        kept: kept.collect(),
        dma_start,
    })
}

/// The physical address of `virtual_` by the loader's tables.
///
/// # Safety
///
/// The loader's tables are in use and map all physical memory at `offset`.
pub unsafe fn physical_address(offset: u64, virtual_: u64) -> Option<u64> {
    // SAFETY: as above.
    let tables = unsafe { paging::current(VirtAddr::new(offset)) };
    let found = tables.translate_addr(VirtAddr::try_new(virtual_).ok()?);
    found.map(|address| address.as_u64())
}

/// Where the window shows physical address `physical`.
const fn window(physical: u64) -> u64 {
    WINDOW + physical
}

/// Maps device registers, uncached, and returns where they are.
///
/// # Errors
///
/// [`MapError`] when the tables are used up or the range lies beyond the window.
pub fn map_registers(physical: u64, length: u64) -> Result<*mut u8, MapError> {
    show(physical, length, paging::Rights::Registers).map(|start| start as *mut u8)
}

/// Shows a register of PCI's configuration space, uncached, until it is called again.
pub fn map_configuration(physical: u64) -> Option<NonNull<u32>> {
    let shown = match TABLES_IN_USE.lock().as_mut() {
        Some(tables) => tables
            .map_window_of_registers(physical)
            .map(|()| window(physical)),
        None => through_loader(physical, 4).or_else(|error| {
            let offset = LOADERS_OFFSET.lock().ok_or(error)?;
            // SAFETY: the loader's tables are in use, and what was shown before was for one access.
            unsafe { peephole::show(offset, physical) }.ok_or(error)
        }),
    };
    let shown = shown.inspect_err(|error| log::warn!("pci: configuration space: {error}"));
    NonNull::new(shown.ok()? as *mut u32)
}

/// Maps the memory of a picture on a screen, and returns where it is.
///
/// # Errors
///
/// [`MapError`] when the tables are used up or the range lies beyond the window.
pub fn map_screen(physical: u64, length: u64) -> Result<NonNull<u8>, MapError> {
    let start = show(physical, length, paging::Rights::Picture)?;
    NonNull::new(start as *mut u8).ok_or(MapError::BeyondWindow(physical))
}

/// Maps something to be read only, such as firmware tables, and returns where it is.
///
/// # Errors
///
/// [`MapError`] when the tables are used up or the range lies beyond the window.
pub fn map_read_only(physical: u64, length: u64) -> Result<*const u8, MapError> {
    show(physical, length, paging::Rights::ReadOnly).map(|start| start as *const u8)
}

fn show(physical: u64, length: u64, rights: paging::Rights) -> Result<u64, MapError> {
    match TABLES_IN_USE.lock().as_mut() {
        Some(tables) => tables
            .map_window(physical, length, rights)
            .map(|()| window(physical)),
        None => through_loader(physical, length),
    }
}
