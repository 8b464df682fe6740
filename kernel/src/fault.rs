//! The end: a panic or an exception is reported on the serial line, and then the machine restarts,
//! stops or, under test, exits.
//!
//! Nothing here allocates or locks: whatever was held when it happened is held for good. A fault
//! while reporting a fault ends the machine without a further word, and without a further look at
//! what may have caused it.

use crate::boot::options::AfterFault;
use crate::clock;
use crate::cpu::{self, Registers, stacks};
use crate::memory::heap::FramePath;
use crate::serial::Direct;
use crate::{Kernel, power, seats, watchdog};
use core::fmt::{self, Write};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU16, Ordering};
use pollux_console::commands::fault::Fault;
use pollux_net::counters::Reason;
use pollux_net::time::TickRate;
use x86_64::registers::control::Cr2;

/// The exit status of QEMU after a fault is `2 * EXIT_VALUE + 1`.
pub const EXIT_VALUE: u8 = 0x11;
/// How long a report stays on the screen before the machine restarts, in seconds.
const PAUSE_SECONDS: u64 = 5;

static REPORTING: AtomicBool = AtomicBool::new(false);
static KERNEL: AtomicPtr<Kernel> = AtomicPtr::new(null_mut());
static AFTER: AtomicU8 = AtomicU8::new(AfterFault::Restart as u8);
/// Used after [`AfterFault::Exit`] only.
static EXIT_PORT: AtomicU16 = AtomicU16::new(0);

/// Says what happens after a fault. Without a port to exit by, the machine restarts instead.
pub fn configure(after: AfterFault, exit_port: Option<u16>) {
    let after = match (after, exit_port) {
        (AfterFault::Exit, None) => AfterFault::Restart,
        _ => after,
    };
    AFTER.store(after as u8, Ordering::Relaxed);
    EXIT_PORT.store(exit_port.unwrap_or(0), Ordering::Relaxed);
}

/// Says where the counters are, for the report.
///
/// # Safety
///
/// From now on the kernel is used only through references made from this pointer, and is never
/// dropped or moved.
pub unsafe fn watch(kernel: *mut Kernel) {
    KERNEL.store(kernel, Ordering::Relaxed);
}

/// Reports an exception.
pub fn exception(registers: &Registers) -> ! {
    end(|out| {
        write!(
            out,
            "exception {}: {}",
            registers.vector,
            cpu::exception_name(registers.vector)
        )?;
        if registers.vector == cpu::PAGE_FAULT {
            let address = Cr2::read_raw();
            write!(out, " at {address:#018x}")?;
            if stacks::is_guard_page(address) {
                write!(out, ", which is a guard page: stack overflow")?;
            }
        }
        writeln!(out, ", error code {:#x}", registers.error_code)?;
        write!(out, "{registers}")
    })
}

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    end(|out| {
        writeln!(out, "{info}")?;
        // The place in the source is above; this only tells one build from another.
        let rip = x86_64::registers::read_rip().as_u64();
        writeln!(out, "  rip {rip:016x} in the panic handler")
    })
}

/// Reports, with the counters, and ends.
fn end(report: impl FnOnce(&mut Direct) -> fmt::Result) -> ! {
    x86_64::instructions::interrupts::disable();
    let mut rate = TickRate::from_hertz(clock::ASSUMED_HERTZ);
    if !REPORTING.swap(true, Ordering::Relaxed) {
        let mut out = Direct::take();
        // A serial line that takes nothing any more is no reason not to restart.
        let _ = write_report(&mut out, report);
        out.finish();
        if let Some(kernel) = watched() {
            rate = kernel.clock().rate();
        }
    }
    seats::silence();
    let exit_port = EXIT_PORT.load(Ordering::Relaxed);
    let after = AFTER.load(Ordering::Relaxed);
    if after == AfterFault::Halt as u8 {
        // SAFETY: nothing runs from now on.
        unsafe { watchdog::disarm() };
        cpu::halt();
    }
    if after == AfterFault::Exit as u8 {
        power::exit(exit_port, EXIT_VALUE);
    }
    pause(rate);
    power::reboot()
}

fn write_report(out: &mut Direct, report: impl FnOnce(&mut Direct) -> fmt::Result) -> fmt::Result {
    writeln!(out, "\n*** fault ***")?;
    out.begin_record();
    report(out)?;
    if let Some(kernel) = watched() {
        for port in kernel.ports() {
            let counters = port.interface().counters();
            writeln!(
                out,
                "  {} received {} answered {}",
                port.name(),
                counters.received(),
                counters.answered()
            )?;
            for reason in Reason::ALL {
                let count = counters.reason(reason);
                if count > 0 {
                    writeln!(out, "  {} {} {count}", port.name(), reason.name())?;
                }
            }
        }
    }
    out.keep_record();
    match AFTER.load(Ordering::Relaxed) {
        after if after == AfterFault::Halt as u8 => writeln!(out, "*** halted ***"),
        after if after == AfterFault::Exit as u8 => writeln!(out, "*** exits ***"),
        _ => writeln!(out, "*** restarts in {PAUSE_SECONDS} s ***"),
    }
}

fn watched() -> Option<&'static Kernel> {
    let kernel = KERNEL.load(Ordering::Relaxed);
    // SAFETY: `watch` was promised that the pointer stays good and that all other references are
    // made from it; those are never used again, because a fault never returns.
    unsafe { kernel.as_ref() }
}

/// Lets the report stand for a while.
fn pause(rate: TickRate) {
    let end = clock::now().after(rate.ticks(PAUSE_SECONDS * 1_000_000_000));
    while clock::now() < end {
        core::hint::spin_loop();
    }
}

/// Breaks the appliance on purpose, so that tests see how it ends.
pub fn provoke(fault: Fault) {
    match fault {
        Fault::Panic => panic!("provoked"),
        Fault::Page => {
            // SAFETY: it is not sound, and meant not to be: the address is never mapped, so the write
            // faults before it changes anything.
            unsafe { (0x10 as *mut u8).write_volatile(1) };
        }
        Fault::Stack => {
            overflow(0);
        }
        Fault::Heap => {
            let _heap_is_off_limits = FramePath::enter();
            core::hint::black_box(alloc::boxed::Box::new(1));
        }
        Fault::Hang => loop {
            core::hint::spin_loop();
        },
        Fault::Divide => {
            // SAFETY: the exception that it raises never returns.
            unsafe {
                core::arch::asm!("xor edx, edx", "mov eax, 1", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _)
            };
        }
        Fault::Undefined => {
            // SAFETY: the exception that it raises never returns.
            unsafe { core::arch::asm!("ud2") };
        }
    }
}

/// Uses up the stack.
#[expect(unconditional_recursion, reason = "that is its purpose")]
fn overflow(depth: u64) -> u64 {
    let here = core::hint::black_box([depth; 64]);
    overflow(depth + 1) + here[0]
}
