extern crate std;
use super::*;
use crate::time::TickRate;
use crate::wire::checksum::tests::seal;
use etherparse::{Icmpv4Slice, Icmpv4Type, Ipv4Slice, icmpv4};
use proptest::prelude::*;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

const ASKER: [u8; 4] = [10, 10, 10, 10];
const OWN: [u8; 4] = [10, 10, 10, 11];

/// A datagram as a peer sends it.
#[derive(Clone)]
struct Asked {
    flags: [u8; 2],
    protocol: u8,
    source: [u8; 4],
    destination: [u8; 4],
    options: Vec<u8>,
    payload: Vec<u8>,
}

/// A UDP datagram to a port that nothing serves.
fn asked() -> Asked {
    Asked {
        flags: [0x40, 0],
        protocol: 17,
        source: ASKER,
        destination: OWN,
        options: Vec::new(),
        payload: vec![0x80, 0, 0x27, 0x0f, 0, 12, 0, 0, b'd', b'a', b't', b'a'],
    }
}

impl Asked {
    fn octets(&self) -> Vec<u8> {
        let header_length = 20 + self.options.len();
        let [high, low] = ((header_length + self.payload.len()) as u16).to_be_bytes();
        let version_and_length = 0x40 | (header_length / 4) as u8;
        let mut octets = vec![version_and_length, 0xb8, high, low, 0x12, 0x34];
        octets.extend(self.flags);
        octets.extend([7, self.protocol, 0, 0]);
        octets.extend(self.source);
        octets.extend(self.destination);
        octets.extend(&self.options);
        seal(&mut octets, 10);
        octets.extend(&self.payload);
        octets
    }

    /// Whether an error about it may be sent, on a device with the network 10.10.10.0/24.
    fn gate(&self) -> Result<(), Suppressed> {
        gate(&self.octets(), false)
    }
}

fn gate(octets: &[u8], link_broadcast: bool) -> Result<(), Suppressed> {
    may_answer_with_error(octets, link_broadcast, |address| {
        [[10, 10, 10, 0], [10, 10, 10, 255]].contains(&address.octets())
    })
}

#[test]
fn an_error_is_sent_about_a_sound_datagram_from_one_host_to_us() {
    assert_eq!(asked().gate(), Ok(()));
    let with_options = Asked {
        options: vec![7, 7, 4, 0, 0, 0, 0, 0],
        ..asked()
    };
    assert_eq!(with_options.gate(), Ok(()));
}

#[test]
fn an_error_is_sent_about_fragment_zero_rfc_1122_section_3_3_2() {
    let zero = Asked {
        flags: [0x20, 0],
        ..asked()
    };
    assert_eq!(zero.gate(), Ok(()));
}

#[test]
fn none_is_sent_about_a_later_fragment_rfc_1122_section_3_2_2() {
    for flags in [[0x20, 1], [0, 1], [0x1f, 0xff]] {
        let later = Asked { flags, ..asked() };
        assert_eq!(later.gate(), Err(Suppressed::LaterFragment), "{flags:x?}");
    }
}

#[test]
fn none_is_sent_about_an_icmp_error_nor_what_may_be_one_rfc_1122_section_3_2_2() {
    for message_type in [3, 4, 5, 11, 12, 1, 44, 255] {
        let error = Asked {
            protocol: 1,
            payload: vec![message_type, 0, 0, 0, 0, 0, 0, 0],
            ..asked()
        };
        let refusal = Err(Suppressed::AboutIcmpError);
        assert_eq!(error.gate(), refusal, "type {message_type}");
    }
    let nothing = Asked {
        protocol: 1,
        payload: Vec::new(),
        ..asked()
    };
    assert_eq!(nothing.gate(), Err(Suppressed::AboutIcmpError));
    // But about a request, such as one of whose fragments some are missing, it is.
    for message_type in [0, 8, 13] {
        let query = Asked {
            protocol: 1,
            flags: [0x20, 0],
            payload: vec![message_type, 0, 0, 0, 0, 0, 0, 0],
            ..asked()
        };
        assert_eq!(query.gate(), Ok(()), "type {message_type}");
    }
    // And what looks like a type in another protocol is none.
    let udp_from_port_769 = Asked {
        payload: vec![3, 1, 0, 7, 0, 8, 0, 0],
        ..asked()
    };
    assert_eq!(udp_from_port_769.gate(), Ok(()));
}

