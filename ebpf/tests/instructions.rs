//! Every instruction that computes or decides, with edge values, against a reference that was written for
//! these tests from RFC 9669 §4 and works on wide integers.

mod common;

use common::{Slot, add, datagram, exit, mov, slot, value_of, wide};
use proptest::prelude::*;

/// Values at which something may break.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    64,
    0x7f,
    0x80,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// What `destination op source` is, for all operations of arithmetic; `None` where there is no such one.
fn reference(code: u8, offset: i16, is_64: bool, left: u64, right: u64) -> Option<u64> {
    let bits = if is_64 { 64 } else { 32 };
    let mask = if is_64 {
        u64::MAX as i128
    } else {
        u32::MAX as i128
    };
    let unsigned = |value: u64| i128::from(value) & mask;
    let signed = |value: u64| {
        let value = unsigned(value);
        if value >> (bits - 1) == 1 {
            value - mask - 1
        } else {
            value
        }
    };
    let extended = |from: u32| {
        let low = i128::from(right) & ((1 << from) - 1);
        if low >> (from - 1) == 1 {
            low - (1 << from)
        } else {
            low
        }
    };
    let (a, b) = (unsigned(left), unsigned(right));
    let shift = b % bits;
    let result = match (code, offset) {
        (0x0, 0) => a + b,
        (0x1, 0) => a - b,
        (0x2, 0) => a.wrapping_mul(b),
        (0x3, 0) => a.checked_div(b).unwrap_or(0),
        (0x3, 1) => signed(left).checked_div(signed(right)).unwrap_or(0),
        (0x4, 0) => a | b,
        (0x5, 0) => a & b,
        (0x6, 0) => ((a as u128) << shift) as i128,
        (0x7, 0) => a >> shift,
        (0x8, 0) => -a,
        (0x9, 0) => a.checked_rem(b).unwrap_or(a),
        (0x9, 1) => signed(left).checked_rem(signed(right)).unwrap_or(a),
        (0xa, 0) => a ^ b,
        (0xb, 0) => b,
        (0xb, 8) => extended(8),
        (0xb, 16) => extended(16),
        (0xb, 32) if is_64 => extended(32),
        (0xc, 0) => signed(left) >> shift,
        _ => return None,
    };
    Some((result & mask) as u64)
}

/// Whether a jump is taken.
fn is_taken(code: u8, is_64: bool, left: u64, right: u64) -> bool {
    let (a, b) = if is_64 {
        (left, right)
    } else {
        (left & 0xffff_ffff, right & 0xffff_ffff)
    };
    let signed = |value: u64| {
        if is_64 {
            value as i64
        } else {
            i64::from(value as u32 as i32)
        }
    };
    match code {
        0x1 => a == b,
        0x2 => a > b,
        0x3 => a >= b,
        0x4 => a & b != 0,
        0x5 => a != b,
        0x6 => signed(a) > signed(b),
        0x7 => signed(a) >= signed(b),
        0xa => a < b,
        0xb => a <= b,
        0xc => signed(a) < signed(b),
        _ => signed(a) <= signed(b),
    }
}

const JUMPS: [u8; 11] = [1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd];

fn run(slots: &[Slot]) -> u64 {
    value_of(slots, &datagram(None, 1))
}

fn check_arithmetic(left: u64, right: u64) {
    for is_64 in [false, true] {
        for code in 0x0..=0xc {
            for offset in [0, 1, 8, 16, 32] {
                let class = if is_64 { 7 } else { 4 };
                let by_register = [
                    wide(0, left).as_slice(),
                    &wide(2, right),
                    &[slot(code << 4 | 8 | class, 0, 2, offset, 0)],
                ]
                .concat();
                if code != 8
                    && let Some(expected) = reference(code, offset, is_64, left, right)
                {
                    assert_eq!(
                        run(&by_register),
                        expected,
                        "{left:#x} {code:#x}/{offset} {right:#x}, 64 bits: {is_64}"
                    );
                }
                let number = right as i32;
                let operand = if code == 8 { 0 } else { number };
                let by_number = [
                    wide(0, left).as_slice(),
                    &[slot(code << 4 | class, 0, 0, offset, operand)],
                ]
                .concat();
                if (code != 0xb || offset == 0)
                    && let Some(expected) = reference(code, offset, is_64, left, number as u64)
                {
                    assert_eq!(
                        run(&by_number),
                        expected,
                        "{left:#x} {code:#x}/{offset} {number}, 64 bits: {is_64}"
                    );
                }
            }
        }
    }
}

