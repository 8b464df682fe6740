//! A VLAN device: its name, its addresses, its state, and what passed through it.

use super::ipv4_cidr::Ipv4Cidr;
use crate::rate::TokenBucket;
use core::net::Ipv4Addr;
use heapless::String;

/// The octets of an interface's name without a terminator, as in Linux (`IFNAMSIZ` - 1).
pub const NAME_LENGTH: usize = 15;
/// How many IPv4 addresses one VLAN device can have.
pub const ADDRESSES_PER_DEVICE: usize = 8;
/// The largest datagram that a VLAN device can send in one piece, in octets, and does unless told otherwise.
pub const DEFAULT_MTU: u16 = 1500;
/// The largest datagram that it must at least be able to send (RFC 791 §3.2).
pub const MINIMUM_MTU: u16 = 68;

/// What stands for no address: one bit more than an address has.
const NO_ADDRESS: u64 = 1 << 32;

/// An address as it stands in memory, for comparing in one step.
#[inline]
const fn bits_of(address: Ipv4Addr) -> u64 {
    u32::from_ne_bytes(address.octets()) as u64
}

/// What an operator asked for when an out-of-band port was enabled: how many buffers, and how large. It is
/// kept to be shown; frames are answered in the card's own buffers and need no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OobPool {
    /// How many buffers.
    pub buffers: u16,
    /// The octets of each.
    pub buffer_octets: u16,
}

impl Default for OobPool {
    /// What EVL takes where nothing is said.
    fn default() -> Self {
        Self {
            buffers: 2048,
            buffer_octets: 4096,
        }
    }
}

/// Frames and octets that passed through a VLAN device, without check sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Octets, headers and tag included.
    pub octets: u64,
}

/// What passed through a VLAN device, both ways.
// Each apart from the next, because counters side by side that move together become vector arithmetic, which
// takes three times the instructions.
#[derive(Clone, Debug, Default)]
#[repr(C)]
struct TrafficCounters {
    received_packets: u64,
    _apart: u64,
    received_octets: u64,
    _apart_too: u64,
    transmitted_packets: u64,
    _apart_as_well: u64,
    transmitted_octets: u64,
}

/// A VLAN on a network card, such as `eth0.42`; or, with VLAN identifier 0, the card's own device, such as
/// `eth0`, for frames that name no VLAN.
#[derive(Clone, Debug)]
pub struct VlanDevice {
    vid: u16,
    name: String<NAME_LENGTH>,
    addresses: heapless::Vec<Ipv4Cidr, ADDRESSES_PER_DEVICE>,
    /// The first address as bits, or [`NO_ADDRESS`].
    primary: u64,
    mtu: u16,
    is_up: bool,
    has_oob_port: bool,
    oob_pool: OobPool,
    /// Its number among the devices of all cards.
    ifindex: u32,
    traffic: TrafficCounters,
    /// How many ICMP errors may go out, once any was to.
    errors: Option<TokenBucket>,
    /// How many frames had arrived when its out-of-band port was last disabled or of use; nothing once it was told that
    /// it is of none.
    arrived_in_use: Option<u64>,
    /// How often the filter list had changed when it was last looked at for that.
    list_changes: u32,
}

impl VlanDevice {
    /// A device without addresses that nothing has passed through.
    pub(super) fn new(vid: u16, name: String<NAME_LENGTH>) -> Self {
        Self {
            vid,
            name,
            addresses: heapless::Vec::new(),
            primary: NO_ADDRESS,
            mtu: DEFAULT_MTU,
            is_up: true,
            has_oob_port: false,
            oob_pool: OobPool::default(),
            ifindex: 0,
            traffic: TrafficCounters::default(),
            errors: None,
            arrived_in_use: Some(0),
            list_changes: 0,
        }
    }

    /// A card's own device. What is too long of `name` is left off.
    pub(super) fn of_card(name: &str) -> Self {
        let mut own = String::new();
        for character in name.chars() {
            if own.push(character).is_err() {
                break;
            }
        }
        Self::new(0, own)
    }

    pub(super) fn set_addresses(
        &mut self,
        addresses: heapless::Vec<Ipv4Cidr, ADDRESSES_PER_DEVICE>,
    ) {
        let bits = |primary: &Ipv4Cidr| bits_of(primary.address());
        self.primary = addresses.first().map_or(NO_ADDRESS, bits);
        self.addresses = addresses;
    }

    pub(super) const fn set_up(&mut self, up: bool) {
        self.note_without_port();
        self.is_up = up;
    }

    /// Notes that whatever arrived so far did not pass by its port, before that changes.
    const fn note_without_port(&mut self) {
        if !self.is_up || !self.has_oob_port {
            self.arrived_in_use = Some(self.traffic.received_packets);
        }
    }

