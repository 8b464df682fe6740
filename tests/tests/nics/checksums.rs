//! What cards say of checksums: whoever adds them up, the same frames are answered with the same octets, and the others counted
//! under the same reasons.

use etherparse::{Ipv4Header, PacketBuilder, SingleVlanHeader, UdpHeader, VlanHeader, VlanId};
use pollux_tests::appliance::Appliance;
use pollux_tests::forge;
use pollux_tests::peer::{
    APPLIANCE, APPLIANCE_MAC, Fate, PEER, PEER_MAC, VLAN, assert_unanswered, hex,
};
use pollux_tests::scratch::Scratch;
use pollux_tests::suite::Suite;

/// The echo service.
pub const ECHO: u16 = 7;
pub const UDP: usize = forge::IPV4 + 20;
pub const CHECKSUM: usize = UDP + 6;

/// Cards, and whether they verify checksums in QEMU behind a link without virtio's headers: its 8254x marks every frame with "ignore
/// checksum", and virtio devices do not offer it there.
const CARDS: [(&str, bool); 7] = [
    ("e1000", false),
    ("e1000e", true),
    ("igb", true),
    ("virtio-net-pci", false),
    ("virtio-net-pci,disable-modern=on", false),
    ("e1000-82544gc", false),
    ("e1000-82545em", false),
];
/// How many of them are tried in every run; the rest are their twins.
const USUAL: usize = 4;

pub fn add_to(suite: &mut Suite) {
    for (index, (nic, verifies)) in CARDS.into_iter().enumerate() {
        let name = format!("checksums_are_the_same_whoever_adds_them_up_{nic}");
        let test = move || adds_up_alike(nic, verifies);
        match index < USUAL {
            true => suite.test_alone(&name, test),
            false => suite.test_long(&name, test),
        }
    }
}

fn adds_up_alike(nic: &str, verifies: bool) {
    // What a card can do is known before the start-up file is carried out.
    let file = Scratch::new("features");
    file.write("ethtool -K eth0 rx on\nethtool -K eth0 rx-vlan-filter on\n");
    let boot = crate::on(nic).with(&["--config", &file.path()]);
    let mut appliance = boot.start();
    // The file is carried out behind the first prompt.
    appliance.console.fresh_prompt();
    let log = appliance.console.log();
    assert_eq!(log.contains("verifies no checksums"), !verifies, "{log}");
    assert!(!log.contains("does not filter VLANs"), "{log}");
    let shown = |appliance: &mut Appliance, expected: &str| {
        let features = appliance.console.command("ethtool -k eth0");
        let line = format!("rx-checksumming: {expected}\n");
        assert!(features.contains(&line), "{features}");
    };
    if !verifies {
        shown(&mut appliance, "off [fixed]");
        let refused = appliance.console.command("ethtool -K eth0 rx on");
        assert!(refused.contains("verifies no checksums"), "{refused}");
        assert_sorted(&mut appliance);
        return;
    }
    shown(&mut appliance, "on");
    let helped = assert_sorted(&mut appliance);
    for state in ["off", "on"] {
        let command = format!("ethtool -K eth0 rx {state}");
        assert_eq!(appliance.console.command(&command), "");
        shown(&mut appliance, state);
        assert_eq!(assert_sorted(&mut appliance), helped, "{state}");
    }
}

/// Sends what is right and what is wrong in one way each. Returns the answers.
fn assert_sorted(appliance: &mut Appliance) -> Vec<String> {
    let mut answers = Vec::new();
    let (mut wrong_udp, mut wrong_ipv4, mut doubly_tagged) = (Vec::new(), Vec::new(), Vec::new());
    for length in [0, 1, 2, 17, 18, 19, 63, 64, 65, 511, 1024, 1471, 1472] {
        let data: Vec<u8> = (0..length).map(|at| (at * 37 + length) as u8).collect();
        let frame = datagram(&data);
        answers.push(assert_echoed(appliance, &frame, &data));
        let mut without = frame.clone();
        without[CHECKSUM..CHECKSUM + 2].fill(0);
        answers.push(assert_echoed(appliance, &without, &data));
        answers.push(assert_echoed(appliance, &with_option(&frame), &data));
        // Behind it, up to the shortest frame and beyond, anything may stand.
        let padded = [&frame[..], &[0xa5; 7]].concat();
        if padded.len() <= 1518 {
            answers.push(assert_echoed(appliance, &padded, &data));
        }
        for bit in 0..16 {
            let place = (bit * 97) % (frame.len() - UDP - 6) + CHECKSUM;
            let mut wrong = frame.clone();
            wrong[place] ^= 1 << (bit % 8);
            // A wrong sum that says that there is none is none.
            if wrong[CHECKSUM..CHECKSUM + 2] == [0, 0] {
                continue;
            }
            wrong_udp.push(wrong.clone());
            if bit == 0 {
                wrong_udp.push(with_option(&wrong));
            }
        }
        let mut wrong = frame.clone();
        wrong[forge::IPV4 + 10] ^= 1;
        wrong_ipv4.push(wrong);
        let doubled = forge::with_outer_tag(&frame, 0x8100, VLAN);
        if doubled.len() <= 1518 {
            doubly_tagged.push(doubled);
        }
    }
    assert_counted(appliance, "udp_checksum", &wrong_udp);
    assert_counted(appliance, "ipv4_checksum", &wrong_ipv4);
    assert_counted(appliance, "stacked_tag", &doubly_tagged);
    answers.push(assert_fragments(appliance));
    answers
}