fn check_jumps(left: u64, right: u64) {
    for class in [5, 6] {
        for code in JUMPS {
            for by_register in [false, true] {
                let number = right as i32;
                let (operand, jump) = if by_register {
                    (right, slot(code << 4 | 8 | class, 3, 2, 1, 0))
                } else {
                    (number as u64, slot(code << 4 | class, 3, 0, 1, number))
                };
                let program = [
                    wide(3, left).as_slice(),
                    &wide(2, right),
                    &[mov(0, 1), jump, mov(0, 0)],
                ]
                .concat();
                let taken = is_taken(code, class == 5, left, operand);
                assert_eq!(
                    run(&program),
                    u64::from(taken),
                    "{left:#x} {code:#x} {operand:#x}, class {class}"
                );
            }
        }
    }
}

#[test]
fn arithmetic_is_as_the_reference_has_it_at_the_edges() {
    for left in EDGES {
        for right in EDGES {
            check_arithmetic(left, right);
        }
    }
}

#[test]
fn jumps_are_taken_as_the_reference_says_at_the_edges() {
    for left in EDGES {
        for right in EDGES {
            check_jumps(left, right);
        }
    }
}

#[test]
fn octets_are_swapped_and_cut() {
    const VALUE: u64 = 0x0123_4567_89ab_cdef;
    let cases = [
        (0xd4, 16, 0xcdef),
        (0xd4, 32, 0x89ab_cdef),
        (0xd4, 64, VALUE),
        (0xdc, 16, 0xefcd),
        (0xdc, 32, 0xefcd_ab89),
        (0xdc, 64, 0xefcd_ab89_6745_2301),
        (0xd7, 16, 0xefcd),
        (0xd7, 32, 0xefcd_ab89),
        (0xd7, 64, 0xefcd_ab89_6745_2301),
    ];
    for (opcode, bits, expected) in cases {
        let program = [wide(0, VALUE).as_slice(), &[slot(opcode, 0, 0, 0, bits)]].concat();
        assert_eq!(run(&program), expected, "{opcode:#x} {bits}");
    }
}

#[test]
fn jumps_lead_forward_and_back_by_both_kinds_of_distance() {
    for jump in [slot(0x05, 0, 0, 1, 0), slot(0x06, 0, 0, 0, 1)] {
        assert_eq!(run(&[mov(0, 5), jump, mov(0, 6)]), 5);
    }
    // Counts down from ten.
    let back = [
        mov(0, 0),
        mov(1, 10),
        add(0, 3),
        add(1, -1),
        slot(0x55, 1, 0, -3, 0),
    ];
    assert_eq!(run(&back), 30);
}

#[test]
fn memory_is_read_and_written_in_all_sizes() {
    const VALUE: u64 = 0x8182_8384_8586_8788;
    let cases = [
        (0x73, 0x71, 0x88, 0x91, 0xffff_ffff_ffff_ff88),
        (0x6b, 0x69, 0x8788, 0x89, 0xffff_ffff_ffff_8788),
        (0x63, 0x61, 0x8586_8788, 0x81, 0xffff_ffff_8586_8788),
        (0x7b, 0x79, VALUE, 0x79, VALUE),
    ];
    for (store, load, expected, load_signed, expected_signed) in cases {
        for (load, expected) in [(load, expected), (load_signed, expected_signed)] {
            let program = [
                wide(2, VALUE).as_slice(),
                &[slot(store, 10, 2, -16, 0), slot(load, 0, 10, -16, 0)],
            ]
            .concat();
            assert_eq!(run(&program), expected, "{store:#x} {load:#x}");
        }
    }
    for (store, load, expected) in [
        (0x72, 0x71, 0xfe),
        (0x6a, 0x69, 0xfffe),
        (0x62, 0x61, 0xffff_fffe),
        (0x7a, 0x79, u64::MAX - 1),
    ] {
        let program = [slot(store, 10, 0, -8, -2), slot(load, 0, 10, -8, 0)];
        assert_eq!(run(&program), expected, "{store:#x}");
    }
}

