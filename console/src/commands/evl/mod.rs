//! `evl net`: out-of-band ports, the VLAN filter list, solicitation: EVL's own options and output.
//!
//! Here is what is typed and what it does; `page` is what is said in return.
//!
//! However the options are ordered on the line, they are carried out in EVL's order: disable, enable,
//! filter, set VLANs, show VLANs, solicit, query.

mod page;

pub(crate) use page::Page;
pub(super) use page::{filter, vlans_line};

use super::arguments::Reader;
use super::{Completion, Specification};
use crate::cards::{Cards, about};
use crate::command::{Command, Grammar};
use crate::error::{Mistake, Refusal, Word};
use crate::text::{clipped, text};
use crate::words::Words;
use alloc::boxed::Box;
use alloc::string::String;
use core::net::Ipv4Addr;
use pollux_net::filter::Filter;
use pollux_net::interface::OobPool;
use pollux_net::vlan::VlanSet;

pub(crate) const SPECIFICATION: Specification = Specification {
    name: "evl",
    synopsis: "evl net [-e|-d|-s HOST|-S HOST|-Q[rRtTosfacx]|-N[VLANS]|-n] [-i IFNAME] ...",
    summary: "out-of-band ports, the VLAN filter list, and who is known on them",
    words: &[
        (
            "-e -i <ifname> [-p][-b]",
            "enable out-of-band port in network interface <ifname>",
        ),
        (
            "   -p <pool-size>",
            "number of buffers, at most 32768 (0=default, 2048)",
        ),
        (
            "   -b <buffer-size>",
            "octets of a buffer, at most 16384 (0=default, 4096)",
        ),
        (
            "-d -i <ifname>",
            "disable out-of-band port in network interface <ifname>",
        ),
        (
            "-s <host> [-i][-g]",
            "solicit <host>, via <ifname> if given",
        ),
        (
            "-S <host> [-i][-g]",
            "like -s, marking its ARP entry as permanent",
        ),
        ("   -g", "allow routing to it via gateways"),
        ("-Q[RrTtosfacx] -i", "query information about an interface"),
        (
            "-F[<bpf-module.o>] -i",
            "put an eBPF filter, a file of 'ls', to work on a card; without a name, remove it",
        ),
        (
            "-N[<vlan-id-list>]",
            "set the VLAN filter list, or clear it",
        ),
        ("-n", "show the VLAN filter list"),
    ],
    examples: &[
        "evl net -ei eth0.42",
        "evl net -N41,42,55-57",
        "evl net -QoRTf -i eth0.42",
    ],
    complete: |before| match before {
        [] => Completion::words(&["net"]),
        _ => Completion {
            before_file: Some("-F"),
            ..Completion::with_interfaces(OPTIONS)
        },
    },
    test_only: false,
    parse,
};

const READER: Reader = Reader { command: "evl net" };
/// The largest pool, in buffers (`evl net -p`).
const LARGEST_POOL: u32 = 32_768;
/// The largest buffer, in octets (`evl net -b`).
const LARGEST_BUFFER: u32 = 16_384;
/// What a buffer holds beside a datagram: an Ethernet header and a VLAN tag.
const HEADERS: u16 = 18;

/// Long names of the options.
const LONG: &[(&str, char)] = &[
    ("enable", 'e'),
    ("disable", 'd'),
    ("interface", 'i'),
    ("pool-size", 'p'),
    ("buffer-size", 'b'),
    ("solicit", 's'),
    ("solicit-permanent", 'S'),
    ("gateway", 'g'),
    ("query", 'Q'),
    ("filter", 'F'),
    ("set-vlans", 'N'),
    ("show-vlans", 'n'),
    // As EVL's program spells them.
    ("enable-port", 'e'),
    ("disable-port", 'd'),
    ("query-port", 'Q'),
    ("allow-gateway", 'g'),
    ("set-vlan-ids", 'N'),
    ("print-vlan-ids", 'n'),
];
const OPTIONS: &[&str] = &[
    "-e", "-d", "-i", "-p", "-b", "-s", "-S", "-g", "-Q", "-F", "-N", "-n",
];