/// A datagram in two fragments, right and wrong.
fn assert_fragments(appliance: &mut Appliance) -> String {
    let data = [0x5a; 600];
    let frame = datagram(&data);
    let [first, second] = halves(&frame);
    appliance.peer.send(&first);
    let answer = appliance.peer.exchange(&second);
    let mut wrong = frame;
    *wrong.last_mut().expect("octets") ^= 1;
    // By a name of its own, not to be taken for the one before.
    let wrong = forge::with_ipv4(&wrong, 4, &[0x77, 0x77]);
    let [first, second] = halves(&wrong);
    assert_counted(appliance, "fragment_taken", &[first]);
    assert_counted(appliance, "udp_checksum", &[second]);
    hex(&answer)
}

/// Its fragments: 304 octets of IPv4 data, and the rest.
fn halves(frame: &[u8]) -> [Vec<u8>; 2] {
    let data = &frame[UDP..];
    let piece = |octets: &[u8], field: u16| {
        let piece = [&frame[..UDP], octets].concat();
        let total = (20 + octets.len()) as u16;
        let piece = forge::with_ipv4(&piece, 2, &total.to_be_bytes());
        forge::with_ipv4(&piece, 6, &field.to_be_bytes())
    };
    let (first, second) = data.split_at(304);
    [piece(first, 0x2000), piece(second, 304 / 8)]
}

/// A datagram to the echo service, by another's library.
pub fn datagram(data: &[u8]) -> Vec<u8> {
    let tag = SingleVlanHeader {
        vlan_id: VlanId::try_new(VLAN).expect("a VLAN"),
        ..SingleVlanHeader::default()
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, APPLIANCE_MAC)
        .vlan(VlanHeader::Single(tag))
        .ipv4(PEER.octets(), APPLIANCE.octets(), 64)
        .udp(40_000, ECHO)
        .write(&mut frame, data)
        .expect("fits");
    frame
}

/// The same with router alert (RFC 2113) behind the IPv4 header, if that fits a frame.
fn with_option(frame: &[u8]) -> Vec<u8> {
    if frame.len() + 4 > 1518 {
        return frame.to_vec();
    }
    let mut frame = [&frame[..UDP], &[0x94, 4, 0, 0], &frame[UDP..]].concat();
    frame[forge::IPV4] = 0x46;
    let total = (frame.len() - forge::IPV4) as u16;
    forge::with_ipv4(&frame, 2, &total.to_be_bytes())
}

/// Asks, and checks the answer by another's library. Returns it.
fn assert_echoed(appliance: &mut Appliance, frame: &[u8], data: &[u8]) -> String {
    let answer = appliance.peer.exchange(frame);
    let (ipv4, rest) = Ipv4Header::from_slice(&answer[forge::IPV4..]).expect("IPv4");
    assert_eq!(ipv4.header_checksum, ipv4.calc_header_checksum());
    let rest = &rest[..usize::from(ipv4.total_len) - ipv4.header_len()];
    let (udp, echoed) = UdpHeader::from_slice(rest).expect("UDP");
    let sum = udp.calc_checksum_ipv4(&ipv4, echoed).expect("fits");
    assert_eq!(udp.checksum, sum, "{}", hex(&answer));
    assert_eq!(hex(echoed), hex(data));
    hex(&answer)
}

/// That frames get no answer, and are counted under `reason`.
fn assert_counted(appliance: &mut Appliance, reason: &str, frames: &[Vec<u8>]) {
    assert_unanswered(appliance, reason, Fate::Counted, frames);
}
