//! What the appliance costs, measured: the stack alone on the host, the image in the machine.
//!
//! `./run.sh bench` runs all of it; nothing here is part of the appliance, and nothing that is
//! measured in time is a test.
//!
//! - [`frames`] is what is asked, the same for everybody who is measured.
//! - [`stack`] is the appliance's stack behind one function, [`smoltcp`] the other one.
//! - [`cases`] is what the two are compared by: `benches/stack.rs` times it, [`callgrind`] counts its
//!   instructions.
//! - [`instructions`] counts those of the whole image in the machine, and compares them with a table.
//! - [`cards`] measures every card, machine and option there is.
//! - [`scale`] counts them for more and more of everything.
//! - [`accesses`] counts how often the card's registers are touched.
//! - [`comparison`] measures the appliance, Linux, XDP, DPDK and a native process side by side: [`contenders`]
//!   are these, [`load`] asks them, [`places`] keeps them apart, [`quiet`] repeats what was disturbed, [`answerer`] is the
//!   native one; [`report`] and [`drawing`] show it.

#![forbid(unsafe_code)]

pub mod accesses;
pub mod answerer;
pub mod callgrind;
pub mod cards;
pub mod cases;
pub mod comparison;
pub mod contenders;
pub mod drawing;
pub mod frames;
pub mod initramfs;
pub mod instructions;
pub mod load;
pub mod places;
pub mod quiet;
pub mod report;
pub mod scale;
pub mod smoltcp;
pub mod stack;

/// The network cards that the appliance is measured on, by QEMU's names. The first is the usual one.
pub const CARDS: [&str; 3] = ["e1000", "e1000e", "virtio-net-pci"];
