//! What has to be done besides frames, in slices that each take a bounded time: the console, the
//! trace, the state of the link, the card's own counters.

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
}

/// What is due next.
pub struct Housekeeping {
    chore: Chore,
    session: Session,
    milliseconds: u32,
    link_interval: Ticks,
    link_due: Instant,
    statistics_interval: Ticks,
    statistics_due: Instant,
}

impl Housekeeping {
    /// Everything is due.
    pub fn new(kernel: &Kernel) -> Self {
        let rate = kernel.clock.rate();
        Self {
            chore: Chore::Input,
            session: Session::new(kernel),
            milliseconds: 0,
            link_interval: rate.ticks(LINK_INTERVAL),
            link_due: Instant::default(),
            statistics_interval: rate.ticks(STATISTICS_INTERVAL),
            statistics_due: Instant::default(),
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
                self.devices(kernel, now);
                Chore::Input
            }
        };
    }

    fn devices(&mut self, kernel: &mut Kernel, now: Instant) {
        if now >= self.link_due {
            self.link_due = now.after(self.link_interval);
            for port in &mut kernel.ports {
                let link = port.device.refresh_link();
                if link.up != port.link.up {
                    if link.up {
                        log::info!("{}: link up, {} Mbit/s", port.name(), link.speed_mbps);
                    } else {
                        log::info!("{}: link down", port.name());
                    }
                }
                port.link = link;
            }
        } else if now >= self.statistics_due {
            self.statistics_due = now.after(self.statistics_interval);
            for port in &mut kernel.ports {
                port.device.refresh_statistics();
            }
        }
    }
}
