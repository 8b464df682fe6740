//! One appliance: a QEMU process started by `./run.sh boot`, with its console and a peer on its
//! network.
//!
//! The process ends when its [`Appliance`] is dropped, which a panicking test does as well, and
//! when the test program itself is killed.

use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use pollux_issuer::wire::Dgram;

use crate::PATIENCE;
use crate::console::Console;
use crate::monitor::Monitor;
use crate::peer::Peer;
use crate::pokes::Pokes;
use crate::status::{Counters, Status};

/// The longest that an appliance may take to come up.
pub const START_LIMIT: Duration = PATIENCE;
/// The longest that building the appliance may take, when no kernel was given.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// The options of one boot.
#[derive(Clone, Debug)]
pub struct Boot {
    options: Vec<String>,
    words: Vec<String>,
    qemu: Vec<String>,
    has_kernel: bool,
    has_console: bool,
    has_network: bool,
    has_monitor: bool,
    has_pokes: bool,
}

impl Default for Boot {
    fn default() -> Self {
        Self::new()
    }
}

impl Boot {
    /// The defaults, with the means to end QEMU by an exit status. `POLLUX_NIC` names another card,
    /// `POLLUX_MACHINE` another machine.
    pub fn new() -> Self {
        let mut options = vec!["--test-exit".to_owned()];
        for (variable, option) in [("POLLUX_NIC", "--nic"), ("POLLUX_MACHINE", "--machine")] {
            if let Ok(value) = std::env::var(variable) {
                options.extend([option.to_owned(), value]);
            }
        }
        // Packed queues are used where that is asked for only.
        let is_packed = |option: &String| option.contains("packed=on");
        let words = match options.iter().any(is_packed) {
            true => vec!["pollux.virtio-queues=packed".to_owned()],
            false => Vec::new(),
        };
        Self {
            options,
            words,
            qemu: Vec::new(),
            has_kernel: true,
            has_console: true,
            has_network: true,
            has_monitor: false,
            has_pokes: false,
        }
    }

    /// A boot from something that brings the kernel and its command line with it, as these options of
    /// `./run.sh boot` say.
    pub fn from_medium(options: &[&str]) -> Self {
        let mut boot = Self::new();
        boot.options.clear();
        boot.has_kernel = false;
        boot.with(options)
    }

    /// A boot of another kernel than the appliance's.
    pub fn of_kernel(kernel: &str) -> Self {
        let mut boot = Self::new();
        boot.has_kernel = false;
        boot.with(&["--kernel", kernel])
    }

