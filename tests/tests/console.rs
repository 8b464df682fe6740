//! The serial console, as somebody who types at it sees it.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use pollux_issuer::frame::{Echo, Link, Received, Tag};
use pollux_tests::PATIENCE;
use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::console::PROMPT;
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE, PEER, Peer};
use pollux_tests::suite::Suite;

/// The longest that a line may take to be printed.
const PRINT_LIMIT: Duration = PATIENCE;

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test("the_banner_names_the_appliance", |appliance| {
        let log = appliance.console.log();
        assert!(log.contains("\nPollux "), "{log}");
    });
    suite.test("help_lists_the_commands", help_lists_the_commands);
    suite.test("help_explains_a_command", |appliance| {
        let help = appliance.console.command("help trace");
        assert!(help.contains("trace [on|off]"), "{help}");
    });
    suite.test("status_shows_what_is_configured", status_shows_the_defaults);
    suite.test("an_unknown_command_is_named", an_unknown_command_is_named);
    suite.test("a_wrong_word_is_named", a_wrong_word_is_named);
    suite.test("trace_prints_answered_pings", trace_prints_answered_pings);
    suite.test("a_line_can_be_corrected", a_line_can_be_corrected);
    suite.test(
        "a_line_that_is_too_long_is_refused_as_a_whole",
        a_line_too_long_is_refused,
    );
    suite.test(
        "commands_typed_ahead_are_all_carried_out",
        commands_typed_ahead,
    );
    suite.test(
        "a_script_pasted_at_once_is_carried_out_whole",
        a_pasted_script,
    );
    suite.test(
        "faults_cannot_be_provoked_outside_of_tests",
        faults_cannot_be_provoked,
    );
    suite.test(
        "noise_on_the_serial_line_does_not_stop_pings",
        noise_does_not_stop_pings,
    );
    suite.test("printing_does_not_stop_pings", printing_does_not_stop_pings);
    suite.test("tab_completes_and_the_history_comes_back", tab_and_history);
    suite.test("a_vlan_is_made_and_removed_by_hand", a_vlan_by_hand);
    suite.test("oob_net_icmp_prints_until_ctrl_c", oob_net_icmp);
    suite.test("ping_asks_and_sums_up", ping_asks_and_sums_up);
    suite.test("arping_asks_and_waits_for_the_answer", arping_waits);
    suite.test("turns_of_the_loop_are_forgotten", turns_are_forgotten);
    suite.test("top_goes_on_until_ctrl_c", |appliance| {
        let mark = appliance.console.mark();
        appliance.console.type_bytes(b"top\r");
        appliance.console.wait_for(mark, "\neth0 ", PRINT_LIMIT);
        appliance.console.type_bytes(b"\x03");
        appliance.console.fresh_prompt();
    });
    suite.test("a_long_reply_ends_at_ctrl_c", a_long_reply_is_ended);
    suite.test(
        "no_typing_ahead_keeps_ctrl_c_from_what_only_it_ends",
        no_typing_ahead_keeps_ctrl_c_from_what_only_it_ends,
    );
    suite.test("a_program_reads_json", a_program_reads_json);
    suite.test(
        "configuring_under_load_does_not_stop_pings",
        configuring_under_load,
    );
    suite.test_alone(
        "the_script_of_the_documentation_reads_counters",
        documented_script,
    );
    suite.test_alone("a_start_up_file_configures_everything", a_start_up_file);
    suite.test_alone("commands_stand_on_the_boot_command_line", boot_command_line);
    suite.run()
}

/// Types lines that say nothing in return.
fn configure(appliance: &mut Appliance, lines: &[&str]) {
    for line in lines {
        assert_eq!(appliance.console.command(line), "", "{line}");
    }
}

/// Pings an address of the appliance once, on a VLAN. What the appliance says about its new addresses
/// meanwhile is passed over.
fn ping_on(peer: &mut Peer, vid: u16, source: Ipv4Addr, destination: Ipv4Addr) {
    let link = Link {
        tag: Some(Tag::new(vid)),
        ..Peer::link()
    };
    let request = Echo::new(source, destination, b"by hand").request(&link);
    peer.send(&request);
    let answers = std::iter::from_fn(|| peer.receive(ANSWER_LIMIT));
    let is_arp = |frame: &Vec<u8>| frame.get(16..18) == Some(&[0x08, 0x06]);
    let answer = answers.into_iter().find(|frame| !is_arp(frame));
    let answer = answer.expect("an answer");
    assert_eq!(answer.get(14..16), Some(&vid.to_be_bytes()[..]));
}

