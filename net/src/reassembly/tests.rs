extern crate std;
use super::*;
use crate::wire::checksum;
use crate::wire::ethernet::MacAddress;
use std::string::ToString;
use std::vec;
use std::vec::Vec;
use zerocopy::FromBytes;

mod contradictions;
mod properties;
mod room;

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds are ticks, so that times read as they are.
fn reassembly(contexts: usize) -> Reassembly {
    Reassembly::new(contexts, TickRate::from_hertz(SECOND))
}

fn at(nanoseconds: u64) -> Instant {
    Instant::from_ticks(nanoseconds)
}

/// A fragment as a sender makes it, and when it arrives.
#[derive(Clone, Debug)]
struct Sent {
    vid: Option<u16>,
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    identification: u16,
    options: Vec<u8>,
    offset: usize,
    more: bool,
    payload: Vec<u8>,
    time: u64,
}

impl Sent {
    /// The octets of `payload` that begin at `offset`, of a datagram from 10.10.10.10 in VLAN 42.
    fn new(offset: usize, more: bool, payload: &[u8]) -> Self {
        Self {
            vid: Some(42),
            source: [10, 10, 10, 10],
            destination: [10, 10, 10, 11],
            protocol: 1,
            identification: 0x1234,
            options: Vec::new(),
            offset,
            more,
            payload: payload.to_vec(),
            time: 0,
        }
    }

    /// The same, of datagram `identification`.
    fn of(self, identification: u16) -> Self {
        Self {
            identification,
            ..self
        }
    }

    /// The same, from host `host` of 10.10.0.0/16.
    fn from(self, host: u16) -> Self {
        let [high, low] = host.to_be_bytes();
        Self {
            source: [10, 10, high, low],
            ..self
        }
    }

    fn at(self, time: u64) -> Self {
        Self { time, ..self }
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            vid: self.vid,
            priority: 5,
            drop_eligible: false,
            is_tagged: true,
            source_mac: MacAddress([2, 0, 0, 0, 0, 9]),
            link_broadcast: false,
            seen: at(self.time),
        }
    }

    /// The IPv4 datagram that this fragment is.
    fn octets(&self) -> Vec<u8> {
        let header_length = 20 + self.options.len();
        let [length_high, length_low] = ((header_length + self.payload.len()) as u16).to_be_bytes();
        let [id_high, id_low] = self.identification.to_be_bytes();
        let field = (self.offset / 8) as u16 | u16::from(self.more) << 13;
        let [field_high, field_low] = field.to_be_bytes();
        let version_and_length = 0x40 | (header_length / 4) as u8;
        let mut octets = vec![version_and_length, 0x10, length_high, length_low];
        octets.extend([
            id_high,
            id_low,
            field_high,
            field_low,
            64,
            self.protocol,
            0,
            0,
        ]);
        octets.extend(self.source);
        octets.extend(self.destination);
        octets.extend(&self.options);
        checksum::tests::seal(&mut octets, 10);
        octets.extend(&self.payload);
        octets
    }

    /// What becomes of this fragment: `None` while others are missing, the datagram when it is whole.
    fn arrives(&self, reassembly: &mut Reassembly) -> Result<Option<Vec<u8>>, Refusal> {
        let octets = self.octets();
        let (header, _) = Ipv4Header::ref_from_prefix(&octets).expect("20 octets");
        let fragment = Fragment {
            arrival: self.arrival(),
            header,
            options: &self.options,
            payload: &self.payload,
        };
        Ok(match reassembly.insert(&fragment)? {
            Outcome::Incomplete => None,
            Outcome::Complete(whole) => Some(whole.datagram().to_vec()),
        })
    }
}

fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place / 8 + place) as u8).collect()
}

