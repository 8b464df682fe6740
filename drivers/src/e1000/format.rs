//! What descriptors look like: in the form that every card of the family knew at first, and in the one
//! that those from the 82576 on know.
//!
//! `ring.rs` moves descriptors of either; which it is, is settled when a driver is compiled for it, so that
//! no frame pays for there being two. In both, a descriptor has 16 octets: the address of a buffer, and
//! eight octets of fields that the card changes when it is done.

use core::fmt::Debug;

/// A form of descriptors.
pub trait Format: Debug + 'static {
    /// In what [`Format::status`] returns: CRC or alignment, symbol, sequence, carrier extension, data. Bad
    /// checksums in the payload are not among them: whoever parses the payload finds out.
    const ERRORS: u32;

    /// In what [`Format::status`] returns: all of these bits together, of which those in [`Format::VERIFIED`] alone are set in
    /// that of a frame in which the card has verified the checksums of IPv4, if there is one, and UDP, and found both right.
    /// A fragment has no such bits, nor has a datagram without a checksum.
    const VERIFICATION: u32;
    /// See [`Format::VERIFICATION`].
    const VERIFIED: u32;

    /// The status of a receive descriptor that has these fields, with [`DONE`] and [`END_OF_PACKET`] where
    /// both forms have them, and the errors above it.
    fn status(fields: u64) -> u32;

    /// How many octets the card says it has written.
    fn length(fields: u64) -> usize;

    /// The fields of a transmit descriptor that has a whole frame of `length` octets sent, and says so when
    /// it has been: end of packet, insert the check sequence, report status.
    fn send(length: usize) -> u64;
}

/// In [`Format::status`]: the card is done with the descriptor.
pub const DONE: u32 = 1 << 0;
/// In [`Format::status`]: the frame ends here.
pub const END_OF_PACKET: u32 = 1 << 1;
/// In [`Format::status`]: the card has added up a checksum behind an IP header, and it is that of UDP.
const VERIFIED: u32 = 1 << 5 | 1 << 4;
/// In the status of [`Legacy`] descriptors: what the card says of checksums means nothing (82574 datasheet §7.1.4.2, IXSM).
const IGNORE_CHECKSUM: u32 = 1 << 2;
/// A receive descriptor's fields before the card has filled it. (In the advanced form they are the address
/// of a buffer for headers, which is not used.)
pub const EMPTY: u64 = 0;
/// A transmit descriptor's fields once the card is done with it, in either form (82540EM SDM §3.3.3.2, 82576
/// datasheet §7.2.2.4). A slot that was never used looks like one whose frame has gone out.
pub const SENT: u64 = 1 << 32;

/// The commands of a transmit descriptor, in bits 31:24 of either form.
const COMMANDS: u64 = 0b1011 << 24;

/// Legacy descriptors (82540EM SDM §3.2.3, §3.3.3).
#[derive(Debug)]
pub struct Legacy;

impl Format for Legacy {
    const ERRORS: u32 = 0x97 << 8;
    // TCPE and IPE; "ignore checksum", L4CS and UDPCS (82574 datasheet §7.1.4.2, §7.1.4.3).
    const VERIFICATION: u32 = 0b0110_0000 << 8 | IGNORE_CHECKSUM | Self::VERIFIED;
    const VERIFIED: u32 = VERIFIED;

    #[inline]
    fn status(fields: u64) -> u32 {
        (fields >> 32) as u32
    }

    #[inline]
    fn length(fields: u64) -> usize {
        usize::from(fields as u16)
    }

    #[inline]
    fn send(length: usize) -> u64 {
        COMMANDS | length as u64
    }
}

/// Advanced descriptors: one buffer for each frame received, and a data descriptor for each sent (82576
/// datasheet §7.1.5, §7.2.2.3).
#[derive(Debug)]
pub struct Advanced;

impl Advanced {
    /// The type "advanced data" in bits 23:20, and that it is not a legacy one.
    const KIND: u64 = 0b0011 << 20 | 1 << 29;
    /// Where the length of all that is to be sent stands, which the one buffer holds.
    const PAYLOAD_LENGTH_SHIFT: u32 = 46;
}

impl Format for Advanced {
    const ERRORS: u32 = 1 << 31;
    // IPE and L4E; L4I and UDPCS (82576 datasheet §7.1.5.2).
    const VERIFICATION: u32 = 0b11 << 29 | Self::VERIFIED;
    const VERIFIED: u32 = VERIFIED;

    #[inline]
    fn status(fields: u64) -> u32 {
        fields as u32
    }

    #[inline]
    fn length(fields: u64) -> usize {
        usize::from((fields >> 32) as u16)
    }

    #[inline]
    fn send(length: usize) -> u64 {
        let length = length as u64;
        COMMANDS | Self::KIND | length | length << Self::PAYLOAD_LENGTH_SHIFT
    }
}
