//! The command line.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::time::Duration;

use lexopt::prelude::*;
use pollux_issuer::frame::{LARGEST_PAYLOAD, Tag};
use pollux_issuer::ping::LARGEST_WINDOW;
use pollux_issuer::wire::{self, Address};

/// What `--help` prints.
pub const HELP: &str = "\
Pings an appliance with raw Ethernet frames and checks every byte of every answer.

usage: pollux-issuer ping ADDRESS [OPTIONS]

      --net dgram:PORT     QEMU's -netdev dgram: guest on UDP PORT, we on PORT+1 (dgram:4200)
      --net tap:INTERFACE  a network interface of this host, as root or with CAP_NET_RAW
      --vlan VID           the VLAN, 1 to 4094, or `none` for untagged frames (42)
      --pcp N              the priority of the requests, 0 to 7 (0)
      --source ADDRESS     our own IPv4 address (10.10.10.10)
  -c, --count N            requests to send (without end)
  -i, --interval SECONDS   from one request to the next (1)
  -s, --size BYTES         octets of payload, 0 to 1472 (56)
  -f, --flood              send whenever the window permits and print the statistics only
  -q, --quiet              print the statistics only
      --window N           requests that may be under way, 1 to 32768 (32768; with --flood 1)
  -W, --timeout SECONDS    how long an answer may take (1)
      --wait SECONDS       how long to ask for the peer's address (3)

Exit status: 0 every request was answered right in every byte, 1 not so, 2 nothing could be asked.
";

/// What was asked for.
#[derive(Debug, PartialEq)]
pub enum Arguments {
    /// `--help`.
    Help,
    /// `ping`.
    Ping(Ping),
}

/// The arguments of `ping`, with the defaults filled in.
#[derive(Debug, PartialEq)]
pub struct Ping {
    /// The address to ping.
    pub target: Ipv4Addr,
    /// The wire.
    pub net: Address,
    /// The tag of the requests.
    pub tag: Option<Tag>,
    /// Our own address.
    pub source: Ipv4Addr,
    /// Requests to send.
    pub count: Option<u64>,
    /// From one request to the next; zero for a flood.
    pub interval: Duration,
    /// Octets of payload.
    pub size: usize,
    /// Whether single answers go unprinted.
    pub quiet: bool,
    /// Whether the next request goes out as soon as the window permits.
    pub flood: bool,
    /// Requests that may be under way.
    pub window: usize,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long to ask for the peer's address.
    pub wait: Duration,
}

/// What can be wrong with a command line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a command.
    #[error("unknown command `{0}`: the command is `ping ADDRESS` (see --help)")]
    Command(String),
    /// Nothing to ping.
    #[error("ping needs the address to ping, such as `ping 10.10.10.11`")]
    NoTarget,
    /// A value that its option does not take.
    #[error("{option} takes {takes}, not `{value}`")]
    Value {
        /// The option.
        option: &'static str,
        /// What would have been right.
        takes: &'static str,
        /// What was given.
        value: String,
    },
    /// An unknown option, or one without its value.
    #[error("{0} (see --help)")]
    Option(#[from] lexopt::Error),
    /// The network is not one.
    #[error(transparent)]
    Net(#[from] wire::Error),
}

impl Arguments {
    /// Reads the command line of this process.
    ///
    /// # Errors
    ///
    /// The first thing in it that makes no sense.
    pub fn parse() -> Result<Self, Error> {
        Self::parse_from(lexopt::Parser::from_env())
    }

    fn parse_from(mut parser: lexopt::Parser) -> Result<Self, Error> {
        match parser.next()? {
            Some(Value(command)) if command == "ping" => parse_ping(parser),
            Some(Long("help") | Short('h')) => Ok(Self::Help),
            Some(Value(command)) => Err(Error::Command(command.to_string_lossy().into_owned())),
            Some(option) => Err(option.unexpected().into()),
            None => Err(Error::Command(String::new())),
        }
    }
}

fn parse_ping(mut parser: lexopt::Parser) -> Result<Arguments, Error> {
    let mut target = None;
    let mut net = Address::Dgram(4200);
    let mut vid = Some(42);
    let mut pcp = 0;
    let mut source = Ipv4Addr::new(10, 10, 10, 10);
    let mut count = None;
    let mut interval = Duration::from_secs(1);
    let mut size = 56;
    let mut quiet = false;
    let mut flood = false;
    let mut window = None;
    let mut timeout = Duration::from_secs(1);
    let mut wait = Duration::from_secs(3);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Arguments::Help),
            Long("net") => net = parser.value()?.to_string_lossy().parse()?,
            Long("vlan") => {
                let value = parser.value()?;
                vid = if value == "none" {
                    None
                } else {
                    Some(number("--vlan", "1 to 4094 or `none`", value, 1..=4094)? as u16)
                };
            }
            Long("pcp") => pcp = number("--pcp", "0 to 7", parser.value()?, 0..=7)? as u8,
            Long("source") => source = address("--source", parser.value()?)?,
            Long("count") | Short('c') => {
                let value = parser.value()?;
                count = Some(number(
                    "--count",
                    "a number from 1 on",
                    value,
                    1..=u64::MAX,
                )?);
            }
            Long("interval") | Short('i') => interval = seconds("--interval", parser.value()?)?,
            Long("size") | Short('s') => {
                let largest = LARGEST_PAYLOAD as u64;
                size = number("--size", "0 to 1472", parser.value()?, 0..=largest)? as usize;
            }
            Long("quiet") | Short('q') => quiet = true,
            Long("flood") | Short('f') => flood = true,
            Long("window") => {
                let largest = LARGEST_WINDOW as u64;
                let value = parser.value()?;
                window = Some(number("--window", "1 to 32768", value, 1..=largest)? as usize);
            }
            Long("timeout") | Short('W') => timeout = seconds("--timeout", parser.value()?)?,
            Long("wait") => wait = seconds("--wait", parser.value()?)?,
            Value(value) if target.is_none() => target = Some(address("ping", value)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if flood {
        interval = Duration::ZERO;
    }
    Ok(Arguments::Ping(Ping {
        target: target.ok_or(Error::NoTarget)?,
        net,
        tag: vid.map(|vid| Tag {
            pcp,
            ..Tag::new(vid)
        }),
        source,
        count,
        interval,
        size,
        quiet: quiet || flood,
        flood,
        window: window.unwrap_or(if flood { 1 } else { LARGEST_WINDOW }),
        timeout,
        wait,
    }))
}

fn wrong(option: &'static str, takes: &'static str, value: &OsString) -> Error {
    Error::Value {
        option,
        takes,
        value: value.to_string_lossy().into_owned(),
    }
}

fn number(
    option: &'static str,
    takes: &'static str,
    value: OsString,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, Error> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| wrong(option, takes, &value))
}

