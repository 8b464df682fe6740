//! Cards and bridges to which firmware gave nothing.

use super::super::fake::{BRIDGE_HEADER, E1000, FakeSpace};
use super::super::functions;
use super::*;

const HOLE: AddressRange = AddressRange {
    start: 0xc000_0000,
    end: 0xc800_0000,
};

fn room() -> Room {
    Room {
        apertures: [HOLE].into(),
        taken: [AddressRange {
            start: 0xc000_0000,
            end: 0xc001_0000,
        }]
        .into(),
    }
}

/// A card with one register of 128 KiB, one of 64 bits and 16 KiB, and one for ports.
fn card(space: &FakeSpace, bus: u8, device: u8, first: u32) -> PciAddress {
    let words = [(0, E1000), (0x04, 0), (0x10, first), (0x14, 1), (0x18, 0xc)];
    let card = space.put(bus, device, 0, &words);
    for (offset, bits) in [
        (0x10, 0xfffe_0000),
        (0x14, 0x0000_ffe0),
        (0x18, 0xffff_c000),
        (0x20, 0),
        (0x24, 0),
    ] {
        space.make_writable(card, offset, bits);
    }
    card
}

fn bridge(space: &FakeSpace, bus: u8, secondary: u8, window: u32) -> PciAddress {
    let numbers = u32::from(secondary) << 8 | u32::from(bus);
    let words = [
        (0, 0x0001_1b36),
        (0x04, 0),
        (0x0c, BRIDGE_HEADER),
        (0x18, numbers),
        (0x20, window),
    ];
    let bridge = space.put(bus, 30, 0, &words);
    for (offset, bits) in [(0x10, 0), (0x14, 0), (0x20, 0xfff0_fff0)] {
        space.make_writable(bridge, offset, bits);
    }
    bridge
}

fn assigned(space: &FakeSpace, card: PciAddress) -> Result<Vec<(u8, u64)>, AssignError> {
    let found: Vec<_> = functions(space).collect();
    let mut given = Vec::new();
    assign(space, &found, card, &room(), |index, at| {
        given.push((index, at))
    })?;
    open_way(space, &found, card);
    Ok(given)
}

#[test]
fn each_register_for_memory_gets_a_place_of_its_own_beside_what_is_taken() {
    let space = FakeSpace::default();
    card(&space, 0, 2, 0xc002_0000);
    let bare = card(&space, 0, 3, 0);
    let given = assigned(&space, bare);
    // The first 128 KiB are not all free, and the next have an owner.
    assert_eq!(given, Ok([(0, 0xc004_0000), (2, 0xc001_0000)].into()));
    assert_eq!(space.word(bare, 0x10), 0xc004_0000);
    assert_eq!(space.word(bare, 0x18), 0xc001_000c);
    assert_eq!(space.word(bare, 0x1c), 0);
    // Ports are not given out, and what has an address keeps it.
    assert_eq!(space.word(bare, 0x14), 1);
    assert_eq!(assigned(&space, bare), Ok([].into()));
}

#[test]
fn a_card_behind_a_bridge_gets_a_place_in_its_window() {
    let space = FakeSpace::default();
    let before = bridge(&space, 0, 7, 0xc510_c500);
    card(&space, 7, 1, 0xc500_0000);
    let bare = card(&space, 7, 2, 0);
    // The neighbor of its bus has no place for its second register either, and is none of our affair.
    let given = assigned(&space, bare);
    assert_eq!(given, Ok([(0, 0xc502_0000), (2, 0xc504_0000)].into()));
    assert_eq!(space.word(before, 0x20), 0xc510_c500);
    assert_eq!(space.word(before, 0x04) & 0b111, 0b110);
}

#[test]
fn closed_windows_of_bridges_are_opened_one_in_the_other() {
    for closed in [0, 0x0000_fff0] {
        let space = FakeSpace::default();
        let (outer, inner) = (bridge(&space, 0, 1, closed), bridge(&space, 1, 2, closed));
        let bare = card(&space, 2, 0, 0);
        let given = assigned(&space, bare);
        assert_eq!(given, Ok([(0, 0xc010_0000), (2, 0xc012_0000)].into()));
        for bridge in [outer, inner] {
            assert_eq!(space.word(bridge, 0x20), 0xc010_c010);
            assert_eq!(space.word(bridge, 0x04) & 0b111, 0b110);
        }
    }
}

/// A card with registers of these lengths in memory.
fn card_of(space: &FakeSpace, bus: u8, device: u8, lengths: &[u32]) -> PciAddress {
    let card = space.put(bus, device, 0, &[(0, E1000), (0x04, 0)]);
    for (index, offset) in (0x10..0x28).step_by(4).enumerate() {
        let length = lengths.get(index).copied().unwrap_or(0);
        space.make_writable(card, offset, length.wrapping_neg());
    }
    card
}

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

#[test]
fn a_closed_window_is_opened_for_all_registers_behind_it() {
    for lengths in [[MIB, 16 * KIB], [16 * KIB, MIB]] {
        let space = FakeSpace::default();
        let before = bridge(&space, 0, 7, 0);
        let bare = card_of(&space, 7, 0, &lengths);
        let given = assigned(&space, bare);
        assert_eq!(given, Ok([(0, 0xc020_0000), (1, 0xc030_0000)].into()));
        assert_eq!(space.word(before, 0x20), 0xc030_c020);
    }
}

