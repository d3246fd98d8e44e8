//! What can go wrong between an index and its copy outside.

use std::error::Error;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A store could not be asked, said no, or holds something else.
///
/// No text of these holds a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Somebody asked for the stop.
    #[error("it was stopped on request")]
    Cancelled,
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {reason}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// The store does not answer, or is too busy, however often it was asked.
    #[error("cannot {what} {sink}")]
    Service {
        /// What was tried, as in "cannot {what} {sink}".
        what: &'static str,
        /// Which sink.
        sink: String,
        /// What happened.
        source: HttpError,
    },
    /// The store refuses what it was asked.
    #[error("cannot {what} {sink}: it was refused with {status}: {reason}; {advice}")]
    Refused {
        /// What was tried, as in "cannot {what} {sink}".
        what: &'static str,
        /// Which sink.
        sink: String,
        /// The HTTP status.
        status: u16,
        /// What the store said.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
    /// A graph database says no, in its own words.
    #[error("cannot {what} {sink}: it says {code} ({tries} tries): {reason}; {advice}")]
    Failed {
        /// What was tried, as in "cannot {what} {sink}".
        what: &'static str,
        /// Which sink.
        sink: String,
        /// The server's code, such as `Neo.ClientError.Security.Unauthorized`.
        code: String,
        /// What the server said.
        reason: String,
        /// How often it was asked.
        tries: u32,
        /// What to look at.
        advice: &'static str,
    },
    /// The store answered with something else than its interface promises.
    #[error(
        "cannot {what} {sink}: the answer cannot be used: {reason}; is it the right service, of a version that is supported?"
    )]
    BadAnswer {
        /// What was tried, as in "cannot {what} {sink}".
        what: &'static str,
        /// Which sink.
        sink: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no collection.
    #[error("{sink} does not exist; `stele sink sync` makes it")]
    Missing {
        /// Which sink.
        sink: String,
    },
    /// The collection is somebody else's. To go on would remove what is in it.
    #[error(
        "{sink} {whose} and holds {points} points; nothing was touched. Name another collection, or take this one over with `{flags}`, which removes all that is in it"
    )]
    Foreign {
        /// Which sink.
        sink: String,
        /// `was not made by stele`, or which lake it is marked with.
        whose: String,
        /// Points in it.
        points: u64,
        /// What takes it over as it is.
        flags: &'static str,
    },
    /// The database has the graph of somebody else. To go on would remove it.
    #[error(
        "{sink} holds the graph of another lake ({owner}); nothing was touched. Name another database, or take this one over with `--adopt`, which removes that graph and nothing else"
    )]
    OtherGraph {
        /// Which sink.
        sink: String,
        /// Which lake it is marked with.
        owner: String,
    },
    /// The collection is ours to use, and holds, or can hold, something else.
    #[error(
        "{sink} has the {what} {there}, and {asked} is asked for; nothing was touched. Name another collection, or make this one anew with `{flags}`"
    )]
    Different {
        /// Which sink.
        sink: String,
        /// `model`, `dimension` …
        what: &'static str,
        /// What it has.
        there: String,
        /// What it should have.
        asked: String,
        /// What makes it anew.
        flags: &'static str,
    },
    /// A point that no store would take, or that none should.
    #[error(
        "the text {id} cannot be copied: {reason}; `stele index verify` tells whether the index is whole"
    )]
    Point {
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What should be copied cannot be read.
    #[error("cannot read what should be copied")]
    Wanted {
        /// What the other side says can be done.
        kind: ErrorKind,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It ended in the middle.
    #[error(
        "{sink} is not complete: {written} {things} were written and {removed} removed, which stays; the same command goes on from there"
    )]
    Stopped {
        /// Which sink.
        sink: String,
        /// `points`, or `nodes and edges`.
        things: &'static str,
        /// How many of them the store has confirmed.
        written: u64,
        /// How many it has confirmed to be gone.
        removed: u64,
        /// Why.
        source: Box<SinkError>,
    },
}

impl SinkError {
    /// What [`crate::Wanted`] says when it cannot read.
    pub fn wanted(kind: ErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SinkError::Wanted { kind, source: error.into() }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SinkError::Cancelled => ErrorKind::Cancelled,
            SinkError::Config { .. } => ErrorKind::Config,
            SinkError::Service { source, .. } => source.kind(),
            // Its own word for what may be better the next time.
            SinkError::Failed { code, .. } if code.contains(".TransientError.") => ErrorKind::Retry,
            SinkError::Failed { .. }
            | SinkError::OtherGraph { .. }
            | SinkError::Refused { .. }
            | SinkError::Missing { .. }
            | SinkError::Foreign { .. }
            | SinkError::Different { .. } => ErrorKind::Fix,
            SinkError::BadAnswer { .. } | SinkError::Point { .. } => ErrorKind::Report,
            SinkError::Wanted { kind, .. } => *kind,
            SinkError::Stopped { source, .. } => source.kind(),
        }
    }
}
