//! Partial checksums, which a sender leaves to whoever puts its frame on a wire.
//!
//! A frame from one guest of a hypervisor to another, or from the hypervisor's own system, never is on a wire. In the place of
//! its checksum stands the sum of the pseudo header, and beside the frame where begins what is still to be added
//! (virtio 1.2 §5.1.6.2, §5.1.6.4). [`complete`] makes of it what would have been on the wire, so that nobody behind it need
//! know: not who verifies it, nor who captures it, filters it or quotes it in an ICMP error (RFC 792: the first eight octets of
//! the data, in which it stands).

use super::ethernet::{EtherType, EthernetHeader};
use super::ipv4::{self, Ipv4Header, Protocol};
use super::udp::{self, UdpHeader};
use super::vlan::TaggedHeader;
use zerocopy::FromBytes;

/// Where a partial checksum is in a frame, as a device says. It may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where begins what is to be added up: octets from the start of the frame.
    pub start: usize,
    /// Where the checksum stands: octets from there.
    pub offset: usize,
}

/// Completes the checksum at `place`, if that is where `frame`, with a VLAN tag or without, has the checksum of a whole
/// UDP datagram over IPv4, and the sum of its pseudo header stands there. Returns whether it did: the checksum is
/// then right. Anything else is left as it is.
#[must_use]
pub fn complete(frame: &mut [u8], place: Place) -> bool {
    try_complete(frame, place).is_some()
}

fn try_complete(frame: &mut [u8], place: Place) -> Option<()> {
    let front_length = front_length(frame)?;
    let packet = frame.get_mut(front_length..)?;
    let (header, _) = Ipv4Header::ref_from_prefix(packet).ok()?;
    let (start, end) = (header.header_length(), header.total_length());
    let (source, destination) = (header.source(), header.destination());
    let is_udp = header.version() == 4
        && start >= ipv4::HEADER_LENGTH
        && !header.is_fragment()
        && header.protocol() == Protocol::UDP;
    let is_meant = place.start.checked_sub(front_length) == Some(start)
        && place.offset == udp::CHECKSUM_OFFSET;
    if !(is_udp && is_meant) {
        return None;
    }
    let datagram = packet.get_mut(start..end)?;
    let (header, _) = UdpHeader::ref_from_prefix(datagram).ok()?;
    let is_partial =
        header.length() == datagram.len() && header.is_checksum_partial(source, destination);
    if !is_partial {
        return None;
    }
    let (from, to) = (header.source_port(), header.destination_port());
    udp::write_header(datagram, (source, from), (destination, to))
}

