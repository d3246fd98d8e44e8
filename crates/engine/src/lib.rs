//! Who runs the show? The [`Engine`] brings sources, discovery and the lake together.
//!
//! A front end (today the command line) builds one [`Engine`] from [`Settings`] and calls it; it
//! gets plain results and [`Progress`] reports back. The engine never prints. It is the only crate
//! that reads the clock, the environment and configuration files.
//!
//! ```text
//! source ──blocks──► workers: parse once ─► count (discover) ─► append (lake)
//!                        └────────── one commit: records, cursors, counts ──────────┘
//! ```

mod admission;
mod answers;
mod catalogue_store;
pub mod config;
mod coverage;
mod discover;
mod doctor;
mod engine;
mod error;
mod failpoints;
mod ingest;
mod maintain;
mod manifests;
mod migrate;
mod pipeline;
mod progress;
mod recount;
mod rehearsal;
mod replay;
mod scan;
mod spool;
mod validate;
mod worker;

pub use config::Settings;
pub use coverage::{Comparison, CoverageReport, FileCheck};
pub use discover::{DiscoverOptions, Discovered};
pub use doctor::{Check, CheckState};
pub use engine::{Engine, Environment, SystemClock};
pub use error::{EngineError, ErrorKind};
pub use ingest::{IngestOptions, IngestSummary, InputFailure};
pub use manifests::OUTPUTS;
pub use manifests::{NOTES_FILE, OutputSource};
pub use migrate::{MigrationFacts, MigrationKey, MigrationReport, MigrationRow};
pub use progress::{Cancel, NoProgress, Progress, Update};
pub use stele_sources::SourceError;
pub use validate::ValidationReport;

/// What a front end needs to show results, so that it depends on the engine alone.
pub mod lake {
    pub use stele_lake::*;
}

/// Catalogues as plain data, and the renderers over them.
pub mod discovery {
    pub use stele_discover::*;
}
