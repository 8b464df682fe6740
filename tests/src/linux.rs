//! A real Linux machine: Debian's kernel with a VLAN device made by its own `ip`, and other people's
//! programs. `tests/linux/make-guest.sh` makes it. The tests have it in the peer's place, with the
//! programs with which everybody tests a network.
//!
//! Two virtual machines are on one wire, and nobody else; what the tests see is what the Linux
//! machine's programs say, and the appliance's console.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::PATIENCE;
use crate::appliance::{Appliance, Boot, START_LIMIT, free_ports, root};
use crate::console::{Console, Mark};
use crate::monitor::Monitor;
use crate::peer::{APPLIANCE, PEER, PEER_MAC, VLAN};
use crate::suite::Shared;

/// The longest that making the Linux machine may take, downloads included.
const MAKE_LIMIT: Duration = Duration::from_secs(600);
/// The longest that a command may take which only changes something.
const CHANGE_LIMIT: Duration = PATIENCE;
/// By how much a reply may be late after its command was ended.
const SLACK: Duration = PATIENCE;
/// The name that the machine's network card gets.
pub const CARD: &str = "eno2";

/// The machines of `make-guest.sh`.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Tests,
    Bench,
}

/// The options of one Linux machine.
#[derive(Clone, Debug)]
pub struct Machine {
    kind: Kind,
    card: String,
    qemu: Vec<String>,
    initramfs: Option<PathBuf>,
}

impl Machine {
    /// That of the tests, in the peer's place, with QEMU's `model` of a network card.
    pub fn instead_of_peer(model: &str) -> Self {
        let mac: Vec<_> = PEER_MAC
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        Self {
            kind: Kind::Tests,
            card: format!("{model},netdev=n0,romfile=,mac={}", mac.join(":")),
            qemu: ["-accel", "tcg", "-m", "256M"].map(str::to_owned).into(),
            initramfs: None,
        }
    }

    /// That of the measurements, in the appliance's place, with its Ethernet address, and with these
    /// arguments of QEMU's for the processor and the memory.
    pub fn instead_of_appliance(model: &str, qemu: &[&str]) -> Self {
        Self {
            kind: Kind::Bench,
            card: format!("{model},netdev=n0,romfile="),
            qemu: qemu.iter().map(ToString::to_string).collect(),
            initramfs: None,
        }
    }

    /// One with other files than `make-guest.sh` gave it.
    pub fn with_initramfs(mut self, initramfs: PathBuf) -> Self {
        self.initramfs = Some(initramfs);
        self
    }

