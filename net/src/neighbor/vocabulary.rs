//! What is asked of the neighbor table, and what it says.

use super::PERMANENT_LIMIT;
use crate::time::Instant;
use crate::wire::ethernet::MacAddress;
use core::fmt;
use core::net::Ipv4Addr;

/// A station that was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The VLAN in which it was heard; 0 for untagged frames.
    pub vid: u16,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its station address.
    pub mac: MacAddress,
    /// When it last said so.
    pub confirmed: Instant,
}

/// What is known of a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being asked for.
    Incomplete,
    /// It was heard from lately.
    Reachable,
    /// It was not heard from for too long, and is not used before it is heard again.
    Stale,
    /// The operator entered it: only the operator changes it.
    Permanent,
}

impl State {
    /// The letter of an ARP cache listing: `P` permanent, `R` reachable, `N` none of these.
    pub const fn letter(self) -> char {
        match self {
            Self::Permanent => 'P',
            Self::Reachable => 'R',
            Self::Incomplete | Self::Stale => 'N',
        }
    }
}

/// A line of the listing of all neighbors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The VLAN; 0 for untagged frames.
    pub vid: u16,
    /// The neighbor's address.
    pub address: Ipv4Addr,
    /// Its station address, if it was ever heard of.
    pub mac: Option<MacAddress>,
    /// What is known of it.
    pub state: State,
    /// When it was last heard of.
    pub confirmed: Option<Instant>,
}

/// Where a neighbor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// There: send.
    Known(MacAddress),
    /// It is being asked for: one frame can wait, by [`queue`](super::NeighborTable::queue).
    Wait,
    /// It is not known, and too many others are being asked for.
    TooManyQuestions,
}

/// What an ARP packet changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was about nobody who is known, and was not to be added.
    Unknown,
    /// It is known from now on.
    Added,
    /// It was known, and said so again.
    Confirmed,
    /// It was known elsewhere, and is here now.
    Moved {
        /// Where it was.
        from: MacAddress,
    },
    /// The operator says that it is elsewhere: nothing changed.
    Contradicted {
        /// Where the operator says it is.
        permanent: MacAddress,
    },
    /// All entries in whose place it could stand are worth more: nothing changed.
    NoRoom,
}

/// What is to be done, or said, about neighbors.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'table> {
    /// Send an ARP request for `address` in VLAN `vid`.
    Request {
        /// The VLAN; 0 for an untagged frame.
        vid: u16,
        /// Who is asked for.
        address: Ipv4Addr,
        /// All stations, or the one where it was: RFC 1122 §2.3.2.1 (2).
        to: MacAddress,
    },
    /// A neighbor that was asked for is `mac`.
    Answered {
        /// The VLAN; 0 for untagged frames.
        vid: u16,
        /// Who was asked for.
        address: Ipv4Addr,
        /// Where it is.
        mac: MacAddress,
        /// Whether the operator asked.
        solicited: bool,
        /// Whether it is a permanent entry now.
        permanent: bool,
        /// The frame that waited, now addressed to `mac`: send it.
        frame: Option<&'table [u8]>,
    },
    /// A neighbor that was asked for did not respond.
    Failed {
        /// The VLAN; 0 for untagged frames.
        vid: u16,
        /// Who was asked for.
        address: Ipv4Addr,
        /// Whether the operator asked.
        solicited: bool,
        /// The frame that waited in vain.
        frame: Option<&'table [u8]>,
    },
    /// A station claims to be a neighbor of which the operator says otherwise. Reported at most once
    /// a second.
    Contradicted {
        /// The permanent entry.
        permanent: Neighbor,
        /// The station that claims its address.
        by: MacAddress,
    },
}

/// Why a frame does not wait for a neighbor. It is to be counted and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The neighbor is not being asked for.
    NotAsked,
    /// The frame is longer than [`MAXIMUM_FRAME`](crate::device::MAXIMUM_FRAME).
    TooLong,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "the neighbor is not being asked for",
            Self::TooLong => "the frame is too long",
        })
    }
}

/// Why a neighbor cannot be entered permanently. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermanentError {
    /// There are as many permanent neighbors as there can be.
    TooMany,
    /// All places in which this one could stand are taken by permanent ones.
    NoPlace,
    /// No one station can have this address.
    NotAStation(MacAddress),
}

impl fmt::Display for PermanentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "there are {PERMANENT_LIMIT} permanent neighbors already"),
            Self::NoPlace => f.write_str("other permanent neighbors take its place in the table"),
            Self::NotAStation(mac) => write!(f, "{mac} is not the address of one station"),
        }
    }
}

/// What happened to neighbors so far. All wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighborCounters {
    /// Requests that were to be sent.
    pub requests: u64,
    /// Neighbors that were asked for and answered.
    pub answers: u64,
    /// Neighbors that were asked for and did not.
    pub failures: u64,
    /// Neighbors that were not asked for, because too many others were.
    pub too_many_questions: u64,
    /// Frames that waited.
    pub queued: u64,
    /// Frames that no longer waited because a later one took their place.
    pub replaced: u64,
    /// Neighbors that were heard of at another station than before.
    pub moves: u64,
    /// Claims that a permanent entry denies.
    pub contradictions: u64,
    /// Neighbors, not expired ones, that gave way to others.
    pub evictions: u64,
    /// Neighbors that were heard of and found no place.
    pub no_room: u64,
}
