//! `arping`: asks for a neighbor. What came of it is printed as soon as it is known.

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::reply::{Progress, single_line};
use crate::words::Words;
use core::fmt::{self, Write};
use core::net::Ipv4Addr;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "arping",
    synopsis: "arping [-c 1] [-I IFNAME] ADDRESS",
    summary: "ask by ARP who has an address",
    words: &[
        ("-I", "the interface through which to ask"),
        ("-c 1", "until one reply came, which is always so"),
    ],
    examples: &["arping -I eth0.42 10.10.10.10"],
    complete: |_| Completion::with_interfaces(OPTIONS),
    test_only: false,
    parse,
};

/// Whom to ask for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solicitation {
    address: Ipv4Addr,
    device: Option<Word>,
}

const OPTIONS: &[&str] = &["-c", "-I"];

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "arping" };
    let (mut address, mut device) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "-I" | "-i" => device = Some(READER.device(words, "-I")?),
            // Linux's asks without end unless it is told, this one until somebody responds.
            "-c" => {
                const COUNT: &str = "1: it ends with the first reply";
                READER.number(READER.value(words, "-c", COUNT)?, 1..=1, COUNT)?;
            }
            option if option.starts_with('-') => return Err(READER.none_of(option, OPTIONS)),
            word if address.is_none() => address = Some(READER.address(word)?),
            _ => {
                words.give_back();
                break;
            }
        }
    }
    let address = address.ok_or(Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    })?;
    Ok(Command::Solicit(Solicitation { address, device }))
}

/// Asks.
pub(crate) fn carry_out(asked: &Solicitation, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let place = asked.device.as_deref().map(|name| cards.find(name));
    let place = place.transpose()?;
    cards.solicit(asked.address, place, false, false)
}

/// Writes line `row` of the reply.
pub(crate) fn line(
    asked: &Solicitation,
    row: usize,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let address = asked.address;
    match json {
        true => single_line(row, format_args!("{{\"asked\":{}}}", Quoted(address)), out),
        false => single_line(row, format_args!("who has {address}?"), out),
    }
}
