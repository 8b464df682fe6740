//! The five memory functions that compiled code calls by name, and that no library supplies to a
//! freestanding program of this target.
//!
//! `rep movsq` moves eight octets in a step where nothing moves more, as in an emulator and downwards; the rest follows by
//! octets. The frame path copies nothing.

use core::arch::asm;

/// # Safety
///
/// As C's `memcpy`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for both areas; the direction flag is clear by convention.
    unsafe {
        asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) count % 8,
            inout("rcx") count / 8 => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
///
/// As C's `memmove`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: copying upwards never overwrites what is still to be read.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: the areas overlap and `to` is above `from`: copying downwards, from the last octets,
    // never overwrites what is still to be read. The direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsq", "mov rcx, {rest}", "add rdi, 7", "add rsi, 7", "rep movsb", "cld",
            rest = in(reg) count % 8,
            inout("rcx") count / 8 => _,
            inout("rdi") to.wrapping_add(count).wrapping_sub(8) => _,
            inout("rsi") from.wrapping_add(count).wrapping_sub(8) => _,
            options(nostack));
    }
    to
}

/// # Safety
///
/// As C's `memset`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller vouches for the area; the direction flag is clear by convention.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value as u8,
            options(nostack, preserves_flags));
    }
    to
}

/// # Safety
///
/// As C's `memcmp`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    const WORD: usize = size_of::<u64>();
    let mut index = 0;
    while index + WORD <= count {
        // SAFETY: the caller vouches for `count` octets in both areas, of which these are the next eight. Volatile, so that
        // the compiler does not make a call to this very function of the loop.
        let (left, right) = unsafe {
            (
                left.add(index).cast::<[u8; WORD]>().read_volatile(),
                right.add(index).cast::<[u8; WORD]>().read_volatile(),
            )
        };
        let (left, right) = (u64::from_be_bytes(left), u64::from_be_bytes(right));
        if left != right {
            return if left < right { -1 } else { 1 };
        }
        index += WORD;
    }
    while index < count {
        // SAFETY: the caller vouches for `count` octets in both areas. Volatile, so that the
        // compiler does not make a call to this very function of the loop.
        let (left, right) = unsafe {
            (
                left.add(index).read_volatile(),
                right.add(index).read_volatile(),
            )
        };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
        index += 1;
    }
    0
}

/// # Safety
///
/// As BSD's `bcmp`.
#[cfg_attr(not(test), unsafe(no_mangle))]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: the caller vouches for both areas.
    unsafe { memcmp(left, right, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the widest step of each function, at every alignment.
    const MOST: usize = 40;

    fn numbered() -> [u8; 3 * MOST] {
        core::array::from_fn(|index| index as u8 + 1)
    }

    #[test]
    fn octets_are_moved_however_both_areas_overlap() {
        for from in 0..MOST {
            for to in 0..MOST {
                for count in 0..=MOST {
                    let (mut moved, mut expected) = (numbered(), numbered());
                    let start = moved.as_mut_ptr();
                    // SAFETY: both areas end before 80 octets, of 120.
                    let returned = unsafe { memmove(start.add(to), start.add(from), count) };
                    assert_eq!(returned, moved[to..].as_mut_ptr());
                    expected.copy_within(from..from + count, to);
                    assert_eq!(moved, expected, "{count} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn octets_are_copied_and_no_others() {
        for count in 0..=MOST {
            let from = numbered();
            let mut copied = [0; MOST + 2];
            // SAFETY: both areas are longer.
            unsafe { memcpy(copied[1..].as_mut_ptr(), from.as_ptr(), count) };
            let mut expected = [0; MOST + 2];
            expected[1..=count].copy_from_slice(&from[..count]);
            assert_eq!(copied, expected);
        }
    }

    #[test]
    fn areas_are_filled_and_no_others() {
        for count in 0..=MOST {
            let mut filled = [0; MOST + 2];
            // SAFETY: the area is longer. Of the value its lowest octet counts, as in C.
            unsafe { memset(filled[1..].as_mut_ptr(), 0x1_7f, count) };
            let mut expected = [0; MOST + 2];
            expected[1..=count].fill(0x7f);
            assert_eq!(filled, expected);
        }
    }

    #[test]
    fn the_first_octet_that_differs_decides() {
        for count in 0..=MOST {
            let left = numbered();
            let compare = |right: &[u8; 3 * MOST]| {
                // SAFETY: both areas are longer.
                let [order, differs] = unsafe {
                    [memcmp, bcmp].map(|function| function(left.as_ptr(), right.as_ptr(), count))
                };
                assert_eq!(order, differs);
                order.signum()
            };
            let mut right = left;
            right[count] = 0;
            assert_eq!(compare(&right), 0, "what is behind {count} octets");
            for at in 0..count {
                for (value, expected) in [(0, 1), (0xff, -1)] {
                    let mut right = left;
                    right[at] = value;
                    // What follows says the opposite.
                    right[at + 1] = !value;
                    assert_eq!(compare(&right), expected, "{at} of {count}");
                }
            }
        }
    }
}
