//! What can go wrong between bytes and what they say.

use serde::{Deserialize, Serialize};
use stele_model::ErrorKind;

/// A document could not be read. It is plain data, because it also travels from a child process to its
/// parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocumentError {
    /// Neither name nor content tells what it is.
    #[error(
        "{source_uri} is no document that can be read; known are {}",
        "Markdown, HTML, text, CSV, EML, DOCX, PPTX, XLSX, PDF, pictures and Notion exports"
    )]
    Unrecognised {
        /// The document.
        source_uri: String,
    },
    /// More than is read at once, packed or unpacked.
    #[error("{source_uri}: {what} has more than the {max} bytes that are allowed; nothing of it was kept")]
    TooLarge {
        /// The document.
        source_uri: String,
        /// What is too large.
        what: String,
        /// The bound.
        max: u64,
    },
    /// It is built to do harm, or so strangely that it cannot be told apart from that.
    #[error("{source_uri}: {part} is refused: {reason}")]
    Refused {
        /// The document.
        source_uri: String,
        /// Which part of it.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not what it claims to be, or not whole.
    #[error("{source_uri}: {part} cannot be read: {reason}; is the file whole?")]
    Damaged {
        /// The document.
        source_uri: String,
        /// Which part of it.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is locked with a password.
    #[error("{source_uri} is locked with a password; save it without one")]
    Locked {
        /// The document.
        source_uri: String,
    },
    /// Reading it took more than it may.
    #[error("{source_uri}: reading it took more than the {limit} that are allowed, and was ended")]
    Limit {
        /// The document.
        source_uri: String,
        /// Which limit: seconds, memory or output.
        limit: String,
    },
    /// A program that reads this format is not installed.
    #[error("{source_uri}: {program} is not there; install the package {package}")]
    ToolMissing {
        /// The document.
        source_uri: String,
        /// The program.
        program: String,
        /// What brings it.
        package: String,
    },
    /// A child process could not be started, or ended in a way that says nothing about the document.
    #[error("{source_uri}: {program} failed: {reason}")]
    Child {
        /// The document.
        source_uri: String,
        /// The program.
        program: String,
        /// What happened.
        reason: String,
    },
}

impl DocumentError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            DocumentError::Child { .. } => ErrorKind::Report,
            _ => ErrorKind::Fix,
        }
    }

    /// The document that it is about.
    pub fn source_uri(&self) -> &str {
        match self {
            DocumentError::Unrecognised { source_uri }
            | DocumentError::TooLarge { source_uri, .. }
            | DocumentError::Refused { source_uri, .. }
            | DocumentError::Damaged { source_uri, .. }
            | DocumentError::Locked { source_uri }
            | DocumentError::Limit { source_uri, .. }
            | DocumentError::ToolMissing { source_uri, .. }
            | DocumentError::Child { source_uri, .. } => source_uri,
        }
    }

    /// The same about another document: of an archive, about the page in it.
    pub(crate) fn about(mut self, uri: &str) -> Self {
        match &mut self {
            DocumentError::Unrecognised { source_uri }
            | DocumentError::TooLarge { source_uri, .. }
            | DocumentError::Refused { source_uri, .. }
            | DocumentError::Damaged { source_uri, .. }
            | DocumentError::Locked { source_uri }
            | DocumentError::Limit { source_uri, .. }
            | DocumentError::ToolMissing { source_uri, .. }
            | DocumentError::Child { source_uri, .. } => uri.clone_into(source_uri),
        }
        self
    }

    /// A word for machines that tells the cases apart.
    pub fn code(&self) -> &'static str {
        match self {
            DocumentError::Unrecognised { .. } => "unrecognised",
            DocumentError::TooLarge { .. } => "too_large",
            DocumentError::Refused { .. } => "refused",
            DocumentError::Damaged { .. } => "damaged",
            DocumentError::Locked { .. } => "locked",
            DocumentError::Limit { .. } => "limit",
            DocumentError::ToolMissing { .. } => "tool_missing",
            DocumentError::Child { .. } => "child",
        }
    }

    pub(crate) fn damaged(source_uri: &str, part: &str, reason: impl ToString) -> Self {
        DocumentError::Damaged {
            source_uri: source_uri.to_owned(),
            part: part.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn refused(source_uri: &str, part: &str, reason: impl ToString) -> Self {
        DocumentError::Refused {
            source_uri: source_uri.to_owned(),
            part: part.to_owned(),
            reason: reason.to_string(),
        }
    }
}
