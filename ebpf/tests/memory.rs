//! What a program can reach, to the octet: stack, values of maps, context, packet; and what its maps do.

mod common;

use common::{Slot, add, array, call, datagram, decide, exit, hash, load_with, map, mov};
use common::{mov_register, refusal, slot, value_of, value_with, wide};
use pollux_ebpf::{FaultKind, Filter, MapError, Refusal, UpdateRule, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Whether a program with these instructions in front of its end is broken off.
fn faults(slots: &[Slot], maps: Vec<pollux_ebpf::MapDefinition>) -> bool {
    let program = [slots, &[mov(0, 1), exit()]].concat();
    let mut filter = load_with(&program, maps).expect("a good program");
    let decision = decide(&mut filter, &datagram(None, 1));
    if let Some(fault) = decision.fault {
        assert!(matches!(
            fault.kind,
            FaultKind::Access { .. } | FaultKind::Argument
        ));
        assert_eq!(decision.verdict, Verdict::Vlan);
    }
    decision.fault.is_some()
}

/// Makes R2 an address that was not followed: `base` and `distance` octets.
fn unknown(base: u8, distance: i32) -> Vec<Slot> {
    // By way of the stack, where it is forgotten what it was.
    vec![
        slot(0x7b, 10, base, -8, 0),
        slot(0x79, 2, 10, -8, 0),
        add(2, distance),
    ]
}

const SIZES: [(u8, u8, i32); 4] = [
    (0x71, 0x72, 1),
    (0x69, 0x6a, 2),
    (0x61, 0x62, 4),
    (0x79, 0x7a, 8),
];

#[test]
fn the_stack_is_512_octets_long() {
    for (load, store, octets) in SIZES {
        for access in [slot(load, 3, 2, 0, 0), slot(store, 2, 0, 0, 5)] {
            let at = |distance| faults(&[unknown(10, distance), vec![access]].concat(), vec![]);
            assert!(!at(-512));
            assert!(!at(-octets));
            assert!(at(-513));
            assert!(at(1 - octets));
            assert!(at(0));
            assert!(at(i32::MAX));
            assert!(at(i32::MIN));
        }
    }
}

#[test]
fn a_value_ends_where_it_ends_although_another_follows() {
    for (load, store, octets) in SIZES {
        for access in [slot(load, 3, 0, 0, 0), slot(store, 0, 0, 0, 5)] {
            let at = |distance: i32| {
                let [first, rest] = map(1, 0);
                let program = [
                    slot(0x62, 10, 0, -4, 1),
                    first,
                    rest,
                    mov_register(2, 10),
                    add(2, -4),
                    call(1),
                    add(0, distance),
                    access,
                ];
                faults(&program, vec![array("a", 12, 3)])
            };
            assert!(!at(0));
            assert!(!at(12 - octets));
            assert!(at(13 - octets));
            assert!(at(-1));
            assert!(at(12));
        }
    }
}

#[test]
fn nothing_else_is_memory() {
    for address in [
        0,
        1,
        0x1000,
        u64::MAX,
        0x1_0000_0000,
        0x3_0000_0000,
        0xffff_ffff_0000_0000,
    ] {
        let [first, rest] = wide(2, address);
        // One octet of the context can be read by any way that leads there.
        let is_context = address == 0x1_0000_0000;
        assert_eq!(
            faults(&[first, rest, slot(0x71, 3, 2, 0, 0)], vec![]),
            !is_context
        );
        assert!(faults(&[first, rest, slot(0x72, 2, 0, 0, 0)], vec![]));
        assert!(faults(&[first, rest, slot(0xdb, 2, 2, 0, 0)], vec![]));
    }
}

#[test]
fn the_context_can_be_read_and_not_written_by_an_address_that_was_not_followed() {
    assert!(!faults(
        &[unknown(1, 16), vec![slot(0x61, 3, 2, 0, 0)]].concat(),
        vec![]
    ));
    assert!(faults(
        &[unknown(1, 16), vec![slot(0x62, 2, 0, 0, 0)]].concat(),
        vec![]
    ));
    assert!(faults(
        &[unknown(1, 76), vec![slot(0x61, 3, 2, 0, 0)]].concat(),
        vec![]
    ));
    assert!(faults(
        &[unknown(1, 0), vec![slot(0x79, 3, 2, 0, 0)]].concat(),
        vec![]
    ));
    assert!(faults(
        &[unknown(1, 192), vec![slot(0x61, 3, 2, 0, 0)]].concat(),
        vec![]
    ));
}

#[test]
fn the_stack_is_zero_at_first() {
    // Fills its stack, and returns what was in it by a way that is followed, and by one that is not.
    for way in [vec![mov_register(2, 10), add(2, -24)], unknown(10, -24)] {
        let program = [
            way,
            vec![
                slot(0x79, 3, 2, 0, 0),
                slot(0x7a, 2, 0, 0, 7),
                mov_register(0, 3),
                exit(),
            ],
        ];
        let mut filter = common::load(&program.concat()).expect("a good program");
        for _ in 0..2 {
            assert_eq!(
                decide(&mut filter, &datagram(None, 1)).verdict,
                Verdict::Drop
            );
        }
    }
}

#[test]
fn the_context_says_what_the_frame_is() {
    let field = |offset, frame: &[u8]| value_of(&[slot(0x61, 0, 1, offset, 0)], frame);
    let (tagged, untagged) = (datagram(Some(42), 9), datagram(None, 9));
    // len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority,
    // ingress_ifindex, ifindex, hash
    let offsets = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 68];
    let is_tagged = [50, 0, 0, 0, 0x0081, 1, 0xa02a, 0x0081, 0, 7, 7, 0];
    let is_untagged = [46, 0, 0, 0, 0x0008, 0, 0, 0, 0, 7, 7, 0];
    for ((offset, tag), none) in offsets.into_iter().zip(is_tagged).zip(is_untagged) {
        assert_eq!(field(offset, &tagged), tag, "{offset}");
        assert_eq!(field(offset, &untagged), none, "{offset}");
    }
    let mut group = untagged.clone();
    group[0] = 1;
    assert_eq!(field(4, &group), 2);
    group[..6].fill(0xff);
    assert_eq!(field(4, &group), 1);
    // Parts of a field.
    assert_eq!(value_of(&[slot(0x71, 0, 1, 24, 0)], &tagged), 0x2a);
    assert_eq!(value_of(&[slot(0x71, 0, 1, 25, 0)], &tagged), 0xa0);
    assert_eq!(value_of(&[slot(0x69, 0, 1, 16, 0)], &tagged), 0x0081);
    assert_eq!(value_of(&[slot(0x69, 0, 1, 18, 0)], &tagged), 0);
    // An Ethernet header, and nothing behind it.
    assert_eq!(field(0, &tagged[..14]), 0);
    assert_eq!(field(20, &tagged[..15]), 0);
}

