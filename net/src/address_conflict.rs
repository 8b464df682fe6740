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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const ANOTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    /// A clock of a million ticks a second: times below are in microseconds.
    const HERTZ: u64 = 1_000_000;

    fn at(microseconds: u64) -> Instant {
        Instant::from_ticks(microseconds)
    }

    fn claim(start: Start) -> AddressClaim {
        AddressClaim::new(ADDRESS, OWN, start, TickRate::from_hertz(HERTZ))
    }

    /// What is sent from `from` until before `to`, polled every millisecond, with the times.
    fn run(claim: &mut AddressClaim, from: u64, to: u64) -> Vec<(u64, Send)> {
        (from..to)
            .step_by(1000)
            .filter_map(|time| Some((time, claim.poll(at(time))?)))
            .collect()
    }

    /// A claim that probed undisturbed, polled until `time`.
    fn in_use(start: Start, time: u64) -> AddressClaim {
        let mut claim = claim(start);
        claim.link_up(at(0), 7);
        run(&mut claim, 0, time);
        assert!(claim.is_usable());
        assert_eq!(claim.phase, Phase::InUse);
        claim
    }

    fn their_claim(claim: &mut AddressClaim, time: u64) -> Event {
        claim.on_arp(ADDRESS, OTHER, ANOTHER, true, at(time))
    }

    #[test]
    fn a_configured_address_is_used_at_once_and_announced_twice_two_seconds_apart() {
        // RFC 5227 §2.3.
        let mut claim = claim(Start::default());
        assert!(claim.is_usable(), "before the link is up");
        assert_eq!(run(&mut claim, 0, 1_000_000), []);
        claim.link_up(at(1_000_000), 7);
        assert!(claim.is_usable());
        let sent = run(&mut claim, 1_000_000, 20_000_000);
        assert_eq!(
            sent,
            [
                (1_000_000, Send::Announcement),
                (3_000_000, Send::Announcement)
            ]
        );
        assert_eq!(claim.phase, Phase::InUse);
    }

    proptest! {
        #[test]
        fn three_probes_at_random_times_then_two_announcements(random: u64) {
            // RFC 5227 §2.1.1, §2.3.
            let mut claim = claim(Start::ProbeFirst);
            claim.link_up(at(0), random);
            let mut usable_since = None;
            let mut sent = Vec::new();
            for time in (0..12_000_000).step_by(1000) {
                if let Some(send) = claim.poll(at(time)) {
                    sent.push((time, send));
                }
                if claim.is_usable() && usable_since.is_none() {
                    usable_since = Some(time);
                }
            }
            let kinds: Vec<Send> = sent.iter().map(|&(_, send)| send).collect();
            prop_assert_eq!(kinds, [
                Send::Probe, Send::Probe, Send::Probe, Send::Announcement, Send::Announcement,
            ]);
            let times: Vec<u64> = sent.iter().map(|&(time, _)| time).collect();
            let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let slack = 1000;
            prop_assert!(times[0] <= 1_000_000 + slack);
            for gap in &gaps[..2] {
                prop_assert!((1_000_000..=2_000_000 + slack).contains(gap), "{gap}");
            }
            prop_assert_eq!(&gaps[2..], [2_000_000, 2_000_000]);
            prop_assert_eq!(usable_since, Some(times[3]), "§2.3: with the first announcement");
        }
    }

    #[test]
    fn the_times_of_probes_depend_on_the_random_value_and_use_all_of_their_range() {
        // RFC 5227 §2.1.1: so that hosts that were switched on together do not probe together.
        let first_probe = |random| {
            let mut claim = claim(Start::ProbeFirst);
            claim.link_up(at(0), random);
            run(&mut claim, 0, 1_100_000)[0].0
        };
        let times: Vec<u64> = (0..100).map(first_probe).collect();
        assert!(times.iter().any(|&time| time < 100_000));
        assert!(times.iter().any(|&time| time > 900_000));
    }

    #[test]
    fn a_claim_to_the_address_while_probing_refuses_it() {
        // RFC 5227 §2.1.1: any packet, request or reply, whose sender has the address.
        for is_request in [true, false] {
            let mut claim = claim(Start::ProbeFirst);
            claim.link_up(at(0), 7);
            run(&mut claim, 0, 2_500_000);
            assert!(matches!(claim.phase, Phase::Probing { sent: 1.., .. }));
            let event = claim.on_arp(ADDRESS, OTHER, ANOTHER, is_request, at(2_500_000));
            assert_eq!(event, Event::Refused { by: OTHER });
            assert!(!claim.is_usable());
            assert!(matches!(claim.phase, Phase::Probing { sent: 0, .. }));
        }
    }

    #[test]
    fn a_claim_between_the_last_probe_and_the_first_announcement_refuses_it() {
        // RFC 5227 §2.1.1: until ANNOUNCE_WAIT after the last probe.
        let mut claim = claim(Start::ProbeFirst);
        claim.link_up(at(0), 7);
        let mut time = 0;
        while !matches!(claim.phase, Phase::Probing { sent: 3, .. }) {
            time += 1000;
            claim.poll(at(time));
        }
        time += 1_999_000;
        assert_eq!(claim.poll(at(time)), None);
        assert_eq!(their_claim(&mut claim, time), Event::Refused { by: OTHER });
        assert_eq!(run(&mut claim, time, time + 1_000)[..], [][..]);
        assert!(!claim.is_usable());
    }

    #[test]
    fn a_probe_of_another_for_the_same_address_refuses_it_to_both() {
        // RFC 5227 §2.1.1.
        let mut claim = claim(Start::ProbeFirst);
        claim.link_up(at(0), 7);
        let event = claim.on_arp(NOBODY, OTHER, ADDRESS, true, at(0));
        assert_eq!(event, Event::Refused { by: OTHER });
    }

    #[test]
    fn what_is_about_others_or_was_sent_by_us_refuses_nothing() {
        // RFC 5227 §2.1.1: "not the hardware address of any of the host's interfaces".
        let mut claim = claim(Start::ProbeFirst);
        claim.link_up(at(0), 7);
        for (sender, mac, target, is_request) in [
            (NOBODY, OWN, ADDRESS, true),
            (ADDRESS, OWN, ADDRESS, true),
            (NOBODY, OTHER, ANOTHER, true),
            (NOBODY, OTHER, ADDRESS, false),
            (ANOTHER, OTHER, ADDRESS, true),
            (ANOTHER, OTHER, ADDRESS, false),
        ] {
            let event = claim.on_arp(sender, mac, target, is_request, at(0));
            assert_eq!(event, Event::None, "{sender} {mac} {target} {is_request}");
        }
    }

    #[test]
    fn after_ten_refusals_the_address_is_tried_once_a_minute() {
        // RFC 5227 §2.1.1: MAX_CONFLICTS, RATE_LIMIT_INTERVAL.
        let mut claim = claim(Start::ProbeFirst);
        claim.link_up(at(0), 7);
        for conflict in 1..=10 {
            assert_eq!(their_claim(&mut claim, 0), Event::Refused { by: OTHER });
            let probes_on = matches!(claim.phase, Phase::Probing { .. });
            assert_eq!(probes_on, conflict < 10, "after {conflict}");
        }
        // Between two attempts nothing is sent, and nothing reported.
        assert_eq!(their_claim(&mut claim, 1_000), Event::None);
        assert_eq!(run(&mut claim, 0, 60_000_000), []);
        let sent = run(&mut claim, 60_000_000, 62_000_000);
        assert_eq!(sent[0].1, Send::Probe);
        // One more, and it is another minute.
        assert_eq!(
            their_claim(&mut claim, 62_000_000),
            Event::Refused { by: OTHER }
        );
        assert_eq!(run(&mut claim, 62_000_000, 122_000_000), []);
        // Nobody objects any more: the address is ours, and the count starts again.
        run(&mut claim, 122_000_000, 132_000_000);
        assert_eq!(claim.phase, Phase::InUse);
        claim.link_up(at(132_000_000), 8);
        assert_eq!(
            their_claim(&mut claim, 132_000_000),
            Event::Refused { by: OTHER }
        );
        assert!(matches!(claim.phase, Phase::Probing { .. }));
    }

    #[test]
    fn an_address_in_use_is_defended_once_in_ten_seconds_and_never_given_up() {
        // RFC 5227 §2.4 (c).
        for start in [Start::UseAtOnce, Start::ProbeFirst] {
            let mut claim = in_use(start, 20_000_000);
            assert_eq!(
                their_claim(&mut claim, 20_000_000),
                Event::Defended { by: OTHER }
            );
            let mut sent = run(&mut claim, 20_000_000, 20_002_000);
            for time in (20_002_000..60_000_000).step_by(1000) {
                let event = their_claim(&mut claim, time);
                assert!(matches!(
                    event,
                    Event::Contested { by: OTHER } | Event::Defended { by: OTHER }
                ));
                sent.extend(run(&mut claim, time, time + 1000));
                assert!(claim.is_usable());
            }
            let times = [20_000_000, 30_000_000, 40_000_000, 50_000_000];
            assert_eq!(sent, times.map(|time| (time, Send::Announcement)));
        }
    }

    #[test]
    fn an_address_is_defended_from_its_first_announcement_on() {
        // RFC 5227 §2.4: conflict detection is an ongoing process from then on.
        let mut claim = claim(Start::UseAtOnce);
        claim.link_up(at(0), 7);
        assert_eq!(claim.poll(at(0)), Some(Send::Announcement));
        assert_eq!(
            their_claim(&mut claim, 1_000),
            Event::Defended { by: OTHER }
        );
        assert_eq!(
            run(&mut claim, 1_000, 5_000_000),
            [(1_000, Send::Announcement), (2_000_000, Send::Announcement)]
        );
    }

    #[test]
    fn questions_and_probes_for_an_address_in_use_are_no_conflict() {
        // RFC 5227 §2.4 is about the sender's address; the prober is told by the answer.
        let mut claim = in_use(Start::UseAtOnce, 5_000_000);
        for (sender, mac) in [(NOBODY, OTHER), (ANOTHER, OTHER), (ADDRESS, OWN)] {
            let event = claim.on_arp(sender, mac, ADDRESS, true, at(5_000_000));
            assert_eq!(event, Event::None);
        }
        assert_eq!(claim.poll(at(5_000_000)), None);
    }

    #[test]
    fn a_link_that_comes_back_starts_anew() {
        // RFC 5227 §2.1: "when a link-state change signals that an Ethernet cable has been connected".
        let mut claim = in_use(Start::UseAtOnce, 5_000_000);
        claim.link_down();
        assert!(claim.is_usable());
        assert_eq!(their_claim(&mut claim, 5_000_000), Event::None);
        assert_eq!(run(&mut claim, 5_000_000, 9_000_000), []);
        claim.link_up(at(9_000_000), 9);
        assert_eq!(run(&mut claim, 9_000_000, 20_000_000).len(), 2);

        let mut claim = in_use(Start::ProbeFirst, 15_000_000);
        claim.link_down();
        assert!(!claim.is_usable());
        claim.link_up(at(20_000_000), 9);
        let sent = run(&mut claim, 20_000_000, 40_000_000);
        assert_eq!(sent.len(), 5);
        assert_eq!(sent[0].1, Send::Probe);
        assert!(claim.is_usable());
    }

    #[test]
    fn a_defence_that_the_link_did_not_carry_is_not_made_up_for() {
        let mut claim = in_use(Start::UseAtOnce, 5_000_000);
        their_claim(&mut claim, 5_000_000);
        claim.link_down();
        assert_eq!(claim.poll(at(5_000_000)), None);
    }
}
