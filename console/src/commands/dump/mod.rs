//! `dump`: the frames that were seen or dropped last, decoded on a line each, or as a pcap file in hexadecimal.
//!
//! What it shows is taken as the first line is asked for, so that the reply is of one moment however long it takes;
//! that is a copy of [`FRAMES`] records at most.

pub(crate) mod decode;
mod pcap;

use self::decode::Decoded;
use super::arguments::Reader;
use super::ethtool::filters_vlans;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::reply::{Progress, single_line};
use crate::text::clipped;
use crate::view::StatusView;
use crate::words::Words;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use pollux_net::capture::{FRAMES, Fate, Record};

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "dump",
    synopsis: "dump [on|off|clear|dropped] [-i IFNAME] [-n COUNT] [-e] [--pcap]",
    summary: "the frames that were seen or dropped last, a line each",
    words: &[
        ("on", "keep all frames of the card from now on"),
        ("off", "keep only what is dropped, as at the start"),
        ("clear", "forget what was kept"),
        ("dropped", "only what got no answer"),
        ("-i", "only what passed through this interface"),
        ("-n", "how many at most, the newest; 20 unless told"),
        ("-e", "with the station addresses"),
        ("--pcap", "as a pcap file in hexadecimal, for 'xxd -r -p'"),
    ],
    examples: &["dump dropped", "dump on", "dump -i eth0.42 -n 50"],
    complete: |_| {
        Completion::with_interfaces(&["on", "off", "clear", "dropped", "-i", "-n", "-e", "--pcap"])
    },
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "dump" };
const WORDS: &[&str] = &["on", "off", "clear", "dropped", "-i", "-n", "-e", "--pcap"];
/// How many frames are shown, unless told.
const DEFAULT_COUNT: usize = 20;

/// What is to be done with the frames that are kept, and of which interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    action: Action,
    device: Option<Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Keep all frames, or only those that are dropped.
    Keep { all: bool },
    /// Forget those that are kept.
    Clear,
    /// Show them.
    Show(Choice),
}

/// Which frames are shown, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    dropped: bool,
    count: usize,
    with_stations: bool,
    pcap: bool,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let mut action = None;
    let mut device = None;
    let mut choice = Choice {
        dropped: false,
        count: DEFAULT_COUNT,
        with_stations: false,
        pcap: false,
    };
    // The first word that only means something to who looks.
    let mut for_show = None;
    while let Some(word) = words.next() {
        let shows = match word {
            "on" | "off" | "clear" if action.is_none() => {
                action = Some(match word {
                    "clear" => Action::Clear,
                    _ => Action::Keep { all: word == "on" },
                });
                None
            }
            "on" | "off" | "clear" => {
                words.give_back();
                break;
            }
            "-i" => {
                device = Some(READER.device(words, "-i")?);
                None
            }
            "-n" | "-c" => {
                const COUNT: &str = "a number of frames from 1 to 128";
                const _: () = assert!(FRAMES == 128);
                let word = READER.value(words, "-n", COUNT)?;
                choice.count = READER.number(word, 1..=FRAMES as u32, COUNT)? as usize;
                Some("-n")
            }
            "dropped" => {
                choice.dropped = true;
                Some("dropped")
            }
            "-e" => {
                choice.with_stations = true;
                Some("-e")
            }
            "--pcap" | "-w" => {
                choice.pcap = true;
                Some("--pcap")
            }
            other => return Err(READER.none_of(other, WORDS)),
        };
        for_show = for_show.or(shows);
    }
    let action = match (action, for_show) {
        (None, _) => Action::Show(choice),
        (Some(action), None) => action,
        (Some(_), Some(word)) => {
            let reason = "it says what is shown: leave it out, or leave out on, off or clear";
            return Err(READER.not_supported(word, reason));
        }
    };
    Ok(Command::Dump(Dump { action, device }))
}

