//! The loop: everything that happens after the start happens here.
//!
//! Each turn looks for frames on every port, answers a batch and rings the doorbells. What is less
//! urgent follows in bounded pieces: fragments of long answers; when nothing was answered, one in-band
//! frame; and, when the wire is quiet or it is overdue, a slice of housekeeping. Nothing here waits but
//! answers to a crowd, for more of them to share a doorbell with ([`Company`]).

use crate::Kernel;
use crate::clock;
use crate::company::Company;
use crate::housekeeping::Housekeeping;
use crate::memory::heap::FramePath;
use crate::nics::Nic;
use crate::ports::Port;
use pollux_net::device::{Batch, Device};
use pollux_net::interface::Interface;
use pollux_net::time::{Instant, Ticks};
use pollux_net::turns::Activity;

/// At most this many frames of a port are answered before its doorbell rings and the next port has
/// its turn.
const BATCH: usize = 64;
/// At most this many fragments of long answers go out of a port in a turn.
const FRAGMENTS: usize = 4;
/// At most this many in-band frames are served in a turn in which nothing was answered.
const IN_BAND: usize = 1;
/// Slices of housekeeping follow each other by this much when the wire is quiet, in nanoseconds.
const QUIET_INTERVAL: u64 = 50_000;
/// And by this much when it is not: every fifth looks for typed octets, of which the UART holds 1.4 ms.
const BUSY_INTERVAL: u64 = 220_000;

/// Goes round for good.
pub fn run(kernel: &mut Kernel) -> ! {
    let mut rest = Rest::new(kernel);
    let mut start = clock::now();
    let mut turn = Turn::default();
    loop {
        let known = rest.finish(kernel, start, &turn);
        // What can be done before the clock is read is, for no frame waits for it after it was seen.
        turn = Turn::default();
        let milliseconds = rest.housekeeping.milliseconds();
        let ports = kernel.ports.iter_mut();
        let heap_is_off_limits = FramePath::enter();
        start = known.unwrap_or_else(clock::now);
        for port in ports {
            let (interface, company) = (&mut port.interface, &mut port.company);
            let served = match &mut port.device {
                Nic::E1000(card) => serve(card, interface, company, start, milliseconds),
                Nic::Virtio(card) => serve(card, interface, company, start, milliseconds),
                Nic::Advanced(card) => serve_aside(card, interface, company, start, milliseconds),
                Nic::VirtioPacked(card) => {
                    serve_aside(card, interface, company, start, milliseconds)
                }
                Nic::VirtioLegacy(card) => {
                    serve_aside(card, interface, company, start, milliseconds)
                }
            };
            if let Some(served) = served {
                turn.done_at = Some(served.rung);
                turn.has_answers |= served.answers > 0;
            }
            if port.interface.has_large() {
                port.send_large(FRAGMENTS, start);
                turn.has_fragments = true;
            }
        }
        drop(heap_is_off_limits);
    }
}

/// What was found and done for the wire in a turn.
#[derive(Default)]
struct Turn {
    /// When the last doorbell rang that sent answers; none when there was no frame.
    done_at: Option<Instant>,
    has_answers: bool,
    has_fragments: bool,
}

/// What a turn does besides, and what is kept for it from turn to turn. All of it is one function apart, so that what
/// is between the clock and a look is short.
struct Rest {
    housekeeping: Housekeeping,
    quiet_interval: Ticks,
    busy_interval: Ticks,
    last_slice: Instant,
    in_band_turn: usize,
    /// The turn before: when it began, what it did, and whether it found frames.
    before: (Instant, Activity, bool),
}

impl Rest {
    fn new(kernel: &Kernel) -> Self {
        let rate = kernel.clock.rate();
        let start = clock::now();
        Self {
            housekeeping: Housekeeping::new(kernel),
            quiet_interval: rate.ticks(QUIET_INTERVAL),
            busy_interval: rate.ticks(BUSY_INTERVAL),
            last_slice: start,
            in_band_turn: 0,
            before: (start, Activity::Looking, false),
        }
    }

    /// Ends a turn that began at `start`, and returns when that was, if it is known without asking the clock.
    #[inline(never)]
    fn finish(&mut self, kernel: &mut Kernel, start: Instant, turn: &Turn) -> Option<Instant> {
        let is_busy = turn.done_at.is_some();
        let mut done_at = turn.done_at;
        let mut activity = match is_busy {
            true => Activity::Answering,
            false => Activity::Looking,
        };
        if turn.has_fragments {
            activity = Activity::Fragments;
            done_at = None;
        }
        if !turn.has_answers {
            self.in_band_turn += 1;
            if self.in_band_turn >= kernel.ports.len() {
                self.in_band_turn = 0;
            }
            if let Some(port) = kernel.ports.get_mut(self.in_band_turn)
                && port.device.deferred() > 0
            {
                serve_in_band(port, start, self.housekeeping.milliseconds());
                activity = Activity::InBand;
                done_at = None;
            }
        }
        // Of the turn before, whose end is known by now; and before the clock is read for the next, so that no frame
        // which that one finds stays the longer for it.
        let (began, did, was_busy) = self.before;
        kernel.turns.record(did, was_busy, began, start);
        let interval = match is_busy {
            true => self.busy_interval,
            false => self.quiet_interval,
        };
        // A counter that ran backwards, as after a migration, must not put slices off until it has
        // caught up.
        self.last_slice = self.last_slice.min(start);
        if start - self.last_slice >= interval {
            self.last_slice = start;
            activity = self.housekeeping.slice(kernel, start, !is_busy);
            done_at = None;
        }
        self.before = (start, activity, is_busy);
        done_at
    }
}

/// What came of a look that found frames.
struct Served {
    /// When the doorbells had rung.
    rung: Instant,
    answers: u64,
}

/// Answers the frames that a card has, as of `seen`, and rings the doorbells; nothing, when there is none. Their
/// residence is the span until then: the same for all, and no less than what any of them stayed.
#[inline]
fn serve(
    card: &mut impl Device,
    interface: &mut Interface,
    company: &mut Company,
    seen: Instant,
    milliseconds: u32,
) -> Option<Served> {
    let before = interface.counters().answered();
    let batch = card.process(
        Batch::of(BATCH),
        &mut interface.reception(seen, milliseconds),
    )?;
    let ringing_since = match company.is_expected() {
        true => company.gather(seen, batch, |look, batch| {
            card.process(batch, &mut interface.reception(look, milliseconds))
        }),
        false => None,
    };
    card.ring_doorbells();
    let rung = clock::now();
    let answers = interface.counters().answered().wrapping_sub(before);
    if answers > 1 || ringing_since.is_some() {
        company.expect(answers, ringing_since.map(|start| rung - start));
    }
    interface.record_residence(rung - seen, answers, milliseconds);
    Some(Served { rung, answers })
}

/// The same as a function of its own: with more of it in the loop, the loop would be slower for every card.
#[inline(never)]
fn serve_aside(
    card: &mut impl Device,
    interface: &mut Interface,
    company: &mut Company,
    seen: Instant,
    milliseconds: u32,
) -> Option<Served> {
    serve(card, interface, company, seen, milliseconds)
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
