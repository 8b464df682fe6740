//! Accesses to the card's registers, as QEMU counts them from outside: each of them leaves the virtual machine, and costs more
//! than everything else that an answer takes.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use pollux_tests::appliance::{Appliance, Boot};

/// Pings in each measurement.
const PINGS: u64 = 5_000;
/// Requests that are under way at a time, when there are many.
const WINDOW: usize = 32;
/// How long an idle appliance is watched.
const IDLE: Duration = Duration::from_secs(2);

/// What was counted on one card.
#[derive(Clone, Copy, Debug)]
pub struct Accesses {
    /// For each answer, with one request under way.
    pub alone: f64,
    /// For each answer, with [`WINDOW`] under way.
    pub many: f64,
    /// For each turn of the loop of an idle appliance: what housekeeping reads of the link and the counters.
    pub idle: f64,
}

impl fmt::Display for Accesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "alone {:6.3}  {WINDOW} under way {:6.3}  each idle turn {:9.6}",
            self.alone, self.many, self.idle
        )
    }
}

/// Counts on one card, with a boot of its own.
///
/// # Errors
///
/// What QEMU notes, or what the kernel counts of it, cannot be read.
///
/// # Panics
///
/// The appliance did not come up, or lost a ping.
pub fn count(card: &str) -> io::Result<Accesses> {
    let notes = Notes::new(card);
    let path = notes.0.to_string_lossy().into_owned();
    let mut appliance = Boot::new()
        .with_monitor()
        .with(&["--nic", card])
        .qemu(&["-trace", "memory_region_ops_*", "-D", &path])
        .start();
    let accesses = Counter {
        notes,
        process: appliance.process(),
        event_writers: match card.starts_with("virtio") {
            true => appliance.processors(),
            false => Vec::new(),
        },
    };
    let alone = accesses.per_answer(&mut appliance, 1)?;
    let many = accesses.per_answer(&mut appliance, WINDOW)?;
    let turns = |appliance: &mut Appliance| {
        let status = appliance.status();
        status
            .value("loop", "turns")
            .parse::<u64>()
            .map_err(io::Error::other)
    };
    let first_turn = turns(&mut appliance)?;
    let before = accesses.so_far()?;
    thread::sleep(IDLE);
    // What the appliance prints is not idle.
    let idle = accesses.so_far()? - before;
    Ok(Accesses {
        alone,
        many,
        idle: idle as f64 / (turns(&mut appliance)? - first_turn) as f64,
    })
}

/// Where QEMU notes each access to a register, in a line of its own.
struct Notes(PathBuf);

impl Notes {
    fn new(card: &str) -> Self {
        let name = format!("pollux-accesses-{}-{card}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        // Whoever clears a temporary folder does the rest.
        let _ = fs::remove_file(&self.0);
    }
}

/// What counts the accesses of a machine.
struct Counter {
    notes: Notes,
    process: u32,
    /// The threads whose doorbells are no accesses that QEMU notes, but writes to an event file, for another thread to see:
    /// a machine's processors, if its card is a virtio device. They write nothing else but the notes.
    event_writers: Vec<u32>,
}

impl Counter {
    /// How many accesses to a network card there were.
    fn so_far(&self) -> io::Result<i64> {
        let notes = fs::read_to_string(&self.notes.0)?;
        let is_card = |line: &&str| {
            let device = line.rsplit_once(" name '").map_or("", |(_, name)| name);
            device.starts_with("e1000") || device.starts_with("virtio-pci")
        };
        let mut accesses = notes.lines().filter(is_card).count() as i64;
        if !self.event_writers.is_empty() {
            accesses += self.writes()? - notes.lines().count() as i64;
        }
        Ok(accesses)
    }

    /// How often these threads have called the kernel to write (proc(5), `syscw`).
    fn writes(&self) -> io::Result<i64> {
        let mut writes = 0;
        for thread in &self.event_writers {
            let path = format!("/proc/{}/task/{thread}/io", self.process);
            let counts = fs::read_to_string(path)?;
            let count = counts.lines().find_map(|line| line.strip_prefix("syscw: "));
            let count = count.ok_or_else(|| io::Error::other(format!("no syscw in {counts}")))?;
            writes += count.parse::<i64>().map_err(io::Error::other)?;
        }
        Ok(writes)
    }

    /// Accesses for each answer, with `window` requests under way.
    fn per_answer(&self, appliance: &mut Appliance, window: usize) -> io::Result<f64> {
        let before = self.so_far()?;
        let report = appliance.peer.ping(|settings| {
            settings.count = Some(PINGS);
            settings.window = window;
        });
        assert!(report.all_answered(), "{report}");
        Ok((self.so_far()? - before) as f64 / PINGS as f64)
    }
}
