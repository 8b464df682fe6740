//! Test packets of STAMP in its unauthenticated mode (RFC 8762 §4.2.1, §4.3.1), with the session
//! identifier of RFC 8972 §3.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a Session-Sender sends; extensions or padding may follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SenderPacket {
    /// Counts the packets of a session from 0.
    pub sequence: U32,
    /// When it was sent, in the format that `error_estimate` says.
    pub timestamp: Timestamp,
    /// Of the sender's clock.
    pub error_estimate: ErrorEstimate,
    /// Names the session (RFC 8972 §3); zero without that extension.
    pub session: U16,
    /// Must be zero.
    pub reserved: [u8; 28],
}

/// What a Session-Reflector sends back; what followed the sender's packet follows again.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ReflectorPacket {
    /// In stateless mode a copy of the sender's.
    pub sequence: U32,
    /// When it was sent.
    pub timestamp: Timestamp,
    /// Of the reflector's clock.
    pub error_estimate: ErrorEstimate,
    /// The sender's.
    pub session: U16,
    /// When the sender's packet arrived.
    pub receive_timestamp: Timestamp,
    /// The sender's.
    pub sender_sequence: U32,
    /// The sender's.
    pub sender_timestamp: Timestamp,
    /// The sender's.
    pub sender_error_estimate: ErrorEstimate,
    /// Must be zero.
    pub reserved_1: [u8; 2],
    /// With what time to live the sender's packet arrived.
    pub sender_time_to_live: u8,
    /// Must be zero.
    pub reserved_2: [u8; 3],
}

/// Octets of either packet without what follows.
pub const BASE_LENGTH: usize = 44;
const _: () = assert!(size_of::<SenderPacket>() == BASE_LENGTH);
const _: () = assert!(size_of::<ReflectorPacket>() == BASE_LENGTH);

/// The shortest packet of a sender of TWAMP Light: sequence number, timestamp and error estimate
/// (RFC 5357 §4.1.2, RFC 8762 §4.6).
pub const SHORTEST_LENGTH: usize = 14;

/// A timestamp in either format.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Timestamp {
    seconds: U32,
    fraction: U32,
}

/// How a [`Timestamp`] counts what is less than a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// In units of 2^-32 seconds (RFC 5905 §6).
    Ntp,
    /// In nanoseconds: the truncated format of IEEE 1588 (RFC 8877 §4.3).
    Ptp,
}

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

impl Timestamp {
    /// `nanoseconds` after the epoch of the clock. Seconds wrap after 136 years.
    #[inline]
    pub fn new(nanoseconds: u64, format: TimestampFormat) -> Self {
        let seconds = nanoseconds / NANOSECONDS_PER_SECOND;
        // Less than 2^30, so that the shift stays within 62 bits.
        let rest = nanoseconds % NANOSECONDS_PER_SECOND;
        let fraction = match format {
            TimestampFormat::Ntp => (rest << 32) / NANOSECONDS_PER_SECOND,
            TimestampFormat::Ptp => rest,
        };
        Self {
            seconds: (seconds as u32).into(),
            fraction: (fraction as u32).into(),
        }
    }
}

/// How far a clock may be off, and how it writes time (RFC 4656 §4.1.2, RFC 8186 §2.1).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ErrorEstimate {
    /// S (one bit): synchronized to UTC; Z (one bit): the format; scale (six bits).
    flags_and_scale: u8,
    multiplier: u8,
}

/// Z: timestamps are in the format of IEEE 1588.
const PTP_FORMAT: u8 = 0x40;

impl ErrorEstimate {
    /// Of a clock that is not synchronized, in the NTP format, and off by up to `nanoseconds`: the next
    /// multiplier * 2^scale * 2^-32 seconds that is no less.
    pub const fn unsynchronized(nanoseconds: u64) -> Self {
        // In units of 2^-32 seconds, rounded up. Zero must not be sent (RFC 4656 §4.1.2).
        let wide = ((nanoseconds as u128) << 32).div_ceil(NANOSECONDS_PER_SECOND as u128);
        let mut multiplier = if wide == 0 { 1 } else { wide };
        let mut scale = 0_u8;
        while multiplier > u8::MAX as u128 {
            multiplier = multiplier.div_ceil(2);
            scale = scale.wrapping_add(1);
        }
        Self {
            flags_and_scale: scale,
            multiplier: multiplier as u8,
        }
    }

    /// The format of the timestamps that it belongs to.
    #[inline]
    pub const fn format(self) -> TimestampFormat {
        if self.flags_and_scale & PTP_FORMAT != 0 {
            TimestampFormat::Ptp
        } else {
            TimestampFormat::Ntp
        }
    }

