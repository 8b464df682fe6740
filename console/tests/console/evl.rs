//! `evl net`, the pseudo-files and `oob-net-icmp`.

use crate::support::Appliance;
use pollux_console::view::FileView;
use pollux_net::device::{Statistic, Verdict};

/// VLAN 42 with a device, and nothing else.
fn with_device() -> Appliance {
    let mut appliance = Appliance::bare();
    appliance.configure(&[
        "ip link add link eth0 name eth0.42 type vlan id 42",
        "ip addr add 10.10.10.11/24 dev eth0.42",
    ]);
    appliance
}

#[test]
fn a_port_and_a_filter_list_have_a_vlan_served_in_real_time() {
    let mut appliance = with_device();
    appliance.configure(&["evl net -ei eth0.42", "evl net -N42"]);
    appliance.answer(1_000);
    appliance.configure(&["evl net -di eth0.42"]);
    let verdict = appliance.receive(&crate::support::ECHO_REQUEST);
    assert_eq!(verdict, Verdict::Defer);
}

#[test]
fn options_are_read_in_every_form() {
    for line in [
        "evl net -ei eth0.42 -p 4096",
        "evl net -e -i eth0.42 -p4096",
        "evl net -eieth0.42 -p4096",
        "evl net -p 4096 -i eth0.42 -e",
        "evl net --enable --interface eth0.42 --pool-size=4096",
        "evl net --enable-port --interface=eth0.42 --pool-size 4096",
    ] {
        let mut appliance = with_device();
        appliance.configure(&[line]);
        let config = appliance.typed("config show");
        assert!(
            config.contains("\nevl net -e -i eth0.42 -p 4096\n"),
            "{line}: {config}"
        );
    }
}

#[test]
fn several_options_are_carried_out_in_evls_order() {
    let mut appliance = with_device();
    // Queried last, after the port was enabled and the list was set, however it is typed.
    assert_eq!(
        appliance.typed("evl net -Qsaf -n -N42 -ei eth0.42"),
        "42\n4096 2048 2048\n"
    );
    // Disabled first, enabled then: with another pool.
    assert_eq!(
        appliance.typed("evl net -e -d -i eth0.42 -p 16 -Qsa"),
        "4096 16\n"
    );
    // Enabling an enabled port ignores the parameters, and says so.
    assert_eq!(
        appliance.typed("evl net -e -i eth0.42 -p 32 -Qsa"),
        "eth0.42: -p and -b ignored: its port is enabled with 16 buffers of 4096 octets; disable it first\n4096 16\n"
    );
    appliance.configure(&["evl net -e -i eth0.42", "evl net -e -i eth0.42 -p 16"]);
}

#[test]
fn a_buffer_is_made_to_hold_the_mtu() {
    let mut appliance = with_device();
    assert_eq!(
        appliance.typed("evl net -ei eth0.42 -b 100 -Qs"),
        "eth0.42: buffer size raised from 100 to 1518 octets, to hold the MTU of 1500\n1518\n"
    );
    appliance.configure(&["evl net -di eth0.42", "ip link set eth0.42 mtu 1400"]);
    assert_eq!(
        appliance.typed("evl net -j -ei eth0.42 -b 1417"),
        "{\"warning\":\"eth0.42: buffer size raised from 1417 to 1418 octets, to hold the MTU of 1400\"\n}\n"
    );
    // What holds it is left as it is.
    appliance.configure(&[
        "evl net -dei eth0.42 -b 1418",
        "evl net -dei eth0.42 -b 1419",
    ]);
    assert_eq!(appliance.typed("evl net -Qs -i eth0.42"), "1419\n");
}

#[test]
fn a_pool_of_nothing_is_the_default() {
    let mut appliance = with_device();
    assert_eq!(
        appliance.typed("evl net -ei eth0.42 -b 0 -p 0 -Qsa"),
        "eth0.42: 0 means the default: 2048 buffers of 4096 octets\n4096 2048\n"
    );
}

#[test]
fn a_port_tells_what_passed() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    appliance.statistics = vec![Statistic {
        name: "rx_no_buffer_count",
        value: 3,
    }];
    assert_eq!(
        appliance.typed("evl net -Q -i eth0.42"),
        "\
oob capability: yes
    rx packets: 1
      rx bytes: 46
    tx packets: 1
      tx bytes: 46
      skb size: 4096
      skb free: 2048 / 2048
      csum errors: 0
      rx nomem: 3
      tx nomem: 0
"
    );
    assert_eq!(
        appliance.typed("evl net -QRrTtosfacx -i eth0.42"),
        "1 46 1 46 1 4096 2048 2048 0 3 0\n"
    );
    assert_eq!(appliance.typed("evl net -Qxo -i eth0.42"), "3 0 1\n");
}

