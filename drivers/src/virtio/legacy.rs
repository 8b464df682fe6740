//! Virtio over PCI as it was before version 1.0 (virtio 1.2 §4.1.4.10): everything behind I/O ports.
//!
//! Only for devices that offer nothing else: QEMU's with `disable-modern=on`, and old hypervisors. How long a queue is
//! the device alone decides (`sizes.rs`).

use x86_64::instructions::port::Port;

use super::transport::{Placement, Status, Transport};

/// Registers, by their distances from the first port (virtio 1.2 §4.1.4.10).
mod register {
    pub const DEVICE_FEATURES: u16 = 0;
    pub const DRIVER_FEATURES: u16 = 4;
    pub const QUEUE_PAGE: u16 = 8;
    pub const QUEUE_SIZE: u16 = 12;
    pub const QUEUE_SELECT: u16 = 14;
    pub const QUEUE_NOTIFY: u16 = 16;
    pub const STATUS: u16 = 18;
    /// Where MSI-X is off, as it is after a reset.
    pub const CONFIGURATION: u16 = 20;
}

/// A queue's address is told in pages of this many octets (virtio 1.2 §4.1.5.1.3.2).
const PAGE_SHIFT: u32 = 12;

/// A device behind I/O ports.
#[derive(Debug)]
pub struct LegacyTransport {
    first: u16,
}

impl LegacyTransport {
    /// How many ports it takes at least.
    pub const PORTS: u32 = 32;

    /// Takes charge of the device whose ports begin at `first`.
    ///
    /// # Safety
    ///
    /// The [`LegacyTransport::PORTS`] ports from `first` on must be a legacy virtio network device's,
    /// the processor must be allowed to use them, and nothing else may as long as the value lives.
    pub const unsafe fn new(first: u16) -> Self {
        Self { first }
    }

    const fn port<T>(&self, offset: u16) -> Port<T> {
        Port::new(self.first.wrapping_add(offset))
    }

    fn select(&self, queue: u16) {
        // SAFETY: the port is this device's (promised to `new`); selecting has no other effect.
        unsafe { self.port(register::QUEUE_SELECT).write(queue) };
    }
}

impl Transport for LegacyTransport {
    fn is_legacy(&self) -> bool {
        true
    }

    fn has_fixed_queues(&self) -> bool {
        true
    }

    fn read_status(&self) -> Status {
        // SAFETY: the port is this device's (promised to `new`), and reading it has no effect.
        Status::from_bits_retain(unsafe { self.port(register::STATUS).read() })
    }

    fn write_status(&mut self, status: Status) {
        // SAFETY: the port is this device's. What the device does then with memory is the driver's
        // concern, which tells it of its own queues only.
        unsafe { self.port(register::STATUS).write(status.bits()) };
    }

    fn read_features(&mut self) -> u64 {
        // SAFETY: the port is this device's, and reading it has no effect.
        let features: u32 = unsafe { self.port(register::DEVICE_FEATURES).read() };
        u64::from(features)
    }

    fn write_features(&mut self, features: u64) {
        // SAFETY: the port is this device's.
        unsafe { self.port(register::DRIVER_FEATURES).write(features as u32) };
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        self.select(queue);
        // SAFETY: the port is this device's, and reading it has no effect.
        unsafe { self.port(register::QUEUE_SIZE).read() }
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        self.select(queue);
        let page = (placement.descriptors >> PAGE_SHIFT) as u32;
        // SAFETY: the port is this device's; the queue there is the driver's own.
        unsafe { self.port(register::QUEUE_PAGE).write(page) };
    }

    #[inline]
    fn notify(&mut self, queue: u16) {
        // SAFETY: the port is this device's.
        unsafe { self.port(register::QUEUE_NOTIFY).write(queue) };
    }

    /// There is none: what is read in two steps may be of two times.
    fn read_generation(&self) -> u32 {
        0
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        // SAFETY: the port is this device's, and reading its configuration has no effect.
        unsafe { self.port(register::CONFIGURATION + offset as u16).read() }
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        // SAFETY: as above.
        unsafe { self.port(register::CONFIGURATION + offset as u16).read() }
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        // SAFETY: as above.
        unsafe { self.port(register::CONFIGURATION + offset as u16).read() }
    }
}
