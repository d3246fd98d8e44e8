//! An ingested input, written back byte for byte.

use std::io::Write;

use stele_lake::replay::{Replayed, replay};
use stele_lake::sql::{Sql, SqlOptions, Tables};
use stele_lake::{Lake, Snapshot};
use stele_model::FileEntry;

use crate::EngineError;
use crate::engine::Engine;

impl Engine {
    /// The lake as the last commit left it.
    ///
    /// # Errors
    ///
    /// If there is no lake, or it cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, EngineError> {
        Ok(Lake::open_existing(self.data_dir())?.snapshot()?)
    }

    /// Writes the content of the ingested input that `name` means to `out`, see [`Engine::input`].
    ///
    /// # Errors
    ///
    /// If no input or several have that name, its rows were pruned, or what the lake gives back does not have
    /// the recorded SHA-256.
    pub fn replay(&self, name: &str, out: &mut dyn Write) -> Result<(FileEntry, Replayed), EngineError> {
        let snapshot = self.snapshot()?;
        let entry = self.input(&snapshot, name)?;
        let replayed = replay(&snapshot, &entry, out)?;
        Ok((entry, replayed))
    }

    /// DuckDB over the lake, read-only.
    ///
    /// # Errors
    ///
    /// If the views cannot be made.
    pub fn sql(&self, snapshot: &Snapshot, options: &SqlOptions) -> Result<Sql, EngineError> {
        Ok(Sql::open(&Tables::of(snapshot)?, options)?)
    }
}
