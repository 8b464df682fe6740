//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! The one's complement sum comes out the same in either byte order, swapped (RFC 1071 §2(B)), so
//! everything here works in the machine's own order and stores what it gets: no swap per word. And
//! it comes out the same however wide the words are that are added (RFC 1071 §2(C)), as long as every
//! carry is added back: so words of 64 bits are, which is one instruction for eight octets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_ref};

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
        Self((!fold(sum(octets))).to_ne_bytes())
    }

    /// [`Self::of`] where the checksum covers some words in front of the octets, too, of which this is the sum, in the
    /// machine's own order.
    pub fn of_behind(in_front: u64, octets: &[u8]) -> Self {
        Self((!fold(sum_behind(in_front, octets))).to_ne_bytes())
    }

    /// The field while it holds a sum of words, in the machine's own order, that somebody else is to go on from.
    pub const fn partial(sum: u64) -> Self {
        Self(fold(sum).to_ne_bytes())
    }

    /// [`Self::of`] for a few octets whose number is known beforehand, a multiple of eight and four.
    #[inline]
    pub fn of_block<const OCTETS: usize>(block: &[u8; OCTETS]) -> Self {
        Self((!fold(sum_of_block(block))).to_ne_bytes())
    }

    /// The checksum after a pair of octets at an even offset of what it covers became less by `amount`
    /// (RFC 1141). Where nothing but zeros may be left, zero comes out, and zero or all ones can be right.
    #[inline]
    #[must_use]
    pub const fn plus(self, amount: [u8; 2]) -> Self {
        let (before, amount) = (u16::from_ne_bytes(self.0), u16::from_ne_bytes(amount));
        // One more where the sum overflows, or comes to all ones, for which zero stands.
        let is_less = before < !amount;
        let sum = before.wrapping_add(amount).wrapping_add(1);
        Self(sum.wrapping_sub(is_less as u16).to_ne_bytes())
    }

    /// The checksum after pairs of octets, each at an even offset of what it covers, changed from
    /// what stands first to what stands second (RFC 1624, equation 3: the one form that is right when
    /// the result is zero). What it covers must not have become all zeros: [`Checksum::ONES`] would
    /// then be right, and zero comes out.
    #[inline]
    #[must_use]
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "as many numbers of 16 bits as there can be pairs fit in 32"
    )]
    pub fn updated<const PAIRS: usize>(self, changes: [([u8; 2], [u8; 2]); PAIRS]) -> Self {
        // Complements are taken by subtraction from this, which stands for zero, too, and is enough for all.
        let mut sum = 0xffff * (PAIRS as u32 + 2);
        for (_, new) in changes {
            sum += u32::from(u16::from_ne_bytes(new));
        }
        for (old, _) in changes {
            sum -= u32::from(u16::from_ne_bytes(old));
        }
        sum -= u32::from(u16::from_ne_bytes(self.0));
        Self((!fold_u32(sum)).to_ne_bytes())
    }
}

/// Whether `octets`, which hold their own checksum, were not altered.
#[inline]
pub fn is_valid(octets: &[u8]) -> bool {
    is_all_ones(sum(octets))
}

/// [`is_valid`] where the checksum covers some words in front of the octets, too, of which this is the sum, in the
/// machine's own order.
#[inline]
pub fn is_valid_behind(in_front: u64, octets: &[u8]) -> bool {
    is_all_ones(sum_behind(in_front, octets))
}

/// [`is_valid`] for a few octets whose number is known beforehand, a multiple of eight and four.
#[inline]
pub fn is_block_valid<const OCTETS: usize>(block: &[u8; OCTETS]) -> bool {
    is_all_ones(sum_of_block(block))
}

/// Whether a sum comes down to all ones in sixteen bits, as that of sound octets does: whether it is a multiple of
/// `0xffff`, but not zero. That takes one multiplication, where folding takes a chain of additions: with `m`
/// standing for `u64::MAX / 0xffff`, a multiple `0xffff * k` times `m` is `-k`, and `k` is 1 to `m`; multiplying
/// by an odd number takes no two sums to the same product, so that no other sum comes out there.
#[inline]
const fn is_all_ones(sum: u64) -> bool {
    const M: u64 = u64::MAX / 0xffff;
    sum.wrapping_mul(M) >= M.wrapping_neg()
}

