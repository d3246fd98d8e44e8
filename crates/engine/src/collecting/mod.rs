//! Sources beside recordings: which there are, whether they can be asked, and what is new of them, into the lake.

mod attachments;
mod backup;
mod expected;
mod kinds;
mod last;
mod latest;
mod live;
mod outcome;
mod purge;
mod rows;
mod sink;
mod spending;
mod split;
mod summarising;
mod system;
mod trust;
mod watching;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use stele_collect::{
    Batch, CACHE_BYTES_MAX, Cursors, KnownKeys, Means, OWN, Preview, RateLimiter, ResponseCache, Sieve,
    Sifted, Sink, Source, SourceKind, SourcesConfig, Stopwatch, StreamInfo,
};
use stele_http::Pace;
use stele_model::ErrorKind;
use stele_rest::Shared;

pub use backup::{BACKUPS_DIR, Backup, Restored};
pub use expected::{ExpectedRun, Figures};
pub use last::{LastRun, LastStream, Took};
pub use live::Listened;
pub use outcome::SourceRun;
pub use purge::{PurgePlan, Purged};
pub(crate) use sink::{SCHEME, TAKEN};
pub use split::Split;
pub use stele_capture::{CaptureConfig, CaptureSeen, Command as CaptureCommand, Template};
pub use stele_collect::{
    Bound, Checked, CollectError, Level, Outcome as StreamEnd, Problem as SourceProblem,
    Source as SourceEntry, SourcesConfig as Sources,
};
pub use summarising::Summarised;
pub use system::SystemFacts;

use self::sink::{LakeSink, REJECTED_DIR};
use self::spending::Spending;
use self::summarising::{summaries_dir, summaries_lock};
use self::trust::Trust;
use self::watching::Watching;
use crate::answering::Paced;
use crate::engine::Engine;
use crate::progress::{Cancel, NoProgress, Progress};
use crate::{EngineError, Settings};

/// Where the service's answers are kept, below the data directory: they can be had again.
const CACHE_DIR: &str = "tmp/answers";

/// What a batch is called that only makes streams begin anew.
const RESET: &str = "reset";

/// Settings that are known before their crate reads them, so that a misspelt one is said where the list is read.
const KEYS: KnownKeys<'static> =
    &[(SourceKind::Rest, stele_rest::KEYS), (SourceKind::File, stele_files::KEYS)];

