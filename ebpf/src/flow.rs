//! Where a program goes, and which of its results somebody still wants: what [`crate::lower`] needs to know
//! to leave out what need not be done for each frame.

use crate::decode::is_jump;
use crate::helper::Helper;
use crate::instruction::{Instruction, Operation, Register};
use crate::lower::ETHERNET_HEADER;
use crate::memory::FRAME_SIZE;
use crate::op::Copy;
use crate::verify::{self, Known, State};
use alloc::vec::Vec;

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// To this instruction.
    To(usize),
    /// To the end of the run, by way of so many instructions that do nothing else.
    Return { value: u64, cost: u16 },
}

/// What is known of an instruction that can be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Where it jumps to, or which function it calls.
    pub taken: Option<Edge>,
    /// Where it goes on.
    pub next: Option<Edge>,
    /// The run ends from here with this, by way of so many instructions.
    pub returns: Option<(u64, u16)>,
    /// By their bits, the registers of which somebody wants to know what is in them before it.
    pub live: u16,
    /// Whether it does nothing that anybody will see.
    pub is_dead: bool,
}

/// Finds out about each instruction of a program; `None` where it cannot be reached.
pub fn analyze(instructions: &[Instruction], states: &[Option<State>]) -> Vec<Option<Place>> {
    let edges = instructions.iter().zip(states).enumerate();
    let mut places: Vec<Option<Place>> = edges
        .map(|(number, (instruction, state))| {
            let state = state.as_ref()?;
            let edge = |to| match follow(instructions, states, to, state) {
                Some((value, cost)) => Edge::Return { value, cost },
                None => Edge::To(to),
            };
            let target = usize::try_from(instruction.offset).unwrap_or(usize::MAX);
            let next = after(number, instruction);
            let operation = instruction.operation;
            let (taken, next) = match operation {
                Operation::Ja => (Some(edge(target)), None),
                Operation::Exit => (None, None),
                Operation::CallLocal => (Some(Edge::To(target)), Some(Edge::To(next))),
                _ if is_jump(operation) => (Some(edge(target)), Some(edge(next))),
                _ => (None, Some(Edge::To(next))),
            };
            let returns = follow(instructions, states, number, state);
            Some(Place {
                taken,
                next,
                returns,
                ..Place::default()
            })
        })
        .collect();
    find_live(instructions, states, &mut places);
    places
}

/// The number of the instruction that stands behind another.
pub const fn after(number: usize, instruction: &Instruction) -> usize {
    let slots = match instruction.operation {
        Operation::Wide => 2,
        _ => 1,
    };
    number.saturating_add(slots)
}

/// What a run returns that goes on at instruction `at` with what is known, and in how many instructions,
/// if that is certain and near.
fn follow(
    instructions: &[Instruction],
    states: &[Option<State>],
    mut at: usize,
    state: &State,
) -> Option<(u64, u16)> {
    const NEAR: u16 = 8;
    let mut state = *state;
    for cost in 1..=NEAR {
        let instruction = instructions.get(at)?;
        let number = instruction.immediate;
        let known = match instruction.operation {
            Operation::Exit => {
                // A function goes on where it was called.
                let is_called = states.get(at)?.as_ref()?.is_called;
                return match state.peek(Register::R0) {
                    Some(Known::Number(value)) if !is_called => Some((value, cost)),
                    _ => None,
                };
            }
            Operation::Ja => {
                at = usize::try_from(instruction.offset).ok()?;
                continue;
            }
            Operation::Mov => match state.peek(instruction.source) {
                Some(known) => known,
                None => Known::Number(number),
            },
            Operation::Mov32 if instruction.source == Register::Zero => {
                Known::Number(u64::from(number as u32))
            }
            Operation::Wide if instruction.offset == 0 => Known::Number(number),
            _ => return None,
        };
        state.set(instruction.destination, known);
        at = after(at, instruction);
    }
    None
}

/// Finds out which registers are wanted before each instruction.
fn find_live(instructions: &[Instruction], states: &[Option<State>], places: &mut [Option<Place>]) {
    let needs: Vec<Needs> = instructions
        .iter()
        .zip(states)
        .map(|(instruction, state)| needs(instruction, state.as_ref()))
        .collect();
    let mut changed = true;
    while changed {
        changed = false;
        for number in (0..places.len()).rev() {
            let (Some(Some(place)), Some(needs)) = (places.get(number), needs.get(number)) else {
                continue;
            };
            let behind = live_behind(place, places);
            let is_dead = needs.is_pure && needs.writes & behind == 0;
            let live = match place.returns {
                Some(_) => 0,
                None if is_dead => behind,
                None => behind & !needs.writes | needs.reads,
            };
            changed |= live != place.live || is_dead != place.is_dead;
            if let Some(Some(place)) = places.get_mut(number) {
                place.live = live;
                place.is_dead = is_dead;
            }
        }
    }
}