/// The one's complement sum of `octets` as words of 64 bits in the machine's own order, the last one
/// padded with zero octets. [`fold`] makes of it the one of 16 bits.
#[inline(always)]
fn sum(octets: &[u8]) -> u64 {
    let mut sum = Sum::default();
    let mut rest = octets;
    if let Some((pair, after)) = rest.split_first_chunk::<128>() {
        (sum, rest) = sum_of_pairs(pair, after);
    }
    if let Some((block, after)) = rest.split_first_chunk::<64>() {
        sum = sum.plus_block(block);
        rest = after;
    }
    if !rest.is_empty() {
        sum = sum.plus_rest(rest, octets);
    }
    sum.total()
}

/// The sum of as many pairs of blocks as there are, and what is behind them. One block is added up beside the other: a
/// processor need not wait for the carries of the one to go on with the other.
#[inline(always)]
fn sum_of_pairs<'a>(mut pair: &'a [u8; 128], mut rest: &'a [u8]) -> (Sum, &'a [u8]) {
    let (mut one, mut other) = (Sum::default(), Sum::default());
    loop {
        let [first, second]: &[[u8; 64]; 2] = transmute_ref!(pair);
        one = one.plus_block(first);
        other = other.plus_block(second);
        let Some((next, after)) = rest.split_first_chunk::<128>() else {
            return (one.plus(other), rest);
        };
        (pair, rest) = (next, after);
    }
}

/// A sum and that of `octets`.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "what has just overflowed can take one more"
)]
fn sum_behind(in_front: u64, octets: &[u8]) -> u64 {
    let (sum, carry) = sum(octets).overflowing_add(in_front);
    sum + u64::from(carry)
}

/// A sum while it is added up.
#[derive(Clone, Copy, Default)]
struct Sum {
    words: u64,
    /// Carries out of the words, and pieces that are shorter than a word.
    small: u64,
}

#[allow(
    clippy::arithmetic_side_effects,
    reason = "there are fewer carries and pieces than octets, and what has just overflowed can take one more"
)]
impl Sum {
    /// With a block of whole words.
    #[inline(always)]
    fn plus_block(self, block: &[u8; 64]) -> Self {
        let words: &[[u8; 8]; 8] = transmute_ref!(block);
        self.plus_words(words.each_ref())
    }

    /// The sum of two.
    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        let (words, carry) = self.words.overflowing_add(other.words);
        self.words = words;
        self.small += other.small + u64::from(carry);
        self
    }

    /// With `rest`, the last octets of `all`, fewer than 64: with their words, and with what is behind these by one load that
    /// ends where they end, less what it takes of the octets in front.
    #[inline(always)]
    fn plus_rest(mut self, rest: &[u8], all: &[u8]) -> Self {
        let (words, end) = rest.as_chunks::<8>();
        if !end.is_empty() {
            let Some(last) = all.last_chunk::<8>() else {
                return self.plus_few(rest);
            };
            // Shifts are by this modulo 64.
            let excess = (rest.len().wrapping_neg() as u32).wrapping_mul(8);
            self.small += u64::from_le_bytes(*last).wrapping_shr(excess).to_le();
        }
        match words {
            [] => self,
            [a] => self.plus_words([a]),
            [a, b] => self.plus_words([a, b]),
            [a, b, c] => self.plus_words([a, b, c]),
            [a, b, c, d] => self.plus_words([a, b, c, d]),
            [a, b, c, d, e] => self.plus_words([a, b, c, d, e]),
            [a, b, c, d, e, f] => self.plus_words([a, b, c, d, e, f]),
            [a, b, c, d, e, f, g, ..] => self.plus_words([a, b, c, d, e, f, g]),
        }
    }

    /// With whole words.
    #[inline(always)]
    fn plus_words<const WORDS: usize>(mut self, words: [&[u8; 8]; WORDS]) -> Self {
        let mut carry = false;
        for word in words {
            (self.words, carry) = self.words.carrying_add(u64::from_ne_bytes(*word), carry);
        }
        self.small += u64::from(carry);
        self
    }

    /// With fewer than eight octets, of which there are no more.
    #[cold]
    fn plus_few(mut self, octets: &[u8]) -> Self {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(octets) {
            *to = *from;
        }
        self.words += u64::from_ne_bytes(word);
        self
    }

    #[inline(always)]
    const fn total(self) -> u64 {
        let (sum, carry) = self.words.overflowing_add(self.small);
        sum + carry as u64
    }
}

