//! Instructions as the interpreter carries them out: made once by [`crate::decode`], so that nothing about
//! them has to be worked out or checked again for each frame.
//!
//! An operand is always `source + immediate`. Where a program means a number, the source is a register
//! that is always zero, and where it means a register, the number is zero: so there is one operation for
//! both.

/// A register. Eleven are the program's; the last one always holds zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    /// The end of the stack frame; read-only.
    R10,
    /// Always zero.
    Zero,
}

/// How many registers there are.
pub const REGISTERS: usize = 12;

impl Register {
    /// The registers of a program, by their numbers.
    pub const ALL: [Self; 11] = [
        Self::R0,
        Self::R1,
        Self::R2,
        Self::R3,
        Self::R4,
        Self::R5,
        Self::R6,
        Self::R7,
        Self::R8,
        Self::R9,
        Self::R10,
    ];

    /// Register `number` of a program.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What an instruction does, with `destination`, `operand = source + immediate` and
/// `address = base + offset`. A `32` in the name says that it works on the lower halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip]
pub enum Operation {
    Add, Sub, Mul, Div, Or, And, Lsh, Rsh, Mod, Xor, Mov, Arsh, Sdiv, Smod, Neg,
    Movsx8, Movsx16, Movsx32,
    Add32, Sub32, Mul32, Div32, Or32, And32, Lsh32, Rsh32, Mod32, Xor32, Mov32, Arsh32, Sdiv32, Smod32, Neg32,
    Movsx8In32, Movsx16In32,
    /// Reverses the octets of the lower part, and clears the rest.
    Swap16, Swap32, Swap64,
    /// Clears all but the lower part.
    Low16, Low32,
    /// Jumps to `offset`, an instruction's number.
    Ja,
    Jeq, Jgt, Jge, Jset, Jne, Jsgt, Jsge, Jlt, Jle, Jslt, Jsle,
    Jeq32, Jgt32, Jge32, Jset32, Jne32, Jsgt32, Jsge32, Jlt32, Jle32, Jslt32, Jsle32,
    /// Calls the helper of which `immediate` is the number.
    CallHelper,
    /// Calls the function at `offset`, an instruction's number.
    CallLocal,
    Exit,
    /// From `source + offset`.
    Load8, Load16, Load32, Load64, LoadSigned8, LoadSigned16, LoadSigned32,
    /// To `destination + offset`; the operand.
    Store8, Store16, Store32, Store64,
    /// At `destination + offset`, with `source`; `immediate` says what.
    Atomic32, Atomic64,
    /// From octet `immediate` of the context; `offset` octets.
    LoadContext,
    /// From octet `operand` of the packet, into R0, from network order.
    Packet8, Packet16, Packet32,
    /// The first of two slots; `offset` says whether it stands for a map.
    Wide,
    /// The second of two slots; nothing can jump there.
    WideRest,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub operation: Operation,
    pub destination: Register,
    pub source: Register,
    /// Of an address, in octets; of a jump or a call, the number of the instruction that is next.
    pub offset: i32,
    /// Sign-extended.
    pub immediate: u64,
}

const _: () = assert!(size_of::<Instruction>() == 16);
