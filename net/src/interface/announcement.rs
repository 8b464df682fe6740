//! Announcements: telling every station in a VLAN that an address is ours (RFC 5227 §2.3).
//!
//! Whoever still knows the address as another station's, because this appliance took over from that
//! one or has got another card, corrects itself at once. The kernel sends them when the link comes up;
//! [`crate::address_conflict`] is who knows about sending them again.

use super::Interface;
use crate::device::BUFFER_SIZE;
use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::{EtherType, MacAddress};
use crate::wire::vlan::TaggedHeader;
use core::net::Ipv4Addr;
use zerocopy::{Immutable, IntoBytes, Unaligned};

/// One of our addresses, to be announced in its VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    mac: MacAddress,
    vid: u16,
    address: Ipv4Addr,
}

/// The frame, without padding.
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Frame {
    header: TaggedHeader,
    packet: ArpPacket,
}

const _: () = assert!(size_of::<Frame>() == 46 && size_of::<Frame>() <= BUFFER_SIZE);

impl Announcement {
    /// The VLAN in which it is to be sent.
    pub const fn vid(&self) -> u16 {
        self.vid
    }

    /// The address that it is about.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Writes the frame to the start of `buffer`: to all stations, tagged, with priority 0. Returns its
    /// octets.
    pub fn compose(&self, buffer: &mut [u8; BUFFER_SIZE]) -> usize {
        let frame = Frame {
            header: TaggedHeader {
                destination: MacAddress::BROADCAST,
                source: self.mac,
                tag_protocol: EtherType::VLAN.0.into(),
                tag_control: self.vid.into(),
                ether_type: EtherType::ARP.0.into(),
            },
            packet: ArpPacket::announcement(self.mac, self.address),
        };
        for (to, from) in buffer.iter_mut().zip(frame.as_bytes()) {
            *to = *from;
        }
        size_of::<Frame>()
    }
}

impl Interface {
    /// What is to be announced: each address of each VLAN device whose VLAN the filter list has, since
    /// in others nobody would be answered.
    pub fn announcements(&self) -> impl Iterator<Item = Announcement> + '_ {
        let filter = self.vlan_filter();
        let served = self.devices().iter();
        let served = served.filter(|device| filter.contains(device.vid()));
        served.flat_map(|device| {
            device.addresses().iter().map(|cidr| Announcement {
                mac: self.mac,
                vid: device.vid(),
                address: cidr.address(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::interface::Ipv4Cidr;
    use crate::vlan::VlanSet;
    use std::vec::Vec;

    fn card() -> Interface {
        let mac = MacAddress([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
        let mut card = Interface::new(mac, 2, crate::time::TickRate::from_hertz(1_000_000_000));
        for (vid, name, addresses) in [
            (42, "eth0.42", &[[10, 10, 10, 11], [192, 0, 2, 1]][..]),
            (43, "eth0.43", &[[10, 10, 43, 11]]),
            (44, "eth0.44", &[]),
            (4094, "eth0.4094", &[[10, 10, 94, 11]]),
        ] {
            card.add_vlan_device(name, vid).expect("is free");
            for &address in addresses {
                let cidr = Ipv4Cidr::new(address.into(), 24).expect("in range");
                card.add_address(vid, cidr).expect("a host address");
            }
        }
        let mut filter = VlanSet::new();
        for vid in [42, 44, 45, 4094] {
            filter.insert(vid);
        }
        card.set_vlan_filter(filter);
        card
    }

    #[test]
    fn every_address_is_announced_in_its_vlan_unless_the_filter_leaves_that_out() {
        let announced: Vec<_> = card()
            .announcements()
            .map(|announcement| (announcement.vid(), announcement.address().octets()))
            .collect();
        let expected = [
            (42, [10, 10, 10, 11]),
            (42, [192, 0, 2, 1]),
            (4094, [10, 10, 94, 11]),
        ];
        assert_eq!(announced, expected);
    }

    #[test]
    fn an_announcement_is_a_tagged_broadcast_octet_by_octet() {
        let mut buffer = [0xa5; BUFFER_SIZE];
        let card = card();
        let last = card.announcements().last().expect("there are some");
        assert_eq!(last.compose(&mut buffer), 46);
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to all
            0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // from us
            0x81, 0x00, 0x0f, 0xfe, // PCP 0, VID 4094
            0x08, 0x06, // ARP
            0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01, // IPv4 over Ethernet, request
            0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 10, 94, 11, // we have it,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10, 10, 94, 11, // whoever asks
        ];
        let (frame, behind) = buffer.split_at(46);
        assert_eq!(frame, expected);
        assert!(behind.iter().all(|&octet| octet == 0xa5));
    }

    #[test]
    fn what_is_sent_counts_as_transmitted_in_its_vlan() {
        let mut card = card();
        card.count_transmitted(42, 46);
        card.count_transmitted(41, 46);
        let traffic = |vid| card.device(vid).expect("is there").transmitted();
        assert_eq!((traffic(42).packets, traffic(42).octets), (1, 46));
        assert_eq!(traffic(43).packets, 0);
    }
}
