//! The UDP services that come along, and one of somebody's own: each answered on the wire as its
//! document says.

use std::process::ExitCode;
use std::time::Duration;

use etherparse::{
    EtherType, Ethernet2Header, Ipv4Header, PacketBuilder, SingleVlanHeader, UdpHeader, VlanHeader,
    VlanId,
};
use pollux_tests::appliance::{self, Appliance, Boot};
use pollux_tests::forge;
use pollux_tests::peer::{
    ANSWER_LIMIT, APPLIANCE, APPLIANCE_MAC, PEER, PEER_MAC, Peer, VLAN, hex, is_unreachable,
};
use pollux_tests::suite::Suite;

/// From where the peer asks.
const PORT: u16 = 40_000;

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test("echo_returns_the_data_of_every_size", echo_returns_the_data);
    suite.test("latmus_gets_its_packets_back_on_its_own_port", latmus);
    suite.test("stamp_packets_are_reflected_with_times", stamp);
    suite.test("short_stamp_packets_are_answered_in_full", short_stamp);
    suite.test("discard_counts_and_says_nothing", |appliance| {
        assert_silent(appliance, &datagram(PORT, 9, b"forget me"), "udp_consumed");
    });
    suite.test("the_sink_prints_what_oob_net_udp_sends", sink);
    suite.test("a_closed_port_is_counted_and_reported", closed_port);
    suite.test("a_service_is_not_asked_by_another", |appliance| {
        assert_silent(appliance, &datagram(7, 7, b"loop"), "udp_low_source_port");
        assert_silent(
            appliance,
            &datagram(59_059, 7, b"loop"),
            "udp_responder_port",
        );
    });
    suite.test("a_bad_checksum_is_not_answered", |appliance| {
        let mut frame = datagram(PORT, 7, b"data");
        *frame.last_mut().expect("data") ^= 1;
        assert_silent(appliance, &frame, "udp_checksum");
    });
    suite.test_alone("the_example_service_answers_in_upper_case", example);
    suite.test_alone("the_raw_example_returns_what_it_is_sent", raw_example);
    suite.run()
}

/// A datagram from the peer, as another's library makes it.
fn datagram(source_port: u16, port: u16, data: &[u8]) -> Vec<u8> {
    let tag = SingleVlanHeader {
        vlan_id: VlanId::try_new(VLAN).expect("a VLAN"),
        ether_type: EtherType::IPV4,
        ..Default::default()
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, APPLIANCE_MAC)
        .vlan(VlanHeader::Single(tag))
        .ipv4(PEER.octets(), APPLIANCE.octets(), 64)
        .udp(source_port, port)
        .write(&mut frame, data)
        .expect("fits");
    frame
}

/// Sends a datagram and returns the data of the answer, after everything around them was found right.
fn ask(appliance: &mut Appliance, source_port: u16, port: u16, data: &[u8]) -> Vec<u8> {
    let answer = appliance.peer.exchange(&datagram(source_port, port, data));
    let (ethernet, rest) = Ethernet2Header::from_slice(&answer).expect("Ethernet");
    assert_eq!(
        (ethernet.source, ethernet.destination),
        (APPLIANCE_MAC, PEER_MAC)
    );
    let (tag, rest) = SingleVlanHeader::from_slice(rest).expect("a tag");
    assert_eq!(tag.vlan_id.value(), VLAN);
    let (ipv4, rest) = Ipv4Header::from_slice(rest).expect("IPv4");
    assert_eq!(
        (ipv4.source, ipv4.destination),
        (APPLIANCE.octets(), PEER.octets())
    );
    assert_eq!(ipv4.header_checksum, ipv4.calc_header_checksum());
    let payload = usize::from(ipv4.total_len) - ipv4.header_len();
    let (udp, data) = UdpHeader::from_slice(&rest[..payload]).expect("UDP");
    assert_eq!((udp.source_port, udp.destination_port), (port, source_port));
    assert_eq!(usize::from(udp.length), payload);
    let checksum = udp.calc_checksum_ipv4(&ipv4, data).expect("fits");
    assert_eq!(udp.checksum, checksum, "{}", hex(&answer));
    data.to_vec()
}

/// Sends a datagram that gets no answer, and checks that `counter` alone counts it.
fn assert_silent(appliance: &mut Appliance, frame: &[u8], counter: &str) {
    let before = appliance.counters();
    appliance.peer.send(frame);
    assert_eq!(appliance.peer.settle(), [] as [Vec<u8>; 0]);
    let after = appliance.counters();
    after.assert_complete();
    let moved = after.since(&before);
    let expected = vec![
        ("received", 2),
        ("answered", 1),
        (counter, 1),
        ("sum_of_reasons", 1),
    ];
    assert_eq!(moved, expected.into());
}

