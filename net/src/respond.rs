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
    if let Ok((echo, _)) = EchoHeader::mut_from_prefix(message) {
        echo.turn_into_reply();
    }
}
