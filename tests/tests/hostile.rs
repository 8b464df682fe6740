//! What the appliance must not answer, and that it counts each such frame under its one reason.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use etherparse::{ArpEthIpv4Packet, ArpOperation};
use pollux_issuer::frame::{self, BROADCAST, Echo, Link, MacAddress, Tag};
use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::forge::{self, TAG, TYPE, with, with_icmp, with_ipv4};
use pollux_tests::peer::{
    APPLIANCE, APPLIANCE_MAC, Fate, PEER, PEER_MAC, Peer, VLAN, assert_unanswered, hex,
    is_unreachable,
};
use pollux_tests::suite::Suite;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

fn main() -> ExitCode {
    // With the card's filter open it is the stack's own that is tried.
    let mut suite = Suite::new(Boot::new().word("pollux.vlan-filter=software"));
    vlan_tests(&mut suite);
    link_tests(&mut suite);
    arp_tests(&mut suite);
    ipv4_tests(&mut suite);
    icmp_tests(&mut suite);
    suite.test(
        "a_hundred_thousand_random_and_mutated_frames_do_no_harm",
        random_and_mutated_frames,
    );
    suite.run()
}

/// Adds a test that frames go unanswered and are counted under `counter`.
fn unanswered(
    suite: &mut Suite,
    name: &str,
    counter: &'static str,
    fate: Fate,
    frames: fn() -> Vec<Vec<u8>>,
) {
    suite.test(name, move |appliance| {
        let frames = frames();
        assert!(!frames.is_empty());
        assert_unanswered(appliance, counter, fate, &frames);
    });
}

/// An echo request with nothing wrong, which every forgery begins with.
fn right() -> Vec<u8> {
    Peer::request(b"nothing is wrong with this one, but for one thing")
}

fn on_vlan(vid: u16) -> Vec<u8> {
    let link = Link {
        tag: Some(Tag::new(vid)),
        ..Peer::link()
    };
    Echo::new(PEER, APPLIANCE, b"wrong VLAN").request(&link)
}

fn vlan_tests(suite: &mut Suite) {
    use Fate::Counted;
    unanswered(
        suite,
        "no_other_vlan_is_answered",
        "vlan_not_in_filter",
        Counted,
        || (1..=4094).filter(|&vid| vid != VLAN).map(on_vlan).collect(),
    );
    unanswered(
        suite,
        "a_priority_tag_names_no_vlan",
        "priority_tagged",
        Counted,
        || {
            (0..8)
                .map(|pcp| with(&on_vlan(0), TAG + 2, &[pcp << 5, 0]))
                .collect()
        },
    );
    unanswered(
        suite,
        "the_reserved_vlan_4095_is_not_answered",
        "reserved_vlan",
        Counted,
        || vec![on_vlan(4095); 3],
    );
    unanswered(
        suite,
        "untagged_frames_are_not_answered",
        "untagged",
        Counted,
        || {
            let arp = frame::arp_request(PEER_MAC, PEER, APPLIANCE, None);
            vec![forge::untagged(&right()), arp, forge::untagged(&right())]
        },
    );
    unanswered(
        suite,
        "a_service_tag_is_not_taken_for_a_customer_tag",
        "service_tag",
        Counted,
        || {
            let retyped = |tpid: [u8; 2]| with(&right(), TAG, &tpid);
            vec![
                forge::with_outer_tag(&right(), 0x88a8, VLAN),
                forge::with_outer_tag(&right(), 0x9100, VLAN),
                retyped([0x88, 0xa8]),
                retyped([0x91, 0x00]),
            ]
        },
    );
    unanswered(
        suite,
        "what_is_in_a_second_tag_is_not_parsed",
        "stacked_tag",
        Counted,
        || {
            let second = |tpid: [u8; 2]| {
                let doubled = forge::with_outer_tag(&right(), 0x8100, VLAN);
                with(&doubled, TYPE, &tpid)
            };
            vec![
                second([0x81, 0x00]),
                second([0x88, 0xa8]),
                second([0x91, 0x00]),
                forge::with_outer_tag(&second([0x81, 0x00]), 0x8100, VLAN),
            ]
        },
    );
}

