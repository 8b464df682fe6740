//! Makes the appliance bootable: `pollux-boot image` writes one hybrid image that starts under BIOS and
//! under UEFI, from a stick, a disk or an optical drive; `pollux-boot network` a folder for a TFTP
//! server. Both by GRUB and Multiboot2.
//!
//! Called by `./run.sh image`. It reads the kernel's ELF and the files for the appliance, and writes
//! what it was told to, and nothing else; other people's tools do the work, and what is missing of them
//! on this machine is told by name.

#![forbid(unsafe_code)]

mod arguments;
mod content;
mod disk;
mod error;
mod menu;
mod multiboot;
mod tools;
mod write;

use std::process::ExitCode;

use arguments::Request;

fn main() -> ExitCode {
    match run() {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pollux-boot: {error}");
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says, and returns what is to be said of it.
fn run() -> Result<String, Box<dyn std::error::Error>> {
    Ok(match arguments::parse(std::env::args_os())? {
        Request::Help => arguments::USAGE.into(),
        Request::Image(wanted) => {
            let size_bytes = write::image(&wanted)?;
            format!(
                "{}: {:.1} MB; write it to a stick with: dd if={0} of=/dev/sdX bs=4M conv=fsync\n",
                wanted.output.display(),
                size_bytes as f64 / 1e6,
            )
        }
        Request::Network(wanted) => {
            write::network(&wanted)?;
            format!(
                "{}: for a TFTP server; the boot file is pollux.0 under BIOS, pollux.efi under UEFI\n",
                wanted.output.display()
            )
        }
    })
}
