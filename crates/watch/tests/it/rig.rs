//! A watcher beside somebody who puts things where it looks, and one who is told. Time passes when a test says so.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use stele_http::{Pace, Still, never};
use stele_model::fault::NoFaults;
use stele_model::{Clock, ErrorKind, Faults, Micros};
use stele_watch::{
    Arrival, ArrivalKind, Arrivals, BATCH_MAX, Batch, Configured, FileEvents, Means, Refused, Watcher,
    WatcherConfig, WatcherStatus,
};
use tokio::runtime::{Builder, Runtime};

/// When every test begins.
pub const BEGIN: Micros = 1_700_000_000_000_000;

/// One for all tests.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Somebody who is told, and who takes nothing twice.
#[derive(Default)]
pub struct Told {
    pub batches: Mutex<Vec<Batch>>,
    /// What is said instead of taking it, as often as it is here.
    pub refusals: Mutex<Vec<ErrorKind>>,
}

#[async_trait]
impl Arrivals for Told {
    async fn submit(&self, batch: &Batch) -> Result<(), Refused> {
        assert!((1..=BATCH_MAX).contains(&batch.arrivals.len()), "{}", batch.arrivals.len());
        if let Some(kind) = self.refusals.lock().unwrap().pop() {
            let (reason, next_action) = ("the queue is full".to_owned(), "wait".to_owned());
            return Err(Refused { kind, reason, next_action });
        }
        self.batches.lock().unwrap().push(batch.clone());
        Ok(())
    }
}

impl Told {
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.batches.lock().unwrap().iter().flat_map(|batch| batch.arrivals.clone()).collect()
    }

    /// Nothing was told twice: what was told of each thing is other than what was told of it before. Gives what they
    /// are now, by URI.
    #[track_caller]
    pub fn world(&self) -> BTreeMap<String, String> {
        let mut world = BTreeMap::new();
        for Arrival { uri, checksum, kind, .. } in self.arrivals() {
            let was = match &kind {
                ArrivalKind::Gone => world.remove(&uri),
                _ => world.insert(uri.clone(), checksum.clone()),
            };
            match kind {
                ArrivalKind::Appeared => assert_eq!(was, None, "{uri}"),
                ArrivalKind::Changed => assert!(was.is_some_and(|was| was != checksum), "{uri}"),
                ArrivalKind::Gone => assert_eq!(was, Some(checksum), "{uri}"),
                ArrivalKind::Renamed { from } => {
                    assert_eq!(was, None, "{uri}");
                    assert_eq!(world.remove(&from), Some(checksum), "{from}");
                }
            }
        }
        world
    }
}

/// The time of day, which goes with the other one.
pub struct Day(pub Arc<Still>);

impl Clock for Day {
    fn now(&self) -> Micros {
        BEGIN + self.0.now().as_micros() as Micros
    }
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub pace: Arc<Still>,
    pub told: Arc<Told>,
    pub means: Means,
}

impl Default for Rig {
    fn default() -> Self {
        Rig::new(Arc::new(NoFaults))
    }
}

impl Rig {
    pub fn new(faults: Arc<dyn Faults>) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let (pace, told) = (Arc::new(Still::default()), Arc::new(Told::default()));
        std::fs::create_dir(dir.path().join("in")).unwrap();
        let means = Means {
            state_dir: dir.path().join("state"),
            arrivals: Arc::clone(&told) as Arc<dyn Arrivals>,
            clock: Arc::new(Day(Arc::clone(&pace))),
            pace: Arc::clone(&pace) as Arc<dyn Pace>,
            secrets: Arc::new(|_| None),
            runtime: RUNTIME.handle().clone(),
            configured: Configured::default(),
            events: Means::system_events(),
            left_out: Vec::new(),
            faults,
        };
        Rig { dir, pace, told, means }
    }

    /// The directory that is watched.
    pub fn inbox(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.inbox().join(name)
    }

    pub fn uri(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn with_events(mut self, make: impl Fn() -> Box<dyn FileEvents> + Send + Sync + 'static) -> Rig {
        self.means.events = Arc::new(move || Ok(make()));
        self
    }

    pub fn open(&self, config: &WatcherConfig) -> Watcher {
        Watcher::open("test", config, &self.means).unwrap()
    }

    /// Writes a file, at the time that it is.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.set_time(&path);
    }

    pub fn set_time(&self, path: &Path) {
        let since_1970 = Duration::from_micros(BEGIN as u64) + self.pace.now();
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH + since_1970)
            .unwrap();
    }

    /// As a thread of its own would do it, until that much time has passed.
    pub fn run(&self, watcher: &mut Watcher, time: Duration) -> WatcherStatus {
        let end = self.pace.now() + time;
        while self.pace.now() < end {
            let pause = watcher.step(&never);
            self.pace.wait(pause.min(end.saturating_sub(self.pace.now())));
        }
        watcher.step(&never);
        watcher.status()
    }

    /// What was told since it was asked last, in one line: `+x.md=text` appeared, `~` changed, `-x.md` gone,
    /// `a.md>b.md=text` renamed; with `@x.md.ready` behind it where it is read elsewhere.
    pub fn said(&self, already: &mut usize) -> String {
        let arrivals = self.told.arrivals();
        let inbox = format!("{}/", self.inbox().display());
        let short = |uri: &str| uri.strip_prefix(&inbox).unwrap_or(uri).to_owned();
        let line = |arrival: &Arrival| {
            let name = short(&arrival.uri);
            assert_eq!(name.rsplit('/').next(), Some(arrival.name.as_str()));
            let text = || {
                let text = std::fs::read_to_string(&arrival.location).unwrap();
                assert_eq!(arrival.size, Some(text.len() as u64));
                let at = short(&arrival.location);
                if at == name { format!("={text}") } else { format!("={text}@{at}") }
            };
            match &arrival.kind {
                ArrivalKind::Appeared => format!("+{name}{}", text()),
                ArrivalKind::Changed => format!("~{name}{}", text()),
                ArrivalKind::Gone => format!("-{name}"),
                ArrivalKind::Renamed { from } => format!("{}>{name}{}", short(from), text()),
            }
        };
        let said: Vec<String> = arrivals[*already..].iter().map(line).collect();
        *already = arrivals.len();
        said.join(" ")
    }
}
