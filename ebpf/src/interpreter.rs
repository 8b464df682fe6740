//! Runs a program for one frame.
//!
//! Nothing here allocates or panics, whatever the program: arithmetic wraps as RFC 9669 has it, every
//! access goes through [`crate::memory`], and each instruction costs fuel, so that the run ends. Called
//! by [`crate::filter`] for every frame.

use crate::context;
use crate::encoding::atomic;
use crate::frame::Frame;
use crate::helper::Helper;
use crate::instruction::{Instruction, Operation, REGISTERS, Register};
use crate::memory::{CONTEXT_ADDRESS, Caller, Memory, NEXT_FRAME, STACK_ADDRESS};
use crate::program::Program;
use core::fmt;

/// What bpf_skb_load_bytes returns beyond the end of the packet: -EFAULT.
const BAD_ADDRESS: u64 = -14_i64 as u64;

/// Why a run was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the instruction.
    pub instruction: usize,
    /// What happened.
    pub kind: FaultKind,
}

/// What broke a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It took too long.
    OutOfFuel,
    /// It tried to reach what it may not.
    Access {
        /// Where, as the program sees it.
        address: u64,
    },
    /// An argument of a helper was not what it has to be.
    Argument,
    /// Too many functions were under way.
    CallDepth,
    /// It came to where no instruction is; a verified program does not.
    NoInstruction,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: ", self.instruction)?;
        match self.kind {
            FaultKind::OutOfFuel => f.write_str("out of fuel"),
            FaultKind::Access { address } => {
                write!(f, "access at {address:#x}, where it may not")
            }
            FaultKind::Argument => f.write_str("a helper was called with wrong arguments"),
            FaultKind::CallDepth => f.write_str("too many nested calls"),
            FaultKind::NoInstruction => f.write_str("there is no such instruction"),
        }
    }
}

/// How a run ended that was not broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program returned this.
    Returned(u64),
    /// A packet instruction looked beyond the end of the packet, which ends a program (as in Linux,
    /// where it then returns 0).
    ShortPacket,
}

/// A run: how it ended, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub end: Result<End, Fault>,
    /// Fuel: one for each instruction, and for each eight octets or each place of an index at which a
    /// helper looked.
    pub cost: u32,
}

struct Registers([u64; REGISTERS]);

