//! Fragments become the datagram that was sent (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2).
//!
//! The receive path hands in every fragment that passed the checks of its header, and gets back a
//! datagram that looks as though it had come in one frame. The poll loop asks once a turn whose time
//! is over. All memory is taken at construction, and no fragment costs more than a copy of itself, a
//! few words of a bitmap and a look at every context.
//!
//! What is refused, and why:
//!
//! - **A fragment that is wrong by itself** (no data, a length that cannot be, data beyond octet
//!   65,535) changes nothing: whoever can send one must not be able to harm the datagram that it
//!   pretends to belong to.
//! - **Fragments that contradict each other** (they overlap, or disagree about where the datagram
//!   ends) leave no way to tell which of them is right. The whole datagram is discarded, and what
//!   else arrives of it until its time is over (RFC 5722 §4, which says so for IPv6).
//! - **A repeated fragment**, all of whose octets are here already and are the same, contradicts
//!   nothing: it is counted and changes nothing. To compare it costs no more than to copy it.
//!
//! Who gives way when memory runs out: one source has at most half of the contexts, so that its next
//! datagram takes the place of its own oldest. When no context is free, the one of a discarded
//! datagram goes first; then the oldest of the source that has the most. So it takes many sources, or
//! forged ones, faster than a live peer's fragments follow each other, to get between them.

mod context;
mod units;

use crate::arrival::Arrival;
use crate::time::{Instant, TickRate, Ticks};
use crate::wire::ipv4::{HEADER_LENGTH, Ipv4Header, Protocol};
use crate::wire::ipv4_fragment::UNIT;
use alloc::boxed::Box;
pub use context::BUFFER_LENGTH;
use context::Context;
use core::cmp::Reverse;
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Range;

/// Datagrams that are put together at the same time, unless told otherwise.
pub const DEFAULT_CONTEXTS: usize = 8;
/// The most contexts that are made: choosing who gives way takes time with their square.
pub const MAXIMUM_CONTEXTS: usize = 32;

/// The time from the first fragment that arrives to the end of waiting for the others. RFC 1122
/// §3.3.2 wants a fixed value of 60 to 120 seconds; contexts are few, so it is the lower end.
pub const TIMEOUT_SECONDS: u64 = 60;

/// Octets that the total length of a datagram can name.
pub const MAXIMUM_DATAGRAM: usize = 65_535;

/// What names a datagram among all that are on their way: the four fields of RFC 791 §3.2, and the
/// VLAN, for the same address in another VLAN is another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramKey {
    /// The VLAN in which it came; `None` for none.
    pub vid: Option<u16>,
    /// Where it comes from.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
    /// Names it among those of its source.
    pub identification: u16,
}

/// A fragment whose header passed all checks.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'frame> {
    /// Where and when it came in.
    pub arrival: Arrival,
    /// Its header.
    pub header: &'frame Ipv4Header,
    /// The options that follow the header, 0 to 40 octets.
    pub options: &'frame [u8],
    /// Its share of the datagram's data, without padding.
    pub payload: &'frame [u8],
}

/// What became of a fragment that was taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'context> {
    /// Others are missing.
    Incomplete,
    /// It was the last that was missing.
    Complete(Reassembled<'context>),
}

/// A datagram that was put together. Its context is free again as soon as this borrow ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Reassembled<'context> {
    /// Where and when fragment zero came in.
    pub arrival: Arrival,
    buffer: &'context mut Box<[u8]>,
    place: Range<usize>,
}

impl Reassembled<'_> {
    /// The header and the options of fragment zero, with total length, flags, offset and checksum of
    /// the whole datagram, and all of its data: as though it had come in one frame.
    pub fn datagram(&self) -> &[u8] {
        self.buffer.get(self.place.clone()).unwrap_or_default()
    }

    /// The datagram, and behind it the rest of the largest one that could have stood here.
    pub fn room(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.place.start..).unwrap_or_default()
    }

    /// Makes the buffer change places with `other`, one of [`BUFFER_LENGTH`] octets. Returns where in it
    /// the datagram begins.
    pub const fn exchange(self, other: &mut Box<[u8]>) -> usize {
        core::mem::swap(self.buffer, other);
        self.place.start
    }
}

