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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udp::Unanswered;
    use crate::udp::tests::{ASKER, Delivery, Host};

    #[test]
    fn data_come_back_as_they_are_rfc_862() {
        let mut host = Host::serving(PORT, Echo::new());
        for data in [&b""[..], b"x", &[0; 1472], &[0xff; 1472]] {
            let answer = host.ask(&Delivery::with(ASKER, PORT, data));
            assert_eq!(answer.as_deref(), Ok(data));
        }
        let counters = host.counters(PORT);
        assert_eq!((counters.answered, counters.answered_octets), (4, 2945));
    }

    #[test]
    fn latmus_asks_from_the_port_on_which_it_is_answered_and_others_must_not() {
        // Sequence number 0, filled up with letters, and an eight-bit checksum at the end.
        let packet = b"^0000000000000000AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$2f";
        assert_eq!(packet.len(), 64);
        let mut host = Host::serving(LATMUS_PORT, Echo::for_latmus());
        let latmus = Delivery::with(LATMUS_PORT, LATMUS_PORT, packet);
        assert_eq!(host.ask(&latmus).as_deref(), Ok(&packet[..]));
        let mut host = Host::serving(LATMUS_PORT, Echo::new());
        assert_eq!(host.ask(&latmus), Err(Unanswered::ResponderPort));
    }
}
