//! The driver against the model of its card.

mod answers;
mod bring_up;
mod cards;
mod checksums;
mod damage;
mod deferred;
mod doorbells;
mod filters;
mod flow_control;
mod link;
mod negotiation;
mod overload;
mod random;
mod recovery;
mod statistics;

use core::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::string::ToString;
use std::vec::Vec;

use pollux_net::device::{Damage, MINIMUM_FRAME, Received, Verdict};
use proptest::prelude::*;

use super::model::{
    ADVANCED_RECEIVED_PART, ADVANCED_RECEIVED_WHOLE, Access, EEPROM_ADDRESS, Handle, Model,
    Outcome, RECEIVED_PART, RECEIVED_WHOLE,
};
use super::registers::*;
use super::ring::RECEIVE_BATCH;
use super::*;
use crate::dma::test_memory::TestMemory;
use crate::exchange::test_receiver::{Script, Usual};

/// A driver, its card, and the memory they share.
struct Bench<F = Legacy> {
    device: E1000<Handle, F>,
    model: Handle,
    /// The physical addresses of all buffers there are, in rising order.
    buffers: Vec<u64>,
}

fn card() -> &'static Card {
    Card::find(0x8086, 0x100e).unwrap()
}

/// A card with advanced descriptors.
fn advanced_card() -> &'static Card {
    Card::find(0x8086, 0x10c9).unwrap()
}

/// `test` with a card, for the form that its descriptors have.
macro_rules! in_its_form {
    ($test:ident, $card:expr) => {
        match $card.descriptors {
            Descriptors::Legacy => $test::<Legacy>($card),
            Descriptors::Advanced => $test::<Advanced>($card),
        }
    };
}
use in_its_form;

fn vlans(vids: &[u16]) -> VlanSet {
    let mut set = VlanSet::new();
    for &vid in vids {
        set.insert(vid);
    }
    set
}

/// A card that nobody has touched yet, and `length` octets of memory that it can reach.
fn card_with_memory(length: usize) -> (Handle, Rc<TestMemory>) {
    let memory = Rc::new(TestMemory::new(length));
    let model = Model::new(Rc::clone(&memory));
    (Handle(Rc::new(RefCell::new(model))), memory)
}

fn untouched_card() -> (Handle, Rc<TestMemory>) {
    card_with_memory(<E1000<Handle>>::MEMORY)
}

/// Brings up a card on which `prepare` has left its traces.
fn bring_up(prepare: impl FnOnce(&mut Model)) -> Result<Bench, E1000Error> {
    bring_up_as(card(), prepare)
}

/// The same for a card of another kind.
fn bring_up_as<F: Format>(
    card: &'static Card,
    prepare: impl FnOnce(&mut Model),
) -> Result<Bench<F>, E1000Error> {
    let (model, memory) = untouched_card();
    {
        let mut model = model.0.borrow_mut();
        model.late_eeprom = card.eeprom == Eeprom::Late;
        model.express = card.has(Quirks::EXPRESS);
        model.words_in_pairs = card.has(Quirks::VLAN_WORDS_IN_PAIRS);
        model.loses_vlan_words = card.has(Quirks::VLAN_WORDS_GET_LOST);
        model.advanced = card.is_advanced();
        model.flushes_rings = card.has(Quirks::RINGS_TO_FLUSH);
        prepare(&mut model);
    }
    let quiet = Quiet::reset(card, model.clone(), |_| ())?;
    let device = quiet.start(&mut memory.region(), &vlans(&[42]))?;
    let buffers = device.sorted_buffers();
    assert!(buffers.is_sorted_by(|a, b| a < b));
    Ok(Bench {
        device,
        model,
        buffers,
    })
}

fn bench() -> Bench {
    bring_up(|_| ()).unwrap()
}

