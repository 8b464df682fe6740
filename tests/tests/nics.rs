//! Every network card that QEMU has and the appliance drives: a slice through everything, on each.
//!
//! What is tried here is what can differ from card to card; `nics/faults.rs` has what can go wrong with each, `nics/microvm.rs`
//! the cards without a bus, `nics/several.rs` several at once. To run all other tests on another card, name it in `POLLUX_NIC`.

#[path = "nics/checksums.rs"]
mod checksums;
#[path = "nics/faults.rs"]
mod faults;
#[path = "nics/left.rs"]
mod left;
#[path = "nics/left_live.rs"]
mod left_live;
#[path = "nics/microvm.rs"]
mod microvm;
#[path = "nics/several.rs"]
mod several;
#[path = "nics/tap.rs"]
mod tap;
#[path = "nics/unplugged.rs"]
mod unplugged;

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pollux_issuer::frame::{Echo, LARGEST_PAYLOAD, Link, Tag};
use pollux_tests::PATIENCE;
use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::forge;
use pollux_tests::matrix::ROWS;
use pollux_tests::peer::{APPLIANCE, Fate, PEER, Peer, VLAN, assert_unanswered, hex};
use pollux_tests::suite::Suite;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// The longest that the console may take to say something.
const SAYING_LIMIT: Duration = PATIENCE;

/// How often the VLANs that a card is to receive are changed under load.
const FILTER_CHANGES: u16 = 40;

/// A card as QEMU names it, with its options, and what the status page says of it.
struct Card {
    name: &'static str,
    nic: &'static str,
    driver: &'static str,
    model: &'static str,
    /// What is behind its registers.
    registers: Registers,
    /// How it is booted.
    boot: fn(&Card) -> Boot,
}

/// What kind of registers a card has, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registers {
    /// One of Intel's; on some of QEMU's models a write to the receive control register makes it deaf for a second.
    Intel { deaf: bool },
    /// Virtio over PCI: the common ones at the beginning of a region, as QEMU places them.
    Virtio,
    /// The same behind I/O ports.
    VirtioPorts,
    /// Virtio over MMIO: QEMU fills its windows from the end.
    VirtioMmio,
}

/// One of Intel's cards.
const fn intel(name: &'static str, nic: &'static str, model: &'static str, deaf: bool) -> Card {
    Card {
        name,
        nic,
        driver: "e1000",
        model,
        registers: Registers::Intel { deaf },
        boot: |card| on(card.nic),
    }
}

/// A virtio device over PCI.
const fn virtio(name: &'static str, nic: &'static str) -> Card {
    Card {
        name,
        nic,
        driver: "virtio-net",
        model: "virtio-net",
        registers: Registers::Virtio,
        boot: |card| on(card.nic),
    }
}

/// The cards on which the whole slice is run.
const CARDS: [Card; 7] = [
    intel("e1000", "e1000", "82540EM", true),
    intel("82544gc", "e1000-82544gc", "82544GC", true),
    intel("82545em", "e1000-82545em", "82545EM", true),
    intel("82574l", "e1000e", "82574L", false),
    intel("82576", "igb", "82576", false),
    virtio("virtio", "virtio-net-pci"),
    virtio("virtio_modern", "virtio-net-pci-non-transitional"),
];

/// Of these, those that in QEMU do at a fault what another of them does.
const TWINS: [&str; 3] = ["82544gc", "82545em", "virtio_modern"];

/// One without the structures of version 1.0.
const LEGACY: Card = Card {
    registers: Registers::VirtioPorts,
    model: "virtio-net (legacy)",
    ..virtio("virtio_legacy", "virtio-net-pci,disable-modern=on")
};

/// One with queues of the other format.
const PACKED: Card = Card {
    model: "virtio-net (packed)",
    boot: |card| on(card.nic).word("pollux.virtio-queues=packed"),
    ..virtio("virtio_packed", "virtio-net-pci,packed=on")
};

