//! The split virtqueue: memory that the device and we both read and write, moved with care behind an
//! interface that is safe (virtio 1.2 §2.7).
//!
//! This knows the format of the rings and who owns which descriptor, but neither buffers nor frames:
//! those are in `rings.rs` and `control.rs`. Nothing that the device writes is trusted. An index that
//! runs ahead, or an identifier of something that the device was not given, marks the queue as broken:
//! it stands still until it is started afresh.

use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::dma::{DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT, Table};

use super::transport::Placement;

/// How many descriptors a queue has at most.
pub const SLOTS: usize = 256;
const MASK: usize = SLOTS - 1;

const _: () = assert!(SLOTS.is_power_of_two() && SLOTS <= u16::MAX as usize);

/// In a descriptor: the chain goes on with the next (virtio 1.2 §2.7.5).
pub const NEXT: u16 = 1;
/// In a descriptor: the device writes to the buffer, rather than reading it (virtio 1.2 §2.7.5).
pub const WRITE: u16 = 2;

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

/// What a device did that it must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It says that it has used more than it was given.
    IndexAhead,
    /// It names a descriptor that it was not given.
    NotGiven {
        /// What it named.
        id: u32,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IndexAhead => f.write_str("the device says it has used more than it was given"),
            Self::NotGiven { id } => {
                write!(
                    f,
                    "the device gives back descriptor {id}, which it was not given"
                )
            }
        }
    }
}

/// Something that the device has given back.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    /// The first descriptor of its chain: below the queue's size, and ours again once it is taken.
    pub slot: usize,
    /// How many octets the device says to have written.
    pub length: u32,
}

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
    /// Octets of a [`DmaRegion`] that one takes at most, alignment included.
    pub const MEMORY: usize = size_of::<Memory>() + TABLE_ALIGNMENT;

    /// A queue that is not in use: [`SplitQueue::restart`] comes first.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when `memory` has no room for it.
    pub fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
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

    /// Starts afresh, empty, with the largest number of descriptors that is a power of two and no more
    /// than `limit` and [`SLOTS`]. The device must have been reset: it owns nothing here.
    pub fn restart(&mut self, limit: u16) {
        let limit = limit.clamp(1, SLOTS as u16);
        let size = 1 << limit.ilog2();
        self.mask = size - 1;
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

    const fn memory(&self) -> &Memory {
        let [memory] = self.memory.entries();
        memory
    }

    /// How many descriptors there are.
    pub const fn size(&self) -> usize {
        self.mask as usize + 1
    }

    /// Where the queue lies.
    pub const fn placement(&self) -> Placement {
        let start = self.memory.physical();
        Placement {
            size: self.mask + 1,
            descriptors: start,
            driver: start + AVAILABLE as u64,
            device: start + USED as u64,
        }
    }

    /// What the device did that it must not do, since the last start.
    pub const fn breach(&self) -> Option<Breach> {
        self.breach
    }

    #[cold]
    const fn breached(&mut self, breach: Breach) {
        self.breach = Some(breach);
    }

    /// Looks at memory: how many elements stand in the used ring that were not taken yet. 0 when the
    /// queue is broken.
    #[inline]
    pub fn look(&mut self) -> usize {
        // Acquires: what the device wrote before the index is seen by every load that follows.
        self.seen = self.memory().used.index.load(Ordering::Acquire);
        let count = self.seen.wrapping_sub(self.taken);
        if count > self.published.wrapping_sub(self.taken) {
            self.breached(Breach::IndexAhead);
        }
        match self.breach {
            None => usize::from(count),
            Some(_) => 0,
        }
    }

    /// The oldest element that the last look saw and that was not taken yet. A queue that turns out
    /// to be broken has none.
    #[inline]
    pub fn returned(&mut self) -> Option<Returned> {
        if self.seen == self.taken || self.breach.is_some() {
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

    /// Takes what [`SplitQueue::returned`] showed: its descriptors are ours.
    #[inline]
    pub fn take(&mut self, returned: Returned) {
        self.is_given[returned.slot & MASK] = false;
        self.taken = self.taken.wrapping_add(1);
    }

    /// Whether the chain that starts at `slot` is the device's.
    #[inline]
    pub const fn is_given(&self, slot: usize) -> bool {
        self.is_given[slot & MASK]
    }

    /// The descriptor whose turn is next, where they are given in order.
    #[inline]
    pub const fn next_slot(&self) -> usize {
        (self.given & self.mask) as usize
    }

    /// How many chains the device has that it has not given back, as far as was looked.
    pub const fn outstanding(&self) -> usize {
        self.given.wrapping_sub(self.taken) as usize
    }

    /// Writes a descriptor that is ours. It does not reach the device before
    /// [`SplitQueue::give`] and [`SplitQueue::publish`], so that the stores may be relaxed.
    #[inline]
    pub fn describe(&self, slot: usize, address: u64, length: u32, flags: u16, next: u16) {
        let descriptor = &self.memory().descriptors[slot & MASK];
        descriptor.address.store(address, Ordering::Relaxed);
        let fields = u64::from(length) | u64::from(flags) << 32 | u64::from(next) << 48;
        descriptor.fields.store(fields, Ordering::Relaxed);
    }

    /// Puts the chain that starts at `slot` into the available ring.
    #[inline]
    pub fn give(&mut self, slot: usize) {
        let at = usize::from(self.given & self.mask) & MASK;
        self.memory().available.ring[at].store(slot as u16, Ordering::Relaxed);
        self.is_given[slot & MASK] = true;
        self.given = self.given.wrapping_add(1);
    }

    /// How much was given that the device was not told of.
    #[inline]
    pub const fn unpublished(&self) -> usize {
        self.given.wrapping_sub(self.published) as usize
    }

    /// Lets the device see all that was given. Returns whether there was anything.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.published == self.given || self.breach.is_some() {
            return false;
        }
        self.published = self.given;
        // Releases: descriptors, ring and frames are in memory before the index says so.
        let index = &self.memory().available.index;
        index.store(self.given, Ordering::Release);
        true
    }

    /// Whether the device wants to be told of what was published. A full fence must stand between
    /// [`SplitQueue::publish`] and this, or a device that is about to sleep and we would miss each other
    /// (virtio 1.2 §2.7.13.4.1).
    #[inline]
    pub fn wants_notification(&self) -> bool {
        self.memory().used.flags.load(Ordering::Relaxed) & NO_NOTIFY == 0
    }

    /// How far the device has come, by its own word: a number that changes when it makes progress.
    pub fn progress(&self) -> u16 {
        self.memory().used.index.load(Ordering::Relaxed)
    }

    /// Whether the device owes us anything of what it was told.
    pub fn is_owed(&self) -> bool {
        self.progress() != self.published
    }
}
