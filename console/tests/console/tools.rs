//! Commands that show what the appliance measured and knows.

use crate::support::{Appliance, ECHO_REQUEST};
use pollux_console::command::{Command, Grammar, Request};
use pollux_console::commands::arping::ArpingLine;
use pollux_console::commands::file::STATUS_QUESTION;
use pollux_console::commands::ping::PingLine;
use pollux_console::refused::{MOST_REFUSED, Refused};
use pollux_console::reply::{Progress, Reply};
use pollux_net::device::{FlowControl, Statistic};
use pollux_net::own_arping::ArpingReply;
use pollux_net::ping::{PingReply, Verdict};
use pollux_net::time::Ticks;
use pollux_net::wire::ethernet::MacAddress;

#[test]
fn drops_are_shown_by_reason() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    let mut other_vlan = ECHO_REQUEST;
    other_vlan[15] = 43;
    appliance.receive(&other_vlan);
    appliance.receive(&other_vlan);
    assert_eq!(
        appliance.typed("show drops"),
        "\
eth0: received 3, answered 1, not answered 2
           2  vlan_not_in_filter     its VLAN identifier is not in the filter list, and no device has it
"
    );
    for (line, said) in [
        (
            "show",
            "missing word after 'show'; usage: show drops|turns [reset]",
        ),
        (
            "show drop",
            "show: 'drop' is not one of drops, turns; did you mean 'drops'?",
        ),
        (
            "show drops eth0",
            "unexpected word 'eth0'; usage: show drops|turns [reset]",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"));
    }
}

#[test]
fn latency_is_shown_as_percentiles_and_as_a_chart_and_forgotten() {
    let mut appliance = Appliance::new();
    for (residence, times) in [(2_894, 1_960), (5_787, 30), (14_467, 9), (28_933, 1)] {
        (0..times).for_each(|_| appliance.answer(residence));
    }
    assert_eq!(
        appliance.typed("latency"),
        "\
eth0: 2000 answers
  min           1000 ns
  p50           1017 ns
  p99           2034 ns
  p99.9         5043 ns
  max          10000 ns, at 12.000 s
  <=        1023 ns       1960 ##################################################
  <=        2047 ns         30 #
  <=        4095 ns          0 
  <=        8191 ns          9 #
  <=       16383 ns          1 #
"
    );
    // Later, what stays shorter changes nothing; and after 49 days, when milliseconds have wrapped, what stays longer does.
    let longest_at = |appliance: &mut Appliance, uptime_ns, residence| {
        appliance.view.uptime_ns = uptime_ns;
        appliance.answer(residence);
        let json = appliance.typed("latency -j").replace('\n', "");
        let (_, moment) = json.split_once("\"max_at_ns\":").expect("a moment");
        moment.split(',').next().map(str::to_owned)
    };
    assert_eq!(
        longest_at(&mut appliance, 72_345_999_999, 28_932).as_deref(),
        Some("12000000000")
    );
    assert_eq!(
        longest_at(&mut appliance, 75_345_999_999, 28_934).as_deref(),
        Some("75000000000")
    );
    assert!(
        appliance.typed("latency").contains(" ns, at 75.000 s\n"),
        "a moment is seconds, however long"
    );
    assert_eq!(
        longest_at(&mut appliance, 4_294_967_400_000_000, 28_935).as_deref(),
        Some("4294967055000000")
    );
    assert_eq!(
        appliance.typed("latency reset"),
        "residence times forgotten\n"
    );
    assert_eq!(appliance.typed("latency"), "eth0: no frame answered yet\n");
    assert_eq!(
        appliance.typed("latency rest"),
        "latency: 'rest' is not one of reset; did you mean 'reset'?\n"
    );
}

