//! Intel's 8254x family, of which the 82540EM is what QEMU and VirtualBox emulate, and its descendants up to
//! the I350, which have the same registers and descriptors of another [`Format`].
//!
//! The kernel knows a card by [`Card::find`], keeps it from reaching memory, lets it answer at its
//! registers, resets it with [`Quiet::reset`], lets it reach memory, and gets an [`E1000`] from
//! [`Quiet::start`]. From then on the poll loop drives it as a [`Device`].
//!
//! While frames flow the driver looks at descriptors in memory only. Registers are written for
//! doorbells, at most one for each direction and turn, and read in housekeeping. A frame is answered
//! in the buffer in which it came: that buffer and a sent one change places between the rings, so that
//! nothing is copied, allocated or searched for. Nothing here may wait, and nothing may panic,
//! whatever stands in descriptors and registers.

mod bring_up;
mod cards;
mod error;
mod format;
#[cfg(test)]
mod model;
mod negotiation;
mod ownership;
mod recovery;
pub mod registers;
mod ring;
mod statistics;
#[cfg(test)]
mod tests;

use pollux_net::device::{
    BUFFER_SIZE, Batch, Device, FlowControl, Link, Receiver, Statistic, TransmitError,
};
use pollux_net::vlan::{VID_COUNT, VlanSet};
use pollux_net::wire::ethernet::MacAddress;

pub use bring_up::Quiet;
pub use cards::{CARDS, Card, Descriptors, Eeprom, Quirks};
pub use error::E1000Error;
pub use format::{Advanced, Format, Legacy};
use negotiation::Negotiation;
use recovery::Recovery;
use registers::{RDT, Registers, Status, TDT};
use ring::{ReceiveRing, SLOTS, TransmitRing};
pub use statistics::COUNTERS;
use statistics::Statistics;

use crate::dma::{BUFFER_STRIDE, TABLE_ALIGNMENT};
use crate::exchange::{self, Exchange};
use crate::registers::RegisterAccess;

/// A card at work, its registers behind an `R`, its descriptors of the form `F`.
#[derive(Debug)]
pub struct E1000<R, F = Legacy> {
    // What the poll loop touches comes first.
    receive: ReceiveRing<F>,
    transmit: TransmitRing<F>,
    /// Down while the card is gone or being reset.
    link: Link,
    /// Whether the card may be using the rings.
    runs: bool,
    exchange: Exchange,
    registers: Registers<R>,
    card: &'static Card,
    mac_address: MacAddress,
    /// What the card's filter table is to hold.
    vlans: VlanSet,
    /// The words that it holds.
    written: [u32; VLAN_WORDS],
    /// Whether that is not the same.
    filter_is_behind: bool,
    statistics: Statistics,
    recovery: Recovery,
    negotiation: Negotiation,
    flow_control: FlowControl,
}

/// Words of a card's filter table.
const VLAN_WORDS: usize = VID_COUNT / 32;
/// So many accesses to registers a piece of setting the filter table takes at most: each leaves a virtual machine.
const FILTER_ACCESSES: usize = 16;

impl<R, F> E1000<R, F> {
    /// How much of a [`crate::dma::DmaRegion`] a card needs at most: two rings, each with its
    /// buffers, what aligning the first may skip, and the backlog.
    pub const MEMORY: usize =
        2 * (TABLE_ALIGNMENT + SLOTS * BUFFER_STRIDE) + TABLE_ALIGNMENT + Exchange::MEMORY;
}

impl Status {
    /// Whether nothing answers: no card has all of these bits set.
    fn is_gone(self) -> bool {
        self.bits() == u32::MAX
    }

    /// The link as the card reports it (82540EM SDM §13.4.2).
    fn link(self) -> Link {
        if self.is_gone() || !self.contains(Self::LU) {
            return Link::default();
        }
        let speed_mbps = if self.contains(Self::SPEED_1000) {
            1000
        } else if self.contains(Self::SPEED_100) {
            100
        } else {
            10
        };
        Link {
            up: true,
            speed_mbps,
            full_duplex: self.contains(Self::FD),
        }
    }
}

