//! What can go wrong between a text and its vector.

use std::io;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A model could not be fetched, made, loaded or run, or a service did not answer as it should.
///
/// No text of these holds a key: what a service said is cut to a line and cleaned of the key first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Somebody asked for the stop.
    #[error("embedding was stopped on request")]
    Cancelled,
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {reason}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// The models directory does not hold what is needed.
    #[error("{path} is missing; fetch it with `stele models pull`, or from where you have the model")]
    Missing {
        /// What was looked for.
        path: String,
    },
    /// A file is not the one that was fetched or made.
    #[error("{path} is damaged: {reason}; {mend}")]
    Damaged {
        /// The file.
        path: String,
        /// In what it differs.
        reason: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// A model that is whole, but not one of those that can be run.
    #[error("{path} cannot be used as a model: {reason}")]
    Unsupported {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or directory of models cannot be read or written.
    #[error("cannot {verb} {path}")]
    File {
        /// `read`, `write` …
        verb: &'static str,
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// ONNX Runtime cannot be loaded from this file.
    #[error("the library {path} cannot be loaded: {reason}; `stele models check` tells whether it is whole")]
    Library {
        /// The library.
        path: String,
        /// What the loader said.
        reason: String,
    },
    /// ONNX Runtime refused a model or failed in the middle.
    #[error("ONNX Runtime cannot run {model}: {reason}")]
    Runtime {
        /// Which model.
        model: String,
        /// What it said.
        reason: String,
    },
    /// The text could not be cut into tokens.
    #[error("text {index} of the batch cannot be cut into tokens: {reason}")]
    Tokens {
        /// Its place in the batch, from 0.
        index: usize,
        /// What the tokeniser said.
        reason: String,
    },
    /// A package could not be fetched.
    #[error("{package} cannot be fetched: {reason}\nto try again: {next}")]
    Fetch {
        /// Name and version.
        package: String,
        /// What pip said, in one line.
        reason: String,
        /// The command to try next.
        next: String,
    },
    /// A service cannot be reached, or is too busy, however often it was asked.
    #[error(transparent)]
    Service(HttpError),
    /// A service refuses what it was asked.
    #[error("{service} refused the request with {status}: {reason}; {advice}")]
    Refused {
        /// Its address.
        service: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
    /// A service answered with something that is not one good vector for each text.
    #[error("{service} gave an answer that cannot be used: {reason}")]
    BadAnswer {
        /// Its address.
        service: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What to do about a damaged file that came from elsewhere.
pub(crate) const FETCH_AGAIN: &str =
    "remove it and fetch it again with `stele models pull`, or from where you have the model";

/// What to do about a damaged file that was made here.
pub(crate) const MAKE_AGAIN: &str = "remove it: it is made again when it is needed";

impl EmbedError {
    /// A file from elsewhere is damaged.
    pub(crate) fn damaged(path: &std::path::Path, reason: String) -> Self {
        EmbedError::Damaged { path: path.display().to_string(), reason, mend: FETCH_AGAIN }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            EmbedError::Cancelled => ErrorKind::Cancelled,
            EmbedError::Config { .. } => ErrorKind::Config,
            EmbedError::Service(error) => error.kind(),
            EmbedError::Runtime { .. } | EmbedError::Tokens { .. } | EmbedError::BadAnswer { .. } => {
                ErrorKind::Report
            }
            _ => ErrorKind::Fix,
        }
    }
}

/// Names the path in an I/O error.
pub(crate) trait At<T> {
    /// `verb` is what was tried, as in "cannot {verb} {path}".
    fn at(self, verb: &'static str, path: &std::path::Path) -> Result<T, EmbedError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, verb: &'static str, path: &std::path::Path) -> Result<T, EmbedError> {
        self.map_err(|source| EmbedError::File { verb, path: path.display().to_string(), source })
    }
}
