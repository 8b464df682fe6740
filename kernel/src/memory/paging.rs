//! Page tables of our own, made while the loader's are still in use.

use crate::boot::{Boot, PhysicalRange};
use crate::cpu::stacks;
use core::fmt;
use core::ptr::addr_of;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::mapper::{MapToError, TranslateResult};
use x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, Page, PageSize, PageTable, PageTableFlags, PhysFrame,
    Size2MiB, Size4KiB, Translate,
};
use x86_64::{PhysAddr, VirtAddr};

/// Where physical address 0 would be, were all of memory mapped: the start of the upper half.
pub const WINDOW: u64 = 0xffff_8000_0000_0000;
/// Octets of the window: 64 TiB, half of the upper half.
const WINDOW_SIZE: u64 = 1 << 46;
const PAGE: u64 = Size4KiB::SIZE;

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read and execute.
    Code,
    /// Read.
    ReadOnly,
    /// Read and write.
    Data,
    /// Read and write, past the caches.
    Registers,
    /// Read and write, past the caches, neighboring writes together: a picture's memory.
    Picture,
}

impl Rights {
    /// The bits that give these rights. `no_execute` is the bit that forbids to execute, or nothing on
    /// a processor that does not have it.
    fn flags(self, no_execute: PageTableFlags) -> PageTableFlags {
        let present = PageTableFlags::PRESENT;
        match self {
            Self::Code => present,
            Self::ReadOnly => present | no_execute,
            Self::Data => present | PageTableFlags::WRITABLE | no_execute,
            Self::Registers => {
                present
                    | PageTableFlags::WRITABLE
                    | PageTableFlags::NO_CACHE
                    | PageTableFlags::WRITE_THROUGH
                    | no_execute
            }
            // What this bit alone means is what `crate::cpu` made it mean, where it could.
            Self::Picture if crate::cpu::combines_writes() => {
                present | PageTableFlags::WRITABLE | PageTableFlags::WRITE_THROUGH | no_execute
            }
            Self::Picture => Self::Registers.flags(no_execute),
        }
    }
}

/// Why something could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No tables of our own are in use yet.
    NoTables,
    /// The memory for page tables is used up.
    OutOfTables,
    /// The address lies beyond what the loader maps, and no tables of our own are in use yet.
    BeyondLoader(u64),
    /// The address lies beyond the window.
    BeyondWindow(u64),
    /// The page is mapped already, to something else or with other rights.
    MappedOtherwise(u64),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTables => write!(f, "page tables are not set up yet"),
            Self::OutOfTables => write!(f, "the memory for page tables is used up"),
            Self::BeyondLoader(address) => {
                write!(
                    f,
                    "physical address {address:#x} is beyond the loader's 4 GiB"
                )
            }
            Self::BeyondWindow(address) => {
                write!(f, "physical address {address:#x} is beyond 64 TiB")
            }
            Self::MappedOtherwise(address) => {
                write!(f, "the page at {address:#x} is mapped otherwise already")
            }
        }
    }
}

/// Hands out frames for page tables from one range.
struct Frames {
    next: u64,
    end: u64,
}

// SAFETY: each frame of the range is handed out once, and the range is used for nothing else.
unsafe impl FrameAllocator<Size4KiB> for Frames {
    fn allocate_frame(&mut self) -> Option<PhysFrame<Size4KiB>> {
        if self.next + PAGE > self.end {
            return None;
        }
        let frame = PhysFrame::containing_address(PhysAddr::new(self.next));
        self.next += PAGE;
        Some(frame)
    }
}

/// A set of page tables, and memory to make more of them.
pub struct Tables {
    mapper: OffsetPageTable<'static>,
    level_4: PhysFrame<Size4KiB>,
    frames: Frames,
    no_execute: PageTableFlags,
}

