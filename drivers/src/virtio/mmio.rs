//! Virtio over MMIO (virtio 1.2 §4.2): a block of registers without a bus, as QEMU's `microvm` and small
//! monitors have it, in the form of version 1.0 and in the one from before.
//!
//! The kernel learns from the command line or from ACPI where such blocks are, asks
//! [`MmioTransport::new`] what stands there, and drives what it gets back.

use core::fmt;

use super::registers::Registers;
use super::transport::{Placement, Status, Transport};

/// Control registers by their offsets: of both forms, of version 1.0 only, of the one before only
/// (virtio 1.2 §4.2.2, §4.2.4).
mod register {
    pub const MAGIC: u32 = 0x00;
    pub const VERSION: u32 = 0x04;
    pub const DEVICE: u32 = 0x08;
    pub const DEVICE_FEATURES: u32 = 0x10;
    pub const DEVICE_FEATURES_SELECT: u32 = 0x14;
    pub const DRIVER_FEATURES: u32 = 0x20;
    pub const DRIVER_FEATURES_SELECT: u32 = 0x24;
    pub const QUEUE_SELECT: u32 = 0x30;
    pub const QUEUE_LIMIT: u32 = 0x34;
    pub const QUEUE_SIZE: u32 = 0x38;
    pub const QUEUE_NOTIFY: u32 = 0x50;
    pub const STATUS: u32 = 0x70;
    pub const CONFIGURATION: u32 = 0x100;

    pub const QUEUE_READY: u32 = 0x44;
    pub const QUEUE_DESCRIPTORS: u32 = 0x80;
    pub const QUEUE_DRIVER: u32 = 0x90;
    pub const QUEUE_DEVICE: u32 = 0xa0;
    pub const GENERATION: u32 = 0xfc;

    pub const PAGE_SIZE: u32 = 0x28;
    pub const QUEUE_ALIGNMENT: u32 = 0x3c;
    pub const QUEUE_PAGE: u32 = 0x40;
}

/// What the first register reads as: "virt" (virtio 1.2 §4.2.2).
const MAGIC: u32 = 0x7472_6976;
/// The form of version 1.0, and the one before (virtio 1.2 §4.2.2, §4.2.4).
const VERSION: u32 = 2;
const LEGACY_VERSION: u32 = 1;
/// A place for a device, with none in it (virtio 1.2 §4.2.2).
const PLACEHOLDER: u32 = 0;
/// A network device (virtio 1.2 §5).
const NETWORK: u32 = 1;

/// Of a legacy device's pages, in which a queue's address is told, and of the alignment of its used ring
/// (virtio 1.2 §4.2.4).
const PAGE: u32 = 4096;

/// Why what stands behind a block of registers is not a network device that can be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// No virtio device at all.
    None {
        /// What the first register reads as.
        magic: u32,
    },
    /// A place for a device, with none in it.
    Placeholder,
    /// A virtio device of another kind.
    Other {
        /// Its kind (virtio 1.2 §5).
        kind: u32,
    },
    /// A device whose registers have a form that is not known.
    UnknownVersion {
        /// The form's number.
        version: u32,
    },
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { magic } => write!(
                f,
                "no virtio device: the first register reads {magic:#010x} instead of {MAGIC:#010x}"
            ),
            Self::Placeholder => f.write_str("a place for a virtio device, with none in it"),
            Self::Other { kind } => write!(f, "a virtio device of kind {kind}"),
            Self::UnknownVersion { version } => write!(
                f,
                "a virtio device with registers of version {version}, where {LEGACY_VERSION} and {VERSION} are known"
            ),
        }
    }
}

/// A network device behind a block of registers.
#[derive(Debug)]
pub struct MmioTransport<R> {
    registers: R,
    is_legacy: bool,
}

