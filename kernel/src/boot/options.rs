//! The kernel's own words on the boot command line.
//!
//! Each is `pollux.NAME` or `pollux.NAME=VALUE`. A word that is not understood is reported and
//! passed over: the appliance always comes up far enough to be repaired.

use crate::clock::Source;
use crate::uart::Setting;
use crate::watchdog;
use core::fmt;
use core::ops::RangeInclusive;
use pollux_console::suggest::nearest_one;
use pollux_drivers::pci::access::Prefer;
use pollux_net::neighbor;

/// What happens after a panic or an exception was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFault {
    /// Stop, so that the report can be read.
    Halt,
    /// Start again, after a pause in which the report can be read.
    #[default]
    Restart,
    /// End QEMU with a status, for tests; needs `pollux.exit`.
    Exit,
}

/// Where the console is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleAt {
    /// On the serial line only.
    Serial,
    /// On the screen only, to be read.
    Screen,
    /// On the serial line and on the screen, whichever there is.
    #[default]
    Both,
}

/// How many neighbors a card's table can be made for.
const NEIGHBORS: RangeInclusive<usize> = neighbor::DEFAULT_CAPACITY..=neighbor::LARGEST_CAPACITY;

/// What the command line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'line> {
    /// The I/O port of QEMU's `isa-debug-exit`, by which a test ends the machine.
    pub exit_port: Option<u16>,
    /// What happens after a fault.
    pub after_fault: AfterFault,
    /// After how many seconds without being fed a hardware watchdog restarts the machine.
    pub watchdog: Option<u32>,
    /// Where the console is.
    pub console: ConsoleAt,
    /// Where the serial line is.
    pub serial: Setting,
    /// Whether tracing is on from the start.
    pub trace: bool,
    /// Whether the console offers commands that provoke faults, and an allocation in the frame path
    /// is one.
    pub test_mode: bool,
    /// Whether the cards pass frames of all VLANs, so that those of others are counted here.
    pub all_vlans: bool,
    /// How many neighbors each card's table has room for, if it is told.
    pub neighbors: Option<usize>,
    /// Whether the memory of the cards' buffers is tested first.
    pub memory_test: bool,
    /// What tells the rate of the clock, if not the first that can.
    pub clock: Option<Source>,
    /// By which way PCI's configuration space is reached where there are two.
    pub pci: Prefer,
    /// Whether virtio devices are given packed queues where they offer them.
    pub packed_queues: bool,
    /// The file, among those given with the kernel, whose lines are executed at the start.
    pub config_file: Option<&'line str>,
    /// Commands to be executed at the start, behind those of the file, with `;` between them.
    pub config: Option<&'line str>,
}

/// A word that was not understood, and what would have been right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord<'line> {
    word: &'line str,
    /// Where in the line it begins, in octets.
    pub offset: usize,
    wrong: Wrong,
}

impl<'line> UnknownWord<'line> {
    /// What is wrong with it.
    pub fn reason(&self) -> impl fmt::Display + use<'line> {
        let Self { word, wrong, .. } = *self;
        fmt::from_fn(move |f| match wrong {
            Wrong::Value(expected) => write!(f, "'{word}' ignored: expected {expected}"),
            Wrong::Name => {
                write!(f, "'{word}' ignored: no such parameter; ")?;
                match nearest_name(word) {
                    Some(near) => write!(f, "did you mean 'pollux.{near}'?"),
                    None => {
                        write!(f, "'pollux.' goes before ")?;
                        let mut names = NAMES.iter();
                        names.next().map_or(Ok(()), |name| f.write_str(name))?;
                        names.try_for_each(|name| write!(f, ", {name}"))
                    }
                }
            }
        })
    }
}

impl fmt::Display for UnknownWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot command line: {}", self.reason())
    }
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// There is no such name.
    Name,
    /// The name has another value.
    Value(&'static str),
}

const NAMES: [&str; 15] = [
    "clock",
    "config",
    "config-file",
    "console",
    "exit",
    "memory-test",
    "neighbors",
    "panic",
    "pci",
    "serial",
    "test",
    "trace",
    "virtio-queues",
    "vlan-filter",
    "watchdog",
];

/// The name that may have been meant.
fn nearest_name(word: &str) -> Option<&'static str> {
    let setting = word.strip_prefix("pollux.").unwrap_or(word);
    let name = setting.split('=').next().unwrap_or(setting);
    nearest_one(name, NAMES.into_iter())
}

/// The words of a command line, in which quotes hold blanks together.
pub struct Words<'line>(pub &'line str);

impl<'line> Iterator for Words<'line> {
    type Item = &'line str;

