//! `./run.sh console`: a terminal or a script at the console of an appliance that runs already.

use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use pollux_tests::appliance::{Appliance, Boot, run_sh};
use pollux_tests::console::PROMPT;
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;
use pollux_tests::terminal::Terminal;

/// The longest that a session may take, with the time to build the program.
const LIMIT: &str = "300";

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test_alone("a_script_has_commands_carried_out", a_script);
    suite.test_alone("a_script_brings_files", a_script_with_files);
    suite.test_alone("a_terminal_attaches_and_detaches", a_terminal);
    suite.test_alone("a_line_can_be_edited_at_any_width", at_any_width);
    suite.test_alone("a_serial_device_is_a_console_too", a_serial_device);
    suite.test_alone("where_nobody_listens_one_line_says_so", nobody);
    suite.test_alone("a_build_that_waits_for_another_says_so", waits_for_a_build);
    suite.test_alone("who_builds_beside_another_is_served", both_build);
    suite.test_alone("what_is_built_is_not_built_again", is_not_built_again);
    suite.test_alone(
        "a_build_that_failed_is_repeated_wherever_it_was_asked_for",
        failed_build,
    );
    suite.test_alone(
        "what_could_not_be_tested_is_named_before_the_count",
        skipped_tests,
    );
    suite.test_alone("wireshark_s_format_is_read_by_others", read_by_scapy);
    suite.run()
}

/// A place of a test's own, and how it is written.
fn place(name: &str) -> (Scratch, String) {
    let place = Scratch::new(name);
    let path = place.0.display().to_string();
    (place, path)
}

/// An appliance whose console is at `socket`.
fn with_socket(socket: &str) -> Appliance {
    let boot = Boot::new().without_console();
    let mut appliance = boot
        .with(&["--serial", &format!("socket:{socket}")])
        .start();
    appliance.peer.assert_pings(5);
    appliance
}

/// Runs a program with this on its standard input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut keys = process.stdin.take().expect("is a pipe");
    std::io::Write::write_all(&mut keys, input.as_bytes()).expect("it reads");
    drop(keys);
    process.wait_with_output().expect("it ends")
}

fn console(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(run_sh()).arg("console");
    run(command.args(arguments), input)
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn a_script() {
    let (_socket, socket) = place("attach-script");
    let _appliance = with_socket(&socket);
    let shown = printed(&console(
        &[&socket, "--command", "ip -br addr show dev eth0.42"],
        "",
    ));
    assert_eq!(shown, "eth0.42@eth0     UP             10.10.10.11/24 \n");
    let lines = "# a comment\ntrace on\n\nevl net -n\n";
    assert_eq!(
        printed(&console(&[&socket], lines)),
        "trace is on, 0 lines dropped\n42\n"
    );
    // What is refused is told by the status too, the other lines are carried out.
    for (arguments, lines, said) in [
        (
            &[] as &[&str],
            "shwo\ndate; evl net -n # the list\n",
            "unknown command 'shwo'; did you mean 'show'?\n",
        ),
        (
            &["--command", "ip link set eth0.43 up"],
            "",
            "eth0.43: no such interface; did you mean 'eth0.42'?\n",
        ),
        (
            &["--command", "evl net -N1 -j; evl net -n"],
            "",
            "{\"error\":\"evl net: '1' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107\"}\n42\n",
        ),
        (
            &[
                "--command",
                "evl net -n",
                "--command",
                "ip adr",
                "--command",
                "evl net -n",
            ],
            "",
            "42\nip: 'adr' is not one of link, addr, route, neigh; did you mean 'addr'?\n42\n",
        ),
    ] {
        let refused = console(&[&[socket.as_str()], arguments].concat(), lines);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let printed = String::from_utf8_lossy(&refused.stdout);
        assert!(printed.starts_with(said), "{printed}");
        assert!(
            printed.ends_with(if lines.is_empty() { said } else { "\n42\n" }),
            "{printed}"
        );
    }
    // Which line it was is told, and one begins with a tab.
    let refused = console(
        &[&socket],
        "date\n\tshwo x\necho rc=$?\nevl net -n\nip adr\necho $?\necho $?\n",
    );
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("\nrc=1\n"), "{said}");
    assert!(said.ends_with("\n1\n0\n"), "{said}");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(
        told,
        "console: line 2 failed: \tshwo x\nconsole: line 5 failed: ip adr\n"
    );
    let refused = console(&[&socket], &format!("date\n{}\n", "x".repeat(300)));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(
        told,
        "console: line 2: a line of 300 octets: the appliance takes 256, which 'base64 -w 76' keeps to\n"
    );
    // Several commands on a line are carried out one after the other.
    let shown = printed(&console(
        &[
            &socket,
            "--command",
            "evl net -N42,43; evl net -n; echo 'a;b'; evl net -N42",
        ],
        "",
    ));
    assert_eq!(shown, "42-43\na;b\n");
    // The second appliance must not take the place of the first.
    let second = Command::new(run_sh())
        .args(["boot", "--accel", "tcg", "--net", "dgram:19990", "--kernel"])
        .arg(pollux_tests::appliance::kernel())
        .args(["--serial", &format!("socket:{socket}")])
        .output()
        .expect("run.sh starts");
    let complaint = String::from_utf8_lossy(&second.stderr);
    assert!(
        complaint.contains("a running appliance has its console at"),
        "{second:?}"
    );
    assert_eq!(second.status.code(), Some(2));
    // To switch it off is no failure.
    let said = printed(&console(&[&socket, "--command", "poweroff"], ""));
    assert_eq!(said, "switching off\n");
}