/// What `evl net` is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evl {
    interface: Option<Word>,
    disable: bool,
    enable: bool,
    pool: Option<u16>,
    buffer_octets: Option<u16>,
    filter: Option<FilterChange>,
    vlans: Option<Change>,
    show_vlans: bool,
    solicit: Option<(Ipv4Addr, bool)>,
    over_gateway: bool,
    /// The letters behind `-Q`.
    query: Option<Word>,
}

/// What becomes of a card's eBPF filter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FilterChange {
    Remove,
    Load(Name),
}

/// The name of a file.
type Name = heapless::String<64>;

/// What becomes of the filter list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Clear,
    Replace(Box<VlanSet>),
    Add(Box<VlanSet>),
}

fn parse(_: Grammar, words: &mut Words<'_>) -> Result<Command, Mistake> {
    let missing = Mistake::MissingWord {
        command: SPECIFICATION.name,
        synopsis: SPECIFICATION.synopsis,
    };
    match words.next() {
        Some("net") => {}
        None => return Err(missing),
        Some(other) => {
            let reader = Reader { command: "evl" };
            return Err(reader.none_of(other, &["net"]));
        }
    }
    if words.peek().is_none() {
        return Ok(Command::Help(super::help::Topic::Command(&SPECIFICATION)));
    }
    let mut evl = Evl::default();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let known = LONG.iter().find(|&&(long, _)| long == name);
            let &(_, letter) = known.ok_or_else(|| {
                let near = crate::suggest::nearest(name, LONG.iter().map(|&(long, _)| long));
                Mistake::WrongWord {
                    command: READER.command,
                    word: clipped(word),
                    expected: OPTIONS,
                    near,
                }
            })?;
            evl.option(letter, word, value, words)?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            evl.cluster(letters, word, words)?;
        } else if evl.vlans == Some(Change::Clear)
            && READER.vlans(word.strip_prefix('+').unwrap_or(word)).is_ok()
        {
            return Err(READER.apart(word, "-N"));
        } else if evl.filter == Some(FilterChange::Remove) {
            return Err(READER.apart(word, "-F"));
        } else if evl.interface.is_none() && !word.starts_with('-') {
            let expected = "an option: the interface stands behind -i, as in -i eth0.42";
            return Err(READER.wrong(word, expected));
        } else {
            return Err(READER.none_of(word, OPTIONS));
        }
    }
    evl.check()?;
    Ok(Command::Evl(evl))
}

