//! The files that a loader gave with the kernel: modules, or the members of an archive.
//!
//! PVH and the `bootloader` crate can pass one blob only, so several files come as one tar archive
//! (`./run.sh boot --file`); GRUB passes each by itself. Both end up in one list of names.

use heapless::Vec;
use tar_no_std::TarArchiveRef;

/// How many files are kept; more are counted, not kept.
const CAPACITY: usize = 32;

/// A file: its base name and its octets.
#[derive(Clone, Copy, Debug)]
pub struct File {
    name: [u8; Self::NAME_LENGTH],
    name_length: usize,
    /// What is in it.
    pub octets: &'static [u8],
}

impl File {
    const NAME_LENGTH: usize = 100;

    fn new(path: &str, octets: &'static [u8]) -> Self {
        let base = path.rsplit('/').next().unwrap_or(path);
        let mut name = [0; Self::NAME_LENGTH];
        let mut name_length = 0;
        for character in base.chars() {
            let end = name_length + character.len_utf8();
            let Some(slot) = name.get_mut(name_length..end) else {
                break;
            };
            character.encode_utf8(slot);
            name_length = end;
        }
        Self {
            name,
            name_length,
            octets,
        }
    }

    /// Its name without folders, cut at 100 octets.
    pub fn name(&self) -> &str {
        self.name
            .get(..self.name_length)
            .and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("")
    }
}

/// The files, in the order in which they were given.
#[derive(Debug, Default)]
pub struct Files {
    files: Vec<File, CAPACITY>,
    left_out: usize,
}

impl Files {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds the members of a tar archive, or, when it is none, the octets as a file called `name`.
    pub(super) fn add_archive_or_file(&mut self, name: &str, octets: &'static [u8]) {
        // The magic stands at the same place in every archive of POSIX or GNU form.
        let is_archive = octets.get(257..262) == Some(b"ustar");
        match TarArchiveRef::new(octets) {
            Ok(archive) if is_archive => {
                for entry in archive.entries() {
                    let path = entry.filename();
                    self.add(path.as_str().unwrap_or("unnamed"), entry.data());
                }
            }
            _ => self.add(name, octets),
        }
    }

    fn add(&mut self, path: &str, octets: &'static [u8]) {
        if self.files.push(File::new(path, octets)).is_err() {
            self.left_out += 1;
        }
    }

    /// All files.
    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The file of this base name.
    pub fn find(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name() == name)
    }

    /// How many files were given beyond what could be kept.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ustar archive with one member, `etc/start`, holding `status\n`.
    fn archive() -> &'static [u8] {
        let mut octets = vec![0_u8; 2048];
        octets[..9].copy_from_slice(b"etc/start");
        octets[100..108].copy_from_slice(b"0000644\0");
        octets[108..116].copy_from_slice(b"0000000\0");
        octets[116..124].copy_from_slice(b"0000000\0");
        octets[124..136].copy_from_slice(b"00000000007\0");
        octets[136..148].copy_from_slice(b"00000000000\0");
        octets[148..156].copy_from_slice(b"        ");
        octets[156] = b'0';
        octets[257..263].copy_from_slice(b"ustar\0");
        octets[263..265].copy_from_slice(b"00");
        let sum: u32 = octets[..512].iter().map(|&octet| u32::from(octet)).sum();
        octets[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        octets[512..519].copy_from_slice(b"status\n");
        octets.leak()
    }

    #[test]
    fn members_of_an_archive_are_found_by_their_base_name() {
        let mut files = Files::new();
        files.add_archive_or_file("archive.tar", archive());
        let found = files.find("start").expect("is there");
        assert_eq!(found.octets, b"status\n");
        assert_eq!(files.iter().count(), 1);
    }

    #[test]
    fn a_module_that_is_no_archive_is_a_file() {
        let mut files = Files::new();
        files.add_archive_or_file("/boot/pollux.conf", b"status\n");
        assert_eq!(
            files.find("pollux.conf").map(|file| file.octets),
            Some(&b"status\n"[..])
        );
        files.add_archive_or_file("empty", b"");
        assert!(files.find("empty").is_some());
    }

    #[test]
    fn a_damaged_archive_does_no_harm() {
        let whole = archive();
        for length in 0..whole.len() {
            let mut files = Files::new();
            files.add_archive_or_file("cut", &whole[..length]);
        }
        for place in 0..512 {
            let mut octets = whole.to_vec();
            octets[place] ^= 0xff;
            Files::new().add_archive_or_file("damaged", octets.leak());
        }
    }

    #[test]
    fn files_beyond_the_capacity_are_counted_and_long_names_are_cut() {
        let mut files = Files::new();
        for _ in 0..CAPACITY + 2 {
            files.add_archive_or_file("file", b"x");
        }
        assert_eq!(files.left_out(), 2);
        let name = "ä".repeat(80);
        assert_eq!(File::new(&name, b"").name(), "ä".repeat(50));
    }
}
