//! Services that send on their own: what goes out, where to, and why it does not. The frames are taken apart
//! by another's library.

use super::*;
use crate::receive::tests::pieces::{counting, put_together, udp_request};
use crate::udp::{Datagram, Policy, Response, UdpService};
use core::net::SocketAddrV4;
use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use std::boxed::Box;
use std::vec;

/// Where [`Teller`] is found.
const PORT: u16 = 7001;
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 10, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

/// Says what it is told to, when it has its turn; and back what was said to it.
#[derive(Default)]
pub(super) struct Teller {
    to_say: Vec<(Departure, Vec<u8>)>,
    /// What came of it.
    pub said: Vec<Result<(), SendError>>,
}

impl Teller {
    pub fn say(&mut self, departure: Departure, data: &[u8]) {
        self.to_say.push((departure, data.to_vec()));
    }
}

impl UdpService for Teller {
    fn name(&self) -> &'static str {
        "teller"
    }

    fn policy(&self) -> Policy {
        Policy::RESPONDER
    }

    fn receive(&mut self, datagram: Datagram<'_>) -> Response {
        self.say(datagram.return_path(), datagram.data());
        Response::Consumed
    }

    fn poll(&mut self, _now: Instant, sender: &mut dyn DatagramSender) {
        for (departure, data) in self.to_say.drain(..) {
            self.said.push(sender.send(&departure, &data));
        }
    }
}

/// The teller, registered if it is not.
pub(super) fn teller(station: &mut Station) -> &mut Teller {
    let services = station.card.services_mut();
    if services.get_mut::<Teller>(None, PORT).is_none() {
        let service = Box::new(Teller::default());
        services.register(None, PORT, service).expect("is free");
    }
    services.get_mut(None, PORT).expect("is registered")
}

/// To 10.10.10.10:40000 in VLAN 42 with priority 5.
pub(super) fn to_peer() -> Departure {
    Departure {
        vid: Some(42),
        priority: 5,
        source: None,
        source_port: PORT,
        destination: SocketAddrV4::new(PEER_IP, 40_000),
    }
}

/// A station that knows the peer in VLAN 42 and the gateway.
fn acquainted() -> Station {
    let mut station = station();
    let everywhere = Ipv4Cidr::new(Ipv4Addr::UNSPECIFIED, 0).expect("in range");
    station
        .card
        .add_route(everywhere, GATEWAY, None)
        .expect("a gateway");
    let gateway = MacAddress([2, 0, 0, 0, 0, 1]);
    for (mac, address) in [(PEER_MAC, PEER_IP), (gateway, GATEWAY)] {
        let now = station.now;
        let added = station.card.add_neighbor(42, address, mac, now);
        added.expect("there is room");
    }
    station
}

/// Has the teller say something, and returns what came of it and what was sent.
fn say(
    station: &mut Station,
    departure: Departure,
    data: &[u8],
) -> (Result<(), SendError>, Vec<Vec<u8>>) {
    teller(station).say(departure, data);
    let mut sent = station.send_all_due(2);
    sent.extend(station.send_large(usize::MAX));
    let outcome = teller(station).said.pop().expect("it had its turn");
    (outcome, sent)
}

/// Source, destination and data of a UDP datagram, all of whose checksums are right.
fn taken_apart(frame: &[u8]) -> (SocketAddrV4, SocketAddrV4, Vec<u8>) {
    let packet = PacketHeaders::from_ethernet_slice(frame).expect("a sound frame");
    let (Some(NetHeaders::Ipv4(ipv4, _)), Some(TransportHeader::Udp(udp))) =
        (&packet.net, &packet.transport)
    else {
        panic!("no UDP: {packet:?}");
    };
    assert_eq!(ipv4.header_checksum, ipv4.calc_header_checksum());
    assert_eq!(ipv4.time_to_live, 64);
    let data = packet.payload.slice();
    let checksum = udp.calc_checksum_ipv4(ipv4, data).expect("fits");
    assert_eq!(udp.checksum, checksum);
    (
        SocketAddrV4::new(ipv4.source.into(), udp.source_port),
        SocketAddrV4::new(ipv4.destination.into(), udp.destination_port),
        data.to_vec(),
    )
}

