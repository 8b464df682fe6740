//! `bpftool`: the eBPF filters at work and their maps, read and written in the words of Linux's program.
//!
//! Programs and maps have numbers, counted over all cards from 1, because two cards can have the same
//! program. A map can be named as well; the first one of that name is meant then.

mod entries;
mod page;
mod settings;

pub(crate) use page::Page;
pub(super) use settings::program_line;

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::text::{clipped, text};
use crate::view::{PortView, StatusView};
use crate::words::Words;
use core::fmt;
use heapless::Vec;
use pollux_net::filter::{Filter, Map, UpdateRule, Verdict};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "bpftool",
    synopsis: "bpftool prog|map show|dump|lookup|update|delete|set ...",
    summary: "eBPF filters at work, and their maps",
    words: &[
        ("prog show", "the programs that 'evl net -F' put to work"),
        (
            "prog set id N [on-fault VERDICT] [fuel N] [fault-limit N]",
            "what becomes of a frame when a run is broken off, and when it is",
        ),
        ("map show", "their maps"),
        ("map dump MAP", "all entries of a map"),
        ("map lookup MAP key DATA", "one entry"),
        (
            "map update MAP key DATA value DATA [any|noexist|exist]",
            "write one",
        ),
        ("map delete MAP key DATA", "take one out of a hash map"),
        ("  MAP", "id N, or name NAME"),
        (
            "  DATA",
            "octets, as in 42 0x2a, or behind 'hex' as in hex 2a 00",
        ),
    ],
    examples: &[
        "bpftool map dump name limits",
        "bpftool map update name limits key 0 0 0 0 value hex dc 05 00 00",
        "bpftool prog set id 1 on-fault drop",
    ],
    complete,
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "bpftool" };
const OBJECTS: &[&str] = &["prog", "map"];
const PROGRAM_DEEDS: &[&str] = &["show", "list", "set"];
const MAP_DEEDS: &[&str] = &["show", "list", "dump", "lookup", "update", "delete"];
const SETTINGS: &[&str] = &["on-fault", "fuel", "fault-limit"];
const VERDICTS: &[&str] = &["drop", "accept", "skip", "vlan"];
const RULES: &[&str] = &["any", "noexist", "exist"];
/// Octets that a line can have.
const MOST_OCTETS: usize = 120;

/// Octets of a key or a value.
type Data = Vec<u8, MOST_OCTETS>;

/// What `bpftool` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bpftool(Deed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    ShowPrograms,
    Set {
        id: u32,
        on_fault: Option<Verdict>,
        fuel: Option<u32>,
        fault_limit: Option<u32>,
    },
    ShowMaps,
    Dump(Which),
    Lookup(Which, Data),
    Update {
        map: Which,
        key: Data,
        value: Data,
        rule: UpdateRule,
    },
    Delete(Which, Data),
}

/// Which map.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Id(u32),
    Name(Word),
}

fn complete(before: &[&str]) -> Completion {
    Completion::words(match before {
        [] => OBJECTS,
        ["prog"] => PROGRAM_DEEDS,
        ["map"] => MAP_DEEDS,
        ["prog", "set"] => &["id"],
        ["prog", "set", .., "on-fault"] => VERDICTS,
        ["prog", "set", _, _, ..] => SETTINGS,
        ["map", "show" | "list", ..] => &[],
        ["map", _] => &["id", "name"],
        ["map", "lookup" | "delete" | "update", _, _] => &["key"],
        ["map", "lookup" | "delete" | "update", _, _, "key"] => &["hex"],
        ["map", "update", _, _, rest @ ..] if !rest.contains(&"value") => &["value"],
        ["map", "update", .., "value"] => &["hex"],
        ["map", "update", _, _, ..] => RULES,
        _ => &[],
    })
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let Some(object) = words.next() else {
        return Err(Mistake::MissingWord {
            command: SPECIFICATION.name,
            synopsis: SPECIFICATION.synopsis,
        });
    };
    let deed = match READER.abbreviated(object, OBJECTS)? {
        "prog" => parse_program(words)?,
        _ => parse_map(words)?,
    };
    Ok(Command::Bpftool(Bpftool(deed)))
}