fn link_tests(suite: &mut Suite) {
    use Fate::{Counted, CountedOrFiltered};
    unanswered(
        suite,
        "ieee_802_3_length_frames_are_not_answered",
        "length_field",
        Counted,
        || {
            let lengths = [0_u16, 1, 46, 84, 1500];
            lengths
                .map(|length| with(&right(), TYPE, &length.to_be_bytes()))
                .into()
        },
    );
    unanswered(
        suite,
        "other_protocols_are_not_answered",
        "unknown_ethertype",
        Counted,
        || {
            let types = [0x0801_u16, 0x86dd, 0x88cc, 0x8847, 0xffff];
            types
                .map(|kind| with(&right(), TYPE, &kind.to_be_bytes()))
                .into()
        },
    );
    unanswered(
        suite,
        "frames_for_other_stations_are_not_answered",
        "foreign_destination",
        CountedOrFiltered,
        || {
            let others: [MacAddress; 4] = [
                [0x52, 0x54, 0x00, 0x12, 0x34, 0x57],
                [0x50, 0x54, 0x00, 0x12, 0x34, 0x56],
                [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01],
                [0x01, 0x80, 0xc2, 0x00, 0x00, 0x00],
            ];
            others.map(|other| with(&right(), 0, &other)).into()
        },
    );
    unanswered(
        suite,
        "a_source_that_is_no_station_is_not_answered",
        "invalid_source",
        Counted,
        || {
            let sources: [MacAddress; 4] = [
                BROADCAST,
                [0x03, 0x00, 0x0a, 0x0a, 0x0a, 0x0a],
                [0; 6],
                APPLIANCE_MAC,
            ];
            sources.map(|source| with(&right(), 6, &source)).into()
        },
    );
    unanswered(
        suite,
        "giant_frames_are_not_answered",
        "oversized",
        CountedOrFiltered,
        || {
            let lengths = [1_700, 2_047, 2_048, 2_049, 4_096, 9_018, 16_000];
            let giant = |length| {
                let mut frame = right();
                frame.resize(length, 0x5a);
                frame
            };
            lengths.map(giant).into()
        },
    );
}

/// An ARP request from the peer for the appliance, with something changed.
fn arp(change: impl FnOnce(&mut ArpEthIpv4Packet)) -> Vec<u8> {
    let mut packet = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: PEER_MAC,
        sender_ipv4: PEER.octets(),
        target_mac: [0; 6],
        target_ipv4: APPLIANCE.octets(),
    };
    change(&mut packet);
    let link = Link {
        destination: BROADCAST,
        ..Peer::link()
    };
    frame::arp(&link, packet)
}

fn arp_tests(suite: &mut Suite) {
    use Fate::Counted;
    unanswered(
        suite,
        "arp_requests_for_others_are_not_answered",
        "arp_not_for_us",
        Counted,
        || {
            let others = [
                [10, 10, 10, 12],
                [10, 10, 10, 255],
                [0; 4],
                [192, 168, 0, 1],
            ];
            let mut frames = others
                .map(|other| arp(|arp| arp.target_ipv4 = other))
                .to_vec();
            // A gratuitous request is about its sender's own address (RFC 5227 §3).
            frames.push(arp(|arp| arp.target_ipv4 = arp.sender_ipv4));
            frames
        },
    );
    unanswered(
        suite,
        "arp_replies_are_not_answered",
        "arp_reply_taken",
        Counted,
        || {
            let reply = arp(|arp| {
                arp.operation = ArpOperation::REPLY;
                arp.target_mac = APPLIANCE_MAC;
            });
            vec![with(&reply, 0, &APPLIANCE_MAC), reply]
        },
    );
    unanswered(
        suite,
        "a_claim_to_our_address_is_noticed_and_not_answered",
        "arp_conflict",
        Counted,
        || {
            let claim = |operation| {
                arp(|arp| {
                    arp.operation = operation;
                    arp.sender_ipv4 = APPLIANCE.octets();
                })
            };
            vec![claim(ArpOperation::REQUEST), claim(ArpOperation::REPLY)]
        },
    );
    unanswered(
        suite,
        "arp_from_an_impossible_sender_is_not_answered",
        "arp_invalid_sender",
        Counted,
        || {
            let addresses = [[127, 0, 0, 1], [224, 0, 0, 1], [255; 4], [10, 10, 10, 255]];
            let stations: [MacAddress; 3] =
                [[0x02, 0x00, 0x0a, 0x0a, 0x0a, 0x0b], BROADCAST, [0; 6]];
            let mut frames = addresses
                .map(|from| arp(|arp| arp.sender_ipv4 = from))
                .to_vec();
            frames.extend(stations.map(|from| arp(|arp| arp.sender_mac = from)));
            frames
        },
    );
    unanswered(
        suite,
        "malformed_arp_is_not_answered",
        "arp_malformed",
        Counted,
        || {
            let fields: [(usize, &[u8]); 8] = [
                (0, &[0, 6]),       // another hardware type
                (0, &[0, 0]),       // none
                (2, &[0x86, 0xdd]), // another protocol
                (4, &[8]),          // longer hardware addresses
                (5, &[16]),         // longer protocol addresses
                (6, &[0, 0]),       // operation 0
                (6, &[0, 3]),       // a reverse request (RFC 903)
                (6, &[1, 1]),       // operation 257
            ];
            let change = |(offset, octets)| with(&arp(|_| ()), TYPE + 2 + offset, octets);
            fields.map(change).into()
        },
    );
}