/// Does it, where it changes something.
pub(crate) fn carry_out(dump: &Dump, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    let place = dump.device.as_deref().map(|name| match dump.action {
        Action::Show(_) => cards.find(name).map(|place| place.card),
        Action::Keep { .. } | Action::Clear => cards.card_called(name),
    });
    let card = place.transpose()?;
    for (index, interface) in cards.iter_mut().enumerate() {
        if card.is_some_and(|card| card != index) {
            continue;
        }
        match dump.action {
            Action::Keep { all } => interface.set_capture(all),
            Action::Clear => interface.clear_capture(),
            Action::Show(_) => {}
        }
    }
    Ok(())
}

/// A frame that is shown, and which card kept it.
#[derive(Clone, Debug)]
struct Shown {
    card: usize,
    record: Record,
}

impl Shown {
    /// When it was seen, in nanoseconds since the start.
    fn seen_ns(&self, view: &StatusView<'_>) -> u64 {
        let age = view.clock.rate.nanoseconds(view.now - self.record.seen);
        view.uptime_ns.saturating_sub(age)
    }
}

/// A reply under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    dump: Dump,
    /// The oldest first; taken with the first line.
    frames: Option<Vec<Shown>>,
    frame: usize,
    row: usize,
}

impl Page {
    /// The reply to a command that was carried out.
    pub(crate) const fn new(dump: Dump) -> Self {
        Self {
            dump,
            frames: None,
            frame: 0,
            row: 0,
        }
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        let choice = match self.dump.action {
            Action::Show(choice) => choice,
            action => {
                let row = self.row;
                self.row = 1;
                return said(action, row, json, out);
            }
        };
        if self.frames.is_none() {
            self.frames = Some(newest(&self.dump, choice, view));
        }
        let frames = self.frames.as_deref().unwrap_or_default();
        loop {
            let is_written = match (choice.pcap, json) {
                (true, _) => pcap::line(frames, self.frame, self.row, json, view, out)?,
                (false, true) => json_line(frames, self.frame, self.row, view, out)?,
                (false, false) => text_line(frames, self.frame, self.row, choice, view, out)?,
            };
            if is_written {
                self.row += 1;
                return Ok(Progress::Line);
            }
            // One beyond the last has the lines at the end.
            if self.frame >= frames.len() {
                return Ok(Progress::Done);
            }
            self.frame += 1;
            self.row = 0;
        }
    }
}

/// Writes line `row` of what is said when something was changed.
fn said(
    action: Action,
    row: usize,
    json: bool,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let (word, sentence) = match action {
        Action::Keep { all: true } => ("all", "all frames are kept, the last 128 of each card"),
        Action::Keep { all: false } => ("dropped", "only what is dropped is kept"),
        Action::Clear | Action::Show(_) => ("none", "frames forgotten"),
    };
    match json {
        true => single_line(row, format_args!("{{\"kept\":\"{word}\"}}"), out),
        false => single_line(row, sentence, out),
    }
}

/// The newest frames that were asked for, the oldest of them first.
fn newest(dump: &Dump, choice: Choice, view: &StatusView<'_>) -> Vec<Shown> {
    let device = dump.device.as_deref();
    let device = device.and_then(|name| view.device_named(name));
    let vid = device.as_ref().map_or(0, |found| found.device.vid());
    let is_asked_for = |record: &&Record| {
        let is_dropped = matches!(record.fate, Fate::Unanswered(_));
        let is_of_device = vid == 0 || decode::vid(record) == Some(vid);
        is_of_device && (is_dropped || !choice.dropped)
    };
    let ports = view.ports.iter().enumerate();
    let ports = ports.filter(|(_, port)| {
        let card = device.as_ref().map(|found| found.port.name);
        card.is_none_or(|card| card == port.name)
    });
    let mut cards: Vec<_> = ports
        .map(|(card, port)| {
            let kept = port.interface.capture().newest_first();
            let mut records = kept.filter(is_asked_for);
            (card, records.next(), records)
        })
        .collect();
    // Records are copied once, and nothing is worked out for them yet: this is one step of the poll loop.
    let mut frames = Vec::with_capacity(choice.count);
    while frames.len() < choice.count {
        let newest = cards
            .iter_mut()
            .max_by_key(|(_, next, _)| next.map(|record| record.seen.ticks()));
        let Some((card, next, records)) = newest else {
            break;
        };
        let Some(record) = core::mem::replace(next, records.next()) else {
            break;
        };
        frames.push((*card, record));
    }
    let oldest_first = frames.into_iter().rev();
    oldest_first
        .map(|(card, &record)| Shown { card, record })
        .collect()
}

