//! Exceptions: each saves the registers on a stack of its own kind and is reported, once, for good.
//!
//! Every vector has an entry in the interrupt stack table, so that not even a stack overflow keeps
//! one from being reported, and so that none writes below the interrupted code's stack pointer,
//! where code for this target keeps data (the red zone).

use crate::fault;
use core::arch::naked_asm;
use core::fmt;
use core::ptr::addr_of_mut;
use x86_64::VirtAddr;
use x86_64::structures::idt::{Entry, InterruptDescriptorTable};

/// The registers at the moment of an exception, as the stubs push them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Registers {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rbp: u64,
    rdi: u64,
    rsi: u64,
    rdx: u64,
    rcx: u64,
    rbx: u64,
    rax: u64,
    /// Which exception it is (Intel SDM volume 3 §6.15).
    pub vector: u64,
    /// What the processor adds for some exceptions; 0 for the others.
    pub error_code: u64,
    /// The instruction that could not be executed.
    pub rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  rip {:016x}  rsp {:016x}  rflags {:08x}",
            self.rip, self.rsp, self.rflags
        )?;
        writeln!(
            f,
            "  rax {:016x}  rbx {:016x}  rcx {:016x}",
            self.rax, self.rbx, self.rcx
        )?;
        writeln!(
            f,
            "  rdx {:016x}  rsi {:016x}  rdi {:016x}",
            self.rdx, self.rsi, self.rdi
        )?;
        writeln!(
            f,
            "  rbp {:016x}  r8  {:016x}  r9  {:016x}",
            self.rbp, self.r8, self.r9
        )?;
        writeln!(
            f,
            "  r10 {:016x}  r11 {:016x}  r12 {:016x}",
            self.r10, self.r11, self.r12
        )?;
        writeln!(
            f,
            "  r13 {:016x}  r14 {:016x}  r15 {:016x}",
            self.r13, self.r14, self.r15
        )
    }
}

/// The name of an exception (Intel SDM volume 3, table 6-1).
pub const fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid task state segment",
        11 => "segment not present",
        12 => "stack-segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point error",
        20 => "virtualization exception",
        21 => "control protection exception",
        _ => "unknown exception",
    }
}

/// The page fault's vector.
pub const PAGE_FAULT: u64 = 14;

/// Declares a stub for a vector. A vector for which the processor pushes no error code gets a zero in
/// its place, so that all stacks look alike.
macro_rules! stub {
    ($name:ident, $vector:literal, no_error_code) => {
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!("push 0", "push {vector}", "jmp {common}",
                vector = const $vector, common = sym common)
        }
    };
    ($name:ident, $vector:literal, error_code) => {
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!("push {vector}", "jmp {common}",
                vector = const $vector, common = sym common)
        }
    };
}

#[unsafe(naked)]
extern "C" fn common() {
    naked_asm!(
        "push rax", "push rbx", "push rcx", "push rdx", "push rsi", "push rdi", "push rbp",
        "push r8", "push r9", "push r10", "push r11", "push r12", "push r13", "push r14", "push r15",
        "cld",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {report}",
        "ud2",
        report = sym report,
    )
}

extern "C" fn report(registers: &Registers) -> ! {
    fault::exception(registers)
}

stub!(divide_error, 0, no_error_code);
stub!(debug, 1, no_error_code);
stub!(non_maskable_interrupt, 2, no_error_code);
stub!(breakpoint, 3, no_error_code);
stub!(overflow, 4, no_error_code);
stub!(bound_range, 5, no_error_code);
stub!(invalid_opcode, 6, no_error_code);
stub!(device_not_available, 7, no_error_code);
stub!(double_fault, 8, error_code);
stub!(invalid_task_state, 10, error_code);
stub!(segment_not_present, 11, error_code);
stub!(stack_segment, 12, error_code);
stub!(general_protection, 13, error_code);
stub!(page_fault, 14, error_code);
stub!(x87_floating_point, 16, no_error_code);
stub!(alignment_check, 17, error_code);
stub!(machine_check, 18, no_error_code);
stub!(simd_floating_point, 19, no_error_code);
stub!(virtualization, 20, no_error_code);
stub!(control_protection, 21, error_code);
stub!(hypervisor_injection, 28, no_error_code);
stub!(vmm_communication, 29, error_code);
stub!(security, 30, error_code);

static mut TABLE: InterruptDescriptorTable = InterruptDescriptorTable::new();

/// Which exception stack serves what. Those that can strike while another is being handled have one
/// to themselves.
mod stack_index {
    pub const DOUBLE_FAULT: u16 = 0;
    pub const NON_MASKABLE: u16 = 1;
    pub const MACHINE_CHECK: u16 = 2;
    pub const DEBUG: u16 = 3;
    pub const PAGE_FAULT: u16 = 4;
    pub const PROTECTION: u16 = 5;
    pub const OTHER: u16 = 6;
}

/// Loads a table that has an entry for every exception.
pub fn load() {
    use stack_index as on;
    // SAFETY: this runs once, on the only processor; no other reference to the table is ever made.
    let table = unsafe { &mut *addr_of_mut!(TABLE) };
    set(&mut table.divide_error, divide_error, on::OTHER);
    set(&mut table.debug, debug, on::DEBUG);
    set(
        &mut table.non_maskable_interrupt,
        non_maskable_interrupt,
        on::NON_MASKABLE,
    );
    set(&mut table.breakpoint, breakpoint, on::DEBUG);
    set(&mut table.overflow, overflow, on::OTHER);
    set(&mut table.bound_range_exceeded, bound_range, on::OTHER);
    set(&mut table.invalid_opcode, invalid_opcode, on::OTHER);
    set(
        &mut table.device_not_available,
        device_not_available,
        on::OTHER,
    );
    set(&mut table.double_fault, double_fault, on::DOUBLE_FAULT);
    set(&mut table.invalid_tss, invalid_task_state, on::PROTECTION);
    set(
        &mut table.segment_not_present,
        segment_not_present,
        on::PROTECTION,
    );
    set(
        &mut table.stack_segment_fault,
        stack_segment,
        on::PROTECTION,
    );
    set(
        &mut table.general_protection_fault,
        general_protection,
        on::PROTECTION,
    );
    set(&mut table.page_fault, page_fault, on::PAGE_FAULT);
    set(&mut table.x87_floating_point, x87_floating_point, on::OTHER);
    set(&mut table.alignment_check, alignment_check, on::PROTECTION);
    set(&mut table.machine_check, machine_check, on::MACHINE_CHECK);
    set(
        &mut table.simd_floating_point,
        simd_floating_point,
        on::OTHER,
    );
    set(&mut table.virtualization, virtualization, on::OTHER);
    set(
        &mut table.cp_protection_exception,
        control_protection,
        on::PROTECTION,
    );
    set(
        &mut table.hv_injection_exception,
        hypervisor_injection,
        on::OTHER,
    );
    set(
        &mut table.vmm_communication_exception,
        vmm_communication,
        on::OTHER,
    );
    set(&mut table.security_exception, security, on::OTHER);
    table.load();
}

fn set<F>(entry: &mut Entry<F>, stub: extern "C" fn(), stack: u16) {
    // SAFETY: the stub expects exactly the stack frame of the vector that the entry belongs to, and
    // never returns; the stack index is below `EXCEPTION_STACKS`.
    unsafe {
        entry
            .set_handler_addr(VirtAddr::new(stub as *const () as u64))
            .set_stack_index(stack);
    }
}