/// Octets in front of the IPv4 header of a frame that has one.
fn front_length(frame: &[u8]) -> Option<usize> {
    let (header, _) = TaggedHeader::ref_from_prefix(frame).ok()?;
    match (header.tag_protocol(), header.ether_type()) {
        (EtherType::IPV4, _) => Some(size_of::<EthernetHeader>()),
        (EtherType::VLAN, EtherType::IPV4) => Some(size_of::<TaggedHeader>()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::super::checksum::tests::{by_definition, seal};
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const OFFSET: usize = 6;

    /// A frame from 10.10.10.10:40000 to 10.10.10.11:7 with these data, in VLAN 42 or in none, with so many words of options,
    /// and where its UDP header begins. The checksum's place holds the sum of the pseudo header.
    fn frame(data: &[u8], is_tagged: bool, options: u8) -> (Vec<u8>, usize) {
        let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
        if is_tagged {
            frame.extend([0x81, 0, 0, 42]);
        }
        frame.extend([8, 0]);
        let length = 8 + data.len();
        let total = (20 + 4 * usize::from(options) + length) as u16;
        let mut header = std::vec![0x45 + options, 0];
        header.extend(total.to_be_bytes());
        header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        header.extend([10, 10, 10, 10, 10, 10, 10, 11]);
        header.resize(20 + 4 * usize::from(options), 1);
        seal(&mut header, 10);
        frame.extend(header);
        let start = frame.len();
        let [high, low] = (length as u16).to_be_bytes();
        let pseudo = [10, 10, 10, 10, 10, 10, 10, 11, 0, 17, high, low];
        let sum = by_definition(&pseudo).map(|octet| !octet);
        frame.extend([0x9c, 0x40, 0, 7, high, low]);
        frame.extend(sum);
        frame.extend(data);
        (frame, start)
    }

    fn place(start: usize) -> Place {
        Place {
            start,
            offset: OFFSET,
        }
    }

    #[test]
    fn a_known_datagram_gets_the_checksum_that_it_has_on_a_wire() {
        let (mut partial, start) = frame(b"hello", true, 0);
        assert_eq!(start, 38);
        assert_eq!(partial[start + 6..start + 8], [0x28, 0x47]);
        assert!(complete(&mut partial, place(start)));
        assert_eq!(partial[start + 6..start + 8], [0xf7, 0x91]);
    }

    #[test]
    fn what_is_not_the_place_of_udps_checksum_is_left_alone() {
        let (sound, start) = frame(b"datagram", true, 0);
        for other in 0..sound.len() + 4 {
            for offset in [0, 4, 6, 8, 16, usize::MAX] {
                let mut frame = sound.clone();
                let place = Place {
                    start: other,
                    offset,
                };
                let is_right = other == start && offset == OFFSET;
                assert_eq!(complete(&mut frame, place), is_right, "{place:?}");
                assert_eq!(frame != sound, is_right, "{place:?}");
            }
        }
    }

    #[test]
    fn what_is_not_a_whole_udp_datagram_with_a_partial_checksum_is_left_alone() {
        let (sound, start) = frame(b"datagram", true, 0);
        let ip = start - 20;
        for (name, at, octet) in [
            ("another tag", 12, 0x88),
            ("not IPv4", 17, 6),
            ("another version", ip, 0x65),
            ("a header too short", ip, 0x44),
            ("a header of another length", ip, 0x46),
            ("longer than the frame", ip + 3, 0xff),
            ("shorter than what UDP says", ip + 3, 35),
            ("the first of several pieces", ip + 6, 0x20),
            ("the last of several pieces", ip + 7, 1),
            ("TCP", ip + 9, 6),
            ("from another host", ip + 15, 99),
            ("a UDP length that is not all of it", start + 5, 15),
            ("a checksum that is not partial", start + 7, 0),
        ] {
            let mut frame = sound.clone();
            assert_ne!(frame[at], octet, "{name}");
            frame[at] = octet;
            let before = frame.clone();
            assert!(!complete(&mut frame, place(start)), "{name}");
            assert_eq!(frame, before, "{name}");
        }
        for length in 0..sound.len() {
            let mut frame = sound[..length].to_vec();
            assert!(!complete(&mut frame, place(start)), "{length} octets");
            assert_eq!(frame, sound[..length]);
        }
    }

    proptest! {
        #[test]
        fn of_any_data_in_any_frame_the_checksum_becomes_right_and_nothing_else_changes(
            data in prop::collection::vec(any::<u8>(), 0..1472),
            is_tagged in any::<bool>(),
            options in 0..=10_u8,
            padding in 0..20_usize,
        ) {
            let (mut expected, start) = frame(&data, is_tagged, options);
            let end = expected.len();
            expected.resize(end + padding, 0xa5);
            let mut completed = expected.clone();
            prop_assert!(complete(&mut completed, place(start)));
            let [high, low] = ((end - start) as u16).to_be_bytes();
            let mut covered = std::vec![10, 10, 10, 10, 10, 10, 10, 11, 0, 17, high, low];
            expected[start + 6..start + 8].fill(0);
            covered.extend(&expected[start..end]);
            let checksum = match by_definition(&covered) {
                [0, 0] => [0xff, 0xff],
                checksum => checksum,
            };
            expected[start + 6..start + 8].copy_from_slice(&checksum);
            prop_assert_eq!(&completed, &expected);
        }

        #[test]
        fn of_anything_at_all_two_octets_at_most_are_written(
            mut frame in prop::collection::vec(any::<u8>(), 0..200),
            start in 0..300_usize,
            offset in 0..300_usize,
        ) {
            if let Some(front) = frame.get_mut(12..20) {
                front.copy_from_slice(&[0x81, 0, 0, 42, 8, 0, 0x45, 0]);
            }
            let before = frame.clone();
            let completed = complete(&mut frame, Place { start, offset });
            let written = (0..frame.len()).filter(|&at| frame[at] != before[at]).count();
            let most = if completed { 2 } else { 0 };
            prop_assert!(written <= most, "{} octets", written);
        }
    }
}
