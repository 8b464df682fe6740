//! Why there is no image: one variant for each cause.

use std::io;
use std::path::{Path, PathBuf};

use crate::{disk, multiboot, tools};

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, written or copied.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// The kernel is none for GRUB.
    #[error("{}: {error}", path.display())]
    Kernel {
        path: PathBuf,
        error: multiboot::Error,
    },
    /// A name that FAT cannot hold.
    #[error("{}: on the stick, a name must have none of the characters {FORBIDDEN}", path.display())]
    Name { path: PathBuf },
    /// More than there is room for.
    #[error("the files are {wanted} octets long in all, and an image has room for {room}")]
    NoRoom { wanted: u64, room: u64 },
    /// The image did not come out as it should.
    #[error("xorriso wrote an image that cannot be used: {0}")]
    Image(#[from] disk::Error),
    /// A program is missing, or failed.
    #[error(transparent)]
    Tool(#[from] tools::Error),
}

/// What no name on a FAT volume may contain.
pub const FORBIDDEN: &str = "\" * : < > ? \\ |";

/// Names the file at `path` in an error.
pub fn at(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::File {
        path: path.into(),
        error,
    }
}