#[test]
fn a_closed_window_is_opened_for_the_cards_that_follow_as_well() {
    let space = FakeSpace::default();
    let (outer, inner) = (bridge(&space, 0, 1, 0), bridge(&space, 1, 2, 0));
    let first = card_of(&space, 1, 0, &[128 * KIB]);
    let second = card_of(&space, 2, 0, &[4 * MIB, 128 * KIB]);
    let third = card_of(&space, 2, 1, &[128 * KIB]);
    assert_eq!(assigned(&space, first), Ok([(0, 0xc100_0000)].into()));
    assert_eq!(space.word(outer, 0x20), 0xc1f0_c100);
    let given = assigned(&space, second);
    assert_eq!(given, Ok([(0, 0xc180_0000), (1, 0xc1c0_0000)].into()));
    assert_eq!(space.word(inner, 0x20), 0xc1f0_c180);
    assert_eq!(assigned(&space, third), Ok([(0, 0xc1c2_0000)].into()));
}

#[test]
fn where_there_is_no_room_for_all_it_is_opened_for_the_card() {
    let space = FakeSpace::default();
    let before = bridge(&space, 0, 7, 0);
    let bare = card_of(&space, 7, 0, &[128 * KIB]);
    card_of(&space, 7, 1, &[256 * MIB]);
    assert_eq!(assigned(&space, bare), Ok([(0, 0xc010_0000)].into()));
    assert_eq!(space.word(before, 0x20), 0xc010_c010);
}

#[test]
fn windows_that_nobody_has_set_up_are_closed_before_a_bridge_passes_memory_on() {
    for (command, prefetchable, upper, after) in [
        (0, 0, 0, 0x0000_fff0),
        (0b10, 0x0001_0001, 0, 0x0001_fff1),
        (0, 0x0001_0001, 1, 0x0001_0001),
        (0b10, 0xd010_d000, 0, 0xd010_d000),
    ] {
        let space = FakeSpace::default();
        let before = bridge(&space, 0, 7, 0);
        let bare = card_of(&space, 7, 0, &[]);
        let words = [(0x24, prefetchable), (0x28, upper), (0x2c, upper)];
        for (offset, word) in words {
            space.set(before, offset, word);
        }
        space.make_writable(before, 0x24, 0xfff0_fff0);
        space.set(before, 0x04, command);
        assert_eq!(assigned(&space, bare), Ok([].into()));
        assert_eq!(space.word(before, 0x20), 0x0000_fff0);
        assert_eq!(space.word(before, 0x24), after);
        assert_eq!(space.word(before, 0x04) & 0b111, 0b110);
    }
}

#[test]
fn a_host_bridge_is_not_asked_for_the_size_of_its_registers() {
    let space = FakeSpace::default();
    let words = [
        (0, E1000),
        (0x04, 0b110),
        (0x08, 0x0600_0000),
        (0x10, 0xc008_0000),
    ];
    let host = space.put(0, 0, 0, &words);
    space.forbid(host);
    let bare = card_of(&space, 0, 3, &[128 * KIB]);
    assert_eq!(assigned(&space, bare), Ok([(0, 0xc002_0000)].into()));
}

#[test]
fn the_windows_of_bridges_are_taken_for_others() {
    let space = FakeSpace::default();
    let before = bridge(&space, 0, 7, 0xc000_c000);
    space.make_writable(before, 0x24, 0);
    let bare = card(&space, 0, 3, 0);
    assert_eq!(
        assigned(&space, bare),
        Ok([(0, 0xc010_0000), (2, 0xc012_0000)].into())
    );
}

#[test]
fn where_there_is_no_room_it_says_where() {
    let space = FakeSpace::default();
    card(&space, 0, 2, 0);
    let large = space.put(0, 3, 0, &[(0, E1000), (0x04, 0)]);
    space.make_writable(large, 0x10, 0xf000_0000);
    let length = 0x1000_0000;
    assert_eq!(assigned(&space, large), Err(AssignError::Full { length }));
    let full = bridge(&space, 0, 7, 0xc500_c500);
    let large = space.put(7, 3, 0, &[(0, E1000), (0x04, 0)]);
    space.make_writable(large, 0x10, 0xffe0_0000);
    let error = AssignError::FullBehind {
        bridge: full,
        length: 0x20_0000,
    };
    assert_eq!(assigned(&space, large), Err(error));
}

#[test]
fn bridges_that_lead_to_each_other_end() {
    let space = FakeSpace::default();
    bridge(&space, 0, 1, 0);
    bridge(&space, 1, 2, 0);
    space.put(
        2,
        30,
        0,
        &[(0, E1000), (0x0c, BRIDGE_HEADER), (0x18, 0x0102)],
    );
    let bare = card(&space, 2, 0, 0);
    let _ = assigned(&space, bare);
}

#[test]
fn a_wide_window_of_memory_that_can_be_read_ahead_is_understood() {
    let range = |start, end| Some(AddressRange { start, end });
    assert_eq!(
        window_between(0xfe01_fe01, 0x38, 0x38),
        range(0x38_fe00_0000, 0x38_fe10_0000)
    );
    assert_eq!(window_between(0x0001_fff1, 0, 0), None);
    assert_eq!(
        window_between(0xfff0_fff0, 0, 0),
        range(0xfff0_0000, 1 << 32)
    );
}
