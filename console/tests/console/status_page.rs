//! The status page, to the letter.

use crate::support::{Appliance, ECHO_REQUEST, Room};
use pollux_console::command::{Command, Request};
use pollux_console::reply::{Progress, Reply};
use pollux_net::counters::Reason;
use pollux_net::device::{Link, Statistic};
use pollux_net::interface::Ipv4Cidr;
use pollux_net::time::{TickRate, Ticks};
use pollux_net::trace::Tracing;
use pollux_net::vlan::VlanSet;

fn status() -> Request {
    Request {
        command: Command::Status(None),
        json: false,
        only: Vec::new(),
    }
}

fn page(appliance: &Appliance) -> String {
    appliance.printed(Reply::to(status()))
}

/// An echo request without its VLAN tag's type.
fn untagged() -> [u8; 46] {
    let mut frame = ECHO_REQUEST;
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame
}

/// The value of a row, by its section and its name.
fn value<'a>(page: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let mut rows = page.lines().skip_while(|line| *line != section).skip(1);
    let row = rows
        .by_ref()
        .take_while(|line| line.starts_with(' '))
        .find(|line| line.split_whitespace().next() == Some(name))?;
    Some(row.trim_start().trim_start_matches(name).trim_start())
}

#[test]
fn of_an_appliance_that_has_answered_is_this_page() {
    let mut appliance = Appliance::new();
    for (residence, times) in [(2_894, 1_960), (5_787, 30), (14_467, 9), (28_933, 1)] {
        (0..times).for_each(|_| appliance.answer(residence));
    }
    appliance.receive(&untagged());
    let mut other_vlan = ECHO_REQUEST;
    other_vlan[15] = 43;
    appliance.receive(&other_vlan);
    appliance.receive(&other_vlan);
    let mut bad_checksum = ECHO_REQUEST;
    bad_checksum[45] = 2;
    appliance.receive(&bad_checksum);
    appliance.statistics = vec![
        Statistic {
            name: "rx_crc_errors",
            value: 0,
        },
        Statistic {
            name: "rx_missed_errors",
            value: 5,
        },
    ];
    assert_eq!(
        page(&appliance),
        "\
system
  version                 0.1.0
  uptime                  12.345 s
  clock                   2893.202 MHz by CPUID leaf 0x15, invariant
  boot                    pvh
  command_line            pollux.test=1
  smi_count               17
memory
  total                   130048 KiB
  heap                    4096 KiB
  heap_used               12 KiB
  dma                     2048 KiB
  frame_path_allocations  0
port eth0
  model                   82540EM
  driver                  e1000
  ifindex                 2
  mac                     52:54:00:12:34:56
  link                    up 1000 Mbit/s full duplex
  vlan_filter             42
device eth0.42
  vlan                    42
  address                 10.10.10.11/24
  rx                      2001 packets 92046 bytes
  tx                      2000 packets 92000 bytes
counters eth0
  received                2004
  answered                2000
  untagged                1
  vlan_not_in_filter      2
  icmp_checksum           1
  sum_of_reasons          4
statistics eth0
  rx_missed_errors        5
residence eth0
  count                   2000
  min                          1000 ns        2894 ticks
  p50                          1017 ns        2943 ticks
  p99                          2034 ns        5887 ticks
  p99.9                        5043 ns       14591 ticks
  max                         10000 ns       28933 ticks
loop
  turns                   22
  busy_turns              2
  longest_turn                 9999 ns       28932 ticks
  longest_turn_was        print
console
  dropped_lines           0
  trace                   off
  trace_dropped           0
"
    );
}