/// As a shell takes them, with what is refused in the status.
fn a_script_with_files() {
    let (_socket, socket) = place("attach-files");
    let _appliance = with_socket(&socket);
    let line = "aGVsbG8gd29ybGQKaGVsbG8gd29ybGQKaGVsbG8gd29ybGQKaGVsbG8gd29ybGQKaGVsbG8gd29y";
    let file = format!("base64 -d > a.txt <<END\n{line}\n\nbGQK\nEND\n");
    assert_eq!(
        printed(&console(
            &[&socket],
            &format!("trace on\n{file}cat a.txt\n")
        )),
        format!(
            "trace is on, 0 lines dropped\na.txt: 60 octets\n{}",
            "hello world\n".repeat(5)
        )
    );
    let refused = "base64 -d > a/b <<END\naGVsbG8K\nreboot\nEND\n";
    let spoilt = "base64 -d > b.txt <<'E'\naGVsbG8K\n***\nE\n";
    for (lines, said) in [
        (
            refused,
            "base64: 'a/b' is not a name of at most 64 octets, without folders\n",
        ),
        (
            spoilt,
            "b.txt: line 2: no base64: Invalid symbol 42, offset 0; nothing is kept\n",
        ),
    ] {
        let output = console(&[&socket], &format!("{lines}evl net -n\n"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("{said}42\n")
        );
    }
    let heading = "base64 -d > c.txt <<END";
    for (arguments, lines, complaint) in [
        (
            &["--command", heading] as &[&str],
            String::new(),
            "base64 takes the lines that follow it",
        ),
        (
            &[],
            format!("{heading}\naGVsbG8K\n"),
            "the file ends with the line 'END', which is missing",
        ),
        (
            &[],
            format!("{heading}\na\tb\nEND\n"),
            "with a control character",
        ),
    ] {
        let output = console(&[&[socket.as_str()], arguments].concat(), &lines);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(complaint), "{said}");
        // The next one is not taken for a part of it.
        let list = printed(&console(&[&socket, "--command", "ls"], ""));
        assert!(list.contains("a.txt") && !list.contains("c.txt"), "{list}");
    }
}

fn a_terminal() {
    let (_socket, socket) = place("attach-terminal");
    let _appliance = with_socket(&socket);
    // It was built before, so that keys are not typed ahead of it.
    printed(&console(&[&socket, "--command", "version"], ""));
    let at_a_terminal = || {
        let mut command = Command::new(run_sh());
        let mut terminal = Terminal::run(command.args(["console", &socket]), 25, 80);
        terminal.wait_until(|rows, _| {
            let said = rows.concat();
            said.contains("attached to ") && ends_with(rows, PROMPT.trim_end())
        });
        terminal
    };
    for _ in 0..2 {
        let mut terminal = at_a_terminal();
        terminal.press("vers\t");
        terminal.wait_until(|rows, _| ends_with(rows, "pollux> version"));
        terminal.press("\r");
        terminal.wait_until(|rows, _| {
            rows.iter().any(|row| row.starts_with("Pollux ")) && ends_with(rows, PROMPT.trim_end())
        });
        terminal.press("half a line");
        terminal.wait_until(|rows, _| ends_with(rows, "pollux> half a line"));
        terminal.press("\x1d");
        terminal.wait_until(|rows, _| {
            let shown = rows.concat();
            assert!(!shown.contains("unknown command"), "{shown}");
            shown.contains("detached; the appliance goes on")
        });
    }
    let mut terminal = at_a_terminal();
    terminal.press("poweroff\r");
    terminal.wait_until(|rows, _| rows.concat().contains("the appliance has ended"));
}

