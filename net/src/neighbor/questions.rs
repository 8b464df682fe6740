//! Who is being asked for, how often, and what waits for the answer.
//!
//! A fixed number of places, made once, each with room for one frame. [`super::NeighborTable`] opens
//! and answers questions; its `poll` visits the places in turn.

use crate::device::MAXIMUM_FRAME;
use crate::time::Instant;
use crate::wire::ethernet::MacAddress;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// A neighbor that is being asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub vid: u16,
    pub address: Ipv4Addr,
    /// Whether the operator asked, who is to be told either way.
    pub solicited: bool,
    /// Whether the answer becomes a permanent entry.
    pub permanent: bool,
    /// How many requests were sent.
    pub requests: u8,
    /// When the next request, or giving up, is due.
    pub due: Instant,
    /// Where it is, once it answered.
    pub answer: Option<MacAddress>,
    /// The octets of the frame that waits; 0 when none does.
    pub waiting: usize,
}

/// A place for one question and the frame that waits for its answer.
#[derive(Clone)]
struct Place {
    question: Option<Question>,
    /// Who was asked for here last, and when the next request for it may be sent.
    last: Option<(u16, Ipv4Addr, Instant)>,
    frame: [u8; MAXIMUM_FRAME],
}

/// The questions that are open at a time.
#[derive(Clone)]
pub(super) struct Questions {
    places: Vec<Place>,
    open: usize,
    next: usize,
}

impl Questions {
    /// No place for any question.
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            open: 0,
            next: 0,
        }
    }

    /// Places for `capacity` questions, none open. Allocates.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let place = Place {
            question: None,
            last: None,
            frame: [0; MAXIMUM_FRAME],
        };
        Self {
            places: alloc::vec![place; capacity],
            open: 0,
            next: 0,
        }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.places.len()
    }

    /// How many are open.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    /// The open ones, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Question> {
        self.places
            .iter()
            .filter_map(|place| place.question.as_ref())
    }

    /// The one about `address` in VLAN `vid`, if it is open.
    pub(super) fn find_mut(&mut self, vid: u16, address: Ipv4Addr) -> Option<&mut Question> {
        self.place_of(vid, address)?.question.as_mut()
    }

    fn place_of(&mut self, vid: u16, address: Ipv4Addr) -> Option<&mut Place> {
        if self.open == 0 {
            return None;
        }
        self.places.iter_mut().find(|place| {
            let question = place.question.as_ref();
            question.is_some_and(|open| open.address == address && open.vid == vid)
        })
    }

    /// Opens one that is not open yet; `None` when no place is free. Where the same was asked a moment
    /// ago, the next request waits until it is due.
    pub(super) fn open_new(&mut self, question: Question) -> Option<&mut Question> {
        let Question { vid, address, .. } = question;
        let free = self
            .places
            .iter_mut()
            .filter(|place| place.question.is_none());
        // The place of the same question, or else the one that it does least harm to forget.
        let place = free.min_by_key(|place| match place.last {
            Some((last_vid, last, _)) if (last_vid, last) == (vid, address) => None,
            Some((_, _, due)) => Some(due),
            None => Some(Instant::default()),
        })?;
        let due = match place.last {
            Some((last_vid, last, due)) if (last_vid, last) == (vid, address) => due,
            _ => question.due,
        };
        self.open = self.open.saturating_add(1);
        Some(place.question.insert(Question {
            due: due.max(question.due),
            ..question
        }))
    }

    /// Lets `frame` wait for an answer, in place of what waited before.
    pub(super) fn store(&mut self, vid: u16, address: Ipv4Addr, frame: &[u8]) -> Stored {
        let Some(place) = self.place_of(vid, address) else {
            return Stored::NotAsked;
        };
        let (Some(question), Some(room)) =
            (place.question.as_mut(), place.frame.get_mut(..frame.len()))
        else {
            return Stored::TooLong;
        };
        room.copy_from_slice(frame);
        let replaced = question.waiting > 0;
        question.waiting = frame.len();
        if replaced {
            Stored::Replaced
        } else {
            Stored::Alone
        }
    }

    /// The index of the place whose turn it is; each is visited once in [`Self::capacity`] calls.
    pub(super) fn turn(&mut self) -> usize {
        let index = self.next;
        let following = index.saturating_add(1);
        self.next = if following < self.places.len() {
            following
        } else {
            0
        };
        index
    }

    /// The open question at a place.
    pub(super) fn at(&self, index: usize) -> Option<&Question> {
        self.places.get(index)?.question.as_ref()
    }

    /// The open question at a place, to be changed.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Question> {
        self.places.get_mut(index)?.question.as_mut()
    }

    /// Closes the question at a place and returns it with the frame that waited, which stays there
    /// until another is stored.
    pub(super) fn close(&mut self, index: usize) -> Option<(Question, &mut [u8])> {
        let place = self.places.get_mut(index)?;
        let question = place.question.take()?;
        place.last = Some((question.vid, question.address, question.due));
        self.open = self.open.saturating_sub(1);
        let frame = place.frame.get_mut(..question.waiting)?;
        Some((question, frame))
    }

    /// Closes every question of which `keep` is false, and forgets what waited.
    pub(super) fn retain(&mut self, keep: impl Fn(&Question) -> bool) {
        for place in &mut self.places {
            place.question = place.question.take().filter(&keep);
        }
        self.open = self.iter().count();
    }
}

/// What became of a frame that was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It waits.
    Alone,
    /// It waits, and another no longer does.
    Replaced,
    /// There is no such question.
    NotAsked,
    /// It is longer than any frame.
    TooLong,
}
