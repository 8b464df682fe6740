//! What can be typed, and what is said to it.

use crate::support::Appliance;
use pollux_console::command::{Command, Grammar, Request};
use pollux_console::commands::fault::Fault;
use pollux_console::commands::help::Topic;
use pollux_console::commands::status::Part;
use pollux_console::commands::trace::Switch;
use pollux_console::error::ParseError;
use pollux_console::line::LineTooLong;
use pollux_console::reply::{PROMPT, Reply};
use pollux_net::trace::Tracing;
use proptest::prelude::*;

const USERS: Grammar = Grammar { test_mode: false };
const TESTS: Grammar = Grammar { test_mode: true };

fn parsed(line: &str) -> Option<Command> {
    let request = TESTS.parse(line).expect("is a command");
    request.map(|request| request.command)
}

fn reply_of(command: Command) -> Reply {
    Reply::to(Request {
        command,
        json: false,
        only: Vec::new(),
    })
}

fn refused(grammar: Grammar, line: &str) -> String {
    let error = grammar.parse(line).expect_err(line);
    Appliance::new().printed(Reply::refusal(error))
}

fn said(line: &str) -> String {
    let command = parsed(line).expect("is not empty");
    Appliance::new().printed(reply_of(command))
}

#[test]
fn each_command_is_understood() {
    for (line, command) in [
        ("help", Command::Help(Topic::Commands(TESTS))),
        ("status", Command::Status(None)),
        ("status loop", Command::Status(Some(Part::Loop))),
        ("trace", Command::Trace(None)),
        ("trace on", Command::Trace(Some(Switch::On))),
        ("trace off", Command::Trace(Some(Switch::Off))),
        ("reboot", Command::Reboot),
        ("poweroff", Command::Poweroff),
        ("fault panic", Command::Fault(Fault::Panic)),
        ("fault page", Command::Fault(Fault::Page)),
        ("fault stack", Command::Fault(Fault::Stack)),
        ("fault heap", Command::Fault(Fault::Heap)),
        ("fault divide", Command::Fault(Fault::Divide)),
        ("fault undefined", Command::Fault(Fault::Undefined)),
    ] {
        assert_eq!(parsed(line), Some(command), "{line}");
    }
    for command in TESTS.commands() {
        let explained = Command::Help(Topic::Command(command));
        assert_eq!(parsed(&format!("help {}", command.name)), Some(explained));
    }
}

#[test]
fn an_empty_line_and_a_comment_are_nothing() {
    for line in [
        "",
        "   ",
        "\t",
        "# status",
        "  #status",
        "sudo",
        "sudo # what?",
    ] {
        assert_eq!(parsed(line), None, "{line:?}");
    }
}

#[test]
fn white_space_comments_and_a_leading_sudo_change_nothing() {
    for line in [
        "  trace   on  ",
        "\ttrace\ton",
        "sudo trace on",
        "trace on # loud",
        "trace on #",
    ] {
        assert_eq!(
            parsed(line),
            Some(Command::Trace(Some(Switch::On))),
            "{line:?}"
        );
    }
}

#[test]
fn a_fault_can_be_provoked_in_test_mode_only() {
    assert_eq!(
        refused(USERS, "fault panic"),
        "unknown command 'fault'; type 'help' for the list\n"
    );
    assert_eq!(
        refused(USERS, "help fault"),
        "unknown command 'fault'; type 'help' for the list\n"
    );
    assert!(
        !Appliance::new()
            .printed(reply_of(Command::Help(Topic::Commands(USERS))))
            .contains("fault")
    );
}

