//! UDP, on the path of a frame: from a checked IPv4 datagram to the services, and back.

use super::Inbound;
use super::ipv4::Ipv4Context;
use crate::arrival::Arrival;
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

impl Inbound<'_> {
    /// Gives a datagram to the service that it is for. Returns the answer's octets behind the tag.
    pub(super) fn answer_udp(
        self,
        datagram: Datagram<'_>,
        context: Ipv4Context<'_>,
    ) -> Result<usize, Reason> {
        let Datagram {
            header,
            options,
            room,
            length,
            is_group,
        } = datagram;
        let header_length = header.header_length();
        let arrival = Arrival::of_tagged(self.header, context.now);
        let envelope = Envelope {
            source: header.source(),
            destination: header.destination(),
            is_group,
            time_to_live: header.time_to_live(),
            arrival: &arrival,
            can_answer: context.can_answer,
        };
        // No answer is larger than what the device may send in one piece.
        let largest = usize::from(self.device.mtu()).saturating_sub(header_length);
        let end = largest.max(length).min(room.len());
        let room = room.get_mut(..end).ok_or(Reason::UdpNoRoom)?;
        let answer = context.services.answer(&envelope, room, length)?;
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
