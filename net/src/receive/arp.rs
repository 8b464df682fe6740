//! ARP, on the path of a frame.

use super::{Inbound, refuse};
use crate::counters::Reason;
use crate::neighbor::{Neighbor, NeighborTable};
use crate::respond;
use crate::time::Instant;
use crate::wire::arp::{ArpPacket, Operation};
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4;
use zerocopy::FromBytes;

impl Inbound<'_> {
    /// Answers ARP (RFC 826, "Packet Reception"). Returns the answer's octets behind the tag.
    #[inline(never)]
    pub(super) fn answer_arp(
        self,
        payload: &mut [u8],
        can_answer: bool,
        own: MacAddress,
        neighbors: &mut NeighborTable,
        now: Instant,
    ) -> Result<usize, Reason> {
        let (packet, _) = ArpPacket::mut_from_prefix(payload).map_err(|_| Reason::ArpMalformed)?;
        let operation = packet.operation().ok_or(Reason::ArpMalformed)?;
        let sender_ip = packet.sender_ip();
        let target_ip = packet.target_ip();
        if !packet.sender_mac.is_station() || packet.sender_mac != self.header.source {
            return refuse(Reason::ArpInvalidSender);
        }
        if self.device.owns(sender_ip) {
            return refuse(Reason::ArpConflict);
        }
        // A probe is a request without a sender address yet (RFC 5227 §1.1): it is answered, and never
        // learned. A reply without one is about nobody.
        let is_probe = operation == Operation::Request && sender_ip.is_unspecified();
        if !is_probe && (!ipv4::is_host_address(sender_ip) || self.device.is_group(sender_ip)) {
            return refuse(Reason::ArpInvalidSender);
        }
        let is_for_us = self.device.owns(target_ip);
        if !is_probe {
            let heard = Neighbor {
                vid: self.device.vid(),
                address: sender_ip,
                mac: packet.sender_mac,
                confirmed: now,
            };
            if is_for_us {
                neighbors.learn(heard);
            } else {
                neighbors.merge(heard);
            }
        }
        match operation {
            _ if !is_for_us => Err(Reason::ArpNotForUs),
            Operation::Reply => Err(Reason::ArpReplyTaken),
            Operation::Request if !can_answer => Err(Reason::NoTransmitSlot),
            Operation::Request => Ok(respond::arp_reply(packet, own)),
        }
    }
}
