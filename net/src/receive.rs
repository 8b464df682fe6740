//! The path of one received frame: from its first octet to its verdict.
//!
//! Each layer checks everything it must before the next one looks, in the order of RFC 1812 §5.2.2,
//! and leaves with a [`Reason`] where it cannot go on. The poll loop reaches this through
//! [`Reception`], which drivers call for every frame. Nothing here may allocate, wait or panic.

use crate::counters::Reason;
use crate::device::{Damage, MAXIMUM_FRAME, Received, Receiver, Verdict};
use crate::interface::{Interface, VlanDevice};
use crate::neighbor::Neighbor;
use crate::respond;
use crate::time::Instant;
use crate::wire::arp::{ArpPacket, Operation};
use crate::wire::checksum;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::icmpv4::EchoHeader;
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::ipv4_options::{self, OptionsError};
use crate::wire::vlan::TaggedHeader;
use core::net::Ipv4Addr;
use zerocopy::FromBytes;

/// Receives one batch of frames for an interface, all seen at the same instant.
pub struct Reception<'interface> {
    interface: &'interface mut Interface,
    now: Instant,
    milliseconds: u32,
}

impl Interface {
    /// Prepares to receive frames that were seen at `now`, `milliseconds` after the start.
    pub const fn reception(&mut self, now: Instant, milliseconds: u32) -> Reception<'_> {
        Reception {
            interface: self,
            now,
            milliseconds,
        }
    }
}

impl Receiver for Reception<'_> {
    #[inline]
    fn receive(&mut self, frame: Received<'_>) -> Verdict {
        let outcome = self.answer(frame);
        self.interface.counters.count(&outcome);
        match outcome {
            Ok(length) => Verdict::Answer { length },
            Err(_) => Verdict::Release,
        }
    }
}

