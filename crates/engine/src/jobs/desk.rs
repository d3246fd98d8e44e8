//! The queue as front ends that know no runtime use it: one call after the other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stele_http::Secret;
use stele_jobs::{
    DEFAULT_NAMESPACE, Input, JobsError, Limits, Options, Queue, RedisConfig, Trouble, WorkerSettings,
};
use stele_model::error::in_full;
use stele_model::id::to_hex;
use stele_model::{Clock, Micros};
use stele_sources::SourceError;
use stele_watch::{Configured, Fetching, Manager, Means, Secrets, WatcherConfig, is_remote};
use tokio::runtime::{Handle, Runtime};

use super::arrivals::ToQueue;
use super::reading::SHA256;
use super::work::EngineWork;
use crate::answering::Paced;
use crate::engine::Engine;
use crate::error::At;
use crate::{Check, CheckState, EngineError, Environment, Settings};

/// The file in the data directory in which jobs are kept, unless somebody says otherwise.
pub const STATE_FILE: &str = "state.db";

/// Where watchers write down what they handed over, below the data directory.
const WATCHERS_DIR: &str = "watchers";

/// Bytes that are read at once for a checksum.
const READ_BYTES: usize = 1 << 20;

/// Where jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum QueueHome {
    /// [`STATE_FILE`] in the data directory.
    #[default]
    Sqlite,
    /// A server that speaks Redis; the address may hold a password.
    Redis(String),
}

impl QueueHome {
    /// `sqlite`, or the address of a Redis.
    ///
    /// # Errors
    ///
    /// What it would have to be. The text is not repeated: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            url if ["redis://", "rediss://", "redis+unix://"]
                .iter()
                .any(|scheme| url.starts_with(scheme)) =>
            {
                Ok(Self::Redis(url.to_owned()))
            }
            _ => Err("expected `sqlite`, or an address such as redis://127.0.0.1:6379/0".to_owned()),
        }
    }
}

impl Settings {
    /// The queue that these settings name; a file is made if it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub async fn open_queue(&self, clock: Arc<dyn Clock>) -> Result<Queue, EngineError> {
        self.queue_at(clock, Opening::Now).await
    }

    async fn queue_at(&self, clock: Arc<dyn Clock>, opening: Opening) -> Result<Queue, EngineError> {
        let limits = Limits { attempts_max: self.job_attempts_max, ..Limits::default() };
        Ok(match &self.queue {
            QueueHome::Sqlite => {
                let file = self.data_dir.join(STATE_FILE);
                if opening == Opening::Later {
                    return Ok(Queue::sqlite_later(&file, limits, clock)?);
                }
                std::fs::create_dir_all(&self.data_dir).at("create", &self.data_dir)?;
                Queue::sqlite(&file, limits, clock).await?
            }
            QueueHome::Redis(url) => {
                let namespace = self.queue_namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
                Queue::redis(&RedisConfig { url: url.clone(), namespace }, limits, clock).await?
            }
        })
    }
}

/// When a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Now,
    Later,
}

/// Time that threads have to end when a desk is closed. A worker has waited for its stages before that, so that what
/// still runs is stuck, or an answer of the queue that nobody waits for.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(2);

/// A queue with a runtime of its own.
pub struct JobDesk {
    runtime: Handle,
    _own: Own,
    queue: Queue,
    settings: Settings,
    environment: Environment,
    secrets: Secrets,
    /// How watchers are configured, which a manager may be told anew while jobs are worked on.
    configured: Configured,
}

impl JobDesk {
    /// Opens the queue that the settings name; `variable` gives the keys of services.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(
        settings: Settings,
        environment: Environment,
        variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Result<Self, EngineError> {
        let runtime = runtime()?;
        let queue = runtime.block_on(settings.open_queue(Arc::clone(&environment.clock)))?;
        Ok(Self::over((runtime, queue), settings, environment, variable))
    }