#[test]
fn none_is_sent_about_an_ip_broadcast_or_multicast_rfc_1122_section_3_2_2() {
    for destination in [
        [255, 255, 255, 255],
        [10, 10, 10, 255],
        [10, 10, 10, 0],
        [224, 0, 0, 1],
        [239, 255, 255, 255],
        [240, 0, 0, 1],
        [0, 0, 0, 0],
    ] {
        let to_many = Asked {
            destination,
            ..asked()
        };
        let refusal = Err(Suppressed::DestinationNotOneHost);
        assert_eq!(to_many.gate(), refusal, "{destination:?}");
    }
}

#[test]
fn none_is_sent_about_a_link_broadcast_or_multicast_rfc_1812_section_4_3_2_7() {
    assert_eq!(gate(&asked().octets(), true), Err(Suppressed::LinkGroup));
}

#[test]
fn none_is_sent_to_what_is_not_a_single_host_rfc_1122_section_3_2_2() {
    for source in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [10, 10, 10, 255],
        [10, 10, 10, 0],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let from_many = Asked { source, ..asked() };
        let refusal = Err(Suppressed::SourceNotOneHost);
        assert_eq!(from_many.gate(), refusal, "{source:?}");
    }
}

#[test]
fn none_is_sent_when_the_header_fails_validation_rfc_1812_section_4_3_2_7() {
    let sound = Asked {
        options: vec![148, 4, 0, 0],
        ..asked()
    }
    .octets();
    for length in 0..sound.len() {
        let refusal = Err(Suppressed::InvalidHeader);
        assert_eq!(gate(&sound[..length], false), refusal, "{length} octets");
    }
    for (what, place, octet) in [
        ("a version of 6", 0, 0x66),
        ("a header of 16 octets", 0, 0x44),
        ("a header of no octets", 0, 0x40),
        ("a total length below the header's", 3, 23),
    ] {
        let mut octets = sound.clone();
        octets[place] = octet;
        // The checksum is right for as many octets as the header says that it has.
        let covered = usize::from(octets[0] & 0x0f) * 4;
        if covered > 10 {
            seal(&mut octets[..covered], 10);
        }
        let refusal = Err(Suppressed::InvalidHeader);
        assert_eq!(gate(&octets, false), refusal, "{what}");
    }
    for place in 0..24 {
        let mut octets = sound.clone();
        octets[place] ^= 0x10;
        let refusal = Err(Suppressed::InvalidHeader);
        assert_eq!(gate(&octets, false), refusal, "octet {place} is damaged");
    }
}

#[test]
fn padding_behind_the_datagram_does_not_matter() {
    let mut octets = asked().octets();
    octets.extend([0xee; 14]);
    assert_eq!(gate(&octets, false), Ok(()));
}

#[test]
fn rates_are_kept_for_each_vlan_and_for_all_rfc_1812_section_4_3_2_8() {
    let rate = TickRate::from_hertz(1_000_000_000);
    let mut all = TokenBucket::new(Limit::new(1, 3), rate);
    let [mut one, mut other] = [2, 2].map(|burst| TokenBucket::new(Limit::new(1, burst), rate));
    let now = Instant::from_ticks(5_000_000_000);
    assert_eq!(may_send_now(&mut one, &mut all, now), Ok(()));
    assert_eq!(may_send_now(&mut one, &mut all, now), Ok(()));
    for _ in 0..5 {
        let limited = may_send_now(&mut one, &mut all, now);
        assert_eq!(limited, Err(Suppressed::VlanRate));
    }
    // The refused ones took nothing of what is left for the others.
    assert_eq!(may_send_now(&mut other, &mut all, now), Ok(()));
    let limited = may_send_now(&mut other, &mut all, now);
    assert_eq!(limited, Err(Suppressed::Rate));
    let later = Instant::from_ticks(6_000_000_000);
    assert_eq!(may_send_now(&mut one, &mut all, later), Ok(()));
    let limited = may_send_now(&mut other, &mut all, later);
    assert_eq!(limited, Err(Suppressed::Rate));
}

