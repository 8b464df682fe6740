//! A network card as the stack sees it: its VLAN devices, their addresses, the filter list, and
//! what was counted and measured on it.
//!
//! Configuration happens here, between turns of the poll loop; the frame path ([`crate::receive`])
//! only reads what configuration left. Finding the VLAN device of a frame is one load from a table
//! of 4,096 entries, however many devices there are.

use crate::counters::Counters;
use crate::histogram::Histogram;
use crate::neighbor::NeighborTable;
use crate::time::Ticks;
use crate::trace::Trace;
use crate::vlan::{VID_COUNT, VlanSet};
use crate::wire::ethernet::MacAddress;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use heapless::String;

/// The octets of an interface's name without a terminator, as in Linux (`IFNAMSIZ` - 1).
pub const NAME_LENGTH: usize = 15;
/// How many IPv4 addresses one VLAN device can have.
pub const ADDRESSES_PER_DEVICE: usize = 8;
/// The largest datagram that a VLAN device carries, in octets.
pub const DEFAULT_MTU: u16 = 1500;

/// An IPv4 address and the length of its network's prefix, such as `10.10.10.11/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Cidr {
    address: Ipv4Addr,
    prefix_length: u8,
}

impl Ipv4Cidr {
    /// `address` in the network of its first `prefix_length` bits; `None` beyond 32.
    pub const fn new(address: Ipv4Addr, prefix_length: u8) -> Option<Self> {
        if prefix_length > 32 {
            return None;
        }
        Some(Self {
            address,
            prefix_length,
        })
    }

    /// The host's address.
    #[inline]
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// How many leading bits name the network.
    pub const fn prefix_length(self) -> u8 {
        self.prefix_length
    }

    /// The bits below the prefix.
    const fn host_mask(self) -> u32 {
        match self.prefix_length {
            0 => u32::MAX,
            length => ((1_u64 << (32 - length)) - 1) as u32,
        }
    }

    /// Whether `address` is in this network.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & !self.host_mask() == 0
    }

    /// Whether `address` is a broadcast address of this network: its host part all ones, or all
    /// zeros as old hosts had it (RFC 1122 §3.3.6). Prefixes of 31 and 32 bits have none (RFC 3021).
    pub const fn is_directed_broadcast(self, address: Ipv4Addr) -> bool {
        let mask = self.host_mask();
        let host = address.to_bits() & mask;
        self.prefix_length < 31 && self.contains(address) && (host == mask || host == 0)
    }
}

impl fmt::Display for Ipv4Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
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

impl Traffic {
    #[inline]
    pub(crate) fn add(&mut self, length: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(length as u64);
    }
}

/// A VLAN on a network card: `eth0.42`.
#[derive(Clone, Debug)]
pub struct VlanDevice {
    pub(crate) vid: u16,
    name: String<NAME_LENGTH>,
    addresses: heapless::Vec<Ipv4Cidr, ADDRESSES_PER_DEVICE>,
    mtu: u16,
    pub(crate) received: Traffic,
    pub(crate) transmitted: Traffic,
}

impl VlanDevice {
    /// The VLAN identifier of its frames.
    pub const fn vid(&self) -> u16 {
        self.vid
    }

    /// Its name, such as `eth0.42`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its addresses, the primary one first.
    pub fn addresses(&self) -> &[Ipv4Cidr] {
        &self.addresses
    }

    /// The largest datagram that it carries, in octets.
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// What arrived in its VLAN, whatever became of it.
    pub const fn received(&self) -> Traffic {
        self.received
    }

    /// What was answered or sent in its VLAN.
    pub const fn transmitted(&self) -> Traffic {
        self.transmitted
    }

    /// Whether `address` is one of its own.
    #[inline]
    pub(crate) fn owns(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }

    /// Whether a datagram to `address` is for every host of this network or of a group.
    pub(crate) fn is_group(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast()
            || address.is_multicast()
            || self
                .addresses
                .iter()
                .any(|own| own.is_directed_broadcast(address))
    }
}