/// Copies `length` octets from `offset` of the packet to the stack, and leaves what helper 26 returned.
fn load_bytes(offset: i32, length: i32) -> Vec<Slot> {
    vec![
        slot(0x7a, 10, 0, -8, -1),
        mov(2, offset),
        mov_register(3, 10),
        add(3, -8),
        mov(4, length),
        call(26),
        mov_register(6, 0),
        slot(0x79, 7, 10, -8, 0),
    ]
}

#[test]
fn octets_of_the_packet_are_copied_or_zeros_and_an_error() {
    let frame = datagram(Some(42), 9);
    let end = frame.len() as i32 - 14;
    let run = |offset, length| {
        let copy = load_bytes(offset, length);
        let result = value_of(&[&copy[..], &[mov_register(0, 6)]].concat(), &frame);
        let octets = value_of(&[&copy[..], &[mov_register(0, 7)]].concat(), &frame);
        (result as i64, octets.to_le_bytes())
    };
    const NOT: u8 = 0xff;
    assert_eq!(run(0, 4), (0, [0xa0, 0x2a, 8, 0, NOT, NOT, NOT, NOT]));
    assert_eq!(run(0, 2), (0, [0xa0, 0x2a, NOT, NOT, NOT, NOT, NOT, NOT]));
    assert_eq!(run(4, 3), (0, [0x45, 0, 0, NOT, NOT, NOT, NOT, NOT]));
    assert_eq!(run(end - 8, 8).0, 0);
    assert_eq!(run(end - 7, 8), (-14, [0; 8]));
    assert_eq!(run(end, 1), (-14, [0, NOT, NOT, NOT, NOT, NOT, NOT, NOT]));
    assert_eq!(run(-1, 1).0, -14);
    assert_eq!(run(i32::MIN, 8), (-14, [0; 8]));
    assert_eq!(run(0, 0), (0, [NOT; 8]));
    for length in [9, 512, -1, i32::MAX] {
        let mut copy = load_bytes(0, length);
        copy.extend([mov(0, 0), exit()]);
        assert!(
            matches!(
                refusal(&copy),
                (5, Refusal::StackOutOfBounds { offset: -8, .. })
            ),
            "{length}"
        );
        // The same, where the length is not known beforehand.
        copy.insert(5, slot(0x57, 4, 0, 0, -1));
        assert!(faults(&copy, vec![]), "{length}");
    }
}

