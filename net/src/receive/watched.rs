//! The way of a frame while somebody watches: where all frames are kept, echo requests are traced, or a program decides about
//! what is in-band or unusual. What a program alone is to see begins in [`super::filtered`].
//!
//! It costs what it costs; the usual way pays one branch for it ([`super::Receiver::receive`]).

use super::{Exit, FrontHeader, Reception};
use crate::capture::first_octets;
use crate::counters::Reason;
use crate::device::{BUFFER_SIZE, Verdict};
use crate::wire::icmpv4_error;
use crate::wire::ipv4::{self, Ipv4Header};
use zerocopy::FromBytes;

impl Reception<'_> {
    /// Keeps a frame that the device delivered whole, where all are kept, and asks the program, where there is
    /// one. Returns whether that accepts the frame: if not, the VLAN rule decides.
    #[cold]
    #[inline(never)]
    pub(super) fn look_closer(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        can_defer: bool,
    ) -> Result<bool, Exit> {
        self.keep_arrived(buffer, length);
        if self.interface.filter.is_active() {
            return self.ask_filter(buffer, length, can_defer);
        }
        Ok(false)
    }

    /// Keeps a frame as it arrived, where all are kept, or where those of echo requests are.
    pub(super) fn keep_arrived(&mut self, buffer: &[u8; BUFFER_SIZE], length: usize) {
        let trace = &mut self.interface.trace;
        if trace.keeps_frames() {
            trace.keep_arrived(first_octets(buffer), length);
        }
        let capture = &mut self.interface.capture;
        if capture.is_on() {
            capture.open(self.now, first_octets(buffer), length);
        }
    }

    /// Keeps what became of it, and its answer.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_verdict(&mut self, buffer: &[u8; BUFFER_SIZE], verdict: Verdict) {
        let capture = &mut self.interface.capture;
        if capture.is_on() {
            capture.close(self.now, first_octets(buffer), verdict);
        }
    }

    /// Keeps a frame that got no answer.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_unanswered(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        reason: Reason,
    ) {
        let capture = &mut self.interface.capture;
        capture.keep_unanswered(self.now, first_octets(buffer), length, reason);
    }

    /// Keeps a frame in whose place an ICMP error stands now, which quotes it behind its own headers. Padding is
    /// not quoted, and kept as zeros.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_reported(
        &mut self,
        buffer: &[u8; BUFFER_SIZE],
        length: usize,
        reason: Reason,
    ) {
        const QUOTED: usize = ipv4::HEADER_LENGTH + icmpv4_error::HEADER_LENGTH;
        let front = FrontHeader::read(buffer).length;
        let mut octets = *first_octets(buffer);
        let quoted = buffer.get(front.saturating_add(QUOTED)..);
        if let (Some(place), Some(quoted)) = (octets.get_mut(front..), quoted)
            && let Ok((header, _)) = Ipv4Header::ref_from_prefix(quoted)
        {
            let datagram = quoted.iter().take(header.total_length());
            let datagram = datagram.chain(core::iter::repeat(&0));
            for (octet, quoted) in place.iter_mut().zip(datagram) {
                *octet = *quoted;
            }
        }
        let capture = &mut self.interface.capture;
        capture.keep_unanswered(self.now, &octets, length, reason);
    }
}
