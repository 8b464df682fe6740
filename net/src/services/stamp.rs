//! A Session-Reflector of STAMP (RFC 8762): stateless and unauthenticated.
//!
//! It sends a test packet back with the times at which it came in and goes out, so that a sender can
//! tell what the network took from what the reflector took. It keeps nothing of any session. Senders of
//! TWAMP Light are served as well (RFC 8762 §4.6), with one more rule against loops: see
//! [`Stamp::receive`].
//!
//! Not done: the authenticated mode, and the extensions of RFC 8972 but for the session identifier.
//! Whatever follows the first 44 octets goes back as it came.

use crate::rate::Limit;
use crate::time::{Instant, TickRate, Ticks};
use crate::udp::{Datagram, Decline, Policy, Response, UdpService};
use crate::wire::stamp::{
    BASE_LENGTH, ErrorEstimate, ReflectorPacket, SHORTEST_LENGTH, SenderPacket, Timestamp,
    TimestampFormat,
};
use zerocopy::network_endian::U16;
use zerocopy::transmute;

/// The port of RFC 8762 §4.1.
pub const PORT: u16 = 862;

/// How often packets of less than 44 octets are answered with 44, which RFC 8762 §4.6 asks for.
pub const DEFAULT_SHORT_LIMIT: Limit = Limit::new(1_000, 100);

/// What a timestamp may be off beside its tick, because it is rounded to nanoseconds.
const ROUNDING_NS: u64 = 1;

/// Reflects test packets. `Clock` reads the time stamp counter: the time of sending is not known
/// before the answer is written.
#[derive(Clone, Debug)]
pub struct Stamp<Clock> {
    clock: Clock,
    rate: TickRate,
    error_estimate: ErrorEstimate,
    accepts_own_port: bool,
}

impl<Clock: Fn() -> Instant> Stamp<Clock> {
    /// A reflector whose timestamps count from the reset of the processor. No clock is synchronized, and
    /// it says so; intervals are right nevertheless.
    ///
    /// `accepts_own_port` has it take packets from the number of its own port, as some senders use it,
    /// and as reflected packets come from it.
    pub const fn new(clock: Clock, rate: TickRate, accepts_own_port: bool) -> Self {
        let tick_ns = 1_000_000_000_u64.div_ceil(rate.hertz());
        Self {
            clock,
            rate,
            error_estimate: ErrorEstimate::unsynchronized(tick_ns.saturating_add(ROUNDING_NS)),
            accepts_own_port,
        }
    }

    fn timestamp(&self, instant: Instant, format: TimestampFormat) -> Timestamp {
        let nanoseconds = self.rate.nanoseconds(Ticks(instant.ticks()));
        Timestamp::new(nanoseconds, format)
    }

    fn reflected(&self, packet: &SenderPacket, session: U16, asked: &Asked) -> ReflectorPacket {
        // Timestamps come in the format that the sender understands: its own.
        let format = packet.error_estimate.format();
        // A counter may read less on its way out than on its way in, on a machine that was migrated.
        let sent = (self.clock)().max(asked.seen);
        ReflectorPacket {
            sequence: packet.sequence,
            timestamp: self.timestamp(sent, format),
            error_estimate: self.error_estimate.with_format(format),
            session,
            receive_timestamp: self.timestamp(asked.seen, format),
            sender_sequence: packet.sequence,
            sender_timestamp: packet.timestamp,
            sender_error_estimate: packet.error_estimate,
            reserved_1: [0; 2],
            sender_time_to_live: asked.time_to_live,
            reserved_2: [0; 3],
        }
    }
}

/// How a packet came in.
struct Asked {
    seen: Instant,
    time_to_live: u8,
}

impl<Clock: Fn() -> Instant + Send + 'static> UdpService for Stamp<Clock> {
    fn name(&self) -> &'static str {
        "stamp"
    }

    fn policy(&self) -> Policy {
        Policy {
            accepts_own_port: self.accepts_own_port,
            amplification: Some(DEFAULT_SHORT_LIMIT),
            ..Policy::RESPONDER
        }
    }

    /// Reflects a packet. One that comes from the port of a reflector is only reflected if it holds
    /// zeros where a sender of STAMP has them (RFC 8762 §4.2.1) and a reflector has not: else two
    /// reflectors would answer each other.
    fn receive(&mut self, mut datagram: Datagram<'_>) -> Response {
        let length = datagram.length();
        if length < SHORTEST_LENGTH {
            return Response::Decline(Decline::TooShort);
        }
        let asked = Asked {
            seen: datagram.arrival.seen,
            time_to_live: datagram.time_to_live,
        };
        let is_from_own_port = datagram.source.port() == datagram.destination.port();
        let Some((base, _)) = datagram.room().split_first_chunk_mut::<BASE_LENGTH>() else {
            return Response::Decline(Decline::NoRoom);
        };
        if let Some(missing) = base.get_mut(length..) {
            missing.fill(0);
        }
        let packet: SenderPacket = transmute!(*base);
        if is_from_own_port && packet.reserved != [0; 28] {
            return Response::Decline(Decline::Reply);
        }
        // In a shorter packet padding stands there.
        let session = if length < BASE_LENGTH {
            U16::ZERO
        } else {
            packet.session
        };
        *base = transmute!(self.reflected(&packet, session, &asked));
        Response::Answer {
            length: length.max(BASE_LENGTH),
        }
    }
}

#[cfg(test)]
mod tests;
