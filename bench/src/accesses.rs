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
/// What QEMU notes cannot be read.
///
/// # Panics
///
/// The appliance did not come up, or lost a ping.
pub fn count(card: &str) -> io::Result<Accesses> {
    let log = Log::new(card);
    let path = log.0.to_string_lossy().into_owned();
    // Without this, QEMU takes the doorbells of virtio aside, where it notes nothing.
    let nic = match card.starts_with("virtio") {
        true => format!("{card},ioeventfd=off"),
        false => card.to_owned(),
    };
    let mut appliance = Boot::new()
        .with(&["--nic", &nic])
        .qemu(&["-trace", "memory_region_ops_*", "-D", &path])
        .start();
    let alone = log.per_answer(&mut appliance, 1)?;
    let many = log.per_answer(&mut appliance, WINDOW)?;
    let turns = |appliance: &mut Appliance| {
        let status = appliance.status();
        status
            .value("loop", "turns")
            .parse::<u64>()
            .map_err(io::Error::other)
    };
    let before = (log.accesses()?, turns(&mut appliance)?);
    thread::sleep(IDLE);
    let after = (log.accesses()?, turns(&mut appliance)?);
    Ok(Accesses {
        alone,
        many,
        idle: (after.0 - before.0) as f64 / (after.1 - before.1) as f64,
    })
}

/// Where QEMU notes each access.
struct Log(PathBuf);

impl Log {
    fn new(card: &str) -> Self {
        let name = format!("pollux-accesses-{}-{card}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// How many accesses to a network card there were.
    fn accesses(&self) -> io::Result<u64> {
        let noted = fs::read_to_string(&self.0)?;
        let is_card = |line: &&str| {
            let device = line.rsplit_once(" name '").map_or("", |(_, name)| name);
            device.starts_with("e1000") || device.starts_with("virtio-pci")
        };
        Ok(noted.lines().filter(is_card).count() as u64)
    }

    /// Accesses for each answer, with `window` requests under way.
    fn per_answer(&self, appliance: &mut Appliance, window: usize) -> io::Result<f64> {
        let before = self.accesses()?;
        let report = appliance.peer.ping(|settings| {
            settings.count = Some(PINGS);
            settings.window = window;
        });
        assert!(report.all_answered(), "{report}");
        Ok((self.accesses()? - before) as f64 / PINGS as f64)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Whoever clears a temporary folder does the rest.
        let _ = fs::remove_file(&self.0);
    }
}
