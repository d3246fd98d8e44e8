//! The engine itself: settings, and the things that tests replace.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stele_documents::{ChildProcess, Isolation, Limits, SameProcess, Tools};
use stele_embed::Embedder;
use stele_graph::Reader;
use stele_index::Index;
use stele_lake::sql::{Sql, SqlError, SqlOptions, Tables};
use stele_lake::{Lake, Snapshot};
use stele_model::{Clock, Faults, Micros, NoFaults};
use stele_sources::{FindOptions, Found, Input, Profiles, Skipped, TimeZone, find};
use stele_telemetry::Lineage;

use crate::config::{THREADS_MAX, utf8};
use crate::discover::InputOptions;
use crate::documents::WHOLE;
use crate::jobs::STATE_FILE;
use crate::timings::{Timed, Timings};
use crate::{EngineError, Settings, failpoints};

/// What the engine takes from the world around it.
#[derive(Clone)]
pub struct Environment {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What fails on purpose.
    pub faults: Arc<dyn Faults>,
    /// What reads documents that nobody has to trust.
    pub reader: Arc<dyn Isolation + Send + Sync>,
    /// How long things took lately, of all engines of the process.
    pub timings: Arc<Timings>,
    /// What jobs read and wrote is told there, if anywhere.
    pub lineage: Option<Arc<Lineage>>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            faults: Arc::new(NoFaults),
            reader: Arc::new(SameProcess::default()),
            timings: Arc::default(),
            lineage: None,
        }
    }
}

impl Environment {
    /// The machine's clock, and the faults that the environment asks for.
    ///
    /// # Errors
    ///
    /// [`EngineError::Config`] if `STELE_FAILPOINT` cannot be understood.
    pub fn from_process(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, EngineError> {
        let value = variable(failpoints::VARIABLE);
        let value = value.map(|value| utf8(failpoints::VARIABLE, value)).transpose()?;
        let faults = failpoints::parse(value.as_deref())?;
        Ok(Self { faults, ..Self::default() })
    }

    /// The same, with documents read by `program`, a process each, which `argument` makes call
    /// [`crate::documents::run_child`].
    #[must_use]
    pub fn reading_with(self, program: PathBuf, argument: &str) -> Self {
        let reader = ChildProcess {
            program: program.into_os_string(),
            arguments: vec![argument.into()],
            limits: Limits::default(),
            tools: Tools::default(),
        };
        Self { reader: Arc::new(reader), ..self }
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
    fn now(&self) -> Micros {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_micros() as Micros)
    }
}

/// Whether `path` lies in a directory that the data directory `own` keeps for itself. A spool may
/// be ingested by name.
fn is_own(path: &Path, own: &Path) -> bool {
    // A link to it is it.
    let found = path.canonicalize();
    let path = found.as_deref().unwrap_or(path);
    let is_queue = path.parent() == Some(own)
        && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(STATE_FILE.as_bytes()));
    is_queue
        || [
            "lake",
            "manifests",
            "tmp",
            "index",
            "index-of",
            "graph",
            "graph-of",
            "annotations",
            "annotations-of",
            "summaries",
            "summaries-of",
            "backups",
            "models",
            "watchers",
        ]
        .iter()
        .any(|part| path.starts_with(own.join(part)))
}

/// Takes out what lies in none of the targets: what a link led to.
fn confine(found: &mut Found, targets: &[String]) {
    let is_inside = |input: &Input| {
        let there = input.path.as_ref().and_then(|path| path.canonicalize().ok());
        there.is_some_and(|there| targets.iter().any(|target| there.starts_with(target)))
    };
    let (inside, outside): (Vec<Input>, Vec<Input>) =
        std::mem::take(&mut found.inputs).into_iter().partition(is_inside);
    found.inputs = inside;
    let reason = || "a link leads to it, out of what the job may read".to_owned();
    found.skipped.extend(outside.into_iter().map(|input| Skipped { uri: input.uri, reason: reason() }));
}

/// Runs everything. Cheap to make: the snapshot, the index and the model that answer questions are
/// opened when they are first needed, and then kept, so that each question does not load them again.
pub struct Engine {
    settings: Settings,
    environment: Environment,
    profiles: Profiles,
    pub(crate) kept: Kept,
}

