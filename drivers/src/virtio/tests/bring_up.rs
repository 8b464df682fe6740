//! Coming up, on whatever stands there.

use super::*;

in_either_format!(
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
        1 << 63 | 1 << 32 | 0xf << 16 | 1 << 5
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

#[test]
fn a_device_from_before_version_1_has_a_shorter_header() {
    let mut bench = bring_up::<SplitQueue>(|model| {
        model.is_legacy = true;
        model.offered = OFFERED_LEGACY;
        model.limits = [256, 256, 64];
    })
    .unwrap();
    assert_eq!(bench.device.model(), "virtio-net (legacy)");
    assert!(bench.model().promiscuous);
    for _ in 0..1000 {
        bench.assert_serves();
    }
}

#[test]
fn a_legacy_device_with_queues_of_another_size_is_refused() {
    let result = bring_up::<SplitQueue>(|model| {
        model.is_legacy = true;
        model.offered = OFFERED_LEGACY;
        model.limits = [256, 1024, 64];
    });
    assert_eq!(result.err(), Some(VirtioError::QueueSize { size: 1024 }));
}
