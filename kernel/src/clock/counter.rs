//! Timers that count up and never stop: that of ACPI's power management, behind an I/O port, and the high precision event
//! timer (HPET), in memory. Of the second only its counter is used, never what it can do to interrupt.

use super::{LOOKS, READINGS, hertz, now};
use crate::memory;
use core::ptr::NonNull;
use pollux_net::time::{Instant, Ticks};
use x86_64::instructions::port::Port;

/// The frequency of ACPI's timer in hertz, and which of its bits always count (ACPI 6.5 §4.8.3.3).
const ACPI_HERTZ: u64 = 3_579_545;
const ACPI_BITS: u32 = 0x00ff_ffff;

/// Registers of the HPET by offset (IA-PC HPET 1.0a §2.3): what a tick is, in femtoseconds; whether it counts; the
/// lower half of its count.
const PERIOD: usize = 0x004;
const CONFIGURATION: usize = 0x010;
const COUNT: usize = 0x0f0;
const IS_ON: u32 = 1 << 0;
/// How many octets the registers take.
const LENGTH: u64 = 0x400;
/// A tick is no longer than this (§2.3.4), and there are so many in a second.
const LONGEST_PERIOD: u32 = 0x05f5_e100;
const SECOND: u64 = 1_000_000_000_000_000;

/// How many ticks a measurement takes at least: a hundredth of those of a second, 10 ms.
const PART_OF_SECOND: u64 = 100;

/// Such a timer.
pub struct Counter {
    place: Place,
    hertz: u64,
    bits: u32,
}

/// Where its count is.
enum Place {
    Port(u16),
    Memory(NonNull<u32>),
}

impl Counter {
    /// ACPI's timer at an I/O port.
    pub const fn acpi(port: u16) -> Self {
        Self {
            place: Place::Port(port),
            hertz: ACPI_HERTZ,
            bits: ACPI_BITS,
        }
    }

    /// The HPET whose registers are at physical address `base`. Has it count, if firmware does not. `None` when nothing
    /// answers there.
    pub fn hpet(base: u64) -> Option<Self> {
        let start = NonNull::new(memory::map_registers(base, LENGTH).ok()?)?;
        // SAFETY: each offset is that of a register, which is mapped, uncached, for good.
        let [period, configuration, count] =
            unsafe { [PERIOD, CONFIGURATION, COUNT].map(|offset| start.add(offset).cast::<u32>()) };
        // SAFETY: reading has no effect; the timer counts without interrupting anybody, as far as it did before.
        let period = unsafe {
            let on = configuration.read_volatile() | IS_ON;
            let period = period.read_volatile();
            if hpet_hertz(period).is_some() {
                configuration.write_volatile(on);
            }
            period
        };
        Some(Self {
            place: Place::Memory(count),
            hertz: hpet_hertz(period)?,
            bits: u32::MAX,
        })
    }

    fn read(&mut self) -> (u32, Instant, Ticks) {
        let before = now();
        // SAFETY: firmware says that the timer is there, and reading it has no effect.
        let count = unsafe {
            match self.place {
                Place::Port(port) => Port::<u32>::new(port).read(),
                Place::Memory(count) => count.read_volatile(),
            }
        };
        let count = count & self.bits;
        let uncertainty = now() - before;
        (count, before.after(Ticks(uncertainty.0 / 2)), uncertainty)
    }

    /// The least disturbed of several readings.
    pub fn read_undisturbed(&mut self) -> (u32, Instant) {
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
    pub fn hertz_since(&mut self, first: (u32, Instant)) -> Option<u64> {
        let last = self.read_undisturbed();
        hertz(self.ticks(first.0, last.0), self.hertz, last.1 - first.1)
    }

    /// How fast the time stamp counter runs, in hertz. `None` when this timer stands still.
    pub fn measure(&mut self) -> Option<u64> {
        let first = self.read_undisturbed();
        let (mut seen, mut looks) = (first.0, 0);
        while u64::from(self.ticks(first.0, seen)) < self.hertz / PART_OF_SECOND {
            let count = self.read().0;
            looks = if count == seen { looks + 1 } else { 0 };
            if looks == LOOKS {
                return None;
            }
            seen = count;
        }
        self.hertz_since(first)
    }

    /// What it counted from one reading to another, before it came round to the first again: some seconds.
    const fn ticks(&self, first: u32, last: u32) -> u32 {
        last.wrapping_sub(first) & self.bits
    }
}

/// How often an HPET counts in a second whose ticks are so long.
fn hpet_hertz(period: u32) -> Option<u64> {
    (1..=LONGEST_PERIOD)
        .contains(&period)
        .then(|| SECOND / u64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_of_acpi_counts_on_beyond_its_last_bit() {
        let timer = Counter::acpi(0x608);
        assert_eq!(timer.ticks(0x00ff_fff0, 0x10), 0x20);
        let passed = Ticks(20_000_000);
        let hertz = hertz(timer.ticks(0x00ff_0000, 0x7bd4), ACPI_HERTZ, passed);
        // 97,236 ticks are 27.164 ms.
        let hertz = hertz.expect("the timer moved");
        assert!(hertz.abs_diff(736_262_000) < 10_000, "{hertz}");
    }

    #[test]
    fn an_hpet_says_how_long_a_tick_is_and_nothing_is_no_hpet() {
        // QEMU's has ticks of 10 ns, most chipsets' of 69.841279 ns.
        assert_eq!(hpet_hertz(10_000_000), Some(100_000_000));
        assert_eq!(hpet_hertz(69_841_279), Some(14_318_179));
        assert_eq!(hpet_hertz(0), None);
        assert_eq!(hpet_hertz(u32::MAX), None);
    }
}