fn parse_program(words: &mut Words<'_>) -> Result<Deed, Mistake> {
    let deed = words.next().unwrap_or("show");
    if READER.abbreviated(deed, PROGRAM_DEEDS)? != "set" {
        return Ok(Deed::ShowPrograms);
    }
    let expected = "'id' and a number of 'bpftool prog show'";
    let word = READER.value(words, "set", expected)?;
    if word != "id" {
        return Err(READER.wrong(word, expected));
    }
    let id = number(words, "id", expected)?;
    let (mut on_fault, mut fuel, mut fault_limit) = (None, None, None);
    let mut is_empty = true;
    while let Some(word) = words.next() {
        is_empty = false;
        match READER.abbreviated(word, SETTINGS)? {
            "on-fault" => {
                let word = READER.value(words, "on-fault", "drop, accept, skip or vlan")?;
                let named = |verdict: &Verdict| verdict.name() == word;
                let verdict = Verdict::ALL.into_iter().find(named);
                on_fault = Some(verdict.ok_or_else(|| READER.none_of(word, VERDICTS))?);
            }
            "fuel" => fuel = Some(number(words, "fuel", "instructions for a frame")?),
            _ => {
                let expected = "how many faults are too many, 0 for never";
                fault_limit = Some(number(words, "fault-limit", expected)?);
            }
        }
    }
    if is_empty {
        return Err(Mistake::MissingValue {
            command: READER.command,
            after: "id",
            expected: "what is to be set: on-fault, fuel or fault-limit",
        });
    }
    Ok(Deed::Set {
        id,
        on_fault,
        fuel,
        fault_limit,
    })
}

fn number(
    words: &mut Words<'_>,
    after: &'static str,
    expected: &'static str,
) -> Result<u32, Mistake> {
    let word = READER.value(words, after, expected)?;
    READER.number(word, 0..=u32::MAX, expected)
}

fn parse_map(words: &mut Words<'_>) -> Result<Deed, Mistake> {
    let deed = READER.abbreviated(words.next().unwrap_or("show"), MAP_DEEDS)?;
    if matches!(deed, "show" | "list") {
        return Ok(Deed::ShowMaps);
    }
    let expected = "'id N' or 'name NAME'; 'bpftool map show' lists the maps";
    let map = match READER.value(words, "map", expected)? {
        "id" => Which::Id(number(words, "id", "a number of 'bpftool map show'")?),
        "name" => Which::Name(clipped(READER.value(words, "name", "the name of a map")?)),
        other => return Err(READER.wrong(other, expected)),
    };
    if deed == "dump" {
        return Ok(Deed::Dump(map));
    }
    let key = data(words, "key", "'key' and its octets")?;
    Ok(match deed {
        "lookup" => Deed::Lookup(map, key),
        "delete" => Deed::Delete(map, key),
        _ => {
            let value = data(words, "value", "'value' and its octets")?;
            let rule = match words.next() {
                None | Some("any") => UpdateRule::Any,
                Some("noexist") => UpdateRule::New,
                Some("exist") => UpdateRule::Existing,
                Some(other) => return Err(READER.none_of(other, RULES)),
            };
            Deed::Update {
                map,
                key,
                value,
                rule,
            }
        }
    })
}

/// Reads `keyword` and the octets behind it.
fn data(
    words: &mut Words<'_>,
    keyword: &'static str,
    expected: &'static str,
) -> Result<Data, Mistake> {
    const OCTETS: &str = "octets from 0 to 255, as in 42 0x2a, or 'hex 2a'";
    let word = READER.value(words, "the map", expected)?;
    if word != keyword {
        return Err(READER.wrong(word, expected));
    }
    let is_hex = words.take_if("hex");
    let mut data = Data::new();
    while let Some(word) = words.peek() {
        if word == "value" || (!data.is_empty() && RULES.contains(&word)) {
            break;
        }
        words.next();
        let digits = word.strip_prefix("0x");
        let octet = match digits {
            Some(digits) => u8::from_str_radix(digits, 16),
            None if is_hex => u8::from_str_radix(word, 16),
            None => word.parse(),
        };
        let octet = octet.map_err(|_| READER.wrong(word, OCTETS))?;
        if data.push(octet).is_err() {
            return Err(READER.wrong(word, "at most 120 octets"));
        }
    }
    if data.is_empty() {
        return Err(Mistake::MissingValue {
            command: READER.command,
            after: keyword,
            expected: OCTETS,
        });
    }
    Ok(data)
}

