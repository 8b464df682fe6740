//! What the card says of checksums, and what is made of it.

use pollux_net::device::TransportChecksum::{self, Unverified, Verified};

use super::*;

/// Cards that say something of use, with what a descriptor holds beside the length of the frame `0x62`.
fn verifying_cards() -> impl Iterator<Item = &'static Card> {
    cards::kinds().filter(|card| !card.has(Quirks::CHECKSUMS_UNKNOWN))
}

/// Where a form has the status and the errors of a whole frame with which nothing is wrong but checksums.
fn fields(card: &Card, status: u32) -> u64 {
    match card.descriptors {
        // Status in bits 32 to 39, errors in 40 to 47.
        Descriptors::Legacy => 98 | u64::from(status & 0x68ff | 3) << 32,
        // Status and errors in bits 0 to 31, the length behind them.
        Descriptors::Advanced => 98 << 32 | u64::from(status & 0x7fff_ffff | 3),
    }
}

/// Whether the datasheets have these mean: this is UDP, and all was right.
fn is_right(card: &Card, status: u32) -> bool {
    let bit = |number: u32| status >> number & 1 == 1;
    let is_udp = bit(4) && bit(5);
    match card.descriptors {
        Descriptors::Legacy => is_udp && !bit(2) && !bit(8 + 5) && !bit(8 + 6),
        Descriptors::Advanced => is_udp && !bit(29) && !bit(30),
    }
}

/// What comes up of a frame with these fields.
fn heard<F: Format>(bench: &mut Bench<F>, fields: u64) -> TransportChecksum {
    bench.model().deliver(&frame(1), fields);
    let mut heard = None;
    bench.turn(64, |received| {
        assert_eq!(received.damage, None);
        heard = Some(received.checksum);
        Verdict::Release
    });
    heard.unwrap()
}

#[test]
fn a_checksum_is_vouched_for_by_the_bits_that_the_datasheets_name_and_by_no_others() {
    fn vouches<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        bench.device.set_checksum_verification(true);
        let mut right = 0;
        // Every combination of the low octet and of the errors.
        for low in 0..=0xff_u32 {
            for errors in 0..4_u32 {
                let errors = match card.descriptors {
                    Descriptors::Legacy => errors << (8 + 5),
                    Descriptors::Advanced => errors << 29,
                };
                let status = low | errors;
                let expected = match is_right(card, status) {
                    true => Verified,
                    false => Unverified,
                };
                right += usize::from(expected == Verified);
                let heard = heard(&mut bench, fields(card, status));
                assert_eq!(heard, expected, "{}: {status:#x}", card.name);
            }
        }
        assert!(right > 0);
    }
    for card in verifying_cards() {
        in_its_form!(vouches, card);
    }
}

proptest! {
    #[test]
    fn random_bits_vouch_only_where_they_say_so(statuses in prop::collection::vec(any::<u32>(), 1..64), on in any::<bool>()) {
        fn vouches<F: Format>(card: &'static Card, statuses: &[u32], on: bool) {
            let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
            bench.device.set_checksum_verification(on);
            for &status in statuses {
                let expected = match on && is_right(card, status) {
                    true => Verified,
                    false => Unverified,
                };
                assert_eq!(heard(&mut bench, fields(card, status)), expected, "{status:#x}");
            }
        }
        vouches::<Legacy>(Card::find(0x8086, 0x10d3).unwrap(), &statuses, on);
        vouches::<Advanced>(advanced_card(), &statuses, on);
    }
}

/// A descriptor that vouches for its frame.
fn vouching(card: &Card) -> u64 {
    fields(card, 0x73)
}

#[test]
fn what_is_believed_is_switched_while_frames_flow_and_the_card_is_told_nothing() {
    fn switches<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        assert!(bench.device.can_verify_checksums());
        assert_eq!(heard(&mut bench, vouching(card)), Unverified);
        for (on, expected) in [(true, Verified), (false, Unverified), (true, Verified)] {
            bench.take_accesses();
            bench.device.set_checksum_verification(on);
            assert_eq!(bench.take_accesses(), []);
            assert_eq!(heard(&mut bench, vouching(card)), expected);
        }
    }
    for card in verifying_cards() {
        in_its_form!(switches, card);
    }
}

#[test]
fn the_card_is_told_to_add_up_before_its_receiver_is_on_and_again_after_each_reset() {
    fn is_told<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        bench.device.set_checksum_verification(true);
        assert_told_in_time(&bench);
        bench.model().reset();
        bench.look(20);
        assert_eq!(bench.statistic("resets"), 1);
        assert_told_in_time(&bench);
        assert_eq!(heard(&mut bench, vouching(card)), Verified);
        // Out of its slot, and another of its kind in it; told meanwhile.
        for (on, expected) in [(false, Unverified), (true, Verified)] {
            bench.device.let_go_at_once();
            bench.model().gone = true;
            bench.look(2);
            bench.device.set_checksum_verification(on);
            bench.model().gone = false;
            bench.model().reset();
            bench.look(20);
            assert_told_in_time(&bench);
            assert_eq!(heard(&mut bench, vouching(card)), expected);
        }
    }
    for card in verifying_cards() {
        in_its_form!(is_told, card);
    }
}

/// That the register was written since the last call, never while the receiver was on, and holds what it must.
fn assert_told_in_time<F: Format>(bench: &Bench<F>) {
    let (mut receives, mut told) = (false, 0);
    for access in bench.take_accesses() {
        match access {
            Access::Write(offset, value) if offset == RCTL.offset() => receives = value & 2 != 0,
            Access::Write(offset, _) if offset == RXCSUM.offset() => {
                assert!(!receives, "written while the receiver is on");
                told += 1;
            }
            _ => {}
        }
    }
    assert!(receives && told > 0);
    assert_eq!(bench.model().peek(RXCSUM.offset()), 0x300);
}

#[test]
fn a_card_whose_word_is_unknown_is_not_asked_and_not_believed() {
    let mut bench = bench();
    assert!(!bench.device.can_verify_checksums());
    bench.device.set_checksum_verification(true);
    assert_eq!(bench.model().peek(RXCSUM.offset()), 0);
    for status in [0x73, 0x77, 0x33, 0xff] {
        assert_eq!(heard(&mut bench, fields(card(), status)), Unverified);
    }
}

#[test]
fn what_was_said_of_a_frame_is_still_known_when_its_turn_comes() {
    let card = Card::find(0x8086, 0x10d3).unwrap();
    let mut bench = bring_up_as::<Legacy>(card, |_| ()).unwrap();
    bench.device.set_checksum_verification(true);
    for status in [0x73, 0x07, 0x73, 0x2073] {
        bench.model().deliver(&frame(1), fields(card, status));
    }
    bench.turn(64, |_| Verdict::Defer);
    let mut heard = Vec::new();
    bench.deferred_turn(64, |received| {
        heard.push(received.checksum);
        Verdict::Release
    });
    assert_eq!(heard, [Verified, Unverified, Verified, Unverified]);
}
