//! Links that go and come, and a card that vanishes.

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
        ["82540EM 52:54:00:12:34:56: nothing answers at its registers, it is gone"]
    );
}

#[test]
fn a_card_that_vanishes_takes_its_link_along_and_breaks_nothing() {
    let mut bench = bench();
    bench.model().receive(&frame(1));
    bench.model().gone = true;
    assert_eq!(bench.device.refresh_link(), Link::default());
    assert!(!bench.device.runs);
    assert_eq!(bench.echo(), 0);
    bench.device.set_vlan_filter(&vlans(&[7]));
    assert_eq!(bench.device.transmit(|_| 60), Err(TransmitError::LinkDown));
    for name in ["rx_packets", "rx_bytes", "rx_missed_errors"] {
        assert_eq!(bench.statistic(name), 0, "{name}");
    }
}