impl<R: RegisterAccess, F: Format> Device for E1000<R, F> {
    fn model(&self) -> &'static str {
        self.card.name
    }

    fn mac_address(&self) -> MacAddress {
        self.mac_address
    }

    // As [`Exchange::process`].
    #[inline(always)]
    fn process(&mut self, batch: Batch, receiver: &mut impl Receiver) -> Option<Batch> {
        if !self.runs {
            return None;
        }
        self.exchange
            .process(&mut self.receive, &mut self.transmit, batch, receiver)
    }

    fn process_deferred(&mut self, budget: usize, receiver: &mut impl Receiver) {
        self.exchange
            .process_deferred(&mut self.transmit, budget, receiver);
    }

    #[inline]
    fn deferred(&self) -> usize {
        self.exchange.backlog().len()
    }

    #[inline]
    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError> {
        exchange::transmit(&mut self.transmit, self.link.up, compose)
    }

    #[inline]
    fn ring_doorbells(&mut self) {
        if !self.runs {
            return;
        }
        if let Some(tail) = self.transmit.take_tail() {
            self.registers.write(TDT, tail);
        }
        if let Some(tail) = self.receive.take_tail() {
            self.registers.write(RDT, tail);
        }
    }

    /// Takes one step, too, of what it takes to bring a card back that does not work any more.
    fn refresh_link(&mut self) -> Link {
        self.supervise();
        self.link
    }

    /// One counter each time, so that it costs four register reads at most: [`COUNTERS`] calls read
    /// them all.
    fn refresh_statistics(&mut self) {
        if let Some(missed) = self.statistics.read_next(&self.registers) {
            log::warn!(
                "{} {}: {missed} frames were lost, the card had no room for them",
                self.card.name,
                self.mac_address
            );
        }
    }

    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        let recovery = self.recovery.statistics();
        self.statistics
            .iter()
            .chain(self.exchange.statistics())
            .chain(recovery)
    }

    fn has_flow_control(&self) -> bool {
        true
    }

    fn set_flow_control(&mut self, flow_control: FlowControl) {
        if flow_control == self.flow_control {
            return;
        }
        self.flow_control = flow_control;
        if self.runs {
            bring_up::write_flow_control(&mut self.registers, flow_control);
        }
    }

    fn can_verify_checksums(&self) -> bool {
        !self.card.has(Quirks::CHECKSUMS_UNKNOWN)
    }

    /// The card goes on saying it: its register is written while its receiver is off only.
    fn set_checksum_verification(&mut self, on: bool) {
        let believes = on && self.can_verify_checksums();
        self.receive.believe_checksums(believes);
    }

    fn filters_vlans(&self) -> bool {
        true
    }

    /// Writes only what has changed. Neither direction stops meanwhile. A card that is away gets it all
    /// when it is back.
    fn set_vlan_filter(&mut self, set: &VlanSet) {
        self.vlans.clone_from(set);
        self.filter_is_behind = true;
        self.advance_vlan_filter();
    }

    fn advance_vlan_filter(&mut self) -> bool {
        // A card that is brought to work gets all of it.
        if !self.filter_is_behind || !self.runs {
            return false;
        }
        let mut left = FILTER_ACCESSES;
        let words = self.written.iter_mut().zip(self.vlans.words_u32());
        for (index, (written, wanted)) in words.enumerate() {
            if *written == wanted {
                continue;
            }
            let accesses = bring_up::vlan_word_accesses(self.card, index);
            let Some(fewer) = left.checked_sub(accesses) else {
                return true;
            };
            left = fewer;
            bring_up::write_vlan_word(self.card, &mut self.registers, index, wanted);
            *written = wanted;
        }
        self.filter_is_behind = false;
        false
    }
}
