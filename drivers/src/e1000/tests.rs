//! The driver against the model of its card.

use core::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::string::ToString;
use std::vec::Vec;

use pollux_net::device::{Damage, MINIMUM_FRAME};
use proptest::prelude::*;

use super::model::{Access, EEPROM_ADDRESS, Handle, Model, Outcome, RECEIVED_PART, RECEIVED_WHOLE};
use super::registers::*;
use super::ring::RECEIVE_BATCH;
use super::*;
use crate::dma::test_memory::TestMemory;

/// A driver, its card, and the memory they share.
struct Bench {
    device: E1000<Handle>,
    model: Handle,
    /// The physical addresses of all buffers there are, in rising order.
    buffers: Vec<u64>,
}

/// A receiver made of a function.
struct Script<F>(F);

impl<F: FnMut(Received<'_>) -> Verdict> Receiver for Script<F> {
    fn receive(&mut self, frame: Received<'_>) -> Verdict {
        (self.0)(frame)
    }
}

fn card() -> &'static Card {
    Card::find(0x8086, 0x100e).unwrap()
}

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
    card_with_memory(E1000::<Handle>::MEMORY)
}

/// Brings up a card on which `prepare` has left its traces.
fn bring_up(prepare: impl FnOnce(&mut Model)) -> Result<Bench, E1000Error> {
    let (model, memory) = untouched_card();
    prepare(&mut model.0.borrow_mut());
    let quiet = Quiet::reset(card(), model.clone(), |_| ())?;
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

impl Bench {
    fn model(&self) -> RefMut<'_, Model> {
        self.model.0.borrow_mut()
    }

    /// One turn of the poll loop: how many frames were processed.
    fn turn(&mut self, budget: usize, receiver: impl FnMut(Received<'_>) -> Verdict) -> usize {
        let count = self.device.ready(budget);
        self.device.process(count, &mut Script(receiver));
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

    fn statistic(&mut self, name: &str) -> u64 {
        for _ in 0..COUNTERS {
            self.device.refresh_statistics();
        }
        let mut statistics = self.device.statistics();
        statistics.find(|entry| entry.name == name).unwrap().value
    }
}

impl<R> E1000<R> {
    fn buffers(&self) -> impl Iterator<Item = u64> + '_ {
        self.receive.buffers().chain(self.transmit.buffers())
    }

    fn sorted_buffers(&self) -> Vec<u64> {
        let mut buffers: Vec<_> = self.buffers().collect();
        buffers.sort_unstable();
        buffers
    }
}

mod bringing_up {
    use super::*;

    #[test]
    fn the_card_has_the_address_in_its_eeprom_and_a_link() {
        let bench = bench();
        assert_eq!(bench.device.model(), "82540EM");
        assert_eq!(bench.device.mac_address(), MacAddress(EEPROM_ADDRESS));
        assert_eq!(
            bench.device.link,
            Link {
                up: true,
                speed_mbps: 1000,
                full_duplex: true,
            }
        );
    }

    #[test]
    fn receive_control_is_written_to_stop_and_once_more_as_the_very_last_register() {
        let bench = bench();
        let accesses = bench.take_accesses();
        let writes: Vec<_> = accesses
            .iter()
            .filter_map(|access| match *access {
                Access::Write(offset, value) => Some((offset, value)),
                Access::Read(_) => None,
            })
            .collect();
        let last = (RCTL.offset(), 0x0404_8002);
        let control: Vec<_> = writes
            .iter()
            .filter(|write| write.0 == RCTL.offset())
            .collect();
        assert_eq!(control, [&(RCTL.offset(), 0), &last]);
        assert_eq!(writes.last(), Some(&last));
    }

    #[test]
    fn a_card_that_was_reset_receives_nothing_and_has_not_been_told_of_memory() {
        let (model, _memory) = untouched_card();
        model
            .0
            .borrow_mut()
            .set(RCTL.offset(), ReceiveControl::EN.bits());
        let _quiet = Quiet::reset(card(), model.clone(), |_| ()).unwrap();
        let mut model = model.0.borrow_mut();
        assert_eq!(model.receive(&frame(1)), Outcome::Deaf);
        for base in [RDBAL, RDBAH, TDBAL, TDBAH] {
            assert_eq!(model.peek(base.offset()), 0);
        }
    }

    /// What the driver is to leave in each register that it programs.
    fn programmed(model: &Model) -> Vec<(u32, u32)> {
        let single = [
            FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH, ITR, RDTR, RADV, TADV, TIDV, AIT, RXCSUM, WUC,
            WUFC, VET, TIPG, RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL, TDBAL, TDBAH, TDLEN, TDH, TDT,
            TXDCTL, IMC,
        ];
        let single = single.iter().map(Register::offset);
        let typed = [RCTL.offset(), TCTL.offset()];
        let tables = MTA.iter().chain(RAL.iter()).chain(RAH.iter());
        let tables = tables.chain(VFTA.iter()).map(|register| register.offset());
        let offsets = single.chain(typed).chain(tables);
        offsets.map(|offset| (offset, model.peek(offset))).collect()
    }

    #[test]
    fn a_card_that_firmware_left_dirty_and_whose_reset_keeps_it_comes_up_like_a_clean_one() {
        for seed in 1..20_u32 {
            let clean = bench();
            let mut dirty = bring_up(|model| {
                model.reset_keeps_registers = true;
                let mut garbage = seed;
                for offset in (0..REGISTERS_LENGTH).step_by(4) {
                    // Marsaglia's xorshift.
                    garbage ^= garbage << 13;
                    garbage ^= garbage >> 17;
                    garbage ^= garbage << 5;
                    model.set(offset, garbage);
                }
                // What is loaded there is taken for the card's address if it says that it is valid.
                let high = model.peek(RAH.first().offset());
                model.set(RAH.first().offset(), high & !ADDRESS_VALID);
            })
            .unwrap();
            assert_eq!(programmed(&dirty.model()), programmed(&clean.model()));
            let control = Control::from_bits_retain(dirty.model().peek(CTRL.offset()));
            let expected = Control::SLU | Control::ASDE;
            assert_eq!(control - Control::SOFTWARE_PINS, expected);
            let management = dirty.model().peek(MANC.offset());
            assert_eq!(management & Management::ARP_EN.bits(), 0);

            assert_eq!(dirty.model().receive(&frame(7)), Outcome::Delivered);
            assert_eq!(dirty.echo(), 1);
            assert_eq!(dirty.take_sent(), [frame(7)]);
            assert_eq!(dirty.statistic("rx_packets"), 1);
            assert_eq!(dirty.statistic("rx_missed_errors"), 0);
        }
    }

    #[test]
    fn the_pins_that_the_board_needs_keep_their_state() {
        let bench = bench();
        let control = bench.model().peek(CTRL.offset());
        assert_eq!(control, 0x00c0_0060);
    }

    #[test]
    fn the_rings_lie_where_the_card_is_told_and_leave_one_descriptor_out() {
        let bench = bench();
        let model = bench.model();
        let base = |low: Register<u32>, high: Register<u32>| {
            u64::from(model.peek(high.offset())) << 32 | u64::from(model.peek(low.offset()))
        };
        assert_eq!(
            base(RDBAL, RDBAH),
            bench.device.receive.placement().physical
        );
        assert_eq!(
            base(TDBAL, TDBAH),
            bench.device.transmit.placement().physical
        );
        assert_eq!(base(RDBAL, RDBAH) % 4096, 0);
        assert_eq!(base(TDBAL, TDBAH) % 4096, 0);
        assert_eq!(model.peek(RDLEN.offset()), 256 * 16);
        assert_eq!(model.peek(TDLEN.offset()), 256 * 16);
        assert_eq!(model.peek(RDT.offset()), 255);
    }

    #[test]
    fn an_address_that_is_not_loaded_is_read_from_the_eeprom() {
        for high in [0x5634_u32, 0x8000_0000] {
            let bench = bring_up(|model| {
                model.reset_keeps_registers = true;
                model.set(RAL.first().offset(), 0);
                model.set(RAH.first().offset(), high & 0x8000_0000);
            })
            .unwrap();
            assert_eq!(bench.device.mac_address(), MacAddress(EEPROM_ADDRESS));
        }
    }

    #[test]
    fn addresses_that_no_station_could_bear_are_refused() {
        for octets in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1], [3, 2, 3, 4, 5, 6]] {
            let result = bring_up(|model| {
                model.eeprom = Some(octets);
                model.reset_keeps_registers = true;
                model.set(RAH.first().offset(), 0);
            });
            let error = result.err().unwrap();
            assert_eq!(error, E1000Error::InvalidMacAddress(MacAddress(octets)));
        }
        let error = E1000Error::InvalidMacAddress(MacAddress([0xff; 6]));
        assert_eq!(
            error.to_string(),
            "the card's eeprom holds ff:ff:ff:ff:ff:ff, which is no station address"
        );
    }

    #[test]
    fn an_eeprom_that_never_answers_is_given_up() {
        let (model, _memory) = untouched_card();
        model.0.borrow_mut().eeprom = None;
        let waited = Cell::new(0_u64);
        let wait = |microseconds| waited.set(waited.get() + u64::from(microseconds));
        let error = Quiet::reset(card(), model.clone(), wait).err().unwrap();
        assert_eq!(error, E1000Error::EepromTimeout { word: 0 });
        assert!(waited.get() < 100_000, "waited {} µs", waited.get());
    }

    #[test]
    fn a_card_that_stays_in_its_reset_is_given_up() {
        let error = bring_up(|model| model.stuck_in_reset = true).err().unwrap();
        assert_eq!(error, E1000Error::StuckInReset);
    }

    #[test]
    fn registers_that_read_as_all_ones_are_a_card_that_is_gone() {
        let error = bring_up(|model| model.gone = true).err().unwrap();
        assert_eq!(error, E1000Error::Gone);
    }

    #[test]
    fn a_card_that_vanishes_in_its_reset_is_gone_not_stuck() {
        let (model, _memory) = untouched_card();
        let vanishing = model.clone();
        let vanish = |_| vanishing.0.borrow_mut().gone = true;
        let error = Quiet::reset(card(), model, vanish).err().unwrap();
        assert_eq!(error, E1000Error::Gone);
    }

    #[test]
    fn memory_that_is_too_small_is_refused() {
        let (model, memory) = card_with_memory(1 << 20);
        let quiet = Quiet::reset(card(), model, |_| ()).unwrap();
        let error = quiet
            .start(&mut memory.region(), &vlans(&[]))
            .err()
            .unwrap();
        assert!(matches!(error, E1000Error::OutOfDmaMemory(_)));
    }
}

