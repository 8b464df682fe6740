//! UDP datagrams (RFC 768).

use super::checksum::{self, Checksum};
use super::ipv4::Protocol;
use core::mem::offset_of;
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of a UDP datagram; its data follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct UdpHeader {
    source_port: U16,
    destination_port: U16,
    length: U16,
    checksum: Checksum,
}

/// Octets of the header.
pub const HEADER_LENGTH: usize = 8;
const _: () = assert!(size_of::<UdpHeader>() == HEADER_LENGTH);

/// Where in the header the checksum stands.
pub const CHECKSUM_OFFSET: usize = offset_of!(UdpHeader, checksum);

impl UdpHeader {
    /// The port that an answer goes to; 0 if none is wanted.
    #[inline]
    pub const fn source_port(&self) -> u16 {
        self.source_port.get()
    }

    /// The port that is asked.
    #[inline]
    pub const fn destination_port(&self) -> u16 {
        self.destination_port.get()
    }

    /// Octets of the datagram, header included, as it says itself.
    #[inline]
    pub fn length(&self) -> usize {
        usize::from(self.length.get())
    }

    /// Whether the sender generated a checksum: a field of zero says that it did not.
    #[inline]
    pub fn has_checksum(&self) -> bool {
        self.checksum != Checksum::ZERO
    }

    /// Whether the checksum's place holds the sum of the pseudo header alone, as it does while somebody else is to add the
    /// rest.
    pub fn is_checksum_partial(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        let sum = pseudo_header(self.length(), source, destination);
        self.checksum == Checksum::partial(sum)
    }

    /// Sends the datagram back to where it came from. The checksum stays right, because a sum does not
    /// depend on the order of what is added.
    #[inline]
    pub const fn turn_around(&mut self) {
        core::mem::swap(&mut self.source_port, &mut self.destination_port);
    }
}

/// Writes the header in front of the data of `datagram`: ports, length and checksum.
/// `None` when it is too short for a header or too long for UDP, and then nothing is written.
pub fn write_header(
    datagram: &mut [u8],
    (source, source_port): (Ipv4Addr, u16),
    (destination, destination_port): (Ipv4Addr, u16),
) -> Option<()> {
    let length = u16::try_from(datagram.len()).ok()?;
    let (header, _) = UdpHeader::mut_from_prefix(&mut *datagram).ok()?;
    *header = UdpHeader {
        source_port: source_port.into(),
        destination_port: destination_port.into(),
        length: length.into(),
        checksum: Checksum::ZERO,
    };
    let checksum =
        match Checksum::of_behind(pseudo_header(datagram.len(), source, destination), datagram) {
            // Zero would say that there is none (RFC 768).
            Checksum::ZERO => Checksum::ONES,
            checksum => checksum,
        };
    let (header, _) = UdpHeader::mut_from_prefix(datagram).ok()?;
    header.checksum = checksum;
    Some(())
}