fn from(source: [u8; 4]) -> Vec<u8> {
    with_ipv4(&right(), 12, &source)
}

fn to(destination: [u8; 4]) -> Vec<u8> {
    with_ipv4(&right(), 16, &destination)
}

fn with_options(options: &[u8]) -> Vec<u8> {
    let echo = Echo {
        options,
        ..Echo::new(PEER, APPLIANCE, b"options")
    };
    echo.request(&Peer::link())
}

fn ipv4_tests(suite: &mut Suite) {
    use Fate::Counted;
    unanswered(
        suite,
        "a_bad_ipv4_checksum_is_not_answered",
        "ipv4_checksum",
        Counted,
        || {
            let header = forge::IPV4..forge::ICMP;
            let flip = |offset: usize, bit: usize| {
                let mut frame = right();
                frame[offset] ^= 1 << bit;
                frame
            };
            // Any wrong bit in the header, but for those that say how long it is.
            let offsets = header.filter(|&offset| offset != forge::IPV4);
            offsets
                .flat_map(|offset| (0..8).map(move |bit| flip(offset, bit)))
                .collect()
        },
    );
    unanswered(
        suite,
        "another_ip_version_is_not_answered",
        "ipv4_version",
        Counted,
        || {
            let versions = (0..16).filter(|&version| version != 4);
            versions
                .map(|version| with_ipv4(&right(), 0, &[version << 4 | 5]))
                .collect()
        },
    );
    unanswered(
        suite,
        "a_header_shorter_than_a_header_is_not_answered",
        "ipv4_header_length",
        Counted,
        || {
            (0..5)
                .map(|words| with_ipv4(&right(), 0, &[0x40 | words]))
                .collect()
        },
    );
    unanswered(
        suite,
        "a_header_longer_than_its_frame_is_not_answered",
        "ipv4_truncated",
        Counted,
        || {
            // 60 octets carry 42 of them behind the tag.
            let short = Peer::request(b"");
            (11..16)
                .map(|words| with_ipv4(&short, 0, &[0x40 | words]))
                .collect()
        },
    );
    unanswered(
        suite,
        "a_lying_total_length_is_not_answered",
        "ipv4_total_length",
        Counted,
        || {
            let carried = (right().len() - forge::IPV4) as u16;
            let lengths = [0, 1, 19, carried + 1, 1500, 1501, 0x7fff, 0xffff];
            lengths
                .map(|length: u16| with_ipv4(&right(), 2, &length.to_be_bytes()))
                .into()
        },
    );
    unanswered(
        suite,
        "fragments_of_an_uneven_length_or_beyond_the_end_are_not_taken",
        "fragment_invalid",
        Counted,
        || {
            let fields = [0x2000_u16, 0x2001, 0x1fff, 0x6000, 0x3fff];
            fields
                .map(|field| with_ipv4(&right(), 6, &field.to_be_bytes()))
                .into()
        },
    );
    unanswered(
        suite,
        "a_fragment_without_the_others_is_not_answered",
        "fragment_taken",
        Counted,
        || {
            let fields = [
                [0x10, 0x01, 0, 1],
                [0x10, 0x02, 0x40, 1],
                [0x10, 0x03, 0x1f, 0],
            ];
            fields.map(|field| with_ipv4(&right(), 4, &field)).into()
        },
    );
    unanswered(
        suite,
        "a_source_that_no_host_may_have_is_not_answered",
        "ipv4_source",
        Counted,
        || {
            let sources = [
                [0, 0, 0, 0],
                [0, 1, 2, 3],
                [127, 0, 0, 1],
                [127, 255, 255, 254],
                [224, 0, 0, 1],
                [239, 255, 255, 255],
                [240, 0, 0, 1],
                [255, 255, 255, 255],
                [10, 10, 10, 255],
                [10, 10, 10, 0],
                APPLIANCE.octets(),
            ];
            sources.map(from).into()
        },
    );
    unanswered(
        suite,
        "datagrams_for_others_are_not_answered",
        "ipv4_destination",
        Counted,
        || {
            let others = [
                [10, 10, 10, 12],
                [10, 10, 11, 11],
                [10, 11, 10, 11],
                [11, 10, 10, 11],
                [192, 168, 0, 1],
                [127, 0, 0, 1],
                [8, 8, 8, 8],
            ];
            others.map(to).into()
        },
    );
    unanswered(
        suite,
        "a_link_broadcast_for_one_host_is_not_answered",
        "link_broadcast",
        Counted,
        || {
            let others = [
                APPLIANCE,
                Ipv4Addr::new(10, 10, 10, 12),
                Ipv4Addr::new(192, 0, 2, 1),
            ];
            others
                .map(|other| with(&to(other.octets()), 0, &BROADCAST))
                .into()
        },
    );
    unanswered(
        suite,
        "malformed_ip_options_are_not_answered",
        "ipv4_options",
        Counted,
        || {
            let options: [&[u8]; 6] = [
                &[0x9e, 0, 0, 0],                // no length: a walk would never end
                &[0x9e, 1, 0, 0],                // a length that does not cover itself
                &[0x9e, 5, 0, 0],                // beyond the header
                &[0x9e, 255, 0, 0],              // far beyond it
                &[1, 1, 1, 0x9e],                // no room for a length
                &[7, 3, 4, 0x9e, 0x9e, 9, 0, 0], // right at first, then not
            ];
            options.map(with_options).into()
        },
    );
    unanswered(
        suite,
        "source_routes_are_not_answered",
        "ipv4_source_route",
        Counted,
        || {
            let loose = [131, 7, 4, 10, 10, 10, 1, 0];
            let strict = [137, 7, 4, 10, 10, 10, 1, 0];
            let complete = [131, 7, 8, 10, 10, 10, 1, 0];
            let hidden = [1, 1, 1, 1, 137, 3, 4, 0];
            [loose, strict, complete, hidden]
                .map(|route| with_options(&route))
                .into()
        },
    );
    suite.test(
        "other_ip_protocols_are_reported_as_often_as_may_be",
        |appliance| {
            let before = appliance.counters();
            let protocols = (0..=255_u8).filter(|protocol| ![1, 17].contains(protocol));
            let mut errors = 0;
            for protocol in protocols {
                let frame = with_ipv4(&right(), 9, &[protocol]);
                appliance.peer.send(&frame);
                for error in appliance.peer.settle() {
                    assert!(is_unreachable(&error), "{}", hex(&error));
                    assert_eq!(error[forge::ICMP + 1], 2, "protocol unreachable");
                    let quoted = &error[forge::ICMP + 8..];
                    assert_eq!(quoted, &frame[forge::IPV4..]);
                    errors += 1;
                }
            }
            let after = appliance.counters();
            after.assert_complete();
            let moved = after.since(&before);
            assert_eq!(moved.get("ipv4_protocol"), 254);
            // 20 at once, and 250 a second.
            assert!((20..=254).contains(&errors), "{errors} errors");
        },
    );
}

