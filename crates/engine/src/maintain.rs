//! Upkeep: smaller parts into larger ones, and what may go.
//!
//! Every plan is made first and can be shown; carrying it out fails if the lake has changed since.

use std::collections::HashMap;
use std::sync::Arc;

use stele_lake::doctor::{Intact, Salvaged, TakeEnvelope, damaged_newest_entry, give_up_entry, salvage};
use stele_lake::maintain::{self, CompactOptions, Compacted, PrunePlan, Selection, VacuumPlan};
use stele_lake::{Lake, Snapshot, Writer};
use stele_model::{FileId, Micros};
use stele_sources::{Format, Piece, PieceKind};

use crate::EngineError;
use crate::engine::Engine;
use crate::judge::Judge;
use crate::progress::{NoProgress, Progress};

impl Engine {
    /// Merges small parts. No row changes.
    ///
    /// # Errors
    ///
    /// If the lake cannot be written.
    pub fn compact(&self) -> Result<Compacted, EngineError> {
        let now = self.clock().now();
        let mut writer = self.lake()?.writer(now)?;
        Ok(maintain::compact(&mut writer, &CompactOptions::default(), now)?)
    }

    /// A writer of a lake that is fit to be written to: where earlier commits have left very many tiny parts, these are
    /// merged first. What stands in the way of that is said, and holds up nothing.
    ///
    /// # Errors
    ///
    /// If the lake cannot be written.
    pub(crate) fn kept_up(&self, lake: &Lake, progress: &dyn Progress) -> Result<Writer, EngineError> {
        let now = self.clock().now();
        let mut writer = lake.writer(now)?;
        let options = CompactOptions::UPKEEP;
        if !options.are_due(&writer)? {
            return Ok(writer);
        }
        match maintain::compact(&mut writer, &options, now) {
            Ok(done) => {
                tracing::info!(before = done.parts_before, after = done.parts_after, "merged tiny parts");
                Ok(writer)
            }
            Err(error) => {
                let why = stele_model::error::in_full(&error);
                progress.note(&format!(
                    "many small parts of the lake could not be merged, so it becomes slower; `stele doctor` may say more: {why}"
                ));
                // It may have stopped half-way, and takes nothing then.
                drop(writer);
                Ok(lake.writer(now)?)
            }
        }
    }

    /// Files that no snapshot younger than `keep` needs.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or somebody writes to it.
    pub fn plan_vacuum(&self, keep: Option<Micros>) -> Result<VacuumPlan, EngineError> {
        let now = self.clock().now();
        let writer = self.lake()?.writer(now)?;
        Ok(maintain::plan_vacuum(&writer, keep.unwrap_or(maintain::KEEP_DEFAULT), now)?)
    }

    /// Removes the files of a plan; returns how many.
    ///
    /// # Errors
    ///
    /// If the lake has changed since the plan was made.
    pub fn vacuum(&self, plan: &VacuumPlan) -> Result<u64, EngineError> {
        let mut writer = self.lake()?.writer(self.clock().now())?;
        Ok(maintain::vacuum(&mut writer, plan)?)
    }

    /// What pruning by `selection` would remove of what this engine's tenant has.
    ///
    /// # Errors
    ///
    /// If nothing is selected, or the lake cannot be read.
    pub fn plan_prune(&self, selection: &Selection) -> Result<PrunePlan, EngineError> {
        let tenant = Some(self.settings().tenant.clone());
        Ok(maintain::plan_prune(&self.snapshot()?, &Selection { tenant, ..selection.clone() })?)
    }

    /// Removes the rows of a plan, and counts the catalogue again without them.
    ///
    /// # Errors
    ///
    /// If the lake has changed since the plan was made, or cannot be written.
    pub fn prune(&self, plan: &PrunePlan) -> Result<Snapshot, EngineError> {
        let now = self.clock().now();
        let mut writer = self.lake()?.writer(now)?;
        if plan.records + plan.residues == 0 {
            // A name is given up, and no row goes with it.
            return Ok(maintain::prune(&mut writer, plan, None, now)?);
        }
        let snapshot = maintain::prune(&mut writer, plan, Some(&uncounted(now)), now)?;
        self.count_again(&snapshot, &NoProgress)?;
        Ok(snapshot)
    }

    /// Gives up the damaged parts of the lake, keeps what is intact in them, and counts the
    /// catalogue again without the rest. Their files stay on disk until a vacuum. Without `act` it
    /// only finds out what that would come to.
    ///
    /// # Errors
    ///
    /// If the lake cannot be written, or what is damaged is not in `events` or `quarantine`.
    pub fn salvage(&self, act: bool, progress: &dyn Progress) -> Result<Salvaged, EngineError> {
        let now = self.clock().now();
        let lake = self.lake()?;
        let log_entry = damaged_newest_entry(&lake)?;
        let completed = match &log_entry {
            // Nothing behind it can be looked at before it is out of the way.
            Some(_) if !act => return Ok(Salvaged { log_entry, ..Salvaged::default() }),
            Some(entry) => give_up_entry(&lake, entry, now)?,
            None => None,
        };
        let mut writer = lake.writer(now)?;
        let mut judge = Judge::default();
        let mut formats: HashMap<(FileId, String), Arc<Format>> = HashMap::new();
        let mut reread = |row: Intact<'_>, take: &mut TakeEnvelope<'_>| {
            let key = (row.input.file_id, row.input.format.clone());
            let format = formats.entry(key).or_insert_with(|| self.format_of(row.input));
            let (line_no, byte_offset) = (row.line_no, row.byte_offset);
            let bytes = row.raw.as_bytes();
            let piece = Piece { bytes, byte_offset, line_no, kind: PieceKind::Record, newline: false };
            match judge.judge(format, &piece, Some(row.raw)) {
                Ok(record) => take(&record.envelope).map(|()| true),
                Err(_) => Ok(false),
            }
        };
        let done = salvage(&mut writer, &mut reread, Some(&uncounted(now)), act, now)?;
        if done.done {
            self.count_again(&writer.snapshot()?, progress)?;
        }
        Ok(Salvaged { done: done.done || log_entry.is_some(), log_entry, completed, ..done })
    }
}

/// What a commit names whose catalogue comes after it. No stored catalogue bears this name, so one
/// that a crash left uncounted is counted anew.
fn uncounted(now: Micros) -> String {
    format!("pruned-{now}")
}
