//! eBPF filters and their maps, as `bpftool` shows and changes them.

use crate::support::{Appliance, ECHO_REQUEST};
use pollux_net::filter::{Filter, MapDefinition};
use pollux_net::time::Instant;
use std::sync::atomic::{AtomicU64, Ordering};

fn map(
    name: &str,
    kind: u32,
    key_size: u32,
    value_size: u32,
    maximum_entries: u32,
) -> MapDefinition {
    MapDefinition {
        name: name.into(),
        kind,
        key_size,
        value_size,
        maximum_entries,
        flags: 0,
    }
}

/// An appliance with a filter that returns `verdict`, and has maps.
fn appliance(verdict: u8) -> Appliance {
    let mut appliance = Appliance::new();
    let program = [
        [0xb7, 0, 0, 0, verdict, 0, 0, 0],
        [0x95, 0, 0, 0, 0, 0, 0, 0],
    ];
    let maps = vec![
        map("limits", 2, 4, 4, 2),
        map("hits", 1, 2, 8, 3),
        map("long", 2, 4, 60, 1),
    ];
    let filter = Filter::from_instructions(program.as_flattened(), maps, 7);
    let filter = filter.expect("a good program");
    appliance.interface.install_filter(Box::new(filter));
    appliance
}

#[test]
fn programs_are_shown_with_their_verdicts_and_what_they_cost() {
    let mut appliance = appliance(7);
    appliance.receive(&ECHO_REQUEST);
    assert_eq!(
        appliance.typed("bpftool prog show"),
        "\
1: socket_filter  name   tag 8923dad831f6fb51  dev eth0  run_cnt 1
\txlated 16B  map_ids 1,2,3
\tverdicts  drop 0  accept 0  skip 1  vlan 0  unknown 1 (last 7)  short 0
\tfaults 0  fault-limit 100  on-fault vlan
\tcost average 2 max 2  fuel 10000
"
    );
    assert_eq!(
        appliance.typed("bpftool -j prog"),
        "\
[{\"id\":1,\"type\":\"socket_filter\",\"name\":\"\",\"tag\":\"8923dad831f6fb51\",\"dev\":\"eth0\",\"run_cnt\":1,\"bytes_xlated\":16,
\"drop\":0,\"accept\":0,\"skip\":1,\"vlan\":0,\"unknown\":1,\"short\":0,
\"faults\":0,\"fault_limit\":100,\"on_fault\":\"vlan\",\"cost_average\":2,\"cost_max\":2,\"fuel\":10000,
\"time_average_ns\":0,\"time_max_ns\":0,\"timed\":0}
]
"
    );
    let summary = "8923dad831f6fb51 of 2 instructions: drop 0 accept 0 skip 1 vlan 0 faults 0, cost average 2 max 2";
    let object = "\"filter\":{\"name\":\"\",\"tag\":\"8923dad831f6fb51\",\"drop\":0,\"accept\":0,\"skip\":1,\"vlan\":0,\"faults\":0,\"cost_average\":2,\"cost_max\":2}";
    for (line, summary) in [
        ("evl net -Q -i eth0.42", summary),
        ("status", summary),
        ("evl net -Q -i eth0 -j", object),
        ("status -j", object),
    ] {
        let shown = appliance.typed(line);
        assert!(shown.contains(summary), "{line}: {shown}");
    }
    assert_eq!(Appliance::new().typed("bpftool prog show"), "");
    assert_eq!(Appliance::new().typed("bpftool prog show -j"), "[]\n");
}

#[test]
fn the_time_that_programs_take_is_shown_where_there_is_a_clock() {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    let mut appliance = appliance(1);
    // Each reading is further from the one before: 100, 300, 500 nanoseconds of 2.9 ticks each.
    appliance.interface.set_stopwatch(|| {
        let reading = TICKS.fetch_add(1, Ordering::Relaxed);
        Instant::from_ticks(reading * reading * 289 + reading * 2)
    });
    // The first of them is timed, and the 62nd.
    for _ in 0..100 {
        appliance.receive(&ECHO_REQUEST);
    }
    let shown = appliance.typed("bpftool prog show");
    let cost = "\tcost average 2 max 2  fuel 10000  time average 300 ns max 500 ns timed 2\n";
    assert!(shown.contains(cost), "{shown}");
    let shown = appliance.typed("bpftool prog show -j");
    let time = "\n\"time_average_ns\":300,\"time_max_ns\":500,\"timed\":2}\n]";
    assert!(shown.contains(time), "{shown}");
    let (text, json) = (
        "cost average 2 max 2, time average 300 ns max 500 ns",
        "\"cost_max\":2,\"time_average_ns\":300,\"time_max_ns\":500}",
    );
    for (line, times) in [
        ("evl net -Q -i eth0.42", text),
        ("status", text),
        ("evl net -Q -i eth0 -j", json),
        ("status -j", json),
    ] {
        let shown = appliance.typed(line);
        assert!(shown.contains(times), "{line}: {shown}");
    }
}

