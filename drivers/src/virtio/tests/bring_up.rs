//! Coming up, on whatever stands there.

use super::*;
use std::string::ToString;

in_each_format!(
    a_link_says_its_speed,
    a_reset_may_take_its_time,
    small_queues_serve_as_large_ones_do,
);

#[test]
fn a_device_may_say_how_long_datagrams_are() {
    assert_eq!(bench::<SplitQueue>().device.maximum_mtu(), 1500);
    let bench = bring_up::<SplitQueue>(|model| model.offered |= 1 << 3).unwrap();
    assert_eq!(bench.model().accepted >> 3 & 1, 1);
    assert_eq!(bench.device.maximum_mtu(), 1400);
}

#[test]
fn it_comes_up_with_the_features_that_have_a_purpose() {
    let bench = bench::<SplitQueue>();
    assert_eq!(bench.model().status, 0x0f);
    assert_eq!(
        bench.model().accepted,
        1 << 63 | 1 << 32 | 0xf << 16 | 1 << 5 | 1 << 1
    );
    assert_eq!(bench.device.mac_address().0, ADDRESS);
    assert_eq!(bench.device.model(), "virtio-net");
    assert!(bench.device.link.up);
    assert_eq!(bench.device.link.speed_mbps, 0);
}

#[test]
fn a_device_that_was_left_in_use_is_counted_as_such() {
    for (status, expected) in [(0, 0), (1, 0), (0x0b, 1), (0x0f, 1)] {
        let mut bench = bring_up::<SplitQueue>(|model| model.status = status).unwrap();
        assert_eq!(bench.statistic("found_in_use"), expected);
        bench.assert_serves();
    }
}

fn a_link_says_its_speed<Q: Virtqueue>() {
    let bench = bring_up::<Q>(|model| model.speed = 25_000).unwrap();
    assert_eq!(bench.device.link.speed_mbps, 25_000);
    assert!(bench.device.link.full_duplex);
}

fn a_reset_may_take_its_time<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(|model| model.reset_takes = 10).unwrap();
    bench.assert_serves();
}

/// What stands there, and what is said about it.
type Case = (fn(&mut Model), VirtioError);

#[test]
fn what_cannot_be_driven_is_refused_by_its_reason() {
    #[rustfmt::skip]
    let cases: [Case; 7] = [
        (|model| model.gone = true, VirtioError::Gone),
        (|model| model.reset_takes = usize::MAX, VirtioError::StuckInReset),
        (|model| model.offered &= !(1 << 32), VirtioError::Lacks("version 1 of the protocol")),
        (|model| model.refuses_features = true, VirtioError::FeaturesRefused),
        (|model| model.limits = [256, 0, 64], VirtioError::NoQueue { queue: 1 }),
        (|model| model.limits = [256, 256, 1], VirtioError::NoQueue { queue: 2 }),
        (|model| model.address = [1, 0, 0, 0, 0, 0],
            VirtioError::InvalidMacAddress(MacAddress([1, 0, 0, 0, 0, 0]))),
    ];
    for (prepare, expected) in cases {
        assert_eq!(bring_up::<SplitQueue>(prepare).err(), Some(expected));
    }
}

#[test]
fn a_device_that_could_not_be_driven_is_told_so() {
    let (model, memory) = untouched_device();
    model.0.borrow_mut().address = [0; 6];
    let quiet = Quiet::reset(model.clone(), |_| ()).unwrap();
    let started = quiet.start::<SplitQueue>(&mut memory.region(), &vlans(&[]));
    assert!(started.is_err());
    assert_eq!(model.0.borrow().status & 0x80, 0x80);
}

fn small_queues_serve_as_large_ones_do<Q: Virtqueue>() {
    for limit in [2, 3, 4, 16, 100, 255] {
        let mut bench = bring_up::<Q>(|model| model.limits = [limit; 3]).unwrap();
        for _ in 0..2000 {
            bench.assert_serves();
        }
    }
}

/// Behind I/O ports, where nobody can change how long a queue is.
fn legacy(limits: [u16; 3]) -> impl FnOnce(&mut Model) {
    move |model| {
        model.is_legacy = true;
        model.offered = OFFERED_LEGACY;
        model.limits = limits;
    }
}

#[test]
fn a_device_from_before_version_1_has_a_shorter_header() {
    let mut bench = bring_up::<LegacyQueue>(legacy([256, 256, 64])).unwrap();
    assert_eq!(bench.device.model(), "virtio-net (legacy)");
    for _ in 0..1000 {
        bench.assert_serves();
    }
    bench.device.refresh_statistics();
    assert!(!bench.model().promiscuous);
    assert_eq!(bench.model().vlans, BTreeSet::from([42]));
}

/// Often enough for each ring to be gone round twice, and for the index of the longest to begin anew behind 65,535.
fn serves_with(limits: [u16; 3]) {
    let mut bench = bring_up::<LegacyQueue>(legacy(limits)).unwrap();
    let rounds = 2 * usize::from(limits[0].max(limits[1])) + 512;
    let mut served = 0;
    while served < rounds {
        while bench.model().receive(&frame(9)) == Outcome::Delivered {}
        served += bench.turn(256, |_| Verdict::Answer { length: 98 });
        bench.model().pump();
    }
    bench.take_sent();
    bench.assert_serves();
    bench.device.set_vlan_filter(&vlans(&[7, 42]));
    for _ in 0..3 {
        bench.device.refresh_statistics();
    }
    assert!(!bench.model().promiscuous);
    assert_eq!(bench.model().vlans, BTreeSet::from([7, 42]));
}

#[test]
fn a_legacy_device_serves_however_long_its_queues_are() {
    for size in (1..16).map(|bit| 1 << bit) {
        serves_with([size; 3]);
    }
    for limits in [[1024, 256, 64], [256, 512, 64], [256, 256, 2]] {
        serves_with(limits);
    }
}

#[test]
fn of_a_long_queue_as_much_is_used_as_there_are_buffers() {
    let bench = bring_up::<LegacyQueue>(legacy([4096, 1024, 64])).unwrap();
    let delivered = || bench.model().receive(&frame(1)) == Outcome::Delivered;
    assert_eq!((0..4096).take_while(|_| delivered()).count(), 256);
}

#[test]
fn a_legacy_device_with_a_queue_of_no_power_of_two_is_refused() {
    let error = bring_up::<LegacyQueue>(legacy([256, 300, 64]))
        .err()
        .unwrap();
    let (queue, size) = (1, 300);
    assert_eq!(error, VirtioError::QueueSize { queue, size });
    assert_eq!(
        error.to_string(),
        "its queue 1 has 300 descriptors, where a power of two is right, and before version 1 of the protocol nobody can change it"
    );
}

/// A card may be taken out, and another be put in its place.
#[test]
fn a_legacy_device_that_comes_back_with_other_queues_serves_where_there_is_room() {
    let mut bench = bring_up::<LegacyQueue>(legacy([1024, 256, 64])).unwrap();
    for (limits, serves) in [
        ([256, 128, 8], true),
        ([512, 256, 256], true),
        ([2048, 256, 64], false),
        ([256, 512, 64], false),
        ([256, 256, 100], false),
        ([1024, 256, 64], true),
    ] {
        bench.model().limits = limits;
        if bench.device.link.up {
            bench.model().status |= 64;
        }
        for _ in 0..10 {
            bench.device.refresh_link();
            bench.check();
        }
        assert_eq!(bench.device.link.up, serves, "{limits:?}");
        if serves {
            bench.assert_serves();
        }
    }
}
