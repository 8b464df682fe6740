//! Two planes on one card: what is in-band is answered too, and does not move what is real-time.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pollux_issuer::frame::{self, Echo, Link, Received, Tag};
use pollux_tests::appliance::{Appliance, Boot, START_LIMIT};
use pollux_tests::forge;
use pollux_tests::peer::{ANSWER_LIMIT, APPLIANCE_MAC, PEER, PEER_MAC, Peer, hex, is_unreachable};
use pollux_tests::residence::{await_first_answer, longest_residence};
use pollux_tests::suite::Suite;

/// Our address on the card's own device, for frames without a VLAN.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 11);
/// A VLAN with a device that is not served in real time, and our address in it.
const IN_BAND: (u16, Ipv4Addr) = (50, Ipv4Addr::new(10, 10, 50, 11));
/// Another with an out-of-band port that is not in the filter list.
const NOT_IN_FILTER: (u16, Ipv4Addr) = (51, Ipv4Addr::new(10, 10, 51, 11));

/// In-band frames that are sent around each real-time one: half of them before it, half behind.
const FLOOD: usize = 100;
/// Real-time frames, one after the other, in quiet and in the flood.
const ROUNDS: usize = 300;
/// How long the long flood lasts.
const LONG: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let mut suite = Suite::new(Boot::new().word("pollux.vlan-filter=software"));
    suite.test("in_band_vlans_are_answered_in_every_form", in_band);
    suite.test(
        "frames_without_a_vlan_are_answered_once_there_is_an_address",
        untagged,
    );
    suite.test("a_device_that_is_down_is_silent", down);
    suite.test_alone("a_flood_of_in_band_frames_leaves_residence_alone", || {
        flood(|round, _| round < ROUNDS);
    });
    suite.test_long(
        "ten_minutes_of_in_band_frames_leave_residence_alone",
        || {
            flood(|_, since| since.elapsed() < LONG);
        },
    );
    suite.run()
}

/// Gives the appliance in-band devices, unless it has them.
fn configure(appliance: &mut Appliance) {
    let mut lines = vec![format!("ip addr add {OWN}/24 dev eth0")];
    for (vid, address) in [IN_BAND, NOT_IN_FILTER] {
        lines.push(format!(
            "ip link add link eth0 name eth0.{vid} type vlan id {vid}"
        ));
        lines.push(format!("ip addr add {address}/24 dev eth0.{vid}"));
        lines.push(format!("ip link set eth0.{vid} up"));
    }
    lines.push(format!("evl net -e -i eth0.{}", NOT_IN_FILTER.0));
    for line in lines {
        appliance.console.obeys(&line);
    }
    // What is told about that port, once: else it would stand in a reply.
    let (vid, address) = NOT_IN_FILTER;
    let mark = appliance.console.mark();
    let tag = Some(Tag::new(vid));
    appliance
        .peer
        .exchange(&frame::arp_request(PEER_MAC, PEER, address, tag));
    let said = format!(
        "eth0.{vid}: its frames are in-band, for VLAN {vid} is not in the filter list; 'evl net -N+{vid}' puts it there\n"
    );
    appliance.console.wait_for(mark, &said, ANSWER_LIMIT);
}

/// Has the devices there, whichever test comes first.
fn configured(appliance: &mut Appliance) {
    if !appliance
        .console
        .command("ip -br link show")
        .contains("eth0.50")
    {
        configure(appliance);
    }
}

fn link(tag: Option<Tag>) -> Link {
    Link {
        source: PEER_MAC,
        destination: APPLIANCE_MAC,
        tag,
    }
}

/// Asks for `address` by ARP, by a ping and by a datagram to a closed port, in frames with this tag.
fn ask_in_every_form(appliance: &mut Appliance, tag: Option<Tag>, address: Ipv4Addr) {
    let request = frame::arp_request(PEER_MAC, PEER, address, tag);
    let answer = appliance.peer.exchange(&request);
    let received = Received::parse(&answer).expect("a frame");
    assert_eq!(
        (received.link.source, received.link.tag),
        (APPLIANCE_MAC, tag)
    );
    let packet = received.arp().expect("an ARP packet");
    assert_eq!(packet.sender_ipv4, address.octets());

    for length in [0, 56, 1472] {
        let payload = vec![0x5a; length];
        let echo = Echo::new(PEER, address, &payload);
        let answer = appliance.peer.exchange(&echo.request(&link(tag)));
        let expected = Echo {
            source: address,
            destination: PEER,
            ..echo
        };
        assert_eq!(
            answer,
            expected.reply(&link(tag).reversed()),
            "{length} octets"
        );
    }

    let echo = Echo::new(PEER, address, b"an unknown protocol");
    let frame = echo.request(&link(tag));
    let frame = match tag {
        Some(_) => forge::with_ipv4(&frame, 9, &[99]),
        None => return,
    };
    let error = appliance.peer.exchange(&frame);
    assert!(is_unreachable(&error), "{}", hex(&error));
}

