//! The queue as one tenant sees it: its own jobs, and no trace of others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use stele_engine::jobs::{
    Counts, Ending, Filter, Job, JobId, JobsError, Manager, Queue, State, WatcherState, WatcherStatus,
    WorkerStatus,
};
use stele_model::error::in_full;
use stele_model::{ErrorKind, Micros};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::limits::{QUEUE_SILENT, QUEUE_TIME_MAX, RECENT};
use crate::metrics::{Family, Metrics};
use crate::reply::{Cause, Refusal};
use crate::roots::{Root, Roots};

/// Ends that are counted at a time: each may have a report that is read, and after so many it is looked whether there is
/// still time.
const ENDED_MAX: usize = 200;

/// Jobs that are remembered as found: more different ones within [`RECENT`] are not asked by a crowd.
const FOUND_MAX: usize = 256;

/// Where jobs come from and where they are kept.
#[derive(Clone)]
pub struct JobsOptions {
    /// The queue, which lives in a runtime of its own.
    pub queue: Queue,
    /// Directories from which jobs may ingest; none where there is none.
    pub roots: Vec<Root>,
    /// What the service keeps for itself: its data directory, its configuration, its tokens. No job may ingest that,
    /// wherever it lies.
    pub withheld: Vec<PathBuf>,
    /// The watchers that this process runs, which are those of the service's own tenant; none where it runs none.
    pub watchers: Option<Arc<Manager>>,
}

/// The jobs of one tenant.
#[derive(Clone)]
pub(crate) struct Jobs {
    pub(crate) queue: Queue,
    pub(crate) roots: Roots,
    tenant: String,
    watchers: Option<Arc<Manager>>,
    /// Where the queue is asked from threads that may block.
    runtime: Handle,
    /// Up to which end of a job they were counted; nothing before the queue has said from which on they are.
    counted: Arc<tokio::sync::Mutex<Option<u64>>>,
    /// Since when the queue has not answered in time, if so.
    silent: Arc<Mutex<Option<Instant>>>,
    /// When which jobs were found to be there and this tenant's.
    found: Arc<Mutex<HashMap<JobId, Instant>>>,
}

impl Jobs {
    /// The jobs of `tenant`, of which those count for the metrics that end from now on.
    pub(crate) fn new(
        queue: Queue,
        roots: Roots,
        (tenant, watchers): (&str, Option<Arc<Manager>>),
        runtime: Handle,
    ) -> Self {
        let (counted, silent, found) = Default::default();
        let jobs =
            Self { queue, roots, tenant: tenant.to_owned(), watchers, runtime, counted, silent, found };
        jobs.count_from_now();
        jobs
    }

    /// Has the queue say after which end those come that are counted: now, and not when the first scraper comes. If it
    /// does not, that one asks again.
    fn count_from_now(&self) {
        let jobs = self.clone();
        self.runtime.spawn(async move {
            let mut counted = jobs.counted.lock().await;
            if counted.is_some() {
                return;
            }
            let asked = jobs.queue.endings(&jobs.tenant, None, ENDED_MAX);
            if let Ok(Ok(found)) = tokio::time::timeout(QUEUE_TIME_MAX, asked).await {
                *counted = Some(found.mark);
            }
        });
    }

    /// How jobs ended since this was asked before, the oldest first: each end is told once. There may be more until there
    /// are none.
    pub(crate) fn ended(&self) -> Result<Vec<Ending>, Refusal> {
        self.look(self.next_ended())
    }

    async fn next_ended(&self) -> Result<Vec<Ending>, JobsError> {
        // Held all the while: of two who ask at once, the second hears what comes after that of the first.
        let mut counted = self.counted.lock().await;
        let found = self.queue.endings(&self.tenant, *counted, ENDED_MAX).await?;
        *counted = Some(found.mark);
        Ok(found.endings)
    }

    /// What the queue answers to somebody who looks, and who would rather know that it does not than wait for it. Only
    /// for threads that may block.
    pub(crate) fn look<T>(&self, asked: impl Future<Output = Result<T, JobsError>>) -> Result<T, Refusal> {
        self.runtime.block_on(self.in_time(asked))
    }