#[test]
fn atomic_instructions_change_memory_and_return_what_was_there() {
    const BEFORE: u64 = 0xf0f0_0000_ffff_fffe;
    const OPERAND: u64 = 0x0ff0_0000_0000_0003;
    // The operation, what is then in memory, and whether the source gets what was there.
    let cases: [(i32, u64, bool); 9] = [
        (0x00, BEFORE.wrapping_add(OPERAND), false),
        (0x01, BEFORE.wrapping_add(OPERAND), true),
        (0x40, BEFORE | OPERAND, false),
        (0x41, BEFORE | OPERAND, true),
        (0x50, BEFORE & OPERAND, false),
        (0x51, BEFORE & OPERAND, true),
        (0xa0, BEFORE ^ OPERAND, false),
        (0xa1, BEFORE ^ OPERAND, true),
        (0xe1, OPERAND, true),
    ];
    for (operation, after, returns) in cases {
        let run_with = |opcode, result: Slot| {
            let program = [
                wide(2, BEFORE).as_slice(),
                &wide(3, OPERAND),
                &[
                    slot(0x7b, 10, 2, -8, 0),
                    slot(opcode, 10, 3, -8, operation),
                    result,
                ],
            ]
            .concat();
            run(&program)
        };
        let (memory, source) = (slot(0x79, 0, 10, -8, 0), slot(0xbf, 0, 3, 0, 0));
        assert_eq!(run_with(0xdb, memory), after, "{operation:#x}");
        let returned = if returns { BEFORE } else { OPERAND };
        assert_eq!(run_with(0xdb, source), returned, "{operation:#x}");
        let low = match operation & 0xf0 {
            0 => (BEFORE as u32).wrapping_add(OPERAND as u32),
            _ => after as u32,
        };
        let after_32 = BEFORE >> 32 << 32 | u64::from(low);
        assert_eq!(run_with(0xc3, memory), after_32, "{operation:#x}");
        let returned = if returns {
            u64::from(BEFORE as u32)
        } else {
            OPERAND
        };
        assert_eq!(run_with(0xc3, source), returned, "{operation:#x}");
    }
}

#[test]
fn compare_and_exchange_stores_only_what_was_expected() {
    for (expected, stored) in [(5, 9), (6, 5)] {
        for (opcode, store, load) in [(0xdb, 0x7a, 0x79), (0xc3, 0x62, 0x61)] {
            let program = [
                slot(store, 10, 0, -8, 5),
                mov(0, expected),
                mov(2, 9),
                slot(opcode, 10, 2, -8, 0xf1),
            ];
            assert_eq!(run(&program), 5, "R0 is what was there");
            let stores = [&program[..], &[slot(load, 0, 10, -8, 0)]].concat();
            assert_eq!(run(&stores), stored);
        }
    }
}

#[test]
fn packet_instructions_read_from_network_order() {
    let frame = datagram(Some(42), 0x1234);
    let value = |packet: Slot| {
        // R6 must be the context.
        value_of(&[slot(0xbf, 6, 1, 0, 0), mov(7, 2), packet], &frame)
    };
    assert_eq!(value(slot(0x28, 0, 0, 0, 0)), 0xa02a, "the tag control");
    assert_eq!(value(slot(0x30, 0, 0, 0, 4)), 0x45);
    assert_eq!(value(slot(0x20, 0, 0, 0, 16)), 0x0a00_0001);
    assert_eq!(value(slot(0x48, 0, 7, 0, 24)), 0x1234, "2 + 24: the port");
    assert_eq!(value(slot(0x28, 0, 0, 0, -0x20_0000 + 12)), 0x8100);
    assert_eq!(value(slot(0x28, 0, 0, 0, -0x10_0000)), 0xa02a);
}

