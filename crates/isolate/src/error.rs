//! Why a process gave no answer.

use std::io;

use stele_model::ErrorKind;

/// Why a process gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// It cannot be started, or its pipes broke.
    #[error("the process cannot be started or spoken to")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("it takes longer than {seconds_max} s")]
    Seconds {
        /// The limit.
        seconds_max: u64,
    },
    /// It needed too much memory.
    #[error("it needs more than {} MiB of memory", bytes_max >> 20)]
    Memory {
        /// The limit.
        bytes_max: u64,
    },
    /// It answered too much.
    #[error("its answer has more than {} KiB", bytes_max >> 10)]
    Output {
        /// The limit.
        bytes_max: u64,
    },
    /// It went away in the middle of its work.
    #[error("the process ended before it answered: {how}")]
    Ended {
        /// With which code or signal, and what it complained of.
        how: String,
    },
}

impl IsolateError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Seconds { .. } | Self::Memory { .. } | Self::Output { .. } => ErrorKind::Fix,
            Self::Io(_) | Self::Ended { .. } => ErrorKind::Report,
        }
    }
}