/// Options that change what a card offers, besides those of [`ROWS`]: with each it comes up and serves.
const OPTIONS: [&str; 15] = [
    "e1000,autonegotiation=off",
    "e1000,mitigation=off",
    "virtio-net-pci,event_idx=off,indirect_desc=off",
    "virtio-net-pci-non-transitional,iommu_platform=on",
    "virtio-net-pci,status=off",
    "virtio-net-pci,ctrl_vq=off",
    "virtio-net-pci,host_mtu=1400",
    "virtio-net-pci,rx_queue_size=1024",
    "virtio-net-pci,rx_queue_size=512,tx_queue_size=256",
    "virtio-net-pci,disable-modern=on,ctrl_vq=off,status=off",
    "virtio-net-pci,disable-modern=on,rx_queue_size=512",
    "virtio-net-pci,disable-legacy=on,ctrl_rx=off",
    "virtio-net-pci,guest_csum=off,gso=off,csum=off",
    "virtio-net-pci,page-per-vq=on",
    "virtio-net-pci,speed=10000,duplex=full",
];

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    for card in &CARDS {
        suite.test_alone(&format!("{}_serves", card.name), || serves(card));
        let name = format!("{}_survives_its_faults", card.name);
        match TWINS.contains(&card.name) {
            true => suite.test_long(&name, || faults::survives(card)),
            false => suite.test_alone(&name, || faults::survives(card)),
        }
    }
    suite.test_alone("virtio_legacy_serves", || serves(&LEGACY));
    suite.test_alone("virtio_packed_serves", || serves(&PACKED));
    suite.test_alone("virtio_legacy_survives_its_faults", || {
        faults::survives(&LEGACY);
    });
    suite.test_alone("virtio_packed_survives_its_faults", || {
        faults::survives(&PACKED);
    });
    microvm::add_to(&mut suite);
    for nic in OPTIONS {
        suite.test_alone(&format!("serves_as_{nic}"), move || comes_up(on(nic)));
    }
    for row in ROWS {
        let name = format!("serves_on_{}_as_{}", row.machine, row.nic);
        suite.test_alone(&name, move || comes_up(row.boot()));
    }
    for (nic, on) in [
        ("e1000", true),
        ("virtio-net-pci", true),
        ("virtio-net-pci,ctrl_vlan=off", false),
        ("virtio-net-pci,ctrl_rx=off", false),
        ("virtio-net-pci,ctrl_vq=off", false),
        ("virtio-net-pci,disable-modern=on", true),
        ("virtio-net-pci,disable-modern=on,ctrl_vlan=off", false),
    ] {
        let name = format!("what_filters_vlans_is_told_of_{nic}");
        suite.test_alone(&name, move || tells_what_filters(nic, on));
    }
    suite.test_alone("no_datagram_is_longer_than_the_host_takes", host_mtu);
    checksums::add_to(&mut suite);
    tap::add_to(&mut suite);
    several::add_to(&mut suite);
    unplugged::add_to(&mut suite);
    left::add_to(&mut suite);
    left_live::add_to(&mut suite);
    faults::add_to(&mut suite);
    suite.run()
}

/// A boot with `nic` for its card.
fn on(nic: &str) -> Boot {
    Boot::new().with(&["--nic", nic])
}

/// A moment of what [`serves`] tries at length.
fn comes_up(boot: Boot) {
    let mut appliance = boot.start();
    appliance.peer.assert_pings(1000);
    vlans_get_no_answer(&mut appliance, VLAN - 20..=VLAN + 20);
    appliance.counters().assert_complete();
}

fn serves(card: &Card) {
    let mut appliance = (card.boot)(card).start();
    let after_ms = appliance.first_arp_reply().as_millis();
    println!("\n    first ARP reply {after_ms} ms after the start of the process");
    let status = appliance.status();
    assert_eq!(status.value("port eth0", "driver"), card.driver);
    assert_eq!(status.value("port eth0", "model"), card.model);
    a_ping_of_every_size_is_answered(&mut appliance);
    other_vlans_get_no_answer(&mut appliance);
    wrong_checksums_get_no_answer(&mut appliance);
    giants_get_no_answer(&mut appliance);
    noise_does_no_harm(&mut appliance);
    a_flood_is_answered(&mut appliance);
    filter_changes_leave_no_gap(&mut appliance);
    appliance.counters().assert_complete();
}

fn a_ping_of_every_size_is_answered(appliance: &mut Appliance) {
    for size in 0..=LARGEST_PAYLOAD {
        let payload: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
        let echo = Echo {
            sequence: size as u16,
            ..Echo::new(PEER, APPLIANCE, &payload)
        };
        let answer = Echo {
            source: echo.destination,
            destination: echo.source,
            ttl: 64,
            ..echo.clone()
        };
        let came = appliance.peer.exchange(&echo.request(&Peer::link()));
        let expected = answer.reply(&Peer::link().reversed());
        assert_eq!(hex(&came), hex(&expected), "{size} octets");
    }
}

/// By the card's filter or by the stack's.
fn other_vlans_get_no_answer(appliance: &mut Appliance) {
    vlans_get_no_answer(appliance, 1..=4094);
}

fn vlans_get_no_answer(appliance: &mut Appliance, vids: RangeInclusive<u16>) {
    let on_vlan = |vid| {
        let link = Link {
            tag: Some(Tag::new(vid)),
            ..Peer::link()
        };
        Echo::new(PEER, APPLIANCE, b"wrong VLAN").request(&link)
    };
    // Where the card is still setting its filter, some are counted.
    let frames: Vec<_> = vids.filter(|&vid| vid != VLAN).map(on_vlan).collect();
    assert_unanswered(
        appliance,
        "vlan_not_in_filter",
        Fate::CountedOrFiltered,
        &frames,
    );
}

fn wrong_checksums_get_no_answer(appliance: &mut Appliance) {
    let right = Peer::request(b"right, but for one bit");
    let wrong = (0..64).map(|bit| {
        let mut frame = right.clone();
        frame[forge::ICMP + 2 + bit / 8 % 2] ^= 1 << (bit % 8);
        frame
    });
    let frames: Vec<_> = wrong.collect();
    assert_unanswered(appliance, "icmp_checksum", Fate::Counted, &frames);
}

