//! `ip addr`: the devices and their addresses.

use super::Options;
use super::link::{
    DETAILS, FullName, JSON_DETAILS, Which, details, heading, json_details, json_heading,
    statistics,
};
use super::route::name_of;
use crate::cards::{Cards, about};
use crate::commands::arguments::Reader;
use crate::error::{Mistake, Refusal, Word};
use crate::json::Quoted;
use crate::listing::{Due, Row};
use crate::reply::{Progress, single_line};
use crate::text::{clipped, text};
use crate::view::{DeviceView, StatusView};
use crate::words::Words;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use pollux_net::interface::{Address, ConfigurationError, Ipv4Cidr};

const READER: Reader = Reader { command: "ip addr" };
const VERBS: &[&str] = &[
    "add", "change", "replace", "delete", "show", "list", "lst", "flush",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Which),
    Add {
        cidr: Ipv4Cidr,
        device: Word,
        /// Whether nothing is wrong with one that is there already, the same.
        replace: bool,
    },
    Delete {
        cidr: Ipv4Cidr,
        /// Whether the prefix was given, which is then to be the address's.
        whole: bool,
        device: Word,
    },
    Flush(Word),
}

pub(super) fn parse(words: &mut Words<'_>) -> Result<Action, Mistake> {
    let Some(verb) = words.next() else {
        return Ok(Action::Show(Which::default()));
    };
    match READER.abbreviated(verb, VERBS)? {
        verb @ ("add" | "change" | "replace") => {
            let (cidr, _, device) = cidr_and_device(words, verb)?;
            let replace = verb != "add";
            Ok(Action::Add {
                cidr,
                device,
                replace,
            })
        }
        "delete" => {
            let (cidr, whole, device) = cidr_and_device(words, "del")?;
            Ok(Action::Delete {
                cidr,
                whole,
                device,
            })
        }
        "flush" => {
            words.take_if("dev");
            READER.device(words, "flush").map(Action::Flush)
        }
        _ => Which::parse(READER, words).map(Action::Show),
    }
}

/// Reads `ADDRESS/LENGTH dev NAME`, in either order.
fn cidr_and_device(
    words: &mut Words<'_>,
    after: &'static str,
) -> Result<(Ipv4Cidr, bool, Word), Mistake> {
    const EXPECTED: &[&str] = &["local", "dev", "brd", "scope", "label"];
    let (mut given, mut device) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "dev" => device = Some(READER.device(words, "dev")?),
            "local" => {}
            // What these can be set to is what they are.
            "brd" | "broadcast" => {
                READER.value(words, "brd", "'+' or a broadcast address")?;
            }
            "label" => {
                READER.device(words, "label")?;
            }
            "scope" => match READER.value(words, "scope", "'global'")? {
                "global" => {}
                other => return Err(READER.not_supported(other, "every address is global")),
            },
            "peer" | "nodad" | "valid_lft" | "preferred_lft" | "metric" => {
                return Err(READER.not_supported(word, "addresses are plain and for good"));
            }
            word if given.is_none() => given = Some((READER.cidr(word)?, word.contains('/'))),
            other => return Err(READER.none_of(other, EXPECTED)),
        }
    }
    let (cidr, whole) = given.ok_or(Mistake::MissingValue {
        command: READER.command,
        after,
        expected: "an address, such as 10.10.10.11/24",
    })?;
    let device = device.ok_or(Mistake::MissingValue {
        command: READER.command,
        after,
        expected: "'dev NAME': the interface",
    })?;
    Ok((cidr, whole, device))
}

pub(super) fn carry_out(action: &Action, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match action {
        Action::Show(which) => match &which.device {
            Some(name) => cards.find(name).map(|_| ()),
            None => Ok(()),
        },
        Action::Add {
            cidr,
            device,
            replace,
        } => {
            let place = cards.find(device)?;
            let interface = cards.interface(place.card)?;
            let is_same = |known: Address| known.vid == place.vid && known.cidr == *cidr;
            if *replace && interface.addresses().any(is_same) {
                return Ok(());
            }
            interface
                .add_address(place.vid, *cidr)
                .map_err(about(device))
        }
        Action::Delete {
            cidr,
            whole,
            device,
        } => {
            let place = cards.find(device)?;
            let interface = cards.interface(place.card)?;
            let known = interface.addresses().find(|address| {
                address.vid == place.vid && address.cidr.address() == cidr.address()
            });
            if let Some(Address { cidr: has, .. }) = known
                && *whole
                && has != *cidr
            {
                let given = *cidr;
                return Err(about(device)(ConfigurationError::OtherPrefix {
                    has,
                    given,
                }));
            }
            interface
                .remove_address(place.vid, cidr.address())
                .map_err(about(device))
        }
        Action::Flush(device) => {
            let place = cards.find(device)?;
            let interface = cards.interface(place.card)?;
            let of_device = |address: &Address| address.vid == place.vid;
            let all: Vec<_> = interface.addresses().filter(of_device).collect();
            for address in all {
                interface
                    .remove_address(place.vid, address.cidr.address())
                    .map_err(about(device))?;
            }
            Ok(())
        }
    }
}

/// Writes line `row` of what is said to an address that was added: a network that is also another device's is as Linux has
/// it, and seldom meant.
pub(super) fn added(
    row: usize,
    (cidr, name): (Ipv4Cidr, &str),
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let others = view.ports.iter().flat_map(|port| {
        let addresses = port.interface.addresses();
        addresses.map(move |other| (name_of(port, other.vid), other.cidr))
    });
    let mut others = others.filter(|&(device, other)| {
        let overlaps = cidr.contains(other.address()) || other.contains(cidr.address());
        device != name && overlaps
    });
    let Some((device, other)) = others.next() else {
        return Ok(Progress::Done);
    };
    let warning = match cidr.address() == other.address() {
        true => text!("{name}: {} is the address of {device} too", cidr.address()),
        false => text!(
            "{name}: {cidr} overlaps {other} of {device}; 'ip route get' tells through which of them is sent"
        ),
    };
    match json {
        true => single_line(
            row,
            format_args!("{{\"warning\":{}}}", Quoted(warning)),
            out,
        ),
        false => single_line(row, warning, out),
    }
}