#[test]
fn the_filter_list_is_set_as_a_whole_or_stays() {
    let mut appliance = with_device();
    appliance.configure(&["evl net -N41,42,55-57"]);
    for (line, said) in [
        (
            "evl net -N1",
            "evl net: '1' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107",
        ),
        (
            "evl net -N0,42",
            "evl net: '0' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107",
        ),
        (
            "evl net -N42,4095",
            "evl net: '4095' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107",
        ),
        (
            "evl net -N42-4095",
            "evl net: '42-4095' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107",
        ),
        (
            "evl net -N42,",
            "evl net: '42,' is not a list such as 42-45,100,107: one of its items is empty",
        ),
        (
            "evl net -ei eth0.42 -N42,,43",
            "evl net: '42,,43' is not a list such as 42-45,100,107: one of its items is empty",
        ),
        (
            "evl net -N42-40",
            "evl net: '42-40' is not a range that begins with its lower end",
        ),
        (
            "evl net -N 42",
            "evl net: no blank can stand between -N and '42', because -N alone means something else: write -N42",
        ),
        (
            "evl net -N +43-45",
            "evl net: no blank can stand between -N and '+43-45', because -N alone means something else: write -N+43-45",
        ),
        (
            "echo 42,x > /sys/class/evl/net/vlans",
            "echo: 'x' is not a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
        assert_eq!(appliance.typed("evl net -n"), "41-42,55-57\n");
    }
    appliance.configure(&["evl net -N+100"]);
    assert_eq!(appliance.typed("evl net -n"), "41-42,55-57,100\n");
    assert_eq!(appliance.typed("evl net -N"), "VLAN filter cleared\n");
    assert_eq!(appliance.typed("evl net -n"), "");
}

#[test]
fn the_longest_filter_list_is_shown_over_several_lines_and_read_again() {
    let mut appliance = with_device();
    for start in (2..4094).step_by(20) {
        let vids: Vec<String> = (start..start + 20)
            .step_by(2)
            .map(|vid| vid.to_string())
            .collect();
        let more = vids.join(",");
        appliance.configure(&[&format!("evl net -N+{more}")
            .replace(",4094", "")
            .replace(",4096,4098,4100", "")]);
    }
    let shown = appliance.typed("evl net -n");
    assert!(shown.lines().count() > 90 && shown.lines().all(|line| line.len() < 110));
    let config = appliance.typed("config show");
    let mut again = Appliance::bare();
    config.lines().for_each(|line| again.configure(&[line]));
    assert_eq!(again.typed("evl net -n"), shown);
    assert_eq!(again.typed("config show"), config);
}

#[test]
fn what_cannot_be_is_named_and_nothing_is_done() {
    let mut appliance = with_device();
    for (line, said) in [
        (
            "evl",
            "missing word after 'evl'; usage: evl net [-e|-d|-s HOST|-S HOST|-Q[rRtTosfacx]|-N[VLANS]|-n] [-i IFNAME] ...",
        ),
        (
            "evl nat",
            "evl: 'nat' is not one of net; did you mean 'net'?",
        ),
        (
            "evl net -x",
            "evl net: '-x' is not one of -e, -d, -i, -p, -b, -s, -S, -g, -Q, -F, -N, -n",
        ),
        (
            "evl net --enabel",
            "evl net: '--enabel' is not one of -e, -d, -i, -p, -b, -s, -S, -g, -Q, -F, -N, -n; did you mean 'enable'?",
        ),
        (
            "evl net eth0.42",
            "evl net: 'eth0.42' is not an option: the interface stands behind -i, as in -i eth0.42",
        ),
        (
            "evl net -e",
            "evl net: '-e' must be followed by '-i IFNAME'",
        ),
        (
            "evl net -Q",
            "evl net: '-Q' must be followed by '-i IFNAME'",
        ),
        (
            "evl net -i",
            "evl net: '-i' must be followed by the name of an interface",
        ),
        (
            "evl net -i eth0.42",
            "evl net: '-i' must be followed by what is to be done with it: -e, -d, -s, -S, -F or -Q",
        ),
        (
            "evl net -ei eth0.43",
            "eth0.43: no such interface; did you mean 'eth0.42'?",
        ),
        (
            "evl net -ei eth0",
            "eth0: not a VLAN device: frames without a VLAN are always in-band; make one with 'ip link add'",
        ),
        (
            "evl net -ei eth0.42 -p 32769",
            "evl net: '32769' is not a number of buffers from 1 to 32768, or 0 for 2048",
        ),
        (
            "evl net -ei eth0.42 -p -1",
            "evl net: '-1' is not a number of buffers from 1 to 32768, or 0 for 2048",
        ),
        (
            "evl net -ei eth0.42 -b 16385",
            "evl net: '16385' is not a size in octets from 1 to 16384, or 0 for 4096",
        ),
        (
            "evl net -p 5 -i eth0.42",
            "evl net: '-p and -b' must be followed by '-e': they say how a port is enabled",
        ),
        (
            "evl net -Qz -i eth0.42",
            "evl net: '-Qz' is not -Q with letters out of RrTtosfacx",
        ),
        (
            "evl net -s nobody",
            "evl net: 'nobody' is not an IPv4 address, such as 10.10.10.10",
        ),
        (
            "evl net -s broadcast",
            "evl net: 'broadcast' must be followed by '-i IFNAME'",
        ),
        (
            "evl net -g",
            "evl net: '-g' must be followed by '-s HOST' or '-S HOST'",
        ),
        ("evl net -s 192.0.2.1", "no route to 192.0.2.1"),
        (
            "evl net -Fnetrx.o -i eth0.42",
            "netrx.o: no little-endian object file can be read: Could not read bytes in range [0x0, 0x10)",
        ),
        (
            "evl net -Fnobody.o -i eth0.42",
            "nobody.o: no such file; 'ls' lists those there are",
        ),
        (
            "evl net -F netrx.o -i eth0",
            "evl net: no blank can stand between -F and 'netrx.o', because -F alone means something else: write -Fnetrx.o",
        ),
        (
            "evl net -e eth0.42",
            "evl net: 'eth0.42' is not an option: the interface stands behind -i, as in -i eth0.42",
        ),
        (
            "evl net -e -i eth0.42 eth0.43",
            "evl net: 'eth0.43' is not one of -e, -d, -i, -p, -b, -s, -S, -g, -Q, -F, -N, -n",
        ),
        (
            "evl net -Fnetrx.o",
            "evl net: '-F' must be followed by '-i IFNAME'",
        ),
        (
            "evl net -N42 -ei eth0.43",
            "eth0.43: no such interface; did you mean 'eth0.42'?",
        ),
        (
            "echo 2 > /sys/class/net/eth0.42/oob_port",
            "echo: '2' is not 0 or 1, which is what oob_port takes",
        ),
        (
            "echo 1 > /sys/class/net/eth0.43/oob_port",
            "eth0.43: no such interface; did you mean 'eth0.42'?",
        ),
        (
            "echo 1 > /proc/sys/x",
            "echo: 'x' is not one of net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_msgs_burst, net.vlan.icmp_msgs_per_sec, net.vlan.icmp_msgs_burst",
        ),
        (
            "echo 1 > /etc/motd",
            "echo: '/etc/motd' is not a file to write: /sys/class/evl/net/vlans, /sys/class/net/NAME/oob_port or one of /proc/sys/net",
        ),
        (
            "echo x > a/misspelt/path/of/many/folders",
            "echo: 'a/misspelt/path/of/many/folders' is not a file to write: /sys/class/evl/net/vlans, /sys/class/net/NAME/oob_port or one of /proc/sys/net",
        ),
        (
            "echo 1 > /sys/class/net/eth0.42/oob_prot",
            "echo: '/sys/class/net/eth0.42/oob_prot' is not a file to write: /sys/class/evl/net/vlans, /sys/class/net/NAME/oob_port or one of /proc/sys/net",
        ),
        (
            "echo 1 >",
            "echo: '>' must be followed by the name of a pseudo-file",
        ),
        (
            "cat",
            "'cat' must be followed by the name of a file; 'ls' lists them",
        ),
        (
            "cat /sys/class/net/eth0.42/oobport",
            "cat: 'oobport' is not one of oob_port, address, mtu, operstate, ifindex; did you mean 'oob_port'?",
        ),
        (
            "oob-net-icmp",
            "'oob-net-icmp' must be followed by '-i IFNAME'",
        ),
        (
            "oob-net-icmp -i eth0.42",
            "eth0.42: no out-of-band port is enabled; 'evl net -e -i eth0.42' enables it",
        ),
        (
            "oob-net-icmp -i eth0.42 -x",
            "oob-net-icmp: '-x' is not one of -i, -d, -s",
        ),
    ] {
        let before = appliance.typed("config show");
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
        assert_eq!(appliance.typed("config show"), before, "{line}");
    }
}

#[test]
fn a_neighbor_is_asked_for_and_may_become_permanent() {
    let mut appliance = Appliance::new();
    appliance.configure(&["evl net -S 10.10.10.10"]);
    assert_eq!(
        appliance.typed("ip neigh"),
        "10.10.10.10 dev eth0.42 INCOMPLETE \n"
    );
    appliance.configure(&["ip route add default via 10.10.10.1"]);
    assert_eq!(
        appliance.typed("evl net -s 192.0.2.1"),
        "192.0.2.1 is behind a gateway; '-g' allows that\n"
    );
    appliance.configure(&[
        "evl net -gs 192.0.2.1 -i eth0.42",
        "evl net -s broadcast -i eth0.42",
    ]);
    let asked = appliance.typed("ip neigh");
    assert!(
        asked.contains("10.10.10.1 dev eth0.42 INCOMPLETE"),
        "{asked}"
    );
}

#[test]
fn the_pseudo_files_of_the_older_page_work() {
    let mut appliance = with_device();
    appliance.configure(&[
        "echo 1 > /sys/class/net/eth0.42/oob_port",
        "echo 42-45,100,107 > /sys/class/evl/net/vlans",
    ]);
    assert_eq!(
        appliance.typed("cat /sys/class/net/eth0.42/oob_port"),
        "1\n"
    );
    assert_eq!(
        appliance.typed("cat /sys/class/evl/net/vlans"),
        "42-45,100,107\n"
    );
    appliance.answer(1_000);
    appliance.configure(&[
        "echo 0 >/sys/class/net/eth0.42/oob_port",
        "echo > /sys/class/evl/net/vlans",
    ]);
    assert_eq!(appliance.typed("cat /sys/class/evl/net/vlans"), "");
    assert_eq!(appliance.typed("echo hello   world"), "hello world\n");
    assert_eq!(
        appliance.typed("cat /sys/class/net/eth0/address"),
        "52:54:00:12:34:56\n"
    );
    assert_eq!(
        appliance.typed("cat /sys/class/net/eth0.42/operstate"),
        "up\n"
    );
}

#[test]
fn the_responder_prints_until_it_is_ended() {
    let mut appliance = Appliance::new();
    let listening = "listening to interface eth0.42\n";
    assert_eq!(
        appliance.typed("/usr/evl/tidbits/oob-net-icmp -i eth0.42"),
        listening
    );
    assert!(appliance.interface.trace().is_enabled());
    assert!(!appliance.interface.trace().keeps_frames());
    assert_eq!(appliance.typed("oob-net-icmp -d -i eth0.42"), listening);
    assert!(appliance.interface.trace().keeps_frames());
    assert_eq!(appliance.typed("oob-net-icmp -s -i eth0.42"), listening);
    assert_eq!(appliance.typed("oob-net-icmp -di eth0.42"), listening);
    assert_eq!(appliance.typed("oob-net-icmp -sieth0.42"), listening);
    assert!(!appliance.interface.trace().is_enabled());
}

#[test]
fn a_file_that_is_no_object_is_told_by_what_it_begins_with() {
    let mut appliance = Appliance::new();
    appliance.view.files = &[
        FileView {
            name: "start.conf",
            octets: b"# start\nip link set eth0.42 up\n",
        },
        FileView {
            name: "picture.png",
            octets: b"\x89PNG\r\n\x1a\n\0\0",
        },
        FileView {
            name: "nothing.o",
            octets: b"",
        },
    ];
    let makes = "; 'clang -O2 -g -target bpf -c FILE.c' makes one";
    for (name, begins) in [
        ("start.conf", "begins with '# start'"),
        (
            "picture.png",
            "begins with the octets 89 50 4e 47 0d 0a 1a 0a",
        ),
        ("nothing.o", "is empty"),
    ] {
        assert_eq!(
            appliance.typed(&format!("evl net -F{name} -i eth0")),
            format!("{name}: no ELF object, it {begins}{makes}\n")
        );
    }
}
