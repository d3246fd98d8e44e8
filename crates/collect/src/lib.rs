//! What is elsewhere, and how far have we come? What every collector has in common.
//!
//! The loop that drives this crate:
//!
//! ```no_run
//! # use stele_collect::{Collector, CollectError, Collected, Cursors, Means, Sink};
//! # fn run(helpdesk: &mut dyn Collector, lake: &mut dyn Sink, means: &Means<'_>) -> Result<Collected, CollectError> {
//! let cursors: Cursors = lake.cursors()?; // where the last run stopped: it is read from the lake
//! helpdesk.collect(&cursors, lake, means) // batches of records, each with the cursor behind it
//! # }
//! ```
//!
//! A [`Collector`] asks a service or a database and gives [`Batch`]es: records as they were said, one a line, and
//! the [`Cursors`] that are right once these records are kept. A [`Sink`] takes both in one commit or neither. So
//! a run that dies repeats at most one batch, and what is repeated has the id that it had.
//!
//! What all of them need beside that is here, too, as plain logic: [`SourcesConfig`] says which sources there are,
//! [`RateLimiter`], [`CircuitBreaker`] and [`Budget`] whether the next request may be made, [`ResponseCache`] whether it
//! has to be, [`Sieve`] which records are kept: those that [`Judge`] finds to be as they have to be, and [`Seen`] for the first time.
//!
//! What is not here: no service and no database is known, nothing but answers is stored, and no clock, environment
//! or configuration file is read.

mod batch;
mod breaker;
mod budget;
mod cache;
mod collector;
mod config;
mod contract;
mod dedup;
mod error;
mod limits;
mod record;
mod sieve;
mod stopwatch;

pub use batch::{
    BATCH_BYTES, BATCH_RECORDS, Batch, Batcher, Cursors, Missing, Places, Preview, Rejected, Sink,
};
pub use breaker::{COOL_DOWN, CircuitBreaker, Closed, FAILURES_MAX};
pub use budget::{Bound, Budget, BudgetState, Estimate, Forecast, Level, Price, Spent};
pub use cache::{CACHE_BYTES_MAX, CacheKey, Kept, Known, ResponseCache};
pub use collector::{
    Checked, Collected, Collector, Means, Outcome, StreamInfo, StreamOutcome, UNAVAILABLE_MAX, Watch,
    wait_for_limit,
};
pub use config::{
    Defaults, KnownKeys, Lookup, Problem, Resolved, SOURCES_MAX, Source, SourceKind, SourcesConfig,
    TRUST_SCORE, duration, duration_if_set, secret, shown,
};
pub use contract::{Action, Columns, Contract, Judge, REASONS_MAX, Report, ValueType, Verdict};
pub use dedup::{ContentId, DedupBy, SEEN_MAX, Seen, canonical, content_id};
pub use error::CollectError;
pub use limits::{Heard, RateLimiter, WAIT_MAX, Window};
pub use record::Collectable;
pub use sieve::{OWN, Sieve, Sifted};
pub use stopwatch::{Limited, Stopwatch};
