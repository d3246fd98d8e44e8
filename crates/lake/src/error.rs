//! What can go wrong in the lake, said so that a reader knows which object and what to try.
//!
//! One enum for the crate. [`LakeError::kind`] is for programs, the text is for people.

use std::io;
use std::path::{Path, PathBuf};

use stele_model::error::is_disk_full;
use stele_model::{ErrorKind, Micros, civil};

/// An error of the lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
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
    /// There is no lake in the data directory.
    #[error("no lake at {}: ingest something first, or name the data directory that holds one", path.display())]
    NoLake {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process writes to the lake.
    #[error("another process{} is writing to {}: wait for it to end, or use another data directory", of(*pid), path.display())]
    Busy {
        /// Its process id, if it could be read.
        pid: Option<u32>,
        /// The lock file.
        path: PathBuf,
    },
    /// The lake was written by a newer program.
    #[error("the lake at {} has schema version {found}; this program knows versions up to {known}: use a newer stele", path.display())]
    NewerSchema {
        /// The lake's directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// The lake was written by an older program, and reading alone does not migrate it.
    #[error("the lake at {} has schema version {found}, this program writes {known}: open it once for writing (any ingest, or `stele doctor --fix`) to migrate it", path.display())]
    OlderSchema {
        /// The lake's directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program writes.
        known: u32,
    },
    /// A Delta log file is damaged.
    #[error("damaged Delta log: {}{}: {detail}. Restore that file from a copy; `stele doctor` lists what else is affected", path.display(), at_line(*line))]
    CorruptLog {
        /// The log file.
        path: PathBuf,
        /// The line, counted from 1; `None` if the file as a whole is at fault.
        line: Option<usize>,
        /// What is wrong with it.
        detail: String,
    },
    /// A Parquet part is damaged.
    #[error("damaged part {}: {detail}. Restore that file from a copy; `stele doctor` lists what else is affected", path.display())]
    CorruptPart {
        /// The Parquet file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A Parquet part that the log names does not exist.
    #[error("missing part {}: the Delta log names it, so it was removed by something else. Restore it from a copy; `stele doctor` lists what else is affected", path.display())]
    MissingPart {
        /// The Parquet file.
        path: PathBuf,
    },
    /// The Delta library refused.
    #[error("the Delta table {} cannot be {what}: {detail}", path.display())]
    Delta {
        /// What was tried.
        what: &'static str,
        /// The table's directory.
        path: PathBuf,
        /// What the library said.
        detail: String,
    },
    /// A snapshot that does not exist was asked for.
    #[error("the lake has no snapshot {asked}; the newest one is {newest}")]
    NoSnapshot {
        /// The version that was asked for.
        asked: u64,
        /// The newest version.
        newest: u64,
    },
    /// A snapshot that a vacuum took parts of was asked for.
    #[error(
        "version {asked} of the lake cannot be read any more: a vacuum removed files of it; the newest version is {newest}"
    )]
    Vacuumed {
        /// The version that was asked for.
        asked: u64,
        /// The newest version.
        newest: u64,
    },
    /// A commit did not finish, so this writer does not know what the disk holds.
    #[error("a commit of this writer did not finish; open a new writer, which recovers, before going on")]
    Poisoned,
    /// The argument of a call makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The lake is not the one that a plan was made for.
    #[error("{0}")]
    Changed(String),
    /// An input cannot be written back because its records were pruned.
    #[error(
        "{uri} was pruned on {}: {rows} of its rows were removed ({reason}), so it cannot be written back whole",
        civil::iso(*at)
    )]
    Pruned {
        /// The input.
        uri: String,
        /// Rows that were removed.
        rows: u64,
        /// What the prune was asked to remove.
        reason: String,
        /// When that was.
        at: Micros,
    },
    /// An input cannot be written back because a damaged part was given up.
    #[error(
        "{uri} lost {rows} rows with a damaged part that was given up on {}, so it cannot be written back whole",
        civil::iso(*at)
    )]
    Lost {
        /// The input.
        uri: String,
        /// Rows that were lost.
        rows: u64,
        /// When the part was given up.
        at: Micros,
    },
    /// An input cannot be written back from what the lake holds.
    #[error("{uri} cannot be written back: {detail}")]
    Replay {
        /// The input.
        uri: String,
        /// Which bytes are wrong, and how.
        detail: String,
    },
    /// The receiver of a replay refused.
    #[error("cannot write the output")]
    Output {
        /// What the receiver said.
        source: io::Error,
    },
}

impl LakeError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Poisoned | Self::Changed(_) => ErrorKind::Retry,
            Self::Io { source, .. } | Self::Output { source } => match source.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    ErrorKind::Retry
                }
                _ => ErrorKind::Fix,
            },
            Self::NoLake { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::CorruptLog { .. }
            | Self::CorruptPart { .. }
            | Self::MissingPart { .. }
            | Self::NoSnapshot { .. }
            | Self::Vacuumed { .. }
            | Self::Invalid(_)
            | Self::Pruned { .. }
            | Self::Lost { .. } => ErrorKind::Fix,
            Self::Delta { .. } | Self::Replay { .. } => ErrorKind::Report,
        }
    }

    /// Whether the file system had no room left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Output { source } => is_disk_full(source),
            Self::Delta { detail, .. } => detail.contains("No space left"),
            _ => false,
        }
    }
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

fn of(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// Adds what was tried, and where, to an I/O result.
pub(crate) trait At<T> {
    /// The same result with its place.
    fn at(self, what: &'static str, path: &Path) -> Result<T, LakeError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, LakeError> {
        self.map_err(|source| LakeError::Io { what, path: path.to_path_buf(), source })
    }
}

impl<T> At<T> for Result<T, parquet::errors::ParquetError> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, LakeError> {
        self.map_err(|error| from_parquet(error, what, path))
    }
}

impl<T> At<T> for Result<T, arrow::error::ArrowError> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, LakeError> {
        self.map_err(|error| match error {
            arrow::error::ArrowError::IoError(_, source) => {
                LakeError::Io { what, path: path.to_path_buf(), source }
            }
            arrow::error::ArrowError::ParquetError(detail) => {
                LakeError::CorruptPart { path: path.to_path_buf(), detail }
            }
            other => LakeError::CorruptPart { path: path.to_path_buf(), detail: other.to_string() },
        })
    }
}

fn from_parquet(error: parquet::errors::ParquetError, what: &'static str, path: &Path) -> LakeError {
    let path = path.to_path_buf();
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => LakeError::Io { what, path, source: *source },
            Err(other) => LakeError::CorruptPart { path, detail: other.to_string() },
        },
        other => LakeError::CorruptPart { path, detail: other.to_string() },
    }
}