/// The sum of a block of words and half a word, as an IPv4 header without options is.
#[inline]
fn sum_of_block<const OCTETS: usize>(block: &[u8; OCTETS]) -> u64 {
    const { assert!(OCTETS % 8 == 4) };
    let (words, half) = block.as_chunks::<8>();
    let mut sum = match half.first_chunk::<4>() {
        Some(half) => u64::from(u32::from_ne_bytes(*half)),
        None => 0,
    };
    let mut carry = false;
    for word in words {
        (sum, carry) = sum.carrying_add(u64::from_ne_bytes(*word), carry);
    }
    // Never all ones with a carry: each word and the carry that it met would have to be so, the first of which met none.
    sum.wrapping_add(u64::from(carry))
}

/// Brings a sum down to sixteen bits.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "what has just overflowed can take one more"
)]
const fn fold(sum: u64) -> u16 {
    let (sum, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    fold_u32(sum + carry as u32)
}

#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "what has just overflowed can take one more"
)]
const fn fold_u32(sum: u32) -> u16 {
    let (sum, carry) = (sum as u16).overflowing_add((sum >> 16) as u16);
    sum + carry as u16
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
    fn all_ones_are_what_folds_to_them() {
        for sum in (0..0x30_0000).chain(0xffd0_0000..=u32::MAX) {
            for wide in [u64::from(sum), u64::from(sum) << 29, !u64::from(sum)] {
                assert_eq!(is_all_ones(wide), fold(wide) == u16::MAX, "{wide:#x}");
            }
        }
    }

    #[test]
    fn the_example_of_rfc_1071_section_3_comes_out() {
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Checksum::of(&example).0, (!0xddf2_u16).to_be_bytes());
    }

    #[test]
    fn the_example_of_rfc_1624_section_4_comes_out() {
        let before = Checksum([0xdd, 0x2f]);
        let after = before.updated([([0x55, 0x55], [0x32, 0x85])]);
        assert_eq!(after.0, [0x00, 0x00]);
    }

    #[test]
    fn agrees_with_the_definition_at_each_length_wherever_it_begins() {
        let octets: std::vec::Vec<u8> = (0..400_u32).map(|n| (n * n + 7 * n + 255) as u8).collect();
        for length in 0..=octets.len() {
            for start in 0..=(octets.len() - length).min(9) {
                let part = &octets[start..start + length];
                assert_eq!(
                    Checksum::of(part).0,
                    by_definition(part),
                    "{start}, {length}"
                );
            }
        }
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
            first in any::<[u8; 2]>(),
            second in any::<[u8; 2]>(),
        ) {
            // RFC 1624 holds for data that is not all zeros, as no header is.
            octets[0] = 0x45;
            let place = 2 + 2 * place.index((octets.len() - 2) / 2);
            let old = [octets[place], octets[place + 1]];
            let before = Checksum::of(&octets);
            octets[place..place + 2].copy_from_slice(&first);
            prop_assert_eq!(before.updated([(old, first)]), Checksum::of(&octets));
            octets[place..place + 2].copy_from_slice(&second);
            let both = before.updated([(old, first), (first, second)]);
            prop_assert_eq!(both, Checksum::of(&octets));
        }
    }
}
