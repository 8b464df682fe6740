//! What was measured, for people: a table for the terminal, and a page with pictures.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use crate::comparison::{Figures, Key, MANY, Results};
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
}

impl Row {
    fn cells(&self, linux: Option<&Self>) -> [String; 11] {
        let Self { key, one, many } = self;
        let us = |value: f64| format!("{value:.1}");
        let times = |own: f64, other: Option<f64>| {
            other.map_or_else(|| "–".to_owned(), |other| format!("{:.2}", own / other))
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
            times(one.p50_us, linux.map(|linux| linux.one.p50_us)),
            times(many.rate, linux.map(|linux| linux.many.rate)),
        ]
    }
}

const HEADINGS: [&str; 11] = [
    "frame",
    "who",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "max µs",
    "of",
    "k/s",
    "of",
    "p50 ÷ Linux",
    "rate ÷ Linux",
];

/// The rows for a card, kind by kind.
fn rows(results: &Results, card: &'static str) -> Vec<Vec<[String; 11]>> {
    let kinds = Protocol::ALL
        .into_iter()
        .flat_map(|protocol| LENGTHS.map(|length| (protocol.name(), length)));
    let kind = |(protocol, length)| {
        let row = |contender| {
            let key = |outstanding| Key {
                card,
                protocol,
                length,
                outstanding,
                contender,
            };
            Some(Row {
                key: key(1),
                one: results.figures(&key(1))?,
                many: results.figures(&key(MANY))?,
            })
        };
        let rows: Vec<_> = Name::ALL.into_iter().filter_map(row).collect();
        let linux = rows.iter().find(|row| row.key.contender == Name::Linux);
        rows.iter().map(|row| row.cells(linux)).collect()
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
    let _ = writeln!(text, "\n{}", disturbance(results));
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
    let _ = writeln!(text, "{}.\n{}", facts.join("; "), disturbance(results));
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
    for line in losses(results) {
        let _ = writeln!(text, "\n{line}");
    }
    for (card, name, reason) in &results.absent {
        let _ = writeln!(text, "\n{card}: {name} was not measured: {}", reason.trim());
    }
    text
}

/// What was lost, a line for each kind of frame and each who lost any.
fn losses(results: &Results) -> Vec<String> {
    let lost = results
        .keys()
        .filter_map(|key| Some((key, results.figures(key)?)));
    lost.filter(|(_, figures)| figures.lost > 0)
        .map(|(key, figures)| {
            format!(
                "lost: {} of {} {} {}, {} on their way, on {}; {} of them by the sockets",
                figures.lost,
                key.contender,
                key.protocol,
                key.length,
                key.outstanding,
                key.card,
                figures.dropped
            )
        })
        .collect()
}

/// How far the machine was in use otherwise.
fn disturbance(results: &Results) -> String {
    format!(
        "{} of {} measurements were disturbed: other programs took more than {:.0} % of a processor. \
         Where three rounds and more were not, the others do not count.",
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
        ratios within this page mean anything.\n";
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
