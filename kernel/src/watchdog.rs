//! The hardware watchdog: a timer outside the processor that restarts the machine unless the poll loop feeds it.
//!
//! Two kinds are known: Intel's 6300ESB, which emulators have as a PCI function of its own, and the TCO timer in
//! Intel's south bridges from the ICH6 to the 9 series, on the boards of PCs. It is armed when the loop begins.

use crate::bus::{self, Space};
use crate::memory;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use pci_types::PciAddress;
use pollux_drivers::pci::{self, Bar, ConfigRegionAccess};
use spin::Mutex;
use x86_64::instructions::port::{Port, PortWrite};

/// The spans that can be set, in seconds: less is too little for the slower of the two kinds.
pub const SECONDS: core::ops::RangeInclusive<u32> = 5..=600;

/// A watchdog that is armed.
#[derive(Clone, Copy, Debug)]
enum Watchdog {
    /// With its registers.
    I6300Esb(NonNull<u8>),
    /// With its first I/O port.
    Tco(u16),
}

// SAFETY: the registers are reached through the one static below, behind its lock.
unsafe impl Send for Watchdog {}

/// The one that is armed, and its span in seconds.
static ARMED: Mutex<Option<(Watchdog, u32)>> = Mutex::new(None);

/// Why none is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmError {
    /// There is none of a known kind.
    None,
    /// The board does not let the timer restart the machine.
    Forbidden,
    /// Its registers cannot be reached.
    Unreachable,
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => {
                "none was found: neither a 6300ESB nor the TCO timer of an Intel south bridge"
            }
            Self::Forbidden => "the board does not let the TCO timer restart the machine",
            Self::Unreachable => "its registers cannot be reached",
        })
    }
}

/// Looks for a watchdog and has it restart the machine when it was not fed for `seconds`. Returns whether it was it
/// that restarted the machine.
///
/// # Errors
///
/// [`ArmError`] when there is none that can; nothing was changed.
pub fn arm(seconds: u32) -> Result<bool, ArmError> {
    let (watchdog, has_fired) = match i6300esb::arm(seconds) {
        Err(ArmError::None) => tco::arm(seconds)?,
        armed => armed?,
    };
    *ARMED.lock() = Some((watchdog, seconds));
    Ok(has_fired)
}

/// The name of the one that is armed, and its span in seconds.
pub fn armed() -> Option<(&'static str, u32)> {
    let (watchdog, seconds) = (*ARMED.lock())?;
    let name = match watchdog {
        Watchdog::I6300Esb(_) => "i6300esb",
        Watchdog::Tco(_) => "tco",
    };
    Some((name, seconds))
}

/// Says that all is well.
pub fn feed() {
    match *ARMED.lock() {
        Some((Watchdog::I6300Esb(registers), _)) => i6300esb::reload(registers),
        Some((Watchdog::Tco(base), _)) => tco::reload(base),
        None => {}
    }
}

/// Takes it out of use, for a machine that stops on purpose.
///
/// # Safety
///
/// Nothing else that runs from now on uses the watchdog.
pub unsafe fn disarm() {
    // SAFETY: whoever held the lock never runs again.
    unsafe { ARMED.force_unlock() };
    match ARMED.lock().take() {
        Some((Watchdog::I6300Esb(_), _)) => i6300esb::stop(),
        Some((Watchdog::Tco(base), _)) => tco::stop(base),
        None => {}
    }
}

/// Configuration space, for the moment.
fn configuration() -> Space {
    bus::space()
}

/// Intel 6300ESB I/O Controller Hub data sheet, chapter 16.
mod i6300esb {
    use super::*;

    const VENDOR_AND_DEVICE: (u16, u16) = (0x8086, 0x25ab);
    /// Configuration: how it ends, and the scale of its clock.
    const CONFIGURATION: u16 = 0x60;
    /// Output enabled, a millisecond's clock, no interrupt after the first stage.
    const MILLISECONDS_NO_INTERRUPT: u16 = 0b011;
    /// Lock and enable.
    const LOCK: u16 = 0x68;
    const ENABLE: u8 = 1 << 1;
    /// Registers by offset: the spans of the two stages, and the reload register.
    const STAGES: [usize; 2] = [0x00, 0x04];
    const RELOAD: usize = 0x0c;
    const RELOAD_NOW: u16 = 1 << 8;
    const HAS_FIRED: u16 = 1 << 9;
    /// Written to the reload register in this order they open each register for one write.
    const UNLOCK: [u16; 2] = [0x80, 0x86];
    const LENGTH: u64 = 0x10;

