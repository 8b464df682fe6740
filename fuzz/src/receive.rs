//! The whole path of frames, in both planes, with time passing, links that go up and down, and everything that
//! the appliance says on its own. `pollux_net::test_device::Station` checks every step.

use crate::frames::{self, OWN_IP, OWN_MAC, PEER_IP, PEER_MAC};
use crate::reader::Reader;
use core::net::SocketAddrV4;
use pollux_net::address_conflict::Start;
use pollux_net::ethernet::{EthernetFrame, EthernetResponse, EthernetService};
use pollux_net::interface::{Interface, Ipv4Cidr};
use pollux_net::ping::PingSettings;
use pollux_net::services::discard::Discard;
use pollux_net::services::echo::Echo;
use pollux_net::services::sink::Sink;
use pollux_net::services::stamp::Stamp;
use pollux_net::test_device::Station;
use pollux_net::time::{Instant, TickRate, Ticks};
use pollux_net::udp::{Datagram, DatagramSender, Departure, Policy, Response, UdpService};
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::{EtherType, MacAddress};

const START: Instant = Instant::from_ticks(10_000_000_000);
/// The ways in which a frame comes in: its tag.
const WAYS: [Option<u16>; 6] = [
    Some(0xb02a),
    None,
    Some(0xe000),
    Some(45),
    Some(47),
    Some(99),
];
/// VLANs that have a device.
const VIDS: [u16; 4] = [0, 42, 45, 47];

/// Says later what was said to it.
#[derive(Default)]
struct Later(Vec<(Departure, Vec<u8>)>);

impl UdpService for Later {
    fn name(&self) -> &'static str {
        "later"
    }

    fn policy(&self) -> Policy {
        Policy::RESPONDER
    }

    fn receive(&mut self, datagram: Datagram<'_>) -> Response {
        // Now and then to somebody else, and more than was asked.
        let mut departure = datagram.return_path();
        let mut data = datagram.data().to_vec();
        if let Some(&what) = data.first() {
            data.resize(data.len() * usize::from(what & 7), what);
            if what & 8 != 0 {
                departure.destination = SocketAddrV4::new(PEER_IP.into(), 9);
            }
            if what & 16 != 0 {
                departure.source = None;
            }
        }
        self.0.push((departure, data));
        Response::Consumed
    }

    fn poll(&mut self, _now: Instant, sender: &mut dyn DatagramSender) {
        for (departure, data) in self.0.drain(..) {
            let _ = sender.send(&departure, &data);
        }
    }
}

/// Answers with as many octets as the first says.
struct Raw;

impl EthernetService for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn receive(&mut self, frame: EthernetFrame<'_>) -> EthernetResponse {
        match frame.payload.first() {
            Some(&length) => EthernetResponse::Answer {
                length: length.into(),
            },
            None => EthernetResponse::Decline,
        }
    }
}

fn cidr(address: [u8; 4]) -> Ipv4Cidr {
    Ipv4Cidr::new(address.into(), 24).expect("in range")
}

/// A card with our address in every VLAN, all services, and a ping under way.
fn station(options: u8) -> Station {
    let rate = TickRate::from_hertz(1_000_000_000);
    let mut card = Interface::new("eth0", MacAddress(OWN_MAC), 2, rate);
    if options & 1 != 0 {
        card.set_address_start(Start::ProbeFirst);
    }
    let mut filter = VlanSet::new();
    for vid in VIDS {
        if vid != 0 {
            card.add_vlan_device(&format!("eth0.{vid}"), vid)
                .expect("is free");
            // 47 has a port, and is in-band all the same.
            if vid != 47 {
                filter.insert(vid);
            }
        }
        card.add_address(vid, cidr(OWN_IP)).expect("a host address");
    }
    card.set_vlan_filter(filter);
    for vid in [42, 47] {
        card.set_oob_port(vid, true).expect("is there");
    }
    let everywhere = Ipv4Cidr::new([0; 4].into(), 0).expect("in range");
    let gateway = [10, 10, 10, 1];
    card.add_route(everywhere, gateway.into(), Some(42))
        .expect("a gateway");
    let services = card.services_mut();
    let stamp = Stamp::new(|| START, rate, false);
    let all: [(u16, Box<dyn UdpService>); 5] = [
        (7, Box::new(Echo::new())),
        (9, Box::new(Discard)),
        (862, Box::new(stamp)),
        (42042, Box::new(Sink::new())),
        (7001, Box::new(Later::default())),
    ];
    for (port, service) in all {
        services.register(None, port, service).expect("is free");
    }
    let services = card.ethernet_services_mut();
    services
        .register(EtherType(0x88b5), Box::new(Raw))
        .expect("is free");
    for (bit, mtu) in [(2, 68), (4, 576)] {
        if options & bit != 0 {
            VIDS.iter()
                .for_each(|&vid| card.set_mtu(vid, mtu).expect("in range"));
        }
    }
    if options & 8 != 0 {
        let settings = PingSettings {
            destination: PEER_IP.into(),
            identifier: 0xbeef,
            count: 0,
            interval_ns: 1_000_000_000,
            timeout_ns: 1_000_000_000,
            size: u16::from(options) << 6,
        };
        card.start_ping(settings, Some(42), START).expect("on link");
    }
    Station::new(card, START)
}

/// Does what the octets say, step after step.
pub fn receive(octets: &[u8]) {
    let mut reader = Reader(octets);
    let Some(options) = reader.octet() else {
        return;
    };
    let mut station = station(options);
    while step(&mut station, &mut reader).is_some() {}
    station.device.slots = usize::MAX;
    station.serve_in_band(usize::MAX);
    assert_eq!(station.card.counters().waiting(), 0);
}

