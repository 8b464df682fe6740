//! Where a fragment stands in its datagram: the flags and the fragment offset of the IPv4 header
//! (RFC 791 §3.1).

use super::ipv4::{HEADER_LENGTH, Ipv4Header};
use core::fmt;

/// Octets of one unit of the fragment offset.
pub const UNIT: usize = 8;

/// "Don't fragment", "more fragments", and the offset in units of eight octets.
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The two octets of an IPv4 header that hold the flags and the fragment offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentField(u16);

impl FragmentField {
    /// A whole datagram, which may be fragmented on its way.
    pub const WHOLE: Self = Self(0);

    /// A fragment that begins at octet `offset` of its datagram's data, a multiple of eight up to
    /// 65,528, and after which there are `more`.
    pub const fn new(offset: usize, more: bool) -> Self {
        let units = (offset >> 3) as u16 & OFFSET;
        Self(if more { units | MORE_FRAGMENTS } else { units })
    }

    /// Whether the datagram must rather be dropped than fragmented.
    pub const fn dont_fragment(self) -> bool {
        self.0 & DONT_FRAGMENT != 0
    }

    /// Whether this is not the datagram's last fragment.
    pub const fn more_fragments(self) -> bool {
        self.0 & MORE_FRAGMENTS != 0
    }

    /// Octets of the datagram's data that stand before this fragment's: a multiple of eight, at most
    /// 65,528.
    pub const fn offset(self) -> usize {
        ((self.0 & OFFSET) as usize) << 3
    }
}

impl Ipv4Header {
    /// The flags and the fragment offset.
    #[inline]
    pub fn fragment_field(&self) -> FragmentField {
        let octets: [u8; HEADER_LENGTH] = zerocopy::transmute!(*self);
        let [_, _, _, _, _, _, high, low, ..] = octets;
        FragmentField(u16::from_be_bytes([high, low]))
    }

    /// Allows that the datagram be fragmented, as an answer that is longer than a frame must be:
    /// [`Ipv4Header::turn_around`] forbids it. `options` are those that follow this header.
    pub fn permit_fragments(&mut self, options: &[u8]) {
        let FragmentField(field) = self.fragment_field();
        self.write_fragment_field(FragmentField(field & !DONT_FRAGMENT));
        self.seal(options);
    }

    /// Makes this the header, with its `options`, of a datagram of `total_length` octets that stands
    /// in a larger one as `field` says; the rest of the header stays.
    pub(crate) fn place(&mut self, options: &[u8], total_length: u16, field: FragmentField) {
        let header_length = HEADER_LENGTH.saturating_add(options.len());
        let octets: &mut [u8; HEADER_LENGTH] = zerocopy::transmute_mut!(self);
        let [version_and_length, _, length_high, length_low, ..] = octets;
        // The field counts words of four octets.
        *version_and_length = 0x40 | ((header_length >> 2) as u8 & 0x0f);
        [*length_high, *length_low] = total_length.to_be_bytes();
        self.write_fragment_field(field);
        self.seal(options);
    }

    fn write_fragment_field(&mut self, field: FragmentField) {
        let octets: &mut [u8; HEADER_LENGTH] = zerocopy::transmute_mut!(self);
        let [_, _, _, _, _, _, high, low, ..] = octets;
        [*high, *low] = field.0.to_be_bytes();
    }
}

/// Prints as `1480+` where more follow, `2960` where none do.
impl fmt::Display for FragmentField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.more_fragments() { "+" } else { "" };
        write!(f, "{}{more}", self.offset())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::wire::checksum;
    use std::string::ToString;
    use zerocopy::{FromBytes, IntoBytes};

    /// The second fragment of `ping -s 4000`, captured: octets 1480 to 2959, and more to come.
    const HEADER: [u8; 20] = [
        0x45, 0, 0x05, 0xdc, 0x12, 0x34, 0x20, 0xb9, 64, 1, 0x18, 0xff, 10, 10, 10, 10, 10, 10, 10,
        11,
    ];

    #[test]
    fn reads_flags_and_offset_as_rfc_791_section_3_1_has_them() {
        for (octets, dont_fragment, more, offset, text) in [
            ([0x20, 0xb9], false, true, 1480, "1480+"),
            ([0x01, 0x72], false, false, 2960, "2960"),
            ([0x40, 0x00], true, false, 0, "0"),
            ([0x9f, 0xff], false, false, 65_528, "65528"),
        ] {
            let mut header = HEADER;
            header[6..8].copy_from_slice(&octets);
            let header = Ipv4Header::ref_from_bytes(&header).expect("20 octets");
            let field = header.fragment_field();
            assert_eq!(field.dont_fragment(), dont_fragment, "{octets:x?}");
            assert_eq!(field.more_fragments(), more, "{octets:x?}");
            assert_eq!(field.offset(), offset, "{octets:x?}");
            assert_eq!(field.to_string(), text);
        }
    }

    #[test]
    fn writes_length_flags_and_offset_and_nothing_else_but_the_checksum() {
        let mut header = Ipv4Header::read_from_bytes(&HEADER).expect("20 octets");
        header.place(&[1, 1, 1, 0], 99, FragmentField::new(1480, true));
        let octets = header.as_bytes();
        assert_eq!(
            octets[..10],
            [0x46, 0, 0, 99, 0x12, 0x34, 0x20, 0xb9, 64, 1]
        );
        assert_eq!(octets[12..], HEADER[12..]);
        assert!(checksum::is_valid(&[octets, &[1, 1, 1, 0]].concat()));
        header.place(&[], 1500, FragmentField::new(1480, true));
        assert_eq!(header.as_bytes()[..10], HEADER[..10]);
        assert!(header.is_checksum_valid());
        header.place(&[], 1500, FragmentField::new(65_528, false));
        assert_eq!(header.as_bytes()[6..8], [0x1f, 0xff]);
    }

    #[test]
    fn permitting_fragments_clears_one_flag_and_keeps_the_checksum_right() {
        let mut header = Ipv4Header::read_from_bytes(&HEADER).expect("20 octets");
        header.turn_around();
        assert!(header.fragment_field().dont_fragment());
        header.permit_fragments(&[]);
        assert_eq!(header.fragment_field(), FragmentField::WHOLE);
        assert!(header.is_checksum_valid());
    }
}
