//! One datagram that is being put together.

use super::units::{Presence, Units};
use super::{DatagramKey, Expired, Fragment, FragmentZero};
use super::{MAXIMUM_DATAGRAM, Reassembled, Refusal};
use crate::arrival::Arrival;
use crate::time::Instant;
use crate::wire::ipv4::{HEADER_LENGTH, Ipv4Header, Protocol};
use crate::wire::ipv4_fragment::{FragmentField, UNIT};
use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;
use core::ops::Range;
use zerocopy::{FromBytes, IntoBytes};

/// Octets before the data: the longest header, so that whichever comes ends where the data begin.
const HEADER_ROOM: usize = 60;
/// Octets of a buffer in which datagrams are put together: room for the longest header, and for the most
/// data that a datagram can have.
pub const BUFFER_LENGTH: usize = HEADER_ROOM + MAXIMUM_DATAGRAM - HEADER_LENGTH;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// Fragments are missing.
    Waiting,
    /// Fragments contradicted each other: what else comes is dropped until the time is over.
    Discarded,
}

/// Room for one datagram, and what is known of the one in it.
pub(super) struct Context {
    state: State,
    key: DatagramKey,
    /// Rises with every datagram that any context begins.
    serial: u64,
    deadline: Instant,
    /// Octets of data that have arrived.
    received: usize,
    /// Where the farthest fragment ends.
    farthest: usize,
    /// Where the last fragment ends, once it has come.
    end: Option<usize>,
    /// What is known of fragment zero, once it has come.
    zero: Option<Zero>,
    units: Box<Units>,
    buffer: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Zero {
    arrival: Arrival,
    header_length: usize,
    payload_length: usize,
}

impl Context {
    /// An empty context. Allocates.
    pub(super) fn new() -> Self {
        Self {
            state: State::Free,
            key: DatagramKey {
                vid: None,
                source: Ipv4Addr::UNSPECIFIED,
                destination: Ipv4Addr::UNSPECIFIED,
                protocol: Protocol(0),
                identification: 0,
            },
            serial: 0,
            deadline: Instant::from_ticks(0),
            received: 0,
            farthest: 0,
            end: None,
            zero: None,
            units: Box::new(Units::new()),
            buffer: vec![0; BUFFER_LENGTH].into_boxed_slice(),
        }
    }

    /// Begins another datagram, and forgets the one before.
    pub(super) fn open(&mut self, key: DatagramKey, serial: u64, deadline: Instant) {
        self.state = State::Waiting;
        self.key = key;
        self.serial = serial;
        self.deadline = deadline;
        self.received = 0;
        self.farthest = 0;
        self.end = None;
        self.zero = None;
        self.units.clear();
    }

