//! Cards that stop working, and come back.

use super::*;

impl<F: Format> Bench<F> {
    pub(super) fn look(&mut self, times: usize) {
        for _ in 0..times {
            self.device.refresh_link();
            self.check();
        }
    }

    /// After a fault's end, service is back within a second, which is twenty looks, and everything is
    /// configured as before.
    fn assert_recovers(&mut self, resets: u64) {
        self.assert_recovers_within(resets, 20);
    }

    /// The same within so many looks.
    pub(super) fn assert_recovers_within(&mut self, resets: u64, looks: usize) {
        self.look(looks);
        assert_eq!(self.statistic("resets"), resets);
        self.assert_serves();
        assert_eq!(
            self.model().receive(&frame_on(43, 98, 1)),
            Outcome::Filtered
        );
        for _ in 0..300 {
            self.assert_serves();
        }
    }
}

#[test]
fn a_transmitter_that_hangs_is_reset_after_two_seconds() {
    let mut bench = bench();
    bench.look(100);
    bench.model().transmit_credit = 0;
    bench.model().receive(&frame(1));
    bench.echo();
    bench.look(38);
    assert_eq!(bench.statistic("resets"), 0);
    bench.look(3);
    assert_eq!(bench.statistic("tx_timeout_count"), 1);
    bench.model().transmit_credit = usize::MAX;
    bench.assert_recovers(1);
}

#[test]
fn a_transmitter_that_is_slow_does_not_hang() {
    let mut bench = bench();
    bench.model().transmit_credit = 0;
    for _ in 0..50 {
        for _ in 0..10 {
            bench.model().receive(&frame(1));
        }
        bench.echo();
        bench.look(30);
        bench.model().transmit_credit = 1;
        bench.model().pump();
    }
    assert_eq!(bench.statistic("resets"), 0);
}

#[test]
fn a_card_that_vanishes_and_returns_knowing_nothing_is_brought_back() {
    fn comes_back<F: Format>(card: &'static Card) {
        for gone_reads in [u32::MAX, 0] {
            comes_back_from::<F>(card, gone_reads);
        }
    }
    fn comes_back_from<F: Format>(card: &'static Card, gone_reads: u32) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        bench.model().receive(&frame(1));
        bench.model().gone = true;
        bench.model().gone_reads = gone_reads;
        bench.look(100);
        // It is waited for, not reset: nothing of it would say when that is done.
        assert_eq!(bench.statistic("resets"), 0);
        assert_eq!(bench.statistic("vanished"), 1);
        assert_eq!(bench.echo(), 0);
        // What is configured meanwhile is not forgotten.
        bench.device.set_vlan_filter(&vlans(&[42, 7]));
        bench.model().gone = false;
        bench.model().reset();
        bench.assert_recovers(1);
        assert_eq!(
            bench.model().receive(&frame_on(7, 98, 1)),
            Outcome::Delivered
        );
    }
    for card in cards::kinds() {
        in_its_form!(comes_back, card);
    }
}

#[test]
fn a_card_that_is_switched_off_behind_our_back_is_brought_back() {
    fn comes_back<F: Format>(card: &'static Card) {
        let queues: &[u32] = match card.descriptors {
            Descriptors::Legacy => &[],
            Descriptors::Advanced => &[RXDCTL.offset(), TXDCTL.offset()],
        };
        for register in [RCTL.offset(), TCTL.offset()].iter().chain(queues) {
            let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
            bench.model().set(*register, 0);
            bench.assert_recovers(1);
        }
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        bench.model().reset();
        bench.assert_recovers(1);
    }
    for card in cards::kinds() {
        in_its_form!(comes_back, card);
    }
}

#[test]
fn a_card_that_stays_in_its_reset_is_asked_again() {
    let mut bench = bench();
    bench.model().stuck_in_reset = true;
    bench.model().set(TCTL.offset(), 0);
    bench.look(100);
    assert!(!bench.device.link.up);
    bench.model().stuck_in_reset = false;
    bench.look(25);
    bench.assert_recovers(1);
}

#[test]
fn while_the_card_is_away_nothing_is_written_to_its_tails() {
    let mut bench = bench();
    for _ in 0..40 {
        bench.model().receive(&frame(1));
    }
    bench.turn(40, |_| Verdict::Release);
    bench.model().set(RCTL.offset(), 0);
    bench.look(1);
    bench.take_accesses();
    bench.device.ring_doorbells();
    assert_eq!(bench.take_accesses(), []);
}

/// The model panics at a reset that is its last.
#[test]
fn rings_that_hold_frames_are_flushed_before_a_reset() {
    for (transmit_holds, receive_holds) in [(true, false), (false, true), (true, true)] {
        let card = Card::find(0x8086, 0x15b8).unwrap();
        let mut bench = bring_up_as::<Legacy>(card, |_| ()).unwrap();
        if transmit_holds {
            bench.model().transmit_credit = 0;
            for filler in 0..20 {
                bench.model().receive(&frame(filler));
            }
            bench.echo();
        }
        bench.model().receive_ring_holds = receive_holds;
        bench.model().set(RCTL.offset(), 0);
        bench.look(1);
        bench.model().transmit_credit = usize::MAX;
        bench.assert_recovers(1);
    }
}

