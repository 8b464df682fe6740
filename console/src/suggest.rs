//! Which words are near a word that was mistyped.
//!
//! Errors ask here for what to offer. The distance counts insertions, deletions, replacements and
//! swaps of neighboring characters (Damerau-Levenshtein with non-overlapping swaps), because those
//! are the slips of ten fingers.

use crate::error::Word;
use crate::text::clipped;
use alloc::vec::Vec;
use core::mem::swap;

/// How many words are offered at most.
const MOST: usize = 3;
/// Longer words are near nothing.
const LONGEST: usize = 24;

/// The words to offer, possibly none.
pub type Near = Vec<Word>;

/// The candidates nearest to `word`: those that it begins, else those at the smallest distance, if
/// that is at most a third of the longer word, or 1.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Near {
    let mut near = Near::new();
    let mut best = usize::MAX;
    for candidate in candidates {
        let Some(distance) = closeness(word.as_bytes(), candidate.as_bytes()) else {
            continue;
        };
        if distance < best {
            best = distance;
            near.clear();
        }
        // When there are more that are equally near, the first ones will do.
        if distance == best && near.len() < MOST {
            near.push(clipped(candidate));
        }
    }
    near
}

/// The first of the candidates nearest to `word`. Does not allocate.
pub fn nearest_one<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.filter_map(|candidate| {
        closeness(word.as_bytes(), candidate.as_bytes()).map(|distance| (distance, candidate))
    });
    near.min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How far apart two words are, if they are near at all.
fn closeness(word: &[u8], candidate: &[u8]) -> Option<usize> {
    if word.is_empty() || word.len() > LONGEST || candidate.len() > LONGEST {
        return None;
    }
    let begins = candidate
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins {
        return Some(0);
    }
    let limit = (word.len().max(candidate.len()) / 3).max(1);
    // No less than this are apart, and that is cheaper to know.
    if word.len().abs_diff(candidate.len()) > limit {
        return None;
    }
    let distance = distance(word, candidate);
    (distance <= limit).then_some(distance)
}

/// The optimal string alignment distance, letter case ignored. Both words are at most [`LONGEST`].
fn distance(word: &[u8], candidate: &[u8]) -> usize {
    // Rows of the usual table: two letters of `word` back, one back, and the current one.
    // They change places by their addresses: copies would take most of the time.
    let mut before_last = &mut [0_u8; LONGEST + 1];
    let mut last = &mut core::array::from_fn::<u8, { LONGEST + 1 }, _>(|column| column as u8);
    let mut current = &mut [0; LONGEST + 1];
    let mut previous_letter = None;
    for (row, letter) in word.iter().map(u8::to_ascii_lowercase).enumerate() {
        current[0] = row as u8 + 1;
        let mut previous_other = None;
        for (column, other) in candidate.iter().map(u8::to_ascii_lowercase).enumerate() {
            let replaced = last[column] + u8::from(letter != other);
            let inserted = current[column] + 1;
            let deleted = last[column + 1] + 1;
            let mut least = replaced.min(inserted).min(deleted);
            if previous_letter == Some(other) && previous_other == Some(letter) {
                least = least.min(before_last[column - 1] + 1);
            }
            current[column + 1] = least;
            previous_other = Some(other);
        }
        previous_letter = Some(letter);
        swap(&mut before_last, &mut last);
        swap(&mut last, &mut current);
    }
    last[candidate.len()].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: [&str; 5] = ["status", "reboot", "trace", "on", "off"];

    fn near(word: &str) -> Near {
        nearest(word, WORDS.into_iter())
    }

    #[test]
    fn distances_count_insertions_deletions_replacements_and_swaps() {
        for (word, candidate, expected) in [
            ("status", "status", 0),
            ("STATUS", "status", 0),
            ("statsu", "status", 1),
            ("sttus", "status", 1),
            ("sstatus", "status", 1),
            ("stitus", "status", 1),
            ("tsatsu", "status", 2),
            ("ca", "abc", 3),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(
                distance(word.as_bytes(), candidate.as_bytes()),
                expected,
                "{word} {candidate}"
            );
        }
    }

    #[test]
    fn a_slip_a_beginning_and_the_wrong_case_are_near() {
        for word in ["statsu", "stat", "s", "STATUS", "statusses", "xtatux"] {
            assert_eq!(near(word), ["status"], "{word}");
        }
    }

    #[test]
    fn a_beginning_beats_a_slip() {
        assert_eq!(near("of"), ["off"]);
        assert_eq!(near("o"), ["on", "off"]);
        assert_eq!(near("no"), ["on"]);
    }

    #[test]
    fn nothing_is_offered_for_a_word_like_no_other() {
        for word in ["", "xyzzy", "x", "stqrst", "statusstatusstatusstatusstatus"] {
            assert!(near(word).is_empty(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded_by_the_longer_word(
            word in prop::collection::vec(0_u8..4, 0..=LONGEST),
            other in prop::collection::vec(0_u8..4, 0..=LONGEST),
        ) {
            let there = distance(&word, &other);
            prop_assert_eq!(there, distance(&other, &word));
            prop_assert!(there <= word.len().max(other.len()));
            prop_assert!(there >= word.len().abs_diff(other.len()));
            prop_assert_eq!(there == 0, word == other);
        }
    }
}
