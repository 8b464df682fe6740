//! A frame in words, as `tcpdump` has them. Who looks at a dropped frame looks at one that is wrong, of whatever
//! protocol: it is taken apart by a library made for that, and what cannot be is shown as far as it can.

use core::fmt;
use etherparse::{
    ArpPacketSlice, EtherType, Icmpv4Slice, Icmpv4Type, LaxIpv4Slice, LaxLinkExtSlice, LaxNetSlice,
    LaxSlicedPacket, LinkSlice, TransportSlice,
};
use pollux_net::capture::Record;
use pollux_net::wire::ethernet::MacAddress;

/// The VLAN of a frame, by its outer tag.
pub(super) fn vid(record: &Record) -> Option<u16> {
    match record.octets() {
        [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            0x81,
            0x00,
            high,
            low,
            ..,
        ] => Some(u16::from_be_bytes([*high, *low]) & 0x0fff),
        _ => None,
    }
}

/// A frame, displayed in words.
pub(crate) struct Decoded<'a> {
    /// The first of its octets.
    pub octets: &'a [u8],
    /// How long it was.
    pub length: usize,
    /// Whether the station addresses are shown where there are others, too.
    pub with_stations: bool,
}

impl fmt::Display for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        let Ok(packet) = LaxSlicedPacket::from_ethernet(self.octets) else {
            return write!(f, "no whole Ethernet header, length {length}");
        };
        let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else {
            return write!(f, "no Ethernet frame, length {length}");
        };
        if self.with_stations || packet.net.is_none() {
            let source = MacAddress(ethernet.source());
            let destination = MacAddress(ethernet.destination());
            write!(f, "{source} > {destination}, ")?;
        }
        let mut ether_type = ethernet.ether_type();
        for extension in &packet.link_exts {
            if let LaxLinkExtSlice::Vlan(tag) = extension {
                if ether_type != EtherType::VLAN_TAGGED_FRAME {
                    write!(f, "tag {:#06x} ", ether_type.0)?;
                }
                write!(f, "vlan {}", tag.vlan_identifier().value())?;
                match tag.priority_code_point().value() {
                    0 => {}
                    priority => write!(f, " p {priority}")?,
                }
                f.write_str(", ")?;
                ether_type = tag.ether_type();
            }
        }
        match (&packet.net, &packet.transport) {
            (Some(LaxNetSlice::Arp(arp)), _) => arp_words(arp, f),
            (Some(LaxNetSlice::Ipv4(ipv4)), transport) => ipv4_words(ipv4, transport.as_ref(), f),
            (Some(LaxNetSlice::Ipv6(ipv6)), _) => {
                let header = ipv6.header();
                let (source, destination) = (header.source_addr(), header.destination_addr());
                write!(f, "IP6 {source} > {destination}")
            }
            (None, _) if ether_type.0 <= 1500 => write!(f, "802.3, length {length}"),
            (None, _) => match ether_type {
                EtherType::IPV4 => write!(f, "IP, header not whole, length {length}"),
                EtherType::ARP => write!(f, "ARP, not whole, length {length}"),
                other => write!(f, "ethertype {:#06x}, length {length}", other.0),
            },
        }
    }
}

fn arp_words(arp: &ArpPacketSlice<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let address = |octets: &[u8]| {
        let octets: Option<[u8; 4]> = octets.try_into().ok();
        octets.map(core::net::Ipv4Addr::from)
    };
    let sender = address(arp.sender_protocol_addr());
    let target = address(arp.target_protocol_addr());
    let (Some(sender), Some(target)) = (sender, target) else {
        return write!(f, "ARP, not for IPv4");
    };
    match arp.operation().0 {
        1 => write!(f, "ARP, who-has {target} tell {sender}"),
        2 => {
            let station = arp.sender_hw_addr().try_into().unwrap_or([0; 6]);
            write!(f, "ARP, {sender} is-at {}", MacAddress(station))
        }
        operation => write!(f, "ARP, operation {operation}, {sender} to {target}"),
    }
}

fn ipv4_words(
    ipv4: &LaxIpv4Slice<'_>,
    transport: Option<&TransportSlice<'_>>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let header = ipv4.header();
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let length = header
        .total_len()
        .saturating_sub(u16::from(header.ihl()) * 4);
    match transport {
        Some(TransportSlice::Udp(udp)) => write!(
            f,
            "IP {source}.{} > {destination}.{}: UDP, length {}",
            udp.source_port(),
            udp.destination_port(),
            udp.length().saturating_sub(8)
        ),
        Some(TransportSlice::Tcp(tcp)) => write!(
            f,
            "IP {source}.{} > {destination}.{}: TCP{}{}{}",
            tcp.source_port(),
            tcp.destination_port(),
            if tcp.syn() { " syn" } else { "" },
            if tcp.fin() { " fin" } else { "" },
            if tcp.rst() { " rst" } else { "" },
        ),
        Some(TransportSlice::Icmpv4(icmp)) => {
            write!(f, "IP {source} > {destination}: ICMP ")?;
            icmp_words(icmp, f)?;
            write!(f, ", length {length}")
        }
        _ => {
            let protocol = header.protocol();
            write!(f, "IP {source} > {destination}: ")?;
            match protocol.keyword_str() {
                Some(keyword) => f.write_str(keyword)?,
                None => write!(f, "protocol {}", protocol.0)?,
            }
            write!(f, ", length {length}")
        }
    }?;
    let offset = header.fragments_offset().byte_offset();
    if header.more_fragments() || offset > 0 {
        let id = header.identification();
        let more = if header.more_fragments() { "+" } else { "" };
        write!(f, ", frag {id}:{length}@{offset}{more}")?;
    }
    Ok(())
}

fn icmp_words(icmp: &Icmpv4Slice<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match icmp.icmp_type() {
        Icmpv4Type::EchoRequest(echo) => {
            write!(f, "echo request, id {}, seq {}", echo.id, echo.seq)
        }
        Icmpv4Type::EchoReply(echo) => write!(f, "echo reply, id {}, seq {}", echo.id, echo.seq),
        Icmpv4Type::DestinationUnreachable(_) => {
            write!(f, "destination unreachable, code {}", icmp.code_u8())
        }
        Icmpv4Type::TimeExceeded(_) => write!(f, "time exceeded, code {}", icmp.code_u8()),
        Icmpv4Type::ParameterProblem(_) => write!(f, "parameter problem, code {}", icmp.code_u8()),
        _ => write!(f, "type {}, code {}", icmp.type_u8(), icmp.code_u8()),
    }
}
