//! Where and when a frame came in, as whoever answers it may need to know.
//!
//! Made once for a frame, where its Ethernet header is read, and handed on unchanged to everything
//! that serves what the frame carries: UDP services, raw Ethernet services, ICMP. It says nothing of
//! what the frame carries.

use crate::time::Instant;
use crate::wire::ethernet::{EthernetHeader, MacAddress};
use crate::wire::vlan::TaggedHeader;

/// Where and when a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The VLAN, 1 to 4094; `None` for a frame without a tag, or whose tag names no VLAN because it
    /// holds a priority only (IEEE 802.1Q §9.6).
    pub vid: Option<u16>,
    /// Priority code point, 0 to 7; 0 without a tag.
    pub priority: u8,
    /// Drop eligible indicator; `false` without a tag.
    pub drop_eligible: bool,
    /// Who sent the frame.
    pub source_mac: MacAddress,
    /// Whether the frame was for all stations or for a group of them (RFC 1122 §2.4, widened by
    /// RFC 1812 §4.3.2.7).
    pub link_broadcast: bool,
    /// When it was seen in the receive ring.
    pub seen: Instant,
}

impl Arrival {
    /// The arrival of a frame without a tag.
    #[inline]
    pub const fn of_untagged(header: &EthernetHeader, seen: Instant) -> Self {
        Self {
            vid: None,
            priority: 0,
            drop_eligible: false,
            source_mac: header.source,
            link_broadcast: header.destination.is_multicast(),
            seen,
        }
    }

    /// The arrival of a frame with a customer tag.
    #[inline]
    pub fn of_tagged(header: &TaggedHeader, seen: Instant) -> Self {
        let tag_control = header.tag_control.get();
        let vid = header.vid();
        Self {
            vid: (vid != 0).then_some(vid),
            priority: (tag_control >> 13) as u8,
            drop_eligible: tag_control & 0x1000 != 0,
            source_mac: header.source,
            link_broadcast: header.destination.is_multicast(),
            seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromBytes;

    const SEEN: Instant = Instant::from_ticks(77);
    const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn tagged(destination: [u8; 6], tag_control: [u8; 2]) -> Arrival {
        let mut frame = [0; 18];
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&SOURCE);
        frame[12..14].copy_from_slice(&[0x81, 0x00]);
        frame[14..16].copy_from_slice(&tag_control);
        frame[16..].copy_from_slice(&[0x08, 0x00]);
        let header = TaggedHeader::ref_from_bytes(&frame).expect("18 octets");
        Arrival::of_tagged(header, SEEN)
    }

    #[test]
    fn a_tag_gives_the_vlan_the_priority_and_the_drop_eligibility() {
        let expected = Arrival {
            vid: Some(42),
            priority: 5,
            drop_eligible: true,
            source_mac: MacAddress(SOURCE),
            link_broadcast: false,
            seen: SEEN,
        };
        let own = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
        assert_eq!(tagged(own, [0xb0, 0x2a]), expected);
        let lowest = Arrival {
            vid: Some(4094),
            priority: 0,
            drop_eligible: false,
            ..expected
        };
        assert_eq!(tagged(own, [0x0f, 0xfe]), lowest);
    }

    #[test]
    fn a_tag_with_a_priority_only_names_no_vlan() {
        let arrival = tagged([2; 6], [0xe0, 0x00]);
        assert_eq!((arrival.vid, arrival.priority), (None, 7));
    }

    #[test]
    fn groups_of_stations_are_link_broadcasts() {
        assert!(tagged([0xff; 6], [0, 42]).link_broadcast);
        assert!(tagged([1, 0, 0x5e, 0, 0, 1], [0, 42]).link_broadcast);
        let mut frame = [0xff; 14];
        frame[6..12].copy_from_slice(&SOURCE);
        let header = EthernetHeader::ref_from_bytes(&frame).expect("14 octets");
        let expected = Arrival {
            vid: None,
            priority: 0,
            drop_eligible: false,
            source_mac: MacAddress(SOURCE),
            link_broadcast: true,
            seen: SEEN,
        };
        assert_eq!(Arrival::of_untagged(header, SEEN), expected);
    }
}