/// Whether `line` is the last on the screen.
fn ends_with(rows: &[String], line: &str) -> bool {
    rows.iter()
        .rfind(|row| !row.is_empty())
        .is_some_and(|row| row == line)
}

/// Real keys at a real terminal: narrow, usual, wide.
fn at_any_width() {
    const LENGTH: usize = 220;
    let (_socket, socket) = place("attach-width");
    let _appliance = with_socket(&socket);
    // It was built before, so that keys are not typed ahead of it.
    printed(&console(&[&socket, "--command", "version"], ""));
    for columns in [20, 40, 80, 230] {
        let mut command = Command::new(run_sh());
        let mut terminal = Terminal::run(command.args(["console", &socket]), 50, columns);
        // Whether the screen ends with this line behind the prompt, and the cursor on this character of it.
        let ends = |rows: &[String], cursor: (u16, u16), line: &str, at: usize| {
            let prompt = rows.iter().rposition(|row| row.starts_with("pollux>"));
            let Some(prompt) = prompt else {
                return false;
            };
            let shown = rows[prompt..].join("\n");
            let text: Vec<char> = format!("{PROMPT}{line}").chars().collect();
            let broken: Vec<String> = text
                .chunks(usize::from(columns))
                .map(|row| row.iter().collect::<String>().trim_end().to_owned())
                .collect();
            let at = PROMPT.len() + at;
            let place = (
                prompt + at / usize::from(columns),
                at % usize::from(columns),
            );
            let cursor = (usize::from(cursor.0), usize::from(cursor.1));
            // Behind the last column it waits for the next character.
            let is_there = cursor == place || (place.1 == 0 && cursor.0 + 1 == place.0);
            shown.trim_end() == broken.join("\n").trim_end() && is_there
        };
        terminal.wait_until(|rows, cursor| ends(rows, cursor, "", 0));
        let word: String = ('a'..='z').cycle().take(LENGTH).collect();
        terminal.press(&format!("cho {word}\x01e"));
        let line = format!("echo {word}");
        terminal.wait_until(|rows, cursor| ends(rows, cursor, &line, 1));
        terminal.press("\x1b[F\x7f\x7f!");
        let line = format!("echo {}!", &word[..LENGTH - 2]);
        terminal.wait_until(|rows, cursor| ends(rows, cursor, &line, line.len()));
        terminal.press(&"\x1b[D".repeat(100));
        let at = line.len() - 100;
        terminal.wait_until(|rows, cursor| ends(rows, cursor, &line, at));
        terminal.press("+");
        let line = format!("{}+{}", &line[..at], &line[at..]);
        terminal.wait_until(|rows, cursor| ends(rows, cursor, &line, at + 1));
        // The reply is behind all of the line, wherever the cursor was.
        terminal.press("\r");
        terminal.wait_until(|rows, cursor| {
            let text: String = rows.concat();
            // A long one is cut.
            let said = &line["echo ".len()..LENGTH / 2];
            text.contains(&format!("{PROMPT}{line}{said}")) && ends(rows, cursor, "", 0)
        });
        // The line comes back, and goes.
        terminal.press("\x1b[A");
        terminal.wait_until(|rows, cursor| ends(rows, cursor, &line, line.len()));
        terminal.press("\x15stty\r");
        let width = format!("columns {columns}");
        terminal.wait_until(|rows, cursor| rows.contains(&width) && ends(rows, cursor, "", 0));
        // What can follow is listed in columns that fit.
        terminal.press("ip link \t");
        terminal.wait_until(|rows, cursor| {
            let is_list = |row: &String| row.starts_with("add") || row.starts_with("show");
            rows.iter().any(is_list) && ends(rows, cursor, "ip link ", 8)
        });
        terminal.press("\x03\x0cstatus\r");
        terminal.wait_until(|rows, cursor| {
            rows.concat().contains("trace_dropped") && ends(rows, cursor, "", 0)
        });
        terminal.press("top\r");
        terminal.wait_until(|rows, _| {
            rows[0].starts_with("Pollux ") && rows.concat().contains("max ns")
        });
        terminal.press("\x03\x1d");
        terminal.wait_until(|rows, _| rows.concat().contains("detached; the appliance goes on"));
    }
}

