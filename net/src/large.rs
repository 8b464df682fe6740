//! Datagrams that are longer than a frame, on their way out.
//!
//! Each waits in a buffer of its own while its fragments go out a few at a time, so that an answer to
//! somebody else comes between them. The buffers are as long as those of [`crate::reassembly`] and
//! change places with them: an answer to a datagram that came in fragments is never copied as a whole.

use crate::capture::Outlet;
use crate::device::BUFFER_SIZE;
use crate::fragmentation::Fragments;
use crate::frame_header::FrameHeader;
use crate::reassembly::BUFFER_LENGTH;
use crate::wire::ipv4::{HEADER_LENGTH, Ipv4Header};
use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;
use core::ops::Range;
use zerocopy::FromBytes;

/// How many datagrams can wait at a time, unless told otherwise.
pub const DEFAULT_PLACES: usize = 4;

/// A datagram that goes out, and the buffer in which it stands.
struct Place {
    buffer: Box<[u8]>,
    datagram: Range<usize>,
    /// What is left to send of it, and behind which header.
    rest: Option<(FrameHeader, Fragments)>,
}

/// Datagrams that go out in fragments, oldest first.
pub struct LargeDatagrams {
    places: Box<[Place]>,
    first: usize,
    waiting: usize,
    identification: u16,
    sent: u64,
}

/// A datagram could not be taken: all places are taken, or it is none that can be sent in fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken;

impl LargeDatagrams {
    /// Room for `places` datagrams. Allocates; nothing else here does.
    pub fn new(places: usize) -> Self {
        let place = |_| Place {
            buffer: vec![0; BUFFER_LENGTH].into_boxed_slice(),
            datagram: 0..0,
            rest: None,
        };
        Self {
            places: (0..places).map(place).collect(),
            first: 0,
            waiting: 0,
            identification: 0,
            sent: 0,
        }
    }

    /// Whether nothing waits to be sent.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether another datagram can be taken.
    pub fn has_room(&self) -> bool {
        self.waiting < self.places.len()
    }

    /// Datagrams whose last fragment was queued.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// The place of the next datagram.
    fn next(&mut self) -> Result<&mut Place, NotTaken> {
        if !self.has_room() {
            return Err(NotTaken);
        }
        let index = self.wrapped(self.waiting);
        self.places.get_mut(index).ok_or(NotTaken)
    }

    /// The place so many behind the first.
    fn wrapped(&self, behind: usize) -> usize {
        let index = self.first.saturating_add(behind);
        index.checked_sub(self.places.len()).unwrap_or(index)
    }

    /// Takes a datagram, to be sent behind `header` in frames that carry `mtu` octets, which is written by
    /// `compose`, together with its IPv4 header, to the beginning of a buffer of 65,535 octets. `compose`
    /// returns its octets; the header needs no checksum.
    ///
    /// # Errors
    ///
    /// [`NotTaken`].
    pub(crate) fn compose(
        &mut self,
        header: FrameHeader,
        mtu: u16,
        compose: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), NotTaken> {
        let place = self.next()?;
        let length = compose(&mut place.buffer).ok_or(NotTaken)?;
        self.start(header, mtu, 0..length)
    }

    /// Takes the datagram that stands in `buffer`, of [`BUFFER_LENGTH`] octets, at `datagram`; `exchange`
    /// makes that buffer change places with the one that it is given, and returns where the datagram of
    /// `length` octets begins.
    ///
    /// # Errors
    ///
    /// [`NotTaken`]; `exchange` may have been called.
    pub(crate) fn take(
        &mut self,
        header: FrameHeader,
        mtu: u16,
        length: usize,
        exchange: impl FnOnce(&mut Box<[u8]>) -> usize,
    ) -> Result<(), NotTaken> {
        let place = self.next()?;
        let start = exchange(&mut place.buffer);
        self.start(header, mtu, start..start.saturating_add(length))
    }

    fn start(
        &mut self,
        header: FrameHeader,
        mtu: u16,
        datagram: Range<usize>,
    ) -> Result<(), NotTaken> {
        let identification = self.identification;
        let place = self.next()?;
        let octets = place.buffer.get_mut(datagram.clone()).ok_or(NotTaken)?;
        permit_fragments(octets).ok_or(NotTaken)?;
        let fragments = Fragments::new(octets, usize::from(mtu), identification);
        place.rest = Some((header, fragments.map_err(|_| NotTaken)?));
        place.datagram = datagram;
        self.waiting = self.waiting.saturating_add(1);
        self.identification = identification.wrapping_add(1);
        Ok(())
    }

    /// The VLAN of the oldest datagram, 0 for frames that name none, and the address that it comes from;
    /// `None` when nothing waits.
    pub(crate) fn next_origin(&self) -> Option<(u16, Ipv4Addr)> {
        if self.waiting == 0 {
            return None;
        }
        let (header, fragments) = self.places.get(self.first)?.rest.as_ref()?;
        Some((header.vid(), fragments.source()))
    }

    /// Gives up on all of them.
    pub(crate) const fn clear(&mut self) {
        self.waiting = 0;
    }

    /// Gives up on what is left of the oldest datagram.
    pub(crate) fn drop_next(&mut self) {
        if self.waiting > 0 {
            self.first = self.wrapped(1);
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Queues the next fragment of the oldest datagram. Returns the VLAN and the octets of its frame;
    /// `None` when there is none, or no room for it.
    pub(crate) fn send_next(&mut self, device: &mut impl Outlet) -> Option<(u16, usize)> {
        if self.waiting == 0 {
            return None;
        }
        let place = self.places.get_mut(self.first)?;
        let datagram = place.buffer.get(place.datagram.clone())?;
        let (header, fragments) = place.rest.as_mut()?;
        let mut length = 0;
        let queued = device.transmit(|buffer: &mut [u8; BUFFER_SIZE]| {
            let payload = header.write(buffer);
            // No fragment is longer than the MTU, for which a buffer has room.
            let octets = fragments.write_next(datagram, payload).ok().flatten();
            length = header.length().saturating_add(octets.unwrap_or(0));
            length
        });
        let (sent, is_last) = ((header.vid(), length), fragments.remaining() == 0);
        queued.ok()?;
        if is_last {
            self.drop_next();
            self.sent = self.sent.wrapping_add(1);
        }
        Some(sent)
    }
}

/// Allows that a datagram be fragmented.
fn permit_fragments(datagram: &mut [u8]) -> Option<()> {
    let (header, rest) = Ipv4Header::mut_from_prefix(datagram).ok()?;
    let options = rest.get(..header.header_length().checked_sub(HEADER_LENGTH)?)?;
    header.permit_fragments(options);
    Some(())
}
