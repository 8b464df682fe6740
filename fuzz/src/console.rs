//! The console: whatever is typed, nothing panics, every line and every echo keeps to its bound, a program gets
//! one JSON value, and a command that is refused has changed nothing.

use core::fmt::{self, Write};
use pollux_console::cards::Cards;
use pollux_console::command::{Command, Commands, Grammar};
use pollux_console::line::{LineEditor, MAXIMUM_ECHO};
use pollux_console::refused::Refused;
use pollux_console::reply::{MAXIMUM_LINE, PROMPT, Progress, Reply};
use pollux_console::view::{
    BootView, ClockView, ConsoleView, FileView, MemoryView, PortView, StatusView,
};
use pollux_net::device::{
    BUFFER_SIZE, Link, Received, Receiver, Statistic, TransportChecksum, Verdict,
};
use pollux_net::interface::{Interface, Ipv4Cidr};
use pollux_net::time::{Instant, TickRate, Ticks};
use pollux_net::turns::{Activity, Turns};
use pollux_net::wire::ethernet::MacAddress;

use crate::frames::{self, OWN_IP, OWN_MAC};

const RATE: TickRate = TickRate::from_hertz(1_000_000_000);
const GRAMMAR: Grammar = Grammar { test_mode: true };
/// Not typed: the two octets behind it alter a frame, which arrives.
const FRAME: u8 = 0xff;
/// No reply has more lines: a filter list of all VLANs is the longest.
const LONGEST_REPLY: usize = 20_000;

const FILES: [FileView<'static>; 1] = [FileView {
    name: "start.conf",
    octets: b"ip link set eth0.42 up\r\nlast \xff",
}];

static NOTHING_REFUSED: Refused = Refused::new();

/// What echoes are written to: no more than the kernel has room for.
struct Echo(usize);

impl Write for Echo {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self
            .0
            .checked_sub(text.len())
            .expect("an echo within its bound");
        Ok(())
    }
}

/// Two cards and a session.
struct Appliance {
    interfaces: [Interface; 2],
    saved: Vec<String>,
    now: Instant,
}

impl Appliance {
    fn new() -> Self {
        let card = |index: u8| {
            let mut mac = OWN_MAC;
            mac[5] ^= index;
            Interface::new(
                &format!("eth{index}"),
                MacAddress(mac),
                2 + u32::from(index),
                RATE,
            )
        };
        let mut interfaces = [card(0), card(1)];
        let cidr = Ipv4Cidr::new(OWN_IP.into(), 24).expect("in range");
        let added = interfaces[0].add_realtime_vlan("eth0.42", 42, cidr);
        added.expect("is free");
        Self {
            interfaces,
            saved: Vec::new(),
            now: Instant::from_ticks(5_000_000_000),
        }
    }

    fn with_view<T>(&self, use_view: impl FnOnce(&StatusView<'_>) -> T) -> T {
        let no_statistics = |_: usize| None::<Statistic>;
        let ports: Vec<PortView<'_>> = self
            .interfaces
            .iter()
            .map(|interface| PortView {
                name: interface.name(),
                model: "82540EM",
                driver: "e1000",
                link: Link {
                    up: true,
                    speed_mbps: 1000,
                    full_duplex: true,
                },
                interface,
                statistics: &no_statistics,
            })
            .collect();
        let mut turns = Turns::default();
        turns.record(Activity::Looking, false, Instant::from_ticks(0), self.now);
        use_view(&StatusView {
            version: "0.1.0",
            now: self.now,
            uptime_ns: self.now.ticks(),
            boot: BootView {
                method: "pvh",
                command_line: "",
                last_end: None,
                watchdog: None,
            },
            clock: ClockView {
                rate: RATE,
                source: "CPUID leaf 0x15",
                invariant: true,
            },
            smi_count: Some(17),
            memory: MemoryView {
                total_bytes: 127 << 20,
                heap_used_bytes: 12_001,
                heap_size_bytes: 4 << 20,
                dma_bytes: 2 << 20,
                frame_path_allocations: 0,
            },
            ports: &ports,
            poll: &turns,
            console: ConsoleView {
                dropped_lines: 0,
                columns: None,
                has_failed: false,
                refused: &NOTHING_REFUSED,
            },
            machine: &[],
            files: &FILES,
            saved: &self.saved,
        })
    }

    /// Everything that the reply prints until it is over or waits. Returns whether it is over.
    fn print(&mut self, reply: &mut Reply) -> (String, bool) {
        let mut text = String::new();
        for _ in 0..LONGEST_REPLY {
            let mut line = String::new();
            let progress = self.with_view(|view| reply.next_line(view, &mut line));
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            assert!(line.chars().count() <= MAXIMUM_LINE, "{line:?}");
            assert!(!line.starts_with(PROMPT), "a reply like a prompt: {line:?}");
            match progress.expect("strings take everything") {
                Progress::Line => {
                    text.push_str(&line);
                    text.push('\n');
                }
                other => {
                    assert_eq!(line, "");
                    if let Some(kept) = reply.take_kept() {
                        self.saved = kept;
                    }
                    return (text, other == Progress::Done);
                }
            }
        }
        panic!("the reply does not end");
    }

    /// All that can be configured.
    fn configuration(&mut self) -> String {
        let request = GRAMMAR.parse("config show").expect("is right");
        let (text, _) = self.print(&mut Reply::to(request.expect("is no comment")));
        let watched = self
            .interfaces
            .iter()
            .map(|card| (card.capture().is_on(), card.trace().is_enabled()));
        format!("{text}{:?}", watched.collect::<Vec<_>>())
    }

    fn carry_out(&mut self, line: &str) {
        let request = match GRAMMAR.parse(line) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                assert!(error.column >= 1);
                let json = error.json;
                let (text, is_over) = self.print(&mut Reply::refusal(error));
                return check(&text, is_over, json);
            }
        };
        let before = self.configuration();
        let json = request.json;
        let is_read_only = matches!(
            request.command,
            Command::Help(_)
                | Command::Status(_)
                | Command::Drops
                | Command::Version
                | Command::Date
        );
        let done =
            Cards::new(self.interfaces.iter_mut(), &FILES, self.now).carry_out(&request.command);
        let is_done = done.is_ok();
        for card in &mut self.interfaces {
            while card.carry_on() {}
        }
        let mut reply = match done {
            Ok(()) => Reply::to(request),
            Err(refusal) => Reply::not_done(refusal, json),
        };
        if !is_done || is_read_only {
            assert_eq!(self.configuration(), before, "refused, but done: {line:?}");
        }
        let (text, is_over) = self.print(&mut reply);
        check(&text, is_over, json);
        if !is_over {
            reply.interrupt();
            self.print(&mut reply);
        }
    }

    fn receive(&mut self, place: u8, value: u8) {
        let datagram = frames::datagram(1, 0, &frames::echo_request(8));
        let mut frame = frames::frame(0x8100, &[&[0, 42, 8, 0], &datagram[..]].concat());
        if let Some(octet) = frame.get_mut(usize::from(place)) {
            *octet = value;
        }
        let mut buffer = [0; BUFFER_SIZE];
        buffer[..frame.len()].copy_from_slice(&frame);
        let verdict = self.interfaces[0].reception(self.now, 0).receive(Received {
            buffer: &mut buffer,
            length: frame.len(),
            damage: None,
            checksum: TransportChecksum::Unverified,
            can_answer: true,
            can_defer: false,
        });
        if let Verdict::Answer { .. } = verdict {
            self.interfaces[0].record_residence(Ticks(u64::from(value) << place.min(40)), 1, 0);
        }
    }
}

