//! Devices that stop working, and come back.

use super::*;

in_each_format!(
    a_device_that_asks_for_a_reset_is_reset,
    a_device_that_somebody_else_has_reset_is_brought_back,
    a_device_that_vanishes_and_returns_is_brought_back,
    a_transmitter_that_hangs_is_reset_after_two_seconds,
    a_transmitter_that_is_slow_does_not_hang,
    commands_that_are_never_carried_out_are_a_hang,
    a_device_that_breaks_the_rules_is_reset,
    a_frame_sent_twice_is_a_breach,
    a_device_that_cannot_be_brought_back_is_tried_again,
    a_link_that_flaps_is_followed,
    a_device_that_is_let_go_of_is_reset_and_left_alone,
);

impl<Q: Virtqueue> Bench<Q> {
    pub(super) fn look(&mut self, times: usize) {
        for _ in 0..times {
            self.device.refresh_link();
            self.device.refresh_statistics();
            self.check();
        }
    }

    /// After a fault's end, service is back within a second, which is twenty looks, and everything is
    /// configured as before.
    fn assert_recovers(&mut self, resets: u64) {
        self.look(20);
        self.assert_serves();
        assert_eq!(self.statistic("resets"), resets);
        assert!(!self.model().promiscuous);
        assert_eq!(self.model().vlans, BTreeSet::from([42]));
    }
}

fn a_device_that_asks_for_a_reset_is_reset<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for resets in 1..5 {
        bench.model().reset_takes = resets as usize;
        bench.model().receive(&frame(1));
        bench.model().status |= 64;
        bench.look(1);
        assert_eq!(bench.turn(64, |_| Verdict::Release), 0);
        assert!(!bench.device.link.up);
        bench.assert_recovers(resets);
    }
}

fn a_device_that_somebody_else_has_reset_is_brought_back<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.model().reset();
    bench.assert_recovers(1);
}

fn a_device_that_vanishes_and_returns_is_brought_back<Q: Virtqueue>() {
    for gone_reads in [u8::MAX, 0] {
        let mut bench = bench::<Q>();
        bench.model().gone_reads = gone_reads;
        bench.model().gone = true;
        bench.look(100);
        assert_eq!(bench.echo(), 0);
        assert!(!bench.device.link.up);
        // It is waited for, not reset.
        assert_eq!(bench.statistic("resets"), 0);
        assert_eq!(bench.statistic("vanished"), 1);
        bench.model().gone = false;
        bench.assert_recovers(1);
    }
}

fn a_transmitter_that_hangs_is_reset_after_two_seconds<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.look(10);
    bench.model().transmit_credit = 0;
    bench.model().receive(&frame(1));
    bench.echo();
    bench.look(38);
    assert_eq!(bench.statistic("resets"), 0);
    bench.look(3);
    assert_eq!(bench.statistic("tx_timeout_count"), 1);
    bench.model().transmit_credit = usize::MAX;
    bench.assert_recovers(1);
}

fn a_transmitter_that_is_slow_does_not_hang<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.model().transmit_credit = 0;
    for _ in 0..50 {
        for _ in 0..10 {
            bench.model().receive(&frame(1));
        }
        bench.echo();
        bench.look(30);
        bench.model().transmit_credit = 1;
        bench.model().pump();
    }
    assert_eq!(bench.statistic("resets"), 0);
}

fn commands_that_are_never_carried_out_are_a_hang<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.model().ignores_commands = true;
    bench.device.set_vlan_filter(&vlans(&[42, 7]));
    bench.device.set_vlan_filter(&vlans(&[42]));
    bench.look(60);
    assert!(bench.statistic("tx_timeout_count") > 0);
    bench.model().ignores_commands = false;
    bench.look(60);
    bench.assert_serves();
    assert_eq!(bench.model().vlans, BTreeSet::from([42]));
}

fn a_device_that_breaks_the_rules_is_reset<Q: Virtqueue>() {
    let breaches: [fn(&mut Model); 6] = [
        |model| model.put_anything_back(0, 256, 100),
        |model| model.put_anything_back(0, u32::MAX, 100),
        |model| model.put_anything_back(1, 256, 0),
        |model| model.put_anything_back(2, 1, 1),
        // Only split queues have an index that could run ahead.
        |model| model.move_used(0, 257),
        |model| model.move_used(0, 0x8000),
    ];
    let is_packed = Q::FEATURES.contains(Features::RING_PACKED);
    let count = if is_packed { 4 } else { 6 };
    for breach in breaches.into_iter().take(count) {
        let mut bench = bench::<Q>();
        bench.look(10);
        bench.model().transmit_credit = 0;
        bench.model().receive(&frame(1));
        bench.echo();
        breach(&mut bench.model());
        // So many answers that what was sent before is asked for.
        for _ in 0..300 {
            bench.model().deliver(&frame(1), 110);
            bench.echo();
        }
        bench.look(2);
        assert_eq!(bench.statistic("protocol_errors"), 1);
        bench.model().transmit_credit = usize::MAX;
        bench.assert_recovers(1);
    }
}

fn a_frame_sent_twice_is_a_breach<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.look(10);
    bench.model().transmit_credit = 0;
    for _ in 0..256 {
        bench.model().receive(&frame(1));
        bench.echo();
    }
    bench.model().put_anything_back(1, 5, 0);
    bench.model().put_anything_back(1, 5, 0);
    bench.model().receive(&frame(1));
    bench.turn(64, |received| {
        assert!(!received.can_answer);
        Verdict::Release
    });
    bench.look(1);
    assert_eq!(bench.statistic("protocol_errors"), 1);
    bench.model().transmit_credit = usize::MAX;
    bench.assert_recovers(1);
}

fn a_device_that_cannot_be_brought_back_is_tried_again<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.model().status |= 64;
    bench.model().refuses_features = true;
    bench.look(100);
    assert_eq!(bench.echo(), 0);
    bench.model().refuses_features = false;
    bench.look(20);
    bench.assert_serves();
}

fn a_link_that_flaps_is_followed<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for up in [false, true, false, true] {
        bench.model().link_up = up;
        assert_eq!(bench.device.refresh_link().up, up);
    }
    bench.assert_serves();
    assert_eq!(bench.statistic("resets"), 0);
}

fn a_device_that_is_let_go_of_is_reset_and_left_alone<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    for (takes, is_waited_for) in [(0, true), (5, true), (0, false), (5, false)] {
        bench.model().reset_takes = takes;
        bench.assert_serves();
        bench.model().receive(&frame(1));
        if is_waited_for {
            let mut waited = 0;
            bench.device.let_go(|_| waited += 1);
            assert_eq!(bench.model().status, 0);
            assert!(waited <= takes, "{waited}");
        } else {
            bench.device.let_go_at_once();
        }
        assert_eq!(bench.echo(), 0);
        assert!(bench.device.transmit(|_| 60).is_err());
        bench.take_notified();
        bench.device.ring_doorbells();
        assert_eq!(bench.take_notified(), []);
        bench.look(20);
        bench.assert_serves();
    }
    assert_eq!(bench.statistic("resets"), 4);
}