mod receiving_and_answering {
    use super::*;

    #[test]
    fn a_frame_is_answered_where_it_lies_and_buffers_change_places() {
        let mut bench = bench();
        let received_into = bench.device.receive.buffers().next().unwrap();
        let sent_before = bench.device.transmit.buffers().next().unwrap();
        bench.model().receive(&frame(1));
        let mut shown = core::ptr::null();
        bench.turn(64, |received| {
            assert_eq!(received.buffer[..received.length], frame(1));
            assert_eq!(received.damage, None);
            assert!(received.can_answer);
            received.buffer[18] = 0xee;
            shown = received.buffer.as_ptr();
            Verdict::Answer { length: 98 }
        });
        let mut answer = frame(1);
        answer[18] = 0xee;
        assert_eq!(bench.take_sent(), [answer]);
        assert_eq!(shown, bench.model().locate(received_into));
        let owners = (
            bench.device.transmit.buffers().next().unwrap(),
            bench.device.receive.buffers().next().unwrap(),
        );
        assert_eq!(owners, (received_into, sent_before));
    }

    #[test]
    fn a_frame_without_an_answer_leaves_its_buffer_where_it_is() {
        let mut bench = bench();
        let before: Vec<_> = bench.device.buffers().collect();
        bench.model().receive(&frame(1));
        assert_eq!(bench.turn(64, |_| Verdict::Release), 1);
        assert!(bench.take_sent().is_empty());
        assert_eq!(bench.device.buffers().collect::<Vec<_>>(), before);
        assert_eq!(bench.turn(64, |_| Verdict::Release), 0);
    }

