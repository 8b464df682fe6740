//! What becomes of a frame where an eBPF program decides.

use super::{Exit, Reception};
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, MAXIMUM_FRAME};
use crate::time::Ticks;
use crate::wire::ethernet::EtherType;
use crate::wire::vlan::TaggedHeader;
use pollux_ebpf::Verdict;

impl Reception<'_> {
    /// Asks the card's program about a frame. Returns whether it is accepted: if not, the VLAN rule decides.
    #[cold]
    #[inline(never)]
    pub(super) fn ask_filter(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        can_defer: bool,
    ) -> Result<bool, Exit> {
        if length > MAXIMUM_FRAME {
            return Ok(false);
        }
        let octets = buffer.get(..length).unwrap_or_default();
        let seen = Ticks(self.now.ticks());
        match self.interface.ask_filter(octets, seen) {
            Verdict::Drop => Err(Reason::Filtered.into()),
            Verdict::Accept => Ok(true),
            Verdict::Skip => Err(self.skip(buffer, length, can_defer)),
            Verdict::Vlan => Ok(false),
        }
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
