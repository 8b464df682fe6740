//! The devices of a network card, and in which plane the frames of a VLAN are served.

use super::Ipv4Cidr;
use super::vlan_device::{ADDRESSES_PER_DEVICE, NAME_LENGTH, VlanDevice};
use crate::vlan::{VID_COUNT, VlanSet};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use heapless::String;

type Name = String<NAME_LENGTH>;

/// So many devices are kept before there is room for all that there can be.
const FEW: usize = 8;
/// Octets of the heap that this room takes, on each card that has more than a few.
pub const OCTETS_FOR_ALL: usize = VID_COUNT * (size_of::<VlanDevice>() + size_of::<u16>());

/// What stands in a look-up table for a VLAN without an entry.
const NONE: u16 = u16::MAX;

/// For each VLAN identifier the index of a device, or [`NONE`].
struct Table([u16; VID_COUNT]);

impl Table {
    const fn new() -> Self {
        Self([NONE; VID_COUNT])
    }

    fn set(&mut self, vid: u16, index: usize) {
        if let Some(entry) = self.0.get_mut(usize::from(vid)) {
            *entry = index as u16;
        }
    }

    fn clear(&mut self, vid: u16) {
        self.set(vid, usize::from(NONE));
    }

    #[inline]
    fn get(&self, vid: u16) -> usize {
        usize::from(*self.0.get(usize::from(vid)).unwrap_or(&NONE))
    }
}

/// The VLAN devices of a network card, in the order in which they were added.
#[derive(Clone, Copy)]
pub struct Devices<'a> {
    order: &'a [u16],
    devices: &'a [VlanDevice],
}

impl<'a> Devices<'a> {
    /// How many there are.
    pub const fn len(self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.order.is_empty()
    }

    /// One of them.
    pub fn get(self, index: usize) -> Option<&'a VlanDevice> {
        self.devices.get(usize::from(*self.order.get(index)?))
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = &'a VlanDevice> {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

/// The filter list and the devices of a network card. What all of them say about the VLAN of a frame is
/// one load from a table, however many there are. What is changed about one device, or about the filter list, costs no
/// step for each of the others: a frame that comes meanwhile does not wait for all of them.
pub(crate) struct Vlans {
    filter: VlanSet,
    /// The VLANs that have a device.
    present: VlanSet,
    /// Those whose device is up and has its out-of-band port enabled.
    able: VlanSet,
    /// The VLAN of each name.
    names: BTreeMap<Name, u16>,
    /// The card's own, for frames that name no VLAN.
    card: VlanDevice,
    /// The VLANs', in no particular order.
    devices: Vec<VlanDevice>,
    /// Their indices, in the order in which they were added.
    order: Vec<u16>,
    /// The devices that are served in real time.
    realtime: Table,
    /// All devices of VLANs.
    all: Table,
}

impl Vlans {
    /// With the card's own device and an empty filter list.
    pub(super) const fn new(card: VlanDevice) -> Self {
        Self {
            filter: VlanSet::new(),
            present: VlanSet::new(),
            able: VlanSet::new(),
            names: BTreeMap::new(),
            card,
            devices: Vec::new(),
            order: Vec::new(),
            realtime: Table::new(),
            all: Table::new(),
        }
    }

    /// Adds a device whose VLAN identifier no other has. Allocates.
    pub(super) fn push(&mut self, device: VlanDevice) {
        let index = self.devices.len();
        if index == FEW {
            // Where there are more than a few there may be many, and to move them when there is no more room would take
            // the longer the more there are.
            self.devices.reserve_exact(VID_COUNT.saturating_sub(index));
            self.order.reserve_exact(VID_COUNT.saturating_sub(index));
        }
        self.present.insert(device.vid());
        self.names.insert(device.own_name(), device.vid());
        self.devices.push(device);
        self.order.push(index as u16);
        self.enter(index);
    }

    /// Removes the device of VLAN `vid`.
    pub(super) fn remove(&mut self, vid: u16) {
        let index = self.all.get(vid);
        if index >= self.devices.len() {
            return;
        }
        let removed = self.devices.swap_remove(index);
        self.names.remove(&removed.own_name());
        self.present.remove(vid);
        self.able.remove(vid);
        self.realtime.clear(vid);
        self.all.clear(vid);
        self.order.retain(|&own| usize::from(own) != index);
        // The last one stands in its place now.
        let moved = self.devices.len();
        for own in &mut self.order {
            if usize::from(*own) == moved {
                *own = index as u16;
            }
        }
        self.enter(index);
    }

    /// Replaces the filter list.
    pub(super) fn set_filter(&mut self, filter: VlanSet) {
        self.filter = filter;
        self.update();
    }