fn step(station: &mut Station, reader: &mut Reader<'_>) -> Option<()> {
    let what = reader.octet()?;
    let argument = what >> 4;
    match what & 15 {
        kind @ 0..=5 => {
            let length = usize::from(reader.pair()? % 1600);
            let frame = frame(reader.up_to(length), WAYS[usize::from(kind)], argument);
            let sent = station.receive(&frame);
            // One frame, one answer at most; and none to what was for a group.
            assert!(sent.len() <= 1);
            let is_arp =
                |frame: &Vec<u8>| frame.windows(2).skip(12).take(5).any(|two| two == [8, 6]);
            assert!(sent.iter().all(|sent| frame[0] & 1 == 0 || is_arp(sent)));
        }
        6 => drop(station.serve_in_band(argument.into())),
        7 => drop(station.send_large(argument.into())),
        8 => drop(station.send_all_due(argument.into())),
        9 => station.pass(Ticks(1 << (argument + 22))),
        10 => station.set_link(argument & 1 == 1),
        11 => {
            let vid = VIDS[usize::from(argument & 3)];
            station
                .card
                .set_up(vid, argument & 4 != 0)
                .expect("is there");
        }
        12 => {
            let vid = VIDS[usize::from(argument % 3) + 1];
            let enabled = argument & 8 != 0;
            station.card.set_oob_port(vid, enabled).expect("is there");
        }
        13 => station.device.slots = argument.into(),
        14 => station.device.deferral_room = argument.into(),
        _ => {
            let address = Ipv4Cidr::address(cidr([10, 10, 10, argument]));
            let solicited = argument & 1 == 1;
            station.card.solicit(42, address, solicited, station.now);
            while station.card.take_event().is_some() {}
            while station.card.take_ping_reply().is_some() {}
        }
    }
    Some(())
}

/// The octets as a frame that comes in this way; all but one in four with right checksums.
fn frame(octets: &[u8], way: Option<u16>, argument: u8) -> Vec<u8> {
    if octets.len() < 14 {
        return octets.to_vec();
    }
    let (front, payload) = octets.split_at(14);
    let mut frame = front[..12].to_vec();
    if argument & 1 == 0 {
        frame[..6].copy_from_slice(&OWN_MAC);
    }
    if argument & 2 == 0 {
        frame[6..12].copy_from_slice(&PEER_MAC);
    }
    if let Some(control) = way {
        frame.extend([0x81, 0]);
        frame.extend(control.to_be_bytes());
    }
    frame.extend(&front[12..]);
    let mut payload = payload.to_vec();
    if front[12..] == [8, 0] && argument & 12 != 12 {
        frames::seal(&mut payload);
    }
    frame.extend(payload);
    frame
}

/// One of everything, alone and together.
pub fn seeds() -> Vec<Vec<u8>> {
    let ipv4 = |protocol, field, message: &[u8]| {
        frames::frame(0x0800, &frames::datagram(protocol, field, message))
    };
    let ping = frames::echo_request(100);
    let mut reply = frames::echo_request(0);
    reply[0] = 0;
    let error = [
        &[3, 3, 0, 0, 0, 0, 0, 0][..],
        &frames::datagram(17, 0, &frames::udp(7, b"")),
    ]
    .concat();
    let mut all = vec![
        frames::frame(0x0806, &frames::arp(1, PEER_IP, OWN_IP)),
        frames::frame(0x0806, &frames::arp(2, PEER_IP, OWN_IP)),
        frames::frame(0x0806, &frames::arp(1, [0; 4], OWN_IP)),
        frames::frame(0x0806, &frames::arp(1, OWN_IP, OWN_IP)),
        frames::frame(0x88b5, &[20; 46]),
        frames::frame(0x86dd, &[0; 46]),
        frames::frame(0x002e, &[0xaa; 46]),
        frames::frame(0x8100, &[0; 46]),
        ipv4(1, 0, &ping),
        ipv4(1, 0, &reply),
        ipv4(1, 0, &error),
        ipv4(6, 0, &[0; 40]),
        // A ping in two fragments, and one that lacks its end.
        ipv4(1, 0x2000, &ping[..48]),
        ipv4(1, 0x0006, &ping[48..]),
        ipv4(1, 0x2001, &ping[..48]),
    ];
    for port in [7, 9, 862, 42042, 7001, 4711] {
        for data in [&b"data"[..], &[3; 44], &[0; 600]] {
            all.push(ipv4(17, 0, &frames::udp(port, data)));
        }
    }
    let step = |what: u8, frame: &[u8]| {
        let mut step = vec![what];
        step.extend((frame.len() as u16).to_le_bytes());
        step.extend(frame);
        step
    };
    let turns = [0x46, 0xf7, 0x48, 0x99, 0x28, 0xf9, 0x48];
    let mut seeds = Vec::new();
    for (number, frame) in all.iter().enumerate() {
        let way = number as u8 % 6;
        seeds.push([&[0][..], &step(0, frame), &step(way, frame), &turns].concat());
    }
    for options in [0, 1, 2, 4, 8, 0xf8] {
        let mut together = vec![options];
        for (number, frame) in all.iter().enumerate() {
            together.extend(step(number as u8 % 4, frame));
            together.push(turns[number % turns.len()]);
        }
        seeds.push(together);
    }
    seeds
}
