//! One record per answered echo request, kept until somebody prints it.
//!
//! EVL's `oob-net-icmp` prints a line per reply, and its page warns that a slow terminal then blocks
//! the responder. Here the frame path only stores a record in a bounded ring; the console prints it
//! when the wire is quiet, and a full ring drops the record and counts it.

use crate::wire::ethernet::{EtherType, MacAddress};
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

/// The records that wait to be printed, and whether new ones are made.
#[derive(Debug, Default)]
pub struct Trace {
    enabled: bool,
    next: u64,
    dropped: u64,
    records: Deque<TraceRecord, CAPACITY>,
}

impl Trace {
    /// Off, with nothing recorded.
    pub const fn new() -> Self {
        Self {
            enabled: false,
            next: 0,
            dropped: 0,
            records: Deque::new(),
        }
    }

    /// Starts or stops recording. Starting counts from 0 again, unless it was on already.
    pub fn set_enabled(&mut self, enabled: bool) {
        if enabled && !self.enabled {
            self.next = 0;
        }
        self.enabled = enabled;
    }

    /// Whether replies are recorded.
    #[inline]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Records that could not be kept because nobody printed the ones before them in time.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether records wait to be taken.
    pub fn is_waiting(&self) -> bool {
        !self.records.is_empty()
    }

    /// The oldest record that was not taken yet.
    pub fn take(&mut self) -> Option<TraceRecord> {
        self.records.pop_front()
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_the_newest_and_counts_it() {
        let mut trace = Trace::new();
        trace.set_enabled(true);
        for _ in 0..CAPACITY + 3 {
            trace.record(84, 2, MacAddress([2; 6]));
        }
        assert_eq!(trace.dropped(), 3);
        assert_eq!(trace.take().map(|record| record.sequence), Some(0));
        trace.record(84, 2, MacAddress([2; 6]));
        let last = core::iter::from_fn(|| trace.take()).last();
        assert_eq!(
            last.map(|record| record.sequence),
            Some(CAPACITY as u64 + 3)
        );
    }

    #[test]
    fn starting_again_counts_from_zero_but_turning_on_twice_does_not() {
        let mut trace = Trace::new();
        trace.set_enabled(true);
        trace.record(84, 2, MacAddress([2; 6]));
        trace.set_enabled(true);
        trace.record(84, 2, MacAddress([2; 6]));
        trace.set_enabled(false);
        trace.set_enabled(true);
        trace.record(84, 2, MacAddress([2; 6]));
        let sequences: [Option<u64>; 3] =
            core::array::from_fn(|_| trace.take().map(|record| record.sequence));
        assert_eq!(sequences, [Some(0), Some(1), Some(0)]);
    }
}
