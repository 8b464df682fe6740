//! What the card lets through.

use super::*;

#[test]
fn the_card_takes_our_vlans_only_and_untagged_frames() {
    let bench = bench();
    let mut model = bench.model();
    assert_eq!(model.receive(&frame_on(42, 98, 0)), Outcome::Delivered);
    assert_eq!(model.receive(&frame_on(41, 98, 0)), Outcome::Filtered);
    // Priority and drop eligible bits do not matter.
    assert_eq!(model.receive(&frame_on(0xf02a, 98, 0)), Outcome::Delivered);
    let mut untagged = frame(0);
    untagged[12..14].copy_from_slice(&[8, 0]);
    assert_eq!(model.receive(&untagged), Outcome::Delivered);
}

#[test]
fn the_card_takes_frames_to_us_and_to_all() {
    let bench = bench();
    let mut frame = frame(0);
    for (destination, outcome) in [
        ([0xff; 6], Outcome::Delivered),
        ([0x52, 0x54, 0, 0x12, 0x34, 0x57], Outcome::Filtered),
        ([1, 0, 0x5e, 0, 0, 1], Outcome::Filtered),
    ] {
        frame[..6].copy_from_slice(&destination);
        assert_eq!(bench.model().receive(&frame), outcome);
    }
}

#[test]
fn the_filter_table_follows_the_set_and_only_changes_are_written() {
    let mut bench = bench();
    bench.take_accesses();
    let set = vlans(&[0, 42, 43, 1000, 4095]);
    bench.device.set_vlan_filter(&set);
    let table = VFTA.first().offset();
    let expected = [
        Access::Write(table, 1),
        Access::Write(table + 4, 0x0c00),
        Access::Write(table + 124, 0x100),
        Access::Write(table + 508, 0x8000_0000),
    ];
    let flushed: Vec<_> = expected
        .into_iter()
        .flat_map(|write| [write, Access::Read(STATUS.offset())])
        .collect();
    assert_eq!(bench.take_accesses(), flushed);
    bench.device.set_vlan_filter(&set);
    assert_eq!(bench.take_accesses(), []);
    for vid in 0..4096 {
        let outcome = match set.contains(vid) {
            true => Outcome::Delivered,
            false => Outcome::Filtered,
        };
        assert_eq!(bench.model().receive(&frame_on(vid, 98, 0)), outcome);
    }
    bench.device.set_vlan_filter(&VlanSet::new());
    assert_eq!(bench.model().receive(&frame(0)), Outcome::Filtered);
}

#[test]
fn a_filter_of_all_vlans_is_written_a_few_words_at_a_time_on_every_card() {
    for card in CARDS {
        in_its_form!(write_a_filter_of_all_vlans, card);
    }
}

fn write_a_filter_of_all_vlans<F: Format>(card: &'static Card) {
    let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
    let mut none_at_all = VlanSet::full();
    for set in [VlanSet::full(), VlanSet::new(), VlanSet::full()] {
        bench.take_accesses();
        bench.device.set_vlan_filter(&set);
        let mut pieces = 1;
        loop {
            let accesses = bench.take_accesses().len();
            let name = card.name;
            assert!(
                (1..=FILTER_ACCESSES).contains(&accesses),
                "{name}: {accesses}"
            );
            if !bench.device.advance_vlan_filter() {
                break;
            }
            pieces += 1;
        }
        let is_slow = [Quirks::VLAN_WORDS_IN_PAIRS, Quirks::VLAN_WORDS_GET_LOST];
        if !is_slow.into_iter().any(|quirk| card.has(quirk)) {
            assert!((15..=16).contains(&pieces), "{pieces}");
        }
        for vid in [0, 42, 4095] {
            let outcome = match set.contains(vid) {
                true => Outcome::Delivered,
                false => Outcome::Filtered,
            };
            assert_eq!(bench.model().receive(&frame_on(vid, 98, 0)), outcome);
        }
        // There is nothing left to be written.
        assert!(!bench.device.advance_vlan_filter());
        bench.take_accesses();
        none_at_all.keep(&set);
    }
    // What is wanted meanwhile is what counts in the end.
    bench.device.set_vlan_filter(&none_at_all);
    bench.device.set_vlan_filter(&vlans(&[42]));
    while bench.device.advance_vlan_filter() {}
    for (vid, outcome) in [(42, Outcome::Delivered), (4000, Outcome::Filtered)] {
        assert_eq!(bench.model().receive(&frame_on(vid, 98, 0)), outcome);
    }
}
