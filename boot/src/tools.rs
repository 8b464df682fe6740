//! Runs the programs that do the work, and says which one is missing, from which package, or why it
//! failed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Where GRUB keeps the modules of each platform.
const GRUB_DIRECTORY: &str = "/usr/lib/grub";
/// GRUB's code for the first sector of a disk, which loads what an optical drive would load.
const FIRST_SECTOR: &str = "/usr/lib/grub/i386-pc/boot_hybrid.img";
/// Octets of the FAT partition: with what is around it, an image stays below 32 MiB.
pub const VOLUME_BYTES: u64 = 30 << 20;
/// The name of GRUB for BIOS, and of the FAT partition, on the disc.
pub const BIOS_LOADER: &str = "grub.img";
pub const VOLUME: &str = "pollux.fat";

/// A form of GRUB.
#[derive(Clone, Copy, Debug)]
pub enum Platform {
    /// Started by BIOS, from a disk or a disc.
    BiosDisk,
    /// Started by UEFI, from anything.
    Uefi,
    /// Started by PXE code of a network card.
    BiosNetwork,
    /// Started by UEFI, from the network.
    UefiNetwork,
}

/// What every GRUB here can do: script, menu, the appliance's start, a picture for it.
const MODULES: [&str; 22] = [
    "memdisk",
    "tar",
    "normal",
    "configfile",
    "test",
    "regexp",
    "multiboot2",
    "true",
    "boot",
    "all_video",
    "serial",
    "terminal",
    "minicmd",
    "echo",
    "cat",
    "ls",
    "reboot",
    "halt",
    "sleep",
    "search",
    "search_fs_file",
    "loopback",
];
/// ... one that reads disks, beside that ...
const DISK_MODULES: [&str; 4] = ["part_msdos", "part_gpt", "fat", "iso9660"];
/// ... and one that reads from the network.
const NETWORK_MODULES: [&str; 2] = ["net", "tftp"];

impl Platform {
    /// GRUB's name of the form, Debian's package that brings its modules, and those that it alone needs.
    fn parts(self) -> (&'static str, &'static str, Vec<&'static str>) {
        let (pc, efi) = ("grub-pc-bin", "grub-efi-amd64-bin");
        match self {
            Self::BiosDisk => (
                "i386-pc-eltorito",
                pc,
                [&["biosdisk"], &DISK_MODULES[..]].concat(),
            ),
            Self::Uefi => ("x86_64-efi", efi, DISK_MODULES.into()),
            Self::BiosNetwork => ("i386-pc-pxe", pc, [&["pxe"], &NETWORK_MODULES[..]].concat()),
            Self::UefiNetwork => (
                "x86_64-efi",
                efi,
                [&["efinet"], &NETWORK_MODULES[..]].concat(),
            ),
        }
    }
}

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
    /// What it works on could not be put where it finds it.
    #[error("in the folder for temporary files: {0}")]
    Work(io::Error),
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

/// Makes a GRUB at `output`, which carries the commands `first` within it and begins with them. What it
/// takes on the way is put into the folder `work`.
///
/// # Errors
///
/// [`Error`], when GRUB's tools are missing or fail.
pub fn make_grub(platform: Platform, first: &str, work: &Path, output: &Path) -> Result<(), Error> {
    let (format, package, modules) = platform.parts();
    let folder = work.join("boot/grub");
    fs::create_dir_all(&folder).map_err(Error::Work)?;
    fs::write(folder.join("grub.cfg"), first).map_err(Error::Work)?;
    let early = work.with_extension("tar");
    let arguments = ["--format=ustar", "--create", "--file"].map(OsStr::new);
    let members = ["--directory".as_ref(), work.as_ref(), OsStr::new("boot")];
    run(
        "tar",
        "tar",
        arguments.into_iter().chain([early.as_ref()]).chain(members),
    )?;

    let needed = format!(
        "{GRUB_DIRECTORY}/{}/multiboot2.mod",
        format
            .trim_end_matches("-eltorito")
            .trim_end_matches("-pxe")
    );
    if !Path::new(&needed).is_file() {
        return Err(Error::Missing {
            program: needed,
            package,
        });
    }
    let options = [
        "--format".as_ref(),
        OsStr::new(format),
        "--output".as_ref(),
        output.as_ref(),
        "--memdisk".as_ref(),
        early.as_ref(),
        "--prefix=(memdisk)/boot/grub".as_ref(),
    ];
    let modules = MODULES.iter().chain(&modules).map(OsStr::new);
    run(
        "grub-mkimage",
        "grub-common",
        options.into_iter().chain(modules),
    )
}

/// Makes a FAT volume at `output` of all that is in `folder`.
///
/// # Errors
///
/// [`Error`], when mtools are missing or fail.
pub fn make_volume(folder: &Path, output: &Path) -> Result<(), Error> {
    let file = fs::File::create(output).map_err(Error::Work)?;
    file.set_len(VOLUME_BYTES).map_err(Error::Work)?;
    let sectors = (VOLUME_BYTES / 512).to_string();
    let volume = ["-i".as_ref(), output.as_os_str()];
    let shape = ["-v", "POLLUX", "-T", &sectors, "-h", "64", "-s", "32", "::"].map(OsStr::new);
    run("mformat", "mtools", volume.into_iter().chain(shape))?;
    let mut entries: Vec<_> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(Error::Work)?;
    entries.sort();
    let options = ["-s", "-Q"].map(OsStr::new);
    let entries = entries.iter().map(AsRef::as_ref);
    run(
        "mcopy",
        "mtools",
        volume
            .into_iter()
            .chain(options)
            .chain(entries)
            .chain(["::".as_ref()]),
    )
}

/// Makes an ISO 9660 image at `output` of all that is in `folder`: BIOS starts [`BIOS_LOADER`] there, from
/// an optical drive or by code in the first sector, and UEFI finds its loader in [`VOLUME`].
///
/// # Errors
///
/// [`Error`], when xorriso is missing or fails.
pub fn make_disc(folder: &Path, output: &Path) -> Result<(), Error> {
    let for_bios = [
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        "--grub2-boot-info",
    ];
    let arguments = [
        "-as",
        "mkisofs",
        "-quiet",
        "-volid",
        "POLLUX_DISC",
        "-joliet",
        "-eltorito-boot",
        BIOS_LOADER,
    ]
    .into_iter()
    .chain(for_bios)
    .chain([
        "--grub2-mbr",
        FIRST_SECTOR,
        "-eltorito-alt-boot",
        "-e",
        VOLUME,
        "-no-emul-boot",
        "-output",
    ])
    .map(OsStr::new);
    run(
        "xorriso",
        "xorriso",
        arguments.chain([output.as_ref(), folder.as_ref()]),
    )
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
