//! The appliance's own ping: a [`PingSession`] on a network card, one at a time.

use crate::arrival::Arrival;
use crate::interface::Interface;
use crate::ping::{PingReply, PingSession, PingSettings, PingSummary};
use crate::route::{NextHop, NoRoute, RouteTable};
use crate::time::Instant;
use crate::wire::icmpv4::EchoHeader;
use crate::wire::icmpv4_error;
use crate::wire::ipv4::{Ipv4Header, Protocol};
use core::fmt;
use zerocopy::FromBytes;

/// How many replies are kept until somebody takes them.
const REPLIES: usize = 64;

/// A session, where its requests go, and what came back.
pub struct OwnPing {
    pub(crate) session: PingSession,
    /// The VLAN through which its requests are to leave; `None` for the one that the routes say.
    pub(crate) vid: Option<u16>,
    replies: heapless::Deque<PingReply, REPLIES>,
}

/// Why a ping was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingError {
    /// Nothing leads to the destination.
    NoRoute(NoRoute),
    /// The destination is our own address: it would not leave the machine.
    OwnAddress,
    /// The device of this VLAN is down.
    Down(u16),
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute(error) => write!(f, "{error}"),
            Self::OwnAddress => f.write_str("the destination is our own address"),
            Self::Down(_) => f.write_str("the device through which it is reached is down"),
        }
    }
}

impl core::error::Error for PingError {}

impl OwnPing {
    /// Where its requests go.
    pub(crate) fn next_hop(&self, routes: &RouteTable) -> Result<NextHop, NoRoute> {
        let destination = self.session.settings().destination;
        match self.vid {
            Some(vid) => routes.next_hop_in(vid, destination),
            None => routes.next_hop(destination),
        }
    }

    /// Tells of one request that could not be sent, if there is room to.
    pub(crate) fn tell_unreachable(&mut self) {
        if !self.replies.is_full()
            && let Some(unreachable) = self.session.next_unreachable()
        {
            // There is room.
            let _ = self.replies.push_back(unreachable);
        }
    }

    /// Takes an echo reply, if it is for this session.
    pub(crate) fn on_reply(
        &mut self,
        header: &Ipv4Header,
        echo: &EchoHeader,
        data: &[u8],
        arrival: &Arrival,
    ) -> bool {
        let reply = self.session.on_reply(
            header.source(),
            echo.identifier.get(),
            echo.sequence.get(),
            data,
            header.time_to_live(),
            arrival.seen,
        );
        let Some(reply) = reply else { return false };
        // One that nobody takes in time is in the summary all the same.
        let _ = self.replies.push_back(reply);
        true
    }

    /// Takes the ICMP error in a datagram with this `header`, if it is about a request of this session. Such an error goes
    /// to where the request came from (RFC 1122 §3.2.2).
    pub(crate) fn on_error(&mut self, header: &Ipv4Header, message: &[u8]) -> bool {
        let Some((why, quoted, data)) = icmpv4_error::read(message) else {
            return false;
        };
        let Ok((echo, _)) = EchoHeader::ref_from_prefix(data) else {
            return false;
        };
        let is_ours = quoted.protocol() == Protocol::ICMP
            && quoted.source() == header.destination()
            && quoted.destination() == self.session.settings().destination
            && echo.is_request();
        if !is_ours {
            return false;
        }
        let (identifier, sequence) = (echo.identifier.get(), echo.sequence.get());
        let told = self
            .session
            .on_error((header.source(), why), identifier, sequence);
        let Some(told) = told else { return false };
        // One that nobody takes in time is in the summary all the same.
        let _ = self.replies.push_back(told);
        true
    }
}

impl Interface {
    /// Begins to ping, through VLAN `vid` or the one that the routes say. A session before it ends.
    /// Allocates.
    ///
    /// # Errors
    ///
    /// [`PingError`], and then the session before it goes on.
    pub fn start_ping(
        &mut self,
        settings: PingSettings,
        vid: Option<u16>,
        now: Instant,
    ) -> Result<NextHop, PingError> {
        let destination = settings.destination;
        if self.claims.all().any(|cidr| cidr.address() == destination) {
            return Err(PingError::OwnAddress);
        }
        let ping = OwnPing {
            session: PingSession::new(settings, self.rate, now),
            vid,
            replies: heapless::Deque::new(),
        };
        let hop = ping.next_hop(&self.routes).map_err(PingError::NoRoute)?;
        if !self.vlans.is_up(hop.vid) {
            return Err(PingError::Down(hop.vid));
        }
        self.ping = Some(ping);
        Ok(hop)
    }

    /// The oldest reply that nobody took yet.
    pub fn take_ping_reply(&mut self) -> Option<PingReply> {
        self.ping.as_mut()?.replies.pop_front()
    }

    /// What became of the requests so far, and whether the session is over: no more are sent, and none is
    /// outstanding. `None` without a session.
    pub fn ping_progress(&self) -> Option<(PingSummary, bool)> {
        let session = &self.ping.as_ref()?.session;
        Some((session.summary(), session.is_finished()))
    }

    /// Ends the session, if there is one, and says what became of it.
    pub fn stop_ping(&mut self) -> Option<PingSummary> {
        let ping = self.ping.take()?;
        Some(ping.session.summary())
    }
}
