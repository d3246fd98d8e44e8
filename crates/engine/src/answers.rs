//! What the lake as a whole says: its catalogue, its ledger, its reports.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use stele_discover::Catalogue;
use stele_discover::render::coverage::LedgerCheck;
use stele_lake::Snapshot;
use stele_model::{FileEntry, FileId, Ledger};

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::count_again::rebuild_own;
use crate::coverage::inputs_of;
use crate::engine::Engine;
use crate::manifests::OutputSource;
use crate::progress::Cancel;

/// Rows that were in the lake once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Removed because somebody asked for it.
    pub pruned: u64,
    /// Lost with damaged parts that a salvage gave up.
    pub lost: u64,
}

impl Engine {
    /// The catalogue of everything in the newest snapshot.
    ///
    /// # Errors
    ///
    /// If there is no lake, or it cannot be read.
    pub fn catalogue(&self) -> Result<Catalogue, EngineError> {
        self.catalogue_of(&self.snapshot()?)
    }

    /// The catalogue of everything in `snapshot`.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub fn catalogue_of(&self, snapshot: &Snapshot) -> Result<Catalogue, EngineError> {
        CatalogueStore::of(self).load(self, snapshot)
    }

    /// The totals over all inputs of a snapshot. Content that lies there under several names
    /// counts once.
    ///
    /// # Errors
    ///
    /// If the list of inputs cannot be read.
    pub fn ledger(&self, snapshot: &Snapshot) -> Result<Ledger, EngineError> {
        let mut ledger = Ledger::default();
        inputs_of(snapshot)?.iter().for_each(|entry| ledger += entry.ledger);
        Ok(ledger)
    }

    /// Rows that are not in the lake any more: pruned on request, and lost with damaged parts.
    ///
    /// # Errors
    ///
    /// If the notes of the lake cannot be read.
    pub fn removed(&self, snapshot: &Snapshot) -> Result<Removed, EngineError> {
        let mut removed = Removed::default();
        for one in snapshot.pruned()? {
            *(if one.lost { &mut removed.lost } else { &mut removed.pruned }) += one.rows;
        }
        Ok(removed)
    }

    /// The catalogue of what this engine's tenant has in `snapshot`. Where it shares the lake with others
    /// this is counted from the records, which takes as long as a `doctor --fix`: keep it.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or it was cancelled.
    pub fn own_catalogue(&self, snapshot: &Snapshot, cancel: &Cancel) -> Result<Catalogue, EngineError> {
        if self.is_alone(snapshot)? {
            CatalogueStore::of(self).load_until(self, snapshot, cancel)
        } else {
            rebuild_own(self, snapshot, cancel)
        }
    }

    /// The same totals as [`Engine::ledger`] over the inputs of this engine's tenant alone.
    ///
    /// # Errors
    ///
    /// If the list of inputs cannot be read.
    pub fn own_ledger(&self, snapshot: &Snapshot) -> Result<Ledger, EngineError> {
        let mut ledger = Ledger::default();
        self.own(inputs_of(snapshot)?).iter().for_each(|entry| ledger += entry.ledger);
        Ok(ledger)
    }

    /// Records of this engine's tenant that are in `snapshot`.
    ///
    /// # Errors
    ///
    /// If the notes or the list of inputs cannot be read.
    pub fn own_records(&self, snapshot: &Snapshot) -> Result<u64, EngineError> {
        if self.is_alone(snapshot)? {
            return Ok(snapshot.totals().records);
        }
        let removed = self.own_removed(snapshot)?;
        Ok(self.own_ledger(snapshot)?.records.saturating_sub(removed.pruned + removed.lost))
    }

    /// The rows of [`Engine::removed`] that this engine's tenant had.
    ///
    /// # Errors
    ///
    /// If the notes or the list of inputs cannot be read.
    pub fn own_removed(&self, snapshot: &Snapshot) -> Result<Removed, EngineError> {
        let history = snapshot.shared_history()?;
        let own = |entry: &&FileEntry| entry.tenant == self.settings().tenant;
        let inputs: HashSet<FileId> = history.iter().filter(own).map(|entry| entry.file_id).collect();
        let mut removed = Removed::default();
        for one in snapshot.pruned()?.into_iter().filter(|one| inputs.contains(&one.file_id)) {
            *(if one.lost { &mut removed.lost } else { &mut removed.pruned }) += one.rows;
        }
        Ok(removed)
    }

    /// Writes all outputs of discovery for the lake into `dir` and returns their paths.
    ///
    /// # Errors
    ///
    /// If there is no lake, or a file cannot be written.
    pub fn write_lake_outputs(
        &self,
        dir: &Path,
        checks: &[LedgerCheck],
        redact: bool,
    ) -> Result<Vec<PathBuf>, EngineError> {
        let view = self.catalogue()?.view();
        let ledger = self.ledger(&self.snapshot()?)?;
        self.write_outputs(OutputSource { view, ledger: &ledger, checks, redact }, dir)
    }
}