/// Whether `datagram`, which holds its own checksum, came from `source` to `destination` unaltered.
#[inline]
pub fn is_checksum_valid(datagram: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> bool {
    checksum::is_valid_behind(pseudo_header(datagram.len(), source, destination), datagram)
}

/// The sum of what the checksum of a datagram of `length` octets covers besides it: addresses, protocol and length
/// (RFC 768).
#[inline]
fn pseudo_header(length: usize, source: Ipv4Addr, destination: Ipv4Addr) -> u64 {
    let word = |octets| u64::from(u32::from_ne_bytes(octets));
    let [.., high, low] = length.to_be_bytes();
    let protocol_and_length = word([0, Protocol::UDP.0, high, low]);
    // Three words of 32 bits do not fill 64.
    word(source.octets())
        .wrapping_add(word(destination.octets()))
        .wrapping_add(protocol_and_length)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::super::checksum::tests::by_definition;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
    const DESTINATION: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);

    /// 10.10.10.10:40000 to 10.10.10.11:7, "hello".
    const DATAGRAM: [u8; 13] = [
        0x9c, 0x40, 0x00, 0x07, 0x00, 0x0d, 0xf7, 0x91, b'h', b'e', b'l', b'l', b'o',
    ];

    fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Vec<u8> {
        let [.., high, low] = length.to_be_bytes();
        let mut octets = source.octets().to_vec();
        octets.extend(destination.octets());
        octets.extend([0, 17, high, low]);
        octets
    }

    /// The checksum field of `datagram` by RFC 768, which stands there as zero.
    fn checksum_by_definition(datagram: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> [u8; 2] {
        let mut covered = pseudo_header(source, destination, datagram.len());
        covered.extend(datagram);
        match by_definition(&covered) {
            [0, 0] => [0xff, 0xff],
            checksum => checksum,
        }
    }

    #[test]
    fn reads_every_field() {
        let (header, data) = UdpHeader::ref_from_prefix(&DATAGRAM).expect("8 octets");
        assert_eq!(header.source_port(), 40_000);
        assert_eq!(header.destination_port(), 7);
        assert_eq!(header.length(), 13);
        assert!(header.has_checksum());
        assert_eq!(data, b"hello");
        assert!(is_checksum_valid(&DATAGRAM, SOURCE, DESTINATION));
        assert!(!is_checksum_valid(&DATAGRAM, SOURCE, SOURCE));
    }

    #[test]
    fn writes_every_field() {
        let mut datagram = DATAGRAM;
        datagram[..8].fill(0xee);
        let written = write_header(&mut datagram, (SOURCE, 40_000), (DESTINATION, 7));
        assert_eq!(written, Some(()));
        assert_eq!(datagram, DATAGRAM);
    }

    #[test]
    fn what_is_too_short_or_too_long_for_udp_is_left_alone() {
        for length in [0, 7, 65_536] {
            let mut datagram = std::vec![0xee; length];
            let written = write_header(&mut datagram, (SOURCE, 1), (DESTINATION, 2));
            assert_eq!(written, None, "{length} octets");
            assert!(datagram.iter().all(|&octet| octet == 0xee));
        }
        let mut longest = std::vec![0xff; 65_535];
        let written = write_header(&mut longest, (SOURCE, 1), (DESTINATION, 2));
        assert_eq!(written, Some(()));
        assert!(is_checksum_valid(&longest, SOURCE, DESTINATION));
    }

    #[test]
    fn turning_around_keeps_the_checksum() {
        let mut datagram = DATAGRAM;
        let (header, _) = UdpHeader::mut_from_prefix(&mut datagram).expect("8 octets");
        header.turn_around();
        assert_eq!(datagram[..4], [0x00, 0x07, 0x9c, 0x40]);
        assert_eq!(datagram[4..], DATAGRAM[4..]);
        assert!(is_checksum_valid(&datagram, DESTINATION, SOURCE));
    }

    #[test]
    fn a_checksum_that_comes_out_as_zero_is_sent_as_all_ones_rfc_768() {
        let mut datagram = [0; 10];
        let ends = ((SOURCE, 40_000), (DESTINATION, 7));
        write_header(&mut datagram, ends.0, ends.1).expect("10 octets");
        // The checksum of data of zeros, as data, brings the sum to all ones.
        let missing = [datagram[6], datagram[7]];
        datagram[8..].copy_from_slice(&missing);
        write_header(&mut datagram, ends.0, ends.1).expect("10 octets");
        assert_eq!(datagram[6..8], [0xff, 0xff]);
        assert!(is_checksum_valid(&datagram, SOURCE, DESTINATION));
        let (header, _) = UdpHeader::ref_from_prefix(&datagram).expect("8 octets");
        assert!(header.has_checksum());
    }

    #[test]
    fn a_checksum_field_of_zero_says_that_there_is_none_rfc_768() {
        let mut datagram = DATAGRAM;
        datagram[6..8].fill(0);
        let (header, _) = UdpHeader::ref_from_prefix(&datagram).expect("8 octets");
        assert!(!header.has_checksum());
    }

    proptest! {
        #[test]
        fn the_checksum_is_that_of_the_definition(
            mut datagram in prop::collection::vec(any::<u8>(), 8..1500),
            source in any::<[u8; 4]>(),
            destination in any::<[u8; 4]>(),
            ports in any::<(u16, u16)>(),
            sums_to_zero in any::<bool>(),
        ) {
            let (source, destination) = (source.into(), destination.into());
            let write = |datagram: &mut [u8]| {
                write_header(datagram, (source, ports.0), (destination, ports.1)).expect("8 octets");
            };
            if sums_to_zero && datagram.len() >= 10 {
                datagram[8..10].fill(0);
                write(&mut datagram);
                let missing = [datagram[6], datagram[7]];
                datagram[8..10].copy_from_slice(&missing);
            }
            write(&mut datagram);
            prop_assert!(is_checksum_valid(&datagram, source, destination));
            let written = [datagram[6], datagram[7]];
            datagram[6..8].fill(0);
            prop_assert_eq!(written, checksum_by_definition(&datagram, source, destination));
        }

        #[test]
        fn a_flipped_bit_is_noticed(
            mut datagram in prop::collection::vec(any::<u8>(), 8..200),
            place in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            write_header(&mut datagram, (SOURCE, 9), (DESTINATION, 7)).expect("8 octets");
            let place = place.index(datagram.len());
            datagram[place] ^= 1_u8 << bit;
            prop_assert!(!is_checksum_valid(&datagram, SOURCE, DESTINATION));
        }
    }
}