#[test]
fn the_limits_unless_told_otherwise_leave_room_for_several_vlans() {
    const { assert!(DEFAULT_VLAN_LIMIT.per_second * 4 <= DEFAULT_LIMIT.per_second) };
    const { assert!(DEFAULT_VLAN_LIMIT.burst * 2 <= DEFAULT_LIMIT.burst) };
}

/// What RFC 792 and RFC 1122 §3.2.2 want about [`asked`]: from whom it was for to whom it came from,
/// type of service 0, and the datagram as it came.
#[rustfmt::skip]
const PORT_UNREACHABLE: [u8; 60] = [
    0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 1, 0x12, 0x99, 10, 10, 10, 11, 10, 10, 10, 10,
    3, 3, 0x7d, 0x1e, 0, 0, 0, 0,
    0x45, 0xb8, 0, 32, 0x12, 0x34, 0x40, 0, 7, 17, 0x38, 0xb9, 10, 10, 10, 10, 10, 10, 10, 11,
    0x80, 0, 0x27, 0x0f, 0, 12, 0, 0, b'd', b'a', b't', b'a',
];

#[test]
fn a_message_is_written_in_place_and_elsewhere_octet_for_octet() {
    let octets = asked().octets();
    let mut frame = [0xee; 100];
    frame[..octets.len()].copy_from_slice(&octets);
    let length = compose_in_place(&mut frame, octets.len(), 1500, Problem::PortUnreachable);
    assert_eq!(length, Some(60));
    assert_eq!(frame[..60], PORT_UNREACHABLE);
    assert_eq!(frame[60..], [0xee; 40]);

    let mut buffer = [0xee; 100];
    let length = compose(&mut buffer, &octets, 1500, Problem::PortUnreachable);
    assert_eq!(length, Some(60));
    assert_eq!(buffer, frame);
}

#[test]
fn as_much_of_the_datagram_as_fits_in_576_octets_is_returned_rfc_1812_section_4_3_2_3() {
    for (payload, expected) in [(527, 575), (528, 576), (529, 576), (1480, 576)] {
        let octets = Asked {
            payload: vec![0x5a; payload],
            ..asked()
        }
        .octets();
        let mut frame = vec![0xee; 2030];
        frame[..octets.len()].copy_from_slice(&octets);
        let length = compose_in_place(&mut frame, octets.len(), 1500, Problem::ProtocolUnreachable);
        assert_eq!(length, Some(expected), "{payload} octets of data");
        assert_eq!(frame[28..expected], octets[..expected - 28]);
        let mut buffer = vec![0xee; 2030];
        let length = compose(&mut buffer, &octets, 1500, Problem::ProtocolUnreachable);
        assert_eq!(length, Some(expected));
        assert_eq!(buffer[..expected], frame[..expected]);
    }
}

#[test]
fn the_header_and_eight_octets_are_the_least_rfc_1122_section_3_2_2() {
    let octets = Asked {
        options: vec![1; 40],
        payload: vec![0x5a; 9],
        ..asked()
    }
    .octets();
    let least = 28 + 60 + 8;
    for (room, expected) in [
        (least - 1, None),
        (least, Some(least)),
        (least + 1, Some(97)),
    ] {
        let mut buffer = vec![0xee; room];
        let length = compose(&mut buffer, &octets, 1500, Problem::PortUnreachable);
        assert_eq!(length, expected, "room for {room} octets");
        let mut frame = vec![0xee; room];
        frame[..octets.len()].copy_from_slice(&octets);
        let before = frame.clone();
        let length = compose_in_place(&mut frame, octets.len(), 1500, Problem::PortUnreachable);
        assert_eq!(length, expected);
        if expected.is_none() {
            assert_eq!(buffer, vec![0xee; room]);
            assert_eq!(frame, before);
        }
    }
    // A datagram that has fewer is returned whole.
    let short = Asked {
        payload: vec![0x5a; 3],
        ..asked()
    }
    .octets();
    let mut buffer = [0; 51];
    let length = compose(&mut buffer, &short, 1500, Problem::PortUnreachable);
    assert_eq!(length, Some(51));
    assert_eq!(buffer[28..], short);
}

