//! Requests become their answers, in place.
//!
//! [`crate::receive`] has checked everything before it calls one of these; here only the few fields
//! that differ between a request and its answer are written.

use crate::wire::arp::ArpPacket;
use crate::wire::ethernet::MacAddress;
use crate::wire::icmpv4::EchoHeader;
use crate::wire::ipv4::Ipv4Header;
use zerocopy::FromBytes;

/// Answers an ARP request for an address of ours. Returns the answer's octets.
pub(crate) fn arp_reply(packet: &mut ArpPacket, own: MacAddress) -> usize {
    packet.turn_into_reply(own);
    size_of::<ArpPacket>()
}

/// Answers an echo request (RFC 1122 §3.2.2.6): all data returned, from the address that was asked.
#[inline]
pub(crate) fn echo_reply(header: &mut Ipv4Header, message: &mut [u8]) {
    header.turn_around();
    if let Ok((echo, data)) = EchoHeader::mut_from_prefix(message) {
        echo.turn_into_reply(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::checksum;
    use core::net::Ipv4Addr;
    use zerocopy::IntoBytes;

    const OWN: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    #[test]
    fn an_arp_reply_is_as_long_as_its_request() {
        let mut packet = ArpPacket::announcement(OWN, Ipv4Addr::new(10, 10, 10, 11));
        assert_eq!(arp_reply(&mut packet, OWN), 28);
        assert_eq!(packet.as_bytes()[6..8], [0, 2]);
    }

    #[test]
    fn an_echo_reply_turns_both_headers_around_and_leaves_the_data() {
        let mut octets = [
            0x45, 0, 0, 30, 0, 0, 0, 0, 64, 1, 0x52, 0xb9, 10, 10, 10, 10, 10, 10, 10,
            11, // IPv4
            8, 0, 0x8d, 0x95, 0, 0, 0, 1, b'h', b'i', // ICMP
        ];
        let octets = &mut octets[..];
        checksum::tests::seal(&mut octets[..20], 10);
        checksum::tests::seal(&mut octets[20..], 2);
        let (header, message) = Ipv4Header::mut_from_prefix(octets).expect("20 octets");
        echo_reply(header, message);
        assert!(header.is_checksum_valid());
        assert!(checksum::is_valid(message));
        assert_eq!(header.source(), Ipv4Addr::new(10, 10, 10, 11));
        assert_eq!(header.destination(), Ipv4Addr::new(10, 10, 10, 10));
        assert_eq!(message[..2], [0, 0]);
        assert_eq!(message[4..], [0, 0, 0, 1, b'h', b'i']);
    }
}