/// What is opened when it is first needed.
#[derive(Default)]
pub(crate) struct Kept {
    /// Locked for a moment only: whoever reads the lake anew holds `reading`.
    pub(crate) newest: Mutex<Option<Arc<Snapshot>>>,
    /// The turn of whoever reads the lake anew. Others wait for what that one finds.
    reading: Mutex<()>,
    pub(crate) graph: Mutex<Option<Reader>>,
    pub(crate) index: OnceLock<Index>,
    pub(crate) embedder: OnceLock<Arc<dyn Embedder>>,
    /// How much came or went between two versions of a lake, as it was counted lately: while an index is behind,
    /// every question asks for the same.
    pub(crate) pending: Mutex<VecDeque<(Between, u64)>>,
}

/// Two versions of one lake: its id, the newer one, the older one.
pub(crate) type Between = (String, u64, u64);

impl Drop for Engine {
    /// Snapshots and indexes drive their I/O with runtimes of their own, which cannot end inside
    /// another one, as where a server lets go of its engine: a plain thread may end them anywhere.
    fn drop(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        let _ = std::thread::spawn(move || drop(kept)).join();
    }
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Errors
    ///
    /// If a profile file cannot be used.
    pub fn new(settings: Settings, environment: Environment) -> Result<Self, EngineError> {
        let mut profiles = Profiles::builtin();
        for path in &settings.profiles {
            profiles = profiles.with_file(path)?;
        }
        Ok(Self { settings, environment, profiles, kept: Kept::default() })
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The formats that it knows.
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// Where SQL puts what does not fit in memory. Nothing else is kept there. The SQL engine makes
    /// the directory when it needs it, but none above it.
    pub fn sql_temp_dir(&self) -> PathBuf {
        self.data_dir().join("tmp")
    }

    /// The lake, which has to be there: only an ingest makes one.
    pub(crate) fn lake(&self) -> Result<Lake, EngineError> {
        Ok(Lake::open_existing_with(self.data_dir(), self.faults())?)
    }

    /// The lake as the last commit left it. Its logs are read again only if there was another commit.
    ///
    /// # Errors
    ///
    /// If there is no lake, or it cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, EngineError> {
        let newest = || self.kept.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = || {
            let kept = newest().clone();
            kept.filter(|kept| kept.is_newest()).map(|kept| Snapshot::clone(&kept))
        };
        if let Some(kept) = kept() {
            return Ok(kept);
        }
        let _turn = self.kept.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept() {
            return Ok(kept);
        }
        let snapshot = self.lake()?.snapshot()?;
        *newest() = Some(Arc::new(snapshot.clone()));
        Ok(snapshot)
    }

    /// The lake as an earlier commit left it.
    ///
    /// # Errors
    ///
    /// If there is no lake, or no such commit.
    pub fn snapshot_at(&self, version: u64) -> Result<Snapshot, EngineError> {
        Ok(self.lake()?.snapshot_at(version)?)
    }

    /// DuckDB over the lake, read-only.
    ///
    /// # Errors
    ///
    /// If the views cannot be made.
    pub fn sql(&self, snapshot: &Snapshot, options: &SqlOptions) -> Result<Sql, EngineError> {
        self.sql_over(snapshot, self.tables(snapshot)?, options)
    }

    /// The same with nothing but what this engine's tenant has: for those who may not know of others.
    ///
    /// # Errors
    ///
    /// As [`Engine::sql`].
    pub fn own_sql(&self, snapshot: &Snapshot, options: &SqlOptions) -> Result<Sql, EngineError> {
        self.sql_over(snapshot, self.own_tables(snapshot)?, options)
    }

    /// The same over the lake alone.
    pub(crate) fn own_lake_sql(&self, snapshot: &Snapshot, options: &SqlOptions) -> Result<Sql, EngineError> {
        Ok(Sql::open(&self.own_tables(snapshot)?, options)?)
    }

    fn tables(&self, snapshot: &Snapshot) -> Result<Tables, EngineError> {
        Ok(Tables { objects: self.object_rows(), ..Tables::of(snapshot)? })
    }

    fn own_tables(&self, snapshot: &Snapshot) -> Result<Tables, EngineError> {
        let tables = self.tables(snapshot)?;
        // Where there is nobody else, the condition would only take time.
        Ok(if self.is_alone(snapshot)? { tables } else { tables.only(&self.settings.tenant) })
    }

