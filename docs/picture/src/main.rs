//! Draws what a terminal showed, as an SVG: text on standard input, picture on standard output. What a screen
//! showed, a picture in the PPM format on standard input, becomes a PNG.
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
    let mut shown = Vec::new();
    io::stdin().read_to_end(&mut shown)?;
    if shown.starts_with(b"P6") {
        return screen(&shown);
    }
    let shown = String::from_utf8(shown).map_err(io::Error::other)?;
    let picture = Term::new().min_width_px(COLUMNS * 8).render_svg(&shown);
    io::stdout().write_all(picture.as_bytes())
}

/// Writes the picture of a screen.
fn screen(ppm: &[u8]) -> io::Result<()> {
    let no_picture = || io::Error::other("this begins like a PPM picture and is none");
    let head = String::from_utf8_lossy(ppm.get(..ppm.len().min(64)).unwrap_or_default());
    let mut numbers = head.split_whitespace().skip(1).map(str::parse::<u32>);
    let mut number = || numbers.next()?.ok();
    let (width, height) = number().zip(number()).ok_or_else(no_picture)?;
    let length = width as usize * height as usize * 3;
    let start = ppm.len().checked_sub(length).ok_or_else(no_picture)?;
    let mut encoder = png::Encoder::new(io::stdout(), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(ppm.get(start..).unwrap_or_default())?;
    Ok(writer.finish()?)
}
