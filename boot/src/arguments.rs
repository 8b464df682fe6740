//! The command line: what image to make, of what. Pure; `main` calls it once.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

/// What `--help` prints.
pub const USAGE: &str = "\
pollux-boot image --kernel ELF --output FILE [OPTIONS]     an image for sticks, disks and optical drives
pollux-boot network --kernel ELF --output FOLDER [OPTIONS] a folder for a TFTP server

  --kernel ELF       the appliance, with a Multiboot2 header
  --output PATH      the image or the folder to write
  --config FILE      the start-up file, pollux.conf there
  --file PATH        a file for the appliance, in files/ there; may be repeated
  --append \"WORDS\"   words for the appliance's command line; quotes hold blanks together
";

/// What the caller wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Write an image.
    Image(Wanted),
    /// Write a folder for a TFTP server.
    Network(Wanted),
    /// Print [`USAGE`].
    Help,
}

/// What is to be written.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// Where the image or the folder goes.
    pub output: PathBuf,
    /// The start-up file, if any.
    pub config: Option<PathBuf>,
    /// The files for the appliance.
    pub files: Vec<PathBuf>,
    /// The words of the kernel's command line, blank-separated.
    pub words: String,
}

/// Why a command line was not understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No subcommand.
    #[error("no command given; one of: image network")]
    NoCommand,
    /// A subcommand there is not.
    #[error("unknown command '{0}'; one of: image network")]
    UnknownCommand(String),
    /// An option without which there is nothing to do.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An option there is not, or one without its value.
    #[error("{0}")]
    Option(#[from] lexopt::Error),
}

/// Reads the command line `words`, the program's name first.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Error> {
    let mut parser = lexopt::Parser::from_iter(words);
    let make = match parser.next()? {
        Some(Value(command)) if command == "image" => Request::Image,
        Some(Value(command)) if command == "network" => Request::Network,
        Some(Value(command)) => {
            return Err(Error::UnknownCommand(command.to_string_lossy().into()));
        }
        Some(Short('h') | Long("help")) => return Ok(Request::Help),
        Some(option) => return Err(option.unexpected().into()),
        None => return Err(Error::NoCommand),
    };
    Ok(parse_wanted(parser)?.map_or(Request::Help, make))
}

/// Reads the options; `None` when help is asked for.
fn parse_wanted(mut parser: lexopt::Parser) -> Result<Option<Wanted>, Error> {
    let (mut kernel, mut output, mut config) = (None, None, None);
    let (mut files, mut words) = (Vec::new(), String::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kernel") => kernel = Some(parser.value()?.into()),
            Long("output") => output = Some(parser.value()?.into()),
            Long("config") => config = Some(parser.value()?.into()),
            Long("file") => files.push(parser.value()?.into()),
            Long("append") => words = parser.value()?.string()?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(Wanted {
        kernel: kernel.ok_or(Error::Missing("--kernel ELF"))?,
        output: output.ok_or(Error::Missing("--output PATH"))?,
        config,
        files,
        words,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Request, Error> {
        parse(
            std::iter::once("pollux-boot")
                .chain(words.iter().copied())
                .map(OsString::from),
        )
    }

    #[test]
    fn reads_every_option() {
        let request = parse_words(&[
            "image",
            "--kernel",
            "k",
            "--output=o",
            "--config",
            "c",
            "--file",
            "f",
            "--file=g",
            "--append",
            "a b",
        ]);
        let expected = Wanted {
            kernel: "k".into(),
            output: "o".into(),
            config: Some("c".into()),
            files: vec!["f".into(), "g".into()],
            words: "a b".into(),
        };
        assert_eq!(request.unwrap(), Request::Image(expected));
    }

    #[test]
    fn names_what_is_wrong() {
        for (words, message) in [
            (&[][..], "no command given; one of: image network"),
            (&["stick"], "unknown command 'stick'; one of: image network"),
            (&["image", "--output", "o"], "--kernel ELF is missing"),
            (&["image", "--kernel", "k"], "--output PATH is missing"),
            (&["image", "--size", "1"], "invalid option '--size'"),
            (&["image", "more"], "unexpected argument \"more\""),
            (
                &["image", "--kernel"],
                "missing argument for option '--kernel'",
            ),
        ] {
            assert_eq!(parse_words(words).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn help_wins_over_what_is_missing() {
        assert_eq!(parse_words(&["image", "-h"]).unwrap(), Request::Help);
        assert_eq!(parse_words(&["--help"]).unwrap(), Request::Help);
    }
}
