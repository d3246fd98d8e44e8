//! How often, how long, how many.

use std::time::Duration;

use crate::error::JobsError;

/// Jobs that wait or run: at a thousand inputs each a hundred million sources. Whoever fills that has a fault to find.
pub const JOBS_MAX: u64 = 100_000;

/// Jobs that wait for one source. A file that changes faster than it can be read is noticed here.
pub const LINE_MAX: usize = 1_000;

/// Bytes of what a stage needs to go on, and of a result: places and summaries, not data.
pub const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Events that are kept of a job; of more, the oldest are dropped. At one a second the last quarter of an hour, and the
/// few that matter are the last ones.
pub const EVENTS_KEPT_MAX: u64 = 1_000;

/// Ends of jobs that are kept of each tenant, for whoever counts them. As many as there are when a full queue is cancelled
/// at once; whoever looks only after more than that has missed some.
pub(crate) const ENDINGS_KEPT_MAX: u64 = JOBS_MAX;

/// Bytes of an error or a cause that are kept: a screenful.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// Jobs or events of one page.
pub const PAGE_MAX: usize = 1_000;

/// How attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts before a job is a dead letter. Three tell a passing fault from a lasting one.
    pub attempts_max: u32,
    /// Wait before the second attempt; twice as long before each further one.
    pub backoff: Duration,
    /// The longest wait between attempts.
    pub backoff_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempts_max: 3, backoff: Duration::from_secs(5), backoff_max: Duration::from_secs(300) }
    }
}

impl Limits {
    /// # Errors
    ///
    /// [`JobsError::Config`] names what cannot be used.
    pub fn check(&self) -> Result<(), JobsError> {
        let wrong = |setting, reason: &str| Err(JobsError::Config { setting, reason: reason.to_owned() });
        if self.attempts_max == 0 {
            return wrong("attempts_max", "it is 0, so that nothing would ever be begun; 1 or more do");
        }
        if self.backoff > self.backoff_max {
            return wrong("backoff_max", "it is shorter than `backoff`");
        }
        Ok(())
    }
}

/// At most so many bytes of it, ended where a character ends.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)])
}
