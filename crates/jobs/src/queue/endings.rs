//! Which jobs ended since somebody asked before: each end is told once, in the order in which they came about.
//!
//! ```text
//! let mut mark = queue.endings(tenant, None, 0).await?.mark;    // from now on
//! loop {
//!     let found = queue.endings(tenant, Some(mark), 100).await?;
//!     mark = found.mark;                                        // no more for now if there are none
//! }
//! ```
//!
//! It is not asked which jobs have ended: one that is forgotten or taken up again by now has ended all the same.

use serde::Serialize;

use super::Queue;
use crate::error::JobsError;
use crate::job::Ending;
use crate::limits::PAGE_MAX;

/// Some of the ends, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endings {
    /// The ends.
    pub endings: Vec<Ending>,
    /// Where to go on from.
    pub mark: u64,
}

impl Queue {
    /// How jobs of this tenant ended since this mark: at most so many, at least one if there is one, and at most
    /// [`PAGE_MAX`]. Without a mark none, and where those begin that end from now on.
    ///
    /// The home numbers the ends, so that it does not matter how the clocks of workers go.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn endings(&self, tenant: &str, mark: Option<u64>, limit: usize) -> Result<Endings, JobsError> {
        let Some(mark) = mark else {
            let mark = self.home.newest_ending(tenant).await?;
            return Ok(Endings { endings: Vec::new(), mark });
        };
        let found = self.home.endings(tenant, mark, limit.clamp(1, PAGE_MAX)).await?;
        let mark = match found.last() {
            Some((number, _)) => *number,
            // If the newest is before the mark, the home has lost its last moments or is another one: what ends there
            // from now on has numbers that were seen already.
            None => self.home.newest_ending(tenant).await?.min(mark),
        };
        Ok(Endings { endings: found.into_iter().map(|(_, ending)| ending).collect(), mark })
    }
}
