//! `arping`: asks by ARP who has an address, in the words of iputils' `arping`.
//!
//! The asking is the stack's; a line is printed for each reply as it is taken from there, and the summary when it is over
//! or Ctrl-C ends it.

use super::arguments::{INTERFACE, REQUESTS, Reader};
use super::options::{Argument, Options};
use super::{Completion, Specification};
use crate::cards::{Cards, down};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::clipped;
use crate::view::StatusView;
use crate::words::Words;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;
use pollux_net::own_arping::{
    ArpingError, ArpingReply as Reply, ArpingSettings, ArpingSummary as Summary,
};
use pollux_net::route::NoRoute;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "arping",
    synopsis: "arping [-f] [-q] [-c COUNT] [-w SECONDS] [-I IFNAME] ADDRESS",
    summary: "ask by ARP who has an address, until Ctrl-C or -c times",
    words: &[
        ("-c", "how many requests to send, one a second"),
        ("-f", "end with the first reply"),
        ("-q", "nothing but the status, which 'echo $?' tells"),
        ("-w", "seconds after which it ends, whatever came"),
        (
            "-I",
            "the interface through which to ask, whatever the routes say",
        ),
    ],
    examples: &["arping -c 1 -I eth0.42 10.10.10.10"],
    complete: |_| Completion::with_interfaces(OPTIONS),
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "arping" };
const OPTIONS: &[&str] = &["-c", "-f", "-q", "-w", "-I"];

/// Whom to ask for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arping {
    settings: ArpingSettings,
    device: Option<Word>,
    is_quiet: bool,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let mut arping = Arping {
        settings: ArpingSettings {
            address: Ipv4Addr::UNSPECIFIED,
            count: 0,
            until_reply: false,
            seconds: 0,
        },
        device: None,
        is_quiet: false,
    };
    let mut address = None;
    let mut options = Options::new(words);
    while let Some(argument) = options.next() {
        let mut value = |option, expected| options.value(READER, option, expected);
        match argument {
            Argument::Option('c') => {
                let word = value("-c", REQUESTS)?;
                arping.settings.count = READER.number(word, 1..=u32::MAX, REQUESTS)?;
            }
            Argument::Option('w') => {
                const SECONDS: &str = "a number of seconds, 1 or more";
                let word = value("-w", SECONDS)?;
                arping.settings.seconds = READER.number(word, 1..=u32::MAX, SECONDS)?;
            }
            Argument::Option('f') => arping.settings.until_reply = true,
            Argument::Option('q') => arping.is_quiet = true,
            Argument::Option('I' | 'i') => arping.device = Some(clipped(value("-I", INTERFACE)?)),
            Argument::Option(_) => return Err(READER.none_of(options.word(), OPTIONS)),
            Argument::Word(word) if address.is_none() => address = Some(READER.address(word)?),
            Argument::Word(_) => {
                options.give_back();
                break;
            }
        }
    }
    arping.settings.address = address.ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })?;
    Ok(Command::Arping(arping))
}

impl Arping {
    /// Whether it goes on until it is interrupted.
    pub(crate) const fn is_endless(&self) -> bool {
        self.settings.count == 0 && self.settings.seconds == 0
    }
}

/// Begins to ask; what was asked before ends.
pub(crate) fn carry_out(arping: &Arping, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let place = arping.device.as_deref().map(|name| cards.find(name));
    let place = place.transpose()?;
    let now = cards.now();
    let address = arping.settings.address;
    let mut refusal = Refusal::Arping {
        address,
        error: ArpingError::NoRoute(NoRoute::Unreachable(address)),
    };
    for (card, interface) in cards.iter_mut().enumerate() {
        let vid = match place {
            Some(place) if place.card != card => continue,
            place => place.map(|place| place.vid),
        };
        match interface.start_arping(arping.settings, vid, now) {
            Ok(()) => return Ok(()),
            Err(ArpingError::NoRoute(NoRoute::Unreachable(_))) => {}
            Err(ArpingError::Down(vid)) => refusal = down(interface, vid),
            Err(error) => refusal = Refusal::Arping { address, error },
        }
    }
    Err(refusal)
}

/// A reply, displayed as its line.
#[derive(Clone, Copy, Debug)]
pub struct ArpingLine {
    /// Who was asked for.
    pub address: Ipv4Addr,
    /// What came back.
    pub reply: Reply,
}

impl fmt::Display for ArpingLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, reply } = self;
        let microseconds = reply.round_trip_ns / 1_000;
        let (whole, rest) = (microseconds / 1_000, microseconds % 1_000);
        let mac = reply.mac;
        write!(
            f,
            "Unicast reply from {address} [{mac}]  {whole}.{rest:03}ms"
        )
    }
}

/// A reply to the command under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    arping: Arping,
    row: usize,
    /// What came of it, as soon as it is over.
    summary: Option<Summary>,
    is_interrupted: bool,
}

impl Page {
    /// The reply to a command.
    pub(crate) const fn new(arping: Arping) -> Self {
        Self {
            arping,
            row: 0,
            summary: None,
            is_interrupted: false,
        }
    }

    /// Who is asked for.
    pub(crate) const fn address(&self) -> Ipv4Addr {
        self.arping.settings.address
    }

    /// Whether neither replies nor a summary are shown.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.arping.is_quiet
    }

    /// Whether it goes on until it is interrupted.
    pub(crate) const fn is_endless(&self) -> bool {
        self.arping.is_endless() && !self.is_interrupted
    }

    /// Has the summary printed next.
    pub(crate) const fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    /// Whether it is over, and nobody answered.
    pub(crate) fn has_failed(&self) -> bool {
        self.summary.is_some_and(|summary| summary.received == 0)
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let mut ports = view.ports.iter();
        let asking = ports.find_map(|port| {
            let summary = port.interface.arping_progress()?;
            let device = port.interface.device(summary.vid);
            Some((summary, device.map_or("", |device| device.name())))
        });
        // Nobody else ends it.
        let Some((summary, device)) = asking else {
            return Ok(Progress::Done);
        };
        let address = self.address();
        if self.row == 0 && !json && !self.is_quiet() {
            write!(out, "ARPING {address} from {} {device}", summary.source)?;
            self.row = 1;
            return Ok(Progress::Line);
        }
        if self.summary.is_none() && !summary.is_over && !self.is_interrupted {
            return Ok(Progress::Waiting);
        }
        let Summary {
            sent,
            received,
            last,
            ..
        } = *self.summary.insert(summary);
        if self.is_quiet() && !json {
            return Ok(Progress::Done);
        }
        match (self.row.max(1), json, last) {
            (1, false, _) => write!(out, "Sent {sent} probes ({sent} broadcast(s))")?,
            (2, false, _) => write!(out, "Received {received} response(s)")?,
            (1, true, _) => write!(
                out,
                "{{\"address\":\"{address}\",\"ifname\":{},\"sent\":{sent},\"received\":{received}",
                Quoted(device)
            )?,
            (2, true, None) => out.write_str("}")?,
            (2, true, Some(Reply { mac, round_trip_ns })) => write!(
                out,
                ",\"lladdr\":\"{mac}\",\"round_trip_ns\":{round_trip_ns}}}"
            )?,
            _ => return Ok(Progress::Done),
        }
        self.row = self.row.max(1) + 1;
        Ok(Progress::Line)
    }
}
