//! The UDP echo server of the Linux machine that the appliance is measured beside: what a careful
//! programmer would write there. It takes up to 64 datagrams with one system call and returns them
//! with another.
//!
//! Built without shared libraries, so that it runs in any Linux machine.

#![forbid(unsafe_code)]

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

/// The port of RFC 862.
const PORT: u16 = 7;
/// Datagrams taken at once.
const BATCH: usize = 64;
/// Octets of the longest datagram in one frame.
const LONGEST: usize = 1472;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    let descriptor = socket.as_raw_fd();
    let mut buffers = vec![[0; LONGEST]; BATCH];
    let mut incoming = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut outgoing = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    loop {
        let taken: Vec<_> = {
            let slices = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]);
            let mut slices: Vec<_> = slices.collect();
            let flags = MsgFlags::MSG_WAITFORONE;
            match recvmmsg(descriptor, &mut incoming, slices.iter_mut(), flags, None) {
                Ok(taken) => taken
                    .map(|message| (message.bytes, message.address))
                    .collect(),
                Err(Errno::EINTR | Errno::ECONNREFUSED) => continue,
                Err(error) => return Err(error.into()),
            }
        };
        let data: Vec<_> = taken
            .iter()
            .zip(&buffers)
            .map(|((length, _), buffer)| [IoSlice::new(&buffer[..*length])])
            .collect();
        let addresses: Vec<_> = taken.iter().map(|(_, address)| *address).collect();
        let flags = MsgFlags::empty();
        // What the queue has no room for is lost, as on a wire.
        let _ = sendmmsg(descriptor, &mut outgoing, &data, addresses, [], flags);
    }
}
