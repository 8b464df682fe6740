//! The five memory functions that compiled code calls by name, and that no library supplies to a
//! freestanding program of this target.
//!
//! `rep movsq` moves eight octets in a step where nothing moves more, as in an emulator and downwards, and is no
//! slower than `rep movsb` elsewhere; the rest follows by octets. The frame path copies nothing.

use core::arch::asm;

/// # Safety
///
/// As C's `memcpy`.
#[unsafe(no_mangle)]
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
#[unsafe(no_mangle)]
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
#[unsafe(no_mangle)]
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
#[unsafe(no_mangle)]
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
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: the caller vouches for both areas.
    unsafe { memcmp(left, right, count) }
}
