//! A machine that is left leaves its cards quiet: whoever starts next finds none that receives, sends or writes to memory.
//!
//! QEMU stops where the machine would start again or go off, with everything as it is then.

use std::time::{Duration, Instant};

use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::peer::Peer;
use pollux_tests::suite::Suite;

use super::{SAYING_LIMIT, on};

/// Intel's registers (82540EM SDM §13.4): what receives and what sends, and the bit in both that enables it.
const RCTL: u64 = 0x0100;
const TCTL: u64 = 0x0400;
const ENABLE: u32 = 1 << 1;
/// Virtio's status (virtio 1.2 §4.1.4.3), behind this base address register of QEMU's; and behind ports, without MSI-X
/// (virtio 1.2 §4.1.4.10).
const VIRTIO_BAR: u8 = 4;
const DEVICE_STATUS: u64 = 20;
const LEGACY_STATUS: u64 = 18;
/// In the command register: it may reach memory (PCI 3.0 §6.2.2).
const COMMAND: u32 = 0x04;
const BUS_MASTER: u32 = 1 << 2;

/// Whether a card is still at work.
type Works = fn(&Appliance) -> bool;

/// The cards, and how that is seen.
const CARDS: [(&str, Works); 5] = [
    ("e1000", intel_works),
    ("e1000e", intel_works),
    ("igb", intel_works),
    ("virtio-net-pci", |appliance| {
        appliance.peek("readb", VIRTIO_BAR, DEVICE_STATUS) != 0
    }),
    ("virtio-net-pci,disable-modern=on", |appliance| {
        appliance.peek("inb", 0, LEGACY_STATUS) != 0
    }),
];

/// Ways to leave a machine, and whether there is time for more than to keep the card from memory.
const WAYS: [(&str, bool); 3] = [("reboot", true), ("poweroff", true), ("fault panic", false)];

pub(super) fn add_to(suite: &mut Suite) {
    for (nic, works) in CARDS {
        for (command, is_orderly) in WAYS {
            let way = command.replace(' ', "_");
            let name = format!("a_machine_that_is_left_by_{way}_leaves_its_card_quiet_as_{nic}");
            // Of the last, one card says all: it is the same for each.
            let test = move || is_left(nic, works, command, is_orderly);
            match is_orderly || nic == "e1000e" {
                true => suite.test_alone(&name, test),
                false => suite.test_long(&name, test),
            }
        }
    }
}

fn intel_works(appliance: &Appliance) -> bool {
    [RCTL, TCTL]
        .iter()
        .any(|&register| appliance.peek("readl", 0, register) & ENABLE != 0)
}

fn may_reach_memory(appliance: &Appliance) -> bool {
    let slot = appliance.card_slot();
    appliance.poke_at("outl", 0xcf8, 1 << 31 | slot << 11 | COMMAND);
    appliance.peek_at("inl", 0xcfc) & BUS_MASTER != 0
}

fn is_left(nic: &str, works: Works, command: &str, is_orderly: bool) {
    let stop = ["-action", "reboot=shutdown,shutdown=pause"];
    let boot: Boot = on(nic).without_test_exit().with_pokes().qemu(&stop);
    let mut appliance = boot.word("pollux.test").start();
    appliance.peer.assert_pings(500);
    assert!(works(&appliance) && may_reach_memory(&appliance));
    for _ in 0..200 {
        appliance.peer.send(&Peer::request(b"load"));
    }
    appliance
        .console
        .type_bytes(format!("{command}\r").as_bytes());
    let deadline = Instant::now() + SAYING_LIMIT;
    while !appliance.monitor("info status").contains("paused") {
        assert!(Instant::now() < deadline, "the machine was not left");
        appliance.peer.send(&Peer::request(b"load"));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!may_reach_memory(&appliance), "it may reach memory");
    if is_orderly {
        assert!(!works(&appliance), "it was not stopped");
    }
}
