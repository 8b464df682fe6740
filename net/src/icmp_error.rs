//! ICMP error messages: whether one may be sent about a datagram, and the whole message.
//!
//! Whoever finds that a datagram cannot be served asks [`may_answer_with_error`] first, which is the
//! only place that knows when to keep silent; then [`may_send_now`], which keeps errors from becoming
//! a flood; then has the message written, into the frame that holds the datagram
//! ([`compose_in_place`]) or into another ([`compose`]). What is sent about a datagram is copied from
//! what arrived, and never put together anew.

use crate::arrival::Arrival;
use crate::interface::VlanDevice;
use crate::rate::{Limit, TokenBucket};
use crate::time::{Instant, TickRate};
use crate::wire::checksum;
use crate::wire::icmpv4_error::{self, Problem};
use crate::wire::ipv4::{self, DEFAULT_TTL, Ipv4Header, Protocol, is_host_address};
use core::fmt;
use core::net::Ipv4Addr;
use zerocopy::{FromBytes, IntoBytes};

/// The longest error message, from its IPv4 header on: what every host can take (RFC 1812 §4.3.2.3).
pub const MAXIMUM_LENGTH: usize = 576;

/// Octets in front of the datagram that a message is about: its own IPv4 and ICMP headers.
pub const HEADERS_LENGTH: usize = ipv4::HEADER_LENGTH + icmpv4_error::HEADER_LENGTH;

/// Octets of data, behind its header, of the datagram that a message is about, that it holds at
/// least if there are as many (RFC 1122 §3.2.2).
const MINIMUM_DATA: usize = 8;

/// How many errors a card sends, unless told otherwise (RFC 1812 §4.3.2.8).
pub const DEFAULT_LIMIT: Limit = Limit::new(1000, 50);
/// How many of them are sent into one VLAN, so that none can use up what the others need.
pub const DEFAULT_VLAN_LIMIT: Limit = Limit::new(250, 20);

/// Why no error is sent about a datagram (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppressed {
    /// Its header does not pass the checks, so that nothing in it can be believed.
    InvalidHeader,
    /// It is a fragment other than the first.
    LaterFragment,
    /// The frame was for all stations or for a group of them.
    LinkGroup,
    /// It is for all hosts, for a group of them, or for none.
    DestinationNotOneHost,
    /// Its source is not one host: none, loopback, a broadcast address, a group, or class E.
    SourceNotOneHost,
    /// It carries an ICMP error, or an ICMP message that may be one.
    AboutIcmpError,
    /// As many errors have gone into its VLAN as may.
    VlanRate,
    /// As many errors have been sent as may.
    Rate,
}

impl Suppressed {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Self; 8] = [
        Self::InvalidHeader,
        Self::LaterFragment,
        Self::LinkGroup,
        Self::DestinationNotOneHost,
        Self::SourceNotOneHost,
        Self::AboutIcmpError,
        Self::VlanRate,
        Self::Rate,
    ];

    /// The counter's name: lower case with underscores, stable, for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidHeader => "icmp_error_about_invalid_header",
            Self::LaterFragment => "icmp_error_about_later_fragment",
            Self::LinkGroup => "icmp_error_about_link_group",
            Self::DestinationNotOneHost => "icmp_error_about_group",
            Self::SourceNotOneHost => "icmp_error_to_group",
            Self::AboutIcmpError => "icmp_error_about_icmp_error",
            Self::VlanRate => "icmp_error_vlan_rate",
            Self::Rate => "icmp_error_rate",
        }
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidHeader => "no ICMP error about a datagram with an invalid header",
            Self::LaterFragment => "no ICMP error about a fragment other than the first",
            Self::LinkGroup => "no ICMP error about a broadcast or multicast frame",
            Self::DestinationNotOneHost => "no ICMP error about a datagram for more than one host",
            Self::SourceNotOneHost => "no ICMP error to what is not one host",
            Self::AboutIcmpError => "no ICMP error about an ICMP error",
            Self::VlanRate => "too many ICMP errors into this VLAN",
            Self::Rate => "too many ICMP errors",
        })
    }
}

/// How many there are.
const SUPPRESSED: usize = Suppressed::ALL.len();

/// How many ICMP errors a card may send and has sent, and why others were not.
#[derive(Clone, Debug)]
pub struct IcmpErrors {
    all: TokenBucket,
    vlan_limit: Limit,
    rate: TickRate,
    sent: u64,
    suppressed: [u64; SUPPRESSED],
}