/// Every figure is a number, with its unit in its name.
#[test]
fn a_program_gets_numbers() {
    let mut appliance = Appliance::new();
    appliance.answer(2_894);
    appliance.view.boot.watchdog = Some(("i6300esb", 30));
    // A text stays one, whatever it looks like.
    appliance.view.version = "7";
    appliance.view.boot.command_line = "1";
    appliance.configure(&["evl net -N+43,4094"]);
    assert_eq!(
        appliance.typed("status -j"),
        "\
{\"system\":{
\"version\":\"7\"
,\"uptime_ns\":12345999999
,\"clock_hz\":2893202000,\"clock_source\":\"CPUID leaf 0x15\",\"clock_invariant\":true
,\"boot\":\"pvh\"
,\"command_line\":\"1\"
,\"watchdog\":\"i6300esb\",\"watchdog_s\":30
,\"smi_count\":17
,\"start_errors\":0
},\"memory\":{
\"total_bytes\":133169152
,\"heap_bytes\":4194304
,\"heap_used_bytes\":12001
,\"dma_bytes\":2097152
,\"frame_path_allocations\":0
},\"port eth0\":{
\"model\":\"82540EM\"
,\"driver\":\"e1000\"
,\"ifindex\":2
,\"mac\":\"52:54:00:12:34:56\"
,\"link\":\"up\",\"speed_mbps\":1000,\"duplex\":\"full\"
,\"vlan_filter\":\"42-43,4094\",\"vlan_filter_count\":3
},\"device eth0.42\":{
\"vlan\":42
,\"addresses\":[\"10.10.10.11/24\"]
,\"rx_packets\":1,\"rx_bytes\":46
,\"tx_packets\":1,\"tx_bytes\":46
},\"counters eth0\":{
\"received\":1
,\"answered\":1
,\"sum_of_reasons\":0
},\"residence eth0\":{
\"count\":1
,\"in_band\":0
,\"min_ns\":1000
,\"p50_ns\":1000
,\"p99_ns\":1000
,\"p99_9_ns\":1000
,\"max_ns\":1000
},\"loop\":{
\"turns\":22
,\"busy_turns\":2
,\"longest_turn_ns\":9999
,\"longest_turn_was\":\"print\"
},\"console\":{
\"dropped_lines\":0
,\"trace\":\"off\"
,\"trace_dropped\":0
}}
"
    );
    appliance.link = Link::default();
    let down = appliance.typed("status -j");
    assert!(down.contains("\n,\"link\":\"down\"\n"), "{down}");
}

#[test]
fn without_an_answer_there_are_no_figures_and_without_events_no_statistics() {
    let appliance = Appliance::new();
    let page = page(&appliance);
    assert!(
        page.contains(
            "counters eth0
  received                0
  answered                0
  sum_of_reasons          0
residence eth0
  count                   0 (no frame answered yet)
loop
"
        ),
        "{page}"
    );
}

#[test]
fn what_was_answered_in_band_is_told_beside_what_was_answered_in_real_time() {
    let mut appliance = Appliance::new();
    // Answered without a residence time, as those are whose turn comes when the wire is quiet.
    for _ in 0..3 {
        appliance.receive(&ECHO_REQUEST);
    }
    let count = |appliance: &Appliance| {
        let page = page(appliance);
        ["count", "in_band"].map(|name| value(&page, "residence eth0", name).map(str::to_owned))
    };
    let said = "0 (none answered in real time; 3 in-band)";
    assert_eq!(count(&appliance), [Some(said.to_owned()), None]);
    assert!(
        appliance
            .typed("status -j")
            .contains("\"count\":0\n,\"in_band\":3\n")
    );
    appliance.answer(1_000);
    appliance.answer(1_000);
    let said = "3 answered besides, of which no time is taken";
    let both = [Some("2".to_owned()), Some(said.to_owned())];
    assert_eq!(count(&appliance), both);
    assert!(
        appliance
            .typed("status -j")
            .contains("\"count\":2\n,\"in_band\":3\n")
    );
    let latency = appliance.typed("latency");
    assert!(
        latency.starts_with("eth0: 2 answers in real time, 3 in-band\n"),
        "{latency}"
    );
    assert!(
        appliance
            .typed("latency -j")
            .contains(",\"in_band\":3,\"histogram\"")
    );
    appliance.typed("latency reset");
    appliance.answer(1_000);
    assert_eq!(count(&appliance), [Some("1".to_owned()), None]);
}

#[test]
fn without_a_card_there_is_no_port() {
    let appliance = Appliance::new();
    let mut page = String::new();
    let mut reply = Reply::to(status());
    loop {
        let progress = reply.next_line(&appliance.view, &mut page);
        if progress.expect("strings take everything") == Progress::Done {
            break;
        }
        page.push('\n');
    }
    assert!(
        page.contains("  frame_path_allocations  0\nloop\n"),
        "{page}"
    );
    assert!(!page.contains("eth0"), "{page}");
}