impl Registers {
    #[inline(always)]
    fn get(&self, register: Register) -> u64 {
        // There are as many places as registers.
        self.0.get(register as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn set(&mut self, register: Register, value: u64) {
        if let Some(place) = self.0.get_mut(register as usize) {
            *place = value;
        }
    }
}

/// What does not change during a run.
struct Surroundings<'run> {
    frame: &'run Frame<'run>,
    clock: &'run dyn Fn() -> u64,
}

/// Runs `program` for a frame, with so much fuel; `clock` tells the time in nanoseconds.
#[inline]
pub fn run(
    program: &Program,
    memory: &mut Memory,
    frame: &Frame<'_>,
    clock: &dyn Fn() -> u64,
    fuel: u32,
) -> Run {
    let mut left = fuel;
    let surroundings = Surroundings { frame, clock };
    let end = interpret(program, memory, &surroundings, &mut left);
    Run {
        end,
        cost: fuel.wrapping_sub(left),
    }
}

/// Takes fuel for a helper's work.
fn pay(fuel: u32, work: usize) -> Option<u32> {
    fuel.checked_sub(u32::try_from(work).ok()?)
}

/// Signed division; 0 by 0, and what wraps when the result is out of range (RFC 9669 §4.1).
fn sdiv(dividend: i64, divisor: i64) -> i64 {
    let otherwise = if divisor == 0 { 0 } else { dividend };
    dividend.checked_div(divisor).unwrap_or(otherwise)
}

/// What is left of signed division; the dividend where the divisor is 0 (RFC 9669 §4.1).
fn smod(dividend: i64, divisor: i64) -> i64 {
    let otherwise = if divisor == 0 { dividend } else { 0 };
    dividend.checked_rem(divisor).unwrap_or(otherwise)
}

#[allow(
    clippy::too_many_lines,
    reason = "an arm for each instruction, in one loop"
)]
fn interpret(
    program: &Program,
    memory: &mut Memory,
    surroundings: &Surroundings<'_>,
    fuel_left: &mut u32,
) -> Result<End, Fault> {
    let frame = surroundings.frame;
    let instructions = &*program.instructions;
    let mut registers = Registers([0; REGISTERS]);
    registers.set(Register::R1, CONTEXT_ADDRESS);
    registers.set(Register::R10, STACK_ADDRESS);
    if program.stack_used > 0 {
        memory.clear_stack(0, program.stack_used);
    }
    let mut fuel = *fuel_left;
    let mut depth = 0_usize;
    let mut at = 0_usize;
    // Ends the run.
    macro_rules! end {
        ($end:expr) => {{
            *fuel_left = fuel;
            return $end;
        }};
    }
    macro_rules! fault {
        ($kind:expr) => {{
            let kind = $kind;
            end!(Err(Fault {
                instruction: at,
                kind
            }))
        }};
    }
    loop {
        let Some(instruction) = instructions.get(at) else {
            fault!(FaultKind::NoInstruction)
        };
        fuel = match fuel.checked_sub(1) {
            Some(left) => left,
            None => fault!(FaultKind::OutOfFuel),
        };
        let operand = registers
            .get(instruction.source)
            .wrapping_add(instruction.immediate);
        let before = registers.get(instruction.destination);
        // The result of arithmetic on the lower halves.
        macro_rules! lower {
            ($result:expr) => {
                u64::from($result as u32)
            };
        }
        macro_rules! jump_if {
            ($condition:expr) => {{
                at = if $condition {
                    instruction.offset as usize
                } else {
                    at.wrapping_add(1)
                };
                continue;
            }};
        }
        macro_rules! address {
            ($base:expr) => {
                $base.wrapping_add(i64::from(instruction.offset) as u64)
            };
        }
        // Loads so many octets, as this type.
        macro_rules! load {
            ($octets:literal, $type:ty) => {{
                let address = address!(operand);
                match memory.load::<$octets>(frame, address) {
                    Some(octets) => <$type>::from_le_bytes(octets) as i64 as u64,
                    None => fault!(FaultKind::Access { address }),
                }
            }};
        }
        macro_rules! store {
            ($type:ty) => {{
                let address = address!(before);
                if memory
                    .store(address, (operand as $type).to_le_bytes())
                    .is_none()
                {
                    fault!(FaultKind::Access { address })
                }
                at = at.wrapping_add(1);
                continue;
            }};
        }
        macro_rules! packet {
            ($octets:literal, $type:ty) => {
                match packet::<$octets>(frame, operand as u32 as i32) {
                    Some(octets) => u64::from(<$type>::from_be_bytes(octets)),
                    None => end!(Ok(End::ShortPacket)),
                }
            };
        }
        let (signed, signed_operand) = (before as i64, operand as i64);
        let (before_32, operand_32) = (before as u32, operand as u32);
        let (signed_32, signed_operand_32) = (before as i32, operand as i32);
        let (widened, widened_operand) = (i64::from(signed_32), i64::from(signed_operand_32));
        let result = match instruction.operation {
            Operation::Add => before.wrapping_add(operand),
            Operation::Sub => before.wrapping_sub(operand),
            Operation::Mul => before.wrapping_mul(operand),
            Operation::Div => before.checked_div(operand).unwrap_or(0),
            Operation::Or => before | operand,
            Operation::And => before & operand,
            Operation::Lsh => before.wrapping_shl(operand_32),
            Operation::Rsh => before.wrapping_shr(operand_32),
            Operation::Mod => before.checked_rem(operand).unwrap_or(before),
            Operation::Xor => before ^ operand,
            Operation::Mov => operand,
            Operation::Arsh => signed.wrapping_shr(operand_32) as u64,
            Operation::Sdiv => sdiv(signed, signed_operand) as u64,
            Operation::Smod => smod(signed, signed_operand) as u64,
            Operation::Neg => before.wrapping_neg(),
            Operation::Movsx8 => i64::from(operand as i8) as u64,
            Operation::Movsx16 => i64::from(operand as i16) as u64,
            Operation::Movsx32 => i64::from(operand as i32) as u64,
            Operation::Add32 => lower!(before_32.wrapping_add(operand_32)),
            Operation::Sub32 => lower!(before_32.wrapping_sub(operand_32)),
            Operation::Mul32 => lower!(before_32.wrapping_mul(operand_32)),
            Operation::Div32 => lower!(before_32.checked_div(operand_32).unwrap_or(0)),
            Operation::Or32 => lower!(before_32 | operand_32),
            Operation::And32 => lower!(before_32 & operand_32),
            Operation::Lsh32 => lower!(before_32.wrapping_shl(operand_32)),
            Operation::Rsh32 => lower!(before_32.wrapping_shr(operand_32)),
            Operation::Mod32 => lower!(before_32.checked_rem(operand_32).unwrap_or(before_32)),
            Operation::Xor32 => lower!(before_32 ^ operand_32),
            Operation::Mov32 => lower!(operand_32),
            Operation::Arsh32 => lower!(signed_32.wrapping_shr(operand_32)),
            Operation::Sdiv32 => lower!(sdiv(widened, widened_operand)),
            Operation::Smod32 => lower!(smod(widened, widened_operand)),
            Operation::Neg32 => lower!(before_32.wrapping_neg()),
            Operation::Movsx8In32 => lower!(i32::from(operand as i8)),
            Operation::Movsx16In32 => lower!(i32::from(operand as i16)),
            Operation::Swap16 => u64::from((before as u16).swap_bytes()),
            Operation::Swap32 => u64::from(before_32.swap_bytes()),
            Operation::Swap64 => before.swap_bytes(),
            Operation::Low16 => u64::from(before as u16),
            Operation::Low32 => u64::from(before_32),
            Operation::Ja => jump_if!(true),
            Operation::Jeq => jump_if!(before == operand),
            Operation::Jgt => jump_if!(before > operand),
            Operation::Jge => jump_if!(before >= operand),
            Operation::Jset => jump_if!(before & operand != 0),
            Operation::Jne => jump_if!(before != operand),
            Operation::Jsgt => jump_if!(signed > signed_operand),
            Operation::Jsge => jump_if!(signed >= signed_operand),
            Operation::Jlt => jump_if!(before < operand),
            Operation::Jle => jump_if!(before <= operand),
            Operation::Jslt => jump_if!(signed < signed_operand),
            Operation::Jsle => jump_if!(signed <= signed_operand),
            Operation::Jeq32 => jump_if!(before_32 == operand_32),
            Operation::Jgt32 => jump_if!(before_32 > operand_32),
            Operation::Jge32 => jump_if!(before_32 >= operand_32),
            Operation::Jset32 => jump_if!(before_32 & operand_32 != 0),
            Operation::Jne32 => jump_if!(before_32 != operand_32),
            Operation::Jsgt32 => jump_if!(signed_32 > signed_operand_32),
            Operation::Jsge32 => jump_if!(signed_32 >= signed_operand_32),
            Operation::Jlt32 => jump_if!(before_32 < operand_32),
            Operation::Jle32 => jump_if!(before_32 <= operand_32),
            Operation::Jslt32 => jump_if!(signed_32 < signed_operand_32),
            Operation::Jsle32 => jump_if!(signed_32 <= signed_operand_32),
            Operation::CallHelper => {
                let called = call(instruction, &registers, memory, surroundings);
                let (value, work) = match called {
                    Some(called) => called,
                    None => fault!(FaultKind::Argument),
                };
                fuel = match pay(fuel, work) {
                    Some(left) => left,
                    None => fault!(FaultKind::OutOfFuel),
                };
                registers.set(Register::R0, value);
                at = at.wrapping_add(1);
                continue;
            }
            Operation::CallLocal => {
                depth = depth.saturating_add(1);
                let caller = Caller {
                    next: at.wrapping_add(1),
                    saved: SAVED.map(|register| registers.get(register)),
                };
                if memory.keep_caller(depth, caller).is_none() {
                    fault!(FaultKind::CallDepth)
                }
                memory.clear_stack(depth, program.stack_used);
                let stack = registers.get(Register::R10).wrapping_add(NEXT_FRAME);
                registers.set(Register::R10, stack);
                at = instruction.offset as usize;
                continue;
            }
            Operation::Exit => {
                let Some(caller) = memory.caller(depth) else {
                    end!(Ok(End::Returned(registers.get(Register::R0))))
                };
                for (register, value) in SAVED.into_iter().zip(caller.saved) {
                    registers.set(register, value);
                }
                at = caller.next;
                depth = depth.saturating_sub(1);
                let stack = registers.get(Register::R10).wrapping_sub(NEXT_FRAME);
                registers.set(Register::R10, stack);
                continue;
            }
            Operation::Load8 => load!(1, u8),
            Operation::Load16 => load!(2, u16),
            Operation::Load32 => load!(4, u32),
            Operation::Load64 => load!(8, u64),
            Operation::LoadSigned8 => load!(1, i8),
            Operation::LoadSigned16 => load!(2, i16),
            Operation::LoadSigned32 => load!(4, i32),
            Operation::Store8 => store!(u8),
            Operation::Store16 => store!(u16),
            Operation::Store32 => store!(u32),
            Operation::Store64 => store!(u64),
            Operation::Atomic32 | Operation::Atomic64 => {
                let address = address!(before);
                if atomic(instruction, address, &mut registers, memory).is_none() {
                    fault!(FaultKind::Access { address })
                }
                at = at.wrapping_add(1);
                continue;
            }
            Operation::LoadContext => {
                // That there is such a field was checked when the program was loaded.
                let octets = instruction.offset as u64;
                context::read_checked(frame, instruction.immediate, octets)
            }
            Operation::Packet8 => packet!(1, u8),
            Operation::Packet16 => packet!(2, u16),
            Operation::Packet32 => packet!(4, u32),
            Operation::Wide => {
                registers.set(instruction.destination, instruction.immediate);
                at = at.wrapping_add(2);
                continue;
            }
            Operation::WideRest => fault!(FaultKind::NoInstruction),
        };
        registers.set(instruction.destination, result);
        at = at.wrapping_add(1);
    }
}

