//! What can be wrong with a document that is read back.

use stele_model::ErrorKind;

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The text is not the document that it should be.
    #[error("not a {document}: {problem}")]
    Unreadable {
        /// What was expected.
        document: &'static str,
        /// What is wrong, with line and column where known.
        problem: String,
    },
    /// The document was written by a newer version of the program.
    #[error("the {document} has version {found}, this program reads up to {known}; use a newer stele")]
    Newer {
        /// What was read.
        document: &'static str,
        /// Its version.
        found: u64,
        /// The newest version that is understood.
        known: u64,
    },
    /// A status above `observed` needs a reason.
    #[error("the note on {subject} is marked {status} without evidence; add `evidence = [\"file:line\"]`")]
    NoEvidence {
        /// The event and path of the note.
        subject: String,
        /// The status that was claimed.
        status: &'static str,
    },
}

impl RenderError {
    /// What a caller can do about it: every one of these is a document that a person must mend.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Fix
    }
}
