//! An IPv4 address together with its network.

use core::fmt;
use core::net::Ipv4Addr;

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
        match u32::MAX.checked_shr(self.prefix_length as u32) {
            Some(mask) => mask,
            None => 0,
        }
    }

    /// Whether `address` is in this network.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & !self.host_mask() == 0
    }

    /// The broadcast addresses of this network: its host part all zeros, as old hosts had it, and all
    /// ones (RFC 1122 §3.3.6). Prefixes of 31 and 32 bits have none (RFC 3021).
    pub const fn directed_broadcasts(self) -> Option<[Ipv4Addr; 2]> {
        if self.prefix_length > 30 {
            return None;
        }
        let address = self.address.to_bits();
        let first = Ipv4Addr::from_bits(address & !self.host_mask());
        let last = Ipv4Addr::from_bits(address | self.host_mask());
        Some([first, last])
    }

    /// Whether `address` is a broadcast address of this network.
    pub fn is_directed_broadcast(self, address: Ipv4Addr) -> bool {
        self.directed_broadcasts()
            .is_some_and(|broadcasts| broadcasts.contains(&address))
    }
}

impl fmt::Display for Ipv4Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Ipv4Cidr {
        let (address, prefix) = text.split_once('/').expect("a slash");
        let address = address.parse().expect("an address");
        Ipv4Cidr::new(address, prefix.parse().expect("a length")).expect("in range")
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
}
