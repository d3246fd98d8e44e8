//! Why a question has no answer.

use stele_embed::EmbedError;
use stele_index::IndexError;
use stele_model::ErrorKind;

/// An error of a search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// From the index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The question could not be given a vector.
    #[error("the question cannot be given a vector")]
    Embed(#[from] EmbedError),
    /// The question itself is at fault.
    #[error("{0}")]
    Question(String),
    /// Whoever asked wants no answer any more.
    #[error("the question was cancelled")]
    Cancelled,
}

impl SearchError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Index(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::Question(_) => ErrorKind::Fix,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}
