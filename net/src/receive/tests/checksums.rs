//! What a card says of checksums: how far it is believed, and that nothing else depends on it.

use super::udp::{data_of, request, serving};
use super::*;
use crate::device::TransportChecksum::{Unverified, Verified};
use crate::services::echo;
use crate::test_device::Delivered;
use proptest::prelude::*;
use std::vec::Vec;

const SAID: [TransportChecksum; 2] = [Unverified, Verified];

/// Where UDP begins in a frame without IPv4 options, and its checksum.
const UDP: usize = at::IPV4 + 20;
const CHECKSUM: usize = UDP + 6;

/// What becomes of `frame`, of which the card says `checksum`, step by step: the answer, or the reason that was counted.
fn deliver(
    card: &mut Interface,
    frame: &[u8],
    checksum: TransportChecksum,
) -> Result<Vec<u8>, Reason> {
    let mut buffer = [0xee; BUFFER_SIZE];
    buffer[..frame.len()].copy_from_slice(frame);
    let (_, _, before) = tally(card);
    let mut received = |reception: &mut dyn FnMut(Received<'_>) -> Verdict| {
        reception(Received {
            buffer: &mut buffer,
            length: frame.len(),
            damage: None,
            checksum,
            can_answer: true,
            can_defer: true,
        })
    };
    let mut verdict = received(&mut |frame| card.reception(NOW, MILLISECONDS).receive(frame));
    if verdict == Verdict::Defer {
        verdict = received(&mut |frame| card.deferred_reception(NOW, MILLISECONDS).receive(frame));
    }
    let (_, _, after) = tally(card);
    match verdict {
        Verdict::Answer { length } => Ok(buffer[..length].to_vec()),
        _ => {
            let moved = before
                .iter()
                .zip(&after)
                .position(|(before, after)| before != after);
            Err(Reason::ALL[moved.expect("a reason")])
        }
    }
}

/// The same on a card of its own; where the frame is a usual one, it is held to be the same in one go.
fn outcome(frame: &[u8], checksum: TransportChecksum) -> Result<Vec<u8>, Reason> {
    let step_by_step = deliver(&mut serving(), frame, checksum);
    let mut buffer = [0; BUFFER_SIZE];
    buffer[..frame.len()].copy_from_slice(frame);
    let mut card = serving();
    let usual = card
        .reception(NOW, MILLISECONDS)
        .receive_usual(&mut Delivered(&mut buffer, checksum), frame.len());
    match usual {
        Some(Verdict::Answer { length }) => {
            assert_eq!(step_by_step, Ok(buffer[..length].to_vec()));
        }
        Some(_) => assert!(step_by_step.is_err()),
        None => {}
    }
    step_by_step
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=1472)
}

proptest! {
    #[test]
    fn a_sound_datagram_is_answered_to_the_octet_alike_whatever_is_said_of_it(data in data()) {
        let frame = request(echo::PORT, &data);
        for said in SAID {
            let answer = outcome(&frame, said).expect("an answer");
            prop_assert_eq!(&data_of(&answer, echo::PORT), &data);
            prop_assert_eq!(answer, outcome(&frame, Unverified).expect("an answer"));
        }
    }

    #[test]
    fn a_wrong_checksum_is_counted_unless_the_card_vouches_for_it(
        data in data(),
        place in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let mut frame = request(echo::PORT, &data);
        let place = UDP + 6 + place.index(frame.len() - UDP - 6);
        frame[place] ^= 1_u8 << bit;
        // A checksum of zero is none.
        prop_assume!(frame[CHECKSUM..CHECKSUM + 2] != [0, 0]);
        prop_assert_eq!(outcome(&frame, Unverified), Err(Reason::UdpChecksum));
        prop_assert!(outcome(&frame, Verified).is_ok(), "nobody else has added it up");
    }
}

