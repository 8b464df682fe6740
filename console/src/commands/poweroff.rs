//! `poweroff`: the machine goes off.

use super::{Completion, Specification};
use crate::command::Command;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "poweroff",
    synopsis: "poweroff",
    summary: "switch the machine off",
    words: &[],
    examples: &["poweroff"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Poweroff),
};

/// The reply.
pub(crate) const REPLY: &str = "switching off";
