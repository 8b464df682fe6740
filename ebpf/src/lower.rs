//! Makes of a verified program what the interpreter carries out: less is done for each frame, and the same
//! comes of it.
//!
//! What nobody wants to know is not worked out, such as the arguments of a call that are known beforehand;
//! a copy from the packet goes straight to its place in the stack; a field that is loaded, masked and
//! compared is tested at once; a jump to where nothing but the end follows ends the run.

use crate::flow::{self, Edge, Place};
use crate::frame;
use crate::instruction::{Instruction, Operation, Register};
use crate::interpreter::holds;
use crate::op::{Copy, Lowered, Op, Origin, Test, TryCopy, Window, Windows};
use crate::shortcut::Shortcut;
use crate::verify::{self, State};
use alloc::vec;
use alloc::vec::Vec;

/// Octets before what a program sees at offset 0.
pub const ETHERNET_HEADER: u64 = frame::ETHERNET_HEADER as u64;
/// Where the EtherType stands in a frame, which the context has as `protocol`.
const PROTOCOL: u16 = 12;
/// Where `protocol` stands in the context.
const CONTEXT_PROTOCOL: u64 = 16;

/// Makes operations of instructions of which the verifier knows this.
pub fn lower(instructions: &[Instruction], states: &[Option<State>]) -> Lowered {
    let places = flow::analyze(instructions, states);
    let (leaders, heads) = find_leaders(&places);
    let mut lowering = Lowering {
        instructions,
        states,
        places,
        leaders,
        heads,
        ops: Vec::new(),
        origins: Vec::new(),
        starts: vec![None; instructions.len()],
        edges: Vec::new(),
        owed: 0,
    };
    let mut number = 0;
    while number < instructions.len() {
        number = lowering.lower_at(number);
    }
    lowering.finish()
}

/// The instructions to which others lead, and those of them to which a later one does.
fn find_leaders(places: &[Option<Place>]) -> (Vec<bool>, Vec<bool>) {
    let mut leaders = vec![false; places.len()];
    let mut heads = leaders.clone();
    for (number, place) in places.iter().enumerate() {
        let Some(place) = place else {
            continue;
        };
        if let Some(Edge::To(target)) = place.taken {
            mark(&mut leaders, target);
            if target <= number {
                mark(&mut heads, target);
            }
            if let Some(Edge::To(next)) = place.next {
                mark(&mut leaders, next);
            }
        } else if let (Some(Edge::Return { .. }), Some(Edge::To(next))) = (place.taken, place.next)
        {
            mark(&mut leaders, next);
        }
    }
    (leaders, heads)
}

fn mark(marks: &mut [bool], number: usize) {
    if let Some(mark) = marks.get_mut(number) {
        *mark = true;
    }
}

fn is_marked(marks: &[bool], number: usize) -> bool {
    marks.get(number).copied().unwrap_or(false)
}

struct Lowering<'program> {
    instructions: &'program [Instruction],
    states: &'program [Option<State>],
    places: Vec<Option<Place>>,
    /// Others lead there.
    leaders: Vec<bool>,
    /// Later ones do.
    heads: Vec<bool>,
    ops: Vec<Op>,
    origins: Vec<Origin>,
    /// Where the operations of each leader begin.
    starts: Vec<Option<u16>>,
    /// What the places in operations stand for until all are made.
    edges: Vec<Edge>,
    /// Instructions that were not paid for.
    owed: u16,
}

/// What a value to be tested is loaded from.
enum Tested {
    Frame8,
    Frame16,
    Frame32,
    Stack8,
    Stack16,
    Stack32,
    /// Two octets of the frame as a little-endian machine has them.
    Protocol,
    /// Two octets of the frame at a place that a register says.
    At16,
}

/// A shift to the left, a mask and a sum.
struct Scale {
    register: Register,
    shift: u8,
    mask: i32,
    add: i32,
    /// The last instruction of it.
    last: usize,
}

impl Scale {
    /// One that leaves the register as it is.
    const fn of(register: Register, last: usize) -> Self {
        Self {
            register,
            shift: 0,
            mask: -1,
            add: 0,
            last,
        }
    }
}

