//! The two descriptor rings: memory that the card and we both read and write, moved with care behind
//! an interface that is safe.
//!
//! This knows descriptors, whichever their [`Format`], but no register: it says what a tail register is to be told,
//! and `mod.rs` tells it. Every slot of both rings owns exactly one buffer, always; buffers move
//! between slots only by changing places, so that none can be lost and none can be in two slots.
//!
//! Nothing that the card writes is trusted. Status, length and errors are read together, once, and
//! checked; buffer addresses are never read back, but kept in memory of our own.

use core::marker::PhantomData;
use core::mem;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use pollux_net::device::{BUFFER_SIZE, Damage, SoundFrame, TransportChecksum};

use super::format::{Advanced, DONE, EMPTY, END_OF_PACKET, Format, Legacy, SENT};
use crate::dma::{Buffer, DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT, Table};
use crate::exchange::{self, Arrivals, Vacancies};
use crate::place;

/// Slots of each ring.
pub const SLOTS: usize = 256;

/// A place in a ring.
type Place = place::Place<SLOTS, { size_of::<Descriptor>() }>;

/// How many receive slots are handed back with one write of the tail register. Under a hypervisor
/// that write is what costs most of all. While fewer are kept back, the card has at least
/// `SLOTS - 1 - RECEIVE_BATCH` left that are empty or not looked at yet; so it never runs dry for
/// want of a write.
pub const RECEIVE_BATCH: usize = 32;

/// Where the first of them are handed back.
const FIRST_DUE: Place = Place::START.after(RECEIVE_BATCH);

/// In no part of a status: more than [`Format::VERIFICATION`] or [`Format::ERRORS`] has.
const NEVER: u32 = u32::MAX;

const _: () = assert!(Legacy::VERIFICATION != NEVER && Advanced::VERIFICATION != NEVER);
const _: () = assert!(Legacy::ERRORS | Advanced::ERRORS | END_OF_PACKET != NEVER);
const _: () = assert!(SLOTS.is_power_of_two() && RECEIVE_BATCH < SLOTS / 2);
// RDLEN and TDLEN count in 128 octets (82540EM SDM §13.4.27, §13.4.38), and the rings are aligned to
// their size, since bursts that cross a page have gone wrong on cards of this family.
const _: () = assert!((SLOTS * size_of::<Descriptor>()).is_multiple_of(128));
const _: () = assert!(SLOTS * size_of::<Descriptor>() <= TABLE_ALIGNMENT);

/// A descriptor of either ring.
///
/// The second half is one atomic, so that a look at it sees the status together with the length and
/// the errors of the same frame: an aligned load of eight octets is atomic on this processor, the card
/// writes "descriptor done" last or at the same time, and the load acquires, so that nothing which
/// follows it can be done ahead of it.
#[derive(Debug)]
#[repr(C, align(16))]
struct Descriptor {
    /// Physical address of the buffer. A card may overwrite it.
    buffer: AtomicU64,
    /// Length, status and the rest, laid out differently for each direction and [`Format`].
    fields: AtomicU64,
}

const _: () = assert!(size_of::<Descriptor>() == 16);
const _: () = assert!(mem::offset_of!(Descriptor, buffer) == 0);
const _: () = assert!(mem::offset_of!(Descriptor, fields) == 8);

// SAFETY: both fields are atomic integers.
unsafe impl DeviceShared for Descriptor {}

/// Where a ring lies, for the card's registers.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Physical address of the first descriptor.
    pub physical: u64,
    /// Octets.
    pub length: u32,
}

/// A ring's descriptors, and the buffers that its slots own.
#[derive(Debug)]
struct Slots {
    descriptors: Table<Descriptor, SLOTS>,
    buffers: [Buffer; SLOTS],
    /// The slot whose turn is next: to be filled by the card, or by us.
    next: Place,
}

impl Slots {
    fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            descriptors: memory.table()?,
            buffers: memory.buffers()?,
            next: Place::START,
        })
    }

    /// Tells every descriptor's fields to be `fields`, and begins at the first slot.
    fn restart(&mut self, fields: u64) {
        let mut place = Place::START;
        for _ in 0..SLOTS {
            self.advance(place, fields);
            place = self.next;
        }
        self.next = Place::START;
    }

    const fn placement(&self) -> Placement {
        Placement {
            physical: self.descriptors.physical(),
            length: self.descriptors.length(),
        }
    }

    /// The descriptor at `place`.
    #[inline]
    const fn descriptor(&self, place: Place) -> &Descriptor {
        place.of(self.descriptors.entries())
    }

    /// The buffer of the slot at `place`, which is `next`, kept by who asks so that it need not be loaded again.
    #[inline]
    const fn buffer(&mut self, place: Place) -> &mut Buffer {
        place.of_mut(&mut self.buffers)
    }

    /// Tells what is to stand in the descriptor of the slot at `place`, which is `next`, and goes on to the
    /// slot behind it. Both stores may be relaxed: the card looks at neither before the tail register is
    /// written, and a release fence comes before that.
    #[inline]
    fn advance(&mut self, place: Place, fields: u64) {
        let buffer = place.of(&self.buffers).physical();
        let descriptor = self.descriptor(place);
        descriptor.buffer.store(buffer, Ordering::Relaxed);
        descriptor.fields.store(fields, Ordering::Relaxed);
        self.next = place.after(1);
    }
}

