//! Ethernet II frames (RFC 894) and station addresses.

use core::fmt;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A 48-bit station address, in the order of transmission.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddress(pub [u8; 6]);

/// The header of an Ethernet II frame.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EthernetHeader {
    /// To whom the frame is addressed.
    pub destination: MacAddress,
    /// Who sent it.
    pub source: MacAddress,
    /// What follows: an [`EtherType`], or the payload's length if below 1,536.
    pub ether_type: U16,
}

const _: () = assert!(size_of::<EthernetHeader>() == 14);

/// What an Ethernet frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// An 802.1Q customer tag follows.
    pub const VLAN: Self = Self(0x8100);
    /// An 802.1ad service tag follows.
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// The tag protocol that stacked tags used before 802.1ad.
    pub const OLD_STACKED_VLAN: Self = Self(0x9100);
    /// Values below this are lengths of IEEE 802.3 frames, not types (IEEE 802.3 §3.2.6).
    pub const FIRST: u16 = 0x0600;

    /// Whether a VLAN tag follows, of whichever kind.
    pub const fn is_tag(self) -> bool {
        matches!(
            self,
            Self::VLAN | Self::SERVICE_VLAN | Self::OLD_STACKED_VLAN
        )
    }

    /// Whether this is the payload's length rather than its type.
    pub const fn is_length(self) -> bool {
        self.0 < Self::FIRST
    }
}

impl MacAddress {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address as a number of no meaning but that it differs from every other address's: for
    /// comparing in one step.
    #[inline]
    pub const fn to_bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([0, 0, a, b, c, d, e, f])
    }

    /// Whether one station could bear the address of these [bits](Self::to_bits), as [`Self::is_station`] says.
    #[inline]
    pub const fn is_station_bits(bits: u64) -> bool {
        bits & (1 << 16) == 0 && bits != 0
    }

    /// Whether this names a group of stations, of which all stations is one.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether this names all stations, as a frame that is not addressed to its receiver alone may.
    #[cold]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether one station could bear this address: not a group, not all zeros.
    pub fn is_station(self) -> bool {
        !self.is_multicast() && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    const HEADER: [u8; 14] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x09, 0x08, 0x06,
    ];

    #[test]
    fn reads_and_writes_its_fields_in_the_order_of_transmission() {
        let header = EthernetHeader::ref_from_bytes(&HEADER).expect("14 octets");
        assert_eq!(header.destination, MacAddress::BROADCAST);
        assert_eq!(header.source, MacAddress([2, 0, 0, 0, 0, 9]));
        assert_eq!(EtherType(header.ether_type.get()), EtherType::ARP);
        let written = EthernetHeader {
            destination: MacAddress::BROADCAST,
            source: MacAddress([2, 0, 0, 0, 0, 9]),
            ether_type: EtherType::ARP.0.into(),
        };
        assert_eq!(written.as_bytes(), HEADER);
    }

    #[test]
    fn groups_and_station_zero_are_no_stations() {
        for (octets, multicast, station) in [
            ([0x02, 0, 0, 0, 0, 9], false, true),
            ([0, 0, 0, 0, 0, 1], false, true),
            ([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff], false, true),
            ([0; 6], false, false),
            ([0x01, 0, 0x5e, 0, 0, 1], true, false),
            ([0xff; 6], true, false),
        ] {
            assert_eq!(MacAddress(octets).is_multicast(), multicast, "{octets:x?}");
            assert_eq!(MacAddress(octets).is_station(), station, "{octets:x?}");
        }
    }

    #[test]
    fn types_begin_where_lengths_end() {
        assert!(EtherType(0).is_length());
        assert!(EtherType(0x05ff).is_length());
        assert!(!EtherType(0x0600).is_length());
        for (value, tag) in [
            (0x8100, true),
            (0x88a8, true),
            (0x9100, true),
            (0x8101, false),
            (0x0800, false),
        ] {
            assert_eq!(EtherType(value).is_tag(), tag, "{value:#06x}");
        }
    }

    #[test]
    fn a_station_address_prints_with_colons_and_leading_zeros() {
        let address = MacAddress([0x02, 0x00, 0x5e, 0x10, 0x00, 0xff]);
        assert_eq!(address.to_string(), "02:00:5e:10:00:ff");
    }
}
