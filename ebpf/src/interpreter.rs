//! Runs a program for one frame.
//!
//! Nothing here allocates or panics, whatever the program: arithmetic wraps as RFC 9669 has it, every
//! access goes through [`crate::memory`], and each instruction costs fuel, so that the run ends. Called
//! by [`crate::filter`] for every frame.

use crate::context;
use crate::encoding::atomic;
use crate::frame::{ETHERNET_HEADER, Frame};
use crate::helper::Helper;
use crate::instruction::{Instruction, Operation, Register};
use crate::memory::{CONTEXT_ADDRESS, Caller, Memory, NEXT_FRAME, STACK_ADDRESS};
use crate::op::{Copy, Op, Windows};
use crate::program::Program;
use crate::shortcut::is_like;
use core::fmt;

/// What bpf_skb_load_bytes returns beyond the end of the packet: -EFAULT.
pub const BAD_ADDRESS: u64 = -14_i64 as u64;

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

/// A run under way.
struct Machine<'run> {
    program: &'run Program,
    memory: &'run mut Memory,
    frame: &'run Frame<'run>,
    clock: &'run dyn Fn() -> u64,
    /// Below zero, the run has taken too much, and ends at the next operation that looks.
    fuel: i64,
    /// Functions under way beside the first.
    depth: usize,
    /// Why an operation that was carried out aside ends the run.
    stop: Option<Stop>,
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
    memory.registers.set(Register::R1, CONTEXT_ADDRESS);
    memory.registers.set(Register::R10, STACK_ADDRESS);
    memory.clear_first_frame(program.stack_used);
    let mut machine = Machine {
        program,
        memory,
        frame,
        clock,
        fuel: i64::from(fuel),
        depth: 0,
        stop: None,
    };
    let end = match machine.interpret() {
        Ok(value) if machine.fuel >= 0 => {
            // It is no more than there was.
            return Run {
                end: Ok(End::Returned(value)),
                cost: fuel.wrapping_sub(machine.fuel as u32),
            };
        }
        Ok(_) => Err(program.fault_at(0, FaultKind::OutOfFuel).0),
        Err(stopped) => machine.break_off(stopped),
    };
    Run {
        end,
        cost: fuel.wrapping_sub(u32::try_from(machine.fuel).unwrap_or(0)),
    }
}

/// Why a run does not return, and at which operation.
struct Stopped {
    at: u32,
    why: Why,
}

