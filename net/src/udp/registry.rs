//! Which services there are, on which addresses and ports, and what each has done.
//!
//! Registering allocates, and belongs to configuration. Looking up does not: it goes through a few
//! dozen octets of addresses and ports, those with an address first, so that the first match is the most
//! exact one.

use super::service::{DatagramSender, Departure, Policy, SendError, UdpService};
use super::{Answer, Unanswered};
use crate::rate::{Limit, TokenBucket};
use crate::time::{Instant, TickRate};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

/// How many services there can be.
pub const CAPACITY: usize = 32;

/// Where a service is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    /// One of our addresses; `None` for all of them.
    address: Option<Ipv4Addr>,
    port: u16,
}

/// The services of an interface.
pub struct Services {
    /// Keys with an address first; otherwise in the order of registration.
    keys: heapless::Vec<Key, CAPACITY>,
    /// What is found, in the order of `keys`.
    entries: Vec<Entry>,
    /// The ports of services that answer, each as the bit of its last six.
    responders: u64,
    answers: Option<TokenBucket>,
    rate: TickRate,
    next_turn: usize,
}

/// A registered service.
pub struct Entry {
    key: Key,
    pub(super) service: Box<dyn UdpService>,
    pub(super) policy: Policy,
    pub(super) amplification: Option<TokenBucket>,
    pub(super) counters: ServiceCounters,
}

/// Why a service was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterError {
    /// Port 0 is none (RFC 768).
    PortZero,
    /// Another service has this address and port.
    Taken {
        /// Its name.
        name: &'static str,
    },
    /// There are [`CAPACITY`] services already.
    Full,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortZero => f.write_str("port 0 cannot be served"),
            Self::Taken { name } => write!(f, "the port is taken by the service {name}"),
            Self::Full => write!(f, "there are {CAPACITY} services already"),
        }
    }
}

impl core::error::Error for RegisterError {}

/// There is no service on this address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRegistered;

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no service has this address and port")
    }
}

impl core::error::Error for NotRegistered {}

impl Services {
    /// None, on a machine whose counter runs at `rate`. Allocates what it will ever need but the
    /// services themselves.
    pub fn new(rate: TickRate) -> Self {
        Self {
            keys: heapless::Vec::new(),
            entries: Vec::with_capacity(CAPACITY),
            responders: 0,
            answers: None,
            rate,
            next_turn: 0,
        }
    }

    /// Has `service` serve `port` on one of our addresses, or on all of them. Where both are
    /// registered, the one with the address gets what is for that address.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    pub fn register(
        &mut self,
        address: Option<Ipv4Addr>,
        port: u16,
        service: Box<dyn UdpService>,
    ) -> Result<(), RegisterError> {
        if port == 0 {
            return Err(RegisterError::PortZero);
        }
        let key = Key { address, port };
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            let name = entry.name();
            return Err(RegisterError::Taken { name });
        }
        let place = match address {
            Some(_) => self
                .keys
                .iter()
                .take_while(|key| key.address.is_some())
                .count(),
            None => self.keys.len(),
        };
        self.keys
            .insert(place, key)
            .map_err(|_| RegisterError::Full)?;
        let policy = service.policy();
        let entry = Entry {
            key,
            service,
            policy,
            amplification: self.bucket(policy.amplification),
            counters: ServiceCounters::default(),
        };
        self.entries.insert(place, entry);
        self.note_responders();
        Ok(())
    }

    /// Stops serving an address and port. Returns the service.
    ///
    /// # Errors
    ///
    /// There is no such service.
    pub fn unregister(
        &mut self,
        address: Option<Ipv4Addr>,
        port: u16,
    ) -> Result<Box<dyn UdpService>, NotRegistered> {
        let place = self.place(address, port).ok_or(NotRegistered)?;
        self.keys.remove(place);
        let entry = self.entries.remove(place);
        self.note_responders();
        Ok(entry.service)
    }

    /// Changes what a service may do.
    ///
    /// # Errors
    ///
    /// There is no such service.
    pub fn set_policy(
        &mut self,
        address: Option<Ipv4Addr>,
        port: u16,
        policy: Policy,
    ) -> Result<(), NotRegistered> {
        let place = self.place(address, port).ok_or(NotRegistered)?;
        let amplification = self.bucket(policy.amplification);
        let entry = self.entries.get_mut(place).ok_or(NotRegistered)?;
        entry.policy = policy;
        entry.amplification = amplification;
        self.note_responders();
        Ok(())
    }

    /// Limits how often all services together answer in place; `None`, as at the start: no limit.
    pub fn set_answer_limit(&mut self, limit: Option<Limit>) {
        self.answers = self.bucket(limit);
    }

    /// How often all services together may answer.
    pub fn answer_limit(&self) -> Option<Limit> {
        self.answers.as_ref().map(TokenBucket::limit)
    }

    /// All services, those with an address first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The service of type `S` on an address and port, to be read or changed.
    pub fn get_mut<S: UdpService>(
        &mut self,
        address: Option<Ipv4Addr>,
        port: u16,
    ) -> Option<&mut S> {
        let place = self.place(address, port)?;
        let entry = self.entries.get_mut(place)?;
        let service: &mut dyn Any = entry.service.as_mut();
        service.downcast_mut()
    }

    /// Gives the next service its turn to send on its own.
    pub fn poll(&mut self, now: Instant, sender: &mut dyn DatagramSender) {
        if self.next_turn >= self.entries.len() {
            self.next_turn = 0;
        }
        if let Some(entry) = self.entries.get_mut(self.next_turn) {
            let counters = &mut entry.counters;
            entry.service.poll(now, &mut Counting { sender, counters });
        }
        self.next_turn = self.next_turn.saturating_add(1);
    }

    /// The service that a datagram is for, and the limit on all answers.
    #[inline]
    pub(super) fn find_with_limit(
        &mut self,
        destination: SocketAddrV4,
    ) -> Option<(&mut Entry, Option<&mut TokenBucket>)> {
        let place = self.keys.iter().position(|key| {
            let is_address = |address: Ipv4Addr| address == *destination.ip();
            key.port == destination.port() && key.address.is_none_or(is_address)
        })?;
        let entry = self.entries.get_mut(place)?;
        Some((entry, self.answers.as_mut()))
    }

    /// Whether a service answers on `port`, on whichever address.
    #[inline]
    pub(super) fn is_responder_port(&self, port: u16) -> bool {
        self.responders & bit_of(port) != 0
            && self
                .entries
                .iter()
                .any(|entry| entry.key.port == port && entry.policy.answers)
    }

    fn place(&self, address: Option<Ipv4Addr>, port: u16) -> Option<usize> {
        let key = Key { address, port };
        self.keys.iter().position(|other| *other == key)
    }

    fn bucket(&self, limit: Option<Limit>) -> Option<TokenBucket> {
        limit.map(|limit| TokenBucket::new(limit, self.rate))
    }

    fn note_responders(&mut self) {
        let answering = self.entries.iter().filter(|entry| entry.policy.answers);
        self.responders = answering.fold(0, |bits, entry| bits | bit_of(entry.key.port));
    }
}

