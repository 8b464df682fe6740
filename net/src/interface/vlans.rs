//! The devices of a network card, and in which plane the frames of a VLAN are served.

use super::Ipv4Cidr;
use super::vlan_device::{ADDRESSES_PER_DEVICE, VlanDevice};
use crate::vlan::{VID_COUNT, VlanSet};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

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

/// The filter list and the devices of a network card. What all of them say about the VLAN of a frame is
/// one load from a table, however many there are.
pub(crate) struct Vlans {
    filter: VlanSet,
    /// The card's own, for frames that name no VLAN.
    card: VlanDevice,
    /// The VLANs', in the order in which they were added.
    devices: Vec<VlanDevice>,
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
            card,
            devices: Vec::new(),
            realtime: Table::new(),
            all: Table::new(),
        }
    }

    /// Adds a device whose VLAN identifier no other has. Allocates.
    pub(super) fn push(&mut self, device: VlanDevice) {
        self.devices.push(device);
        self.enter(self.devices.len().wrapping_sub(1));
    }

    /// Removes the device of VLAN `vid`.
    pub(super) fn remove(&mut self, vid: u16) {
        self.devices.retain(|device| device.vid() != vid);
        self.realtime.clear(vid);
        self.all.clear(vid);
        // Those behind it moved up.
        self.update();
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

    /// Makes the tables say what the devices are. VLANs without a device have no entry as it is.
    fn update(&mut self) {
        (0..self.devices.len()).for_each(|index| self.enter(index));
    }

    /// Makes the tables say what the device at `index` is: of no others, so that a frame that comes meanwhile does
    /// not wait for all of them.
    fn enter(&mut self, index: usize) {
        let Some(device) = self.devices.get(index) else {
            return;
        };
        let vid = device.vid();
        self.all.set(vid, index);
        let is_up = self.card.is_up() && device.is_up();
        if is_up && device.has_oob_port() && self.filter.contains(vid) {
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
    pub(super) fn devices(&self) -> &[VlanDevice] {
        &self.devices
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
    use heapless::String;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tables_say_what_the_devices_are_whatever_was_changed(
            steps in prop::collection::vec((0_u8..6, 0_u16..6, any::<bool>()), 0..60),
        ) {
            let mut vlans = Vlans::new(VlanDevice::of_card("eth0"));
            for (step, vid, on) in steps {
                match step {
                    0 if vid > 0 && vlans.device(vid).is_none() => {
                        vlans.push(VlanDevice::new(vid, String::new()));
                    }
                    1 if vid > 0 => vlans.remove(vid),
                    2 => {
                        vlans.change(vid, |device| device.set_up(on));
                    }
                    3 if vid > 0 => {
                        vlans.change(vid, |device| device.set_oob_port(on));
                    }
                    _ => {
                        let mut filter = vlans.filter().clone();
                        filter.insert(vid);
                        vlans.set_filter(if on { filter } else { VlanSet::new() });
                    }
                }
                for vid in 1..8 {
                    let device = vlans.devices().iter().find(|device| device.vid() == vid);
                    let is_realtime = device.is_some_and(|device| {
                        vlans.card_device().is_up()
                            && device.is_up()
                            && device.has_oob_port()
                            && vlans.filter().contains(vid)
                    });
                    let is_there = device.is_some();
                    prop_assert_eq!(vlans.device(vid).map(VlanDevice::vid), is_there.then_some(vid));
                    let realtime = vlans.realtime(vid).map(|device| device.vid());
                    prop_assert_eq!(realtime, is_realtime.then_some(vid));
                }
            }
        }
    }
}
