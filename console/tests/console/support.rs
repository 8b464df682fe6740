//! An appliance to ask: everything that a [`StatusView`] shows, held in one place.

use core::fmt::{self, Write};
use pollux_console::cards::Cards;
use pollux_console::command::Grammar;
use pollux_console::refused::Refused;
use pollux_console::reply::{MAXIMUM_LINE, Progress, Reply};
use pollux_console::view::{
    BootView, ClockView, ConsoleView, FileView, MemoryView, PortView, StatusView,
};
use pollux_net::device::{
    BUFFER_SIZE, Link, Received, Receiver, Statistic, TransportChecksum, Verdict,
};
use pollux_net::interface::{Interface, Ipv4Cidr};
use pollux_net::neighbor::DEFAULT_CAPACITY;
use pollux_net::time::{Instant, TickRate, Ticks};
use pollux_net::turns::{Activity, Turns};
use pollux_net::wire::ethernet::MacAddress;
use std::sync::LazyLock;

/// The parts of a status page, to be changed by a test before it asks.
pub struct Appliance {
    pub interface: Interface,
    pub link: Link,
    pub statistics: Vec<Statistic>,
    /// The configuration that was kept.
    pub saved: Vec<String>,
    /// Everything else.
    pub view: StatusView<'static>,
}

impl Appliance {
    /// An appliance as it comes up: `eth0.42` with 10.10.10.11/24, and no frame yet.
    pub fn new() -> Self {
        Self::with_room_for(DEFAULT_CAPACITY)
    }

    /// The same, with room for so many neighbors.
    pub fn with_room_for(neighbors: usize) -> Self {
        let mut appliance = Self::bare_for(neighbors);
        let address = "10.10.10.11".parse().expect("an address");
        let cidr = Ipv4Cidr::new(address, 24).expect("in range");
        let added = appliance.interface.add_realtime_vlan("eth0.42", 42, cidr);
        added.expect("is free");
        appliance
    }

    /// An appliance without any configuration.
    pub fn bare() -> Self {
        Self::bare_for(DEFAULT_CAPACITY)
    }

