//! The command line: what image to make, of what. Pure; `main` calls it once.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

/// What `--help` prints.
pub const USAGE: &str = "\
pollux-boot image --kernel ELF --output FILE [--files TAR] [--append \"WORDS\"]

  --kernel ELF       the appliance, with a Multiboot2 header
  --output FILE      the image to write
  --files TAR        a tar archive that GRUB hands to the appliance
  --append \"WORDS\"   words for the appliance's command line
";

/// What the caller wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Write an image.
    Image(Image),
    /// Print [`USAGE`].
    Help,
}

/// An image to be written.
#[derive(Debug, PartialEq)]
pub struct Image {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// Where the image goes.
    pub output: PathBuf,
    /// The archive of files for the appliance, if any.
    pub files: Option<PathBuf>,
    /// The words of the kernel's command line, blank-separated.
    pub words: String,
}

/// Why a command line was not understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No subcommand.
    #[error("no command given; the only one is: image")]
    NoCommand,
    /// A subcommand there is not.
    #[error("unknown command '{0}'; the only one is: image")]
    UnknownCommand(String),
    /// An option without which there is nothing to do.
    #[error("image: {0} is missing")]
    Missing(&'static str),
    /// An option there is not, or one without its value.
    #[error("image: {0}")]
    Option(#[from] lexopt::Error),
}

/// Reads the command line `words`, the program's name first.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Error> {
    let mut parser = lexopt::Parser::from_iter(words);
    match parser.next()? {
        Some(Value(command)) if command == "image" => parse_image(parser),
        Some(Value(command)) => Err(Error::UnknownCommand(command.to_string_lossy().into())),
        Some(Short('h') | Long("help")) => Ok(Request::Help),
        Some(option) => Err(option.unexpected().into()),
        None => Err(Error::NoCommand),
    }
}

fn parse_image(mut parser: lexopt::Parser) -> Result<Request, Error> {
    let (mut kernel, mut output, mut files, mut words) = (None, None, None, String::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("kernel") => kernel = Some(parser.value()?.into()),
            Long("output") => output = Some(parser.value()?.into()),
            Long("files") => files = Some(parser.value()?.into()),
            Long("append") => words = parser.value()?.string()?,
            Short('h') | Long("help") => return Ok(Request::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Request::Image(Image {
        kernel: kernel.ok_or(Error::Missing("--kernel ELF"))?,
        output: output.ok_or(Error::Missing("--output FILE"))?,
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
            "--files",
            "f.tar",
            "--append",
            "a b",
        ]);
        let expected = Image {
            kernel: "k".into(),
            output: "o".into(),
            files: Some("f.tar".into()),
            words: "a b".into(),
        };
        assert_eq!(request.unwrap(), Request::Image(expected));
    }

    #[test]
    fn names_what_is_wrong() {
        for (words, message) in [
            (&[][..], "no command given; the only one is: image"),
            (
                &["stick"],
                "unknown command 'stick'; the only one is: image",
            ),
            (
                &["image", "--output", "o"],
                "image: --kernel ELF is missing",
            ),
            (
                &["image", "--kernel", "k"],
                "image: --output FILE is missing",
            ),
            (&["image", "--size", "1"], "image: invalid option '--size'"),
            (&["image", "more"], "image: unexpected argument \"more\""),
            (
                &["image", "--kernel"],
                "image: missing argument for option '--kernel'",
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
