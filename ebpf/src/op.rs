//! What the interpreter carries out: a program made dense by [`crate::lower`].
//!
//! An operation stands for one instruction or for several, knows beforehand what could be known beforehand,
//! and names the operations that follow by their places. Fuel is paid where a stretch without jumps ends, by
//! the operation that ends it, for all of the stretch's instructions.

use crate::instruction::{Operation, Register};
use crate::shortcut::Shortcut;

/// A place among the operations of a program. While they are made: which of the places to be found later.
pub type Place = u16;

/// A comparison of an octet string with a value under a mask, and where it leads. Packed, so that there is
/// room for the operation's kind beside it in 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed)]
pub struct Test {
    pub mask: u32,
    pub value: u32,
    pub equal: Place,
    pub other: Place,
    /// From the Ethernet header or, of the stack, from the beginning of its frame.
    pub offset: u16,
    pub cost: u8,
}

/// A copy of octets of the packet to the stack by `bpf_skb_load_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Added to `offset`.
    pub register: Register,
    /// From the Ethernet header.
    pub offset: u16,
    /// From the beginning of the stack frame, in which are `length` octets from there on.
    pub to: u16,
    pub length: u16,
}

/// A copy, and where it leads by whether there was enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryCopy {
    pub copy: Copy,
    pub done: Place,
    pub failed: Place,
    pub cost: u8,
}

/// An operation. What is not here goes through [`Op::Instruction`]. Those on the stack are only for the function
/// with which the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Carries this instruction out, which neither jumps nor ends a function.
    Instruction(u16),
    /// Pays for instructions.
    Pay(u32),
    /// Ends the run when there is no fuel left: the head of a loop.
    Check,
    Set {
        register: Register,
        value: u64,
    },
    Move {
        to: Register,
        from: Register,
    },
    /// Shifts to the left, masks and adds.
    Scale {
        register: Register,
        shift: u8,
        mask: i32,
        add: i32,
    },
    LoadStack8 {
        to: Register,
        offset: u16,
    },
    LoadStack16 {
        to: Register,
        offset: u16,
    },
    LoadStack32 {
        to: Register,
        offset: u16,
    },
    LoadStack64 {
        to: Register,
        offset: u16,
    },
    /// Stores `from + add`.
    StoreStack8 {
        from: Register,
        offset: u16,
        add: i32,
    },
    StoreStack16 {
        from: Register,
        offset: u16,
        add: i32,
    },
    StoreStack32 {
        from: Register,
        offset: u16,
        add: i32,
    },
    StoreStack64 {
        from: Register,
        offset: u16,
        add: i32,
    },
    /// Loads from the frame, in network order, into R0; a run ends where the frame does.
    LoadFrame8 {
        offset: u16,
    },
    LoadFrame16 {
        offset: u16,
    },
    LoadFrame32 {
        offset: u16,
    },
    /// Loads an octet of the frame, shifts it to the left, masks and adds.
    LoadFrame8To {
        to: Register,
        shift: u8,
        offset: u16,
        mask: i32,
        add: i32,
    },
    /// Loads from `register + offset` behind the Ethernet header, into R0.
    LoadAt16 {
        register: Register,
        offset: i32,
    },
    /// Loads so, masks and compares; a run ends where the frame does.
    TestAt16 {
        register: Register,
        offset: i16,
        mask: u16,
        value: u16,
        equal: Place,
        other: Place,
        cost: u8,
    },
    /// Several tests of the frame at once. When one of them fails, they are made one after the other.
    TestAll {
        tests: u16,
        equal: Place,
        other: Place,
        cost: u16,
    },
    Copy(Copy),
    TryCopy(TryCopy),
    /// Copies so many octets.
    TryCopy2(TryCopy),
    TryCopy4(TryCopy),
    TryCopy20(TryCopy),
    TestFrame8(Test),
    TestFrame16(Test),
    TestFrame32(Test),
    TestStack8(Test),
    TestStack16(Test),
    TestStack32(Test),
    Jump {
        to: Place,
        cost: u8,
    },
    /// Compares a register with a number.
    Compare {
        register: Register,
        with: i32,
        equal: Place,
        other: Place,
        cost: u8,
    },
    /// Jumps by a condition about `left` and `right + add`.
    Branch {
        condition: Operation,
        left: Register,
        right: Register,
        add: i32,
        taken: Place,
        other: Place,
        cost: u8,
    },
    Call {
        to: Place,
        cost: u8,
    },
    Exit {
        cost: u8,
    },
    /// Ends the run.
    Return {
        value: u64,
        cost: u16,
    },
}

const _: () = assert!(size_of::<Op>() == 16);

/// Tests of the frame that are made at once: all have to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows(pub [Window; 2]);

/// Eight octets of the frame, of which those under `mask` are compared; the first of them is the lowest of the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub mask: u64,
    pub value: u64,
    pub offset: u16,
}

/// From where an operation comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The number of its last instruction.
    pub number: u16,
    /// What is to be paid when the run is broken off here: the instructions since fuel was last paid.
    pub owed: u16,
}

/// A program as it is carried out.
#[derive(Debug)]
pub struct Lowered {
    pub ops: alloc::boxed::Box<[Op]>,
    /// What [`Op::TestAll`] tests.
    pub windows: alloc::boxed::Box<[Windows]>,
    /// One for each of `ops`.
    pub origins: alloc::boxed::Box<[Origin]>,
    /// For the frames for which all tests hold.
    pub shortcut: Option<Shortcut>,
}
