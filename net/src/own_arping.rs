//! The appliance's own `arping`: asks by ARP who has one address, once a second, whatever is known of it. One at a
//! time on a network card.
//!
//! [`Interface::send_due`] sends its requests; the receive path tells it of replies, which the neighbor table learns
//! as any others. Time is the stack's: nothing here waits.

use crate::interface::Interface;
use crate::route::NoRoute;
use crate::time::{Instant, TickRate, Ticks};
use crate::wire::arp::{ArpPacket, Operation};
use crate::wire::ethernet::MacAddress;
use core::fmt;
use core::net::Ipv4Addr;

/// How many replies are kept until somebody takes them.
const REPLIES: usize = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpingSettings {
    /// Who is asked for.
    pub address: Ipv4Addr,
    /// How many requests are sent; 0 for as many as until it is stopped.
    pub count: u32,
    /// Whether it ends with the first reply.
    pub until_reply: bool,
    /// After how many seconds it ends in any case; 0 for never.
    pub seconds: u32,
}

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpingReply {
    /// The station that says it has the address.
    pub mac: MacAddress,
    /// From the last request on.
    pub round_trip_ns: u64,
}

/// What came of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpingSummary {
    /// The VLAN in which was asked; 0 for frames that name none.
    pub vid: u16,
    /// The address of ours that asked.
    pub source: Ipv4Addr,
    /// Requests.
    pub sent: u64,
    /// Replies.
    pub received: u64,
    /// The last of them.
    pub last: Option<ArpingReply>,
    /// Whether no more requests are sent, and none is waited for.
    pub is_over: bool,
}

/// Why nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpingError {
    /// No network of ours has the address.
    NoRoute(NoRoute),
    /// It is behind this router, where nobody hears ARP.
    Gateway(Ipv4Addr),
    /// It is our own.
    OwnAddress,
    /// The device through which to ask has no address of ours to ask from.
    NoAddress,
    /// The device of this VLAN is down.
    Down(u16),
}

impl fmt::Display for ArpingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute(error) => write!(f, "{error}"),
            Self::Gateway(gateway) => write!(
                f,
                "it is behind the gateway {gateway}, and ARP is heard in our own networks only; '-I IFNAME' asks all the same"
            ),
            Self::NoAddress => {
                f.write_str("the interface has no address to ask from; 'ip addr add' gives it one")
            }
            Self::OwnAddress => f.write_str("it is our own address"),
            Self::Down(_) => f.write_str("the device through which it is reached is down"),
        }
    }
}

impl core::error::Error for ArpingError {}

/// Who is being asked for, and what came back.
pub(crate) struct OwnArping {
    settings: ArpingSettings,
    rate: TickRate,
    /// When the next request is due, or the last one was waited for long enough.
    due: Instant,
    /// When it ends, whatever came.
    end: Option<Instant>,
    /// When the last request was sent.
    asked: Instant,
    /// How many requests were due.
    turns: u64,
    /// Whether the last request was answered.
    is_answered: bool,
    summary: ArpingSummary,
    replies: heapless::Deque<ArpingReply, REPLIES>,
}

impl OwnArping {
    /// Counts the request that was due: it was sent.
    pub(crate) const fn count_sent(&mut self) {
        self.summary.sent = self.summary.sent.saturating_add(1);
    }