    #[test]
    fn frames_come_in_order_and_no_more_than_the_budget_at_a_time() {
        let mut bench = bench();
        for filler in 0..10 {
            bench.model().receive(&frame(filler));
        }
        let mut fillers = Vec::new();
        for expected in [4, 4, 2, 0] {
            let count = bench.turn(4, |received| {
                fillers.push(received.buffer[40]);
                Verdict::Release
            });
            assert_eq!(count, expected);
        }
        assert_eq!(fillers, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn processing_more_than_is_ready_stops_at_what_is_there() {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        let mut frames = 0;
        let mut count = Script(|_: Received<'_>| {
            frames += 1;
            Verdict::Release
        });
        bench.device.process(usize::MAX, &mut count);
        assert_eq!(frames, 1);
    }

    #[test]
    fn a_thousand_frames_go_round_both_rings() {
        let mut bench = bench();
        for round in 0..1000_u32 {
            // 1 to 7 frames a turn, so that the rings wrap in the middle of turns, too.
            let frames: Vec<_> = (0..=round % 7).map(|n| frame((round + n) as u8)).collect();
            for frame in &frames {
                assert_eq!(bench.model().receive(frame), Outcome::Delivered);
            }
            assert_eq!(bench.echo(), frames.len());
            assert_eq!(bench.take_sent(), frames);
        }
        let answered = (0..1000).map(|round| round % 7 + 1).sum();
        assert_eq!(bench.statistic("rx_packets"), answered);
        assert_eq!(bench.statistic("tx_packets"), answered);
        assert_eq!(bench.statistic("rx_bytes"), answered * 102);
        assert_eq!(bench.statistic("tx_bytes"), answered * 102);
        assert_eq!(bench.statistic("rx_missed_errors"), 0);
    }

    #[test]
    fn short_answers_are_padded_with_zeros_and_stale_octets_stay_inside() {
        let mut bench = bench();
        for length in 0..=MINIMUM_FRAME {
            bench.model().receive(&frame(0xaa));
            bench.turn(64, |received| {
                received.buffer[..length].fill(0x55);
                Verdict::Answer { length }
            });
            let mut expected = std::vec![0x55; length];
            expected.resize(MINIMUM_FRAME, 0);
            assert_eq!(bench.take_sent(), [expected]);
        }
    }

    #[test]
    fn answers_go_out_at_every_length_up_to_the_longest_and_no_further_than_the_buffer() {
        let mut bench = bench();
        for (length, sent) in [
            (60, 60),
            (61, 61),
            (1518, 1518),
            (2048, 2048),
            (2049, 2048),
            (70_000, 2048),
            (usize::MAX, 2048),
        ] {
            bench.model().receive(&frame(3));
            bench.turn(64, |_| Verdict::Answer { length });
            assert_eq!(bench.take_sent()[0].len(), sent);
        }
    }

    #[test]
    fn frames_of_our_own_go_out_between_answers_and_in_order() {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        let compose = |filler| {
            move |buffer: &mut [u8; BUFFER_SIZE]| {
                buffer[..42].fill(filler);
                42
            }
        };
        bench.device.transmit(compose(9)).unwrap();
        let count = bench.device.ready(64);
        bench.device.process(
            count,
            &mut Script(|_: Received<'_>| Verdict::Answer { length: 98 }),
        );
        bench.device.transmit(compose(8)).unwrap();
        assert!(bench.take_sent().is_empty(), "sent before the doorbell");
        bench.device.ring_doorbells();
        let ours = |filler| {
            let mut frame = std::vec![filler; 42];
            frame.resize(MINIMUM_FRAME, 0);
            frame
        };
        assert_eq!(bench.take_sent(), [ours(9), frame(1), ours(8)]);
        bench.check();
    }
}

mod registers_stay_out_of_the_way {
    use super::*;

    #[test]
    fn looking_and_processing_touch_no_register() {
        let mut bench = bench();
        bench.take_accesses();
        assert_eq!(bench.device.ready(64), 0);
        for _ in 0..100 {
            bench.model().receive(&frame(1));
        }
        let count = bench.device.ready(64);
        assert_eq!(count, 64);
        let mut echo = Script(|_: Received<'_>| Verdict::Answer { length: 98 });
        bench.device.process(count, &mut echo);
        let _ = bench.device.transmit(|_| 60);
        assert_eq!(bench.take_accesses(), []);
    }

    #[test]
    fn an_empty_turn_rings_no_bell() {
        let mut bench = bench();
        bench.take_accesses();
        assert_eq!(bench.echo(), 0);
        assert_eq!(bench.take_accesses(), []);
    }

    #[test]
    fn a_turn_writes_each_tail_once_at_most_and_reads_nothing() {
        let mut bench = bench();
        bench.take_accesses();
        for turn in 1..=40 {
            for _ in 0..8 {
                bench.model().receive(&frame(1));
            }
            bench.echo();
            let sent = Access::Write(TDT.offset(), turn * 8 % 256);
            let handed_back = Access::Write(RDT.offset(), (turn * 8 + 255) % 256);
            let expected = match turn % 4 {
                0 => std::vec![sent, handed_back],
                _ => std::vec![sent],
            };
            assert_eq!(bench.take_accesses(), expected, "turn {turn}");
        }
    }

    #[test]
    fn received_frames_that_get_no_answer_ring_one_bell_in_a_batch() {
        let mut bench = bench();
        bench.take_accesses();
        for _ in 0..10 * RECEIVE_BATCH {
            bench.model().receive(&frame(1));
            bench.turn(64, |_| Verdict::Release);
        }
        assert_eq!(bench.take_accesses().len(), 10);
    }

    #[test]
    fn however_frames_arrive_the_card_never_runs_dry_behind_an_attentive_loop() {
        for burst in (1..=255 - RECEIVE_BATCH + 1).rev().step_by(5) {
            let mut bench = bench();
            for _ in 0..6 {
                for _ in 0..burst {
                    assert_eq!(bench.model().receive(&frame(1)), Outcome::Delivered);
                }
                while bench.echo() > 0 {}
            }
        }
    }
}

mod overload {
    use super::*;

    #[test]
    fn frames_that_find_no_descriptor_are_counted_and_reception_goes_on() {
        let mut bench = bench();
        for n in 0..300 {
            let expected = if n < 255 {
                Outcome::Delivered
            } else {
                Outcome::Missed
            };
            assert_eq!(bench.model().receive(&frame(n as u8)), expected);
        }
        let mut echoed = 0;
        for _ in 0..5 {
            echoed += bench.echo();
        }
        assert_eq!(echoed, 255);
        let expected: Vec<_> = (0..255).map(|n| frame(n as u8)).collect();
        assert_eq!(bench.take_sent(), expected);
        assert_eq!(bench.statistic("rx_missed_errors"), 45);
        assert_eq!(bench.statistic("rx_no_buffer_count"), 45);
        for _ in 0..1000 {
            assert_eq!(bench.model().receive(&frame(5)), Outcome::Delivered);
            assert_eq!(bench.echo(), 1);
        }
    }

    #[test]
    fn a_full_transmit_ring_says_so_loses_nothing_and_recovers() {
        let mut bench = bench();
        bench.model().transmit_credit = 0;
        let mut answered = 0;
        let mut refused = 0;
        for n in 0..400 {
            assert_eq!(bench.model().receive(&frame(n as u8)), Outcome::Delivered);
            bench.turn(64, |received| match received.can_answer {
                true => {
                    answered += 1;
                    Verdict::Answer { length: 98 }
                }
                false => {
                    refused += 1;
                    Verdict::Release
                }
            });
        }
        // One slot is held back, so that the tail does not meet the head.
        assert_eq!((answered, refused), (255, 145));
        assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::RingFull));

        // The tail moves on with every single frame that goes out.
        bench.model().transmit_credit = 1;
        bench.model().pump();
        bench.model().receive(&frame(77));
        assert_eq!(bench.echo(), 1);
        assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::RingFull));

