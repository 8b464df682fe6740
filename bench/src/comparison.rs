//! The measurement of all side by side: who is asked what, when, and what came of it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::CARDS;
use crate::contenders::{Contender, Host, Name};
use crate::frames::LENGTHS;
use crate::load::{self, Outcome, Protocol, Workload};
use crate::quiet::{Quiet, TOLERATED};

/// The length of frames that the curves are drawn for.
pub const USUAL_LENGTH: usize = 102;
/// The length of the longest.
const LONGEST: usize = 1518;
/// Requests on their way at once when it is the rate that counts.
pub const MANY: usize = 32;
/// The most of long ones: QEMU's socket holds no more.
const MOST_LONG: usize = 64;
/// For how long one is asked before it counts, after it stood still.
const WARM_UP: Duration = Duration::from_millis(30);

/// What is measured, how often and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The numbers of requests on their way at once, for frames of [`USUAL_LENGTH`].
    usual: &'static [usize],
    /// The same, for frames of other lengths.
    others: &'static [usize],
    /// Whether cards but the first have less: the usual length and the longest, one and [`MANY`].
    is_quick: bool,
    /// How often everything is measured.
    pub rounds: usize,
    /// For how long it is asked with one request or [`MANY`] on their way, on which the comparison rests.
    compared: Duration,
    /// And with any other number, which is a point of a curve.
    drawn: Duration,
    /// For how long, in all, what other programs disturbed is measured again.
    pub patience: Duration,
}

impl Plan {
    /// Everything.
    pub const FULL: Self = Self {
        usual: &[1, 2, 4, 8, 16, 32, 64, 128, 256],
        others: &[1, 4, 16, 32, 64, 256],
        is_quick: false,
        rounds: 13,
        compared: Duration::from_millis(500),
        drawn: Duration::from_millis(150),
        patience: Duration::from_secs(600),
    };
    /// What is over within five minutes.
    pub const QUICK: Self = Self {
        usual: &[1, 4, 16, 32, 64, 256],
        others: &[1, MANY],
        is_quick: true,
        rounds: 5,
        compared: Duration::from_millis(200),
        drawn: Duration::from_millis(150),
        patience: Duration::from_secs(20),
    };

    fn workloads(&self, card: &str) -> Vec<Workload> {
        let shortened = self.is_quick && card != CARDS[0];
        let mut workloads = Vec::new();
        for protocol in Protocol::ALL {
            for length in LENGTHS {
                let is_usual = length == USUAL_LENGTH;
                if shortened && !is_usual && length != LONGEST {
                    continue;
                }
                let most = if length > 128 { MOST_LONG } else { usize::MAX };
                let outstanding = match is_usual && !shortened {
                    true => self.usual,
                    false => self.others,
                };
                let outstanding = outstanding.iter().filter(|&&count| count <= most);
                workloads.extend(outstanding.map(|&outstanding| Workload {
                    protocol,
                    length,
                    outstanding,
                }));
            }
        }
        workloads
    }
}

/// What a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The network card.
    pub card: &'static str,
    /// What carried the data.
    pub protocol: &'static str,
    /// Octets of the frame.
    pub length: usize,
    /// Requests on their way at once.
    pub outstanding: usize,
    /// Who was asked.
    pub contender: Name,
}

/// One measurement: a row of the raw data.
#[derive(Clone, Debug, Serialize)]
struct Row {
    card: &'static str,
    contender: Name,
    protocol: &'static str,
    length: usize,
    outstanding: usize,
    round: usize,
    seconds: f64,
    answered: u64,
    lost: u64,
    dropped_by_sockets: u64,
    rate_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    others_share: f64,
}

/// The figures of one contender for one workload: medians of the rounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Answers in all rounds.
    pub answered: u64,
    /// Requests that nothing came back for, in all rounds.
    pub lost: u64,
    /// Frames that the sockets had no room for, in all rounds.
    pub dropped: u64,
    /// Answers a second.
    pub rate: f64,
    /// Half of the round trips took no longer, in microseconds.
    pub p50_us: f64,
    /// 99 % of them.
    pub p99_us: f64,
    /// 99.9 % of them.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// The figures of one divided by those of another for the same workload: medians of what the rounds gave. The two of
/// a round were measured in the same minute, so that a machine with fast and slow minutes makes no difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// Of the round trips in the middle.
    pub p50: f64,
    /// Of those that 99.9 % do not exceed.
    pub p999: f64,
    /// Of the answers a second.
    pub rate: f64,
}