const PEER_43: Ipv4Addr = Ipv4Addr::new(10, 10, 43, 10);
const APPLIANCE_43: Ipv4Addr = Ipv4Addr::new(10, 10, 43, 11);

fn tab_and_history(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"tra\tof\t\r");
    let line = "trace off \ntrace is off, ";
    appliance.console.wait_for(mark, line, PRINT_LIMIT);
    appliance.console.fresh_prompt();
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"ip link \t\tshow eth0.42\x01sudo \r");
    let printed = appliance.console.wait_for(mark, "link/ether", PRINT_LIMIT);
    assert!(printed.contains("\nadd                del "), "{printed}");
    appliance.console.fresh_prompt();
    let mark = appliance.console.mark();
    // Past the word with which the prompt was asked for.
    appliance.console.type_bytes(b"\x1b[A\x1b[A\r");
    appliance.console.wait_for(mark, "link/ether", PRINT_LIMIT);
    appliance.console.fresh_prompt();
}

fn a_vlan_by_hand(appliance: &mut Appliance) {
    configure(
        appliance,
        &[
            "ip link add link eth0 name eth0.43 type vlan id 43",
            "ip addr add 10.10.43.11/24 dev eth0.43",
            "sudo evl net -ei eth0.43",
            "sudo -c \"echo 42-43 > /sys/class/evl/net/vlans\"",
        ],
    );
    ping_on(&mut appliance.peer, 43, PEER_43, APPLIANCE_43);
    ping_on(&mut appliance.peer, 42, PEER, APPLIANCE);
    assert_eq!(
        appliance.console.command("ip -br addr show dev eth0.43"),
        "eth0.43@eth0     UP             10.10.43.11/24 \n"
    );
    let config = appliance.console.command("config show");
    assert!(config.contains("\nevl net -N42-43\n"), "{config}");
    configure(appliance, &["ip link del eth0.43", "evl net -N42"]);
    let refused = appliance.console.command("ip addr show dev eth0.43");
    assert_eq!(
        refused,
        "eth0.43: no such interface; did you mean 'eth0.42'?\n"
    );
    ping_on(&mut appliance.peer, 42, PEER, APPLIANCE);
    appliance.counters().assert_complete();
}

fn oob_net_icmp(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"oob-net-icmp -i eth0.42\r");
    let listening = "listening to interface eth0.42\n";
    appliance.console.wait_for(mark, listening, PRINT_LIMIT);
    appliance.peer.assert_pings(3);
    let last = "[2] count=84, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a\n";
    let printed = appliance.console.wait_for(mark, last, PRINT_LIMIT);
    // As on EVL: nothing but the traces.
    let (_, traces) = printed.split_once(listening).expect("was waited for");
    assert!(
        traces.lines().all(|line| line.starts_with('[')),
        "{printed}"
    );
    appliance.console.type_bytes(b"\x03");
    appliance
        .console
        .wait_for(mark, &format!("^C\n{PROMPT}"), PRINT_LIMIT);
    let reply = appliance.console.command("trace");
    assert!(reply.starts_with("trace is off, "), "{reply}");

    let reply = appliance.console.command("# oob-net-icmp -i eth0.42");
    let hint = "a comment, nothing was done: leave the '# ' out\n";
    assert_eq!(reply, hint);
    assert_eq!(appliance.console.command("# Tell EVL about it"), "");

    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"oob-net-icmp -d -i eth0.42\r");
    appliance.console.wait_for(mark, listening, PRINT_LIMIT);
    appliance.peer.assert_pings(1);
    let dump = "mac=02:00:0a:0a:0a:0a\n== dumping ICMP request, length=102\n52 54 ";
    appliance.console.wait_for(mark, dump, PRINT_LIMIT);
    let words = ", vlan 42, IP 10.10.10.10 > 10.10.10.11: ICMP echo request, id ";
    appliance.console.wait_for(mark, words, PRINT_LIMIT);
    appliance.console.type_bytes(b"\x03");
    appliance
        .console
        .wait_for(mark, &format!("^C\n{PROMPT}"), PRINT_LIMIT);
}