        bench.model().transmit_credit = usize::MAX;
        bench.model().pump();
        let mut expected: Vec<_> = (0..255).map(|n| frame(n as u8)).collect();
        expected.push(frame(77));
        assert_eq!(bench.take_sent(), expected);
        assert_eq!(bench.device.transmit(|_| 60), Ok(()));
        bench.device.ring_doorbells();
        assert_eq!(bench.take_sent().len(), 1);
    }

    #[test]
    fn an_answer_given_against_the_rules_is_dropped_and_counted() {
        let mut bench = bench();
        bench.model().link_up = false;
        bench.device.refresh_link();
        bench.model().link_up = true;
        bench.model().receive(&frame(1));
        bench.turn(64, |_| Verdict::Answer { length: 98 });
        assert!(bench.take_sent().is_empty());
        assert_eq!(bench.statistic("tx_dropped"), 1);
    }
}

mod damage {
    use super::*;

    /// What the receiver is told about each of `descriptors`, delivered one after the other.
    fn reported(descriptors: &[u64]) -> Vec<(usize, Option<Damage>)> {
        let mut bench = bench();
        for &fields in descriptors {
            bench.model().deliver(&[0xdd; 2048], fields);
        }
        let mut reported = Vec::new();
        bench.turn(64, |received| {
            reported.push((received.length, received.damage));
            Verdict::Release
        });
        reported
    }

