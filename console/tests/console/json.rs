//! `-j`: what a program gets is one JSON value, whatever it asked.

use crate::support::{ARP_REQUEST, Appliance};
use pollux_console::command::Grammar;
use pollux_console::reply::MAXIMUM_LINE;
use pollux_net::device::Statistic;

/// What is left of `text` behind one JSON value (RFC 8259).
fn behind_value(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let mut characters = text.chars();
    match characters.next()? {
        '{' => behind_list(characters.as_str(), '}', |text| {
            let rest = behind_value(text.trim_start())?.trim_start();
            text.trim_start().starts_with('"').then_some(())?;
            behind_value(rest.strip_prefix(':')?)
        }),
        '[' => behind_list(characters.as_str(), ']', behind_value),
        '"' => loop {
            match characters.next()? {
                '"' => break Some(characters.as_str()),
                '\\' => drop(characters.next()?),
                control if control < ' ' => break None,
                _ => {}
            }
        },
        _ => {
            let end = text.find(|character: char| !character.is_ascii_alphanumeric());
            let (word, rest) = text.split_at(end.unwrap_or(text.len()));
            let is_word = matches!(word, "true" | "false" | "null");
            (is_word || word.parse::<u64>().is_ok()).then_some(rest)
        }
    }
}

fn behind_list<'a>(
    text: &'a str,
    end: char,
    behind: impl Fn(&'a str) -> Option<&'a str>,
) -> Option<&'a str> {
    let mut rest = text.trim_start();
    if let Some(rest) = rest.strip_prefix(end) {
        return Some(rest);
    }
    loop {
        rest = behind(rest)?.trim_start();
        if let Some(rest) = rest.strip_prefix(end) {
            return Some(rest);
        }
        rest = rest.strip_prefix(',')?;
    }
}

#[track_caller]
pub fn assert_json(text: &str) {
    let rest = behind_value(text).map(str::trim);
    assert_eq!(rest, Some(""), "not one JSON value:\n{text}");
}

fn busy() -> Appliance {
    let mut appliance = Appliance::new();
    appliance.configure(&[
        "ip link add link eth0 name eth0.43 type vlan id 43",
        "ip addr add 10.10.43.11/24 dev eth0.43",
        "ip addr add 10.10.43.12/24 dev eth0.43",
        "ip route add default via 10.10.10.1",
        "ip neigh add 10.10.10.10 lladdr 02:00:00:00:00:01 dev eth0.42",
        "evl net -s 10.10.10.99",
        "evl net -N+44,100-200",
    ]);
    appliance.statistics = vec![
        Statistic {
            name: "rx_crc_errors",
            value: 1,
        },
        Statistic {
            name: "rx_missed_errors",
            value: 2,
        },
    ];
    (1..200).for_each(|residence| appliance.answer(residence * 1_000));
    let mut other_vlan = crate::support::ECHO_REQUEST;
    other_vlan[15] = 45;
    appliance.receive(&other_vlan);
    other_vlan[14] = 0x0f;
    other_vlan[15] = 0xff;
    appliance.receive(&other_vlan);
    appliance
}

#[test]
fn every_answer_is_one_value() {
    for mut appliance in [Appliance::bare(), Appliance::new(), busy()] {
        for line in [
            "ip -j link",
            "ip -j -d -s link",
            "ip -j -br link",
            "ip -j addr",
            "ip -j -d -s addr",
            "ip -j -br addr",
            "ip -j route",
            "ip -j route get 10.10.10.20",
            "ip -j route get 192.0.2.1",
            "ip -j neigh",
            "evl net -n -j",
            "evl net -Q -i eth0 -j",
            "evl net -nQ -i eth0 -j",
            "evl net -nQ -dei eth0.42 -b 100 -j",
            "stty -j",
            "stty -j rows 25",
            "config errors -j",
            "cat -j /sys/class/evl/net/vlans",
            "cat -j /sys/class/net/eth0/mtu",
            "echo -j \"hello\"",
            "status -j",
            "help -j",
            "help -j ip",
            "show drops -j",
            "show turns -j",
            "latency -j",
            "ethtool -j eth0",
            "ethtool -j -S eth0",
            "ethtool -j -i eth0",
            "ethtool -j -k eth0",
            "ethtool -j -a eth0",
            "config show -j",
            "config diff -j",
            "config save -j",
            "ls -j",
            "date -j",
            "version -j",
            "trace -j",
            "reboot -j",
            "poweroff -j",
            "latency reset -j",
            "show turns reset -j",
            // Errors too.
            "ip -j addr show dev eth9",
            "ip -j adr",
            "xyzzy -j",
        ] {
            let said = appliance.typed(line);
            println!("{line}\n{said}");
            assert_json(&said);
        }
    }
}

