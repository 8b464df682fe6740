//! A program that was checked, and the limits of what is loaded.

use crate::decode;
use crate::encoding::Slot;
use crate::error::LoadError;
use crate::instruction::Instruction;
use crate::interpreter::{Fault, FaultKind};
use crate::lower;
use crate::map::Map;
use crate::memory::{self, Memory};
use crate::op::{Lowered, Origin};
use crate::verify;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most octets that an object file can have.
pub const MAXIMUM_OBJECT: usize = 1 << 20;
/// The most instructions that a program can have; 64-bit immediates count twice.
pub const MAXIMUM_INSTRUCTIONS: usize = 4096;
/// The most maps that a program can have, its variables included.
pub const MAXIMUM_MAPS: usize = 16;
/// The octets that all values of all maps may take together.
pub const MAXIMUM_MAP_OCTETS: usize = 4 << 20;

/// A program that was checked.
#[derive(Debug)]
pub struct Program {
    pub instructions: Box<[Instruction]>,
    /// The same, as it is carried out.
    pub lowered: Lowered,
    /// Octets of each stack frame, from its end, that must be zero before they are used.
    pub stack_used: usize,
}

impl Program {
    /// Checks a program and the maps to which it refers by their indices.
    ///
    /// # Errors
    ///
    /// The first instruction that is refused, or there is too much of something.
    pub fn new(slots: &[Slot], maps: Vec<Map>, seed: u64) -> Result<(Self, Memory), LoadError> {
        at_most("instructions", slots.len(), MAXIMUM_INSTRUCTIONS)?;
        at_most("maps", maps.len(), MAXIMUM_MAPS)?;
        let octets = maps.iter().map(Map::octets_taken);
        at_most(
            "octets in maps",
            octets.fold(0, usize::saturating_add),
            MAXIMUM_MAP_OCTETS,
        )?;
        if slots.is_empty() {
            return Err(LoadError::NoProgram);
        }
        let mut instructions = decode::decode(slots, &maps)?;
        let verified = verify::verify(&mut instructions, &maps)?;
        let lowered = lower::lower(&instructions, &verified.states);
        let memory = Memory::new(maps, memory::has_functions(&instructions), seed);
        let program = Self {
            instructions: instructions.into(),
            lowered,
            stack_used: verified.stack_used,
        };
        Ok((program, memory))
    }

    /// What went wrong at the operation at this place, and what is owed for the run there.
    #[cold]
    pub fn fault_at(&self, place: usize, kind: FaultKind) -> (Fault, u16) {
        let origin = self.lowered.origins.get(place).copied();
        let Origin { number, owed } = origin.unwrap_or_default();
        let instruction = usize::from(number);
        (Fault { instruction, kind }, owed)
    }
}

/// Refuses more than `limit` of something.
pub fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), LoadError> {
    if count > limit {
        return Err(LoadError::TooMany { what, count, limit });
    }
    Ok(())
}
