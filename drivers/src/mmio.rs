//! Registers in memory: a device's base address region as a [`RegisterAccess`].

use core::ptr::NonNull;

use volatile::VolatilePtr;

use crate::registers::RegisterAccess;

/// A block of `LENGTH` octets of 32-bit memory-mapped registers. How many is known when it is compiled, so that whether a
/// register is one of them is, too, and no doorbell has to ask.
///
/// Every access is one aligned 32-bit access. That is also what the 82540, 82545 and 82546 need for
/// their reset: they do not acknowledge a 64-bit write that starts one.
#[derive(Debug)]
pub struct Mmio<const LENGTH: usize> {
    base: NonNull<u32>,
}

impl<const LENGTH: usize> Mmio<LENGTH> {
    /// Takes charge of the registers that are mapped at `base`. Octets after the last whole register are left
    /// alone.
    ///
    /// # Safety
    ///
    /// `base` must be aligned to four octets. All of `LENGTH` octets must be mapped there, uncached,
    /// for as long as the value lives, must be a device's registers (no Rust object), and must be
    /// accessed through this value only.
    pub const unsafe fn new(base: NonNull<u32>) -> Self {
        Self { base }
    }

    /// The register at `offset`, if the block has it.
    #[inline]
    fn register(&self, offset: u32) -> Option<VolatilePtr<'_, u32>> {
        let index = offset as usize / size_of::<u32>();
        if index >= LENGTH / size_of::<u32>() || !offset.is_multiple_of(4) {
            return None;
        }
        // SAFETY: `index` is below their number, so the pointer stays inside the block that `new` was
        // promised to be mapped, aligned, and ours alone.
        Some(unsafe { VolatilePtr::new(self.base.add(index)) })
    }
}

// SAFETY: the block is owned by this value alone (the promise made to `new`), and registers can be
// reached from every processor.
unsafe impl<const LENGTH: usize> Send for Mmio<LENGTH> {}

impl<const LENGTH: usize> RegisterAccess for Mmio<LENGTH> {
    #[inline]
    fn read(&self, offset: u32) -> u32 {
        self.register(offset).map_or(u32::MAX, VolatilePtr::read)
    }

    #[inline]
    fn write(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.register(offset) {
            register.write(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_outside_the_block_read_as_all_ones_and_ignore_writes() {
        let mut memory = [1_u32, 2, 3, 4];
        let base = NonNull::new(memory.as_mut_ptr()).unwrap();
        // SAFETY: the first three words of the array, untouched by others while `mmio` is in use.
        let mut mmio = unsafe { Mmio::<14>::new(base) };
        mmio.write(8, 30);
        mmio.write(12, 40);
        mmio.write(2, 50);
        assert_eq!(mmio.read(8), 30);
        assert_eq!(mmio.read(12), u32::MAX);
        assert_eq!(mmio.read(2), u32::MAX);
        assert_eq!(mmio.read(u32::MAX), u32::MAX);
        assert_eq!(memory, [1, 2, 30, 4]);
    }
}
