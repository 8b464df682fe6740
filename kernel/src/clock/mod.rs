//! The clock: the processor's time stamp counter, and how fast it runs.
//!
//! Reading it is one instruction and no exit from a virtual machine. How fast it runs is asked, in
//! this order, of the processor (CPUID leaf 15h), of the hypervisor (leaf 4000_0010h), and of two timers: the
//! interval timer, which nearly every PC and emulator has, and that of ACPI's power management, or where there is none
//! the high precision event timer. Where both are there, each is compared with the other.

mod counter;
mod interval_timer;

use crate::{firmware, power};
use core::arch::x86_64::_rdtsc;
use counter::Counter;
use interval_timer::IntervalTimer;
use pollux_net::time::{Instant, TickRate, Ticks};
use raw_cpuid::CpuId;

/// Two timers agree whose rates differ by less than this part of them: 1 %. A measurement of 10 ms is better than
/// that even on an emulator.
const AGREEMENT: u64 = 100;
/// A timer that shows the same count for this many looks in a row stands still: each look is one access to a port
/// or more, and it counts once in less than a microsecond.
const LOOKS: u32 = 10_000;
/// How often a measurement is tried again, when the machine was away for too long meanwhile.
const ATTEMPTS: u32 = 5;
/// How many readings are made of which the least disturbed is believed.
const READINGS: u32 = 16;
/// The rate that is assumed when nothing can tell it, in hertz: the highest, so that no wait is too
/// short.
pub const ASSUMED_HERTZ: u64 = 5_000_000_000;

/// Where the clock's rate is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CPUID leaf 15h: crystal frequency and ratio.
    Processor,
    /// CPUID leaf 4000_0010h.
    Hypervisor,
    /// Measured against the interval timer.
    IntervalTimer,
    /// Measured against ACPI's timer.
    AcpiTimer,
    /// Measured against the high precision event timer.
    Hpet,
    /// Not known at all: all times are wrong by an unknown factor.
    Assumed,
}

impl Source {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processor => "cpuid",
            Self::Hypervisor => "hypervisor",
            Self::IntervalTimer => "pit",
            Self::AcpiTimer => "acpi timer",
            Self::Hpet => "hpet",
            Self::Assumed => "assumed",
        }
    }

    /// The one of this name that can be asked for: any but the last.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "cpuid" => Self::Processor,
            "hypervisor" => Self::Hypervisor,
            "pit" => Self::IntervalTimer,
            "acpi" => Self::AcpiTimer,
            "hpet" => Self::Hpet,
            _ => return None,
        })
    }
}

/// The clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    rate: TickRate,
    source: Source,
    is_invariant: bool,
}

impl Clock {
    /// Finds out how fast the counter runs, by `wanted` if that can tell. Takes some 10 ms where only timers can. What
    /// ACPI says of the machine, whose root pointer is `rsdp`, must be known by then ([`power::initialize`]).
    pub fn calibrate(wanted: Option<Source>, rsdp: Option<u64>) -> Self {
        let start = now();
        let cpuid = CpuId::new();
        let hpet = rsdp.and_then(firmware::hpet);
        let by = wanted.and_then(|wanted| {
            let found = by_source(wanted, &cpuid, hpet);
            if found.is_none() {
                let name = wanted.name();
                log::warn!("clock: {name} cannot tell the rate, and others are asked");
            }
            found
        });
        let (hertz, source) = by
            .or_else(|| from_processor(&cpuid))
            .or_else(|| from_hypervisor(&cpuid))
            .or_else(|| from_timers(hpet))
            .unwrap_or((ASSUMED_HERTZ, Source::Assumed));
        Self {
            start,
            rate: TickRate::from_hertz(hertz),
            source,
            is_invariant: cpuid
                .get_advanced_power_mgmt_info()
                .is_some_and(|info| info.has_invariant_tsc()),
        }
    }

    /// How fast it runs.
    pub const fn rate(&self) -> TickRate {
        self.rate
    }

    /// Where that is known from.
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Whether it runs at the same rate whatever the processor does to save power.
    pub const fn is_invariant(&self) -> bool {
        self.is_invariant
    }

    /// Nanoseconds from the start to `instant`.
    pub fn since_start(&self, instant: Instant) -> u64 {
        self.rate.nanoseconds(instant - self.start)
    }

    /// Waits for at least `microseconds`. For start-up only: nothing else is done meanwhile.
    pub fn wait(&self, microseconds: u32) {
        let end = now().after(self.rate.ticks(u64::from(microseconds) * 1000));
        while now() < end {
            core::hint::spin_loop();
        }
    }
}

