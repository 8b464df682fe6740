//! Whether a measurement was disturbed: how much of the processors other programs took meanwhile.
//!
//! Whoever polls is hit hardest by them, for it never sleeps and so is never the next to run. A
//! measurement of a busy machine would therefore be unfair, even with everybody in turn.

use std::time::{Duration, Instant};
use std::{fs, thread};

/// Ticks in which Linux counts processor time, a second (proc(5); 100 for every program).
const TICKS_PER_SECOND: f64 = 100.0;
/// The share of one processor that others may take.
pub const TOLERATED: f64 = 0.1;
/// How long is waited for a better moment, each time.
const PAUSE: Duration = Duration::from_millis(250);

/// Repeats what others disturbed, for as long as there is patience.
pub struct Quiet {
    share: Duration,
    patience: Duration,
    /// Measurements that were kept although they were disturbed.
    pub disturbed: u64,
}

impl Quiet {
    /// Repeats for `share` in each round at most, and for what was left over in those before.
    pub const fn new(share: Duration) -> Self {
        Self {
            share,
            patience: Duration::ZERO,
            disturbed: 0,
        }
    }

    /// Begins a round. There is patience for it from now on.
    pub fn begin_round(&mut self) {
        self.patience += self.share;
    }

    /// Does `measure` until nobody but this program and `processes` took much of the processors
    /// meanwhile. Returns the result, and the share of a processor that others took.
    pub fn measure<T>(&mut self, processes: &[u32], mut measure: impl FnMut() -> T) -> (T, f64) {
        let mut least: Option<(T, f64)> = None;
        loop {
            let (start, before) = (Instant::now(), others(processes));
            let result = measure();
            let ticks = others(processes) - before;
            let share = (ticks / TICKS_PER_SECOND / start.elapsed().as_secs_f64()).max(0.0);
            if least.as_ref().is_none_or(|(_, least)| share < *least) {
                least = Some((result, share));
            }
            // Less than two ticks cannot be told from none.
            let is_quiet = share <= TOLERATED || ticks < 2.0;
            if (is_quiet || self.patience.is_zero())
                && let Some(least) = least.take()
            {
                self.disturbed += u64::from(!is_quiet);
                // What cannot be told from none is none.
                return if is_quiet {
                    (least.0, least.1.min(TOLERATED))
                } else {
                    least
                };
            }
            thread::sleep(PAUSE);
            self.patience = self.patience.saturating_sub(start.elapsed());
        }
    }
}

/// Ticks that other programs took so far, and the hypervisor below. What the kernel does for the
/// network on nobody's account is not among them.
fn others(processes: &[u32]) -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let total = stat.lines().next().unwrap_or_default();
    let total: Vec<f64> = numbers(total.trim_start_matches("cpu"));
    // user, nice, system, idle, iowait, irq, softirq, steal
    let all: f64 = [0, 1, 2, 7]
        .iter()
        .filter_map(|&index| total.get(index))
        .sum();
    let own = processes.iter().copied().chain([std::process::id()]);
    all - own.map(ticks_of).sum::<f64>()
}

fn ticks_of(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; user and system time are the 12th and 13th behind it.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let times = rest.split_whitespace().skip(11).take(2);
    times.filter_map(|time| time.parse::<f64>().ok()).sum()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_is_told_from_that_of_others() {
        let start = Instant::now();
        let before = ticks_of(std::process::id());
        while start.elapsed() < Duration::from_millis(200) {}
        assert!(ticks_of(std::process::id()) > before);
    }

    #[test]
    fn without_patience_the_first_result_is_taken() {
        let mut rounds = 0;
        let ((), share) = Quiet::new(Duration::ZERO).measure(&[], || rounds += 1);
        assert!(share >= 0.0);
        assert_eq!(rounds, 1);
    }
}
