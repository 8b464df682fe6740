//! The shortcut through a program: what it returns for those frames for which all tests that it makes of their
//! fields hold, so that nothing has to be carried out for them but these tests.
//!
//! A usual filter looks at some fields, one after the other, and ends early when one is not what it wants. Its
//! operations are followed once, when it is loaded, with what is known beforehand of the registers and the stack: that
//! they are octets of the frame, at a fixed place or behind a header whose length the frame tells. What is neither a
//! test of such octets nor a step on the way to one has no shortcut, and neither has what anybody could see
//! besides the verdict. A frame that does not take it is left to [`crate::interpreter`], from the beginning.

mod find;

use crate::filter::Verdict;
use crate::op::Window;
use alloc::boxed::Box;

/// Octets that a window compares.
const WINDOW: u16 = 8;

/// The way on which all tests hold.
#[derive(Debug)]
pub struct Shortcut {
    windows: Box<[Window]>,
    behind: Option<Behind>,
    /// Octets that the frame has at least.
    length: usize,
    /// What the program returns.
    pub verdict: Verdict,
    /// Fuel that it takes for that.
    pub cost: u32,
}

/// A window that does not always stand in the same place.
#[derive(Clone, Copy, Debug)]
struct Behind {
    /// What is added to the window's offset.
    distance: Distance,
    window: Window,
}

/// An octet of the frame, shifted to the left, under a mask: how long a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Distance {
    octet: u16,
    /// Less than eight.
    shift: u8,
    mask: u32,
}

impl Shortcut {
    /// Whether a frame takes it.
    #[inline(always)]
    pub fn is_for(&self, frame: &[u8]) -> bool {
        frame.len() >= self.length
            && self.windows.iter().all(|window| is_like(frame, 0, window))
            && self.behind.as_ref().is_none_or(|behind| {
                let distance = behind.distance.of(frame);
                distance.is_some_and(|distance| is_like(frame, distance, &behind.window))
            })
    }
}

impl Distance {
    #[inline(always)]
    fn of(&self, frame: &[u8]) -> Option<u32> {
        let octet = frame.get(usize::from(self.octet))?;
        Some(u32::from(*octet).wrapping_shl(u32::from(self.shift)) & self.mask)
    }
}

/// Whether the frame has what a window wants, at its offset and so many octets further.
#[inline(always)]
pub fn is_like(frame: &[u8], distance: u32, window: &Window) -> bool {
    let first = u32::from(window.offset).wrapping_add(distance) as usize;
    // The end of such a place never wraps, so that there is one comparison.
    let octets = frame.get(first..first.wrapping_add(usize::from(WINDOW)));
    octets
        .and_then(|octets| octets.first_chunk())
        .is_some_and(|octets| u64::from_le_bytes(*octets) & window.mask == window.value)
}
