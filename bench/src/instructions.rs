//! Instructions for each answered frame in the machine itself: from just before the look at the ring
//! that found it to just after the doorbell that sent its answer.
//!
//! Under `-icount shift=3` the guest's time advances by [`TICKS_PER_INSTRUCTION`] with each
//! instruction, whatever the machine underneath is doing, so that a residence time is an exact count
//! and the same on every machine. One kind of frame is answered in each boot: the shortest residence is
//! then that of one frame alone, and the longest that of a whole batch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use pollux_issuer::frame::MacAddress;
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT, root};
use serde::{Deserialize, Serialize};

use crate::CARDS;
use crate::frames::{LENGTHS, PEER, PEER_MAC, VLAN, arp_request, icmp_echo, stamp, udp_echo};

/// By how much a frame may become dearer before that is a failure.
pub const TOLERANCE: f64 = 0.03;

/// One nanosecond is a tick, and `shift=3` makes an instruction last eight.
const TICKS_PER_INSTRUCTION: u64 = 8;
/// Frames in a batch.
const BATCH: usize = 32;
/// Frames sent alone, and batches sent.
const ROUNDS: usize = 24;
/// The longest that an answer may take, on a machine that has much else to do.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a first answer is waited for before it is asked for again: cards may be deaf at first.
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Has QEMU collect frames and deliver them between two instructions, all of those that came within
/// 50 ms of the guest's time: a batch arrives as one.
const COLLECTOR: &str = "filter-buffer,id=collector,netdev=n0,queue=tx,interval=50000";

/// A kind of frame.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name in the table.
    pub name: String,
    frame: Vec<u8>,
    /// The eBPF filter that decides about it, one of `examples/filters`.
    filter: Option<&'static str>,
    /// What is typed before, if anything.
    command: Option<&'static str>,
}

impl Kind {
    /// A kind of frame without a filter.
    pub fn of(name: &str, frame: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            frame,
            filter: None,
            command: None,
        }
    }
}

/// All kinds of frames that are counted.
pub fn kinds() -> Vec<Kind> {
    let kind = Kind::of;
    let mut kinds = vec![
        kind("arp", arp_request(PEER, PEER_MAC)),
        kind("stamp", stamp()),
    ];
    for length in LENGTHS {
        kinds.push(kind(
            &format!("icmp-echo-{length}"),
            icmp_echo(length, VLAN),
        ));
        kinds.push(kind(&format!("udp-echo-{length}"), udp_echo(length)));
    }
    for filter in ["accept", "packet_port", "udp_port", "count"] {
        kinds.push(Kind {
            filter: Some(filter),
            ..kind(
                &format!("udp-echo-102-by-{}", filter.replace('_', "-")),
                udp_echo(102),
            )
        });
    }
    kinds
}

/// The same with every checksum added up by the appliance, for cards that would verify them.
fn without_help(kind: &Kind) -> Kind {
    Kind {
        name: format!("{}-rx-off", kind.name),
        command: Some("ethtool -K eth0 rx off"),
        ..kind.clone()
    }
}

/// The card with descriptors of the other form.
const ADVANCED: &str = "igb";
/// One whose queues lie where their length has them.
const LEGACY: &str = "virtio-net-pci,disable-modern=on";
/// What is counted on these: the way through the stack is the others'.
const FEW: [&str; 2] = ["icmp-echo-102", "udp-echo-102"];
/// What is counted on the first besides: what it verifies costs the same however long it is.
const LONGER: [&str; 2] = ["udp-echo-512", "udp-echo-1518"];

/// The cards that verify checksums in QEMU, and the kinds that are counted with that and without.
const VERIFYING: [&str; 2] = ["e1000e", ADVANCED];
const VERIFIED: [&str; 3] = ["udp-echo-102", "udp-echo-512", "udp-echo-1518"];

/// Every card with every kind of frame that is counted on it.
pub fn pairs() -> Vec<(&'static str, Kind)> {
    let usual = CARDS
        .into_iter()
        .flat_map(|card| kinds().into_iter().map(move |kind| (card, kind)));
    let among = |card, names: &'static [&str]| {
        let kinds = kinds().into_iter();
        kinds
            .filter(|kind| names.contains(&kind.name.as_str()))
            .map(move |kind| (card, kind))
    };
    let helped = VERIFYING.into_iter().flat_map(|card| {
        let kinds = among(card, &VERIFIED);
        kinds.map(|(card, kind)| (card, without_help(&kind)))
    });
    usual
        .chain(among(ADVANCED, &FEW))
        .chain(among(ADVANCED, &LONGER))
        .chain(among(LEGACY, &FEW))
        .chain(helped)
        .collect()
}

