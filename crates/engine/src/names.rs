//! Which ingested input a name means. Replay, prune and export ask here and nowhere else.

use stele_lake::Snapshot;
use stele_model::{FileEntry, FileId, FileState};
use stele_sources::uri_of;

use crate::EngineError;
use crate::engine::Engine;

/// Names that are listed when none fits, or several do.
const SUGGESTIONS_MAX: usize = 3;

impl Engine {
    /// The input that `name` means: its path as it was given, any unambiguous end of it, or its
    /// file id.
    ///
    /// # Errors
    ///
    /// If no input has that name, or several have names that end like it; the error names the
    /// nearest.
    pub fn input(&self, snapshot: &Snapshot, name: &str) -> Result<FileEntry, EngineError> {
        if let Some(id) = FileId::from_hex(name) {
            let mine = self.own(snapshot.contents()?).into_iter().filter(|entry| entry.file_id == id);
            if let Some(entry) = mine.max_by_key(|entry| entry.bytes_done) {
                return Ok(entry);
            }
        }
        named(self.own(snapshot.files()?), name)
    }

    /// The entries of this engine's tenant. Names and contents of others are none of its business.
    pub fn own(&self, mut entries: Vec<FileEntry>) -> Vec<FileEntry> {
        entries.retain(|entry| entry.tenant == self.settings().tenant);
        entries
    }

    /// Whether every input of a snapshot belongs to this engine's tenant.
    ///
    /// # Errors
    ///
    /// If the list of inputs cannot be read.
    pub fn is_alone(&self, snapshot: &Snapshot) -> Result<bool, EngineError> {
        Ok(snapshot.shared_history()?.iter().all(|entry| entry.tenant == self.settings().tenant))
    }

    /// The name that the rows of that input bear: of a duplicate, the one under which its content
    /// was read.
    ///
    /// # Errors
    ///
    /// As [`Engine::input`].
    pub fn source(&self, snapshot: &Snapshot, name: &str) -> Result<String, EngineError> {
        let entry = self.input(snapshot, name)?;
        if entry.state != FileState::Duplicate {
            return Ok(entry.uri);
        }
        let is_read =
            |other: &FileEntry| other.file_id == entry.file_id && other.state != FileState::Duplicate;
        let original = snapshot.contents()?.into_iter().find(is_read);
        Ok(original.map_or(entry.uri, |original| original.uri))
    }
}

fn named(entries: Vec<FileEntry>, name: &str) -> Result<FileEntry, EngineError> {
    let absolute = std::path::absolute(name).map(|path| uri_of(&path)).unwrap_or_default();
    // As the lake spells it goes before any other reading.
    for exact in [name, &absolute] {
        if let Some(entry) = entries.iter().find(|entry| entry.uri == exact) {
            return Ok(entry.clone());
        }
    }
    let suffix = format!("/{}", name.trim_start_matches("./"));
    let ends: Vec<&FileEntry> = entries.iter().filter(|entry| entry.uri.ends_with(&suffix)).collect();
    let asked = name.to_owned();
    let some = |entries: &[&FileEntry]| {
        entries.iter().map(|entry| entry.uri.clone()).take(SUGGESTIONS_MAX).collect()
    };
    match ends[..] {
        [entry] => Ok(entry.clone()),
        [] => {
            let file = |path: &'_ str| -> String { path.rsplit('/').next().unwrap_or_default().to_owned() };
            let mut near: Vec<&FileEntry> = entries.iter().collect();
            near.sort_by_key(|entry| std::cmp::Reverse(likeness(&file(&entry.uri), &file(name))));
            Err(EngineError::UnknownInput { asked, known: some(&near) })
        }
        _ => Err(EngineError::AmbiguousInput { asked, known: some(&ends) }),
    }
}

/// Characters that two names have in common at their beginning and at their end, whatever their case.
pub fn likeness(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let ahead = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let behind = one.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).count();
    ahead + behind
}
