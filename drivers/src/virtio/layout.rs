//! Where the three parts of a split queue lie: descriptors, available ring, used ring (virtio 1.2 §2.7).
//!
//! Devices of version 1.0 are told, so that the distances are [`Constant`] and cost nothing. Those from before look for each
//! part where it follows from the queue's size ([`BySize`], virtio 1.2 §2.7.2).

use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use crate::dma::{Area, DeviceShared, DmaRegion, OutOfDmaMemory, Ring, TABLE_ALIGNMENT, Table};

use super::features::Features;
use super::queue::SLOTS;
use super::transport::Placement;

const MASK: usize = SLOTS - 1;

/// A descriptor (virtio 1.2 §2.7.5). The second half is one atomic, since it is written at once:
/// length, flags and next, from the lowest bit up.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Descriptor {
    pub(super) address: AtomicU64,
    pub(super) fields: AtomicU64,
}

const _: () = assert!(size_of::<Descriptor>() == 16);
const _: () = assert!(mem::offset_of!(Descriptor, fields) == 8);

// SAFETY: both fields are atomic integers.
unsafe impl DeviceShared for Descriptor {}

/// What both rings begin with (virtio 1.2 §2.7.6, §2.7.8).
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Header {
    pub(super) flags: AtomicU16,
    pub(super) index: AtomicU16,
}

const _: () = assert!(size_of::<Header>() == 4);
const _: () = assert!(mem::offset_of!(Header, index) == 2);

// SAFETY: both fields are atomic integers.
unsafe impl DeviceShared for Header {}

/// An element of the used ring (virtio 1.2 §2.7.8).
#[derive(Debug)]
#[repr(C)]
pub struct UsedElement {
    pub(super) id: AtomicU32,
    pub(super) length: AtomicU32,
}

const _: () = assert!(size_of::<UsedElement>() == 8);

// SAFETY: both fields are atomic integers.
unsafe impl DeviceShared for UsedElement {}

/// How far the parts of a queue are from its beginning, and where it ends, as devices from before version 1.0 work it out
/// by themselves (virtio 1.2 §2.7.2).
#[derive(Clone, Copy, Debug)]
struct Distances {
    available: usize,
    used: usize,
    end: usize,
}

impl Distances {
    /// In a queue with so many descriptors. Behind the last entry of each ring is what events are asked for by, of which
    /// nothing is used here.
    const fn of(size: usize) -> Self {
        let event = size_of::<AtomicU16>();
        let available = size_of::<Descriptor>() * size;
        let available_end = available + size_of::<Header>() + size_of::<AtomicU16>() * size + event;
        let used = available_end.next_multiple_of(TABLE_ALIGNMENT);
        Self {
            available,
            used,
            end: used + size_of::<Header>() + size_of::<UsedElement>() * size + event,
        }
    }

    const fn from(self, start: u64, size: u16) -> Placement {
        Placement {
            size,
            descriptors: start,
            driver: start + self.available as u64,
            device: start + self.used as u64,
        }
    }
}

// What such a device takes for a page.
const _: () = assert!(TABLE_ALIGNMENT == 4096);

/// The parts of a queue in memory.
pub trait Layout: Sized + fmt::Debug {
    /// What is to be agreed upon with a device that is to find them.
    const FEATURES: Features;

    /// Octets of a [`DmaRegion`] that a queue with [`SLOTS`] descriptors or fewer takes at most.
    const MEMORY: usize;

    /// The same of one with `size` descriptors.
    fn memory(size: u16) -> usize;

    /// Memory for a queue with `size` descriptors or fewer.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when `memory` has no room for it.
    fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory>;

    /// Has a queue of `size` descriptors, a power of two, in it.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when there is no room for so many; nothing was changed.
    fn lay_out(&mut self, size: u16) -> Result<(), OutOfDmaMemory>;

    /// Where the parts of a queue of `size` descriptors, which was laid out, are for the device.
    fn placement(&self, size: u16) -> Placement;

    /// The descriptor of a slot.
    fn descriptor(&self, slot: usize) -> &Descriptor;

    /// What the available ring begins with.
    fn available(&self) -> &Header;

    /// Its entry at `index`, which never ends, in a queue that has `mask` and one slots.
    fn available_entry(&self, index: u16, mask: u16) -> &AtomicU16;

    /// What the used ring begins with.
    fn used(&self) -> &Header;

    /// Its entry at `index`, as above.
    fn used_entry(&self, index: u16, mask: u16) -> &UsedElement;
}

/// The available ring: what we give to the device (virtio 1.2 §2.7.6).
#[derive(Debug)]
#[repr(C)]
struct Available {
    header: Header,
    ring: [AtomicU16; SLOTS],
    used_event: AtomicU16,
}

const _: () = assert!(mem::offset_of!(Available, ring) == 4);

/// The used ring: what the device gives back (virtio 1.2 §2.7.8), on a page of its own.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Used {
    header: Header,
    ring: [UsedElement; SLOTS],
    available_event: AtomicU16,
}