impl<R: Registers> MmioTransport<R> {
    /// Looks at what stands behind `registers`, and takes charge of it if it is a network device.
    ///
    /// # Errors
    ///
    /// [`Occupant`] says what else stands there. Nothing was written to it.
    pub fn new(registers: R) -> Result<Self, Occupant> {
        let magic = registers.read_u32(register::MAGIC);
        if magic != MAGIC {
            return Err(Occupant::None { magic });
        }
        let version = registers.read_u32(register::VERSION);
        if version != VERSION && version != LEGACY_VERSION {
            return Err(Occupant::UnknownVersion { version });
        }
        match registers.read_u32(register::DEVICE) {
            NETWORK => Ok(Self {
                registers,
                is_legacy: version == LEGACY_VERSION,
            }),
            PLACEHOLDER => Err(Occupant::Placeholder),
            kind => Err(Occupant::Other { kind }),
        }
    }

    fn select(&mut self, queue: u16) {
        self.registers
            .write_u32(register::QUEUE_SELECT, u32::from(queue));
    }

    /// Writes an address into a register's place and the one behind it.
    fn write_address(&mut self, offset: u32, address: u64) {
        self.registers.write_u32(offset, address as u32);
        self.registers.write_u32(offset + 4, (address >> 32) as u32);
    }
}

impl<R: Registers> Transport for MmioTransport<R> {
    fn is_legacy(&self) -> bool {
        self.is_legacy
    }

    fn has_fixed_queues(&self) -> bool {
        false
    }

    fn read_status(&self) -> Status {
        Status::from_bits_retain(self.registers.read_u32(register::STATUS) as u8)
    }

    fn write_status(&mut self, status: Status) {
        self.registers
            .write_u32(register::STATUS, u32::from(status.bits()));
    }

    fn read_features(&mut self) -> u64 {
        let mut read = |half| {
            self.registers
                .write_u32(register::DEVICE_FEATURES_SELECT, half);
            u64::from(self.registers.read_u32(register::DEVICE_FEATURES))
        };
        // A legacy device has one half only.
        let low = read(0);
        if self.is_legacy {
            low
        } else {
            low | read(1) << 32
        }
    }

    fn write_features(&mut self, features: u64) {
        let halves = [(0, features as u32), (1, (features >> 32) as u32)];
        let count = if self.is_legacy { 1 } else { halves.len() };
        for (half, bits) in halves.into_iter().take(count) {
            self.registers
                .write_u32(register::DRIVER_FEATURES_SELECT, half);
            self.registers.write_u32(register::DRIVER_FEATURES, bits);
        }
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        self.select(queue);
        let limit = self.registers.read_u32(register::QUEUE_LIMIT);
        // A queue has no more than 2^15 (virtio 1.2 §2.7); one that has could not be used whole.
        u16::try_from(limit).unwrap_or(1 << 15)
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        self.select(queue);
        if self.is_legacy {
            self.registers.write_u32(register::PAGE_SIZE, PAGE);
        }
        self.registers
            .write_u32(register::QUEUE_SIZE, u32::from(placement.size));
        if self.is_legacy {
            let page = placement.descriptors / u64::from(PAGE);
            self.registers.write_u32(register::QUEUE_ALIGNMENT, PAGE);
            self.registers.write_u32(register::QUEUE_PAGE, page as u32);
        } else {
            self.write_address(register::QUEUE_DESCRIPTORS, placement.descriptors);
            self.write_address(register::QUEUE_DRIVER, placement.driver);
            self.write_address(register::QUEUE_DEVICE, placement.device);
            self.registers.write_u32(register::QUEUE_READY, 1);
        }
    }

    #[inline]
    fn notify(&mut self, queue: u16) {
        self.registers
            .write_u32(register::QUEUE_NOTIFY, u32::from(queue));
    }

    /// A legacy device has none: what is read in two steps may be of two times.
    fn read_generation(&self) -> u32 {
        if self.is_legacy {
            0
        } else {
            self.registers.read_u32(register::GENERATION)
        }
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        self.registers.read_u8(register::CONFIGURATION + offset)
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        self.registers.read_u16(register::CONFIGURATION + offset)
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        self.registers.read_u32(register::CONFIGURATION + offset)
    }
}
