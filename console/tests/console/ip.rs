//! `ip`: what it changes, what it shows, and what it says no to.

use crate::support::{ARP_REQUEST, Appliance};
use pollux_console::cards::Cards;
use pollux_console::command::Grammar;
use pollux_console::reply::{Progress, Reply};
use pollux_net::interface::Interface;
use pollux_net::time::TickRate;
use pollux_net::wire::ethernet::MacAddress;

/// An appliance on which VLAN 42 was configured by hand.
fn configured() -> Appliance {
    let mut appliance = Appliance::bare();
    appliance.configure(&[
        "ip link add link eth0 name eth0.42 type vlan id 42",
        "ip addr add 10.10.10.11/24 dev eth0.42",
        "ip link set eth0.42 up",
    ]);
    appliance
}

/// Types lines, and compares what is said to each.
fn refused(appliance: &mut Appliance, lines: &[(&str, &str)]) {
    let before = appliance.typed("config show");
    for (line, said) in lines {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
        // Nothing of it was done.
        assert_eq!(appliance.typed("config show"), before, "{line}");
    }
}

#[test]
fn a_vlan_device_is_made_down_and_set_up() {
    let mut appliance = Appliance::bare();
    appliance.configure(&["ip link add link eth0 name eth0.42 type vlan id 42"]);
    assert_eq!(
        appliance.typed("ip link show"),
        "\
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
3: eth0.42@eth0: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
"
    );
    appliance.configure(&["ip link set dev eth0.42 up mtu 1400"]);
    assert_eq!(
        appliance.typed("ip link show dev eth0.42"),
        "\
3: eth0.42@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
"
    );
    appliance.configure(&["ip link del dev eth0.42"]);
    assert_eq!(
        appliance.typed("ip -br link"),
        "eth0             UP             52:54:00:12:34:56 <BROADCAST,MULTICAST,UP,LOWER_UP> \n"
    );
}

#[test]
fn the_mtu_that_the_card_gives_is_no_part_of_the_configuration() {
    let mut appliance = Appliance::bare();
    appliance.interface.limit_mtu(1400);
    appliance.configure(&["ip link add link eth0 name eth0.7 type vlan id 7"]);
    let before = appliance.typed("config show");
    assert!(!before.contains("mtu"), "{before}");
    let detailed = appliance.typed("ip -d link show eth0.7");
    assert!(detailed.contains(" maxmtu 1400 "), "{detailed}");
    let detailed = appliance.typed("ip -d -j link show eth0.7");
    assert!(detailed.contains("\"max_mtu\":1400,"), "{detailed}");
    for (device, mtu) in [("eth0", 1300), ("eth0.7", 1200)] {
        let line = format!("ip link set dev {device} mtu {mtu}");
        appliance.configure(&[&line]);
        let shown = appliance.typed("config show");
        assert_eq!(shown.matches(&line).count(), 1, "{shown}");
    }
    appliance.configure(&["ip link set eth0 mtu 1400", "ip link set eth0.7 mtu 1400"]);
    assert_eq!(appliance.typed("config show"), before);
}

#[test]
fn a_gateway_is_no_address_of_any_card() {
    let mut appliance = Appliance::new();
    let rate = TickRate::from_hertz(1_000_000_000);
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    let mut other = Interface::new("eth1", mac, 9, rate);
    let mut typed = |line: &str| {
        let request = Grammar::default().parse(line).expect("a command");
        let request = request.expect("not empty");
        let now = appliance.view.now;
        let done = Cards::new([&mut appliance.interface, &mut other], &[], now)
            .carry_out(&request.command);
        done.map_err(|refusal| refusal.to_string())
    };
    typed("ip addr add 10.10.10.12/24 dev eth1").expect("a host address");
    let refused = "default: gateway 10.10.10.12 is our own address".to_owned();
    for end in ["", " dev eth1"] {
        let line = format!("ip route add default via 10.10.10.12{end}");
        assert_eq!(typed(&line), Err(refused.clone()), "{line}");
    }
    // On another wire it is another station's.
    assert_eq!(
        typed("ip route add default via 10.10.10.12 dev eth0.42"),
        Ok(())
    );
}

