//! What the appliance answers, byte for byte: ARP and ping on its VLAN.

use std::process::ExitCode;
use std::time::Instant;

use etherparse::{ArpEthIpv4Packet, ArpOperation};
use pollux_issuer::frame::{self, Echo, LARGEST_PAYLOAD, Link, Tag};
use pollux_tests::appliance::{Appliance, Boot};
use pollux_tests::forge;
use pollux_tests::peer::{
    ANSWER_LIMIT, APPLIANCE, APPLIANCE_MAC, Fate, PEER, PEER_MAC, Peer, VLAN, assert_unanswered,
    hex,
};
use pollux_tests::suite::Suite;

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new());
    suite.test("the_first_arp_reply_arrives", |appliance| {
        let after_ms = appliance.first_arp_reply().as_millis();
        println!("\n    first ARP reply {after_ms} ms after the start of the process");
    });
    suite.test(
        "an_address_is_announced_without_having_been_asked_for",
        an_address_is_announced_without_having_been_asked_for,
    );
    suite.test("an_arp_request_is_answered", an_arp_request_is_answered);
    suite.test("an_arp_probe_is_answered", an_arp_probe_is_answered);
    suite.test(
        "a_conflict_is_reported_and_the_address_defended",
        a_conflict_is_reported_and_the_address_defended,
    );
    suite.test(
        "a_ping_of_every_size_is_answered_byte_for_byte",
        a_ping_of_every_size_is_answered,
    );
    suite.test(
        "a_ping_of_nothing_but_zeros_is_answered",
        a_ping_of_zeros_is_answered,
    );
    suite.test(
        "replies_keep_priority_and_drop_eligibility",
        replies_keep_the_tag,
    );
    suite.test("replies_keep_the_type_of_service", replies_keep_the_tos);
    suite.test(
        "a_ping_is_answered_whatever_its_ttl_with_a_ttl_of_64",
        any_ttl_is_answered,
    );
    suite.test(
        "padding_is_never_returned_and_short_replies_are_padded_with_zeros",
        padding_is_zero,
    );
    suite.test(
        "the_first_ping_of_a_stranger_is_answered_without_arp",
        a_stranger_is_answered,
    );
    suite.test(
        "unknown_ip_options_are_returned_as_they_are",
        unknown_options_are_returned,
    );
    suite.test("a_recorded_route_gets_our_address", a_route_is_recorded);
    suite.test(
        "behind_the_cards_own_filter_no_other_vlan_is_answered_either",
        other_vlans_are_not_answered,
    );
    suite.test(
        "a_hundred_thousand_pings_in_a_window_of_64_are_answered_without_a_wrong_byte",
        a_hundred_thousand_pings,
    );
    suite.test(
        "many_requests_wait_for_each_other_and_who_asks_one_at_a_time_soon_does_not",
        many_wait_for_each_other,
    );
    suite.test(
        "every_answer_has_its_residence_time",
        every_answer_has_its_residence,
    );
    suite.run()
}

fn other_vlans_are_not_answered(appliance: &mut Appliance) {
    let on_vlan = |vid| {
        let link = Link {
            tag: Some(Tag::new(vid)),
            ..Peer::link()
        };
        Echo::new(PEER, APPLIANCE, b"wrong VLAN").request(&link)
    };
    let vids = (1..4095).filter(|&vid| vid != VLAN);
    let frames: Vec<_> = vids.map(on_vlan).collect();
    // Whether the card filters depends on the card: each reason by itself.
    for (reason, frames) in [
        ("vlan_not_in_filter", frames),
        ("priority_tagged", vec![on_vlan(0)]),
        ("reserved_vlan", vec![on_vlan(4095)]),
    ] {
        assert_unanswered(appliance, reason, Fate::CountedOrFiltered, &frames);
    }
}

/// RFC 5227 §2.3. The first of two may be among what a peer hears before it knows the appliance.
fn an_address_is_announced_without_having_been_asked_for(appliance: &mut Appliance) {
    let deadline = Instant::now() + ANSWER_LIMIT;
    while appliance.peer.announcements().is_empty() {
        assert!(Instant::now() < deadline, "not announced");
        appliance.peer.settle();
    }
}

