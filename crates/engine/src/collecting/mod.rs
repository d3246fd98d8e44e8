//! Sources beside recordings: which there are, whether they can be asked, and what is new of them, into the lake.

mod attachments;
mod kinds;
mod latest;
mod live;
mod sink;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use stele_collect::{
    Batch, Budget, BudgetState, CACHE_BYTES_MAX, Collected, Cursors, KnownKeys, Means, OWN, Outcome, Preview,
    ResponseCache, Sieve, Sifted, Sink, Source, SourceKind, SourcesConfig, StreamInfo,
};
use stele_rest::Shared;

pub use live::Listened;
pub use stele_capture::{CaptureConfig, Template};
pub use stele_collect::{
    Checked, CollectError, Outcome as StreamEnd, Source as SourceEntry, SourcesConfig as Sources,
};

use self::sink::{LakeSink, REJECTED_DIR};
use crate::answering::Paced;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::{EngineError, IngestSummary};

/// Where the service's answers are kept, below the data directory: they can be had again.
const CACHE_DIR: &str = "tmp/answers";

/// What was spent, below the data directory. Losing it loses what today's budget knows, and no data.
const BUDGET_FILE: &str = "sources/budget.json";

/// What a batch is called that only makes streams begin anew.
const RESET: &str = "reset";

/// Settings that are known before their crate reads them, so that a misspelt one is said where the list is read.
const KEYS: KnownKeys<'static> =
    &[(SourceKind::Rest, stele_rest::KEYS), (SourceKind::File, stele_files::KEYS)];

/// What came of one source.
#[derive(Debug, Serialize)]
pub struct SourceRun {
    /// The source.
    pub source: String,
    /// `ok`, `partial` (some streams failed), `failed`, or `cancelled`.
    pub outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of its streams.
    #[serde(flatten)]
    pub collected: Collected,
    /// Records that came into the lake, those that hold cursors with them.
    pub records: u64,
    /// Records that the lake held already.
    pub unchanged: u64,
    /// What was left out, in numbers.
    #[serde(flatten)]
    pub sifted: Sifted,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Seconds from the first request to the last commit.
    pub seconds: f64,
}

/// The sources of a configuration, with what asking them takes.
pub struct SourceDesk<'a> {
    engine: &'a Engine,
    config: SourcesConfig,
    variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    budget: Arc<Budget>,
    /// One batch at a time goes into the lake.
    turn: Mutex<()>,
}

impl<'a> SourceDesk<'a> {
    /// Reads the list. `variable` looks up what stands as `${NAME}` in it.
    ///
    /// # Errors
    ///
    /// If there is a list that cannot be read at all. An entry that cannot be used is in
    /// [`SourcesConfig::problems`], and the others can.
    pub fn open(
        engine: &'a Engine,
        variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<Self, EngineError> {
        let settings = engine.settings();
        let config = match &settings.sources_file {
            Some(path) => {
                let named = |why: String| CollectError::Sources { why: format!("{}: {why}", path.display()) };
                let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
                SourcesConfig::parse(&text, KEYS, variable).map_err(|error| match error {
                    CollectError::Sources { why } => named(why),
                    error => error,
                })?
            }
            None => {
                let defaults = settings.source_defaults.clone();
                SourcesConfig::of(settings.sources.clone(), defaults, KEYS, variable)?
            }
        };
        let spent = spent(&engine.data_dir().join(BUDGET_FILE))?;
        let defaults = &config.defaults;
        let budget =
            Budget::new(defaults.daily_cost_threshold_usd, defaults.emergency_shutdown_threshold_usd, spent);
        Ok(Self { engine, config, variable, budget: Arc::new(budget), turn: Mutex::new(()) })
    }

    /// What is configured.
    pub fn config(&self) -> &SourcesConfig {
        &self.config
    }

    /// What was spent, by source.
    pub fn cost(&self) -> Value {
        self.budget.summary()
    }

    /// Tries the connection and the credentials of a source.
    ///
    /// # Errors
    ///
    /// If it cannot be collected from.
    pub fn check(&self, id: &str, cancel: &Cancel) -> Result<Checked, EngineError> {
        let source = self.config.source(id)?;
        let mut collector = self.collector(source)?;
        self.with_means(cancel, &|_, _| (), |means| Ok(collector.check(means)?))
    }

    /// What a source has.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub fn discover(&self, id: &str, cancel: &Cancel) -> Result<Vec<StreamInfo>, EngineError> {
        let source = self.config.source(id)?;
        let mut collector = self.collector(source)?;
        self.with_means(cancel, &|_, _| (), |means| Ok(collector.discover(means)?))
    }

