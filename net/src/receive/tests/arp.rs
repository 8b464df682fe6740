//! ARP, end to end: who is answered, and who is learned from (RFC 826, RFC 5227).

use super::*;
use crate::neighbor::Neighbor;

/// 10.10.10.10 asks all stations who has 10.10.10.11, padded to the shortest frame.
pub(super) const ARP_REQUEST: [u8; 60] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to all
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, // from the peer
    0x81, 0x00, 0x60, 0x2a, // PCP 3, VID 42
    0x08, 0x06, // ARP
    0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01, // IPv4 over Ethernet, request
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, 10, 10, 10, 10, // from the peer
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 10, 10, 10, 11, // about us
    0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
];

/// The answer to [`ARP_REQUEST`], without its padding.
const ARP_REPLY: [u8; 46] = [
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, // to the peer alone
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // from us
    0x81, 0x00, 0x60, 0x2a, // the same tag
    0x08, 0x06, // ARP
    0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02, // IPv4 over Ethernet, reply
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 10, 10, 11, // from us
    0x02, 0x00, 0x00, 0x00, 0x00, 0x09, 10, 10, 10, 10, // to the peer
];

const PEER: Neighbor = Neighbor {
    vid: 42,
    address: PEER_IP,
    mac: PEER_MAC,
    confirmed: NOW,
};

fn known(card: &Interface) -> Vec<Neighbor> {
    card.neighbors().iter().collect()
}

/// [`ARP_REQUEST`] with another sender and target.
fn request(sender: [u8; 4], target: [u8; 4]) -> [u8; 60] {
    let mut frame = ARP_REQUEST;
    put(&mut frame, at::ARP_SENDER_IP, &sender);
    put(&mut frame, at::ARP_TARGET_IP, &target);
    frame
}

fn as_reply(mut frame: [u8; 60]) -> [u8; 60] {
    put(&mut frame, at::ARP_OPERATION, &[0, 2]);
    frame
}

#[test]
fn a_request_becomes_its_reply_octet_by_octet_and_the_asker_is_learned() {
    let mut card = appliance();
    assert_eq!(send(&mut card, &ARP_REQUEST), Ok(ARP_REPLY.to_vec()));
    assert_eq!(known(&card), [PEER]);
    assert_eq!(card.neighbors().find(44, PEER_IP), None);
}

#[test]
fn a_request_to_us_alone_is_answered_like_one_to_all() {
    let mut card = appliance();
    let mut frame = ARP_REQUEST;
    put(&mut frame, at::DESTINATION_MAC, &OWN_MAC.0);
    assert_eq!(send(&mut card, &frame), Ok(ARP_REPLY.to_vec()));
}

#[test]
fn a_request_without_padding_is_answered() {
    let mut card = appliance();
    let (frame, _padding) = ARP_REQUEST.split_at(ARP_REPLY.len());
    assert_eq!(send(&mut card, frame), Ok(ARP_REPLY.to_vec()));
}

#[test]
fn a_probe_is_answered_and_not_learned() {
    let mut card = appliance();
    let mut reply = ARP_REPLY;
    put(&mut reply, at::ARP_TARGET_IP, &[0, 0, 0, 0]);
    let probe = request([0, 0, 0, 0], [10, 10, 10, 11]);
    assert_eq!(send(&mut card, &probe), Ok(reply.to_vec()));
    assert_eq!(known(&card), []);
}

#[test]
fn a_probe_for_an_address_that_is_not_ours_is_left_to_others() {
    let mut card = appliance();
    let probe = request([0, 0, 0, 0], [10, 10, 10, 12]);
    assert_eq!(send(&mut card, &probe), Err(Reason::ArpNotForUs));
    assert_eq!(known(&card), []);
}

#[test]
fn the_address_of_another_vlan_is_not_answered_for() {
    let mut card = appliance();
    let frame = request(PEER_IP.octets(), OTHER_OWN_IP.octets());
    assert_eq!(send(&mut card, &frame), Err(Reason::ArpNotForUs));
}

