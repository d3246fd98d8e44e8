//! One writer at a time: an advisory lock that the operating system gives up with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{At, LakeError};
use crate::tables::lake_dir;

/// The lock file of a lake.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    lake_dir(data_dir).join(".writer.lock")
}

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct WriterLock {
    file: File,
}

impl WriterLock {
    /// Takes the lock, or says who holds it.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, LakeError> {
        let path = path(data_dir);
        let mut file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LakeError::Busy { pid: holder(&mut file), path }),
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

/// Whether somebody holds the lock, and who.
pub(crate) fn held(data_dir: &Path) -> Result<Option<Option<u32>>, LakeError> {
    let path = path(data_dir);
    if !path.exists() {
        return Ok(None);
    }
    // Looking must not need the right to write; whoever may not even read it writes nothing here.
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(None),
        file => file.at("open", &path)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
        Err(TryLockError::Error(source)) => Err(source).at("lock", &path),
    }
}

fn open(path: &Path) -> Result<File, LakeError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at("open", path)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
