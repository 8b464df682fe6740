//! The grammar: from a line of text to a request.
//!
//! The same grammar serves the serial console, the start-up file and the boot command line. What each
//! command looks like is in its own file under [`crate::commands`]; here is only what all have in
//! common: comments, what stands before a command out of habit, and nothing left over at the end.

use crate::commands::arping::Arping;
use crate::commands::base64::Heading;
use crate::commands::bpftool::Bpftool;
use crate::commands::config::Config;
use crate::commands::dump::Dump;
use crate::commands::ethtool::Ethtool;
use crate::commands::evl::Evl;
use crate::commands::fault::Fault;
use crate::commands::file::Access;
use crate::commands::help::Topic;
use crate::commands::icmp::Responder;
use crate::commands::ip::Ip;
use crate::commands::latency::Latency;
use crate::commands::ping::Ping;
use crate::commands::rm::Remove;
use crate::commands::status::Part;
use crate::commands::stty::Stty;
use crate::commands::sysctl::Sysctl;
use crate::commands::trace::Switch;
use crate::commands::turns::TurnsAction;
use crate::commands::{COMMANDS, Specification, base64, file};
use crate::error::{Mistake, ParseError};
use crate::grep::Grep;
use crate::habits;
use crate::suggest::nearest;
use crate::text::clipped;
pub use crate::words::Commands;
use crate::words::{Parts, Words};
use alloc::vec::Vec;

/// What the appliance is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// List the commands, or explain one.
    Help(Topic),
    /// Show the status page, or a part of it.
    Status(Option<Part>),
    /// Show or change devices, addresses, routes or neighbors.
    Ip(Ip),
    /// Out-of-band ports and the filter list.
    Evl(Evl),
    /// eBPF filters and their maps.
    Bpftool(Bpftool),
    /// Read or write one of EVL's pseudo-files, or say something.
    File(Access),
    /// Print a line for each answered echo request until Ctrl-C.
    Responder(Responder),
    /// Show why frames were not answered.
    Drops,
    /// Show or forget what the poll loop did. The kernel has it, and forgets it.
    Turns(TurnsAction),
    /// Show, keep or forget the frames that passed last.
    Dump(Dump),
    /// Show or forget the residence times.
    Latency(Latency),
    /// Show what passes through each card, once a second.
    Top,
    /// Show a card as `ethtool` does.
    Ethtool(Ethtool),
    /// Ask a host for echoes.
    Ping(Ping),
    /// Ask who has an address.
    Arping(Arping),
    /// Show or set limits of what is sent.
    Sysctl(Sysctl),
    /// The configuration as commands.
    Config(Config),
    /// Take a file that is typed.
    Upload(Heading),
    /// Forget files that were typed. The kernel has them, and does it.
    Remove(Remove),
    /// List the files that were given with the kernel, or typed.
    List,
    /// Tell or set how wide the terminal is.
    Stty(Stty),
    /// Tell the time since the start.
    Date,
    /// Tell the version.
    Version,
    /// Describe the machine.
    Report,
    /// Turn the trace on or off, or only tell (`None`).
    Trace(Option<Switch>),
    /// Restart the machine, after the reply is printed.
    Reboot,
    /// Switch the machine off, after the reply is printed.
    Poweroff,
    /// Provoke a fault, after the reply is printed. Parsed in test mode only.
    Fault(Fault),
}

/// A command, and how it is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub command: Command,
    /// Whether a program is asking: then the answer is one JSON value, possibly over several lines.
    pub json: bool,
    /// Which lines of the reply are shown: those that pass all of these.
    pub only: Vec<Grep>,
}

impl Request {
    /// Whether it goes on until Ctrl-C ends it.
    pub fn is_endless(&self) -> bool {
        match &self.command {
            Command::Responder(_) => true,
            Command::Top => !self.json,
            Command::Ping(ping) => ping.is_endless(),
            Command::Arping(arping) => arping.is_endless(),
            _ => false,
        }
    }

    /// Why it cannot stand in what is executed at the start, where it was written as `line`: nobody is there to end it.
    pub fn refusal_in_script(&self, line: &str) -> Option<ParseError> {
        const WITHOUT_END: &str = "it would never end at the start; add '-c COUNT' or '-w SECONDS'";
        if !self.is_endless() {
            return None;
        }
        let (command, reason) = match &self.command {
            Command::Ping(_) => ("ping", WITHOUT_END),
            Command::Arping(_) => ("arping", WITHOUT_END),
            Command::Top => (
                "top",
                "it would never end at the start; type it at the console",
            ),
            _ => (
                "oob-net-icmp",
                "it would never end at the start; type it at the console, or write 'trace on'",
            ),
        };
        let at = line.find(command).unwrap_or(0);
        Some(ParseError {
            column: line.get(..at).unwrap_or("").chars().count() + 1,
            json: self.json,
            mistake: Mistake::Needless {
                word: clipped(command),
                reason,
            },
        })
    }
}

