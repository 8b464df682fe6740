//! The Ethernet header of a frame of our own, with a VLAN tag or without.

use crate::arrival::Arrival;
use crate::device::BUFFER_SIZE;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::vlan::TaggedHeader;
use zerocopy::IntoBytes;

/// The Ethernet header of a frame of our own: in a VLAN, or without a tag for VLAN identifier 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub destination: MacAddress,
    pub source: MacAddress,
    pub vid: u16,
    /// In the tag, 0 to 7.
    pub priority: u8,
    pub ether_type: EtherType,
}

impl FrameHeader {
    /// Of an answer from `own` to what came in by `arrival`: to its sender, in its VLAN, with its priority.
    pub fn answering(arrival: &Arrival, own: MacAddress, ether_type: EtherType) -> Self {
        Self {
            destination: arrival.source_mac,
            source: own,
            vid: arrival.vid.unwrap_or(0),
            priority: arrival.priority,
            ether_type,
        }
    }

    /// Octets of the header.
    pub const fn length(&self) -> usize {
        match self.vid {
            0 => size_of::<EthernetHeader>(),
            _ => size_of::<TaggedHeader>(),
        }
    }

    /// Writes the header to the beginning of `buffer`. Returns what is behind it.
    pub fn write<'buffer>(&self, buffer: &'buffer mut [u8; BUFFER_SIZE]) -> &'buffer mut [u8] {
        let (header, payload) = buffer.split_at_mut(self.length());
        let written = match self.vid {
            0 => EthernetHeader {
                destination: self.destination,
                source: self.source,
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
            vid => TaggedHeader {
                destination: self.destination,
                source: self.source,
                tag_protocol: EtherType::VLAN.0.into(),
                tag_control: (u16::from(self.priority & 7) << 13 | vid).into(),
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
        };
        debug_assert!(written, "the header was cut to its length");
        payload
    }
}