    #[test]
    fn each_error_bit_of_a_frame_is_damage_and_bad_checksums_inside_are_not() {
        let errors: Vec<_> = (0..8)
            .map(|bit| RECEIVED_WHOLE | 1 << (40 + bit) | 98)
            .collect();
        let bad = (98, Some(Damage::Reported));
        let good = (98, None);
        assert_eq!(
            reported(&errors),
            [bad, bad, bad, good, bad, good, good, bad]
        );
    }

    #[test]
    fn lengths_that_cannot_be_are_damage() {
        let lengths = [0, 1, 2048, 2049, 65535];
        let impossible = |length| (length, Some(Damage::ImpossibleLength));
        let descriptors = lengths.map(|length| RECEIVED_WHOLE | length);
        assert_eq!(
            reported(&descriptors),
            [
                impossible(0),
                (1, None),
                (2048, None),
                impossible(2048),
                impossible(2048),
            ]
        );
    }

    #[test]
    fn every_piece_of_an_oversized_frame_is_damage_and_the_next_frame_is_whole() {
        let part = RECEIVED_PART | 2048;
        let last = RECEIVED_WHOLE | 100;
        let oversized = |length| (length, Some(Damage::Oversized));
        assert_eq!(
            reported(&[last, part, part, last, last, part, last | 1 << 40, last]),
            [
                (100, None),
                oversized(2048),
                oversized(2048),
                oversized(100),
                (100, None),
                oversized(2048),
                oversized(100),
                (100, None),
            ]
        );
    }

