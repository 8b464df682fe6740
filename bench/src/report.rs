//! What was measured, for people: a table for the terminal, and a page with pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use crate::comparison::{Figures, Key, MANY, Ratios, Results};
use crate::contenders::Name;
use crate::drawing;
use crate::frames::LENGTHS;
use crate::load::Protocol;
use crate::quiet::TOLERATED;

/// On what was measured.
#[derive(Clone, Debug)]
pub struct Circumstances(Vec<(&'static str, String)>);

impl Circumstances {
    /// Those of this machine, with QEMU's accelerator and the number of rounds.
    pub fn of_this_machine(accel: &str, rounds: usize, root: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let root = root.display().to_string();
        let commit = ["-C", &root, "log", "-1", "--format=%h of %cs"];
        Self(vec![
            ("processor", format!("{model}, {count} of them")),
            ("host", first_line("uname", &["-sr"])),
            ("QEMU", first_line("qemu-system-x86_64", &["--version"])),
            ("accelerator", accel.to_owned()),
            ("commit", first_line("git", &commit)),
            ("measured", first_line("date", &["--iso-8601=seconds"])),
            (
                "rounds",
                format!("{rounds}, everybody in each; figures are medians of the rounds"),
            ),
        ])
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            writeln!(f, "{name:12} {value}")?;
        }
        Ok(())
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// A row of the table: one contender, one kind of frame.
struct Row {
    key: Key,
    one: Figures,
    many: Figures,
    /// The appliance's figures divided by these, with one request on its way and with [`MANY`].
    ratios: Option<(Ratios, Ratios)>,
}

impl Row {
    fn cells(&self) -> [String; COLUMNS] {
        let Self {
            key,
            one,
            many,
            ratios,
        } = self;
        let us = |value: f64| format!("{value:.1}");
        let times = |ratio: fn(&(Ratios, Ratios)) -> f64| {
            let ratio = ratios.as_ref().map(ratio);
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        };
        [
            format!("{} {}", key.protocol, key.length),
            key.contender.to_string(),
            us(one.p50_us),
            us(one.p99_us),
            us(one.p999_us),
            us(one.max_us),
            one.answered.to_string(),
            format!("{:.1}", many.rate / 1e3),
            many.answered.to_string(),
            times(|(one, _)| one.p50),
            times(|(one, _)| one.p999),
            times(|(_, many)| many.rate),
        ]
    }
}

const COLUMNS: usize = 12;
const HEADINGS: [&str; COLUMNS] = [
    "frame",
    "who",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "max µs",
    "of",
    "k/s",
    "of",
    "÷ p50",
    "÷ p99.9",
    "÷ rate",
];
/// What the last of them are.
const RATIOS: &str = "The last three columns are Pollux's figure divided by that of the row: of each round, and of these the median.";

/// The rows for a card, kind by kind.
fn rows(results: &Results, card: &'static str) -> Vec<Vec<[String; COLUMNS]>> {
    let kinds = Protocol::ALL
        .into_iter()
        .flat_map(|protocol| LENGTHS.map(|length| (protocol.name(), length)));
    let kind = |(protocol, length)| {
        let row = |contender| {
            let key = |contender, outstanding| Key {
                card,
                protocol,
                length,
                outstanding,
                contender,
            };
            let ratios = |outstanding| {
                let own = key(Name::Pollux, outstanding);
                results.ratios(&own, &key(contender, outstanding))
            };
            let row = Row {
                key: key(contender, 1),
                one: results.figures(&key(contender, 1))?,
                many: results.figures(&key(contender, MANY))?,
                ratios: ratios(1)
                    .zip(ratios(MANY))
                    .filter(|_| contender != Name::Pollux),
            };
            Some(row.cells())
        };
        Name::ALL.into_iter().filter_map(row).collect()
    };
    kinds.map(kind).collect()
}

/// The table for the terminal.
pub fn table(results: &Results) -> String {
    let mut text = String::new();
    for &card in &results.cards {
        let _ = writeln!(
            text,
            "\n{card}: round trips with 1 request on its way, rate with {MANY}"
        );
        let line = |cells: &[String]| {
            let mut line = format!("{:10} {:7}", cells[0], cells[1]);
            for (cell, heading) in cells.iter().zip(HEADINGS).skip(2) {
                let width = heading.chars().count().max(7);
                let _ = write!(line, " {cell:>width$}");
            }
            line
        };
        let _ = writeln!(text, "{}", line(&HEADINGS.map(str::to_owned)));
        for kind in rows(results, card) {
            for row in kind {
                let _ = writeln!(text, "{}", line(&row));
            }
        }
    }
    let _ = writeln!(text, "\n{RATIOS}\n{}", disturbance(results));
    for (card, name, reason) in &results.absent {
        let _ = writeln!(text, "{card}: {name} was not measured: {}", reason.trim());
    }
    for line in losses(results) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Where the tables stand in a document, from the one line to the other.
const BEGIN: &str = "<!-- written by ./run.sh bench --pictures: from here -->\n";
const END: &str = "<!-- to here -->\n";

/// `document` with the tables in it made anew.
///
/// # Errors
///
/// It has no place for them.
pub fn with_tables(
    document: &str,
    results: &Results,
    circumstances: &Circumstances,
) -> Result<String, String> {
    let missing = || format!("no place for the tables: no lines {BEGIN:?} and {END:?}");
    let (head, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, tail) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!(
        "{head}{BEGIN}{}{END}{tail}",
        markdown(results, circumstances)
    ))
}

/// The tables and on what they were measured, for a document, with the pictures of the usual protocol.
fn markdown(results: &Results, circumstances: &Circumstances) -> String {
    let mut text = String::new();
    let facts = circumstances.0.iter();
    let facts: Vec<_> = facts
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let facts = facts.join("; ");
    let _ = writeln!(text, "{facts}.\n{}\n{RATIOS}", disturbance(results));
    for &card in &results.cards {
        let _ = writeln!(text, "\n### {card}\n");
        let _ = writeln!(text, "| {} |", HEADINGS.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(HEADINGS.len()));
        for row in rows(results, card).iter().flatten() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        let protocol = Protocol::Icmp.name();
        for kind in ["latency", "rate"] {
            let _ = writeln!(
                text,
                "\n![{kind} on {card}](pictures/{kind}-{protocol}-{card}.svg)"
            );
        }
    }
    text.push('\n');
    for line in losses(results) {
        let _ = writeln!(text, "- {line}");
    }
    for (card, name, reason) in &results.absent {
        let _ = writeln!(text, "- {card}: {name} was not measured: {}", reason.trim());
    }
    text
}

/// What was lost, a line for each card and each who lost any on it.
fn losses(results: &Results) -> Vec<String> {
    let mut losses: BTreeMap<(&str, Name), Loss> = BTreeMap::new();
    for key in results.keys() {
        let figures = results.figures(key).filter(|figures| figures.lost > 0);
        if let Some(figures) = figures {
            let loss = losses.entry((key.card, key.contender)).or_default();
            loss.lost += figures.lost;
            loss.dropped += figures.dropped;
            loss.outstanding.insert(key.outstanding);
        }
    }
    let line = |((card, contender), loss): (&(&str, Name), &Loss)| {
        let outstanding = loss.outstanding.iter().map(ToString::to_string);
        let outstanding: Vec<_> = outstanding.collect();
        format!(
            "lost on {card}: {} of {contender}, with {} on their way; {} of them by the sockets",
            loss.lost,
            outstanding.join(", "),
            loss.dropped
        )
    };
    losses.iter().map(line).collect()
}

/// What somebody lost on a card, all kinds of frames together.
#[derive(Default)]
struct Loss {
    lost: u64,
    dropped: u64,
    /// With how many requests on their way.
    outstanding: BTreeSet<usize>,
}

/// How far the machine was in use otherwise.
fn disturbance(results: &Results) -> String {
    format!(
        "{} of {} measurements were disturbed: other programs took more than {:.0} % of a processor. \
         Where more than half of the rounds were not, the others do not count.",
        results.disturbed,
        results.count(),
        TOLERATED * 100.0
    )
}

/// The pictures, each with its name.
///
/// # Errors
///
/// One cannot be drawn.
pub fn pictures(results: &Results) -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let mut pictures = Vec::new();
    for &card in &results.cards {
        for protocol in Protocol::ALL.map(Protocol::name) {
            let latency = drawing::latency(results, card, protocol)?;
            let rate = drawing::rate(results, card, protocol)?;
            pictures.push((format!("latency-{protocol}-{card}"), latency));
            pictures.push((format!("rate-{protocol}-{card}"), rate));
        }
    }
    Ok(pictures)
}

/// Writes the page, which needs no other file.
///
/// # Errors
///
/// It cannot be written.
pub fn write_page(
    path: &Path,
    results: &Results,
    circumstances: &Circumstances,
    pictures: &[(String, String)],
) -> io::Result<()> {
    const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
        table{border-collapse:collapse;margin:1em 0}td,th{padding:.15em .7em;text-align:right}\
        td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}tbody{border-top:1px solid #999}\
        tr.pollux{font-weight:bold}svg{max-width:100%;height:auto}";
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Pollux, measured</title>\
         <style>{STYLE}</style><h1>Pollux, measured</h1>\n<table>"
    );
    for (name, value) in &circumstances.0 {
        let _ = writeln!(
            page,
            "<tr><th>{name}<td style=\"text-align:left\">{}",
            escaped(value)
        );
    }
    page += "</table>\n<p>Everybody stands at the same kind of socket with the same addresses, on VLAN 42, and \
        was asked in turn, over and over. Lengths are those of frames with their tag and without check \
        sequence. “of” is the number of answers that the figures before it stand on. Under an emulator only \
        ratios within this page mean anything.\n<p>";
    page += RATIOS;
    for &card in &results.cards {
        let _ = write!(page, "<h2>{card}</h2>\n<table><thead><tr>");
        for heading in HEADINGS {
            let _ = write!(page, "<th>{heading}");
        }
        page += "</thead>\n";
        for kind in rows(results, card) {
            page += "<tbody>\n";
            for row in kind {
                let class = row[1].to_lowercase();
                let _ = writeln!(page, "<tr class={class}><td>{}", row.join("<td>"));
            }
        }
        page += "</table>\n";
        for (_, picture) in pictures.iter().filter(|(name, _)| name.ends_with(card)) {
            page += picture;
        }
    }
    for (card, name, reason) in &results.absent {
        let _ = writeln!(
            page,
            "<p>{card}: {name} was not measured: {}",
            escaped(reason)
        );
    }
    fs::write(path, page)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_in_a_document_are_made_anew_and_the_rest_stays() {
        let results = Results::default();
        let circumstances = Circumstances(vec![("processor", "a fast one".to_owned())]);
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let once = with_tables(&document, &results, &circumstances).unwrap();
        assert!(once.starts_with(&format!("before\n{BEGIN}processor: a fast one.\n")));
        assert!(once.ends_with(&format!("\n{END}after\n")) && !once.contains("old"));
        assert_eq!(with_tables(&once, &results, &circumstances), Ok(once));
        let message = with_tables("nothing", &results, &circumstances).unwrap_err();
        assert!(message.contains("no place"), "{message}");
    }

    #[test]
    fn the_document_has_a_place_for_the_tables() {
        let text = fs::read_to_string(pollux_tests::appliance::root().join("docs/performance.md"));
        let circumstances = Circumstances(Vec::new());
        with_tables(&text.unwrap(), &Results::default(), &circumstances).unwrap();
    }

    #[test]
    fn the_page_needs_no_other_file() {
        let path = std::env::temp_dir().join(format!("pollux-page-{}.html", std::process::id()));
        let mut results = Results::default();
        results.cards.push("e1000");
        let circumstances = Circumstances(vec![("processor", "a <fast> one".to_owned())]);
        let pictures = [("latency-icmp-e1000".to_owned(), "<svg/>".to_owned())];
        write_page(&path, &results, &circumstances, &pictures).unwrap();
        let page = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(page.contains("<svg/>") && page.contains("a &lt;fast> one"));
        for outside in ["http", "src=", "href=", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
