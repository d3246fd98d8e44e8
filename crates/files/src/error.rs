//! What can go wrong between a directory and the rows of its files.

use std::io;
use std::path::{Path, PathBuf};

use stele_collect::CollectError;
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_sources::SourceError;

/// A setting makes no sense, a directory cannot be looked at, or a file is not what it should be. The others go on
/// after an error of one file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {why}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        why: String,
    },
    /// Something on the disk cannot be done.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The content cannot be unpacked, or read on.
    #[error(transparent)]
    Content(SourceError),
    /// The content is not what its format has.
    #[error("byte {at}: {why}")]
    Malformed {
        /// Where, in bytes of content, unpacked.
        at: u64,
        /// What is wrong, and what can be done.
        why: String,
    },
    /// Nobody knows how to read it.
    #[error("{why}")]
    Unknown {
        /// What it is, and what can be done.
        why: String,
    },
    /// Parquet that cannot be read.
    #[error("row {row}: the Parquet cannot be read")]
    Parquet {
        /// Behind which row.
        row: u64,
        /// What its reader says.
        source: parquet::errors::ParquetError,
    },
    /// An archive that cannot be read.
    #[error("the archive cannot be read: it is damaged or cut off")]
    Archive {
        /// What its reader says.
        source: zip::result::ZipError,
    },
    /// Another file has taken the place of the one that was met, such as when a log is rotated.
    #[error("{name} was exchanged for another file while it was looked into; the next run reads it")]
    Exchanged {
        /// The name of both.
        name: String,
    },
    /// The sink, or whoever asked for the stop.
    #[error(transparent)]
    Collect(#[from] CollectError),
}

impl From<SourceError> for FilesError {
    fn from(error: SourceError) -> Self {
        match error {
            // A disk does not say so: it is what unpacks a file of an archive.
            SourceError::Read { at, source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Self::Malformed { at, why: source.to_string() }
            }
            error => Self::Content(error),
        }
    }
}

impl FilesError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } => ErrorKind::Config,
            Self::Io { .. } | Self::Exchanged { .. } => ErrorKind::Retry,
            Self::Content(error) => error.kind(),
            Self::Malformed { .. } | Self::Parquet { .. } | Self::Archive { .. } => ErrorKind::Report,
            Self::Unknown { .. } => ErrorKind::Fix,
            Self::Collect(error) => error.kind(),
        }
    }

    /// As every collector says it.
    pub(crate) fn into_collect(self, source_id: &str) -> CollectError {
        let source_id = source_id.to_owned();
        let kind = self.kind();
        match self {
            Self::Collect(error) => error,
            Self::Config { setting, why } => {
                CollectError::Config { source_id, why: format!("{setting}: {why}") }
            }
            error => CollectError::Source {
                what: format!("source {source_id} cannot be read"),
                kind,
                source: Box::new(error),
            },
        }
    }

    /// With everything that is known of it, in one line.
    pub(crate) fn told(&self) -> String {
        in_full(self)
    }
}

pub(crate) fn wrong(setting: &'static str, why: impl Into<String>) -> FilesError {
    FilesError::Config { setting, why: why.into() }
}

/// Says on what something failed.
pub(crate) trait At<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, FilesError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, FilesError> {
        self.map_err(|source| FilesError::Io { what, path: path.to_owned(), source })
    }
}