#[test]
fn a_device_whose_mtu_the_card_cannot_take_is_not_added() {
    let mut appliance = Appliance::new();
    appliance.interface.limit_mtu(1400);
    let line = "ip link add link eth0 name eth0.7 mtu 1450 type vlan id 7";
    let said = "eth0.7: an MTU of 1450 octets is not in 68..1400";
    refused(&mut appliance, &[(line, said)]);
    appliance.configure(&["ip link add link eth0 name eth0.7 mtu 1400 type vlan id 7"]);
}

#[test]
fn a_vlan_device_can_be_made_in_other_words() {
    for line in [
        "ip link add eth0.42 link eth0 type vlan id 42",
        "ip link add link eth0 type vlan id 42",
        "ip link add link eth0 name eth0.42 mtu 1500 type vlan protocol 802.1Q id 42",
        "ip l a link eth0 name eth0.42 type vlan id 42",
        "sudo ip link add link eth0 dev eth0.42 type vlan id 42 # a comment",
    ] {
        let mut appliance = Appliance::bare();
        appliance.configure(&[line]);
        assert_eq!(
            appliance.typed("config show"),
            "ip link add link eth0 name eth0.42 type vlan id 42\n",
            "{line}"
        );
    }
}

#[test]
fn details_tell_the_vlan_and_the_port() {
    let mut appliance = configured();
    appliance.configure(&["evl net -ei eth0.42 -p 4096 -b 8192", "evl net -N42"]);
    assert_eq!(
        appliance.typed("ip -d link show dev eth0.42"),
        "\
3: eth0.42@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0 minmtu 68 maxmtu 1500 \n    \
vlan protocol 802.1Q id 42 <REORDER_HDR> addrgenmode none numtxqueues 1 numrxqueues 1 \n    \
oob_port on pool 4096 bufsize 8192 filter yes \n"
    );
}

#[test]
fn statistics_count_a_card_with_its_vlans() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    let expected = "    RX:  bytes packets errors dropped  missed   mcast           \n            \
46       1      0       0       0       0 \n    \
TX:  bytes packets errors dropped carrier collsns           \n            \
46       1      0       0       0       0 \n";
    for line in ["ip -s link show eth0.42", "ip -s link show eth0"] {
        let shown = appliance.typed(line);
        assert!(shown.ends_with(expected), "{shown}");
    }
}

#[test]
fn a_link_that_is_down_shows_in_every_state() {
    let mut appliance = configured();
    appliance.link.up = false;
    assert_eq!(
        appliance.typed("ip -br link"),
        "\
eth0             DOWN           52:54:00:12:34:56 <NO-CARRIER,BROADCAST,MULTICAST,UP> \n\
eth0.42@eth0     LOWERLAYERDOWN 52:54:00:12:34:56 <NO-CARRIER,BROADCAST,MULTICAST,UP> \n"
    );
    assert_eq!(appliance.typed("ip -br link show up").lines().count(), 2);
    appliance.configure(&["ip link set eth0.42 down"]);
    assert_eq!(appliance.typed("ip -br link show up").lines().count(), 1);
    assert_eq!(
        appliance
            .typed("ip -br link show type vlan")
            .lines()
            .count(),
        1
    );
}

#[test]
fn addresses_come_and_go() {
    let mut appliance = configured();
    appliance.configure(&["ip addr add 10.10.10.12/24 brd + dev eth0.42"]);
    let shown = "\
3: eth0.42@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
    inet 10.10.10.11/24 scope global eth0.42
       valid_lft forever preferred_lft forever
    inet 10.10.10.12/24 scope global secondary eth0.42
       valid_lft forever preferred_lft forever
";
    for line in [
        "ip addr show dev eth0.42",
        "ip a s eth0.42",
        "ip addr show eth0.42",
    ] {
        assert_eq!(appliance.typed(line), shown, "{line}");
    }
    appliance.configure(&["ip addr del 10.10.10.11/24 dev eth0.42"]);
    let brief = "eth0.42@eth0     UP             10.10.10.12/24 \n";
    assert_eq!(appliance.typed("ip -br addr show dev eth0.42"), brief);
    appliance.configure(&["ip addr flush dev eth0.42"]);
    let brief = "eth0.42@eth0     UP             \n";
    assert_eq!(appliance.typed("ip -br a s eth0.42"), brief);
}

