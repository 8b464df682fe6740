//! A model of the 82540EM, for tests on the host.
//!
//! It has the card's registers with what they do on a read or a write, and moves frames through the
//! rings in the driver's memory as the card does. What a driver must never do (move a tail over the
//! head, change a descriptor that is the card's, point outside its memory) makes it panic. It is also
//! told to misbehave: see the fields of [`Model`].

use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::rc::Rc;
use std::vec::Vec;

use super::registers::*;
use super::ring::SLOTS;
use crate::dma::test_memory::TestMemory;
use crate::registers::RegisterAccess;

/// The address in the model's EEPROM.
pub(super) const EEPROM_ADDRESS: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// Bits of descriptors, written down a second time so that the driver's are not their own judge
/// (82540EM SDM §3.2.3, §3.3.3; 82576 datasheet §7.1.5, §7.2.2).
pub(super) const RECEIVED_WHOLE: u64 = 0x0007 << 32;
pub(super) const RECEIVED_PART: u64 = 0x0005 << 32;
pub(super) const ADVANCED_RECEIVED_WHOLE: u64 = 0x0000_0003;
pub(super) const ADVANCED_RECEIVED_PART: u64 = 0x0000_0001;
const TRANSMIT_DONE: u64 = 1 << 32;
const TRANSMIT_COMMAND: u64 = 0x0b << 24;
const ADVANCED_TRANSMIT_COMMAND: u64 = 0x2b30_0000;
/// What the card leaves of the address of a buffer, when it writes an advanced descriptor back.
const OVERWRITTEN: u64 = 0x5a5a_5a5a_0bad_f00d;

const MISSED: u32 = 0x4010;
const NO_BUFFER: u32 = 0x40a0;
const OVERSIZE: u32 = 0x40ac;
const GOOD_RECEIVED: u32 = 0x4074;
const GOOD_RECEIVED_OCTETS: u32 = 0x4088;
const GOOD_SENT: u32 = 0x4080;
const GOOD_SENT_OCTETS: u32 = 0x4090;

/// One access to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read(u32),
    Write(u32, u32),
}

/// What became of a frame on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// Discarded by a filter, or for its length.
    Filtered,
    /// No descriptor was left.
    Missed,
    /// The card does not receive at all.
    Deaf,
}

/// The card.
pub(super) struct Model {
    registers: Vec<u32>,
    memory: Rc<TestMemory>,
    /// Every access, in order.
    pub(super) accesses: Vec<Access>,
    /// Every frame that went out, in order.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) link_up: bool,
    /// Somebody asked it to pause.
    pub(super) paused: bool,
    /// Nothing answers.
    pub(super) gone: bool,
    /// What is read where nothing answers: all ones on a PCI bus, zeros of QEMU's where a card was unplugged.
    pub(super) gone_reads: u32,
    /// A reset changes no register, as on QEMU's model.
    pub(super) reset_keeps_registers: bool,
    /// The reset bit never clears.
    pub(super) stuck_in_reset: bool,
    /// Counters of errors do not clear on reading, as on QEMU's model.
    pub(super) counters_stick: bool,
    /// How many frames the transmitter sends before it stalls.
    pub(super) transmit_credit: usize,
    /// The EEPROM; `None` if it does not answer.
    pub(super) eeprom: Option<[u8; 6]>,
    /// The EEPROM is read as on the 82574.
    pub(super) late_eeprom: bool,
    /// The card is on PCI Express: a reset hangs unless it was told to leave memory alone.
    pub(super) express: bool,
    /// A write to an odd word of the VLAN table spoils the one before, as on the 82544.
    pub(super) words_in_pairs: bool,
    /// Descriptors are advanced, and queues are enabled by themselves.
    pub(super) advanced: bool,
    /// After how many reads a queue that is to be enabled says that it is.
    pub(super) slow_queues: u32,
    /// The same for the queues that are not yet.
    pending: [u32; 2],
    /// It never comes back from a reset while its rings hold frames, as the I219.
    pub(super) flushes_rings: bool,
    /// Its receive ring holds frames, for a reason that only it knows.
    pub(super) receive_ring_holds: bool,
    /// Some writes to the VLAN table get lost, as on the I350.
    pub(super) loses_vlan_words: bool,
    vlan_writes: u32,
    /// The PHY has negotiated.
    pub(super) negotiated: bool,
    /// After how many reads a message to the PHY is answered.
    pub(super) slow_phy: u32,
    phy_reads: u32,
    /// A message to the PHY is under way: nobody has read that it is done.
    pub(super) phy_is_busy: bool,
    /// What is added to the register that says whose the PHY is, while its guard is asked for in vain.
    pub(super) taken_meanwhile: u32,
    /// How often firmware does not let go of the PHY when it is asked for.
    pub(super) phy_refusals: u32,
    /// The same for the bits before the register that says whose it is.
    pub(super) guard_refusals: u32,
    /// How often the PHY was told to negotiate.
    pub(super) negotiations: u32,
    /// Descriptors are being overwritten behind the driver's back: it cannot be held to the rules
    /// that rest on what they say, and the model moves no octets to where they point.
    pub(super) lawless: bool,
    /// The transmit descriptors that are the card's, as the driver left them.
    queued: Vec<Option<(u64, u64)>>,
    /// The receive buffers that are the card's.
    offered: Vec<Option<u64>>,
}

