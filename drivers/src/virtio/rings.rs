//! The two queues that frames go through, and the buffers that belong to them.
//!
//! Every slot of both owns exactly one buffer, always; buffers move only by changing places, so that
//! none can be lost and none can be in two slots. A frame is one descriptor: its header lies in the
//! buffer's headroom, right before its first octet.
//!
//! Of what the device writes only the length means anything, and where that was negotiated what its header says of
//! checksums; what it reads as header is zeros (virtio 1.2 §5.1.6).

use pollux_net::device::{BUFFER_SIZE, Damage, SoundFrame, TransportChecksum};
use pollux_net::wire::partial_checksum::{self, Place};

use crate::dma::{BUFFER_STRIDE, Buffer, DmaRegion, HEADROOM, OutOfDmaMemory};
use crate::exchange::{self, Arrivals, Vacancies};

use super::queue::{Piece, Returned, SLOTS, Virtqueue, WRITE};

const MASK: usize = SLOTS - 1;

/// Octets of the header in front of each frame: as of version 1.0, and before it
/// (virtio 1.2 §5.1.6.1).
const HEADER: u32 = 12;
const LEGACY_HEADER: u32 = 10;

const _: () = assert!(HEADER as usize <= HEADROOM);

/// In the flags, the header's first octet: the frame's checksum is still to be completed; the device has verified it (virtio 1.2 §5.1.6.4.2).
const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;

/// How many receive slots are handed back to the device together, so that it is seldom told. While
/// fewer are kept back, the device still has seven of eight.
const RECEIVE_BATCH: usize = 32;

/// A queue and the buffers that its slots own.
#[derive(Debug)]
struct Slots<Q> {
    queue: Q,
    buffers: [Buffer; SLOTS],
    /// Octets of the header.
    header: u32,
}

impl<Q: Virtqueue> Slots<Q> {
    const MEMORY: usize = Q::MEMORY + SLOTS * BUFFER_STRIDE;

    fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            queue: Q::new(memory, size)?,
            buffers: memory.buffers()?,
            header: HEADER,
        })
    }

    fn restart(&mut self, size: u16, is_legacy: bool) -> Result<(), OutOfDmaMemory> {
        self.header = if is_legacy { LEGACY_HEADER } else { HEADER };
        self.queue.restart(size)
    }

    #[inline]
    const fn buffer(&mut self, slot: usize) -> &mut Buffer {
        &mut self.buffers[slot & MASK]
    }

    /// Gives the slot to the device: the header and `length` octets of the buffer behind it.
    #[inline]
    fn give(&mut self, slot: usize, length: usize, flags: u16) {
        let start = self.buffers[slot & MASK].physical() - u64::from(self.header);
        let piece = Piece {
            address: start,
            length: self.header + length as u32,
        };
        self.queue.give(slot, piece, flags);
    }
}

/// The queue of buffers that the device fills.
#[derive(Debug)]
pub struct ReceiveRing<Q> {
    slots: Slots<Q>,
    /// How many slots are handed back together.
    batch: usize,
    /// Whether the device was told that it may say something of checksums.
    hears_of_checksums: bool,
    /// Whether what it says to have verified is listened to.
    believes_checksums: bool,
}

impl<Q: Virtqueue> ReceiveRing<Q> {
    /// Octets of a [`DmaRegion`] that one with [`SLOTS`] descriptors or fewer takes at most.
    pub const MEMORY: usize = Slots::<Q>::MEMORY;

    /// A ring with room for `size` descriptors, that is not in use: [`ReceiveRing::restart`] comes first.
    pub fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            slots: Slots::new(memory, size)?,
            batch: 1,
            hears_of_checksums: false,
            believes_checksums: false,
        })
    }

    /// Starts afresh, with an empty buffer in every slot, all of them the device's as soon as it is told
    /// of the queue. It must have been reset.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when there is no room for `size` descriptors.
    pub fn restart(&mut self, size: u16, is_legacy: bool) -> Result<(), OutOfDmaMemory> {
        self.slots.restart(size, is_legacy)?;
        let size = self.slots.queue.size();
        self.batch = RECEIVE_BATCH.min(size / 8).max(1);
        for slot in 0..size {
            self.slots.give(slot, BUFFER_SIZE, WRITE);
        }
        self.slots.queue.publish();
        Ok(())
    }

    /// Takes note of whether the device was told that it may say something of checksums.
    pub const fn hear_of_checksums(&mut self, hears: bool) {
        self.hears_of_checksums = hears;
    }

    /// Says whether what the device says to have verified is listened to.
    pub const fn believe_checksums(&mut self, believes: bool) {
        self.believes_checksums = believes;
    }

    /// The queue.
    pub const fn queue(&self) -> &Q {
        &self.slots.queue
    }

    /// Lets the device see the slots that were handed back, if it is time to. Returns whether it did.
    #[inline]
    pub fn publish_batch(&mut self) -> bool {
        self.slots.queue.unpublished() >= self.batch && self.slots.queue.publish()
    }

    /// The addresses of all its buffers.
    #[cfg(test)]
    pub fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.buffers.iter().map(Buffer::physical)
    }
}

