//! What a network device can offer, and what is taken of it.
//!
//! Each feature is taken for a purpose that stands beside it. What is not named here is not taken: nothing
//! that cuts or joins frames, so that each is one on the wire; no merged buffers, since each holds the largest
//! frame; no events by index, since plain flags suppress all that there is to suppress.

use bitflags::bitflags;

use super::error::VirtioError;

bitflags! {
    /// Features (virtio 1.2 §5.1.3, §6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// The device may say of a frame that it has verified its checksum, and may hand over frames that were never on a
        /// wire without one: no datagram that another guest sent is added up twice.
        const GUEST_CSUM = 1 << 1;
        /// The device says how long datagrams may be: none is sent that is longer.
        const MTU = 1 << 3;
        /// The device has an address: we do not make one up.
        const MAC = 1 << 5;
        /// The device says whether its link is up.
        const STATUS = 1 << 16;
        /// There is a control queue: the filter is set through it.
        const CTRL_VQ = 1 << 17;
        /// The device can stop being promiscuous: its filter is of no use before.
        const CTRL_RX = 1 << 18;
        /// The device filters VLANs.
        const CTRL_VLAN = 1 << 19;
        /// A header may share a descriptor with its frame. As of version 1.0 it always may.
        const ANY_LAYOUT = 1 << 27;
        /// The protocol as of version 1.0.
        const VERSION_1 = 1 << 32;
        /// The device reaches memory as other hardware of the platform does. Taken where it is offered,
        /// since the device may refuse to work without: addresses are physical in any case, for no I/O
        /// memory management unit is ever switched on.
        const ACCESS_PLATFORM = 1 << 33;
        /// Queues are packed. Taken for queues of that format only.
        const RING_PACKED = 1 << 34;
        /// The device needs barriers that order memory for other hardware, too. Taken for the same
        /// reason: on this processor they are no stronger than the ones we use.
        const ORDER_PLATFORM = 1 << 36;
        /// The device says at what speed its link is.
        const SPEED_DUPLEX = 1 << 63;
    }
}

impl Features {
    /// Chooses from what a device offers. `format` says what the format of the queues takes.
    ///
    /// # Errors
    ///
    /// [`VirtioError::Lacks`] when the device does not offer what it takes.
    pub const fn choose(offered: u64, is_legacy: bool, format: Self) -> Result<Self, VirtioError> {
        let offered = Self::from_bits_truncate(offered);
        if !offered.contains(Self::MAC) {
            return Err(VirtioError::Lacks("an address"));
        }
        let (required, other) = if is_legacy {
            (Self::ANY_LAYOUT, Self::VERSION_1)
        } else {
            (Self::VERSION_1, Self::ANY_LAYOUT)
        };
        if !offered.contains(required) {
            return Err(VirtioError::Lacks(if is_legacy {
                "headers next to their frames"
            } else {
                "version 1 of the protocol"
            }));
        }
        if is_legacy && format.contains(Self::VERSION_1) {
            return Err(VirtioError::Lacks("version 1 of the protocol"));
        }
        if !offered.contains(format) {
            return Err(VirtioError::Lacks("packed queues"));
        }
        let formats = Self::RING_PACKED;
        let mut chosen = offered.difference(other).difference(formats).union(format);
        // Each of these is good for nothing without the other, and not permitted then
        // (virtio 1.2 §5.1.3.1).
        if !chosen.contains(Self::CTRL_VQ.union(Self::CTRL_RX)) {
            let both = Self::CTRL_VQ.union(Self::CTRL_RX).union(Self::CTRL_VLAN);
            chosen = chosen.difference(both);
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(offered: u64) -> Result<Features, VirtioError> {
        Features::choose(offered, false, Features::VERSION_1)
    }

    #[test]
    fn nothing_is_taken_that_has_no_purpose() {
        let chosen = choose(u64::MAX).unwrap();
        let unused = Features::ANY_LAYOUT | Features::RING_PACKED;
        assert_eq!(chosen, Features::all() - unused);
        // Nothing that cuts or joins frames, no merged buffers, no event indices, nothing packed.
        for bit in [0, 7, 8, 10, 11, 12, 15, 29, 34, 35] {
            assert_eq!(chosen.bits() >> bit & 1, 0, "feature {bit}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_set_is_not_taken() {
        let offered = Features::all() - Features::CTRL_RX;
        let chosen = choose(offered.bits()).unwrap();
        assert!(!chosen.intersects(Features::CTRL_VQ | Features::CTRL_VLAN));
    }

    #[test]
    fn packed_queues_are_taken_where_they_are_asked_for() {
        let packed =
            |offered: Features| Features::choose(offered.bits(), false, Features::RING_PACKED);
        let chosen = packed(Features::all()).unwrap();
        assert!(chosen.contains(Features::RING_PACKED));
        assert_eq!(
            packed(Features::all() - Features::RING_PACKED),
            Err(VirtioError::Lacks("packed queues"))
        );
    }

    #[test]
    fn what_it_takes_is_demanded() {
        let lacks = |lacking: Features, is_legacy| {
            let offered = Features::all() - lacking;
            Features::choose(offered.bits(), is_legacy, Features::empty())
        };
        assert_eq!(
            lacks(Features::VERSION_1, false),
            Err(VirtioError::Lacks("version 1 of the protocol"))
        );
        assert_eq!(
            lacks(Features::ANY_LAYOUT, true),
            Err(VirtioError::Lacks("headers next to their frames"))
        );
        assert_eq!(
            lacks(Features::MAC, false),
            Err(VirtioError::Lacks("an address"))
        );
        let legacy = lacks(Features::VERSION_1, true).unwrap();
        assert!(legacy.contains(Features::ANY_LAYOUT | Features::CTRL_VLAN));
    }
}
