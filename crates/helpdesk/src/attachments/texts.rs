//! What files say, kept so that no file is fetched twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What is known of a file in one state of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What it says; `None` if nobody here reads such files.
    pub text: Option<String>,
}

/// Where it is kept. A state of a file is its id and the time of its last change.
pub trait Texts: Send + Sync {
    /// What is known, if anything is.
    fn get(&self, id: &str, updated_at: &str) -> Option<Known>;

    /// Keeps it. What cannot be kept is found out again another time.
    fn put(&self, id: &str, updated_at: &str, known: &Known);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTexts;

impl Texts for NoTexts {
    fn get(&self, _: &str, _: &str) -> Option<Known> {
        None
    }

    fn put(&self, _: &str, _: &str, _: &Known) {}
}

/// Keeps them in a directory, one file each, and drops those that were written first when there are too many.
#[derive(Debug)]
pub struct DiskTexts {
    directory: PathBuf,
    bytes_max: u64,
    held: Mutex<u64>,
}

impl DiskTexts {
    /// In this directory, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made or read.
    pub fn new(directory: impl Into<PathBuf>, bytes_max: u64) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        let held = entries(&directory)?.iter().map(|(_, _, length)| length).sum();
        Ok(Self { directory, bytes_max, held: Mutex::new(held) })
    }

    fn path(&self, id: &str, updated_at: &str) -> PathBuf {
        // The parts come from a service, so they are no names of files.
        let key = blake3::hash(format!("{}:{id}/{updated_at}", id.len()).as_bytes()).to_hex();
        self.directory.join(format!("{key}.json"))
    }

    fn write(&self, path: &Path, known: &Known) -> io::Result<()> {
        let bytes = serde_json::to_vec(known)?;
        let length = bytes.len() as u64;
        if length > self.bytes_max {
            return Ok(());
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held + length > self.bytes_max {
            let mut entries = entries(&self.directory)?;
            *held = entries.iter().map(|(_, _, length)| length).sum();
            entries.sort();
            for (_, path, length) in entries {
                if *held + length <= self.bytes_max {
                    break;
                }
                fs::remove_file(path)?;
                *held -= length;
            }
        }
        let aside = path.with_extension("new");
        fs::write(&aside, &bytes)?;
        fs::rename(&aside, path)?;
        *held += length;
        Ok(())
    }
}

fn entries(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            found.push((metadata.modified()?, entry.path(), metadata.len()));
        }
    }
    Ok(found)
}

impl Texts for DiskTexts {
    fn get(&self, id: &str, updated_at: &str) -> Option<Known> {
        // What is damaged is not known.
        serde_json::from_slice(&fs::read(self.path(id, updated_at)).ok()?).ok()
    }

    fn put(&self, id: &str, updated_at: &str, known: &Known) {
        if let Err(error) = self.write(&self.path(id, updated_at), known) {
            tracing::debug!(%error, "the text of a file is not kept");
        }
    }
}