#[test]
fn routes_come_and_go() {
    let mut appliance = configured();
    appliance.configure(&[
        "ip route add default via 10.10.10.1",
        "ip route add 192.168.0.0/16 via 10.10.10.2 dev eth0.42",
        "ip route add 192.0.2.1 via 10.10.10.2",
    ]);
    let shown = "\
default via 10.10.10.1 dev eth0.42 \n\
192.168.0.0/16 via 10.10.10.2 dev eth0.42 \n\
10.10.10.0/24 dev eth0.42 proto kernel scope link src 10.10.10.11 \n\
192.0.2.1 via 10.10.10.2 dev eth0.42 \n";
    for line in ["ip r", "ip route", "ip route show", "ip ro ls dev eth0.42"] {
        assert_eq!(appliance.typed(line), shown, "{line}");
    }
    assert_eq!(appliance.typed("ip route show dev eth0"), "");
    assert_eq!(
        appliance.typed("ip route get 192.168.4.4"),
        "192.168.4.4 via 10.10.10.2 dev eth0.42 src 10.10.10.11 uid 0 \n    cache \n"
    );
    assert_eq!(
        appliance.typed("ip route get 10.10.10.77"),
        "10.10.10.77 dev eth0.42 src 10.10.10.11 uid 0 \n    cache \n"
    );
    appliance.configure(&["ip route replace default via 10.10.10.3"]);
    appliance.configure(&[
        "ip route del 192.168.0.0/16",
        "ip r d 192.0.2.1 via 10.10.10.2",
    ]);
    assert_eq!(
        appliance.typed("ip route"),
        "\
default via 10.10.10.3 dev eth0.42 \n\
10.10.10.0/24 dev eth0.42 proto kernel scope link src 10.10.10.11 \n"
    );
}

#[test]
fn neighbors_come_and_go() {
    let mut appliance = Appliance::new();
    appliance.receive(&ARP_REQUEST);
    let learned = "10.10.10.10 dev eth0.42 lladdr 02:00:00:00:00:01 REACHABLE \n";
    for line in [
        "ip n",
        "ip neigh",
        "ip neighbour show",
        "ip neigh show dev eth0.42",
    ] {
        assert_eq!(appliance.typed(line), learned, "{line}");
    }
    appliance.configure(&["ip neigh add 10.10.10.20 lladdr 02:00:00:00:00:02 dev eth0.42"]);
    let entered = "10.10.10.20 dev eth0.42 lladdr 02:00:00:00:00:02 PERMANENT \n";
    assert_eq!(appliance.typed("ip neigh show 10.10.10.20"), entered);
    for (state, shown) in [
        ("permanent", entered),
        ("reachable", learned),
        ("stale", ""),
        ("incomplete", ""),
        ("all", &[learned, entered].concat()),
    ] {
        let line = format!("ip neigh show nud {state}");
        assert_eq!(appliance.typed(&line), shown, "{line}");
    }
    assert_eq!(
        appliance.typed("ip neigh show nud reachabel"),
        "ip neigh: 'reachabel' is not one of permanent, reachable, stale, incomplete, all; did you mean 'reachable'?\n"
    );
    assert_eq!(
        appliance.typed("ip neigh add 10.10.10.21 lladdr 02:00:00:00:00:02 dev eth0.42 nud stale"),
        "ip neigh: 'stale' is not supported: an entry that is made is permanent\n"
    );
    appliance.configure(&["ip neigh flush all"]);
    assert_eq!(appliance.typed("ip n"), entered);
    appliance.receive(&ARP_REQUEST);
    appliance.configure(&["ip neigh flush dev eth0.42"]);
    assert_eq!(appliance.typed("ip n"), entered);
    appliance.configure(&["ip neigh del 10.10.10.20 dev eth0.42"]);
    assert_eq!(appliance.typed("ip n"), "");
}

