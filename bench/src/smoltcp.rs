//! smoltcp, configured to do the same: ICMP echo and UDP echo, untagged since it knows no VLANs, all
//! checksums verified and computed.

use std::collections::VecDeque;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address, Ipv4Cidr};

use crate::frames::{APPLIANCE, APPLIANCE_MAC, ECHO_PORT, PEER, PEER_MAC, arp_request, untagged};

/// The longest frame, without a tag.
const LONGEST: usize = 1514;

/// A network card that is memory: frames to be received in one place, one for what is sent.
pub struct Card {
    waiting: VecDeque<Vec<u8>>,
    emptied: Vec<Vec<u8>>,
    sent: usize,
    transmit: Vec<u8>,
}

/// A received frame. Its buffer goes back to the card unused.
pub struct RxToken<'card> {
    frame: Vec<u8>,
    emptied: &'card mut Vec<Vec<u8>>,
}

/// The place for what is sent.
pub struct TxToken<'card> {
    buffer: &'card mut [u8],
    sent: &'card mut usize,
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        let result = work(&self.frame);
        self.emptied.push(self.frame);
        result
    }
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        *self.sent += 1;
        work(&mut self.buffer[..length])
    }
}

impl Device for Card {
    type RxToken<'card> = RxToken<'card>;
    type TxToken<'card> = TxToken<'card>;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let frame = self.waiting.pop_front()?;
        let (emptied, sent) = (&mut self.emptied, &mut self.sent);
        let buffer = &mut self.transmit[..];
        Some((RxToken { frame, emptied }, TxToken { buffer, sent }))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_>> {
        Some(TxToken {
            buffer: &mut self.transmit,
            sent: &mut self.sent,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST;
        capabilities
    }
}

/// An interface with a card and a socket.
pub struct Peer {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    echo: SocketHandle,
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}

impl Peer {
    /// One that has heard of who will ask.
    pub fn new() -> Self {
        let mut card = Card {
            waiting: VecDeque::new(),
            emptied: Vec::new(),
            sent: 0,
            transmit: vec![0; LONGEST],
        };
        let address = HardwareAddress::Ethernet(EthernetAddress(APPLIANCE_MAC));
        let mut interface = Interface::new(Config::new(address), &mut card, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let cidr = Ipv4Cidr::new(Ipv4Address::from(APPLIANCE.octets()), 24);
            addresses.push(IpCidr::Ipv4(cidr)).expect("there is room");
        });
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 2], vec![0; 2 * LONGEST]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(ECHO_PORT).expect("the port is free");
        let mut sockets = SocketSet::new(Vec::new());
        let echo = sockets.add(socket);
        let mut peer = Self {
            card,
            interface,
            sockets,
            echo,
        };
        peer.put(&untagged(&arp_request(PEER, PEER_MAC)));
        assert_eq!(peer.work(), 1, "smoltcp answers ARP");
        peer
    }

    /// Puts a frame into the card, to be received.
    pub fn put(&mut self, frame: &[u8]) {
        let mut buffer = self.card.emptied.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        self.card.waiting.push_back(buffer);
    }

    /// Receives all frames that wait; returns how many answers were sent.
    pub fn work(&mut self) -> usize {
        let before = self.card.sent;
        loop {
            let polled = self.interface.poll_ingress_single(
                Instant::ZERO,
                &mut self.card,
                &mut self.sockets,
            );
            match polled {
                PollIngressSingleResult::None => return self.card.sent - before,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => self.echo_one(),
            }
        }
    }

    fn echo_one(&mut self) {
        let socket = self.sockets.get_mut::<udp::Socket>(self.echo);
        let mut data = [0; LONGEST];
        let Ok((length, from)) = socket.recv_slice(&mut data) else {
            return;
        };
        socket
            .send_slice(&data[..length], from.endpoint)
            .expect("there is room for one");
        self.interface
            .poll_egress(Instant::ZERO, &mut self.card, &mut self.sockets);
    }
}
