//! `dump`: frames that were seen or dropped, in words and as a pcap file.

use crate::support::{ARP_REQUEST, Appliance, ECHO_REQUEST};

/// An appliance that dropped a frame of another VLAN, and answered an echo request and an ARP request.
fn with_frames(all: bool) -> Appliance {
    let mut appliance = Appliance::new();
    if all {
        assert_eq!(
            appliance.typed("dump on"),
            "all frames are kept, the last 128 of each card\n"
        );
    }
    let mut other_vlan = ECHO_REQUEST;
    other_vlan[14..16].copy_from_slice(&[0xa0, 43]);
    appliance.receive(&other_vlan);
    appliance.receive(&ECHO_REQUEST);
    appliance.receive(&ARP_REQUEST);
    appliance
}

const DROPPED: &str = "    12.345999 eth0 in  vlan 43 p 5, IP 10.10.10.10 > 10.10.10.11: ICMP echo request, id 4660, seq 1, length 8: dropped, vlan_not_in_filter\n";

#[test]
fn what_is_dropped_is_shown_with_its_reason_without_having_been_asked_for() {
    let mut appliance = with_frames(false);
    let hint = "(what is answered is not kept: 'dump on' keeps it)\n";
    assert_eq!(appliance.typed("dump"), format!("{DROPPED}{hint}"));
    assert_eq!(appliance.typed("dump -i eth0"), format!("{DROPPED}{hint}"));
    assert_eq!(
        appliance.typed("dump -i eth0.42"),
        "no such frame yet; 'dump on' keeps what is answered\n"
    );
    assert_eq!(appliance.typed("dump clear"), "frames forgotten\n");
    assert_eq!(
        appliance.typed("dump"),
        "no such frame yet; 'dump on' keeps what is answered\n"
    );
}

#[test]
fn everything_is_shown_once_it_is_kept() {
    let mut appliance = with_frames(true);
    let answered = "    12.345999 eth0 in  vlan 42, IP 10.10.10.10 > 10.10.10.11: ICMP echo request, id 4660, seq 1, length 8: answered
    12.345999 eth0 out vlan 42, IP 10.10.10.11 > 10.10.10.10: ICMP echo reply, id 4660, seq 1, length 8
    12.345999 eth0 in  vlan 42, ARP, who-has 10.10.10.11 tell 10.10.10.10: answered
    12.345999 eth0 out vlan 42, ARP, 10.10.10.11 is-at 52:54:00:12:34:56
";
    assert_eq!(appliance.typed("dump"), format!("{DROPPED}{answered}"));
    assert_eq!(appliance.typed("dump dropped"), DROPPED);
    assert_eq!(appliance.typed("dump -i eth0.42"), answered);
    assert_eq!(
        appliance.typed("dump -n 1 -e"),
        "    12.345999 eth0 out 52:54:00:12:34:56 > 02:00:00:00:00:01, vlan 42, ARP, 10.10.10.11 is-at 52:54:00:12:34:56\n"
    );
    assert_eq!(
        appliance.typed("dump off"),
        "only what is dropped is kept\n"
    );
    assert!(
        appliance
            .typed("dump")
            .starts_with(&format!("{DROPPED}{answered}("))
    );
}

/// A frame with these octets behind its addresses, and what is said of it.
#[track_caller]
fn assert_shown(octets: &[u8], words: &str) {
    let mut appliance = Appliance::new();
    let mut frame = ECHO_REQUEST[..12].to_vec();
    frame.extend_from_slice(octets);
    appliance.receive(&frame);
    let said = appliance.typed("dump");
    let line = said.lines().next().expect("a line");
    assert_eq!(line, format!("    12.345999 eth0 in  {words}"));
}

#[test]
fn whatever_is_wrong_with_a_frame_it_is_shown_as_far_as_it_goes() {
    const STATIONS: &str = "02:00:00:00:00:01 > 52:54:00:12:34:56, ";
    let mut ipv4 = ECHO_REQUEST[12..].to_vec();
    ipv4[16] ^= 1; // the header's checksum
    assert_shown(
        &ipv4,
        "vlan 42, IP 10.10.10.10 > 10.10.10.11: ICMP echo request, id 4660, seq 1, length 8: dropped, ipv4_checksum",
    );
    assert_shown(
        &[0x81, 0, 0, 42, 0x86, 0xdd],
        &format!("{STATIONS}vlan 42, ethertype 0x86dd, length 18: dropped, unknown_ethertype"),
    );
    assert_shown(
        &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 42, 0x08, 0x00],
        &format!(
            "{STATIONS}tag 0x88a8 vlan 7, vlan 42, IP, header not whole, length 22: dropped, service_tag"
        ),
    );
    assert_shown(
        &[0, 50],
        &format!("{STATIONS}802.3, length 14: dropped, untagged"),
    );
    let mut appliance = Appliance::new();
    appliance.receive(&[1, 2, 3]);
    let said = appliance.typed("dump");
    assert!(
        said.contains(" in  no whole Ethernet header, length 3: dropped, runt\n"),
        "{said}"
    );
}