/// What a host answers to an echo request in a VLAN.
fn echo_reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    let (to, from) = (request[..6].to_vec(), request[6..12].to_vec());
    reply[..6].copy_from_slice(&from);
    reply[6..12].copy_from_slice(&to);
    reply[30..34].copy_from_slice(&request[34..38]);
    reply[34..38].copy_from_slice(&request[30..34]);
    reply[38] = 0;
    // The type went from 8 to 0, and the sum with it (RFC 1624).
    let sum = u32::from(u16::from_be_bytes([request[40], request[41]])) + 0x0800;
    let sum = (sum + (sum >> 16)) as u16;
    reply[40..42].copy_from_slice(&sum.to_be_bytes());
    reply
}

/// Answers the first two echo requests of a ping, and none that is left of the one before.
fn answer_two_pings(appliance: &mut Appliance) {
    for sequence in 1..=2 {
        let requests = std::iter::from_fn(|| appliance.peer.receive(ANSWER_LIMIT));
        let is_request = |frame: &Vec<u8>| {
            frame.get(38) == Some(&8)
                && frame.get(27) == Some(&1)
                && frame.get(44..46) == Some(&[0, sequence])
        };
        let request = requests.into_iter().find(is_request).expect("a request");
        appliance.peer.send(&echo_reply(&request));
    }
}

fn ping_asks_and_sums_up(appliance: &mut Appliance) {
    // Nobody has this address.
    let said = appliance.console.command("ping -c 1 10.10.10.99");
    assert_eq!(
        said,
        "\
PING 10.10.10.99 (10.10.10.99) 56(84) bytes of data.
From 10.10.10.11 icmp_seq=1 Destination Host Unreachable
--- 10.10.10.99 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss
"
    );
    assert_eq!(appliance.console.command("echo $?"), "1\n");
    configure(
        appliance,
        &["ip neigh add 10.10.10.10 lladdr 02:00:0a:0a:0a:0a dev eth0.42"],
    );
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"ping -c 3 -i 0.05 -W 0.2 10.10.10.10\r");
    answer_two_pings(appliance);
    let end = format!(" ms\n{PROMPT}");
    let printed = appliance.console.wait_for(mark, &end, PRINT_LIMIT);
    for part in [
        "PING 10.10.10.10 (10.10.10.10) 56(84) bytes of data.\n",
        "\n64 bytes from 10.10.10.10: icmp_seq=1 ttl=64 time=",
        "\n64 bytes from 10.10.10.10: icmp_seq=2 ttl=64 time=",
        "\n3 packets transmitted, 2 received, 33% packet loss",
        "\nrtt min/p50/p99/p99.9/max = ",
    ] {
        assert!(printed.contains(part), "{part} is missing in\n{printed}");
    }
    // Two replies end it long before its deadline, and neither is shown.
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"ping -q -i 0.05 -w 3600 -c 2 10.10.10.10\r");
    answer_two_pings(appliance);
    let printed = appliance.console.wait_for(mark, &end, PRINT_LIMIT);
    assert!(printed.contains(", 2 received, "), "{printed}");
    assert!(!printed.contains("bytes from"), "{printed}");
    assert_eq!(appliance.console.command("echo $?"), "0\n");
    // So does an error, without any count.
    let said = appliance.console.command("ping -w 3600 10.10.10.99");
    assert!(said.contains(" errors, "), "{said}");
    assert_eq!(appliance.console.command("echo rc=$?"), "rc=1\n");
    // It is about the command before it, on its line or the one before, and telling it went well.
    assert_eq!(appliance.console.command("echo $?"), "0\n");
    let said = appliance.console.command("cat nothing; echo $?; echo $?");
    assert!(said.ends_with("\n1\n1\n"), "{said}");
    assert_eq!(appliance.console.command("date | grep x; echo $?"), "0\n");
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"ping 10.10.10.10\r");
    appliance
        .console
        .wait_for(mark, "bytes of data.\n", PRINT_LIMIT);
    appliance.console.type_bytes(b"\x03");
    appliance
        .console
        .wait_for(mark, "% packet loss\n", PRINT_LIMIT);
    configure(appliance, &["ip neigh del 10.10.10.10 dev eth0.42"]);
    while appliance.peer.receive(Duration::from_millis(200)).is_some() {}
}