    pub(super) fn is_free(&self) -> bool {
        self.state == State::Free
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Whether `key`'s datagram is in here, waiting or discarded.
    pub(super) fn holds(&self, key: &DatagramKey) -> bool {
        !self.is_free() && self.key == *key
    }

    /// Whether the datagram in here comes from the same host as `key`'s.
    pub(super) fn is_of(&self, key: &DatagramKey) -> bool {
        (self.key.vid, self.key.source) == (key.vid, key.source)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        !self.is_free() && now >= self.deadline
    }

    pub(super) const fn key(&self) -> &DatagramKey {
        &self.key
    }

    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    /// Adds a fragment, which carries the octets `range` of the data.
    pub(super) fn add(
        &mut self,
        fragment: &Fragment<'_>,
        range: Range<usize>,
    ) -> Result<(), Refusal> {
        if self.state == State::Discarded {
            return Err(Refusal::Discarded);
        }
        let verdict = self.check(fragment, &range);
        match verdict {
            Ok(()) => self.store(fragment, range),
            Err(Refusal::Duplicate) => {}
            Err(_) => self.state = State::Discarded,
        }
        verdict
    }

    /// Whether a fragment agrees with those that came before.
    fn check(&self, fragment: &Fragment<'_>, range: &Range<usize>) -> Result<(), Refusal> {
        let is_last = !fragment.header.fragment_field().more_fragments();
        let agrees = match self.end {
            Some(end) if is_last => range.end == end,
            Some(end) => range.end < end,
            None => !is_last || range.end > self.farthest,
        };
        if !agrees {
            return Err(Refusal::ContradictoryEnd);
        }
        match self.units.presence(first_unit(range), unit_count(range)) {
            Presence::Everything if self.repeats(fragment, range) => {
                return Err(Refusal::Duplicate);
            }
            Presence::Nothing => {}
            _ => return Err(Refusal::Overlap),
        }
        let header_length = match self.zero {
            Some(zero) => zero.header_length,
            None if range.start == 0 => fragment.header_length(),
            None => HEADER_LENGTH,
        };
        let farthest = self.farthest.max(range.end);
        if header_length.saturating_add(farthest) > MAXIMUM_DATAGRAM {
            return Err(Refusal::TooLong);
        }
        Ok(())
    }

    /// Whether the octets that arrived before are the same.
    fn repeats(&self, fragment: &Fragment<'_>, range: &Range<usize>) -> bool {
        self.data().get(range.clone()) == Some(fragment.payload)
    }

    fn store(&mut self, fragment: &Fragment<'_>, range: Range<usize>) {
        let (header_room, data) = self.buffer.split_at_mut(HEADER_ROOM);
        let Some(place) = data.get_mut(range.clone()) else {
            return;
        };
        place.copy_from_slice(fragment.payload);
        if range.start == 0 {
            write_header(header_room, fragment);
            self.zero = Some(Zero {
                arrival: fragment.arrival,
                header_length: fragment.header_length(),
                payload_length: fragment.payload.len(),
            });
        }
        self.units.add(first_unit(&range), unit_count(&range));
        self.received = self.received.saturating_add(fragment.payload.len());
        self.farthest = self.farthest.max(range.end);
        if !fragment.header.fragment_field().more_fragments() {
            self.end = Some(range.end);
        }
    }

    /// The datagram, if nothing is missing. The context is free then.
    pub(super) fn take_whole(&mut self) -> Option<Reassembled<'_>> {
        let zero = self.zero?;
        if self.end != Some(self.received) {
            return None;
        }
        self.state = State::Free;
        let place = zero.place(self.received);
        let total_length = place.len() as u16;
        let datagram = self.buffer.get_mut(place.clone())?;
        let (header, rest) = Ipv4Header::mut_from_prefix(datagram).ok()?;
        let options = rest.get(..zero.header_length.checked_sub(HEADER_LENGTH)?)?;
        header.place(options, total_length, FragmentField::WHOLE);
        Some(Reassembled {
            arrival: zero.arrival,
            buffer: &mut self.buffer,
            place,
        })
    }

    /// Frees the context; the datagram, if it was still waiting.
    pub(super) fn take_expired(&mut self) -> Option<Expired<'_>> {
        let was_waiting = self.is_waiting();
        self.state = State::Free;
        if !was_waiting {
            return None;
        }
        let fragment_zero = self.zero.and_then(|zero| {
            let octets = self.buffer.get(zero.place(zero.payload_length))?;
            let arrival = zero.arrival;
            Some(FragmentZero { arrival, octets })
        });
        let key = self.key;
        Some(Expired { key, fragment_zero })
    }

    fn data(&self) -> &[u8] {
        self.buffer.get(HEADER_ROOM..).unwrap_or_default()
    }
}

impl Zero {
    /// Where its header and the first `length` octets of the data stand in the buffer.
    const fn place(&self, length: usize) -> Range<usize> {
        let start = HEADER_ROOM.saturating_sub(self.header_length);
        start..HEADER_ROOM.saturating_add(length)
    }
}

/// Writes header and options where the data begin, that is, at the end of the room for them.
fn write_header(room: &mut [u8], fragment: &Fragment<'_>) {
    let start = room.len().saturating_sub(fragment.header_length());
    if let Some((header, options)) = room
        .get_mut(start..)
        .and_then(|room| room.split_at_mut_checked(HEADER_LENGTH))
        && options.len() == fragment.options.len()
    {
        header.copy_from_slice(fragment.header.as_bytes());
        options.copy_from_slice(fragment.options);
    }
}

const fn first_unit(range: &Range<usize>) -> usize {
    range.start >> 3
}

/// The last fragment may end within a unit: nothing else can have the rest of it.
fn unit_count(range: &Range<usize>) -> usize {
    range.len().div_ceil(UNIT)
}
