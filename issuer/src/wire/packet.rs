//! A network interface of this Linux host, spoken to through an `AF_PACKET` socket.
//!
//! Linux takes the 802.1Q tag out of every frame before a packet socket sees it and reports it
//! beside the frame (packet(7), `PACKET_AUXDATA`). Here it is put back where it was.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::setsockopt_impl;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use super::{Error, Wire};
use crate::frame::MacAddress;

/// `PACKET_OUTGOING`: the frame is one that this host sent (packet(7)).
const PACKET_OUTGOING: u8 = 4;
/// The address octets of a frame, which the tag follows.
const ADDRESSES_LEN: usize = 12;
/// TPID and TCI.
const TAG_LEN: usize = 4;

setsockopt_impl!(
    PacketAuxdata,
    libc::SOL_PACKET,
    libc::PACKET_AUXDATA,
    bool,
    nix::sys::socket::sockopt::SetBool
);
#[derive(Clone, Copy, Debug)]
struct PacketAuxdata;

/// A raw socket on one interface.
#[derive(Debug)]
pub struct Interface {
    socket: OwnedFd,
    name: String,
    mac_address: Option<MacAddress>,
}

impl Interface {
    /// Opens the interface called `name` for every protocol.
    ///
    /// # Errors
    ///
    /// The interface is missing or down, or the process lacks `CAP_NET_RAW`.
    pub fn open(name: &str) -> Result<Self, Error> {
        let system = |errno: Errno| match errno {
            Errno::EPERM | Errno::EACCES => Error::NoPermission(name.to_owned()),
            _ => Error::System {
                wire: format!("tap:{name}"),
                error: errno.into(),
            },
        };
        let address = find(name)?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .map_err(system)?;
        setsockopt(&socket, PacketAuxdata, &true).map_err(system)?;
        // As large as the kernel permits; a smaller buffer is no reason to fail.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &(4 << 20));
        bind(socket.as_raw_fd(), &address).map_err(system)?;
        let mut wire = Self {
            socket,
            name: name.to_owned(),
            mac_address: address.addr().filter(|mac| *mac != [0; 6]),
        };
        // Until it was bound, the socket heard every interface.
        let mut buffer = vec![0; super::BUFFER_LEN];
        while wire.try_receive(&mut buffer)?.is_some() {}
        Ok(wire)
    }

    fn error(&self, errno: Errno) -> Error {
        match errno {
            Errno::ENETDOWN => Error::InterfaceDown(self.name.clone()),
            _ => Error::System {
                wire: format!("tap:{}", self.name),
                error: errno.into(),
            },
        }
    }
}

impl Wire for Interface {
    fn send(&mut self, frame: &[u8]) -> Result<(), Error> {
        match send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) {
            // A full queue loses the frame, as a wire does.
            Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
            Err(errno) => Err(self.error(errno)),
        }
    }

    fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        loop {
            // The first octets are kept free, so that a tag can be put back without moving more
            // than the addresses.
            let Some((_, room)) = buffer.split_at_mut_checked(TAG_LEN) else {
                return Ok(None);
            };
            let mut parts = [IoSliceMut::new(room)];
            let mut control = cmsg_space!([u8; Auxdata::LEN]);
            let message = match recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            ) {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
                Err(errno) => return Err(self.error(errno)),
            };
            if message
                .address
                .is_some_and(|from| from.pkttype() == PACKET_OUTGOING)
            {
                continue;
            }
            let length = message.bytes;
            let tag = message
                .cmsgs()
                .ok()
                .and_then(|mut messages| messages.find_map(|message| Auxdata::of(&message)))
                .and_then(|auxdata| auxdata.tag());
            return Ok(Some(restore(buffer, length, tag)));
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), Error> {
        wait_readable(self.socket.as_fd(), limit).map_err(|error| Error::System {
            wire: format!("tap:{}", self.name),
            error,
        })
    }

    fn mac_address(&self) -> Option<MacAddress> {
        self.mac_address
    }
}

/// Moves a frame that was received at offset [`TAG_LEN`] to the start of the buffer, with its tag
/// between addresses and type, and returns its length.
fn restore(buffer: &mut [u8], length: usize, tag: Option<[u8; TAG_LEN]>) -> usize {
    match tag {
        Some(tag) if length >= ADDRESSES_LEN => {
            buffer.copy_within(TAG_LEN..TAG_LEN + ADDRESSES_LEN, 0);
            buffer[ADDRESSES_LEN..ADDRESSES_LEN + TAG_LEN].copy_from_slice(&tag);
            length + TAG_LEN
        }
        _ => {
            buffer.copy_within(TAG_LEN..TAG_LEN + length, 0);
            length
        }
    }
}