/// The registers that a function finds again after a call.
const SAVED: [Register; 4] = [Register::R6, Register::R7, Register::R8, Register::R9];

/// `N` octets of the packet. Offsets below zero count from the places that `linux/filter.h` names.
#[inline]
fn packet<const N: usize>(frame: &Frame<'_>, offset: i32) -> Option<[u8; N]> {
    /// From the network header, which is where the payload begins.
    const NETWORK: i32 = -0x10_0000;
    /// From the Ethernet header.
    const LINK: i32 = -0x20_0000;
    let (octets, first) = match offset {
        0.. => (frame.payload(), offset),
        NETWORK.. => (frame.payload(), offset.wrapping_sub(NETWORK)),
        LINK.. => (frame.whole(), offset.wrapping_sub(LINK)),
        _ => return None,
    };
    octets.get(first as usize..)?.first_chunk().copied()
}

/// Carries out a helper. Returns its result, and how much work it was; `None` when an argument is wrong.
#[inline(never)]
fn call(
    instruction: &Instruction,
    registers: &Registers,
    memory: &mut Memory,
    surroundings: &Surroundings<'_>,
) -> Option<(u64, usize)> {
    let [first, second, third, fourth, fifth] = [
        Register::R1,
        Register::R2,
        Register::R3,
        Register::R4,
        Register::R5,
    ]
    .map(|register| registers.get(register));
    let frame = surroundings.frame;
    match Helper::numbered(instruction.immediate)? {
        Helper::LoadBytes => load_bytes(frame.payload(), memory, [second, third, fourth]),
        Helper::LoadBytesRelative => {
            const LINK: u64 = 0;
            const NETWORK: u64 = 1;
            let octets = match fifth {
                LINK => frame.whole(),
                NETWORK => frame.payload(),
                _ => &[],
            };
            load_bytes(octets, memory, [second, third, fourth])
        }
        Helper::MapLookup => memory.lookup(first, second),
        Helper::MapUpdate => memory.update(first, second, third, fourth),
        Helper::MapDelete => memory.delete(first, second),
        Helper::Time => Some(((surroundings.clock)(), 0)),
        Helper::Random => Some((u64::from(memory.next_random()), 0)),
    }
}