    /// Whether a request is due: it has had its turn, whether it can be sent or not, and goes to this address, from that one, in that VLAN.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(u16, Ipv4Addr, Ipv4Addr)> {
        let ArpingSettings {
            address,
            count,
            until_reply,
            ..
        } = self.settings;
        let summary = &mut self.summary;
        let is_last = count > 0 && self.turns >= u64::from(count);
        let has_enough = (is_last && self.is_answered) || (until_reply && summary.received > 0);
        let is_late = self.end.is_some_and(|end| now >= end) || (is_last && now >= self.due);
        summary.is_over |= has_enough || is_late;
        if summary.is_over || now < self.due {
            return None;
        }
        self.turns = self.turns.saturating_add(1);
        self.is_answered = false;
        self.asked = now;
        self.due = now.after(Ticks(self.rate.hertz()));
        Some((summary.vid, summary.source, address))
    }

    /// Hears a packet in VLAN `vid`, which may be the reply of who is asked for.
    pub(crate) fn hear(&mut self, vid: u16, packet: &ArpPacket, seen: Instant) {
        let summary = &mut self.summary;
        let is_awaited = summary.sent > 0 && !summary.is_over;
        let is_reply = packet.operation() == Some(Operation::Reply)
            && (vid, packet.target_ip()) == (summary.vid, summary.source)
            && packet.sender_ip() == self.settings.address;
        if !is_awaited || !is_reply {
            return;
        }
        #[allow(clippy::arithmetic_side_effects, reason = "ends at zero")]
        let round_trip = seen - self.asked;
        let reply = ArpingReply {
            mac: packet.sender_mac,
            round_trip_ns: self.rate.nanoseconds(round_trip),
        };
        self.is_answered = true;
        summary.received = summary.received.saturating_add(1);
        summary.last = Some(reply);
        // One that nobody takes in time is in the summary all the same.
        let _ = self.replies.push_back(reply);
    }
}

impl Interface {
    /// Begins to ask, through VLAN `vid`, whatever the routes say, or the one that they say. What was asked before ends.
    ///
    /// # Errors
    ///
    /// [`ArpingError`], and then what was asked before goes on.
    pub fn start_arping(
        &mut self,
        settings: ArpingSettings,
        vid: Option<u16>,
        now: Instant,
    ) -> Result<(), ArpingError> {
        let address = settings.address;
        if self.claims.all().any(|cidr| cidr.address() == address) {
            return Err(ArpingError::OwnAddress);
        }
        let (vid, source) = match vid {
            Some(vid) => (vid, self.asking_address(vid, address)?),
            None => match self.routes.next_hop(address) {
                Ok(hop) if hop.address == address => (hop.vid, hop.source),
                Ok(hop) => return Err(ArpingError::Gateway(hop.address)),
                Err(error) => return Err(ArpingError::NoRoute(error)),
            },
        };
        if !self.vlans.is_up(vid) {
            return Err(ArpingError::Down(vid));
        }
        self.claims.set_asking(true);
        self.arping = Some(OwnArping {
            settings,
            rate: self.rate,
            due: now,
            end: (settings.seconds > 0).then(|| {
                let seconds = u64::from(settings.seconds);
                now.after(Ticks(self.rate.hertz().saturating_mul(seconds)))
            }),
            asked: now,
            turns: 0,
            is_answered: false,
            summary: ArpingSummary {
                vid,
                source,
                sent: 0,
                received: 0,
                last: None,
                is_over: false,
            },
            replies: heapless::Deque::new(),
        });
        Ok(())
    }

    /// Our address that asks for `address` in VLAN `vid`: that in its network, or else the first one, because ARP needs no
    /// route.
    fn asking_address(&self, vid: u16, address: Ipv4Addr) -> Result<Ipv4Addr, ArpingError> {
        match self.routes.next_hop_in(vid, address) {
            Ok(hop) => return Ok(hop.source),
            Err(error @ NoRoute::Group(_)) => return Err(ArpingError::NoRoute(error)),
            Err(NoRoute::Unreachable(_)) => {}
        }
        let device = self.vlans.device(vid);
        let own = device.and_then(|device| device.addresses().first());
        own.map(|own| own.address()).ok_or(ArpingError::NoAddress)
    }

    /// The oldest reply that nobody took yet.
    pub fn take_arping_reply(&mut self) -> Option<ArpingReply> {
        self.arping.as_mut()?.replies.pop_front()
    }

    /// What came of it so far; `None` when nobody is asked for.
    pub fn arping_progress(&self) -> Option<ArpingSummary> {
        Some(self.arping.as_ref()?.summary)
    }

    /// Asks no more.
    pub fn stop_arping(&mut self) {
        self.claims.set_asking(false);
        self.arping = None;
    }
}