    /// The folder of the files that it boots from, made when they are not there.
    ///
    /// # Errors
    ///
    /// What `make-guest.sh` said.
    pub fn files(&self) -> Result<PathBuf, String> {
        let (name, folder) = match self.kind {
            Kind::Tests => ("tests", "linux-guest"),
            Kind::Bench => ("bench", "bench-guest"),
        };
        let output = Command::new("timeout")
            .arg(MAKE_LIMIT.as_secs().to_string())
            .arg(root().join("tests/linux/make-guest.sh"))
            .arg(name)
            .stdin(Stdio::null())
            .output()
            .expect("timeout (coreutils) starts make-guest.sh");
        if output.status.success() {
            Ok(root().join("cache").join(folder))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Starts one and waits for nothing. Its network card is on the wire between the UDP ports `near`
    /// and `far` of this machine.
    ///
    /// # Panics
    ///
    /// There is nothing to boot from.
    pub fn spawn(&self, near: u16, far: u16) -> Linux {
        let files = self
            .files()
            .unwrap_or_else(|reason| panic!("there is no Linux machine: {reason}"));
        let wire = format!(
            "dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port={near},\
             remote.type=inet,remote.host=127.0.0.1,remote.port={far}"
        );
        let monitor = Monitor::new(near);
        let mut command = Command::new("setpriv");
        // QEMU must not outlive this program, however that ends.
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        command.args([
            "-machine",
            "pc",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command.args(&self.qemu);
        command.arg("-kernel").arg(files.join("vmlinux"));
        command.arg("-initrd");
        command.arg(self.initramfs.clone().unwrap_or(files.join("initramfs")));
        command.args(["-append", "console=ttyS0 quiet panic=-1"]);
        command.args(["-netdev", &wire, "-device", &self.card]);
        command.args(["-serial", "file:/dev/stderr", "-serial", "stdio"]);
        command.args(monitor.arguments());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv (util-linux) starts QEMU");
        let line = Console::new(
            process.stdin.take().expect("standard input is a pipe"),
            process.stdout.take().expect("standard output is a pipe"),
        );
        let start = line.mark();
        Linux {
            process,
            line,
            start,
            monitor,
            requests: 0,
        }
    }
}

/// A running Linux machine. Dropping it ends it.
pub struct Linux {
    process: Child,
    /// The serial line on which it takes commands.
    line: Console,
    start: Mark,
    monitor: Monitor,
    requests: u64,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 137 when it was ended at its limit.
    pub status: i32,
    /// What it printed, standard error included.
    pub printed: String,
}

impl Linux {
    /// Waits until it takes commands.
    ///
    /// # Panics
    ///
    /// That took longer than [`START_LIMIT`]; the message holds everything it printed.
    pub fn wait_until_ready(&mut self) {
        self.line.wait_for(self.start, "[ready]\n", START_LIMIT);
    }

    /// The number of QEMU's process.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// QEMU's monitor of it.
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Has its shell carry out `command`, which is ended when it takes longer than `limit`.
    ///
    /// # Panics
    ///
    /// No reply came in time.
    pub fn run(&mut self, command: &str, limit: Duration) -> Output {
        assert!(!command.contains('\n'), "one line only: {command}");
        self.requests += 1;
        let (number, mark) = (self.requests, self.line.mark());
        let request = format!("{number} {} {command}\n", limit.as_secs().max(1));
        self.line.type_bytes(request.as_bytes());
        let end = format!(" of request {number}]\n");
        let reply = self.line.wait_for(mark, &end, limit + SLACK);
        let parts = reply.trim_end_matches(&end).rsplit_once("\n[exit status ");
        let (printed, status) = parts.expect("a reply ends with its exit status");
        Output {
            status: status.parse().expect("an exit status is a number"),
            printed: printed.to_owned(),
        }
    }

    /// Carries out `command` and returns what it printed.
    ///
    /// # Panics
    ///
    /// It failed, or took longer than `limit`.
    pub fn succeed(&mut self, command: &str, limit: Duration) -> String {
        let output = self.run(command, limit);
        assert_eq!(output.status, 0, "{command}\n{}", output.printed);
        output.printed
    }

    /// Carries out commands which only change something.
    ///
    /// # Panics
    ///
    /// One of them failed, or printed anything.
    pub fn change(&mut self, commands: &[&str]) {
        for command in commands {
            let printed = self.succeed(command, CHANGE_LIMIT);
            assert_eq!(printed, "", "{command}");
        }
    }

    /// Makes a VLAN device on the card and gives it an address, such as `10.10.10.10/24`.
    pub fn add_vlan_device(&mut self, vlan: u16, address: &str) {
        let device = format!("{CARD}.{vlan}");
        self.change(&[
            &format!("ip link add link {CARD} name {device} type vlan id {vlan}"),
            &format!("ip addr add {address} dev {device}"),
            &format!("ip link set {device} up"),
        ]);
    }

    /// Removes the VLAN device of `vlan`.
    pub fn remove_vlan_device(&mut self, vlan: u16) {
        self.change(&[&format!("ip link del {CARD}.{vlan}")]);
    }

    /// Pings until the appliance answers: a card may be deaf for a while after its VLAN filter was
    /// changed, an e1000 in QEMU for a second.
    pub fn wait_for_appliance(&mut self) {
        self.succeed(&format!("ping -c 1 -w 15 {APPLIANCE}"), CHANGE_LIMIT);
    }

    /// Echo replies that its kernel has received so far, valid ones only.
    pub fn echo_replies(&mut self) -> u64 {
        let printed = self.succeed("grep ^Icmp: /proc/net/snmp", CHANGE_LIMIT);
        let mut rows = printed.lines().map(str::split_whitespace);
        let (names, values) = (rows.next(), rows.next());
        let found = names.zip(values).and_then(|(names, mut values)| {
            let column = names.into_iter().position(|name| name == "InEchoReps")?;
            values.nth(column)?.parse().ok()
        });
        found.unwrap_or_else(|| panic!("no InEchoReps in\n{printed}"))
    }

    fn end(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it and returns everything it printed, for the message of a failed test.
    fn transcript(&mut self) -> String {
        self.end();
        let mut complaints = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            let _ = stderr.read_to_string(&mut complaints);
        }
        let replies = self.line.log();
        format!(
            "---- Linux: replies ----\n{replies}\n---- Linux: kernel, QEMU ----\n{complaints}----"
        )
    }
}

impl Drop for Linux {
    fn drop(&mut self) {
        self.end();
    }
}

/// An appliance and a Linux machine on one wire. Dropping it ends both.
pub struct Pair {
    /// The appliance. Its `peer` is on no wire: Linux has its place.
    pub appliance: Appliance,
    /// The Linux machine.
    pub linux: Linux,
}

impl Pair {
    /// Starts both, the Linux machine with QEMU's `model` of a network card as [`CARD`] and a VLAN
    /// device on the appliance's network, and waits until the one has answered the other.
    ///
    /// # Panics
    ///
    /// That took longer than [`START_LIMIT`]; the message holds everything they printed.
    pub fn start(model: &str) -> Self {
        let (port, wire) = free_ports();
        drop(wire);
        let boot = Boot::new().with(&["--net", &format!("dgram:{port}")]);
        let mut pair = Self {
            appliance: boot.spawn(),
            linux: Machine::instead_of_peer(model).spawn(port + 1, port),
        };
        pair.appliance.console.wait_for_prompt(START_LIMIT);
        pair.linux.wait_until_ready();
        pair.linux.change(&[
            &format!("ip link set eth0 name {CARD}"),
            &format!("ip link set {CARD} up"),
        ]);
        pair.linux.add_vlan_device(VLAN, &format!("{PEER}/24"));
        pair.linux.wait_for_appliance();
        pair
    }
}

impl Shared for Pair {
    fn is_running(&self) -> bool {
        self.appliance.is_running() && self.linux.line.is_open()
    }

    fn transcript(&mut self) -> String {
        format!(
            "{}\n{}",
            self.linux.transcript(),
            self.appliance.transcript()
        )
    }
}
