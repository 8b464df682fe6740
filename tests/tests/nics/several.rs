//! Several cards at once: named by their places, each as good as the first, and one that goes leaves the others alone.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pollux_issuer::arp::{self, Station};
use pollux_issuer::frame::{MacAddress, Tag};
use pollux_issuer::ping::{self, Settings};
use pollux_issuer::wire::Dgram;
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT, free_ports};
use pollux_tests::peer::{ANSWER_LIMIT, PEER_MAC};
use pollux_tests::suite::Suite;

use super::{a_flood_is_answered, on};

pub(super) fn add_to(suite: &mut Suite) {
    suite.test_alone("cards_of_any_mix_are_named_by_their_places", mixed);
    for nic in ["e1000", "virtio-net-pci"] {
        let name = format!("a_ninth_card_is_as_good_as_the_first_as_{nic}");
        suite.test_alone(&name, move || nine(nic));
    }
}

/// A card besides the first, on a wire of its own.
pub(super) struct Further {
    number: u8,
    wire: Dgram,
}

impl Further {
    /// Adds it to a boot, at the end of the bus or where `place` says.
    pub(super) fn add(boot: Boot, number: u8, nic: &str, place: &str) -> (Boot, Self) {
        let (port, wire) = free_ports();
        let ours = port + 1;
        let network = format!(
            "dgram,id=further{number},local.type=inet,local.host=127.0.0.1,local.port={port},\
             remote.type=inet,remote.host=127.0.0.1,remote.port={ours}"
        );
        let card = Self { number, wire };
        let device = card.device(nic, place);
        let boot = boot.qemu(&["-netdev", &network, "-device", &device]);
        (boot, card)
    }

    /// The card as QEMU is told of it.
    pub(super) fn device(&self, nic: &str, place: &str) -> String {
        let number = self.number;
        format!(
            "{nic},netdev=further{number},mac=52:54:00:00:00:{number:02x},romfile=,id=card{number}{place}"
        )
    }

    const fn mac_address(&self) -> MacAddress {
        [0x52, 0x54, 0, 0, 0, self.number]
    }

    /// Gives it a VLAN and an address of its own.
    pub(super) fn configure(&self, appliance: &mut Appliance) {
        let port = format!("eth{}", self.number);
        let vid = self.vid();
        for line in [
            format!("ip link add link {port} name {port}.{vid} type vlan id {vid}"),
            format!("ip addr add 10.10.{vid}.11/24 dev {port}.{vid}"),
            format!("ip link set dev {port}.{vid} up"),
            format!("evl net -N+{vid} -ei {port}.{vid}"),
        ] {
            appliance.console.obeys(&line);
        }
    }

    fn vid(&self) -> u16 {
        100 + u16::from(self.number)
    }

    /// Asks for its address and pings it.
    pub(super) fn assert_pings(&mut self, count: u64) {
        let vid = self.vid();
        let address = |last| [10, 10, vid as u8, last].into();
        let station = Station {
            mac_address: PEER_MAC,
            address: address(10),
            tag: Some(Tag::new(vid)),
        };
        let never = AtomicBool::new(false);
        let found = arp::resolve(
            &mut self.wire,
            &station,
            address(11),
            Duration::from_millis(100),
            Instant::now() + START_LIMIT,
            &never,
        );
        let found = found.expect("the wire carries frames");
        assert_eq!(found, Some(self.mac_address()), "card {}", self.number);
        let settings = Settings {
            interval: Duration::ZERO,
            window: 16,
            count: Some(count),
            timeout: ANSWER_LIMIT,
            ttl: Some(64),
            ..Settings::new(station, address(11), self.mac_address())
        };
        let report = ping::run(&mut self.wire, &settings, &never, &mut |_| {});
        let report = report.expect("the wire carries frames");
        assert!(report.all_answered(), "card {}: {report}", self.number);
    }
}

fn mixed() {
    let mut appliance = on("virtio-net-pci")
        .qemu(&["-device", "e1000,romfile=,mac=52:54:00:00:00:01"])
        .qemu(&["-device", "pcnet,romfile="])
        .qemu(&[
            "-device",
            "virtio-net-pci-non-transitional,romfile=,mac=52:54:00:00:00:02",
        ])
        .start();
    let status = appliance.status();
    for (port, driver, mac) in [
        ("port eth0", "virtio-net", "52:54:00:12:34:56"),
        ("port eth1", "e1000", "52:54:00:00:00:01"),
        ("port eth2", "virtio-net", "52:54:00:00:00:02"),
    ] {
        assert_eq!(status.value(port, "driver"), driver);
        assert_eq!(status.value(port, "mac"), mac);
        // There is one list, though only the first card has a device so far.
        assert_eq!(status.value(port, "vlan_filter"), "42");
    }
    assert!(!status.has("port eth3"));
    appliance.peer.assert_pings(1000);
    a_flood_is_answered(&mut appliance);
}

/// Nine cards of one kind, each on a VLAN and a wire of its own.
fn nine(nic: &str) {
    let mut boot = on(nic).with(&["--memory", "256"]);
    let mut further = Vec::new();
    for number in 1..9 {
        let (with_it, card) = Further::add(boot, number, nic, "");
        boot = with_it;
        further.push(card);
    }
    let mut appliance = boot.start();
    for card in &further {
        card.configure(&mut appliance);
    }
    for card in &mut further {
        card.assert_pings(2000);
    }
    appliance.peer.assert_pings(2000);
    let status = appliance.status();
    for port in 0..9 {
        let counters = status.counters(&format!("eth{port}"));
        counters.assert_complete();
        assert!(counters.get("answered") >= 2000, "eth{port}: {counters}");
    }
    assert!(!status.has("port eth9"), "{status:?}");
}
