//! Virtio over PCI as of version 1.0 (virtio 1.2 §4.1): where a function has its structures, and a
//! [`Transport`] made of them.
//!
//! The kernel asks [`Structures::find`] where they are, maps them, and makes a [`PciTransport`].

use core::mem;
use core::ptr::NonNull;

use pci_types::{ConfigRegionAccess, PciAddress};
use volatile::{VolatilePtr, map_field};

use super::registers::{Registers, Window};
use super::transport::{Placement, Status, Transport};
use crate::pci::{BAR_COUNT, capabilities};

/// Who numbers virtio devices (virtio 1.2 §4.1.2).
const VENDOR: u16 = 0x1af4;
/// A network device as of version 1.0, and one that also speaks what was before (virtio 1.2 §4.1.2).
const DEVICE: u16 = 0x1041;
const TRANSITIONAL_DEVICE: u16 = 0x1000;

/// The capability of a kind that its vendor defines.
const VENDOR_SPECIFIC: u8 = 0x09;

/// Kinds of structures (virtio 1.2 §4.1.4).
const COMMON: u8 = 1;
const NOTIFICATION: u8 = 2;
const DEVICE_SPECIFIC: u8 = 4;

/// The queue has no interrupt (virtio 1.2 §4.1.4.3).
const NO_VECTOR: u16 = 0xffff;

/// How many queues can be notified: those of a network device that has one pair, and its control
/// queue.
const QUEUES: usize = 3;

/// Whether this is a virtio network device.
pub const fn is_network_device(vendor: u16, device: u16) -> bool {
    vendor == VENDOR && (device == DEVICE || device == TRANSITIONAL_DEVICE)
}

/// Where a structure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// In which base address register's range.
    pub bar: u8,
    /// How far from its beginning.
    pub offset: u32,
    /// Octets.
    pub length: u32,
}

/// Where a function's structures lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structures {
    /// Status, features, queues.
    pub common: Location,
    /// The doorbells.
    pub notification: Location,
    /// How far one queue's doorbell is from the next one's.
    pub notification_multiplier: u32,
    /// What is the network device's own.
    pub device: Location,
}

impl Structures {
    /// Finds the structures of the function at `address`; `None` when it does not have all of them, as
    /// a device from before version 1.0. Of several of a kind the first counts.
    pub fn find(access: &impl ConfigRegionAccess, address: PciAddress) -> Option<Self> {
        // SAFETY: reading capabilities changes nothing.
        let read = |offset: u16| unsafe { access.read(address, offset) };
        let (mut common, mut notification, mut device) = (None, None, None);
        for (at, first) in capabilities(access, address, VENDOR_SPECIFIC) {
            let [_, _, _, kind] = first.to_le_bytes();
            let [bar, ..] = read(at + 4).to_le_bytes();
            let location = Location {
                bar,
                offset: read(at + 8),
                length: read(at + 12),
            };
            let usable = bar < BAR_COUNT && location.offset.is_multiple_of(4);
            match kind {
                _ if !usable => {}
                COMMON => common = common.or(Some(location)),
                NOTIFICATION => {
                    notification = notification.or(Some((location, read(at + 16))));
                }
                DEVICE_SPECIFIC => device = device.or(Some(location)),
                _ => {}
            }
        }
        let common = common.filter(|location: &Location| {
            location.length as usize >= size_of::<CommonConfiguration>()
        })?;
        let (notification, notification_multiplier) = notification?;
        Some(Self {
            common,
            notification,
            notification_multiplier,
            device: device?,
        })
    }
}

/// Status, features and queues (virtio 1.2 §4.1.4.3). Halves of 64 bits are registers of their own,
/// since no access may be wider than 32 (virtio 1.2 §4.1.3.1).
#[derive(Debug)]
#[repr(C)]
struct CommonConfiguration {
    device_feature_select: u32,
    device_feature: u32,
    driver_feature_select: u32,
    driver_feature: u32,
    config_msix_vector: u16,
    num_queues: u16,
    device_status: u8,
    config_generation: u8,
    queue_select: u16,
    queue_size: u16,
    queue_msix_vector: u16,
    queue_enable: u16,
    queue_notify_off: u16,
    queue_desc_low: u32,
    queue_desc_high: u32,
    queue_driver_low: u32,
    queue_driver_high: u32,
    queue_device_low: u32,
    queue_device_high: u32,
}

const _: () = assert!(size_of::<CommonConfiguration>() == 56);
const _: () = assert!(mem::offset_of!(CommonConfiguration, device_status) == 20);
const _: () = assert!(mem::offset_of!(CommonConfiguration, queue_select) == 22);
const _: () = assert!(mem::offset_of!(CommonConfiguration, queue_notify_off) == 30);
const _: () = assert!(mem::offset_of!(CommonConfiguration, queue_desc_low) == 32);
const _: () = assert!(mem::offset_of!(CommonConfiguration, queue_device_low) == 48);

