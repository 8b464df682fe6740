//! Segments: what 64-bit mode still wants of them, and the table of exception stacks.

use super::stacks::{EXCEPTION_STACKS, exception_top};
use core::ptr::addr_of_mut;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

static mut TASK_STATE: TaskStateSegment = TaskStateSegment::new();
static mut TABLE: GlobalDescriptorTable = GlobalDescriptorTable::new();

/// Loads a table of our own with a code segment, a data segment and a task state segment that names
/// the exception stacks.
pub fn load() {
    // SAFETY: this runs once, on the only processor; no other reference to these statics is ever
    // made.
    let (task_state, table) =
        unsafe { (&mut *addr_of_mut!(TASK_STATE), &mut *addr_of_mut!(TABLE)) };
    task_state.interrupt_stack_table =
        core::array::from_fn::<_, EXCEPTION_STACKS, _>(|index| VirtAddr::new(exception_top(index)));
    let code = table.append(Descriptor::kernel_code_segment());
    let data = table.append(Descriptor::kernel_data_segment());
    let task = table.append(Descriptor::tss_segment(task_state));
    table.load();
    // SAFETY: the selectors are those of the table that was just loaded, and the segments are flat.
    unsafe {
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        FS::set_reg(data);
        GS::set_reg(data);
        load_tss(task);
    }
}
