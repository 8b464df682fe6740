//! The stacks: one on which everything runs, one for each group of exceptions, each above a guard
//! page that is never mapped, so that an overflow faults instead of writing over its neighbor.

use core::ptr::addr_of;

const PAGE: usize = 4096;

/// A stack above its guard page.
#[repr(C, align(4096))]
pub struct GuardedStack<const SIZE: usize> {
    guard: [u8; PAGE],
    stack: [u8; SIZE],
}

impl<const SIZE: usize> GuardedStack<SIZE> {
    const fn new() -> Self {
        Self {
            guard: [0; PAGE],
            stack: [0; SIZE],
        }
    }
}

/// A port, which start-up moves about by value, takes some 80 KiB: this is several times that. It costs
/// memory, but nothing in the image's file.
const MAIN_SIZE: usize = 512 * 1024;
const EXCEPTION_SIZE: usize = 16 * 1024;

/// Offset of the main stack's top from [`MAIN`].
pub const MAIN_TOP: usize = PAGE + MAIN_SIZE;

/// The stack on which everything but exceptions runs.
pub static mut MAIN: GuardedStack<MAIN_SIZE> = GuardedStack::new();

/// How many exception stacks there are: what a task state segment can name.
pub const EXCEPTION_STACKS: usize = 7;

/// The stacks on which exceptions run, by index in the interrupt stack table.
pub static mut EXCEPTION: [GuardedStack<EXCEPTION_SIZE>; EXCEPTION_STACKS] =
    [const { GuardedStack::new() }; EXCEPTION_STACKS];

/// The first address above exception stack `index`.
pub fn exception_top(index: usize) -> u64 {
    let base = addr_of!(EXCEPTION) as u64;
    base + ((index % EXCEPTION_STACKS + 1) * size_of::<GuardedStack<EXCEPTION_SIZE>>()) as u64
}

/// The addresses of all guard pages.
pub fn guard_pages() -> impl Iterator<Item = u64> {
    let exceptions = addr_of!(EXCEPTION) as u64;
    let each = size_of::<GuardedStack<EXCEPTION_SIZE>>() as u64;
    core::iter::once(addr_of!(MAIN) as u64)
        .chain((0..EXCEPTION_STACKS as u64).map(move |index| exceptions + index * each))
}

/// Whether `address` lies in a guard page: the mark of a stack overflow.
pub fn is_guard_page(address: u64) -> bool {
    guard_pages().any(|page| (page..page + PAGE as u64).contains(&address))
}
