//! What sets the cards of the family apart.

use super::*;

/// One card of each kind.
pub(super) fn kinds() -> impl Iterator<Item = &'static Card> {
    let devices = [0x1008, 0x100e, 0x10d3, 0x153a];
    devices
        .map(|device| Card::find(0x8086, device).unwrap())
        .into_iter()
}

#[test]
fn every_card_is_of_a_kind_that_is_tried() {
    for card in CARDS {
        assert!(
            kinds().any(|kind| kind.quirks == card.quirks),
            "{}",
            card.name
        );
    }
}

#[test]
fn every_card_comes_up_and_serves() {
    // The model refuses a reset that would hang the bus of the card.
    for card in CARDS {
        let mut bench = bring_up_as(card, |_| ()).unwrap();
        assert_eq!(bench.device.model(), card.name);
        for _ in 0..300 {
            bench.assert_serves();
        }
    }
}

#[test]
fn every_card_filters_by_its_table_whatever_it_does_to_neighboring_words() {
    for card in kinds() {
        let mut bench = bring_up_as(card, |_| ()).unwrap();
        for vids in [&[42][..], &[0, 31, 32, 63, 64, 4095], &[33], &[1, 33], &[]] {
            bench.device.set_vlan_filter(&vlans(vids));
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
}

#[test]
fn an_address_is_read_from_the_eeprom_where_there_is_one() {
    for card in kinds() {
        let result = bring_up_as(card, |model| {
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
}

#[test]
fn addresses_that_are_not_ours_to_set_are_left_alone() {
    let card = Card::find(0x8086, 0x153a).unwrap();
    let bench = bring_up_as(card, |model| {
        model.reset_keeps_registers = true;
        model.set(RAL.first().offset() + 8, 0x1234_5678);
        model.set(MTA.first().offset() + 4 * 32, 0x55);
    })
    .unwrap();
    assert_eq!(bench.model().peek(RAL.first().offset() + 8), 0x1234_5678);
    assert_eq!(bench.model().peek(MTA.first().offset() + 4 * 32), 0x55);
}