    #[test]
    fn descriptors_that_are_all_ones_are_damage_and_end_with_the_budget() {
        let mut bench = bench();
        for index in 0..256 {
            bench.model().scribble(true, index, u64::MAX, u64::MAX);
        }
        assert_eq!(bench.device.ready(1000), 255);
        for _ in 0..20 {
            let mut shown = 0;
            let count = bench.turn(64, |received| {
                shown += 1;
                assert!(received.damage.is_some());
                assert_eq!(received.length, 2048);
                Verdict::Release
            });
            assert_eq!(count, shown);
            assert!(count <= 64);
        }
    }
}

mod link {
    use super::*;

    #[test]
    fn nothing_is_queued_for_a_dead_link_and_all_goes_on_when_it_is_back() {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        bench.model().link_up = false;
        assert_eq!(bench.device.refresh_link(), Link::default());
        bench.turn(64, |received| {
            assert!(!received.can_answer);
            Verdict::Release
        });
        assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::LinkDown));
        bench.model().link_up = true;
        assert!(bench.device.refresh_link().up);
        bench.model().receive(&frame(2));
        assert_eq!(bench.echo(), 1);
        assert_eq!(bench.take_sent(), [frame(2)]);
    }

    #[test]
    fn a_card_may_come_up_without_a_link_and_get_one_later() {
        let mut bench = bring_up(|model| model.link_up = false).unwrap();
        assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::LinkDown));
        bench.model().link_up = true;
        bench.device.refresh_link();
        assert_eq!(bench.device.transmit(|_| 60), Ok(()));
    }

    #[test]
    fn speed_and_duplex_are_as_the_status_register_says() {
        let link = |bits: u32| Status::from_bits_retain(bits).link();
        let up = |speed_mbps, full_duplex| Link {
            up: true,
            speed_mbps,
            full_duplex,
        };
        assert_eq!(link(0b0000_0010), up(10, false));
        assert_eq!(link(0b0100_0011), up(100, true));
        assert_eq!(link(0b1000_0011), up(1000, true));
        assert_eq!(link(0b1100_0010), up(1000, false));
        assert_eq!(link(0b1100_0001), Link::default());
    }

    std::thread_local! {
        static REPORTS: RefCell<Vec<std::string::String>> = const { RefCell::new(Vec::new()) };
    }

    /// Keeps what is logged, for each test (which has a thread of its own) apart.
    struct Reports;

    impl log::Log for Reports {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            REPORTS.with_borrow_mut(|reports| reports.push(record.args().to_string()));
        }

        fn flush(&self) {}
    }

    #[test]
    fn a_card_that_vanishes_is_reported_once() {
        log::set_logger(&Reports).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let mut bench = bench();
        bench.device.refresh_link();
        bench.model().gone = true;
        for _ in 0..3 {
            bench.device.refresh_link();
        }
        assert_eq!(
            REPORTS.take(),
            ["82540EM 52:54:00:12:34:56: its registers read as all ones, it is gone"]
        );
    }

    #[test]
    fn a_card_that_vanishes_takes_its_link_along_and_breaks_nothing() {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        bench.model().gone = true;
        assert_eq!(bench.device.refresh_link(), Link::default());
        assert!(bench.device.gone);
        assert_eq!(bench.echo(), 1);
        bench.device.set_vlan_filter(&vlans(&[7]));
        assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::LinkDown));
        for name in ["rx_packets", "rx_bytes", "rx_missed_errors"] {
            assert_eq!(bench.statistic(name), 0, "{name}");
        }
    }
}

