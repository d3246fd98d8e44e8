//! What can go wrong between a text and what a model claims about it.

use std::io;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A service did not answer as it should, or the answers cannot be kept.
///
/// No text of these holds a key: what a service said is cut to a line and cleaned of the key first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotateError {
    /// Somebody asked for the stop.
    #[error("annotating was stopped on request")]
    Cancelled,
    /// A setting that cannot be used.
    #[error("the setting {setting} under [annotation] or [summaries] cannot be used: {reason}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// The service, or what is in its place.
    #[error(transparent)]
    Http(HttpError),
    /// The service answered, and not as services of its kind do.
    #[error("{service} gave an answer that cannot be used: {reason}; is it one for chat completions?")]
    BadAnswer {
        /// Its address.
        service: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// An answer cannot be kept, or those that were kept cannot be listed.
    #[error("cannot {verb} {path}")]
    File {
        /// `read`, `write` …
        verb: &'static str,
        /// Which file or directory.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl AnnotateError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Config { .. } => ErrorKind::Config,
            Self::Http(error) => error.kind(),
            Self::BadAnswer { .. } | Self::File { .. } => ErrorKind::Fix,
        }
    }
}

impl From<HttpError> for AnnotateError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Cancelled => Self::Cancelled,
            HttpError::Config { setting, reason } => Self::Config { setting, reason },
            error => Self::Http(error),
        }
    }
}