/// The ring of buffers that the card fills.
///
/// The card may use the slots from its head up to, but without, its tail, and takes head = tail for
/// "none left". So one slot, the one before `next`, is always held back.
#[derive(Debug)]
pub struct ReceiveRing<F> {
    slots: Slots,
    format: PhantomData<F>,
    /// The value of `next` of which the card is to be told.
    due: Place,
    /// What of a status says that a frame is whole: [`END_OF_PACKET`] alone, or what no status has after a frame that went on
    /// into the next slot.
    whole: u32,
    /// What of a status says that checksums are right: [`Format::VERIFIED`], or what no status is while the card is not
    /// believed.
    verified: u32,
}

impl<F: Format> ReceiveRing<F> {
    /// A ring with an empty buffer in every slot.
    pub fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        let mut slots = Slots::new(memory)?;
        slots.restart(EMPTY);
        Ok(Self {
            slots,
            format: PhantomData,
            due: FIRST_DUE,
            whole: END_OF_PACKET,
            verified: NEVER,
        })
    }

    /// Starts afresh, with an empty buffer in every slot, for a card that has been reset. What stood in
    /// the ring is gone.
    pub fn restart(&mut self) {
        self.slots.restart(EMPTY);
        self.due = FIRST_DUE;
        self.whole = END_OF_PACKET;
    }

    /// Says whether what the card says of checksums is listened to.
    pub const fn believe_checksums(&mut self, believes: bool) {
        self.verified = if believes { F::VERIFIED } else { NEVER };
    }

    /// Where the ring lies.
    pub const fn placement(&self) -> Placement {
        self.slots.placement()
    }

    /// What the tail register is to hold before the first frame, with the head at 0.
    pub const fn first_tail(&self) -> u32 {
        (SLOTS - 1) as u32
    }

    /// What to tell the tail register, if it is time to.
    #[inline]
    pub fn take_tail(&mut self) -> Option<u32> {
        if self.slots.next < self.due {
            return None;
        }
        self.due = self.slots.next.after(RECEIVE_BATCH);
        // All descriptors written so far must be in memory before the card is told of them.
        fence(Ordering::Release);
        Some(self.slots.next.before().slot() as u32)
    }

    #[cfg(test)]
    pub fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.buffers.iter().map(Buffer::physical)
    }
}

impl<F: Format> Arrivals for ReceiveRing<F> {
    type Arrival<'ring> = Arrival<'ring, F>;

    #[inline]
    fn arrival(&mut self) -> Option<Arrival<'_, F>> {
        let place = self.slots.next;
        let fields = self.slots.descriptor(place).fields.load(Ordering::Acquire);
        (F::status(fields) & DONE != 0).then_some(Arrival {
            ring: self,
            place,
            fields,
        })
    }
}

/// A slot that the card has filled.
#[derive(Debug)]
pub struct Arrival<'ring, F> {
    ring: &'ring mut ReceiveRing<F>,
    /// The slot's.
    place: Place,
    fields: u64,
}

impl<F: Format> SoundFrame for Arrival<'_, F> {
    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        // SAFETY: an arrival exists only where the card has set "descriptor done", and it may not use
        // the slot again before the tail register says so, which is after the arrival's end.
        unsafe { self.ring.slots.buffer(self.place).bytes() }
    }

    #[inline]
    fn transport_checksum(&mut self) -> TransportChecksum {
        if F::status(self.fields) & F::VERIFICATION == self.ring.verified {
            TransportChecksum::Verified
        } else {
            TransportChecksum::Unverified
        }
    }
}

impl<F: Format> exchange::Arrival for Arrival<'_, F> {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self.ring.slots.buffer(self.place)
    }

    #[inline]
    fn sound_length(&self) -> Option<usize> {
        let said = F::status(self.fields) & (END_OF_PACKET | F::ERRORS);
        (said == self.ring.whole).then(|| F::length(self.fields))
    }

    /// A frame that goes on into the next slot is remembered.
    fn inspect(&mut self) -> (usize, Option<Damage>) {
        let length = F::length(self.fields);
        if (1..=BUFFER_SIZE).contains(&length) && self.sound_length().is_some() {
            (length, None)
        } else {
            (length.min(BUFFER_SIZE), Some(self.diagnose()))
        }
    }

    #[inline]
    fn release(self) {
        self.ring.slots.advance(self.place, EMPTY);
    }
}

impl<F: Format> Arrival<'_, F> {
    #[cold]
    fn diagnose(&mut self) -> Damage {
        let status = F::status(self.fields);
        let ends = status & END_OF_PACKET != 0;
        let whole = if ends { END_OF_PACKET } else { NEVER };
        let continues = mem::replace(&mut self.ring.whole, whole) == NEVER;
        if continues || !ends {
            Damage::Oversized
        } else if status & F::ERRORS != 0 {
            Damage::Reported
        } else {
            Damage::ImpossibleLength
        }
    }
}

