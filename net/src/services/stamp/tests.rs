//! Test packets in, test packets out, octet for octet.

extern crate std;
use super::*;
use crate::udp::tests::{ASKER, Delivery, Host, RATE};
use crate::udp::{Unanswered, tests};
use proptest::prelude::*;
use std::vec::Vec;

/// When the captured packet came in and went out: eeab54ef.1c510755 and eeab54ef.1c52b3ca.
const SEEN: Instant = Instant::from_ticks(4_004_205_807_110_611_399);
const SENT: Instant = Instant::from_ticks(4_004_205_807_110_636_937);

/// A packet as a sender sent it: sequence number 7, e0000000.80000000, synchronized.
const SENDER_PACKET: [u8; 44] = {
    let mut packet = [0; 44];
    packet[3] = 7;
    packet[4] = 0xe0;
    packet[8] = 0x80;
    packet[12] = 0x81;
    packet[13] = 0x01;
    packet
};

/// What an independent reflector made of [`SENDER_PACKET`], captured, but for the estimate of its
/// clock's error.
const REFLECTED: [u8; 44] = [
    0x00, 0x00, 0x00, 0x07, // sequence number
    0xee, 0xab, 0x54, 0xef, 0x1c, 0x52, 0xb3, 0xca, // sent
    0x00, 0x09, // error estimate: 2 ns
    0x00, 0x00, // session
    0xee, 0xab, 0x54, 0xef, 0x1c, 0x51, 0x07, 0x55, // received
    0x00, 0x00, 0x00, 0x07, // the sender's sequence number
    0xe0, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, // the sender's timestamp
    0x81, 0x01, 0x00, 0x00, // the sender's error estimate
    0x40, 0x00, 0x00, 0x00, // the time to live
];

fn host_with(accepts_own_port: bool) -> Host {
    Host::serving(PORT, Stamp::new(|| SENT, RATE, accepts_own_port))
}

fn reflect_from(host: &mut Host, port: u16, packet: &[u8]) -> Result<Vec<u8>, Unanswered> {
    let mut delivery = Delivery::with(port, PORT, packet);
    delivery.arrival.seen = SEEN;
    host.ask(&delivery)
}

fn reflect(packet: &[u8]) -> Result<Vec<u8>, Unanswered> {
    reflect_from(&mut host_with(false), ASKER, packet)
}

#[test]
fn a_packet_is_reflected_as_another_reflector_did_rfc_8762_section_4_3_1() {
    assert_eq!(reflect(&SENDER_PACKET), Ok(REFLECTED.to_vec()));
}

#[test]
fn packets_below_14_octets_are_declined_and_those_below_44_filled_with_zeros_rfc_8762_section_4_6()
{
    for length in 0..14 {
        let answer = reflect(&SENDER_PACKET[..length]);
        assert_eq!(answer, Err(Unanswered::TooShort), "{length} octets");
    }
    for length in 14..44 {
        let mut packet = SENDER_PACKET;
        packet[14..].fill(0xa5);
        let answer = reflect(&packet[..length]);
        assert_eq!(answer, Ok(REFLECTED.to_vec()), "{length} octets");
    }
}

#[test]
fn what_follows_44_octets_goes_back_as_it_came_rfc_8762_section_4_6() {
    for length in [45, 48, 100, 1472] {
        let mut packet = SENDER_PACKET.to_vec();
        packet.extend((44..length).map(|place| place as u8));
        let mut expected = REFLECTED.to_vec();
        expected.extend(&packet[44..]);
        assert_eq!(reflect(&packet), Ok(expected), "{length} octets");
    }
}

#[test]
fn the_session_goes_back_and_whatever_stands_where_zeros_must_does_not_rfc_8972_section_3() {
    let mut packet = SENDER_PACKET;
    packet[14..].fill(0xa5);
    packet[14..16].copy_from_slice(&[0xab, 0xcd]);
    let mut expected = REFLECTED;
    expected[14..16].copy_from_slice(&[0xab, 0xcd]);
    assert_eq!(reflect(&packet), Ok(expected.to_vec()));
}

#[test]
fn timestamps_come_in_the_format_that_the_sender_uses_rfc_8186_section_2_1() {
    let mut packet = SENDER_PACKET;
    packet[12] = 0xc1;
    let mut expected = REFLECTED;
    expected[8..12].copy_from_slice(&110_636_937_u32.to_be_bytes());
    expected[12] = 0x40;
    expected[20..24].copy_from_slice(&110_611_399_u32.to_be_bytes());
    expected[36] = 0xc1;
    assert_eq!(reflect(&packet), Ok(expected.to_vec()));
}

#[test]
fn the_time_to_live_is_that_of_the_packet_that_came() {
    for time_to_live in [0, 1, 255] {
        let mut delivery = Delivery::with(ASKER, PORT, &SENDER_PACKET);
        delivery.time_to_live = time_to_live;
        let answer = host_with(false).ask(&delivery).expect("an answer");
        assert_eq!(answer[40], time_to_live);
    }
}

