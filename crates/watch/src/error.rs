//! What can go wrong while something is watched.

use std::io;
use std::path::PathBuf;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A watcher cannot be set up, cannot look, or cannot remember.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Somebody asked for the stop.
    #[error("it was stopped on request")]
    Cancelled,
    /// A setting that cannot be used.
    #[error("watcher {watcher}: the setting {setting} cannot be used: {reason}")]
    Config {
        /// The watcher's name.
        watcher: String,
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// What is watched is not there.
    #[error("{target} cannot be watched: {reason}")]
    Missing {
        /// The directory.
        target: String,
        /// What is there instead.
        reason: String,
    },
    /// The file system failed.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried, as in "cannot {what} {path}".
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A service did not say what was asked.
    #[error("cannot read {target}")]
    Service {
        /// Its address.
        target: String,
        /// Why.
        source: HttpError,
    },
    /// A bucket cannot be listed.
    #[error("cannot list {target}: {reason}")]
    Bucket {
        /// Bucket and prefix.
        target: String,
        /// What the service or the library said.
        reason: String,
        /// Whether it may be better the next time.
        passing: bool,
    },
    /// A service said something that is not what it should be.
    #[error("{target} cannot be used: {reason}")]
    BadAnswer {
        /// Its address.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is more than is kept in memory.
    #[error("{target} has more than {entries_max} entries; the setting entries_max allows more")]
    TooMany {
        /// What is watched.
        target: String,
        /// The bound.
        entries_max: usize,
    },
    /// What was handed over before is written down in a way that is not understood.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has the same watcher.
    #[error("{path} belongs to another process that runs the same watcher", path = path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
}

impl WatchError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        WatchError::Io { what, path: path.into(), source }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            WatchError::Cancelled => ErrorKind::Cancelled,
            WatchError::Config { .. } => ErrorKind::Config,
            WatchError::Service { source, .. } => source.kind(),
            WatchError::Bucket { passing: true, .. } | WatchError::Taken { .. } => ErrorKind::Retry,
            WatchError::Missing { .. }
            | WatchError::Io { .. }
            | WatchError::Bucket { .. }
            | WatchError::BadAnswer { .. }
            | WatchError::TooMany { .. } => ErrorKind::Fix,
            WatchError::Memory { .. } => ErrorKind::Report,
        }
    }

    /// What somebody can do about it, as a sentence without a full stop.
    pub fn next_action(&self) -> &'static str {
        match self {
            WatchError::Cancelled => "start it again",
            WatchError::Config { .. } => "change the setting; the others go on",
            WatchError::Missing { .. } => {
                "make the directory, or mount it; until then nothing counts as gone, and it is tried again"
            }
            WatchError::Io { source, .. } if stele_model::error::is_disk_full(source) => {
                "make room; what could not be written down is handed over again, and does no harm"
            }
            WatchError::Io { .. } => "see to its rights and to the disk; it is tried again",
            WatchError::Service { source, .. } if source.kind() == ErrorKind::Retry => {
                "nothing, if the service comes back; it is asked again after a growing wait"
            }
            WatchError::Service { .. } => {
                "see whether the address, the key and the answer are what they should be"
            }
            WatchError::Bucket { passing: true, .. } => {
                "nothing, if the service comes back; it is asked again after a growing wait"
            }
            WatchError::Bucket { .. } => "see to bucket, endpoint, region and keys; it is tried again",
            WatchError::BadAnswer { .. } => "see what the address answers with; it is asked again",
            WatchError::TooMany { .. } => "raise entries_max, or watch a part of it",
            WatchError::Memory { .. } => {
                "move the file away; everything is handed over once more then, and does no harm"
            }
            WatchError::Taken { .. } => "end the other process, or give it another data directory",
        }
    }
}
