//! QEMU's monitor: what can be done to a virtual machine from outside.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::PATIENCE;

/// The longest that a command may take.
const LIMIT: Duration = PATIENCE;

/// The monitor of one virtual machine, on a socket of its own. Dropping it removes the socket.
pub struct Monitor(PathBuf);

impl Monitor {
    /// The monitor of the machine that has the UDP port `port`, which is nobody else's.
    pub(crate) fn new(port: u16) -> Self {
        let name = format!("pollux-tests-{}-{port}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// The arguments which make QEMU listen to it.
    pub(crate) fn arguments(&self) -> [String; 2] {
        let socket = format!("unix:{},server=on,wait=off", self.0.display());
        ["-monitor".to_owned(), socket]
    }

    /// Has a command carried out, and returns what it prints.
    ///
    /// # Panics
    ///
    /// The machine has no monitor, or the command is wrong.
    pub fn command(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(&self.0).expect("the monitor listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a socket can have a limit");
        writeln!(stream, "{command}").expect("the monitor takes input");
        // One prompt before the command, one after it.
        let mut printed = String::new();
        while printed.matches("(qemu) ").count() < 2 {
            let mut chunk = [0; 512];
            let length = stream.read(&mut chunk).expect("the monitor replies");
            assert!(length > 0, "the monitor is gone after {printed}");
            printed += &String::from_utf8_lossy(&chunk[..length]);
        }
        assert!(!printed.contains("Error"), "{printed}");
        printed
    }

    /// The threads of QEMU's process that are the machine's processors.
    ///
    /// # Panics
    ///
    /// As [`Monitor::command`].
    pub fn processors(&self) -> Vec<u32> {
        const BEFORE: &str = "thread_id=";
        let printed = self.command("info cpus");
        let numbers = printed.split(BEFORE).skip(1);
        let digits = numbers.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        digits.filter_map(|digits| digits.parse().ok()).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Most machines have none.
        let _ = std::fs::remove_file(&self.0);
    }
}
