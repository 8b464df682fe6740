//! For every reason, frames that meet it and nothing else.

use super::arp::ARP_REQUEST;
use super::*;
use crate::udp::Unanswered;

/// What is done to a sound request, so that it is not answered for that reason.
type Spoil = fn(&mut Delivery);

/// Made from [`ECHO_REQUEST`].
#[rustfmt::skip]
const ECHOES: &[(Reason, &str, Spoil)] = &[
    (Reason::DeviceError, "the device reported an error", |frame| frame.damage = Some(Damage::Reported)),
    (Reason::DeviceError, "the device gave a length that cannot be", |frame| frame.damage = Some(Damage::ImpossibleLength)),
    (Reason::DeviceError, "an error that was reported comes before all that the octets say", |frame| {
        frame.damage = Some(Damage::Reported);
        frame.resize(0);
    }),
    (Reason::Oversized, "the frame did not fit in one buffer", |frame| frame.damage = Some(Damage::Oversized)),
    (Reason::Oversized, "the frame is one octet too long", |frame| frame.resize(1519)),
    (Reason::Oversized, "the length is one octet beyond the buffer", |frame| frame.length = BUFFER_SIZE + 1),
    (Reason::Oversized, "the length is the largest that there is", |frame| frame.length = usize::MAX),
    (Reason::Runt, "the frame is empty", |frame| frame.resize(0)),
    (Reason::Runt, "the frame ends before its type", |frame| frame.resize(13)),
    (Reason::Runt, "the frame ends within its tag", |frame| frame.resize(17)),
    (Reason::ForeignDestination, "the frame is for another station", |frame| frame.put(at::DESTINATION_MAC, &[0x02, 0, 0, 0, 0, 1])),
    (Reason::ForeignDestination, "the frame is for our address but for its last bit", |frame| frame.octets[5] ^= 1),
    (Reason::ForeignDestination, "the frame is for a group", |frame| frame.put(at::DESTINATION_MAC, &[0x01, 0, 0x5e, 0, 0, 1])),
    (Reason::InvalidSource, "the frame comes from all stations", |frame| frame.put(at::SOURCE_MAC, &[0xff; 6])),
    (Reason::InvalidSource, "the frame comes from a group", |frame| frame.put(at::SOURCE_MAC, &[0x03])),
    (Reason::InvalidSource, "the frame comes from station zero", |frame| frame.put(at::SOURCE_MAC, &[0; 6])),
    (Reason::InvalidSource, "the frame comes from ourselves", |frame| frame.put(at::SOURCE_MAC, &OWN_MAC.0)),
    (Reason::Untagged, "there is no tag", |frame| { frame.octets.drain(at::TAG_PROTOCOL..at::ETHER_TYPE); frame.resize(60); }),
    (Reason::Untagged, "there is no tag, and no room for one", |frame| { frame.put(at::TAG_PROTOCOL, &[0x08, 0x00]); frame.resize(17); }),
    (Reason::Untagged, "there is a length", |frame| frame.put(at::TAG_PROTOCOL, &[0x00, 0x2e])),
    (Reason::PriorityTagged, "the tag has a priority but no VLAN", |frame| frame.put(at::TAG_CONTROL, &[0xe0, 0x00])),
    (Reason::ReservedVlan, "the tag has the reserved VLAN", |frame| frame.put(at::TAG_CONTROL, &[0xff, 0xff])),
    (Reason::ServiceTag, "the tag is a service tag", |frame| frame.put(at::TAG_PROTOCOL, &[0x88, 0xa8])),
    (Reason::ServiceTag, "the tag is an old stacked tag", |frame| frame.put(at::TAG_PROTOCOL, &[0x91, 0x00])),
    (Reason::VlanNotInFilter, "the VLAN is not in the filter and has no device", |frame| frame.put(at::TAG_CONTROL, &[0x00, 41])),
    (Reason::DeviceDown, "the device of the VLAN is down", |frame| frame.put(at::TAG_CONTROL, &[0x00, 46])),
    (Reason::InBandQueueFull, "the VLAN is in-band and nothing more can wait", |frame| frame.put(at::TAG_CONTROL, &[0x00, 45])),
    (Reason::VlanNotInFilter, "the VLAN differs in its highest bit alone", |frame| frame.put(at::TAG_CONTROL, &[0x08, 42])),
    (Reason::VlanWithoutDevice, "the VLAN is in the filter but has no device", |frame| frame.put(at::TAG_CONTROL, &[0x00, 43])),
    (Reason::StackedTag, "a second customer tag follows", |frame| frame.put(at::ETHER_TYPE, &[0x81, 0x00])),
    (Reason::StackedTag, "a service tag follows", |frame| frame.put(at::ETHER_TYPE, &[0x88, 0xa8])),
    (Reason::LengthField, "the smallest length follows", |frame| frame.put(at::ETHER_TYPE, &[0x00, 0x00])),
    (Reason::LengthField, "the largest number that is no type follows", |frame| frame.put(at::ETHER_TYPE, &[0x05, 0xff])),
    (Reason::UnknownEtherType, "the smallest type follows", |frame| frame.put(at::ETHER_TYPE, &[0x06, 0x00])),
    (Reason::UnknownEtherType, "IPv6 follows", |frame| frame.put(at::ETHER_TYPE, &[0x86, 0xdd])),
    (Reason::Ipv4Truncated, "nothing follows the tag", |frame| frame.resize(at::IPV4)),
    (Reason::Ipv4Truncated, "one octet of the header is missing", |frame| frame.resize(at::ICMP - 1)),
    (Reason::Ipv4Truncated, "the header says that it is longer than the frame", |frame| { frame.octets[at::IPV4] = 0x4f; frame.resize(at::IPV4 + 59); }),
    (Reason::Ipv4Checksum, "the header's checksum is off by one", |frame| frame.octets[at::IPV4_CHECKSUM + 1] ^= 1),
    (Reason::Ipv4Checksum, "the header is all zeros", |frame| frame.put(at::IPV4, &[0; 20])),
    (Reason::Ipv4Checksum, "the checksum of a header with options is off by one", |frame| {
        *frame = Delivery::of(&echo_request(&[1; 4], b""));
        frame.octets[at::IPV4_CHECKSUM] ^= 1;
    }),
    (Reason::Ipv4Version, "the version is 6", |frame| sealed(frame, at::IPV4, &[0x65])),
    (Reason::Ipv4HeaderLength, "the header is shorter than a header", |frame| sealed(frame, at::IPV4, &[0x44])),
    (Reason::Ipv4HeaderLength, "the header is too short and the datagram too long", |frame| {
        frame.put(at::TOTAL_LENGTH, &[0xff, 0xff]);
        sealed(frame, at::IPV4, &[0x40]);
    }),
    (Reason::Ipv4TotalLength, "the datagram is shorter than its header", |frame| sealed(frame, at::TOTAL_LENGTH, &[0, 19])),
    (Reason::Ipv4TotalLength, "the datagram is one octet longer than the frame", |frame| sealed(frame, at::TOTAL_LENGTH, &[0, 43])),
    (Reason::Ipv4Source, "the source is loopback", |frame| sealed(frame, at::SOURCE_IP, &[127, 0, 0, 1])),
    (Reason::Ipv4Source, "the source is ourselves", |frame| sealed(frame, at::SOURCE_IP, &OWN_IP.octets())),
    (Reason::LinkBroadcast, "all stations got what is for us", |frame| frame.put(at::DESTINATION_MAC, &[0xff; 6])),
    (Reason::LinkBroadcast, "all stations got what is for another host", |frame| {
        frame.put(at::DESTINATION_MAC, &[0xff; 6]);
        sealed(frame, at::DESTINATION_IP, &[10, 10, 10, 12]);
    }),
    (Reason::Ipv4Destination, "the datagram is for another host", |frame| sealed(frame, at::DESTINATION_IP, &[10, 10, 10, 12])),
    (Reason::Ipv4Destination, "the datagram is for our address in another VLAN", |frame| sealed(frame, at::DESTINATION_IP, &OTHER_OWN_IP.octets())),
    (Reason::Ipv4Options, "an option stands still", |frame| *frame = Delivery::of(&echo_request(&[7, 0, 0, 0], b""))),
    (Reason::Ipv4SourceRoute, "there is a loose source route", |frame| *frame = Delivery::of(&echo_request(&[131, 3, 4, 0], b""))),
    (Reason::FragmentTaken, "more fragments follow", |frame| sealed(frame, at::FRAGMENT, &[0x20, 0])),
    (Reason::FragmentDuplicate, "the same fragment comes again", |frame| sealed(frame, at::FRAGMENT, &[0x20, 0])),
    (Reason::FragmentOverlap, "it comes again with other data", |frame| {
        frame.octets[at::DATA] ^= 0x80;
        sealed(frame, at::FRAGMENT, &[0x20, 0]);
    }),
    (Reason::FragmentTaken, "the datagram is the rest of another", |frame| {
        frame.put(at::IDENTIFICATION, &[0x77, 0x77]);
        sealed(frame, at::FRAGMENT, &[0, 1]);
    }),
    (Reason::FragmentInvalid, "a fragment in the middle has an uneven length", |frame| {
        sealed(frame, at::TOTAL_LENGTH, &[0, 35]);
        sealed(frame, at::FRAGMENT, &[0x20, 2]);
    }),
    (Reason::Ipv4Protocol, "the protocol is TCP", |frame| sealed(frame, at::PROTOCOL, &[6])),
    (Reason::IcmpTruncated, "one octet of the ICMP header is missing", |frame| sealed(frame, at::TOTAL_LENGTH, &[0, 27])),
    (Reason::IcmpChecksum, "a bit of the data was flipped", |frame| frame.octets[at::DATA] ^= 0x80),
    (Reason::IcmpChecksum, "the message is all zeros", |frame| frame.put(at::ICMP, &[0; 16])),
    (Reason::IcmpType, "the message is an echo reply", |frame| sealed(frame, at::ICMP, &[0])),
    (Reason::IcmpEchoToGroup, "the request is for all hosts of the network", |frame| sealed(frame, at::DESTINATION_IP, &[10, 10, 10, 255])),
    (Reason::NoTransmitSlot, "there is no room to answer a ping", |frame| frame.can_answer = false),
];

