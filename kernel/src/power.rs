//! Starting again and switching off: by ACPI where the machine has it, by older ways where not.
//!
//! What ACPI says is read at the start, once, so that even a fault can use it without reading tables.

use crate::cpu;
use crate::firmware;
use crate::{memory, serial, watchdog};
use acpi::address::{AddressSpace, GenericAddress};
use acpi::fadt::Fadt;
use core::ptr::NonNull;
use spin::Once;
use x86_64::instructions::port::Port;

/// How this machine is reset and switched off, and its timer.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    /// I/O port and value of the ACPI reset register.
    reset: Option<(u16, u8)>,
    /// I/O port and value by which firmware is told to leave the power management to us.
    take_over: Option<(u16, u8)>,
    /// I/O ports of the power management control registers, with the sleep type that means "off".
    off: [Option<(u16, u8)>; 2],
    /// I/O port of the power management timer.
    timer: Option<u16>,
    /// The ACPI reset register in memory, and its value.
    memory_reset: Option<(Register, u8)>,
    /// The sleep control register of reduced hardware, and what means "off" there.
    memory_off: Option<(Register, u8)>,
}

/// A register of one octet in memory: where it is mapped.
#[derive(Clone, Copy, Debug)]
struct Register(NonNull<u8>);

// SAFETY: it is written to at the end of everything only, and mapped for good.
unsafe impl Send for Register {}
// SAFETY: the same.
unsafe impl Sync for Register {}

impl Register {
    /// Maps what firmware describes.
    fn map(address: &GenericAddress) -> Option<Self> {
        let is_octets = address.address_space == AddressSpace::SystemMemory;
        let address = Some(address.address).filter(|&address| is_octets && address != 0)?;
        let start = memory::map_registers(address, 1).ok()?;
        NonNull::new(start).map(Self)
    }

    /// # Safety
    ///
    /// Firmware must have named it for this value.
    unsafe fn write(self, value: u8) {
        // SAFETY: it is mapped, uncached, for good.
        unsafe { self.0.write_volatile(value) };
    }
}

/// SCI_EN, SLP_EN and the place of SLP_TYP in a power management control register (ACPI 6.5
/// §4.8.3.2.1).
const ACPI_MODE: u16 = 1 << 0;
const SLEEP_ENABLE: u16 = 1 << 13;
const SLEEP_TYPE_SHIFT: u16 = 10;
/// How often it is looked whether firmware has obeyed: a second or so.
const TAKE_OVER_LOOKS: u32 = 1_000_000;

static WAYS: Once<Ways> = Once::new();

/// Reads from the ACPI tables, whose root pointer is at physical address `rsdp`, how this machine is
/// reset and switched off.
pub fn initialize(rsdp: Option<u64>) {
    let ways = match rsdp {
        Some(address) => read_tables(address).unwrap_or_else(|error| {
            log::warn!("acpi: {error:?}; reboot and poweroff fall back to older ways");
            Ways::default()
        }),
        None => Ways::default(),
    };
    WAYS.call_once(|| ways);
}

/// The I/O port of ACPI's timer.
pub fn acpi_timer() -> Option<u16> {
    WAYS.get().and_then(|ways| ways.timer)
}

/// Starts the machine again.
pub fn reboot() -> ! {
    if let Some((port, value)) = WAYS.get().and_then(|ways| ways.reset) {
        // SAFETY: firmware names this register and value for exactly this.
        unsafe { Port::<u8>::new(port).write(value) };
        pause();
    }
    if let Some((register, value)) = WAYS.get().and_then(|ways| ways.memory_reset) {
        // SAFETY: firmware names this register and value for exactly this.
        unsafe { register.write(value) };
        pause();
    }
    // SAFETY: the reset control register of Intel chipsets, or nothing: a hard reset.
    unsafe { Port::<u8>::new(0xcf9).write(0x06) };
    pause();
    // SAFETY: the keyboard controller, or nothing: it pulses the processor's reset line.
    unsafe { Port::<u8>::new(0x64).write(0xfe_u8) };
    pause();
    cpu::triple_fault()
}

