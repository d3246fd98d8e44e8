//! What is to be done, who does it, how far is it? A durable queue of jobs, and the workers that go through it.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use stele_jobs::{Input, JobsError, Limits, Memory, Queue, Spec, State, WorkerId};
//! # use stele_model::time::FixedClock;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), JobsError> {
//! # let clock = Arc::new(FixedClock(1_800_000_000_000_000));
//! let queue = Queue::memory(&Memory::new(), Limits::default(), clock)?; // or `sqlite`, or `redis`
//! let submitted = queue.submit(Spec::new([Input::new("notes/a.md", "5891b5b5")])).await?;
//! let id = submitted.job.expect("it is new");
//!
//! // What a worker does; `run_worker` does it for all stages, and again when an attempt fails.
//! let worker = WorkerId { name: "host-1".to_owned(), run: 1 };
//! let lease = queue.claim(&worker, &[], Duration::from_secs(30)).await?.expect("there is one");
//! assert_eq!(queue.finish(&lease, None).await?, State::Done);
//!
//! // The same again is no job.
//! let again = queue.submit(Spec::new([Input::new("notes/a.md", "5891b5b5")])).await?;
//! assert_eq!((again.job, again.duplicates[0].of), (None, id));
//! # Ok(())
//! # }
//! ```
//!
//! The rules are written once, in [`Queue`]; a home only keeps what it is given and says if somebody was faster
//! (`docs/decisions/0013-jobs-and-queues.md`). Time comes from a [`stele_model::Clock`]. [`run_worker`] calls the
//! stages of a [`Work`]; [`Pressure`] says whether it may begin something new.
//!
//! What is not here: nothing is ingested, and neither the environment nor a configuration file is looked at.

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
mod trouble;
mod view;
mod worker;

pub use error::JobsError;
pub use job::{Ending, Event, EventKind, Job, JobId, LastError, Progress, Stage, State};
pub use limits::{EVENTS_KEPT_MAX, JOBS_MAX, KEPT_BYTES_MAX, LINE_MAX, Limits, PAGE_MAX, TEXT_BYTES_MAX};
pub use memory::{Memory, Weather};
pub use pressure::{HeldBack, Mark, Pressure, Signal};
pub use queue::{
    Asked, Checkpoint, Cleaned, Control, Duplicate, Endings, Failure, Filter, Lease, Page, Queue, Renewed,
    Submitted, WorkerId,
};
pub use redis::{DEFAULT_NAMESPACE, RedisConfig};
pub use spec::{
    DEFAULT_TENANT, INPUTS_MAX, Input, NAME_BYTES_MAX, Options, Origin, SOURCE_SCHEME, Spec, URI_BYTES_MAX,
};
pub use trouble::Trouble;
pub use view::{Counts, WORKER_SILENT_MAX, WorkerStatus};
pub use worker::{
    CAPACITY_MAX, Context, End, Halt, Report, Stop, Why, Work, Worked, WorkerSettings, run_worker,
};