impl Tables {
    /// Empty tables, made of the frames of `range`, which are seen at `offset` plus their address.
    ///
    /// # Safety
    ///
    /// The range is free memory of at least one page, mapped there and used for nothing else.
    unsafe fn new(range: PhysicalRange, offset: u64, has_no_execute: bool) -> Self {
        let level_4 = PhysFrame::containing_address(PhysAddr::new(range.start));
        let table = (offset + range.start) as *mut PageTable;
        // SAFETY: as above; a page of zeros is an empty table.
        let table = unsafe {
            table.write(PageTable::new());
            &mut *table
        };
        Self {
            // SAFETY: as above.
            mapper: unsafe { OffsetPageTable::new(table, VirtAddr::new(offset)) },
            level_4,
            frames: Frames {
                next: range.start + PAGE,
                end: range.end,
            },
            no_execute: if has_no_execute {
                PageTableFlags::NO_EXECUTE
            } else {
                PageTableFlags::empty()
            },
        }
    }

    /// The same tables, seen at another offset.
    ///
    /// # Safety
    ///
    /// The tables map their own memory there and are in use.
    unsafe fn seen_at(self, offset: u64) -> Self {
        let table = (offset + self.level_4.start_address().as_u64()) as *mut PageTable;
        Self {
            // SAFETY: as above; the old reference to the same memory is gone with `self.mapper`.
            mapper: unsafe { OffsetPageTable::new(&mut *table, VirtAddr::new(offset)) },
            ..self
        }
    }

    /// Maps one page of either size.
    fn map<S: PageSize>(
        &mut self,
        virtual_: u64,
        physical: u64,
        rights: Rights,
    ) -> Result<(), MapError>
    where
        for<'table> OffsetPageTable<'table>: Mapper<S>,
    {
        let page = Page::<S>::containing_address(VirtAddr::new(virtual_));
        let frame = PhysFrame::<S>::containing_address(PhysAddr::new(physical));
        let flags = rights.flags(self.no_execute);
        let above = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        // SAFETY: the callers map memory of the kind that the rights are for, and nothing is mapped
        // twice with different ones.
        let mapped = unsafe {
            self.mapper
                .map_to_with_table_flags(page, frame, flags, above, &mut self.frames)
        };
        match mapped {
            Ok(flush) => {
                // The page was not mapped before, and no processor remembers that.
                flush.ignore();
                Ok(())
            }
            Err(MapToError::FrameAllocationFailed) => Err(MapError::OutOfTables),
            Err(MapToError::PageAlreadyMapped(_) | MapToError::ParentEntryHugePage)
                if self.is_mapped_so(virtual_, physical, flags) =>
            {
                Ok(())
            }
            Err(MapToError::PageAlreadyMapped(_) | MapToError::ParentEntryHugePage) => {
                Err(MapError::MappedOtherwise(virtual_))
            }
        }
    }

    fn is_mapped_so(&self, virtual_: u64, physical: u64, wanted: PageTableFlags) -> bool {
        match self.mapper.translate(VirtAddr::new(virtual_)) {
            TranslateResult::Mapped {
                frame,
                offset,
                flags,
            } => {
                let at = frame.start_address().as_u64() + offset;
                at == physical
                    && flags
                        & !(PageTableFlags::HUGE_PAGE
                            | PageTableFlags::ACCESSED
                            | PageTableFlags::DIRTY)
                        == wanted
            }
            _ => false,
        }
    }

    /// Maps `length` octets at `physical` into the window, whole pages of 4 KiB.
    pub fn map_window(
        &mut self,
        physical: u64,
        length: u64,
        rights: Rights,
    ) -> Result<(), MapError> {
        let end = physical
            .checked_add(length.max(1))
            .filter(|&end| end <= WINDOW_SIZE)
            .ok_or(MapError::BeyondWindow(physical))?;
        let mut at = physical & !(PAGE - 1);
        while at < end {
            self.map::<Size4KiB>(WINDOW + at, at, rights)?;
            at += PAGE;
        }
        Ok(())
    }

