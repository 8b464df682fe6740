//! The contract between the stack and a network card driver.
//!
//! A driver implements [`Device`]; the poll loop calls it in this order, turn after turn:
//! [`Device::process`] looks at memory, hands the frames that stand there up one by one and queues the answers;
//! [`Device::ring_doorbells`] tells the hardware, once. No call waits, allocates or copies a frame.

use crate::interface::DEFAULT_MTU;
use crate::vlan::VlanSet;
use crate::wire::ethernet::MacAddress;

/// The longest frame without its check sequence: 1,500 octets of payload, a header and a VLAN tag.
pub const MAXIMUM_FRAME: usize = 1518;
/// The shortest frame without its check sequence. Shorter ones are padded with zeros before they
/// are transmitted (IEEE 802.3 §4.2.3.3).
pub const MINIMUM_FRAME: usize = 60;
/// The octets of a frame buffer: what the cards count receive buffers in, and room to spare.
pub const BUFFER_SIZE: usize = 2048;

/// A received frame, in the DMA buffer into which the device wrote it.
#[derive(Debug)]
pub struct Received<'buffer> {
    /// The whole buffer: the frame, and behind it room in which an answer may grow.
    pub buffer: &'buffer mut [u8; BUFFER_SIZE],
    /// How many octets at the buffer's start are the frame, without its check sequence.
    pub length: usize,
    /// Why the frame cannot be trusted, if it cannot; its octets are then not to be parsed.
    pub damage: Option<Damage>,
    /// What the device says of the checksum behind the IPv4 header ([`SoundFrame::transport_checksum`]).
    pub checksum: TransportChecksum,
    /// Whether an answer could be transmitted. When not, the transmit ring is full or the link is
    /// down, and [`Verdict::Answer`] is not a permitted verdict.
    pub can_answer: bool,
    /// Whether the frame could be kept for later. When not, [`Verdict::Defer`] is not a permitted
    /// verdict.
    pub can_defer: bool,
}

/// What is wrong with a frame as the device delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The device reported an error in the frame: a bad check sequence, a symbol or a carrier error.
    Reported,
    /// The frame did not fit in one buffer.
    Oversized,
    /// The device gave a length that cannot be.
    ImpossibleLength,
}

/// What a device says of the checksum of the UDP datagram in a frame that is not a fragment. A wrong one is never
/// reported: what a device does not vouch for is added up here, so that a device that is mistaken can make no sound frame be
/// dropped, and all are counted alike. A frame that came with a partial checksum, because it never was on a wire, has had it
/// completed before anybody asks: see [`crate::wire::partial_checksum`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChecksum {
    /// Nothing, or that it is wrong.
    #[default]
    Unverified,
    /// It is right.
    Verified,
}

/// A received frame with which nothing is wrong, where the device put it.
pub trait SoundFrame {
    /// The whole buffer: the frame, and behind it room in which an answer may grow.
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE];

    /// What the device says of the checksum behind the IPv4 header. Of a usual frame asked only when it has one, so that no other
    /// pays for finding it out; and before anybody looks at the checksum, which may be completed by this.
    fn transport_checksum(&mut self) -> TransportChecksum;
}

impl SoundFrame for Received<'_> {
    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        self.buffer
    }

    #[inline]
    fn transport_checksum(&mut self) -> TransportChecksum {
        self.checksum
    }
}

/// A frame of which no device says anything.
impl SoundFrame for [u8; BUFFER_SIZE] {
    #[inline]
    fn bytes(&mut self) -> &mut [u8; BUFFER_SIZE] {
        self
    }

    #[inline]
    fn transport_checksum(&mut self) -> TransportChecksum {
        TransportChecksum::Unverified
    }
}

