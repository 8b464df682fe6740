//! The driver against the model of its device.

mod bring_up;
mod checksums;
mod control;
mod frames;
mod mmio;
mod noise;
mod notifications;
mod random;
mod recovery;

use core::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::vec::Vec;

use pollux_net::device::{Damage, MINIMUM_FRAME, Received, Verdict};
use proptest::prelude::*;

use super::model::{ADDRESS, Handle, Model, OFFERED_LEGACY, Outcome, Way};
use super::packed::PackedQueue;
use super::queue::Virtqueue;
use super::split::{LegacyQueue, SplitQueue};
use super::*;
use crate::dma::test_memory::TestMemory;
use crate::exchange::test_receiver::{Script, Usual};

/// Has each of these run with each format of queues.
macro_rules! in_each_format {
    ($($name:ident),* $(,)?) => {
        mod split {
            $(#[test] fn $name() { super::$name::<crate::virtio::split::SplitQueue>(); })*
        }
        mod packed {
            $(#[test] fn $name() { super::$name::<crate::virtio::packed::PackedQueue>(); })*
        }
        mod legacy {
            $(#[test] fn $name() { super::$name::<crate::virtio::split::LegacyQueue>(); })*
        }
    };
}
pub(crate) use in_each_format;

/// A driver, its device, and the memory they share.
struct Bench<Q> {
    device: VirtioNet<Way, Q>,
    model: Handle,
    /// The physical addresses of all buffers there are, in rising order.
    buffers: Vec<u64>,
}

fn vlans(vids: &[u16]) -> VlanSet {
    let mut set = VlanSet::new();
    for &vid in vids {
        set.insert(vid);
    }
    set
}

/// More room than any device takes.
const MEMORY: usize = 4 << 20;

/// A device that nobody has touched yet, and the memory that it can reach.
fn untouched_device() -> (Handle, Rc<TestMemory>) {
    let memory = Rc::new(TestMemory::new(MEMORY));
    let model = Model::new(Rc::clone(&memory));
    (Handle(Rc::new(RefCell::new(model))), memory)
}

/// Brings up a device on which `prepare` has left its traces.
fn bring_up<Q: Virtqueue>(prepare: impl FnOnce(&mut Model)) -> Result<Bench<Q>, VirtioError> {
    let (model, memory) = untouched_device();
    model.0.borrow_mut().offered |= Q::FEATURES.bits();
    prepare(&mut model.0.borrow_mut());
    let mut way = Way::to(model.clone());
    let room = VirtioNet::<Way, Q>::MEMORY + further_memory(&mut way);
    let quiet = Quiet::reset(way, |_| ())?;
    let mut region = memory.region();
    let device = quiet.start(&mut region, &vlans(&[42]))?;
    assert!(MEMORY - region.remaining() <= room, "more than was said");
    let buffers = device.sorted_buffers();
    assert!(buffers.is_sorted_by(|a, b| a < b));
    Ok(Bench {
        device,
        model,
        buffers,
    })
}

fn bench<Q: Virtqueue>() -> Bench<Q> {
    bring_up(|_| ()).unwrap()
}

/// A frame to the device on VLAN `vid`, `length` octets long and filled with `filler`.
fn frame_on(vid: u16, length: usize, filler: u8) -> Vec<u8> {
    let mut frame = ADDRESS.to_vec();
    frame.extend([2, 0, 0, 0, 0, 1, 0x81, 0]);
    frame.extend(vid.to_be_bytes());
    frame.extend([8, 0]);
    frame.resize(length, filler);
    frame
}

fn frame(filler: u8) -> Vec<u8> {
    frame_on(42, 98, filler)
}

impl<Q: Virtqueue> Bench<Q> {
    fn model(&self) -> RefMut<'_, Model> {
        self.model.0.borrow_mut()
    }

    /// One turn of the poll loop: how many frames were processed.
    fn turn(&mut self, budget: usize, mut receiver: impl FnMut(Received<'_>) -> Verdict) -> usize {
        let mut processed = 0;
        while processed < budget {
            let before = processed;
            let mut receiver = Script(|received: Received<'_>| {
                processed += 1;
                receiver(received)
            });
            self.device
                .process(Batch::of(budget - before), &mut receiver);
            if processed == before {
                break;
            }
        }
        self.device.ring_doorbells();
        self.check();
        processed
    }

    /// A turn that answers every frame that can be answered with itself.
    fn echo(&mut self) -> usize {
        self.turn(64, |received| match received.can_answer {
            true => Verdict::Answer {
                length: received.length,
            },
            false => Verdict::Release,
        })
    }

    /// No buffer is lost and none is in two slots; no rule is broken.
    fn check(&self) {
        assert!(self.device.sorted_buffers() == self.buffers);
        self.model().verify();
        self.model().observe();
    }

    fn take_sent(&self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.model().sent)
    }

    fn take_notified(&self) -> Vec<u16> {
        core::mem::take(&mut self.model().notified)
    }

    fn statistic(&self, name: &str) -> u64 {
        let mut statistics = self.device.statistics();
        statistics.find(|entry| entry.name == name).unwrap().value
    }

    /// A frame goes in, and comes out again.
    fn assert_serves(&mut self) {
        self.take_sent();
        assert_eq!(self.model().receive(&frame(77)), Outcome::Delivered);
        self.echo();
        self.model().pump();
        assert_eq!(self.take_sent(), [frame(77)]);
    }
}

impl<T, Q: Virtqueue> VirtioNet<T, Q> {
    fn sorted_buffers(&self) -> Vec<u64> {
        let rings = self.receive.buffers().chain(self.transmit.buffers());
        let mut buffers: Vec<_> = rings.chain(self.exchange.backlog().buffers()).collect();
        buffers.sort_unstable();
        buffers
    }
}