/// The model as the driver and the test share it.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Rc<RefCell<Model>>);

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Handle")
    }
}

impl RegisterAccess for Handle {
    fn read(&self, offset: u32) -> u32 {
        self.0.borrow_mut().read(offset)
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.0.borrow_mut().write(offset, value);
    }

    fn configuration(&self, offset: u16) -> u32 {
        let model = self.0.borrow();
        assert_eq!((offset, model.flushes_rings), (0xe4, true));
        match model.gone {
            true => u32::MAX,
            false => u32::from(model.rings_hold_frames()) << 8 | 0x5a,
        }
    }
}

impl Model {
    pub(super) fn new(memory: Rc<TestMemory>) -> Self {
        let mut model = Self {
            registers: std::vec![0; REGISTERS_LENGTH as usize / 4],
            memory,
            accesses: Vec::new(),
            sent: Vec::new(),
            link_up: true,
            paused: false,
            gone: false,
            gone_reads: u32::MAX,
            reset_keeps_registers: false,
            stuck_in_reset: false,
            counters_stick: false,
            transmit_credit: usize::MAX,
            eeprom: Some(EEPROM_ADDRESS),
            late_eeprom: false,
            express: false,
            words_in_pairs: false,
            advanced: false,
            slow_queues: 0,
            pending: [0; 2],
            flushes_rings: false,
            receive_ring_holds: false,
            loses_vlan_words: false,
            vlan_writes: 0,
            negotiated: true,
            slow_phy: 0,
            phy_refusals: 0,
            guard_refusals: 0,
            phy_reads: 0,
            phy_is_busy: false,
            taken_meanwhile: 0,
            negotiations: 0,
            lawless: false,
            queued: std::vec![None; SLOTS],
            offered: std::vec![None; SLOTS],
        };
        model.reset();
        model
    }

    /// What a reset brings back.
    pub(super) fn reset(&mut self) {
        self.registers.fill(0);
        self.set(MANC.offset(), Management::ARP_EN.bits());
        // Wired to a board: two pins are outputs that are high.
        self.set(CTRL.offset(), 0x00c0_0000);
        if let Some([a, b, c, d, e, f]) = self.eeprom {
            self.set(RAL.first().offset(), u32::from_le_bytes([a, b, c, d]));
            let high = u32::from_le_bytes([e, f, 0, 0]) | ADDRESS_VALID;
            self.set(RAH.first().offset(), high);
        }
        self.queued.fill(None);
        self.offered.fill(None);
    }

    /// A register's content, without what reading it does.
    pub(super) fn peek(&self, offset: u32) -> u32 {
        self.registers[offset as usize / 4]
    }

    /// Where the driver finds the octet that the card knows as `physical`.
    pub(super) fn locate(&self, physical: u64) -> *const u8 {
        self.memory.reach(physical, 1).as_ptr()
    }

    /// Changes a register's content, without what writing it does.
    pub(super) fn set(&mut self, offset: u32, value: u32) {
        self.registers[offset as usize / 4] = value;
    }

    fn add(&mut self, offset: u32, events: u32) {
        self.set(offset, self.peek(offset).saturating_add(events));
    }

    fn add_wide(&mut self, offset: u32, events: u64) {
        let value = u64::from(self.peek(offset + 4)) << 32 | u64::from(self.peek(offset));
        let value = value + events;
        self.set(offset, value as u32);
        self.set(offset + 4, (value >> 32) as u32);
    }