impl Evl {
    /// Reads options that stand together, the last of which may have a value, as in `-ei eth0.42`.
    fn cluster<'line>(
        &mut self,
        letters: &'line str,
        word: &str,
        words: &mut Words<'line>,
    ) -> Result<(), Mistake> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let takes_rest = matches!(letter, 'i' | 'p' | 'b' | 's' | 'S' | 'Q' | 'F' | 'N');
            let behind = rest.as_str();
            let value = Some(behind).filter(|behind| takes_rest && !behind.is_empty());
            self.option(letter, word, value, words)?;
            if takes_rest {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads one option; `value` is what stands behind it in the same word.
    fn option<'line>(
        &mut self,
        letter: char,
        word: &str,
        value: Option<&'line str>,
        words: &mut Words<'line>,
    ) -> Result<(), Mistake> {
        match letter {
            'e' => self.enable = true,
            'd' => self.disable = true,
            'g' => self.over_gateway = true,
            'n' => self.show_vlans = true,
            'i' => self.interface = Some(clipped(value_of("-i", value, words)?)),
            'p' => {
                let expected = "a number of buffers from 1 to 32768, or 0 for 2048";
                let word = value_of("-p", value, words)?;
                let pool = READER.number(word, 0..=LARGEST_POOL, expected)?;
                self.pool = Some(pool as u16);
            }
            'b' => {
                let expected = "a size in octets from 1 to 16384, or 0 for 4096";
                let word = value_of("-b", value, words)?;
                let size = READER.number(word, 0..=LARGEST_BUFFER, expected)?;
                self.buffer_octets = Some(size as u16);
            }
            's' | 'S' => {
                let host = value_of(if letter == 's' { "-s" } else { "-S" }, value, words)?;
                let address = match host {
                    "broadcast" => Ipv4Addr::BROADCAST,
                    host => READER.address(host)?,
                };
                self.solicit = Some((address, letter == 'S'));
            }
            'Q' => {
                let letters = value.unwrap_or("");
                if letters.chars().any(|letter| !"RrTtosfacx".contains(letter)) {
                    return Err(READER.wrong(word, "-Q with letters out of RrTtosfacx"));
                }
                self.query = Some(clipped(letters));
            }
            'F' => {
                self.filter = Some(match value {
                    None | Some("") => FilterChange::Remove,
                    Some(file) => FilterChange::Load(clipped(file)),
                });
            }
            'N' => {
                self.vlans = Some(match value {
                    None | Some("") => Change::Clear,
                    Some(list) => match list.strip_prefix('+') {
                        Some(more) => Change::Add(Box::new(READER.vlans(more)?)),
                        None => Change::Replace(Box::new(READER.vlans(list)?)),
                    },
                });
            }
            _ => return Err(READER.none_of(word, OPTIONS)),
        }
        Ok(())
    }

    /// Checks that the options go together.
    fn check(&self) -> Result<(), Mistake> {
        let missing = |after, expected| {
            Err(Mistake::MissingValue {
                command: READER.command,
                after,
                expected,
            })
        };
        const INTERFACE: &str = "'-i IFNAME'";
        let has_interface = self.interface.is_some();
        if self.enable && !has_interface {
            return missing("-e", INTERFACE);
        }
        if self.disable && !has_interface {
            return missing("-d", INTERFACE);
        }
        if self.filter.is_some() && !has_interface {
            return missing("-F", INTERFACE);
        }
        if self.query.is_some() && !has_interface {
            return missing("-Q", INTERFACE);
        }
        if (self.pool.is_some() || self.buffer_octets.is_some()) && !self.enable {
            return missing("-p and -b", "'-e': they say how a port is enabled");
        }
        if self.over_gateway && self.solicit.is_none() {
            return missing("-g", "'-s HOST' or '-S HOST'");
        }
        let broadcast = matches!(self.solicit, Some((Ipv4Addr::BROADCAST, _)));
        if broadcast && !has_interface {
            return missing("broadcast", INTERFACE);
        }
        let does_something = self.enable
            || self.disable
            || self.filter.is_some()
            || self.vlans.is_some()
            || self.show_vlans
            || self.solicit.is_some()
            || self.query.is_some();
        if !does_something {
            return missing("-i", "what is to be done with it: -e, -d, -s, -S, -F or -Q");
        }
        Ok(())
    }
}

/// The value of an option: behind it in the same word, or the next word.
fn value_of<'line>(
    option: &'static str,
    value: Option<&'line str>,
    words: &mut Words<'line>,
) -> Result<&'line str, Mistake> {
    match value {
        Some(value) => Ok(value),
        None => READER.value(
            words,
            option,
            match option {
                "-i" => "the name of an interface",
                "-p" | "-b" => "a number",
                _ => "an IPv4 address or 'broadcast'",
            },
        ),
    }
}

