//! Random sequences of everything, from cards that keep the rules and cards that do not.

use super::*;

/// One thing that happens to a driver and its card.
#[derive(Clone, Debug)]
enum Event {
    Frames(u8, u8),
    Descriptor(u64),
    Scribble(bool, u8, u64, u64),
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
    Link(bool),
    Gone(bool),
    Look(u8),
    SwitchedOff(bool),
    Statistics,
    Filter(u16),
}

fn lawful() -> impl Strategy<Value = Event> {
    let length = prop_oneof![0_usize..2100, Just(usize::MAX)];
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(n, filler)| Event::Frames(n, filler)),
        2 => any::<u64>().prop_map(Event::Descriptor),
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
        1 => any::<bool>().prop_map(Event::Link),
        1 => Just(Event::Statistics),
        1 => any::<u16>().prop_map(Event::Filter),
    ]
}

fn hostile() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => lawful(),
        1 => any::<bool>().prop_map(Event::Gone),
        1 => (0_u8..60).prop_map(Event::Look),
        1 => any::<bool>().prop_map(Event::SwitchedOff),
        2 => (any::<bool>(), any::<u8>(), any::<u64>(), any::<u64>())
            .prop_map(|(receive, index, buffer, fields)| {
                Event::Scribble(receive, index, buffer, fields)
            }),
    ]
}

impl<F: Format> Bench<F> {
    fn suffer(&mut self, event: Event) {
        match event {
            Event::Frames(count, filler) => {
                for _ in 0..count {
                    self.model().receive(&frame(filler));
                }
            }
            // Done, since a card that has not finished with a descriptor keeps its head there.
            Event::Descriptor(fields) => {
                let done = if self.model().advanced { 1 } else { 1 << 32 };
                self.model().deliver(&[0xdd; 2048], fields | done);
            }
            Event::Scribble(receive, index, buffer, fields) => {
                self.model()
                    .scribble(receive, u32::from(index), buffer, fields);
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
                let count = self.deferred_turn(budget, |_| {
                    turn += 1;
                    match answers >> (turn % 64) & 3 {
                        1 => Verdict::Answer { length },
                        2 => Verdict::Defer,
                        _ => Verdict::Release,
                    }
                });
                assert_eq!(count, budget.min(waiting));
                assert_eq!(self.device.deferred(), waiting - count);
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
            Event::Link(up) => {
                self.model().link_up = up;
                self.device.refresh_link();
            }
            Event::Gone(gone) => {
                self.model().gone = gone;
                self.device.refresh_link();
            }
            Event::Look(times) => {
                for _ in 0..times {
                    self.device.refresh_link();
                    self.check();
                }
            }
            Event::SwitchedOff(receiver) => {
                let register = if receiver {
                    RCTL.offset()
                } else {
                    TCTL.offset()
                };
                self.model().set(register, 0);
            }
            Event::Statistics => self.device.refresh_statistics(),
            Event::Filter(vid) => self.device.set_vlan_filter(&vlans(&[42, vid])),
        }
        self.check();
    }
}

/// A driver and a card whose descriptors are of the form `F`.
fn bench_of<F: Format>(card: &'static Card) -> Bench<F> {
    bring_up_as(card, |_| ()).unwrap()
}

/// The model panics at the first rule that is broken. And after all of that, once everything is drained,
/// service goes on.
fn keeps_the_rules<F: Format>(mut bench: Bench<F>, events: Vec<Event>) {
    for event in events {
        bench.suffer(event);
    }
    bench.model().link_up = true;
    bench.device.refresh_link();
    bench.model().transmit_credit = usize::MAX;
    bench.model().pump();
    while bench.echo() > 0 {}
    bench.take_sent();
    // What was cut off in the middle of an oversized frame ends here.
    bench.model().receive(&frame(1));
    bench.turn(64, |_| Verdict::Release);
    assert_eq!(bench.model().receive(&frame(2)), Outcome::Delivered);
    bench.echo();
    assert_eq!(bench.take_sent(), [frame(2)]);
}

fn survives<F: Format>(mut bench: Bench<F>, events: Vec<Event>) {
    bench.model().lawless = true;
    for event in events {
        bench.suffer(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_lawful_card_finds_every_rule_kept(events in prop::collection::vec(lawful(), 1..60)) {
        keeps_the_rules(bench_of::<Legacy>(card()), events);
    }

    #[test]
    fn a_lawful_card_with_advanced_descriptors_finds_every_rule_kept(
        events in prop::collection::vec(lawful(), 1..60)
    ) {
        keeps_the_rules(bench_of::<Advanced>(advanced_card()), events);
    }

    #[test]
    fn a_hostile_card_makes_no_panic_and_costs_no_buffer(
        events in prop::collection::vec(hostile(), 1..60)
    ) {
        survives(bench_of::<Legacy>(card()), events);
    }

    #[test]
    fn a_hostile_card_with_advanced_descriptors_makes_no_panic_and_costs_no_buffer(
        events in prop::collection::vec(hostile(), 1..60)
    ) {
        survives(bench_of::<Advanced>(advanced_card()), events);
    }
}
