//! The network cards and what they stand on: PCI, DMA memory, registers.
//!
//! `kernel/` finds the cards with [`pci`], gives each a piece of a [`dma::DmaRegion`] and a
//! [`registers::RegisterAccess`], and gets back a [`pollux_net::device::Device`] that its poll loop
//! drives. Nothing here waits while frames flow, allocates (but for [`pci::assign`]), or parses a frame; waiting at bring-up is
//! done through a function that the caller hands in. All access to hardware goes through small traits,
//! so that every driver runs on the host against a model of its device.

#![no_std]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod backlog;
pub mod dma;
pub mod e1000;
pub mod exchange;
pub mod mmio;
pub mod pci;
mod place;
pub mod registers;
pub mod supervision;
pub mod virtio;