#[test]
fn every_reason_for_silence_can_be_read() {
    for (suppressed, word) in [
        (Suppressed::InvalidHeader, "invalid header"),
        (Suppressed::LaterFragment, "fragment"),
        (Suppressed::LinkGroup, "frame"),
        (Suppressed::DestinationNotOneHost, "for more than one"),
        (Suppressed::SourceNotOneHost, "to what is not one host"),
        (Suppressed::AboutIcmpError, "about an ICMP error"),
        (Suppressed::VlanRate, "this VLAN"),
        (Suppressed::Rate, "too many"),
    ] {
        assert!(suppressed.to_string().contains(word), "{suppressed}");
    }
}

fn any_problem() -> impl Strategy<Value = Problem> {
    prop_oneof![
        Just(Problem::ProtocolUnreachable),
        Just(Problem::PortUnreachable),
        Just(Problem::ReassemblyTimeExceeded),
        any::<u8>().prop_map(Problem::Parameter),
    ]
}

proptest! {
    #[test]
    fn etherparse_reads_every_message_as_it_was_meant(
        words in 0..=10_usize,
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        problem in any_problem(),
    ) {
        let octets = Asked { options: vec![1; words * 4], payload, ..asked() }.octets();
        let mut frame = vec![0xee; 2030];
        frame[..octets.len()].copy_from_slice(&octets);
        let length = compose_in_place(&mut frame, octets.len(), 1500, problem).expect("room");
        let ip = Ipv4Slice::from_slice(&frame[..length]).expect("a sound datagram");
        let header = ip.header().to_header();
        prop_assert_eq!(header.calc_header_checksum(), header.header_checksum);
        prop_assert_eq!(usize::from(header.total_len), length);
        prop_assert_eq!((header.dscp.value(), header.ecn.value()), (0, 0));
        prop_assert_eq!((header.time_to_live, header.protocol.0), (64, 1));
        prop_assert_eq!((header.dont_fragment, header.more_fragments), (true, false));
        prop_assert_eq!((header.source, header.destination), (OWN, ASKER));
        let icmp = Icmpv4Slice::from_slice(ip.payload().payload).expect("an ICMP message");
        let expected = match problem {
            Problem::ProtocolUnreachable => Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Protocol),
            Problem::PortUnreachable => Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Port),
            Problem::ReassemblyTimeExceeded => Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded),
            Problem::Parameter(pointer) => Icmpv4Type::ParameterProblem(icmpv4::ParameterProblemHeader::PointerIndicatesError(pointer)),
        };
        prop_assert_eq!(icmp.icmp_type(), expected);
        prop_assert_eq!(icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum());
        prop_assert_eq!(icmp.payload(), &octets[..octets.len().min(548)]);
    }

    #[test]
    fn about_what_we_send_none_is_ever_sent(problem in any_problem()) {
        let octets = asked().octets();
        let mut buffer = [0; 100];
        let length = compose(&mut buffer, &octets, 1500, problem).expect("room");
        prop_assert_eq!(gate(&buffer[..length], false), Err(Suppressed::AboutIcmpError));
    }

    #[test]
    fn any_octets_are_judged_and_written_within_bounds(
        octets in prop::collection::vec(any::<u8>(), 0..120),
        length in 0..140_usize,
        room in 0..140_usize,
        problem in any_problem(),
    ) {
        let _ = gate(&octets, false);
        let mut frame = octets.clone();
        if let Some(written) = compose_in_place(&mut frame, length, 1500, problem) {
            prop_assert!(written <= frame.len());
        } else {
            prop_assert_eq!(&frame, &octets);
        }
        let mut buffer = vec![0; room];
        if let Some(written) = compose(&mut buffer, &octets, 1500, problem) {
            prop_assert!(written <= room);
        } else {
            prop_assert_eq!(buffer, vec![0; room]);
        }
    }
}