    /// The same for whoever may not block.
    pub(crate) async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, JobsError>>,
    ) -> Result<T, Refusal> {
        let silent = || self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let home = self.queue.home();
        let refused = || {
            Refusal::new("The queue does not answer.")
                .because(Cause::Unavailable)
                .why(format!("{home} said nothing for {} seconds", QUEUE_TIME_MAX.as_secs()))
                .hint("see whether it hangs; questions are answered without it, and it is asked again")
        };
        if silent().is_some_and(|since| since.elapsed() < QUEUE_SILENT) {
            return Err(refused());
        }
        let answer = tokio::time::timeout(QUEUE_TIME_MAX, asked).await;
        *silent() = answer.is_err().then(Instant::now);
        Ok(answer.map_err(|_| refused())??)
    }

    /// What the queue answers, whatever time it takes: something is to be done, and whoever asks has to know whether it
    /// was. Only for threads that may block.
    pub(crate) fn wait<T>(&self, asked: impl Future<Output = Result<T, JobsError>>) -> Result<T, Refusal> {
        Ok(self.runtime.block_on(asked)?)
    }

    /// A job of this tenant. One of another is as unknown as one that is not there.
    pub(crate) async fn get(&self, id: &str) -> Result<Job, JobsError> {
        let unknown = || JobsError::Unknown { id: id.chars().take(64).collect() };
        let job = self.queue.get(id.parse::<JobId>()?).await?;
        if job.spec.options.tenant == self.tenant { Ok(job) } else { Err(unknown()) }
    }

    /// That there is such a job of this tenant, or was a moment ago. What it is doing is another question.
    pub(crate) fn known(&self, id: &str) -> Result<JobId, Refusal> {
        let found = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = id.parse::<JobId>()?;
        if found().get(&asked).is_some_and(|at| at.elapsed() < RECENT) {
            return Ok(asked);
        }
        self.look(self.get(id))?;
        let mut found = found();
        if found.len() >= FOUND_MAX {
            found.clear();
        }
        found.insert(asked, Instant::now());
        Ok(asked)
    }

    /// The first of the jobs of this tenant that hold or wait for an input, and how many wait behind it.
    pub(crate) async fn line(&self, uri: &str) -> Result<Option<(Job, usize)>, JobsError> {
        let line = self.queue.line(&self.tenant, uri).await?;
        let Some(first) = line.first() else { return Ok(None) };
        Ok(Some((self.queue.get(*first).await?, line.len() - 1)))
    }

    /// Jobs of this tenant, the newest first, and where to go on.
    pub(crate) async fn list(
        &self,
        states: Vec<State>,
        before: Option<JobId>,
        limit: usize,
    ) -> Result<(Vec<Job>, Option<JobId>), JobsError> {
        let filter = Filter { tenant: Some(self.tenant.clone()), states, before, limit };
        let page = self.queue.list(&filter).await?;
        Ok((page.jobs, page.next))
    }

    /// How many jobs of each state this tenant has.
    pub(crate) async fn counts(&self) -> Result<Counts, JobsError> {
        self.queue.counts_of(&self.tenant).await
    }

    /// What the watchers of this tenant do that this process runs.
    pub(crate) fn watchers(&self) -> Vec<WatcherStatus> {
        self.watchers.as_ref().map(|manager| manager.statuses()).unwrap_or_default()
    }

    /// Why no new job begins, if none does.
    pub(crate) async fn held_back(&self) -> Result<Option<String>, JobsError> {
        Ok(WorkerStatus::all_held_back(&self.queue.workers().await?).map(str::to_owned))
    }

    /// Tells the numbers of the queue.
    pub(crate) fn measure(&self, metrics: &Metrics, now: Micros) -> Result<(), Refusal> {
        let counted = self.look(self.counts())?;
        for state in State::ALL {
            let count = counted.of(state) as f64;
            metrics.set(Family::QueueDepth, &[state.name()], count);
            if state.is_terminal() {
                // There from the start, so that the first one that ends is seen as one more.
                metrics.add(Family::Jobs, &[state.name()], 0.0);
            }
        }
        let waited = counted.oldest_waiting.map_or(0, |at| now.saturating_sub(at).max(0));
        metrics.set(Family::OldestWaiting, &[], waited as f64 / 1e6);
        let stopped = WatcherState::Stopped;
        let watching = self.watchers().iter().filter(|status| status.state != stopped).count();
        metrics.set(Family::Watchers, &[], watching as f64);
        let held = self.look(self.held_back())?;
        metrics.set(Family::Paused, &[], f64::from(u8::from(held.is_some())));
        Ok(())
    }
}

impl From<JobsError> for Refusal {
    fn from(error: JobsError) -> Self {
        let (cause, what, hint) = match &error {
            JobsError::Spec { .. } => (Cause::Asked, "This is no job.", "what the reason names, put right"),
            JobsError::TooLarge { .. } => (Cause::Limit, "The job is too large.", "several smaller ones"),
            JobsError::Unknown { .. } => {
                (Cause::Missing, "There is no such job.", "an id that GET /api/jobs lists")
            }
            JobsError::Home { .. } => {
                let busy = error.kind() == ErrorKind::Retry;
                let cause = if busy { Cause::Busy } else { Cause::Unavailable };
                (cause, "The queue cannot do that now.", error.hint().unwrap_or_default())
            }
            JobsError::State { .. } => (
                Cause::Changed,
                "The job is not in a state in which that can be done.",
                "what the reason says",
            ),
            _ => match error.kind() {
                ErrorKind::Retry => {
                    (Cause::Busy, "The queue cannot take that now.", "the same again in a moment")
                }
                ErrorKind::Report => {
                    (Cause::Failed, "The queue is damaged.", "the server's log; `stele doctor` looks at it")
                }
                _ => (
                    Cause::Unavailable,
                    "The queue cannot be asked.",
                    "see whether it is there: the reason names it",
                ),
            },
        };
        Self::new(what).because(cause).why(in_full(&error)).hint(hint)
    }
}