    /// Changes the device of VLAN `vid`; `None` when there is none.
    pub(super) fn change(&mut self, vid: u16, change: impl FnOnce(&mut VlanDevice)) -> Option<()> {
        change(self.device_mut(vid)?);
        match vid {
            // All of them stand on it.
            0 => self.update(),
            vid => self.enter(self.all.get(vid)),
        }
        Some(())
    }

    /// Gives the device of VLAN `vid` another name; `None` when there is none. The card's own is not among the names.
    pub(super) fn rename(&mut self, vid: u16, name: Name) -> Option<()> {
        let device = self.devices.get_mut(self.all.get(vid))?;
        self.names.remove(&device.own_name());
        self.names.insert(name.clone(), vid);
        device.set_name(name);
        Some(())
    }

    /// Changes every device, in a way that has nothing to do with who is served where.
    pub(super) fn for_each(&mut self, change: impl FnMut(&mut VlanDevice)) {
        let card = core::iter::once(&mut self.card);
        card.chain(&mut self.devices).for_each(change);
    }

    /// Sets the addresses of the device of VLAN `vid`, if there is one.
    pub(super) fn set_addresses(
        &mut self,
        vid: u16,
        addresses: heapless::Vec<Ipv4Cidr, ADDRESSES_PER_DEVICE>,
    ) {
        if let Some(device) = self.device_mut(vid) {
            device.set_addresses(addresses);
        }
    }

    /// Makes the table of those served in real time say what the filter list and the devices are, eight VLANs in a
    /// few steps.
    fn update(&mut self) {
        const LANES: usize = 8;
        let mut served = self.able.clone();
        served.keep(&self.filter);
        let is_up = self.card.is_up();
        let octets = served.words().map(u64::to_le_bytes);
        let octets = octets.as_flattened().iter();
        let realtime = self.realtime.0.as_chunks_mut::<LANES>().0.iter_mut();
        let all = self.all.0.as_chunks::<LANES>().0.iter();
        for ((realtime, all), &octet) in realtime.zip(all).zip(octets) {
            let served = if is_up { u16::from(octet) } else { 0 };
            for (lane, (entry, own)) in realtime.iter_mut().zip(all).enumerate() {
                let is_not = served & 1 << lane == 0;
                *entry = own | u16::from(is_not).wrapping_neg();
            }
        }
    }

    /// Makes the tables say what the device at `index` is.
    fn enter(&mut self, index: usize) {
        let Some(device) = self.devices.get(index) else {
            return;
        };
        let vid = device.vid();
        self.all.set(vid, index);
        let is_able = device.is_up() && device.has_oob_port();
        self.able.set(vid, is_able);
        if is_able && self.card.is_up() && self.filter.contains(vid) {
            self.realtime.set(vid, index);
        } else {
            self.realtime.clear(vid);
        }
    }

    /// The filter list.
    pub(crate) const fn filter(&self) -> &VlanSet {
        &self.filter
    }

    /// The card's own device.
    pub(super) const fn card_device(&self) -> &VlanDevice {
        &self.card
    }

    /// The VLAN devices, in the order in which they were added.
    pub(super) fn devices(&self) -> Devices<'_> {
        Devices {
            order: &self.order,
            devices: &self.devices,
        }
    }

    /// The VLANs that have a device.
    pub(super) const fn present(&self) -> &VlanSet {
        &self.present
    }

    /// The VLAN device called `name`.
    pub(super) fn named(&self, name: &str) -> Option<&VlanDevice> {
        self.device(*self.names.get(name)?)
    }

    /// The device of VLAN `vid`, in whichever plane; 0 is the card's own. Costs the same however many
    /// there are.
    pub(crate) fn device(&self, vid: u16) -> Option<&VlanDevice> {
        match vid {
            0 => Some(&self.card),
            vid => self.devices.get(self.all.get(vid)),
        }
    }

    /// The device of VLAN `vid`, to be changed.
    pub(crate) fn device_mut(&mut self, vid: u16) -> Option<&mut VlanDevice> {
        match vid {
            0 => Some(&mut self.card),
            vid => self.devices.get_mut(self.all.get(vid)),
        }
    }

    /// The device that serves frames of VLAN `vid` in real time: one that is up, has its out-of-band port
    /// enabled, and is in the filter list.
    #[inline]
    pub(crate) fn realtime(&mut self, vid: u16) -> Option<&mut VlanDevice> {
        self.devices.get_mut(self.realtime.get(vid))
    }

    /// Whether something may leave from `source` in VLAN `vid`: its device passes frames, and uses that address.
    pub(crate) fn sends_from(&self, vid: u16, source: Ipv4Addr) -> bool {
        self.is_up(vid) && self.device(vid).is_some_and(|device| device.owns(source))
    }

