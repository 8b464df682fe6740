//! Machines that differ: with a screen, with other serial ports, with other processors.

#[path = "machine/clock.rs"]
mod clock;
#[path = "machine/pci.rs"]
mod pci;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pollux_tests::PATIENCE;
use pollux_tests::appliance::{self, Appliance, Boot, START_LIMIT};
use pollux_tests::scratch::Scratch;
use pollux_tests::screen;
use pollux_tests::suite::Suite;

/// The longest that something may take to appear on the screen: all of it is drawn within seconds.
const SCREEN_LIMIT: Duration = PATIENCE;
/// The longest that writing an image may take, the image maker's own build included.
const IMAGE_LIMIT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    screen_tests(&mut suite);
    serial_tests(&mut suite);
    watchdog_tests(&mut suite);
    pci::tests(&mut suite);
    clock::tests(&mut suite);
    power_tests(&mut suite);
    processor_tests(&mut suite);
    suite.test_alone("the_machine_describes_itself", the_machine_describes_itself);
    suite.run()
}

fn screen_tests(suite: &mut Suite) {
    suite.test_alone("a_screen_in_text_mode_shows_the_page_and_the_log", || {
        let mut appliance = with_screen().start();
        appliance.peer.assert_pings(10);
        let shown = await_screen(&mut appliance, text_mode, |shown| answered(shown) >= 10);
        assert!(shown[0].starts_with("Pollux "), "{shown:#?}");
        assert!(shown[0].ends_with("booted by pvh"), "{shown:#?}");
        assert!(shown.contains(&"  eth0.42  10.10.10.11/24".to_owned()));
        assert!(
            shown
                .iter()
                .any(|line| line == "type 'help' for the list of commands")
        );
        // The page is written again and again.
        let uptime = shown[0].clone();
        let changed = |shown: &[String]| shown[0] != uptime;
        await_screen(&mut appliance, text_mode, changed);
    });
    suite.test_alone("a_machine_with_a_screen_only_is_watched_there", || {
        let boot = with_screen().word("pollux.console=screen");
        let mut appliance = boot.without_serial_output().start();
        appliance.peer.assert_pings(10);
        await_on_screen(&mut appliance, text_mode, &["eth0: link up, 1000 Mbit/s"]);
        assert_eq!(appliance.console.log(), "");
    });
    suite.test_alone("the_screen_is_left_alone_when_it_is_not_wanted", || {
        let mut appliance = with_screen().word("pollux.console=serial").start();
        appliance.peer.assert_pings(10);
        let shown = text_mode(&mut appliance);
        assert!(
            !shown.iter().any(|line| line.contains("Pollux")),
            "{shown:#?}"
        );
    });
    suite.test_alone("a_fault_is_shown_on_the_screen", || {
        let boot = with_screen().word("pollux.test").word("pollux.panic=halt");
        let mut appliance = boot.start();
        appliance.console.type_bytes(b"fault page\r");
        let lines = [
            "*** fault ***",
            "exception 14: page fault at 0x0000000000000010, error code 0x2",
            "*** halted ***",
        ];
        await_on_screen(&mut appliance, text_mode, &lines);
    });
    suite.test_alone("a_stick_draws_its_screen_under_bios", || {
        a_stick_draws_its_screen("bios");
    });
    suite.test_long("a_stick_draws_its_screen_under_uefi", || {
        a_stick_draws_its_screen("uefi");
    });
}

/// A stick shows the page in a picture, which the loader set up by the firmware's means.
fn a_stick_draws_its_screen(firmware: &str) {
    let image = Scratch::new("pollux.img");
    let path = image.0.display().to_string();
    let kernel = appliance::kernel().display().to_string();
    appliance::run(&["image", "--kernel", &kernel, &path], IMAGE_LIMIT);
    let boot =
        Boot::from_medium(&["--image", &image.path(), "--firmware", firmware]).with_monitor();
    let mut appliance = boot.qemu(&["-vga", "std"]).start();
    appliance.peer.assert_pings(100);
    let picture = Scratch::new("picture.ppm");
    let read = |appliance: &mut Appliance| {
        appliance.monitor(&format!("screendump {}", picture.0.display()));
        let picture = std::fs::read(&picture.0).expect("QEMU wrote the picture");
        assert!(screen::size(&picture) >= (1024, 768));
        screen::of_picture(&picture)
    };
    // All of it at once: a picture may be taken while half of the page is drawn anew.
    await_screen(&mut appliance, read, |shown| {
        let lines = ["  eth0.42  10.10.10.11/24", "eth0: link up, 1000 Mbit/s"];
        answered(shown) >= 100
            && are_there(shown, &lines)
            && shown[0].starts_with("Pollux ")
            && shown[0].ends_with("booted by multiboot2")
    });
}

