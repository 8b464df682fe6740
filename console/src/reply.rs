//! What is said in return, one line a call.
//!
//! The poll loop asks for a line when its serial ring has room for one and the wire is quiet, so
//! that no reply, however long, holds up a frame. What a line says is as of the call that wrote it,
//! except for figures that must agree with each other: those are taken together.

use crate::command::{Command, Request};
use crate::commands::base64::Uploaded;
use crate::commands::config::{self, Config};
use crate::commands::ethtool::{self, Ethtool};
use crate::commands::fault::{self, Fault};
use crate::commands::file::{self, Access};
use crate::commands::help::{self, Topic};
use crate::commands::icmp::{self, Responder};
use crate::commands::ip::{self, Ip};
use crate::commands::latency::{self, Latency};
use crate::commands::ping;
use crate::commands::stty::{self, Stty};
use crate::commands::sysctl::Sysctl;
use crate::commands::turns::{self, TurnsAction};
use crate::commands::{
    about, arping, bpftool, dump, evl, poweroff, reboot, report, show, status, sysctl, top, trace,
};
use crate::complete::Completions;
use crate::error::{ParseError, Refusal};
use crate::grep::Grep;
use crate::json::Fitted;
use crate::listing::Cursor;
use crate::text::{clipped, text};
use crate::view::StatusView;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;

/// What stands at the start of a line that can be typed.
pub const PROMPT: &str = "pollux> ";
/// No line of a reply has more characters than this.
pub const MAXIMUM_LINE: usize = 250;

/// What is said about a comment that would be a command.
const ROOT_PROMPT: &str = "a comment, nothing was done: leave the '# ' out";

/// How far a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// One line was written, and there may be more.
    Line,
    /// Nothing was written, and there may be more.
    Waiting,
    /// Nothing was written: the reply is over.
    Done,
}

/// What a command asks of another station until it is over or ended. What is answered meanwhile is printed as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Echo replies of this address.
    Echo(Ipv4Addr),
    /// The stations that have this address.
    Arp(Ipv4Addr),
}

/// A reply under way.
#[derive(Clone, Debug)]
pub struct Reply {
    content: Content,
    json: bool,
    /// Which of its lines are shown: those that pass all of these.
    only: Vec<Grep>,
    /// Which line comes next, where the content does not count for itself.
    row: usize,
}

#[derive(Clone, Debug)]
enum Content {
    Banner,
    Error(ParseError),
    Refusal(Refusal),
    Help(Topic, Cursor),
    Status(Box<status::Page>),
    Ip(Ip, Cursor),
    Evl(evl::Page),
    Bpftool(bpftool::Page),
    /// With how much of a file was shown.
    File(Access, usize),
    Responder(Responder),
    Drops(Box<show::Page>),
    Turns(Cursor),
    Dump(dump::Page),
    Latency(Box<latency::Page>),
    Top(top::Page),
    /// That this was.
    Forgotten(&'static str),
    Ethtool(Ethtool),
    Ping(ping::Page),
    Arping(arping::Page),
    Config(config::Page),
    StartErrors(Cursor),
    Sysctl(Sysctl, Cursor),
    List(Cursor),
    Stty(Stty),
    Date,
    Version,
    Report(Cursor),
    Trace,
    Reboot,
    Poweroff,
    Fault(Fault),
    /// A sentence; none when it is empty.
    Said(String),
    /// Words that can follow.
    Choices(Completions),
}

impl Reply {
    /// The reply to a command that was carried out, or will be as soon as the reply is over.
    pub fn to(request: Request) -> Self {
        let content = match request.command {
            Command::Help(topic) => Content::Help(topic, Cursor::default()),
            Command::Status(part) => Content::Status(Box::new(status::Page::new(part))),
            Command::Ip(ip) => Content::Ip(ip, Cursor::default()),
            Command::Evl(evl) => Content::Evl(evl::Page::new(evl)),
            Command::Bpftool(bpftool) => Content::Bpftool(bpftool::Page::new(bpftool)),
            // The kernel takes the lines that follow; when the last came, it has something to say.
            Command::Upload(_) | Command::Remove(_) => Content::Said(String::new()),
            Command::File(access) if access.shows_vlans() => Content::Evl(evl::Page::of_vlans()),
            Command::File(access) => Content::File(access, 0),
            Command::Responder(responder) => Content::Responder(responder),
            Command::Drops => Content::Drops(Box::default()),
            Command::Turns(TurnsAction::Show) => Content::Turns(Cursor::default()),
            Command::Turns(TurnsAction::Reset) => Content::Forgotten("turns"),
            Command::Dump(dump) => Content::Dump(dump::Page::new(dump)),
            Command::Latency(Latency::Show) => Content::Latency(Box::default()),
            Command::Latency(Latency::Reset) => Content::Forgotten("residence times"),
            Command::Top => Content::Top(top::Page::default()),
            Command::Ethtool(ethtool) => Content::Ethtool(ethtool),
            Command::Ping(ping) => Content::Ping(ping::Page::new(ping)),
            Command::Arping(arping) => Content::Arping(arping::Page::new(arping)),
            Command::Config(Config::Errors) => Content::StartErrors(Cursor::default()),
            Command::Config(config) => Content::Config(config::Page::new(config)),
            Command::Sysctl(sysctl) => Content::Sysctl(sysctl, Cursor::default()),
            Command::List => Content::List(Cursor::default()),
            Command::Stty(stty) => Content::Stty(stty),
            Command::Date => Content::Date,
            Command::Version => Content::Version,
            Command::Report => Content::Report(Cursor::default()),
            Command::Trace(_) => Content::Trace,
            Command::Reboot => Content::Reboot,
            Command::Poweroff => Content::Poweroff,
            Command::Fault(fault) => Content::Fault(fault),
        };
        Self {
            content,
            json: request.json,
            only: request.only,
            row: 0,
        }
    }