    fn find() -> Option<PciAddress> {
        let access = configuration();
        let mut functions = bus::functions(&access);
        let found =
            functions.find(|function| (function.vendor, function.device) == VENDOR_AND_DEVICE);
        found.map(|function| function.address)
    }

    pub fn arm(seconds: u32) -> Result<(Watchdog, bool), ArmError> {
        let access = configuration();
        let address = find().ok_or(ArmError::None)?;
        let Some(Bar::Memory {
            address: start,
            length,
            ..
        }) = pci::bar(&access, address, 0)
        else {
            return Err(ArmError::Unreachable);
        };
        if length < LENGTH {
            return Err(ArmError::Unreachable);
        }
        let registers = memory::map_registers(start, LENGTH).map_err(|_| ArmError::Unreachable)?;
        let registers = NonNull::new(registers).ok_or(ArmError::Unreachable)?;
        pci::enable_registers(&access, address);
        configure(address, LOCK, 0_u8);
        configure(address, CONFIGURATION, MILLISECONDS_NO_INTERRUPT);
        let has_fired = read(registers, RELOAD) & HAS_FIRED != 0;
        unlock(registers);
        write(registers, RELOAD, HAS_FIRED | RELOAD_NOW);
        for stage in STAGES {
            unlock(registers);
            // SAFETY: the register is mapped there, a multiple of four.
            unsafe {
                let register = registers.as_ptr().add(stage).cast::<u32>();
                register.write_volatile(seconds * 1000 / 2);
            }
        }
        reload(registers);
        configure(address, LOCK, ENABLE);
        Ok((Watchdog::I6300Esb(registers), has_fired))
    }

    pub fn reload(registers: NonNull<u8>) {
        unlock(registers);
        write(registers, RELOAD, RELOAD_NOW);
    }

    pub fn stop() {
        if let Some(address) = find() {
            configure(address, LOCK, 0_u8);
        }
    }

    /// Writes a configuration register of one or two octets, in one access of that width: the device ignores wider
    /// ones.
    fn configure<T: PortWrite>(address: PciAddress, offset: u16, value: T) {
        // Reading selects the register.
        // SAFETY: the function has the register, reading it changes nothing, and the data port's octets are those
        // of the register that was selected.
        unsafe {
            configuration().read(address, offset);
            Port::<T>::new(0xcfc + (offset & 0b11)).write(value);
        }
    }

    fn unlock(registers: NonNull<u8>) {
        for value in UNLOCK {
            write(registers, RELOAD, value);
        }
    }

    fn read(registers: NonNull<u8>, offset: usize) -> u16 {
        // SAFETY: `arm` mapped the registers; the offset is a multiple of two.
        unsafe { registers.as_ptr().add(offset).cast::<u16>().read_volatile() }
    }

    fn write(registers: NonNull<u8>, offset: usize, value: u16) {
        // SAFETY: as in `read`.
        unsafe {
            registers
                .as_ptr()
                .add(offset)
                .cast::<u16>()
                .write_volatile(value)
        };
        fence(Ordering::SeqCst);
    }
}

/// Intel ICH9 data sheet §13.9: the TCO timer, in the function that is the bridge to the LPC bus.
mod tco {
    use super::*;

