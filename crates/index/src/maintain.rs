//! Upkeep: indexes that cover the newest rows, files of a good size, no versions that nobody needs.
//!
//! It changes no row. Whatever of it fails, answers stay complete: rows that no index covers are
//! scanned. So a failure is said, with how far the indexes lag behind, and the next run tries again.

use lancedb::index::IndexConfig;
use lancedb::table::{CompactionOptions, OptimizeAction, OptimizeOptions};
use stele_model::ChunkId;
use stele_model::error::in_full;

use crate::durable::bytes_below;
use crate::error::IndexError;
use crate::indexes::{self, Wanted};
use crate::lock;
use crate::writer::Writer;

/// Parts of an index that are left apart. Each is asked on its own; merging them costs about as much
/// as building the index anew.
const SEGMENTS_MAX: u32 = 4;

/// Small files of rows that are left apart. Each costs a question one opening.
const SMALL_FILES_MAX: usize = 8;

/// Rows of one file: more than the 100,000 below which the library counts a file as small, or full
/// ones would be looked at again each time. With vectors of 384 numbers it has about 300 MB.
const ROWS_PER_FILE: usize = 131_072;

/// Rows of one batch while files are merged: what is in memory at once.
const COMPACT_BATCH_ROWS: usize = 1_024;

/// The part of a file that may be deleted rows before it is written anew.
const DELETED_PART_MAX: f32 = 0.1;

/// One step of upkeep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `compact`, the name of an index, `prune`, or `copy`.
    pub name: &'static str,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// What upkeep came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// What was done; steps without need are left out.
    pub steps: Vec<Step>,
    /// Rows that some index should cover and does not. Questions scan them.
    pub lag: u64,
    /// Rows that are deleted and still take room.
    pub dead_rows: u64,
    /// Bytes of the version's directory.
    pub bytes: u64,
}

impl Maintenance {
    /// Whether something failed. Answers are complete all the same; they get slower.
    pub fn is_degraded(&self) -> bool {
        self.steps.iter().any(|step| step.failed.is_some())
    }
}

impl Writer {
    /// Does what upkeep there is need for, and says how it went.
    ///
    /// # Errors
    ///
    /// When what was done cannot be published. That a step fails is no error.
    pub fn maintain(&mut self) -> Result<Maintenance, IndexError> {
        let mut done = Maintenance::default();
        self.cover_all(&mut done)?;
        self.clear_away(&mut done)?;
        Ok(done)
    }

    /// Ends an update: takes out what is gone, does the upkeep, and only then shows readers all of it,
    /// so that they never see new rows by the measures of the old ones.
    ///
    /// # Errors
    ///
    /// As [`Writer::apply`] and [`Writer::maintain`].
    pub fn finish(&mut self, deletes: &[ChunkId], checkpoint: u64) -> Result<Maintenance, IndexError> {
        self.apply(Vec::new(), deletes, None)?;
        let mut done = Maintenance::default();
        self.cover_all(&mut done)?;
        self.apply(Vec::new(), &[], Some(checkpoint))?;
        self.clear_away(&mut done)?;
        Ok(done)
    }

    /// Files of a good size, and indexes that cover the newest rows.
    fn cover_all(&mut self, done: &mut Maintenance) -> Result<(), IndexError> {
        self.ready()?;
        let outcome = self.compact();
        self.note(done, "compact", outcome)?;
        for wanted in Wanted::of(&self.pointer.spec) {
            let outcome = self.cover(wanted);
            self.note(done, wanted.name(), outcome)?;
        }
        self.poison(true);
        if self.table.version()? != self.pointer.table_version {
            self.publish()?;
        }
        self.poison(false);
        Ok(())
    }

    /// No versions that nobody needs, and what there is to say.
    fn clear_away(&mut self, done: &mut Maintenance) -> Result<(), IndexError> {
        let outcome = self.prune();
        self.note(done, "prune", outcome)?;
        // A copy is shown as it is made, so it waits for the end of an update.
        if done.is_degraded() && !self.is_unfinished() && self.is_overweight(self.dead_rows()?)? {
            let outcome = self.copy_aside().map(|()| true);
            self.ready()?;
            self.note(done, "copy", outcome)?;
        }
        let indexes = indexes::find(&self.table)?;
        done.lag = lag(&indexes, &Wanted::of(&self.pointer.spec), self.pointer.rows);
        done.dead_rows = self.dead_rows()?;
        done.bytes = bytes_below(&self.table.dir)?;
        Ok(())
    }

    fn note(
        &mut self,
        done: &mut Maintenance,
        name: &'static str,
        outcome: Result<bool, IndexError>,
    ) -> Result<(), IndexError> {
        match outcome {
            Ok(false) => {}
            Ok(true) => done.steps.push(Step { name, failed: None }),
            Err(error) => {
                let why = in_full(&error);
                tracing::warn!(step = name, why, "upkeep of the index failed; answers stay complete");
                done.steps.push(Step { name, failed: Some(why) });
                // A step may have failed after Lance had committed it. It changes no row, so the
                // newest version is as good as the one before.
                self.home.call("read", &self.table.dir, self.table.lance.checkout_latest())?;
            }
        }
        Ok(())
    }

