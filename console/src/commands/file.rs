//! `echo` and `cat`: EVL's pseudo-files, some of a device's, and the files that came with the kernel.

use super::arguments::Reader;
use super::evl::set_vlans;
use super::sysctl::{FOLDER, Variable};
use super::{Completion, Specification};
use crate::cards::{Cards, about};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::json::{Fitted, Quoted};
use crate::reply::{MAXIMUM_LINE, Progress};
use crate::text::clipped;
use crate::view::{DeviceView, StatusView};
use crate::words::Words;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::{self, Write};
use pollux_net::vlan::VlanSet;

pub(crate) const ECHO: Specification = Specification {
    name: "echo",
    synopsis: "echo WORDS [> FILE]",
    summary: "write to one of EVL's pseudo-files, or say something",
    words: &[
        (
            "42-45,100,107 > /sys/class/evl/net/vlans",
            "set the VLAN filter list",
        ),
        (
            "1 > /sys/class/net/eth0.42/oob_port",
            "enable an out-of-band port",
        ),
        (
            "$?",
            "stands for 0, or 1 when something of the last line was refused",
        ),
    ],
    examples: &["echo 42 > /sys/class/evl/net/vlans"],
    complete: |_| Completion::files(&[]),
    test_only: false,
    parse: parse_echo,
};

pub(crate) const CAT: Specification = Specification {
    name: "cat",
    synopsis: "cat FILE",
    summary: "show a pseudo-file, or a file that came with the kernel",
    words: &[
        ("/sys/class/evl/net/vlans", "the VLAN filter list"),
        (
            "/sys/class/net/eth0.42/oob_port",
            "whether its out-of-band port is enabled",
        ),
        (
            "/sys/class/net/eth0.42/address",
            "or mtu, operstate, ifindex",
        ),
    ],
    examples: &["cat /sys/class/evl/net/vlans"],
    complete: |_| Completion::files(&[]),
    test_only: false,
    parse: parse_cat,
};

pub(crate) const VLANS: &str = "/sys/class/evl/net/vlans";
const DEVICES: &str = "/sys/class/net/";
const ATTRIBUTES: &[&str] = &["oob_port", "address", "mtu", "operstate", "ifindex"];
/// What stands for what became of the line before. There are no other variables.
const STATUS: &str = "$?";
/// How a program asks for it behind each line that it had carried out, and leaves it as it is.
pub const STATUS_QUESTION: &str = "echo -j $?";
/// Characters of a file's line that are shown on one of ours.
const WIDTH: usize = 200;
/// What is said in JSON has so many, with quotes and what each may need in front of it.
const TEXT: usize = MAXIMUM_LINE - "{\"text\":}".len();
/// Characters of a file's line in JSON, where each may need another in front of it.
const JSON_WIDTH: usize = 110;

/// What is read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Say(String),
    SetVlans(Box<VlanSet>),
    SetOobPort {
        device: Word,
        enabled: bool,
    },
    SetVariable {
        variable: Variable,
        value: u32,
    },
    ShowVariable(Variable),
    ShowVlans,
    ShowAttribute {
        device: Word,
        attribute: &'static str,
    },
    ShowFile(Word),
}

fn parse_echo(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "echo" };
    let mut said = String::new();
    let mut path = None;
    while let Some(word) = words.next() {
        let Some((before, behind)) = word.split_once('>') else {
            if !said.is_empty() {
                said.push(' ');
            }
            said.push_str(word);
            continue;
        };
        if behind.starts_with('>') {
            return Err(READER.not_supported(">>", "a write replaces what was there"));
        }
        said.push_str(before);
        let behind = Some(behind).filter(|behind| !behind.is_empty());
        path = match behind {
            Some(path) => Some(path),
            None => Some(READER.value(words, ">", "the name of a pseudo-file")?),
        };
        break;
    }
    let said = said.trim();
    let Some(path) = path else {
        return Ok(Command::File(Access(Kind::Say(said.into()))));
    };
    if path == VLANS {
        let set = match said {
            "" => VlanSet::new(),
            list => READER.vlans(list)?,
        };
        return Ok(Command::File(Access(Kind::SetVlans(Box::new(set)))));
    }
    if let Some(name) = path.strip_prefix(FOLDER) {
        let variable = Variable::called(READER, name)?;
        let value = Variable::value(READER, said)?;
        return Ok(Command::File(Access(Kind::SetVariable { variable, value })));
    }
    let Some((device, "oob_port")) = attribute_of(path) else {
        let expected = "a file to write: /sys/class/evl/net/vlans, /sys/class/net/NAME/oob_port or one of /proc/sys/net";
        return Err(READER.wrong_path(path, expected));
    };
    let enabled = match said {
        "1" => true,
        "0" => false,
        other => return Err(READER.wrong(other, "0 or 1, which is what oob_port takes")),
    };
    let device = clipped(device);
    Ok(Command::File(Access(Kind::SetOobPort { device, enabled })))
}

