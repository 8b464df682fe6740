//! `sysctl`: limits of what is sent without having been asked for, by Linux's names. `echo` and `cat` reach them by
//! their paths below `/proc/sys`.

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::cards::Cards;
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal};
use crate::json::Quoted;
use crate::listing::{Cursor, Row};
use crate::reply::Progress;
use crate::text::text;
use crate::view::StatusView;
use crate::words::Words;
use alloc::string::String;
use core::fmt::{self, Write};
use pollux_net::icmp_error::{DEFAULT_LIMIT, DEFAULT_VLAN_LIMIT};
use pollux_net::interface::Interface;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "sysctl",
    synopsis: "sysctl [-n] [-q] [-w] [-a|NAME|NAME=VALUE]",
    summary: "how many ICMP errors are sent: show it, or set it on all cards",
    words: &[
        (
            "net.ipv4.icmp_msgs_per_sec",
            "ICMP errors a second that a card sends in all",
        ),
        ("net.ipv4.icmp_msgs_burst", "and at once, after a pause"),
        (
            "net.vlan.icmp_msgs_per_sec",
            "ICMP errors a second that a card sends into each VLAN",
        ),
        ("net.vlan.icmp_msgs_burst", "and at once, after a pause"),
        ("-a", "all of them"),
        ("-n", "only the value"),
        ("-q", "say nothing when it is set"),
    ],
    examples: &[
        "sysctl -a",
        "sysctl net.ipv4.icmp_msgs_per_sec",
        "sysctl -w net.ipv4.icmp_msgs_per_sec=100",
    ],
    complete: |_| Completion::words(NAMES),
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "sysctl" };
const NAMES: &[&str] = &[
    "net.ipv4.icmp_msgs_per_sec",
    "net.ipv4.icmp_msgs_burst",
    "net.vlan.icmp_msgs_per_sec",
    "net.vlan.icmp_msgs_burst",
];
/// Where the variables are as files.
pub(crate) const FOLDER: &str = "/proc/sys/";
/// The largest value, which is Linux's.
const LARGEST: u32 = i32::MAX as u32;

/// One of the limits, as a place in [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable(usize);

impl Variable {
    const ALL: [Self; 4] = [Self(0), Self(1), Self(2), Self(3)];

    fn name(self) -> &'static str {
        NAMES.get(self.0).copied().unwrap_or_default()
    }

    /// The variable called `name`: with dots, or with slashes as in a path.
    pub(crate) fn called(reader: Reader, name: &str) -> Result<Self, Mistake> {
        let is_separator = |letter| matches!(letter, '.' | '/');
        let parts = || name.split(is_separator);
        let mut all = Self::ALL.into_iter();
        if let Some(variable) = all.find(|known| parts().eq(known.name().split('.'))) {
            return Ok(variable);
        }
        if parts().eq(["net", "ipv4", "icmp_ratelimit"]) {
            let reason = "errors are limited by VLAN, not by host: net.vlan.icmp_msgs_per_sec";
            return Err(reader.not_supported("icmp_ratelimit", reason));
        }
        if parts().eq(["net", "ipv4", "neigh", "default", "gc_thresh3"]) {
            let reason = "room for neighbors is made at the start: pollux.neighbors=NUMBER on the boot command line";
            return Err(reader.not_supported("gc_thresh3", reason));
        }
        Err(reader.none_of(name, NAMES))
    }

    /// What it may be.
    pub(crate) fn value(reader: Reader, word: &str) -> Result<u32, Mistake> {
        let expected = "a number from 0 to 2147483647; 0 has no ICMP error sent";
        reader.number(word, 0..=LARGEST, expected)
    }

    /// What it is on a card.
    fn of(self, interface: &Interface) -> u32 {
        let errors = interface.icmp_errors();
        let (all, vlan) = (errors.limit(), errors.vlan_limit());
        let values = [all.per_second, all.burst, vlan.per_second, vlan.burst];
        values.get(self.0).copied().unwrap_or_default()
    }

    fn default(self) -> u32 {
        let (all, vlan) = (DEFAULT_LIMIT, DEFAULT_VLAN_LIMIT);
        let values = [all.per_second, all.burst, vlan.per_second, vlan.burst];
        values.get(self.0).copied().unwrap_or_default()
    }

    /// Sets it on all cards.
    pub(crate) fn set(self, value: u32, cards: &mut Cards<'_>) -> Result<(), Refusal> {
        // Without a card there is nothing that could keep it.
        cards.interface(0)?;
        for interface in cards.iter_mut() {
            let errors = interface.icmp_errors();
            let (mut all, mut vlan) = (errors.limit(), errors.vlan_limit());
            match self.0 {
                0 => all.per_second = value,
                1 => all.burst = value,
                2 => vlan.per_second = value,
                _ => vlan.burst = value,
            }
            interface.set_icmp_error_limits(all, vlan);
        }
        Ok(())
    }

    /// What it is, on every card.
    pub(crate) fn shown(self, view: &StatusView<'_>) -> Option<u32> {
        Some(self.of(view.ports.first()?.interface))
    }
}

