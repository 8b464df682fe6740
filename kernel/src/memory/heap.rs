//! The heap: for start-up and control only, never for a frame.
//!
//! The poll loop raises [`FramePath`] while it looks for frames and answers them. An allocation in there is
//! counted; in test mode it is a fault, so that none goes unnoticed.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use linked_list_allocator::Heap;
use spin::Mutex;

struct Allocator {
    heap: Mutex<Heap>,
}

#[cfg_attr(not(test), global_allocator)]
static ALLOCATOR: Allocator = Allocator {
    heap: Mutex::new(Heap::empty()),
};

static IN_FRAME_PATH: AtomicBool = AtomicBool::new(false);
static FAULT_IN_FRAME_PATH: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS_IN_FRAME_PATH: AtomicU64 = AtomicU64::new(0);

/// While it lives, the heap is off limits.
pub struct FramePath(());

impl FramePath {
    /// Puts the heap off limits.
    #[inline]
    pub fn enter() -> Self {
        IN_FRAME_PATH.store(true, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for FramePath {
    #[inline]
    fn drop(&mut self) {
        IN_FRAME_PATH.store(false, Ordering::Relaxed);
    }
}

/// Makes an allocation in the frame path a fault from now on.
pub fn fault_in_frame_path() {
    FAULT_IN_FRAME_PATH.store(true, Ordering::Relaxed);
}

/// How often the heap was used in the frame path: 0, or there is a bug.
pub fn allocations_in_frame_path() -> u64 {
    ALLOCATIONS_IN_FRAME_PATH.load(Ordering::Relaxed)
}

/// Octets in use, and octets in all.
pub fn usage() -> (usize, usize) {
    let heap = ALLOCATOR.heap.lock();
    (heap.used(), heap.size())
}

/// Gives the heap its memory.
///
/// # Safety
///
/// `size` octets at `start` are mapped, unused, and stay the heap's for good.
pub unsafe fn initialize(start: *mut u8, size: usize) {
    // SAFETY: as above.
    unsafe { ALLOCATOR.heap.lock().init(start, size) };
}

fn check_frame_path() {
    if IN_FRAME_PATH.load(Ordering::Relaxed) {
        ALLOCATIONS_IN_FRAME_PATH.fetch_add(1, Ordering::Relaxed);
        if FAULT_IN_FRAME_PATH.load(Ordering::Relaxed) {
            panic!("the heap was used in the frame path");
        }
    }
}

// SAFETY: the heap hands out memory that nobody else has, of the layout that was asked for, and
// takes back what it handed out; the lock makes each step one.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check_frame_path();
        self.heap
            .lock()
            .allocate_first_fit(layout)
            .map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check_frame_path();
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the caller got it from `alloc` with this layout.
            unsafe { self.heap.lock().deallocate(pointer, layout) };
        }
    }
}
