//! What every kind of source can do.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stele_http::{Cancelled, HttpError, Pace, wait};
use stele_model::Clock;

use crate::{CollectError, Cursors, Sink, Stopwatch};

/// What a collector needs from outside.
pub struct Means<'a> {
    /// The date, for what is said in dates.
    pub clock: &'a dyn Clock,
    /// The time that waits are measured in.
    pub pace: Arc<dyn Pace>,
    /// Asked between requests and during waits.
    pub cancelled: Cancelled<'a>,
    /// Told what has been done so far: the stream, and how many of its records were gathered.
    pub progress: &'a dyn Fn(&str, u64),
    /// Takes the time in which the thread that makes records waits for what they are made from.
    pub fetching: Stopwatch,
    /// Hears of requests and waits.
    pub watch: &'a dyn Watch,
}

/// Hears from any thread of a run what it is at. `()` hears nothing.
pub trait Watch: Sync {
    /// So many requests or queries are made that no [`Budget`](crate::Budget) is asked about.
    fn called(&self, _calls: u64) {}

    /// A request waits for a limit, and goes on in this time. It is said again and again while it waits.
    fn waits(&self, _time: Duration) {}
}

impl Watch for () {}

/// Waits for a limit, and says all the while how long it still takes.
///
/// # Errors
/// If somebody asked for the stop.
pub fn wait_for_limit(
    pace: &dyn Pace,
    time: Duration,
    cancelled: Cancelled<'_>,
    watch: &dyn Watch,
) -> Result<(), HttpError> {
    let end = pace.now() + time;
    // Rounded up: what is early by a part of a millisecond is early.
    let time_ms = u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    wait(pace, time_ms, &|| {
        let left = end.saturating_sub(pace.now());
        if !left.is_zero() {
            watch.waits(left);
        }
        cancelled()
    })
}

/// One kind of source, configured: a helpdesk, a REST API, a database.
pub trait Collector {
    /// Tries the connection and the credentials, and changes nothing.
    ///
    /// # Errors
    /// If the source cannot be collected from; the text says what to change.
    fn check(&mut self, means: &Means<'_>) -> Result<Checked, CollectError>;

    /// What there is to collect.
    ///
    /// # Errors
    /// If the source does not say.
    fn discover(&mut self, means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError>;

    /// Collects what is new since `from`. A [`Sink`] that says [`CollectError::Enough`] ends the run without a
    /// fault: a preview is a run into such a sink.
    ///
    /// # Errors
    /// What ends the whole run. A stream that fails alone is in the outcome, and the others go on.
    fn collect(
        &mut self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError>;
}

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Who one is there, where the source says so.
    pub identity: Option<String>,
    /// What a person should know, such as a plan without some streams.
    pub notes: Vec<String>,
}

/// A stream that a source has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// What identifies a record.
    pub key: Vec<String>,
    /// What tells how far one has come; `None` is read whole each time.
    pub cursor: Option<String>,
    /// Names of its fields and their types, where they are known before anything is read.
    pub fields: Vec<(String, String)>,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was collected; of nothing new, too.
    Ok,
    /// The source does not give it, such as for want of a permission or a plan.
    Unavailable {
        /// Why, and what would help.
        reason: String,
    },
    /// It ended before its end; its cursor is behind what was kept.
    Failed {
        /// Why, and what would help.
        reason: String,
    },
}

/// What came of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamOutcome {
    /// Its name.
    pub stream: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Records that were handed over.
    pub records: u64,
    /// Things that were there and could not be had, with the reason; at most [`UNAVAILABLE_MAX`] of them.
    pub unavailable: Vec<(String, String)>,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Stream by stream, in the order in which they ended.
    pub streams: Vec<StreamOutcome>,
    /// Requests or queries that were made.
    pub calls: u64,
    /// What a person should know.
    pub notes: Vec<String>,
    /// Things that could not be had and that no stream names, as it names [`UNAVAILABLE_MAX`] already.
    #[serde(skip_serializing_if = "is_none")]
    pub unavailable_more: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Things that could not be had that a stream names one by one: enough to see a pattern.
pub const UNAVAILABLE_MAX: usize = 1000;