/// A program gets one value, or nothing.
fn check(text: &str, is_over: bool, json: bool) {
    if json && is_over && !text.is_empty() {
        let value: Result<serde_json::Value, _> = serde_json::from_str(text);
        assert!(value.is_ok(), "not one JSON value: {text}");
    }
}

/// Types the octets.
pub fn console(octets: &[u8]) {
    let mut appliance = Appliance::new();
    let mut editor = LineEditor::new();
    let mut octets = octets.iter().copied();
    while let Some(octet) = octets.next() {
        appliance.now = appliance.now.after(Ticks(1_000_000));
        if octet == FRAME {
            if let (Some(place), Some(value)) = (octets.next(), octets.next()) {
                appliance.receive(place, value);
            }
            continue;
        }
        let mut echo = Echo(MAXIMUM_ECHO);
        let line = editor.feed(octet, &mut echo);
        let line = line.and_then(Result::ok).map(str::to_owned);
        if let Some(line) = line {
            for (_, command) in Commands::of(&line) {
                appliance.carry_out(command);
            }
        }
        if editor.take_tab() {
            let line = editor.before_cursor();
            let found = appliance.with_view(|view| GRAMMAR.complete(line, view));
            editor.complete(&found, &mut Echo(MAXIMUM_ECHO));
            if found.count > 1 {
                appliance.print(&mut Reply::choices(found));
            }
        }
        let _ = editor.redraw(&mut Echo(MAXIMUM_ECHO));
    }
}

/// Each example of each command as it stands, as JSON, and all in a row; keys; the documents' words.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut lines: Vec<String> = Vec::new();
    for command in GRAMMAR.commands() {
        lines.extend(command.examples.iter().map(ToString::to_string));
        lines.push(format!("{} -h", command.name));
        lines.push(format!("help {}\t", command.name));
    }
    let others = [
        "sudo -c \"echo 42-45,100,107 > /sys/class/evl/net/vlans\"",
        "echo 1 > /sys/class/net/eth0.42/oob_port",
        "evl net -ei eth0.42 -p 4096 -b 16384",
        "evl net -QoRTf -i eth0.42",
        "evl net -N2-4094; evl net -n",
        "ip -d -s -4 -br addr show dev eth0.42",
        "ip route add 192.0.2.0/24 via 10.10.10.1 dev eth0.42 metric 7",
        "ip neigh add 10.10.10.20 lladdr 02:00:00:00:00:20 dev eth0.42",
        "ip link set eth0.42 mtu 1000 down",
        "ping -c 3 -i 0.2 -s 56 10.10.10.10",
        "\x1b[A\x1b[D\x1b[3~\x01\x05\x0b\x15\x17",
        "\u{e4}\u{1f980} \t\t",
    ];
    lines.extend(others.map(str::to_owned));
    // Each of them becomes two in JSON, where words are said again and where they are found wrong.
    let escaped = "\\".repeat(200);
    let commands = GRAMMAR.commands().map(|command| command.name);
    lines.extend(commands.map(|name| format!("{name} {escaped}")));
    lines.push(format!("echo 1 > {escaped}"));
    let mut seeds: Vec<Vec<u8>> = vec![Vec::new()];
    seeds.extend(lines.iter().map(|line| format!("{line}\r").into_bytes()));
    seeds.extend(lines.iter().map(|line| format!("{line} -j\r").into_bytes()));
    let mut busy = vec![FRAME, 0, 0x52, FRAME, 15, 43, FRAME, 23, 9];
    busy.extend(lines.join("\r").bytes());
    seeds.push(busy);
    seeds
}
