//! Memory that devices read and write, and who owns which part of it.
//!
//! The kernel sets one region aside, tells its virtual and physical address once, and drivers carve
//! descriptor tables and frame buffers out of it at bring-up. No Rust object lives in the region:
//! descriptors are seen as atomics, and a frame buffer as octets, and that only while it is not the
//! device's. Nothing is ever given back; a region lives as long as the appliance.

mod area;

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

pub use area::{Area, Ring};
use pollux_net::device::BUFFER_SIZE;

/// What descriptor tables are aligned to: a page, so that no table of one page crosses another.
pub const TABLE_ALIGNMENT: usize = 4096;

/// Octets in front of every frame buffer that are the buffer's as well: room for a header which a
/// device wants in front of the frame. A cache line, so that buffers start at one, too.
pub const HEADROOM: usize = 64;
/// Octets of a [`DmaRegion`] that a frame buffer takes.
pub const BUFFER_STRIDE: usize = HEADROOM + BUFFER_SIZE;

/// Memory set aside for devices, as far as it has not been carved up yet.
#[derive(Debug)]
pub struct DmaRegion {
    start: NonNull<u8>,
    physical: u64,
    length: usize,
}

/// A region has too little room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfDmaMemory {
    /// Octets that were asked for, alignment included.
    pub needed: usize,
    /// Octets that the region still had.
    pub available: usize,
}

impl fmt::Display for OutOfDmaMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the dma region has {} octets left where {} are needed",
            self.available, self.needed
        )
    }
}

impl core::error::Error for OutOfDmaMemory {}

impl DmaRegion {
    /// Takes charge of `length` octets at `start`, which devices know as `physical`.
    ///
    /// # Safety
    ///
    /// As long as the region, or anything carved from it, is in use, the memory must be mapped at
    /// `start`, readable, writable and cached (write-back); physically contiguous from `physical`;
    /// initialised, with whatever values; and accessed by nothing but this region, what is carved
    /// from it, and the devices that are told of it. `start` and `physical` must agree in their lower
    /// twelve bits.
    pub const unsafe fn new(start: NonNull<u8>, physical: u64, length: usize) -> Self {
        Self {
            start,
            physical,
            length,
        }
    }

    /// Octets not carved off yet.
    pub const fn remaining(&self) -> usize {
        self.length
    }

    /// Carves off a region of `length` octets: whoever gets it takes nothing from the others, whatever it asks for.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`]; the region is then unchanged.
    pub fn region(&mut self, length: usize) -> Result<Self, OutOfDmaMemory> {
        let (start, physical) = self.carve(length, 1)?;
        Ok(Self {
            start,
            physical,
            length,
        })
    }

    /// Carves off a zeroed table of `N` descriptors, aligned to [`TABLE_ALIGNMENT`].
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`]; the region is then unchanged.
    pub fn table<T: DeviceShared, const N: usize>(
        &mut self,
    ) -> Result<Table<T, N>, OutOfDmaMemory> {
        const { assert!(align_of::<T>() <= TABLE_ALIGNMENT) };
        let (start, physical) = self.carve(size_of::<[T; N]>(), TABLE_ALIGNMENT)?;
        // SAFETY: the octets were carved off just now, so they are mapped, writable and ours.
        unsafe { start.write_bytes(0, size_of::<[T; N]>()) };
        Ok(Table {
            entries: start.cast(),
            physical,
            owned: PhantomData,
        })
    }

    /// Carves off `N` frame buffers, each at the start of a cache line and behind its [`HEADROOM`].
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`]; the region is then unchanged.
    pub fn buffers<const N: usize>(&mut self) -> Result<[Buffer; N], OutOfDmaMemory> {
        let (start, physical) = self.carve(N * BUFFER_STRIDE, HEADROOM)?;
        Ok(core::array::from_fn(|index| {
            let offset = index * BUFFER_STRIDE + HEADROOM;
            Buffer {
                // SAFETY: `index` is below `N`, so the sum stays inside the octets carved off just
                // now.
                bytes: unsafe { start.add(offset) }.cast(),
                physical: physical + offset as u64,
            }
        }))
    }

    /// Takes `length` octets at the next multiple of `alignment`, a power of two of at most
    /// [`TABLE_ALIGNMENT`].
    fn carve(
        &mut self,
        length: usize,
        alignment: usize,
    ) -> Result<(NonNull<u8>, u64), OutOfDmaMemory> {
        // The lower bits of the virtual address are the same, so both end up aligned.
        let skipped = (self.physical.wrapping_neg() % alignment as u64) as usize;
        let needed = skipped.saturating_add(length);
        if needed > self.length {
            return Err(OutOfDmaMemory {
                needed,
                available: self.length,
            });
        }
        // SAFETY: `skipped` and `needed` are at most `length`, so both sums stay inside the region
        // or one past its end.
        let (start, rest) = unsafe { (self.start.add(skipped), self.start.add(needed)) };
        let physical = self.physical + skipped as u64;
        self.start = rest;
        self.physical += needed as u64;
        self.length -= needed;
        Ok((start, physical))
    }
}

