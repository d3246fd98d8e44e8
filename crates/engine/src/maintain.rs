//! Upkeep: smaller parts into larger ones, and what may go.
//!
//! Every plan is made first and can be shown; carrying it out fails if the lake has changed since.

use stele_lake::maintain::{self, CompactOptions, Compacted, PrunePlan, Selection, VacuumPlan};
use stele_lake::{CommitNote, Lake, Snapshot};
use stele_model::Micros;

use crate::EngineError;
use crate::catalogue_store::CatalogueStore;
use crate::engine::Engine;
use crate::progress::NoProgress;

impl Engine {
    /// Merges small parts. No row changes.
    ///
    /// # Errors
    ///
    /// If the lake cannot be written.
    pub fn compact(&self) -> Result<Compacted, EngineError> {
        let now = self.clock().now();
        let mut writer = Lake::open(self.data_dir(), self.faults())?.writer(now)?;
        Ok(maintain::compact(&mut writer, &CompactOptions::default(), now)?)
    }

    /// Files that no snapshot younger than `keep` needs.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or somebody writes to it.
    pub fn plan_vacuum(&self, keep: Option<Micros>) -> Result<VacuumPlan, EngineError> {
        let now = self.clock().now();
        let writer = Lake::open(self.data_dir(), self.faults())?.writer(now)?;
        Ok(maintain::plan_vacuum(&writer, keep.unwrap_or(maintain::KEEP_DEFAULT), now)?)
    }

    /// Removes the files of a plan; returns how many.
    ///
    /// # Errors
    ///
    /// If the lake has changed since the plan was made.
    pub fn vacuum(&self, plan: &VacuumPlan) -> Result<u64, EngineError> {
        let mut writer = Lake::open(self.data_dir(), self.faults())?.writer(self.clock().now())?;
        Ok(maintain::vacuum(&mut writer, plan)?)
    }

    /// What pruning by `selection` would remove.
    ///
    /// # Errors
    ///
    /// If nothing is selected, or the lake cannot be read.
    pub fn plan_prune(&self, selection: &Selection) -> Result<PrunePlan, EngineError> {
        Ok(maintain::plan_prune(&self.snapshot()?, selection)?)
    }

    /// Removes the rows of a plan, and counts the catalogue again without them.
    ///
    /// # Errors
    ///
    /// If the lake has changed since the plan was made, or cannot be written.
    pub fn prune(&self, plan: &PrunePlan) -> Result<Snapshot, EngineError> {
        let now = self.clock().now();
        let store = CatalogueStore::open(self.data_dir(), self.faults())?;
        let mut writer = Lake::open(self.data_dir(), self.faults())?.writer(now)?;
        // No stored catalogue bears this name, so one that a crash left uncounted is counted anew.
        let uncounted =
            CommitNote { catalogue: Some(format!("pruned-{now}")), replaces: true, ..CommitNote::default() };
        let snapshot = maintain::prune(&mut writer, plan, &uncounted, now)?;
        let catalogue = store.rebuild(self, &snapshot, &NoProgress)?;
        let catalogue = store.settle(self, &snapshot, catalogue, &NoProgress)?;
        self.write_manifests(&catalogue, &snapshot)?;
        Ok(snapshot)
    }
}