/// Whether there is a QEMU with this card: the installed one, or a newer one that can be fetched.
pub fn is_available(card: &str) -> bool {
    let succeeds = |command: &mut Command| {
        let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        ended.is_ok_and(|status| status.success())
    };
    let help = format!("{card},help");
    card != ADVANCED
        || succeeds(Command::new("qemu-system-x86_64").args(["-device", &help]))
        || succeeds(&mut Command::new(root().join("boot/newer-qemu.sh")))
}

/// Compiles one of `examples/filters` for the port of the echo service.
fn compile(filter: &str) -> PathBuf {
    let folder = root().join("target/bench/filters");
    fs::create_dir_all(&folder).expect("a folder for object files");
    let object = folder.join(filter).with_extension("o");
    let source = root().join("examples/filters").join(filter);
    let status = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-DPORT=7", "-c", "-o"])
        .arg(&object)
        .arg(source.with_extension("c"))
        .status();
    let status = status.expect("clang, which ./run.sh setup installs");
    assert!(status.success(), "{filter}: clang failed");
    object
}

/// Instructions for one frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// When it comes alone.
    pub alone: f64,
    /// When it is one of 32, or of what was asked for.
    pub in_batch: f64,
}

/// Counts for one kind of frame on one card, with a boot of its own.
///
/// # Panics
///
/// The appliance did not come up, or did not answer.
pub fn count(card: &str, kind: &Kind) -> Count {
    let mut boot = Boot::new().with(&["--nic", card]);
    if let Some(filter) = kind.filter {
        let object = compile(filter);
        boot = boot.with(&["--file", &object.display().to_string()]);
    }
    let filter = kind.filter;
    let filter = filter.map(|filter| format!("evl net -F{filter}.o -i eth0"));
    let commands: Vec<_> = filter.as_deref().into_iter().chain(kind.command).collect();
    count_in(boot, &commands, kind, BATCH)
}

/// Counts for one kind of frame in a machine that `boot` starts, after `commands`; batches have so many frames.
///
/// # Panics
///
/// The appliance did not come up, said something to a command, or did not answer.
pub fn count_in(boot: Boot, commands: &[&str], kind: &Kind, batch: usize) -> Count {
    let mut appliance = boot
        .qemu(&["-icount", "shift=3", "-object", COLLECTOR])
        .spawn();
    appliance.console.wait_for_prompt(START_LIMIT);
    for command in commands {
        appliance.console.obeys(command);
    }
    await_first_answer(&mut appliance, kind);
    for _ in 0..ROUNDS {
        ask(&mut appliance, kind, 1);
    }
    let alone = residence(&mut appliance, "min");
    for _ in 0..ROUNDS {
        ask(&mut appliance, kind, batch);
    }
    let whole_batch = residence(&mut appliance, "max");
    appliance.counters().assert_complete();
    Count {
        alone,
        in_batch: (whole_batch / batch as f64 * 10.0).round() / 10.0,
    }
}

/// Until a card listens, frames are kept from it or lost.
fn await_first_answer(appliance: &mut Appliance, kind: &Kind) {
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        appliance.peer.send(&kind.frame);
        if receive_answer(appliance, RETRY_AFTER) {
            while receive_answer(appliance, RETRY_AFTER) {}
            return;
        }
    }
    panic!("no answer to {} within {START_LIMIT:?}", kind.name);
}

/// Sends frames together and takes the answers to all of them.
fn ask(appliance: &mut Appliance, kind: &Kind, count: usize) {
    for _ in 0..count {
        appliance.peer.send(&kind.frame);
    }
    for _ in 0..count {
        let answered = receive_answer(appliance, ANSWER_LIMIT);
        assert!(
            answered,
            "no answer to {} within {ANSWER_LIMIT:?}",
            kind.name
        );
    }
}

/// Receives the next frame that is for us; what the appliance announces to everybody is not.
fn receive_answer(appliance: &mut Appliance, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match appliance.peer.receive(left) {
            Some(frame) if frame.starts_with(&PEER_MAC as &MacAddress) => return true,
            Some(_) => {}
            None => return false,
        }
    }
}