    /// Maps the registers around `physical` into the window: 2 MiB of them at once, so that all of a large machine's
    /// configuration space takes few tables; or a page, where something else is mapped beside it.
    pub fn map_window_of_registers(&mut self, physical: u64) -> Result<(), MapError> {
        if physical >= WINDOW_SIZE {
            return Err(MapError::BeyondWindow(physical));
        }
        let start = physical & !(Size2MiB::SIZE - 1);
        match self.map::<Size2MiB>(WINDOW + start, start, Rights::Registers) {
            Err(MapError::MappedOtherwise(_)) => self.map_window(physical, 4, Rights::Registers),
            mapped => mapped,
        }
    }

    /// Maps `range` into the window for data, by pages of 2 MiB, of which it is a multiple.
    fn map_window_large(&mut self, range: PhysicalRange) -> Result<(), MapError> {
        let mut at = range.start;
        while at < range.end {
            self.map::<Size2MiB>(WINDOW + at, at, Rights::Data)?;
            at += Size2MiB::SIZE;
        }
        Ok(())
    }

    /// Maps the virtual range as `old` does, but for reading only. Page 0 and what `old` does not map
    /// stay unmapped.
    fn keep(&mut self, old: &OffsetPageTable<'_>, start: u64, length: u64) -> Result<(), MapError> {
        let mut at = (start & !(PAGE - 1)).max(PAGE);
        while at < start.saturating_add(length) {
            if let Some(physical) = old.translate_addr(VirtAddr::new(at)) {
                self.map::<Size4KiB>(at, physical.as_u64(), Rights::ReadOnly)?;
            }
            at += PAGE;
        }
        Ok(())
    }

    /// Maps the kernel's image where it is: each section with its rights, guard pages not at all.
    fn map_image(&mut self, old: &OffsetPageTable<'_>) -> Result<(), MapError> {
        for (start, end, rights) in image::sections() {
            let mut at = start;
            while at < end {
                if !stacks::is_guard_page(at)
                    && let Some(physical) = old.translate_addr(VirtAddr::new(at))
                {
                    self.map::<Size4KiB>(at, physical.as_u64(), rights)?;
                }
                at += PAGE;
            }
        }
        Ok(())
    }
}

/// The tables that are in use, seen at `offset`, to look things up.
///
/// # Safety
///
/// All physical memory is mapped at `offset`.
pub unsafe fn current(offset: VirtAddr) -> OffsetPageTable<'static> {
    let (frame, _) = Cr3::read();
    let table = (offset.as_u64() + frame.start_address().as_u64()) as *mut PageTable;
    // SAFETY: as above. The tables are read, not changed.
    unsafe { OffsetPageTable::new(&mut *table, offset) }
}

/// Where the kernel's image is in physical memory.
pub fn image_range(old: &OffsetPageTable<'_>) -> PhysicalRange {
    let (start, end) = image::range();
    let physical = old
        .translate_addr(VirtAddr::new(start))
        .map_or(start, PhysAddr::as_u64);
    PhysicalRange {
        start: physical,
        end: physical + (end - start),
    }
}

