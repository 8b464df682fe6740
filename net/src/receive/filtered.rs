//! What becomes of a frame where an eBPF program decides.

use super::{Exit, Reception};
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, MAXIMUM_FRAME, Received, Verdict as DeviceVerdict};
use crate::time::Ticks;
use crate::wire::ethernet::EtherType;
use crate::wire::vlan::TaggedHeader;
use pollux_ebpf::Verdict;

impl Reception<'_> {
    /// Receives a frame that a program, and nobody else, is to see first: if that leaves it in real time, and it is a usual
    /// one, it is answered as such.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_filtered(mut self, mut frame: Received<'_>) -> DeviceVerdict {
        let length = frame.length;
        if frame.damage.is_some() || length > MAXIMUM_FRAME {
            return self.receive_any(frame, None);
        }
        let said = self.ask_program(frame.buffer, length);
        let own = self.interface.station.to_bits();
        if matches!(said, Verdict::Accept | Verdict::Vlan)
            && frame.can_answer
            && let Some(verdict) = self.receive_usual_for(&mut frame, length, own)
        {
            return verdict;
        }
        self.receive_any(frame, Some(said))
    }

    /// Asks the card's program about a frame. Returns whether it is accepted: if not, the VLAN rule decides.
    pub(super) fn ask_filter(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        can_defer: bool,
    ) -> Result<bool, Exit> {
        if length > MAXIMUM_FRAME {
            return Ok(false);
        }
        let said = self.ask_program(buffer, length);
        self.obey(said, buffer, length, can_defer)
    }

    /// What comes of what the program said of a frame: whether it is accepted.
    #[cold]
    pub(super) fn obey(
        &self,
        said: Verdict,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        can_defer: bool,
    ) -> Result<bool, Exit> {
        match said {
            Verdict::Drop => Err(Reason::Filtered.into()),
            Verdict::Accept => Ok(true),
            Verdict::Skip => Err(self.skip(buffer, length, can_defer)),
            Verdict::Vlan => Ok(false),
        }
    }

    #[inline(always)]
    fn ask_program(&mut self, buffer: &[u8; BUFFER_SIZE], length: usize) -> Verdict {
        let octets = buffer.get(..length).unwrap_or_default();
        self.interface.ask_filter(octets, Ticks(self.now.ticks()))
    }

    /// How a frame leaves that is to be in-band.
    fn skip(&self, buffer: &[u8; BUFFER_SIZE], length: usize, can_defer: bool) -> Exit {
        match self.check_front(buffer, length) {
            Err(exit) => exit,
            Ok(header) if header.tag_protocol() == EtherType::VLAN => {
                self.interface.in_band(header.vid(), can_defer)
            }
            Ok(header) => {
                let protocol = header.tag_protocol();
                self.interface.without_vlan(protocol, can_defer)
            }
        }
    }
}

/// Refuses tags that no device can have, whatever a program says.
#[cold]
pub(super) fn check_accepted(header: &TaggedHeader) -> Result<(), Reason> {
    match header.tag_protocol() {
        EtherType::SERVICE_VLAN | EtherType::OLD_STACKED_VLAN => Err(Reason::ServiceTag),
        EtherType::VLAN if header.vid() == 0x0fff => Err(Reason::ReservedVlan),
        _ => Ok(()),
    }
}
