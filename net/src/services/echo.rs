//! Echo (RFC 862): whatever comes goes back.

use crate::udp::{Datagram, Policy, Response, UdpService};

/// The port of RFC 862.
pub const PORT: u16 = 7;
/// The port on which EVL's `latmus` measures a network, and from which it asks.
pub const LATMUS_PORT: u16 = 59_059;

/// Sends each datagram's data back.
#[derive(Clone, Debug)]
pub struct Echo {
    name: &'static str,
    accepts_own_port: bool,
}

impl Echo {
    /// The echo of RFC 862.
    pub const fn new() -> Self {
        Self {
            name: "echo",
            accepts_own_port: false,
        }
    }

    /// The far end of a network test of `latmus`. Both of its ends use the same port, so that requests
    /// from it have to be taken here.
    pub const fn for_latmus() -> Self {
        Self {
            name: "latmus",
            accepts_own_port: true,
        }
    }
}

impl Default for Echo {
    fn default() -> Self {
        Self::new()
    }
}

impl UdpService for Echo {
    fn name(&self) -> &'static str {
        self.name
    }

    fn policy(&self) -> Policy {
        Policy {
            accepts_own_port: self.accepts_own_port,
            ..Policy::RESPONDER
        }
    }

    fn receive(&mut self, _: Datagram<'_>) -> Response {
        Response::Echo
    }
}
