//! eBPF filters: files and instructions that nobody compiled, and frames for those that are taken.
//!
//! The first octet says what the others are: an object file, or instructions, which may refer to two maps. The
//! last octets are a frame as well. What is loaded is run a few times: it must end within its fuel.

use crate::frames;
use pollux_ebpf::{Filter, Frame, MapDefinition};
use std::path::Path;
use std::process::Command;

/// Fuel for a run: few, so that many can be tried.
const FUEL: u32 = 2_000;
/// Octets of an instruction.
const SLOT: usize = 8;

/// Loads what is there, and runs it.
///
/// # Panics
///
/// A run took more than its fuel, or was not counted, or the program's shortcut says something else than the program.
pub fn filter(octets: &[u8]) {
    let Some((kind, rest)) = octets.split_first() else {
        return;
    };
    let load = || {
        if kind & 1 == 0 {
            Filter::load(rest, 1)
        } else {
            let whole = rest.len() / SLOT * SLOT;
            Filter::from_instructions(&rest[..whole], maps(), 1)
        }
    };
    match (load(), load()) {
        (Ok(quick), Ok(full)) => run(quick, full, rest),
        // It can be said what is wrong.
        (Err(error), _) | (_, Err(error)) => assert!(!error.to_string().is_empty()),
    }
}

fn maps() -> Vec<MapDefinition> {
    let map = |name: &str, kind| MapDefinition {
        name: name.to_owned(),
        kind,
        key_size: 4,
        value_size: 12,
        maximum_entries: 3,
        flags: 0,
    };
    vec![map("hash", 1), map("array", 2)]
}

/// Runs a program, and the same without its shortcut.
fn run(mut filter: Filter, mut full: Filter, rest: &[u8]) {
    filter.set_fuel(FUEL);
    full.set_fuel(FUEL);
    let tail = &rest[rest.len().saturating_sub(60)..];
    let echo = frames::frame(0x800, &frames::echo_request(18));
    for (runs, octets) in [echo.as_slice(), tail, &echo[..20], &[0; 14]]
        .into_iter()
        .enumerate()
    {
        let Some(frame) = Frame::new(octets, 1) else {
            continue;
        };
        let before = *filter.statistics();
        let decision = filter.decide(&frame, &|| runs as u64);
        let after = filter.statistics();
        assert_eq!(decision, full.decide_in_full(&frame, &|| runs as u64));
        assert_eq!(after, full.statistics());
        assert_eq!(after.runs, before.runs + 1);
        assert!(after.cost - before.cost <= u64::from(FUEL));
        let counted = |statistics: &pollux_ebpf::Statistics| {
            statistics.verdicts.iter().sum::<u64>() + statistics.faults
        };
        assert_eq!(counted(after), counted(&before) + 1);
        assert_eq!(decision.fault.is_some(), after.faults > before.faults);
    }
}

/// The programs of the tests, as clang makes them if it is there, and some instructions.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let paths = [
        "examples/filters/accept",
        "examples/filters/udp_port",
        "examples/filters/packet_port",
        "examples/filters/qinq",
        "examples/filters/loop",
        "examples/filters/count",
        "ebpf/tests/programs/legacy_maps",
        "ebpf/tests/programs/variables",
    ];
    let mut seeds: Vec<Vec<u8>> = paths
        .iter()
        .filter_map(|path| {
            let source = folder.join(path).with_extension("c");
            let output = Command::new("clang")
                .args(["-O2", "-g", "-target", "bpf", "-c", "-o", "-"])
                .arg(source)
                .output()
                .ok()?;
            Some([&[0], output.stdout.as_slice()].concat())
        })
        .collect();
    // `r0 = 1; exit`, and a look-up of a key in the stack.
    seeds.push(
        [
            &[1],
            [0xb7, 0, 0, 0, 1, 0, 0, 0].as_slice(),
            &[0x95, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat(),
    );
    let look_up: [[u8; SLOT]; 9] = [
        [0x62, 0x0a, 0xfc, 0xff, 1, 0, 0, 0],
        [0x18, 0x11, 0, 0, 1, 0, 0, 0],
        [0; SLOT],
        [0xbf, 0xa2, 0, 0, 0, 0, 0, 0],
        [0x07, 0x02, 0, 0, 0xfc, 0xff, 0xff, 0xff],
        [0x85, 0, 0, 0, 1, 0, 0, 0],
        [0x15, 0, 1, 0, 0, 0, 0, 0],
        [0x71, 0, 0, 0, 0, 0, 0, 0],
        [0x95, 0, 0, 0, 0, 0, 0, 0],
    ];
    seeds.push([&[1], look_up.as_flattened()].concat());
    seeds
}