    /// Merges small files and drops deleted rows.
    fn compact(&mut self) -> Result<bool, IndexError> {
        let stats = self.stats()?;
        let small = stats.fragment_stats.num_small_fragments;
        let dead = stats.num_deleted_rows.unwrap_or(0) as f32;
        let much_dead = dead > DELETED_PART_MAX * (stats.num_rows as f32 + dead);
        if small <= SMALL_FILES_MAX && !much_dead {
            return Ok(false);
        }
        self.home.hit("index.maintain.compact")?;
        let options = CompactionOptions {
            target_rows_per_fragment: ROWS_PER_FILE,
            materialize_deletions_threshold: DELETED_PART_MAX,
            batch_size: Some(COMPACT_BATCH_ROWS),
            num_threads: Some(1),
            ..CompactionOptions::default()
        };
        let action = OptimizeAction::Compact { options, remap_options: None };
        self.home.call("compact", &self.table.dir, self.table.lance.optimize(action))?;
        Ok(true)
    }

    /// Makes an index, or adds the rows to it that came since.
    fn cover(&mut self, wanted: Wanted) -> Result<bool, IndexError> {
        let rows = self.pointer.rows;
        let indexes = indexes::find(&self.table)?;
        let there = indexes.iter().find(|index| index.name == wanted.name());
        let segments = there.and_then(|there| there.num_segments).unwrap_or(1);
        let uncovered = there.and_then(|there| there.num_unindexed_rows).unwrap_or(0);
        let is_covered = uncovered <= wanted.tail_max(rows);
        let train = match there {
            None => rows >= wanted.rows_min(),
            // Where most is new, or its parts would be merged, making it anew costs no more.
            Some(_) if wanted.is_of_words() => {
                !is_covered && (uncovered > rows / 2 || segments >= SEGMENTS_MAX)
            }
            // A vector index that was trained on half of what there is knows half of its shape.
            Some(_) if wanted == Wanted::Vector => rows / 2 > self.pointer.trained_rows.unwrap_or(0),
            Some(_) => false,
        };
        if train {
            self.home.hit(wanted.point())?;
            wanted.create(&self.table, rows)?;
            if wanted == Wanted::Vector {
                self.pointer.trained_rows = Some(rows);
            }
            return Ok(true);
        }
        if there.is_none() || is_covered {
            return Ok(false);
        }
        self.home.hit(wanted.point())?;
        let merge = if segments >= SEGMENTS_MAX { segments as usize } else { 0 };
        let options = OptimizeOptions::merge(merge).index_names(vec![wanted.name().to_owned()]);
        let action = OptimizeAction::Index(options);
        self.home.call("extend an index of", &self.table.dir, self.table.lance.optimize(action))?;
        Ok(true)
    }

    /// Removes versions of the table before the newest one, or before the one that readers may still
    /// hold, and what stopped writes left.
    fn prune(&mut self) -> Result<bool, IndexError> {
        let newest = self.shown.table_version;
        let keep = match lock::unread(&self.table.dir)? {
            // Whoever comes now reads the newest; so the lock need not be held.
            Some(_) => newest,
            None => self.shown.table_version_before.unwrap_or(newest),
        };
        let versions = self.home.call("list", &self.table.dir, self.table.lance.list_versions())?;
        let Some(oldest_kept) =
            versions.iter().filter(|version| version.version >= keep).min_by_key(|v| v.version)
        else {
            return Ok(false);
        };
        if versions.iter().all(|version| version.version >= keep) {
            return Ok(false);
        }
        self.home.hit("index.maintain.prune")?;
        // No other process writes: this one holds the lock. So files that no version names are
        // leftovers and never somebody's work.
        let prune = self.table.lance.optimize_prune_before(oldest_kept.timestamp, Some(true), None);
        self.home.call("prune", &self.table.dir, prune)?;
        Ok(true)
    }

    fn dead_rows(&self) -> Result<u64, IndexError> {
        Ok(self.stats()?.num_deleted_rows.unwrap_or(0) as u64)
    }

    fn stats(&self) -> Result<lancedb::table::TableStatistics, IndexError> {
        self.home.call("read", &self.table.dir, self.table.lance.stats())
    }
}

/// Rows that the worst of the wanted indexes does not cover.
pub(crate) fn lag(indexes: &[IndexConfig], wanted: &[Wanted], rows: u64) -> u64 {
    let uncovered = |wanted: &Wanted| match indexes.iter().find(|index| index.name == wanted.name()) {
        Some(index) => index.num_unindexed_rows.unwrap_or(0),
        None if rows >= wanted.rows_min() => rows,
        None => 0,
    };
    wanted.iter().map(uncovered).max().unwrap_or(0)
}