fn in_band(appliance: &mut Appliance) {
    configured(appliance);
    for (vid, address) in [IN_BAND, NOT_IN_FILTER] {
        for pcp in [0, 7] {
            let tag = Tag {
                pcp,
                ..Tag::new(vid)
            };
            ask_in_every_form(appliance, Some(tag), address);
        }
    }
    appliance.counters().assert_complete();
    appliance.peer.assert_pings(100);
}

fn untagged(appliance: &mut Appliance) {
    configured(appliance);
    ask_in_every_form(appliance, None, OWN);
    // A tag that names no VLAN (IEEE 802.1Q §9.6).
    let priority = Tag {
        pcp: 5,
        ..Tag::new(0)
    };
    ask_in_every_form(appliance, Some(priority), OWN);
    // The strong host model (RFC 1122 §3.3.4.2): no address is answered for elsewhere.
    let elsewhere = Echo::new(PEER, IN_BAND.1, b"").request(&link(None));
    appliance.peer.send(&elsewhere);
    assert_eq!(settle_in_band(appliance), [] as [Vec<u8>; 0]);
}

/// In-band frames have their turn after real-time ones: waits until they had.
fn settle_in_band(appliance: &mut Appliance) -> Vec<Vec<u8>> {
    let mut answers = appliance.peer.settle();
    let echo = Echo::new(PEER, OWN, b"settle in-band");
    appliance.peer.send(&echo.request(&link(None)));
    let expected = Echo {
        source: OWN,
        destination: PEER,
        ..echo
    };
    let expected = expected.reply(&link(None).reversed());
    loop {
        let frame = appliance.peer.receive(ANSWER_LIMIT);
        let frame = frame.expect("an in-band ping is answered");
        if frame == expected {
            return answers;
        }
        answers.push(frame);
    }
}

fn down(appliance: &mut Appliance) {
    configured(appliance);
    let echo = Echo::new(PEER, IN_BAND.1, b"").request(&link(Some(Tag::new(IN_BAND.0))));
    let before = appliance.counters();
    appliance.console.command("ip link set eth0.50 down");
    appliance.peer.send(&echo);
    assert_eq!(settle_in_band(appliance), [] as [Vec<u8>; 0]);
    let moved = appliance.counters().since(&before);
    assert_eq!(moved.get("device_down"), 1, "{moved}");
    appliance.console.command("ip link set eth0.50 up");
    appliance.peer.exchange(&echo);
}

/// Pings in real time, one after the other: first in quiet, then amid a flood of in-band pings and behind it, for
/// as long as `goes_on` says of the round and of when the flood began. Under `-icount` a residence is a
/// count of instructions.
fn flood(goes_on: impl Fn(usize, Instant) -> bool) {
    let mut appliance = Boot::new()
        .word("pollux.vlan-filter=software")
        .qemu(&["-icount", "shift=3"])
        .spawn();
    appliance.console.wait_for_prompt(START_LIMIT);
    // Some cards are up late.
    await_first_answer(&mut appliance);
    configure(&mut appliance);
    appliance.console.command("latency reset");
    for _ in 0..ROUNDS {
        appliance.peer.settle();
    }
    let quiet = longest_residence(&mut appliance);
    appliance.console.command("latency reset");

    let (vid, address) = IN_BAND;
    let floods = [
        Echo::new(PEER, address, &[0x5a; 56]).request(&link(Some(Tag::new(vid)))),
        Echo::new(PEER, OWN, &[0x5a; 1472]).request(&link(None)),
        Echo::new(PEER, OWN, b"").request(&link(Some(Tag::new(0)))),
    ];
    let since = Instant::now();
    let (mut rounds, mut answers) = (0, 0);
    while goes_on(rounds, since) {
        for (place, flood) in (0..FLOOD).zip(floods.iter().cycle()) {
            if place == FLOOD / 2 {
                appliance.peer.send(&Peer::request(b"amid"));
            }
            appliance.peer.send(flood);
        }
        answers += appliance.peer.settle().len();
        rounds += 1;
    }
    answers += settle_in_band(&mut appliance).len();
    let flooded = longest_residence(&mut appliance);
    println!(
        "\n    {quiet} instructions at most in quiet, {flooded} in {rounds} floods of {FLOOD}, \
         {answers} of which were answered"
    );
    let counters = appliance.counters();
    counters.assert_complete();
    assert!(answers > rounds, "the flood was not answered, but dropped");
    assert!(flooded <= 2 * quiet, "{flooded} is more than twice {quiet}");
}
