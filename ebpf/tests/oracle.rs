//! The instruction set against somebody else's: random programs, and the tests that come with the `rbpf` crate.
//!
//! `rbpf` is asked only for what it does right. It ignores the offset of signed division and of moves with a
//! sign, keeps the upper half of a remainder of 32 bits by zero, compares 64 bits with negative numbers as if
//! they were not, swaps nothing in packet instructions, and has neither atomic instructions nor 32-bit
//! distances: those are tested in `instructions.rs`.

mod common;

use common::{Random, Slot, decide, exit, load, load_with, octets, slot, wide};
use pollux_ebpf::{Filter, LoadError};
use std::path::{Path, PathBuf};

/// What these programs are made of.
trait Pieces {
    fn number(&mut self) -> i32;
    fn register(&mut self) -> u8;
}

impl Pieces for Random {
    /// A number at which something may break, or any.
    fn number(&mut self) -> i32 {
        match self.below(4) {
            0 => self.one_of(&[0, 1, -1, 2, 31, 32, 63, 64, i32::MAX, i32::MIN]),
            1 => self.below(256) as i32,
            _ => self.next() as i32,
        }
    }

    fn register(&mut self) -> u8 {
        self.below(9) as u8
    }
}

const SIZES: [(u8, u8, u8, i16); 4] = [
    (0x73, 0x72, 0x71, 1),
    (0x6b, 0x6a, 0x69, 2),
    (0x63, 0x62, 0x61, 4),
    (0x7b, 0x7a, 0x79, 8),
];
const JUMPS: [u8; 11] = [1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd];

/// A few instructions that belong together, of which none writes R9; `left` are those that follow in the
/// program, so far as jumps may lead.
fn piece(random: &mut Random, left: i16) -> Vec<Slot> {
    let (to, from, number) = (random.register(), random.register(), random.number());
    let class = random.one_of(&[4, 7]);
    let (store, store_number, load, size) = random.one_of(&SIZES);
    let place = -size * (1 + random.below(64 / size as u64) as i16);
    let jump_class = random.one_of(&[5, 6]);
    let jump = random.one_of(&JUMPS) << 4;
    let distance = random.below(1 + left.clamp(0, 9) as u64) as i16;
    match random.below(10) {
        0..=2 => {
            let code = random.one_of(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 0xa, 0xb, 0xc]) << 4;
            match (code, random.below(2) == 0) {
                // The upper half goes, as it should have by zero.
                (0x90, true) => vec![
                    slot(code | 8 | class, to, from, 0, 0),
                    slot(0xbc, to, to, 0, 0),
                ],
                (0x90, false) => vec![slot(code | class, to, 0, 0, number | 1)],
                (_, true) => vec![slot(code | 8 | class, to, from, 0, 0)],
                (_, false) => vec![slot(code | class, to, 0, 0, number)],
            }
        }
        3 => vec![slot(0x80 | class, to, 0, 0, 0)],
        4 => {
            let bits = random.one_of(&[16, 32, 64]);
            vec![slot(random.one_of(&[0xd4, 0xdc]), to, 0, 0, bits)]
        }
        5 => match random.below(2) {
            0 => vec![slot(store, 10, from, place, 0)],
            _ => vec![slot(store_number, 10, 0, place, number)],
        },
        6 => vec![slot(load, to, 10, place, 0)],
        7 => match random.below(2) {
            0 => vec![slot(jump | 8 | jump_class, to, from, distance, 0)],
            _ => {
                let is_signed = jump_class == 6 || matches!(jump >> 4, 4 | 6 | 7 | 0xc | 0xd);
                let number = if is_signed { number } else { number & i32::MAX };
                vec![slot(jump | jump_class, to, 0, distance, number)]
            }
        },
        // As compilers look at a field.
        8 => vec![
            slot(load, to, 10, place, 0),
            slot(0x57, to, 0, 0, number),
            slot(jump | jump_class, to, 0, distance, number & 255),
        ],
        _ => vec![
            slot(0x67, to, 0, 0, number & 63),
            slot(0x57, to, 0, 0, number),
            slot(0x07, to, 0, 0, random.number()),
        ],
    }
}

