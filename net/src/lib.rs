//! The network stack of the appliance: what a frame means and what is answered.
//!
//! Everything here is a pure function of the bytes that arrived, the configuration and the time that
//! was handed in: no I/O, no clock, no allocation, no `unsafe`. The poll loop in `kernel/` calls it
//! for each received frame, drivers implement its [`device::Device`], the console prints its
//! counters. A bug that answers wrongly lives here; a bug that loses a frame before it is parsed, or
//! after it was answered, lives in `drivers/`.
//!
//! - [`wire`] is how each protocol looks on the wire: one file per protocol.
//! - [`receive`] is the path of one frame from its first octet to its verdict.
//! - [`respond`] turns a request into its answer, in place.
//! - [`udp`] finds the service that a datagram is for, [`services`] are those that come along, and
//!   [`loop_rules`] and [`rate`] say when none of them may answer.
//! - [`interface`] and [`vlan`] say which frames are ours, and [`filter`] asks a program before them.
//! - [`counters`] and [`histogram`] say what became of them, and how soon; [`capture`] keeps the last ones.
#![no_std]
#![forbid(unsafe_code)]
// What the network sends must not be able to stop the appliance.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]

extern crate alloc;

pub mod address_conflict;
pub mod arrival;
pub mod capture;
pub mod counters;
pub mod device;
pub mod ethernet;
pub mod filter;
pub mod fragmentation;
mod frame_header;
pub mod histogram;
pub mod icmp_error;
pub mod interface;
pub mod large;
pub mod loop_rules;
pub mod neighbor;
pub mod own_arping;
pub mod own_ping;
pub mod ping;
pub mod rate;
pub mod reassembly;
pub mod receive;
pub mod respond;
pub mod route;
pub mod send;
pub mod services;
#[cfg(any(test, feature = "test-device"))]
pub mod test_device;
pub mod time;
pub mod trace;
pub mod turns;
pub mod udp;
pub mod vlan;
pub mod wire;
