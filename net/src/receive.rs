//! The path of one received frame: from its first octet to its verdict.
//!
//! Each layer checks everything it must before the next one looks, in the order of RFC 1812 §5.2.2,
//! and leaves with a [`Reason`] where it cannot go on. The poll loop reaches this through
//! [`Reception`], which drivers call for every frame. Nothing here may allocate, wait or panic.
//!
//! The path of an echo request without IP options is laid out as one straight line: what is rarer
//! stands in functions of its own, and the compiler is told which way is the usual one.

mod arp;
mod ipv4;
mod udp;

use self::ipv4::Ipv4Context;
use crate::counters::Reason;
use crate::device::{Damage, MAXIMUM_FRAME, Received, Receiver, Verdict};
use crate::interface::{Interface, VlanDevice};
use crate::time::Instant;
use crate::trace::Trace;
use crate::vlan::VlanSet;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::ipv4::{Ipv4Header, Protocol};
use crate::wire::vlan::TaggedHeader;
use core::hint::cold_path;
use zerocopy::FromBytes;

/// Receives one batch of frames for an interface, all seen at the same instant.
pub struct Reception<'interface> {
    interface: &'interface mut Interface,
    /// The interface's station address.
    own: u64,
    now: Instant,
    milliseconds: u32,
}

impl Interface {
    /// Prepares to receive frames that were seen at `now`, `milliseconds` after the start.
    pub const fn reception(&mut self, now: Instant, milliseconds: u32) -> Reception<'_> {
        Reception {
            own: self.mac.to_bits(),
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
            return refuse(reason_for(damage));
        }
        if frame.length > MAXIMUM_FRAME {
            return refuse(Reason::Oversized);
        }
        let Some(length) = frame.length.checked_sub(size_of::<TaggedHeader>()) else {
            return refuse(reason_for_short(frame.buffer, frame.length));
        };
        // The payload is the first `length` octets of `room`; behind it an answer may grow.
        let Ok((header, room)) = TaggedHeader::mut_from_prefix(&mut frame.buffer[..]) else {
            return refuse(Reason::Runt);
        };
        let interface = &mut *self.interface;
        let broadcast = check_addresses(header, self.own)?;
        if header.tag_protocol() != EtherType::VLAN {
            return refuse(reason_for_untagged(header.tag_protocol()));
        }
        let vid = header.vid();
        let Some(device) = interface.vlans.realtime(vid) else {
            return refuse(reason_for_vid(vid, interface.vlans.filter()));
        };
        device.count_received(frame.length);

        let inbound = Inbound { header, device };
        let answered = if header.ether_type() == EtherType::IPV4 {
            let context = Ipv4Context {
                can_answer: frame.can_answer,
                broadcast,
                screen: &interface.screen,
                services: &mut interface.services,
                now: self.now,
                milliseconds: self.milliseconds,
            };
            let octets = inbound.answer_ipv4(room, length, context)?;
            if interface.trace.is_enabled() {
                let (trace, ifindex) = (&mut interface.trace, interface.ifindex);
                trace_echo(trace, ifindex, room, header.source);
            }
            octets
        } else if header.ether_type() == EtherType::ARP {
            let (own, neighbors) = (interface.mac, &mut interface.neighbors);
            let Some(payload) = room.get_mut(..length) else {
                return refuse(Reason::Oversized);
            };
            inbound.answer_arp(payload, frame.can_answer, own, neighbors, self.now)?
        } else {
            return refuse(reason_for_ether_type(header.ether_type()));
        };
        header.turn_around(&interface.mac);
        #[allow(
            clippy::arithmetic_side_effects,
            reason = "what was answered is a part of the payload behind the header"
        )]
        let length = size_of::<TaggedHeader>() + answered;
        device.count_transmitted(length);
        Ok(length)
    }
}

/// What the layers above the tag need to know of a frame: its addresses, and the device to which its
/// tag has led.
#[derive(Clone, Copy)]
struct Inbound<'frame> {
    header: &'frame TaggedHeader,
    device: &'frame VlanDevice,
}

/// Records an answered echo request, whose answer is at the start of `datagram`; answers of other
/// protocols are not what the trace is about.
#[cold]
fn trace_echo(trace: &mut Trace, ifindex: u32, datagram: &[u8], asker: MacAddress) {
    if let Ok((header, _)) = Ipv4Header::ref_from_prefix(datagram)
        && header.protocol() == Protocol::ICMP
    {
        trace.record(header.total_length() as u16, ifindex, asker);
    }
}

/// A frame is for us when it is addressed to this station, or to all: returns whether to all. One that
/// claims to come from a group or from ourselves cannot be answered.
#[inline]
fn check_addresses(header: &TaggedHeader, own: u64) -> Result<bool, Reason> {
    let broadcast = header.destination.to_bits() != own;
    if broadcast && !header.destination.is_broadcast() {
        return refuse(Reason::ForeignDestination);
    }
    if !header.source.is_station() || header.source.to_bits() == own {
        return refuse(Reason::InvalidSource);
    }
    Ok(broadcast)
}

/// Leaves the path of a frame. Every way out but the answer goes through here, so that the compiler
/// keeps them all out of the way of the answer.
#[inline]
const fn refuse<T>(reason: Reason) -> Result<T, Reason> {
    cold_path();
    Err(reason)
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
fn reason_for_short(buffer: &[u8], length: usize) -> Reason {
    match EthernetHeader::ref_from_prefix(buffer.get(..length).unwrap_or_default()) {
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

/// Why the frames of a VLAN that is not served get no answer.
#[cold]
fn reason_for_vid(vid: u16, filter: &VlanSet) -> Reason {
    match vid {
        0 => Reason::PriorityTagged,
        4095 => Reason::ReservedVlan,
        _ if filter.contains(vid) => Reason::VlanWithoutDevice,
        _ => Reason::VlanNotInFilter,
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
