//! Fragments of several datagrams at a time, some of which contradict each other: what is whole has exactly the
//! octets that were sent.

use crate::frames;
use crate::reader::Reader;
use pollux_net::arrival::Arrival;
use pollux_net::reassembly::{Fragment, Outcome, Reassembly};
use pollux_net::time::{Instant, TickRate, Ticks};
use pollux_net::wire::ethernet::MacAddress;
use pollux_net::wire::ipv4::Ipv4Header;
use zerocopy::FromBytes;

/// How many datagrams can be on their way.
const DATAGRAMS: usize = 16;

/// The octet that stands at a place of the data of a datagram.
fn octet_of(datagram: usize, place: usize) -> u8 {
    (place * 7 + place / 256 + datagram * 13) as u8
}

/// Inserts the fragments that the octets describe.
pub fn reassembly(octets: &[u8]) {
    let mut reader = Reader(octets);
    let contexts = usize::from(reader.octet().unwrap_or(0) % 6);
    let rate = TickRate::from_hertz(1_000_000_000);
    let mut reassembly = Reassembly::new(contexts, rate);
    let mut lied = [false; DATAGRAMS];
    let mut now = Instant::from_ticks(1_000_000_000);
    while let Some(what) = reader.octet() {
        if what & 0xc0 == 0xc0 {
            now = now.after(Ticks(1 << (20 + (what & 31))));
            while let Some(expired) = reassembly.expire(now) {
                let zero = expired.fragment_zero.map(|zero| zero.octets.to_vec());
                assert!(zero.is_none_or(|octets| octets.len() >= 20));
            }
            continue;
        }
        let (datagram, has_more, lies) = (usize::from(what & 15), what & 16 != 0, what & 32 != 0);
        let Some(place) = reader.pair() else { break };
        let Some(length) = reader.pair() else { break };
        let (offset, length) = (usize::from(place & 0x1fff) * 8, usize::from(length % 1481));
        let option_words = usize::from(place >> 13);
        lied[datagram] |= lies;
        let payload =
            (offset..offset + length).map(|place| octet_of(datagram, place) ^ u8::from(lies));
        let payload: Vec<u8> = payload.collect();
        let field = (place & 0x1fff) | u16::from(has_more) << 13;
        let mut header = frames::datagram(17, field, &[]);
        header[0] += option_words as u8;
        header[5] = datagram as u8 & 7;
        let total_length = (20 + 4 * option_words + length) as u16;
        header[2..4].copy_from_slice(&total_length.to_be_bytes());
        let options = [1; 28];
        let tag_control = (datagram & 8 != 0).then_some(42);
        let station = MacAddress(frames::PEER_MAC);
        let (header, _) = Ipv4Header::read_from_prefix(&header).expect("20 octets");
        let fragment = Fragment {
            arrival: Arrival::new(MacAddress(frames::OWN_MAC), station, tag_control, now),
            header: &header,
            options: &options[..4 * option_words],
            payload: &payload,
        };
        if let Ok(Outcome::Complete(whole)) = reassembly.insert(&fragment) {
            check(whole.datagram(), datagram, lied[datagram]);
        }
        assert!(reassembly.waiting() <= contexts);
    }
}

/// Checks a datagram that was put together.
fn check(octets: &[u8], datagram: usize, lied: bool) {
    let header_length = usize::from(octets[0] & 15) * 4;
    assert_eq!(frames::checksum(&octets[..header_length]), [0, 0]);
    let total_length = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
    assert_eq!(total_length, octets.len());
    assert_eq!(octets[6..8], [0, 0], "neither flags nor an offset");
    let data = &octets[header_length..];
    for (place, &octet) in data.iter().enumerate() {
        let expected = octet_of(datagram, place);
        assert!(
            octet == expected || (lied && octet == expected ^ 1),
            "octet {place}"
        );
    }
}

/// Datagrams in order, out of order, with gaps, repeated, and with contradictions.
pub fn seeds() -> Vec<Vec<u8>> {
    let fragment = |datagram: u8, flags: u8, place: u16, length: u16| {
        let mut octets = vec![datagram | flags];
        octets.extend(place.to_le_bytes());
        octets.extend(length.to_le_bytes());
        octets
    };
    let first = fragment(1, 16, 0, 1480);
    let middle = fragment(1, 16, 185, 1480);
    let last = fragment(1, 0, 370, 99);
    let mut seeds = Vec::new();
    for parts in [
        vec![&first, &middle, &last],
        vec![&last, &first, &middle],
        vec![&middle, &middle, &first, &last],
        vec![&first, &last],
    ] {
        let all = parts.into_iter().flatten().copied();
        seeds.push([4].into_iter().chain(all).chain([0xff, 0xdf]).collect());
    }
    let lie = fragment(1, 16 | 32, 185, 1480);
    let overlap = fragment(1, 16, 184, 1480);
    let other_vlan = fragment(9, 16, 0, 1480);
    for contradiction in [&lie, &overlap, &other_vlan] {
        seeds.push([&[4][..], &first, contradiction, &middle, &last].concat());
    }
    seeds.push(
        [
            &[5][..],
            &fragment(2, 0, 0x1fff, 1480),
            &fragment(3, 16, 0xe000, 8),
        ]
        .concat(),
    );
    seeds
}