/// What the counter reads now.
#[inline]
pub fn now() -> Instant {
    // SAFETY: every 64-bit processor has the instruction, and nothing here disables it.
    Instant::from_ticks(unsafe { _rdtsc() })
}

/// The rate by one source only.
fn by_source(
    source: Source,
    cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>,
    hpet: Option<u64>,
) -> Option<(u64, Source)> {
    match source {
        Source::Processor => from_processor(cpuid),
        Source::Hypervisor => from_hypervisor(cpuid),
        Source::IntervalTimer => from_interval_timer().map(|hertz| (hertz, source)),
        Source::AcpiTimer => measured((Counter::acpi(power::acpi_timer()?), source)),
        Source::Hpet => measured((Counter::hpet(hpet?)?, source)),
        Source::Assumed => None,
    }
}

fn from_processor(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Option<(u64, Source)> {
    let hertz = cpuid.get_tsc_info()?.tsc_frequency()?;
    (hertz > 0).then_some((hertz, Source::Processor))
}

fn from_hypervisor(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Option<(u64, Source)> {
    let kilohertz = cpuid.get_hypervisor_info()?.tsc_frequency()?;
    (kilohertz > 0).then_some((u64::from(kilohertz) * 1000, Source::Hypervisor))
}

/// Measures against the interval timer while another runs as well, so that comparing them takes no longer.
fn from_timers(hpet: Option<u64>) -> Option<(u64, Source)> {
    let acpi = power::acpi_timer().map(|port| (Counter::acpi(port), Source::AcpiTimer));
    let hpet = || Some((Counter::hpet(hpet?)?, Source::Hpet));
    let mut other = acpi.or_else(hpet);
    let before = other.as_mut().map(|(timer, _)| timer.read_undisturbed());
    let pit = from_interval_timer();
    let compared = match (&mut other, before, pit) {
        (Some((timer, source)), Some(before), Some(_)) => {
            timer.hertz_since(before).map(|hertz| (hertz, *source))
        }
        (Some((timer, source)), ..) => timer.measure().map(|hertz| (hertz, *source)),
        (None, ..) => None,
    };
    // One that stands still may have a neighbor that does not.
    let still = compared.is_none() && pit.is_none();
    choose(pit, compared).or_else(|| still.then(hpet).flatten().and_then(measured))
}

fn measured((mut timer, source): (Counter, Source)) -> Option<(u64, Source)> {
    timer.measure().map(|hertz| (hertz, source))
}

fn from_interval_timer() -> Option<u64> {
    let mut timer = IntervalTimer::start()?;
    let hertz = (0..ATTEMPTS).find_map(|_| timer.measure());
    timer.stop();
    hertz
}

/// Which of two rates in hertz is believed: that by the interval timer and that by another. Firmware that makes an
/// interval timer up, for programs that know no other, makes it up badly; nobody makes up the others.
fn choose(pit: Option<u64>, other: Option<(u64, Source)>) -> Option<(u64, Source)> {
    match (pit, other) {
        (Some(pit), Some((hertz, source))) if pit.abs_diff(hertz) >= hertz / AGREEMENT => {
            let name = source.name();
            log::warn!(
                "clock: {pit} Hz by the interval timer, but {hertz} Hz by the {name}, which is believed"
            );
            Some((hertz, source))
        }
        (Some(pit), _) => Some((pit, Source::IntervalTimer)),
        (None, other) => other,
    }
}

/// How fast the time stamp counter ran, in hertz, which counted `passed` while a timer of `timer_hertz` counted
/// `counted`. `None` when the timer did not move.
fn hertz(counted: u32, timer_hertz: u64, passed: Ticks) -> Option<u64> {
    let product = u128::from(passed.0) * u128::from(timer_hertz);
    u64::try_from(product.checked_div(counted.into())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_believed_that_agree_and_of_others_the_one_that_nobody_makes_up() {
        const GHZ: u64 = 1_000_000_000;
        assert_eq!(choose(Some(GHZ), None), Some((GHZ, Source::IntervalTimer)));
        for source in [Source::AcpiTimer, Source::Hpet] {
            assert_eq!(choose(None, Some((GHZ, source))), Some((GHZ, source)));
            let near = GHZ - GHZ / 200;
            let agreed = choose(Some(near), Some((GHZ, source)));
            assert_eq!(agreed, Some((near, Source::IntervalTimer)));
            for wrong in [GHZ / 2, GHZ - GHZ / 100, 2 * GHZ] {
                let believed = choose(Some(wrong), Some((GHZ, source)));
                assert_eq!(believed, Some((GHZ, source)));
            }
        }
        assert_eq!(choose(None, None), None);
    }
}
