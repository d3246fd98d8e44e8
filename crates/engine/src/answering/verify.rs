//! Whether the index can be relied upon: drift, and questions whose answers somebody expects.

use serde::Serialize;
use stele_index::IndexError;
use stele_search::Question;

use super::status::IndexVerification;
use crate::documents::GraphVerification;
use crate::engine::Engine;
use crate::{Cancel, EngineError};

/// The largest drift that is ready for queries.
pub const DRIFT_MAX: f64 = 0.005;

/// Whether somebody can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// The drift is small and every sample query returned evidence.
    Yes,
    /// One of them is not so.
    No,
    /// Nobody has set sample queries, so nobody knows.
    Unverified,
}

/// One sample query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleQuery {
    /// What was asked.
    pub query: String,
    /// Where the first result says it; nothing if nothing was found.
    pub evidence: Option<String>,
    /// As in the answer.
    pub confidence: f32,
}

/// What a verification came to.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The index compared with the lake, before anything is mended; nothing where there is none.
    pub index: Option<IndexVerification>,
    /// The graph compared with the lake, with its contract and what documents kept of their text;
    /// nothing where there is none.
    pub graph: Option<GraphVerification>,
    /// The queries of `sample_queries` in `stele.toml`.
    pub sample_queries: Vec<SampleQuery>,
    /// Whether somebody can ask.
    pub ready_for_queries: Ready,
}

impl Engine {
    /// Compares the index with the lake and asks the sample queries.
    ///
    /// # Errors
    ///
    /// If there is no lake or no index, or one of them cannot be read.
    pub fn verify(&self) -> Result<VerifyReport, EngineError> {
        let index = match self.index_verify() {
            Err(EngineError::Index(IndexError::NoIndex { .. })) => None,
            index => Some(index?),
        };
        let graph = match self.graph_verify() {
            Err(EngineError::NoGraph) => None,
            graph => Some(graph?),
        };
        let mut sample_queries = Vec::new();
        for query in self.settings().sample_queries.iter().filter(|_| index.is_some()) {
            let answer = self
                .search(&Question { top: 1, ..Question::new(query.as_str()) }, &Cancel::default())?
                .answer;
            sample_queries.push(SampleQuery {
                query: query.clone(),
                // A near vector is always there; words of the question have to be, too.
                evidence: answer
                    .results
                    .first()
                    .filter(|found| !found.evidence.matched.is_empty())
                    .map(|found| found.evidence.at.clone()),
                confidence: answer.confidence,
            });
        }
        let small = index.as_ref().is_none_or(|index| index.drift <= DRIFT_MAX && index.problems.is_empty());
        let whole = graph.as_ref().is_none_or(|graph| graph.holds);
        let answered = sample_queries.iter().all(|sample| sample.evidence.is_some());
        // Without an index nobody can ask, and nobody knows.
        let ready_for_queries = match (small && whole && answered, sample_queries.is_empty()) {
            (false, _) => Ready::No,
            (true, true) => Ready::Unverified,
            (true, false) => Ready::Yes,
        };
        Ok(VerifyReport { index, graph, sample_queries, ready_for_queries })
    }
}
