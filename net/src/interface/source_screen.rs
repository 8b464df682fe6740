//! Which datagrams claim to come from an address that no other host can have.
//!
//! The receive path asks this about the source of every datagram. The answer is nearly always no, and
//! is then had with two loads; what it depends on was worked out when addresses were configured.

use super::ipv4_cidr::Ipv4Cidr;
use super::vlan_device::VlanDevice;
use crate::wire::ipv4;
use alloc::vec::Vec;
use core::array;
use core::net::Ipv4Addr;

/// The addresses of all VLAN devices of a network card, and two tables that spare most sources the
/// comparison with them.
pub(crate) struct SourceScreen {
    /// Whether addresses that begin with this octet are not for hosts.
    not_for_hosts: [bool; 256],
    /// Whether an own address, or a broadcast address of an own network, ends in this octet.
    suspects: [bool; 256],
    /// In rising order.
    own: Vec<Ipv4Addr>,
}

impl SourceScreen {
    /// No address.
    pub(super) fn new() -> Self {
        let is_for_hosts = |first| ipv4::is_host_address(Ipv4Addr::new(first as u8, 0, 0, 0));
        Self {
            not_for_hosts: array::from_fn(|first| !is_for_hosts(first)),
            suspects: [false; 256],
            own: Vec::new(),
        }
    }

    /// Covers all addresses that the VLAN devices have now. Allocates.
    pub(super) fn cover(&mut self, addresses: impl Iterator<Item = Ipv4Cidr>) {
        self.suspects = [false; 256];
        self.own.clear();
        for cidr in addresses {
            let address = cidr.address();
            self.own.push(address);
            let broadcasts = cidr.directed_broadcasts().into_iter().flatten();
            for [.., last] in broadcasts.chain([address]).map(|address| address.octets()) {
                if let Some(suspect) = self.suspects.get_mut(usize::from(last)) {
                    *suspect = true;
                }
            }
        }
        self.own.sort_unstable();
        self.own.dedup();
    }

    /// Whether no other host can have sent a datagram from `source` to `device` (RFC 1122 §3.2.1.3,
    /// RFC 1812 §5.3.7): because the source is not an address for hosts, is ours in whatever VLAN, or
    /// is a broadcast address of the device's networks.
    #[inline]
    pub(crate) fn rejects(&self, source: Ipv4Addr, device: &VlanDevice) -> bool {
        let [first, .., last] = source.octets();
        holds(&self.not_for_hosts, first)
            || (holds(&self.suspects, last) && self.rejects_suspect(source, device))
    }

    #[cold]
    #[inline(never)]
    fn rejects_suspect(&self, source: Ipv4Addr, device: &VlanDevice) -> bool {
        self.own.binary_search(&source).is_ok() || device.is_directed_broadcast(source)
    }
}

/// What a table says of an octet.
#[inline]
fn holds(table: &[bool; 256], octet: u8) -> bool {
    table.get(usize::from(octet)).is_none_or(|&says| says)
}
