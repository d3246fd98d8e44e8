//! What a person sees when something goes wrong: what failed and why, what was kept, and which
//! command to try next; and the exit code for programs.
//!
//! Errors of other crates are turned into [`Failure`]s here and nowhere else.

use std::io;

use serde_json::json;
use stele_engine::collecting::CollectError;
use stele_engine::discovery::render::RenderError;
use stele_engine::graph::GraphError;
use stele_engine::lake::LakeError;
use stele_engine::lake::sql::SqlError;
use stele_engine::retrieval::IndexError;
use stele_engine::{EngineError, SourceError};
use stele_model::ErrorKind;
use stele_model::error::{in_full, is_disk_full};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// Nothing, or not the essential, was done.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Some inputs were done and others failed.
    Partial = 3,
    /// What was to be proved does not hold: coverage, drift, validation.
    NotMet = 4,
    /// A configuration or profile file is wrong.
    Config = 78,
    /// Ctrl-C: what was done is kept. 128 + SIGINT, so that a shell's loop stops too.
    Interrupted = 130,
}

/// A command that failed as a whole.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, where and why.
    pub what: String,
    /// What was kept.
    pub kept: Option<String>,
    /// What to try next.
    pub hints: Vec<String>,
}

impl Failure {
    /// Something failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self { exit: Exit::Failure, what: what.into(), kept: None, hints: Vec::new() }
    }

    /// The command line makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(what) }
    }

    /// An operation on a file failed.
    pub fn io(what: &str, path: impl AsRef<std::path::Path>, error: &io::Error) -> Self {
        let failure = Self::new(format!("cannot {what} {}: {error}", path.as_ref().display()));
        if is_disk_full(error) {
            failure.hint("free some space and run the same command again")
        } else {
            failure
        }
    }

    /// Adds something to try.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Says what was kept, unless that is said already.
    #[must_use]
    pub fn kept(mut self, text: &str) -> Self {
        self.kept.get_or_insert_with(|| text.to_owned());
        self
    }

    /// The failure as the last event of `--json`.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "event": "error",
            "message": self.what,
            "kept": self.kept,
            "hints": self.hints,
            "exit_code": self.exit as u8,
        })
    }

    /// The failure as text.
    pub fn to_text(&self) -> String {
        let mut text = format!("error: {}\n", self.what.trim_end());
        if let Some(kept) = &self.kept {
            text.push_str(&format!("kept:  {kept}\n"));
        }
        for hint in &self.hints {
            text.push_str(&format!("hint:  {hint}\n"));
        }
        text
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let mut failure = Self::new(in_full(&error));
        failure.exit = match error.kind() {
            ErrorKind::Config => Exit::Config,
            ErrorKind::Cancelled => Exit::Interrupted,
            ErrorKind::Retry | ErrorKind::Fix | ErrorKind::Report => Exit::Failure,
        };
        failure.hints = hints(&error);
        failure
    }
}

fn hints(error: &EngineError) -> Vec<String> {
    let hint = match error {
        EngineError::Lake(error) => return lake_hints(error),
        EngineError::Source(SourceError::NotFound { .. } | SourceError::NoMatch { .. }) => {
            "check the spelling; a directory is read with everything below it"
        }
        EngineError::Source(SourceError::Unreadable { .. }) => "check who may read it: `ls -l`",
        EngineError::Source(SourceError::Profile { .. }) => {
            "`stele validate --profile FILE` checks a profile; docs/guide/add-a-format.md shows one"
        }
        EngineError::NoQueue { .. } => {
            "`stele ingest FILE… --no-wait --data-dir DIR` queues a job; `--data-dir` or `--queue` names another place"
        }
        EngineError::Jobs(error) => return error.hint().map(str::to_owned).into_iter().collect(),
        EngineError::Collect(CollectError::Stopped { .. }) => return Vec::new(),
        EngineError::Collect(error) if error.kind() == ErrorKind::Config => {
            "`stele sources list` shows what is configured, docs/guide/sources.md how"
        }
        EngineError::Capture(error) if error.kind() == ErrorKind::Config => {
            "docs/guide/sources.md shows addresses that can be listened to"
        }
        EngineError::Collect(_) | EngineError::Capture(_) => {
            "run the same command again: it goes on behind what was kept"
        }
        EngineError::Config { .. } => "`stele validate` checks the configuration",
        EngineError::NoInputs(_) => "name recordings, or a directory that holds some",
        EngineError::UnknownInput { .. } | EngineError::AmbiguousInput { .. } => {
            "`stele status --files` lists the inputs that were ingested"
        }
        EngineError::Io { source, .. } if is_disk_full(source) => {
            "free some space and run the same command again: it goes on where it stopped"
        }
        EngineError::Graph(GraphError::Io { source, .. }) if is_disk_full(source) => {
            "free some space, then `stele graph build` and `stele index build`: the lake has what is read"
        }
        EngineError::Graph(GraphError::Io { .. } | GraphError::Parquet { .. }) => {
            "when the cause is gone, `stele graph rebuild` makes the graph anew from the lake"
        }
        EngineError::Index(IndexError::NoIndex { .. }) => {
            "`stele index build --data-dir DIR` makes it from the lake; `stele explain` and `stele sql` need none"
        }
        EngineError::Collection { .. } => "docs/guide/search.md describes the layout",
        EngineError::Cancelled(_) => "nothing was changed; run the same command again for the whole",
        EngineError::WorkerLost => "run the same command again: it goes on where it stopped",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

fn lake_hints(error: &LakeError) -> Vec<String> {
    let hint = match error {
        LakeError::NoLake { .. } => {
            "`stele ingest FILE… --data-dir DIR` makes a lake; `--data-dir` names one"
        }
        LakeError::Busy { .. } => "run the same command again when the other one has ended",
        LakeError::CorruptLog { .. } | LakeError::CorruptPart { .. } | LakeError::MissingPart { .. } => {
            "`stele doctor` lists everything that is damaged; the inputs can be ingested again into a new data directory"
        }
        LakeError::NewerSchema { .. } => "nothing was changed; update stele and try again",
        _ if error.is_disk_full() => {
            "free some space or raise the limit, and run the same command again: it goes on where it stopped"
        }
        LakeError::Changed(_) => "look at the plan again, then confirm it",
        LakeError::Io { .. } => {
            "when the cause is gone, run the same command again: it goes on where it stopped"
        }
        LakeError::Replay { .. } => {
            "`stele coverage` checks every input; `stele doctor` checks the lake's files"
        }
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

impl From<LakeError> for Failure {
    fn from(error: LakeError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let failure = Self::new(in_full(&error));
        match error {
            SqlError::Cancelled => Self { exit: Exit::Interrupted, ..failure },
            SqlError::Unknown { .. } => {
                failure.hint("`stele sql \"SELECT * FROM help\"` lists views and macros")
            }
            SqlError::Syntax { .. } => {
                failure.hint("it is DuckDB's SQL; docs/guide/sql.md shows queries that work")
            }
            SqlError::Memory { .. } => failure.hint("raise it with --memory-limit, or add a LIMIT"),
            _ => failure,
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::new(in_full(&error))
    }
}
