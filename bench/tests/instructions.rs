//! No frame may become dearer unnoticed. The counts are exact and the same on every machine, so that
//! this is a test, and not a measurement of how busy the machine is.

use pollux_bench::instructions::{self, Change, Table};

/// A frame of every way through the stack; `./run.sh bench instructions` counts all kinds.
const SLICE: [&str; 4] = [
    "arp",
    "icmp-echo-102",
    "udp-echo-102",
    "udp-echo-102-by-packet-port",
];

#[test]
fn no_frame_needs_more_instructions_than_the_table_says() {
    let table = Table::read().expect("bench/instructions.toml can be read");
    let mut complaints = Vec::new();
    let pairs = instructions::pairs().into_iter();
    for (card, kind) in pairs.filter(|(_, kind)| SLICE.contains(&kind.name.as_str())) {
        if !instructions::is_available(card) {
            println!("{card} {}: SKIPPED, no QEMU here has this card", kind.name);
            continue;
        }
        let change = Change {
            kept: table.get(card, &kind.name),
            counted: instructions::count(card, &kind),
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