    /// The reply to a file that was typed as a whole.
    pub fn to_upload(uploaded: &Uploaded, json: bool) -> Self {
        let (name, octets) = (clipped::<64>(&uploaded.name), uploaded.octets.len());
        Self {
            content: Content::Said(text!("{name}: {octets} octets")),
            json,
            only: Vec::new(),
            row: 0,
        }
    }

    /// The reply to a line that was refused.
    pub const fn refusal(error: ParseError) -> Self {
        Self {
            json: error.json,
            content: Content::Error(error),
            only: Vec::new(),
            row: 0,
        }
    }

    /// The reply to a command that could not be carried out.
    pub const fn not_done(refusal: Refusal, json: bool) -> Self {
        Self {
            json,
            content: Content::Refusal(refusal),
            only: Vec::new(),
            row: 0,
        }
    }

    /// What Tab shows when several words can follow.
    pub const fn choices(completions: Completions) -> Self {
        Self {
            content: Content::Choices(completions),
            json: false,
            only: Vec::new(),
            row: 0,
        }
    }

    /// The reply to a comment that would be a command ([`crate::command::Grammar::is_root_prompt`]).
    pub fn to_root_prompt() -> Self {
        Self {
            content: Content::Said(ROOT_PROMPT.into()),
            json: false,
            only: Vec::new(),
            row: 0,
        }
    }

    /// What is said when the appliance has started.
    pub const fn banner() -> Self {
        Self {
            content: Content::Banner,
            json: false,
            only: Vec::new(),
            row: 0,
        }
    }

    /// Whether trace lines are part of it, which goes on until somebody ends it and the trace with it.
    pub const fn is_trace(&self) -> bool {
        matches!(self.content, Content::Responder(_))
    }

    /// What it asks of somebody else, if it does.
    pub const fn asks(&self) -> Option<Asked> {
        match &self.content {
            Content::Ping(page) => Some(Asked::Echo(page.destination())),
            Content::Arping(page) => Some(Asked::Arp(page.address())),
            _ => None,
        }
    }

    /// Whether it is over and came to nothing, although the command was carried out: nobody answered.
    pub fn has_failed(&self) -> bool {
        match &self.content {
            Content::Ping(page) => page.has_failed(),
            Content::Arping(page) => page.has_failed(),
            _ => false,
        }
    }

    /// Whether it goes on until Ctrl-C ends it: nothing typed before that can be of use any more.
    pub const fn is_endless(&self) -> bool {
        match &self.content {
            Content::Responder(_) => true,
            Content::Top(_) => !self.json,
            Content::Ping(page) => page.is_endless(),
            Content::Arping(page) => page.is_endless(),
            _ => false,
        }
    }

    /// Whether it has said what it is about, so that what is answered can follow.
    pub fn is_begun(&self) -> bool {
        self.row > 0 || self.json || self.is_quiet()
    }

    /// Whether `line`, which somebody else wrote, is one of those that are shown.
    pub fn shows(&self, line: &str) -> bool {
        self.only.iter().all(|grep| grep.shows(line))
    }

    /// Whether `line` is shown, by which an answer of somebody else is told.
    pub fn shows_answer(&self, line: &str) -> bool {
        !self.json && !self.is_quiet() && self.shows(line)
    }

    /// Whether answers of somebody else are not to be told.
    fn is_quiet(&self) -> bool {
        match &self.content {
            Content::Ping(page) => page.is_quiet(),
            Content::Arping(page) => page.is_quiet(),
            _ => false,
        }
    }

    /// Whether a program asked, which wants nothing beside the one JSON value.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Ends it, at Ctrl-C. Returns whether there is something left to say.
    pub const fn interrupt(&mut self) -> bool {
        match &mut self.content {
            Content::Ping(page) => page.interrupt(),
            Content::Arping(page) => page.interrupt(),
            _ => return false,
        }
        true
    }

