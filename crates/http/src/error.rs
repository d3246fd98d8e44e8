//! What can go wrong between a question to a service and its answer.

use stele_model::ErrorKind;

/// How the reason ends if an answer is longer than may be read.
pub(crate) const TOO_LONG: &str = "the most that is read";

/// A service did not answer as it should, or the client cannot be set up.
///
/// No text of these holds a key: what a service said is cut to a line and cleaned of the key first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Somebody asked for the stop.
    #[error("the request was stopped on request")]
    Cancelled,
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {reason}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// A service cannot be reached, or broke off.
    #[error("{service} does not answer: {reason} ({tries} tries); is it running, and is the address right?")]
    Unreachable {
        /// Its address.
        service: String,
        /// What happened last.
        reason: String,
        /// How often it was asked.
        tries: u32,
    },
    /// What is there gives no answer that can be used, and would not the next time.
    #[error("{service} cannot be used: {reason}; is the address right?")]
    Unusable {
        /// Its address.
        service: String,
        /// Why: it answers at too great a length, speaks no HTTP, or shows a certificate that is not trusted.
        reason: String,
    },
    /// A service is too busy, or has failed, each time it was asked.
    #[error("{service} answered {status} after {tries} tries: {reason}; try again later")]
    Busy {
        /// Its address.
        service: String,
        /// The HTTP status of the last answer.
        status: u16,
        /// What it said.
        reason: String,
        /// How often it was asked.
        tries: u32,
    },
    /// A service refuses what it was asked, and would the next time. The caller knows what for, and adds
    /// what to look at.
    #[error("{service} refused the request with {status}: {reason}")]
    Refused {
        /// Its address.
        service: String,
        /// The HTTP status: 404 where what was asked for is not there.
        status: u16,
        /// What it said.
        reason: String,
        /// Whether it said so in JSON, as services for programs do. A page of HTML, or nothing, comes from
        /// something that does not know the path at all.
        explained: bool,
    },
}

impl HttpError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            HttpError::Cancelled => ErrorKind::Cancelled,
            HttpError::Config { .. } => ErrorKind::Config,
            HttpError::Unreachable { .. } | HttpError::Busy { .. } => ErrorKind::Retry,
            HttpError::Unusable { .. } | HttpError::Refused { .. } => ErrorKind::Fix,
        }
    }

    /// Whether the answer had more bytes than are read.
    pub fn is_too_long(&self) -> bool {
        matches!(self, HttpError::Unusable { reason, .. } if reason.ends_with(TOO_LONG))
    }

    /// The status of a refusal, to tell "not there" (404) and "already there" (409) from the others.
    pub fn refused_with(&self) -> Option<u16> {
        match self {
            HttpError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
