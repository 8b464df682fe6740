//! What Tab offers.

use crate::support::Appliance;
use pollux_console::command::Grammar;
use pollux_console::complete::Completions;
use pollux_console::reply::Reply;

fn offered(line: &str) -> Completions {
    let mut appliance = Appliance::new();
    appliance.configure(&["ip link add link eth0 name eth0.43 type vlan id 43"]);
    appliance.with_view(|view| Grammar::default().complete(line, view))
}

/// What Tab adds to a line of which there is one completion.
fn added(line: &str) -> String {
    let offered = offered(line);
    assert_eq!(offered.count, 1, "{line}: {offered:?}");
    offered.addition
}

#[test]
fn a_word_that_can_only_be_one_is_completed() {
    for (line, addition) in [
        ("hel", "p "),
        ("sta", "tus "),
        ("sudo sta", "tus "),
        ("date; ip l", "ink "),
        ("echo 'a;b'; hel", "p "),
        ("ip l", "ink "),
        ("ip -d l", "ink "),
        ("ip link s", ""),
        ("ip link sh", "ow "),
        ("ip link set eth0.42 u", "p "),
        ("ip r a", "dd "),
        ("ip route add def", "ault "),
        ("ip neigh fl", "ush "),
        ("evl ", "net "),
        ("show d", "rops "),
        ("show t", "urns "),
        ("latency ", "reset "),
        ("trace of", "f "),
        ("evl net -Fne", "trx.o "),
        ("evl net -i eth0 -Fst", "art.conf "),
        ("oob", "-net-icmp "),
        ("config d", "iff "),
        ("config e", "rrors "),
        ("stt", "y "),
        ("stty ", "columns "),
        ("show turns ", "reset "),
        ("cat st", "art.conf "),
        ("rm st", "art.conf "),
        ("rm start.conf ne", "trx.o "),
        ("cat /sys/class/e", "vl/net/vlans "),
        ("ethtool -S eth0.43", " "),
        ("help ver", "sion "),
        ("arp", "ing "),
        ("pin", "g "),
        ("to", "p "),
        ("da", "te "),
        ("ls", " "),
        ("ech", "o "),
        ("reb", "oot "),
        ("po", "weroff "),
    ] {
        if addition.is_empty() {
            assert_eq!(offered(line).choices, ["set", "show"]);
        } else {
            assert_eq!(added(line), addition, "{line}");
        }
    }
}

#[test]
fn several_words_are_offered_and_their_common_beginning_is_typed() {
    let offered_here = offered("ip addr show dev e");
    assert_eq!(offered_here.addition, "th0");
    assert_eq!(offered_here.choices, ["eth0", "eth0.42", "eth0.43"]);
    let commands = offered("");
    assert_eq!(commands.count, Grammar::default().commands().count());
    let options = offered("evl net -").choices;
    assert!(options.contains(&"-F".to_owned()), "{options:?}");
    assert_eq!(offered("evl net -F").choices, ["start.conf", "netrx.o"]);
    assert_eq!(offered("ip link ").choices, ["add", "del", "set", "show"]);
    assert_eq!(offered("cat /sys/class/net/eth0.").addition, "4");
}

#[test]
fn the_help_of_ip_has_a_line_for_whatever_can_follow() {
    let help = Appliance::new().typed("ip -h");
    let words: Vec<Vec<&str>> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .map(|line| line.split(['|', '[', ']', ' ']).collect())
        .collect();
    let mut seen = 0;
    for object in ["link", "addr", "route", "neigh"] {
        for verb in offered(&format!("ip {object} ")).choices {
            let is_told = |line: &Vec<&str>| line[0] == object && line[..4].contains(&&*verb);
            assert!(
                words.iter().any(is_told),
                "ip {object} {verb} is not in\n{help}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 17, "{seen} verbs");
    for option in offered("ip -").choices {
        let is_told = words.iter().any(|line| line[0] == option);
        // What any command takes is told by 'help'.
        assert!(is_told || option == "-j", "{option} is not in\n{help}");
    }
}

#[test]
fn a_list_shows_the_words_in_columns_and_says_how_many_there_are() {
    let choices = Reply::choices(offered("ip link "));
    assert_eq!(
        Appliance::new().printed(choices),
        "add                del                set                show\n"
    );
    let mut appliance = Appliance::bare();
    for vid in 100..150 {
        appliance.configure(&[&format!("ip link add link eth0 type vlan id {vid}")]);
    }
    let many = appliance.with_view(|view| Grammar::default().complete("ethtool eth0.", view));
    let shown = appliance.printed(Reply::choices(many));
    assert!(shown.ends_with("\n... 50 in all\n"), "{shown}");
    assert_eq!(shown.lines().count(), 11);
}

#[test]
fn nothing_is_offered_where_nothing_is_known() {
    for line in [
        "xyzzy ",
        "statusx",
        "reboot ",
        "version v",
        "ip link set eth0.42 mtu 15",
    ] {
        assert_eq!(offered(line).count, 0, "{line}");
    }
}

#[test]
fn every_command_completes_from_its_first_letters() {
    let grammar = Grammar::default();
    for command in grammar.commands() {
        let mut name = command.name.to_owned();
        name.pop();
        let found = offered(&name);
        assert!(found.choices.is_empty() || found.choices.contains(&command.name.to_owned()));
        assert!(found.count > 0);
    }
}
