//! Every card, machine and option of [`pollux_tests::matrix`], measured: how soon it answers, how soon it answers one who
//! asks one at a time, and how much it answers one who asks many.

use std::time::Duration;

use pollux_tests::matrix::{ROWS, Row};

/// Pings one at a time.
const ALONE: u64 = 2_000;
/// Pings with [`WINDOW`] under way.
const TOGETHER: u64 = 20_000;
const WINDOW: usize = 32;

/// What was measured in one boot.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// From the start of QEMU's process to the first ARP reply.
    first_reply: Duration,
    /// Half of the round trips were shorter.
    round_trip: Duration,
    answers_per_second: f64,
}

/// Measures all rows, `rounds` times one after the other, and prints the medians as a table.
///
/// # Panics
///
/// One of them did not come up, or did not answer everything.
pub fn print(rounds: usize) {
    let mut measured = vec![Vec::new(); ROWS.len()];
    for round in 1..=rounds {
        for (row, figures) in ROWS.into_iter().zip(&mut measured) {
            eprintln!(
                "pollux: round {round} of {rounds}: {} {}",
                row.machine, row.nic
            );
            figures.push(measure(row));
        }
    }
    println!("| machine | card | first ARP reply | round trip | answers a second |");
    println!("|---|---|---|---|---|");
    for (row, figures) in ROWS.into_iter().zip(&measured) {
        let of = |figure: fn(&Figures) -> f64| median(figures.iter().map(figure).collect());
        println!(
            "| {} | `{}` | {:.2} s | {:.0} µs | {:.0},000 |",
            row.machine,
            row.nic,
            of(|figures| figures.first_reply.as_secs_f64()),
            of(|figures| figures.round_trip.as_secs_f64() * 1e6),
            of(|figures| figures.answers_per_second / 1e3),
        );
    }
}

fn measure(row: Row) -> Figures {
    let mut appliance = row.boot().start();
    let alone = appliance.peer.ping(|settings| {
        settings.count = Some(ALONE);
    });
    assert!(alone.all_answered(), "{row:?}\n{alone}");
    let together = appliance.peer.ping(|settings| {
        settings.count = Some(TOGETHER);
        settings.window = WINDOW;
    });
    assert!(together.all_answered(), "{row:?}\n{together}");
    Figures {
        first_reply: appliance.first_arp_reply(),
        round_trip: alone.percentile(50.0).unwrap_or_default(),
        answers_per_second: TOGETHER as f64 / together.elapsed.as_secs_f64(),
    }
}

/// The middle one, or the lower of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_of_what_was_measured() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
        assert_eq!(median(vec![5.0]), 5.0);
    }
}
