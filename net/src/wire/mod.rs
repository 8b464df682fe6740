//! How each protocol looks on the wire: one file per protocol.
//!
//! Headers are plain structs of big-endian fields with no padding. Reading one is a checked cast of
//! the octets where they stand; once the cast succeeded no accessor can fail. Every file has the
//! same order: layout, view, meaning, display, tests made of byte arrays.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod icmpv4;
pub mod icmpv4_error;
pub mod ipv4;
pub mod ipv4_fragment;
pub mod ipv4_options;
pub mod partial_checksum;
pub mod stamp;
pub mod udp;
pub mod vlan;