#[test]
fn says_what_is_known_about_the_link() {
    let mut appliance = Appliance::new();
    for (up, speed_mbps, full_duplex, expected) in [
        (false, 1000, true, "down"),
        (true, 100, false, "up 100 Mbit/s half duplex"),
        (true, 0, true, "up full duplex"),
    ] {
        appliance.link = Link {
            up,
            speed_mbps,
            full_duplex,
        };
        assert_eq!(
            value(&page(&appliance), "port eth0", "link"),
            Some(expected)
        );
    }
}

#[test]
fn says_when_the_clock_cannot_be_trusted() {
    let mut appliance = Appliance::new();
    appliance.view.clock.invariant = false;
    appliance.view.clock.rate = TickRate::from_hertz(1_000_000_000);
    assert_eq!(
        value(&page(&appliance), "system", "clock"),
        Some("1000.000 MHz by CPUID leaf 0x15, not invariant: times may be wrong")
    );
}

#[test]
fn uptime_is_in_seconds_and_from_a_minute_on_also_as_a_clock_shows_it() {
    let mut appliance = Appliance::new();
    for (uptime_ns, expected) in [
        (0, "0.000 s"),
        (59_999_999_999, "59.999 s"),
        (60_000_000_000, "60.000 s (0 d 00:01:00)"),
        (93_784_050_000_000, "93784.050 s (1 d 02:03:04)"),
        (u64::MAX, "18446744073.709 s (213503 d 23:34:33)"),
    ] {
        appliance.view.uptime_ns = uptime_ns;
        assert_eq!(value(&page(&appliance), "system", "uptime"), Some(expected));
    }
}

#[test]
fn a_filter_list_that_fits_on_no_line_is_cut_between_numbers_and_counted() {
    let mut appliance = Appliance::new();
    let odd = |last: u16| {
        let mut set = VlanSet::new();
        (1..=last).step_by(2).for_each(|vid| set.insert(vid));
        set
    };
    appliance.interface.set_vlan_filter(VlanSet::new());
    assert_eq!(
        value(&page(&appliance), "port eth0", "vlan_filter"),
        Some("none")
    );
    appliance.interface.set_vlan_filter(odd(29));
    assert_eq!(
        value(&page(&appliance), "port eth0", "vlan_filter"),
        Some("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29")
    );
    appliance.interface.set_vlan_filter(odd(4093));
    assert_eq!(
        value(&page(&appliance), "port eth0", "vlan_filter"),
        Some("1,3,5,7,9,11,13,15,17,19,21,23,25,27,... (2047 VLANs)")
    );
}

#[test]
fn shows_every_device_and_all_its_addresses() {
    let mut appliance = Appliance::new();
    appliance
        .interface
        .add_vlan_device("lab", 4094)
        .expect("is free");
    let second = Ipv4Cidr::new("10.0.0.1".parse().expect("an address"), 8);
    let added = appliance
        .interface
        .add_address(42, second.expect("in range"));
    assert_eq!(added, Ok(()));
    assert!(
        page(&appliance).contains(
            "device eth0.42
  vlan                    42
  address                 10.10.10.11/24
  address                 10.0.0.1/8
  rx                      0 packets 0 bytes
  tx                      0 packets 0 bytes
device lab
  vlan                    4094
  rx                      0 packets 0 bytes
  tx                      0 packets 0 bytes
counters eth0
"
        ),
        "{}",
        page(&appliance)
    );
}

#[test]
fn counters_and_residence_are_of_one_moment_each_although_frames_keep_arriving() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    let mut reply = Reply::to(status());
    let mut page = String::new();
    let mut slower = 1_000;
    while appliance.print_line(&mut reply, &mut page) == Progress::Line {
        slower *= 2;
        appliance.answer(slower);
        appliance.receive(&untagged());
    }
    let number = |section, name| {
        let value = value(&page, section, name).expect("is shown");
        let number = value.split(' ').next().expect("has a word");
        number.parse::<u64>().expect("is a number")
    };
    let counter = |name| number("counters eth0", name);
    assert_eq!(counter("untagged"), counter("sum_of_reasons"));
    assert_eq!(
        counter("received"),
        counter("answered") + counter("sum_of_reasons")
    );
    assert!(counter("received") > 10);
    let figures = ["min", "p50", "p99", "p99.9", "max"].map(|name| number("residence eth0", name));
    assert!(figures.is_sorted(), "{figures:?}");
    let rate = TickRate::from_hertz(2_893_202_000);
    let longest = rate.nanoseconds(Ticks(1_000 << (number("residence eth0", "count") - 1)));
    assert_eq!(figures[4], longest);
}

