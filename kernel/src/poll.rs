//! The loop: everything that happens after the start happens here.
//!
//! Each turn looks for frames on every port, answers a batch and rings the doorbells. What is less
//! urgent follows in bounded pieces: fragments of long answers; when nothing was answered, one in-band
//! frame; and, when the wire is quiet or it is overdue, a slice of housekeeping. Nothing here waits.

use crate::Kernel;
use crate::clock;
use crate::housekeeping::Housekeeping;
use crate::memory::heap::FramePath;
use crate::nics::Nic;
use crate::ports::Port;
use pollux_net::device::Device;
use pollux_net::interface::Interface;
use pollux_net::time::Instant;
use pollux_net::turns::Activity;

/// At most this many frames of a port are answered before its doorbell rings and the next port has
/// its turn.
const BATCH: usize = 64;
/// At most this many fragments of long answers go out of a port in a turn.
const FRAGMENTS: usize = 4;
/// At most this many in-band frames are served in a turn in which nothing was answered.
const IN_BAND: usize = 1;
/// After several frames were answered at once, more are on their way: this many empty looks are made leisurely,
/// so that they come together and share a doorbell. Who asks one at a time is not made to wait.
const PATIENCE: u32 = 16;
/// Slices of housekeeping follow each other by this much when the wire is quiet, in nanoseconds.
const QUIET_INTERVAL: u64 = 50_000;
/// And by this much when it is not: every fifth looks for typed octets, of which the UART holds 1.4 ms.
const BUSY_INTERVAL: u64 = 220_000;

/// Goes round for good.
pub fn run(kernel: &mut Kernel) -> ! {
    let rate = kernel.clock.rate();
    let quiet_interval = rate.ticks(QUIET_INTERVAL);
    let busy_interval = rate.ticks(BUSY_INTERVAL);
    let mut housekeeping = Housekeeping::new(kernel);
    let mut start = clock::now();
    let mut before = (start, Activity::Looking, false);
    let mut last_slice = start;
    let mut in_band_turn = 0;
    let mut patience = 0;
    loop {
        let milliseconds = housekeeping.milliseconds();
        let mut answers = 0;
        let mut is_busy = false;
        let mut activity = Activity::Looking;
        // When what has been done so far in this turn was done, if that is known.
        let mut done_at = None;
        for port in &mut kernel.ports {
            let before = port.interface.counters().answered();
            let interface = &mut port.interface;
            let served = match &mut port.device {
                Nic::E1000(card) => serve(card, interface, start, milliseconds),
                Nic::Virtio(card) => serve(card, interface, start, milliseconds),
                Nic::Advanced(card) => serve_aside(card, interface, start, milliseconds),
                Nic::VirtioPacked(card) => serve_aside(card, interface, start, milliseconds),
            };
            if served.is_some() {
                done_at = served;
                is_busy = true;
                activity = Activity::Answering;
                answers += port.interface.counters().answered() - before;
            }
            if port.interface.has_large() {
                port.send_large(FRAGMENTS, start);
                activity = Activity::Fragments;
                done_at = None;
            }
        }
        if answers > 1 {
            patience = PATIENCE;
        } else if !is_busy && patience > 0 {
            patience -= 1;
            core::hint::spin_loop();
        }
        if answers == 0 {
            in_band_turn += 1;
            if in_band_turn >= kernel.ports.len() {
                in_band_turn = 0;
            }
            if let Some(port) = kernel.ports.get_mut(in_band_turn)
                && port.device.deferred() > 0
            {
                serve_in_band(port, start, milliseconds);
                activity = Activity::InBand;
                done_at = None;
            }
        }
        // Of the turn before, whose end is known by now; and before the clock is read for the next, so that no frame
        // which that one finds stays the longer for it.
        let (began, did, was_busy) = before;
        kernel.turns.record(did, was_busy, began, start);
        let interval = if is_busy {
            busy_interval
        } else {
            quiet_interval
        };
        // A counter that ran backwards, as after a migration, must not put slices off until it has
        // caught up.
        last_slice = last_slice.min(start);
        let end = if start - last_slice >= interval {
            last_slice = start;
            activity = housekeeping.slice(kernel, start, !is_busy);
            clock::now()
        } else {
            done_at.unwrap_or_else(clock::now)
        };
        before = (start, activity, is_busy);
        start = end;
    }
}

/// Answers the frames that a card has, as of `seen`, and returns when the doorbells had rung; nothing, when there
/// is none. Their residence is that span: the same for all, and no less than what any of them stayed.
#[inline]
fn serve(
    card: &mut impl Device,
    interface: &mut Interface,
    seen: Instant,
    milliseconds: u32,
) -> Option<Instant> {
    let count = card.ready(BATCH);
    if count == 0 {
        return None;
    }
    let before = interface.counters().answered();
    let heap_is_off_limits = FramePath::enter();
    card.process(count, &mut interface.reception(seen, milliseconds));
    card.ring_doorbells();
    drop(heap_is_off_limits);
    let rung = clock::now();
    let answers = interface.counters().answered().wrapping_sub(before);
    interface.record_residence(rung - seen, answers, milliseconds);
    Some(rung)
}

/// The same as a function of its own: with more of it in the loop, the loop would be slower for every card.
#[inline(never)]
fn serve_aside(
    card: &mut impl Device,
    interface: &mut Interface,
    seen: Instant,
    milliseconds: u32,
) -> Option<Instant> {
    serve(card, interface, seen, milliseconds)
}

/// Serves in-band frames, whose time is nobody's concern.
#[inline(never)]
fn serve_in_band(port: &mut Port, now: Instant, milliseconds: u32) {
    let heap_is_off_limits = FramePath::enter();
    port.device.process_deferred(
        IN_BAND,
        &mut port.interface.deferred_reception(now, milliseconds),
    );
    port.device.ring_doorbells();
    drop(heap_is_off_limits);
}
