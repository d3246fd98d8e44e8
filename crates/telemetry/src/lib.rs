//! What do others hear of it? Lineage events in the form of OpenLineage, and traces in that of OTLP, told
//! to a file or a service without ever holding up the work that they are about.
//!
//! ```text
//! work ─► Lineage ─┐                       ┌─► file of JSON lines
//! spans ─► Traces ─┴─► Outbox (bounded) ───┴─► HTTP
//!                        └─ Told: delivered, dropped, failed
//! ```
//!
//! Both are off unless somebody configures them. What does not fit into the queue is dropped and counted; what
//! cannot be delivered is counted and said once, until it works again.
//!
//! What is not here: no clock, no environment, no file of configuration, and nothing of what a job is.

mod config;
mod error;
mod lineage;
mod outbox;
mod traces;

pub use config::{LineageConfig, TelemetryConfig, TracesConfig};
pub use error::TelemetryError;
pub use lineage::{Dataset, Lineage, Run, RunState};
pub use outbox::{Outbox, QUEUE_MAX, Told};
pub use traces::Traces;

/// Who says so, in everything that is told.
pub const PRODUCER: &str = concat!("https://stele.invalid/", env!("CARGO_PKG_VERSION"));