    /// The same for a service, which answers questions without a queue, too: where a file cannot be opened as the disk
    /// is full or takes no writes, it is opened when that is over. Gives why it is not open yet, if so.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for a reason that stays.
    pub fn open_patiently(
        settings: Settings,
        environment: Environment,
        variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Result<(Self, Option<EngineError>), EngineError> {
        let runtime = runtime()?;
        let clock = || Arc::clone(&environment.clock);
        let (queue, why) = match runtime.block_on(settings.open_queue(clock())) {
            Ok(queue) => (queue, None),
            Err(error) if settings.queue == QueueHome::Sqlite && may_be_opened_later(&error) => {
                (runtime.block_on(settings.queue_at(clock(), Opening::Later))?, Some(error))
            }
            Err(error) => return Err(error),
        };
        Ok((Self::over((runtime, queue), settings, environment, variable), why))
    }

    fn over(
        (runtime, queue): (Runtime, Queue),
        settings: Settings,
        environment: Environment,
        variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        let secrets: Secrets = Arc::new(move |name| variable(name)?.into_string().ok().map(Secret::new));
        let configured = Configured::new(settings.watchers.clone());
        let (handle, own) = (runtime.handle().clone(), Own(Some(runtime)));
        Self { runtime: handle, _own: own, queue, settings, environment, secrets, configured }
    }

    /// Opens the queue that the settings name and makes none: for whoever only looks, or steers what is there.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn open_there(
        settings: Settings,
        environment: Environment,
        variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Result<Self, EngineError> {
        let path = settings.data_dir.join(STATE_FILE);
        if settings.queue == QueueHome::Sqlite && !path.exists() {
            return Err(EngineError::NoQueue { path });
        }
        Self::open(settings, environment, variable)
    }

    /// Waits for an answer of the queue.
    ///
    /// # Errors
    ///
    /// Those of the queue.
    pub fn ask<'a, T, F: Future<Output = Result<T, JobsError>> + 'a>(
        &'a self,
        question: impl FnOnce(&'a Queue) -> F,
    ) -> Result<T, EngineError> {
        Ok(self.runtime.block_on(question(&self.queue))?)
    }

    /// Now, by the clock of the queue.
    pub fn now(&self) -> Micros {
        self.environment.clock.now()
    }

    /// Waits as long.
    pub fn wait(&self, time: Duration) {
        // Inside the runtime: outside it there is no timer to be made.
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// What its work takes from the world around it.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Works through the queue until it is asked to stop.
    ///
    /// # Errors
    ///
    /// If the queue refuses for a reason that does not pass.
    pub fn work(
        &self,
        worker: &WorkerSettings,
        stop: &stele_jobs::Stop,
    ) -> Result<stele_jobs::Worked, EngineError> {
        let fetching = Fetching {
            pace: Arc::new(Paced::new(Arc::clone(&self.environment.clock))),
            secrets: Arc::clone(&self.secrets),
            runtime: self.runtime.clone(),
            configured: self.configured.clone(),
        };
        let work = Arc::new(EngineWork::new(self.settings.clone(), self.environment.clone(), fetching)?);
        Ok(self.runtime.block_on(stele_jobs::run_worker(&self.queue, work, worker, stop))?)
    }

    /// Watches these, and puts what they find into the queue, until what is given is dropped. Their jobs are
    /// treated as `options` say, with the tag of the watcher.
    ///
    /// # Errors
    ///
    /// If one of them cannot be watched.
    pub fn watch(
        &self,
        watchers: &BTreeMap<String, WatcherConfig>,
        options: Options,
    ) -> Result<Manager, EngineError> {
        let manager = Manager::new(Means {
            state_dir: self.settings.data_dir.join(WATCHERS_DIR),
            arrivals: Arc::new(ToQueue::new(self.queue.clone(), options)),
            clock: Arc::clone(&self.environment.clock),
            pace: Arc::new(Paced::new(Arc::clone(&self.environment.clock))),
            secrets: Arc::clone(&self.secrets),
            runtime: self.runtime.clone(),
            configured: self.configured.clone(),
            events: Means::system_events(),
            // Our own files change with every job, and each change would be the next job.
            left_out: vec![self.settings.data_dir.clone()],
            faults: Arc::clone(&self.environment.faults),
        });
        manager.apply(watchers)?;
        Ok(manager)
    }
}

/// A runtime that ends with who has it, within [`CLOSING_TIME_MAX`]. By itself it would wait for every thread, and a
/// stage that is stuck would keep the program from ending.
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(CLOSING_TIME_MAX);
        }
    }
}

fn runtime() -> Result<Runtime, EngineError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(EngineError::Thread)
}

/// Whether what keeps a file from being opened is the disk, and nothing about the file.
fn may_be_opened_later(error: &EngineError) -> bool {
    let EngineError::Jobs(JobsError::Home { trouble, .. }) = error else { return false };
    matches!(trouble, Trouble::Full | Trouble::ReadOnly | Trouble::Forbidden | Trouble::Busy | Trouble::Disk)
}