/// Whoever asks for us is answered, and the prompt comes back with the answer, not before.
fn turns_are_forgotten(appliance: &mut Appliance) {
    let answering = |appliance: &mut Appliance| {
        let shown = appliance.console.command("show turns");
        let mut rows = shown.lines().map(str::split_whitespace);
        let row = rows.find_map(|mut row| (row.next()? == "answering").then_some(row));
        row.map_or(0, |mut row| {
            let turns = row.next().and_then(|turns| turns.parse::<u64>().ok());
            turns.unwrap_or_else(|| panic!("no number in {shown}"))
        })
    };
    appliance.peer.assert_pings(20);
    assert!(answering(appliance) > 0);
    let said = appliance.console.command("show turns reset");
    assert_eq!(said, "turns forgotten\n");
    assert_eq!(answering(appliance), 0);
    appliance.peer.assert_pings(20);
    assert!(answering(appliance) > 0);
}

fn arping_waits(appliance: &mut Appliance) {
    let said = appliance.console.command("arping -c 2 10.10.10.99");
    assert_eq!(
        said,
        "ARPING 10.10.10.99 from 10.10.10.11 eth0.42\n\
         Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n"
    );
    assert_eq!(appliance.console.command("echo $?"), "1\n");
    let said = appliance
        .console
        .command("arping -q -c 1 10.10.10.99; echo $?");
    assert_eq!(said, "1\n");
    while appliance.peer.receive(Duration::from_millis(200)).is_some() {}
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"arping -f -I eth0.42 10.10.10.10\r");
    let mut frames = std::iter::from_fn(|| appliance.peer.receive(ANSWER_LIMIT));
    let answer = frames.find_map(|frame| Peer::station().answer(&Received::parse(&frame)?));
    appliance.peer.send(&answer.expect("it is asked for"));
    let end = format!("Received 1 response(s)\n{PROMPT}");
    let printed = appliance.console.wait_for(mark, &end, PRINT_LIMIT);
    let expected = "ARPING 10.10.10.10 from 10.10.10.11 eth0.42\n\
         Unicast reply from 10.10.10.10 [02:00:0a:0a:0a:0a]  ";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(appliance.console.command("echo $?"), "0\n");
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"arping 10.10.10.99\r");
    appliance
        .console
        .wait_for(mark, "10.10.10.11 eth0.42\n", PRINT_LIMIT);
    appliance.console.type_bytes(b"\x03");
    let end = format!("Received 0 response(s)\n{PROMPT}");
    let printed = appliance.console.wait_for(mark, &end, PRINT_LIMIT);
    assert!(printed.contains("^C\nSent "), "{printed}");
    while appliance.peer.receive(Duration::from_millis(200)).is_some() {}
}

fn a_long_reply_is_ended(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"status\r\x03date\r");
    let printed = appliance
        .console
        .wait_for(mark, "since the start\n", PRINT_LIMIT);
    assert!(printed.contains("^C\n"), "{printed}");
    appliance.console.fresh_prompt();
}

fn no_typing_ahead_keeps_ctrl_c_from_what_only_it_ends(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"top\r");
    appliance.console.wait_for(mark, "received/s", PRINT_LIMIT);
    appliance.console.type_bytes(&[b'x'; 1000]);
    appliance.console.type_bytes(b"\x03");
    appliance.console.wait_for(mark, "^C\n", PRINT_LIMIT);
    appliance.console.fresh_prompt();
}

fn a_program_reads_json(appliance: &mut Appliance) {
    appliance.peer.assert_pings(1);
    let link = appliance.console.command("ip -j -s link show dev eth0.42");
    assert!(
        link.starts_with("[{\"ifindex\":3,\"link\":\"eth0\","),
        "{link}"
    );
    assert!(link.contains("\"stats64\":{\"rx\":{\"bytes\":"), "{link}");
    assert!(link.ends_with("}\n]\n"), "{link}");
}

fn configuring_under_load(appliance: &mut Appliance) {
    let (console, peer) = (&mut appliance.console, &mut appliance.peer);
    std::thread::scope(|scope| {
        let typist = scope.spawn(|| {
            for vid in 100..120 {
                console.command(&format!("ip link add link eth0 type vlan id {vid}"));
                console.command(&format!("ip addr add 10.10.{vid}.1/24 dev eth0.{vid}"));
                console.command(&format!("evl net -N+{vid} -ei eth0.{vid}"));
            }
            console.command("ip -d -s link");
            console.command("config show");
            for vid in 100..120 {
                console.command(&format!("ip link del eth0.{vid}"));
            }
            console.command("evl net -N42");
        });
        while !typist.is_finished() {
            ping_on(peer, 42, PEER, APPLIANCE);
        }
    });
    assert_eq!(appliance.console.command("evl net -n"), "42\n");
    appliance.counters().assert_complete();
}

