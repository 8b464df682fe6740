//! The card's own counters.
//!
//! A counter clears when it is read, so there is one reader, and it adds up. That reader must stay
//! cheap, since it runs between frames: each turn it takes up one counter, in rotation.
//!
//! Some models of the card (QEMU's, for most error counters) do not clear on reading. So a counter
//! that is not zero is read a second time: one that clears now holds only what has happened in
//! between, one that does not holds at least what it held before.

use pollux_net::device::Statistic;

use super::registers::Registers;
use crate::registers::RegisterAccess;
use crate::supervision::is_to_be_said;

/// Where one counter is, and its name as `ethtool -S` prints it.
struct Counter {
    name: &'static str,
    offset: u32,
    /// Whether there is an upper half behind it, which clears both.
    wide: bool,
}

const fn counter(name: &'static str, offset: u32) -> Counter {
    Counter {
        name,
        offset,
        wide: false,
    }
}

const fn wide_counter(name: &'static str, offset: u32) -> Counter {
    Counter {
        name,
        offset,
        wide: true,
    }
}

/// How many counters there are: how many turns until all have been read.
pub const COUNTERS: usize = TABLE.len();

/// Sections of the 82540EM SDM stand behind each.
const TABLE: [Counter; 22] = [
    counter("rx_packets", 0x4074),             // GPRC, §13.7.27
    counter("tx_packets", 0x4080),             // GPTC, §13.7.30
    wide_counter("rx_bytes", 0x4088),          // GORCL and GORCH, §13.7.31
    wide_counter("tx_bytes", 0x4090),          // GOTCL and GOTCH, §13.7.32
    counter("rx_broadcast", 0x4078),           // BPRC, §13.7.28
    counter("rx_multicast", 0x407c),           // MPRC, §13.7.29
    counter("rx_missed_errors", MISSED),       // MPC, §13.7.5
    counter("rx_no_buffer_count", 0x40a0),     // RNBC, §13.7.33
    counter("rx_crc_errors", 0x4000),          // CRCERRS, §13.7.1
    counter("rx_align_errors", 0x4004),        // ALGNERRC, §13.7.2
    counter("rx_errors", 0x400c),              // RXERRC, §13.7.4
    counter("rx_length_errors", 0x4040),       // RLEC, §13.7.15
    counter("rx_short_length_errors", 0x40a4), // RUC, §13.7.34
    counter("rx_long_length_errors", 0x40ac),  // ROC, §13.7.36
    counter("rx_flow_control_xon", 0x4048),    // XONRXC, §13.7.16
    counter("rx_flow_control_xoff", 0x4050),   // XOFFRXC, §13.7.18
    counter("tx_flow_control_xon", 0x404c),    // XONTXC, §13.7.17
    counter("tx_flow_control_xoff", 0x4054),   // XOFFTXC, §13.7.19
    counter("tx_deferred_ok", 0x4030),         // DC, §13.7.11
    counter("tx_carrier_errors", 0x4034),      // TNCRS, §13.7.12
    counter("collisions", 0x4028),             // COLC, §13.7.10
    counter("tx_abort_late_coll", 0x4020),     // LATECOL, §13.7.9
];

/// Sums of the card's counters, and what is needed to go on adding up.
#[derive(Debug)]
pub struct Statistics {
    sums: [u64; COUNTERS],
    /// What counters that do not clear held when they were read last.
    held: [u64; COUNTERS],
    /// Which counter's turn it is.
    next: usize,
    /// How often frames had found no room.
    overruns: u64,
}

/// Where the card counts frames for which it had no room, whatever the cause: that no descriptor was free, or that it could
/// not reach memory in time.
const MISSED: u32 = 0x4010;

impl Statistics {
    /// Starts from zero: whatever the counters hold, which after power-on can be anything
    /// (82540EM SDM §13.7), is not counted. To be called while the card neither receives nor sends.
    pub fn start<R: RegisterAccess>(registers: &Registers<R>) -> Self {
        let mut statistics = Self {
            sums: [0; COUNTERS],
            held: [0; COUNTERS],
            next: 0,
            overruns: 0,
        };
        for _ in 0..COUNTERS {
            statistics.read_next(registers);
        }
        statistics.sums = [0; COUNTERS];
        statistics.overruns = 0;
        statistics
    }

    /// Takes up one counter; at most four register reads. Returns how many frames were lost for want of
    /// room, when that is to be said.
    pub fn read_next<R: RegisterAccess>(&mut self, registers: &Registers<R>) -> Option<u64> {
        let mut counters = TABLE.iter().zip(&mut self.sums).zip(&mut self.held);
        let mut overrun = None;
        if let Some(((counter, sum), held)) = counters.nth(self.next) {
            let events = counter.events(registers, held);
            *sum = sum.saturating_add(events);
            overrun = (counter.offset == MISSED && events > 0).then_some(events);
        }
        self.next = (self.next + 1) % COUNTERS;
        self.overruns = self.overruns.saturating_add(overrun.is_some().into());
        overrun.filter(|_| is_to_be_said(self.overruns))
    }

    /// The sums.
    pub fn iter(&self) -> impl Iterator<Item = Statistic> + '_ {
        TABLE
            .iter()
            .zip(&self.sums)
            .map(|(counter, &value)| Statistic {
                name: counter.name,
                value,
            })
    }
}

impl Counter {
    /// Events since the counter was read last.
    fn events<R: RegisterAccess>(&self, registers: &Registers<R>, held: &mut u64) -> u64 {
        let Some(first) = self.read(registers).filter(|&value| value != 0) else {
            return 0;
        };
        let Some(second) = self.read(registers) else {
            return 0;
        };
        if second < first {
            *held = 0;
            first.saturating_add(second)
        } else {
            second.saturating_sub(core::mem::replace(held, second))
        }
    }

    /// What the counter holds; nothing where all ones say that the card is gone. (A counter that
    /// stuck at its maximum reads the same, and is lost: it has not been read for hours, then.)
    fn read<R: RegisterAccess>(&self, registers: &Registers<R>) -> Option<u64> {
        let low = registers.0.read(self.offset);
        let high = if self.wide {
            registers.0.read(self.offset + 4)
        } else {
            0
        };
        (low != u32::MAX).then_some(u64::from(high) << 32 | u64::from(low))
    }
}
