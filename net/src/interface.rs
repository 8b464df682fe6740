//! A network card as the stack sees it: its VLAN devices, their addresses, the filter list, and
//! what was counted and measured on it.
//!
//! `configuration` is what an operator can change, between turns of the poll loop; the frame path
//! ([`crate::receive`]) only reads what that left.

mod claims;
mod configuration;
mod ipv4_cidr;
mod source_screen;
mod vlan_device;
mod vlans;

use crate::capture::Capture;
use crate::counters::Counters;
use crate::device::FlowControl;
use crate::ethernet::EthernetServices;
use crate::filter::FilterSlot;
use crate::histogram::Histogram;
use crate::icmp_error::IcmpErrors;
use crate::large::{DEFAULT_PLACES, LargeDatagrams};
use crate::neighbor::{self, DEFAULT_QUESTIONS, NeighborTable};
use crate::own_arping::OwnArping;
use crate::own_ping::OwnPing;
use crate::reassembly::{DEFAULT_CONTEXTS, Reassembly};
use crate::route::RouteTable;
use crate::send::{Events, Turn};
use crate::time::{Instant, TickRate, Ticks};
use crate::trace::{Trace, Tracing};
use crate::udp::Services;
use crate::vlan::VlanSet;
use crate::wire::ethernet::MacAddress;
use crate::wire::vlan::OwnStation;
use core::net::Ipv4Addr;

pub use claims::Address;
pub(crate) use claims::Claims;
pub use configuration::ConfigurationError;
pub use ipv4_cidr::Ipv4Cidr;
pub(crate) use source_screen::SourceScreen;
pub use vlan_device::{
    ADDRESSES_PER_DEVICE, DEFAULT_MTU, MINIMUM_MTU, NAME_LENGTH, OobPool, Traffic, VlanDevice,
};
pub(crate) use vlans::Vlans;
pub use vlans::{Devices, OCTETS_FOR_ALL as OCTETS_OF_VLAN_DEVICES};

/// A network card as the stack sees it.
pub struct Interface {
    /// The card's station address, ready to be compared with and written.
    pub(crate) station: OwnStation,
    pub(crate) ifindex: u32,
    /// The highest number that it or one of its VLAN devices has or had.
    last_ifindex: u32,
    pub(crate) rate: TickRate,
    pub(crate) vlans: Vlans,
    /// The largest datagram that the card sends in one piece.
    maximum_mtu: u16,
    pub(crate) filter: FilterSlot,
    /// Reads the clock, to take the time of some of the filter's runs.
    pub(crate) stopwatch: Option<fn() -> Instant>,
    pub(crate) screen: SourceScreen,
    pub(crate) claims: Claims,
    pub(crate) routes: RouteTable,
    pub(crate) neighbors: NeighborTable,
    pub(crate) counters: Counters,
    pub(crate) trace: Trace,
    pub(crate) capture: Capture,
    /// Whether no frame takes the usual way unseen: a program decides, all are kept, or echo requests are traced.
    pub(crate) is_watched: bool,
    /// To whom a frame is addressed that may be answered at first sight: to `station`, or, while they are watched, to nobody.
    pub(crate) usual: u64,
    /// Whether only a program wants to see them: it is asked first, and what it leaves in real time is served as usual.
    pub(crate) is_only_filtered: bool,
    pub(crate) services: Services,
    pub(crate) ethernet_services: EthernetServices,
    pub(crate) reassembly: Reassembly,
    pub(crate) large: LargeDatagrams,
    pub(crate) icmp_errors: IcmpErrors,
    pub(crate) ping: Option<OwnPing>,
    pub(crate) arping: Option<OwnArping>,
    pub(crate) events: Events,
    /// What is to be looked at next for something to send.
    pub(crate) turn: Turn,
    /// The device that is looked at next for a port that is of no use.
    next_device: usize,
    /// How often the filter list changed, or who decides instead of it.
    pub(crate) list_changes: u32,
    residence: Histogram,
    residence_peak: u32,
    /// Frames that were answered when the residence times were forgotten last.
    answered_at_reset: u64,
    /// Nothing where the card does not know pauses.
    flow_control: Option<FlowControl>,
    /// Whether the card can verify checksums.
    card_can_verify_checksums: bool,
    /// Whether it is to.
    is_card_to_verify_checksums: bool,
    /// Whether the card can keep frames of other VLANs away.
    card_can_filter_vlans: bool,
    /// Whether it is to.
    is_card_to_filter_vlans: bool,
}

impl Interface {
    /// A card called `name`, of which 15 octets count, with station address `mac` and number `ifindex`,
    /// without VLAN devices and addresses and with an empty filter list: it answers nothing yet. Time is
    /// told in ticks of `rate`. There is room for [`neighbor::DEFAULT_CAPACITY`] neighbors. Allocates.
    pub fn new(name: &str, mac: MacAddress, ifindex: u32, rate: TickRate) -> Self {
        Self::with_neighbors(name, mac, ifindex, rate, neighbor::DEFAULT_CAPACITY)
    }

