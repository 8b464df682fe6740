//! The split virtqueue: a table of descriptors, a ring of those that the device was given, and a ring of those
//! that it has used (virtio 1.2 §2.7).

use core::mem;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::dma::{DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT, Table};

use super::features::Features;
use super::queue::{Breach, NEXT, Piece, Returned, SLOTS, Virtqueue, WRITE, size_within};
use super::transport::Placement;

const MASK: usize = SLOTS - 1;

/// In the available ring: do not interrupt (virtio 1.2 §2.7.6).
const NO_INTERRUPT: u16 = 1;
/// In the used ring: do not notify (virtio 1.2 §2.7.8).
const NO_NOTIFY: u16 = 1;

/// A descriptor (virtio 1.2 §2.7.5). The second half is one atomic, since it is written at once:
/// length, flags and next, from the lowest bit up.
#[derive(Debug)]
#[repr(C, align(16))]
struct Descriptor {
    address: AtomicU64,
    fields: AtomicU64,
}

const _: () = assert!(size_of::<Descriptor>() == 16);
const _: () = assert!(mem::offset_of!(Descriptor, fields) == 8);

/// The available ring: what we give to the device (virtio 1.2 §2.7.6).
#[derive(Debug)]
#[repr(C)]
struct Available {
    flags: AtomicU16,
    index: AtomicU16,
    ring: [AtomicU16; SLOTS],
    used_event: AtomicU16,
}

const _: () = assert!(mem::offset_of!(Available, index) == 2);
const _: () = assert!(mem::offset_of!(Available, ring) == 4);
const _: () = assert!(size_of::<Available>() == 6 + 2 * SLOTS);

/// An element of the used ring (virtio 1.2 §2.7.8).
#[derive(Debug)]
#[repr(C)]
struct UsedElement {
    id: AtomicU32,
    length: AtomicU32,
}

const _: () = assert!(size_of::<UsedElement>() == 8);

/// The used ring: what the device gives back (virtio 1.2 §2.7.8).
///
/// On a page of its own, which is where devices from before version 1.0 have it (virtio 1.2 §2.7.2).
#[derive(Debug)]
#[repr(C, align(4096))]
struct Used {
    flags: AtomicU16,
    index: AtomicU16,
    ring: [UsedElement; SLOTS],
    available_event: AtomicU16,
}

const _: () = assert!(mem::offset_of!(Used, index) == 2);
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

const AVAILABLE: usize = mem::offset_of!(Memory, available);
const USED: usize = mem::offset_of!(Memory, used);

// The distances that a legacy device works out by itself for a queue of this size.
const _: () = assert!(AVAILABLE == 16 * SLOTS);
const _: () = assert!(USED == (AVAILABLE + 6 + 2 * SLOTS).next_multiple_of(4096));
const _: () = assert!(align_of::<Memory>() == TABLE_ALIGNMENT);

// SAFETY: all of its fields consist of atomic integers.
unsafe impl DeviceShared for Memory {}

/// A queue.
#[derive(Debug)]
pub struct SplitQueue {
    memory: Table<Memory, 1>,
    /// How many descriptors are used, less one; they are a power of two.
    mask: u16,
    /// The available ring's index, the next to be given included.
    given: u16,
    /// What of it the device was told.
    published: u16,
    /// How many used elements were taken.
    taken: u16,
    /// The used ring's index as last seen.
    seen: u16,
    /// Which descriptors, as heads of a chain, are the device's.
    is_given: [bool; SLOTS],
    breach: Option<Breach>,
}

impl SplitQueue {
    const fn memory(&self) -> &Memory {
        let [memory] = self.memory.entries();
        memory
    }

    #[cold]
    const fn breached(&mut self, breach: Breach) {
        self.breach = Some(breach);
    }

    /// Writes a descriptor that is ours. It does not reach the device before it is in the available ring and
    /// published, so that the stores may be relaxed.
    #[inline]
    fn describe(&self, slot: usize, piece: Piece, flags: u16, next: u16) {
        let descriptor = &self.memory().descriptors[slot & MASK];
        descriptor.address.store(piece.address, Ordering::Relaxed);
        let fields = u64::from(piece.length) | u64::from(flags) << 32 | u64::from(next) << 48;
        descriptor.fields.store(fields, Ordering::Relaxed);
    }

