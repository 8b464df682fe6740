//! What an operator can change about a network card, between turns of the poll loop.
//!
//! Each step is done as a whole or not at all. Steps may allocate; none of them touches the card itself,
//! whose own filter the kernel sets afterwards, from [`Interface::accepted_vlans`].

use super::{
    ADDRESSES_PER_DEVICE, DEFAULT_MTU, Interface, Ipv4Cidr, MINIMUM_MTU, NAME_LENGTH, OobPool,
    VlanDevice,
};
use crate::address_conflict::Start;
use crate::neighbor::{PermanentError, Resolution};
use crate::rate::Limit;
use crate::route::{Route, RouteError};
use crate::time::Instant;
use crate::vlan::VlanSet;
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4;
use core::fmt;
use core::net::Ipv4Addr;
use heapless::String;

/// Why a configuration step was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// VLAN identifiers of devices are 1 to 4094.
    VidOutOfRange(u16),
    /// A device with this VLAN identifier exists.
    VidInUse(u16),
    /// Maximum transmission units of devices are 68 to 1500 octets.
    MtuOutOfRange {
        /// What it was to be.
        mtu: u16,
        /// The largest that it can be.
        maximum: u16,
    },
    /// The card's own device has no out-of-band port: only VLANs are served in real time.
    NoOobPort,
    /// A device name is 1 to 15 octets long.
    NameLength(usize),
    /// Another device has this name.
    NameInUse,
    /// There is no device with this VLAN identifier.
    NoSuchDevice(u16),
    /// The device has this address already.
    AddressInUse(Ipv4Cidr),
    /// The device has this address with another prefix.
    OtherPrefix {
        /// As it has it.
        has: Ipv4Cidr,
        /// As it was given.
        given: Ipv4Cidr,
    },
    /// The device does not have this address.
    NoSuchAddress(Ipv4Addr),
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
            Self::MtuOutOfRange { mtu, maximum } => {
                write!(f, "an MTU of {mtu} octets is not in {MINIMUM_MTU}..{maximum}")
            }
            Self::NoOobPort => f.write_str(
                "frames without a VLAN are always in-band: only a VLAN device can have an out-of-band port",
            ),
            Self::NameLength(length) => {
                write!(f, "a name of {length} octets is not in 1..{NAME_LENGTH}")
            }
            Self::NameInUse => write!(f, "another device has this name"),
            Self::NoSuchDevice(vid) => write!(f, "there is no device for VLAN {vid}"),
            Self::AddressInUse(cidr) => write!(f, "the device has address {cidr} already"),
            Self::OtherPrefix { has, given } => write!(
                f,
                "the device has address {has}, not {given}; to change it, delete {has} first"
            ),
            Self::NoSuchAddress(address) => write!(f, "the device does not have address {address}"),
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