#[test]
fn a_reply_to_us_is_learned_and_not_answered() {
    let mut card = appliance();
    assert_eq!(
        send(&mut card, &as_reply(ARP_REQUEST)),
        Err(Reason::ArpReplyTaken)
    );
    assert_eq!(known(&card), [PEER]);
}

#[test]
fn what_others_say_to_each_other_corrects_what_is_known_and_adds_nothing() {
    let mut card = appliance();
    let overheard = request([10, 10, 10, 10], [10, 10, 10, 12]);
    assert_eq!(send(&mut card, &overheard), Err(Reason::ArpNotForUs));
    assert_eq!(known(&card), []);

    send(&mut card, &ARP_REQUEST).expect("an answer");
    let moved = MacAddress([0x02, 0x77, 0x77, 0x77, 0x77, 0x77]);
    for mut announcement in [
        request([10, 10, 10, 10], [10, 10, 10, 10]),
        as_reply(request([10, 10, 10, 10], [10, 10, 10, 10])),
    ] {
        put(&mut announcement, at::SOURCE_MAC, &moved.0);
        put(&mut announcement, at::ARP_SENDER_MAC, &moved.0);
        assert_eq!(send(&mut card, &announcement), Err(Reason::ArpNotForUs));
        assert_eq!(known(&card), [Neighbor { mac: moved, ..PEER }]);
    }
}

#[test]
fn a_claim_to_our_address_is_a_conflict_and_is_not_learned() {
    let mut card = appliance();
    for target in [[10, 10, 10, 11], [10, 10, 10, 10], [0, 0, 0, 0]] {
        let claim = request(OWN_IP.octets(), target);
        assert_eq!(send(&mut card, &claim), Err(Reason::ArpConflict));
        assert_eq!(send(&mut card, &as_reply(claim)), Err(Reason::ArpConflict));
    }
    assert_eq!(known(&card), []);
}

#[test]
fn senders_that_no_host_can_be_are_neither_answered_nor_learned() {
    let mut card = appliance();
    for sender in [
        [0, 0, 0, 1],
        [10, 10, 10, 0],
        [10, 10, 10, 255],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let frame = request(sender, OWN_IP.octets());
        assert_eq!(
            send(&mut card, &frame),
            Err(Reason::ArpInvalidSender),
            "{sender:?}"
        );
        let frame = as_reply(frame);
        assert_eq!(
            send(&mut card, &frame),
            Err(Reason::ArpInvalidSender),
            "{sender:?}"
        );
    }
    let about_nobody = as_reply(request([0, 0, 0, 0], OWN_IP.octets()));
    assert_eq!(
        send(&mut card, &about_nobody),
        Err(Reason::ArpInvalidSender)
    );
    assert_eq!(known(&card), []);
}

#[test]
fn a_sender_that_is_not_who_sent_the_frame_is_neither_answered_nor_learned() {
    let mut card = appliance();
    for sender in [
        [0x02, 0, 0, 0, 0, 8],
        [0; 6],
        [0xff; 6],
        [0x03, 0, 0, 0, 0, 9],
        OWN_MAC.0,
    ] {
        let mut frame = ARP_REQUEST;
        put(&mut frame, at::ARP_SENDER_MAC, &sender);
        assert_eq!(
            send(&mut card, &frame),
            Err(Reason::ArpInvalidSender),
            "{sender:?}"
        );
    }
    assert_eq!(known(&card), []);
}

#[test]
fn an_asker_is_learned_even_when_there_is_no_room_to_answer() {
    let mut card = appliance();
    let mut delivery = Delivery::of(&ARP_REQUEST);
    delivery.can_answer = false;
    assert_eq!(deliver(&mut card, &delivery), Err(Reason::NoTransmitSlot));
    assert_eq!(known(&card), [PEER]);
}

#[test]
fn every_truncation_is_malformed() {
    let mut card = appliance();
    for length in at::ARP..at::ARP + 28 {
        assert_eq!(
            send(&mut card, &ARP_REQUEST[..length]),
            Err(Reason::ArpMalformed)
        );
    }
    assert_eq!(known(&card), []);
}
