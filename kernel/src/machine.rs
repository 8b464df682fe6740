//! What a report of a fault should say about the machine: put down in words at the start, to be printed by `report`.

use crate::boot::Boot;
use crate::clock::Clock;
use crate::{VERSION, bus, cpu, firmware, power, serial};
use alloc::string::String;
use alloc::vec::Vec;
use bootloader_api::info::MemoryRegionKind;
use core::fmt::{self, Write};
use raw_cpuid::CpuId;

/// Describes the machine, a line for each thing. Allocates; for the start.
pub fn describe(boot: &Boot, clock: &Clock) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |line: fmt::Arguments<'_>| {
        let mut text = String::new();
        // A string takes everything.
        let _ = text.write_fmt(line);
        lines.push(text);
    };
    let Boot {
        method,
        command_line,
        ..
    } = boot;
    say(format_args!("version {VERSION}"));
    match command_line {
        &"" => say(format_args!("boot {method}, without a command line")),
        words => say(format_args!("boot {method} {words}")),
    }
    describe_processor(&mut say);
    describe_clock(clock, boot.info.rsdp_addr.into_option(), &mut say);
    for region in boot.info.memory_regions.iter() {
        let (start, end, kind) = (region.start, region.end, Kind(region.kind));
        say(format_args!("memory {start:#014x} to {end:#014x} {kind}"));
    }
    match boot.info.rsdp_addr.into_option() {
        Some(address) => {
            say(format_args!("acpi root pointer at {address:#x}"));
            describe_tables(address, &mut say);
        }
        None => say(format_args!("acpi none")),
    }
    match serial::port() {
        Some(port) => say(format_args!("serial {port:#x}")),
        None => say(format_args!("serial none")),
    }
    match &boot.display {
        Some(display) => say(format_args!("screen by the loader: {display}")),
        None => say(format_args!("screen not by the loader")),
    }
    bus::ways(&mut say);
    for function in bus::functions(&bus::space()) {
        say(format_args!("pci {function}"));
    }
    lines
}

/// What a region of memory is, in words.
struct Kind(MemoryRegionKind);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            MemoryRegionKind::Usable => f.write_str("usable"),
            MemoryRegionKind::Bootloader => f.write_str("used by the loader"),
            // Types of the table that PC firmware gives (ACPI 6.5 §15.1).
            MemoryRegionKind::UnknownBios(2) => f.write_str("reserved by the firmware"),
            MemoryRegionKind::UnknownBios(3) => f.write_str("ACPI tables"),
            MemoryRegionKind::UnknownBios(4) => f.write_str("kept for ACPI over a sleep"),
            MemoryRegionKind::UnknownBios(5) => f.write_str("faulty"),
            MemoryRegionKind::UnknownBios(7) => f.write_str("persistent"),
            MemoryRegionKind::UnknownBios(kind) => {
                write!(f, "reserved by the firmware, type {kind}")
            }
            MemoryRegionKind::UnknownUefi(kind) => {
                write!(f, "reserved by UEFI, type {kind}")
            }
            _ => f.write_str("of no known kind"),
        }
    }
}

/// Logs what there is on the PCI bus, for a machine without a card that is driven: it may have no serial line on
/// which to type `report`. Bridges and the board's own parts are left out.
pub fn log_devices() {
    const BRIDGE: u8 = 6;
    const SYSTEM: u8 = 8;
    let space = bus::space();
    for function in
        bus::functions(&space).filter(|found| ![BRIDGE, SYSTEM].contains(&found.class.base))
    {
        log::warn!("there is pci {function}");
    }
}

/// The clock, and the timers that the machine may have beside it.
fn describe_clock(clock: &Clock, rsdp: Option<u64>, say: &mut impl FnMut(fmt::Arguments<'_>)) {
    let (hertz, source) = (clock.rate().hertz(), clock.source().name());
    let rate = match clock.is_invariant() {
        true => "always the same",
        false => "may change",
    };
    say(format_args!("clock {hertz} Hz by {source}, {rate}"));
    match power::acpi_timer() {
        Some(port) => say(format_args!("timer acpi {port:#x}")),
        None => say(format_args!("timer acpi none")),
    }
    match rsdp.and_then(firmware::hpet) {
        Some(base) => say(format_args!("timer hpet {base:#x}")),
        None => say(format_args!("timer hpet none")),
    }
}

/// Firmware's tables by their signatures, such as `APIC`, `MCFG` or `HPET`.
fn describe_tables(rsdp: u64, say: &mut impl FnMut(fmt::Arguments<'_>)) {
    for (signature, length, maker) in firmware::tables_by_signature(rsdp) {
        let signature = signature.escape_ascii();
        say(format_args!("acpi {signature} {length} octets {maker}"));
    }
}

fn describe_processor(say: &mut impl FnMut(fmt::Arguments<'_>)) {
    let cpuid = CpuId::new();
    let brand = cpuid.get_processor_brand_string();
    let brand = brand.as_ref().map_or("unknown", |brand| brand.as_str());
    say(format_args!("processor {}", brand.trim()));
    if let Some(info) = cpuid.get_feature_info() {
        let (family, model, step) = (info.family_id(), info.model_id(), info.stepping_id());
        let hypervisor = if info.has_hypervisor() {
            ", in a virtual machine"
        } else {
            ""
        };
        let x2apic = if info.has_x2apic() {
            ", with x2APIC"
        } else {
            ""
        };
        say(format_args!(
            "processor family {family:#x} model {model:#x} stepping {step}{hypervisor}{x2apic}"
        ));
        if info.has_apic() {
            say(format_args!("processor apic {}", cpu::apic_mode()));
        }
    }
}
