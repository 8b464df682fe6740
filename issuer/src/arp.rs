//! Address resolution: asking for the peer's address, and answering for our own.
//!
//! Both are frames in and frames out over a [`Wire`]; there is no table, because the issuer talks
//! to one peer at a time.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use etherparse::{ArpEthIpv4Packet, ArpOperation};

use crate::frame::{self, Link, MacAddress, Received, Tag};
use crate::wire::{self, Wire};

/// Who the issuer is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its Ethernet address.
    pub mac_address: MacAddress,
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// The tag of every frame that it sends; `None` for untagged frames.
    pub tag: Option<Tag>,
}

impl Station {
    /// The link from this station to `destination`.
    pub fn link_to(&self, destination: MacAddress) -> Link {
        Link {
            source: self.mac_address,
            destination,
            tag: self.tag,
        }
    }

    /// Whether `link` is on the same VLAN as this station.
    pub fn shares_vlan(&self, link: &Link) -> bool {
        link.tag.map(|tag| tag.vid) == self.tag.map(|tag| tag.vid)
    }

    /// The answer to `received`, if it is an ARP request for this station's address on its VLAN.
    pub fn answer(&self, received: &Received<'_>) -> Option<Vec<u8>> {
        let request = received.arp()?;
        let for_us = request.operation == ArpOperation::REQUEST
            && request.target_ipv4 == self.address.octets()
            && self.shares_vlan(&received.link);
        for_us.then(|| {
            let reply = ArpEthIpv4Packet {
                operation: ArpOperation::REPLY,
                sender_mac: self.mac_address,
                sender_ipv4: self.address.octets(),
                target_mac: request.sender_mac,
                target_ipv4: request.sender_ipv4,
            };
            frame::arp(&self.link_to(request.sender_mac), reply)
        })
    }
}

/// Asks who has `target`, again every `interval`, until the answer comes.
///
/// Returns `None` when `deadline` passed or `stop` was set first. While it waits, `station` is
/// answered for.
///
/// # Errors
///
/// As [`Wire::send`] and [`Wire::try_receive`].
pub fn resolve(
    wire: &mut dyn Wire,
    station: &Station,
    target: Ipv4Addr,
    interval: Duration,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<Option<MacAddress>, wire::Error> {
    let request = frame::arp_request(station.mac_address, station.address, target, station.tag);
    loop {
        let now = Instant::now();
        if now >= deadline || stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        wire.send(&request)?;
        let patience = deadline.min(now + interval);
        while let Some(bytes) = wire::receive_until(wire, patience)? {
            let Some(received) = Received::parse(&bytes) else {
                continue;
            };
            if let Some(answer) = station.answer(&received) {
                wire.send(&answer)?;
            } else if let Some(mac_address) = resolved(station, target, &received) {
                return Ok(Some(mac_address));
            }
        }
    }
}

/// The address that `received` gives for `target`, if it is the reply to our request.
fn resolved(station: &Station, target: Ipv4Addr, received: &Received<'_>) -> Option<MacAddress> {
    let reply = received.arp()?;
    let ours = reply.operation == ArpOperation::REPLY
        && reply.sender_ipv4 == target.octets()
        && reply.target_ipv4 == station.address.octets()
        && reply.target_mac == station.mac_address
        && received.link.destination == station.mac_address
        && received.link.source == reply.sender_mac
        && station.shares_vlan(&received.link);
    ours.then_some(reply.sender_mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MacAddress = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

    fn station() -> Station {
        Station {
            mac_address: [0x02, 0, 0, 0, 0, 0x0a],
            address: Ipv4Addr::new(10, 10, 10, 10),
            tag: Some(Tag::new(42)),
        }
    }

    fn peer_address() -> Ipv4Addr {
        Ipv4Addr::new(10, 10, 10, 11)
    }

    #[test]
    fn a_request_for_our_address_is_answered_to_its_sender() {
        let station = station();
        let request = frame::arp_request(PEER, peer_address(), station.address, station.tag);
        let answer = station.answer(&Received::parse(&request).unwrap()).unwrap();
        #[rustfmt::skip]
        assert_eq!(answer[..46], [
            0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x02, 0, 0, 0, 0, 0x0a,
            0x81, 0x00, 0x00, 0x2a, 0x08, 0x06,
            0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02,
            0x02, 0, 0, 0, 0, 0x0a, 10, 10, 10, 10,
            0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 10, 10, 11,
        ]);
    }

    #[test]
    fn a_request_for_another_address_or_vlan_is_not_answered() {
        let station = station();
        let other = frame::arp_request(PEER, station.address, peer_address(), station.tag);
        assert!(station.answer(&Received::parse(&other).unwrap()).is_none());
        for tag in [None, Some(Tag::new(43))] {
            let request = frame::arp_request(PEER, peer_address(), station.address, tag);
            assert!(
                station
                    .answer(&Received::parse(&request).unwrap())
                    .is_none()
            );
        }
    }

    #[test]
    fn only_a_consistent_reply_resolves() {
        let station = station();
        let link = Link {
            source: PEER,
            destination: station.mac_address,
            tag: station.tag,
        };
        let good = ArpEthIpv4Packet {
            operation: ArpOperation::REPLY,
            sender_mac: PEER,
            sender_ipv4: peer_address().octets(),
            target_mac: station.mac_address,
            target_ipv4: station.address.octets(),
        };
        let resolve = |link: &Link, packet| {
            let bytes = frame::arp(link, packet);
            resolved(&station, peer_address(), &Received::parse(&bytes).unwrap())
        };
        assert_eq!(resolve(&link, good.clone()), Some(PEER));
        let mut request = good.clone();
        request.operation = ArpOperation::REQUEST;
        assert_eq!(resolve(&link, request), None);
        let mut forged = good.clone();
        forged.sender_mac[5] ^= 1;
        assert_eq!(resolve(&link, forged), None);
        let elsewhere = Link { tag: None, ..link };
        assert_eq!(resolve(&elsewhere, good), None);
    }
}
