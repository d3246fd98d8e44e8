//! A lake in a data directory: where reading and writing begin.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stele_model::{Faults, Micros, NoFaults};

use crate::delta::{DeltaLog, Home};
use crate::error::{At, LakeError};
use crate::snapshot::Snapshot;
use crate::tables::{Table, lake_dir};
use crate::writer::Writer;

/// Threads that drive the Delta library's I/O. It needs a second one while the first waits.
const RUNTIME_THREADS: usize = 2;

/// A lake. Cheap to open: nothing is read before a snapshot is asked for.
///
/// Its calls block, and must not be made from inside an async runtime's worker thread.
#[derive(Clone)]
pub struct Lake {
    pub(crate) home: Home,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lake").field("data_dir", &self.home.data_dir).finish_non_exhaustive()
    }
}

impl Lake {
    /// The lake of a data directory, which the first [`Lake::writer`] creates if need be.
    ///
    /// # Errors
    ///
    /// When the path cannot be made absolute, or no thread can be started.
    pub fn open(data_dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, LakeError> {
        let data_dir = std::path::absolute(data_dir).at("find", data_dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("stele-lake")
            .build()
            .at("start threads for", &data_dir)?;
        Ok(Self { home: Home { data_dir, runtime: Arc::new(runtime), faults } })
    }

    /// The lake of a data directory that has one.
    ///
    /// # Errors
    ///
    /// [`LakeError::NoLake`] where there is none.
    pub fn open_existing(data_dir: &Path) -> Result<Self, LakeError> {
        Self::open_existing_with(data_dir, Arc::new(NoFaults))
    }

    /// The lake of a data directory that has one, with faults.
    ///
    /// # Errors
    ///
    /// [`LakeError::NoLake`] where there is none.
    pub fn open_existing_with(data_dir: &Path, faults: Arc<dyn Faults>) -> Result<Self, LakeError> {
        let lake = Self::open(data_dir, faults)?;
        lake.refuse_headless()?;
        if lake.exists() { Ok(lake) } else { Err(lake.none()) }
    }

    /// Whether there is a lake.
    pub fn exists(&self) -> bool {
        DeltaLog::exists(&self.home, Table::Events)
    }

    /// The data directory, absolute.
    pub fn data_dir(&self) -> &Path {
        &self.home.data_dir
    }

    /// The directory of the tables.
    pub fn dir(&self) -> PathBuf {
        lake_dir(&self.home.data_dir)
    }

    /// Takes the writer lock, creates or migrates the lake where needed, and undoes what a writer
    /// before it left half done.
    ///
    /// # Errors
    ///
    /// [`LakeError::Busy`] while another process writes; otherwise what recovery met.
    pub fn writer(&self, now: Micros) -> Result<Writer, LakeError> {
        Writer::open(self, now)
    }

    /// The newest snapshot.
    ///
    /// # Errors
    ///
    /// When there is no lake, its version is newer than this program, or a log is damaged.
    pub fn snapshot(&self) -> Result<Snapshot, LakeError> {
        self.load(None)
    }

    /// The snapshot of an earlier commit, as long as its parts were not vacuumed.
    ///
    /// # Errors
    ///
    /// As [`Lake::snapshot`], [`LakeError::NoSnapshot`] and [`LakeError::Vacuumed`].
    pub fn snapshot_at(&self, version: u64) -> Result<Snapshot, LakeError> {
        let newest = self.snapshot()?;
        if version > newest.version() {
            return Err(LakeError::NoSnapshot { asked: version, newest: newest.version() });
        }
        let old = self.load(Some(version))?;
        for table in Table::ALL {
            let named: HashSet<&Path> = newest.parts(table).iter().map(|part| &*part.path).collect();
            // What the newest version does not name is a vacuum's to remove.
            if old.parts(table).iter().any(|part| !named.contains(&*part.path) && !part.path.exists()) {
                return Err(LakeError::Vacuumed { asked: version, newest: newest.version() });
            }
        }
        Ok(old)
    }

    fn load(&self, version: Option<u64>) -> Result<Snapshot, LakeError> {
        self.refuse_headless()?;
        if !self.exists() {
            return Err(self.none());
        }
        Snapshot::load(&self.home, version)
    }

    /// Refuses a directory that holds parts but not the log of `events`, which every lake has from
    /// its first moment on: to begin anew there would orphan everything in it.
    pub(crate) fn refuse_headless(&self) -> Result<(), LakeError> {
        if self.exists() || !Table::ALL.into_iter().any(|table| holds_parts(&table.dir(&self.home.data_dir)))
        {
            return Ok(());
        }
        Err(LakeError::CorruptLog {
            path: Table::Events.dir(&self.home.data_dir).join("_delta_log"),
            line: None,
            detail: "it is missing, although the lake holds parts".to_owned(),
        })
    }

    pub(crate) fn none(&self) -> LakeError {
        LakeError::NoLake { path: self.dir() }
    }
}

/// Whether a table's directory holds a Parquet file, at most two partitions deep.
fn holds_parts(dir: &Path) -> bool {
    let mut pending = vec![(dir.to_path_buf(), 0)];
    while let Some((dir, depth)) = pending.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "parquet") {
                return true;
            }
            if depth < 2 && path.is_dir() && path.file_name().is_some_and(|name| name != "_delta_log") {
                pending.push((path, depth + 1));
            }
        }
    }
    false
}
