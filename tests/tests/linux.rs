//! Programs that others wrote, on a real Linux machine, agree that the appliance answers.
//!
//! The machine has the address 10.10.10.10 on `eno2.42`; the appliance is 10.10.10.11. One boot of
//! both is shared by all tests; each leaves the network as it found it.

use std::process::ExitCode;
use std::time::Duration;

use pollux_tests::PATIENCE;
use pollux_tests::linux::Pair;
use pollux_tests::suite::Suite;

/// The longest that one of the programs may take.
const LIMIT: Duration = PATIENCE;
/// What no program may say of an answer: it came twice, was shortened, or had other octets.
const COMPLAINTS: [&str; 5] = ["DUP", "dup", "truncated", "wrong data", "BAD"];

fn main() -> ExitCode {
    let mut suite = Suite::sharing(|| Pair::start("e1000"));
    suite.test(
        "the_walk_through_for_the_issuing_machine_works_word_for_word",
        the_walk_through_works,
    );
    programs_agree(&mut suite);
    suite.test(
        "frames_that_mausezahn_tags_itself_are_answered",
        frames_tagged_by_mausezahn_are_answered,
    );
    suite.test("another_vlan_gets_no_answer", another_vlan_gets_no_answer);
    suite.test(
        "the_untagged_network_gets_no_answer",
        the_untagged_network_gets_no_answer,
    );
    suite.test_alone("linux_with_a_virtio_card_gets_answers_too", || {
        let mut pair = Pair::start("virtio-net-pci");
        let command = "ping -f -q -c 2000 10.10.10.11";
        let printed = pair.linux.succeed(command, LIMIT);
        assert_says(command, &printed, &["2000 received, 0% packet loss"]);
    });
    suite.run()
}

/// A row for each: the test's name, the command, and what it must print; it must also succeed.
/// A service of the appliance gets its rows here.
fn programs_agree(suite: &mut Suite<Pair>) {
    let rows: [(&str, &str, &[&str]); 19] = [
        (
            "ping_is_answered",
            "ping -c 5 -i 0.2 10.10.10.11",
            &["5 packets transmitted, 5 received, 0% packet loss"],
        ),
        (
            "ping_with_a_frame_as_large_as_may_be_is_answered",
            "ping -c 5 -i 0.2 -s 1472 -M do 10.10.10.11",
            &[
                "1480 bytes from 10.10.10.11: icmp_seq=5 ttl=64",
                "5 packets transmitted, 5 received, 0% packet loss",
            ],
        ),
        (
            "ping_in_two_fragments_is_answered",
            "ping -c 5 -i 0.2 -s 1473 10.10.10.11",
            &[
                "1481 bytes from 10.10.10.11: icmp_seq=5 ttl=64",
                "5 packets transmitted, 5 received, 0% packet loss",
            ],
        ),
        (
            "the_largest_ping_there_can_be_is_answered",
            "ping -c 5 -i 0.2 -s 65507 10.10.10.11",
            &[
                "65515 bytes from 10.10.10.11: icmp_seq=5 ttl=64",
                "5 packets transmitted, 5 received, 0% packet loss",
            ],
        ),
        (
            "a_closed_port_is_reported_to_nping",
            "nping --udp -p 4711 -c 2 --delay 200ms 10.10.10.11",
            &["Port unreachable", "Raw packets sent: 2"],
        ),
        (
            "ping_with_ones_only_is_answered",
            "ping -c 5 -i 0.2 -p ff 10.10.10.11",
            &["5 packets transmitted, 5 received, 0% packet loss"],
        ),
        (
            // It fills the ICMP code with its pattern, too.
            "ping_of_busybox_with_ones_only_is_answered",
            "busybox ping -c 2 -p ff 10.10.10.11",
            &["2 packets transmitted, 2 packets received, 0% packet loss"],
        ),
        (
            "ping_with_zeros_only_is_answered",
            "ping -c 5 -i 0.2 -p 00 -s 1471 10.10.10.11",
            &["5 packets transmitted, 5 received, 0% packet loss"],
        ),
        (
            "a_flood_of_2000_pings_is_answered_without_loss",
            "ping -f -q -c 2000 10.10.10.11",
            &["2000 packets transmitted, 2000 received, 0% packet loss"],
        ),
        (
            "ping_that_records_the_route_gets_it",
            "ping -c 3 -i 0.2 -R 10.10.10.11",
            &[
                "RR: \t10.10.10.10\n\t10.10.10.11\n",
                "3 packets transmitted, 3 received, 0% packet loss",
            ],
        ),
        (
            "udp_echo_answers_nping",
            "nping --udp -p 7 -g 40000 -c 3 --delay 200ms --data-string hello 10.10.10.11",
            &["Raw packets sent: 3 (99B) | Rcvd: 3 (126B) | Lost: 0 (0.00%)"],
        ),
        (
            "arping_of_iputils_is_answered",
            "arping-iputils -I eno2.42 -c 3 10.10.10.11",
            &[
                "Unicast reply from 10.10.10.11 [52:54:00:12:34:56]",
                "Received 3 response(s)",
            ],
        ),
        (
            "arping_of_iputils_finds_the_address_in_use",
            "! arping-iputils -D -I eno2.42 -c 3 10.10.10.11",
            &["Received 1 response(s)"],
        ),
        (
            "arping_of_habets_is_answered",
            "arping-habets -i eno2.42 -c 3 -W 0.2 10.10.10.11",
            &[
                "bytes from 52:54:00:12:34:56 (10.10.10.11): index=2",
                "3 packets transmitted, 3 packets received,   0% unanswered (0 extra)",
            ],
        ),
        (
            "nping_is_answered",
            "nping --icmp -c 5 --delay 50ms 10.10.10.11",
            &["Raw packets sent: 5 (140B) | Rcvd: 5 (210B) | Lost: 0 (0.00%)"],
        ),
        (
            "nping_is_answered_by_arp",
            "nping --arp -c 5 --delay 50ms 10.10.10.11",
            &[
                "ARP reply 10.10.10.11 is at 52:54:00:12:34:56",
                "Raw packets sent: 5 (210B) | Rcvd: 5 (210B) | Lost: 0 (0.00%)",
            ],
        ),
        (
            "hping3_is_answered",
            "hping3 --icmp -c 5 -i u50000 10.10.10.11",
            &[
                "icmp_seq=4",
                "5 packets transmitted, 5 packets received, 0% packet loss",
            ],
        ),
        (
            "fping_is_answered",
            "fping -c 20 -p 20 -t 5000 -q 10.10.10.11",
            &["xmt/rcv/%loss = 20/20/0%"],
        ),
        (
            "fping_with_large_pings_is_answered",
            "fping -c 20 -p 20 -t 5000 -q -b 1472 10.10.10.11",
            &["xmt/rcv/%loss = 20/20/0%"],
        ),
    ];
    for (name, command, expected) in rows {
        suite.test(name, move |pair| {
            let printed = pair.linux.succeed(command, LIMIT);
            assert_says(command, &printed, expected);
        });
    }
}

