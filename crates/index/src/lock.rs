//! Advisory locks that the operating system gives up with the process: one writer for the index,
//! and any number of readers for each version directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{At, IndexError};

/// The writer's lock file.
const WRITER: &str = ".write.lock";

/// The lock file in a version directory that its readers share.
pub(crate) const READERS: &str = ".readers.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Takes the lock of an index, or says who holds it.
    pub(crate) fn take(dir: &Path) -> Result<Self, IndexError> {
        let path = dir.join(WRITER);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .at("open", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IndexError::Busy { pid: holder(&mut file), path }),
            Err(TryLockError::Error(source)) => return Err(source).at("lock", &path),
        }
        // The number is for the message of whoever comes second; the lock does not depend on it.
        file.set_len(0).at("write", &path)?;
        file.seek(SeekFrom::Start(0)).at("write", &path)?;
        write!(file, "{}", std::process::id()).at("write", &path)?;
        Ok(Self { file })
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // A leftover number would name a process that holds nothing.
        let _ = self.file.set_len(0);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A reader's share in a version directory, which is not removed while anybody has one.
#[derive(Debug)]
pub(crate) struct ReaderShare {
    _file: File,
}

impl ReaderShare {
    /// Takes a share. `None` if the directory is being removed or is gone.
    pub(crate) fn take(version_dir: &Path) -> Result<Option<Self>, IndexError> {
        let path = version_dir.join(READERS);
        // Reading must not need the right to write.
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.at("open", &path)?,
        };
        // A writer holds it for a moment while it looks whether anybody reads, or while it removes the
        // directory.
        file.lock_shared().at("lock", &path)?;
        Ok(path.exists().then_some(Self { _file: file }))
    }
}

/// Whether nobody reads a version directory. The file is locked for as long as it is held.
pub(crate) fn unread(version_dir: &Path) -> Result<Option<Option<File>>, IndexError> {
    let path: PathBuf = version_dir.join(READERS);
    let file = match File::open(&path) {
        // A directory without the file was never published, so nobody was ever told of it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(None)),
        file => file.at("open", &path)?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(source).at("lock", &path),
    }
}