/// Why a configuration step was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// VLAN identifiers of devices are 1 to 4094.
    VidOutOfRange(u16),
    /// A device with this VLAN identifier exists.
    VidInUse(u16),
    /// A device name is 1 to 15 octets long.
    NameLength(usize),
    /// Another device has this name.
    NameInUse,
    /// There is no device with this VLAN identifier.
    NoSuchDevice(u16),
    /// The device has this address already.
    AddressInUse(Ipv4Addr),
    /// The device has as many addresses as it can.
    TooManyAddresses,
    /// No host can have this address.
    NotAHostAddress(Ipv4Addr),
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VidOutOfRange(vid) => write!(f, "VLAN identifier {vid} is not in 1..4094"),
            Self::VidInUse(vid) => write!(f, "a device for VLAN {vid} exists already"),
            Self::NameLength(length) => {
                write!(f, "a name of {length} octets is not in 1..{NAME_LENGTH}")
            }
            Self::NameInUse => write!(f, "another device has this name"),
            Self::NoSuchDevice(vid) => write!(f, "there is no device for VLAN {vid}"),
            Self::AddressInUse(address) => write!(f, "the device has address {address} already"),
            Self::TooManyAddresses => {
                write!(f, "a device has at most {ADDRESSES_PER_DEVICE} addresses")
            }
            Self::NotAHostAddress(address) => write!(f, "{address} is not a host address"),
        }
    }
}

/// What stands in the look-up table for a VLAN identifier without a device.
const NO_DEVICE: u16 = u16::MAX;

/// A network card as the stack sees it.
pub struct Interface {
    pub(crate) mac: MacAddress,
    pub(crate) ifindex: u32,
    pub(crate) filter: VlanSet,
    /// For each VLAN identifier the index of its device, or [`NO_DEVICE`].
    device_of_vid: Box<[u16]>,
    devices: Vec<VlanDevice>,
    pub(crate) neighbors: NeighborTable,
    pub(crate) counters: Counters,
    pub(crate) trace: Trace,
    residence: Histogram,
}

impl Interface {
    /// A card with station address `mac` and number `ifindex`, without VLAN devices and with an
    /// empty filter list: it answers nothing yet. Allocates.
    pub fn new(mac: MacAddress, ifindex: u32) -> Self {
        Self {
            mac,
            ifindex,
            filter: VlanSet::new(),
            device_of_vid: vec![NO_DEVICE; VID_COUNT].into_boxed_slice(),
            devices: Vec::new(),
            neighbors: NeighborTable::new(),
            counters: Counters::new(),
            trace: Trace::new(),
            residence: Histogram::new(),
        }
    }

    /// Adds a VLAN device without addresses. Allocates.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when the identifier or the name is out of range or taken.
    pub fn add_vlan_device(&mut self, name: &str, vid: u16) -> Result<(), ConfigurationError> {
        if !(1..=4094).contains(&vid) {
            return Err(ConfigurationError::VidOutOfRange(vid));
        }
        if self.device(vid).is_some() {
            return Err(ConfigurationError::VidInUse(vid));
        }
        let own_name = String::try_from(name).ok().filter(|name| !name.is_empty());
        let own_name = own_name.ok_or(ConfigurationError::NameLength(name.len()))?;
        if self.devices.iter().any(|device| device.name == own_name) {
            return Err(ConfigurationError::NameInUse);
        }
        if let Some(entry) = self.device_of_vid.get_mut(usize::from(vid)) {
            *entry = self.devices.len() as u16;
        }
        self.devices.push(VlanDevice {
            vid,
            name: own_name,
            addresses: heapless::Vec::new(),
            mtu: DEFAULT_MTU,
            received: Traffic::default(),
            transmitted: Traffic::default(),
        });
        Ok(())
    }

