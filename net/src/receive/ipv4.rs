//! IPv4 and ICMP, on the path of a frame.

use super::{Inbound, refuse};
use crate::counters::Reason;
use crate::interface::SourceScreen;
use crate::respond;
use crate::wire::checksum;
use crate::wire::icmpv4::EchoHeader;
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::ipv4_options::{self, OptionsError};
use zerocopy::FromBytes;

impl Inbound<'_> {
    /// Answers an IPv4 datagram. Returns the answer's octets behind the tag.
    #[inline]
    pub(super) fn answer_ipv4(
        self,
        payload: &mut [u8],
        can_answer: bool,
        screen: &SourceScreen,
        milliseconds: u32,
    ) -> Result<usize, Reason> {
        let Ok((header, rest)) = Ipv4Header::mut_from_prefix(&mut *payload) else {
            return refuse(Reason::Ipv4Truncated);
        };
        if !header.is_plain() {
            return self.answer_unusual_ipv4(payload, can_answer, screen, milliseconds);
        }
        if !header.is_checksum_valid() {
            return refuse(Reason::Ipv4Checksum);
        }
        // What stands behind the total length is padding (RFC 791), and not looked at.
        let length = header.total_length().checked_sub(ipv4::HEADER_LENGTH);
        let Some(message) = length.and_then(|length| rest.get_mut(..length)) else {
            return refuse(Reason::Ipv4TotalLength);
        };
        self.check_source(header, screen)?;
        if !self.is_for_us_alone(header) {
            return refuse(self.reason_for_destination(header, &[], message));
        }
        check_echo_request(header, message)?;
        if !can_answer {
            return refuse(Reason::NoTransmitSlot);
        }
        respond::echo_reply(header, message);
        Ok(header.total_length())
    }

    /// Answers an IPv4 datagram whose header is not twenty octets of version 4.
    #[cold]
    #[inline(never)]
    fn answer_unusual_ipv4(
        self,
        payload: &mut [u8],
        can_answer: bool,
        screen: &SourceScreen,
        milliseconds: u32,
    ) -> Result<usize, Reason> {
        let (total_length, header_length) = check_unusual_header(payload)?;
        let (header, message) = payload
            .get_mut(..total_length)
            .and_then(|datagram| datagram.split_at_mut_checked(header_length))
            .ok_or(Reason::Ipv4TotalLength)?;
        let (header, options) =
            Ipv4Header::mut_from_prefix(header).map_err(|_| Reason::Ipv4HeaderLength)?;
        self.check_source(header, screen)?;
        if !self.is_for_us_alone(header) {
            return Err(self.reason_for_destination(header, options, message));
        }
        check_options(options)?;
        check_echo_request(header, message)?;
        if !can_answer {
            return Err(Reason::NoTransmitSlot);
        }
        ipv4_options::record(options, header.destination(), milliseconds);
        respond::echo_reply(header, message);
        header.seal(options);
        Ok(total_length)
    }

    /// Checks that a datagram comes from another host (RFC 1122 §3.2.1.3, RFC 1812 §5.3.7).
    #[inline]
    fn check_source(self, header: &Ipv4Header, screen: &SourceScreen) -> Result<(), Reason> {
        let source = header.source();
        if !ipv4::is_host_address(source) {
            return refuse(Reason::Ipv4Source);
        }
        if screen.rejects(source, self.device) {
            return refuse(Reason::Ipv4Source);
        }
        Ok(())
    }

    /// Whether a datagram was sent to this host, and to no other.
    #[inline]
    fn is_for_us_alone(self, header: &Ipv4Header) -> bool {
        self.device.owns(header.destination()) && !self.header.destination.is_multicast()
    }

    /// Why a datagram that was not sent to us alone gets no answer. One to a group has come to the
    /// right place: so it is the first thing wrong with it, if anything is.
    #[cold]
    #[inline(never)]
    fn reason_for_destination(self, header: &Ipv4Header, options: &[u8], message: &[u8]) -> Reason {
        let destination = header.destination();
        if !self.device.is_group(destination) {
            let broadcast = self.header.destination.is_multicast();
            return if broadcast && ipv4::is_host_address(destination) {
                Reason::LinkBroadcast
            } else {
                Reason::Ipv4Destination
            };
        }
        let checked = check_options(options).and_then(|()| check_echo_request(header, message));
        checked.err().unwrap_or(Reason::IcmpEchoToGroup)
    }
}

/// Checks a header that is not twenty octets of version 4, in the order of RFC 1812 §5.2.2. Returns
/// the total length and the header's.
fn check_unusual_header(payload: &[u8]) -> Result<(usize, usize), Reason> {
    let (header, _) = Ipv4Header::ref_from_prefix(payload).map_err(|_| Reason::Ipv4Truncated)?;
    // A header length below the minimum cannot say what the checksum covers: take the minimum.
    let covered = header.header_length().max(ipv4::HEADER_LENGTH);
    let octets = payload.get(..covered).ok_or(Reason::Ipv4Truncated)?;
    if !checksum::is_valid(octets) {
        return refuse(Reason::Ipv4Checksum);
    }
    if header.version() != 4 {
        return refuse(Reason::Ipv4Version);
    }
    if header.header_length() < ipv4::HEADER_LENGTH {
        return refuse(Reason::Ipv4HeaderLength);
    }
    Ok((header.total_length(), header.header_length()))
}

fn check_options(options: &[u8]) -> Result<(), Reason> {
    ipv4_options::check(options).map_err(|error| match error {
        OptionsError::Malformed => Reason::Ipv4Options,
        OptionsError::SourceRoute => Reason::Ipv4SourceRoute,
    })
}

/// Checks that a datagram carries an echo request. The checksum comes before the type: what is
/// damaged has none.
#[inline]
fn check_echo_request(header: &Ipv4Header, message: &[u8]) -> Result<(), Reason> {
    if header.is_fragment() {
        return refuse(Reason::Ipv4Fragment);
    }
    if header.protocol() != Protocol::ICMP {
        return refuse(Reason::Ipv4Protocol);
    }
    let Ok((echo, _)) = EchoHeader::ref_from_prefix(message) else {
        return refuse(Reason::IcmpTruncated);
    };
    if !checksum::is_valid(message) {
        return refuse(Reason::IcmpChecksum);
    }
    if !echo.is_request() {
        return refuse(Reason::IcmpType);
    }
    Ok(())
}
