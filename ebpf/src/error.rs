//! Why a program was not loaded. Each error prints as one line that names what was wrong.

use crate::map::MapError;
use crate::{context, helper};
use alloc::string::String;
use core::fmt;

/// Why an object file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// More octets than are read.
    TooLarge {
        /// So many.
        octets: usize,
    },
    /// It is no object file, or a damaged one: what was looked for, and what the parser says.
    Malformed {
        /// What was looked for.
        what: &'static str,
        /// What was found.
        problem: String,
    },
    /// It is an object file for something else.
    NotBpf {
        /// Its machine, as ELF numbers them.
        machine: u16,
    },
    /// It is no relocatable object file.
    NotRelocatable,
    /// There is no section for a socket filter.
    NoProgram,
    /// A section has less in it than its symbols or relocations say, or is too large.
    Section {
        /// The section.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An instruction refers to a symbol that cannot be linked.
    Symbol {
        /// The symbol.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A map that there cannot be.
    Map {
        /// The map.
        name: String,
        /// What is wrong with it.
        problem: MapError,
    },
    /// More than there is room for.
    TooMany {
        /// Of what.
        what: &'static str,
        /// So many.
        count: usize,
        /// Of which there is room for so many.
        limit: usize,
    },
    /// An instruction was refused.
    Instruction {
        /// Its number, as `llvm-objdump -d` shows it, from 0.
        number: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
}

/// Why an instruction was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such instruction, or not here.
    Opcode(u8),
    /// There is no such register.
    Register(u8),
    /// A field that must be zero is not, or holds a value without a meaning.
    Reserved(&'static str),
    /// R10 is read-only.
    WritesR10,
    /// The second half of a 64-bit immediate is missing or not one.
    IncompleteWide,
    /// A jump or a call to no instruction of the program.
    JumpOutOfRange(i64),
    /// A jump or a call into the middle of a 64-bit immediate.
    JumpIntoWide(usize),
    /// The last instruction lets the program run on.
    FallsOffTheEnd,
    /// A call of a function that is not there.
    UnknownHelper(i32),
    /// A call of a function in the kernel, or through a register.
    Call(&'static str),
    /// A 64-bit immediate that means something that is not there.
    WideKind(u8),
    /// No map has this number.
    UnknownMap(u64),
    /// Outside the map's only value.
    MapValueOffset(u64),
    /// A register is read that may not have been written.
    Uninitialized(u8),
    /// A write to the context.
    WritesContext,
    /// A field of the context that is not there, or not so.
    ContextField {
        /// Where.
        offset: i64,
        /// So many octets.
        octets: u64,
    },
    /// Outside the stack frame.
    StackOutOfBounds {
        /// Where, from R10.
        offset: i64,
        /// So many octets.
        octets: u64,
    },
    /// A map is no memory.
    MapAsMemory,
    /// A packet instruction wants the context in R6.
    PacketWithoutContext,
    /// An argument of a call is no map.
    ArgumentNotMap(u8),
    /// An argument of a call is not the context.
    ArgumentNotContext(u8),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { octets } => {
                let limit = crate::MAXIMUM_OBJECT;
                write!(f, "the file has {octets} octets; at most {limit} are read")
            }
            Self::Malformed { what, problem } => write!(f, "no {what} can be read: {problem}"),
            Self::NotBpf { machine } => write!(
                f,
                "the object file is for machine {machine}, not for BPF (247); compile with clang -target bpf"
            ),
            Self::NotRelocatable => f.write_str("the file is not a relocatable object file"),
            Self::NoProgram => f.write_str(
                "no socket filter in the object file: a function with SEC(\"socket\") is looked for",
            ),
            Self::Section { name, problem } => write!(f, "section '{name}': {problem}"),
            Self::Symbol { name, problem } => write!(f, "symbol '{name}': {problem}"),
            Self::Map { name, problem } => write!(f, "map '{name}': {problem}"),
            Self::TooMany { what, count, limit } => {
                write!(f, "{count} {what}; there is room for {limit}")
            }
            Self::Instruction { number, refusal } => write!(f, "instruction {number}: {refusal}"),
        }
    }
}

impl core::error::Error for LoadError {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Opcode(opcode) => write!(f, "unknown opcode {opcode:#04x}"),
            Self::Register(number) => write!(f, "there is no register r{number}"),
            Self::Reserved(field) => write!(f, "reserved value in its {field}"),
            Self::WritesR10 => f.write_str("r10 is read-only"),
            Self::IncompleteWide => {
                f.write_str("the second half of its 64-bit immediate is missing or not one")
            }
            Self::JumpOutOfRange(target) => write!(f, "jumps to {target}, outside the program"),
            Self::JumpIntoWide(target) => {
                write!(f, "jumps to {target}, the middle of a 64-bit immediate")
            }
            Self::FallsOffTheEnd => f.write_str("the program runs on behind its last instruction"),
            Self::UnknownHelper(number) => match helper::name(number) {
                Some(name) => write!(f, "helper {number}, bpf_{name}, is not supported"),
                None => write!(f, "there is no helper {number}"),
            },
            Self::Call(what) => write!(f, "calls {what}, which is not supported"),
            Self::WideKind(kind) => write!(f, "64-bit immediate of unsupported kind {kind}"),
            Self::UnknownMap(number) => write!(f, "there is no map {number}"),
            Self::MapValueOffset(offset) => write!(f, "octet {offset} is outside the map's value"),
            Self::Uninitialized(number) => {
                write!(f, "reads r{number}, which may not have been written")
            }
            Self::WritesContext => f.write_str("writes to the context, which is read-only"),
            Self::ContextField { offset, octets } => match context::name_at(offset) {
                Some(name) => write!(
                    f,
                    "reads {octets} octets at {offset} of the context, field {name}, which is not supported"
                ),
                None => write!(f, "reads at {offset}, outside the context"),
            },
            Self::StackOutOfBounds { offset, octets } => {
                write!(f, "{octets} octets at r10{offset:+} are outside the stack")
            }
            Self::MapAsMemory => f.write_str("a map is no memory; its values are"),
            Self::PacketWithoutContext => {
                f.write_str("a packet instruction wants the context in r6")
            }
            Self::ArgumentNotMap(number) => write!(f, "r{number} is to be a map"),
            Self::ArgumentNotContext(number) => write!(f, "r{number} is to be the context"),
        }
    }
}