impl core::error::Error for ConfigurationError {}
impl Interface {
    /// Adds a VLAN device: without addresses, up, and with its out-of-band port disabled, so that it is
    /// served in-band once it has an address. Allocates.
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
        let mut device = VlanDevice::new(vid, self.free_name(name)?);
        // Of one that had this VLAN before nobody is to be left, and nobody of this one is to be forgotten with them.
        while self.carry_on() {}
        device.set_mtu(self.maximum_mtu);
        self.last_ifindex = self.last_ifindex.wrapping_add(1);
        device.set_ifindex(self.last_ifindex);
        self.vlans.push(device);
        Ok(())
    }

    /// `name` as that of a device, if none of this card has it.
    fn free_name(&self, name: &str) -> Result<String<NAME_LENGTH>, ConfigurationError> {
        let own = String::try_from(name).ok().filter(|name| !name.is_empty());
        let own = own.ok_or(ConfigurationError::NameLength(name.len()))?;
        match self.device_named(name) {
            Some(_) => Err(ConfigurationError::NameInUse),
            None => Ok(own),
        }
    }

    /// The highest number that the card and its VLAN devices have or had.
    pub fn last_ifindex(&self) -> u32 {
        self.last_ifindex
    }

    /// Numbers the device of VLAN `vid` among those of all cards. A device that is added has the number behind
    /// the highest of its own card.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::NoSuchDevice`].
    pub fn set_ifindex(&mut self, vid: u16, ifindex: u32) -> Result<(), ConfigurationError> {
        self.change(vid, |device| device.set_ifindex(ifindex))?;
        self.last_ifindex = self.last_ifindex.max(ifindex);
        Ok(())
    }

    /// Gives the device of VLAN `vid` another name.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, it is the card's own, or the name cannot be had.
    pub fn rename_vlan_device(&mut self, vid: u16, name: &str) -> Result<(), ConfigurationError> {
        if vid == 0 {
            return Err(ConfigurationError::VidOutOfRange(vid));
        }
        self.device(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        let name = self.free_name(name)?;
        self.vlans
            .rename(vid, name)
            .ok_or(ConfigurationError::NoSuchDevice(vid))
    }

    /// Has VLAN `vid` served in real time: adds a device for it with one address, enables its out-of-band
    /// port, and adds the VLAN to the filter list. Allocates.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when one of these is refused; then none is done.
    pub fn add_realtime_vlan(
        &mut self,
        name: &str,
        vid: u16,
        cidr: Ipv4Cidr,
    ) -> Result<(), ConfigurationError> {
        self.add_vlan_device(name, vid)?;
        if let Err(error) = self.add_address(vid, cidr) {
            self.remove_vlan_device(vid)?;
            return Err(error);
        }
        self.set_oob_port(vid, true)?;
        let mut filter = self.vlan_filter().clone();
        filter.insert(vid);
        self.set_vlan_filter(filter);
        Ok(())
    }

    /// Removes a VLAN device, its addresses, and the routes and neighbors of its VLAN. The neighbors are gone
    /// when [`Self::carry_on`] says so.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it is the card's own.
    pub fn remove_vlan_device(&mut self, vid: u16) -> Result<(), ConfigurationError> {
        if vid == 0 {
            return Err(ConfigurationError::VidOutOfRange(vid));
        }
        self.device(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        for cidr in self.claims.of_vlan(vid) {
            self.screen.uncover(cidr);
        }
        self.claims.remove_vlan(vid);
        self.routes.disconnect(vid);
        self.neighbors.forget_vlan(vid);
        self.vlans.remove(vid);
        Ok(())
    }

    /// Sets whether the device of VLAN `vid` passes frames. Without the card's own device, which is that
    /// of VLAN 0, none does.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::NoSuchDevice`].
    pub fn set_up(&mut self, vid: u16, up: bool) -> Result<(), ConfigurationError> {
        self.change(vid, |device| device.set_up(up))
    }

    /// Enables or disables the out-of-band port of the device of VLAN `vid`: with one, and with the VLAN
    /// in the filter list, its frames are answered at once; else in-band, when there is time.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it is the card's own.
    pub fn set_oob_port(&mut self, vid: u16, enabled: bool) -> Result<(), ConfigurationError> {
        if vid == 0 {
            return Err(ConfigurationError::NoOobPort);
        }
        self.change(vid, |device| device.set_oob_port(enabled))
    }

    /// Notes what was asked for when the out-of-band port of the device of VLAN `vid` was enabled.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it is the card's own.
    pub fn set_oob_pool(&mut self, vid: u16, pool: OobPool) -> Result<(), ConfigurationError> {
        if vid == 0 {
            return Err(ConfigurationError::NoOobPort);
        }
        self.change(vid, |device| device.set_oob_pool(pool))
    }

    /// Sets the largest datagram that the device of VLAN `vid` sends in one piece.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it cannot be that.
    pub fn set_mtu(&mut self, vid: u16, mtu: u16) -> Result<(), ConfigurationError> {
        self.check_mtu(mtu)?;
        self.change(vid, |device| device.set_mtu(mtu))
    }

    /// Whether a device of this card can have `mtu` set.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError::MtuOutOfRange`].
    pub fn check_mtu(&self, mtu: u16) -> Result<(), ConfigurationError> {
        let maximum = self.maximum_mtu;
        if (MINIMUM_MTU..=maximum).contains(&mtu) {
            Ok(())
        } else {
            Err(ConfigurationError::MtuOutOfRange { mtu, maximum })
        }
    }

    /// The MTU of a device for which none was set: as much as the card takes, in octets.
    pub const fn maximum_mtu(&self) -> u16 {
        self.maximum_mtu
    }

    /// Has no device send datagrams of more than `mtu` octets in one piece, whatever is configured, since the
    /// card takes no longer ones. Less than [`MINIMUM_MTU`] counts as that, more than [`DEFAULT_MTU`] as that.
    /// To be called before there are VLAN devices.
    pub fn limit_mtu(&mut self, mtu: u16) {
        self.maximum_mtu = mtu.clamp(MINIMUM_MTU, DEFAULT_MTU);
        // The card's own device is there always.
        let _ = self.set_mtu(0, self.maximum_mtu);
    }

    fn change(
        &mut self,
        vid: u16,
        change: impl FnOnce(&mut VlanDevice),
    ) -> Result<(), ConfigurationError> {
        self.vlans
            .change(vid, change)
            .ok_or(ConfigurationError::NoSuchDevice(vid))
    }

    /// Replaces the filter list: the VLANs whose frames may be answered in real time.
    pub fn set_vlan_filter(&mut self, set: VlanSet) {
        self.list_changes = self.list_changes.wrapping_add(1);
        self.vlans.set_filter(set);
    }

    /// Gives the device of VLAN `vid` one more address; 0 is the card's own device. How the address is
    /// claimed is what [`Self::set_address_start`] says. Allocates.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when there is no such device, or it cannot take the address.
    pub fn add_address(&mut self, vid: u16, cidr: Ipv4Cidr) -> Result<(), ConfigurationError> {
        self.device(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        let address = cidr.address();
        if !ipv4::is_host_address(address) || cidr.is_directed_broadcast(address) {
            return Err(ConfigurationError::NotAHostAddress(address));
        }
        for other in self.claims.of_vlan(vid) {
            if other == cidr {
                return Err(ConfigurationError::AddressInUse(cidr));
            }
            if other.address() == address {
                return Err(ConfigurationError::OtherPrefix {
                    has: other,
                    given: cidr,
                });
            }
            for (address, network) in [(address, other), (other.address(), cidr)] {
                if network.is_directed_broadcast(address) {
                    return Err(ConfigurationError::BroadcastAddress { address, network });
                }
            }
        }
        if self.claims.of_vlan(vid).count() >= ADDRESSES_PER_DEVICE {
            return Err(ConfigurationError::TooManyAddresses);
        }
        self.claims
            .add(vid, cidr, self.station.address(), self.rate);
        self.screen.cover(cidr);
        self.update_addresses(vid);
        Ok(())
    }

    /// Takes an address from the device of VLAN `vid`, together with the routes that need it.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`] when the device does not have the address.
    pub fn remove_address(
        &mut self,
        vid: u16,
        address: Ipv4Addr,
    ) -> Result<(), ConfigurationError> {
        self.device(vid)
            .ok_or(ConfigurationError::NoSuchDevice(vid))?;
        let cidr = self
            .claims
            .remove(vid, address)
            .ok_or(ConfigurationError::NoSuchAddress(address))?;
        self.screen.uncover(cidr);
        self.update_addresses(vid);
        Ok(())
    }

    /// Sets how addresses are claimed that are added from now on.
    pub const fn set_address_start(&mut self, start: Start) {
        self.claims.set_start(start);
    }

    /// Makes the device of VLAN `vid` and the routes agree with the addresses that it was given. Allocates, and takes
    /// the longer the more routes there are: only what an operator does may lead here.
    fn update_addresses(&mut self, vid: u16) {
        // No more were taken than there is room for.
        let given: heapless::Vec<_, ADDRESSES_PER_DEVICE> = self.claims.of_vlan(vid).collect();
        self.routes.connect(vid, &given);
        self.use_usable_addresses(vid);
    }

    /// Makes the device of VLAN `vid` use those of its addresses that are usable now. Routes and screen stay
    /// as they are while an address is probed for; nothing leaves from it before it is usable.
    pub(crate) fn use_usable_addresses(&mut self, vid: u16) {
        let usable = self.claims.usable_of_vlan(vid).collect();
        self.vlans.set_addresses(vid, usable);
    }

    /// Adds a route over a gateway; `0.0.0.0/0` is the default route. Without a VLAN it leaves through the
    /// one in which the gateway is. Each VLAN is a network of its own: an address of ours can be another station's in
    /// another, where that is said. Allocates.
    ///
    /// # Errors
    ///
    /// [`RouteError`] when the network or the gateway cannot be used.
    pub fn add_route(
        &mut self,
        network: Ipv4Cidr,
        gateway: Ipv4Addr,
        vid: Option<u16>,
    ) -> Result<(), RouteError> {
        // The routes know only the first of the addresses in each network.
        if self.has_address(vid, gateway) {
            return Err(RouteError::GatewayIsOurs(gateway));
        }
        self.routes.add_gateway(network, gateway, vid)
    }

    /// Removes a route over a gateway. Without a VLAN it is the first of this network.
    ///
    /// # Errors
    ///
    /// [`RouteError::NoSuchRoute`] when there is none.
    pub fn remove_route(
        &mut self,
        network: Ipv4Cidr,
        vid: Option<u16>,
    ) -> Result<Route, RouteError> {
        self.routes.remove_gateway(network, vid)
    }

    /// Sets how many ICMP errors are sent: in all, and into each VLAN.
    pub fn set_icmp_error_limits(&mut self, all: Limit, vlan: Limit) {
        self.icmp_errors.set_limit(all);
        self.icmp_errors.set_vlan_limit(vlan);
        self.vlans.for_each(VlanDevice::forget_error_bucket);
    }

    /// Enters a neighbor permanently.
    ///
    /// # Errors
    ///
    /// [`PermanentError`] when it cannot be entered.
    pub fn add_neighbor(
        &mut self,
        vid: u16,
        address: Ipv4Addr,
        mac: MacAddress,
        now: Instant,
    ) -> Result<(), PermanentError> {
        self.neighbors.add_permanent(vid, address, mac, now)
    }

    /// Forgets a neighbor, permanent or not; `false` when it was not known.
    pub fn remove_neighbor(&mut self, vid: u16, address: Ipv4Addr) -> bool {
        self.neighbors.forget(vid, address)
    }

    /// Forgets all neighbors but the permanent ones: those of VLAN `vid`, or of all. They are gone when
    /// [`Self::carry_on`] says so.
    pub fn flush_neighbors(&mut self, vid: Option<u16>) {
        match vid {
            Some(vid) => self.neighbors.flush_vlan(vid),
            None => self.neighbors.flush(),
        }
    }

    /// Does a bounded piece of what a step left to be done. Returns whether there is more: the next step is
    /// to wait for that, or does it as a whole itself.
    pub fn carry_on(&mut self) -> bool {
        self.neighbors.sweep()
    }

    /// Asks for a neighbor, whatever is known of it; with `permanent` its answer becomes a permanent entry.
    /// What came of it is told by [`Interface::take_event`].
    pub fn solicit(
        &mut self,
        vid: u16,
        address: Ipv4Addr,
        permanent: bool,
        now: Instant,
    ) -> Resolution {
        self.neighbors.solicit(vid, address, permanent, now)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::neighbor::Neighbor;
    use crate::time::TickRate;
    use std::string::ToString;

    fn cidr(text: &str) -> Ipv4Cidr {
        let (address, prefix) = text.split_once('/').expect("a slash");
        let address = address.parse().expect("an address");
        Ipv4Cidr::new(address, prefix.parse().expect("a length")).expect("in range")
    }

    fn card() -> Interface {
        Interface::new(
            "eth0",
            MacAddress([2, 0, 0, 0, 0, 1]),
            2,
            TickRate::from_hertz(1_000_000_000),
        )
    }

    /// A card on which VLAN 42 is served in real time, and VLAN 43 has a device.
    fn configured() -> Interface {
        let mut card = card();
        card.add_realtime_vlan("eth0.42", 42, cidr("10.10.10.11/24"))
            .expect("is free");
        card.add_vlan_device("eth0.43", 43).expect("is free");
        card
    }

    #[test]
    fn nothing_is_sent_that_is_longer_than_the_card_takes() {
        let mut card = card();
        card.limit_mtu(1400);
        card.add_vlan_device("eth0.7", 7).unwrap();
        for vid in [0, 7] {
            assert_eq!(card.device(vid).map(VlanDevice::mtu), Some(1400));
            card.set_mtu(vid, 1400).unwrap();
            let refused = card.set_mtu(vid, 1401).unwrap_err().to_string();
            assert_eq!(refused, "an MTU of 1401 octets is not in 68..1400");
        }
        card.limit_mtu(3);
        assert_eq!(card.device(0).map(VlanDevice::mtu), Some(68));
        card.limit_mtu(u16::MAX);
        assert_eq!(card.device(0).map(VlanDevice::mtu), Some(1500));
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
            card.set_oob_port(vid, true).expect("is there");
        }
        for vid in 1..=4094 {
            assert_eq!(card.device(vid).map(VlanDevice::vid), Some(vid));
            assert!(card.vlans.realtime(vid).is_none());
        }
        assert_eq!(card.device(0).map(VlanDevice::name), Some("eth0"));
        for none in [4095, 4096, 4096 | 42, u16::MAX] {
            assert!(card.device(none).is_none());
        }
        let mut odd = VlanSet::new();
        (1..4096).step_by(2).for_each(|vid| odd.insert(vid));
        card.set_vlan_filter(odd);
        for vid in 0..4096 {
            let realtime = card.vlans.realtime(vid).map(|device| device.vid());
            let expected = vid % 2 == 1 && vid != 4095;
            assert_eq!(realtime, expected.then_some(vid));
        }
    }

    #[test]
    fn a_vlan_is_real_time_while_all_four_conditions_hold() {
        let mut card = configured();
        let is_realtime = |card: &mut Interface| card.vlans.realtime(42).is_some();
        assert!(is_realtime(&mut card));
        let filter = card.vlan_filter().clone();
        let set_filter = |card: &mut Interface, on| {
            card.set_vlan_filter(if on { filter.clone() } else { VlanSet::new() });
        };
        type Switch<'a> = &'a dyn Fn(&mut Interface, bool);
        let switches: [Switch<'_>; 4] = [
            &|card, on| card.set_up(42, on).expect("is there"),
            &|card, on| card.set_up(0, on).expect("is there"),
            &|card, on| card.set_oob_port(42, on).expect("is there"),
            &set_filter,
        ];
        for switch in switches {
            switch(&mut card, false);
            assert!(!is_realtime(&mut card));
            switch(&mut card, true);
            assert!(is_realtime(&mut card));
        }
        // A VLAN with a device and none of the rest is in-band.
        assert!(card.vlans.realtime(43).is_none() && card.vlans.is_up(43));
    }

    #[test]
    fn a_removed_device_takes_its_addresses_routes_and_neighbors_along() {
        let mut card = configured();
        card.add_address(43, cidr("10.10.43.11/24")).expect("room");
        let default = cidr("0.0.0.0/0");
        for gateway in ["10.10.10.1", "10.10.43.1"] {
            let gateway = gateway.parse().expect("an address");
            card.add_route(default, gateway, None).expect("is on link");
        }
        let neighbor = Ipv4Addr::new(10, 10, 43, 10);
        let mac = MacAddress([2, 0, 0, 0, 0, 9]);
        card.add_neighbor(43, neighbor, mac, Instant::from_ticks(0))
            .expect("room");
        assert_eq!(card.routes().iter().count(), 4);
        assert_eq!(card.remove_vlan_device(43), Ok(()));
        while card.carry_on() {}
        assert!(card.device(43).is_none() && card.device_named("eth0.43").is_none());
        assert!(card.routes().iter().all(|route| route.vid == 42));
        assert_eq!(card.routes().iter().count(), 2);
        assert!(card.neighbors().find(43, neighbor).is_none());
        assert_eq!(card.addresses().count(), 1);
        assert_eq!(
            card.remove_vlan_device(43),
            Err(ConfigurationError::NoSuchDevice(43))
        );
        // What came after it in the list is found where it is now.
        assert_eq!(card.add_vlan_device("eth0.43", 43), Ok(()));
        assert_eq!(card.remove_vlan_device(42), Ok(()));
        assert_eq!(card.device(43).map(VlanDevice::vid), Some(43));
        assert!(card.vlans.realtime(42).is_none());
    }

    #[test]
    fn neighbors_of_a_device_that_is_added_anew_stay() {
        let mut card = configured();
        let mac = MacAddress([2, 0, 0, 0, 0, 9]);
        let now = Instant::from_ticks(0);
        let neighbor = |host| Ipv4Addr::new(10, 10, 10, host);
        for host in [10, 12] {
            card.add_neighbor(42, neighbor(host), mac, now).unwrap();
        }
        card.remove_vlan_device(42).unwrap();
        card.add_vlan_device("eth0.42", 42).unwrap();
        card.add_neighbor(42, neighbor(10), mac, now).unwrap();
        while card.carry_on() {}
        assert!(card.neighbors().find(42, neighbor(10)).is_some());
        assert!(card.neighbors().find(42, neighbor(12)).is_none());
        // Nor is one that answers forgotten, whom the operator had asked for.
        card.remove_vlan_device(42).unwrap();
        card.add_vlan_device("eth0.42", 42).unwrap();
        card.solicit(42, neighbor(10), true, now);
        card.neighbors.learn(Neighbor {
            vid: 42,
            address: neighbor(10),
            mac,
            confirmed: now,
        });
        while card.carry_on() {}
        assert!(card.neighbors().find(42, neighbor(10)).is_some());
    }

    #[test]
    fn a_device_that_is_not_there_takes_no_number() {
        let mut card = card();
        let refused = card.set_ifindex(42, 9);
        assert_eq!(refused, Err(ConfigurationError::NoSuchDevice(42)));
        assert_eq!(card.last_ifindex(), 2);
    }

    #[test]
    fn a_removed_address_takes_the_routes_that_need_it_along() {
        let mut card = configured();
        let own = Ipv4Addr::new(10, 10, 10, 11);
        let gateway = Ipv4Addr::new(10, 10, 10, 1);
        card.add_route(cidr("0.0.0.0/0"), gateway, None)
            .expect("is on link");
        let missing = Ipv4Addr::new(10, 10, 10, 12);
        assert_eq!(
            card.remove_address(42, missing),
            Err(ConfigurationError::NoSuchAddress(missing))
        );
        // A second address in the network keeps the route.
        card.add_address(42, cidr("10.10.10.12/24")).expect("room");
        assert_eq!(card.remove_address(42, own), Ok(()));
        assert_eq!(card.routes().iter().count(), 2);
        assert_eq!(card.remove_address(42, missing), Ok(()));
        assert_eq!(card.routes().iter().count(), 0);
        assert!(card.device(42).expect("is there").addresses().is_empty());
        // It can be another host's now.
        let device = card.device(42).expect("is there");
        assert!(!card.screen.rejects(own, device));
        // An address that was a gateway is no gateway any more.
        card.add_address(42, cidr("10.10.10.11/24")).expect("room");
        card.add_route(cidr("0.0.0.0/0"), gateway, None)
            .expect("is on link");
        card.add_address(42, cidr("10.10.10.1/24")).expect("room");
        assert_eq!(card.routes().iter().count(), 1);
    }

    #[test]
    fn a_gateway_is_no_address_of_ours() {
        let mut card = configured();
        card.add_address(42, cidr("10.10.10.12/24")).expect("room");
        card.add_address(43, cidr("10.10.10.13/24")).expect("room");
        let everywhere = cidr("0.0.0.0/0");
        for (own, vid) in [(11, 42), (12, 42), (13, 43)] {
            let gateway = Ipv4Addr::new(10, 10, 10, own);
            for vid in [None, Some(vid)] {
                let refused = card.add_route(everywhere, gateway, vid);
                assert_eq!(refused, Err(RouteError::GatewayIsOurs(gateway)), "{vid:?}");
            }
        }
        // In the other VLAN it is another station's.
        let gateway = Ipv4Addr::new(10, 10, 10, 13);
        assert_eq!(card.add_route(everywhere, gateway, Some(42)), Ok(()));
    }

    #[test]
    fn a_real_time_vlan_is_made_as_a_whole_or_not_at_all() {
        let mut card = card();
        let refused = card.add_realtime_vlan("eth0.42", 42, cidr("10.0.0.0/24"));
        assert!(refused.is_err());
        assert!(card.devices().is_empty() && card.vlan_filter().is_empty());
        assert_eq!(card.addresses().count(), 0);
    }

    #[test]
    fn the_card_may_filter_by_what_is_accepted_in_either_plane() {
        let mut card = configured();
        assert_eq!(card.accepted_vlans().to_string(), "42-43");
        card.add_address(0, cidr("10.0.0.1/24")).expect("room");
        assert_eq!(card.accepted_vlans().to_string(), "0,42-43");
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
            (
                card.set_mtu(42, 67),
                "an MTU of 67 octets is not in 68..1500",
            ),
            (
                card.set_mtu(42, 1501),
                "an MTU of 1501 octets is not in 68..1500",
            ),
            (card.set_up(43, true), "there is no device for VLAN 43"),
            (
                card.set_oob_port(0, true),
                "frames without a VLAN are always in-band: only a VLAN device can have an \
                 out-of-band port",
            ),
            (
                card.remove_vlan_device(0),
                "VLAN identifier 0 is not in 1..4094",
            ),
            (
                card.add_vlan_device("eth0", 44),
                "another device has this name",
            ),
        ];
        for (result, message) in refusals {
            assert_eq!(
                result.map_err(|error| error.to_string()),
                Err(message.to_string())
            );
        }
        assert_eq!(card.devices().len(), 1);
        assert!(
            card.devices()
                .iter()
                .all(|device| device.addresses().is_empty())
        );
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
        assert_eq!(
            card.devices().get(0).map(|device| device.addresses().len()),
            Some(2)
        );
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
            Err(ConfigurationError::AddressInUse(cidr("10.0.0.8/24")))
        );
        let (has, given) = (cidr("10.0.0.8/24"), cidr("10.0.0.8/32"));
        assert_eq!(
            card.add_address(42, given),
            Err(ConfigurationError::OtherPrefix { has, given })
        );
    }
}
