//! IPv4 and ICMP, on the path of a frame.
//!
//! [`Inbound::answer_any`] knows everything that can be said of a datagram, step by step. What nearly
//! all datagrams need of that, [`Inbound::answer_usual`] asks in one go; it answers nothing that the
//! other would not, and the same, which a test holds them to.

use super::Inbound;
use super::udp::Datagram;
use crate::counters::Reason;
use crate::interface::SourceScreen;
use crate::respond;
use crate::time::Instant;
use crate::udp::Services;
use crate::wire::checksum;
use crate::wire::icmpv4::{self, EchoHeader};
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::ipv4_options::{self, OptionsError};
use core::hint::cold_path;
use zerocopy::FromBytes;

/// What answering an IPv4 datagram needs besides the datagram.
pub(super) struct Ipv4Context<'interface> {
    /// Whether an answer could be sent.
    pub can_answer: bool,
    /// Whether the frame was broadcast.
    pub broadcast: bool,
    pub screen: &'interface SourceScreen,
    pub services: &'interface mut Services,
    pub now: Instant,
    pub milliseconds: u32,
}

impl Inbound<'_> {
    /// Answers the IPv4 datagram in the first `length` octets of `room`. Returns the answer's octets
    /// behind the tag.
    #[inline]
    pub(super) fn answer_ipv4(
        self,
        room: &mut [u8],
        length: usize,
        context: Ipv4Context<'_>,
    ) -> Result<usize, Reason> {
        if context.can_answer
            && !context.broadcast
            && let Some(payload) = room.get_mut(..length)
            && let Some(octets) = self.answer_usual(payload, context.screen)
        {
            return Ok(octets);
        }
        cold_path();
        self.answer_any(room, length, context)
    }

    /// Answers what nearly every datagram to an appliance like this is, in a frame to us alone: a sound
    /// echo request, whole, without options, to an address of ours. Anything else it leaves as it is,
    /// to [`Self::answer_any`]; which of the conditions failed does not matter here, and so neither
    /// does their order. (This one has been measured: the checksums last, the header's last of all,
    /// which the compiler would otherwise keep in registers that it needs.)
    #[inline]
    fn answer_usual(self, payload: &mut [u8], screen: &SourceScreen) -> Option<usize> {
        let (header, _) = Ipv4Header::ref_from_prefix(payload).ok()?;
        let octets = header.total_length();
        if octets < ipv4::HEADER_LENGTH + icmpv4::HEADER_LENGTH {
            return None;
        }
        let (header, message) = Ipv4Header::mut_from_prefix(payload.get_mut(..octets)?).ok()?;
        let (echo, _) = EchoHeader::ref_from_prefix(message).ok()?;
        let is_usual = header.is_plain()
            && !header.is_fragment()
            && header.protocol() == Protocol::ICMP
            && echo.is_request()
            && self.device.owns(header.destination())
            && !screen.rejects(header.source(), self.device)
            && checksum::is_valid(message)
            && header.is_checksum_valid();
        if !is_usual {
            return None;
        }
        respond::echo_reply(header, message);
        Some(octets)
    }

    /// Answers any IPv4 datagram, or says what keeps it from being answered.
    #[cold]
    #[inline(never)]
    pub(super) fn answer_any(
        self,
        room: &mut [u8],
        length: usize,
        context: Ipv4Context<'_>,
    ) -> Result<usize, Reason> {
        let payload = room.get(..length).ok_or(Reason::Ipv4Truncated)?;
        let (total_length, header_length) = check_header(payload)?;
        let message_length = total_length
            .checked_sub(header_length)
            .filter(|_| total_length <= length)
            .ok_or(Reason::Ipv4TotalLength)?;
        // What stands behind the total length is padding (RFC 791), and not looked at.
        let (header, message) = room
            .split_at_mut_checked(header_length)
            .ok_or(Reason::Ipv4TotalLength)?;
        let (header, options) =
            Ipv4Header::mut_from_prefix(header).map_err(|_| Reason::Ipv4HeaderLength)?;
        if context.screen.rejects(header.source(), self.device) {
            return Err(Reason::Ipv4Source);
        }
        let is_group = self.check_destination(header)?;
        check_options(options)?;
        if header.is_fragment() {
            return Err(Reason::Ipv4Fragment);
        }
        match header.protocol() {
            Protocol::ICMP => {
                let message = message
                    .get_mut(..message_length)
                    .ok_or(Reason::Ipv4TotalLength)?;
                answer_echo(header, options, message, is_group, &context)?;
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
                self.answer_udp(datagram, context)
            }
            _ => Err(Reason::Ipv4Protocol),
        }
    }

    /// Checks that a datagram is for us. Returns whether it is for a group rather than for this host
    /// alone.
    fn check_destination(self, header: &Ipv4Header) -> Result<bool, Reason> {
        let destination = header.destination();
        let broadcast = self.header.destination.is_broadcast();
        let is_group = self.device.is_group(destination);
        if broadcast && !is_group && ipv4::is_host_address(destination) {
            return Err(Reason::LinkBroadcast);
        }
        if is_group || self.device.owns(destination) {
            return Ok(is_group);
        }
        Err(Reason::Ipv4Destination)
    }
}

/// Checks a header and its checksum, in the order of RFC 1812 §5.2.2. Returns the total length and the
/// header's.
fn check_header(payload: &[u8]) -> Result<(usize, usize), Reason> {
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
    Ok((header.total_length(), header.header_length()))
}

fn check_options(options: &[u8]) -> Result<(), Reason> {
    ipv4_options::check(options).map_err(|error| match error {
        OptionsError::Malformed => Reason::Ipv4Options,
        OptionsError::SourceRoute => Reason::Ipv4SourceRoute,
    })
}

/// Answers an echo request. The checksum comes before the type: what is damaged has none.
fn answer_echo(
    header: &mut Ipv4Header,
    options: &mut [u8],
    message: &mut [u8],
    is_group: bool,
    context: &Ipv4Context<'_>,
) -> Result<(), Reason> {
    let Ok((echo, _)) = EchoHeader::ref_from_prefix(message) else {
        return Err(Reason::IcmpTruncated);
    };
    if !checksum::is_valid(message) {
        return Err(Reason::IcmpChecksum);
    }
    if !echo.is_request() {
        return Err(Reason::IcmpType);
    }
    if is_group {
        return Err(Reason::IcmpEchoToGroup);
    }
    if !context.can_answer {
        return Err(Reason::NoTransmitSlot);
    }
    ipv4_options::record(options, header.destination(), context.milliseconds);
    respond::echo_reply(header, message);
    if !options.is_empty() {
        header.seal(options);
    }
    Ok(())
}
