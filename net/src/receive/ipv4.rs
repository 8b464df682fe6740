//! IPv4 and ICMP, on the path of a frame.
//!
//! [`Ipv4Context::answer_any`] knows everything that can be said of a datagram, step by step. What nearly
//! all datagrams need of that, [`protocol_of_usual`] and [`answer_echo`] ask in one go; they answer nothing that the
//! other would not, and the same, which a test holds them to.

use super::Exit;
use super::udp::Datagram;
use crate::arrival::Arrival;
use crate::counters::Reason;
use crate::device::TransportChecksum;
use crate::frame_header::FrameHeader;
use crate::icmp_error::{self, IcmpErrors};
use crate::interface::{SourceScreen, VlanDevice};
use crate::large::{LargeDatagrams, NotTaken};
use crate::own_ping::OwnPing;
use crate::reassembly::{Fragment, MAXIMUM_DATAGRAM, Outcome, Reassembly, Refusal};
use crate::respond;
use crate::udp::Services;
use crate::wire::checksum;
use crate::wire::ethernet::{EtherType, MacAddress};
use crate::wire::icmpv4::{self, EchoHeader};
use crate::wire::icmpv4_error::Problem;
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::ipv4_options::{self, OptionsError};
use crate::wire::vlan::TaggedHeader;
use zerocopy::FromBytes;

/// The shortest frame that [`protocol_of_usual`] has a word for: an echo request without data, a UDP header.
pub(super) const SHORTEST_USUAL_FRAME: usize =
    size_of::<TaggedHeader>() + ipv4::HEADER_LENGTH + icmpv4::HEADER_LENGTH;

/// What a datagram carries that is what nearly every datagram to an appliance like this is, in a frame to us
/// alone: whole, without options, to an address of ours, from one that another host can have. `None` for anything
/// else; the order of the conditions has been measured. Says nothing of checksums.
#[inline(always)]
pub(super) fn protocol_of_usual(
    payload: &[u8],
    device: &VlanDevice,
    screen: &SourceScreen,
) -> Option<Protocol> {
    let (header, _) = Ipv4Header::ref_from_prefix(payload).ok()?;
    let octets = header.total_length();
    if octets < ipv4::HEADER_LENGTH + icmpv4::HEADER_LENGTH || octets > usize::from(device.mtu()) {
        return None;
    }
    let is_usual = octets <= payload.len()
        && header.is_plain()
        && !header.is_fragment()
        && device.owns(header.destination())
        && !screen.rejects(header.source(), device);
    is_usual.then_some(header.protocol())
}

/// Answers the echo request at the beginning of `room`, if [`protocol_of_usual`] said ICMP of it and it is a sound one.
/// Returns its octets. (This one has been measured: the checksums last, the header's last of all, which the compiler would
/// otherwise keep in registers that it needs.)
#[inline(always)]
pub(super) fn answer_echo(room: &mut [u8]) -> Option<usize> {
    let (header, _) = Ipv4Header::ref_from_prefix(room).ok()?;
    let octets = header.total_length();
    let (header, message) = Ipv4Header::mut_from_prefix(room.get_mut(..octets)?).ok()?;
    let (echo, _) = EchoHeader::ref_from_prefix(message).ok()?;
    let is_sound = echo.is_request() && checksum::is_valid(message) && header.is_checksum_valid();
    if !is_sound {
        return None;
    }
    respond::echo_reply(header, message);
    Some(octets)
}

/// What answering an IPv4 datagram needs besides the datagram.
pub(super) struct Ipv4Context<'interface> {
    pub host: Host<'interface>,
    pub reassembly: &'interface mut Reassembly,
    pub large: &'interface mut LargeDatagrams,
}

/// What answering a datagram needs when all of it is there.
pub(super) struct Host<'interface> {
    /// In which frame it came; for one that came in pieces the first of them, but when the last was seen.
    pub arrival: Arrival,
    /// Our station address.
    pub own: MacAddress,
    /// The device of its VLAN.
    pub device: &'interface mut VlanDevice,
    /// What the card says of the checksum of what it carries.
    pub checksum: TransportChecksum,
    /// Whether an answer could be sent.
    pub can_answer: bool,
    pub screen: &'interface SourceScreen,
    pub services: &'interface mut Services,
    pub errors: &'interface mut IcmpErrors,
    pub ping: &'interface mut Option<OwnPing>,
    pub milliseconds: u32,
}