    /// The same, with room for `capacity` neighbors ([`NeighborTable::with_capacity`]).
    pub fn with_neighbors(
        name: &str,
        mac: MacAddress,
        ifindex: u32,
        rate: TickRate,
        capacity: usize,
    ) -> Self {
        let mut neighbors = NeighborTable::with_capacity(capacity);
        neighbors.set_up(rate, DEFAULT_QUESTIONS);
        let station = OwnStation::new(mac);
        Self {
            station,
            ifindex,
            last_ifindex: ifindex,
            rate,
            vlans: Vlans::new(VlanDevice::of_card(name)),
            maximum_mtu: DEFAULT_MTU,
            filter: FilterSlot::new(),
            stopwatch: None,
            screen: SourceScreen::new(),
            claims: Claims::new(),
            routes: RouteTable::new(),
            neighbors,
            counters: Counters::new(),
            trace: Trace::new(),
            capture: Capture::new(),
            is_watched: false,
            usual: station.to_bits(),
            is_only_filtered: false,
            services: Services::new(rate),
            ethernet_services: EthernetServices::new(),
            reassembly: Reassembly::new(DEFAULT_CONTEXTS, rate),
            large: LargeDatagrams::new(DEFAULT_PLACES),
            icmp_errors: IcmpErrors::new(rate),
            ping: None,
            arping: None,
            events: Events::new(),
            turn: Turn::default(),
            next_device: 0,
            list_changes: 0,
            residence: Histogram::new(),
            residence_peak: 0,
            answered_at_reset: 0,
            flow_control: None,
            card_can_verify_checksums: false,
            is_card_to_verify_checksums: true,
            card_can_filter_vlans: false,
            is_card_to_filter_vlans: true,
        }
    }

    /// Looks at one device. Returns its VLAN when its out-of-band port is of no use, and that is to be told.
    pub(crate) fn next_port_in_vain(&mut self) -> Option<u16> {
        // A program decides, whatever the list says.
        let is_decided = self.filter.is_active();
        let changes = self.list_changes;
        let vid = self
            .vlans
            .devices()
            .get(self.next_device)
            .map(VlanDevice::vid);
        self.next_device = match vid {
            Some(_) => self.next_device.saturating_add(1),
            None => 0,
        };
        let vid = vid?;
        let listed = is_decided || self.vlans.filter().contains(vid);
        let device = self.vlans.device_mut(vid)?;
        device.is_port_in_vain(listed, changes).then_some(vid)
    }

    /// What the card is to do about pauses; nothing where it does not know them.
    pub const fn flow_control(&self) -> Option<FlowControl> {
        self.flow_control
    }

    /// Sets what the card is to do about pauses. The first time says that it knows them.
    pub const fn set_flow_control(&mut self, flow_control: FlowControl) {
        self.flow_control = Some(flow_control);
    }

    /// Whether the card could verify checksums of datagrams.
    pub const fn card_can_verify_checksums(&self) -> bool {
        self.card_can_verify_checksums
    }

    /// Takes note of what the card can do.
    pub const fn set_card_can_verify_checksums(&mut self, can: bool) {
        self.card_can_verify_checksums = can;
    }

    /// Whether it is to, as far as it can. If not, all are added up here.
    pub const fn is_card_to_verify_checksums(&self) -> bool {
        self.is_card_to_verify_checksums
    }

    /// Says whether it is to.
    pub const fn set_card_to_verify_checksums(&mut self, verify: bool) {
        self.is_card_to_verify_checksums = verify;
    }

    /// Has the time of some of the filter's runs taken with this clock.
    pub const fn set_stopwatch(&mut self, clock: fn() -> Instant) {
        self.stopwatch = Some(clock);
    }

    /// Whether the card keeps frames of other VLANs away by itself; for people, and for nothing else.
    pub const fn card_filters_vlans(&self) -> bool {
        self.card_can_filter_vlans && self.is_card_to_filter_vlans && !self.filter.is_active()
    }

    /// Whether it could.
    pub const fn card_can_filter_vlans(&self) -> bool {
        self.card_can_filter_vlans
    }

    /// Takes note of what the card can do.
    pub const fn set_card_can_filter_vlans(&mut self, can: bool) {
        self.card_can_filter_vlans = can;
    }

    /// Whether the card is to keep frames of other VLANs away, as far as it can.
    pub const fn is_card_to_filter_vlans(&self) -> bool {
        self.is_card_to_filter_vlans
    }

    /// Says whether it is to. If not, frames of all VLANs reach us, and those of others are counted.
    pub const fn set_card_to_filter_vlans(&mut self, filter: bool) {
        self.is_card_to_filter_vlans = filter;
    }

    /// The filter list.
    pub const fn vlan_filter(&self) -> &VlanSet {
        self.vlans.filter()
    }

