//! What has to be done besides frames, in slices that each take a bounded time: the console, the
//! trace, the state of the link, the card's own counters, what is sent without having been asked for.

use crate::console::{self, Session};
use crate::{Kernel, screen, seats, serial, watchdog};
use pollux_net::device::Device;
use pollux_net::time::{Instant, Ticks};
use pollux_net::turns::Activity;

/// The link is looked at this often, in nanoseconds.
const LINK_INTERVAL: u64 = 50_000_000;
/// One of the card's counters is read this often, in nanoseconds: there are some twenty, so each has its
/// turn twice a second, long before any that counts to 2^32 at line rate can be full.
const STATISTICS_INTERVAL: u64 = 20_000_000;

/// The page on the screen is written anew this often, in nanoseconds.
const PAGE_INTERVAL: u64 = 1_000_000_000;

/// When nothing at all was done for this long, in nanoseconds, that is said: no turn of ours takes it, so somebody
/// held the machine up.
const STANDSTILL: u64 = 1_000_000_000;

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

/// Notices when the machine stood still: a hypervisor that was stopped, or a host with much else to do. Frames that
/// came meanwhile may be lost, and no configuration is.
struct Continuity {
    limit: Ticks,
    last: Option<Instant>,
    standstills: u64,
}

impl Continuity {
    const fn new(limit: Ticks) -> Self {
        Self {
            limit,
            last: None,
            standstills: 0,
        }
    }

    /// Takes note of the time. Returns how long nothing was done, if that was too long. A clock that ran backwards
    /// says nothing of that.
    fn interruption(&mut self, now: Instant) -> Option<Ticks> {
        let gap = now - self.last.replace(now)?;
        (gap >= self.limit).then(|| {
            self.standstills = self.standstills.saturating_add(1);
            gap
        })
    }
}

/// Something that each port has a turn at, again and again. Each such thing has rounds of its own: with one
/// turn for two of them they could fall into step, and one port never have a turn at one of them.
struct Rounds {
    timer: Timer,
    port: usize,
}

impl Rounds {
    /// Each of `ports` ports has its turn once in an interval.
    fn new(interval: Ticks, ports: usize) -> Self {
        Self {
            timer: Timer::new(Ticks(interval.0 / ports.max(1) as u64)),
            port: 0,
        }
    }

    /// Whose turn it is of `ports` ports, if one is due.
    fn turn(&mut self, now: Instant, ports: usize) -> Option<usize> {
        if !self.timer.is_due(now) {
            return None;
        }
        self.port = (self.port + 1) % ports.max(1);
        Some(self.port)
    }
}

/// What is due next.
pub struct Housekeeping {
    chore: Activity,
    session: Session,
    continuity: Continuity,
    milliseconds: u32,
    /// The port whose stack has the next turn to send.
    sender: usize,
    link: Rounds,
    statistics: Rounds,
    /// When the watchdog is fed, if there is one: four times in its span.
    watchdog: Option<Timer>,
    has_screen: bool,
    page: Timer,
    /// Whether the page is being written.
    writes_page: bool,
}

impl Housekeeping {
    /// Everything is due.
    pub fn new(kernel: &Kernel) -> Self {
        let rate = kernel.clock.rate();
        let ports = kernel.ports.len();
        Self {
            chore: Activity::Input,
            session: Session::new(kernel),
            continuity: Continuity::new(rate.ticks(STANDSTILL)),
            milliseconds: 0,
            sender: 0,
            link: Rounds::new(rate.ticks(LINK_INTERVAL), ports),
            statistics: Rounds::new(rate.ticks(STATISTICS_INTERVAL), ports),
            watchdog: watchdog::armed()
                .map(|(_, seconds)| Timer::new(rate.ticks(u64::from(seconds) * 1_000_000_000 / 4))),
            has_screen: screen::is_there(),
            page: Timer::new(rate.ticks(PAGE_INTERVAL)),
            writes_page: false,
        }
    }

    /// Milliseconds since the start, as of the last slice; wraps after 49 days.
    pub const fn milliseconds(&self) -> u32 {
        self.milliseconds
    }