/// One figure of the residence times, in instructions.
fn residence(appliance: &mut Appliance, figure: &str) -> f64 {
    let status = appliance.status_of("residence");
    let value = status.value("residence eth0", figure);
    let ticks = value.split_whitespace().rev().nth(1);
    let ticks = ticks.and_then(|ticks| ticks.parse::<u64>().ok());
    let ticks = ticks.unwrap_or_else(|| panic!("`{value}` does not end in ticks"));
    ticks as f64 / TICKS_PER_INSTRUCTION as f64
}

/// What was counted, by card and kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table(BTreeMap<String, BTreeMap<String, Count>>);

impl Table {
    /// Where the table is that is kept.
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
    }

    /// Reads the table that is kept; without one, nothing was counted yet.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not a table.
    pub fn read() -> io::Result<Self> {
        match fs::read_to_string(Self::path()) {
            Ok(text) => toml::from_str(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Keeps this table in place of the one that is kept.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self) -> io::Result<()> {
        const HEADING: &str = "# Instructions for each answered frame, by network card and kind of frame: see\n\
             # docs/performance.md. Written by `./run.sh bench instructions --update`.\n\n";
        let text = toml::to_string(self).map_err(io::Error::other)?;
        fs::write(Self::path(), format!("{HEADING}{text}"))
    }

    /// What was counted for a kind of frame on a card.
    pub fn get(&self, card: &str, kind: &str) -> Option<Count> {
        self.0.get(card)?.get(kind).copied()
    }

    /// Enters what was counted.
    pub fn set(&mut self, card: &str, kind: &str, count: Count) {
        let kinds = self.0.entry(card.to_owned()).or_default();
        kinds.insert(kind.to_owned(), count);
    }
}

/// How a count differs from the one that is kept.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// What is kept, if anything.
    pub kept: Option<Count>,
    /// What was counted.
    pub counted: Count,
}

impl Change {
    /// Whether the frame became dearer than is tolerated, or was never counted.
    pub fn is_dearer(&self) -> bool {
        self.kept.is_none_or(|kept| {
            let most = |kept: f64| kept * (1.0 + TOLERANCE);
            self.counted.alone > most(kept.alone) || self.counted.in_batch > most(kept.in_batch)
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { alone, in_batch } = self.counted;
        write!(f, "alone {alone:7.1}")?;
        match self.kept {
            Some(kept) => {
                write!(
                    f,
                    " (kept: {:7.1})  in a batch {in_batch:7.1} (kept: {:7.1})",
                    kept.alone, kept.in_batch
                )
            }
            None => write!(f, " (kept: none)  in a batch {in_batch:7.1} (kept: none)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_hundred_more_are_tolerated_and_four_are_not() {
        let count = |alone| Count {
            alone,
            in_batch: 100.0,
        };
        let change = |counted| Change {
            kept: Some(count(200.0)),
            counted: count(counted),
        };
        assert!(!change(150.0).is_dearer());
        assert!(!change(206.0).is_dearer());
        assert!(change(207.0).is_dearer());
        let message = change(207.0).to_string();
        assert!(
            message.contains("207.0") && message.contains("200.0"),
            "{message}"
        );
    }

    #[test]
    fn the_table_is_read_as_it_was_written() {
        let mut table = Table::default();
        table.set(
            "e1000",
            "arp",
            Count {
                alone: 1.0,
                in_batch: 0.5,
            },
        );
        let text = toml::to_string(&table).expect("it can be written");
        assert_eq!(toml::from_str::<Table>(&text).expect("and read"), table);
    }

    #[test]
    fn a_usual_filter_adds_fewer_than_200_instructions() {
        let table = Table::read().expect("it can be read");
        for card in CARDS {
            let count = |kind: &str| table.get(card, kind).expect("it was counted");
            let without = count("udp-echo-102");
            for filter in ["packet-port", "udp-port"] {
                let with = count(&format!("udp-echo-102-by-{filter}"));
                let added = (with.alone - without.alone).max(with.in_batch - without.in_batch);
                assert!(added < 200.0, "{card} {filter}: {added}");
            }
        }
    }

    #[test]
    fn the_table_that_is_kept_has_every_card_and_kind() {
        let table = Table::read().expect("it can be read");
        for (card, kind) in pairs() {
            let kept = table.get(card, &kind.name);
            assert!(kept.is_some(), "{card} {}", kind.name);
        }
    }
}