#[test]
fn a_card_that_filters_vlans_is_told_of_and_told_not_to() {
    let mut appliance = Appliance::new();
    let features = |appliance: &mut Appliance| {
        let features = appliance.typed("ethtool -k eth0");
        features.lines().last().map(str::to_owned).expect("a line")
    };
    assert_eq!(features(&mut appliance), "rx-vlan-filter: off [fixed]");
    let none = "eth0: this card does not filter VLANs; the appliance does\n";
    assert_eq!(appliance.typed("ethtool -K eth0 rx-vlan-filter on"), none);
    assert!(!appliance.typed("show drops").contains("discards"));
    appliance.interface.set_card_can_filter_vlans(true);
    assert_eq!(features(&mut appliance), "rx-vlan-filter: on");
    let remark = |vlans: &str| {
        format!(
            "(eth0 itself discards frames of {vlans}: 'ethtool -K eth0 rx-vlan-filter off' has them counted)\n"
        )
    };
    let drops = appliance.typed("show drops");
    assert!(drops.ends_with(&remark("VLANs other than 42")), "{drops}");
    let json = appliance.typed("show drops -j");
    let hint = ",\"hint\":\"eth0 itself discards frames of VLANs other than 42: 'ethtool -K eth0 rx-vlan-filter off' has them counted\"}\n]\n";
    assert!(json.ends_with(hint), "{json}");
    let dump = appliance.typed("dump");
    assert!(dump.ends_with(&remark("VLANs other than 42")), "{dump}");
    let list: Vec<String> = (1..2000).map(|half| (half * 2).to_string()).collect();
    for part in list.chunks(40) {
        appliance.configure(&[&format!("evl net -N+{}", part.join(","))]);
    }
    let drops = appliance.typed("show drops");
    assert!(
        drops.contains("other than 2,4,6,") && drops.contains(" (1999 VLANs): "),
        "{drops}"
    );
    appliance.configure(&["ethtool -K eth0 rx-vlan-filter off"]);
    assert_eq!(features(&mut appliance), "rx-vlan-filter: off");
    assert_eq!(appliance.interface.accepted_vlans().len(), 4096);
    assert!(!appliance.typed("show drops -j").contains("discards"));
    assert!(!appliance.typed("show drops").contains("discards"));
    assert!(
        appliance
            .typed("config show")
            .contains("ethtool -K eth0 rx-vlan-filter off\n")
    );
    appliance.configure(&["ethtool -K eth0 rx-vlan-filter on"]);
    assert_eq!(appliance.interface.accepted_vlans().len(), 1999);
    appliance.configure(&["ip link del eth0.42"]);
    appliance.typed("evl net -N");
    let drops = appliance.typed("show drops");
    assert!(drops.ends_with(&remark("all VLANs")), "{drops}");
    for (line, said) in [
        (
            "ethtool -K eth0",
            "ethtool: '-K' must be followed by rx or rx-vlan-filter and 'on' or 'off'",
        ),
        (
            "ethtool -K eth0 rx-vlan-filter",
            "ethtool: 'rx-vlan-filter' must be followed by 'on' or 'off'",
        ),
        (
            "ethtool -K eth0 rx-checksumming",
            "ethtool: 'rx-checksumming' must be followed by 'on' or 'off'",
        ),
        (
            "ethtool -K eth0 rx",
            "ethtool: 'rx' must be followed by 'on' or 'off'",
        ),
        (
            "ethtool -K eth0 rx-vlan-filter no",
            "ethtool: 'no' is not one of on, off; did you mean 'on'?",
        ),
        (
            "ethtool -K eth0 rx-vlan-fliter off",
            "ethtool: 'rx-vlan-fliter' is not one of rx, rx-vlan-filter; did you mean 'rx-vlan-filter'?",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"));
    }
    let refused = appliance.typed("ethtool -K eth0 scatter-gather on");
    assert!(refused.contains("the stack does it"), "{refused}");
}

#[test]
fn a_card_that_verifies_checksums_is_told_to_and_told_not_to() {
    let mut appliance = Appliance::new();
    let features = |appliance: &mut Appliance| {
        let features = appliance.typed("ethtool -k eth0");
        features.lines().nth(1).map(str::to_owned).expect("a line")
    };
    assert_eq!(features(&mut appliance), "rx-checksumming: off [fixed]");
    let none = "eth0: this card verifies no checksums; the appliance does\n";
    assert_eq!(appliance.typed("ethtool -K eth0 rx on"), none);
    // It is off already, and nothing is to be kept of that.
    appliance.configure(&["ethtool -K eth0 rx off"]);
    assert!(!appliance.typed("config show").contains("ethtool"));
    // What is refused changes nothing.
    appliance.interface.set_card_can_filter_vlans(true);
    assert_eq!(
        appliance.typed("ethtool -K eth0 rx-vlan-filter off rx on"),
        none
    );
    assert!(appliance.interface.is_card_to_filter_vlans());
    appliance.interface.set_card_can_verify_checksums(true);
    assert_eq!(features(&mut appliance), "rx-checksumming: on");
    assert!(!appliance.typed("config show").contains("ethtool"));
    for (line, verifies, filters, kept) in [
        (
            "ethtool -K eth0 rx off",
            false,
            true,
            "ethtool -K eth0 rx off\n",
        ),
        (
            "ethtool -K eth0 rx-vlan-filter off",
            false,
            false,
            "ethtool -K eth0 rx off rx-vlan-filter off\n",
        ),
        (
            "ethtool -K eth0 rx-checksumming on",
            true,
            false,
            "ethtool -K eth0 rx-vlan-filter off\n",
        ),
        (
            "ethtool -K eth0 rx off rx-vlan-filter on",
            false,
            true,
            "ethtool -K eth0 rx off\n",
        ),
    ] {
        appliance.configure(&[line]);
        let interface = &appliance.interface;
        assert_eq!(interface.is_card_to_verify_checksums(), verifies, "{line}");
        assert_eq!(interface.is_card_to_filter_vlans(), filters, "{line}");
        let shown = if verifies { "on" } else { "off" };
        assert_eq!(
            features(&mut appliance),
            format!("rx-checksumming: {shown}")
        );
        let config = appliance.typed("config show");
        assert!(config.contains(kept), "{config}");
    }
    let said = "ethtool: 'rx' must be followed by 'on' or 'off'\n";
    assert_eq!(appliance.typed("ethtool -K eth0 rx"), said);
}

#[test]
fn without_residence_times_it_says_whether_anything_was_answered() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    appliance.typed("latency reset");
    assert_eq!(appliance.typed("latency"), "eth0: no frame answered yet\n");
    // Answered without a residence time, as those are whose turn comes when the wire is quiet.
    appliance.receive(&ECHO_REQUEST);
    appliance.receive(&ECHO_REQUEST);
    let said = "none answered in real time; 2 in-band";
    assert_eq!(appliance.typed("latency"), format!("eth0: {said}\n"));
    appliance.configure(&["evl net -d -i eth0.42"]);
    let said = "none answered in real time; 2 in-band ('evl net -e -i IFNAME' enables an out-of-band port)";
    assert_eq!(appliance.typed("latency"), format!("eth0: {said}\n"));
    let status = appliance.typed("status");
    assert!(
        status.contains(&format!("  count                   0 ({said})\n")),
        "{status}"
    );
}