const _: () = assert!(mem::offset_of!(Used, ring) == 4);
const _: () = assert!(mem::offset_of!(Used, available_event) == 4 + 8 * SLOTS);

/// All of a queue that the device sees. A queue with fewer descriptors uses the first of each part.
#[derive(Debug)]
#[repr(C)]
struct Memory {
    descriptors: [Descriptor; SLOTS],
    available: Available,
    used: Used,
}

const _: () = assert!(align_of::<Memory>() == TABLE_ALIGNMENT);

// SAFETY: all of its fields consist of atomic integers.
unsafe impl DeviceShared for Memory {}

/// Always at the same distances, for [`SLOTS`] descriptors or fewer.
#[derive(Debug)]
pub struct Constant {
    memory: Table<Memory, 1>,
}

const _: () = assert!(mem::offset_of!(Memory, available) == Constant::DISTANCES.available);
const _: () = assert!(mem::offset_of!(Memory, used) == Constant::DISTANCES.used);

impl Constant {
    const DISTANCES: Distances = Distances::of(SLOTS);

    #[inline]
    const fn memory(&self) -> &Memory {
        let [memory] = self.memory.entries();
        memory
    }
}

impl Layout for Constant {
    const FEATURES: Features = Features::VERSION_1;

    const MEMORY: usize = size_of::<Memory>() + TABLE_ALIGNMENT;

    fn memory(_: u16) -> usize {
        Self::MEMORY
    }

    fn new(memory: &mut DmaRegion, _: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            memory: memory.table()?,
        })
    }

    fn lay_out(&mut self, _: u16) -> Result<(), OutOfDmaMemory> {
        Ok(())
    }

    fn placement(&self, size: u16) -> Placement {
        Self::DISTANCES.from(self.memory.physical(), size)
    }

    #[inline]
    fn descriptor(&self, slot: usize) -> &Descriptor {
        &self.memory().descriptors[slot & MASK]
    }

    #[inline]
    fn available(&self) -> &Header {
        &self.memory().available.header
    }

    #[inline]
    fn available_entry(&self, index: u16, mask: u16) -> &AtomicU16 {
        &self.memory().available.ring[usize::from(index & mask) & MASK]
    }

    #[inline]
    fn used(&self) -> &Header {
        &self.memory().used.header
    }

    #[inline]
    fn used_entry(&self, index: u16, mask: u16) -> &UsedElement {
        &self.memory().used.ring[usize::from(index & mask) & MASK]
    }
}

/// At the distances that follow from the queue's size. There may be more descriptors than [`SLOTS`]: then both rings are as
/// long as that, and of the descriptors the first are used.
#[derive(Debug)]
pub struct BySize {
    descriptors: Ring<(), Descriptor>,
    available: Ring<Header, AtomicU16>,
    used: Ring<Header, UsedElement>,
    area: Area,
}

type Parts = (
    Ring<(), Descriptor>,
    Ring<Header, AtomicU16>,
    Ring<Header, UsedElement>,
);

/// The parts of a queue of `size` descriptors.
fn parts(area: &Area, size: u16) -> Result<Parts, OutOfDmaMemory> {
    let count = usize::from(size);
    let distances = Distances::of(count);
    let parts = || {
        let descriptors = area.ring(0, count)?;
        let available = area.ring(distances.available, count)?;
        Some((descriptors, available, area.ring(distances.used, count)?))
    };
    let fits = distances.end <= area.length();
    fits.then(parts).flatten().ok_or(OutOfDmaMemory {
        needed: distances.end,
        available: area.length(),
    })
}

impl Layout for BySize {
    const FEATURES: Features = Features::empty();

    const MEMORY: usize = Distances::of(SLOTS).end + TABLE_ALIGNMENT;

    fn memory(size: u16) -> usize {
        Distances::of(usize::from(size)).end + TABLE_ALIGNMENT
    }

    fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        let area = memory.area(Distances::of(usize::from(size)).end)?;
        let (descriptors, available, used) = parts(&area, size)?;
        Ok(Self {
            descriptors,
            available,
            used,
            area,
        })
    }

    fn lay_out(&mut self, size: u16) -> Result<(), OutOfDmaMemory> {
        (self.descriptors, self.available, self.used) = parts(&self.area, size)?;
        Ok(())
    }

    fn placement(&self, size: u16) -> Placement {
        Distances::of(usize::from(size)).from(self.area.physical(), size)
    }

    #[inline]
    fn descriptor(&self, slot: usize) -> &Descriptor {
        self.descriptors.entry(slot)
    }

    #[inline]
    fn available(&self) -> &Header {
        self.available.header()
    }

    #[inline]
    fn available_entry(&self, index: u16, _: u16) -> &AtomicU16 {
        self.available.entry(usize::from(index))
    }

    #[inline]
    fn used(&self) -> &Header {
        self.used.header()
    }

    #[inline]
    fn used_entry(&self, index: u16, _: u16) -> &UsedElement {
        self.used.entry(usize::from(index))
    }
}