mod filters {
    use super::*;

    #[test]
    fn the_card_takes_our_vlans_only_and_untagged_frames() {
        let bench = bench();
        let mut model = bench.model();
        assert_eq!(model.receive(&frame_on(42, 98, 0)), Outcome::Delivered);
        assert_eq!(model.receive(&frame_on(41, 98, 0)), Outcome::Filtered);
        // Priority and drop eligible bits do not matter.
        assert_eq!(model.receive(&frame_on(0xf02a, 98, 0)), Outcome::Delivered);
        let mut untagged = frame(0);
        untagged[12..14].copy_from_slice(&[8, 0]);
        assert_eq!(model.receive(&untagged), Outcome::Delivered);
    }

    #[test]
    fn the_card_takes_frames_to_us_and_to_all() {
        let bench = bench();
        let mut frame = frame(0);
        for (destination, outcome) in [
            ([0xff; 6], Outcome::Delivered),
            ([0x52, 0x54, 0, 0x12, 0x34, 0x57], Outcome::Filtered),
            ([1, 0, 0x5e, 0, 0, 1], Outcome::Filtered),
        ] {
            frame[..6].copy_from_slice(&destination);
            assert_eq!(bench.model().receive(&frame), outcome);
        }
    }

    #[test]
    fn the_filter_table_follows_the_set_and_only_changes_are_written() {
        let mut bench = bench();
        bench.take_accesses();
        let set = vlans(&[0, 42, 43, 1000, 4095]);
        bench.device.set_vlan_filter(&set);
        let table = VFTA.first().offset();
        let expected = [
            Access::Write(table, 1),
            Access::Write(table + 4, 0x0c00),
            Access::Write(table + 124, 0x100),
            Access::Write(table + 508, 0x8000_0000),
        ];
        let flushed: Vec<_> = expected
            .into_iter()
            .flat_map(|write| [write, Access::Read(STATUS.offset())])
            .collect();
        assert_eq!(bench.take_accesses(), flushed);
        bench.device.set_vlan_filter(&set);
        assert_eq!(bench.take_accesses(), []);
        for vid in 0..4096 {
            let outcome = match set.contains(vid) {
                true => Outcome::Delivered,
                false => Outcome::Filtered,
            };
            assert_eq!(bench.model().receive(&frame_on(vid, 98, 0)), outcome);
        }
        bench.device.set_vlan_filter(&VlanSet::new());
        assert_eq!(bench.model().receive(&frame(0)), Outcome::Filtered);
    }
}

mod statistics_of_the_card {
    use super::*;

    const CRC_ERRORS: u32 = 0x4000;

    #[test]
    fn a_turn_reads_four_registers_at_most() {
        let mut bench = bench();
        bench.model().receive(&frame(1));
        for _ in 0..3 * COUNTERS {
            bench.take_accesses();
            bench.device.refresh_statistics();
            assert!(bench.take_accesses().len() <= 4);
        }
    }

    #[test]
    fn counters_add_up_whether_or_not_reading_clears_them() {
        for stick in [false, true] {
            let mut bench = bring_up(|model| model.counters_stick = stick).unwrap();
            let mut sum = 0;
            for events in [0, 3, 0, 1, 100, 7] {
                let held = if stick {
                    bench.model().peek(CRC_ERRORS)
                } else {
                    0
                };
                bench.model().set(CRC_ERRORS, held + events);
                sum += u64::from(events);
                assert_eq!(bench.statistic("rx_crc_errors"), sum, "stick: {stick}");
                assert_eq!(bench.statistic("rx_crc_errors"), sum, "stick: {stick}");
            }
        }
    }