/// `struct tpacket_auxdata` of `linux/if_packet.h`: five words, the last two halves of which are
/// the tag's TCI and TPID.
struct Auxdata([u8; Self::LEN]);

impl Auxdata {
    const LEN: usize = 20;
    const STATUS_VLAN_VALID: u32 = 1 << 4;
    const STATUS_VLAN_TPID_VALID: u32 = 1 << 6;

    fn of(message: &ControlMessageOwned) -> Option<Self> {
        let ControlMessageOwned::Unknown(message) = message else {
            return None;
        };
        let header = &message.cmsg_header;
        if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            return None;
        }
        message.data_bytes.first_chunk().copied().map(Self)
    }

    fn tag(&self) -> Option<[u8; TAG_LEN]> {
        let Self([s0, s1, s2, s3, .., tci0, tci1, tpid0, tpid1]) = *self;
        let status = u32::from_ne_bytes([s0, s1, s2, s3]);
        if status & Self::STATUS_VLAN_VALID == 0 {
            return None;
        }
        let [tci0, tci1] = u16::from_ne_bytes([tci0, tci1]).to_be_bytes();
        let tpid = if status & Self::STATUS_VLAN_TPID_VALID == 0 {
            0x8100
        } else {
            u16::from_ne_bytes([tpid0, tpid1])
        };
        let [tpid0, tpid1] = tpid.to_be_bytes();
        Some([tpid0, tpid1, tci0, tci1])
    }
}

/// The link-layer address of an interface that is up.
fn find(name: &str) -> Result<LinkAddr, Error> {
    let interfaces = getifaddrs().map_err(|errno| Error::System {
        wire: format!("tap:{name}"),
        error: errno.into(),
    })?;
    let mut present = Vec::new();
    for interface in interfaces {
        let Some(link) = interface
            .address
            .as_ref()
            .and_then(|any| any.as_link_addr())
        else {
            continue;
        };
        if interface.interface_name == name {
            if !interface.flags.contains(InterfaceFlags::IFF_UP) {
                return Err(Error::InterfaceDown(name.to_owned()));
            }
            return Ok(*link);
        }
        present.push(interface.interface_name);
    }
    Err(Error::NoInterface {
        name: name.to_owned(),
        present: present.join(", "),
    })
}

/// Sleeps until `socket` can be read or has an error to report, or until `limit` has passed.
pub(super) fn wait_readable(socket: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
    let mut sockets = [PollFd::new(socket, PollFlags::POLLIN)];
    match ppoll(&mut sockets, Some(TimeSpec::from_duration(limit)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auxdata(status: u32, tci: u16, tpid: u16) -> Auxdata {
        let mut bytes = [0; Auxdata::LEN];
        bytes[..4].copy_from_slice(&status.to_ne_bytes());
        bytes[16..18].copy_from_slice(&tci.to_ne_bytes());
        bytes[18..].copy_from_slice(&tpid.to_ne_bytes());
        Auxdata(bytes)
    }

    #[test]
    fn a_tag_that_linux_took_out_is_put_back() {
        let mut buffer = *b"....DDDDDDSSSSSStypayload";
        let tag = auxdata(0x51, 0xb02a, 0x8100).tag();
        assert_eq!(tag, Some([0x81, 0x00, 0xb0, 0x2a]));
        let length = restore(&mut buffer, 21, tag);
        assert_eq!(&buffer[..length], b"DDDDDDSSSSSS\x81\x00\xb0\x2atypayload");
    }

    #[test]
    fn a_service_tag_keeps_its_own_type() {
        let tag = auxdata(0x51, 0x0064, 0x88a8).tag();
        assert_eq!(tag, Some([0x88, 0xa8, 0x00, 0x64]));
    }

    #[test]
    fn a_frame_without_a_tag_gets_none() {
        let mut buffer = *b"....DDDDDDSSSSSStypayload";
        let tag = auxdata(0x01, 0xb02a, 0x8100).tag();
        assert_eq!(tag, None);
        let length = restore(&mut buffer, 21, tag);
        assert_eq!(&buffer[..length], b"DDDDDDSSSSSStypayload");
    }

    #[test]
    fn a_missing_interface_is_named_together_with_those_that_exist() {
        let error = Interface::open("nosuch0").unwrap_err().to_string();
        assert!(error.contains("`nosuch0`"), "{error}");
        assert!(error.contains("lo"), "{error}");
    }
}