/// Copies octets of the packet to where the program wants them. Where they end beyond the packet it gets
/// zeros, and an error number.
#[inline]
fn load_bytes(
    packet: &[u8],
    memory: &mut Memory,
    [offset, to, length]: [u64; 3],
) -> Option<(u64, usize)> {
    let length = usize::try_from(length).ok()?;
    let to = memory.octets_mut(to, length)?;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let from = packet.get(offset..).and_then(|rest| rest.get(..length));
    let work = length / 8;
    let Some(from) = from else {
        to.fill(0);
        return Some((BAD_ADDRESS, work));
    };
    // Both are of this length; the usual ones are worth a move.
    match length {
        2 => copy::<2>(to, from),
        4 => copy::<4>(to, from),
        _ => to.copy_from_slice(from),
    }
    Some((0, work))
}

#[inline]
fn copy<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
}

/// Carries out an atomic instruction: there is only one processor, and nobody comes in between.
#[inline(never)]
fn atomic(
    instruction: &Instruction,
    address: u64,
    registers: &mut Registers,
    memory: &mut Memory,
) -> Option<()> {
    let is_64 = instruction.operation == Operation::Atomic64;
    let narrow = |value: u64| {
        if is_64 {
            value
        } else {
            u64::from(value as u32)
        }
    };
    let octets = memory.octets_mut(address, if is_64 { 8 } else { 4 })?;
    let before = if is_64 {
        u64::from_le_bytes(*octets.first_chunk()?)
    } else {
        u64::from(u32::from_le_bytes(*octets.first_chunk()?))
    };
    let operand = registers.get(instruction.source);
    let kind = instruction.immediate as i32;
    let after = match kind {
        atomic::EXCHANGE => operand,
        atomic::COMPARE_EXCHANGE if before == narrow(registers.get(Register::R0)) => operand,
        atomic::COMPARE_EXCHANGE => before,
        _ => match kind & !atomic::FETCH {
            atomic::ADD => before.wrapping_add(operand),
            atomic::OR => before | operand,
            atomic::AND => before & operand,
            _ => before ^ operand,
        },
    };
    if is_64 {
        *octets.first_chunk_mut()? = after.to_le_bytes();
    } else {
        *octets.first_chunk_mut()? = (after as u32).to_le_bytes();
    }
    if kind == atomic::COMPARE_EXCHANGE {
        registers.set(Register::R0, before);
    } else if kind & atomic::FETCH != 0 {
        registers.set(instruction.source, before);
    }
    Some(())
}
