//! Changing a device's registers behind the appliance's back, as a fault of the hardware would.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::PATIENCE;

/// The longest that a change may take.
const LIMIT: Duration = PATIENCE;

/// The way to the devices of one virtual machine, on a socket of its own. Dropping it removes the
/// socket.
pub struct Pokes(PathBuf);

impl Pokes {
    /// The way to those of the machine that has the UDP port `port`, which is nobody else's.
    pub(crate) fn new(port: u16) -> Self {
        let name = format!("pollux-tests-{}-{port}.qtest", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// The arguments which make QEMU listen to it.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let socket = format!("unix:{},server=on,wait=off", self.0.display());
        ["-qtest", &socket, "-qtest-log", "/dev/null"].map(str::to_owned)
    }

    /// Writes `value` to the physical `address`, in the way that `kind` says: `writeb`, `writew` or
    /// `writel`; to an I/O port by `outb`, `outw` or `outl`.
    ///
    /// # Panics
    ///
    /// The machine was not started with this.
    pub fn write(&self, kind: &str, address: u64, value: u32) {
        self.ask(&format!("{kind} {address:#x} {value:#x}"));
    }

    /// Reads from the physical `address`, in the way that `kind` says: `readb`, `readw` or `readl`.
    ///
    /// # Panics
    ///
    /// The machine was not started with this.
    pub fn read(&self, kind: &str, address: u64) -> u32 {
        let answer = self.ask(&format!("{kind} {address:#x}"));
        let digits = answer.trim_end().strip_prefix("OK 0x");
        let value = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        value.unwrap_or_else(|| panic!("{kind} at {address:#x}: {answer}")) as u32
    }

    fn ask(&self, question: &str) -> String {
        let mut stream = UnixStream::connect(&self.0).expect("qtest listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a socket can have a limit");
        writeln!(stream, "{question}").expect("qtest takes input");
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).expect("qtest answers");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("OK"), "{question}: {answer}");
        answer
    }
}

impl Drop for Pokes {
    fn drop(&mut self) {
        // Most machines have none.
        let _ = std::fs::remove_file(&self.0);
    }
}