#[test]
fn a_check_that_lets_everything_pass_would_be_of_no_use() {
    for wrong in [
        "",
        "[",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "\"\n\"",
        "1 2",
        "{a:1}",
        "[1 2]",
    ] {
        assert_ne!(behind_value(wrong).map(str::trim), Some(""), "{wrong:?}");
    }
    assert_json("{\"a\":[1,true,{\"b\":\"\\\"\"}],\"c\":[]}");
}

#[test]
fn shapes_are_those_of_iproute2() {
    let mut appliance = Appliance::new();
    appliance.answer(1_000);
    appliance.receive(&ARP_REQUEST);
    for (line, parts) in [
        (
            "ip -j addr show dev eth0.42",
            &[
                "{\"ifindex\":3,\"link\":\"eth0\",\"ifname\":\"eth0.42\",\"flags\":[\"BROADCAST\",",
                "\"operstate\":\"UP\"",
                "\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.10.10.11\",\"prefixlen\":24,\"scope\":\"global\"",
            ] as &[_],
        ),
        (
            "ip -j -s link show dev eth0.42",
            &[
                "\"stats64\":{\"rx\":{\"bytes\":106,\"packets\":2,\"errors\":0,",
                "\"tx\":{\"bytes\":92,\"packets\":2,",
            ],
        ),
        (
            "ip -j route",
            &[
                "{\"dst\":\"10.10.10.0/24\",\"dev\":\"eth0.42\",\"protocol\":\"kernel\",\"scope\":\"link\",\"prefsrc\":\"10.10.10.11\",\"flags\":[]}",
            ],
        ),
        (
            "ip -j neigh",
            &[
                "{\"dst\":\"10.10.10.10\",\"dev\":\"eth0.42\",\"lladdr\":\"02:00:00:00:00:01\",\"state\":[\"REACHABLE\"]}",
            ],
        ),
        (
            "status -j",
            &["\"counters eth0\":{\n\"received\":2\n,\"answered\":2\n"],
        ),
        (
            "xyzzy -j",
            &["{\"error\":\"unknown command 'xyzzy'; type 'help' for the list\"}"],
        ),
    ] {
        let said = appliance.typed(line);
        for part in parts {
            assert!(said.contains(part), "{part} is missing in\n{said}");
        }
    }
}

#[test]
fn an_error_with_many_escapes_is_cut_to_one_line_and_stays_json() {
    let mut appliance = Appliance::new();
    let path = "\\".repeat(160);
    let said = appliance.typed(&format!("echo 1 > {path} -j"));
    assert_eq!(said.trim_end().chars().count(), MAXIMUM_LINE, "{said}");
    let start = format!("{{\"error\":\"echo: '{}", "\\".repeat(20));
    assert!(said.starts_with(&start), "{said}");
    assert!(said.ends_with("...\"}\n"), "{said}");
    assert_eq!(said.matches('\\').count() % 2, 0, "{said}");
}

#[test]
fn the_examples_of_every_command_are_answered() {
    for command in (Grammar { test_mode: false }).commands() {
        for example in command.examples {
            if *example == "top" {
                // Goes on for good.
                continue;
            }
            let mut appliance = match example.starts_with("ip link add") {
                true => Appliance::bare(),
                false => Appliance::new(),
            };
            let said = appliance.typed(example);
            let is_taken = "eth0.42: the device has address 10.10.10.11/24 already\n";
            assert!(
                !said.contains(": ") || said != is_taken || example.contains("addr add"),
                "{said}"
            );
        }
    }
}