impl Lowering<'_> {
    /// Makes operations of the instruction `number`, and perhaps of some that follow; returns the first of
    /// which none were made.
    fn lower_at(&mut self, number: usize) -> usize {
        let (Some(instruction), Some(Some(place)), Some(Some(state))) = (
            self.instructions.get(number).copied(),
            self.places.get(number).copied(),
            self.states.get(number).copied(),
        ) else {
            return number.saturating_add(1);
        };
        if is_marked(&self.leaders, number) || number == 0 {
            self.pay_what_is_owed(number);
            if let Some(start) = self.starts.get_mut(number) {
                *start = u16::try_from(self.ops.len()).ok();
            }
            if is_marked(&self.heads, number) {
                self.push(Op::Check, number);
            }
        }
        if let Some((value, cost)) = place.returns {
            let cost = cost.saturating_add(self.owed);
            self.push(Op::Return { value, cost }, number);
            return self.skip_to_leader(number);
        }
        if place.is_dead {
            self.owe(number);
            return flow::after(number, &instruction);
        }
        let last = self
            .lower_test(number, &instruction, &state)
            .or_else(|| self.lower_copy(number, &instruction, &state))
            .or_else(|| self.lower_load_to(number, &instruction))
            .or_else(|| self.lower_scale(number));
        let last = last.unwrap_or_else(|| {
            self.lower_one(number, &instruction, &place, &state);
            number
        });
        match self.instructions.get(last) {
            Some(instruction) => flow::after(last, instruction),
            None => usize::MAX,
        }
    }

    /// The next instruction to which another leads: what stands before it is not reached.
    fn skip_to_leader(&mut self, number: usize) -> usize {
        self.owed = 0;
        let mut next = number.saturating_add(1);
        while next < self.instructions.len() && !is_marked(&self.leaders, next) {
            next = next.saturating_add(1);
        }
        next
    }

    fn push(&mut self, op: Op, number: usize) {
        self.ops.push(op);
        self.origins.push(Origin {
            number: u16::try_from(number).unwrap_or(u16::MAX),
            owed: self.owed,
        });
    }

    /// Takes note that an instruction is to be paid for.
    fn owe(&mut self, number: usize) {
        let work = match (self.instructions.get(number), self.states.get(number)) {
            (Some(call), Some(Some(state))) => flow::copy_of(call, state),
            _ => None,
        };
        let work = work.map_or(0, |copy| copy.length / 8);
        self.owed = self.owed.saturating_add(1).saturating_add(work);
    }

    /// The same for all instructions from one to another, which follow each other.
    fn owe_through(&mut self, first: usize, last: usize) {
        let mut number = first;
        while number <= last {
            self.owe(number);
            number = match self.instructions.get(number) {
                Some(instruction) => flow::after(number, instruction),
                None => usize::MAX,
            };
        }
    }

    /// Pays for the instructions up to here, where another stretch begins.
    fn pay_what_is_owed(&mut self, number: usize) {
        if self.owed > 0 {
            let owed = core::mem::take(&mut self.owed);
            self.push(Op::Pay(u32::from(owed)), number);
        }
    }

    /// What the operation that ends a stretch has to pay.
    fn cost(&mut self, number: usize) -> u8 {
        match u8::try_from(self.owed) {
            Ok(cost) => cost,
            Err(_) => {
                self.pay_what_is_owed(number);
                0
            }
        }
    }

    /// Pushes the operation that ends a stretch.
    fn end(&mut self, op: Op, number: usize) {
        self.push(op, number);
        self.owed = 0;
    }

    /// A place to be found later.
    fn place(&mut self, edge: Option<Edge>) -> u16 {
        let place = u16::try_from(self.edges.len()).unwrap_or(u16::MAX);
        self.edges.push(edge.unwrap_or(Edge::To(usize::MAX)));
        place
    }

    /// The next instruction of the same stretch that is not dead.
    fn next_alive(&self, number: usize) -> Option<usize> {
        let mut number = number;
        loop {
            number = flow::after(number, self.instructions.get(number)?);
            let place = self.places.get(number)?.as_ref()?;
            if is_marked(&self.leaders, number) || place.returns.is_some() {
                return None;
            }
            if !place.is_dead {
                return Some(number);
            }
        }
    }

    /// Whether nobody wants to know what is in a register behind an instruction.
    fn is_dead_behind(&self, register: Register, number: usize) -> bool {
        let place = self.places.get(number).and_then(Option::as_ref);
        place.is_some_and(|place| flow::live_behind(place, &self.places) & flow::bit(register) == 0)
    }

    /// Loading, masking and comparing a field.
    fn lower_test(&mut self, number: usize, load: &Instruction, state: &State) -> Option<usize> {
        let (tested, offset) = tested(load, state)?;
        let register = match tested {
            Tested::Frame8 | Tested::Frame16 | Tested::Frame32 | Tested::At16 => Register::R0,
            _ => load.destination,
        };
        let mut last = self.next_alive(number)?;
        let mut instruction = *self.instructions.get(last)?;
        let mut mask = u32::MAX;
        let is_mask = matches!(instruction.operation, Operation::And | Operation::And32)
            && instruction.source == Register::Zero
            && instruction.destination == register;
        if is_mask {
            mask = instruction.immediate as u32;
            last = self.next_alive(last)?;
            instruction = *self.instructions.get(last)?;
        }
        let is_number = instruction.source == Register::Zero
            && instruction.destination == register
            && self.is_dead_behind(register, last);
        if !is_number {
            return None;
        }
        let place = (*self.places.get(last)?)?;
        let number_64 = instruction.immediate;
        // A number that the field can never be is left to a comparison of 64 bits.
        let is_short = number_64 <= u64::from(u32::MAX);
        let (mut value, equal, other) = match instruction.operation {
            Operation::Jeq if is_short => (number_64 as u32, place.taken, place.next),
            Operation::Jne if is_short => (number_64 as u32, place.next, place.taken),
            Operation::Jeq32 => (number_64 as u32, place.taken, place.next),
            Operation::Jne32 => (number_64 as u32, place.next, place.taken),
            Operation::Jset | Operation::Jset32 => {
                mask &= number_64 as u32;
                (0, place.next, place.taken)
            }
            _ => return None,
        };
        if matches!(tested, Tested::Protocol) {
            let low = u16::try_from(value).ok()?;
            value = u32::from(low.swap_bytes());
            mask = u32::from((mask as u16).swap_bytes());
        }
        if matches!(tested, Tested::At16) {
            return self.lower_test_at(number, last, load, (mask, value), (equal, other));
        }
        self.owe_through(number, last);
        let cost = self.cost(last);
        let test = Test {
            mask,
            value,
            equal: self.place(equal),
            other: self.place(other),
            offset,
            cost,
        };
        let op = match tested {
            Tested::Frame8 => Op::TestFrame8(test),
            Tested::Frame16 | Tested::Protocol | Tested::At16 => Op::TestFrame16(test),
            Tested::Frame32 => Op::TestFrame32(test),
            Tested::Stack8 => Op::TestStack8(test),
            Tested::Stack16 => Op::TestStack16(test),
            Tested::Stack32 => Op::TestStack32(test),
        };
        self.end(op, last);
        Some(last)
    }

    fn lower_test_at(
        &mut self,
        number: usize,
        last: usize,
        load: &Instruction,
        (mask, value): (u32, u32),
        (equal, other): (Option<Edge>, Option<Edge>),
    ) -> Option<usize> {
        let offset = i16::try_from(load.immediate as i64).ok()?;
        let value = u16::try_from(value).ok()?;
        self.owe_through(number, last);
        let cost = self.cost(last);
        let op = Op::TestAt16 {
            register: load.source,
            offset,
            mask: mask as u16,
            value,
            equal: self.place(equal),
            other: self.place(other),
            cost,
        };
        self.end(op, last);
        Some(last)
    }

    /// Loading an octet of the frame for another register than R0, in which nobody wants it.
    fn lower_load_to(&mut self, number: usize, load: &Instruction) -> Option<usize> {
        let offset = frame_offset(load).filter(|_| load.operation == Operation::Packet8)?;
        let last = self.next_alive(number)?;
        let copy = *self.instructions.get(last)?;
        let is_copy = copy.operation == Operation::Mov && copy.source == Register::R0;
        if !is_copy || !self.is_dead_behind(Register::R0, last) {
            return None;
        }
        let to = copy.destination;
        let scaled = self.next_alive(last).and_then(|next| self.scale(next));
        let scale = scaled.filter(|scale| scale.register == to);
        let (last, scale) = match scale {
            Some(scale) => (scale.last, scale),
            None => (last, Scale::of(to, last)),
        };
        self.owe_through(number, last);
        let op = Op::LoadFrame8To {
            to,
            offset,
            shift: scale.shift,
            mask: scale.mask,
            add: scale.add,
        };
        self.push(op, last);
        Some(last)
    }

    /// Copying from the packet, and perhaps a jump by whether there was enough.
    fn lower_copy(&mut self, number: usize, call: &Instruction, state: &State) -> Option<usize> {
        let copy = flow::copy_of(call, state)?;
        if let Some(last) = self.lower_try_copy(number, copy) {
            return Some(last);
        }
        self.owe(number);
        self.push(Op::Copy(copy), number);
        Some(number)
    }

    fn lower_try_copy(&mut self, number: usize, copy: Copy) -> Option<usize> {
        let last = self.next_alive(number)?;
        let jump = *self.instructions.get(last)?;
        let is_about_it = crate::decode::is_jump(jump.operation)
            && jump.operation != Operation::Ja
            && jump.destination == Register::R0
            && jump.source == Register::Zero
            && self.is_dead_behind(Register::R0, last);
        if !is_about_it {
            return None;
        }
        let place = (*self.places.get(last)?)?;
        let edge = |result| match holds(jump.operation, result, jump.immediate) {
            true => place.taken,
            false => place.next,
        };
        let (done, failed) = (edge(0), edge(crate::interpreter::BAD_ADDRESS));
        self.owe_through(number, last);
        let cost = self.cost(last);
        let try_copy = TryCopy {
            copy,
            done: self.place(done),
            failed: self.place(failed),
            cost,
        };
        let op = match copy.length {
            2 => Op::TryCopy2(try_copy),
            4 => Op::TryCopy4(try_copy),
            20 => Op::TryCopy20(try_copy),
            _ => Op::TryCopy(try_copy),
        };
        self.end(op, last);
        Some(last)
    }

    /// A shift to the left, a mask and a sum with numbers, one behind the other, from an instruction on.
    fn scale(&self, number: usize) -> Option<Scale> {
        let register = self.instructions.get(number)?.destination;
        let mut scale = Scale::of(register, number);
        let (mut candidate, mut stage) = (Some(number), 0);
        while let Some(at) = candidate {
            let instruction = self.instructions.get(at)?;
            if instruction.destination != register || instruction.source != Register::Zero {
                break;
            }
            let number = instruction.immediate as i64;
            match instruction.operation {
                Operation::Lsh if stage < 1 => {
                    scale.shift = (number & 63) as u8;
                    stage = 1;
                }
                Operation::And if stage < 2 => {
                    scale.mask = number as i32;
                    stage = 2;
                }
                Operation::Add if stage < 3 => {
                    scale.add = number as i32;
                    stage = 3;
                }
                _ => break,
            }
            scale.last = at;
            candidate = self.next_alive(at);
        }
        (stage > 0).then_some(scale)
    }

    fn lower_scale(&mut self, number: usize) -> Option<usize> {
        let scale = self.scale(number)?;
        self.owe_through(number, scale.last);
        let op = Op::Scale {
            register: scale.register,
            shift: scale.shift,
            mask: scale.mask,
            add: scale.add,
        };
        self.push(op, scale.last);
        Some(scale.last)
    }

    /// One instruction by itself.
    fn lower_one(
        &mut self,
        number: usize,
        instruction: &Instruction,
        place: &Place,
        state: &State,
    ) {
        self.owe(number);
        let (to, from) = (instruction.destination, instruction.source);
        let add = instruction.immediate as i32;
        match instruction.operation {
            Operation::Ja => {
                let cost = self.cost(number);
                let to = self.place(place.taken);
                self.end(Op::Jump { to, cost }, number);
            }
            Operation::CallLocal => {
                let cost = self.cost(number);
                let to = self.place(place.taken);
                self.end(Op::Call { to, cost }, number);
            }
            Operation::Exit => {
                let cost = self.cost(number);
                self.end(Op::Exit { cost }, number);
            }
            condition if crate::decode::is_jump(condition) => {
                let cost = self.cost(number);
                let taken = self.place(place.taken);
                let other = self.place(place.next);
                let op = match (condition, from) {
                    (Operation::Jeq, Register::Zero) => Op::Compare {
                        register: to,
                        with: add,
                        equal: taken,
                        other,
                        cost,
                    },
                    (Operation::Jne, Register::Zero) => Op::Compare {
                        register: to,
                        with: add,
                        equal: other,
                        other: taken,
                        cost,
                    },
                    _ => Op::Branch {
                        condition,
                        left: to,
                        right: from,
                        add,
                        taken,
                        other,
                        cost,
                    },
                };
                self.end(op, number);
            }
            _ => {
                let op = straight(instruction, state);
                let general = Op::Instruction(u16::try_from(number).unwrap_or(u16::MAX));
                self.push(op.unwrap_or(general), number);
            }
        }
    }

    /// Finds the places, and adds the ends of runs to which jumps lead.
    fn finish(mut self) -> Lowered {
        // The last instruction is a jump or an end, so that nothing is owed.
        let mut ends: Vec<(Edge, u16)> = Vec::new();
        let mut found: Vec<u16> = Vec::with_capacity(self.edges.len());
        for edge in core::mem::take(&mut self.edges) {
            let place = match edge {
                Edge::To(number) => self.starts.get(number).copied().flatten(),
                Edge::Return { value, cost } => {
                    let known = ends.iter().find(|(end, _)| *end == edge);
                    known.map(|(_, place)| *place).or_else(|| {
                        let place = u16::try_from(self.ops.len()).ok()?;
                        self.push(Op::Return { value, cost }, 0);
                        ends.push((edge, place));
                        Some(place)
                    })
                }
            };
            // Where nothing is: not for a program that was verified.
            found.push(place.unwrap_or(u16::MAX));
        }
        let find = |place: u16| found.get(usize::from(place)).copied().unwrap_or(u16::MAX);
        for op in &mut self.ops {
            match op {
                Op::TestFrame8(test)
                | Op::TestFrame16(test)
                | Op::TestFrame32(test)
                | Op::TestStack8(test)
                | Op::TestStack16(test)
                | Op::TestStack32(test) => {
                    test.equal = find(test.equal);
                    test.other = find(test.other);
                }
                Op::TestAt16 { equal, other, .. } | Op::TestAll { equal, other, .. } => {
                    *equal = find(*equal);
                    *other = find(*other);
                }
                Op::TryCopy(copy)
                | Op::TryCopy2(copy)
                | Op::TryCopy4(copy)
                | Op::TryCopy20(copy) => {
                    copy.done = find(copy.done);
                    copy.failed = find(copy.failed);
                }
                Op::Jump { to, .. } | Op::Call { to, .. } => *to = find(*to),
                Op::Compare { equal, other, .. } => {
                    *equal = find(*equal);
                    *other = find(*other);
                }
                Op::Branch { taken, other, .. } => {
                    *taken = find(*taken);
                    *other = find(*other);
                }
                _ => {}
            }
        }
        let shortcut = Shortcut::find(&self.ops, self.instructions);
        let windows = join_tests(&mut self.ops, &mut self.origins);
        Lowered {
            ops: self.ops.into(),
            windows: windows.into(),
            origins: self.origins.into(),
            shortcut,
        }
    }
}

