//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! The one's complement sum comes out the same in either byte order, swapped (RFC 1071 §2(B)), so
//! everything here works in the machine's own order and stores what it gets: no swap per word, and
//! eight octets at a time.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A checksum field as it stands in a header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(transparent)]
pub struct Checksum([u8; 2]);

impl Checksum {
    /// The field while a checksum over its own header is computed.
    pub const ZERO: Self = Self([0; 2]);
    /// The checksum of nothing but zeros.
    pub const ONES: Self = Self([0xff; 2]);

    /// The checksum of `octets`, whose checksum field must be zero.
    pub fn of(octets: &[u8]) -> Self {
        Self((!sum(octets)).to_ne_bytes())
    }

    /// The checksum after the octets `old`, at an even offset of what it covers, became `new`
    /// (RFC 1624, equation 3: the one form that is right when the result is zero). What it covers
    /// must not have become all zeros: [`Checksum::ONES`] would then be right, and zero comes out.
    #[inline]
    #[must_use]
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "three numbers of sixteen bits fit in sixty-four"
    )]
    pub const fn updated(self, old: [u8; 2], new: [u8; 2]) -> Self {
        let sum = !u16::from_ne_bytes(self.0) as u64
            + !u16::from_ne_bytes(old) as u64
            + u16::from_ne_bytes(new) as u64;
        Self((!fold(sum)).to_ne_bytes())
    }
}

/// Whether `octets`, which hold their own checksum, were not altered.
#[inline]
pub fn is_valid(octets: &[u8]) -> bool {
    sum(octets) == u16::MAX
}

/// The one's complement sum of `octets` as 16-bit words in the machine's own order, the last one
/// padded with a zero octet.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "it would take 2^64 words of 64 bits, more than there is memory, to fill 128"
)]
fn sum(octets: &[u8]) -> u16 {
    let mut sum = 0_u128;
    let (blocks, rest) = octets.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for word in words {
            sum += u128::from(u64::from_ne_bytes(*word));
        }
    }
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        sum += u128::from(u64::from_ne_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        sum += u128::from(u64::from_ne_bytes(last));
    }
    // The sum of 64 KiB in words of 64 bits has at most 14 bits above the lower 64.
    fold((sum as u64 & 0xffff_ffff) + (sum as u64 >> 32) + (sum >> 64) as u64)
}

/// Brings a sum down to sixteen bits by adding what stands above them, again and again.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "each step adds two numbers that are narrower than their sum's type"
)]
const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word: RFC 1071 §1.
    pub(crate) fn by_definition(octets: &[u8]) -> [u8; 2] {
        let mut sum = 0_u32;
        for pair in octets.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }

    /// Writes the checksum of `octets`, by definition, into their two octets at `place`.
    pub(crate) fn seal(octets: &mut [u8], place: usize) {
        octets[place..place + 2].copy_from_slice(&[0, 0]);
        let checksum = by_definition(octets);
        octets[place..place + 2].copy_from_slice(&checksum);
    }

    #[test]
    fn the_example_of_rfc_1071_section_3_comes_out() {
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Checksum::of(&example).0, (!0xddf2_u16).to_be_bytes());
    }

    #[test]
    fn the_example_of_rfc_1624_section_4_comes_out() {
        let before = Checksum([0xdd, 0x2f]);
        assert_eq!(before.updated([0x55, 0x55], [0x32, 0x85]).0, [0x00, 0x00]);
    }

    #[test]
    fn a_full_datagram_of_ones_does_not_overflow() {
        let octets = std::vec![0xff; 65535];
        assert_eq!(Checksum::of(&octets).0, by_definition(&octets));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(Checksum::of(&octets).0, by_definition(&octets));
        }

        #[test]
        fn what_was_summed_is_valid_and_a_flipped_bit_is_not(
            mut octets in prop::collection::vec(any::<u8>(), 2..1600),
            flip in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            octets[0] = 0;
            octets[1] = 0;
            let Checksum(field) = Checksum::of(&octets);
            octets[..2].copy_from_slice(&field);
            prop_assert!(is_valid(&octets));
            let place = flip.index(octets.len());
            octets[place] ^= 1_u8 << bit;
            prop_assert!(!is_valid(&octets));
        }

        #[test]
        fn an_update_equals_a_new_sum(
            mut octets in prop::collection::vec(any::<u8>(), 4..200),
            place in any::<prop::sample::Index>(),
            new in any::<[u8; 2]>(),
        ) {
            // RFC 1624 holds for data that is not all zeros, as no header is.
            octets[0] = 0x45;
            let place = 2 + 2 * place.index((octets.len() - 2) / 2);
            let old = [octets[place], octets[place + 1]];
            let updated = Checksum::of(&octets).updated(old, new);
            octets[place..place + 2].copy_from_slice(&new);
            prop_assert_eq!(updated, Checksum::of(&octets));
        }
    }
}
