//! What a service on UDP is: the trait that it implements and what it is given.
//!
//! A service gets each datagram where it stands in its receive buffer, and writes its answer into the
//! same place. It runs in the poll loop: it must not wait, must not allocate, and what it does must take
//! a bounded time. Checksums, addresses and the rules against loops are not its concern.

use crate::arrival::Arrival;
use crate::rate::Limit;
use crate::time::Instant;
use core::any::Any;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

/// Something that serves a UDP port.
///
/// `Any` lets whoever registered a service find it again by its type; `Send` lets a port and its services
/// be handed to the loop that owns them.
pub trait UdpService: Any + Send {
    /// What it is called in lists and counters: lower case, stable.
    fn name(&self) -> &'static str;

    /// What it may do. Asked once, when it is registered.
    fn policy(&self) -> Policy {
        Policy::LISTENER
    }

    /// Takes a datagram, and says what becomes of it.
    fn receive(&mut self, datagram: Datagram<'_>) -> Response;

    /// Gets a turn to send on its own, between batches of frames: each service once in as many turns
    /// as there are services.
    fn poll(&mut self, _now: Instant, _sender: &mut dyn DatagramSender) {}
}

/// What a service may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// It answers, now or later. Only then do the rules against loops apply to what it is given, and
    /// its port is one that no other service takes requests from.
    pub answers: bool,
    /// It is given datagrams to broadcast and multicast addresses too. They are never answered in
    /// place: there is no single host's address from which that could be done (RFC 1122 §4.1.3.5).
    pub accepts_groups: bool,
    /// It takes requests from the number of its own port, which else look like answers.
    pub accepts_own_port: bool,
    /// How often its answers may be longer than their requests; `None`: never.
    pub amplification: Option<Limit>,
}

impl Policy {
    /// Of a service that takes datagrams and says nothing.
    pub const LISTENER: Self = Self {
        answers: false,
        accepts_groups: false,
        accepts_own_port: false,
        amplification: None,
    };

    /// Of a service that answers with no more than it was asked.
    pub const RESPONDER: Self = Self {
        answers: true,
        ..Self::LISTENER
    };
}

/// A datagram, in the buffer in which it arrived.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddrV4,
    /// To which of our addresses, or to which group.
    pub destination: SocketAddrV4,
    /// In which frame: VLAN, priority, station, time.
    pub arrival: &'a Arrival,
    /// With what time to live it arrived.
    pub time_to_live: u8,
    room: &'a mut [u8],
    length: usize,
}

impl<'a> Datagram<'a> {
    /// A datagram whose data are the first `length` octets of `room`, at most all of it.
    #[inline]
    pub fn new(
        source: SocketAddrV4,
        destination: SocketAddrV4,
        time_to_live: u8,
        arrival: &'a Arrival,
        room: &'a mut [u8],
        length: usize,
    ) -> Self {
        Self {
            source,
            destination,
            arrival,
            time_to_live,
            length: length.min(room.len()),
            room,
        }
    }

    /// Octets of its data.
    #[inline]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Its data.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }

    /// Where an answer may be written. Its data stand at the start; what stands behind them is left
    /// over from other frames, and must not be sent.
    #[inline]
    pub const fn room(&mut self) -> &mut [u8] {
        self.room
    }

    /// Writes `data` as the answer.
    #[inline]
    pub fn answer(self, data: &[u8]) -> Response {
        match self.room.get_mut(..data.len()) {
            Some(room) => {
                room.copy_from_slice(data);
                Response::Answer { length: data.len() }
            }
            None => Response::Decline(Decline::NoRoom),
        }
    }

    /// From where and to where it can be answered later.
    #[inline]
    pub const fn return_path(&self) -> Departure {
        Departure {
            vid: self.arrival.vid,
            priority: self.arrival.priority,
            source: Some(*self.destination.ip()),
            source_port: self.destination.port(),
            destination: self.source,
        }
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Its data go back as they are; the service has not touched the room.
    Echo,
    /// The first octets of the room go back.
    Answer {
        /// How many.
        length: usize,
    },
    /// The service has taken it, and there is nothing to say, or not yet.
    Consumed,
    /// The service cannot do anything with it.
    Decline(Decline),
}

/// Why a service declines a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decline {
    /// It is shorter than what the service needs.
    TooShort,
    /// It is not in the service's format.
    Malformed,
    /// It is itself an answer.
    Reply,
    /// There is no room for the answer in the buffer.
    NoRoom,
    /// The service has as much to do as it can.
    Busy,
}

/// Where a datagram of our own goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// In which VLAN; `None` for frames without a tag.
    pub vid: Option<u16>,
    /// With what priority in the tag, 0 to 7.
    pub priority: u8,
    /// From which of our addresses; `None` leaves the choice to the stack (RFC 1122 §4.1.3.5).
    pub source: Option<Ipv4Addr>,
    /// From which port; 0 if no answer is wanted.
    pub source_port: u16,
    /// To whom.
    pub destination: SocketAddrV4,
}

/// Sends what a service has to say on its own.
pub trait DatagramSender {
    /// Hands a datagram to the card; nothing waits, and nothing is kept for later.
    ///
    /// # Errors
    ///
    /// Why it was not sent. Nothing of it was.
    fn send(&mut self, departure: &Departure, data: &[u8]) -> Result<(), SendError>;
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The transmit ring is full, or the link is down.
    NoTransmitSlot,
    /// The VLAN has no device, or the device has no address, or not the one asked for.
    NoSource,
    /// No network of the VLAN device's and no gateway leads to the destination.
    NoRoute,
    /// The next station is not known yet. It is being asked for.
    Unresolved,
    /// The data do not fit into a datagram.
    TooLong,
    /// The destination is no single host, or its port is 0.
    Destination,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTransmitSlot => "the transmit ring is full or the link is down",
            Self::NoSource => "the vlan has no device with that address",
            Self::NoRoute => "no route to the destination",
            Self::Unresolved => "the neighbor is not known yet",
            Self::TooLong => "the data do not fit into a datagram",
            Self::Destination => "the destination is no single host with a port",
        })
    }
}

impl core::error::Error for SendError {}
