//! Nothing that is typed at the console moves what is real-time.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pollux_tests::PATIENCE;
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT};
use pollux_tests::console::Console;
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE, Peer, VLAN};
use pollux_tests::residence::{await_first_answer, counted, longest_residence};
use pollux_tests::suite::Suite;

/// Pings of each half, in CI and in the long test.
const PINGS: u64 = 60_000;
const MANY_PINGS: u64 = 1_000_000;
/// How many of them wait for their answers at a time: more than that the wire between the processes would lose.
const WINDOW: usize = 32;
/// The octets of the longest line.
const CAPACITY: usize = 256;
/// What no turn may take for a line that is typed or printed, in instructions.
const LONGEST_TURN: u64 = 75_000;
/// The same where every VLAN has a device with an address: a new address is held against each of the others, and each route.
const LONGEST_TURN_OF_ALL: u64 = 500_000;
/// The longest that a page may take to be printed.
const PRINT_LIMIT: Duration = PATIENCE;

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test_alone("a_script_that_never_pauses_leaves_residence_alone", || {
        script_under_traffic(PINGS);
    });
    suite.test_long("a_million_pings_beside_a_script_that_never_pauses", || {
        script_under_traffic(MANY_PINGS);
    });
    suite.test_alone("commands_on_many_vlans_take_no_long_turn", || {
        many_vlans(300, LONGEST_TURN);
    });
    suite.test_long(
        "commands_on_all_the_vlans_that_there_can_be_take_no_long_turn",
        || {
            many_vlans(4_094, LONGEST_TURN_OF_ALL);
        },
    );
    suite.test_alone("neighbors_are_gone_through_without_a_long_turn", || {
        many_neighbors(4_000);
    });
    suite.test_long(
        "all_the_neighbors_that_there_can_be_are_gone_through_without_a_long_turn",
        || {
            many_neighbors(120_000);
        },
    );
    suite.run()
}

/// Has many hosts heard of in a table with room for as many as there can be, and goes through all of it in every way.
fn many_neighbors(hosts: u32) {
    let mut appliance = counted().word("pollux.neighbors=65536").spawn();
    appliance.console.wait_for_prompt(START_LIMIT);
    let log = appliance.console.log();
    assert!(log.contains("eth0: room for 65536 neighbors"), "{log}");
    await_first_answer(&mut appliance);
    let hosts: Vec<u32> = (0..hosts).collect();
    for some in hosts.chunks(WINDOW) {
        for &host in some {
            appliance.peer.send(&request_of(host));
        }
        for _ in some {
            let answer = appliance.peer.receive(ANSWER_LIMIT);
            assert!(answer.is_some(), "an ARP request was not answered");
        }
    }
    let last = *hosts.last().expect("there is one");
    let [_, second, third, fourth] = last.to_be_bytes();
    let known = format!(
        "10.{}.{third}.{fourth} dev eth0.42 lladdr 02:02:00:{second:02x}:{third:02x}:{fourth:02x} REACHABLE \n",
        64 + second
    );
    let address = format!("10.{}.{third}.{fourth}", 64 + second);
    let show = format!("ip neigh show {address}");
    assert_eq!(appliance.console.command(&show), known);
    for line in ["ip neigh show nud permanent", "config show | grep neigh"] {
        appliance.console.obeys(line);
    }
    appliance.console.obeys("ip neigh flush dev eth0.42");
    appliance.console.obeys(&show);
    appliance.console.obeys("ip neigh");
    appliance.peer.exchange(&request_of(last));
    assert_eq!(appliance.console.command("ip neigh"), known);
    appliance.console.obeys("ip neigh flush all");
    appliance.console.obeys("ip neigh");
    appliance.console.obeys("ip link del eth0.42");
    assert_short_turns(&mut appliance, LONGEST_TURN);
}

/// Makes many VLAN devices, each with an address and an out-of-band port, and has commands carried out that concern all.
fn many_vlans(count: u16, limit: u64) {
    let mut appliance = counted().spawn();
    appliance.console.wait_for_prompt(START_LIMIT);
    await_first_answer(&mut appliance);
    let vids = (1..).filter(|&vid| vid != VLAN);
    for vid in vids.take(usize::from(count) - 1) {
        let (high, low) = (vid >> 8, vid & 0xff);
        let name = format!("eth0.{vid}");
        appliance.console.obeys(&format!(
            "ip link add link eth0 name {name} type vlan id {vid}; evl net -ei {name}; ip addr add 172.{}.{low}.1/24 dev {name}",
            16 + high
        ));
    }
    print_longest(&mut appliance, "they were made");
    let every_second = |from: u16| {
        let list = (from..).step_by(2).take(48).map(|vid| vid.to_string());
        list.collect::<Vec<_>>().join(",")
    };
    let lines = [
        "evl net -N2-4094".to_owned(),
        "evl net -N42".to_owned(),
        format!("evl net -N{}", every_second(2)),
        format!("evl net -N+{}", every_second(2_000)),
        "evl net -N2-4094".to_owned(),
        "ip link set eth0 down".to_owned(),
        "ip link set eth0 up".to_owned(),
        "ip link set eth0.9 mtu 1400".to_owned(),
        "ip link set eth0.9 name nine".to_owned(),
        "ip addr del 172.16.8.1/24 dev eth0.8".to_owned(),
        "ip addr add 172.16.8.1/24 dev eth0.8".to_owned(),
        "ip link del nine".to_owned(),
        "ip link add link eth0 name eth0.9 type vlan id 9".to_owned(),
        "ip route add 192.0.2.0/24 via 172.16.8.9".to_owned(),
        "ip route del 192.0.2.0/24".to_owned(),
        "sysctl -q net.vlan.icmp_msgs_burst=7".to_owned(),
    ];
    for line in lines {
        appliance.console.obeys(&line);
        print_longest(&mut appliance, &line);
    }
    for line in [
        "ip link set eth0.4095 up",
        "ip route get 172.16.8.77",
        "ip neigh show dev eth0.8",
        "config show | grep 172.16.8.1/",
        "ip -br addr show dev eth0.8",
        "config diff | grep 172.16.7.1/",
        "evl net -Q -i eth0.8",
    ] {
        appliance.console.command(line);
        print_longest(&mut appliance, line);
    }
    assert_short_turns(&mut appliance, limit);
}

