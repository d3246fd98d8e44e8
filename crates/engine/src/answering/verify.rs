//! Whether the index can be relied upon: drift, and questions whose answers somebody expects.

use serde::Serialize;
use stele_search::Question;

use super::status::IndexVerification;
use crate::EngineError;
use crate::engine::Engine;

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
    /// The index compared with the lake, before anything is mended.
    pub index: IndexVerification,
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
        let index = self.index_verify()?;
        let mut sample_queries = Vec::new();
        for query in &self.settings().sample_queries {
            let answer = self.search(&Question { top: 1, ..Question::new(query.as_str()) })?.answer;
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
        let small = index.drift <= DRIFT_MAX && index.problems.is_empty();
        let answered = sample_queries.iter().all(|sample| sample.evidence.is_some());
        let ready_for_queries = match (small && answered, sample_queries.is_empty()) {
            (false, _) => Ready::No,
            (true, true) => Ready::Unverified,
            (true, false) => Ready::Yes,
        };
        Ok(VerifyReport { index, sample_queries, ready_for_queries })
    }
}
