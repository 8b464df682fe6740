//! What a program can reach, and the addresses by which it does.
//!
//! An address is no address of the machine: its upper half says which region is meant, its lower half
//! where in it. So whatever a program computes, an access either lies, from its first octet to its last,
//! in one stack frame, one value of a map or one field of the context, or it is none.

use crate::context;
use crate::frame::Frame;
use crate::instruction::{Instruction, Operation, REGISTERS, Register};
use crate::map::{Map, MapError, UpdateRule};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Octets of a function's stack frame.
pub const FRAME_SIZE: usize = 512;
/// Octets from one stack frame to the next; what lies between them belongs to nobody.
const FRAME_STRIDE: usize = 1024;
/// The most functions that can be under way.
pub const FRAMES: usize = 8;

const CONTEXT: u64 = 1;
const STACK: u64 = 2;
const MAP_VALUES: u64 = 0x1_0000;
const MAP_HANDLES: u64 = 0x2_0000;

/// Where the context is.
pub const CONTEXT_ADDRESS: u64 = CONTEXT << 32;
/// The end of the first stack frame: what R10 is at first.
pub const STACK_ADDRESS: u64 = STACK << 32 | FRAME_SIZE as u64;
/// From the end of a stack frame to the end of the next.
pub const NEXT_FRAME: u64 = FRAME_STRIDE as u64;

/// What stands for map `index`.
pub const fn map_handle(index: u32) -> u64 {
    MAP_HANDLES.wrapping_add(index as u64) << 32
}

/// The index of the map for which `handle` stands.
pub const fn map_index(handle: u64) -> usize {
    (handle >> 32).wrapping_sub(MAP_HANDLES) as usize
}

/// The address of octet `offset` among the values of map `index`.
pub const fn map_value(index: u32, offset: u32) -> u64 {
    MAP_VALUES.wrapping_add(index as u64) << 32 | offset as u64
}

/// Where a function goes on that called another, and what it had in R6 to R9.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    pub next: usize,
    pub saved: [u64; 4],
}

/// The registers of a run.
#[derive(Debug, Default)]
pub struct Registers([u64; REGISTERS]);

