//! The card's own counters.

use super::*;

const CRC_ERRORS: u32 = 0x4000;

#[test]
fn a_turn_reads_four_registers_at_most() {
    let mut bench = bench();
    bench.model().receive(&frame(1));
    for _ in 0..3 * COUNTERS {
        bench.take_accesses();
        bench.device.refresh_statistics();
        assert!(bench.take_accesses().len() <= 4);
    }
}

#[test]
fn counters_add_up_whether_or_not_reading_clears_them() {
    for stick in [false, true] {
        let mut bench = bring_up(|model| model.counters_stick = stick).unwrap();
        let mut sum = 0;
        for events in [0, 3, 0, 1, 100, 7] {
            let held = if stick {
                bench.model().peek(CRC_ERRORS)
            } else {
                0
            };
            bench.model().set(CRC_ERRORS, held + events);
            sum += u64::from(events);
            assert_eq!(bench.statistic("rx_crc_errors"), sum, "stick: {stick}");
            assert_eq!(bench.statistic("rx_crc_errors"), sum, "stick: {stick}");
        }
    }
}

#[test]
fn what_counters_held_before_does_not_count() {
    for stick in [false, true] {
        let mut bench = bring_up(|model| {
            model.counters_stick = stick;
            model.reset_keeps_registers = true;
            model.set(CRC_ERRORS, 1000);
        })
        .unwrap();
        assert_eq!(bench.statistic("rx_crc_errors"), 0);
    }
}

#[test]
fn octets_are_counted_in_64_bits() {
    let mut bench = bench();
    bench.model().set(0x4088, 5);
    bench.model().set(0x408c, 2);
    assert_eq!(bench.statistic("rx_bytes"), 0x2_0000_0005);
}

#[test]
fn names_are_unique() {
    let bench = bench();
    let names: BTreeSet<_> = bench.device.statistics().map(|entry| entry.name).collect();
    assert_eq!(names.len(), COUNTERS + 6);
}

#[test]
fn an_overrun_is_said_with_how_many_frames_it_cost_and_of_many_a_few_are() {
    let bench = bench();
    let registers = Registers(bench.model.clone());
    let mut statistics = Statistics::start(&registers);
    let mut said = |missed: u32| {
        bench.model().set(0x4010, missed);
        let said = (0..COUNTERS).filter_map(|_| statistics.read_next(&registers));
        said.collect::<Vec<_>>()
    };
    assert_eq!(said(0), []);
    for missed in 1..=10 {
        assert_eq!(said(missed), [u64::from(missed)]);
    }
    assert!((11..20).all(|missed| said(missed).is_empty()));
    assert_eq!(said(20), [20]);
}