/// That there is no such map, or that something cannot be done with it.
fn refused(subject: impl fmt::Display, problem: impl fmt::Display) -> Refusal {
    Refusal::Filter {
        subject: clipped(subject),
        problem: text!("{problem}").into(),
    }
}

impl Which {
    fn missing(&self) -> Refusal {
        const PROBLEM: &str = "no such map; 'bpftool map show' lists those there are";
        match self {
            Self::Id(id) => refused(format_args!("map {id}"), PROBLEM),
            Self::Name(name) => refused(name, PROBLEM),
        }
    }

    fn is(&self, id: u32, map: &Map) -> bool {
        match self {
            Self::Id(wanted) => *wanted == id,
            Self::Name(name) => name == map.name(),
        }
    }

    /// Finds it among those that are shown.
    fn find<'a>(&self, view: &StatusView<'a>) -> Option<&'a Map> {
        let found = maps(view).find(|(id, _, map)| self.is(*id, map));
        found.map(|(_, _, map)| map)
    }
}

/// The programs at work, with their cards.
fn programs<'a>(view: &StatusView<'a>) -> impl Iterator<Item = (&'a PortView<'a>, &'a Filter)> {
    let ports = view.ports.iter();
    ports.filter_map(|port| Some((port, port.interface.filter()?)))
}

/// Their maps, with their numbers and cards.
fn maps<'a>(view: &StatusView<'a>) -> impl Iterator<Item = (u32, &'a PortView<'a>, &'a Map)> {
    let all = programs(view);
    let all = all.flat_map(|(port, filter)| filter.maps().iter().map(move |map| (port, map)));
    (1..).zip(all).map(|(id, (port, map))| (id, port, map))
}

/// Does it.
pub(crate) fn carry_out(bpftool: &Bpftool, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match &bpftool.0 {
        Deed::ShowPrograms | Deed::ShowMaps => Ok(()),
        Deed::Set {
            id,
            on_fault,
            fuel,
            fault_limit,
        } => {
            let filters = cards.iter_mut().filter_map(|card| card.filter_mut());
            let index = id.checked_sub(1).map_or(usize::MAX, |index| index as usize);
            let Some(filter) = filters.into_iter().nth(index) else {
                let problem = "no such program; 'bpftool prog show' lists those there are";
                return Err(refused(format_args!("program {id}"), problem));
            };
            if let Some(verdict) = on_fault {
                filter.set_verdict_on_fault(*verdict);
            }
            if let Some(fuel) = fuel {
                filter.set_fuel(*fuel);
            }
            if let Some(limit) = fault_limit {
                filter.set_fault_limit(u64::from(*limit));
            }
            Ok(())
        }
        Deed::Dump(which) => with_map(which, cards, |_| Ok(())),
        Deed::Lookup(which, key) => with_map(which, cards, |map| {
            check_key(map, key)?;
            match map.value(key) {
                Some(_) => Ok(()),
                None => Err(text!("there is no entry with this key")),
            }
        }),
        Deed::Update {
            map,
            key,
            value,
            rule,
        } => with_map(map, cards, |map| {
            check_key(map, key)?;
            let (size, octets) = (map.value_size(), value.len());
            if octets != size {
                return Err(text!("its values have {size} octets, not {octets}"));
            }
            map.set(key, value, *rule).map_err(|error| text!("{error}"))
        }),
        Deed::Delete(which, key) => with_map(which, cards, |map| {
            check_key(map, key)?;
            map.delete(key).map_err(|error| text!("{error}"))
        }),
    }
}

fn check_key(map: &Map, key: &[u8]) -> Result<(), alloc::string::String> {
    let (size, octets) = (map.key_size(), key.len());
    match octets == size {
        true => Ok(()),
        false => Err(text!("its keys have {size} octets, not {octets}")),
    }
}

/// Does something with a map; what is wrong then is told with its name.
fn with_map(
    which: &Which,
    cards: &mut Cards<'_>,
    work: impl FnOnce(&mut Map) -> Result<(), alloc::string::String>,
) -> Result<(), Refusal> {
    let filters = cards.iter_mut().filter_map(|card| card.filter_mut());
    let all = filters.flat_map(|filter| filter.maps_mut().iter_mut());
    let found = (1..).zip(all).find(|(id, map)| which.is(*id, map));
    let Some((_, map)) = found else {
        return Err(which.missing());
    };
    work(map).map_err(|problem| refused(map.name(), problem))
}