impl<Q: Virtqueue> Arrivals for ReceiveRing<Q> {
    type Arrival<'ring>
        = Arrival<'ring, Q>
    where
        Q: 'ring;

    #[inline]
    fn arrival(&mut self) -> Option<Arrival<'_, Q>> {
        let returned = self.slots.queue.returned()?;
        Some(Arrival {
            ring: self,
            returned,
        })
    }
}

/// A slot that the device has filled.
#[derive(Debug)]
pub struct Arrival<'ring, Q> {
    ring: &'ring mut ReceiveRing<Q>,
    returned: Returned,
}

impl<Q: Virtqueue> SoundFrame for Arrival<'_, Q> {
    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        // SAFETY: an arrival exists only where the device has given back a slot that it had, and it
        // is not given the slot again before the arrival's end.
        unsafe { self.ring.slots.buffer(self.returned.slot).bytes() }
    }

    #[inline]
    fn transport_checksum(&mut self) -> TransportChecksum {
        if !self.ring.hears_of_checksums {
            return TransportChecksum::Unverified;
        }
        // SAFETY: as for the octets.
        let header = unsafe { self.ring.header(self.returned.slot) };
        let mut flags = header.first().copied().unwrap_or(0);
        if flags & NEEDS_CHECKSUM != 0 {
            // SAFETY: as for the octets.
            flags = unsafe { self.ring.complete_checksum(self.returned) };
        }
        if flags & DATA_VALID != 0 && self.ring.believes_checksums {
            TransportChecksum::Verified
        } else {
            TransportChecksum::Unverified
        }
    }
}

/// Apart from [`Arrival`], which the loop of frames would otherwise have to keep in memory.
impl<Q: Virtqueue> ReceiveRing<Q> {
    /// The header in front of the frame in a slot.
    ///
    /// # Safety
    ///
    /// The device has given the slot back, and is not given it again while the header is borrowed.
    #[inline]
    unsafe fn header(&mut self, slot: usize) -> &mut [u8] {
        let start = HEADROOM - self.slots.header as usize;
        // SAFETY: the caller vouches for the device.
        let headroom = unsafe { self.slots.buffer(slot).headroom() };
        headroom.get_mut(start..).unwrap_or_default()
    }

    /// Makes of a frame that never was on a wire what it would have been there, and takes note of that in its header, since
    /// it may be asked about twice. Returns the flags: what is not where UDP has its checksum is nobody's word.
    ///
    /// # Safety
    ///
    /// As for [`Self::header`].
    #[cold]
    #[inline(never)]
    unsafe fn complete_checksum(&mut self, returned: Returned) -> u8 {
        let Returned { slot, length, .. } = returned;
        // Less than a header makes far more than a buffer.
        let length = length.wrapping_sub(self.slots.header) as usize;
        // SAFETY: the caller vouches for the device.
        let header = unsafe { self.header(slot) };
        // Two fields behind those that say how to cut the frame (virtio 1.2 §5.1.6.1).
        let place = match *header {
            [_, _, _, _, _, _, a, b, c, d, ..] => Some(Place {
                start: usize::from(u16::from_le_bytes([a, b])),
                offset: usize::from(u16::from_le_bytes([c, d])),
            }),
            _ => None,
        };
        // SAFETY: as above.
        let bytes = unsafe { self.slots.buffer(slot).bytes() };
        let is_complete = place
            .zip(bytes.get_mut(..length))
            .is_some_and(|(place, frame)| partial_checksum::complete(frame, place));
        let flags = if is_complete { DATA_VALID } else { 0 };
        // SAFETY: as above.
        if let Some(kept) = unsafe { self.header(slot) }.first_mut() {
            *kept = flags;
        }
        flags
    }
}

