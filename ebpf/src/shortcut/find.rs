//! Finds the shortcut through a program, by following its operations with what is known beforehand.

use super::{Behind, Distance, Shortcut, WINDOW};
use crate::filter::Verdict;
use crate::instruction::{Instruction, Operation, REGISTERS, Register};
use crate::memory::FRAME_SIZE;
use crate::op::{Copy, Op, Place, Test, Window};
use alloc::vec;
use alloc::vec::Vec;

/// Octets of an Ethernet header, from behind which packet instructions count.
const ETHERNET_HEADER: i64 = crate::frame::ETHERNET_HEADER as i64;

impl Shortcut {
    /// Finds the shortcut through a program with these operations, if it has one.
    pub fn find(ops: &[Op], instructions: &[Instruction]) -> Option<Self> {
        /// A way with more operations has something to do.
        const LONGEST: usize = 128;
        let mut way = Way {
            windows: Vec::new(),
            distance: None,
            behind: None,
            behind_end: 0,
            length: 0,
            registers: [Value::Unknown; REGISTERS],
            stack: vec![Octet::Unknown; FRAME_SIZE],
            cost: 0,
        };
        way.set(Register::Zero, Value::Number(0));
        let mut at = 0;
        for _ in 0..LONGEST {
            match way.follow(at, ops.get(at)?, instructions)? {
                Step::To(next) => at = next,
                Step::End(value) => return way.end(value),
            }
        }
        None
    }
}

impl Window {
    /// Demands that bits of one octet, `within` octets from its beginning, have a value; `None` when that contradicts
    /// what it demands already.
    fn demand(&mut self, within: u16, mask: u8, value: u8) -> Option<()> {
        let place = |part: u8| u64::from(part).checked_shl(u32::from(within).wrapping_mul(8));
        let (mask, value) = (place(mask)?, place(value)?);
        let contradicts = (self.value ^ value) & self.mask & mask != 0;
        self.mask |= mask;
        self.value |= value;
        (!contradicts).then_some(())
    }
}

/// What is known of a register.
#[derive(Clone, Copy)]
enum Value {
    Unknown,
    Number(u64),
    /// So much more than a distance.
    Far(Distance, u16),
    /// The number that these octets make, the highest of them first, under a mask.
    Field([Octet; 4], u32),
}

/// What is known of an octet.
#[derive(Clone, Copy)]
enum Octet {
    Unknown,
    Number(u8),
    /// The frame's at this offset.
    Frame(u16),
    /// The frame's, so much further than the distance.
    Behind(u16),
}

impl Octet {
    const fn offset(self) -> u16 {
        match self {
            Self::Unknown | Self::Number(_) => 0,
            Self::Frame(offset) | Self::Behind(offset) => offset,
        }
    }
}

enum Step {
    To(usize),
    End(u64),
}

/// A way under way.
struct Way {
    windows: Vec<Window>,
    distance: Option<Distance>,
    behind: Option<Window>,
    /// Where the octets behind the distance end that the frame has to have.
    behind_end: u16,
    length: usize,
    registers: [Value; REGISTERS],
    stack: Vec<Octet>,
    cost: u32,
}

impl Way {
    fn get(&self, register: Register) -> Value {
        let value = self.registers.get(register as usize);
        value.copied().unwrap_or(Value::Unknown)
    }

    fn set(&mut self, register: Register, value: Value) {
        if let Some(place) = self.registers.get_mut(register as usize) {
            *place = value;
        }
    }

