//! UDP (RFC 768, RFC 1122 §4.1): from a datagram to the service that it is for, and back.
//!
//! The IPv4 layer calls [`Services::answer`] with each whole datagram for one of our addresses or
//! groups, after it has checked its header and its source. The answer is written into the octets of
//! the request. What a service is says [`UdpService`]; which there are, [`Services`]; when none of them
//! may answer, [`crate::loop_rules`]. Nothing here allocates, waits or panics.

mod registry;
mod service;

pub use registry::{CAPACITY, Entry, NotRegistered, RegisterError, ServiceCounters, Services};
pub use service::{
    Datagram, DatagramSender, Decline, Departure, Policy, Response, SendError, UdpService,
};

use crate::arrival::Arrival;
use crate::device::TransportChecksum;
use crate::loop_rules::{self, Answering, Asked, LoopRule};
use crate::rate::TokenBucket;
use crate::wire::udp::{self, UdpHeader};
use core::net::{Ipv4Addr, SocketAddrV4};
use zerocopy::FromBytes;

/// A datagram's way to us, as the layers below know it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Who sent it: a host address, and not one of ours.
    pub source: Ipv4Addr,
    /// To which of our addresses, or to which group.
    pub destination: Ipv4Addr,
    /// Whether `destination` is a broadcast or multicast address.
    pub is_group: bool,
    /// With what time to live it arrived.
    pub time_to_live: u8,
    /// In which frame; for one that came in pieces the first of them, but when the last was seen.
    pub arrival: &'a Arrival,
    /// What the card that received it says of its checksum.
    pub checksum: TransportChecksum,
    /// Whether an answer could be sent.
    pub can_answer: bool,
}

/// An answer that stands where its request stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Octets of the UDP datagram. The IPv4 total length is theirs and the header's.
    pub length: usize,
    /// The longest time to live that it may be sent with, at least 1; see [`crate::loop_rules`].
    pub maximum_time_to_live: u8,
}

/// Declares [`Unanswered`] together with the name and the description of each.
macro_rules! unanswered {
    ($($variant:ident, $name:literal, $description:literal;)+) => {
        /// Why a datagram got no answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Unanswered {
            $(#[doc = $description] $variant,)+
        }

        impl Unanswered {
            /// Every reason, in the order in which a datagram can meet them.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// Its name: lower case with underscores, stable, for people and scripts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One line on what is wrong with such a datagram.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)+ }
            }
        }
    };
}

unanswered! {
    Truncated, "udp_truncated", "fewer octets than a UDP header";
    Length, "udp_length", "a UDP length below its header's or beyond the datagram's (RFC 768)";
    Checksum, "udp_checksum", "bad UDP checksum (RFC 1122 §4.1.3.4)";
    ClosedPort, "udp_closed_port", "to a UDP port that nothing here serves (RFC 1122 §4.1.3.1)";
    Group, "udp_to_group", "UDP to a broadcast or multicast address, on the link or in IPv4, that the service does not take";
    SourcePortZero, "udp_source_port_zero", "asks without a source port to which an answer could go (RFC 768)";
    LowSourcePort, "udp_low_source_port", "asks from the port of a service, as in a loop of answers";
    ResponderPort, "udp_responder_port", "asks from a port on which we answer ourselves, as in a loop of answers";
    TimeToLive, "udp_time_to_live", "too little time to live is left to tell it from a loop of answers";
    TooShort, "udp_too_short", "too short for its service";
    Malformed, "udp_malformed", "not in the format of its service";
    Reply, "udp_reply", "itself an answer of the kind that its service gives";
    NoRoom, "udp_no_room", "its answer does not fit into its buffer";
    Busy, "udp_busy", "its service had too much to do";
    Consumed, "udp_consumed", "taken by its service: nothing to say, or not yet";
    ServiceFault, "udp_service_fault", "its service answered although it said that it never does, or with more than there is room for";
    AnswerToGroup, "udp_answer_to_group", "its service would have answered what was for a group (RFC 1122 §3.2.2.6)";
    Amplification, "udp_amplification", "its service would have answered with more than was asked";
    NoTransmitSlot, "udp_no_transmit_slot", "an answer was due, but the transmit ring was full or the link down";
    RateLimited, "udp_rate_limited", "more answers were asked for than the limit allows";
}

impl From<LoopRule> for Unanswered {
    fn from(rule: LoopRule) -> Self {
        match rule {
            LoopRule::SourcePortZero => Self::SourcePortZero,
            LoopRule::LowSourcePort => Self::LowSourcePort,
            LoopRule::ResponderPort => Self::ResponderPort,
            LoopRule::TimeToLive => Self::TimeToLive,
            LoopRule::Group => Self::AnswerToGroup,
            LoopRule::Amplification => Self::Amplification,
            LoopRule::RateLimited => Self::RateLimited,
        }
    }
}

impl From<Decline> for Unanswered {
    fn from(decline: Decline) -> Self {
        match decline {
            Decline::TooShort => Self::TooShort,
            Decline::Malformed => Self::Malformed,
            Decline::Reply => Self::Reply,
            Decline::NoRoom => Self::NoRoom,
            Decline::Busy => Self::Busy,
        }
    }
}

