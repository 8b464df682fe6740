//! The line to the appliance: a socket, or a serial device.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use nix::sys::termios::{self, BaudRate, ControlFlags, SetArg};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Why there is no line. Prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Nobody listens.
    #[error("no appliance has its console at {0}; start one with: ./run.sh boot --serial socket")]
    Nobody(String),
    /// Others have it, and one who came later would wait for as long as they stay.
    #[error("another console is attached to {0}, and more wait for it; Ctrl-] leaves one")]
    Busy(String),
    /// There is no such device.
    #[error("there is no serial device {0}; 'ls /dev/ttyUSB* /dev/ttyS*' shows which there are")]
    NoDevice(String),
    /// It is neither.
    #[error("{0} is neither a Unix socket nor a serial device")]
    Neither(String),
    /// It cannot be opened.
    #[error("{0}: {1}")]
    Open(String, io::Error),
}

/// An open line.
#[derive(Debug)]
pub struct Line(OwnedFd);

/// Connects without waiting for a place among those who wait: QEMU serves one at a time, and a few more can wait.
fn connect(path: &Path) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(socket)
}

impl Line {
    /// Opens it; a serial device at 115200 baud 8N1, without flow control.
    pub fn open(path: &Path) -> Result<Self, LineError> {
        let name = path.display().to_string();
        let kind = match path.metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(match path.starts_with("/dev") {
                    true => LineError::NoDevice(name),
                    false => LineError::Nobody(name),
                });
            }
            Err(error) => return Err(LineError::Open(name, error)),
        };
        if kind.is_socket() {
            return match connect(path).map_err(io::Error::from) {
                Ok(socket) => Ok(Self(socket)),
                Err(error) => Err(match error.kind() {
                    ErrorKind::ConnectionRefused => LineError::Nobody(name),
                    ErrorKind::WouldBlock => LineError::Busy(name),
                    _ => LineError::Open(name, error),
                }),
            };
        }
        if !kind.is_char_device() {
            return Err(LineError::Neither(name));
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(path);
        let device = opened.map_err(|error| LineError::Open(name.clone(), error))?;
        let Ok(mut settings) = termios::tcgetattr(&device) else {
            return Err(LineError::Neither(name));
        };
        termios::cfmakeraw(&mut settings);
        settings.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
        settings
            .control_flags
            .remove(ControlFlags::CRTSCTS | ControlFlags::CSTOPB);
        let set = termios::cfsetspeed(&mut settings, BaudRate::B115200)
            .and_then(|()| termios::tcsetattr(&device, SetArg::TCSANOW, &settings));
        set.map_err(|error| LineError::Open(name, error.into()))?;
        Ok(Self(device.into()))
    }

    /// Sends all of it.
    pub fn send(&self, octets: &[u8]) -> io::Result<()> {
        self.file()?.write_all(octets)
    }

    /// What came in; nothing when the appliance has ended.
    pub fn receive(&self, room: &mut [u8]) -> io::Result<usize> {
        match self.file()?.read(room) {
            // A serial device whose other end is gone.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => Ok(0),
            other => other,
        }
    }

    /// Waits until something came in, for so many milliseconds at most. Returns whether it did.
    pub fn wait(&self, milliseconds: u16) -> io::Result<bool> {
        let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut waiting, PollTimeout::from(milliseconds))? > 0)
    }

    /// Waits until something came in here or in `other`. Returns in which of them.
    pub fn wait_with(&self, other: impl AsFd) -> io::Result<(bool, bool)> {
        let mut waiting = [
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(other.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut waiting, PollTimeout::NONE)?;
        let [here, there] = waiting.map(|waited| waited.any().unwrap_or(false));
        Ok((here, there))
    }

    fn file(&self) -> io::Result<std::fs::File> {
        Ok(self.0.try_clone()?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::Backlog;

    #[test]
    fn who_would_have_to_wait_for_a_place_is_told() {
        let path = std::env::temp_dir().join(format!("pollux-attach-{}", std::process::id()));
        let listener = socket::socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        socket::bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        socket::listen(&listener, Backlog::new(1).unwrap()).unwrap();
        // Nobody takes any of them.
        let mut waiting = Vec::new();
        let error = loop {
            match Line::open(&path) {
                Ok(line) => waiting.push(line),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10);
        };
        std::fs::remove_file(&path).unwrap();
        assert!(!waiting.is_empty());
        let name = path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "another console is attached to {name}, and more wait for it; Ctrl-] leaves one"
            )
        );
    }
}