/// The bit that stands for a port and a thousand others: spares most ports the search.
#[inline]
const fn bit_of(port: u16) -> u64 {
    1_u64.rotate_left(port as u32)
}

impl Entry {
    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.service.name()
    }

    /// Which of our addresses it serves; `None` for all of them.
    pub const fn address(&self) -> Option<Ipv4Addr> {
        self.key.address
    }

    /// Which port it serves.
    pub const fn port(&self) -> u16 {
        self.key.port
    }

    /// What it may do.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// What it has done.
    pub const fn counters(&self) -> &ServiceCounters {
        &self.counters
    }
}

/// What became of the datagrams that were for a service, and of those that it sent itself. Octets are of
/// data, without headers. All wrap.
///
/// After every datagram, received = answered + the sum over all [`Unanswered`].
// In this order, because counters side by side that move together become vector arithmetic, which takes three times
// the instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ServiceCounters {
    /// Datagrams that were for it, whole and with a right checksum.
    pub received: u64,
    /// Datagrams that it sent on its own.
    pub sent: u64,
    /// Octets of those that it received.
    pub received_octets: u64,
    /// Octets of those that it sent on its own.
    pub sent_octets: u64,
    /// Datagrams that were turned into an answer.
    pub answered: u64,
    /// Datagrams that it wanted to send and that could not be.
    pub unsent: u64,
    /// The answers' octets.
    pub answered_octets: u64,
    unanswered: [u64; Unanswered::ALL.len()],
}

impl Default for ServiceCounters {
    fn default() -> Self {
        Self {
            received: 0,
            received_octets: 0,
            answered: 0,
            answered_octets: 0,
            sent: 0,
            sent_octets: 0,
            unsent: 0,
            unanswered: [0; Unanswered::ALL.len()],
        }
    }
}

impl ServiceCounters {
    /// Datagrams that got no answer for this reason.
    pub fn unanswered(&self, reason: Unanswered) -> u64 {
        self.unanswered.get(reason as usize).copied().unwrap_or(0)
    }

    /// Counts a datagram with `octets` of data under what became of it.
    #[inline]
    pub(super) fn count(&mut self, octets: usize, outcome: &Result<Answer, Unanswered>) {
        self.received = self.received.wrapping_add(1);
        self.received_octets = self.received_octets.wrapping_add(octets as u64);
        match outcome {
            Ok(answer) => {
                let octets = answer
                    .length
                    .saturating_sub(crate::wire::udp::HEADER_LENGTH);
                self.answered = self.answered.wrapping_add(1);
                self.answered_octets = self.answered_octets.wrapping_add(octets as u64);
            }
            Err(reason) => {
                if let Some(counter) = self.unanswered.get_mut(*reason as usize) {
                    *counter = counter.wrapping_add(1);
                }
            }
        }
    }
}

/// Counts what a service sends on its own.
struct Counting<'a> {
    sender: &'a mut dyn DatagramSender,
    counters: &'a mut ServiceCounters,
}

impl DatagramSender for Counting<'_> {
    fn send(&mut self, departure: &Departure, data: &[u8]) -> Result<(), SendError> {
        let sent = self.sender.send(departure, data);
        let counters = &mut *self.counters;
        if sent.is_ok() {
            counters.sent = counters.sent.wrapping_add(1);
            counters.sent_octets = counters.sent_octets.wrapping_add(data.len() as u64);
        } else {
            counters.unsent = counters.unsent.wrapping_add(1);
        }
        sent
    }
}