impl Services {
    /// Turns a UDP datagram into its answer, in place.
    ///
    /// The datagram is the first `length` octets of `octets`. All of `octets` is room for the answer:
    /// the caller cuts it off where the largest datagram that may be sent ends. After
    /// [`Unanswered::ClosedPort`] and everything before it the octets are as they were, for an ICMP
    /// error that quotes them.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    #[inline]
    pub fn answer(
        &mut self,
        envelope: &Envelope<'_>,
        octets: &mut [u8],
        length: usize,
    ) -> Result<Answer, Unanswered> {
        let header = check(envelope, octets, length)?;
        let source = SocketAddrV4::new(envelope.source, header.source_port());
        let destination = SocketAddrV4::new(envelope.destination, header.destination_port());
        let source_is_responder = self.is_responder_port(source.port());
        let (entry, answers) = self
            .find_with_limit(destination)
            .ok_or(Unanswered::ClosedPort)?;
        let request = Request {
            envelope,
            header,
            source,
            destination,
            source_is_responder,
        };
        let outcome = entry.serve(&request, octets, answers);
        entry.counters.count(request.data_length(), &outcome);
        outcome
    }
}

/// Checks a datagram's length and checksum (RFC 1122 §4.1.3.4). Returns its header. Octets behind the
/// length that the header says are not part of it, and not looked at.
#[inline]
fn check(envelope: &Envelope<'_>, octets: &[u8], length: usize) -> Result<UdpHeader, Unanswered> {
    let payload = octets.get(..length).ok_or(Unanswered::Truncated)?;
    let (header, _) = UdpHeader::read_from_prefix(payload).map_err(|_| Unanswered::Truncated)?;
    if header.length() < udp::HEADER_LENGTH {
        return Err(Unanswered::Length);
    }
    let datagram = payload.get(..header.length()).ok_or(Unanswered::Length)?;
    if header.has_checksum()
        && !is_vouched_for(envelope, &header, length)
        && !udp::is_checksum_valid(datagram, envelope.source, envelope.destination)
    {
        return Err(Unanswered::Checksum);
    }
    Ok(header)
}

/// Whether the card vouches for the data of a datagram in so many octets behind an IPv4 header. Where octets stand behind
/// what UDP says is its own, cards need not agree on what they have added up.
#[inline]
fn is_vouched_for(envelope: &Envelope<'_>, header: &UdpHeader, length: usize) -> bool {
    envelope.checksum == TransportChecksum::Verified && header.length() == length
}

/// A checked datagram.
struct Request<'a> {
    envelope: &'a Envelope<'a>,
    header: UdpHeader,
    source: SocketAddrV4,
    destination: SocketAddrV4,
    source_is_responder: bool,
}

impl Request<'_> {
    #[inline]
    fn data_length(&self) -> usize {
        self.header.length().saturating_sub(udp::HEADER_LENGTH)
    }

    /// Whether it was for more than this host.
    #[inline]
    const fn is_group(&self) -> bool {
        self.envelope.is_group || self.envelope.arrival.link_broadcast
    }
}

impl Entry {
    /// Gives a datagram to the service, and does with it what the service says, unless a rule forbids
    /// that.
    #[inline]
    fn serve(
        &mut self,
        request: &Request<'_>,
        octets: &mut [u8],
        answers: Option<&mut TokenBucket>,
    ) -> Result<Answer, Unanswered> {
        let maximum_time_to_live = self.admit(request)?;
        let Some((_, room)) = octets.split_at_mut_checked(udp::HEADER_LENGTH) else {
            return Err(Unanswered::Truncated);
        };
        let request_length = request.data_length();
        let response = self.service.receive(Datagram::new(
            request.source,
            request.destination,
            request.envelope.time_to_live,
            request.envelope.arrival,
            room,
            request_length,
        ));
        let data_length = match response {
            Response::Echo => request_length,
            Response::Answer { length } if length <= room.len() => length,
            Response::Answer { .. } => return Err(Unanswered::ServiceFault),
            Response::Consumed => return Err(Unanswered::Consumed),
            Response::Decline(decline) => return Err(decline.into()),
        };
        if !self.policy.answers {
            return Err(Unanswered::ServiceFault);
        }
        if !request.envelope.can_answer {
            return Err(Unanswered::NoTransmitSlot);
        }
        loop_rules::check_answer(Answering {
            request_length,
            answer_length: data_length,
            is_group: request.is_group(),
            amplification: self.amplification.as_mut(),
            answers,
            now: request.envelope.arrival.seen,
        })?;
        let length = turn_around(request, response, octets, data_length)?;
        Ok(Answer {
            length,
            maximum_time_to_live,
        })
    }

    /// Whether the service may see a datagram. Returns the longest time to live of its answer.
    #[inline]
    fn admit(&self, request: &Request<'_>) -> Result<u8, Unanswered> {
        if request.is_group() && !self.policy.accepts_groups {
            return Err(Unanswered::Group);
        }
        if !self.policy.answers {
            return Ok(u8::MAX);
        }
        let asked = Asked {
            source_port: request.source.port(),
            own_port: request.destination.port(),
            source_is_responder: request.source_is_responder,
            accepts_own_port: self.policy.accepts_own_port,
            time_to_live: request.envelope.time_to_live,
        };
        Ok(loop_rules::check_request(asked)?)
    }
}

/// Writes the header of the answer, whose data stand behind it already. Returns its octets.
#[inline]
fn turn_around(
    request: &Request<'_>,
    response: Response,
    octets: &mut [u8],
    data_length: usize,
) -> Result<usize, Unanswered> {
    let length = data_length.saturating_add(udp::HEADER_LENGTH);
    let datagram = octets.get_mut(..length).ok_or(Unanswered::ServiceFault)?;
    // What came without a checksum goes back with one (RFC 1122 §4.1.3.4).
    if response == Response::Echo && request.header.has_checksum() {
        let (header, _) =
            UdpHeader::mut_from_prefix(datagram).map_err(|_| Unanswered::Truncated)?;
        header.turn_around();
    } else {
        udp::write_header(
            datagram,
            (*request.destination.ip(), request.destination.port()),
            (*request.source.ip(), request.source.port()),
        )
        .ok_or(Unanswered::ServiceFault)?;
    }
    Ok(length)
}

#[cfg(test)]
pub(crate) mod tests;
