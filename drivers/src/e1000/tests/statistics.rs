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
    assert_eq!(names.len(), COUNTERS + 4);
}
