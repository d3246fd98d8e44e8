//! How the index is: how much it covers, and whether it holds exactly what the lake comes to.

use std::collections::HashMap;

use serde::Serialize;
use stele_index::{ChunkHash, Filter, Status, Verification};
use stele_model::{ChunkId, ErrorKind};

use crate::EngineError;
use crate::engine::Engine;

/// Ids that a verification names; the counts are of all.
const NAMED_MAX: usize = 20;

/// One index of a data directory.
#[derive(Debug, Clone, Serialize)]
pub struct IndexReport {
    /// What the index says of itself.
    #[serde(flatten)]
    pub status: Status,
    /// The newest version of the lake.
    pub lake_version: u64,
    /// Records that came or went since it was built; `None` if that cannot be told.
    pub pending: Option<u64>,
}

/// What a comparison of the index with the lake came to. It is made before anything is mended.
#[derive(Debug, Clone, Serialize)]
pub struct IndexVerification {
    /// Texts that the lake comes to.
    pub wanted: u64,
    /// Texts in the index.
    pub rows: u64,
    /// Texts that are not in the index.
    pub missing: u64,
    /// Some of their ids, sorted.
    pub missing_ids: Vec<ChunkId>,
    /// Texts in the index that the lake does not come to.
    pub extra: u64,
    /// Some of their ids, sorted.
    pub extra_ids: Vec<ChunkId>,
    /// Texts in the index whose metadata are not what the lake comes to.
    pub differing: u64,
    /// Some of their ids, sorted.
    pub differing_ids: Vec<ChunkId>,
    /// (missing + extra + differing) as a share of what is wanted.
    pub drift: f64,
    /// What is wrong with rows that are there.
    pub problems: Vec<String>,
    /// Ids, texts and metadata as one hash, equal for equal content.
    pub logical_hash: String,
    /// The snapshot of the lake that was compared with.
    pub lake_version: u64,
    /// Whether nothing differs.
    pub holds: bool,
}

impl Engine {
    /// What there is of the index; one entry a model.
    ///
    /// # Errors
    ///
    /// If there is no lake or no index, or it cannot be read.
    pub fn index_status(&self) -> Result<Vec<IndexReport>, EngineError> {
        let snapshot = self.snapshot()?;
        let index = self.index()?;
        let pointers = index.pointers()?;
        if pointers.is_empty() {
            // Says that there is none, and what to do.
            index.reader()?;
        }
        let report = |pointer: &stele_index::Pointer| {
            let status = index.reader_of(&pointer.spec)?.status()?;
            let pending = self.pending(&snapshot, pointer);
            Ok(IndexReport { status, lake_version: snapshot.version(), pending })
        };
        pointers.iter().map(report).collect()
    }

    /// Compares the index that answers with the lake, text by text.
    ///
    /// # Errors
    ///
    /// If there is no lake or no index, or one of them cannot be read.
    pub fn index_verify(&self) -> Result<IndexVerification, EngineError> {
        let snapshot = self.snapshot()?;
        let reader = self.index()?.reader()?;
        let Verification { rows, logical_hash, problems, .. } = reader.verify()?;
        let mut there: HashMap<ChunkId, ChunkHash> = HashMap::new();
        let read = reader.hashes(&Filter::default(), &mut |hashes| {
            there.extend(hashes.iter().copied());
            Ok(())
        });
        match read {
            // What cannot be read is named among the problems, and missing.
            Err(error) if !problems.is_empty() && error.kind() != ErrorKind::Retry => there.clear(),
            read => read?,
        }
        let (mut wanted, mut missing, mut differing) = (0, Vec::new(), Vec::new());
        self.chunks(&snapshot, &mut |chunk| {
            wanted += 1;
            match there.remove(&chunk.id) {
                None => missing.push(chunk.id),
                Some(hash) if hash != ChunkHash::of(&chunk) => differing.push(chunk.id),
                Some(_) => {}
            }
            Ok(())
        })?;
        let mut extra: Vec<ChunkId> = there.into_keys().collect();
        for ids in [&mut missing, &mut extra, &mut differing] {
            ids.sort_unstable();
        }
        let drift = missing.len() + extra.len() + differing.len();
        let named = |mut ids: Vec<ChunkId>| {
            ids.truncate(NAMED_MAX);
            ids
        };
        let words = |problem: &stele_index::Problem| match problem.id {
            Some(id) => format!("{id}: {}", problem.what),
            None => problem.what.clone(),
        };
        Ok(IndexVerification {
            wanted,
            rows,
            missing: missing.len() as u64,
            missing_ids: named(missing),
            extra: extra.len() as u64,
            extra_ids: named(extra),
            differing: differing.len() as u64,
            differing_ids: named(differing),
            drift: drift as f64 / (wanted.max(1)) as f64,
            holds: drift == 0 && problems.is_empty(),
            problems: problems.iter().map(words).collect(),
            logical_hash: logical_hash.to_string(),
            lake_version: snapshot.version(),
        })
    }
}
