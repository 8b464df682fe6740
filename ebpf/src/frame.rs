//! The frame that a program looks at.

/// Octets of an Ethernet header.
pub const ETHERNET_HEADER: usize = 14;
/// The TPIDs of VLAN tags (IEEE 802.1Q §9.5).
const TAG_PROTOCOLS: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];

/// A received frame, from its Ethernet header to its end, without its check sequence.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'frame> {
    whole: &'frame [u8],
    ifindex: u32,
}

impl<'frame> Frame<'frame> {
    /// The frame `octets` that came in by card `ifindex`; `None` when it is shorter than an Ethernet
    /// header.
    #[inline]
    pub fn new(octets: &'frame [u8], ifindex: u32) -> Option<Self> {
        let is_frame = octets.len() >= ETHERNET_HEADER;
        is_frame.then_some(Self {
            whole: octets,
            ifindex,
        })
    }

    pub(crate) const fn whole(&self) -> &'frame [u8] {
        self.whole
    }

    /// What a program sees at offset 0: a VLAN tag's control information, where there is a tag.
    pub(crate) fn payload(&self) -> &'frame [u8] {
        self.whole.get(ETHERNET_HEADER..).unwrap_or_default()
    }

    pub(crate) const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The octets of its EtherType, or of its tag's TPID.
    pub(crate) fn protocol(&self) -> [u8; 2] {
        let octets = self.whole.get(12..).and_then(|rest| rest.first_chunk());
        octets.copied().unwrap_or_default()
    }

    /// The octets of its tag's TPID and of its tag control information; `None` without a tag.
    pub(crate) fn tag(&self) -> Option<([u8; 2], [u8; 2])> {
        let protocol = self.protocol();
        let control = *self.payload().first_chunk()?;
        TAG_PROTOCOLS
            .contains(&protocol)
            .then_some((protocol, control))
    }

    /// Whether it is for all stations, and whether it is for a group.
    pub(crate) fn group(&self) -> (bool, bool) {
        let destination = self.whole.first_chunk::<6>().copied().unwrap_or_default();
        (destination == [0xff; 6], destination[0] & 1 == 1)
    }
}
