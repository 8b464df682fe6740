//! Why a device could not be brought up.

use core::fmt;

use pollux_net::wire::ethernet::MacAddress;

use super::transport::Status;
use crate::dma::OutOfDmaMemory;

/// Why a device could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtioError {
    /// Nothing answers at the device's registers: it is not there.
    Gone,
    /// The device does not come out of its reset.
    StuckInReset,
    /// The device does not offer a feature without which it cannot be driven.
    Lacks(&'static str),
    /// The device does not accept the features that were chosen from those it offers.
    FeaturesRefused,
    /// The device has no such queue.
    NoQueue {
        /// Which queue is missing.
        queue: u16,
    },
    /// The legacy device has a queue with a number of descriptors that is no power of two, as it must be, and follows from
    /// nothing that we could tell it (virtio 1.2 §2.7, §4.1.5.1.3).
    QueueSize {
        /// Which queue it is.
        queue: u16,
        /// How many it has.
        size: u16,
    },
    /// What the device names as its address is none that a station could bear.
    InvalidMacAddress(MacAddress),
    /// The device gives up by itself while it is brought up.
    NotReady(Status),
    /// There is no room for the queues and their buffers.
    OutOfDmaMemory(OutOfDmaMemory),
}

impl fmt::Display for VirtioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("nothing answers at the device's registers: it is not there"),
            Self::StuckInReset => f.write_str("the device does not come out of its reset"),
            Self::Lacks(feature) => write!(f, "the device does not offer {feature}"),
            Self::FeaturesRefused => f.write_str("the device refuses features that it offers"),
            Self::NoQueue { queue } => write!(f, "the device has no queue {queue}"),
            Self::QueueSize { queue, size } => write!(
                f,
                "its queue {queue} has {size} descriptors, where a power of two is right, and before version 1 of the protocol nobody can change it"
            ),
            Self::InvalidMacAddress(address) => write!(
                f,
                "the device's address is {address}, which is no station address"
            ),
            Self::NotReady(status) => write!(
                f,
                "the device gives up while it is brought up: status {:#04x}",
                status.bits()
            ),
            Self::OutOfDmaMemory(error) => write!(f, "no room for the device's queues: {error}"),
        }
    }
}

impl core::error::Error for VirtioError {}

impl From<OutOfDmaMemory> for VirtioError {
    fn from(error: OutOfDmaMemory) -> Self {
        Self::OutOfDmaMemory(error)
    }
}
