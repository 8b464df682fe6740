//! The IPv4 header (RFC 791) and which addresses a host may have.

use super::checksum::{self, Checksum};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_ref};

/// An IPv4 header without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Ipv4Header {
    version_and_length: u8,
    /// Type of service; an answer keeps it (RFC 1122 §3.2.1.6).
    pub type_of_service: u8,
    total_length: U16,
    /// Names the datagram among those of its source, for reassembly.
    pub identification: U16,
    flags_and_fragment: U16,
    time_to_live: u8,
    protocol: u8,
    checksum: Checksum,
    source: [u8; 4],
    destination: [u8; 4],
}

/// Octets of a header without options.
pub const HEADER_LENGTH: usize = 20;
const _: () = assert!(size_of::<Ipv4Header>() == HEADER_LENGTH);

/// The time to live of what we send (RFC 1122 §3.2.1.7; RFC 1700).
pub const DEFAULT_TTL: u8 = 64;

/// "Don't fragment", in the flags (RFC 791 §3.1).
const DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments" and the offset: zero in a datagram that is whole.
const FRAGMENT_MASK: u16 = 0x3fff;
/// The offset alone.
const OFFSET_MASK: u16 = 0x1fff;

/// The protocol that an IPv4 datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
}

impl Ipv4Header {
    /// IP version.
    #[inline]
    pub const fn version(&self) -> u8 {
        self.version_and_length >> 4
    }

    /// Octets of the header with its options, 0 to 60.
    #[inline]
    pub const fn header_length(&self) -> usize {
        // The field counts words of four octets.
        ((self.version_and_length & 0x0f) as usize) << 2
    }

    /// Whether this is version 4 without options, as nearly every header is.
    #[inline]
    pub const fn is_plain(&self) -> bool {
        self.version_and_length == 0x45
    }

    /// Octets of the datagram.
    #[inline]
    pub fn total_length(&self) -> usize {
        usize::from(self.total_length.get())
    }

    /// Whether the datagram is one of several pieces.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.flags_and_fragment.get() & FRAGMENT_MASK != 0
    }

    /// Whether this is the beginning of a datagram: all of it, or its first piece.
    pub(crate) fn is_beginning(&self) -> bool {
        self.flags_and_fragment.get() & OFFSET_MASK == 0
    }

    /// What the datagram carries.
    #[inline]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// Where it comes from.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        self.source.into()
    }

    /// Where it goes.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        self.destination.into()
    }

    /// Whether the checksum of a header without options is right.
    #[inline]
    pub fn is_checksum_valid(&self) -> bool {
        let octets: &[u8; HEADER_LENGTH] = transmute_ref!(self);
        checksum::is_block_valid(octets)
    }

    /// Sends a datagram back to where it came from: source and destination change places, which
    /// leaves the checksum as it is, time to live starts afresh (RFC 1812 §4.3.2.2), and "don't
    /// fragment" makes the identification, which stays, free of meaning (RFC 6864 §4.1).
    #[inline(always)]
    pub fn turn_around(&mut self) {
        core::mem::swap(&mut self.source, &mut self.destination);
        let fragment = (self.flags_and_fragment, U16::new(DONT_FRAGMENT));
        let time_to_live = (self.time_to_live, DEFAULT_TTL);
        self.checksum = self.checksum.updated([
            (fragment.0.to_bytes(), fragment.1.to_bytes()),
            ([time_to_live.0, 0], [time_to_live.1, 0]),
        ]);
        self.flags_and_fragment = fragment.1;
        self.time_to_live = time_to_live.1;
    }

    /// The time to live with which it arrived, or is to be sent.
    #[inline]
    pub const fn time_to_live(&self) -> u8 {
        self.time_to_live
    }

    /// Makes a datagram that was turned around one of `total_length` octets, sent with at most
    /// `time_to_live`. To be sealed after.
    pub(crate) fn set_answer(&mut self, total_length: u16, time_to_live: u8) {
        self.total_length = total_length.into();
        self.time_to_live = self.time_to_live.min(time_to_live);
    }

    /// Computes the checksum of this header and its `options` anew.
    #[inline]
    pub(crate) fn seal(&mut self, options: &[u8]) {
        self.checksum = Checksum::ZERO;
        if options.is_empty() {
            let octets: &[u8; HEADER_LENGTH] = transmute_ref!(self);
            self.checksum = Checksum::of_block(octets);
            return;
        }
        let mut octets = [0; 60];
        let (header, rest) = octets.split_at_mut(HEADER_LENGTH);
        header.copy_from_slice(self.as_bytes());
        for (to, from) in rest.iter_mut().zip(options) {
            *to = *from;
        }
        self.checksum = Checksum::of(&octets);
    }
}

