//! A datagram that is longer than a frame becomes fragments (RFC 791 §3.2).
//!
//! Whoever sends a datagram that may be too long makes a [`Fragments`] of it and writes them, one
//! after the other, into transmit buffers, as room for them comes up. The datagram itself is only read, and
//! must stay as it is until the last is written. Nothing here allocates;
//! what is wrong with a datagram is said before the first fragment is written.

use crate::wire::ipv4::{HEADER_LENGTH, Ipv4Header};
use crate::wire::ipv4_fragment::{FragmentField, UNIT};
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Range;
use heapless::Vec;
use zerocopy::{FromBytes, IntoBytes};

/// The smallest maximum transmission unit: every link carries datagrams of 68 octets, which is the
/// longest header and one unit of data (RFC 791 §3.2).
pub const MINIMUM_MTU: usize = 68;

/// The longest options.
const MAXIMUM_OPTIONS: usize = 40;
/// Options without a length of their own (RFC 791 §3.1).
const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
/// The bit in an option's type that says it is copied into every fragment (RFC 791 §3.1).
const COPIED: u8 = 0x80;

/// Why a datagram cannot be sent in fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentationError {
    /// It is not a whole datagram: too short for its header or for its total length, or a fragment
    /// itself.
    NotADatagram,
    /// It has options that overrun each other.
    Options,
    /// It is longer than the link can carry, and says "don't fragment".
    DontFragment,
    /// The link is said to carry less than [`MINIMUM_MTU`] octets.
    MtuTooSmall(usize),
}

impl fmt::Display for FragmentationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADatagram => f.write_str("not a whole IPv4 datagram"),
            Self::Options => f.write_str("the datagram's options overrun each other"),
            Self::DontFragment => {
                f.write_str("the datagram is longer than the MTU and must not be fragmented")
            }
            Self::MtuTooSmall(mtu) => {
                write!(f, "an MTU of {mtu} octets is less than {MINIMUM_MTU}")
            }
        }
    }
}

/// A buffer is too short for the next fragment, which takes this many octets. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferTooShort(pub usize);

/// The fragments of a datagram that are yet to be written.
#[derive(Clone, Debug)]
pub struct Fragments {
    header: Ipv4Header,
    /// Those of the next fragment: all in the first, the copied ones in the others.
    options: Vec<u8, MAXIMUM_OPTIONS>,
    copied: Vec<u8, MAXIMUM_OPTIONS>,
    /// Where in the datagram the data stand that are not written yet; `None` when all is done.
    rest: Option<Range<usize>>,
    offset: usize,
    mtu: usize,
}

impl Fragments {
    /// Prepares to send `datagram` over a link that carries datagrams of up to `mtu` octets. One that
    /// fits is left whole, with its flags. All get `identification`, which must be different for every
    /// datagram with the same addresses and protocol for as long as one may live (RFC 6864 §4.2), and
    /// a right header checksum. What stands in `datagram` behind its total length is not sent.
    ///
    /// # Errors
    ///
    /// [`FragmentationError`].
    pub fn new(
        datagram: &[u8],
        mtu: usize,
        identification: u16,
    ) -> Result<Self, FragmentationError> {
        if mtu < MINIMUM_MTU {
            return Err(FragmentationError::MtuTooSmall(mtu));
        }
        let (mut header, options) = split(datagram).ok_or(FragmentationError::NotADatagram)?;
        if header.is_fragment() {
            return Err(FragmentationError::NotADatagram);
        }
        if header.total_length() > mtu && header.fragment_field().dont_fragment() {
            return Err(FragmentationError::DontFragment);
        }
        let copied = copied_options(options).ok_or(FragmentationError::Options)?;
        let options = Vec::from_slice(options).map_err(|_| FragmentationError::NotADatagram)?;
        header.identification = identification.into();
        Ok(Self {
            header,
            options,
            copied,
            rest: Some(header.header_length()..header.total_length()),
            offset: 0,
            mtu,
        })
    }

    /// The address that the datagram comes from.
    pub fn source(&self) -> Ipv4Addr {
        self.header.source()
    }