impl IcmpErrors {
    /// None sent, with [`DEFAULT_LIMIT`] and [`DEFAULT_VLAN_LIMIT`].
    pub fn new(rate: TickRate) -> Self {
        Self {
            all: TokenBucket::new(DEFAULT_LIMIT, rate),
            vlan_limit: DEFAULT_VLAN_LIMIT,
            rate,
            sent: 0,
            suppressed: [0; SUPPRESSED],
        }
    }

    /// Sets how many errors may be sent in all; those of each VLAN have a limit of their own.
    pub fn set_limit(&mut self, limit: Limit) {
        self.all = TokenBucket::new(limit, self.rate);
    }

    /// How many errors may be sent in all.
    pub const fn limit(&self) -> Limit {
        self.all.limit()
    }

    /// How many errors may be sent into one VLAN.
    pub const fn vlan_limit(&self) -> Limit {
        self.vlan_limit
    }

    pub(crate) const fn set_vlan_limit(&mut self, limit: Limit) {
        self.vlan_limit = limit;
    }

    /// Errors that were sent, or were to be.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Errors that were not sent for this reason.
    pub fn suppressed(&self, reason: Suppressed) -> u64 {
        self.suppressed.get(reason as usize).copied().unwrap_or(0)
    }

    /// Whether an error may be sent about `datagram`, from its IPv4 header on, which came in by `arrival` on
    /// `device`. Counts it as sent, or why it is not.
    pub(crate) fn permit(
        &mut self,
        datagram: &[u8],
        arrival: &Arrival,
        device: &mut VlanDevice,
    ) -> bool {
        let is_broadcast = |address| device.is_directed_broadcast(address);
        let checked = may_answer_with_error(datagram, arrival.link_broadcast, is_broadcast);
        let permitted = checked.and_then(|()| {
            let vlan = device.error_bucket(|| TokenBucket::new(self.vlan_limit, self.rate));
            may_send_now(vlan, &mut self.all, arrival.seen)
        });
        match permitted {
            Ok(()) => self.sent = self.sent.wrapping_add(1),
            Err(reason) => {
                if let Some(count) = self.suppressed.get_mut(reason as usize) {
                    *count = count.wrapping_add(1);
                }
            }
        }
        permitted.is_ok()
    }
}

/// Whether an error message may be sent about `datagram`, which begins with its IPv4 header, as it
/// arrived. RFC 1122 §3.2.2: "these restrictions take precedence over any requirement elsewhere".
///
/// `link_broadcast` says whether the frame was for more than one station, and
/// `is_directed_broadcast` whether an address is a broadcast address of a network of the device.
///
/// # Errors
///
/// [`Suppressed`]: which of the restrictions holds, but for the rates.
pub fn may_answer_with_error(
    datagram: &[u8],
    link_broadcast: bool,
    is_directed_broadcast: impl Fn(Ipv4Addr) -> bool,
) -> Result<(), Suppressed> {
    let (header, payload) = checked_header(datagram).ok_or(Suppressed::InvalidHeader)?;
    let is_one_host =
        |address: Ipv4Addr| is_host_address(address) && !is_directed_broadcast(address);
    if header.fragment_field().offset() != 0 {
        return Err(Suppressed::LaterFragment);
    }
    if link_broadcast {
        return Err(Suppressed::LinkGroup);
    }
    if !is_one_host(header.destination()) {
        return Err(Suppressed::DestinationNotOneHost);
    }
    if !is_one_host(header.source()) {
        return Err(Suppressed::SourceNotOneHost);
    }
    // An ICMP message without a type may be anything.
    let may_be_error = |message: &[u8]| {
        let message_type = message.first();
        message_type.is_none_or(|&message_type| icmpv4_error::may_be_error(message_type))
    };
    if header.protocol() == Protocol::ICMP && may_be_error(payload) {
        return Err(Suppressed::AboutIcmpError);
    }
    Ok(())
}

/// Whether another error may be sent at `now`, into the VLAN with the bucket `vlan`, from the card
/// with the bucket `all`. Tokens are taken.
///
/// # Errors
///
/// [`Suppressed::VlanRate`], and then none of the others' tokens is taken; or [`Suppressed::Rate`].
pub fn may_send_now(
    vlan: &mut TokenBucket,
    all: &mut TokenBucket,
    now: Instant,
) -> Result<(), Suppressed> {
    if !vlan.take(now) {
        return Err(Suppressed::VlanRate);
    }
    if !all.take(now) {
        return Err(Suppressed::Rate);
    }
    Ok(())
}

