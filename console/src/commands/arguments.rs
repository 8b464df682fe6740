//! Arguments that several commands have: addresses, names, numbers, words that can be abbreviated.

use crate::error::{Mistake, Word};
use crate::suggest::nearest;
use crate::text::clipped;
use crate::words::Words;
use core::net::Ipv4Addr;
use core::ops::RangeInclusive;
use pollux_net::interface::Ipv4Cidr;
use pollux_net::vlan::VlanSet;
use pollux_net::wire::ethernet::MacAddress;

/// What a name of a device is said to be.
pub(crate) const INTERFACE: &str = "the name of an interface, such as eth0.42";

/// Octets of a path that are shown: with what is said of it, they fit on a line.
const MAXIMUM_PATH: usize = 100;

/// How many requests are said to be sent.
pub(crate) const REQUESTS: &str = "a number of requests, 1 or more";

/// Reads the arguments of one command, which names itself in what it says about them.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    /// The command, such as `ip link`.
    pub command: &'static str,
}

impl Reader {
    /// The next word, which must be there; `after` is the one before it.
    pub(crate) fn value<'line>(
        self,
        words: &mut Words<'line>,
        after: &'static str,
        expected: &'static str,
    ) -> Result<&'line str, Mistake> {
        words.next().ok_or(Mistake::MissingValue {
            command: self.command,
            after,
            expected,
        })
    }

    /// That `word` is not what was `expected`.
    pub(crate) fn wrong(self, word: &str, expected: &'static str) -> Mistake {
        Mistake::WrongValue {
            command: self.command,
            word: clipped(word),
            expected,
        }
    }

    /// That no file has this path, all of which is shown.
    pub(crate) fn wrong_path(self, path: &str, expected: &'static str) -> Mistake {
        let shown: heapless::String<MAXIMUM_PATH> = clipped(path);
        Mistake::WrongPath {
            command: self.command,
            path: shown.as_str().into(),
            expected,
        }
    }

    /// That `word` is the value of `option`, behind which it must stand in the same word because the option can do without.
    pub(crate) fn apart(self, word: &str, option: &'static str) -> Mistake {
        Mistake::ValueApart {
            command: self.command,
            option,
            word: clipped(word),
        }
    }

    /// That `word` is not done here.
    pub(crate) fn not_supported(self, word: &str, reason: &'static str) -> Mistake {
        Mistake::NotSupported {
            command: self.command,
            word: clipped(word),
            reason,
        }
    }

    /// That `word` is none of `expected`.
    pub(crate) fn none_of(self, word: &str, expected: &'static [&'static str]) -> Mistake {
        // One letter is as near to another as to any.
        let is_letter = word.starts_with('-') && word.len() == 2;
        let candidates = expected.iter().copied().filter(|_| !is_letter);
        Mistake::WrongWord {
            command: self.command,
            word: clipped(word),
            expected,
            near: nearest(word, candidates),
        }
    }

    /// The first of `expected` that `word` begins, as iproute2 reads its words.
    pub(crate) fn abbreviated(
        self,
        word: &str,
        expected: &'static [&'static str],
    ) -> Result<&'static str, Mistake> {
        let mut whole = expected.iter().filter(|whole| whole.starts_with(word));
        match whole.next() {
            Some(whole) if !word.is_empty() => Ok(whole),
            _ => Err(self.none_of(word, expected)),
        }
    }

    /// The name of a device, behind `after`.
    pub(crate) fn device(
        self,
        words: &mut Words<'_>,
        after: &'static str,
    ) -> Result<Word, Mistake> {
        let name = self.value(words, after, INTERFACE)?;
        Ok(clipped(name))
    }

    /// A number out of a range.
    pub(crate) fn number(
        self,
        word: &str,
        range: RangeInclusive<u32>,
        expected: &'static str,
    ) -> Result<u32, Mistake> {
        let is_plain = word.bytes().all(|digit| digit.is_ascii_digit());
        let number = word.parse().ok().filter(|_| is_plain);
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.wrong(word, expected))
    }

    /// An address.
    pub(crate) fn address(self, word: &str) -> Result<Ipv4Addr, Mistake> {
        let expected = "an IPv4 address, such as 10.10.10.10";
        word.parse().map_err(|_| self.wrong(word, expected))
    }

    /// An address with the length of its network's prefix, 32 where it is left out.
    pub(crate) fn cidr(self, word: &str) -> Result<Ipv4Cidr, Mistake> {
        let expected = "an IPv4 address with a prefix length from 0 to 32, such as 10.10.10.11/24";
        let wrong = || self.wrong(word, expected);
        let (address, length) = word.split_once('/').unwrap_or((word, "32"));
        let address = address.parse().map_err(|_| wrong())?;
        let length = self.number(length, 0..=32, expected).map_err(|_| wrong())?;
        Ipv4Cidr::new(address, length as u8).ok_or_else(wrong)
    }

    /// A station address.
    pub(crate) fn mac(self, word: &str) -> Result<MacAddress, Mistake> {
        let wrong = || self.wrong(word, "a station address, such as 02:00:00:00:00:01");
        let mut octets = [0; 6];
        let mut parts = word.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| (1..=2).contains(&part.len()));
            let value = part.and_then(|part| u8::from_str_radix(part, 16).ok());
            *octet = value.ok_or_else(wrong)?;
        }
        match parts.next() {
            None => Ok(MacAddress(octets)),
            Some(_) => Err(wrong()),
        }
    }

    /// A list of VLAN identifiers: decimals and ranges.
    pub(crate) fn vlans(self, list: &str) -> Result<VlanSet, Mistake> {
        let expected = "a list of VLAN identifiers from 2 to 4094, such as 42-45,100,107";
        let mut set = VlanSet::new();
        for part in list.split(',') {
            if part.trim().is_empty() && !list.is_empty() {
                let expected = "a list such as 42-45,100,107: one of its items is empty";
                return Err(self.wrong(list, expected));
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = self.number(first.trim(), 2..=4094, expected);
            let last = self.number(last.trim(), 2..=4094, expected);
            let (Ok(first), Ok(last)) = (first, last) else {
                return Err(self.wrong(part, expected));
            };
            if first > last {
                return Err(self.wrong(part, "a range that begins with its lower end"));
            }
            set.insert_range(first as u16, last as u16);
        }
        Ok(set)
    }
}
