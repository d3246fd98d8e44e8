//! One watcher: looks, hands over what it found, and remembers what was taken, in this order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stele_http::{Cancelled, Pace, Secret};
use stele_model::error::in_full;
use stele_model::{Clock, ErrorKind, Faults, Micros};
use tokio::runtime::Handle;

use crate::handed::{Handed, Step};
use crate::http::Http;
use crate::notion::Notion;
use crate::s3::{S3, S3Keys};
use crate::spool::{MakeEvents, Spool};
use crate::status::{Problem, WatcherState, WatcherStatus};
use crate::watch::{Change, Look, Now, Watch};
use crate::{Arrival, Arrivals, BATCH_MAX, Batch, Configured, Inotify, Refused, WatchError, WatcherConfig};

/// The first wait after a failure; doubled for each further one in a row.
const BACKOFF: Duration = Duration::from_secs(1);

/// The longest wait after failures: whoever mended something sees it within minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// How often it is asked whether to stop while something else is awaited: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Looks up a key in the environment. Only whoever starts the watchers knows that.
pub type Secrets = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// What watchers need from outside.
#[derive(Clone)]
pub struct Means {
    /// Where they write down what was handed over: one file each.
    pub state_dir: PathBuf,
    /// Who is told.
    pub arrivals: Arc<dyn Arrivals>,
    /// The time of day, for people.
    pub clock: Arc<dyn Clock>,
    /// The time that waits are measured in.
    pub pace: Arc<dyn Pace>,
    /// Keys by the names of their variables.
    pub secrets: Secrets,
    /// Where [`Arrivals::submit`] and requests to buckets run: one with threads of its own and with time.
    pub runtime: Handle,
    /// Where a [`crate::Manager`] tells how they are configured.
    pub configured: Configured,
    /// What says what changes in a directory.
    pub events: MakeEvents,
    /// Directories that are not looked into, wherever they lie: the program's own.
    pub left_out: Vec<PathBuf>,
    /// What may fail on purpose.
    pub faults: Arc<dyn Faults>,
}

impl Means {
    /// The events of the system; see [`Means::events`].
    pub fn system_events() -> MakeEvents {
        Arc::new(|| Ok(Box::new(Inotify::new()?)))
    }
}

/// One watcher, which looks when it is told to.
pub struct Watcher {
    name: String,
    tag: Option<String>,
    means: Means,
    watch: Box<dyn Watch>,
    handed: Handed,
    status: Arc<Mutex<WatcherStatus>>,
}

/// Why a look led to nothing, or not to all that was found.
enum Failure {
    Refused(Refused),
    Error(WatchError),
}

impl Watcher {
    /// Checks the configuration and opens what was handed over before. Nothing is looked at yet.
    ///
    /// # Errors
    /// If a setting cannot be used, or the file of what was handed over cannot, or another process has it.
    pub fn open(name: &str, config: &WatcherConfig, means: &Means) -> Result<Self, WatchError> {
        config.check(name)?;
        let secret = |variable: &str| (means.secrets)(variable).filter(|secret| !secret.reveal().is_empty());
        let target = config.target();
        let watch: Box<dyn Watch> = match config.clone() {
            WatcherConfig::Spool(spool) => {
                Box::new(Spool::new(spool, Arc::clone(&means.events), means.left_out.clone()))
            }
            WatcherConfig::Http(http) => {
                let key = http.key_variable.as_deref().and_then(secret);
                if let (None, Some(variable)) = (&key, &http.key_variable) {
                    let reason = format!("the variable {variable} is not set");
                    let watcher = name.to_owned();
                    return Err(WatchError::Config { watcher, setting: "key_variable", reason });
                }
                Box::new(Http::new(name, http, key, &means.pace)?)
            }
            WatcherConfig::S3(s3) => {
                let keys = S3Keys::of(&s3, &secret);
                Box::new(S3::new(name, target.clone(), s3, keys, means.runtime.clone())?)
            }
            WatcherConfig::Notion(notion) => Box::new(Notion::new(name, notion, &secret, &means.pace)?),
        };
        let faults = Arc::clone(&means.faults);
        let handed = Handed::open(&means.state_dir, name, config.kind(), &target, faults)?;
        let status = WatcherStatus {
            name: name.to_owned(),
            kind: config.kind(),
            target,
            state: WatcherState::Starting,
            since: means.clock.now(),
            last_scan: None,
            next_look: None,
            seen: 0,
            known: handed.len() as u64,
            handed_over: 0,
            waiting: 0,
            ignored: 0,
            error: None,
            failures: 0,
            problems: Vec::new(),
            problems_count: 0,
        };
        let (name, tag) = (name.to_owned(), config.tag().map(str::to_owned));
        Ok(Watcher { name, tag, means: means.clone(), watch, handed, status: Arc::new(Mutex::new(status)) })
    }

    /// What it does, for whoever asks; stays up to date.
    pub fn status(&self) -> WatcherStatus {
        lock(&self.status).clone()
    }

