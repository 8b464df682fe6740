//! The control queue, through which the device's filter is set (virtio 1.2 §5.1.6.5).
//!
//! Nothing waits here. What is wanted of the filter and what the device was told are two sets; each call
//! of [`Control::advance`] takes note of what the device has carried out, and sends commands for a few of
//! the differences. Until the device has confirmed the whole of the first set, it stays promiscuous, and
//! while it is told more new VLANs than one call can tell, it is so again: what it is to pass, it never
//! keeps away. When it refuses a command, it becomes so for good, and the stack's own filter decides
//! alone.

use core::mem;
use core::sync::atomic::{AtomicU32, Ordering};

use pollux_net::vlan::{VID_COUNT, VlanSet};

use crate::dma::{DeviceShared, DmaRegion, OutOfDmaMemory, TABLE_ALIGNMENT, Table};

use super::queue::{Piece, SLOTS, Virtqueue};

/// How many commands can be on their way: a bound for the time that one call takes.
pub const COMMANDS: usize = 32;

const _: () = assert!(2 * COMMANDS <= SLOTS);

/// Words of 32 bits in a set of VLANs.
const WORDS: usize = VID_COUNT / 32;

/// What a device says of a command that it has carried out (virtio 1.2 §5.1.6.5).
const OK: u8 = 0;
/// What stands there until then: neither that, nor what a device says of one it refused.
const UNANSWERED: u8 = 0xff;

/// Octets of a command: class, command, data (virtio 1.2 §5.1.6.5.1, §5.1.6.5.3).
const PROMISCUOUS_LENGTH: u32 = 3;
const VLAN_LENGTH: u32 = 4;

/// A command and what the device says of it. Both are seen as words; of the second the lowest octet
/// is the device's.
#[derive(Debug)]
#[repr(C)]
struct Command {
    request: AtomicU32,
    verdict: AtomicU32,
}

const _: () = assert!(size_of::<Command>() == 8);
const _: () = assert!(mem::offset_of!(Command, verdict) == 4);

// SAFETY: both fields are atomic integers.
unsafe impl DeviceShared for Command {}

/// A command's octets, the first lowest, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    octets: [u8; 4],
    length: u32,
}

impl Request {
    /// Receive whatever comes, or only what the filter passes: class 0, command 0.
    const fn promiscuous(on: bool) -> Self {
        Self {
            octets: [0, 0, on as u8, 0],
            length: PROMISCUOUS_LENGTH,
        }
    }

    /// Pass a VLAN, or no longer: class 2, command 0 or 1.
    const fn vlan(vid: u16, pass: bool) -> Self {
        let [low, high] = vid.to_le_bytes();
        Self {
            octets: [2, !pass as u8, low, high],
            length: VLAN_LENGTH,
        }
    }
}

/// What the device's filter can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// It can be told to stop being promiscuous.
    pub receive_mode: bool,
    /// It can be told which VLANs to pass.
    pub vlans: bool,
}

/// The control queue, and how far the filter is set.
#[derive(Debug)]
pub struct Control<Q> {
    queue: Q,
    commands: Table<Command, COMMANDS>,
    abilities: Abilities,
    /// Which VLANs are to pass, a bit each, and which the device was told to.
    wanted: [u32; WORDS],
    told: [u32; WORDS],
    /// Whether the device receives whatever comes, as it does after a reset.
    promiscuous: bool,
    /// Whether it refused a command.
    refused: bool,
    /// How many commands it ever refused.
    refusals: u64,
}

impl<Q: Virtqueue> Control<Q> {
    /// Octets of a [`DmaRegion`] that one with [`SLOTS`] descriptors or fewer takes at most.
    pub const MEMORY: usize = Q::MEMORY + size_of::<[Command; COMMANDS]>() + TABLE_ALIGNMENT;

    /// One with room for `size` descriptors, that is not in use: [`Control::restart`] comes first.
    pub fn new(memory: &mut DmaRegion, size: u16) -> Result<Self, OutOfDmaMemory> {
        Ok(Self {
            queue: Q::new(memory, size)?,
            commands: memory.table()?,
            abilities: Abilities {
                receive_mode: false,
                vlans: false,
            },
            wanted: [0; WORDS],
            told: [0; WORDS],
            promiscuous: true,
            refused: false,
            refusals: 0,
        })
    }