/// RFC 1122 §4.1.3.1: port unreachable, with as much of the datagram as there is.
fn closed_port(appliance: &mut Appliance) {
    let before = appliance.counters();
    let asked = datagram(PORT, 4711, b"?");
    let error = appliance.peer.exchange(&asked);
    assert!(is_unreachable(&error), "{}", hex(&error));
    assert_eq!(error[forge::ICMP + 1], 3, "port unreachable");
    assert_eq!(error[forge::ICMP + 8..], asked[forge::IPV4..]);
    let after = appliance.counters();
    after.assert_complete();
    assert_eq!(after.since(&before).get("udp_closed_port"), 1);
}

fn echo_returns_the_data(appliance: &mut Appliance) {
    for length in (0..=1472).step_by(8) {
        let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
        assert_eq!(ask(appliance, PORT, 7, &data), data);
    }
}

fn latmus(appliance: &mut Appliance) {
    let packet = [0x5a; 64];
    assert_eq!(ask(appliance, 59_059, 59_059, &packet), packet);
}

/// RFC 8762 §4.3.1: the sender's fields come back in the reflector's packet.
fn stamp(appliance: &mut Appliance) {
    let mut packet = vec![0; 100];
    packet[..4].copy_from_slice(&7_u32.to_be_bytes());
    packet[4..12].copy_from_slice(&[0xe0, 0, 0, 0, 0x80, 0, 0, 0]);
    packet[12..14].copy_from_slice(&[0x81, 0x01]);
    packet[44..].fill(0xaa);
    let reflected = ask(appliance, PORT, 862, &packet);
    assert_eq!(reflected.len(), packet.len());
    assert_eq!(
        reflected[..4],
        packet[..4],
        "stateless: the sender's number"
    );
    assert_eq!(
        reflected[24..28],
        packet[..4],
        "the sender's sequence number"
    );
    assert_eq!(reflected[28..36], packet[4..12], "the sender's timestamp");
    assert_eq!(
        reflected[36..38],
        packet[12..14],
        "the sender's error estimate"
    );
    assert_eq!(reflected[40], 64, "the time to live with which it came");
    assert_eq!(reflected[44..], packet[44..], "the rest, as it came");
    let time = |at: usize| {
        let octets = reflected[at..at + 8].try_into().expect("eight octets");
        u64::from_be_bytes(octets)
    };
    assert!(
        time(16) > 0 && time(4) >= time(16),
        "sent after it was received"
    );
}

/// RFC 8762 §4.6: a packet of TWAMP Light, shorter than the base format.
fn short_stamp(appliance: &mut Appliance) {
    let reflected = ask(appliance, PORT, 862, &[0; 14]);
    assert_eq!(reflected.len(), 44);
}

fn sink(appliance: &mut Appliance) {
    let frame = datagram(PORT, 42_042, b"Mellow sword!\n\0");
    let mark = appliance.console.mark();
    assert_silent(appliance, &frame, "udp_consumed");
    let text = "10.10.10.10:40000: = 15 bytes received: Mellow sword!";
    appliance.console.wait_for(mark, text, ANSWER_LIMIT);
}

/// Builds and boots the example that is the package `package`.
fn boot_example(package: &str) -> Appliance {
    const LIMIT: Duration = Duration::from_secs(300);
    let built = appliance::run(&["build", "--package", package], LIMIT);
    let kernel = built
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("pollux: "));
    let kernel = kernel.unwrap_or_else(|| panic!("names no kernel: {built}"));
    Boot::of_kernel(kernel).start()
}

/// `examples/raw-echo`: a request comes back as a reply, and a reply does not.
fn raw_example() {
    const ETHER_TYPE: EtherType = EtherType(0x88b5);
    let mut appliance = boot_example("pollux-raw-echo");
    let request = Peer::link().frame(ETHER_TYPE, b"\x01\x00\x05hello");
    let reply = Peer::link().frame(ETHER_TYPE, b"\x02\x00\x05hello");
    let answer = appliance.peer.exchange(&request);
    assert_eq!(answer[..6], PEER_MAC);
    assert_eq!(hex(&answer[12..26]), hex(&reply[12..26]));
    assert_silent(&mut appliance, &reply, "ethernet_declined");
}

/// The one of `docs/writing-a-service.md`, built as it says there.
fn example() {
    let mut appliance = boot_example("pollux-uppercase");
    assert_eq!(
        ask(&mut appliance, PORT, 4242, b"Hello, World"),
        b"HELLO, WORLD"
    );
    assert_silent(
        &mut appliance,
        &datagram(PORT, 4242, &[0xff]),
        "udp_malformed",
    );
}
