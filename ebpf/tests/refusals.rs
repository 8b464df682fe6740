//! What is refused when a program is loaded, and that the message says which instruction it was.

mod common;

use common::{
    Slot, add, array, call, exit, hash, load, load_with, map, mov, mov_register, refusal,
};
use common::{refusal_with, slot, wide};
use pollux_ebpf::{LoadError, MapError, Refusal};

/// A program that is refused for its second instruction.
fn second(bad: Slot) -> Refusal {
    let (number, refusal) = refusal(&[mov(0, 0), bad, exit()]);
    assert_eq!(number, 1, "{refusal}");
    refusal
}

#[test]
fn unknown_opcodes_are_refused() {
    let opcodes = [
        0x8d_u8, // a call through a register
    ];
    for opcode in opcodes {
        assert!(matches!(second(slot(opcode, 0, 0, 0, 0)), Refusal::Call(_)));
    }
    for opcode in [
        0x00, 0x08, 0x38, 0x58, 0x60, 0x99, 0x8c, 0x8f, 0xe4, 0xf7, 0xdf, 0x0d, 0x9d, 0x96, 0x86,
        0xe5, 0x22, 0xcb, 0xd3,
    ] {
        assert_eq!(second(slot(opcode, 0, 0, 0, 0)), Refusal::Opcode(opcode));
    }
}

#[test]
fn registers_that_are_not_there_are_refused() {
    for number in 11..16 {
        let unknown = Refusal::Register(number);
        assert_eq!(second(slot(0xb7, number, 0, 0, 0)), unknown);
        assert_eq!(second(slot(0xbf, 0, number, 0, 0)), unknown);
        assert_eq!(second(slot(0x15, number, 0, 0, 0)), unknown);
        assert_eq!(second(slot(0x79, 0, number, 0, 0)), unknown);
        assert_eq!(second(slot(0x7b, number, 0, 0, 0)), unknown);
        assert_eq!(second(slot(0x50, 0, number, 0, 0)), unknown);
    }
    for bad in [
        mov(10, 0),
        add(10, 8),
        slot(0x79, 10, 1, 0, 0),
        slot(0xdb, 1, 10, 0, 1),
    ] {
        assert_eq!(second(bad), Refusal::WritesR10);
    }
    assert_eq!(second(slot(0x18, 10, 0, 0, 0)), Refusal::WritesR10);
}

#[test]
fn reserved_fields_that_are_used_are_refused() {
    let cases = [
        ("source register", slot(0xb7, 0, 1, 0, 0)),
        ("immediate", slot(0xbf, 0, 1, 0, 1)),
        ("offset", slot(0xb7, 0, 0, 8, 0)),
        ("offset", slot(0xbf, 0, 1, 9, 0)),
        ("offset", slot(0xbc, 0, 1, 32, 0)),
        ("offset", slot(0x37, 0, 0, 2, 1)),
        ("offset", slot(0x07, 0, 0, 1, 0)),
        ("immediate", slot(0x87, 0, 0, 0, 1)),
        ("source register", slot(0x87, 0, 1, 0, 0)),
        ("immediate", slot(0xd4, 0, 0, 0, 8)),
        ("offset", slot(0xdc, 0, 0, 1, 16)),
        ("source register", slot(0xd7, 0, 1, 0, 16)),
        ("immediate", slot(0x05, 0, 0, 0, 1)),
        ("offset", slot(0x06, 0, 0, 1, 0)),
        ("destination register", slot(0x05, 1, 0, 0, 0)),
        ("immediate", slot(0x1d, 0, 0, 0, 1)),
        ("source register", slot(0x15, 0, 1, 0, 0)),
        ("immediate", slot(0x95, 0, 0, 0, 1)),
        ("source register", slot(0x95, 0, 1, 0, 0)),
        ("offset", slot(0x85, 0, 0, 1, 5)),
        ("source register", slot(0x85, 0, 3, 0, 5)),
        ("immediate", slot(0x79, 0, 10, -8, 1)),
        ("source register", slot(0x7a, 10, 1, -8, 0)),
        ("immediate", slot(0x7b, 10, 0, -8, 1)),
        ("immediate", slot(0xdb, 10, 0, -8, 0x02)),
        ("immediate", slot(0xdb, 10, 0, -8, 0xe0)),
        ("destination register", slot(0x20, 1, 0, 0, 0)),
        ("source register", slot(0x20, 0, 1, 0, 0)),
        ("offset", slot(0x40, 0, 1, 1, 0)),
    ];
    for (field, bad) in cases {
        assert_eq!(second(bad), Refusal::Reserved(field), "{bad:x?}");
    }
    let [first, rest] = wide(0, 0);
    let cases = [slot(0x18, 0, 0, 1, 0), slot(0x18, 0, 1, 1, 0)];
    for bad in cases {
        assert_eq!(refusal(&[bad, rest, exit()]).1, Refusal::Reserved("offset"));
    }
    for bad in [
        slot(1, 0, 0, 0, 0),
        slot(0, 1, 0, 0, 0),
        slot(0, 0, 1, 0, 0),
        slot(0, 0, 0, 1, 0),
    ] {
        assert_eq!(refusal(&[first, bad, exit()]), (0, Refusal::IncompleteWide));
    }
    assert_eq!(refusal(&[first]), (0, Refusal::IncompleteWide));
    assert_eq!(
        refusal(&[slot(0x18, 0, 3, 0, 0), rest, exit()]),
        (0, Refusal::WideKind(3))
    );
}

