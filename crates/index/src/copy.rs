//! When upkeep keeps failing: the living rows are copied into a new version.
//!
//! Upkeep in place goes through much of the library's code, and a fault there that does not go away
//! would let deleted rows and old versions pile up for ever. A copy needs reading and appending
//! alone, embeds nothing, and takes the place of the old version in one step.

use lancedb::query::{ExecutableQuery, QueryBase, Select};

use crate::columns::schema;
use crate::durable::Synced;
use crate::error::IndexError;
use crate::versions;
use crate::writer::Writer;

/// Versions of the table on disk from which a copy is made, if upkeep failed. Each holds a manifest
/// that lists all files, so their room grows with the square; this many take a few megabytes.
const VERSIONS_MAX: usize = 64;

/// Deleted rows for each living one from which a copy is made, if upkeep failed.
const DEAD_FOR_EACH: u64 = 2;

/// Deleted rows that are always borne: copying costs a few syncs whatever its size.
const DEAD_ROWS_MIN: u64 = 20_000;

impl Writer {
    /// Whether there is so much dead weight that a copy is cheaper than bearing it.
    pub(crate) fn is_overweight(&self, dead_rows: u64) -> Result<bool, IndexError> {
        if self.aside {
            return Ok(false);
        }
        let versions = self.home.call("list", &self.table.dir, self.table.lance.list_versions())?.len();
        let dead_max = (self.pointer.rows * DEAD_FOR_EACH).max(DEAD_ROWS_MIN);
        Ok(versions > VERSIONS_MAX || dead_rows > dead_max)
    }

    /// Copies the living rows into a new version and publishes that.
    pub(crate) fn copy_aside(&mut self) -> Result<(), IndexError> {
        self.home.hit("index.copy")?;
        let (table, mut pointer) = versions::make(&self.home, &self.current, &self.pointer.spec)?;
        let columns = schema(self.pointer.spec.dimension());
        let names: Vec<&String> = columns.fields().iter().map(|field| field.name()).collect();
        self.home.hit("index.copy.rows")?;
        if self.pointer.rows > 0 {
            // The stream of one table is the input of the other: a few batches are in memory.
            let rows = self.table.lance.query().select(Select::columns(&names));
            let copied = async { table.lance.add(rows.execute().await?).execute().await };
            self.home.call("copy", &self.table.dir, copied)?;
        }
        let count = table.count()?;
        if count != self.pointer.rows {
            return Err(table.wrong(&format!("{count} of {} rows were copied", self.pointer.rows)));
        }
        pointer.checkpoint = self.pointer.checkpoint;
        pointer.lake.clone_from(&self.pointer.lake);
        pointer.rows = self.pointer.rows;
        pointer.logical_hash = self.pointer.logical_hash;
        self.replace_by(table, pointer, Synced::default())
    }
}