fn icmp_tests(suite: &mut Suite) {
    use Fate::Counted;
    unanswered(
        suite,
        "a_bad_icmp_checksum_is_not_answered",
        "icmp_checksum",
        Counted,
        || {
            let right = right();
            let flip = |offset: usize, bit: usize| {
                let mut frame = right.clone();
                frame[offset] ^= 1 << bit;
                frame
            };
            let message = forge::ICMP..right.len();
            message
                .flat_map(|offset| [0, 4, 7].map(|bit| flip(offset, bit)))
                .collect()
        },
    );
    unanswered(
        suite,
        "a_message_shorter_than_its_header_is_not_answered",
        "icmp_truncated",
        Counted,
        || {
            let short = Peer::request(b"");
            let total = |octets: u16| with_ipv4(&short, 2, &(20 + octets).to_be_bytes());
            (0..8).map(total).collect()
        },
    );
    unanswered(
        suite,
        "icmp_messages_that_ask_nothing_are_not_answered",
        "icmp_type",
        Counted,
        || {
            let types = (0..=255).filter(|&kind| kind != 8);
            types.map(|kind| with_icmp(&right(), 0, &[kind])).collect()
        },
    );
    unanswered(
        suite,
        "a_ping_to_everybody_is_not_answered",
        "icmp_echo_to_group",
        Counted,
        || {
            let groups = [[255, 255, 255, 255], [10, 10, 10, 255]];
            let mut frames = groups.map(|group| with(&to(group), 0, &BROADCAST)).to_vec();
            // Nor when it is sent to this station alone.
            frames.extend([[255, 255, 255, 255], [10, 10, 10, 255], [224, 0, 0, 1]].map(to));
            frames
        },
    );
}

