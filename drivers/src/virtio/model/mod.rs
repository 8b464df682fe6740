//! A model of a virtio network device, for tests on the host.
//!
//! It has the device's status, features, configuration and queues, and moves frames through the queues
//! in the driver's memory as the device does. What a driver must never do (change a descriptor that is
//! the device's, give one twice, use a queue too early, notify when asked not to) makes it panic. It is
//! also told to misbehave: see the fields of [`Model`].
//!
//! Offsets, flags and numbers are written down here a second time, so that the driver's are not their
//! own judge (virtio 1.2 §2.7, §5.1).

pub(super) mod mmio;
mod queue;

use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::vec::Vec;

use super::mmio::MmioTransport;
use super::transport::{Placement, Status, Transport};
use crate::dma::test_memory::TestMemory;
use queue::{Chain, NEXT, Piece, Queue, WRITE};

/// The model's address.
pub(super) const ADDRESS: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// Features 5, 16 to 19, 32, 63, and some that nobody should take.
const OFFERED: u64 = 1 << 63 | 1 << 32 | 0xf << 16 | 1 << 15 | 1 << 29 | 1 << 5 | 0b11;
/// The same from before version 1.0.
pub(super) const OFFERED_LEGACY: u64 = 0xf << 16 | 1 << 27 | 1 << 5;

/// What became of a frame on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// Discarded by a filter.
    Filtered,
    /// No buffer was left.
    Missed,
    /// The device does not receive at all.
    Deaf,
}

/// The device.
pub(super) struct Model {
    memory: Rc<TestMemory>,
    pub(super) status: u8,
    /// How many reads of the status a reset takes.
    pub(super) reset_takes: usize,
    resetting: usize,
    pub(super) offered: u64,
    /// What it answers with to any choice of features.
    pub(super) refuses_features: bool,
    pub(super) accepted: u64,
    pub(super) limits: [u16; 3],
    queues: [Option<Queue>; 3],
    pub(super) is_legacy: bool,
    /// Its registers are those of virtio-mmio.
    pub(super) is_mmio: bool,
    pub(super) address: [u8; 6],
    pub(super) link_up: bool,
    pub(super) speed: u32,
    /// Nothing answers.
    pub(super) gone: bool,
    /// What the status reads as then.
    pub(super) gone_reads: u8,
    /// Every notification, in order.
    pub(super) notified: Vec<u16>,
    /// Every frame that went out, in order.
    pub(super) sent: Vec<Vec<u8>>,
    /// How many frames the transmitter sends before it stalls.
    pub(super) transmit_credit: usize,
    /// Sent frames are given back in the reverse order.
    pub(super) backwards: bool,
    /// Commands are left alone.
    pub(super) ignores_commands: bool,
    /// Commands are refused.
    pub(super) refuses_commands: bool,
    /// How many commands were carried out.
    pub(super) commands: usize,
    pub(super) promiscuous: bool,
    pub(super) vlans: BTreeSet<u16>,
    /// Its memory is being overwritten behind the driver's back: the driver cannot be held to the rules
    /// that rest on what it says.
    pub(super) lawless: bool,
    /// The first octets of the header in front of each frame: flags first.
    pub(super) frame_header: [u8; 10],
}

/// Where a legacy device finds the parts of a queue (virtio 1.2 §2.7.2).
fn legacy_placement(descriptors: u64, size: u16, alignment: u64) -> Placement {
    let count = u64::from(size);
    let driver = descriptors + 16 * count;
    Placement {
        size,
        descriptors,
        driver,
        device: (driver + 6 + 2 * count).next_multiple_of(alignment),
    }
}

/// The model as the driver and the test share it.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Rc<RefCell<Model>>);

impl core::fmt::Debug for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Handle")
    }
}

impl Transport for Handle {
    fn is_legacy(&self) -> bool {
        self.0.borrow().is_legacy
    }

    fn has_fixed_queues(&self) -> bool {
        let model = self.0.borrow();
        model.is_legacy && !model.is_mmio
    }

    fn read_status(&self) -> Status {
        Status::from_bits_retain(self.0.borrow_mut().read_status())
    }

    fn write_status(&mut self, status: Status) {
        self.0.borrow_mut().write_status(status.bits());
    }

    fn read_features(&mut self) -> u64 {
        self.0.borrow().offered
    }

    fn write_features(&mut self, features: u64) {
        let mut model = self.0.borrow_mut();
        assert_eq!(features & !model.offered, 0, "more than was offered");
        assert_eq!(model.status & 8, 0, "features are agreed upon already");
        model.accepted = features;
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        let model = self.0.borrow();
        model.limits.get(usize::from(queue)).copied().unwrap_or(0)
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        self.0.borrow_mut().enable_queue(queue, placement);
    }

