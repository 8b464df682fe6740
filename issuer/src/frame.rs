//! Frames as the issuer sends and expects them, built and parsed by `etherparse`.
//!
//! Everything that puts bytes on the wire or takes them off goes through here. Nothing here does
//! I/O, and parsing never panics, whatever the bytes are.

use std::net::Ipv4Addr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IcmpEchoHeader,
    Icmpv4Header, Icmpv4Type, IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv4HeaderSlice, Ipv4Options,
    SingleVlanHeader, VlanId, VlanPcp,
};

/// An Ethernet address, first octet on the wire first.
pub type MacAddress = [u8; 6];

/// The Ethernet broadcast address.
pub const BROADCAST: MacAddress = [0xff; 6];

/// Octets of the shortest frame on an Ethernet wire, without the check sequence (IEEE 802.3).
pub const SHORTEST_FRAME: usize = 60;

/// Octets of echo payload that fit into one frame of the usual MTU of 1,500 octets.
pub const LARGEST_PAYLOAD: usize = 1500 - 20 - 8;

/// An 802.1Q tag with TPID 0x8100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// VLAN identifier; only the low 12 bits go on the wire.
    pub vid: u16,
    /// Priority code point, 0..=7; only the low 3 bits go on the wire.
    pub pcp: u8,
    /// Drop eligible indicator.
    pub dei: bool,
}

impl Tag {
    /// A tag of priority 0 for the VLAN `vid`.
    pub const fn new(vid: u16) -> Self {
        Self {
            vid,
            pcp: 0,
            dei: false,
        }
    }

    fn header(self, ether_type: EtherType) -> SingleVlanHeader {
        SingleVlanHeader {
            pcp: VlanPcp::try_new(self.pcp & 0x07).unwrap_or_default(),
            drop_eligible_indicator: self.dei,
            vlan_id: VlanId::try_new(self.vid & 0x0fff).unwrap_or_default(),
            ether_type,
        }
    }
}

/// Who sends to whom, on which VLAN: the part of a frame that comes before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The sender's address.
    pub source: MacAddress,
    /// The receiver's address.
    pub destination: MacAddress,
    /// The tag, if the frame carries one.
    pub tag: Option<Tag>,
}

impl Link {
    /// The same link seen from the other end.
    pub fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            tag: self.tag,
        }
    }

    /// Octets before the payload: 14, or 18 with a tag.
    pub fn header_len(&self) -> usize {
        Ethernet2Header::LEN + self.tag.map_or(0, |_| SingleVlanHeader::LEN)
    }

    /// Appends the Ethernet header and the tag to `frame`.
    pub fn write(&self, ether_type: EtherType, frame: &mut Vec<u8>) {
        let outer = Ethernet2Header {
            source: self.source,
            destination: self.destination,
            ether_type: self
                .tag
                .map_or(ether_type, |_| EtherType::VLAN_TAGGED_FRAME),
        };
        frame.extend_from_slice(&outer.to_bytes());
        if let Some(tag) = self.tag {
            frame.extend_from_slice(&tag.header(ether_type).to_bytes());
        }
    }

    /// A whole frame that carries `payload`, padded to [`SHORTEST_FRAME`].
    pub fn frame(&self, ether_type: EtherType, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.header_len() + payload.len());
        self.write(ether_type, &mut frame);
        frame.extend_from_slice(payload);
        pad(&mut frame);
        frame
    }
}

/// Everything in an ICMPv4 echo message and in the IPv4 header that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Type of service: DSCP in the upper six bits, ECN in the lower two.
    pub tos: u8,
    /// IPv4 identification.
    pub identification: u16,
    /// The don't-fragment flag.
    pub dont_fragment: bool,
    /// Time to live.
    pub ttl: u8,
    /// IPv4 options, 0..=40 octets, a multiple of four.
    pub options: &'a [u8],
    /// ICMP identifier: which session a message belongs to.
    pub id: u16,
    /// ICMP sequence number.
    pub sequence: u16,
    /// The data to be returned.
    pub payload: &'a [u8],
}

