//! Jobs: what a queue hands out, done stage by stage over the pipeline, and a report at the end.
//!
//! ```text
//! parsing ─► extracting ─► graphing ─► embedding ─► indexing ─► postchecks ─► reporting
//!  lake       graph         counted     vectors      counted     compared      manifests/jobs/<id>/
//!                           twice       and words
//! ```
//!
//! The queue and the loop over the stages are `stele-jobs`; here is what a stage does. Each can be done
//! again: what is in the lake already is not read again, and what follows from it only follows.

mod arrivals;
mod desk;
mod lineage;
mod page;
mod pressure;
mod reading;
mod remote;
mod report;
mod sourced;
mod stages;
#[cfg(test)]
mod tests;
mod work;

pub use arrivals::ToQueue;
pub use desk::{JobDesk, QueueHome, STATE_FILE, inputs_of_targets, worker_name};
pub use report::{
    Drift, GraphCounts, JobReport, JobSink, REPORT_VERSION, ReportFacts, ReportInput, StageError,
    StageReport, VectorCounts,
};
pub use sourced::JobSource;
pub use stele_jobs::{
    Cleaned, Control, Counts, DEFAULT_TENANT, Duplicate, Ending, Event, EventKind, Filter, INPUTS_MAX, Input,
    Job, JobId, JobsError, Mark, Options, Origin, Page, Progress, Queue, SOURCE_SCHEME, Signal, Spec, Stage,
    State, Stop, Submitted, Trouble, Worked, WorkerSettings, WorkerStatus, run_worker,
};
pub use stele_watch::{
    Manager, Problem as WatcherProblem, SpoolConfig, WatchError, WatcherConfig, WatcherState, WatcherStatus,
};
pub use work::EngineWork;
