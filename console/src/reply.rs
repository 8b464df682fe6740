//! What is said in return, one line a call.
//!
//! The poll loop asks for a line when its serial ring has room for one and the wire is quiet, so
//! that no reply, however long, holds up a frame. What a line says is as of the call that wrote it,
//! except for figures that must agree with each other: those are taken together.

use crate::command::Command;
use crate::commands::fault::{self, Fault};
use crate::commands::help::{self, Topic};
use crate::commands::{poweroff, reboot, status, trace};
use crate::error::ParseError;
use crate::text::clipped;
use crate::view::StatusView;
use core::fmt::{self, Write};

/// What stands at the start of a line that can be typed.
pub const PROMPT: &str = "pollux> ";
/// No line of a reply has more characters than this.
pub const MAXIMUM_LINE: usize = 120;

/// How far a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One line was written, and there may be more.
    Line,
    /// Nothing was written: the reply is over.
    Done,
}

/// A reply under way.
#[derive(Clone, Debug)]
pub struct Reply {
    content: Content,
    /// Which line comes next; the status page counts for itself.
    row: usize,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one reply at a time, and no heap to put its larger part on"
)]
enum Content {
    Banner,
    Error(ParseError),
    Help(Topic),
    Status(status::Page),
    Trace,
    Reboot,
    Poweroff,
    Fault(Fault),
}

impl Reply {
    /// The reply to a command that was carried out, or will be as soon as the reply is over.
    pub fn to(command: Command) -> Self {
        Self::of(match command {
            Command::Help(topic) => Content::Help(topic),
            Command::Status => Content::Status(status::Page::default()),
            Command::Trace(_) => Content::Trace,
            Command::Reboot => Content::Reboot,
            Command::Poweroff => Content::Poweroff,
            Command::Fault(fault) => Content::Fault(fault),
        })
    }

    /// The reply to a line that was refused.
    pub const fn refusal(error: ParseError) -> Self {
        Self::of(Content::Error(error))
    }

    /// What is said when the appliance has started.
    pub const fn banner() -> Self {
        Self::of(Content::Banner)
    }

    const fn of(content: Content) -> Self {
        Self { content, row: 0 }
    }

    /// Writes the next line to `out`, without line ending and at most [`MAXIMUM_LINE`] characters
    /// long.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refused it; the next call writes the same line again.
    pub fn next_line(
        &mut self,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let row = self.row;
        let progress = match &mut self.content {
            Content::Banner => match row {
                0 => {
                    let version = clipped::<40>(view.version);
                    single_line(0, format_args!("Pollux {version}"), out)
                }
                row => single_line(row - 1, "type 'help' for the list of commands", out),
            },
            Content::Error(error) => single_line(row, error, out),
            Content::Help(topic) => help::line(*topic, row, out),
            Content::Status(page) => page.next_line(view, out),
            Content::Trace => trace::line(row, view, out),
            Content::Reboot => single_line(row, reboot::REPLY, out),
            Content::Poweroff => single_line(row, poweroff::REPLY, out),
            Content::Fault(fault) => fault::line(*fault, row, out),
        }?;
        if progress == Progress::Line {
            self.row += 1;
        }
        Ok(progress)
    }
}

/// Writes line `row` of a reply that has only one.
pub(crate) fn single_line(
    row: usize,
    line: impl fmt::Display,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    if row > 0 {
        return Ok(Progress::Done);
    }
    write!(out, "{line}")?;
    Ok(Progress::Line)
}
