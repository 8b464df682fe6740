//! Frames that are kept for later, in the buffers in which they came.
//!
//! A backlog owns as many buffers as it can keep frames, always. To keep a frame, its buffer changes
//! places with a spare one; when its turn has come, it changes places with a sent one, or becomes a
//! spare. So no buffer can be lost, none can be in two places, and no frame is copied.

use core::mem;

use pollux_net::device::{BUFFER_SIZE, TransportChecksum};

use crate::dma::{BUFFER_STRIDE, Buffer, DmaRegion, OutOfDmaMemory};

/// How many frames are kept at most.
pub const CAPACITY: usize = 64;
const MASK: usize = CAPACITY - 1;

const _: () = assert!(CAPACITY.is_power_of_two());

/// What the card says of a frame: its length, and of the checksum in it.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    length: u32,
    checksum: TransportChecksum,
}

/// Frames that are kept for later, oldest first. All its buffers are ours: no descriptor that a card
/// may use names one of them.
#[derive(Debug)]
pub struct Backlog {
    buffers: [Buffer; CAPACITY],
    said: [Said; CAPACITY],
    /// Where the oldest frame is.
    first: usize,
    frames: usize,
}

impl Backlog {
    /// Octets of a [`DmaRegion`] that one takes.
    pub const MEMORY: usize = CAPACITY * BUFFER_STRIDE;

    /// One with nothing in it.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when `memory` has no room for [`Backlog::MEMORY`] octets.
    pub fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            buffers: memory.buffers()?,
            said: [Said::default(); CAPACITY],
            first: 0,
            frames: 0,
        })
    }

    /// How many frames are kept.
    #[inline]
    pub const fn len(&self) -> usize {
        self.frames
    }

    /// Whether none is kept.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// How many more frames can be kept.
    #[inline]
    pub const fn room(&self) -> usize {
        CAPACITY - self.frames
    }

    /// Keeps the frame in the first `length` octets of `buffer`, which holds a spare buffer afterwards.
    /// Returns `false`, and does nothing, when there is no room.
    ///
    /// `buffer` must be ours: the card is done with it, and is not told of the spare one yet.
    #[inline]
    pub const fn keep(
        &mut self,
        buffer: &mut Buffer,
        length: usize,
        checksum: TransportChecksum,
    ) -> bool {
        if self.room() == 0 {
            return false;
        }
        let place = (self.first + self.frames) & MASK;
        mem::swap(buffer, &mut self.buffers[place]);
        self.said[place] = Said {
            length: length as u32,
            checksum,
        };
        self.frames += 1;
        true
    }

    /// The oldest frame.
    #[inline]
    pub const fn oldest(&mut self) -> Option<Kept<'_>> {
        if self.is_empty() {
            return None;
        }
        Some(Kept { backlog: self })
    }

    /// The addresses of all its buffers.
    #[cfg(test)]
    pub fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.buffers.iter().map(Buffer::physical)
    }
}

/// A frame whose turn has come. One that is dropped stays the oldest.
#[derive(Debug)]
pub struct Kept<'backlog> {
    backlog: &'backlog mut Backlog,
}

impl Kept<'_> {
    /// The frame's octets.
    #[inline]
    pub const fn length(&self) -> usize {
        self.said().length as usize
    }

    #[inline]
    const fn said(&self) -> Said {
        self.backlog.said[self.backlog.first & MASK]
    }

    /// What the card said of the checksum in it.
    #[inline]
    pub const fn transport_checksum(&self) -> TransportChecksum {
        self.said().checksum
    }

    /// The frame's buffer.
    #[inline]
    pub const fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        let buffer = &mut self.backlog.buffers[self.backlog.first & MASK];
        // SAFETY: no card knows of the buffers in a backlog.
        unsafe { buffer.bytes() }
    }

    /// Makes the frame's buffer change places with `vacant`, to be sent from there. `vacant` must be
    /// ours.
    #[inline]
    pub const fn exchange(self, vacant: &mut Buffer) {
        mem::swap(&mut self.backlog.buffers[self.backlog.first & MASK], vacant);
        self.release();
    }

    /// Forgets the frame: its buffer is a spare one.
    #[inline]
    pub const fn release(self) {
        self.backlog.first = (self.backlog.first + 1) & MASK;
        self.backlog.frames -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::test_memory::TestMemory;
    use std::collections::BTreeSet;

    /// What a card says of the checksum in the frame `number`.
    fn said(number: u8) -> TransportChecksum {
        match number % 3 {
            0 => TransportChecksum::Verified,
            _ => TransportChecksum::Unverified,
        }
    }

    fn all(backlog: &Backlog, others: &[Buffer]) -> BTreeSet<u64> {
        let others = others.iter().map(Buffer::physical);
        backlog.buffers().chain(others).collect()
    }

    #[test]
    fn frames_come_back_in_order_and_no_buffer_is_lost() {
        let memory = TestMemory::new(Backlog::MEMORY + 4 * BUFFER_STRIDE);
        let mut region = memory.region();
        let mut backlog = Backlog::new(&mut region).expect("room");
        let mut others: [Buffer; 4] = region.buffers().expect("room");
        let everything = all(&backlog, &others);
        let (mut next, mut expected) = (0_u8, 0_u8);
        for round in 0..1000_usize {
            for buffer in others.iter_mut().take(round % 4) {
                // SAFETY: there is no card.
                unsafe { buffer.bytes()[0] = next };
                if backlog.keep(buffer, 60 + usize::from(next), said(next)) {
                    next = next.wrapping_add(1);
                }
            }
            for turn in 0..round % 3 {
                let Some(mut kept) = backlog.oldest() else {
                    break;
                };
                assert_eq!(kept.bytes()[0], expected);
                assert_eq!(kept.length(), 60 + usize::from(expected));
                assert_eq!(kept.transport_checksum(), said(expected));
                expected = expected.wrapping_add(1);
                match turn {
                    0 => kept.release(),
                    _ => kept.exchange(&mut others[3]),
                }
            }
            assert_eq!(all(&backlog, &others), everything);
            assert_eq!(everything.len(), CAPACITY + 4);
        }
    }

    #[test]
    fn a_full_one_keeps_nothing_and_changes_nothing() {
        let memory = TestMemory::new(Backlog::MEMORY + BUFFER_STRIDE);
        let mut region = memory.region();
        let mut backlog = Backlog::new(&mut region).expect("room");
        let [mut buffer] = region.buffers().expect("room");
        for length in 0..CAPACITY {
            assert!(backlog.keep(&mut buffer, length, TransportChecksum::Verified));
        }
        assert_eq!(backlog.room(), 0);
        let before = buffer.physical();
        assert!(!backlog.keep(&mut buffer, 1514, TransportChecksum::Verified));
        assert_eq!(buffer.physical(), before);
        for length in 0..CAPACITY {
            let kept = backlog.oldest().expect("is there");
            assert_eq!(kept.length(), length);
            kept.release();
        }
        assert!(backlog.oldest().is_none());
    }
}
