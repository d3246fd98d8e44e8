//! What can go wrong between a database and a batch of records.

use stele_collect::CollectError;
use stele_model::ErrorKind;

/// A database cannot be reached, refuses a statement, or says what is not understood. No text of these holds the
/// password: what a server said is cleaned of it first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {why}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        why: String,
    },
    /// The server knows neither the user nor the password.
    #[error("{target} refuses the user or the password: {said}")]
    Credentials {
        /// The database, without a password.
        target: String,
        /// What the server said.
        said: String,
    },
    /// There is no connection, or none any more.
    #[error("no connection to {target}: {why}; is it running, and is the address right?")]
    Lost {
        /// The database, without a password.
        target: String,
        /// What happened.
        why: String,
    },
    /// The user may not read it.
    #[error("{target} does not let the user read it: {said}; grant SELECT on it")]
    Denied {
        /// The database, without a password.
        target: String,
        /// What the server said.
        said: String,
    },
    /// The server refuses a statement.
    #[error("{target} refuses {what}: {said}")]
    Refused {
        /// The database, without a password.
        target: String,
        /// What was asked for.
        what: String,
        /// What the server said, with its code.
        said: String,
    },
    /// The server says what its protocol does not have.
    #[error("{target} cannot be understood: {why}")]
    Answer {
        /// The database, without a password.
        target: String,
        /// What it said.
        why: String,
    },
    /// What was asked for does not go further.
    #[error("{code}: {why}")]
    Stopped {
        /// Such as `tables_null_cursor`.
        code: &'static str,
        /// Why, and what can be done.
        why: String,
    },
    /// The sink, or whoever asked for the stop.
    #[error(transparent)]
    Collect(#[from] CollectError),
}

impl TablesError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::Credentials { .. } => ErrorKind::Config,
            Self::Lost { .. } => ErrorKind::Retry,
            Self::Denied { .. } | Self::Refused { .. } | Self::Stopped { .. } => ErrorKind::Fix,
            Self::Answer { .. } => ErrorKind::Report,
            Self::Collect(error) => error.kind(),
        }
    }

    /// As every collector says it. `variable` names where the connection is written down.
    pub(crate) fn into_collect(self, source_id: &str, variable: &str) -> CollectError {
        let source_id = source_id.to_owned();
        let kind = self.kind();
        match self {
            Self::Collect(error) => error,
            Self::Config { setting, why } => {
                CollectError::Config { source_id, why: format!("{setting}: {why}") }
            }
            Self::Credentials { said, .. } => {
                CollectError::Credentials { source_id, variable: variable.to_owned(), said }
            }
            Self::Stopped { code, why } => CollectError::Stopped { code, why: format!("{source_id}: {why}") },
            error => CollectError::Source {
                what: format!("source {source_id} cannot be read"),
                kind,
                source: Box::new(error),
            },
        }
    }
}