/// Makes tables in `tables` that map the image, the given ranges and what `boot` refers to, and puts
/// them to use.
///
/// # Errors
///
/// [`MapError`] when the tables do not suffice; the old ones are then still in use.
///
/// # Safety
///
/// The three ranges are free memory, apart from each other, which the old tables show at
/// `old_offset`; `heap` and `dma` begin and end on multiples of 2 MiB.
pub unsafe fn move_over(
    old: &OffsetPageTable<'_>,
    old_offset: u64,
    tables: PhysicalRange,
    heap: PhysicalRange,
    dma: PhysicalRange,
    boot: &Boot,
) -> Result<Tables, MapError> {
    // SAFETY: as above.
    let mut new = unsafe { Tables::new(tables, old_offset, crate::cpu::has_no_execute()) };
    new.map_image(old)?;
    new.map_window(tables.start, tables.end - tables.start, Rights::Data)?;
    new.map_window_large(heap)?;
    new.map_window_large(dma)?;
    let files = boot.files.iter().map(|file| file.octets);
    for octets in files.chain([boot.command_line.as_bytes()]) {
        new.keep(old, octets.as_ptr() as u64, octets.len() as u64)?;
    }
    let info = core::ptr::from_ref(&*boot.info) as u64;
    if !image::contains(info) {
        new.keep(old, info, size_of_val(&*boot.info) as u64)?;
        let regions: &[_] = &boot.info.memory_regions;
        new.keep(old, regions.as_ptr() as u64, size_of_val(regions) as u64)?;
    }
    // SAFETY: the new tables map the image, and with it this code, its stack and its data, where
    // they are; everything else that lives on was mapped above.
    unsafe { Cr3::write(new.level_4, Cr3Flags::empty()) };
    // SAFETY: the tables map their own memory in the window, and are in use.
    Ok(unsafe { new.seen_at(WINDOW) })
}

/// Where the linker put the image's sections (`link.ld`).
mod image {
    use super::{Rights, addr_of};

    #[cfg(not(test))]
    unsafe extern "C" {
        static image_start: u8;
        static image_end: u8;
        static rodata_start: u8;
        static rodata_end: u8;
        static text_start: u8;
        static text_end: u8;
        static data_start: u8;
        static data_end: u8;
    }

    /// First address and first address behind.
    #[cfg(not(test))]
    pub fn range() -> (u64, u64) {
        (addr_of!(image_start) as u64, addr_of!(image_end) as u64)
    }

    /// First address, first address behind, and rights of each kind of section.
    #[cfg(not(test))]
    pub fn sections() -> [(u64, u64, Rights); 3] {
        [
            (
                addr_of!(rodata_start) as u64,
                addr_of!(rodata_end) as u64,
                Rights::ReadOnly,
            ),
            (
                addr_of!(text_start) as u64,
                addr_of!(text_end) as u64,
                Rights::Code,
            ),
            (
                addr_of!(data_start) as u64,
                addr_of!(data_end) as u64,
                Rights::Data,
            ),
        ]
    }

    /// On the host there is no image.
    #[cfg(test)]
    pub fn range() -> (u64, u64) {
        static NOTHING: u8 = 0;
        (addr_of!(NOTHING) as u64, addr_of!(NOTHING) as u64)
    }

    /// On the host there is no image.
    #[cfg(test)]
    pub fn sections() -> [(u64, u64, Rights); 0] {
        []
    }

    /// Whether `address` is in the image.
    pub fn contains(address: u64) -> bool {
        let (start, end) = range();
        (start..end).contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc_zeroed};

    const MIB: u64 = 1 << 20;