    fn notify(&mut self, queue: u16) {
        self.0.borrow_mut().notify(queue);
    }

    fn read_generation(&self) -> u32 {
        0
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        match offset {
            0..6 => self.0.borrow().address[offset as usize],
            16 => 1,
            _ => u8::MAX,
        }
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        match offset {
            6 => u16::from(self.0.borrow().link_up),
            10 => 1400,
            _ => u16::MAX,
        }
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        match offset {
            12 => self.0.borrow().speed,
            _ => u32::MAX,
        }
    }
}

/// What stands between the driver and the model.
#[derive(Debug)]
pub(super) enum Way {
    /// Nothing.
    Straight(Handle),
    /// The registers of virtio-mmio.
    Mmio(MmioTransport<mmio::Block>),
}

impl Way {
    /// The one that the model asks for.
    pub(super) fn to(handle: Handle) -> Self {
        let (is_mmio, is_legacy) = {
            let model = handle.0.borrow();
            (model.is_mmio, model.is_legacy)
        };
        if is_mmio {
            let block = mmio::Block::new(handle, is_legacy);
            Self::Mmio(MmioTransport::new(block).unwrap())
        } else {
            Self::Straight(handle)
        }
    }
}

/// Does the same with whichever it is.
macro_rules! with_way {
    ($way:expr, $transport:ident => $work:expr) => {
        match $way {
            Way::Straight($transport) => $work,
            Way::Mmio($transport) => $work,
        }
    };
}

impl Transport for Way {
    fn is_legacy(&self) -> bool {
        with_way!(self, transport => transport.is_legacy())
    }

    fn has_fixed_queues(&self) -> bool {
        with_way!(self, transport => transport.has_fixed_queues())
    }

    fn read_status(&self) -> Status {
        with_way!(self, transport => transport.read_status())
    }

    fn write_status(&mut self, status: Status) {
        with_way!(self, transport => transport.write_status(status));
    }

    fn read_features(&mut self) -> u64 {
        with_way!(self, transport => transport.read_features())
    }

    fn write_features(&mut self, features: u64) {
        with_way!(self, transport => transport.write_features(features));
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        with_way!(self, transport => transport.read_queue_limit(queue))
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        with_way!(self, transport => transport.enable_queue(queue, placement));
    }

    fn notify(&mut self, queue: u16) {
        with_way!(self, transport => transport.notify(queue));
    }

    fn read_generation(&self) -> u32 {
        with_way!(self, transport => transport.read_generation())
    }

    fn read_config_u8(&self, offset: u32) -> u8 {
        with_way!(self, transport => transport.read_config_u8(offset))
    }

    fn read_config_u16(&self, offset: u32) -> u16 {
        with_way!(self, transport => transport.read_config_u16(offset))
    }

    fn read_config_u32(&self, offset: u32) -> u32 {
        with_way!(self, transport => transport.read_config_u32(offset))
    }
}

impl Model {
    pub(super) fn new(memory: Rc<TestMemory>) -> Self {
        Self {
            memory,
            // As firmware left it.
            status: 0x0f,
            reset_takes: 0,
            resetting: 0,
            offered: OFFERED,
            refuses_features: false,
            accepted: 0,
            limits: [1024, 256, 64],
            queues: Default::default(),
            is_legacy: false,
            is_mmio: false,
            frame_header: [0xee; 10],
            address: ADDRESS,
            link_up: true,
            speed: u32::MAX,
            gone: false,
            gone_reads: u8::MAX,
            notified: Vec::new(),
            sent: Vec::new(),
            transmit_credit: usize::MAX,
            backwards: false,
            ignores_commands: false,
            refuses_commands: false,
            commands: 0,
            promiscuous: true,
            vlans: BTreeSet::new(),
            lawless: false,
        }
    }

    /// What a reset brings back.
    pub(super) fn reset(&mut self) {
        self.status = 0;
        self.accepted = 0;
        self.queues = Default::default();
        self.promiscuous = true;
        self.vlans.clear();
    }

    fn read_status(&mut self) -> u8 {
        if self.gone {
            return self.gone_reads;
        }
        if self.resetting > 0 {
            self.resetting -= 1;
            if self.resetting == 0 {
                self.reset();
            }
        }
        self.status
    }