    const INTEL: u16 = 0x8086;
    /// ICH6 to the 9 series, by the ranges of their bridges. Systems on a chip are none of them, though their timers look
    /// alike: what says that they may restart the machine stands elsewhere.
    const BRIDGES: [core::ops::RangeInclusive<u16>; 16] = [
        0x2640..=0x2642,
        0x2670..=0x267f,
        0x27b0..=0x27bd,
        0x2810..=0x2815,
        0x2910..=0x2919,
        0x3a14..=0x3a1a,
        0x3b00..=0x3b1f,
        0x1c40..=0x1c5f,
        0x1d40..=0x1d41,
        0x1e40..=0x1e5f,
        0x2310..=0x2310,
        0x8c40..=0x8c5f,
        0x8cc1..=0x8cc6,
        0x8d40..=0x8d5f,
        0x9c40..=0x9c47,
        0x9cc1..=0x9cc9,
    ];
    /// Configuration: where the power management ports are and whether they answer, and where the chipset's
    /// registers are.
    const POWER_BASE: u16 = 0x40;
    const POWER_CONTROL: u16 = 0x44;
    const POWER_ENABLED: u32 = 1 << 7;
    const CHIPSET_BASE: u16 = 0xf0;
    const CHIPSET_ENABLED: u32 = 1 << 0;
    /// General control and status, among the chipset's registers.
    const GENERAL_CONTROL: u64 = 0x3410;
    const NO_REBOOT: u32 = 1 << 5;
    /// Ports behind the power management base, and from there on.
    const TCO: u16 = 0x60;
    const RELOAD: u16 = 0x00;
    const STATUS_1: u16 = 0x04;
    const TIMED_OUT: u16 = 1 << 3;
    const STATUS_2: u16 = 0x06;
    const TIMED_OUT_TWICE: u16 = 1 << 1;
    const HAS_BOOTED: u16 = 1 << 2;
    const CONTROL: u16 = 0x08;
    const HALTED: u16 = 1 << 11;
    const SPAN: u16 = 0x12;
    const MAXIMUM_SPAN: u32 = 0x3ff;

    pub fn arm(seconds: u32) -> Result<(Watchdog, bool), ArmError> {
        let access = configuration();
        let is_bridge = |vendor, device| {
            vendor == INTEL && BRIDGES.iter().any(|bridges| bridges.contains(&device))
        };
        let address = PciAddress::new(0, 0, 0x1f, 0);
        let mut functions = bus::functions(&access).filter(|function| function.address == address);
        if !functions
            .next()
            .is_some_and(|found| is_bridge(found.vendor, found.device))
        {
            return Err(ArmError::None);
        }
        // SAFETY: every bridge of these kinds has these registers, and reading them changes nothing.
        let (power, control, chipset) = unsafe {
            (
                access.read(address, POWER_BASE) & 0xff80,
                access.read(address, POWER_CONTROL),
                access.read(address, CHIPSET_BASE),
            )
        };
        if power == 0 || control & POWER_ENABLED == 0 || chipset & CHIPSET_ENABLED == 0 {
            return Err(ArmError::Unreachable);
        }
        let chipset = u64::from(chipset & 0xffff_c000);
        allow_restart(chipset + GENERAL_CONTROL)?;
        let base = power as u16 + TCO;
        stop(base);
        let has_fired = read(base + STATUS_2) & TIMED_OUT_TWICE != 0;
        write(base + STATUS_1, TIMED_OUT);
        write(base + STATUS_2, TIMED_OUT_TWICE);
        write(base + STATUS_2, HAS_BOOTED);
        // It counts 0.6 s, and restarts the machine when it has reached zero for the second time.
        let span = (seconds * 10 / 6 / 2).clamp(4, MAXIMUM_SPAN) as u16;
        write(
            base + SPAN,
            read(base + SPAN) & !(MAXIMUM_SPAN as u16) | span,
        );
        reload(base);
        write(base + CONTROL, read(base + CONTROL) & !HALTED);
        Ok((Watchdog::Tco(base), has_fired))
    }

    /// Lets the timer restart the machine, which firmware forbids unless it uses it itself.
    fn allow_restart(general_control: u64) -> Result<(), ArmError> {
        let register =
            memory::map_registers(general_control, 4).map_err(|_| ArmError::Unreachable)?;
        let register = register.cast::<u32>();
        // SAFETY: the chipset's register is mapped there, a multiple of four, and is nobody else's now.
        let value = unsafe {
            register.write_volatile(register.read_volatile() & !NO_REBOOT);
            register.read_volatile()
        };
        if value & NO_REBOOT == 0 {
            Ok(())
        } else {
            Err(ArmError::Forbidden)
        }
    }

    pub fn reload(base: u16) {
        write(base + RELOAD, 1);
    }

    pub fn stop(base: u16) {
        write(base + CONTROL, read(base + CONTROL) | HALTED);
    }

    fn read(port: u16) -> u16 {
        // SAFETY: the bridge says that the timer's ports are there.
        unsafe { Port::new(port).read() }
    }

    fn write(port: u16, value: u16) {
        // SAFETY: as in `read`, and they are nobody else's.
        unsafe { Port::new(port).write(value) };
    }
}