/// Made from [`ARP_REQUEST`].
#[rustfmt::skip]
const ARPS: &[(Reason, &str, Spoil)] = &[
    (Reason::ArpMalformed, "one octet is missing", |frame| frame.resize(at::ARP + 27)),
    (Reason::ArpMalformed, "the operation is unknown", |frame| frame.put(at::ARP_OPERATION, &[0, 3])),
    (Reason::ArpInvalidSender, "the sender is a broadcast address", |frame| frame.put(at::ARP_SENDER_IP, &[10, 10, 10, 255])),
    (Reason::ArpConflict, "the sender claims our address", |frame| frame.put(at::ARP_SENDER_IP, &OWN_IP.octets())),
    (Reason::ArpNotForUs, "the request is about another host", |frame| frame.put(at::ARP_TARGET_IP, &[10, 10, 10, 12])),
    (Reason::ArpReplyTaken, "the packet is a reply to us", |frame| frame.put(at::ARP_OPERATION, &[0, 2])),
    (Reason::NoTransmitSlot, "there is no room to answer a request", |frame| frame.can_answer = false),
];

/// Changes a field that a checksum covers, and makes the checksums right again.
fn sealed(frame: &mut Delivery, place: usize, octets: &[u8]) {
    frame.put(place, octets);
    seal(&mut frame.octets);
}