/// Has tests of the frame that follow each other made at once. The first of them moves to the end of the
/// operations, where it is found when they do not all hold.
fn join_tests(ops: &mut Vec<Op>, origins: &mut Vec<Origin>) -> Vec<Windows> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < ops.len() {
        let mut windows = [None; 2];
        let (mut cost, mut count, mut at) = (0_u16, 0_usize, first);
        let mut equal = 0;
        while let Some((test, octets)) = ops.get(at).and_then(frame_test)
            && add_test(&mut windows, &test, octets).is_some()
        {
            cost = cost.saturating_add(u16::from(test.cost));
            count = count.saturating_add(1);
            equal = test.equal;
            at = at.saturating_add(1);
            if usize::from(equal) != at {
                break;
            }
        }
        let (Ok(tests), Ok(other)) = (u16::try_from(all.len()), u16::try_from(ops.len())) else {
            break;
        };
        if count > 1
            && let (Some(op), Some(origin)) = (ops.get_mut(first), origins.get(first).copied())
        {
            let joined = Op::TestAll {
                tests,
                equal,
                other,
                cost,
            };
            let moved = core::mem::replace(op, joined);
            ops.push(moved);
            origins.push(origin);
            all.push(Windows(windows.map(Option::unwrap_or_default)));
        }
        first = first.saturating_add(count.max(1));
    }
    all
}

