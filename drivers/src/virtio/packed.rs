//! The packed virtqueue: one ring of descriptors, which the driver marks as available and the device, in the
//! same places, as used (virtio 1.2 §2.8).
//!
//! Places are counted by numbers that only grow; the bit of such a number above the ring's size is the wrap
//! counter, upside down, so that no counter of its own can run out of step.

use core::mem;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::dma::{DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT, Table};

use super::features::Features;
use super::queue::{Breach, NEXT, Piece, Returned, SLOTS, Virtqueue, WRITE, size_within};
use super::transport::Placement;

const MASK: usize = SLOTS - 1;

// A place in the ring is a number of 8 bits, so that none is outside.
const _: () = assert!(SLOTS == 1 << 8);

/// In a descriptor's second half: the wrap counter of who made it available, and of who used it; and what
/// else are flags there (virtio 1.2 §2.8.1).
const AVAILABLE: u64 = 1 << (48 + 7);
const USED: u64 = 1 << (48 + 15);
const FLAGS_SHIFT: u32 = 48;
const IDENTIFIER_SHIFT: u32 = 32;

/// In an event suppression structure: send no events. The other values mean that some are wanted
/// (virtio 1.2 §2.8.10).
const DISABLE: u16 = 1;
const EVENTS: u16 = 0b11;

/// A descriptor (virtio 1.2 §2.8.13). The second half is one atomic, since it is written, and read, at
/// once: length, identifier and flags, from the lowest bit up.
#[derive(Debug)]
#[repr(C, align(16))]
struct Descriptor {
    address: AtomicU64,
    fields: AtomicU64,
}

const _: () = assert!(size_of::<Descriptor>() == 16);
const _: () = assert!(mem::offset_of!(Descriptor, fields) == 8);

/// Where one side says which events it wants of the other (virtio 1.2 §2.8.14).
#[derive(Debug)]
#[repr(C, align(4))]
struct Suppression {
    place: AtomicU16,
    flags: AtomicU16,
}

const _: () = assert!(size_of::<Suppression>() == 4);
const _: () = assert!(mem::offset_of!(Suppression, flags) == 2);

/// All of a queue that the device sees. A queue with fewer descriptors uses the first of them.
#[derive(Debug)]
#[repr(C)]
struct Memory {
    descriptors: [Descriptor; SLOTS],
    driver: Suppression,
    device: Suppression,
}

const _: () = assert!(align_of::<Memory>() <= TABLE_ALIGNMENT);

// SAFETY: all of its fields consist of atomic integers.
unsafe impl DeviceShared for Memory {}

/// A queue.
#[derive(Debug)]
pub struct PackedQueue {
    memory: Table<Memory, 1>,
    /// How many descriptors there are, a power of two; and the same less one.
    size: usize,
    mask: u8,
    /// How many descriptors were ever given; the next one's place.
    given: usize,
    /// Of these, those of which the device was told.
    published: usize,
    /// How many descriptors were ever taken back; the next one's place.
    taken: usize,
    /// How many descriptors the device has for each slot: 0 when it is ours.
    lengths: [u8; SLOTS],
    breach: Option<Breach>,
}

impl PackedQueue {
    #[inline]
    const fn memory(&self) -> &Memory {
        let [memory] = self.memory.entries();
        memory
    }

    #[inline]
    const fn descriptor(&self, place: usize) -> &Descriptor {
        &self.memory().descriptors[(place as u8 & self.mask) as usize]
    }

    /// Whether the wrap counter at `place` is 1: it is in the first round, and every other one.
    #[inline]
    const fn wraps_to_one(&self, place: usize) -> bool {
        place & self.size == 0
    }

    /// What stands at `place`, if the device has used it.
    #[inline]
    fn used(&self, place: usize) -> Option<u64> {
        // Acquires: what the device wrote before the flags is seen by every load that follows.
        let fields = self.descriptor(place).fields.load(Ordering::Acquire);
        let expected = if self.wraps_to_one(place) {
            AVAILABLE | USED
        } else {
            0
        };
        (fields & (AVAILABLE | USED) == expected).then_some(fields)
    }

    /// Makes a descriptor available.
    #[inline]
    fn write(&self, place: usize, slot: usize, piece: Piece, flags: u16) {
        let descriptor = self.descriptor(place);
        let round = if self.wraps_to_one(place) {
            AVAILABLE
        } else {
            USED
        };
        let fields = u64::from(piece.length)
            | (slot as u64) << IDENTIFIER_SHIFT
            | u64::from(flags) << FLAGS_SHIFT
            | round;
        descriptor.address.store(piece.address, Ordering::Relaxed);
        // Releases: frame and address are in memory before the flags say so.
        descriptor.fields.store(fields, Ordering::Release);
    }

