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

#[test]
fn a_phy_that_firmware_has_is_waited_for_and_given_back_after_use() {
    for (phy_refusals, guard_refusals) in [(0, 0), (5, 0), (0, 15), (3, 7), (19, 0)] {
        let mut bench = bring_up_as::<Advanced>(advanced_card(), |model| {
            model.link_up = false;
            model.negotiated = false;
            model.phy_refusals = phy_refusals;
            model.guard_refusals = guard_refusals;
        })
        .unwrap();
        bench.look(30);
        assert_eq!(bench.model().negotiations, 1);
        assert!(!bench.model().has_lent_phy());
        bench.assert_serves();
    }
}

#[test]
fn a_phy_that_firmware_never_gives_back_is_left_to_it() {
    let never: [fn(&mut Model); 2] = [
        |model| model.phy_refusals = u32::MAX,
        |model| model.guard_refusals = u32::MAX,
    ];
    for prepare in never {
        let mut bench = bring_up_as::<Advanced>(advanced_card(), |model| {
            model.link_up = false;
            model.negotiated = false;
            prepare(model);
        })
        .unwrap();
        bench.look(30);
        bench.take_accesses();
        bench.look(100);
        let asked = bench.take_accesses();
        assert!(!asked.contains(&Access::Read(SWSM.offset())));
        assert_eq!(bench.model().negotiations, 0);
        bench.model().link_up = true;
        bench.look(1);
        bench.assert_serves();
    }
}

#[test]
fn a_phy_is_given_back_when_it_has_answered_and_not_before() {
    for (slow_phy, comes_up_at) in [(0, 100), (3, 100), (8, 100), (8, 3), (8, 12), (19, 1)] {
        let mut bench = without_link(false, slow_phy);
        for look in 0..45 {
            if look == comes_up_at {
                bench.model().link_up = true;
            }
            bench.look(1);
            let model = bench.model();
            assert!(model.has_lent_phy() || !model.phy_is_busy, "{look}");
        }
        assert!(!bench.model().has_lent_phy());
        // A link that is up has nothing to negotiate.
        let negotiations = u32::from(comes_up_at > slow_phy);
        assert_eq!(bench.model().negotiations, negotiations);
        bench.assert_serves();
    }
}

#[test]
fn a_phy_that_never_answers_is_given_back_after_a_second_with_and_without_link() {
    for comes_up in [false, true] {
        let mut bench = without_link(false, u32::MAX);
        bench.look(3);
        bench.model().link_up = comes_up;
        bench.look(10);
        assert!(bench.model().has_lent_phy());
        bench.look(17);
        assert!(!bench.model().has_lent_phy());
        bench.take_accesses();
        bench.look(100);
        let asked = bench.take_accesses();
        assert!(!asked.contains(&Access::Read(MDIC.offset())));
    }
}

/// What others took while the guard was asked for in vain stays theirs.
#[test]
fn a_phy_that_is_given_back_without_the_guard_takes_nothing_from_others() {
    let mut bench = without_link(false, 3);
    bench.look(1);
    assert!(bench.model().has_lent_phy());
    bench.model().link_up = true;
    bench.model().guard_refusals = u32::MAX;
    bench.model().taken_meanwhile = 1 << 2;
    bench.look(10);
    assert_eq!(bench.model().peek(SW_FW_SYNC.offset()), 1 << 2);
}

/// What is left taken by software of before is not waited for.
#[test]
fn a_guard_that_was_left_taken_is_dropped_at_the_start() {
    let mut bench = bring_up_as::<Advanced>(advanced_card(), |model| {
        model.link_up = false;
        model.negotiated = false;
        model.set(SWSM.offset(), 3);
    })
    .unwrap();
    bench.look(2);
    assert_eq!(bench.model().negotiations, 1);
}
