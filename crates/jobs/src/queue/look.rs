//! What there is to see: jobs, their histories, counts, and who is at work.

use serde::Serialize;

use super::Queue;
use super::claim::micros;
use crate::error::JobsError;
use crate::job::{Event, Job, JobId, State};
use crate::limits::PAGE_MAX;
use crate::spec::SourceKey;
use crate::view::{Counts, WORKER_FORGOTTEN_AFTER, WORKER_SILENT_MAX, WorkerStatus, Workforce, view};

/// Which jobs of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this tenant; with none named, of all.
    pub tenant: Option<String>,
    /// Those in one of these states; with none named, all.
    pub states: Vec<State>,
    /// Only those submitted before this one: the place to go on from.
    pub before: Option<JobId>,
    /// At most so many, and at most [`PAGE_MAX`]; with 0, that many.
    pub limit: usize,
}

/// Some of the jobs, the newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page begins; nothing if this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<JobId>,
}

impl Queue {
    /// A job as it stands.
    ///
    /// # Errors
    ///
    /// There is no such job.
    pub async fn get(&self, id: JobId) -> Result<Job, JobsError> {
        let stored = self.read(id).await?;
        let workforce = match stored.record.body.state.is_terminal() {
            // What has ended waits for nobody.
            true => Workforce::default(),
            false => Workforce::of(&self.workers().await?),
        };
        Ok(view(&stored.record, &self.limits, &workforce, self.now()))
    }

    /// A page of the jobs, the newest first. Each is on one page, whatever comes meanwhile.
    ///
    /// # Errors
    ///
    /// The home cannot be reached, or the job to go on from is unknown.
    pub async fn list(&self, filter: &Filter) -> Result<Page, JobsError> {
        let before = match filter.before {
            Some(id) => {
                let record = self.read(id).await?.record;
                // Another tenant's is as unknown as one that is not there.
                if filter.tenant.as_ref().is_some_and(|tenant| *tenant != record.spec.options.tenant) {
                    return Err(JobsError::Unknown { id: id.to_string() });
                }
                Some((record.body.submitted, id))
            }
            None => None,
        };
        let limit = if filter.limit == 0 { PAGE_MAX } else { filter.limit.min(PAGE_MAX) };
        let mut ids = self.home.page(filter.tenant.as_deref(), &filter.states, before, limit + 1).await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| more);
        let workforce = Workforce::of(&self.workers().await?);
        let found = self.home.jobs(&ids).await?;
        let jobs = found
            .into_iter()
            .flatten()
            .map(|stored| view(&stored.record, &self.limits, &workforce, self.now()));
        Ok(Page { jobs: jobs.collect(), next })
    }

    /// The jobs that have this input among theirs and have not ended, in the order in which they get it.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn line(&self, tenant: &str, uri: &str) -> Result<Vec<JobId>, JobsError> {
        let found = self.home.sources(&[SourceKey::new(tenant, uri)]).await?;
        Ok(found.into_iter().flat_map(|(source, _)| source.line).map(|waiting| waiting.job).collect())
    }

    /// Dead letters, the newest first.
    ///
    /// # Errors
    ///
    /// As [`Queue::list`].
    pub async fn dead(&self, before: Option<JobId>, limit: usize) -> Result<Page, JobsError> {
        self.list(&Filter { states: vec![State::Dead], before, limit, ..Filter::default() }).await
    }

    /// What happened to a job after this event, at most so many, and at most [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// There is no such job.
    pub async fn events(&self, id: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError> {
        self.read(id).await?;
        self.more_events(id, after, limit).await
    }

    /// The same for whoever has seen that the job is there, and asks often: the job itself, which may have thousands of
    /// inputs, is not read. Of one that is not there nothing has happened.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn more_events(&self, id: JobId, after: u64, limit: usize) -> Result<Vec<Event>, JobsError> {
        self.home.events(id, after, limit.min(PAGE_MAX)).await
    }

    /// How many jobs there are of each state, and since when the oldest one waits that a worker could take.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn counts(&self) -> Result<Counts, JobsError> {
        self.home.counts(None, self.now()).await
    }

    /// The same of one tenant.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn counts_of(&self, tenant: &str) -> Result<Counts, JobsError> {
        self.home.counts(Some(tenant), self.now()).await
    }

    /// What its home cannot promise as it is set up, a sentence each; nothing where all is well. A Redis that keeps
    /// nothing on its disk, for one.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn doubts(&self) -> Result<Vec<String>, JobsError> {
        self.home.doubts().await
    }

    /// Whether the home can be asked, and told something where the last attempt to do so failed. It is quick.
    ///
    /// # Errors
    ///
    /// What is the matter with it.
    pub async fn check(&self) -> Result<(), JobsError> {
        self.home.check().await
    }

    /// The same, and goes through what is kept: the doctor's question.
    ///
    /// # Errors
    ///
    /// What is the matter with it.
    pub async fn examine(&self) -> Result<Counts, JobsError> {
        self.home.examine().await?;
        self.counts().await
    }

    /// Whether nothing waits or runs that would go on without anybody asking for it: all that is left is paused, or
    /// behind what is.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub(crate) async fn idle(&self) -> Result<bool, JobsError> {
        let running: Vec<State> = State::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let mut before = None;
        loop {
            let ids = self.home.page(None, &running, before, PAGE_MAX).await?;
            let found: Vec<_> = self.home.jobs(&ids).await?.into_iter().flatten().collect();
            let moves =
                |body: &crate::record::Body| body.hold.is_some() || (!body.paused && body.after.is_empty());
            if found.iter().any(|stored| moves(&stored.record.body)) {
                return Ok(false);
            }
            match found.last() {
                Some(last) => before = Some((last.record.body.submitted, last.record.id)),
                None => return Ok(true),
            }
        }
    }

    /// Who works on this queue, and who did until lately.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn workers(&self) -> Result<Vec<WorkerStatus>, JobsError> {
        let mut workers = self.home.workers().await?;
        let silent = self.now() - micros(WORKER_SILENT_MAX);
        workers.iter_mut().for_each(|worker| worker.alive = worker.seen > silent);
        let forgotten = self.now() - micros(WORKER_FORGOTTEN_AFTER);
        workers.retain(|worker| worker.seen >= forgotten);
        workers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(workers)
    }

    /// Forgets the workers that nobody has heard of for long.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub(crate) async fn forget_workers(&self) -> Result<(), JobsError> {
        let forgotten = self.now() - micros(WORKER_FORGOTTEN_AFTER);
        let workers = self.home.workers().await?;
        for gone in workers.iter().filter(|worker| worker.seen < forgotten) {
            self.home.greet(&gone.name, None).await?;
        }
        Ok(())
    }

    /// A worker says that it is alive, and what it does.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn greet(&self, status: &WorkerStatus) -> Result<(), JobsError> {
        self.home.greet(&status.name, Some(status)).await
    }

    /// A worker goes, as it was asked to.
    ///
    /// # Errors
    ///
    /// The home cannot be reached.
    pub async fn part(&self, name: &str) -> Result<(), JobsError> {
        self.home.greet(name, None).await
    }
}