#[test]
fn an_unknown_command_is_named_and_near_ones_are_offered() {
    for (line, message) in [
        ("statsu", "unknown command 'statsu'; did you mean 'status'?"),
        ("STATUS", "unknown command 'STATUS'; did you mean 'status'?"),
        ("stat now", "unknown command 'stat'; did you mean 'status'?"),
        (
            "rebooot",
            "unknown command 'rebooot'; did you mean 'reboot'?",
        ),
        ("power", "unknown command 'power'; did you mean 'poweroff'?"),
        (
            "help tracer",
            "unknown command 'tracer'; did you mean 'trace'?",
        ),
        ("sudo hepl", "unknown command 'hepl'; did you mean 'help'?"),
        (
            "sudo sudo",
            "unknown command 'sudo'; type 'help' for the list",
        ),
        ("xyzzy", "unknown command 'xyzzy'; type 'help' for the list"),
        ("'", "unknown command '''; type 'help' for the list"),
        (
            "\u{1b}[2J",
            "unknown command '?[2J'; type 'help' for the list",
        ),
        (
            "statusstatusstatusstatus",
            "unknown command 'statusstatusstatu...'; type 'help' for the list",
        ),
    ] {
        assert_eq!(refused(USERS, line), format!("{message}\n"), "{line}");
    }
}

#[test]
fn a_wrong_word_is_named_with_what_was_expected() {
    for (line, message) in [
        (
            "trace onn",
            "trace: 'onn' is not one of on, off; did you mean 'on'?",
        ),
        (
            "trace o",
            "trace: 'o' is not one of on, off; did you mean 'on' or 'off'?",
        ),
        ("trace maybe", "trace: 'maybe' is not one of on, off"),
        (
            "fault pagge",
            "fault: 'pagge' is not one of panic, page, stack, heap, divide, undefined, hang; did you mean 'page'?",
        ),
        (
            "fault p",
            "fault: 'p' is not one of panic, page, stack, heap, divide, undefined, hang; did you mean 'panic' or 'page'?",
        ),
    ] {
        assert_eq!(refused(TESTS, line), format!("{message}\n"), "{line}");
    }
}

#[test]
fn a_missing_word_is_asked_for() {
    assert_eq!(
        refused(TESTS, "fault # which?"),
        "missing word after 'fault'; usage: fault panic|page|stack|heap|divide|undefined|hang\n"
    );
}

#[test]
fn a_word_too_many_is_named_and_nothing_is_done() {
    for (line, message) in [
        ("date now", "unexpected word 'now'; usage: date"),
        ("reboot -f now", "unexpected word '-f'; usage: reboot"),
        ("poweroff 1", "unexpected word '1'; usage: poweroff"),
        (
            "trace on off",
            "unexpected word 'off'; usage: trace [on|off]",
        ),
        (
            "help trace on",
            "unexpected word 'on'; usage: help [COMMAND]",
        ),
        (
            "fault page page",
            "unexpected word 'page'; usage: fault panic|page|stack|heap|divide|undefined|hang",
        ),
    ] {
        assert_eq!(refused(TESTS, line), format!("{message}\n"), "{line}");
    }
}

#[test]
fn a_line_that_is_too_long_is_refused() {
    let reply = Reply::refusal(ParseError::from(LineTooLong));
    assert_eq!(
        Appliance::new().printed(reply),
        "line ignored: it is longer than 256 octets\n"
    );
}