fn an_arp_request_is_answered(appliance: &mut Appliance) {
    let request = frame::arp_request(PEER_MAC, PEER, APPLIANCE, Some(Tag::new(VLAN)));
    #[rustfmt::skip]
    let expected = [
        0x02, 0x00, 0x0a, 0x0a, 0x0a, 0x0a, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
        0x81, 0x00, 0x00, 0x2a, 0x08, 0x06,
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 10, 10, 11,
        0x02, 0x00, 0x0a, 0x0a, 0x0a, 0x0a, 10, 10, 10, 10,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(hex(&appliance.peer.exchange(&request)), hex(&expected));

    // A request may also be sent to the one station alone (RFC 1122 §2.3.2.1).
    let unicast = forge::with(&request, 0, &APPLIANCE_MAC);
    assert_eq!(hex(&appliance.peer.exchange(&unicast)), hex(&expected));
}

/// RFC 5227 §2.4 (c): who has an address keeps it, says so, and tells the operator.
fn a_conflict_is_reported_and_the_address_defended(appliance: &mut Appliance) {
    const INTRUDER: [u8; 6] = [2, 0, 0, 0, 0, 0x66];
    let link = Link {
        source: INTRUDER,
        ..Peer::link()
    };
    let claim = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: INTRUDER,
        sender_ipv4: APPLIANCE.octets(),
        target_mac: APPLIANCE_MAC,
        target_ipv4: PEER.octets(),
    };
    appliance.peer.settle();
    let mark = appliance.console.mark();
    let announced = appliance.peer.announcements().len();
    appliance.peer.send(&frame::arp(&link, claim));
    let said = "address conflict: 02:00:00:00:00:66 uses our address 10.10.10.11 in VLAN 42";
    appliance.console.wait_for(mark, said, ANSWER_LIMIT);
    let deadline = Instant::now() + ANSWER_LIMIT;
    while appliance.peer.announcements().len() == announced {
        assert!(Instant::now() < deadline, "the address was not defended");
        appliance.peer.settle();
    }
}

fn an_arp_probe_is_answered(appliance: &mut Appliance) {
    let nobody = [0, 0, 0, 0].into();
    let probe = frame::arp_request(PEER_MAC, nobody, APPLIANCE, Some(Tag::new(VLAN)));
    let reply = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: APPLIANCE_MAC,
        sender_ipv4: APPLIANCE.octets(),
        target_mac: PEER_MAC,
        target_ipv4: [0; 4],
    };
    let expected = frame::arp(&Peer::link().reversed(), reply);
    assert_eq!(hex(&appliance.peer.exchange(&probe)), hex(&expected));
}

/// The answer that the appliance owes to `echo` when it comes over `link`.
fn answer(echo: &Echo<'_>, link: &Link) -> Vec<u8> {
    let answer = Echo {
        source: echo.destination,
        destination: echo.source,
        ttl: 64,
        ..echo.clone()
    };
    answer.reply(&link.reversed())
}

fn assert_answered(appliance: &mut Appliance, echo: &Echo<'_>, link: &Link) {
    let came = appliance.peer.exchange(&echo.request(link));
    assert_eq!(
        hex(&came),
        hex(&answer(echo, link)),
        "{echo:?} over {link:?}"
    );
}

fn a_ping_of_every_size_is_answered(appliance: &mut Appliance) {
    for size in 0..=LARGEST_PAYLOAD {
        let payload: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
        let echo = Echo {
            sequence: size as u16,
            ..Echo::new(PEER, APPLIANCE, &payload)
        };
        assert_answered(appliance, &echo, &Peer::link());
    }
}

