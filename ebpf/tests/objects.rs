//! Object files, as Debian's clang makes them of `programs/*.c`: what is loaded does what it says, what is
//! not supported is refused by its name, and what was damaged on its way harms nobody.

mod common;

use common::{compile_with, datagram, decide};
use pollux_ebpf::{Filter, LoadError, UpdateRule, Verdict};
use proptest::prelude::*;
use std::sync::OnceLock;

fn compile(name: &str) -> Vec<u8> {
    compile_with(name, &["-g"])
}

fn load(name: &str) -> Filter {
    let object = compile(name);
    Filter::load(&object, 1).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(name: &str) -> String {
    match Filter::load(&compile(name), 1) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{name} is not refused"),
    }
}

/// The verdict about a datagram to `port` in VLAN `vid`, or in none.
fn verdict(filter: &mut Filter, vid: Option<u16>, port: u16) -> Verdict {
    let decision = decide(filter, &datagram(vid, port));
    assert_eq!(decision.fault, None);
    decision.verdict
}

#[test]
fn a_program_that_accepts_all_accepts_all() {
    for options in [&["-g"][..], &[], &["-mcpu=v1"], &["-mcpu=v3"]] {
        let mut filter = Filter::load(&compile_with("accept", options), 1).expect("a good one");
        assert_eq!(verdict(&mut filter, None, 1), Verdict::Accept);
        assert_eq!(verdict(&mut filter, Some(9), 1), Verdict::Accept);
        assert_eq!(
            (filter.name(), filter.section(), filter.license()),
            ("accept_all", "socket", "GPL")
        );
        assert_eq!(filter.instructions(), 2);
    }
}

#[test]
fn a_program_that_drops_all_drops_all() {
    let mut filter = load("drop");
    // What Linux shows of `r0 = 0; exit`.
    assert_eq!(filter.tag(), 0xa04f_5eef_06a7_f555);
    assert_eq!(verdict(&mut filter, Some(42), 1), Verdict::Drop);
    assert_eq!((filter.section(), filter.license()), ("socket/drop", ""));
    assert_eq!(filter.statistics().verdicts, [1, 0, 0, 0]);
}

#[test]
fn a_program_picks_a_udp_port_of_a_vlan() {
    for options in [
        &["-mcpu=v1"][..],
        &["-mcpu=v2"],
        &["-mcpu=v3", "-g"],
        &["-O1"],
    ] {
        let mut filter = Filter::load(&compile_with("udp_port", options), 1).expect("a good one");
        assert_eq!(verdict(&mut filter, Some(42), 42_042), Verdict::Accept);
        assert_eq!(verdict(&mut filter, Some(42), 42_043), Verdict::Skip);
        assert_eq!(verdict(&mut filter, Some(43), 42_042), Verdict::Skip);
        assert_eq!(verdict(&mut filter, None, 42_042), Verdict::Skip);
        let short = &datagram(Some(42), 42_042)[..40];
        assert_eq!(decide(&mut filter, short).verdict, Verdict::Skip);
        assert_eq!(filter.statistics().faults, 0);
    }
    for options in [&["-mcpu=v1"][..], &["-mcpu=v3", "-g"], &["-O1"]] {
        let mut filter =
            Filter::load(&compile_with("packet_port", options), 1).expect("a good one");
        assert_eq!(verdict(&mut filter, Some(42), 42_042), Verdict::Accept);
        assert_eq!(verdict(&mut filter, Some(42), 42_043), Verdict::Skip);
        assert_eq!(verdict(&mut filter, Some(43), 42_042), Verdict::Skip);
        assert_eq!(verdict(&mut filter, None, 42_042), Verdict::Skip);
        assert_eq!(filter.statistics().short, 0);
        // It wants to see more than is there.
        for length in [18, 19, 27, 38, 39, 40, 41] {
            let short = &datagram(Some(42), 42_042)[..length];
            assert_eq!(
                decide(&mut filter, short).verdict,
                Verdict::Drop,
                "{length}"
            );
        }
        let mut tcp = datagram(Some(42), 42_042);
        tcp[18 + 9] = 6;
        assert_eq!(decide(&mut filter, &tcp).verdict, Verdict::Skip);
        // With options.
        let mut long = datagram(Some(42), 42_042);
        long[18] = 0x46;
        long.splice(38..38, [0; 4]);
        assert_eq!(decide(&mut filter, &long).verdict, Verdict::Accept);
    }
}

#[test]
fn a_program_looks_through_two_tags() {
    let mut filter = load("qinq");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Vlan);
    assert_eq!(verdict(&mut filter, Some(100), 1), Verdict::Accept);
    assert_eq!(verdict(&mut filter, Some(99), 1), Verdict::Vlan);
    let mut frame = datagram(Some(100), 1);
    frame.splice(12..12, [0x88, 0xa8, 0, 7]);
    assert_eq!(decide(&mut filter, &frame).verdict, Verdict::Accept);
}

#[test]
fn a_value_that_is_no_verdict_counts_as_skip() {
    let mut filter = load("seven");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Skip);
    let statistics = filter.statistics();
    assert_eq!((statistics.unknown, statistics.last_unknown), (1, 7));
    assert_eq!(statistics.verdicts, [0, 0, 1, 0]);
}