impl<'a> Echo<'a> {
    /// An echo as ping sends it: TTL 64, don't fragment, type of service 0, no options.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, payload: &'a [u8]) -> Self {
        Self {
            source,
            destination,
            tos: 0,
            identification: 0,
            dont_fragment: true,
            ttl: 64,
            options: &[],
            id: 0x706c,
            sequence: 1,
            payload,
        }
    }

    /// The frame that asks.
    pub fn request(&self, link: &Link) -> Vec<u8> {
        let mut frame = Vec::new();
        self.write_request(link, &mut frame);
        frame
    }

    /// The frame that answers, with the fields of `self` as they stand.
    pub fn reply(&self, link: &Link) -> Vec<u8> {
        let mut frame = Vec::new();
        self.write_reply(link, &mut frame);
        frame
    }

    /// As [`Echo::request`], into a buffer that is emptied first.
    pub fn write_request(&self, link: &Link, frame: &mut Vec<u8>) {
        self.write(Icmpv4Type::EchoRequest(self.icmp()), link, frame);
    }

    /// As [`Echo::reply`], into a buffer that is emptied first.
    pub fn write_reply(&self, link: &Link, frame: &mut Vec<u8>) {
        self.write(Icmpv4Type::EchoReply(self.icmp()), link, frame);
    }

    fn icmp(&self) -> IcmpEchoHeader {
        IcmpEchoHeader {
            id: self.id,
            seq: self.sequence,
        }
    }

    fn write(&self, kind: Icmpv4Type, link: &Link, frame: &mut Vec<u8>) {
        frame.clear();
        link.write(EtherType::IPV4, frame);
        frame.extend_from_slice(&self.ipv4_header().to_bytes());
        frame.extend_from_slice(&Icmpv4Header::with_checksum(kind, self.payload).to_bytes());
        frame.extend_from_slice(self.payload);
        pad(frame);
    }

    fn ipv4_header(&self) -> Ipv4Header {
        let mut header = Ipv4Header {
            dscp: IpDscp::try_new(self.tos >> 2).unwrap_or_default(),
            ecn: IpEcn::try_new(self.tos & 0x03).unwrap_or_default(),
            identification: self.identification,
            dont_fragment: self.dont_fragment,
            time_to_live: self.ttl,
            protocol: IpNumber::ICMP,
            source: self.source.octets(),
            destination: self.destination.octets(),
            options: Ipv4Options::try_from(self.options)
                .expect("IPv4 options are at most 40 octets and a multiple of four"),
            ..Ipv4Header::default()
        };
        header
            .set_payload_len(Icmpv4Header::MIN_LEN + self.payload.len())
            .expect("an echo fits into one datagram");
        header.header_checksum = header.calc_header_checksum();
        header
    }
}

/// The frame of an ARP packet for IPv4 over Ethernet.
pub fn arp(link: &Link, packet: ArpEthIpv4Packet) -> Vec<u8> {
    link.frame(EtherType::ARP, &ArpPacket::from(packet).to_bytes())
}

/// The broadcast that asks who has `target`.
pub fn arp_request(
    source: MacAddress,
    source_address: Ipv4Addr,
    target: Ipv4Addr,
    tag: Option<Tag>,
) -> Vec<u8> {
    let link = Link {
        source,
        destination: BROADCAST,
        tag,
    };
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: source,
        sender_ipv4: source_address.octets(),
        target_mac: [0; 6],
        target_ipv4: target.octets(),
    };
    arp(&link, packet)
}

/// Brings a frame up to [`SHORTEST_FRAME`] with zeros.
pub fn pad(frame: &mut Vec<u8>) {
    if frame.len() < SHORTEST_FRAME {
        frame.resize(SHORTEST_FRAME, 0);
    }
}

/// A received frame, split into its link part and what that carries.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Addresses and tag.
    pub link: Link,
    /// The type of the payload.
    pub ether_type: EtherType,
    /// What follows, padding included.
    pub payload: &'a [u8],
}

