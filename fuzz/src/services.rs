//! UDP services, behind a right checksum: who is answered, and with how much.

use crate::frames::{self, OWN_IP, PEER_IP};
use crate::reader::Reader;
use pollux_net::arrival::Arrival;
use pollux_net::device::TransportChecksum;
use pollux_net::services::discard::Discard;
use pollux_net::services::echo::Echo;
use pollux_net::services::sink::Sink;
use pollux_net::services::stamp::Stamp;
use pollux_net::time::{Instant, TickRate, Ticks};
use pollux_net::udp::{Envelope, Services, UdpService};
use pollux_net::wire::ethernet::MacAddress;

const RATE: TickRate = TickRate::from_hertz(1_000_000_000);
const PORTS: [u16; 6] = [7, 9, 862, 42042, 59059, 4711];
/// The port of the one service that may answer with more than it was asked.
const STAMP: u16 = 862;

fn all() -> Services {
    let mut services = Services::new(RATE);
    let stamp = Stamp::new(|| Instant::from_ticks(99), RATE, false);
    let every: [(u16, Box<dyn UdpService>); 5] = [
        (7, Box::new(Echo::new())),
        (9, Box::new(Discard)),
        (STAMP, Box::new(stamp)),
        (42042, Box::new(Sink::new())),
        (59059, Box::new(Echo::for_latmus())),
    ];
    for (port, service) in every {
        services.register(None, port, service).expect("is free");
    }
    services
}

/// Hands the datagrams that the octets describe to the services.
pub fn services(octets: &[u8]) {
    let mut services = all();
    let mut reader = Reader(octets);
    let mut now = Instant::from_ticks(1_000_000_000);
    while serve(&mut services, &mut reader, &mut now).is_some() {}
}

fn serve(services: &mut Services, reader: &mut Reader<'_>, now: &mut Instant) -> Option<()> {
    let what = reader.octet()?;
    let (source_port, length) = (reader.pair()?, usize::from(reader.pair()? % 2048));
    let data = reader.up_to(length);
    let port = PORTS[usize::from(what & 7) % PORTS.len()];
    *now = now.after(Ticks(1 << (what & 31)));
    let is_group = what & 64 != 0;
    let link = if what & 32 != 0 {
        [0xff; 6]
    } else {
        frames::OWN_MAC
    };
    let arrival = Arrival::new(
        MacAddress(link),
        MacAddress(frames::PEER_MAC),
        Some(42),
        *now,
    );
    let envelope = Envelope {
        source: PEER_IP.into(),
        destination: OWN_IP.into(),
        is_group,
        time_to_live: data.first().copied().unwrap_or(64),
        arrival: &arrival,
        checksum: TransportChecksum::Unverified,
        can_answer: what & 128 == 0,
    };
    let mut request = frames::udp(port, data);
    request[..2].copy_from_slice(&source_port.to_be_bytes());
    let mut datagram = frames::datagram(17, 0, &request);
    let mut room = datagram.split_off(20);
    room.resize(request.len() + usize::from(what & 3) * 30, 0xee);
    let before = room.clone();
    let Ok(answer) = services.answer(&envelope, &mut room, request.len()) else {
        return Some(());
    };
    assert!(
        envelope.can_answer && !is_group && what & 32 == 0,
        "who may be answered"
    );
    assert!(answer.length <= room.len() && answer.maximum_time_to_live > 0);
    assert!(answer.length <= request.len() || (port == STAMP && answer.length <= 8 + 44));
    assert_eq!(
        room[..4],
        [&before[2..4], &before[..2]].concat(),
        "the ports, turned around"
    );
    let pseudo = [
        &OWN_IP[..],
        &PEER_IP,
        &[0, 17],
        &(answer.length as u16).to_be_bytes(),
    ]
    .concat();
    let octets = [&pseudo, &room[..answer.length]].concat();
    assert_eq!(frames::checksum(&octets), [0, 0]);
    Some(())
}

/// A datagram for each service, of several lengths, from several ports.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    for what in 0..6_u8 {
        for (source_port, length) in [
            (40_000_u16, 44_u16),
            (0, 10),
            (7, 10),
            (862, 14),
            (40_000, 1472),
        ] {
            let mut seed = vec![what];
            seed.extend(source_port.to_le_bytes());
            seed.extend(length.to_le_bytes());
            seed.extend((0..length).map(|place| place as u8 | 64));
            seeds.push(seed);
        }
    }
    let together = seeds.concat();
    seeds.push(together);
    seeds
}