#[test]
fn a_receiver_is_off_for_a_look_before_its_thresholds_are_changed() {
    let card = Card::find(0x8086, 0x15b8).unwrap();
    let mut bench = bring_up_as::<Legacy>(card, |_| ()).unwrap();
    bench.model().receive_ring_holds = true;
    bench.model().set(TCTL.offset(), 0);
    // Which of both registers each look writes to, and whether the receiver is on then.
    let written = |bench: &mut Bench<Legacy>| {
        bench.take_accesses();
        bench.look(1);
        let accesses = bench.take_accesses().into_iter();
        let writes = accesses.filter_map(|access| match access {
            Access::Write(offset, value) if offset == RCTL.offset() => {
                Some(("RCTL", value & ReceiveControl::EN.bits() != 0))
            }
            Access::Write(offset, _) if offset == RXDCTL.offset() => Some(("RXDCTL", false)),
            _ => None,
        });
        writes.collect::<Vec<_>>()
    };
    assert_eq!(written(&mut bench), []);
    assert_eq!(written(&mut bench), [("RCTL", false)]);
    assert_eq!(written(&mut bench), [("RXDCTL", false), ("RCTL", true)]);
    bench.assert_recovers(1);
}

#[test]
fn a_full_ring_is_flushed_as_well() {
    let card = Card::find(0x8086, 0x15b8).unwrap();
    let mut bench = bring_up_as::<Legacy>(card, |_| ()).unwrap();
    bench.model().transmit_credit = 0;
    while bench.device.transmit(|_| 60).is_ok() {
        bench.device.ring_doorbells();
    }
    bench.look(50);
    bench.model().transmit_credit = usize::MAX;
    bench.assert_recovers(1);
    assert_eq!(bench.statistic("tx_timeout_count"), 1);
}

/// Until somebody looks after it again: then it is one that is there again.
#[test]
fn a_card_that_is_let_go_of_does_nothing_and_holds_nothing() {
    fn is_let_go<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        bench.model().transmit_credit = 0;
        bench.model().receive_ring_holds = card.has(Quirks::RINGS_TO_FLUSH);
        for filler in 0..20 {
            bench.model().receive(&frame(filler));
        }
        bench.echo();
        bench.model().receive(&frame(20));
        let mut waited = 0;
        bench.device.let_go(|microseconds| waited += microseconds);
        assert!((10_000..100_000).contains(&waited), "{waited} us");
        assert_eq!(
            bench.model().peek(RCTL.offset()) & ReceiveControl::EN.bits(),
            0
        );
        assert_eq!(
            bench.model().peek(TCTL.offset()) & TransmitControl::EN.bits(),
            0
        );
        if card.has(Quirks::EXPRESS) {
            assert_ne!(bench.model().peek(CTRL.offset()) & 1 << 2, 0);
        }
        if card.has(Quirks::RINGS_TO_FLUSH) {
            // Whoever resets it next does not do so for ever.
            assert!(!bench.model().rings_hold_frames());
        }
        // Firmware is told that it has the card to itself.
        assert_eq!(bench.model().peek(CTRL_EXT.offset()) & DRIVER_LOADED, 0);
        assert_eq!(bench.echo(), 0);
        assert!(bench.device.transmit(|_| 60).is_err());
        bench.take_accesses();
        bench.device.ring_doorbells();
        assert_eq!(bench.take_accesses(), []);
        bench.model().transmit_credit = usize::MAX;
        bench.assert_recovers(1);
    }
    for card in cards::kinds() {
        in_its_form!(is_let_go, card);
    }
}

#[test]
fn a_card_that_is_gone_can_be_let_go_of() {
    let mut bench = bench();
    bench.model().gone = true;
    bench.device.let_go_at_once();
    bench.look(10);
    bench.model().gone = false;
    bench.model().reset();
    bench.assert_recovers(1);
}

/// Firmware that speaks to the PHY is waited for before a reset, but not for ever; afterwards it has it back.
#[test]
fn a_card_whose_phy_is_firmware_s_is_reset_when_that_lets_go() {
    for card in cards::kinds().filter(|card| card.has(Quirks::PHY_SEMAPHORE)) {
        for refusals in [0, 1, 3, 10, 1_000] {
            let mut waited = 0;
            let prepare = |model: &mut Model| model.phy_refusals = refusals;
            let mut bench = bring_up_as::<Legacy>(card, prepare).unwrap();
            bench.model().phy_refusals = refusals;
            bench.model().set(RCTL.offset(), 0);
            bench.take_accesses();
            while bench.statistic("resets") == 0 || !bench.device.link.up {
                bench.look(1);
                waited += 1;
                assert!(waited < 20, "{waited} looks");
            }
            assert!(bench.is_phy_asked_for_before_its_reset());
            let kept = bench.model().peek(EXTCNF_CTRL.offset());
            assert_eq!(kept & PHY_IS_OURS, 0, "the PHY was not given back");
            bench.assert_recovers(1);
        }
    }
}

impl<F: Format> Bench<F> {
    fn is_phy_asked_for_before_its_reset(&mut self) -> bool {
        let accesses = self.take_accesses();
        let asks = |access: &Access| matches!(access, Access::Write(at, value) if *at == EXTCNF_CTRL.offset() && value & PHY_IS_OURS != 0);
        let resets = |access: &Access| matches!(access, Access::Write(at, value) if *at == CTRL.offset() && value & Control::RST.bits() != 0);
        let asked = accesses.iter().position(asks);
        let reset = accesses.iter().position(resets);
        asked.is_some() && asked < reset
    }
}
