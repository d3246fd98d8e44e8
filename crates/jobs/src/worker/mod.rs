//! The loop that goes through a queue: it claims, works through the stages, and keeps what is done.

mod attempt;
mod context;
mod notices;
mod stop;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use stele_model::{ErrorKind, Micros};
use tokio::task::JoinSet;

use crate::error::JobsError;
use crate::job::{Job, JobId, Stage, State};
use crate::queue::{LEASE_MAX, LEASE_MIN, Lease, Queue, WorkerId};
use crate::spec::name_fits;
use crate::view::WorkerStatus;
use attempt::{Outcome, attempt};
use notices::Notices;

pub use context::{Context, Halt, Report, Why};
pub use stop::Stop;

/// Jobs at once in one process; more would take each other's memory and disk.
pub const CAPACITY_MAX: usize = 64;

/// The longest wait between two questions to a queue that does not answer.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);

/// How often a worker says that it is alive: a third of the silence after which it is taken for dead, and less.
const GREET_EVERY: Duration = Duration::from_secs(10);

/// How often jobs that ended long ago are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(3600);

/// What is done in each stage of a job. The loop below calls it: stage after stage, and again from the last checkpoint
/// on after a failure, perhaps in another process. So whatever it does, it must do no harm to do it twice.
#[async_trait]
pub trait Work: Send + Sync {
    /// Does this stage. `resume` is what the stage before left, or what [`Context::checkpoint`] kept in this one.
    ///
    /// Gives what the next stage needs; the last one gives the job's result. It is durable then, as what it tells of.
    /// It looks at [`Context::asked`] as often as it can stop, and calls [`Context::confirm`] before it commits. What
    /// blocks a thread belongs into `spawn_blocking`: the heart that keeps the lease beats on the same threads.
    ///
    /// # Errors
    ///
    /// [`Halt::Failed`] if it does not work; [`Halt::Asked`] with what [`Context::asked`] said.
    async fn run(
        &self,
        stage: Stage,
        job: &Job,
        resume: Option<Value>,
        context: &Context,
    ) -> Result<Option<Value>, Halt>;

    /// An attempt begins. What is done here holds it up, and nobody hears of a failure.
    async fn began(&self, _job: &Job, _context: &Context) {}

    /// The attempt has ended, and the queue has kept that. One that lost its lease is not told.
    async fn became(&self, _job: &Job, _context: &Context, _end: End<'_>) {}

    /// Why nothing new should begin, if it should not; asked before each claim. What runs goes on.
    async fn held_back(&self) -> Option<String> {
        None
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The state that the job is in now.
    pub state: State,
    /// What came of it, if it is done.
    pub result: Option<&'a Value>,
    /// Why it did not work, if it did not.
    pub failure: Option<&'a str>,
}

/// How a worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Its name; see [`WorkerId::name`].
    pub name: String,
    /// Jobs at once, 1 to [`CAPACITY_MAX`].
    pub capacity: usize,
    /// How long it may be silent before others take its jobs.
    pub lease: Duration,
    /// Wait before an empty queue is asked again.
    pub poll: Duration,
    /// How often the queue hears of progress.
    pub progress_every: Duration,
    /// How long a stage has to stop when it is asked to.
    pub stop_grace: Duration,
    /// How long jobs that ended are kept. Dead letters stay until somebody decides.
    pub keep_ended: Duration,
    /// Whether it ends when there is nothing that it could begin.
    pub until_idle: bool,
}

impl WorkerSettings {
    /// One job at a time, and leases of half a minute.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            capacity: 1,
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(500),
            progress_every: Duration::from_secs(1),
            stop_grace: Duration::from_secs(30),
            keep_ended: Duration::from_secs(7 * 24 * 3600),
            until_idle: false,
        }
    }

    /// # Errors
    ///
    /// [`JobsError::Config`] names what cannot be used.
    pub fn check(&self) -> Result<(), JobsError> {
        let wrong = |setting, reason: String| Err(JobsError::Config { setting, reason });
        if name_fits("worker", &self.name).is_err() {
            return wrong("name", format!("{:?} is empty, too long or not printable", self.name));
        }
        if self.capacity == 0 || self.capacity > CAPACITY_MAX {
            return wrong("capacity", format!("it is {}; 1 to {CAPACITY_MAX} do", self.capacity));
        }
        if self.lease < LEASE_MIN || self.lease > LEASE_MAX {
            let (min, max) = (LEASE_MIN.as_millis(), LEASE_MAX.as_secs());
            let reason = format!("it is {} ms; {min} ms to {max} s do", self.lease.as_millis());
            return wrong("lease", reason);
        }
        if self.poll.is_zero() || self.progress_every.is_zero() {
            return wrong("poll", "it is 0, so that nothing else would be done; 1 ms or more do".to_owned());
        }
        Ok(())
    }
}

