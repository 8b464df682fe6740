//! A test of memory: patterns are written to all of it, written back from the caches, and read again.
//!
//! Called once, before any device is told of the memory, when the boot command line asks for it. It finds
//! bits that are stuck or that change with others, and lines that are not what they are addressed as.

use core::arch::x86_64::{_mm_clflush, _mm_mfence};
use core::ptr::{read_volatile, write_volatile};

/// Octets that `clflush` writes back at once, at the least.
const LINE: usize = 32;
const WORD: usize = size_of::<u64>();
/// What each word is to hold in each pass: all bits both ways, neighboring bits different, and what tells
/// each word from every other.
const PATTERNS: [fn(usize) -> u64; 6] = [
    |_| 0,
    |_| !0,
    |_| 0x5555_5555_5555_5555,
    |_| 0xaaaa_aaaa_aaaa_aaaa,
    |index| index as u64,
    |index| !(index as u64),
];

/// What came of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often a word was not what had been written there.
    pub wrong: u64,
    /// The first time.
    pub first: Option<Wrong>,
}

/// A word that was not what had been written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which word.
    pub index: usize,
    /// What had been written.
    pub written: u64,
    /// What was read.
    pub read: u64,
}

/// Tests `words`, whatever they hold; afterwards they hold something else. `write_back` moves what stands in
/// the caches to memory.
pub fn run(words: &mut [u64], mut write_back: impl FnMut(&mut [u64])) -> Outcome {
    let mut outcome = Outcome::default();
    for pattern in PATTERNS {
        for (index, word) in words.iter_mut().enumerate() {
            // SAFETY: it is a reference. Volatile, so that the compiler does not know what is there.
            unsafe { write_volatile(word, pattern(index)) };
        }
        write_back(words);
        for (index, word) in words.iter().enumerate() {
            // SAFETY: it is a reference.
            let read = unsafe { read_volatile(word) };
            let written = pattern(index);
            if read != written {
                outcome.wrong += 1;
                outcome.first.get_or_insert(Wrong {
                    index,
                    written,
                    read,
                });
            }
        }
    }
    outcome
}

/// Has the processor write all lines of `words` back and forget them.
pub fn write_back(words: &mut [u64]) {
    for line in words.chunks(LINE / WORD) {
        // SAFETY: every 64-bit processor has the instruction (it came with SSE2), and the address is of
        // something that is there.
        unsafe { _mm_clflush(line.as_ptr().cast()) };
    }
    // SAFETY: every 64-bit processor has the instruction.
    unsafe { _mm_mfence() };
}

/// Says what came of the test of `octets` at physical address `start`.
pub fn report(outcome: &Outcome, start: u64, octets: u64) {
    let Some(Wrong {
        index,
        written,
        read,
    }) = outcome.first
    else {
        log::info!(
            "memory test: {octets} octets of buffers at {start:#x} kept all {} patterns",
            PATTERNS.len()
        );
        return;
    };
    log::error!(
        "memory test: {} words of the buffers are wrong; the first at {:#x}: {written:#018x} was written, {read:#018x} was read",
        outcome.wrong,
        start + (index * WORD) as u64
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_memory_keeps_every_pattern() {
        let mut words = vec![0x1234; 1000];
        assert_eq!(run(&mut words, write_back), Outcome::default());
    }

    #[test]
    fn a_stuck_bit_is_found_where_it_is() {
        let stuck = |words: &mut [u64]| words[77] |= 1 << 40;
        let outcome = run(&mut [0; 100], stuck);
        let first = Wrong {
            index: 77,
            written: 0,
            read: 1 << 40,
        };
        // All zeros, the 0x5555 that has bits 0, 2 and so on up to 62 is right in bit 40, and the index.
        assert_eq!((outcome.first, outcome.wrong), (Some(first), 3));
    }

    #[test]
    fn two_addresses_of_one_word_are_found() {
        let shared = |words: &mut [u64]| words[3] = words[67];
        let outcome = run(&mut [0; 100], shared);
        assert_eq!(outcome.wrong, 2);
        assert_eq!(
            outcome.first.map(|wrong| (wrong.index, wrong.read)),
            Some((3, 67))
        );
    }
}