/// Where the kernel has mapped the structures.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    /// Of [`Structures::common`].
    pub common: NonNull<u8>,
    /// Of [`Structures::notification`].
    pub notification: NonNull<u8>,
    /// Of [`Structures::device`].
    pub device: NonNull<u8>,
}

/// A device behind a PCI function.
#[derive(Debug)]
pub struct PciTransport {
    common: NonNull<CommonConfiguration>,
    notification: Window,
    multiplier: u32,
    device: Window,
    /// Where each queue's doorbell is, once it is enabled.
    doorbells: [Option<NonNull<u16>>; QUEUES],
}

impl PciTransport {
    /// Takes charge of the device whose `structures` are `mapped`.
    ///
    /// # Safety
    ///
    /// Each structure must be mapped, in its whole length, uncached, at an address aligned to four
    /// octets, for as long as the value lives; and must be accessed through this value only.
    pub const unsafe fn new(structures: &Structures, mapped: &Mapped) -> Self {
        Self {
            common: mapped.common.cast(),
            // SAFETY: the caller promises as much for each.
            notification: unsafe {
                Window::new(mapped.notification, structures.notification.length)
            },
            multiplier: structures.notification_multiplier,
            // SAFETY: as above.
            device: unsafe { Window::new(mapped.device, structures.device.length) },
            doorbells: [None; QUEUES],
        }
    }

    fn common(&self) -> VolatilePtr<'_, CommonConfiguration> {
        // SAFETY: mapped, aligned and ours alone, as promised to `new`.
        unsafe { VolatilePtr::new(self.common) }
    }
}

// SAFETY: the registers are reached through this value alone (promised to `new`), and can be from
// every processor.
unsafe impl Send for PciTransport {}

impl Transport for PciTransport {
    fn is_legacy(&self) -> bool {
        false
    }

    fn has_fixed_queues(&self) -> bool {
        false
    }

    fn read_status(&self) -> Status {
        let common = self.common();
        Status::from_bits_retain(map_field!(common.device_status).read())
    }

    fn write_status(&mut self, status: Status) {
        let common = self.common();
        map_field!(common.device_status).write(status.bits());
    }

    fn read_features(&mut self) -> u64 {
        let common = self.common();
        let read = |half| {
            map_field!(common.device_feature_select).write(half);
            u64::from(map_field!(common.device_feature).read())
        };
        read(0) | read(1) << 32
    }

    fn write_features(&mut self, features: u64) {
        let common = self.common();
        for (half, bits) in [(0, features as u32), (1, (features >> 32) as u32)] {
            map_field!(common.driver_feature_select).write(half);
            map_field!(common.driver_feature).write(bits);
        }
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        let common = self.common();
        if queue >= map_field!(common.num_queues).read() {
            return 0;
        }
        map_field!(common.queue_select).write(queue);
        map_field!(common.queue_size).read()
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        let common = self.common();
        map_field!(common.config_msix_vector).write(NO_VECTOR);
        map_field!(common.queue_select).write(queue);
        map_field!(common.queue_size).write(placement.size);
        map_field!(common.queue_msix_vector).write(NO_VECTOR);
        map_field!(common.queue_desc_low).write(placement.descriptors as u32);
        map_field!(common.queue_desc_high).write((placement.descriptors >> 32) as u32);
        map_field!(common.queue_driver_low).write(placement.driver as u32);
        map_field!(common.queue_driver_high).write((placement.driver >> 32) as u32);
        map_field!(common.queue_device_low).write(placement.device as u32);
        map_field!(common.queue_device_high).write((placement.device >> 32) as u32);
        let offset = u32::from(map_field!(common.queue_notify_off).read());
        map_field!(common.queue_enable).write(1);
        let doorbell = offset
            .checked_mul(self.multiplier)
            .and_then(|offset| self.notification.register(offset))
            .map(VolatilePtr::as_raw_ptr);
        if let Some(place) = self.doorbells.get_mut(usize::from(queue)) {
            *place = doorbell;
        }
    }

    #[inline]
    fn notify(&mut self, queue: u16) {
        if let Some(&Some(doorbell)) = self.doorbells.get(usize::from(queue)) {
            // SAFETY: inside the doorbells' window and aligned, as `Window::register` checked.
            unsafe { VolatilePtr::new(doorbell) }.write(queue);
        }
    }