/// What a worker did until it was asked to stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worked {
    /// How often a job left it in this state; `queued` are those that are to be tried again or were given back.
    pub became: std::collections::BTreeMap<State, u64>,
    /// How often it lost a lease.
    pub lost: u64,
}

/// Goes through the queue until it is asked to stop. Then each stage that runs is asked to stop, and its job is given
/// back without counting the attempt.
///
/// A queue that does not answer is asked again and again, in growing waits; that is logged once, and no error, and so
/// is that nothing new begins, and that it goes on.
///
/// # Errors
///
/// The settings cannot be used, or the queue refuses for a reason that does not pass.
pub async fn run_worker(
    queue: &Queue,
    work: Arc<dyn Work>,
    settings: &WorkerSettings,
    stop: &Stop,
) -> Result<Worked, JobsError> {
    settings.check()?;
    // If the loop ends by itself, what runs is asked to stop, and nobody else who listens to `stop`.
    let stop = stop.part();
    let started = queue.now();
    let id = WorkerId { name: settings.name.clone(), run: started.cast_unsigned() };
    let mut crew =
        Crew { queue, settings, id, started, tasks: JoinSet::new(), at: HashMap::new(), cut_off: Vec::new() };
    let mut notices = Notices::new(queue.home());
    let (mut worked, mut wait) = (Worked::default(), settings.poll);
    let (mut greeted, mut cleaned): (Option<Micros>, Option<Micros>) = (None, None);
    let mut told = false;
    let ended = loop {
        if stop.is_asked() {
            break Ok(());
        }
        while let Some(done) = crew.tasks.try_join_next_with_id() {
            crew.note(done, &mut worked);
        }
        let held_back = work.held_back().await;
        notices.held_back(held_back.as_deref());
        let (now, mut idle) = (queue.now(), true);
        // Whoever waits sees why, and soon when that is over.
        if is_due(greeted, now, GREET_EVERY) || told != held_back.is_some() || notices.is_away() {
            (greeted, told) = (Some(now), held_back.is_some());
            // Where nothing is claimed, this is how it is seen that the queue is away, or back: to look for work
            // only reads, which a full disk allows.
            notices.heard(&crew.greet(held_back.clone()).await);
        }
        // A step a turn: whoever has much to forget claims, greets and hears of a stop meanwhile.
        if is_due(cleaned, now, CLEAN_EVERY) && !crew.cleaned_some(now).await {
            cleaned = Some(now);
        }
        if notices.is_away() {
            wait = (wait * 2).min(AGAIN_AFTER_MAX);
        } else {
            crew.excuse().await;
        }
        if !notices.is_away() && held_back.is_none() && crew.at.len() < settings.capacity {
            let claimed = queue.claim(&crew.id, &crew.holding(), settings.lease).await;
            if claimed.is_err() {
                notices.heard(&claimed);
            }
            match claimed {
                Ok(Some(lease)) => {
                    idle = false;
                    let context = Context::new(queue.clone(), lease.clone(), settings.lease, stop.clone());
                    let task = crew.tasks.spawn(attempt(Arc::clone(&work), context, settings.clone()));
                    crew.at.insert(task.id(), lease);
                    wait = settings.poll;
                    greeted = None;
                }
                Ok(None) => wait = settings.poll,
                Err(error) if error.kind() == ErrorKind::Retry || error.is_outage() => {
                    wait = (wait * 2).min(AGAIN_AFTER_MAX);
                }
                Err(error) => break Err(error),
            }
        }
        if idle && settings.until_idle && crew.at.is_empty() && is_empty(queue).await {
            break Ok(());
        }
        if idle {
            tokio::select! {
                biased;
                () = stop.asked() => {}
                Some(done) = crew.tasks.join_next_with_id() => {
                    crew.note(done, &mut worked);
                    greeted = None;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    };
    stop.ask();
    while let Some(done) = crew.tasks.join_next_with_id().await {
        crew.note(done, &mut worked);
    }
    if let Err(error) = queue.part(&crew.id.name).await {
        tracing::debug!(error = %error, "cannot say good-bye");
    }
    ended.map(|()| worked)
}

/// What one worker has at hand.
struct Crew<'a> {
    queue: &'a Queue,
    settings: &'a WorkerSettings,
    id: WorkerId,
    started: Micros,
    tasks: JoinSet<Outcome>,
    at: HashMap<tokio::task::Id, Lease>,
    /// Leases that ran out since the queue was away, which it is to hear when it is back.
    cut_off: Vec<Lease>,
}

impl Crew<'_> {
    fn holding(&self) -> Vec<JobId> {
        self.at.values().map(|lease| lease.job.id).collect()
    }

    fn note(
        &mut self,
        done: Result<(tokio::task::Id, Outcome), tokio::task::JoinError>,
        worked: &mut Worked,
    ) {
        let (task, outcome) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Outcome::Lost),
        };
        let lease = self.at.remove(&task);
        match outcome {
            Outcome::CutOff => {
                worked.lost += 1;
                self.cut_off.extend(lease);
            }
            Outcome::Became(state) => *worked.became.entry(state).or_default() += 1,
            Outcome::Lost => {
                worked.lost += 1;
                let job = lease.map(|lease| lease.job.id.to_string());
                tracing::warn!(job, "the lease was lost");
            }
        }
    }

    /// Says of jobs whose lease ran out with the queue away that nobody is to blame.
    async fn excuse(&mut self) {
        while let Some(lease) = self.cut_off.last() {
            match self.queue.excuse(lease).await {
                Err(error) if error.kind() == ErrorKind::Retry || error.is_outage() => return,
                Err(error) => tracing::debug!(job = %lease.job.id, error = %error, "somebody else has it"),
                Ok(()) => {}
            }
            self.cut_off.pop();
        }
    }

    async fn greet(&self, held_back: Option<String>) -> Result<(), JobsError> {
        let mut jobs = self.holding();
        jobs.sort_unstable();
        let status = WorkerStatus {
            name: self.id.name.clone(),
            run: self.id.run,
            started: self.started,
            seen: self.queue.now(),
            alive: true,
            jobs,
            capacity: self.settings.capacity,
            held_back,
        };
        self.queue.greet(&status).await
    }

    /// Forgets some of what ended long ago, and workers that went long ago. Gives whether there may be more.
    async fn cleaned_some(&self, now: Micros) -> bool {
        if let Err(error) = self.queue.forget_workers().await {
            tracing::debug!(error = %error, "cannot forget workers");
        }
        let keep = Micros::try_from(self.settings.keep_ended.as_micros()).unwrap_or(Micros::MAX);
        match self.queue.clean_some(now.saturating_sub(keep)).await {
            Ok(gone) => !gone.is_empty(),
            Err(error) => {
                tracing::debug!(error = %error, "cannot forget old jobs");
                false
            }
        }
    }
}

fn is_due(last: Option<Micros>, now: Micros, every: Duration) -> bool {
    let every = Micros::try_from(every.as_micros()).unwrap_or(Micros::MAX);
    // A clock that was put back makes it due, rather than silent for as long as that was.
    last.is_none_or(|last| now < last || now - last >= every)
}

/// Whether nothing waits that could still be begun by itself.
async fn is_empty(queue: &Queue) -> bool {
    queue.idle().await.unwrap_or(false)
}