/// A test of the frame, and of how many octets.
fn frame_test(op: &Op) -> Option<(Test, u16)> {
    match op {
        Op::TestFrame8(test) => Some((*test, 1)),
        Op::TestFrame16(test) => Some((*test, 2)),
        Op::TestFrame32(test) => Some((*test, 4)),
        _ => None,
    }
}

/// Adds a test to the window in which its octets are, or to a new one; `None` when that cannot be.
fn add_test(windows: &mut [Option<Window>; 2], test: &Test, octets: u16) -> Option<()> {
    const OCTETS: u16 = 8;
    let bits = u32::from(octets).saturating_mul(8);
    let whole = u32::MAX.checked_shr(32_u32.saturating_sub(bits))?;
    let (mask, value, offset) = (test.mask & whole, test.value, test.offset);
    // What can never hold is left alone.
    if value & !mask != 0 {
        return None;
    }
    for window in windows {
        let new = Window {
            offset,
            ..Window::default()
        };
        let window = window.get_or_insert(new);
        let within = offset.checked_sub(window.offset);
        let Some(within) = within.filter(|within| within.saturating_add(octets) <= OCTETS) else {
            continue;
        };
        let behind = OCTETS.saturating_sub(within).saturating_sub(octets);
        let place = |part: u32| (u64::from(part) << (u32::from(behind) << 3)).swap_bytes();
        if window.mask & place(mask) != 0 {
            return None;
        }
        window.mask |= place(mask);
        window.value |= place(value);
        return Some(());
    }
    None
}

