//! An ingested input, written back byte for byte.

use std::io::Write;

use stele_lake::replay::{Replayed, replay};
use stele_lake::sql::{Sql, SqlOptions, Tables};
use stele_lake::{Lake, Snapshot};
use stele_model::FileEntry;

use crate::EngineError;
use crate::engine::Engine;

/// Names that are suggested when none fits.
const SUGGESTIONS_MAX: usize = 5;

impl Engine {
    /// The lake as the last commit left it.
    ///
    /// # Errors
    ///
    /// If there is no lake, or it cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, EngineError> {
        Ok(Lake::open_existing(self.data_dir())?.snapshot()?)
    }

    /// Writes the content of an ingested input to `out`. `name` is its path as it was given, any
    /// unambiguous end of it, or its file id.
    ///
    /// # Errors
    ///
    /// If no input has that name, its rows were pruned, or what the lake gives back does not have
    /// the recorded SHA-256.
    pub fn replay(&self, name: &str, out: &mut dyn Write) -> Result<(FileEntry, Replayed), EngineError> {
        let snapshot = self.snapshot()?;
        let entry = named(snapshot.files()?, name)?;
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

/// The entry that `name` means.
fn named(entries: Vec<FileEntry>, name: &str) -> Result<FileEntry, EngineError> {
    let absolute = std::path::absolute(name).map(|path| path.display().to_string()).unwrap_or_default();
    let exact =
        |entry: &&FileEntry| entry.uri == name || entry.uri == absolute || entry.file_id.to_string() == name;
    if let Some(entry) = entries.iter().find(exact) {
        return Ok(entry.clone());
    }
    let suffix = format!("/{}", name.trim_start_matches("./"));
    let mut ends = entries.iter().filter(|entry| entry.uri.ends_with(&suffix));
    if let (Some(entry), None) = (ends.next(), ends.next()) {
        return Ok(entry.clone());
    }
    let known = entries.iter().map(|entry| entry.uri.clone()).take(SUGGESTIONS_MAX).collect();
    Err(EngineError::UnknownInput { asked: name.to_owned(), known })
}