    /// Puts the chain that starts at `slot` into the available ring.
    #[inline]
    fn make_available(&mut self, slot: usize) {
        let at = usize::from(self.given & self.mask) & MASK;
        self.memory().available.ring[at].store(slot as u16, Ordering::Relaxed);
        self.is_given[slot & MASK] = true;
        self.given = self.given.wrapping_add(1);
    }
}

impl Virtqueue for SplitQueue {
    const MEMORY: usize = size_of::<Memory>() + TABLE_ALIGNMENT;

    const FEATURES: Features = Features::empty();

    fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            memory: memory.table()?,
            mask: 0,
            given: 0,
            published: 0,
            taken: 0,
            seen: 0,
            is_given: [false; SLOTS],
            breach: None,
        })
    }

    fn restart(&mut self, limit: u16) {
        self.mask = size_within(limit) - 1;
        (self.given, self.published, self.taken, self.seen) = (0, 0, 0, 0);
        self.is_given = [false; SLOTS];
        self.breach = None;
        let memory = self.memory();
        memory
            .available
            .flags
            .store(NO_INTERRUPT, Ordering::Relaxed);
        memory.available.index.store(0, Ordering::Relaxed);
        memory.used.flags.store(0, Ordering::Relaxed);
        memory.used.index.store(0, Ordering::Release);
    }

    fn size(&self) -> usize {
        usize::from(self.mask) + 1
    }

    fn placement(&self) -> Placement {
        let start = self.memory.physical();
        Placement {
            size: self.mask + 1,
            descriptors: start,
            driver: start + AVAILABLE as u64,
            device: start + USED as u64,
        }
    }

    fn breach(&self) -> Option<Breach> {
        self.breach
    }

    #[inline]
    fn look(&mut self, budget: usize) -> usize {
        // Acquires: what the device wrote before the index is seen by every load that follows.
        self.seen = self.memory().used.index.load(Ordering::Acquire);
        let count = self.seen.wrapping_sub(self.taken);
        if count > self.published.wrapping_sub(self.taken) {
            self.breached(Breach::IndexAhead);
        }
        match self.breach {
            None => usize::from(count).min(budget),
            Some(_) => 0,
        }
    }

    #[inline]
    fn returned(&mut self) -> Option<Returned> {
        if self.seen == self.taken && self.look(1) == 0 || self.breach.is_some() {
            return None;
        }
        let at = usize::from(self.taken & self.mask) & MASK;
        let element = &self.memory().used.ring[at];
        let id = element.id.load(Ordering::Relaxed);
        let length = element.length.load(Ordering::Relaxed);
        if id > u32::from(self.mask) || !self.is_given[id as usize & MASK] {
            self.breached(Breach::NotGiven { id });
            return None;
        }
        Some(Returned {
            slot: id as usize & MASK,
            length,
        })
    }

    #[inline]
    fn take(&mut self, returned: Returned) {
        self.is_given[returned.slot & MASK] = false;
        self.taken = self.taken.wrapping_add(1);
    }

    #[inline]
    fn is_given(&self, slot: usize) -> bool {
        self.is_given[slot & MASK]
    }

    #[inline]
    fn next_slot(&self) -> usize {
        usize::from(self.given & self.mask)
    }

    fn outstanding(&self) -> usize {
        usize::from(self.given.wrapping_sub(self.taken))
    }

    #[inline]
    fn give(&mut self, slot: usize, piece: Piece, flags: u16) {
        self.describe(slot, piece, flags, 0);
        self.make_available(slot);
    }

    fn give_pair(&mut self, slot: usize, first: Piece, second: Piece) {
        self.describe(slot, first, NEXT, slot as u16 + 1);
        self.describe(slot + 1, second, WRITE, 0);
        self.make_available(slot);
    }

    #[inline]
    fn unpublished(&self) -> usize {
        usize::from(self.given.wrapping_sub(self.published))
    }

    #[inline]
    fn publish(&mut self) -> bool {
        if self.published == self.given || self.breach.is_some() {
            return false;
        }
        self.published = self.given;
        // Releases: descriptors, ring and frames are in memory before the index says so.
        let index = &self.memory().available.index;
        index.store(self.given, Ordering::Release);
        true
    }

    #[inline]
    fn wants_notification(&self) -> bool {
        self.memory().used.flags.load(Ordering::Relaxed) & NO_NOTIFY == 0
    }

    fn progress(&self) -> u16 {
        self.memory().used.index.load(Ordering::Relaxed)
    }

    fn is_owed(&self) -> bool {
        self.progress() != self.published
    }
}