    pub(super) const fn set_oob_port(&mut self, enabled: bool) {
        self.note_without_port();
        self.has_oob_port = enabled;
    }

    pub(super) const fn set_oob_pool(&mut self, pool: OobPool) {
        self.oob_pool = pool;
    }

    pub(super) const fn set_ifindex(&mut self, ifindex: u32) {
        self.ifindex = ifindex;
    }

    pub(super) fn set_name(&mut self, name: String<NAME_LENGTH>) {
        self.name = name;
    }

    pub(super) const fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
    }

    /// The VLAN identifier of its frames; 0 for those that name no VLAN.
    pub const fn vid(&self) -> u16 {
        self.vid
    }

    /// The number of a VLAN's device among those of all cards; a card's own is [`super::Interface::ifindex`].
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Its name, such as `eth0.42`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses that it uses, the primary one first.
    pub fn addresses(&self) -> &[Ipv4Cidr] {
        &self.addresses
    }

    /// Its name, to be kept.
    pub(super) fn own_name(&self) -> String<NAME_LENGTH> {
        self.name.clone()
    }

    /// The largest datagram that it sends in one piece, in octets.
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether it passes frames.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether its out-of-band port is enabled: with its VLAN in the filter list, it is served in real time.
    pub const fn has_oob_port(&self) -> bool {
        self.has_oob_port
    }

    /// What was asked for when its out-of-band port was enabled.
    pub const fn oob_pool(&self) -> OobPool {
        self.oob_pool
    }

    /// What arrived in its VLAN, whatever became of it.
    pub const fn received(&self) -> Traffic {
        Traffic {
            packets: self.traffic.received_packets,
            octets: self.traffic.received_octets,
        }
    }

    /// What was answered or sent in its VLAN.
    pub const fn transmitted(&self) -> Traffic {
        Traffic {
            packets: self.traffic.transmitted_packets,
            octets: self.traffic.transmitted_octets,
        }
    }

    /// Counts a frame of `length` octets that arrived.
    #[inline]
    pub(crate) const fn count_received(&mut self, length: usize) {
        let traffic = &mut self.traffic;
        traffic.received_packets = traffic.received_packets.wrapping_add(1);
        traffic.received_octets = traffic.received_octets.wrapping_add(length as u64);
    }

    /// Counts a frame of `length` octets that was answered or sent.
    #[inline]
    pub(crate) const fn count_transmitted(&mut self, length: usize) {
        let traffic = &mut self.traffic;
        traffic.transmitted_packets = traffic.transmitted_packets.wrapping_add(1);
        traffic.transmitted_octets = traffic.transmitted_octets.wrapping_add(length as u64);
    }

    /// Whether it is to be told now that its out-of-band port is of no use: a first frame came, and is in-band because the
    /// VLAN is not `listed`. The filter list changed so often: whether it was listed when the frames came that arrived
    /// before the last of these is not known.
    pub(super) fn is_port_in_vain(&mut self, listed: bool, list_changes: u32) -> bool {
        let arrived = self.traffic.received_packets;
        if core::mem::replace(&mut self.list_changes, list_changes) != list_changes {
            self.arrived_in_use = self.arrived_in_use.map(|_| arrived);
        }
        if listed || !self.has_oob_port || !self.is_up {
            self.arrived_in_use = Some(arrived);
            return false;
        }
        let is_first = self.arrived_in_use.is_some_and(|before| before != arrived);
        if is_first {
            self.arrived_in_use = None;
        }
        is_first
    }

    /// The bucket from which its ICMP errors take their tokens; `make` makes it.
    pub(crate) fn error_bucket(&mut self, make: impl FnOnce() -> TokenBucket) -> &mut TokenBucket {
        self.errors.get_or_insert_with(make)
    }

    /// Has the bucket for ICMP errors made anew.
    pub(super) fn forget_error_bucket(&mut self) {
        self.errors = None;
    }

    /// Whether `address` is one of its own.
    #[inline]
    pub(crate) fn owns(&self, address: Ipv4Addr) -> bool {
        // Nearly everything is about the primary address.
        bits_of(address) == self.primary || self.owns_besides(address)
    }

    #[cold]
    fn owns_besides(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.address() == address)
    }

    /// Whether `address` is a broadcast address of one of its networks.
    pub(crate) fn is_directed_broadcast(&self, address: Ipv4Addr) -> bool {
        let mut networks = self.addresses.iter();
        networks.any(|own| own.is_directed_broadcast(address))
    }

    /// Whether a datagram to `address` is for every host of this network or of a group.
    pub(crate) fn is_group(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast() || address.is_multicast() || self.is_directed_broadcast(address)
    }
}