fn a_ping_of_zeros_is_answered(appliance: &mut Appliance) {
    // The one message whose checksum is all ones (RFC 1071: zero comes of zeros only).
    for size in [0, 1, 56] {
        let zeros = vec![0; size];
        let echo = Echo {
            id: 0,
            sequence: 0,
            ..Echo::new(PEER, APPLIANCE, &zeros)
        };
        let came = appliance.peer.exchange(&echo.request(&Peer::link()));
        assert_eq!(hex(&came), hex(&answer(&echo, &Peer::link())));
        assert_eq!(came[38..46], [0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    }
}

fn replies_keep_the_tag(appliance: &mut Appliance) {
    for pcp in 0..8 {
        for dei in [false, true] {
            let tag = Tag {
                vid: VLAN,
                pcp,
                dei,
            };
            let link = Link {
                tag: Some(tag),
                ..Peer::link()
            };
            let echo = Echo::new(PEER, APPLIANCE, b"priority");
            assert_answered(appliance, &echo, &link);
        }
    }
}

fn replies_keep_the_tos(appliance: &mut Appliance) {
    for tos in 0..=255 {
        let echo = Echo {
            tos,
            ..Echo::new(PEER, APPLIANCE, b"type of service")
        };
        assert_answered(appliance, &echo, &Peer::link());
    }
}

fn any_ttl_is_answered(appliance: &mut Appliance) {
    // RFC 1122 §3.2.1.7: a datagram must not be discarded because its TTL is below 2.
    for ttl in [0, 1, 2, 63, 64, 65, 255] {
        let echo = Echo {
            ttl,
            ..Echo::new(PEER, APPLIANCE, b"time to live")
        };
        assert_answered(appliance, &echo, &Peer::link());
    }
}

fn padding_is_zero(appliance: &mut Appliance) {
    // 14 octets of payload fill a tagged frame of 60 octets; what the issuer pads is made non-zero.
    for size in 0..14 {
        let payload = vec![0x5a; size];
        let echo = Echo::new(PEER, APPLIANCE, &payload);
        let mut request = echo.request(&Peer::link());
        assert_eq!(request.len(), 60);
        request[46 + size..].fill(0xa5);
        let came = appliance.peer.exchange(&request);
        assert_eq!(
            hex(&came),
            hex(&answer(&echo, &Peer::link())),
            "size {size}"
        );
        assert_eq!(came.len(), 60);
    }
    let request = frame::arp_request(PEER_MAC, PEER, APPLIANCE, Some(Tag::new(VLAN)));
    let mut padded = request.clone();
    padded[46..].fill(0xa5);
    let clean = appliance.peer.exchange(&request);
    assert_eq!(hex(&appliance.peer.exchange(&padded)), hex(&clean));

    // Padding may also follow a frame that needs none.
    let echo = Echo::new(PEER, APPLIANCE, b"long enough without any padding");
    let mut request = echo.request(&Peer::link());
    request.extend([0xa5; 9]);
    let came = appliance.peer.exchange(&request);
    assert_eq!(hex(&came), hex(&answer(&echo, &Peer::link())));
}

fn a_stranger_is_answered(appliance: &mut Appliance) {
    for last in 100..120 {
        let link = Link {
            source: [0x02, 0, 0, 0, 0x77, last],
            ..Peer::link()
        };
        let echo = Echo::new([10, 10, 10, last].into(), APPLIANCE, b"who am I?");
        assert_answered(appliance, &echo, &link);
    }
}

fn unknown_options_are_returned(appliance: &mut Appliance) {
    // Copied, class 0, number 30 (RFC 4727: for experiments), then end and padding.
    let options: [&[u8]; 3] = [
        &[0x9e, 4, 0x12, 0x34],
        &[1, 1, 0x9e, 2, 1, 0x9e, 2, 0],
        &[
            0x9e, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
            22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
        ],
    ];
    for options in options {
        let echo = Echo {
            options,
            ..Echo::new(PEER, APPLIANCE, b"options")
        };
        assert_answered(appliance, &echo, &Peer::link());
    }
}

fn a_route_is_recorded(appliance: &mut Appliance) {
    // RFC 791 §3.1: type 7, length 11, pointer to the first of two free places, end.
    let asked = [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let answered = [7, 11, 8, 10, 10, 10, 11, 0, 0, 0, 0, 0];
    let echo = |options| Echo {
        options,
        ..Echo::new(PEER, APPLIANCE, b"route")
    };
    let came = appliance
        .peer
        .exchange(&echo(&asked).request(&Peer::link()));
    assert_eq!(hex(&came), hex(&answer(&echo(&answered), &Peer::link())));

    // A full one is returned as it is.
    let full = [7, 7, 8, 192, 0, 2, 1, 0];
    assert_answered(appliance, &echo(&full), &Peer::link());
}

fn a_hundred_thousand_pings(appliance: &mut Appliance) {
    let before = appliance.counters();
    let report = appliance.peer.ping(|settings| {
        settings.count = Some(100_000);
        settings.window = 64;
    });
    println!("\n{report}");
    assert!(report.all_answered(), "{report}");
    assert_eq!((report.duplicates, report.reordered), (0, 0), "{report}");
    let moved = appliance.counters().since(&before);
    assert_eq!(
        moved,
        vec![("received", 100_000), ("answered", 100_000)].into()
    );
}

fn many_wait_for_each_other(appliance: &mut Appliance) {
    let waits = |appliance: &mut Appliance| appliance.card_counter("waits_for_company");
    let ping = |appliance: &mut Appliance, count, window| {
        let report = appliance.peer.ping(|settings| {
            settings.count = Some(count);
            settings.window = window;
        });
        assert!(report.all_answered(), "{report}");
    };
    // As often as nobody may come after a crowd, by docs/performance.md, and no more.
    const IN_VAIN: u64 = 8;
    ping(appliance, 2_000, 1);
    let before = waits(appliance);
    ping(appliance, 2_000, 1);
    assert_eq!(waits(appliance), before);
    for _ in 0..20 {
        ping(appliance, 2_000, 32);
        let after = waits(appliance);
        if after > before {
            ping(appliance, 2_000, 1);
            let in_vain = waits(appliance) - after;
            assert!(in_vain <= IN_VAIN, "{in_vain} waits of who came alone");
            return;
        }
    }
    panic!("nobody waited");
}

fn every_answer_has_its_residence(appliance: &mut Appliance) {
    appliance.peer.assert_pings(100);
    let status = appliance.status();
    let answered = status.counters("eth0").get("answered");
    assert!(answered >= 100);
    assert_eq!(
        status.value("residence eth0", "count"),
        answered.to_string()
    );
    let ticks = |name| {
        let value = status.value("residence eth0", name);
        let (_, ticks) = value.split_once(" ns ").expect("nanoseconds come first");
        let number = ticks.trim().strip_suffix(" ticks").expect("ticks follow");
        number.parse::<u64>().expect("ticks are a number")
    };
    let figures = ["min", "p50", "p99", "p99.9", "max"].map(ticks);
    assert!(figures.is_sorted(), "{figures:?}");
    assert!(figures[0] > 0);
}