    /// How many fragments are yet to be written.
    pub fn remaining(&self) -> usize {
        let Some(rest) = &self.rest else { return 0 };
        let room = self.room(&self.options);
        let Some(others) = rest.len().checked_sub(room).filter(|&others| others > 0) else {
            return 1;
        };
        // All but the last are a multiple of eight; the last has all the room.
        let others = others.saturating_add(room % UNIT);
        let room = self.room(&self.copied);
        let full = others.saturating_sub(room).div_ceil((room & !7).max(UNIT));
        full.saturating_add(2)
    }

    /// Writes the next fragment of `datagram`, the one that [`Self::new`] was given, from its IPv4 header
    /// on, to the beginning of `buffer`. Returns its octets; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// [`BufferTooShort`]: [`Fragments`] is as before, and the fragment can be written elsewhere.
    pub fn write_next(
        &mut self,
        datagram: &[u8],
        buffer: &mut [u8],
    ) -> Result<Option<usize>, BufferTooShort> {
        let Some(Range { start, end }) = self.rest.clone() else {
            return Ok(None);
        };
        let room = self.room(&self.options);
        let length = end.saturating_sub(start);
        let taken = if length <= room { length } else { room & !7 };
        let middle = start.saturating_add(taken);
        let is_last = middle >= end;
        let Some(payload) = datagram.get(start..middle) else {
            // It is not the datagram that it was.
            self.rest = None;
            return Ok(None);
        };
        let header_length = HEADER_LENGTH.saturating_add(self.options.len());
        let total_length = header_length.saturating_add(payload.len());

        let too_short = BufferTooShort(total_length);
        let fragment = buffer.get_mut(..total_length).ok_or(too_short)?;
        let (header, behind) = Ipv4Header::mut_from_prefix(fragment).map_err(|_| too_short)?;
        let (options, data) = behind
            .split_at_mut_checked(self.options.len())
            .ok_or(too_short)?;
        *header = self.header;
        let field = if self.offset == 0 && is_last {
            self.header.fragment_field()
        } else {
            FragmentField::new(self.offset, !is_last)
        };
        header.place(&self.options, total_length as u16, field);
        options.copy_from_slice(&self.options);
        data.copy_from_slice(payload);

        self.options.clone_from(&self.copied);
        self.offset = self.offset.saturating_add(payload.len());
        self.rest = (!is_last).then_some(middle..end);
        Ok(Some(total_length))
    }

    /// Octets of data for which a fragment with these options has room.
    fn room(&self, options: &[u8]) -> usize {
        self.mtu
            .saturating_sub(HEADER_LENGTH)
            .saturating_sub(options.len())
    }
}

/// A datagram's header and options, if all of it is there.
fn split(datagram: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let (header, _) = Ipv4Header::read_from_prefix(datagram).ok()?;
    let (_, behind) = datagram
        .get(..header.total_length())?
        .split_at_checked(header.as_bytes().len())?;
    let options_length = header.header_length().checked_sub(HEADER_LENGTH)?;
    Some((header, behind.get(..options_length)?))
}

/// The options that every fragment has (RFC 791 §3.1), in words of four octets; `None` when an option
/// leads outside.
fn copied_options(options: &[u8]) -> Option<Vec<u8, MAXIMUM_OPTIONS>> {
    let mut copied = Vec::new();
    let mut rest = options;
    loop {
        let length = match *rest {
            [] | [END_OF_LIST, ..] => break,
            [NO_OPERATION, ..] => 1,
            [_, length, ..] if length >= 2 => usize::from(length),
            _ => return None,
        };
        let (option, after) = rest.split_at_checked(length)?;
        if option.first().is_some_and(|kind| kind & COPIED != 0) {
            copied.extend_from_slice(option).ok()?;
        }
        rest = after;
    }
    let padded = copied.len().next_multiple_of(4);
    copied.resize(padded, END_OF_LIST).ok()?;
    Some(copied)
}

#[cfg(test)]
pub(crate) mod tests;
