//! Commands that show what the appliance measured and knows.

use crate::support::Appliance;
use pollux_net::device::Statistic;

#[test]
fn drops_are_shown_by_reason() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    let mut other_vlan = crate::support::ECHO_REQUEST;
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
        ("show", "missing word after 'show'; usage: show drops"),
        (
            "show drop",
            "show: 'drop' is not one of drops; did you mean 'drops'?",
        ),
        (
            "show drops eth0",
            "unexpected word 'eth0'; usage: show drops",
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
  max          10000 ns
  <=        1023 ns       1960 ##################################################
  <=        2047 ns         30 #
  <=        4095 ns          0 
  <=        8191 ns          9 #
  <=       16383 ns          1 #
"
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
            "ethtool: 'on' is not supported: flow control is always off: a pause would delay answers\n",
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
            "ethtool: '-x' is not one of -S, -i, -k, -a, -A\n",
        ),
        (
            "ethtool",
            "missing word after 'ethtool'; usage: ethtool [-S|-i|-k|-a|-A] CARD\n",
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
        "config: 'sohw' is not one of show, save, diff; did you mean 'show'?\n"
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
        ("ls -l", "unexpected word '-l'; usage: ls\n"),
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
        ("arping 10.10.10.10", "who has 10.10.10.10?"),
        ("arping -I eth0.42 10.10.10.10", "who has 10.10.10.10?"),
        ("arping 192.0.2.1", "no route to 192.0.2.1"),
        (
            "arping",
            "missing word after 'arping'; usage: arping [-I IFNAME] ADDRESS",
        ),
        ("arping -c 3 10.10.10.10", "arping: '-c' is not one of -I"),
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
}
