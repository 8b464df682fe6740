//! Random sequences of everything, from devices that keep the rules and devices that do not.

use super::*;
use std::vec;

/// One thing that happens to a driver and its device.
#[derive(Clone, Debug)]
enum Event {
    Frames(u8, u8),
    Length(u32),
    Poll {
        budget: usize,
        answers: u64,
        deferrals: u64,
        length: usize,
    },
    Usual {
        budget: usize,
        answers: u64,
        length: usize,
    },
    Deferred {
        budget: usize,
        answers: u64,
        length: usize,
    },
    Transmit(usize),
    Credit(usize),
    Backwards(bool),
    Silence(usize, bool),
    Link(bool),
    Look(u8),
    Filter(u16),
    Commands(bool),
    Reset(u8),
    Gone(bool),
    PutBack(usize, u32, u32),
    MoveUsed(usize, u16),
    Status(u8),
}

fn lawful() -> impl Strategy<Value = Event> {
    let length = prop_oneof![0_usize..2100, Just(usize::MAX)];
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(n, filler)| Event::Frames(n, filler)),
        2 => any::<u32>().prop_map(Event::Length),
        6 => (0_usize..300, any::<u64>(), any::<u64>(), length.clone()).prop_map(
            |(budget, answers, deferrals, length)| {
                Event::Poll { budget, answers, deferrals, length }
            }
        ),
        4 => (0_usize..300, any::<u64>(), length.clone()).prop_map(
            |(budget, answers, length)| Event::Usual { budget, answers, length }
        ),
        2 => (0_usize..80, any::<u64>(), length.clone()).prop_map(
            |(budget, answers, length)| Event::Deferred { budget, answers, length }
        ),
        2 => length.prop_map(Event::Transmit),
        2 => (0_usize..300).prop_map(Event::Credit),
        1 => any::<bool>().prop_map(Event::Backwards),
        1 => (0_usize..3, any::<bool>()).prop_map(|(queue, on)| Event::Silence(queue, on)),
        1 => any::<bool>().prop_map(Event::Link),
        2 => (0_u8..50).prop_map(Event::Look),
        1 => any::<u16>().prop_map(Event::Filter),
        1 => any::<bool>().prop_map(Event::Commands),
        1 => any::<u8>().prop_map(Event::Reset),
        1 => any::<bool>().prop_map(Event::Gone),
    ]
}

fn hostile() -> impl Strategy<Value = Event> {
    let id = prop_oneof![0_u32..300, any::<u32>()];
    let by = prop_oneof![0_u16..300, any::<u16>()];
    prop_oneof![
        6 => lawful(),
        3 => (0_usize..3, id, any::<u32>())
            .prop_map(|(queue, id, length)| Event::PutBack(queue, id, length)),
        1 => (0_usize..3, by).prop_map(|(queue, by)| Event::MoveUsed(queue, by)),
        1 => any::<u8>().prop_map(Event::Status),
    ]
}

impl<Q: Virtqueue> Bench<Q> {
    fn suffer(&mut self, event: Event) {
        match event {
            Event::Frames(count, filler) => {
                for _ in 0..count {
                    self.model().receive(&frame(filler));
                }
            }
            Event::Length(length) => {
                if self.model().status == 0x0f {
                    self.model().deliver(&[0xdd; 2048], length);
                }
            }
            Event::Poll {
                budget,
                answers,
                deferrals,
                length,
            } => {
                let mut turn = 0;
                let count = self.turn(budget, |received| {
                    assert!(received.length <= BUFFER_SIZE);
                    turn += 1;
                    match (answers >> (turn % 64) & 1, deferrals >> (turn % 64) & 1) {
                        (1, _) => Verdict::Answer { length },
                        (_, 1) => Verdict::Defer,
                        _ => Verdict::Release,
                    }
                });
                assert!(count <= budget);
            }
            Event::Usual {
                budget,
                answers,
                length,
            } => {
                let mut turn = 0;
                let mut receiver = Usual(
                    |_: &mut [u8; BUFFER_SIZE], _| {
                        turn += 1;
                        match answers >> (turn % 64) & 7 {
                            0..4 => Some(Verdict::Answer { length }),
                            4 => Some(Verdict::Release),
                            _ => None,
                        }
                    },
                    |_: Received<'_>| Verdict::Release,
                );
                self.device.process(Batch::of(budget), &mut receiver);
                self.device.ring_doorbells();
                self.check();
            }
            Event::Deferred {
                budget,
                answers,
                length,
            } => {
                let (mut turn, waiting) = (0, self.device.deferred());
                let mut script = Script(|_: Received<'_>| {
                    turn += 1;
                    match answers >> (turn % 64) & 3 {
                        1 => Verdict::Answer { length },
                        2 => Verdict::Defer,
                        _ => Verdict::Release,
                    }
                });
                self.device.process_deferred(budget, &mut script);
                self.device.ring_doorbells();
                assert_eq!(turn, budget.min(waiting));
                assert_eq!(self.device.deferred(), waiting - turn);
            }
            Event::Transmit(length) => {
                let _ = self.device.transmit(|buffer| {
                    buffer.fill(0x77);
                    length
                });
                self.device.ring_doorbells();
            }
            Event::Credit(credit) => {
                self.model().transmit_credit = credit;
                self.model().pump();
            }
            Event::Backwards(backwards) => self.model().backwards = backwards,
            Event::Silence(queue, silence) => {
                if self.model().status == 0x0f {
                    self.model().ask_for_silence(queue, silence);
                }
            }
            Event::Link(up) => self.model().link_up = up,
            Event::Look(times) => {
                for _ in 0..times {
                    self.device.refresh_link();
                    self.device.refresh_statistics();
                    self.check();
                }
            }
            Event::Filter(vid) => self.device.set_vlan_filter(&vlans(&[42, vid])),
            Event::Commands(ignored) => {
                self.model().ignores_commands = ignored;
                self.model().obey();
            }
            Event::Reset(takes) => {
                self.model().reset_takes = usize::from(takes % 30);
                if self.model().status == 0x0f {
                    self.model().status |= 64;
                }
            }
            Event::Gone(gone) => self.model().gone = gone,
            Event::PutBack(queue, id, length) => {
                self.model().put_anything_back(queue, id, length);
            }
            Event::MoveUsed(queue, by) => self.model().move_used(queue, by),
            Event::Status(bits) => self.model().status |= bits & 64,
        }
        self.check();
    }

    /// Whatever went before: with the device in order, service is back within some time.
    fn assert_comes_back(&mut self) {
        {
            let mut model = self.model();
            model.gone = false;
            model.link_up = true;
            model.backwards = false;
            model.ignores_commands = false;
            model.transmit_credit = usize::MAX;
            model.lawless = false;
        }
        // Time for a hang to be noticed, for slow resets, and for the filter.
        for _ in 0..130 {
            self.suffer(Event::Look(1));
            self.suffer(Event::Credit(usize::MAX));
            self.suffer(Event::Commands(false));
            while self.echo() > 0 {}
        }
        self.assert_serves();
    }
}

