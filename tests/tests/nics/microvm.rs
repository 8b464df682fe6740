//! QEMU's `microvm`: a machine without PCI, whose network cards are virtio devices on no bus.

use pollux_tests::appliance::Boot;
use pollux_tests::suite::Suite;

use super::faults::survives;
use super::{Card, Registers, other_vlans_get_no_answer, serves};

/// The card as QEMU names it.
const NIC: &str = "virtio-net-device";

/// With registers of version 1.0.
const MODERN: Card = Card {
    name: "virtio_mmio",
    nic: NIC,
    driver: "virtio-net",
    model: "virtio-net",
    registers: Registers::VirtioMmio,
    boot: |_| microvm(),
};

/// With registers from before, which are QEMU's default.
const LEGACY: Card = Card {
    name: "virtio_mmio_legacy",
    model: "virtio-net (legacy)",
    boot: |_| microvm().qemu(&["-global", "virtio-mmio.force-legacy=true"]),
    ..MODERN
};

/// Machines with less: what there is stands on the command line instead of ACPI's tables; and without the
/// timers that a PC has.
const LESSER: [&str; 2] = ["microvm,acpi=off", "microvm,pit=off,pic=off,rtc=off"];

fn microvm() -> Boot {
    Boot::new().with(&["--machine", "microvm", "--nic", NIC])
}

/// With queues of the other format.
const PACKED: Card = Card {
    name: "virtio_mmio_packed",
    model: "virtio-net (packed)",
    boot: |_| {
        let nic = [
            "--machine",
            "microvm",
            "--nic",
            "virtio-net-device,packed=on",
        ];
        Boot::new().with(&nic).word("pollux.virtio-queues=packed")
    },
    ..MODERN
};

pub(super) fn add_to(suite: &mut Suite) {
    suite.test_alone("virtio_mmio_serves", || serves(&MODERN));
    suite.test_alone("virtio_mmio_survives_its_faults", || survives(&MODERN));
    suite.test_alone("virtio_mmio_legacy_serves", || serves(&LEGACY));
    suite.test_long("virtio_mmio_packed_serves", || serves(&PACKED));
    suite.test_long("virtio_mmio_packed_survives_its_faults", || {
        survives(&PACKED)
    });
    suite.test_long("virtio_mmio_legacy_survives_its_faults", || {
        survives(&LEGACY)
    });
    for machine in LESSER {
        suite.test_alone(&format!("serves_on_{machine}"), move || {
            let mut appliance = microvm().qemu(&["-machine", machine]).start();
            appliance.peer.assert_pings(1000);
            other_vlans_get_no_answer(&mut appliance);
            appliance.counters().assert_complete();
        });
    }
    suite.test_alone("a_clock_is_measured_without_a_speaker_port", measured);
    suite.test_alone("cards_on_no_bus_are_named_as_they_were_given", several);
    suite.test_alone(
        "a_device_that_is_not_where_it_is_said_to_be_is_named",
        missing,
    );
}

fn measured() {
    let mut appliance = microvm().start();
    let status = appliance.status();
    let clock = status.value("system", "clock");
    assert!(clock.contains(" by pit"), "{clock}");
}

fn several() {
    let mut boot = microvm();
    for last in 1..=2 {
        let device = format!("{NIC},mac=52:54:00:00:00:0{last}");
        boot = boot.qemu(&["-device", &device]);
    }
    let mut appliance = boot.start();
    let status = appliance.status();
    for (port, mac) in [
        ("port eth0", "52:54:00:12:34:56"),
        ("port eth1", "52:54:00:00:00:01"),
        ("port eth2", "52:54:00:00:00:02"),
    ] {
        assert_eq!(status.value(port, "mac"), mac);
    }
    appliance.peer.assert_pings(1000);
}

fn missing() {
    let mut appliance = microvm()
        .word("virtio_mmio.device=512@0xd0000000:5")
        .word("virtio_mmio.device=512@0:5")
        .start();
    appliance.peer.assert_pings(100);
    let printed = appliance.transcript();
    for said in [
        "mmio 0xd0000000: no virtio device: the first register reads",
        "'virtio_mmio.device=512@0:5' ignored: expected virtio_mmio.device=SIZE@BASE:IRQ",
    ] {
        assert!(printed.contains(said), "{printed}");
    }
}