    fn sql_over(
        &self,
        snapshot: &Snapshot,
        tables: Tables,
        options: &SqlOptions,
    ) -> Result<Sql, EngineError> {
        let derived = self.graph_tables(snapshot)?;
        let without = tables.clone();
        match Sql::open(&Tables { derived, ..tables }, options) {
            // A damaged graph is no reason to ask nothing; whether it was the graph is seen without it.
            Err(SqlError::Part(reason)) => {
                let sql = Sql::open(&without, options)?;
                tracing::warn!(
                    "the graph cannot be asked in SQL: {reason}; `stele graph rebuild` makes it anew"
                );
                Ok(sql)
            }
            sql => Ok(sql?),
        }
    }

    /// The same over the lake alone: for what the graph is made from.
    pub(crate) fn lake_sql(&self, snapshot: &Snapshot, options: &SqlOptions) -> Result<Sql, EngineError> {
        Ok(Sql::open(&Tables::of(snapshot)?, options)?)
    }

    /// What time it is by the engine's clock.
    pub fn now(&self) -> Micros {
        self.clock().now()
    }

    pub(crate) fn reader(&self) -> &(dyn Isolation + Send + Sync) {
        &*self.environment.reader
    }

    pub(crate) fn shared_clock(&self) -> Arc<dyn Clock> {
        self.environment.clock.clone()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.environment.clock
    }

    pub(crate) fn shared_reader(&self) -> Arc<dyn Isolation + Send + Sync> {
        Arc::clone(&self.environment.reader)
    }

    /// Notes that something that was begun then has just been done.
    pub(crate) fn took(&self, what: Timed, began: Micros) {
        let now = self.now();
        self.timings().note(what, now.saturating_sub(began), now, false);
    }

    /// How long things took lately.
    pub(crate) fn timings(&self) -> &Timings {
        &self.environment.timings
    }

    pub(crate) fn faults(&self) -> Arc<dyn Faults> {
        self.environment.faults.clone()
    }

    /// The inputs that `targets` name. A lake is never an input of itself.
    pub(crate) fn find(&self, targets: &[String], options: &InputOptions) -> Result<Found, EngineError> {
        let mut found = find(targets, &FindOptions { stdin_name: options.stdin_name.clone() })?;
        if options.confined {
            confine(&mut found, targets);
        }
        if let Ok(own) = self.data_dir().canonicalize() {
            let (mine, inputs): (Vec<Input>, Vec<Input>) = found
                .inputs
                .into_iter()
                .partition(|input| input.path.as_ref().is_some_and(|path| is_own(path, &own)));
            found.inputs = inputs;
            let reason = || "it belongs to the data directory".to_owned();
            found.skipped.extend(mine.into_iter().map(|input| Skipped { uri: input.uri, reason: reason() }));
        }
        Ok(found)
    }

    /// Whether there is a format called `name`, of records or of documents.
    pub(crate) fn check_format(&self, name: Option<&str>) -> Result<(), EngineError> {
        match name.filter(|name| WHOLE.named(name).is_none()) {
            Some(name) => Ok(self.profiles.check_name(Some(name))?),
            None => Ok(()),
        }
    }

    /// Worker threads: as many as were asked for, or one a core.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX.into());
        self.settings.threads.map_or_else(cores, usize::from)
    }

    /// The declared zone of naive times.
    pub(crate) fn timezone(&self) -> Result<Option<TimeZone>, EngineError> {
        self.settings.timezone.as_deref().map(zone).transpose()
    }

    /// Whether inputs can be read in this way, for whoever has it done later.
    ///
    /// # Errors
    ///
    /// If no time zone or no format has this name.
    pub fn check_reading(&self, timezone: Option<&str>, format: Option<&str>) -> Result<(), EngineError> {
        timezone.map(zone).transpose()?;
        self.check_format(format)
    }
}

/// The zone of this name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, EngineError> {
    TimeZone::get(name).map_err(|_| EngineError::Config {
        origin: "timezone".to_owned(),
        reason: format!("no time zone is named {name:?}; use an IANA name such as America/New_York or UTC"),
    })
}
