//! What the work on a job sees of the queue: it reports, it hears what is wanted, and it makes sure that it still may.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use stele_model::{ErrorKind, Micros};
use tokio::sync::watch;

use crate::error::JobsError;
use crate::job::{JobId, Progress, Stage};
use crate::limits::cut;
use crate::queue::{Asked, Checkpoint, Failure, Lease, Queue, Renewed, micros};
use crate::worker::stop::Stop;

/// A rate is told after so long: what came before says more about the start than about the work.
const RATE_AFTER: Micros = 1_000_000;

/// Names among the counts of a job: a screenful.
const COUNTS_MAX: usize = 32;

/// Wait before a home that does not answer is asked again; twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The longest of these waits.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(2);

/// What the queue says to a call that may have to be made again.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, JobsError>> + Send + 'a>>;

/// Why work on a job should end before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The worker is asked to stop; the job goes on elsewhere, or later.
    Shutdown,
    /// Somebody does not want the job any more.
    Cancel,
    /// Somebody wants the job to be held.
    Pause,
    /// The lease is lost: somebody else may be at it. Nothing may be committed any more.
    Fenced,
}

impl Why {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Why::Shutdown => "its worker was asked to stop",
            Why::Cancel => "cancelled on request",
            Why::Pause => "paused on request",
            Why::Fenced => "its lease is lost",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How a stage ends when it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// It was asked to.
    #[error("it stopped: {0}")]
    Asked(Why),
    /// It did not work.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// How far a stage is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// How much of the stage is done, in `unit`.
    pub done: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
    /// `records`, `bytes`, `texts` …
    pub unit: &'static str,
    /// What was counted, over all stages; names that are not here keep their numbers.
    pub counts: BTreeMap<String, u64>,
    /// One line for people.
    pub message: String,
}

/// The queue as the work on one job sees it. Clones are the same.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    queue: Queue,
    lease: Lease,
    length: Duration,
    shutdown: Stop,
    ends: watch::Sender<Option<Why>>,
    now: Mutex<Now>,
    /// Whether the queue could not be reached the last time, so that the lease may run out for that.
    cut_off: AtomicBool,
    /// Whether the lease is not to be renewed any more.
    runs_out: AtomicBool,
}

struct Now {
    until: Micros,
    stage: Stage,
    /// From where the rate is counted.
    base: Option<Base>,
    progress: Progress,
    /// Whether the queue has not heard of it yet.
    news: bool,
}