/// What is to become of a received frame's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The buffer now holds an answer of `length` octets: transmit it from where it stands.
    Answer {
        /// Octets to transmit, at most [`BUFFER_SIZE`]; the driver pads to [`MINIMUM_FRAME`] with zeros.
        length: usize,
    },
    /// There is nothing to say: give the buffer back to the device.
    Release,
    /// Not now: keep the buffer as it is, until [`Device::process_deferred`] hands it up again.
    Defer,
}

/// A batch while it is processed.
///
/// An answer must not wait for its doorbell behind frames that need none: so behind an answer a batch ends with the first
/// frame that got none, and one that begins with such a frame ends with the next. Putting a frame off costs less than
/// answering one does, so that no answer's residence is twice what it is in quiet.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// How many frames it may have.
    of: usize,
    /// How many more may be taken: one at most, once a frame got no answer.
    left: usize,
}

impl Batch {
    /// A batch of `frames` at most, none of which was taken.
    #[inline]
    pub const fn of(frames: usize) -> Self {
        Self {
            of: frames,
            left: frames,
        }
    }

    /// Whether one more frame may be taken.
    #[inline]
    pub const fn has_room(&self) -> bool {
        self.left > 0
    }

    /// Takes a frame, for which there is room.
    #[inline]
    pub const fn take(&mut self) {
        self.left = self.left.wrapping_sub(1);
    }

    /// Takes note of the verdict about what was taken.
    #[inline]
    pub const fn note(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Answer { .. } => {}
            Verdict::Release | Verdict::Defer => self.left = self.left_behind_unanswered(),
        }
    }

    /// How many more may be taken behind this frame, which got no answer. Apart, since the loop of answers would be slower
    /// with it.
    #[cold]
    #[inline(never)]
    const fn left_behind_unanswered(self) -> usize {
        let is_first = self.left.wrapping_add(1) == self.of;
        (is_first && self.left > 0) as usize
    }

    /// The batch, if it has more frames than it had `before`.
    #[inline]
    pub const fn if_more_than(self, before: Self) -> Option<Self> {
        match self.left == before.left {
            true => None,
            false => Some(self),
        }
    }

    /// Whether its answers may wait for more frames before the doorbell rings: it is nearly full otherwise, or a frame
    /// got no answer.
    pub const fn may_wait(&self) -> bool {
        self.left > 1
    }
}

/// Decides about frames: the stack's side of [`Device::process`].
pub trait Receiver {
    /// Decides at once about what nearly every frame is, as [`Receiver::receive`] would. `None` for all else, which is then
    /// as it was, but for a checksum that [`SoundFrame::transport_checksum`] completed, and uncounted, and to be handed to
    /// that.
    ///
    /// Asked only about frames with which nothing is wrong and whose answer can be transmitted, so that
    /// a driver's loop need not say so of each; none of them is deferred. `length` is what the device claims, and is
    /// checked here.
    #[inline]
    fn receive_usual<F>(&mut self, frame: &mut F, length: usize) -> Option<Verdict>
    where
        F: SoundFrame + ?Sized,
    {
        let _ = (frame, length);
        None
    }

    /// Looks at one frame, may rewrite its buffer into an answer, and says what becomes of it.
    fn receive(&mut self, frame: Received<'_>) -> Verdict;
}

/// Why a frame of our own could not be queued for transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitError {
    /// Every slot of the transmit ring is still the device's.
    RingFull,
    /// The link is down: what is queued now would be sent, stale, when it comes back.
    LinkDown,
}

/// The state of the link, as last read from the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether frames can pass.
    pub up: bool,
    /// Speed in Mbit/s; 0 when unknown.
    pub speed_mbps: u32,
    /// Whether both directions can be used at once.
    pub full_duplex: bool,
}

/// Pauses that stations on one link may ask of each other (IEEE 802.3 annex 31B). Off, unless told otherwise: a pause
/// delays answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowControl {
    /// Whether the device stops sending when it is asked to.
    pub receive: bool,
    /// Whether it asks others to stop when its buffers fill up.
    pub transmit: bool,
}