    /// The first records of a source, as they would go into the lake. Nothing is kept.
    ///
    /// # Errors
    ///
    /// If it cannot be collected from.
    pub fn preview(&self, id: &str, limit: u64, cancel: &Cancel) -> Result<Vec<Value>, EngineError> {
        let source = self.config.source(id)?;
        let mut collector = self.collector(source)?;
        let mut preview = Preview::new(limit);
        self.with_means(cancel, &|_, _| (), |means| {
            let mut sieve = Sieve::of(source, &mut preview)?;
            match collector.collect(&Cursors::default(), &mut sieve, means) {
                Ok(_) | Err(CollectError::Enough) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })?;
        Ok(preview.lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// How far a source has come, by the word of the lake.
    ///
    /// # Errors
    ///
    /// If there is no such source, or the lake cannot be read.
    pub fn state(&self, id: &str) -> Result<Cursors, EngineError> {
        let kept = self.engine.collected_state(&self.config.source(id)?.id)?.cursors;
        let mut cursors = Cursors::default();
        // What the program remembers for itself is nowhere to go on from.
        for (stream, cursor) in kept.iter().filter(|(stream, _)| !stream.starts_with(OWN)) {
            cursors.set(stream, cursor.clone());
        }
        Ok(cursors)
    }

    /// Makes a source, or one stream of it, begin anew with the next run; gives the streams that will. What is in
    /// the lake stays.
    ///
    /// # Errors
    ///
    /// If there is no such source, or the lake cannot be written.
    pub fn reset(
        &self,
        id: &str,
        stream: Option<&str>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Vec<String>, EngineError> {
        let source = self.config.source(id)?;
        let mut sink = LakeSink::open(self.engine, &source.id, &self.turn, progress, cancel)?;
        let known = sink.cursors()?;
        let wanted = |known: &str| stream.is_none_or(|stream| stream == known);
        // What its records look like is learnt anew; which were kept stays known, as they stay in the lake.
        let learnt = |known: &str| known.strip_prefix(Sieve::COLUMNS).is_some_and(wanted);
        let (mut streams, mut others) = (Vec::new(), Vec::new());
        for (name, _) in known.iter() {
            let own = name.starts_with(OWN);
            if !own && wanted(name) {
                streams.push(name.to_owned());
            }
            if (own && learnt(name)) || (!own && wanted(name)) {
                others.push((name.to_owned(), Value::Null));
            }
        }
        sink.take(Batch { stream: RESET.to_owned(), others, ..Batch::default() })?;
        Ok(streams)
    }

    /// Collects what is new of one source.
    ///
    /// # Errors
    ///
    /// If there is no such source. What goes wrong with it is in the outcome.
    pub fn collect(
        &self,
        id: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<SourceRun, EngineError> {
        let source = self.config.source(id)?;
        let run = self.run(source, progress, cancel);
        self.keep_budget()?;
        Ok(run)
    }

    /// Collects what is new of all sources that are enabled, in the order of their priorities, several at a time.
    /// With a threshold, those whose priority is no larger.
    ///
    /// # Errors
    ///
    /// If what was spent cannot be kept.
    pub fn collect_all(
        &self,
        threshold: Option<i64>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Vec<SourceRun>, EngineError> {
        let due = self.config.due(threshold);
        let workers = self.config.defaults.workers().min(due.len());
        let waiting: Mutex<VecDeque<(usize, &Source)>> = Mutex::new(due.into_iter().enumerate().collect());
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        // The list is free again before the source is asked.
                        let next = lock(&waiting).pop_front();
                        let Some((place, source)) = next else { break };
                        let run = self.run(source, progress, cancel);
                        lock(&done).push((place, run));
                    }
                });
            }
        });
        self.keep_budget()?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        Ok(done.into_iter().map(|(_, run)| run).collect())
    }