#[test]
fn a_program_that_loops_runs_out_of_fuel_and_wears_out() {
    let mut filter = load("loop");
    filter.set_fuel(500);
    filter.set_fault_limit(3);
    filter.set_verdict_on_fault(Verdict::Drop);
    for count in 1..=3 {
        assert!(!filter.is_worn_out());
        let decision = decide(&mut filter, &datagram(None, 1));
        assert_eq!(decision.verdict, Verdict::Drop);
        assert!(decision.fault.is_some());
        let statistics = filter.statistics();
        assert_eq!((statistics.faults, statistics.out_of_fuel), (count, count));
        assert_eq!(statistics.highest_cost, 500);
    }
    assert!(filter.is_worn_out());
}

#[test]
fn a_program_that_reads_beyond_the_packet_drops_it_and_does_not_wear_out() {
    let mut filter = load("beyond");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Drop);
    let statistics = *filter.statistics();
    assert_eq!((statistics.short, statistics.faults), (1, 0));
    let mut long = datagram(None, 1);
    long.resize(1_514, 0);
    assert_eq!(decide(&mut filter, &long).verdict, Verdict::Accept);
}

#[test]
fn a_program_counts_in_its_maps() {
    let mut filter = load("count");
    for _ in 0..3 {
        assert_eq!(verdict(&mut filter, Some(42), 1), Verdict::Vlan);
    }
    let limits = filter.map_mut("limits").expect("the map");
    assert_eq!(
        (limits.key_size(), limits.value_size(), limits.len()),
        (4, 12, 2)
    );
    let mut limit = [0; 12];
    limit[0] = 10;
    limits
        .set(&[0; 4], &limit, UpdateRule::Any)
        .expect("there is an entry");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Drop);
    let mut counts: Vec<_> = filter
        .map_mut("per_vlan")
        .expect("the map")
        .entries()
        .map(|(key, value)| (key.expect("a key").to_vec(), value.to_vec()))
        .collect();
    counts.sort();
    let expected = [(0_u16, 1_u64), (42, 3)]
        .map(|(key, value)| (key.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()));
    assert_eq!(counts, expected);
    assert_eq!(filter.license(), "Dual MIT/GPL");
}

#[test]
fn the_first_of_several_programs_is_taken_and_old_maps_are_there() {
    let mut filter = load("legacy_maps");
    assert_eq!(filter.name(), "by_console");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Drop);
    let map = filter.map_mut("verdict").expect("the map");
    map.set(&[0; 4], &3_u32.to_le_bytes(), UpdateRule::Any)
        .expect("there is an entry");
    assert_eq!(verdict(&mut filter, None, 1), Verdict::Vlan);
    assert_eq!(filter.maps().len(), 2);
}

#[test]
fn variables_and_functions_are_linked() {
    let mut filter = load("variables");
    assert_eq!(verdict(&mut filter, None, 7), Verdict::Skip);
    assert_eq!(verdict(&mut filter, None, 8), Verdict::Vlan);
    assert_eq!(filter.statistics().verdicts, [0, 0, 1, 1]);
    let seen = filter.map_mut(".bss").expect("its variables");
    assert_eq!(seen.value(&[0; 4]), Some(&2_u64.to_le_bytes()[..]));
    let last = filter.map_mut(".data").expect("its variables");
    assert_eq!(last.value(&[0; 4]), Some(&8_u32.to_le_bytes()[..]));
    let constants = filter.map_mut(".rodata").expect("its constants");
    assert!(constants.is_read_only());
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    let cases = [
        ("unknown_helper", "bpf_tail_call"),
        ("undefined", "symbol 'elsewhere': it is not defined"),
        ("not_a_filter", "no socket filter"),
        ("direct_access", "field data,"),
        ("ringbuf", "map 'events': kind 27, ringbuf,"),
    ];
    for (name, part) in cases {
        let message = refused(name);
        assert!(message.contains(part), "{name}: {message}");
    }
    let without = Filter::load(&compile_with("count", &[]), 1).err();
    let message = without.expect("a refusal").to_string();
    assert!(message.contains("clang -g"), "{message}");
}

#[test]
fn other_files_are_refused() {
    let message = |octets: &[u8]| Filter::load(octets, 1).expect_err("a refusal").to_string();
    assert!(message(b"").contains("object file"));
    assert!(message(b"int main() {}").contains("object file"));
    let exe = std::env::current_exe()
        .and_then(std::fs::read)
        .expect("this program");
    let large = LoadError::TooLarge { octets: exe.len() };
    assert_eq!(Filter::load(&exe, 1).expect_err("a refusal"), large);
    let mut other = compile("accept");
    other[18] = 62;
    assert!(message(&other).contains("for machine 62"));
    let mut linked = compile("accept");
    linked[16] = 2;
    assert_eq!(
        Filter::load(&linked, 1).expect_err("a refusal"),
        LoadError::NotRelocatable
    );
    let mut big = compile("accept");
    big[5] = 2;
    assert!(message(&big).contains("little-endian"));
}

/// Objects with all that there is in them.
fn compile_once() -> &'static [Vec<u8>] {
    static OBJECTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        ["count", "variables", "legacy_maps", "udp_port"]
            .map(compile)
            .into()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    /// Whatever is changed in an object file, it is refused, or runs within its bounds.
    #[test]
    fn damaged_objects_harm_nobody(
        which in 0_usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut object = compile_once()[which].clone();
        for (place, value) in changes {
            let place = place.index(object.len());
            object[place] = value;
        }
        if let Some(cut) = cut {
            object.truncate(cut.index(object.len()));
        }
        if let Ok(mut filter) = Filter::load(&object, 3) {
            decide(&mut filter, &datagram(Some(42), 7));
            decide(&mut filter, &[0; 14]);
            prop_assert!(filter.statistics().highest_cost <= filter.fuel());
        }
    }
}
