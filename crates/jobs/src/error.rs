//! What can go wrong with jobs, and what can be done about it.

use std::error::Error;

use stele_model::ErrorKind;

use crate::job::{JobId, State};
use crate::trouble::Trouble;

/// A job cannot be taken, changed or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobsError {
    /// What is to be done is not said as it has to be.
    #[error("this is no job: {field}: {reason}")]
    Spec {
        /// Which field of it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The queue holds as many jobs as it can.
    #[error("the {what} is full: {jobs} jobs wait or run, and it holds {max}; try again when some are done")]
    Full {
        /// `queue`, or `line of one of its sources`.
        what: &'static str,
        /// How many there are.
        jobs: u64,
        /// How many there may be.
        max: u64,
    },
    /// No such job.
    #[error("there is no job {id}; `stele jobs` lists them")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// The job is not in a state in which that can be done.
    #[error("cannot {what} job {id}: it is {state}; {advice}")]
    State {
        /// `pause`, `retry` …
        what: &'static str,
        /// Which job.
        id: JobId,
        /// What it is.
        state: State,
        /// What can be done instead.
        advice: &'static str,
    },
    /// The lease is somebody else's by now, or nobody's. What its holder still does must not count.
    #[error("the lease on job {id} is lost: {reason}; what is not committed yet must not be")]
    Fenced {
        /// Which job.
        id: JobId,
        /// Who has it now, or what became of it.
        reason: String,
    },
    /// Something that would be kept is larger than the queue keeps.
    #[error("cannot keep the {what} of job {id}: it has {bytes} bytes, and {max} are kept")]
    TooLarge {
        /// `resume data`, `result`.
        what: &'static str,
        /// Which job.
        id: JobId,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// Others were faster, again and again.
    #[error("cannot {what}: others changed the same jobs {tries} times meanwhile; try again")]
    Contended {
        /// What was tried.
        what: &'static str,
        /// How often.
        tries: u32,
    },
    /// Where the jobs are kept cannot be reached, or could not do it. Whether it was done is not known.
    #[error("cannot {what} {home}")]
    Home {
        /// What was tried, as in "cannot {what} {home}".
        what: &'static str,
        /// Where the jobs are kept; without a password.
        home: String,
        /// What is the matter.
        trouble: Trouble,
        /// What happened, once and in words.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The home was made by another version of the program, or by somebody else.
    #[error("cannot use {home}: {reason}; nothing was touched")]
    Foreign {
        /// Where.
        home: String,
        /// What is there.
        reason: String,
    },
    /// What was kept cannot be read.
    #[error("{what} in {home} cannot be read: {reason}")]
    Damaged {
        /// `job j123…`.
        what: String,
        /// Where.
        home: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting that cannot be used.
    #[error("the setting {setting} cannot be used: {reason}")]
    Config {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, and what would do.
        reason: String,
    },
}

impl JobsError {
    pub(crate) fn spec(field: &'static str, reason: String) -> Self {
        JobsError::Spec { field, reason }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            JobsError::Full { .. } | JobsError::Contended { .. } => ErrorKind::Retry,
            JobsError::Spec { .. }
            | JobsError::Unknown { .. }
            | JobsError::State { .. }
            | JobsError::TooLarge { .. }
            | JobsError::Foreign { .. } => ErrorKind::Fix,
            JobsError::Fenced { .. } => ErrorKind::Cancelled,
            JobsError::Home { trouble, .. } => trouble.kind(),
            JobsError::Damaged { .. } => ErrorKind::Report,
            JobsError::Config { .. } => ErrorKind::Config,
        }
    }

    /// What to try, for people; nothing where the error says that itself.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            JobsError::Home { trouble, .. } => Some(trouble.hint()),
            JobsError::Foreign { .. } => {
                Some("an update of the program if it is newer; otherwise another data directory or `--queue`")
            }
            JobsError::Damaged { .. } => Some("`stele doctor` looks at the queue"),
            _ => None,
        }
    }

    /// Whether its home may be back without anybody who uses it doing anything: after somebody made room, started the
    /// server, put the file right. What is wrong in its own address stays wrong.
    pub fn is_outage(&self) -> bool {
        matches!(self, JobsError::Home { trouble, .. } if *trouble != Trouble::Password)
    }
}