    /// The configuration that was to be kept, when all of it was printed.
    pub fn take_kept(&mut self) -> Option<Vec<String>> {
        match &mut self.content {
            Content::Config(page) => page.take_kept(),
            _ => None,
        }
    }

    /// What it holds of the configuration, which may be thousands of lines: to be freed in pieces.
    pub fn take_looked_at(&mut self) -> Vec<String> {
        match &mut self.content {
            Content::Config(page) => page.take_looked_at(),
            _ => Vec::new(),
        }
    }

    /// Writes the next line to `out`, without line ending and at most [`MAXIMUM_LINE`] characters
    /// long.
    ///
    /// # Errors
    ///
    /// [`fmt::Error`] when `out` refused it.
    pub fn next_line(
        &mut self,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        if self.only.is_empty() {
            return self.line(view, out);
        }
        let mut line = String::new();
        let progress = self.line(view, &mut line)?;
        if progress != Progress::Line {
            return Ok(progress);
        }
        // One that is not shown has had its turn.
        if !self.shows(&line) {
            return Ok(Progress::Waiting);
        }
        out.write_str(&line)?;
        Ok(Progress::Line)
    }

    fn line(&mut self, view: &StatusView<'_>, out: &mut dyn Write) -> Result<Progress, fmt::Error> {
        let (row, json) = (self.row, self.json);
        let progress = match &mut self.content {
            Content::Banner => match row {
                0 => {
                    let version = clipped::<40>(view.version);
                    single_line(0, format_args!("Pollux {version}"), out)
                }
                row => single_line(row - 1, "type 'help' for the list of commands", out),
            },
            Content::Error(error) => sentence_line(row, "error", error, json, out),
            Content::Refusal(refusal) => sentence_line(row, "error", refusal, json, out),
            Content::Help(topic, cursor) => help::line(*topic, cursor, json, out),
            Content::Status(page) => page.next_line(json, view, out),
            Content::Ip(ip, cursor) => ip::line(ip, cursor, json, view, out),
            Content::Evl(page) => page.next_line(json, view, out),
            Content::Bpftool(page) => page.next_line(json, view, out),
            Content::File(access, offset) => file::line(access, row, offset, json, view, out),
            Content::Responder(responder) => icmp::line(responder, row, json, out),
            Content::Drops(page) => page.next_line(json, view, out),
            Content::Turns(cursor) => turns::next_line(cursor, json, view, out),
            Content::Dump(page) => page.next_line(json, view, out),
            Content::Latency(page) => page.next_line(json, view, out),
            Content::Top(page) => page.next_line(json, view, out),
            Content::Forgotten(what) => forgotten(row, what, json, out),
            Content::Ethtool(ethtool) => ethtool::line(ethtool, row, json, view, out),
            Content::Ping(page) => page.next_line(json, view, out),
            Content::Arping(page) => page.next_line(json, view, out),
            Content::Config(page) => page.next_line(json, view, out),
            Content::StartErrors(cursor) => config::errors(cursor, json, view, out),
            Content::Sysctl(sysctl, cursor) => sysctl::line(sysctl, cursor, json, view, out),
            Content::List(cursor) => about::list(cursor, json, view, out),
            Content::Stty(stty) => stty::line(*stty, row, json, view, out),
            Content::Date => about::date(row, json, view, out),
            Content::Report(cursor) => report::line(cursor, json, view, out),
            Content::Version => about::version(row, json, view, out),
            Content::Trace => trace::line(row, json, view, out),
            Content::Reboot => sentence_line(row, "said", reboot::REPLY, json, out),
            Content::Poweroff => sentence_line(row, "said", poweroff::REPLY, json, out),
            Content::Fault(fault) => fault::line(*fault, row, json, out),
            Content::Said(sentence) if sentence.is_empty() => Ok(Progress::Done),
            Content::Said(sentence) => sentence_line(row, "said", sentence, json, out),
            Content::Choices(completions) => completions.line(row, view, out),
        }?;
        if progress == Progress::Line {
            self.row += 1;
        }
        Ok(progress)
    }
}

/// Writes line `row` of a reply that is one sentence; `member` is its name in JSON.
fn sentence_line(
    row: usize,
    member: &str,
    sentence: impl fmt::Display,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    if !json {
        return single_line(row, sentence, out);
    }
    let room = MAXIMUM_LINE - "{\"\":}".len() - member.len();
    let sentence = Fitted(sentence, room);
    single_line(row, format_args!("{{\"{member}\":{sentence}}}"), out)
}

/// Writes line `row` of what is said when something was forgotten.
fn forgotten(
    row: usize,
    what: &str,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    match json {
        true => single_line(row, "{\"reset\":true}", out),
        false => single_line(row, format_args!("{what} forgotten"), out),
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