/// A program that ends, with a loop in most cases, and what is left in it in the lower half of R0.
fn program(random: &mut Random) -> Vec<Slot> {
    let mut slots = Vec::new();
    for register in 0..9 {
        let value = match random.below(3) {
            0 => random.number() as u64,
            _ => random.next(),
        };
        slots.extend(wide(register, value));
    }
    for place in 1..=8 {
        slots.push(slot(0x7b, 10, random.register(), -8 * place, 0));
    }
    slots.push(slot(0xb7, 9, 0, 0, random.below(4) as i32 + 1));
    let length = 1 + random.below(20) as i16;
    let mut body: Vec<Slot> = Vec::new();
    for index in 0..length {
        body.extend(piece(random, length - 1 - index));
    }
    // Room for the jumps of the last ones.
    body.extend([slot(0xbf, 0, 1, 0, 0); 9]);
    if random.below(4) == 0 {
        // A way out in the middle.
        let early = [
            slot(0x55, random.register(), 0, 2, random.number() & i32::MAX),
            slot(0xb7, 0, 0, 0, random.number()),
            exit(),
        ];
        body.extend(early);
    }
    slots.extend(&body);
    slots.push(slot(0x07, 9, 0, 0, -1));
    slots.push(slot(0x55, 9, 0, -(body.len() as i16) - 2, 0));
    for source in 1..9 {
        slots.push(slot(0x27, 0, 0, 0, 31));
        slots.push(slot(0xaf, 0, source, 0, 0));
    }
    for place in 1..=8 {
        slots.push(slot(0x79, 1, 10, -8 * place, 0));
        slots.push(slot(0x27, 0, 0, 0, 31));
        slots.push(slot(0xaf, 0, 1, 0, 0));
    }
    slots.extend([
        slot(0xbf, 1, 0, 0, 0),
        slot(0x77, 1, 0, 0, 32),
        slot(0xaf, 0, 1, 0, 0),
        exit(),
    ]);
    slots
}

/// What a filter returned in its first run, less the upper half, which means nothing.
fn returned(filter: &mut Filter, frame: &[u8]) -> u32 {
    let decision = decide(filter, frame);
    assert_eq!(decision.fault, None);
    match filter.statistics().unknown {
        0 => decision.verdict as u32,
        _ => filter.statistics().last_unknown,
    }
}

#[test]
fn a_hundred_thousand_random_programs_end_as_in_another_interpreter() {
    const PROGRAMS: u32 = 100_000;
    let mut random = Random::seeded(0x9e37_79b9_7f4a_7c15);
    let frame = [0; 60];
    let mut verdicts = 0;
    for number in 0..PROGRAMS {
        let slots = program(&mut random);
        let octets = octets(&slots);
        let theirs = rbpf::EbpfVmNoData::new(Some(&octets)).expect("a good program");
        let theirs = theirs.execute_program().expect("it ends") as u32;
        let mut filter = load(&slots).expect("a good program");
        let ours = returned(&mut filter, &frame);
        verdicts += u32::from(ours < 4);
        if ours != theirs {
            rbpf::disassembler::disassemble(&octets);
        }
        assert_eq!(ours, theirs, "program {number}, shown above");
    }
    // Hardly any ends as the others do.
    assert!(verdicts < PROGRAMS / 20, "{verdicts}");
}

/// Where the source of `rbpf` is.
fn rbpf_folder() -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("Cargo runs the tests");
    // Of packages for other systems nobody fetched the source here.
    let here = "--filter-platform=x86_64-unknown-linux-gnu";
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", here])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("Cargo can be started");
    let text = String::from_utf8(output.stdout).expect("text");
    let (before, _) = text
        .split_once("/rbpf-0.4.1/Cargo.toml\"")
        .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let (_, folder) = before.rsplit_once('"').expect("a string");
    Path::new(folder).join("rbpf-0.4.1")
}

/// One test of theirs: a program, what is in its memory, and what it is to return.
struct Published {
    name: String,
    program: Vec<u8>,
    memory: Vec<u8>,
    expected: u64,
}