    /// Follows one operation. `None` where there is no shortcut.
    fn follow(&mut self, at: usize, op: &Op, instructions: &[Instruction]) -> Option<Step> {
        let next = Step::To(at.checked_add(1)?);
        match *op {
            Op::TestFrame8(test) => self.test_frame::<1>(test),
            Op::TestFrame16(test) => self.test_frame::<2>(test),
            Op::TestFrame32(test) => self.test_frame::<4>(test),
            Op::TestStack8(test) => self.test_stack::<1>(test),
            Op::TestStack16(test) => self.test_stack::<2>(test),
            Op::TestStack32(test) => self.test_stack::<4>(test),
            Op::TestAt16 {
                register,
                offset,
                mask,
                value,
                equal,
                cost,
                ..
            } => {
                let offset = i64::from(offset).checked_add(ETHERNET_HEADER)?;
                let field = self.field_at::<2>(register, offset, ETHERNET_HEADER)?;
                self.demand_field(field, u32::from(mask), u64::from(value))?;
                self.jump(equal, cost)
            }
            Op::LoadAt16 { register, offset } => {
                let offset = i64::from(offset).checked_add(ETHERNET_HEADER)?;
                let field = self.field_at::<2>(register, offset, ETHERNET_HEADER)?;
                self.set(Register::R0, Value::Field(field, u32::MAX));
                Some(next)
            }
            Op::LoadFrame16 { offset } => {
                let field = self.field_at::<2>(Register::Zero, i64::from(offset), 0)?;
                self.set(Register::R0, Value::Field(field, u32::MAX));
                Some(next)
            }
            Op::LoadFrame32 { offset } => {
                let field = self.field_at::<4>(Register::Zero, i64::from(offset), 0)?;
                self.set(Register::R0, Value::Field(field, u32::MAX));
                Some(next)
            }
            Op::LoadStack16 { to, offset } => {
                let field = self.field_in_stack::<2>(offset)?;
                self.set(to, Value::Field(field, u32::MAX));
                Some(next)
            }
            Op::LoadStack32 { to, offset } => {
                let field = self.field_in_stack::<4>(offset)?;
                self.set(to, Value::Field(field, u32::MAX));
                Some(next)
            }
            Op::StoreStack8 { from, offset, add } => self.store::<1>(from, offset, add, next),
            Op::StoreStack16 { from, offset, add } => self.store::<2>(from, offset, add, next),
            Op::StoreStack32 { from, offset, add } => self.store::<4>(from, offset, add, next),
            Op::StoreStack64 { from, offset, add } => self.store::<8>(from, offset, add, next),
            Op::TryCopy(copy) | Op::TryCopy2(copy) | Op::TryCopy4(copy) | Op::TryCopy20(copy) => {
                self.copy(copy.copy)?;
                self.jump(copy.done, copy.cost)
            }
            Op::Copy(copy) => {
                self.copy(copy)?;
                self.set(Register::R0, Value::Number(0));
                Some(next)
            }
            Op::Set { register, value } => {
                self.set(register, Value::Number(value));
                Some(next)
            }
            Op::Move { to, from } => {
                self.set(to, self.get(from));
                Some(next)
            }
            Op::Scale {
                register,
                shift,
                mask,
                add,
            } => {
                self.scale(register, shift, mask, add);
                Some(next)
            }
            Op::LoadFrame8 { offset } => {
                self.load_octet(Register::R0, offset);
                Some(next)
            }
            Op::LoadFrame8To {
                to,
                offset,
                shift,
                mask,
                add,
            } => {
                self.load_octet(to, offset);
                self.scale(to, shift, mask, add);
                Some(next)
            }
            Op::LoadStack8 { to, offset } => {
                match self.field_in_stack::<1>(offset)? {
                    [.., Octet::Frame(offset)] => self.load_octet(to, offset),
                    field => self.set(to, Value::Field(field, u32::MAX)),
                }
                Some(next)
            }
            Op::Instruction(number) => {
                self.carry_out(instructions.get(usize::from(number))?)?;
                Some(next)
            }
            Op::Jump { to, cost } => self.jump(to, cost),
            Op::Compare {
                register,
                with,
                equal,
                other,
                cost,
            } => match self.get(register) {
                Value::Number(number) if number == i64::from(with) as u64 => self.jump(equal, cost),
                Value::Number(_) => self.jump(other, cost),
                Value::Field(field, mask) => {
                    self.demand_field(field, mask, i64::from(with) as u64)?;
                    self.jump(equal, cost)
                }
                Value::Far(distance, 0) if distance.shift == 0 => {
                    let field = field_of([Octet::Frame(distance.octet)]);
                    self.demand_field(field, distance.mask, i64::from(with) as u64)?;
                    self.jump(equal, cost)
                }
                _ => None,
            },
            Op::Pay(cost) => {
                self.cost = self.cost.checked_add(cost)?;
                Some(next)
            }
            // There is enough fuel for all of the way, or it is not taken.
            Op::Check => Some(next),
            Op::Return { value, cost } => {
                self.cost = self.cost.checked_add(u32::from(cost))?;
                Some(Step::End(value))
            }
            Op::Exit { cost } => {
                self.cost = self.cost.checked_add(u32::from(cost))?;
                match self.get(Register::R0) {
                    Value::Number(value) => Some(Step::End(value)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn jump(&mut self, to: Place, cost: u8) -> Option<Step> {
        self.cost = self.cost.checked_add(u32::from(cost))?;
        Some(Step::To(usize::from(to)))
    }

    /// The shortcut, when the way has come to its end.
    fn end(self, value: u64) -> Option<Shortcut> {
        let behind = match (self.distance, self.behind) {
            (None, _) => None,
            (Some(distance), Some(window)) => {
                let end = window.offset.checked_add(WINDOW)?;
                if self.behind_end > end {
                    return None;
                }
                Some(Behind { distance, window })
            }
            (Some(_), None) => return None,
        };
        Some(Shortcut {
            windows: self.windows.into(),
            behind,
            length: self.length,
            verdict: Verdict::numbered(value)?,
            cost: self.cost,
        })
    }

    /// Demands that the frame has the octet at `offset`.
    fn reach(&mut self, offset: u16) {
        self.length = self.length.max(usize::from(offset).saturating_add(1));
    }

    fn load_octet(&mut self, to: Register, octet: u16) {
        self.reach(octet);
        let distance = Distance {
            octet,
            shift: 0,
            mask: 0xff,
        };
        self.set(to, Value::Far(distance, 0));
    }

    /// Shifts a register to the left, masks it and adds.
    fn scale(&mut self, register: Register, shift: u8, mask: i32, add: i32) {
        let scaled = match (self.get(register), u16::try_from(add)) {
            (Value::Number(number), _) => {
                let masked = number.wrapping_shl(u32::from(shift)) & i64::from(mask) as u64;
                Value::Number(masked.wrapping_add(i64::from(add) as u64))
            }
            (Value::Field(field, before), Ok(0)) if shift == 0 => {
                Value::Field(field, before & mask as u32)
            }
            (Value::Far(distance, 0), Ok(add)) => match distance.scaled(shift, mask as u32) {
                Some(distance) => Value::Far(distance, add),
                None => Value::Unknown,
            },
            (Value::Far(distance, before), Ok(add)) if shift == 0 && mask == -1 => {
                match before.checked_add(add) {
                    Some(sum) => Value::Far(distance, sum),
                    None => Value::Unknown,
                }
            }
            _ => Value::Unknown,
        };
        self.set(register, scaled);
    }

    /// Follows an instruction that has no operation of its own.
    fn carry_out(&mut self, instruction: &Instruction) -> Option<()> {
        let (to, from) = (instruction.destination, instruction.source);
        let is_far = matches!(self.get(to), Value::Far(..));
        let number = i32::try_from(instruction.immediate as i64).ok()?;
        match instruction.operation {
            Operation::LoadContext => self.set(to, Value::Unknown),
            // Of what fits into 16 bits, the lower half is all.
            Operation::Lsh | Operation::Lsh32 if from == Register::Zero && is_far => {
                self.scale(to, u8::try_from(number).ok()?, -1, 0);
            }
            Operation::And | Operation::And32 if from == Register::Zero && is_far => {
                self.scale(to, 0, number, 0);
            }
            Operation::Add | Operation::Add32 if from == Register::Zero && is_far => {
                self.scale(to, 0, -1, number);
            }
            Operation::Mov32 if number == 0 => match self.get(from) {
                Value::Number(number) => self.set(to, Value::Number(u64::from(number as u32))),
                // All others have 32 bits.
                value => self.set(to, value),
            },
            _ => return None,
        }
        Some(())
    }

    /// The number in network order at `register + offset` in the frame, which is not to be before `least`.
    fn field_at<const N: usize>(
        &mut self,
        register: Register,
        offset: i64,
        least: i64,
    ) -> Option<[Octet; 4]> {
        let mut octets = [Octet::Unknown; N];
        for (index, octet) in octets.iter_mut().enumerate() {
            *octet = self.octet_at(register, offset, index, least)?;
        }
        Some(field_of(octets))
    }

    /// The number in the machine's order at `offset` in the stack.
    fn field_in_stack<const N: usize>(&self, offset: u16) -> Option<[Octet; 4]> {
        let octets = self.stack.get(usize::from(offset)..)?.first_chunk::<N>();
        let mut octets = *octets?;
        octets.reverse();
        Some(field_of(octets))
    }

    fn store<const N: usize>(
        &mut self,
        from: Register,
        offset: u16,
        add: i32,
        next: Step,
    ) -> Option<Step> {
        let mut stored = [Octet::Unknown; N];
        if let Value::Number(number) = self.get(from) {
            let sum = number.wrapping_add(i64::from(add) as u64).to_le_bytes();
            for (octet, number) in stored.iter_mut().zip(sum) {
                *octet = Octet::Number(number);
            }
        }
        let place = self.stack.get_mut(usize::from(offset)..)?;
        *place.first_chunk_mut()? = stored;
        Some(next)
    }

    /// The octet of the frame `index` octets behind `register + offset`, which is not to be before `least`. The frame is
    /// to have it.
    fn octet_at(
        &mut self,
        register: Register,
        offset: i64,
        index: usize,
        least: i64,
    ) -> Option<Octet> {
        let place = |number: i64| {
            let first = number.checked_add(offset).filter(|first| *first >= least);
            u16::try_from(first?.checked_add(index as i64)?).ok()
        };
        match self.get(register) {
            Value::Number(number) => {
                let place = place(i64::try_from(number).ok()?)?;
                self.reach(place);
                Some(Octet::Frame(place))
            }
            Value::Far(distance, more) => {
                if *self.distance.get_or_insert(distance) != distance {
                    return None;
                }
                let place = place(i64::from(more))?;
                self.behind_end = self.behind_end.max(place.checked_add(1)?);
                Some(Octet::Behind(place))
            }
            Value::Field(..) | Value::Unknown => None,
        }
    }

    fn copy(&mut self, copy: Copy) -> Option<()> {
        for index in 0..copy.length {
            let offset = i64::from(copy.offset);
            let octet = self.octet_at(copy.register, offset, usize::from(index), 0)?;
            let place = usize::from(copy.to.checked_add(index)?);
            *self.stack.get_mut(place)? = octet;
        }
        Some(())
    }

    /// Goes where a test of the frame leads that holds.
    fn test_frame<const N: usize>(&mut self, test: Test) -> Option<Step> {
        let field = self.field_at::<N>(Register::Zero, i64::from(test.offset), 0)?;
        self.demand_field(field, test.mask, u64::from(test.value))?;
        self.jump(test.equal, test.cost)
    }

    /// The same of the stack.
    fn test_stack<const N: usize>(&mut self, test: Test) -> Option<Step> {
        let field = self.field_in_stack::<N>(test.offset)?;
        self.demand_field(field, test.mask, u64::from(test.value))?;
        self.jump(test.equal, test.cost)
    }

    /// Demands that a number, under a mask, is another.
    fn demand_field(&mut self, field: [Octet; 4], mask: u32, value: u64) -> Option<()> {
        let value = u32::try_from(value).ok()?.to_be_bytes();
        let parts = field.into_iter().zip(mask.to_be_bytes()).zip(value);
        let mut parts: Vec<_> = parts.collect();
        // A window begins with the first of its octets.
        parts.sort_by_key(|((octet, _), _)| octet.offset());
        for ((octet, mask), value) in parts {
            self.demand(octet, mask, value)?;
        }
        Some(())
    }

    /// Demands that bits of an octet have a value; `None` where they never can.
    fn demand(&mut self, octet: Octet, mask: u8, value: u8) -> Option<()> {
        /// Windows of a program that is a filter.
        const MOST: usize = 4;
        if value & !mask != 0 {
            return None;
        }
        if mask == 0 {
            return Some(());
        }
        let opened = |offset| Window {
            offset,
            ..Window::default()
        };
        let within = |window: &Window, offset: u16| {
            let within = offset.checked_sub(window.offset);
            within.filter(|within| *within < WINDOW)
        };
        match octet {
            Octet::Unknown => None,
            Octet::Number(number) => (number & mask == value).then_some(()),
            Octet::Behind(offset) => {
                let window = self.behind.get_or_insert(opened(offset));
                window.demand(within(window, offset)?, mask, value)
            }
            Octet::Frame(offset) => {
                for window in &mut self.windows {
                    if let Some(within) = within(window, offset) {
                        return window.demand(within, mask, value);
                    }
                }
                let mut window = opened(offset);
                window.demand(0, mask, value)?;
                self.windows.push(window);
                (self.windows.len() <= MOST).then_some(())
            }
        }
    }
}

impl Distance {
    /// The same, shifted further and under another mask; `None` where it may be too far.
    fn scaled(self, shift: u8, mask: u32) -> Option<Self> {
        let shifted = self.shift.checked_add(shift).filter(|shift| *shift < 8)?;
        Some(Self {
            octet: self.octet,
            shift: shifted,
            mask: self.mask.checked_shl(u32::from(shift))? & mask,
        })
    }
}

/// The number that some octets make, the highest of them first.
fn field_of<const N: usize>(octets: [Octet; N]) -> [Octet; 4] {
    let mut field = [Octet::Number(0); 4];
    for (place, octet) in field.iter_mut().rev().zip(octets.into_iter().rev()) {
        *place = octet;
    }
    field
}
