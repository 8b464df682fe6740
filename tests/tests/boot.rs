//! How the appliance begins and how it ends: on other machines, and after a fault. What it is loaded from
//! is in `media.rs`.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use pollux_tests::PATIENCE;
use pollux_tests::appliance::{self, Appliance, Boot, START_LIMIT, run_sh};
use pollux_tests::peer::Peer;
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

/// The longest that an appliance may take to end when it was told to.
const END_LIMIT: Duration = PATIENCE;
/// The longest that writing an image may take, the image maker's own build included.
const IMAGE_LIMIT: Duration = Duration::from_secs(600);
/// QEMU's exit status after `poweroff` under test.
const POWERED_OFF: i32 = 33;
/// QEMU's exit status after a fault under test.
const FAULTED: i32 = 35;

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test("reboot_comes_back", reboot_comes_back);
    suite.test("poweroff_ends_with_its_status", |appliance| {
        appliance.peer.assert_pings(10);
        appliance.console.type_bytes(b"poweroff\r");
        let status = appliance.wait_for_exit(END_LIMIT);
        assert_eq!(status.code(), Some(POWERED_OFF));
    });
    suite.test_alone("poweroff_switches_the_machine_off", || {
        let mut appliance = Boot::new().without_test_exit().start();
        appliance.console.type_bytes(b"poweroff\r");
        assert_eq!(appliance.wait_for_exit(END_LIMIT).code(), Some(0));
    });

    fault_tests(&mut suite);
    machine_tests(&mut suite);
    command_line_tests(&mut suite);
    suite.run()
}

fn reboot_comes_back(appliance: &mut Appliance) {
    appliance.peer.assert_pings(10);
    assert!(appliance.counters().get("answered") >= 10);
    let mark = appliance.console.mark();
    appliance.console.type_bytes(b"reboot\r");
    appliance.console.wait_for(mark, "\nPollux ", START_LIMIT);
    let found = appliance.find(Instant::now() + START_LIMIT);
    assert!(found.is_some(), "no ARP reply after the restart");
    appliance.console.fresh_prompt();
    let before = appliance.counters();
    appliance.peer.assert_pings(10);
    let moved = appliance.counters().since(&before);
    assert_eq!(moved, vec![("received", 10), ("answered", 10)].into());
}

fn fault_tests(suite: &mut Suite) {
    for (fault, report) in [
        ("panic", "provoked"),
        ("page", "exception 14: page fault at 0x0000000000000010"),
        ("stack", "which is a guard page: stack overflow"),
        ("heap", "heap"),
        ("divide", "exception 0: divide error"),
        ("undefined", "exception 6: invalid opcode"),
    ] {
        suite.test_alone(&format!("fault_{fault}_is_reported"), move || {
            let mut appliance = Boot::new()
                .word("pollux.test")
                .word("pollux.panic=exit")
                .start();
            provoke(&mut appliance, fault, report, "*** exits ***");
            assert_eq!(appliance.wait_for_exit(END_LIMIT).code(), Some(FAULTED));
        });
    }
    suite.test_alone("an_option_without_its_value_says_what_it_takes", || {
        for (arguments, takes) in [
            (
                ["boot", "--net"],
                "  --net tap:IFNAME     the tap interface",
            ),
            (
                ["boot", "--serial"],
                "  --serial WHICH       stdio (default), none, or socket[:PATH]",
            ),
            (
                ["image", "--loader"],
                "  --loader WHICH       grub (default); network",
            ),
        ] {
            let mut command = Command::new(run_sh());
            let output = command.args(arguments).output().expect("run.sh starts");
            let said = String::from_utf8_lossy(&output.stderr);
            let needs = format!("run.sh: {} needs a value:\n", arguments[1]);
            assert!(said.starts_with(&needs) && said.contains(takes), "{said}");
            assert_eq!(output.status.code(), Some(2));
        }
    });
    suite.test_alone("a_fault_restarts_the_appliance_which_then_says_why", || {
        let boot = Boot::new().word("pollux.test");
        let mut appliance = boot.word("pollux.panic=restart").start();
        assert!(!appliance.status().has_row("system", "last_run_ended"));
        restarts_and_says_why(&mut appliance);
        // It is said once.
        reboot_comes_back(&mut appliance);
        assert!(!appliance.status().has_row("system", "last_run_ended"));
    });
    for firmware in ["bios", "uefi"] {
        suite.test_long(
            &format!("a_stick_says_why_it_restarted_under_{firmware}"),
            move || {
                let image = Scratch::new("pollux.img");
                let path = image.0.display().to_string();
                let kernel = appliance::kernel().display().to_string();
                let arguments = [
                    "image",
                    "--append",
                    "pollux.test",
                    "--kernel",
                    &kernel,
                    &path,
                ];
                appliance::run(&arguments, IMAGE_LIMIT);
                restarts_and_says_why(
                    &mut Boot::from_medium(&["--image", &path, "--firmware", firmware]).start(),
                );
            },
        );
    }
    suite.test_alone("a_fault_can_halt_the_appliance", || {
        let mut appliance = Boot::new()
            .word("pollux.test")
            .word("pollux.panic=halt")
            .start();
        provoke(
            &mut appliance,
            "undefined",
            "invalid opcode",
            "*** halted ***",
        );
        appliance.peer.send(&Peer::request(b"anybody there?"));
        let answer = appliance.peer.receive(Duration::from_secs(1));
        assert_eq!(answer, None, "a halted appliance answers");
        assert!(appliance.is_running());
    });
}

