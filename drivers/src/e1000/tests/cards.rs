//! What sets the cards of the family apart.

use super::*;

/// One card of each kind.
pub(super) fn kinds() -> impl Iterator<Item = &'static Card> {
    let devices = [
        0x1008, 0x100e, 0x10d3, 0x153a, 0x156f, 0x10c9, 0x1521, 0x1533,
    ];
    devices
        .map(|device| Card::find(0x8086, device).unwrap())
        .into_iter()
}

#[test]
fn every_card_is_of_a_kind_that_is_tried() {
    for card in CARDS {
        assert!(
            kinds().any(|kind| (kind.quirks, kind.descriptors) == (card.quirks, card.descriptors)),
            "{}",
            card.name
        );
    }
}

#[test]
fn every_card_comes_up_and_serves() {
    // The model refuses a reset that would hang the bus of the card.
    fn serves<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        assert_eq!(bench.device.model(), card.name);
        for _ in 0..300 {
            bench.assert_serves();
        }
    }
    for card in CARDS {
        in_its_form!(serves, card);
    }
}

#[test]
fn every_card_filters_by_its_table_whatever_it_does_to_words_of_it() {
    fn filters<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        for vids in [&[42][..], &[0, 31, 32, 63, 64, 4095], &[33], &[1, 33], &[]] {
            bench.device.set_vlan_filter(&vlans(vids));
            while bench.device.advance_vlan_filter() {}
            for vid in 0..4096 {
                let expected = match vids.contains(&vid) {
                    true => Outcome::Delivered,
                    false => Outcome::Filtered,
                };
                let outcome = bench.model().receive(&frame_on(vid, 98, 0));
                assert_eq!(outcome, expected, "{} {vid}", card.name);
                bench.turn(64, |_| Verdict::Release);
            }
        }
    }
    for card in kinds() {
        in_its_form!(filters, card);
    }
}

#[test]
fn an_address_is_read_from_the_eeprom_where_there_is_one() {
    fn reads<F: Format>(card: &'static Card) {
        let result = bring_up_as::<F>(card, |model| {
            model.set(RAL.first().offset(), 0);
            model.set(RAH.first().offset(), 0);
            model.reset_keeps_registers = true;
        });
        match card.eeprom {
            Eeprom::None => assert_eq!(
                result.err(),
                Some(E1000Error::InvalidMacAddress(MacAddress([0; 6])))
            ),
            Eeprom::Early | Eeprom::Late => {
                assert_eq!(result.unwrap().device.mac_address().0, EEPROM_ADDRESS);
            }
        }
    }
    for card in kinds() {
        in_its_form!(reads, card);
    }
}

#[test]
fn addresses_that_are_not_ours_to_set_are_left_alone() {
    let card = Card::find(0x8086, 0x153a).unwrap();
    let bench = bring_up_as::<Legacy>(card, |model| {
        model.reset_keeps_registers = true;
        model.set(RAL.first().offset() + 8, 0x1234_5678);
        model.set(MTA.first().offset() + 4 * 32, 0x55);
    })
    .unwrap();
    assert_eq!(bench.model().peek(RAL.first().offset() + 8), 0x1234_5678);
    assert_eq!(bench.model().peek(MTA.first().offset() + 4 * 32), 0x55);
}

#[test]
fn what_another_system_did_with_several_queues_or_the_phy_is_undone() {
    for device in [0x10c9, 0x1521, 0x1533] {
        let card = Card::find(0x8086, device).unwrap();
        let mut bench = bring_up_as::<Advanced>(card, |model| {
            model.reset_keeps_registers = true;
            for register in [
                MRQC, VT_CTL, TDWBAL, TDWBAH, SRRCTL, RXDCTL, TXDCTL, RXPBS, TXPBS, PHPM,
            ] {
                model.set(register.offset(), 0x5a5a_5a7a);
            }
            for register in UTA.iter().chain(RAL_MORE.iter()).chain(RAH_MORE.iter()) {
                model.set(register.offset(), u32::MAX);
            }
        })
        .unwrap();
        let is = |register: Register<u32>| bench.model().peek(register.offset());
        assert_eq!([MRQC, VT_CTL, TDWBAL, TDWBAH].map(is), [0; 4]);
        let was = 0x5a5a_5a7a;
        if card.has(Quirks::PACKET_BUFFERS) {
            assert_eq!([RXPBS, TXPBS].map(is), [0xa2, 0x0400_0014]);
        } else {
            assert_eq!([RXPBS, TXPBS].map(is), [was; 2]);
        }
        let disconnected = is(PHPM) & 1 << 5 != 0;
        assert_eq!(disconnected, !card.has(Quirks::LINK_DISCONNECT));
        assert_eq!(is(EIMC), u32::MAX);
        let mut to_another = frame(1);
        to_another[5] ^= 1;
        assert_eq!(bench.model().receive(&to_another), Outcome::Filtered);
        to_another[..6].fill(0xff);
        to_another[0] = 0xfe;
        assert_eq!(bench.model().receive(&to_another), Outcome::Filtered);
        bench.assert_serves();
    }
}

#[test]
fn no_tail_is_written_before_its_queue_says_that_it_is_enabled() {
    // The model sees to that; a queue that takes its time is waited for without waiting.
    for reads in [0, 1, 3, 10] {
        let mut bench = bring_up_as::<Advanced>(advanced_card(), |model| {
            model.slow_queues = reads;
        })
        .unwrap();
        let looks = (0..100).take_while(|_| !bench.device.refresh_link().up);
        assert!(looks.count() <= 2 * reads as usize, "{reads}");
        bench.assert_serves();
        bench.model().set(RXDCTL.offset(), 0);
        bench.assert_recovers_within(1, 20 + 2 * reads as usize);
    }
}

#[test]
fn a_card_whose_queues_are_never_enabled_is_reset_again() {
    let mut bench = bring_up_as::<Advanced>(advanced_card(), |model| {
        model.slow_queues = u32::MAX;
    })
    .unwrap();
    bench.look(200);
    assert!(!bench.device.link.up);
    assert_eq!(bench.echo(), 0);
    bench.model().slow_queues = 0;
    bench.assert_recovers_within(0, 60);
}
