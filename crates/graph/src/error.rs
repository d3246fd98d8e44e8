//! What can go wrong in the graph, said so that a reader knows which object and what to try.
//!
//! One enum for the crate. [`GraphError::kind`] is for programs, the text is for people.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use stele_model::ErrorKind;
use stele_model::error::is_disk_full;

/// An error of the graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no graph in the directory.
    #[error("no graph at {}: `stele ingest` makes one when it meets documents", path.display())]
    NoGraph {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process writes to the graph.
    #[error("another process{} is writing to the graph at {}: wait for it to end", of(*pid), path.display())]
    Busy {
        /// Its process id, if it could be read.
        pid: Option<u32>,
        /// The lock file.
        path: PathBuf,
    },
    /// The graph was written by a newer program.
    #[error("{} has format {found}; this program knows formats up to {known}: use a newer stele, or `stele graph rebuild`, which makes it anew from the lake", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
        /// The graph's directory.
        dir: PathBuf,
    },
    /// A file of the graph does not hold what was written to it.
    #[error("{} is damaged: {detail}. Nothing is lost, the graph follows from the lake: `stele graph rebuild` makes it anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// The graph's directory.
        dir: PathBuf,
    },
    /// The argument of a call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A write did not finish, so this writer does not know what the disk holds.
    #[error(
        "a write to the graph did not finish; open a new writer, which removes what is not whole, before going on"
    )]
    Poisoned,
    /// The Parquet library refused.
    #[error("cannot {what} {}: {detail}", path.display())]
    Parquet {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the library said.
        detail: String,
    },
    /// There is more than the numbers of nodes and edges in memory can count.
    #[error("the graph at {} has more than {most} {what}: walk over it with SQL instead", path.display())]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// How many there may be.
        most: u64,
        /// The graph's directory.
        path: PathBuf,
    },
    /// Whoever reads what is written has gone, or has no room.
    #[error("cannot write the graph to its output")]
    Output(#[source] io::Error),
}

impl GraphError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Poisoned => ErrorKind::Retry,
            Self::Io { source, .. } | Self::Output(source) => match source.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    ErrorKind::Retry
                }
                _ => ErrorKind::Fix,
            },
            Self::NoGraph { .. }
            | Self::NewerFormat { .. }
            | Self::Damaged { .. }
            | Self::Invalid(_)
            | Self::TooLarge { .. } => ErrorKind::Fix,
            Self::Parquet { .. } => ErrorKind::Report,
        }
    }

    /// The same about another file.
    pub(crate) fn about(mut self, file: &Path) -> Self {
        if let Self::Damaged { path, .. } = &mut self {
            *path = file.to_path_buf();
        }
        self
    }

    /// Whether the file system had no room left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Output(source) => is_disk_full(source),
            _ => false,
        }
    }
}

fn of(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// Adds what was tried, and where, to a result.
pub(crate) trait At<T> {
    /// The same result with its place.
    fn at(self, what: &'static str, path: &Path) -> Result<T, GraphError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, GraphError> {
        self.map_err(|source| GraphError::Io { what, path: path.to_path_buf(), source })
    }
}

impl<T> At<T> for Result<T, ParquetError> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, GraphError> {
        let path = path.to_path_buf();
        self.map_err(|error| match error {
            // What the operating system says to the library is handed on boxed.
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(source) => GraphError::Io { what, path, source: *source },
                Err(other) => GraphError::Parquet { what, path, detail: other.to_string() },
            },
            other => GraphError::Parquet { what, path, detail: other.to_string() },
        })
    }
}

impl<T> At<T> for Result<T, ArrowError> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, GraphError> {
        self.map_err(|error| {
            let (path, detail) = (path.to_path_buf(), error.to_string());
            GraphError::Parquet { what, path, detail }
        })
    }
}
