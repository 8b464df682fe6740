//! The processor: its features, its tables, its exceptions.
//!
//! One processor runs everything, and interrupts are never enabled. What can still take it away from
//! the poll loop is an exception, and none of them returns: see [`crate::fault`].

mod exceptions;
pub mod interruptions;
mod segments;
pub mod stacks;

pub use exceptions::{PAGE_FAULT, Registers, name as exception_name};

use core::sync::atomic::{AtomicBool, Ordering};
use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags, Msr};

/// Whether pages can have neighboring writes go out together.
static COMBINES_WRITES: AtomicBool = AtomicBool::new(false);

/// Sets the processor up: descriptor tables, exception stacks, and the protections that it has.
/// Call it once, first.
pub fn initialize() {
    segments::load();
    exceptions::load();
    mask_interrupt_controllers();
    interruptions::initialize();
    let cpuid = CpuId::new();
    let extended = cpuid.get_extended_processor_and_feature_identifiers();
    if extended.is_some_and(|features| features.has_execute_disable()) {
        // SAFETY: the processor has the bit, and no page is marked with it yet.
        unsafe { Efer::update(|flags| flags.insert(EferFlags::NO_EXECUTE_ENABLE)) };
    }
    // SAFETY: write protection holds for us too from here on; the tables in use allow all writes.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::WRITE_PROTECT)) };
    if cpuid
        .get_feature_info()
        .is_some_and(|features| features.has_pat())
    {
        combine_writes();
    }
    let machine_check = cpuid
        .get_feature_info()
        .is_some_and(|features| features.has_mce());
    let features = cpuid.get_extended_feature_info();
    // SAFETY: each bit is set only if the processor has it, and no page is a user's.
    unsafe {
        Cr4::update(|flags| {
            flags.set(Cr4Flags::MACHINE_CHECK_EXCEPTION, machine_check);
            if let Some(features) = &features {
                flags.set(
                    Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION,
                    features.has_smep(),
                );
                flags.set(
                    Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION,
                    features.has_smap(),
                );
                flags.set(
                    Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION,
                    features.has_umip(),
                );
            }
        });
    }
}

/// Gives the page attribute that means "write through", which nothing here needs, the meaning "write combining"
/// (Intel SDM volume 3 §12.12).
fn combine_writes() {
    const PAGE_ATTRIBUTES: Msr = Msr::new(0x277);
    const WRITE_COMBINING: u64 = 1;
    /// The second of eight, an octet each: the one of pages with the bit PWT alone.
    const WRITE_THROUGH: u32 = 8;
    let mut attributes = PAGE_ATTRIBUTES;
    // SAFETY: the processor has the register, and no page is mapped with the attribute that changes.
    unsafe {
        let others = attributes.read() & !(0xff << WRITE_THROUGH);
        attributes.write(others | WRITE_COMBINING << WRITE_THROUGH);
    }
    COMBINES_WRITES.store(true, Ordering::Relaxed);
}

/// Whether pages can have neighboring writes go out together.
pub fn combines_writes() -> bool {
    COMBINES_WRITES.load(Ordering::Relaxed)
}

/// Whether pages can be marked as holding no code.
pub fn has_no_execute() -> bool {
    Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE)
}

/// Masks every line of the two legacy interrupt controllers. With interrupts disabled none would be
/// taken; masked, none waits either.
fn mask_interrupt_controllers() {
    for port in [0x21, 0xa1] {
        let mut data = x86_64::instructions::port::PortWriteOnly::<u8>::new(port);
        // SAFETY: these are the mask registers of the controllers, or nothing.
        unsafe { data.write(0xff) };
    }
}

/// The mode in which firmware left the processor's own interrupt controller. Nothing here touches it: with interrupts
/// disabled none is taken, whatever waits there, in which mode ever.
pub fn apic_mode() -> &'static str {
    const APIC_BASE: Msr = Msr::new(0x1b);
    const ENABLED: u64 = 1 << 11;
    const EXTENDED: u64 = 1 << 10;
    // SAFETY: every processor with such a controller has the register, and reading it has no effect.
    match unsafe { APIC_BASE.read() } & (ENABLED | EXTENDED) {
        0 => "off",
        ENABLED => "xapic",
        _ => "x2apic",
    }
}

/// Stops for good.
pub fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Resets the processor by an exception that it has no way to handle.
pub fn triple_fault() -> ! {
    let empty = x86_64::structures::DescriptorTablePointer {
        limit: 0,
        base: x86_64::VirtAddr::zero(),
    };
    // SAFETY: nothing is meant to go on from here.
    unsafe {
        x86_64::instructions::tables::lidt(&empty);
        core::arch::asm!("ud2", options(noreturn));
    }
}
