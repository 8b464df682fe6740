//! The clock: the processor's time stamp counter, and how fast it runs.
//!
//! Reading it is one instruction and no exit from a virtual machine. How fast it runs is asked, in
//! this order, of the processor (CPUID leaf 15h), of the hypervisor (leaf 4000_0010h), and of the
//! interval timer, which every PC has had since 1981 and every emulator emulates.

use core::arch::x86_64::_rdtsc;
use pollux_net::time::{Instant, TickRate, Ticks};
use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

/// The interval timer's frequency in hertz: a twelfth of the NTSC colour clock's fourfold.
const PIT_HERTZ: u64 = 1_193_182;
/// How many of its ticks one measurement takes: 5 ms.
const PIT_TICKS: u16 = 5966;
/// A measurement that has not ended after this many looks never will.
const PIT_LOOKS: u32 = 10_000_000;
/// The rate that is assumed when nothing can tell it.
const ASSUMED_HERTZ: u64 = 2_000_000_000;

/// Where the clock's rate is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CPUID leaf 15h: crystal frequency and ratio.
    Processor,
    /// CPUID leaf 4000_0010h.
    Hypervisor,
    /// Measured against the interval timer.
    IntervalTimer,
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
            Self::Assumed => "assumed",
        }
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
    /// Finds out how fast the counter runs. Takes up to 15 ms.
    pub fn calibrate() -> Self {
        let start = now();
        let cpuid = CpuId::new();
        let (hertz, source) = from_processor(&cpuid)
            .or_else(|| from_hypervisor(&cpuid))
            .or_else(from_interval_timer)
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

fn from_processor(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Option<(u64, Source)> {
    let hertz = cpuid.get_tsc_info()?.tsc_frequency()?;
    (hertz > 0).then_some((hertz, Source::Processor))
}

fn from_hypervisor(cpuid: &CpuId<raw_cpuid::CpuIdReaderNative>) -> Option<(u64, Source)> {
    let kilohertz = cpuid.get_hypervisor_info()?.tsc_frequency()?;
    (kilohertz > 0).then_some((u64::from(kilohertz) * 1000, Source::Hypervisor))
}

/// The median of three measurements, since one can be disturbed.
fn from_interval_timer() -> Option<(u64, Source)> {
    let mut measured = [measure()?, measure()?, measure()?];
    measured.sort_unstable();
    let ticks = measured[1].0;
    let hertz = u128::from(ticks) * u128::from(PIT_HERTZ) / u128::from(PIT_TICKS);
    Some((u64::try_from(hertz).ok()?, Source::IntervalTimer))
}

/// Counts ticks while channel 2 of the interval timer counts down (Intel 8254 data sheet, mode 0).
/// Port 61h gates it (bit 0), keeps it off the speaker (bit 1) and shows its output (bit 5).
fn measure() -> Option<Ticks> {
    const GATE: u8 = 1 << 0;
    const SPEAKER: u8 = 1 << 1;
    const OUTPUT: u8 = 1 << 5;
    /// Channel 2, low octet then high, mode 0, binary.
    const COMMAND: u8 = 0b1011_0000;
    let mut gate = Port::<u8>::new(0x61);
    let mut command = Port::<u8>::new(0x43);
    let mut channel = Port::<u8>::new(0x42);
    // SAFETY: these are the ports of the interval timer and its gate on every PC; where there is
    // none, writes go nowhere and the output never rises.
    unsafe {
        let before = gate.read();
        gate.write(before & !(SPEAKER | GATE));
        command.write(COMMAND);
        let [low, high] = PIT_TICKS.to_le_bytes();
        channel.write(low);
        channel.write(high);
        gate.write(before & !SPEAKER | GATE);
        let start = now();
        let mut looks = 0;
        while gate.read() & OUTPUT == 0 {
            looks += 1;
            if looks == PIT_LOOKS {
                gate.write(before);
                return None;
            }
        }
        let end = now();
        gate.write(before);
        // An output that is high at once is no timer's: nothing answers there but the bus.
        (looks > 0).then_some(end - start)
    }
}
