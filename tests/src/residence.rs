//! How long answers stay, counted in instructions: with QEMU's `-icount shift=3` a tick of the appliance's clock is a
//! nanosecond, and an instruction lasts eight.

use std::time::{Duration, Instant};

use crate::appliance::{Appliance, Boot, START_LIMIT};
use crate::peer::Peer;

/// A boot whose clock counts instructions.
pub fn counted() -> Boot {
    Boot::new().qemu(&["-icount", "shift=3"])
}

/// Pings until one is answered: a card is deaf at first.
pub fn await_first_answer(appliance: &mut Appliance) {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        appliance.peer.send(&Peer::request(b"first"));
        if appliance.peer.receive(Duration::from_millis(300)).is_some() {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "no answer within {START_LIMIT:?}"
        );
    }
    while appliance.peer.receive(Duration::from_millis(300)).is_some() {}
}

/// The longest residence so far, in instructions.
pub fn longest_residence(appliance: &mut Appliance) -> u64 {
    appliance
        .status_of("residence")
        .ticks("residence eth0", "max")
        / 8
}
