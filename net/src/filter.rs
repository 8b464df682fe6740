//! The eBPF program that decides about the frames of a card before the VLAN rule does.
//!
//! Programs are installed and removed between turns of the poll loop, where memory may be taken and
//! given back. One that faults too often is taken out in the middle of a frame: it is put aside then, and
//! given back with the next that is installed. What its verdicts do is in [`crate::receive`].

use crate::interface::Interface;
use crate::send::Event;
use crate::time::{Instant, TickRate, Ticks};
use alloc::boxed::Box;
use pollux_ebpf::{Decision, Fault, Frame};

pub use pollux_ebpf::{DEFAULT_FAULT_LIMIT, DEFAULT_FUEL, DEFAULT_ON_FAULT};
pub use pollux_ebpf::{Filter, Map, MapDefinition, MapKind, UpdateRule, Verdict};

/// The place for a program.
#[derive(Debug, Default)]
pub(crate) struct FilterSlot {
    active: Option<Box<Filter>>,
    /// What was taken out because of its faults, and when.
    worn_out: Option<(Box<Filter>, Instant)>,
}

impl FilterSlot {
    pub const fn new() -> Self {
        Self {
            active: None,
            worn_out: None,
        }
    }

    /// Whether frames are to be shown to a program.
    #[inline(always)]
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }
}

impl Interface {
    /// Puts a program in place of the one that is there. From the next frame on it decides.
    pub fn install_filter(&mut self, filter: Box<Filter>) {
        self.filter = FilterSlot {
            active: Some(filter),
            worn_out: None,
        };
        self.watch();
    }

    /// Removes the program. Returns whether there was one.
    pub fn remove_filter(&mut self) -> bool {
        let slot = core::mem::take(&mut self.filter);
        self.list_changes = self.list_changes.wrapping_add(1);
        self.watch();
        slot.is_active()
    }

    /// The program that decides.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.active.as_deref()
    }

    /// The program that decides, so that its settings and maps can be changed.
    pub fn filter_mut(&mut self) -> Option<&mut Filter> {
        self.filter.active.as_deref_mut()
    }

    /// The program that was taken out because it faulted too often, and when, until another is installed or the place is
    /// cleared.
    pub fn worn_out_filter(&self) -> Option<(&Filter, Instant)> {
        let (filter, at) = self.filter.worn_out.as_ref()?;
        Some((filter, *at))
    }

    /// What the program says of a frame, which was seen so many ticks after the start; the VLAN rule is to
    /// decide about what is no whole Ethernet header.
    #[inline(always)]
    pub(crate) fn ask_filter(&mut self, frame: &[u8], seen: Ticks) -> Verdict {
        let slot = &mut self.filter;
        let rate = &self.rate;
        let nanoseconds = || rate.nanoseconds(seen);
        let frame = Frame::new(frame, self.ifindex);
        let (Some(filter), Some(frame)) = (slot.active.as_deref_mut(), frame) else {
            return Verdict::Vlan;
        };
        let Decision { verdict, fault } = match self.stopwatch {
            Some(stopwatch) if filter.is_next_timed() => {
                decide_timed(filter, &frame, &nanoseconds, stopwatch, rate)
            }
            _ => filter.decide(&frame, &nanoseconds),
        };
        if let Some(fault) = fault {
            self.take_out_worn(fault, seen);
        }
        verdict
    }

    /// Takes the program out if it had too many faults, of which this is the last.
    #[cold]
    #[inline(never)]
    fn take_out_worn(&mut self, last: Fault, seen: Ticks) {
        let slot = &mut self.filter;
        if let Some(filter) = slot.active.take_if(|filter| filter.is_worn_out()) {
            let faults = filter.statistics().faults;
            // Nothing was put aside, or there would be no program: nothing is given back here.
            slot.worn_out = Some((filter, Instant::from_ticks(seen.0)));
            self.events.push(Event::FilterWornOut { faults, last });
            self.list_changes = self.list_changes.wrapping_add(1);
            self.watch();
        }
    }
}

/// Decides, and takes the time of it, with one of the two readings of the clock.
#[cold]
#[inline(never)]
fn decide_timed(
    filter: &mut Filter,
    frame: &Frame<'_>,
    clock: &dyn Fn() -> u64,
    stopwatch: fn() -> Instant,
    rate: &TickRate,
) -> Decision {
    let started = stopwatch();
    let decision = filter.decide(frame, clock);
    let span = stopwatch().ticks().saturating_sub(started.ticks());
    filter.record_time(rate.nanoseconds(Ticks(span)));
    decision
}
