//! The command blocks of the documents that our users come from, as they stand there.

use crate::support::Appliance;
use pollux_net::device::Statistic;

/// "Out-of-band ping", the target's side.
const RESPONDER: &str = r#"
# Attach a VLAN device with tag 42 to the real 'eth0' device
$ sudo ip link add link eth0 name eth0.42 type vlan id 42

# Assign an arbitrary address to that VLAN device, e.g. 10.10.10.11
$ sudo ip addr add 10.10.10.11/24 dev eth0.42

# Tell EVL that the VLAN device is an out-of-band network port:
$ sudo evl net -ei eth0.42

# Eventually, tell EVL to pick packets tagged for VLAN 42 (you could ask EVL
# to monitor multiple VLANs by passing a list of tags like '42-45,100,107'
# the same way):
$ sudo -c "echo 42 > /sys/class/evl/net/vlans"
"#;

/// The same on the older page, whose prompt is root's.
const OLDER_RESPONDER: &str = "
# ip link add link eth0 name eth0.42 type vlan id 42
# ip addr add 10.10.10.11/24 dev eth0.42
# echo 1 > /sys/class/net/eth0.42/oob_port
# echo 42 > /sys/class/evl/net/vlans
";

/// Types a block and compares what is said with what stands in it: lines that begin with a prompt are
/// typed, the others are what is said.
fn follow(appliance: &mut Appliance, block: &str) {
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(typed) = line.strip_prefix("~# ") else {
            panic!("{line:?} was not said");
        };
        let mut expected = String::new();
        while let Some(said) = lines.next_if(|line| !line.starts_with("~# ")) {
            expected += said;
            expected.push('\n');
        }
        // With the prompt, as somebody may paste it.
        let said = appliance.typed(line);
        assert_eq!(said, expected, "{typed}");
    }
}

#[test]
fn the_responder_answers_when_its_block_was_pasted() {
    let mut appliance = Appliance::bare();
    for line in RESPONDER.lines() {
        assert_eq!(appliance.typed(line), "", "{line}");
    }
    appliance.answer(1_000);
}

#[test]
fn the_responder_of_the_older_page_answers_too() {
    let mut appliance = Appliance::bare();
    for line in OLDER_RESPONDER.lines() {
        // Behind `#` stands a comment, here as in a shell.
        let typed = line.trim_start_matches("# ");
        assert_eq!(appliance.typed(typed), "", "{line}");
    }
    appliance.answer(1_000);
}

#[test]
fn the_issuers_block_configures_the_issuers_side() {
    let mut appliance = Appliance::bare();
    for line in [
        "sudo ip link add link eth0 name eth0.42 type vlan id 42",
        "sudo ip addr add 10.10.10.10/24 dev eth0.42",
        "sudo ip link set eth0.42 up",
    ] {
        assert_eq!(appliance.typed(line), "", "{line}");
    }
    assert_eq!(
        appliance.typed("ip -br addr show dev eth0.42"),
        "eth0.42@eth0     UP             10.10.10.10/24 \n"
    );
}

#[test]
fn the_filter_list_is_set_shown_and_cleared() {
    let block = "\
~# evl net -N42
~# evl net -N41,42,55-57
~# evl net -n
41-42,55-57
~# evl net -N
VLAN filter cleared
~# evl net -n";
    follow(&mut Appliance::new(), block);
}

#[test]
fn a_port_is_enabled_queried_and_disabled() {
    let block = "\
~# evl net -di eth0.42
~# evl net -ei eth0.42
~# evl net -Q -i eth0.42
oob capability: yes
    rx packets: 0
      rx bytes: 0
    tx packets: 0
      tx bytes: 0
      skb size: 4096
      skb free: 2048 / 2048
      csum errors: 0
      rx nomem: 0
      tx nomem: 0
~# evl net -QoRTf -i eth0.42
1 0 0 2048
~# evl net -di eth0.42";
    follow(&mut Appliance::new(), block);
}

#[test]
fn a_peer_is_solicited() {
    let mut appliance = Appliance::new();
    assert_eq!(
        appliance.typed("~# ip -br addr show dev eth0.42"),
        "eth0.42@eth0     UP             10.10.10.11/24 \n"
    );
    let details = appliance.typed("~# ip -d link show dev eth0.42");
    // The page's, but for the number, the address and what only Linux has.
    for part in [
        ": eth0.42@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000\n",
        "\n    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0 minmtu ",
        "\n    vlan protocol 802.1Q id 42 <REORDER_HDR> addrgenmode ",
        " numtxqueues 1 numrxqueues 1 ",
    ] {
        assert!(details.contains(part), "{details}");
    }
    follow(
        &mut appliance,
        "~# evl net -ei eth0.42\n~# evl net -S 10.10.10.10",
    );
}

#[test]
fn a_port_with_a_pool_of_its_own_is_enabled_on_the_second_card_s_name() {
    let mut appliance = Appliance::bare();
    appliance.configure(&["ip link add link eth0 name eth1.42 type vlan id 42"]);
    follow(
        &mut appliance,
        "~# evl net -ei eth1.42 -p 4096\n~# evl net -Qa -i eth1.42\n4096",
    );
}

#[test]
fn flow_control_is_turned_off_as_the_netmap_page_says() {
    assert_eq!(Appliance::new().typed("ethtool -A eth0 tx off rx off"), "");
    let settings = Appliance::new().typed("ethtool eth0");
    assert!(settings.contains("\tSpeed: 1000Mb/s\n"), "{settings}");
}

/// The page with what is said to each line of its blocks in its place.
fn answered(page: &str) -> String {
    let mut appliance = Appliance::bare();
    appliance.statistics = vec![Statistic {
        name: "rx_missed_errors",
        value: 0,
    }];
    let mut answered = String::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        }
        let typed = line.strip_prefix("pollux> ").filter(|_| in_block);
        if in_block && typed.is_none() && !line.starts_with("```") {
            continue;
        }
        answered += line;
        answered.push('\n');
        if let Some(typed) = typed {
            answered += &appliance.typed(typed);
        }
        if line == "<!-- frames -->" {
            for (residence, times) in [(2_894, 1_960), (5_787, 30), (14_467, 9), (28_933, 1)] {
                (0..times).for_each(|_| appliance.answer(residence));
            }
            let mut other_vlan = crate::support::ECHO_REQUEST;
            other_vlan[15] = 200;
            appliance.receive(&other_vlan);
        }
    }
    answered
}

#[test]
fn the_reference_shows_what_is_printed() {
    let page = include_str!("../../../docs/console.md");
    let answered = answered(page);
    if answered != page {
        let corrected = std::env::temp_dir().join("console.md");
        std::fs::write(&corrected, &answered).expect("can be written");
        let lines = page.lines().zip(answered.lines());
        let first = lines.into_iter().find(|(there, here)| there != here);
        panic!(
            "docs/console.md differs, corrected at {}: {first:?}",
            corrected.display()
        );
    }
}
