//! Devices behind the registers of virtio-mmio.

use super::*;

in_each_format!(
    a_device_of_version_1_serves_and_filters,
    a_device_that_asks_for_a_reset_is_reset,
);
use crate::virtio::mmio::{MmioTransport, Occupant};
use crate::virtio::model::mmio::Block;
use std::string::ToString;

fn over_mmio(model: &mut Model) {
    model.is_mmio = true;
}

fn over_legacy_mmio(model: &mut Model) {
    model.is_mmio = true;
    model.is_legacy = true;
    model.offered = OFFERED_LEGACY;
    model.limits = [1024; 3];
}

fn a_device_of_version_1_serves_and_filters<Q: Virtqueue>() {
    let mut bench = bring_up::<Q>(over_mmio).unwrap();
    assert_eq!(
        bench.model().accepted,
        Q::FEATURES.bits() | 1 << 63 | 1 << 32 | 0xf << 16 | 1 << 5 | 1 << 1
    );
    for _ in 0..1000 {
        bench.assert_serves();
    }
    bench.device.refresh_statistics();
    assert!(!bench.model().promiscuous);
    assert_eq!(bench.model().vlans, BTreeSet::from([42]));
}

#[test]
fn a_device_from_before_serves_and_filters_whatever_it_allows_for() {
    for limits in [[1024; 3], [256, 128, 64], [2; 3], [100, 300, 5]] {
        let mut bench = bring_up::<LegacyQueue>(|model| {
            over_legacy_mmio(model);
            model.limits = limits;
        })
        .unwrap();
        assert_eq!(bench.device.model(), "virtio-net (legacy)");
        assert_eq!(bench.model().accepted, OFFERED_LEGACY);
        for _ in 0..1000 {
            bench.assert_serves();
        }
        for _ in 0..3 {
            bench.device.refresh_statistics();
        }
        assert!(!bench.model().promiscuous);
        assert_eq!(bench.model().vlans, BTreeSet::from([42]));
    }
}

fn a_device_that_asks_for_a_reset_is_reset<Q: Virtqueue>() {
    let can_be_legacy = Q::FEATURES.is_empty();
    let ways: [fn(&mut Model); 2] = [over_mmio, over_legacy_mmio];
    for prepare in ways.into_iter().take(1 + usize::from(can_be_legacy)) {
        let mut bench = bring_up::<Q>(prepare).unwrap();
        bench.model().status |= 64;
        for _ in 0..20 {
            bench.device.refresh_link();
        }
        assert_eq!(bench.statistic("resets"), 1);
        bench.assert_serves();
    }
}

/// What is wrong with a block of registers, and what is said about it.
type Case = (fn(&mut Block), Occupant, &'static str);

#[test]
fn what_is_no_network_device_is_named() {
    #[rustfmt::skip]
    let cases: [Case; 4] = [
        (|block| block.magic = 0, Occupant::None { magic: 0 },
            "no virtio device: the first register reads 0x00000000 instead of 0x74726976"),
        (|block| block.kind = 0, Occupant::Placeholder,
            "a place for a virtio device, with none in it"),
        (|block| block.kind = 2, Occupant::Other { kind: 2 }, "a virtio device of kind 2"),
        (|block| block.version = 3, Occupant::UnknownVersion { version: 3 },
            "a virtio device with registers of version 3, where 1 and 2 are known"),
    ];
    for (spoil, expected, message) in cases {
        let (model, _memory) = untouched_device();
        let mut block = Block::new(model, false);
        spoil(&mut block);
        let occupant = MmioTransport::new(block).unwrap_err();
        assert_eq!(occupant, expected);
        assert_eq!(occupant.to_string(), message);
    }
}
