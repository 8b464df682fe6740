//! Starting again and switching off: by ACPI where the machine has it, by older ways where not.
//!
//! What ACPI says is read at the start, once, so that even a fault can use it without reading tables.

use crate::cpu;
use crate::firmware;
use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use spin::Once;
use x86_64::instructions::port::Port;

/// How this machine is reset and switched off.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    /// I/O port and value of the ACPI reset register.
    reset: Option<(u16, u8)>,
    /// I/O port and value by which firmware is told to leave the power management to us.
    take_over: Option<(u16, u8)>,
    /// I/O ports of the power management control registers, with the sleep type that means "off".
    off: [Option<(u16, u8)>; 2],
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

/// Starts the machine again.
pub fn reboot() -> ! {
    if let Some((port, value)) = WAYS.get().and_then(|ways| ways.reset) {
        // SAFETY: firmware names this register and value for exactly this.
        unsafe { Port::<u8>::new(port).write(value) };
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

/// Switches the machine off, or stops it for good if that cannot be done.
pub fn off() -> ! {
    let ways = WAYS.get().copied().unwrap_or_default();
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
    let reset = fadt
        .reset_register()
        .ok()
        .filter(|register| {
            let flags = fadt.flags;
            flags.supports_system_reset_via_fadt()
                && register.address_space == AddressSpace::SystemIo
        })
        .and_then(|register| Some((u16::try_from(register.address).ok()?, fadt.reset_value)));

    let sleep_types = firmware::look_at_code(&tables, soft_off_types)?.flatten();
    let control = [
        fadt.pm1a_control_block().ok(),
        fadt.pm1b_control_block().ok().flatten(),
    ];
    let mut off = [None; 2];
    if let Some(types) = sleep_types {
        for ((slot, block), sleep_type) in off.iter_mut().zip(control).zip(types) {
            *slot = block
                .filter(|block| block.address_space == AddressSpace::SystemIo && block.address != 0)
                .and_then(|block| Some((u16::try_from(block.address).ok()?, sleep_type)));
        }
    }
    let command = u16::try_from(fadt.smi_cmd_port).ok();
    let take_over = command
        .filter(|&port| port != 0 && fadt.acpi_enable != 0)
        .map(|port| (port, fadt.acpi_enable));
    Ok(Ways {
        reset,
        take_over,
        off,
    })
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
}
