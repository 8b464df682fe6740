//! The serial console, as somebody who types at it sees it.

use std::process::ExitCode;
use std::time::Duration;

use pollux_issuer::frame::Echo;
use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::console::PROMPT;
use pollux_tests::peer::{APPLIANCE, PEER, Peer};
use pollux_tests::suite::Suite;

/// The longest that a line may take to be printed.
const PRINT_LIMIT: Duration = Duration::from_secs(20);

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
    suite.run()
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
    assert_eq!(
        status.value("port eth0", "link"),
        "up 1000 Mbit/s full duplex"
    );
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
        ("status eth0", "unexpected word 'eth0'; usage: status\n"),
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