/// A number as Rust writes it.
fn number(text: &str) -> Option<u64> {
    let text = text.trim().replace('_', "");
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What stands between two marks, and what follows.
fn between<'text>(text: &'text str, open: &str, close: &str) -> Option<(&'text str, &'text str)> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close)
}

/// Reads a test function; `None` when it is not about a program in assembler that returns a number.
fn published(function: &str) -> Option<Published> {
    let (name, body) = function.split_once("()")?;
    let body = body.split("#[test]").next()?;
    if body.contains("helper") || body.contains("call ") || body.contains("should_panic") {
        return None;
    }
    let (source, _) = between(body, "assemble(\n        \"", "\"")?;
    let program = rbpf::assembler::assemble(source).expect("their assembler takes their programs");
    let memory = match between(body, "let mem = &mut [", "]") {
        Some((list, _)) => list
            .lines()
            .map(|line| line.split("//").next().unwrap_or(line))
            .flat_map(|line| line.split(','))
            .filter_map(number)
            .map(|octet| octet as u8)
            .collect(),
        None => Vec::new(),
    };
    let (_, rest) = between(body, "execute_program(", ")")?;
    let (expected, _) = between(rest, ".unwrap(), ", ");")?;
    Some(Published {
        name: name.to_owned(),
        program,
        memory,
        expected: number(expected)?,
    })
}

/// Tests of theirs in which they are wrong, or that are about what a filter cannot do, and why.
const NOT_OURS: [(&str, &str); 1] = [("test_vm_ldabs", "packet instructions that swap nothing")];

#[test]
fn the_published_tests_of_another_interpreter_pass() {
    let file = rbpf_folder().join("tests/ubpf_vm.rs");
    let text = std::fs::read_to_string(&file).expect("the crate has its tests");
    let mut passed = 0;
    for test in text.split("fn ").skip(1).filter_map(published) {
        if NOT_OURS.iter().any(|(name, _)| test.name.starts_with(name)) {
            continue;
        }
        let Some(ours) = run_published(&test) else {
            continue;
        };
        assert_eq!(ours, test.expected, "{}", test.name);
        passed += 1;
    }
    println!("{passed} of them passed");
    assert!(passed >= 100, "only {passed} were found");
}

/// Runs one, with its memory as the value of a map to which R1 points; `None` when it reads a register that it
/// did not write, which is refused here, and is zero there.
fn run_published(test: &Published) -> Option<u64> {
    let (instructions, rest) = test.program.as_chunks::<8>();
    assert!(rest.is_empty());
    let mut slots: Vec<Slot> = Vec::new();
    let mut maps = vec![common::array("result", 8, 1)];
    if !test.memory.is_empty() {
        maps.push(common::array("memory", test.memory.len() as u32, 1));
        slots.extend([slot(0x18, 1, 2, 0, 1), slot(0, 0, 0, 0, 0)]);
    }
    // As a function, so that what it returns can be kept as a whole.
    slots.extend([
        slot(0x85, 0, 1, 0, 5),
        slot(0x18, 1, 2, 0, 0),
        slot(0, 0, 0, 0, 0),
        slot(0x7b, 1, 0, 0, 0),
        slot(0xb7, 0, 0, 0, 1),
        exit(),
    ]);
    slots.extend(instructions);
    let mut filter = match load_with(&slots, maps) {
        Ok(filter) => filter,
        Err(LoadError::Instruction { number, refusal }) => {
            println!("{}: {number}: {refusal}", test.name);
            return None;
        }
        Err(error) => panic!("{}: {error}", test.name),
    };
    if !test.memory.is_empty() {
        let memory = filter.map_mut("memory").expect("the map");
        let update = memory.set(&[0; 4], &test.memory, pollux_ebpf::UpdateRule::Any);
        update.expect("it fits");
    }
    assert_eq!(decide(&mut filter, &[0; 60]).fault, None, "{}", test.name);
    let result = filter.map_mut("result").expect("the map");
    let octets = result.value(&[0; 4]).expect("its value");
    Some(u64::from_le_bytes(octets.try_into().expect("eight octets")))
}
