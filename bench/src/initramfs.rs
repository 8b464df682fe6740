//! More files for the Linux machine: an archive behind its own, which Linux unpacks as well.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// What Linux reads up to the next archive in multiples of.
const ALIGNMENT: usize = 512;

/// Writes to `to` the archive at `from` and each of `programs` as `/usr/bin/NAME`.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn with_programs(
    from: &Path,
    programs: &[(&str, PathBuf)],
    to: PathBuf,
) -> io::Result<PathBuf> {
    let mut archive = fs::read(from)?;
    archive.resize(archive.len().next_multiple_of(ALIGNMENT), 0);
    for (name, program) in programs {
        push(
            &mut archive,
            &format!("usr/bin/{name}"),
            0o100_755,
            &fs::read(program)?,
        );
    }
    push(&mut archive, "TRAILER!!!", 0, &[]);
    fs::write(&to, archive)?;
    Ok(to)
}

/// Adds a member in the "newc" format (cpio(5)): a magic number and thirteen numbers of eight
/// hexadecimal digits, the name and the content, each up to a multiple of four octets.
fn push(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let links = 1;
    let (content_length, name_length) = (content.len() as u32, name.len() as u32 + 1);
    // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, check.
    let numbers = [
        0,
        mode,
        0,
        0,
        links,
        0,
        content_length,
        0,
        0,
        0,
        0,
        name_length,
        0,
    ];
    archive.extend(b"070701");
    for number in numbers {
        archive.extend(format!("{number:08x}").as_bytes());
    }
    archive.extend(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}
