//! Who is known on the VLANs, and asking for who is not: the ARP cache (RFC 826, RFC 1122 §2.3.2).
//!
//! The receive path tells it what ARP packets say (`learn`, `merge`); who sends on its own asks it
//! where a neighbor is ([`NeighborTable::resolve`]) and leaves a frame until the answer comes
//! ([`NeighborTable::queue`]); the poll loop takes what it has to say or to send
//! ([`NeighborTable::poll`]). Nothing here touches a device, and only making and setting up a table
//! allocates.
//!
//! # Who is kept
//!
//! The table holds [`DEFAULT_CAPACITY`] neighbors unless it is made for more, up to
//! [`LARGEST_CAPACITY`], and finding one looks at eight entries at most, in two cache lines, however many
//! there are. Nothing goes through all of them at once: who forgets many, or lists them, does it in pieces
//! ([`NeighborTable::sweep`], [`NeighborTable::at`]). A neighbor
//! expires when nothing was heard from it for a minute (settable): it is not used any more, as if it
//! were not there, until it is heard again. One that we send to is asked, it alone, when three
//! quarters of that time have passed, so that a live one never expires while it is used.
//!
//! Anyone can invent neighbors and have them ask us for our address, so that being heard of is worth
//! little. When a place is needed, what has the weakest claim gives way:
//!
//! 1. an expired entry,
//! 2. one that was heard of once,
//! 3. one that was heard of again a second later,
//! 4. one that we sent to or asked for, the one that we used longest ago first;
//! 5. never a permanent one.
//!
//! Who is merely heard of takes the place of 1 and 2 only; who answered our own request takes the
//! place of 1 to 4. So a flood of invented neighbors drives out its own kind, and neither the peers
//! to which we talk nor those that were there before it. The worst it can do is that a live
//! neighbor which we never sent to must be asked for before we first do.

mod cache;
mod questions;
mod vocabulary;

use crate::time::{Instant, TickRate, Ticks};
use crate::wire::ethernet::MacAddress;
use cache::{Cache, Entry, Key, NoPlace, Standing};
use core::net::Ipv4Addr;
use questions::{Question, Questions, Stored};

pub use vocabulary::{
    Action, Heard, Listed, Neighbor, NeighborCounters, PermanentError, QueueError, Resolution,
    State,
};

/// How many neighbors can be known at a time, where nothing else is said.
pub const DEFAULT_CAPACITY: usize = 1_024;
/// How many neighbors a table can be made for.
pub const LARGEST_CAPACITY: usize = 65_536;
/// Octets that each neighbor takes of whom there can be one.
pub const OCTETS_EACH: usize = cache::OCTETS_EACH;
/// How many of them can be permanent.
pub const PERMANENT_LIMIT: usize = 256;
/// How many neighbors can be asked for at a time, where nothing else is said.
pub const DEFAULT_QUESTIONS: usize = 32;
/// How long a neighbor is known without being heard again, in nanoseconds (RFC 1122 §2.3.2.1: "on the
/// order of a minute").
pub const DEFAULT_EXPIRY_NS: u64 = 60 * SECOND_NS;
/// How often one neighbor is asked for before giving up.
pub const REQUESTS: u8 = 3;

const SECOND_NS: u64 = 1_000_000_000;
/// How many open questions one call of [`NeighborTable::poll`] looks at.
const LOOKS: usize = 4;
/// How many sets of four entries one call of [`NeighborTable::sweep`] looks at.
const SWEPT: usize = 64;

/// Spans in ticks. Before the clock's rate is known, all are endless.
#[derive(Clone, Copy)]
struct Spans {
    lifetime: Ticks,
    refresh_age: Ticks,
    request_interval: Ticks,
}

const ENDLESS: Ticks = Ticks(u64::MAX);

/// Whom a sweep forgets.
#[derive(Clone, Copy, Debug)]
enum Forgotten {
    /// All neighbors of a VLAN, permanent ones too.
    Vlan(u16),
    /// All that are not permanent.
    Learned,
    /// Those of a VLAN that are not permanent.
    LearnedOf(u16),
}