/// The operation for an instruction that does not jump, if there is one of its own for it.
fn straight(instruction: &Instruction, state: &State) -> Option<Op> {
    let (to, from) = (instruction.destination, instruction.source);
    let (operation, value) = (instruction.operation, instruction.immediate);
    if let Some(offset) = flow::stack_offset(instruction, state) {
        let add = value as i32;
        return Some(match operation {
            Operation::Load8 => Op::LoadStack8 { to, offset },
            Operation::Load16 => Op::LoadStack16 { to, offset },
            Operation::Load32 => Op::LoadStack32 { to, offset },
            Operation::Load64 => Op::LoadStack64 { to, offset },
            Operation::Store8 => Op::StoreStack8 { from, offset, add },
            Operation::Store16 => Op::StoreStack16 { from, offset, add },
            Operation::Store32 => Op::StoreStack32 { from, offset, add },
            Operation::Store64 => Op::StoreStack64 { from, offset, add },
            _ => return None,
        });
    }
    match operation {
        Operation::Mov if from == Register::Zero => Some(Op::Set {
            register: to,
            value,
        }),
        Operation::Mov => Some(Op::Move { to, from }),
        Operation::Mov32 if from == Register::Zero => Some(Op::Set {
            register: to,
            value: u64::from(value as u32),
        }),
        Operation::Wide => Some(Op::Set {
            register: to,
            value,
        }),
        Operation::Packet8 => frame_offset(instruction).map(|offset| Op::LoadFrame8 { offset }),
        Operation::Packet16 if let Some(offset) = frame_offset(instruction) => {
            Some(Op::LoadFrame16 { offset })
        }
        Operation::Packet16 => Some(Op::LoadAt16 {
            register: from,
            offset: value as i32,
        }),
        Operation::Packet32 => frame_offset(instruction).map(|offset| Op::LoadFrame32 { offset }),
        _ => None,
    }
}