// SAFETY: the memory is reached through this value alone, and is mapped on every processor.
unsafe impl Send for DmaRegion {}

/// What a descriptor table may hold.
///
/// # Safety
///
/// Every field must be an atomic integer, so that a device may change it at any time, every pattern
/// of bits is a value, and nothing needs to be dropped.
pub unsafe trait DeviceShared {}

/// `N` descriptors that driver and device both read and write. `N` is a power of two.
#[derive(Debug)]
pub struct Table<T, const N: usize> {
    entries: NonNull<[T; N]>,
    physical: u64,
    owned: PhantomData<T>,
}

impl<T: DeviceShared, const N: usize> Table<T, N> {
    const MASK: usize = {
        assert!(N.is_power_of_two());
        N - 1
    };

    /// The table's address as the device knows it.
    pub const fn physical(&self) -> u64 {
        self.physical
    }

    /// The table's length in octets.
    pub const fn length(&self) -> u32 {
        const { assert!(size_of::<[T; N]>() <= u32::MAX as usize) };
        size_of::<[T; N]>() as u32
    }

    /// All descriptors.
    #[inline]
    pub const fn entries(&self) -> &[T; N] {
        // SAFETY: the octets are mapped, aligned, zeroed at the start and this table's alone; a `T`
        // consists of atomics, so that what the device writes is seen, not assumed away.
        unsafe { self.entries.as_ref() }
    }

    /// The descriptor at `index`, counted around the ring.
    #[inline]
    pub const fn entry(&self, index: usize) -> &T {
        &self.entries()[index & Self::MASK]
    }
}

// SAFETY: the table is reached through this value alone, and its entries are atomics.
unsafe impl<T: DeviceShared + Send, const N: usize> Send for Table<T, N> {}

/// One frame buffer of [`BUFFER_SIZE`] octets, and its [`HEADROOM`]. There is exactly one handle to each, which cannot be
/// copied: where the handle is, there is the buffer. A ring that has told its device of the buffer
/// keeps the handle to itself until the device is done with it.
#[derive(Debug)]
pub struct Buffer {
    bytes: NonNull<[u8; BUFFER_SIZE]>,
    physical: u64,
}

impl Buffer {
    /// The buffer's address as devices know it. The headroom lies in front of it.
    #[inline]
    pub const fn physical(&self) -> u64 {
        self.physical
    }

    /// The octets.
    ///
    /// # Safety
    ///
    /// No device may write to the buffer while they are borrowed: either none has been told of it, or
    /// the one that was has said that it is done.
    #[inline]
    pub const unsafe fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        // SAFETY: the octets are mapped, initialised, and belong to this handle, of which there is
        // one; the caller vouches for the devices.
        unsafe { self.bytes.as_mut() }
    }

    /// The octets in front of the buffer.
    ///
    /// # Safety
    ///
    /// As for [`Buffer::bytes`].
    #[inline]
    pub const unsafe fn headroom(&mut self) -> &mut [u8; HEADROOM] {
        // SAFETY: every buffer was carved off together with the octets in front of it, which belong
        // to this handle like the buffer's own; the caller vouches for the devices.
        unsafe { self.bytes.cast::<[u8; HEADROOM]>().sub(1).as_mut() }
    }
}

// SAFETY: the octets are reached through this handle alone, and are mapped on every processor.
unsafe impl Send for Buffer {}

#[cfg(test)]
pub(crate) mod test_memory {
    //! DMA memory for tests, with physical addresses that are not the virtual ones.

    use super::DmaRegion;
    use core::ptr::NonNull;
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    /// Memory on the host that a model of a device can reach. Must outlive what is carved from it.
    pub(crate) struct TestMemory {
        start: NonNull<u8>,
        layout: Layout,
    }

    impl TestMemory {
        /// Above 4 GiB, so that a forgotten upper half of an address does not go unnoticed.
        pub(crate) const PHYSICAL: u64 = 0x12_3456_7000;

        pub(crate) fn new(length: usize) -> Self {
            let layout = Layout::from_size_align(length, 4096).unwrap();
            // SAFETY: tests ask for more than zero octets.
            let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
            Self { start, layout }
        }

