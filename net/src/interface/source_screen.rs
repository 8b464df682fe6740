//! Which datagrams claim to come from an address that no other host can have.
//!
//! The receive path asks this about the source of every datagram. The answer is nearly always no, and
//! is then had with one load; which addresses it depends on was worked out when they were configured.

use super::ipv4_cidr::Ipv4Cidr;
use super::vlan_device::VlanDevice;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The addresses of all VLAN devices of a network card, and a quick look that spares most sources
/// the comparison with them.
pub(crate) struct SourceScreen {
    /// Whether an own address, or a broadcast address of an own network, ends in this octet.
    suspects: [bool; 256],
    /// In rising order.
    own: Vec<Ipv4Addr>,
}

impl SourceScreen {
    /// No address.
    pub(super) const fn new() -> Self {
        Self {
            suspects: [false; 256],
            own: Vec::new(),
        }
    }

    /// Notes an address that a VLAN device got. Allocates.
    pub(super) fn add(&mut self, cidr: Ipv4Cidr) {
        let address = cidr.address();
        if let Err(place) = self.own.binary_search(&address) {
            self.own.insert(place, address);
        }
        let broadcasts = cidr.directed_broadcasts().into_iter().flatten();
        for [.., last] in broadcasts.chain([address]).map(|address| address.octets()) {
            if let Some(suspect) = self.suspects.get_mut(usize::from(last)) {
                *suspect = true;
            }
        }
    }

    /// Whether a datagram from `source` cannot have come to `device`: the source is an address of
    /// ours, in whatever VLAN, or a broadcast address of the device's networks.
    #[inline]
    pub(crate) fn rejects(&self, source: Ipv4Addr, device: &VlanDevice) -> bool {
        let [.., last] = source.octets();
        let is_suspect = self.suspects.get(usize::from(last));
        is_suspect.is_none_or(|&suspect| suspect) && self.rejects_suspect(source, device)
    }

    #[cold]
    #[inline(never)]
    fn rejects_suspect(&self, source: Ipv4Addr, device: &VlanDevice) -> bool {
        self.own.binary_search(&source).is_ok() || device.is_directed_broadcast(source)
    }
}
