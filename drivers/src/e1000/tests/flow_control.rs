//! Pauses: asked for and obeyed, or not.

use pollux_net::device::FlowControl;

use super::*;

/// What the card holds about pauses: FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH, and the two bits of CTRL.
fn held<F: Format>(bench: &Bench<F>) -> ([u32; 6], u32) {
    let model = bench.model();
    let registers = [FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH];
    let control = model.peek(CTRL.offset()) >> 27 & 3;
    (
        registers.map(|register| model.peek(register.offset())),
        control,
    )
}

const OFF: ([u32; 6], u32) = ([0; 6], 0);
const OBEYS: ([u32; 6], u32) = ([0x00c2_8001, 0x0100, 0x8808, 0, 0, 0], 1);
const ASKS: ([u32; 6], u32) = (
    [0x00c2_8001, 0x0100, 0x8808, 0xffff, 0x8000_3000, 0x4000],
    2,
);
const BOTH: ([u32; 6], u32) = (ASKS.0, 3);

#[test]
fn every_card_has_it_off_until_told_otherwise_and_keeps_what_it_was_told_through_a_reset() {
    fn keeps<F: Format>(card: &'static Card) {
        let mut bench = bring_up_as::<F>(card, |_| ()).unwrap();
        assert_eq!(held(&bench), OFF);
        for (receive, transmit, expected) in [
            (true, false, OBEYS),
            (false, true, ASKS),
            (true, true, BOTH),
            (false, false, OFF),
            (true, true, BOTH),
        ] {
            let wiring = bench.model().peek(CTRL.offset()) & !(3 << 27);
            bench
                .device
                .set_flow_control(FlowControl { receive, transmit });
            assert_eq!(held(&bench), expected);
            assert_eq!(bench.model().peek(CTRL.offset()) & !(3 << 27), wiring);
        }
        bench.model().reset();
        bench.look(20);
        assert_eq!(held(&bench), BOTH);
        bench.assert_serves();
        // Told while the card is away.
        bench.model().gone = true;
        bench.look(2);
        bench.device.set_flow_control(FlowControl::default());
        bench.model().gone = false;
        bench.look(20);
        assert_eq!(held(&bench), OFF);
    }
    for card in cards::kinds() {
        in_its_form!(keeps, card);
    }
}

#[test]
fn what_is_set_already_is_not_written_again() {
    let mut bench = bench();
    bench.take_accesses();
    bench.device.set_flow_control(FlowControl::default());
    assert_eq!(bench.take_accesses(), []);
}

#[test]
fn a_card_that_was_asked_to_pause_does_not_hang() {
    let mut bench = bench();
    bench.model().transmit_credit = 0;
    bench.model().paused = true;
    bench.model().receive(&frame(1));
    bench.echo();
    bench.look(200);
    assert_eq!(bench.statistic("resets"), 0);
    bench.model().paused = false;
    bench.look(42);
    assert_eq!(bench.statistic("tx_timeout_count"), 1);
}
