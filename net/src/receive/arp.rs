//! ARP, on the path of a frame.

use super::Exit;
use crate::arrival::Arrival;
use crate::counters::Reason;
use crate::interface::Interface;
use crate::neighbor::Neighbor;
use crate::respond;
use crate::wire::arp::{ArpPacket, Operation};
use crate::wire::ipv4;
use zerocopy::FromBytes;

impl Interface {
    /// Answers ARP (RFC 826, "Packet Reception"). Returns the answer's octets.
    pub(super) fn answer_arp(
        &mut self,
        payload: &mut [u8],
        arrival: &Arrival,
        can_answer: bool,
    ) -> Result<usize, Exit> {
        let (packet, _) = ArpPacket::mut_from_prefix(payload).map_err(|_| Reason::ArpMalformed)?;
        let operation = packet.operation().ok_or(Reason::ArpMalformed)?;
        let vid = arrival.vid.unwrap_or(0);
        let device = self.vlans.device(vid).ok_or(Reason::VlanWithoutDevice)?;
        let (sender_ip, target_ip) = (packet.sender_ip(), packet.target_ip());
        if !packet.sender_mac.is_station() || packet.sender_mac != arrival.source_mac {
            return Err(Reason::ArpInvalidSender.into());
        }
        let is_for_us = device.owns(target_ip);
        // A probe is a request without a sender address yet (RFC 5227 §1.1): it is answered, and never
        // learned. A reply without one is about nobody.
        let is_probe = operation == Operation::Request && sender_ip.is_unspecified();
        let is_host = ipv4::is_host_address(sender_ip) && !device.is_group(sender_ip);
        let is_conflict = device.owns(sender_ip);
        if is_conflict || self.claims.is_listening() {
            self.hear_claim(vid, packet, arrival.seen);
        }
        if is_conflict {
            return Err(Reason::ArpConflict.into());
        }
        if !is_probe && !is_host {
            return Err(Reason::ArpInvalidSender.into());
        }
        if !is_probe {
            let heard = Neighbor {
                vid,
                address: sender_ip,
                mac: packet.sender_mac,
                confirmed: arrival.seen,
            };
            if is_for_us {
                self.neighbors.learn(heard);
            } else {
                self.neighbors.merge(heard);
            }
        }
        let reason = match operation {
            _ if !is_for_us => Reason::ArpNotForUs,
            Operation::Reply => Reason::ArpReplyTaken,
            Operation::Request if !can_answer => Reason::NoTransmitSlot,
            Operation::Request => return Ok(respond::arp_reply(packet, self.station.address())),
        };
        Err(reason.into())
    }
}