/// A machine with a graphics card.
fn with_screen() -> Boot {
    Boot::new().with_monitor().qemu(&["-vga", "std"])
}

/// What the screen shows in text mode.
fn text_mode(appliance: &mut Appliance) -> Vec<String> {
    screen::of_text_mode(&appliance.monitor("xp /2000hx 0xb8000"))
}

/// How many frames were answered, by the page.
fn answered(shown: &[String]) -> u64 {
    let number = |line: &String| {
        line.strip_prefix("  received ")?
            .split_once("answered ")?
            .1
            .parse()
            .ok()
    };
    shown.iter().find_map(number).unwrap_or(0)
}

/// Whether all `lines` are on the screen.
fn are_there(shown: &[String], lines: &[&str]) -> bool {
    lines
        .iter()
        .all(|line| shown.iter().any(|shown| shown == line))
}

/// Waits until all `lines` are on the screen, and returns what else is.
fn await_on_screen(
    appliance: &mut Appliance,
    read: impl Fn(&mut Appliance) -> Vec<String>,
    lines: &[&str],
) -> Vec<String> {
    await_screen(appliance, read, |shown| are_there(shown, lines))
}

/// Waits until the screen shows what it should.
fn await_screen(
    appliance: &mut Appliance,
    read: impl Fn(&mut Appliance) -> Vec<String>,
    is_right: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let deadline = Instant::now() + SCREEN_LIMIT;
    loop {
        let shown = read(appliance);
        if is_right(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "{shown:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn serial_tests(suite: &mut Suite) {
    // The second serial port is found where there is no first one.
    for (name, words, device) in [
        (
            "on_the_second_port",
            &[][..],
            "isa-serial,iobase=0x2f8,irq=3,chardev=line",
        ),
        ("on_a_pci_card", &[], "pci-serial,chardev=line"),
        (
            "where_the_command_line_says",
            &["pollux.serial=0x3e8,9600"],
            "isa-serial,iobase=0x3e8,irq=4,chardev=line",
        ),
    ] {
        suite.test_alone(&format!("the_serial_line_is_found_{name}"), move || {
            let mut boot = Boot::new().with(&["--serial", "none"]);
            for word in words {
                boot = boot.word(word);
            }
            let arguments = ["-chardev", "stdio,id=line", "-device", device];
            let mut appliance = boot.qemu(&arguments).start();
            appliance.peer.assert_pings(10);
            assert!(appliance.counters().get("answered") >= 10);
        });
    }
    suite.test_alone(
        "a_serial_port_that_is_not_there_is_named_on_the_screen",
        || {
            let boot = with_screen().word("pollux.serial=com4");
            let mut appliance = boot.without_serial_output().start();
            let line = "serial: no serial port answers at 0x2e8";
            await_on_screen(&mut appliance, text_mode, &[line]);
            let found = appliance.find(Instant::now() + START_LIMIT);
            assert!(found.is_some(), "no ARP reply");
        },
    );
}

fn watchdog_tests(suite: &mut Suite) {
    for (kind, arguments) in [
        ("i6300esb", &["-device", "i6300esb"][..]),
        (
            "tco",
            &["-machine", "q35", "-global", "ICH9-LPC.noreboot=false"],
        ),
    ] {
        suite.test_alone(
            &format!("the_watchdog_{kind}_ends_a_loop_that_hangs"),
            move || {
                let boot = Boot::new().word("pollux.test").word("pollux.watchdog=5");
                let mut appliance = boot.qemu(arguments).start();
                assert_eq!(
                    appliance.status().value("system", "watchdog"),
                    format!("{kind} 5 s")
                );
                let mark = appliance.console.mark();
                // It is fed: thrice its span passes.
                std::thread::sleep(Duration::from_secs(15));
                appliance.peer.assert_pings(10);
                appliance.console.type_bytes(b"fault hang\r");
                let said = "last run: restarted by the watchdog";
                let printed = appliance.console.wait_for(mark, said, START_LIMIT);
                assert_eq!(printed.matches("provoking fault").count(), 1, "{printed}");
                let found = appliance.find(Instant::now() + START_LIMIT);
                assert!(found.is_some(), "no ARP reply after the restart");
                appliance.console.fresh_prompt();
                let status = appliance.status();
                let ended = status.value("system", "last_run_ended");
                assert_eq!(ended, "the watchdog restarted the machine");
            },
        );
    }
    suite.test_alone("a_watchdog_that_is_not_there_is_named", || {
        let appliance = Boot::new().word("pollux.watchdog=10").start();
        let log = appliance.console.log();
        assert!(log.contains("watchdog: none was found"), "{log}");
    });
}

fn processor_tests(suite: &mut Suite) {
    for (name, model, said) in [
        (
            "without_64_bit_mode",
            "qemu64,-lm",
            "pollux: this processor has no 64-bit mode",
        ),
        (
            "without_a_time_stamp_counter",
            "qemu64,-tsc",
            "pollux: this processor has no time stamp counter (TSC)",
        ),
        (
            "without_sse2",
            "qemu64,-sse2",
            "pollux: this processor has no SSE2",
        ),
    ] {
        suite.test_alone(&format!("a_processor_{name}_is_refused"), move || {
            let boot = with_screen().with(&["--cpu", model]);
            let mut appliance = boot.spawn();
            let mark = appliance.console.mark();
            appliance.console.wait_for(mark, said, START_LIMIT);
            let shown = text_mode(&mut appliance);
            assert!(shown[0].starts_with(said), "{shown:#?}");
        });
    }
    suite.test_alone(
        "an_interrupt_controller_that_was_left_running_does_no_harm",
        left_interrupting,
    );
    suite.test_alone("a_processor_without_no_execute_pages_serves", || {
        let mut appliance = Boot::new().with(&["--cpu", "qemu64,-nx"]).start();
        appliance.peer.assert_pings(100);
    });
}

/// Firmware, here a boot ROM, leaves the processor's interrupt controller in its extended mode (x2APIC), and its timer
/// running, which has an interrupt waiting at all times.
fn left_interrupting() {
    let mut rom = [
        // A boot ROM of 512 octets, called at its fourth.
        &[0x55, 0xaa, 1][..],
        // mov ecx, IA32_APIC_BASE; rdmsr; or ax, enabled and extended; wrmsr
        &[
            0x66, 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32, 0x0d, 0, 0x0c, 0x0f, 0x30,
        ],
        // mov ecx, the timer's vector; xor edx, edx; mov eax, periodic, 0x81; wrmsr
        &[
            0x66, 0xb9, 0x32, 8, 0, 0, 0x66, 0x31, 0xd2, 0x66, 0xb8, 0x81, 0, 2, 0, 0x0f, 0x30,
        ],
        // mov ecx, its initial count; mov eax, 0x10000; wrmsr; retf
        &[
            0x66, 0xb9, 0x38, 8, 0, 0, 0x66, 0xb8, 0, 0, 1, 0, 0x0f, 0x30, 0xcb,
        ],
    ]
    .concat();
    rom.resize(512, 0);
    rom[511] = rom
        .iter()
        .fold(0, |sum: u8, octet| sum.wrapping_sub(*octet));
    let file = Scratch::new("x2apic.rom");
    std::fs::write(&file.0, rom).expect("a file can be written");
    // QEMU itself has that mode from version 9 on, as it has this card from version 8.
    let boot = Boot::new().with(&["--machine", "q35", "--nic", "igb", "--cpu", "max,+x2apic"]);
    let mut appliance = boot
        .qemu(&["-option-rom", &file.path()])
        .with_monitor()
        .start();
    appliance.peer.assert_pings(1000);
    let report = appliance.console.command("report");
    assert!(
        report.lines().any(|line| line == "processor apic x2apic"),
        "{report}"
    );
    let controller = appliance.monitor("info lapic");
    // It waits to be taken, and never is.
    let requests = controller.lines().find(|line| line.starts_with("IRR"));
    assert!(
        requests.is_some_and(|line| line.contains("129")),
        "{controller}"
    );
    appliance.counters().assert_complete();
}

fn power_tests(suite: &mut Suite) {
    suite.test_alone(
        "system_management_interrupts_are_counted_where_the_processor_can",
        || {
            for (model, is_counted) in [
                ("Nehalem,-hypervisor", true),
                ("Nehalem", false),
                ("core2duo,-hypervisor", false),
            ] {
                let boot = Boot::new().with(&["--machine", "q35", "--cpu", model]);
                let status = boot.start().status();
                assert_eq!(status.has_row("system", "smi_count"), is_counted, "{model}");
                if is_counted {
                    // Firmware itself makes one, at the least, when it sets them up.
                    let count = status.value("system", "smi_count").parse::<u32>();
                    assert!(count.is_ok_and(|count| count > 0), "{status:?}");
                }
            }
        },
    );
    // Neither knows of ACPI; the second has neither a reset register nor a keyboard controller.
    for (name, machine, without) in [
        ("acpi", "pc", "acpi=off"),
        ("any_register_for_it", "microvm", "acpi=off"),
    ] {
        suite.test_alone(
            &format!("a_machine_without_{name}_restarts_and_stops"),
            move || {
                let boot = Boot::new()
                    .with(&["--machine", machine])
                    .without_test_exit();
                let mut appliance = boot.qemu(&["-machine", without]).start();
                appliance.peer.assert_pings(10);
                let mark = appliance.console.mark();
                appliance.console.type_bytes(b"reboot\r");
                appliance.console.wait_for(mark, "\nPollux ", START_LIMIT);
                let found = appliance.find(Instant::now() + START_LIMIT);
                assert!(found.is_some(), "no ARP reply after the restart");
                appliance.console.fresh_prompt();
                appliance.console.type_bytes(b"poweroff\r");
                let said = "poweroff: this machine has no way to switch itself off; it has stopped";
                appliance.console.wait_for(mark, said, START_LIMIT);
                assert!(appliance.is_running());
            },
        );
    }
    suite.test_alone(
        "a_machine_of_reduced_hardware_restarts_and_goes_off",
        || {
            let boot = Boot::new().with(&["--machine", "microvm"]);
            let mut appliance = boot.without_test_exit().start();
            let mark = appliance.console.mark();
            appliance.console.type_bytes(b"reboot\r");
            appliance.console.wait_for(mark, "\nPollux ", START_LIMIT);
            appliance.console.fresh_prompt();
            appliance.console.type_bytes(b"poweroff\r");
            assert_eq!(appliance.wait_for_exit(START_LIMIT).code(), Some(0));
        },
    );
}

/// One command prints what a report of a fault needs: here a machine with a card that nobody drives.
fn the_machine_describes_itself() {
    let mut appliance = Boot::new().without_usable_card("pcnet").start();
    let report = appliance.console.command("report");
    for line in [
        "version 0.1.0",
        "pci 0000:00:00.0 8086:1237 class 0600",
        "pci 0000:00:02.0 1022:2000 class 0200",
        "serial 0x3f8",
    ] {
        assert!(
            report.lines().any(|said| said == line),
            "`{line}` is missing in\n{report}"
        );
    }
    for said in report.lines() {
        assert!(!said.ends_with(' '), "{said:?}");
        // Words, not the names that the program has for them.
        for word in ["UnknownBios", "Pixels", "Text {", "true", "false"] {
            assert!(!said.contains(word), "{said}");
        }
    }
    assert!(report.contains(" usable\n"), "{report}");
    // QEMU calls itself so in ACPI's tables.
    assert!(report.contains(" octets BOCHS BXPC\n"), "{report}");
    assert!(report.contains(" reserved by the firmware\n"), "{report}");
    for kind in [
        "processor ",
        "memory 0x000000100000 to ",
        "acpi root pointer at 0x",
        "acpi FACP ",
        "acpi APIC ",
        "clock ",
        "timer acpi 0x",
        "timer hpet 0x",
        "processor apic xapic",
    ] {
        assert!(
            report.lines().any(|said| said.starts_with(kind)),
            "{report}"
        );
    }
}
