//! A card is taken out of the running machine and put back in: the others go on, and what was configured on it is there
//! when it is back.
//!
//! QEMU has three ways. On `pc`, and on `q35` unless told otherwise, ACPI has the card taken off the bus: the program that
//! firmware brings along would do that, and its part is played from outside. With that off, the slot has a
//! button, lamps and power of its own (PCI Express 5.0 §6.7), and nobody but the appliance answers.

use std::time::{Duration, Instant};

use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::suite::Suite;

use super::SAYING_LIMIT;
use super::several::Further;

/// Where on the bus of a `pc` the card is, and ACPI's registers for unplugging, as QEMU has them (its
/// `docs/specs/acpi_pci_hotplug`): the bus, and the slots of it from which a card is taken.
const SLOT: u32 = 9;
const BUS_SELECTION: u64 = 0x10;
const EJECTION: u64 = 0x08;

/// A slot that a `q35` has besides those of its bus, and that nobody but its button rules it.
const ROOT_PORT: [&str; 2] = ["-device", "pcie-root-port,id=port1,chassis=1"];
const BUTTON: [&str; 2] = [
    "-global",
    "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
];

/// How a card is unplugged.
#[derive(Clone, Copy)]
enum Way {
    /// By ACPI, whose registers begin at this port.
    Acpi {
        machine: &'static str,
        registers: u64,
    },
    /// By the button of its slot.
    Button,
}

const PC: Way = Way::Acpi {
    machine: "pc",
    registers: 0xae00,
};
const Q35: Way = Way::Acpi {
    machine: "q35",
    registers: 0x0cc0,
};

/// Each way with cards of each kind.
const UNPLUGGED: [(&str, Way, &str); 9] = [
    ("pc", PC, "e1000"),
    ("pc", PC, "e1000e"),
    ("pc", PC, "virtio-net-pci"),
    ("pc", PC, "virtio-net-pci,disable-modern=on"),
    ("q35", Q35, "e1000e"),
    ("q35", Q35, "virtio-net-pci"),
    ("q35_by_its_button", Way::Button, "e1000e"),
    ("q35_by_its_button", Way::Button, "igb"),
    ("q35_by_its_button", Way::Button, "virtio-net-pci"),
];

/// Of these, those that do nothing which another of them does not.
const TWINS: [(&str, &str); 4] = [
    ("pc", "e1000e"),
    ("pc", "virtio-net-pci,disable-modern=on"),
    ("q35", "virtio-net-pci"),
    ("q35_by_its_button", "igb"),
];

pub(super) fn add_to(suite: &mut Suite) {
    for (machine, way, nic) in UNPLUGGED {
        let name = format!("a_card_that_is_unplugged_and_comes_back_on_{machine}_as_{nic}");
        match TWINS.contains(&(machine, nic)) {
            true => suite.test_long(&name, move || unplugged(way, nic)),
            false => suite.test_alone(&name, move || unplugged(way, nic)),
        }
    }
    for (name, way) in [("pc", PC), ("q35_by_its_button", Way::Button)] {
        let name = format!("another_card_in_the_place_of_one_is_named_on_{name}");
        suite.test_alone(&name, move || replaced(way));
    }
    suite.test_alone(
        "both_functions_of_a_card_leave_and_come_back_together",
        two_functions,
    );
}

/// A machine with a card that can be unplugged, besides its first.
struct Machine {
    way: Way,
    card: Further,
    appliance: Appliance,
}

impl Machine {
    fn start(way: Way, nic: &str) -> Self {
        let (machine, first) = match way {
            Way::Acpi { machine, .. } => (machine, "e1000"),
            Way::Button => ("q35", "e1000"),
        };
        let first = if nic == "igb" { "igb" } else { first };
        let mut boot = Boot::new().with(&["--machine", machine, "--nic", first]);
        if machine == "q35" {
            boot = boot.qemu(&ROOT_PORT);
        }
        if matches!(way, Way::Button) {
            boot = boot.qemu(&BUTTON);
        }
        let (boot, card) = Further::add(boot, 1, nic, &place(way));
        let mut appliance = boot.with_pokes().start();
        card.configure(&mut appliance);
        Self {
            way,
            card,
            appliance,
        }
    }

