//! From whatever state firmware left a device in to one that receives and sends.
//!
//! Two steps, so that the device is never allowed to reach memory while queues of firmware's may still
//! be live: [`Quiet::reset`] stops it; then the caller lets it reach memory, and [`Quiet::start`] gives it
//! its queues. What [`VirtioNet::attach`] does is done again after each reset.

use core::sync::atomic::{Ordering, fence};

use pollux_net::device::Link;
use pollux_net::interface::DEFAULT_MTU;
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::MacAddress;

use super::control::{Abilities, Control};
use super::error::VirtioError;
use super::features::Features;
use super::queue::Virtqueue;
use super::recovery::Recovery;
use super::rings::{ReceiveRing, TransmitRing};
use super::sizes::{room_for, size_of};
use super::transport::{Status, Transport};
use super::{CONTROL_QUEUE, RECEIVE_QUEUE, TRANSMIT_QUEUE, VirtioNet};
use crate::dma::DmaRegion;
use crate::exchange::Exchange;

/// How often the status is looked at after a reset, and how long is waited in between.
const RESET_POLLS: u32 = 1_000;
const RESET_POLL_MICROSECONDS: u32 = 100;
/// How often a configuration that changes while it is read is read again.
const GENERATION_POLLS: u32 = 10;

/// Configuration of a network device, by its offsets (virtio 1.2 §5.1.4).
mod config {
    pub const MAC: u32 = 0;
    pub const STATUS: u32 = 6;
    pub const MTU: u32 = 10;
    pub const SPEED: u32 = 12;
    pub const DUPLEX: u32 = 16;
}

/// In the configuration's status: the link is up (virtio 1.2 §5.1.4).
const LINK_UP: u16 = 1;
/// Speeds above this are not known (virtio 1.2 §5.1.4).
const FASTEST: u32 = 0x7fff_ffff;
/// The duplex that is not full; all others are, or are not known.
const HALF_DUPLEX: u8 = 0;

/// A device that has been reset: it sends nothing, receives nothing and touches no memory.
#[derive(Debug)]
pub struct Quiet<T> {
    transport: T,
    was_in_use: bool,
}

impl<T: Transport> Quiet<T> {
    /// Resets the device behind `transport`. `delay` waits for at least as many microseconds as it is
    /// given; all in all a tenth of a second at most.
    ///
    /// # Errors
    ///
    /// [`VirtioError`], when the device is not there or stays in its reset.
    pub fn reset(mut transport: T, delay: impl FnMut(u32)) -> Result<Self, VirtioError> {
        let found = transport.read_status();
        // Who has it reach memory no more takes "driver ok" from it on some hypervisors.
        let was_in_use = !found.is_gone() && found.contains(Status::DRIVER);
        transport.write_status(Status::empty());
        await_reset(&transport, delay)?;
        if was_in_use {
            log::info!("virtio-net: who had it before left it in use; it was reset");
        }
        Ok(Self {
            transport,
            was_in_use,
        })
    }

    /// Whether the device offers packed queues, so that [`Quiet::start`] may be asked for them.
    pub fn offers_packed_queues(&mut self) -> bool {
        let offered = Features::from_bits_truncate(self.transport.read_features());
        !self.transport.is_legacy() && offered.contains(Features::RING_PACKED)
    }

    /// Whether only queues that a device from before version 1.0 finds will do.
    pub fn is_legacy(&self) -> bool {
        self.transport.is_legacy()
    }

    /// Gives the device queues and buffers from `memory` and the filter `vlans`, and lets it receive and
    /// send. It must be allowed to reach memory by now.
    ///
    /// # Errors
    ///
    /// [`VirtioError`], when `memory` has no room for [`VirtioNet::MEMORY`] octets and those of
    /// [`further_memory`](super::further_memory), or the device and we do not get along.
    pub fn start<Q: Virtqueue>(
        mut self,
        memory: &mut DmaRegion,
        vlans: &VlanSet,
    ) -> Result<VirtioNet<T, Q>, VirtioError> {
        let mut room = |queue| room_for(&mut self.transport, queue);
        let mut device = VirtioNet {
            receive: ReceiveRing::new(memory, room(RECEIVE_QUEUE))?,
            transmit: TransmitRing::new(memory, room(TRANSMIT_QUEUE))?,
            link: Link::default(),
            runs: false,
            exchange: Exchange::new(memory)?,
            control: Control::new(memory, room(CONTROL_QUEUE))?,
            transport: self.transport,
            features: Features::empty(),
            mac_address: MacAddress([0; 6]),
            maximum_mtu: DEFAULT_MTU,
            recovery: Recovery::new(self.was_in_use),
        };
        device.control.want(vlans);
        device.attach()?;
        Ok(device)
    }
}

/// Waits until a device that was told to reset has done so.
///
/// # Errors
///
/// [`VirtioError`], when it is not there or stays in its reset.
pub(super) fn await_reset(
    transport: &impl Transport,
    mut delay: impl FnMut(u32),
) -> Result<(), VirtioError> {
    for _ in 0..RESET_POLLS {
        let status = transport.read_status();
        if status.is_gone() {
            return Err(VirtioError::Gone);
        }
        if status.is_empty() {
            return Ok(());
        }
        delay(RESET_POLL_MICROSECONDS);
    }
    Err(VirtioError::StuckInReset)
}

