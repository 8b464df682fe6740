//! However a device is attached: one type for all of it, so that there is one driver in the binary.
//!
//! It decides between them once for a batch, when the doorbell rings, and in housekeeping.

use super::legacy::LegacyTransport;
use super::mmio::MmioTransport;
use super::pci::PciTransport;
use super::registers::Window;
use super::transport::{Placement, Status, Transport};

/// A device, however it is attached.
#[derive(Debug)]
pub enum Attachment {
    /// Over PCI, as of version 1.0.
    Pci(PciTransport),
    /// Over PCI, from before.
    Legacy(LegacyTransport),
    /// Without a bus, of either kind.
    Mmio(MmioTransport<Window>),
}

/// Does the same with whichever it is.
macro_rules! with_transport {
    ($attachment:expr, $transport:ident => $work:expr) => {
        match $attachment {
            Attachment::Pci($transport) => $work,
            Attachment::Legacy($transport) => $work,
            Attachment::Mmio($transport) => $work,
        }
    };
}

impl Transport for Attachment {
    fn is_legacy(&self) -> bool {
        with_transport!(self, transport => transport.is_legacy())
    }

    fn has_fixed_queues(&self) -> bool {
        with_transport!(self, transport => transport.has_fixed_queues())
    }

    fn read_status(&self) -> Status {
        with_transport!(self, transport => transport.read_status())
    }

    fn write_status(&mut self, status: Status) {
        with_transport!(self, transport => transport.write_status(status));
    }

    fn read_features(&mut self) -> u64 {
        with_transport!(self, transport => transport.read_features())
    }

    fn write_features(&mut self, features: u64) {
        with_transport!(self, transport => transport.write_features(features));
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        with_transport!(self, transport => transport.read_queue_limit(queue))
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        with_transport!(self, transport => transport.enable_queue(queue, placement));
    }

    #[inline]
    fn notify(&mut self, queue: u16) {
        with_transport!(self, transport => transport.notify(queue));
    }

    fn read_generation(&self) -> u32 {
        with_transport!(self, transport => transport.read_generation())
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        with_transport!(self, transport => transport.read_config_u8(offset))
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        with_transport!(self, transport => transport.read_config_u16(offset))
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        with_transport!(self, transport => transport.read_config_u32(offset))
    }
}