    fn bare_for(neighbors: usize) -> Self {
        let mac = MacAddress([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
        let rate = TickRate::from_hertz(2_893_202_000);
        let interface = Interface::with_neighbors("eth0", mac, 2, rate, neighbors);
        Self {
            interface,
            link: Link {
                up: true,
                speed_mbps: 1000,
                full_duplex: true,
            },
            statistics: Vec::new(),
            saved: Vec::new(),
            view: StatusView {
                version: "0.1.0",
                now: Instant::from_ticks(0),
                uptime_ns: 12_345_999_999,
                boot: BootView {
                    method: "pvh",
                    command_line: "pollux.test=1",
                    last_end: None,
                    watchdog: None,
                },
                clock: ClockView {
                    rate: TickRate::from_hertz(2_893_202_000),
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
                ports: &[],
                poll: turns(),
                console: ConsoleView {
                    dropped_lines: 0,
                    columns: None,
                    has_failed: false,
                    refused: &NOTHING_REFUSED,
                },
                machine: &[],
                files: &FILES,
                saved: &[],
            },
        }
    }

    /// Receives a frame.
    pub fn receive(&mut self, octets: &[u8]) -> Verdict {
        let mut buffer = [0; BUFFER_SIZE];
        buffer[..octets.len()].copy_from_slice(octets);
        let now = Instant::from_ticks(0);
        self.interface.reception(now, 0).receive(Received {
            buffer: &mut buffer,
            length: octets.len(),
            damage: None,
            checksum: TransportChecksum::Unverified,
            can_answer: true,
            can_defer: true,
        })
    }

    /// Answers an echo request after `residence` ticks.
    pub fn answer(&mut self, residence: u64) {
        let verdict = self.receive(&ECHO_REQUEST);
        assert!(matches!(verdict, Verdict::Answer { .. }), "{verdict:?}");
        let milliseconds = (self.view.uptime_ns / 1_000_000) as u32;
        let milliseconds = milliseconds.wrapping_sub(345);
        self.interface
            .record_residence(Ticks(residence), 1, milliseconds);
    }

    /// Hands the view to `use_view`.
    pub fn with_view<T>(&self, use_view: impl FnOnce(&StatusView<'_>) -> T) -> T {
        let statistics = |index: usize| self.statistics.get(index).copied();
        let ports = [PortView {
            name: "eth0",
            model: "82540EM",
            driver: "e1000",
            link: self.link,
            interface: &self.interface,
            statistics: &statistics,
        }];
        use_view(&StatusView {
            ports: &ports,
            saved: &self.saved,
            ..self.view
        })
    }

    /// Does what a line says, and returns every line of the reply, with a line feed each.
    pub fn typed(&mut self, line: &str) -> String {
        let request = match (Grammar { test_mode: true }).parse(line) {
            Ok(Some(request)) => request,
            Ok(None) => return String::new(),
            Err(error) => return self.printed(Reply::refusal(error)),
        };
        let mut cards = Cards::new([&mut self.interface], self.view.files, self.view.now);
        let mut reply = match cards.carry_out(&request.command) {
            Ok(()) => Reply::to(request),
            Err(refusal) => Reply::not_done(refusal, request.json),
        };
        while self.interface.carry_on() {}
        let mut text = String::new();
        for _ in 0..200_000 {
            let progress = self.print_line(&mut reply, &mut text);
            let is_endless =
                (reply.is_trace() || reply.asks().is_some()) && progress == Progress::Waiting;
            if progress == Progress::Done || is_endless {
                self.saved = reply.take_kept().unwrap_or(std::mem::take(&mut self.saved));
                return text;
            }
        }
        panic!("the reply does not end");
    }

    /// Types lines that say nothing in return.
    pub fn configure(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.typed(line), "", "{line}");
        }
    }

    /// Every line of `reply`, with a line feed each, as long as nothing else happens.
    pub fn printed(&self, mut reply: Reply) -> String {
        let mut text = String::new();
        while self.print_line(&mut reply, &mut text) != Progress::Done {}
        text
    }

    /// Appends the next line of `reply`, and checks what holds for every line.
    pub fn print_line(&self, reply: &mut Reply, text: &mut String) -> Progress {
        let mut line = String::new();
        let progress = self
            .with_view(|view| reply.next_line(view, &mut line))
            .expect("strings take everything");
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        assert!(line.chars().count() <= MAXIMUM_LINE, "{line:?}");
        match progress {
            Progress::Line => {
                text.push_str(&line);
                text.push('\n');
                assert!(text.lines().count() < 20_000, "the reply does not end");
            }
            Progress::Waiting | Progress::Done => assert_eq!(line, ""),
        }
        progress
    }
}

static NOTHING_REFUSED: Refused = Refused::new();

/// The files that came with the kernel.
const FILES: [FileView<'static>; 2] = [
    FileView {
        name: "start.conf",
        octets: b"# start\nip link set eth0.42 up\r\nlast",
    },
    FileView {
        name: "netrx.o",
        octets: b"\x7fELF\xff\xfe",
    },
];

/// A writer that takes a number of octets, and then nothing more.
pub struct Room(pub usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// 10.10.10.10 pings 10.10.10.11 on VLAN 42, without data.
#[rustfmt::skip]
pub const ECHO_REQUEST: [u8; 46] = [
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x81, 0x00, 0x00, 0x2a, 0x08, 0x00,
    0x45, 0x00, 0x00, 0x1c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x01, 0x00, 0x85,
    10, 10, 10, 10, 10, 10, 10, 11,
    0x08, 0x00, 0xe5, 0xca, 0x12, 0x34, 0x00, 0x01,
];

/// 10.10.10.10 asks on VLAN 42 who has 10.10.10.11.
#[rustfmt::skip]
pub const ARP_REQUEST: [u8; 60] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x81, 0x00, 0x00, 0x2a, 0x08, 0x06,
    0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 10, 10, 10, 10,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10, 10, 10, 11,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// Turns of all kinds but one, 28,932 ticks the longest.
pub fn turns() -> &'static Turns {
    static TURNS: LazyLock<Turns> = LazyLock::new(|| {
        let at = Instant::from_ticks;
        let mut turns = Turns::default();
        for turn in 0..20 {
            turns.record(
                Activity::Looking,
                false,
                at(turn * 100),
                at(turn * 100 + 90),
            );
        }
        turns.record(Activity::Answering, true, at(0), at(640));
        turns.record(Activity::Print, true, at(0), at(28_932));
        turns
    });
    &TURNS
}