    fn read(&mut self, offset: u32) -> u32 {
        self.accesses.push(Access::Read(offset));
        if self.gone {
            return self.gone_reads;
        }
        let value = self.peek(offset);
        match offset {
            _ if offset == STATUS.offset() => self.status(),
            _ if offset == EERD.offset() => self.eeprom_answer(value),
            _ if offset == MDIC.offset() => self.phy_answer(value),
            _ if offset == RXDCTL.offset() => self.queue_control(offset, value, 0),
            _ if offset == TXDCTL.offset() => self.queue_control(offset, value, 1),
            _ if offset == ICR.offset() => self.clear(offset, value),
            _ if offset == SWSM.offset() => {
                self.set(offset, value | 1);
                value
            }
            _ if offset == SW_FW_SYNC.offset() && self.phy_refusals > 0 => {
                self.phy_refusals -= 1;
                value | 0xffff_0000
            }
            _ if offset == GOOD_RECEIVED_OCTETS || offset == GOOD_SENT_OCTETS => value,
            _ if offset == GOOD_RECEIVED_OCTETS + 4 || offset == GOOD_SENT_OCTETS + 4 => {
                self.set(offset - 4, 0);
                self.clear(offset, value)
            }
            0x4000..0x4074 | NO_BUFFER if self.counters_stick => value,
            0x4000..0x4100 => self.clear(offset, value),
            _ => value,
        }
    }

    fn clear(&mut self, offset: u32, value: u32) -> u32 {
        self.set(offset, 0);
        value
    }

    fn status(&self) -> u32 {
        let left_alone = self.peek(CTRL.offset()) & 1 << 2 != 0;
        let reaches_memory = u32::from(self.express && !left_alone) << 19;
        // 1,000 Mbit/s, full duplex.
        let paused = u32::from(self.paused) << 4;
        0x8000_0081 | u32::from(self.link_up) << 1 | paused | reaches_memory
    }

    fn queue_control(&mut self, offset: u32, value: u32, queue: usize) -> u32 {
        if !self.advanced || self.pending[queue] == 0 {
            return value;
        }
        self.pending[queue] -= 1;
        if self.pending[queue] == 0 {
            self.set(offset, value | QUEUE_ENABLE);
        }
        value
    }

    fn phy_answer(&mut self, value: u32) -> u32 {
        if self.phy_reads < self.slow_phy {
            self.phy_reads += 1;
            return value;
        }
        self.phy_is_busy = false;
        let answer = match value & 0x0fff_0000 {
            0x0821_0000 => value | u32::from(self.negotiated) << 5,
            _ => value,
        };
        answer | 1 << 28
    }

    fn phy_message(&mut self, value: u32) {
        self.phy_reads = 0;
        self.phy_is_busy = true;
        if value == 0x0420_1200 {
            self.negotiations += 1;
            self.negotiated = true;
            self.link_up = true;
        } else {
            assert_eq!(value, 0x0821_0000, "a message that no PHY understands");
        }
    }