#[derive(Clone, Copy)]
enum Why {
    /// The packet ends before what it wants to see.
    Short,
    Fuel,
    /// Outside the stack; a verified program does not come there.
    Stack,
    NoOperation,
    /// What the operation did that was carried out aside.
    Slow,
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

/// Whether a condition holds of two operands.
#[inline]
pub fn holds(condition: Operation, left: u64, right: u64) -> bool {
    let (signed, signed_right) = (left as i64, right as i64);
    let (left_32, right_32) = (left as u32, right as u32);
    let (signed_32, signed_right_32) = (left as i32, right as i32);
    match condition {
        Operation::Jeq => left == right,
        Operation::Jgt => left > right,
        Operation::Jge => left >= right,
        Operation::Jset => left & right != 0,
        Operation::Jne => left != right,
        Operation::Jsgt => signed > signed_right,
        Operation::Jsge => signed >= signed_right,
        Operation::Jlt => left < right,
        Operation::Jle => left <= right,
        Operation::Jslt => signed < signed_right,
        Operation::Jsle => signed <= signed_right,
        Operation::Jeq32 => left_32 == right_32,
        Operation::Jgt32 => left_32 > right_32,
        Operation::Jge32 => left_32 >= right_32,
        Operation::Jset32 => left_32 & right_32 != 0,
        Operation::Jne32 => left_32 != right_32,
        Operation::Jsgt32 => signed_32 > signed_right_32,
        Operation::Jsge32 => signed_32 >= signed_right_32,
        Operation::Jlt32 => left_32 < right_32,
        Operation::Jle32 => left_32 <= right_32,
        Operation::Jslt32 => signed_32 < signed_right_32,
        Operation::Jsle32 => signed_32 <= signed_right_32,
        _ => true,
    }
}

impl Machine<'_> {
    /// Carries the program out; returns what it returns.
    #[allow(
        clippy::too_many_lines,
        reason = "an arm for each operation, in one loop"
    )]
    #[inline]
    fn interpret(&mut self) -> Result<u64, Stopped> {
        let frame = self.frame.whole();
        let ops = &*self.program.lowered.ops;
        let windows = &*self.program.lowered.windows;
        let mut at = 0_usize;
        macro_rules! stop {
            ($why:expr) => {
                return Err(Stopped {
                    at: at as u32,
                    why: $why,
                })
            };
        }
        macro_rules! pay {
            ($cost:expr) => {
                self.fuel = self.fuel.wrapping_sub(i64::from($cost))
            };
        }
        macro_rules! jump_if {
            ($condition:expr, $taken:expr, $other:expr, $cost:expr) => {{
                pay!($cost);
                at = usize::from(if $condition { $taken } else { $other });
                continue;
            }};
        }
        macro_rules! load_frame {
            ($octets:literal, $type:ty, $offset:expr) => {
                match near::<$octets>(frame, u32::from($offset)) {
                    Some(octets) => <$type>::from_be_bytes(*octets),
                    None => stop!(Why::Short),
                }
            };
        }
        // The packet's octets behind the Ethernet header; other places are rare.
        macro_rules! load_at {
            ($first:expr) => {
                match near::<2>(
                    frame.get(ETHERNET_HEADER..).unwrap_or_default(),
                    $first as u32,
                ) {
                    Some(octets) => u16::from_be_bytes(*octets),
                    None => match packet::<2>(self.frame, $first) {
                        Some(octets) => u16::from_be_bytes(octets),
                        None => stop!(Why::Short),
                    },
                }
            };
        }
        macro_rules! load_stack {
            ($octets:literal, $type:ty, $offset:expr) => {{
                match at_offset::<$octets>(&self.memory.first_frame, usize::from($offset)) {
                    Some(octets) => <$type>::from_le_bytes(*octets),
                    None => stop!(Why::Stack),
                }
            }};
        }
        macro_rules! store_stack {
            ($octets:literal, $type:ty, $from:expr, $add:expr, $offset:expr) => {{
                let place = usize::from($offset);
                let value = self.memory.registers.get($from);
                let value = value.wrapping_add(i64::from($add) as u64);
                match at_offset_mut::<$octets>(&mut self.memory.first_frame, place) {
                    Some(room) => *room = (value as $type).to_le_bytes(),
                    None => stop!(Why::Stack),
                }
            }};
        }
        macro_rules! test {
            ($value:expr, $test:expr) => {{
                let is_equal = u32::from($value) & $test.mask == $test.value;
                jump_if!(is_equal, $test.equal, $test.other, $test.cost)
            }};
        }
        macro_rules! try_copy {
            ($octets:literal, $try:expr) => {{
                let copy = $try.copy;
                let first = self.memory.registers.get(copy.register);
                let first = first.saturating_add(u64::from(copy.offset)) as usize;
                let place = usize::from(copy.to);
                let Some(room) = at_offset_mut::<$octets>(&mut self.memory.first_frame, place)
                else {
                    stop!(Why::Stack)
                };
                pay!($try.cost);
                match at_offset::<$octets>(frame, first) {
                    Some(octets) => *room = *octets,
                    None => {
                        zero(room);
                        at = usize::from($try.failed);
                        continue;
                    }
                }
                at = usize::from($try.done);
                continue;
            }};
        }
        loop {
            let Some(op) = ops.get(at) else {
                stop!(Why::NoOperation)
            };
            match *op {
                Op::TestFrame8(test) => test!(load_frame!(1, u8, test.offset), test),
                Op::TestFrame16(test) => test!(load_frame!(2, u16, test.offset), test),
                Op::TestFrame32(test) => test!(load_frame!(4, u32, test.offset), test),
                Op::TestStack8(test) => test!(load_stack!(1, u8, test.offset), test),
                Op::TestStack16(test) => test!(load_stack!(2, u16, test.offset), test),
                Op::TestStack32(test) => test!(load_stack!(4, u32, test.offset), test),
                Op::TryCopy2(copy) => try_copy!(2, copy),
                Op::TryCopy4(copy) => try_copy!(4, copy),
                Op::TryCopy20(copy) => try_copy!(20, copy),
                Op::Return { value, cost } => {
                    pay!(cost);
                    return Ok(value);
                }
                Op::Set { register, value } => self.memory.registers.set(register, value),
                Op::Move { to, from } => {
                    let value = self.memory.registers.get(from);
                    self.memory.registers.set(to, value);
                }
                Op::Scale {
                    register,
                    shift,
                    mask,
                    add,
                } => {
                    let shifted = self
                        .memory
                        .registers
                        .get(register)
                        .wrapping_shl(u32::from(shift));
                    let masked = shifted & i64::from(mask) as u64;
                    let sum = masked.wrapping_add(i64::from(add) as u64);
                    self.memory.registers.set(register, sum);
                }
                Op::LoadStack8 { to, offset } => {
                    let value = load_stack!(1, u8, offset);
                    self.memory.registers.set(to, u64::from(value));
                }
                Op::LoadStack16 { to, offset } => {
                    let value = load_stack!(2, u16, offset);
                    self.memory.registers.set(to, u64::from(value));
                }
                Op::LoadStack32 { to, offset } => {
                    let value = load_stack!(4, u32, offset);
                    self.memory.registers.set(to, u64::from(value));
                }
                Op::LoadStack64 { to, offset } => {
                    let value = load_stack!(8, u64, offset);
                    self.memory.registers.set(to, value);
                }
                Op::StoreStack8 { from, offset, add } => store_stack!(1, u8, from, add, offset),
                Op::StoreStack16 { from, offset, add } => store_stack!(2, u16, from, add, offset),
                Op::StoreStack32 { from, offset, add } => store_stack!(4, u32, from, add, offset),
                Op::StoreStack64 { from, offset, add } => store_stack!(8, u64, from, add, offset),
                Op::LoadFrame8 { offset } => {
                    let value = load_frame!(1, u8, offset);
                    self.memory.registers.set(Register::R0, u64::from(value));
                }
                Op::LoadFrame16 { offset } => {
                    let value = load_frame!(2, u16, offset);
                    self.memory.registers.set(Register::R0, u64::from(value));
                }
                Op::LoadFrame32 { offset } => {
                    let value = load_frame!(4, u32, offset);
                    self.memory.registers.set(Register::R0, u64::from(value));
                }
                Op::LoadFrame8To {
                    to,
                    offset,
                    shift,
                    mask,
                    add,
                } => {
                    let value = u64::from(load_frame!(1, u8, offset));
                    let masked = value.wrapping_shl(u32::from(shift)) & i64::from(mask) as u64;
                    let sum = masked.wrapping_add(i64::from(add) as u64);
                    self.memory.registers.set(to, sum);
                }
                Op::LoadAt16 { register, offset } => {
                    let first = self.memory.registers.get(register) as u32;
                    let first = first.wrapping_add(offset as u32) as i32;
                    let value = load_at!(first);
                    self.memory.registers.set(Register::R0, u64::from(value));
                }
                Op::TestAt16 {
                    register,
                    offset,
                    mask,
                    value,
                    equal,
                    other,
                    cost,
                } => {
                    let first = self.memory.registers.get(register) as u32;
                    let first = first.wrapping_add(i32::from(offset) as u32) as i32;
                    jump_if!(load_at!(first) & mask == value, equal, other, cost)
                }
                Op::TestAll {
                    tests,
                    equal,
                    other,
                    cost,
                } => {
                    let Some(Windows([first, second])) = windows.get(usize::from(tests)) else {
                        stop!(Why::NoOperation)
                    };
                    if is_like(frame, 0, first) && is_like(frame, 0, second) {
                        pay!(cost);
                        at = usize::from(equal);
                    } else {
                        at = usize::from(other);
                    }
                    continue;
                }
                Op::Jump { to, cost } => jump_if!(true, to, to, cost),
                Op::Compare {
                    register,
                    with,
                    equal,
                    other,
                    cost,
                } => {
                    let with = i64::from(with) as u64;
                    jump_if!(
                        self.memory.registers.get(register) == with,
                        equal,
                        other,
                        cost
                    )
                }
                Op::Pay(cost) => pay!(cost),
                Op::Check => {
                    if self.fuel < 0 {
                        stop!(Why::Fuel)
                    }
                }
                Op::Instruction(_)
                | Op::Copy(_)
                | Op::TryCopy(_)
                | Op::Branch { .. }
                | Op::Call { .. }
                | Op::Exit { .. } => match self.carry_out_aside(op, at) {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => match self.stop {
                        Some(Stop::Returned(value)) => return Ok(value),
                        _ => stop!(Why::Slow),
                    },
                },
            }
            at = at.wrapping_add(1);
        }
    }

    /// What needs more than a few steps. Returns the place of the next operation, or says why there is none.
    #[inline(never)]
    fn carry_out_aside(&mut self, op: &Op, at: usize) -> Option<usize> {
        let next = at.wrapping_add(1);
        match *op {
            Op::Instruction(number) => {
                let program = self.program;
                let Some(instruction) = program.instructions.get(usize::from(number)) else {
                    return self.stop(Stop::Fault(FaultKind::NoInstruction));
                };
                match self.carry_out(instruction) {
                    Ok(0) => {}
                    Ok(work) => {
                        self.fuel = self.fuel.wrapping_sub(i64::from(work));
                        self.check_fuel()?;
                    }
                    Err(stop) => return self.stop(stop),
                }
            }
            Op::Copy(copy) => {
                let is_done = self.copy(copy)?;
                let result = if is_done { 0 } else { BAD_ADDRESS };
                self.memory.registers.set(Register::R0, result);
            }
            Op::TryCopy(copy) => {
                let is_done = self.copy(copy.copy)?;
                self.fuel = self.fuel.wrapping_sub(i64::from(copy.cost));
                let next = if is_done { copy.done } else { copy.failed };
                return Some(usize::from(next));
            }
            Op::Branch {
                condition,
                left,
                right,
                add,
                taken,
                other,
                cost,
            } => {
                self.fuel = self.fuel.wrapping_sub(i64::from(cost));
                let (left, right) = (
                    self.memory.registers.get(left),
                    self.memory.registers.get(right),
                );
                let right = right.wrapping_add(i64::from(add) as u64);
                let is_taken = holds(condition, left, right);
                return Some(usize::from(if is_taken { taken } else { other }));
            }
            Op::Call { to, cost } => {
                self.call_function(next)?;
                self.fuel = self.fuel.wrapping_sub(i64::from(cost));
                self.check_fuel()?;
                return Some(usize::from(to));
            }
            Op::Exit { cost } => {
                self.fuel = self.fuel.wrapping_sub(i64::from(cost));
                return self.exit();
            }
            _ => return self.stop(Stop::Fault(FaultKind::NoInstruction)),
        }
        Some(next)
    }

    fn stop<T>(&mut self, stop: Stop) -> Option<T> {
        self.stop = Some(stop);
        None
    }

    fn check_fuel(&mut self) -> Option<()> {
        if self.fuel < 0 {
            return self.stop(Stop::Fault(FaultKind::OutOfFuel));
        }
        Some(())
    }

    /// Keeps what a function is to find again, and gives the one that it calls a stack frame.
    fn call_function(&mut self, next: usize) -> Option<()> {
        let caller = Caller {
            next,
            saved: SAVED.map(|register| self.memory.registers.get(register)),
        };
        let depth = self.depth.saturating_add(1);
        if self.memory.keep_caller(depth, caller).is_none() {
            return self.stop(Stop::Fault(FaultKind::CallDepth));
        }
        self.depth = depth;
        self.memory.clear_frame(depth, self.program.stack_used);
        let stack = self
            .memory
            .registers
            .get(Register::R10)
            .wrapping_add(NEXT_FRAME);
        self.memory.registers.set(Register::R10, stack);
        Some(())
    }

    /// Goes on where the function was called, or ends the run.
    fn exit(&mut self) -> Option<usize> {
        let Some(caller) = self.memory.caller(self.depth).copied() else {
            let value = self.memory.registers.get(Register::R0);
            return self.stop(Stop::Returned(value));
        };
        for (register, value) in SAVED.into_iter().zip(caller.saved) {
            self.memory.registers.set(register, value);
        }
        let next = caller.next;
        self.depth = self.depth.saturating_sub(1);
        let stack = self
            .memory
            .registers
            .get(Register::R10)
            .wrapping_sub(NEXT_FRAME);
        self.memory.registers.set(Register::R10, stack);
        Some(next)
    }

    /// Copies octets of the packet to the stack, or zeros where they end beyond the packet. Returns whether
    /// they did not.
    fn copy(&mut self, copy: Copy) -> Option<bool> {
        let first = self.memory.registers.get(copy.register);
        let first = first.saturating_add(u64::from(copy.offset)) as usize;
        let (place, length) = (usize::from(copy.to), usize::from(copy.length));
        let room = self.memory.first_frame.get_mut(place..);
        let Some(room) = room.and_then(|room| room.get_mut(..length)) else {
            let address = place as u64;
            return self.stop(Stop::Fault(FaultKind::Access { address }));
        };
        let rest = self.frame.whole().get(first..).unwrap_or_default();
        let octets = rest.get(..length);
        match octets {
            Some(octets) => room.copy_from_slice(octets),
            None => room.fill(0),
        }
        Some(octets.is_some())
    }

    /// How a run ended that did not return.
    #[cold]
    #[inline(never)]
    fn break_off(&mut self, stopped: Stopped) -> Result<End, Fault> {
        let kind = match (stopped.why, self.stop) {
            (Why::Short, _) | (Why::Slow, Some(Stop::Short)) => return Ok(End::ShortPacket),
            (Why::Slow, Some(Stop::Fault(kind))) => kind,
            (Why::Fuel, _) => FaultKind::OutOfFuel,
            (Why::Stack, _) => FaultKind::Access { address: 0 },
            _ => FaultKind::NoInstruction,
        };
        let (fault, owed) = self.program.fault_at(stopped.at as usize, kind);
        self.fuel = self.fuel.wrapping_sub(i64::from(owed));
        Err(fault)
    }
}

