//! One record per answered echo request, kept until somebody prints it.
//!
//! EVL's `oob-net-icmp` prints a line per reply, and its page warns that a slow terminal then blocks
//! the responder. Here the frame path only stores a record in a bounded ring; the console prints it
//! when the wire is quiet, and a full ring drops the record and counts it. Where frames are wanted too, each
//! takes the watched way through [`crate::receive`]: otherwise nothing of this costs anything.

use crate::capture::OCTETS;
use crate::wire::ethernet::{EtherType, MacAddress};
use alloc::collections::VecDeque;
use heapless::Deque;

/// How many records wait to be printed before further ones are dropped.
pub const CAPACITY: usize = 256;

/// An answered echo request, as `oob-net-icmp` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// Counts the traced replies from 0.
    pub sequence: u64,
    /// Octets of the IPv4 datagram: 84 for a default ping.
    pub octets: u16,
    /// What the frame carried.
    pub ether_type: EtherType,
    /// The number of the real device (not of the VLAN device) on which it arrived.
    pub ifindex: u32,
    /// To whom it was addressed: 0, this host (Linux `packet(7)`, `PACKET_HOST`).
    pub packet_type: u8,
    /// Who asked.
    pub source: MacAddress,
}

/// What is recorded of answered echo requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Nothing.
    #[default]
    Off,
    /// What a line tells.
    Lines,
    /// The frame too, as far as it is kept.
    Frames,
}

/// The frame of an echo request as it arrived: its VLAN tag is still in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedFrame {
    length: u16,
    octets: [u8; OCTETS],
}

impl TracedFrame {
    /// The first octets of a frame of `length` octets.
    pub const fn new(octets: &[u8; OCTETS], length: usize) -> Self {
        Self {
            length: length as u16,
            octets: *octets,
        }
    }

    /// How long the frame was, in octets without its check sequence.
    pub const fn length(&self) -> usize {
        self.length as usize
    }

    /// The first of its octets.
    pub fn octets(&self) -> &[u8] {
        let kept = self.length().min(OCTETS);
        self.octets.get(..kept).unwrap_or_default()
    }
}

/// The records that wait to be printed, and whether new ones are made.
#[derive(Debug, Default)]
pub struct Trace {
    tracing: Tracing,
    next: u64,
    dropped: u64,
    records: Deque<TraceRecord, CAPACITY>,
    /// The frame at hand, while frames are recorded.
    arrived: Option<TracedFrame>,
    /// The frames of `records`, one for each, or none.
    frames: VecDeque<TracedFrame>,
}

impl Trace {
    /// Off, with nothing recorded.
    pub const fn new() -> Self {
        Self {
            tracing: Tracing::Off,
            next: 0,
            dropped: 0,
            records: Deque::new(),
            arrived: None,
            frames: VecDeque::new(),
        }
    }

    /// Starts or stops recording. Starting counts from 0 again, unless it was on already. Recording frames
    /// allocates, once; whoever calls this sees to it that frames take the way on which they are kept.
    pub(crate) fn set(&mut self, tracing: Tracing) {
        if !self.is_enabled() {
            self.next = 0;
        }
        if tracing != self.tracing {
            // Every record that waits has a frame, or none has.
            self.records.clear();
            self.frames.clear();
            self.arrived = None;
        }
        if tracing == Tracing::Frames {
            self.frames.reserve_exact(CAPACITY);
        }
        self.tracing = tracing;
    }

    /// Whether replies are recorded.
    #[inline]
    pub const fn is_enabled(&self) -> bool {
        !matches!(self.tracing, Tracing::Off)
    }

    /// Whether their frames are, too.
    pub const fn keeps_frames(&self) -> bool {
        matches!(self.tracing, Tracing::Frames)
    }

    /// Records that could not be kept because nobody printed the ones before them in time.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether records wait to be taken.
    pub fn is_waiting(&self) -> bool {
        !self.records.is_empty()
    }

    /// The oldest record that was not taken yet, with its frame where frames are recorded.
    pub fn take(&mut self) -> Option<(TraceRecord, Option<TracedFrame>)> {
        let record = self.records.pop_front()?;
        Some((record, self.frames.pop_front()))
    }

    /// Takes note of the frame at hand, before anything is made of it. Call it only when frames are kept.
    pub(crate) const fn keep_arrived(&mut self, octets: &[u8; OCTETS], length: usize) {
        self.arrived = Some(TracedFrame::new(octets, length));
    }

    /// Records a reply of `octets` octets of IPv4 to `source`. Call it only when enabled.
    #[cold]
    pub(crate) fn record(&mut self, octets: u16, ifindex: u32, source: MacAddress) {
        let record = TraceRecord {
            sequence: self.next,
            octets,
            ether_type: EtherType::IPV4,
            ifindex,
            packet_type: 0,
            source,
        };
        self.next = self.next.wrapping_add(1);
        if self.records.push_back(record).is_err() {
            self.dropped = self.dropped.wrapping_add(1);
        } else if let Some(frame) = self.arrived.take() {
            // There is room: as many were reserved as there are records.
            self.frames.push_back(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_the_newest_and_counts_it() {
        let mut trace = Trace::new();
        trace.set(Tracing::Lines);
        for _ in 0..CAPACITY + 3 {
            trace.record(84, 2, MacAddress([2; 6]));
        }
        assert_eq!(trace.dropped(), 3);
        assert_eq!(trace.take().map(|(record, _)| record.sequence), Some(0));
        trace.record(84, 2, MacAddress([2; 6]));
        let last = core::iter::from_fn(|| trace.take()).last();
        assert_eq!(
            last.map(|(record, _)| record.sequence),
            Some(CAPACITY as u64 + 3)
        );
    }

    #[test]
    fn starting_again_counts_from_zero_but_turning_on_twice_does_not() {
        let mut trace = Trace::new();
        let next = |trace: &mut Trace| {
            trace.record(84, 2, MacAddress([2; 6]));
            trace.take().map(|(record, _)| record.sequence)
        };
        trace.set(Tracing::Lines);
        assert_eq!(next(&mut trace), Some(0));
        trace.set(Tracing::Lines);
        assert_eq!(next(&mut trace), Some(1));
        trace.set(Tracing::Off);
        trace.set(Tracing::Lines);
        assert_eq!(next(&mut trace), Some(0));
    }

    #[test]
    fn every_record_has_its_own_frame_when_some_were_dropped_too() {
        let mut trace = Trace::new();
        trace.set(Tracing::Frames);
        let reserved = trace.frames.capacity();
        for sequence in 0..CAPACITY + 3 {
            trace.keep_arrived(&[sequence as u8; OCTETS], 60);
            trace.record(84, 2, MacAddress([2; 6]));
        }
        assert_eq!(trace.frames.capacity(), reserved, "no frame allocates");
        for sequence in 0..CAPACITY {
            let (record, frame) = trace.take().expect("was kept");
            assert_eq!(record.sequence, sequence as u64);
            let frame = frame.expect("was kept");
            assert_eq!(frame.octets(), [sequence as u8; 60]);
        }
        assert_eq!(trace.take(), None);
        trace.keep_arrived(&[7; OCTETS], 60);
        trace.record(84, 2, MacAddress([2; 6]));
        trace.set(Tracing::Lines);
        assert_eq!(trace.take(), None, "a line has no frame");
    }
}
