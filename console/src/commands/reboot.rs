//! `reboot`: the machine starts again.

use super::Specification;
use crate::command::Command;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "reboot",
    synopsis: "reboot",
    summary: "restart the machine",
    words: &[],
    test_only: false,
    parse: |_, _| Ok(Command::Reboot),
};

/// The reply.
pub(crate) const REPLY: &str = "restarting";
