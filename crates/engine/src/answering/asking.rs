//! Questions to the index, with what one has to know about the answer: which snapshots it comes
//! from, and how much waits to be indexed.

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;
use stele_index::{IndexError, Model, Pointer};
use stele_lake::Snapshot;
use stele_search::{Answer, Question, SearchError, Searcher};

use super::config::{EmbeddingConfig, Meaning};
use crate::EngineError;
use crate::engine::Engine;

/// Times that a question is asked where the version that was asked is pruned meanwhile. An upkeep prunes
/// once, minutes after the one before, so twice in a row is strange already.
const ASKED_MAX: usize = 3;

/// An answer, and how much of the lake it knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchAnswer {
    /// Results and how they came about.
    #[serde(flatten)]
    pub answer: Answer,
    /// The newest version of the lake.
    pub lake_snapshot: u64,
    /// Records that came to the lake or left it since the index was built; `None` if that cannot be told.
    pub pending: Option<u64>,
    /// Whether the index knows every record.
    pub complete: bool,
}

impl Engine {
    /// Answers a question from the index.
    ///
    /// # Errors
    ///
    /// If there is no lake or no index, or the question makes no sense.
    pub fn search(&self, question: &Question) -> Result<SearchAnswer, EngineError> {
        let snapshot = self.snapshot()?;
        let mut tried = 1;
        let (answer, reader) = loop {
            let reader = self.index()?.reader()?;
            let meaning = self.meaning_of(reader.pointer().spec.model.as_ref())?;
            match Searcher::new(&reader, meaning.embedder()).because(meaning.why()).answer(question) {
                // It was pruned under a slow question: what took its place is asked.
                Err(SearchError::Index(IndexError::Stale)) if tried < ASKED_MAX => tried += 1,
                answer => break (answer?, reader),
            }
        };
        let pending = self.pending(&snapshot, reader.pointer());
        let complete = pending == Some(0);
        let mut answer = SearchAnswer { answer, lake_snapshot: snapshot.version(), pending, complete };
        answer.answer.notes.extend(match pending {
            Some(0) => None,
            Some(pending) => {
                Some(format!("{pending} records came or went since the index was built: `stele index build`"))
            }
            None => Some("the index does not follow this lake's history: `stele index build`".to_owned()),
        });
        Ok(answer)
    }

    /// What is needed to ask an index that was made with `model`.
    pub(crate) fn meaning_of(&self, model: Option<&Model>) -> Result<Meaning, EngineError> {
        match model {
            // The index says of itself that its vectors mean nothing: a test's double made them, whatever
            // the settings say.
            Some(model) if !model.semantic => {
                let double = stele_embed::TestDouble::new(model.dimension as usize);
                Ok(Meaning::Of(std::sync::Arc::new(double)))
            }
            Some(_) if self.settings().embedding == EmbeddingConfig::None => {
                Ok(Meaning::None(Some("`provider = \"none\"` is set under [embedding]".to_owned())))
            }
            Some(_) => self.meaning(),
            None => Ok(Meaning::None(None)),
        }
    }

    /// Records by which a snapshot and what an index follows differ: those that it does not know, and
    /// those that it still knows. Parts that were written anew count on both sides. `None` if it cannot be
    /// told, as where the index follows another lake.
    pub(crate) fn pending(&self, snapshot: &Snapshot, pointer: &Pointer) -> Option<u64> {
        let Some(version) = pointer.checkpoint else { return Some(snapshot.totals().records) };
        if pointer.lake.as_deref() != Some(snapshot.lake_id()) {
            return None;
        }
        if version == snapshot.version() {
            return Some(0);
        }
        let before = self.snapshot_at(version).ok()?;
        let only_in = |some: &Snapshot, other: &Snapshot| -> u64 {
            let there: HashSet<&Path> = other.event_parts().iter().map(|part| &*part.path).collect();
            let parts = some.event_parts().iter().filter(|part| !there.contains(&*part.path));
            parts.map(|part| part.rows).sum()
        };
        Some(only_in(snapshot, &before) + only_in(&before, snapshot))
    }
}
