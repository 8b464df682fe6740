//! When the device is notified, and when not.

use super::*;

in_each_format!(
    a_batch_of_answers_is_one_notification,
    a_device_that_asks_for_silence_is_not_notified,
    buffers_are_handed_back_many_at_a_time,
);

fn a_batch_of_answers_is_one_notification<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.take_notified();
    for filler in 0..10 {
        bench.model().receive(&frame(filler));
    }
    bench.echo();
    assert_eq!(bench.take_notified(), [TRANSMIT_QUEUE]);
    bench.echo();
    assert_eq!(bench.take_notified(), []);
}

fn a_device_that_asks_for_silence_is_not_notified<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.take_notified();
    bench.model().ask_for_silence(0, true);
    bench.model().ask_for_silence(1, true);
    for _ in 0..10 {
        for filler in 0..40 {
            bench.model().receive(&frame(filler));
        }
        bench.echo();
        assert_eq!(bench.take_notified(), []);
        bench.model().pump();
        assert_eq!(bench.take_sent().len(), 40);
    }
    // And is again when it asks for it.
    bench.model().ask_for_silence(1, false);
    bench.model().receive(&frame(1));
    bench.echo();
    assert_eq!(bench.take_notified(), [TRANSMIT_QUEUE]);
}

fn buffers_are_handed_back_many_at_a_time<Q: Virtqueue>() {
    let mut bench = bench::<Q>();
    bench.take_notified();
    for _ in 0..64 {
        bench.model().receive(&frame(1));
        bench.turn(64, |_| Verdict::Release);
    }
    assert_eq!(bench.take_notified(), [RECEIVE_QUEUE; 2]);
}