/// Everything that was measured.
#[derive(Default)]
pub struct Results {
    /// The network cards that were measured on.
    pub cards: Vec<&'static str>,
    rows: Vec<Row>,
    round_trips: BTreeMap<Key, RoundTrips>,
    /// Measurements that others disturbed, and that were kept for want of patience.
    pub disturbed: u64,
    /// Who was not measured, and why.
    pub absent: Vec<(&'static str, Name, String)>,
}

/// Measures everything on `cards`, which are some of [`CARDS`].
pub fn measure(plan: Plan, cards: &[&'static str], host: &Host) -> Results {
    let mut results = Results {
        cards: cards.to_vec(),
        ..Results::default()
    };
    let rounds = plan.rounds * cards.len().max(1);
    let mut quiet = Quiet::new(plan.patience / rounds as u32);
    for &card in cards {
        let mut contenders = start(card, host, &mut results);
        for round in 0..plan.rounds {
            quiet.begin_round();
            eprintln!(
                "pollux-bench: {card}, round {} of {}",
                round + 1,
                plan.rounds
            );
            for workload in plan.workloads(card) {
                // Nobody is always behind the same one.
                contenders.rotate_left(1);
                for contender in &mut contenders {
                    if contender.name().answers(workload.protocol) {
                        let (outcome, others) =
                            measure_one(contender, workload, plan, host, &mut quiet);
                        results.enter(card, contender.name(), workload, round, &outcome, others);
                    }
                }
            }
        }
    }
    results.disturbed = quiet.disturbed;
    results
}

/// Starts all for a card; those that cannot be are left out, and it is noted why.
fn start(card: &'static str, host: &Host, results: &mut Results) -> Vec<Contender> {
    eprintln!("pollux-bench: {card}: starting everybody");
    let names = Name::ALL.into_iter().filter(|name| name.is_for(card));
    let started: Vec<_> = names
        .map(|name| (name, Contender::start(name, card, host)))
        .collect();
    let mut contenders = Vec::new();
    for (name, started) in started {
        let ready = started.and_then(|mut contender| {
            contender.wait(card)?;
            Ok(contender)
        });
        match ready {
            Ok(contender) => contenders.push(contender),
            Err(reason) => {
                eprintln!("pollux-bench: {card}: {name} is not measured: {reason}");
                results.absent.push((card, name, reason));
            }
        }
    }
    contenders
}

/// Measures one, and the share of a processor that others took meanwhile.
fn measure_one(
    contender: &mut Contender,
    workload: Workload,
    plan: Plan,
    host: &Host,
    quiet: &mut Quiet,
) -> (Outcome, f64) {
    let span = match workload.outstanding {
        1 | MANY => plan.compared,
        _ => plan.drawn,
    };
    if let Some(places) = &host.places {
        contender
            .place(places)
            .expect("this program may choose its contenders' processors");
    }
    contender.resume();
    let processes = [contender.process()];
    let mut asked = |span| {
        load::ask(contender.wire(), workload, span)
            .expect("a socket of this machine carries frames")
    };
    let mut measure = || {
        asked(WARM_UP);
        quiet.measure(&processes, || asked(span))
    };
    let measured = match &host.places {
        Some(places) => places
            .apart(measure)
            .expect("this program may choose among its own processors"),
        None => measure(),
    };
    contender.pause();
    measured
}

impl Results {
    fn enter(
        &mut self,
        card: &'static str,
        contender: Name,
        workload: Workload,
        round: usize,
        outcome: &Outcome,
        others_share: f64,
    ) {
        let protocol = workload.protocol.name();
        self.rows.push(Row {
            card,
            contender,
            protocol,
            length: workload.length,
            outstanding: workload.outstanding,
            round,
            seconds: outcome.span.as_secs_f64(),
            answered: outcome.answered,
            lost: outcome.lost,
            dropped_by_sockets: outcome.dropped,
            rate_per_s: outcome.rate(),
            p50_us: outcome.percentile_us(50.0),
            p99_us: outcome.percentile_us(99.0),
            p999_us: outcome.percentile_us(99.9),
            max_us: outcome.percentile_us(100.0),
            others_share,
        });
        let key = Key {
            card,
            protocol,
            length: workload.length,
            outstanding: workload.outstanding,
            contender,
        };
        let all = self.round_trips.entry(key).or_default();
        all.enter(&outcome.round_trips, others_share <= TOLERATED);
    }

    /// How many measurements there are.
    pub const fn count(&self) -> usize {
        self.rows.len()
    }

    /// What figures there are.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.round_trips.keys()
    }

    /// The round trips of the rounds that count, in nanoseconds.
    pub fn round_trips(&self, key: &Key) -> Option<&Histogram<u64>> {
        self.round_trips.get(key).map(RoundTrips::that_count)
    }

    /// The figures, if there are any.
    pub fn figures(&self, key: &Key) -> Option<Figures> {
        let rows = self.rows_that_count(key)?;
        let median = |figure: fn(&Row) -> f64| median(rows.iter().map(|row| figure(row)));
        Some(Figures {
            answered: rows.iter().map(|row| row.answered).sum(),
            lost: rows.iter().map(|row| row.lost).sum(),
            dropped: rows.iter().map(|row| row.dropped_by_sockets).sum(),
            rate: median(|row| row.rate_per_s),
            p50_us: median(|row| row.p50_us),
            p99_us: median(|row| row.p99_us),
            p999_us: median(|row| row.p999_us),
            max_us: median(|row| row.max_us),
        })
    }

    fn rows_that_count(&self, key: &Key) -> Option<Vec<&Row>> {
        let all = self.round_trips.get(key)?;
        let rows = self.rows.iter().filter(|row| row.is_about(key));
        let rows = rows.filter(|row| !all.are_quiet_ones_enough() || row.others_share <= TOLERATED);
        Some(rows.collect())
    }

    /// The figures of `own` divided by those of `other`; none where there is no round that counts for both.
    pub fn ratios(&self, own: &Key, other: &Key) -> Option<Ratios> {
        let (own, other) = (self.rows_that_count(own)?, self.rows_that_count(other)?);
        let pairs: Vec<_> = own
            .iter()
            .flat_map(|own| other.iter().map(move |other| (own, other)))
            .filter(|(own, other)| own.round == other.round)
            .collect();
        let ratio = |figure: fn(&Row) -> f64| {
            let ratios = pairs.iter().map(|(own, other)| figure(own) / figure(other));
            median(ratios)
        };
        (!pairs.is_empty()).then(|| Ratios {
            p50: ratio(|row| row.p50_us),
            p999: ratio(|row| row.p999_us),
            rate: ratio(|row| row.rate_per_s),
        })
    }

    /// Writes the raw data: every measurement, and the round trips of each kind.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write_csv(&self, folder: &Path) -> io::Result<()> {
        let mut rows = csv::Writer::from_path(folder.join("measurements.csv"))?;
        for row in &self.rows {
            rows.serialize(row)?;
        }
        rows.flush()?;
        let mut trips = csv::Writer::from_path(folder.join("round-trips.csv"))?;
        let heading = "card,contender,protocol,length,outstanding,at_most_ns,count";
        trips.write_record(heading.split(','))?;
        for (key, all) in &self.round_trips {
            for value in all.that_count().iter_recorded() {
                trips.serialize((
                    key.card,
                    key.contender,
                    key.protocol,
                    key.length,
                    key.outstanding,
                    value.value_iterated_to(),
                    value.count_since_last_iteration(),
                ))?;
            }
        }
        trips.flush()
    }
}

