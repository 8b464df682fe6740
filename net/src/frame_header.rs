//! The Ethernet header of a frame of our own, with a tag or without.

use crate::arrival::Arrival;
use crate::device::BUFFER_SIZE;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::vlan::TaggedHeader;
use zerocopy::IntoBytes;

/// The Ethernet header of a frame of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub destination: MacAddress,
    pub source: MacAddress,
    /// The tag control information; `None` for a frame without a tag.
    pub tag_control: Option<u16>,
    pub ether_type: EtherType,
}

impl FrameHeader {
    /// Of an answer from `own` to what came in by `arrival`: to its sender, with the tag that it had.
    pub fn answering(arrival: &Arrival, own: MacAddress, ether_type: EtherType) -> Self {
        Self {
            destination: arrival.source_mac,
            source: own,
            tag_control: arrival.tag_control(),
            ether_type,
        }
    }

    /// The tag of a frame that nobody asked for: none for VLAN identifier 0.
    pub fn tag(vid: u16, priority: u8) -> Option<u16> {
        (vid != 0).then_some(u16::from(priority & 7) << 13 | vid)
    }

    /// The VLAN; 0 for a frame that names none.
    pub fn vid(&self) -> u16 {
        self.tag_control.unwrap_or(0) & 0x0fff
    }

    /// Octets of the header.
    pub const fn length(&self) -> usize {
        Self::length_with(self.tag_control)
    }

    /// Octets of a header with this tag.
    pub const fn length_with(tag_control: Option<u16>) -> usize {
        match tag_control {
            None => size_of::<EthernetHeader>(),
            Some(_) => size_of::<TaggedHeader>(),
        }
    }

    /// Writes the header to the beginning of `buffer`. Returns what is behind it.
    pub fn write<'buffer>(&self, buffer: &'buffer mut [u8; BUFFER_SIZE]) -> &'buffer mut [u8] {
        let (header, payload) = buffer.split_at_mut(self.length());
        let written = match self.tag_control {
            None => EthernetHeader {
                destination: self.destination,
                source: self.source,
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
            Some(tag_control) => TaggedHeader {
                destination: self.destination,
                source: self.source,
                tag_protocol: EtherType::VLAN.0.into(),
                tag_control: tag_control.into(),
                ether_type: self.ether_type.0.into(),
            }
            .write_to(header)
            .is_ok(),
        };
        debug_assert!(written, "the header was cut to its length");
        payload
    }
}
