//! Follows a program along all its paths, and refuses what would go wrong on one of them.
//!
//! For each instruction it is known of every register whether it was written on all paths that lead
//! there, and whether it is the context, a place in the stack, or a map. That catches mistakes early and
//! lets the interpreter read the context without looking where it is; it is not what the appliance relies
//! on: every access is checked again when it is made ([`crate::memory`]), and loops are bounded by fuel.

use crate::context;
use crate::decode::is_jump;
use crate::encoding::atomic;
use crate::error::{LoadError, Refusal};
use crate::helper::{Argument, Helper};
use crate::instruction::{Instruction, Operation, Register};
use crate::map::Map;
use crate::memory::{self, FRAME_SIZE};
use alloc::vec;
use alloc::vec::Vec;

/// What is known of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// There is a path on which it was not written.
    Nothing,
    /// Anything.
    Value,
    /// This number.
    Number(u64),
    /// So many octets into the context.
    Context(i64),
    /// So many octets from the end of this function's stack frame.
    Stack(i64),
    /// The map with this index.
    Map(usize),
}

/// What is known where an instruction begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    registers: [Known; 11],
    /// Whether this may be a function that the program calls.
    pub is_called: bool,
}

/// What became known of a program.
#[derive(Debug)]
pub struct Verified {
    /// What is known before each instruction; `None` of those that are never reached.
    pub states: Vec<Option<State>>,
    /// How many octets at the end of a stack frame are used.
    pub stack_used: usize,
}

/// Checks a program, and marks those of its instructions that read the context.
///
/// # Errors
///
/// The first instruction found that is refused.
pub fn verify(instructions: &mut [Instruction], maps: &[Map]) -> Result<Verified, LoadError> {
    let mut walk = Walk {
        states: vec![None; instructions.len()],
        waiting: Vec::new(),
        stack_used: 0,
        maps,
    };
    let mut start = State {
        registers: [Known::Nothing; 11],
        is_called: false,
    };
    start.set(Register::R1, Known::Context(0));
    start.set(Register::R10, Known::Stack(0));
    walk.reach(0, start);
    while let Some(number) = walk.waiting.pop() {
        let (Some(instruction), Some(Some(state))) =
            (instructions.get(number), walk.states.get(number))
        else {
            continue;
        };
        let state = *state;
        walk.follow(number, instruction, state)
            .map_err(|refusal| LoadError::Instruction { number, refusal })?;
    }
    for (instruction, state) in instructions.iter_mut().zip(&walk.states) {
        if let Some(state) = state
            && let Some(octets) = load_size(instruction.operation)
            && let Some(Known::Context(offset)) = state.peek(instruction.source)
        {
            let field = offset.saturating_add(i64::from(instruction.offset));
            instruction.operation = Operation::LoadContext;
            instruction.offset = octets as i32;
            instruction.immediate = field as u64;
        }
    }
    Ok(Verified {
        states: walk.states,
        stack_used: walk.stack_used,
    })
}

impl State {
    /// What is known of a register; `None` for the one that is always zero.
    pub fn peek(&self, register: Register) -> Option<Known> {
        self.registers.get(register as usize).copied()
    }

    /// What is known of a register that is read.
    fn read(&self, register: Register) -> Result<Known, Refusal> {
        match self.peek(register) {
            Some(Known::Nothing) => Err(Refusal::Uninitialized(register as u8)),
            Some(known) => Ok(known),
            None => Ok(Known::Number(0)),
        }
    }

    pub fn set(&mut self, register: Register, known: Known) {
        if let Some(place) = self.registers.get_mut(register as usize) {
            *place = known;
        }
    }

    /// What is left after a call.
    fn forget_arguments(&mut self) {
        for known in self.registers.iter_mut().skip(1).take(5) {
            *known = Known::Nothing;
        }
    }
}

struct Walk<'maps> {
    states: Vec<Option<State>>,
    /// The instructions of which more became known than was followed.
    waiting: Vec<usize>,
    stack_used: usize,
    maps: &'maps [Map],
}