    /// The VLANs whose frames are not dropped because of their identifier, 0 standing for frames that have
    /// a priority only: what the card's own filter may let through. All, where a program decides, and where the card is
    /// not to filter.
    pub fn accepted_vlans(&self) -> VlanSet {
        if self.filter.is_active() || !self.is_card_to_filter_vlans {
            return VlanSet::full();
        }
        let mut accepted = self.vlan_filter().clone();
        accepted.add(self.vlans.present());
        if !self.card_device().addresses().is_empty() {
            accepted.insert(0);
        }
        accepted
    }

    /// The card's station address.
    #[inline]
    pub const fn mac_address(&self) -> MacAddress {
        self.station.address()
    }

    /// The card's number, as `ip link` would show it.
    pub const fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The card's name, which is its own device's.
    pub fn name(&self) -> &str {
        self.card_device().name()
    }

    /// The card's own device: that of frames without a VLAN, of which 0 is the identifier.
    pub fn card_device(&self) -> &VlanDevice {
        self.vlans.card_device()
    }

    /// The VLAN devices, in the order in which they were added.
    pub fn devices(&self) -> Devices<'_> {
        self.vlans.devices()
    }

    /// The device of VLAN `vid`; 0 is the card's own.
    pub fn device(&self, vid: u16) -> Option<&VlanDevice> {
        self.vlans.device(vid)
    }

    /// The device called `name`, the card's own included.
    pub fn device_named(&self, name: &str) -> Option<&VlanDevice> {
        let card = Some(self.card_device()).filter(|card| card.name() == name);
        card.or_else(|| self.vlans.named(name))
    }

    /// Every address that was given to a device, in use or not, in the order in which they were given.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.claims.list()
    }

    /// Whether `address`, in use or not, was given to the device of VLAN `vid`, or to any where none is named.
    pub fn has_address(&self, vid: Option<u16>, address: Ipv4Addr) -> bool {
        self.addresses()
            .any(|own| own.cidr.address() == address && vid.is_none_or(|vid| own.vid == vid))
    }

    /// The routes, which the devices' addresses and the operator made.
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
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

    /// The records of answered echo requests, to take them.
    pub const fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Has answered echo requests recorded, or no longer. Recording frames allocates, once.
    pub fn set_tracing(&mut self, tracing: Tracing) {
        self.trace.set(tracing);
        self.watch();
    }

    /// The frames that were seen or dropped last.
    pub const fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Has all frames kept from now on, or only those that are dropped.
    pub const fn set_capture(&mut self, all: bool) {
        self.capture.set_on(all);
        self.watch();
    }

    /// Forgets the frames that were kept.
    pub fn clear_capture(&mut self) {
        self.capture.clear();
    }

    /// Works out which way frames take.
    pub(crate) const fn watch(&mut self) {
        let is_recorded = self.capture.is_on() || self.trace.is_enabled();
        self.is_watched = self.filter.is_active() || is_recorded;
        self.usual = match self.is_watched {
            true => u64::MAX,
            false => self.station.to_bits(),
        };
        self.is_only_filtered = self.filter.is_active() && !is_recorded;
    }

    /// The UDP services.
    pub const fn services(&self) -> &Services {
        &self.services
    }

    /// The UDP services, to be registered, changed or polled.
    pub const fn services_mut(&mut self) -> &mut Services {
        &mut self.services
    }

    /// The services on Ethernet itself.
    pub const fn ethernet_services(&self) -> &EthernetServices {
        &self.ethernet_services
    }

    /// The services on Ethernet itself, to be registered or changed.
    pub const fn ethernet_services_mut(&mut self) -> &mut EthernetServices {
        &mut self.ethernet_services
    }

    /// The ICMP errors that were sent, and those that were not.
    pub const fn icmp_errors(&self) -> &IcmpErrors {
        &self.icmp_errors
    }

    /// The datagrams of which fragments have arrived.
    pub const fn reassembly(&self) -> &Reassembly {
        &self.reassembly
    }

    /// How long answered frames stayed: from being seen in the ring to the doorbell, in ticks.
    pub const fn residence(&self) -> &Histogram {
        &self.residence
    }

    /// Frames that were answered since the residence times were forgotten; without any residence time, all of them in-band.
    pub const fn answered_since_reset(&self) -> u64 {
        self.counters
            .answered()
            .wrapping_sub(self.answered_at_reset)
    }

    /// Forgets all residence times.
    pub fn reset_residence(&mut self) {
        self.residence.clear();
        self.answered_at_reset = self.counters.answered();
    }

    /// In which millisecond since the start the longest of them ended; wraps as [`Self::reception`]'s do.
    pub const fn residence_peak(&self) -> u32 {
        self.residence_peak
    }

    /// Records that `answers` frames stayed for `span`, which ended `milliseconds` after the start.
    #[inline]
    pub fn record_residence(&mut self, span: Ticks, answers: u64, milliseconds: u32) {
        if answers > 0 && span.0 > self.residence.maximum().unwrap_or(0) {
            self.residence_peak = milliseconds;
        }
        self.residence.record(span.0, answers);
    }
}