impl<'a> Received<'a> {
    /// Splits `frame`; `None` if it is too short for its headers.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (outer, rest) = Ethernet2Header::from_slice(frame).ok()?;
        let untagged = Self {
            link: Link {
                source: outer.source,
                destination: outer.destination,
                tag: None,
            },
            ether_type: outer.ether_type,
            payload: rest,
        };
        if outer.ether_type != EtherType::VLAN_TAGGED_FRAME {
            return Some(untagged);
        }
        let (inner, rest) = SingleVlanHeader::from_slice(rest).ok()?;
        Some(Self {
            link: Link {
                tag: Some(Tag {
                    vid: inner.vlan_id.value(),
                    pcp: inner.pcp.value(),
                    dei: inner.drop_eligible_indicator,
                }),
                ..untagged.link
            },
            ether_type: inner.ether_type,
            payload: rest,
        })
    }

    /// The ARP packet for IPv4 over Ethernet in this frame, if it is one.
    pub fn arp(&self) -> Option<ArpEthIpv4Packet> {
        if self.ether_type != EtherType::ARP {
            return None;
        }
        ArpPacket::from_slice(self.payload)
            .ok()?
            .try_eth_ipv4()
            .ok()
    }

    /// Whether this is an IPv4 datagram whose header checksum holds and whose ICMP checksum, if
    /// it is ICMP, holds as well.
    pub fn is_sound_ipv4(&self) -> bool {
        let Some(header) = self.ipv4() else {
            return false;
        };
        if header.to_header().calc_header_checksum() != header.header_checksum() {
            return false;
        }
        let from = header.slice().len();
        let content = self.payload.get(from..usize::from(header.total_len()));
        header.protocol() != IpNumber::ICMP
            || content
                .is_some_and(|icmp| Sum16BitWords::new().add_slice(icmp).ones_complement() == 0)
    }

    /// The IPv4 header in this frame, if there is a whole one. Its checksum is not looked at.
    pub fn ipv4(&self) -> Option<Ipv4HeaderSlice<'a>> {
        if self.ether_type != EtherType::IPV4 {
            return None;
        }
        Ipv4HeaderSlice::from_slice(self.payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: MacAddress = [0x02, 0, 0, 0, 0, 0x0a];
    const APPLIANCE: MacAddress = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    const LINK: Link = Link {
        source: ISSUER,
        destination: APPLIANCE,
        tag: Some(Tag {
            vid: 42,
            pcp: 5,
            dei: true,
        }),
    };

    #[rustfmt::skip]
    const REQUEST: [u8; 60] = [
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // destination
        0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, // source
        0x81, 0x00, 0xb0, 0x2a,             // PCP 5, DEI, VID 42
        0x08, 0x00,                         // IPv4
        0x45, 0x00, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x12, 0xb5,
        0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0b,
        0x08, 0x00, 0x41, 0x17, 0x70, 0x6c, 0x00, 0x01, // echo request
        0x01, 0x23, 0x45, 0x58,            
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,       // padding
    ];

    fn asker() -> Ipv4Addr {
        Ipv4Addr::new(10, 10, 10, 10)
    }

    fn asked() -> Ipv4Addr {
        Ipv4Addr::new(10, 10, 10, 11)
    }

    #[test]
    fn an_echo_request_is_these_bytes() {
        let echo = Echo::new(asker(), asked(), &[0x01, 0x23, 0x45, 0x58]);
        assert_eq!(echo.request(&LINK), REQUEST);
    }

    #[test]
    fn a_tagged_frame_is_split_at_its_tag() {
        let received = Received::parse(&REQUEST).unwrap();
        assert_eq!(received.link, LINK);
        assert_eq!(received.ether_type, EtherType::IPV4);
        assert_eq!(received.payload, &REQUEST[18..]);
        assert_eq!(received.ipv4().unwrap().destination_addr(), asked());
        assert!(received.arp().is_none());
    }

    #[test]
    fn a_reply_differs_in_the_type_and_its_checksum_only() {
        let echo = Echo::new(asker(), asked(), &[0x01, 0x23, 0x45, 0x58]);
        let mut expected = REQUEST;
        expected[38] = 0;
        expected[40] += 8;
        assert_eq!(echo.reply(&LINK), expected);
    }

    #[test]
    fn an_arp_request_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0x02, 0x00, 0x00, 0x00, 0x00, 0x0a,
            0x81, 0x00, 0x00, 0x2a, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01,
            0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 10, 10, 10, 10,
            0, 0, 0, 0, 0, 0, 10, 10, 10, 11,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let frame = arp_request(ISSUER, asker(), asked(), Some(Tag::new(42)));
        assert_eq!(frame, expected);
        let packet = Received::parse(&frame).unwrap().arp().unwrap();
        assert_eq!(packet.target_ipv4, [10, 10, 10, 11]);
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused_or_parsed_but_never_a_panic() {
        for length in 0..REQUEST.len() {
            if let Some(received) = Received::parse(&REQUEST[..length]) {
                let _ = (received.arp(), received.ipv4());
            }
        }
        assert!(Received::parse(&REQUEST[..17]).is_none());
    }
}
