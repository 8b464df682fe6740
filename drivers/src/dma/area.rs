//! Memory whose layout is found out while the appliance runs: where a device, and not we, says how long its tables are.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::{DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT};

/// Octets, zeroed at first, in which [`Ring`]s are laid out. Starts at a multiple of [`TABLE_ALIGNMENT`].
#[derive(Debug)]
pub struct Area {
    start: NonNull<u8>,
    physical: u64,
    length: usize,
}

impl DmaRegion {
    /// Carves off a zeroed area of `length` octets.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`]; the region is then unchanged.
    pub fn area(&mut self, length: usize) -> Result<Area, OutOfDmaMemory> {
        let (start, physical) = self.carve(length, TABLE_ALIGNMENT)?;
        // SAFETY: the octets were carved off just now, so they are mapped, writable and ours.
        unsafe { start.write_bytes(0, length) };
        Ok(Area {
            start,
            physical,
            length,
        })
    }
}

impl Area {
    /// Its address as the device knows it.
    pub const fn physical(&self) -> u64 {
        self.physical
    }

    /// How many octets it has.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// A ring of `count` entries, a power of two, whose header begins at `offset`. `None` where it would not lie in
    /// the area, or not be aligned. Whoever has several laid out sees to it that none is in another's place.
    pub fn ring<H: DeviceShared, T: DeviceShared>(
        &self,
        offset: usize,
        count: usize,
    ) -> Option<Ring<H, T>> {
        const {
            // So that an entry is aligned where the header ends.
            assert!(align_of::<T>() <= align_of::<H>() || size_of::<H>() == 0);
            assert!(size_of::<H>().is_multiple_of(align_of::<T>()));
            assert!(align_of::<T>() <= TABLE_ALIGNMENT && align_of::<H>() <= TABLE_ALIGNMENT);
        }
        let alignment = align_of::<H>().max(align_of::<T>());
        let entries = count.checked_mul(size_of::<T>())?;
        let end = offset.checked_add(size_of::<H>())?.checked_add(entries)?;
        let fits =
            count.is_power_of_two() && offset.is_multiple_of(alignment) && end <= self.length;
        fits.then(|| Ring {
            // SAFETY: just checked to be inside the area.
            start: unsafe { self.start.add(offset) }.cast(),
            mask: count - 1,
            shared: PhantomData,
        })
    }
}

// SAFETY: the memory is reached through this value, and the rings laid out in it, alone; it is mapped on every processor.
unsafe impl Send for Area {}

/// A header and, right behind it, a power of two of entries, which driver and device both read and write.
#[derive(Debug)]
pub struct Ring<H, T> {
    start: NonNull<H>,
    /// How many entries there are, less one.
    mask: usize,
    shared: PhantomData<T>,
}

impl<H: DeviceShared, T: DeviceShared> Ring<H, T> {
    /// The header.
    #[inline]
    pub const fn header(&self) -> &H {
        // SAFETY: the octets are mapped, aligned, initialised and set aside for good; an `H` consists of atomics, so that
        // what the device writes is seen, not assumed away.
        unsafe { self.start.as_ref() }
    }

    /// The entry at `index`, counted around the ring.
    #[inline]
    pub const fn entry(&self, index: usize) -> &T {
        // SAFETY: there are `mask + 1` entries behind the header, as `Area::ring` checked; for the rest as above.
        unsafe {
            self.start
                .add(1)
                .cast::<T>()
                .add(index & self.mask)
                .as_ref()
        }
    }
}

// SAFETY: header and entries are atomics, in memory that is mapped on every processor.
unsafe impl<H: DeviceShared, T: DeviceShared> Send for Ring<H, T> {}

// SAFETY: there is nothing in it.
unsafe impl DeviceShared for () {}

// SAFETY: an atomic integer.
unsafe impl DeviceShared for core::sync::atomic::AtomicU16 {}

#[cfg(test)]
mod tests {
    use super::super::test_memory::TestMemory;
    use super::*;
    use core::sync::atomic::{AtomicU16, Ordering};

    #[repr(C)]
    struct Header(AtomicU16, AtomicU16);
    // SAFETY: both fields are atomics.
    unsafe impl DeviceShared for Header {}

    #[test]
    fn entries_lie_behind_the_header_and_are_counted_around_the_ring() {
        let memory = TestMemory::new(16384);
        let mut region = memory.region();
        let area = region.area(300).unwrap();
        assert_eq!(
            (area.physical(), area.length()),
            (TestMemory::PHYSICAL, 300)
        );
        let ring: Ring<Header, AtomicU16> = area.ring(36, 128).unwrap();
        ring.header().1.store(7, Ordering::Relaxed);
        ring.entry(127).store(8, Ordering::Relaxed);
        ring.entry(128).store(9, Ordering::Relaxed);
        for (offset, value) in [(38, 7), (40, 9), (40 + 254, 8)] {
            let half = memory.reach(TestMemory::PHYSICAL + offset, 2);
            // SAFETY: `reach` checked that two octets are there, and the offset is even.
            assert_eq!(unsafe { half.cast::<u16>().read() }, value, "{offset}");
        }
        // The next one begins on a page of its own.
        assert_eq!(
            region.area(1).unwrap().physical(),
            TestMemory::PHYSICAL + 4096
        );
    }

    #[test]
    fn what_does_not_fit_is_not_laid_out() {
        let memory = TestMemory::new(4096);
        let area = memory.region().area(300).unwrap();
        let lays_out = |offset, count| area.ring::<Header, AtomicU16>(offset, count).is_some();
        assert!(lays_out(40, 128));
        assert!(!lays_out(42, 128) && !lays_out(41, 128) && !lays_out(40, 256));
        assert!(!lays_out(0, 0) && !lays_out(0, 96) && !lays_out(usize::MAX - 1, 2));
        assert!(!lays_out(0, 1 << 63));
    }
}
