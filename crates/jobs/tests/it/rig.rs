//! One face for every home under test, and a clock that goes when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use stele_jobs::{Input, JobId, Lease, Limits, Memory, Queue, RedisConfig, Spec, WorkerId};
use stele_model::{Clock, Micros};
use stele_testkit::stores::{Server, Store};

/// The length of the leases of the tests.
pub const LEASE: Duration = Duration::from_secs(30);

/// Time as a test lets it pass. Each look at it takes a microsecond, so that what comes later is later.
#[derive(Debug)]
pub struct Ticking {
    at: AtomicI64,
    /// Where it passes by itself, too: since when.
    since: Option<Instant>,
}

impl Ticking {
    pub fn still() -> Arc<Ticking> {
        Arc::new(Ticking { at: AtomicI64::new(1_800_000_000_000_000), since: None })
    }

    pub fn running() -> Arc<Ticking> {
        let since = Some(Instant::now());
        Arc::new(Ticking { at: AtomicI64::new(1_800_000_000_000_000), since })
    }

    pub fn pass(&self, time: Duration) {
        self.at.fetch_add(Micros::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Ticking {
    fn now(&self) -> Micros {
        let passed = self.since.map_or(0, |since| Micros::try_from(since.elapsed().as_micros()).unwrap());
        self.at.fetch_add(1, Ordering::SeqCst) + passed
    }
}

/// Time as it is, for what happens in other processes.
pub struct SystemTime;

impl Clock for SystemTime {
    #[expect(clippy::disallowed_methods, reason = "processes share nothing else")]
    fn now(&self) -> Micros {
        let passed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Micros::try_from(passed.as_micros()).unwrap()
    }
}

/// Where the jobs of a test are.
pub enum Home {
    Memory(Memory),
    Sqlite(tempfile::TempDir),
    Redis(Server),
}

pub struct Rig {
    pub home: Home,
    pub clock: Arc<Ticking>,
    pub limits: Limits,
}

impl Rig {
    pub fn memory() -> Option<Rig> {
        Some(Self::of(Home::Memory(Memory::new())))
    }

    pub fn sqlite() -> Option<Rig> {
        Some(Self::of(Home::Sqlite(tempfile::tempdir().unwrap())))
    }

    pub fn redis() -> Option<Rig> {
        Server::start(Store::Redis).map(|server| Self::of(Home::Redis(server)))
    }

    fn of(home: Home) -> Rig {
        let limits = Limits {
            attempts_max: 3,
            backoff: Duration::from_secs(10),
            backoff_max: Duration::from_secs(15),
        };
        Rig { home, clock: Ticking::still(), limits }
    }

    /// A way to the queue that nobody has used yet, as from another process.
    pub async fn queue(&self) -> Queue {
        self.queue_at(Arc::clone(&self.clock) as Arc<dyn Clock>).await
    }

    /// The same from a host with another clock.
    pub async fn queue_at(&self, clock: Arc<dyn Clock>) -> Queue {
        match &self.home {
            Home::Memory(memory) => Queue::memory(memory, self.limits, clock).unwrap(),
            Home::Sqlite(dir) => {
                Queue::sqlite(&dir.path().join("state.db"), self.limits, clock).await.unwrap()
            }
            Home::Redis(server) => {
                Queue::redis(&RedisConfig::new(&server.url), self.limits, clock).await.unwrap()
            }
        }
    }
}

pub fn worker(name: &str) -> WorkerId {
    WorkerId { name: name.to_owned(), run: 1 }
}

/// A job on files whose checksums stand behind an `@`: `a@1 b@2`.
pub fn spec(inputs: &str) -> Spec {
    Spec::new(inputs.split_whitespace().map(input))
}

pub fn input(text: &str) -> Input {
    match text.split_once('@') {
        Some((uri, "gone")) => Input::removed(uri),
        Some((uri, checksum)) => Input::new(uri, checksum),
        None => Input::unread(text),
    }
}

/// The next job for a worker that has none, confirmed as the loop of workers does it.
pub async fn claim(queue: &Queue, name: &str) -> Option<Lease> {
    let lease = queue.claim(&worker(name), &[], LEASE).await.unwrap()?;
    queue.renew(&lease, LEASE).await.unwrap();
    Some(lease)
}

pub async fn submit(queue: &Queue, inputs: &str) -> JobId {
    queue.submit(spec(inputs)).await.unwrap().job.unwrap()
}

/// Runs a test on a home, if it is there.
pub fn on(rig: Option<Rig>, test: impl AsyncFn(&Rig)) {
    let Some(rig) = rig else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test(&rig));
}

/// Waits for something that workers do in real time.
pub async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..4_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} never happens");
}

/// Each test on each home: a test is a function of a rig.
macro_rules! suite {
    ($($test:ident),* $(,)?) => {
        mod memory { $(#[test] fn $test() { super::on(crate::rig::Rig::memory(), async |rig| super::$test(rig).await); })* }
        mod sqlite { $(#[test] fn $test() { super::on(crate::rig::Rig::sqlite(), async |rig| super::$test(rig).await); })* }
        mod redis { $(#[test] fn $test() { super::on(crate::rig::Rig::redis(), async |rig| super::$test(rig).await); })* }
    };
}
pub(crate) use suite;