/// A datagram whose time was over before it was whole. Its context is free again as soon as this
/// borrow ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired<'context> {
    /// Which datagram it was.
    pub key: DatagramKey,
    /// Fragment zero, about which Time Exceeded with code 1 is due (RFC 792); `None` when it never
    /// came, and there is nothing to say (RFC 1122 §3.3.2).
    pub fragment_zero: Option<FragmentZero<'context>>,
}

/// The fragment with which a datagram begins.
#[derive(Debug, PartialEq, Eq)]
pub struct FragmentZero<'context> {
    /// Where and when it came in.
    pub arrival: Arrival,
    /// Its header, options and payload, as they came.
    pub octets: &'context [u8],
}

/// Why a fragment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no data (nothing is changed).
    Empty,
    /// It is the first, and too short to hold the header of what the datagram carries (RFC 1858 §3;
    /// nothing is changed).
    TinyFirst,
    /// It is not the last, and its length is not a multiple of eight (RFC 791 §3.2; nothing is
    /// changed).
    Uneven,
    /// The datagram would have more than 65,535 octets. Nothing is changed, unless it needs two
    /// fragments together to be so: then the datagram is discarded.
    TooLong,
    /// All of its octets are here already, and are the same (nothing is changed).
    Duplicate,
    /// Some of its octets are here already (RFC 5722): the datagram is discarded.
    Overlap,
    /// It ends the datagram elsewhere than another did, or before another: the datagram is discarded.
    ContradictoryEnd,
    /// Its datagram was discarded.
    Discarded,
    /// There is no context at all.
    NoContext,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a fragment without data",
            Self::TinyFirst => "a first fragment of less than eight octets",
            Self::Uneven => "a fragment in the middle whose length is not a multiple of eight",
            Self::TooLong => "a fragment of a datagram longer than 65535 octets",
            Self::Duplicate => "a fragment that repeats what is here already",
            Self::Overlap => "a fragment that overlaps another",
            Self::ContradictoryEnd => {
                "a fragment that ends its datagram elsewhere than another did"
            }
            Self::Discarded => "a fragment of a datagram that was discarded",
            Self::NoContext => "a fragment, while there is no room to put datagrams together",
        })
    }
}

/// Datagrams of which fragments have arrived.
pub struct Reassembly {
    contexts: Box<[Context]>,
    timeout: Ticks,
    opened: u64,
    evicted: u64,
}

impl Fragment<'_> {
    /// Which datagram this belongs to.
    pub fn key(&self) -> DatagramKey {
        DatagramKey {
            vid: self.arrival.vid,
            source: self.header.source(),
            destination: self.header.destination(),
            protocol: self.header.protocol(),
            identification: self.header.identification.get(),
        }
    }

    /// Octets of the header with its options.
    const fn header_length(&self) -> usize {
        HEADER_LENGTH.saturating_add(self.options.len())
    }

    /// Which octets of the datagram's data these are, if a fragment can be so at all.
    fn range(&self) -> Result<Range<usize>, Refusal> {
        let field = self.header.fragment_field();
        let (start, length) = (field.offset(), self.payload.len());
        if length == 0 {
            return Err(Refusal::Empty);
        }
        if field.more_fragments() {
            if start == 0 && length < UNIT {
                return Err(Refusal::TinyFirst);
            }
            if !length.is_multiple_of(UNIT) {
                return Err(Refusal::Uneven);
            }
        }
        let end = start.saturating_add(length);
        if self.header_length().saturating_add(end) > MAXIMUM_DATAGRAM {
            return Err(Refusal::TooLong);
        }
        Ok(start..end)
    }
}

