//! The one door through which a driver touches its device's registers.
//!
//! The kernel puts [`crate::mmio::Mmio`] behind it, tests put a model of the device. A driver must
//! reach for it only at bring-up, at housekeeping and for a doorbell: under a hypervisor every access
//! costs an exit.

/// A device's register file: 32-bit registers, addressed by their offset in octets.
pub trait RegisterAccess {
    /// Reads the register at `offset`, with whatever the device does on a read. A device that is
    /// gone, and an offset it does not have, read as all ones.
    fn read(&self, offset: u32) -> u32;

    /// Writes the register at `offset`. A device that is gone, and an offset it does not have,
    /// ignore it.
    fn write(&mut self, offset: u32, value: u32);

    /// Reads from the device's PCI configuration space; all ones where it has none. `offset` is a multiple of four.
    /// For housekeeping, seldom: it is reached by a longer way.
    fn configuration(&self, offset: u16) -> u32 {
        let _ = offset;
        u32::MAX
    }
}
