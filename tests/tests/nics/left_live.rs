//! Firmware, or a boot ROM, that left a card receiving: its rings are live, and frames arrive, while the appliance takes over.

use std::time::{Duration, Instant};

use pollux_tests::appliance::{Appliance, START_LIMIT};
use pollux_tests::peer::Peer;
use pollux_tests::suite::Suite;

use super::{SAYING_LIMIT, on};

/// A ring of 256 descriptors in memory that nothing else uses, all with the same buffer behind it.
const RING: u64 = 0x8_0000;
const DESCRIPTORS: u32 = 256;
const BUFFER: u32 = 0x8_1000;
/// What is written into the buffer once the appliance serves, and must stay there.
const MARK: u32 = 0x5eed_f00d;
/// Firmware waits so long for a key before it starts the kernel: time to play its part.
const MENU: &str = "menu=on,splash-time=3000";
/// Slow enough that the ring is not full before the end of the wait.
const INTERVAL: Duration = Duration::from_millis(30);

/// Registers of the card (82540EM SDM §13.4), and what firmware would have there.
const RDBAL: u64 = 0x2800;
const RDBAH: u64 = 0x2804;
const RDLEN: u64 = 0x2808;
const RDH: u64 = 0x2810;
const RDT: u64 = 0x2818;
const RCTL: u64 = 0x0100;
/// Enabled, promiscuous, broadcasts too, without the checksum.
const RECEIVE_ALL: u32 = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 15 | 1 << 26;

pub(super) fn add_to(suite: &mut Suite) {
    let name = "rings_that_were_left_live_do_no_harm_as";
    suite.test_alone(&format!("{name}_e1000"), || taken_over("e1000"));
    suite.test_long(&format!("{name}_e1000e"), || taken_over("e1000e"));
}

fn taken_over(nic: &str) {
    let boot = on(nic).with(&["--machine", "pc"]).with_pokes();
    let mut appliance = boot.qemu(&["-boot", MENU]).start();
    let mark = appliance.console.mark();
    appliance.monitor("stop");
    appliance.monitor("system_reset");
    let deadline = Instant::now() + START_LIMIT;
    await_firmware(&appliance, deadline);
    appliance.monitor("stop");
    leave_live(&appliance);
    appliance.monitor("cont");
    // Until the appliance is there, and for a while: its card may be deaf at first.
    let mut received_before = 0;
    while !appliance.console.since(mark).contains("eth0: link up") {
        assert!(Instant::now() < deadline, "no appliance after the reset");
        received_before = received_before.max(used(&appliance));
        // On a busy machine it takes longer: some of the ring is left to the end.
        if received_before < DESCRIPTORS - 16 {
            appliance.peer.send(&Peer::request(b"for whoever is there"));
        }
        std::thread::sleep(INTERVAL);
    }
    assert_ne!(received_before, 0, "the ring was not live");
    let found = appliance.find(deadline);
    assert!(found.is_some(), "no ARP reply after the reset");
    appliance.console.wait_for(mark, "pollux> ", SAYING_LIMIT);
    appliance.console.fresh_prompt();
    appliance.poke_at("writel", u64::from(BUFFER), MARK);
    assert!(
        appliance
            .console
            .log()
            .contains("left it receiving; it was reset"),
        "what was found was not said"
    );
    let status = appliance.status();
    assert_eq!(status.value("statistics eth0", "found_in_use"), "1");
    let used_before = used(&appliance);
    appliance.peer.assert_pings(2000);
    assert_eq!(word(&appliance, u64::from(BUFFER)), MARK);
    assert_eq!(used(&appliance), used_before);
    appliance.counters().assert_complete();
}

/// Waits until firmware has given the card its addresses.
fn await_firmware(appliance: &Appliance, deadline: Instant) {
    let has_addresses = || {
        let printed = appliance.monitor("info pci");
        let card = printed.split("Ethernet controller").nth(1);
        card.is_some_and(|card| card.contains("BAR0: 32 bit memory at 0xf"))
            && !card.is_some_and(|card| card.contains("BAR0: 32 bit memory at 0xffffffff"))
    };
    assert!(!has_addresses(), "the reset took no addresses away");
    appliance.monitor("cont");
    while !has_addresses() {
        assert!(
            Instant::now() < deadline,
            "firmware gave the card no address"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a boot ROM does to receive, and forgets to undo.
fn leave_live(appliance: &Appliance) {
    for slot in 0..u64::from(DESCRIPTORS) {
        for (offset, value) in [(0, BUFFER), (4, 0), (8, 0), (12, 0)] {
            appliance.poke_at("writel", RING + 16 * slot + offset, value);
        }
    }
    // It may reach memory (PCI 3.0 §6.2.2): the card is the first after the chip set.
    appliance.poke_configuration(appliance.card_slot(), "outw", 4, 0x0007);
    for (register, value) in [
        (RDBAL, RING as u32),
        (RDBAH, 0),
        (RDLEN, 16 * DESCRIPTORS),
        (RDH, 0),
        (RDT, DESCRIPTORS - 1),
        (RCTL, RECEIVE_ALL),
    ] {
        appliance.poke("writel", 0, register, value);
    }
}

/// How many descriptors of the ring hold a frame.
fn used(appliance: &Appliance) -> u32 {
    // They are used in their order.
    let (mut low, mut high) = (0, DESCRIPTORS);
    while low < high {
        let middle = low.midpoint(high);
        if word(appliance, RING + 16 * u64::from(middle) + 12) & 1 != 0 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Four octets of memory.
fn word(appliance: &Appliance, address: u64) -> u32 {
    appliance.peek_at("readl", address)
}
