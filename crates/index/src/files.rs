//! Are the files there that a version of a table names, and do its indexes answer?
//!
//! Rows are checked against their own hashes by `verify.rs`; indexes have none, so each is read whole
//! and asked for some rows that are there. The library answers from an index that it holds in memory
//! although its files are gone: all of this needs a reader that holds nothing yet.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use lance::index::DatasetIndexExt;
use stele_model::error::in_full;
use stele_model::{Chunk, ChunkId};

use crate::columns::{TERMS, TEXT};
use crate::error::IndexError;
use crate::filter::Filter;
use crate::indexes;
use crate::reader::Reader;
use crate::table::{TABLE_DIR, Table};
use crate::verify::Verification;

/// Rows that the indexes are asked for: enough to meet each of the few dozen partitions of an index of
/// a hundred thousand vectors, and done in a second.
const PROBES: u64 = 64;

/// Words of a text that are asked for: each is one list of the index that is read.
const PROBE_WORDS: usize = 12;

/// The cosine to the nearest vector below which a vector that is there was not found. Two equal
/// vectors have 1 but for rounding; what comes after them in place of a lost one has less.
const FOUND_COSINE_MIN: f32 = 0.999;

/// A file that is not as the table says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// What is wrong with which file.
    pub(crate) what: String,
    /// The index that it is of; otherwise rows are in it.
    pub(crate) index: Option<String>,
}

/// The files that the version of the table names and that are not there, or have another size.
pub(crate) fn gone(table: &Table) -> Result<Vec<Gone>, IndexError> {
    let Some(dataset) = table.lance.dataset() else { return Ok(Vec::new()) };
    let (dataset, indexes) = table.home.call("list the files of", &table.dir, async {
        let dataset = dataset.get().await?;
        let indexes = dataset.load_indices().await?;
        Ok::<_, lancedb::Error>((dataset, indexes))
    })?;
    let root = table.dir.join(TABLE_DIR);
    let mut gone = Vec::new();
    for file in dataset.fragments().iter().flat_map(|fragment| &fragment.files) {
        let path = root.join("data").join(&file.path);
        let wrong = wrong_with(&path, file.file_size_bytes.get().map(u64::from));
        gone.extend(wrong.map(|wrong| Gone { what: format!("{wrong}; it is of the rows"), index: None }));
    }
    for index in indexes.iter() {
        let dir = root.join("_indices").join(index.uuid.to_string());
        for file in index.files.iter().flatten() {
            let wrong = wrong_with(&dir.join(&file.path), Some(file.size_bytes));
            gone.extend(wrong.map(|wrong| {
                let what = format!("{wrong}; it is of the index of {}", index.name);
                Gone { what, index: Some(index.name.clone()) }
            }));
        }
    }
    Ok(gone)
}

/// What is wrong with a file that should have so many bytes, if that is known.
fn wrong_with(path: &Path, bytes: Option<u64>) -> Option<String> {
    let shown = path.display();
    match (fs::metadata(path), bytes) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => Some(format!("{shown} is gone")),
        (Err(error), _) => Some(format!("{shown} cannot be read: {error}")),
        (Ok(found), Some(bytes)) if found.len() != bytes => {
            Some(format!("{shown} has {} bytes instead of {bytes}", found.len()))
        }
        (Ok(_), _) => None,
    }
}

/// A row that the indexes are asked for.
#[derive(Debug)]
pub(crate) struct Probe {
    id: ChunkId,
    text: String,
    terms: String,
    vector: Option<Vec<f32>>,
}

impl Probe {
    /// Whether the `at`-th of so many rows is one: they are spread over all of them.
    pub(crate) fn is_due(at: u64, rows: u64) -> bool {
        at.is_multiple_of((rows / PROBES).max(1))
    }

    pub(crate) fn of(chunk: &Chunk, terms: &str, vector: Option<&[f32]>) -> Self {
        let first = |text: &str| text.split_whitespace().take(PROBE_WORDS).collect::<Vec<_>>().join(" ");
        Self {
            id: chunk.id,
            text: first(&chunk.text),
            terms: first(terms),
            vector: vector.map(<[f32]>::to_vec),
        }
    }
}

impl Reader {
    /// The same version, with nothing of it in memory.
    pub(crate) fn cold(&self) -> Result<Self, IndexError> {
        let table = Table::open_at(&self.table.home.cold(), &self.table.dir, self.pointer.table_version)?;
        Ok(self.at(table))
    }

    /// Reads every index to its end, but for those whose files are known to be gone, and asks for the
    /// probes.
    pub(crate) fn check_indexes(&self, found: &mut Verification, gone: &[Gone], probes: &[Probe]) {
        let table = &self.table;
        let indexes = match indexes::find(table) {
            Ok(indexes) => indexes,
            Err(error) => return found.add(None, in_full(&error)),
        };
        let mut broken = !gone.is_empty();
        for index in indexes {
            if gone.iter().any(|file| file.index.as_ref() == Some(&index.name)) {
                continue;
            }
            let read = table.home.call("read", &table.dir, table.lance.prewarm_index(&index.name));
            if let Err(error) = read {
                broken = true;
                found.add(None, format!("the index of {} is damaged: {}", index.name, detail_of(error)));
            }
        }
        // An index that cannot be read is not asked: it would say the same again, once a row.
        for probe in probes.iter().filter(|_| !broken) {
            if let Err(error) = self.ask_for(probe, found) {
                return found.add(Some(probe.id), format!("a search for it fails: {}", detail_of(error)));
            }
        }
    }

    fn ask_for(&self, probe: &Probe, found: &mut Verification) -> Result<(), IndexError> {
        let id = Some(probe.id);
        if self.get(&[probe.id])?.is_empty() {
            found.add(id, "is not found by its id");
        }
        if !self.finds(probe.id, &probe.text, TEXT)? {
            found.add(id, "is not found by the words of its text");
        }
        if !self.finds(probe.id, &probe.terms, TERMS)? {
            found.add(id, "is not found by its names");
        }
        let Some(vector) = &probe.vector else { return Ok(()) };
        let best = self.vector(vector, &Filter::default(), 1)?;
        if best.first().is_none_or(|hit| hit.score < FOUND_COSINE_MIN) {
            found.add(id, "is not found by its vector");
        }
        Ok(())
    }
}

/// What is wrong, without the advice that stands beside it: a report has its own.
pub(crate) fn detail_of(error: IndexError) -> String {
    match error {
        IndexError::Lance { detail, .. } | IndexError::Damaged { detail, .. } => detail,
        error => in_full(&error),
    }
}
