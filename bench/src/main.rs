//! The `pollux-bench` command, by which `./run.sh bench` measures.
//!
//! Exit status: 0 when everything was measured and nothing got dearer, 1 when something did, 2 when
//! it could not be measured.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use pollux_bench::callgrind::{self, carry_out};
use pollux_bench::cases;
use pollux_bench::instructions::{self, CARDS, Change, Table};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["callgrind"] => callgrind().map(|()| true),
        ["instructions"] => instructions(false),
        ["instructions", "--update"] => instructions(true),
        ["counted", name] => carry_out(name).map(|()| true),
        _ => Err("usage: pollux-bench callgrind | instructions [--update]".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("pollux-bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn callgrind() -> Result<(), String> {
    println!("instructions per frame, stack alone (callgrind)");
    for case in cases::all() {
        let count = callgrind::count(case.name()).map_err(|error| error.to_string())?;
        println!("{:44} {count:8.1}", case.name());
    }
    Ok(())
}

/// Counts all kinds of frames on all cards; true if none became dearer, or the table was to be written.
fn instructions(update: bool) -> Result<bool, String> {
    let kept = Table::read().map_err(|error| error.to_string())?;
    let mut table = Table::default();
    let mut cheap = true;
    println!("instructions per answered frame, seen in the ring to doorbell (-icount)");
    for card in CARDS {
        for kind in instructions::kinds() {
            let change = Change {
                kept: kept.get(card, &kind.name),
                counted: instructions::count(card, &kind),
            };
            let verdict = if change.is_dearer() { "  DEARER" } else { "" };
            cheap &= !change.is_dearer();
            println!("{card:8} {:16} {change}{verdict}", kind.name);
            table.set(card, &kind.name, change.counted);
        }
    }
    if update {
        table.write().map_err(|error| error.to_string())?;
    }
    Ok(cheap || update)
}
