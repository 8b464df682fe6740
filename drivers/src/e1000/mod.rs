//! Intel's 8254x family, of which the 82540EM is what QEMU and VirtualBox emulate.
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
#[cfg(test)]
mod model;
pub mod registers;
mod ring;
mod statistics;
#[cfg(test)]
mod tests;

use pollux_net::device::{BUFFER_SIZE, Device, Link, Receiver, Statistic, TransmitError};
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::MacAddress;

pub use bring_up::Quiet;
pub use cards::{CARDS, Card};
pub use error::E1000Error;
use registers::{RDT, Registers, STATUS, Status, TDT, VFTA};
use ring::{ReceiveRing, SLOTS, TransmitRing};
pub use statistics::COUNTERS;
use statistics::Statistics;

use crate::dma::{BUFFER_STRIDE, TABLE_ALIGNMENT};
use crate::exchange::{self, Exchange};
use crate::registers::RegisterAccess;

/// A card at work, its registers behind an `R`.
#[derive(Debug)]
pub struct E1000<R> {
    // What the poll loop touches comes first.
    receive: ReceiveRing,
    transmit: TransmitRing,
    link: Link,
    exchange: Exchange,
    registers: Registers<R>,
    /// Whether the registers read as all ones last time.
    gone: bool,
    card: &'static Card,
    mac_address: MacAddress,
    /// What the card's filter table holds.
    vlans: VlanSet,
    statistics: Statistics,
}

impl<R> E1000<R> {
    /// How much of a [`crate::dma::DmaRegion`] a card needs at most: two rings, each with its
    /// buffers, what aligning the first may skip, and the backlog.
    pub const MEMORY: usize =
        2 * (TABLE_ALIGNMENT + SLOTS * BUFFER_STRIDE) + TABLE_ALIGNMENT + Exchange::MEMORY;
}

impl<R: RegisterAccess> E1000<R> {
    /// Reads the link's state and keeps it. A card that is gone is reported once, and has no link.
    fn read_link(&mut self) {
        let status = self.registers.read(STATUS);
        if status.is_gone() && !self.gone {
            log::error!(
                "{} {}: its registers read as all ones, it is gone",
                self.card.name,
                self.mac_address
            );
        }
        self.gone = status.is_gone();
        self.link = status.link();
    }
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

impl<R: RegisterAccess> Device for E1000<R> {
    fn model(&self) -> &'static str {
        self.card.name
    }

    fn mac_address(&self) -> MacAddress {
        self.mac_address
    }

    #[inline]
    fn ready(&mut self, budget: usize) -> usize {
        self.receive.ready(budget)
    }

    #[inline]
    fn process(&mut self, count: usize, receiver: &mut impl Receiver) {
        self.exchange.process(
            &mut self.receive,
            &mut self.transmit,
            self.link.up,
            count,
            receiver,
        );
    }

    fn process_deferred(&mut self, budget: usize, receiver: &mut impl Receiver) {
        self.exchange
            .process_deferred(&mut self.transmit, self.link.up, budget, receiver);
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
        if let Some(tail) = self.transmit.take_tail() {
            self.registers.write(TDT, tail);
        }
        if let Some(tail) = self.receive.take_tail() {
            self.registers.write(RDT, tail);
        }
    }

    fn refresh_link(&mut self) -> Link {
        self.read_link();
        self.link
    }

    /// One counter each time, so that it costs four register reads at most: [`COUNTERS`] calls read
    /// them all.
    fn refresh_statistics(&mut self) {
        self.statistics.read_next(&self.registers);
    }

    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        self.statistics.iter().chain(self.exchange.statistics())
    }

    /// Writes only what has changed. Neither direction stops meanwhile.
    fn set_vlan_filter(&mut self, set: &VlanSet) {
        let changes = VFTA.iter().zip(self.vlans.words_u32().zip(set.words_u32()));
        for (register, (old, new)) in changes {
            if old != new {
                self.registers.write(register, new);
                self.registers.flush();
            }
        }
        self.vlans.clone_from(set);
    }
}
