//! What is wrong with a line that is not a command, and why a command was refused.
//!
//! Every message names the word that was wrong, says what would have been right, and offers the
//! nearest words that exist. An error owns its text, so that it can be printed when there is room.

use crate::line::LineTooLong;
use crate::suggest::Near;
use alloc::boxed::Box;
use core::fmt;
use core::net::Ipv4Addr;
use heapless::String;
use pollux_net::interface::{ConfigurationError, Ipv4Cidr};
use pollux_net::neighbor::PermanentError;
use pollux_net::own_arping::ArpingError;
use pollux_net::own_ping::PingError;
use pollux_net::route::RouteError;

/// A word as it was typed; longer ones are cut, so that every message fits on a line.
pub type Word = String<20>;

/// Why a line was refused, and where. Nothing of it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The first character of the word that is wrong, from 1; behind the line when one is missing.
    pub column: usize,
    /// Whether a program asked, which wants to hear of it in JSON.
    pub json: bool,
    /// What is wrong.
    pub mistake: Mistake,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// There is no such command.
    UnknownCommand {
        /// What stands where a command should.
        word: Word,
        /// The commands that may have been meant.
        near: Near,
    },
    /// There is no such command, and nothing that it would be good for.
    Needless {
        /// What stands where a command should.
        word: Word,
        /// Why not.
        reason: &'static str,
    },
    /// The command needs one more word.
    MissingWord {
        /// The command's name.
        command: &'static str,
        /// How the command is written.
        synopsis: &'static str,
    },
    /// The command was complete before this word.
    ExtraWord {
        /// The first word too many.
        word: Word,
        /// How the command is written.
        synopsis: &'static str,
    },
    /// The command does not know this word.
    WrongWord {
        /// The command's name.
        command: &'static str,
        /// What stands where one of the expected words should.
        word: Word,
        /// The words that could stand there.
        expected: &'static [&'static str],
        /// The words that may have been meant.
        near: Near,
    },
    /// A value cannot be that.
    WrongValue {
        /// The command's name.
        command: &'static str,
        /// What was given.
        word: Word,
        /// What it should have been, such as `a number from 1 to 4094`.
        expected: &'static str,
    },
    /// There is no such file.
    WrongPath {
        /// The command's name.
        command: &'static str,
        /// Its path, longer than a word.
        path: Box<str>,
        /// What it should have been.
        expected: &'static str,
    },
    /// A value is missing.
    MissingValue {
        /// The command's name.
        command: &'static str,
        /// The word behind which it is missing.
        after: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A value stands behind its option with a blank between them, where the option alone means something else.
    ValueApart {
        /// The command's name.
        command: &'static str,
        /// The option.
        option: &'static str,
        /// The value.
        word: Word,
    },
    /// A word means something elsewhere that the appliance does not do.
    NotSupported {
        /// The command's name.
        command: &'static str,
        /// The word.
        word: Word,
        /// Why, and what there is instead.
        reason: &'static str,
    },
    /// The line has too many characters.
    LineTooLong(LineTooLong),
}

impl From<LineTooLong> for ParseError {
    fn from(error: LineTooLong) -> Self {
        Self {
            column: crate::line::CAPACITY + 1,
            json: false,
            mistake: Mistake::LineTooLong(error),
        }
    }
}