/// Aside, because it is rare.
#[cold]
#[inline(never)]
fn zero(octets: &mut [u8]) {
    octets.fill(0);
}

/// `N` octets at `offset`.
#[inline(always)]
fn at_offset<const N: usize>(octets: &[u8], offset: usize) -> Option<&[u8; N]> {
    octets.get(offset..)?.first_chunk()
}

/// The same; the end of such an offset never wraps, so that there is one comparison.
#[inline(always)]
fn near<const N: usize>(octets: &[u8], offset: u32) -> Option<&[u8; N]> {
    let first = offset as usize;
    octets.get(first..first.wrapping_add(N))?.first_chunk()
}

/// The same, to be written.
#[inline(always)]
fn at_offset_mut<const N: usize>(octets: &mut [u8], offset: usize) -> Option<&mut [u8; N]> {
    octets.get_mut(offset..)?.first_chunk_mut()
}

/// Why a run does not go on after an instruction.
#[derive(Clone, Copy)]
enum Stop {
    Returned(u64),
    /// The packet ends before what it wants to see.
    Short,
    Fault(FaultKind),
}

impl Machine<'_> {
    /// Carries out an instruction that neither jumps nor ends a function. Returns how much work it was beside.
    #[allow(clippy::too_many_lines, reason = "an arm for each instruction")]
    fn carry_out(&mut self, instruction: &Instruction) -> Result<u32, Stop> {
        let frame = self.frame;
        let memory = &mut *self.memory;
        let operand = memory.registers.get(instruction.source);
        let operand = operand.wrapping_add(instruction.immediate);
        let before = memory.registers.get(instruction.destination);
        // The result of arithmetic on the lower halves.
        macro_rules! lower {
            ($result:expr) => {
                u64::from($result as u32)
            };
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
                    None => return Err(Stop::Fault(FaultKind::Access { address })),
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
                    return Err(Stop::Fault(FaultKind::Access { address }));
                }
                return Ok(0);
            }};
        }
        macro_rules! packet {
            ($octets:literal, $type:ty) => {
                match packet::<$octets>(frame, operand as u32 as i32) {
                    Some(octets) => u64::from(<$type>::from_be_bytes(octets)),
                    None => return Err(Stop::Short),
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
            Operation::CallHelper => {
                let called = call(instruction, memory, frame, self.clock);
                let (value, work) = called.ok_or(Stop::Fault(FaultKind::Argument))?;
                memory.registers.set(Register::R0, value);
                return Ok(u32::try_from(work).unwrap_or(u32::MAX));
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
                if atomic(instruction, address, memory).is_none() {
                    return Err(Stop::Fault(FaultKind::Access { address }));
                }
                return Ok(0);
            }
            Operation::LoadContext => {
                // That there is such a field was checked when the program was loaded.
                let octets = instruction.offset as u64;
                context::read_checked(frame, instruction.immediate, octets)
            }
            Operation::Packet8 => packet!(1, u8),
            Operation::Packet16 => packet!(2, u16),
            Operation::Packet32 => packet!(4, u32),
            Operation::Wide => instruction.immediate,
            _ => return Err(Stop::Fault(FaultKind::NoInstruction)),
        };
        memory.registers.set(instruction.destination, result);
        Ok(0)
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
    memory: &mut Memory,
    frame: &Frame<'_>,
    clock: &dyn Fn() -> u64,
) -> Option<(u64, usize)> {
    let [first, second, third, fourth, fifth] = [
        Register::R1,
        Register::R2,
        Register::R3,
        Register::R4,
        Register::R5,
    ]
    .map(|register| memory.registers.get(register));
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
        Helper::Time => Some((clock(), 0)),
        Helper::Random => Some((u64::from(memory.next_random()), 0)),
        Helper::Processor => Some((0, 0)),
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
fn atomic(instruction: &Instruction, address: u64, memory: &mut Memory) -> Option<()> {
    let is_64 = instruction.operation == Operation::Atomic64;
    let narrow = |value: u64| {
        if is_64 {
            value
        } else {
            u64::from(value as u32)
        }
    };
    let operand = memory.registers.get(instruction.source);
    let expected = narrow(memory.registers.get(Register::R0));
    let octets = memory.octets_mut(address, if is_64 { 8 } else { 4 })?;
    let before = if is_64 {
        u64::from_le_bytes(*octets.first_chunk()?)
    } else {
        u64::from(u32::from_le_bytes(*octets.first_chunk()?))
    };
    let kind = instruction.immediate as i32;
    let after = match kind {
        atomic::EXCHANGE => operand,
        atomic::COMPARE_EXCHANGE if before == expected => operand,
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
        memory.registers.set(Register::R0, before);
    } else if kind & atomic::FETCH != 0 {
        memory.registers.set(instruction.source, before);
    }
    Some(())
}