impl Registers {
    #[inline(always)]
    pub fn get(&self, register: Register) -> u64 {
        // There are as many places as registers.
        self.0.get(register as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn set(&mut self, register: Register, value: u64) {
        if let Some(place) = self.0.get_mut(register as usize) {
            *place = value;
        }
    }
}

/// What a program can reach beside the frame.
#[derive(Debug)]
pub struct Memory {
    /// What a run has in its registers; a program reads none that it did not write.
    pub registers: Registers,
    /// The stack frame of the function with which a run begins.
    pub first_frame: [u8; FRAME_SIZE],
    /// Those of the functions that it calls.
    more_frames: Box<[u8]>,
    callers: Box<[Caller]>,
    maps: Vec<Map>,
    /// Room for a key and a value that are on their way from one place here to another.
    scratch: Box<[u8]>,
    random: u64,
}

impl Memory {
    /// Room for the stack of a program that has functions of its own or not, and its maps. Allocates.
    pub fn new(maps: Vec<Map>, has_functions: bool, seed: u64) -> Self {
        let frames = if has_functions { FRAMES } else { 1 };
        let needed = maps
            .iter()
            .map(|map| map.key_size().saturating_add(map.value_size()))
            .max();
        Self {
            registers: Registers::default(),
            first_frame: [0; FRAME_SIZE],
            more_frames: vec![0; frames.saturating_sub(1).saturating_mul(FRAME_STRIDE)].into(),
            callers: vec![Caller::default(); frames.saturating_sub(1)].into(),
            maps,
            scratch: vec![0; needed.unwrap_or(0)].into(),
            random: seed,
        }
    }

    pub fn maps(&self) -> &[Map] {
        &self.maps
    }

    pub fn maps_mut(&mut self) -> &mut [Map] {
        &mut self.maps
    }

    /// Zeros the last `used` octets of the first function's stack frame, and perhaps some before them.
    #[inline(always)]
    pub fn clear_first_frame(&mut self, used: usize) {
        const AT_ONCE: usize = 64;
        let (_, parts) = self.first_frame.as_rchunks_mut::<AT_ONCE>();
        for part in parts.iter_mut().rev().take(used.div_ceil(AT_ONCE)) {
            *part = [0; AT_ONCE];
        }
    }

    /// Zeros the last `used` octets of the stack frame of the function at `depth`, which was called.
    pub fn clear_frame(&mut self, depth: usize, used: usize) {
        let first = depth.saturating_sub(1).saturating_mul(FRAME_STRIDE);
        let frame = self.more_frames.get_mut(first..).unwrap_or_default();
        let frame = frame.get_mut(..FRAME_SIZE).unwrap_or_default();
        let unused = FRAME_SIZE.saturating_sub(used);
        if let Some(part) = frame.get_mut(unused..) {
            part.fill(0);
        }
    }

    /// The function that called the one at `depth`.
    pub fn caller(&self, depth: usize) -> Option<&Caller> {
        self.callers.get(depth.checked_sub(1)?)
    }

    /// Keeps the function that calls the one at `depth`; `None` when too many are under way.
    pub fn keep_caller(&mut self, depth: usize, caller: Caller) -> Option<()> {
        *self.callers.get_mut(depth.checked_sub(1)?)? = caller;
        Some(())
    }

    /// Reads `N` octets.
    #[inline(never)]
    pub fn load<const N: usize>(&self, frame: &Frame<'_>, address: u64) -> Option<[u8; N]> {
        if address >> 32 == CONTEXT {
            let value = context::read(frame, address & 0xffff_ffff, N as u64)?;
            return value.to_le_bytes().first_chunk().copied();
        }
        self.octets(address, N)?.first_chunk().copied()
    }

    /// Writes `N` octets.
    #[inline(never)]
    pub fn store<const N: usize>(&mut self, address: u64, octets: [u8; N]) -> Option<()> {
        *self.octets_mut(address, N)?.first_chunk_mut()? = octets;
        Some(())
    }

    /// `length` octets of the stack or of a value.
    #[inline]
    pub fn octets(&self, address: u64, length: usize) -> Option<&[u8]> {
        let offset = address as u32;
        if address >> 32 == STACK {
            if !is_in_stack_frame(offset, length) {
                return None;
            }
            let frames = match (offset as usize).checked_sub(FRAME_STRIDE) {
                Some(offset) => self.more_frames.get(offset..)?,
                None => self.first_frame.get(offset as usize..)?,
            };
            return frames.get(..length);
        }
        let map = self.maps.get(value_region(address))?;
        map.octets(offset, length)
    }

    /// `length` octets of the stack or of a value, to be written.
    #[inline]
    pub fn octets_mut(&mut self, address: u64, length: usize) -> Option<&mut [u8]> {
        let offset = address as u32;
        if address >> 32 == STACK {
            if !is_in_stack_frame(offset, length) {
                return None;
            }
            let frames = match (offset as usize).checked_sub(FRAME_STRIDE) {
                Some(offset) => self.more_frames.get_mut(offset..)?,
                None => self.first_frame.get_mut(offset as usize..)?,
            };
            return frames.get_mut(..length);
        }
        let map = self.maps.get_mut(value_region(address))?;
        map.octets_mut(offset, length)
    }

    /// Looks a key up. Returns the address of its value, or 0, and how much work it was; `None` when the
    /// arguments are no map and no key.
    #[inline]
    pub fn lookup(&self, handle: u64, key: u64) -> Option<(u64, usize)> {
        let index = map_index(handle);
        let map = self.maps.get(index)?;
        let key = self.octets(key, map.key_size())?;
        let work = key.len() / 8;
        Some(match map.find(key) {
            Some((place, looks)) => {
                let address = map_value(index as u32, map.address_of(place));
                (address, work.saturating_add(looks as usize))
            }
            None => (0, work.saturating_add(1)),
        })
    }

    /// Writes a value. Returns 0 or an error number, and how much work it was; `None` when the arguments
    /// are no map, no key or no value.
    pub fn update(&mut self, handle: u64, key: u64, value: u64, rule: u64) -> Option<(u64, usize)> {
        let index = map_index(handle);
        let map = self.maps.get(index)?;
        let (key_size, value_size) = (map.key_size(), map.value_size());
        let is_read_only = map.is_read_only();
        // The octets may be those of the same map: they are taken out first.
        let mut scratch = core::mem::take(&mut self.scratch);
        let done = self.copy_out(&mut scratch, (key, key_size), (value, value_size));
        let result = done.and_then(|()| {
            let (key, rest) = scratch.split_at_checked(key_size)?;
            let value = rest.get(..value_size)?;
            let map = self.maps.get_mut(index)?;
            let result = match UpdateRule::numbered(rule) {
                Some(_) if is_read_only => Err(MapError::ReadOnly),
                Some(rule) => map.update(key, value, rule),
                None => Err(MapError::Flags(rule as u32)),
            };
            let work = key_size.saturating_add(value_size) / 8;
            Some(match result {
                Ok(looks) => (0, work.saturating_add(looks as usize)),
                Err(error) => (error.number() as u64, work.saturating_add(1)),
            })
        });
        self.scratch = scratch;
        result
    }

    /// Deletes an entry. Returns 0 or an error number, and how much work it was; `None` when the arguments
    /// are no map and no key.
    pub fn delete(&mut self, handle: u64, key: u64) -> Option<(u64, usize)> {
        let index = map_index(handle);
        let key_size = self.maps.get(index)?.key_size();
        let mut scratch = core::mem::take(&mut self.scratch);
        let done = self.copy_out(&mut scratch, (key, key_size), (key, 0));
        let result = done.and_then(|()| {
            let key = scratch.get(..key_size)?;
            let error = self.maps.get_mut(index)?.delete(key).err();
            let number = error.map_or(0, |error| error.number() as u64);
            Some((number, (key_size / 8).saturating_add(2)))
        });
        self.scratch = scratch;
        result
    }

    /// Copies a key and a value, each given by its address and its length, to `scratch`.
    fn copy_out(&self, scratch: &mut [u8], key: (u64, usize), value: (u64, usize)) -> Option<()> {
        let key = self.octets(key.0, key.1)?;
        let value: &[u8] = match value.1 {
            0 => &[],
            length => self.octets(value.0, length)?,
        };
        for (to, from) in scratch.iter_mut().zip(key.iter().chain(value)) {
            *to = *from;
        }
        Some(())
    }

    /// A number that cannot be foreseen without the seed.
    pub fn next_random(&mut self) -> u32 {
        // A Weyl sequence, mixed.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }
}

/// The index of the map among whose values `address` is; the index of none for other addresses.
const fn value_region(address: u64) -> usize {
    (address >> 32).wrapping_sub(MAP_VALUES) as usize
}

/// Whether `length` octets at `offset` are all in one stack frame.
#[inline]
const fn is_in_stack_frame(offset: u32, length: usize) -> bool {
    let within = offset as usize % FRAME_STRIDE;
    within.saturating_add(length) <= FRAME_SIZE
}

/// Whether a program has functions of its own.
pub fn has_functions(instructions: &[Instruction]) -> bool {
    instructions
        .iter()
        .any(|instruction| instruction.operation == Operation::CallLocal)
}