#[test]
fn every_reason_is_counted_for_the_frames_that_meet_it_and_for_no_others() {
    let mut card = appliance();
    for (base, cases) in [(&ECHO_REQUEST, ECHOES), (&ARP_REQUEST, ARPS)] {
        for &(reason, sentence, spoil) in cases {
            let mut frame = Delivery::of(base);
            spoil(&mut frame);
            assert_eq!(deliver(&mut card, &frame), Err(reason), "{sentence}");
        }
    }
    assert_eq!(card.counters().answered(), 0);
}

/// What is met by frames in tests of their own, because a card must be prepared for them.
const ELSEWHERE: [Reason; 7] = [
    Reason::Filtered,
    Reason::FragmentNoRoom,
    Reason::IcmpReplyTaken,
    Reason::EthernetConsumed,
    Reason::EthernetDeclined,
    Reason::EthernetToGroup,
    Reason::EthernetServiceFault,
];

#[test]
fn no_reason_is_without_a_frame_that_meets_it() {
    // The frames that meet those of UDP are in its own tests.
    let of_udp = Unanswered::ALL.map(Reason::from);
    for reason in Reason::ALL
        .into_iter()
        .filter(|reason| !of_udp.contains(reason) && !ELSEWHERE.contains(reason))
    {
        let mut cases = ECHOES.iter().chain(ARPS);
        assert!(cases.any(|&(met, _, _)| met == reason), "{reason:?}");
    }
}

#[test]
fn the_requests_that_were_spoiled_are_answered_when_they_are_not() {
    let mut card = appliance();
    send(&mut card, &ECHO_REQUEST).expect("an answer");
    send(&mut card, &ARP_REQUEST).expect("an answer");
}