    fn read_generation(&self) -> u32 {
        let common = self.common();
        u32::from(map_field!(common.config_generation).read())
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        self.device.read_u8(offset)
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        self.device.read_u16(offset)
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        self.device.read_u32(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Space(BTreeMap<u16, u32>);

    impl ConfigRegionAccess for Space {
        unsafe fn read(&self, _: PciAddress, offset: u16) -> u32 {
            self.0.get(&offset).copied().unwrap_or(0)
        }

        unsafe fn write(&self, _: PciAddress, _: u16, _: u32) {}
    }

    fn address() -> PciAddress {
        PciAddress::new(0, 0, 3, 0)
    }

    /// A capability at `at`: its words, by their offsets.
    fn capability(at: u16, next: u8, kind: u8, location: Location) -> [(u16, u32); 4] {
        [
            (at, u32::from_le_bytes([9, next, 20, kind])),
            (at + 4, u32::from(location.bar)),
            (at + 8, location.offset),
            (at + 12, location.length),
        ]
    }

    fn location(bar: u8, offset: u32, length: u32) -> Location {
        Location {
            bar,
            offset,
            length,
        }
    }

    /// The list of QEMU's device, with one more capability of another kind in front.
    fn space() -> Space {
        let mut words = BTreeMap::from([
            (0x04, 0x0010_0000),
            (0x34, 0xdc),
            (0xdc, u32::from_le_bytes([0x11, 0x84, 0, 0])),
        ]);
        words.extend(capability(0x84, 0x70, 2, location(4, 0x3000, 0x1000)));
        words.insert(0x94, 4);
        words.extend(capability(0x70, 0x60, 4, location(4, 0x2000, 0x1000)));
        words.extend(capability(0x60, 0x50, 3, location(4, 0x1000, 0x1000)));
        words.extend(capability(0x50, 0x40, 1, location(4, 0, 0x1000)));
        words.extend(capability(0x40, 0, 1, location(2, 0, 0x1000)));
        Space(words)
    }

    #[test]
    fn structures_are_found_and_the_first_of_a_kind_counts() {
        let structures = Structures::find(&space(), address()).unwrap();
        let expected = Structures {
            common: location(4, 0, 0x1000),
            notification: location(4, 0x3000, 0x1000),
            notification_multiplier: 4,
            device: location(4, 0x2000, 0x1000),
        };
        assert_eq!(structures, expected);
    }

    #[test]
    fn what_cannot_be_is_not_found_and_a_circle_ends() {
        let mut none = space();
        none.0.insert(0x04, 0);
        assert_eq!(Structures::find(&none, address()), None);
        let mut small = space();
        small.0.insert(0x50 + 12, 55);
        assert_eq!(Structures::find(&small, address()), None);
        let mut odd = space();
        odd.0.insert(0x70 + 4, 6);
        assert_eq!(Structures::find(&odd, address()), None);
        let mut circle = space();
        circle.0.insert(0x60, u32::from_le_bytes([9, 0x84, 20, 3]));
        assert_eq!(Structures::find(&circle, address()), None);
    }

    /// Memory in the place of registers, with the test's own idea of where each is.
    #[repr(C, align(4))]
    struct Fake([u8; 256]);

    #[test]
    fn registers_are_where_the_specification_has_them() {
        let mut fake = Fake([0; 256]);
        fake.0[18] = 3;
        fake.0[24..26].copy_from_slice(&256_u16.to_le_bytes());
        fake.0[30] = 2;
        fake.0[128..134].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        let start = NonNull::from(&mut fake.0).cast::<u8>();
        let structures = Structures {
            common: location(0, 0, 56),
            notification: location(0, 64, 16),
            notification_multiplier: 4,
            device: location(0, 128, 8),
        };
        // SAFETY: all inside the array.
        let at = |offset| unsafe { start.add(offset) };
        let mapped = Mapped {
            common: at(0),
            notification: at(64),
            device: at(128),
        };
        // SAFETY: the array lives until the end of the test, aligned to four octets.
        let mut transport = unsafe { PciTransport::new(&structures, &mapped) };
        assert_eq!(transport.read_queue_limit(1), 256);
        assert_eq!(transport.read_queue_limit(3), 0);
        transport.write_status(Status::DRIVER_OK);
        let placement = Placement {
            size: 128,
            descriptors: 0x1_0000_2000,
            driver: 0x2_0000_3000,
            device: 0x3_0000_4000,
        };
        transport.enable_queue(1, placement);
        transport.notify(1);
        transport.notify(0);
        assert_eq!(transport.read_config_u8(5), 1);
        assert_eq!(transport.read_config_u8(8), 0xff);
        assert_eq!(transport.read_config_u32(6), u32::MAX);
        // SAFETY: the transport is not used any more.
        let word = |offset| unsafe { at(offset).cast::<u32>().read_volatile() };
        assert_eq!(word(20), 4 | 1 << 16);
        assert_eq!(word(24), 128 | 0xffff << 16);
        assert_eq!(word(28), 1 | 2 << 16);
        assert_eq!([word(32), word(36)], [0x2000, 1]);
        assert_eq!([word(40), word(44)], [0x3000, 2]);
        assert_eq!([word(48), word(52)], [0x4000, 3]);
        assert_eq!([word(64), word(68), word(72)], [0, 0, 1]);
    }
}
