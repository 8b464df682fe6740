//! A process in QEMU's place, which turns every request around as soon as it is there: what the
//! sockets and the one who asks can do at best. Nothing is checked and nothing is counted.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use etherparse::ArpOperation;
use pollux_issuer::arp::Station;
use pollux_issuer::frame::{Received, Tag};

use crate::frames::{APPLIANCE, APPLIANCE_MAC, ETHERNET, VLAN};

/// How long a frame is polled for before the process sleeps for one.
const SPIN: Duration = Duration::from_millis(5);

/// Answers on the UDP port `near` what comes from the port `far`, for good.
///
/// # Errors
///
/// The socket failed.
pub fn run(near: u16, far: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, near))?;
    socket.connect((Ipv4Addr::LOCALHOST, far))?;
    socket.set_nonblocking(true)?;
    let mut buffer = [0; 2048];
    let mut last = Instant::now();
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                last = Instant::now();
                answer(&socket, &mut buffer[..length])?;
            }
            // Nobody is there yet, or not any more.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Err(_) if last.elapsed() < SPIN => std::thread::yield_now(),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn answer(socket: &UdpSocket, frame: &mut [u8]) -> io::Result<()> {
    const PROTOCOL: usize = ETHERNET + 9;
    let station = Station {
        mac_address: APPLIANCE_MAC,
        address: APPLIANCE,
        tag: Some(Tag::new(VLAN)),
    };
    let arp = Received::parse(frame).filter(|received| {
        let packet = received.arp();
        packet.is_some_and(|packet| packet.operation == ArpOperation::REQUEST)
    });
    if let Some(reply) = arp.and_then(|request| station.answer(&request)) {
        return send(socket, &reply);
    }
    if frame.len() < ETHERNET + 28 {
        return Ok(());
    }
    swap(frame, 0, 6, 6);
    swap(frame, ETHERNET + 12, ETHERNET + 16, 4);
    match frame[PROTOCOL] {
        1 => {
            // The type goes from 8 to 0, so that the checksum rises by as much.
            frame[ETHERNET + 20] = 0;
            let at = ETHERNET + 22;
            let sum = u16::from_be_bytes([frame[at], frame[at + 1]]);
            let (sum, carry) = sum.overflowing_add(0x0800);
            let sum = sum + u16::from(carry);
            frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        17 => swap(frame, ETHERNET + 20, ETHERNET + 22, 2),
        _ => return Ok(()),
    }
    send(socket, frame)
}

fn send(socket: &UdpSocket, frame: &[u8]) -> io::Result<()> {
    match socket.send(frame) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        sent => sent.map(|_| ()),
    }
}

/// Exchanges `length` octets at `one` with those at `other`.
fn swap(frame: &mut [u8], one: usize, other: usize, length: usize) {
    let (head, tail) = frame.split_at_mut(other);
    head[one..one + length].swap_with_slice(&mut tail[..length]);
}
