//! Files and folders of a test program's own, removed when it is done with them.

use std::path::PathBuf;

/// A place for a file or a folder, in the folder for temporary files.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A place whose name ends in `name`; nothing is there yet.
    pub fn new(name: &str) -> Self {
        let name = format!("pollux-tests-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Its path, to be a word on a command line.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// Makes it a file with this content.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub fn write(&self, content: impl AsRef<[u8]>) {
        std::fs::write(&self.0, content).expect("the file can be written");
    }

    /// What is in the file.
    ///
    /// # Panics
    ///
    /// It cannot be read.
    pub fn read(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("the file can be read")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0).or_else(|_| std::fs::remove_dir_all(&self.0));
    }
}