impl<Q: Virtqueue> exchange::Arrival for Arrival<'_, Q> {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self.ring.slots.buffer(self.returned.slot)
    }

    /// Nothing but a header makes 0, and less than one a number far beyond any buffer.
    #[inline]
    fn sound_length(&self) -> Option<usize> {
        Some(self.returned.length.wrapping_sub(self.ring.slots.header) as usize)
    }

    fn inspect(&mut self) -> (usize, Option<Damage>) {
        match self.sound_length() {
            Some(length @ 1..=BUFFER_SIZE) => (length, None),
            _ => (0, Some(Damage::ImpossibleLength)),
        }
    }

    #[inline]
    fn release(self) {
        let slots = &mut self.ring.slots;
        slots.queue.take(self.returned);
        slots.give(self.returned.slot, BUFFER_SIZE, WRITE);
    }
}

/// The queue of frames that the device sends.
///
/// Slots are used in order. A device may finish frames in another order; then the next slot is waited
/// for, though others may be free.
#[derive(Debug)]
pub struct TransmitRing<Q> {
    slots: Slots<Q>,
    /// Whether frames may be queued at all.
    is_open: bool,
}

impl<Q: Virtqueue> TransmitRing<Q> {
    /// Octets of a [`DmaRegion`] that one with [`SLOTS`] descriptors or fewer takes at most.
    pub const MEMORY: usize = Slots::<Q>::MEMORY;

    /// A ring with room for `size` descriptors, that is not in use: [`TransmitRing::restart`] comes first.
    pub fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            slots: Slots::new(memory, size)?,
            is_open: false,
        })
    }

    /// Opens it for frames, or closes it, as the link goes up or down. A new one is closed.
    pub const fn open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    /// Starts afresh, with nothing to send. The device must have been reset.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when there is no room for `size` descriptors.
    pub fn restart(&mut self, size: u16, is_legacy: bool) -> Result<(), OutOfDmaMemory> {
        self.slots.restart(size, is_legacy)
    }

    /// The queue.
    pub const fn queue(&self) -> &Q {
        &self.slots.queue
    }

    /// Takes what the device has sent, up to `slot`. From a device that sends in order that is one
    /// slot each time.
    #[inline]
    fn collect(&mut self, slot: usize) -> Option<()> {
        let queue = &mut self.slots.queue;
        while queue.is_given(slot) {
            let returned = queue.returned()?;
            queue.take(returned);
        }
        Some(())
    }

    /// Lets the device see what was queued. Returns whether there was anything.
    #[inline]
    pub fn publish(&mut self) -> bool {
        self.slots.queue.publish()
    }

    /// The addresses of all its buffers.
    #[cfg(test)]
    pub fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.buffers.iter().map(Buffer::physical)
    }
}

impl<Q: Virtqueue> Vacancies for TransmitRing<Q> {
    type Vacancy<'ring>
        = Vacancy<'ring, Q>
    where
        Q: 'ring;

    #[inline]
    fn vacancy(&mut self) -> Option<Vacancy<'_, Q>> {
        if !self.is_open {
            return None;
        }
        let slot = self.slots.queue.next_slot();
        if self.slots.queue.is_given(slot) {
            self.collect(slot)?;
        }
        Some(Vacancy { ring: self, slot })
    }
}

/// A transmit slot that is free.
#[derive(Debug)]
pub struct Vacancy<'ring, Q> {
    ring: &'ring mut TransmitRing<Q>,
    slot: usize,
}

impl<Q: Virtqueue> exchange::Vacancy for Vacancy<'_, Q> {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self.ring.slots.buffer(self.slot)
    }

    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        // SAFETY: the device has given the slot back, or was never given it.
        unsafe { self.buffer().bytes() }
    }

    /// What the device wrote into the header when the frame came must not go out with it.
    #[inline]
    fn queue(mut self, length: usize) {
        // SAFETY: as for the buffer's own octets.
        let headroom = unsafe { self.buffer().headroom() };
        if let Some(header) = headroom.last_chunk_mut() {
            *header = [0_u8; HEADER as usize];
        }
        self.ring.slots.give(self.slot, length, 0);
    }
}
