//! How many ICMP errors are sent, by Linux's names.

use crate::support::Appliance;

const ALL: &str = "\
net.ipv4.icmp_msgs_per_sec = 1000
net.ipv4.icmp_msgs_burst = 50
net.vlan.icmp_msgs_per_sec = 250
net.vlan.icmp_msgs_burst = 20
";

#[test]
fn the_limits_are_shown_and_set_and_belong_to_the_configuration() {
    let mut appliance = Appliance::new();
    assert_eq!(appliance.typed("sysctl -a"), ALL);
    assert!(!appliance.typed("config show").contains("sysctl"));
    for (line, said) in [
        (
            "sysctl -w net.ipv4.icmp_msgs_per_sec=100",
            "net.ipv4.icmp_msgs_per_sec = 100\n",
        ),
        (
            "sysctl net/ipv4/icmp_msgs_burst = 5",
            "net.ipv4.icmp_msgs_burst = 5\n",
        ),
        ("sysctl -n net.ipv4.icmp_msgs_burst", "5\n"),
        ("sysctl -q net.vlan.icmp_msgs_burst=7", ""),
        ("echo 30 > /proc/sys/net/vlan/icmp_msgs_per_sec", ""),
        ("cat /proc/sys/net/vlan/icmp_msgs_per_sec", "30\n"),
        (
            "cat -j /proc/sys/net/ipv4/icmp_msgs_burst",
            "{\"value\":5}\n",
        ),
        (
            "sysctl -j net.vlan.icmp_msgs_burst",
            "[{\"name\":\"net.vlan.icmp_msgs_burst\",\"value\":7}\n]\n",
        ),
    ] {
        assert_eq!(appliance.typed(line), said, "{line}");
    }
    let errors = appliance.interface.icmp_errors();
    let (all, vlan) = (errors.limit(), errors.vlan_limit());
    assert_eq!((all.per_second, all.burst), (100, 5));
    assert_eq!((vlan.per_second, vlan.burst), (30, 7));

    let shown = appliance.typed("config show");
    let lines = "\
sysctl -q net.ipv4.icmp_msgs_per_sec=100
sysctl -q net.ipv4.icmp_msgs_burst=5
sysctl -q net.vlan.icmp_msgs_per_sec=30
sysctl -q net.vlan.icmp_msgs_burst=7
";
    assert!(shown.ends_with(lines), "{shown}");
    let mut again = Appliance::bare();
    again.configure(&shown.lines().collect::<Vec<_>>());
    assert_eq!(again.typed("config show"), shown);
}

#[test]
fn what_cannot_be_set_is_named() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        (
            "sysctl",
            "'sysctl' must be followed by '-a' for all, or a name, such as net.ipv4.icmp_msgs_per_sec",
        ),
        (
            "sysctl net.ipv4.icmp_msgs_per_sek=1",
            "sysctl: 'net.ipv4.icmp_msg...' is not one of net.ipv4.icmp_msgs_per_sec, net.ipv4.icmp_msgs_burst, net.vlan.icmp_msgs_per_sec, net.vlan.icmp_msgs_burst",
        ),
        (
            "sysctl net.ipv4.icmp_ratelimit=1000",
            "sysctl: 'icmp_ratelimit' is not supported: errors are limited by VLAN, not by host: net.vlan.icmp_msgs_per_sec",
        ),
        (
            "sysctl -w net.ipv4.neigh.default.gc_thresh3=65536",
            "sysctl: 'gc_thresh3' is not supported: room for neighbors is made at the start: pollux.neighbors=NUMBER on the boot command line",
        ),
        (
            "sysctl -w net.ipv4.icmp_msgs_burst=-1",
            "sysctl: '-1' is not a number from 0 to 2147483647; 0 has no ICMP error sent",
        ),
        (
            "sysctl net.ipv4.icmp_msgs_burst=2147483648",
            "sysctl: '2147483648' is not a number from 0 to 2147483647; 0 has no ICMP error sent",
        ),
        (
            "sysctl net.ipv4.icmp_msgs_burst=",
            "sysctl: '=' must be followed by a number",
        ),
        (
            "echo a > /proc/sys/net/ipv4/icmp_msgs_burst",
            "echo: 'a' is not a number from 0 to 2147483647; 0 has no ICMP error sent",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
    assert_eq!(appliance.typed("sysctl -a"), ALL, "nothing was changed");
}
