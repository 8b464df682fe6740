//! Makes the appliance bootable from a stick: `pollux-boot image` writes one hybrid image that starts
//! under BIOS and under UEFI, by GRUB and Multiboot2.
//!
//! Called by `./run.sh image`. It reads the kernel's ELF and writes the image, and nothing else; GRUB's
//! own tools do the work, and what they lack on this machine is told by name.

#![forbid(unsafe_code)]

mod arguments;
mod image;
mod menu;
mod multiboot;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os()) {
        Ok(arguments::Request::Image(image)) => image,
        Ok(arguments::Request::Help) => {
            print!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("pollux-boot: {error}");
            return ExitCode::from(2);
        }
    };
    match image::write(&arguments) {
        Ok(size_bytes) => {
            println!(
                "{}: {:.1} MB; write it to a stick with: dd if={0} of=/dev/sdX bs=4M conv=fsync",
                arguments.output.display(),
                size_bytes as f64 / 1e6,
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pollux-boot: {error}");
            ExitCode::from(2)
        }
    }
}
