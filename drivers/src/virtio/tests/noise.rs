//! A block of registers of virtio-mmio behind which anything may be: what is read need not be what was written, nor
//! what was read before.
//!
//! Whatever it answers, nothing panics, no step takes more accesses than it may, no buffer gets lost, and where the
//! device cannot be driven that is said in words.

use super::*;
use crate::virtio::mmio::MmioTransport;
use crate::virtio::registers::Registers;
use std::cell::Cell;
use std::string::{String, ToString};
use std::vec;

in_each_format!(
    whatever_registers_answer_it_ends_in_service_or_in_words,
    right_answers_end_in_service,
);

/// The most accesses of bring-up, for each of its reset's looks one.
const BRING_UP_LIMIT: u64 = 1_500;
/// The most of a look of housekeeping, which may bring the device up but for the reset.
const LOOK_LIMIT: u64 = 500;

/// What a register answers.
#[derive(Clone, Debug)]
enum Answer {
    /// This.
    Fixed(u32),
    /// What was written to it, these bits taken away and those added.
    Written { and: u32, or: u32 },
    /// One after the other.
    Changing(Vec<u32>),
}

/// The registers.
#[derive(Clone, Debug)]
struct Noise {
    /// Of the first 64 registers each, and of the configuration behind.
    answers: Vec<(u32, Answer)>,
    others: Answer,
    written: BTreeMap<u32, u32>,
    accesses: Rc<Cell<u64>>,
}

impl Noise {
    fn read(&self, offset: u32) -> u32 {
        let count = self.accesses.get();
        self.accesses.set(count + 1);
        let register = offset & !3;
        let known = self.answers.iter().find(|&&(at, _)| at == register);
        let answer = match known.map_or(&self.others, |(_, answer)| answer) {
            Answer::Fixed(value) => *value,
            Answer::Written { and, or } => {
                let written = self.written.get(&register).copied().unwrap_or(0);
                written & and | or
            }
            Answer::Changing(values) => values[count as usize % values.len()],
        };
        answer >> (8 * (offset % 4))
    }
}

impl Registers for Noise {
    fn read_u8(&self, offset: u32) -> u8 {
        self.read(offset) as u8
    }

    fn read_u16(&self, offset: u32) -> u16 {
        self.read(offset) as u16
    }

    fn read_u32(&self, offset: u32) -> u32 {
        self.read(offset)
    }

    fn write_u32(&mut self, offset: u32, value: u32) {
        self.accesses.set(self.accesses.get() + 1);
        self.written.insert(offset, value);
    }
}

/// Anything, and often what a device may well answer.
fn answer(right: impl Strategy<Value = Answer> + 'static) -> impl Strategy<Value = Answer> {
    let anything = prop_oneof![
        Just(0_u32),
        Just(u32::MAX),
        0_u32..0x100,
        any::<u32>(),
        (0_u32..33).prop_map(|bit| 1_u32.checked_shl(bit).unwrap_or(0)),
    ];
    let changing = proptest::collection::vec(anything.clone(), 1..5);
    prop_oneof![
        30 => right,
        1 => anything.clone().prop_map(Answer::Fixed),
        1 => (anything.clone(), anything).prop_map(|(and, or)| Answer::Written { and, or }),
        1 => changing.prop_map(Answer::Changing),
    ]
}

fn noise() -> impl Strategy<Value = Noise> {
    let fixed = |value| answer(Just(Answer::Fixed(value)));
    let sizes = prop_oneof![Just(256_u32), 0_u32..40_000, any::<u32>()];
    let written = Just(Answer::Written {
        and: u32::MAX,
        or: 0,
    });
    let registers = (
        fixed(u32::from_le_bytes(*b"virt")),
        answer(prop_oneof![Just(1), Just(2)].prop_map(Answer::Fixed)),
        fixed(1),
        // Features, in either half: those that are wanted, and more.
        answer(any::<u32>().prop_map(|more| Answer::Fixed(more | 1 << 5 | 1 << 0))),
        answer(sizes.prop_map(Answer::Fixed)),
        answer(written),
        answer(any::<u32>().prop_map(Answer::Fixed)),
        // The address, and what is behind it.
        answer(Just(Answer::Fixed(0x0112_5452))),
        fixed(0x0001_0203),
        answer(any::<u32>().prop_map(Answer::Fixed)),
    );
    registers.prop_map(|answers| {
        let (magic, version, kind, features, size, status, generation, low, high, others) = answers;
        Noise {
            answers: vec![
                (0x00, magic),
                (0x04, version),
                (0x08, kind),
                (0x10, features),
                (0x34, size),
                (0x70, status),
                (0xfc, generation),
                (0x100, low),
                (0x104, high),
            ],
            others,
            written: BTreeMap::new(),
            accesses: Rc::new(Cell::new(0)),
        }
    })
}

/// Words, and not merely the name of a kind of error.
fn words(error: &impl ToString) -> String {
    let words = error.to_string();
    assert!(words.split(' ').count() > 3, "{words}");
    words
}

/// Brings it up and uses it; in words, why that cannot be.
fn endure<Q: Virtqueue>(noise: Noise, memory: &TestMemory) -> Result<(), String> {
    let accesses = Rc::clone(&noise.accesses);
    let taken = move |limit| {
        let count = accesses.replace(0);
        assert!(count <= limit, "{count} accesses");
    };
    let transport = MmioTransport::new(noise).map_err(|occupant| words(&occupant))?;
    let quiet = Quiet::reset(transport, |_| ());
    let started = quiet.and_then(|quiet| quiet.start::<Q>(&mut memory.region(), &vlans(&[42])));
    taken(BRING_UP_LIMIT);
    let mut device = started.map_err(|error| words(&error))?;
    let buffers = device.sorted_buffers();
    for _ in 0..130 {
        device.refresh_link();
        device.refresh_statistics();
        device.process(
            Batch::of(64),
            &mut Script(|_: Received<'_>| Verdict::Release),
        );
        let _ = device.transmit(|buffer| {
            buffer.fill(0x77);
            60
        });
        device.ring_doorbells();
        taken(LOOK_LIMIT);
        assert!(device.sorted_buffers() == buffers);
    }
    Ok(())
}

fn whatever_registers_answer_it_ends_in_service_or_in_words<Q: Virtqueue>() {
    let memory = TestMemory::new(MEMORY);
    proptest!(|(noise in noise())| {
        let _ = endure::<Q>(noise, &memory);
    });
}

/// Without these, the other could be content with words for ever.
fn right_answers_end_in_service<Q: Virtqueue>() {
    let written = Answer::Written {
        and: u32::MAX,
        or: 0,
    };
    let noise = Noise {
        answers: vec![
            (0x00, Answer::Fixed(u32::from_le_bytes(*b"virt"))),
            (0x04, Answer::Fixed(2)),
            (0x08, Answer::Fixed(1)),
            // In either half: a station address, and virtio 1 with packed queues.
            (0x10, Answer::Fixed(1 << 5 | 1 << 0 | 1 << 2)),
            (0x34, Answer::Fixed(256)),
            (0x70, written),
            (0x100, Answer::Fixed(0x0112_5452)),
            (0x104, Answer::Fixed(0x0001_0203)),
        ],
        others: Answer::Fixed(0),
        written: BTreeMap::new(),
        accesses: Rc::new(Cell::new(0)),
    };
    assert_eq!(endure::<Q>(noise, &TestMemory::new(MEMORY)), Ok(()));
}
