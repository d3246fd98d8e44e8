//! What answers the question? Plan, ask the arms, fuse, diversify, show the evidence. Read-only.
//!
//! ```text
//! question ─► plan ─┬► text   (BM25 over stemmed words) ─┐
//!                   ├► names  (paths and identifiers)    ├► fuse ─► diversify ─► evidence ─► answer
//!                   └► vector (nearest in meaning)      ─┘
//! ```
//!
//! An arm that cannot answer (no model, no vectors) is left out and the answer says so. Nothing here
//! writes, reads a clock or knows a file: a [`Searcher`] has an open index and, if there is one, the
//! embedder that made its vectors.

mod answer;
mod confidence;
mod error;
mod evidence;
mod expand;
mod fuse;
mod metrics;
mod plan;
mod searcher;
mod words;

pub use answer::{Answer, ArmReport, Evidence, Found, Parts};
pub use confidence::Signs;
pub use error::SearchError;
pub use expand::{Neighbour, Structure};
pub use fuse::Fusion;
pub use metrics::{Metrics, Relevance};
pub use plan::{Arm, Question, TOP_MAX};
pub use searcher::Searcher;