#[test]
fn help_lists_the_commands() {
    let reply = reply_of(Command::Help(Topic::Commands(USERS)));
    assert_eq!(
        Appliance::new().printed(reply),
        "  \
  help                list the commands, or explain one
  status              show the state, the counters and the residence times
  ip                  show or change devices, addresses, routes and neighbors
  evl                 out-of-band ports, the VLAN filter list, and who is known on them
  bpftool             eBPF filters at work, and their maps
  show                why frames got no answer, by reason; what turns of the loop did
  dump                the frames that were seen or dropped last, a line each
  latency             how long answered frames stayed: percentiles, maximum, chart
  top                 frames per second of each card, once a second, until Ctrl-C
  trace               print answered echo requests, or tell whether that is done
  oob-net-icmp        print a line for each answered echo request, until Ctrl-C
  ping                ask a host for echoes, until Ctrl-C or -c of them
  arping              ask by ARP who has an address, until Ctrl-C or -c times
  ethtool             a card's link, statistics and features
  config              the configuration as commands: show it, keep it, compare it
  sysctl              how many ICMP errors are sent: show it, or set it on all cards
  echo                write to one of EVL's pseudo-files, or say something
  cat                 show a pseudo-file, or a file that came with the kernel
  base64              take a file that is typed or pasted, such as an eBPF filter
  rm                  forget files that were pasted; those that came with the kernel stay
  ls                  list the files that came with the kernel or were pasted
  stty                how wide the terminal is, for one that does not tell by itself
  date                the time since the start; there is no clock of the day
  version             the version of the appliance, and how it was started
  report              processor, memory map and PCI devices, to report a mistake
  reboot              restart the machine
  poweroff            switch the machine off
"
    );
}

#[test]
fn help_explains_a_command_and_each_of_its_words() {
    assert_eq!(
        said("help trace"),
        "\
usage: trace [on|off]
print answered echo requests, or tell whether that is done
  on                  print a line for each, counted from 0
  off                 print none
example: trace on
"
    );
    assert_eq!(
        said("help reboot"),
        "usage: reboot\nrestart the machine\nexample: reboot\n"
    );
}

#[test]
fn every_command_has_help_and_a_synopsis_that_names_it_and_its_words() {
    for command in TESTS.commands() {
        assert!(!command.summary.is_empty());
        assert!(command.synopsis.starts_with(command.name));
        assert!(!command.examples.is_empty(), "{}", command.name);
        for example in command.examples {
            assert!(TESTS.parse(example).is_ok(), "{example}");
        }
        for (word, meaning) in command.words {
            assert!(!word.is_empty() && !meaning.is_empty());
        }
        let explained = said(&format!("{} -h", command.name));
        assert_eq!(explained, said(&format!("help {}", command.name)));
        assert!(explained.contains("example: "), "{explained}");
        assert!(said(&format!("help {}", command.name)).contains(command.summary));
        assert!(said("help").contains(command.summary));
    }
    assert!(said("help").lines().all(|line| line.len() <= 90));
}

#[test]
fn trace_tells_what_it_is_after_the_command_was_carried_out() {
    let mut appliance = Appliance::new();
    let reply = reply_of(Command::Trace(None));
    assert_eq!(
        appliance.printed(reply.clone()),
        "trace is off, 0 lines dropped\n"
    );
    appliance.interface.set_tracing(Tracing::Lines);
    assert_eq!(appliance.printed(reply), "trace is on, 0 lines dropped\n");
}

#[test]
fn commands_that_end_the_run_say_so_first() {
    assert_eq!(said("reboot"), "restarting\n");
    assert_eq!(said("poweroff"), "switching off\n");
    assert_eq!(said("fault heap"), "provoking fault 'heap'\n");
}

#[test]
fn the_banner_names_the_version_and_the_way_to_help() {
    assert_eq!(
        Appliance::new().printed(Reply::banner()),
        "Pollux 0.1.0\ntype 'help' for the list of commands\n"
    );
    assert_eq!(PROMPT, "pollux> ");
}

