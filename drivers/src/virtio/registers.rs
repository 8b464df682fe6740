//! A device's registers in memory, each accessed in its own width, as virtio demands of its
//! configuration (virtio 1.2 §4.1.3.1, §4.2.2.2).

use core::ptr::NonNull;

use volatile::VolatilePtr;

/// Registers of several widths. One that is not there reads as all ones and ignores writes.
pub trait Registers {
    /// Reads an octet.
    fn read_u8(&self, offset: u32) -> u8;

    /// Reads two octets. `offset` is even.
    fn read_u16(&self, offset: u32) -> u16;

    /// Reads four octets. `offset` is a multiple of four.
    fn read_u32(&self, offset: u32) -> u32;

    /// Writes four octets. `offset` is a multiple of four.
    fn write_u32(&mut self, offset: u32, value: u32);
}

/// Registers in memory.
#[derive(Debug)]
pub struct Window {
    start: NonNull<u8>,
    length: u32,
}

impl Window {
    /// Takes charge of the `length` octets of registers that are mapped at `start`.
    ///
    /// # Safety
    ///
    /// They must be mapped, uncached, at an address aligned to four octets, for as long as the value lives;
    /// must be a device's registers (no Rust object); and must be accessed through this value only.
    pub const unsafe fn new(start: NonNull<u8>, length: u32) -> Self {
        Self { start, length }
    }

    /// The register of type `T` at `offset`, if the window has it.
    pub(super) fn register<T: Copy>(&self, offset: u32) -> Option<VolatilePtr<'_, T>> {
        const { assert!(align_of::<T>() <= 4) };
        let end = u64::from(offset) + size_of::<T>() as u64;
        if end > u64::from(self.length) || !(offset as usize).is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: just checked to be inside the window, whose start is aligned to four octets
        // (promised to `new`), so that the register, of four at most, is aligned, too.
        Some(unsafe { VolatilePtr::new(self.start.add(offset as usize).cast()) })
    }

    fn read<T: Copy>(&self, offset: u32, missing: T) -> T {
        self.register(offset)
            .map_or(missing, |register| register.read())
    }
}

// SAFETY: the registers are reached through this value alone (promised to `new`), and can be from
// every processor.
unsafe impl Send for Window {}

impl Registers for Window {
    fn read_u8(&self, offset: u32) -> u8 {
        self.read(offset, u8::MAX)
    }

    fn read_u16(&self, offset: u32) -> u16 {
        self.read(offset, u16::MAX)
    }

    fn read_u32(&self, offset: u32) -> u32 {
        self.read(offset, u32::MAX)
    }

    #[inline]
    fn write_u32(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.register(offset) {
            register.write(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_outside_the_window_or_across_others_read_as_all_ones_and_ignore_writes() {
        let mut memory = [0x0403_0201_u32, 0x0807_0605, 0x0c0b_0a09];
        let start = NonNull::from(&mut memory).cast();
        // SAFETY: inside the array, which nobody else touches while the window is in use.
        let mut window = unsafe { Window::new(start, 7) };
        assert_eq!(window.read_u8(6), 7);
        assert_eq!(window.read_u8(7), u8::MAX);
        assert_eq!(window.read_u16(4), 0x0605);
        assert_eq!(window.read_u16(3), u16::MAX);
        assert_eq!(window.read_u16(6), u16::MAX);
        assert_eq!(window.read_u32(0), 0x0403_0201);
        assert_eq!(window.read_u32(4), u32::MAX);
        assert_eq!(window.read_u32(u32::MAX), u32::MAX);
        window.write_u32(0, 1);
        window.write_u32(4, 2);
        window.write_u32(2, 3);
        assert_eq!(memory, [1, 0x0807_0605, 0x0c0b_0a09]);
    }
}
