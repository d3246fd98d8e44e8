//! Files as the writer uses them, as an argument: a test hands in a disk that is slow, full or broken.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Where segments are written.
pub trait Disk: Send + Sync {
    /// Makes a new file; when this comes back its entry in the directory is durable.
    ///
    /// # Errors
    /// If it cannot be made, or is there already.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file its final name; when this comes back the name is durable.
    ///
    /// # Errors
    /// If it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// A file that grows.
pub trait DiskFile: Send {
    /// Appends all of it.
    ///
    /// # Errors
    /// If it may not have been written; then an unknown part of it was.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Comes back when what was appended survives a power cut.
    ///
    /// # Errors
    /// If it may not; then nothing since the last sync counts as durable, whatever a later one says.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes away what is behind this length.
    ///
    /// # Errors
    /// If it cannot.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        sync_parent(path)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)?;
        sync_parent(to)
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_all()
    }
}

/// Makes the entries of the directory that a file is in durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Puts a small file in the place of another, all of it or nothing.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_parent(path)
}