#[test]
fn jumps_that_lead_to_no_instruction_are_refused() {
    let out = |target| (1, Refusal::JumpOutOfRange(target));
    let with = |jump| refusal(&[mov(0, 0), jump, exit()]);
    assert_eq!(with(slot(0x05, 0, 0, -3, 0)), out(-1));
    assert_eq!(with(slot(0x05, 0, 0, 1, 0)), out(3));
    assert_eq!(
        with(slot(0x06, 0, 0, 0, i32::MAX)),
        out(i64::from(i32::MAX))
    );
    assert_eq!(
        with(slot(0x06, 0, 0, 0, i32::MIN)),
        out(i64::from(i32::MIN) + 2)
    );
    assert_eq!(
        with(slot(0x15, 0, 0, i16::MAX, 0)),
        out(2 + i64::from(i16::MAX))
    );
    assert_eq!(with(slot(0x85, 0, 1, 0, 5)), out(7));
    let [first, rest] = wide(0, 0);
    for jump in [
        slot(0x05, 0, 0, 1, 0),
        slot(0x15, 1, 0, 1, 0),
        slot(0x85, 0, 1, 0, 1),
    ] {
        assert_eq!(
            refusal(&[jump, first, rest, exit()]),
            (0, Refusal::JumpIntoWide(2))
        );
    }
}

#[test]
fn programs_that_run_on_behind_their_end_are_refused() {
    for last in [mov(0, 0), slot(0x15, 0, 0, -2, 0), call(5)] {
        assert_eq!(refusal(&[mov(0, 0), last]), (1, Refusal::FallsOffTheEnd));
    }
    let [first, rest] = wide(0, 0);
    assert_eq!(refusal(&[first, rest]), (1, Refusal::FallsOffTheEnd));
    assert_eq!(common::load(&[]).err(), Some(LoadError::NoProgram));
}

#[test]
fn helpers_that_are_not_there_are_refused_by_name() {
    let refused = second(call(12));
    assert_eq!(refused, Refusal::UnknownHelper(12));
    assert_eq!(
        refused.to_string(),
        "helper 12, bpf_tail_call, is not supported"
    );
    assert_eq!(second(call(9999)).to_string(), "there is no helper 9999");
    assert_eq!(second(call(0)).to_string(), "there is no helper 0");
    assert_eq!(second(call(-1)), Refusal::UnknownHelper(-1));
    assert_eq!(
        second(slot(0x85, 0, 2, 0, 1)),
        Refusal::Call("a function of the kernel")
    );
}

#[test]
fn each_helper_of_linux_is_carried_out_or_refused_by_name_and_instruction() {
    const CARRIED_OUT: [i32; 11] = [1, 2, 3, 5, 7, 8, 26, 42, 68, 125, 160];
    let said_of = |number| match load(&[mov_register(6, 1), call(number), exit()]) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    for number in 1..=211 {
        let said = said_of(number);
        let refused = format!("instruction 1: helper {number}, bpf_");
        let is_refused = said.starts_with(&refused) && said.ends_with(" is not supported");
        assert_ne!(is_refused, CARRIED_OUT.contains(&number), "{said}");
    }
    // Those of Linux's own socket filters, and what others are likely to call.
    for (number, name) in [
        (6, "trace_printk"),
        (9, "skb_store_bytes"),
        (12, "tail_call"),
        (25, "perf_event_output"),
        (46, "get_socket_cookie"),
        (47, "get_socket_uid"),
        (87, "map_push_elem"),
        (93, "spin_lock"),
        (118, "jiffies64"),
        (130, "ringbuf_output"),
        (164, "for_each_map_elem"),
        (181, "loop"),
        (211, "cgrp_storage_delete"),
    ] {
        let refused = format!("instruction 1: helper {number}, bpf_{name}, is not supported");
        assert_eq!(said_of(number), refused);
    }
    assert_eq!(said_of(212), "instruction 1: there is no helper 212");
}

