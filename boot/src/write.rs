//! The image and the folder themselves, step by step.
//!
//! The image is three things in one file. To BIOS and UEFI on a stick or a disk it is a disk with one
//! FAT partition, which any PC can change. To both on an optical drive it is an ISO 9660 volume whose
//! only files are that same partition, `pollux.fat`, and GRUB. There is one copy of all that matters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::arguments::Wanted;
use crate::error::{Error, at};
use crate::tools::Platform;
use crate::{content, disk, menu, tools};

/// Octets of the FAT partition that files can have: what is left of them all beside the volume's own tables.
const ROOM_BYTES: u64 = tools::VOLUME_BYTES - (2 << 20);

/// Writes the image that `wanted` describes, and returns its size in bytes. A file that was there is
/// replaced only when the new image is complete.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn image(wanted: &Wanted) -> Result<u64, Error> {
    let work = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
    let [stick, disc] = ["stick", "disc"].map(|name| work.path().join(name));
    let firmware = stick.join("EFI/BOOT");
    for folder in [&firmware, &disc] {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let content = content::lay_out(wanted, &stick)?;
    if content.size_bytes > ROOM_BYTES {
        return Err(Error::NoRoom {
            wanted: content.size_bytes,
            room: ROOM_BYTES,
        });
    }
    content::put_menu(
        &stick,
        &menu::configuration(&wanted.words, menu::Files::Found),
    )?;
    let early = &work.path().join("early");
    tools::make_grub(
        Platform::BiosDisk,
        menu::FIND_STICK,
        early,
        &disc.join(tools::BIOS_LOADER),
    )?;
    // The name by which every UEFI looks for a loader (UEFI 2.10 §3.5.1.1).
    tools::make_grub(
        Platform::Uefi,
        menu::FIND_STICK,
        early,
        &firmware.join("BOOTX64.EFI"),
    )?;
    tools::make_volume(&stick, &disc.join(tools::VOLUME))?;

    let directory = match wanted.output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::metadata(directory).map_err(at(directory))?;
    let unfinished = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(at(directory))?;
    tools::make_disc(&disc, unfinished.path())?;
    let mut whole = fs::read(unfinished.path()).map_err(at(unfinished.path()))?;
    disk::add_partition(&mut whole, tools::VOLUME_BYTES)?;
    fs::write(unfinished.path(), &whole).map_err(at(unfinished.path()))?;
    unfinished
        .persist(&wanted.output)
        .map_err(|failed| at(&wanted.output)(failed.error))?;
    Ok(whole.len() as u64)
}

/// Writes the folder for a TFTP server that `wanted` describes.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn network(wanted: &Wanted) -> Result<(), Error> {
    let work = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
    let early = &work.path().join("early");
    let folder = &wanted.output;
    fs::create_dir_all(folder).map_err(at(folder))?;
    let content = content::lay_out(wanted, folder)?;
    let files = menu::Files::Listed(&content.files);
    content::put_menu(folder, &menu::configuration(&wanted.words, files))?;
    tools::make_grub(
        Platform::BiosNetwork,
        menu::FIND_SERVER,
        early,
        &folder.join("pollux.0"),
    )?;
    tools::make_grub(
        Platform::UefiNetwork,
        menu::FIND_SERVER,
        early,
        &folder.join("pollux.efi"),
    )?;
    Ok(())
}