/// Writes the header of a datagram of our own, without options and not to be fragmented on its way, in front
/// of its data. Returns where the data stand; `None` when `datagram` is too short for a header or too long for
/// IPv4.
pub(crate) fn write_header(
    datagram: &mut [u8],
    protocol: Protocol,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Option<&mut [u8]> {
    let total_length = u16::try_from(datagram.len()).ok()?;
    let (header, data) = Ipv4Header::mut_from_prefix(datagram).ok()?;
    *header = Ipv4Header {
        version_and_length: 0x45,
        type_of_service: 0,
        total_length: total_length.into(),
        // Free of meaning in what is not fragmented (RFC 6864 §4.1).
        identification: U16::ZERO,
        flags_and_fragment: DONT_FRAGMENT.into(),
        time_to_live: DEFAULT_TTL,
        protocol: protocol.0,
        checksum: Checksum::ZERO,
        source: source.octets(),
        destination: destination.octets(),
    };
    header.seal(&[]);
    Some(data)
}

/// Whether a single host on some network could have this address: not "this network" (0/8), not
/// loopback (127/8), not multicast (224/4), not reserved (240/4), of which the limited broadcast is
/// one (RFC 1122 §3.2.1.3; RFC 1812 §5.3.7). Directed broadcasts depend on the network's prefix and
/// are the caller's to check.
#[inline]
pub const fn is_host_address(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224 && first != 127
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ping -c1` from 10.10.10.10, captured: TTL 64, DF clear.
    const HEADER: [u8; 20] = [
        0x45, 0x10, 0x00, 0x54, 0x12, 0x34, 0x00, 0x00, 0x07, 0x01, 0x78, 0x3c, 10, 10, 10, 10, 10,
        10, 10, 11,
    ];

    fn sealed(mut octets: [u8; 20]) -> [u8; 20] {
        let header = Ipv4Header::mut_from_bytes(&mut octets).expect("20 octets");
        header.seal(&[]);
        octets
    }

    #[test]
    fn reads_every_field() {
        let octets = sealed(HEADER);
        let header = Ipv4Header::ref_from_bytes(&octets).expect("20 octets");
        assert!(header.is_plain());
        assert_eq!(header.version(), 4);
        assert_eq!(header.header_length(), 20);
        assert_eq!(header.type_of_service, 0x10);
        assert_eq!(header.total_length(), 84);
        assert!(!header.is_fragment());
        assert_eq!(header.protocol(), Protocol::ICMP);
        assert_eq!(header.source(), Ipv4Addr::new(10, 10, 10, 10));
        assert_eq!(header.destination(), Ipv4Addr::new(10, 10, 10, 11));
        assert!(header.is_checksum_valid());
    }

    #[test]
    fn turning_around_keeps_the_checksum_right_and_the_service_and_identification() {
        for time_to_live in 0..=255 {
            let mut octets = HEADER;
            octets[8] = time_to_live;
            let mut octets = sealed(octets);
            let header = Ipv4Header::mut_from_bytes(&mut octets).expect("20 octets");
            header.turn_around();
            assert!(header.is_checksum_valid(), "time to live {time_to_live}");
            assert_eq!(
                octets[..10],
                [0x45, 0x10, 0, 0x54, 0x12, 0x34, 0x40, 0, 64, 1]
            );
            assert_eq!(octets[12..], [10, 10, 10, 11, 10, 10, 10, 10]);
        }
    }

    #[test]
    fn a_datagram_is_whole_only_without_offset_and_without_more_to_come() {
        for (flags, fragment) in [
            (0x0000_u16, false),
            (0x4000, false),
            (0x8000, false),
            (0x2000, true),
            (0x0001, true),
            (0x1fff, true),
        ] {
            let mut octets = HEADER;
            octets[6..8].copy_from_slice(&flags.to_be_bytes());
            let header = Ipv4Header::ref_from_bytes(&octets).expect("20 octets");
            assert_eq!(header.is_fragment(), fragment, "{flags:#06x}");
        }
    }

    #[test]
    fn host_addresses_are_those_of_rfc_1122_section_3_2_1_3() {
        for (address, host) in [
            ([0, 0, 0, 0], false),
            ([0, 1, 2, 3], false),
            ([1, 0, 0, 1], true),
            ([10, 10, 10, 11], true),
            ([126, 255, 255, 254], true),
            ([127, 0, 0, 1], false),
            ([223, 255, 255, 1], true),
            ([224, 0, 0, 1], false),
            ([239, 255, 255, 255], false),
            ([240, 0, 0, 1], false),
            ([255, 255, 255, 255], false),
        ] {
            assert_eq!(is_host_address(address.into()), host, "{address:?}");
        }
    }
}