impl Reception<'_> {
    /// Turns a frame into its answer and returns the answer's length, or says why there is none.
    #[inline]
    fn answer(&mut self, frame: Received<'_>) -> Result<usize, Reason> {
        if let Some(damage) = frame.damage {
            return Err(reason_for(damage));
        }
        if frame.length > MAXIMUM_FRAME {
            return Err(Reason::Oversized);
        }
        let octets = frame
            .buffer
            .get_mut(..frame.length)
            .ok_or(Reason::Oversized)?;
        let Ok((header, payload)) = TaggedHeader::mut_from_prefix(octets) else {
            return Err(reason_for_short(octets));
        };
        let own = self.interface.mac;
        check_addresses(header, own)?;
        if header.tag_protocol() != EtherType::VLAN {
            return Err(reason_for_untagged(header.tag_protocol()));
        }
        let vid = header.vid();
        if !self.interface.filter.contains(vid) {
            return Err(reason_for_vid(vid));
        }
        let length = frame.length;
        let device = self
            .interface
            .device_mut(vid)
            .ok_or_else(|| reason_for_unserved(vid))?;
        device.received.add(length);

        let source = header.source;
        let broadcast = header.destination.is_multicast();
        let answered = match header.ether_type() {
            EtherType::IPV4 => {
                self.answer_ipv4(vid, payload, broadcast, frame.can_answer, source)?
            }
            EtherType::ARP => self.answer_arp(vid, payload, frame.can_answer, source)?,
            other => return Err(reason_for_ether_type(other)),
        };
        header.turn_around(own);
        #[allow(
            clippy::arithmetic_side_effects,
            reason = "what was answered is a part of the payload behind the header"
        )]
        let length = size_of::<TaggedHeader>() + answered;
        if let Some(device) = self.interface.device_mut(vid) {
            device.transmitted.add(length);
        }
        Ok(length)
    }

    /// Answers ARP (RFC 826, "Packet Reception"). Returns the answer's octets behind the tag.
    fn answer_arp(
        &mut self,
        vid: u16,
        payload: &mut [u8],
        can_answer: bool,
        source: MacAddress,
    ) -> Result<usize, Reason> {
        let (packet, _) = ArpPacket::mut_from_prefix(payload).map_err(|_| Reason::ArpMalformed)?;
        let operation = packet.operation().ok_or(Reason::ArpMalformed)?;
        let sender_ip = packet.sender_ip();
        let target_ip = packet.target_ip();
        let device = self.device(vid)?;
        if !packet.sender_mac.is_station() || packet.sender_mac != source {
            return Err(Reason::ArpInvalidSender);
        }
        if device.owns(sender_ip) {
            return Err(Reason::ArpConflict);
        }
        // A probe is a request without a sender address yet (RFC 5227 §1.1): it is answered, and never
        // learned. A reply without one is about nobody.
        let is_probe = operation == Operation::Request && sender_ip.is_unspecified();
        if !is_probe && (!ipv4::is_host_address(sender_ip) || device.is_group(sender_ip)) {
            return Err(Reason::ArpInvalidSender);
        }
        let is_for_us = device.owns(target_ip);
        if !is_probe {
            let heard = Neighbor {
                vid,
                address: sender_ip,
                mac: packet.sender_mac,
                confirmed: self.now,
            };
            if is_for_us {
                self.interface.neighbors.learn(heard);
            } else {
                self.interface.neighbors.merge(heard);
            }
        }
        match operation {
            _ if !is_for_us => Err(Reason::ArpNotForUs),
            Operation::Reply => Err(Reason::ArpReplyTaken),
            Operation::Request if !can_answer => Err(Reason::NoTransmitSlot),
            Operation::Request => Ok(respond::arp_reply(packet, self.interface.mac)),
        }
    }

    /// Answers an IPv4 datagram. Returns the answer's octets behind the tag.
    #[inline]
    fn answer_ipv4(
        &mut self,
        vid: u16,
        payload: &mut [u8],
        broadcast: bool,
        can_answer: bool,
        source: MacAddress,
    ) -> Result<usize, Reason> {
        let (header, _) =
            Ipv4Header::ref_from_prefix(payload).map_err(|_| Reason::Ipv4Truncated)?;
        let total_length = header.total_length();
        let header_length = header.header_length();
        if header.is_plain() {
            if !header.is_checksum_valid() {
                return Err(Reason::Ipv4Checksum);
            }
        } else {
            check_unusual_header(payload)?;
        }
        // What stands behind the total length is padding (RFC 791), and not looked at.
        let (header, message) = payload
            .get_mut(..total_length)
            .and_then(|datagram| datagram.split_at_mut_checked(header_length))
            .ok_or(Reason::Ipv4TotalLength)?;
        let (header, options) =
            Ipv4Header::mut_from_prefix(header).map_err(|_| Reason::Ipv4HeaderLength)?;
        let device = self.device(vid)?;
        let destination = header.destination();
        let is_group = check_ipv4_addresses(device, header, broadcast)?;
        if !options.is_empty() {
            check_options(options)?;
        }
        if header.is_fragment() {
            return Err(Reason::Ipv4Fragment);
        }
        if header.protocol() != Protocol::ICMP {
            return Err(Reason::Ipv4Protocol);
        }
        check_echo_request(message, is_group)?;
        if !can_answer {
            return Err(Reason::NoTransmitSlot);
        }
        respond::echo_reply(header, message);
        if !options.is_empty() {
            ipv4_options::record(options, destination, self.milliseconds);
            header.seal(options);
        }
        let trace = &mut self.interface.trace;
        if trace.is_enabled() {
            trace.record(total_length as u16, self.interface.ifindex, source);
        }
        Ok(total_length)
    }

    #[inline]
    fn device(&self, vid: u16) -> Result<&VlanDevice, Reason> {
        self.interface.device(vid).ok_or(Reason::VlanWithoutDevice)
    }
}

/// A frame is for us when it is addressed to this station, or to all. One that claims to come from a
/// group or from ourselves cannot be answered.
#[inline]
fn check_addresses(header: &TaggedHeader, own: MacAddress) -> Result<(), Reason> {
    if header.destination != own && header.destination != MacAddress::BROADCAST {
        return Err(Reason::ForeignDestination);
    }
    if !header.source.is_station() || header.source == own {
        return Err(Reason::InvalidSource);
    }
    Ok(())
}

