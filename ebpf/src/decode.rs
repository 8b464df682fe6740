//! Makes instructions of slots, and refuses each that is none by itself: unknown opcodes and registers,
//! reserved fields that are used, jumps to where no instruction begins, an end that is none.
//!
//! Instructions keep the numbers of their slots, so that messages and disassemblies agree.

use crate::encoding::{CALL_LOCAL, Slot, WIDE, class, mode, wide};
use crate::error::{LoadError, Refusal};
use crate::helper::Helper;
use crate::instruction::{Instruction, Operation, Register};
use crate::map::Map;
use crate::memory;
use alloc::vec::Vec;

/// Bit 3 of the opcode: the operand is a register (RFC 9669 §4.1).
const BY_REGISTER: u8 = 0x08;

/// Makes instructions of `slots`, which may refer to `maps`.
///
/// # Errors
///
/// The first instruction that is none.
pub fn decode(slots: &[Slot], maps: &[Map]) -> Result<Vec<Instruction>, LoadError> {
    let mut instructions = Vec::with_capacity(slots.len());
    while let Some(slot) = slots.get(instructions.len()) {
        let number = instructions.len();
        let refused = |refusal| LoadError::Instruction { number, refusal };
        if slot.opcode == WIDE {
            let rest = slots.get(number.saturating_add(1));
            let [first, second] = decode_wide(slot, rest, maps).map_err(refused)?;
            instructions.push(first);
            instructions.push(second);
        } else {
            instructions.push(decode_one(slot, number).map_err(refused)?);
        }
    }
    for (number, instruction) in instructions.iter().enumerate() {
        check_flow(instruction, number, &instructions)
            .map_err(|refusal| LoadError::Instruction { number, refusal })?;
    }
    Ok(instructions)
}

/// Whether an instruction names the next one itself.
pub const fn is_jump(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::Ja
            | O::Jeq
            | O::Jgt
            | O::Jge
            | O::Jset
            | O::Jne
            | O::Jsgt
            | O::Jsge
            | O::Jlt
            | O::Jle
            | O::Jslt
            | O::Jsle
            | O::Jeq32
            | O::Jgt32
            | O::Jge32
            | O::Jset32
            | O::Jne32
            | O::Jsgt32
            | O::Jsge32
            | O::Jlt32
            | O::Jle32
            | O::Jslt32
            | O::Jsle32
    )
}

/// Checks where an instruction leads.
fn check_flow(
    instruction: &Instruction,
    number: usize,
    instructions: &[Instruction],
) -> Result<(), Refusal> {
    let operation = instruction.operation;
    if is_jump(operation) || operation == Operation::CallLocal {
        let target = i64::from(instruction.offset);
        let out_of_range = Refusal::JumpOutOfRange(target);
        let index = usize::try_from(target).map_err(|_| out_of_range)?;
        let first = instructions.get(index).ok_or(out_of_range)?;
        if first.operation == Operation::WideRest {
            return Err(Refusal::JumpIntoWide(index));
        }
    }
    let is_last = number.saturating_add(1) >= instructions.len();
    let is_end = matches!(operation, Operation::Exit | Operation::Ja);
    if is_last && !is_end {
        return Err(Refusal::FallsOffTheEnd);
    }
    Ok(())
}

fn decode_wide(
    slot: &Slot,
    rest: Option<&Slot>,
    maps: &[Map],
) -> Result<[Instruction; 2], Refusal> {
    let destination = writable(slot.destination)?;
    check_field(slot.offset == 0, "offset")?;
    let rest = rest.ok_or(Refusal::IncompleteWide)?;
    let is_rest = rest.opcode == 0 && rest.destination == 0 && rest.source == 0 && rest.offset == 0;
    if !is_rest {
        return Err(Refusal::IncompleteWide);
    }
    let low = u64::from(slot.immediate as u32);
    let high = u64::from(rest.immediate as u32);
    let map = || {
        let index = usize::try_from(low).unwrap_or(usize::MAX);
        maps.get(index).ok_or(Refusal::UnknownMap(low))
    };
    let is_map = slot.source == wide::MAP;
    let immediate = match slot.source {
        wide::NUMBER => high << 32 | low,
        wide::MAP => {
            map()?;
            check_field(high == 0, "immediate")?;
            memory::map_handle(low as u32)
        }
        wide::MAP_VALUE => {
            if !map()?.has_octet_of_first_value(high) {
                return Err(Refusal::MapValueOffset(high));
            }
            memory::map_value(low as u32, high as u32)
        }
        kind => return Err(Refusal::WideKind(kind)),
    };
    let first = Instruction {
        operation: Operation::Wide,
        destination,
        source: Register::Zero,
        offset: i32::from(is_map),
        immediate,
    };
    let second = Instruction {
        operation: Operation::WideRest,
        ..first
    };
    Ok([first, second])
}

