//! The frames that are asked with, the same for everybody who is measured.
//!
//! The length of a frame is that of the tagged one, without its check sequence. What is asked of
//! somebody who knows no VLANs is the same without its tag, four octets shorter.

use std::net::Ipv4Addr;

use etherparse::{EtherType, IpNumber, Ipv4Header, UdpHeader};
use pollux_issuer::frame::{self, Echo, Link, MacAddress, Tag};

/// The VLAN.
pub const VLAN: u16 = 42;
/// The address that is asked.
pub const APPLIANCE: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 11);
/// Its Ethernet address: QEMU's first.
pub const APPLIANCE_MAC: MacAddress = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Who asks.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 10);
/// Its Ethernet address.
pub const PEER_MAC: MacAddress = [0x02, 0x00, 0x0a, 0x0a, 0x0a, 0x0a];
/// From which port it asks.
pub const PEER_PORT: u16 = 40_000;
/// UDP echo (RFC 862).
pub const ECHO_PORT: u16 = 7;
/// The STAMP reflector (RFC 8762).
pub const STAMP_PORT: u16 = 862;

/// The lengths of frames that are asked with. 102 is what `ping` sends unless told otherwise: 98
/// octets, and the tag.
pub const LENGTHS: [usize; 4] = [64, 102, 512, 1518];

/// Octets of a tagged Ethernet header.
pub const ETHERNET: usize = 18;
/// Octets of an IPv4 header, and of a UDP header or the one of an ICMP echo.
const HEADERS: usize = 20 + 8;

/// Where the tag stands.
const TAG: std::ops::Range<usize> = 12..16;

/// The way from the one who asks, in VLAN `vid`.
pub const fn link(vid: u16) -> Link {
    Link {
        source: PEER_MAC,
        destination: APPLIANCE_MAC,
        tag: Some(Tag::new(vid)),
    }
}

/// Octets of data in an echo request of `length` octets, whether ICMP or UDP carries it.
pub const fn data_length(length: usize) -> usize {
    length - ETHERNET - HEADERS
}

/// Octets that are not all alike.
pub fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 + 7) as u8).collect()
}

/// An ICMP echo request of `length` octets in VLAN `vid`.
pub fn icmp_echo(length: usize, vid: u16) -> Vec<u8> {
    Echo::new(PEER, APPLIANCE, &data(data_length(length))).request(&link(vid))
}

/// An ICMP echo request with a sequence number.
pub fn numbered_icmp_echo(length: usize, number: u16) -> Vec<u8> {
    let data = data(data_length(length));
    let echo = Echo {
        sequence: number,
        ..Echo::new(PEER, APPLIANCE, &data)
    };
    echo.request(&link(VLAN))
}

/// A UDP echo request whose data begin with a number.
pub fn numbered_udp_echo(length: usize, number: u16) -> Vec<u8> {
    let mut data = data(data_length(length));
    data[..2].copy_from_slice(&number.to_be_bytes());
    udp_with(&data, ECHO_PORT)
}

/// A UDP datagram to `port`, in a frame of `length` octets.
pub fn udp(length: usize, port: u16) -> Vec<u8> {
    udp_with(&data(data_length(length)), port)
}

/// A UDP echo request in a frame of `length` octets.
pub fn udp_echo(length: usize) -> Vec<u8> {
    udp(length, ECHO_PORT)
}

/// A STAMP test packet of 44 octets, the shortest that is whole (RFC 8762 §4.2.1).
pub fn stamp() -> Vec<u8> {
    let mut packet = [0; 44];
    packet[..4].copy_from_slice(&7_u32.to_be_bytes());
    packet[4..12].copy_from_slice(&[0xe0, 0, 0, 0, 0x80, 0, 0, 0]);
    packet[12..14].copy_from_slice(&[0x81, 0x01]);
    udp_with(&packet, STAMP_PORT)
}

fn udp_with(data: &[u8], port: u16) -> Vec<u8> {
    let length = (UdpHeader::LEN + data.len()) as u16;
    let (source, destination) = (PEER.octets(), APPLIANCE.octets());
    let ipv4 = Ipv4Header::new(length, 64, IpNumber::UDP, source, destination)
        .expect("a datagram of one frame fits");
    let udp = UdpHeader::with_ipv4_checksum(PEER_PORT, port, &ipv4, data).expect("it fits");
    let mut ipv4 = ipv4;
    ipv4.header_checksum = ipv4.calc_header_checksum();
    let payload = [&ipv4.to_bytes()[..], &udp.to_bytes(), data].concat();
    link(VLAN).frame(EtherType::IPV4, &payload)
}

/// An ARP request of somebody for the appliance, in VLAN [`VLAN`].
pub fn arp_request(sender: Ipv4Addr, sender_mac: MacAddress) -> Vec<u8> {
    frame::arp_request(sender_mac, sender, APPLIANCE, Some(Tag::new(VLAN)))
}

/// A copy of `frame` with `octets` at `offset`.
pub fn with(frame: &[u8], offset: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[offset..offset + octets.len()].copy_from_slice(octets);
    frame
}

/// A copy of `frame` without its tag.
pub fn untagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..TAG.start], &frame[TAG.end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_are_said_to_be() {
        for length in LENGTHS {
            assert_eq!(icmp_echo(length, VLAN).len(), length);
            assert_eq!(udp_echo(length).len(), length);
            assert_eq!(untagged(&udp_echo(length)).len(), length - 4);
        }
    }
}