    /// QEMU asks for the card, and gets it.
    fn unplug(&self) {
        self.appliance.monitor("device_del card1");
        if let Way::Acpi { machine, registers } = self.way {
            // The bus of a root port is the first that ACPI counts, or the second.
            let bit = if machine == "pc" { 1 << SLOT } else { 1 };
            for bus in 0..2 {
                self.appliance
                    .poke_at("outl", registers + BUS_SELECTION, bus);
                self.appliance.poke_at("outl", registers + EJECTION, bit);
            }
        }
        let deadline = Instant::now() + SAYING_LIMIT;
        while self.appliance.monitor("info pci").contains("card1") {
            assert!(Instant::now() < deadline, "the card was not let go of");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn plug(&self, nic: &str) {
        let added = self.card.device(nic, &place(self.way));
        let said = self.appliance.monitor(&format!("device_add {added}"));
        assert!(!said.contains("Error"), "{said}");
    }

    /// How often the card was reset. What was never counted is not shown.
    fn resets(&mut self) -> u64 {
        let status = self.appliance.status();
        match status.has_row("statistics eth1", "resets") {
            true => status.value("statistics eth1", "resets").parse().unwrap(),
            false => 0,
        }
    }
}

/// Where the card is, for QEMU.
fn place(way: Way) -> String {
    match way {
        Way::Acpi { machine: "pc", .. } => format!(",addr={SLOT:#x}"),
        _ => ",bus=port1".to_owned(),
    }
}

fn unplugged(way: Way, nic: &'static str) {
    let mut machine = Machine::start(way, nic);
    machine.card.assert_pings(500);
    let configuration = machine.appliance.console.command("config show");
    for round in 1..=2 {
        let before = machine.resets();
        let mark = machine.appliance.console.mark();
        machine.unplug();
        machine
            .appliance
            .console
            .wait_for(mark, "eth1: link down", SAYING_LIMIT);
        machine.appliance.console.fresh_prompt();
        machine.appliance.peer.assert_pings(2000);
        let status = machine.appliance.status();
        assert_eq!(status.value("port eth1", "link"), "down");
        // It is waited for, and not reset again and again.
        assert_eq!(machine.resets(), before);
        let printed = machine.appliance.console.since(mark);
        let said = match way {
            Way::Acpi { .. } => "nothing answers at its registers, it is gone",
            Way::Button => "eth1: the button of its slot was pressed; it may be taken out",
        };
        assert_eq!(printed.matches(said).count(), 1, "{printed}");

        let mark = machine.appliance.console.mark();
        machine.plug(nic);
        for said in [
            "again, and has its addresses",
            "it is there again; resetting it",
            "eth1: link up",
        ] {
            machine.appliance.console.wait_for(mark, said, SAYING_LIMIT);
        }
        machine.appliance.console.fresh_prompt();
        machine.card.assert_pings(500);
        assert_eq!(machine.resets(), before + 1, "round {round}");
        let shown = machine.appliance.console.command("config show");
        assert_eq!(shown, configuration);
        machine.appliance.peer.assert_pings(500);
    }
}

/// A card of another kind is put in, and then the first again.
fn replaced(way: Way) {
    let mut machine = Machine::start(way, "e1000e");
    machine.card.assert_pings(100);
    machine.unplug();
    let mark = machine.appliance.console.mark();
    machine.plug("virtio-net-pci");
    let said = "is 1af4:1000 now, which is another; it is not used before the next start";
    // A device of virtio on a bus of PCI Express has the number of version 1.
    let said = match way {
        Way::Acpi { .. } => said.to_owned(),
        Way::Button => said.replace("1af4:1000", "1af4:1041"),
    };
    machine
        .appliance
        .console
        .wait_for(mark, &said, SAYING_LIMIT);
    machine.appliance.console.fresh_prompt();
    machine.appliance.peer.assert_pings(500);
    let printed = machine.appliance.console.since(mark);
    assert_eq!(printed.matches("which is another").count(), 1, "{printed}");

    machine.unplug();
    let mark = machine.appliance.console.mark();
    machine.plug("e1000e");
    for said in ["again, and has its addresses", "eth1: link up"] {
        machine.appliance.console.wait_for(mark, said, SAYING_LIMIT);
    }
    machine.appliance.console.fresh_prompt();
    machine.card.assert_pings(500);
    let removed = machine.appliance.console.command("ip link del eth1.101");
    assert_eq!(removed, "");
}

/// A card with two functions, which share the slot.
fn two_functions() {
    let boot = Boot::new().with(&["--machine", "q35", "--nic", "e1000"]);
    let boot = boot.qemu(&ROOT_PORT).qemu(&BUTTON);
    let places = [
        ",bus=port1,addr=0.0,multifunction=on",
        ",bus=port1,addr=0.1",
    ];
    let (boot, first) = Further::add(boot, 1, "e1000e", places[0]);
    let (boot, second) = Further::add(boot, 2, "e1000e", places[1]);
    let mut cards = [first, second];
    let mut appliance = boot.with_monitor().start();
    for card in &mut cards {
        card.configure(&mut appliance);
        card.assert_pings(100);
    }
    let configuration = appliance.console.command("config show");

    let mark = appliance.console.mark();
    appliance.monitor("device_del card1");
    for said in ["eth1: link down", "eth2: link down"] {
        appliance.console.wait_for(mark, said, SAYING_LIMIT);
    }
    let deadline = Instant::now() + SAYING_LIMIT;
    while appliance.monitor("info pci").contains("\"card") {
        assert!(Instant::now() < deadline, "the card was not let go of");
    }
    appliance.console.fresh_prompt();
    let printed = appliance.console.since(mark);
    for port in ["eth1", "eth2"] {
        let said = format!("{port}: the button of its slot was pressed");
        assert_eq!(printed.matches(&said).count(), 1, "{printed}");
    }
    assert!(!printed.contains("it is gone"), "{printed}");
    appliance.peer.assert_pings(500);

    let mark = appliance.console.mark();
    // The slot takes note of a card when its first function is there.
    for (card, place) in cards.iter().zip(places).rev() {
        let said = appliance.monitor(&format!("device_add {}", card.device("e1000e", place)));
        assert!(!said.contains("Error"), "{said}");
    }
    for said in ["eth1: link up", "eth2: link up"] {
        appliance.console.wait_for(mark, said, SAYING_LIMIT);
    }
    appliance.console.fresh_prompt();
    for card in &mut cards {
        card.assert_pings(500);
    }
    assert_eq!(appliance.console.command("config show"), configuration);
}