#[test]
fn a_program_gets_one_object_for_each_frame() {
    assert_eq!(
        with_frames(true).typed("dump -n 3 -j"),
        "\
[{\"time_ns\":12345999999,\"ifname\":\"eth0\",\"direction\":\"out\",\"length\":46,\"vlan\":42,\"verdict\":\"sent\"
,\"decoded\":\"52:54:00:12:34:56 > 02:00:00:00:00:01, vlan 42, IP 10.10.10.11 > 10.10.10.10: ICMP echo reply, id 4660, seq 1, length 8\"}
,{\"time_ns\":12345999999,\"ifname\":\"eth0\",\"direction\":\"in\",\"length\":60,\"vlan\":42,\"verdict\":\"answered\"
,\"decoded\":\"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, vlan 42, ARP, who-has 10.10.10.11 tell 10.10.10.10\"}
,{\"time_ns\":12345999999,\"ifname\":\"eth0\",\"direction\":\"out\",\"length\":46,\"vlan\":42,\"verdict\":\"sent\"
,\"decoded\":\"52:54:00:12:34:56 > 02:00:00:00:00:01, vlan 42, ARP, 10.10.10.11 is-at 52:54:00:12:34:56\"}
]
"
    );
    assert_eq!(Appliance::new().typed("-j"), Appliance::new().typed("#"));
    assert_eq!(Appliance::new().typed("dump -j"), "[]\n");
    assert_eq!(
        with_frames(false).typed("dump on -j"),
        "{\"kept\":\"all\"}\n"
    );
}

/// The octets that hexadecimal digits spell, line ends aside.
fn octets(digits: &str) -> Vec<u8> {
    let digits: Vec<char> = digits.chars().filter(|digit| *digit != '\n').collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    pairs
        .map(|pair| u8::from_str_radix(&pair, 16).expect("two digits"))
        .collect()
}

#[test]
fn a_pcap_file_has_the_frames_as_they_passed() {
    let mut appliance = with_frames(true);
    let file = octets(&appliance.typed("dump --pcap"));
    let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four"));
    assert_eq!(field(0), 0xa1b2_3c4d);
    assert_eq!(file[4..8], [2, 0, 4, 0]);
    assert_eq!((field(16), field(20)), (128, 1));
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        assert_eq!((field(at), field(at + 4)), (12, 345_999_999));
        let (kept, length) = (field(at + 8) as usize, field(at + 12) as usize);
        assert_eq!(kept, length.min(128));
        frames.push(&file[at + 16..at + 16 + kept]);
        at += 16 + kept;
    }
    assert_eq!(
        (frames.len(), frames[1], frames[3]),
        (5, &ECHO_REQUEST[..], &ARP_REQUEST[..])
    );

    let empty = octets(&Appliance::new().typed("dump --pcap"));
    assert_eq!(empty.len(), 24, "a file without frames");
    let json = appliance.typed("dump --pcap -j");
    let digits: String = json
        .split('"')
        .filter(|part| part.len() > 20 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .collect();
    assert_eq!(octets(&digits), file);
}

#[test]
fn what_is_not_done_is_said() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        (
            "dump of",
            "dump: 'of' is not one of on, off, clear, dropped, -i, -n, -e, --pcap; did you mean 'off'?",
        ),
        (
            "dump -n 0",
            "dump: '0' is not a number of frames from 1 to 128",
        ),
        (
            "dump -n 129",
            "dump: '129' is not a number of frames from 1 to 128",
        ),
        (
            "dump -n",
            "dump: '-n' must be followed by a number of frames from 1 to 128",
        ),
        (
            "dump -i eth0.43",
            "eth0.43: no such interface; did you mean 'eth0.42'?",
        ),
        (
            "dump on -n 5",
            "dump: '-n' is not supported: it says what is shown: leave it out, or leave out on, off or clear",
        ),
        (
            "dump on off",
            "unexpected word 'off'; usage: dump [on|off|clear|dropped] [-i IFNAME] [-n COUNT] [-e] [--pcap]",
        ),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
}
