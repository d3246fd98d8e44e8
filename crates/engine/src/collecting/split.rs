//! What the time of a run went into.

use serde::Serialize;
use stele_collect::Stopwatch;

/// What the seconds of a run went into; together they are all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Split {
    /// Waiting for what the source says: nothing else could be done.
    pub fetch_seconds: f64,
    /// The same, while the limit of the source held back what was to be asked next.
    pub limit_seconds: f64,
    /// Making records of it. Of files, reading them is a part of that.
    pub normalise_seconds: f64,
    /// Bringing batches into the lake, and finding out what it holds already.
    pub store_seconds: f64,
}

impl Split {
    /// Of a run that took `seconds`, of which so much went into waiting and into storing.
    pub(super) fn of(seconds: f64, fetching: &Stopwatch, storing: &Stopwatch) -> Self {
        let (fetch_seconds, store_seconds) = (fetching.total().as_secs_f64(), storing.total().as_secs_f64());
        let limit_seconds = fetching.limited_total().as_secs_f64();
        Self {
            fetch_seconds,
            limit_seconds,
            normalise_seconds: (seconds - fetch_seconds - limit_seconds - store_seconds).max(0.0),
            store_seconds,
        }
    }
}