#[test]
fn two_fragments_become_one_datagram_in_either_order_rfc_791_section_3_2() {
    let first = Sent::new(0, true, b"abcdefgh");
    let last = Sent::new(8, false, b"ijk");
    for order in [[&first, &last], [&last, &first]] {
        let mut reassembly = reassembly(8);
        assert_eq!(order[0].arrives(&mut reassembly), Ok(None));
        assert_eq!(reassembly.waiting(), 1);
        let whole = order[1].arrives(&mut reassembly).expect("taken");
        #[rustfmt::skip]
        assert_eq!(whole.expect("whole"), [
            0x45, 0x10, 0, 31, 0x12, 0x34, 0, 0, 64, 1, 0x40, 0x72, 10, 10, 10, 10, 10, 10, 10, 11,
            b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', b'i', b'j', b'k',
        ]);
        assert_eq!(reassembly.waiting(), 0);
    }
}

#[test]
fn the_datagram_has_the_header_the_options_and_the_arrival_of_fragment_zero() {
    let mut reassembly = reassembly(8);
    let last = Sent::new(8, false, b"ijk").at(7);
    assert_eq!(last.arrives(&mut reassembly), Ok(None));
    let mut first = Sent::new(0, true, b"abcdefgh").at(9);
    first.options = vec![7, 7, 4, 0, 0, 0, 0, 0];
    let octets = first.octets();
    let (header, _) = Ipv4Header::ref_from_prefix(&octets).expect("20 octets");
    let fragment = Fragment {
        arrival: first.arrival(),
        header,
        options: &first.options,
        payload: &first.payload,
    };
    let Ok(Outcome::Complete(whole)) = reassembly.insert(&fragment) else {
        panic!("not whole");
    };
    assert_eq!(whole.arrival, first.arrival());
    assert_eq!(whole.datagram()[..4], [0x47, 0x10, 0, 39]);
    assert_eq!(whole.datagram()[20..28], first.options);
    assert_eq!(whole.datagram()[28..], *b"abcdefghijk");
    assert!(checksum::is_valid(&whole.datagram()[..28]));
}

#[test]
fn the_longest_datagram_is_put_together_and_can_be_answered_in_place() {
    let data = counting(65_515);
    let mut reassembly = reassembly(1);
    let mut whole = None;
    for (place, piece) in data.chunks(1480).enumerate() {
        let offset = place * 1480;
        let more = offset + piece.len() < data.len();
        let sent = Sent::new(offset, more, piece);
        assert_eq!(whole, None);
        whole = sent.arrives(&mut reassembly).expect("taken");
    }
    let whole = whole.expect("whole");
    assert_eq!(whole.len(), 65_535);
    assert_eq!(whole[20..], data);
    assert!(checksum::is_valid(&whole[..20]));
}

#[test]
fn with_the_longest_header_the_data_are_the_fewer() {
    let mut reassembly = reassembly(1);
    let mut first = Sent::new(0, true, &counting(8));
    first.options = vec![1; 40];
    let last = Sent::new(8, false, &counting(65_475 - 8));
    assert_eq!(last.arrives(&mut reassembly), Ok(None));
    let whole = first.arrives(&mut reassembly).expect("taken");
    assert_eq!(whole.expect("whole").len(), 65_535);
}

#[test]
fn every_field_of_the_key_tells_datagrams_apart_and_so_does_the_vlan() {
    let first = Sent::new(0, true, b"abcdefgh");
    let last = Sent::new(8, false, b"ijk");
    let others = [
        Sent {
            vid: Some(43),
            ..last.clone()
        },
        Sent {
            vid: None,
            ..last.clone()
        },
        last.clone().from(99),
        Sent {
            destination: [10, 10, 10, 12],
            ..last.clone()
        },
        Sent {
            protocol: 17,
            ..last.clone()
        },
        last.clone().of(0x1235),
    ];
    for other in others {
        let mut reassembly = reassembly(8);
        assert_eq!(first.arrives(&mut reassembly), Ok(None));
        assert_eq!(other.arrives(&mut reassembly), Ok(None), "{other:?}");
        assert_eq!(reassembly.waiting(), 2);
        assert!(matches!(last.arrives(&mut reassembly), Ok(Some(_))));
    }
}

