//! The filter, and the queue through which it is set.

use super::*;

in_each_format!(
    the_filter_is_set_before_the_device_stops_being_promiscuous,
    changes_are_carried_out_one_by_one_whatever_they_are,
    one_call_sends_a_bounded_number_of_commands,
    a_vlan_that_is_to_pass_passes_while_many_others_are_told,
    a_device_that_refuses_passes_everything_instead,
    a_device_without_a_filter_is_left_as_it_is,
    a_device_that_does_not_filter_vlans_still_filters_addresses,
);

impl<Q: Virtqueue> Bench<Q> {
    /// Enough housekeeping for the filter to be set.
    fn settle(&mut self) {
        for _ in 0..300 {
            self.device.refresh_statistics();
        }
        self.check();
    }

    fn passed(&self) -> (bool, Vec<u16>) {
        let model = self.model();
        (model.promiscuous, model.vlans.iter().copied().collect())
    }
}

fn the_filter_is_set_before_the_device_stops_being_promiscuous<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.ignores_commands = true).unwrap();
    bench.settle();
    assert_eq!(bench.passed(), (true, Vec::new()));
    bench.model().ignores_commands = false;
    bench.model().obey();
    assert_eq!(bench.passed(), (true, std::vec![42]));
    bench.settle();
    assert_eq!(bench.passed(), (false, std::vec![42]));
    assert_eq!(
        bench.model().receive(&frame_on(42, 98, 1)),
        Outcome::Delivered
    );
    assert_eq!(
        bench.model().receive(&frame_on(43, 98, 1)),
        Outcome::Filtered
    );
}

fn changes_are_carried_out_one_by_one_whatever_they_are<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.settle();
    for vids in [&[][..], &[0, 1, 4095], &[42], &[1, 2, 3, 42, 4094]] {
        let before = bench.model().commands;
        let (_, held) = bench.passed();
        bench.device.set_vlan_filter(&vlans(vids));
        bench.settle();
        assert_eq!(bench.passed(), (false, vids.to_vec()));
        let held: BTreeSet<_> = held.into_iter().collect();
        let wanted = vids.iter().copied().collect();
        let changes = held.symmetric_difference(&wanted).count();
        assert_eq!(bench.model().commands - before, changes);
    }
    bench.device.set_vlan_filter(&VlanSet::full());
    bench.settle();
    assert_eq!(bench.passed(), (false, (0..4096).collect()));
    bench.device.set_vlan_filter(&VlanSet::new());
    bench.settle();
    assert_eq!(bench.passed(), (false, Vec::new()));
}

fn one_call_sends_a_bounded_number_of_commands<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.limits = [256; 3]).unwrap();
    bench.settle();
    let before = bench.model().commands;
    bench.device.set_vlan_filter(&VlanSet::full());
    assert_eq!(bench.model().commands - before, 32);
    bench.device.refresh_statistics();
    assert_eq!(bench.model().commands - before, 64);
}

fn a_vlan_that_is_to_pass_passes_while_many_others_are_told<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.settle();
    assert!(!bench.passed().0);
    bench.device.set_vlan_filter(&VlanSet::full());
    for vid in [0, 42, 2000, 4095] {
        let frame = frame_on(vid, 98, 1);
        assert_eq!(bench.model().receive(&frame), Outcome::Delivered);
    }
    bench.settle();
    assert_eq!(bench.passed(), (false, (0..4096).collect()));
}

fn a_device_that_refuses_passes_everything_instead<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.settle();
    bench.model().refuses_commands = true;
    bench.device.set_vlan_filter(&vlans(&[7]));
    bench.model().refuses_commands = false;
    bench.settle();
    assert!(bench.passed().0);
    assert!(bench.statistic("vlan_filter_refusals") > 0);
    assert!(!bench.device.filters_vlans());
    assert_eq!(
        bench.model().receive(&frame_on(7, 98, 1)),
        Outcome::Delivered
    );
}

fn a_device_without_a_filter_is_left_as_it_is<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| {
        model.offered &= !(1 << 17);
        model.limits = [256, 256, 0];
    })
    .unwrap();
    bench.settle();
    bench.device.set_vlan_filter(&vlans(&[1, 2, 3]));
    bench.settle();
    assert_eq!(bench.passed(), (true, Vec::new()));
    assert_eq!(bench.model().commands, 0);
    bench.assert_serves();
}

fn a_device_that_does_not_filter_vlans_still_filters_addresses<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.offered &= !(1 << 19)).unwrap();
    bench.settle();
    assert_eq!(bench.passed(), (false, Vec::new()));
    bench.assert_serves();
}