    fn run(&self, source: &Source, progress: &dyn Progress, cancel: &Cancel) -> SourceRun {
        let began = self.engine.now();
        let (mut kept, mut unchanged, mut sifted) = (IngestSummary::default(), 0, Sifted::default());
        let said = |stream: &str, records: u64| {
            progress.update(&Update {
                stage: "collect",
                item: format!("{}: {stream}", source.id),
                done: records,
                total: None,
                unit: Unit::Records,
                records,
            });
        };
        let outcome = self.with_means(cancel, &said, |means| {
            let mut collector = self.collector(source)?;
            let mut sink = LakeSink::open(self.engine, &source.id, &self.turn, progress, cancel)?;
            let mut sieve = Sieve::of(source, &mut sink)?;
            let cursors = sieve.cursors()?;
            let collected = collector.collect(&cursors, &mut sieve, means);
            sifted = sieve.sifted().clone();
            kept = std::mem::take(&mut sink.kept);
            unchanged = sink.unchanged;
            Ok(collected?)
        });
        let (mut collected, error) = match outcome {
            Ok(collected) => (collected, None),
            Err(error) => (Collected::default(), Some(error)),
        };
        collected.notes.extend(self.left_out(source, &sifted));
        let failed =
            collected.streams.iter().filter(|one| matches!(one.outcome, Outcome::Failed { .. })).count();
        SourceRun {
            source: source.id.clone(),
            outcome: match &error {
                Some(EngineError::Collect(CollectError::Cancelled) | EngineError::Cancelled(_)) => {
                    "cancelled"
                }
                Some(_) => "failed",
                None if failed == 0 => "ok",
                None if failed == collected.streams.len() => "failed",
                None => "partial",
            },
            error: error.map(|error| stele_model::error::in_full(&error)),
            collected,
            records: kept.records,
            unchanged,
            sifted,
            bytes_in: kept.bytes_in,
            seconds: (self.engine.now() - began) as f64 / 1e6,
        }
    }

    /// What is said of records that were left out.
    fn left_out(&self, source: &Source, sifted: &Sifted) -> Vec<String> {
        let Sifted { duplicates, rejected, values_left } = sifted;
        let dir = self.engine.data_dir().join(REJECTED_DIR).join(&source.id);
        let said = [
            (*duplicates, "records came again and were left out: `dedup` asks for that".to_owned()),
            (
                *rejected,
                format!("records were left out; each is in {}, with its place and reason", dir.display()),
            ),
            (
                *values_left,
                "members were taken out of records that are kept: `schema` asks for that".to_owned(),
            ),
        ];
        said.into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }

    fn with_means<T>(
        &self,
        cancel: &Cancel,
        progress: &dyn Fn(&str, u64),
        work: impl FnOnce(&Means<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let clock = self.engine.shared_clock();
        let cancelled = || cancel.is_cancelled();
        let pace = Arc::new(Paced::new(Arc::clone(&clock)));
        work(&Means { clock: clock.as_ref(), pace, cancelled: &cancelled, progress })
    }

    fn shared(&self, source: &Source) -> Shared {
        let cache = source.cache_ttl.filter(|ttl| *ttl > Duration::ZERO).map(|ttl| {
            let dir = self.engine.data_dir().join(CACHE_DIR).join(&source.id);
            Arc::new(ResponseCache::new(dir, ttl, CACHE_BYTES_MAX))
        });
        Shared { budget: Some(Arc::clone(&self.budget)), cache, limiter: None }
    }

    fn keep_budget(&self) -> Result<(), EngineError> {
        let path = self.engine.data_dir().join(BUDGET_FILE);
        let dir = path.parent().unwrap_or(self.engine.data_dir());
        std::fs::create_dir_all(dir).at("create", dir)?;
        write_durably(&path, &serde_json::to_vec(&self.budget.state_now()).unwrap_or_default())
    }
}

/// What was spent before. A file that is damaged is an error: who takes it for none spends twice.
fn spent(path: &Path) -> Result<BudgetState, EngineError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| EngineError::Manifest {
            path: path.to_owned(),
            reason: format!("{error}; without this file all budgets begin anew"),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BudgetState::default()),
        Err(error) => Err(error).at("read", path),
    }
}

/// A list is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