#[test]
fn flow_control_is_switched_on_and_off_a_direction_at_a_time() {
    let mut appliance = Appliance::new();
    let off = FlowControl::default();
    appliance.interface.set_flow_control(off);
    for (line, receive, transmit) in [
        ("ethtool -A eth0 rx on", true, false),
        ("ethtool -A eth0 tx on autoneg off", true, true),
        ("ethtool -A eth0", true, true),
        ("ethtool -A eth0 rx off tx on", false, true),
        ("ethtool -A eth0 rx on tx off", true, false),
        ("ethtool -A eth0 rx off tx off", false, false),
    ] {
        assert_eq!(appliance.typed(line), "");
        let expected = FlowControl { receive, transmit };
        assert_eq!(appliance.interface.flow_control(), Some(expected), "{line}");
        let word = |is| if is { "on" } else { "off" };
        let (rx, tx) = (word(receive), word(transmit));
        assert_eq!(
            appliance.typed("ethtool -a eth0"),
            format!("Pause parameters for eth0:\nAutonegotiate:\toff\nRX:\t\t{rx}\nTX:\t\t{tx}\n")
        );
        assert_eq!(
            appliance.typed("ethtool -j -a eth0"),
            format!(
                "[{{\"ifname\":\"eth0\",\"autonegotiate\":false,\"rx\":{receive},\"tx\":{transmit}}}]\n"
            )
        );
    }
    // Nothing is half done.
    assert!(!appliance.typed("config show").contains("ethtool"));
    appliance.typed("ethtool -A eth0 rx on tx maybe");
    assert_eq!(appliance.interface.flow_control(), Some(off));
    appliance.typed("ethtool -A eth0 tx on");
    let shown = appliance.typed("config show");
    assert!(
        shown.starts_with("ethtool -A eth0 rx off tx on\n"),
        "{shown}"
    );
}

