//! A lake in a data directory: where reading and writing begin.

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
        let lake = Self::open(data_dir, Arc::new(NoFaults))?;
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
    /// As [`Lake::snapshot`], and [`LakeError::NoSnapshot`].
    pub fn snapshot_at(&self, version: u64) -> Result<Snapshot, LakeError> {
        let newest = self.snapshot()?.version();
        if version > newest {
            return Err(LakeError::NoSnapshot { asked: version, newest });
        }
        self.load(Some(version))
    }

    fn load(&self, version: Option<u64>) -> Result<Snapshot, LakeError> {
        if !self.exists() {
            return Err(self.none());
        }
        Snapshot::load(&self.home, version)
    }

    pub(crate) fn none(&self) -> LakeError {
        LakeError::NoLake { path: self.dir() }
    }
}