    fn write_status(&mut self, status: u8) {
        if self.gone {
            return;
        }
        if status == 0 && self.reset_takes > 0 {
            self.resetting = self.reset_takes;
        } else if status == 0 {
            self.reset();
        } else if status & 0x80 != 0 {
            self.status |= 0x80;
        } else {
            let before = self.status;
            assert_eq!(
                before & !status,
                0,
                "the driver took back {before:#x} for {status:#x}"
            );
            let steps = [0, 1, 3, 11, 15];
            let legacy_steps = [0, 1, 3, 7];
            let lawful = if self.is_legacy {
                &legacy_steps[..]
            } else {
                &steps
            };
            let step = lawful.iter().position(|&step| step == status);
            let previous = lawful.iter().position(|&step| step == before);
            assert_eq!(
                step,
                previous.map(|step| step + 1),
                "{before:#x} to {status:#x}"
            );
            let refused = if self.refuses_features { 8 } else { 0 };
            self.status = status & !refused;
        }
    }

    fn enable_queue(&mut self, queue: u16, placement: Placement) {
        assert_eq!(
            self.status & 4,
            0,
            "a queue is placed while the device runs"
        );
        assert!(
            self.is_legacy || self.status & 8 != 0,
            "a queue before the features"
        );
        let size = placement.size;
        assert!(size.is_power_of_two() && size <= self.limits[usize::from(queue)]);
        if self.is_legacy && !self.is_mmio {
            assert_eq!(size, self.limits[usize::from(queue)]);
            let derived = legacy_placement(placement.descriptors, size, 4096);
            assert_eq!(placement, derived, "not where such a device looks");
            assert!(placement.descriptors.is_multiple_of(4096));
        }
        let is_packed = self.accepted >> 34 & 1 == 1;
        let memory = Rc::clone(&self.memory);
        let placed = Queue::new(memory, placement, is_packed);
        assert!(placed.wants_no_interrupts(), "nobody hears interrupts");
        self.queues[usize::from(queue)] = Some(placed);
    }

    fn runs(&self) -> bool {
        self.status & 0x44 == 4 && !self.gone && self.resetting == 0
    }

    fn notify(&mut self, queue: u16) {
        if self.gone {
            return;
        }
        assert!(self.status & 4 != 0, "notified before the driver was ready");
        assert!(
            self.lawless || !self.asked_for_silence(queue),
            "notified against its wish"
        );
        self.notified.push(queue);
        match queue {
            0 => self.observe(),
            1 => self.pump(),
            2 => self.obey(),
            _ => panic!("there is no queue {queue}"),
        }
    }

    /// Whether the device asked not to be notified.
    fn asked_for_silence(&self, queue: u16) -> bool {
        let queue = &self.queues[usize::from(queue)];
        queue.as_ref().unwrap().asks_for_silence()
    }

    /// Asks to be notified, or not.
    pub(super) fn ask_for_silence(&self, queue: usize, silence: bool) {
        self.queues[queue]
            .as_ref()
            .unwrap()
            .ask_for_silence(silence);
    }

    /// Checks that the driver has changed nothing that is the device's.
    pub(super) fn verify(&self) {
        if !self.lawless {
            self.queues.iter().flatten().for_each(Queue::verify);
        }
    }

    /// Looks at what the driver has made available.
    pub(super) fn observe(&mut self) {
        for queue in self.queues.iter_mut().flatten() {
            queue.observe(self.lawless);
        }
    }

    fn take(&mut self, queue: usize) -> Option<Chain> {
        self.queues[queue].as_mut()?.take(self.lawless)
    }

    /// Gives a chain back.
    fn put_back(&mut self, queue: usize, id: u16, length: u32) {
        if let Some(queue) = &mut self.queues[queue] {
            queue.put_back(id, length);
        }
    }

    /// Says that anything was used.
    pub(super) fn put_anything_back(&mut self, queue: usize, id: u32, length: u32) {
        if let Some(queue) = &mut self.queues[queue] {
            queue.put_anything_back(id, length, 1);
        }
    }

    /// Does anything to where it says what was used.
    pub(super) fn move_used(&mut self, queue: usize, by: u16) {
        if let Some(queue) = &mut self.queues[queue] {
            queue.move_used(by);
        }
    }

    fn header(&self) -> usize {
        if self.accepted >> 32 & 1 == 1 { 12 } else { 10 }
    }

    /// A frame, without its check sequence, arrives on the wire.
    pub(super) fn receive(&mut self, frame: &[u8]) -> Outcome {
        if !self.runs() || !self.link_up {
            return Outcome::Deaf;
        }
        if !self.passes(frame) {
            return Outcome::Filtered;
        }
        let header = self.header();
        self.deliver(frame, (header + frame.len()) as u32)
    }

