//! The appliance's stack behind one function: a frame in its buffer goes in, and what becomes of it
//! comes out. The one place of this crate that knows the interface of `pollux-net`.

use std::net::Ipv4Addr;

use pollux_net::device::{BUFFER_SIZE, Received, Receiver, TransportChecksum, Verdict};
use pollux_net::interface::{Interface, Ipv4Cidr};
use pollux_net::neighbor;
use pollux_net::services::echo::{self, Echo};
use pollux_net::time::{Instant, TickRate};
use pollux_net::wire::ethernet::MacAddress;

use crate::frames::{APPLIANCE, APPLIANCE_MAC, VLAN, arp_request};

/// A buffer into which a network card writes a frame, where a driver has it: at the start of a cache line, with another
/// line between it and the next.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Buffer {
    /// What the card writes into.
    pub octets: [u8; BUFFER_SIZE],
    _between: [u8; HEADROOM],
}

/// What the drivers have it to be.
const HEADROOM: usize = 64;

/// One that nothing was written into.
pub const EMPTY: Buffer = Buffer {
    octets: [0; BUFFER_SIZE],
    _between: [0; HEADROOM],
};

/// When all frames are seen.
const SEEN: Instant = Instant::from_ticks(1_000_000);

/// A network card's stack, configured as the appliance configures it.
pub struct Stack(Box<Interface>);

impl Stack {
    /// One that serves `vlans`, with the same address in each, and UDP echo.
    pub fn new(vlans: impl Iterator<Item = u16>) -> Self {
        Self::with_neighbors(vlans, neighbor::DEFAULT_CAPACITY)
    }

    /// The same, with room for so many neighbors.
    fn with_neighbors(vlans: impl Iterator<Item = u16>, capacity: usize) -> Self {
        let rate = TickRate::from_hertz(1_000_000_000);
        let mac = MacAddress(APPLIANCE_MAC);
        let mut interface = Box::new(Interface::with_neighbors("eth0", mac, 2, rate, capacity));
        // Wide, so that all the neighbors that there can be are on it.
        let cidr = Ipv4Cidr::new(APPLIANCE, 8).expect("eight bits are a prefix");
        for vid in vlans {
            interface
                .add_realtime_vlan(&format!("eth0.{vid}"), vid, cidr)
                .expect("the VLAN is free");
        }
        interface
            .services_mut()
            .register(None, echo::PORT, Box::new(Echo::new()))
            .expect("the port is free");
        Self(interface)
    }

    /// One that serves the usual VLAN alone.
    pub fn usual() -> Self {
        Self::new([VLAN].into_iter())
    }

    /// The usual one, in a table with room for as many neighbors as it knows. One has the usual table for itself.
    ///
    /// # Panics
    ///
    /// They are not as many as they were to be.
    pub fn with_full_table(neighbors: usize) -> Self {
        let capacity = neighbors.max(neighbor::DEFAULT_CAPACITY);
        let mut stack = Self::with_neighbors([VLAN].into_iter(), capacity);
        // Three times as many as there is room for leave no place empty.
        stack.hear_of(if neighbors == 1 { 1 } else { 3 * neighbors });
        assert_eq!(stack.neighbors().len(), neighbors);
        stack
    }

    /// Has it hear of the first `count` strangers.
    fn hear_of(&mut self, count: usize) {
        let mut buffer = EMPTY;
        for number in 0..count {
            let address = stranger(number);
            let frame = arp_request(address, mac_of(address));
            buffer.octets[..frame.len()].copy_from_slice(&frame);
            self.receive_batch([(&mut buffer, frame.len())].into_iter());
        }
    }

    /// The neighbors that are known.
    pub fn neighbors(&self) -> Vec<Ipv4Addr> {
        let neighbors = self.0.neighbors().iter();
        neighbors.map(|neighbor| neighbor.address).collect()
    }

    /// Takes frames that were seen at once through the stack; returns how many were answered.
    #[inline]
    pub fn receive_batch<'a>(
        &mut self,
        frames: impl Iterator<Item = (&'a mut Buffer, usize)>,
    ) -> usize {
        let mut reception = self.0.reception(SEEN, 1_000);
        let mut answered = 0;
        for (buffer, length) in frames {
            let buffer = &mut buffer.octets;
            let verdict = reception.receive_usual(buffer, length).unwrap_or_else(|| {
                reception.receive(Received {
                    buffer,
                    length,
                    damage: None,
                    checksum: TransportChecksum::Unverified,
                    can_answer: true,
                    can_defer: true,
                })
            });
            answered += usize::from(matches!(verdict, Verdict::Answer { .. }));
        }
        answered
    }

    /// Whether the address of a neighbor is known.
    #[inline]
    pub fn knows(&self, address: Ipv4Addr) -> bool {
        self.0.neighbors().find(VLAN, address).is_some()
    }
}

/// An address that is neither the appliance's nor that of the one who asks it.
fn stranger(number: usize) -> Ipv4Addr {
    let [_, high, middle, low] = (number as u32 + 0x0010_0001).to_be_bytes();
    Ipv4Addr::new(10, high, middle, low)
}

/// The Ethernet address of a stranger.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x00, a, b, c, d]
}