    #[cold]
    const fn breached(&mut self, breach: Breach) {
        self.breach = Some(breach);
    }
}

/// The identifier in a descriptor's second half.
#[inline]
const fn identifier(fields: u64) -> u16 {
    (fields >> IDENTIFIER_SHIFT) as u16
}

impl Virtqueue for PackedQueue {
    const MEMORY: usize = size_of::<Memory>() + TABLE_ALIGNMENT;

    const FEATURES: Features = Features::VERSION_1.union(Features::RING_PACKED);

    /// There are none from before version 1.0: any size can be told to the device.
    fn memory(_: u16) -> usize {
        Self::MEMORY
    }

    fn new(memory: &mut DmaRegion, _: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            memory: memory.table()?,
            size: 1,
            mask: 0,
            given: 0,
            published: 0,
            taken: 0,
            lengths: [0; SLOTS],
            breach: None,
        })
    }

    fn restart(&mut self, size: u16) -> Result<(), OutOfDmaMemory> {
        self.size = usize::from(size_within(size));
        self.mask = (self.size - 1) as u8;
        (self.given, self.published, self.taken) = (0, 0, 0);
        self.lengths = [0; SLOTS];
        self.breach = None;
        let memory = self.memory();
        for descriptor in &memory.descriptors {
            // Neither available nor used in the first round.
            descriptor.fields.store(0, Ordering::Relaxed);
        }
        memory.driver.flags.store(DISABLE, Ordering::Relaxed);
        memory.device.flags.store(0, Ordering::Release);
        Ok(())
    }

    fn size(&self) -> usize {
        self.size
    }

    fn placement(&self) -> Placement {
        let start = self.memory.physical();
        Placement {
            size: self.size as u16,
            descriptors: start,
            driver: start + mem::offset_of!(Memory, driver) as u64,
            device: start + mem::offset_of!(Memory, device) as u64,
        }
    }

    fn breach(&self) -> Option<Breach> {
        self.breach
    }

    #[inline]
    fn returned(&mut self) -> Option<Returned> {
        let fields = self.used(self.taken)?;
        if self.breach.is_some() {
            return None;
        }
        let id = identifier(fields);
        if usize::from(id) >= self.size || self.lengths[usize::from(id) & MASK] == 0 {
            self.breached(Breach::NotGiven { id: u32::from(id) });
            return None;
        }
        Some(Returned {
            slot: usize::from(id) & MASK,
            length: fields as u32,
        })
    }

    #[inline]
    fn take(&mut self, returned: Returned) {
        let length = mem::take(&mut self.lengths[returned.slot & MASK]);
        self.taken = self.taken.wrapping_add(usize::from(length));
    }

    #[inline]
    fn is_given(&self, slot: usize) -> bool {
        self.lengths[slot & MASK] != 0
    }

    #[inline]
    fn next_slot(&self) -> usize {
        usize::from(self.given as u8 & self.mask)
    }

    #[inline]
    fn outstanding(&self) -> usize {
        self.given.wrapping_sub(self.taken)
    }

    #[inline]
    fn give(&mut self, slot: usize, piece: Piece, flags: u16) {
        self.lengths[slot & MASK] = 1;
        self.write(self.given, slot, piece, flags);
        self.given = self.given.wrapping_add(1);
    }

    fn give_pair(&mut self, slot: usize, first: Piece, second: Piece) {
        self.lengths[slot & MASK] = 2;
        // The first one last: the device looks for it only (virtio 1.2 §2.8.21.1.1).
        self.write(self.given.wrapping_add(1), slot, second, WRITE);
        self.write(self.given, slot, first, NEXT);
        self.given = self.given.wrapping_add(2);
    }

    #[inline]
    fn unpublished(&self) -> usize {
        self.given.wrapping_sub(self.published)
    }

    /// The device may have seen it already; now it may be told.
    #[inline]
    fn publish(&mut self) -> bool {
        if self.published == self.given || self.breach.is_some() {
            return false;
        }
        self.published = self.given;
        true
    }

    #[inline]
    fn wants_notification(&self) -> bool {
        self.memory().device.flags.load(Ordering::Relaxed) & EVENTS != DISABLE
    }

    fn progress(&self) -> u16 {
        let mut place = self.taken;
        for _ in 0..self.outstanding() {
            let Some(fields) = self.used(place) else {
                break;
            };
            let slot = usize::from(identifier(fields)) & MASK;
            place = place.wrapping_add(usize::from(self.lengths[slot].max(1)));
        }
        place as u16
    }

    fn is_owed(&self) -> bool {
        self.progress() != self.published as u16
    }
}
