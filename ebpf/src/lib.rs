//! eBPF socket filters: programs that decide for each frame in which plane it is served, or that it is
//! dropped.
//!
//! A program comes as an object file, as clang makes it. It is checked once, when it is loaded, and may
//! allocate then; what is run for each frame neither allocates nor panics, ends within its fuel, and
//! reaches nothing but the frame (to read it), its stack and its maps. A bug that lets a program harm the
//! appliance lives here; what becomes of a frame after the verdict is decided in `net/`.
//!
//! From a file to a verdict:
//!
//! - [`object`] takes an object file apart, with [`btf`] for the definitions of maps, and links it;
//! - [`encoding`] is how instructions look in the file, [`decode`] makes [`instruction`]s of them that are
//!   quick to carry out, and refuses what is none;
//! - [`verify`] follows the program and refuses what would go wrong;
//! - [`lower`] makes [`op`]s of what it found, with [`flow`]: fewer than instructions, that do the same;
//! - [`shortcut`] knows for which frames nothing but tests is to be done;
//! - [`interpreter`] runs it, over the [`memory`] that it may reach, which holds its [`map`]s, with the
//!   [`context`] that describes the frame, and the functions of [`helper`];
//! - [`filter`] is a program at work: its verdicts, counted.
#![no_std]
#![forbid(unsafe_code)]
// Neither a program nor what the network sends may be able to stop the appliance.
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

mod btf;
mod context;
mod decode;
mod encoding;
mod error;
mod filter;
mod flow;
mod frame;
mod helper;
mod instruction;
mod interpreter;
mod lower;
mod map;
mod memory;
mod object;
mod op;
mod program;
mod shortcut;
mod verify;

pub use error::{LoadError, Refusal};
pub use filter::{DEFAULT_FAULT_LIMIT, DEFAULT_FUEL, DEFAULT_ON_FAULT};
pub use filter::{Decision, Filter, Statistics, Verdict};
pub use frame::Frame;
pub use interpreter::{Fault, FaultKind};
pub use map::{Map, MapDefinition, MapError, MapKind, UpdateRule};
pub use program::{MAXIMUM_INSTRUCTIONS, MAXIMUM_MAP_OCTETS, MAXIMUM_MAPS, MAXIMUM_OBJECT};
