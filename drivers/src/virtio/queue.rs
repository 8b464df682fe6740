//! What a queue does, in whichever of its two formats it lies in memory (virtio 1.2 §2.6).
//!
//! A queue knows who owns which slot, but neither buffers nor frames: those are in `rings.rs` and
//! `control.rs`. Nothing that the device writes is trusted. A device that names something that it was not
//! given marks the queue as broken: it stands still until it is started afresh.

use core::fmt;

use crate::dma::{DmaRegion, OutOfDmaMemory};

use super::features::Features;
use super::transport::Placement;

/// How many slots a queue has at most: that much of it can be the device's at once.
pub const SLOTS: usize = 256;

const _: () = assert!(SLOTS.is_power_of_two() && SLOTS < 1 << 15);

/// In a descriptor: the chain goes on with the next (virtio 1.2 §2.7.5, §2.8.2).
pub const NEXT: u16 = 1;
/// In a descriptor: the device writes to the buffer, rather than reading it (virtio 1.2 §2.7.5, §2.8.2).
pub const WRITE: u16 = 2;

/// How many slots a queue has whose device allows for `limit` descriptors: a power of two, since counters of 16 bits
/// go round it.
pub fn size_within(limit: u16) -> u16 {
    1 << limit.clamp(1, SLOTS as u16).ilog2()
}

/// What a device did that it must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It says that it has used more than it was given.
    IndexAhead,
    /// It names something that it was not given.
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
    /// What the device was given: below the queue's size, and ours again once it is taken.
    pub slot: usize,
    /// How many octets the device says to have written.
    pub length: u32,
}

/// Octets of memory, for the device.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The physical address of the first.
    pub address: u64,
    /// How many there are.
    pub length: u32,
}

/// A queue. Its slots are numbers, from 0 up to but not including its size.
pub trait Virtqueue: Sized {
    /// Octets of a [`DmaRegion`] that one with [`SLOTS`] descriptors or fewer takes at most, alignment included.
    const MEMORY: usize;

    /// What is to be agreed upon with the device for it.
    const FEATURES: Features;

    /// Octets of a [`DmaRegion`] that one with `size` descriptors takes at most, alignment included. A size that is told
    /// to the device is [`SLOTS`] at most; one that the device decides alone is any power of two.
    fn memory(size: u16) -> usize;

    /// A queue with room for `size` descriptors, that is not in use: [`Virtqueue::restart`] comes first.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when `memory` has no room for it.
    fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory>;

    /// Starts afresh, empty, with `size` descriptors, a power of two, and [`size_within`] that of slots. The device must
    /// have been reset: it owns nothing here.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when there is no room for so many; nothing was changed.
    fn restart(&mut self, size: u16) -> Result<(), OutOfDmaMemory>;

    /// How many slots there are, of which there may be fewer than descriptors.
    fn size(&self) -> usize;

    /// Where the queue lies.
    fn placement(&self) -> Placement;

    /// What the device did that it must not do, since the last start.
    fn breach(&self) -> Option<Breach>;

    /// Looks at memory: the oldest that the device has given back and that was not taken yet. A queue that is or turns out to
    /// be broken has none.
    fn returned(&mut self) -> Option<Returned>;

    /// Takes what [`Virtqueue::returned`] showed: it is ours.
    fn take(&mut self, returned: Returned);

    /// Whether `slot` is the device's.
    fn is_given(&self, slot: usize) -> bool;

    /// The slot whose turn is next, where all are given in order.
    fn next_slot(&self) -> usize;

    /// How much the device has that was not taken back.
    fn outstanding(&self) -> usize;

    /// Gives `slot`, which is ours, to the device: `piece`, with [`WRITE`] or nothing in `flags`. It may
    /// see it now, and does so when it was published.
    fn give(&mut self, slot: usize, piece: Piece, flags: u16);

    /// The same with two pieces, of which the device reads the first and writes the second. `slot` is even,
    /// and the one behind it goes with it.
    fn give_pair(&mut self, slot: usize, first: Piece, second: Piece);

    /// How much was given and not published.
    fn unpublished(&self) -> usize;

    /// Lets the device see all that was given. Returns whether there was anything.
    fn publish(&mut self) -> bool;

    /// Whether the device wants to be told of what was published. A full fence must stand between
    /// [`Virtqueue::publish`] and this, or a device that is about to sleep and we would miss each other
    /// (virtio 1.2 §2.7.13.4.1, §2.8.21.3.1).
    fn wants_notification(&self) -> bool;

    /// How far the device has come, by its own word: a number that changes when it makes progress.
    fn progress(&self) -> u16;

    /// Whether the device owes us anything of what it was told.
    fn is_owed(&self) -> bool;
}