impl<T: Transport, Q: Virtqueue> VirtioNet<T, Q> {
    /// Brings the device, which has been reset, to work: features, queues, buffers, filter
    /// (virtio 1.2 §3.1.1).
    ///
    /// # Errors
    ///
    /// [`VirtioError`]; the device has then been told that we gave it up.
    pub(super) fn attach(&mut self) -> Result<(), VirtioError> {
        let attached = self.try_attach();
        if attached.is_err() {
            self.transport.write_status(Status::FAILED);
        }
        attached
    }

    fn try_attach(&mut self) -> Result<(), VirtioError> {
        let mut status = Status::ACKNOWLEDGE;
        self.transport.write_status(status);
        status |= Status::DRIVER;
        self.transport.write_status(status);
        // Where nothing is, all ones or zeros are read.
        let answer = self.transport.read_status();
        if answer.is_gone() || answer.is_empty() {
            return Err(VirtioError::Gone);
        }
        let is_legacy = self.transport.is_legacy();
        self.features = Features::choose(self.transport.read_features(), is_legacy, Q::FEATURES)?;
        self.transport.write_features(self.features.bits());
        if !is_legacy {
            status |= Status::FEATURES_OK;
            self.transport.write_status(status);
            if !self.transport.read_status().contains(status) {
                return Err(VirtioError::FeaturesRefused);
            }
        }
        self.mac_address = self.read_mac_address()?;
        if self.features.contains(Features::MTU) {
            self.maximum_mtu = self.transport.read_config_u16(config::MTU);
        }
        self.attach_queues(is_legacy)?;
        // Only now may the queues be used (virtio 1.2 §3.1.1).
        status |= Status::DRIVER_OK;
        self.transport.write_status(status);
        let answer = self.transport.read_status();
        if answer != status {
            return Err(VirtioError::NotReady(answer));
        }
        self.runs = true;
        fence(Ordering::SeqCst);
        self.transport.notify(RECEIVE_QUEUE);
        self.read_link();
        self.advance_control();
        Ok(())
    }

    fn attach_queues(&mut self, is_legacy: bool) -> Result<(), VirtioError> {
        let hears_of_checksums = self.features.contains(Features::GUEST_CSUM);
        self.receive.hear_of_checksums(hears_of_checksums);
        let size = size_of(&mut self.transport, RECEIVE_QUEUE)?;
        self.receive.restart(size, is_legacy)?;
        self.enable(RECEIVE_QUEUE, |device| device.receive.queue());

        let size = size_of(&mut self.transport, TRANSMIT_QUEUE)?;
        self.transmit.restart(size, is_legacy)?;
        self.enable(TRANSMIT_QUEUE, |device| device.transmit.queue());

        if self.features.contains(Features::CTRL_VQ) {
            let size = size_of(&mut self.transport, CONTROL_QUEUE)?;
            let abilities = Abilities {
                receive_mode: self.features.contains(Features::CTRL_RX),
                vlans: self.features.contains(Features::CTRL_VLAN),
            };
            self.control.restart(size, abilities)?;
            self.enable(CONTROL_QUEUE, |device| device.control.queue());
        }
        Ok(())
    }

    fn enable(&mut self, queue: u16, of: impl FnOnce(&Self) -> &Q) {
        let placement = of(self).placement();
        self.transport.enable_queue(queue, placement);
    }

    /// The address, read again when it changed meanwhile (virtio 1.2 §2.5.3).
    fn read_mac_address(&self) -> Result<MacAddress, VirtioError> {
        let mut address = MacAddress([0; 6]);
        for _ in 0..GENERATION_POLLS {
            let before = self.transport.read_generation();
            for (octet, offset) in address.0.iter_mut().zip(config::MAC..) {
                *octet = self.transport.read_config_u8(offset);
            }
            if before == self.transport.read_generation() {
                break;
            }
        }
        if address.is_station() {
            Ok(address)
        } else {
            Err(VirtioError::InvalidMacAddress(address))
        }
    }

    /// Reads the link's state and keeps it.
    pub(super) fn read_link(&mut self) {
        let says_state = self.features.contains(Features::STATUS);
        let up = !says_state || self.transport.read_config_u16(config::STATUS) & LINK_UP != 0;
        let link = match (up, self.link.up) {
            (false, _) => Link::default(),
            // Speed and duplex are looked at when the link comes up.
            (true, true) => self.link,
            (true, false) => self.read_speed(),
        };
        self.set_link(link);
    }

    /// Takes note of the link's state: frames are queued while it is up.
    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
        self.transmit.open(link.up);
    }

    fn read_speed(&self) -> Link {
        let mut link = Link {
            up: true,
            speed_mbps: 0,
            full_duplex: true,
        };
        if self.features.contains(Features::SPEED_DUPLEX) {
            let speed = self.transport.read_config_u32(config::SPEED);
            if speed <= FASTEST {
                link.speed_mbps = speed;
            }
            link.full_duplex = self.transport.read_config_u8(config::DUPLEX) != HALF_DUPLEX;
        }
        link
    }
}