/// Provokes a fault, after which the appliance starts again and tells what happened.
fn restarts_and_says_why(appliance: &mut Appliance) {
    let mark = appliance.console.mark();
    provoke(appliance, "divide", "divide error", " s ***");
    let said = "last run: exception 0: divide error, error code 0x0\n";
    appliance.console.wait_for(mark, said, START_LIMIT);
    appliance.console.wait_for(mark, "\nPollux ", START_LIMIT);
    let found = appliance.find(Instant::now() + START_LIMIT);
    assert!(found.is_some(), "no ARP reply after the restart");
    appliance.peer.assert_pings(10);
    appliance.console.fresh_prompt();
    let ended = appliance.status();
    let ended = ended.value("system", "last_run_ended");
    assert_eq!(ended, "exception 0: divide error, error code 0x0");
}

/// Provokes a fault and checks its report: what it was, where, the counters as they were, and in
/// the `end` what happens next.
fn provoke(appliance: &mut Appliance, fault: &str, report: &str, end: &str) {
    appliance.peer.assert_pings(7);
    let counters = appliance.counters();
    let mark = appliance.console.mark();
    appliance
        .console
        .type_bytes(format!("fault {fault}\r").as_bytes());
    let printed = appliance.console.wait_for(mark, end, END_LIMIT);
    assert!(printed.contains("*** fault"), "{printed}");
    assert!(printed.contains(report), "{printed}");
    let rip = printed.split("rip ").nth(1).and_then(|rest| rest.get(..16));
    let rip = rip.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // The kernel lies in the first 256 MiB, and not in the first.
    assert!(
        rip.is_some_and(|rip| (0x10_0000..0x1000_0000).contains(&rip)),
        "{printed}"
    );
    let received = counters.get("received");
    let answered = counters.get("answered");
    let line = format!("eth0 received {received} answered {answered}");
    assert!(printed.contains(&line), "`{line}` is missing in\n{printed}");
}

/// Arguments of QEMU's for so many cards more than the first, with nothing behind them.
fn further_cards(count: usize) -> Vec<&'static str> {
    let card = ["-device", "virtio-net-pci,disable-legacy=on,romfile="];
    std::iter::repeat_n(card, count).flatten().collect()
}

