//! A graph in a directory: where reading and writing begin.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use stele_model::{Faults, NoFaults};

use crate::durable::damaged;
use crate::error::{At, GraphError};
use crate::pointer::{Current, Version};
use crate::reader::Reader;
use crate::writer::Writer;

/// Times that a reader looks at the pointer again because a part that it named was removed between the
/// look and the opening. A removal takes two swaps before it, so twice in a row is strange already.
const OPEN_TRIES: usize = 3;

/// A graph. Cheap to open: nothing is read before a reader or a writer is asked for.
#[derive(Clone)]
pub struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) faults: Arc<dyn Faults>,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Home {
    /// The graph in a directory, which the first writer creates if need be. One home is for the
    /// documents of one tenant.
    ///
    /// # Errors
    ///
    /// When the path cannot be made absolute.
    pub fn open(dir: &Path) -> Result<Self, GraphError> {
        Self::with_faults(dir, Arc::new(NoFaults))
    }

    /// The same, with failures as an argument.
    ///
    /// # Errors
    ///
    /// When the path cannot be made absolute.
    pub fn with_faults(dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, GraphError> {
        Ok(Self { dir: std::path::absolute(dir).at("find", dir)?, faults })
    }

    /// Whether there is a graph.
    pub fn exists(&self) -> bool {
        Current::path(&self.dir).exists()
    }

    /// When a version last took the place of another, for whoever keeps answers; `None` where there is none.
    pub fn changed(&self) -> Option<SystemTime> {
        fs::metadata(Current::path(&self.dir)).and_then(|file| file.modified()).ok()
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version that answers now, by the pointer file alone: no part is opened. Nothing where there is
    /// no graph.
    ///
    /// # Errors
    ///
    /// [`GraphError::Damaged`] or [`GraphError::NewerFormat`] for a pointer that cannot be read.
    pub fn version(&self) -> Result<Option<Version>, GraphError> {
        Ok(Current::load(&self.dir)?.map(|current| current.now))
    }

    /// A reader of the version that answers now. It goes on reading that one, whatever is written.
    ///
    /// # Errors
    ///
    /// [`GraphError::NoGraph`] where there is none; otherwise what opening it met.
    pub fn reader(&self) -> Result<Reader, GraphError> {
        let load = || {
            let none = || GraphError::NoGraph { path: self.dir.clone() };
            Current::load(&self.dir)?.ok_or_else(none)
        };
        let mut current = load()?;
        for _ in 0..OPEN_TRIES {
            if let Some(reader) = Reader::open(&self.dir, &current.now)? {
                return Ok(reader);
            }
            let again = load()?;
            if again == current {
                break;
            }
            current = again;
        }
        Err(damaged(&Current::path(&self.dir), "it names a part that is not there"))
    }

    /// Takes the writer lock, creates what is not there, and removes what a writer before it did not
    /// finish.
    ///
    /// # Errors
    ///
    /// [`GraphError::Busy`] while another one writes; otherwise what the disk says.
    pub fn writer(&self) -> Result<Writer, GraphError> {
        Writer::open(self, false)
    }

    /// A writer that begins with nothing. What is there answers until the commit.
    ///
    /// # Errors
    ///
    /// [`GraphError::Busy`] while another one writes; otherwise what the disk says.
    pub fn rebuild(&self) -> Result<Writer, GraphError> {
        Writer::open(self, true)
    }

    /// The part directories that are there, with their numbers.
    pub(crate) fn parts_there(&self) -> Result<Vec<(u64, String)>, GraphError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).at("list", &self.dir)? {
            let name = entry.at("list", &self.dir)?.file_name().to_string_lossy().into_owned();
            if let Some(number) = number_of(&name) {
                found.push((number, name));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The number of a part directory.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("p-")?.parse().ok()
}