/// Round trips of all rounds, and of those that nobody disturbed. The latter alone count where they are more than half:
/// any two contenders then have one in common.
struct RoundTrips {
    all: Histogram<u64>,
    quiet: Histogram<u64>,
    rounds: usize,
    quiet_rounds: usize,
}

impl Default for RoundTrips {
    fn default() -> Self {
        Self {
            all: load::histogram(),
            quiet: load::histogram(),
            rounds: 0,
            quiet_rounds: 0,
        }
    }
}

impl RoundTrips {
    fn enter(&mut self, round_trips: &Histogram<u64>, is_quiet: bool) {
        const ALIKE: &str = "the bounds are the same";
        self.all.add(round_trips).expect(ALIKE);
        self.rounds += 1;
        if is_quiet {
            self.quiet.add(round_trips).expect(ALIKE);
            self.quiet_rounds += 1;
        }
    }

    const fn are_quiet_ones_enough(&self) -> bool {
        2 * self.quiet_rounds > self.rounds
    }

    const fn that_count(&self) -> &Histogram<u64> {
        if self.are_quiet_ones_enough() {
            &self.quiet
        } else {
            &self.all
        }
    }
}

impl Row {
    fn is_about(&self, key: &Key) -> bool {
        self.card == key.card
            && self.contender == key.contender
            && self.protocol == key.protocol
            && self.length == key.length
            && self.outstanding == key.outstanding
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    match (
        values.get(values.len().saturating_sub(1) / 2),
        values.get(values.len() / 2),
    ) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median([].into_iter()), 0.0);
    }

    const WORKLOAD: Workload = Workload {
        protocol: Protocol::Icmp,
        length: USUAL_LENGTH,
        outstanding: 1,
    };

    fn key(contender: Name) -> Key {
        Key {
            card: CARDS[0],
            protocol: WORKLOAD.protocol.name(),
            length: WORKLOAD.length,
            outstanding: WORKLOAD.outstanding,
            contender,
        }
    }

    /// A second in which `answered` were, one after the other.
    fn enter(results: &mut Results, contender: Name, round: usize, answered: u64, others: f64) {
        let mut outcome = Outcome {
            span: Duration::from_secs(1),
            answered,
            lost: 0,
            dropped: 0,
            round_trips: load::histogram(),
        };
        let trips = outcome.round_trips.record(1_000_000 / answered);
        trips.expect("is within the bounds");
        results.enter(CARDS[0], contender, WORKLOAD, round, &outcome, others);
    }

    #[test]
    fn ratios_are_those_of_the_same_rounds() {
        let mut results = Results::default();
        // The machine is ten times as slow in one round, and one of them has no figure in another.
        for (round, own, other) in [(0, 300, 100), (1, 20, 10), (2, 150, 100)] {
            enter(&mut results, Name::Pollux, round, own, 0.0);
            enter(&mut results, Name::Linux, round, other, 0.0);
        }
        enter(&mut results, Name::Pollux, 3, 1, 0.0);
        let (own, other) = (key(Name::Pollux), key(Name::Linux));
        let ratios = results.ratios(&own, &other).expect("there are three pairs");
        assert_eq!(ratios.rate, 2.0);
        assert!((0.49..0.51).contains(&ratios.p50), "{ratios:?}");
        assert!((0.49..0.51).contains(&ratios.p999), "{ratios:?}");
        assert_eq!(results.ratios(&own, &key(Name::Dpdk)), None);
    }

    #[test]
    fn what_others_disturbed_counts_only_where_half_of_the_rounds_were() {
        let mut results = Results::default();
        let mut rate_and_trips = |round, answered, others| {
            enter(&mut results, Name::Pollux, round, answered, others);
            let key = key(Name::Pollux);
            let figures = results.figures(&key).expect("there is a round");
            let trips = results.round_trips(&key).expect("there is a round");
            (figures.rate, trips.len())
        };
        assert_eq!(rate_and_trips(0, 10, 0.5), (10.0, 1));
        assert_eq!(rate_and_trips(1, 100, 0.0), (55.0, 2));
        assert_eq!(rate_and_trips(2, 102, TOLERATED), (101.0, 2));
        assert_eq!(rate_and_trips(3, 20, 0.5), (60.0, 4));
    }

    #[test]
    fn every_length_is_asked_with_one_and_with_many_on_their_way() {
        for plan in [Plan::QUICK, Plan::FULL] {
            let workloads = plan.workloads(CARDS[0]);
            for protocol in Protocol::ALL {
                for length in LENGTHS {
                    for outstanding in [1, MANY] {
                        let workload = Workload {
                            protocol,
                            length,
                            outstanding,
                        };
                        assert!(workloads.contains(&workload), "{workload:?}");
                    }
                }
                let usual = workloads.iter().filter(|workload| {
                    workload.protocol == protocol && workload.length == USUAL_LENGTH
                });
                assert_eq!(usual.map(|workload| workload.outstanding).max(), Some(256));
            }
        }
    }

    #[test]
    fn a_quick_run_has_what_the_tables_show() {
        for plan in [Plan::QUICK, Plan::FULL] {
            assert!(plan.rounds >= 5);
            for card in CARDS {
                for outstanding in [1, MANY] {
                    assert!(plan.workloads(card).iter().any(|workload| {
                        workload.length == USUAL_LENGTH && workload.outstanding == outstanding
                    }));
                }
            }
        }
    }
}