/// How many frames of nonsense are sent.
const NONSENSE: usize = 100_000;
/// How many of them are sent before the appliance must answer a ping.
const BURST: usize = 64;

fn random_and_mutated_frames(appliance: &mut Appliance) {
    let seed = match std::env::var("POLLUX_SEED") {
        Ok(seed) => seed.parse().expect("POLLUX_SEED is a number"),
        Err(_) => rand_seed(),
    };
    println!("\n    POLLUX_SEED={seed}");
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let before = appliance.counters();
    let models = models();
    let mut answers = 0;
    for _ in 0..NONSENSE / BURST {
        for _ in 0..BURST {
            let frame = if random.random_ratio(1, 8) {
                noise(&mut random)
            } else {
                mutant(&models, &mut random)
            };
            appliance.peer.send(&frame);
        }
        // Some mutants are right by chance, and answered; so is the ping that follows.
        let answered = appliance.peer.settle();
        let errors = answered.iter().filter(|frame| is_unreachable(frame));
        answers += answered.len() - errors.count() + 1;
    }
    appliance.peer.assert_pings(100);
    let after = appliance.counters();
    after.assert_complete();
    let moved = after.since(&before);
    println!("    {moved}");
    assert_eq!(moved.get("answered"), answers as u64 + 100);
    // The card filters some; but were most of them filtered, this test would test nothing.
    assert!(moved.get("received") > NONSENSE as u64 / 2, "{moved}");
    assert!(moved.reasons() > NONSENSE as u64 / 4, "{moved}");
}

/// A seed from the clock.
fn rand_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_micros() as u64)
}

/// Frames that mutants are made of: they get deep into the stack.
fn models() -> Vec<Vec<u8>> {
    vec![
        right(),
        Peer::request(b""),
        Peer::request(&[0x5a; 1472]),
        with_options(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        with_options(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        with_options(&[0x9e, 4, 0, 0, 1, 1, 131, 3, 4, 0, 0, 0]),
        with_ipv4(&right(), 9, &[17]),
        with_ipv4(&right(), 6, &[0x20, 0]),
        arp(|_| ()),
        arp(|arp| arp.operation = ArpOperation::REPLY),
        forge::untagged(&right()),
        forge::with_outer_tag(&right(), 0x8100, VLAN),
    ]
}

/// A model with a few octets changed, cut or drawn out, with or without right checksums.
fn mutant(models: &[Vec<u8>], random: &mut Pcg64Mcg) -> Vec<u8> {
    let mut frame = models[random.random_range(0..models.len())].clone();
    for _ in 0..random.random_range(1..4) {
        // Mostly in the headers, and seldom in the addresses, which the card looks at.
        let headers = if random.random_ratio(1, 16) {
            0..TAG
        } else {
            TYPE..58
        };
        let offset = random.random_range(headers).min(frame.len() - 1);
        frame[offset] = match random.random_range(0..4) {
            0 => random.random(),
            1 => frame[offset] ^ 1 << random.random_range(0..8),
            2 => 0,
            _ => 0xff,
        };
    }
    if random.random_ratio(1, 4) {
        let length = random.random_range(14..1600);
        frame.resize(length, random.random());
    }
    if frame.len() > 60 && random.random() {
        forge::seal_ipv4(&mut frame);
        let total = usize::from(u16::from_be_bytes([frame[20], frame[21]]));
        if (28..=frame.len() - forge::IPV4).contains(&total) {
            forge::seal_icmp(&mut frame);
        }
    }
    frame
}

/// Noise, addressed to the appliance in most cases so that the card lets it pass.
fn noise(random: &mut Pcg64Mcg) -> Vec<u8> {
    let mut frame = vec![0; random.random_range(14..1600)];
    random.fill_bytes(&mut frame);
    if random.random_ratio(7, 8) {
        frame[..6].copy_from_slice(&APPLIANCE_MAC);
    }
    if frame.len() >= TYPE && random.random() {
        frame[TAG..TYPE].copy_from_slice(&[0x81, 0x00, 0x00, VLAN as u8]);
    }
    frame
}
