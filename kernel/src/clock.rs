//! The clock: the processor's time stamp counter, and how fast it runs.
//!
//! Reading it is one instruction and no exit from a virtual machine. How fast it runs is asked, in
//! this order, of the processor (CPUID leaf 15h), of the hypervisor (leaf 4000_0010h), and of two timers: the
//! interval timer, which nearly every PC and emulator has, and that of ACPI's power management. Where both are
//! there, each is compared with the other.

use crate::power;
use core::arch::x86_64::_rdtsc;
use pollux_net::time::{Instant, TickRate, Ticks};
use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

/// The interval timer's frequency in hertz: a twelfth of the NTSC colour clock's fourfold.
const PIT_HERTZ: u64 = 1_193_182;
/// The frequency of ACPI's timer in hertz, and how many of its bits always count (ACPI 6.5 §4.8.3.3).
const ACPI_HERTZ: u64 = 3_579_545;
const ACPI_BITS: u32 = 0x00ff_ffff;
/// How many of its ticks a measurement takes at least: 10 ms.
const ACPI_TICKS: u32 = 35_796;
/// Two timers agree whose rates differ by less than this part of them: 1 %. A measurement of 10 ms is better than
/// that even on an emulator.
const AGREEMENT: u64 = 100;
/// How many of the interval timer's ticks a measurement takes at least: 10 ms.
const PIT_TICKS: u16 = 11_932;
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
    /// Finds out how fast the counter runs. Takes some 10 ms where only timers can tell. What ACPI says of the
    /// machine must be known by then ([`power::initialize`]).
    pub fn calibrate() -> Self {
        let start = now();
        let cpuid = CpuId::new();
        let (hertz, source) = from_processor(&cpuid)
            .or_else(|| from_hypervisor(&cpuid))
            .or_else(from_timers)
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

/// Measures against one timer while the other runs as well, so that comparing them takes no longer.
fn from_timers() -> Option<(u64, Source)> {
    let mut acpi = power::acpi_timer().map(AcpiTimer);
    let before = acpi.as_mut().map(AcpiTimer::read_undisturbed);
    let pit = IntervalTimer::start().and_then(|mut timer| {
        let hertz = (0..ATTEMPTS).find_map(|_| timer.measure());
        timer.stop();
        hertz
    });
    let compared = match (&mut acpi, before, pit) {
        (Some(acpi), Some(before), Some(_)) => acpi.hertz_since(before),
        (Some(acpi), ..) => acpi.measure(),
        (None, ..) => None,
    };
    choose(pit, compared)
}

/// Which of two rates in hertz is believed: that by the interval timer and that by ACPI's. Firmware that makes an
/// interval timer up, for programs that know no other, makes it up badly; nobody makes up the other.
fn choose(pit: Option<u64>, acpi: Option<u64>) -> Option<(u64, Source)> {
    match (pit, acpi) {
        (Some(pit), Some(acpi)) if pit.abs_diff(acpi) >= acpi / AGREEMENT => {
            log::warn!(
                "clock: {pit} Hz by the interval timer, but {acpi} Hz by that of ACPI, which is believed"
            );
            Some((acpi, Source::AcpiTimer))
        }
        (Some(pit), _) => Some((pit, Source::IntervalTimer)),
        (None, Some(acpi)) => Some((acpi, Source::AcpiTimer)),
        (None, None) => None,
    }
}

/// The timer of ACPI's power management, behind an I/O port. It counts up, and never stops.
struct AcpiTimer(u16);

impl AcpiTimer {
    fn read(&mut self) -> (u32, Instant, Ticks) {
        let before = now();
        // SAFETY: firmware says that the timer is there, and reading it has no effect.
        let count = unsafe { Port::<u32>::new(self.0).read() } & ACPI_BITS;
        let uncertainty = now() - before;
        (count, before.after(Ticks(uncertainty.0 / 2)), uncertainty)
    }

    /// The least disturbed of several readings.
    fn read_undisturbed(&mut self) -> (u32, Instant) {
        let mut best = self.read();
        for _ in 1..READINGS {
            let reading = self.read();
            if reading.2 < best.2 {
                best = reading;
            }
        }
        (best.0, best.1)
    }

    /// How fast the time stamp counter has run since an earlier reading, in hertz. `None` when this timer stood
    /// still.
    fn hertz_since(&mut self, first: (u32, Instant)) -> Option<u64> {
        let last = self.read_undisturbed();
        hertz(acpi_ticks(first.0, last.0), ACPI_HERTZ, last.1 - first.1)
    }

    /// How fast the time stamp counter runs, in hertz. `None` when this timer stands still.
    fn measure(&mut self) -> Option<u64> {
        let first = self.read_undisturbed();
        let (mut seen, mut looks) = (first.0, 0);
        while acpi_ticks(first.0, seen) < ACPI_TICKS {
            let count = self.read().0;
            looks = if count == seen { looks + 1 } else { 0 };
            if looks == LOOKS {
                return None;
            }
            seen = count;
        }
        self.hertz_since(first)
    }
}

/// What ACPI's timer counted from one reading to another, less than five seconds later.
const fn acpi_ticks(first: u32, last: u32) -> u32 {
    last.wrapping_sub(first) & ACPI_BITS
}

/// Both counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// The interval timer, counting down.
    count: u16,
    /// The time stamp counter, half-way between just before and just after.
    instant: Instant,
    /// From just before to just after.
    uncertainty: Ticks,
}

