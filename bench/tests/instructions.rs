//! No frame may become dearer unnoticed. The counts are exact and the same on every machine, so that
//! this is a test, and not a measurement of how busy the machine is.

use pollux_bench::instructions::{self, Change, Kind, Table};
use pollux_tests::appliance::Boot;
use pollux_tests::suite::{Suite, skip};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// A frame of every way through the stack; `./run.sh bench instructions` counts all kinds.
const SLICE: [&str; 4] = [
    "arp",
    "icmp-echo-102",
    "udp-echo-102",
    "udp-echo-102-by-packet-port",
];

fn main() -> ExitCode {
    let mut kinds: BTreeMap<&str, Vec<Kind>> = BTreeMap::new();
    let pairs = instructions::pairs().into_iter();
    for (card, kind) in pairs.filter(|(_, kind)| SLICE.contains(&kind.name.as_str())) {
        kinds.entry(card).or_default().push(kind);
    }
    let mut suite = Suite::new(Boot::new());
    for (card, kinds) in kinds {
        suite.test_alone(
            &format!("no_frame_needs_more_instructions_than_the_table_says::{card}"),
            move || no_frame_is_dearer(card, &kinds),
        );
    }
    suite.run()
}

fn no_frame_is_dearer(card: &'static str, kinds: &[Kind]) {
    if !instructions::is_available(card) {
        skip("no QEMU here has this card");
    }
    let table = Table::read().expect("bench/instructions.toml can be read");
    let mut complaints = Vec::new();
    for kind in kinds {
        let change = Change {
            kept: table.get(card, &kind.name),
            counted: instructions::count(card, kind),
        };
        let line = format!("{card} {}: {change}", kind.name);
        println!("{line}");
        if change.is_dearer() {
            complaints.push(line);
        }
    }
    assert!(
        complaints.is_empty(),
        "instructions per frame rose by more than 3 %; where that is meant, \
         `./run.sh bench instructions --update` keeps the new counts:\n{}",
        complaints.join("\n")
    );
}