impl Forgotten {
    /// Whether an entry is to go.
    fn has(self, key: Key, entry: &Entry) -> bool {
        let is_learned = entry.standing != Standing::Permanent;
        match self {
            Self::Vlan(vid) => key.vid() == vid,
            Self::Learned => is_learned,
            Self::LearnedOf(vid) => is_learned && key.vid() == vid,
        }
    }
}

/// The stations that were heard of, and those that are asked for.
#[derive(Clone)]
pub struct NeighborTable {
    cache: Cache,
    questions: Questions,
    spans: Spans,
    counters: NeighborCounters,
    permanent_count: usize,
    /// Whom the sweep under way forgets, and the set that is swept next.
    sweep: Option<(Forgotten, usize)>,
    /// A claim that a permanent entry denies, not reported yet.
    contradiction: Option<(Neighbor, MacAddress)>,
    last_report: Option<Instant>,
}

impl Default for NeighborTable {
    fn default() -> Self {
        Self::new()
    }
}

impl NeighborTable {
    /// An empty table of [`DEFAULT_CAPACITY`].
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// An empty table for `capacity` neighbors, rounded up to a power of two: 8 at least and
    /// [`LARGEST_CAPACITY`] at most. It remembers, but forgets and asks for nobody before
    /// [`Self::set_up`]. Allocates.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            cache: Cache::with_capacity(capacity.min(LARGEST_CAPACITY)),
            questions: Questions::new(),
            spans: Spans {
                lifetime: ENDLESS,
                refresh_age: ENDLESS,
                request_interval: ENDLESS,
            },
            counters: NeighborCounters {
                requests: 0,
                answers: 0,
                failures: 0,
                too_many_questions: 0,
                queued: 0,
                replaced: 0,
                moves: 0,
                contradictions: 0,
                evictions: 0,
                no_room: 0,
            },
            permanent_count: 0,
            sweep: None,
            contradiction: None,
            last_report: None,
        }
    }

    /// Says how fast the clock runs, and makes room for `questions` neighbors to be asked for at a
    /// time, with one frame each. Neighbors expire after [`DEFAULT_EXPIRY_NS`]. Allocates; what was
    /// being asked for is forgotten.
    pub fn set_up(&mut self, rate: TickRate, questions: usize) {
        self.questions = Questions::with_capacity(questions);
        // RFC 1122 §2.3.2.1: at most 1 request a second for one destination.
        self.spans.request_interval = Ticks(rate.hertz());
        self.set_expiry(rate, DEFAULT_EXPIRY_NS);
    }

    /// Sets how long a neighbor is known without being heard again, a second at least (RFC 1122
    /// §2.3.2.1: "it SHOULD be possible to configure the timeout value").
    pub fn set_expiry(&mut self, rate: TickRate, expiry_ns: u64) {
        let lifetime = rate.ticks(expiry_ns.max(SECOND_NS));
        self.spans.lifetime = lifetime;
        self.spans.refresh_age = Ticks(lifetime.0.saturating_sub(lifetime.0 / 4));
    }

    /// How many neighbors can be known at a time.
    pub const fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// What was heard of `address` in VLAN `vid`, however long ago.
    pub fn find(&self, vid: u16, address: Ipv4Addr) -> Option<Neighbor> {
        let key = Key::of(vid, address);
        self.cache.find(key).map(|entry| entry.neighbor(key))
    }

    /// Whether the operator entered `address` in VLAN `vid`.
    pub fn is_permanent(&self, vid: u16, address: Ipv4Addr) -> bool {
        let known = self.cache.find(Key::of(vid, address));
        known.is_some_and(|entry| entry.standing == Standing::Permanent)
    }

    /// Everything that was heard of, in no particular order. Goes through the whole table.
    pub fn iter(&self) -> impl Iterator<Item = Neighbor> {
        let places = (0..self.cache.capacity()).filter_map(|place| self.cache.at(place));
        places.map(|(key, entry)| entry.neighbor(key))
    }

    /// Places of the listing: of those who can be known, and of those who can be asked for.
    pub const fn places(&self) -> usize {
        let questions = self.questions.capacity();
        self.cache.capacity().saturating_add(questions)
    }

    /// What is known of the neighbor at a place of the listing, if one is there. One that is asked for has
    /// a place of its own only where it is not known besides.
    pub fn at(&self, place: usize, now: Instant) -> Option<Listed> {
        let Some(place) = place.checked_sub(self.cache.capacity()) else {
            let (key, entry) = self.cache.at(place)?;
            let neighbor = entry.neighbor(key);
            return Some(Listed {
                vid: neighbor.vid,
                address: neighbor.address,
                mac: Some(neighbor.mac),
                state: self.state_of(entry, now),
                confirmed: Some(neighbor.confirmed),
            });
        };
        let question = self.questions.at(place)?;
        let is_new = self.find(question.vid, question.address).is_none();
        is_new.then_some(Listed {
            vid: question.vid,
            address: question.address,
            mac: None,
            state: State::Incomplete,
            confirmed: None,
        })
    }

    /// What is known of every neighbor, those that are being asked for included, in no particular
    /// order. Goes through the whole table.
    pub fn list(&self, now: Instant) -> impl Iterator<Item = Listed> {
        (0..self.places()).filter_map(move |place| self.at(place, now))
    }

    fn state_of(&self, entry: &Entry, now: Instant) -> State {
        if entry.standing == Standing::Permanent {
            State::Permanent
        } else if entry.is_expired(now, self.spans.lifetime) {
            State::Stale
        } else {
            State::Reachable
        }
    }

    /// What happened so far.
    pub const fn counters(&self) -> &NeighborCounters {
        &self.counters
    }

    /// Where to send a frame for `address` in VLAN `vid`. When that is not known, the neighbor is asked
    /// for; when it was not heard from for a while, it is asked in time whether it is still there.
    pub fn resolve(&mut self, vid: u16, address: Ipv4Addr, now: Instant) -> Resolution {
        let Spans {
            lifetime,
            refresh_age,
            ..
        } = self.spans;
        if let Some(entry) = self.cache.find_mut(Key::of(vid, address)) {
            let mac = entry.mac;
            if entry.standing == Standing::Permanent {
                return Resolution::Known(mac);
            }
            let confirmed = entry.confirmed;
            if now < confirmed.after(lifetime) {
                entry.standing = Standing::Used { last: now };
                if now >= confirmed.after(refresh_age) {
                    // Without room to ask, it is asked later, or expires.
                    let _ = self.ask(vid, address, now);
                }
                return Resolution::Known(mac);
            }
        }
        match self.ask(vid, address, now) {
            Some(_) => Resolution::Wait,
            None => {
                self.counters.too_many_questions = self.counters.too_many_questions.wrapping_add(1);
                Resolution::TooManyQuestions
            }
        }
    }

    /// Asks for a neighbor because the operator wants to know whether it responds, whatever is known
    /// of it; with `permanent` its answer becomes a permanent entry. [`Self::poll`] says what came of
    /// it, and whether there was room for a permanent entry. A permanent neighbor is known and is not
    /// asked for.
    pub fn solicit(
        &mut self,
        vid: u16,
        address: Ipv4Addr,
        permanent: bool,
        now: Instant,
    ) -> Resolution {
        if let Some(entry) = self.cache.find(Key::of(vid, address))
            && entry.standing == Standing::Permanent
        {
            return Resolution::Known(entry.mac);
        }
        match self.ask(vid, address, now) {
            Some(question) => {
                question.solicited = true;
                question.permanent |= permanent;
                Resolution::Wait
            }
            None => {
                self.counters.too_many_questions = self.counters.too_many_questions.wrapping_add(1);
                Resolution::TooManyQuestions
            }
        }
    }

    /// The open question about a neighbor, opened now if need be. A question that is open already is
    /// not asked more often for that.
    fn ask(&mut self, vid: u16, address: Ipv4Addr, now: Instant) -> Option<&mut Question> {
        let is_open = self.questions.find_mut(vid, address).is_some();
        if is_open {
            return self.questions.find_mut(vid, address);
        }
        self.questions.open_new(Question {
            vid,
            address,
            solicited: false,
            permanent: false,
            requests: 0,
            due: now,
            answer: None,
            waiting: 0,
        })
    }

    /// Lets a frame wait for a neighbor of which [`Self::resolve`] said [`Resolution::Wait`]. The
    /// frame is complete but for its first six octets, the destination's station address. A frame that
    /// waited already no longer does (RFC 1122 §2.3.2.2: the latest).
    ///
    /// # Errors
    ///
    /// [`QueueError`] when the frame does not wait.
    pub fn queue(&mut self, vid: u16, address: Ipv4Addr, frame: &[u8]) -> Result<(), QueueError> {
        match self.questions.store(vid, address, frame) {
            Stored::NotAsked => return Err(QueueError::NotAsked),
            Stored::TooLong => return Err(QueueError::TooLong),
            Stored::Alone => {}
            Stored::Replaced => self.counters.replaced = self.counters.replaced.wrapping_add(1),
        }
        self.counters.queued = self.counters.queued.wrapping_add(1);
        Ok(())
    }

    /// Whether it is being asked who has `address`.
    pub(crate) fn is_asking(&mut self, vid: u16, address: Ipv4Addr) -> bool {
        self.questions.find_mut(vid, address).is_some()
    }

    /// What is to be done next, if anything: a bounded look at the open questions. To be called as
    /// often as a frame can be sent.
    pub fn poll(&mut self, now: Instant) -> Option<Action<'_>> {
        // Where nobody waits for its end, it comes to it all the same.
        self.sweep();
        if let Some((permanent, by)) = self.take_contradiction(now) {
            return Some(Action::Contradicted { permanent, by });
        }
        if self.questions.open() == 0 {
            return None;
        }
        let (index, step) = (0..LOOKS.min(self.questions.capacity())).find_map(|_| {
            let index = self.questions.turn();
            Some((index, self.step(index, now)?))
        })?;
        match step {
            Step::Request(vid, address, to) => {
                self.counters.requests = self.counters.requests.wrapping_add(1);
                Some(Action::Request { vid, address, to })
            }
            Step::Close => self.close(index),
        }
    }

    /// What the question at a place needs now.
    fn step(&mut self, index: usize, now: Instant) -> Option<Step> {
        let Spans {
            lifetime,
            request_interval,
            ..
        } = self.spans;
        let question = self.questions.at_mut(index)?;
        if question.answer.is_some() {
            return Some(Step::Close);
        }
        if now < question.due {
            return None;
        }
        let entry = self.cache.find(Key::of(question.vid, question.address));
        let live = entry.filter(|entry| !entry.is_expired(now, lifetime));
        if question.requests < REQUESTS {
            question.requests = question.requests.saturating_add(1);
            question.due = now.after(request_interval);
            let to = live.map_or(MacAddress::BROADCAST, |entry| entry.mac);
            return Some(Step::Request(question.vid, question.address, to));
        }
        if live.is_some() && !question.solicited && question.waiting == 0 {
            // Nobody noticed: it was known before, and is for a while.
            let _ = self.questions.close(index);
            return None;
        }
        Some(Step::Close)
    }

    /// Closes a question that was answered, or asked often enough.
    fn close(&mut self, index: usize) -> Option<Action<'_>> {
        let (question, frame) = self.questions.close(index)?;
        let Question {
            vid,
            address,
            solicited,
            ..
        } = question;
        let Some(mac) = question.answer else {
            self.counters.failures = self.counters.failures.wrapping_add(1);
            return Some(Action::Failed {
                vid,
                address,
                solicited,
                frame: Some(&*frame).filter(|frame| !frame.is_empty()),
            });
        };
        self.counters.answers = self.counters.answers.wrapping_add(1);
        let entry = self.cache.find(Key::of(vid, address));
        let permanent = entry.is_some_and(|entry| entry.standing == Standing::Permanent);
        if let Some((destination, _)) = frame.split_first_chunk_mut() {
            *destination = mac.0;
        }
        Some(Action::Answered {
            vid,
            address,
            mac,
            solicited,
            permanent,
            frame: Some(&*frame).filter(|frame| !frame.is_empty()),
        })
    }

    fn take_contradiction(&mut self, now: Instant) -> Option<(Neighbor, MacAddress)> {
        self.contradiction?;
        let interval = self.spans.request_interval;
        if self
            .last_report
            .is_some_and(|last| now < last.after(interval))
        {
            return None;
        }
        self.last_report = Some(now);
        self.contradiction.take()
    }

    /// Notes where a known neighbor is now, or one that is being asked for (RFC 826, `Merge_flag`).
    pub(crate) fn merge(&mut self, heard: Neighbor) -> Heard {
        self.hear(heard, false)
    }

    /// Notes where a neighbor is, known or not.
    pub(crate) fn learn(&mut self, heard: Neighbor) -> Heard {
        self.hear(heard, true)
    }

    fn hear(&mut self, heard: Neighbor, may_add: bool) -> Heard {
        let Spans {
            lifetime,
            request_interval,
            ..
        } = self.spans;
        let now = heard.confirmed;
        let key = Key::of(heard.vid, heard.address);
        let question = self.questions.find_mut(heard.vid, heard.address);
        let (asked, permanent) = match &question {
            Some(question) => (true, question.permanent),
            None => (false, false),
        };
        let permanent = permanent && self.permanent_count < PERMANENT_LIMIT;
        let Some(entry) = self.cache.find_mut(key) else {
            if let Some(question) = question {
                question.answer = Some(heard.mac);
            }
            if !asked && !may_add {
                return Heard::Unknown;
            }
            let standing = match (permanent, asked) {
                (true, _) => Standing::Permanent,
                (false, true) => Standing::Used { last: now },
                (false, false) => Standing::Heard { since: now },
            };
            return match self.place(heard, standing) {
                Ok(()) => Heard::Added,
                Err(NoPlace) => Heard::NoRoom,
            };
        };
        let before = entry.mac;
        if entry.standing == Standing::Permanent {
            if before == heard.mac {
                entry.confirmed = now;
                return Heard::Confirmed;
            }
            self.contradiction = Some((entry.neighbor(key), heard.mac));
            self.counters.contradictions = self.counters.contradictions.wrapping_add(1);
            return Heard::Contradicted { permanent: before };
        }
        if let Some(question) = question {
            question.answer = Some(heard.mac);
        }
        let expired = entry.is_expired(now, lifetime);
        entry.standing = match entry.standing {
            _ if permanent => Standing::Permanent,
            _ if asked => Standing::Used { last: now },
            Standing::Used { last } if !expired => Standing::Used { last },
            // Elsewhere, or after so long, it is a claim like any first one.
            _ if expired || before != heard.mac => Standing::Heard { since: now },
            Standing::Heard { since } if now >= since.after(request_interval) => Standing::Proven,
            unchanged => unchanged,
        };
        entry.mac = heard.mac;
        entry.confirmed = now;
        if permanent {
            self.permanent_count = self.permanent_count.saturating_add(1);
        }
        if before == heard.mac {
            return Heard::Confirmed;
        }
        self.counters.moves = self.counters.moves.wrapping_add(1);
        Heard::Moved { from: before }
    }

    /// Places a neighbor that has no entry.
    fn place(&mut self, neighbor: Neighbor, standing: Standing) -> Result<(), NoPlace> {
        let now = neighbor.confirmed;
        let lifetime = self.spans.lifetime;
        let key = Key::of(neighbor.vid, neighbor.address);
        let newcomer = Entry {
            mac: neighbor.mac,
            confirmed: now,
            standing,
        };
        let placed = self.cache.insert(key, newcomer, now, lifetime);
        match placed {
            Ok(evicted) => {
                if evicted.is_some_and(|entry| !entry.is_expired(now, lifetime)) {
                    self.counters.evictions = self.counters.evictions.wrapping_add(1);
                }
                if standing == Standing::Permanent {
                    self.permanent_count = self.permanent_count.saturating_add(1);
                }
                Ok(())
            }
            Err(NoPlace) => {
                self.counters.no_room = self.counters.no_room.wrapping_add(1);
                Err(NoPlace)
            }
        }
    }

    /// Enters a neighbor permanently, in place of what was known of it.
    ///
    /// # Errors
    ///
    /// [`PermanentError`] when it cannot be entered.
    pub fn add_permanent(
        &mut self,
        vid: u16,
        address: Ipv4Addr,
        mac: MacAddress,
        now: Instant,
    ) -> Result<(), PermanentError> {
        if !mac.is_station() {
            return Err(PermanentError::NotAStation(mac));
        }
        let neighbor = Neighbor {
            vid,
            address,
            mac,
            confirmed: now,
        };
        let permanent = Entry {
            mac,
            confirmed: now,
            standing: Standing::Permanent,
        };
        // Whom a sweep forgets was there before it; who comes now is to stay.
        while self.sweep() {}
        let known = self.cache.find_mut(Key::of(vid, address));
        let was_permanent = known
            .as_ref()
            .is_some_and(|entry| entry.standing == Standing::Permanent);
        if !was_permanent && self.permanent_count >= PERMANENT_LIMIT {
            return Err(PermanentError::TooMany);
        }
        match known {
            Some(entry) => {
                *entry = permanent;
                if !was_permanent {
                    self.permanent_count = self.permanent_count.saturating_add(1);
                }
            }
            None => self
                .place(neighbor, Standing::Permanent)
                .map_err(|NoPlace| PermanentError::NoPlace)?,
        }
        if let Some(question) = self.questions.find_mut(vid, address) {
            question.answer = Some(mac);
        }
        Ok(())
    }

    /// Forgets a neighbor, permanent or not; `false` when it was not known. A question about it stays
    /// open.
    pub fn forget(&mut self, vid: u16, address: Ipv4Addr) -> bool {
        let Some(entry) = self.cache.remove(Key::of(vid, address)) else {
            return false;
        };
        if entry.standing == Standing::Permanent {
            self.permanent_count = self.permanent_count.saturating_sub(1);
        }
        true
    }

    /// Forgets all neighbors of a VLAN, permanent ones too, and who is asked for in it: its device is
    /// gone. They are gone when [`Self::sweep`] says so.
    pub fn forget_vlan(&mut self, vid: u16) {
        self.questions.retain(|question| question.vid != vid);
        self.begin(Forgotten::Vlan(vid));
    }

    /// Forgets all neighbors but the permanent ones. They are gone when [`Self::sweep`] says so.
    pub fn flush(&mut self) {
        self.begin(Forgotten::Learned);
    }

    /// Forgets the neighbors of a VLAN but the permanent ones. They are gone when [`Self::sweep`] says so.
    pub fn flush_vlan(&mut self, vid: u16) {
        self.begin(Forgotten::LearnedOf(vid));
    }

    /// Begins a sweep. One that is under way, of somebody who did not wait for its end, is brought to it
    /// first.
    fn begin(&mut self, forgotten: Forgotten) {
        while self.sweep() {}
        self.sweep = Some((forgotten, 0));
    }

    /// Does a bounded piece of what there is to forget. Returns whether there is more.
    pub fn sweep(&mut self) -> bool {
        let Some((forgotten, from)) = self.sweep else {
            return false;
        };
        let mut permanent = 0_usize;
        let next = self.cache.retain(from, SWEPT, |key, entry| {
            let goes = forgotten.has(key, entry);
            let is_permanent = entry.standing == Standing::Permanent;
            permanent = permanent.saturating_add(usize::from(goes && is_permanent));
            !goes
        });
        self.permanent_count = self.permanent_count.saturating_sub(permanent);
        self.sweep = next.map(|next| (forgotten, next));
        next.is_some()
    }
}

/// What an open question needs.
enum Step {
    Request(u16, Ipv4Addr, MacAddress),
    Close,
}

#[cfg(test)]
mod tests;