    /// Does one slice, and says of what. The screen is only drawn when the wire is quiet.
    pub fn slice(&mut self, kernel: &mut Kernel, now: Instant, is_quiet: bool) -> Activity {
        self.milliseconds = (kernel.clock.since_start(now) / 1_000_000) as u32;
        let chore = match self.chore {
            Activity::Screen if !(is_quiet && self.has_screen) => Activity::Send,
            chore => chore,
        };
        self.chore = match chore {
            Activity::Input => {
                self.session.input();
                Activity::Print
            }
            Activity::Print => {
                self.session.print(kernel, now);
                Activity::Output
            }
            Activity::Output => {
                serial::with(serial::Serial::drain);
                Activity::Device
            }
            Activity::Device => {
                self.notice_standstill(kernel, now);
                self.device(kernel, now);
                Activity::Screen
            }
            Activity::Screen => {
                self.screen(kernel, now);
                Activity::Send
            }
            _ => {
                self.send(kernel, now);
                Activity::Input
            }
        };
        chore
    }

    /// Says when nothing was done for long.
    #[inline(never)]
    fn notice_standstill(&mut self, kernel: &Kernel, now: Instant) {
        if let Some(gap) = self.continuity.interruption(now) {
            log::warn!(
                "the machine stood still for {} ms: time {} since the start",
                kernel.clock.rate().nanoseconds(gap) / 1_000_000,
                self.continuity.standstills
            );
        }
    }

    /// Lets one card's stack say what it has to say on its own.
    fn send(&mut self, kernel: &mut Kernel, now: Instant) {
        self.sender = (self.sender + 1) % kernel.ports.len().max(1);
        if let Some(port) = kernel.ports.get_mut(self.sender) {
            port.send_due(now);
        }
    }

    /// Writes a line of the page on the screen, when that is due, or draws a little.
    fn screen(&mut self, kernel: &Kernel, now: Instant) {
        self.writes_page |= self.page.is_due(now);
        if self.writes_page {
            self.writes_page =
                console::with_view(kernel, now, console::Shown::default(), screen::page_line);
        } else {
            screen::draw();
        }
    }

    /// Feeds the watchdog, looks at one card's link and reads one counter of one card, when that is due: how long it takes does not
    /// depend on how many there are.
    fn device(&mut self, kernel: &mut Kernel, now: Instant) {
        if self
            .watchdog
            .as_mut()
            .is_some_and(|timer| timer.is_due(now))
        {
            watchdog::feed();
        }
        let ports = &mut kernel.ports;
        let counted = self.statistics.turn(now, ports.len());
        if let Some(port) = counted.and_then(|index| ports.get_mut(index))
            && !port.seat.is_away()
        {
            port.device.refresh_statistics();
        }
        let looked_at = self.link.turn(now, ports.len());
        if let Some(index) = looked_at {
            seats::look_after(ports, index);
            if let Some(port) = ports.get_mut(index) {
                port.refresh_link();
            }
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

    #[test]
    fn a_machine_that_stood_still_is_noticed_and_a_clock_that_ran_backwards_is_not() {
        let mut continuity = Continuity::new(Ticks(100));
        let found: Vec<_> = [1_000, 1_099, 1_198, 1_298, 5_000, 17, 18, 200]
            .map(|now| continuity.interruption(Instant::from_ticks(now)))
            .into();
        let expected = [
            None,
            None,
            None,
            Some(100),
            Some(3_702),
            None,
            None,
            Some(182),
        ];
        assert_eq!(found, expected.map(|gap| gap.map(Ticks)));
        assert_eq!(continuity.standstills, 3);
    }

    #[test]
    fn every_port_has_its_turn_at_everything() {
        for ports in 1..=8 {
            // Intervals that fall into step with each other: 5 to 2, as the real ones.
            let mut link = Rounds::new(Ticks(5_000 * ports as u64), ports);
            let mut statistics = Rounds::new(Ticks(2_000 * ports as u64), ports);
            let (mut linked, mut counted) = (vec![0; ports], vec![0; ports]);
            for now in (0..100_000 * ports as u64).step_by(1_000) {
                let now = Instant::from_ticks(1_000_000 + now);
                if let Some(port) = link.turn(now, ports) {
                    linked[port] += 1;
                }
                if let Some(port) = statistics.turn(now, ports) {
                    counted[port] += 1;
                }
            }
            assert_eq!(linked, vec![20; ports]);
            assert_eq!(counted, vec![50; ports]);
        }
    }
}