/// Address `index` of a device, and whether one before it is in the same network.
fn address_of(found: &DeviceView<'_>, index: usize) -> Option<(Address, bool)> {
    let vid = found.device.vid();
    let of_device = |address: &Address| address.vid == vid;
    let addresses = || found.port.interface.addresses().filter(of_device);
    let address = addresses().nth(index)?;
    let is_secondary = addresses().take(index).any(|other| {
        other.cidr.prefix_length() == address.cidr.prefix_length()
            && other.cidr.contains(address.cidr.address())
    });
    Some((address, is_secondary))
}

/// Writes a line of `ip addr show`.
pub(super) fn row(
    due: Due,
    which: &Which,
    options: Options,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let Some(found) = view.device(due.item) else {
        return Ok(Row::End);
    };
    if !which.contains(&found) {
        return Ok(Row::Beyond);
    }
    if options.ipv4_only && address_of(&found, 0).is_none() {
        return Ok(Row::Beyond);
    }
    if json {
        return json_row(due, &found, options, out);
    }
    if options.one_line && !options.brief {
        let Some((address, is_secondary)) = address_of(&found, due.row) else {
            return Ok(Row::Beyond);
        };
        write!(out, "{}: {}", found.ifindex, found.device.name())?;
        inet(0, &address, is_secondary, &found, out)?;
        out.write_char('\\')?;
        inet(1, &address, is_secondary, &found, out)?;
        return Ok(Row::Written);
    }
    match (due.row, options.brief) {
        (0, true) => {
            write!(out, "{:<16} {:<14} ", FullName(&found), found.state())?;
            for index in 0.. {
                let Some((address, _)) = address_of(&found, index) else {
                    break;
                };
                write!(out, "{} ", address.cidr)?;
            }
            Ok(Row::Written)
        }
        (_, true) => Ok(Row::Beyond),
        (0, false) => heading(&found, "", out),
        (row, false) if row <= DETAILS => details(row - 1, &found, options, out),
        (row, false) => {
            let row = row - 1 - DETAILS;
            if let Some((address, is_secondary)) = address_of(&found, row / 2) {
                inet(row % 2, &address, is_secondary, &found, out)?;
                return Ok(Row::Written);
            }
            let addresses = (0..).map_while(|index| address_of(&found, index)).count();
            if options.statistics {
                return statistics(row - 2 * addresses, &found, out);
            }
            Ok(Row::Beyond)
        }
    }
}

fn inet(
    row: usize,
    address: &Address,
    is_secondary: bool,
    found: &DeviceView<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    if row == 1 {
        return write!(out, "       valid_lft forever preferred_lft forever");
    }
    let secondary = if is_secondary { "secondary " } else { "" };
    let tentative = if address.is_usable { "" } else { "tentative " };
    let name = clipped::<15>(found.device.name());
    write!(
        out,
        "    inet {} scope global {secondary}{tentative}{name}",
        address.cidr
    )
}

fn json_row(
    due: Due,
    found: &DeviceView<'_>,
    options: Options,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let begin = if options.brief { 0 } else { JSON_DETAILS };
    match due.row {
        0 if options.brief => {
            write!(out, "{}{{", due.lead)?;
            if let Some(parent) = found.parent() {
                write!(out, "\"link\":{},", Quoted(parent))?;
            }
            let name = Quoted(found.device.name());
            write!(out, "\"ifname\":{name},\"operstate\":\"{}\"", found.state())?;
            Ok(Row::Written)
        }
        0 => json_heading(due.lead, found, out),
        row if row <= begin => json_details(row - 1, found, options, out),
        row => {
            let index = row - 1 - begin;
            let lead = if index == 0 { ",\"addr_info\":[" } else { "," };
            if let Some((address, is_secondary)) = address_of(found, index) {
                json_address(lead, &address, is_secondary, found, options, out)?;
                return Ok(Row::Written);
            }
            let addresses = (0..).map_while(|index| address_of(found, index)).count();
            if index > addresses {
                return Ok(Row::Beyond);
            }
            out.write_str(if addresses == 0 {
                ",\"addr_info\":[]}"
            } else {
                "]}"
            })?;
            Ok(Row::Written)
        }
    }
}

fn json_address(
    lead: &str,
    address: &Address,
    is_secondary: bool,
    found: &DeviceView<'_>,
    options: Options,
    out: &mut dyn Write,
) -> fmt::Result {
    let (local, length) = (address.cidr.address(), address.cidr.prefix_length());
    if options.brief {
        return write!(
            out,
            "{lead}{{\"local\":\"{local}\",\"prefixlen\":{length}}}"
        );
    }
    write!(
        out,
        "{lead}{{\"family\":\"inet\",\"local\":\"{local}\",\"prefixlen\":{length},\"scope\":\"global\","
    )?;
    if is_secondary {
        out.write_str("\"secondary\":true,")?;
    }
    if !address.is_usable {
        out.write_str("\"tentative\":true,")?;
    }
    write!(
        out,
        "\"label\":{},\"valid_life_time\":{},\"preferred_life_time\":{}}}",
        Quoted(found.device.name()),
        u32::MAX,
        u32::MAX
    )
}
