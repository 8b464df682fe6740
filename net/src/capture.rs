//! The frames that were seen or dropped last, kept until somebody looks at them.
//!
//! What is dropped is always kept: that path is not in a hurry, and who asks why a frame got no answer asks
//! afterwards. All other frames are kept only while capturing is on; each of them then takes the watched way
//! through [`crate::receive`], so that a frame costs nothing more while it is off. The oldest make room
//! for the newest. Nothing here allocates after the start.

use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, Device, TransmitError, Verdict};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::vec;

/// How many frames are kept of each card.
pub const FRAMES: usize = 128;
/// How many of a frame's first octets are kept: all headers, with the longest options.
pub const OCTETS: usize = 128;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived, and was answered.
    Answered,
    /// It arrived, and got no answer.
    Unanswered(Reason),
    /// It went out: an answer, or what was sent without having been asked for.
    Sent,
}

/// A frame, as far as it was kept.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// When it was seen, or went out. An answer has the time at which its question was seen; what was put off,
    /// that of its turn.
    pub seen: Instant,
    /// What became of it.
    pub fate: Fate,
    /// Its octets, without the check sequence.
    length: u16,
    octets: [u8; OCTETS],
}

impl Record {
    const EMPTY: Self = Self {
        seen: Instant::from_ticks(0),
        fate: Fate::Sent,
        length: 0,
        octets: [0; OCTETS],
    };

    /// How long the frame was, in octets without its check sequence.
    pub const fn length(&self) -> usize {
        self.length as usize
    }

    /// The first of its octets.
    pub fn octets(&self) -> &[u8] {
        let kept = self.length().min(OCTETS);
        self.octets.get(..kept).unwrap_or_default()
    }

    fn fill(&mut self, seen: Instant, octets: &[u8; OCTETS], length: usize) {
        self.seen = seen;
        self.length = length.min(BUFFER_SIZE) as u16;
        // As many however long it is: that is a few instructions.
        self.octets = *octets;
    }
}

/// The frames of one card.
#[derive(Debug, Default)]
pub struct Capture {
    is_on: bool,
    /// Whether the frame at hand was kept as it arrived, and its fate is not known yet.
    is_open: bool,
    /// How many frames were kept; the next has this place, less whole rounds.
    kept: u64,
    /// Behind those that are kept stands the frame at hand, as it arrived. It takes the place of the oldest
    /// when its fate is known: what is put off takes none.
    records: Box<[Record]>,
}

impl Capture {
    /// Off, and empty. Allocates.
    pub fn new() -> Self {
        Self {
            is_on: false,
            is_open: false,
            kept: 0,
            records: vec![Record::EMPTY; FRAMES + 1].into_boxed_slice(),
        }
    }

    /// Whether all frames are kept, and not only those that are dropped.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    pub(crate) const fn set_on(&mut self, on: bool) {
        self.is_on = on;
        self.is_open = false;
    }

    /// How many frames were kept since the start, those included that made room since.
    pub const fn kept(&self) -> u64 {
        self.kept
    }

    /// Forgets all frames.
    pub fn clear(&mut self) {
        self.kept = 0;
    }

    /// The frames that are still here, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Record> {
        let oldest = self.kept.saturating_sub(FRAMES as u64);
        let places = (oldest..self.kept).rev();
        places.filter_map(|place| self.records.get(place_of(place)))
    }

    /// Keeps a frame as it arrived, before anything is made of it.
    pub(crate) fn open(&mut self, seen: Instant, octets: &[u8; OCTETS], length: usize) {
        self.is_open = true;
        if let Some(arrived) = self.records.get_mut(FRAMES) {
            arrived.fill(seen, octets, length);
        }
    }

    /// Keeps a frame that got no answer. Where nobody kept it as it arrived, what is left of it has to do.
    pub(crate) fn keep_unanswered(
        &mut self,
        seen: Instant,
        octets: &[u8; OCTETS],
        length: usize,
        reason: Reason,
    ) {
        if self.is_open {
            self.finish(Fate::Unanswered(reason));
        } else if !reason.is_taken() {
            self.keep(seen, octets, length, Fate::Unanswered(reason));
        }
    }

    /// Takes note of the verdict on a frame that was kept as it arrived, and keeps its answer.
    pub(crate) fn close(&mut self, seen: Instant, octets: &[u8; OCTETS], verdict: Verdict) {
        match verdict {
            // It will be kept at its turn.
            Verdict::Defer => self.is_open = false,
            Verdict::Answer { .. } | Verdict::Release if self.is_open => {
                self.finish(Fate::Answered);
            }
            Verdict::Answer { .. } | Verdict::Release => {}
        }
        if let Verdict::Answer { length } = verdict {
            self.keep(seen, octets, length, Fate::Sent);
        }
    }

    /// Keeps a frame whose fate is known.
    fn keep(&mut self, seen: Instant, octets: &[u8; OCTETS], length: usize, fate: Fate) {
        if let Some(record) = self.records.get_mut(place_of(self.kept)) {
            record.fill(seen, octets, length);
            record.fate = fate;
        }
        self.kept = self.kept.wrapping_add(1);
    }

    /// Keeps the frame at hand as it arrived.
    fn finish(&mut self, fate: Fate) {
        self.is_open = false;
        if let Some((arrived, records)) = self.records.split_last_mut()
            && let Some(record) = records.get_mut(place_of(self.kept))
        {
            arrived.fate = fate;
            *record = *arrived;
        }
        self.kept = self.kept.wrapping_add(1);
    }
}

/// What is kept of a buffer.
pub(crate) const fn first_octets(buffer: &[u8; BUFFER_SIZE]) -> &[u8; OCTETS] {
    match buffer.first_chunk() {
        Some(octets) => octets,
        // A buffer has room for more.
        None => &[0; OCTETS],
    }
}

const fn place_of(place: u64) -> usize {
    const _: () = assert!(FRAMES.is_power_of_two());
    place as usize & FRAMES.wrapping_sub(1)
}

/// What frames of our own go out through: a card, or one that is watched.
pub(crate) trait Outlet {
    /// As [`Device::transmit`].
    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError>;
}

impl<D: Device> Outlet for D {
    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError> {
        Device::transmit(self, compose)
    }
}

/// A card, and where what goes out through it is kept.
pub(crate) struct Watched<'a, D> {
    pub device: &'a mut D,
    pub capture: &'a mut Capture,
    pub now: Instant,
}

impl<D: Device> Outlet for Watched<'_, D> {
    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError> {
        let (capture, now) = (&mut *self.capture, self.now);
        Device::transmit(self.device, |buffer| {
            let length = compose(buffer);
            capture.keep(now, first_octets(buffer), length, Fate::Sent);
            length
        })
    }
}
