//! System Management Interrupts: firmware takes the processor away, behind the back of everything, to emulate a
//! keyboard or to look at a fan. Where the processor counts them, `status` shows how many there were.

use core::sync::atomic::{AtomicBool, Ordering};
use raw_cpuid::CpuId;
use x86_64::registers::model_specific::Msr;

/// MSR_SMI_COUNT (Intel SDM volume 4, table 2-15): how many there were since the last reset, in the lower half.
const SMI_COUNT: Msr = Msr::new(0x34);

static COUNTS: AtomicBool = AtomicBool::new(false);

/// Finds out whether this processor counts them. To be called once, at the start.
pub fn initialize() {
    COUNTS.store(is_counted(&CpuId::new()), Ordering::Relaxed);
}

/// How many there were since the machine was reset. `None` where that is not counted, or where a hypervisor is
/// between, which may not have the register and stops the processor by other means as well.
pub fn count() -> Option<u32> {
    COUNTS.load(Ordering::Relaxed).then(|| {
        // SAFETY: this model has the register, and reading it has no effect.
        unsafe { SMI_COUNT.read() as u32 }
    })
}

fn is_counted<R: raw_cpuid::CpuIdReader>(cpuid: &CpuId<R>) -> bool {
    let is_intel = cpuid
        .get_vendor_info()
        .is_some_and(|vendor| vendor.as_str() == "GenuineIntel");
    cpuid.get_feature_info().is_some_and(|info| {
        let is_known = has_counter(info.family_id(), info.model_id());
        is_intel && !info.has_hypervisor() && is_known
    })
}

/// Nehalem and what came after it, and Silvermont and what came after that: not the Core 2 of before, of which one
/// has a higher number than the first Nehalem, nor the first Atoms. Reading a register that is not there is a fault.
const fn has_counter(family: u8, model: u8) -> bool {
    const NEHALEM: u8 = 0x1a;
    const LAST_CORE_2: u8 = 0x1d;
    const FIRST_ATOMS: [u8; 5] = [0x1c, 0x26, 0x27, 0x35, 0x36];
    let [a, b, c, d, e] = FIRST_ATOMS;
    let is_without =
        model == LAST_CORE_2 || model == a || model == b || model == c || model == d || model == e;
    family == 6 && model >= NEHALEM && !is_without
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_read_on_processors_that_have_it() {
        // Nehalem, Sandy Bridge, Silvermont, Skylake, Alder Lake, Sapphire Rapids.
        for model in [0x1a, 0x2a, 0x37, 0x5e, 0x97, 0x8f] {
            assert!(has_counter(6, model), "{model:#x}");
        }
        // Pentium III, Core 2, Penryn, Dunnington, and the Atoms Bonnell and Saltwell.
        for model in [0x08, 0x0f, 0x17, 0x1d, 0x1c, 0x36] {
            assert!(!has_counter(6, model), "{model:#x}");
        }
        // A Pentium 4, an AMD.
        assert!(!has_counter(15, 0x3a));
        assert!(!has_counter(0x19, 0x21));
    }
}