    /// Starts afresh, for a device that has been reset and has told nothing of the filter.
    ///
    /// # Errors
    ///
    /// [`OutOfDmaMemory`] when there is no room for `size` descriptors.
    pub fn restart(&mut self, size: u16, abilities: Abilities) -> Result<(), OutOfDmaMemory> {
        self.queue.restart(size)?;
        self.abilities = abilities;
        self.told = [0; WORDS];
        self.promiscuous = true;
        self.refused = false;
        Ok(())
    }

    /// The queue.
    pub const fn queue(&self) -> &Q {
        &self.queue
    }

    /// How many commands the device has refused.
    pub const fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether the device can be told which VLANs to pass, and has refused nothing so far.
    pub const fn filters_vlans(&self) -> bool {
        self.abilities.receive_mode && self.abilities.vlans && !self.refused
    }

    /// What the filter is to pass. [`Control::advance`] sees to it.
    pub fn want(&mut self, set: &VlanSet) {
        for (word, wanted) in self.wanted.iter_mut().zip(set.words_u32()) {
            *word = wanted;
        }
    }

    /// Takes note of what the device has carried out, and sends what is to be done next. Returns whether
    /// there is something new in the queue.
    pub fn advance(&mut self) -> bool {
        self.collect();
        if self.refused {
            self.open();
        } else if self.abilities.receive_mode {
            if self.abilities.vlans && self.told != self.wanted {
                if self.additions() > COMMANDS as u32 / 2 {
                    self.open();
                }
                self.send_differences();
            }
            let settled = self.queue.outstanding() == 0;
            if self.promiscuous && settled && self.send(Request::promiscuous(false)) {
                self.promiscuous = false;
            }
        }
        self.queue.publish()
    }

    /// How many VLANs the device is to pass and was not told of.
    fn additions(&self) -> u32 {
        let words = self.wanted.iter().zip(&self.told);
        words
            .map(|(wanted, told)| (wanted & !told).count_ones())
            .sum()
    }

    /// Has the device pass everything.
    fn open(&mut self) {
        if !self.promiscuous && self.send(Request::promiscuous(true)) {
            self.promiscuous = true;
        }
    }

    fn collect(&mut self) {
        while let Some(returned) = self.queue.returned() {
            self.queue.take(returned);
            let command = self.commands.entry(returned.slot / 2);
            // The queue has acquired what the device wrote before it gave the command back.
            if command.verdict.load(Ordering::Relaxed) as u8 != OK {
                self.refused = true;
                self.refusals = self.refusals.saturating_add(1);
            }
        }
    }

    /// Sends commands for what the device was not told yet: first what it must pass from now on.
    fn send_differences(&mut self) {
        for pass in [true, false] {
            for index in 0..WORDS {
                if !self.send_difference(index, pass) {
                    return;
                }
            }
        }
    }

    /// The same for one word of the set, and one direction. Returns `false` when not all could be sent.
    fn send_difference(&mut self, index: usize, pass: bool) -> bool {
        let (wanted, told) = (self.wanted[index], self.told[index]);
        let mut differing = if pass { wanted & !told } else { told & !wanted };
        while differing != 0 {
            let bit = differing.trailing_zeros();
            if !self.send(Request::vlan((index * 32) as u16 + bit as u16, pass)) {
                return false;
            }
            self.told[index] ^= 1 << bit;
            differing &= differing - 1;
        }
        true
    }

    /// Sends a command, unless too many are on their way.
    fn send(&mut self, request: Request) -> bool {
        // Commands are carried out in order, each in the place after the one before.
        let places = (self.queue.size() / 2).min(COMMANDS);
        let Some(place) = (0..places).find(|place| !self.queue.is_given(place * 2)) else {
            return false;
        };
        let command = self.commands.entry(place);
        let octets = u32::from_le_bytes(request.octets);
        command.request.store(octets, Ordering::Relaxed);
        command
            .verdict
            .store(u32::from(UNANSWERED), Ordering::Relaxed);
        let address = self.commands.physical() + (place * size_of::<Command>()) as u64;
        let request = Piece {
            address,
            length: request.length,
        };
        let verdict = Piece {
            address: address + mem::offset_of!(Command, verdict) as u64,
            length: 1,
        };
        self.queue.give_pair(place * 2, request, verdict);
        true
    }
}