    /// Whether the device of VLAN `vid` passes frames; 0 is the card's own.
    pub(crate) fn is_up(&self, vid: u16) -> bool {
        self.card.is_up() && self.device(vid).is_some_and(VlanDevice::is_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use proptest::prelude::*;

    /// The name of the device of a VLAN, and the one that it gets when it is renamed.
    fn name(vid: u16, renamed: bool) -> Name {
        let mut name = Name::new();
        write!(name, "{}{vid}", if renamed { "vlan" } else { "eth0." }).expect("fits");
        name
    }

    #[test]
    fn there_is_room_for_all_devices_once_there_are_more_than_a_few_and_no_more() {
        let card = VlanDevice::new(0, name(0, false));
        let mut vlans = Vlans::new(card);
        let octets = |vlans: &Vlans| {
            vlans.devices.capacity() * size_of::<VlanDevice>()
                + vlans.order.capacity() * size_of::<u16>()
        };
        for vid in 1..=4094 {
            vlans.push(VlanDevice::new(vid, name(vid, false)));
            if usize::from(vid) > FEW {
                assert_eq!(octets(&vlans), OCTETS_FOR_ALL);
            }
        }
    }

    /// Makes tables say what they are to say one by one.
    fn check(vlans: &mut Vlans, order: &[(u16, bool)]) {
        let listed: Vec<_> = vlans.devices().iter().map(VlanDevice::vid).collect();
        let expected: Vec<_> = order.iter().map(|&(vid, _)| vid).collect();
        assert_eq!(listed, expected);
        assert_eq!(vlans.devices().len(), order.len());
        assert_eq!(vlans.devices().get(order.len()).map(VlanDevice::vid), None);
        assert_eq!(vlans.present().len(), order.len());
        for vid in (1..12).chain([63, 64, 4094]) {
            let own = order.iter().find(|&&(own, _)| own == vid);
            let device = vlans.device(vid);
            assert_eq!(device.map(VlanDevice::vid), own.map(|_| vid));
            let is_realtime = device.is_some_and(|device| {
                vlans.card_device().is_up()
                    && device.is_up()
                    && device.has_oob_port()
                    && vlans.filter().contains(vid)
            });
            for renamed in [false, true] {
                let is_called = own == Some(&(vid, renamed));
                let named = vlans.named(&name(vid, renamed)).map(VlanDevice::vid);
                assert_eq!(named, is_called.then_some(vid));
            }
            assert_eq!(vlans.present().contains(vid), own.is_some());
            let realtime = vlans.realtime(vid).map(|device| device.vid());
            assert_eq!(realtime, is_realtime.then_some(vid));
        }
    }

    proptest! {
        #[test]
        fn the_tables_say_what_the_devices_are_whatever_was_changed(
            steps in prop::collection::vec((0_u8..8, 0_usize..9, any::<bool>()), 0..60),
        ) {
            const VIDS: [u16; 9] = [0, 1, 2, 7, 8, 9, 63, 64, 4094];
            let mut vlans = Vlans::new(VlanDevice::of_card("eth0"));
            let mut order = Vec::new();
            for (step, vid, on) in steps {
                let vid = VIDS[vid];
                match step {
                    0 | 1 if vid > 0 && vlans.device(vid).is_none() => {
                        vlans.push(VlanDevice::new(vid, name(vid, false)));
                        order.push((vid, false));
                    }
                    2 if vid > 0 => {
                        vlans.remove(vid);
                        order.retain(|&(own, _)| own != vid);
                    }
                    3 => {
                        vlans.change(vid, |device| device.set_up(on));
                    }
                    4 if vid > 0 => {
                        vlans.change(vid, |device| device.set_oob_port(on));
                    }
                    5 if vid > 0 => {
                        let is_there = vlans.rename(vid, name(vid, on)).is_some();
                        let own = order.iter_mut().find(|own| own.0 == vid);
                        assert_eq!(own.is_some(), is_there);
                        if let Some(own) = own {
                            own.1 = on;
                        }
                    }
                    6 => {
                        let mut filter = vlans.filter().clone();
                        filter.insert(vid);
                        vlans.set_filter(filter);
                    }
                    _ => vlans.set_filter(if on { VlanSet::full() } else { VlanSet::new() }),
                }
                check(&mut vlans, &order);
            }
        }
    }

    #[test]
    fn a_device_is_removed_from_among_thousands_and_the_others_are_found() {
        let mut vlans = Vlans::new(VlanDevice::of_card("eth0"));
        let mut order = Vec::new();
        for vid in 1..=4094 {
            vlans.push(VlanDevice::new(vid, name(vid, false)));
            vlans.change(vid, |device| device.set_oob_port(true));
            order.push((vid, false));
        }
        vlans.set_filter(VlanSet::full());
        for vid in [1, 4094, 2000, 7, 64] {
            vlans.remove(vid);
            vlans.remove(vid);
            order.retain(|&(own, _)| own != vid);
            check(&mut vlans, &order);
        }
    }
}
