//! Discard (RFC 863): whatever comes is counted and forgotten.

use crate::udp::{Datagram, Response, UdpService};

/// The port of RFC 863.
pub const PORT: u16 = 9;

/// Takes each datagram and says nothing. How many there were stands in the counters that every
/// service has.
#[derive(Clone, Debug, Default)]
pub struct Discard;

impl UdpService for Discard {
    fn name(&self) -> &'static str {
        "discard"
    }

    fn receive(&mut self, _: Datagram<'_>) -> Response {
        Response::Consumed
    }
}
