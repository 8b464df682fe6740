//! Carriers of raw Ethernet frames, without their check sequence.
//!
//! A [`Wire`] sends a frame at once and receives without waiting; whoever wants to wait asks for
//! it with a limit. The two kinds that reach an appliance are opened by [`Address::open`].

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::frame::MacAddress;

mod dgram;
mod packet;

pub use dgram::Dgram;
pub use packet::Interface;

/// Octets that hold any frame a wire can deliver.
pub const BUFFER_LEN: usize = 65_536;

/// Something that carries Ethernet frames.
pub trait Wire {
    /// Hands one frame to the wire. A frame that nobody receives is not an error.
    ///
    /// # Errors
    ///
    /// The operating system refused the frame.
    fn send(&mut self, frame: &[u8]) -> Result<(), Error>;

    /// Takes the next frame that has arrived, if there is one, and returns its length.
    ///
    /// # Errors
    ///
    /// The wire is gone.
    fn try_receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error>;

    /// Sleeps until a frame may have arrived or `limit` has passed. May return early.
    ///
    /// # Errors
    ///
    /// The wire is gone.
    fn wait(&mut self, limit: Duration) -> Result<(), Error>;

    /// The address of the interface itself, when the wire has one.
    fn mac_address(&self) -> Option<MacAddress> {
        None
    }

    /// How many frames there was no room for on this host so far, between the far end's program and this one.
    fn dropped(&self) -> u64 {
        0
    }

    /// Whether the far end is known to be absent at the moment, with the reason.
    fn absence(&self) -> Option<String> {
        None
    }
}

/// Receives one frame into a buffer of its own, waiting for it until `deadline`.
///
/// # Errors
///
/// As [`Wire::try_receive`].
pub fn receive_until(wire: &mut dyn Wire, deadline: Instant) -> Result<Option<Vec<u8>>, Error> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        if let Some(length) = wire.try_receive(&mut buffer)? {
            buffer.truncate(length);
            return Ok(Some(buffer));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        wire.wait(left)?;
    }
}

/// Where a wire leads, as it is written on the command line: `dgram:PORT` or `tap:IFNAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// QEMU's `-netdev dgram` on the loopback interface: the guest's side is this UDP port, ours
    /// the next one.
    Dgram(u16),
    /// A network interface of this host.
    Interface(String),
}

impl Address {
    /// Opens the wire.
    ///
    /// # Errors
    ///
    /// The port is taken, the interface is missing, or permission is lacking: see [`Error`].
    pub fn open(&self) -> Result<Box<dyn Wire>, Error> {
        Ok(match self {
            Self::Dgram(port) => Box::new(Dgram::open(*port)?),
            Self::Interface(name) => Box::new(Interface::open(name)?),
        })
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown(text.to_owned());
        match text.split_once(':') {
            Some(("dgram", port)) => match port.parse() {
                Ok(port @ 1..=65_534) => Ok(Self::Dgram(port)),
                _ => Err(unknown()),
            },
            Some(("tap", name)) if !name.is_empty() => Ok(Self::Interface(name.to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dgram(port) => write!(f, "dgram:{port}"),
            Self::Interface(name) => write!(f, "tap:{name}"),
        }
    }
}

/// What can be wrong with a wire, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address was not understood.
    #[error("unknown network `{0}`: use dgram:PORT (1 to 65534) or tap:INTERFACE")]
    Unknown(String),
    /// Our UDP port is in use.
    #[error(
        "UDP port {0} on 127.0.0.1 is taken: another issuer holds it, or an appliance; \
         end that one or use another port for both sides"
    )]
    PortTaken(u16),
    /// The interface does not exist.
    #[error("no network interface `{name}`: this host has {present}")]
    NoInterface {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        present: String,
    },
    /// The interface exists but is down.
    #[error("network interface `{0}` is down: `ip link set {0} up` brings it up")]
    InterfaceDown(String),
    /// Raw frames need a capability that this process has not.
    #[error(
        "no permission for raw frames on `{0}`: run as root or with CAP_NET_RAW \
         (or use dgram:PORT, which needs neither)"
    )]
    NoPermission(String),
    /// Anything else the operating system said.
    #[error("{wire}: {error}")]
    System {
        /// Which wire.
        wire: String,
        /// The operating system's words.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in ["dgram:4200", "tap:tap0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_address_that_makes_no_sense_is_named_in_the_error() {
        for text in [
            "",
            "4200",
            "dgram:",
            "dgram:0",
            "dgram:65535",
            "tap:",
            "udp:1",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
            assert!(error.contains("dgram:PORT"), "{error}");
        }
    }
}
