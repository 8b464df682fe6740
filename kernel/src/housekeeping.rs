//! What has to be done besides frames, in slices that each take a bounded time: the console, the
//! trace, the state of the link, the card's own counters, what is sent without having been asked for.

use crate::Kernel;
use crate::console::Session;
use crate::serial;
use pollux_net::device::Device;
use pollux_net::time::{Instant, Ticks};

/// The link is looked at this often, in nanoseconds.
const LINK_INTERVAL: u64 = 50_000_000;
/// One of the card's counters is read this often, in nanoseconds: there are some twenty, so each has its
/// turn twice a second, long before any that counts to 2^32 at line rate can be full.
const STATISTICS_INTERVAL: u64 = 20_000_000;

/// What a slice does.
#[derive(Clone, Copy)]
enum Chore {
    Input,
    Print,
    Output,
    Device,
    Send,
}

/// Something that is due again and again.
struct Timer {
    interval: Ticks,
    due: Instant,
}

impl Timer {
    /// Due at once, and then each `interval`.
    const fn new(interval: Ticks) -> Self {
        Self {
            interval,
            due: Instant::from_ticks(0),
        }
    }

    /// Whether it is due; if so, it will be again after its interval. A clock that ran backwards, as
    /// after a migration, puts nothing off for longer than that.
    fn is_due(&mut self, now: Instant) -> bool {
        let next = now.after(self.interval);
        if now < self.due && self.due <= next {
            return false;
        }
        self.due = next;
        true
    }
}

/// What is due next.
pub struct Housekeeping {
    chore: Chore,
    session: Session,
    milliseconds: u32,
    /// The port whose card is looked at next.
    port: usize,
    /// The port whose stack has the next turn to send.
    sender: usize,
    link: Timer,
    statistics: Timer,
}

impl Housekeeping {
    /// Everything is due.
    pub fn new(kernel: &Kernel) -> Self {
        let rate = kernel.clock.rate();
        // A slice looks at one card, so that its length does not depend on how many there are.
        let cards = kernel.ports.len().max(1) as u64;
        Self {
            chore: Chore::Input,
            session: Session::new(kernel),
            milliseconds: 0,
            port: 0,
            sender: 0,
            link: Timer::new(rate.ticks(LINK_INTERVAL / cards)),
            statistics: Timer::new(rate.ticks(STATISTICS_INTERVAL / cards)),
        }
    }

    /// Milliseconds since the start, as of the last slice; wraps after 49 days.
    pub const fn milliseconds(&self) -> u32 {
        self.milliseconds
    }

    /// Does one slice.
    pub fn slice(&mut self, kernel: &mut Kernel, now: Instant) {
        self.milliseconds = (kernel.clock.since_start(now) / 1_000_000) as u32;
        self.chore = match self.chore {
            Chore::Input => {
                self.session.input();
                Chore::Print
            }
            Chore::Print => {
                self.session.print(kernel, now);
                Chore::Output
            }
            Chore::Output => {
                serial::with(serial::Serial::drain);
                Chore::Device
            }
            Chore::Device => {
                self.device(kernel, now);
                Chore::Send
            }
            Chore::Send => {
                self.send(kernel, now);
                Chore::Input
            }
        };
    }

    /// Lets one card's stack say what it has to say on its own.
    fn send(&mut self, kernel: &mut Kernel, now: Instant) {
        self.sender = (self.sender + 1) % kernel.ports.len().max(1);
        if let Some(port) = kernel.ports.get_mut(self.sender) {
            port.send_due(now);
        }
    }

    /// Looks at one card: at its link, or at one of its counters, when that is due.
    fn device(&mut self, kernel: &mut Kernel, now: Instant) {
        let (link_is_due, statistics_are_due) =
            (self.link.is_due(now), self.statistics.is_due(now));
        if !link_is_due && !statistics_are_due {
            return;
        }
        self.port = (self.port + 1) % kernel.ports.len().max(1);
        let Some(port) = kernel.ports.get_mut(self.port) else {
            return;
        };
        if statistics_are_due {
            port.device.refresh_statistics();
        }
        if link_is_due {
            port.refresh_link();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_at_once_and_then_after_each_interval() {
        let mut timer = Timer::new(Ticks(10));
        let due: Vec<u64> = (100..130)
            .filter(|&ticks| timer.is_due(Instant::from_ticks(ticks)))
            .collect();
        assert_eq!(due, [100, 110, 120]);
    }

    #[test]
    fn a_clock_that_ran_backwards_puts_nothing_off() {
        let mut timer = Timer::new(Ticks(10));
        assert!(timer.is_due(Instant::from_ticks(1_000_000)));
        assert!(timer.is_due(Instant::from_ticks(5)));
        assert!(!timer.is_due(Instant::from_ticks(6)));
        assert!(timer.is_due(Instant::from_ticks(15)));
    }
}
