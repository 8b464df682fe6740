//! `oob-net-icmp`: EVL's example responder. Answering is what the appliance does anyway; the command
//! prints a line for each answer until Ctrl-C, as the program does.

use super::arguments::{INTERFACE, Reader};
use super::options::{Argument, Options};
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::reply::Progress;
use crate::text::clipped;
use crate::words::Words;
use core::fmt::{self, Write};
use pollux_net::trace::Tracing;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "oob-net-icmp",
    synopsis: "oob-net-icmp -i IFNAME [-d] [-s]",
    summary: "print a line for each answered echo request, until Ctrl-C",
    words: &[
        ("-i", "the interface, which must have an out-of-band port"),
        ("-d", "dump the frame of each request, too"),
        ("-s", "silent: only answer"),
    ],
    examples: &["oob-net-icmp -i eth0.42", "oob-net-icmp -d -i eth0.42"],
    complete: |_| Completion::with_interfaces(OPTIONS),
    test_only: false,
    parse,
};

const READER: Reader = Reader {
    command: "oob-net-icmp",
};
const OPTIONS: &[&str] = &["-i", "-d", "-s"];

/// On which device, and what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    device: Word,
    tracing: Tracing,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let (mut device, mut tracing) = (None, Tracing::Lines);
    let mut options = Options::new(words);
    while let Some(argument) = options.next() {
        match argument {
            Argument::Option('i') => {
                device = Some(clipped(options.value(READER, "-i", INTERFACE)?));
            }
            // As in EVL's program, the last of the two counts.
            Argument::Option('s') => tracing = Tracing::Off,
            Argument::Option('d') => tracing = Tracing::Frames,
            _ => return Err(READER.none_of(options.word(), OPTIONS)),
        }
    }
    let device = device.ok_or(Mistake::MissingValue {
        command: READER.command,
        after: "oob-net-icmp",
        expected: "'-i IFNAME'",
    })?;
    Ok(Command::Responder(Responder { device, tracing }))
}

/// Turns the trace of its card on.
pub(crate) fn carry_out(responder: &Responder, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let name = &responder.device;
    let place = cards.vlan_device(name, "frames without a VLAN are always in-band")?;
    let interface = cards.interface(place.card)?;
    let device = interface.device(place.vid);
    if !device.is_some_and(|device| device.has_oob_port()) {
        return Err(Refusal::NoOobPort(name.clone()));
    }
    interface.set_tracing(responder.tracing);
    Ok(())
}

/// Writes line `row` of the reply, which goes on with trace lines until somebody ends it.
pub(crate) fn line(
    responder: &Responder,
    row: usize,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    if row > 0 {
        return Ok(Progress::Waiting);
    }
    match json {
        true => write!(out, "{{\"listening\":{}}}", Quoted(&responder.device))?,
        false => write!(out, "listening to interface {}", responder.device)?,
    }
    Ok(Progress::Line)
}