/// How fast the time stamp counter ran between two readings, in hertz. `None` when the interval
/// timer did not move.
fn hertz_between(first: Reading, last: Reading) -> Option<u64> {
    let counted = first.count.wrapping_sub(last.count);
    hertz(counted.into(), PIT_HERTZ, last.instant - first.instant)
}

/// How fast the time stamp counter ran, in hertz, which counted `passed` while a timer of `timer_hertz` counted
/// `counted`. `None` when the timer did not move.
fn hertz(counted: u32, timer_hertz: u64, passed: Ticks) -> Option<u64> {
    let product = u128::from(passed.0) * u128::from(timer_hertz);
    u64::try_from(product.checked_div(counted.into())?).ok()
}

/// A channel of the interval timer (Intel 8254 data sheet) that counts down in mode 0.
struct IntervalTimer {
    command: Port<u8>,
    count: Port<u8>,
    channel: Channel,
}

/// Which channel, and how its output is seen, which rises when it has counted to zero.
enum Channel {
    /// Channel 2, while its gate is open. Port 61h gates it (bit 0), keeps it off the speaker (bit 1) and
    /// shows its output (bit 5). It belongs to nobody else, but a machine without a speaker may lack the port.
    Gated { port: Port<u8>, before: u8 },
    /// Channel 0, whose gate is always open. It would interrupt, if interrupts were ever enabled.
    Ungated,
}

impl Channel {
    const fn number(&self) -> u8 {
        match self {
            Self::Gated { .. } => 2,
            Self::Ungated => 0,
        }
    }
}

impl IntervalTimer {
    const GATE: u8 = 1 << 0;
    const SPEAKER: u8 = 1 << 1;
    const OUTPUT: u8 = 1 << 5;
    /// Above a channel's number: low octet then high, mode 0, binary.
    const COUNT_DOWN: u8 = 0b0011_0000;
    /// Above a channel's number: hold the count until it was read. All zeros.
    const LATCH: u8 = 0;
    const CHANNEL_SHIFT: u8 = 6;
    /// Read-back: hold the status of channel 0 until it was read. The highest bit there is the output.
    const LATCH_STATUS: u8 = 0b1110_0010;
    const STATUS_OUTPUT: u8 = 1 << 7;

    /// `None` when there is no timer: where nothing answers, the output is high.
    fn start() -> Option<Self> {
        let mut port = Port::new(0x61);
        // SAFETY: this is the timer's gate on every PC, and reading it has no effect.
        let before = unsafe { port.read() };
        Self::of(Channel::Gated { port, before }).or_else(|| Self::of(Channel::Ungated))
    }

    fn of(channel: Channel) -> Option<Self> {
        let mut timer = Self {
            command: Port::new(0x43),
            count: Port::new(0x40 + u16::from(channel.number())),
            channel,
        };
        timer.restart();
        (!timer.has_ended()).then_some(timer)
    }

    /// Counts down from 65,535 again: 55 ms.
    fn restart(&mut self) {
        let command = self.channel.number() << Self::CHANNEL_SHIFT | Self::COUNT_DOWN;
        // SAFETY: these are the ports of the interval timer and its gate on every PC; where there is
        // none, writes go nowhere.
        unsafe {
            if let Channel::Gated { port, before } = &mut self.channel {
                port.write(*before & !Self::SPEAKER | Self::GATE);
            }
            self.command.write(command);
            self.count.write(0xff);
            self.count.write(0xff);
        }
    }