/// The command that sets variable `index` of those that are not as they were at the start.
pub(super) fn config_line(view: &StatusView<'_>, index: usize) -> Option<String> {
    let changed = Variable::ALL.into_iter().filter_map(|variable| {
        let value = variable.shown(view)?;
        (value != variable.default()).then_some((variable, value))
    });
    let (variable, value) = { changed }.nth(index)?;
    Some(text!("sysctl -q {}={value}", variable.name()))
}

/// What is to be shown or set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// All of them otherwise.
    variable: Option<Variable>,
    value: Option<u32>,
    only_value: bool,
    quiet: bool,
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    const EXPECTED: &str = "'-a' for all, or a name, such as net.ipv4.icmp_msgs_per_sec";
    let mut sysctl = Sysctl {
        variable: None,
        value: None,
        only_value: false,
        quiet: false,
    };
    let mut is_chosen = false;
    while let Some(word) = words.peek().filter(|_| sysctl.variable.is_none()) {
        words.next();
        match word {
            "-a" => is_chosen = true,
            "-n" => sysctl.only_value = true,
            "-q" => sysctl.quiet = true,
            // It says that something is written, which the '=' says too.
            "-w" => {}
            "-qw" | "-wq" => sysctl.quiet = true,
            option if option.starts_with('-') => {
                return Err(READER.none_of(option, &["-a", "-n", "-q", "-w"]));
            }
            name => {
                is_chosen = true;
                let (name, value) = match name.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None if words.take_if("=") => (name, Some("")),
                    None => (name, None),
                };
                sysctl.variable = Some(Variable::called(READER, name)?);
                sysctl.value = match value {
                    Some("") => {
                        let value = READER.value(words, "=", "a number")?;
                        Some(Variable::value(READER, value)?)
                    }
                    Some(value) => Some(Variable::value(READER, value)?),
                    None => None,
                };
            }
        }
    }
    if !is_chosen {
        return Err(Mistake::MissingValue {
            command: READER.command,
            after: READER.command,
            expected: EXPECTED,
        });
    }
    Ok(Command::Sysctl(sysctl))
}

/// Does it.
pub(crate) fn carry_out(sysctl: &Sysctl, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    match (sysctl.variable, sysctl.value) {
        (Some(variable), Some(value)) => variable.set(value, cards),
        _ => Ok(()),
    }
}

/// Writes the next line of the reply.
pub(crate) fn line(
    sysctl: &Sysctl,
    cursor: &mut Cursor,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Progress, fmt::Error> {
    let is_said = json || !(sysctl.quiet && sysctl.value.is_some());
    cursor.next_line(json, out, |due, out| {
        let Some(variable) = Variable::ALL.get(due.item).filter(|_| is_said) else {
            return Ok(Row::End);
        };
        let is_chosen = sysctl.variable.is_none_or(|chosen| chosen == *variable);
        let Some(value) = variable.shown(view).filter(|_| is_chosen && due.row == 0) else {
            return Ok(Row::Beyond);
        };
        let name = variable.name();
        match (json, sysctl.only_value) {
            (true, _) => write!(
                out,
                "{}{{\"name\":{},\"value\":{value}}}",
                due.lead,
                Quoted(name)
            )?,
            (false, true) => write!(out, "{value}")?,
            (false, false) => write!(out, "{name} = {value}")?,
        }
        Ok(Row::Written)
    })
}