#[test]
fn a_permanent_neighbor_is_replaced_only_by_who_says_so() {
    let mut appliance = Appliance::new();
    let line = |verb, host, last| {
        format!("ip neigh {verb} 10.10.10.{host} lladdr 02:00:00:00:00:{last} dev eth0.42")
    };
    let shown = |host, last| {
        format!("10.10.10.{host} dev eth0.42 lladdr 02:00:00:00:00:{last} PERMANENT \n")
    };
    appliance.configure(&[&line("add", "20", "02")]);
    for last in ["02", "03"] {
        assert_eq!(
            appliance.typed(&line("add", "20", last)),
            "10.10.10.20: there is a permanent entry; 'ip neigh replace' changes it\n"
        );
        assert_eq!(appliance.typed("ip neigh"), shown("20", "02"));
    }
    for (verb, last) in [("replace", "04"), ("change", "05"), ("repl", "06")] {
        appliance.configure(&[&line(verb, "20", last)]);
        assert_eq!(appliance.typed("ip neigh"), shown("20", last), "{verb}");
    }
    assert_eq!(
        appliance.typed(&line("change", "21", "07")),
        "10.10.10.21: no such neighbor\n"
    );
    appliance.configure(&[
        &line("replace", "21", "07"),
        "ip neigh del 10.10.10.20 dev eth0.42",
        // It is another one in another VLAN.
        "ip neigh add 10.10.10.21 lladdr 02:00:00:00:00:08 dev eth0",
    ]);
    assert_eq!(
        appliance.typed("ip neigh show dev eth0.42"),
        shown("21", "07")
    );
    // What was learned gives way, or a start-up file would depend on who talks first.
    appliance.receive(&ARP_REQUEST);
    appliance.configure(&[&line("add", "10", "09")]);
    assert_eq!(
        appliance.typed("ip neigh show 10.10.10.10"),
        shown("10", "09")
    );
}

#[test]
fn neighbors_are_looked_through_a_piece_at_a_time() {
    // All that there can be: 65,536 places, and 32 of those who are asked for.
    const PIECES: usize = (65_536 + 32) / 128;
    let mut appliance = Appliance::with_room_for(65_536);
    appliance.receive(&ARP_REQUEST);
    appliance.configure(&["ip neigh add 10.10.10.20 lladdr 02:00:00:00:00:02 dev eth0.42"]);
    for (line, lines) in [
        ("ip neigh", 2),
        ("ip neigh show dev eth0.42", 2),
        ("ip neigh show nud permanent", 1),
        ("ip neigh show 10.10.10.21", 0),
        ("ip -j neigh show 10.10.10.21", 1),
        ("config show | grep neigh", 1),
    ] {
        let request = Grammar::default().parse(line).expect("is right");
        let mut reply = Reply::to(request.expect("is no comment"));
        let (mut text, mut waits) = (String::new(), 0);
        loop {
            match appliance.print_line(&mut reply, &mut text) {
                Progress::Line => {}
                Progress::Waiting => waits += 1,
                Progress::Done => break,
            }
        }
        assert_eq!(text.lines().count(), lines, "{line}: {text}");
        assert!(waits >= PIECES, "{line}: all in {waits} looks");
        assert!(waits <= PIECES + 16, "{line}: {waits} looks");
    }
}

#[test]
fn an_address_that_is_there_may_be_replaced_by_itself() {
    let mut appliance = Appliance::new();
    let before = appliance.typed("ip addr");
    appliance.configure(&[
        "ip addr replace 10.10.10.11/24 dev eth0.42",
        "ip a change 10.10.10.11/24 dev eth0.42",
    ]);
    assert_eq!(appliance.typed("ip addr"), before);
    appliance.configure(&["ip addr replace 10.10.10.12/24 dev eth0.42"]);
    assert!(appliance.typed("ip addr").contains("inet 10.10.10.12/24 "));
    assert_eq!(
        appliance.typed("ip addr replace 10.10.10.12/16 dev eth0.42"),
        "eth0.42: the device has address 10.10.10.12/24, not 10.10.10.12/16; to change it, delete 10.10.10.12/24 first\n"
    );
}

