//! The path of one received frame: from its first octet to its verdict.
//!
//! Each layer checks everything it must before the next one looks, in the order of RFC 1812 §5.2.2,
//! and leaves with a [`Reason`] where it cannot go on. The poll loop reaches this through
//! [`Reception`], which drivers call for every frame, and through [`DeferredReception`] for those in-band
//! frames that were put off until the wire was quiet. Nothing here may allocate, wait or panic.
//!
//! The path of a real-time echo request without IP options is laid out as one straight line: what is
//! rarer stands in functions of its own, and the compiler is told which way is the usual one.

mod arp;
mod ethernet;
mod filtered;
mod ipv4;
mod udp;
mod watched;

use self::ipv4::{Host, Ipv4Context};
use crate::arrival::Arrival;
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, Damage, MAXIMUM_FRAME, Received, Receiver, SoundFrame, Verdict};
use crate::filter;
use crate::interface::Interface;
use crate::time::Instant;
use crate::trace::Trace;
use crate::wire::ethernet::{EtherType, EthernetHeader, MacAddress};
use crate::wire::ipv4::{Ipv4Header, Protocol};
use crate::wire::vlan::TaggedHeader;
use zerocopy::FromBytes;

/// Receives one batch of frames for an interface, all seen at the same instant.
pub struct Reception<'interface> {
    interface: &'interface mut Interface,
    now: Instant,
    milliseconds: u32,
}

/// Receives in-band frames whose turn has come.
pub struct DeferredReception<'interface>(Reception<'interface>);

impl Interface {
    /// Prepares to receive frames that were seen at `now`, `milliseconds` after the start.
    pub const fn reception(&mut self, now: Instant, milliseconds: u32) -> Reception<'_> {
        Reception {
            interface: self,
            now,
            milliseconds,
        }
    }

    /// Prepares to receive frames that [`Self::reception`] put off.
    pub const fn deferred_reception(
        &mut self,
        now: Instant,
        milliseconds: u32,
    ) -> DeferredReception<'_> {
        DeferredReception(self.reception(now, milliseconds))
    }
}

/// How a frame leaves that is not answered where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// There is no answer.
    Refused(Reason),
    /// There is no answer, and an ICMP error of so many octets, behind the Ethernet header, says so.
    Reported(Reason, usize),
    /// The answer goes out elsewhere.
    AnsweredElsewhere,
    /// It is in-band, and waits for a quiet moment.
    Deferred,
}

impl From<Reason> for Exit {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Receiver for Reception<'_> {
    // Into the loop of each driver: a call for each frame would cost a tenth of what a frame costs.
    #[inline(always)]
    fn receive_usual<F>(&mut self, frame: &mut F, length: usize) -> Option<Verdict>
    where
        F: SoundFrame + ?Sized,
    {
        self.receive_usual_for(frame, length, self.interface.usual)
    }

    fn receive(&mut self, frame: Received<'_>) -> Verdict {
        if self.interface.is_only_filtered {
            return self.handed_on().receive_filtered(frame);
        }
        self.handed_on().receive_any(frame, None)
    }
}

impl Receiver for DeferredReception<'_> {
    fn receive(&mut self, mut frame: Received<'_>) -> Verdict {
        let Self(reception) = self;
        reception.interface.counters.count_served_in_band();
        reception.keep_arrived(frame.buffer, frame.length);
        let header = FrontHeader::read(frame.buffer);
        let answered = reception.answer_any(&mut frame, &header);
        let verdict = reception.conclude(answered, frame.buffer, frame.length);
        reception.keep_verdict(frame.buffer, verdict);
        verdict
    }
}