/// Does it.
pub(crate) fn carry_out(evl: &Evl, cards: &mut Cards<'_>) -> Result<(), Refusal> {
    const REASON: &str = "frames without a VLAN are always in-band; make one with 'ip link add'";
    let place = evl.interface.as_deref().map(|name| {
        let found = if evl.enable || evl.disable {
            cards.vlan_device(name, REASON)
        } else {
            cards.find(name)
        };
        found.map(|place| (name, place))
    });
    let place = place.transpose()?;
    let filter = evl.filter.as_ref();
    let filter = filter
        .map(|change| load_filter(change, cards))
        .transpose()?;
    // Only this can be refused from here on, so that it comes first; it changes nothing but whom we ask.
    if let Some((address, permanent)) = evl.solicit {
        let place = place.map(|(_, place)| place);
        // There is nobody to ask for: these are always known.
        if !address.is_broadcast() && !address.is_loopback() {
            cards.solicit(address, place, permanent, evl.over_gateway)?;
        }
    }
    if let Some((name, place)) = place {
        let interface = cards.interface(place.card)?;
        if evl.disable {
            interface
                .set_oob_port(place.vid, false)
                .map_err(about(name))?;
        }
        let device = interface.device(place.vid);
        let is_enabled = device.is_some_and(|device| device.has_oob_port());
        if evl.enable && !is_enabled {
            let default = OobPool::default();
            let least = device.map_or(0, |device| device.mtu()) + HEADERS;
            let pool = OobPool {
                buffers: or_default(evl.pool, default.buffers),
                // EVL: raised to hold the MTU.
                buffer_octets: or_default(evl.buffer_octets, default.buffer_octets).max(least),
            };
            interface
                .set_oob_pool(place.vid, pool)
                .map_err(about(name))?;
            interface
                .set_oob_port(place.vid, true)
                .map_err(about(name))?;
            // A port on a device that is down would be of no use to anybody.
            interface.set_up(place.vid, true).map_err(about(name))?;
        }
    }
    if let (Some(filter), Some((_, place))) = (filter, place) {
        let interface = cards.interface(place.card)?;
        match filter {
            Some(filter) => interface.install_filter(filter),
            None => {
                interface.remove_filter();
            }
        }
    }
    match &evl.vlans {
        None => {}
        Some(Change::Clear) => set_vlans(cards, &VlanSet::new()),
        Some(Change::Replace(set)) => set_vlans(cards, set),
        Some(Change::Add(more)) => {
            for interface in cards.iter_mut() {
                let mut set = interface.vlan_filter().clone();
                set.add(more);
                interface.set_vlan_filter(set);
            }
        }
    }
    Ok(())
}

/// What was asked for; 0 and nothing mean the default.
fn or_default(asked: Option<u16>, default: u16) -> u16 {
    asked.filter(|&asked| asked > 0).unwrap_or(default)
}

/// What an ELF object begins with.
const ELF: &[u8] = b"\x7fELF";
/// Octets of what is wrong with a filter: with the file's name, no more than a line.
const PROBLEM: usize = 120;

/// The filter that is to be put to work; `None` when one is to be removed.
fn load_filter(change: &FilterChange, cards: &Cards<'_>) -> Result<Option<Box<Filter>>, Refusal> {
    let FilterChange::Load(name) = change else {
        return Ok(None);
    };
    let seed = cards.now().ticks();
    let octets = cards.file(name)?;
    let refused = |problem: &str| Refusal::Filter {
        subject: clipped(name),
        problem: problem.into(),
    };
    if !octets.starts_with(ELF) {
        return Err(refused(&not_elf(octets)));
    }
    match Filter::load(octets, seed) {
        Ok(mut filter) => {
            filter.set_file(name);
            Ok(Some(Box::new(filter)))
        }
        Err(error) => Err(refused(&clipped::<PROBLEM>(error))),
    }
}

/// What a file says that is no ELF object.
fn not_elf(octets: &[u8]) -> String {
    const SHOWN: usize = 8;
    let begin = octets.get(..SHOWN).unwrap_or(octets);
    let begins = match (begin, core::str::from_utf8(begin)) {
        ([], _) => text!("is empty"),
        (_, Ok(line)) => {
            let line = line.split(char::is_control).next().unwrap_or("");
            text!("begins with '{}'", clipped::<SHOWN>(line))
        }
        (_, Err(_)) => {
            let mut digits = text!("begins with the octets");
            begin
                .iter()
                .for_each(|octet| digits += &text!(" {octet:02x}"));
            digits
        }
    };
    text!("no ELF object, it {begins}; 'clang -O2 -g -target bpf -c FILE.c' makes one")
}

/// Makes `set` the filter list of every card: in EVL there is one for the machine.
pub(super) fn set_vlans(cards: &mut Cards<'_>, set: &VlanSet) {
    for interface in cards.iter_mut() {
        interface.set_vlan_filter(set.clone());
    }
}
