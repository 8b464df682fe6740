//! A program at work: what it decides about frames, what it costs, and what goes wrong with it.

use crate::encoding::{Slot, WIDE, wide};
use crate::error::LoadError;
use crate::frame::Frame;
use crate::interpreter::{self, End, Fault, FaultKind};
use crate::map::{Map, MapDefinition};
use crate::memory::Memory;
use crate::object;
use crate::program::Program;
use alloc::string::String;
use alloc::vec::Vec;
use sha1::{Digest, Sha1};

/// Fuel for a frame, unless told otherwise.
pub const DEFAULT_FUEL: u32 = 10_000;
/// How many faults are one too many, unless told otherwise.
pub const DEFAULT_FAULT_LIMIT: u64 = 100;
/// What becomes of a frame at a fault, unless told otherwise.
pub const DEFAULT_ON_FAULT: Verdict = Verdict::Vlan;
/// One of so many runs is timed. A prime: were it the size of a batch or a multiple of it, under load it would be the same
/// place in a batch that is timed each time, its first frame with cold caches or one behind it with warm ones.
const RUNS_PER_TIMED: u64 = 61;

/// What is to become of a frame. The numbers are those that EVL's programs return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Nobody gets it.
    Drop = 0,
    /// It is served in real time.
    Accept = 1,
    /// It is in-band.
    Skip = 2,
    /// The VLAN rule decides.
    Vlan = 3,
}

impl Verdict {
    /// All, by their numbers.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Accept, Self::Skip, Self::Vlan];

    /// The one with this number. A verdict is an `int`: its upper half means nothing.
    pub const fn numbered(number: u64) -> Option<Self> {
        Some(match number as u32 {
            0 => Self::Drop,
            1 => Self::Accept,
            2 => Self::Skip,
            3 => Self::Vlan,
            _ => return None,
        })
    }

    /// What it is called at the console.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Accept => "accept",
            Self::Skip => "skip",
            Self::Vlan => "vlan",
        }
    }
}

/// What a filter says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to become of the frame.
    pub verdict: Verdict,
    /// Why the run was broken off, if it was; `verdict` is then the configured one.
    pub fault: Option<Fault>,
}

/// What a filter did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames about which it was asked.
    pub runs: u64,
    /// Its verdicts, by their numbers, those for unknown values included, those for faults not.
    pub verdicts: [u64; 4],
    /// Frames for which it returned a value that is no verdict; they counted as [`Verdict::Skip`].
    pub unknown: u64,
    /// The last such value.
    pub last_unknown: u32,
    /// Frames that were shorter than what a packet instruction wanted to see; they counted as
    /// [`Verdict::Drop`].
    pub short: u64,
    /// Runs that were broken off.
    pub faults: u64,
    /// Of these, those that took too long.
    pub out_of_fuel: u64,
    /// The last of them.
    pub last_fault: Option<Fault>,
    /// Fuel that all runs took together.
    pub cost: u64,
    /// The most fuel that a run took.
    pub highest_cost: u32,
    /// Runs of which the time was taken.
    pub timed: u64,
    /// Nanoseconds that these took together.
    pub nanoseconds: u64,
    /// Nanoseconds of the longest of them.
    pub longest_nanoseconds: u64,
}

/// A program, checked and ready, with its maps and what was counted.
#[derive(Debug)]
pub struct Filter {
    name: String,
    section: String,
    license: String,
    /// The file that it was loaded from; empty without one.
    file: String,
    tag: u64,
    program: Program,
    memory: Memory,
    fuel: u32,
    on_fault: Verdict,
    fault_limit: u64,
    statistics: Statistics,
}

impl Filter {
    /// Loads the first socket filter of an object file, as clang makes it. `seed` is to be hard to guess:
    /// it makes the program's random numbers and the places of entries in its maps. Allocates.
    ///
    /// # Errors
    ///
    /// What was wrong with it. Nothing of it is kept then.
    pub fn load(object: &[u8], seed: u64) -> Result<Self, LoadError> {
        let linked = object::link(object, seed)?;
        let (program, memory) = Program::new(&linked.slots, linked.maps, seed)?;
        Ok(Self {
            name: linked.name,
            section: linked.section,
            license: linked.license,
            ..Self::new(program, memory, &linked.slots)
        })
    }