    /// Empty tables in 1 MiB of the host's memory, which stands for physical memory from 0 on.
    fn tables() -> Tables {
        let layout = Layout::from_size_align(MIB as usize, 4096).expect("is valid");
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) } as u64;
        let range = PhysicalRange {
            start: PAGE,
            end: MIB,
        };
        // SAFETY: the memory was just allocated and is never freed.
        unsafe { Tables::new(range, memory, true) }
    }

    fn rights_at(tables: &Tables, address: u64) -> Option<(u64, PageTableFlags)> {
        match tables.mapper.translate(VirtAddr::new(address)) {
            TranslateResult::Mapped {
                frame,
                offset,
                flags,
            } => Some((frame.start_address().as_u64() + offset, flags)),
            _ => None,
        }
    }

    #[test]
    fn the_window_shows_exactly_the_pages_that_were_asked_for() {
        let mut tables = tables();
        let mapped = tables.map_window(0xfebc_0ffc, 8, Rights::Registers);
        assert_eq!(mapped, Ok(()));
        for page in [0xfebc_0000, 0xfebc_1000] {
            let (physical, flags) = rights_at(&tables, WINDOW + page + 5).expect("is mapped");
            assert_eq!(physical, page + 5);
            assert!(flags.contains(PageTableFlags::NO_CACHE | PageTableFlags::WRITABLE));
            assert!(flags.contains(PageTableFlags::NO_EXECUTE));
        }
        assert_eq!(rights_at(&tables, WINDOW + 0xfebb_f000), None);
        assert_eq!(rights_at(&tables, WINDOW + 0xfebc_2000), None);
        assert_eq!(rights_at(&tables, 0xfebc_0000), None);
    }

    #[test]
    fn only_code_can_be_executed_and_it_cannot_be_written() {
        let mut tables = tables();
        for (index, rights) in [Rights::Code, Rights::ReadOnly, Rights::Data]
            .into_iter()
            .enumerate()
        {
            let page = 0x20_0000 + index as u64 * PAGE;
            assert_eq!(tables.map::<Size4KiB>(page, page, rights), Ok(()));
            let (_, flags) = rights_at(&tables, page).expect("is mapped");
            assert_eq!(
                flags.contains(PageTableFlags::WRITABLE),
                rights == Rights::Data
            );
            assert_eq!(
                flags.contains(PageTableFlags::NO_EXECUTE),
                rights != Rights::Code
            );
        }
    }

    #[test]
    fn the_same_again_is_no_error_and_otherwise_it_is() {
        let mut tables = tables();
        assert_eq!(tables.map_window(5 * MIB, PAGE, Rights::ReadOnly), Ok(()));
        assert_eq!(tables.map_window(5 * MIB, 1, Rights::ReadOnly), Ok(()));
        assert_eq!(
            tables.map_window(5 * MIB, 1, Rights::Data),
            Err(MapError::MappedOtherwise(WINDOW + 5 * MIB))
        );
        let large = PhysicalRange {
            start: 8 * MIB,
            end: 10 * MIB,
        };
        assert_eq!(tables.map_window_large(large), Ok(()));
        assert_eq!(tables.map_window(9 * MIB, 1, Rights::Data), Ok(()));
    }

    #[test]
    fn registers_are_mapped_two_mebibytes_at_once_unless_others_are_beside_them() {
        let mut tables = tables();
        let mapped = |tables: &Tables, address: u64| {
            let (physical, flags) = rights_at(tables, WINDOW + address)?;
            Some((physical, flags.contains(PageTableFlags::NO_CACHE)))
        };
        let far = 0x38_0000_0000;
        assert_eq!(tables.map_window_of_registers(far + 5 * PAGE), Ok(()));
        let last = far + 2 * MIB - 1;
        assert_eq!(mapped(&tables, last), Some((last, true)));
        assert_eq!(tables.map_window_of_registers(far), Ok(()));
        assert_eq!(tables.map_window(4 * MIB, 1, Rights::ReadOnly), Ok(()));
        assert_eq!(tables.map_window_of_registers(5 * MIB + 8), Ok(()));
        assert_eq!(mapped(&tables, 5 * MIB), Some((5 * MIB, true)));
        assert_eq!(mapped(&tables, 5 * MIB + PAGE), None);
        assert_eq!(
            tables.map_window_of_registers(WINDOW_SIZE),
            Err(MapError::BeyondWindow(WINDOW_SIZE))
        );
    }

    #[test]
    fn what_is_beyond_the_window_or_the_memory_for_tables_is_refused() {
        let mut tables = tables();
        for address in [WINDOW_SIZE, u64::MAX] {
            assert_eq!(
                tables.map_window(address, 1, Rights::Data),
                Err(MapError::BeyondWindow(address))
            );
        }
        // Each of these needs two tables of its own, and there are fewer than 256.
        let refused = (0..256_u64).find_map(|n| tables.map_window(n << 30, 1, Rights::Data).err());
        assert_eq!(refused, Some(MapError::OutOfTables));
    }
}
