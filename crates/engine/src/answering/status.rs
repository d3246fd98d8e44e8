//! How the index is: how much it covers, and whether it holds exactly what the lake comes to.

use std::collections::HashMap;

use serde::Serialize;
use stele_graph::DocumentRow;
use stele_index::{ChunkHash, Filter, Reader, Status, Verification};
use stele_model::{ChunkId, ErrorKind};

use super::verify::Ground;
use crate::engine::Engine;
use crate::{Cancel, EngineError};

/// Ids that a verification names; the counts are of all.
const NAMED_MAX: usize = 20;

/// Texts that are looked up at a time: some megabytes.
const LOOKED_UP_MAX: usize = 1_000;

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
    /// Texts that came since, and are not in the index yet. None where the lake is compared as it is.
    pub pending: u64,
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
        let ground = self.ground(None)?;
        match &ground.index {
            Some(reader) => self.index_verify_on(&ground, reader, &Cancel::default()),
            // Says that there is none, and what to do.
            None => self.index_verify_on(&ground, &self.index()?.reader()?, &Cancel::default()),
        }
    }

    /// The same on what is there. What the lake came to since is asked for as well: it is neither missing nor too
    /// much, and what it took the place of is not missed.
    pub(crate) fn index_verify_on(
        &self,
        ground: &Ground,
        reader: &Reader,
        cancel: &Cancel,
    ) -> Result<IndexVerification, EngineError> {
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
        // What has to be there, where that is less than all there is.
        let before = if ground.is_later() { Some(self.texts_before(ground, cancel)?) } else { None };
        let (mut wanted, mut pending) = (0, 0);
        let (mut missing, mut differing) = (Vec::new(), Vec::new());
        let graph = ground.graph.as_ref();
        self.chunks_in(&ground.now, graph, &|_| true, &mut |chunk| {
            cancel.check("every text was compared")?;
            wanted += 1;
            let hash = ChunkHash::of(&chunk);
            let settled = before.as_ref().is_none_or(|before| before.get(&chunk.id) == Some(&hash));
            match there.remove(&chunk.id) {
                None if settled => missing.push(chunk.id),
                None => pending += 1,
                Some(known) if known != hash && settled => differing.push(chunk.id),
                Some(_) => {}
            }
            Ok(())
        })?;
        for gone in before.iter().flat_map(HashMap::keys) {
            // Somebody took it away since, and the index has not heard of it yet.
            there.remove(gone);
        }
        let mut extra: Vec<ChunkId> = there.into_keys().collect();
        if ground.is_later() {
            self.keep_settled(ground, reader, &mut extra)?;
        }
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
            pending,
            drift: drift as f64 / (wanted.max(1)) as f64,
            holds: drift == 0 && problems.is_empty(),
            problems: problems.iter().map(words).collect(),
            logical_hash: logical_hash.to_string(),
            lake_version: ground.since.version(),
        })
    }

    /// Leaves out texts of documents that were changed or taken away since: the graph does not know any more what they
    /// said.
    fn keep_settled(
        &self,
        ground: &Ground,
        reader: &Reader,
        texts: &mut Vec<ChunkId>,
    ) -> Result<(), EngineError> {
        let (before, now) = (self.documents_of(&ground.since)?, self.documents_of(&ground.now)?);
        let mut settled = Vec::new();
        for ids in texts.chunks(LOOKED_UP_MAX) {
            let found = reader.get(ids)?;
            settled.extend(
                found
                    .iter()
                    .filter(|chunk| before.agrees(&now, &chunk.metadata.source))
                    .map(|chunk| chunk.id),
            );
        }
        *texts = settled;
        Ok(())
    }

    /// Every text that the lake came to before something came since.
    fn texts_before(
        &self,
        ground: &Ground,
        cancel: &Cancel,
    ) -> Result<HashMap<ChunkId, ChunkHash>, EngineError> {
        let mut texts = HashMap::new();
        let known = self.documents_of(&ground.since)?;
        let known = |document: &DocumentRow| known.has(document);
        self.chunks_in(&ground.since, ground.graph.as_ref(), &known, &mut |chunk| {
            cancel.check("every text was compared")?;
            texts.insert(chunk.id, ChunkHash::of(&chunk));
            Ok(())
        })?;
        Ok(texts)
    }
}
