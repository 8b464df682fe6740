//! PHYs that must be told to negotiate a link, and PHYs that need not.

use super::*;

/// A card whose link is down, and whose PHY takes so many reads to answer a message.
fn without_link(negotiated: bool, slow_phy: u32) -> Bench<Advanced> {
    bring_up_as(advanced_card(), |model| {
        model.link_up = false;
        model.negotiated = negotiated;
        model.slow_phy = slow_phy;
    })
    .unwrap()
}

#[test]
fn a_phy_that_has_not_negotiated_is_told_to_once_without_waiting() {
    for slow_phy in 0..5 {
        let mut bench = without_link(false, slow_phy);
        bench.look(slow_phy as usize + 1);
        assert_eq!(bench.model().negotiations, 1);
        assert!(bench.device.link.up);
        bench.assert_serves();
        // Who pulled the cable later will put it back.
        bench.model().link_up = false;
        bench.model().negotiated = false;
        bench.look(100);
        assert_eq!(bench.model().negotiations, 1);
    }
}

#[test]
fn a_phy_that_has_negotiated_or_does_not_answer_is_left_alone() {
    for (negotiated, slow_phy) in [(true, 0), (true, 3), (false, u32::MAX)] {
        let mut bench = without_link(negotiated, slow_phy);
        bench.look(100);
        assert_eq!(bench.model().negotiations, 0);
        bench.model().link_up = true;
        bench.look(1);
        bench.assert_serves();
    }
}

#[test]
fn after_a_reset_it_is_asked_again() {
    let mut bench = without_link(false, 0);
    bench.model().set(RCTL.offset(), 0);
    bench.look(1);
    bench.model().link_up = false;
    bench.model().negotiated = false;
    bench.look(20);
    assert_eq!(bench.model().negotiations, 2);
    bench.assert_serves();
}
