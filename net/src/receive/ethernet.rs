//! Frames of other EtherTypes, on the path of a frame: to the raw Ethernet services, and back.

use super::Exit;
use crate::arrival::Arrival;
use crate::counters::Reason;
use crate::ethernet::{EthernetFrame, EthernetResponse, EthernetServices};
use crate::wire::ethernet::EtherType;

/// What stands behind the header of a frame.
pub(super) struct Payload<'frame> {
    /// To the end of the buffer.
    pub room: &'frame mut [u8],
    /// Octets of `room` that were received.
    pub length: usize,
}

/// Gives a frame to the service that it is for. Returns the answer's octets.
pub(super) fn answer(
    services: &mut EthernetServices,
    ether_type: EtherType,
    Payload { room, length }: Payload<'_>,
    arrival: &Arrival,
    can_answer: bool,
) -> Result<usize, Exit> {
    let Some(service) = services.find_mut(ether_type) else {
        return Err(reason_for(ether_type).into());
    };
    let room = room.get_mut(..length).ok_or(Reason::Oversized)?;
    let frame = EthernetFrame {
        ether_type,
        arrival,
        payload: room,
    };
    let reason = match service.receive(frame) {
        EthernetResponse::Consumed => Reason::EthernetConsumed,
        EthernetResponse::Decline => Reason::EthernetDeclined,
        EthernetResponse::Answer { length: answer } if answer > length => {
            Reason::EthernetServiceFault
        }
        EthernetResponse::Answer { .. } if arrival.link_broadcast => Reason::EthernetToGroup,
        EthernetResponse::Answer { .. } if !can_answer => Reason::NoTransmitSlot,
        EthernetResponse::Answer { length } => return Ok(length),
    };
    Err(reason.into())
}

/// Why a frame of a type that no service takes gets no answer.
fn reason_for(ether_type: EtherType) -> Reason {
    if ether_type.is_tag() {
        Reason::StackedTag
    } else if ether_type.is_length() {
        Reason::LengthField
    } else {
        Reason::UnknownEtherType
    }
}
