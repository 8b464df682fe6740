//! QEMU's `-netdev dgram` over loopback UDP: one datagram is one Ethernet frame.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use super::packet::wait_readable;
use super::{Error, Wire};
use crate::frame::MacAddress;

/// The issuer's side of a `dgram` link to QEMU.
#[derive(Debug)]
pub struct Dgram {
    socket: UdpSocket,
    guest_port: u16,
    refused: bool,
}

impl Dgram {
    /// Opens the link whose guest side is UDP port `guest_port` and whose near side is the next.
    ///
    /// # Errors
    ///
    /// [`Error::PortTaken`] if somebody holds the near port.
    pub fn open(guest_port: u16) -> Result<Self, Error> {
        let system = |error| Error::System {
            wire: format!("dgram:{guest_port}"),
            error,
        };
        let near_port = guest_port
            .checked_add(1)
            .ok_or_else(|| Error::Unknown(format!("dgram:{guest_port}")))?;
        let socket =
            UdpSocket::bind((Ipv4Addr::LOCALHOST, near_port)).map_err(|error| {
                match error.kind() {
                    ErrorKind::AddrInUse => Error::PortTaken(near_port),
                    _ => system(error),
                }
            })?;
        // Connected, so that nobody but the guest's side is heard.
        socket
            .connect((Ipv4Addr::LOCALHOST, guest_port))
            .and_then(|()| socket.set_nonblocking(true))
            .map_err(system)?;
        // A whole window may be on its way at once. The kernel caps this as it is configured to;
        // a smaller buffer is no reason to fail.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &(4 << 20));
        Ok(Self {
            socket,
            guest_port,
            refused: false,
        })
    }

    fn error(&self, error: io::Error) -> Error {
        Error::System {
            wire: format!("dgram:{}", self.guest_port),
            error,
        }
    }
}

impl Wire for Dgram {
    fn send(&mut self, frame: &[u8]) -> Result<(), Error> {
        // A refusal reported here belongs to an earlier frame, and takes the place of this one.
        for _ in 0..2 {
            match self.socket.send(frame) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.refused = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(())
    }

    fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        match self.socket.recv(buffer) {
            Ok(length) => {
                self.refused = false;
                Ok(Some(length))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.refused = true;
                Ok(None)
            }
            Err(error) => Err(self.error(error)),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), Error> {
        wait_readable(self.socket.as_fd(), limit).map_err(|error| self.error(error))
    }

    fn mac_address(&self) -> Option<MacAddress> {
        None
    }

    fn dropped(&self) -> u64 {
        dropped([self.guest_port, self.guest_port + 1])
    }

    fn absence(&self) -> Option<String> {
        self.refused.then(|| {
            let port = self.guest_port;
            format!("nothing listens on UDP port {port} of 127.0.0.1: is an appliance running with --net dgram:{port}?")
        })
    }
}

/// Datagrams that the sockets at these UDP ports had no room for (proc_net(5): the last column).
fn dropped(ports: [u16; 2]) -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let drops = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit(':').next()?, 16).ok()?;
        let drops: u64 = words.last()?.parse().ok()?;
        ports.contains(&port).then_some(drops)
    };
    sockets.lines().skip(1).filter_map(drops).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::wire::receive_until;

    /// The guest's side, with the port after it known to be free a moment ago.
    fn guest() -> (UdpSocket, u16) {
        loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = socket.local_addr().unwrap().port();
            if port < 65_535 && UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)).is_ok() {
                return (socket, port);
            }
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn frames_go_both_ways() {
        let (guest, port) = guest();
        let mut wire = Dgram::open(port).unwrap();
        wire.send(b"to the guest").unwrap();
        let mut buffer = [0; 64];
        let (length, from) = guest.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"to the guest");
        assert_eq!(from.port(), port + 1);
        guest.send_to(b"to the issuer", from).unwrap();
        let frame = receive_until(&mut wire, soon()).unwrap().unwrap();
        assert_eq!(frame, b"to the issuer");
    }

    #[test]
    fn a_taken_port_is_named() {
        let (_guest, port) = guest();
        let _first = Dgram::open(port).unwrap();
        let error = Dgram::open(port).unwrap_err().to_string();
        assert!(
            error.contains(&format!("UDP port {} ", port + 1)),
            "{error}"
        );
    }

    #[test]
    fn an_absent_guest_is_noticed_and_is_no_error() {
        let (guest, port) = guest();
        let mut wire = Dgram::open(port).unwrap();
        drop(guest);
        for _ in 0..3 {
            wire.send(b"anybody?").unwrap();
            let deadline = Instant::now() + Duration::from_millis(20);
            assert!(receive_until(&mut wire, deadline).unwrap().is_none());
        }
        assert!(wire.absence().unwrap().contains(&port.to_string()));
    }

    #[test]
    fn what_a_socket_had_no_room_for_is_counted() {
        let (_guest, port) = guest();
        let mut wire = Dgram::open(port).unwrap();
        let before = wire.dropped();
        for _ in 0..100_000 {
            wire.send(&[0; 1024]).unwrap();
        }
        assert!(wire.dropped() > before);
    }
}