impl Ipv4Context<'_> {
    /// Answers any IPv4 datagram in the first `length` octets of `room`, or says what keeps it from being
    /// answered. Returns the answer's octets.
    pub(super) fn answer_any(&mut self, room: &mut [u8], length: usize) -> Result<usize, Exit> {
        let Self { host, large, .. } = self;
        let total_length = host.check(room, length)?;
        if header_of(room)?.is_fragment() {
            return self.answer_fragment(room, total_length);
        }
        let mtu = usize::from(host.device.mtu());
        match host.answer_whole(room, total_length, mtu) {
            Ok(octets) if octets <= mtu => Ok(octets),
            Ok(octets) => {
                let answer = room.get(..octets).ok_or(Reason::Ipv4TotalLength)?;
                let taken = large.compose(host.answer_header(), host.device.mtu(), |buffer| {
                    buffer.get_mut(..octets)?.copy_from_slice(answer);
                    Some(octets)
                });
                Err(elsewhere(taken))
            }
            Err(reason) => {
                let datagram = room.get(..total_length).unwrap_or_default();
                let Some(problem) = host.problem(datagram, reason) else {
                    return Err(reason.into());
                };
                let octets = icmp_error::compose_in_place(room, total_length, mtu, problem);
                Err(reported(reason, octets))
            }
        }
    }

    /// Takes a fragment, and answers its datagram if it was the last that was missing: in the fragment's
    /// own frame if the answer fits there, else in fragments.
    fn answer_fragment(&mut self, room: &mut [u8], total_length: usize) -> Result<usize, Exit> {
        let Self {
            host,
            reassembly,
            large,
        } = self;
        let (header, options, payload) = split(room, total_length)?;
        let fragment = Fragment {
            arrival: host.arrival,
            header,
            options,
            payload,
        };
        let mut whole = match reassembly.insert(&fragment) {
            Err(refusal) => return Err(reason_for(refusal).into()),
            Ok(Outcome::Incomplete) => return Err(Reason::FragmentTaken.into()),
            Ok(Outcome::Complete(whole)) => whole,
        };
        // It is here since its last fragment is, and what is limited is what is answered now.
        host.arrival = Arrival {
            seen: host.arrival.seen,
            ..whole.arrival
        };
        // No card has seen all of it.
        host.checksum = TransportChecksum::Unverified;
        let (length, mtu) = (whole.datagram().len(), usize::from(host.device.mtu()));
        let largest = if large.has_room() {
            MAXIMUM_DATAGRAM
        } else {
            host.can_answer &= length <= mtu;
            mtu
        };
        match host.answer_whole(whole.room(), length, largest) {
            Ok(octets) if octets <= mtu => {
                let answer = whole.room().get(..octets);
                let (answer, place) = answer
                    .zip(room.get_mut(..octets))
                    .ok_or(Reason::NoTransmitSlot)?;
                place.copy_from_slice(answer);
                Ok(octets)
            }
            Ok(octets) => {
                let (header, mtu) = (host.answer_header(), host.device.mtu());
                let taken = large.take(header, mtu, octets, |buffer| whole.exchange(buffer));
                Err(elsewhere(taken))
            }
            Err(reason) => {
                let datagram = whole.datagram();
                let Some(problem) = host.problem(datagram, reason) else {
                    return Err(reason.into());
                };
                let octets = icmp_error::compose(room, datagram, mtu, problem);
                Err(reported(reason, octets))
            }
        }
    }
}

