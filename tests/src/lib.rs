//! What the end-to-end tests stand on: an appliance in QEMU, its console, and a peer that speaks
//! raw frames to it.
//!
//! The tests know about the outside only: the frames on the wire, the text on the console, the
//! exit status of QEMU. They use nothing of the appliance's own code, and the appliance's QEMU is
//! started by `./run.sh boot` alone, so that its command line exists once. Every wait here has an end.
//!
//! - [`appliance`]: boots one, ends it whatever happens.
//! - [`console`]: types commands, reads replies.
//! - [`status`]: the page that `status` prints, with its counters.
//! - [`peer`]: sends frames and judges what comes back.
//! - [`forge`]: frames that are wrong on purpose.
//! - [`monitor`]: QEMU's own.
//! - [`residence`]: how long answers stay, in instructions.
//! - [`pokes`]: registers changed behind the appliance's back.
//! - [`linux`]: a real Linux machine in the peer's place.
//! - [`scratch`]: files of a test's own.
//! - [`matrix`]: every card on every machine.
//! - [`terminal`]: a pseudo-terminal with somebody at it.
//! - [`suite`]: tests that share one boot.

#![forbid(unsafe_code)]

use std::time::Duration;

/// The longest that anything is waited for that takes next to no time by itself. It ends what hangs, and expects nothing: on
/// a busy machine a test takes longer, and does not fail.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub mod appliance;
pub mod console;
pub mod forge;
pub mod linux;
pub mod matrix;
pub mod monitor;
pub mod peer;
pub mod pokes;
pub mod residence;
pub mod scratch;
pub mod screen;
pub mod status;
pub mod suite;
pub mod terminal;
