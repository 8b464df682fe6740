//! A look beyond the 4 GiB that every loader maps, through the loader's own tables: 2 MiB at a time, uncached.
//!
//! Configuration space can lie there, and network cards must be kept from memory before any of it is used.

use super::paging;
use core::ptr::addr_of;
use x86_64::instructions::tlb;
use x86_64::structures::paging::{
    OffsetPageTable, PageSize, PageTable, PageTableFlags, PhysFrame, Size2MiB, Size4KiB, Translate,
};
use x86_64::{PhysAddr, VirtAddr};

/// The tables of levels 3 and 2 behind one entry of the loader's table of level 4; of each the first entry is used.
#[repr(C)]
struct Tables([PageTable; 2]);

static mut TABLES: Tables = Tables([const { PageTable::new() }; 2]);

/// Shows `physical` until the next call, and returns where. `None` where the loader left no room for it.
///
/// # Safety
///
/// The loader's tables are in use, which map all physical memory that holds them at `offset`, for writing too; and
/// nothing looks at what was shown before.
pub unsafe fn show(offset: u64, physical: u64) -> Option<u64> {
    // SAFETY: the loader's tables are in use.
    let mut loaders = unsafe { paging::current(VirtAddr::new(offset)) };
    let [level_3, level_2] = tables_in_memory(&loaders)?;
    let large = PhysAddr::try_new(physical).ok()?.align_down(Size2MiB::SIZE);
    let table = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
    let page = table
        | PageTableFlags::HUGE_PAGE
        | PageTableFlags::NO_CACHE
        | PageTableFlags::WRITE_THROUGH;
    // SAFETY: there is one processor, and nobody else refers to the two tables, which are seen at the offset too.
    unsafe {
        let table_at = |frame: PhysFrame<Size4KiB>| {
            (offset + frame.start_address().as_u64()) as *mut PageTable
        };
        let (upper, lower) = (&mut *table_at(level_3), &mut *table_at(level_2));
        lower[0].set_addr(large, page);
        upper[0].set_addr(level_2.start_address(), table);
    }
    let upper_half = loaders.level_4_table_mut().iter_mut().enumerate().skip(256);
    let mut free = upper_half
        .filter(|(_, entry)| entry.is_unused() || entry.addr() == level_3.start_address());
    let (index, entry) = free.next()?;
    entry.set_addr(level_3.start_address(), table);
    let start = VirtAddr::new_truncate((index as u64) << 39);
    tlb::flush(start);
    Some(start.as_u64() + (physical - large.as_u64()))
}

/// Where the two tables are in physical memory.
fn tables_in_memory(loaders: &OffsetPageTable<'_>) -> Option<[PhysFrame<Size4KiB>; 2]> {
    let start = addr_of!(TABLES) as u64;
    let frame = |index: u64| {
        let physical = loaders.translate_addr(VirtAddr::new(start + index * Size4KiB::SIZE))?;
        PhysFrame::from_start_address(physical).ok()
    };
    Some([frame(0)?, frame(1)?])
}