impl Reassembly {
    /// Room for `contexts` datagrams at a time, at most [`MAXIMUM_CONTEXTS`], of 64 KiB each. With
    /// none, every fragment is refused. Allocates; nothing else here does.
    pub fn new(contexts: usize, rate: TickRate) -> Self {
        let contexts = contexts.min(MAXIMUM_CONTEXTS);
        Self {
            contexts: (0..contexts).map(|_| Context::new()).collect(),
            timeout: rate.ticks(TIMEOUT_SECONDS.saturating_mul(1_000_000_000)),
            opened: 0,
            evicted: 0,
        }
    }

    /// Takes a fragment.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when nothing of it was taken.
    pub fn insert(&mut self, fragment: &Fragment<'_>) -> Result<Outcome<'_>, Refusal> {
        let range = fragment.range()?;
        let key = fragment.key();
        let now = fragment.arrival.seen;
        let index = match self.find(&key, now) {
            Some(index) => index,
            None => self.open(key, now).ok_or(Refusal::NoContext)?,
        };
        let context = self.contexts.get_mut(index).ok_or(Refusal::NoContext)?;
        context.add(fragment, range)?;
        Ok(match context.take_whole() {
            Some(reassembled) => Outcome::Complete(reassembled),
            None => Outcome::Incomplete,
        })
    }

    /// Gives up on one datagram whose time is over at `now`: to be called until it returns `None`, or
    /// once a turn.
    pub fn expire(&mut self, now: Instant) -> Option<Expired<'_>> {
        self.contexts
            .iter_mut()
            .filter(|context| context.is_over(now))
            .find_map(Context::take_expired)
    }

    /// Datagrams that are waiting for the rest of their fragments.
    pub fn waiting(&self) -> usize {
        self.contexts.iter().filter(|one| one.is_waiting()).count()
    }

    /// Datagrams that had to give way to others before they were whole.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The context of a datagram whose time is not over: an old one with the same key waits to expire.
    fn find(&self, key: &DatagramKey, now: Instant) -> Option<usize> {
        self.contexts
            .iter()
            .position(|context| context.holds(key) && !context.is_over(now))
    }

    /// Makes room for another datagram.
    fn open(&mut self, key: DatagramKey, now: Instant) -> Option<usize> {
        let index = self.choose(&key)?;
        let context = self.contexts.get_mut(index)?;
        if context.is_waiting() {
            self.evicted = self.evicted.wrapping_add(1);
        }
        self.opened = self.opened.wrapping_add(1);
        context.open(key, self.opened, now.after(self.timeout));
        Some(index)
    }

    /// Which context another datagram gets.
    fn choose(&self, key: &DatagramKey) -> Option<usize> {
        let share = (self.contexts.len() >> 1).max(1);
        if self.waiting_of(key) >= share {
            return self.oldest(|context| context.is_waiting() && context.is_of(key));
        }
        self.oldest(Context::is_free)
            .or_else(|| self.oldest(|context| !context.is_waiting()))
            .or_else(|| self.oldest_of_greediest())
    }

    /// Datagrams that wait and are of the same host as `key`'s.
    fn waiting_of(&self, key: &DatagramKey) -> usize {
        let same = |context: &&Context| context.is_waiting() && context.is_of(key);
        self.contexts.iter().filter(same).count()
    }

    fn oldest(&self, is_meant: impl Fn(&Context) -> bool) -> Option<usize> {
        let meant = self.contexts.iter().enumerate();
        let meant = meant.filter(|(_, context)| is_meant(context));
        let (index, _) = meant.min_by_key(|(_, context)| context.serial())?;
        Some(index)
    }

    fn oldest_of_greediest(&self) -> Option<usize> {
        let candidates = self.contexts.iter().enumerate();
        let (index, _) = candidates.max_by_key(|(_, context)| {
            (self.waiting_of(context.key()), Reverse(context.serial()))
        })?;
        Some(index)
    }
}

#[cfg(test)]
mod tests;
