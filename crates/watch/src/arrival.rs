//! What is told: one thing that arrived, changed or went, and whoever is told of it.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stele_model::{ErrorKind, Micros};

/// Arrivals that are handed over together at most: as many inputs as one job has. 20,000 small files that settle at
/// once are twenty jobs and twenty commits instead of 20,000, and none of them holds up others for long.
pub const BATCH_MAX: usize = 1_000;

/// Bytes of a URI: no file system has longer paths, and whoever keeps jobs takes no longer ones.
pub const URI_BYTES_MAX: usize = 4_096;

/// What happened to a thing, compared with what was handed over before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalKind {
    /// It was not there before.
    Appeared,
    /// It was there, and says something else now.
    Changed,
    /// It is not there any more.
    Gone,
    /// It says what another one said that is not there any more.
    Renamed {
        /// The URI of the other one.
        from: String,
    },
}

/// One thing that arrived, changed or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Which document it is, for good: an absolute path, `https://…`, `s3://BUCKET/KEY`. Of a spool directory it is
    /// the path of `x.md`, also where the content is inside `x.md.ready`.
    pub uri: String,
    /// The last part of the URI: `x.md`. What says the format, where the content does not.
    pub name: String,
    /// Where the content is read from now: the URI, or the path of `x.md.ready` if the content is inside. A producer
    /// may rename that to `x.md` at any time; nothing is said then, because the document is the same, so whoever
    /// does not find it here looks for it at the URI.
    pub location: String,
    /// What tells this state from others: `sha256:` of the content, `etag:` or `modified:` of a service that was not
    /// asked for the content, or what an index document says. Of what is gone: what it was last.
    pub checksum: String,
    /// What happened.
    pub kind: ArrivalKind,
    /// Bytes of the content, where they are known.
    pub size: Option<u64>,
    /// When the content was changed last, by its own account.
    pub modified: Option<Micros>,
    /// When it was found out.
    pub time: Micros,
}

/// Arrivals that are handed over together: at most [`BATCH_MAX`], of one watcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The name of the watcher.
    pub watcher: String,
    /// The tag of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What happened, at least one.
    pub arrivals: Vec<Arrival>,
}

/// Why a batch was not taken. It is handed over again later; nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// [`ErrorKind::Retry`] if it only has to wait; anything else is a fault that somebody has to see to.
    pub kind: ErrorKind,
    /// What is in the way: "the queue is full".
    pub reason: String,
    /// What would help: "it goes on by itself".
    pub next_action: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.next_action)
    }
}

/// Whoever is told: makes jobs of arrivals.
///
/// A batch that was accepted is never handed over again, unless the program ends between the acceptance and the
/// moment when the watcher has written it down. So the same batch may come twice, and the second time has to change
/// nothing: (URI, checksum) says whether it is the same.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// Takes the batch, and comes back when it is durable: all of it or nothing.
    ///
    /// # Errors
    /// [`Refused`] if it is not taken now. The watcher comes back after a growing wait.
    async fn submit(&self, batch: &Batch) -> Result<(), Refused>;
}