proptest! {
    #[test]
    fn no_line_panics_the_parser_and_every_reply_ends(line in any::<String>(), test_mode: bool) {
        reply_to(Grammar { test_mode }, &line);
    }

    #[test]
    fn no_line_of_near_words_does_either(
        words in prop::collection::vec("sudo|help|status|trace|on|off|fault|page|#|[a-z]{1,40}|statu.|\\PC{0,9}", 0..6),
        test_mode: bool,
    ) {
        reply_to(Grammar { test_mode }, &words.join(" "));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_configuration_panics_and_what_is_shown_makes_it_again(
        lines in prop::collection::vec(prop::collection::vec(
            "ip|link|addr|route|neigh|add|del|set|show|flush|get|-[a-zA-Z]{1,3}|-br|-j|dev|via|default|lladdr\
             |link|name|type|vlan|id|up|down|mtu|[0-9]{1,4}|eth0|eth0|eth0.4[23]|eth0.42|10.10.10.[0-9]/24\
             |10.10.10.1[0-9]|0.0.0.0/0|02:00:00:00:00:0[0-9]|evl|net|-N4[0-9],50-6[0-9]|-n|-Q|-i|-e|-d\
             |echo|cat|>|/sys/class/evl/net/vlans|/sys/class/net/eth0.42/oob_port|config|save|diff", 1..9,
        ), 0..12),
    ) {
        let mut appliance = Appliance::new();
        for words in &lines {
            appliance.typed(&words.join(" "));
        }
        // Out of the words of real commands, in the order in which they stand there.
        for words in &lines {
            for verb in ["ip addr add", "ip link set", "ip route add", "evl net", "ip neigh add"] {
                appliance.typed(&format!("{verb} {}", words.join(" ")));
            }
        }
        let shown = appliance.typed("config show");
        let mut again = Appliance::bare();
        for line in shown.lines() {
            prop_assert_eq!(again.typed(line), "", "{}", line);
        }
        prop_assert_eq!(again.typed("config show"), shown);
    }
}

/// Prints the whole reply, whatever it is; the helper checks every line of it.
fn reply_to(grammar: Grammar, line: &str) {
    let reply = match grammar.parse(line) {
        Ok(None) => return,
        Ok(Some(request)) => Reply::to(request),
        Err(error) => Reply::refusal(error),
    };
    let text = Appliance::new().printed(reply);
    assert!(!text.is_empty());
}

#[test]
fn a_comment_that_would_be_a_command_is_told_from_others() {
    for (line, is_command) in [
        ("# ip link set eth0.42 up", true),
        ("  # sudo ip -br a", true),
        ("# ip link is a command", false),
        ("# Assign an arbitrary address", false),
        ("#trace on", false),
        ("# ", false),
        ("# # trace on", false),
        ("trace on # loud", false),
    ] {
        assert_eq!(USERS.is_root_prompt(line), is_command, "{line}");
    }
    let reply = Reply::to_root_prompt();
    assert_eq!(
        Appliance::new().printed(reply),
        "a comment, nothing was done: leave the '# ' out\n"
    );
}

#[test]
fn what_other_systems_call_it_is_understood_and_named() {
    for (line, message) in [
        (
            "ifconfig -a",
            "unknown command 'ifconfig'; did you mean 'ip addr'?",
        ),
        ("arp -an", "unknown command 'arp'; did you mean 'ip neigh'?"),
        (
            "route -n",
            "unknown command 'route'; did you mean 'ip route'?",
        ),
        (
            "tcpdump -i eth0",
            "unknown command 'tcpdump'; did you mean 'dump'?",
        ),
    ] {
        assert_eq!(refused(USERS, line), format!("{message}\n"), "{line}");
    }
    let leave = "quit: there is nothing to log out of; Ctrl-] leaves './run.sh console', Ctrl-A x ends QEMU\n";
    assert_eq!(refused(USERS, "quit"), leave);
    let mut appliance = Appliance::new();
    assert_eq!(appliance.typed("ip help"), appliance.typed("help ip"));
}

/// What `help` lists, each with all that belongs to it, whoever adds one.
#[test]
fn every_command_has_help_an_example_an_error_json_and_completion() {
    let mut appliance = Appliance::new();
    for command in TESTS.commands() {
        let name = command.name;
        assert!(
            !command.summary.is_empty() && !command.synopsis.is_empty(),
            "{name}"
        );
        let help = appliance.typed(&format!("{name} -h"));
        assert_eq!(help, appliance.typed(&format!("help {name}")));
        assert!(!command.examples.is_empty(), "{name}: no example");
        for example in command.examples {
            assert!(
                help.contains(example),
                "{name} -h does not show {example:?}"
            );
            assert!(TESTS.parse(example).is_ok(), "{example:?} is refused");
        }
        for (word, meaning) in command.words {
            assert!(
                help.contains(meaning),
                "{name} -h does not explain {word:?}"
            );
        }
        // It goes on until Ctrl-C; what it says in JSON is tried by itself.
        if name != "top" {
            for example in command.examples {
                let said = appliance.typed(&format!("{example} -j"));
                if !said.is_empty() {
                    crate::json::assert_json(&said);
                }
            }
        }
        // Nothing but `echo` takes any word.
        if name != "echo" {
            let line = format!("{name} --no-such-word --nor-this");
            let error = TESTS.parse(&line).expect_err("is wrong").to_string();
            let is_named = error.contains("'--no-such-word'") || error.contains("'--nor-this'");
            let is_asked_for = error.contains(name) && error.contains("followed by");
            assert!(is_named || is_asked_for, "{line}: {error}");
            let json = appliance.typed(&format!("{line} -j"));
            assert!(json.starts_with("{\"error\":"), "{json}");
        }
        let found = appliance.with_view(|view| TESTS.complete(name, view));
        assert!(found.count > 0, "{name} is not completed");
        let behind = appliance.with_view(|view| TESTS.complete(&format!("{name} "), view));
        let has_words = command
            .words
            .iter()
            .any(|(word, _)| word.starts_with(char::is_lowercase));
        assert!(
            behind.count > 0 || !has_words,
            "{name}: nothing is offered behind it"
        );
    }
}

#[test]
fn behind_a_bar_lines_are_chosen() {
    let mut appliance = Appliance::new();
    let whole = appliance.typed("status");
    let chosen = |is_shown: &dyn Fn(&str) -> bool| -> String {
        let lines = whole.lines().filter(|line| is_shown(line));
        lines.map(|line| format!("{line}\n")).collect()
    };
    for (line, expected) in [
        ("status | grep vlan", chosen(&|line| line.contains("vlan"))),
        ("status|grep vlan", chosen(&|line| line.contains("vlan"))),
        (
            "status | grep -v vlan",
            chosen(&|line| !line.contains("vlan")),
        ),
        ("status | grep -i MHZ", chosen(&|line| line.contains("MHz"))),
        ("status | grep MHZ", String::new()),
        (
            "sudo status | grep 'vlan_filter  ' # only that",
            chosen(&|line| line.contains("vlan_filter  ")),
        ),
        (
            "status | grep vlan | grep -vi FILTER",
            chosen(&|line| line.contains("vlan") && !line.contains("filter")),
        ),
        (
            "status | grep -Fvi VLAN",
            chosen(&|line| !line.contains("vlan")),
        ),
        // As it is, and with no meaning of its own.
        ("status | grep -F '^'", String::new()),
        ("status | fgrep a.*b$", String::new()),
        (
            "status | grep 10.10.10",
            chosen(&|line| line.contains("10.10.10")),
        ),
        ("echo 'a | b'", "a | b\n".into()),
    ] {
        assert_eq!(appliance.typed(line), expected, "{line}");
    }
    for (line, message) in [
        (
            "status | head",
            "head: behind '|' only 'grep [-Fiv] TEXT' can stand",
        ),
        (
            "status |",
            "|: behind '|' only 'grep [-Fiv] TEXT' can stand",
        ),
        (
            "status || reboot",
            "||: ';' stands between commands here; each is carried out whatever became of the last",
        ),
        (
            "status | grep a || reboot",
            "||: ';' stands between commands here; each is carried out whatever became of the last",
        ),
        (
            "top||",
            "||: ';' stands between commands here; each is carried out whatever became of the last",
        ),
        (
            "status | | reboot",
            "|: behind '|' only 'grep [-Fiv] TEXT' can stand",
        ),
        (
            "status | grep",
            "'grep' must be followed by the text that lines are to have",
        ),
        (
            "status | grep -c a",
            "grep: '-c' is not one of -F, -i, -v; did you mean '-F', '-i' or '-v'?",
        ),
        (
            "status | grep a b",
            "unexpected word 'b'; usage: COMMAND | grep [-Fiv] TEXT",
        ),
        (
            "statsu | grep a",
            "unknown command 'statsu'; did you mean 'status'?",
        ),
        (
            "top | grep eth0",
            "grep: what goes on until Ctrl-C is shown whole",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{message}\n"), "{line}");
    }
    assert_eq!(
        appliance.typed("status -j | grep vlan"),
        "{\"error\":\"grep: half a JSON value is of no use: leave out '-j', or '| grep'\"}\n"
    );
    for pattern in ["^vlan", "MHz$", "v.*n", "a\\|b", "[ab]", "eth*"] {
        assert_eq!(
            appliance.typed(&format!("status | grep -v '{pattern}'")),
            format!(
                "grep: '{pattern}' is not supported: patterns are not known here; \
                 type the text that lines have, or 'grep -F' where it has such signs\n"
            )
        );
    }
    let error = USERS.parse("echo ä || reboot").expect_err("is wrong");
    assert_eq!(error.column, 8);
    let error = USERS.parse("ip ä | grep -c a").expect_err("is wrong");
    assert_eq!(error.column, 4);
    let error = USERS.parse("status | grep -c a").expect_err("is wrong");
    assert_eq!(error.column, 15);
}

#[test]
fn behind_a_bar_what_chooses_is_completed() {
    let appliance = Appliance::new();
    for (line, addition) in [
        ("show drops | ", "grep "),
        ("show drops | g", "rep "),
        ("show drops | grep ", "-"),
        ("show drops | grep st", ""),
        ("show drops | nothing ", ""),
    ] {
        let found = appliance.with_view(|view| USERS.complete(line, view));
        assert_eq!(found.addition, addition, "{line}");
    }
}

#[test]
fn what_a_shell_would_do_is_told_and_nothing_is_done() {
    let file = "replies go to no file here; on your side: ./run.sh console --command TEXT >FILE";
    let next = "';' stands between commands here; each is carried out whatever became of the last";
    let shell =
        "there is no shell here; loop on your side, around './run.sh console --command TEXT'";
    let users = "there are no users here: whoever types has every right";
    for (line, word, reason) in [
        ("status > /tmp/x", ">", file),
        ("status >/tmp/x", ">/tmp/x", file),
        ("ip a >> x", ">>", file),
        ("ip a 2>&1", "2>&1", file),
        ("cat < x", "<", file),
        ("reboot && status", "&&", next),
        (
            "status &",
            "&",
            "commands are carried out one after the other; Ctrl-C ends one",
        ),
        ("for i in 1 2 3", "for", shell),
        ("sudo -i", "-i", users),
        ("su -", "su", users),
        ("clear", "clear", "Ctrl-L clears the screen"),
        (
            "/usr/bin/vi pollux.conf",
            "vi",
            "files are not edited here; 'base64' takes one that is pasted, 'config show' prints a new start-up file",
        ),
        (
            "watch -n1 status",
            "watch",
            "'top' shows each second what passes; for others: watch ./run.sh console --command TEXT, on your side",
        ),
    ] {
        assert_eq!(
            refused(USERS, line),
            format!("{word}: {reason}\n"),
            "{line}"
        );
    }
    let mut appliance = Appliance::new();
    assert_eq!(appliance.typed("ls -la"), appliance.typed("ls"));
    for line in ["ip link help", "ip -br addr help"] {
        let is_help = appliance.typed(line) == appliance.typed("help ip");
        assert_eq!(is_help, line == "ip link help", "{line}");
    }
}
