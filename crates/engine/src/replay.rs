//! An ingested input, written back byte for byte.

use std::io::Write;

use stele_lake::replay::{Replayed, replay};
use stele_lake::sql::{Sql, SqlOptions, Tables};
use stele_lake::{Lake, Snapshot};
use stele_model::{FileEntry, FileId};

use crate::EngineError;
use crate::engine::Engine;

/// Names that are suggested when none fits.
const SUGGESTIONS_MAX: usize = 3;

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
        let entry = match FileId::from_hex(name) {
            Some(id) => of_content(snapshot.contents()?, id),
            None => None,
        };
        let entry = entry.map_or_else(|| named(snapshot.files()?, name), Ok)?;
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

/// The entry of a content, whatever it is called now.
fn of_content(entries: Vec<FileEntry>, id: FileId) -> Option<FileEntry> {
    entries.into_iter().filter(|entry| entry.file_id == id).max_by_key(|entry| entry.bytes_done)
}

/// The entry that `name` means.
fn named(entries: Vec<FileEntry>, name: &str) -> Result<FileEntry, EngineError> {
    let absolute = std::path::absolute(name).map(|path| path.display().to_string()).unwrap_or_default();
    let exact = |entry: &&FileEntry| entry.uri == name || entry.uri == absolute;
    if let Some(entry) = entries.iter().find(exact) {
        return Ok(entry.clone());
    }
    let suffix = format!("/{}", name.trim_start_matches("./"));
    let ends: Vec<&FileEntry> = entries.iter().filter(|entry| entry.uri.ends_with(&suffix)).collect();
    if let [entry] = ends[..] {
        return Ok(entry.clone());
    }
    // Where several end like this, these are the ones to choose from.
    let mut near = if ends.is_empty() { entries.iter().collect() } else { ends };
    near.sort_by_key(|entry| std::cmp::Reverse(likeness(&entry.uri, name)));
    let known = near.into_iter().map(|entry| entry.uri.clone()).take(SUGGESTIONS_MAX).collect();
    Err(EngineError::UnknownInput { asked: name.to_owned(), known })
}

/// Characters that two file names have in common at their beginning and at their end.
fn likeness(one: &str, other: &str) -> usize {
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let (one, other) = (file(one), file(other));
    let ahead = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let behind = one.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).count();
    ahead + behind
}