#[test]
fn a_card_is_shown_as_ethtool_does() {
    let mut appliance = Appliance::new();
    appliance.statistics = vec![Statistic {
        name: "rx_crc_errors",
        value: 7,
    }];
    for (line, said) in [
        (
            "ethtool eth0",
            "Settings for eth0:\n\tSpeed: 1000Mb/s\n\tDuplex: Full\n\tLink detected: yes\n",
        ),
        (
            "ethtool -S eth0",
            "NIC statistics:\n     rx_crc_errors: 7\n",
        ),
        (
            "ethtool -i eth0",
            "driver: e1000\nversion: 0.1.0\nmodel: 82540EM\n",
        ),
        (
            "ethtool -a eth0",
            "Pause parameters for eth0:\nAutonegotiate:\toff\nRX:\t\toff\nTX:\t\toff\n",
        ),
        ("ethtool -A eth0 rx off tx off", ""),
        (
            "ethtool -A eth0 rx on",
            "eth0: this card has no flow control; it is always off\n",
        ),
        (
            "ethtool -A eth0 rx maybe",
            "ethtool: 'maybe' is not one of on, off\n",
        ),
        (
            "ethtool -A eth0 autoneg on",
            "ethtool: 'on' is not supported: what is set here is done, whatever the link's other end can do\n",
        ),
        (
            "ethtool eth1",
            "eth1: no such interface; did you mean 'eth0'?\n",
        ),
        (
            "ethtool eth0.42",
            "eth0.42: not a network card: a VLAN device stands on a card, such as eth0\n",
        ),
        (
            "ethtool -x eth0",
            "ethtool: '-x' is not one of -S, -i, -k, -K, -a, -A\n",
        ),
        (
            "ethtool",
            "missing word after 'ethtool'; usage: ethtool [-S|-i|-k|-K|-a|-A] CARD\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
    appliance.link.up = false;
    let settings = appliance.typed("ethtool eth0");
    assert!(settings.contains("Unknown!") && settings.ends_with("detected: no\n"));
}

#[test]
fn the_configuration_is_shown_kept_and_compared() {
    let mut appliance = Appliance::new();
    let config = "\
ip link add link eth0 name eth0.42 type vlan id 42
ip link set dev eth0.42 up
evl net -e -i eth0.42
ip addr add 10.10.10.11/24 dev eth0.42
evl net -N42
";
    assert_eq!(appliance.typed("config show"), config);
    let everything = "+".to_owned() + &config.trim_end().replace('\n', "\n+") + "\n";
    assert_eq!(appliance.typed("config diff"), everything);
    assert_eq!(appliance.typed("config save"), config);
    assert_eq!(appliance.typed("config diff"), "");
    appliance.configure(&[
        "ip addr add 10.10.10.12/24 dev eth0.42",
        "ip link set eth0.42 mtu 1400",
        "ip link set eth0 down",
        "evl net -N41-42",
        "ip route add default via 10.10.10.1",
        "ip neigh add 10.10.10.10 lladdr 02:00:00:00:00:01 dev eth0.42",
    ]);
    assert_eq!(
        appliance.typed("config diff"),
        "\
+ip link set dev eth0 down
+ip link set dev eth0.42 mtu 1400
+ip addr add 10.10.10.12/24 dev eth0.42
+evl net -N41-42
+ip route add default via 10.10.10.1 dev eth0.42
+ip neigh add 10.10.10.10 lladdr 02:00:00:00:00:01 dev eth0.42 nud permanent
-evl net -N42
"
    );
    // What is shown makes the same again.
    let shown = appliance.typed("config show");
    let mut again = Appliance::bare();
    shown.lines().for_each(|line| again.configure(&[line]));
    assert_eq!(again.typed("config show"), shown);
    assert_eq!(
        appliance.typed("config sohw"),
        "config: 'sohw' is not one of show, save, diff, errors; did you mean 'show'?\n"
    );
}

#[test]
fn files_are_listed_and_shown() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        ("ls", "        36 start.conf\n         6 netrx.o\n"),
        ("cat start.conf", "# start\nip link set eth0.42 up\nlast\n"),
        (
            "cat /boot/start.conf",
            "# start\nip link set eth0.42 up\nlast\n",
        ),
        ("cat netrx.o", "netrx.o: 6 octets that are not text\n"),
        (
            "cat other",
            "other: no such file; 'ls' lists those there are\n",
        ),
        ("ls -x", "unexpected word '-x'; usage: ls\n"),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
}

#[test]
fn the_appliance_tells_its_version_and_how_long_it_runs() {
    let mut appliance = Appliance::new();
    assert_eq!(appliance.typed("version"), "Pollux 0.1.0, started by pvh\n");
    assert_eq!(appliance.typed("date"), "12.345 s since the start\n");
    assert_eq!(
        appliance.typed("date -u"),
        "unexpected word '-u'; usage: date\n"
    );
    assert_eq!(
        appliance.typed("version 2"),
        "unexpected word '2'; usage: version\n"
    );
}

#[test]
fn a_neighbor_is_asked_for() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        (
            "arping 10.10.10.10",
            "ARPING 10.10.10.10 from 10.10.10.11 eth0.42",
        ),
        (
            "arping -f -c3 -w2 -Ieth0.42 10.10.10.10",
            "ARPING 10.10.10.10 from 10.10.10.11 eth0.42",
        ),
        ("arping 192.0.2.1", "no route to 192.0.2.1"),
        ("arping 10.10.10.255", "10.10.10.255 is not one host"),
        ("arping 10.10.10.11", "10.10.10.11: it is our own address"),
        (
            "arping",
            "missing word after 'arping'; usage: arping [-f] [-q] [-c COUNT] [-w SECONDS] [-I IFNAME] ADDRESS",
        ),
        (
            "arping -c 0 10.10.10.10",
            "arping: '0' is not a number of requests, 1 or more",
        ),
        (
            "arping -w 0.5 10.10.10.10",
            "arping: '0.5' is not a number of seconds, 1 or more",
        ),
        (
            "arping -D 10.10.10.10",
            "arping: '-D' is not one of -c, -f, -q, -w, -I",
        ),
        (
            "arping -fxc1 10.10.10.10",
            "arping: '-fxc1' is not one of -c, -f, -q, -w, -I",
        ),
        (
            "arping host",
            "arping: 'host' is not an IPv4 address, such as 10.10.10.10",
        ),
        (
            "arping -I eth9 10.10.10.10",
            "eth9: no such interface; did you mean 'eth0'?",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
    appliance.configure(&["ip route add default via 10.10.10.1"]);
    assert_eq!(
        appliance.typed("arping 192.0.2.1"),
        "192.0.2.1: it is behind the gateway 10.10.10.1, and ARP is heard in our own networks only; '-I IFNAME' asks all the same\n"
    );
    appliance.configure(&["ip link add link eth0 name eth0.43 type vlan id 43"]);
    assert_eq!(
        appliance.typed("arping -I eth0.43 192.0.2.1"),
        "192.0.2.1: the interface has no address to ask from; 'ip addr add' gives it one\n"
    );
    assert_eq!(
        appliance.typed("arping -I eth0.42 192.0.2.1"),
        "ARPING 192.0.2.1 from 10.10.10.11 eth0.42\n"
    );
}

#[test]
fn who_asks_through_a_device_that_is_down_is_told_which_one() {
    let mut appliance = Appliance::new();
    appliance.configure(&["ip route add default via 10.10.10.1"]);
    let lines = [
        "arping 10.10.10.10",
        "arping -I eth0.42 10.10.10.10",
        "ping 10.10.10.10",
        "ping -c 1 -I eth0.42 10.10.10.10",
        "ping 192.0.2.1",
    ];
    appliance.configure(&["ip link set eth0.42 down"]);
    for line in lines {
        assert_eq!(
            appliance.typed(line),
            "eth0.42: the interface is down; 'ip link set eth0.42 up' sets it up\n",
            "{line}"
        );
    }
    assert_eq!(
        appliance.typed("ping 10.10.10.10 -j"),
        "{\"error\":\"eth0.42: the interface is down; 'ip link set eth0.42 up' sets it up\"}\n"
    );
    appliance.configure(&["ip link set eth0.42 up", "ip link set eth0 down"]);
    for line in lines {
        assert_eq!(
            appliance.typed(line),
            "eth0: the interface is down; 'ip link set eth0 up' sets it up\n",
            "{line}"
        );
    }
}

/// The reply of a command that asks somebody and was ended, and whether it failed.
fn ended(appliance: &Appliance, line: &str) -> (String, bool) {
    let request = Grammar::default().parse(line).expect("is right");
    let mut reply = Reply::to(request.expect("is a command"));
    let mut text = String::new();
    while appliance.print_line(&mut reply, &mut text) == Progress::Line {}
    assert!(!reply.has_failed(), "it is not over");
    assert!(reply.interrupt());
    while appliance.print_line(&mut reply, &mut text) == Progress::Line {}
    (text, reply.has_failed())
}

#[test]
fn who_has_an_address_is_summed_up_and_to_have_found_nobody_is_a_failure() {
    let mut appliance = Appliance::new();
    appliance.typed("arping 10.10.10.10");
    assert_eq!(
        ended(&appliance, "arping 10.10.10.10"),
        (
            "ARPING 10.10.10.10 from 10.10.10.11 eth0.42\n\
             Sent 0 probes (0 broadcast(s))\nReceived 0 response(s)\n"
                .to_owned(),
            true
        )
    );
    assert_eq!(
        ended(&appliance, "arping 10.10.10.10 -j"),
        (
            "{\"address\":\"10.10.10.10\",\"ifname\":\"eth0.42\",\"sent\":0,\"received\":0\n}\n"
                .to_owned(),
            true
        )
    );
    assert_eq!(
        ended(&appliance, "arping -q 10.10.10.10"),
        (String::new(), true)
    );
    let (json, _) = ended(&appliance, "arping -q 10.10.10.10 -j");
    assert!(json.starts_with("{\"address\":"), "{json}");
    let line = ArpingLine {
        address: "10.10.10.10".parse().expect("an address"),
        reply: ArpingReply {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            round_trip_ns: 1_234_567,
        },
    };
    assert_eq!(
        line.to_string(),
        "Unicast reply from 10.10.10.10 [02:00:00:00:00:01]  1.234ms"
    );
    appliance.typed("ping 10.10.10.10");
    assert!(ended(&appliance, "ping 10.10.10.10").1);
}

#[test]
fn options_may_share_a_word_and_a_value_that_of_its_option() {
    let parse = |line| Grammar::default().parse(line).expect(line);
    for (joined, apart) in [
        (
            "ping -n -c4 -i0.2 -s1400 -W2 -Ieth0.42 10.10.10.10",
            "ping -c 4 -i 0.2 -s 1400 -W 2 -I eth0.42 10.10.10.10",
        ),
        (
            "ping -nqc3 10.10.10.10 -qw5",
            "ping -n -q -c 3 10.10.10.10 -q -w 5",
        ),
        ("arping -fqc 1 10.10.10.10", "arping -f -q -c 1 10.10.10.10"),
        (
            "arping -qIeth0.42 10.10.10.10",
            "arping -q -I eth0.42 10.10.10.10",
        ),
    ] {
        assert_eq!(parse(joined), parse(apart), "{joined}");
    }
    for (line, said) in [
        (
            "ping -cx 10.10.10.10",
            "ping: 'x' is not a number of requests, 1 or more",
        ),
        (
            "ping -c3q 10.10.10.10",
            "ping: '3q' is not a number of requests, 1 or more",
        ),
        (
            "arping 10.10.10.10 -fc",
            "arping: '-c' must be followed by a number of requests, 1 or more",
        ),
        (
            "ping - 10.10.10.10",
            "ping: '-' is not an IPv4 address, such as 10.10.10.10",
        ),
    ] {
        let error = Grammar::default().parse(line);
        assert_eq!(error.expect_err("is wrong").to_string(), said, "{line}");
    }
}

#[test]
fn a_host_is_pinged_and_what_came_of_it_is_summed_up() {
    let mut appliance = Appliance::new();
    assert_eq!(
        appliance.typed("ping -c 3 -i 0.2 -s 100 10.10.10.10"),
        "PING 10.10.10.10 (10.10.10.10) 100(128) bytes of data.\n"
    );
    let Ok(Some(request)) = Grammar::default().parse("ping 10.10.10.10") else {
        panic!("is a command");
    };
    for json in [false, true] {
        let mut reply = Reply::to(Request {
            json,
            ..request.clone()
        });
        let mut text = String::new();
        while appliance.print_line(&mut reply, &mut text) == Progress::Line {}
        assert!(reply.is_endless());
        assert!(reply.interrupt());
        assert!(!reply.is_endless());
        text.clear();
        while appliance.print_line(&mut reply, &mut text) == Progress::Line {}
        let expected = match json {
            false => {
                "--- 10.10.10.10 ping statistics ---\n0 packets transmitted, 0 received, 0% packet loss\n"
            }
            true => {
                "{\"destination\":\"10.10.10.10\",\"sent\":0,\"in_time\":0,\"late\":0,\"lost\":0,\"unreachable\":0,\"outstanding\":0,\
                 \"corrupted\":0,\"duplicates\":0,\"reordered\":0\n}\n"
            }
        };
        assert_eq!(text, expected);
    }
}

#[test]
fn a_quiet_ping_tells_only_what_became_of_it() {
    let answer = "64 bytes from 10.10.10.10: icmp_seq=1 ttl=64 time=1.000 ms";
    for (line, is_shown) in [
        ("ping 10.10.10.10", true),
        ("ping -q 10.10.10.10", false),
        ("ping -j 10.10.10.10", false),
        ("ping -c 1 10.10.10.10 | grep seq=1", true),
        ("ping -c 1 10.10.10.10 | grep seq=2", false),
        ("ping -q -c 1 10.10.10.10 | grep seq=1", false),
    ] {
        let request = Grammar::default().parse(line).expect("is right");
        let reply = Reply::to(request.expect("is a command"));
        assert_eq!(reply.shows_answer(answer), is_shown, "{line}");
    }
    let mut appliance = Appliance::new();
    appliance.typed("ping -q 10.10.10.10");
    let (text, _) = ended(&appliance, "ping -q 10.10.10.10");
    assert_eq!(
        text,
        "PING 10.10.10.10 (10.10.10.10) 56(84) bytes of data.\n\
         --- 10.10.10.10 ping statistics ---\n0 packets transmitted, 0 received, 0% packet loss\n"
    );
}

#[test]
fn a_ping_with_a_deadline_ends_then_and_to_have_no_reply_is_a_failure() {
    let mut appliance = Appliance::new();
    for json in [false, true] {
        let line = if json {
            "ping -j -w 1.5 10.10.10.10"
        } else {
            "ping -w 1.5 10.10.10.10"
        };
        appliance.typed(line);
        let begin = appliance.view.now;
        let request = Grammar::default().parse(line).expect("is right");
        let mut reply = Reply::to(request.expect("is a command"));
        let mut text = String::new();
        let until_waiting = |appliance: &Appliance, reply: &mut Reply, text: &mut String| {
            let mut progress = Progress::Line;
            while progress == Progress::Line {
                progress = appliance.print_line(reply, text);
            }
            progress
        };
        for (milliseconds, expected) in [
            (0, Progress::Waiting),
            (1_499, Progress::Waiting),
            (1_501, Progress::Done),
        ] {
            let ticks = appliance.view.clock.rate.ticks(milliseconds * 1_000_000);
            appliance.view.now = begin.after(ticks);
            let progress = until_waiting(&appliance, &mut reply, &mut text);
            assert_eq!(progress, expected, "{milliseconds} {text}");
        }
        assert!(reply.has_failed());
        let summary = if json {
            "\"sent\":0,"
        } else {
            "0 packets transmitted, 0 received"
        };
        assert!(text.contains(summary), "{text}");
    }
}

/// The lines of `top` when a second and a half passed in which two frames came.
fn top(json: bool) -> (String, Progress) {
    let mut appliance = Appliance::new();
    let mut reply = Reply::to(Request {
        command: Command::Top,
        json,
        only: Vec::new(),
    });
    let mut text = String::new();
    assert_eq!(
        appliance.print_line(&mut reply, &mut text),
        Progress::Waiting
    );
    appliance.answer(2_894);
    appliance.answer(2_894);
    appliance.answer(2_894);
    appliance.view.now = appliance.view.now.after(Ticks(2_893_202_000));
    appliance.view.now = appliance.view.now.after(Ticks(1_446_601_000));
    let mut progress = Progress::Line;
    while progress == Progress::Line {
        progress = appliance.print_line(&mut reply, &mut text);
    }
    if progress == Progress::Waiting {
        progress = appliance.print_line(&mut reply, &mut text);
    }
    (text, progress)
}

#[test]
fn what_only_ctrl_c_can_end_is_told_from_what_ends_by_itself() {
    for (line, is_endless) in [
        ("top", true),
        ("top -j", false),
        ("ping 10.10.10.10", true),
        ("ping -c 3 10.10.10.10", false),
        ("ping -w 3 10.10.10.10", false),
        ("ping -q 10.10.10.10", true),
        ("arping 10.10.10.10", true),
        ("arping -c 1 10.10.10.10", false),
        ("arping -w 1 10.10.10.10", false),
        ("status", false),
        ("config diff", false),
    ] {
        let Ok(Some(request)) = Grammar::default().parse(line) else {
            panic!("{line} is a command");
        };
        assert_eq!(Reply::to(request).is_endless(), is_endless, "{line}");
    }
}

#[test]
fn what_never_ends_is_refused_at_the_start_with_what_is_to_be_added() {
    let told = |line: &str| {
        let Ok(Some(request)) = Grammar::default().parse(line) else {
            panic!("{line} is a command");
        };
        let error = request.refusal_in_script(line)?;
        Some((error.column, error.to_string()))
    };
    for (line, column, message) in [
        (
            "ping 10.10.10.10",
            1,
            "ping: it would never end at the start; add '-c COUNT' or '-w SECONDS'",
        ),
        (
            "sudo ping -i 2 10.10.10.10",
            6,
            "ping: it would never end at the start; add '-c COUNT' or '-w SECONDS'",
        ),
        // It ends with the first reply, which may never come.
        (
            "arping -f 10.10.10.10",
            1,
            "arping: it would never end at the start; add '-c COUNT' or '-w SECONDS'",
        ),
        (
            "top",
            1,
            "top: it would never end at the start; type it at the console",
        ),
        (
            "oob-net-icmp -i eth0.42",
            1,
            "oob-net-icmp: it would never end at the start; type it at the console, or write 'trace on'",
        ),
    ] {
        assert_eq!(told(line), Some((column, message.to_owned())), "{line}");
    }
    for line in [
        "ping -c 1 10.10.10.10",
        "ping -w 1 10.10.10.10",
        "arping -w 1 10.10.10.10",
        "arping -f -c 1 10.10.10.10",
        "top -j",
        "status",
        "trace on",
    ] {
        assert_eq!(told(line), None, "{line}");
    }
}

#[test]
fn of_a_ping_that_ends_lines_can_be_chosen_and_those_of_answers_follow_its_heading() {
    let mut appliance = Appliance::new();
    let line = "ping -c 1 10.10.10.10 | grep time=";
    assert_eq!(appliance.typed(line), "");
    let Ok(Some(request)) = Grammar::default().parse(line) else {
        panic!("is a command");
    };
    let mut reply = Reply::to(request);
    assert!(!reply.is_begun());
    let mut text = String::new();
    assert_eq!(
        appliance.print_line(&mut reply, &mut text),
        Progress::Waiting
    );
    assert!(reply.is_begun(), "the heading is not shown, but out");
    assert!(reply.shows("64 bytes from 10.10.10.10: icmp_seq=1 ttl=64 time=1.000 ms"));
    assert!(!reply.shows("From 10.10.10.11 icmp_seq=1 Destination Host Unreachable"));
    for line in ["ping 10.10.10.10 | grep a", "arping 10.10.10.10 | grep a"] {
        assert_eq!(
            appliance.typed(line),
            "grep: what goes on until Ctrl-C is shown whole; with '-c COUNT' it ends\n",
            "{line}"
        );
    }
}

#[test]
fn no_neighbor_is_offered_where_there_are_too_many_devices_to_compare_with_each() {
    let mut appliance = Appliance::new();
    for vid in 100..110 {
        appliance.configure(&[&format!(
            "ip link add link eth0 name eth0.{vid} type vlan id {vid}"
        )]);
    }
    let wrong = "ip addr show dev eth0.43";
    let offered = "eth0.43: no such interface; did you mean 'eth0.42'?\n";
    assert_eq!(appliance.typed(wrong), offered);
    for vid in 110..120 {
        appliance.configure(&[&format!(
            "ip link add link eth0 name eth0.{vid} type vlan id {vid}"
        )]);
    }
    let none = "eth0.43: no such interface; 'ip -br link' lists those there are\n";
    assert_eq!(appliance.typed(wrong), none);
}

#[test]
fn top_shows_frames_per_second_in_place() {
    assert_eq!(
        top(false),
        (
            "\x1b[H\x1b[JPollux 0.1.0, 12.345 s
card         received/s   answered/s    dropped/s       p50 ns       max ns
eth0                  2            2            0         1000         1000
"
            .to_owned(),
            Progress::Waiting
        )
    );
    assert_eq!(
        top(true),
        (
            "[{\"ifname\":\"eth0\",\"received_per_s\":2,\"answered_per_s\":2,\"dropped_per_s\":0,\"p50_ns\":1000,\"max_ns\":1000}\n]\n"
                .to_owned(),
            Progress::Done
        )
    );
    let refused = Appliance::new().typed("top -n 3");
    assert_eq!(refused, "unexpected word '-n'; usage: top\n");
}

#[test]
fn what_cannot_be_pinged_is_named() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        (
            "ping 10.10.10.11",
            "10.10.10.11: the destination is our own address",
        ),
        ("ping 192.0.2.1", "no route to 192.0.2.1"),
        (
            "ping host",
            "ping: 'host' is not an IPv4 address, such as 10.10.10.10",
        ),
        (
            "ping -c 0 10.10.10.10",
            "ping: '0' is not a number of requests, 1 or more",
        ),
        (
            "ping -i 0 10.10.10.10",
            "ping: '0' is not a number of seconds from 0.001 to 3600",
        ),
        (
            "ping -i . 10.10.10.10",
            "ping: '.' is not a number of seconds from 0.001 to 3600",
        ),
        (
            "ping -s 65508 10.10.10.10",
            "ping: '65508' is not a size from 0 to 65507 octets",
        ),
        (
            "ping -f 10.10.10.10",
            "ping: '-f' is not supported: '-q -i 0.001' asks a thousand times a second",
        ),
        (
            "ping -qx3 10.10.10.10",
            "ping: '-qx3' is not one of -c, -w, -q, -i, -s, -W, -I",
        ),
        (
            "ping -w 0 10.10.10.10",
            "ping: '0' is not a number of seconds from 0.001 to 3600",
        ),
        (
            "ping -I eth9 10.10.10.10",
            "eth9: no such interface; did you mean 'eth0'?",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
}

#[test]
fn a_ping_s_reply_is_a_line_as_ping_prints_it() {
    let reply = PingReply {
        sequence: 7,
        octets: 56,
        time_to_live: 64,
        round_trip_ns: 1_234_567,
        reordered: false,
        verdict: Verdict::InTime,
    };
    let destination = "10.10.10.10".parse().expect("an address");
    let line = |reply| PingLine { destination, reply }.to_string();
    let plain = "64 bytes from 10.10.10.10: icmp_seq=7 ttl=64 time=1.234 ms";
    assert_eq!(line(reply), plain);
    let duplicate = PingReply {
        verdict: Verdict::Duplicate,
        reordered: true,
        ..reply
    };
    assert_eq!(line(duplicate), format!("{plain} (DUP!) (reordered)"));
    let unreachable = PingReply {
        verdict: Verdict::Unreachable {
            from: "10.10.10.11".parse().expect("an address"),
        },
        ..reply
    };
    assert_eq!(
        line(unreachable),
        "From 10.10.10.11 icmp_seq=7 Destination Host Unreachable"
    );
}

#[test]
fn turns_are_listed_by_what_they_did() {
    let mut appliance = Appliance::new();
    assert_eq!(
        appliance.typed("show turns"),
        "\
looking                20 turns, longest        31 ns          90 ticks  no frame on any card
answering               1 turns, longest       221 ns         640 ticks  a batch of frames of each card that has any, at most 64
print                   1 turns, longest      9999 ns       28932 ticks  besides, one line of a reply or of the trace; a command, when its line was typed
"
    );
    let json = appliance.typed("show turns -j");
    assert_eq!(
        json.replace('\n', ""),
        "[{\"activity\":\"looking\",\"turns\":20,\"longest_ns\":31,\"longest_ticks\":90},\
         {\"activity\":\"answering\",\"turns\":1,\"longest_ns\":221,\"longest_ticks\":640},\
         {\"activity\":\"print\",\"turns\":1,\"longest_ns\":9999,\"longest_ticks\":28932}]"
    );
    for (line, said) in [
        ("show turns reset", "turns forgotten\n"),
        ("show turns reset -j", "{\"reset\":true}\n"),
        (
            "show turns all",
            "unexpected word 'all'; usage: show drops|turns [reset]\n",
        ),
        (
            "show drops reset",
            "unexpected word 'reset'; usage: show drops|turns [reset]\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
}

#[test]
fn a_narrow_terminal_has_top_one_figure_a_line() {
    let mut appliance = Appliance::new();
    for (columns, lines) in [(20, 7), (40, 7), (75, 7), (76, 3), (200, 3)] {
        appliance.view.console.columns = Some(columns);
        let parsed = Grammar::default().parse("top").expect("is right");
        let mut reply = Reply::to(parsed.expect("is a command"));
        let mut shown = String::new();
        for second in 0..2 {
            appliance.view.now = appliance.view.now.after(Ticks(second * 3_000_000_000));
            while appliance.print_line(&mut reply, &mut shown) == Progress::Line {}
        }
        let shown = shown.replace("\x1b[H\x1b[J", "");
        assert_eq!(shown.lines().count(), lines, "{columns}:\n{shown}");
        // The first tells the version and the time.
        let mut figures = shown.lines().skip(1);
        assert!(
            figures.all(|line| line.len() <= usize::from(columns)),
            "{shown}"
        );
    }
}

#[test]
fn what_of_the_start_has_failed_is_kept() {
    let mut appliance = Appliance::new();
    assert_eq!(
        appliance.typed("config errors"),
        "nothing was refused at the start\n"
    );
    assert_eq!(appliance.typed("config errors -j"), "[]\n");
    assert!(!appliance.typed("status").contains("start_errors"));
    let mut refused = Refused::new();
    refused.add("start.conf", 3, 4, "ip: 'adr' is not one of \"link\"");
    refused.add("boot command line", 1, 1, "'pollux.tace' ignored");
    appliance.view.console.refused = Box::leak(Box::new(refused));
    assert_eq!(
        appliance.typed("config errors"),
        "start.conf, line 3, column 4: ip: 'adr' is not one of \"link\"\nboot command line, line 1, column 1: 'pollux.tace' ignored\n"
    );
    assert_eq!(
        appliance.typed("config errors -j"),
        "[{\"place\":\"start.conf\",\"line\":3,\"column\":4,\"error\":\"ip: 'adr' is not one of \\\"link\\\"\"}\n,{\"place\":\"boot command line\",\"line\":1,\"column\":1,\"error\":\"'pollux.tace' ignored\"}\n]\n"
    );
    let status = appliance.typed("status");
    assert!(
        status.contains("\n  start_errors            2: 'config errors' lists them\n"),
        "{status}"
    );
    let status = appliance.typed("status -j");
    assert!(status.contains("\n,\"start_errors\":2\n"), "{status}");
}

#[test]
fn no_more_is_kept_of_the_start_than_there_is_room_for() {
    let mut refused = Refused::new();
    for line in 1..=MOST_REFUSED + 5 {
        refused.add(&"name".repeat(100), line, 1, "wrong".repeat(100));
    }
    let mut appliance = Appliance::new();
    appliance.view.console.refused = Box::leak(Box::new(refused));
    let said = appliance.typed("config errors");
    assert!(said.ends_with("\n... 37 in all\n"), "{said}");
    assert_eq!(said.lines().count(), MOST_REFUSED + 1);
}

#[test]
fn what_the_last_line_came_to_is_told_as_by_a_shell() {
    let mut appliance = Appliance::new();
    assert_eq!(appliance.typed("echo $?"), "0\n");
    appliance.view.console.has_failed = true;
    assert_eq!(appliance.typed("echo $?"), "1\n");
    assert_eq!(appliance.typed("echo -j $?"), "{\"text\":\"1\"}\n");
    assert_eq!(appliance.typed("echo rc=$?"), "rc=1\n");
    assert_eq!(appliance.typed("echo $? is told: \"$?\""), "1 is told: 1\n");
    assert_eq!(appliance.typed("echo -j rc=$?"), "{\"text\":\"rc=1\"}\n");
    assert_eq!(appliance.typed("echo $ ? $HOME"), "$ ? $HOME\n");
    assert_eq!(appliance.typed(STATUS_QUESTION), "{\"text\":\"1\"}\n");
}

#[test]
fn what_is_said_to_a_program_is_cut_only_where_it_must_be() {
    let mut appliance = Appliance::new();
    let text = "y".repeat(200);
    assert_eq!(
        appliance.typed(&format!("echo -j {text}")),
        format!("{{\"text\":\"{text}\"}}\n")
    );
    let said = appliance.typed(&format!("echo -j {}", "\\".repeat(200)));
    assert!(said.ends_with("\\\\...\"}\n"), "{said}");
}