#[test]
fn what_becomes_of_a_frame_at_a_fault_is_set() {
    let mut appliance = appliance(1);
    appliance.configure(&["bpftool prog set id 1 on-fault drop fuel 1 fault-limit 3"]);
    appliance.receive(&ECHO_REQUEST);
    let shown = appliance.typed("bpftool prog show");
    assert!(
        shown.contains(
            "faults 1 (last: instruction 0: out of fuel)  fault-limit 3  on-fault drop\n"
        ),
        "{shown}"
    );
    assert!(shown.contains("verdicts  drop 0  accept 0"), "{shown}");
}

#[test]
fn entries_are_written_read_and_deleted() {
    let mut appliance = appliance(3);
    assert_eq!(
        appliance.typed("bpftool map show"),
        "\
1: array  name limits  dev eth0
\tkey 4B  value 4B  max_entries 2  entries 2
2: hash  name hits  dev eth0
\tkey 2B  value 8B  max_entries 3  entries 0
3: array  name long  dev eth0
\tkey 4B  value 60B  max_entries 1  entries 1
"
    );
    appliance.configure(&[
        "bpftool map update name limits key 1 0 0 0 value hex dc 05 00 00",
        "bpftool map update id 2 key 42 0 value 0 1 0x2 3 4 5 6 255 noexist",
        "bpftool map update name hits key hex 2b 0 value 9 0 0 0 0 0 0 0 any",
        "bpftool map delete name hits key 43 0",
    ]);
    assert_eq!(
        appliance.typed("bpftool map dump name limits"),
        "\
key: 00 00 00 00  value: 00 00 00 00
key: 01 00 00 00  value: dc 05 00 00
Found 2 elements
"
    );
    assert_eq!(
        appliance.typed("bpftool map dump id 2"),
        "key: 2a 00  value: 00 01 02 03 04 05 06 ff\nFound 1 element\n"
    );
    assert_eq!(
        appliance.typed("bpftool map lookup name limits key 1 0 0 0"),
        "key: 01 00 00 00  value: dc 05 00 00\n"
    );
    assert_eq!(
        appliance.typed("bpftool map lookup name limits key 1 0 0 0 -j"),
        "\
{\"key\":[\"0x01\",\"0x00\",\"0x00\",\"0x00\"],
\"value\":[\"0xdc\",\"0x05\",\"0x00\",\"0x00\"]}
"
    );
    let dump = appliance.typed("bpftool map dump name limits -j");
    assert!(
        dump.starts_with("[{\"key\":[\"0x00\"") && dump.ends_with("]}\n]\n"),
        "{dump}"
    );
    assert_eq!(dump.matches("\"key\"").count(), 2);
    let long = appliance.typed("bpftool map dump name long");
    let lines: Vec<usize> = long.lines().map(str::len).collect();
    assert_eq!(lines, [4, 11, 6, 47, 47, 47, 35, 15], "{long}");
    appliance.configure(&["bpftool map delete name hits key 42 0"]);
    assert_eq!(
        appliance.typed("bpftool map dump name hits"),
        "Found 0 elements\n"
    );
    assert_eq!(appliance.typed("bpftool map dump name hits -j"), "[]\n");
}

