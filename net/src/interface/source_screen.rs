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
    /// How many of these addresses end in each octet.
    ends: [u32; 256],
    /// In rising order; one that several devices have is there several times.
    own: Vec<Ipv4Addr>,
}

impl SourceScreen {
    /// No address.
    pub(super) fn new() -> Self {
        let is_for_hosts = |first| ipv4::is_host_address(Ipv4Addr::new(first as u8, 0, 0, 0));
        Self {
            not_for_hosts: array::from_fn(|first| !is_for_hosts(first)),
            suspects: [false; 256],
            ends: [0; 256],
            own: Vec::new(),
        }
    }

    /// Covers one more address of a VLAN device. Allocates.
    pub(super) fn cover(&mut self, cidr: Ipv4Cidr) {
        let address = cidr.address();
        let place = self.own.partition_point(|&own| own < address);
        self.own.insert(place, address);
        self.count_ends(cidr, |count| count.saturating_add(1));
    }

    /// No longer covers an address, which it did.
    pub(super) fn uncover(&mut self, cidr: Ipv4Cidr) {
        if let Ok(place) = self.own.binary_search(&cidr.address()) {
            self.own.remove(place);
            self.count_ends(cidr, |count| count.saturating_sub(1));
        }
    }

    fn count_ends(&mut self, cidr: Ipv4Cidr, counted: fn(u32) -> u32) {
        let broadcasts = cidr.directed_broadcasts().into_iter().flatten();
        for [.., last] in broadcasts.chain([cidr.address()]).map(|own| own.octets()) {
            let last = usize::from(last);
            if let (Some(count), Some(suspect)) =
                (self.ends.get_mut(last), self.suspects.get_mut(last))
            {
                *count = counted(*count);
                *suspect = *count > 0;
            }
        }
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn what_is_no_longer_covered_leaves_no_trace(
            steps in prop::collection::vec((0_u8..6, 0_u8..4, 23_u8..=32, any::<bool>()), 0..40),
        ) {
            let mut screen = SourceScreen::new();
            let mut covered: Vec<Ipv4Cidr> = Vec::new();
            for (host, network, length, add) in steps {
                let address = Ipv4Addr::new(10, 10, network, host * 51);
                let cidr = Ipv4Cidr::new(address, length).expect("in range");
                match covered.iter().position(|&own| own == cidr) {
                    Some(place) if !add => {
                        covered.remove(place);
                        screen.uncover(cidr);
                    }
                    _ if add => {
                        covered.push(cidr);
                        screen.cover(cidr);
                    }
                    _ => {}
                }
                let mut own: Vec<_> = covered.iter().map(|cidr| cidr.address()).collect();
                own.sort_unstable();
                prop_assert_eq!(&screen.own, &own);
                for last in 0..=255 {
                    let ends = |cidr: &Ipv4Cidr| {
                        let broadcasts = cidr.directed_broadcasts().into_iter().flatten();
                        let mut all = broadcasts.chain([cidr.address()]);
                        all.any(|own| own.octets()[3] == last)
                    };
                    let is_suspect = covered.iter().any(ends);
                    prop_assert_eq!(screen.suspects[usize::from(last)], is_suspect);
                }
            }
        }
    }
}