fn a_serial_device() {
    let mut appliance = Boot::new()
        .without_console()
        .qemu(&[
            "-device",
            "isa-serial,chardev=console",
            "-chardev",
            "pty,id=console",
        ])
        .start();
    appliance.peer.assert_pings(5);
    let log = appliance.console.log();
    let device = log
        .split_whitespace()
        .find(|word| word.starts_with("/dev/pts/"));
    let device = device.unwrap_or_else(|| panic!("QEMU names its device: {log}"));
    let shown = printed(&console(&[device, "--command", "evl net -n"], ""));
    assert_eq!(shown, "42\n");
}

fn nobody() {
    for (place, complaint) in [
        (place("attach-none").1, "no appliance has its console at "),
        (
            run_sh().display().to_string(),
            "is neither a Unix socket nor a serial device",
        ),
        (
            "/dev/ttyNone9".to_owned(),
            "there is no serial device /dev/ttyNone9",
        ),
        (
            "/dev/null".to_owned(),
            "is neither a Unix socket nor a serial device",
        ),
    ] {
        let output = console(&[&place, "--command", "version"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(complaint), "{said}");
        assert_eq!(
            (said.lines().count(), output.status.code()),
            (1, Some(2)),
            "{said}"
        );
    }
    let (_left, left) = place("attach-left");
    drop(std::os::unix::net::UnixListener::bind(Path::new(&left)).expect("is free"));
    let output = console(&[&left], "version\n");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no appliance has its console at "), "{said}");
    for (arguments, complaint) in [
        (
            &["--comand", "version"][..],
            "console: unknown option '--comand'; there is --command TEXT\n",
        ),
        (
            &["-x"],
            "console: unknown option '-x'; there is --command TEXT\n",
        ),
        (
            &[&left, "version"],
            "console: one socket or serial device only, not 'version' too; a command stands behind --command\n",
        ),
    ] {
        let output = console(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), complaint);
    }
}

/// A folder of a test's own, in which Cargo is this script and nothing is built.
fn with_cargo(name: &str, script: &str) -> (Scratch, Command) {
    let (folder, path) = place(name);
    std::fs::create_dir_all(folder.0.join("target/release")).expect("a folder");
    let cargo = "[ $1 = build ] || PATH=${PATH#*:} exec cargo \"$@\"";
    program(&folder.0.join("cargo"), &format!("{cargo}\n{script}"));
    let mut command = Command::new(run_sh());
    let programs = std::env::var("PATH").expect("there are programs");
    command.env("PATH", format!("{path}:{programs}"));
    command.env("CARGO_TARGET_DIR", folder.0.join("target"));
    (folder, command)
}

fn program(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("a program");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, executable).expect("is ours");
}

/// As Cargo says it, and nothing of what else it says.
fn waits_for_a_build() {
    let (_folder, mut command) = with_cargo(
        "attach-cargo",
        "echo '    Blocking waiting for file lock on build directory
   Compiling pollux-attach v0.1.0 (/src)
error: no room' >&2; exit 101",
    );
    let output = run(command.args(["console", "/nowhere"]), "");
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stderr);
    let expected =
        "pollux: waiting for another build, which has locked the build directory\nerror: no room\n";
    assert!(printed.ends_with(expected), "{printed}");
    assert!(!printed.contains("Compiling"), "{printed}");
}