#[test]
fn routes_are_chosen_by_network_and_device() {
    let mut appliance = Appliance::new();
    appliance.configure(&[
        "ip route add 192.0.2.0/24 via 10.10.10.1",
        "ip route add default via 10.10.10.2",
    ]);
    let all = appliance.typed("ip route");
    assert_eq!(all.lines().count(), 3);
    for (line, shown) in [
        ("ip route show table main", all.as_str()),
        ("ip route show table all dev eth0.42", &all),
        ("ip route show dev eth0", ""),
        (
            "ip route show 192.0.2.0/24",
            "192.0.2.0/24 via 10.10.10.1 dev eth0.42 \n",
        ),
        ("ip r s default", "default via 10.10.10.2 dev eth0.42 \n"),
        ("ip r s 192.0.2.0/25", ""),
        (
            "ip route show table local",
            "ip route: 'local' is not supported: there is one table, 'main'\n",
        ),
        (
            "ip route show nonsense",
            "ip route: 'nonsense' is not one of dev, table\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), shown, "{line}");
    }
}

#[test]
fn what_cannot_be_is_named_and_nothing_is_done() {
    let mut appliance = configured();
    let many: Vec<String> = (20..27)
        .map(|host| format!("ip addr add 10.20.{host}.1/24 dev eth0.42"))
        .collect();
    many.iter().for_each(|line| appliance.configure(&[line]));
    refused(
        &mut appliance,
        &[
            (
                "ip link add link eth0 name eth0.43 type vlan id 0",
                "ip link: '0' is not a VLAN identifier from 1 to 4094",
            ),
            (
                "ip link add link eth0 name eth0.43 type vlan id 4095",
                "ip link: '4095' is not a VLAN identifier from 1 to 4094",
            ),
            (
                "ip link add link eth0 name eth0.43 type vlan",
                "ip link: 'type vlan' must be followed by 'id VID'",
            ),
            (
                "ip link add name eth0.43 type vlan id 43",
                "ip link: 'add' must be followed by 'link CARD': the card that the VLAN device stands on",
            ),
            (
                "ip link add link eth0 name br0 type bridge",
                "ip link: 'bridge' is not supported: a device is of type vlan",
            ),
            (
                "ip link add link eth0 name eth0.42 type vlan id 43",
                "eth0.42: another device has this name",
            ),
            (
                "ip link add link eth0 name other type vlan id 42",
                "other: a device for VLAN 42 exists already",
            ),
            (
                "ip link add link eth0 name a-name-of-sixteen type vlan id 43",
                "a-name-of-sixteen: a name of 17 octets is not in 1..15",
            ),
            (
                "ip link add link eth1 name eth1.43 type vlan id 43",
                "eth1: no such interface; did you mean 'eth0'?",
            ),
            (
                "ip link add link eth0.42 name eth0.43 type vlan id 43",
                "eth0.42: not a network card: a VLAN device stands on a card, such as eth0",
            ),
            (
                "ip link set eth0.43 up",
                "eth0.43: no such interface; did you mean 'eth0.42'?",
            ),
            (
                "ip link set xyzzy up",
                "xyzzy: no such interface; 'ip -br link' lists those there are",
            ),
            (
                "ip link set eth0.42 mtu 1501",
                "ip link: '1501' is not an MTU from 68 to 1500 octets",
            ),
            (
                "ip link set eth0.42 down mtu 67",
                "ip link: '67' is not an MTU from 68 to 1500 octets",
            ),
            (
                "ip link set eth0.42 upp",
                "ip link: 'upp' is not one of up, down, mtu, name; did you mean 'up'?",
            ),
            (
                "ip link set eth0.42",
                "ip link: 'set' must be followed by what is to be set: up, down, mtu or name",
            ),
            (
                "ip link set eth0.42 promisc on",
                "ip link: 'promisc' is not supported: up, down, mtu and name can be set",
            ),
            (
                "ip link del eth0",
                "eth0: not a VLAN device: a card's own device stays",
            ),
            (
                "ip addr add 10.0.0.1/33 dev eth0.42",
                "ip addr: '10.0.0.1/33' is not an IPv4 address with a prefix length from 0 to 32, such as 10.10.10.11/24",
            ),
            (
                "ip addr add 10.0.0.256/24 dev eth0.42",
                "ip addr: '10.0.0.256/24' is not an IPv4 address with a prefix length from 0 to 32, such as 10.10.10.11/24",
            ),
            (
                "ip addr add 10.10.10.11/24",
                "ip addr: 'add' must be followed by 'dev NAME': the interface",
            ),
            (
                "ip addr add 10.10.10.11/24 dev eth0.42",
                "eth0.42: the device has address 10.10.10.11/24 already",
            ),
            (
                "ip addr add 10.10.10.11 dev eth0.42",
                "eth0.42: the device has address 10.10.10.11/24, not 10.10.10.11/32; to change it, delete 10.10.10.11/24 first",
            ),
            (
                "ip addr add 10.10.10.255/24 dev eth0.42",
                "eth0.42: 10.10.10.255 is not a host address",
            ),
            (
                "ip addr add 10.10.10.255/16 dev eth0.42",
                "eth0.42: 10.10.10.255 is a broadcast address of 10.10.10.11/24",
            ),
            (
                "ip addr add 10.30.0.1/24 dev eth0.42",
                "eth0.42: a device has at most 8 addresses",
            ),
            (
                "ip addr del 10.10.10.11/16 dev eth0.42",
                "eth0.42: the device has address 10.10.10.11/24, not 10.10.10.11/16; to change it, delete 10.10.10.11/24 first",
            ),
            (
                "ip addr del 10.10.10.99/24 dev eth0.42",
                "eth0.42: the device does not have address 10.10.10.99",
            ),
            (
                "ip addr ad",
                "ip addr: 'add' must be followed by an address, such as 10.10.10.11/24",
            ),
            (
                "ip route add 10.1.2.3/16 via 10.10.10.1",
                "10.1.2.3/16: 10.1.2.3/16 has host bits: its network is 10.1.0.0/16",
            ),
            (
                "ip route add default via 192.0.2.1",
                "default: gateway 192.0.2.1 is in no network of ours",
            ),
            (
                "ip route add default via 10.10.10.11",
                "default: gateway 10.10.10.11 is our own address",
            ),
            (
                "ip route add 192.0.2.0/24 dev eth0.42",
                "ip route: 'add' must be followed by 'NETWORK via GATEWAY'; networks on link come with 'ip addr add'",
            ),
            (
                "ip route add default via 10.10.10.1 metric 5",
                "ip route: 'metric' is not supported: a route has 'via' and 'dev'",
            ),
            (
                "ip route del default",
                "default: there is no route for 0.0.0.0/0",
            ),
            (
                "ip route del 10.10.10.0/24",
                "10.10.10.0/24: made by an address of the device; it comes and goes with it ('ip addr')",
            ),
            (
                "ip neigh add 10.10.10.10 lladdr 02:00:00:00:00 dev eth0.42",
                "ip neigh: '02:00:00:00:00' is not a station address, such as 02:00:00:00:00:01",
            ),
            (
                "ip neigh add 10.10.10.10 lladdr ff:ff:ff:ff:ff:ff dev eth0.42",
                "10.10.10.10: ff:ff:ff:ff:ff:ff is not the address of one station",
            ),
            (
                "ip neigh add 10.10.10.10 dev eth0.42",
                "ip neigh: 'add' must be followed by 'lladdr MAC'",
            ),
            (
                "ip neigh del 10.10.10.10 dev eth0.42",
                "10.10.10.10: no such neighbor",
            ),
            (
                "ip adr",
                "ip: 'adr' is not one of link, addr, route, neigh; did you mean 'addr'?",
            ),
            (
                "ip link shwo",
                "ip link: 'shwo' is not one of set, add, delete, show, list, lst; did you mean 'show'?",
            ),
            (
                "ip -6 addr",
                "ip: '-6' is not supported: the appliance speaks IPv4 only",
            ),
            (
                "ip -f inet6 addr",
                "ip: 'inet6' is not supported: the appliance speaks IPv4 only",
            ),
            (
                "ip -human -s link",
                "ip: '-human' is not supported: figures are whole numbers; -h is help",
            ),
            (
                "ip -o -s link",
                "ip: '-o' is not supported: with -d or -s a line would be too long; -br and -j go with them",
            ),
            ("ip route get 203.0.113.1", "no route to 203.0.113.1"),
        ],
    );
}

#[test]
fn a_card_and_its_devices_are_down_together() {
    let mut appliance = configured();
    appliance.configure(&["evl net -ei eth0.42", "ip link set eth0 down"]);
    assert_eq!(
        appliance.typed("ip -br link"),
        "\
eth0             DOWN           52:54:00:12:34:56 <BROADCAST,MULTICAST> \n\
eth0.42@eth0     DOWN           52:54:00:12:34:56 <BROADCAST,MULTICAST,UP,M-DOWN> \n"
    );
    appliance.configure(&["ip link set eth0 up", "ip link set eth0.42 down"]);
    // EVL: bringing a device down dismantles its port.
    assert_eq!(
        appliance.typed("cat /sys/class/net/eth0.42/oob_port"),
        "0\n"
    );
}

#[test]
fn a_device_keeps_its_number_when_another_is_removed() {
    let mut appliance = Appliance::bare();
    for vid in 41..=43 {
        appliance.configure(&[&format!(
            "ip link add link eth0 name eth0.{vid} type vlan id {vid}"
        )]);
    }
    let number = |appliance: &mut Appliance, name: &str| {
        appliance.typed(&format!("cat /sys/class/net/{name}/ifindex"))
    };
    assert_eq!(number(&mut appliance, "eth0.43"), "5\n");
    appliance.configure(&["ip link del eth0.41"]);
    assert_eq!(number(&mut appliance, "eth0.42"), "4\n");
    assert_eq!(number(&mut appliance, "eth0.43"), "5\n");
    appliance.configure(&["ip link add link eth0 type vlan protocol 802.1Q id 44"]);
    assert_eq!(number(&mut appliance, "eth0.44"), "6\n");
}

#[test]
fn a_vlan_device_is_renamed_and_what_it_has_stays_its_own() {
    let mut appliance = Appliance::new();
    appliance.configure(&[
        "ip route add default via 10.10.10.1",
        "ip link add link eth0 name eth0.43 type vlan id 43",
    ]);
    let before = appliance.typed("config show");
    let long = "ip link set eth0.42 name sixteen-octets-x";
    for (line, said) in [
        (
            "ip link set eth0 name lan",
            "eth0: not a VLAN device: a card keeps its name",
        ),
        (
            "ip link set eth0.42 name eth0.43",
            "eth0.43: another device has this name",
        ),
        (
            long,
            "sixteen-octets-x: a name of 16 octets is not in 1..15",
        ),
        (
            "ip link set eth0.42 name \"a b\"",
            "ip link: 'a b' is not a name: printable, without blanks, '/', '#' and quotes, and no '-' at its start",
        ),
        (
            "ip link set eth0.42 name",
            "ip link: 'name' must be followed by a name, such as eth0.42",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
        assert_eq!(appliance.typed("config show"), before, "{line}");
    }
    appliance.configure(&["ip link set dev eth0.42 name machine mtu 1400"]);
    assert_eq!(
        appliance.typed("ip -br addr show dev machine"),
        "machine@eth0     UP             10.10.10.11/24 \n"
    );
    assert_eq!(
        appliance.typed("ip route get 192.0.2.1"),
        "192.0.2.1 via 10.10.10.1 dev machine src 10.10.10.11 uid 0 \n    cache \n"
    );
    appliance.answer(1_000);
    let shown = appliance.typed("config show");
    let mut again = Appliance::bare();
    again.configure(&shown.lines().collect::<Vec<_>>());
    assert_eq!(again.typed("config show"), shown);
}

#[test]
fn what_scripts_ask_of_iproute2_is_answered_as_there() {
    let mut appliance = Appliance::new();
    appliance.configure(&["ip route add default via 10.10.10.1"]);
    let one_line = "3: eth0.42    inet 10.10.10.11/24 scope global eth0.42\\       valid_lft forever preferred_lft forever\n";
    let brief = "eth0.42@eth0     UP             10.10.10.11/24 \n";
    for (line, said) in [
        // A card without an address is none of IPv4's.
        ("ip -4 -br a", brief),
        ("ip -br -4 addr", brief),
        ("ip -f inet -br a", brief),
        ("ip -4 -br addr show dev eth0", ""),
        ("ip -o -4 addr show", one_line),
        ("ip -o a", one_line),
        ("ip -o addr show dev eth0.42", one_line),
        (
            "ip -o link show dev eth0.42",
            "3: eth0.42@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff\n",
        ),
        (
            "ip -j route get 192.0.2.1",
            "[{\"dst\":\"192.0.2.1\",\"gateway\":\"10.10.10.1\",\"dev\":\"eth0.42\",\"prefsrc\":\"10.10.10.11\",\"flags\":[],\"uid\":0,\"cache\":[]}\n]\n",
        ),
        (
            "ip -j -4 -br a",
            "[{\"link\":\"eth0\",\"ifname\":\"eth0.42\",\"operstate\":\"UP\"\n,\"addr_info\":[{\"local\":\"10.10.10.11\",\"prefixlen\":24}\n]}\n]\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
    // -h is help with every command, also where iproute2 has it for figures.
    let help = appliance.typed("ip -h -j");
    assert!(
        help.starts_with("{\"command\":\"ip\"") || help.contains("\"ip\""),
        "{help}"
    );
}

#[test]
fn networks_and_addresses_of_another_device_are_told() {
    let mut appliance = Appliance::new();
    appliance.configure(&["ip link add link eth0 name eth0.43 type vlan id 43"]);
    for (line, said) in [
        (
            "ip addr add 10.10.10.12/24 dev eth0.43",
            "eth0.43: 10.10.10.12/24 overlaps 10.10.10.11/24 of eth0.42; 'ip route get' tells through which of them is sent\n",
        ),
        (
            "ip addr add 10.10.10.11/24 dev eth0.43",
            "eth0.43: 10.10.10.11 is the address of eth0.42 too\n",
        ),
        (
            "ip addr add 10.10.0.1/16 dev eth0 -j",
            "{\"warning\":\"eth0: 10.10.0.1/16 overlaps 10.10.10.11/24 of eth0.42; 'ip route get' tells through which of them is sent\"}\n",
        ),
        // On one device it is a second address, in another network nothing to tell.
        (
            "ip addr add 10.10.10.13/24 dev eth0.42",
            "eth0.42: 10.10.10.13/24 overlaps 10.10.0.1/16 of eth0; 'ip route get' tells through which of them is sent\n",
        ),
        ("ip addr add 192.0.2.1/24 dev eth0.43", ""),
        ("ip addr add 192.0.2.2/24 dev eth0.43", ""),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
    // They are there all the same.
    assert_eq!(
        appliance.typed("ip -br addr show dev eth0.43"),
        "eth0.43@eth0     DOWN           10.10.10.12/24 10.10.10.11/24 192.0.2.1/24 192.0.2.2/24 \n"
    );
}

#[test]
fn vlan_1_is_a_device_like_any_other_but_never_in_the_filter_list() {
    let mut appliance = Appliance::bare();
    appliance.configure(&["ip link add link eth0 name eth0.1 type vlan id 1"]);
    for vid in ["0", "1", "4095", "42,1"] {
        let wrong = vid.rsplit(',').next().expect("a word");
        let expected = format!(
            "evl net: '{wrong}' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107\n"
        );
        assert_eq!(appliance.typed(&format!("evl net -N{vid}")), expected);
    }
    // Ranges that overlap are one.
    appliance.configure(&["evl net -N42-45,44,43-47"]);
    assert_eq!(appliance.typed("evl net -n"), "42-47\n");
}