impl Reception<'_> {
    /// The same, for a function that is called: so the usual way, which calls none, need not put it into memory.
    #[inline(always)]
    const fn handed_on(&mut self) -> Reception<'_> {
        Reception {
            interface: self.interface,
            now: self.now,
            milliseconds: self.milliseconds,
        }
    }

    /// What a frame carries that is what nearly every frame to an appliance like this is, as far as its headers say:
    /// a whole datagram without IP options to one of our addresses, in a frame to `station` alone, in a VLAN
    /// that is served in real time. `None` for anything else; which of the conditions failed does not matter here, and so
    /// neither does their order. The header's checksum is left to whoever goes on.
    #[inline(always)]
    fn protocol_of_usual(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        frame_length: usize,
        station: u64,
    ) -> Option<Protocol> {
        if !(ipv4::SHORTEST_USUAL_FRAME..=MAXIMUM_FRAME).contains(&frame_length) {
            return None;
        }
        let (front, room) = TaggedHeader::ref_from_prefix(&buffer[..]).ok()?;
        let (destination, source) = front.address_bits();
        let is_usual = destination == station
            && MacAddress::is_station_bits(source)
            && source != destination
            && front.tag_protocol() == EtherType::VLAN
            && front.ether_type() == EtherType::IPV4;
        if !is_usual {
            return None;
        }
        let interface = &mut *self.interface;
        let device = interface.vlans.realtime(front.vid())?;
        let payload = room.get(..frame_length.checked_sub(size_of::<TaggedHeader>())?)?;
        ipv4::protocol_of_usual(payload, device, &interface.screen)
    }

    /// Receives a frame to `station` that is what nearly every frame to an appliance like this is. `None` when it is anything
    /// else, or not sound, and then nothing has happened, but that its checksum may have been completed.
    #[inline(always)]
    fn receive_usual_for<F>(
        &mut self,
        frame: &mut F,
        length: usize,
        station: u64,
    ) -> Option<Verdict>
    where
        F: SoundFrame + ?Sized,
    {
        let buffer = frame.bytes();
        match self.protocol_of_usual(buffer, length, station)? {
            Protocol::ICMP => {
                let length = self.answer_echo(buffer, length)?;
                let counters = &mut self.interface.counters;
                counters.count_received();
                counters.count_answered();
                Some(Verdict::Answer { length })
            }
            Protocol::UDP => {
                let checksum = frame.transport_checksum();
                self.handed_on()
                    .receive_usual_udp(frame.bytes(), length, checksum)
            }
            _ => None,
        }
    }

    /// Answers an echo request in a frame of which [`Self::protocol_of_usual`] said that it is one of ICMP. Returns
    /// the answer's length; anything else it leaves as it is, uncounted.
    #[inline(always)]
    fn answer_echo(
        &mut self,
        buffer: &mut [u8; BUFFER_SIZE],
        frame_length: usize,
    ) -> Option<usize> {
        let (front, room) = TaggedHeader::mut_from_prefix(&mut buffer[..]).ok()?;
        let interface = &mut *self.interface;
        let device = interface.vlans.realtime(front.vid())?;
        let payload = room.get_mut(..frame_length.checked_sub(size_of::<TaggedHeader>())?)?;
        let octets = ipv4::answer_echo(payload)?;
        front.turn_around(interface.station);
        let length = size_of::<TaggedHeader>().saturating_add(octets);
        device.count_received(frame_length);
        device.count_transmitted(length);
        Some(length)
    }

    /// Receives any frame that arrived, with what the program said of it, if it was asked. (Not that it were rare: so the compiler
    /// keeps what it needs of registers out of the way of the usual frame.)
    #[cold]
    #[inline(never)]
    fn receive_any(mut self, mut frame: Received<'_>, asked: Option<filter::Verdict>) -> Verdict {
        self.interface.counters.count_received();
        let answered = match frame.damage {
            Some(damage) => Err(reason_for(damage).into()),
            None => self.receive_sound(&mut frame, asked),
        };
        let verdict = self.conclude(answered, frame.buffer, frame.length);
        if self.interface.is_watched {
            self.keep_verdict(frame.buffer, verdict);
        }
        verdict
    }

    /// Receives a frame that the device delivered whole.
    #[inline(always)]
    fn receive_sound(
        &mut self,
        frame: &mut Received<'_>,
        asked: Option<filter::Verdict>,
    ) -> Result<usize, Exit> {
        let is_watched = self.interface.is_watched && asked.is_none();
        let is_accepted = match asked {
            Some(said) => self.obey(said, frame.buffer, frame.length, frame.can_defer)?,
            None => is_watched && self.look_closer(frame.buffer, frame.length, frame.can_defer)?,
        };
        // Any other frame was asked for this before it came here. What is served in real time is not served
        // differently when a program accepted it.
        let served = if is_watched || !frame.can_answer {
            self.serve_usual(frame)
        } else {
            None
        };
        match served {
            Some(served) => served,
            None => self.answer(frame, is_accepted),
        }
    }

    /// Turns a frame into its answer and returns the answer's length, or says how else it leaves. What a
    /// program accepted is answered in real time without asking the VLAN rule.
    fn answer(&mut self, frame: &mut Received<'_>, is_accepted: bool) -> Result<usize, Exit> {
        let can_defer = frame.can_defer;
        let header = self.check_front(frame.buffer, frame.length)?;
        let header = if is_accepted {
            filtered::check_accepted(header)?;
            FrontHeader::read(frame.buffer)
        } else if header.tag_protocol() != EtherType::VLAN {
            return Err(self
                .interface
                .without_vlan(header.tag_protocol(), can_defer));
        } else {
            let Some(device) = self.interface.vlans.realtime(header.vid()) else {
                return Err(self.interface.in_band(header.vid(), can_defer));
            };
            device.count_received(frame.length);
            FrontHeader::tagged(header)
        };
        self.answer_any(frame, &header)
    }

    /// The front of a frame, which is long enough and for us.
    #[inline]
    fn check_front<'buffer>(
        &self,
        buffer: &'buffer [u8; BUFFER_SIZE],
        length: usize,
    ) -> Result<&'buffer TaggedHeader, Exit> {
        if length > MAXIMUM_FRAME {
            return Err(Reason::Oversized.into());
        }
        if length < size_of::<TaggedHeader>() {
            return Err(reason_for_short(buffer, length).into());
        }
        let (header, _) = TaggedHeader::ref_from_prefix(&buffer[..]).map_err(|_| Reason::Runt)?;
        check_addresses(header, self.interface.station.to_bits())?;
        Ok(header)
    }

    /// Answers any frame for a device of ours, in either plane, step by step.
    fn answer_any(
        &mut self,
        frame: &mut Received<'_>,
        header: &FrontHeader,
    ) -> Result<usize, Exit> {
        let (frame_length, can_answer) = (frame.length, frame.can_answer);
        let arrival = header.arrival(self.now);
        let (front, room) = frame.buffer.split_at_mut(header.length);
        let length = frame_length
            .checked_sub(header.length)
            .ok_or(Reason::Runt)?;
        let interface = &mut *self.interface;
        let vid = arrival.vid.unwrap_or(0);
        if !interface.vlans.is_up(vid) {
            // It was put off, and the device taken down or away meanwhile.
            return Err(interface.without_device(vid).into());
        }
        let device = interface.vlans.device_mut(vid);
        let device = device.ok_or(Reason::VlanWithoutDevice)?;
        if header.is_in_band {
            device.count_received(frame_length);
        }
        let octets = match header.ether_type {
            EtherType::IPV4 => {
                let mut context = Ipv4Context {
                    host: Host {
                        arrival,
                        own: interface.station.address(),
                        device,
                        checksum: frame.checksum,
                        can_answer,
                        screen: &interface.screen,
                        services: &mut interface.services,
                        errors: &mut interface.icmp_errors,
                        ping: &mut interface.ping,
                        milliseconds: self.milliseconds,
                    },
                    reassembly: &mut interface.reassembly,
                    large: &mut interface.large,
                };
                let octets = context.answer_any(room, length)?;
                if interface.trace.is_enabled() {
                    let (trace, ifindex) = (&mut interface.trace, interface.ifindex);
                    trace_echo(trace, ifindex, room, arrival.source_mac);
                }
                octets
            }
            EtherType::ARP => {
                let payload = room.get_mut(..length).ok_or(Reason::Oversized)?;
                interface.answer_arp(payload, &arrival, can_answer)?
            }
            ether_type => {
                let frame = ethernet::Payload { room, length };
                let services = &mut interface.ethernet_services;
                ethernet::answer(services, ether_type, frame, &arrival, can_answer)?
            }
        };
        let length = header.length.saturating_add(octets);
        turn_around(front, interface.station.address());
        interface.count_transmitted(vid, length);
        Ok(length)
    }

    /// Counts what became of a frame, and says what becomes of its buffer.
    #[inline(always)]
    fn conclude(
        &mut self,
        answered: Result<usize, Exit>,
        buffer: &mut [u8; BUFFER_SIZE],
        length: usize,
    ) -> Verdict {
        let counters = &mut self.interface.counters;
        match answered {
            Ok(length) => {
                counters.count_answered();
                Verdict::Answer { length }
            }
            Err(Exit::Refused(reason)) => {
                counters.count_unanswered(reason);
                self.keep_unanswered(buffer, length, reason);
                Verdict::Release
            }
            Err(Exit::Reported(reason, octets)) => {
                counters.count_unanswered(reason);
                self.keep_reported(buffer, length, reason);
                let header = FrontHeader::read(buffer);
                let length = header.length.saturating_add(octets);
                turn_around(buffer, self.interface.station.address());
                self.interface.count_transmitted(header.vid(), length);
                Verdict::Answer { length }
            }
            Err(Exit::AnsweredElsewhere) => {
                counters.count_answered();
                Verdict::Release
            }
            Err(Exit::Deferred) => {
                counters.count_deferred();
                Verdict::Defer
            }
        }
    }
}