/// What was done, of what, and when: at the first report of a stage in this attempt, or of another unit in it.
#[derive(Debug, Clone, Copy)]
struct Base {
    done: u64,
    unit: &'static str,
    at: Micros,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("job", &self.job())
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(queue: Queue, lease: Lease, length: Duration, shutdown: Stop) -> Self {
        let now = Now {
            until: lease.until,
            stage: lease.stage,
            base: None,
            progress: Progress { stage: lease.stage, ..lease.job.progress.clone() },
            news: false,
        };
        let (ends, now) = (watch::Sender::new(None), Mutex::new(now));
        let (cut_off, runs_out) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Inner { queue, lease, length, shutdown, ends, now, cut_off, runs_out }))
    }

    fn state(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which job.
    pub fn job(&self) -> JobId {
        self.0.lease.job.id
    }

    /// The fencing token: larger than that of every earlier holder of this job.
    pub fn token(&self) -> u64 {
        self.0.lease.token
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.state().progress.clone()
    }

    /// Now, as the queue has it.
    pub fn now(&self) -> Micros {
        self.0.queue.now()
    }

    /// Why the work should end, if it should. It waits for nothing: look as often as you like, and end with
    /// [`Halt::Asked`] at the next place from which it can go on.
    pub fn asked(&self) -> Option<Why> {
        let known = *self.0.ends.borrow();
        if known == Some(Why::Fenced) || self.now() >= self.state().until {
            return Some(Why::Fenced);
        }
        known.or_else(|| self.0.shutdown.is_asked().then_some(Why::Shutdown))
    }

    /// [`Context::asked`] for `?`.
    ///
    /// # Errors
    ///
    /// [`Halt::Asked`] if the work should end.
    pub fn go_on(&self) -> Result<(), Halt> {
        self.asked().map_or(Ok(()), |why| Err(Halt::Asked(why)))
    }

    /// Waits until the work should end.
    pub async fn ended(&self) -> Why {
        let mut ends = self.0.ends.subscribe();
        tokio::select! {
            biased;
            why = async { ends.wait_for(Option::is_some).await.ok().and_then(|why| *why) } => {
                why.unwrap_or(Why::Fenced)
            }
            () = self.0.shutdown.asked() => Why::Shutdown,
        }
    }

    /// Says how far the stage is. It waits for nothing; the queue hears of it within a moment.
    pub fn report(&self, report: Report) {
        let at = self.now();
        let mut now = self.state();
        let (low, high) = now.stage.percents();
        let share = match report.total {
            Some(total) if total > 0 => (report.done.min(total) as f64) / (total as f64),
            _ => 0.0,
        };
        let goes_on = now.base.filter(|base| base.unit == report.unit && base.done <= report.done);
        let base = goes_on.unwrap_or(Base { done: report.done, unit: report.unit, at });
        now.base = Some(base);
        let elapsed = at - base.at;
        let rate = (elapsed >= RATE_AFTER && report.done > base.done)
            .then(|| (report.done - base.done) as f64 / (elapsed as f64 / 1e6));
        let left = report.total.map(|total| total.saturating_sub(report.done));
        let progress = &mut now.progress;
        for (name, count) in report.counts {
            if progress.counts.len() < COUNTS_MAX || progress.counts.contains_key(&name) {
                progress.counts.insert(name, count);
            }
        }
        progress.percent = progress.percent.max(low + (high - low) * share);
        (progress.done, progress.total, progress.at) = (report.done, report.total, at);
        progress.unit = report.unit.to_owned();
        progress.message = cut(&report.message);
        progress.rate = rate;
        progress.eta_s = rate.zip(left).map(|(rate, left)| left as f64 / rate);
        now.news = true;
    }

    /// Makes sure, by asking the queue, that the lease is still ours and for long enough. To be called directly before
    /// anything is committed.
    ///
    /// # Errors
    ///
    /// [`Halt::Asked`] if the work should end, which includes that the queue cannot be asked while the lease lasts.
    pub async fn confirm(&self) -> Result<(), Halt> {
        self.renew().await?;
        self.go_on()
    }

    /// Keeps the place from which this stage goes on if its worker is gone. What lies behind it has to be durable.
    ///
    /// # Errors
    ///
    /// [`Halt::Asked`] if the work should end, also if the place was kept; [`Halt::Failed`] if the queue refuses it.
    pub async fn checkpoint(&self, resume: Option<Value>) -> Result<(), Halt> {
        let stage = self.state().stage;
        self.keep(stage, resume).await?;
        self.go_on()
    }

    /// The next stage goes on with this.
    pub(crate) async fn enter(&self, stage: Stage, resume: Option<Value>) -> Result<(), Halt> {
        {
            let at = self.now();
            let mut now = self.state();
            (now.stage, now.base) = (stage, None);
            let percent = now.progress.percent.max(stage.percents().0);
            let counts = std::mem::take(&mut now.progress.counts);
            now.progress = Progress { stage, percent, counts, ..Progress::none(at) };
        }
        self.keep(stage, resume).await
    }

    async fn keep(&self, stage: Stage, resume: Option<Value>) -> Result<(), Halt> {
        let progress = Some(self.take_news());
        let checkpoint = Checkpoint { stage, resume, progress };
        let renewed =
            self.insist(|queue, lease| Box::pin(queue.checkpoint(lease, checkpoint.clone()))).await?;
        self.heard(renewed);
        Ok(())
    }

    fn take_news(&self) -> Progress {
        let mut now = self.state();
        now.news = false;
        now.progress.clone()
    }

    async fn renew(&self) -> Result<(), Halt> {
        if self.0.runs_out.load(Ordering::Relaxed) {
            return self.go_on();
        }
        let length = self.0.length;
        let renewed = self.insist(|queue, lease| Box::pin(queue.renew(lease, length))).await?;
        self.heard(renewed);
        Ok(())
    }

    /// One beat of the heart: the lease goes on once a third of it is over, and the queue hears the news. A home that
    /// does not answer is no reason to stop before the lease has run out.
    pub(crate) async fn beat(&self) {
        // By the time and not by the beats: each of them lasts as long as the queue takes to answer. First, since the
        // news may take long, too.
        let renew = self.now() >= self.state().until.saturating_sub(micros(self.0.length / 3 * 2));
        if renew {
            // What becomes of it is in `ends`, where everybody looks.
            let _ = self.renew().await;
        }
        let runs_out = self.0.runs_out.load(Ordering::Relaxed);
        if self.state().news && !runs_out && self.asked() != Some(Why::Fenced) {
            let progress = self.take_news();
            match self.0.queue.progress(&self.0.lease, progress).await {
                Ok(renewed) => self.heard(renewed),
                Err(JobsError::Fenced { .. }) => self.end(Why::Fenced),
                // The next beat has it again.
                Err(_) => self.state().news = true,
            }
        } else if !renew && !runs_out && self.asked() != Some(Why::Fenced) {
            // Whoever asks for the end of work that says nothing, as it waits for a service, is heard all the same.
            match self.0.queue.wanted(&self.0.lease).await {
                Ok(renewed) => self.heard(renewed),
                Err(JobsError::Fenced { .. }) => self.end(Why::Fenced),
                // The next beat asks again, and a renewal says what is the matter.
                Err(_) => {}
            }
        }
    }

    fn heard(&self, renewed: Renewed) {
        {
            let mut now = self.state();
            now.until = now.until.max(renewed.until);
        }
        match renewed.asked {
            Some(Asked::Cancel) => self.end(Why::Cancel),
            Some(Asked::Pause) => self.end(Why::Pause),
            // It was paused and resumed before anybody stopped.
            None => {
                self.0.ends.send_if_modified(|why| why.take_if(|why| *why == Why::Pause).is_some());
            }
        }
    }

    fn end(&self, why: Why) {
        self.0.ends.send_if_modified(|known| {
            let new = *known != Some(Why::Fenced) && *known != Some(why);
            if new {
                *known = Some(why);
            }
            new
        });
    }

    /// Asks the queue again while it does not answer and the lease lasts.
    pub(crate) async fn insist<'a, T>(
        &'a self,
        mut call: impl FnMut(&'a Queue, &'a Lease) -> Answer<'a, T> + Send,
    ) -> Result<T, Halt> {
        let mut wait = AGAIN_AFTER;
        loop {
            let error = match call(&self.0.queue, &self.0.lease).await {
                Ok(given) => {
                    self.0.cut_off.store(false, Ordering::Relaxed);
                    return Ok(given);
                }
                Err(error) => error,
            };
            self.0.cut_off.store(error.is_outage(), Ordering::Relaxed);
            let fenced = matches!(error, JobsError::Fenced { .. });
            if fenced || self.now() >= self.state().until {
                self.end(Why::Fenced);
                return Err(Halt::Asked(Why::Fenced));
            }
            if error.kind() != ErrorKind::Retry && !error.is_outage() {
                return Err(Failure::lasting(stele_model::error::in_full(&error)).into());
            }
            tracing::debug!(job = %self.job(), error = %error, "asking the queue again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN_AFTER_MAX);
        }
    }

    /// Whether a lease that is lost ran out for want of a queue, and for nothing that the work did.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.0.cut_off.load(Ordering::Relaxed)
    }

    /// The work does not stop, so nothing excuses it.
    pub(crate) fn own_fault(&self) {
        self.0.cut_off.store(false, Ordering::Relaxed);
    }

    /// Whether the lease is left to run out: then the queue is asked for nothing that would lengthen it.
    pub(crate) fn let_run_out(&self, runs_out: bool) {
        self.0.runs_out.store(runs_out, Ordering::Relaxed);
    }

    /// Waits until the lease has run out.
    pub(crate) async fn over(&self) {
        while self.now() < self.state().until {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        self.end(Why::Fenced);
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.0.lease
    }
}
