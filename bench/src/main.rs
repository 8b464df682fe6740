//! The `pollux-bench` command, by which `./run.sh bench` measures.
//!
//! Exit status: 0 when everything was measured and nothing got dearer, 1 when something did, 2 when
//! it could not be measured.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use pollux_bench::callgrind::{self, carry_out};
use pollux_bench::cases;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["callgrind"] => callgrind(),
        ["counted", name] => carry_out(name),
        _ => Err("usage: pollux-bench callgrind".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
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
