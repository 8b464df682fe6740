//! What a virtio device offers besides its queues, however it is attached: status, features,
//! configuration, and a doorbell for each queue.
//!
//! The driver is written against [`Transport`]; `pci.rs` puts a PCI function behind it, `mmio.rs` registers
//! without a bus, and tests put a model there. Only [`Transport::notify`] is called while frames flow; all else belongs to bring-up
//! and housekeeping. Nothing here waits.

use bitflags::bitflags;

bitflags! {
    /// How far driver and device have come with each other (virtio 1.2 §2.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u8 {
        /// The driver has seen the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready.
        const DRIVER_OK = 4;
        /// The features are agreed upon.
        const FEATURES_OK = 8;
        /// The device has met an error from which only a reset recovers it.
        const NEEDS_RESET = 64;
        /// The driver has given up.
        const FAILED = 128;
    }
}

impl Status {
    /// Whether nothing answers: no device has all of these bits set.
    pub const fn is_gone(self) -> bool {
        self.bits() == u8::MAX
    }
}

/// Where a queue lies, for the device. Addresses are physical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// How many descriptors it has.
    pub size: u16,
    /// Of the descriptor table.
    pub descriptors: u64,
    /// Of what the driver writes: the available ring.
    pub driver: u64,
    /// Of what the device writes: the used ring.
    pub device: u64,
}

/// A virtio device, without its queues.
pub trait Transport {
    /// Whether the device speaks the protocol as it was before version 1.0: it does not offer
    /// [`super::Features::VERSION_1`], and where the parts of a queue lie follows from its size.
    fn is_legacy(&self) -> bool;

    /// Whether a queue has the size that the device says, and no other.
    fn has_fixed_queues(&self) -> bool;

    /// Reads the device's status. A device that is gone reads as all ones.
    fn read_status(&self) -> Status;

    /// Writes the status; an empty one resets the device, which may take a while.
    fn write_status(&mut self, status: Status);

    /// Reads the features that the device offers.
    fn read_features(&mut self) -> u64;

    /// Tells the device which features are to be used.
    fn write_features(&mut self, features: u64);

    /// Reads how many descriptors a queue may have at most; 0 when there is no such queue.
    fn read_queue_limit(&mut self, queue: u16) -> u16;

    /// Tells the device where a queue lies, and has it used from now on.
    fn enable_queue(&mut self, queue: u16, placement: Placement);

    /// Tells the device that there is something new in a queue.
    fn notify(&mut self, queue: u16);

    /// Reads a number that changes when the device changes its configuration.
    fn read_generation(&self) -> u32;

    /// Reads an octet of the device's configuration; all ones when there is none at `offset`.
    fn read_config_u8(&self, offset: u32) -> u8;

    /// Reads two octets of the device's configuration. `offset` is even.
    fn read_config_u16(&self, offset: u32) -> u16;

    /// Reads four octets of the device's configuration. `offset` is a multiple of four.
    fn read_config_u32(&self, offset: u32) -> u32;
}
