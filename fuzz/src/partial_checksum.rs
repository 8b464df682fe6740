//! Frames with partial checksums, at places that may be anything: where one is completed it is right, and nothing else of the
//! frame is written, ever.

use crate::frames;
use crate::reader::Reader;
use pollux_net::wire::partial_checksum::{Place, complete};

/// Completes the checksum that the octets describe: what is done with them, where it is, and the frame.
pub fn partial_checksum(octets: &[u8]) {
    let _ = try_complete(octets);
}

/// Whether it was completed; `None` where the octets are too few.
fn try_complete(octets: &[u8]) -> Option<bool> {
    let mut reader = Reader(octets);
    let what = reader.octet()?;
    let start = usize::from(reader.pair()?);
    let offset = usize::from(reader.pair()?);
    // Or as far away as a place can be.
    let place = Place {
        start: if what & 2 == 0 { start } else { !start },
        offset: if what & 4 == 0 { offset } else { !offset },
    };
    let mut frame = reader.0.to_vec();
    if what & 1 == 0 {
        let _ = begin(&mut frame, place);
    }
    let before = frame.clone();
    let completed = complete(&mut frame, place);
    if !completed {
        assert_eq!(frame, before, "neither completed nor left alone");
        return Some(false);
    }
    let field = place.start + place.offset;
    let checksum = field..field + 2;
    assert_ne!(frame[checksum.clone()], [0, 0], "means that there is none");
    // What stood there is the pseudo header's sum: with it, what is covered comes to all ones (RFC 1071 §1).
    let length = u16::from_be_bytes([frame[place.start + 4], frame[place.start + 5]]);
    let covered = &frame[place.start..place.start + usize::from(length)];
    let all = [&before[checksum.clone()], covered].concat();
    assert_eq!(frames::checksum(&all), [0, 0]);
    frame[checksum.clone()].copy_from_slice(&before[checksum]);
    assert_eq!(frame, before, "more than the checksum was written");
    Some(true)
}

/// Puts the sum of the pseudo header of the datagram at `place.start` to its place in UDP, so that what lies behind it is
/// reached; `None` where it does not fit.
fn begin(frame: &mut [u8], place: Place) -> Option<()> {
    let ipv4 = if frame.get(12..14)? == [0x81, 0] {
        18
    } else {
        14
    };
    let addresses = frame.get(ipv4 + 12..ipv4 + 20)?;
    let length = frame.get(place.start.checked_add(4)?..place.start.checked_add(6)?)?;
    let sum = frames::checksum(&[addresses, &[0, 17], length].concat());
    let field = frame.get_mut(place.start + 6..)?.first_chunk_mut()?;
    *field = sum.map(|octet| !octet);
    Some(())
}

/// Datagrams with and without a tag, with and without options and padding, and what is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |what: u8, start: u16, offset: u16, frame: &[u8]| {
        [
            &[what],
            &start.to_le_bytes()[..],
            &offset.to_le_bytes(),
            frame,
        ]
        .concat()
    };
    let mut seeds = Vec::new();
    for length in [0, 1, 18, 601] {
        let datagram = frames::datagram(17, 0, &frames::udp(7, &vec![0xa5; length]));
        // Two words of options.
        let mut options = [&datagram[..20], &[1; 8], &datagram[20..]].concat();
        options[0] += 2;
        let total_length = options.len() as u16;
        options[2..4].copy_from_slice(&total_length.to_be_bytes());
        for (datagram, start) in [(datagram, 34), (options, 42)] {
            let mut frame = frames::frame(0x0800, &datagram);
            frame.resize(frame.len().max(60), 0);
            seeds.push(seed(0, start, 6, &frame));
            frame.splice(12..12, [0x81, 0, 0xb0, 0x2a]);
            seeds.push(seed(0, start + 4, 6, &frame));
        }
    }
    let sound = seeds.clone();
    assert!(sound.iter().all(|seed| try_complete(seed) == Some(true)));
    for what in 1..7 {
        seeds.extend(sound.iter().map(|seed| [&[what], &seed[1..]].concat()));
    }
    let tcp = frames::frame(0x0800, &frames::datagram(6, 0, &[0; 40]));
    let fragment = frames::datagram(17, 0x2000, &frames::udp(7, &[0; 600]));
    seeds.push(seed(0, 34, 16, &tcp));
    seeds.push(seed(0, 34, 6, &frames::frame(0x0800, &fragment)));
    seeds.push(seed(0, 34, 6, &frames::frame(0x86dd, &[0; 60])));
    seeds
}