#[test]
fn a_counter_that_ran_backwards_does_not_send_a_packet_before_it_came() {
    let clock = || Instant::from_ticks(5);
    let mut host = Host::serving(PORT, Stamp::new(clock, RATE, false));
    let answer = reflect_from(&mut host, ASKER, &SENDER_PACKET);
    let answer = answer.expect("an answer");
    assert_eq!(answer[4..12], answer[16..24]);
}

#[test]
fn the_error_estimate_covers_a_tick_and_the_rounding() {
    let slow = TickRate::from_hertz(1_000_000);
    let mut host = Host::serving(PORT, Stamp::new(|| SENT, slow, false));
    let answer = reflect_from(&mut host, ASKER, &SENDER_PACKET);
    // 1,001 ns are 4,299.3 units of 2^-32 seconds: 135 * 2^5.
    assert_eq!(answer.map(|packet| [packet[12], packet[13]]), Ok([5, 135]));
}

#[test]
fn without_room_for_44_octets_there_is_no_answer() {
    let mut delivery = Delivery::with(ASKER, PORT, &SENDER_PACKET[..14]);
    delivery.spare = 29;
    let answer = host_with(false).ask(&delivery);
    assert_eq!(answer, Err(Unanswered::NoRoom));
    delivery.spare = 30;
    assert!(host_with(false).ask(&delivery).is_ok());
}

#[test]
fn answers_to_short_packets_are_limited_and_others_are_not() {
    let mut host = host_with(false);
    for _ in 0..DEFAULT_SHORT_LIMIT.burst {
        let answer = reflect_from(&mut host, ASKER, &SENDER_PACKET[..14]);
        assert!(answer.is_ok());
    }
    let answer = reflect_from(&mut host, ASKER, &SENDER_PACKET[..43]);
    assert_eq!(answer, Err(Unanswered::RateLimited));
    for _ in 0..1000 {
        let answer = reflect_from(&mut host, ASKER, &SENDER_PACKET);
        assert!(answer.is_ok());
    }
}

#[test]
fn packets_from_port_862_are_reflected_only_where_that_is_switched_on() {
    let mut off = host_with(false);
    let answer = reflect_from(&mut off, PORT, &SENDER_PACKET);
    assert_eq!(answer, Err(Unanswered::LowSourcePort));
    let mut on = host_with(true);
    let answer = reflect_from(&mut on, PORT, &SENDER_PACKET);
    assert_eq!(answer, Ok(REFLECTED.to_vec()));
    let answer = reflect_from(&mut on, PORT, &SENDER_PACKET[..14]);
    assert_eq!(answer, Ok(REFLECTED.to_vec()));
}

#[test]
fn what_was_reflected_is_not_reflected_again() {
    let mut host = host_with(true);
    let answer = reflect_from(&mut host, PORT, &REFLECTED);
    assert_eq!(answer, Err(Unanswered::Reply));
    // From anywhere else it is a packet like others: TWAMP Light may pad with anything.
    assert!(reflect_from(&mut host, ASKER, &REFLECTED).is_ok());
}

proptest! {
    #[test]
    fn any_packet_is_reflected_by_the_table_of_its_fields(
        packet in prop::collection::vec(any::<u8>(), 14..200),
        time_to_live in any::<u8>(),
    ) {
        let mut delivery = Delivery::with(ASKER, PORT, &packet);
        delivery.time_to_live = time_to_live;
        delivery.arrival.seen = SEEN;
        let answer = host_with(false).ask(&delivery).expect("an answer");
        prop_assert_eq!(answer.len(), packet.len().max(44));
        prop_assert_eq!(&answer[..4], &packet[..4]);
        prop_assert_eq!(answer[12], packet[12] & 0x40);
        prop_assert_eq!(answer[13], 9);
        let session = if packet.len() < 44 { &[0, 0] } else { &packet[14..16] };
        prop_assert_eq!(&answer[14..16], session);
        prop_assert_eq!(&answer[24..38], &packet[..14]);
        prop_assert_eq!(&answer[38..44], &[0, 0, time_to_live, 0, 0, 0]);
        prop_assert_eq!(&answer[44..], packet.get(44..).unwrap_or_default());
    }

    #[test]
    fn times_never_run_backwards(first in any::<u64>(), later in 0..10_000_000_000_u64) {
        let stamp = Stamp::new(|| SENT, tests::RATE, false);
        let seconds = |timestamp: Timestamp| -> [u8; 8] { transmute!(timestamp) };
        for format in [TimestampFormat::Ntp, TimestampFormat::Ptp] {
            // Within the 136 years before seconds wrap.
            let first = first % (1 << 61);
            let before = stamp.timestamp(Instant::from_ticks(first), format);
            let after = stamp.timestamp(Instant::from_ticks(first + later), format);
            prop_assert!(seconds(before) <= seconds(after));
        }
    }
}