fn giants_get_no_answer(appliance: &mut Appliance) {
    let giants = [1_700, 2_047, 2_048, 2_049, 4_096, 9_018, 16_000].map(|length| {
        let mut frame = Peer::request(b"giant");
        frame.resize(length, 0x5a);
        frame
    });
    assert_unanswered(appliance, "oversized", Fate::CountedOrFiltered, &giants);
}

/// Frames of all lengths and with anything in them.
fn noise_does_no_harm(appliance: &mut Appliance) {
    let mut random = Pcg64Mcg::seed_from_u64(4);
    for _ in 0..300 {
        for _ in 0..32 {
            let mut frame = Peer::request(b"noise");
            frame.resize(random.random_range(14..2100), 0);
            let from = random.random_range(0..20);
            random.fill(&mut frame[from.min(13)..]);
            if random.random_ratio(1, 2) {
                frame[..6].copy_from_slice(&pollux_tests::peer::APPLIANCE_MAC);
            }
            appliance.peer.send(&frame);
        }
        appliance.peer.settle();
    }
    appliance.counters().assert_complete();
}

fn a_flood_is_answered(appliance: &mut Appliance) {
    let before = appliance.counters();
    let report = appliance.peer.ping(|settings| {
        settings.count = Some(100_000);
        settings.window = 64;
    });
    println!("\n{report}");
    assert!(report.all_answered(), "{report}");
    assert_eq!((report.duplicates, report.reordered), (0, 0), "{report}");
    let moved = appliance.counters().since(&before);
    assert_eq!(
        moved,
        vec![("received", 100_000), ("answered", 100_000)].into()
    );
}

/// Thousands of VLANs come and go in the card's filter while frames flow: none is lost.
fn filter_changes_leave_no_gap(appliance: &mut Appliance) {
    let (console, peer) = (&mut appliance.console, &mut appliance.peer);
    std::thread::scope(|scope| {
        let typist = scope.spawn(|| {
            for round in 0..FILTER_CHANGES {
                let first = 43 + round;
                console.command(&format!("evl net -N42,{first}-{}", first + 2000));
            }
            console.command("evl net -N42");
        });
        while !typist.is_finished() {
            let report = peer.ping(|settings| {
                settings.count = Some(1000);
                settings.window = 32;
            });
            assert!(report.all_answered(), "{report}");
        }
    });
    assert_eq!(appliance.console.command("evl net -n"), "42\n");
}

/// What `ethtool -k` says, and what the card does: frames of another VLAN that reach the stack are counted there.
fn tells_what_filters(nic: &str, filters: bool) {
    let mut appliance = on(nic).start();
    let (shown, json) = match filters {
        true => ("rx-vlan-filter: on\n", "\"rx-vlan-filter\":true"),
        false => ("rx-vlan-filter: off [fixed]", "\"rx-vlan-filter\":false"),
    };
    // It is set step by step.
    let deadline = Instant::now() + SAYING_LIMIT;
    loop {
        let printed = appliance.console.command("ethtool -k eth0");
        if printed.contains(shown) {
            break;
        }
        assert!(Instant::now() < deadline, "{printed}");
    }
    let printed = appliance.console.command("ethtool -j -k eth0");
    assert!(printed.contains(json), "{printed}");
    wait_until_reached(&mut appliance, if filters { 0 } else { 20 });
    if filters {
        opens_its_filter(&mut appliance);
    }
}

/// Waits until so many of twenty frames of other VLANs reach the stack: a filter is set step by step, which takes a
/// virtio device some thousand commands.
fn wait_until_reached(appliance: &mut Appliance, expected: u64) {
    let deadline = Instant::now() + SAYING_LIMIT;
    loop {
        let before = appliance.counters();
        vlans_get_no_answer(appliance, VLAN - 10..=VLAN + 10);
        let moved = appliance.counters().since(&before);
        let reached = moved.get("vlan_not_in_filter");
        if reached == expected {
            break;
        }
        assert!(Instant::now() < deadline, "{reached} of 20 reached it");
    }
}

/// Who looks for a frame of a wrong VLAN is told that the card discards it, and how it is counted.
fn opens_its_filter(appliance: &mut Appliance) {
    let remark = "(eth0 itself discards frames of VLANs other than 42: 'ethtool -K eth0 rx-vlan-filter off' has them counted)\n";
    let drops = appliance.console.command("show drops");
    assert!(drops.ends_with(remark), "{drops}");
    for (said, reached) in [("off", 20), ("on", 0)] {
        let command = format!("ethtool -K eth0 rx-vlan-filter {said}");
        assert_eq!(appliance.console.command(&command), "");
        let features = appliance.console.command("ethtool -k eth0");
        assert!(
            features.contains(&format!("rx-vlan-filter: {said}\n")),
            "{features}"
        );
        wait_until_reached(appliance, reached);
    }
}

fn host_mtu() {
    let mut appliance = on("virtio-net-pci,host_mtu=1400").start();
    let shown = appliance.console.command("ip link show");
    assert_eq!(shown.matches(" mtu 1400 ").count(), 2, "{shown}");
    let refused = appliance
        .console
        .command("ip link set dev eth0.42 mtu 1401");
    assert!(refused.contains("not in 68..1400"), "{refused}");
}
