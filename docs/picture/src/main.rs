//! Draws what a terminal showed, as an SVG: text on standard input, picture on standard output.
//!
//! `./run.sh picture` makes the documentation's pictures with it, from real output.
#![forbid(unsafe_code)]

use anstyle_svg::Term;
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Columns of the terminal; longer lines make the picture wider.
const COLUMNS: usize = 100;

fn main() -> ExitCode {
    match draw() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pollux-picture: {error}");
            ExitCode::from(2)
        }
    }
}

fn draw() -> io::Result<()> {
    let mut shown = String::new();
    io::stdin().read_to_string(&mut shown)?;
    let picture = Term::new().min_width_px(COLUMNS * 8).render_svg(&shown);
    io::stdout().write_all(picture.as_bytes())
}