/// The device and the attribute of a path below `/sys/class/net`.
fn attribute_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix(DEVICES)?.split_once('/')
}

fn parse_cat(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const READER: Reader = Reader { command: "cat" };
    let path = READER.value(words, "cat", "the name of a file; 'ls' lists them")?;
    let kind = if path == VLANS {
        Kind::ShowVlans
    } else if let Some((device, attribute)) = attribute_of(path) {
        let known = ATTRIBUTES.iter().find(|&&known| known == attribute);
        let attribute = known.ok_or_else(|| READER.none_of(attribute, ATTRIBUTES))?;
        let device = clipped(device);
        Kind::ShowAttribute { device, attribute }
    } else if let Some(name) = path.strip_prefix(FOLDER) {
        Kind::ShowVariable(Variable::called(READER, name)?)
    } else {
        Kind::ShowFile(clipped(path.rsplit('/').next().unwrap_or(path)))
    };
    Ok(Command::File(Access(kind)))
}

impl Access {
    /// Whether the filter list is to be shown.
    pub(crate) fn shows_vlans(&self) -> bool {
        self.0 == Kind::ShowVlans
    }
}

/// Does it.
pub(crate) fn carry_out(access: &Access, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match &access.0 {
        Kind::SetVlans(set) => {
            set_vlans(cards, set);
            Ok(())
        }
        Kind::SetOobPort { device, enabled } => {
            let place = cards.vlan_device(device, "frames without a VLAN are always in-band")?;
            let interface = cards.interface(place.card)?;
            let done = interface.set_oob_port(place.vid, *enabled);
            done.map_err(about(device))?;
            if *enabled {
                // As `evl net -e` does.
                interface.set_up(place.vid, true).map_err(about(device))?;
            }
            Ok(())
        }
        Kind::ShowAttribute { device, .. } => cards.find(device).map(|_| ()),
        Kind::ShowFile(name) => cards.file(name).map(|_| ()),
        Kind::SetVariable { variable, value } => variable.set(*value, cards),
        Kind::ShowVariable(_) => cards.interface(0).map(|_| ()),
        Kind::Say(_) | Kind::ShowVlans => Ok(()),
    }
}

/// Writes line `row` of the reply; `offset` is how much of a file was shown.
pub(crate) fn line(
    access: &Access,
    row: usize,
    offset: &mut usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    match &access.0 {
        Kind::Say(said) if row == 0 => {
            let said = with_status(said, view.console.has_failed);
            match json {
                true => write!(out, "{{\"text\":{}}}", Fitted(clipped::<WIDTH>(said), TEXT))?,
                false => write!(out, "{}", clipped::<WIDTH>(said))?,
            }
        }
        Kind::ShowAttribute { device, attribute } if row == 0 => {
            let Some(found) = view.device_named(device) else {
                return Ok(Progress::Done);
            };
            let value = attribute_value(&found, attribute);
            match json {
                true => write!(out, "{{{}:{}}}", Quoted(attribute), Quoted(value))?,
                false => out.write_str(&value)?,
            }
        }
        Kind::ShowVariable(variable) if row == 0 => match (variable.shown(view), json) {
            (Some(value), true) => write!(out, "{{\"value\":{value}}}")?,
            (Some(value), false) => write!(out, "{value}")?,
            (None, _) => return Ok(Progress::Done),
        },
        Kind::ShowFile(name) => return file_line(name, row, offset, json, view, out),
        _ => return Ok(Progress::Done),
    }
    Ok(Progress::Line)
}

