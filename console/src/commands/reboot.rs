//! `reboot`: the machine starts again.

use super::{Completion, Specification};
use crate::command::Command;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "reboot",
    synopsis: "reboot",
    summary: "restart the machine",
    words: &[],
    examples: &["reboot"],
    complete: |_| Completion::NOTHING,
    test_only: false,
    parse: |_, _| Ok(Command::Reboot),
};

/// The reply.
pub(crate) const REPLY: &str = "restarting";
