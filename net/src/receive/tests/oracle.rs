//! What is true of every answer, judged by a parser that is not ours: `etherparse`.

use super::{OWN_MAC, at};
use crate::interface::Interface;
use core::net::Ipv4Addr;
use etherparse::{ArpOperation, Icmpv4Slice, Ipv4Slice, LinkSlice, NetSlice};
use etherparse::{ArpPacketSlice, SlicedPacket, TransportSlice, VlanSlice};

/// Checks that `reply` is a sound answer of `card` to `request` and goes to nobody else than who
/// asked.
pub(super) fn assert_answers(card: &Interface, request: &[u8], reply: &[u8]) {
    let packet = SlicedPacket::from_ethernet(reply).expect("an answer that can be parsed");
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else {
        panic!("no Ethernet header: {packet:?}");
    };
    assert_eq!(ethernet.source(), OWN_MAC.0);
    assert_eq!(
        ethernet.destination(),
        request[at::SOURCE_MAC..at::TAG_PROTOCOL]
    );
    assert_eq!(ethernet.destination()[0] & 1, 0, "an answer to a group");
    let Some(VlanSlice::SingleVlan(tag)) = packet.vlan() else {
        panic!("not one tag: {packet:?}");
    };
    assert_eq!(
        reply[at::TAG_PROTOCOL..at::IPV4],
        request[at::TAG_PROTOCOL..at::IPV4],
        "the tag and what follows it"
    );
    let device = card.device(tag.vlan_identifier().value());
    let device = device.expect("an answer in a VLAN that has a device");
    let owns = |address: Ipv4Addr| {
        let mut own = device.addresses().iter();
        own.any(|cidr| cidr.address() == address)
    };
    match (&packet.net, &packet.transport) {
        (Some(NetSlice::Arp(arp)), None) => assert_arp_answers(arp, request, owns),
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) => {
            assert_echo_answers(ip, icmp, request, owns);
            assert_eq!(reply.len(), at::IPV4 + usize::from(ip.header().total_len()));
        }
        _ => panic!("neither ARP nor ICMP: {packet:?}"),
    }
}

/// Checks that `message` is an ICMP error about `request`, and goes to who sent that.
pub(super) fn assert_reports(request: &[u8], message: &[u8]) {
    let packet = SlicedPacket::from_ethernet(message).expect("an error that can be parsed");
    assert_eq!(message[..6], request[at::SOURCE_MAC..at::TAG_PROTOCOL]);
    assert_eq!(message[at::SOURCE_MAC..at::TAG_PROTOCOL], OWN_MAC.0);
    assert_eq!(
        message[at::TAG_PROTOCOL..at::IPV4],
        request[at::TAG_PROTOCOL..at::IPV4]
    );
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) =
        (&packet.net, &packet.transport)
    else {
        panic!("not ICMP: {packet:?}");
    };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(header.source, request[at::DESTINATION_IP..at::ICMP]);
    assert_eq!(
        header.destination,
        request[at::SOURCE_IP..at::DESTINATION_IP]
    );
    // RFC 1122 §3.2.2: as much of the original as fits, unaltered; RFC 1812 §4.3.2.3: in 576 octets.
    let total_length = usize::from(u16::from_be_bytes([request[20], request[21]]));
    let original = &request[at::IPV4..at::IPV4 + total_length];
    let quoted = original.len().min(576 - 28);
    assert_eq!(usize::from(header.total_len), 28 + quoted);
    assert_eq!(icmp.slice()[0], 3, "destination unreachable");
    assert!([2, 3].contains(&icmp.slice()[1]), "protocol or port");
    assert_eq!(icmp.payload(), &original[..quoted]);
    let checksum = icmp.icmp_type().calc_checksum(icmp.payload());
    assert_eq!(icmp.checksum(), checksum);
}

fn assert_arp_answers(arp: &ArpPacketSlice, request: &[u8], owns: impl Fn(Ipv4Addr) -> bool) {
    assert_eq!(arp.operation(), ArpOperation::REPLY);
    let arp = arp.to_packet().try_eth_ipv4().expect("IPv4 over Ethernet");
    assert_eq!(arp.sender_mac, OWN_MAC.0);
    assert!(
        owns(arp.sender_ipv4.into()),
        "an answer for another's address"
    );
    let asker_mac = &request[at::ARP_SENDER_MAC..at::ARP_SENDER_IP];
    assert_eq!(arp.target_mac, asker_mac);
    assert_eq!(
        arp.target_ipv4,
        request[at::ARP_SENDER_IP..at::ARP_SENDER_IP + 4]
    );
}

fn assert_echo_answers(
    ip: &Ipv4Slice,
    icmp: &Icmpv4Slice,
    request: &[u8],
    owns: impl Fn(Ipv4Addr) -> bool,
) {
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(header.time_to_live, 64);
    assert!(header.dont_fragment && !header.is_fragmenting_payload());
    assert!(
        owns(header.source.into()),
        "an answer from another's address"
    );
    assert_eq!(header.source, request[at::DESTINATION_IP..at::ICMP]);
    assert_eq!(
        header.destination,
        request[at::SOURCE_IP..at::DESTINATION_IP]
    );
    let to: Ipv4Addr = header.destination.into();
    assert!(!to.is_broadcast() && !to.is_multicast() && !to.is_unspecified() && !to.is_loopback());
    assert_eq!(ip.header().slice()[..6], request[at::IPV4..at::FRAGMENT]);

    assert_eq!(icmp.slice()[0], 0, "not an echo reply: {icmp:?}");
    assert_eq!(
        icmp.checksum(),
        icmp.icmp_type().calc_checksum(icmp.payload())
    );
    let message = at::IPV4 + ip.header().slice().len();
    let asked = &request[message..message + icmp.slice().len()];
    assert_eq!(icmp.slice()[1], asked[1], "the code comes back");
    assert_eq!(
        icmp.slice()[4..],
        asked[4..],
        "identifier, sequence number and data"
    );
}