/// How a device is reached, which features it offers, and how large its queues can be.
#[derive(Clone, Copy, Debug)]
struct Kind {
    is_mmio: bool,
    is_legacy: bool,
    limits: [u16; 3],
}

fn kind() -> impl Strategy<Value = Kind> {
    let limits = [2_u16..1025, 2..1025, 2..1025];
    (any::<bool>(), any::<bool>(), limits).prop_map(|(is_mmio, is_legacy, limits)| Kind {
        is_mmio,
        is_legacy,
        limits: match (is_legacy, is_mmio) {
            (true, false) => limits.map(u16::next_power_of_two),
            _ => limits,
        },
    })
}

impl Kind {
    /// Legacy devices find one format of queues only.
    fn bring_up<Q: Virtqueue>(self) -> Bench<Q> {
        let can_be_legacy = Q::FEATURES.is_empty();
        let bench = bring_up(|model| {
            model.is_mmio = self.is_mmio;
            model.limits = self.limits;
            if self.is_legacy && can_be_legacy {
                model.is_legacy = true;
                model.offered = OFFERED_LEGACY;
            }
        });
        bench.unwrap()
    }
}

/// The model panics at the first rule that is broken, and each event is followed by a check that all
/// buffers are there.
fn keeps_every_rule<Q: Virtqueue>(kind: Kind, events: Vec<Event>) {
    let mut bench = kind.bring_up::<Q>();
    for event in events {
        bench.suffer(event);
    }
    bench.assert_comes_back();
}

/// After each event all buffers are there; and when the device is in order again, so is service.
fn bears_anything<Q: Virtqueue>(kind: Kind, events: Vec<Event>) {
    let mut bench = kind.bring_up::<Q>();
    bench.model().lawless = true;
    for event in events {
        bench.suffer(event);
    }
    {
        let mut model = bench.model();
        model.gone = false;
        model.reset_takes = 0;
        model.status |= 64;
    }
    // Whatever it was at, it resets the device, which forgets what it did.
    bench.suffer(Event::Look(120));
    bench.assert_comes_back();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn a_lawful_device_finds_every_rule_kept(
        kind in kind(), events in prop::collection::vec(lawful(), 1..60)
    ) {
        keeps_every_rule::<SplitQueue>(kind, events);
    }

    #[test]
    fn a_lawful_device_with_packed_queues_finds_every_rule_kept(
        kind in kind(), events in prop::collection::vec(lawful(), 1..60)
    ) {
        keeps_every_rule::<PackedQueue>(kind, events);
    }

    #[test]
    fn a_lawful_device_that_may_be_legacy_finds_every_rule_kept(
        kind in kind(), events in prop::collection::vec(lawful(), 1..60)
    ) {
        keeps_every_rule::<LegacyQueue>(kind, events);
    }

    #[test]
    fn a_hostile_device_that_may_be_legacy_makes_no_panic_and_costs_no_buffer(
        kind in kind(), events in prop::collection::vec(hostile(), 1..60)
    ) {
        bears_anything::<LegacyQueue>(kind, events);
    }

    #[test]
    fn a_hostile_device_makes_no_panic_and_costs_no_buffer(
        kind in kind(), events in prop::collection::vec(hostile(), 1..60)
    ) {
        bears_anything::<SplitQueue>(kind, events);
    }

    #[test]
    fn a_hostile_device_with_packed_queues_makes_no_panic_and_costs_no_buffer(
        kind in kind(), events in prop::collection::vec(hostile(), 1..60)
    ) {
        bears_anything::<PackedQueue>(kind, events);
    }
}
