//! The far end that asks, on the host: it speaks raw Ethernet frames to an appliance and checks
//! every byte of what comes back.
//!
//! The `pollux-issuer` command and the end-to-end tests stand on this library. It is the
//! independent witness, so it must never use the appliance's own stack: frames are built and
//! parsed by `etherparse`.
//!
//! - [`wire`] carries frames: over loopback UDP to QEMU, or over a network interface.
//! - [`frame`] builds and parses them.
//! - [`arp`] resolves the peer's address and answers for our own.
//! - [`ping`] sends echo requests and judges the answers.

#![forbid(unsafe_code)]

pub mod arp;
pub mod frame;
pub mod ping;
pub mod wire;