#[test]
fn what_is_wrong_is_said() {
    let mut appliance = appliance(3);
    appliance.configure(&["bpftool map update name hits key 1 0 value 1 0 0 0 0 0 0 0"]);
    for (line, said) in [
        (
            "bpftool",
            "missing word after 'bpftool'; usage: bpftool prog|map show|dump|lookup|update|delete|set ...",
        ),
        (
            "bpftool map dmup name hits",
            "bpftool: 'dmup' is not one of show, list, dump, lookup, update, delete; did you mean 'dump'?",
        ),
        (
            "bpftool map dump hits",
            "bpftool: 'hits' is not 'id N' or 'name NAME'; 'bpftool map show' lists the maps",
        ),
        (
            "bpftool map dump name hist",
            "hist: no such map; 'bpftool map show' lists those there are",
        ),
        (
            "bpftool map dump id 4",
            "map 4: no such map; 'bpftool map show' lists those there are",
        ),
        (
            "bpftool map lookup name hits key 1",
            "hits: its keys have 2 octets, not 1",
        ),
        (
            "bpftool map lookup name hits key 2 0",
            "hits: there is no entry with this key",
        ),
        (
            "bpftool map update name hits key 1 0 value 1",
            "hits: its values have 8 octets, not 1",
        ),
        (
            "bpftool map update name hits key 1 256 value 1",
            "bpftool: '256' is not octets from 0 to 255, as in 42 0x2a, or 'hex 2a'",
        ),
        (
            "bpftool map update name hits key 1 0 value 1 0 0 0 0 0 0 0 noexist",
            "hits: the entry is there already",
        ),
        (
            "bpftool map update name hits key 2 0 value 1 0 0 0 0 0 0 0 exist",
            "hits: there is no such entry",
        ),
        (
            "bpftool map update name hits key 2 0",
            "bpftool: 'the map' must be followed by 'value' and its octets",
        ),
        (
            "bpftool map delete name limits key 0 0 0 0",
            "limits: entries of an array cannot be deleted",
        ),
        (
            "bpftool prog set id 2 fuel 5",
            "program 2: no such program; 'bpftool prog show' lists those there are",
        ),
        (
            "bpftool prog set id 1",
            "bpftool: 'id' must be followed by what is to be set: on-fault, fuel or fault-limit",
        ),
        (
            "bpftool prog set id 1 on-fault accpet",
            "bpftool: 'accpet' is not one of drop, accept, skip, vlan; did you mean 'accept'?",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
    // Nothing of that was done.
    assert_eq!(
        appliance.typed("bpftool map dump name hits"),
        "key: 01 00  value: 01 00 00 00 00 00 00 00\nFound 1 element\n"
    );
}

#[test]
fn config_puts_a_filter_to_work_again_with_what_was_set_of_it() {
    let mut appliance = appliance(1);
    let shown = |appliance: &mut Appliance| {
        let config = appliance.typed("config show");
        let about = |line: &&str| {
            line.contains("filter") || line.contains("-F") || line.contains("bpftool")
        };
        config.lines().filter(about).collect::<Vec<_>>().join("\n")
    };
    let gone = "# the filter of eth0 came from the file 'gone.o', which is no longer there";
    let filter = |appliance: &mut Appliance, file: &str| {
        let filter = appliance.interface.filter_mut().expect("is there");
        filter.set_file(file);
    };
    filter(&mut appliance, "gone.o");
    assert_eq!(shown(&mut appliance), gone);
    appliance.configure(&["bpftool prog set id 1 fuel 10"]);
    assert_eq!(shown(&mut appliance), gone, "a setting of nothing");
    filter(&mut appliance, "netrx.o");
    let load = "evl net -Fnetrx.o -i eth0";
    assert_eq!(
        shown(&mut appliance),
        format!("{load}\nbpftool prog set id 1 fuel 10")
    );
    appliance.configure(&["bpftool prog set id 1 fuel 10000"]);
    assert_eq!(shown(&mut appliance), load);
    appliance.typed("config save");
    assert_eq!(appliance.typed("config diff"), "");
    appliance.configure(&["bpftool prog set id 1 on-fault drop fault-limit 3 fuel 1"]);
    assert_eq!(
        appliance.typed("config diff"),
        "+bpftool prog set id 1 on-fault drop fuel 1 fault-limit 3\n"
    );
    for _ in 0..3 {
        appliance.receive(&ECHO_REQUEST);
    }
    assert_eq!(
        shown(&mut appliance),
        "# the filter of eth0, from the file 'netrx.o', was taken out after 3 faults"
    );
    appliance.configure(&["evl net -F -i eth0"]);
    assert_eq!(shown(&mut appliance), "");
}

#[test]
fn a_filter_that_was_taken_out_is_told_of_until_its_place_is_cleared() {
    let mut appliance = appliance(1);
    appliance.configure(&["bpftool prog set id 1 fuel 1 fault-limit 2"]);
    appliance.receive(&ECHO_REQUEST);
    appliance.receive(&ECHO_REQUEST);
    // A second passed since.
    appliance.view.now = Instant::from_ticks(2_893_202_000);
    let said =
        "taken out at 11.346 s: , because it had 2 faults, the last at instruction 0: out of fuel";
    assert_eq!(
        appliance.typed("bpftool prog show"),
        format!("eth0: {said}\n")
    );
    assert_eq!(
        appliance.typed("bpftool prog show -j"),
        "[{\"type\":\"socket_filter\",\"name\":\"\",\"tag\":\"57cd311f2e27366b\",\"dev\":\"eth0\",\"taken_out_ns\":11346000000,\"faults\":2,\"last_fault\":\"instruction 0: out of fuel\"}\n]\n"
    );
    let line = format!("  filter                  {said}\n");
    assert!(appliance.typed("status").contains(&line));
    assert!(appliance.typed("status -j").contains(
        ",\"filter_taken_out\":{\"name\":\"\",\"taken_out_ns\":11346000000,\"faults\":2,\"last_fault\":\"instruction 0: out of fuel\"}\n"
    ));
    appliance.configure(&["evl net -F -i eth0"]);
    assert_eq!(appliance.typed("bpftool prog show"), "");
    assert!(!appliance.typed("status").contains("taken out"));
}
