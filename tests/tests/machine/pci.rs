//! The PCI bus: bridges, segments, and what firmware leaves undone.

use pollux_tests::appliance::Boot;
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

/// Adds them.
pub fn tests(suite: &mut Suite) {
    // Each: the machine, the bridges from the processor to the card, the card, the way to configuration space.
    for (name, machine, bridges, nic, way) in [
        (
            "two_bridges",
            "pc",
            &[
                "pci-bridge,id=a,chassis_nr=1",
                "pci-bridge,id=b,bus=a,addr=3,chassis_nr=2",
            ][..],
            "e1000,bus=b,addr=5",
            "ports",
        ),
        (
            "a_pci_express_port",
            "q35",
            &["pcie-root-port,id=a"],
            "e1000e,bus=a",
            "ports",
        ),
        (
            "a_pci_express_port_and_a_bridge_reached_by_memory",
            "q35",
            &["pcie-root-port,id=a", "pcie-pci-bridge,id=b,bus=a"],
            "e1000,bus=b,addr=2",
            "memory",
        ),
        (
            "another_host_bridge",
            "pc",
            &["pxb,id=a,bus_nr=128"],
            "e1000,bus=a,addr=2",
            "ports",
        ),
        (
            "another_host_bridge_and_a_port",
            "q35",
            &["pxb-pcie,id=a,bus_nr=64", "pcie-root-port,id=b,bus=a"],
            "virtio-net-pci,bus=b",
            "ports",
        ),
        (
            "another_host_bridge_and_a_port_reached_by_memory",
            "q35",
            &["pxb-pcie,id=a,bus_nr=64", "pcie-root-port,id=b,bus=a"],
            "e1000e,bus=b",
            "memory",
        ),
    ] {
        suite.test_alone(&format!("a_card_behind_{name}_is_found"), move || {
            let boot = Boot::new().with(&["--machine", machine, "--nic", nic]);
            let mut boot = boot.word(&format!("pollux.pci={way}"));
            for bridge in bridges {
                boot = boot.with(&["--bridge", bridge]);
            }
            let mut appliance = boot.start();
            appliance.peer.assert_pings(100);
            appliance.counters().assert_complete();
        });
    }
    suite.test_alone("registers_above_four_gibibytes_are_reached", || {
        // What this takes of the address space leaves none below 4 GiB for ranges that can be elsewhere.
        let arguments = [
            "-object",
            "memory-backend-ram,id=large,size=4G,share=on",
            "-device",
            "ivshmem-plain,memdev=large",
        ];
        let boot = Boot::new().with(&["--machine", "q35", "--nic", "virtio-net-pci"]);
        let mut appliance = boot.qemu(&arguments).with_monitor().start();
        appliance.peer.assert_pings(100);
        let printed = appliance.monitor("info pci");
        let card = printed.split("Ethernet controller").nth(1).expect("a card");
        let bar = card.split("64 bit prefetchable memory at 0x").nth(1);
        let digits = bar.and_then(|bar| bar.split_whitespace().next());
        let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        assert!(
            address.is_some_and(|address| address >= 1 << 32),
            "{printed}"
        );
    });
    without_firmware(suite);
    suite.test_alone(
        "a_card_in_another_segment_beyond_four_gibibytes_is_found",
        another_segment,
    );
    suite.test_alone("a_machine_without_a_known_card_says_what_it_has", || {
        let appliance = Boot::new().without_usable_card("pcnet").start();
        let log = appliance.console.log();
        let line = "there is pci 0000:00:02.0 1022:2000 class 0200";
        assert!(log.contains(line), "{log}");
    });
}