fn decode_one(slot: &Slot, number: usize) -> Result<Instruction, Refusal> {
    match slot.class() {
        class::ALU | class::ALU64 => decode_arithmetic(slot),
        class::JMP | class::JMP32 => decode_jump(slot, number),
        _ => decode_memory(slot),
    }
}

fn decode_arithmetic(slot: &Slot) -> Result<Instruction, Refusal> {
    const NEG: u8 = 0x80;
    const MOV: u8 = 0xb0;
    const END: u8 = 0xd0;
    let is_64 = slot.class() == class::ALU64;
    let by_register = slot.opcode & BY_REGISTER != 0;
    let destination = writable(slot.destination)?;
    match slot.opcode & 0xf0 {
        END => return decode_end(slot, destination),
        NEG => {
            if by_register {
                return Err(Refusal::Opcode(slot.opcode));
            }
            check_field(slot.source == 0, "source register")?;
            check_field(slot.offset == 0, "offset")?;
            check_field(slot.immediate == 0, "immediate")?;
            let operation = pick(is_64, Operation::Neg, Operation::Neg32);
            return Ok(with_operand(operation, destination, Register::Zero, 0));
        }
        _ => {}
    }
    let (source, immediate) = operand(slot)?;
    let operation = match (slot.opcode & 0xf0, slot.offset) {
        (0x00, 0) => pick(is_64, Operation::Add, Operation::Add32),
        (0x10, 0) => pick(is_64, Operation::Sub, Operation::Sub32),
        (0x20, 0) => pick(is_64, Operation::Mul, Operation::Mul32),
        (0x30, 0) => pick(is_64, Operation::Div, Operation::Div32),
        (0x30, 1) => pick(is_64, Operation::Sdiv, Operation::Sdiv32),
        (0x40, 0) => pick(is_64, Operation::Or, Operation::Or32),
        (0x50, 0) => pick(is_64, Operation::And, Operation::And32),
        (0x60, 0) => pick(is_64, Operation::Lsh, Operation::Lsh32),
        (0x70, 0) => pick(is_64, Operation::Rsh, Operation::Rsh32),
        (0x90, 0) => pick(is_64, Operation::Mod, Operation::Mod32),
        (0x90, 1) => pick(is_64, Operation::Smod, Operation::Smod32),
        (0xa0, 0) => pick(is_64, Operation::Xor, Operation::Xor32),
        (MOV, 0) => pick(is_64, Operation::Mov, Operation::Mov32),
        (MOV, 8) if by_register => pick(is_64, Operation::Movsx8, Operation::Movsx8In32),
        (MOV, 16) if by_register => pick(is_64, Operation::Movsx16, Operation::Movsx16In32),
        (MOV, 32) if by_register && is_64 => Operation::Movsx32,
        (0xc0, 0) => pick(is_64, Operation::Arsh, Operation::Arsh32),
        (0x00..=0xc0, _) => return Err(Refusal::Reserved("offset")),
        _ => return Err(Refusal::Opcode(slot.opcode)),
    };
    Ok(with_operand(operation, destination, source, immediate))
}

/// Byte swaps (RFC 9669 §4.2), on a little-endian machine.
fn decode_end(slot: &Slot, destination: Register) -> Result<Instruction, Refusal> {
    check_field(slot.source == 0, "source register")?;
    check_field(slot.offset == 0, "offset")?;
    let is_64 = slot.class() == class::ALU64;
    let to_big = slot.opcode & BY_REGISTER != 0;
    if is_64 && to_big {
        return Err(Refusal::Opcode(slot.opcode));
    }
    let operation = match (is_64 || to_big, slot.immediate) {
        (true, 16) => Operation::Swap16,
        (true, 32) => Operation::Swap32,
        (true, 64) => Operation::Swap64,
        (false, 16) => Operation::Low16,
        (false, 32) => Operation::Low32,
        // Leaves it as it is.
        (false, 64) => Operation::Add,
        _ => return Err(Refusal::Reserved("immediate")),
    };
    Ok(with_operand(operation, destination, Register::Zero, 0))
}

