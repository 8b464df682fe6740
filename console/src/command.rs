//! The grammar: from a line of text to a request.
//!
//! The same grammar serves the serial console, the start-up file and the boot command line. What each
//! command looks like is in its own file under [`crate::commands`]; here is only what all have in
//! common: comments, what stands before a command out of habit, and nothing left over at the end.

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
use crate::commands::solicit::Solicitation;
use crate::commands::stty::Stty;
use crate::commands::sysctl::Sysctl;
use crate::commands::trace::Switch;
use crate::commands::{COMMANDS, Specification};
use crate::error::{Mistake, ParseError};
use crate::suggest::{Near, nearest};
use crate::text::clipped;
pub use crate::words::Commands;
use crate::words::Words;

/// What fingers type that know other systems, and what does it here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ifconfig", "ip addr"),
    ("arp", "ip neigh"),
    ("route", "ip route"),
    ("netstat", "show drops"),
    ("tcpdump", "dump"),
    ("tshark", "dump"),
    ("uptime", "date"),
    ("man", "help"),
    ("halt", "poweroff"),
    ("shutdown", "poweroff"),
];

/// What fingers type who want to leave.
const LEAVING: &[&str] = &["exit", "quit", "logout", "bye"];
/// What they are told.
const NOTHING_TO_LEAVE: &str =
    "there is nothing to log out of; Ctrl-] leaves './run.sh console', Ctrl-A x ends QEMU";

/// What the appliance is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// List the commands, or explain one.
    Help(Topic),
    /// Show the status page.
    Status,
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
    /// What the poll loop did.
    Turns,
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
    /// Ask for a neighbor.
    Solicit(Solicitation),
    /// Show or set limits of what is sent.
    Sysctl(Sysctl),
    /// The configuration as commands.
    Config(Config),
    /// Take a file that is typed.
    Upload(Heading),
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
        let mut words = Words::new(line);
        while matches!(words.peek(), Some("$" | "~#" | "~$")) {
            words.next();
        }
        if words.take_if("sudo") {
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
        // iproute2 takes it for an object.
        let asks_for_help = name == "ip" && words.peek() == Some("help");
        if words.help || asks_for_help {
            return Ok(Command::Help(Topic::Command(specification)));
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
        if LEAVING.contains(&base) {
            return Err(Mistake::Needless {
                word: clipped(base),
                reason: NOTHING_TO_LEAVE,
            });
        }
        self.commands()
            .find(|command| command.name == base)
            .ok_or_else(|| Mistake::UnknownCommand {
                word: clipped(name),
                near: match ELSEWHERE.iter().find(|(known, _)| *known == base) {
                    Some((_, here)) => Near::from_iter([clipped(here)]),
                    None => nearest(base, self.commands().map(|command| command.name)),
                },
            })
    }
}