#[test]
fn registers_that_may_not_have_been_written_are_refused() {
    assert_eq!(refusal(&[exit()]), (0, Refusal::Uninitialized(0)));
    assert_eq!(second(mov_register(0, 2)), Refusal::Uninitialized(2));
    assert_eq!(second(slot(0x0f, 0, 3, 0, 0)), Refusal::Uninitialized(3));
    assert_eq!(second(add(4, 1)), Refusal::Uninitialized(4));
    assert_eq!(second(slot(0x7b, 10, 5, -8, 0)), Refusal::Uninitialized(5));
    assert_eq!(second(slot(0x1d, 0, 6, 0, 0)), Refusal::Uninitialized(6));
    // Written on one of two paths only.
    let program = [
        slot(0x61, 2, 1, 0, 0),
        slot(0x15, 2, 0, 1, 0),
        mov(3, 1),
        mov_register(0, 3),
        exit(),
    ];
    assert_eq!(refusal(&program), (3, Refusal::Uninitialized(3)));
    // Lost by a call.
    assert_eq!(
        refusal(&[call(5), mov_register(0, 1), exit()]),
        (1, Refusal::Uninitialized(1))
    );
    let program = [
        mov_register(6, 1),
        slot(0x20, 0, 0, 0, 0),
        mov_register(0, 1),
        exit(),
    ];
    assert_eq!(refusal(&program), (2, Refusal::Uninitialized(1)));
    // A function does not see the caller's R6.
    let program = [
        mov(6, 1),
        slot(0x85, 0, 1, 0, 1),
        exit(),
        mov_register(0, 6),
        exit(),
    ];
    assert_eq!(refusal(&program), (3, Refusal::Uninitialized(6)));
}

#[test]
fn the_context_is_read_only_and_has_only_what_makes_sense() {
    for bad in [
        slot(0x63, 1, 0, 8, 0),
        slot(0x62, 1, 0, 8, 1),
        slot(0xdb, 1, 0, 8, 0),
    ] {
        assert_eq!(second(bad), Refusal::WritesContext);
    }
    for (offset, name) in [
        (48, "cb"),
        (76, "data"),
        (80, "data_end"),
        (140, "data_meta"),
    ] {
        let refused = second(slot(0x61, 0, 1, offset, 0));
        let offset = i64::from(offset);
        assert_eq!(refused, Refusal::ContextField { offset, octets: 4 });
        assert!(refused.to_string().contains(&format!("field {name},")));
    }
    for bad in [
        slot(0x79, 0, 1, 0, 0),
        slot(0x61, 0, 1, 2, 0),
        slot(0x61, 0, 1, 192, 0),
        slot(0x61, 0, 1, -4, 0),
        slot(0x81, 0, 1, 0, 0),
    ] {
        assert!(matches!(second(bad), Refusal::ContextField { .. }));
    }
    // By way of another register, and of arithmetic.
    let program = [
        mov_register(3, 1),
        add(3, 40),
        slot(0x61, 0, 3, 8, 0),
        exit(),
    ];
    assert_eq!(
        refusal(&program),
        (
            2,
            Refusal::ContextField {
                offset: 48,
                octets: 4
            }
        )
    );
}

#[test]
fn what_is_known_to_leave_the_stack_is_refused() {
    let out = |offset, octets| Refusal::StackOutOfBounds { offset, octets };
    assert_eq!(second(slot(0x7a, 10, 0, -7, 0)), out(-7, 8));
    assert_eq!(second(slot(0x7a, 10, 0, -520, 0)), out(-520, 8));
    assert_eq!(second(slot(0x72, 10, 0, 0, 0)), out(0, 1));
    assert_eq!(second(slot(0x71, 0, 10, -513, 0)), out(-513, 1));
    let program = [
        mov_register(2, 10),
        add(2, -509),
        slot(0x69, 0, 2, -4, 0),
        exit(),
    ];
    assert_eq!(refusal(&program), (2, out(-513, 2)));
    // A key of eight octets, four of them outside.
    let [first, rest] = map(1, 0);
    let program = [
        mov_register(2, 10),
        add(2, -4),
        first,
        rest,
        call(1),
        exit(),
    ];
    assert_eq!(
        refusal_with(&program, vec![hash("h", 8, 4, 4)]),
        (4, out(-4, 8))
    );
}