        /// The whole of the memory; to be asked for once.
        pub(crate) fn region(&self) -> DmaRegion {
            // SAFETY: allocated, zeroed, aligned to a page like `PHYSICAL`, and shared with nobody
            // but the model, which stands for the device.
            unsafe { DmaRegion::new(self.start, Self::PHYSICAL, self.layout.size()) }
        }

        /// Whether the memory holds all of the `length` octets at `physical`.
        pub(crate) fn holds(&self, physical: u64, length: usize) -> bool {
            let offset = physical.checked_sub(Self::PHYSICAL);
            let room = offset.and_then(|offset| self.layout.size().checked_sub(offset as usize));
            room.is_some_and(|room| length <= room)
        }

        /// Where the device finds the `length` octets at `physical`.
        ///
        /// # Panics
        ///
        /// If any of them is outside: the driver told its device a wrong address.
        pub(crate) fn reach(&self, physical: u64, length: usize) -> NonNull<u8> {
            let offset = physical.checked_sub(Self::PHYSICAL).unwrap() as usize;
            assert!(
                offset + length <= self.layout.size(),
                "dma at {physical:#x} is outside the region"
            );
            // SAFETY: just checked to be inside the allocation.
            unsafe { self.start.add(offset) }
        }
    }

    impl Drop for TestMemory {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.start.as_ptr(), self.layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::test_memory::TestMemory;
    use super::*;
    use core::sync::atomic::{AtomicU64, Ordering};
    use std::string::ToString;

    struct Word(AtomicU64);
    // SAFETY: the only field is an atomic.
    unsafe impl DeviceShared for Word {}

    #[test]
    fn tables_and_buffers_are_aligned_and_do_not_overlap() {
        let memory = TestMemory::new(32768);
        let mut region = memory.region();
        let first: [Buffer; 1] = region.buffers().unwrap();
        let table: Table<Word, 16> = region.table().unwrap();
        let rest: [Buffer; 3] = region.buffers().unwrap();
        let start = TestMemory::PHYSICAL;
        assert_eq!(first[0].physical(), start + 64);
        assert_eq!(table.physical(), start + 4096);
        assert_eq!(table.length(), 128);
        let behind = start + 4096 + 128;
        assert_eq!(
            rest.each_ref().map(Buffer::physical),
            [behind + 64, behind + 64 + 2112, behind + 64 + 4224]
        );
        assert_eq!(region.remaining(), 32768 - 4096 - 128 - 6336);
    }

    #[test]
    fn who_has_a_region_of_its_own_takes_nothing_from_the_rest() {
        let memory = TestMemory::new(32768);
        let mut region = memory.region();
        let mut own = region.region(4096 + 64).unwrap();
        assert_eq!((own.remaining(), region.remaining()), (4160, 28608));
        let table: Table<Word, 8> = own.table().unwrap();
        assert_eq!(table.physical(), TestMemory::PHYSICAL);
        let refused = own.buffers::<3>().unwrap_err();
        assert_eq!((refused.needed, refused.available), (6336, 4096));
        let behind: [Buffer; 1] = region.buffers().unwrap();
        let start = TestMemory::PHYSICAL + 4160;
        assert_eq!(behind[0].physical(), start.next_multiple_of(64) + 64);
        assert!(region.region(28608).is_err());
    }

    #[test]
    fn virtual_and_physical_addresses_name_the_same_octets() {
        let memory = TestMemory::new(16384);
        let mut region = memory.region();
        let table: Table<Word, 2> = region.table().unwrap();
        let mut buffers: [Buffer; 2] = region.buffers().unwrap();
        table.entry(3).0.store(7, Ordering::Relaxed);
        // SAFETY: there is no device.
        let bytes = unsafe { buffers[1].bytes() };
        bytes[5] = 9;
        let word = memory.reach(table.physical() + 8, 8);
        // SAFETY: `reach` checked that eight octets are there, and tables are aligned.
        assert_eq!(unsafe { word.cast::<u64>().read() }, 7);
        let octet = memory.reach(buffers[1].physical() + 5, 1);
        // SAFETY: `reach` checked that the octet is there.
        assert_eq!(unsafe { octet.read() }, 9);
        // SAFETY: there is no device.
        let headroom = unsafe { buffers[1].headroom() };
        headroom[63] = 8;
        let octet = memory.reach(buffers[1].physical() - 1, 1);
        // SAFETY: `reach` checked that the octet is there.
        assert_eq!(unsafe { octet.read() }, 8);
    }

    #[test]
    fn a_region_that_is_too_small_is_refused_and_unchanged() {
        let memory = TestMemory::new(4096);
        let mut region = memory.region();
        let error = region.buffers::<3>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the dma region has 4096 octets left where 6336 are needed"
        );
        assert_eq!(region.remaining(), 4096);
        assert!(region.buffers::<1>().is_ok());
    }
}