impl core::error::Error for ParseError {}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand { word, near } => {
                write!(f, "unknown command '{word}'; ")?;
                if near.is_empty() {
                    return write!(f, "type 'help' for the list");
                }
                write!(f, "{}", DidYouMean(near))
            }
            Self::Needless { word, reason } => write!(f, "{word}: {reason}"),
            Self::MissingWord { command, synopsis } => {
                write!(f, "missing word after '{command}'; usage: {synopsis}")
            }
            Self::ExtraWord { word, synopsis } => {
                write!(f, "unexpected word '{word}'; usage: {synopsis}")
            }
            Self::WrongWord {
                command,
                word,
                expected,
                near,
            } => {
                write!(f, "{command}: '{word}' is not one of ")?;
                for (index, choice) in expected.iter().enumerate() {
                    write!(f, "{}{choice}", if index == 0 { "" } else { ", " })?;
                }
                if near.is_empty() {
                    return Ok(());
                }
                write!(f, "; {}", DidYouMean(near))
            }
            Self::WrongValue {
                command,
                word,
                expected,
            } => write!(f, "{command}: '{word}' is not {expected}"),
            Self::WrongPath {
                command,
                path,
                expected,
            } => write!(f, "{command}: '{path}' is not {expected}"),
            Self::MissingValue {
                command,
                after,
                expected,
            } if command == after => write!(f, "'{command}' must be followed by {expected}"),
            Self::MissingValue {
                command,
                after,
                expected,
            } => write!(f, "{command}: '{after}' must be followed by {expected}"),
            Self::ValueApart {
                command,
                option,
                word,
            } => write!(
                f,
                "{command}: no blank can stand between {option} and '{word}', because {option} alone means something else: write {option}{word}"
            ),
            Self::NotSupported {
                command,
                word,
                reason,
            } => write!(f, "{command}: '{word}' is not supported: {reason}"),
            Self::LineTooLong(error) => write!(f, "{error}"),
        }
    }
}

/// Why a command that was understood was not carried out. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No device has this name.
    NoSuchInterface {
        /// The name.
        word: Word,
        /// The names that may have been meant.
        near: Near,
    },
    /// It is a VLAN device where only a card's own device can stand.
    NotACard(Word),
    /// It is a card's own device where only a VLAN device can stand.
    NotAVlanDevice {
        /// The device.
        word: Word,
        /// Why only a VLAN device.
        reason: &'static str,
    },
    /// A device of this name exists.
    NameTaken(Word),
    /// A step of the configuration was refused.
    Configuration {
        /// What it was about.
        subject: Word,
        /// Why.
        error: ConfigurationError,
    },
    /// A route was refused.
    Route {
        /// What was given for its destination.
        subject: Word,
        /// Why.
        error: RouteError,
    },
    /// A route leaves through the network that an address made.
    RouteOfAddress(Ipv4Cidr),
    /// A permanent neighbor was refused.
    Neighbor {
        /// Its address.
        subject: Word,
        /// Why.
        error: PermanentError,
    },
    /// A neighbor was entered before.
    NeighborExists(Ipv4Addr),
    /// Nothing is known of a neighbor.
    NoSuchNeighbor(Ipv4Addr),
    /// No network of ours has this address.
    Unreachable {
        /// The address.
        address: Ipv4Addr,
        /// Whether a router could be asked, which was not allowed.
        over_gateway: bool,
    },
    /// A ping was refused.
    Ping {
        /// Who was to be asked.
        address: Ipv4Addr,
        /// Why.
        error: PingError,
    },
    /// Nobody can be asked for an address.
    Arping {
        /// The address.
        address: Ipv4Addr,
        /// Why not.
        error: ArpingError,
    },
    /// A device is down through which something is to be sent.
    Down(Word),
    /// The card knows no pauses.
    NoFlowControl(Word),
    /// The card does not filter VLANs.
    NoVlanFilter(Word),
    /// The card says nothing of checksums, or nothing that is of use.
    NoChecksums(Word),
    /// It has no out-of-band port.
    NoOobPort(Word),
    /// As many neighbors are being asked for as can be.
    TooManyQuestions,
    /// No file has this name.
    NoSuchFile(Word),
    /// The file came with the kernel, and stays.
    GivenFile(Word),
    /// A file is no eBPF filter that can be run.
    Filter {
        /// The file.
        subject: Word,
        /// Why, cut where a line ends.
        problem: Box<str>,
    },
    /// The machine has no network card.
    NoCard,
}