/// What firmware would have done is done: buses numbered, addresses given, bridges opened.
fn without_firmware(suite: &mut Suite) {
    // QEMU's small firmware for q35 numbers buses, but gives no addresses; on microvm there is nothing: no firmware that
    // knows of PCI, and no ports by which it is reached.
    let (q35, microvm) = (["-bios", "qboot.rom"], ["-machine", "pcie=on"]);
    for (name, machine, firmware, bridges, nic) in [
        ("a_virtio_card", "q35", q35, &[][..], "virtio-net-pci"),
        (
            "a_card_behind_a_port",
            "q35",
            q35,
            &["pcie-root-port,id=a"],
            "e1000e,bus=a",
        ),
        (
            "a_card_without_ports",
            "microvm",
            microvm,
            &[],
            "virtio-net-pci",
        ),
        (
            "a_card_behind_buses_without_numbers",
            "microvm",
            microvm,
            &["pcie-root-port,id=a", "pcie-pci-bridge,id=b,bus=a"],
            "e1000,bus=b,addr=2",
        ),
    ] {
        suite.test_alone(&format!("{name}_gets_its_address"), move || {
            let mut boot = Boot::new().with(&["--machine", machine, "--nic", nic]);
            for bridge in bridges {
                boot = boot.with(&["--bridge", bridge]);
            }
            let mut appliance = boot.qemu(&firmware).start();
            appliance.peer.assert_pings(100);
            appliance.counters().assert_complete();
            let log = appliance.console.log();
            assert!(log.contains(" now, firmware gave them no address"), "{log}");
        });
    }
    suite.test_alone(
        "all_cards_get_their_addresses_before_the_first_is_at_work",
        move || {
            let mut boot = Boot::new().with(&["--machine", "microvm"]);
            for bridge in ["pcie-root-port,id=a", "pcie-pci-bridge,id=b,bus=a"] {
                boot = boot.with(&["--bridge", bridge]);
            }
            let boot = boot.with(&["--nic", "e1000,bus=b,addr=2"]);
            let further = ["-device", "virtio-net-pci,bus=b,addr=3,romfile="];
            let mut appliance = boot.qemu(&microvm).qemu(&further).start();
            appliance.peer.assert_pings(100);
            let log = appliance.console.log();
            let last_given = log.rfind(" now, firmware gave them no address");
            let cards = ["eth0: 82540EM at pci", "eth1: virtio-net"].map(|card| log.find(card));
            assert!(last_given.is_some() && last_given < cards[0], "{log}");
            assert!(cards[0] < cards[1], "{log}");
        },
    );
    suite.test_alone(
        "where_there_are_several_host_bridges_an_address_is_given_with_a_warning",
        move || {
            let nic = "virtio-net-pci,bus=pcie.0";
            let boot = Boot::new().with(&["--machine", "q35", "--nic", nic]);
            let boot = boot.with(&["--bridge", "pxb-pcie,id=a,bus_nr=64"]);
            let mut appliance = boot.qemu(&q35).start();
            appliance.peer.assert_pings(100);
            let log = appliance.console.log();
            let line = "there may be several host bridges: what it gets need not lead to it";
            assert!(log.contains(line), "{log}");
        },
    );
    suite.test_alone(
        "a_card_for_which_there_are_no_ports_left_is_named",
        move || {
            // Its registers are behind ports, and those are given to nobody.
            let boot = Boot::new().without_usable_card("virtio-net-pci,disable-modern=on");
            let boot = boot.with(&["--machine", "q35"]);
            let appliance = boot.qemu(&q35).start();
            let log = appliance.console.log();
            let line = "pci 0000:00:01.0: virtio-net: firmware gave its registers no address";
            assert!(log.contains(line), "{log}");
            assert!(log.contains("no network card: nothing to serve"), "{log}");
        },
    );
}

/// QEMU has one segment only. Here a table says that there is another, whose configuration space is what a test put into
/// memory above 4 GiB: a card that nobody drives, left able to reach memory.
fn another_segment() {
    const BASE: u64 = 0x1_4000_0000;
    const CARD: usize = 3 << 15;
    let mut octets = vec![0xff; 1 << 20];
    octets[CARD..CARD + 4096].fill(0);
    for (offset, word) in [(0, 0x1234_1af4_u32), (4, 0x0010_0007), (8, 0x0200_0000)] {
        let at = CARD + offset;
        octets[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    let [space, table] = ["segment", "mcfg"].map(Scratch::new);
    std::fs::write(&space.0, octets).expect("a file can be written");
    // Behind the header: eight octets of nothing; base, segment, first and last bus, four octets of nothing.
    let entry = [&[0; 8][..], &BASE.to_le_bytes(), &[1, 0, 0, 0], &[0; 4]].concat();
    std::fs::write(&table.0, entry).expect("a file can be written");
    let loader = format!("loader,file={},addr={BASE:#x},force-raw=on", space.path());
    let table = format!("sig=MCFG,data={}", table.path());
    let boot = Boot::new().with(&["--memory", "6144"]).with_monitor();
    let boot = boot.qemu(&["-acpitable", &table, "-device", &loader]);
    let mut appliance = boot.start();
    appliance.peer.assert_pings(10);
    let log = appliance.console.log();
    let line = "pci 0001:00:03.0: network card 1af4:1234 is not one that is known";
    assert!(log.contains(line), "{log}");
    let report = appliance.console.command("report");
    for line in [
        "pci segment 0001 buses 00 to 00 by memory at 0x140000000",
        "pci 0001:00:03.0 1af4:1234 class 0200",
    ] {
        assert!(report.lines().any(|said| said == line), "{report}");
    }
    // It was kept from memory, before any of that was used.
    let command = appliance.monitor(&format!("xp /1wx {:#x}", BASE + CARD as u64 + 4));
    assert!(command.contains("0x00100003"), "{command}");
}