#[test]
fn octets_are_copied_from_the_ethernet_header_too() {
    let frame = datagram(Some(42), 9);
    let run = |start: i32| {
        let mut copy = load_bytes(0, 2);
        copy[5] = call(68);
        copy.insert(5, mov(5, start));
        let result = value_of(&[&copy[..], &[mov_register(0, 6)]].concat(), &frame);
        let octets = value_of(&[&copy[..], &[mov_register(0, 7)]].concat(), &frame);
        (result as i64, octets as u16)
    };
    assert_eq!(run(0), (0, 0x5452));
    assert_eq!(run(1), (0, 0x2aa0));
    assert_eq!(run(2), (-14, 0));
}

#[test]
fn time_random_numbers_and_the_processors_number_are_there() {
    for clock in [5, 125, 160] {
        assert_eq!(value_of(&[call(clock)], &datagram(None, 1)), 123_456_789);
    }
    // The processor and its memory are the first, and only.
    for number in [8, 42] {
        assert_eq!(value_of(&[call(number)], &datagram(None, 1)), 0);
    }
    let program = [call(7), mov_register(6, 0), call(7), slot(0xaf, 0, 6, 0, 0)];
    let value = value_of(&program, &datagram(None, 1));
    assert!(value != 0 && value <= u64::from(u32::MAX));
}

/// Puts `key` at -8 and `value` at -16, with R1 to R3 what a helper of maps wants.
fn key_and_value(key: i32, value: i32) -> Vec<Slot> {
    let [first, rest] = map(1, 0);
    vec![
        slot(0x62, 10, 0, -8, key),
        slot(0x7a, 10, 0, -16, value),
        first,
        rest,
        mov_register(2, 10),
        add(2, -8),
        mov_register(3, 10),
        add(3, -16),
    ]
}

#[test]
fn helpers_of_maps_return_what_linux_returns() {
    let update = |key, flags| [key_and_value(key, 5), vec![mov(4, flags), call(2)]].concat();
    let delete = |key| [key_and_value(key, 5), vec![call(3)]].concat();
    let frame = datagram(None, 1);
    let on_array = |slots: &[Slot]| value_with(slots, &frame, vec![array("a", 8, 2)]) as i64;
    let on_hash = |slots: &[Slot]| value_with(slots, &frame, vec![hash("h", 4, 8, 2)]) as i64;
    assert_eq!(on_array(&update(1, 0)), 0);
    assert_eq!(on_array(&update(1, 2)), 0);
    assert_eq!(on_array(&update(1, 1)), -17);
    assert_eq!(on_array(&update(2, 0)), -7);
    assert_eq!(on_array(&update(1, 3)), -22);
    assert_eq!(on_array(&delete(1)), -22);
    assert_eq!(on_hash(&update(1, 0)), 0);
    assert_eq!(on_hash(&update(1, 2)), -2);
    assert_eq!(on_hash(&delete(1)), -2);
    let twice = [update(1, 1), update(1, 1)].concat();
    assert_eq!(on_hash(&twice), -17);
    let three = [update(1, 0), update(2, 0), update(3, 0)].concat();
    assert_eq!(on_hash(&three), -7);
    let in_and_out = [update(1, 0), delete(1)].concat();
    assert_eq!(on_hash(&in_and_out), 0);
    let missing = [key_and_value(9, 0), vec![call(1)]].concat();
    assert_eq!((on_array(&missing), on_hash(&missing)), (0, 0));
}

