//! Where and when a frame came in, as whoever answers it may need to know.
//!
//! Made once for a frame, where its Ethernet header is read, and handed on unchanged to everything
//! that serves what the frame carries: UDP services, raw Ethernet services, ICMP. It says nothing of
//! what the frame carries.

use crate::time::Instant;
use crate::wire::ethernet::MacAddress;

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
    /// Whether the frame had a tag, be it one that names no VLAN.
    pub is_tagged: bool,
    /// Who sent the frame.
    pub source_mac: MacAddress,
    /// Whether the frame was for all stations or for a group of them (RFC 1122 §2.4, widened by
    /// RFC 1812 §4.3.2.7).
    pub link_broadcast: bool,
    /// When it was seen in the receive ring.
    pub seen: Instant,
}

impl Arrival {
    /// The arrival of a frame with these addresses, and with this tag control information if it has a
    /// customer tag.
    #[inline]
    pub fn new(
        destination: MacAddress,
        source: MacAddress,
        tag_control: Option<u16>,
        seen: Instant,
    ) -> Self {
        let control = tag_control.unwrap_or(0);
        let vid = control & 0x0fff;
        Self {
            vid: (vid != 0).then_some(vid),
            priority: (control >> 13) as u8,
            drop_eligible: control & 0x1000 != 0,
            is_tagged: tag_control.is_some(),
            source_mac: source,
            link_broadcast: destination.is_multicast(),
            seen,
        }
    }

    /// The tag control information of the frame, and of its answer; `None` without a tag.
    pub fn tag_control(&self) -> Option<u16> {
        let priority = u16::from(self.priority & 7) << 13;
        let drop_eligible = u16::from(self.drop_eligible) << 12;
        let control = priority | drop_eligible | self.vid.unwrap_or(0);
        self.is_tagged.then_some(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Instant = Instant::from_ticks(77);
    const SOURCE: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
    const OWN: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn a_tag_gives_the_vlan_the_priority_and_the_drop_eligibility() {
        let expected = Arrival {
            vid: Some(42),
            priority: 5,
            drop_eligible: true,
            is_tagged: true,
            source_mac: SOURCE,
            link_broadcast: false,
            seen: SEEN,
        };
        assert_eq!(Arrival::new(OWN, SOURCE, Some(0xb02a), SEEN), expected);
        let lowest = Arrival {
            vid: Some(4094),
            priority: 0,
            drop_eligible: false,
            ..expected
        };
        assert_eq!(Arrival::new(OWN, SOURCE, Some(0x0ffe), SEEN), lowest);
    }

    #[test]
    fn a_tag_with_a_priority_only_names_no_vlan() {
        let arrival = Arrival::new(OWN, SOURCE, Some(0xe000), SEEN);
        assert_eq!((arrival.vid, arrival.priority), (None, 7));
        let arrival = Arrival::new(OWN, SOURCE, None, SEEN);
        assert_eq!((arrival.vid, arrival.priority), (None, 0));
    }

    #[test]
    fn every_tag_can_be_had_again() {
        for tag_control in [None, Some(0), Some(0x1000), Some(0xe000), Some(0xb02a)] {
            let arrival = Arrival::new(OWN, SOURCE, tag_control, SEEN);
            assert_eq!(arrival.tag_control(), tag_control);
        }
    }

    #[test]
    fn groups_of_stations_are_link_broadcasts() {
        let all_hosts = MacAddress([1, 0, 0x5e, 0, 0, 1]);
        for destination in [MacAddress::BROADCAST, all_hosts] {
            for tag_control in [None, Some(42)] {
                assert!(Arrival::new(destination, SOURCE, tag_control, SEEN).link_broadcast);
            }
        }
    }
}
