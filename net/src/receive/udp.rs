//! UDP, on the path of a frame: from a checked IPv4 datagram to the services, and back.
//!
//! [`Reception::receive_usual_udp`] is for UDP what [`Reception::answer_echo`] is for ICMP: what nearly every datagram
//! needs, behind checks that were made in one go. It does the same as the way step by step, which a test holds
//! them to.

use super::ipv4::Host;
use super::{Exit, Reception};
use crate::arrival::Arrival;
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, Received, TransportChecksum, Verdict};
use crate::udp::{Envelope, Unanswered};
use crate::wire::ipv4::{self, Ipv4Header, Protocol};
use crate::wire::vlan::TaggedHeader;
use zerocopy::FromBytes;

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

impl Reception<'_> {
    /// Receives a frame of which [`Self::protocol_of_usual`] said that it is one of UDP. `None`, and nothing has
    /// happened, when it is not for a port that a service has, or is not sound.
    #[inline(never)]
    pub(super) fn receive_usual_udp(
        mut self,
        buffer: &mut [u8; BUFFER_SIZE],
        length: usize,
        checksum: TransportChecksum,
    ) -> Option<Verdict> {
        let answered = self.serve(buffer, length, checksum, true)?;
        self.interface.counters.count_received();
        Some(self.conclude(answered, buffer, length))
    }

    /// Serves a usual frame that could not be asked for as such. `None` when it is anything else, or is to be traced, and then
    /// nothing has happened.
    #[cold]
    #[inline(never)]
    pub(super) fn serve_usual(&mut self, frame: &mut Received<'_>) -> Option<Result<usize, Exit>> {
        let (length, can_answer) = (frame.length, frame.can_answer);
        let own = self.interface.station.to_bits();
        let is_traced = self.interface.trace.is_enabled();
        match self.protocol_of_usual(frame.buffer, length, own)? {
            Protocol::UDP => self.serve(frame.buffer, length, frame.checksum, can_answer),
            Protocol::ICMP if can_answer && !is_traced => {
                self.answer_echo(frame.buffer, length).map(Ok)
            }
            _ => None,
        }
    }

    // Into both of its callers: called, it takes some 40 instructions more for each datagram.
    #[inline(always)]
    fn serve(
        &mut self,
        buffer: &mut [u8; BUFFER_SIZE],
        frame_length: usize,
        checksum: TransportChecksum,
        can_answer: bool,
    ) -> Option<Result<usize, Exit>> {
        let (front, room) = TaggedHeader::mut_from_prefix(&mut buffer[..]).ok()?;
        let (header, room) = Ipv4Header::mut_from_prefix(room).ok()?;
        let interface = &mut *self.interface;
        let device = interface.vlans.realtime(front.vid())?;
        let message_length = header.total_length().checked_sub(ipv4::HEADER_LENGTH)?;
        if !header.is_checksum_valid() {
            return None;
        }
        let tag_control = Some(front.tag_control.get());
        let arrival = Arrival::new(front.destination, front.source, tag_control, self.now);
        let envelope = Envelope {
            source: header.source(),
            destination: header.destination(),
            is_group: false,
            time_to_live: header.time_to_live(),
            arrival: &arrival,
            checksum,
            can_answer,
        };
        let mtu = usize::from(device.mtu());
        let room = room.get_mut(..mtu.checked_sub(ipv4::HEADER_LENGTH)?)?;
        let answered = interface.services.answer(&envelope, room, message_length);
        if answered == Err(Unanswered::ClosedPort) {
            return None;
        }
        device.count_received(frame_length);
        Some(
            answered
                .map_err(|reason| Reason::from(reason).into())
                .and_then(|answer| {
                    let total_length = ipv4::HEADER_LENGTH.saturating_add(answer.length);
                    let total_length_field =
                        u16::try_from(total_length).map_err(|_| Reason::UdpNoRoom)?;
                    header.turn_around();
                    header.set_answer(total_length_field, answer.maximum_time_to_live);
                    header.seal(&[]);
                    front.turn_around(interface.station);
                    let length = size_of::<TaggedHeader>().saturating_add(total_length);
                    device.count_transmitted(length);
                    Ok(length)
                }),
        )
    }
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
            checksum: self.checksum,
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
