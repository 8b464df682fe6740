//! Instructions for each frame in the stacks alone, as valgrind's callgrind counts them: figures that
//! do not wobble.

use std::io;
use std::process::Command;

use crate::cases::{self, BATCH};

/// Batches that are counted.
const ROUNDS: usize = 8;

/// Carries out the case called `name`, to be counted by [`count`] around it.
///
/// # Errors
///
/// There is no such case.
pub fn carry_out(name: &str) -> Result<(), String> {
    let mut case = cases::find(name).ok_or_else(|| format!("there is no case '{name}'"))?;
    case.warm_up();
    for _ in 0..ROUNDS {
        case.restore();
        case.measured();
    }
    Ok(())
}

/// Counts the instructions for each frame of the case called `name`, by running this program under
/// callgrind with the arguments `counted NAME`.
///
/// # Errors
///
/// valgrind cannot be started, or did not print what it counted.
pub fn count(name: &str) -> io::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*Case*measured*"])
        .arg(std::env::current_exe()?)
        .args(["counted", name])
        .output()?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let collected = printed.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected :")?;
        number.trim().parse::<u64>().ok()
    });
    match collected {
        Some(instructions) if output.status.success() => {
            Ok(instructions as f64 / (ROUNDS * BATCH) as f64)
        }
        _ => Err(io::Error::other(format!("valgrind: {printed}"))),
    }
}