#[test]
fn what_a_service_says_goes_to_a_neighbor_with_its_tag_and_its_checksums() {
    let mut station = acquainted();
    for data in [&b""[..], b"1", b"some data", &counting(1472)] {
        let (outcome, sent) = say(&mut station, to_peer(), data);
        assert_eq!((outcome, sent.len()), (Ok(()), 1));
        let front = [&PEER_MAC.0[..], &OWN_MAC.0, &[0x81, 0, 0xa0, 42, 8, 0]].concat();
        assert_eq!(sent[0][..18], front);
        let (from, to) = (SocketAddrV4::new(OWN_IP, PORT), to_peer().destination);
        assert_eq!(taken_apart(&sent[0]), (from, to, data.to_vec()));
    }
}

#[test]
fn what_a_service_says_without_a_vlan_has_no_tag() {
    let mut station = acquainted();
    let peer = Ipv4Addr::new(192, 0, 2, 10);
    let now = station.now;
    let added = station.card.add_neighbor(0, peer, PEER_MAC, now);
    added.expect("there is room");
    let departure = Departure {
        vid: None,
        destination: SocketAddrV4::new(peer, 9),
        ..to_peer()
    };
    let (outcome, sent) = say(&mut station, departure, b"data");
    assert_eq!(outcome, Ok(()));
    assert_eq!(front_length(&sent[0]), 14);
    assert_eq!(
        taken_apart(&sent[0]).0,
        SocketAddrV4::new(UNTAGGED_IP, PORT)
    );
}

#[test]
fn what_is_for_far_away_goes_to_the_gateway_rfc_1122_section_3_3_1_1() {
    let mut station = acquainted();
    let far = SocketAddrV4::new(FAR, 53);
    let departure = Departure {
        destination: far,
        ..to_peer()
    };
    let (outcome, sent) = say(&mut station, departure, b"data");
    assert_eq!(outcome, Ok(()));
    assert_eq!(sent[0][..6], [2, 0, 0, 0, 0, 1]);
    assert_eq!(taken_apart(&sent[0]).1, far);
    station.card.remove_neighbor(42, GATEWAY);
    let (outcome, sent) = say(&mut station, departure, b"data");
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        sent,
        [question(42, OWN_IP, GATEWAY)],
        "it is the gateway that is asked for"
    );
}

#[test]
fn an_answer_that_comes_later_goes_back_the_way_its_request_came() {
    for (vid, own, tag_control) in [
        (42, OWN_IP, Some(0xa02a)),
        (45, IN_BAND_IP, Some(0xe02d)),
        (0, UNTAGGED_IP, None),
    ] {
        let mut station = acquainted();
        let _ = teller(&mut station);
        let peer = Ipv4Addr::from_bits(own.to_bits() - 1);
        let mut request = udp_request(PORT, b"later, please");
        request[30..34].copy_from_slice(&peer.octets());
        request[34..38].copy_from_slice(&own.octets());
        crate::wire::checksum::tests::seal(&mut request[18..38], 10);
        // Without a checksum of its own.
        request[44..46].fill(0);
        let now = station.now;
        let added = station.card.add_neighbor(vid, peer, PEER_MAC, now);
        added.expect("there is room");
        assert_eq!(station.exchange(&retagged(&request, tag_control)), [[]; 0]);
        let sent = station.send_all_due(2);
        assert_eq!(sent.len(), 1);
        let front = front_length(&sent[0]);
        assert_eq!(
            sent[0][12..front],
            retagged(&request, tag_control)[12..front]
        );
        let (from, to) = (
            SocketAddrV4::new(own, PORT),
            SocketAddrV4::new(peer, 40_000),
        );
        assert_eq!(taken_apart(&sent[0]), (from, to, b"later, please".to_vec()));
    }
}

#[test]
fn what_is_longer_than_a_frame_goes_out_in_fragments_up_to_the_longest_datagram() {
    let mut station = acquainted();
    for length in [1473, 3000, 65_507] {
        let data = counting(length);
        let (outcome, sent) = say(&mut station, to_peer(), &data);
        assert_eq!(outcome, Ok(()));
        assert_eq!(sent.len(), (length + 8).div_ceil(1480));
        let whole = put_together(&sent);
        assert_eq!(whole[..6], PEER_MAC.0);
        assert!(taken_apart(&whole).2 == data);
    }
    let (outcome, sent) = say(&mut station, to_peer(), &counting(65_508));
    assert_eq!((outcome, sent), (Err(SendError::TooLong), vec![]));
}

