//! What can go wrong between a question to a help desk and what is made of the answer.

use stele_http::HttpError;
use stele_model::ErrorKind;

/// A help desk does not give what it was asked for, or it may not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelpdeskError {
    /// Somebody asked for the stop.
    #[error("it was stopped on request")]
    Cancelled,
    /// It refuses, and would the next time.
    #[error("{path} is refused with {status}: {said}")]
    Refused {
        /// What was asked for, without what stands behind `?`.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What the desk said: its code and its words.
        said: String,
    },
    /// It has failed each time it was asked.
    #[error("{path} was answered with {status} {tries} times: {said}; try again later")]
    Failed {
        /// What was asked for.
        path: String,
        /// The last HTTP status.
        status: u16,
        /// How often it was asked.
        tries: u32,
        /// What was said last.
        said: String,
    },
    /// There is no connection, or it breaks off.
    #[error("{path} is not answered ({tries} tries)")]
    Unreachable {
        /// What was asked for.
        path: String,
        /// How often it was asked.
        tries: u32,
        /// What happened last.
        source: HttpError,
    },
    /// It said "not now" for longer than anybody wants to wait.
    #[error(
        "{path} would have to be waited for beyond the {wait_s} s of `max_total_wait`; other programs use up what the account allows: \
         lower their share, or raise `max_total_wait`"
    )]
    Waited {
        /// What was asked for.
        path: String,
        /// The bound, in seconds.
        wait_s: u64,
    },
    /// It did not answer for so long that it was given up.
    #[error(
        "the service did not answer {failures} times in a row, also after {rests} rests of {rest_s} s; what was collected is kept, run it again later"
    )]
    GivenUp {
        /// Failures in a row.
        failures: u32,
        /// How often it was left alone.
        rests: u32,
        /// For how long, in seconds.
        rest_s: u64,
    },
    /// It said something that is not understood.
    #[error("{path}: {why}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// More things share one time than the desk lists.
    #[error(
        "freshdesk_cap_same_timestamp: more things of the list were last changed at {at} than the {pages} pages that can be read; \
         change some of them (a tag is enough), or collect them from an export; the cursor stays at this time"
    )]
    Cap {
        /// The time that they share.
        at: String,
        /// Pages that the desk gives.
        pages: u32,
    },
    /// A list has more pages than the desk gives.
    #[error(
        "freshdesk_cap_pages: {path} has more than the {pages} pages that can be read; set `start_date` later, or collect it from an export"
    )]
    Pages {
        /// The list.
        path: String,
        /// Pages that the desk gives.
        pages: u32,
    },
    /// A purge without the words that it needs.
    #[error(
        "nothing was removed: the confirmation is not the one for this tenant, this platform and this day"
    )]
    NotConfirmed,
}

impl HelpdeskError {
    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Refused { status: 401, .. } => ErrorKind::Config,
            Self::Refused { .. } | Self::Cap { .. } | Self::Pages { .. } | Self::NotConfirmed => {
                ErrorKind::Fix
            }
            Self::Failed { .. } | Self::Unreachable { .. } | Self::Waited { .. } | Self::GivenUp { .. } => {
                ErrorKind::Retry
            }
            Self::Answer { .. } => ErrorKind::Report,
        }
    }

    /// Whether the thing that was asked for is refused alone, and the rest can be had.
    pub(crate) fn of_one_thing(&self) -> bool {
        matches!(self, Self::Refused { status: 403 | 404 | 405 | 410, .. })
    }

    /// Whether asking again later may help the one thing that was asked for.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unreachable { .. })
    }

    /// With its causes, as one line.
    pub(crate) fn in_full(&self) -> String {
        stele_model::error::in_full(self)
    }
}
