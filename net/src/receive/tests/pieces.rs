//! Frames with another tag, and frames in pieces: what the tests of the planes, of fragments and of what is
//! sent share. Pieces that came out are put together by another's library.

use super::*;
use crate::fragmentation::Fragments;
use etherparse::defrag::IpDefragPool;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket};

/// Octets that are no two times the same in a row.
pub(crate) fn counting(length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| (place * 7 + place / 256) as u8)
        .collect()
}

/// Where in a frame its EtherType ends, the one behind its tag if it has one.
pub(crate) fn front_length(frame: &[u8]) -> usize {
    match frame[at::TAG_PROTOCOL..at::TAG_CONTROL] {
        [0x81, 0] => at::IPV4,
        _ => at::IPV4 - 4,
    }
}

/// A frame with this tag, or with none, instead of its own.
pub(crate) fn retagged(frame: &[u8], tag_control: Option<u16>) -> Vec<u8> {
    let (front, payload) = frame.split_at(front_length(frame));
    let mut retagged = front[..at::TAG_PROTOCOL].to_vec();
    if let Some(control) = tag_control {
        retagged.extend([0x81, 0]);
        retagged.extend(control.to_be_bytes());
    }
    retagged.extend(&front[front.len() - 2..]);
    retagged.extend(payload);
    retagged
}

/// A UDP datagram from the peer to us in VLAN 42 with priority 5, as another's library makes it. It may be
/// longer than a frame.
pub(crate) fn udp_request(port: u16, data: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(PEER_MAC.0, OWN_MAC.0)
        .ipv4(PEER_IP.octets(), OWN_IP.octets(), 63)
        .udp(40_000, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, data).expect("fits");
    retagged(&frame, Some(0xa02a))
}

/// The frames in which the datagram of `frame` comes over a link with this MTU.
pub(crate) fn fragments_of(frame: &[u8], mtu: usize, identification: u16) -> Vec<Vec<u8>> {
    let (front, datagram) = frame.split_at(front_length(frame));
    let mut datagram = datagram.to_vec();
    // It may be fragmented.
    datagram[6] &= 0xbf;
    let fragments = Fragments::new(&datagram, mtu, identification);
    let mut fragments = fragments.expect("a datagram");
    let mut frames = Vec::new();
    let mut buffer = [0; 1500];
    while let Some(length) = fragments.write_next(&datagram, &mut buffer).expect("room") {
        frames.push([front, &buffer[..length]].concat());
    }
    frames
}

/// The frame that would have come if it could be as long as it needs: what the fragments in `frames` say, put
/// together by `etherparse`. Checks what all fragments of a datagram have in common.
pub(crate) fn put_together(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut pool = IpDefragPool::<(), ()>::new();
    let mut data = None;
    let first = frames.first().expect("fragments");
    let front = front_length(first);
    for (index, frame) in frames.iter().enumerate() {
        assert_eq!(frame[..front], first[..front], "one Ethernet header");
        assert_eq!(
            frame[front + 4..front + 6],
            first[front + 4..front + 6],
            "one identification"
        );
        let packet = SlicedPacket::from_ethernet(frame).expect("a fragment");
        let Some(NetSlice::Ipv4(ipv4)) = &packet.net else {
            panic!("no IPv4: {packet:?}");
        };
        let header = ipv4.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert!(!header.dont_fragment);
        assert_eq!(header.more_fragments, index + 1 < frames.len());
        let whole = pool.process_sliced_packet(&packet, (), ());
        let whole = whole.expect("a fragment that fits to the others");
        assert_eq!(whole.is_some(), index + 1 == frames.len());
        data = whole.map(|whole| whole.payload);
    }
    let data = data.expect("all fragments");
    let header_length = usize::from(first[front] & 15) * 4;
    let mut frame = first[..front + header_length].to_vec();
    let total_length = (header_length + data.len()) as u16;
    put(&mut frame, front + 2, &total_length.to_be_bytes());
    put(&mut frame, front + 6, &[0x40, 0]);
    checksum::tests::seal(&mut frame[front..], 10);
    frame.extend(data);
    frame
}

/// `frame` with the identification of `other`, which nobody can foretell, and its header's checksum right.
pub(crate) fn identified_like(frame: &[u8], other: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let front = front_length(&frame);
    put(&mut frame, front + 4, &other[front + 4..front + 6]);
    let header_length = usize::from(frame[front] & 15) * 4;
    checksum::tests::seal(&mut frame[front..front + header_length], 10);
    frame
}
