//! ICMP messages (RFC 792).

use super::checksum::Checksum;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of an echo request or reply; the data to be returned follow it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EchoHeader {
    message_type: u8,
    code: u8,
    checksum: Checksum,
    /// Chosen by the asker, returned as it is.
    pub identifier: U16,
    /// Chosen by the asker, returned as it is.
    pub sequence: U16,
}

/// Octets of the header.
pub const HEADER_LENGTH: usize = 8;
const _: () = assert!(size_of::<EchoHeader>() == HEADER_LENGTH);

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

impl EchoHeader {
    /// Whether this is an echo request. Its code should be 0 (RFC 792), but some askers fill it with
    /// their pattern, and are answered everywhere else: it is returned as it is.
    #[inline]
    pub const fn is_request(&self) -> bool {
        self.message_type == ECHO_REQUEST
    }

    /// Whether this is an echo reply.
    #[inline]
    pub const fn is_reply(&self) -> bool {
        self.message_type == ECHO_REPLY
    }

    /// Makes a request its reply, whose `data` follow this header. Only the type changes, so neither
    /// the data nor the rest of the header need be summed again.
    #[inline(always)]
    pub fn turn_into_reply(&mut self, data: &[u8]) {
        self.message_type = ECHO_REPLY;
        // What the message has become less, its complement has become more.
        self.checksum = self.checksum.plus([ECHO_REQUEST, 0]);
        if self.checksum == Checksum::ZERO {
            self.settle_checksum(data);
        }
    }

    /// Tells the two messages apart whose checksum comes out as zero: most sum to all ones, and zero
    /// is right; but one of nothing but zeros sums to zero, and all ones are. Identifier and sequence
    /// number 0 without data, which some tools send by default, is such a message.
    #[cold]
    fn settle_checksum(&mut self, data: &[u8]) {
        let is_zero = |octets: &[u8]| octets.iter().all(|&octet| octet == 0);
        if is_zero(self.as_bytes()) && is_zero(data) {
            self.checksum = Checksum::ONES;
        }
    }
}

/// Writes an echo request to all of `message`, with data of which `octet` says each by its offset. `None` when
/// `message` is too short for a header.
pub(crate) fn write_request(
    message: &mut [u8],
    identifier: u16,
    sequence: u16,
    octet: impl Fn(usize) -> u8,
) -> Option<()> {
    let (header, data) = EchoHeader::mut_from_prefix(&mut *message).ok()?;
    *header = EchoHeader {
        message_type: ECHO_REQUEST,
        code: 0,
        checksum: Checksum::ZERO,
        identifier: identifier.into(),
        sequence: sequence.into(),
    };
    for (offset, place) in data.iter_mut().enumerate() {
        *place = octet(offset);
    }
    let checksum = Checksum::of(message);
    let (header, _) = EchoHeader::mut_from_prefix(message).ok()?;
    header.checksum = checksum;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::checksum;
    use super::*;

    #[test]
    fn a_request_becomes_a_reply_with_a_right_checksum_and_the_same_data() {
        for first in 0..=255 {
            let mut octets = [
                8, 0, 0, 0, 0x12, 0x34, 0, first, b'd', b'a', b't', b'a', b'!',
            ];
            let sum = Checksum::of(&octets);
            octets[2..4].copy_from_slice(sum.as_bytes());
            let (header, data) = EchoHeader::mut_from_prefix(&mut octets).expect("8 octets");
            assert!(header.is_request());
            header.turn_into_reply(data);
            assert!(!header.is_request());
            assert!(checksum::is_valid(&octets));
            assert_eq!(octets[..2], [0, 0]);
            assert_eq!(
                octets[4..],
                [0x12, 0x34, 0, first, b'd', b'a', b't', b'a', b'!']
            );
        }
    }

    #[test]
    fn a_reply_of_nothing_but_zeros_has_a_checksum_of_all_ones() {
        let mut octets = [8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0, 0, 0];
        let (header, data) = EchoHeader::mut_from_prefix(&mut octets).expect("8 octets");
        header.turn_into_reply(data);
        assert_eq!(octets, [0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_reply_that_sums_to_all_ones_has_a_checksum_of_zero() {
        for mut octets in [
            [8, 0, 0xf7, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            [8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0xff, 0xff],
        ] {
            let before = octets;
            let (header, data) = EchoHeader::mut_from_prefix(&mut octets).expect("8 octets");
            header.turn_into_reply(data);
            assert_eq!(octets[..4], [0, 0, 0, 0]);
            assert_eq!(octets[4..], before[4..]);
        }
    }

    #[test]
    fn other_types_are_no_requests() {
        for (message_type, code) in [(0, 0), (0, 8), (3, 3), (13, 0)] {
            let octets = [message_type, code, 0, 0, 0, 0, 0, 0];
            let header = EchoHeader::ref_from_bytes(&octets).expect("8 octets");
            assert!(!header.is_request());
        }
    }
}
