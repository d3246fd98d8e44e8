//! What is to be done, who does it, how far is it? A durable queue of jobs, and the workers that go through it.

mod error;
mod home;
mod job;
mod limits;
mod memory;
mod pressure;
mod queue;
mod record;
mod redis;
mod spec;
mod sqlite;
mod text;
mod view;
mod worker;

pub use error::JobsError;
pub use job::{Event, EventKind, Job, JobId, LastError, Progress, Stage, State};
pub use limits::{EVENTS_KEPT_MAX, JOBS_MAX, KEPT_BYTES_MAX, LINE_MAX, Limits, PAGE_MAX, TEXT_BYTES_MAX};
pub use memory::{Memory, Weather};
pub use pressure::{HeldBack, Mark, Pressure, Signal};
pub use queue::{
    Asked, Checkpoint, Cleaned, Control, Duplicate, Failure, Filter, Lease, Page, Queue, Renewed, Submitted,
    WorkerId,
};
pub use redis::{DEFAULT_NAMESPACE, RedisConfig};
pub use spec::{DEFAULT_TENANT, INPUTS_MAX, Input, NAME_BYTES_MAX, Options, Origin, Spec, URI_BYTES_MAX};
pub use view::{Counts, WORKER_SILENT_MAX, WorkerStatus};
pub use worker::{CAPACITY_MAX, Context, Halt, Report, Stop, Why, Work, Worked, WorkerSettings, run_worker};
