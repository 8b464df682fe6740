//! The split virtqueue: a table of descriptors, a ring of those that the device was given, and a ring of those
//! that it has used (virtio 1.2 §2.7). Where they lie is `layout.rs`.

use core::sync::atomic::Ordering;

use crate::dma::{DmaRegion, OutOfDmaMemory};

use super::features::Features;
use super::layout::{BySize, Constant, Layout};
use super::queue::{Breach, NEXT, Piece, Returned, SLOTS, Virtqueue, WRITE, size_within};
use super::transport::Placement;

const MASK: usize = SLOTS - 1;

/// In the available ring: do not interrupt (virtio 1.2 §2.7.6).
const NO_INTERRUPT: u16 = 1;
/// In the used ring: do not notify (virtio 1.2 §2.7.8).
const NO_NOTIFY: u16 = 1;

/// A queue of a device of version 1.0.
pub type SplitQueue = Split<Constant>;

/// A queue that a device from before version 1.0 finds, too.
pub type LegacyQueue = Split<BySize>;

/// A queue.
#[derive(Debug)]
pub struct Split<L> {
    memory: L,
    /// How many slots there are, less one; they are a power of two.
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
    /// How many descriptors there are.
    size: u16,
}

impl<L: Layout> Split<L> {
    #[cold]
    const fn breached(&mut self, breach: Breach) {
        self.breach = Some(breach);
    }

    /// Looks whether the device has used more than was taken, and takes note of how far it has come.
    #[inline]
    fn look(&mut self) -> bool {
        // Acquires: what the device wrote before the index is seen by every load that follows.
        self.seen = self.memory.used().index.load(Ordering::Acquire);
        let count = self.seen.wrapping_sub(self.taken);
        if count == 0 {
            return false;
        }
        if count > self.published.wrapping_sub(self.taken) {
            self.breached(Breach::IndexAhead);
        }
        true
    }

    /// Writes a descriptor that is ours. It does not reach the device before it is in the available ring and
    /// published, so that the stores may be relaxed.
    #[inline]
    fn describe(&self, slot: usize, piece: Piece, flags: u16, next: u16) {
        let descriptor = self.memory.descriptor(slot);
        descriptor.address.store(piece.address, Ordering::Relaxed);
        let fields = u64::from(piece.length) | u64::from(flags) << 32 | u64::from(next) << 48;
        descriptor.fields.store(fields, Ordering::Relaxed);
    }

    /// Puts the chain that starts at `slot` into the available ring.
    #[inline]
    fn make_available(&mut self, slot: usize) {
        let entry = self.memory.available_entry(self.given, self.mask);
        entry.store(slot as u16, Ordering::Relaxed);
        self.is_given[slot & MASK] = true;
        self.given = self.given.wrapping_add(1);
    }
}

impl<L: Layout> Virtqueue for Split<L> {
    const MEMORY: usize = L::MEMORY;

    const FEATURES: Features = L::FEATURES;

    fn memory(size: u16) -> usize {
        L::memory(size)
    }

    fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            memory: L::new(memory, size)?,
            mask: 0,
            given: 0,
            published: 0,
            taken: 0,
            seen: 0,
            is_given: [false; SLOTS],
            breach: None,
            size,
        })
    }

    fn restart(&mut self, size: u16) -> Result<(), OutOfDmaMemory> {
        self.memory.lay_out(size)?;
        self.size = size;
        self.mask = size_within(size) - 1;
        (self.given, self.published, self.taken, self.seen) = (0, 0, 0, 0);
        self.is_given = [false; SLOTS];
        self.breach = None;
        let (available, used) = (self.memory.available(), self.memory.used());
        available.flags.store(NO_INTERRUPT, Ordering::Relaxed);
        available.index.store(0, Ordering::Relaxed);
        used.flags.store(0, Ordering::Relaxed);
        used.index.store(0, Ordering::Release);
        Ok(())
    }

    fn size(&self) -> usize {
        usize::from(self.mask) + 1
    }

    fn placement(&self) -> Placement {
        self.memory.placement(self.size)
    }

    fn breach(&self) -> Option<Breach> {
        self.breach
    }

    #[inline]
    fn returned(&mut self) -> Option<Returned> {
        if self.seen == self.taken && !self.look() || self.breach.is_some() {
            return None;
        }
        let element = self.memory.used_entry(self.taken, self.mask);
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
        let index = &self.memory.available().index;
        index.store(self.given, Ordering::Release);
        true
    }

    #[inline]
    fn wants_notification(&self) -> bool {
        self.memory.used().flags.load(Ordering::Relaxed) & NO_NOTIFY == 0
    }

    fn progress(&self) -> u16 {
        self.memory.used().index.load(Ordering::Relaxed)
    }

    fn is_owed(&self) -> bool {
        self.progress() != self.published
    }
}
