//! What is done with octets that nobody thought of, and what must be true whatever they are.
//!
//! Each target is a function of octets that panics when something is wrong. `fuzz_targets/` has them found
//! by libFuzzer, which sees what parts of the code they reach; `blind` by mutation alone, where there is no C++
//! compiler. Both begin with the [`seeds`].

mod console;
mod filter;
mod frames;
mod partial_checksum;
mod reader;
mod reassembly;
mod receive;
mod services;

pub use console::console;
pub use filter::filter;
pub use partial_checksum::partial_checksum;
pub use reassembly::reassembly;
pub use receive::receive;
pub use services::services;

/// A target: its name, what it does with octets, and what to begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("receive", receive, receive::seeds),
    (
        "partial_checksum",
        partial_checksum,
        partial_checksum::seeds,
    ),
    ("reassembly", reassembly, reassembly::seeds),
    ("services", services, services::seeds),
    ("filter", filter, filter::seeds),
    ("console", console, console::seeds),
];

/// The seeds of a target; `None` when there is no such target.
pub fn seeds(name: &str) -> Option<Vec<Vec<u8>>> {
    let (_, _, seeds) = TARGETS.iter().find(|target| target.0 == name)?;
    Some(seeds())
}