fn assert_says(command: &str, printed: &str, expected: &[&str]) {
    for text in expected {
        assert!(
            printed.contains(text),
            "`{text}` is missing\n# {command}\n{printed}"
        );
    }
    for text in COMPLAINTS {
        assert!(!printed.contains(text), "`{text}`\n# {command}\n{printed}");
    }
}

/// The commands are those of EVL's page on its ICMPv4 responder; what follows them there, the trace of
/// the answering side, is on the appliance's console.
fn the_walk_through_works(pair: &mut Pair) {
    pair.linux.remove_vlan_device(42);
    pair.appliance.console.command("trace on");
    let trace = pair.appliance.console.mark();
    pair.linux.change(&[
        "sudo ip link add link eno2 name eno2.42 type vlan id 42",
        "sudo ip addr add 10.10.10.10/24 dev eno2.42",
        "sudo ip link set eno2.42 up",
    ]);
    // Somebody presses Ctrl-C after a while.
    let ping = "timeout --preserve-status -s INT 4 ping 10.10.10.11";
    let printed = pair.linux.succeed(ping, LIMIT);
    let first = "64 bytes from 10.10.10.11: icmp_seq=1 ttl=64 time=";
    assert_says(ping, &printed, &[first, "received, 0% packet loss"]);
    let line = "] count=84, proto=0x800, ifindex=2, type=0, halen=6, mac=02:00:0a:0a:0a:0a\n";
    pair.appliance.console.wait_for(trace, line, LIMIT);
    pair.appliance.console.fresh_prompt();
    pair.appliance.console.command("trace off");
}

/// It writes the tags into the frames, with a priority, where Linux leaves that to the card.
fn frames_tagged_by_mausezahn_are_answered(pair: &mut Pair) {
    let before = pair.linux.echo_replies();
    send_pings_by_mausezahn(pair, "eno2 -Q 5:42", 20);
    assert_eq!(pair.linux.echo_replies(), before + 21);
}

fn another_vlan_gets_no_answer(pair: &mut Pair) {
    pair.linux.add_vlan_device(43, "10.10.10.13/24");
    // A deaf card would not hear an answer either.
    pair.linux.wait_for_appliance();
    assert_no_answer(pair, "eno2.43");
    pair.linux.remove_vlan_device(43);
    pair.linux.wait_for_appliance();
}

fn the_untagged_network_gets_no_answer(pair: &mut Pair) {
    pair.linux.change(&["ip addr add 10.10.10.14/24 dev eno2"]);
    assert_no_answer(pair, "eno2");
    pair.linux.change(&["ip addr del 10.10.10.14/24 dev eno2"]);
}

fn assert_no_answer(pair: &mut Pair, device: &str) {
    let ping = format!("ping -I {device} -c 2 -i 0.2 -W 1 10.10.10.11");
    let output = pair.linux.run(&ping, LIMIT);
    assert_eq!(output.status, 1, "{}", output.printed);
    let nothing = "2 packets transmitted, 0 received";
    assert!(output.printed.contains(nothing), "{}", output.printed);
    let arping = format!("arping-iputils -I {device} -c 1 10.10.10.11");
    let output = pair.linux.run(&arping, LIMIT);
    assert_eq!(output.status, 1, "{}", output.printed);
    let nothing = "Received 0 response(s)";
    assert!(output.printed.contains(nothing), "{}", output.printed);
    // Without ARP, that is, by a sender who knows the address already.
    let before = pair.linux.echo_replies();
    send_pings_by_mausezahn(pair, device, 5);
    assert_eq!(pair.linux.echo_replies(), before + 1);
}

/// Sends pings without asking for the appliance's address, and waits for the answer to one more.
fn send_pings_by_mausezahn(pair: &mut Pair, device: &str, count: u32) {
    let command = format!(
        "mausezahn {device} -q -c {count} -d 5m -a own -b 52:54:00:12:34:56 \
         -A 10.10.10.10 -B 10.10.10.11 -t icmp type=8"
    );
    pair.linux.succeed(&command, LIMIT);
    pair.linux.wait_for_appliance();
}