/// How a frame came or went.
const fn direction(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "out",
        Fate::Answered | Fate::Unanswered(_) => "in",
    }
}

/// What became of a frame, and why.
const fn verdict(fate: Fate) -> (&'static str, Option<&'static str>) {
    match fate {
        Fate::Sent => ("sent", None),
        Fate::Answered => ("answered", None),
        Fate::Unanswered(reason) if reason.is_taken() => ("taken", Some(reason.name())),
        Fate::Unanswered(reason) => ("dropped", Some(reason.name())),
    }
}

fn text_line(
    frames: &[Shown],
    frame: usize,
    row: usize,
    choice: Choice,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    if row > 0 {
        // Where nothing came, the cards that filter are told, a line each.
        let mut remarks = view.ports.iter().filter_map(filters_vlans);
        let remark = remarks.nth(row - 1).filter(|_| frames.is_empty());
        return match remark {
            Some(remark) => out.write_str(&remark).map(|()| true),
            None => Ok(false),
        };
    }
    let Some(shown) = frames.get(frame) else {
        let keeps_all = |port: &crate::view::PortView<'_>| port.interface.capture().is_on();
        match (frames.is_empty(), view.ports.iter().all(keeps_all)) {
            (false, true) => return Ok(false),
            (false, false) => {
                out.write_str("(what is answered is not kept: 'dump on' keeps it)")?
            }
            (true, true) => out.write_str("no such frame yet")?,
            (true, false) => {
                out.write_str("no such frame yet; 'dump on' keeps what is answered")?
            }
        }
        return Ok(true);
    };
    let (seen_ns, record) = (shown.seen_ns(view), &shown.record);
    let name = view.ports.get(shown.card).map_or("", |port| port.name);
    let name = clipped::<10>(name);
    let (seconds, rest) = (seen_ns / 1_000_000_000, seen_ns % 1_000_000_000 / 1_000);
    let decoded = clipped::<170>(Decoded {
        octets: record.octets(),
        length: record.length(),
        with_stations: choice.with_stations,
    });
    let direction = direction(record.fate);
    write!(
        out,
        "{seconds:>6}.{rest:06} {name} {direction:<3} {decoded}"
    )?;
    match verdict(record.fate) {
        (_, None) if record.fate == Fate::Sent => Ok(true),
        (verdict, None) => write!(out, ": {verdict}").map(|()| true),
        (verdict, Some(reason)) => write!(out, ": {verdict}, {reason}").map(|()| true),
    }
}

fn json_line(
    frames: &[Shown],
    frame: usize,
    row: usize,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<bool, fmt::Error> {
    let Some(shown) = frames.get(frame) else {
        if row == 0 {
            out.write_str(if frames.is_empty() { "[]" } else { "]" })?;
        }
        return Ok(row == 0);
    };
    let record = &shown.record;
    match row {
        0 => {
            let seen_ns = shown.seen_ns(view);
            let lead = if frame == 0 { "[" } else { "," };
            let name = view.ports.get(shown.card).map_or("", |port| port.name);
            let name = Quoted(clipped::<15>(name));
            let length = record.length();
            let direction = direction(record.fate);
            write!(
                out,
                "{lead}{{\"time_ns\":{seen_ns},\"ifname\":{name},\"direction\":\"{direction}\",\"length\":{length},"
            )?;
            if let Some(vid) = decode::vid(record) {
                write!(out, "\"vlan\":{vid},")?;
            }
            let (verdict, reason) = verdict(record.fate);
            write!(out, "\"verdict\":\"{verdict}\"")?;
            if let Some(reason) = reason {
                write!(out, ",\"reason\":\"{reason}\"")?;
            }
        }
        1 => {
            let decoded = clipped::<170>(Decoded {
                octets: record.octets(),
                length: record.length(),
                with_stations: true,
            });
            write!(out, ",\"decoded\":{}}}", Quoted(decoded))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
