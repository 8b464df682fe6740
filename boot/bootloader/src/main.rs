//! Makes disk images with the `bootloader` crate: one for BIOS, one for UEFI, of the same kernel.
//!
//! Called by `./run.sh image --loader bootloader`. That crate hands one blob to the kernel and no command
//! line, so both images carry an archive, whose member `pollux.command-line` the kernel takes for one.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use bootloader::DiskImageBuilder;
use lexopt::prelude::*;

const USAGE: &str = "\
pollux-bootloader --kernel ELF --files TAR --bios FILE --uefi FILE

  --kernel ELF   the appliance
  --files TAR    a tar archive that the loader hands to it
  --bios FILE    the image for BIOS to write
  --uefi FILE    the image for UEFI to write
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pollux-bootloader: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut places: [(&str, Option<PathBuf>); 4] =
        ["kernel", "files", "bios", "uefi"].map(|name| (name, None));
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let place = match &argument {
            Short('h') | Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            Long(name) => places.iter_mut().find(|place| place.0 == *name),
            _ => None,
        };
        let Some((_, place)) = place else {
            return Err(argument.unexpected().to_string());
        };
        *place = Some(parser.value().map_err(|error| error.to_string())?.into());
    }
    let [kernel, files, bios, uefi] =
        places.map(|(name, path)| path.ok_or_else(|| format!("--{name} is missing")));
    let mut builder = DiskImageBuilder::new(kernel?);
    builder.set_ramdisk(files?);
    let why = |error| format!("{error:#}");
    builder.create_bios_image(&bios?).map_err(why)?;
    builder.create_uefi_image(&uefi?).map_err(why)
}