/// A duration in seconds, no longer than a day.
fn seconds(option: &'static str, value: OsString) -> Result<Duration, Error> {
    let seconds = value.to_str().and_then(|text| text.parse().ok());
    seconds
        .filter(|seconds: &f64| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| wrong(option, "seconds, such as 1 or 0.01", &value))
}

fn address(option: &'static str, value: OsString) -> Result<Ipv4Addr, Error> {
    let address = value.to_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| wrong(option, "an IPv4 address such as 10.10.10.11", &value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Error> {
        Arguments::parse_from(lexopt::Parser::from_args(line.split_whitespace()))
    }

    fn ping(line: &str) -> Ping {
        match parse(line) {
            Ok(Arguments::Ping(ping)) => ping,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_ping_on_vlan_42() {
        let ping = ping("ping 10.10.10.11");
        assert_eq!(ping.target, Ipv4Addr::new(10, 10, 10, 11));
        assert_eq!(ping.net, Address::Dgram(4200));
        assert_eq!(ping.tag, Some(Tag::new(42)));
        assert_eq!((ping.count, ping.size), (None, 56));
        assert_eq!(ping.interval, Duration::from_secs(1));
    }

    #[test]
    fn every_option_is_taken() {
        let ping = ping(
            "ping --net tap:tap0 --vlan 7 --pcp 5 --source 10.0.0.1 --count 3 --interval 0.5 \
             --size 0 --window 64 --timeout 2 --wait 10 10.0.0.2",
        );
        assert_eq!(ping.net, Address::Interface("tap0".to_owned()));
        let tag = Tag {
            vid: 7,
            pcp: 5,
            dei: false,
        };
        assert_eq!(ping.tag, Some(tag));
        assert_eq!(ping.source, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!((ping.count, ping.size, ping.window), (Some(3), 0, 64));
        assert_eq!(ping.interval, Duration::from_millis(500));
        assert_eq!(ping.timeout, Duration::from_secs(2));
        assert_eq!(ping.wait, Duration::from_secs(10));
    }

    #[test]
    fn the_letters_of_ping_mean_the_same() {
        let letters = ping("ping -c 3 -i0.5 -s 0 -W 2 -q 10.0.0.2");
        let words = ping("ping --count 3 --interval 0.5 --size 0 --timeout 2 --quiet 10.0.0.2");
        assert_eq!(letters, words);
        assert!(letters.quiet && !letters.flood);
        assert_eq!((letters.count, letters.size), (Some(3), 0));
        assert_eq!(ping("ping -f 10.0.0.2"), ping("ping --flood 10.0.0.2"));
        assert!(ping("ping -f 10.0.0.2").quiet);
    }

    #[test]
    fn a_flood_keeps_one_under_way_unless_told_otherwise() {
        assert_eq!(ping("ping 10.0.0.2 --flood").window, 1);
        assert_eq!(ping("ping 10.0.0.2 --flood --window 32").window, 32);
        assert_eq!(ping("ping 10.0.0.2 --flood").interval, Duration::ZERO);
    }

    #[test]
    fn untagged_is_none() {
        assert_eq!(ping("ping 10.0.0.2 --vlan none").tag, None);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        for (line, words) in [
            ("", "`ping ADDRESS`"),
            ("pong 10.0.0.2", "`pong`"),
            ("ping", "needs the address"),
            ("ping ten", "`ten`"),
            ("ping 10.0.0.2 --vlan 4095", "1 to 4094"),
            ("ping 10.0.0.2 --vlan 0", "`0`"),
            ("ping 10.0.0.2 --pcp 8", "0 to 7"),
            ("ping 10.0.0.2 --size 1473", "0 to 1472"),
            ("ping 10.0.0.2 --count 0", "`0`"),
            ("ping 10.0.0.2 --interval -1", "seconds"),
            ("ping 10.0.0.2 --interval NaN", "seconds"),
            ("ping 10.0.0.2 --net eth0", "`eth0`"),
            ("ping 10.0.0.2 --speed 9", "--speed"),
            ("ping 10.0.0.2 10.0.0.3", "10.0.0.3"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
