//! UDP, on the path of a frame: from a checked IPv4 datagram to the services, and back.

use super::ipv4::Host;
use crate::counters::Reason;
use crate::udp::Envelope;
use crate::wire::ipv4::Ipv4Header;

/// Does nothing, in the place of an option (RFC 791 §3.1).
const NO_OPERATION: u8 = 1;

/// An IPv4 datagram that was checked and found to carry UDP.
pub(super) struct Datagram<'frame> {
    pub header: &'frame mut Ipv4Header,
    pub options: &'frame mut [u8],
    /// From the UDP header to the end of the buffer.
    pub room: &'frame mut [u8],
    /// Octets of `room` that belong to the datagram.
    pub length: usize,
    /// Whether it is for a group rather than for this host alone.
    pub is_group: bool,
}

impl Host<'_> {
    /// Gives a datagram to the service that it is for. An answer makes it at most `largest` octets, its IPv4
    /// header included. Returns the answer's octets.
    pub(super) fn answer_udp(
        &mut self,
        datagram: Datagram<'_>,
        largest: usize,
    ) -> Result<usize, Reason> {
        let Datagram {
            header,
            options,
            room,
            length,
            is_group,
        } = datagram;
        let header_length = header.header_length();
        let envelope = Envelope {
            source: header.source(),
            destination: header.destination(),
            is_group,
            time_to_live: header.time_to_live(),
            arrival: &self.arrival,
            can_answer: self.can_answer,
        };
        let largest = largest.saturating_sub(header_length);
        let end = largest.max(length).min(room.len());
        let room = room.get_mut(..end).ok_or(Reason::UdpNoRoom)?;
        let answer = self.services.answer(&envelope, room, length)?;
        let total_length = header_length.saturating_add(answer.length);
        let total_length_field = u16::try_from(total_length).map_err(|_| Reason::UdpNoRoom)?;
        header.turn_around();
        header.set_answer(total_length_field, answer.maximum_time_to_live);
        // What the request's options asked of the way is not ours to ask of the way back.
        options.fill(NO_OPERATION);
        header.seal(options);
        Ok(total_length)
    }
}