/// Checks the addresses of a datagram: its source (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7) and whether it
/// is for us. Returns whether it is for a group rather than for this host alone.
#[inline]
fn check_ipv4_addresses(
    device: &VlanDevice,
    header: &Ipv4Header,
    broadcast: bool,
) -> Result<bool, Reason> {
    let source = header.source();
    if !ipv4::is_host_address(source) || device.owns(source) || device.is_group(source) {
        return Err(Reason::Ipv4Source);
    }
    let destination = header.destination();
    if device.owns(destination) {
        if broadcast {
            return Err(Reason::LinkBroadcast);
        }
        return Ok(false);
    }
    if device.is_group(destination) {
        return Ok(true);
    }
    Err(if is_foreign_host_broadcast(destination, broadcast) {
        Reason::LinkBroadcast
    } else {
        Reason::Ipv4Destination
    })
}

/// Whether a link broadcast names a single host as its destination, be it another than ours.
fn is_foreign_host_broadcast(destination: Ipv4Addr, broadcast: bool) -> bool {
    broadcast && ipv4::is_host_address(destination)
}

/// Checks a header that is not twenty octets of version 4, in the order of RFC 1812 §5.2.2.
#[cold]
fn check_unusual_header(payload: &[u8]) -> Result<(), Reason> {
    let (header, _) = Ipv4Header::ref_from_prefix(payload).map_err(|_| Reason::Ipv4Truncated)?;
    // A header length below the minimum cannot say what the checksum covers: take the minimum.
    let covered = header.header_length().max(ipv4::HEADER_LENGTH);
    let octets = payload.get(..covered).ok_or(Reason::Ipv4Truncated)?;
    if !checksum::is_valid(octets) {
        return Err(Reason::Ipv4Checksum);
    }
    if header.version() != 4 {
        return Err(Reason::Ipv4Version);
    }
    if header.header_length() < ipv4::HEADER_LENGTH {
        return Err(Reason::Ipv4HeaderLength);
    }
    Ok(())
}

#[cold]
fn check_options(options: &[u8]) -> Result<(), Reason> {
    ipv4_options::check(options).map_err(|error| match error {
        OptionsError::Malformed => Reason::Ipv4Options,
        OptionsError::SourceRoute => Reason::Ipv4SourceRoute,
    })
}

/// Checks that an ICMP message is an echo request to this host alone. The checksum comes first: what
/// is damaged has no type.
#[inline]
fn check_echo_request(message: &[u8], is_group: bool) -> Result<(), Reason> {
    let (echo, _) = EchoHeader::ref_from_prefix(message).map_err(|_| Reason::IcmpTruncated)?;
    if !checksum::is_valid(message) {
        return Err(Reason::IcmpChecksum);
    }
    if !echo.is_request() {
        return Err(Reason::IcmpType);
    }
    if is_group {
        return Err(Reason::IcmpEchoToGroup);
    }
    Ok(())
}

#[cold]
fn reason_for(damage: Damage) -> Reason {
    match damage {
        Damage::Reported | Damage::ImpossibleLength => Reason::DeviceError,
        Damage::Oversized => Reason::Oversized,
    }
}

/// Why a frame too short for a tagged header gets no answer: one with room for an untagged header
/// still says whether it was meant to carry a tag.
#[cold]
fn reason_for_short(octets: &[u8]) -> Reason {
    match EthernetHeader::ref_from_prefix(octets) {
        Ok((header, _)) if !EtherType(header.ether_type.get()).is_tag() => Reason::Untagged,
        _ => Reason::Runt,
    }
}

#[cold]
fn reason_for_untagged(ether_type: EtherType) -> Reason {
    if ether_type.is_tag() {
        Reason::ServiceTag
    } else {
        Reason::Untagged
    }
}

/// Why a VLAN identifier outside the filter list gets no answer.
#[cold]
fn reason_for_vid(vid: u16) -> Reason {
    match vid {
        0 => Reason::PriorityTagged,
        4095 => Reason::ReservedVlan,
        _ => Reason::VlanNotInFilter,
    }
}

/// Why a VLAN identifier inside the filter list gets no answer when no device has it.
#[cold]
fn reason_for_unserved(vid: u16) -> Reason {
    match reason_for_vid(vid) {
        Reason::VlanNotInFilter => Reason::VlanWithoutDevice,
        reserved => reserved,
    }
}

#[cold]
fn reason_for_ether_type(ether_type: EtherType) -> Reason {
    if ether_type.is_tag() {
        Reason::StackedTag
    } else if ether_type.is_length() {
        Reason::LengthField
    } else {
        Reason::UnknownEtherType
    }
}

#[cfg(test)]
mod tests;