    fn next(&mut self) -> Option<&'line str> {
        let rest = self.0.trim_start();
        let mut is_quoted = false;
        let end = rest.find(|character: char| {
            is_quoted ^= character == '"';
            character.is_ascii_whitespace() && !is_quoted
        });
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.0 = rest;
        // GRUB puts quotes around a whole word that has blanks in it.
        let inner = word
            .strip_prefix('"')
            .map(|word| word.trim_end_matches('"'));
        (!word.is_empty()).then_some(inner.unwrap_or(word))
    }
}

impl<'line> Options<'line> {
    /// Reads `line`, passing each word that begins with `pollux.` and is not understood to `report`.
    /// Other words belong to others.
    pub fn parse(line: &'line str, mut report: impl FnMut(UnknownWord<'line>)) -> Self {
        let mut options = Self::default();
        for word in Words(line) {
            let Some(setting) = word.strip_prefix("pollux.") else {
                continue;
            };
            let name = setting.split('=').next().unwrap_or(setting);
            let done = match NAMES.contains(&name) {
                true => options.set(setting).map_err(Wrong::Value),
                false => Err(Wrong::Name),
            };
            if let Err(wrong) = done {
                // The word is a part of the line.
                let offset = word.as_ptr().addr() - line.as_ptr().addr();
                report(UnknownWord {
                    word,
                    offset,
                    wrong,
                });
            }
        }
        options
    }

    fn set(&mut self, setting: &'line str) -> Result<(), &'static str> {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match (name, value) {
            ("exit", value) => {
                let digits = value.strip_prefix("0x").unwrap_or(value);
                let port = u16::from_str_radix(digits, 16).ok();
                self.exit_port = Some(port.ok_or("pollux.exit=PORT with PORT as in 0xf4")?);
            }
            ("panic", "halt") => self.after_fault = AfterFault::Halt,
            ("panic", "restart") => self.after_fault = AfterFault::Restart,
            ("panic", "exit") => self.after_fault = AfterFault::Exit,
            ("panic", _) => return Err("pollux.panic=halt, restart or exit"),
            ("serial", value) => {
                self.serial = Setting::parse(value).ok_or(Setting::SYNTAX)?;
            }
            ("watchdog", seconds) => {
                let seconds = seconds.parse().ok();
                let seconds = seconds.filter(|seconds| watchdog::SECONDS.contains(seconds));
                self.watchdog = Some(seconds.ok_or("pollux.watchdog=SECONDS, from 5 to 600")?);
            }
            ("neighbors", number) => {
                let number = number.parse().ok();
                let number = number.filter(|number| NEIGHBORS.contains(number));
                self.neighbors = Some(number.ok_or("pollux.neighbors=NUMBER, from 1024 to 65536")?);
            }
            ("console", "serial") => self.console = ConsoleAt::Serial,
            ("console", "screen") => self.console = ConsoleAt::Screen,
            ("console", "both") => self.console = ConsoleAt::Both,
            ("console", _) => return Err("pollux.console=serial, screen or both"),
            ("trace", "on" | "") => self.trace = true,
            ("trace", "off") => self.trace = false,
            ("trace", _) => return Err("pollux.trace=on or off"),
            ("vlan-filter", "hardware") => self.all_vlans = false,
            ("vlan-filter", "software") => self.all_vlans = true,
            ("vlan-filter", _) => return Err("pollux.vlan-filter=hardware or software"),
            ("virtio-queues", "split") => self.packed_queues = false,
            ("virtio-queues", "packed") => self.packed_queues = true,
            ("virtio-queues", _) => return Err("pollux.virtio-queues=split or packed"),
            ("clock", name) => {
                let source = Source::parse(name);
                self.clock =
                    Some(source.ok_or("pollux.clock=cpuid, hypervisor, pit, acpi or hpet")?);
            }
            ("pci", "ports") => self.pci = Prefer::Ports,
            ("pci", "memory") => self.pci = Prefer::Memory,
            ("pci", _) => return Err("pollux.pci=ports or memory"),
            ("test", "") => self.test_mode = true,
            ("memory-test", "") => self.memory_test = true,
            ("config", "") => return Err("pollux.config=\"COMMAND; COMMAND\""),
            ("config", commands) => self.config = Some(commands.trim_matches('"')),
            ("config-file", "") => return Err("pollux.config-file=NAME"),
            ("config-file", name) => self.config_file = Some(name),
            ("test", _) => return Err("pollux.test without a value"),
            _ => return Err("pollux.memory-test without a value"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (Options<'_>, Vec<String>) {
        let mut reports = Vec::new();
        let options = Options::parse(line, |word| reports.push(word.to_string()));
        (options, reports)
    }

    #[test]
    fn every_word_is_understood() {
        let (options, reports) = parse(
            "/boot/pollux quiet pollux.exit=0xf4 pollux.console=screen pollux.serial=com2,9600 pollux.panic=exit pollux.trace=on pollux.vlan-filter=software pollux.pci=memory pollux.clock=hpet pollux.virtio-queues=packed pollux.test pollux.watchdog=10 pollux.neighbors=65536 pollux.memory-test pollux.config-file=start pollux.config=\"trace on; status\" last",
        );
        assert_eq!(reports, [] as [String; 0]);
        assert_eq!(
            options,
            Options {
                exit_port: Some(0xf4),
                after_fault: AfterFault::Exit,
                watchdog: Some(10),
                console: ConsoleAt::Screen,
                serial: Setting::parse("0x2f8,9600").expect("is right"),
                trace: true,
                test_mode: true,
                all_vlans: true,
                neighbors: Some(65_536),
                memory_test: true,
                clock: Some(Source::Hpet),
                pci: Prefer::Memory,
                packed_queues: true,
                config_file: Some("start"),
                config: Some("trace on; status"),
            }
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_reaches_to_the_end() {
        let (options, reports) = parse("pollux.trace pollux.config=\"trace off; status");
        assert_eq!(options.config, Some("trace off; status"));
        assert!(options.trace && reports.is_empty());
        assert_eq!(parse("pollux.config=").1.len(), 1);
    }

    #[test]
    fn quotes_around_a_whole_word_are_not_part_of_it() {
        let (options, reports) = parse("\"pollux.config=trace on; status\" pollux.test \"");
        assert_eq!(options.config, Some("trace on; status"));
        assert!(options.test_mode && reports.is_empty());
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        assert_eq!(parse("").0, Options::default());
        assert_eq!(Options::default().after_fault, AfterFault::Restart);
    }

    #[test]
    fn a_wrong_word_is_named_with_what_would_have_been_right_and_the_others_count() {
        let (options, reports) =
            parse("pollux.panic=maybe pollux.exit=zz pollux.xyzzy pollux.trace");
        assert!(options.trace);
        assert_eq!(options.exit_port, None);
        assert_eq!(
            reports,
            [
                "boot command line: 'pollux.panic=maybe' ignored: expected pollux.panic=halt, restart or exit",
                "boot command line: 'pollux.exit=zz' ignored: expected pollux.exit=PORT with PORT as in 0xf4",
                "boot command line: 'pollux.xyzzy' ignored: no such parameter; 'pollux.' goes before clock, config, config-file, console, exit, memory-test, neighbors, panic, pci, serial, test, trace, virtio-queues, vlan-filter, watchdog",
            ]
        );
    }

    #[test]
    fn a_wrong_word_is_found_where_it_stands_and_not_where_another_holds_it() {
        let line = "quiet x.pollux.panic pollux.panics é \"pollux.panic\"";
        let mut offsets = Vec::new();
        Options::parse(line, |word| offsets.push(word.offset));
        assert_eq!(offsets, [21, 39]);
    }

    #[test]
    fn room_for_too_few_or_too_many_neighbors_is_refused() {
        for number in ["", "0", "1023", "65537", "many", "-1024"] {
            let line = format!("pollux.neighbors={number}");
            let (options, reports) = parse(&line);
            assert_eq!(options.neighbors, None, "{line}");
            let expected = format!(
                "boot command line: '{line}' ignored: expected pollux.neighbors=NUMBER, from 1024 to 65536"
            );
            assert_eq!(reports, [expected]);
        }
        assert_eq!(parse("pollux.neighbors=1024").0.neighbors, Some(1024));
    }

    #[test]
    fn the_nearest_word_is_offered() {
        for (line, near) in [
            ("pollux.tace", "trace"),
            ("pollux.conifg=\"status\"", "config"),
            ("pollux.watchdgo=10", "watchdog"),
            ("pollux.mem", "memory-test"),
        ] {
            let expected = format!(
                "boot command line: '{line}' ignored: no such parameter; did you mean 'pollux.{near}'?"
            );
            assert_eq!(parse(line).1, [expected], "{line}");
        }
        let (options, reports) = parse("pollux.test=1 pollux.memory-test=1");
        assert!(!options.test_mode && !options.memory_test);
        assert_eq!(
            reports,
            [
                "boot command line: 'pollux.test=1' ignored: expected pollux.test without a value",
                "boot command line: 'pollux.memory-test=1' ignored: expected pollux.memory-test without a value",
            ]
        );
    }
}