    /// Fills the next buffer with `octets`, and says that it is `length` octets, header included.
    pub(super) fn deliver(&mut self, octets: &[u8], length: u32) -> Outcome {
        let Some(chain) = self.take(0) else {
            return Outcome::Missed;
        };
        let header = self.header();
        let [piece] = chain.pieces[..] else {
            assert!(self.lawless, "a receive buffer in pieces: {chain:?}");
            return Outcome::Missed;
        };
        let is_right = piece.flags & (NEXT | WRITE) == WRITE && piece.length == header + 2048;
        if !is_right {
            assert!(self.lawless, "no receive buffer: {piece:?}");
            return Outcome::Missed;
        }
        let buffer = self.memory.reach(piece.address, piece.length);
        // SAFETY: `reach` checked that the octets are there; the driver does not look at a buffer that
        // it has given. A header of nonsense must do no harm.
        unsafe {
            buffer.write_bytes(0xee, header);
            let said = NonNull::from(&self.frame_header).cast();
            buffer.copy_from_nonoverlapping(said, 10);
            let frame = NonNull::from(octets).cast();
            buffer
                .add(header)
                .copy_from_nonoverlapping(frame, octets.len().min(2048));
        }
        self.put_back(0, chain.id, length);
        Outcome::Delivered
    }

    fn passes(&self, frame: &[u8]) -> bool {
        if self.promiscuous {
            return true;
        }
        let to_us = frame[..6] == self.address || frame[..6] == [0xff; 6];
        let filters_vlans = self.accepted >> 19 & 1 == 1;
        let is_tagged = frame[12..14] == [0x81, 0];
        let vid = u16::from_be_bytes([frame[14], frame[15]]) & 0xfff;
        to_us && (!filters_vlans || !is_tagged || self.vlans.contains(&vid))
    }

    /// Sends what is queued, as far as the credit goes.
    pub(super) fn pump(&mut self) {
        let mut done = Vec::new();
        while self.runs() && self.transmit_credit > 0 {
            let Some(chain) = self.take(1) else {
                break;
            };
            self.transmit_credit -= 1;
            self.send(&chain.pieces);
            done.push(chain.id);
        }
        if self.backwards {
            done.reverse();
        }
        for id in done {
            self.put_back(1, id, 0);
        }
    }

    fn send(&mut self, pieces: &[Piece]) {
        let &[
            Piece {
                address,
                length,
                flags,
            },
        ] = pieces
        else {
            assert!(self.lawless, "a frame in {} pieces", pieces.len());
            return;
        };
        let header = self.header();
        if flags & (NEXT | WRITE) != 0 || length < header {
            assert!(self.lawless, "no frame: {pieces:?}");
            return;
        }
        let octets = self.memory.reach(address, length);
        // SAFETY: `reach` checked that they are there; the driver does not touch a buffer that it has
        // queued.
        let octets = unsafe { core::slice::from_raw_parts(octets.as_ptr(), length) };
        let (header, frame) = octets.split_at(header);
        assert!(
            self.lawless || header.iter().all(|&octet| octet == 0),
            "a header that asks for something"
        );
        self.sent.push(frame.to_vec());
    }

    /// Carries out the commands that are queued.
    pub(super) fn obey(&mut self) {
        while self.runs() && !self.ignores_commands {
            let Some(chain) = self.take(2) else {
                break;
            };
            let [request, verdict] = chain.pieces[..] else {
                assert!(self.lawless, "a command in pieces: {chain:?}");
                continue;
            };
            let is_right = request.flags & (NEXT | WRITE) == NEXT
                && verdict.flags & (NEXT | WRITE) == WRITE
                && verdict.length == 1;
            if !is_right {
                assert!(self.lawless, "no command: {chain:?}");
                continue;
            }
            let length = request.length;
            let octets = self.memory.reach(request.address, length);
            // SAFETY: `reach` checked that they are there, and the driver has given them.
            let octets = unsafe { core::slice::from_raw_parts(octets.as_ptr(), length) }.to_vec();
            let refusal = self.refuses_commands || !self.carry_out(&octets);
            self.commands += 1;
            // SAFETY: `reach` checks that the octet is there, and the driver has given it.
            let answer: &AtomicU8 =
                unsafe { self.memory.reach(verdict.address, 1).cast().as_ref() };
            answer.store(u8::from(refusal), Ordering::Relaxed);
            self.put_back(2, chain.id, 1);
        }
    }

    fn carry_out(&mut self, command: &[u8]) -> bool {
        match *command {
            [0, 0, on] => self.promiscuous = on != 0,
            [2, 0, low, high] => {
                self.vlans.insert(u16::from_le_bytes([low, high]));
            }
            [2, 1, low, high] => {
                self.vlans.remove(&u16::from_le_bytes([low, high]));
            }
            _ => return false,
        }
        true
    }
}
