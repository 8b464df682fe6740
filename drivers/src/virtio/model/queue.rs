//! A queue as the device sees it, in either format (virtio 1.2 §2.7, §2.8).
//!
//! It keeps a copy of every descriptor that is the device's, and panics when the driver changes one, gives one
//! twice, or gives more than there are. A device that breaks the rules itself cannot hold the driver to them: it
//! takes what it finds, as far as that can be.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::vec::Vec;

use crate::dma::test_memory::TestMemory;
use crate::virtio::transport::Placement;

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;

/// In the flags of a packed descriptor.
const AVAILABLE: u16 = 0x80;
const USED: u16 = 0x8000;

/// A descriptor, whatever the format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) length: usize,
    pub(super) flags: u16,
}

/// What was given at once.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) id: u16,
    pub(super) pieces: Vec<Piece>,
}

/// A queue.
pub(super) struct Queue {
    memory: Rc<TestMemory>,
    placement: Placement,
    is_packed: bool,
    /// How far it was looked at: available entries, or descriptors if packed.
    observed: u16,
    /// Chains seen there and not taken up yet.
    waiting: VecDeque<Chain>,
    /// The descriptors of each chain that is the device's, by their places.
    owned: BTreeMap<u16, Vec<u16>>,
    /// All descriptors that are the device's, as the driver left them.
    copies: BTreeMap<u16, (u64, u64)>,
    /// How many used entries were written, or places of descriptors if packed.
    used: u16,
}

impl Queue {
    pub(super) fn new(memory: Rc<TestMemory>, placement: Placement, is_packed: bool) -> Self {
        assert!(placement.descriptors.is_multiple_of(16));
        let (driver, device) = if is_packed { (4, 4) } else { (2, 4) };
        assert!(placement.driver.is_multiple_of(driver));
        assert!(placement.device.is_multiple_of(device));
        Self {
            memory,
            placement,
            is_packed,
            observed: 0,
            waiting: VecDeque::new(),
            owned: BTreeMap::new(),
            copies: BTreeMap::new(),
            used: 0,
        }
    }

    fn half(&self, address: u64) -> &AtomicU16 {
        // SAFETY: `reach` checked that the octets are there; rings consist of atomics.
        unsafe { self.memory.reach(address, 2).cast().as_ref() }
    }