impl Refusal {
    /// The word of the line that the message is about.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::NoSuchInterface { word, .. }
            | Self::NotAVlanDevice { word, .. }
            | Self::NotACard(word)
            | Self::NameTaken(word)
            | Self::NoSuchFile(word)
            | Self::GivenFile(word)
            | Self::NoOobPort(word)
            | Self::Down(word)
            | Self::NoFlowControl(word)
            | Self::NoVlanFilter(word)
            | Self::NoChecksums(word)
            | Self::Filter { subject: word, .. }
            | Self::Configuration { subject: word, .. }
            | Self::Route { subject: word, .. }
            | Self::Neighbor { subject: word, .. } => Some(word),
            _ => None,
        }
    }
}

impl core::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchInterface { word, near } => {
                write!(f, "{word}: no such interface; ")?;
                if near.is_empty() {
                    return write!(f, "'ip -br link' lists those there are");
                }
                write!(f, "{}", DidYouMean(near))
            }
            Self::NotACard(word) => write!(
                f,
                "{word}: not a network card: a VLAN device stands on a card, such as eth0"
            ),
            Self::NotAVlanDevice { word, reason } => {
                write!(f, "{word}: not a VLAN device: {reason}")
            }
            Self::NoFlowControl(word) => {
                write!(f, "{word}: this card has no flow control; it is always off")
            }
            Self::NoVlanFilter(word) => {
                write!(
                    f,
                    "{word}: this card does not filter VLANs; the appliance does"
                )
            }
            Self::NoChecksums(word) => {
                write!(
                    f,
                    "{word}: this card verifies no checksums; the appliance does"
                )
            }
            Self::NameTaken(word) => write!(f, "{word}: another device has this name"),
            Self::Configuration { subject, error } => write!(f, "{subject}: {error}"),
            Self::Route { subject, error } => write!(f, "{subject}: {error}"),
            Self::RouteOfAddress(network) => write!(
                f,
                "{network}: made by an address of the device; it comes and goes with it ('ip addr')"
            ),
            Self::Neighbor { subject, error } => write!(f, "{subject}: {error}"),
            Self::NeighborExists(address) => write!(
                f,
                "{address}: there is a permanent entry; 'ip neigh replace' changes it"
            ),
            Self::NoSuchNeighbor(address) => write!(f, "{address}: no such neighbor"),
            Self::Unreachable {
                address,
                over_gateway: true,
            } => write!(f, "{address} is behind a gateway; '-g' allows that"),
            Self::Unreachable { address, .. } => write!(f, "no route to {address}"),
            Self::Ping { address, error } => write!(f, "{address}: {error}"),
            Self::Arping {
                error: ArpingError::NoRoute(error),
                ..
            } => write!(f, "{error}"),
            Self::Arping { address, error } => write!(f, "{address}: {error}"),
            Self::Down(word) => {
                write!(
                    f,
                    "{word}: the interface is down; 'ip link set {word} up' sets it up"
                )
            }
            Self::NoOobPort(word) => write!(
                f,
                "{word}: no out-of-band port is enabled; 'evl net -e -i {word}' enables it"
            ),
            Self::TooManyQuestions => {
                write!(
                    f,
                    "as many neighbors are being asked for as can be; try again"
                )
            }
            Self::NoSuchFile(word) => write!(f, "{word}: no such file; 'ls' lists those there are"),
            Self::GivenFile(word) => write!(
                f,
                "{word}: it came with the kernel and stays; only what 'base64' took can be removed"
            ),
            Self::Filter { subject, problem } => write!(f, "{subject}: {problem}"),
            Self::NoCard => write!(f, "there is no network card"),
        }
    }
}

/// `did you mean 'a', 'b' or 'c'?`
struct DidYouMean<'a>(&'a Near);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did you mean ")?;
        let last = self.0.len().saturating_sub(1);
        for (index, word) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                index if index == last => " or ",
                _ => ", ",
            };
            write!(f, "{separator}'{word}'")?;
        }
        write!(f, "?")
    }
}