/// Cargo has the second one wait, and both are served.
fn both_build() {
    let (folder, mut command) = with_cargo("attach-both", "sleep 1");
    program(
        &folder.0.join("target/release/pollux-attach"),
        "echo attached",
    );
    command.args(["console", "/nowhere"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let runs = [(); 2].map(|()| command.spawn().expect("bash is there"));
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(printed(&output), "attached\n");
    }
}

/// Cargo is asked the first time, when other flags are for the compiler, and when a source is newer than its last answer; and
/// then it is asked for this program alone.
fn is_not_built_again() {
    let (folder, mut command) = with_cargo("attach-fresh", "echo \"asked: $*\"");
    let path = folder.0.display();
    let release = folder.0.join("target/release");
    let source = folder.0.join("main.rs");
    std::fs::write(&source, "").expect("can be written");
    program(&release.join("pollux-attach"), "echo attached");
    let made_of = format!("{path}/target/release/pollux-attach: {path}/main.rs\n");
    std::fs::write(release.join("pollux-attach.d"), made_of).expect("can be written");
    command.args(["console", "/nowhere"]);
    let asked = "asked: build --release --package pollux-attach\n";
    let check = |command: &mut Command, expected: &str| {
        let output = run(command, "");
        assert_eq!(printed(&output), "attached\n", "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said, expected);
    };
    check(&mut command, asked);
    check(&mut command, "");
    for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        for flags in ["-Copt-level=1", "-Copt-level=2"] {
            command.env(name, flags);
            check(&mut command, asked);
            check(&mut command, "");
        }
    }
    command.env_remove("CARGO_BUILD_RUSTFLAGS");
    check(&mut command, asked);
    check(&mut command, "");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(&source);
    file.and_then(|file| file.set_modified(later))
        .expect("is ours");
    check(&mut command, asked);
    std::fs::remove_file(&source).expect("is ours");
    check(&mut command, asked);
}

/// A failed build is a failed step, and the program that an earlier one left is not taken for that of the sources.
fn failed_build() {
    let script = "echo 'error: no room' >&2; exit 101";
    let (folder, _) = with_cargo("attach-failed", script);
    let path = folder.0.display();
    let program_built = folder.0.join("target/release/pollux-bench");
    program(&program_built, "");
    let made_of = format!("{path}/target/release/pollux-bench: {path}/cargo\n");
    std::fs::write(folder.0.join("target/release/pollux-bench.d"), made_of)
        .expect("can be written");
    let mut shell = Command::new("bash");
    let programs = std::env::var("PATH").expect("there are programs");
    shell.env("PATH", format!("{path}:{programs}"));
    shell.env("CARGO_TARGET_DIR", folder.0.join("target"));
    // As a step of `./run.sh test` does it: where a condition is, `set -e` does not end anything.
    let steps = "source \"$1\"; for step in 1 2; do \
        if build_tool pollux-bench; then echo built; else echo \"failed: $?\"; fi; done";
    let output = run(shell.args(["-c", steps, "steps"]).arg(run_sh()), "");
    assert_eq!(printed(&output), "failed: 101\nfailed: 101\n", "{output:?}");
}

/// What could not run is not among those that passed.
fn skipped_tests() {
    let script = "printf '%s\n' 'test one         ... ok' 'test two, really ... ignored (no (good) reason)' \
        'test four,five   ... ignored (none)' 'test six         ... ignored' 'test seven ... ignored, takes minutes' \
        'test result: ok. 1 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.00s'";
    let folder = Scratch::new("attach-skipped");
    std::fs::create_dir_all(&folder.0).expect("a folder");
    program(&folder.0.join("cargo"), script);
    let mut shell = Command::new("bash");
    let programs = std::env::var("PATH").expect("there are programs");
    shell.env("PATH", format!("{}:{programs}", folder.path()));
    let steps = "source \"$1\"; log=$2/log passed=0 failed=0 tests=0 skipped=(); \
        cargo_tests some; cargo_tests others; conclude; echo \"of $tests\"";
    let shell = shell
        .args(["-c", steps, "steps"])
        .arg(run_sh())
        .arg(&folder.0);
    let output = run(shell, "");
    let said = printed(&output);
    let twice = "skipped: two, really: no (good) reason\nskipped: four,five: none\n".repeat(2);
    let end = format!("\n{twice}2 passed, 0 failed\nof 6\n");
    assert!(said.ends_with(&end), "{said}");
    assert!(
        said.contains("--> others: 1 passed, 0 failed in this step\n"),
        "{said}"
    );
}

fn read_by_scapy() {
    let ((_socket, socket), (_file, file)) = (place("attach-pcap"), place("frames.pcap"));
    let mut appliance = with_socket(&socket);
    printed(&console(&[&socket], "dump clear\ndump on\n"));
    appliance.peer.assert_pings(3);
    printed(&console(&[&socket, "--command", "dump off"], ""));
    let digits = printed(&console(&[&socket, "--command", "dump --pcap"], ""));
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octets = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("two digits")
    });
    std::fs::write(&file, octets.collect::<Vec<u8>>()).expect("can be written");
    let script = "import sys; from scapy.all import rdpcap, Dot1Q, ICMP, IP\n\
        for frame in rdpcap(sys.argv[1]):\n    \
        if ICMP in frame: print(frame[Dot1Q].vlan, frame[IP].src, frame[ICMP].type)\n";
    let mut python = Command::new("/usr/bin/python3");
    let read = run(python.args(["-", &file]), script);
    let one = "42 10.10.10.10 8\n42 10.10.10.11 0\n";
    assert_eq!(printed(&read), one.repeat(3));
}