/// One of the device's own statistics: its name as `ethtool -S` would print it, and its sum since
/// the driver came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistic {
    /// Name in lower case with underscores, such as `rx_missed_errors`.
    pub name: &'static str,
    /// Events since the driver came up; saturates.
    pub value: u64,
}

/// A network card: one receive ring, one transmit ring, driven by one poll loop.
pub trait Device {
    /// The model for people, such as `82540EM`.
    fn model(&self) -> &'static str;

    /// The station address.
    fn mac_address(&self) -> MacAddress;

    /// The largest datagram that it sends in one piece: what is behind a frame's header and VLAN tag.
    fn maximum_mtu(&self) -> u16 {
        DEFAULT_MTU
    }

    /// Hands the frames that stand in memory to `receiver`, oldest first, for as long as `batch` has room, and queues its
    /// answers. Nothing reaches the device before [`Device::ring_doorbells`]. Looks at descriptors only, never at a
    /// register.
    ///
    /// Returns the batch with these frames; `None` when none stood there.
    fn process(&mut self, batch: Batch, receiver: &mut impl Receiver) -> Option<Batch>;

    /// Hands the oldest frames that were deferred to `receiver`, at most `budget` of them, and queues
    /// its answers. None of them can be deferred again.
    fn process_deferred(&mut self, budget: usize, receiver: &mut impl Receiver);

    /// How many frames were deferred and not handed up again yet.
    fn deferred(&self) -> usize;

    /// Queues a frame of our own: `compose` writes it into a free transmit buffer and returns its
    /// length. Nothing reaches the device before [`Device::ring_doorbells`].
    ///
    /// # Errors
    ///
    /// [`TransmitError`] when no frame can be queued; `compose` was then not called.
    fn transmit(
        &mut self,
        compose: impl FnOnce(&mut [u8; BUFFER_SIZE]) -> usize,
    ) -> Result<(), TransmitError>;

    /// Tells the device about everything queued since the last call: at most one register write for
    /// each direction, none when there is nothing to tell.
    fn ring_doorbells(&mut self);

    /// Reads the link's state from the device and keeps it. Housekeeping only: a register read.
    fn refresh_link(&mut self) -> Link;

    /// Reads the device's clear-on-read counters and adds them up. Housekeeping only.
    fn refresh_statistics(&mut self);

    /// What [`Device::refresh_statistics`] has added up so far.
    fn statistics(&self) -> impl Iterator<Item = Statistic> + '_;

    /// Whether the device knows pauses at all.
    fn has_flow_control(&self) -> bool {
        false
    }

    /// Sets what the device does about pauses, from now on and after each reset. One that does not know them
    /// ignores it.
    fn set_flow_control(&mut self, _: FlowControl) {}

    /// Whether the device can say of a datagram that its checksum is right ([`TransportChecksum::Verified`]).
    fn can_verify_checksums(&self) -> bool {
        false
    }

    /// Says whether what the device says of checksums is listened to, from now on and after each reset. It is not, unless
    /// told so. A device that cannot verify any ignores it.
    fn set_checksum_verification(&mut self, _: bool) {}

    /// Whether the device keeps frames of VLANs outside what [`Device::set_vlan_filter`] says from us, as far as it has
    /// come with that.
    fn filters_vlans(&self) -> bool {
        false
    }

    /// Makes the device discard frames of VLANs outside `set`, to save work. The stack decides by
    /// its own set in any case. It has done so some time later: a device that must be told word by word when
    /// [`Device::advance_vlan_filter`] says so; one that carries out commands when it has done that, which nobody needs to
    /// wait for, since it passes all that it is to pass meanwhile, and another set can be given at any time.
    fn set_vlan_filter(&mut self, set: &VlanSet);

    /// Does a bounded piece of what setting the filter left to be done. Returns whether there is more that needs such
    /// calls: commands that are on their way to the device, or follow from [`Device::refresh_statistics`], need none.
    fn advance_vlan_filter(&mut self) -> bool {
        false
    }
}