impl Engine {
    /// Whether the queue can be read and written, and what it holds is whole. None is made for it.
    pub(crate) fn check_queue(&self) -> Check {
        const NAME: &str = "queue";
        let settings = self.settings();
        if settings.queue == QueueHome::Sqlite && !settings.data_dir.join(STATE_FILE).exists() {
            return Check::new(NAME, CheckState::Ok, "there is none; the first job makes it", None);
        }
        let looked_at = runtime().and_then(|runtime| {
            runtime.block_on(async {
                let queue = settings.open_queue(self.shared_clock()).await?;
                let counts = queue.examine().await?;
                Ok::<_, EngineError>((queue.home(), counts, queue.doubts().await?))
            })
        });
        match looked_at {
            Ok((_, _, doubts)) if !doubts.is_empty() => {
                let next = "docs/guide/jobs.md says how a queue in Redis is kept";
                Check::new(NAME, CheckState::Warning, doubts.join("; "), Some(next))
            }
            Ok((home, counts, _)) => {
                let jobs: u64 = counts.states.values().sum();
                let detail =
                    format!("{home} is whole: {jobs} jobs, {} of them to be done", counts.in_flight());
                Check::new(NAME, CheckState::Ok, detail, None)
            }
            Err(error) => {
                let next = match &error {
                    EngineError::Jobs(error) => error.hint(),
                    _ => None,
                };
                Check::new(NAME, CheckState::Failed, in_full(&error), next)
            }
        }
    }
}

/// A name for a worker that nobody named: its host and its process, so that each run has its own.
pub fn worker_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}-{}", std::process::id())
}

/// The inputs of a job on these targets: absolute paths, and what tells the state of a file from another.
/// A directory is looked through when the job is done, and an address (`https://…`, `s3://…`, `notion://…`) is
/// asked then.
///
/// # Errors
///
/// If one of them is not there, or cannot be read.
pub fn inputs_of_targets(targets: &[String]) -> Result<Vec<Input>, EngineError> {
    let mut inputs: Vec<Input> =
        targets.iter().map(|target| input_of_target(target)).collect::<Result<_, _>>()?;
    inputs.sort_by(|a, b| a.uri.cmp(&b.uri));
    inputs.dedup_by(|a, b| a.uri == b.uri);
    Ok(inputs)
}

fn input_of_target(target: &str) -> Result<Input, EngineError> {
    if is_remote(target) {
        return Ok(Input::unread(target));
    }
    let path = Path::new(target);
    if !path.exists() {
        return Err(SourceError::NotFound { target: target.to_owned() }.into());
    }
    let absolute: PathBuf = path.canonicalize().at("find", path)?;
    let uri =
        absolute.to_str().ok_or_else(|| EngineError::NoInputs(format!("{target}: its name is not UTF-8")))?;
    if absolute.is_dir() {
        return Ok(Input::unread(uri));
    }
    Ok(Input::new(uri, format!("{SHA256}{}", sha256_of(&absolute)?)))
}

/// SHA-256 of a file as it lies on disk, as `sha256sum` prints it.
pub(super) fn sha256_of(path: &Path) -> Result<String, EngineError> {
    use sha2::{Digest, Sha256};
    use std::io::Read;
    let mut file = std::fs::File::open(path).at("open", path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer).at("read", path)? {
            0 => return Ok(to_hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{CLOSING_TIME_MAX, JobDesk};
    use crate::{Environment, Settings};

    #[test]
    fn a_stage_that_is_stuck_does_not_keep_a_desk_open() {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
        let desk = JobDesk::open(settings, Environment::default(), |_| None).expect("a queue");
        let (_open, never) = crossbeam_channel::bounded::<()>(0);
        let (began, begins) = crossbeam_channel::bounded(1);
        desk.runtime.spawn_blocking(move || {
            began.send(()).expect("somebody waits");
            // Ends with the test, after all that is looked at.
            let _ = never.recv_timeout(Duration::from_secs(60));
        });
        begins.recv().expect("it begins");
        let closed = Instant::now();
        drop(desk);
        assert!(closed.elapsed() < CLOSING_TIME_MAX + Duration::from_secs(10), "{:?}", closed.elapsed());
    }
}