/// Which commands there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grammar {
    /// Whether commands exist that only tests may want, such as provoking a fault.
    pub test_mode: bool,
}

impl Grammar {
    /// The commands of this grammar, in the order of `help`.
    pub fn commands(self) -> impl Iterator<Item = &'static Specification> {
        COMMANDS
            .into_iter()
            .filter(move |command| self.test_mode || !command.test_only)
    }

    /// The request that `line` spells, or `None` if it is empty or a comment.
    ///
    /// Words are separated by white space; a word that begins with `#` begins a comment. A shell's
    /// prompt and `sudo` before the command are ignored, because fingers type them and manuals have
    /// them; so is the folder of a program.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says which word is wrong and what would have been right.
    pub fn parse(self, line: &str) -> Result<Option<Request>, ParseError> {
        let mut parts = Parts::of(line, '|').peekable();
        let request = self.parse_part(parts.next().map_or("", |(_, part)| part))?;
        let Some(mut request) = request else {
            return Ok(None);
        };
        while let Some((at, part)) = parts.next() {
            let before = line.get(..at).unwrap_or("").chars().count();
            let mut words = Words::new(part);
            if part.is_empty()
                && parts.peek().is_some()
                && let Some(mistake) = habits::of_a_shell("||")
            {
                return Err(ParseError {
                    column: before,
                    json: request.json,
                    mistake,
                });
            }
            let parsed = match Grep::refusal(&request, request.json || words.json) {
                Some(refusal) => Err(refusal),
                None => Grep::parse(&mut words),
            };
            request.only.push(parsed.map_err(|mistake| ParseError {
                column: before + words.column(),
                json: request.json || words.json,
                mistake,
            })?);
        }
        Ok(Some(request))
    }

    /// The request that stands in front of every `|`.
    fn parse_part(self, line: &str) -> Result<Option<Request>, ParseError> {
        let mut words = Words::new(line);
        while matches!(words.peek(), Some("$" | "~#" | "~$")) {
            words.next();
        }
        if words.take_if("sudo") {
            if let Some(option @ ("-i" | "-s")) = words.peek() {
                words.next();
                return Err(ParseError {
                    column: words.column(),
                    json: words.json,
                    mistake: habits::without_users(option),
                });
            }
            let is_shell = matches!(words.peek(), Some("sh" | "bash"));
            if is_shell {
                words.next();
            }
            // One word holds the whole command: that of somebody who needs root to write a file.
            if words.take_if("-c") {
                let inner = words.next().unwrap_or("");
                return self.parse_words(Words::new(inner));
            }
        }
        self.parse_words(words)
    }

    /// Whether `line` is a comment that would be a command without its `#`: pasted from a page that shows root's
    /// prompt. Nothing is done then, and whoever pasted it should hear why.
    pub fn is_root_prompt(self, line: &str) -> bool {
        let command = line.trim_start().strip_prefix("# ");
        command.is_some_and(|command| matches!(self.parse(command), Ok(Some(_))))
    }

    fn parse_words(self, mut words: Words<'_>) -> Result<Option<Request>, ParseError> {
        let Some(name) = words.next() else {
            return Ok(None);
        };
        match self.read(name, &mut words) {
            Ok(command) => Ok(Some(Request {
                command,
                json: words.json,
                only: Vec::new(),
            })),
            Err(mistake) => Err(ParseError {
                column: words.column(),
                json: words.json,
                mistake,
            }),
        }
    }

    fn read(self, name: &str, words: &mut Words<'_>) -> Result<Command, Mistake> {
        let specification = self.find(name)?;
        // iproute2 takes it for an object, or for what is to be done with one.
        let asks_for_help = name == "ip" && words.are_few_and_end_in("help");
        if words.help || asks_for_help {
            return Ok(Command::Help(Topic::Command(specification)));
        }
        if *specification != file::ECHO && *specification != base64::SPECIFICATION {
            words.refuse(habits::of_a_shell)?;
        }
        let command = (specification.parse)(self, words)?;
        match words.next() {
            None => Ok(command),
            Some(word) => Err(Mistake::ExtraWord {
                word: clipped(word),
                synopsis: specification.synopsis,
            }),
        }
    }

    /// The command called `name`, in whatever folder.
    pub(crate) fn find(self, name: &str) -> Result<&'static Specification, Mistake> {
        let base = match name.strip_prefix('/') {
            Some(path) => path.rsplit('/').next().unwrap_or(path),
            None => name,
        };
        let found = self.commands().find(|command| command.name == base);
        found.ok_or_else(|| {
            habits::elsewhere(base).unwrap_or_else(|| Mistake::UnknownCommand {
                word: clipped(name),
                near: nearest(base, self.commands().map(|command| command.name)),
            })
        })
    }
}
