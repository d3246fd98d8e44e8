//! From the lake to answers: what is embedded and indexed, and how it is asked.
//!
//! ```text
//! snapshot ─► texts (catalogue · records · games · sessions · things of help desks) ─► embed what is new ─► index
//!                                                                                     │
//! answer ◄── which snapshot, how much is pending ◄── search ◄─────────────────────────┘
//! ```
//!
//! Nothing here is truth: the index follows from the lake, says which snapshot it follows, and can be
//! removed and built again.

mod agents;
mod asking;
mod building;
mod config;
mod eval;
mod health;
pub(crate) mod objects;
mod records;
mod sink_times;
mod sinks;
mod status;
mod summaries;
mod target;
mod texts;
mod verify;

pub use agents::Standing;
pub use asking::SearchAnswer;
pub use building::IndexSummary;
pub use config::EmbeddingConfig;
pub(crate) use config::{Paced, graph_dir, index_dir, own_dir, user_models_dir};
pub use eval::{Asked, CollectionCounts, EvalOptions, EvalReport};
pub(crate) use sinks::KEY_VARIABLE;
pub use sinks::{Opening, SinkEntry, SinkKind, SinkReport};
pub use status::{IndexReport, IndexVerification};
pub(crate) use verify::Ground;
pub use verify::{DRIFT_MAX, Ready, RepairReport, SampleQuery, VerifyReport};