fn documented_script() {
    let socket = Scratch::new("console.sock", "");
    let path = socket.0.display().to_string();
    std::fs::remove_file(&path).expect("was just made");
    let mut appliance = Boot::new()
        .without_console()
        .with(&["--serial", &format!("socket:{path}")])
        .start();
    appliance.peer.assert_pings(5);
    let script = pollux_tests::appliance::root().join("docs/read_counters.py");
    let run = |arguments: &[&str]| {
        let mut python = std::process::Command::new("python3");
        let output = python.arg(&script).args(arguments).output();
        output.expect("python3 starts")
    };
    let ask = |command: &str| {
        let output = run(&[&path, command]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let link = ask("ip -j -s link show dev eth0.42");
    assert!(
        link.starts_with("[{\"ifindex\": 3, \"link\": \"eth0\""),
        "{link}"
    );
    let drops = ask("show drops -j");
    assert!(
        drops.starts_with("[{\"ifname\": \"eth0\", \"received\": "),
        "{drops}"
    );
    let status = ask("status -j");
    assert!(
        status.contains("\"counters eth0\": {\"received\": "),
        "{status}"
    );
    let wrong = run(&[&path, "shwo -j"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let said = String::from_utf8_lossy(&wrong.stdout);
    assert!(
        said.contains("{\"error\": \"unknown command 'shwo'"),
        "{said}"
    );
    let nowhere = format!("{path}.nowhere");
    for (arguments, said) in [
        (
            &[path.as_str(), "status"][..],
            "'status' is not answered in JSON; with -j it is".to_owned(),
        ),
        (&[&nowhere], format!("{nowhere}: No such file or directory")),
        (&[], "usage: read_counters.py SOCKET [COMMAND]".to_owned()),
    ] {
        let failed = run(arguments);
        assert_eq!(failed.status.code(), Some(2), "{failed:?}");
        let printed = String::from_utf8_lossy(&failed.stderr);
        assert_eq!(printed, format!("read_counters.py: {said}\n"));
    }
}

/// A file of this test program's own, removed when it is done with.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = directory.join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("the file can be written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn a_start_up_file() {
    let text = "# what is served\r\n\
ip link add link eth0 name eth0.43 type vlan id 43\n\
ip addr add 10.10.43.11/33 dev eth0.43\n\
  ip addr add 10.10.43.11/24 dev eth0.44\n\
ip addr add 10.10.43.11/24 dev eth0.43\n\
evl net -ei eth0.43 -N43\n";
    let file = Scratch::new("start.conf", text);
    let path = file.0.display().to_string();
    let name = file.0.file_name().and_then(|name| name.to_str());
    let name = name.expect("has a name");
    let mut appliance = Boot::new().with(&["--config", &path]).spawn();
    appliance.console.wait_for_prompt(PRINT_LIMIT * 3);
    appliance.console.fresh_prompt();
    let log = appliance.console.log();
    for reported in [
        format!("{name}, line 3, column 13: ip addr: '10.10.43.11/33' is not an IPv4 address"),
        format!("{name}, line 4, column 32: eth0.44: no such interface; did you mean 'eth0.43'?"),
    ] {
        assert!(log.contains(&reported), "{reported} is missing in\n{log}");
    }
    // They can be seen later, too.
    let errors = appliance.console.command("config errors");
    let mut errors = errors.lines();
    for number in [3, 4] {
        let begin = format!("{name}, line {number}, column ");
        assert!(errors.next().is_some_and(|said| said.starts_with(&begin)));
    }
    assert_eq!(errors.next(), None);
    let told = appliance
        .status()
        .value("system", "start_errors")
        .to_owned();
    assert_eq!(told, "2: 'config errors' lists them");
    // The other lines count, and the defaults do not.
    ping_on(&mut appliance.peer, 43, PEER_43, APPLIANCE_43);
    assert_eq!(
        appliance.console.command("config show"),
        "\
ip link add link eth0 name eth0.43 type vlan id 43
ip link set dev eth0.43 up
evl net -e -i eth0.43
ip addr add 10.10.43.11/24 dev eth0.43
evl net -N43
"
    );
    // What the start made is what changes are told against.
    assert_eq!(appliance.console.command("config diff"), "");
    appliance
        .console
        .command("ip addr add 10.10.43.12/24 dev eth0.43");
    assert_eq!(
        appliance.console.command("config diff"),
        "+ip addr add 10.10.43.12/24 dev eth0.43\n"
    );
    let listed = appliance.console.command("ls");
    assert!(listed.contains(name), "{listed}");
    let shown = appliance.console.command(&format!("cat {name}"));
    assert_eq!(shown, text.replace('\r', ""));
}

fn boot_command_line() {
    let word = "pollux.config=\"trace on; ip addr add 10.10.10.99/24 dev eth0; nonsense\"";
    let mut appliance = Boot::new().word(word).word("pollux.tace").spawn();
    appliance.console.wait_for_prompt(PRINT_LIMIT * 3);
    appliance.console.fresh_prompt();
    let errors = appliance.console.command("config errors");
    let unknown = "'pollux.tace' ignored: no such parameter; did you mean 'pollux.trace'?\n";
    assert!(errors.contains(unknown), "{errors}");
    let log = appliance.console.log();
    assert!(log.contains(unknown), "{log}");
    let reported = "pollux.config, line 3, column 1: unknown command 'nonsense'";
    assert!(log.contains(reported), "{log}");
    assert_eq!(
        appliance.console.command("config show"),
        "ip addr add 10.10.10.99/24 dev eth0\n"
    );
    assert_eq!(appliance.status().value("console", "trace"), "on");
}

fn help_lists_the_commands(appliance: &mut Appliance) {
    let help = appliance.console.command("help");
    let names: Vec<_> = help
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for command in ["help", "status", "trace", "reboot", "poweroff"] {
        assert!(names.contains(&command), "{help}");
    }
    assert!(!names.contains(&"fault"), "{help}");
}

fn status_shows_the_defaults(appliance: &mut Appliance) {
    let status = appliance.status();
    assert_eq!(status.value("port eth0", "mac"), "52:54:00:12:34:56");
    let link = status.value("port eth0", "link");
    // A virtio card may not know how fast it is.
    let is_virtio = std::env::var("POLLUX_NIC").is_ok_and(|nic| nic.starts_with("virtio"));
    let is_right = link == "up 1000 Mbit/s full duplex" || (is_virtio && link.starts_with("up"));
    assert!(is_right, "{link}");
    assert_eq!(status.value("port eth0", "vlan_filter"), "42");
    assert_eq!(status.value("device eth0.42", "address"), "10.10.10.11/24");
    assert_eq!(status.value("console", "trace"), "off");
    status.counters("eth0").assert_complete();
}

fn an_unknown_command_is_named(appliance: &mut Appliance) {
    for (typed, reply) in [
        (
            "statsu",
            "unknown command 'statsu'; did you mean 'status'?\n",
        ),
        (
            "xyzzy",
            "unknown command 'xyzzy'; type 'help' for the list\n",
        ),
    ] {
        assert_eq!(appliance.console.command(typed), reply);
    }
}

fn a_wrong_word_is_named(appliance: &mut Appliance) {
    for (typed, reply) in [
        (
            "trace om",
            "trace: 'om' is not one of on, off; did you mean 'on'?\n",
        ),
        (
            "status eth0",
            "status: 'eth0' is not one of system, memory, port, device, counters, statistics, residence, loop, console\n",
        ),
    ] {
        assert_eq!(appliance.console.command(typed), reply);
    }
}

fn trace_prints_answered_pings(appliance: &mut Appliance) {
    assert_eq!(
        appliance.console.command("trace on"),
        "trace is on, 0 lines dropped\n"
    );
    let mark = appliance.console.mark();
    for size in [56, 0, 1472] {
        let payload = vec![0x5a; size];
        let request = Echo::new(PEER, APPLIANCE, &payload).request(&Peer::link());
        appliance.peer.exchange(&request);
    }
    let lines = "\
[0] count=84, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a
[1] count=28, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a
[2] count=1500, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a
";
    // The prompt comes and goes with every line.
    let end = format!(
        "[2] count=1500, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a\n{PROMPT}"
    );
    let printed = appliance.console.wait_for(mark, &end, PRINT_LIMIT);
    assert_eq!(printed.replace(PROMPT, ""), lines);

    assert_eq!(
        appliance.console.command("trace off"),
        "trace is off, 0 lines dropped\n"
    );
    let mark = appliance.console.mark();
    appliance.peer.assert_pings(3);
    appliance.console.command("trace");
    let printed = appliance
        .console
        .wait_for(mark, "trace is off", PRINT_LIMIT);
    assert!(!printed.contains("count="), "{printed}");
}

fn a_line_can_be_corrected(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(b"nonsense\x15tracx\x7fe off\r");
    let reply = "trace is off, 0 lines dropped\n";
    appliance
        .console
        .wait_for(mark, &format!("{reply}{PROMPT}"), PRINT_LIMIT);

    // What is given up is not carried out.
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"poweroff\x03\r");
    appliance.console.fresh_prompt();
    let printed = appliance.console.since(mark);
    assert!(!printed.contains("switching off"), "{printed}");
    appliance.peer.assert_pings(1);
}

fn a_line_too_long_is_refused(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    let line = [vec![b' '; 300], b"trace on\r".to_vec()].concat();
    appliance.console.type_bytes(&line);
    let reply = "line ignored: it is longer than 256 octets\n";
    appliance.console.wait_for(mark, reply, PRINT_LIMIT);
    appliance.console.fresh_prompt();
    assert_eq!(
        appliance.console.command("trace"),
        "trace is off, 0 lines dropped\n"
    );
}

fn commands_typed_ahead(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    let lines: String = (0..20)
        .map(|number| format!("unknown{number:02}\n"))
        .collect();
    appliance.console.type_bytes(lines.as_bytes());
    let printed = appliance
        .console
        .wait_for(mark, "command 'unknown19'", PRINT_LIMIT);
    for number in 0..20 {
        let reply = format!("unknown command 'unknown{number:02}'");
        assert!(printed.contains(&reply), "{reply} is missing in\n{printed}");
    }
    appliance.console.fresh_prompt();
}

fn a_pasted_script(appliance: &mut Appliance) {
    // More than the appliance can keep: what it does not take yet must wait in the line.
    let mark = appliance.console.mark();
    let lines: String = (0..200)
        .map(|number| format!("pasted line {number:03}\n"))
        .collect();
    appliance.console.type_bytes(lines.as_bytes());
    appliance
        .console
        .wait_for(mark, "pasted line 199\n", PRINT_LIMIT);
    appliance.console.fresh_prompt();
    let printed = appliance.console.since(mark);
    for number in 0..200 {
        let echo = format!("pasted line {number:03}\nunknown command 'pasted'");
        assert!(
            printed.contains(&echo),
            "line {number} is missing in\n{printed}"
        );
    }
}

fn faults_cannot_be_provoked(appliance: &mut Appliance) {
    let reply = appliance.console.command("fault panic");
    assert!(reply.starts_with("unknown command 'fault'"), "{reply}");
    appliance.peer.assert_pings(1);
}

fn noise_does_not_stop_pings(appliance: &mut Appliance) {
    // Every octet there is, over and over, in an order that makes no sequence twice.
    let noise: Vec<u8> = (0..16_384_u32).map(|at| (at * at / 7 + at) as u8).collect();
    let (console, peer) = (&mut appliance.console, &mut appliance.peer);
    std::thread::scope(|scope| {
        let typist = scope.spawn(|| {
            for chunk in noise.chunks(512) {
                console.type_bytes(chunk);
            }
        });
        while !typist.is_finished() {
            peer.assert_pings(100);
        }
    });
    peer.assert_pings(1000);
    // What was typed ahead is worked off; then the console listens again.
    appliance.console.fresh_prompt();
    appliance.counters().assert_complete();
}

fn printing_does_not_stop_pings(appliance: &mut Appliance) {
    appliance.console.command("trace on");
    let report = appliance.peer.ping(|settings| {
        settings.count = Some(5_000);
        settings.window = 64;
    });
    assert!(report.all_answered(), "{report}");
    appliance.console.fresh_prompt();
    let reply = appliance.console.command("trace off");
    assert!(reply.starts_with("trace is off, "), "{reply}");
    appliance.counters().assert_complete();
}
