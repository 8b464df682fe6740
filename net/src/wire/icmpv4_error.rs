//! ICMP error messages: what is wrong with a datagram, and its beginning (RFC 792; RFC 1122 §3.2.2).

use super::checksum::Checksum;
use super::ipv4::{self, Ipv4Header};
use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of an error message; the datagram that it is about follows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ErrorHeader {
    message_type: u8,
    code: u8,
    checksum: Checksum,
    /// Octets whose meaning depends on the type: of those that we send, only Parameter Problem uses
    /// the first.
    parameter: [u8; 4],
}

/// Octets of the header.
pub const HEADER_LENGTH: usize = 8;
const _: () = assert!(size_of::<ErrorHeader>() == HEADER_LENGTH);

/// What is wrong with a datagram: the errors that a host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing here serves its protocol (Destination Unreachable, code 2; RFC 1122 §3.2.2.1).
    ProtocolUnreachable,
    /// Nothing here serves its port (Destination Unreachable, code 3; RFC 1122 §4.1.3.1).
    PortUnreachable,
    /// Not all of its fragments arrived in time (Time Exceeded, code 1; RFC 1122 §3.3.2).
    ReassemblyTimeExceeded,
    /// Something is wrong with the octet of its header to which this points, counted from 0
    /// (Parameter Problem, code 0; RFC 1122 §3.2.2.5).
    Parameter(u8),
}

impl Problem {
    /// The message's type and code.
    const fn type_and_code(self) -> [u8; 2] {
        match self {
            Self::ProtocolUnreachable => [3, 2],
            Self::PortUnreachable => [3, 3],
            Self::ReassemblyTimeExceeded => [11, 1],
            Self::Parameter(_) => [12, 0],
        }
    }

    const fn parameter(self) -> [u8; 4] {
        match self {
            Self::Parameter(pointer) => [pointer, 0, 0, 0],
            _ => [0; 4],
        }
    }
}

/// Writes the header in front of the beginning of the datagram that stands in `message` already,
/// [`HEADER_LENGTH`] octets from its start. `None` when there is no room for a header.
pub fn write_header(message: &mut [u8], problem: Problem) -> Option<()> {
    let (header, _) = ErrorHeader::mut_from_prefix(&mut *message).ok()?;
    let [message_type, code] = problem.type_and_code();
    *header = ErrorHeader {
        message_type,
        code,
        checksum: Checksum::ZERO,
        parameter: problem.parameter(),
    };
    let checksum = Checksum::of(message);
    let (header, _) = ErrorHeader::mut_from_prefix(message).ok()?;
    header.checksum = checksum;
    Some(())
}

/// Why a datagram did not arrive, as an error message about it says that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    message_type: u8,
    code: u8,
}

/// What an error message says, and the datagram that it is about: its header, and what there is behind that. `None` for
/// other messages, and for one that does not quote the beginning of an IPv4 datagram.
pub fn read(message: &[u8]) -> Option<(Undelivered, &Ipv4Header, &[u8])> {
    let (header, quoted) = ErrorHeader::ref_from_prefix(message).ok()?;
    if !matches!(header.message_type, 3 | 11 | 12) {
        return None;
    }
    let why = Undelivered {
        message_type: header.message_type,
        code: header.code,
    };
    let (header, _) = Ipv4Header::ref_from_prefix(quoted).ok()?;
    let is_sound = header.version() == 4
        && header.header_length() >= ipv4::HEADER_LENGTH
        && header.is_beginning();
    if !is_sound {
        return None;
    }
    let data = quoted.get(header.header_length()..)?;
    Some((why, header, data))
}

/// As `ping` has it everywhere.
impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.message_type, self.code) {
            (3, 0) => "Destination Net Unreachable",
            (3, 1) => "Destination Host Unreachable",
            (3, 2) => "Destination Protocol Unreachable",
            (3, 3) => "Destination Port Unreachable",
            (3, 4) => "Frag needed and DF set",
            (3, 5) => "Source Route Failed",
            (3, 6) => "Destination Net Unknown",
            (3, 7) => "Destination Host Unknown",
            (3, 9) => "Destination Net Prohibited",
            (3, 10) => "Destination Host Prohibited",
            (3, 13) => "Packet filtered",
            (3, code) => return write!(f, "Dest Unreachable, Bad Code: {code}"),
            (11, 0) => "Time to live exceeded",
            (11, 1) => "Frag reassembly time exceeded",
            (11, code) => return write!(f, "Time exceeded, Bad Code: {code}"),
            _ => "Parameter problem",
        })
    }
}

/// Whether an ICMP message of this type could be an error message, about which none may be sent.
///
/// The errors of RFC 1122 §3.2.2 are 3 (unreachable), 4 (source quench), 5 (redirect), 11 (time
/// exceeded) and 12 (parameter problem). A type that is not assigned may become one; only what is
/// known to ask or to answer is none: echo, timestamp, information, address mask (RFC 792, RFC 950),
/// router discovery (RFC 1256) and extended echo (RFC 8335).
pub const fn may_be_error(message_type: u8) -> bool {
    !matches!(message_type, 0 | 8..=10 | 13..=18 | 42 | 43)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtocolUnreachable => f.write_str("protocol unreachable"),
            Self::PortUnreachable => f.write_str("port unreachable"),
            Self::ReassemblyTimeExceeded => f.write_str("fragment reassembly time exceeded"),
            Self::Parameter(pointer) => write!(f, "parameter problem at octet {pointer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::wire::checksum;
    use std::string::ToString;

    #[test]
    fn each_problem_has_the_type_the_code_and_the_parameter_of_rfc_792() {
        for (problem, expected, text) in [
            (
                Problem::ProtocolUnreachable,
                [3, 2, 0xb3, 0x9a, 0, 0, 0, 0],
                "protocol unreachable",
            ),
            (
                Problem::PortUnreachable,
                [3, 3, 0xb3, 0x99, 0, 0, 0, 0],
                "port unreachable",
            ),
            (
                Problem::ReassemblyTimeExceeded,
                [11, 1, 0xab, 0x9b, 0, 0, 0, 0],
                "fragment reassembly time exceeded",
            ),
            (
                Problem::Parameter(20),
                [12, 0, 0x96, 0x9c, 20, 0, 0, 0],
                "parameter problem at octet 20",
            ),
        ] {
            let mut message = [0xff; 12];
            message[8..].copy_from_slice(&[0x45, 0x00, 0x04, 0x63]);
            write_header(&mut message, problem).expect("room");
            assert_eq!(message[..8], expected, "{problem:?}");
            assert_eq!(message[8..], [0x45, 0x00, 0x04, 0x63]);
            assert!(checksum::is_valid(&message));
            assert_eq!(problem.to_string(), text);
        }
    }

    #[test]
    fn without_room_for_a_header_nothing_is_written() {
        let mut message = [7; 7];
        assert_eq!(write_header(&mut message, Problem::PortUnreachable), None);
        assert_eq!(message, [7; 7]);
    }

    #[test]
    fn what_is_not_known_to_ask_or_answer_may_be_an_error() {
        for known_error in [3, 4, 5, 11, 12] {
            assert!(may_be_error(known_error), "{known_error}");
        }
        for message in [0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43] {
            assert!(!may_be_error(message), "{message}");
        }
        for unknown in [1, 2, 6, 7, 19, 30, 40, 41, 44, 253, 255] {
            assert!(may_be_error(unknown), "{unknown}");
        }
    }
}