#[test]
fn a_fragment_that_is_wrong_by_itself_changes_nothing() {
    let first = Sent::new(0, true, b"abcdefgh");
    let last = Sent::new(8, false, b"ijk");
    for (wrong, refusal) in [
        (Sent::new(8, true, b""), Refusal::Empty),
        (Sent::new(8, false, b""), Refusal::Empty),
        (Sent::new(0, true, b"abcdefg"), Refusal::TinyFirst),
        (Sent::new(8, true, b"ijklmno"), Refusal::Uneven),
        (Sent::new(0, true, b"abcdefghi"), Refusal::Uneven),
        (Sent::new(65_512, false, b"ping"), Refusal::TooLong),
        (Sent::new(65_528, false, &[0; 1480]), Refusal::TooLong),
    ] {
        let mut reassembly = reassembly(8);
        assert_eq!(wrong.arrives(&mut reassembly), Err(refusal), "{wrong:?}");
        assert_eq!(reassembly.waiting(), 0, "{wrong:?}");
        assert_eq!(first.arrives(&mut reassembly), Ok(None));
        assert_eq!(wrong.arrives(&mut reassembly), Err(refusal), "{wrong:?}");
        assert!(matches!(last.arrives(&mut reassembly), Ok(Some(_))));
    }
}

#[test]
fn its_own_options_count_towards_the_length_of_a_datagram() {
    let mut fragment = Sent::new(65_504, false, &[0; 11]);
    assert_eq!(fragment.arrives(&mut reassembly(8)), Ok(None));
    fragment.options = vec![148, 4, 0, 0];
    assert_eq!(fragment.arrives(&mut reassembly(8)), Err(Refusal::TooLong));
}

#[test]
fn time_is_over_sixty_seconds_after_the_first_fragment_rfc_1122_section_3_3_2() {
    let mut reassembly = reassembly(8);
    let first = Sent::new(0, true, b"abcdefgh");
    assert_eq!(first.arrives(&mut reassembly), Ok(None));
    let middle = Sent::new(8, true, b"ijklmnop").at(59 * SECOND);
    assert_eq!(middle.arrives(&mut reassembly), Ok(None));
    assert_eq!(reassembly.expire(at(60 * SECOND - 1)), None);
    let octets = first.octets();
    let expired = reassembly
        .expire(at(60 * SECOND))
        .expect("its time is over");
    assert_eq!(expired.key.vid, Some(42));
    assert_eq!(expired.key.source, Ipv4Addr::new(10, 10, 10, 10));
    assert_eq!(expired.key.destination, Ipv4Addr::new(10, 10, 10, 11));
    assert_eq!(expired.key.protocol, Protocol::ICMP);
    assert_eq!(expired.key.identification, 0x1234);
    let zero = expired.fragment_zero.expect("fragment zero");
    assert_eq!(zero.arrival, first.arrival());
    assert_eq!(zero.octets, octets, "as it came");
    assert_eq!(reassembly.waiting(), 0);
    assert_eq!(reassembly.expire(at(61 * SECOND)), None);
}

#[test]
fn without_fragment_zero_there_is_nothing_to_say_rfc_1122_section_3_3_2() {
    let mut reassembly = reassembly(8);
    let last = Sent::new(8, false, b"ijk");
    assert_eq!(last.arrives(&mut reassembly), Ok(None));
    let expired = reassembly
        .expire(at(60 * SECOND))
        .expect("its time is over");
    assert_eq!(expired.fragment_zero, None);
}