    pub(crate) fn shared_status(&self) -> Arc<Mutex<WatcherStatus>> {
        Arc::clone(&self.status)
    }

    /// Looks once, and hands over what it found. Gives the time until it should look again; what went wrong is in
    /// the status, and makes that time longer. Not called from within the runtime, whose threads it would hold up.
    pub fn step(&mut self, cancelled: Cancelled<'_>) -> Duration {
        let now = Now { at: self.means.clock.now(), since: self.means.pace.now() };
        let outcome = self.look(now, cancelled);
        let mut status = lock(&self.status);
        status.known = self.handed.len() as u64;
        let wait = match outcome {
            Ok(more) => {
                enter(&mut status, WatcherState::Watching, now.at);
                status.error = None;
                status.failures = 0;
                if more { Duration::ZERO } else { self.watch.pause() }
            }
            Err(Failure::Error(WatchError::Cancelled)) => Duration::ZERO,
            Err(failure) => {
                status.failures = status.failures.saturating_add(1);
                let (state, cause, next_action) = match failure {
                    Failure::Refused(Refused { kind: ErrorKind::Retry, reason, next_action }) => {
                        (WatcherState::Held, reason, next_action)
                    }
                    Failure::Refused(refused) => (WatcherState::Failing, refused.reason, refused.next_action),
                    Failure::Error(error) => {
                        (WatcherState::Failing, in_full(&error), error.next_action().to_owned())
                    }
                };
                let same =
                    status.error.as_ref().filter(|known| known.cause == cause).map(|known| known.since);
                if same.is_none() {
                    tracing::warn!(watcher = %self.name, %cause, "nothing is handed over at the moment");
                }
                let since = same.unwrap_or(now.at);
                status.error = Some(Problem { name: self.name.clone(), cause, next_action, since });
                enter(&mut status, state, now.at);
                let doubled = BACKOFF * 2u32.saturating_pow(status.failures.min(16) - 1);
                doubled.min(BACKOFF_MAX)
            }
        };
        let wait_micros = Micros::try_from(wait.as_micros()).unwrap_or(Micros::MAX);
        status.next_look = Some(now.at.saturating_add(wait_micros));
        wait
    }

    /// Says whether there is more to be said at once.
    fn look(&mut self, now: Now, cancelled: Cancelled<'_>) -> Result<bool, Failure> {
        let Look { changes, more, scanned, seen, waiting, ignored, problems, problems_count } =
            self.watch.look(&self.handed, now, cancelled).map_err(Failure::Error)?;
        {
            let mut status = lock(&self.status);
            status.last_scan = if scanned { Some(now.at) } else { status.last_scan };
            (status.seen, status.waiting, status.ignored) = (seen, waiting, ignored);
            (status.problems, status.problems_count) = (problems, problems_count);
        }
        for batch in changes.chunks(BATCH_MAX) {
            self.hand_over(batch, cancelled)?;
        }
        Ok(more)
    }

    fn hand_over(&mut self, changes: &[Change], cancelled: Cancelled<'_>) -> Result<(), Failure> {
        let arrivals: Vec<Arrival> = changes.iter().filter_map(|change| change.arrival.clone()).collect();
        let count = arrivals.len() as u64;
        if count > 0 {
            let batch = Batch { watcher: self.name.clone(), tag: self.tag.clone(), arrivals };
            let submit = self.means.arrivals.submit(&batch);
            match self.means.runtime.block_on(or_stopped(submit, cancelled)) {
                Some(submitted) => submitted.map_err(Failure::Refused)?,
                // It may have been taken all the same, and is offered again then.
                None => return Err(Failure::Error(WatchError::Cancelled)),
            }
        }
        // Only now: what is written down before it was taken would be lost if it never is.
        let steps: Vec<Step> = changes.iter().flat_map(|change| change.steps.iter().cloned()).collect();
        self.handed.record(&steps).map_err(Failure::Error)?;
        self.watch.done(changes);
        lock(&self.status).handed_over += count;
        Ok(())
    }
}

/// Waits for it, in short stretches, so that a stop does not wait for others. Nothing if it was stopped.
pub(crate) async fn or_stopped<T>(what: impl Future<Output = T>, cancelled: Cancelled<'_>) -> Option<T> {
    let mut what = std::pin::pin!(what);
    while !cancelled() {
        if let Ok(done) = tokio::time::timeout(ASK_EVERY, &mut what).await {
            return Some(done);
        }
    }
    None
}

fn enter(status: &mut WatcherStatus, state: WatcherState, now: Micros) {
    if status.state != state {
        status.state = state;
        status.since = now;
    }
}

/// A status is whole between any two statements, so a panic of another thread is no reason to stop.
pub(crate) fn lock(status: &Mutex<WatcherStatus>) -> MutexGuard<'_, WatcherStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that it was stopped.
pub(crate) fn stopped(status: &Mutex<WatcherStatus>, now: Micros) {
    let mut status = lock(status);
    enter(&mut status, WatcherState::Stopped, now);
    status.next_look = None;
}