#[test]
fn arguments_of_helpers_must_be_what_they_are_for() {
    let maps = || vec![array("a", 8, 4)];
    let program = [mov(1, 0), mov(2, 0), call(1), exit()];
    assert_eq!(
        refusal_with(&program, maps()),
        (2, Refusal::ArgumentNotMap(1))
    );
    let program = [mov_register(2, 10), call(1), exit()];
    assert_eq!(
        refusal_with(&program, maps()),
        (1, Refusal::ArgumentNotMap(1))
    );
    let program = [mov(1, 0), mov(2, 0), mov(3, 0), mov(4, 1), call(26), exit()];
    assert_eq!(refusal(&program), (4, Refusal::ArgumentNotContext(1)));
    assert_eq!(
        refusal(&[mov(2, 0), call(26), exit()]),
        (1, Refusal::Uninitialized(3))
    );
    // A number that looks like a map is none.
    let [first, rest] = wide(1, 0x2_0000_0000_0000);
    let program = [first, rest, mov_register(2, 10), call(1), exit()];
    assert_eq!(
        refusal_with(&program, maps()),
        (3, Refusal::ArgumentNotMap(1))
    );
    let [first, rest] = map(1, 0);
    let program = [first, rest, slot(0x79, 0, 1, 0, 0), exit()];
    assert_eq!(refusal_with(&program, maps()), (2, Refusal::MapAsMemory));
    let [first, rest] = map(1, 1);
    assert_eq!(
        refusal_with(&[first, rest, exit()], maps()),
        (0, Refusal::UnknownMap(1))
    );
    let beyond = [slot(0x18, 1, 2, 0, 0), slot(0, 0, 0, 0, 9)];
    assert_eq!(
        refusal_with(&[beyond[0], beyond[1], exit()], maps()),
        (0, Refusal::MapValueOffset(9))
    );
}

#[test]
fn packet_instructions_want_the_context_in_r6() {
    assert_eq!(second(slot(0x20, 0, 0, 0, 0)), Refusal::Uninitialized(6));
    let program = [mov(6, 0), slot(0x20, 0, 0, 0, 0), exit()];
    assert_eq!(refusal(&program), (1, Refusal::PacketWithoutContext));
}

#[test]
fn maps_that_there_cannot_be_are_refused_by_name() {
    let problem = |definition| match load_with(&[mov(0, 0), exit()], vec![definition]) {
        Err(LoadError::Map { name, problem }) => {
            assert_eq!(name, "m");
            problem
        }
        other => panic!("not refused: {other:?}"),
    };
    let mut kind = array("m", 4, 4);
    kind.kind = 9;
    assert_eq!(
        problem(kind).to_string(),
        "kind 9, lru_hash, is not supported; hash and array are"
    );
    let mut flags = array("m", 4, 4);
    flags.flags = 0x80;
    assert_eq!(problem(flags), MapError::Flags(0x80));
    let mut key = array("m", 4, 4);
    key.key_size = 8;
    assert_eq!(problem(key), MapError::KeySize(8));
    assert_eq!(problem(hash("m", 0, 4, 4)), MapError::KeySize(0));
    assert_eq!(problem(hash("m", 65, 4, 4)), MapError::KeySize(65));
    assert_eq!(problem(array("m", 0, 4)), MapError::ValueSize(0));
    assert_eq!(
        problem(array("m", u32::MAX, 1)),
        MapError::ValueSize(u32::MAX as usize)
    );
    assert_eq!(problem(array("m", 8, 0)), MapError::Entries(0));
    assert_eq!(problem(array("m", 8, 131_073)), MapError::Entries(131_073));
    assert_eq!(
        problem(array("m", 1, u32::MAX)),
        MapError::Entries(u32::MAX)
    );
    let many = (0..17).map(|_| array("m", 4, 4)).collect();
    let error = load_with(&[mov(0, 0), exit()], many).err();
    assert_eq!(
        error.map(|it| it.to_string()).as_deref(),
        Some("17 maps; there is room for 16")
    );
}

#[test]
fn programs_that_are_too_long_are_refused() {
    let mut program = vec![mov(0, 0); 4095];
    program.push(exit());
    assert!(common::load(&program).is_ok());
    program.push(exit());
    let error = common::load(&program).err();
    assert!(matches!(
        error,
        Some(LoadError::TooMany { count: 4097, .. })
    ));
}