impl Host<'_> {
    /// The Ethernet header of an answer.
    fn answer_header(&self) -> FrameHeader {
        FrameHeader::answering(&self.arrival, self.own, EtherType::IPV4)
    }

    /// Checks everything about a datagram that has to do with its header. Returns its octets; what stands
    /// behind them is padding (RFC 791), and not looked at.
    fn check(&self, room: &[u8], length: usize) -> Result<usize, Reason> {
        let payload = room.get(..length).ok_or(Reason::Ipv4Truncated)?;
        let (total_length, header_length) = check_header(payload)?;
        if total_length < header_length || total_length > length {
            return Err(Reason::Ipv4TotalLength);
        }
        let (header, options, _) = split(payload, total_length)?;
        if self.screen.rejects(header.source(), self.device) {
            return Err(Reason::Ipv4Source);
        }
        self.check_destination(header)?;
        check_options(options)?;
        Ok(total_length)
    }

    /// Checks that a datagram is for us.
    fn check_destination(&self, header: &Ipv4Header) -> Result<(), Reason> {
        let destination = header.destination();
        let is_group = self.device.is_group(destination);
        if self.arrival.link_broadcast && !is_group && ipv4::is_host_address(destination) {
            return Err(Reason::LinkBroadcast);
        }
        if is_group || self.device.owns(destination) {
            return Ok(());
        }
        Err(Reason::Ipv4Destination)
    }

    /// Answers a datagram that was checked, in its place: the first `total_length` octets of `room`. An
    /// answer that is longer than its request has at most `largest` octets. Returns the answer's octets.
    fn answer_whole(
        &mut self,
        room: &mut [u8],
        total_length: usize,
        largest: usize,
    ) -> Result<usize, Reason> {
        let header = header_of(room)?;
        let (header_length, protocol) = (header.header_length(), header.protocol());
        let is_group = self.device.is_group(header.destination());
        let message_length = total_length
            .checked_sub(header_length)
            .ok_or(Reason::Ipv4TotalLength)?;
        let (header, message) = room
            .split_at_mut_checked(header_length)
            .ok_or(Reason::Ipv4TotalLength)?;
        let (header, options) =
            Ipv4Header::mut_from_prefix(header).map_err(|_| Reason::Ipv4HeaderLength)?;
        match protocol {
            Protocol::ICMP => {
                let message = message
                    .get_mut(..message_length)
                    .ok_or(Reason::Ipv4TotalLength)?;
                self.receive_icmp(header, options, message, is_group)?;
                Ok(total_length)
            }
            Protocol::UDP => {
                let datagram = Datagram {
                    header,
                    options,
                    room: message,
                    length: message_length,
                    is_group,
                };
                self.answer_udp(datagram, largest)
            }
            _ => Err(Reason::Ipv4Protocol),
        }
    }

    /// Answers an echo request, and hands our own ping what is for it: an echo reply, or an ICMP error that was sent to
    /// us alone. The checksum comes before the type: what is damaged has none.
    fn receive_icmp(
        &mut self,
        header: &mut Ipv4Header,
        options: &mut [u8],
        message: &mut [u8],
        is_group: bool,
    ) -> Result<(), Reason> {
        let Ok((echo, data)) = EchoHeader::ref_from_prefix(message) else {
            return Err(Reason::IcmpTruncated);
        };
        if !checksum::is_valid(message) {
            return Err(Reason::IcmpChecksum);
        }
        if echo.is_reply()
            && let Some(ping) = self.ping
            && ping.on_reply(header, echo, data, &self.arrival)
        {
            return Err(Reason::IcmpReplyTaken);
        }
        if !echo.is_request() {
            let ping = self.ping.as_mut().filter(|_| !is_group);
            let is_taken = ping.is_some_and(|ping| ping.on_error(header, message));
            return Err(match is_taken {
                true => Reason::IcmpReplyTaken,
                false => Reason::IcmpType,
            });
        }
        if is_group {
            return Err(Reason::IcmpEchoToGroup);
        }
        if !self.can_answer {
            return Err(Reason::NoTransmitSlot);
        }
        ipv4_options::record(options, header.destination(), self.milliseconds);
        respond::echo_reply(header, message);
        if !options.is_empty() {
            header.seal(options);
        }
        Ok(())
    }

    /// What an ICMP error is to say about a datagram (RFC 1122 §3.2.2.1), where one is due and may be sent.
    fn problem(&mut self, datagram: &[u8], reason: Reason) -> Option<Problem> {
        let problem = match reason {
            Reason::UdpClosedPort => Problem::PortUnreachable,
            Reason::Ipv4Protocol => Problem::ProtocolUnreachable,
            _ => return None,
        };
        let may_send = self.can_answer
            && icmp_error::fits(datagram, usize::from(self.device.mtu()))
            && self.errors.permit(datagram, &self.arrival, self.device);
        may_send.then_some(problem)
    }
}

/// How a frame leaves whose answer was to go out elsewhere.
fn elsewhere(taken: Result<(), NotTaken>) -> Exit {
    match taken {
        Ok(()) => Exit::AnsweredElsewhere,
        Err(NotTaken) => Reason::NoTransmitSlot.into(),
    }
}

/// How a frame leaves about which an ICMP error of so many octets was written into its place.
fn reported(reason: Reason, octets: Option<usize>) -> Exit {
    match octets {
        Some(octets) => Exit::Reported(reason, octets),
        None => Exit::Refused(reason),
    }
}

fn header_of(room: &[u8]) -> Result<&Ipv4Header, Reason> {
    let (header, _) = Ipv4Header::ref_from_prefix(room).map_err(|_| Reason::Ipv4Truncated)?;
    Ok(header)
}

/// A datagram's header, options and data.
fn split(room: &[u8], total_length: usize) -> Result<(&Ipv4Header, &[u8], &[u8]), Reason> {
    let datagram = room.get(..total_length).ok_or(Reason::Ipv4TotalLength)?;
    let (header, rest) =
        Ipv4Header::ref_from_prefix(datagram).map_err(|_| Reason::Ipv4HeaderLength)?;
    let (options, data) = header
        .header_length()
        .checked_sub(ipv4::HEADER_LENGTH)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(Reason::Ipv4HeaderLength)?;
    Ok((header, options, data))
}

/// Checks a header and its checksum, in the order of RFC 1812 §5.2.2. Returns the total length and the
/// header's.
fn check_header(payload: &[u8]) -> Result<(usize, usize), Reason> {
    let header = header_of(payload)?;
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
    Ok((header.total_length(), header.header_length()))
}

fn check_options(options: &[u8]) -> Result<(), Reason> {
    ipv4_options::check(options).map_err(|error| match error {
        OptionsError::Malformed => Reason::Ipv4Options,
        OptionsError::SourceRoute => Reason::Ipv4SourceRoute,
    })
}

const fn reason_for(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Empty | Refusal::TinyFirst | Refusal::Uneven | Refusal::TooLong => {
            Reason::FragmentInvalid
        }
        Refusal::Duplicate => Reason::FragmentDuplicate,
        Refusal::Overlap | Refusal::ContradictoryEnd | Refusal::Discarded => {
            Reason::FragmentOverlap
        }
        Refusal::NoContext => Reason::FragmentNoRoom,
    }
}
