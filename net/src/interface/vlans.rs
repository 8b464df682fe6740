//! The VLANs of a network card: which the filter lets through, and which have a device.

use super::vlan_device::VlanDevice;
use crate::vlan::{VID_COUNT, VlanSet};
use alloc::vec::Vec;

/// What stands in the look-up table for a VLAN that is not served.
const NOT_SERVED: u16 = u16::MAX;

/// The filter list and the VLAN devices of a network card. What both of them say about the VLAN of a
/// frame is one load from a table, however many there are.
pub(crate) struct Vlans {
    filter: VlanSet,
    devices: Vec<VlanDevice>,
    /// For each VLAN identifier in the filter list the index of its device, or [`NOT_SERVED`].
    served: [u16; VID_COUNT],
}

impl Vlans {
    /// No devices, and an empty filter list.
    pub(super) const fn new() -> Self {
        Self {
            filter: VlanSet::new(),
            devices: Vec::new(),
            served: [NOT_SERVED; VID_COUNT],
        }
    }

    /// Adds a device whose VLAN identifier no other has. Allocates.
    pub(super) fn push(&mut self, device: VlanDevice) {
        self.devices.push(device);
        self.update();
    }

    /// Replaces the filter list.
    pub(super) fn set_filter(&mut self, filter: VlanSet) {
        self.filter = filter;
        self.update();
    }

    fn update(&mut self) {
        self.served = [NOT_SERVED; VID_COUNT];
        for (index, device) in self.devices.iter().enumerate() {
            let entry = self.served.get_mut(usize::from(device.vid()));
            if let Some(entry) = entry.filter(|_| self.filter.contains(device.vid())) {
                *entry = index as u16;
            }
        }
    }

    /// The filter list.
    pub(crate) const fn filter(&self) -> &VlanSet {
        &self.filter
    }

    /// The devices, in the order in which they were added.
    pub(super) fn devices(&self) -> &[VlanDevice] {
        &self.devices
    }

    /// The device of VLAN `vid`, to be changed, whether the filter list has it or not.
    pub(super) fn device_mut(&mut self, vid: u16) -> Option<&mut VlanDevice> {
        self.devices.iter_mut().find(|device| device.vid() == vid)
    }

    /// The device that serves frames of VLAN `vid`, of which only the lower twelve bits count. None if
    /// the filter list does not have it, or no device does.
    #[inline]
    pub(crate) fn serving(&mut self, vid: u16) -> Option<&mut VlanDevice> {
        let index = *self.served.get(usize::from(vid) % VID_COUNT)?;
        self.devices.get_mut(usize::from(index))
    }
}
