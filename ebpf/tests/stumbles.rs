//! What the best-known interpreter of this kind takes and should not, or takes wrongly, each by itself: here it is
//! refused, or carried out as it should be, and harms nobody.

mod common;

use common::{
    Slot, array, call, datagram, decide, exit, load, load_with, mov, mov_register, octets, refusal,
    slot, statistics_of, value_of, wide,
};
use pollux_ebpf::{LoadError, Refusal, Statistics};

fn statistics(slots: &[Slot]) -> Statistics {
    statistics_of(slots, &datagram(None, 1))
}

fn value(slots: &[Slot]) -> u64 {
    value_of(slots, &datagram(None, 1))
}

#[test]
fn a_program_without_an_end_runs_out_of_fuel() {
    let counted = statistics(&[mov(0, 0), slot(0x05, 0, 0, -2, 0)]);
    assert_eq!((counted.out_of_fuel, counted.faults), (1, 1));
}

#[test]
fn eight_octets_of_which_seven_are_somebody_elses_are_a_fault() {
    let at_7 = [
        slot(0x18, 1, 2, 0, 0),
        slot(0, 0, 0, 0, 7),
        slot(0x79, 0, 1, 0, 0),
        exit(),
    ];
    let mut filter = load_with(&at_7, vec![array("a", 8, 2)]).expect("a good program");
    assert!(decide(&mut filter, &datagram(None, 1)).fault.is_some());
}

#[test]
fn a_condition_as_the_last_instruction_is_refused() {
    let program = [mov(0, 0), slot(0x15, 0, 0, -2, 0)];
    assert_eq!(refusal(&program), (1, Refusal::FallsOffTheEnd));
}

#[test]
fn a_call_into_the_second_half_of_a_wide_instruction_is_refused() {
    let [first, rest] = wide(0, 0);
    let program = [slot(0x85, 0, 1, 0, 1), first, rest, exit()];
    assert_eq!(refusal(&program), (0, Refusal::JumpIntoWide(2)));
}

#[test]
fn forty_thousand_instructions_are_too_many() {
    let mut program = vec![mov(0, 0); 40_000];
    program.extend([slot(0x05, 0, 0, 0, 0), exit()]);
    assert_eq!(octets(&program).len(), 40_002 * 8);
    assert!(matches!(load(&program), Err(LoadError::TooMany { .. })));
}

#[test]
fn a_function_that_calls_itself_ends_at_a_depth() {
    let counted = statistics(&[slot(0x85, 0, 1, 0, -1), exit()]);
    assert_eq!((counted.faults, counted.out_of_fuel), (1, 0));
}

#[test]
fn a_packet_instruction_far_outside_ends_the_run() {
    let program = [
        mov_register(6, 1),
        mov(7, -1),
        slot(0x40, 0, 7, 0, 0),
        mov(0, 1),
        exit(),
    ];
    assert_eq!(statistics(&program).short, 1);
}

#[test]
fn moves_with_a_sign_and_signed_division_keep_it() {
    let moved = value(&[mov(1, 0x80), slot(0xbf, 0, 1, 8, 0)]);
    assert_eq!(moved, 0xffff_ffff_ffff_ff80);
    let divided = value(&[mov(0, -12), slot(0x37, 0, 0, 1, 4)]);
    assert_eq!(divided, -3_i64 as u64);
    let left = value(&[mov(0, -13), slot(0x97, 0, 0, 1, 4)]);
    assert_eq!(left, -1_i64 as u64);
}

#[test]
fn a_register_that_nobody_wrote_is_not_read() {
    let program = [mov_register(0, 2), exit()];
    assert_eq!(refusal(&program), (0, Refusal::Uninitialized(2)));
}

#[test]
fn newer_instructions_are_carried_out() {
    let swapped = value(&[mov(0, 0x1234), slot(0xd7, 0, 0, 0, 16)]);
    assert_eq!(swapped, 0x3412);
    let jumped = value(&[mov(0, 5), slot(0x06, 0, 0, 0, 1), mov(0, 6)]);
    assert_eq!(jumped, 5);
    let stored = slot(0x72, 10, 0, -8, 0x80);
    let loaded = value(&[stored, slot(0x91, 0, 10, -8, 0)]);
    assert_eq!(loaded, 0xffff_ffff_ffff_ff80);
    let sum = [
        slot(0x7a, 10, 0, -8, 5),
        mov(1, 4),
        slot(0xdb, 10, 1, -8, 0),
        slot(0x79, 0, 10, -8, 0),
    ];
    assert_eq!(value(&sum), 9);
}

#[test]
fn a_call_by_a_register_is_refused() {
    let program = [mov(0, 0), slot(0x8d, 0, 0, 0, 1), exit()];
    assert!(matches!(refusal(&program), (1, Refusal::Call(_))));
}

#[test]
fn a_helper_that_is_not_there_is_refused() {
    let program = [mov(0, 0), call(4711), exit()];
    assert_eq!(refusal(&program), (1, Refusal::UnknownHelper(4711)));
}

#[test]
fn division_by_zero_and_a_shift_by_too_much_are_as_the_rfc_has_them() {
    for (opcode, expected) in [(0x37, 0), (0x97, 7), (0x34, 0), (0x94, 7)] {
        assert_eq!(value(&[mov(0, 7), slot(opcode, 0, 0, 0, 0)]), expected);
    }
    assert_eq!(value(&[mov(0, 1), slot(0x67, 0, 0, 0, 65)]), 2);
}

#[test]
fn a_store_outside_the_stack_is_refused() {
    let program = [mov(0, 0), slot(0x7a, 10, 0, 0, 0), exit()];
    assert!(matches!(
        refusal(&program),
        (1, Refusal::StackOutOfBounds { .. })
    ));
}

#[test]
fn what_is_read_only_is_not_written() {
    // The context by its address, and by one that nobody followed.
    let program = [mov(0, 0), slot(0x72, 1, 0, 0, 1), exit()];
    assert_eq!(refusal(&program), (1, Refusal::WritesContext));
    let program = [
        mov(2, 2),
        slot(0x2f, 1, 2, 0, 0),
        slot(0x37, 1, 0, 0, 2),
        slot(0x72, 1, 0, 0, 1),
        mov(0, 1),
        exit(),
    ];
    assert_eq!(statistics(&program).faults, 1);
}

#[test]
fn a_run_leaves_nothing_in_the_stack_for_the_next() {
    // What is there is kept in a map, and something put in its place.
    let program = [
        slot(0x18, 1, 2, 0, 0),
        slot(0, 0, 0, 0, 0),
        slot(0x79, 2, 10, -8, 0),
        slot(0xdb, 1, 2, 0, 0),
        slot(0x7a, 10, 0, -8, 77),
        mov(0, 1),
        exit(),
    ];
    let mut filter = load_with(&program, vec![array("sum", 8, 1)]).expect("a good program");
    for _ in 0..3 {
        assert_eq!(decide(&mut filter, &datagram(None, 1)).fault, None);
    }
    let map = filter.map_mut("sum").expect("the map");
    assert_eq!(map.value(&[0; 4]), Some(&[0; 8][..]));
}
