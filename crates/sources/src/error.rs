//! What can go wrong between a target on the command line and a block of content.

use std::io;

use stele_model::ErrorKind;

/// An input could not be found, opened, recognised or read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is called that.
    #[error("no file or directory named {target}")]
    NotFound {
        /// What was asked for.
        target: String,
    },
    /// A glob that cannot be understood.
    #[error("the pattern {pattern} is malformed: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A glob that no file matches.
    #[error("no file matches {pattern}")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A named input that is neither a file nor a directory.
    #[error("{target} is {what}, not a file or a directory")]
    NotAFile {
        /// What was asked for.
        target: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The input exists and cannot be opened.
    #[error("cannot open {uri}")]
    Unreadable {
        /// The input.
        uri: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Reading stopped in the middle; everything before was handed over.
    #[error("reading {uri} stopped after {at} bytes of content")]
    Read {
        /// The input.
        uri: String,
        /// Content bytes that were read before.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Decompression stopped in the middle; everything before was handed over.
    #[error(
        "{uri} is damaged: its {compression} data cannot be unpacked after {at} bytes of content \
         (near byte {disk_at} of the file)"
    )]
    Damaged {
        /// The input.
        uri: String,
        /// `gzip` or `zstd`.
        compression: &'static str,
        /// Content bytes that were unpacked before.
        at: u64,
        /// Bytes of the file that the decoder had taken; it reads ahead, so this is an upper end.
        disk_at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A frame of zstd refers to what lies further back than is held in memory here.
    #[error(
        "{uri} was compressed with a window of more than 128 MiB, which is not unpacked here: \
         `zstd -dc --long=31 FILE | stele ingest - --stdin-name NAME` does it"
    )]
    Window {
        /// The input.
        uri: String,
    },
    /// The input is recognisably something else.
    #[error("{uri} is {what}, which holds no records as it is; unpack or convert it first")]
    Foreign {
        /// The input.
        uri: String,
        /// What it is.
        what: &'static str,
    },
    /// The content that was read before is not there any more.
    #[error(
        "{uri} has changed: its first {bytes_done} bytes are not the ones that were read before; \
         it was rewritten rather than appended to, so read it as a new input"
    )]
    Changed {
        /// The input.
        uri: String,
        /// How far it had been read.
        bytes_done: u64,
    },
    /// What was read of it before is there in part only, and reading it anew would double that part.
    #[error("{uri} is not read again: {reason}")]
    InPart {
        /// The input.
        uri: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// Standard input can be read once only.
    #[error("{uri} is a stream and cannot be read a second time; give a file instead")]
    Stream {
        /// The input.
        uri: String,
    },
    /// A profile file that cannot be used.
    #[error("the profile {path} cannot be used: {reason}")]
    Profile {
        /// The file.
        path: String,
        /// What is wrong with it; names the key.
        reason: String,
    },
    /// No profile has that name.
    #[error("no format named {name}; known formats are {known}")]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl SourceError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SourceError::Read { .. } => ErrorKind::Retry,
            SourceError::Damaged { .. } => ErrorKind::Report,
            SourceError::Window { .. } => ErrorKind::Fix,
            SourceError::Profile { .. } => ErrorKind::Config,
            _ => ErrorKind::Fix,
        }
    }
}
