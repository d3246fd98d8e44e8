//! What can go wrong while collecting.

use stele_http::HttpError;
use stele_model::error::ErrorKind;

use crate::Batch;

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// A request failed for good.
    #[error("{what}")]
    Http {
        /// What was asked for.
        what: String,
        /// Why it was not had.
        source: HttpError,
    },
    /// The credentials are refused.
    #[error(
        "{source_id}: the credentials are refused ({said}); set {variable} anew and run `stele sources check {source_id}`"
    )]
    Credentials {
        /// The source.
        source_id: String,
        /// Where the secret is read from.
        variable: String,
        /// What the service said, without secrets.
        said: String,
    },
    /// A source that speaks no HTTP does not do what it was asked.
    #[error("{what}")]
    Source {
        /// What was tried, on what, and what to do next.
        what: String,
        /// What can be done about it.
        kind: ErrorKind,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The source answered something that its collector does not understand.
    #[error("{what}: {why}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The configuration of a source makes no sense.
    #[error("source {source_id}: {why}")]
    Config {
        /// The source.
        source_id: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// The list of sources cannot be read at all. Nothing is assumed instead.
    #[error("the sources cannot be read: {why}")]
    Sources {
        /// What is wrong, and where.
        why: String,
    },
    /// What was asked for does not go further, with a code that machines know.
    #[error("{code}: {why}")]
    Stopped {
        /// Such as `freshdesk_cap_same_timestamp` or `budget`.
        code: &'static str,
        /// Why, and what can be done.
        why: String,
    },
    /// A record is not as its contract has it, and the contract ends its stream there.
    #[error("{stream}: {why}")]
    Frozen {
        /// The stream; those beside it can go on.
        stream: String,
        /// Which record, what is wrong, and what can be done.
        why: String,
        /// The number of that record in its batch.
        record: usize,
        /// The batch as it was given, for whoever gives it again without that record.
        batch: Box<Batch>,
    },
    /// A record cannot be written as JSON.
    #[error("a record cannot be written")]
    Unwritable(#[source] serde_json::Error),
    /// The sink does not keep a batch.
    #[error("what was collected cannot be kept")]
    Sink(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The sink wants no more: a preview is full.
    #[error("enough was collected")]
    Enough,
    /// Somebody asked for the stop.
    #[error("stopped; what was collected before is kept")]
    Cancelled,
}

impl CollectError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Http { source, .. } => source.kind(),
            Self::Source { kind, .. } => *kind,
            Self::Credentials { .. } | Self::Config { .. } | Self::Sources { .. } => ErrorKind::Config,
            Self::Answer { .. } | Self::Unwritable(_) => ErrorKind::Report,
            Self::Stopped { .. } | Self::Frozen { .. } => ErrorKind::Fix,
            Self::Sink(_) => ErrorKind::Retry,
            Self::Enough | Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