/// The sources of a configuration, with what asking them takes.
pub struct SourceDesk<'a> {
    engine: &'a Engine,
    config: SourcesConfig,
    variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    spending: Spending,
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
        let config = listed(engine.settings(), variable)?;
        let spending = Spending::open(engine, &config.defaults)?;
        Ok(Self { engine, config, variable, spending, turn: Mutex::new(()) })
    }

    /// What is configured.
    pub fn config(&self) -> &SourcesConfig {
        &self.config
    }

    /// The file that the list stands in; `None` where the settings came from no file.
    pub fn list_file(&self) -> Option<&Path> {
        let settings = self.engine.settings();
        settings.sources_file.as_deref().or(settings.config_file.as_deref())
    }

    /// What was spent, by source.
    pub fn cost(&self) -> Value {
        self.spending.budget().summary()
    }

    /// Each bound of what a source may cost, and how much of it is spent.
    pub fn bounds(&self, source: &Source) -> Vec<Bound> {
        self.spending.budget().standing(&source.id, &source.cost, self.engine.now())
    }

    /// Tries the connection and the credentials of a source.
    ///
    /// # Errors
    ///
    /// If it cannot be collected from.
    pub fn check(&self, id: &str, cancel: &Cancel) -> Result<Checked, EngineError> {
        let source = self.config.source(id)?;
        let mut collector = self.collector(source)?;
        self.look(source, cancel, |means| Ok(collector.check(means)?))
    }

    /// What a source has.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub fn discover(&self, id: &str, cancel: &Cancel) -> Result<Vec<StreamInfo>, EngineError> {
        let source = self.config.source(id)?;
        let mut collector = self.collector(source)?;
        self.look(source, cancel, |means| Ok(collector.discover(means)?))
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
        let ended = self.look(source, cancel, |means| {
            let mut sieve = Sieve::of(source, &mut preview)?;
            match collector.collect(&Cursors::default(), &mut sieve, means) {
                Ok(collected) => Ok(collected.streams),
                Err(CollectError::Enough) => Ok(Vec::new()),
                Err(error) => Err(EngineError::from(error)),
            }
        })?;
        // Where there is something to show, a run will say what fails beside it.
        if preview.lines.is_empty() {
            for stream in ended {
                if let StreamEnd::Failed { reason } = stream.outcome {
                    let why = format!("{id}, {}: {reason}", stream.stream);
                    return Err(EngineError::NotCollected { why, kind: ErrorKind::Retry });
                }
            }
        }
        let (trust, mut marked) = (Trust::of(source.trust_score), Vec::new());
        let line = |line: &String| {
            marked.clear();
            trust.put(line.as_bytes(), &mut marked);
            serde_json::from_slice(&marked).ok()
        };
        Ok(preview.lines.iter().filter_map(line).collect())
    }

    /// How far a source has come, by the word of the lake.
    ///
    /// # Errors
    ///
    /// If there is no such source, or the lake cannot be read.
    pub fn state(&self, id: &str) -> Result<Cursors, EngineError> {
        let mut cursors = self.engine.collected_state(&self.config.source(id)?.id)?.cursors;
        // What the program remembers for itself is nowhere to go on from.
        cursors.retain(|stream| !stream.starts_with(OWN));
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
        let mut sink =
            LakeSink::open(self.engine, (&source.id, source.trust_score), &self.turn, progress, cancel)?;
        let known = sink.cursors()?;
        let wanted = |known: &str| stream.is_none_or(|stream| stream == known);
        // What its records look like is learnt anew; which were kept stays known, as they stay in the lake.
        let learnt = |known: &str| known.strip_prefix(Sieve::COLUMNS).is_some_and(wanted);
        let (mut streams, mut others) = (Vec::new(), Vec::new());
        for name in known.streams() {
            let own = name.starts_with(OWN);
            if !own && wanted(name) {
                streams.push(name.to_owned());
            }
            if (own && learnt(name)) || (!own && wanted(name)) {
                others.push((name.to_owned(), Value::Null));
            }
        }
        // What begins anew is asked anew.
        self.kept_answers(source, Duration::ZERO).clear();
        sink.take(Batch { stream: RESET.to_owned(), others, ..Batch::default() })?;
        self.forget_cursors(&source.id, &streams)?;
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
        self.spending.settle()?;
        Ok(run)
    }

    /// Collects what is new of these sources, begun in this order, several at a time.
    ///
    /// # Errors
    ///
    /// If there is no such source, or what was spent cannot be kept.
    pub fn collect_all(
        &self,
        ids: &[String],
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Vec<SourceRun>, EngineError> {
        let due: Vec<&Source> = ids.iter().map(|id| self.config.source(id)).collect::<Result<_, _>>()?;
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
        self.spending.settle()?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, _)| *place);
        Ok(done.into_iter().map(|(_, run)| run).collect())
    }

    fn run(&self, source: &Source, progress: &dyn Progress, cancel: &Cancel) -> SourceRun {
        let began = self.engine.now();
        let spent = || self.spending.budget().state_now().spent(&source.id);
        let before = spent();
        let cost = || spent().cost.saturating_sub(before.cost) as f64 / 1e9;
        let mut run = SourceRun::of(&source.id);
        let (mut is_anew, mut reached, mut sifted, mut watches) = (true, None, Sifted::default(), None);
        let outcome = self.with_means(source, progress, cancel, |means| {
            let storing = Stopwatch::new(Arc::clone(&means.pace));
            watches = Some((means.fetching.clone(), storing.clone()));
            let mut collector = self.collector(source)?;
            let sink = storing.time(|| {
                LakeSink::open(self.engine, (&source.id, source.trust_score), &self.turn, progress, cancel)
            })?;
            let mut told =
                Told { sink, storing, spending: &self.spending, run: &mut run, progress, cost: &cost };
            let mut sieve = Sieve::of(source, &mut told)?;
            let cursors = sieve.cursors()?;
            is_anew = cursors.is_empty();
            let collected = collector.collect(&cursors, &mut sieve, means);
            sifted = sieve.sifted().clone();
            reached = sieve.cursors().ok();
            Ok(collected?)
        });
        match outcome {
            Ok(collected) => run.collected = collected,
            Err(error) => {
                run.collected.calls = spent().calls.saturating_sub(before.calls);
                run.failure = Some(error);
            }
        }
        run.collected.notes.extend(self.left_out(source, &sifted));
        run.sifted = sifted;
        run.ended();
        run.tokens = spent().tokens.saturating_sub(before.tokens);
        run.cost_usd = cost();
        let ended = self.engine.now();
        run.seconds = (ended - began) as f64 / 1e6;
        let (fetching, storing) = watches.unwrap_or_default();
        run.split = Split::of(run.seconds, &fetching, &storing);
        progress.counted(&run.counts());
        // Somebody else has it, and what comes of it is theirs to say.
        if !run.failure.as_ref().is_some_and(EngineError::is_busy) {
            let before = self.last_run(&source.id).ok().flatten();
            let last = LastRun::of(&run, &self.engine.settings().tenant, (began, ended));
            let last = last.after(before, is_anew, reached.as_ref());
            if let Err(error) = last::keep(self.engine, &source.id, &last) {
                let why = stele_model::error::in_full(&error);
                progress.note(&format!("{}: what came of it is not remembered: {why}", source.id));
            }
        }
        run
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

    /// Asks a source without collecting of it. What that took is counted all the same.
    fn look<T>(
        &self,
        source: &Source,
        cancel: &Cancel,
        work: impl FnOnce(&Means<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let seen = self.with_means(source, &NoProgress, cancel, work);
        let settled = self.spending.settle();
        let seen = seen?;
        settled.map(|()| seen)
    }

    fn with_means<T>(
        &self,
        source: &Source,
        progress: &dyn Progress,
        cancel: &Cancel,
        work: impl FnOnce(&Means<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let clock = self.engine.shared_clock();
        let cancelled = || cancel.is_cancelled();
        let pace = Arc::new(Paced::new(Arc::clone(&clock)));
        let fetching = Stopwatch::new(Arc::clone(&pace) as Arc<dyn Pace>);
        let watching = Watching::of(&source.id, self.spending.budget(), clock.as_ref(), progress);
        let gathered = |stream: &str, records: u64| watching.gathered(stream, records);
        work(&Means {
            clock: clock.as_ref(),
            pace,
            cancelled: &cancelled,
            progress: &gathered,
            fetching,
            watch: &watching,
        })
    }

    /// What a REST source is given beside its settings. `wait_max` is how long its limiter waits at most.
    fn shared(&self, source: &Source, wait_max: Duration) -> Shared {
        let cache = source.cache_ttl.filter(|ttl| *ttl > Duration::ZERO).map(|ttl| {
            let cache = self.kept_answers(source, ttl);
            // A time that nobody chose would hide what is new.
            Arc::new(if source.cache_ttl_set { cache } else { cache.until_ended() })
        });
        let budget = Some(Arc::clone(self.spending.budget()));
        Shared { budget, cache, limiter: Some(self.limiter(source, wait_max)) }
    }

    fn kept_answers(&self, source: &Source, ttl: Duration) -> ResponseCache {
        ResponseCache::new(self.engine.data_dir().join(CACHE_DIR).join(&source.id), ttl, CACHE_BYTES_MAX)
    }

    /// The limiter of a REST source, which knows what earlier runs have used of an hour and of a day. A source with
    /// several keys has one of its own for each: which key made a call is not remembered.
    fn limiter(&self, source: &Source, wait_max: Duration) -> Arc<RateLimiter> {
        let limiter = self.spending.budget().limiter(&source.id, &source.rate_limit, self.engine.now());
        Arc::new(limiter.with_wait_max(wait_max))
    }
}

/// The list of sources, as it is now.
fn listed(
    settings: &Settings,
    variable: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<SourcesConfig, CollectError> {
    let Some(path) = &settings.sources_file else {
        let defaults = settings.source_defaults.clone();
        return SourcesConfig::of(settings.sources.clone(), defaults, KEYS, variable);
    };
    let named = |why: String| CollectError::Sources { why: format!("{}: {why}", path.display()) };
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    SourcesConfig::parse(&text, KEYS, variable).map_err(|error| match error {
        CollectError::Sources { why } => named(why),
        error => error,
    })
}

/// The lake, for a run that is told of: what is kept, and what it cost, is known after each batch.
struct Told<'s, 'a> {
    sink: LakeSink<'a>,
    storing: Stopwatch,
    spending: &'s Spending,
    run: &'s mut SourceRun,
    progress: &'s dyn Progress,
    /// Dollars that the run has cost so far.
    cost: &'s dyn Fn() -> f64,
}

impl Sink for Told<'_, '_> {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        self.sink.cursors()
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        let sink = &mut self.sink;
        let taken = self.storing.time(|| sink.take(batch));
        let run = &mut *self.run;
        let kept = &self.sink.kept;
        (run.records, run.quarantined, run.bytes_in) = (kept.records, kept.quarantined, kept.bytes_in);
        (run.unchanged, run.cost_usd) = (self.sink.unchanged, (self.cost)());
        taken?;
        self.progress.counted(&run.counts());
        self.spending.settle().map_err(|error| CollectError::Sink(Box::new(error)))
    }

    fn keeps(&self) -> bool {
        self.sink.keeps()
    }

    fn batch_records(&self) -> u64 {
        self.sink.batch_records()
    }
}

/// A list is whole between any two statements, so a panic of another thread is no reason to stop.
fn lock<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
