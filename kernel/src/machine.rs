//! What a report of a fault should say about the machine: put down in words at the start, to be printed by `report`.

use crate::boot::Boot;
use crate::{VERSION, serial};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use pollux_drivers::pci::{self, ConfigPorts};
use raw_cpuid::CpuId;

/// Describes the machine, a line for each thing. Allocates; for the start.
pub fn describe(boot: &Boot) -> Vec<String> {
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
    say(format_args!("boot {method} {command_line}"));
    describe_processor(&mut say);
    for region in boot.info.memory_regions.iter() {
        let (start, end, kind) = (region.start, region.end, region.kind);
        say(format_args!("memory {start:#014x} to {end:#014x} {kind:?}"));
    }
    match boot.info.rsdp_addr.into_option() {
        Some(address) => say(format_args!("acpi root pointer at {address:#x}")),
        None => say(format_args!("acpi none")),
    }
    match serial::port() {
        Some(port) => say(format_args!("serial {port:#x}")),
        None => say(format_args!("serial none")),
    }
    match &boot.display {
        Some(display) => say(format_args!("screen by the loader: {display:?}")),
        None => say(format_args!("screen not by the loader")),
    }
    // SAFETY: this is a PC, and nobody else uses the two ports meanwhile.
    let access = unsafe { ConfigPorts::new() };
    for function in pci::functions(&access) {
        say(format_args!("pci {function}"));
    }
    lines
}

fn describe_processor(say: &mut impl FnMut(fmt::Arguments<'_>)) {
    let cpuid = CpuId::new();
    let brand = cpuid.get_processor_brand_string();
    let brand = brand.as_ref().map_or("unknown", |brand| brand.as_str());
    say(format_args!("processor {}", brand.trim()));
    if let Some(info) = cpuid.get_feature_info() {
        let (family, model, step) = (info.family_id(), info.model_id(), info.stepping_id());
        let (hypervisor, x2apic) = (info.has_hypervisor(), info.has_x2apic());
        say(format_args!(
            "processor family {family:#x} model {model:#x} stepping {step} hypervisor {hypervisor} x2apic {x2apic}"
        ));
    }
}
