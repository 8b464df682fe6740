//! The image itself, step by step: read the kernel, strip it, lay out the stick's files, let GRUB's
//! tools write the image.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::arguments::Image;
use crate::{menu, multiboot, tools};

/// Why there is no image.
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
    /// A program is missing, or failed.
    #[error(transparent)]
    Tool(#[from] tools::Error),
}

/// Writes the image that `wanted` describes, and returns its size in bytes. A file that was there is
/// replaced only when the new image is complete.
///
/// # Errors
///
/// [`Error`], one variant per cause.
pub fn write(wanted: &Image) -> Result<u64, Error> {
    check_kernel(&wanted.kernel)?;
    let stick = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
    let grub = stick.path().join("boot/grub");
    fs::create_dir_all(&grub).map_err(at(&grub))?;

    let kernel = stick.path().join(menu::KERNEL);
    tools::strip(&wanted.kernel, &kernel)?;
    // Stripping moves what lies in the file, and GRUB looks at the file.
    check_kernel(&kernel)?;
    if let Some(files) = &wanted.files {
        fs::copy(files, stick.path().join(menu::FILES)).map_err(at(files))?;
    }
    let configuration = menu::configuration(&wanted.words, wanted.files.is_some());
    let menu_file = grub.join("grub.cfg");
    fs::write(&menu_file, configuration).map_err(at(&menu_file))?;

    let directory = match wanted.output.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::metadata(directory).map_err(at(directory))?;
    let unfinished = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(at(directory))?;
    tools::make_image(stick.path(), unfinished.path())?;
    let size_bytes = fs::metadata(unfinished.path())
        .map_err(at(unfinished.path()))?
        .len();
    unfinished
        .persist(&wanted.output)
        .map_err(|failed| at(&wanted.output)(failed.error))?;
    Ok(size_bytes)
}

fn check_kernel(path: &Path) -> Result<(), Error> {
    let file = fs::read(path).map_err(at(path))?;
    multiboot::check(&file).map_err(|error| Error::Kernel {
        path: path.into(),
        error,
    })
}

/// Names the file at `path` in an error.
fn at(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::File {
        path: path.into(),
        error,
    }
}
