//! Timers that tell how fast the clock runs.

use pollux_tests::appliance::Boot;
use pollux_tests::suite::Suite;

/// Adds them.
pub fn tests(suite: &mut Suite) {
    for machine in ["pc", "q35"] {
        suite.test_alone(
            &format!("a_{machine}_without_an_interval_timer_knows_the_time"),
            move || {
                let boot = Boot::new().with(&["--machine", machine]);
                let mut appliance = boot.qemu(&["-machine", "pit=off"]).start();
                appliance.peer.assert_pings(10);
                let status = appliance.status();
                let clock = status.value("system", "clock");
                assert!(clock.contains(" MHz by acpi timer, "), "{clock}");
            },
        );
    }
    suite.test_alone("every_timer_tells_the_same_time", || {
        let rates = ["pit", "acpi", "hpet"].map(rate_by);
        let (least, most) = (rates.iter().min(), rates.iter().max());
        // They measure the same counter within 10 ms each, on an emulator.
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least < least / 20),
            "{rates:?}"
        );
    });
    suite.test_alone(
        "a_timer_that_is_not_there_is_named_and_others_are_asked",
        || {
            let boot = Boot::new().word("pollux.clock=hpet");
            let mut appliance = boot.qemu(&["-machine", "hpet=off"]).start();
            let log = appliance.console.log();
            let line = "clock: hpet cannot tell the rate, and others are asked";
            assert!(log.contains(line), "{log}");
            let status = appliance.status();
            let clock = status.value("system", "clock");
            assert!(clock.contains(" MHz by pit, "), "{clock}");
        },
    );
}

/// The rate in hertz that one timer tells.
fn rate_by(timer: &str) -> u64 {
    // Time goes by instructions: on a busy host nothing comes between two looks.
    let boot = Boot::new().qemu(&["-icount", "shift=3"]);
    let boot = boot.with(&["--machine", "q35"]);
    let mut appliance = boot.word(&format!("pollux.clock={timer}")).start();
    appliance.peer.assert_pings(10);
    let report = appliance.console.command("report");
    let line = report.lines().find_map(|line| line.strip_prefix("clock "));
    let (hertz, source) = line
        .and_then(|line| line.split_once(" Hz by "))
        .expect("a clock");
    assert!(source.starts_with(timer), "{report}");
    hertz.parse().expect("a number")
}