/// What is said, with what `$?` stands for.
fn with_status(said: &str, has_failed: bool) -> String {
    let mut parts = said.split(STATUS);
    let mut text = String::from(parts.next().unwrap_or(""));
    for part in parts {
        text.push(if has_failed { '1' } else { '0' });
        text.push_str(part);
    }
    text
}

fn attribute_value(found: &DeviceView<'_>, attribute: &str) -> heapless::String<20> {
    match attribute {
        "oob_port" => clipped(u8::from(found.device.has_oob_port())),
        "address" => clipped(found.port.interface.mac_address()),
        "mtu" => clipped(found.device.mtu()),
        "ifindex" => clipped(found.ifindex),
        _ => clipped(found.state().to_ascii_lowercase()),
    }
}

/// Writes a line of a file from `offset` on; in JSON as a string of an array.
fn file_line(
    name: &str,
    row: usize,
    offset: &mut usize,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let done = *offset == usize::MAX;
    if done {
        return Ok(Progress::Done);
    }
    let Some(file) = view.files.iter().find(|file| file.name == name) else {
        return Ok(Progress::Done);
    };
    let rest = file.octets.get(*offset..).unwrap_or(&[]);
    if rest.is_empty() {
        *offset = usize::MAX;
        if json {
            out.write_str(if row == 0 { "[]" } else { "]" })?;
            return Ok(Progress::Line);
        }
        return Ok(Progress::Done);
    }
    let width = if json { JSON_WIDTH } else { WIDTH };
    let (length, is_ended) = line_length(rest, width);
    let line = rest.get(..length).unwrap_or(&[]);
    match core::str::from_utf8(line) {
        _ if json => {
            let lead = if row == 0 { "[" } else { "," };
            let line = alloc::string::String::from_utf8_lossy(line);
            let line = clipped::<JSON_WIDTH>(line.trim_end_matches('\r'));
            write!(out, "{lead}{}", Quoted(line))?;
        }
        Ok(line) => write!(out, "{}", clipped::<WIDTH>(line.trim_end_matches('\r')))?,
        Err(_) => {
            write!(
                out,
                "{name}: {} octets that are not text",
                file.octets.len()
            )?;
            *offset = usize::MAX;
            return Ok(Progress::Line);
        }
    }
    *offset += length + usize::from(is_ended);
    Ok(Progress::Line)
}

/// How many octets of `rest` go onto a line, and whether its line feed is right behind them. What is longer than
/// `width` goes on in the next line; a character that begins on a line ends on it.
fn line_length(rest: &[u8], width: usize) -> (usize, bool) {
    let within = rest.get(..width).unwrap_or(rest);
    if let Some(end) = within.iter().position(|&octet| octet == b'\n') {
        return (end, true);
    }
    if rest.get(width) == Some(&b'\n') {
        return (width, true);
    }
    let is_within_character = |&at: &usize| rest.get(at).is_some_and(|octet| octet & 0xc0 == 0x80);
    let whole = (0..within.len() + 1).rev().take(4);
    let end = whole.into_iter().find(|at| !is_within_character(at));
    // What has no beginning of a character is no text, and cut wherever.
    (end.filter(|&end| end > 0).unwrap_or(within.len()), false)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_of_just_the_width_is_one_line() {
        assert_eq!(line_length(b"abcd\nx", 4), (4, true));
        assert_eq!(line_length(b"abcde\nx", 4), (4, false));
        assert_eq!(line_length(b"ab", 4), (2, false));
        assert_eq!(line_length("abcä".as_bytes(), 4), (3, false));
        assert_eq!(line_length("ab\u{10348}".as_bytes(), 4), (2, false));
        assert_eq!(line_length(&[0x80; 9], 4), (4, false));
    }

    proptest! {
        #[test]
        fn no_character_of_a_text_is_split(text in "[a\u{e4}\u{20ac}\u{10348}\n]{0,80}", width in 4_usize..20) {
            let mut rest = text.as_bytes();
            let mut shown = String::new();
            while !rest.is_empty() {
                let (length, is_ended) = line_length(rest, width);
                prop_assert!(length + usize::from(is_ended) > 0);
                let (line, behind) = rest.split_at(length);
                shown.push_str(core::str::from_utf8(line).expect("whole characters"));
                rest = &behind[usize::from(is_ended)..];
                if is_ended {
                    shown.push('\n');
                }
            }
            prop_assert_eq!(shown, text);
        }
    }
}