    fn eeprom_answer(&self, value: u32) -> u32 {
        let (shift, done) = if self.late_eeprom {
            (2, 0x02)
        } else {
            (8, 0x10)
        };
        let (start, address) = (value & 1, (value >> shift & 0xff) as usize);
        match self.eeprom {
            Some(octets) if start == 1 && address < 3 => {
                let word = u16::from_le_bytes([octets[2 * address], octets[2 * address + 1]]);
                u32::from(word) << 16 | value & 0xff00 | done
            }
            _ => value & !done,
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.accesses.push(Access::Write(offset, value));
        if self.gone {
            return;
        }
        let receives = self.receives();
        let transmits = self.transmits();
        for (head, runs) in [(RDH, receives), (TDH, transmits)] {
            assert!(
                offset != head.offset() || !runs,
                "a head was written while its ring runs"
            );
        }
        match offset {
            _ if offset == CTRL.offset() => self.control(value),
            _ if offset == RDLEN.offset() || offset == TDLEN.offset() => {
                self.set(offset, value & 0xf_ff80);
            }
            _ if self.advanced && (offset == RXDCTL.offset() || offset == TXDCTL.offset()) => {
                let queue = usize::from(offset == TXDCTL.offset());
                self.pending[queue] = self.slow_queues;
                let enabled = match self.slow_queues {
                    0 => value,
                    _ => value & !QUEUE_ENABLE,
                };
                self.set(offset, enabled);
            }
            _ if offset == EXTCNF_CTRL.offset() && value & 1 << 5 != 0 && self.phy_refusals > 0 => {
                self.phy_refusals -= 1;
            }
            _ if offset == SWSM.offset() && value & 2 != 0 && self.guard_refusals > 0 => {
                self.guard_refusals -= 1;
                self.set(
                    SW_FW_SYNC.offset(),
                    self.peek(SW_FW_SYNC.offset()) | self.taken_meanwhile,
                );
                self.set(offset, value & !2);
            }
            _ if offset == SW_FW_SYNC.offset() => {
                let has_guard = self.peek(SWSM.offset()) & 3 == 3;
                assert!(
                    has_guard || self.guard_refusals > 0,
                    "changed without its guard"
                );
                self.set(offset, value & 0xffff);
            }
            _ if offset == MDIC.offset() => {
                assert!(self.has_lent_phy(), "a message to a PHY that is not ours");
                self.set(offset, value);
                self.phy_message(value);
            }
            _ if offset == RDT.offset() && receives => self.offer(value),
            _ if offset == RDT.offset() && self.pending[0] > 0 => {
                assert_eq!(value, 0, "a tail was written before its queue was enabled");
            }
            _ if offset == RCTL.offset()
                && !self.advanced
                && !receives
                && value & ReceiveControl::EN.bits() != 0 =>
            {
                self.set(offset, value);
                let tail = self.peek(RDT.offset());
                self.set(RDT.offset(), self.peek(RDH.offset()));
                self.offer(tail);
            }
            _ if offset == TDT.offset() => {
                self.queue(value, transmits);
                self.pump();
            }
            _ if offset == TCTL.offset() => {
                self.set(offset, value);
                self.pump();
            }
            0x5600..0x5800 if self.loses_vlan_words => {
                self.vlan_writes += 1;
                if self.vlan_writes.is_multiple_of(10) {
                    self.set(offset, value);
                }
            }
            0x5600..0x5800 if self.words_in_pairs && offset & 4 != 0 => {
                self.set(offset - 4, value);
                self.set(offset, value);
            }
            _ => self.set(offset, value),
        }
        self.flush_rings(offset);
    }

    fn receives(&self) -> bool {
        let queue = !self.advanced || self.peek(RXDCTL.offset()) & QUEUE_ENABLE != 0;
        queue && self.peek(RCTL.offset()) & ReceiveControl::EN.bits() != 0
    }

    fn transmits(&self) -> bool {
        let queue = !self.advanced || self.peek(TXDCTL.offset()) & QUEUE_ENABLE != 0;
        queue && self.peek(TCTL.offset()) & TransmitControl::EN.bits() != 0
    }

    /// Whether software has the PHY.
    pub(super) fn has_lent_phy(&self) -> bool {
        self.peek(SW_FW_SYNC.offset()) & 1 << 1 != 0
    }

    /// Whether a reset now is its last.
    pub(super) fn rings_hold_frames(&self) -> bool {
        self.receive_ring_holds || self.peek(TDH.offset()) != self.peek(TDT.offset())
    }

    /// Takes up what is in the rings, when it is told to in the way that it wants.
    fn flush_rings(&mut self, offset: u32) {
        let is_slow = self.peek(0x5bbc) & 1 << 13 != 0;
        if !self.flushes_rings || !is_slow {
            return;
        }
        if offset == TDT.offset() && self.transmits() {
            // Without sending any of it.
            let tail = self.peek(TDT.offset());
            self.set(TDH.offset(), tail);
            self.queued.fill(None);
        }
        let thresholds = self.peek(RXDCTL.offset());
        if offset == RCTL.offset() && self.receives() && thresholds == 0x0101_011f {
            self.receive_ring_holds = false;
        }
    }

    fn control(&mut self, value: u32) {
        if value & Control::RST.bits() != 0 && self.flushes_rings {
            assert!(!self.rings_hold_frames(), "reset for ever");
        }
        if value & Control::RST.bits() != 0 && self.express {
            assert!(value & 1 << 2 != 0, "reset while it may reach memory");
        }
        if value & Control::RST.bits() == 0 || self.stuck_in_reset {
            self.set(CTRL.offset(), value);
        } else if self.reset_keeps_registers {
            self.set(CTRL.offset(), value & !Control::RST.bits());
        } else {
            self.reset();
        }
    }

    /// The slots of a ring, from its length register.
    fn slots(&self, length: &Register<u32>) -> u32 {
        self.peek(length.offset()) / 16
    }

    /// One half of a descriptor, as an atomic in the driver's memory.
    fn descriptor(&self, low: &Register<u32>, index: u32, half: u64) -> &AtomicU64 {
        let base =
            u64::from(self.peek(low.offset() + 4)) << 32 | u64::from(self.peek(low.offset()));
        let word = self.memory.reach(base + u64::from(index) * 16 + half, 8);
        // SAFETY: `reach` checked that eight octets are there; they are aligned, and the driver, too,
        // looks at them as an atomic only.
        unsafe { word.cast::<AtomicU64>().as_ref() }
    }

    /// The tail of the receive ring moves: more buffers are the card's.
    fn offer(&mut self, tail: u32) {
        let (head, old, slots) = (
            self.peek(RDH.offset()),
            self.peek(RDT.offset()),
            self.slots(&RDLEN),
        );
        assert!(tail < slots, "the receive tail is outside the ring");
        let ahead = |index: u32| (index + slots - head) % slots;
        if !self.lawless {
            assert_ne!(tail, head, "the receive tail met the head");
            assert!(
                ahead(tail) >= ahead(old),
                "the receive tail moved over the head"
            );
        }
        let mut index = old;
        while index != tail {
            let address = self.descriptor(&RDBAL, index, 0).load(Ordering::Acquire);
            let fields = self.descriptor(&RDBAL, index, 8).load(Ordering::Acquire);
            assert!(
                self.lawless || fields == 0,
                "a descriptor was offered with old status"
            );
            self.offered[index as usize] = Some(address);
            index = (index + 1) % slots;
        }
        self.set(RDT.offset(), tail);
    }

    /// The tail of the transmit ring moves: more frames are the card's.
    fn queue(&mut self, tail: u32, transmits: bool) {
        let (head, old, slots) = (
            self.peek(TDH.offset()),
            self.peek(TDT.offset()),
            self.slots(&TDLEN),
        );
        if transmits {
            assert!(tail < slots, "the transmit tail is outside the ring");
            let ahead = |index: u32| (index + slots - head) % slots;
            assert!(
                self.lawless || ahead(tail) > ahead(old) || tail == old && self.flushes_rings,
                "the transmit tail moved over the head, or not at all"
            );
            let mut index = old;
            while index != tail {
                let address = self.descriptor(&TDBAL, index, 0).load(Ordering::Acquire);
                let fields = self.descriptor(&TDBAL, index, 8).load(Ordering::Acquire);
                self.queued[index as usize] = Some((address, fields));
                index = (index + 1) % slots;
            }
        }
        self.set(TDT.offset(), tail);
    }

    /// Sends what is queued, as far as the credit goes.
    pub(super) fn pump(&mut self) {
        if !self.transmits() {
            return;
        }
        while self.transmit_credit > 0 && self.peek(TDH.offset()) != self.peek(TDT.offset()) {
            self.transmit_credit -= 1;
            self.send_one();
        }
    }

    fn send_one(&mut self) {
        let head = self.peek(TDH.offset());
        let address = self.descriptor(&TDBAL, head, 0).load(Ordering::Acquire);
        let fields = self.descriptor(&TDBAL, head, 8).load(Ordering::Acquire);
        let left = self.queued[head as usize].take();
        if !self.lawless {
            assert_eq!(
                left,
                Some((address, fields)),
                "a queued descriptor was changed"
            );
            let command = if self.advanced {
                assert_eq!(fields & 0xffff, fields >> 46, "two lengths");
                ADVANCED_TRANSMIT_COMMAND
            } else {
                TRANSMIT_COMMAND
            };
            assert_eq!(fields & 0xffff_0000, command, "a wrong command");
            let length = usize::from(fields as u16);
            let octets = self.memory.reach(address, length);
            // SAFETY: `reach` checked that they are there; the driver does not look at a buffer
            // that it has queued.
            let frame = unsafe { core::slice::from_raw_parts(octets.as_ptr(), length) }.to_vec();
            self.add(GOOD_SENT, 1);
            self.add_wide(GOOD_SENT_OCTETS, length as u64 + 4);
            self.sent.push(frame);
        }
        let done = self.descriptor(&TDBAL, head, 8);
        if self.advanced {
            self.descriptor(&TDBAL, head, 0)
                .store(OVERWRITTEN, Ordering::Release);
            done.store(TRANSMIT_DONE, Ordering::Release);
        } else {
            done.store(fields | TRANSMIT_DONE, Ordering::Release);
        }
        self.set(TDH.offset(), (head + 1) % self.slots(&TDLEN));
    }

    /// A frame, without its check sequence, arrives on the wire.
    pub(super) fn receive(&mut self, frame: &[u8]) -> Outcome {
        let control = ReceiveControl::from_bits_retain(self.peek(RCTL.offset()));
        if self.gone || !self.link_up || !self.receives() {
            return Outcome::Deaf;
        }
        if frame.len() > 1518 && !control.contains(ReceiveControl::LPE) {
            self.add(OVERSIZE, 1);
            return Outcome::Filtered;
        }
        if !self.passes(control, frame) {
            return Outcome::Filtered;
        }
        assert!(
            control.contains(ReceiveControl::SECRC),
            "check sequences would be delivered"
        );
        let fields = if self.advanced {
            ADVANCED_RECEIVED_WHOLE | (frame.len() as u64) << 32
        } else {
            RECEIVED_WHOLE | frame.len() as u64
        };
        let outcome = self.deliver(frame, fields);
        if outcome == Outcome::Delivered {
            self.add(GOOD_RECEIVED, 1);
            self.add_wide(GOOD_RECEIVED_OCTETS, frame.len() as u64 + 4);
        }
        outcome
    }

    /// Fills the next descriptor with `fields`, whatever they are, and its buffer with `octets`.
    pub(super) fn deliver(&mut self, octets: &[u8], fields: u64) -> Outcome {
        let (head, tail) = (self.peek(RDH.offset()), self.peek(RDT.offset()));
        if head == tail {
            self.add(MISSED, 1);
            self.add(NO_BUFFER, 1);
            return Outcome::Missed;
        }
        let address = self.descriptor(&RDBAL, head, 0).load(Ordering::Acquire);
        let offered = self.offered[head as usize].take();
        if !self.lawless {
            assert_eq!(offered, Some(address), "an offered descriptor was changed");
            assert!(octets.len() <= 2048, "no buffer takes that much");
            let buffer = self.memory.reach(address, 2048);
            // SAFETY: `reach` checked that 2,048 octets are there; the driver does not look at a
            // buffer that it has offered.
            unsafe { buffer.copy_from_nonoverlapping(NonNull::from(octets).cast(), octets.len()) };
        }
        if self.advanced {
            let control = self.peek(SRRCTL.offset());
            assert_eq!(control, 0x0200_0002, "not one buffer of 2 KiB");
            self.descriptor(&RDBAL, head, 0)
                .store(OVERWRITTEN, Ordering::Release);
        }
        let done = self.descriptor(&RDBAL, head, 8);
        done.store(fields, Ordering::Release);
        self.set(RDH.offset(), (head + 1) % self.slots(&RDLEN));
        Outcome::Delivered
    }

    /// Overwrites a descriptor of either ring, whoever owns it.
    pub(super) fn scribble(&mut self, receive: bool, index: u32, buffer: u64, fields: u64) {
        self.lawless = true;
        let base = if receive { RDBAL } else { TDBAL };
        if self.peek(base.offset()) == 0 {
            // Between a reset and the rings there is nothing to spoil.
            return;
        }
        for (half, value) in [(0, buffer), (8, fields)] {
            self.descriptor(&base, index, half)
                .store(value, Ordering::Release);
        }
    }

    fn passes(&self, control: ReceiveControl, frame: &[u8]) -> bool {
        let destination = &frame[..6];
        let more = RAL_MORE.iter().zip(RAH_MORE.iter());
        let addresses = RAL.iter().zip(RAH.iter());
        let more = more.take(if self.advanced { 16 } else { 0 });
        let to_us = addresses.chain(more).any(|(low, high)| {
            let (low, high) = (self.peek(low.offset()), self.peek(high.offset()));
            high & ADDRESS_VALID != 0
                && low.to_le_bytes() == destination[..4]
                && high.to_le_bytes()[..2] == destination[4..]
        });
        let to_all = destination == [0xff; 6] && control.contains(ReceiveControl::BAM);
        let hashed = UTA.iter().any(|word| self.peek(word.offset()) != 0);
        let promiscuous = control.contains(ReceiveControl::UPE) || self.advanced && hashed;
        let ether_type = u32::from(u16::from_be_bytes([frame[12], frame[13]]));
        let vlan_passes =
            !control.contains(ReceiveControl::VFE) || ether_type != self.peek(VET.offset()) || {
                let vid = u32::from(u16::from_be_bytes([frame[14], frame[15]]) & 0xfff);
                let word = self.peek(VFTA.first().offset() + vid / 32 * 4);
                word >> (vid % 32) & 1 == 1
            };
        (to_us || to_all || promiscuous) && vlan_passes
    }
}