#[test]
fn a_line_that_found_no_room_comes_again() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    let expected = page(&appliance);
    let mut reply = Reply::to(status());
    let mut printed = String::new();
    loop {
        for octets in 0..2 {
            let refused = appliance.with_view(|view| reply.next_line(view, &mut Room(octets)));
            assert!(refused.is_err() || refused == Ok(Progress::Done));
        }
        if appliance.print_line(&mut reply, &mut printed) == Progress::Done {
            break;
        }
    }
    assert_eq!(printed, expected);
}

#[test]
fn lines_lost_before_and_behind_the_trace_ring_are_told_apart() {
    let mut appliance = Appliance::new();
    appliance.view.console.dropped_lines = 7;
    appliance.interface.set_tracing(Tracing::Lines);
    for _ in 0..pollux_net::trace::CAPACITY + 3 {
        appliance.answer(1_000);
    }
    assert!(
        page(&appliance).ends_with(
            "console
  dropped_lines           7
  trace                   on
  trace_dropped           3
"
        ),
        "{}",
        page(&appliance)
    );
}

#[test]
fn names_stand_in_a_column_and_have_no_spaces() {
    for reason in Reason::ALL {
        assert!(reason.name().len() < 24, "{}", reason.name());
        assert!(!reason.name().contains(' '), "{}", reason.name());
    }
}

#[test]
fn texts_of_others_neither_steer_the_terminal_nor_widen_the_page() {
    let mut appliance = Appliance::new();
    let long = "\x1b[2J\n".repeat(100).leak();
    appliance.view.version = long;
    appliance.view.boot.method = long;
    appliance.view.boot.command_line = long;
    appliance.view.clock.source = long;
    appliance.view.uptime_ns = u64::MAX;
    appliance.view.memory.total_bytes = u64::MAX;
    appliance.statistics = vec![Statistic {
        name: long,
        value: u64::MAX,
    }];
    appliance
        .interface
        .record_residence(Ticks(u64::MAX), u64::MAX, u32::MAX);
    // The helper checks every line's length.
    let page = page(&appliance);
    assert!(!page.contains('\x1b'), "{page}");
    assert!(!appliance.printed(Reply::banner()).contains('\x1b'));
}

#[test]
fn a_card_cannot_be_chosen_and_the_usage_lists_what_can() {
    let mut appliance = Appliance::new();
    let said = appliance.typed("status xyz");
    let parts = said.trim().strip_prefix("status: 'xyz' is not one of ");
    let parts = parts.expect("it lists them").replace(", ", "|");
    assert_eq!(
        appliance.typed("status residence eth0"),
        format!("unexpected word 'eth0'; usage: status [{parts}]\n")
    );
}

#[test]
fn a_part_of_the_page_is_what_stands_there_in_the_whole() {
    let mut appliance = Appliance::new();
    appliance.answer(2_894);
    appliance.configure(&["ip link add link eth0 name eth0.7 type vlan id 7"]);
    let whole = page(&appliance);
    let parts = [
        "system",
        "memory",
        "port",
        "device",
        "counters",
        "residence",
        "loop",
        "console",
    ];
    let text = parts.map(|part| appliance.typed(&format!("status {part}")));
    assert_eq!(text.concat(), whole);
    assert_eq!(text[3].matches("device ").count(), 2);
    // This card has counted nothing.
    assert_eq!(appliance.typed("status statistics"), "");
    assert_eq!(appliance.typed("status -j statistics"), "{}\n");
    assert!(appliance.typed("status -j loop").starts_with("{\"loop\":{"));
    assert_eq!(
        appliance.typed("status devices"),
        "status: 'devices' is not one of system, memory, port, device, counters, statistics, residence, loop, console; did you mean 'device'?\n"
    );
}

#[test]
fn a_part_is_found_behind_thousands_of_devices() {
    let mut appliance = Appliance::new();
    for vid in (1..=4094).filter(|&vid| vid != 42) {
        let added = appliance
            .interface
            .add_vlan_device(&format!("eth0.{vid}"), vid);
        assert_eq!(added, Ok(()));
    }
    for (part, lines) in [("counters", 4), ("residence", 2), ("device", 4094 * 4 + 1)] {
        let shown = appliance.typed(&format!("status {part}"));
        assert_eq!(shown.lines().count(), lines, "{part}");
    }
}
