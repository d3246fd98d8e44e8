//! What can be wrong with telemetry. None of it is ever an error of the work.

use std::io;
use std::path::PathBuf;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// Something cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A setting cannot be used.
    #[error("{setting}: {reason}")]
    Config {
        /// The key below `[telemetry]`.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The service cannot be asked, or refuses.
    #[error(transparent)]
    Service(#[from] HttpError),
    /// The operating system gives no thread to tell it from.
    #[error("cannot start a thread that tells it")]
    Thread(#[source] io::Error),
}

impl TelemetryError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } => ErrorKind::Config,
            Self::File { .. } | Self::Thread(_) => ErrorKind::Fix,
            Self::Service(error) => error.kind(),
        }
    }
}