    /// Adds options of `./run.sh boot`.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    /// Adds a word to the kernel's command line.
    pub fn word(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Adds arguments of QEMU's own.
    pub fn qemu(mut self, arguments: &[&str]) -> Self {
        self.qemu.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A machine with QEMU's monitor, for [`Appliance::monitor`].
    pub fn with_monitor(mut self) -> Self {
        self.has_monitor = true;
        self
    }

    /// A machine with QEMU's monitor, and with a way to change its devices' registers, for
    /// [`Appliance::poke`].
    pub fn with_pokes(mut self) -> Self {
        self.has_pokes = true;
        self.with_monitor()
    }

    /// A boot that ends as it would without the test device: `poweroff` switches the machine off.
    pub fn without_test_exit(mut self) -> Self {
        self.options.retain(|option| option != "--test-exit");
        self
    }

    /// A machine without a serial port.
    pub fn without_console(mut self) -> Self {
        self.has_console = false;
        self.with(&["--serial", "none"])
    }

    /// A machine that is to say nothing on its serial port.
    pub fn without_serial_output(mut self) -> Self {
        self.has_console = false;
        self
    }

    /// A machine whose network card is `model`, which the appliance cannot drive.
    pub fn without_usable_card(mut self, model: &str) -> Self {
        self.has_network = false;
        self.with(&["--nic", model])
    }

    /// A machine whose wire is a tap interface of this one: its [`Appliance::peer`] is on none.
    pub fn on_tap(mut self, interface: &str) -> Self {
        self.has_network = false;
        self.with(&["--net", &format!("tap:{interface}")])
    }

    /// Starts it and waits until it answers ARP and shows its prompt, where it has these.
    ///
    /// # Panics
    ///
    /// It did not come up within [`START_LIMIT`]; the message holds all it printed.
    pub fn start(self) -> Appliance {
        let mut appliance = self.spawn();
        if self.has_network {
            let deadline = appliance.started + START_LIMIT;
            let found = appliance.find(deadline);
            assert!(
                found.is_some(),
                "it ended, or gave no ARP reply within {START_LIMIT:?}\n{}",
                appliance.transcript()
            );
            appliance.first_arp_reply = found.map(|at| at - appliance.started);
        }
        if self.has_console {
            appliance.console.wait_for_prompt(START_LIMIT);
        }
        appliance
    }

    /// Starts it and waits for nothing.
    pub fn spawn(&self) -> Appliance {
        let (port, wire) = free_ports();
        let mut command = Command::new("setpriv");
        // QEMU must not outlive this program, however that ends.
        command.args(["--pdeathsig", "KILL", "--"]).arg(run_sh());
        command.args(["boot", "--accel", "tcg"]);
        command.args(["--net", &format!("dgram:{port}")]);
        if self.has_kernel {
            command.arg("--kernel").arg(kernel());
        }
        command.args(&self.options);
        if !self.words.is_empty() {
            command.args(["--append", &self.words.join(" ")]);
        }
        command.arg("--").args(&self.qemu);
        let monitor = Monitor::new(port);
        if self.has_monitor {
            command.args(monitor.arguments());
        }
        let pokes = Pokes::new(port);
        if self.has_pokes {
            command.args(pokes.arguments());
        }
        let started = Instant::now();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv (util-linux) starts ./run.sh");
        let console = Console::new(
            process.stdin.take().expect("standard input is a pipe"),
            process.stdout.take().expect("standard output is a pipe"),
        );
        Appliance {
            process,
            console,
            peer: Peer::new(wire),
            monitor,
            pokes,
            started,
            first_arp_reply: None,
        }
    }
}

/// A running appliance. Dropping it ends it.
pub struct Appliance {
    process: Child,
    /// Its serial console.
    pub console: Console,
    /// A station on its network.
    pub peer: Peer,
    monitor: Monitor,
    pokes: Pokes,
    started: Instant,
    first_arp_reply: Option<Duration>,
}

impl Appliance {
    /// From the start of the process to the first ARP reply.
    ///
    /// # Panics
    ///
    /// The appliance was not waited for.
    pub fn first_arp_reply(&self) -> Duration {
        self.first_arp_reply.expect("the appliance was waited for")
    }

    /// Asks for its address until it answers, and returns when it did; `None` when `deadline` passed or it ended.
    pub fn find(&mut self, deadline: Instant) -> Option<Instant> {
        self.peer.find(deadline, self.console.is_over())
    }

    /// What `status` prints.
    pub fn status(&mut self) -> Status {
        Status::parse(&self.console.command("status"))
    }

    /// What `status` prints of one part, which is soon done however many VLANs there are.
    pub fn status_of(&mut self, part: &str) -> Status {
        Status::parse(&self.console.command(&format!("status {part}")))
    }

    /// The counters of its first port.
    pub fn counters(&mut self) -> Counters {
        self.status_of("counters").counters("eth0")
    }

    /// What its first port's driver has counted under this name.
    pub fn card_counter(&mut self, name: &str) -> u64 {
        let printed = self.console.command("ethtool -S eth0");
        let value = printed.split_once(&format!(" {name}: "));
        let digits = value.and_then(|(_, value)| value.lines().next());
        let count = digits.and_then(|digits| digits.parse().ok());
        count.unwrap_or_else(|| panic!("no {name} in {printed}"))
    }

    /// Has QEMU's monitor carry out a command, and returns what it prints.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_monitor`], or the command is wrong.
    pub fn monitor(&self, command: &str) -> String {
        self.monitor.command(command)
    }

    /// The threads of QEMU's process that are its processors.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_monitor`].
    pub fn processors(&self) -> Vec<u32> {
        self.monitor.processors()
    }

    /// Writes to a register of the first network card behind the appliance's back: how
    /// ([`Pokes::write`]), behind which base address register, and where.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_pokes`], or there is no such register.
    pub fn poke(&self, kind: &str, bar: u8, offset: u64, value: u32) {
        self.poke_at(kind, self.bar(bar) + offset, value);
    }

    /// Reads such a register: how ([`Pokes::read`]), behind which base address register, and where.
    ///
    /// # Panics
    ///
    /// As [`Appliance::poke`].
    pub fn peek(&self, kind: &str, bar: u8, offset: u64) -> u32 {
        self.peek_at(kind, self.bar(bar) + offset)
    }

    /// Where the first network card has what is behind a base address register, in memory or among the I/O ports.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_monitor`], or there is no such register.
    pub fn bar(&self, bar: u8) -> u64 {
        let printed = self.monitor.command("info pci");
        let card = printed.split("Ethernet controller").nth(1);
        let bar = format!("BAR{bar}: ");
        let place = card.and_then(|card| card.split(bar.as_str()).nth(1));
        let address = place.and_then(|place| place.split(" at 0x").nth(1));
        let digits = address.and_then(|address| address.split(' ').next());
        let start = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        start.unwrap_or_else(|| panic!("no {bar}in {printed}"))
    }

    /// Where on its bus the first network card is.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_monitor`], or has none on a PCI bus.
    pub fn card_slot(&self) -> u32 {
        let printed = self.monitor("info pci");
        let before = printed.split("Ethernet controller").next();
        let number = before.and_then(|before| before.rsplit("device").next());
        let digits = number.and_then(|number| number.split(',').next());
        let digits = digits.expect("the card has a place").trim();
        digits.parse().expect("it is a number")
    }

    /// Writes to the configuration space (PCI 3.0 §6.1) of what is in `slot` of the first bus: how (`outw` or `outl`), where
    /// and what.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_pokes`].
    pub fn poke_configuration(&self, slot: u32, kind: &str, offset: u32, value: u32) {
        self.poke_at("outl", 0xcf8, 1 << 31 | slot << 11 | offset);
        self.poke_at(kind, 0xcfc, value);
    }

    /// The same at a physical address.
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_pokes`].
    pub fn poke_at(&self, kind: &str, address: u64, value: u32) {
        self.pokes.write(kind, address, value);
    }

    /// Reads at a physical address ([`Pokes::read`]).
    ///
    /// # Panics
    ///
    /// The appliance was not booted [`Boot::with_pokes`].
    pub fn peek_at(&self, kind: &str, address: u64) -> u32 {
        self.pokes.read(kind, address)
    }

    /// Waits for QEMU to end by itself.
    ///
    /// # Panics
    ///
    /// It has not ended after `limit`.
    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self
                .process
                .try_wait()
                .expect("the process can be waited for")
            {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "QEMU has not ended after {limit:?}\n{}",
                self.transcript()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of QEMU's process.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Whether QEMU still runs.
    pub fn is_running(&self) -> bool {
        self.console.is_open()
    }

    /// Ends QEMU and returns everything it printed, for the message of a failed test.
    pub fn transcript(&mut self) -> String {
        self.end();
        let mut complaints = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            let _ = stderr.read_to_string(&mut complaints);
        }
        let serial = self.console.log();
        format!("---- serial line ----\n{serial}\n---- standard error ----\n{complaints}----")
    }

    fn end(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.transcript());
        } else {
            self.end();
        }
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the repository")
}

/// The one entry to everything.
pub fn run_sh() -> PathBuf {
    root().join("run.sh")
}

/// The kernel to test: `POLLUX_KERNEL`, or what `./run.sh build` builds.
pub fn kernel() -> &'static Path {
    static KERNEL: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    KERNEL.get_or_init(|| match std::env::var_os("POLLUX_KERNEL") {
        Some(path) if !path.is_empty() => path.into(),
        _ => {
            let output = run(&["build"], BUILD_LIMIT);
            let path = output
                .lines()
                .last()
                .and_then(|line| line.split(' ').next_back());
            path.expect("`./run.sh build` names what it built").into()
        }
    })
}

/// Runs `./run.sh` with `arguments` to its end and returns what it printed.
///
/// # Panics
///
/// It failed, or took longer than `limit`.
pub fn run(arguments: &[&str], limit: Duration) -> String {
    let output = Command::new("timeout")
        .arg(limit.as_secs().to_string())
        .arg(run_sh())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("timeout (coreutils) starts ./run.sh");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "./run.sh {arguments:?}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// A pair of neighboring UDP ports that nobody uses: the guest's, and ours, already opened.
///
/// # Panics
///
/// There is none.
pub fn free_ports() -> (u16, Dgram) {
    /// Below the ports that the system gives out by itself, and above the well-known ones.
    const FIRST: u16 = 20_000;
    const PAIRS: u16 = 5_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() as u16;
    for _ in 0..PAIRS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + 2 * (begin.wrapping_add(step) % PAIRS);
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && let Ok(wire) = Dgram::open(port)
        {
            return (port, wire);
        }
    }
    panic!("no pair of free UDP ports from {FIRST} on");
}
