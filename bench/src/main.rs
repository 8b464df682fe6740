//! The `pollux-bench` command, by which `./run.sh bench` measures.
//!
//! Exit status: 0 when everything was measured and nothing got dearer, 1 when something did, 2 when
//! it could not be measured.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use pollux_bench::CARDS;
use pollux_bench::accesses;
use pollux_bench::answerer;
use pollux_bench::callgrind::{self, carry_out};
use pollux_bench::cards;
use pollux_bench::cases;
use pollux_bench::comparison::{self, Plan};
use pollux_bench::contenders::Host;
use pollux_bench::instructions::{self, Change, Table};
use pollux_bench::places::Places;
use pollux_bench::report::{self, Circumstances};
use pollux_bench::scale;
use pollux_tests::appliance;
use pollux_tests::matrix::ROWS;

/// How often each card is measured.
const CARD_ROUNDS: usize = 3;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("pollux-bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says; true if nothing became dearer.
fn run() -> Result<bool, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_env();
    let command = parser.value()?.string()?;
    match command.as_str() {
        "compare" => compare(parser)?,
        "instructions" => return instructions(parser),
        "accesses" => accesses()?,
        "scale" => scale(),
        "callgrind" => callgrind()?,
        "cards" => cards::print(CARD_ROUNDS),
        // Which there are, a machine and a card a line, for `./run.sh test --cards`.
        "list-cards" => list_cards(),
        // These two are started by this program itself.
        "counted" => carry_out(&parser.value()?.string()?)?,
        "answer" => answerer::run(parser.value()?.parse()?, parser.value()?.parse()?)?,
        _ => return Err(format!("unknown command '{command}'").into()),
    }
    Ok(true)
}

fn list_cards() {
    for row in ROWS {
        println!("{} {}", row.machine, row.nic);
    }
}

/// Measures everybody side by side, and leaves table, page, pictures and raw data in a folder.
fn compare(mut parser: lexopt::Parser) -> Result<(), Box<dyn Error>> {
    let mut plan = Plan::FULL;
    let mut cards = CARDS.to_vec();
    // One whose tables are to be made anew.
    let mut document = None;
    let mut host = Host {
        accel: "tcg".to_owned(),
        udp_echo: PathBuf::new(),
        folder: PathBuf::new(),
        places: Places::of_this_program()?,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => plan = Plan::QUICK,
            Long("patience") => {
                plan.patience = Duration::from_secs(parser.value()?.parse()?);
            }
            Long("nic") => {
                let name = parser.value()?.string()?;
                let known = CARDS.into_iter().find(|card| *card == name);
                let known = known.ok_or(format!("--nic {name}: one of {}", CARDS.join(", ")))?;
                cards = vec![known];
            }
            Long("accel") => host.accel = parser.value()?.string()?,
            Long("udp-echo") => host.udp_echo = parser.value()?.into(),
            Long("folder") => host.folder = parser.value()?.into(),
            Long("document") => document = Some(PathBuf::from(parser.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    fs::create_dir_all(&host.folder)?;
    let circumstances = Circumstances::of_this_machine(&host.accel, plan.rounds, appliance::root());
    let results = comparison::measure(plan, &cards, &host);
    let table = format!("{circumstances}{}", report::table(&results));
    print!("{table}");
    fs::write(host.folder.join("table.txt"), &table)?;
    results.write_csv(&host.folder)?;
    let pictures = report::pictures(&results)?;
    for (name, picture) in &pictures {
        fs::write(host.folder.join(name).with_extension("svg"), picture)?;
    }
    let page = host.folder.join("index.html");
    report::write_page(&page, &results, &circumstances, &pictures)?;
    if let Some(path) = document {
        let text = fs::read_to_string(&path)?;
        let text = report::with_tables(&text, &results, &circumstances);
        fs::write(
            &path,
            text.map_err(|error| format!("{}: {error}", path.display()))?,
        )?;
    }
    println!("pollux: {}", page.display());
    Ok(())
}

fn scale() {
    println!("instructions per answered echo of 102 octets on e1000");
    for scale::Row {
        what,
        number,
        count,
    } in scale::rows()
    {
        println!(
            "{what:24} {number:5}  alone {:7.1}  in a batch {:7.1}",
            count.alone, count.in_batch
        );
    }
}

fn accesses() -> Result<(), Box<dyn Error>> {
    println!("accesses to the card's registers for each answer");
    for card in CARDS {
        println!("{card:14} {}", accesses::count(card)?);
    }
    Ok(())
}

fn callgrind() -> Result<(), Box<dyn Error>> {
    println!("instructions per frame, stack alone (callgrind)");
    for case in cases::all() {
        println!("{:44} {:8.1}", case.name(), callgrind::count(case.name())?);
    }
    Ok(())
}

/// Counts all kinds of frames on all cards; true if none became dearer, or the table was to be written.
fn instructions(mut parser: lexopt::Parser) -> Result<bool, Box<dyn Error>> {
    let mut update = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("update") => update = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let kept = Table::read()?;
    let mut table = Table::default();
    let mut cheap = true;
    println!("instructions per answered frame, seen in the ring to doorbell (-icount)");
    for (card, kind) in instructions::pairs() {
        let before = kept.get(card, &kind.name);
        if !instructions::is_available(card) {
            println!(
                "{card:14} {:16} SKIPPED, no QEMU here has this card",
                kind.name
            );
            if let Some(before) = before {
                table.set(card, &kind.name, before);
            }
            continue;
        }
        let change = Change {
            kept: before,
            counted: instructions::count(card, &kind),
        };
        let verdict = match change.kept {
            None => "  NEW",
            Some(_) if change.is_dearer() => "  DEARER",
            Some(_) => "",
        };
        cheap &= !change.is_dearer();
        println!("{card:14} {:16} {change}{verdict}", kind.name);
        table.set(card, &kind.name, change.counted);
    }
    if update {
        table.write()?;
    }
    Ok(cheap || update)
}
