//! A network card as the stack sees it: its VLAN devices, their addresses, the filter list, and
//! what was counted and measured on it.
//!
//! Configuration happens here, between turns of the poll loop; the frame path ([`crate::receive`])
//! only reads what configuration left.

mod announcement;
mod ipv4_cidr;
mod source_screen;
mod vlan_device;
mod vlans;

use crate::counters::Counters;
use crate::histogram::Histogram;
use crate::neighbor::NeighborTable;
use crate::time::{TickRate, Ticks};
use crate::trace::Trace;
use crate::udp::Services;
use crate::vlan::VlanSet;
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4;
use core::fmt;
use core::net::Ipv4Addr;
use heapless::String;

pub use announcement::Announcement;
pub use ipv4_cidr::Ipv4Cidr;
pub(crate) use source_screen::SourceScreen;
pub use vlan_device::{ADDRESSES_PER_DEVICE, DEFAULT_MTU, NAME_LENGTH, Traffic, VlanDevice};
pub(crate) use vlans::Vlans;

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
    /// An address of the device would be a broadcast address of another of its networks.
    BroadcastAddress {
        /// The one that the device has or was to get.
        address: Ipv4Addr,
        /// The network in which it stands for all hosts.
        network: Ipv4Cidr,
    },
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
            Self::BroadcastAddress { address, network } => {
                write!(f, "{address} is a broadcast address of {network}")
            }
        }
    }
}

/// A network card as the stack sees it.
pub struct Interface {
    pub(crate) mac: MacAddress,
    pub(crate) ifindex: u32,
    pub(crate) vlans: Vlans,
    pub(crate) screen: SourceScreen,
    pub(crate) neighbors: NeighborTable,
    pub(crate) counters: Counters,
    pub(crate) trace: Trace,
    pub(crate) services: Services,
    residence: Histogram,
}

impl Interface {
    /// A card with station address `mac` and number `ifindex`, without VLAN devices and with an
    /// empty filter list: it answers nothing yet. Time is told in ticks of `rate`.
    pub fn new(mac: MacAddress, ifindex: u32, rate: TickRate) -> Self {
        Self {
            mac,
            ifindex,
            vlans: Vlans::new(),
            screen: SourceScreen::new(),
            neighbors: NeighborTable::new(),
            counters: Counters::new(),
            trace: Trace::new(),
            services: Services::new(rate),
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
        let mut others = self.devices().iter();
        if others.any(|device| device.name() == own_name) {
            return Err(ConfigurationError::NameInUse);
        }
        self.vlans.push(VlanDevice::new(vid, own_name));
        Ok(())
    }

    /// Gives the device of VLAN `vid` one more address. Allocates.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it cannot take the address.
    pub fn add_address(&mut self, vid: u16, cidr: Ipv4Cidr) -> Result<(), ConfigurationError> {
        let device = self
            .vlans
            .device_mut(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        let address = cidr.address();
        if !ipv4::is_host_address(address) || cidr.is_directed_broadcast(address) {
            return Err(ConfigurationError::NotAHostAddress(address));
        }
        if device.owns(address) {
            return Err(ConfigurationError::AddressInUse(address));
        }
        for &other in device.addresses() {
            for (address, network) in [(address, other), (other.address(), cidr)] {
                if network.is_directed_broadcast(address) {
                    return Err(ConfigurationError::BroadcastAddress { address, network });
                }
            }
        }
        device
            .push_address(cidr)
            .map_err(|_| ConfigurationError::TooManyAddresses)?;
        self.screen.add(cidr);
        Ok(())
    }

    /// Replaces the filter list: the VLANs whose frames are looked at.
    pub fn set_vlan_filter(&mut self, set: VlanSet) {
        self.vlans.set_filter(set);
    }

    /// The filter list.
    pub const fn vlan_filter(&self) -> &VlanSet {
        self.vlans.filter()
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
        self.vlans.devices()
    }

    /// The device of VLAN `vid`.
    pub fn device(&self, vid: u16) -> Option<&VlanDevice> {
        self.devices().iter().find(|device| device.vid() == vid)
    }

    /// Counts a frame of our own, of `length` octets with its tag, that was queued in VLAN `vid`.
    pub fn count_transmitted(&mut self, vid: u16, length: usize) {
        if let Some(device) = self.vlans.device_mut(vid) {
            device.count_transmitted(length);
        }
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

    /// The UDP services.
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// The UDP services, to be registered, changed or polled.
    pub const fn services_mut(&mut self) -> &mut Services {
        &mut self.services
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
        Interface::new(
            MacAddress([2, 0, 0, 0, 0, 1]),
            2,
            TickRate::from_hertz(1_000_000_000),
        )
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
            assert!(card.vlans.serving(vid).is_none());
        }
        assert!(card.device(0).is_none());
        assert!(card.device(4095).is_none());
        let mut odd = VlanSet::new();
        (1..4096).step_by(2).for_each(|vid| odd.insert(vid));
        card.set_vlan_filter(odd);
        for vid in 0..4096 {
            let serving = card.vlans.serving(vid).map(|device| device.vid());
            let expected = vid % 2 == 1 && vid != 4095;
            assert_eq!(serving, expected.then_some(vid));
        }
    }

    #[test]
    fn a_vlan_is_served_once_it_has_a_device_and_is_in_the_filter_in_whichever_order() {
        let mut card = card();
        let mut filter = VlanSet::new();
        filter.insert(42);
        card.set_vlan_filter(filter.clone());
        assert!(card.vlans.serving(42).is_none());
        card.add_vlan_device("eth0.42", 42).expect("is free");
        card.add_vlan_device("eth0.43", 43).expect("is free");
        assert!(card.vlans.serving(42).is_some());
        assert!(card.vlans.serving(43).is_none());
        filter.insert(43);
        card.set_vlan_filter(filter);
        let serving = card.vlans.serving(43).map(|device| device.vid());
        assert_eq!(serving, Some(43));
        card.set_vlan_filter(VlanSet::new());
        assert!(card.vlans.serving(42).is_none());
        assert_eq!(card.device(42).map(VlanDevice::vid), Some(42));
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
    fn an_address_that_stands_for_all_hosts_of_another_network_is_refused() {
        let mut card = card();
        card.add_vlan_device("eth0.42", 42).expect("is free");
        for address in ["10.10.10.11/24", "192.0.2.63/24"] {
            assert_eq!(card.add_address(42, cidr(address)), Ok(()));
        }
        for (address, message) in [
            (
                "10.10.10.255/16",
                "10.10.10.255 is a broadcast address of 10.10.10.11/24",
            ),
            (
                "10.10.10.0/16",
                "10.10.10.0 is a broadcast address of 10.10.10.11/24",
            ),
            (
                "192.0.2.1/26",
                "192.0.2.63 is a broadcast address of 192.0.2.1/26",
            ),
        ] {
            let refused = card.add_address(42, cidr(address));
            let refused = refused.map_err(|error| error.to_string());
            assert_eq!(refused, Err(message.to_string()));
        }
        assert_eq!(card.devices()[0].addresses().len(), 2);
        assert_eq!(card.add_address(42, cidr("192.0.2.1/27")), Ok(()));
        // Another VLAN is another network.
        card.add_vlan_device("eth0.43", 43).expect("is free");
        assert_eq!(card.add_address(43, cidr("10.10.10.255/16")), Ok(()));
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