#[test]
fn a_program_counts_in_a_map_that_the_console_reads_and_writes() {
    let [first, rest] = map(1, 0);
    let program = [
        slot(0x62, 10, 0, -4, 2),
        first,
        rest,
        mov_register(2, 10),
        add(2, -4),
        call(1),
        slot(0x15, 0, 0, 2, 0),
        mov(1, 1),
        slot(0xdb, 0, 1, 0, 0),
        mov(0, 1),
        exit(),
    ];
    let mut filter = load_with(&program, vec![hash("hits", 4, 8, 4)]).expect("a good program");
    let key = 2_u32.to_le_bytes();
    decide(&mut filter, &datagram(None, 1));
    assert!(filter.maps()[0].is_empty());
    let hits = filter.map_mut("hits").expect("the map");
    hits.set(&key, &40_u64.to_le_bytes(), UpdateRule::New)
        .expect("room");
    for _ in 0..2 {
        decide(&mut filter, &datagram(None, 1));
    }
    let hits = &filter.maps()[0];
    assert_eq!(hits.value(&key), Some(&42_u64.to_le_bytes()[..]));
    let entries: Vec<_> = hits.entries().collect();
    assert_eq!(entries, [(Some(&key[..]), &42_u64.to_le_bytes()[..])]);
    let hits = filter.map_mut("hits").expect("the map");
    assert_eq!(
        hits.set(&key, &[1; 8], UpdateRule::New),
        Err(MapError::Exists)
    );
    assert_eq!(
        hits.set(&key, &[1; 7], UpdateRule::Any),
        Err(MapError::ValueSize(7))
    );
    assert_eq!(
        hits.set(&[0; 3], &[1; 8], UpdateRule::Any),
        Err(MapError::KeySize(3))
    );
    assert_eq!(hits.delete(&key), Ok(()));
    assert_eq!(hits.delete(&key), Err(MapError::NoEntry));
    assert!(filter.map_mut("misses").is_none());
}

/// Something that is done to a map.
#[derive(Clone, Debug)]
enum Deed {
    Set(u8, u64, UpdateRule),
    Delete(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let rules = vec![UpdateRule::Any, UpdateRule::New, UpdateRule::Existing];
    let set = (0_u8..24, any::<u64>(), prop::sample::select(rules));
    prop_oneof![
        3 => set.prop_map(|(key, value, rule)| Deed::Set(key, value, rule)),
        2 => (0_u8..24).prop_map(Deed::Delete),
    ]
}

proptest! {
    #[test]
    fn a_hash_map_is_as_any_other(seed: u64, deeds in proptest::collection::vec(deed(), 0..200)) {
        const ROOM: usize = 11;
        let definition = hash("h", 9, 8, ROOM as u32);
        let program = common::octets(&[mov(0, 0), exit()]);
        let filter = Filter::from_instructions(&program, vec![definition], seed);
        let mut filter = filter.expect("a good program");
        let map = filter.map_mut("h").expect("the map");
        let mut model = BTreeMap::new();
        for deed in deeds {
            match deed {
                Deed::Set(key, value, rule) => {
                    let expected = match (model.contains_key(&key), rule) {
                        (true, UpdateRule::New) => Err(MapError::Exists),
                        (false, UpdateRule::Existing) => Err(MapError::NoEntry),
                        (false, _) if model.len() == ROOM => Err(MapError::Full),
                        _ => {
                            model.insert(key, value);
                            Ok(())
                        }
                    };
                    prop_assert_eq!(map.set(&[key; 9], &value.to_le_bytes(), rule), expected);
                }
                Deed::Delete(key) => {
                    let expected = model.remove(&key).map(|_| ()).ok_or(MapError::NoEntry);
                    prop_assert_eq!(map.delete(&[key; 9]), expected);
                }
            }
            prop_assert_eq!(map.len(), model.len());
            for key in 0..24 {
                let value = model.get(&key).map(|value: &u64| value.to_le_bytes());
                prop_assert_eq!(map.value(&[key; 9]), value.as_ref().map(|it| &it[..]));
            }
        }
    }
}
