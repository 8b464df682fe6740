//! The page on a screen, to the letter.

use crate::support::Appliance;
use pollux_console::page;
use pollux_net::interface::Ipv4Cidr;

/// All lines of the page.
fn lines(appliance: &Appliance) -> Vec<String> {
    appliance.with_view(|view| {
        let line = |row| {
            let mut line = String::new();
            let is_there = page::line(view, row, &mut line).expect("a string takes everything");
            is_there.then_some(line)
        };
        (0..100).map_while(line).collect()
    })
}

#[test]
fn it_shows_addresses_counters_and_residence_in_a_few_lines() {
    let mut appliance = Appliance::new();
    assert_eq!(
        lines(&appliance),
        [
            "Pollux 0.1.0   up 12.345 s   booted by pvh",
            "memory 127 MiB  heap 12/4096 KiB  clock 2893 MHz by CPUID leaf 0x15  longest turn 9999 ns",
            "eth0  82540EM (e1000)  52:54:00:12:34:56  link up 1000 Mbit/s full duplex",
            "  eth0.42  10.10.10.11/24",
            "  received 0  answered 0",
            "  residence  no frame answered yet",
        ]
    );
    appliance.answer(2_893);
    appliance.receive(&[0; 60]);
    let page = lines(&appliance);
    assert_eq!(page[4], "  received 2  answered 1  foreign_destination 1");
    assert_eq!(
        page[5],
        "  residence  min 999 ns  p50 999 ns  p99 999 ns  p99.9 999 ns  max 999 ns"
    );
}

#[test]
fn of_many_devices_it_shows_the_first() {
    let mut appliance = Appliance::bare();
    for vid in 1..=9 {
        let address = format!("10.0.{vid}.1").parse().expect("an address");
        let cidr = Ipv4Cidr::new(address, 24).expect("in range");
        let name = format!("eth0.{vid}");
        let added = appliance.interface.add_realtime_vlan(&name, vid, cidr);
        added.expect("is free");
    }
    let page = lines(&appliance);
    assert_eq!(page.len(), 2 + 1 + 4 + 2);
    assert_eq!(page[6], "  eth0.4  10.0.4.1/24  and 5 more devices");
}

#[test]
fn a_machine_without_a_card_says_so() {
    let appliance = Appliance::bare();
    let mut line = String::new();
    let is_there = page::line(&appliance.view, 2, &mut line).expect("a string takes everything");
    assert!(is_there);
    assert_eq!(line, "no network card that can be used");
    assert_eq!(page::line(&appliance.view, 3, &mut line), Ok(false));
}
