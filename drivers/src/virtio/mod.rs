//! Network devices that hypervisors offer: virtio-net (virtio 1.2 §5.1).
//!
//! The kernel finds the device, keeps it from reaching memory, makes a [`Transport`] of it, resets it
//! with [`Quiet::reset`], lets it reach memory, and gets a [`VirtioNet`] from [`Quiet::start`]. From then
//! on the poll loop drives it as a [`Device`].
//!
//! While frames flow the driver looks at memory only, and writes a doorbell only when the device asks
//! for it. A frame is answered in the buffer in which it came. Nothing here waits, allocates or panics,
//! whatever stands in memory and registers; a device that breaks the rules, asks for a reset or stands
//! still is reset, in steps that housekeeping takes ([`VirtioNet::refresh_link`]), and goes on with the
//! same configuration.

mod attachment;
mod bring_up;
mod control;
mod error;
mod features;
mod layout;
pub mod legacy;
pub mod mmio;
#[cfg(test)]
mod model;
pub mod packed;
pub mod pci;
pub mod queue;
mod recovery;
pub mod registers;
mod rings;
mod sizes;
pub mod split;
#[cfg(test)]
mod tests;
pub mod transport;

use core::sync::atomic::{Ordering, fence};

use pollux_net::device::{BUFFER_SIZE, Batch, Device, Link, Receiver, Statistic, TransmitError};
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::MacAddress;

use crate::exchange::{self, Exchange};

pub use attachment::Attachment;
pub use bring_up::Quiet;
use control::Control;
pub use error::VirtioError;
pub use features::Features;
use queue::Virtqueue;
use recovery::Recovery;
use rings::{ReceiveRing, TransmitRing};
pub use sizes::further_memory;
use transport::Transport;

/// The queues of a network device that has one pair of them (virtio 1.2 §5.1.2).
const RECEIVE_QUEUE: u16 = 0;
const TRANSMIT_QUEUE: u16 = 1;
const CONTROL_QUEUE: u16 = 2;

/// A device at work, reached through a `T`, with queues of the format `Q`.
#[derive(Debug)]
pub struct VirtioNet<T, Q> {
    // What the poll loop touches comes first.
    receive: ReceiveRing<Q>,
    transmit: TransmitRing<Q>,
    /// Down while the device is being reset.
    link: Link,
    /// Whether the device may be using the queues.
    runs: bool,
    exchange: Exchange,
    transport: T,
    features: Features,
    control: Control<Q>,
    mac_address: MacAddress,
    /// The largest datagram that the device takes, as it said last.
    maximum_mtu: u16,
    recovery: Recovery,
}

impl<T, Q: Virtqueue> VirtioNet<T, Q> {
    /// How much of a [`crate::dma::DmaRegion`] a device needs at most, if it can be told how long its queues are; and
    /// [`further_memory`] more, if not.
    pub const MEMORY: usize = ReceiveRing::<Q>::MEMORY
        + TransmitRing::<Q>::MEMORY
        + Exchange::MEMORY
        + Control::<Q>::MEMORY;
}

impl<T: Transport, Q: Virtqueue> VirtioNet<T, Q> {
    /// Has the control queue make progress.
    fn advance_control(&mut self) {
        if self.runs && self.features.contains(Features::CTRL_VQ) && self.control.advance() {
            fence(Ordering::SeqCst);
            if self.control.queue().wants_notification() {
                self.transport.notify(CONTROL_QUEUE);
            }
        }
    }
}

impl<T: Transport, Q: Virtqueue> Device for VirtioNet<T, Q> {
    fn model(&self) -> &'static str {
        if self.transport.is_legacy() {
            "virtio-net (legacy)"
        } else if self.features.contains(Features::RING_PACKED) {
            "virtio-net (packed)"
        } else {
            "virtio-net"
        }
    }

    fn mac_address(&self) -> MacAddress {
        self.mac_address
    }

    fn maximum_mtu(&self) -> u16 {
        self.maximum_mtu
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
        let sends = self.transmit.publish();
        let receives = self.receive.publish_batch();
        if !(sends || receives) {
            return;
        }
        // The device, before it sleeps, asks to be notified and then looks at the index once more; we
        // write the index and then look whether it asked. Each must do both in that order.
        fence(Ordering::SeqCst);
        if sends && self.transmit.queue().wants_notification() {
            self.transport.notify(TRANSMIT_QUEUE);
        }
        if receives && self.receive.queue().wants_notification() {
            self.transport.notify(RECEIVE_QUEUE);
        }
    }

    /// Reads the status, too, and takes one step of what it takes to bring a device back that does not
    /// work any more.
    fn refresh_link(&mut self) -> Link {
        self.supervise();
        self.link
    }

    /// The device counts nothing for us. Its filter makes progress here.
    fn refresh_statistics(&mut self) {
        self.advance_control();
    }

    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_ {
        let refusals = Statistic {
            name: "vlan_filter_refusals",
            value: self.control.refusals(),
        };
        let recovery = self.recovery.statistics();
        self.exchange.statistics().chain([refusals]).chain(recovery)
    }

    fn can_verify_checksums(&self) -> bool {
        self.features.contains(Features::GUEST_CSUM)
    }

    /// The device goes on saying it: it is told of features in a reset only.
    fn set_checksum_verification(&mut self, on: bool) {
        self.receive.believe_checksums(on);
    }

    fn filters_vlans(&self) -> bool {
        self.features.contains(Features::CTRL_VQ) && self.control.filters_vlans()
    }

    /// The device goes on receiving meanwhile: what it is to pass is added first, what it is not to
    /// pass is taken out then.
    fn set_vlan_filter(&mut self, set: &VlanSet) {
        self.control.want(set);
        self.advance_control();
    }
}
