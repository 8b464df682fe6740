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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udp::Unanswered;
    use crate::udp::tests::{ASKER, Delivery, Host};

    #[test]
    fn nothing_comes_back_and_everything_is_counted_rfc_863() {
        let mut host = Host::serving(PORT, Discard);
        for data in [&b""[..], b"one", &[0; 1472]] {
            let answer = host.ask(&Delivery::with(ASKER, PORT, data));
            assert_eq!(answer, Err(Unanswered::Consumed));
        }
        let counters = host.counters(PORT);
        assert_eq!((counters.received, counters.received_octets), (3, 1475));
        assert_eq!(counters.unanswered(Unanswered::Consumed), 3);
        assert_eq!(counters.answered, 0);
    }
}
