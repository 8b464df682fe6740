//! The `pollux-issuer` command: pings an appliance over raw Ethernet frames and prints what ping
//! prints, and more.
//!
//! Exit status: 0 when every request was answered right in every byte, 1 when not, 2 when the
//! command line or the host made it impossible to ask.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pollux_issuer::arp::{self, Station};
use pollux_issuer::frame::MacAddress;
use pollux_issuer::ping::{self, Event, Settings};
use signal_hook::consts::{SIGINT, SIGTERM};

mod arguments;

use arguments::{Arguments, Ping};

/// How often the peer's address is asked for while it does not answer.
const ARP_INTERVAL: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match Arguments::parse() {
        Ok(Arguments::Help) => {
            print!("{}", arguments::HELP);
            ExitCode::SUCCESS
        }
        Ok(Arguments::Ping(arguments)) => match ping(&arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => fail(&error.to_string()),
        },
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("pollux-issuer: {error}");
    ExitCode::from(2)
}

/// Runs one ping session; true if every request was answered rightly.
fn ping(arguments: &Ping) -> Result<bool, Box<dyn std::error::Error>> {
    let mut wire = arguments.net.open()?;
    let stop = stop_on_signal()?;
    let station = Station {
        mac_address: wire.mac_address().unwrap_or(own_mac_address(arguments)),
        address: arguments.source,
        tag: arguments.tag,
    };
    let vlan = arguments.tag.map_or_else(
        || "untagged".to_owned(),
        |tag| format!("on VLAN {}", tag.vid),
    );
    let deadline = Instant::now() + arguments.wait;
    let target = arguments.target;
    let Some(target_mac) = arp::resolve(
        wire.as_mut(),
        &station,
        target,
        ARP_INTERVAL,
        deadline,
        &stop,
    )?
    else {
        if let Some(reason) = wire.absence() {
            return Err(reason.into());
        }
        eprintln!(
            "pollux-issuer: {target} did not answer ARP {vlan} on {} within {} s",
            arguments.net,
            arguments.wait.as_secs_f64()
        );
        return Ok(false);
    };
    let settings = Settings {
        count: arguments.count,
        interval: arguments.interval,
        size: arguments.size,
        window: arguments.window,
        timeout: arguments.timeout,
        id: std::process::id() as u16,
        ..Settings::new(station, target, target_mac)
    };
    println!(
        "PING {target} ({target}) {0}({1}) bytes of data {vlan}.",
        arguments.size,
        arguments.size + 28
    );
    let mut out = io::stdout().lock();
    let mut printed = Ok(());
    let report = ping::run(wire.as_mut(), &settings, &stop, &mut |event| {
        if let Some(line) = line(event, arguments) {
            printed = writeln!(out, "{line}").and_then(|()| out.flush());
            if printed.is_err() {
                // Nobody reads any more.
                stop.store(true, Ordering::Relaxed);
            }
        }
    })?;
    printed?;
    writeln!(out, "\n--- {target} ping statistics ---\n{report}")?;
    Ok(report.all_answered())
}

/// What is printed of an event, if anything: where it is to be quiet, as in a flood, the statistics tell of answers.
fn line(event: &Event, arguments: &Ping) -> Option<String> {
    let target = arguments.target;
    let reply = |number: u64, ttl: u8, round_trip: Duration| {
        format!(
            "{} bytes from {target}: icmp_seq={} ttl={ttl} time={} ms",
            arguments.size + 8,
            number as u16,
            Milliseconds(round_trip)
        )
    };
    match *event {
        Event::Answered { .. } | Event::Overdue { .. } if arguments.quiet => None,
        Event::Answered {
            number,
            ttl,
            round_trip,
        } => Some(reply(number, ttl, round_trip)),
        Event::Duplicate {
            number,
            ttl,
            round_trip,
        } => Some(reply(number, ttl, round_trip) + " (DUP!)"),
        Event::Overdue { number } => Some(format!(
            "no answer yet from {target}: icmp_seq={}",
            number as u16
        )),
        Event::Corrupted {
            number: Some(number),
            ref wrong,
        } => Some(format!(
            "wrong answer from {target}: icmp_seq={}: {wrong}",
            number as u16
        )),
        Event::Corrupted {
            number: None,
            ref wrong,
        } => Some(format!("wrong answer from {target}: {wrong}")),
    }
}

/// A time in milliseconds with the digits that ping gives it.
struct Milliseconds(Duration);

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_secs_f64() * 1e3;
        match ms {
            100.0.. => write!(f, "{ms:.0}"),
            10.0.. => write!(f, "{ms:.1}"),
            1.0.. => write!(f, "{ms:.2}"),
            _ => write!(f, "{ms:.3}"),
        }
    }
}

/// A locally administered address made from the IPv4 address, for wires without one.
fn own_mac_address(arguments: &Ping) -> MacAddress {
    let [a, b, c, d] = arguments.source.octets();
    [0x02, 0x00, a, b, c, d]
}

/// A flag that Ctrl-C and `kill` set; a second Ctrl-C ends the process at once.
fn stop_on_signal() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_as_ping_has() {
        let ms = |us| Milliseconds(Duration::from_micros(us)).to_string();
        assert_eq!(ms(45), "0.045");
        assert_eq!(ms(1_234), "1.23");
        assert_eq!(ms(12_345), "12.3");
        assert_eq!(ms(123_456), "123");
    }
}
