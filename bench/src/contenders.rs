//! Those that are measured beside each other: what each of them is, and how it is started.
//!
//! All of them stand at the same kind of socket with the same addresses, in the same VLAN. All of one
//! card are started at once, and stand still but for the one that is being asked: on a machine with few
//! processors, whoever polls would slow the others down.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pollux_issuer::arp;
use pollux_issuer::wire::Dgram;
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT, free_ports, root};
use pollux_tests::linux::{Linux, Machine};
use serde::Serialize;

use crate::frames::{APPLIANCE, APPLIANCE_MAC, VLAN};
use crate::initramfs;
use crate::load::{Protocol, station};
use crate::places::Places;

/// The longest that one may take from its last command to its first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How often it is asked for its address until then.
const ARP_INTERVAL: Duration = Duration::from_millis(100);
/// The longest that a command in a Linux machine may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// This appliance.
    Pollux,
    /// A Linux machine: its kernel answers ICMP, a server on it UDP.
    Linux,
    /// A Linux machine with DPDK's `testpmd` in `icmpecho` mode.
    Dpdk,
    /// A Linux machine with a program in the card's driver that answers ICMP (XDP).
    Xdp,
    /// A process on this machine, without any virtual machine.
    Native,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pollux,
        Self::Linux,
        Self::Dpdk,
        Self::Xdp,
        Self::Native,
    ];

    /// Whether it answers this at all.
    pub fn answers(self, protocol: Protocol) -> bool {
        !matches!(self, Self::Dpdk | Self::Xdp) || protocol == Protocol::Icmp
    }

    /// Whether it can be had on this card: of Linux's drivers, only that of virtio carries XDP programs itself.
    pub fn is_for(self, card: &str) -> bool {
        self != Self::Xdp || card == "virtio-net-pci"
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pollux => "Pollux",
            Self::Linux => "Linux",
            Self::Dpdk => "DPDK",
            Self::Xdp => "XDP",
            Self::Native => "native",
        })
    }
}

/// What the virtual machines are made of.
#[derive(Clone, Debug)]
pub struct Host {
    /// How QEMU carries out what the guest does: `tcg` or `kvm`.
    pub accel: String,
    /// The UDP echo server for the Linux machine, a program that needs no libraries.
    pub udp_echo: PathBuf,
    /// A folder for files.
    pub folder: PathBuf,
    /// Where the threads of all of them run, if there are processors enough.
    pub places: Option<Places>,
}

/// One that runs, or stands still. Dropping it ends it.
pub struct Contender {
    name: Name,
    body: Body,
}

enum Body {
    Appliance(Box<Appliance>),
    Linux(Box<Linux>, Dgram),
    Process(Child, Dgram),
}

impl Contender {
    /// Starts one with QEMU's `card` and waits for nothing.
    ///
    /// # Errors
    ///
    /// It cannot be started on this machine.
    pub fn start(name: Name, card: &str, host: &Host) -> Result<Self, String> {
        let body = match name {
            Name::Pollux => {
                let boot = Boot::new().with_monitor();
                let boot = boot.with(&["--nic", card, "--accel", &host.accel]);
                Body::Appliance(Box::new(boot.spawn()))
            }
            Name::Linux | Name::Dpdk | Name::Xdp => linux(name, card, host)?,
            Name::Native => native()?,
        };
        Ok(Self { name, body })
    }

