//! What can go wrong in a run, with what to do about it.

use std::io;
use std::path::PathBuf;

use stele_annotate::AnnotateError;
use stele_capture::CaptureError;
use stele_collect::CollectError;
use stele_embed::EmbedError;
use stele_graph::GraphError;
use stele_helpdesk::HelpdeskError;
use stele_index::IndexError;
use stele_jobs::JobsError;
use stele_lake::LakeError;
use stele_lake::sql::SqlError;
use stele_model::ErrorKind;
use stele_model::error::is_disk_full;
use stele_search::SearchError;
use stele_sinks::SinkError;
use stele_sources::SourceError;
use stele_telemetry::TelemetryError;
use stele_watch::WatchError;

/// An error of a run as a whole. Inputs that fail one by one are listed in the result instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// From the lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// From a query.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// From the index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// From the graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// From a model or a service that gives vectors.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// From a question.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// From a copy outside.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// From a language model that is asked about documents.
    #[error(transparent)]
    Annotate(#[from] AnnotateError),
    /// From what watches directories, pages and buckets.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// From a live feed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// From a source that is collected.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// From a decision about a help desk.
    #[error(transparent)]
    Helpdesk(#[from] HelpdeskError),
    /// A backup of what was collected.
    #[error("the backup {}: {reason}", path.display())]
    Backup {
        /// Its directory.
        path: PathBuf,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// From what tells others.
    #[error("telemetry cannot be set up")]
    Telemetry(#[from] TelemetryError),
    /// A source was asked, and did not give what it should have.
    #[error("{why}")]
    NotCollected {
        /// Which source, why, and what was kept.
        why: String,
        /// What can be done about it.
        kind: ErrorKind,
    },
    /// No capture of this name runs, or there is none.
    #[error("capture {name}: {why}")]
    NotListening {
        /// The capture.
        name: String,
        /// Why nothing can be asked of it.
        why: &'static str,
        /// Whether there is one, which has ended.
        is_there: bool,
    },
    /// Nothing of what a job names could be fetched.
    #[error("nothing could be fetched: {0}")]
    NotFetched(String),
    /// No queue is where jobs are looked for, and looking makes none.
    #[error("no job was ever queued here: there is no {}", path.display())]
    NoQueue {
        /// Where its file would be.
        path: PathBuf,
    },
    /// From the queue of jobs.
    #[error(transparent)]
    Jobs(#[from] JobsError),
    /// An index without vectors, where vectors are asked for.
    #[error(
        "the index holds texts alone, and a vector store needs vectors: `stele models pull`, then `stele index rebuild`"
    )]
    NoVectors,
    /// The index was made with a model that is not here today.
    #[error(
        "the index was made with {model}, which cannot be used: {why}; `provider = \"none\"` under [embedding] in stele.toml builds one of words alone beside it"
    )]
    ModelGone {
        /// The model.
        model: String,
        /// Why it cannot, and what to do about it.
        why: String,
    },
    /// A labelled collection that cannot be understood.
    #[error("{}: {reason}", path.display())]
    Collection {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// From a source, before any input was read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A configuration file or an environment variable.
    #[error("{origin}: {reason}")]
    Config {
        /// The file, or the variable's name.
        origin: String,
        /// What is wrong, naming the key.
        reason: String,
    },
    /// A file outside the lake.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing to read.
    #[error("nothing to read: {0}")]
    NoInputs(String),
    /// A stored catalogue, or an output of discovery.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No ingested input has that name.
    #[error("no ingested input is named {asked}.{}", suggestions(.known))]
    UnknownInput {
        /// What was asked for.
        asked: String,
        /// Names that come close.
        known: Vec<String>,
    },
    /// There is no graph yet.
    #[error("there is no graph of this lake yet: `stele graph build` makes it")]
    NoGraph,
    /// Nothing in the graph has that name.
    #[error(
        "nothing in the graph is called {asked}: `stele sql \"SELECT kind, name FROM entities\"` lists what there is"
    )]
    UnknownName {
        /// What was asked for.
        asked: String,
    },
    /// Several ingested inputs have names that end like this.
    #[error("{asked} is the end of several names: {}. Say more of the path", .known.join(", "))]
    AmbiguousInput {
        /// What was asked for.
        asked: String,
        /// Some of the names.
        known: Vec<String>,
    },
    /// A record that was accepted when it came cannot be read any more.
    #[error(
        "{uri}:{line_no} was accepted as a record and cannot be read as one again: `stele doctor` checks the parts of the lake"
    )]
    Unreadable {
        /// The input that it came from.
        uri: String,
        /// Its line, counted from 1.
        line_no: u64,
    },
    /// Somebody asked for a stop, and what was asked for before was not reached.
    #[error("stopped on request before {0}")]
    Cancelled(&'static str),
    /// The operating system gives no more threads.
    #[error("cannot start a thread: use fewer with --threads, or raise the limit (`ulimit -u`)")]
    Thread(#[source] io::Error),
    /// A worker thread ended in a way that it never should.
    #[error("a worker stopped unexpectedly; everything committed before is kept")]
    WorkerLost,
}

fn suggestions(known: &[String]) -> String {
    match known {
        [] => " Nothing has been ingested yet".to_owned(),
        known => format!(" Near it are {}", known.join(", ")),
    }
}

impl EngineError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Lake(error) => error.kind(),
            Self::Sql(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Graph(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::Annotate(error) => error.kind(),
            Self::Search(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Jobs(error) => error.kind(),
            Self::Watch(error) => error.kind(),
            Self::Telemetry(error) => error.kind(),
            Self::Collect(error) => error.kind(),
            Self::Capture(error) => error.kind(),
            Self::Helpdesk(error) => error.kind(),
            Self::NotCollected { kind, .. } => *kind,
            Self::NotFetched(_) => ErrorKind::Retry,
            Self::Collection { .. } => ErrorKind::Fix,
            Self::Cancelled(_) => ErrorKind::Cancelled,
            Self::Source(error) => error.kind(),
            Self::Config { .. } => ErrorKind::Config,
            Self::Io { .. }
            | Self::Thread(_)
            | Self::NoVectors
            | Self::ModelGone { .. }
            | Self::NoGraph
            | Self::NoQueue { .. }
            | Self::NotListening { .. }
            | Self::Backup { .. }
            | Self::UnknownName { .. }
            | Self::NoInputs(_)
            | Self::UnknownInput { .. }
            | Self::AmbiguousInput { .. } => ErrorKind::Fix,
            Self::Manifest { .. } | Self::Unreadable { .. } | Self::WorkerLost => ErrorKind::Report,
        }
    }
}

impl EngineError {
    /// Whether somebody else writes at the moment, so that nothing is wrong and it is enough to wait.
    pub fn is_busy(&self) -> bool {
        matches!(
            self,
            Self::Collect(CollectError::Stopped { code: crate::collecting::TAKEN, .. })
                | Self::Lake(LakeError::Busy { .. })
                | Self::Index(IndexError::Busy { .. })
                | Self::Graph(GraphError::Busy { .. })
        )
    }

    /// Whether the file system had no room left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_disk_full(),
            Self::Index(error) => error.is_disk_full(),
            Self::Graph(error) => error.is_disk_full(),
            Self::Io { source, .. } => is_disk_full(source),
            Self::Collect(CollectError::Sink(error)) => {
                error.downcast_ref::<Self>().is_some_and(Self::is_disk_full)
            }
            _ => false,
        }
    }

    /// Whether the same may work later although nobody changes an input or a setting: disks, services and
    /// threads come and go.
    pub fn may_pass(&self) -> bool {
        if let Self::Collect(_) | Self::NotCollected { .. } = self {
            return self.kind() == ErrorKind::Retry;
        }
        !matches!(
            self,
            Self::Config { .. }
                | Self::Source(_)
                | Self::NoInputs(_)
                | Self::Collection { .. }
                | Self::ModelGone { .. }
                | Self::NoVectors
                | Self::NoGraph
        )
    }
}

/// Adds what was tried, and on which file, to an I/O result.
pub(crate) trait At<T> {
    fn at(self, what: &'static str, path: &std::path::Path) -> Result<T, EngineError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &std::path::Path) -> Result<T, EngineError> {
        self.map_err(|source| EngineError::Io { what, path: path.to_path_buf(), source })
    }
}