    #[test]
    fn what_counters_held_before_does_not_count() {
        for stick in [false, true] {
            let mut bench = bring_up(|model| {
                model.counters_stick = stick;
                model.reset_keeps_registers = true;
                model.set(CRC_ERRORS, 1000);
            })
            .unwrap();
            assert_eq!(bench.statistic("rx_crc_errors"), 0);
        }
    }

    #[test]
    fn octets_are_counted_in_64_bits() {
        let mut bench = bench();
        bench.model().set(0x4088, 5);
        bench.model().set(0x408c, 2);
        assert_eq!(bench.statistic("rx_bytes"), 0x2_0000_0005);
    }

    #[test]
    fn names_are_unique() {
        let bench = bench();
        let names: BTreeSet<_> = bench.device.statistics().map(|entry| entry.name).collect();
        assert_eq!(names.len(), COUNTERS + 1);
    }
}

mod whatever_the_card_does {
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
            length: usize,
        },
        Transmit(usize),
        Credit(usize),
        Link(bool),
        Gone(bool),
        Statistics,
        Filter(u16),
    }

    fn lawful() -> impl Strategy<Value = Event> {
        let length = prop_oneof![0_usize..2100, Just(usize::MAX)];
        prop_oneof![
            4 => (any::<u8>(), any::<u8>()).prop_map(|(n, filler)| Event::Frames(n, filler)),
            2 => any::<u64>().prop_map(Event::Descriptor),
            6 => (0_usize..300, any::<u64>(), length.clone()).prop_map(
                |(budget, answers, length)| Event::Poll { budget, answers, length }
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
            2 => (any::<bool>(), any::<u8>(), any::<u64>(), any::<u64>())
                .prop_map(|(receive, index, buffer, fields)| {
                    Event::Scribble(receive, index, buffer, fields)
                }),
        ]
    }

    impl Bench {
        fn suffer(&mut self, event: Event) {
            match event {
                Event::Frames(count, filler) => {
                    for _ in 0..count {
                        self.model().receive(&frame(filler));
                    }
                }
                // Done, since a card that has not finished with a descriptor keeps its head there.
                Event::Descriptor(fields) => {
                    self.model().deliver(&[0xdd; 2048], fields | 1 << 32);
                }
                Event::Scribble(receive, index, buffer, fields) => {
                    self.model()
                        .scribble(receive, u32::from(index), buffer, fields);
                }
                Event::Poll {
                    budget,
                    answers,
                    length,
                } => {
                    let mut turn = 0;
                    let count = self.turn(budget, |received| {
                        assert!(received.length <= BUFFER_SIZE);
                        turn += 1;
                        match answers >> (turn % 64) & 1 {
                            1 => Verdict::Answer { length },
                            _ => Verdict::Release,
                        }
                    });
                    assert!(count <= budget);
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
                Event::Statistics => self.device.refresh_statistics(),
                Event::Filter(vid) => self.device.set_vlan_filter(&vlans(&[42, vid])),
            }
            self.check();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_lawful_card_finds_every_rule_kept(events in prop::collection::vec(lawful(), 1..60)) {
            // The model panics at the first rule that is broken.
            let mut bench = bench();
            for event in events {
                bench.suffer(event);
            }
            // And after all of that, once everything is drained, service goes on.
            bench.model().link_up = true;
            bench.device.refresh_link();
            bench.model().transmit_credit = usize::MAX;
            bench.model().pump();
            while bench.echo() > 0 {}
            bench.take_sent();
            // What was cut off in the middle of an oversized frame ends here.
            bench.model().receive(&frame(1));
            bench.turn(64, |_| Verdict::Release);
            prop_assert_eq!(bench.model().receive(&frame(2)), Outcome::Delivered);
            bench.echo();
            prop_assert_eq!(bench.take_sent(), [frame(2)]);
        }

        #[test]
        fn a_hostile_card_makes_no_panic_and_costs_no_buffer(
            events in prop::collection::vec(hostile(), 1..60)
        ) {
            let mut bench = bench();
            bench.model().lawless = true;
            for event in events {
                bench.suffer(event);
            }
        }
    }
}