#[test]
fn a_packet_instruction_beyond_the_end_drops_the_frame_and_is_no_fault() {
    let frame = datagram(None, 1);
    let payload = frame.len() as i32 - 14;
    for (opcode, octets) in [(0x20, 4), (0x28, 2), (0x30, 1)] {
        for (offset, short) in [
            (payload - octets, 0),
            (payload - octets + 1, 1),
            (i32::MAX, 1),
            (-1, 1),
            (-0x20_0001, 1),
            (i32::MIN, 1),
        ] {
            let program = [
                slot(0xbf, 6, 1, 0, 0),
                slot(opcode, 0, 0, 0, offset),
                mov(0, 1),
                exit(),
            ];
            let statistics = common::statistics_of(&program, &frame);
            assert_eq!(statistics.short, short, "{opcode:#x} {offset}");
            assert_eq!(statistics.faults, 0);
            assert_eq!(statistics.verdicts, [short, 1 - short, 0, 0]);
        }
    }
}

#[test]
fn functions_have_their_own_frames_and_keep_the_callers_registers() {
    let program = [
        mov(6, 1),
        mov(1, 20),
        slot(0x7a, 10, 0, -8, 5),
        slot(0x85, 0, 1, 0, 6), // the function at 10
        slot(0x79, 2, 10, -8, 0),
        slot(0x0f, 0, 6, 0, 0),
        slot(0x0f, 0, 2, 0, 0),
        slot(0x15, 0, 0, 1, 46),
        mov(0, 2),
        exit(),
        mov(6, 100), // the function: twice its argument, by way of the stack
        slot(0x79, 0, 10, -8, 0),
        slot(0x7b, 10, 1, -8, 0),
        slot(0x79, 3, 10, -8, 0),
        slot(0x0f, 0, 3, 0, 0),
        slot(0x0f, 0, 1, 0, 0),
        exit(),
    ];
    let statistics = common::statistics_of(&program, &datagram(None, 1));
    assert_eq!(statistics.faults, 0, "{statistics:?}");
    // 20 twice, 1, and 5: the verdict 46 is none.
    assert_eq!(statistics.last_unknown, 46);
}

#[test]
fn a_loop_ends_with_its_fuel() {
    let program = [mov(0, 0), slot(0x05, 0, 0, -1, 0)];
    let statistics = common::statistics_of(&program, &datagram(None, 1));
    assert_eq!((statistics.faults, statistics.out_of_fuel), (1, 1));
    assert_eq!(statistics.highest_cost, 10_000);
}

