//! How an instruction looks in an object file: eight octets, two times for a 64-bit immediate
//! (RFC 9669 §3).

/// Octets of one slot.
pub const SLOT_SIZE: usize = 8;

/// Instruction classes: bits 0 to 2 of the opcode (RFC 9669 §3.3).
pub mod class {
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// Modes of loads and stores: bits 5 to 7 of the opcode (RFC 9669 §5).
pub mod mode {
    pub const ABS: u8 = 0x20;
    pub const IND: u8 = 0x40;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
}

/// Operations of atomic instructions, in their immediate (RFC 9669 §5.3).
pub mod atomic {
    pub const ADD: i32 = 0x00;
    pub const OR: i32 = 0x40;
    pub const AND: i32 = 0x50;
    pub const XOR: i32 = 0xa0;
    pub const FETCH: i32 = 0x01;
    pub const EXCHANGE: i32 = 0xe1;
    pub const COMPARE_EXCHANGE: i32 = 0xf1;
}

/// What the source register of a 64-bit immediate says that it is (RFC 9669 §5.4).
pub mod wide {
    pub const NUMBER: u8 = 0;
    pub const MAP: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
}

/// Opcode of a 64-bit immediate.
pub const WIDE: u8 = 0x18;
/// Opcode of a call.
pub const CALL: u8 = 0x85;
/// The source register of a call within the program.
pub const CALL_LOCAL: u8 = 1;

/// One slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub opcode: u8,
    pub destination: u8,
    pub source: u8,
    pub offset: i16,
    pub immediate: i32,
}

impl Slot {
    /// Reads a slot of a program for a little-endian machine.
    pub const fn from_octets(octets: [u8; SLOT_SIZE]) -> Self {
        let [opcode, registers, o0, o1, i0, i1, i2, i3] = octets;
        Self {
            opcode,
            destination: registers & 0x0f,
            source: registers >> 4,
            offset: i16::from_le_bytes([o0, o1]),
            immediate: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    /// The octets of the slot.
    pub const fn to_octets(self) -> [u8; SLOT_SIZE] {
        let [o0, o1] = self.offset.to_le_bytes();
        let [i0, i1, i2, i3] = self.immediate.to_le_bytes();
        let registers = self.source << 4 | self.destination;
        [self.opcode, registers, o0, o1, i0, i1, i2, i3]
    }

    /// The slots of a program; `None` when its octets are no whole number of them.
    pub fn list(octets: &[u8]) -> Option<impl Iterator<Item = Self>> {
        let (slots, rest) = octets.as_chunks::<SLOT_SIZE>();
        rest.is_empty()
            .then(|| slots.iter().map(|octets| Self::from_octets(*octets)))
    }

    pub const fn class(self) -> u8 {
        self.opcode & 0x07
    }
}
