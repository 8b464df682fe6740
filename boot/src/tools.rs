//! Runs the programs that do the work, and says which one is missing, from which package, or why it
//! failed.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Command;

/// Where GRUB keeps the modules of each platform.
const GRUB_DIRECTORY: &str = "/usr/lib/grub";
/// The platforms that an image must start on, with the Debian packages that bring them.
/// `grub-mkrescue` leaves out, without a word, those that it does not find.
const PLATFORMS: [(&str, &str); 2] = [
    ("i386-pc", "grub-pc-bin"),
    ("x86_64-efi", "grub-efi-amd64-bin"),
];
/// Programs that `grub-mkrescue` calls, with their packages: its own complaints name neither.
const CALLED_BY_GRUB: [(&str, &str); 2] = [("xorriso", "xorriso"), ("mformat", "mtools")];

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not on this machine.
    #[error("{program} not found; ./run.sh setup installs it (Debian's package {package})")]
    Missing {
        program: String,
        package: &'static str,
    },
    /// It was there but could not be started.
    #[error("{program} cannot be started: {error}")]
    NotStarted {
        program: &'static str,
        error: io::Error,
    },
    /// It ended with an error; what it said comes with this.
    #[error("{program} failed: {complaint}")]
    Failed {
        program: &'static str,
        complaint: String,
    },
}

/// Copies the ELF file `from` to `to` without its debug information, which GRUB would read from the
/// stick for nothing.
///
/// # Errors
///
/// [`Error`], when `strip` is missing or fails.
pub fn strip(from: &Path, to: &Path) -> Result<(), Error> {
    run(
        "strip",
        "binutils",
        [
            OsStr::new("--strip-debug"),
            "-o".as_ref(),
            to.as_ref(),
            from.as_ref(),
        ],
    )
}

/// Writes the image `output` whose files are those under `directory`, `boot/grub/grub.cfg` among them.
///
/// # Errors
///
/// [`Error`], when GRUB's tools are missing or fail.
pub fn make_image(directory: &Path, output: &Path) -> Result<(), Error> {
    for (platform, package) in PLATFORMS {
        let modules = format!("{GRUB_DIRECTORY}/{platform}");
        if !Path::new(&modules).is_dir() {
            return Err(Error::Missing {
                program: modules,
                package,
            });
        }
    }
    for (program, package) in CALLED_BY_GRUB {
        if !is_on_path(program) {
            return Err(Error::Missing {
                program: program.into(),
                package,
            });
        }
    }
    // What is left out is for other systems' eyes: fonts, translations and themes of the menu.
    let arguments = ["--fonts=", "--locales=", "--themes=", "--output"].map(OsStr::new);
    run(
        "grub-mkrescue",
        "grub-common",
        arguments
            .into_iter()
            .chain([output.as_ref(), directory.as_ref()]),
    )
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn run<'a>(
    program: &'static str,
    package: &'static str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<(), Error> {
    let result = Command::new(program).args(arguments).output();
    let output = result.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::Missing {
            program: program.into(),
            package,
        },
        _ => Error::NotStarted { program, error },
    })?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Failed {
            program,
            complaint: last_words(&said),
        })
    }
}

/// The last three lines of what a program said, on one line: the cause is there, after the progress.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_package_of_a_missing_program() {
        let error = run("no-such-program", "its-package", []).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no-such-program not found; ./run.sh setup installs it (Debian's package its-package)"
        );
    }

    #[test]
    fn passes_on_why_a_program_failed() {
        let error = run(
            "sh",
            "dash",
            ["-c", "echo no room >&2; exit 3"].map(OsStr::new),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "sh failed: no room");
    }

    #[test]
    fn keeps_the_end_of_a_long_complaint() {
        assert_eq!(
            last_words("1% done\n\n50% done\nxorriso: \n no space \n"),
            "50% done; xorriso:; no space"
        );
        assert_eq!(last_words(""), "");
    }
}