#[test]
fn recursion_ends_at_eight_frames() {
    let program = [slot(0x85, 0, 1, 0, -1), exit()];
    let statistics = common::statistics_of(&program, &datagram(None, 1));
    let fault = statistics.last_fault.expect("a fault");
    assert_eq!(fault.kind, pollux_ebpf::FaultKind::CallDepth);
    assert_eq!(statistics.highest_cost, 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arithmetic_is_as_the_reference_has_it(left: u64, right: u64, small in 0_u64..70) {
        check_arithmetic(left, right);
        check_arithmetic(left, small);
    }

    #[test]
    fn jumps_are_taken_as_the_reference_says(left: u64, right: u64, near in -2_i64..3) {
        check_jumps(left, right);
        check_jumps(left, left.wrapping_add_signed(near));
    }

    /// Whatever instructions somebody makes up, loading them and running what was loaded ends.
    #[test]
    fn no_instructions_harm(words in proptest::collection::vec(any::<(u8, u8, u8, i8, i32)>(), 1..24)) {
        let mut slots: Vec<Slot> = words
            .iter()
            .map(|(opcode, destination, source, offset, number)| {
                slot(*opcode, destination % 11, source % 11, i16::from(*offset % 12), *number)
            })
            .collect();
        slots.push(exit());
        if let Ok(mut filter) = common::load_with(&slots, vec![common::hash("h", 4, 8, 3)]) {
            for frame in [datagram(None, 1), datagram(Some(1), 2), vec![0; 14]] {
                common::decide(&mut filter, &frame);
            }
            prop_assert!(filter.statistics().highest_cost <= filter.fuel());
        }
    }
}

/// Instructions that are right in themselves, so that nearly all programs of them are loaded.
fn good_instruction() -> impl Strategy<Value = Slot> {
    let register = 0_u8..10;
    let arithmetic = (
        prop::sample::select(vec![0x0_u8, 1, 2, 3, 4, 5, 6, 7, 9, 0xa, 0xb, 0xc]),
        prop::sample::select(vec![4_u8, 7]),
        any::<bool>(),
        register.clone(),
        register.clone(),
        any::<bool>(),
        any::<i32>(),
    );
    let arithmetic = arithmetic.prop_map(
        |(code, class, by_register, destination, source, is_signed, number)| {
            let offset = i16::from(is_signed && matches!(code, 3 | 9));
            if by_register {
                slot(code << 4 | 8 | class, destination, source, offset, 0)
            } else {
                slot(code << 4 | class, destination, 0, offset, number)
            }
        },
    );
    let stack = (0..4_usize, register.clone(), 0_i16..64, any::<bool>()).prop_map(
        |(size, register, offset, is_store)| {
            let (store, load, octets) = [
                (0x73, 0x71, 1),
                (0x6b, 0x69, 2),
                (0x63, 0x61, 4),
                (0x7b, 0x79, 8),
            ][size];
            let offset = -512 + offset * octets;
            if is_store {
                slot(store, 10, register, offset, 0)
            } else {
                slot(load, register, 10, offset, 0)
            }
        },
    );
    let jump = (
        prop::sample::select(JUMPS.to_vec()),
        prop::sample::select(vec![5_u8, 6]),
        register.clone(),
        register,
        0_i16..4,
    );
    let jump = jump.prop_map(|(code, class, destination, source, offset)| {
        slot(code << 4 | 8 | class, destination, source, offset, 0)
    });
    prop_oneof![6 => arithmetic, 3 => stack, 2 => jump]
}

/// Carries a program of [`good_instruction`]s out by the reference.
fn run_reference(slots: &[Slot], registers: &mut [u64; 10]) {
    let mut stack = [0_u8; 512];
    let mut at = 0;
    while let Some([opcode, both, o0, o1, number @ ..]) = slots.get(at).copied() {
        let (destination, source) = (usize::from(both & 15), usize::from(both >> 4));
        let offset = i16::from_le_bytes([o0, o1]);
        let number = i32::from_le_bytes(number) as u64;
        at += 1;
        match opcode & 7 {
            1 | 3 => {
                let octets = match opcode & 0x18 {
                    0x00 => 4,
                    0x08 => 2,
                    0x10 => 1,
                    _ => 8,
                };
                let first = (offset + 512) as usize;
                if opcode & 7 == 3 {
                    let value = registers[source].to_le_bytes();
                    stack[first..first + octets].copy_from_slice(&value[..octets]);
                } else {
                    let mut value = [0; 8];
                    value[..octets].copy_from_slice(&stack[first..first + octets]);
                    registers[destination] = u64::from_le_bytes(value);
                }
            }
            class @ (4 | 7) => {
                let right = if opcode & 8 == 0 {
                    number
                } else {
                    registers[source]
                };
                let left = registers[destination];
                let result = reference(opcode >> 4, offset, class == 7, left, right);
                registers[destination] = result.expect("there is such an operation");
            }
            class => {
                let (left, right) = (registers[destination], registers[source]);
                if is_taken(opcode >> 4, class == 5, left, right) {
                    at += offset as usize;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whole_programs_end_as_in_the_reference(
        start: [u64; 10],
        middle in proptest::collection::vec(good_instruction(), 1..40),
    ) {
        let mut registers = start;
        // No jump leads behind the last of these.
        let body = [&middle[..], &[mov(0, 0); 4]].concat();

        run_reference(&body, &mut registers);
        let mut program = Vec::new();
        for (number, value) in start.iter().enumerate() {
            program.extend(wide(number as u8, *value));
        }
        program.extend(&body);
        for source in 1..10 {
            program.push(slot(0x27, 0, 0, 0, 31));
            program.push(slot(0xaf, 0, source, 0, 0));
        }
        let mut expected = registers[0];
        for value in &registers[1..] {
            expected = expected.wrapping_mul(31) ^ value;
        }
        prop_assert_eq!(run(&program), expected);
    }
}