/// The ring of frames that the card sends.
///
/// Here, too, head = tail means "none", so at most `SLOTS - 1` frames are queued at a time.
#[derive(Debug)]
pub struct TransmitRing<F> {
    slots: Slots,
    format: PhantomData<F>,
    /// What the tail register was last told.
    announced: Place,
    /// How many slots from `next` on are known to be free, and may be used: none while it is closed.
    free: usize,
    /// Whether frames may be queued at all.
    is_open: bool,
}

impl<F: Format> TransmitRing<F> {
    /// A ring with nothing to send.
    pub fn new(memory: &mut DmaRegion) -> Result<Self, OutOfDmaMemory> {
        let mut slots = Slots::new(memory)?;
        slots.restart(SENT);
        Ok(Self {
            slots,
            format: PhantomData,
            announced: Place::START,
            free: 0,
            is_open: false,
        })
    }

    /// Starts afresh, with nothing to send, for a card that has been reset. What stood in the ring is
    /// not sent.
    pub fn restart(&mut self) {
        self.slots.restart(SENT);
        self.announced = Place::START;
        self.free = 0;
    }

    /// Opens it for frames, or closes it, as the link goes up or down. A new one is closed. Where that is no news, what is
    /// known of free slots stays so, and need not be looked for again.
    pub const fn open(&mut self, is_open: bool) {
        if self.is_open != is_open {
            self.is_open = is_open;
            self.free = 0;
        }
    }

    /// Whether the card has not sent yet all that it was told of: whether the last of it is not done.
    pub fn is_owed(&self) -> bool {
        let last = self.slots.descriptor(self.announced.before());
        last.fields.load(Ordering::Relaxed) & SENT == 0
    }

    /// Queues one frame for nobody, all of zeros, behind those that the card was told of, and forgets what it was not
    /// told of. Returns what to tell the tail register. For a ring that is to be emptied before a reset; where
    /// it is full, nothing is queued.
    pub fn queue_for_nobody(&mut self, length: usize) -> u32 {
        let place = self.announced;
        let behind = self.slots.descriptor(place.after(1));
        if behind.fields.load(Ordering::Acquire) & SENT == 0 {
            return place.slot() as u32;
        }
        let buffer = self.slots.buffer(place);
        // SAFETY: the slot at the tail is never the card's.
        let octets = unsafe { buffer.bytes() };
        octets.iter_mut().take(length).for_each(|octet| *octet = 0);
        self.slots.advance(place, F::send(length));
        self.announced = self.slots.next;
        self.free = 0;
        fence(Ordering::Release);
        self.announced.slot() as u32
    }

    /// Where the ring lies.
    pub const fn placement(&self) -> Placement {
        self.slots.placement()
    }

    /// What to tell the tail register, if anything was queued since it was told last.
    #[inline]
    pub fn take_tail(&mut self) -> Option<u32> {
        if self.announced == self.slots.next {
            return None;
        }
        self.announced = self.slots.next;
        // All descriptors and frames written so far must be in memory before the card is told of
        // them.
        fence(Ordering::Release);
        Some(self.announced.slot() as u32)
    }

    #[cfg(test)]
    pub fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.buffers.iter().map(Buffer::physical)
    }
}

impl<F: Format> Vacancies for TransmitRing<F> {
    type Vacancy<'ring> = Vacancy<'ring, F>;

    #[inline]
    fn vacancy(&mut self) -> Option<Vacancy<'_, F>> {
        if self.free == 0 {
            self.look();
        }
        let place = self.slots.next;
        (self.free > 0).then_some(Vacancy { ring: self, place })
    }
}

impl<F: Format> TransmitRing<F> {
    /// Looks how many slots may be used: many, or one, or none.
    ///
    /// It is the slot behind them that is looked at. That one must be free in any case, since the tail may
    /// come to point there and must not meet the head; and the card sends in order, so that all slots
    /// before it are free then, too. (From a card that lies about it we lose what it was to send, nothing
    /// else.) The load acquires, so that no octet of their buffers is written before the card is known to
    /// be done with them.
    #[cold]
    fn look(&mut self) {
        let is_done = |behind: usize| {
            let descriptor = self.slots.descriptor(self.slots.next.after(behind));
            descriptor.fields.load(Ordering::Acquire) & SENT != 0
        };
        self.free = [MANY, 1]
            .into_iter()
            .find(|&free| self.is_open && is_done(free))
            .unwrap_or(0);
    }
}

/// How many slots are found to be free by one look, while the card keeps up.
const MANY: usize = 32;

/// A transmit slot that is free.
#[derive(Debug)]
pub struct Vacancy<'ring, F> {
    ring: &'ring mut TransmitRing<F>,
    /// The slot's.
    place: Place,
}

impl<F: Format> exchange::Vacancy for Vacancy<'_, F> {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self.ring.slots.buffer(self.place)
    }

    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        // SAFETY: the card only reads what is queued, and a vacancy exists only where it has done so.
        unsafe { self.buffer().bytes() }
    }

    #[inline]
    fn queue(self, length: usize) {
        self.ring.free -= 1;
        self.ring.slots.advance(self.place, F::send(length));
    }
}
