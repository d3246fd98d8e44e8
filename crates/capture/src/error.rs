//! What can go wrong while something live is written down.

use std::io;
use std::path::PathBuf;

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A capture cannot begin, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A setting that cannot be used.
    #[error("capture {capture}: the setting {setting} cannot be used: {reason}")]
    Config {
        /// The capture's name.
        capture: String,
        /// The setting's name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// The file system failed.
    #[error("capture {capture}: cannot {what} {path}", path = path.display())]
    Io {
        /// The capture's name.
        capture: String,
        /// What was tried, as in "cannot {what} {path}".
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk takes nothing, and somebody asked for the stop.
    #[error(
        "capture {capture}: {lines} lines that were received could not be written down; all before seq {first_lost} are kept"
    )]
    Unwritten {
        /// The capture's name.
        capture: String,
        /// How many.
        lines: u64,
        /// The number of the first of them.
        first_lost: u64,
        /// Why.
        source: io::Error,
    },
    /// Whoever is listened to will not have us.
    #[error("capture {capture}: {target} refuses: {reason}")]
    Refused {
        /// The capture's name.
        capture: String,
        /// The address, without secrets.
        target: String,
        /// What was said, without secrets.
        reason: String,
    },
    /// There was no connection, as often as it was tried.
    #[error(
        "capture {capture}: no connection to {target} in {tries} tries in a row: {reason}; what was received before is kept"
    )]
    GaveUp {
        /// The capture's name.
        capture: String,
        /// The address, without secrets.
        target: String,
        /// How often.
        tries: u32,
        /// What stood against the last one.
        reason: String,
    },
    /// A browser's list of pages cannot be read.
    #[error("capture {capture}: the pages of {target} cannot be listed")]
    Pages {
        /// The capture's name.
        capture: String,
        /// The address.
        target: String,
        /// Why.
        source: HttpError,
    },
    /// Another process writes the same capture down.
    #[error("{path} belongs to another process that runs the same capture", path = path.display())]
    Taken {
        /// The lock.
        path: PathBuf,
    },
    /// What an earlier run left says something that is not understood.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A thread of the capture is gone.
    #[error("capture {capture}: its {thread} broke off; what was synced is kept")]
    Broken {
        /// The capture's name.
        capture: String,
        /// Which one.
        thread: &'static str,
    },
}

impl CaptureError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } => ErrorKind::Config,
            Self::Refused { .. } | Self::Io { .. } | Self::Unwritten { .. } => ErrorKind::Fix,
            Self::GaveUp { .. } | Self::Taken { .. } => ErrorKind::Retry,
            Self::Pages { source, .. } => source.kind(),
            Self::State { .. } | Self::Broken { .. } => ErrorKind::Report,
        }
    }

    /// What somebody can do about it, as a sentence without a full stop.
    pub fn next_action(&self) -> &'static str {
        match self {
            Self::Config { .. } => "change the setting and start the capture again",
            Self::Io { .. } => {
                "see to the rights and the disk, and start the capture again: what is there is picked up"
            }
            Self::Unwritten { .. } => {
                "make room; the feed is not asked again for what it said, so the gap stays"
            }
            Self::Refused { .. } => "see whether address, headers and namespace are what the feed wants",
            Self::GaveUp { .. } => "start it again when the feed is back, or raise connects_max",
            Self::Pages { .. } => "start the browser with a debugging port, or change the address",
            Self::Taken { .. } => "end the other process, or give this capture another name",
            Self::State { .. } => {
                "move the file away; the next run begins a new epoch and says where it began"
            }
            Self::Broken { .. } => "start it again, and report it",
        }
    }
}

/// Why pushed events were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no room at the moment. Nothing of the batch was taken.
    #[error(
        "the capture has no room at the moment: {queued_bytes} bytes wait for the disk; send the batch again after {retry_after_ms} ms"
    )]
    Busy {
        /// Bytes that wait.
        queued_bytes: usize,
        /// How long to wait, in milliseconds.
        retry_after_ms: u64,
    },
    /// Nobody may push while the capture is paused. Nothing of the batch was taken.
    #[error("the capture is paused; resume it and send the batch again")]
    Paused,
    /// The capture has ended. Nothing of the batch was taken.
    #[error("the capture has ended; start it and send the batch again")]
    Ended,
    /// A batch that would never be taken.
    #[error("the batch cannot be taken: {reason}")]
    Invalid {
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// The batch was taken, and it is not known whether it is durable.
    #[error("the batch was taken and is not known to be durable: {reason}; send it again, with the same ids")]
    Unconfirmed {
        /// Why not.
        reason: String,
    },
}

impl PushError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Unconfirmed { .. } => ErrorKind::Retry,
            Self::Paused | Self::Ended | Self::Invalid { .. } => ErrorKind::Fix,
        }
    }
}