/// Tells the longest turn so far.
fn print_longest(appliance: &mut Appliance, after: &str) {
    let longest = appliance.status_of("loop").ticks("loop", "longest_turn") / 8;
    println!("    {longest:7} instructions in the longest turn, after {after}");
}

/// An ARP request from one of many hosts.
fn request_of(host: u32) -> Vec<u8> {
    let [_, second, third, fourth] = host.to_be_bytes();
    let mac = [2, 2, 0, second, third, fourth];
    let sender = [10, 64 + second, third, fourth];
    let [high, low] = VLAN.to_be_bytes();
    let target = APPLIANCE.octets();
    [
        &[0xff; 6][..],
        &mac,
        &[0x81, 0x00, high, low],
        &[0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1],
        &mac,
        &sender,
        &[0; 6],
        &target,
        &[0; 18],
    ]
    .concat()
}

fn assert_short_turns(appliance: &mut Appliance, limit: u64) -> u64 {
    let longest_turn = appliance.status_of("loop").ticks("loop", "longest_turn") / 8;
    assert!(
        longest_turn < limit,
        "{longest_turn} instructions in the longest turn:\n{}",
        appliance.console.command("show turns")
    );
    longest_turn
}

/// Pings at full traffic, first in quiet, then while a script asks for the longest pages without a pause.
fn script_under_traffic(pings: u64) {
    let mut appliance = counted().spawn();
    appliance.console.wait_for_prompt(START_LIMIT);
    await_first_answer(&mut appliance);
    // Something to be shown.
    for _ in 0..200 {
        let mut wrong = Peer::request(b"of no VLAN of ours");
        wrong[24] ^= 1;
        appliance.peer.send(&wrong);
    }
    appliance.console.command("latency reset");
    full_traffic(&mut appliance.peer, pings);
    let quiet = longest_residence(&mut appliance);

    appliance.console.command("latency reset");
    let is_over = AtomicBool::new(false);
    let Appliance { console, peer, .. } = &mut appliance;
    let pages = std::thread::scope(|scope| {
        let script = scope.spawn(|| without_pause(console, &is_over));
        full_traffic(peer, pings);
        is_over.store(true, Ordering::Relaxed);
        script.join().expect("the script was answered")
    });
    let scripted = longest_residence(&mut appliance);
    // What is typed costs the same behind a long line, and so does the search for what was meant.
    appliance.console.command(&"x".repeat(CAPACITY));
    appliance.console.command("statsu");
    let longest_turn = assert_short_turns(&mut appliance, LONGEST_TURN);
    println!(
        "\n    {quiet} instructions at most in quiet, {scripted} beside {pages} pages, {longest_turn} in the longest turn"
    );
    appliance.counters().assert_complete();
    assert!(pages > 3, "the script was hardly answered");
    assert!(
        scripted <= 2 * quiet,
        "{scripted} is more than twice {quiet}"
    );
}

/// Pings as fast as answers come. Not one may be lost.
fn full_traffic(peer: &mut Peer, pings: u64) {
    let report = peer.ping(|settings| {
        settings.count = Some(pings);
        settings.window = WINDOW;
        settings.timeout = ANSWER_LIMIT;
    });
    assert!(report.all_answered(), "{report}");
}

/// Asks for one page after the other. Returns how many came.
fn without_pause(console: &mut Console, is_over: &AtomicBool) -> u32 {
    let mut pages = 0;
    while !is_over.load(Ordering::Relaxed) {
        for page in [
            "status",
            "dump -n 128",
            "dump --pcap -n 128",
            "latency",
            "help",
        ] {
            let printed = console.command(page);
            assert!(printed.lines().count() > 3, "{printed}");
            pages += 1;
        }
        let mark = console.mark();
        console.type_bytes(b"top\r");
        console.wait_for(mark, "\neth0 ", PRINT_LIMIT);
        console.type_bytes(b"\x03");
        console.fresh_prompt();
        pages += 1;
    }
    pages
}