#[test]
fn fragment_zero_is_returned_with_its_options_and_without_what_follows() {
    let mut reassembly = reassembly(8);
    let mut first = Sent::new(0, true, b"abcdefgh");
    first.options = vec![148, 4, 0, 0];
    let middle = Sent::new(8, true, b"ijklmnop");
    assert_eq!(middle.arrives(&mut reassembly), Ok(None));
    assert_eq!(first.arrives(&mut reassembly), Ok(None));
    let expired = reassembly
        .expire(at(60 * SECOND))
        .expect("its time is over");
    let zero = expired.fragment_zero.expect("fragment zero");
    assert_eq!(zero.octets, first.octets());
}

#[test]
fn one_datagram_expires_at_a_time() {
    let mut reassembly = reassembly(8);
    for identification in 0..3 {
        let first = Sent::new(0, true, b"abcdefgh").of(identification);
        assert_eq!(first.arrives(&mut reassembly), Ok(None));
    }
    for left in [2, 1, 0] {
        assert!(reassembly.expire(at(60 * SECOND)).is_some());
        assert_eq!(reassembly.waiting(), left);
    }
    assert_eq!(reassembly.expire(at(60 * SECOND)), None);
}

#[test]
fn a_fragment_does_not_join_a_datagram_whose_time_is_over() {
    let mut reassembly = reassembly(8);
    let first = Sent::new(0, true, b"abcdefgh");
    assert_eq!(first.arrives(&mut reassembly), Ok(None));
    let late = Sent::new(8, false, b"ijk").at(60 * SECOND);
    assert_eq!(late.arrives(&mut reassembly), Ok(None));
    assert_eq!(reassembly.waiting(), 2);
    let expired = reassembly.expire(at(60 * SECOND)).expect("the first");
    assert!(expired.fragment_zero.is_some());
    assert_eq!(reassembly.expire(at(60 * SECOND)), None);
    let first = Sent::new(0, true, b"ABCDEFGH").at(61 * SECOND);
    let whole = first.arrives(&mut reassembly).expect("taken");
    assert_eq!(whole.expect("whole")[20..], *b"ABCDEFGHijk");
}

#[test]
fn nothing_of_a_datagram_is_left_for_the_next_one() {
    let mut reassembly = reassembly(1);
    let long = Sent::new(0, true, &[0xee; 64]);
    assert_eq!(long.arrives(&mut reassembly), Ok(None));
    assert!(matches!(
        Sent::new(64, false, &[0xee; 64]).arrives(&mut reassembly),
        Ok(Some(_))
    ));
    // Nor is its fragment zero the next one's.
    let end = Sent::new(16, false, b"q").of(2);
    assert_eq!(end.arrives(&mut reassembly), Ok(None));
    let expired = reassembly
        .expire(at(60 * SECOND))
        .expect("its time is over");
    assert_eq!(expired.fragment_zero, None);
    // The same identification again: neither an overlap, nor whole after its last fragment.
    assert_eq!(
        Sent::new(16, false, b"q").arrives(&mut reassembly),
        Ok(None)
    );
    assert_eq!(
        Sent::new(8, true, b"ijklmnop").arrives(&mut reassembly),
        Ok(None)
    );
    let whole = Sent::new(0, true, b"abcdefgh").arrives(&mut reassembly);
    let whole = whole.expect("taken").expect("whole");
    assert_eq!(whole[20..], *b"abcdefghijklmnopq");
}

#[test]
fn every_refusal_says_what_was_wrong() {
    for (refusal, word) in [
        (Refusal::Empty, "without data"),
        (Refusal::TinyFirst, "less than eight"),
        (Refusal::Uneven, "multiple of eight"),
        (Refusal::TooLong, "65535"),
        (Refusal::Duplicate, "repeats"),
        (Refusal::Overlap, "overlaps"),
        (Refusal::ContradictoryEnd, "ends"),
        (Refusal::Discarded, "discarded"),
        (Refusal::NoContext, "no room"),
    ] {
        assert!(refusal.to_string().contains(word), "{refusal}");
    }
}
