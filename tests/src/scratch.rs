//! A file of a test program's own.

use std::path::PathBuf;

/// A file that is removed when it is done with.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// One that nobody else uses. It is not made.
    pub fn new(name: &str) -> Self {
        let name = format!("pollux-tests-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}