#[test]
fn a_datagram_is_as_long_as_the_mtu_at_most() {
    let mut station = acquainted();
    station.card.set_mtu(42, 576).expect("in range");
    for (length, pieces) in [(548, 1), (549, 2)] {
        // The station checks what is sent against the MTU.
        let (outcome, sent) = say(&mut station, to_peer(), &counting(length));
        assert_eq!((outcome, sent.len()), (Ok(()), pieces));
    }
}

#[test]
fn what_needs_fragments_does_not_wait_for_a_neighbor() {
    let mut station = acquainted();
    station.card.remove_neighbor(42, PEER_IP);
    let (outcome, sent) = say(&mut station, to_peer(), &counting(3000));
    assert_eq!(outcome, Err(SendError::Unresolved));
    assert_eq!(sent, [question(42, OWN_IP, PEER_IP)]);
    station.receive(&reply(42, (PEER_MAC, PEER_IP), OWN_IP));
    let (outcome, sent) = say(&mut station, to_peer(), &counting(3000));
    assert_eq!((outcome, sent.len()), (Ok(()), 3));
}

#[test]
fn what_cannot_be_sent_says_why_and_nothing_goes_out() {
    let source = |source| Departure {
        source: Some(source),
        ..to_peer()
    };
    let vid = |vid| Departure { vid, ..to_peer() };
    let to = |address: [u8; 4], port| Departure {
        destination: SocketAddrV4::new(address.into(), port),
        ..to_peer()
    };
    for (departure, error) in [
        (source(UNTAGGED_IP), SendError::NoSource),
        (source(PEER_IP), SendError::NoSource),
        (vid(Some(99)), SendError::NoRoute),
        (vid(Some(45)), SendError::NoRoute),
        (vid(None), SendError::NoRoute),
        (to([10, 10, 10, 255], 9), SendError::Destination),
        (to([224, 0, 0, 1], 9), SendError::Destination),
        (to([255, 255, 255, 255], 9), SendError::Destination),
        (to(PEER_IP.octets(), 0), SendError::Destination),
    ] {
        let mut station = acquainted();
        let outcome = say(&mut station, departure, b"data");
        assert_eq!(outcome, (Err(error), vec![]), "{departure:?}");
        let counters = station
            .card
            .services()
            .iter()
            .find(|entry| entry.name() == "teller");
        let counters = counters.expect("is registered").counters();
        assert_eq!((counters.sent, counters.unsent), (0, 1));
    }
    let right = say(&mut acquainted(), source(OWN_IP), b"data");
    assert_eq!((right.0, right.1.len()), (Ok(()), 1));
}

#[test]
fn nothing_is_sent_while_the_link_or_the_device_is_down_or_the_ring_full() {
    type Change = fn(&mut Station);
    let changes: [(Change, SendError); 4] = [
        (|station| station.set_link(false), SendError::NoTransmitSlot),
        (
            |station| station.device.slots = 0,
            SendError::NoTransmitSlot,
        ),
        (
            |station| station.card.set_up(42, false).expect("is there"),
            SendError::NoTransmitSlot,
        ),
        (
            |station| station.card.remove_address(42, OWN_IP).expect("is there"),
            SendError::NoRoute,
        ),
    ];
    for (change, error) in changes {
        let mut station = acquainted();
        change(&mut station);
        assert_eq!(say(&mut station, to_peer(), b"data"), (Err(error), vec![]));
    }
}

#[test]
fn each_service_has_its_turn() {
    let mut station = acquainted();
    for port in [7002, 7003] {
        let service = Box::new(Teller::default());
        let services = station.card.services_mut();
        services.register(None, port, service).expect("is free");
    }
    let _ = teller(&mut station);
    for port in [7001, 7002, 7003] {
        let services = station.card.services_mut();
        let one: &mut Teller = services.get_mut(None, port).expect("is there");
        one.say(
            Departure {
                source_port: port,
                ..to_peer()
            },
            b"turn",
        );
    }
    let sent = station.send_all_due(3);
    let mut ports: Vec<u16> = sent
        .iter()
        .map(|frame| taken_apart(frame).0.port())
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [7001, 7002, 7003]);
}