    /// Loads a program that is given by its instructions alone, which refer to maps by their indices in
    /// `maps`. Allocates.
    ///
    /// # Errors
    ///
    /// What was wrong with it.
    pub fn from_instructions(
        octets: &[u8],
        maps: Vec<MapDefinition>,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let odd = LoadError::Section {
            name: String::new(),
            problem: "its length is no whole number of instructions",
        };
        let slots: Vec<Slot> = Slot::list(octets).ok_or(odd)?.collect();
        let maps = maps
            .into_iter()
            .map(|definition| object::make_map(definition, seed));
        let maps = maps.collect::<Result<Vec<Map>, LoadError>>()?;
        let (program, memory) = Program::new(&slots, maps, seed)?;
        Ok(Self::new(program, memory, &slots))
    }

    fn new(program: Program, memory: Memory, slots: &[Slot]) -> Self {
        Self {
            name: String::new(),
            section: String::new(),
            license: String::new(),
            file: String::new(),
            tag: tag_of(slots),
            program,
            memory,
            fuel: DEFAULT_FUEL,
            on_fault: DEFAULT_ON_FAULT,
            fault_limit: DEFAULT_FAULT_LIMIT,
            statistics: Statistics::default(),
        }
    }

    /// Decides about a frame; `clock` tells the time since the start in nanoseconds.
    #[inline(always)]
    pub fn decide(&mut self, frame: &Frame<'_>, clock: &dyn Fn() -> u64) -> Decision {
        if let Some(shortcut) = &self.program.lowered.shortcut
            && shortcut.cost <= self.fuel
            && shortcut.is_for(frame.whole())
        {
            self.statistics.count_run(shortcut.cost);
            return self.statistics.settle(shortcut.verdict);
        }
        self.decide_in_full(frame, clock)
    }

    /// Decides as [`Self::decide`] does, but never by the program's shortcut, to which tests hold it.
    #[inline(never)]
    pub fn decide_in_full(&mut self, frame: &Frame<'_>, clock: &dyn Fn() -> u64) -> Decision {
        let run = interpreter::run(&self.program, &mut self.memory, frame, clock, self.fuel);
        let statistics = &mut self.statistics;
        statistics.count_run(run.cost);
        let verdict = match run.end {
            Ok(End::Returned(value)) => match Verdict::numbered(value) {
                Some(verdict) => verdict,
                None => {
                    statistics.unknown = statistics.unknown.wrapping_add(1);
                    statistics.last_unknown = value as u32;
                    Verdict::Skip
                }
            },
            Ok(End::ShortPacket) => {
                statistics.short = statistics.short.wrapping_add(1);
                Verdict::Drop
            }
            Err(fault) => {
                statistics.count_fault(fault);
                return Decision {
                    verdict: self.on_fault,
                    fault: Some(fault),
                };
            }
        };
        statistics.settle(verdict)
    }

    /// Whether the time of the next run is to be taken: of the first, and of each 61st.
    #[inline(always)]
    pub const fn is_next_timed(&self) -> bool {
        self.statistics.runs.is_multiple_of(RUNS_PER_TIMED)
    }

    /// Takes note of how long a run took.
    pub fn record_time(&mut self, nanoseconds: u64) {
        let statistics = &mut self.statistics;
        statistics.timed = statistics.timed.wrapping_add(1);
        statistics.nanoseconds = statistics.nanoseconds.saturating_add(nanoseconds);
        statistics.longest_nanoseconds = statistics.longest_nanoseconds.max(nanoseconds);
    }

    /// Whether there are frames for which nothing but tests of their fields has to be done.
    pub const fn has_shortcut(&self) -> bool {
        self.program.lowered.shortcut.is_some()
    }

    /// Whether it had so many faults that it should be taken out.
    pub const fn is_worn_out(&self) -> bool {
        self.fault_limit > 0 && self.statistics.faults >= self.fault_limit
    }

