//! Whether an address is ours alone: probing, announcing and defending it (RFC 5227).
//!
//! One [`AddressClaim`] stands beside each configured address. The receive path tells it of ARP
//! packets ([`AddressClaim::on_arp`]), the poll loop sends what it asks for ([`AddressClaim::poll`]).
//! It does no I/O, owns no clock and makes no random numbers.
//!
//! An appliance whose operator gave it an address is what RFC 5227 §2.4 (c) has in mind: it never gives
//! the address up, answers another's claim with one announcement in ten seconds at most, and says so
//! each time. By default it uses the address at once, because a far end that is deaf for the first
//! seven seconds is not one to measure with; [`Start::ProbeFirst`] is for who would rather wait.

use crate::time::{Instant, TickRate, Ticks};
use crate::wire::ethernet::MacAddress;
use core::net::Ipv4Addr;

// RFC 5227 §1.1, in seconds where they are times.
const PROBE_WAIT: u64 = 1;
const PROBE_NUM: u8 = 3;
const PROBE_MIN: u64 = 1;
const PROBE_MAX: u64 = 2;
const ANNOUNCE_WAIT: u64 = 2;
const ANNOUNCE_NUM: u8 = 2;
const ANNOUNCE_INTERVAL: u64 = 2;
const MAX_CONFLICTS: u32 = 10;
const RATE_LIMIT_INTERVAL: u64 = 60;
const DEFEND_INTERVAL: u64 = 10;

/// When an address may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// From the first moment: it is announced, and not probed for.
    #[default]
    UseAtOnce,
    /// When nobody objected to it (RFC 5227 §2.1).
    ProbeFirst,
}

/// An ARP request to send to all stations, from our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// Sender 0.0.0.0, target our address (RFC 5227 §1.1, "ARP Probe").
    Probe,
    /// Sender and target our address (RFC 5227 §1.1, "ARP Announcement").
    Announcement,
}

/// What an ARP packet means for our address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing.
    None,
    /// Another has the address, or wants it too, before we used it: we do not, and try again later
    /// (RFC 5227 §2.1.1). To be reported.
    Refused {
        /// The other station.
        by: MacAddress,
    },
    /// Another uses our address: an announcement is due (RFC 5227 §2.4). To be reported.
    Defended {
        /// The other station.
        by: MacAddress,
    },
    /// Another uses our address, and was told so less than ten seconds ago (RFC 5227 §2.4). To be
    /// counted.
    Contested {
        /// The other station.
        by: MacAddress,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The link is down.
    Down,
    /// Too many have objected; it is tried again.
    Refused { until: Instant },
    /// So many probes were sent; the next, or the first announcement, is due.
    Probing { sent: u8, due: Instant },
    /// So many announcements were sent; the next is due.
    Announcing { sent: u8, due: Instant },
    /// The address is ours.
    InUse,
}

/// Our claim to an address.
#[derive(Clone, Debug)]
pub struct AddressClaim {
    address: Ipv4Addr,
    own: MacAddress,
    start: Start,
    second: Ticks,
    phase: Phase,
    /// Conflicts while probing, since the address was last ours.
    refusals: u32,
    /// When it was last defended.
    defended: Option<Instant>,
    defence_is_due: bool,
    random: u64,
}

impl AddressClaim {
    /// A claim of station `own` to `address`, on a link that is down.
    pub const fn new(address: Ipv4Addr, own: MacAddress, start: Start, rate: TickRate) -> Self {
        Self {
            address,
            own,
            start,
            second: Ticks(rate.hertz()),
            phase: Phase::Down,
            refusals: 0,
            defended: None,
            defence_is_due: false,
            random: 0,
        }
    }

    /// The address.
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Whether the address may be used: answered for, and sent from.
    pub const fn is_usable(&self) -> bool {
        match (self.start, self.phase) {
            (Start::UseAtOnce, _) | (_, Phase::InUse | Phase::Announcing { .. }) => true,
            (Start::ProbeFirst, Phase::Down | Phase::Refused { .. } | Phase::Probing { .. }) => {
                false
            }
        }
    }

