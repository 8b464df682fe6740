//! What is kept of the frames: what was dropped always, and everything while capturing is on. That each
//! dropped frame of every test was kept as it arrived is checked by [`super::deliver`].

use super::pieces::{fragments_of, front_length};
use super::planes::{REALTIME, station};
use super::*;
use crate::capture::{FRAMES, Fate, OCTETS, Record};
use crate::test_device::Station;

/// The frame that was dropped last was kept as it arrived, unless it did what it was sent for.
pub(super) fn assert_kept(card: &Interface, frame: &[u8], reason: Reason, verdict: Verdict) {
    let mut kept = card.capture().newest_first();
    let newest = kept.find(|record| record.fate != Fate::Sent);
    if reason.is_taken() {
        return;
    }
    let newest = newest.expect("a dropped frame is kept");
    assert_eq!(newest.fate, Fate::Unanswered(reason));
    assert_eq!(newest.length(), frame.len());
    let mut first = frame[..frame.len().min(OCTETS)].to_vec();
    if verdict != Verdict::Release {
        without_padding(&mut first);
    }
    assert_eq!(newest.octets(), first, "what was kept of a frame");
    assert_eq!(newest.seen, NOW);
}

/// Makes zeros of what stands behind the datagram.
fn without_padding(frame: &mut [u8]) {
    let front = front_length(frame);
    let total = u16::from_be_bytes([frame[front + 2], frame[front + 3]]);
    if let Some(padding) = frame.get_mut(front + usize::from(total)..) {
        padding.fill(0);
    }
}

/// What is kept, the oldest first.
fn kept(card: &Interface) -> Vec<Record> {
    let mut records: Vec<Record> = card.capture().newest_first().copied().collect();
    records.reverse();
    records
}

fn fates(card: &Interface) -> Vec<Fate> {
    kept(card).iter().map(|record| record.fate).collect()
}

#[test]
fn only_what_is_dropped_is_kept_while_capturing_is_off() {
    let mut station = station(REALTIME);
    station.receive(&ECHO_REQUEST);
    for fragment in fragments_of(&echo_request(&[], &[7; 1000]), 420, 7) {
        station.receive(&fragment);
    }
    assert_eq!(fates(&station.card), []);
    let mut wrong = ECHO_REQUEST;
    wrong[at::IPV4_CHECKSUM] ^= 1;
    station.receive(&wrong);
    assert_eq!(
        fates(&station.card),
        [Fate::Unanswered(Reason::Ipv4Checksum)]
    );
    station.card.clear_capture();
    assert_eq!(fates(&station.card), []);
}

#[test]
fn questions_and_answers_are_kept_as_they_pass_while_capturing_is_on() {
    let mut station = station(REALTIME);
    station.card.set_capture(true);
    let answers = station.receive(&ECHO_REQUEST);
    assert_eq!(answers, [ECHO_REPLY]);
    let mut wrong = ECHO_REQUEST;
    wrong[at::IPV4_CHECKSUM] ^= 1;
    station.receive(&wrong);
    let dropped = Fate::Unanswered(Reason::Ipv4Checksum);
    let records = kept(&station.card);
    let shown: Vec<_> = records.iter().map(Record::octets).collect();
    assert_eq!(shown, [&ECHO_REQUEST[..], &ECHO_REPLY, &wrong]);
    assert_eq!(fates(&station.card), [Fate::Answered, Fate::Sent, dropped]);

    station.card.set_capture(false);
    station.receive(&ECHO_REQUEST);
    assert_eq!(kept(&station.card).len(), 3, "it is off again");
}

#[test]
fn what_is_put_off_is_kept_once_at_its_turn() {
    let (_, in_band) = super::planes::IN_BAND[0];
    let mut station = station(in_band);
    station.card.set_capture(true);
    station.receive(&super::pieces::retagged(&ECHO_REQUEST, in_band));
    assert_eq!(fates(&station.card), []);
    station.serve_in_band(1);
    assert_eq!(fates(&station.card), [Fate::Answered, Fate::Sent]);
}

#[test]
fn what_is_put_off_takes_no_place_before_its_turn() {
    let (_, in_band) = super::planes::IN_BAND[0];
    let mut station = station(in_band);
    let mut dropped = ECHO_REQUEST;
    dropped[at::IPV4_CHECKSUM] ^= 1;
    let dropped = super::pieces::retagged(&dropped, in_band);
    for _ in 0..FRAMES {
        station.receive(&dropped);
        station.serve_in_band(1);
    }
    station.card.set_capture(true);
    station.receive(&super::pieces::retagged(&ECHO_REQUEST, in_band));
    let records = kept(&station.card);
    assert_eq!(records.len(), FRAMES);
    for record in records {
        assert_eq!(record.octets(), dropped);
    }
}

#[test]
fn an_error_is_kept_behind_the_frame_that_it_is_about() {
    for all in [false, true] {
        let mut station = station(REALTIME);
        station.card.set_capture(all);
        let mut frame = ECHO_REQUEST;
        put(&mut frame, at::PROTOCOL, &[6]);
        seal(&mut frame);
        let sent = station.receive(&frame);
        let records = kept(&station.card);
        if !all {
            without_padding(&mut frame);
        }
        assert_eq!(records[0].octets(), frame);
        assert_eq!(records[0].fate, Fate::Unanswered(Reason::Ipv4Protocol));
        assert_eq!(records.len(), 1 + usize::from(all));
        if all {
            assert_eq!(records[1].octets(), sent[0]);
        }
    }
}

#[test]
fn what_is_said_without_having_been_asked_for_is_kept_too() {
    let mut station = station(REALTIME);
    station.card.set_capture(true);
    let mut sent = Vec::new();
    for _ in 0..5_000 {
        sent.extend(station.send_due());
        station.pass(crate::time::Ticks(1_000_000));
    }
    assert!(!sent.is_empty(), "the addresses were announced");
    let records = kept(&station.card);
    let shown: Vec<_> = records.iter().map(Record::octets).collect();
    assert_eq!(shown, sent);
}

#[test]
fn every_fragment_of_a_long_answer_is_kept() {
    let mut station = station(REALTIME);
    station.card.set_capture(true);
    for fragment in fragments_of(&echo_request(&[], &[7; 4000]), 1500, 7) {
        station.receive(&fragment);
    }
    let sent = station.send_large(9);
    assert_eq!(sent.len(), 3);
    let fates = fates(&station.card);
    let outgoing = fates.iter().filter(|&&fate| fate == Fate::Sent).count();
    assert_eq!((fates.len(), outgoing), (6, 3), "{fates:?}");
}

#[test]
fn the_oldest_make_room() {
    let mut station: Station = station(REALTIME);
    for number in 0..FRAMES as u16 + 3 {
        let mut wrong = ECHO_REQUEST;
        put(&mut wrong, at::IDENTIFICATION, &number.to_be_bytes());
        station.receive(&wrong);
    }
    let records = kept(&station.card);
    assert_eq!(records.len(), FRAMES);
    let number = |record: &Record| record.octets()[at::IDENTIFICATION + 1];
    assert_eq!(
        (number(&records[0]), number(&records[FRAMES - 1])),
        (3, 130)
    );
}

#[test]
fn a_longer_frame_is_cut() {
    let mut station = station(REALTIME);
    let mut wrong = echo_request(&[], &[7; 1000]);
    wrong[at::IPV4_CHECKSUM] ^= 1;
    station.receive(&wrong);
    let records = kept(&station.card);
    assert_eq!(
        (records[0].octets(), records[0].length()),
        (&wrong[..OCTETS], wrong.len())
    );
}
