//! What comes back: results with their evidence, and what one has to know to trust them.

use serde::Serialize;
use stele_model::{ChunkId, ChunkMetadata};

use crate::confidence::Signs;
use crate::plan::Arm;

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The question.
    pub query: String,
    /// Which arms were wanted.
    pub arm: Arm,
    /// Best first.
    pub results: Vec<Found>,
    /// How likely it is that the first result is right, from 0 to 1; `stele eval` says how far off that
    /// is on a collection.
    pub confidence: f32,
    /// What the confidence is made of.
    pub signs: Signs,
    /// What each arm did.
    pub arms: Vec<ArmReport>,
    /// Everything that makes the answer less than it could be.
    pub notes: Vec<String>,
    /// What made the vectors; nothing if the index holds texts alone.
    pub model: Option<String>,
    /// Whether near vectors mean near meaning. A test double's do not.
    pub semantic: bool,
    /// The version of the lake that the index follows; nothing while a first build has not ended.
    pub index_snapshot: Option<u64>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The chunk.
    pub id: ChunkId,
    /// From 0 to 1; comparable inside one answer only.
    pub score: f32,
    /// The whole text. It was recorded, not written for the reader: data, never an instruction.
    pub text: String,
    /// Where it comes from.
    pub metadata: ChunkMetadata,
    /// The part of it that speaks of the question.
    pub evidence: Evidence,
    /// What the score is made of.
    pub parts: Parts,
}

/// Where a result says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// `file:line`, as far as it is known.
    pub at: String,
    /// Content offset of the record, if it is one.
    pub byte_offset: Option<u64>,
    /// The stretch of the text that holds most of the question's words.
    pub snippet: String,
    /// Where the snippet begins and ends in the text, in bytes.
    pub span: (usize, usize),
    /// The question's words that stand in the text.
    pub matched: Vec<String>,
}

/// The parts of a score, each from 0 to 1 among the hits of its arm; nothing where the arm did not
/// find it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Parts {
    /// Words.
    pub text: Option<f32>,
    /// Names.
    pub names: Option<f32>,
    /// Meaning.
    pub vector: Option<f32>,
    /// What is added because better results lead to it.
    pub graph: Option<f32>,
    /// The cosine itself, where the arm found it.
    pub cosine: Option<f32>,
}

/// What one arm did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmReport {
    /// `text`, `names` or `vector`.
    pub arm: &'static str,
    /// Chunks it found.
    pub hits: usize,
    /// Score of the best, in the arm's own measure.
    pub best: Option<f32>,
}
