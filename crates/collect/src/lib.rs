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
//! What is not here: no service and no database is known, nothing is stored, and no clock, environment or
//! configuration file is read.

mod batch;
mod collector;
mod error;
mod record;

pub use batch::{BATCH_BYTES, BATCH_RECORDS, Batch, Batcher, Cursors, Sink};
pub use collector::{
    Checked, Collected, Collector, Means, Outcome, StreamInfo, StreamOutcome, UNAVAILABLE_MAX,
};
pub use error::CollectError;
pub use record::Collectable;
