//! From a card in any state to one at work.

use core::cell::Cell;

use super::*;

#[test]
fn the_card_has_the_address_in_its_eeprom_and_a_link() {
    let bench = bench();
    assert_eq!(bench.device.model(), "82540EM");
    assert_eq!(bench.device.mac_address(), MacAddress(EEPROM_ADDRESS));
    assert_eq!(
        bench.device.link,
        Link {
            up: true,
            speed_mbps: 1000,
            full_duplex: true,
        }
    );
}

#[test]
fn receive_control_is_written_to_stop_and_once_more_as_the_very_last_register() {
    let bench = bench();
    let accesses = bench.take_accesses();
    let writes: Vec<_> = accesses
        .iter()
        .filter_map(|access| match *access {
            Access::Write(offset, value) => Some((offset, value)),
            Access::Read(_) => None,
        })
        .collect();
    let last = (RCTL.offset(), 0x0404_8002);
    let control: Vec<_> = writes
        .iter()
        .filter(|write| write.0 == RCTL.offset())
        .collect();
    assert_eq!(control, [&(RCTL.offset(), 0), &last]);
    assert_eq!(writes.last(), Some(&last));
}

#[test]
fn a_card_that_was_reset_receives_nothing_and_has_not_been_told_of_memory() {
    let (model, _memory) = untouched_card();
    model
        .0
        .borrow_mut()
        .set(RCTL.offset(), ReceiveControl::EN.bits());
    let _quiet = Quiet::reset(card(), model.clone(), |_| ()).unwrap();
    let mut model = model.0.borrow_mut();
    assert_eq!(model.receive(&frame(1)), Outcome::Deaf);
    for base in [RDBAL, RDBAH, TDBAL, TDBAH] {
        assert_eq!(model.peek(base.offset()), 0);
    }
}

#[test]
fn a_card_that_was_left_receiving_is_counted_as_such() {
    for (control, expected) in [(0, 0), (ReceiveControl::EN.bits(), 1)] {
        let mut bench = bring_up(|model| model.set(RCTL.offset(), control)).unwrap();
        assert_eq!(bench.statistic("found_in_use"), expected);
        assert_eq!(bench.statistic("resets"), 0);
    }
}

/// What the driver is to leave in each register that it programs.
fn programmed(model: &Model) -> Vec<(u32, u32)> {
    let single = [
        FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH, ITR, RDTR, RADV, TADV, TIDV, AIT, RXCSUM, WUC, WUFC,
        VET, TIPG, RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL, TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL,
        IMC,
    ];
    let single = single.iter().map(Register::offset);
    let typed = [RCTL.offset(), TCTL.offset()];
    let tables = MTA.iter().chain(RAL.iter()).chain(RAH.iter());
    let tables = tables.chain(VFTA.iter()).map(|register| register.offset());
    let offsets = single.chain(typed).chain(tables);
    offsets.map(|offset| (offset, model.peek(offset))).collect()
}

#[test]
fn a_card_that_firmware_left_dirty_and_whose_reset_keeps_it_comes_up_like_a_clean_one() {
    for seed in 1..20_u32 {
        let clean = bench();
        let mut dirty = bring_up(|model| {
            model.reset_keeps_registers = true;
            let mut garbage = seed;
            for offset in (0..REGISTERS_LENGTH).step_by(4) {
                // Marsaglia's xorshift.
                garbage ^= garbage << 13;
                garbage ^= garbage >> 17;
                garbage ^= garbage << 5;
                model.set(offset, garbage);
            }
            // What is loaded there is taken for the card's address if it says that it is valid.
            let high = model.peek(RAH.first().offset());
            model.set(RAH.first().offset(), high & !ADDRESS_VALID);
        })
        .unwrap();
        assert_eq!(programmed(&dirty.model()), programmed(&clean.model()));
        let control = Control::from_bits_retain(dirty.model().peek(CTRL.offset()));
        let expected = Control::SLU | Control::ASDE;
        assert_eq!(control - Control::SOFTWARE_PINS, expected);
        let management = dirty.model().peek(MANC.offset());
        assert_eq!(management & Management::ARP_EN.bits(), 0);

        assert_eq!(dirty.model().receive(&frame(7)), Outcome::Delivered);
        assert_eq!(dirty.echo(), 1);
        assert_eq!(dirty.take_sent(), [frame(7)]);
        assert_eq!(dirty.statistic("rx_packets"), 1);
        assert_eq!(dirty.statistic("rx_missed_errors"), 0);
    }
}