    /// The same estimate for timestamps in `format`.
    #[inline]
    #[must_use]
    pub const fn with_format(self, format: TimestampFormat) -> Self {
        let rest = self.flags_and_scale & !PTP_FORMAT;
        Self {
            flags_and_scale: match format {
                TimestampFormat::Ntp => rest,
                TimestampFormat::Ptp => rest | PTP_FORMAT,
            },
            multiplier: self.multiplier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a reflector sent it, captured: the answer to sequence number 7 at e0000000.80000000.
    const REFLECTED: [u8; 44] = [
        0x00, 0x00, 0x00, 0x07, // sequence number
        0xee, 0xab, 0x54, 0xef, 0x1c, 0x52, 0xb3, 0xca, // sent
        0x00, 0x01, 0x00, 0x00, // error estimate, session
        0xee, 0xab, 0x54, 0xef, 0x1c, 0x51, 0x07, 0x55, // received
        0x00, 0x00, 0x00, 0x07, // the sender's sequence number
        0xe0, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, // the sender's timestamp
        0x81, 0x01, 0x00, 0x00, // the sender's error estimate
        0x40, 0x00, 0x00, 0x00, // the sender's time to live
    ];

    #[test]
    fn reads_every_field_of_a_reflected_packet() {
        let packet = ReflectorPacket::ref_from_bytes(&REFLECTED).expect("44 octets");
        assert_eq!(packet.sequence.get(), 7);
        assert_eq!(packet.timestamp.seconds.get(), 0xeeab_54ef);
        assert_eq!(packet.timestamp.fraction.get(), 0x1c52_b3ca);
        assert_eq!(packet.error_estimate.as_bytes(), [0x00, 0x01]);
        assert_eq!(packet.session.get(), 0);
        assert_eq!(packet.receive_timestamp.fraction.get(), 0x1c51_0755);
        assert_eq!(packet.sender_sequence.get(), 7);
        assert_eq!(packet.sender_timestamp.seconds.get(), 0xe000_0000);
        assert_eq!(packet.sender_error_estimate.as_bytes(), [0x81, 0x01]);
        assert_eq!(packet.sender_time_to_live, 64);
    }

    #[test]
    fn reads_every_field_of_a_packet_to_be_reflected() {
        let mut octets = [0; 44];
        octets[..16].copy_from_slice(&[
            0, 0, 0, 7, 0xe0, 0, 0, 0, 0x80, 0, 0, 0, 0xc1, 0x01, 0xab, 0xcd,
        ]);
        let packet = SenderPacket::ref_from_bytes(&octets).expect("44 octets");
        assert_eq!(packet.sequence.get(), 7);
        assert_eq!(packet.timestamp.seconds.get(), 0xe000_0000);
        assert_eq!(packet.timestamp.fraction.get(), 0x8000_0000);
        assert_eq!(packet.error_estimate.format(), TimestampFormat::Ptp);
        assert_eq!(packet.session.get(), 0xabcd);
    }

    #[test]
    fn timestamps_are_seconds_and_a_fraction_in_either_format() {
        for (nanoseconds, ntp, ptp) in [
            (0, [0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]),
            (1, [0, 0, 0, 0, 0, 0, 0, 4], [0, 0, 0, 0, 0, 0, 0, 1]),
            (
                3_500_000_000,
                [0, 0, 0, 3, 0x80, 0, 0, 0],
                [0, 0, 0, 3, 0x1d, 0xcd, 0x65, 0x00],
            ),
            (
                999_999_999,
                [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfb],
                [0, 0, 0, 0, 0x3b, 0x9a, 0xc9, 0xff],
            ),
        ] {
            let written = Timestamp::new(nanoseconds, TimestampFormat::Ntp);
            assert_eq!(written.as_bytes(), ntp, "{nanoseconds} ns, NTP");
            let written = Timestamp::new(nanoseconds, TimestampFormat::Ptp);
            assert_eq!(written.as_bytes(), ptp, "{nanoseconds} ns, PTP");
        }
        Timestamp::new(u64::MAX, TimestampFormat::Ntp);
    }

    #[test]
    fn an_error_estimate_is_rounded_up_and_never_zero_rfc_4656_section_4_1_2() {
        for (nanoseconds, expected) in [
            (0, [0, 1]),
            // 4.3 units of 2^-32 seconds.
            (1, [0, 5]),
            (59, [0, 254]),
            // 257.7 units.
            (60, [1, 129]),
            // 2,035.8 units.
            (474, [3, 255]),
            // 4,299.3 units.
            (1_001, [5, 135]),
            (1_000_000_000, [25, 128]),
        ] {
            let estimate = ErrorEstimate::unsynchronized(nanoseconds);
            assert_eq!(estimate.as_bytes(), expected, "{nanoseconds} ns");
            assert_eq!(estimate.format(), TimestampFormat::Ntp);
        }
        let longest = ErrorEstimate::unsynchronized(u64::MAX);
        assert!(longest.flags_and_scale < PTP_FORMAT);
    }

    #[test]
    fn an_error_estimate_carries_the_format_beside_its_scale() {
        let estimate = ErrorEstimate::unsynchronized(1_001);
        let ptp = estimate.with_format(TimestampFormat::Ptp);
        assert_eq!(ptp.as_bytes(), [0x45, 135]);
        assert_eq!(ptp.format(), TimestampFormat::Ptp);
        assert_eq!(ptp.with_format(TimestampFormat::Ntp), estimate);
    }
}