    /// Its name.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Waits until it answers, puts its threads where they belong, and then has it stand still.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn wait(&mut self, card: &str) -> Result<(), String> {
        match &mut self.body {
            Body::Appliance(appliance) => appliance.console.wait_for_prompt(START_LIMIT),
            Body::Linux(linux, _) => {
                linux.wait_until_ready();
                let commands = match self.name {
                    Name::Dpdk => dpdk_commands(card),
                    Name::Xdp => [linux_commands(), xdp_commands()].concat(),
                    _ => linux_commands(),
                };
                for command in commands {
                    let output = linux.run(&command, COMMAND_LIMIT);
                    if output.status != 0 {
                        return Err(format!("{command}: {}", output.printed));
                    }
                }
            }
            Body::Process(..) => {}
        }
        let never = std::sync::atomic::AtomicBool::new(false);
        let deadline = Instant::now() + ANSWER_LIMIT;
        let (station, wire) = (station(), self.wire());
        let found = arp::resolve(wire, &station, APPLIANCE, ARP_INTERVAL, deadline, &never);
        match found.map_err(|error| error.to_string())? {
            Some(APPLIANCE_MAC) => {
                self.pause();
                Ok(())
            }
            Some(other) => Err(format!("answers as {other:02x?}")),
            None => Err(match &mut self.body {
                Body::Linux(linux, _) => {
                    let output = linux.run("cat /tmp/log", COMMAND_LIMIT);
                    format!("no answer within {ANSWER_LIMIT:?}: {}", output.printed)
                }
                _ => format!("no answer within {ANSWER_LIMIT:?}"),
            }),
        }
    }

    /// The wire to it.
    pub fn wire(&mut self) -> &mut Dgram {
        match &mut self.body {
            Body::Appliance(appliance) => appliance.peer.wire(),
            Body::Linux(_, wire) | Body::Process(_, wire) => wire,
        }
    }

    /// The number of its process on this machine.
    pub fn process(&self) -> u32 {
        match &self.body {
            Body::Appliance(appliance) => appliance.process(),
            Body::Linux(linux, _) => linux.process(),
            Body::Process(process, _) => process.id(),
        }
    }

    /// Has it answer on a processor of its own.
    ///
    /// # Errors
    ///
    /// What the operating system said.
    pub fn place(&self, places: &Places) -> std::io::Result<()> {
        places.put(self.process(), &self.processors())
    }

    /// The threads that are its processors; none, if it is no virtual machine.
    fn processors(&self) -> Vec<u32> {
        match &self.body {
            Body::Appliance(appliance) => appliance.processors(),
            Body::Linux(linux, _) => linux.monitor().processors(),
            Body::Process(..) => Vec::new(),
        }
    }

    /// Has it stand still, its time included.
    pub fn pause(&mut self) {
        self.monitor("stop");
    }

    /// Has it go on.
    pub fn resume(&mut self) {
        self.monitor("cont");
    }

    /// Has QEMU's monitor of it carry out a command.
    fn monitor(&self, command: &str) {
        match &self.body {
            Body::Appliance(appliance) => drop(appliance.monitor(command)),
            Body::Linux(linux, _) => drop(linux.monitor().command(command)),
            // It sleeps when it has nothing to do.
            Body::Process(..) => {}
        }
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if let Body::Process(process, _) = &mut self.body {
            // It may have ended already, which is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn native() -> Result<Body, String> {
    let (port, wire) = free_ports();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.args(["answer", &port.to_string(), &(port + 1).to_string()]);
    let process = command.spawn().map_err(|error| error.to_string())?;
    Ok(Body::Process(process, wire))
}

fn linux(name: Name, card: &str, host: &Host) -> Result<Body, String> {
    let (port, wire) = free_ports();
    // DPDK needs SSE 4.2, and the same is fair for both.
    let cpu = match host.accel.as_str() {
        "kvm" => "host,migratable=off",
        _ => "qemu64,+ssse3,+sse4.1,+sse4.2",
    };
    let memory = if name == Name::Dpdk { "1G" } else { "256M" };
    let arguments = ["-accel", &host.accel, "-cpu", cpu, "-m", memory];
    let machine = Machine::instead_of_appliance(card, &arguments);
    let from = machine.files()?.join("initramfs");
    let to = host.folder.join(format!("initramfs-{name}"));
    let mut programs = vec![("udp-echo", host.udp_echo.clone())];
    if name == Name::Xdp {
        programs.push((XDP_PROGRAM, compile_xdp(&host.folder)?));
    }
    let files = initramfs::with_programs(&from, &programs, to);
    let files = files.map_err(|error| error.to_string())?;
    let linux = machine.with_initramfs(files).spawn(port, port + 1);
    Ok(Body::Linux(Box::new(linux), wire))
}

fn linux_commands() -> Vec<String> {
    vec![
        "ip link set eth0 up".to_owned(),
        format!("ip link add link eth0 name eth0.{VLAN} type vlan id {VLAN}"),
        format!("ip addr add {APPLIANCE}/24 dev eth0.{VLAN}"),
        format!("ip link set eth0.{VLAN} up"),
        "setsid udp-echo >/tmp/log 2>&1 &".to_owned(),
    ]
}

/// The object file of the XDP program, beside the programs in the machine.
const XDP_PROGRAM: &str = "xdp-echo.o";

/// Compiles the XDP program into `folder`.
fn compile_xdp(folder: &Path) -> Result<PathBuf, String> {
    let object = folder.join(XDP_PROGRAM);
    let address = APPLIANCE.octets().map(|octet| octet.to_string()).join(",");
    let mut clang = Command::new("clang");
    clang.args(["-O2", "-target", "bpf", &format!("-DVLAN={VLAN}")]);
    clang.arg(format!("-DADDRESS={address}")).arg("-c");
    clang
        .arg(root().join("bench/xdp/echo.c"))
        .arg("-o")
        .arg(&object);
    let output = clang
        .output()
        .map_err(|error| format!("clang, which ./run.sh setup installs: {error}"))?;
    match output.status.success() {
        true => Ok(object),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Has the driver itself carry the program out, and refuses a slower way.
fn xdp_commands() -> Vec<String> {
    vec![format!(
        "ip link set dev eth0 xdpdrv obj /usr/bin/{XDP_PROGRAM} sec xdp"
    )]
}

/// Has `uio_pci_generic` in the place of the card's driver, and starts `testpmd` on it. Its two threads
/// share the one processor, and the first of them only waits for the end.
fn dpdk_commands(card: &str) -> Vec<String> {
    let plugin = match card {
        "virtio-net-pci" => "virtio",
        _ => "e1000",
    };
    vec![
        "c=$(grep -l ^0x0200 /sys/bus/pci/devices/*/class); d=${c%/class}; \
         echo uio_pci_generic >$d/driver_override; \
         [ ! -e $d/driver ] || echo ${d##*/} >$d/driver/unbind; \
         echo ${d##*/} >/sys/bus/pci/drivers_probe"
            .to_owned(),
        "mkdir -p /dev/hugepages /var/run; mount -t hugetlbfs none /dev/hugepages; \
         echo 128 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
            .to_owned(),
        format!(
            "(sleep 1000000 | setsid dpdk-testpmd --lcores 0@0,1@0 --no-telemetry \
             -d librte_net_{plugin}.so.23 -d librte_mempool_ring.so.23 -- \
             --forward-mode=icmpecho --auto-start --no-lsc-interrupt --total-num-mbufs=16384 \
             ) >/tmp/log 2>&1 &"
        ),
    ]
}
