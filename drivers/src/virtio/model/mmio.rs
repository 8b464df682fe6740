//! The model behind the registers of virtio-mmio, in both of their forms (virtio 1.2 §4.2).
//!
//! It panics when a register is written that the form does not have, or in an order that a device may
//! refuse.

use super::{Handle, legacy_placement};
use crate::virtio::registers::Registers;
use crate::virtio::transport::{Placement, Status, Transport};

/// The registers, and what was written to those that do not act by themselves.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) handle: Handle,
    pub(crate) magic: u32,
    pub(crate) version: u32,
    pub(crate) kind: u32,
    device_half: u32,
    driver_half: u32,
    driver_features: [u32; 2],
    queue: u32,
    size: u32,
    page_size: u32,
    alignment: u32,
    /// Descriptors, driver's part, device's part, a half each.
    addresses: [u32; 6],
}

impl Block {
    pub(crate) fn new(handle: Handle, is_legacy: bool) -> Self {
        Self {
            handle,
            magic: u32::from_le_bytes(*b"virt"),
            version: if is_legacy { 1 } else { 2 },
            kind: 1,
            device_half: u32::MAX,
            driver_half: u32::MAX,
            driver_features: [0; 2],
            queue: u32::MAX,
            size: 0,
            page_size: 0,
            alignment: 0,
            addresses: [0; 6],
        }
    }

    fn is_legacy(&self) -> bool {
        self.version == 1
    }

    fn address(&self, part: usize) -> u64 {
        u64::from(self.addresses[part]) | u64::from(self.addresses[part + 1]) << 32
    }
}

impl Registers for Block {
    fn read_u8(&self, offset: u32) -> u8 {
        self.handle.read_config_u8(offset - 0x100)
    }

    fn read_u16(&self, offset: u32) -> u16 {
        self.handle.read_config_u16(offset - 0x100)
    }

    fn read_u32(&self, offset: u32) -> u32 {
        let model = self.handle.0.borrow();
        if model.gone {
            return u32::MAX;
        }
        match offset {
            0x00 => self.magic,
            0x04 => self.version,
            0x08 => self.kind,
            0x10 if self.device_half == 0 => model.offered as u32,
            0x10 if self.device_half == 1 && !self.is_legacy() => (model.offered >> 32) as u32,
            0x34 => {
                let limit = model.limits.get(self.queue as usize);
                u32::from(limit.copied().unwrap_or(0))
            }
            0x70 => {
                drop(model);
                u32::from(self.handle.read_status().bits())
            }
            0xfc if !self.is_legacy() => 0,
            0x100.. => {
                drop(model);
                self.handle.read_config_u32(offset - 0x100)
            }
            _ => panic!("read of {offset:#x}"),
        }
    }

    fn write_u32(&mut self, offset: u32, value: u32) {
        let queue = self.queue as u16;
        match (offset, self.is_legacy()) {
            (0x14, _) => self.device_half = value,
            (0x24, _) => self.driver_half = value,
            (0x20, is_legacy) => {
                self.driver_features[self.driver_half as usize] = value;
                let [low, high] = self.driver_features.map(u64::from);
                // The last half makes it whole.
                if is_legacy || self.driver_half == 1 {
                    self.handle.write_features(low | high << 32);
                }
            }
            (0x30, _) => self.queue = value,
            (0x38, _) => self.size = value,
            (0x50, _) => self.handle.notify(value as u16),
            (0x70, _) => {
                self.driver_features = [0; 2];
                self.handle
                    .write_status(Status::from_bits_retain(value as u8));
            }
            (0x80 | 0x84 | 0x90 | 0x94 | 0xa0 | 0xa4, false) => {
                let part = (offset - 0x80) as usize / 16 * 2;
                self.addresses[part + offset as usize / 4 % 2] = value;
            }
            (0x44, false) => {
                assert_eq!(value, 1, "nobody takes a queue away");
                let placement = Placement {
                    size: self.size as u16,
                    descriptors: self.address(0),
                    driver: self.address(2),
                    device: self.address(4),
                };
                self.handle.enable_queue(queue, placement);
            }
            (0x28, true) => self.page_size = value,
            (0x3c, true) => self.alignment = value,
            (0x40, true) => {
                let start = u64::from(value) * u64::from(self.page_size);
                let alignment = u64::from(self.alignment);
                let placement = legacy_placement(start, self.size as u16, alignment);
                self.handle.enable_queue(queue, placement);
            }
            _ => panic!("write of {value:#x} to {offset:#x}"),
        }
    }
}