    fn word(&self, address: u64) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.memory.reach(address, 4).cast().as_ref() }
    }

    fn wide(&self, address: u64) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { self.memory.reach(address, 8).cast().as_ref() }
    }

    /// Where the device says whether it wants to be notified.
    fn suppression(&self) -> &AtomicU16 {
        self.half(self.placement.device + if self.is_packed { 2 } else { 0 })
    }

    pub(super) fn asks_for_silence(&self) -> bool {
        self.suppression().load(Ordering::Relaxed) & 1 != 0
    }

    pub(super) fn ask_for_silence(&self, silence: bool) {
        self.suppression()
            .store(u16::from(silence), Ordering::Release);
    }

    /// Whether the driver says that it wants no interrupts.
    pub(super) fn wants_no_interrupts(&self) -> bool {
        let at = self.placement.driver + if self.is_packed { 2 } else { 0 };
        self.half(at).load(Ordering::Relaxed) == 1
    }

    /// A descriptor as it stands in memory: address, and all else.
    fn descriptor(&self, place: u16) -> (u64, u64) {
        let size = self.placement.size;
        assert!(place < size, "descriptor {place} is outside");
        let at = self.placement.descriptors + 16 * u64::from(place);
        let fields = self.wide(at + 8).load(Ordering::Acquire);
        (self.wide(at).load(Ordering::Relaxed), fields)
    }

    fn piece(&self, place: u16) -> Piece {
        let (address, fields) = self.descriptor(place);
        let flags = fields >> if self.is_packed { 48 } else { 32 };
        Piece {
            address,
            length: fields as u32 as usize,
            flags: flags as u16,
        }
    }

    /// Checks that the driver has changed nothing that is the device's.
    pub(super) fn verify(&self) {
        for (&place, &copy) in &self.copies {
            let now = self.descriptor(place);
            assert_eq!(
                now, copy,
                "descriptor {place} changed while it was the device's"
            );
        }
    }

    /// Looks at what the driver has made available.
    pub(super) fn observe(&mut self, lawless: bool) {
        if self.is_packed {
            while let Some((id, places)) = self.next_packed(lawless) {
                self.observed = self.observed.wrapping_add(places.len() as u16);
                self.own(id, places, lawless);
            }
        } else {
            let end = self.half(self.placement.driver + 2).load(Ordering::Acquire);
            let fresh = end.wrapping_sub(self.observed);
            let size = self.placement.size;
            assert!(lawless || fresh <= size, "the available ring overflowed");
            for _ in 0..fresh {
                let at = u64::from(self.observed % size);
                self.observed = self.observed.wrapping_add(1);
                let entry = self.half(self.placement.driver + 4 + 2 * at);
                let head = entry.load(Ordering::Relaxed);
                let mut places = std::vec![head];
                while let Some(piece) = places.last().map(|&place| self.piece(place))
                    && piece.flags & NEXT != 0
                {
                    assert!(places.len() < 8, "a chain goes in circles");
                    let (_, fields) = self.descriptor(places[places.len() - 1]);
                    places.push((fields >> 48) as u16);
                }
                self.own(head, places, lawless);
            }
        }
    }

    /// Whether the wrap counter is 1 where so many places were gone through.
    fn wrap_counter(&self, place: u16) -> bool {
        (place / self.placement.size).is_multiple_of(2)
    }

    fn is_available(&self, place: u16) -> bool {
        let flags = self.piece(place % self.placement.size).flags;
        let wrap = self.wrap_counter(place);
        (flags & AVAILABLE != 0) == wrap && (flags & USED != 0) != wrap
    }

    /// The identifier and the places of the chain that is available next.
    fn next_packed(&self, lawless: bool) -> Option<(u16, Vec<u16>)> {
        let size = self.placement.size;
        let mut at = self.observed;
        if !self.is_available(at) {
            return None;
        }
        let mut places = Vec::new();
        loop {
            let place = at % size;
            places.push(place);
            let (_, fields) = self.descriptor(place);
            if self.piece(place).flags & NEXT == 0 {
                return Some(((fields >> 32) as u16, places));
            }
            at = at.wrapping_add(1);
            let goes_on = places.len() < 8 && self.is_available(at);
            assert!(
                lawless || goes_on,
                "a chain that was made available in part"
            );
            if !goes_on {
                return None;
            }
        }
    }

    /// Takes note of a chain that was given.
    fn own(&mut self, id: u16, places: Vec<u16>, lawless: bool) {
        let pieces: Vec<Piece> = places.iter().map(|&place| self.piece(place)).collect();
        if lawless {
            let is_real = |piece: &Piece| self.memory.holds(piece.address, piece.length);
            if pieces.iter().all(is_real) {
                self.owned.insert(id, places);
                self.waiting.push_back(Chain { id, pieces });
            }
            return;
        }
        for &place in &places {
            let before = self.copies.insert(place, self.descriptor(place));
            assert_eq!(
                before, None,
                "descriptor {place} was given while it was the device's"
            );
        }
        let before = self.owned.insert(id, places);
        assert_eq!(before, None, "{id} was given twice");
        self.waiting.push_back(Chain { id, pieces });
    }

    pub(super) fn take(&mut self, lawless: bool) -> Option<Chain> {
        self.observe(lawless);
        self.waiting.pop_front()
    }

    /// Gives a chain back.
    pub(super) fn put_back(&mut self, id: u16, length: u32) {
        // A chain that the device's own noise made up may have been given under the same name twice.
        let places = self.owned.remove(&id).unwrap_or_default();
        if !self.is_packed {
            for place in &places {
                self.copies.remove(place);
            }
        }
        self.put_anything_back(u32::from(id), length, places.len() as u16);
    }

    /// Says that anything was used, which took so many descriptors.
    pub(super) fn put_anything_back(&mut self, id: u32, length: u32, count: u16) {
        let size = self.placement.size;
        if self.is_packed {
            let flags = match self.wrap_counter(self.used) {
                true => AVAILABLE | USED,
                false => 0,
            };
            let fields = u64::from(length) | u64::from(id as u16) << 32 | u64::from(flags) << 48;
            let at = self.placement.descriptors + 16 * u64::from(self.used % size);
            self.wide(at + 8).store(fields, Ordering::Release);
            // In the places that come next, whatever was in them (virtio 1.2 §2.8.1).
            for ahead in 0..count {
                let place = self.used.wrapping_add(ahead) % size;
                self.copies.remove(&place);
            }
            self.used = self.used.wrapping_add(count);
        } else {
            let element = self.placement.device + 4 + 8 * u64::from(self.used % size);
            self.word(element).store(id, Ordering::Relaxed);
            self.word(element + 4).store(length, Ordering::Relaxed);
            self.move_used(1);
        }
    }

    /// Says that so many more were used, whatever stands there; or, if packed, overwrites what stands
    /// anywhere.
    pub(super) fn move_used(&mut self, by: u16) {
        if self.is_packed {
            let place = self.placement.descriptors + 16 * u64::from(by % self.placement.size);
            let noise = u64::from(by).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.wide(place + 8).store(noise, Ordering::Release);
            self.copies.remove(&(by % self.placement.size));
        } else {
            self.used = self.used.wrapping_add(by);
            let index = self.half(self.placement.device + 2);
            index.store(self.used, Ordering::Release);
        }
    }
}
