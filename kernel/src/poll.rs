//! The loop: everything that happens after the start happens here.
//!
//! Each turn looks for frames on every port, answers a batch and rings the doorbells; then, when the
//! wire is quiet or it is overdue, it does one bounded slice of housekeeping. Nothing here waits.

use crate::Kernel;
use crate::clock;
use crate::housekeeping::Housekeeping;
use crate::memory::heap::FramePath;
use crate::ports::Port;
use pollux_net::device::Device;
use pollux_net::time::{Instant, Ticks};

/// At most this many frames of a port are answered before its doorbell rings and the next port has
/// its turn.
const BATCH: usize = 64;
/// Slices of housekeeping follow each other by this much when the wire is quiet, in nanoseconds.
const QUIET_INTERVAL: u64 = 50_000;
/// And by this much when it is not: every fifth looks for typed octets, of which the UART holds 1.4 ms.
const BUSY_INTERVAL: u64 = 220_000;

/// How often the loop went round, and how long a turn took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns {
    /// Turns.
    pub count: u64,
    /// Turns that found at least one frame.
    pub busy: u64,
    /// The longest turn.
    pub longest: Ticks,
}

/// Goes round for good.
pub fn run(kernel: &mut Kernel) -> ! {
    let rate = kernel.clock.rate();
    let quiet_interval = rate.ticks(QUIET_INTERVAL);
    let busy_interval = rate.ticks(BUSY_INTERVAL);
    let mut housekeeping = Housekeeping::new(kernel);
    let mut start = clock::now();
    let mut last_slice = start;
    loop {
        let mut answered_at = None;
        for port in &mut kernel.ports {
            let count = port.device.ready(BATCH);
            if count > 0 {
                answered_at = Some(serve(port, count, start, housekeeping.milliseconds()));
            }
        }
        let interval = match answered_at {
            Some(_) => busy_interval,
            None => quiet_interval,
        };
        // A counter that ran backwards, as after a migration, must not put slices off until it has
        // caught up.
        last_slice = last_slice.min(start);
        let end = if start - last_slice >= interval {
            last_slice = start;
            housekeeping.slice(kernel, start);
            clock::now()
        } else {
            answered_at.unwrap_or_else(clock::now)
        };
        kernel.turns.count += 1;
        kernel.turns.busy += u64::from(answered_at.is_some());
        kernel.turns.longest = kernel.turns.longest.max(end - start);
        start = end;
    }
}

/// Answers `count` frames that were seen at `seen`, and returns when the doorbells had rung. Their
/// residence is that span: the same for all, and no less than what any of them stayed.
#[inline]
fn serve(port: &mut Port, count: usize, seen: Instant, milliseconds: u32) -> Instant {
    let before = port.interface.counters().answered();
    let heap_is_off_limits = FramePath::enter();
    port.device
        .process(count, &mut port.interface.reception(seen, milliseconds));
    port.device.ring_doorbells();
    drop(heap_is_off_limits);
    let rung = clock::now();
    let answers = port.interface.counters().answered().wrapping_sub(before);
    port.interface.record_residence(rung - seen, answers);
    rung
}