/// A frame to the card on VLAN `vid`, `length` octets long and filled with `filler`.
fn frame_on(vid: u16, length: usize, filler: u8) -> Vec<u8> {
    let mut frame = EEPROM_ADDRESS.to_vec();
    frame.extend([2, 0, 0, 0, 0, 1, 0x81, 0]);
    frame.extend(vid.to_be_bytes());
    frame.extend([8, 0]);
    frame.resize(length, filler);
    frame
}

fn frame(filler: u8) -> Vec<u8> {
    frame_on(42, 98, filler)
}

impl<F: Format> Bench<F> {
    fn model(&self) -> RefMut<'_, Model> {
        self.model.0.borrow_mut()
    }

    /// One turn of the poll loop: how many frames were processed.
    fn turn(&mut self, budget: usize, receiver: impl FnMut(Received<'_>) -> Verdict) -> usize {
        let processed = self.process(budget, receiver);
        self.device.ring_doorbells();
        self.check();
        processed
    }

    /// Processes `count` frames at most, in as many batches as it takes. Returns how many there were.
    fn process(
        &mut self,
        count: usize,
        mut receiver: impl FnMut(Received<'_>) -> Verdict,
    ) -> usize {
        let mut processed = 0;
        while processed < count {
            let before = processed;
            let mut receiver = Script(|received: Received<'_>| {
                processed += 1;
                receiver(received)
            });
            self.device
                .process(Batch::of(count - before), &mut receiver);
            if processed == before {
                break;
            }
        }
        processed
    }

    /// One batch in which all is answered at once that may be. Returns the lengths that were claimed, and how many
    /// frames were left to be decided about.
    fn usual_batch(&mut self) -> (Vec<usize>, usize) {
        let (mut lengths, mut others) = (Vec::new(), 0);
        let mut receiver = Usual(
            |_: &mut [u8; BUFFER_SIZE], length| {
                lengths.push(length);
                Some(Verdict::Answer { length })
            },
            |_: Received<'_>| {
                others += 1;
                Verdict::Release
            },
        );
        self.device.process(Batch::of(64), &mut receiver);
        self.device.ring_doorbells();
        self.check();
        (lengths, others)
    }

    /// One turn in which nothing arrives: how many frames were left over for later and handed up.
    fn deferred_turn(
        &mut self,
        budget: usize,
        mut receiver: impl FnMut(Received<'_>) -> Verdict,
    ) -> usize {
        let mut count = 0;
        let mut receiver = Script(|received: Received<'_>| {
            assert!(!received.can_defer);
            assert_eq!(received.damage, None);
            count += 1;
            receiver(received)
        });
        self.device.process_deferred(budget, &mut receiver);
        self.device.ring_doorbells();
        self.check();
        count
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

    /// No buffer is lost and none is in two slots.
    fn check(&self) {
        assert!(self.device.sorted_buffers() == self.buffers);
    }

    /// The accesses since the last call.
    fn take_accesses(&self) -> Vec<Access> {
        core::mem::take(&mut self.model().accesses)
    }

    fn take_sent(&self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.model().sent)
    }

    /// A frame goes in, and comes out again.
    fn assert_serves(&mut self) {
        self.take_sent();
        assert_eq!(self.model().receive(&frame(77)), Outcome::Delivered);
        self.echo();
        assert_eq!(self.take_sent(), [frame(77)]);
    }

    fn statistic(&mut self, name: &str) -> u64 {
        for _ in 0..COUNTERS {
            self.device.refresh_statistics();
        }
        let mut statistics = self.device.statistics();
        statistics.find(|entry| entry.name == name).unwrap().value
    }
}

impl<R, F: Format> E1000<R, F> {
    fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        let rings = self.receive.buffers().chain(self.transmit.buffers());
        rings.chain(self.exchange.backlog().buffers())
    }

    fn sorted_buffers(&self) -> Vec<u64> {
        let mut buffers: Vec<_> = self.buffers().collect();
        buffers.sort_unstable();
        buffers
    }
}