#[test]
fn the_pins_that_the_board_needs_keep_their_state() {
    let bench = bench();
    let control = bench.model().peek(CTRL.offset());
    assert_eq!(control, 0x00c0_0060);
}

#[test]
fn the_rings_lie_where_the_card_is_told_and_leave_one_descriptor_out() {
    let bench = bench();
    let model = bench.model();
    let base = |low: Register<u32>, high: Register<u32>| {
        u64::from(model.peek(high.offset())) << 32 | u64::from(model.peek(low.offset()))
    };
    assert_eq!(
        base(RDBAL, RDBAH),
        bench.device.receive.placement().physical
    );
    assert_eq!(
        base(TDBAL, TDBAH),
        bench.device.transmit.placement().physical
    );
    assert_eq!(base(RDBAL, RDBAH) % 4096, 0);
    assert_eq!(base(TDBAL, TDBAH) % 4096, 0);
    assert_eq!(model.peek(RDLEN.offset()), 256 * 16);
    assert_eq!(model.peek(TDLEN.offset()), 256 * 16);
    assert_eq!(model.peek(RDT.offset()), 255);
}

#[test]
fn an_address_that_is_not_loaded_is_read_from_the_eeprom() {
    for high in [0x5634_u32, 0x8000_0000] {
        let bench = bring_up(|model| {
            model.reset_keeps_registers = true;
            model.set(RAL.first().offset(), 0);
            model.set(RAH.first().offset(), high & 0x8000_0000);
        })
        .unwrap();
        assert_eq!(bench.device.mac_address(), MacAddress(EEPROM_ADDRESS));
    }
}

#[test]
fn addresses_that_no_station_could_bear_are_refused() {
    for octets in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1], [3, 2, 3, 4, 5, 6]] {
        let result = bring_up(|model| {
            model.eeprom = Some(octets);
            model.reset_keeps_registers = true;
            model.set(RAH.first().offset(), 0);
        });
        let error = result.err().unwrap();
        assert_eq!(error, E1000Error::InvalidMacAddress(MacAddress(octets)));
    }
    let error = E1000Error::InvalidMacAddress(MacAddress([0xff; 6]));
    assert_eq!(
        error.to_string(),
        "the card's eeprom holds ff:ff:ff:ff:ff:ff, which is no station address"
    );
}

#[test]
fn an_eeprom_that_never_answers_is_given_up() {
    let (model, _memory) = untouched_card();
    model.0.borrow_mut().eeprom = None;
    let waited = Cell::new(0_u64);
    let wait = |microseconds| waited.set(waited.get() + u64::from(microseconds));
    let error = Quiet::reset(card(), model.clone(), wait).err().unwrap();
    assert_eq!(error, E1000Error::EepromTimeout { word: 0 });
    assert!(waited.get() < 100_000, "waited {} µs", waited.get());
}

#[test]
fn a_card_that_stays_in_its_reset_is_given_up() {
    let error = bring_up(|model| model.stuck_in_reset = true).err().unwrap();
    assert_eq!(error, E1000Error::StuckInReset);
}

#[test]
fn registers_that_read_as_all_ones_are_a_card_that_is_gone() {
    let error = bring_up(|model| model.gone = true).err().unwrap();
    assert_eq!(error, E1000Error::Gone);
}

#[test]
fn a_card_that_vanishes_in_its_reset_is_gone_not_stuck() {
    let (model, _memory) = untouched_card();
    let vanishing = model.clone();
    let vanish = |_| vanishing.0.borrow_mut().gone = true;
    let error = Quiet::reset(card(), model, vanish).err().unwrap();
    assert_eq!(error, E1000Error::Gone);
}

#[test]
fn memory_that_is_too_small_is_refused() {
    let (model, memory) = card_with_memory(1 << 20);
    let quiet = Quiet::reset(card(), model, |_| ()).unwrap();
    let error = quiet
        .start::<Legacy>(&mut memory.region(), &vlans(&[]))
        .err()
        .unwrap();
    assert!(matches!(error, E1000Error::OutOfDmaMemory(_)));
}