    fn has_ended(&mut self) -> bool {
        // SAFETY: as in `restart`; the status that is read is one that was asked for.
        unsafe {
            match &mut self.channel {
                Channel::Gated { port, .. } => port.read() & Self::OUTPUT != 0,
                Channel::Ungated => {
                    self.command.write(Self::LATCH_STATUS);
                    self.count.read() & Self::STATUS_OUTPUT != 0
                }
            }
        }
    }

    fn read(&mut self) -> Reading {
        let latch = self.channel.number() << Self::CHANNEL_SHIFT | Self::LATCH;
        let before = now();
        // SAFETY: as in `restart`; the count was latched, so both halves are of one moment.
        let octets = unsafe {
            self.command.write(latch);
            [self.count.read(), self.count.read()]
        };
        let uncertainty = now() - before;
        Reading {
            count: u16::from_le_bytes(octets),
            instant: before.after(Ticks(uncertainty.0 / 2)),
            uncertainty,
        }
    }

    /// The least disturbed of several readings: an emulator's processor can be away in the middle of
    /// one for milliseconds.
    fn read_undisturbed(&mut self) -> Reading {
        let mut best = self.read();
        for _ in 1..READINGS {
            let reading = self.read();
            if reading.uncertainty < best.uncertainty {
                best = reading;
            }
        }
        best
    }

    /// How fast the time stamp counter runs, in hertz. `None` when the timer stands still, or had
    /// ended before it was read for the last time.
    fn measure(&mut self) -> Option<u64> {
        self.restart();
        let first = self.read_undisturbed();
        self.await_count(first.count)?;
        let last = self.read_undisturbed();
        if self.has_ended() {
            return None;
        }
        hertz_between(first, last)
    }

    /// Waits until the timer has counted [`PIT_TICKS`] down from `first`. `None` when it stands still.
    fn await_count(&mut self, first: u16) -> Option<()> {
        let mut seen = first;
        let mut looks = 0;
        while looks < LOOKS {
            let count = self.read().count;
            if first.wrapping_sub(count) >= PIT_TICKS {
                return Some(());
            }
            looks = if count == seen { looks + 1 } else { 0 };
            seen = count;
        }
        None
    }

    fn stop(self) {
        if let Channel::Gated { mut port, before } = self.channel {
            // SAFETY: as in `restart`; the gate is as it was found.
            unsafe { port.write(before) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(count: u16, ticks: u64) -> Reading {
        Reading {
            count,
            instant: Instant::from_ticks(ticks),
            uncertainty: Ticks(0),
        }
    }

    #[test]
    fn the_rate_is_what_was_counted_in_the_time_that_passed() {
        // 11,932 ticks of the timer are 10.000 ms.
        let first = reading(65_000, 1_000_000);
        let last = reading(65_000 - 11_932, 21_000_000);
        let hertz = hertz_between(first, last).expect("the timer moved");
        assert!(hertz.abs_diff(2_000_000_000) < 100_000, "{hertz}");
    }

    #[test]
    fn the_timer_of_acpi_counts_on_beyond_its_last_bit() {
        assert_eq!(acpi_ticks(0x00ff_fff0, 0x10), 0x20);
        let passed = Ticks(20_000_000);
        let hertz = hertz(acpi_ticks(0x00ff_0000, 0x7bd4), ACPI_HERTZ, passed);
        // 97,236 ticks are 27.164 ms.
        let hertz = hertz.expect("the timer moved");
        assert!(hertz.abs_diff(736_262_000) < 10_000, "{hertz}");
    }

    #[test]
    fn timers_are_believed_that_agree_and_of_others_the_one_of_acpi() {
        const GHZ: u64 = 1_000_000_000;
        let (pit, acpi) = (Source::IntervalTimer, Source::AcpiTimer);
        assert_eq!(choose(Some(GHZ), None), Some((GHZ, pit)));
        assert_eq!(choose(None, Some(GHZ)), Some((GHZ, acpi)));
        let near = GHZ - GHZ / 200;
        assert_eq!(choose(Some(near), Some(GHZ)), Some((near, pit)));
        for wrong in [GHZ / 2, GHZ - GHZ / 100, 2 * GHZ] {
            assert_eq!(choose(Some(wrong), Some(GHZ)), Some((GHZ, acpi)));
        }
        assert_eq!(choose(None, None), None);
    }

    #[test]
    fn a_timer_that_stands_still_gives_no_rate() {
        assert_eq!(hertz_between(reading(7, 0), reading(7, 1_000_000)), None);
    }
}