fn decode_jump(slot: &Slot, number: usize) -> Result<Instruction, Refusal> {
    let is_64 = slot.class() == class::JMP;
    let by_register = slot.opcode & BY_REGISTER != 0;
    let no_registers = || {
        check_field(slot.destination == 0, "destination register")?;
        check_field(slot.source == 0, "source register")
    };
    let plain = |operation| Instruction {
        operation,
        destination: Register::R0,
        source: Register::Zero,
        offset: 0,
        immediate: 0,
    };
    let operation = match slot.opcode & 0xf0 {
        0x00 if !by_register => {
            no_registers()?;
            let distance = if is_64 {
                check_field(slot.immediate == 0, "immediate")?;
                i32::from(slot.offset)
            } else {
                check_field(slot.offset == 0, "offset")?;
                slot.immediate
            };
            return Ok(Instruction {
                offset: target(number, distance),
                ..plain(Operation::Ja)
            });
        }
        0x80 if is_64 => return decode_call(slot, number),
        0x90 if is_64 && !by_register => {
            no_registers()?;
            check_field(slot.offset == 0, "offset")?;
            check_field(slot.immediate == 0, "immediate")?;
            return Ok(plain(Operation::Exit));
        }
        0x10 => pick(is_64, Operation::Jeq, Operation::Jeq32),
        0x20 => pick(is_64, Operation::Jgt, Operation::Jgt32),
        0x30 => pick(is_64, Operation::Jge, Operation::Jge32),
        0x40 => pick(is_64, Operation::Jset, Operation::Jset32),
        0x50 => pick(is_64, Operation::Jne, Operation::Jne32),
        0x60 => pick(is_64, Operation::Jsgt, Operation::Jsgt32),
        0x70 => pick(is_64, Operation::Jsge, Operation::Jsge32),
        0xa0 => pick(is_64, Operation::Jlt, Operation::Jlt32),
        0xb0 => pick(is_64, Operation::Jle, Operation::Jle32),
        0xc0 => pick(is_64, Operation::Jslt, Operation::Jslt32),
        0xd0 => pick(is_64, Operation::Jsle, Operation::Jsle32),
        _ => return Err(Refusal::Opcode(slot.opcode)),
    };
    let (source, immediate) = operand(slot)?;
    Ok(Instruction {
        offset: target(number, i32::from(slot.offset)),
        ..with_operand(operation, readable(slot.destination)?, source, immediate)
    })
}

fn decode_call(slot: &Slot, number: usize) -> Result<Instruction, Refusal> {
    if slot.opcode & BY_REGISTER != 0 {
        return Err(Refusal::Call("through a register"));
    }
    check_field(slot.destination == 0, "destination register")?;
    check_field(slot.offset == 0, "offset")?;
    let call = Instruction {
        operation: Operation::CallLocal,
        destination: Register::R0,
        source: Register::Zero,
        offset: 0,
        immediate: slot.immediate as u64,
    };
    match slot.source {
        0 => {
            let unknown = Refusal::UnknownHelper(slot.immediate);
            Helper::numbered(call.immediate).ok_or(unknown)?;
            Ok(Instruction {
                operation: Operation::CallHelper,
                ..call
            })
        }
        CALL_LOCAL => Ok(Instruction {
            offset: target(number, slot.immediate),
            ..call
        }),
        2 => Err(Refusal::Call("a function of the kernel")),
        _ => Err(Refusal::Reserved("source register")),
    }
}