    /// Sets how much fuel a frame may take.
    pub const fn set_fuel(&mut self, fuel: u32) {
        self.fuel = fuel;
    }

    /// Sets what becomes of a frame when a run is broken off.
    pub const fn set_verdict_on_fault(&mut self, verdict: Verdict) {
        self.on_fault = verdict;
    }

    /// Sets how many faults are too many; 0 for any number being right.
    pub const fn set_fault_limit(&mut self, limit: u64) {
        self.fault_limit = limit;
    }

    /// Says from which file it was loaded.
    pub fn set_file(&mut self, name: &str) {
        self.file = name.into();
    }

    /// The file that it was loaded from; empty if nobody said.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The name of the program's function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The section in which it stood.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// The license that the object names.
    pub fn license(&self) -> &str {
        &self.license
    }

    /// A number by which the program can be told from others, made as Linux makes it and `bpftool prog`
    /// shows it: the first eight octets of SHA-1 over its instructions, maps left out.
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// How many instructions it has, 64-bit immediates counted twice.
    pub const fn instructions(&self) -> usize {
        self.program.instructions.len()
    }

    /// Fuel for each frame.
    pub const fn fuel(&self) -> u32 {
        self.fuel
    }

    /// What becomes of a frame when a run is broken off.
    pub const fn verdict_on_fault(&self) -> Verdict {
        self.on_fault
    }

    /// How many faults are too many; 0 for any number being right.
    pub const fn fault_limit(&self) -> u64 {
        self.fault_limit
    }

    /// What it did so far.
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Its maps, its variables among them.
    pub fn maps(&self) -> &[Map] {
        self.memory.maps()
    }

    /// The same, to be read or written.
    pub fn maps_mut(&mut self) -> &mut [Map] {
        self.memory.maps_mut()
    }

    /// The map called `name`, to be read or written.
    pub fn map_mut(&mut self, name: &str) -> Option<&mut Map> {
        let mut maps = self.memory.maps_mut().iter_mut();
        maps.find(|map| map.name() == name)
    }
}

impl Statistics {
    /// Fuel of a run, on average; 0 without any.
    pub fn average_cost(&self) -> u64 {
        self.cost.checked_div(self.runs).unwrap_or(0)
    }

    /// Nanoseconds of a run, on average over those that were timed; `None` without any.
    pub const fn average_nanoseconds(&self) -> Option<u64> {
        self.nanoseconds.checked_div(self.timed)
    }

    #[inline(always)]
    fn count_run(&mut self, cost: u32) {
        self.runs = self.runs.wrapping_add(1);
        self.cost = self.cost.wrapping_add(u64::from(cost));
        self.highest_cost = self.highest_cost.max(cost);
    }

    /// Counts a verdict.
    #[inline(always)]
    fn settle(&mut self, verdict: Verdict) -> Decision {
        if let Some(count) = self.verdicts.get_mut(verdict as usize) {
            *count = count.wrapping_add(1);
        }
        Decision {
            verdict,
            fault: None,
        }
    }

    fn count_fault(&mut self, fault: Fault) {
        self.faults = self.faults.wrapping_add(1);
        self.last_fault = Some(fault);
        if fault.kind == FaultKind::OutOfFuel {
            self.out_of_fuel = self.out_of_fuel.wrapping_add(1);
        }
    }
}

/// What [`Filter::tag`] says.
fn tag_of(slots: &[Slot]) -> u64 {
    let mut hash = Sha1::new();
    // Whether this is the second half of what stands for a map.
    let mut is_rest = false;
    for slot in slots {
        let is_map = slot.opcode == WIDE && slot.source != wide::NUMBER;
        let immediate = if is_map || is_rest { 0 } else { slot.immediate };
        is_rest = is_map;
        hash.update(Slot { immediate, ..*slot }.to_octets());
    }
    let hash = hash.finalize();
    hash.first_chunk()
        .map_or(0, |first| u64::from_be_bytes(*first))
}
