//! Who runs the show? The [`Engine`] brings sources, discovery and the lake together.
//!
//! A front end (today the command line) builds one [`Engine`] from [`Settings`] and calls it; it
//! gets plain results and [`Progress`] reports back. The engine never prints. It is the only crate
//! that reads the clock and configuration files and gives environment variables a meaning.
//!
//! ```text
//! source ──blocks──► workers: parse once ─► count (discover) ─► append (lake)
//!                        └────────── one commit: records, cursors, counts ──────────┘
//! ```

mod admission;
mod answering;
mod answers;
mod catalogue_store;
pub mod collecting;
pub mod config;
mod config_shown;
mod count_again;
mod coverage;
mod discover;
mod doctor;
pub mod documents;
mod durable;
mod engine;
mod entry;
mod error;
mod failpoints;
mod file_check;
mod ingest;
pub mod jobs;
mod judge;
mod maintain;
mod manifests;
mod migrate;
mod names;
mod pipeline;
mod progress;
mod recount;
mod rehearsal;
mod replay;
mod room;
mod scan;
mod spool;
mod summary;
mod telling;
mod timings;
mod validate;
mod worker;

pub use answering::{
    Asked, CollectionCounts, DRIFT_MAX, EmbeddingConfig, EvalOptions, EvalReport, IndexReport, IndexSummary,
    IndexVerification, Ready, RepairReport, SampleQuery, SearchAnswer, SinkEntry, SinkReport, Standing,
    VerifyReport,
};
pub use answers::Removed;
pub use config::{Settings, THREADS_MAX};
pub use config_shown::ShownConfig;
pub use coverage::{Comparison, CoverageReport};
pub use discover::{Discovered, InputOptions};
pub use doctor::{Check, CheckState};
pub use engine::{Engine, Environment, SystemClock};
pub use error::EngineError;
pub use file_check::FileCheck;
pub use ingest::IngestOptions;
pub use manifests::OUTPUTS;
pub use manifests::{NOTES_FILE, OutputSource};
pub use migrate::{MigrationFacts, MigrationKey, MigrationReport, MigrationRow};
pub use names::likeness;
pub use progress::{Cancel, NoProgress, Progress, Unit, Update};
pub use room::{GraphStanding, Room};
pub use stele_sources::SourceError;
pub use summary::{IngestSummary, InputFailure};
pub use timings::{Timed, Timings};
pub use validate::ValidationReport;

/// What a front end needs to ask and to show results, so that it depends on the engine alone.
/// Nothing here writes to a lake.
pub mod lake {
    pub use stele_lake::{
        FAILPOINTS, LakeError, Pruned, SCHEMA_PROPERTY, SCHEMA_VERSION, Snapshot, Table, Totals,
    };
    pub use stele_lake::{export, sql};

    /// Plans of upkeep; the engine carries them out.
    pub mod maintain {
        pub use stele_lake::doctor::Salvaged;
        pub use stele_lake::maintain::{PrunePlan, Selection, VacuumPlan};
    }
}

/// Questions, answers and models.
pub mod retrieval {
    pub use crate::answering::{Opening, SinkKind};
    pub use stele_embed::{Models, Progress as Pulling, State, Step};
    pub use stele_index::{Filter, IndexError, Scope};
    pub use stele_search::{Answer, Arm, Found, Fusion, Metrics, Question, SearchError, TOP_MAX};
}

/// The graph, as it is walked.
pub mod graph {
    pub use crate::documents::{
        Annotated, CONTEXT_TOKENS_MAX, Context, ContextLimit, ContextSection, EdgeView, GraphStatus,
        GraphSummary, GraphVerification, MentionView, NeighborsView, NodeView, PathView, PathsView,
        ThingView,
    };
    pub use stele_graph::{
        DEPTH_MAX, Direction, ExportFormat, Exported, Follow, GraphError, LimitReason, PATH_DEPTH_MAX,
        PATHS_MAX, ROWS_MAX,
    };
}

/// Who is told what happens.
pub mod telemetry {
    pub use stele_telemetry::{Lineage, Told, Traces};
}

/// Catalogues as plain data, and the renderers over them.
pub mod discovery {
    pub use stele_discover::{Folding, render, view};
}