    /// Gives the device of VLAN `vid` one more address.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it cannot take the address.
    pub fn add_address(&mut self, vid: u16, cidr: Ipv4Cidr) -> Result<(), ConfigurationError> {
        let device = self
            .device_mut(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        let address = cidr.address();
        if !crate::wire::ipv4::is_host_address(address) || cidr.is_directed_broadcast(address) {
            return Err(ConfigurationError::NotAHostAddress(address));
        }
        if device.owns(address) {
            return Err(ConfigurationError::AddressInUse(address));
        }
        device
            .addresses
            .push(cidr)
            .map_err(|_| ConfigurationError::TooManyAddresses)
    }

    /// Replaces the filter list: the VLANs whose frames are looked at.
    pub fn set_vlan_filter(&mut self, set: VlanSet) {
        self.filter = set;
    }

    /// The filter list.
    pub const fn vlan_filter(&self) -> &VlanSet {
        &self.filter
    }

    /// The card's station address.
    pub const fn mac_address(&self) -> MacAddress {
        self.mac
    }

    /// The card's number, as `ip link` would show it.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The VLAN devices, in the order in which they were added.
    pub fn devices(&self) -> &[VlanDevice] {
        &self.devices
    }

    /// The device of VLAN `vid`, of which only the lower twelve bits count.
    #[inline]
    pub fn device(&self, vid: u16) -> Option<&VlanDevice> {
        let index = *self.device_of_vid.get(usize::from(vid) % VID_COUNT)?;
        self.devices.get(usize::from(index))
    }

    /// The device of VLAN `vid`, to be changed.
    #[inline]
    pub(crate) fn device_mut(&mut self, vid: u16) -> Option<&mut VlanDevice> {
        let index = *self.device_of_vid.get(usize::from(vid) % VID_COUNT)?;
        self.devices.get_mut(usize::from(index))
    }

    /// What became of the received frames.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Who is known on the VLANs of this card.
    pub const fn neighbors(&self) -> &NeighborTable {
        &self.neighbors
    }

    /// The records of answered echo requests.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The records of answered echo requests, to take them or to turn them on and off.
    pub const fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// How long answered frames stayed: from being seen in the ring to the doorbell, in ticks.
    pub const fn residence(&self) -> &Histogram {
        &self.residence
    }

    /// Records that `answers` frames stayed for `span`.
    #[inline]
    pub fn record_residence(&mut self, span: Ticks, answers: u64) {
        self.residence.record(span.0, answers);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn cidr(text: &str) -> Ipv4Cidr {
        let (address, prefix) = text.split_once('/').expect("a slash");
        let address = address.parse().expect("an address");
        Ipv4Cidr::new(address, prefix.parse().expect("a length")).expect("in range")
    }

    fn card() -> Interface {
        Interface::new(MacAddress([2, 0, 0, 0, 0, 1]), 2)
    }

    #[test]
    fn broadcast_addresses_of_a_network_are_its_first_and_last() {
        let network = cidr("10.10.10.11/24");
        let is = |text: &str| network.is_directed_broadcast(text.parse().expect("an address"));
        assert!(is("10.10.10.255"));
        assert!(is("10.10.10.0"));
        assert!(!is("10.10.10.11"));
        assert!(!is("10.10.11.255"));
        assert!(!cidr("10.0.0.1/31").is_directed_broadcast(Ipv4Addr::new(10, 0, 0, 0)));
        assert!(!cidr("10.0.0.1/32").is_directed_broadcast(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(cidr("10.0.0.1/0").contains(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(Ipv4Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 33), None);
    }

    #[test]
    fn every_prefix_length_divides_the_network_from_the_host() {
        let address = Ipv4Addr::new(10, 170, 85, 10);
        for length in 0..=32 {
            let network = Ipv4Cidr::new(address, length).expect("in range");
            // Bit 31 - n is the last of a prefix of n + 1 bits.
            for bit in 0..32 {
                let neighbor = Ipv4Addr::from_bits(address.to_bits() ^ 1 << bit);
                let in_host_part = bit < 32 - u32::from(length);
                assert_eq!(network.contains(neighbor), in_host_part, "{network} {bit}");
            }
            let host_part = ((1_u64 << (32 - length)) - 1) as u32;
            let first = Ipv4Addr::from_bits(address.to_bits() & !host_part);
            let last = Ipv4Addr::from_bits(address.to_bits() | host_part);
            assert!(network.contains(first) && network.contains(last));
            assert_eq!(
                network.is_directed_broadcast(first),
                length < 31,
                "{network}"
            );
            assert_eq!(
                network.is_directed_broadcast(last),
                length < 31,
                "{network}"
            );
            assert!(!network.is_directed_broadcast(address), "{network}");
        }
    }

    #[test]
    fn the_length_of_a_name_is_counted_in_octets() {
        let mut card = card();
        let name = "ääääääää"; // eight characters
        let refused = card.add_vlan_device(name, 42);
        assert_eq!(refused, Err(ConfigurationError::NameLength(16)));
        assert_eq!(card.add_vlan_device("fifteen-octets.", 42), Ok(()));
    }

    #[test]
    fn every_vid_finds_its_own_device() {
        let mut card = card();
        for vid in 1..=4094 {
            card.add_vlan_device(&std::format!("eth0.{vid}"), vid)
                .expect("is free");
        }
        for vid in 1..=4094 {
            assert_eq!(card.device(vid).map(VlanDevice::vid), Some(vid));
        }
        assert!(card.device(0).is_none());
        assert!(card.device(4095).is_none());
    }

    #[test]
    fn a_refused_step_changes_nothing_and_says_why() {
        let mut card = card();
        card.add_vlan_device("eth0.42", 42).expect("is free");
        let refusals = [
            (
                card.add_vlan_device("eth0.0", 0),
                "VLAN identifier 0 is not in 1..4094",
            ),
            (
                card.add_vlan_device("eth0.4095", 4095),
                "VLAN identifier 4095 is not in 1..4094",
            ),
            (
                card.add_vlan_device("other", 42),
                "a device for VLAN 42 exists already",
            ),
            (
                card.add_vlan_device("eth0.42", 43),
                "another device has this name",
            ),
            (
                card.add_vlan_device("", 43),
                "a name of 0 octets is not in 1..15",
            ),
            (
                card.add_vlan_device("a-name-too-long!", 43),
                "a name of 16 octets is not in 1..15",
            ),
            (
                card.add_address(43, cidr("10.0.0.1/24")),
                "there is no device for VLAN 43",
            ),
            (
                card.add_address(42, cidr("10.0.0.0/24")),
                "10.0.0.0 is not a host address",
            ),
            (
                card.add_address(42, cidr("127.0.0.1/8")),
                "127.0.0.1 is not a host address",
            ),
        ];
        for (result, message) in refusals {
            assert_eq!(
                result.map_err(|error| error.to_string()),
                Err(message.to_string())
            );
        }
        assert_eq!(card.devices().len(), 1);
        assert!(card.devices()[0].addresses().is_empty());
    }

    #[test]
    fn a_ninth_address_is_refused() {
        let mut card = card();
        card.add_vlan_device("eth0.42", 42).expect("is free");
        for host in 1..=8 {
            let address = Ipv4Addr::new(10, 0, 0, host);
            let added = card.add_address(42, Ipv4Cidr::new(address, 24).expect("in range"));
            assert_eq!(added, Ok(()));
        }
        assert_eq!(
            card.add_address(42, cidr("10.0.0.9/24")),
            Err(ConfigurationError::TooManyAddresses)
        );
        assert_eq!(
            card.add_address(42, cidr("10.0.0.8/24")),
            Err(ConfigurationError::AddressInUse(Ipv4Addr::new(10, 0, 0, 8)))
        );
    }
}
