//! ARP for IPv4 over Ethernet (RFC 826).

use super::ethernet::{EtherType, MacAddress};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An ARP packet whose addresses have the lengths of Ethernet and IPv4.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ArpPacket {
    hardware_type: U16,
    protocol_type: U16,
    hardware_length: u8,
    protocol_length: u8,
    operation: U16,
    /// The sender's station address.
    pub sender_mac: MacAddress,
    sender_ip: [u8; 4],
    /// The target's station address; without meaning in a request.
    pub target_mac: MacAddress,
    target_ip: [u8; 4],
}

const _: () = assert!(size_of::<ArpPacket>() == 28);

/// Ethernet's hardware type (RFC 826, "Definitions").
const HARDWARE_ETHERNET: u16 = 1;
const OPERATION_REQUEST: u16 = 1;
const OPERATION_REPLY: u16 = 2;

/// What the sender of an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To know who has the target address.
    Request,
    /// To say who has the sender address.
    Reply,
}

impl ArpPacket {
    /// Who asks or answers, if the packet is about IPv4 over Ethernet and its operation is known.
    pub fn operation(&self) -> Option<Operation> {
        let matches = self.hardware_type.get() == HARDWARE_ETHERNET
            && self.protocol_type.get() == EtherType::IPV4.0
            && usize::from(self.hardware_length) == size_of::<MacAddress>()
            && usize::from(self.protocol_length) == size_of::<Ipv4Addr>();
        match self.operation.get() {
            OPERATION_REQUEST if matches => Some(Operation::Request),
            OPERATION_REPLY if matches => Some(Operation::Reply),
            _ => None,
        }
    }

    /// The sender's address; 0.0.0.0 in a probe (RFC 5227 §1.1).
    pub fn sender_ip(&self) -> Ipv4Addr {
        self.sender_ip.into()
    }

    /// The address that the packet is about.
    pub fn target_ip(&self) -> Ipv4Addr {
        self.target_ip.into()
    }

    /// Turns a request for our address into the reply, from `own` (RFC 826, "Packet Reception").
    pub fn turn_into_reply(&mut self, own: MacAddress) {
        self.operation = OPERATION_REPLY.into();
        self.target_mac = self.sender_mac;
        self.sender_mac = own;
        core::mem::swap(&mut self.sender_ip, &mut self.target_ip);
    }

    /// An announcement that `own` has `address` (RFC 5227 §2.3): a request whose sender and target
    /// are the same.
    pub fn announcement(own: MacAddress, address: Ipv4Addr) -> Self {
        Self::request(own, address, address)
    }

    /// A question of `own` whether anybody has `address`, which it wants (RFC 5227 §1.1): a request
    /// without a sender address, so that nobody learns from it.
    pub fn probe(own: MacAddress, address: Ipv4Addr) -> Self {
        Self::request(own, Ipv4Addr::UNSPECIFIED, address)
    }

    /// A question of `own`, which has `sender`, for who has `target` (RFC 826).
    pub fn request(own: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            hardware_type: HARDWARE_ETHERNET.into(),
            protocol_type: EtherType::IPV4.0.into(),
            hardware_length: size_of::<MacAddress>() as u8,
            protocol_length: size_of::<Ipv4Addr>() as u8,
            operation: OPERATION_REQUEST.into(),
            sender_mac: own,
            sender_ip: sender.octets(),
            target_mac: MacAddress::default(),
            target_ip: target.octets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const REQUEST: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, request
        2, 0, 0, 0, 0, 9, 10, 10, 10, 10, // from 10.10.10.10
        0, 0, 0, 0, 0, 0, 10, 10, 10, 11, // who has 10.10.10.11?
    ];
    const REPLY: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 2, // Ethernet, IPv4, reply
        0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 10, 10, 11, // from 10.10.10.11
        2, 0, 0, 0, 0, 9, 10, 10, 10, 10, // to who asked
    ];

    #[test]
    fn a_request_becomes_the_reply_to_its_sender() {
        let mut octets = REQUEST;
        let packet = ArpPacket::mut_from_bytes(&mut octets).expect("28 octets");
        assert_eq!(packet.operation(), Some(Operation::Request));
        assert_eq!(packet.sender_ip(), Ipv4Addr::new(10, 10, 10, 10));
        assert_eq!(packet.target_ip(), Ipv4Addr::new(10, 10, 10, 11));
        packet.turn_into_reply(OWN);
        assert_eq!(packet.operation(), Some(Operation::Reply));
        assert_eq!(octets, REPLY);
    }

    #[test]
    fn an_announcement_asks_for_its_own_address() {
        let packet = ArpPacket::announcement(OWN, Ipv4Addr::new(10, 10, 10, 11));
        assert_eq!(
            packet.as_bytes(),
            [
                0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 10, 10, 11, 0, 0, 0,
                0, 0, 0, 10, 10, 10, 11
            ]
        );
    }

    #[test]
    fn other_hardware_protocols_lengths_and_operations_are_not_understood() {
        for (place, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3), (6, 1), (7, 0)] {
            let mut octets = REQUEST;
            octets[place] = value;
            let packet = ArpPacket::ref_from_bytes(&octets).expect("28 octets");
            assert_eq!(packet.operation(), None, "octet {place} = {value}");
        }
    }
}
