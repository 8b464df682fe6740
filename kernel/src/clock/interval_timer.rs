//! The interval timer (Intel 8254 data sheet), which nearly every PC and emulator has, counting down.

use super::{LOOKS, READINGS, hertz, now};
use pollux_net::time::{Instant, Ticks};
use x86_64::instructions::port::Port;

/// The interval timer's frequency in hertz: a twelfth of the NTSC colour clock's fourfold.
const HERTZ: u64 = 1_193_182;
/// How many of the interval timer's ticks a measurement takes at least: 10 ms.
const TICKS: u16 = 11_932;

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
    hertz(counted.into(), HERTZ, last.instant - first.instant)
}

/// A channel of the interval timer (Intel 8254 data sheet) that counts down in mode 0.
pub struct IntervalTimer {
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
    pub fn start() -> Option<Self> {
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
    pub fn measure(&mut self) -> Option<u64> {
        self.restart();
        let first = self.read_undisturbed();
        self.await_count(first.count)?;
        let last = self.read_undisturbed();
        if self.has_ended() {
            return None;
        }
        hertz_between(first, last)
    }

    /// Waits until the timer has counted [`TICKS`] down from `first`. `None` when it stands still.
    fn await_count(&mut self, first: u16) -> Option<()> {
        let mut seen = first;
        let mut looks = 0;
        while looks < LOOKS {
            let count = self.read().count;
            if first.wrapping_sub(count) >= TICKS {
                return Some(());
            }
            looks = if count == seen { looks + 1 } else { 0 };
            seen = count;
        }
        None
    }

    pub fn stop(self) {
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
    fn a_timer_that_stands_still_gives_no_rate() {
        assert_eq!(hertz_between(reading(7, 0), reading(7, 1_000_000)), None);
    }
}
