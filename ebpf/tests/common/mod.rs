//! What the tests share: an assembler of one instruction each, frames, and running one program once.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::Path;
use std::process::Command;

use pollux_ebpf::{Decision, Filter, Frame, LoadError, MapDefinition, Refusal, Statistics};

/// One slot.
pub type Slot = [u8; 8];

pub fn slot(opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Slot {
    let [o0, o1] = offset.to_le_bytes();
    let [i0, i1, i2, i3] = immediate.to_le_bytes();
    [opcode, source << 4 | destination, o0, o1, i0, i1, i2, i3]
}

pub fn mov(destination: u8, immediate: i32) -> Slot {
    slot(0xb7, destination, 0, 0, immediate)
}

pub fn mov_register(destination: u8, source: u8) -> Slot {
    slot(0xbf, destination, source, 0, 0)
}

pub fn add(destination: u8, immediate: i32) -> Slot {
    slot(0x07, destination, 0, 0, immediate)
}

pub fn call(helper: i32) -> Slot {
    slot(0x85, 0, 0, 0, helper)
}

pub fn exit() -> Slot {
    slot(0x95, 0, 0, 0, 0)
}

pub fn wide(destination: u8, value: u64) -> [Slot; 2] {
    let low = slot(0x18, destination, 0, 0, value as u32 as i32);
    [low, slot(0, 0, 0, 0, (value >> 32) as i32)]
}

pub fn map(destination: u8, index: i32) -> [Slot; 2] {
    [slot(0x18, destination, 1, 0, index), slot(0, 0, 0, 0, 0)]
}

pub fn octets(slots: &[Slot]) -> Vec<u8> {
    slots.concat()
}

pub fn load(slots: &[Slot]) -> Result<Filter, LoadError> {
    load_with(slots, Vec::new())
}

pub fn load_with(slots: &[Slot], maps: Vec<MapDefinition>) -> Result<Filter, LoadError> {
    Filter::from_instructions(&octets(slots), maps, 42)
}

/// The instruction that was refused, and why.
pub fn refusal(slots: &[Slot]) -> (usize, Refusal) {
    refusal_with(slots, Vec::new())
}

pub fn refusal_with(slots: &[Slot], maps: Vec<MapDefinition>) -> (usize, Refusal) {
    match load_with(slots, maps) {
        Err(LoadError::Instruction { number, refusal }) => (number, refusal),
        other => panic!("not refused: {other:?}"),
    }
}

pub fn array(name: &str, value_size: u32, entries: u32) -> MapDefinition {
    MapDefinition {
        name: name.into(),
        kind: 2,
        key_size: 4,
        value_size,
        maximum_entries: entries,
        flags: 0,
    }
}

pub fn hash(name: &str, key_size: u32, value_size: u32, entries: u32) -> MapDefinition {
    MapDefinition {
        kind: 1,
        key_size,
        ..array(name, value_size, entries)
    }
}

/// A UDP datagram to `port` in VLAN `vid`, or in none.
pub fn datagram(vid: Option<u16>, port: u16) -> Vec<u8> {
    let mut frame = vec![0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 9];
    if let Some(vid) = vid {
        frame.extend([0x81, 0]);
        frame.extend((0xa000 | vid).to_be_bytes());
    }
    frame.extend([8, 0]);
    frame.extend([0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 26, 0, 0]);
    frame.extend(b"eighteen octets...");
    frame
}

pub fn decide(filter: &mut Filter, frame: &[u8]) -> Decision {
    let frame = Frame::new(frame, 7).expect("room for an Ethernet header");
    filter.decide(&frame, &|| 123_456_789)
}

/// Runs a program once, and returns what was counted.
pub fn statistics_of(slots: &[Slot], frame: &[u8]) -> Statistics {
    let mut filter = load(slots).expect("a good program");
    decide(&mut filter, frame);
    *filter.statistics()
}

/// Runs a program that leaves a number in R0, and returns the number's 64 bits, by way of a map.
pub fn value_of(slots: &[Slot], frame: &[u8]) -> u64 {
    value_with(slots, frame, Vec::new())
}

pub fn value_with(slots: &[Slot], frame: &[u8], mut maps: Vec<MapDefinition>) -> u64 {
    let index = maps.len() as i32;
    maps.push(array("result", 8, 1));
    let mut all = slots.to_vec();
    // The value's address is known from the start.
    all.extend([slot(0x18, 1, 2, 0, index), slot(0, 0, 0, 0, 0)]);
    all.extend([slot(0x7b, 1, 0, 0, 0), mov(0, 1), exit()]);
    let mut filter = load_with(&all, maps).expect("a good program");
    let decision = decide(&mut filter, frame);
    assert_eq!(decision.fault, None);
    let result = filter.map_mut("result").expect("the map");
    let octets = result.value(&[0; 4]).expect("its value");
    u64::from_le_bytes(octets.try_into().expect("eight octets"))
}

/// Compiles one of the programs with these options beside the usual ones.
pub fn compile_with(name: &str, options: &[&str]) -> Vec<u8> {
    // Those that users are shown, and those that only tests need.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../examples/filters", "tests/programs"].map(|path| folder.join(path));
    let source = folders.map(|folder| folder.join(name).with_extension("c"));
    let source = source.iter().find(|source| source.exists());
    let output = Command::new("clang")
        .args(["-O2", "-target", "bpf", "-c", "-o", "-"])
        .args(options)
        .arg(source.expect("there is such a program"))
        .output()
        .expect("clang, which ./run.sh setup installs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {complaints}");
    output.stdout
}

/// Numbers that look random, and are the same in each run without a `POLLUX_SEED`: xorshift64* (Vigna 2016).
pub struct Random(u64);

impl Random {
    /// Those that follow `POLLUX_SEED`, or else `usual`.
    pub fn seeded(usual: u64) -> Self {
        let seed = std::env::var("POLLUX_SEED").ok();
        let seed = seed.map_or(usual, |seed| seed.parse().expect("POLLUX_SEED is a number"));
        println!("POLLUX_SEED={seed}");
        // Behind zero would come nothing else.
        Self(seed.max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One of so many.
    pub fn below(&mut self, count: u64) -> u64 {
        (self.next() >> 32) % count
    }

    pub fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len() as u64) as usize]
    }
}