fn machine_tests(suite: &mut Suite) {
    suite.test_alone("a_machine_with_32_mb_is_enough", || {
        let mut appliance = Boot::new().with(&["--memory", "32"]).start();
        appliance.peer.assert_pings(1000);
    });
    suite.test_alone("a_machine_with_too_little_memory_says_so", || {
        let appliance = Boot::new().qemu(&["-m", "16"]).spawn();
        let mark = appliance.console.mark();
        let printed = appliance.console.wait_for(mark, " s ***", START_LIMIT);
        assert!(printed.contains("not enough memory: "), "{printed}");
    });
    suite.test_alone(
        "room_for_more_neighbors_than_fit_is_left_out_with_a_word",
        || {
            let mut appliance = Boot::new()
                .with(&["--memory", "32"])
                .qemu(&further_cards(3))
                .word("pollux.neighbors=65536")
                .start();
            appliance.peer.assert_pings(100);
            let log = appliance.console.log();
            let said = "boot command line: 'pollux.neighbors=65536' ignored: not enough memory: ";
            assert!(log.contains(said), "{log}");
            assert!(log.contains("each card has room for 1024"), "{log}");
        },
    );
    suite.test_alone("every_one_of_many_cards_takes_many_vlans", || {
        let mut appliance = Boot::new().qemu(&further_cards(20)).start();
        for card in 1..=20 {
            for vid in 2..=10 {
                let line = format!("ip link add link eth{card} type vlan id {vid}");
                appliance.console.obeys(&line);
            }
        }
        appliance.peer.assert_pings(100);
    });
    suite.test_alone("a_machine_without_a_usable_card_has_a_console", || {
        let mut appliance = Boot::new().without_usable_card("pcnet").start();
        let status = appliance.status();
        assert!(!status.has("port eth0"), "{status:?}");
        assert!(status.has("memory"), "{status:?}");
        appliance.console.type_bytes(b"poweroff\r");
        assert_eq!(appliance.wait_for_exit(END_LIMIT).code(), Some(POWERED_OFF));
    });
    suite.test_alone("a_machine_without_a_serial_port_answers", || {
        let mut appliance = Boot::new().without_console().start();
        appliance.peer.assert_pings(1000);
    });
    suite.test_alone("a_link_that_was_down_is_used_when_it_is_back", || {
        let mut appliance = Boot::new().with_monitor().start();
        appliance.peer.assert_pings(10);
        let mark = appliance.console.mark();
        appliance.monitor("set_link n0 off");
        appliance
            .console
            .wait_for(mark, "eth0: link down", END_LIMIT);
        assert_eq!(appliance.status().value("port eth0", "link"), "down");
        appliance.monitor("set_link n0 on");
        appliance.console.wait_for(mark, "eth0: link up", END_LIMIT);
        appliance.console.fresh_prompt();
        appliance.peer.settle();
        appliance.peer.assert_pings(100);
        appliance.counters().assert_complete();
    });
    suite.test_alone("a_reset_button_pressed_under_load_does_no_harm", || {
        let mut appliance = Boot::new().with_monitor().start();
        let mark = appliance.console.mark();
        // Nobody waits for the answers: the rings are in use when the machine is reset.
        for _ in 0..200 {
            appliance.peer.send(&Peer::request(b"load"));
        }
        appliance.monitor("system_reset");
        appliance.console.wait_for(mark, "\nPollux ", START_LIMIT);
        let found = appliance.find(Instant::now() + START_LIMIT);
        assert!(found.is_some(), "no ARP reply after the reset");
        appliance.peer.assert_pings(1000);
        appliance.console.fresh_prompt();
        appliance.counters().assert_complete();
    });
}

fn command_line_tests(suite: &mut Suite) {
    suite.test_alone("the_command_line_switches_trace_on", || {
        let mut appliance = Boot::new().word("pollux.trace=on").start();
        let mark = appliance.console.mark();
        appliance.peer.assert_pings(1);
        let line = "count=84, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a\n";
        appliance.console.wait_for(mark, line, END_LIMIT);
    });
    suite.test_alone("a_wrong_word_on_the_command_line_is_named", || {
        let appliance = Boot::new().word("pollux.panic=maybe").start();
        let log = appliance.console.log();
        assert!(log.contains("'pollux.panic=maybe'"), "{log}");
    });
    suite.test_alone("a_start_up_file_is_carried_out", || {
        let file = Scratch::new("start-up");
        // Nobody could end the second.
        file.write("trace on\narping 10.10.10.99\nnonsense\n");
        let mut appliance = Boot::new().with(&["--config", &file.path()]).start();
        // The file is carried out behind the first prompt.
        appliance.console.fresh_prompt();
        let log = appliance.console.log();
        assert!(log.contains("unknown command 'nonsense'"), "{log}");
        let endless = "line 2, column 1: arping: it would never end at the start; add '-c COUNT'";
        assert!(log.contains(endless), "{log}");
        assert_eq!(appliance.status().value("console", "trace"), "on");
    });
}