    /// The link came up: another may have taken the address meanwhile, and switches may have forgotten
    /// us (RFC 5227 §2.1). `random` is any number that differs from station to station.
    pub fn link_up(&mut self, now: Instant, random: u64) {
        self.random = random;
        self.defence_is_due = false;
        match self.start {
            Start::UseAtOnce => self.phase = Phase::Announcing { sent: 0, due: now },
            Start::ProbeFirst => self.probe_from(now),
        }
    }

    /// The link went down: there is nobody to tell.
    pub const fn link_down(&mut self) {
        self.phase = Phase::Down;
        self.defence_is_due = false;
    }

    /// What is to be sent now, if anything.
    pub fn poll(&mut self, now: Instant) -> Option<Send> {
        if self.defence_is_due {
            self.defence_is_due = false;
            return Some(Send::Announcement);
        }
        match self.phase {
            Phase::Refused { until } if now >= until => {
                self.probe_from(now);
                None
            }
            Phase::Probing { sent, due } if now >= due => {
                if sent >= PROBE_NUM {
                    self.refusals = 0;
                    return Some(self.announce(0, now));
                }
                let sent = sent.saturating_add(1);
                // §2.1.1: probes "spaced randomly and uniformly", then ANNOUNCE_WAIT.
                let wait = if sent < PROBE_NUM {
                    self.between(PROBE_MIN, PROBE_MAX)
                } else {
                    self.seconds(ANNOUNCE_WAIT)
                };
                let due = now.after(wait);
                self.phase = Phase::Probing { sent, due };
                Some(Send::Probe)
            }
            Phase::Announcing { sent, due } if now >= due => Some(self.announce(sent, now)),
            _ => None,
        }
    }

    /// One announcement more than `sent`.
    const fn announce(&mut self, sent: u8, now: Instant) -> Send {
        let sent = sent.saturating_add(1);
        self.phase = if sent < ANNOUNCE_NUM {
            let due = now.after(self.seconds(ANNOUNCE_INTERVAL));
            Phase::Announcing { sent, due }
        } else {
            Phase::InUse
        };
        Send::Announcement
    }

    /// Takes note of an ARP packet that arrived where the address is configured.
    pub fn on_arp(
        &mut self,
        sender_ip: Ipv4Addr,
        sender_mac: MacAddress,
        target_ip: Ipv4Addr,
        is_request: bool,
        now: Instant,
    ) -> Event {
        if sender_mac == self.own {
            return Event::None;
        }
        let by = sender_mac;
        let claims = sender_ip == self.address;
        let probes = is_request && sender_ip.is_unspecified() && target_ip == self.address;
        match self.phase {
            Phase::Probing { .. } if claims || probes => {
                self.refusals = self.refusals.saturating_add(1);
                if self.refusals < MAX_CONFLICTS {
                    self.probe_from(now);
                } else {
                    let until = now.after(self.seconds(RATE_LIMIT_INTERVAL));
                    self.phase = Phase::Refused { until };
                }
                Event::Refused { by }
            }
            Phase::Announcing { .. } | Phase::InUse if claims => {
                let interval = self.seconds(DEFEND_INTERVAL);
                if self.defended.is_some_and(|last| now < last.after(interval)) {
                    return Event::Contested { by };
                }
                self.defended = Some(now);
                self.defence_is_due = true;
                Event::Defended { by }
            }
            _ => Event::None,
        }
    }

    /// Begins to probe at `start` (§2.1.1: after a random time of up to PROBE_WAIT).
    fn probe_from(&mut self, start: Instant) {
        let wait = self.between(0, PROBE_WAIT);
        let due = start.after(wait);
        self.phase = Phase::Probing { sent: 0, due };
    }

    const fn seconds(&self, seconds: u64) -> Ticks {
        Ticks(self.second.0.saturating_mul(seconds))
    }

    /// A random span, from `low` to `high` seconds.
    fn between(&mut self, low: u64, high: u64) -> Ticks {
        let low = self.seconds(low);
        let range = self.seconds(high).0.saturating_sub(low.0);
        let random = u128::from(self.next_random());
        let part = (u128::from(range).saturating_mul(random) >> 64) as u64;
        Ticks(low.0.saturating_add(part))
    }

    /// The next of a row of numbers that looks random (SplitMix64).
    const fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
