//! What is on the stick, or in the folder of a TFTP server: the same files at the same places.
//!
//! | place | what |
//! |---|---|
//! | `boot/pollux` | the kernel |
//! | `boot/grub/grub.cfg` | GRUB's menu |
//! | `pollux.conf` | the start-up file |
//! | `files/` | files that are handed to the appliance |
//! | `README.txt` | what may be changed, for whoever finds the stick |

use std::fs;
use std::path::{Path, PathBuf};

use crate::arguments::Wanted;
use crate::error::{Error, FORBIDDEN, at};
use crate::{menu, multiboot, tools};

/// The start-up file where none was given: nothing but what could be there.
const START_UP_FILE: &str = "\
# The start-up file: console commands, one a line, carried out at each start. Behind a # is a comment.
# As long as there is no command, the first card gets eth0.42 with 10.10.10.11/24. To have another:
#
#   ip link add link eth0 name eth0.7 type vlan id 7
#   ip addr add 192.168.7.11/24 dev eth0.7
#   ip link set eth0.7 up
#   evl net -ei eth0.7
#
# At the console, 'help' lists the commands, and 'config show' prints such a file.
";

/// What stands in README.txt.
const README: &str = "\
Pollux, a network appliance.

pollux.conf          what it does at its start: console commands, one a line
files\\               files that it gets: eBPF programs and others
boot\\grub\\grub.cfg   the menu, and the words on its command line

Each may be changed with any editor; the next start goes by it.
";

/// What was laid out.
pub struct Content {
    /// Octets in all.
    pub size_bytes: u64,
    /// The base names of the files for the appliance.
    pub files: Vec<String>,
}

/// Puts all that `wanted` asks for into `folder`, but for the menu ([`put_menu`]) and the loaders.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn lay_out(wanted: &Wanted, folder: &Path) -> Result<Content, Error> {
    check_kernel(&wanted.kernel)?;
    for part in ["boot/grub", "files"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).map_err(at(&part))?;
    }
    let kernel = folder.join("boot/pollux");
    tools::strip(&wanted.kernel, &kernel)?;
    // Stripping moves what lies in the file, and GRUB looks at the file.
    check_kernel(&kernel)?;
    let mut size_bytes = fs::metadata(&kernel).map_err(at(&kernel))?.len();

    let start_up = folder.join("pollux.conf");
    match &wanted.config {
        Some(config) => size_bytes += fs::copy(config, &start_up).map_err(at(config))?,
        None => fs::write(&start_up, with_crlf(START_UP_FILE)).map_err(at(&start_up))?,
    }
    let mut files = Vec::new();
    for file in &wanted.files {
        let name = base_name(file)?;
        size_bytes += fs::copy(file, folder.join("files").join(&name)).map_err(at(file))?;
        files.push(name);
    }
    let readme = folder.join("README.txt");
    fs::write(&readme, with_crlf(README)).map_err(at(&readme))?;
    Ok(Content { size_bytes, files })
}

/// Puts GRUB's menu, the text `configuration`, into `folder`.
///
/// # Errors
///
/// [`Error::File`].
pub fn put_menu(folder: &Path, configuration: &str) -> Result<(), Error> {
    let path = folder.join(menu::PLACE);
    fs::write(&path, configuration).map_err(at(&path))
}

fn check_kernel(path: &Path) -> Result<(), Error> {
    let file = fs::read(path).map_err(at(path))?;
    multiboot::check(&file).map_err(|error| Error::Kernel {
        path: path.into(),
        error,
    })
}

/// The name of `path` without its folders, if FAT can hold it.
fn base_name(path: &Path) -> Result<String, Error> {
    path.file_name()
        .and_then(|name| name.to_str())
        .filter(|name| {
            !name.contains(|c: char| c.is_control() || FORBIDDEN.contains(c) && c != ' ')
        })
        .map(str::to_owned)
        .ok_or_else(|| Error::Name {
            path: PathBuf::from(path),
        })
}

/// The ends of lines that every editor of every system can show.
fn with_crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fat_cannot_hold_are_refused() {
        for (path, name) in [("a/b.o", "b.o"), ("two words", "two words"), ("ä", "ä")] {
            assert_eq!(base_name(Path::new(path)).expect(name), name);
        }
        for path in ["a:b", "what?", "x|y", "tab\there", "..", "/"] {
            assert!(
                matches!(base_name(Path::new(path)), Err(Error::Name { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn the_start_up_file_as_it_comes_has_no_command() {
        assert!(START_UP_FILE.lines().all(|line| line.starts_with('#')));
    }
}