fn decode_memory(slot: &Slot) -> Result<Instruction, Refusal> {
    use Operation as O;
    let unknown = Refusal::Opcode(slot.opcode);
    // Four octets, two, one or eight.
    let size = slot.opcode & 0x18;
    let by_size = |[word, half, byte, double]: [Option<O>; 4]| {
        let operation = match size {
            0x00 => word,
            0x08 => half,
            0x10 => byte,
            _ => double,
        };
        operation.ok_or(unknown)
    };
    const STORES: [Option<O>; 4] = [
        Some(O::Store32),
        Some(O::Store16),
        Some(O::Store8),
        Some(O::Store64),
    ];
    let offset = i32::from(slot.offset);
    match (slot.class(), slot.opcode & 0xe0) {
        (class::LD, access @ (mode::ABS | mode::IND)) => {
            let packet = [Some(O::Packet32), Some(O::Packet16), Some(O::Packet8), None];
            let operation = by_size(packet)?;
            check_field(slot.destination == 0, "destination register")?;
            check_field(slot.offset == 0, "offset")?;
            let source = if access == mode::IND {
                readable(slot.source)?
            } else {
                check_field(slot.source == 0, "source register")?;
                Register::Zero
            };
            let immediate = slot.immediate as u64;
            Ok(with_operand(operation, Register::R0, source, immediate))
        }
        (class::LDX, access @ (mode::MEM | mode::MEMSX)) => {
            let operation = by_size(if access == mode::MEM {
                [
                    Some(O::Load32),
                    Some(O::Load16),
                    Some(O::Load8),
                    Some(O::Load64),
                ]
            } else {
                [
                    Some(O::LoadSigned32),
                    Some(O::LoadSigned16),
                    Some(O::LoadSigned8),
                    None,
                ]
            })?;
            check_field(slot.immediate == 0, "immediate")?;
            let (destination, source) = (writable(slot.destination)?, readable(slot.source)?);
            Ok(Instruction {
                offset,
                ..with_operand(operation, destination, source, 0)
            })
        }
        (class::ST, mode::MEM) => {
            check_field(slot.source == 0, "source register")?;
            let (destination, value) = (readable(slot.destination)?, slot.immediate as u64);
            Ok(Instruction {
                offset,
                ..with_operand(by_size(STORES)?, destination, Register::Zero, value)
            })
        }
        (class::STX, mode::MEM) => {
            check_field(slot.immediate == 0, "immediate")?;
            let (destination, source) = (readable(slot.destination)?, readable(slot.source)?);
            Ok(Instruction {
                offset,
                ..with_operand(by_size(STORES)?, destination, source, 0)
            })
        }
        (class::STX, mode::ATOMIC) => decode_atomic(slot, by_size),
        _ => Err(unknown),
    }
}

fn decode_atomic(
    slot: &Slot,
    by_size: impl Fn([Option<Operation>; 4]) -> Result<Operation, Refusal>,
) -> Result<Instruction, Refusal> {
    use crate::encoding::atomic;
    let sizes = [
        Some(Operation::Atomic32),
        None,
        None,
        Some(Operation::Atomic64),
    ];
    let operation = by_size(sizes)?;
    let is_plain = matches!(
        slot.immediate & !atomic::FETCH,
        atomic::ADD | atomic::OR | atomic::AND | atomic::XOR
    );
    let is_exchange = matches!(slot.immediate, atomic::EXCHANGE | atomic::COMPARE_EXCHANGE);
    check_field(is_plain || is_exchange, "immediate")?;
    let destination = readable(slot.destination)?;
    let returns = slot.immediate & atomic::FETCH != 0 && slot.immediate != atomic::COMPARE_EXCHANGE;
    let source = if returns {
        writable(slot.source)?
    } else {
        readable(slot.source)?
    };
    let immediate = slot.immediate as u64;
    Ok(Instruction {
        offset: i32::from(slot.offset),
        ..with_operand(operation, destination, source, immediate)
    })
}

/// The second operand of arithmetic and of comparisons.
fn operand(slot: &Slot) -> Result<(Register, u64), Refusal> {
    if slot.opcode & BY_REGISTER != 0 {
        check_field(slot.immediate == 0, "immediate")?;
        Ok((readable(slot.source)?, 0))
    } else {
        check_field(slot.source == 0, "source register")?;
        Ok((Register::Zero, slot.immediate as u64))
    }
}

const fn with_operand(
    operation: Operation,
    destination: Register,
    source: Register,
    immediate: u64,
) -> Instruction {
    Instruction {
        operation,
        destination,
        source,
        offset: 0,
        immediate,
    }
}

const fn pick(is_64: bool, operation: Operation, operation_32: Operation) -> Operation {
    if is_64 { operation } else { operation_32 }
}

fn readable(number: u8) -> Result<Register, Refusal> {
    Register::numbered(number).ok_or(Refusal::Register(number))
}

fn writable(number: u8) -> Result<Register, Refusal> {
    match readable(number)? {
        Register::R10 => Err(Refusal::WritesR10),
        register => Ok(register),
    }
}

const fn check_field(is_right: bool, field: &'static str) -> Result<(), Refusal> {
    if is_right {
        Ok(())
    } else {
        Err(Refusal::Reserved(field))
    }
}

/// The number of the instruction that is `distance` behind the next one; outside all programs, where
/// there is none.
fn target(number: usize, distance: i32) -> i32 {
    let next = i64::try_from(number).unwrap_or(i64::MAX).saturating_add(1);
    let target = next.saturating_add(i64::from(distance));
    let lowest = i64::from(i32::MIN);
    i32::try_from(target.max(lowest)).unwrap_or(i32::MAX)
}