/// Turns a datagram into an error message about itself, for whom [`may_answer_with_error`] was asked.
///
/// `buffer` begins with the datagram's IPv4 header and goes on behind the datagram, whose `length`
/// octets do not count padding. The message has at most `mtu` octets. Returns how many it has; it begins
/// where the datagram did; `None`, and nothing is changed, when there is no room for the least of a message.
pub fn compose_in_place(
    buffer: &mut [u8],
    length: usize,
    mtu: usize,
    problem: Problem,
) -> Option<usize> {
    let room = buffer.len().min(mtu);
    let quoted = quoted_length(buffer.get(..length)?, room)?;
    buffer.copy_within(..quoted, HEADERS_LENGTH);
    write_headers(buffer, quoted, problem)
}

/// Writes an error message about `datagram`, for which [`may_answer_with_error`] was asked, from its
/// IPv4 header on, to the beginning of `buffer`. The message has at most `mtu` octets. Returns how many it
/// has; `None`, and nothing is changed, when there is no room for the least of a message.
pub fn compose(buffer: &mut [u8], datagram: &[u8], mtu: usize, problem: Problem) -> Option<usize> {
    let quoted = quoted_length(datagram, buffer.len().min(mtu))?;
    let (_, place) = buffer.split_at_mut_checked(HEADERS_LENGTH)?;
    place
        .get_mut(..quoted)?
        .copy_from_slice(datagram.get(..quoted)?);
    write_headers(buffer, quoted, problem)
}

/// Whether the least of a message about `datagram` fits into `mtu` octets.
pub fn fits(datagram: &[u8], mtu: usize) -> bool {
    quoted_length(datagram, mtu).is_some()
}

/// A datagram's header, if it passes the checks of RFC 1812 §5.2.2, and what follows it and its
/// options.
fn checked_header(datagram: &[u8]) -> Option<(&Ipv4Header, &[u8])> {
    let (header, _) = Ipv4Header::ref_from_prefix(datagram).ok()?;
    let (octets, payload) = datagram
        .get(..header.total_length())?
        .split_at_checked(header.header_length())?;
    let is_sound =
        header.version() == 4 && octets.len() >= ipv4::HEADER_LENGTH && checksum::is_valid(octets);
    is_sound.then_some((header, payload))
}

/// How much of a datagram a message holds, in a buffer of `room` octets.
fn quoted_length(datagram: &[u8], room: usize) -> Option<usize> {
    let (header, _) = Ipv4Header::ref_from_prefix(datagram).ok()?;
    let header_length = header.header_length().max(ipv4::HEADER_LENGTH);
    let least = header_length.saturating_add(MINIMUM_DATA);
    let room = room.min(MAXIMUM_LENGTH).checked_sub(HEADERS_LENGTH)?;
    let quoted = datagram.len().min(room);
    (quoted >= least.min(datagram.len())).then_some(quoted)
}

/// Writes the headers of a message in front of `quoted` octets of the datagram that it is about. It
/// goes from that datagram's destination to its source (RFC 1122 §3.2.2), with the type of service 0
/// (ibid.), and is not to be fragmented, so that any identification is good (RFC 6864 §4.1).
fn write_headers(buffer: &mut [u8], quoted: usize, problem: Problem) -> Option<usize> {
    let length = HEADERS_LENGTH.saturating_add(quoted);
    let (header, message) = Ipv4Header::mut_from_prefix(buffer.get_mut(..length)?).ok()?;
    icmpv4_error::write_header(message, problem)?;
    let about = message.get(icmpv4_error::HEADER_LENGTH..)?;
    let (about, _) = Ipv4Header::ref_from_prefix(about).ok()?;
    let [length_high, length_low] = (length as u16).to_be_bytes();
    let [own0, own1, own2, own3] = about.destination().octets();
    let [to0, to1, to2, to3] = about.source().octets();
    #[rustfmt::skip]
    let octets = [
        0x45, 0, length_high, length_low,
        0, 0, 0x40, 0,
        DEFAULT_TTL, Protocol::ICMP.0, 0, 0,
        own0, own1, own2, own3,
        to0, to1, to2, to3,
    ];
    header.as_mut_bytes().copy_from_slice(&octets);
    header.seal(&[]);
    Some(length)
}

#[cfg(test)]
mod tests;
