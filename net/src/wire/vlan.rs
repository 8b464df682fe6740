//! The header of a frame with one 802.1Q tag.

use super::ethernet::{EtherType, MacAddress};
use zerocopy::byteorder::little_endian::U64;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute, transmute_mut,
    transmute_ref,
};

/// An Ethernet header with a customer tag (IEEE 802.1Q §9.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TaggedHeader {
    /// To whom the frame is addressed.
    pub destination: MacAddress,
    /// Who sent it.
    pub source: MacAddress,
    /// Tag protocol identifier: 0x8100 for a customer tag.
    pub tag_protocol: U16,
    /// Tag control information: priority (PCP, three bits), drop eligibility (DEI, one bit) and
    /// VLAN identifier (VID, twelve bits). An answer keeps all sixteen.
    pub tag_control: U16,
    /// What follows the tag.
    pub ether_type: U16,
}

const _: () = assert!(size_of::<TaggedHeader>() == 18);

/// The header with the destination and the two octets behind it as one number.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Front {
    destination: U64,
    rest: [u8; 10],
}

/// The header with the source and the two octets behind it as one number.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BehindDestination {
    destination: MacAddress,
    source: U64,
    rest: [u8; 4],
}

/// The header with the source and the two octets before it as one number.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct UpToSource {
    destination: [u8; 4],
    source: U64,
    rest: [u8; 6],
}

impl TaggedHeader {
    /// To whom and by whom the frame was sent, as [bits](MacAddress::to_bits).
    #[inline]
    pub fn address_bits(&self) -> (u64, u64) {
        // Each in one load of eight octets, of which two are not its own: none of them the tag's, which is compared where it
        // stands.
        let front: &Front = transmute_ref!(self);
        let up_to_source: &UpToSource = transmute_ref!(self);
        let source = up_to_source.source.get() & !0xffff;
        (front.destination.get() << 16, source)
    }

    /// What stands where an untagged frame has its type.
    #[inline]
    pub fn tag_protocol(&self) -> EtherType {
        EtherType(self.tag_protocol.get())
    }

    /// The VLAN identifier, 0 to 4095.
    #[inline]
    pub fn vid(&self) -> u16 {
        self.tag_control.get() & 0x0fff
    }

    /// What follows the tag.
    #[inline]
    pub fn ether_type(&self) -> EtherType {
        EtherType(self.ether_type.get())
    }

    /// Addresses the frame, which has a customer tag, back to its sender, from `own`. The tag stays as it is.
    #[inline(always)]
    pub fn turn_around(&mut self, own: OwnStation) {
        let behind: &BehindDestination = transmute_ref!(self);
        let source = behind.source;
        let front: &mut Front = transmute_mut!(self);
        // With two octets more, in whose place the next two are written.
        front.destination = source;
        let behind: &mut BehindDestination = transmute_mut!(self);
        behind.source = own.to_number();
    }
}

/// The address of a station as it is written into a [`TaggedHeader`]: with the tag protocol behind it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct OwnStation {
    address: MacAddress,
    tag_protocol: U16,
}

impl OwnStation {
    /// That of `address`.
    pub const fn new(address: MacAddress) -> Self {
        Self {
            address,
            tag_protocol: U16::new(EtherType::VLAN.0),
        }
    }

    /// The address.
    #[inline]
    pub const fn address(self) -> MacAddress {
        self.address
    }

    /// The address as [bits](MacAddress::to_bits).
    #[inline]
    pub const fn to_bits(self) -> u64 {
        self.to_number().get() << 16
    }

    const fn to_number(self) -> U64 {
        transmute!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 18] = [
        0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 9, 0x81, 0x00, 0xb0, 0x2a, 0x08, 0x00,
    ];

    #[test]
    fn the_own_station_is_its_address_and_compares_as_that_does() {
        for address in [[0x52, 0x54, 0, 0x12, 0x34, 0x56], [0xff; 6], [0; 6]].map(MacAddress) {
            assert_eq!(OwnStation::new(address).address(), address);
            assert_eq!(OwnStation::new(address).to_bits(), address.to_bits());
        }
    }

    #[test]
    fn reads_the_tag_and_keeps_it_when_turned_around() {
        let mut frame = FRAME;
        let header = TaggedHeader::mut_from_bytes(&mut frame).expect("18 octets");
        assert_eq!(header.tag_protocol(), EtherType::VLAN);
        assert_eq!(header.vid(), 42);
        assert_eq!(header.ether_type(), EtherType::IPV4);
        header.turn_around(OwnStation::new(MacAddress([
            0x52, 0x54, 0, 0x12, 0x34, 0x56,
        ])));
        assert_eq!(
            frame,
            [
                2, 0, 0, 0, 0, 9, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x81, 0x00, 0xb0, 0x2a, 0x08,
                0x00
            ]
        );
    }
}