impl Walk<'_> {
    /// Takes note that instruction `number` can be reached with this state.
    fn reach(&mut self, number: usize, state: State) {
        let Some(place) = self.states.get_mut(number) else {
            return;
        };
        let Some(before) = place else {
            *place = Some(state);
            self.waiting.push(number);
            return;
        };
        let mut lost_stack = false;
        let mut joined = *before;
        joined.is_called |= state.is_called;
        for (known, other) in joined.registers.iter_mut().zip(state.registers) {
            let both = match (*known, other) {
                (known, other) if known == other => known,
                (Known::Nothing, _) | (_, Known::Nothing) => Known::Nothing,
                _ => Known::Value,
            };
            let was_stack = [*known, other]
                .iter()
                .any(|known| matches!(known, Known::Stack(_)));
            lost_stack |= both == Known::Value && was_stack;
            *known = both;
        }
        if joined != *before {
            *place = Some(joined);
            self.waiting.push(number);
        }
        if lost_stack {
            self.stack_used = FRAME_SIZE;
        }
    }

    /// Takes note that it is not known any more what the program does with an address of the stack.
    fn lose(&mut self, known: Known) {
        if matches!(known, Known::Stack(_)) {
            self.stack_used = FRAME_SIZE;
        }
    }

    /// Takes note of `octets` octets that are used at an address.
    fn touch(&mut self, base: Known, offset: i64, octets: u64) -> Result<(), Refusal> {
        match base {
            Known::Stack(place) => {
                let offset = place.saturating_add(offset);
                let out_of_bounds = Refusal::StackOutOfBounds { offset, octets };
                let depth = usize::try_from(offset.saturating_neg()).map_err(|_| out_of_bounds)?;
                if depth > FRAME_SIZE || octets > depth as u64 {
                    return Err(out_of_bounds);
                }
                self.stack_used = self.stack_used.max(depth);
                Ok(())
            }
            Known::Map(_) => Err(Refusal::MapAsMemory),
            _ => Ok(()),
        }
    }

    /// Carries an instruction out on what is known, and goes on to all that can be next.
    fn follow(
        &mut self,
        number: usize,
        instruction: &Instruction,
        mut state: State,
    ) -> Result<(), Refusal> {
        let operation = instruction.operation;
        let next = number.saturating_add(1);
        let target = usize::try_from(instruction.offset).unwrap_or(usize::MAX);
        match operation {
            Operation::Ja => {
                self.reach(target, state);
                return Ok(());
            }
            Operation::Exit => {
                if !state.is_called {
                    let value = state.read(Register::R0)?;
                    self.lose(value);
                }
                return Ok(());
            }
            Operation::CallLocal => {
                self.call_local(&mut state, target);
            }
            Operation::CallHelper => self.call_helper(&mut state, instruction)?,
            Operation::Wide => {
                state.set(instruction.destination, known_of_wide(instruction));
                self.reach(number.saturating_add(2), state);
                return Ok(());
            }
            Operation::WideRest => return Ok(()),
            Operation::Packet8 | Operation::Packet16 | Operation::Packet32 => {
                state.read(instruction.source)?;
                if state.read(Register::R6)? != Known::Context(0) {
                    return Err(Refusal::PacketWithoutContext);
                }
                state.forget_arguments();
                state.set(Register::R0, Known::Value);
            }
            _ if is_jump(operation) => {
                state.read(instruction.destination)?;
                state.read(instruction.source)?;
                self.reach(target, state);
            }
            _ => self.follow_straight(instruction, &mut state)?,
        }
        self.reach(next, state);
        Ok(())
    }

    /// Follows what neither jumps nor calls.
    fn follow_straight(
        &mut self,
        instruction: &Instruction,
        state: &mut State,
    ) -> Result<(), Refusal> {
        let (destination, source) = (instruction.destination, instruction.source);
        let offset = i64::from(instruction.offset);
        if let Some(octets) = load_size(instruction.operation) {
            let base = state.read(source)?;
            if let Known::Context(place) = base {
                let offset = place.saturating_add(offset);
                let is_signed = !matches!(
                    instruction.operation,
                    Operation::Load8 | Operation::Load16 | Operation::Load32 | Operation::Load64
                );
                if is_signed || !context::is_readable(offset, octets) {
                    return Err(Refusal::ContextField { offset, octets });
                }
            }
            self.touch(base, offset, octets)?;
            state.set(destination, Known::Value);
            return Ok(());
        }
        if let Some(octets) = store_size(instruction.operation) {
            let base = state.read(destination)?;
            let value = state.read(source)?;
            if matches!(base, Known::Context(_)) {
                return Err(Refusal::WritesContext);
            }
            self.touch(base, offset, octets)?;
            self.lose(value);
            if matches!(
                instruction.operation,
                Operation::Atomic32 | Operation::Atomic64
            ) {
                let kind = instruction.immediate as i32;
                if kind == atomic::COMPARE_EXCHANGE {
                    let expected = state.read(Register::R0)?;
                    self.lose(expected);
                    state.set(Register::R0, Known::Value);
                } else if kind & atomic::FETCH != 0 {
                    state.set(source, Known::Value);
                }
            }
            return Ok(());
        }
        let operand = state.read(source)?;
        let number = (source == Register::Zero).then_some(instruction.immediate as i64);
        if instruction.operation == Operation::Mov {
            let known = number.map_or(operand, |number| Known::Number(number as u64));
            state.set(destination, known);
            return Ok(());
        }
        if is_move(instruction.operation) {
            self.lose(operand);
            let known = match (instruction.operation, number) {
                (Operation::Mov32, Some(number)) => Known::Number(u64::from(number as u32)),
                _ => Known::Value,
            };
            state.set(destination, known);
            return Ok(());
        }
        let before = state.read(destination)?;
        let distance = match instruction.operation {
            Operation::Add => number,
            Operation::Sub => number.map(i64::saturating_neg),
            _ => None,
        };
        let after = match (before, distance) {
            (Known::Context(place), Some(distance)) => {
                Known::Context(place.saturating_add(distance))
            }
            (Known::Stack(place), Some(distance)) => Known::Stack(place.saturating_add(distance)),
            _ => {
                self.lose(before);
                self.lose(operand);
                Known::Value
            }
        };
        state.set(destination, after);
        Ok(())
    }

    /// Goes on in a function of the program, and behind the call of it.
    fn call_local(&mut self, state: &mut State, target: usize) {
        let mut called = State {
            is_called: true,
            ..*state
        };
        for (number, known) in called.registers.iter_mut().enumerate() {
            match number {
                1..=5 => {
                    if matches!(known, Known::Stack(_)) {
                        self.stack_used = FRAME_SIZE;
                        *known = Known::Value;
                    }
                }
                10 => *known = Known::Stack(0),
                _ => *known = Known::Nothing,
            }
        }
        self.reach(target, called);
        state.forget_arguments();
        state.set(Register::R0, Known::Value);
    }

    fn call_helper(&mut self, state: &mut State, call: &Instruction) -> Result<(), Refusal> {
        let unknown = Refusal::UnknownHelper(call.immediate as i32);
        let helper = Helper::numbered(call.immediate).ok_or(unknown)?;
        let mut map = None;
        let arguments = Register::ALL.iter().skip(1).zip(helper.arguments());
        for (register, argument) in arguments {
            let known = state.read(*register)?;
            match (argument, known) {
                (Argument::Map, Known::Map(index)) => map = self.maps.get(index),
                (Argument::Map, _) => return Err(Refusal::ArgumentNotMap(*register as u8)),
                (Argument::Context, Known::Context(0)) | (Argument::Value, _) => {}
                (Argument::Context, _) => return Err(Refusal::ArgumentNotContext(*register as u8)),
            }
        }
        let sizes = match (helper, map) {
            (Helper::MapUpdate, Some(map)) => [map.key_size() as u64, map.value_size() as u64],
            (Helper::MapLookup | Helper::MapDelete, Some(map)) => [map.key_size() as u64, 0],
            (Helper::LoadBytes | Helper::LoadBytesRelative, _) => match state.peek(Register::R4) {
                Some(Known::Number(octets)) => [0, octets.max(1)],
                // It is not known how many octets are copied: at least one.
                _ => [0, 1],
            },
            _ => [0, 0],
        };
        for (register, octets) in [Register::R2, Register::R3].into_iter().zip(sizes) {
            if octets > 0
                && let Some(known) = state.peek(register)
            {
                self.touch(known, 0, octets)?;
            }
        }
        state.forget_arguments();
        state.set(Register::R0, Known::Value);
        Ok(())
    }
}

/// What a 64-bit immediate is.
fn known_of_wide(instruction: &Instruction) -> Known {
    match instruction.offset {
        0 => Known::Number(instruction.immediate),
        _ => Known::Map(memory::map_index(instruction.immediate)),
    }
}

/// How many octets an instruction loads.
pub const fn load_size(operation: Operation) -> Option<u64> {
    use Operation as O;
    Some(match operation {
        O::Load8 | O::LoadSigned8 => 1,
        O::Load16 | O::LoadSigned16 => 2,
        O::Load32 | O::LoadSigned32 => 4,
        O::Load64 => 8,
        _ => return None,
    })
}

/// How many octets an instruction stores.
pub const fn store_size(operation: Operation) -> Option<u64> {
    use Operation as O;
    Some(match operation {
        O::Store8 => 1,
        O::Store16 => 2,
        O::Store32 | O::Atomic32 => 4,
        O::Store64 | O::Atomic64 => 8,
        _ => return None,
    })
}

/// Whether an instruction writes its destination without reading it.
pub const fn is_move(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::Mov | O::Mov32 | O::Movsx8 | O::Movsx16 | O::Movsx32 | O::Movsx8In32 | O::Movsx16In32
    )
}