impl Interface {
    /// How a frame leaves whose Ethernet header does not begin with a VLAN tag.
    #[cold]
    fn without_vlan(&self, ether_type: EtherType, can_defer: bool) -> Exit {
        if ether_type == EtherType::SERVICE_VLAN || ether_type == EtherType::OLD_STACKED_VLAN {
            return Reason::ServiceTag.into();
        }
        if self.card_device().addresses().is_empty() || !self.vlans.is_up(0) {
            return Reason::Untagged.into();
        }
        wait(can_defer)
    }

    /// How a frame leaves whose VLAN is not served in real time.
    #[cold]
    fn in_band(&self, vid: u16, can_defer: bool) -> Exit {
        let reason = match (vid, self.vlans.device(vid)) {
            (0, _) if self.card_device().addresses().is_empty() || !self.vlans.is_up(0) => {
                Reason::PriorityTagged
            }
            (4095, _) => Reason::ReservedVlan,
            (_, Some(_)) if self.vlans.is_up(vid) => return wait(can_defer),
            _ => self.without_device(vid),
        };
        reason.into()
    }

    /// Why a VLAN is served in neither plane.
    fn without_device(&self, vid: u16) -> Reason {
        match self.vlans.device(vid) {
            Some(_) => Reason::DeviceDown,
            None if self.vlan_filter().contains(vid) => Reason::VlanWithoutDevice,
            None => Reason::VlanNotInFilter,
        }
    }
}