/// Switches the machine off, or stops it for good if that cannot be done, and says so.
pub fn off() -> ! {
    // SAFETY: nothing runs from now on. A machine that stops must not be started again by it.
    unsafe { watchdog::disarm() };
    let ways = WAYS.get().copied().unwrap_or_default();
    if let Some((register, value)) = ways.memory_off {
        // SAFETY: firmware names this register for exactly this.
        unsafe { register.write(value) };
        pause();
    }
    take_over(&ways);
    for (port, sleep_type) in ways.off.into_iter().flatten() {
        let mut control = Port::<u16>::new(port);
        let sleep = u16::from(sleep_type & 7) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE;
        // SAFETY: firmware names these registers and values for exactly this. The register's other bits
        // are kept.
        unsafe {
            let others = control.read() & !(7 << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
            control.write(others | sleep);
        }
    }
    pause();
    log::warn!("poweroff: this machine has no way to switch itself off; it has stopped");
    serial::flush();
    cpu::halt()
}

/// Makes firmware leave the power management to us, which it does not under BIOS before it is told: the
/// registers for "off" have no effect until then (ACPI 6.5 §4.8.2.5).
fn take_over(ways: &Ways) {
    let (Some((command, value)), [Some((control, _)), _]) = (ways.take_over, ways.off) else {
        return;
    };
    let mut control = Port::<u16>::new(control);
    // SAFETY: firmware names this register, and reading it has no effect.
    let mut is_ours = || unsafe { control.read() } & ACPI_MODE != 0;
    if !is_ours() {
        // SAFETY: firmware names this register and value for exactly this.
        unsafe { Port::<u8>::new(command).write(value) };
        // It needs up to some milliseconds.
        (0..TAKE_OVER_LOOKS).any(|_| is_ours());
    }
}

/// Ends QEMU through its `isa-debug-exit` device: its exit status is `2 * value + 1`.
pub fn exit(port: u16, value: u8) -> ! {
    // SAFETY: the command line says that the device is there.
    unsafe { Port::<u32>::new(port).write(u32::from(value)) };
    cpu::halt()
}

/// Gives the machine time to obey.
fn pause() {
    for _ in 0..1_000_000 {
        core::hint::spin_loop();
    }
}

fn read_tables(rsdp: u64) -> Result<Ways, acpi::AcpiError> {
    let tables = firmware::tables(rsdp)?;
    let fadt = tables.find_table::<Fadt>()?;
    let flags = fadt.flags;
    let reset_register = fadt.reset_register().ok();
    let reset_register = reset_register.filter(|_| flags.supports_system_reset_via_fadt());
    let reset = reset_register.as_ref().and_then(port_of);
    let memory_reset = reset_register.as_ref().and_then(Register::map);
    let timer = fadt.pm_timer_block().ok().flatten();

    let sleep_types = firmware::look_at_code(&tables, soft_off_types)?.flatten();
    let control = [
        fadt.pm1a_control_block().ok(),
        fadt.pm1b_control_block().ok().flatten(),
    ];
    let mut off = [None; 2];
    if let Some(types) = sleep_types {
        for ((slot, block), sleep_type) in off.iter_mut().zip(control).zip(types) {
            let port = block.as_ref().and_then(port_of);
            *slot = port.map(|port| (port, sleep_type));
        }
    }
    let sleep = fadt.sleep_control_register().ok().flatten();
    let memory_off = sleep
        .filter(|_| flags.system_is_hw_reduced_acpi())
        .and_then(|register| Register::map(&register))
        .zip(sleep_types)
        .map(|(register, [sleep_type, _])| (register, reduced_sleep(sleep_type)));
    let command = u16::try_from(fadt.smi_cmd_port).ok();
    let take_over = command
        .filter(|&port| port != 0 && fadt.acpi_enable != 0)
        .map(|port| (port, fadt.acpi_enable));
    Ok(Ways {
        reset: reset.map(|port| (port, fadt.reset_value)),
        take_over,
        off,
        timer: timer.as_ref().and_then(port_of),
        memory_reset: memory_reset.map(|register| (register, fadt.reset_value)),
        memory_off,
    })
}

/// The I/O port of a register, if it is behind one.
fn port_of(address: &GenericAddress) -> Option<u16> {
    let is_port = address.address_space == AddressSpace::SystemIo && address.address != 0;
    u16::try_from(address.address).ok().filter(|_| is_port)
}

/// What the sleep control register of reduced hardware takes to enter a sleep: its type in bits 2 to 4, and SLP_EN
/// (ACPI 6.5 §4.8.3.7).
const fn reduced_sleep(sleep_type: u8) -> u8 {
    (sleep_type & 7) << 2 | 1 << 5
}

/// The two sleep types of the package `_S5_`, which means "off" (ACPI 6.5 §7.4.2), without a whole
/// interpreter of the language it is written in: the package is a constant on every machine.
fn soft_off_types(code: &[u8]) -> Option<[u8; 2]> {
    const NAME: &[u8; 4] = b"_S5_";
    const PACKAGE: u8 = 0x12;
    let mut places = code.windows(NAME.len() + 1);
    // Other places only refer to the name.
    let at = places.position(|place| matches!(place, [name @ .., PACKAGE] if name == NAME))?;
    let after_name = code.get(at + NAME.len() + 1..)?;
    // The package's length takes one octet and as many more as its upper two bits say (§20.2.4).
    let length_octets = 1 + usize::from(after_name.first()? >> 6);
    let [_count, elements @ ..] = after_name.get(length_octets..)? else {
        return None;
    };
    let (first, rest) = small_integer(elements)?;
    let second = small_integer(rest).map_or(first, |(second, _)| second);
    Some([first, second])
}

/// An integer that fits in an octet, and what follows it (ACPI 6.5 §20.2.3).
fn small_integer(code: &[u8]) -> Option<(u8, &[u8])> {
    match code {
        [value @ (0 | 1), rest @ ..] => Some((*value, rest)),
        [0x0a, value, rest @ ..] => Some((*value, rest)),
        [0x0b, value, _, rest @ ..] => Some((*value, rest)),
        [0x0c, value, _, _, _, rest @ ..] => Some((*value, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_sleep_types_of_common_firmware() {
        // QEMU: Package (4) { Zero, Zero, Zero, Zero }.
        let qemu = b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00";
        assert_eq!(soft_off_types(qemu), Some([0, 0]));
        // Package (3) { 0x07, 0x07, Zero } as bytes with prefixes.
        let pc = b"noise\x08_S5_\x12\x08\x03\x0a\x07\x0a\x05\x00";
        assert_eq!(soft_off_types(pc), Some([7, 5]));
        // A method that refers to the name before it is defined.
        let referred = b"\x70_S5_\x60\x08_S5_\x12\x06\x04\x0a\x05\x00\x00";
        assert_eq!(soft_off_types(referred), Some([5, 0]));
        // A length of two octets.
        let long = b"\x08_S5_\x12\x47\x00\x02\x0a\x05\x01";
        assert_eq!(soft_off_types(long), Some([5, 1]));
    }

    #[test]
    fn what_is_cut_short_or_no_package_gives_nothing() {
        let whole = b"\x08_S5_\x12\x06\x04\x0a\x07\x00\x00";
        for length in 0..9 {
            assert_eq!(soft_off_types(&whole[..length]), None, "{length}");
        }
        assert_eq!(soft_off_types(b"\x08_S5_\x0a\x07"), None);
    }

    #[test]
    fn reduced_hardware_takes_sleep_types_between_bits_2_and_4() {
        assert_eq!(reduced_sleep(5), 0b0011_0100);
        assert_eq!(reduced_sleep(0xf8), 0b0010_0000);
    }
}