/// Where in the frame a packet instruction loads that names a place behind the Ethernet header.
fn frame_offset(instruction: &Instruction) -> Option<u16> {
    if instruction.source != Register::Zero {
        return None;
    }
    let offset = instruction.immediate.checked_add(ETHERNET_HEADER)?;
    u16::try_from(offset).ok()
}

/// What is loaded, and from where, if it is a field of the frame or of the stack.
fn tested(load: &Instruction, state: &State) -> Option<(Tested, u16)> {
    let tested = match load.operation {
        Operation::Packet8 => Tested::Frame8,
        Operation::Packet16 if load.source == Register::Zero => Tested::Frame16,
        Operation::Packet16 => return Some((Tested::At16, 0)),
        Operation::Packet32 => Tested::Frame32,
        Operation::LoadContext if load.immediate == CONTEXT_PROTOCOL && load.offset >= 2 => {
            return Some((Tested::Protocol, PROTOCOL));
        }
        operation if verify::load_size(operation).is_some() => {
            let offset = flow::stack_offset(load, state)?;
            return match operation {
                Operation::Load8 => Some((Tested::Stack8, offset)),
                Operation::Load16 => Some((Tested::Stack16, offset)),
                Operation::Load32 => Some((Tested::Stack32, offset)),
                _ => None,
            };
        }
        _ => return None,
    };
    Some((tested, frame_offset(load)?))
}