/// What the Ethernet header of a frame says, with a tag or without.
struct FrontHeader {
    destination: MacAddress,
    source: MacAddress,
    /// The tag control information; `None` without a tag.
    tag_control: Option<u16>,
    ether_type: EtherType,
    /// Octets in front of the payload.
    length: usize,
    /// Whether the frame was put off, and so not counted on its device yet.
    is_in_band: bool,
}

impl FrontHeader {
    fn tagged(header: &TaggedHeader) -> Self {
        Self {
            destination: header.destination,
            source: header.source,
            tag_control: Some(header.tag_control.get()),
            ether_type: header.ether_type(),
            length: size_of::<TaggedHeader>(),
            is_in_band: false,
        }
    }

    /// Reads the header of a frame that was put off. Such a one is no runt.
    fn read(buffer: &[u8; BUFFER_SIZE]) -> Self {
        let tagged = TaggedHeader::ref_from_prefix(&buffer[..]);
        if let Ok((header, _)) = tagged
            && header.tag_protocol() == EtherType::VLAN
        {
            return Self {
                is_in_band: true,
                ..Self::tagged(header)
            };
        }
        let untagged = EthernetHeader::read_from_prefix(&buffer[..]);
        let (destination, source, ether_type) = match untagged {
            Ok((header, _)) => (header.destination, header.source, header.ether_type.get()),
            // A buffer has room for a header.
            Err(_) => (MacAddress::default(), MacAddress::default(), 0),
        };
        Self {
            destination,
            source,
            tag_control: None,
            ether_type: EtherType(ether_type),
            length: size_of::<EthernetHeader>(),
            is_in_band: true,
        }
    }

    fn vid(&self) -> u16 {
        self.tag_control.unwrap_or(0) & 0x0fff
    }

    fn arrival(&self, seen: Instant) -> Arrival {
        let (destination, source) = (self.destination, self.source);
        Arrival::new(destination, source, self.tag_control, seen)
    }
}

/// Addresses a frame back to its sender, from `own`; a tag stays as it is.
fn turn_around(frame: &mut [u8], own: MacAddress) {
    if let Ok((header, _)) = EthernetHeader::mut_from_prefix(frame) {
        header.destination = header.source;
        header.source = own;
    }
}

/// How an in-band frame leaves.
const fn wait(can_defer: bool) -> Exit {
    if can_defer {
        Exit::Deferred
    } else {
        Exit::Refused(Reason::InBandQueueFull)
    }
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

/// A frame is for us when it is addressed to this station, or to all. One that claims to come from a group
/// or from ourselves cannot be answered.
fn check_addresses(header: &TaggedHeader, own: u64) -> Result<(), Reason> {
    if header.destination.to_bits() != own && !header.destination.is_broadcast() {
        return Err(Reason::ForeignDestination);
    }
    if !header.source.is_station() || header.source.to_bits() == own {
        return Err(Reason::InvalidSource);
    }
    Ok(())
}

fn reason_for(damage: Damage) -> Reason {
    match damage {
        Damage::Reported | Damage::ImpossibleLength => Reason::DeviceError,
        Damage::Oversized => Reason::Oversized,
    }
}

/// Why a frame too short for a tagged header gets no answer: one with room for an untagged header
/// still says whether it was meant to carry a tag.
fn reason_for_short(buffer: &[u8], length: usize) -> Reason {
    match EthernetHeader::ref_from_prefix(buffer.get(..length).unwrap_or_default()) {
        Ok((header, _)) if !EtherType(header.ether_type.get()).is_tag() => Reason::Untagged,
        _ => Reason::Runt,
    }
}

#[cfg(test)]
pub(crate) mod tests;