#[test]
fn without_a_checksum_there_is_nothing_to_vouch_for() {
    let mut frame = request(echo::PORT, b"no checksum");
    let expected = outcome(&frame, Unverified);
    frame[CHECKSUM..CHECKSUM + 2].fill(0);
    for said in SAID {
        assert_eq!(outcome(&frame, said), expected, "{said:?}");
    }
}

#[test]
fn where_octets_stand_behind_the_datagram_the_card_is_not_believed() {
    let mut frame = request(echo::PORT, b"data and more");
    let length = frame.len() - UDP - 4;
    frame[UDP + 4..UDP + 6].copy_from_slice(&(length as u16).to_be_bytes());
    // What a card has added up of this, nobody knows.
    for said in SAID {
        assert_eq!(outcome(&frame, said), Err(Reason::UdpChecksum), "{said:?}");
    }
}

#[test]
fn a_card_vouches_for_nothing_but_the_transport_checksum() {
    for said in SAID {
        let mut frame = request(echo::PORT, b"data");
        frame[at::IPV4 + 10] ^= 1;
        assert_eq!(outcome(&frame, said), Err(Reason::Ipv4Checksum), "{said:?}");
        let mut ping = ECHO_REQUEST.to_vec();
        ping[at::IPV4 + 28] ^= 1;
        assert_eq!(outcome(&ping, said), Err(Reason::IcmpChecksum), "{said:?}");
        let mut frame = request(echo::PORT, b"data");
        frame[UDP + 4..UDP + 6].copy_from_slice(&7_u16.to_be_bytes());
        assert_eq!(outcome(&frame, said), Err(Reason::UdpLength), "{said:?}");
    }
}

#[test]
fn options_do_not_keep_a_card_from_being_believed() {
    let mut frame = request(echo::PORT, b"with an option");
    frame.splice(at::IPV4 + 20..at::IPV4 + 20, [0x94, 4, 0, 0]);
    put(&mut frame, at::IPV4, &[0x46]);
    let total_length = (frame.len() - at::IPV4) as u16;
    put(&mut frame, at::TOTAL_LENGTH, &total_length.to_be_bytes());
    seal(&mut frame);
    let sound = outcome(&frame, Unverified).expect("an answer");
    assert_eq!(outcome(&frame, Verified), Ok(sound));
    *frame.last_mut().expect("octets") ^= 1;
    assert!(outcome(&frame, Verified).is_ok());
    assert_eq!(outcome(&frame, Unverified), Err(Reason::UdpChecksum));
}

#[test]
fn of_a_datagram_in_pieces_no_card_has_seen_all() {
    for (damage, expected) in [(0, None), (1, Some(Reason::UdpChecksum))] {
        let mut whole = request(echo::PORT, &[7; 64]);
        *whole.last_mut().expect("octets") ^= damage;
        let mut card = serving();
        let mut last = None;
        // 40 octets of UDP in the first fragment, the rest in the second.
        for (from, to, flags) in [(0, 40, 0x2000_u16), (40, 72, 5)] {
            let mut frame = whole[..UDP].to_vec();
            frame.extend(&whole[UDP + from..UDP + to]);
            put(
                &mut frame,
                at::TOTAL_LENGTH,
                &(20 + (to - from) as u16).to_be_bytes(),
            );
            put(&mut frame, at::IPV4 + 6, &flags.to_be_bytes());
            seal(&mut frame);
            last = Some(deliver(&mut card, &frame, Verified));
        }
        assert_eq!(last.expect("two").err(), expected);
    }
}

#[test]
fn what_is_said_of_an_in_band_frame_is_known_when_its_turn_comes() {
    let mut frame = request(echo::PORT, b"in-band");
    *frame.last_mut().expect("octets") ^= 1;
    let mut card = serving();
    card.set_oob_port(42, false).expect("is there");
    let answer = deliver(&mut card, &frame, Verified).expect("an answer");
    assert_eq!(answer[frame.len() - 7..], frame[frame.len() - 7..]);
    assert_eq!(
        deliver(&mut card, &frame, Unverified),
        Err(Reason::UdpChecksum)
    );
}
