//! How the cost of an answer grows with what there is besides: batches, cards, VLANs, addresses.

use pollux_tests::appliance::Boot;

use crate::frames::{VLAN, icmp_echo};
use crate::instructions::{Count, Kind, count_in};

/// Frames in a batch, unless it is about that.
const BATCH: usize = 32;

/// One row of the table.
pub struct Row {
    /// What there is so many of.
    pub what: &'static str,
    /// How many.
    pub number: usize,
    /// Instructions for an echo of 102 octets.
    pub count: Count,
}

/// Counts all rows, one after the other, each with a boot of its own.
///
/// # Panics
///
/// An appliance did not come up, or did not answer.
pub fn rows() -> impl Iterator<Item = Row> {
    let echo = Kind::of("icmp-echo-102", icmp_echo(102, VLAN));
    let e1000 = || Boot::new().with(&["--nic", "e1000", "--memory", "256"]);
    let count = move |boot, commands: &[String], batch| {
        let commands: Vec<_> = commands.iter().map(String::as_str).collect();
        count_in(boot, &commands, &echo, batch)
    };
    let rows = [
        ("frames in a batch", &[1, 2, 4, 8, 16, 32, 64][..]),
        ("cards", &[1, 2, 3, 5, 9][..]),
        ("VLAN devices", &[1, 10, 100, 1_000, 4_094][..]),
        ("addresses of the device", &[1, 2, 4, 8][..]),
    ];
    let rows = rows.into_iter();
    let rows = rows.flat_map(|(what, numbers)| numbers.iter().map(move |&number| (what, number)));
    rows.map(move |(what, number)| {
        let mut boot = e1000();
        let mut commands = Vec::new();
        let mut batch = BATCH;
        match what {
            "frames in a batch" => batch = number,
            "cards" => {
                for _ in 1..number {
                    boot = boot.qemu(&["-device", "e1000,romfile="]);
                }
            }
            "VLAN devices" => commands.extend(
                (1..)
                    .filter(|vid| *vid != VLAN)
                    .take(number - 1)
                    .map(|vid| format!("ip link add link eth0 name eth0.{vid} type vlan id {vid}")),
            ),
            _ => {
                commands.extend(
                    (1..number).map(|host| format!("ip addr add 10.20.{host}.1/24 dev eth0.42")),
                );
            }
        }
        Row {
            what,
            number,
            count: count(boot, &commands, batch),
        }
    })
}