/// The registers that are wanted behind an instruction.
pub fn live_behind(place: &Place, places: &[Option<Place>]) -> u16 {
    let wanted = |edge: Option<Edge>| match edge {
        Some(Edge::To(number)) => places.get(number).and_then(Option::as_ref),
        _ => None,
    };
    [wanted(place.taken), wanted(place.next)]
        .into_iter()
        .flatten()
        .fold(0, |live, place| live | place.live)
}

/// Which registers an instruction reads and writes, by their bits.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    reads: u16,
    writes: u16,
    /// Whether all that it does is to write them.
    is_pure: bool,
}

/// The bit that stands for a register; none for the one that is always zero.
pub const fn bit(register: Register) -> u16 {
    match register {
        Register::Zero => 0,
        _ => 1 << register as u16,
    }
}

fn needs(instruction: &Instruction, state: Option<&State>) -> Needs {
    const ALL: u16 = 0x7ff;
    const ARGUMENTS: [Register; 5] = [
        Register::R1,
        Register::R2,
        Register::R3,
        Register::R4,
        Register::R5,
    ];
    let operation = instruction.operation;
    let destination = bit(instruction.destination);
    let source = bit(instruction.source);
    let first_arguments = |count| {
        let arguments = ARGUMENTS.into_iter().take(count);
        arguments.fold(0, |all, register| all | bit(register))
    };
    let is_stack = state.is_some_and(|state| stack_offset(instruction, state).is_some());
    match operation {
        Operation::CallHelper => {
            let copy = state.and_then(|state| copy_of(instruction, state));
            let helper = Helper::numbered(instruction.immediate);
            let count = helper.map_or(5, |helper| helper.arguments().len());
            Needs {
                reads: copy.map_or(first_arguments(count), |copy| bit(copy.register)),
                writes: bit(Register::R0) | first_arguments(5),
                is_pure: false,
            }
        }
        Operation::CallLocal => Needs {
            reads: ALL,
            ..Needs::default()
        },
        Operation::Exit => Needs {
            reads: bit(Register::R0),
            ..Needs::default()
        },
        Operation::Packet8 | Operation::Packet16 | Operation::Packet32 => Needs {
            reads: source,
            writes: bit(Register::R0),
            is_pure: false,
        },
        Operation::LoadContext | Operation::Wide => Needs {
            reads: 0,
            writes: destination,
            is_pure: true,
        },
        Operation::WideRest | Operation::Ja => Needs::default(),
        Operation::Atomic32 | Operation::Atomic64 => Needs {
            reads: destination | source | bit(Register::R0),
            ..Needs::default()
        },
        _ if is_jump(operation) => Needs {
            reads: destination | source,
            ..Needs::default()
        },
        _ if verify::load_size(operation).is_some() => Needs {
            reads: if is_stack { 0 } else { source },
            writes: destination,
            is_pure: is_stack,
        },
        _ if verify::store_size(operation).is_some() => Needs {
            reads: if is_stack {
                source
            } else {
                destination | source
            },
            ..Needs::default()
        },
        _ if verify::is_move(operation) => Needs {
            reads: source,
            writes: destination,
            is_pure: true,
        },
        _ => Needs {
            reads: destination | source,
            writes: destination,
            is_pure: true,
        },
    }
}

/// Where in the stack frame an instruction loads or stores, if that is known, and the frame that of the
/// first function. The octets are all in it: otherwise the program was refused.
pub fn stack_offset(instruction: &Instruction, state: &State) -> Option<u16> {
    use Operation as O;
    let base = match instruction.operation {
        O::Load8 | O::Load16 | O::Load32 | O::Load64 => instruction.source,
        O::Store8 | O::Store16 | O::Store32 | O::Store64 => instruction.destination,
        _ => return None,
    };
    let Some(Known::Stack(place)) = state.peek(base) else {
        return None;
    };
    in_first_frame(place.checked_add(i64::from(instruction.offset))?, state)
}

/// Where in the first function's stack frame a place is that is given from its end.
fn in_first_frame(place: i64, state: &State) -> Option<u16> {
    let first = place.checked_add(FRAME_SIZE as i64)?;
    u16::try_from(first).ok().filter(|_| !state.is_called)
}

/// The copy that a call of `bpf_skb_load_bytes` is, if it is known where it goes to and how long it is.
pub fn copy_of(call: &Instruction, state: &State) -> Option<Copy> {
    let is_copy = call.operation == Operation::CallHelper
        && Helper::numbered(call.immediate) == Some(Helper::LoadBytes);
    if !is_copy {
        return None;
    }
    let (Some(Known::Stack(to)), Some(Known::Number(length))) =
        (state.peek(Register::R3), state.peek(Register::R4))
    else {
        return None;
    };
    let length = u16::try_from(length).ok().filter(|length| *length > 0)?;
    let (register, offset) = match state.peek(Register::R2)? {
        Known::Number(offset) => (Register::Zero, offset.checked_add(ETHERNET_HEADER)?),
        _ => (Register::R2, ETHERNET_HEADER),
    };
    Some(Copy {
        register,
        offset: u16::try_from(offset).ok()?,
        to: in_first_frame(to, state)?,
        length,
    })
}
